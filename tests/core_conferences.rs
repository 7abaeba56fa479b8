//! The host of a conference: the sequences of phone-behaviour.md sections 12 and 21, every order and disorder of what the
//! gateway says about its participants (P-29, P-30). Joining and two items stand in `core_joining.rs`.

mod core_support;

use core_support::conference::{
    BOB, CONFERENCE, can_leave, conference_event, find, last_names, party_news, party_path,
};
use core_support::{AUDIO_SDP, Driver, HELD_SDP, HOLD_SDP, text, video_config};
use ewebrtc::core::{Event, ItemRef, MediaFailure, MediaOrder, MediaReport, Verb};
use serde_json::{Value, json};

#[test]
fn a_conference_is_started() {
    let mut phone = Driver::ready();
    phone.names();
    let handle = phone.start_conference();
    assert_eq!(
        phone.take_orders(),
        [MediaOrder::Offer { local: "silence".into(), remote: "discard".into(), video: false }]
    );
    phone.describe(handle);
    let post = phone.find(Verb::Post, "/sessions/s1/conferences").expect("the request");
    let body: Value = serde_json::from_str(&post.request.body.expect("a body")).expect("JSON");
    assert_eq!(body, json!({"conference": {"sdp": AUDIO_SDP}}));
    phone.conference_accepted("f1");
    phone.deliver(&[conference_event("f1", "session-open", &[("sdp", AUDIO_SDP)])]);
    phone.apply(handle);
    phone.media(handle, MediaReport::FirstAudio);
    let events = phone.events.clone();
    last_names(
        &mut phone,
        &[
            "sc created>connecting",
            "conference:connecting",
            "sc connecting>connected",
            "conference:connected",
            "finished t2",
            "media:established",
        ],
    );
    assert!(events.iter().all(|e| e.item == Some(ItemRef::Conference(handle))), "{events:?}");
    let connected = &events[3];
    assert_eq!((&connected.data["callType"], &connected.data["mediaType"]), (&json!("conference"), &json!("audio")));
    assert!(connected.data["codec"].as_array().is_some_and(|list| !list.is_empty()), "known before it is published");
    assert!(!connected.data.contains_key("to"), "a conference of one's own is with nobody in particular");
    assert!(!connected.data.contains_key("invitations") && !connected.data.contains_key("participants"));
    let calls = phone.call("getCalls", None, Value::Null).expect("never refused");
    let entry = json!({"index": 1, "state": "connected", "breed": "conference", "type": "Outgoing", "participants": [], "foreground": true});
    assert_eq!(calls, json!([entry]));
    phone.finish();
}

/// P-2, P-48: the host is the `from` of its conference, as an object where the text asks for one.
#[test]
fn the_host_is_known_by_the_address_of_its_login() {
    let mut phone = Driver::new(core_support::config());
    phone.call("login", None, json!({"token": "t", "userId": "alice"})).expect("accepted");
    phone.reply(Verb::Put, "/userIds/alice", 200, &[], "");
    phone.created();
    phone.hosting();
    assert_eq!(find(&phone, "conference:connecting").data["from"]["uri"], "alice");
    assert_eq!(find(&phone, "conference:connected").data["from"], "alice");
    phone.finish();
}

