//! Conferences beside the host's view: joining, two items at a time, the end of the session, and lost words of the gateway
//! (phone-behaviour.md sections 3, 8, 12, 21, P-14, P-17, P-31, P-32). The host's conference stands in `core_conferences.rs`.

mod core_support;

use core_support::conference::{
    BOB, CONFERENCE, can_leave, conference_event, conference_invitation, find, last_names, party_news, party_path,
};
use core_support::{AUDIO_SDP, Driver, HELD_SDP, HOLD_SDP, INACTIVE_SDP, VIDEO_SDP, event, text, video_config};
use ewebrtc::core::{Input, ItemRef, MediaFailure, MediaOrder, MediaReport, Verb};
use serde_json::{Value, json};

// ---- participants ------------------------------------------------------------------------------------------------

#[test]
fn an_invitation_is_joined() {
    let mut phone = Driver::ready();
    phone.names();
    let handle = phone.invited("f1");
    let received = find(&phone, "conference:invitation-received").clone();
    assert_eq!((&received.data["from"], &received.data["mediaType"]), (&json!(BOB), &json!("audio")));
    assert_eq!((&received.data["index"], received.item), (&json!(1), Some(ItemRef::Conference(handle))));
    phone.call_tagged("j", "joinConference", None, json!({"localMedia": "tone:440"})).expect("accepted");
    let joining = find(&phone, "conference:joining").clone();
    assert_eq!((&joining.data["from"]["uri"], &joining.data["from"]["callerId"]), (&json!(BOB), &json!("bob")));
    phone.describe(handle);
    let put = phone.find(Verb::Put, CONFERENCE).expect("the request");
    assert!(put.request.headers.contains(&("x-conference-action", "call-answer".to_owned())));
    let body: Value = serde_json::from_str(&put.request.body.expect("a body")).expect("JSON");
    assert_eq!(body, json!({"conferenceModifications": {"sdp": AUDIO_SDP}}));
    // The confirmation overtakes the answer.
    phone.deliver(&[conference_event("f1", "session-modified", &[])]);
    phone.reply(Verb::Put, CONFERENCE, 200, &[("x-state", "accepted")], "");
    phone.media(handle, MediaReport::FirstAudio);
    assert_eq!(find(&phone, "conference:connecting").data["from"]["uri"], BOB);
    assert_eq!(find(&phone, "conference:connected").data["from"], BOB);
    last_names(
        &mut phone,
        &[
            "conference:invitation-received",
            "conference:joining",
            "sc created>connecting",
            "conference:connecting",
            "sc connecting>connected",
            "conference:connected",
            "finished j",
            "media:established",
        ],
    );
    let calls = phone.call("getCalls", None, Value::Null).expect("never refused");
    assert_eq!((&calls[0]["breed"], &calls[0]["type"]), (&json!("conference"), &json!("Incoming")));
    // A repeated confirmation changes nothing.
    phone.deliver(&[conference_event("f1", "session-open", &[]), conference_event("f1", "session-modified", &[])]);
    assert_eq!(phone.names().len(), 1, "only the getter's end");
    can_leave(phone);
}

#[test]
fn an_invitation_is_declined_withdrawn_or_expires() {
    for (why, method, events) in [
        ("", "rejectConference", ["sc created>rejected", "conference:invitation-rejected"]),
        ("Call canceled", "", ["sc created>canceled", "conference:canceled"]),
        ("", "", ["sc created>canceled", "conference:canceled"]),
        ("No answer", "", ["sc created>disconnected", "conference:ended"]),
    ] {
        let mut phone = Driver::ready();
        phone.invited("f1");
        phone.names();
        if !method.is_empty() {
            phone.call_tagged("r", method, None, json!({})).expect("accepted");
            let delete = phone.find(Verb::Delete, CONFERENCE).expect("the request");
            assert!(delete.request.headers.contains(&("x-delete-reason", "reject".to_owned())));
            phone.answer(delete.id, 204, &[], "");
        }
        let members: Vec<(&str, &str)> = [("reason", why)].into_iter().filter(|(_, why)| !why.is_empty()).collect();
        phone.deliver(&[conference_event("f1", "session-terminated", &members)]);
        let names = phone.names();
        assert_eq!(names[..2], events, "{why} {method}");
        // A late or doubled invitation rings no more.
        phone.deliver(&[conference_invitation("f1")]);
        assert!(phone.names().is_empty());
        assert_eq!(phone.code("dial", None, json!({"destination": "bob"})), "ok");
        phone.finish();
    }
}

