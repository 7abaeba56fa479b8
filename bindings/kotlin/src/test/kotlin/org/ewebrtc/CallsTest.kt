/* Whole calls: set-up, audio, changes, every way to end. */
package org.ewebrtc

import kotlinx.coroutines.async
import kotlinx.coroutines.awaitAll
import kotlinx.coroutines.delay
import kotlinx.coroutines.flow.first
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertNull
import org.junit.jupiter.api.Assertions.assertSame
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.io.TempDir
import java.io.File
import kotlin.time.Duration.Companion.milliseconds

class CallsTest {
    private val bot = PhoneSettings(localMedia = "tone:440", remoteMedia = "pcm", pcmRate = 16_000)

    @Test
    fun `the library is found in the same jar as the classes`() {
        val loader = Phone::class.java.classLoader
        val library = loader.getResource("linux-x86-64/libewebrtc.so") ?: loader.getResource("linux-aarch64/libewebrtc.so")
        val classes = Phone::class.java.getResource("Phone.class")
        fun place(of: java.net.URL?) = of.toString().substringBeforeLast("/linux-").substringBeforeLast("/org/")
        assertEquals(place(classes), place(library))
    }

    @Test
    fun `a whole call with audio both ways`(@TempDir folder: File) = scene { gateway ->
        val record = PhoneSettings(localMedia = Media.tone(1000), remoteMedia = Media.wav(folder.toPath().resolve("bob.wav")))
        loggedIn(gateway, "alice", bot).use { alice ->
            loggedIn(gateway, "bob", record).use { bob ->
                val atAlice = alice.events()
                val atBob = bob.events()
                val call = soon { alice.dial("bob", tag = "mine") }
                val incoming = soon { atBob.next("call:incoming") }
                assertTrue("alice" in incoming.from!! && incoming.mediaType == "audio")
                val answered = soon { bob.answer() }
                assertSame(incoming.call, answered)
                assertEquals("connected", answered.state)
                soon { call.connected() }
                heard(call, 1000)
                // What is recorded ends with the call: a second of it first, in which no busy moment spoils every part.
                until("bob has a second of alice") { (answered.stats()?.packetsReceived ?: 0) >= 50 }

                val stats = call.stats()!!
                assertTrue(stats.codec == "opus" && stats.packetsReceived > 0, stats.toString())
                val info = soon { alice.getCalls() }.single()
                assertEquals(listOf("connected", "call", "Outgoing", true), listOf(info.state, info.breed, info.type, info.foreground))
                assertTrue(soon { alice.isCallInProgress() })
                assertEquals("audio", soon { alice.getMediaType() })

                soon { call.hangup() }
                val ended = soon { call.ended() }
                assertEquals("call:disconnected", ended.name)
                assertSame(call, ended.call)
                assertNull(call.state)
                assertNull(call.stats())
                soon { answered.ended() }
                thrown<CallEndedException> { soon { call.hangup() } }
                for (name in listOf("dialing", "call:connecting", "call:connected", "call:disconnected")) {
                    val event = soon { atAlice.next(name) }
                    assertSame(call, event.call)
                    if (name == "dialing") assertEquals("mine", event.tag)
                }
            }
        }
        assertTrue(clearest(folder.resolve("bob.wav"), 440) > 0.8)
    }

    @Test
    fun `a call over websockets`() = scene { gateway ->
        val settings = PhoneSettings(eventChannel = EventChannel.WEB_SOCKET)
        loggedIn(gateway, "alice", settings).use { alice ->
            loggedIn(gateway, "bob", settings).use { bob ->
                val (call, answered) = talk(alice, bob)
                soon { call.hangup() }
                soon { answered.ended() }
            }
        }
    }

    @Test
    fun `muted is silence`() = scene { gateway ->
        loggedIn(gateway, "alice", bot).use { phone ->
            val call = soon { phone.dial("echo") }
            soon { call.connected() }
            heard(call, 440)
            soon { call.mute() }
            soon { call.listen(200.milliseconds).first { part -> part.all { it == 0.toShort() } } }
            soon { call.unmute() }
            heard(call, 440)
            soon { phone.mute(tag = "m") }
            soon { phone.unmute() }
        }
    }

