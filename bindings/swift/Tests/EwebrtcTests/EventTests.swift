// Streams and handlers, and what events say.

import XCTest

@testable import Ewebrtc

final class EventTests: GatewayCase, @unchecked Sendable {
    func testAStreamBeginsWhereItIsMadeAndEndsAfterTheLastEvent() async throws {
        let phone = try Phone(gateway.url)
        let all = phone.events(), some = try phone.events("session:ready", "phone:closed")
        try await phone.login(try await gateway.devToken("alice"))
        let late = phone.events()
        let call = try await phone.dial("echo", tag: "mine")
        try await call.connected(timeout: patience)
        let later = phone.events()
        await phone.close()
        var seqs: [UInt64] = [], names: [String] = []
        for await event in all {
            seqs.append(event.seq)
            names.append(event.name)
            XCTAssertNotNil(event.when, event.timestamp)
            XCTAssertEqual(event["event"], .string(event.name))
            XCTAssertEqual(event.properties["seq"]?.handle, event.seq)
            if event.name == "call:connected" {
                XCTAssertIdentical(event.call, call)
                XCTAssertEqual(event["call"]?.handle, call.handle)
                XCTAssertNotNil(event.to)
            }
            if event.name == "call:connecting" { XCTAssertEqual(event.tag, "mine") }
            if event.name == "call:state-changed" { XCTAssertNotEqual(event.oldState, event.newState) }
        }
        XCTAssertEqual(seqs, Array(1...UInt64(seqs.count)))
        XCTAssertEqual(names.last, "phone:closed")
        XCTAssertTrue(names.contains("session:ready"))
        var few: [String] = []
        for await event in some { few.append(event.name) }
        XCTAssertEqual(few, ["session:ready", "phone:closed"])
        var rest: [String] = []
        for await event in late { rest.append(event.name) }
        // What was on its way then may come; what came long before does not.
        rest.append("-")
        for await event in later { rest.append(event.name) }
        XCTAssertFalse(rest.drop { $0 != "-" }.contains("session:ready"))
        XCTAssertTrue(rest.contains("call:connected"))
        // One that is made afterwards is over.
        let none = await phone.events().next()
        XCTAssertNil(none)
    }

    func testNamesAreChecked() async throws {
        let phone = try Phone(gateway.url)
        await refused("4901") { _ = try phone.events("") }
        await refused("4902") { _ = try phone.events("call:connected", "call:nothing") }
        await refused("4902") { try phone.on("nothing") { _ in } }
        await refused("4901") { _ = try await phone.waitFor("") }
    }

    func testAReaderThatIsFarBehindMissesTheNewestAndIsTold() async throws {
        let hub = Hub()
        let (stream, outlet) = hub.stream([])
        let surplus = 10
        for number in 1...UInt64(mostWaiting + surplus) { hub.push(raw("warning", number)) }
        XCTAssertEqual(outlet.missed, surplus)
        hub.push(raw("phone:closed", 9_999))
        var count = 0
        for await event in stream {
            count += 1
            XCTAssertEqual(event.seq, UInt64(count))
        }
        XCTAssertEqual(count, mostWaiting)
        XCTAssertEqual(outlet.missed, surplus + 1)
    }

    func testAnEventThatIsWaitedForComesOrTheTimeIsOver() async throws {
        let phone = try await loggedIn("alice")
        guard case .timeout = await failure({ _ = try await phone.waitFor("call:incoming", timeout: .milliseconds(50)) }) else {
            return XCTFail("it came")
        }
        let waiting = Task { try await phone.waitFor("call:incoming") }
        let other = Task { try await phone.waitFor("session:disconnected", "call:connected", timeout: patience) }
        // Both begin in their own time.
        try await until("both wait") { phone.hub.listeners == 2 }
        try await phone.dial("echo")
        let event = try await soon { try await other.value }
        XCTAssertEqual(event.name, "call:connected")
        await phone.close()
        guard case .closed = await failure({ _ = try await waiting.value }) else { return XCTFail("not closed") }
    }

