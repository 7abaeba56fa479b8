// Whole calls: set-up, audio, every way to end.

import Ewebrtc
import XCTest

final class CallTests: GatewayCase, @unchecked Sendable {
    func testAWholeCallWithAudioBothWays() async throws {
        let file = path("bob.wav")
        let alice = try await loggedIn("alice", local: .tone(440), remote: .pcm, rate: 16_000)
        let bob = try await loggedIn("bob", local: .tone(1000), remote: .wav(file))
        let atAlice = alice.events(), atBob = bob.events()
        let call = try await alice.dial("bob")
        let incoming = try await next(atBob, "call:incoming")
        XCTAssertTrue(incoming.from?.contains("alice") ?? false)
        XCTAssertEqual(incoming.mediaType, .audio)
        let answered = try await bob.answer()
        XCTAssertIdentical(answered, incoming.call)
        XCTAssertEqual(answered.state, "connected")
        try await call.connected(timeout: patience)
        try await heard(call, 1000)

        let stats = try XCTUnwrap(call.stats)
        XCTAssertEqual(stats.codec, "opus")
        XCTAssertGreaterThan(stats.packetsReceived, 0)
        let info = try await alice.getCalls()
        XCTAssertEqual(info.map(\.state), ["connected"])
        XCTAssertEqual(info.map(\.kind), ["Outgoing"])
        XCTAssertEqual(info.map(\.foreground), [true])
        let (busy, type) = (try await alice.isCallInProgress(), try await alice.getMediaType())
        XCTAssertTrue(busy)
        XCTAssertEqual(type, .audio)

        try await call.hangup()
        let end = try await call.ended(timeout: patience)
        XCTAssertEqual(end.event.name, "call:disconnected")
        XCTAssertIdentical(end.event.call, call)
        XCTAssertNil(call.state)
        XCTAssertNil(call.stats)
        try await answered.ended(timeout: patience)
        let again = await failure { try await call.hangup() }
        guard case .callEnded(let known) = again, known.event.name == "call:disconnected" else { return XCTFail("\(String(describing: again))") }
        guard case .callEnded = await failure({ try await alice.perform("hold", call: call) }) else { return XCTFail("held") }
        for name in ["dialing", "call:connecting", "call:connected", "call:disconnected"] {
            let event = try await next(atAlice, name)
            XCTAssertIdentical(event.call, call)
        }
        await bob.close()
        let (samples, rate) = try recording(file)
        XCTAssertGreaterThan(clearest(samples, 440, rate), 0.8)
    }

    func testACallOverWebSockets() async throws {
        let alice = try await loggedIn("alice", channel: .webSocket), bob = try await loggedIn("bob", channel: .webSocket)
        let (call, answered) = try await connected(alice, bob, "bob")
        try await call.hangup()
        try await answered.ended(timeout: patience)
    }

    func testTheEchoPlaysAFileBack() async throws {
        let (said, back) = (path("say.wav"), path("back.wav"))
        try writeWav(said, tone(700, 2_000, 8_000), 8_000)
        let phone = try await loggedIn("alice", local: .wav(said), remote: .wav(back))
        let events = try phone.events("media:established")
        let call = try await phone.dial("echo")
        try await call.connected(timeout: patience)
        let established = try await next(events)
        XCTAssertIdentical(established.call, call)
        // So long the file is.
        try await Task.sleep(for: .milliseconds(1500))
        await phone.close()
        let (samples, rate) = try recording(back)
        XCTAssertGreaterThan(clearest(samples, 700, rate), 0.8)
    }

    func testMutedIsSilence() async throws {
        let phone = try await loggedIn("alice", local: .tone(500), remote: .pcm, rate: 8_000)
        let call = try await phone.dial("echo")
        try await call.connected(timeout: patience)
        try await heard(call, 500)
        try await call.mute()
        try await soon {
            for try await piece in call.listen(milliseconds: 200) where piece.allSatisfy({ $0 == 0 }) { return }
            throw Missing(description: "the call ended before it was silent")
        }
        try await call.unmute()
        try await heard(call, 500)
        try await phone.mute(tag: "m")
        try await phone.unmute()
    }

