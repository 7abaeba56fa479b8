// The phone: how it is made, its session, its events, its end.
//
// Owns: `Phone`. Lives on: any thread.

import Foundation
internal import EwebrtcNative

/// A telephone: one user, one session. May be used on any thread and by any task.
///
///     let phone = try Phone(gateway.url, localMedia: .wav("hello.wav"))
///     try await phone.login(token.accessToken)
///     let call = try await phone.dial("bob")
///     try await call.connected()
///
/// Whoever holds the phone, a stream of its events, an event that names a call, or a call holds the phone. When nobody does any more it
/// is closed; `close` does it at a moment of your choice, and waits until it is done.
///
/// Asynchronous methods complete when the command finishes, `dial` as soon as the call exists. Cancelling the task that waits ends the
/// waiting with `CancellationError`, not the command. `tag` comes back in the events that a command causes. Commands reach the library
/// in the order in which the methods began to run.
public final class Phone: Sendable {
    let native: EwebrtcNative.Phone
    let hub = Hub()
    /// Samples per second of program audio.
    public let pcmRate: Int

    /// Makes a phone that is not logged in; nothing is sent yet.
    ///
    /// - Parameters:
    ///   - gateway: Its address, `http://host:port` or `https://host`.
    ///   - domain: Appended to names and short numbers; by default that of one's own address as the gateway names it.
    ///   - localMedia: Where audio and video of calls come from until a call names another source, which is that of later calls then.
    ///   - remoteMedia: Where they go, likewise.
    ///   - pcmRate: Samples per second of program audio, 8000 to 48000.
    ///   - iceServers: STUN and TURN servers.
    ///   - relayOnly: Only paths through TURN, so that one's own addresses stay hidden.
    ///   - ipv4: Offer IPv4 addresses.
    ///   - ipv6: Offer IPv6 addresses.
    ///   - loopback: Offer loopback addresses, as is always done when the gateway is there.
    ///   - ports: UDP ports for media; the system chooses unless they are given.
    ///   - gatherMilliseconds: A description goes out this long after the search for addresses began; default 500.
    ///   - connectMilliseconds: A connection that is not up by then fails; default 15000.
    ///   - eventChannel: How the phone hears of events.
    ///   - audioCodecs: In order of preference.
    ///   - videoCodecs: In order of preference.
    ///   - opusComplexity: Effort of the encoder, 0 to 10.
    ///   - rootCertificates: Texts in PEM, trusted beside the operating system's.
    /// - Throws: `PhoneError.config` says which setting cannot be used, `system` when there are no threads, `closed` when the process ends.
    public init(
        _ gateway: String, domain: String? = nil, localMedia: Media = .silence, remoteMedia: Media = .discard,
        pcmRate: Int = 48_000, iceServers: [IceServer] = [], relayOnly: Bool = false, ipv4: Bool = true, ipv6: Bool = true,
        loopback: Bool = false, ports: ClosedRange<UInt16>? = nil, gatherMilliseconds: Int? = nil,
        connectMilliseconds: Int? = nil, eventChannel: EventChannel = .longPoll,
        audioCodecs: [AudioCodec] = [.opus, .pcmu, .pcma], videoCodecs: [VideoCodec] = [.vp8, .h264],
        opusComplexity: Int? = nil, rootCertificates: [String] = []
    ) throws {
        func number<N: FixedWidthInteger>(_ value: Int?, _ name: String) throws -> N? {
            guard let value else { return nil }
            guard let fits = N(exactly: value) else { throw PhoneError.config("\(name) cannot be \(value)") }
            return fits
        }
        let config = EwebrtcNative.PhoneConfig(
            gateway: gateway, domain: domain, localMedia: localMedia.rawValue, remoteMedia: remoteMedia.rawValue,
            pcmRate: try number(pcmRate, "pcmRate"), iceServers: iceServers.map(\.native), relayOnly: relayOnly, ipv4: ipv4,
            ipv6: ipv6, loopback: loopback, ports: ports.map { .init(first: $0.lowerBound, last: $0.upperBound) },
            gatherMs: try number(gatherMilliseconds, "gatherMilliseconds"),
            connectMs: try number(connectMilliseconds, "connectMilliseconds"), eventChannel: eventChannel.native,
            audioCodecs: audioCodecs.map(\.native), videoCodecs: videoCodecs.map(\.native),
            opusComplexity: try number(opusComplexity, "opusComplexity"), rootCertificates: rootCertificates)
        Ending.prepared
        let listener = Listener(hub)
        native = try lifting { try EwebrtcNative.Phone(config: config, listener: listener) }
        self.pcmRate = pcmRate
    }

