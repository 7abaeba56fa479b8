//! The program `ewebrtc-phone`, as a person and as a script use it.
//!
//! Owns: processes; every one is killed when its test ends. Must not import: anything but the party.

use crate::focus::Focus;
use crate::party::{PATIENCE, gateway};
use crate::pictures::{Recording, counter, folder};
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

pub struct Program {
    pub child: Child,
    lines: mpsc::Receiver<String>,
    seen: Vec<Value>,
}

impl Program {
    pub fn start(gateway: &str, user: &str, more: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_ewebrtc-phone"))
            .args(["--gateway", gateway, "--user", user])
            .args(more)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let out = child.stdout.take().expect("piped");
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Self { child, lines, seen: Vec::new() }
    }

    pub fn say(&mut self, line: &str) {
        writeln!(self.child.stdin.as_mut().expect("piped"), "{line}").expect("the program reads");
    }

    /// Waits for a JSON line that fits.
    fn until(&mut self, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let line = self.lines.recv_timeout(left).unwrap_or_else(|_| panic!("no {what}; seen: {:#?}", self.seen));
            let value: Value = serde_json::from_str(&line).unwrap_or_else(|e| panic!("no JSON: {line}: {e}"));
            self.seen.push(value.clone());
            if fits(&value) {
                return value;
            }
        }
    }

    pub fn event(&mut self, name: &str) -> Value {
        self.until(name, |v| v["event"] == name)
    }

    pub fn outcome(&mut self, id: &str) -> Value {
        let fits = |v: &Value| v.get("event").is_none() && v["id"] == id;
        // It may have come beside an event that was waited for.
        match self.seen.iter().find(|v| fits(v)) {
            Some(seen) => seen.clone(),
            None => self.until(id, fits),
        }
    }

    /// Codes of the error events so far, and of those still to be read from a program that has ended.
    fn errors(&mut self) -> Vec<String> {
        while let Ok(line) = self.lines.recv_timeout(Duration::from_millis(200)) {
            self.seen.push(serde_json::from_str(&line).expect("JSON"));
        }
        let errors = self.seen.iter().filter(|v| v["event"] == "error");
        errors.map(|v| v["ErrorCode"].as_str().expect("a code").to_owned()).collect()
    }

    /// Waits for a line of text that contains this.
    fn text(&mut self, part: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        let mut seen = Vec::new();
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let line = self.lines.recv_timeout(left).unwrap_or_else(|_| panic!("no {part:?}; seen: {seen:#?}"));
            if line.contains(part) {
                return line;
            }
            seen.push(line);
        }
    }

    fn signal(&self, name: &str) {
        let status = Command::new("kill").args([name, &self.child.id().to_string()]).status().expect("kill runs");
        assert!(status.success());
    }

    pub fn end(&mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait().expect("a child") {
                return status;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("the program does not end; seen: {:#?}", self.seen);
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Samples of a finished recording.
fn samples(path: &Path) -> Vec<i16> {
    let mut reader = hound::WavReader::open(path).expect("a valid WAV file");
    let spec = reader.spec();
    assert_eq!((spec.channels, spec.bits_per_sample), (1, 16));
    reader.samples::<i16>().collect::<Result<_, _>>().expect("whole samples")
}

#[tokio::test(flavor = "multi_thread")]
async fn two_programs_call_each_other_and_record_what_is_heard() {
    let gateway = gateway().await;
    let url = gateway.url().to_owned();
    let recording = folder("programs").join("bob.wav");
    let file = recording.to_str().expect("text").to_owned();
    tokio::task::spawn_blocking(move || {
        let mut bob = Program::start(&url, "bob", &["--auto-answer", "--record", &file, "--json"]);
        bob.event("session:ready");
        let mut alice = Program::start(&url, "alice", &["--play", "tone:440", "--websocket", "--json"]);
        // Read before the session is ready; it waits for it.
        alice.say(r#"{"id":"c1","method":"dial","options":{"destination":"bob","mediaType":"audio"}}"#);
        assert_eq!(alice.outcome("c1"), json!({"id": "c1", "method": "dial", "result": null}));
        let connected = alice.event("call:connected");
        assert_eq!(connected["to"], "bob");
        bob.event("media:established");
        assert!(alice.seen.iter().any(|v| v["event"] == "dialing" && v["tag"] == "c1"), "{:#?}", alice.seen);
        alice.say(r#"{"id":"c2","method":"getCalls"}"#);
        assert_eq!(alice.outcome("c2")["result"][0]["state"], "connected");
        std::thread::sleep(Duration::from_millis(1500));
        alice.say("dtmf 1");
        assert_eq!(bob.event("dtmf:received")["tone"], "1");
        alice.say(r##"{"id":"k","method":"sendDTMFTone","options":{"input":"2#","gap":100}}"##);
        assert_eq!(alice.outcome("k")["result"], Value::Null);
        assert_eq!(bob.event("dtmf:received")["tone"], "2");
        assert_eq!(bob.event("dtmf:received")["tone"], "#");
        alice.say(r#"{"id":"c3","method":"hangup"}"#);
        alice.event("call:disconnected");
        bob.event("call:disconnected");
        // A second call is appended; the program ends within it.
        alice.say("dial bob");
        bob.event("media:established");
        std::thread::sleep(Duration::from_millis(1000));
        bob.signal("-TERM");
        assert_eq!(bob.end().code(), Some(0));
        alice.event("call:disconnected");
        alice.say("quit");
        assert_eq!(alice.end().code(), Some(0));
    })
    .await
    .expect("the programs behave");
    let heard = samples(&recording);
    let seconds = heard.len() as f64 / 48_000.0;
    assert!((2.3..=4.5).contains(&seconds), "{seconds} s were recorded");
    let level = ewebrtc_media::analysis::tone_level(&heard[24_000..48_000], 48_000, 440.0);
    assert!(level > 0.02, "440 Hz at {level}");
    gateway.stop().await;
}

/// Both programs as their users start them: the caller hears the tone, and a line says so.
#[tokio::test(flavor = "multi_thread")]
async fn the_program_tells_of_the_ringback_tone_and_records_it() {
    let config = ewebrtc::GatewayConfig { ringback: true, ..ewebrtc::GatewayConfig::development() };
    let gateway = ewebrtc::Gateway::start(config).await.expect("the gateway starts");
    let url = gateway.url().to_owned();
    let recording = folder("programs").join("ringback.wav");
    let file = recording.to_str().expect("text").to_owned();
    tokio::task::spawn_blocking(move || {
        let mut bob = Program::start(&url, "bob", &["--json"]);
        bob.event("session:ready");
        let mut alice = Program::start(&url, "alice", &["--record", &file]);
        alice.say("dial bob");
        let line = alice.text("call:ringback-provided");
        assert!(line.contains("to: bob"), "{line}");
        bob.event("call:incoming");
        std::thread::sleep(Duration::from_millis(1500));
        alice.say("cancel");
        alice.text("call:canceled");
        bob.event("call:canceled");
        alice.say("quit");
        assert_eq!(alice.end().code(), Some(0));
    })
    .await
    .expect("the programs behave");
    let heard = samples(&recording);
    let tone = heard.chunks_exact(12_000).map(|piece| ewebrtc_media::analysis::tone_level(piece, 48_000, 425.0));
    assert!(tone.filter(|level| *level > 0.05).count() >= 3, "{} samples", heard.len());
    gateway.stop().await;
}

/// How alike the loudness of two recordings runs in time, in steps of 20 ms: the best correlation when `heard` begins up to
/// half a second later. Unlike a comparison of samples it does not mind what a busy machine does to their timing.
fn rhythm(speech: &[i16], heard: &[i16]) -> f64 {
    let loudness = |pcm: &[i16]| -> Vec<f64> {
        let level = |c: &[i16]| c.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt();
        pcm.chunks_exact(960).map(level).collect()
    };
    let (wanted, got) = (loudness(speech), loudness(heard));
    let alike = |got: &[f64]| {
        let mean = |v: &[f64]| v.iter().sum::<f64>() / v.len() as f64;
        let (a, b) = (mean(&wanted), mean(got));
        let dot =
            |x: &[f64], mx: f64, y: &[f64], my: f64| -> f64 { x.iter().zip(y).map(|(x, y)| (x - mx) * (y - my)).sum() };
        dot(&wanted, a, got, b) / (dot(&wanted, a, &wanted, a) * dot(got, b, got, b)).sqrt().max(1.0)
    };
    (0..25).filter_map(|shift| got.get(shift..shift + wanted.len())).map(alike).fold(0.0, f64::max)
}

/// The speech begins anew with each call, and each recording follows the one before.
#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_played_from_its_start_in_every_call() {
    let gateway = gateway().await;
    let url = gateway.url().to_owned();
    let speech = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/speech/hello.wav");
    let recording = folder("programs").join("speech.wav");
    let file = recording.to_str().expect("text").to_owned();
    tokio::task::spawn_blocking(move || {
        // The end of standard input does not end a phone that answers by itself.
        let mut bob = Program::start(&url, "bob", &["--auto-answer", "--json", "--play", speech]);
        drop(bob.child.stdin.take());
        bob.event("session:ready");
        let mut alice = Program::start(&url, "alice", &["--json", "--record", &file]);
        for _ in 0..2 {
            alice.say("dial bob");
            alice.event("media:established");
            std::thread::sleep(Duration::from_millis(2500));
            alice.say("hangup");
            alice.event("call:disconnected");
        }
        // Logged out, then quit: nothing to complain about.
        alice.say("logout");
        alice.event("session:disconnected");
        alice.say("quit");
        assert_eq!(alice.end().code(), Some(0));
        assert!(alice.errors().is_empty());
        bob.signal("-TERM");
        assert_eq!(bob.end().code(), Some(0));
    })
    .await
    .expect("the programs behave");
    let heard = samples(&recording);
    // Both halves hold the same first seconds of the sentence.
    let (speech, rate) = ewebrtc_media::analysis::read_wav(Path::new(speech)).expect("the speech");
    let speech = ewebrtc_media::resample::resample_all(&speech[..rate as usize * 2], rate, 48_000);
    for half in [&heard[..heard.len() / 2], &heard[heard.len() / 2..]] {
        let alike = rhythm(&speech, half);
        assert!(alike > 0.8, "the start of the sentence is in every call: {alike}");
    }
    gateway.stop().await;
}

/// Words and JSON: an audio call gets video, one side keeps it, and what came is on file.
#[tokio::test(flavor = "multi_thread")]
async fn programs_add_video_and_record_it() {
    let gateway = gateway().await;
    let url = gateway.url().to_owned();
    let recording = folder("programs").join("bob.ivf");
    let (film, file) = (counter().display().to_string(), recording.display().to_string());
    tokio::task::spawn_blocking(move || {
        let mut bob = Program::start(&url, "bob", &["--json", "--play-video", &film, "--record-video", &file]);
        bob.event("session:ready");
        let mut alice = Program::start(&url, "alice", &["--json", "--play-video", &film]);
        alice.say("dial bob audio");
        let incoming = bob.event("call:incoming");
        assert_eq!(incoming["mediaType"], "audio");
        bob.say("answer");
        alice.event("media:established");
        alice.say("upgrade");
        let asked = bob.event("call:media-modification");
        assert_eq!(asked["newMediaType"], "video");
        bob.say("accept");
        alice.until("the end of the upgrade", |v| v["event"] == "call:state-changed" && v["newState"] == "connected");
        let deadline = Instant::now() + PATIENCE;
        while std::fs::metadata(&file).map_or(0, |file| file.len()) < 20_000 {
            assert!(Instant::now() < deadline, "nothing is recorded");
            std::thread::sleep(Duration::from_millis(50));
        }
        alice.say(r#"{"id":"less","method":"downgrade"}"#);
        bob.until("the wish", |v| v["event"] == "call:media-modification" && v["newMediaType"] == "audio");
        bob.say("decline");
        assert_eq!(alice.outcome("less"), json!({"id": "less", "method": "downgrade", "result": null}));
        bob.until("the end of it", |v| v["event"] == "call:state-changed" && v["newState"] == "connected");
        bob.say(r#"{"id":"type","method":"getMediaType"}"#);
        assert_eq!(bob.outcome("type")["result"], "video", "it keeps its own");
        bob.say("hangup");
        alice.event("call:disconnected");

        // A video call is answered with audio.
        alice.say("dial bob");
        let incoming = bob.event("call:incoming");
        assert_eq!(incoming["mediaType"], "video");
        bob.say("answer audio");
        let connected = alice.event("call:connected");
        assert_eq!((&connected["mediaType"], &connected["downgrade"]), (&json!("audio"), &json!(true)));
        for program in [&mut alice, &mut bob] {
            program.say("quit");
            assert_eq!(program.end().code(), Some(0));
            assert!(program.errors().is_empty());
        }
    })
    .await
    .expect("the programs behave");
    let (original, recorded) = (Recording::read(&counter()), Recording::read(&recording));
    assert!(recorded.frames.len() >= 15);
    original.assert_runs_through(&recorded.frames);
    gateway.stop().await;
}

/// People read text; numbers need an emergency address; a token may be bound to the user.
#[tokio::test(flavor = "multi_thread")]
async fn text_numbers_and_bound_tokens() {
    let gateway = gateway().await;
    let url = gateway.url().to_owned();
    let token = gateway.dev_token("carol").await.expect("a token").access_token.expose().to_owned();
    tokio::task::spawn_blocking(move || {
        let mut number = Program::start(&url, "4251234567", &["--e911", "E1"]);
        number.text("session:ready");
        let mut carol = Program::start(&url, "carol", &["--associate", "--token", &token]);
        carol.text("session:ready");
        carol.say("dial 1 (425) 123-4567");
        assert!(number.text("call:incoming").contains("sip:carol@ewebrtc.local"));
        number.say("answer");
        carol.text("call:connected");
        number.text("call:connected");
        carol.say("calls");
        assert!(carol.text("= [").contains("connected"));
        carol.say("help");
        carol.text("dial NAME");
        carol.say("fly away");
        carol.text("not understood: fly away");
        carol.say("dial bob");
        carol.text("2252");
        number.say("hangup");
        carol.text("call:disconnected");
        let mut none = Program::start(&url, "4251234567", &[]);
        none.text("1511");
        assert_eq!(none.end().code(), Some(1));
    })
    .await
    .expect("the programs behave");
    gateway.stop().await;
}

/// Everything that is no call has its words; wrong ones are refused, and nothing ends the program.
#[tokio::test(flavor = "multi_thread")]
async fn settings_network_log_and_numbers_have_their_words() {
    let gateway = gateway().await;
    let url = gateway.url().to_owned();
    tokio::task::spawn_blocking(move || {
        let mut alice = Program::start(&url, "alice", &[]);
        alice.text("session:ready");
        for (line, answer) in [
            ("ice http:nowhere", "4811"),
            ("ice", "= no ICE servers"),
            ("ice stun:192.0.2.1 turn:192.0.2.2", ""),
            ("ice", "= stun:192.0.2.1 turn:192.0.2.2"),
            ("ice reset", ""),
            ("path nowhere", "4821"),
            ("path relay", ""),
            ("path", "= \"relay\""),
            ("path reset", ""),
            ("ipv6 perhaps", "not understood"),
            ("ipv6 off", ""),
            ("ipv6", "= false"),
            ("codec G729", "! there is no codec"),
            ("codec PCMA", ""),
            ("codec", "= \"PCMA\""),
            ("offline", "= offline"),
            ("dial echo", "0002"),
            ("online", "= online"),
            ("network", "= online"),
            ("log loud", "! there is no log level"),
            ("log call debug", ""),
            ("log", "\"call\":\"debug\""),
            ("log reset", ""),
            ("clean 1-800-FLOWERS", "= \"18003569377\""),
            ("format 425 123 4567", "= \"+1 (425) 123-4567\""),
            ("caller sip:bob@example.com", "\"callerId\":\"bob\""),
            ("report", "\"hasWebRTC\""),
            ("error 2211", "= 2211: "),
            ("error 9999", "= there is no error 9999"),
            ("error", "not understood: error"),
        ] {
            alice.say(line);
            if !answer.is_empty() {
                alice.text(answer);
            }
        }
        alice.say("dial echo");
        alice.text("call:connected");
        alice.say("quit");
        assert_eq!(alice.end().code(), Some(0));
    })
    .await
    .expect("the program behaves");
    gateway.stop().await;
}

/// A gateway that was started anew has forgotten the session; the program logs in again by itself.
#[tokio::test(flavor = "multi_thread")]
async fn the_program_logs_in_again_after_the_session_has_expired() {
    let (old, new) = (gateway().await, gateway().await);
    let wire = crate::stub::Wire::to(old.url()).await;
    let url = wire.url();
    let start = tokio::task::spawn_blocking(move || {
        let mut bob = Program::start(&url, "bob", &["--auto-answer", "--json"]);
        bob.event("session:ready");
        bob
    });
    let mut bob = start.await.expect("the program behaves");
    wire.lead_to(new.url()).await;
    let url = new.url().to_owned();
    tokio::task::spawn_blocking(move || {
        bob.event("session:expired");
        bob.event("session:ready");
        let mut alice = Program::start(&url, "alice", &[]);
        alice.text("session:ready");
        alice.say("dial bob");
        alice.text("media:established");
        alice.say("logout");
        alice.text("session:disconnected");
        alice.say("login");
        alice.text("session:ready");
        alice.say("login");
        alice.text("2003");
    })
    .await
    .expect("the programs behave");
    old.stop().await;
    new.stop().await;
}

/// A frozen process stops sending; the other side says so after five seconds and again when packets come back.
#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_peer_is_noticed_and_so_is_its_return() {
    let gateway = gateway().await;
    let url = gateway.url().to_owned();
    tokio::task::spawn_blocking(move || {
        let mut bob = Program::start(&url, "bob", &["--auto-answer", "--json"]);
        bob.event("session:ready");
        let mut alice = Program::start(&url, "alice", &["--json"]);
        alice.say("dial bob");
        alice.event("media:established");
        bob.event("media:established");
        bob.signal("-STOP");
        let stopped = Instant::now();
        let interrupted = alice.event("media:interrupted");
        let after = stopped.elapsed();
        assert!((Duration::from_millis(4500)..Duration::from_secs(8)).contains(&after), "noticed after {after:?}");
        assert!(interrupted["call"].is_u64(), "{interrupted}");
        bob.signal("-CONT");
        let recovered = alice.event("media:recovered");
        assert_eq!(recovered["call"], interrupted["call"]);
        alice.say("hangup");
        alice.event("call:disconnected");
        let established = alice.seen.iter().filter(|v| v["event"] == "media:established").count();
        assert_eq!(established, 1, "once per call");
    })
    .await
    .expect("the programs behave");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_have_exactly_one_outcome_and_nothing_ends_the_program() {
    let gateway = gateway().await;
    let url = gateway.url().to_owned();
    tokio::task::spawn_blocking(move || {
        let mut alice = Program::start(&url, "alice", &["--json"]);
        for line in ["", "nonsense", "{", "{}", r#"{"id":1,"method":7}"#, "[1]", "help", "\u{fffd}", "dial", "hangup"] {
            alice.say(line);
        }
        alice.say(r#"{"id":"a","method":"hangup"}"#);
        let refused = alice.outcome("a");
        assert_eq!(refused["error"]["ErrorCode"], "2402");
        alice.say(r#"{"id":"b","method":"fly"}"#);
        assert!(alice.outcome("b")["error"]["ErrorCode"].is_string());
        alice.say(r#"{"id":"c","method":"getVersion"}"#);
        assert_eq!(alice.outcome("c")["result"], ewebrtc::VERSION);
        alice.say(r#"{"id":"d","method":"on","options":{"event":"no:event"}}"#);
        assert_eq!(alice.outcome("d")["error"]["ErrorCode"], "4902");
        alice.say(r#"{"id":"g","method":"on","options":{}}"#);
        assert_eq!(alice.outcome("g")["error"]["ErrorCode"], "4901");
        alice.say(r#"{"id":"h","method":"off","options":{"event":"dialing"}}"#);
        assert_eq!(alice.outcome("h")["result"], Value::Null);
        alice.say(r#"{"id":"e","method":"isCallInProgress"}"#);
        assert_eq!(alice.outcome("e")["result"], false);
        alice.say(r#"{"id":"f","method":"dial","options":{"destination":""}}"#);
        assert_eq!(alice.outcome("f")["error"]["ErrorCode"], "2211");
        let raised = |v: &Value| v["event"] == "error" && v["tag"] == "f" && v["ErrorCode"] == "2211";
        if !alice.seen.iter().any(raised) {
            alice.until("the error event", raised);
        }
        for id in ["a", "b", "c", "d", "e", "f"] {
            let outcomes = alice.seen.iter().filter(|v| v.get("event").is_none() && v["id"] == id).count();
            assert_eq!(outcomes, 1, "{id}");
        }
        drop(alice.child.stdin.take());
        assert_eq!(alice.end().code(), Some(0));
    })
    .await
    .expect("the program behaves");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_exit_status_tells_what_went_wrong() {
    let gateway = gateway().await;
    let url = gateway.url().to_owned();
    tokio::task::spawn_blocking(move || {
        let mut wrong = Program::start(&url, "alice", &["--token", "wrong", "--json"]);
        wrong.say(r#"{"id":"c1","method":"dial","options":{"destination":"bob"}}"#);
        assert_eq!(wrong.event("error")["ErrorCode"], "1711");
        assert_eq!(wrong.outcome("c1")["error"]["ErrorCode"], "2241", "an outcome although the login failed");
        assert_eq!(wrong.end().code(), Some(1));
        let mut errors = wrong.errors();
        errors.sort();
        assert_eq!(errors, ["1711", "2241"], "no error but these");
        for nowhere in ["http://127.0.0.1:9", "https://127.0.0.1:9"] {
            let mut nowhere = Program::start(nowhere, "alice", &["--json"]);
            assert_eq!(nowhere.event("error")["ErrorCode"], "0002");
            assert_eq!(nowhere.end().code(), Some(1));
            assert_eq!(nowhere.errors(), ["0002"]);
        }
        let mut name = Program::start(&url, "no such name", &["--json"]);
        assert_eq!(name.event("error")["HttpStatusCode"], "400");
        assert_eq!(name.end().code(), Some(1));
        let slow = folder("programs").join("slow.wav");
        let spec = hound::WavSpec {
            channels: 1,
            sample_rate: 7_000,
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        };
        let mut writer = hound::WavWriter::create(&slow, spec).expect("a file");
        writer.write_sample(1i16).expect("a sample");
        writer.finalize().expect("a whole file");
        let mut play = Program::start(&url, "alice", &["--play", slow.to_str().expect("text")]);
        assert_eq!(play.end().code(), Some(2));
        let mut bad = Program::start(&url, "alice", &["--frobnicate"]);
        assert_eq!(bad.end().code(), Some(2));
        let mut scheme = Program::start("ftp://nowhere", "alice", &[]);
        assert_eq!(scheme.end().code(), Some(2));
        let mut file = Program::start(&url, "alice", &["--record-video", "/does/not/exist/x.ivf"]);
        assert_eq!(file.end().code(), Some(2));
        let mut file = Program::start(&url, "alice", &["--record", "/does/not/exist/x.wav"]);
        assert_eq!(file.end().code(), Some(2));
        // SIGINT while nothing happens, and the recording of no call is a valid file.
        let recording = folder("programs").join("none.wav");
        let mut idle = Program::start(&url, "alice", &["--json", "--record", recording.to_str().expect("text")]);
        idle.event("session:ready");
        idle.signal("-INT");
        assert_eq!(idle.end().code(), Some(0));
        assert!(samples(&recording).is_empty());
    })
    .await
    .expect("the program behaves");
    gateway.stop().await;
}

/// Every method about conferences, in words and as JSON.
#[tokio::test(flavor = "multi_thread")]
async fn a_program_hosts_and_joins_conferences() {
    let focus = Focus::start().await;
    let url = focus.url().to_owned();
    let news = focus.clone();
    let invite = |focus: &Focus| tokio::runtime::Handle::current().block_on(focus.invite());
    tokio::task::spawn_blocking(move || {
        let mut host = Program::start(&url, "alice", &["--token", "t", "--json"]);
        host.event("session:ready");
        host.say(r#"{"id":"s","method":"startConference","options":{"mediaType":"audio"}}"#);
        assert_eq!(host.outcome("s"), json!({"id": "s", "method": "startConference", "result": null}));
        let connected = host.event("conference:connected");
        assert!(connected["conference"].is_u64() && connected["tag"] == "s", "{connected}");
        host.say(r#"{"id":"a","method":"addParticipant","options":{"participant":"bob@example.com"}}"#);
        assert_eq!(host.outcome("a")["result"], Value::Null);
        host.event("conference:invitation-sent");
        news.news_of("f1", "i1", "success", "sip:bob@example.com");
        host.event("conference:invitation-accepted");
        host.say(r#"{"id":"p","method":"getParticipants"}"#);
        let list = json!({"bob@example.com": {"participant": "bob@example.com", "status": "active"}});
        assert_eq!(host.outcome("p")["result"], list);
        host.say(r#"{"id":"r","method":"removeParticipant","options":{"participant":"bob@example.com"}}"#);
        host.event("conference:participant-removed");
        host.say(r#"{"id":"j","method":"joinConference","options":{}}"#);
        assert_eq!(host.outcome("j")["error"]["ErrorCode"], "3231");
        host.say(r#"{"id":"x","method":"rejectConference"}"#);
        assert_eq!(host.outcome("x")["error"]["ErrorCode"], "3302");
        host.say(r#"{"id":"e","method":"endConference"}"#);
        host.event("conference:ended");
        host.say("quit");
        assert_eq!(host.end().code(), Some(0));

        let mut person = Program::start(&url, "alice", &["--token", "t"]);
        person.text("session:ready");
        person.say("conference");
        person.text("conference:connected");
        person.say("invite 1 555 123 0000");
        assert!(person.text("invitation-sending").contains("invitee: tel:+15551230000"));
        person.text("invitation-sent");
        news.news_of("f2", "i2", "success", "tel:+15551230000");
        person.text("invitation-accepted");
        person.say("participants");
        assert!(person.text("= {").contains("15551230000"));
        person.say("remove 15551230000");
        person.text("participant-removed");
        person.say("leave");
        person.text("conference:ended");
        invite(&news);
        person.text("invitation-received");
        person.say("refuse");
        person.text("invitation-rejected");
        invite(&news);
        person.text("invitation-received");
        person.say("join");
        person.text("conference:connected");
        person.say("leave");
        person.text("conference:ended");
        person.say("quit");
        assert_eq!(person.end().code(), Some(0));

        let mut robot = Program::start(&url, "alice", &["--token", "t", "--auto-answer", "--json"]);
        robot.event("session:ready");
        invite(&news);
        robot.event("conference:connected");
        robot.signal("-TERM");
        assert_eq!(robot.end().code(), Some(0));
    })
    .await
    .expect("the programs behave");
}