#[test]
fn the_methods_of_calls_do_not_take_invitations_to_conferences() {
    let mut phone = Driver::ready();
    let handle = phone.invited("f1");
    for (method, code) in [("answer", "2331"), ("reject", "3002"), ("cancel", "2902"), ("endConference", "3502")] {
        assert_eq!(phone.code(method, None, json!({})), code, "{method} (P-32, P-43)");
        let on_it = if method == "endConference" { "3502" } else { code };
        assert_eq!(phone.code(method, Some(handle), json!({})), on_it, "{method}");
    }
    assert_eq!(phone.code("rejectConference", Some(handle), json!({})), "ok");
    phone.finish();
    let mut phone = Driver::ready();
    phone.ringing("c1");
    assert_eq!(phone.code("joinConference", None, json!({})), "3231");
    assert_eq!(phone.code("rejectConference", None, json!({})), "3302");
    phone.finish();
}

#[test]
fn media_refused_at_joining_declines_the_invitation() {
    let mut phone = Driver::ready();
    let handle = phone.invited("f1");
    phone.call_tagged("j", "joinConference", None, json!({})).expect("accepted");
    phone.names();
    phone.media(handle, MediaReport::Failed { kind: MediaFailure::Denied, text: "no".into() });
    last_names(&mut phone, &["error 0020", "sc created>rejected", "conference:invitation-rejected", "finished j 0020"]);
    assert!(phone.find(Verb::Delete, CONFERENCE).is_some());
    phone.finish();
}

#[test]
fn a_participant_leaves_is_removed_or_sees_the_end() {
    let mut phone = Driver::ready();
    phone.joined();
    phone.names();
    phone.call_tagged("e", "endConference", None, json!({})).expect("accepted");
    phone.reply(Verb::Delete, CONFERENCE, 204, &[], "");
    phone.deliver(&[conference_event("f1", "session-terminated", &[])]);
    assert_eq!(find(&phone, "conference:ended").data["from"], BOB);
    last_names(
        &mut phone,
        &[
            "sc connected>disconnecting",
            "conference:disconnecting",
            "sc disconnecting>disconnected",
            "conference:ended",
            "finished e",
        ],
    );
    phone.finish();
    let mut phone = Driver::ready();
    phone.joined();
    phone.names();
    phone.deliver(&[conference_event("f1", "session-terminated", &[("reason", "Removed by the host")])]);
    assert_eq!(text(find(&phone, "conference:ended"), "message"), "Removed by the host");
    last_names(&mut phone, &["sc connected>disconnected", "conference:ended"]);
    can_leave(phone);
}

/// Section 3.4: a leg answers by itself; its state, and whoever is in it, notice nothing.
#[test]
fn changes_by_the_gateway_are_answered_without_a_word() {
    for (offer, answer) in
        [(HOLD_SDP, HELD_SDP), (AUDIO_SDP, AUDIO_SDP), (VIDEO_SDP, AUDIO_SDP), (INACTIVE_SDP, INACTIVE_SDP)]
    {
        let mut phone = Driver::new(video_config());
        phone.login();
        let handle = phone.joined();
        phone.names();
        phone.deliver(&[conference_event("f1", "mod-received", &[("modId", "m1"), ("sdp", offer)])]);
        assert_eq!(phone.code("hold", None, json!({})), "2503", "one change at a time (P-11)");
        phone.describe(handle);
        let put = phone.find(Verb::Put, CONFERENCE).expect("the request");
        assert!(put.request.headers.contains(&("x-conference-action", "accept-media-mod".to_owned())));
        assert!(put.request.headers.contains(&("x-mod-Id", "m1".to_owned())), "its own spelling (section 2.7.8)");
        let body: Value = serde_json::from_str(&put.request.body.expect("a body")).expect("JSON");
        assert_eq!(body, json!({"conferenceModifications": {"sdp": answer}}), "video is answered with audio");
        phone.conference_taken();
        phone.deliver(&[party_news("f1", "m1", "success", BOB)]);
        last_names(&mut phone, &["error 2503"]);
        assert_eq!(phone.code("hold", None, json!({})), "ok", "the change is over");
        phone.finish();
    }
}

