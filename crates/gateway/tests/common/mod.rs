//! What the tests share: a gateway on a free port, raw requests as original clients send them, phones that poll.

#![allow(dead_code)] // Every test file uses its own part.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, Once};
use std::time::Duration;

use ewebrtc_gateway::core::AnchorTask;
use ewebrtc_gateway::{
    AnchorCall, AnchorFactory, AnchorMade, AnchorResult, EchoCall, EchoFactory, EchoResult, Gateway, GatewayConfig,
    MixerFactory, MixerSeat, SeatLost, SeatResult, Soon,
};
use ewebrtc_wire::{EventObject, NumberedEvent, decode_events, item_id_of, session_id_of};
use futures_util::{SinkExt as _, StreamExt as _};
use reqwest::Method;
use reqwest::header::HeaderMap;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::{Error as SocketError, Message};

/// Longest time that anything in these tests may take.
pub const DEADLINE: Duration = Duration::from_secs(10);

pub const OFFER: &str = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\nc=IN IP4 0.0.0.0\r\na=setup:actpass\r\na=sendrecv\r\n";

pub fn answer_sdp() -> String {
    OFFER.replace("actpass", "active")
}

/// A description in this direction, of the side with this role in DTLS and these ICE credentials.
pub fn described(role: &str, direction: &str, ufrag: &str) -> String {
    OFFER.replace("actpass", role).replace("sendrecv", direction) + &format!("a=ice-ufrag:{ufrag}\r\n")
}

/// The same with a video section.
pub fn with_video(audio: &str, direction: &str) -> String {
    format!(
        "{audio}m=video 9 UDP/TLS/RTP/SAVPF 96\r\nc=IN IP4 0.0.0.0\r\na=setup:actpass\r\na=mid:1\r\na={direction}\r\n"
    )
}

/// An HTTP client for plain HTTP; it still wants a TLS provider to exist.
pub fn client() -> reqwest::Client {
    static PROVIDER: Once = Once::new();
    PROVIDER.call_once(|| {
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
    reqwest::Client::builder().timeout(Duration::from_secs(60)).build().expect("a client")
}

/// A response, read completely.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: String,
}

impl Reply {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|v| v.to_str().ok())
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|e| panic!("{e}: {}", self.body))
    }

    /// Message id of the error body, checked to be one that original clients survive (section 6.3).
    pub fn message_id(&self) -> Option<String> {
        if self.status < 400 {
            return None;
        }
        let kind = self.header("content-type").filter(|k| k.starts_with("application/json"))?;
        let error = ewebrtc_wire::RequestError::parse(Some(kind), self.body.as_bytes()).expect("a RequestError");
        let code = ewebrtc_wire::api_error_for(self.status, Some(&error.message_id)).code;
        assert_ne!(code, "1000", "{} {} stops original clients", self.status, error.message_id);
        Some(error.message_id)
    }

    /// Status and message id.
    pub fn refusal(&self) -> (u16, Option<String>) {
        (self.status, self.message_id())
    }
}

pub fn refused(status: u16, id: &str) -> (u16, Option<String>) {
    (status, Some(id.into()))
}

pub struct Server {
    pub gateway: Gateway,
    pub client: reqwest::Client,
}

impl Server {
    pub async fn start() -> Server {
        Self::start_with(|_| {}).await
    }

    pub async fn start_with(change: impl FnOnce(&mut GatewayConfig)) -> Server {
        let mut config = GatewayConfig { error_hold: Duration::from_millis(50), ..GatewayConfig::development() };
        change(&mut config);
        let gateway = Gateway::start(config).await.expect("the gateway starts");
        Server { gateway, client: client() }
    }

    /// Sends a request; `path` begins with `/`.
    pub async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Option<String>) -> Reply {
        let method = Method::from_bytes(method.as_bytes()).expect("a method");
        let mut request = self.client.request(method, format!("{}{path}", self.gateway.url()));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.body(body);
        }
        let response = tokio::time::timeout(Duration::from_secs(50), request.send());
        let response = response.await.expect("in time").expect("a response");
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Reply { status, headers, body: response.text().await.expect("a text") }
    }

    pub fn token(&self, user: &str) -> String {
        self.gateway.issue_dev_token(user).expect("a token").token.expose().to_owned()
    }

    pub async fn login(&self, user: &str) -> Phone<'_> {
        self.login_token(&self.token(user)).await
    }

    pub async fn login_token(&self, token: &str) -> Phone<'_> {
        let bearer = format!("Bearer {token}");
        let headers = [
            ("Authorization", bearer.as_str()),
            ("x-e911Id", ""),
            ("x-Arg", "ClientSDK=WebRTCTestAppJavascript1"),
            ("Content-Type", "application/json"),
            ("Accept", "application/json"),
        ];
        let body = json!({"session": {"mediaType": "dtls-srtp", "ice": "true", "services": ["ip_voice_call", "ip_video_call"]}});
        let reply = self.send("POST", "/RTC/v1/sessions", &headers, Some(body.to_string())).await;
        assert_eq!(reply.status, 201, "{reply:?}");
        let session = session_id_of(reply.header("location").expect("Location")).expect("an id").to_owned();
        Phone { server: self, bearer, session }
    }
}

