/*
 * What a phone is made with, and the records that its methods give.
 *
 * Owns: the settings, the figures of a call, the names of media. Lives on: any thread. Must not import: the phone.
 */
package org.ewebrtc

import java.nio.file.Path
import kotlin.time.Duration
import org.ewebrtc.ffi.AudioCodec as NativeAudioCodec
import org.ewebrtc.ffi.CallStats as NativeStats
import org.ewebrtc.ffi.EventChannel as NativeChannel
import org.ewebrtc.ffi.IceServer as NativeServer
import org.ewebrtc.ffi.PhoneConfig as NativeConfig
import org.ewebrtc.ffi.PortRange as NativePorts
import org.ewebrtc.ffi.VideoCodec as NativeVideoCodec
import org.ewebrtc.ffi.VideoFrame as NativeFrame

/** A codec for speech. */
public enum class AudioCodec(internal val native: NativeAudioCodec) {
    /** Opus, 48 kHz. */
    OPUS(NativeAudioCodec.OPUS),

    /** G.711 µ-law, 8 kHz. */
    PCMU(NativeAudioCodec.PCMU),

    /** G.711 A-law, 8 kHz. */
    PCMA(NativeAudioCodec.PCMA),
}

/** A codec for video. */
public enum class VideoCodec(internal val native: NativeVideoCodec) {
    /** VP8 (RFC 6386). */
    VP8(NativeVideoCodec.VP8),

    /** H.264 in Annex B form. */
    H264(NativeVideoCodec.H264),
}

/** How a phone hears of events. */
public enum class EventChannel(internal val native: NativeChannel) {
    /** One request after the other waits at the gateway for events: what every gateway offers. */
    LONG_POLL(NativeChannel.LONG_POLL),

    /** One WebSocket, over which events come as they happen. The phone polls where the gateway offers none or none can be opened. */
    WEB_SOCKET(NativeChannel.WEB_SOCKET),
}

/** Which paths media may take. */
public enum class IceTransport(internal val word: String) {
    /** All. */
    ALL("all"),

    /** Only those through a TURN server, so that one's own addresses stay hidden. */
    RELAY("relay"),

    /** None, with which calls fail when they are set up. */
    NONE("none"),
}

/**
 * A STUN or TURN server with one account.
 *
 * @property urls `stun:host[:port]`, `turn:host[:port][?transport=udp|tcp]` or `turns:host[:port][?transport=tcp]`.
 * @property username User name for TURN.
 * @property credential Password for TURN; not shown when the object is printed.
 */
public data class IceServer(val urls: List<String>, val username: String = "", val credential: String = "") {
    internal constructor(server: NativeServer) : this(server.urls, server.username, server.credential)

    internal fun native() = NativeServer(urls.map(::text), text(username), text(credential))

    /** Without the password. */
    override fun toString(): String = "IceServer(urls=$urls, username=$username)"
}

/** Words for `localMedia` and `remoteMedia`; any text of the same grammar will do. */
public object Media {
    /** Source: nothing is said. */
    public const val SILENCE: String = "silence"

    /** Sink: what is heard is dropped. */
    public const val DISCARD: String = "discard"

    /** Source and sink: the program gives and takes samples. */
    public const val PCM: String = "pcm"

    /** Source: a sine of this frequency. */
    public fun tone(hertz: Int): String = "tone:$hertz"

    /** Source and sink: a WAV file. It is played once; a recording is 16-bit mono at 48 kHz. */
    public fun wav(path: Path): String = "wav:$path"
}

/**
 * What a phone is made with.
 *
 * @property domain Appended to names and short numbers; null: that of one's own address as the gateway names it.
 * @property localMedia Where audio and video of calls come from until a call names another source, which is then that of later
 *   calls as well: `silence`, `tone:HZ`, `wav:PATH` or `pcm`, for video followed by `;video=ivf:PATH` or `;video=frames`.
 * @property remoteMedia Where they go: `discard`, `wav:PATH` or `pcm`, likewise.
 * @property pcmRate Samples per second of program audio, 8000 to 48000.
 * @property iceServers STUN and TURN servers.
 * @property relayOnly Only paths through a TURN server, so that one's own addresses stay hidden.
 * @property ipv4 Offer IPv4 addresses.
 * @property ipv6 Offer IPv6 addresses.
 * @property loopback Offer loopback addresses also when the gateway is not on loopback.
 * @property ports UDP ports for media; null: the system chooses.
 * @property gather A description goes out this long after the search for addresses began; null: 500 ms.
 * @property connect A connection that is not up by then fails; null: 15 s.
 * @property eventChannel How the phone hears of events.
 * @property audioCodecs In order of preference.
 * @property videoCodecs In order of preference.
 * @property opusComplexity Effort of the Opus encoder, 0 to 10; null: 9.
 * @property rootCertificates Certificates in PEM that are trusted beside the operating system's.
 */
