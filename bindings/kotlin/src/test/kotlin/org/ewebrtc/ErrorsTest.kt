/* Errors: every field, every kind, every wrong order. And what calls are set up with, the network, the log. */
package org.ewebrtc

import kotlinx.serialization.json.JsonNull
import kotlinx.serialization.json.JsonPrimitive
import kotlinx.serialization.json.buildJsonObject
import kotlinx.serialization.json.jsonArray
import kotlinx.serialization.json.jsonObject
import kotlinx.serialization.json.jsonPrimitive
import kotlinx.serialization.json.long
import kotlinx.serialization.json.put
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertFalse
import org.junit.jupiter.api.Assertions.assertNotNull
import org.junit.jupiter.api.Assertions.assertNull
import org.junit.jupiter.api.Assertions.assertSame
import org.junit.jupiter.api.Assertions.assertThrows
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import java.util.concurrent.LinkedBlockingQueue
import java.util.concurrent.TimeUnit
import java.util.logging.Handler
import java.util.logging.Level
import java.util.logging.LogRecord
import kotlin.time.Duration.Companion.milliseconds

class ErrorsTest {
    @Test
    fun `a refused dial has all fields`() = scene { gateway ->
        Phone(gateway).use { phone ->
            val events = phone.events("error")
            val error = thrown<PhoneException> { soon { phone.dial("bob", tag = "early") } }
            val entry = sdkErrors().getValue("2241")
            assertEquals(
                listOf("2241", entry.jsObject, entry.jsMethod, entry.errorMessage, entry.cause, entry.resolution),
                listOf(error.errorCode, error.jsObject, error.jsMethod, error.errorMessage, error.probableCause, error.resolution),
            )
            assertNull(error.apiError)
            assertNull(error.httpStatusCode)
            assertTrue(error.message!!.startsWith("2241: "))
            val event = soon { events.next() }
            assertEquals("early", event.tag)
            assertEquals(error.fields, event.error!!.fields)
            assertEquals(error.fields, ErrorFields.of(event.data))
            for ((name, value) in error.fields.toMap()) assertEquals(value, event.text(name))
        }
    }

    @Test
    fun `an error of the gateway has its fields`() = scene { gateway ->
        Phone(gateway).use { phone ->
            val error = thrown<PhoneException> { soon { phone.login("no such token") } }
            assertTrue(error.errorCode in apiErrors())
            assertEquals("401", error.httpStatusCode)
            assertTrue(error.resourceMethod!!.startsWith("POST ") && error.messageId != null && error.apiError != null)
        }
    }

    @Test
    fun `half of a surrogate pair is no text`() = scene { gateway ->
        val half = "\ud800"
        thrown<ArgumentException> { Phone(gateway, PhoneSettings(localMedia = half)) }
        thrown<ArgumentException> { soon { gateway.devToken(half) } }
        Phone(gateway).use { phone ->
            thrown<ArgumentException> { soon { phone.dial(half) } }
            thrown<ArgumentException> { soon { phone.invoke(half) } }
            thrown<ArgumentException> { soon { phone.perform("dial", mapOf("destination" to "bob"), tag = half) } }
            thrown<ArgumentException> { soon { phone.perform("dial", mapOf("destination" to half)) } }
            thrown<ArgumentException> { phone.on(half) { } }
            thrown<ArgumentException> { phone.iceServers = listOf(IceServer(listOf(half))) }
            thrown<ArgumentException> { soon { phone.call(7).hangup(half) } }
        }
    }

    @Test
    fun `a gateway that is not there`() = scene { gateway ->
        val token = soon { gateway.devToken("alice") }
        assertFalse(token.accessToken in token.toString())
        gateway.close()
        val error = thrown<PhoneException> { soon { gateway.devToken("alice") } }
        assertEquals("0002" to "0", error.errorCode to error.httpStatusCode)
        Phone(gateway).use { phone -> refused("0002") { phone.login(token) } }
    }

