//! Tokens, association, sessions: every status and header a client looks at.

mod common;

use common::*;
use serde_json::json;
use std::time::{Duration, Instant};

fn dev(user: &str) -> Option<String> {
    Some(json!({"user": user}).to_string())
}

#[tokio::test]
async fn development_tokens_name_their_user() {
    let s = Server::start().await;
    for (user, kind, address) in [
        ("alice", "ACCOUNT_ID", "sip:alice@ewebrtc.local"),
        ("4255550100", "VIRTUAL_NUMBER", "tel:+14255550100"),
        ("14255550100", "VIRTUAL_NUMBER", "tel:+14255550100"),
        ("vtn:4255550100", "VIRTUAL_NUMBER", "tel:+14255550100"),
        ("2015", "ACCOUNT_ID", "sip:2015@ewebrtc.local"),
    ] {
        let reply = s.send("POST", "/dev/tokens", &[("Content-Type", "application/json")], dev(user)).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        let body = reply.json();
        assert_eq!(
            (body["token_type"].as_str(), body["user"].as_str(), body["kind"].as_str(), body["address"].as_str()),
            (Some("bearer"), Some(user), Some(kind), Some(address))
        );
        assert!(body["expires_in"].as_u64().is_some_and(|n| n > 3600));
        let again = s.send("POST", "/dev/tokens", &[], dev(user)).await.json();
        assert_ne!(body["access_token"], again["access_token"], "another token each time");
    }
    for body in [Some("{}".into()), Some("not json".into()), None, dev("a@b"), dev("echo"), dev(""), Some("[]".into())]
    {
        let reply = s.send("POST", "/dev/tokens", &[], body).await;
        assert_eq!(reply.refusal(), refused(400, "SVC0002"));
    }
    assert_eq!(s.send("GET", "/dev/tokens", &[], None).await.status, 405);
}

#[tokio::test]
async fn a_session_is_created_refreshed_and_deleted() {
    let s = Server::start_with(|c| c.session_seconds = 90).await;
    let token = s.token("alice");
    let bearer = format!("bearer {token}");
    let headers = [("authorization", bearer.as_str()), ("x-e911Id", "undefined")];
    let body = json!({"session": {}}).to_string();
    let reply = s.send("POST", "/RTC/v1/sessions", &headers, Some(body)).await;
    assert_eq!(
        (reply.status, reply.header("x-expires"), reply.header("x-ewebrtc-user"), reply.body.as_str()),
        (201, Some("90"), Some("sip:alice@ewebrtc.local"), "")
    );
    let location = reply.header("location").expect("Location").to_owned();
    assert!(location.starts_with("/RTC/v1/sessions/"), "{location}");
    let refresh = s.send("PUT", &location, &headers, None).await;
    assert_eq!((refresh.status, refresh.header("x-expires"), refresh.body.as_str()), (200, Some("90"), ""));
    let delete = [("authorization", bearer.as_str()), ("x-e911Id", "undefined")];
    assert_eq!(s.send("DELETE", &location, &delete, None).await.status, 204);
    assert_eq!(s.send("DELETE", &location, &delete, None).await.status, 204, "idempotent");
    assert_eq!(s.send("PUT", &location, &headers, None).await.refusal(), refused(404, ""));
    assert_eq!(s.gateway.state().session_count(), 0);
}

