// The version, the tables of error codes, and the report of what works here.
//
// Owns: `ErrorEntry`, `Capabilities`. Lives on: any thread. Must not import: the phone.

internal import EwebrtcNative

/// Version of the library.
public var libraryVersion: String { EwebrtcNative.version() }

/// An entry of the catalogue of errors; names as in `ErrorFields`.
public struct ErrorEntry: Sendable, Hashable {
    /// `ErrorCode`.
    public let errorCode: String
    /// `JSObject`.
    public let jsObject: String
    /// `JSMethod`.
    public let jsMethod: String
    /// `ErrorMessage`.
    public let errorMessage: String
    /// `Cause`.
    public let cause: String
    /// `Resolution`.
    public let resolution: String
    /// `MessageId`, of errors of the gateway.
    public let messageId: String?
    /// `HttpStatusCode`, of errors of the gateway that have one.
    public let httpStatusCode: String?

    init(_ native: EwebrtcNative.ErrorEntry) {
        errorCode = native.errorCode
        jsObject = native.jsObject
        jsMethod = native.jsMethod
        errorMessage = native.errorMessage
        cause = native.cause
        resolution = native.resolution
        messageId = native.messageId
        httpStatusCode = native.httpStatusCode
    }
}

private func table(_ entries: [EwebrtcNative.ErrorEntry]) -> [String: ErrorEntry] {
    Dictionary(entries.map { ($0.errorCode, ErrorEntry($0)) }, uniquingKeysWith: { first, _ in first })
}

/// The errors that the phone raises by itself, by their codes.
public func sdkErrors() -> [String: ErrorEntry] { table(EwebrtcNative.sdkErrors()) }

/// The errors that the gateway reports, by their codes.
public func apiErrors() -> [String: ErrorEntry] { table(EwebrtcNative.apiErrors()) }

/// Whether there is a network besides loopback: an interface that is up and has an address with which it reaches others.
public func isNetworkConnected() -> Bool { EwebrtcNative.isNetworkConnected() }

/// What the library can do on this machine, at the moment it was asked.
public struct Capabilities: Sendable, Hashable {
    /// Version of the library.
    public let version: String
    /// Operating system it was compiled for, such as `linux`.
    public let os: String
    /// Processor it was compiled for, such as `x86_64`.
    public let arch: String
    /// Whether calls work here: `Supported`, or `Not Certified` where the library's tests are not run.
    public let support: String
    /// Codecs for audio, best first, by their names in a session description.
    public let audioCodecs: [String]
    /// Codecs for video.
    public let videoCodecs: [String]
    /// Words of local media.
    public let sources: [String]
    /// Words of remote media.
    public let sinks: [String]
    /// URLs of ICE servers that are understood.
    public let iceServers: [String]
    /// Parts that may be compiled in and are, such as `gateway`.
    public let features: [String]
    /// This machine has an IPv4 address with which it reaches others.
    public let ipv4: Bool
    /// This machine has an IPv6 address with which it reaches others.
    public let ipv6: Bool

    /// There is a network besides loopback. Calls through a gateway on the same machine need none.
    public var networkConnected: Bool { ipv4 || ipv6 }
}

/// Looks at the library and at the machine.
public func capabilities() -> Capabilities {
    let found = EwebrtcNative.capabilities()
    return Capabilities(
        version: found.version, os: found.os, arch: found.arch, support: found.support, audioCodecs: found.audioCodecs,
        videoCodecs: found.videoCodecs, sources: found.sources, sinks: found.sinks, iceServers: found.iceServers,
        features: found.features, ipv4: found.ipv4, ipv6: found.ipv6)
}
