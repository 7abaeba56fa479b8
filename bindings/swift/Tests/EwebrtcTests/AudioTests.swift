// Program audio and program video.

import Ewebrtc
import XCTest

final class AudioTests: GatewayCase, @unchecked Sendable {
    private func echo(_ rate: Int) async throws -> Call {
        let phone = try await loggedIn("alice", local: .pcm, remote: .pcm, rate: rate)
        let call = try await phone.dial("echo")
        try await call.connected(timeout: patience)
        return call
    }

    func testSamplesComeBackByTheirFrequency() async throws {
        let call = try await echo(16_000)
        for (number, hertz) in [500.0, 900, 1400].enumerated() {
            let samples = tone(hertz, 1_500, 16_000)
            // As numbers, and as bytes.
            if number == 1 {
                try await call.send(samples.withUnsafeBytes { Data($0) })
            } else {
                try await call.send(samples)
            }
            try await heard(call, hertz)
        }
        XCTAssertEqual(try call.dropped, 0)
    }

    func testNumbersAndBytesAreTheSameSamples() async throws {
        let call = try await echo(8_000)
        let speaking = Task { while !Task.isCancelled { try await call.send(tone(600, 200, 8_000)) } }
        try await heard(call, 600)
        var bytes = Data()
        while bytes.count < 8_000 {
            bytes += try call.readData(most: 1_600)
            try await Task.sleep(for: .milliseconds(10))
        }
        speaking.cancel()
        _ = try? await speaking.value
        try call.clear()
        let numbers = stride(from: 0, to: bytes.count, by: 2).map { Int16(bitPattern: UInt16(bytes[$0]) | UInt16(bytes[$0 + 1]) << 8) }
        XCTAssertGreaterThan(clearest(numbers, 600, 8_000), 0.8)
        // A slice has other indices than a whole.
        XCTAssertEqual(try call.write(Data([9, 9, 1, 0, 2, 0]).dropFirst(2)), 4)
        XCTAssertEqual(try call.write([9, 1, 2][1...]), 2)
    }

    func testTheQueueTakesHalfAMinuteAndSaysSo() async throws {
        let call = try await echo(8_000)
        let minute = [Int16](repeating: 1_000, count: 60 * 8_000)
        let taken = try call.write(minute)
        XCTAssertTrue((29 * 8_000...31 * 8_000).contains(taken), "\(taken)")
        XCTAssertGreaterThan(try call.queuedMilliseconds, 28_000)
        try call.clear()
        XCTAssertLessThan(try call.queuedMilliseconds, 100)
        XCTAssertEqual(try call.write([]), 0)
        try call.write([Int16](repeating: 1, count: 800))
        try await soon { try await call.drain() }
        XCTAssertEqual(try call.queuedMilliseconds, 0)
    }

    func testSendingEndsWithItsTask() async throws {
        let call = try await echo(8_000)
        let sending = Task { try await call.send([Int16](repeating: 1, count: 60 * 8_000)) }
        try await until("the queue is full") { ((try? call.queuedMilliseconds) ?? 0) > 28_000 }
        sending.cancel()
        do {
            try await soon { try await sending.value }
            XCTFail("it was not cancelled")
        } catch is CancellationError {
        }
    }

    func testWhatIsNoAudio() async throws {
        let call = try await echo(8_000)
        guard case .argument = await failure({ try call.write(Data([1, 2, 3])) }) else { return XCTFail("half a sample") }
        // As many as there are; no number ends the process.
        _ = try call.read(most: .max)
        _ = call.listen(milliseconds: .max)
        guard case .argument = await failure({ _ = try await call.receive(0) }) else { return XCTFail("no samples") }
        let other = try await loggedIn("bob")
        let plain = try await other.dial("echo")
        try await plain.connected(timeout: patience)
        guard case .noAudio = await failure({ try plain.write([1]) }) else { return XCTFail("written") }
        guard case .noAudio = await failure({ _ = try plain.read() }) else { return XCTFail("read") }
        guard case .noVideo = await failure({ _ = try plain.readFrame() }) else { return XCTFail("seen") }
        guard case .notFound = await failure({ _ = try other.call(987_654_321).read() }) else { return XCTFail("found") }
    }

    func testTheEndOfTheCallEndsTheListening() async throws {
        let call = try await echo(8_000)
        try call.write(tone(500, 3_000, 8_000))
        try await heard(call, 500)
        // Not before: of two who listen each gets a part.
        let hears = expectation(description: "the other one hears something")
        let listening = Task {
            var count = 0
            for try await piece in call.listen() {
                if count == 0 { hears.fulfill() }
                count += piece.count
            }
            return count
        }
        await fulfillment(of: [hears], timeout: 30)
        let sending = Task { try await call.send([Int16](repeating: 1, count: 60 * 8_000)) }
        try await call.hangup()
        let count = try await soon { try await listening.value }
        XCTAssertGreaterThan(count, 0)
        guard case .callEnded = await failure({ try await sending.value }) else { return XCTFail("sent") }
        XCTAssertEqual(try call.queuedMilliseconds, 0)
        try call.clear()
        let rest = try await call.receive(100_000)
        XCTAssertLessThan(rest.count, 100_000)
    }