#[tokio::test]
async fn e911_ids_are_for_numbers_only() {
    let s = Server::start().await;
    let create = async |user: &str, id: Option<&str>| {
        let bearer = format!("Bearer {}", s.token(user));
        let mut headers = vec![("Authorization", bearer.as_str())];
        headers.extend(id.map(|id| ("x-e911Id", id)));
        s.send("POST", "/RTC/v1/sessions", &headers, Some(json!({"session": {}}).to_string())).await
    };
    for id in [None, Some(""), Some("undefined"), Some("null")] {
        assert_eq!(create("alice", id).await.status, 201);
        assert_eq!(create("4255550100", id).await.refusal(), refused(400, "SVC8511"));
    }
    assert_eq!(create("alice", Some("E1")).await.refusal(), refused(400, "SVC8510"));
    let reply = create("vtn:4255550100", Some("E1")).await;
    assert_eq!((reply.status, reply.header("x-ewebrtc-user")), (201, Some("tel:+14255550100")));
    let path = reply.header("location").expect("Location").to_owned();
    let token = s.token("4255550100");
    let bearer = format!("Bearer {token}");
    let foreign = s.send("PUT", &path, &[("Authorization", &bearer)], None).await;
    assert_eq!(foreign.refusal(), refused(403, "POL1102"), "another token of the same user");
    // Association with an existing session.
    let headers = [("Authorization", bearer.as_str()), ("x-e911Id", "E1")];
    let body = json!({"session": {}}).to_string();
    let path =
        s.send("POST", "/RTC/v1/sessions", &headers, Some(body)).await.header("location").expect("path").to_owned();
    let put = async |body: &str| s.send("PUT", &path, &[("Authorization", &bearer)], Some(body.into())).await;
    assert_eq!(put(r#"{"e911Association":{"e911Id":"E2"}}"#).await.status, 200);
    assert_eq!(put(r#"{"e911Association":{"e911Id":""}}"#).await.refusal(), refused(400, "SVC0019"));
    assert_eq!(put(r#"{"e911Association":{}}"#).await.refusal(), refused(400, "SVC0002"));
    assert_eq!(put("{").await.refusal(), refused(400, "SVC0002"));
    let alice = s.login("alice").await;
    let body = json!({"e911Association": {"e911Id": "E2"}});
    assert_eq!(alice.send("PUT", "", &[], Some(body)).await.refusal(), refused(400, "SVC8510"));
}

#[tokio::test]
async fn association_takes_every_spelling() {
    let s = Server::start_with(|c| c.domain = "Stub.Test".into()).await;
    let (alice, number) = (s.token("alice"), s.token("4255550100"));
    let put = async |token: &str, user: &str| {
        let bearer = format!("Bearer {token}");
        s.send(
            "PUT",
            &format!("/RTC/v1/userIds/{user}"),
            &[("Authorization", &bearer), ("Accept", "application/json")],
            None,
        )
        .await
    };
    for user in ["alice", "alice@stub.test", "alice@STUB.test", "sip:alice@stub.test", "sip%3Aalice%40stub.test"] {
        let reply = put(&alice, user).await;
        assert_eq!((reply.status, reply.body.as_str()), (200, ""), "{user}");
    }
    for user in [
        "vtn:4255550100",
        "vtn:14255550100",
        "vtn%3A4255550100",
        "tel:+14255550100",
        "tel:%2B14255550100",
        "4255550100",
    ] {
        assert_eq!(put(&number, user).await.status, 200, "{user}");
    }
    for user in ["nobody", "alice@elsewhere", "vtn:1", "%00"] {
        assert_eq!(put(&alice, user).await.refusal(), refused(404, "SVC8514"), "{user}");
    }
    assert_eq!(put("unknown", "alice").await.refusal(), refused(401, "POL0001"));
    assert_eq!(s.send("PUT", "/RTC/v1/userIds/alice", &[], None).await.refusal(), refused(401, "POL0001"));
    let _session = s.login_token(&alice).await;
    assert_eq!(put(&alice, "alice").await.status, 200);
    assert_eq!(put(&alice, "4255550100").await.refusal(), refused(400, "SVC0002"));
}

#[tokio::test]
async fn the_session_is_looked_up_before_the_token() {
    let s = Server::start().await;
    let alice = s.login("alice").await;
    let bearer = |token: &str| format!("Bearer {token}");
    let other = s.token("bob");
    let poll = async |session: &str, auth: Option<String>| {
        let headers: Vec<(&str, &str)> = auth.iter().map(|a| ("Authorization", a.as_str())).collect();
        s.send("GET", &format!("/RTC/v1/sessions/{session}/events"), &headers, None).await.refusal()
    };
    assert_eq!(poll("unknown", Some(bearer("unknown"))).await, refused(404, ""));
    assert_eq!(poll("unknown", Some("Basic x".into())).await, refused(404, ""));
    assert_eq!(poll("unknown", None).await, refused(401, "POL0001"));
    assert_eq!(poll(&alice.session, None).await, refused(401, "POL0001"));
    assert_eq!(poll(&alice.session, Some(bearer("unknown"))).await, refused(401, "POL0001"));
    assert_eq!(poll(&alice.session, Some(bearer(""))).await, refused(401, "POL0001"));
    assert_eq!(poll(&alice.session, Some(bearer(&other))).await, refused(403, "POL1102"));
}

#[tokio::test]
async fn ten_sessions_of_one_token_and_room_at_once() {
    let s = Server::start().await;
    let token = s.token("alice");
    let first = s.login_token(&token).await;
    for _ in 0..9 {
        s.login_token(&token).await;
    }
    let bearer = format!("Bearer {token}");
    let create = async || {
        let body = json!({"session": {}}).to_string();
        s.send("POST", "/RTC/v1/sessions", &[("Authorization", &bearer)], Some(body)).await
    };
    assert_eq!(create().await.refusal(), refused(403, "POL1100"));
    assert_eq!(first.send("DELETE", "", &[], None).await.status, 204);
    assert_eq!(create().await.status, 201);
}

#[tokio::test]
async fn an_expired_session_ends_its_poll_with_404() {
    let s = Server::start_with(|c| {
        c.session_seconds = 2;
        c.poll_seconds = 1;
    })
    .await;
    let (alice, bob) = (s.login("alice").await, s.login("bob").await);
    let call = alice.dial("bob").await;
    let rings = bob.invited().await;
    let start = Instant::now();
    let keep = async {
        // Bob refreshes, alice only polls.
        loop {
            assert_eq!(bob.send("PUT", "", &[], None).await.status, 200);
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    };
    let polls = async {
        loop {
            let reply = alice.poll_raw("").await;
            match reply.status {
                200 | 204 => {}
                _ => return reply,
            }
        }
    };
    let last = tokio::select! { reply = polls => reply, () = keep => unreachable!() };
    assert_eq!(last.refusal(), refused(404, ""));
    assert!(start.elapsed() >= Duration::from_millis(1900), "{:?}", start.elapsed());
    assert_eq!(bob.ended(&rings).await.as_deref(), Some("Call canceled"));
    assert_eq!(alice.end(&call, "terminate").await.refusal(), refused(404, ""));
}

#[tokio::test]
async fn errors_are_held_before_they_answer_a_poll() {
    let s = Server::start_with(|c| c.error_hold = Duration::from_secs(2)).await;
    let start = Instant::now();
    let reply = s.send("GET", "/RTC/v1/sessions/x/events", &[("Authorization", "Bearer x")], None).await;
    assert_eq!(reply.refusal(), refused(404, ""));
    assert!(start.elapsed() >= Duration::from_secs(2));
    let start = Instant::now();
    assert_eq!(s.send("PUT", "/RTC/v1/sessions/x", &[("Authorization", "Bearer x")], None).await.status, 404);
    assert!(start.elapsed() < Duration::from_secs(2), "others are not");
}
