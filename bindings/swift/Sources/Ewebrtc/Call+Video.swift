// Program video of a call: encoded pictures in and out. Nothing is encoded or decoded.
//
// Owns: `VideoFrame`, `Frames`, these methods of `Call`. Lives on: any thread; only `frames` waits.

import Foundation
internal import EwebrtcNative

/// One encoded picture.
public struct VideoFrame: Sendable, Hashable {
    /// How it is encoded.
    public let codec: VideoCodec
    /// When it is to be shown, in ticks of 90 kHz from an origin of the sender's choice; wraps around.
    public let timestamp: UInt32
    /// Whether it can be decoded without the pictures before it.
    public let key: Bool
    /// VP8: a frame. H.264: an access unit, each NAL unit behind a start code.
    public let data: Data
}

extension Call {
    /// Gives the next encoded picture to a call whose local media has `;video=frames`. It is sent as it comes, when the call has video
    /// and is connected.
    ///
    /// - Returns: False when it was not taken because the queue (about four seconds) is full or a picture that it needs was not taken:
    ///   then only a key frame is taken next.
    /// - Throws: `PhoneError.argument` for a picture that is empty or larger than 2 MiB, `noVideo`, `callEnded`, `notFound`.
    @discardableResult
    public func writeFrame(_ data: Data, timestamp: UInt32, codec: VideoCodec = .vp8) throws -> Bool {
        try living { try native.videoWrite(codec: codec.native, timestamp: timestamp, data: data) }
    }

    /// Is the next picture to be a key frame? True once after the other party, or a picture that was not taken, has asked for one, and
    /// once at the beginning: ask before each picture.
    ///
    /// - Throws: `PhoneError.noVideo`, `callEnded`, `notFound`.
    public func keyFrameWanted() throws -> Bool { try living { try native.videoKeyFrameWanted() } }

    /// How many pictures were written and not sent yet.
    ///
    /// - Throws: As `keyFrameWanted`.
    public var framesQueued: Int {
        get throws { Int(try living { try native.videoQueued() }) }
    }

    /// Takes the next picture of a call whose remote media has `;video=frames`: complete ones only, beginning with a key frame, also
    /// after a loss; `nil` when none is there. About four seconds are kept, then what comes is dropped up to the next key frame. What
    /// came before the end may be read after it.
    ///
    /// - Throws: `PhoneError.noVideo`, `callEnded` when the call has ended without video, `notFound`.
    public func readFrame() throws -> VideoFrame? {
        try living { try native.videoRead() }.map {
            VideoFrame(codec: VideoCodec($0.codec), timestamp: $0.timestamp, key: $0.key, data: $0.data)
        }
    }

    /// How many pictures were dropped so far because nobody read them in time.
    ///
    /// - Throws: As `readFrame`.
    public var framesDropped: Int {
        get throws { Int(try living { try native.videoDropped() }) }
    }

    /// The pictures that come, until the call ends. Reading it throws `PhoneError.noVideo`, `notFound`.
    public func frames() -> Frames { Frames(call: self) }

    /// Asks the other party for a key frame, for a program that cannot go on without one. After a loss the library asks by itself.
    ///
    /// - Throws: `PhoneError.noVideo` before the call has media, `callEnded`, `notFound`.
    public func requestKeyFrame() throws { try living { try native.requestKeyFrame() } }
}

/// The pictures of a call; see `Call.frames`.
public struct Frames: AsyncSequence, AsyncIteratorProtocol, Sendable {
    fileprivate let call: Call

    /// The next picture; `nil` after the last one.
    public mutating func next() async throws -> VideoFrame? {
        while true {
            // In this order: nothing comes any more once the state is gone.
            let over = call.state == nil
            do {
                if let frame = try call.readFrame() { return frame }
            } catch PhoneError.callEnded {
                return nil
            }
            if over { return nil }
            try await Task.sleep(for: tick)
        }
    }

    /// The pictures one by one.
    public func makeAsyncIterator() -> Frames { self }
}