/// A session and its token.
#[derive(Clone)]
pub struct Phone<'a> {
    pub server: &'a Server,
    pub bearer: String,
    pub session: String,
}

impl Phone<'_> {
    pub fn path(&self, rest: &str) -> String {
        format!("/RTC/v1/sessions/{}{rest}", self.session)
    }

    pub async fn send(&self, method: &str, rest: &str, headers: &[(&str, &str)], body: Option<Value>) -> Reply {
        let mut all = vec![("Authorization", self.bearer.as_str()), ("Content-Type", "application/json")];
        all.extend_from_slice(headers);
        self.server.send(method, &self.path(rest), &all, body.map(|b| b.to_string())).await
    }

    pub async fn dial_raw(&self, to: Value) -> Reply {
        self.send("POST", "/calls", &[], Some(json!({"call": {"calledParty": to, "sdp": OFFER}}))).await
    }

    pub async fn dial(&self, to: &str) -> String {
        let reply = self.dial_raw(json!(format!("sip:{to}@ewebrtc.local"))).await;
        assert_eq!((reply.status, reply.header("x-state")), (201, Some("invitation-sent")), "{reply:?}");
        let location = reply.header("location").expect("Location");
        assert!(location.starts_with(&self.path("/calls/")), "{location}");
        item_id_of(location).expect("an id").to_owned()
    }

    pub async fn answer(&self, call: &str) -> Reply {
        let body = json!({"callsMediaModifications": {"sdp": answer_sdp()}});
        self.send("PUT", &format!("/calls/{call}"), &[("x-calls-action", "call-answer")], Some(body)).await
    }

    /// A verb of `x-calls-action` with further headers.
    pub async fn act(&self, call: &str, action: &str, headers: &[(&str, &str)], sdp: &str) -> Reply {
        let mut all = vec![("x-calls-action", action)];
        all.extend_from_slice(headers);
        let mut body = json!({"callsMediaModifications": {"sdp": sdp}});
        if ["initiate-call-hold", "initiate-call-resume", "initiate-call-move"].contains(&action) {
            body["callsMediaModifications"]["type"] = "offer".into();
        }
        self.send("PUT", &format!("/calls/{call}"), &all, Some(body)).await
    }

    /// The same, which must be answered with exactly 204 and nothing else.
    pub async fn acts(&self, call: &str, action: &str, headers: &[(&str, &str)], sdp: &str) {
        let reply = self.act(call, action, headers, sdp).await;
        assert_eq!((reply.status, reply.body.as_str()), (204, ""), "{action}: {reply:?}");
    }

    /// Waits for `mod-received`; its id and description.
    pub async fn asked(&self) -> (String, Option<String>) {
        let event = self.event().await;
        assert_eq!(event.state.as_str(), "mod-received", "{event:?}");
        (event.mod_id.expect("an id"), event.sdp)
    }

    /// Waits for the successful end of this modification; the answer.
    pub async fn finished(&self, id: &str) -> Option<String> {
        let event = self.event().await;
        assert_eq!(event.state.as_str(), "mod-terminated", "{event:?}");
        assert_eq!((event.reason.as_deref(), event.mod_id.as_deref()), (Some("success"), Some(id)));
        event.sdp
    }

    /// A whole modification.
    pub async fn modified(&self, call: &str, action: &str, offer: &str, peer: (&Phone<'_>, &str), answer: &str) {
        self.acts(call, action, &[], offer).await;
        let (id, received) = peer.0.asked().await;
        assert_eq!(received.as_deref(), Some(offer), "passed through");
        peer.0.acts(peer.1, "accept-call-mod", &[("x-modId", &id)], answer).await;
        let (answered, confirmed) = tokio::join!(self.finished(&id), peer.0.finished(&id));
        assert_eq!((answered.as_deref(), confirmed), (Some(answer), None));
    }

    pub async fn end(&self, call: &str, reason: &str) -> Reply {
        self.send("DELETE", &format!("/calls/{call}"), &[("x-delete-reason", reason)], None).await
    }

    pub async fn poll_raw(&self, query: &str) -> Reply {
        let headers = [("Authorization", self.bearer.as_str()), ("Accept", "application/json")];
        self.server.send("GET", &self.path(&format!("/events{query}")), &headers, None).await
    }

    /// A poll that is surely waiting at the gateway: of two, the older is answered 204 when the newer one waits.
    pub async fn waiting_poll<'a>(&'a self, query: &'a str) -> Pin<Box<dyn Future<Output = Reply> + 'a>> {
        let mut first: Pin<Box<dyn Future<Output = Reply>>> = Box::pin(self.poll_raw(query));
        let mut second: Pin<Box<dyn Future<Output = Reply>>> = Box::pin(self.poll_raw(query));
        let (reply, waiting) = tokio::select! {
            reply = first.as_mut() => (reply, second),
            reply = second.as_mut() => (reply, first),
        };
        assert_eq!(reply.status, 204, "{reply:?}");
        waiting
    }

    /// Polls until there are events.
    pub async fn poll(&self, query: &str) -> Vec<NumberedEvent> {
        let wait = async {
            loop {
                let reply = self.poll_raw(query).await;
                match reply.status {
                    204 => {}
                    200 => {
                        assert!(reply.header("content-type").is_some_and(|c| c.starts_with("application/json")));
                        assert!(!reply.body.contains("null"), "{}", reply.body);
                        return decode_events(reply.body.as_bytes()).expect("an event list");
                    }
                    _ => panic!("{reply:?}"),
                }
            }
        };
        tokio::time::timeout(DEADLINE, wait).await.expect("events in time")
    }

    /// The next answer's only event.
    pub async fn event(&self) -> EventObject {
        let mut events = self.poll("").await;
        assert_eq!(events.len(), 1, "{events:?}");
        events.remove(0).event
    }

    /// Waits for an invitation; its call id.
    pub async fn invited(&self) -> String {
        let event = self.event().await;
        assert_eq!(event.state.as_str(), "invitation-received", "{event:?}");
        assert_eq!(session_id_of(&event.resource_url), Some(self.session.as_str()));
        item_id_of(&event.resource_url).expect("an id").to_owned()
    }

    /// Waits for the end of this call; its reason.
    pub async fn ended(&self, call: &str) -> Option<String> {
        let event = self.event().await;
        assert_eq!(event.state.as_str(), "session-terminated", "{event:?}");
        assert_eq!(item_id_of(&event.resource_url), Some(call));
        event.reason
    }

    /// A connected call: own id, id at the peer.
    pub async fn connect(&self, peer: &Phone<'_>, name: &str) -> (String, String) {
        let out = self.dial(name).await;
        let inc = peer.invited().await;
        let reply = peer.answer(&inc).await;
        assert_eq!((reply.status, reply.header("x-state")), (200, Some("accepted")));
        assert_eq!(self.event().await.state.as_str(), "session-open");
        assert_eq!(peer.event().await.state.as_str(), "session-modified");
        (out, inc)
    }
}