    deinit {
        hub.finish()
        native.shutdown(timeoutMs: 0)
    }

    // ---- events ------------------------------------------------------------------------------------------------------

    /// All events from now on. Make it before `login` to miss nothing.
    public func events() -> Events { Events(self, []) }

    /// The events of these names from now on.
    ///
    /// - Throws: `PhoneError.refused` with 4901 for an empty name, 4902 for an unknown one.
    public func events(_ name: String, _ others: String...) throws -> Events { Events(self, try checked([name] + others)) }

    /// The next event of one of these names, from the moment on at which this begins to run. Cancelling the task ends it.
    ///
    /// - Throws: `PhoneError.timeout`; `closed` when the phone closes; `refused` with 4901, 4902.
    public func waitFor(_ name: String, _ others: String..., timeout: Duration? = nil) async throws -> Event {
        let events = Events(self, try checked([name] + others))
        return try await within(timeout) {
            if let event = await events.next() { return event }
            try Task.checkCancellation()
            throw PhoneError.closed
        }
    }

    /// Calls `handler` with every event of this name, one at a time and in order, until `Subscription.off` or the end of the phone. The
    /// next event waits until the handler is done, so longer work belongs into a task of its own. The handler may close the phone. It
    /// does not hold the phone by itself; one that names the phone does, so let it take `[weak phone]`.
    ///
    /// - Throws: `PhoneError.refused` with 4901 for an empty name, 4902 for an unknown one.
    @discardableResult
    public func on(_ name: String, _ handler: @escaping @Sendable (Event) async -> Void) throws -> Subscription {
        subscribe(try checked([name]), handler)
    }

    /// Calls `handler` with every event, as `on` does with those of one name.
    @discardableResult
    public func onAny(_ handler: @escaping @Sendable (Event) async -> Void) -> Subscription { subscribe([], handler) }

    private func subscribe(_ names: Set<String>, _ handler: @escaping @Sendable (Event) async -> Void) -> Subscription {
        let (stream, outlet) = hub.stream(names)
        let made: @Sendable (RawEvent) -> Event? = { [weak self] raw in self?.event(raw) }
        hub.serve {
            for await raw in stream {
                guard outlet.isOpen, let event = made(raw) else { return }
                await handler(event)
            }
        }
        return Subscription(outlet)
    }

    private func checked(_ names: [String]) throws -> Set<String> {
        for name in names { try lifting { try native.checkEventName(name: name) } }
        return Set(names)
    }

    func event(_ raw: RawEvent) -> Event { Event(raw, (raw.call ?? raw.conference).map { known($0) }) }

    // ---- calls by their handles ----------------------------------------------------------------------------------------

    /// The call with this handle. It is not checked whether it lives.
    public func call(_ handle: UInt64) -> Call {
        let record = hub.record(handle)
        let made = object(handle, record)
        if made.state != nil { record.change { $0.known = true } }
        // Anybody may ask for any number.
        if record.facts.with({ !$0.known }) { hub.forget(handle) }
        return made
    }

    /// The call with this handle, which is or was one.
    func known(_ handle: UInt64) -> Call {
        let record = hub.record(handle)
        record.facts.with { $0.known = true }
        return object(handle, record)
    }

    /// Always the same object while somebody holds it.
    private func object(_ handle: UInt64, _ record: Record) -> Call {
        if let call = record.facts.with({ $0.call }) { return call }
        let made = Call(self, native.call(handle: handle), handle, record)
        return record.facts.with {
            if let other = $0.call { return other }
            $0.call = made
            return made
        }
    }

    // ---- the session -------------------------------------------------------------------------------------------------

    /// Logs in. Completes at `session:ready`.
    ///
    /// - Parameters:
    ///   - token: Access token of the user.
    ///   - userId: Bind the token to this user before.
    ///   - e911Id: Emergency address, needed by numbers, forbidden for account ids.
    ///   - tag: Comes back in events.
    /// - Throws: `PhoneError.refused` with 2002 without a token, 2003 while logged in, 1541 and other codes of the gateway, 0002 without
    ///   an answer.
    public func login(_ token: String, userId: String? = nil, e911Id: String? = nil, tag: String? = nil) async throws {
        let options = EwebrtcNative.LoginOptions(token: token, userId: userId, e911Id: e911Id)
        try await command { [native] in try await native.login(options: options, tag: tag) }
    }

