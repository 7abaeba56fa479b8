//! Every method in the stages within the columns of the table of phone-behaviour.md section 19: of a call that is being set
//! up or ended, of a change, of a transfer.

mod core_support;

use core_support::{Driver, HOLD_SDP, VIDEO_SDP, event, video_config};
use ewebrtc::core::{Handle, Verb};
use serde_json::{Value, json};

/// The stages of a call within the columns of the table, reached one after another.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Stage {
    Offering,
    Posting,
    Awaiting,
    Canceling,
    Preparing,
    Answering,
    Confirming,
    Rejecting,
    HangingUp,
    HungUp,
}

fn reach(stage: Stage) -> (Driver, Handle) {
    let mut phone = Driver::ready();
    let path = "/sessions/s1/calls/c1";
    let handle = match stage {
        Stage::Offering => phone.call("dial", None, json!({"destination": "bob"})).expect("accepted")["call"].as_u64(),
        Stage::Posting => Some(phone.dial()),
        Stage::Awaiting | Stage::Canceling => {
            let handle = phone.dial();
            phone.accepted("c1");
            if stage == Stage::Canceling {
                phone.call("cancel", None, json!({})).expect("accepted");
            }
            Some(handle)
        }
        Stage::Preparing | Stage::Answering | Stage::Confirming => {
            let handle = phone.ringing("c1");
            phone.call("answer", None, json!({})).expect("accepted");
            if stage != Stage::Preparing {
                phone.describe(handle);
            }
            if stage == Stage::Confirming {
                phone.reply(Verb::Put, path, 200, &[], "");
            }
            Some(handle)
        }
        Stage::Rejecting => {
            let handle = phone.ringing("c1");
            phone.call("reject", None, json!({})).expect("accepted");
            Some(handle)
        }
        Stage::HangingUp | Stage::HungUp => {
            let handle = phone.talking("c1");
            phone.call("hangup", None, json!({})).expect("accepted");
            if stage == Stage::HungUp {
                phone.reply(Verb::Delete, path, 204, &[], "");
            }
            Some(handle)
        }
    };
    phone.names();
    (phone, handle.expect("a handle"))
}

#[test]
fn every_method_in_every_stage_of_a_call() {
    let methods =
        ["login", "dial", "answer", "hangup", "cancel", "reject", "mute", "unmute", "logout", "associateE911Id"];
    let options = [
        json!({"token": "t"}),
        json!({"destination": "bob"}),
        json!({}),
        json!({}),
        json!({}),
        json!({}),
        json!({}),
        json!({}),
        json!({}),
        json!({"e911Id": "E"}),
    ];
    let outgoing = ["2003", "2251", "2331", "2402", "ok", "3002", "2702", "2802", "ok", "ok"];
    let incoming = ["2003", "2251", "2331", "2402", "2902", "ok", "2702", "2802", "ok", "ok"];
    let ending = ["2003", "2252", "2331", "ok", "2902", "3002", "ok", "ok", "ok", "ok"];
    for (stage, codes) in [
        (Stage::Offering, outgoing),
        (Stage::Posting, outgoing),
        (Stage::Awaiting, outgoing),
        (Stage::Canceling, outgoing),
        (Stage::Preparing, incoming),
        (Stage::Answering, incoming),
        (Stage::Confirming, incoming),
        (Stage::Rejecting, incoming),
        (Stage::HangingUp, ending),
        (Stage::HungUp, ending),
    ] {
        for ((method, options), code) in methods.iter().zip(&options).zip(codes) {
            let (mut phone, _) = reach(stage);
            assert_eq!(phone.code(method, None, options.clone()), code, "{method} while {stage:?}");
            phone.finish();
        }
    }
}