public data class PhoneSettings(
    val domain: String? = null,
    val localMedia: String = Media.SILENCE,
    val remoteMedia: String = Media.DISCARD,
    val pcmRate: Int = 48_000,
    val iceServers: List<IceServer> = emptyList(),
    val relayOnly: Boolean = false,
    val ipv4: Boolean = true,
    val ipv6: Boolean = true,
    val loopback: Boolean = false,
    val ports: IntRange? = null,
    val gather: Duration? = null,
    val connect: Duration? = null,
    val eventChannel: EventChannel = EventChannel.LONG_POLL,
    val audioCodecs: List<AudioCodec> = AudioCodec.entries,
    val videoCodecs: List<VideoCodec> = VideoCodec.entries,
    val opusComplexity: Int? = null,
    val rootCertificates: List<String> = emptyList(),
) {
    internal fun native(gateway: String) = NativeConfig(
        gateway = gateway,
        domain = domain,
        localMedia = localMedia,
        remoteMedia = remoteMedia,
        // What a number can be is looked at here, what it may be by the library, as for every language.
        pcmRate = within("pcmRate", pcmRate, 0..Int.MAX_VALUE).toUInt(),
        iceServers = iceServers.map { it.native() },
        relayOnly = relayOnly,
        ipv4 = ipv4,
        ipv6 = ipv6,
        loopback = loopback,
        ports = ports?.let {
            val first = within("ports", it.first, 0..PORTS)
            NativePorts(first.toUShort(), within("ports", it.last, 0..PORTS).toUShort())
        },
        gatherMs = gather?.let { time("gather", it) },
        connectMs = connect?.let { time("connect", it) },
        eventChannel = eventChannel.native,
        audioCodecs = audioCodecs.map { it.native },
        videoCodecs = videoCodecs.map { it.native },
        opusComplexity = opusComplexity?.let { within("opusComplexity", it, 0..BYTE).toUByte() },
        rootCertificates = rootCertificates,
    )

    private companion object {
        const val PORTS = 65_535
        const val BYTE = 255

        fun within(name: String, value: Int, range: IntRange): Int {
            if (value !in range) throw ConfigException("$name must be ${range.first} to ${range.last}, not $value")
            return value
        }

        fun time(name: String, value: Duration): UInt {
            val whole = value.inWholeMilliseconds
            if (whole !in 0..UInt.MAX_VALUE.toLong()) throw ConfigException("$name cannot be $value")
            return whole.toUInt()
        }
    }
}

/**
 * Figures of a call's audio and video. Times are in milliseconds, levels in dB of full scale (root mean square over about 200 ms;
 * -127 is silence).
 *
 * @property codec The codec that is sent: `opus`, `PCMU` or `PCMA`; null before it is agreed.
 * @property packetsSent Packets handed to the transport.
 * @property packetsReceived Packets of audio received, without duplicates.
 * @property packetsLost Packets that never came.
 * @property packetsLate Packets that came too late to be played.
 * @property concealedMs Audio invented in place of packets that were not there in time.
 * @property jitterMs Interarrival jitter of what is received.
 * @property jitterDelayMs How long the packet played last was held back.
 * @property roundTripMs Round-trip time; null while unknown.
 * @property remoteLoss Share of our packets that the other side loses, 0 to 1.
 * @property levelInDbfs Level of what is heard.
 * @property levelOutDbfs Level of what is sent.
 * @property framesSent Pictures sent.
 * @property framesReceived Complete pictures received.
 * @property framesDropped Complete pictures that were not handed on, because they need one that was lost.
 * @property videoPacketsLost Packets of video that never came.
 * @property videoPacketsRecovered Packets of video that came after they were asked for again.
 */
public data class CallStats(
    val codec: String?,
    val packetsSent: Long,
    val packetsReceived: Long,
    val packetsLost: Long,
    val packetsLate: Long,
    val concealedMs: Double,
    val jitterMs: Double,
    val jitterDelayMs: Double,
    val roundTripMs: Double?,
    val remoteLoss: Double,
    val levelInDbfs: Double,
    val levelOutDbfs: Double,
    val framesSent: Long,
    val framesReceived: Long,
    val framesDropped: Long,
    val videoPacketsLost: Long,
    val videoPacketsRecovered: Long,
) {
    internal constructor(stats: NativeStats) : this(
        stats.codec,
        stats.packetsSent.toLong(),
        stats.packetsReceived.toLong(),
        stats.packetsLost.toLong(),
        stats.packetsLate.toLong(),
        stats.concealedMs,
        stats.jitterMs,
        stats.jitterDelayMs,
        stats.roundTripMs,
        stats.remoteLoss,
        stats.levelInDbfs,
        stats.levelOutDbfs,
        stats.framesSent.toLong(),
        stats.framesReceived.toLong(),
        stats.framesDropped.toLong(),
        stats.videoPacketsLost.toLong(),
        stats.videoPacketsRecovered.toLong(),
    )
}

/**
 * One encoded picture.
 *
 * @property codec How it is encoded.
 * @property timestamp When it is to be shown, in ticks of 90 kHz from an origin of the sender's choice; wraps around at 2^32.
 * @property key Whether it can be decoded without the pictures before it.
 * @property data VP8: a frame. H.264: an access unit, each NAL unit behind a start code.
 */
public class VideoFrame internal constructor(
    public val codec: VideoCodec,
    public val timestamp: Long,
    public val key: Boolean,
    public val data: ByteArray,
) {
    internal constructor(frame: NativeFrame) : this(
        if (frame.codec == NativeVideoCodec.VP8) VideoCodec.VP8 else VideoCodec.H264,
        frame.timestamp.toLong(),
        frame.key,
        frame.data,
    )
}

/**
 * Somebody in a conference of this phone.
 *
 * @property participant Who it is: the number, or the account id.
 * @property status `active`.
 */
public data class Participant(val participant: String, val status: String)

/**
 * An entry of [Phone.getCalls].
 *
 * @property index Ordinal among the live calls.
 * @property state State, such as `connected`.
 * @property breed `call` or `conference`.
 * @property type `Outgoing` or `Incoming`.
 * @property peer The other party; empty for conferences.
 * @property foreground True for the one the user talks on.
 * @property participants Who is in a conference of this phone.
 */
public data class CallInfo(
    val index: Int,
    val state: String,
    val breed: String,
    val type: String,
    val peer: String,
    val foreground: Boolean,
    val participants: List<Participant>,
)
