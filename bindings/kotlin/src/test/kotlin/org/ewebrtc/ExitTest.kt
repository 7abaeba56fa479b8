/*
 * The JVM may end at any moment: no crash, no hang, no complaint of the library.
 *
 * Each program is run several times in a JVM of its own, since what is looked for is a race.
 */
package org.ewebrtc

import kotlinx.coroutines.CoroutineStart
import kotlinx.coroutines.DelicateCoroutinesApi
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.GlobalScope
import kotlinx.coroutines.awaitCancellation
import kotlinx.coroutines.delay
import kotlinx.coroutines.launch
import kotlinx.coroutines.runBlocking
import kotlinx.coroutines.withContext
import kotlinx.coroutines.withTimeout
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.io.TempDir
import org.junit.jupiter.params.ParameterizedTest
import org.junit.jupiter.params.provider.MethodSource
import java.io.File
import java.util.concurrent.TimeUnit
import kotlin.concurrent.thread
import kotlin.system.exitProcess
import kotlin.time.Duration.Companion.seconds

private val gateway by lazy { Gateway() }
private val kept = ArrayList<Phone>()

private suspend fun calling(user: String = "alice"): Phone {
    val phone = Phone(gateway, PhoneSettings(localMedia = "tone:440", remoteMedia = "pcm"))
    synchronized(kept) { kept += phone }
    phone.on { }
    phone.login(gateway.devToken(user))
    phone.dial("echo").connected()
    return phone
}

@OptIn(DelicateCoroutinesApi::class)
private fun flood(phone: Phone) = repeat(100) { number ->
    GlobalScope.launch(start = CoroutineStart.UNDISPATCHED) {
        try {
            phone.invoke("getVersion", tag = "$number")
        } catch (_: EwebrtcException) {
            // The process ends.
        }
    }
}

/** By name: what it does, and the status with which it is to end. */
@OptIn(DelicateCoroutinesApi::class)
private val programs: Map<String, Pair<Int, () -> Unit>> = mapOf(
    "the end of main with a call running" to (0 to { runBlocking { calling() } }),
    "the phone is not referred to at the end" to (0 to { runBlocking { calling() }; kept.clear(); System.gc() }),
    "several phones with events under way" to (0 to { runBlocking { repeat(4) { flood(calling("user$it")) } } }),
    "exitProcess with commands under way" to (7 to {
        runBlocking {
            flood(calling())
            exitProcess(7)
        }
    }),
    "exitProcess inside a handler" to (7 to {
        runBlocking {
            val phone = calling()
            phone.on("command:finished") { exitProcess(7) }
            flood(phone)
            delay(30.seconds)
        }
    }),
    "an exception leaves main" to (1 to {
        runBlocking {
            calling().use { phone ->
                flood(phone)
                error("of the program")
            }
        }
    }),
    "an exception of a coroutine beside main" to (0 to {
        runBlocking {
            val phone = calling()
            GlobalScope.launch {
                phone.hangup()
                error("of the program")
            }.join()
        }
    }),
    "coroutines and threads go on giving commands" to (0 to {
        for (user in listOf("ann", "ben")) {
            val phone = runBlocking { calling(user) }
            thread(isDaemon = true) { while (true) runBlocking { runCatching { phone.getVersion() } } }
            GlobalScope.launch { phone.events().collect { } }
            GlobalScope.launch { awaitCancellation() }
        }
    }),
    "halt" to (7 to {
        runBlocking { flood(calling()) }
        Runtime.getRuntime().halt(7)
    }),
    "hooks of the program use the phone" to (0 to {
        val phone = runBlocking { calling() }
        Runtime.getRuntime().addShutdownHook(thread(start = false) { phone.close() })
    }),
)

/** Runs one of the programs, or calls bob over the gateway that is named. */
fun main(arguments: Array<String>) {
    val elsewhere = arguments.getOrNull(1)
    if (elsewhere != null) {
        runBlocking {
            val phone = Phone(elsewhere)
            kept += phone
            phone.login(devToken(elsewhere, "alice"))
            phone.dial("bob").connected()
        }
    } else {
        programs.getValue(arguments.single()).second()
    }
    println("end")
}

class ExitTest {
    private fun start(folder: File, vararg arguments: String): java.lang.Process {
        val java = File(System.getProperty("java.home"), "bin/java").path
        val options = listOf("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Djna.tmpdir=${System.getProperty("jna.tmpdir") ?: folder}")
        val path = listOf("-cp", System.getProperty("java.class.path"), "org.ewebrtc.ExitTestKt")
        return ProcessBuilder(listOf(java) + options + path + arguments).directory(folder)
            .redirectOutput(folder.resolve("out")).redirectError(folder.resolve("errors")).start()
    }

    @Test
    fun `the other party hears at once of the end of a process that closed nothing`(@TempDir folder: File) = scene { gateway ->
        loggedIn(gateway, "bob").use { bob ->
            val events = bob.events("call:disconnected", "call:connected")
            bob.on("call:incoming") { bob.answer() }
            val process = start(folder, "calls", gateway.url)
            soon { events.next("call:connected") }
            assertTrue(withContext(Dispatchers.IO) { process.waitFor(60, TimeUnit.SECONDS) })
            assertEquals(0, process.exitValue(), folder.resolve("errors").readText())
            // Its gateway misses one that says nothing after 45 s.
            withTimeout(10.seconds) { events.next("call:disconnected") }
        }
    }

    @ParameterizedTest
    @MethodSource("names")
    fun `the process ends well`(name: String, @TempDir folder: File) {
        repeat(3) {
            val out = folder.resolve("out")
            val errors = folder.resolve("errors")
            val process = start(folder, name)
            val ended = process.waitFor(60, TimeUnit.SECONDS)
            process.destroyForcibly()
            assertTrue(ended, "it does not end: ${errors.readText()}")
            val told = errors.readText()
            assertEquals(programs.getValue(name).first, process.exitValue(), told)
            for (word in listOf("JNA", "SIG", "panicked", "fatal", "Fatal", "NoClassDefFound", "org.ewebrtc.ffi")) {
                assertTrue(word !in told, told)
            }
            assertTrue(folder.list()!!.none { it.startsWith("hs_err") || it.startsWith("core") })
            if (process.exitValue() == 0) assertEquals("end\n", out.readText())
        }
    }

    companion object {
        /** Their names. */
        @JvmStatic
        fun names() = programs.keys.toList()
    }
}
