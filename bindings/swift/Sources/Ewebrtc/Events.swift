// Events and what receives them: streams and handlers.
//
// Owns: `Event`, `Events`, `Subscription`. Lives on: any thread; a stream is read by one task at a time.

import Foundation
internal import EwebrtcNative

/// A fact that has happened. Documented properties are in `properties`, with the names of the Phone API.
public struct Event: Sendable {
    /// Name, such as `call:connected`.
    public let name: String
    /// Number within the phone, rising by one without holes, from 1.
    public let seq: UInt64
    /// When it happened: RFC 3339 with milliseconds, UTC.
    public let timestamp: String
    /// The call it is about.
    public let call: Call?
    /// The conference it is about.
    public let conference: Call?
    /// Tag of the command that caused it.
    public let tag: String?
    /// All of it, as JSON.
    public let json: String

    private let parsed = Parsed()

    init(_ raw: RawEvent, _ item: Call?) {
        name = raw.name
        seq = raw.seq
        timestamp = raw.timestamp
        call = raw.call == nil ? nil : item
        conference = raw.conference == nil ? nil : item
        tag = raw.tag
        json = raw.json
    }

    /// All of it: `event`, `seq`, `timestamp`, where it applies `call` or `conference` (the handle) and `tag`, and its own properties.
    public var properties: [String: JSONValue] { parsed.read(json) }

    /// A property by its documented name, such as `mediaType`.
    public subscript(name: String) -> JSONValue? { properties[name] }

    /// A property that is a text; `nil` when there is none.
    public func text(_ name: String) -> String? { properties[name]?.text }

    /// `timestamp` as a time.
    public var when: Date? { try? Date(timestamp, strategy: Date.ISO8601FormatStyle(includingFractionalSeconds: true)) }
    /// Property `from`: the address of the caller, of incoming calls.
    public var from: String? { text("from") }
    /// Property `to`: the address that was called, of outgoing calls.
    public var to: String? { text("to") }
    /// Property `mediaType`.
    public var mediaType: MediaType? { text("mediaType").flatMap(MediaType.init) }
    /// Property `oldState`, of `call:state-changed`.
    public var oldState: String? { text("oldState") }
    /// Property `newState`, of `call:state-changed`.
    public var newState: String? { text("newState") }
    /// Property `message`: what the other side or the gateway said.
    public var reason: String? { text("message") }
    /// The error of an `error` event, or the one with which a command finished.
    public var error: ErrorFields? { ErrorFields(properties["error"]?.object ?? properties) }
}

extension Event: CustomStringConvertible {
    /// Number and name.
    public var description: String { "\(seq) \(name)" }
}

/// The properties of an event, read when they are first asked for.
private final class Parsed: Sendable {
    private let found = Guarded<[String: JSONValue]?>(nil)

    func read(_ json: String) -> [String: JSONValue] {
        found.with {
            let all = $0 ?? (try? JSONValue(json: json))?.object ?? [:]
            $0 = all
            return all
        }
    }
}

/// The events of a phone from the moment this was made, in order; it ends after `phone:closed`.
///
/// Several are independent of each other. At most 4096 events wait in one; of a reader that is further behind the newest are left out
/// and counted in `missed`. It holds its phone. A task that is cancelled while it waits for an event ends the stream for good, as with
/// every `AsyncStream`. Made by `Phone.events`.
public final class Events: AsyncSequence, Sendable {
    private let phone: Phone
    private let stream: AsyncStream<RawEvent>
    private let outlet: Outlet

    init(_ phone: Phone, _ names: Set<String>) {
        self.phone = phone
        (stream, outlet) = phone.hub.stream(names)
    }

    /// How many events were left out because nobody read them for so long.
    public var missed: Int { outlet.missed }

    /// The next event; `nil` after the last one, and when the task is cancelled.
    public func next() async -> Event? {
        var iterator = makeAsyncIterator()
        return await iterator.next()
    }

    /// The events one by one.
    public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(inner: stream.makeAsyncIterator(), phone: phone, events: self) }

    /// Gives the events of a stream; iterators of the same stream share them.
    public struct AsyncIterator: AsyncIteratorProtocol {
        fileprivate var inner: AsyncStream<RawEvent>.Iterator
        fileprivate let phone: Phone
        fileprivate let events: Events

        /// The next event; `nil` after the last one, and when the task is cancelled.
        public mutating func next() async -> Event? {
            guard let raw = await inner.next() else { return nil }
            return phone.event(raw)
        }

        /// As `next()`, for whoever belongs to an actor.
        @available(macOS 15, iOS 18, tvOS 18, watchOS 11, visionOS 2, *)
        public mutating func next(isolation actor: isolated (any Actor)?) async -> Event? {
            guard let raw = await inner.next(isolation: actor) else { return nil }
            return phone.event(raw)
        }
    }
}

/// A handler that `Phone.on` registered. Its events come one at a time and in order: the next one when the handler is done with the one
/// before. At most 4096 wait for a handler; of one that is further behind the newest are left out and counted in `missed`.
public final class Subscription: Sendable {
    private let outlet: Outlet

    init(_ outlet: Outlet) { self.outlet = outlet }

    /// How many events were left out because the handler was not done for so long.
    public var missed: Int { outlet.missed }

    /// Removes the handler. What it is doing it finishes, and it gets no further event.
    public func off() { outlet.close() }
}
