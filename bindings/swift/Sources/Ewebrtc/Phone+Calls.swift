// Calls of a phone: set-up, hold, second calls, transfer, video.
//
// Owns: `CallInfo`, `Participant`, these methods of `Phone`. Lives on: any thread.

internal import EwebrtcNative

/// Somebody in a conference of this phone.
public struct Participant: Sendable, Hashable {
    /// Who it is: the number, or the account id.
    public let participant: String
    /// `active`.
    public let status: String
}

/// An entry of `Phone.getCalls`.
public struct CallInfo: Sendable, Hashable {
    /// Ordinal among the live calls.
    public let index: Int
    /// State, such as `connected`.
    public let state: String
    /// `call` or `conference`.
    public let breed: String
    /// `Outgoing` or `Incoming`.
    public let kind: String
    /// The other party; empty for conferences.
    public let peer: String
    /// True for the one the user talks on.
    public let foreground: Bool
    /// Who is in a conference of this phone.
    public let participants: [Participant]

    init(_ entry: JSONValue) {
        index = entry["index"]?.integer.map(Int.init) ?? 0
        state = entry["state"]?.text ?? ""
        breed = entry["breed"]?.text ?? ""
        kind = entry["type"]?.text ?? ""
        peer = entry["peer"]?.text ?? ""
        foreground = entry["foreground"]?.bool ?? false
        participants = (entry["participants"]?.array ?? []).map {
            Participant(participant: $0["participant"]?.text ?? "", status: $0["status"]?.text ?? "")
        }
    }
}

extension Phone {
    /// Dials a name, `user@domain` or number. Completes when the call exists, before it is answered: see `Call.connected`.
    ///
    /// - Parameters:
    ///   - destination: Who is called.
    ///   - mediaType: By default video where there is a source of it.
    ///   - localMedia: Source; also that of later calls which name none. Not named: that of the call before, at first the phone's.
    ///   - remoteMedia: Sink, likewise.
    ///   - tag: Comes back in events.
    /// - Throws: `PhoneError.refused` with 2211 to 2213 for the destination, 2221 to 2232 for the media, 2241 while not logged in, 2251
    ///   and 2252 while there is another call.
    @discardableResult
    public func dial(
        _ destination: String, mediaType: MediaType? = nil, localMedia: Media? = nil, remoteMedia: Media? = nil,
        tag: String? = nil
    ) async throws -> Call {
        let options = EwebrtcNative.DialOptions(
            destination: destination, mediaType: mediaType?.rawValue, localMedia: localMedia?.rawValue,
            remoteMedia: remoteMedia?.rawValue)
        return known(try await command { [native] in try await native.dial(options: options, tag: tag).callHandle() })
    }

    /// Answers the incoming call and gives it. Completes at `call:connected`.
    ///
    /// - Parameters:
    ///   - localMedia: As of `dial`, also in that it is that of later calls which name none.
    ///   - remoteMedia: Likewise.
    ///   - mediaType: `audio` answers a video call with audio only, which may be upgraded later.
    ///   - action: What to do with the call in the foreground.
    ///   - tag: Comes back in events.
    /// - Throws: `PhoneError.refused` with 2311 and 2312 for the media, 2321 while not logged in, 2331 while nothing rings, 2341 while
    ///   there is another call and no action, 2300 for a media type that cannot be; `notFound` when it ended meanwhile.
    @discardableResult
    public func answer(
        localMedia: Media? = nil, remoteMedia: Media? = nil, mediaType: MediaType? = nil, action: CallAction? = nil,
        tag: String? = nil
    ) async throws -> Call {
        let options = EwebrtcNative.AnswerOptions(
            localMedia: localMedia?.rawValue, remoteMedia: remoteMedia?.rawValue, mediaType: mediaType?.rawValue,
            action: action?.rawValue)
        return known(try await command { [native] in try await native.answer(options: options, tag: tag).callHandle() })
    }

    /// Refuses the incoming call. Completes at `call:rejected`.
    ///
    /// - Throws: `PhoneError.refused` with 3001 while not logged in, 3002 while nothing rings.
    public func reject(tag: String? = nil) async throws {
        try await command { [native] in try await native.reject(tag: tag) }
    }

