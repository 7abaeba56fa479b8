// Refusals by their codes, wrong orders, settings that cannot be used, and the tables.

import Ewebrtc
import XCTest

final class ErrorTests: GatewayCase, @unchecked Sendable {
    func testARefusalHasAllFieldsAndIsTheEventsOwn() async throws {
        let phone = try Phone(gateway.url)
        let errors = try phone.events("error")
        guard case .refused(let fields) = await failure({ try await phone.dial("bob", tag: "t") }) else {
            return XCTFail("not refused")
        }
        let event = try await next(errors)
        XCTAssertEqual(event.error, fields)
        XCTAssertEqual(event.tag, "t")
        XCTAssertEqual(fields.errorCode, "2241")
        let entry = try XCTUnwrap(sdkErrors()["2241"])
        XCTAssertEqual(
            [fields.jsObject, fields.jsMethod, fields.errorMessage, fields.cause, fields.resolution],
            [entry.jsObject, entry.jsMethod, entry.errorMessage, entry.cause, entry.resolution])
        XCTAssertEqual(ErrorFields(fields.documented.mapValues { .string($0) }), fields)
        XCTAssertTrue("\(PhoneError.refused(fields))".hasPrefix("2241: "))
        XCTAssertEqual(PhoneError.refused(fields).localizedDescription, "\(fields)")
    }

    func testWrongOrders() async throws {
        let phone = try Phone(gateway.url)
        await refused("2101") { try await phone.logout() }
        await refused("2321") { try await phone.answer() }
        await refused("3001") { try await phone.reject() }
        await refused("2901") { try await phone.cancel() }
        await refused("2401") { try await phone.hangup() }
        await refused("2002") { try await phone.login("") }
        await refused("3131") { try await phone.startConference() }
        try await phone.login(try await gateway.devToken("alice"))
        await refused("2003") { try await phone.login(try await self.gateway.devToken("alice")) }
        await refused("2211") { try await phone.dial("") }
        await refused("2331") { try await phone.answer() }
        await refused("3002") { try await phone.reject() }
        await refused("2902") { try await phone.cancel() }
        await refused("2402") { try await phone.hangup() }
        await refused("2502") { try await phone.hold() }
        await refused("2602") { try await phone.resume() }
        await refused("2702") { try await phone.mute() }
        await refused("4602") { try await phone.upgrade() }
        await refused("4502") { try await phone.downgrade() }
        await refused("4302") { try await phone.acceptModification() }
        await refused("4402") { try await phone.rejectModification() }
        await refused("3231") { try await phone.joinConference() }
        await refused("3302") { try await phone.rejectConference() }
        await refused("3402") { _ = try await phone.getParticipants() }
        await refused("2052") { try await phone.associateE911Id("") }
        let call = try await phone.dial("echo")
        try await call.connected(timeout: patience)
        await refused("2252") { try await phone.dial("bob") }
        await refused("2603") { try await phone.resume() }
        await refused("4504") { try await phone.downgrade() }
    }

    func testFaultsThatHaveNoCode() async throws {
        let phone = try await loggedIn("alice")
        guard case .unknownMethod("fly") = await failure({ try await phone.invoke("fly") }) else { return XCTFail("it flies") }
        let stranger = phone.call(4_711_000)
        XCTAssertNil(stranger.state)
        for work in [
            { try await stranger.hangup() }, { try await stranger.connected() }, { _ = try await stranger.ended() },
            { _ = try stranger.write([1]) }, { try stranger.clear() },
        ] as [() async throws -> Void] {
            guard case .notFound = await failure(work) else { return XCTFail("it is there") }
        }
        guard case .argument = await failure({ try await phone.invoke("dial", ["destination": .number(.nan)]) }) else {
            return XCTFail("no number was taken")
        }
    }

    func testSettingsThatCannotBeUsedAreNamed() async throws {
        let url = gateway.url
        let wrong: [(String, () throws -> Phone)] = [
            ("pcmRate", { try Phone(url, pcmRate: -1) }),
            ("rate", { try Phone(url, pcmRate: 7) }),
            ("media", { try Phone(url, localMedia: "nothing:at all") }),
            ("connectMilliseconds", { try Phone(url, connectMilliseconds: -5) }),
            ("opusComplexity", { try Phone(url, opusComplexity: 300) }),
            ("gateway", { try Phone("ftp://nowhere") }),
            ("certificate", { try Phone(url, rootCertificates: ["none"]) }),
        ]
        for (word, make) in wrong {
            guard case .config(let text) = await failure({ _ = try make() }) else { return XCTFail(word) }
            XCTAssertTrue(text.lowercased().contains(word.lowercased()), "\(word): \(text)")
        }
        // In the words of every language.
        let texts: [(String, () throws -> Phone)] = [
            ("ports 0 to 0 are no UDP ports", { try Phone(url, ports: 0...0) }),
            ("neither IPv4 nor IPv6 addresses are allowed", { try Phone(url, ipv4: false, ipv6: false) }),
            ("ICE server 1 has no URL, or one that cannot be read", { try Phone(url, iceServers: [IceServer()]) }),
            ("ICE server 1 has no URL, or one that cannot be read", { try Phone(url, iceServers: [IceServer("http:x")]) }),
            ("pcm_rate 7999 is not within 8000 to 48000", { try Phone(url, pcmRate: 7_999) }),
            ("opus_complexity 11 is not within 0 to 10", { try Phone(url, opusComplexity: 11) }),
            (
                "domain cannot be used: it has more than 253 bytes, or control characters",
                { try Phone(url, domain: String(repeating: "a", count: 254)) }
            ),
        ]
        for (text, make) in texts {
            guard case .config(text) = await failure({ _ = try make() }) else { return XCTFail(text) }
        }
        for make in [{ try Gateway(listen: "somewhere") }, { try Gateway(domain: "a b") }] {
            guard case .config = await failure({ _ = try make() }) else { return XCTFail("a gateway") }
        }
        let taken = String(url.dropFirst("http://".count))
        guard case .system = await failure({ _ = try Gateway(listen: taken) }) else { return XCTFail("the port was free") }
        guard case .config = await failure({ _ = try await devToken(gateway: "nowhere", user: "x") }) else {
            return XCTFail("an address")
        }
        XCTAssertFalse("\(IceServer("turn:x", username: "u", credential: "secret"))".contains("secret"))
    }

    func testTheTables() {
        XCTAssertGreaterThan(sdkErrors().count, 100)
        XCTAssertGreaterThan(apiErrors().count, 10)
        XCTAssertTrue(apiErrors().values.allSatisfy { $0.messageId != nil })
        XCTAssertTrue(sdkErrors().allSatisfy { $0 == $1.errorCode && !$1.errorMessage.isEmpty })
        let report = capabilities()
        XCTAssertEqual(report.version, libraryVersion)
        XCTAssertEqual(report.os, "linux")
        XCTAssertTrue(report.features.contains("gateway"))
        XCTAssertEqual(report.networkConnected, isNetworkConnected())
        XCTAssertEqual(Phone.supportedAudioCodecs.map { $0.lowercased() }, AudioCodec.allCases.map(\.rawValue))
    }
}