    @Test
    fun `wrong order is refused with its code`() = scene { gateway ->
        Phone(gateway).use { phone -> refused("2101") { phone.logout() } }
        loggedIn(gateway, "alice").use { phone ->
            refused("2003") { phone.login("token") }
            refused("2331") { phone.answer() }
            refused("2402") { phone.hangup() }
            refused("2902") { phone.cancel() }
            refused("3002") { phone.reject() }
            refused("2702") { phone.mute() }
            refused("2802") { phone.unmute() }
            refused("2502") { phone.hold() }
            refused("2602") { phone.resume() }
            refused("4602") { phone.upgrade() }
            refused("4502") { phone.downgrade() }
            refused("4302") { phone.acceptModification() }
            refused("4402") { phone.rejectModification() }
            refused("4731") { phone.sendDtmfTone("1") }
            refused("4712") { phone.sendDtmfTone("") }
            refused("4712") { phone.sendDtmfTone("12e") }
            refused("2211") { phone.dial("") }
            refused("2221") { phone.dial("bob", mediaType = "smell") }
            refused("2231") { phone.dial("bob", localMedia = "tone:loud") }
            refused("2232") { phone.dial("bob", remoteMedia = "nowhere") }
            refused("2052") { phone.associateE911Id("") }
            refused("3111") { phone.startConference(mediaType = "both") }
            refused("3231") { phone.joinConference() }
            refused("3302") { phone.rejectConference() }
            refused("3502") { phone.endConference() }
            refused("3631") { phone.addParticipant("bob") }
            refused("3611") { phone.addParticipant("") }
            refused("3731") { phone.removeParticipant("bob") }
            refused("3402") { phone.getParticipants() }
            for (work in listOf<suspend () -> Unit>({ phone.addCall("bob") }, { phone.switchCall() }, { phone.transfer() }, { phone.move() })) {
                thrown<PhoneException> { soon { work() } }
            }
            soon { phone.dial("echo") }
            val busy = thrown<PhoneException> { soon { phone.dial("echo") } }
            assertTrue(busy.errorCode in setOf("2251", "2252"))
        }
    }

    @Test
    fun `methods by their names, and names that are none`() = scene { gateway ->
        loggedIn(gateway, "alice").use { phone ->
            assertTrue("levitate" in thrown<UnknownMethodException> { soon { phone.invoke("levitate") } }.message!!)
            thrown<ArgumentException> { soon { phone.invoke("dial", mapOf("destination" to Any())) } }
            thrown<NotFoundException> { soon { phone.call(7).connected() } }
            thrown<NotFoundException> { soon { phone.call(7).ended() } }
            thrown<NotFoundException> { soon { phone.call(7).hangup() } }
            thrown<ArgumentException> { soon { phone.sendDtmfTone("1", gap = (-1).milliseconds) } }
            for ((name, code) in listOf("" to "4901", "call:exploded" to "4902")) {
                assertEquals(code, assertThrows(PhoneException::class.java) { phone.events(name) }.errorCode)
                assertEquals(code, assertThrows(PhoneException::class.java) { phone.on(name) { } }.errorCode)
                assertEquals(code, thrown<PhoneException> { soon { phone.events().next(name) } }.errorCode)
            }
            val made = soon { phone.invoke("dial", buildJsonObject { put("destination", "echo") }, tag = "t1") }
            val call = phone.call(made.jsonObject.getValue("call").jsonPrimitive.long)
            soon { call.connected() }
            assertEquals(JsonNull, soon { phone.perform("mute", call = call) })
            assertEquals(1, soon { phone.invoke("getCalls") }.jsonArray.size)
            assertEquals(JsonPrimitive(true), soon { phone.perform("isOnline") })
        }
    }