    /// Withdraws the outgoing call before it is answered. Completes at `call:canceled`.
    ///
    /// - Throws: `PhoneError.refused` with 2901 while not logged in, 2902 while nothing is being dialled.
    public func cancel(tag: String? = nil) async throws {
        try await command { [native] in try await native.cancel(tag: tag) }
    }

    /// Ends the call in the foreground. Completes at `call:disconnected`.
    ///
    /// - Throws: `PhoneError.refused` with 2401 while not logged in, 2402 without a call.
    public func hangup(tag: String? = nil) async throws {
        try await command { [native] in try await native.hangup(tag: tag) }
    }

    /// Sends silence in the call in the foreground.
    ///
    /// - Throws: `PhoneError.refused` with 2701 while not logged in, 2702 without a call.
    public func mute(tag: String? = nil) async throws {
        try await command { [native] in try await native.mute(tag: tag) }
    }

    /// Sends the source in the call in the foreground again.
    ///
    /// - Throws: `PhoneError.refused` with 2801 while not logged in, 2802 without a call.
    public func unmute(tag: String? = nil) async throws {
        try await command { [native] in try await native.unmute(tag: tag) }
    }

    /// Presses keys in the call in the foreground: `0-9`, `A-D`, `*`, `#`, and `,` for a pause of two seconds, behind those that are
    /// still to be sent. Each key is told by `dtmf:tone-sending` and `dtmf:tone-sent`. Completes when the last one was sent.
    ///
    /// - Parameters:
    ///   - tones: The keys.
    ///   - gapMilliseconds: Pause between two, from 50 to 6000, by default 70.
    ///   - tag: Comes back in events.
    /// - Throws: `PhoneError.refused` with 4712 for an empty text or another character, 4721 while not logged in, 4731 without a call,
    ///   4741 while it is not connected, 0000 when the other side takes no keys, 4700 when the call ends first or too many wait.
    public func sendDTMFTone(_ tones: String, gapMilliseconds: Int? = nil, tag: String? = nil) async throws {
        let gap = try gapMilliseconds.map(gap)
        try await command { [native] in try await native.sendDtmfTone(input: tones, gapMs: gap, tag: tag) }
    }

    // ---- calls that are established ------------------------------------------------------------------------------------

    /// Puts the call in the foreground on hold: neither side hears the other. Completes at `call:held`, which the other side gets too.
    ///
    /// - Throws: `PhoneError.refused` with 2501 while not logged in, 2502 without a call, 2503 while it is not connected; 2500 when it
    ///   fails on the way.
    public func hold(tag: String? = nil) async throws { try await perform("hold", tag: tag) }

    /// Goes on with the call in the foreground that this phone holds. Completes at `call:resumed`.
    ///
    /// - Throws: `PhoneError.refused` with 2601 while not logged in, 2602 without a call, 2603 while it is not held; 2600 when it fails
    ///   on the way.
    public func resume(tag: String? = nil) async throws { try await perform("resume", tag: tag) }

    /// Holds the call in the foreground and dials another party. Completes when the new call exists; it rings when the first one is held.
    /// Parameters are those of `dial`, also in that the media is that of later calls that name none.
    ///
    /// - Throws: `PhoneError.refused` with the codes of addCall (39xx).
    @discardableResult
    public func addCall(
        _ destination: String, mediaType: MediaType? = nil, localMedia: Media? = nil, remoteMedia: Media? = nil,
        tag: String? = nil
    ) async throws -> Call {
        var options: [String: JSONValue] = ["destination": .string(destination)]
        options["mediaType"] = mediaType.map { .string($0.rawValue) }
        options["localMedia"] = localMedia.map { .string($0.rawValue) }
        options["remoteMedia"] = remoteMedia.map { .string($0.rawValue) }
        guard let handle = try await invoke("addCall", options, tag: tag)["call"]?.handle else { throw PhoneError.notFound }
        return known(handle)
    }

