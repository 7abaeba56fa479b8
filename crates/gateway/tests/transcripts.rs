//! The recordings of the original client: its requests, as it sent them, to our gateway. What comes back must be what made
//! that client work, save the differences on purpose that `transcripts/README.md` lists.

mod common;

use std::collections::{HashMap, VecDeque};
use std::path::PathBuf;
use std::time::Duration;

use common::*;
use ewebrtc_wire::{decode_events, item_id_of, reason, session_id_of};
use serde_json::Value;
use tokio::sync::mpsc;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../wire/data/transcripts")
}

fn recording(name: &str) -> Value {
    let text = std::fs::read_to_string(folder().join(format!("{name}.json"))).expect("a recording");
    serde_json::from_str(&text).expect("JSON")
}

fn sdp(entry: &Value) -> Option<String> {
    let file = entry["sdpFile"].as_str()?;
    Some(std::fs::read_to_string(folder().join(file)).expect("a description"))
}

/// One page of a recording: what its placeholders stand for here, and its events.
struct Page<'a> {
    ids: HashMap<String, String>,
    events: Option<mpsc::Receiver<Value>>,
    last_sdp: HashMap<String, String>,
    /// It has had early media, and waits for the answer.
    early: bool,
    /// Recorded events that come later here.
    deferred: Vec<&'a Value>,
}

impl<'a> Page<'a> {
    fn fill(&self, text: &str) -> String {
        self.ids.iter().fold(text.to_owned(), |text, (name, id)| text.replace(name, id))
    }

    /// Learns the id behind the last placeholder of a recorded path.
    fn learn(&mut self, recorded: &str, real: &str) {
        let name = recorded.rsplit('/').next().unwrap_or_default();
        let item = recorded.contains("/calls/") || recorded.contains("/conferences/");
        let id = if item { item_id_of(real) } else { session_id_of(real) };
        let id = id.unwrap_or_else(|| panic!("{real}")).to_owned();
        self.name(name, &id);
    }

    /// What this placeholder stands for is this id, now and later.
    fn name(&mut self, name: &str, id: &str) {
        if name.starts_with('{') {
            let known = self.ids.entry(name.to_owned()).or_insert_with(|| id.to_owned());
            assert_eq!(known, id, "{name}");
        }
    }
}

impl<'a> Page<'a> {
    async fn next(&mut self, what: &str) -> Value {
        let events = self.events.as_mut().expect("it polls");
        let real = tokio::time::timeout(Duration::from_secs(5), events.recv()).await;
        real.unwrap_or_else(|_| panic!("{what}: no event")).expect("the channel is open")
    }

    async fn expect_with_deferred(&mut self, entry: &'a Value, what: &str) {
        for earlier in std::mem::take(&mut self.deferred) {
            self.expect(earlier, what).await;
        }
        self.expect(entry, what).await;
    }

    /// The next event is the recorded one, save the differences on purpose.
    async fn expect(&mut self, entry: &Value, what: &str) {
        let recorded = &entry["event"];
        if recorded["state"] == "invitation-received" && recorded.get("sdp").is_none() {
            // The stub rang one session of the user for the call that is now moved, ours rang all of them (D-20).
            for state in ["invitation-received", "session-terminated"] {
                assert_eq!(self.next(what).await["state"], state, "{what}");
            }
        }
        let real = self.next(what).await;
        self.learn(recorded["resourceURL"].as_str().expect("a URL"), real["resourceURL"].as_str().expect("a URL"));
        assert_eq!(real["type"], recorded["type"], "{what}");
        assert_eq!(real["from"], recorded["from"], "{what}");
        assert_eq!(real["sdp"].as_str(), sdp(entry).as_deref(), "{what}: passed through end to end");
        // Without a description the stub confirmed a call with either; ours tells the callee `session-modified`, and the
        // caller, who has had early media, `session-open` (section 3.3.2).
        let state = match (recorded["state"].as_str().expect("a state"), recorded.get("sdp").is_none()) {
            ("session-open", true) => "session-modified",
            ("session-modified", true) if std::mem::take(&mut self.early) => "session-open",
            (state, _) => state,
        };
        assert_eq!(real.get("provisionalSDP"), recorded.get("provisionalSDP"), "{what}");
        self.early |= recorded["provisionalSDP"] == true;
        assert_eq!(real["state"], state, "{what}");
        assert_eq!(real.get("modId").is_some(), recorded.get("modId").is_some(), "{what}");
        if let (Some(name), Some(id)) = (recorded["modId"].as_str(), real["modId"].as_str()) {
            self.name(name, id);
        }
        match (recorded.get("reason").and_then(Value::as_str), real.get("reason").and_then(Value::as_str)) {
            (Some("User not found"), reason) => assert_eq!(reason, Some("Not found"), "{what}"),
            (Some("No other device"), reason) => {
                assert_eq!(reason, Some("No other session"), "{what}");
                // The way back (section 5.11), which the stub leaves out.
                for (state, direction) in [("session-modified", "a=recvonly"), ("mod-received", "a=sendrecv")] {
                    let restored = self.next(what).await;
                    assert_eq!(restored["state"], state, "{what}");
                    assert!(restored["sdp"].as_str().is_some_and(|s| s.contains(direction)), "{what}: {restored}");
                }
            }
            // D-13: the party that did not hang up may hear a text.
            (None, reason) => assert!(reason.is_none_or(|text| FAREWELLS.contains(&text)), "{what}: {reason:?}"),
            (recorded, reason) => assert_eq!(reason, recorded, "{what}"),
        }
    }
}

