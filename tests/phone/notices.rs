//! Warnings and notifications: everything that is told without being an error (phone-behaviour.md sections 16 and 17), and
//! what is only written to the log.
//!
//! Owns: notices, and what stands before a gateway to cause them. Must not import: anything but the party.

use crate::party::{PATIENCE, Party, gateway};
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{Method, Response, StatusCode};
use ewebrtc::{AnswerOptions, DialOptions, Event, Gateway, LoginOptions, PhoneConfig};
use ewebrtc_wire::{EventObject, EventState, Kind, encode_events};
use serde_json::json;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::timeout;

/// How long it must be quiet to be sure that nothing comes.
const SILENCE: Duration = Duration::from_millis(300);

/// The notices among what was seen.
fn notices(party: &Party) -> Vec<Event> {
    party.seen().iter().filter(|event| matches!(event.name(), "warning" | "notification")).cloned().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn muting_twice_and_unmuting_for_nothing_are_warnings() {
    let gateway = gateway().await;
    let mut alice = Party::login(&gateway, "alice").await;
    // In the wrong order first: without a call it is an error, no warning.
    assert_eq!(alice.phone.mute().await.expect_err("no call").code(), Some("2702"));
    assert_eq!(alice.phone.unmute().await.expect_err("no call").code(), Some("2802"));
    let call = alice.phone.dial(DialOptions::new("echo")).await.expect("dial");
    call.connected().await.expect("echo answers");
    alice.until("media:established").await;
    for (method, warns) in [("unmute", true), ("mute", false), ("mute", true), ("unmute", false), ("unmute", true)] {
        alice.forget();
        let before = alice.phone.calls().await.expect("calls");
        alice.phone.invoke(method, json!({}), Some("m")).expect("accepted");
        while alice.until("command:finished").await.tag() != Some("m") {}
        let told = notices(&alice);
        assert_eq!(told.len(), usize::from(warns), "{method}");
        for warning in told {
            let of_the_call = (warning.name(), warning.call(), warning.tag(), warning.get("index").cloned());
            assert_eq!(of_the_call, ("warning", Some(call.handle()), Some("m"), Some(before[0].index.into())));
            let wanted = if method == "mute" { "The call is already muted." } else { "The call is not muted." };
            assert_eq!((warning.text("message"), warning.text("mediaType")), (Some(wanted), Some("audio")));
            assert!(warning.text("to").is_some_and(|to| to.contains("echo")) && warning.text("from").is_some());
        }
        assert_eq!(
            alice.names().iter().filter(|name| *name == "call:muted").count(),
            usize::from(method == "mute" && !warns)
        );
    }
    alice.leave().await;
    gateway.stop().await;
}

/// Cases 1 and 2. Our gateway does not ring busy phones (D-21); others do.
#[tokio::test(flavor = "multi_thread")]
async fn who_calls_a_busy_phone_is_named_in_a_notification_and_declined() {
    let gateway = gateway().await;
    let meddler = Meddler::before(&gateway).await;
    let mut bob = meddler.login(&gateway, "bob").await;
    let alice = Party::login(&gateway, "alice").await;
    for case in ["ringing", "dialing", "two calls"] {
        match case {
            "ringing" => {
                alice.phone.dial(DialOptions::new("bob")).await.expect("dial");
                bob.until("call:incoming").await;
            }
            "dialing" => {
                bob.phone.dial(DialOptions::new("alice")).await.expect("dial");
                bob.until("call:connecting").await;
            }
            _ => {
                bob.phone.dial(DialOptions::new("echo")).await.expect("dial");
                bob.until("call:connected").await;
                bob.phone.add_call(DialOptions::new("echo")).await.expect("addCall");
                bob.until("session:call-switched").await;
            }
        }
        let before = bob.phone.calls().await.expect("calls");
        bob.settle(SILENCE).await;
        bob.forget();
        let declined = meddler.invite("sip:carol@ewebrtc.local");
        let told = bob.until("notification").await;
        assert_eq!(told.text("from"), Some("sip:carol@ewebrtc.local"), "{case}");
        assert_eq!(told.text("type"), Some("call"), "{case}");
        assert!(told.text("message").is_some_and(|text| !text.is_empty()), "{case}");
        assert_eq!((told.call(), told.tag()), (None, None), "{case}: there is no such call here");
        timeout(PATIENCE, declined).await.expect("the caller is told");
        bob.settle(SILENCE).await;
        let names: Vec<String> = bob.names().into_iter().filter(|name| name != "media:established").collect();
        assert_eq!(names, ["notification"], "{case}: once, and nothing else");
        let states = |calls: &[ewebrtc::CallInfo]| calls.iter().map(|call| call.state.clone()).collect::<Vec<_>>();
        assert_eq!(states(&bob.phone.calls().await.expect("calls")), states(&before), "{case}");
        match case {
            "ringing" => bob.phone.reject().await.expect("the first one still rings"),
            "dialing" => bob.phone.cancel().await.expect("the own one is still being dialled"),
            _ => {}
        }
    }
    alice.leave().await;
    bob.leave().await;
    gateway.stop().await;
}

/// Section 16: what is of no use is written to the log, and no event tells of it.
#[tokio::test(flavor = "multi_thread")]
async fn an_action_without_a_call_in_front_is_no_warning() {
    let gateway = gateway().await;
    let (mut alice, mut bob) = (Party::login(&gateway, "alice").await, Party::login(&gateway, "bob").await);
    alice.phone.dial(DialOptions::new("bob")).await.expect("dial");
    bob.until("call:incoming").await;
    let options = AnswerOptions { action: Some("end".into()), ..AnswerOptions::default() };
    bob.phone.answer(options).await.expect("answered all the same");
    assert_eq!(bob.phone.format_number("#"), Ok(None));
    alice.until("call:connected").await;
    bob.settle(SILENCE).await;
    assert!(notices(&bob).is_empty(), "{:?}", bob.names());
    alice.leave().await;
    bob.leave().await;
    gateway.stop().await;
}

/// Case 3, and the reason of which nothing is told: the gateway ends a hold with a reason of its own.
#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_the_gateway_ends_is_a_notification_and_the_call_goes_on() {
    let gateway = gateway().await;
    let meddler = Meddler::before(&gateway).await;
    let mut alice = meddler.login(&gateway, "alice").await;
    let call = alice.phone.dial(DialOptions::new("echo")).await.expect("dial");
    call.connected().await.expect("echo answers");
    alice.until("media:established").await;
    for (reason, told) in [("Not now", true), ("User busy", false)] {
        alice.forget();
        meddler.end_holds_with(Some(reason));
        let error = alice.phone.hold().await.expect_err("it came to nothing");
        assert_eq!(error.code(), Some("2500"));
        alice.settle(SILENCE).await;
        let expected = [
            "sc connected>modification-initiated",
            "call:modification-in-progress",
            "sc modification-initiated>connected",
            "notification",
        ];
        assert_eq!(alice.names(), expected[..if told { 4 } else { 3 }], "{reason}");
        if let Some(notification) = notices(&alice).first() {
            assert_eq!((notification.text("message"), notification.call()), (Some(reason), Some(call.handle())));
            assert!(notification.get("index").is_some() && notification.text("mediaType") == Some("audio"));
        }
    }
    meddler.end_holds_with(None);
    alice.phone.hold().await.expect("the call goes on");
    alice.phone.resume().await.expect("resumes");
    alice.leave().await;
    gateway.stop().await;
}

