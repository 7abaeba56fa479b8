// Calls and conferences: what can be done with one.
//
// Owns: `Call`, `CallStats`. Lives on: any thread.

internal import EwebrtcNative

/// Figures of a call's audio and video. Times are in milliseconds, levels in dB of full scale (root mean square over about 200 ms; -127 is
/// silence).
public struct CallStats: Sendable, Hashable {
    /// The codec that is sent: `opus`, `PCMU` or `PCMA`; `nil` before it is agreed.
    public let codec: String?
    /// Packets handed to the transport.
    public let packetsSent: UInt64
    /// Packets of audio received, without duplicates.
    public let packetsReceived: UInt64
    /// Packets that never came.
    public let packetsLost: UInt64
    /// Packets that came too late to be played.
    public let packetsLate: UInt64
    /// Audio invented in place of packets that were not there in time.
    public let concealedMilliseconds: Double
    /// Interarrival jitter of what is received.
    public let jitterMilliseconds: Double
    /// How long the packet played last was held back.
    public let jitterDelayMilliseconds: Double
    /// Round-trip time; `nil` while unknown.
    public let roundTripMilliseconds: Double?
    /// Share of our packets that the other side loses, 0 to 1.
    public let remoteLoss: Double
    /// Level of what is heard.
    public let levelIn: Double
    /// Level of what is sent.
    public let levelOut: Double
    /// Pictures sent.
    public let framesSent: UInt64
    /// Complete pictures received.
    public let framesReceived: UInt64
    /// Complete pictures that were not handed on, because they need one that was lost.
    public let framesDropped: UInt64
    /// Packets of video that never came.
    public let videoPacketsLost: UInt64
    /// Packets of video that came after they were asked for again.
    public let videoPacketsRecovered: UInt64

    init(_ native: EwebrtcNative.CallStats) {
        codec = native.codec
        packetsSent = native.packetsSent
        packetsReceived = native.packetsReceived
        packetsLost = native.packetsLost
        packetsLate = native.packetsLate
        concealedMilliseconds = native.concealedMs
        jitterMilliseconds = native.jitterMs
        jitterDelayMilliseconds = native.jitterDelayMs
        roundTripMilliseconds = native.roundTripMs
        remoteLoss = native.remoteLoss
        levelIn = native.levelInDbfs
        levelOut = native.levelOutDbfs
        framesSent = native.framesSent
        framesReceived = native.framesReceived
        framesDropped = native.framesDropped
        videoPacketsLost = native.videoPacketsLost
        videoPacketsRecovered = native.videoPacketsRecovered
    }
}

/// A call or conference. Made by `Phone.dial`, `answer`, `addCall`, `startConference` and `joinConference`, and found in events; it may be
/// held after its end. It holds its phone.
///
/// Methods that need a live call throw `PhoneError.callEnded` when it has ended, from that moment on, and `notFound` when there never was
/// such a call as far as the phone knows: it remembers the latest 64 that have ended.
///
/// Asynchronous methods complete when the command finishes. `tag` comes back in the events that it causes.
public final class Call: Sendable {
    /// The phone it belongs to.
    public let phone: Phone
    /// The handle: never used twice in this process, and the value of `call` or `conference` in the properties of events.
    public let handle: UInt64
    let native: EwebrtcNative.Call
    private let record: Record

    init(_ phone: Phone, _ native: EwebrtcNative.Call, _ handle: UInt64, _ record: Record) {
        self.phone = phone
        self.native = native
        self.handle = handle
        self.record = record
    }

    /// State, such as `connecting` or `connected`; `nil` when the call has ended.
    public var state: String? { native.state() }

    /// Figures of the call's audio; `nil` before it has media and after its end.
    public var stats: CallStats? { native.stats().map(CallStats.init) }

    /// How it has ended: there as soon as `state` is not, also before the event comes; `nil` while it lives, and when there never was such a
    /// call.
    public var end: CallEnd? {
        told ?? native.end().map { CallEnd(event: Event($0.event, self), error: $0.error.map(ErrorFields.init)) }
    }