    func testACallThatIsOverSaysHowFromTheMomentOfItsEndOn() async throws {
        let phone = try await loggedIn("alice", local: .pcm)
        for round in 0..<8 {
            let call = try await phone.dial("echo")
            try await call.connected(timeout: patience)
            XCTAssertNil(call.end)
            let hangup = Task { try await call.hangup(tag: "goodbye") }
            // As closely as it can be seen: the event of the end is on its way.
            let first = await failure {
                while true {
                    if round % 2 == 0 { try call.write([1]) } else if call.state == nil { try await call.mute() }
                    await Task.yield()
                }
            }
            guard case .callEnded(let end) = first else { return XCTFail("\(String(describing: first))") }
            XCTAssertEqual(end.event.name, "call:disconnected")
            XCTAssertEqual(end.event.tag, "goodbye")
            XCTAssertIdentical(end.event.call, call)
            XCTAssertEqual(call.end?.event.seq, end.event.seq)
            let works: [() async throws -> Void] = [
                { try call.write([1]) }, { try await call.send([1]) }, { try await call.drain() }, { _ = try call.keyFrameWanted() },
                { _ = try call.framesQueued }, { _ = try call.readFrame() }, { _ = try call.framesDropped },
                { try call.writeFrame(Data([1]), timestamp: 0) }, { try call.requestKeyFrame() }, { try await call.hangup() },
                { try await call.mute() }, { try await call.unmute() }, { try await call.sendDTMFTone("1") },
                { try await phone.invoke("hold", call: call) }, { try await phone.perform("hold", call: call) },
            ]
            for (number, work) in works.enumerated() {
                guard case .callEnded(let again) = await failure(work) else { return XCTFail("not ended: \(number)") }
                XCTAssertEqual(again.event.seq, end.event.seq)
            }
            try call.clear()
            XCTAssertEqual(try call.queuedMilliseconds, 0)
            let rest = try await call.receive(160)
            XCTAssertEqual(rest, [])
            try await hangup.value
            let known = try await call.ended(timeout: patience)
            XCTAssertEqual(known.event.seq, end.event.seq)
        }
    }

    func testNumbersOfSamplesThatAreNone() async throws {
        let call = try await echo(8_000)
        for work in [
            { _ = try call.read(most: -1) }, { _ = try call.readData(most: -1) }, { _ = try await call.receive(0) },
            { for try await _ in call.listen(milliseconds: 0) {} }, { for try await _ in call.listen(milliseconds: -5) {} },
        ] as [() async throws -> Void] {
            guard case .argument = await failure(work) else { return XCTFail("it was read") }
        }
        XCTAssertEqual(try call.read(most: 0), [])
    }

    func testPicturesComeBackAfterAnUpgrade() async throws {
        let shown = Media.silence.withFrames, seen = Media.discard.withFrames
        let alice = try await loggedIn("alice", local: shown, remote: seen)
        let bob = try await loggedIn("bob", local: shown, remote: seen)
        let incoming = try bob.events("call:incoming"), asked = try bob.events("call:media-modification")
        let call = try await alice.dial("bob", mediaType: .audio)
        try await next(incoming)
        let answered = try await bob.answer()
        try await call.connected(timeout: patience)
        async let upgrading: Void = alice.upgrade()
        let event = try await next(asked)
        XCTAssertEqual(event.text("newMediaType"), "video")
        try await bob.acceptModification()
        try await upgrading
        let type = try await alice.getMediaType()
        XCTAssertEqual(type, .video)

        func picture(_ number: Int, _ key: Bool) -> Data {
            Data(key ? [0x10, 0, 0, 0x9d, 0x01, 0x2a, 0x40, 0x01, 0xf0, 0, UInt8(number)] : [0x11, 0, 0, UInt8(number)])
        }
        let drawing = Task {
            for number in 0... {
                try call.writeFrame(picture(number % 256, try call.keyFrameWanted()), timestamp: UInt32(number * 3600))
                try await Task.sleep(for: .milliseconds(40))
            }
        }
        let found = try await soon {
            for try await frame in answered.frames() { return frame }
            throw Missing(description: "no picture came")
        }
        XCTAssertTrue(found.key)
        XCTAssertEqual(found.codec, .vp8)
        XCTAssertEqual(found.data.prefix(3), Data([0x10, 0, 0]))
        XCTAssertEqual(try answered.framesDropped, 0)
        try answered.requestKeyFrame()
        try await until("a second key frame comes") { (try? answered.readFrame())??.key ?? false }
        drawing.cancel()
        guard case .argument = await failure({ try call.writeFrame(Data(), timestamp: 0) }) else { return XCTFail("empty") }
        async let downgrading: Void = alice.downgrade()
        try await next(asked)
        try await bob.rejectModification()
        try await downgrading
        try await call.hangup()
    }
}