    /// Holds the call in the foreground and goes on with the other one. Completes at `session:call-switched`.
    ///
    /// - Throws: `PhoneError.refused` with the codes of switchCall.
    public func switchCall(tag: String? = nil) async throws { try await perform("switchCall", tag: tag) }

    /// Connects the party in the foreground with the one in the background and leaves. Completes at `call:transferred`, after which both
    /// calls end here.
    ///
    /// - Throws: `PhoneError.refused` with the codes of transfer; then both calls go on.
    public func transfer(tag: String? = nil) async throws { try await perform("transfer", tag: tag) }

    /// Moves the call in the foreground to another session of the same user, where it rings. Completes at `call:moved`, after which it
    /// ends here; when nobody takes it, it goes on here.
    ///
    /// - Throws: `PhoneError.refused` with the codes of move.
    public func move(tag: String? = nil) async throws { try await perform("move", tag: tag) }

    /// Asks the other side to make the audio call in the foreground a video call. Completes when it has answered, also when it does not
    /// want to: then this side's video is sent all the same, and its own does not come.
    ///
    /// - Throws: `PhoneError.refused` with 4601 while not logged in, 4602 without a call, 4603 while it is not connected or is changing,
    ///   4604 when it is a video call already; 0020 when its local media names no source of video; 4600 when it fails on the way.
    public func upgrade(tag: String? = nil) async throws {
        try await command { [native] in try await native.upgrade(tag: tag) }
    }

    /// Stops sending video in the call in the foreground, and asks the other side to do the same. Completes when it has answered; when it
    /// does not want to, its video goes on coming.
    ///
    /// - Throws: `PhoneError.refused` with 4501 while not logged in, 4502 without a call, 4503 while it is not connected or is changing,
    ///   4504 when it is an audio call already; 4500 when it fails on the way.
    public func downgrade(tag: String? = nil) async throws {
        try await command { [native] in try await native.downgrade(tag: tag) }
    }

    /// Agrees to the upgrade or downgrade that the other side has asked for (event `call:media-modification`). Completes when the change
    /// is made; both sides have the same media then.
    ///
    /// - Throws: `PhoneError.refused` with 4301 while not logged in, 4302 without a call, 4304 when nothing was asked for, 4303 in a
    ///   wrong state; 0020 for an upgrade of a call whose local media names no source of video, and the request goes on waiting; 4300
    ///   when it fails on the way.
    public func acceptModification(tag: String? = nil) async throws {
        try await command { [native] in try await native.acceptModification(tag: tag) }
    }

    /// Does not follow the upgrade or downgrade that the other side has asked for: this side keeps its media, the other side changes its
    /// own. Completes when that is made.
    ///
    /// - Throws: As `acceptModification`, with the codes of rejectModification (44xx), and never 0020.
    public func rejectModification(tag: String? = nil) async throws {
        try await command { [native] in try await native.rejectModification(tag: tag) }
    }

    /// The established calls and conferences, in order of establishment.
    ///
    /// - Throws: `PhoneError.closed`.
    public func getCalls() async throws -> [CallInfo] { (try await invoke("getCalls").array ?? []).map(CallInfo.init) }

    /// Media type of the call in the foreground; `nil` without one.
    ///
    /// - Throws: `PhoneError.closed`.
    public func getMediaType() async throws -> MediaType? { try await invoke("getMediaType").text.flatMap(MediaType.init) }

    /// Whether there is an established call in the foreground.
    ///
    /// - Throws: `PhoneError.closed`.
    public func isCallInProgress() async throws -> Bool { try await invoke("isCallInProgress").bool ?? false }

    // ---- conferences -----------------------------------------------------------------------------------------------------