/// What those hear whose call or conference others have ended.
const FAREWELLS: [&str; 3] = ["Call terminated", reason::CONFERENCE_ENDED, reason::REMOVED];

/// The host's end of a conference that a participant has left before.
const LEAVER_IS_GONE: &str = "conference-leave entry 62";

/// What the stub's mixer has said: the descriptions of each seat, in the order in which the seats were made.
fn mixed(entries: &[Value]) -> Vec<VecDeque<String>> {
    let mut seats: Vec<(&Value, VecDeque<String>)> = Vec::new();
    for entry in entries.iter().filter(|e| e["event"]["type"] == "conferences") {
        let Some(said) = sdp(entry) else { continue };
        match seats.iter_mut().find(|(page, _)| **page == entry["page"]) {
            Some((_, seat)) => seat.push_back(said),
            None => seats.push((&entry["page"], [said].into())),
        }
    }
    seats.into_iter().map(|(_, seat)| seat).collect()
}

/// Polls as the original client does, one poll at a time, until the session is gone.
fn poll(client: reqwest::Client, url: String, headers: Vec<(String, String)>) -> mpsc::Receiver<Value> {
    let (sender, receiver) = mpsc::channel(100);
    tokio::spawn(async move {
        loop {
            let mut request = client.get(&url);
            for (name, value) in &headers {
                request = request.header(name, value);
            }
            let Ok(response) = request.send().await else { return };
            match response.status().as_u16() {
                204 => {}
                200 => {
                    let body = response.text().await.expect("a body");
                    for event in decode_events(body.as_bytes()).expect("events") {
                        if sender.send(event.event.to_value()).await.is_err() {
                            return;
                        }
                    }
                }
                _ => return,
            }
        }
    });
    receiver
}

/// Opens the socket at this address and hands on its events until it closes.
async fn listen(url: &str) -> mpsc::Receiver<Value> {
    let mut socket = Socket::open(url).await.expect("the socket opens");
    let (sender, receiver) = mpsc::channel(100);
    tokio::spawn(async move {
        while let Some(events) = socket.next().await {
            for event in events {
                if sender.send(event.event.to_value()).await.is_err() {
                    return;
                }
            }
        }
    });
    receiver
}

/// Statuses and header values that differ on purpose (D-1).
fn ours(recorded: &Value, request: &Value) -> (u16, Option<String>) {
    let status = recorded["status"].as_u64().expect("a status") as u16;
    let state = recorded["headers"]["x-state"].as_str().map(str::to_owned);
    let headers = &request["headers"];
    if headers["x-calls-action"] == "call-answer" || headers["x-conference-action"] == "call-answer" {
        return (200, Some("accepted".into()));
    }
    if request["path"].as_str().is_some_and(|p| p.contains("/participants/")) {
        return (202, state);
    }
    let session = request["path"].as_str().is_some_and(|p| p.matches('/').count() == 4);
    if request["method"] == "PUT" && session {
        return (200, state);
    }
    (status, state)
}