    @Test
    fun `settings that cannot be used`() {
        val wrong = listOf(
            PhoneSettings(localMedia = "noise"),
            PhoneSettings(remoteMedia = "tone:440"),
            PhoneSettings(pcmRate = 1),
            PhoneSettings(pcmRate = -1),
            PhoneSettings(ports = 1..70_000),
            PhoneSettings(gather = (-1).milliseconds),
            PhoneSettings(audioCodecs = emptyList()),
            PhoneSettings(opusComplexity = 11),
            PhoneSettings(rootCertificates = listOf("no certificate")),
        )
        for (settings in wrong) {
            val error = assertThrows(ConfigException::class.java, { Phone("http://127.0.0.1:1", settings) }, settings.toString())
            assertTrue(error.message!!.isNotEmpty())
        }
        // In the words of every language.
        val texts = listOf(
            PhoneSettings(ports = 0..0) to "ports 0 to 0 are no UDP ports",
            PhoneSettings(ports = IntRange(9, 8)) to "ports 9 to 8 are no UDP ports",
            PhoneSettings(ipv4 = false, ipv6 = false) to "neither IPv4 nor IPv6 addresses are allowed",
            PhoneSettings(iceServers = listOf(IceServer(emptyList()))) to "ICE server 1 has no URL, or one that cannot be read",
            PhoneSettings(iceServers = listOf(IceServer(listOf("http:x")))) to "ICE server 1 has no URL, or one that cannot be read",
            PhoneSettings(pcmRate = 7_999) to "pcm_rate 7999 is not within 8000 to 48000",
            PhoneSettings(opusComplexity = 11) to "opus_complexity 11 is not within 0 to 10",
            PhoneSettings(domain = "a".repeat(254)) to "domain cannot be used: it has more than 253 bytes, or control characters",
        )
        for ((settings, text) in texts) {
            assertEquals(text, assertThrows(ConfigException::class.java) { Phone("http://127.0.0.1:1", settings) }.message)
        }
        assertThrows(ConfigException::class.java) { Phone("not an address") }
        assertThrows(ConfigException::class.java) { Gateway(listen = "here") }
        Gateway().use { gateway ->
            assertThrows(SystemRefusedException::class.java) { Gateway(gateway.url.removePrefix("http://")) }
        }
    }

    @Test
    fun `tables of errors`() {
        assertTrue(sdkErrors().size > 100 && apiErrors().size > 20)
        assertEquals("dial", sdkErrors().getValue("2211").jsMethod)
        assertTrue(sdkErrors().values.all { it.messageId == null } && apiErrors().values.all { it.messageId != null })
        assertNull(ErrorFields.of(buildJsonObject { put("Cause", "why") }))
    }

    @Test
    fun `what calls are set up with is read, set and reset`() = scene { gateway ->
        val first = IceServer(listOf("turn:192.0.2.7"), "user", "secret")
        Phone(gateway, PhoneSettings(iceServers = listOf(first), relayOnly = true, ipv6 = false)).use { phone ->
            assertEquals(listOf(first), phone.iceServers)
            assertFalse("secret" in phone.iceServers.toString())
            assertEquals(IceTransport.RELAY to false, phone.iceTransport to phone.ipv6)
            val second = IceServer(listOf("stun:[2001:db8::1]:3478", "turns:192.0.2.8"))
            phone.iceServers = listOf(second)
            phone.iceTransport = IceTransport.NONE
            phone.ipv6 = true
            phone.setAudioCodec(AudioCodec.OPUS)
            assertEquals(listOf(second), phone.iceServers)
            assertEquals(Triple(IceTransport.NONE, true, "OPUS"), Triple(phone.iceTransport, phone.ipv6, phone.audioCodec))
            refused("4811") { phone.iceServers = emptyList() }
            refused("4811") { phone.iceServers = listOf(IceServer(listOf("http://secret"))) }
            thrown<ConfigException> { phone.setAudioCodec("G729") }
            phone.resetIceServers()
            phone.resetIceTransport()
            phone.resetIpv6()
            phone.resetAudioCodec()
            assertEquals(listOf(first), phone.iceServers)
            assertEquals(Triple(IceTransport.RELAY, false, null), Triple(phone.iceTransport, phone.ipv6, phone.audioCodec))
            assertEquals(listOf("opus", "PCMU", "PCMA"), supportedAudioCodecs())
        }
        Phone(gateway, PhoneSettings(ipv4 = false)).use { phone -> refused("4831") { phone.ipv6 = false } }
    }

