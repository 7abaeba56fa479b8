//! Bad input: every method in every state, bodies that are too large or no JSON, paths that do not exist. Each is answered
//! with a status and a body that an original client survives (rest-protocol.md section 6.3), with CORS headers, and does
//! no harm.

mod common;

use common::*;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

fn check(reply: &Reply, what: &str) {
    assert_eq!(reply.header("access-control-allow-origin"), Some("*"), "{what}");
    let exposed = reply.header("access-control-expose-headers").unwrap_or_default();
    for name in ["Location", "x-expires", "x-state", "x-modId", "x-ewebrtc-user"] {
        assert!(exposed.contains(name), "{what}: {exposed}");
    }
    if reply.status >= 400 {
        reply.message_id();
        assert!(reply.status != 500 && reply.status < 504, "{what}: {reply:?}");
        if reply.header("content-type").is_none_or(|c| !c.starts_with("application/json")) {
            assert!([400, 405, 413, 501].contains(&reply.status), "{what}: {reply:?}");
        }
    }
}

/// Where a leg stands when something is done to it.
#[derive(Debug, Clone, Copy, PartialEq)]
enum State {
    Dialing,
    Ringing,
    ConnectedOut,
    ConnectedIn,
    Ended,
    Unknown,
    Foreign,
}

/// Method, headers, body, and the status and message id to expect.
type Attempt = (&'static str, Vec<(&'static str, &'static str)>, Option<Value>, (u16, Option<&'static str>));

