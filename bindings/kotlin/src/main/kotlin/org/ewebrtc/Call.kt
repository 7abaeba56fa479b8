/*
 * Calls and conferences: what can be done with one, and its program audio and video.
 *
 * Owns: `Call`. Lives on: any thread; what is no `suspend` function never waits. Must not import: the hub.
 */
package org.ewebrtc

import kotlinx.coroutines.delay
import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.flow.MutableStateFlow
import kotlinx.coroutines.flow.first
import kotlinx.coroutines.flow.flow
import kotlinx.coroutines.flow.update
import java.nio.ByteBuffer
import java.nio.ByteOrder
import kotlin.time.Duration
import kotlin.time.Duration.Companion.milliseconds
import org.ewebrtc.ffi.Call as NativeCall

/** Events that end a call or conference. */
private val ENDS = setOf(
    "call:disconnected",
    "call:rejected",
    "call:canceled",
    "conference:ended",
    "conference:canceled",
)

/** How often program audio is looked for: the library moves it every 10 ms. */
private val TICK = 10.milliseconds

/** How much program audio waits at most, in milliseconds. */
private const val QUEUE_MS = 30_000

/** Bytes of a sample. */
private const val SAMPLE = 2

/** What events have said of a call. */
private data class Life(
    val connected: Boolean = false,
    val end: Event? = null,
    /** Of the last `error` event: why a call ends is often said there in full. */
    val error: PhoneException? = null,
    /** No event comes any more. */
    val over: Boolean = false,
)

/**
 * A call or conference. Made by [Phone.dial], [Phone.answer], [Phone.startConference] and [Phone.joinConference], and found in
 * events; it may be held after its end.
 *
 * Methods that suspend complete when the command finishes; cancelling the coroutine ends the wait, not the command. `tag` comes
 * back in the events that a command causes. All may be used on any thread.
 *
 * Methods that need a live call throw [CallEndedException] when it has ended, from that moment on, and [NotFoundException] when
 * there never was such a call as far as the phone knows: it remembers the latest 64 that have ended.
 *
 * @property phone The phone it belongs to.
 */
public class Call internal constructor(public val phone: Phone, private val native: NativeCall) {
    /** The handle: never used twice in this process, and the value of `call` or `conference` in the data of events. */
    public val handle: Long = native.handle().toLong()

    /** There is or was such a call; the events of its end may still be on their way. */
    @Volatile
    internal var seen: Boolean = native.state() != null

    private val life = MutableStateFlow(Life())

    // ---- what events say ---------------------------------------------------------------------------------------------

    /** Keeps what an event of this call says. */
    internal fun note(event: Event) {
        when {
            event.name == "call:connected" || event.name == "conference:connected" ->
                life.update { it.copy(connected = true) }
            // An invitation that this phone has declined is over; the host of a conference hears of invitees who have, and
            // goes on.
            event.name in ENDS || event.name == "conference:invitation-rejected" && event["participant"] == null ->
                life.update { it.copy(end = event) }
            event.name == "error" -> event.error?.let { error -> life.update { it.copy(error = error) } }
        }
    }

    /** No event comes any more. */
    internal fun over() = life.update { it.copy(over = true) }

    internal val isOver: Boolean get() = life.value.end != null

    private suspend fun until(met: (Life) -> Boolean): Life {
        if (!seen && state == null) throw notFound()
        val found = Process.holding(this) { life.first { met(it) || it.over } }
        return if (met(found)) found else throw closed()
    }

    /**
     * Waits until the call is connected; `withTimeout` bounds it.
     *
     * @throws CallEndedException with the event that ended it and the last error of the call.
     * @throws NotFoundException when there never was such a call.
     * @throws ClosedException when the phone closes meanwhile.
     */
    public suspend fun connected() {
        if (!life.value.connected && state !in setOf(null, "created", "connecting")) {
            life.update { it.copy(connected = true) }
        }
        val found = until { it.connected || it.end != null }
        found.end?.let { throw CallEndedException(it, found.error) }
    }

    /**
     * Waits until the call has ended, and gives the event that ended it.
     *
     * @throws NotFoundException when there never was such a call.
     * @throws ClosedException when the phone closes meanwhile.
     */
    public suspend fun ended(): Event = until { it.end != null }.end ?: throw closed()