#[test]
fn an_invitation_is_sent_and_accepted() {
    let mut phone = Driver::ready();
    let handle = phone.hosting();
    phone.names();
    phone.call_tagged("ask", "addParticipant", None, json!({"participant": "bob"})).expect("accepted");
    last_names_of(&mut phone, "conference:invitation-sending", |event| {
        let invitee = json!({"uri": BOB, "protocol": "sip", "callerId": "bob", "domain": "example.com", "port": ""});
        assert_eq!(event.data["invitee"], invitee);
        assert_eq!((event.data["index"].as_u64(), event.tag.as_deref()), (Some(1), Some("ask")));
    });
    let put = phone.find(Verb::Put, &party_path(BOB)).expect("the request");
    assert_eq!(put.request.path, "/sessions/s1/conferences/f1/participants/sip%3Abob%40example.com");
    assert_eq!(put.request.body, None);
    phone.answer(put.id, 202, &[("x-state", "add-pending"), ("x-modId", "i1")], "");
    let sent = find(&phone, "conference:invitation-sent").clone();
    assert_eq!(sent.tag.as_deref(), Some("ask"));
    let invited = json!({"bob@example.com": {"invitee": "bob@example.com", "id": "i1", "status": "invited"}});
    assert_eq!(sent.data["invitations"], invited);
    assert!(!sent.data.contains_key("participants"));
    last_names(&mut phone, &["conference:invitation-sent", "finished ask"]);
    phone.deliver(&[party_news("f1", "i1", "success", BOB)]);
    let accepted = find(&phone, "conference:invitation-accepted").clone();
    last_names(&mut phone, &["conference:invitation-accepted"]);
    assert_eq!(accepted.data["invitations"]["bob@example.com"]["status"], "accepted", "P-29");
    let active = json!({"bob@example.com": {"participant": "bob@example.com", "status": "active"}});
    assert_eq!((&accepted.data["participants"], accepted.tag.as_deref()), (&active, None));
    assert_eq!(accepted.data["participant"], "bob@example.com");
    assert_eq!(phone.call("getParticipants", Some(handle), Value::Null), Ok(active));
    let calls = phone.call("getCalls", None, Value::Null).expect("never refused");
    assert_eq!(calls[0]["participants"], json!([{"participant": "bob@example.com", "status": "active"}]));
    phone.finish();
}

fn last_names_of(phone: &mut Driver, name: &str, look: impl Fn(&Event)) {
    look(find(phone, name));
    last_names(phone, &[name]);
}

#[test]
fn an_invitation_is_declined_fails_and_is_repeated() {
    let mut phone = Driver::ready();
    phone.hosting();
    phone.invite("bob", BOB, "i1");
    phone.invite("+1 (555) 123-0000", "tel:+15551230000", "i2");
    phone.names();
    phone.deliver(&[party_news("f1", "i1", "User busy", BOB)]);
    let rejected = find(&phone, "conference:invitation-rejected").clone();
    assert_eq!(rejected.data["invitations"]["bob@example.com"]["status"], "rejected");
    assert_eq!(rejected.data["participant"], "bob@example.com");
    last_names(&mut phone, &["conference:invitation-rejected"]);
    phone.deliver(&[party_news("f1", "i2", "No answer", "tel:+15551230000")]);
    let notification = find(&phone, "notification").clone();
    assert_eq!(notification.data["invitations"]["15551230000"]["status"], "failed");
    assert_eq!(
        (text(&notification, "message"), text(&notification, "participant")),
        ("No answer".into(), "15551230000".into())
    );
    last_names(&mut phone, &["notification"]);
    // Doubled news change nothing, and both parties may be asked again.
    phone.deliver(&[party_news("f1", "i1", "User busy", BOB), party_news("f1", "i2", "No answer", "")]);
    assert!(phone.names().is_empty());
    phone.invite("bob", BOB, "i3");
    phone.invite("bob", BOB, "i4");
    phone.deliver(&[party_news("f1", "i3", "No answer", BOB)]);
    assert!(!phone.names().contains(&"notification".to_owned()), "the earlier one counts no more");
    phone.deliver(&[party_news("f1", "i4", "success", BOB)]);
    assert_eq!(phone.participants(), ["bob@example.com"]);
    for spelling in ["bob", "bob@example.com", " bob ", "bob@EXAMPLE.com"] {
        assert_eq!(phone.code("addParticipant", None, json!({"participant": spelling})), "3641", "{spelling}");
    }
    assert_eq!(phone.code("addParticipant", None, json!({"participant": "Bob@example.com"})), "ok", "another user");
    can_leave(phone);
}

