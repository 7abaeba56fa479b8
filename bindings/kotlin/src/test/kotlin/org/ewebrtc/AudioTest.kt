/* Program audio as samples and as bytes, and program video. */
package org.ewebrtc

import kotlinx.coroutines.async
import kotlinx.coroutines.coroutineScope
import kotlinx.coroutines.delay
import kotlinx.coroutines.flow.first
import kotlinx.coroutines.flow.take
import kotlinx.coroutines.flow.toList
import kotlinx.coroutines.isActive
import kotlinx.coroutines.launch
import kotlinx.coroutines.yield
import org.junit.jupiter.api.Assertions.assertArrayEquals
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertFalse
import org.junit.jupiter.api.Assertions.assertSame
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import java.nio.ByteBuffer
import kotlin.time.Duration.Companion.milliseconds

private const val RATE = 16_000

class AudioTest {
    private fun calling(work: suspend (Call) -> Unit) = scene { gateway ->
        loggedIn(gateway, "bot", PhoneSettings(localMedia = "pcm", remoteMedia = "pcm", pcmRate = RATE)).use { phone ->
            val call = soon { phone.dial("echo") }
            soon { call.connected() }
            work(call)
        }
    }

    @Test
    fun `samples out and in, found again by their frequency`() = calling { call ->
        val said = tone(800, 1_000, RATE)
        assertEquals(320, call.write(said, 0, 320))
        soon { call.send(said.copyOfRange(320, said.size)) }
        assertTrue(call.queuedMs in 1..1_000)
        heard(call, 800)
        soon { call.drain() }
        assertEquals(0, call.queuedMs)
        assertEquals(640, soon { call.receive(640) }.size)
        assertEquals(1_280, soon { call.receiveBytes(1_280) }.size)
        assertEquals(0, call.dropped)
    }

    @Test
    fun `bytes are little-endian samples`() = calling { call ->
        val said = tone(900, 2_000, RATE)
        val bytes = ByteArray(said.size * 2) { (said[it / 2].toInt() shr it % 2 * 8).toByte() }
        assertEquals(4, call.write(bytes, 2, 4))
        soon { call.send(bytes) }
        heard(call, 900)
        val pieces = soon { call.listen(50.milliseconds).take(3).toList() }
        assertEquals(listOf(800, 800, 800), pieces.map { it.size })
    }

    @Test
    fun `more than fits is waited for and clear drops it`() = calling { call ->
        val minute = ShortArray(RATE * 60)
        val taken = call.write(minute)
        assertTrue(taken in 25 * RATE until minute.size)
        coroutineScope {
            val sending = async { call.send(minute.copyOf(32_000)) }
            delay(50.milliseconds)
            assertFalse(sending.isCompleted)
            call.clear()
            soon { sending.await() }
        }
        assertTrue(call.queuedMs <= 2_000)
        call.clear()
        soon { call.send(tone(900, 2_000, RATE)) }
        heard(call, 900)
    }

    @Test
    fun `what was heard is there after the end`() = calling { call ->
        soon { call.send(tone(900, 3_000, RATE)) }
        heard(call, 900)
        coroutineScope {
            val reading = async { call.receive(RATE * 600) }
            delay(20.milliseconds)
            soon { call.hangup() }
            soon { call.ended() }
            assertTrue(soon { reading.await() }.size < RATE * 600)
        }
        assertEquals(0, soon { call.receive(320) }.size)
        assertEquals(0, call.read().size)
        assertEquals(0, soon { call.listen().toList() }.size)
        thrown<CallEndedException> { soon { call.send(ShortArray(1)) } }
        thrown<CallEndedException> { call.write(ShortArray(1)) }
        call.clear()
        assertEquals(0, call.queuedMs)
        val none = call.phone.call(7)
        thrown<NotFoundException> { none.clear() }
        thrown<NotFoundException> { none.queuedMs }
        thrown<NotFoundException> { none.read() }
    }

    @Test
    fun `a call that is over says how from the moment of its end on`() = scene { gateway ->
        loggedIn(gateway, "alice", PhoneSettings(localMedia = "pcm")).use { phone ->
            repeat(8) { round ->
                val call = soon { phone.dial("echo") }
                soon { call.connected() }
                val hangup = async { call.hangup("goodbye") }
                // As closely as it can be seen: the event of the end is on its way.
                val end = soon {
                    thrown<CallEndedException> {
                        while (true) {
                            if (round % 2 == 0) call.write(ShortArray(1)) else if (call.state == null) call.mute()
                            yield()
                        }
                    }
                }
                assertEquals("call:disconnected" to "goodbye", end.event.name to end.event.tag)
                assertSame(call, end.event.call)
                val works = listOf<suspend () -> Unit>(
                    { call.write(ShortArray(1)) }, { call.send(ShortArray(1)) }, { call.drain() }, { call.keyFrameWanted() },
                    { call.framesQueued }, { call.readFrame() }, { call.framesDropped }, { call.writeFrame(ByteArray(1), 0) },
                    { call.requestKeyFrame() }, { call.hangup() }, { call.mute() }, { call.unmute() }, { call.sendDtmfTone("1") },
                    { phone.invoke("hold", call = call) }, { phone.perform("hold", call = call) },
                )
                for (work in works) assertEquals(end.event.seq, thrown<CallEndedException> { soon { work() } }.event.seq)
                call.clear()
                assertEquals(0, call.queuedMs)
                assertEquals(0, soon { call.receive(160) }.size)
                soon { hangup.await() }
                assertEquals(end.event.seq, soon { call.ended() }.seq)
            }
        }
    }