/// Media for calls with a ringback tone that says what it is told to say: first to the caller, then to the callee. Later
/// descriptions, and the answer, it takes without a word.
pub fn fake_anchor(answer: String, offer: String) -> Arc<dyn AnchorFactory> {
    struct Fake(String, String);
    struct Running;
    impl AnchorFactory for Fake {
        fn start(&self, _: String) -> Pin<Box<dyn Future<Output = AnchorResult> + Send>> {
            let (answer, offer) = (self.0.clone(), self.1.clone());
            Box::pin(async move { Ok(AnchorMade { answer, offer, anchor: Box::new(Running) }) })
        }
    }
    impl AnchorCall for Running {
        fn work(&self, _: AnchorTask) -> Pin<Box<dyn Future<Output = Result<String, String>> + Send + '_>> {
            Box::pin(async { Ok(String::new()) })
        }
    }
    Arc::new(Fake(answer, offer))
}

/// A mixer that says what it is told to say: to each next seat its own descriptions, the first when it is made.
pub fn fake_mixer(seats: Vec<VecDeque<String>>) -> Arc<dyn MixerFactory> {
    struct Fake(Mutex<VecDeque<VecDeque<String>>>);
    struct Taken(Mutex<VecDeque<String>>);
    impl Fake {
        fn next(&self) -> Soon<SeatResult> {
            let mut said = self.0.lock().expect("no panic").pop_front().expect("no further seat was told of");
            let first = said.pop_front().expect("a description");
            Box::pin(async move { Ok((first, Box::new(Taken(Mutex::new(said))) as Box<dyn MixerSeat>)) })
        }
    }
    impl MixerFactory for Fake {
        fn answer(&self, _: &str, _: String, _: SeatLost) -> Soon<SeatResult> {
            self.next()
        }
        fn offer(&self, _: &str, _: SeatLost) -> Soon<SeatResult> {
            self.next()
        }
    }
    impl MixerSeat for Taken {
        fn accept(&self, _: String) -> Soon<Result<(), String>> {
            Box::pin(async { Ok(()) })
        }
        fn answer_again(&self, _: String) -> Soon<Result<String, String>> {
            let next = self.0.lock().expect("no panic").pop_front();
            Box::pin(async move { next.ok_or_else(|| "no further description".to_owned()) })
        }
    }
    Arc::new(Fake(Mutex::new(seats.into())))
}