    /// Logs in with what `devToken` gave.
    ///
    /// - Throws: As the other `login`.
    public func login(_ token: DevToken, userId: String? = nil, e911Id: String? = nil, tag: String? = nil) async throws {
        try await login(token.accessToken, userId: userId, e911Id: e911Id, tag: tag)
    }

    /// Ends all calls and the session. Completes at `session:disconnected`.
    ///
    /// - Throws: `PhoneError.refused` with 2101 while not logged in.
    public func logout(tag: String? = nil) async throws {
        try await command { [native] in try await native.logout(tag: tag) }
    }

    /// Changes the emergency address of the session. Completes at `address-updated`.
    ///
    /// - Throws: `PhoneError.refused` with 2052 for an empty id, 2053 while not logged in, 1019 when the gateway does not know it.
    public func associateE911Id(_ e911Id: String, tag: String? = nil) async throws {
        try await perform("associateE911Id", ["e911Id": .string(e911Id)], tag: tag)
    }

    // ---- methods by their documented names ---------------------------------------------------------------------------

    /// Gives any Phone method by its documented name, with its options by theirs, and waits until it is accepted, not until it finishes.
    ///
    /// - Parameters:
    ///   - method: Name, such as `dial`.
    ///   - options: By their documented names.
    ///   - call: The call that it is about, where it is not the one in the foreground.
    ///   - tag: Comes back in events.
    /// - Returns: Its value: that of a getter, `{"call": handle}` of `dial`, `{"conference": handle}` of `startConference`, else `null`.
    /// - Throws: `PhoneError.unknownMethod`, `refused` with the code, `callEnded`, `notFound`, `busy`, `closed`.
    @discardableResult
    public func invoke(
        _ method: String, _ options: [String: JSONValue] = [:], call: Call? = nil, tag: String? = nil
    ) async throws -> JSONValue {
        let text = try JSONValue.object(options).json()
        let handle = call?.handle
        return try await about(call) { [native] in
            try await native.invoke(method: method, optionsJson: text, call: handle, tag: tag)
        }
    }

    /// As `invoke`, and waits until the command has finished.
    ///
    /// - Throws: As `invoke`, and what the command failed of on the way.
    @discardableResult
    public func perform(
        _ method: String, _ options: [String: JSONValue] = [:], call: Call? = nil, tag: String? = nil
    ) async throws -> JSONValue {
        let text = try JSONValue.object(options).json()
        let handle = call?.handle
        return try await about(call) { [native] in
            try await native.perform(method: method, optionsJson: text, call: handle, tag: tag)
        }
    }

    /// A method that may be about a call, and its value.
    private func about(_ call: Call?, _ work: @escaping @Sendable () async throws -> String) async throws -> JSONValue {
        guard let call else { return try JSONValue(json: try await command(work)) }
        return try await call.lasting { try JSONValue(json: try await command(work)) }
    }

    /// Version of the library.
    ///
    /// - Throws: `PhoneError.closed`.
    public func getVersion() async throws -> String { try await invoke("getVersion").text ?? "" }

    // ---- the end -----------------------------------------------------------------------------------------------------

    /// Begins to close the phone and never waits: calls end, the session is given back, `phone:closed` is the last event.
    public func beginClose() { native.beginClose() }

    /// Closes the phone and waits, `timeout` at most, for its last event and for the handlers, except the one that calls this; those
    /// that are late are cancelled. Afterwards nothing comes any more, recordings are complete, and every method throws
    /// `PhoneError.closed`. Closing twice does nothing more. It does not throw: what cannot be done in time is done in the background.
    public func close(timeout: Duration = .seconds(10)) async {
        let began = ContinuousClock.now
        native.beginClose()
        try? await within(timeout) { [native] in try await command { try await native.closed() } }
        // As commands, whose waiting can be ended: a handler may not notice that it is cancelled.
        let late = hub.handlers
        let wait: @Sendable () async throws -> Void = { try await command { for handler in late { await handler.value } } }
        do {
            try await within(max(.milliseconds(100), timeout - (ContinuousClock.now - began)), wait)
        } catch {
            late.forEach { $0.cancel() }
            try? await within(.seconds(1), wait)
        }
        hub.finish()
        native.shutdown(timeoutMs: 0)
    }
}

extension Phone: CustomStringConvertible {
    /// No secrets.
    public var description: String { "Phone" }
}
