/*
 * What the tests share: phones that are logged in, deadlines, tones and how to recognise them.
 *
 * Owns: nothing. Lives on: the test's coroutine. Must not import: the generated code.
 */
package org.ewebrtc

import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.delay
import kotlinx.coroutines.runBlocking
import kotlinx.coroutines.withTimeout
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.fail
import java.io.File
import java.nio.ByteBuffer
import java.nio.ByteOrder
import kotlin.math.PI
import kotlin.math.cos
import kotlin.math.sin
import kotlin.time.Duration
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.Duration.Companion.seconds

/** Longest wait for one step. */
val PATIENCE: Duration = 30.seconds

/** A test with a gateway of its own. */
fun scene(work: suspend CoroutineScope.(Gateway) -> Unit): Unit = runBlocking(Dispatchers.Default) {
    Gateway().use { gateway -> withTimeout(PATIENCE * 4) { work(gateway) } }
}

/** With the deadline of every step. */
suspend fun <T> soon(work: suspend CoroutineScope.() -> T): T = withTimeout(PATIENCE, work)

/** A phone of this user. */
suspend fun loggedIn(gateway: Gateway, user: String, settings: PhoneSettings = PhoneSettings()): Phone {
    val phone = Phone(gateway, settings)
    soon { phone.login(gateway.devToken(user)) }
    return phone
}

/** Two of them in a call: the caller's end and the other one. */
suspend fun talk(alice: Phone, bob: Phone, mediaType: String? = null): Pair<Call, Call> {
    val ringing = bob.events("call:incoming")
    val established = alice.events("media:established")
    val call = soon { alice.dial("bob", mediaType) }
    soon { ringing.next() }
    val answered = soon { bob.answer() }
    soon { call.connected() }
    soon { established.next() }
    return call to answered
}

/** The code with which it is refused. */
suspend fun refused(code: String, work: suspend () -> Unit) {
    try {
        soon { work() }
    } catch (error: PhoneException) {
        assertEquals(code, error.errorCode, error.message)
        return
    }
    fail<Unit>("it was not refused with $code")
}

/** What it throws, which must be of this kind. */
suspend inline fun <reified T : Throwable> thrown(work: suspend () -> Unit): T {
    try {
        work()
    } catch (error: Throwable) {
        if (error is T) return error
        throw error
    }
    return fail("it throws nothing")
}

/** Waits until something is so. */
suspend fun until(what: String, met: () -> Boolean) {
    try {
        soon { while (!met()) delay(20.milliseconds) }
    } catch (_: kotlinx.coroutines.TimeoutCancellationException) {
        fail<Unit>("not in time: $what")
    }
}

/** A sine at half of full scale. */
fun tone(hertz: Int, ms: Int, rate: Int) =
    ShortArray(rate * ms / 1000) { (16_000 * sin(2 * PI * hertz * it / rate)).toInt().toShort() }

/** Share of the energy that is at this frequency, 0 to 1 (Goertzel), of the last 200 ms. */
fun strength(heard: ShortArray, hertz: Int, rate: Int): Double {
    val samples = heard.copyOfRange(maxOf(0, heard.size - rate / 5), heard.size)
    val energy = samples.sumOf { it.toDouble() * it }
    if (energy == 0.0) return 0.0
    val turn = 2 * PI * hertz / rate
    var first = 0.0
    var second = 0.0
    for (sample in samples) {
        val next = sample + 2 * cos(turn) * first - second
        second = first
        first = next
    }
    return (first * first + second * second - 2 * cos(turn) * first * second) / (energy * samples.size / 2)
}

/** Reads what is heard until it is this tone. */
suspend fun heard(call: Call, hertz: Int) {
    val rate = call.phone.pcmRate
    soon {
        var last = ShortArray(0)
        while (strength(last, hertz, rate) < 0.8) {
            last = call.receive(rate / 5)
            if (last.isEmpty()) fail<Unit>("the call ended without a tone of $hertz Hz")
        }
    }
}

/** The greatest strength of any 200 ms of a recording. */
fun clearest(file: File, hertz: Int): Double {
    val bytes = ByteBuffer.wrap(file.readBytes()).order(ByteOrder.LITTLE_ENDIAN)
    val rate = bytes.getInt(24)
    bytes.position(44)
    val samples = ShortArray(bytes.remaining() / 2).also { bytes.asShortBuffer().get(it) }
    return (rate / 5..samples.size step rate / 10).maxOfOrNull { strength(samples.copyOf(it), hertz, rate) } ?: 0.0
}