    @Test
    fun `online is what the system says or the program`() = scene { gateway ->
        loggedIn(gateway, "alice").use { phone ->
            val events = phone.events("connectivity:on", "connectivity:off")
            assertTrue(phone.isOnline, "a gateway on loopback needs no network")
            phone.setConnectivity(false)
            assertFalse(phone.isOnline)
            assertEquals(setOf("event", "seq", "timestamp"), soon { events.next("connectivity:off") }.data.keys)
            refused("0002") { phone.dial("echo") }
            phone.followNetwork()
            soon { events.next("connectivity:on") }
            soon { phone.dial("echo").connected() }
        }
        val report = capabilities()
        assertEquals(version, report.version)
        assertEquals(listOf("opus", "PCMU", "PCMA"), report.audioCodecs)
        assertTrue("gateway" in report.features && "pcm" in report.sources)
        assertEquals(isNetworkConnected(), report.networkConnected)
    }

    @Test
    fun `the log has levels, loggers and a function`() = scene { gateway ->
        val lines = LinkedBlockingQueue<LogLine>()
        try {
            LogManager.setCallback { line ->
                // Phones of other tests may have something to say when they are collected.
                if (line.module == "billing" || line.module == "phoneNumber") lines.put(line)
                check(line.message != "bad") { "a callback's own failure" }
            }
            val own = LogManager.createCustomLogger("billing")
            assertTrue(own.isCustom && own.name in LogManager.loggers && own.level == LogLevel.WARN)
            own.logInfo("unseen")
            own.logError("bad")
            own.logWarning("the first call of the day")
            assertEquals("bad", lines.poll(PATIENCE.inWholeSeconds, TimeUnit.SECONDS)!!.message)
            val line = lines.poll(PATIENCE.inWholeSeconds, TimeUnit.SECONDS)!!
            assertEquals(LogLevel.WARN to "billing", line.level to line.module)
            assertTrue(line.toString().startsWith("[WARNING] the first call of the day [ErrorsTest.kt:"), line.toString())
            own.level = LogLevel.TRACE
            own.logTrace("step", buildJsonObject { put("n", 1) })
            assertEquals("step\n{\"n\":1}", lines.poll(PATIENCE.inWholeSeconds, TimeUnit.SECONDS)!!.message)
            LogManager.getLogger("phoneNumber").level = LogLevel.DEBUG
            Phone(gateway).use { phone -> soon { phone.perform("formatNumber", mapOf("number" to "#")) } }
            assertEquals("phoneNumber", lines.poll(PATIENCE.inWholeSeconds, TimeUnit.SECONDS)!!.module)

            val told = LinkedBlockingQueue<LogRecord>()
            val javas = java.util.logging.Logger.getLogger("ewebrtc.billing")
            javas.useParentHandlers = false
            javas.level = Level.ALL
            javas.addHandler(object : Handler() {
                override fun publish(record: LogRecord) = told.put(record)
                override fun flush() = Unit
                override fun close() = Unit
            })
            LogManager.useJavaLogging()
            own.logDebug("in detail")
            val record = told.poll(PATIENCE.inWholeSeconds, TimeUnit.SECONDS)
            assertNotNull(record)
            assertEquals(Level.FINE to "in detail", record.level to record.message)
            // Java itself holds loggers weakly: with this one the handler would be gone.
            assertSame(javas, java.util.logging.Logger.getLogger("ewebrtc.billing"))
            LogManager.deleteCustomLogger("billing")
            assertThrows(ConfigException::class.java) { LogManager.getLogger("billing") }
            assertThrows(ConfigException::class.java) { LogManager.createCustomLogger("call") }
            LogManager.globalLogLevel = LogLevel.ERROR
            assertEquals(LogLevel.ERROR, LogManager.moduleLogLevels["call"])
            assertSame(LogLevel.ERROR, LogManager.globalLogLevel)
            assertEquals(LogLevel.INFO, LogManager.moduleDefaults["call"])
            assertTrue(LogManager.defaultLogLevel == LogLevel.WARN && LogLevel.TRACE in LogManager.logLevels)
        } finally {
            LogManager.setCallback(null)
            LogManager.resetLogLevels()
        }
    }
}