async fn replay(name: &str) {
    let recording = recording(name);
    let entries = recording["entries"].as_array().expect("entries");
    let told = |state: &str| entries.iter().find(|e| e["event"]["state"] == state).and_then(sdp);
    let early = entries.iter().any(|e| e["event"]["provisionalSDP"] == true);
    let anchor = told("session-open").zip(told("invitation-received")).filter(|_| early);
    let s = Server::start_with(|c| {
        c.domain = "stub.test".into();
        c.mixer = fake_mixer(mixed(entries));
        if let Some((answer, offer)) = anchor {
            (c.ringback, c.anchor) = (true, fake_anchor(answer, offer));
        }
    })
    .await;
    let mut pages: HashMap<String, Page<'_>> = HashMap::new();
    for (page, facts) in recording["pages"].as_object().expect("pages") {
        let address = facts["address"].as_str().expect("an address");
        let user = address.strip_prefix("sip:").unwrap_or(address);
        let ids = HashMap::from([("{token}".to_owned(), s.token(user))]);
        pages.insert(
            page.clone(),
            Page { ids, events: None, last_sdp: HashMap::new(), early: false, deferred: Vec::new() },
        );
    }
    let mut replayed = 0;
    for (at, entry) in entries.iter().enumerate() {
        let what = format!("{name} entry {}", entry["i"]);
        let page = entry["page"].as_str().unwrap_or_default();
        match entry["kind"].as_str() {
            Some("request") => {
                let known = pages.get_mut(page).expect("a page");
                let recorded_path = entry["path"].as_str().expect("a path");
                let path = known.fill(recorded_path);
                let headers: Vec<(String, String)> = entry["headers"]
                    .as_object()
                    .expect("headers")
                    .iter()
                    .map(|(n, v)| (n.clone(), known.fill(v.as_str().expect("text"))))
                    .collect();
                if path.ends_with("/events") {
                    if known.events.is_none() {
                        let url = format!("{}{path}", s.gateway.url());
                        known.events = Some(poll(s.client.clone(), url, headers));
                    }
                    continue;
                }
                let mut body = entry["body"].clone();
                if let Some(text) = sdp(entry) {
                    for part in ["call", "callsMediaModifications", "conference", "conferenceModifications"] {
                        if body.get(part).is_some() {
                            body[part]["sdp"] = text.clone().into();
                        }
                    }
                    known.last_sdp.insert(recorded_path.to_owned(), text);
                }
                let headers: Vec<(&str, &str)> = headers.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
                let body = (!body.is_null()).then(|| body.to_string());
                let reply = s.send(entry["method"].as_str().expect("a method"), &path, &headers, body).await;
                let response = entries[at..]
                    .iter()
                    .find(|e| {
                        e["kind"] == "response"
                            && e["page"] == page
                            && e["method"] == entry["method"]
                            && e["path"] == entry["path"]
                    })
                    .expect("a recorded response");
                let (status, state) = ours(response, entry);
                assert_eq!(reply.status, status, "{what}: {reply:?}");
                assert_eq!(reply.header("x-state"), state.as_deref(), "{what}");
                let error = &response["body"]["RequestError"];
                let expected =
                    ["ServiceException", "PolicyException"].iter().find_map(|c| error[c]["MessageId"].as_str());
                if status >= 400 {
                    assert_eq!(reply.message_id().as_deref(), expected, "{what}");
                } else {
                    assert_eq!(reply.body, "", "{what}");
                }
                let mod_id = |headers: &Value| headers["x-modid"].as_str().map(str::to_owned);
                assert_eq!(mod_id(&response["headers"]).is_some(), reply.header("x-modid").is_some(), "{what}");
                if let (Some(recorded), Some(real)) = (mod_id(&response["headers"]), reply.header("x-modid")) {
                    known.name(&recorded, real);
                }
                if response["headers"]["x-expires"].is_string() {
                    assert_eq!(reply.header("x-expires"), Some("3600"), "{what}");
                }
                if path.ends_with("/websockets") {
                    // The stub's one-time id is a part of the path, ours is the query (D-38).
                    let url = reply.header("location").expect("Location");
                    let expected = format!("ws://{}{path}?", s.gateway.address());
                    assert!(url.starts_with(&expected) && url.len() > expected.len() + 30, "{what}: {url}");
                    known.events = Some(listen(url).await);
                    replayed += 1;
                    continue;
                }
                match (response["headers"]["location"].as_str(), reply.header("location")) {
                    (Some(recorded), Some(real)) => {
                        known.learn(recorded, real);
                        assert_eq!(known.fill(recorded), real, "{what}");
                    }
                    (recorded, real) => assert_eq!(recorded, real, "{what}"),
                }
                replayed += 1;
            }
            Some("event") if entry["event"]["state"] == "move-terminated" && entry["event"]["reason"] == "success" => {
                // The stub tells the mover before anybody has taken over, ours when somebody has (section 5.11).
                pages.get_mut(page).expect("a page").deferred.push(entry);
            }
            Some("event") if what == LEAVER_IS_GONE => {
                // Ours has told the host before that the participant has left (D-31), the stub said nothing.
                let host = pages.get_mut(page).expect("a page");
                let left = host.next(&what).await;
                assert_eq!(
                    (&left["state"], &left["reason"]),
                    (&"mod-terminated".into(), &reason::LEFT.into()),
                    "{what}"
                );
                assert_eq!(left["from"], "sip:bob@stub.test", "{what}");
                host.expect(entry, &what).await;
            }
            Some("event") => pages.get_mut(page).expect("a page").expect_with_deferred(entry, &what).await,
            _ => {}
        }
    }
    assert!(replayed > 0, "{name}: nothing was replayed");
    let logged_in = pages.values().any(|p| p.events.is_some());
    for (page, mut known) in pages {
        if let Some(events) = known.events.as_mut() {
            // The session is deleted at the end of every recording: its channel ends, with nothing left in it.
            let rest = tokio::time::timeout(Duration::from_secs(5), events.recv()).await.expect("the channel ends");
            assert_eq!(rest, None, "{name}: {page}");
        }
    }
    assert!(logged_in || name.starts_with("login-") || name.starts_with("associate-"), "{name}: nobody polled");
    assert_eq!((s.gateway.state().session_count(), s.gateway.state().call_count()), (0, 0), "{name}");
    assert_eq!((s.gateway.state().conference_count(), s.gateway.state().seat_count()), (0, 0), "{name}");
}