#[test]
fn a_participant_is_removed() {
    let mut phone = Driver::ready();
    phone.hosting();
    phone.with_bob();
    phone.invite("carol", "sip:carol@example.com", "i2");
    phone.names();
    phone.call_tagged("out", "removeParticipant", None, json!({"participant": "bob@example.com"})).expect("accepted");
    assert!(phone.names().is_empty(), "nothing before the answer");
    phone.reply(Verb::Delete, &party_path(BOB), 202, &[("x-state", "remove-pending")], "");
    let removed = find(&phone, "conference:participant-removed").clone();
    last_names(&mut phone, &["conference:participant-removed", "finished out"]);
    assert_eq!((removed.tag.as_deref(), &removed.data["participant"]), (Some("out"), &json!("bob@example.com")));
    let left: Vec<&String> = removed.data["invitations"].as_object().expect("one is left").keys().collect();
    assert_eq!(left, ["carol@example.com"], "the invitation goes as well");
    assert!(!removed.data.contains_key("participants"), "empty");
    // Whoever is not on the list: the gateway decides, and the event comes all the same.
    phone.call("removeParticipant", None, json!({"participant": "dave"})).expect("accepted");
    phone.reply(Verb::Delete, &party_path("sip:dave@example.com"), 202, &[("x-state", "remove-pending")], "");
    assert!(phone.names().contains(&"conference:participant-removed".to_owned()));
    // The gateway may not know whom to remove: nobody is there, as was asked.
    phone.call_tagged("u", "removeParticipant", None, json!({"participant": "erin"})).expect("accepted");
    phone.reply(Verb::Delete, &party_path("sip:erin@example.com"), 404, &[], "no such participant");
    last_names(&mut phone, &["conference:participant-removed", "finished u"]);
    assert_eq!(phone.code("removeParticipant", None, json!({"participant": "sip:bob@x"})), "3700");
    // The word of a removed invitation comes late.
    phone.call("removeParticipant", None, json!({"participant": "carol"})).expect("accepted");
    phone.reply(Verb::Delete, &party_path("sip:carol@example.com"), 202, &[("x-state", "remove-pending")], "");
    phone.names();
    phone.deliver(&[party_news("f1", "i2", "success", "sip:carol@example.com")]);
    assert!(phone.names().is_empty() && phone.participants().is_empty());
    phone.finish();
}

/// P-30, D-31.
#[test]
fn a_participant_leaves_and_may_be_asked_again() {
    let mut phone = Driver::ready();
    phone.hosting();
    phone.with_bob();
    phone.names();
    phone.deliver(&[party_news("f1", "fresh", "Call terminated", BOB)]);
    let left = find(&phone, "notification").clone();
    last_names(&mut phone, &["notification"]);
    assert_eq!(
        (text(&left, "message"), text(&left, "participant")),
        ("Call terminated".into(), "bob@example.com".into())
    );
    assert!(!left.data.contains_key("participants") && !left.data.contains_key("invitations"));
    assert!(phone.participants().is_empty());
    phone.deliver(&[party_news("f1", "fresh", "Call terminated", BOB)]);
    assert_eq!(phone.names().last().map(String::as_str), Some("notification"), "news about nobody are shown");
    phone.with_bob();
    assert_eq!(phone.participants(), ["bob@example.com"]);
    phone.finish();
}

#[test]
fn news_that_overtake_the_answer_to_their_invitation_count() {
    let mut phone = Driver::ready();
    phone.hosting();
    phone.call("addParticipant", None, json!({"participant": "bob"})).expect("accepted");
    phone.names();
    phone.deliver(&[party_news("f1", "i1", "success", BOB)]);
    assert!(phone.names().is_empty());
    phone.reply(Verb::Put, &party_path(BOB), 202, &[("x-state", "add-pending"), ("x-modid", "i1")], "");
    last_names(&mut phone, &["conference:invitation-sent", "finished t3", "conference:invitation-accepted"]);
    phone.finish();
}