    /** State, such as `connecting` or `connected`; null when the call has ended. */
    public val state: String? get() = native.state()

    // ---- commands ------------------------------------------------------------------------------------------------------

    /**
     * Ends the call as its state demands: cancels, rejects or hangs up. Completes with the call's end.
     *
     * @throws CallEndedException when it has ended already.
     * @throws PhoneException with codes of hangup, cancel, reject.
     */
    public suspend fun hangup(tag: String? = null): Unit = lasting { native.hangup(text(tag)) }

    /**
     * Sends silence from now on.
     *
     * @throws CallEndedException when it has ended.
     * @throws PhoneException 2702 before the call is connected.
     */
    public suspend fun mute(tag: String? = null): Unit = lasting { native.mute(text(tag)) }

    /**
     * Sends the source again.
     *
     * @throws CallEndedException when it has ended.
     * @throws PhoneException 2802 before the call is connected.
     */
    public suspend fun unmute(tag: String? = null): Unit = lasting { native.unmute(text(tag)) }

    /**
     * Presses keys, as [Phone.sendDtmfTone] does in the call in the foreground.
     *
     * @throws CallEndedException when it has ended.
     * @throws PhoneException as there.
     */
    public suspend fun sendDtmfTone(tones: String, gap: Duration? = null, tag: String? = null) {
        val between = gap?.let(::milliseconds)
        lasting { native.sendDtmfTone(text(tones), between, text(tag)) }
    }

    /** Figures of the call's audio and video; null before it has media and after its end. */
    public fun stats(): CallStats? = native.stats()?.let(::CallStats)

    // ---- program audio: 16-bit mono samples at the phone's pcmRate; as bytes they are little-endian ----------------------

    /**
     * Appends samples to what a call with `localMedia` `pcm` sends, and says how many fitted: about 30 seconds wait at most. When
     * nothing waits silence is sent. Never waits; no more is copied than there is room for.
     *
     * @throws ArgumentException for a part that is not in the array.
     * @throws NoAudioException when the source is another, or the call was not answered yet.
     * @throws CallEndedException when the call has ended.
     */
    public fun write(samples: ShortArray, offset: Int = 0, count: Int = samples.size - offset): Int {
        checkPart(samples.size, offset, count)
        return living {
            val fit = minOf(count, room())
            val bytes = ByteBuffer.allocate(fit * SAMPLE).order(ByteOrder.LITTLE_ENDIAN)
            bytes.asShortBuffer().put(samples, offset, fit)
            (native.pcmWrite(bytes.array()) / SAMPLE.toUInt()).toInt()
        }
    }

    /**
     * As the other [write], of bytes; says how many bytes fitted.
     *
     * @throws ArgumentException for half a sample, and as the other one.
     */
    public fun write(samples: ByteArray, offset: Int = 0, count: Int = samples.size - offset): Int {
        checkPart(samples.size, offset, count)
        if (count % SAMPLE != 0) throw ArgumentException("samples are 16 bit: the number of bytes is odd")
        return living {
            val fit = minOf(count, room() * SAMPLE)
            native.pcmWrite(samples.copyOfRange(offset, offset + fit)).toInt()
        }
    }

    /** How many samples there is room for, nearly. */
    private fun room(): Int = maxOf(0, QUEUE_MS - native.pcmQueuedMs().toInt()) * phone.pcmRate / 1000

    /**
     * Takes samples that were heard in a call with `remoteMedia` `pcm`, at most `most` of them; empty when none are there. Never
     * waits. About 30 seconds are kept, then the oldest are dropped. What came before the end may be read after it.
     *
     * @throws ArgumentException for a negative number.
     * @throws NoAudioException when the sink is another, or the call was not answered yet.
     * @throws CallEndedException when the call has ended without audio.
     */
    public fun read(most: Int = Int.MAX_VALUE): ShortArray = samplesOf(readBytes(most.coerceIn(-1, Int.MAX_VALUE / SAMPLE) * SAMPLE))

    /** As [read], in bytes. */
    public fun readBytes(most: Int = Int.MAX_VALUE): ByteArray {
        if (most < 0) throw ArgumentException("a negative number of samples")
        return living { native.pcmRead(most.toULong()) }
    }