/// The same of a conference that is set up or ended, by either side.
#[test]
fn every_method_in_every_stage_of_a_conference() {
    let methods = [
        ("startConference", json!({})),
        ("joinConference", json!({})),
        ("rejectConference", json!({})),
        ("endConference", json!({})),
        ("addParticipant", json!({"participant": "bob"})),
        ("removeParticipant", json!({"participant": "bob"})),
        ("getParticipants", json!({})),
        ("answer", json!({})),
        ("cancel", json!({})),
        ("reject", json!({})),
        ("hangup", json!({})),
        ("hold", json!({})),
        ("mute", json!({})),
        ("dial", json!({"destination": "bob"})),
        ("logout", json!({})),
    ];
    // start join rejectC end add remove get answer cancel reject hangup hold mute dial logout.
    let starting = [
        "3100", "3231", "3302", "3502", "3631", "3731", "3402", "2331", "ok", "3002", "2402", "2502", "2702", "2251",
        "ok",
    ];
    let joining = [
        "3100", "3231", "ok", "3502", "3631", "3731", "3402", "2331", "2902", "3002", "2402", "2502", "2702", "2251",
        "ok",
    ];
    let hosted_ending =
        ["3100", "3231", "3302", "ok", "3631", "3731", "ok", "2331", "2902", "3002", "ok", "2503", "ok", "2252", "ok"];
    let joined_ending = [
        "3100", "3231", "3302", "ok", "3631", "3731", "3402", "2331", "2902", "3002", "ok", "2503", "ok", "2252", "ok",
    ];
    let begin = |phone: &mut Driver, method: &str| drop(phone.call(method, None, json!({})).expect("accepted"));
    type Reach<'a> = &'a dyn Fn(&mut Driver);
    let stages: [(&str, Reach<'_>, [&str; 15]); 9] = [
        (
            "its offer is made",
            &|p| {
                p.start_conference();
            },
            starting,
        ),
        (
            "its POST is in flight",
            &|p| {
                let handle = p.start_conference();
                p.describe(handle);
            },
            starting,
        ),
        (
            "the gateway has it",
            &|p| {
                let handle = p.start_conference();
                p.describe(handle);
                p.conference_accepted("f1");
            },
            starting,
        ),
        (
            "it is withdrawn",
            &|p| {
                let handle = p.start_conference();
                p.describe(handle);
                p.conference_accepted("f1");
                begin(p, "cancel");
            },
            starting,
        ),
        (
            "the answer is made",
            &|p| {
                p.invited("f1");
                begin(p, "joinConference");
            },
            joining,
        ),
        (
            "the answer is in flight",
            &|p| {
                let handle = p.invited("f1");
                begin(p, "joinConference");
                p.describe(handle);
            },
            joining,
        ),
        (
            "it is declined",
            &|p| {
                p.invited("f1");
                begin(p, "rejectConference");
            },
            joining,
        ),
        (
            "the host ends it",
            &|p| {
                p.hosting();
                begin(p, "endConference");
            },
            hosted_ending,
        ),
        (
            "a participant leaves",
            &|p| {
                p.joined();
                begin(p, "hangup");
            },
            joined_ending,
        ),
    ];
    for (stage, reach, codes) in stages {
        for ((method, options), code) in methods.iter().zip(codes) {
            let mut phone = Driver::ready();
            reach(&mut phone);
            assert_eq!(phone.code(method, None, options.clone()), code, "{method} when {stage}");
            phone.finish();
        }
    }
}

#[test]
fn hangup_on_a_handle_does_what_the_stage_demands() {
    let cases = [
        (Stage::Offering, "", "call:canceled"),
        (Stage::Posting, "", "call:canceled"),
        (Stage::Awaiting, "cancel", "call:canceled"),
        (Stage::Canceling, "cancel", "call:canceled"),
        (Stage::Preparing, "reject", "call:rejected"),
        (Stage::Answering, "terminate", "call:rejected"),
        (Stage::Confirming, "terminate", "call:rejected"),
        (Stage::Rejecting, "reject", "call:rejected"),
        (Stage::HangingUp, "terminate", "call:disconnected"),
        (Stage::HungUp, "", "call:disconnected"),
    ];
    for (stage, reason, terminal) in cases {
        let (mut phone, handle) = reach(stage);
        phone.call_tagged("bye", "hangup", Some(handle), json!({})).expect("hangup is never refused here");
        if let Some(delete) = phone.find(Verb::Delete, "/sessions/s1/calls/c1") {
            let sent = delete.request.headers.iter().find(|(n, _)| *n == "x-delete-reason").map(|(_, v)| v.as_str());
            assert_eq!(sent, Some(reason), "{stage:?}");
            phone.answer(delete.id, 204, &[], "");
        } else {
            assert_eq!(reason, "", "{stage:?}");
        }
        if phone.laws.live() > 0 {
            phone.deliver(&[event("c1", "session-terminated", &[])]);
        }
        let names = phone.names();
        assert!(
            names.contains(&terminal.to_owned()) && names.contains(&"finished bye".to_owned()),
            "{stage:?}: {names:?}"
        );
        // The line is free again.
        assert_eq!(phone.code("dial", None, json!({"destination": "carol"})), "ok", "{stage:?}");
        phone.finish();
    }
}

/// The stages of changes and of a transfer within the columns of the table, and what getCalls says of the first call then.
#[test]
fn every_method_in_every_stage_of_a_change() {
    let methods = [
        ("hold", json!({})),
        ("resume", json!({})),
        ("move", json!({})),
        ("upgrade", json!({})),
        ("downgrade", json!({})),
        ("acceptModification", json!({})),
        ("rejectModification", json!({})),
        ("switchCall", json!({})),
        ("transfer", json!({})),
        ("addCall", json!({"destination": "carol"})),
        ("dial", json!({"destination": "carol"})),
        ("mute", json!({})),
        ("hangup", json!({})),
        ("logout", json!({})),
        ("sendDTMFTone", json!({"input": "1"})),
    ];
    // hold resume move upgrade downgrade accept reject switch transfer addCall, then dial mute hangup logout sendDTMFTone.
    let busy = ["2503", "2603", "4003", "4603", "4504", "4304", "4404", "4203", "4105", "3900"];
    let asked = ["2503", "2603", "4003", "4603", "4504", "ok", "ok", "4203", "4105", "3900"];
    let upgrading = ["2503", "2603", "4003", "4604", "4503", "4304", "4404", "4203", "4105", "3900"];
    let held = ["2503", "ok", "4003", "4603", "4503", "4304", "4404", "4203", "4105", "ok"];
    let held_busy = ["2503", "2603", "4003", "4603", "4503", "4304", "4404", "4203", "4105", "ok"];
    let front = ["ok", "2603", "ok", "ok", "4504", "4304", "4404", "4200", "4103", "3961"];
    let offer = |mod_id: &str, sdp: &str| event("c1", "mod-received", &[("modId", mod_id), ("sdp", sdp)]);
    let begin = |phone: &mut Driver, method: &str| drop(phone.call(method, None, json!({})).expect("accepted"));
    let success = |state: &str| event("c1", state, &[("reason", "success")]);
    type Reach<'a> = &'a dyn Fn(&mut Driver, Handle);
    let stages: [(&str, Reach<'_>, [&str; 10], &str); 14] = [
        ("the offer of a hold is made", &|p, _| begin(p, "hold"), busy, "connected"),
        (
            "a hold is in flight",
            &|p, c| {
                begin(p, "hold");
                p.describe(c);
            },
            busy,
            "connected",
        ),
        (
            "a hold is pending",
            &|p, c| {
                begin(p, "hold");
                p.requested(c, "c1");
            },
            busy,
            "modification-initiated",
        ),
        ("held", &|p, c| p.held(c, "c1"), held, "held"),
        (
            "a resume is made",
            &|p, c| {
                p.held(c, "c1");
                begin(p, "resume");
            },
            held_busy,
            "held",
        ),
        (
            "an upgrade is pending",
            &|p, c| {
                begin(p, "upgrade");
                p.requested(c, "c1");
            },
            upgrading,
            "modification-initiated",
        ),
        ("the user is asked", &|p, _| p.deliver(&[offer("m", VIDEO_SDP)]), asked, "connected"),
        ("the answer to a hold is made", &|p, _| p.deliver(&[offer("m", HOLD_SDP)]), busy, "connected"),
        (
            "the answer is in flight",
            &|p, c| {
                p.deliver(&[offer("m", HOLD_SDP)]);
                p.describe(c);
            },
            busy,
            "connected",
        ),
        (
            "the answer is taken",
            &|p, c| {
                p.deliver(&[offer("m", HOLD_SDP)]);
                p.requested(c, "c1");
            },
            busy,
            "modification-accepted",
        ),
        (
            "a move has begun",
            &|p, c| {
                begin(p, "move");
                p.requested(c, "c1");
                p.deliver(&[success("move-terminated")]);
            },
            busy,
            "move-initiated",
        ),
        (
            "a move has failed",
            &|p, c| {
                begin(p, "move");
                p.requested(c, "c1");
                p.deliver(&[event("c1", "move-terminated", &[("reason", "No")])]);
            },
            busy,
            "move-failed",
        ),
        (
            "moved",
            &|p, c| {
                begin(p, "move");
                p.requested(c, "c1");
                p.deliver(&[success("move-terminated"), event("c1", "session-modified", &[])]);
            },
            busy,
            "moved",
        ),
        (
            "the other call is being transferred",
            &|p, c| {
                p.second_call(c);
                begin(p, "transfer");
                p.taken("c1");
                p.deliver(&[event("c1", "transfer-initiated", &[])]);
            },
            front,
            "transferring",
        ),
    ];
    for (stage, reach, codes, state) in stages {
        // Only the state counts; that of the call in front, which in the last stage is the added one.
        let keys = if state == "connected" || state == "transferring" { "ok" } else { "4741" };
        let common = ["2252", "ok", "ok", "ok", keys];
        for ((method, options), code) in methods.iter().zip(codes.iter().chain(&common)) {
            let mut phone = Driver::new(video_config());
            phone.login();
            let call = phone.talking("c1");
            reach(&mut phone, call);
            let list = phone.call("getCalls", None, Value::Null).expect("never refused");
            assert_eq!(list[0]["state"], state, "{stage}");
            assert_eq!(phone.code(method, None, options.clone()), *code, "{method} when {stage}");
            phone.finish();
        }
    }
}