    @Test
    fun `rejected is told with the event and also later`() = scene { gateway ->
        loggedIn(gateway, "alice").use { alice ->
            loggedIn(gateway, "bob").use { bob ->
                val ringing = bob.events("call:incoming")
                val call = soon { alice.dial("bob") }
                soon { ringing.next() }
                val waiting = async { thrown<CallEndedException> { call.connected() } }
                soon { bob.reject() }
                val end = soon { waiting.await() }
                assertSame(call, end.event.call)
                assertTrue(end.event.name in end.message!!)
                thrown<CallEndedException> { soon { call.connected() } }
            }
        }
    }

    @Test
    fun `cancelled by its handle and by the phone`() = scene { gateway ->
        loggedIn(gateway, "alice").use { alice ->
            loggedIn(gateway, "bob").use { bob ->
                val ringing = bob.events("call:incoming")
                val call = soon { alice.dial("bob") }
                val event = soon { ringing.next() }
                soon { call.hangup() }
                assertEquals("call:canceled", soon { call.ended() }.name)
                soon { event.call!!.ended() }
                soon { alice.dial("bob") }
                soon { ringing.next() }
                soon { alice.cancel() }
            }
        }
    }

    @Test
    fun `nobody there and no such file are told with the reason`(@TempDir folder: File) = scene { gateway ->
        loggedIn(gateway, "alice").use { alice ->
            val nobody = soon { alice.dial("nobody") }
            val end = thrown<CallEndedException> { soon { nobody.connected() } }
            assertNull(end.error)
            assertEquals("${end.event.name}: ${end.reason}", end.message)
            val missing = folder.resolve("missing/a.wav").toPath()
            val call = soon { alice.dial("echo", localMedia = Media.wav(missing)) }
            val failed = thrown<CallEndedException> { soon { call.connected() } }
            assertTrue("$missing" in failed.message!! && "$missing" in failed.error!!.additionalInformation!!)
            thrown<CallEndedException> { call.write(ShortArray(2)) }
        }
    }

    @Test
    fun `keys are heard once each in order`() = scene { gateway ->
        loggedIn(gateway, "alice").use { alice ->
            loggedIn(gateway, "bob").use { bob ->
                val sent = alice.events("dtmf:tone-sending", "dtmf:tone-sent")
                val keys = bob.events("dtmf:received")
                val (call, answered) = talk(alice, bob)
                val first = async { alice.sendDtmfTone("11a", tag = "t") }
                soon { sent.next() }
                soon { call.sendDtmfTone("#", gap = 100.milliseconds) }
                first.await()
                for (key in listOf("1", "1", "A", "#")) {
                    val event = soon { keys.next() }
                    assertEquals(key, event.text("tone"))
                    assertSame(answered, event.call)
                }
                assertEquals("t", soon { sent.next("dtmf:tone-sent") }.tag)
                soon { alice.hold() }
                refused("4741") { call.sendDtmfTone("1") }
            }
        }
    }

    @Test
    fun `hold, a second call, back and forth, and the transfer`() = scene { gateway ->
        loggedIn(gateway, "alice", PhoneSettings(localMedia = "tone:440")).use { alice ->
            loggedIn(gateway, "bob", bot.copy(localMedia = "tone:1000")).use { bob ->
                loggedIn(gateway, "carol", bot.copy(localMedia = "tone:1700")).use { carol ->
                    val atBob = bob.events()
                    val atCarol = carol.events()
                    val (first, toBob) = talk(alice, bob)
                    heard(toBob, 440)
                    soon { alice.hold() }
                    soon { atBob.next("call:held") }
                    refused("2503") { alice.hold() }
                    soon { alice.resume() }
                    soon { atBob.next("call:resumed") }

                    val second = soon { alice.addCall("carol") }
                    soon { atCarol.next("call:incoming") }
                    val toCarol = soon { carol.answer() }
                    soon { second.connected() }
                    assertEquals(listOf(false, true), soon { alice.getCalls() }.map { it.foreground })
                    soon { alice.switchCall() }
                    assertEquals(listOf(true, false), soon { alice.getCalls() }.map { it.foreground })
                    soon { alice.transfer() }
                    for (call in listOf(first, second)) assertEquals("call:disconnected", soon { call.ended() }.name)
                    heard(toBob, 1700)
                    heard(toCarol, 1000)
                }
            }
        }
    }

