// From the phone's own thread to whoever listens: what a phone's events lead to.
//
// Owns: the streams' ends at the writing side, what is known of each call, the tasks of handlers. Lives on: the phone's thread pushes,
// any thread asks. Must not import: the phone. Nothing here holds a phone or a call, so that a phone that nobody holds goes away.

internal import EwebrtcNative

/// Events that may wait in one stream. A call makes about a dozen.
let mostWaiting = 4096

/// Calls that have ended and are remembered, so that who has just dialled still finds out why.
private let endedCalls = 64

/// An event as the library gives it; it becomes one of the package's where it is read.
typealias RawEvent = EwebrtcNative.Event

/// Whether the call or conference of this event is over. An invitation that this phone has declined is; the host of a conference hears
/// of invitees who have, and goes on.
private func ends(_ event: RawEvent) -> Bool {
    switch event.name {
    case "call:disconnected", "call:rejected", "call:canceled", "conference:ended", "conference:canceled": true
    case "conference:invitation-rejected": (try? JSONValue(json: event.json))?["participant"] == nil
    default: false
    }
}

/// What events have said of a call or conference.
final class Record: Sendable {
    struct Facts {
        /// There is or was such a call; the events of its end may still be on their way.
        var known = false
        var connected = false
        var end: RawEvent?
        /// Of the last `error` event: why a call ends is often said there in full.
        var error: ErrorFields?
        /// Its phone is closed: nothing more comes.
        var closed = false
        weak var call: Call?
        fileprivate var waiting: [Int: CheckedContinuation<Void, any Error>] = [:]
        fileprivate var next = 0
    }

    let facts = Guarded(Facts())

    func note(_ event: RawEvent) {
        if event.name == "error" {
            let properties = (try? JSONValue(json: event.json))?.object ?? [:]
            let error = ErrorFields(properties["error"]?.object ?? properties)
            facts.with {
                $0.known = true
                $0.error = error
            }
            return
        }
        let connects = event.name == "call:connected" || event.name == "conference:connected"
        let over = ends(event)
        change {
            $0.known = true
            if connects { $0.connected = true }
            if over { $0.end = event }
        }
    }

    /// Changes what is known, and wakes who waits.
    func change(_ body: (inout Facts) -> Void) {
        let woken = facts.with { facts in
            body(&facts)
            defer { facts.waiting = [:] }
            return facts.waiting.values
        }
        woken.forEach { $0.resume() }
    }

    /// Waits until something is the case, or the phone is closed. Cancelling the task ends it.
    func wait(_ met: @escaping @Sendable (Facts) -> Bool) async throws {
        while !facts.with({ met($0) || $0.closed }) {
            let number = facts.with {
                $0.next += 1
                return $0.next
            }
            try await withTaskCancellationHandler {
                try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
                    let now: Result<Void, any Error>? = facts.with {
                        if Task.isCancelled { return .failure(CancellationError()) }
                        if met($0) || $0.closed { return .success(()) }
                        $0.waiting[number] = continuation
                        return nil
                    }
                    if let now { continuation.resume(with: now) }
                }
            } onCancel: {
                facts.with { $0.waiting.removeValue(forKey: number) }?.resume(throwing: CancellationError())
            }
        }
    }
}

/// The writing end of a stream.
final class Outlet: Sendable {
    private let names: Set<String>
    private let continuation: AsyncStream<RawEvent>.Continuation
    private let lost = Guarded(0)
    private let open = Guarded(true)

    var missed: Int { lost.with { $0 } }
    /// Nobody wants more; what waits is not wanted either.
    var isOpen: Bool { open.with { $0 } }

    init(_ names: Set<String>, _ continuation: AsyncStream<RawEvent>.Continuation) {
        self.names = names
        self.continuation = continuation
    }

    func put(_ event: RawEvent) {
        guard names.isEmpty || names.contains(event.name) else { return }
        if case .dropped = continuation.yield(event) { lost.with { $0 += 1 } }
    }

