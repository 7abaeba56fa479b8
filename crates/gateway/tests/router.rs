//! The router by itself, without a socket.

use axum::body::{Body, to_bytes};
use ewebrtc_gateway::{Gateway, GatewayConfig, GatewayError, GatewayState, app};
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;

#[tokio::test]
async fn the_router_works_without_a_socket() {
    let state = GatewayState::new(&GatewayConfig::development()).expect("a state");
    state.spawn_timer();
    let service = TowerToHyperService::new(app(state.clone()));
    let send = async |method: &str, path: &str, token: &str, body: &str| {
        let request =
            hyper::Request::builder().method(method).uri(path).header("authorization", format!("Bearer {token}"));
        let response =
            service.call(request.body(Body::from(body.to_owned())).expect("a request")).await.expect("a response");
        let (parts, body) = response.into_parts();
        let text = to_bytes(body, 1 << 20).await.expect("a body");
        (parts.status.as_u16(), parts.headers, String::from_utf8(text.to_vec()).expect("text"))
    };
    let token = state.issue_dev_token("alice").expect("a token").token;
    let token = token.expose();
    let (status, headers, _) = send("POST", "/RTC/v1/sessions", token, r#"{"session":{}}"#).await;
    assert_eq!(status, 201);
    let session = headers["location"].to_str().expect("text").to_owned();
    let sdp = "v=0\\r\\no=- 1 1 IN IP4 0.0.0.0\\r\\ns=-\\r\\nm=audio 9 UDP/TLS/RTP/SAVPF 0\\r\\na=sendrecv\\r\\n";
    let call = format!(r#"{{"call":{{"calledParty":"sip:nobody@ewebrtc.local","sdp":"{sdp}"}}}}"#);
    assert_eq!(send("POST", &format!("{session}/calls"), token, &call).await.0, 201);
    // Read is written here, so the hold-back ends as it does on a connection.
    let (status, _, body) = send("GET", &format!("{session}/events"), token, "").await;
    assert_eq!(status, 200);
    assert!(body.contains("Not found"), "{body}");
    assert_eq!(send("DELETE", &session, token, "").await.0, 204);
    assert_eq!(state.session_count(), 0);
}

#[tokio::test]
async fn a_gateway_says_why_it_does_not_start() {
    let start = async |change: fn(&mut GatewayConfig)| {
        let mut config = GatewayConfig::development();
        change(&mut config);
        Gateway::start(config).await.err().expect("refused")
    };
    assert!(matches!(start(|c| c.dev = false).await, GatewayError::NoAccounts));
    assert!(matches!(start(|c| c.session_seconds = 0).await, GatewayError::Config(_)));
    assert!(matches!(start(|c| c.lost_seconds = u64::MAX).await, GatewayError::Config(_)));
    assert!(matches!(start(|c| c.poll_seconds = 36).await, GatewayError::Config(_)));
    assert!(matches!(start(|c| c.domain = String::new()).await, GatewayError::Config(_)));
    for text in ["", "nowhere", ":80", "127.0.0.1:99999", "127.0.0.1:"] {
        let mut config = GatewayConfig::development();
        config.listen = text.into();
        assert!(matches!(Gateway::start(config).await, Err(GatewayError::Address(_))), "{text:?}");
    }
    // An address of nobody here (RFC 5737).
    assert!(matches!(start(|c| c.listen = "203.0.113.1:80".into()).await, GatewayError::Listen(..)));
    let gateway = Gateway::start(GatewayConfig::development()).await.expect("starts");
    assert!(matches!(gateway.issue_dev_token("a b"), Err(GatewayError::User(_))));
    assert!(gateway.issue_dev_token("alice").is_ok());
}