    /**
     * Drops what was written and not sent yet, as when the other party begins to talk. Of a call that has ended nothing is left.
     *
     * @throws NoAudioException when the source is another, or the call was not answered yet.
     * @throws NotFoundException when there never was such a call.
     */
    public fun clear() {
        try {
            living { native.pcmClear() }
        } catch (_: CallEndedException) {
            // As it says.
        }
    }

    /**
     * How much was written and not sent yet, in milliseconds, rounded up; 0 when the call has ended.
     *
     * Throws as [clear].
     */
    public val queuedMs: Int
        get() = try {
            living { native.pcmQueuedMs().toInt() }
        } catch (_: CallEndedException) {
            0
        }

    /**
     * How many samples were dropped so far because nobody read them in time.
     *
     * Throws as [read].
     */
    public val dropped: Long get() = living { native.pcmDropped().toLong() / SAMPLE }

    /**
     * Writes all samples, waiting for room. It returns when all are in the queue, see [drain].
     *
     * @throws CallEndedException also when the call ends meanwhile, and as [write].
     */
    public suspend fun send(samples: ShortArray) {
        var sent = write(samples)
        while (sent < samples.size) {
            delay(TICK)
            sent += write(samples, sent)
        }
    }

    /** As the other [send], of bytes. */
    public suspend fun send(samples: ByteArray) {
        var sent = write(samples)
        while (sent < samples.size) {
            delay(TICK)
            sent += write(samples, sent)
        }
    }

    /**
     * Waits until all that was written has been sent.
     *
     * @throws CallEndedException also when the call ends meanwhile, and as [clear].
     */
    public suspend fun drain() {
        while (true) {
            val queued = living { native.pcmQueuedMs().toInt() }
            if (queued == 0) return
            delay(maxOf(TICK, (queued / 2).milliseconds))
        }
    }

    /**
     * Reads `count` samples, waiting for them. Fewer are the last ones before the call's end, none is its end.
     *
     * @throws ArgumentException for a number that is not positive.
     * @throws NoAudioException as [read].
     */
    public suspend fun receive(count: Int): ShortArray {
        if (count !in 1..Int.MAX_VALUE / SAMPLE) throw ArgumentException("that is no positive number of samples, or too many at once")
        return samplesOf(receiveBytes(count * SAMPLE))
    }

    /**
     * As [receive], of `size` bytes.
     *
     * @throws ArgumentException for half a sample, and as [receive].
     */
    public suspend fun receiveBytes(size: Int): ByteArray {
        if (size <= 0 || size % SAMPLE != 0) throw ArgumentException("that is no positive number of whole samples")
        val heard = ByteBuffer.allocate(size)
        while (heard.hasRemaining()) {
            // In this order: nothing comes any more once the state is gone.
            val over = state == null
            val part = try {
                readBytes(heard.remaining())
            } catch (_: CallEndedException) {
                break
            }
            heard.put(part)
            if (part.isEmpty()) {
                if (over) break
                delay(TICK)
            }
        }
        return heard.array().copyOf(heard.position())
    }

    /**
     * What is heard, in pieces of this duration, until the call ends; the last one may be shorter. A cold `Flow`: it takes samples
     * while it is collected.
     *
     * @throws ArgumentException for a duration without a sample; collecting throws as [receive].
     */
    public fun listen(piece: Duration = 20.milliseconds): Flow<ShortArray> {
        val count = (phone.pcmRate * piece.inWholeMicroseconds / 1_000_000).toInt()
        if (count <= 0) throw ArgumentException("a piece must have a sample at least")
        return flow {
            while (true) {
                val part = receive(count)
                if (part.isEmpty()) break
                emit(part)
            }
        }
    }

    /** Something that needs a live call. */
    private inline fun <T> living(step: () -> T): T = try {
        translated(step)
    } catch (gone: NotFoundException) {
        throw howEnded() ?: gone
    }

    /** The same, of work that is awaited. */
    internal suspend fun <T> lasting(work: suspend () -> T): T = try {
        answer(work)
    } catch (gone: NotFoundException) {
        throw howEnded() ?: gone
    }