/// The event channel as a WebSocket.
pub struct Socket {
    pub stream: WebSocketStream<TcpStream>,
    /// Close code and reason, when the gateway has said good-bye.
    pub farewell: Option<(u16, String)>,
}

impl Socket {
    /// Opens the socket at this address.
    ///
    /// # Errors
    /// The status with which the gateway refuses it.
    pub async fn open(url: &str) -> Result<Socket, u16> {
        let host = url.strip_prefix("ws://").and_then(|rest| rest.split('/').next()).expect("a ws URL");
        let stream = TcpStream::connect(host).await.expect("connects");
        match tokio_tungstenite::client_async(url, stream).await {
            Ok((stream, _)) => Ok(Socket { stream, farewell: None }),
            Err(SocketError::Http(response)) => Err(response.status().as_u16()),
            Err(other) => panic!("{other}"),
        }
    }

    /// The events of the next frame; `None` when the socket is closed. Pings are answered on the way.
    pub async fn next(&mut self) -> Option<Vec<NumberedEvent>> {
        loop {
            match self.stream.next().await? {
                Ok(Message::Text(text)) => {
                    assert!(!text.contains("null"), "{text}");
                    return Some(decode_events(text.as_bytes()).expect("an event list"));
                }
                Ok(Message::Close(frame)) => {
                    self.farewell = frame.map(|f| (f.code.into(), f.reason.to_string()));
                }
                Ok(Message::Ping(_)) => {}
                Ok(other) => panic!("{other:?}"),
                Err(_) => return None,
            }
        }
    }

    /// The only event of the next frame: state, call, number.
    pub async fn event(&mut self) -> (String, String, Option<u64>) {
        let next = tokio::time::timeout(DEADLINE, self.next()).await.expect("a frame in time");
        let mut events = next.expect("the socket is open");
        assert_eq!(events.len(), 1, "{events:?}");
        let event = events.remove(0);
        let call = item_id_of(&event.event.resource_url).expect("an id").to_owned();
        (event.event.state.as_str().to_owned(), call, event.seq)
    }

    /// Waits until the gateway has closed the socket; its close code, if it said one.
    pub async fn closed(&mut self) -> Option<u16> {
        let next = tokio::time::timeout(DEADLINE, self.next()).await.expect("closed in time");
        assert!(next.is_none(), "{next:?}");
        self.farewell.take().map(|(code, _)| code)
    }

    pub async fn say(&mut self, text: &str) {
        self.stream.send(Message::text(text)).await.expect("sends");
    }
}

impl Phone<'_> {
    /// The address of a new socket.
    pub async fn socket_url(&self, query: &str) -> String {
        let reply = self.send("POST", &format!("/websockets{query}"), &[], None).await;
        assert_eq!((reply.status, reply.body.as_str()), (201, ""), "{reply:?}");
        reply.header("location").expect("Location").to_owned()
    }

    /// A new socket.
    pub async fn socket(&self, query: &str) -> Socket {
        Socket::open(&self.socket_url(query).await).await.expect("the socket opens")
    }
}

/// An echo without media: it answers, or refuses, at once.
pub struct FakeEcho(pub Result<String, String>);

struct Nothing(String);

impl EchoCall for Nothing {
    /// What is offered, seen from the other side.
    fn answer_again(&self, offer: String) -> Pin<Box<dyn Future<Output = Result<String, String>> + Send>> {
        let hold = offer.contains("a=sendonly");
        let answer = if hold { self.0.replace("sendrecv", "recvonly") } else { self.0.clone() };
        Box::pin(async move { Ok(answer) })
    }
}

impl EchoFactory for FakeEcho {
    fn answer(&self, _offer: String) -> Pin<Box<dyn Future<Output = EchoResult> + Send>> {
        let answer = self.0.clone();
        Box::pin(async move { answer.map(|sdp| (sdp.clone(), Box::new(Nothing(sdp)) as Box<dyn EchoCall>)) })
    }
}

pub fn fake_echo(answer: Result<String, String>) -> Arc<dyn EchoFactory> {
    Arc::new(FakeEcho(answer))
}
