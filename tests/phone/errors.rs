//! Every code of the error catalogue that a program can meet, met through the public interface: refusals of the phone by state
//! and options, refusals of the gateway by status and message id.
//!
//! Owns: the table of refusals. Must not import: anything but the party and the wire.

use crate::party::{Party, gateway};
use crate::stub::{Mode, Wire};
use ewebrtc::{AnswerOptions, ConferenceOptions, DialOptions, Error, Gateway, IcePolicy, LoginOptions, PhoneConfig};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Where a phone stands when it is told something that it must refuse.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    LoggedOut,
    Offline,
    Ready,
    Dialing,
    Ringing,
    Talking,
    Held,
    TwoCalls,
    RingingWhileTalking,
    /// An audio call of a phone that could send video.
    Upgradable,
    /// A call with video.
    Video,
    /// The other side has asked for video.
    Asked,
    Hosting,
    Invited,
    InvitedWhileTalking,
}

use State::{
    Asked, Dialing, Held, Hosting, Invited, InvitedWhileTalking, LoggedOut, Offline, Ready, Ringing,
    RingingWhileTalking, Talking, TwoCalls, Upgradable, Video,
};

const STATES: [State; 15] = [
    LoggedOut,
    Offline,
    Ready,
    Dialing,
    Ringing,
    Talking,
    Held,
    TwoCalls,
    RingingWhileTalking,
    Upgradable,
    Video,
    Asked,
    Hosting,
    Invited,
    InvitedWhileTalking,
];

/// Where a phone takes video from in these tests.
const FRAMES: &str = "silence;video=frames";

/// A refusal: where, which method, with which options, and the code.
type Row = (State, &'static str, Value, &'static str);

/// Methods that need the gateway, each with the code without a session and, where there is one, without a call.
const BARE: [(&str, &str, Option<&str>); 18] = [
    ("logout", "2101", None),
    ("hangup", "2401", Some("2402")),
    ("cancel", "2901", Some("2902")),
    ("reject", "3001", Some("3002")),
    ("hold", "2501", Some("2502")),
    ("resume", "2601", Some("2602")),
    ("move", "4001", Some("4002")),
    ("switchCall", "4201", Some("4202")),
    ("transfer", "4101", Some("4102")),
    ("upgrade", "4601", Some("4602")),
    ("downgrade", "4501", Some("4502")),
    ("acceptModification", "4301", Some("4302")),
    ("rejectModification", "4401", Some("4402")),
    ("mute", "2701", Some("2702")),
    ("unmute", "2801", Some("2802")),
    ("rejectConference", "3301", Some("3302")),
    ("getParticipants", "3401", Some("3402")),
    ("endConference", "3501", Some("3502")),
];

