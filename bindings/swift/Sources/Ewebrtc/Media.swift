// The words of settings and options: media, codecs, ways of events.
//
// Owns: `Media`, `MediaType`, `CallAction`, `AudioCodec`, `VideoCodec`, `EventChannel`, `IceServer`, `IceTransport`. Lives on: any
// thread. Must not import: the phone.

import Foundation
internal import EwebrtcNative

/// Where audio and video of a call come from or go to: a text of the grammar, such as `silence`, `tone:440`, `wav:PATH`, `pcm`, `discard`,
/// for video followed by `;video=ivf:PATH` or `;video=frames`. A text in quotation marks is one, too.
public struct Media: RawRepresentable, Sendable, Hashable, ExpressibleByStringLiteral {
    /// The text.
    public let rawValue: String

    /// Takes the text as it is; the phone checks it when it is used.
    public init(rawValue: String) { self.rawValue = rawValue }
    /// Takes the text as it is.
    public init(stringLiteral value: String) { rawValue = value }

    /// Silence is sent.
    public static let silence = Media(rawValue: "silence")
    /// What is heard is dropped.
    public static let discard = Media(rawValue: "discard")
    /// The program gives or takes samples (`Call.write`, `Call.read`).
    public static let pcm = Media(rawValue: "pcm")
    /// A tone of this frequency is sent.
    public static func tone(_ hertz: Int) -> Media { Media(rawValue: "tone:\(hertz)") }
    /// A file is played, or recorded into.
    public static func wav(_ path: String) -> Media { Media(rawValue: "wav:\(path)") }
    /// The same audio, and encoded pictures that the program gives or takes (`Call.writeFrame`, `Call.readFrame`).
    public var withFrames: Media { Media(rawValue: rawValue + ";video=frames") }
    /// The same audio, and pictures from a file or into one.
    public func withVideo(ivf path: String) -> Media { Media(rawValue: rawValue + ";video=ivf:\(path)") }
}

/// Kind of a call.
public enum MediaType: String, Sendable, Hashable {
    /// Audio only.
    case audio
    /// Audio and video.
    case video
}

/// What becomes of the call in the foreground when another one is taken.
public enum CallAction: String, Sendable, Hashable {
    /// It ends.
    case end
    /// It is put on hold.
    case hold
}

/// A codec for speech.
public enum AudioCodec: String, Sendable, Hashable, CaseIterable {
    /// Opus, 48 kHz.
    case opus
    /// G.711 µ-law, 8 kHz.
    case pcmu
    /// G.711 A-law, 8 kHz.
    case pcma

    var native: EwebrtcNative.AudioCodec {
        switch self {
        case .opus: .opus
        case .pcmu: .pcmu
        case .pcma: .pcma
        }
    }
}

/// A codec for video.
public enum VideoCodec: String, Sendable, Hashable, CaseIterable {
    /// VP8 (RFC 6386): a picture is a frame.
    case vp8
    /// H.264: a picture is an access unit, each NAL unit behind a start code.
    case h264

    var native: EwebrtcNative.VideoCodec {
        switch self {
        case .vp8: .vp8
        case .h264: .h264
        }
    }

    init(_ native: EwebrtcNative.VideoCodec) {
        switch native {
        case .vp8: self = .vp8
        case .h264: self = .h264
        }
    }
}

/// How a phone hears of events.
public enum EventChannel: String, Sendable, Hashable {
    /// One request after the other waits at the gateway.
    case longPoll = "long-poll"
    /// One connection stays open; the phone polls where the gateway offers none.
    case webSocket = "websocket"

    var native: EwebrtcNative.EventChannel {
        switch self {
        case .longPoll: .longPoll
        case .webSocket: .webSocket
        }
    }
}

/// Which paths media may take.
public enum IceTransport: String, Sendable, Hashable {
    /// All.
    case all
    /// Only those through a TURN server, so that one's own addresses stay hidden.
    case relay
    /// None: calls fail when they are set up.
    case none
}

/// A STUN or TURN server with one account.
public struct IceServer: Sendable, Hashable {
    /// `stun:host[:port]`, `turn:host[:port][?transport=udp|tcp]` or `turns:host[:port][?transport=tcp]`.
    public var urls: [String]
    /// User name for TURN.
    public var username: String
    /// Password for TURN; not shown when the value is printed.
    public var credential: String

    /// A server; TURN needs an account.
    public init(_ urls: String..., username: String = "", credential: String = "") {
        self.urls = urls
        self.username = username
        self.credential = credential
    }

    init(_ native: EwebrtcNative.IceServer) {
        urls = native.urls
        username = native.username
        credential = native.credential
    }

    var native: EwebrtcNative.IceServer { .init(urls: urls, username: username, credential: credential) }
}

extension IceServer: CustomStringConvertible {
    /// Without the password.
    public var description: String { "IceServer(\(urls.joined(separator: ", ")), username: \(username))" }
}
