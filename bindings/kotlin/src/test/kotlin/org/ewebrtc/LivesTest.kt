/* Lives and ends of phones inside one process: handlers that close, the collector, what is left. */
package org.ewebrtc

import kotlinx.coroutines.CompletableDeferred
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.TimeoutCancellationException
import kotlinx.coroutines.async
import kotlinx.coroutines.awaitCancellation
import kotlinx.coroutines.coroutineScope
import kotlinx.coroutines.delay
import kotlinx.coroutines.flow.first
import kotlinx.coroutines.flow.toList
import kotlinx.coroutines.launch
import kotlinx.coroutines.withContext
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertNull
import org.ewebrtc.ffi.objectCounts
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Assertions.fail
import org.junit.jupiter.api.Test
import java.io.File
import java.lang.ref.WeakReference
import java.net.ServerSocket
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.Duration.Companion.seconds
import kotlin.time.measureTime

class LivesTest {
    private val bot = PhoneSettings(localMedia = "tone:440", remoteMedia = "pcm", pcmRate = 16_000)

    @Test
    fun `everything after the end is refused`() = scene { gateway ->
        val phone = loggedIn(gateway, "alice")
        val call = soon { phone.dial("echo") }
        soon { call.connected() }
        phone.close()
        phone.close()
        soon { phone.closeAndWait() }
        for (work in listOf<suspend () -> Unit>({ phone.logout() }, { phone.dial("echo") }, { phone.getCalls() }, { phone.login("t") })) {
            thrown<ClosedException> { soon { work() } }
        }
        assertNull(call.state)
        assertNull(call.stats())
        assertEquals("call:disconnected", soon { call.ended() }.name)
        phone.beginClose()
        phone.setConnectivity(false)
        assertEquals("Phone(closed)", phone.toString())
    }

    @Test
    fun `who waits when the phone closes is told`() = scene { gateway ->
        loggedIn(gateway, "bob").use { bob ->
            val alice = loggedIn(gateway, "alice")
            val ringing = bob.events("call:incoming")
            val call = soon { alice.dial("bob") }
            soon { ringing.next() }
            val waiting = listOf<suspend () -> Unit>({ call.connected() }, { alice.waitFor("call:held") }, { alice.events().first { false } })
                .map { work -> async { runCatching { work() } } }
            val ending = async { runCatching { call.ended() } }
            delay(50.milliseconds)
            alice.close()
            for (one in waiting) assertTrue(soon { one.await() }.isFailure)
            soon { ending.await() }
        }
    }

    @Test
    fun `a phone is closed inside its own handlers`() = scene { gateway ->
        val ways = listOf<suspend (Phone) -> Unit>({ it.closeAndWait() }, { it.close() }, { it.beginClose() })
        for (context in listOf(Dispatchers.Default, Dispatchers.Unconfined)) {
            for (way in ways) {
                val phone = Phone(gateway)
                val done = CompletableDeferred<Unit>()
                phone.on("session:ready", context = context) {
                    way(phone)
                    done.complete(Unit)
                }
                val closed = phone.events("phone:closed")
                soon { phone.login(gateway.devToken("alice")) }
                assertEquals(1, soon { closed.toList() }.size)
                soon { done.await() }
                soon { phone.closeAndWait() }
            }
        }
    }

    @Test
    fun `closing without a gateway that answers is bounded`() = scene { gateway ->
        val phone = loggedIn(gateway, "alice")
        soon { phone.dial("echo").connected() }
        gateway.close()
        assertTrue(measureTime { withContext(Dispatchers.IO) { phone.close() } } < 12.seconds)
        // One that takes connections and says nothing.
        ServerSocket(0).use { silent ->
            val other = Phone("http://127.0.0.1:${silent.localPort}")
            val waiting = async { runCatching { other.login("token") } }
            delay(50.milliseconds)
            soon { other.closeAndWait() }
            assertTrue(soon { waiting.await() }.isFailure)
        }
    }

    @Test
    fun `closing waits for handlers, and cancels those that are late`() = scene { gateway ->
        val phone = Phone(gateway)
        val begun = CompletableDeferred<Unit>()
        val ended = CompletableDeferred<String>()
        var handled = 0
        phone.on("command:finished") {
            delay(20.milliseconds)
            handled++
        }
        soon { repeat(5) { phone.invoke("getVersion", tag = "$it") } }
        soon { phone.closeAndWait() }
        assertEquals(5, handled)

        val other = Phone(gateway)
        other.on("command:finished") {
            begun.complete(Unit)
            try {
                awaitCancellation()
            } finally {
                ended.complete(it.name)
            }
        }
        soon { other.invoke("getVersion", tag = "x") }
        soon { begun.await() }
        soon { other.closeAndWait(300.milliseconds) }
        assertEquals("command:finished", soon { ended.await() })
    }