/// The table, save what [`BARE`] says.
fn rows() -> Vec<Row> {
    let to = |destination: &str| json!({ "destination": destination });
    let with = |name: &str, value: Value| {
        let mut options = json!({"destination": "bob"});
        options[name] = value;
        options
    };
    vec![
        (LoggedOut, "login", Value::Null, "2001"),
        (LoggedOut, "login", json!({}), "2002"),
        (LoggedOut, "login", json!({"token": 7}), "2002"),
        (LoggedOut, "login", json!({"token": "t", "userId": 7}), "2000"),
        (Ready, "login", json!({"token": "t"}), "2003"),
        (LoggedOut, "associateE911Id", Value::Null, "2051"),
        (LoggedOut, "associateE911Id", json!({}), "2052"),
        (LoggedOut, "associateE911Id", json!({"e911Id": "E1"}), "2053"),
        (LoggedOut, "dial", Value::Null, "2201"),
        (LoggedOut, "dial", json!({}), "2211"),
        (LoggedOut, "dial", to("sip:bob@example.com"), "2212"),
        (LoggedOut, "dial", to("a@b@c"), "2213"),
        (LoggedOut, "dial", with("mediaType", json!("smell")), "2221"),
        (LoggedOut, "dial", with("mediaType", json!("video")), "2221"),
        (LoggedOut, "dial", with("localMedia", json!("odd:thing")), "2231"),
        (LoggedOut, "dial", with("remoteMedia", json!(5)), "2232"),
        (LoggedOut, "dial", to("bob"), "2241"),
        (Dialing, "dial", to("bob"), "2251"),
        (Talking, "dial", to("bob"), "2252"),
        (LoggedOut, "answer", Value::Null, "2301"),
        (LoggedOut, "answer", json!({"localMedia": "odd:thing"}), "2311"),
        (LoggedOut, "answer", json!({"remoteMedia": []}), "2312"),
        (LoggedOut, "answer", json!({}), "2321"),
        (Ready, "answer", json!({}), "2331"),
        (RingingWhileTalking, "answer", json!({}), "2341"),
        (Held, "hold", json!({}), "2503"),
        (Talking, "resume", json!({}), "2603"),
        (LoggedOut, "addCall", Value::Null, "3901"),
        (LoggedOut, "addCall", json!({}), "3911"),
        (LoggedOut, "addCall", to("tel:+1"), "3912"),
        (LoggedOut, "addCall", to("a@b@c"), "3913"),
        (LoggedOut, "addCall", with("mediaType", json!("smell")), "3921"),
        (LoggedOut, "addCall", with("localMedia", json!("odd:thing")), "3931"),
        (LoggedOut, "addCall", with("remoteMedia", json!("odd:thing")), "3932"),
        (LoggedOut, "addCall", to("bob"), "3941"),
        (Ready, "addCall", to("bob"), "3951"),
        (Ringing, "addCall", to("bob"), "3951"),
        (TwoCalls, "addCall", to("dora"), "3961"),
        (Held, "move", json!({}), "4003"),
        (Talking, "switchCall", json!({}), "4203"),
        (Talking, "transfer", json!({}), "4105"),
        (Talking, "downgrade", json!({}), "4504"),
        (Held, "downgrade", json!({}), "4503"),
        (Held, "upgrade", json!({}), "4603"),
        (Talking, "acceptModification", json!({}), "4304"),
        (Talking, "rejectModification", json!({}), "4404"),
        (Video, "upgrade", json!({}), "4604"),
        (LoggedOut, "startConference", Value::Null, "3101"),
        (LoggedOut, "startConference", json!({"mediaType": "smell"}), "3111"),
        (LoggedOut, "startConference", json!({"localMedia": "odd:thing"}), "3121"),
        (LoggedOut, "startConference", json!({"remoteMedia": "odd:thing"}), "3122"),
        (LoggedOut, "startConference", json!({}), "3131"),
        (TwoCalls, "startConference", json!({}), "3961"),
        (LoggedOut, "joinConference", Value::Null, "3201"),
        (LoggedOut, "joinConference", json!({"localMedia": 1}), "3211"),
        (LoggedOut, "joinConference", json!({"remoteMedia": 1}), "3212"),
        (LoggedOut, "joinConference", json!({}), "3221"),
        (Ready, "joinConference", json!({}), "3231"),
        (Ringing, "joinConference", json!({}), "3231"),
        (InvitedWhileTalking, "joinConference", json!({}), "3241"),
        (Invited, "answer", json!({}), "2331"),
        (LoggedOut, "addParticipant", json!({}), "3611"),
        (LoggedOut, "addParticipant", json!({"participant": "sip:bob@example.com"}), "3612"),
        (LoggedOut, "addParticipant", json!({"participant": "a@b@c"}), "3613"),
        (LoggedOut, "addParticipant", json!({"participant": "bob"}), "3621"),
        (Talking, "addParticipant", json!({"participant": "bob"}), "3631"),
        (LoggedOut, "removeParticipant", json!({}), "3711"),
        (LoggedOut, "removeParticipant", json!({"participant": "bob"}), "3721"),
        (Talking, "removeParticipant", json!({"participant": "bob"}), "3731"),
        (Hosting, "move", json!({}), "4004"),
        (Hosting, "transfer", json!({}), "4104"),
        (Hosting, "upgrade", json!({}), "4605"),
        (LoggedOut, "sendDTMFTone", Value::Null, "4711"),
        (LoggedOut, "sendDTMFTone", json!({"input": "1x"}), "4712"),
        (LoggedOut, "sendDTMFTone", json!({"input": "1"}), "4721"),
        (Ready, "sendDTMFTone", json!({"input": "1"}), "4731"),
        (Held, "sendDTMFTone", json!({"input": "1"}), "4741"),
        (Ready, "setIceServers", json!({"iceServers": 7}), "4811"),
        (Ready, "setIceTransport", json!({"iceTransport": "fast"}), "4821"),
        (Ready, "setIpv6", json!({"ipv6": "perhaps"}), "4831"),
        (Ready, "cleanPhoneNumber", json!({"number": 5}), "3810"),
        (Ready, "formatNumber", json!({"number": 5}), "3820"),
        (Ready, "getCallerInfo", json!({"callerUri": 5}), "3830"),
    ]
}

