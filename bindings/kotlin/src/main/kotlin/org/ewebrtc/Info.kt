/*
 * The version, the tables of error codes, and the report of what works here.
 *
 * Owns: `ErrorEntry`, `Capabilities`. Lives on: any thread. Must not import: anything but the generated code.
 */
package org.ewebrtc

import org.ewebrtc.ffi.Capabilities as NativeCapabilities
import org.ewebrtc.ffi.ErrorEntry as NativeEntry

/** Version of the library. */
public val version: String get() = org.ewebrtc.ffi.version()

/**
 * An entry of the catalogue of errors; names as in [PhoneException].
 *
 * @property errorCode `ErrorCode`.
 * @property jsObject `JSObject`.
 * @property jsMethod `JSMethod`.
 * @property errorMessage `ErrorMessage`.
 * @property cause `Cause`.
 * @property resolution `Resolution`.
 * @property messageId `MessageId`, of errors of the gateway.
 * @property httpStatusCode `HttpStatusCode`, of errors of the gateway that have one.
 */
public data class ErrorEntry(
    val errorCode: String,
    val jsObject: String,
    val jsMethod: String,
    val errorMessage: String,
    val cause: String,
    val resolution: String,
    val messageId: String?,
    val httpStatusCode: String?,
)

/**
 * What the library can do on this machine, at the moment it was asked.
 *
 * @property version Version of the library.
 * @property os Operating system it was compiled for, e.g. `linux`.
 * @property arch Processor it was compiled for, e.g. `x86_64`.
 * @property support Whether calls work here: `Supported`, or `Not Certified` where the library's tests are not run.
 * @property audioCodecs Codecs for audio, best first, by their names in a session description.
 * @property videoCodecs Codecs for video.
 * @property sources Words of `localMedia`.
 * @property sinks Words of `remoteMedia`.
 * @property iceServers URLs of ICE servers that are understood.
 * @property features Parts that may be compiled in and are, e.g. `gateway`.
 * @property ipv4 This machine has an IPv4 address with which it reaches others.
 * @property ipv6 This machine has an IPv6 address with which it reaches others.
 */
public data class Capabilities(
    val version: String,
    val os: String,
    val arch: String,
    val support: String,
    val audioCodecs: List<String>,
    val videoCodecs: List<String>,
    val sources: List<String>,
    val sinks: List<String>,
    val iceServers: List<String>,
    val features: List<String>,
    val ipv4: Boolean,
    val ipv6: Boolean,
) {
    internal constructor(report: NativeCapabilities) : this(
        report.version,
        report.os,
        report.arch,
        report.support,
        report.audioCodecs,
        report.videoCodecs,
        report.sources,
        report.sinks,
        report.iceServers,
        report.features,
        report.ipv4,
        report.ipv6,
    )

    /** There is a network besides loopback. Calls through a gateway on the same machine need none. */
    public val networkConnected: Boolean get() = ipv4 || ipv6
}

/** Looks at the library and at the machine. */
public fun capabilities(): Capabilities = Capabilities(org.ewebrtc.ffi.capabilities())

/** Whether there is a network besides loopback: an interface that is up and has an address with which it reaches others. */
public fun isNetworkConnected(): Boolean = org.ewebrtc.ffi.isNetworkConnected()

/** Audio codecs that can be chosen, best first. */
public fun supportedAudioCodecs(): List<String> = org.ewebrtc.ffi.supportedAudioCodecs()

private fun table(entries: List<NativeEntry>): Map<String, ErrorEntry> = entries.associate {
    it.errorCode to ErrorEntry(
        it.errorCode,
        it.jsObject,
        it.jsMethod,
        it.errorMessage,
        it.cause,
        it.resolution,
        it.messageId,
        it.httpStatusCode,
    )
}

/** The errors that the phone raises by itself, by their codes. */
public fun sdkErrors(): Map<String, ErrorEntry> = table(org.ewebrtc.ffi.sdkErrors())

/** The errors that the gateway reports, by their codes. */
public fun apiErrors(): Map<String, ErrorEntry> = table(org.ewebrtc.ffi.apiErrors())
