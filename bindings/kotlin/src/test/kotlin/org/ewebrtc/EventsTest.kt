/* Streams and handlers. */
package org.ewebrtc

import kotlinx.coroutines.CancellationException
import kotlinx.coroutines.CompletableDeferred
import kotlinx.coroutines.CoroutineExceptionHandler
import kotlinx.coroutines.DelicateCoroutinesApi
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.GlobalScope
import kotlinx.coroutines.Job
import kotlinx.coroutines.async
import kotlinx.coroutines.cancelAndJoin
import kotlinx.coroutines.channels.Channel
import kotlinx.coroutines.delay
import kotlinx.coroutines.flow.first
import kotlinx.coroutines.flow.map
import kotlinx.coroutines.flow.toList
import kotlinx.coroutines.launch
import kotlinx.coroutines.withTimeoutOrNull
import kotlinx.serialization.json.jsonPrimitive
import kotlinx.serialization.json.long
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertFalse
import org.junit.jupiter.api.Assertions.assertNull
import org.junit.jupiter.api.Assertions.assertSame
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Assertions.fail
import org.junit.jupiter.api.Test
import java.lang.ref.WeakReference
import java.time.Duration
import java.time.Instant
import java.util.concurrent.CopyOnWriteArrayList
import kotlin.time.Duration.Companion.milliseconds

class EventsTest {
    /** That many events. */
    private suspend fun flood(phone: Phone, count: Int) = repeat(count) { phone.invoke("getVersion", tag = "$it") }

    @Test
    fun `streams are complete, independent, and end`() = scene { gateway ->
        val phone = Phone(gateway)
        val first = phone.events()
        val second = phone.events("session:ready", "phone:closed")
        soon { phone.login(gateway.devToken("alice")) }
        val call = soon { phone.dial("echo", tag = "mine") }
        soon { call.connected() }
        soon { phone.closeAndWait() }
        val everything = soon { first.toList() }
        assertEquals((1L..everything.size).toList(), everything.map { it.seq })
        assertEquals("phone:closed", everything.last().name)
        assertEquals(listOf("session:ready", "phone:closed"), soon { second.map { it.name }.toList() })
        assertEquals(emptyList<Event>(), soon { first.toList() })
        val dialing = everything.first { it.name == "dialing" }
        assertEquals("mine", dialing.tag)
        assertSame(call, dialing.call)
        assertEquals(call.handle, dialing["call"]!!.jsonPrimitive.long)
        assertNull(dialing.text("index"))
        assertNull(dialing["nothing"])
        assertTrue(Duration.between(dialing.instant, Instant.now()).abs() < Duration.ofSeconds(30))
        val changed = everything.first { it.name == "call:state-changed" }
        assertEquals("created" to "connecting", changed.oldState to changed.newState)
        assertEquals("Event(1 session:ready)", everything.first().toString())
        // A stream that begins after the end has nothing to tell.
        assertEquals(emptyList<Event>(), soon { phone.events().toList() })
        thrown<ClosedException> { soon { phone.waitFor("call:incoming") } }
    }

    @Test
    fun `who collects later goes on where the one before stopped`() = scene { gateway ->
        Phone(gateway).use { phone ->
            val events = phone.events("command:finished")
            soon { flood(phone, 5) }
            assertEquals("2", soon { events.first { it.tag == "2" } }.tag)
            // All of them, since an event may come later than the end of its command.
            for (tag in listOf("3", "4")) assertEquals(tag, soon { events.next() }.tag)
            assertNull(withTimeoutOrNull(50.milliseconds) { events.first { it.tag == "nobody" } })
            soon { phone.invoke("getVersion", tag = "last") }
            assertEquals("last", soon { events.next() }.tag)
        }
    }

    @Test
    fun `a slow collector misses the newest, is told, and delays nobody`() = scene { gateway ->
        Phone(gateway).use { phone ->
            val slow = phone.events("command:finished")
            val quick = phone.events("command:finished")
            val counting = async { quick.first { it.tag == "4999" } }
            soon { flood(phone, 5_000) }
            soon { counting.await() }
            assertEquals(0, quick.missed)
            phone.closeAndWait()
            val kept = soon { slow.toList() }
            assertEquals((0 until 4096).map { "$it" }, kept.map { it.tag })
            assertEquals(5_000L - 4096, slow.missed)
            assertEquals(0, phone.missed)
        }
    }

    @Test
    fun `handlers run one event at a time, in order, until they are off`() = scene { gateway ->
        Phone(gateway).use { phone ->
            val seen = CopyOnWriteArrayList<String>()
            var running = 0
            val slow = phone.on("command:finished") { event ->
                check(++running == 1) { "one at a time" }
                delay(1.milliseconds)
                running--
                seen += event.tag!!
            }
            val all = CopyOnWriteArrayList<String>()
            phone.on { all += it.name }
            soon { flood(phone, 20) }
            until("all are handled") { seen.size == 20 }
            assertEquals((0 until 20).map { "$it" }, seen)
            assertTrue(slow.off())
            assertFalse(slow.off())
            soon { flood(phone, 3) }
            until("the other one goes on") { all.size == 23 }
            assertEquals(20, seen.size)
            assertEquals(0, slow.missed)
        }
    }

