// What the tests share: a gateway, phones that are logged in, tones and how to recognise them.

import Foundation
import XCTest

@testable import Ewebrtc

/// Longest wait for one step.
let patience = Duration.seconds(30)

/// Something does not come.
struct Missing: Error, CustomStringConvertible {
    let description: String
}

/// Work that must be done within the deadline of every step.
func soon<Value: Sendable>(_ work: @escaping @Sendable () async throws -> Value) async throws -> Value {
    try await within(patience, work)
}

/// A test with a gateway of its own, which it stops.
class GatewayCase: XCTestCase {
    var gateway: Gateway!

    override func setUp() async throws { gateway = try Gateway() }
    override func tearDown() async throws { await gateway.stop() }

    /// A phone of this user.
    func loggedIn(
        _ user: String, local: Media = .silence, remote: Media = .discard, rate: Int = 48_000,
        channel: EventChannel = .longPoll
    ) async throws -> Phone {
        let phone = try Phone(gateway.url, localMedia: local, remoteMedia: remote, pcmRate: rate, eventChannel: channel)
        try await phone.login(try await gateway.devToken(user))
        return phone
    }

    /// Two phones in a call: the caller's and the callee's ends of it.
    func connected(_ caller: Phone, _ callee: Phone, _ name: String) async throws -> (Call, Call) {
        let incoming = try callee.events("call:incoming")
        let call = try await caller.dial(name)
        _ = try await next(incoming)
        let answered = try await callee.answer()
        try await call.connected(timeout: patience)
        return (call, answered)
    }

    /// A file of this test.
    func path(_ name: String) -> String {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("ewebrtc-\(UUID())")
        try? FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        addTeardownBlock { try? FileManager.default.removeItem(at: folder) }
        return folder.appendingPathComponent(name).path
    }
}

/// The next event of this name, or of any.
@discardableResult
func next(_ events: Events, _ name: String? = nil) async throws -> Event {
    try await soon {
        while let event = await events.next() {
            if name == nil || event.name == name { return event }
        }
        throw Missing(description: "the events ended without \(name ?? "another")")
    }
}

/// The error of the package that this throws.
func failure(
    file: StaticString = #filePath, line: UInt = #line, _ work: () async throws -> Void
) async -> PhoneError? {
    do {
        try await work()
        XCTFail("nothing was thrown", file: file, line: line)
    } catch let error as PhoneError {
        return error
    } catch {
        XCTFail("this is none of the package: \(error)", file: file, line: line)
    }
    return nil
}

/// Whether something is refused with this code, in every field.
func refused(
    _ code: String, file: StaticString = #filePath, line: UInt = #line, _ work: () async throws -> Void
) async {
    let error = await failure(file: file, line: line, work)
    XCTAssertEqual(error?.code, code, "\(String(describing: error))", file: file, line: line)
}

/// A sine at half of full scale.
func tone(_ hertz: Double, _ milliseconds: Int, _ rate: Int) -> [Int16] {
    (0..<rate * milliseconds / 1000).map { Int16(16_000 * sin(2 * .pi * hertz * Double($0) / Double(rate))) }
}

/// Share of the energy that is at this frequency, 0 to 1 (Goertzel), of the last 200 ms.
func strength(_ all: some Collection<Int16>, _ hertz: Double, _ rate: Int) -> Double {
    let samples = all.suffix(rate / 5).map(Double.init)
    let energy = samples.reduce(0) { $0 + $1 * $1 }
    if energy == 0 { return 0 }
    let turn = 2 * cos(2 * .pi * hertz / Double(rate))
    var first = 0.0, second = 0.0
    for sample in samples { (first, second) = (sample + turn * first - second, first) }
    return (first * first + second * second - turn * first * second) / (energy * Double(samples.count) / 2)
}

/// The greatest strength of any 200 ms: on a busy machine audio is concealed here and there.
func clearest(_ samples: [Int16], _ hertz: Double, _ rate: Int) -> Double {
    stride(from: rate / 5, through: samples.count, by: rate / 10).map { strength(samples[..<$0], hertz, rate) }.max() ?? 0
}

/// Reads what is heard until it is this tone.
func heard(_ call: Call, _ hertz: Double) async throws {
    try await soon {
        var all: [Int16] = []
        for try await piece in call.listen() {
            all += piece
            if all.count > call.phone.pcmRate / 2 && strength(all, hertz, call.phone.pcmRate) > 0.8 { return }
        }
        throw Missing(description: "the call ended without a tone of \(hertz) Hz")
    }
}

/// Samples and rate of a recording: 16-bit mono.
func recording(_ path: String) throws -> ([Int16], Int) {
    let file = try Data(contentsOf: URL(fileURLWithPath: path))
    func number(_ place: Int, _ bytes: Int) -> Int { (0..<bytes).reduce(0) { $0 | Int(file[place + $1]) << (8 * $1) } }
    XCTAssertEqual(number(22, 2), 1)
    XCTAssertEqual(number(34, 2), 16)
    let sound = file.dropFirst(44)
    return ((0..<sound.count / 2).map { Int16(truncatingIfNeeded: number(44 + 2 * $0, 2)) }, number(24, 4))
}

/// A file to play.
func writeWav(_ path: String, _ samples: [Int16], _ rate: Int) throws {
    func bytes(_ value: Int, _ count: Int) -> [UInt8] { (0..<count).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) } }
    let head = Array("RIFF".utf8) + bytes(36 + samples.count * 2, 4) + Array("WAVEfmt ".utf8) + bytes(16, 4) + bytes(1, 2)
        + bytes(1, 2) + bytes(rate, 4) + bytes(rate * 2, 4) + bytes(2, 2) + bytes(16, 2) + Array("data".utf8)
        + bytes(samples.count * 2, 4)
    try Data(head + samples.flatMap { bytes(Int($0), 2) }).write(to: URL(fileURLWithPath: path))
}

/// Threads and descriptors of this process.
func counts() -> (threads: Int, descriptors: Int) {
    func entries(_ path: String) -> Int { (try? FileManager.default.contentsOfDirectory(atPath: path).count) ?? 0 }
    return (entries("/proc/self/task"), entries("/proc/self/fd"))
}

/// Resident memory of this process, in bytes.
func resident() -> Int {
    let text = (try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8)) ?? ""
    return (text.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0) * 4096
}

/// Waits until something is the case.
func until(_ what: String, file: StaticString = #filePath, line: UInt = #line, _ met: () async -> Bool) async throws {
    let end = ContinuousClock.now + patience
    while !(await met()) {
        if ContinuousClock.now > end {
            XCTFail("never: \(what)", file: file, line: line)
            return
        }
        try await Task.sleep(for: .milliseconds(20))
    }
}
