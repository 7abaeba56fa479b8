/*
 * The ends: of the process, and of what nobody refers to any more.
 *
 * Owns: the function that runs when the JVM ends, and what is kept alive because somebody waits for it. Lives on: any thread; the
 * JVM's own at its end. Must not import: anything but the generated code.
 *
 * A JVM that ends asks nobody. So before it goes `endProcess` closes all phones, whose other parties hear of it and whose
 * recordings become complete, and stops every callback; nothing calls into Kotlin after it.
 */
package org.ewebrtc

import org.ewebrtc.ffi.endProcess
import java.util.concurrent.ConcurrentHashMap

internal object Process {
    /**
     * Longest wait at exit, in milliseconds, for phones that were not closed: their sessions are given back and recordings
     * completed when the gateway answers meanwhile.
     */
    private const val GOODBYE_MS = 1500

    init {
        try {
            Runtime.getRuntime().addShutdownHook(Thread({ endProcess(GOODBYE_MS.toULong()) }, "ewebrtc-end"))
        } catch (_: IllegalStateException) {
            // The JVM ends already: nothing is begun any more.
            endProcess(0uL)
        }
    }

    private val held = ConcurrentHashMap<Any, Any>()

    /** Makes sure that the end is prepared for. */
    fun attend() = Unit

    /**
     * While `work` waits the collector leaves `what` alone, and with it the coroutine: one that nobody refers to but what it
     * waits for would vanish without a word.
     */
    suspend inline fun <T> holding(what: Any, work: () -> T): T {
        val key = Any()
        held[key] = what
        try {
            return work()
        } finally {
            held.remove(key)
        }
    }
}