    @Test
    fun `nothing of the program runs on a thread of the library`() = scene { gateway ->
        loggedIn(gateway, "alice").use { phone ->
            val threads = CopyOnWriteArrayList<String>()
            fun here() {
                // Threads of the library have no name in Java but what JNA gives, and never the stack of a worker.
                val stack = Thread.currentThread().stackTrace.map { it.className }
                if (stack.any { it.startsWith("com.sun.jna") || it.startsWith("org.ewebrtc.ffi") }) threads += stack.joinToString("\n")
            }
            phone.on(context = Dispatchers.Unconfined) { here() }
            val events = phone.events()
            val collecting = launch(Dispatchers.Unconfined) { events.collect { here() } }
            val calling = launch(Dispatchers.Unconfined) {
                here()
                val call = phone.dial("echo")
                here()
                call.connected()
                here()
                call.hangup()
                here()
            }
            soon { calling.join() }
            collecting.cancelAndJoin()
            assertEquals(emptyList<String>(), threads)
        }
    }

    @Test
    fun `what a handler throws goes to the handler of exceptions, and the next event comes`() = scene { gateway ->
        Phone(gateway).use { phone ->
            val told = Channel<Throwable>(Channel.UNLIMITED)
            val reporter = CoroutineExceptionHandler { _, error -> told.trySend(error) }
            phone.on("command:finished", context = reporter) { error("of ${it.tag}") }
            val others = Thread.getDefaultUncaughtExceptionHandler()
            Thread.setDefaultUncaughtExceptionHandler { _, error -> told.trySend(error) }
            try {
                phone.on("command:finished") { throw UnsupportedOperationException("also ${it.tag}") }
                soon { flood(phone, 2) }
                val texts = List(4) { soon { told.receive() }.message }.toSet()
                assertEquals(setOf("of 0", "of 1", "also 0", "also 1"), texts)
            } finally {
                Thread.setDefaultUncaughtExceptionHandler(others)
            }
        }
    }

    @Test
    fun `what a collector throws ends the collector and nothing else`() = scene { gateway ->
        Phone(gateway).use { phone ->
            val events = phone.events("command:finished")
            soon { flood(phone, 2) }
            val error = thrown<IllegalStateException> { soon { events.collect { error("at ${it.tag}") } } }
            assertEquals("at 0", error.message)
            assertEquals("1", soon { events.next() }.tag)
            soon { phone.login(gateway.devToken("alice")) }
            soon { phone.dial("echo").connected() }
        }
    }

    @Test
    fun `handlers give commands`() = scene { gateway ->
        loggedIn(gateway, "alice").use { alice ->
            loggedIn(gateway, "bob").use { bob ->
                val failures = Channel<Throwable>(Channel.UNLIMITED)
                bob.on("call:incoming", context = CoroutineExceptionHandler { _, error -> failures.trySend(error) }) { event ->
                    val call = bob.answer()
                    check(call === event.call)
                    call.ended()
                }
                repeat(2) {
                    val established = alice.events("media:established")
                    val call = soon { alice.dial("bob") }
                    soon { established.next() }
                    soon { call.hangup() }
                }
                assertNull(failures.tryReceive().getOrNull())
            }
        }
    }

    @Test
    fun `a handler ends with the job of its context`() = scene { gateway ->
        Phone(gateway).use { phone ->
            val job = Job()
            val seen = CopyOnWriteArrayList<String>()
            val handler = phone.on(context = job) { seen += it.tag!! }
            soon { flood(phone, 1) }
            until("it is called") { seen.size == 1 }
            job.cancel()
            until("it is removed") { !handler.off() }
            soon { flood(phone, 1) }
            assertEquals(1, seen.size)
        }
    }

    @Test
    fun `cancelling who waits does not end the command`() = scene { gateway ->
        // On a busy machine a login may be done before it can be cancelled; of some, one is not.
        var cancelled = 0
        for (number in 1..20) {
            Phone(gateway).use { phone ->
                val ready = phone.events("session:ready")
                val token = soon { gateway.devToken("alice$number") }
                val waiting = async(start = kotlinx.coroutines.CoroutineStart.UNDISPATCHED) { phone.login(token) }
                waiting.cancel()
                if (runCatching { waiting.await() }.exceptionOrNull() is CancellationException) cancelled++
                soon { ready.next() }
                if (cancelled > 0) {
                    assertNull(withTimeoutOrNull(10.milliseconds) { phone.waitFor("call:incoming") })
                    val call = soon { phone.dial("echo") }
                    val asking = async { call.ended() }
                    delay(10.milliseconds)
                    asking.cancelAndJoin()
                    soon { call.connected() }
                }
            }
            if (cancelled > 0) return@scene
        }
        fail<Unit>("none was cancelled while it waited")
    }

    @Test
    fun `commands go in the order in which they are given`() = scene { gateway ->
        Phone(gateway).use { phone ->
            val events = phone.events("command:finished")
            val all = List(300) { number ->
                launch(start = kotlinx.coroutines.CoroutineStart.UNDISPATCHED) { phone.invoke("getVersion", tag = "$number") }
            }
            for (number in 0 until 300) assertEquals("$number", soon { events.next() }.tag)
            soon { all.forEach { it.join() } }
        }
    }

    @OptIn(DelicateCoroutinesApi::class)
    @Test
    fun `who collects or waits is not collected`() = scene { gateway ->
        val told = CompletableDeferred<Event>()
        val end = CompletableDeferred<Event>()
        val calls = Channel<WeakReference<Call>>(1)
        // Nobody but these coroutines refers to the phone, and nobody at all to them.
        GlobalScope.launch {
            val phone = loggedIn(gateway, "alice")
            val call = phone.dial("echo")
            call.connected()
            GlobalScope.launch { told.complete(phone.events("call:disconnected").next()) }
            GlobalScope.launch { end.complete(call.ended()) }
            calls.send(WeakReference(call))
        }
        val call = soon { calls.receive() }
        repeat(5) {
            System.gc()
            delay(50.milliseconds)
        }
        soon { call.get()!!.hangup() }
        assertEquals("call:disconnected", soon { told.await() }.name)
        assertEquals("call:disconnected", soon { end.await() }.name)
    }
}