#[tokio::test]
async fn every_request_in_every_state_of_a_leg() {
    use State::*;
    let s = Server::start().await;
    let sdp = json!({"callsMediaModifications": {"sdp": answer_sdp()}});
    let no_body = || None::<Value>;
    let refused_id = (400, Some("SVC0002"));
    for state in [Dialing, Ringing, ConnectedOut, ConnectedIn, Ended, Unknown, Foreign] {
        // What only a connected leg may ask for.
        let connected = |status: u16, id: Option<&'static str>| match state {
            Ended | Unknown | Foreign | Dialing | Ringing => refused_id,
            ConnectedOut | ConnectedIn => (status, id),
        };
        let garbage = json!({"callsMediaModifications": {"sdp": "x"}});
        let with_id = |action: &'static str| vec![("x-calls-action", action), ("x-modId", "undefined")];
        let answer = if state == Ringing { (200, None) } else { refused_id };
        let put = |action: &'static str| vec![("x-calls-action", action)];
        let table: Vec<Attempt> = vec![
            ("PUT", put("call-answer"), Some(sdp.clone()), answer),
            (
                "PUT",
                put("call-answer"),
                Some(json!({"callsMediaModifications": {"sdp": "x"}})),
                if state == Ringing { (400, Some("SVC0001")) } else { refused_id },
            ),
            ("PUT", put("call-answer"), Some(json!({"callsMediaModifications": {}})), refused_id),
            ("PUT", put("call-answer"), no_body(), refused_id),
            ("PUT", put("initiate-call-hold"), Some(sdp.clone()), connected(204, None)),
            ("PUT", put("initiate-call-hold"), Some(garbage.clone()), connected(400, Some("SVC0001"))),
            ("PUT", put("initiate-call-hold"), Some(json!({"callsMediaModifications": {}})), refused_id),
            ("PUT", put("initiate-call-hold"), no_body(), refused_id),
            ("PUT", put("initiate-call-resume"), Some(sdp.clone()), connected(204, None)),
            ("PUT", put("initiate-call-resume"), Some(garbage.clone()), connected(400, Some("SVC0001"))),
            ("PUT", put("initiate-call-resume"), Some(json!({"callsMediaModifications": {}})), refused_id),
            ("PUT", put("initiate-call-resume"), no_body(), refused_id),
            ("PUT", put("initiate-call-move"), Some(sdp.clone()), connected(204, None)),
            ("PUT", put("initiate-call-move"), Some(garbage.clone()), connected(400, Some("SVC0001"))),
            ("PUT", put("initiate-call-move"), Some(json!({"callsMediaModifications": {}})), refused_id),
            ("PUT", put("initiate-call-move"), no_body(), refused_id),
            ("PUT", put("initiate-call-mod"), Some(sdp.clone()), connected(204, None)),
            ("PUT", put("initiate-call-mod"), Some(garbage.clone()), connected(400, Some("SVC0001"))),
            ("PUT", put("initiate-call-mod"), Some(json!({"callsMediaModifications": {}})), refused_id),
            ("PUT", put("initiate-call-mod"), no_body(), refused_id),
            // Nobody was asked anything.
            ("PUT", put("accept-call-mod"), Some(sdp.clone()), refused_id),
            ("PUT", with_id("accept-call-mod"), Some(sdp.clone()), refused_id),
            ("PUT", with_id("accept-call-mod"), Some(garbage.clone()), connected(400, Some("SVC0001"))),
            ("PUT", with_id("accept-call-mod"), no_body(), refused_id),
            ("PUT", put("rejectCancel-call-mod"), Some(sdp.clone()), refused_id),
            ("PUT", with_id("rejectCancel-call-mod"), Some(sdp.clone()), refused_id),
            ("PUT", put("initiate-call-transfer"), Some(sdp.clone()), refused_id),
            (
                "PUT",
                vec![("x-calls-action", "initiate-call-transfer"), ("x-transferTargetCallId", "unknown")],
                Some(sdp.clone()),
                connected(204, None),
            ),
            (
                "PUT",
                vec![("x-calls-action", "initiate-call-transfer"), ("x-transferTargetCallId", "unknown")],
                Some(garbage.clone()),
                connected(400, Some("SVC0001")),
            ),
            ("PUT", put("initiate-hold"), Some(sdp.clone()), refused_id),
            ("PUT", vec![], Some(sdp.clone()), refused_id),
            ("DELETE", vec![("x-delete-reason", "nonsense")], no_body(), (400, Some("SVC0003"))),
            ("DELETE", vec![("x-delete-reason", "terminate")], no_body(), (204, None)),
            ("DELETE", vec![("x-delete-reason", "cancel")], no_body(), (204, None)),
            ("DELETE", vec![("x-delete-reason", "reject")], no_body(), (204, None)),
            ("DELETE", vec![], no_body(), (204, None)),
            ("GET", vec![], no_body(), (405, None)),
            ("HEAD", vec![], no_body(), (405, None)),
            ("POST", vec![], Some(sdp.clone()), (405, None)),
            ("PATCH", vec![], Some(sdp.clone()), (405, None)),
        ];
        for (method, headers, body, expected) in table {
            let (alice, bob) = (s.login("alice").await, s.login("bob").await);
            let (phone, peer, call) = match state {
                Dialing => (&alice, &bob, alice.dial("bob").await),
                Ringing => {
                    alice.dial("bob").await;
                    (&bob, &alice, bob.invited().await)
                }
                ConnectedOut => (&alice, &bob, alice.connect(&bob, "bob").await.0),
                ConnectedIn => (&bob, &alice, alice.connect(&bob, "bob").await.1),
                Ended => {
                    let (out, _) = alice.connect(&bob, "bob").await;
                    alice.end(&out, "terminate").await;
                    (&alice, &bob, out)
                }
                Unknown => (&alice, &bob, "unknown".into()),
                Foreign => (&bob, &alice, alice.dial("bob").await),
            };
            let what = format!("{state:?} {method} {headers:?} {body:?}");
            let reply = phone.send(method, &format!("/calls/{call}"), &headers, body).await;
            check(&reply, &what);
            let id = if method == "HEAD" { None } else { reply.message_id() };
            assert_eq!((reply.status, id.as_deref()), expected, "{what}");
            for phone in [phone, peer] {
                assert_eq!(phone.send("DELETE", "", &[], None).await.status, 204, "{what}");
            }
            assert_eq!(s.gateway.state().call_count(), 0, "{what}");
        }
    }
}