#[test]
fn an_invitation_that_the_gateway_does_not_take_leaves_no_trace() {
    type Answer<'a> = (u16, &'a [(&'a str, &'a str)], &'a str, &'a str);
    let cases: [Answer<'_>; 6] = [
        (202, &[("x-modid", "i1")], "", "error 3600"),
        (202, &[("x-state", "Add-Pending"), ("x-modid", "i1")], "", "error 3600"),
        (202, &[("x-state", "add-pending")], "", "error 3600"),
        (500, &[], "", "error 1000"),
        (404, &[("content-type", "text/plain")], "no such user", "error 1000"),
        (503, &[], "", "gateway:unreachable"),
    ];
    for (status, headers, body, told) in cases {
        let mut phone = Driver::ready();
        phone.hosting();
        phone.call_tagged("a", "addParticipant", None, json!({"participant": "bob"})).expect("accepted");
        phone.names();
        phone.reply(Verb::Put, &party_path(BOB), status, headers, body);
        let names = phone.names();
        assert!(names[0] == told && names[1].starts_with("finished a "), "{status}: {names:?}");
        phone.deliver(&[party_news("f1", "x", "success", BOB)]);
        assert!(phone.participants().is_empty());
        // The same for a removal.
        phone.call_tagged("r", "removeParticipant", None, json!({"participant": "bob"})).expect("accepted");
        phone.reply(Verb::Delete, &party_path(BOB), status, headers, body);
        assert!(phone.names().iter().any(|name| name.starts_with("finished r")), "{status}");
        can_leave(phone);
    }
}

#[test]
fn a_host_holds_resumes_and_mutes() {
    let mut phone = Driver::ready();
    let handle = phone.hosting();
    phone.with_bob();
    phone.names();
    phone.call_tagged("h", "hold", None, json!({})).expect("accepted");
    phone.describe(handle);
    let put = phone.find(Verb::Put, CONFERENCE).expect("the request");
    assert!(put.request.headers.contains(&("x-conference-action", "initiate-hold".to_owned())));
    let body: Value = serde_json::from_str(&put.request.body.expect("a body")).expect("JSON");
    assert_eq!(body, json!({"conferenceModifications": {"sdp": HOLD_SDP, "type": "offer"}}));
    phone.conference_taken();
    // While the hold is under way the lists go on.
    phone.deliver(&[party_news("f1", "fresh", "Call terminated", BOB)]);
    phone.conference_done(HELD_SDP);
    let held = find(&phone, "conference:held").clone();
    last_names(
        &mut phone,
        &[
            "sc connected>modification-initiated",
            "notification",
            "sc modification-initiated>held",
            "conference:held",
            "finished h",
        ],
    );
    assert_eq!((&held.data["operation"], &held.data["generator"]), (&json!("hold"), &json!("initiator")));
    assert_eq!(phone.code("addParticipant", None, json!({"participant": "carol"})), "ok", "also while held");
    phone.names();
    phone.call_tagged("r", "resume", None, json!({})).expect("accepted");
    phone.describe(handle);
    phone.conference_taken();
    phone.conference_done(AUDIO_SDP);
    last_names(
        &mut phone,
        &["sc held>modification-initiated", "sc modification-initiated>connected", "conference:resumed", "finished r"],
    );
    phone.call("mute", None, json!({})).expect("accepted");
    phone.call("mute", None, json!({})).expect("accepted");
    phone.call("unmute", Some(handle), json!({})).expect("accepted");
    let names = phone.names();
    let told: Vec<&String> = names.iter().filter(|name| !name.starts_with("finished")).collect();
    assert_eq!(told, ["call:muted", "warning", "call:unmuted"]);
    phone.finish();
}