    func testKeysAreHeardOnceEachInOrder() async throws {
        let alice = try await loggedIn("alice"), bob = try await loggedIn("bob")
        let sent = try alice.events("dtmf:tone-sending", "dtmf:tone-sent"), keys = try bob.events("dtmf:received")
        let (call, answered) = try await connected(alice, bob, "bob")
        try await alice.sendDTMFTone("11a", tag: "t")
        try await call.sendDTMFTone("#", gapMilliseconds: 100)
        for key in ["1", "1", "A", "#"] {
            for name in ["dtmf:tone-sending", "dtmf:tone-sent"] {
                let event = try await next(sent)
                XCTAssertEqual(event.name, name)
                XCTAssertEqual(event.text("tone"), key)
                XCTAssertEqual(event.tag, key == "#" ? nil : "t")
                XCTAssertIdentical(event.call, call)
            }
            let event = try await next(keys)
            XCTAssertEqual(event.text("tone"), key)
            XCTAssertIdentical(event.call, answered)
        }
        try await alice.hold()
        await refused("4741") { try await call.sendDTMFTone("1") }
        let negative = await failure { try await call.sendDTMFTone("1", gapMilliseconds: -1) }
        guard case .argument = negative else { return XCTFail("\(String(describing: negative))") }
    }

    func testARejectedCallTellsWhoWaits() async throws {
        let alice = try await loggedIn("alice"), bob = try await loggedIn("bob")
        let incoming = try bob.events("call:incoming")
        let call = try await alice.dial("bob")
        try await next(incoming)
        let waiting = Task { try await call.connected(timeout: patience) }
        try await bob.reject()
        // Who asks later finds out the same.
        for work in [{ try await waiting.value }, { try await call.connected() }] {
            guard case .callEnded(let end) = await failure(work) else { return XCTFail("not ended") }
            XCTAssertIdentical(end.event.call, call)
            XCTAssertTrue("\(end)".hasPrefix(end.event.name))
        }
    }

    func testCancelledByItsHandleAndByThePhone() async throws {
        let alice = try await loggedIn("alice"), bob = try await loggedIn("bob")
        let incoming = try bob.events("call:incoming")
        let call = try await alice.dial("bob")
        let event = try await next(incoming)
        try await call.hangup()
        let end = try await call.ended(timeout: patience)
        XCTAssertEqual(end.event.name, "call:canceled")
        try await XCTUnwrap(event.call).ended(timeout: patience)
        try await alice.dial("bob")
        try await next(incoming)
        try await alice.cancel()
    }

    func testNobodyThere() async throws {
        let alice = try await loggedIn("alice")
        let call = try await alice.dial("nobody")
        guard case .callEnded(let end) = await failure({ try await call.connected(timeout: patience) }) else {
            return XCTFail("not ended")
        }
        XCTAssertNil(end.error)
        XCTAssertEqual("\(end)", "\(end.event.name): \(end.reason ?? "")")
    }

    func testAFileThatCannotBeOpenedIsNamed() async throws {
        let missing = path("x") + "/missing/a.wav"
        let alice = try await loggedIn("alice")
        for (local, remote) in [(Media.wav(missing), Media.discard), (.silence, .wav(missing))] {
            let errors = try alice.events("error")
            let call = try await alice.dial("echo", localMedia: local, remoteMedia: remote)
            guard case .callEnded(let end) = await failure({ try await call.connected(timeout: patience) }) else {
                return XCTFail("not ended")
            }
            let event = try await next(errors)
            XCTAssertEqual(end.error, event.error)
            XCTAssertTrue(end.error?.additionalInformation?.contains(missing) ?? false)
            XCTAssertTrue("\(end)".contains(missing))
            guard case .callEnded = await failure({ try call.write([1, 2]) }) else { return XCTFail("not ended") }
        }
    }

    func testMediaNamedInOneCallIsThatOfTheNext() async throws {
        let alice = try await loggedIn("alice", rate: 8_000)
        for named in [true, false] {
            let call = try await alice.dial("echo", localMedia: named ? .tone(700) : nil, remoteMedia: named ? .pcm : nil)
            try await call.connected(timeout: patience)
            try await heard(call, 700)
            try await call.hangup()
        }
    }