#[tokio::test]
async fn every_resource_refuses_what_it_does_not_know() {
    let s = Server::start().await;
    let alice = s.login("alice").await;
    let base = alice.path("");
    for (path, methods) in [
        ("/dev/tokens".to_owned(), &["POST"][..]),
        ("/RTC/v1/userIds/alice".to_owned(), &["PUT"]),
        ("/RTC/v1/sessions".to_owned(), &["POST"]),
        (base.clone(), &["PUT", "DELETE"]),
        (format!("{base}/events"), &["GET"]),
        (format!("{base}/websockets"), &["GET", "POST"]),
        (format!("{base}/websocket"), &["GET", "POST"]),
        (format!("{base}/calls"), &["POST"]),
        (format!("{base}/calls/c"), &["PUT", "DELETE"]),
        (format!("{base}/conferences"), &["POST"]),
        (format!("{base}/conferences/c"), &["PUT", "DELETE"]),
        (format!("{base}/conferences/c/participants/sip:bob@x"), &["PUT", "DELETE"]),
    ] {
        for method in ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "TRACE", "BREW"] {
            if !methods.contains(&method) {
                let reply = s.send(method, &path, &[("Authorization", alice.bearer.as_str())], None).await;
                check(&reply, &path);
                assert_eq!(reply.status, 405, "{method} {path}");
                let allowed = reply.header("allow").expect("Allow");
                assert!(methods.iter().all(|m| allowed.contains(m)), "{method} {path}: {allowed}");
            }
        }
    }
    for path in [
        "/",
        "/x",
        "/RTC",
        "/RTC/v1",
        "/RTC/v2/sessions",
        "/RTC/v1/sessions/",
        "/RTC/v1/sessions/a/b/c/d/e",
        "//",
        "/rtc/v1/sessions",
    ] {
        let reply = s.send("POST", path, &[("Authorization", alice.bearer.as_str())], Some("{}".into())).await;
        check(&reply, path);
        assert_eq!(reply.refusal(), refused(404, ""), "{path}");
    }
}

#[tokio::test]
async fn paths_that_are_no_text_are_refused() {
    let s = Server::start().await;
    for path in ["/RTC/v1/sessions/%ff", "/RTC/v1/userIds/%c3%28", "/RTC/v1/sessions/a/calls/%80"] {
        let reply = s.send("PUT", path, &[("Authorization", "Bearer x")], None).await;
        check(&reply, path);
        assert_eq!((reply.status, reply.message_id()), (400, None), "{path}");
    }
}

#[tokio::test]
async fn a_conference_that_nobody_has_claims_nothing() {
    let s = Server::start().await;
    let alice = s.login("alice").await;
    let join = json!({"conferenceModifications": {"sdp": OFFER}});
    for (method, path, headers, body, expected) in [
        ("PUT", "/conferences/c", vec![("x-conference-action", "call-answer")], Some(join), (400, Some("SVC0002"))),
        ("PUT", "/conferences/c", vec![], None, (400, Some("SVC0002"))),
        ("DELETE", "/conferences/c", vec![("x-delete-reason", "terminate")], None, (204, None)),
        ("PUT", "/conferences/c/participants/sip:bob@x", vec![], None, (400, Some("SVC0002"))),
        ("DELETE", "/conferences/c/participants/tel:+1", vec![], None, (400, Some("SVC0002"))),
    ] {
        let reply = alice.send(method, path, &headers, body).await;
        check(&reply, path);
        assert_eq!((reply.status, reply.message_id().as_deref()), expected, "{method} {path}");
        assert_eq!((reply.header("location"), reply.header("x-state")), (None, None));
    }
}

#[tokio::test]
async fn every_operation_checks_session_and_token_first() {
    let s = Server::start().await;
    let alice = s.login("alice").await;
    let other = format!("Bearer {}", s.token("bob"));
    for (method, rest) in [
        ("PUT", ""),
        ("DELETE", ""),
        ("GET", "/events"),
        ("POST", "/websockets"),
        ("POST", "/calls"),
        ("PUT", "/calls/c"),
        ("DELETE", "/calls/c"),
        ("POST", "/conferences"),
        ("PUT", "/conferences/c"),
        ("DELETE", "/conferences/c"),
        ("PUT", "/conferences/c/participants/x"),
        ("DELETE", "/conferences/c/participants/x"),
    ] {
        let mine = alice.path(rest);
        let none = format!("/RTC/v1/sessions/none{rest}");
        for (path, auth, expected) in [
            (&mine, Some(other.as_str()), refused(403, "POL1102")),
            (&mine, Some("Bearer x"), refused(401, "POL0001")),
            (&mine, Some("x"), refused(401, "POL0001")),
            (&mine, None, refused(401, "POL0001")),
            (&none, Some(other.as_str()), refused(404, "")),
            (&none, Some("Bearer x"), refused(404, "")),
            (&none, None, refused(401, "POL0001")),
        ] {
            let headers: Vec<(&str, &str)> = auth.iter().map(|a| ("Authorization", *a)).collect();
            // A body that would be refused too: the session comes first.
            let body = (method != "GET").then(|| "not json".to_owned());
            let reply = s.send(method, path, &headers, body).await;
            check(&reply, path);
            assert_eq!(reply.refusal(), expected, "{method} {path} {auth:?}");
        }
    }
}