macro_rules! replays {
    ($($test:ident: $name:literal),+ $(,)?) => {
        const REPLAYED: &[&str] = &[$($name),+];

        $(#[tokio::test]
        async fn $test() {
            replay($name).await;
        })+
    };
}

replays! {
    associate_token: "associate-token",
    login_account: "login-account",
    login_userid: "login-userid",
    login_twice: "login-twice",
    login_virtual_number: "login-virtual-number",
    login_missing_e911: "login-missing-e911",
    login_bad_token: "login-bad-token",
    session_refresh: "session-refresh",
    unknown_destination: "unknown-destination",
    call_audio: "call-audio",
    call_video: "call-video",
    call_twice: "call-twice",
    codec_pcmu: "codec-pcmu",
    cancel: "cancel",
    cancel_early: "cancel-early",
    reject: "reject",
    hangup_callee: "hangup-callee",
    media_denied_callee: "media-denied-callee",
    logout_in_call: "logout-in-call",
    mute: "mute",
    dtmf: "dtmf",
    video_to_audio_answer: "video-to-audio-answer",
    hold_resume_caller: "hold-resume-caller",
    hold_resume_callee: "hold-resume-callee",
    hold_resume_video: "hold-resume-video",
    hold_twice: "hold-twice",
    hold_not_connected: "hold-not-connected",
    upgrade_accept: "upgrade-accept",
    upgrade_callee: "upgrade-callee",
    upgrade_reject: "upgrade-reject",
    downgrade_accept: "downgrade-accept",
    downgrade_reject: "downgrade-reject",
    second_call_hold: "second-call-hold",
    second_call_end: "second-call-end",
    add_and_switch: "add-and-switch",
    add_and_switch_ws: "add-and-switch-ws",
    call_audio_websocket: "call-audio-websocket",
    cancel_ws: "cancel-ws",
    login_account_ws: "login-account-ws",
    logout_in_call_ws: "logout-in-call-ws",
    offline_online_ws: "offline-online-ws",
    reject_ws: "reject-ws",
    session_refresh_ws: "session-refresh-ws",
    move_to_another_session: "move",
    move_fails: "move-fails",
    offline_online: "offline-online",
    ringback: "ringback",
    conference: "conference",
    conference_hold: "conference-hold",
    conference_leave: "conference-leave",
    conference_reject: "conference-reject",
}

