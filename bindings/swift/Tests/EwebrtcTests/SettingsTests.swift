// What calls are set up with, the network, and the log.

import XCTest

@testable import Ewebrtc

final class SettingsTests: GatewayCase, @unchecked Sendable {
    func testServersPathsAndIPv6() async throws {
        let server = IceServer("stun:127.0.0.1:3478")
        let phone = try Phone(gateway.url, iceServers: [server])
        XCTAssertEqual(phone.getIceServers(), [server])
        let turn = IceServer("turn:127.0.0.1", "turns:127.0.0.1", username: "u", credential: "p")
        try phone.setIceServers([turn])
        XCTAssertEqual(phone.getIceServers(), [turn])
        await refused("4811") { try phone.setIceServers([]) }
        phone.resetIceServers()
        XCTAssertEqual(phone.getIceServers(), [server])
        XCTAssertEqual(try phone.getIceTransport(), .all)
        for transport in [IceTransport.relay, .none] {
            try phone.setIceTransport(transport)
            XCTAssertEqual(try phone.getIceTransport(), transport)
        }
        phone.resetIceTransport()
        XCTAssertEqual(try phone.getIceTransport(), .all)
        XCTAssertTrue(phone.getIpv6())
        try phone.setIpv6(false)
        XCTAssertFalse(phone.getIpv6())
        phone.resetIpv6()
        XCTAssertTrue(phone.getIpv6())
        let other = try Phone(gateway.url, ipv4: false)
        await refused("4831") { try other.setIpv6(false) }
    }

    func testTheCodecOfTheNextCall() async throws {
        let phone = try await loggedIn("alice")
        XCTAssertNil(try phone.getAudioCodec())
        try phone.setAudioCodec(.pcma)
        XCTAssertEqual(try phone.getAudioCodec(), "pcma")
        let established = try phone.events("media:established")
        let call = try await phone.dial("echo")
        try await next(established)
        XCTAssertEqual(call.stats?.codec, "PCMA")
        guard case .config(let text) = await failure({ try phone.setAudioCodec(named: "mp3") }) else { return XCTFail("mp3") }
        XCTAssertTrue(text.contains("mp3"))
        phone.resetAudioCodec()
        XCTAssertNil(try phone.getAudioCodec())
    }

    func testWithoutAPathNothingCanBeOffered() async throws {
        let phone = try Phone(gateway.url, relayOnly: true)
        try await phone.login(try await gateway.devToken("bob"))
        let failed = try phone.events("error", "call:disconnected")
        try await phone.dial("echo")
        try await next(failed)
    }

    func testOfflineAndOnline() async throws {
        let phone = try await loggedIn("alice")
        let changes = try phone.events("connectivity:off", "connectivity:on")
        XCTAssertTrue(phone.isOnline)
        let call = try await phone.dial("echo")
        try await call.connected(timeout: patience)
        phone.setConnectivity(false)
        try await next(changes, "connectivity:off")
        XCTAssertFalse(phone.isOnline)
        await refused("0002") { try await phone.hold() }
        XCTAssertEqual(call.state, "connected")
        phone.followNetwork()
        try await next(changes, "connectivity:on")
        XCTAssertTrue(phone.isOnline)
        try await phone.hold()
    }

    func testTheLog() async throws {
        let lines = Guarded<[LogLine]>([])
        try LogManager.setCallback { line in lines.with { $0.append(line) } }
        defer {
            LogManager.resetLogLevels()
            try? LogManager.setCallback(nil)
        }
        XCTAssertEqual(LogManager.logLevels, [.error, .warn, .info, .debug, .trace])
        XCTAssertEqual(LogManager.globalLogLevel, .warn)
        XCTAssertEqual(LogManager.defaultLogLevel, .warn)
        XCTAssertEqual(LogManager.moduleDefaults["call"], .info)
        LogManager.globalLogLevel = .debug
        XCTAssertEqual(LogManager.currentModuleLogLevels["call"], .debug)
        XCTAssertEqual(LogManager.currentModuleLogLevels["webrtc"], .off)
        let call = try LogManager.getLogger("call")
        call.logLevel = .trace
        XCTAssertEqual(call.logLevel, .trace)
        XCTAssertFalse(call.isCustomType)

        let own = try LogManager.createCustomLogger("billing")
        XCTAssertTrue(own.isCustomType)
        XCTAssertTrue(LogManager.loggers.contains("billing"))
        own.logWarning("the first", line: 7)
        own.logInfo("left out")
        own.logLevel = .trace
        own.logTrace("a step", data: ["n": 1])
        try await until("the lines have come") { lines.with { all in all.contains { $0.message.hasPrefix("a step") } } }
        let written = lines.with { all in all.filter { $0.module == "billing" } }
        XCTAssertEqual(written.map(\.message), ["the first", "a step\n{\"n\":1}"])
        XCTAssertEqual(written.first?.line, 7)
        XCTAssertTrue(written.first?.file?.hasSuffix("SettingsTests.swift") ?? false)
        XCTAssertTrue(written.first.map { "\($0)".hasPrefix("[WARNING] the first [") } ?? false)
        try LogManager.deleteCustomLogger("billing")
        for work in [{ _ = try LogManager.getLogger("billing") }, { try LogManager.deleteCustomLogger("call") }] {
            guard case .config = await failure(work) else { return XCTFail("there is one") }
        }

        let phone = try await loggedIn("alice")
        // What is no number is something to write about.
        let none = try await phone.perform("formatNumber", ["number": "#"])
        XCTAssertEqual(none, .null)
        try await until("the library has written, too") { lines.with { all in all.contains { $0.module == "phoneNumber" } } }
        await phone.close()
        // Removed, it is let go and gets nothing more.
        try LogManager.setCallback(nil)
        let count = lines.with { $0.count }
        call.logError("nobody hears it")
        XCTAssertEqual(lines.with { $0.count }, count)
    }
}