#[tokio::test]
async fn bodies_are_bounded_and_must_be_json() {
    let s = Server::start().await;
    let alice = s.login("alice").await;
    let headers = [("Authorization", alice.bearer.as_str()), ("x-calls-action", "call-answer")];
    for (method, path) in [
        ("POST", "/dev/tokens".to_owned()),
        ("POST", "/RTC/v1/sessions".to_owned()),
        ("PUT", alice.path("")),
        ("POST", alice.path("/calls")),
        ("PUT", alice.path("/calls/c")),
    ] {
        for bad in ["x", "{", "\u{0}", "null", "\"x\"", "[[[[", &"[".repeat(100_000), "{\"a\":1e999}"] {
            let reply = s.send(method, &path, &headers, Some(bad.into())).await;
            check(&reply, &path);
            assert_eq!(reply.refusal(), refused(400, "SVC0002"), "{method} {path} {:.20}", bad);
        }
        for size in [1024 * 1024 + 1, 5_000_000] {
            let reply = s.send(method, &path, &headers, Some(" ".repeat(size))).await;
            check(&reply, &path);
            assert_eq!(reply.status, 413, "{method} {path} {size}");
        }
    }
    // Just within the limit, and a description that is itself too long.
    let sdp = format!("{OFFER}{}", "a=x\r\n".repeat(100_000));
    let reply = alice.send("POST", "/calls", &[], Some(json!({"call": {"calledParty": "sip:b@x", "sdp": sdp}}))).await;
    assert_eq!(reply.refusal(), refused(400, "SVC0001"));
    // Without Content-Length, and larger than anything that is read.
    let stream = TcpStream::connect(s.gateway.address()).await.expect("connects");
    let (mut reader, mut writer) = stream.into_split();
    let head = format!(
        "POST {} HTTP/1.1\r\nHost: x\r\nAuthorization: {}\r\nTransfer-Encoding: chunked\r\n\r\n",
        alice.path("/calls"),
        alice.bearer
    );
    writer.write_all(head.as_bytes()).await.expect("sends");
    let chunk = format!("10000\r\n{}\r\n", " ".repeat(0x10000));
    let endless = async { while writer.write_all(chunk.as_bytes()).await.is_ok() {} };
    let mut status = [0; 12];
    let answer = async { reader.read_exact(&mut status).await.map(|_| ()) };
    let first = async {
        tokio::select! { answer = answer => answer, () = endless => Ok(()) }
    };
    let answered = tokio::time::timeout(DEADLINE, first).await.expect("it is not read for ever");
    if answered.is_ok() && status != [0; 12] {
        assert_eq!(&status, b"HTTP/1.1 413");
    }
    assert_eq!(alice.send("PUT", "", &[], None).await.status, 200, "nothing was harmed");
}

#[tokio::test]
async fn preflights_need_no_token_anywhere() {
    let s = Server::start().await;
    let headers = [
        ("Origin", "https://app.example"),
        ("Access-Control-Request-Method", "PUT"),
        ("Access-Control-Request-Headers", "authorization,content-type,x-calls-action"),
    ];
    for path in ["/RTC/v1/sessions", "/RTC/v1/sessions/none/calls/none", "/RTC/v1/userIds/x", "/dev/tokens", "/nowhere"]
    {
        let reply = s.send("OPTIONS", path, &headers, None).await;
        check(&reply, path);
        assert_eq!((reply.status, reply.body.as_str()), (204, ""), "{path}");
        assert_eq!(reply.header("access-control-allow-methods"), Some("GET, POST, PUT, DELETE, OPTIONS"));
        assert!(reply.header("access-control-max-age").is_some_and(|n| n.parse::<u32>().is_ok_and(|n| n >= 7200)));
        let allowed = reply.header("access-control-allow-headers").unwrap_or_default().to_ascii_lowercase();
        for name in
            "authorization content-type accept x-e911id x-arg x-calls-action x-conference-action x-modid x-mod-id \
                     x-delete-reason x-transfertargetcallid"
                .split_whitespace()
        {
            assert!(allowed.split(", ").any(|a| a == name), "{path}: {name}");
        }
    }
}