    @Test
    fun `a call is moved to another session of the same user`() = scene { gateway ->
        loggedIn(gateway, "alice", bot).use { desk ->
            loggedIn(gateway, "alice", bot).use { mobile ->
                loggedIn(gateway, "bob", bot.copy(localMedia = "tone:700")).use { bob ->
                    val ringing = listOf(desk, mobile).map { it.events("call:incoming") }
                    val call = soon { bob.dial("alice") }
                    ringing.forEach { soon { it.next() } }
                    val answered = soon { desk.answer() }
                    soon { call.connected() }
                    heard(answered, 700)
                    val moving = async { desk.move() }
                    soon { ringing[1].next() }
                    val taken = soon { mobile.answer() }
                    soon { moving.await() }
                    heard(taken, 700)
                }
            }
        }
    }

    @Test
    fun `several phones at once`() = scene { gateway ->
        (1..6).map { number ->
            async {
                loggedIn(gateway, "user$number", bot).use { phone ->
                    val call = soon { phone.dial("echo") }
                    soon { call.connected() }
                    heard(call, 440)
                }
            }
        }.awaitAll()
    }

    @Test
    fun `logout and login again`() = scene { gateway ->
        loggedIn(gateway, "alice").use { phone ->
            val gone = phone.events("session:disconnected")
            soon { phone.logout(tag = "bye") }
            assertEquals("bye", soon { gone.next() }.tag)
            soon { phone.login(devToken(gateway.url, "alice").accessToken) }
            assertEquals(version, soon { phone.getVersion() })
        }
    }

    @Test
    fun `a conference of host and guest, who hear each other`() = scene { gateway ->
        loggedIn(gateway, "alice", bot).use { alice ->
            loggedIn(gateway, "bob", bot.copy(localMedia = "tone:1000")).use { bob ->
                val news = alice.events()
                val invitations = bob.events("conference:invitation-received")
                val hosted = soon { alice.startConference(tag = "s") }
                val connected = soon { news.next("conference:connected") }
                assertSame(hosted, connected.conference)
                assertNull(connected.call)
                assertEquals("s", connected.tag)
                soon { alice.addParticipant("bob") }
                val invitation = soon { invitations.next() }
                soon { bob.rejectConference() }
                soon { news.next("conference:invitation-rejected") }
                assertEquals("conference:invitation-rejected", soon { invitation.conference!!.ended() }.name)
                assertEquals("connected", hosted.state)
                soon { alice.addParticipant("bob") }
                val again = soon { invitations.next() }
                val joined = soon { bob.joinConference() }
                assertSame(again.conference, joined)
                soon { news.next("conference:invitation-accepted") }
                // Not oneself, or it would be no single tone.
                heard(hosted, 1000)
                heard(joined, 440)
                assertEquals(listOf(Participant("bob@ewebrtc.local", "active")), soon { alice.getParticipants() })
                val entry = soon { alice.getCalls() }.single()
                assertEquals("conference" to listOf("bob@ewebrtc.local"), entry.breed to entry.participants.map { it.participant })
                refused("3641") { alice.addParticipant("bob") }
                soon { alice.removeParticipant("bob") }
                assertEquals("conference:ended", soon { joined.ended() }.name)
                soon { alice.endConference() }
                soon { hosted.ended() }
            }
        }
    }

    @Test
    fun `settings reach the media`() = scene { gateway ->
        val settings = PhoneSettings(audioCodecs = listOf(AudioCodec.PCMA), ports = 21_400..21_600, ipv6 = false, opusComplexity = 3)
        loggedIn(gateway, "alice", settings).use { phone ->
            val established = phone.events("media:established")
            val call = soon { phone.dial("echo") }
            soon { established.next() }
            assertEquals("PCMA", call.stats()?.codec)
            until("a port of the range") {
                listOf("udp", "udp6").any { name ->
                    File("/proc/self/net/$name").readLines().drop(1).any { line ->
                        line.trim().split(Regex(" +"))[1].substringAfterLast(':').toInt(16) in 21_400..21_600
                    }
                }
            }
            delay(20.milliseconds)
        }
    }
}