#[test]
fn a_gateway_that_asks_for_an_offer_gets_one() {
    let mut phone = Driver::ready();
    let handle = phone.joined();
    phone.names();
    phone.deliver(&[conference_event("f1", "mod-received", &[("modId", "m1")])]);
    phone.describe(handle);
    phone.conference_taken();
    phone.deliver(&[conference_event(
        "f1",
        "mod-terminated",
        &[("modId", "m1"), ("reason", "success"), ("sdp", AUDIO_SDP)],
    )]);
    assert!(phone.names().is_empty());
    assert!(matches!(phone.take_orders().last(), Some(MediaOrder::ApplyAnswer { .. })));
    phone.finish();
}

/// P-14: the conference goes on.
#[test]
fn a_failure_is_told_and_the_conference_goes_on() {
    let mut phone = Driver::ready();
    phone.joined();
    phone.names();
    phone.deliver(&[party_news("f1", "x", "Something", BOB), party_news("f1", "y", "success", BOB)]);
    assert_eq!(text(find(&phone, "notification"), "message"), "Something");
    last_names(&mut phone, &["notification"]);
    phone.deliver(&[conference_event("f1", "mod-received", &[("modId", "m1"), ("sdp", "nonsense")])]);
    last_names(&mut phone, &["notification"]);
    can_leave(phone);
}

// ---- two items ---------------------------------------------------------------------------------------------------

#[test]
fn a_conference_is_started_during_a_call() {
    let mut phone = Driver::ready();
    let call = phone.talking("c1");
    phone.names();
    let conference = phone.start_conference();
    phone.requested(call, "c1");
    phone.done("c1", HELD_SDP);
    phone.describe(conference);
    phone.conference_accepted("f1");
    phone.deliver(&[conference_event("f1", "session-open", &[("sdp", AUDIO_SDP)])]);
    let switched = find(&phone, "session:call-switched").clone();
    assert_eq!((&switched.data["from"], &switched.data["toIndex"]), (&json!("bob"), &json!(2)));
    last_names(
        &mut phone,
        &[
            "sc connected>modification-initiated",
            "call:modification-in-progress",
            "sc modification-initiated>held",
            "call:held",
            "sc created>connecting",
            "conference:connecting",
            "sc connecting>connected",
            "conference:connected",
            "finished t3",
            "session:call-switched",
        ],
    );
    assert_eq!(phone.code("addCall", None, json!({"destination": "x"})), "3961");
    assert_eq!(phone.code("startConference", None, json!({})), "3961");
    assert_eq!(phone.code("transfer", None, json!({})), "4104");
    assert_eq!(phone.code("addParticipant", Some(call), json!({"participant": "x"})), "3631");
    // Back to the call: the conference is held, the call resumed.
    phone.names();
    phone.call_tagged("s", "switchCall", None, json!({})).expect("accepted");
    phone.describe(conference);
    phone.conference_taken();
    phone.conference_done(HELD_SDP);
    phone.requested(call, "c1");
    phone.done("c1", AUDIO_SDP);
    last_names(
        &mut phone,
        &[
            "sc connected>modification-initiated",
            "sc modification-initiated>held",
            "conference:held",
            "session:call-switched",
            "sc held>modification-initiated",
            "call:modification-in-progress",
            "sc modification-initiated>connected",
            "call:resumed",
            "finished s",
        ],
    );
    assert_eq!(phone.code("addParticipant", None, json!({"participant": "x"})), "3631", "the call is in front");
    assert_eq!(phone.code("transfer", None, json!({})), "4104");
    assert_eq!(phone.code("endConference", None, json!({})), "3502");
    // The call ends; the conference comes to the front and is resumed.
    phone.names();
    phone.deliver(&[event("c1", "session-terminated", &[])]);
    phone.describe(conference);
    phone.conference_taken();
    phone.conference_done(AUDIO_SDP);
    last_names(
        &mut phone,
        &[
            "sc connected>disconnected",
            "call:disconnected",
            "session:call-switched",
            "sc held>modification-initiated",
            "sc modification-initiated>connected",
            "conference:resumed",
        ],
    );
    can_leave(phone);
}