    @Test
    fun `what is no audio is refused`() = calling { call ->
        thrown<ArgumentException> { call.write(ByteArray(3)) }
        thrown<ArgumentException> { call.write(ShortArray(3), 2, 2) }
        thrown<ArgumentException> { call.write(ShortArray(3), -1, 2) }
        thrown<ArgumentException> { call.write(ShortArray(3), 1, Int.MAX_VALUE) }
        for (none in listOf(-1, Int.MIN_VALUE)) thrown<ArgumentException> { call.read(none) }
        // Times two the last one is a positive number again.
        for (none in listOf(0, -1, Int.MIN_VALUE, Int.MIN_VALUE + 1)) thrown<ArgumentException> { call.receive(none) }
        thrown<ArgumentException> { call.receiveBytes(3) }
        thrown<ArgumentException> { call.listen(1.milliseconds / 1000) }
        assertEquals(0, call.write(ShortArray(0)))
        assertEquals(0, call.read(0).size)
        thrown<NoVideoException> { call.readFrame() }
        thrown<NoVideoException> { call.writeFrame(ByteArray(1), 0) }
    }

    @Test
    fun `a call without program audio`() = scene { gateway ->
        loggedIn(gateway, "alice").use { phone ->
            val call = soon { phone.dial("echo") }
            soon { call.connected() }
            thrown<NoAudioException> { call.write(ShortArray(1)) }
            thrown<NoAudioException> { call.read() }
            refused("0020") { phone.upgrade() }
            refused("2221") { phone.dial("bob", mediaType = "video") }
        }
    }

    private fun picture(number: Int, key: Boolean): ByteArray {
        val head = if (key) listOf(0x10, 0, 0, 0x9d, 0x01, 0x2a, 0x40, 0x01, 0xf0, 0) else listOf(0x11, 0, 0)
        val data = ByteBuffer.allocate(head.size + 4 + number % 5 * 900)
        head.forEach { data.put(it.toByte()) }
        return data.putInt(number).array()
    }

    /** Waits for ten pictures that follow each other. */
    private suspend fun shown(call: Call) {
        var last = -2
        var row = 0
        soon {
            call.frames().first { frame ->
                val number = ByteBuffer.wrap(frame.data).getInt(if (frame.key) 10 else 3)
                assertArrayEquals(picture(number, frame.key), frame.data)
                row = if (number == last + 1) row + 1 else 1
                last = number
                row == 10
            }
        }
    }

    @Test
    fun `video is asked for, granted, shown, refused and taken away`() = scene { gateway ->
        val frames = PhoneSettings(localMedia = "silence;video=frames", remoteMedia = "discard;video=frames")
        loggedIn(gateway, "alice", frames).use { alice ->
            loggedIn(gateway, "bob", frames).use { bob ->
                val (call, answered) = talk(alice, bob, "audio")
                val cameras = listOf(call, answered).map { one ->
                    launch {
                        var number = 0
                        while (isActive && one.state != null) {
                            try {
                                one.writeFrame(picture(number, one.keyFrameWanted()), number * 1_800L)
                            } catch (_: NotFoundException) {
                                break
                            }
                            number++
                            delay(20.milliseconds)
                        }
                    }
                }
                val asked = bob.events("call:media-modification")
                val upgrading = async { alice.upgrade(tag = "up") }
                assertEquals("video", soon { asked.next() }.text("newMediaType"))
                soon { bob.acceptModification() }
                soon { upgrading.await() }
                shown(call)
                // From now on nobody reads them.
                assertEquals(0, call.framesDropped)
                shown(answered)
                call.requestKeyFrame()
                soon { call.frames().first { it.key } }
                assertTrue(call.framesQueued < 100 && call.stats()!!.framesSent > 0)
                val downgrading = async { alice.downgrade() }
                soon { asked.next() }
                soon { bob.acceptModification() }
                soon { downgrading.await() }
                refused("4304") { bob.acceptModification() }
                val again = async { alice.upgrade() }
                soon { asked.next() }
                soon { bob.rejectModification() }
                soon { again.await() }
                assertEquals("video" to "audio", soon { alice.getMediaType() } to soon { bob.getMediaType() })
                thrown<ArgumentException> { call.writeFrame(ByteArray(0), 0) }
                thrown<ArgumentException> { call.writeFrame(ByteArray(3 shl 20), 0) }
                thrown<ArgumentException> { call.writeFrame(ByteArray(1), 1L shl 32) }
                soon { call.hangup() }
                cameras.forEach { it.join() }
                thrown<NotFoundException> { call.requestKeyFrame() }
            }
        }
    }
}