    func testACancelledTaskWaitsNoLonger() async throws {
        let phone = try await loggedIn("alice"), bob = try await loggedIn("bob")
        let incoming = try bob.events("call:incoming")
        let call = try await phone.dial("bob")
        try await next(incoming)
        let works: [@Sendable () async throws -> Void] = [
            { _ = try await phone.waitFor("call:incoming") },
            { try await call.connected() },
            { try await call.ended() },
            // The command itself goes on: the other phone is not answered.
            { _ = try await phone.addCall("nobody") },
            { try await phone.perform("hold", call: call) },
        ]
        for work in works {
            let task = Task { try await work() }
            try await Task.sleep(for: .milliseconds(20))
            task.cancel()
            let result = try await soon { await task.result }
            if case .success = result { XCTFail("it did not wait") }
        }
        // One that is cancelled before it begins gives no command.
        let never = Task {
            while !Task.isCancelled { await Task.yield() }
            try await phone.hangup()
        }
        never.cancel()
        do {
            try await never.value
            XCTFail("the command was given")
        } catch is CancellationError {
        }
        XCTAssertNotNil(call.state)
    }

    func testCommandsReachTheLibraryInTheOrderOfTheirCalls() async throws {
        final class Serial: TaskExecutor {
            private let queue = DispatchQueue(label: "serial")
            func enqueue(_ job: consuming ExecutorJob) {
                let job = UnownedJob(job)
                queue.async { job.runSynchronously(on: self.asUnownedTaskExecutor()) }
            }
        }
        let phone = try Phone(gateway.url), serial = Serial(), count = 300
        let finished = try phone.events("command:finished")
        for number in 0..<count {
            Task(executorPreference: serial) { try await phone.invoke("getVersion", tag: "\(number)") }
        }
        var tags: [String] = []
        while tags.count < count { tags.append(try await next(finished).tag ?? "") }
        XCTAssertEqual(tags, (0..<count).map(String.init))
    }

    func testHandlersRunOneAtATimeAndInOrder() async throws {
        let phone = try Phone(gateway.url)
        let seen = Guarded<[String]>([]), busy = Guarded(0)
        let all = phone.onAny { event in
            busy.with {
                $0 += 1
                XCTAssertEqual($0, 1)
            }
            await Task.yield()
            seen.with { $0.append(event.name) }
            busy.with { $0 -= 1 }
        }
        let once = try phone.on("call:connected") { _ in XCTFail("it was removed") }
        once.off()
        try await phone.login(try await gateway.devToken("alice"))
        try await phone.dial("echo").connected(timeout: patience)
        await phone.close()
        let names = seen.with { $0 }
        XCTAssertEqual(names.last, "phone:closed")
        let places = ["session:ready", "dialing", "call:connecting", "call:connected"].map { names.firstIndex(of: $0) ?? -1 }
        XCTAssertEqual(places, places.sorted())
        XCTAssertGreaterThanOrEqual(places[0], 0)
        XCTAssertEqual(all.missed, 0)
    }

    func testValuesOfJSON() throws {
        let text = #"{"a":[1,-2,2.5,true,null,"ä\n"],"b":{},"c":18446744073709551615}"#
        let value = try JSONValue(json: text)
        XCTAssertEqual(value["a"]?[0], 1)
        XCTAssertEqual(value["a"]?[1]?.integer, -2)
        XCTAssertEqual(value["a"]?[2]?.number, 2.5)
        XCTAssertEqual(value["a"]?[3], true)
        XCTAssertEqual(value["a"]?[4], .null)
        XCTAssertEqual(value["a"]?[5]?.text, "ä\n")
        XCTAssertNil(value["a"]?[6])
        XCTAssertNil(value["d"])
        XCTAssertEqual(value["b"], [:])
        XCTAssertNotNil(value["c"]?.number)
        let again = try JSONValue(json: try value.json())
        XCTAssertEqual(again["a"], value["a"])
        XCTAssertThrowsError(try JSONValue(json: "{"))
        XCTAssertThrowsError(try JSONValue.number(.infinity).json())
        XCTAssertEqual(try (["x": [1, "y"]] as JSONValue).json(), #"{"x":[1,"y"]}"#)
    }

    private func raw(_ name: String, _ seq: UInt64) -> RawEvent {
        RawEvent(name: name, seq: seq, timestamp: "", call: nil, conference: nil, tag: nil, json: "{}")
    }
}