#[test]
fn a_conference_in_the_background_ends_and_is_told_so() {
    let mut phone = Driver::ready();
    let conference = phone.hosting();
    phone.with_bob();
    let value = phone.call("addCall", None, json!({"destination": "carol", "mediaType": "audio"})).expect("accepted");
    let call = value["call"].as_u64().expect("a handle");
    phone.describe(conference);
    phone.conference_taken();
    phone.conference_done(HELD_SDP);
    phone.describe(call);
    phone.accepted("c2");
    phone.deliver(&[event("c2", "session-open", &[("sdp", AUDIO_SDP)])]);
    phone.names();
    assert_eq!(phone.code("getParticipants", None, Value::Null), "3402");
    // Who leaves meanwhile is known when the conference is in front again.
    phone.deliver(&[party_news("f1", "fresh", "Phone lost", BOB)]);
    phone.names();
    phone.deliver(&[conference_event("f1", "session-terminated", &[("reason", "Session ended")])]);
    let ended = find(&phone, "conference:ended").clone();
    assert_eq!((&ended.data["background"], &ended.data["message"]), (&json!(true), &json!("Session ended")));
    last_names(&mut phone, &["sc held>disconnected", "conference:ended"]);
    phone.finish();
}

#[test]
fn an_invitation_during_a_call_is_joined_with_hold_or_end() {
    let mut phone = Driver::ready();
    let call = phone.talking("c1");
    let conference = phone.invited("f1");
    assert_eq!(phone.code("joinConference", None, json!({})), "3241");
    phone.names();
    phone.call_tagged("j", "joinConference", None, json!({"action": "hold"})).expect("accepted");
    phone.requested(call, "c1");
    phone.done("c1", HELD_SDP);
    phone.describe(conference);
    phone.reply(Verb::Put, CONFERENCE, 200, &[], "");
    phone.deliver(&[conference_event("f1", "session-modified", &[])]);
    let names = phone.names();
    assert_eq!(
        names[3..],
        [
            "call:held",
            "conference:joining",
            "sc created>connecting",
            "conference:connecting",
            "sc connecting>connected",
            "conference:connected",
            "finished j",
            "session:call-switched"
        ]
    );
    // The conference ends: the call comes back by itself.
    phone.deliver(&[conference_event("f1", "session-terminated", &[])]);
    phone.requested(call, "c1");
    phone.done("c1", AUDIO_SDP);
    assert_eq!(phone.names().last().map(String::as_str), Some("call:resumed"));
    phone.finish();

    let mut phone = Driver::ready();
    phone.talking("c1");
    let conference = phone.invited("f1");
    phone.names();
    phone.call_tagged("j", "joinConference", None, json!({"action": "end"})).expect("accepted");
    phone.reply(Verb::Delete, "/sessions/s1/calls/c1", 204, &[], "");
    phone.deliver(&[event("c1", "session-terminated", &[])]);
    phone.describe(conference);
    last_names(
        &mut phone,
        &["sc connected>disconnecting", "sc disconnecting>disconnected", "call:disconnected", "conference:joining"],
    );
    phone.finish();
}

/// P-17.
#[test]
fn an_implicit_hold_that_fails_has_the_code_of_the_method() {
    let mut phone = Driver::ready();
    let call = phone.talking("c1");
    phone.start_conference();
    phone.describe(call);
    phone.names();
    phone.reply(Verb::Put, "/sessions/s1/calls/c1", 500, &[], "");
    last_names(&mut phone, &["error 3100", "sc created>disconnected", "conference:ended", "finished t3 3100"]);
    phone.invited("f1");
    phone.call_tagged("j", "joinConference", None, json!({"action": "hold"})).expect("accepted");
    phone.describe(call);
    phone.names();
    phone.reply(Verb::Put, "/sessions/s1/calls/c1", 500, &[], "");
    last_names(&mut phone, &["error 3200", "finished j 3200"]);
    assert_eq!(phone.code("rejectConference", None, json!({})), "ok", "it rings on");
    phone.finish();
}

// ---- the session -------------------------------------------------------------------------------------------------

