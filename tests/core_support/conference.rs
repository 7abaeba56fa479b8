//! What the driver of the core does about conferences.
//!
//! Owns: the gateway's events and answers about conferences, and the ways into one. Lives on: the test's thread.

use super::{AUDIO_SDP, Driver, SID, event};
use ewebrtc::core::{Event, Handle, Verb};
use serde_json::{Value, json};
use std::time::Duration;

/// Address of the other party in these tests.
pub const BOB: &str = "sip:bob@example.com";
/// Path of the conference of these tests.
pub const CONFERENCE: &str = "/sessions/s1/conferences/f1";

/// The last event of this name.
pub fn find<'a>(phone: &'a Driver, name: &str) -> &'a Event {
    phone.events.iter().rev().find(|e| e.name == name).unwrap_or_else(|| panic!("no {name}: {:?}", phone.events))
}

/// The events since the last look are these.
#[track_caller]
pub fn last_names(phone: &mut Driver, wanted: &[&str]) {
    assert_eq!(phone.names(), wanted);
}

/// Whatever the state: the user ends what there is, and can make another item though the gateway's word never comes.
pub fn can_leave(mut phone: Driver) {
    for method in ["hangup", "cancel", "rejectConference"] {
        let _ = phone.call(method, None, json!({}));
    }
    if let Some(delete) = phone.find(Verb::Delete, CONFERENCE) {
        phone.answer(delete.id, 204, &[], "");
    }
    phone.advance(Duration::from_secs(6));
    assert_eq!(phone.code("dial", None, json!({"destination": "bob"})), "ok");
    phone.finish();
}

/// An event object about a conference.
pub fn conference_event(id: &str, state: &str, members: &[(&str, &str)]) -> Value {
    let mut object = event(id, state, members);
    object["type"] = "conferences".into();
    object["resourceURL"] = format!("/RTC/v1/sessions/{SID}/conferences/{id}").into();
    object
}

/// An invitation to a conference.
pub fn conference_invitation(id: &str) -> Value {
    conference_event(id, "invitation-received", &[("sdp", AUDIO_SDP)])
}

/// The end of an invitation, as its host hears of it; without a reason where `why` is empty.
pub fn party_news(id: &str, mod_id: &str, why: &str, from: &str) -> Value {
    let members = [("modId", mod_id), ("from", from), ("reason", why)];
    let members: Vec<(&str, &str)> = members.into_iter().filter(|(_, value)| !value.is_empty()).collect();
    conference_event(id, "mod-terminated", &members)
}

/// Path of a party of the conference `f1`.
pub fn party_path(uri: &str) -> String {
    ewebrtc_wire::path::participant(SID, "f1", uri)
}

impl Driver {
    /// Starts a conference; its offer is still to be made.
    pub fn start_conference(&mut self) -> Handle {
        let value = self.call("startConference", None, json!({"mediaType": "audio"}));
        value.expect("startConference is accepted")["conference"].as_u64().expect("a handle")
    }

    /// The gateway takes the conference as `id`.
    pub fn conference_accepted(&mut self, id: &str) {
        let location = format!("/RTC/v1/sessions/{SID}/conferences/{id}");
        self.reply(Verb::Post, &format!("/sessions/{SID}/conferences"), 201, &[("location", &location)], "");
    }

    /// A conference of this phone that is connected, as `f1`.
    pub fn hosting(&mut self) -> Handle {
        let handle = self.start_conference();
        self.describe(handle);
        self.conference_accepted("f1");
        self.deliver(&[conference_event("f1", "session-open", &[("sdp", AUDIO_SDP)])]);
        handle
    }

    /// A conference that this phone has joined, as `f1`.
    pub fn joined(&mut self) -> Handle {
        let handle = self.invited("f1");
        self.call("joinConference", None, json!({})).expect("joinConference is accepted");
        self.describe(handle);
        self.reply(Verb::Put, &format!("/sessions/{SID}/conferences/f1"), 200, &[], "");
        self.deliver(&[conference_event("f1", "session-modified", &[])]);
        handle
    }

    /// An invitation to a conference that has come.
    pub fn invited(&mut self, id: &str) -> Handle {
        self.deliver(&[conference_invitation(id)]);
        self.last_item()
    }

    /// Asks a party into `f1`; the gateway takes the invitation as `mod_id`.
    pub fn invite(&mut self, who: &str, uri: &str, mod_id: &str) {
        self.call("addParticipant", None, json!({"participant": who})).expect("addParticipant is accepted");
        self.reply(Verb::Put, &party_path(uri), 202, &[("x-state", "add-pending"), ("x-modid", mod_id)], "");
    }

    /// Bob is in `f1`, invited as `i1`.
    pub fn with_bob(&mut self) {
        self.invite("bob", "sip:bob@example.com", "i1");
        self.deliver(&[party_news("f1", "i1", "success", "sip:bob@example.com")]);
    }

    /// The gateway takes a change of `f1`, or our answer to one.
    pub fn conference_taken(&mut self) {
        self.reply(Verb::Put, &format!("/sessions/{SID}/conferences/f1"), 204, &[], "");
    }

    /// A change of ours of `f1` is done, with this answer.
    pub fn conference_done(&mut self, sdp: &str) {
        self.deliver(&[conference_event("f1", "mod-terminated", &[("reason", "success"), ("sdp", sdp)])]);
    }

    /// The participants as getParticipants says.
    pub fn participants(&mut self) -> Vec<String> {
        let list = self.call("getParticipants", None, Value::Null).expect("this phone hosts");
        list.as_object().expect("an object").keys().cloned().collect()
    }
}