    func testSeveralPhonesAtOnce() async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<8 {
                let phone = try await loggedIn("user\(number)", local: .tone(600), remote: .pcm, rate: 8_000)
                group.addTask {
                    let call = try await phone.dial("echo")
                    try await call.connected(timeout: patience)
                    try await heard(call, 600)
                    await phone.close()
                }
            }
            try await group.waitForAll()
        }
    }

    func testLogoutAndLoginAgain() async throws {
        let phone = try await loggedIn("alice")
        let disconnected = try phone.events("session:disconnected")
        try await phone.logout(tag: "bye")
        let event = try await next(disconnected)
        XCTAssertEqual(event.tag, "bye")
        let token = try await devToken(gateway: gateway.url, user: "alice")
        XCTAssertFalse("\(token)".contains(token.accessToken))
        try await phone.login(token)
        let version = try await phone.getVersion()
        XCTAssertEqual(version, libraryVersion)
    }

    func testTheDomainIsTheGateways() async throws {
        let other = try Gateway(domain: "example.org")
        let token = try await other.devToken("alice")
        XCTAssertTrue(token.address.hasSuffix("alice@example.org"))
        XCTAssertGreaterThan(token.expiresIn, 0)
        try await Phone(other.url, domain: "example.org").login(token)
        await other.stop()
    }

    func testHoldASecondCallAndTheTransfer() async throws {
        let alice = try await loggedIn("alice", local: .tone(440))
        let bob = try await loggedIn("bob", local: .tone(1000), remote: .pcm, rate: 16_000)
        let carol = try await loggedIn("carol", local: .tone(1700), remote: .pcm, rate: 16_000)
        let atBob = bob.events(), atCarol = carol.events()
        let (first, toBob) = try await connected(alice, bob, "bob")
        try await heard(toBob, 440)
        try await alice.hold()
        try await next(atBob, "call:held")
        await refused("2503") { try await alice.hold() }
        try await alice.resume()
        try await next(atBob, "call:resumed")

        let second = try await alice.addCall("carol")
        try await next(atCarol, "call:incoming")
        let toCarol = try await carol.answer()
        try await second.connected(timeout: patience)
        var fronts = try await alice.getCalls().map(\.foreground)
        XCTAssertEqual(fronts, [false, true])
        try await alice.switchCall()
        fronts = try await alice.getCalls().map(\.foreground)
        XCTAssertEqual(fronts, [true, false])
        try await alice.transfer()
        for call in [first, second] {
            let end = try await call.ended(timeout: patience)
            XCTAssertEqual(end.event.name, "call:disconnected")
        }
        try await heard(toBob, 1700)
        try await heard(toCarol, 1000)
        let none = await failure { try await alice.move() }
        XCTAssertNotNil(none?.code)
    }

    func testASecondCallerIsTakenWithTheFirstOnHold() async throws {
        let alice = try await loggedIn("alice"), bob = try await loggedIn("bob"), carol = try await loggedIn("carol")
        let (first, _) = try await connected(alice, bob, "bob")
        let incoming = try bob.events("call:incoming")
        let second = try await carol.dial("bob")
        try await next(incoming)
        await refused("2341") { try await bob.answer() }
        try await bob.answer(action: .hold)
        try await second.connected(timeout: patience)
        let states = try await bob.getCalls().map(\.state)
        XCTAssertEqual(states, ["held", "connected"])
        XCTAssertNotNil(first.state)
    }

    func testMovedToAnotherSessionOfTheSameUser() async throws {
        let desk = try await loggedIn("alice"), pocket = try await loggedIn("alice")
        let bob = try await loggedIn("bob")
        let (call, _) = try await connected(desk, bob, "bob")
        let rings = try pocket.events("call:incoming")
        async let moving: Void = desk.move()
        try await next(rings)
        let taken = try await pocket.answer()
        try await moving
        try await call.ended(timeout: patience)
        XCTAssertEqual(taken.state, "connected")
    }
}