/// Why the other recordings are not replayed: what they show is not the gateway's, or not this gateway's.
const NOT_REPLAYED: &[(&str, &str)] = &[
    ("transfer", "through the stub's media anchor; ours is direct (D-27), see the tests of transfers"),
    ("second-invite-ignored", "a busy session is not rung (D-21), see below"),
    ("video-port-0", "an answer that the stub spoiled"),
    ("connection-refused", "no gateway answers"),
    ("gateway-unreachable-", "a status put into the browser"),
    ("hold-answered-200", "a status put into the browser"),
    ("modify-error-", "a status put into the browser"),
    ("session-expired-", "a status put into the browser"),
    ("session-refresh-fails", "a status put into the browser"),
    ("hangup-without-event", "an event that the stub kept back"),
    ("no-x-expires", "an answer that the stub spoiled"),
    ("empty-json-error", "an answer that the stub spoiled"),
    ("unknown-message-id-events", "an answer that the stub spoiled"),
    ("addresses", "the stub refused every address; see below"),
    ("raw-wire", "single requests; see below"),
];

#[test]
fn every_recording_is_replayed_or_says_why_not() {
    let mut seen = 0;
    for file in std::fs::read_dir(folder()).expect("recordings") {
        let name = file.expect("an entry").file_name().into_string().expect("text");
        let Some(name) = name.strip_suffix(".json") else { continue };
        let excused = NOT_REPLAYED.iter().any(|(part, _)| name.starts_with(part) || name.ends_with(part));
        assert!(REPLAYED.contains(&name) != excused, "{name}");
        seen += 1;
    }
    assert!(seen > 70, "{seen}");
}

/// The requests of `second-invite-ignored`: where the stub rang a session that ignored it, ours tells the caller.
#[tokio::test]
async fn a_session_with_a_pending_call_is_busy() {
    let recording = recording("second-invite-ignored");
    let s = Server::start_with(|c| c.domain = "stub.test".into()).await;
    let (alice, bob, carol) = (s.login("alice").await, s.login("bob").await, s.login("carol").await);
    let mut calls = Vec::new();
    for entry in recording["entries"].as_array().expect("entries") {
        if entry["kind"] == "request" && entry["method"] == "POST" && entry["body"].get("call").is_some() {
            let mut body = entry["body"].clone();
            body["call"]["sdp"] = sdp(entry).expect("a description").into();
            let phone = if entry["page"] == "bob" { &bob } else { &carol };
            let reply = phone.send("POST", "/calls", &[], Some(body)).await;
            calls.push(item_id_of(reply.header("location").expect("Location")).expect("an id").to_owned());
        }
    }
    let inc = alice.invited().await;
    assert_eq!(carol.ended(&calls[1]).await.as_deref(), Some("User busy"));
    assert_eq!(alice.end(&inc, "reject").await.status, 204);
    assert_eq!(alice.ended(&inc).await, None);
    assert_eq!(bob.ended(&calls[0]).await.as_deref(), Some("User busy"));
}

/// The stub refused every dialled address; ours places the call (D-22), save `null`, and ends it when nobody is there.
#[tokio::test]
async fn addresses() {
    let recording = recording("addresses");
    let s = Server::start_with(|c| c.domain = "stub.test".into()).await;
    let alice = s.login("alice").await;
    let mut called = 0;
    for entry in recording["entries"].as_array().expect("entries") {
        if entry["kind"] != "request" || entry["method"] != "POST" || entry["body"].get("call").is_none() {
            continue;
        }
        let mut body = entry["body"].clone();
        body["call"]["sdp"] = sdp(entry).expect("a description").into();
        let party = body["call"]["calledParty"].clone();
        let reply = alice.send("POST", "/calls", &[], Some(body)).await;
        if party.is_null() {
            assert_eq!(reply.refusal(), refused(400, "SVC0002"));
            assert!(reply.body.contains("calledParty"), "{}", reply.body);
        } else {
            assert_eq!(reply.status, 201, "{party}");
            let call = item_id_of(reply.header("location").expect("Location")).expect("an id").to_owned();
            assert_eq!(alice.ended(&call).await.as_deref(), Some("Not found"), "{party}");
        }
        called += 1;
    }
    assert!(called >= 10, "{called}");
}

