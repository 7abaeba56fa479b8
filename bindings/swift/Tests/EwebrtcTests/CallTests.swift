import Ewebrtc
import XCTest

final class CallTests: XCTestCase {
    func testACallToTheEcho() async throws {
        let gateway = try Gateway()
        let phone = try Phone(gateway.url, localMedia: .tone(440))
        try await phone.login(try await gateway.devToken("alice"))
        let call = try await phone.dial("echo")
        try await call.connected(timeout: .seconds(30))
        XCTAssertEqual(call.state, "connected")
        try await call.hangup()
        await phone.close()
        await gateway.stop()
    }
}
