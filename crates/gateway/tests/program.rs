//! The program as its users start it: options, its one line, signals.

#![cfg(unix)]

mod common;

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

fn program() -> Command {
    Command::new(env!("CARGO_BIN_EXE_ewebrtc-gateway"))
}

fn run(arguments: &[&str]) -> Output {
    program().args(arguments).output().expect("runs")
}

struct Running {
    child: Child,
    url: String,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn start(arguments: &[&str]) -> Running {
    let mut command = program();
    command.args(["--dev", "--listen", "127.0.0.1:0"]).args(arguments);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("starts");
    let mut line = String::new();
    let stdout = child.stdout.take().expect("piped");
    let mut stdout = BufReader::new(stdout);
    stdout.read_line(&mut line).expect("a line");
    let url = line.trim_end().strip_prefix("listening on ").expect("the line").to_owned();
    assert!(url.starts_with("http://127.0.0.1:") && !url.ends_with(":0"), "{url}");
    child.stdout = Some(stdout.into_inner());
    Running { child, url }
}

fn signal(child: &Child, name: &str) {
    let sent = Command::new("kill").args(["-s", name, &child.id().to_string()]).status().expect("kill");
    assert!(sent.success());
}

fn wait(child: &mut Child, limit: Duration) -> std::process::ExitStatus {
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait().expect("its status") {
            return status;
        }
        assert!(start.elapsed() < limit, "still running after {limit:?}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn help_explains_every_option() {
    let out = run(&["--help"]);
    assert!(out.status.success());
    let text = String::from_utf8(out.stdout).expect("text");
    for option in [
        "--dev",
        "--listen",
        "--domain",
        "--session-seconds",
        "--ring-seconds",
        "--poll-seconds",
        "--lost-seconds",
        "--ringback",
        "--help",
    ] {
        assert!(text.contains(&format!("\n  {option}")), "{option}");
    }
}

#[test]
fn bad_usage_is_status_2_with_a_word_that_helps() {
    for (arguments, word) in [
        (&[][..], "--dev"),
        (&["--dev", "--nonsense"], "--nonsense"),
        (&["--dev", "--ring-seconds", "x"], "ring-seconds"),
        (&["--dev", "--ring-seconds", "0"], "ring time"),
        (&["--dev", "--poll-seconds", "40"], "poll time"),
        (&["--dev", "--domain", "a b"], "domain"),
        (&["--dev", "stray"], "stray"),
        (&["--listen"], "listen"),
    ] {
        let out = run(arguments);
        let text = String::from_utf8_lossy(&out.stderr).into_owned();
        assert_eq!(out.status.code(), Some(2), "{arguments:?}: {text}");
        assert!(text.contains(word) && text.contains("--help"), "{arguments:?}: {text}");
        assert!(out.stdout.is_empty());
    }
}

#[test]
fn a_taken_address_is_status_1() {
    let running = start(&[]);
    let address = running.url.trim_start_matches("http://");
    let out = run(&["--dev", "--listen", address]);
    assert_eq!(out.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&out.stderr).contains(address));
}

/// With `--ringback` a caller gets early media, and without it none.
#[tokio::test]
async fn the_ringback_tone_is_an_option() {
    use ewebrtc_media::transport::{Transport, TransportConfig, TransportEvents, TransportState};
    struct Deaf;
    impl TransportEvents for Deaf {
        fn rtp(&self, _: ewebrtc_media::transport::Medium, _: ewebrtc_media::transport::RtpPacket, _: Instant) {}
        fn state(&self, _: TransportState) {}
    }
    let transport = Transport::new(TransportConfig::default(), std::sync::Arc::new(Deaf)).await.expect("a transport");
    let offer = transport.create_offer().await.expect("an offer");
    for (arguments, early) in [(&["--ringback"][..], true), (&[][..], false)] {
        let running = start(arguments);
        let (client, url) = (common::client(), running.url.clone());
        let mut sessions = Vec::new();
        for user in ["alice", "bob"] {
            let body = format!(r#"{{"user":"{user}"}}"#);
            let token = client.post(format!("{url}/dev/tokens")).body(body).send().await.expect("a token");
            let token: serde_json::Value = serde_json::from_str(&token.text().await.expect("text")).expect("JSON");
            let token = token["access_token"].as_str().expect("a token").to_owned();
            let session = client.post(format!("{url}/RTC/v1/sessions")).bearer_auth(&token).body(r#"{"session":{}}"#);
            let session = session.send().await.expect("a session");
            sessions.push((session.headers()["location"].to_str().expect("text").to_owned(), token));
        }
        let call = serde_json::json!({"call": {"calledParty": "sip:bob@ewebrtc.local", "sdp": offer}}).to_string();
        let (alice, token) = &sessions[0];
        let made = client.post(format!("{url}{alice}/calls")).bearer_auth(token).body(call).send().await.expect("201");
        assert_eq!(made.status().as_u16(), 201);
        // The callee rings in either case, and the caller's early media is there by then.
        let (bob, bobs) = &sessions[1];
        let invited = client.get(format!("{url}{bob}/events")).bearer_auth(bobs).send().await.expect("an event");
        let invited = invited.text().await.expect("text");
        assert!(invited.contains("invitation-received"), "{invited}");
        assert_eq!(invited.contains(&serde_json::json!(offer).to_string()), !early, "{invited}");
        if early {
            let open = client.get(format!("{url}{alice}/events")).bearer_auth(token).send().await.expect("an event");
            let open = open.text().await.expect("text");
            assert!(open.contains(r#""provisionalSDP":true"#), "{open}");
        }
    }
    transport.close().await;
}

/// SIGTERM with open polls: they end with 204, the program with status 0, in less than five seconds; its output was one
/// line, and its log says nothing about anybody.
#[tokio::test]
async fn signals_end_it_cleanly_even_with_polls_open() {
    for name in ["TERM", "INT"] {
        let mut running = start(&["--session-seconds", "100"]);
        let client = common::client();
        let url = running.url.clone();
        let token = client.post(format!("{url}/dev/tokens")).body(r#"{"user":"alice"}"#).send().await.expect("a token");
        let token: serde_json::Value = serde_json::from_str(&token.text().await.expect("text")).expect("JSON");
        let token = token["access_token"].as_str().expect("a token").to_owned();
        let created =
            client.post(format!("{url}/RTC/v1/sessions")).bearer_auth(&token).body(r#"{"session":{}}"#).send().await;
        let created = created.expect("a session");
        assert_eq!(created.headers()["x-expires"], "100");
        let path = created.headers()["location"].to_str().expect("text").to_owned();
        let poll = || client.get(format!("{url}{path}/events")).bearer_auth(&token).send();
        // Of two polls the older is answered when the newer waits.
        let (mut a, mut b) = (Box::pin(poll()), Box::pin(poll()));
        let waiting = tokio::select! { r = &mut a => { r.expect("204"); b } r = &mut b => { r.expect("204"); a } };
        let start = Instant::now();
        signal(&running.child, name);
        assert_eq!(waiting.await.expect("an answer").status().as_u16(), 204);
        assert_eq!(wait(&mut running.child, Duration::from_secs(5)).code(), Some(0));
        assert!(start.elapsed() < Duration::from_secs(5));
        let (mut rest, mut log) = (String::new(), String::new());
        running.child.stdout.take().expect("piped").read_to_string(&mut rest).expect("text");
        running.child.stderr.take().expect("piped").read_to_string(&mut log).expect("text");
        assert_eq!(rest, "");
        assert!(log.contains("session"), "{log}");
        for secret in [token.as_str(), "alice", "127.0.0.1", path.rsplit('/').next().expect("an id")] {
            assert!(!log.contains(secret), "{log}");
        }
    }
}