    /** How the call has ended: the library knows it before the event comes here. Null when there never was one. */
    private fun howEnded(): CallEndedException? {
        val known = life.value
        known.end?.let { return CallEndedException(it, known.error) }
        val end = translated { native.end() } ?: return null
        return CallEndedException(Event(end.event, this), end.error?.let { PhoneException(ErrorFields(it)) })
    }

    // ---- program video: encoded pictures -------------------------------------------------------------------------------

    /**
     * Gives the next encoded picture to a call with `localMedia` `…;video=frames`. It is sent as it comes, when the call has video
     * and is connected. False when it was not taken because the queue (about four seconds) is full or a picture that it needs was
     * not taken: then only a key frame is taken next. `timestamp`: as of [VideoFrame].
     *
     * @throws ArgumentException for a picture that is empty or larger than 2 MiB, or a timestamp beyond 32 bits.
     * @throws NoVideoException when the source is another, or the call was not answered yet.
     * @throws CallEndedException when the call has ended.
     */
    public fun writeFrame(data: ByteArray, timestamp: Long, codec: VideoCodec = VideoCodec.VP8): Boolean {
        if (timestamp !in 0..UInt.MAX_VALUE.toLong()) throw ArgumentException("the timestamp is not one of 32 bits")
        return living { native.videoWrite(codec.native, timestamp.toUInt(), data) }
    }

    /**
     * Is the next picture to be a key frame? True once after the other party, or a picture that was not taken, has asked for one,
     * and once at the beginning: ask before each picture.
     *
     * @throws NoVideoException when the source is another.
     * @throws CallEndedException when the call has ended.
     */
    public fun keyFrameWanted(): Boolean = living { native.videoKeyFrameWanted() }

    /**
     * How many pictures were written and not sent yet.
     *
     * Throws as [keyFrameWanted].
     */
    public val framesQueued: Int get() = living { native.videoQueued().toInt() }

    /**
     * Takes the next picture of a call with `remoteMedia` `…;video=frames`: complete ones only, beginning with a key frame, also
     * after a loss; null when none is there. Never waits. About four seconds are kept, then what comes is dropped up to the next
     * key frame. What came before the end may be read after it.
     *
     * @throws NoVideoException when the sink is another, or the call was not answered yet.
     * @throws CallEndedException when the call has ended without video.
     */
    public fun readFrame(): VideoFrame? = living { native.videoRead() }?.let(::VideoFrame)

    /**
     * How many pictures were dropped so far because nobody read them in time.
     *
     * Throws as [readFrame].
     */
    public val framesDropped: Long get() = living { native.videoDropped().toLong() }

    /** The pictures that come, until the call ends. A cold `Flow`; collecting throws [NoVideoException] as [readFrame]. */
    public fun frames(): Flow<VideoFrame> = flow {
        while (true) {
            // In this order: nothing comes any more once the state is gone.
            val over = state == null
            val frame = try {
                readFrame()
            } catch (_: CallEndedException) {
                break
            }
            when {
                frame != null -> emit(frame)
                over -> break
                else -> delay(TICK)
            }
        }
    }

    /**
     * Asks the other party for a key frame, for a program that cannot go on without one. After a loss the library asks by itself.
     *
     * @throws NoVideoException before the call has media.
     * @throws CallEndedException when the call has ended.
     */
    public fun requestKeyFrame(): Unit = living { native.requestKeyFrame() }

    /** Handle and state. */
    override fun toString(): String = "Call($handle ${state ?: "ended"})"
}

private fun checkPart(size: Int, offset: Int, count: Int) {
    if (offset < 0 || count < 0 || offset > size - count) {
        throw ArgumentException("$count from $offset are not in an array of $size")
    }
}

private fun samplesOf(bytes: ByteArray): ShortArray {
    val samples = ShortArray(bytes.size / SAMPLE)
    ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).asShortBuffer().get(samples)
    return samples
}

/** A duration for the library. */
internal fun milliseconds(time: Duration): UInt {
    val whole = time.inWholeMilliseconds
    if (whole !in 0..UInt.MAX_VALUE.toLong()) throw ArgumentException("$time is no duration that can be waited for")
    return whole.toUInt()
}