    /** A phone in a call, with events under way, that nobody closes; its handler refers to it, too. */
    private suspend fun abandon(gateway: Gateway, user: String, whom: String): WeakReference<Phone> {
        val phone = loggedIn(gateway, user, bot)
        phone.on { event -> check(event.name.isNotEmpty() && phone.pcmRate > 0) }
        val unread = phone.events()
        val call = soon { phone.dial(whom) }
        soon { call.connected() }
        coroutineScope {
            repeat(20) { number -> launch { phone.invoke("getVersion", tag = "$number") } }
        }
        assertEquals(0, unread.missed)
        return WeakReference(phone)
    }

    @Test
    fun `a phone that nobody holds is closed by the collector, and the other party hears of it`() = scene { gateway ->
        loggedIn(gateway, "bob").use { bob ->
            bob.on("call:incoming") { bob.answer() }
            val ended = bob.events("call:disconnected")
            val phone = abandon(gateway, "alice", "bob")
            until("it is collected") {
                System.gc()
                phone.get() == null
            }
            soon { ended.next() }
        }
    }

    /** Phones and calls that the library keeps, and the threads that deliver events, one for each phone that is not closed. */
    private data class Kept(val phones: Long, val calls: Long, val delivering: Int)

    private fun kept(): Kept {
        val threads = File("/proc/self/task").listFiles()!!
        // One that has ended meanwhile has no name any more.
        val delivering = threads.count { runCatching { File(it, "comm").readText().trim() }.getOrNull() == "ewebrtc-events" }
        val (phones, calls) = objectCounts()
        return Kept(phones.toLong(), calls.toLong(), delivering)
    }

    /** Waits until nothing at all is left: a single phone or call that stays behind is seen. */
    private suspend fun nothingKept() {
        try {
            soon {
                while (kept() != Kept(0, 0, 0)) {
                    System.gc()
                    delay(20.milliseconds)
                }
            }
        } catch (_: TimeoutCancellationException) {
            fail<Unit>("left behind: ${kept()}")
        }
    }

    private fun threads() = File("/proc/self/task").list()!!.size

    private fun descriptors() = File("/proc/self/fd").list()!!.size

    /** Megabytes. */
    private fun resident() = File("/proc/self/statm").readText().split(" ")[1].toLong() * 4096 / (1 shl 20)

    /** Waits until there are as many as before, or nearly: workers of coroutines and kept connections come and go. */
    private suspend fun steady(threads: Int, descriptors: Int) = until("$threads threads and $descriptors descriptors, as before") {
        // A connection to the gateway is kept for the next request as long as there is the object of its phone.
        System.gc()
        threads() <= threads + 3 && descriptors() <= descriptors + 12
    }

    @Test
    fun `nothing is left of phones and calls that nobody closes`() = scene { gateway ->
        var number = 0
        suspend fun round(): List<WeakReference<Phone>> = coroutineScope {
            List(4) {
                val user = "user${++number}"
                async { abandon(gateway, user, "echo") }
            }.map { it.await() }
        }
        suspend fun collected(phones: List<WeakReference<Phone>>) = until("all are collected") {
            System.gc()
            phones.all { it.get() == null }
        }
        // What is made once and kept: workers, connections of the gateway, the pools of the allocator.
        repeat(4) { collected(round()) }
        nothingKept()
        val threads = threads()
        val descriptors = descriptors()
        val resident = resident()
        repeat(15) { collected(round()) }
        nothingKept()
        steady(threads, descriptors)
        // Coarse, for what belongs to no object: a phone that stays in a call is 4 MB, a thread and 8 descriptors, and was seen above.
        assertTrue(resident() < resident + 60, "${resident()} MB after $resident MB")
    }

    @Test
    fun `nothing is left of phones that are closed`() = scene { gateway ->
        suspend fun one(number: Int) = loggedIn(gateway, "user$number", bot).use { phone -> soon { phone.dial("echo").connected() } }
        repeat(5) { one(it) }
        nothingKept()
        val threads = threads()
        val descriptors = descriptors()
        repeat(30) { one(it) }
        nothingKept()
        steady(threads, descriptors)
    }
}