/// Section 12: keys go as in calls. A conference of one's own is with nobody in particular (P-2).
#[test]
fn keys_are_pressed_in_a_conference() {
    let with_keys = AUDIO_SDP.replace("111 0", "111 0 126") + "a=rtpmap:126 telephone-event/8000\r\n";
    let mut phone = Driver::ready();
    let handle = phone.start_conference();
    phone.describe(handle);
    phone.conference_accepted("f1");
    phone.deliver(&[conference_event("f1", "session-open", &[("sdp", &with_keys)])]);
    phone.names();
    phone.call_tagged("k", "sendDTMFTone", None, json!({"input": "5"})).expect("accepted");
    phone.media(handle, MediaReport::ToneBegan { key: '5' });
    phone.media(handle, MediaReport::ToneEnded);
    let sent = find(&phone, "dtmf:tone-sent").clone();
    last_names(&mut phone, &["dtmf:tone-sending", "dtmf:tone-sent", "finished k"]);
    assert_eq!((sent.item, &sent.data["to"]), (Some(ItemRef::Conference(handle)), &json!("")));
    phone.finish();
}

#[test]
fn a_hold_that_fails_leaves_the_conference_as_it_was() {
    for (status, news) in [(500, None), (200, None), (204, Some("no")), (204, Some("User busy"))] {
        let mut phone = Driver::ready();
        let handle = phone.hosting();
        phone.with_bob();
        phone.call_tagged("h", "hold", None, json!({})).expect("accepted");
        phone.describe(handle);
        phone.names();
        phone.reply(Verb::Put, CONFERENCE, status, &[], "");
        if let Some(why) = news {
            phone.deliver(&[party_news("f1", "m9", why, "sip:focus@example.com")]);
        }
        let names = phone.names();
        assert!(names.iter().any(|name| name.starts_with("finished h ")), "{status} {news:?}: {names:?}");
        assert_eq!(names.contains(&"notification".to_owned()), news == Some("no"), "{names:?}");
        let state = phone.call("getCalls", None, Value::Null).expect("never refused")[0]["state"].clone();
        assert_eq!(state, "connected", "P-14, P-15");
        assert_eq!(phone.participants(), ["bob@example.com"]);
        can_leave(phone);
    }
}

#[test]
fn a_host_ends_its_conference() {
    for method in ["endConference", "hangup"] {
        let mut phone = Driver::ready();
        phone.hosting();
        phone.with_bob();
        phone.call("addParticipant", None, json!({"participant": "carol"})).expect("accepted");
        phone.names();
        phone.call_tagged("e", method, None, json!({})).expect("accepted");
        phone.call_tagged("e2", method, None, json!({})).expect("accepted, and does nothing more (P-42)");
        assert_eq!(phone.code("addParticipant", None, json!({"participant": "dave"})), "3631");
        assert_eq!(phone.code("removeParticipant", None, json!({"participant": "bob"})), "3731");
        let delete = phone.find(Verb::Delete, CONFERENCE).expect("the request");
        assert!(delete.request.headers.contains(&("x-delete-reason", "terminate".to_owned())));
        phone.answer(delete.id, 204, &[], "");
        phone.deliver(&[
            party_news("f1", "i1", "Call terminated", BOB),
            conference_event("f1", "session-terminated", &[]),
        ]);
        let ended = find(&phone, "conference:ended").clone();
        assert!(ended.data["participants"].as_object().is_some_and(|list| list.len() == 1), "the lists of a host");
        last_names(
            &mut phone,
            &[
                "sc connected>disconnecting",
                "conference:disconnecting",
                "error 3631",
                "error 3731",
                "sc disconnecting>disconnected",
                "conference:ended",
                "finished t4 3600",
                "finished e",
                "finished e2",
            ],
        );
        phone.finish();
    }
}

