//! A gateway of conferences as a phone sees it: one user's sessions, conferences whose audio is real, and news on demand.
//!
//! Owns: [`Focus`]. The other parties of its conferences are a tone; what becomes of invitations is said by the test. Lives on:
//! tasks of the test's runtime. Must not import: other tests.

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use ewebrtc_media::transport::IceConfig;
use ewebrtc_media::{AudioSource, Leg, LegConfig};
use serde_json::{Value, json};
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::Notify;

/// Frequency of what is heard in every conference, in hertz.
pub const TONE: f64 = 440.0;

#[derive(Default)]
struct Inner {
    events: VecDeque<Value>,
    legs: HashMap<String, Leg>,
    /// Requests about parties: `PUT` or `DELETE` and the address.
    parties: Vec<String>,
    conferences: u32,
    /// Logins so far: a poll of an earlier session takes nothing any more.
    logins: u32,
}

/// The gateway, on a port of its own.
#[derive(Clone)]
pub struct Focus {
    inner: Arc<Mutex<Inner>>,
    news: Arc<Notify>,
    url: Arc<str>,
}

/// The one session.
const SESSION: &str = "/RTC/v1/sessions/s1";

fn resource(id: &str) -> String {
    format!("{SESSION}/conferences/{id}")
}

impl Focus {
    /// Starts it.
    pub async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let focus = Self { inner: Arc::default(), news: Arc::default(), url: url.into() };
        let router = Router::new()
            .route("/RTC/v1/sessions", post(login))
            .route(SESSION, put(|| async { StatusCode::OK }).delete(|| async { StatusCode::NO_CONTENT }))
            .route("/RTC/v1/sessions/s1/events", get(poll))
            .route("/RTC/v1/sessions/s1/conferences", post(create))
            .route("/RTC/v1/sessions/s1/conferences/{id}", put(change).delete(end))
            .route("/RTC/v1/sessions/s1/conferences/{id}/participants/{uri}", put(add).delete(remove))
            .with_state(focus.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        focus
    }

    /// Address for phones.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// What was asked about parties so far.
    pub fn parties(&self) -> Vec<String> {
        self.inner.lock().expect("whole").parties.clone()
    }

    /// How loud the phone is heard in this conference, in dB of full scale.
    pub fn hears(&self, id: &str) -> f32 {
        self.inner.lock().expect("whole").legs[id].stats().level_in_dbfs
    }

    fn push(&self, id: &str, state: &str, members: Value) {
        let from = "sip:focus@example.com";
        let mut event = json!({"type": "conferences", "resourceURL": resource(id), "state": state, "from": from});
        for (name, value) in members.as_object().expect("an object") {
            event[name] = value.clone();
        }
        self.inner.lock().expect("whole").events.push_back(event);
        self.news.notify_waiters();
    }

    /// News of an invitation or of a participant.
    pub fn news_of(&self, id: &str, mod_id: &str, why: &str, from: &str) {
        self.push(id, "mod-terminated", json!({"modId": mod_id, "reason": why, "from": from}));
    }

    /// The gateway ends the conference for this phone.
    pub fn terminate(&self, id: &str, why: &str) {
        self.push(id, "session-terminated", json!({"reason": why}));
    }

    /// Invites the phone; gives the id of its leg.
    pub async fn invite(&self) -> String {
        let (id, leg) = self.leg().await;
        let offer = leg.create_offer().await.expect("an offer");
        self.push(&id, "invitation-received", json!({"sdp": offer, "from": "sip:host@example.com"}));
        id
    }

    async fn leg(&self) -> (String, Leg) {
        let mut ice = IceConfig::default();
        ice.addresses.loopback = true;
        let config = LegConfig { ice, source: AudioSource::Tone { hz: TONE as f32 }, ..LegConfig::default() };
        let leg = Leg::new(config, |_| {}).await.expect("a leg");
        leg.activate();
        let mut inner = self.inner.lock().expect("whole");
        inner.conferences += 1;
        let id = format!("f{}", inner.conferences);
        inner.legs.insert(id.clone(), leg.clone());
        (id, leg)
    }

    fn leg_of(&self, id: &str) -> Option<Leg> {
        self.inner.lock().expect("whole").legs.get(id).cloned()
    }
}

fn sdp_of(body: &Bytes, member: &str) -> String {
    let body: Value = serde_json::from_slice(body).expect("JSON");
    body[member]["sdp"].as_str().expect("a description").to_owned()
}

async fn login(State(focus): State<Focus>) -> Response {
    focus.inner.lock().expect("whole").logins += 1;
    focus.news.notify_waiters();
    (StatusCode::CREATED, [("Location", SESSION), ("x-expires", "3600")]).into_response()
}

async fn poll(State(focus): State<Focus>) -> Response {
    let login = focus.inner.lock().expect("whole").logins;
    let held = tokio::time::timeout(Duration::from_secs(5), async {
        loop {
            let news = focus.news.notified();
            {
                let mut inner = focus.inner.lock().expect("whole");
                if inner.logins != login {
                    break None;
                }
                if let Some(event) = inner.events.pop_front() {
                    break Some(event);
                }
            }
            news.await;
        }
    });
    match held.await {
        Ok(Some(event)) => axum::Json(json!({"events": {"eventList": [{"eventObject": event}]}})).into_response(),
        Ok(None) | Err(_) => StatusCode::NO_CONTENT.into_response(),
    }
}

async fn create(State(focus): State<Focus>, body: Bytes) -> Response {
    let (id, leg) = focus.leg().await;
    let answer = leg.answer_offer(&sdp_of(&body, "conference")).await.expect("an answer");
    focus.push(&id, "session-open", json!({"sdp": answer}));
    (StatusCode::CREATED, [("Location", resource(&id)), ("x-state", "invitation-sent".into())]).into_response()
}

async fn change(State(focus): State<Focus>, Path(id): Path<String>, headers: HeaderMap, body: Bytes) -> Response {
    let Some(leg) = focus.leg_of(&id) else { return StatusCode::NOT_FOUND.into_response() };
    let sdp = sdp_of(&body, "conferenceModifications");
    if headers["x-conference-action"] == "call-answer" {
        leg.apply_answer(&sdp).await.expect("an answer");
        focus.push(&id, "session-modified", json!({}));
        return [("x-state", "accepted")].into_response();
    }
    let answer = leg.answer_offer(&sdp).await.expect("an answer");
    focus.push(&id, "mod-terminated", json!({"reason": "success", "sdp": answer}));
    StatusCode::NO_CONTENT.into_response()
}

async fn end(State(focus): State<Focus>, Path(id): Path<String>) -> Response {
    let leg = focus.inner.lock().expect("whole").legs.remove(&id);
    if let Some(leg) = leg {
        leg.close().await;
    }
    focus.push(&id, "session-terminated", json!({}));
    StatusCode::NO_CONTENT.into_response()
}

/// The first invitation is `i1`, and so on.
async fn add(State(focus): State<Focus>, Path((_, uri)): Path<(String, String)>) -> Response {
    let mut inner = focus.inner.lock().expect("whole");
    inner.parties.push(format!("PUT {uri}"));
    let number = inner.parties.iter().filter(|asked| asked.starts_with("PUT")).count();
    (StatusCode::ACCEPTED, [("x-state", "add-pending".into()), ("x-modId", format!("i{number}"))]).into_response()
}

async fn remove(State(focus): State<Focus>, Path((_, uri)): Path<(String, String)>) -> Response {
    focus.inner.lock().expect("whole").parties.push(format!("DELETE {uri}"));
    (StatusCode::ACCEPTED, [("x-state", "remove-pending")]).into_response()
}