/// The phone in one of the states, and the others that it needs for that.
struct Scene {
    phone: Party,
    others: Vec<Party>,
}

impl Scene {
    async fn new(gateway: &Gateway, state: State) -> Self {
        Self::behind(gateway, gateway.url().to_owned(), state).await
    }

    /// As [`Scene::new`], with the phone's gateway at this address.
    async fn behind(gateway: &Gateway, url: String, state: State) -> Self {
        let mut config = PhoneConfig::new(url);
        if matches!(state, Upgradable | Video | Asked) {
            config.local_media = FRAMES.into();
        }
        let mut phone = Party::new(config);
        if state != LoggedOut {
            let token = gateway.dev_token("alice").await.expect("a token").access_token;
            phone.phone.login(LoginOptions::new(token)).await.expect("login");
            phone.until("session:ready").await;
        }
        let mut others = Vec::new();
        match state {
            LoggedOut | Ready => {}
            Offline => {
                phone.phone.set_connectivity(false);
                phone.until("connectivity:off").await;
            }
            Dialing => {
                others.push(Party::login(gateway, "carol").await);
                phone.phone.dial(DialOptions::new("carol")).await.expect("dial");
                phone.until("call:connecting").await;
            }
            Ringing => {
                let carol = Party::login(gateway, "carol").await;
                carol.phone.dial(DialOptions::new("alice")).await.expect("dial");
                phone.until("call:incoming").await;
                others.push(carol);
            }
            Talking => others.push(talking(gateway, &mut phone).await),
            Held => {
                others.push(talking(gateway, &mut phone).await);
                phone.phone.hold().await.expect("hold");
                phone.until("call:held").await;
            }
            TwoCalls => {
                others.push(talking(gateway, &mut phone).await);
                let mut dora = Party::login(gateway, "dora").await;
                phone.phone.add_call(DialOptions::new("dora")).await.expect("addCall");
                dora.until("call:incoming").await;
                dora.phone.answer(AnswerOptions::default()).await.expect("answer");
                phone.until("media:established").await;
                others.push(dora);
            }
            Upgradable => others.push(showing(gateway, &mut phone, "audio").await),
            Video => others.push(showing(gateway, &mut phone, "video").await),
            Asked => {
                let carol = showing(gateway, &mut phone, "audio").await;
                let asking = carol.phone.clone();
                tokio::spawn(async move { asking.upgrade().await });
                phone.until("call:media-modification").await;
                others.push(carol);
            }
            Hosting => {
                phone.phone.start_conference(ConferenceOptions::default()).await.expect("a conference");
                phone.until("media:established").await;
            }
            Invited | InvitedWhileTalking => {
                if state == InvitedWhileTalking {
                    others.push(talking(gateway, &mut phone).await);
                }
                let host = Party::login(gateway, "host").await;
                host.phone.start_conference(ConferenceOptions::default()).await.expect("a conference");
                host.phone.add_participant("alice").await.expect("invited");
                phone.until("conference:invitation-received").await;
                others.push(host);
            }
            RingingWhileTalking => {
                others.push(talking(gateway, &mut phone).await);
                let dora = Party::login(gateway, "dora").await;
                dora.phone.dial(DialOptions::new("alice")).await.expect("dial");
                phone.until("call:incoming").await;
                others.push(dora);
            }
        }
        Self { phone, others }
    }