    /// Starts a conference with this phone as its host and nobody else in it; a call in the foreground is held for it. Completes at
    /// `conference:connected`. Parameters are those of `dial`, also in that the media is that of later calls that name none.
    ///
    /// - Throws: `PhoneError.refused` with 3111 to 3122 for the media, 3131 while not logged in, 3961 with two calls, 3100 while
    ///   something is being set up or the call in the foreground cannot be held, 0020 when there is no source or sink.
    @discardableResult
    public func startConference(
        mediaType: MediaType? = nil, localMedia: Media? = nil, remoteMedia: Media? = nil, tag: String? = nil
    ) async throws -> Call {
        let options = EwebrtcNative.ConferenceOptions(
            mediaType: mediaType?.rawValue, localMedia: localMedia?.rawValue, remoteMedia: remoteMedia?.rawValue)
        return known(
            try await command { [native] in try await native.startConference(options: options, tag: tag).callHandle() })
    }

    /// Joins the conference that this phone is invited to (event `conference:invitation-received`) and gives it. Completes at
    /// `conference:connected`.
    ///
    /// - Parameters:
    ///   - localMedia: As of `dial`.
    ///   - remoteMedia: As of `dial`.
    ///   - action: What to do with the call or conference in the foreground.
    ///   - tag: Comes back in events.
    /// - Throws: `PhoneError.refused` with 3211 and 3212 for the media, 3221 while not logged in, 3231 without an invitation, 3241 while
    ///   there is a call and no action, 3200 when it fails on the way; `notFound` when it ended meanwhile.
    @discardableResult
    public func joinConference(
        localMedia: Media? = nil, remoteMedia: Media? = nil, action: CallAction? = nil, tag: String? = nil
    ) async throws -> Call {
        let options = EwebrtcNative.JoinOptions(
            localMedia: localMedia?.rawValue, remoteMedia: remoteMedia?.rawValue, action: action?.rawValue)
        return known(
            try await command { [native] in try await native.joinConference(options: options, tag: tag).callHandle() })
    }

    /// Declines the invitation to a conference. Completes at `conference:invitation-rejected`.
    ///
    /// - Throws: `PhoneError.refused` with 3301 while not logged in, 3302 without an invitation.
    public func rejectConference(tag: String? = nil) async throws {
        try await command { [native] in try await native.rejectConference(tag: tag) }
    }

    /// Leaves the conference in the foreground; one of this phone ends for everybody. Completes at `conference:ended`.
    ///
    /// - Throws: `PhoneError.refused` with 3501 while not logged in, 3502 without a conference in the foreground.
    public func endConference(tag: String? = nil) async throws {
        try await command { [native] in try await native.endConference(tag: tag) }
    }

    /// Invites a party to the conference of this phone in the foreground. Completes at `conference:invitation-sent`; whether the party
    /// comes is told by `conference:invitation-accepted`, `conference:invitation-rejected` or a `notification`.
    ///
    /// - Throws: `PhoneError.refused` with 3611 to 3613 for the text, 3621 while not logged in, 3631 without a conference of this phone,
    ///   3641 when the party is in it, 3600 when the gateway takes no invitation.
    public func addParticipant(_ participant: String, tag: String? = nil) async throws {
        try await command { [native] in try await native.addParticipant(participant: participant, tag: tag) }
    }

    /// Takes a party out of the conference of this phone in the foreground. Completes at `conference:participant-removed`, also when the
    /// party is not on its list.
    ///
    /// - Throws: `PhoneError.refused` with 3711 for an empty text, 3721 while not logged in, 3731 without a conference of this phone,
    ///   3700 when the text names nobody or the gateway refuses.
    public func removeParticipant(_ participant: String, tag: String? = nil) async throws {
        try await command { [native] in try await native.removeParticipant(participant: participant, tag: tag) }
    }

    /// Who is in the conference of this phone in the foreground, in the order of their names.
    ///
    /// - Throws: `PhoneError.refused` with 3401 while not logged in, 3402 without a conference of this phone.
    public func getParticipants() async throws -> [Participant] {
        try await command { [native] in try await native.getParticipants() }
            .map { Participant(participant: $0.participant, status: $0.status) }
    }
}

/// A pause between keys as the library takes it.
func gap(_ milliseconds: Int) throws -> UInt32 {
    guard let fits = UInt32(exactly: milliseconds) else {
        throw PhoneError.argument("gapMilliseconds cannot be \(milliseconds)")
    }
    return fits
}
