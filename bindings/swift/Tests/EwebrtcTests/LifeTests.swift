// Lives and ends of phones: handlers that close, phones and calls that nobody holds, what is left.

import func EwebrtcNative.objectCounts
import struct EwebrtcNative.ObjectCounts
import XCTest

@testable import Ewebrtc

final class LifeTests: GatewayCase, @unchecked Sendable {
    func testEverythingAfterClose() async throws {
        let phone = try await loggedIn("alice")
        let call = try await phone.dial("echo")
        try await call.connected(timeout: patience)
        await phone.close()
        await phone.close()
        let works: [() async throws -> Void] = [
            { try await phone.logout() }, { try await phone.dial("echo") }, { _ = try await phone.getCalls() },
            { try await phone.login("token") }, { _ = try await phone.waitFor("call:incoming") },
        ]
        for work in works {
            guard case .closed = await failure(work) else { return XCTFail("not closed") }
        }
        XCTAssertNil(call.state)
        XCTAssertNil(call.stats)
        let end = try await call.ended()
        XCTAssertEqual(end.event.name, "call:disconnected")
        phone.beginClose()
        phone.setConnectivity(false)
    }

    func testWhatWaitsWhenThePhoneClosesIsTold() async throws {
        let alice = try await loggedIn("alice"), bob = try await loggedIn("bob")
        let incoming = try bob.events("call:incoming")
        let call = try await alice.dial("bob")
        try await next(incoming)
        let connecting = Task { try await call.connected() }, ending = Task { try await call.ended() }
        let answering = Task { try await bob.waitFor("call:disconnected") }
        await alice.close()
        let error = await failure { try await soon { try await connecting.value } }
        XCTAssertNotNil(error)
        _ = try await soon { await ending.result }
        await bob.close()
        guard case .closed = await failure({ _ = try await answering.value }) else { return XCTFail("not closed") }
    }

    func testClosedInsideItsOwnHandlersAndStreams() async throws {
        for waits in [true, false] {
            let phone = try Phone(gateway.url)
            let done = expectation(description: "handled")
            try phone.on("session:ready") { [weak phone] _ in
                if waits { await phone?.close() } else { phone?.beginClose() }
                done.fulfill()
            }
            let closed = try phone.events("phone:closed")
            try? await phone.login(try await gateway.devToken("alice"))
            try await next(closed)
            await fulfillment(of: [done], timeout: 30)
            await phone.close()
        }
        let phone = try Phone(gateway.url)
        let reading = Task {
            var last = ""
            for await event in phone.events() {
                last = event.name
                if event.name == "session:ready" { await phone.close() }
            }
            return last
        }
        try await until("it reads") { phone.hub.listeners == 1 }
        try? await phone.login(try await gateway.devToken("alice"))
        let last = try await soon { await reading.value }
        XCTAssertEqual(last, "phone:closed")
    }

    func testAHandlerThatDoesNotEndDelaysNoClose() async throws {
        let phone = try Phone(gateway.url)
        let begun = expectation(description: "begun"), cancelled = expectation(description: "cancelled")
        try phone.on("command:finished") { _ in
            begun.fulfill()
            try? await Task.sleep(for: .seconds(600))
            if Task.isCancelled { cancelled.fulfill() }
        }
        try await phone.invoke("getVersion", tag: "x")
        await fulfillment(of: [begun], timeout: 30)
        let began = ContinuousClock.now
        await phone.close(timeout: .milliseconds(300))
        await fulfillment(of: [cancelled], timeout: 30)
        XCTAssertLessThan(ContinuousClock.now - began, .seconds(10))
    }

    func testClosingWithoutAGatewayThatAnswersIsBounded() async throws {
        let other = try Gateway()
        let phone = try Phone(other.url)
        try await phone.login(try await other.devToken("alice"))
        try await phone.dial("echo").connected(timeout: patience)
        await other.stop()
        let began = ContinuousClock.now
        await phone.close()
        XCTAssertLessThan(ContinuousClock.now - began, .seconds(20))
    }

    // ---- phones that nobody holds --------------------------------------------------------------------------------------

    func testACallAStreamAndAnEventHoldTheirPhone() async throws {
        weak var gone: Phone?
        var call: Call? = try await {
            let phone = try await loggedIn("alice")
            gone = phone
            return try await phone.dial("echo")
        }()
        try await call?.connected(timeout: patience)
        XCTAssertEqual(call?.state, "connected")
        var events: Events? = try call?.phone.events("call:muted")
        call = nil
        XCTAssertNotNil(gone)
        try await gone?.mute()
        var event: Event?
        if let events { event = try await next(events) }
        events = nil
        XCTAssertEqual(event?.call?.state, "connected")
        XCTAssertNotNil(gone)
        event = nil
        try await until("it is gone") { gone == nil }
    }