#[test]
fn logout_expiry_and_close_end_conferences() {
    let mut phone = Driver::ready();
    phone.hosting();
    phone.with_bob();
    phone.call("addParticipant", None, json!({"participant": "carol"})).expect("accepted");
    phone.names();
    phone.call_tagged("l", "logout", None, json!({})).expect("accepted");
    phone.reply(Verb::Delete, CONFERENCE, 204, &[], "");
    phone.deliver(&[conference_event("f1", "session-terminated", &[])]);
    phone.reply(Verb::Delete, "/sessions/s1", 204, &[], "");
    last_names(
        &mut phone,
        &[
            "sc connected>disconnecting",
            "sc disconnecting>disconnected",
            "conference:ended",
            "finished t4 3600",
            "session:disconnected",
            "finished l",
        ],
    );
    phone.finish();

    let mut phone = Driver::ready();
    phone.joined();
    phone.names();
    let poll = phone.find_poll().expect("a poll");
    phone.answer(poll.id, 404, &[], "");
    last_names(&mut phone, &["sc connected>disconnected", "conference:ended", "session:expired"]);
    phone.finish();

    for pending in [false, true] {
        let mut phone = Driver::ready();
        if pending {
            phone.invited("f1")
        } else {
            phone.hosting()
        };
        phone.names();
        phone.input(Input::Close);
        let names = phone.names();
        let end = if pending { "conference:invitation-rejected" } else { "conference:ended" };
        assert!(names.contains(&end.to_owned()), "{names:?}");
        phone.finish();
    }
}

#[test]
fn a_404_about_the_session_at_an_invitation_is_expiry() {
    let mut phone = Driver::ready();
    phone.hosting();
    phone.call_tagged("a", "addParticipant", None, json!({"participant": "bob"})).expect("accepted");
    phone.names();
    phone.reply(Verb::Put, &party_path(BOB), 404, &[], "session not found");
    let names = phone.names();
    assert_eq!(names[..2], ["sc connected>disconnected", "conference:ended"]);
    assert!(names[2].starts_with("finished a ") && names[3] == "session:expired", "{names:?}");
    phone.finish();
}

#[test]
fn offline_every_method_that_needs_the_gateway_is_refused_and_the_conference_stays() {
    let mut phone = Driver::ready();
    phone.hosting();
    phone.with_bob();
    phone.input(Input::Connectivity { online: false });
    for method in [
        "startConference",
        "joinConference",
        "rejectConference",
        "endConference",
        "addParticipant",
        "removeParticipant",
    ] {
        assert_eq!(phone.code(method, None, Value::Null), "0002", "{method}");
    }
    assert_eq!(phone.participants(), ["bob@example.com"]);
    phone.input(Input::Connectivity { online: true });
    assert_eq!(phone.code("endConference", None, json!({})), "ok");
    phone.finish();
}

#[test]
fn an_invitation_that_finds_no_room_is_declined() {
    let mut phone = Driver::ready();
    phone.hosting();
    phone.ringing("c9");
    phone.names();
    phone.deliver(&[conference_invitation("f2")]);
    let notification = find(&phone, "notification").clone();
    assert_eq!((&notification.data["type"], &notification.data["from"]), (&json!("conference"), &json!(BOB)));
    let delete = phone.find(Verb::Delete, "/sessions/s1/conferences/f2").expect("the host is told");
    assert!(delete.request.headers.contains(&("x-delete-reason", "reject".to_owned())));
    phone.finish();
}

/// Whatever of the gateway's words is lost, doubled or late: the user leaves and goes on.
#[test]
fn every_lost_word_leaves_a_way_out() {
    for lost in 0..6 {
        let mut phone = Driver::ready();
        let handle = if lost < 3 { phone.start_conference() } else { phone.invited("f1") };
        if lost == 3 || lost == 4 || lost == 5 {
            phone.call("joinConference", None, json!({})).expect("accepted");
        }
        match lost {
            0 | 3 => {}
            1 => phone.describe(handle),
            2 => {
                phone.describe(handle);
                phone.conference_accepted("f1");
                let open = conference_event("f1", "session-open", &[("sdp", AUDIO_SDP)]);
                phone.deliver(&[open.clone(), open]);
            }
            _ => {
                phone.describe(handle);
                if lost == 5 {
                    phone.reply(Verb::Put, CONFERENCE, 200, &[], "");
                }
                phone.deliver(&[party_news("f1", "x", "success", BOB), conference_event("f1", "mod-received", &[])]);
            }
        }
        phone.deliver(&[conference_event("other", "session-terminated", &[])]);
        can_leave(phone);
    }
}
