// Conferences, over the gateway that mixes.

import Ewebrtc
import XCTest

final class ConferenceTests: GatewayCase, @unchecked Sendable {
    func testAConferenceOfThree() async throws {
        let host = try await loggedIn("host", local: .tone(440), remote: .pcm, rate: 16_000)
        let bob = try await loggedIn("bob", local: .tone(1000), remote: .pcm, rate: 16_000)
        let carol = try await loggedIn("carol", local: .tone(1700))
        let atHost = host.events()
        let conference = try await host.startConference()
        XCTAssertEqual(conference.state, "connected")
        for (name, phone) in [("bob", bob), ("carol", carol)] {
            let invited = try phone.events("conference:invitation-received")
            try await host.addParticipant(name)
            let invitation = try await next(invited)
            let joined = try await phone.joinConference()
            XCTAssertIdentical(joined, invitation.conference)
            XCTAssertNil(invitation.call)
            let accepted = try await next(atHost, "conference:invitation-accepted")
            XCTAssertTrue(accepted.text("participant")?.contains(name) ?? false)
        }
        let there = try await host.getParticipants().map(\.participant)
        XCTAssertEqual(there.count, 2)
        let listed = try await host.getCalls()
        XCTAssertEqual(listed.map(\.breed), ["conference"])
        XCTAssertEqual(listed.first?.participants.map(\.participant), there)
        try await heardBoth(conference, 1000, 1700)
        await refused("3641") { try await host.addParticipant("bob") }

        let left = try carol.events("conference:ended")
        try await host.removeParticipant("carol")
        try await next(left)
        let ended = try bob.events("conference:ended")
        try await host.endConference()
        try await next(ended)
        let end = try await conference.ended(timeout: patience)
        XCTAssertEqual(end.event.name, "conference:ended")
        XCTAssertIdentical(end.event.conference, conference)
    }

    func testADeclinedInvitationEndsForTheInvitedOnly() async throws {
        let host = try await loggedIn("host"), bob = try await loggedIn("bob")
        await refused("3502") { try await host.endConference() }
        let atHost = try host.events("conference:invitation-rejected"), invited = try bob.events("conference:invitation-received")
        let conference = try await host.startConference()
        try await host.addParticipant("bob")
        let invitation = try await next(invited)
        try await bob.rejectConference()
        let over = try await XCTUnwrap(invitation.conference).ended(timeout: patience)
        XCTAssertEqual(over.event.name, "conference:invitation-rejected")
        try await next(atHost)
        XCTAssertNil(conference.end)
        XCTAssertEqual(conference.state, "connected")
    }

    private func heardBoth(_ call: Call, _ one: Double, _ other: Double) async throws {
        try await soon {
            var all: [Int16] = []
            for try await piece in call.listen() {
                all += piece
                let parts = [one, other].map { strength(all, $0, call.phone.pcmRate) }
                if all.count > 8_000 && parts.allSatisfy({ $0 > 0.2 }) { return }
            }
            throw Missing(description: "the conference ended without both tones")
        }
    }
}