    func testAPhoneThatNobodyHoldsEndsItsCallsAndLetsItsListenerGo() async throws {
        let bob = try await loggedIn("bob")
        let atBob = try bob.events("call:disconnected")
        weak var gone: Hub?
        let handled = Guarded<Subscription?>(nil)
        do {
            let alice = try await loggedIn("alice")
            gone = alice.hub
            handled.with { $0 = alice.onAny { _ in } }
            // A stream that is not read, with events in it.
            let unread = alice.events()
            let (call, _) = try await connected(alice, bob, "bob")
            XCTAssertEqual(call.state, "connected")
            withExtendedLifetime(unread) {}
        }
        try await next(atBob)
        try await until("the listener is gone") { gone == nil }
    }

    func testAnAwaitedCommandOfAPhoneThatIsClosedElsewhereEnds() async throws {
        let silent = try Phone("http://127.0.0.1:9")
        let waiting = (0..<4).map { number in Task { try await silent.login("token\(number)") } }
        silent.beginClose()
        for task in waiting {
            let result = try await soon { await task.result }
            if case .success = result { XCTFail("logged in") }
        }
    }

    func testManyPhonesDroppedFromManyThreadsWithEventsInFlight() async throws {
        let rounds = 40, atOnce = 4
        let url = gateway.url
        // A phone in a call, with events unread, read and handled, and commands under way.
        @Sendable func busy(_ number: Int, _ gateway: Gateway) async throws -> (Guarded<[AnyObject]>, [Task<Void, Never>]) {
            let phone = try Phone(url, localMedia: .pcm, remoteMedia: .pcm)
            let unread = phone.events(), read = phone.events()
            let reading = Task { for await _ in read {} }
            phone.onAny { _ in await Task.yield() }
            try await phone.login(try await gateway.devToken("user\(number % 8)"))
            let call = try await phone.dial("echo")
            if number % 4 != 0 {
                try await call.connected(timeout: patience)
                _ = try? call.write([Int16](repeating: 1, count: 96_000))
            }
            let waiting = Task { _ = try? await call.ended(timeout: .milliseconds(number % 20)) }
            let commanding = Task { _ = try? await call.mute() }
            return (Guarded([phone, call, unread]), [reading, waiting, commanding])
        }
        @Sendable func round(_ number: Int, _ gateway: Gateway) async throws {
            let (held, tasks) = try await busy(number, gateway)
            // The last reference goes on a thread that is no task's.
            if number % 2 == 0 {
                Thread.detachNewThread { held.with { $0 = [] } }
            } else {
                DispatchQueue.global().async { held.with { $0 = [] } }
            }
            tasks[0].cancel()
            if number % 5 == 0 { tasks[1].cancel() }
            for task in tasks { await task.value }
        }
        @Sendable func many(_ count: Int, _ gateway: Gateway) async throws {
            for first in stride(from: 0, to: count, by: atOnce) {
                try await withThrowingTaskGroup(of: Void.self) { group in
                    for number in first..<first + atOnce { group.addTask { try await round(number, gateway) } }
                    try await group.waitForAll()
                }
            }
        }
        let shared = gateway!
        try await many(16, shared)
        try await quiet()
        try await nothingKept()
        let (before, memory) = (counts(), resident())
        try await many(rounds * atOnce, shared)
        try await quiet()
        try await nothingKept()
        let after = counts()
        XCTAssertLessThanOrEqual(after.threads, before.threads + 4, "\(before) \(after)")
        XCTAssertLessThanOrEqual(after.descriptors, before.descriptors + 8, "\(before) \(after)")
        // Coarse, for what belongs to no object: half a minute of audio in each direction would be 5.8 MB a call, but a call or a phone that
        // stays was seen above.
        XCTAssertLessThan(resident() - memory, 60_000_000)
        print("phones dropped: threads \(before.threads) -> \(after.threads), descriptors \(before.descriptors) -> "
            + "\(after.descriptors), memory \(memory / 1_000_000) -> \(resident() / 1_000_000) MB")
    }

    /// Waits until the library keeps no phone, no call and no thread that delivers events, of which each phone that is not closed has one: a
    /// single one that stays behind is seen.
    private func nothingKept(file: StaticString = #filePath, line: UInt = #line) async throws {
        let none = ObjectCounts(phones: 0, calls: 0), end = ContinuousClock.now + patience
        while (objectCounts() != none || delivering() != 0) && ContinuousClock.now < end { try await Task.sleep(for: .milliseconds(20)) }
        XCTAssertEqual(objectCounts(), none, file: file, line: line)
        XCTAssertEqual(delivering(), 0, file: file, line: line)
    }

    private func delivering() -> Int {
        let tasks = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/task")) ?? []
        // One that has ended meanwhile has no name any more.
        return tasks.filter { (try? String(contentsOfFile: "/proc/self/task/\($0)/comm", encoding: .utf8)) == "ewebrtc-events\n" }.count
    }

    /// Waits until the numbers of threads and descriptors do not change any more: phones end in their own time.
    private func quiet() async throws {
        var last = counts(), same = 0
        try await until("the process is quiet") {
            try? await Task.sleep(for: .milliseconds(100))
            let now = counts()
            same = now == last ? same + 1 : 0
            last = now
            return same >= 15
        }
    }
}