    /// Tells the phone something that it refuses: the answer and exactly one event have the code and name the method.
    async fn refuses(&mut self, method: &str, options: &Value, code: &str, state: State) {
        let answer = self.phone.phone.invoke_async(method, options.clone(), Some("here")).await;
        let what = format!("{state:?}: {method} {options}");
        match answer {
            Err(Error::Phone(error)) => assert_eq!(error.error_code, code, "{what}"),
            other => panic!("{what}: {other:?}, not {code}"),
        }
        self.phone.forget();
        let event = self.phone.until("error").await;
        assert_eq!(event.text("ErrorCode"), Some(code), "{what}");
        assert_eq!(event.to_json()["tag"].as_str(), Some("here"), "{what}");
        let documented = ewebrtc_wire::sdk_error(code).expect("in the catalogue");
        assert_eq!(event.text("JSMethod"), Some(documented.js_method), "{what}");
        for member in ["ErrorMessage", "Cause", "Resolution"] {
            assert!(event.text(member).is_some_and(|text| !text.is_empty()), "{what}: {member}");
        }
        assert_eq!(self.phone.names(), ["error"], "{what}: one event and nothing else");
    }

    /// Everybody goes, from whatever state.
    async fn leave(mut self, state: State) {
        if state == Offline {
            self.phone.phone.set_connectivity(true);
            self.phone.until("connectivity:on").await;
        }
        if state != LoggedOut {
            self.phone.leave().await;
        }
        for other in self.others {
            other.leave().await;
        }
    }
}

async fn talking(gateway: &Gateway, phone: &mut Party) -> Party {
    let mut carol = Party::login(gateway, "carol").await;
    phone.phone.dial(DialOptions::new("carol")).await.expect("dial");
    carol.until("call:incoming").await;
    carol.phone.answer(AnswerOptions::default()).await.expect("answer");
    phone.until("media:established").await;
    carol.until("media:established").await;
    carol
}

/// A call of this kind with a party that can send video, too.
async fn showing(gateway: &Gateway, phone: &mut Party, media: &str) -> Party {
    let mut carol = Party::login_with(gateway, "carol", |config| config.local_media = FRAMES.into()).await;
    let dial = DialOptions { media_type: Some(media.into()), ..DialOptions::new("carol") };
    phone.phone.dial(dial).await.expect("dial");
    carol.until("call:incoming").await;
    carol.phone.answer(AnswerOptions::default()).await.expect("answer");
    phone.until("media:established").await;
    carol.until("media:established").await;
    carol
}