#[test]
fn a_conference_is_withdrawn_before_it_is_connected() {
    for stage in 0..3 {
        let mut phone = Driver::ready();
        let handle = phone.start_conference();
        if stage > 0 {
            phone.describe(handle);
        }
        if stage > 1 {
            phone.conference_accepted("f1");
        }
        phone.names();
        assert_eq!(phone.code("endConference", None, json!({})), "3502", "nothing is in the foreground");
        phone.call_tagged("c", "cancel", None, json!({})).expect("accepted");
        if stage == 1 {
            // P-64: DELETE follows the 201.
            phone.conference_accepted("f1");
        }
        if stage > 0 {
            let delete = phone.find(Verb::Delete, CONFERENCE).expect("the request");
            assert!(delete.request.headers.contains(&("x-delete-reason", "cancel".to_owned())));
            phone.answer(delete.id, 204, &[], "");
        }
        if stage == 2 {
            phone.deliver(&[conference_event("f1", "session-terminated", &[])]);
        }
        let names = phone.names();
        assert!(names.contains(&"conference:canceled".to_owned()), "{stage}: {names:?}");
        assert_eq!(phone.code("startConference", None, json!({})), "ok");
        phone.finish();
    }
}

#[test]
fn a_conference_that_cannot_be_started_ends_once() {
    type Case<'a> = (&'a str, &'a dyn Fn(&mut Driver, u64), &'a [&'a str]);
    let cases: [Case<'_>; 4] = [
        (
            "refused media",
            &|phone, handle| {
                let text = "no".into();
                phone.media(handle, MediaReport::Failed { kind: MediaFailure::Denied, text });
            },
            &["error 0020", "sc created>disconnected", "conference:ended", "finished t2 0020"],
        ),
        (
            "refused by the gateway",
            &|phone, handle| {
                phone.describe(handle);
                phone.reply(Verb::Post, "/sessions/s1/conferences", 500, &[], "");
            },
            &["error 1000", "sc created>disconnected", "conference:ended", "finished t2 1000"],
        ),
        (
            "no id",
            &|phone, handle| {
                phone.describe(handle);
                phone.reply(Verb::Post, "/sessions/s1/conferences", 201, &[], "");
            },
            &["error 3100", "sc created>disconnected", "conference:ended", "finished t2 3100"],
        ),
        (
            "declined as busy",
            &|phone, handle| {
                phone.describe(handle);
                phone.conference_accepted("f1");
                phone.names();
                phone.deliver(&[conference_event("f1", "session-terminated", &[("reason", "User busy")])]);
            },
            &["sc connecting>disconnected", "conference:ended", "finished t2 3100"],
        ),
    ];
    for (what, fail, events) in cases {
        let mut phone = Driver::ready();
        let handle = phone.start_conference();
        phone.names();
        fail(&mut phone, handle);
        assert_eq!(phone.names(), events, "{what}");
        assert_eq!(phone.code("startConference", None, json!({})), "ok", "{what}");
        phone.finish();
    }
}

#[test]
fn a_host_that_offers_video_gets_what_the_gateway_takes() {
    let mut phone = Driver::new(video_config());
    phone.login();
    let value = phone.call("startConference", None, json!({})).expect("accepted");
    let handle = value["conference"].as_u64().expect("a handle");
    phone.describe(handle);
    phone.conference_accepted("f1");
    phone.deliver(&[conference_event("f1", "session-open", &[("sdp", AUDIO_SDP)])]);
    let connected = find(&phone, "conference:connected");
    assert_eq!((&connected.data["mediaType"], &connected.data["downgrade"]), (&json!("audio"), &json!(true)));
    phone.finish();
}

#[test]
fn requests_about_parties_are_bounded() {
    let mut phone = Driver::ready();
    phone.hosting();
    let mut codes = Vec::new();
    for n in 0..20 {
        codes.push(phone.code("addParticipant", None, json!({"participant": format!("p{n}")})));
    }
    assert_eq!(codes.iter().filter(|code| *code == "ok").count(), 16);
    assert_eq!(codes.last().map(String::as_str), Some("3600"));
    assert_eq!(phone.code("removeParticipant", None, json!({"participant": "p0"})), "3700");
    can_leave(phone);
}