/// Beginning of the ids of the calls to which the meddler invites; each is used once.
const INVENTED: &str = "invented-";

/// Stands between a phone and its gateway and passes everything on; ends holds and invites to a call of its own when it is told
/// to.
struct Meddler {
    url: String,
    shared: Arc<Shared>,
    invitations: AtomicUsize,
}

struct Shared {
    gateway: String,
    http: reqwest::Client,
    reason: Mutex<Option<String>>,
    /// The event that the phone is to get next.
    event: Mutex<Option<EventObject>>,
    news: Notify,
    /// Path of the session's events.
    events: Mutex<String>,
    /// The invitation was declined as busy.
    declined: Notify,
}

impl Shared {
    fn tell(&self, event: EventObject) {
        *self.event.lock().expect("whole") = Some(event);
        self.news.notify_one();
    }
}

impl Meddler {
    async fn before(gateway: &Gateway) -> Self {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(rustls::RootCertStore::empty())
            .with_no_client_auth();
        let http = reqwest::Client::builder().tls_backend_preconfigured(tls).no_proxy().build().expect("a client");
        let shared = Arc::new(Shared {
            gateway: gateway.url().to_owned(),
            http,
            reason: Mutex::default(),
            event: Mutex::default(),
            news: Notify::new(),
            events: Mutex::default(),
            declined: Notify::new(),
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let app = axum::Router::new().fallback(pass).with_state(shared.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { url, shared, invitations: AtomicUsize::new(0) }
    }

    /// A party behind the meddler.
    async fn login(&self, gateway: &Gateway, user: &str) -> Party {
        let mut party = Party::new(PhoneConfig::new(&self.url));
        let token = gateway.dev_token(user).await.expect("a token").access_token;
        party.phone.login(LoginOptions::new(token)).await.expect("login");
        party.until("session:ready").await;
        party
    }

    /// Invites the phone to a call; what is returned completes when the phone has declined it.
    fn invite(&self, from: &str) -> impl Future<Output = ()> {
        let events = self.shared.events.lock().expect("whole").clone();
        let number = self.invitations.fetch_add(1, Ordering::Relaxed);
        let path = events.replace("/events", &format!("/calls/{INVENTED}{number}"));
        let mut event = EventObject::new(Kind::Call, path, EventState::InvitationReceived);
        event.from = Some(from.to_owned());
        self.shared.tell(event);
        self.shared.declined.notified()
    }

    /// From now on holds end with this reason; `None`: the gateway decides.
    fn end_holds_with(&self, reason: Option<&str>) {
        *self.shared.reason.lock().expect("whole") = reason.map(str::to_owned);
    }
}

async fn pass(State(shared): State<Arc<Shared>>, request: Request) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 1024 * 1024).await.expect("a body");
    let path = parts.uri.path().to_owned();
    let reason = shared.reason.lock().expect("whole").clone();
    let action = parts.headers.get("x-calls-action").and_then(|value| value.to_str().ok());
    if let Some(reason) = reason.filter(|_| parts.method == Method::PUT && action == Some("initiate-call-hold")) {
        let mut event = EventObject::new(Kind::Call, path, EventState::ModTerminated);
        event.reason = Some(reason);
        shared.tell(event);
        return answer(StatusCode::NO_CONTENT, Bytes::new());
    }
    if parts.method == Method::DELETE && path.contains(INVENTED) {
        assert_eq!(parts.headers.get("x-delete-reason").and_then(|value| value.to_str().ok()), Some("reject"));
        shared.declined.notify_one();
        return answer(StatusCode::NO_CONTENT, Bytes::new());
    }
    if path.ends_with("/events") {
        shared.events.lock().expect("whole").clone_from(&path);
    }
    let address = format!("{}{}", shared.gateway, parts.uri);
    let mut onward = shared.http.request(parts.method.clone(), address).body(body);
    for (name, value) in parts.headers.iter().filter(|(name, _)| *name != "host" && *name != "content-length") {
        onward = onward.header(name, value);
    }
    let told = async {
        match path.ends_with("/events") {
            true => shared.news.notified().await,
            false => std::future::pending().await,
        }
    };
    let reply = tokio::select! {
        reply = onward.send() => reply.expect("the gateway answers"),
        () = told => {
            let event = shared.event.lock().expect("whole").take().expect("an event");
            return answer(StatusCode::OK, encode_events(&[event]).into());
        }
    };
    let mut passed = Response::builder().status(reply.status());
    for (name, value) in reply.headers().iter().filter(|(name, _)| *name != "content-length") {
        passed = passed.header(name, value);
    }
    passed.body(Body::from(reply.bytes().await.expect("a body"))).expect("an answer")
}

fn answer(status: StatusCode, body: Bytes) -> Response<Body> {
    let builder = Response::builder().status(status).header("Content-Type", "application/json");
    builder.body(Body::from(body)).expect("an answer")
}