    /// Nothing more comes; what waits may be read.
    func finish() { continuation.finish() }

    /// Nothing more is wanted.
    func close() {
        open.with { $0 = false }
        continuation.finish()
    }
}

/// See the head of this file.
final class Hub: Sendable {
    private struct State {
        var ended = false
        var outlets: [Int: Outlet] = [:]
        var records: [UInt64: Record] = [:]
        /// Handles of calls that have ended, in order.
        var over: [UInt64] = []
        var handlers: [Int: Task<Void, Never>] = [:]
        var next = 0
    }

    private let state = Guarded(State())

    /// The phone has delivered its last event, or is gone.
    var ended: Bool { state.with { $0.ended } }

    /// How many streams there are.
    var listeners: Int { state.with { $0.outlets.count } }

    /// Takes an event. Called on the phone's own thread; runs no foreign code.
    func push(_ event: RawEvent) {
        if Ending.hasBegun { return }
        if let handle = event.call ?? event.conference {
            let record = record(handle)
            record.note(event)
            if ends(event) { retire(handle) }
        }
        for outlet in state.with({ Array($0.outlets.values) }) { outlet.put(event) }
        if event.name == "phone:closed" { finish() }
    }

    /// Nothing more comes.
    func finish() {
        if Ending.hasBegun { return }
        let (outlets, records) = state.with { state in
            state.ended = true
            defer { state.outlets = [:] }
            return (Array(state.outlets.values), Array(state.records.values))
        }
        records.forEach { $0.change { $0.closed = true } }
        outlets.forEach { $0.finish() }
    }

    /// What is known of the call with this handle.
    func record(_ handle: UInt64) -> Record {
        let (record, closed) = state.with { state in
            if let found = state.records[handle] { return (found, false) }
            let made = Record()
            state.records[handle] = made
            return (made, state.ended)
        }
        if closed { record.change { $0.closed = true } }
        return record
    }

    /// Forgets a call that never was, as far as is known.
    func forget(_ handle: UInt64) { state.with { state in _ = state.records.removeValue(forKey: handle) } }

    private func retire(_ handle: UInt64) {
        // What is dropped is dropped outside of the lock.
        _ = state.with { state in
            state.over.append(handle)
            return state.over.count > endedCalls ? state.records.removeValue(forKey: state.over.removeFirst()) : nil
        }
    }

    /// A stream of the events from now on.
    func stream(_ names: Set<String>) -> (AsyncStream<RawEvent>, Outlet) {
        let (stream, continuation) = AsyncStream.makeStream(of: RawEvent.self, bufferingPolicy: .bufferingOldest(mostWaiting))
        let outlet = Outlet(names, continuation)
        let number: Int? = state.with { state in
            if state.ended { return nil }
            state.next += 1
            state.outlets[state.next] = outlet
            return state.next
        }
        guard let number else {
            outlet.finish()
            return (stream, outlet)
        }
        continuation.onTermination = { [weak self] _ in
            _ = self?.state.with { $0.outlets.removeValue(forKey: number) }
        }
        return (stream, outlet)
    }

    // ---- handlers ----------------------------------------------------------------------------------------------------

    /// Number of the handler that this task runs.
    @TaskLocal static var handler: Int?

    /// Runs what serves a handler.
    func serve(_ work: @escaping @Sendable () async -> Void) {
        state.with { state in
            state.next += 1
            let number = state.next
            state.handlers[number] = Task { [weak self] in
                await Hub.$handler.withValue(number) { await work() }
                _ = self?.state.with { $0.handlers.removeValue(forKey: number) }
            }
        }
    }

    /// The tasks of the handlers, except the one that asks.
    var handlers: [Task<Void, Never>] {
        state.with { state in state.handlers.filter { $0.key != Hub.handler }.map(\.value) }
    }
}

/// What the library calls.
final class Listener: EwebrtcNative.EventListener {
    private let hub: Hub

    init(_ hub: Hub) { self.hub = hub }

    func onEvent(event: EwebrtcNative.Event) throws { hub.push(event) }
}