    /// The same, if its event has come.
    private var told: CallEnd? {
        let (raw, error) = record.facts.with { ($0.end, $0.error) }
        return raw.map { CallEnd(event: Event($0, self), error: error) }
    }

    /// Waits until the call is connected, `timeout` at most. Cancelling the task ends it.
    ///
    /// - Throws: `PhoneError.callEnded` with the event that ended it and the last error of the call, `notFound` when there never was such
    ///   a call, `closed`, `timeout`.
    public func connected(timeout: Duration? = nil) async throws {
        let there = state.map { $0 != "created" && $0 != "connecting" } ?? false
        if there { record.change { $0.connected = true } }
        try checkSeen()
        try await within(timeout) { [record] in try await record.wait { $0.connected || $0.end != nil } }
        if let told { throw PhoneError.callEnded(told) }
        if !record.facts.with({ $0.connected }) { throw PhoneError.closed }
    }

    /// Waits until the call has ended, `timeout` at most. Cancelling the task ends it.
    ///
    /// - Throws: `PhoneError.notFound` when there never was such a call, `closed`, `timeout`.
    @discardableResult
    public func ended(timeout: Duration? = nil) async throws -> CallEnd {
        try checkSeen()
        try await within(timeout) { [record] in try await record.wait { $0.end != nil } }
        guard let told else { throw PhoneError.closed }
        return told
    }

    var isKnown: Bool { record.facts.with { $0.known } }

    private func checkSeen() throws {
        if !isKnown && state == nil { throw PhoneError.notFound }
    }

    /// Something that needs a live call.
    func living<Value>(_ step: () throws -> Value) throws -> Value {
        do {
            return try lifting(step)
        } catch PhoneError.notFound {
            throw end.map(PhoneError.callEnded) ?? .notFound
        }
    }

    /// The same, of work that waits.
    func lasting<Value: Sendable>(_ work: () async throws -> Value) async throws -> Value {
        do {
            return try await work()
        } catch PhoneError.notFound {
            throw end.map(PhoneError.callEnded) ?? .notFound
        }
    }

    // ---- commands ------------------------------------------------------------------------------------------------------

    /// Ends the call as its state demands: cancels, rejects or hangs up. Completes with the call's end.
    ///
    /// - Throws: `PhoneError.callEnded` when it has ended already; `refused` with codes of hangup, cancel, reject.
    public func hangup(tag: String? = nil) async throws {
        try await lasting { try await command { [native] in try await native.hangup(tag: tag) } }
    }

    /// Sends silence from now on.
    ///
    /// - Throws: `PhoneError.callEnded`; `refused` with 2702 before the call is connected.
    public func mute(tag: String? = nil) async throws {
        try await lasting { try await command { [native] in try await native.mute(tag: tag) } }
    }

    /// Sends the source again.
    ///
    /// - Throws: `PhoneError.callEnded`; `refused` with 2802 before the call is connected.
    public func unmute(tag: String? = nil) async throws {
        try await lasting { try await command { [native] in try await native.unmute(tag: tag) } }
    }

    /// Presses keys, as `Phone.sendDTMFTone` does in the call in the foreground.
    ///
    /// - Throws: `PhoneError.callEnded`; `refused` as there.
    public func sendDTMFTone(_ tones: String, gapMilliseconds: Int? = nil, tag: String? = nil) async throws {
        let gap = try gapMilliseconds.map(gap)
        try await lasting { try await command { [native] in try await native.sendDtmfTone(input: tones, gapMs: gap, tag: tag) } }
    }
}

extension Call: Hashable {
    /// Whether both are the same call.
    public static func == (one: Call, other: Call) -> Bool { one.handle == other.handle }
    /// By the handle.
    public func hash(into hasher: inout Hasher) { hasher.combine(handle) }
}

extension Call: CustomStringConvertible {
    /// Handle and state.
    public var description: String { "Call \(handle) \(state ?? "ended")" }
}