/// Every kind of request that the original client ever sent, with its headers, in a state that fits.
#[tokio::test]
async fn every_recorded_kind_of_request_is_understood() {
    let wire = recording("raw-wire");
    let s = Server::start().await;
    let token = s.token("vtn:4255550100");
    let mut kinds = 0;
    for entry in wire.as_array().expect("a list") {
        let (method, path) = (entry["method"].as_str().expect("text"), entry["path"].as_str().expect("text"));
        let (alice, bob) = (s.login("alice").await, s.login("bob").await);
        let mut headers: Vec<(&str, String)> = Vec::new();
        for (name, value) in entry["headers"].as_object().expect("headers") {
            headers.push((name, value.as_str().expect("text").replace("{token}", &alice.bearer[7..])));
        }
        if method == "OPTIONS" {
            headers.push(("Access-Control-Request-Method", entry["requestMethod"].as_str().expect("text").into()));
            headers.push(("Access-Control-Request-Headers", entry["requestHeaders"].as_str().expect("text").into()));
            headers.push(("Origin", "http://app.example".into()));
        }
        let action = entry["headers"]["x-calls-action"].as_str();
        let reason = entry["headers"]["x-delete-reason"].as_str();
        let call = match (path.contains("{cid}") && method != "OPTIONS", action, reason) {
            (false, _, _) => String::new(),
            (true, Some("call-answer"), _) | (true, _, Some("reject")) => {
                bob.dial("alice").await;
                alice.invited().await
            }
            (true, _, Some("cancel")) => alice.dial("bob").await,
            (true, _, _) => alice.connect(&bob, "bob").await.0,
        };
        let real = path
            .replace("{sid}", &alice.session)
            .replace("{cid}", &call)
            .replace("{userId}", "alice@ewebrtc.local")
            .replace("{participant}", "sip:bob@ewebrtc.local");
        let mut body = entry["body"].clone();
        for part in ["call", "conference", "callsMediaModifications", "conferenceModifications"] {
            if body.get(part).is_some() {
                body[part]["sdp"] = OFFER.into();
            }
        }
        let number = entry["headers"]["x-e911Id"].as_str().is_some_and(|id| id.starts_with("E911"));
        if number && method == "POST" {
            headers.retain(|(name, _)| *name != "Authorization");
            headers.push(("Authorization", format!("Bearer {token}")));
        }
        let headers: Vec<(&str, &str)> = headers.iter().map(|(n, v)| (*n, v.as_str())).collect();
        let poll = path.ends_with("/events") && method == "GET";
        if poll {
            bob.dial("alice").await;
        }
        let reply = s.send(method, &real, &headers, (!body.is_null()).then(|| body.to_string())).await;
        let modifies = action.is_some_and(|a| a != "call-answer");
        let expected = match (method, path) {
            ("OPTIONS", _) | ("DELETE", _) if !path.contains("/participants/") || method == "OPTIONS" => 204,
            (_, p) if p.contains("/participants/") => 400,
            ("PUT", p) if p.contains("/conferences/") => 400,
            // In the middle of a call, with ids that nobody gave; the target of a transfer is the call itself (D-29).
            ("PUT", _) if modifies && action == Some("accept-call-mod") => 400,
            ("PUT", _) if modifies => 204,
            ("POST", _) => 201,
            // An account has no e911 id.
            ("PUT", _) if body.get("e911Association").is_some() => 400,
            ("PUT" | "GET", _) => 200,
            _ => panic!("{method} {path}"),
        };
        assert_eq!(reply.status, expected, "{method} {path} {action:?}: {reply:?}");
        reply.message_id();
        if method == "OPTIONS" {
            let allowed = reply.header("access-control-allow-headers").unwrap_or_default().to_ascii_lowercase();
            for name in entry["requestHeaders"].as_str().expect("text").split(',') {
                assert!(allowed.split(", ").any(|a| a == name), "{path}: {name}");
            }
        }
        for phone in [&alice, &bob] {
            phone.send("DELETE", "", &[], None).await;
        }
        kinds += 1;
    }
    assert!(kinds > 40, "{kinds}");
}