/// All refusals, those of [`BARE`] among them.
fn table() -> Vec<Row> {
    let mut table = rows();
    for (method, without_session, without_call) in BARE {
        table.push((LoggedOut, method, json!({}), without_session));
        if let Some(code) = without_call {
            table.push((Ready, method, json!({}), code));
        }
        if !["mute", "unmute", "getParticipants"].contains(&method) {
            table.push((Offline, method, json!({}), "0002"));
        }
    }
    for (method, options) in [
        ("login", json!({"token": "t"})),
        ("dial", json!({"destination": "bob"})),
        ("addCall", json!({"destination": "bob"})),
        ("answer", json!({})),
        ("associateE911Id", json!({"e911Id": "E1"})),
        ("startConference", json!({})),
        ("joinConference", json!({})),
        ("addParticipant", json!({"participant": "bob"})),
        ("removeParticipant", json!({"participant": "bob"})),
        ("sendDTMFTone", json!({"input": "1"})),
    ] {
        table.push((Offline, method, options, "0002"));
    }
    table
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_fit_is_refused_with_its_code_and_one_event() {
    let gateway = gateway().await;
    for state in STATES {
        let mut scene = Scene::new(&gateway, state).await;
        for (_, method, options, code) in table().iter().filter(|row| row.0 == state) {
            scene.refuses(method, options, code, state).await;
        }
        scene.leave(state).await;
    }
    gateway.stop().await;
}

/// Methods that do not come to their end because the phone is closed in the middle, the gateway saying nothing: where, which
/// method, with which options, and the code of their failure.
fn interrupted() -> Vec<Row> {
    let bob = json!({"destination": "bob"});
    vec![
        (LoggedOut, "login", json!({"token": "t"}), "2000"),
        (Ready, "logout", json!({}), "2100"),
        (Ready, "associateE911Id", json!({"e911Id": "E1"}), "2050"),
        (Ready, "dial", bob.clone(), "2200"),
        (Ringing, "answer", json!({}), "2300"),
        (RingingWhileTalking, "answer", json!({"action": "hold"}), "2300"),
        (Talking, "hold", json!({}), "2500"),
        (Held, "resume", json!({}), "2600"),
        (Talking, "addCall", bob, "3900"),
        (Talking, "move", json!({}), "4000"),
        (TwoCalls, "transfer", json!({}), "4100"),
        (TwoCalls, "switchCall", json!({}), "4200"),
        (Upgradable, "upgrade", json!({}), "4600"),
        (Video, "downgrade", json!({}), "4500"),
        (Asked, "acceptModification", json!({}), "4300"),
        (Asked, "rejectModification", json!({}), "4400"),
        (Ready, "startConference", json!({}), "3100"),
        (Invited, "joinConference", json!({}), "3200"),
        (Hosting, "addParticipant", json!({"participant": "bob"}), "3600"),
        (Hosting, "removeParticipant", json!({"participant": "bob"}), "3700"),
        (Talking, "sendDTMFTone", json!({"input": "123456789"}), "4700"),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_closing_of_a_phone_interrupts_fails_with_its_code() {
    let gateway = gateway().await;
    for (state, method, options, code) in interrupted() {
        let wire = Wire::to(gateway.url()).await;
        let mut scene = Scene::behind(&gateway, wire.url(), state).await;
        wire.hang();
        scene.phone.phone.invoke_async(method, options, Some("here")).await.expect("accepted");
        scene.phone.phone.close();
        let finished = loop {
            let event = scene.phone.until("command:finished").await;
            if event.tag() == Some("here") {
                break event;
            }
        };
        let error = finished.get("error").unwrap_or_else(|| panic!("{method} came to its end"));
        assert_eq!(error["ErrorCode"], code, "{method}");
        wire.set(Mode::Pass).await;
        scene.phone.until("phone:closed").await;
        for other in scene.others {
            other.leave().await;
        }
    }
    gateway.stop().await;
}

/// What a gateway that breaks the protocol leads to.
#[tokio::test(flavor = "multi_thread")]
async fn answers_that_break_the_protocol_have_their_codes() {
    let gateway = gateway().await;
    let wire = Wire::to(gateway.url()).await;
    let mut scene = Scene::behind(&gateway, wire.url(), Ready).await;
    // A call without an address.
    wire.set(Mode::Status(201)).await;
    scene.phone.phone.dial(DialOptions::new("carol")).await.expect("accepted");
    assert_eq!(scene.phone.until("error").await.text("ErrorCode"), Some("2200"));
    scene.phone.until("call:disconnected").await;
    wire.set(Mode::Pass).await;
    // A change that is done at once, where it can only have been taken.
    let carol = talking(&gateway, &mut scene.phone).await;
    wire.set(Mode::Status(200)).await;
    let error = scene.phone.phone.hold().await.expect_err("odd");
    assert_eq!(error.code(), Some("0001"));
    wire.set(Mode::Pass).await;
    carol.phone.hangup().await.expect("hangup");
    scene.phone.until("call:disconnected").await;
    scene.others.push(carol);
    scene.leave(Ready).await;
    gateway.stop().await;
}

/// A transfer to somebody with whom something else is going on.
#[tokio::test(flavor = "multi_thread")]
async fn a_transfer_waits_for_the_change_before_it() {
    let gateway = gateway().await;
    let mut scene = Scene::new(&gateway, TwoCalls).await;
    let phone = scene.phone.phone.clone();
    phone.invoke_async("hold", json!({}), None).await.expect("accepted");
    let refused = phone.invoke_async("transfer", json!({}), Some("here")).await.expect_err("too early");
    assert_eq!(refused.code(), Some("4103"));
    let error = scene.phone.until("error").await;
    assert_eq!((error.text("ErrorCode"), error.tag()), (Some("4103"), Some("here")));
    scene.phone.until("call:held").await;
    scene.leave(TwoCalls).await;
    gateway.stop().await;
}

/// A connection that cannot be made: only relays may be used, and there are none.
#[tokio::test(flavor = "multi_thread")]
async fn a_call_without_any_path_fails_inside() {
    let gateway = gateway().await;
    let mut alice = Party::login_with(&gateway, "alice", |config| config.ice.policy = IcePolicy::Relay).await;
    alice.phone.dial(DialOptions::new("echo")).await.expect("accepted");
    assert_eq!(alice.until("error").await.text("ErrorCode"), Some("0000"));
    alice.until("call:disconnected").await;
    alice.leave().await;
    gateway.stop().await;
}

/// Codes of the phone that other tests provoke: this file outside of its table, `video.rs`, `mixed.rs`, `calls.rs`, `program.rs`.
const ELSEWHERE: &[&str] = &["0020", "3641", "4103", "4901", "4902"];

/// Codes that cannot come, each with the reason.
const NEVER: &[(&str, &str)] = &[
    ("2400", "a hang-up always comes to its end, with or without the gateway"),
    ("2900", "so does a cancel"),
    ("3000", "so does a reject"),
    ("3300", "so does a refusal to join"),
    ("3500", "so does the end of a conference"),
    ("3400", "the list is there at once"),
    ("4505", "a conference has no video to drop, which is 4504"),
    ("2700", "muting is done at once"),
    ("2800", "so is unmuting"),
    ("4303", "what can be decided is decided in these states only"),
    ("4403", "what can be decided is decided in these states only"),
    ("5000", "media is opened by the targets of the calls"),
    ("5001", "media is opened by the targets of the calls"),
    ("5011", "media is opened by the targets of the calls"),
    ("5012", "media is opened by the targets of the calls"),
    ("5100", "a phone is set up by its configuration"),
    ("5101", "a phone is set up by its configuration"),
    ("5111", "a phone is set up by its configuration"),
    ("5112", "a phone is set up by its configuration"),
];

/// No code of the catalogue is forgotten.
#[test]
fn every_code_of_the_phone_is_provoked_or_has_a_reason() {
    let here: BTreeSet<&str> = table().iter().chain(&interrupted()).map(|row| row.3).collect();
    let here = |code: &str| here.contains(code) || ["0000", "0001"].contains(&code);
    let missing: Vec<&str> = ewebrtc_wire::sdk_errors()
        .iter()
        .map(|error| error.code)
        .filter(|code| !here(code) && !ELSEWHERE.contains(code) && !NEVER.iter().any(|(known, _)| known == code))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}

/// Every refusal that the gateway may send, at login: the phone knows it by status and message id.
#[tokio::test(flavor = "multi_thread")]
async fn what_the_gateway_refuses_has_its_code() {
    let gateway = gateway().await;
    let wire = Wire::to(gateway.url()).await;
    let mut party = Party::new(PhoneConfig::new(wire.url()));
    let token = gateway.dev_token("alice").await.expect("a token").access_token;
    for error in ewebrtc_wire::api_errors() {
        let status = error.http_status.unwrap_or(418);
        wire.set(Mode::Refusal { status, message_id: error.message_id }).await;
        let refused = party.phone.login(LoginOptions::new(token.clone())).await.expect_err("refused");
        let Error::Phone(refused) = refused else { panic!("{}: {refused}", error.code) };
        assert_eq!(refused.error_code, error.code, "{status} {}", error.message_id);
        assert_eq!(refused.http_status_code.as_deref(), Some(status.to_string().as_str()), "{}", error.code);
        let said = refused.api_error.as_deref();
        assert!(said.is_some_and(|text| text.contains("what the gateway says")), "{}: {said:?}", error.code);
        // 502 and 503 are told in a way of their own (P-24), a lost session, too (P-23).
        let event = if matches!(status, 502 | 503) { "gateway:unreachable" } else { "error" };
        let event = party.until(event).await;
        if event.name() == "error" {
            assert_eq!(event.text("ErrorCode"), Some(error.code));
        }
        party.forget();
    }
    wire.set(Mode::Pass).await;
    party.phone.login(LoginOptions::new(token)).await.expect("login");
    party.until("session:ready").await;
    party.leave().await;
    gateway.stop().await;
}
