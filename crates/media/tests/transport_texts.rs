//! Foreign descriptions through a whole transport: every recorded offer gets a legal answer, every damaged one an answer
//! or an error.

mod transport_support;

use std::path::{Path, PathBuf};
use std::time::Duration;

use ewebrtc_media::MediaError;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use transport_support::{config, lines, side, within};

fn recorded() -> Vec<(PathBuf, String)> {
    let mut list = Vec::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("../wire/data/transcripts/sdp")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("the recorded descriptions are in the project") {
            let path = entry.expect("readable folder").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "sdp") {
                let text = std::fs::read_to_string(&path).expect("readable file");
                list.push((path, text));
            }
        }
    }
    list.sort();
    assert!(list.len() > 100, "only {} recorded descriptions found", list.len());
    list
}

/// The session part and the sections of a text.
fn sections(text: &str) -> (&str, Vec<&str>) {
    let starts: Vec<usize> = text.match_indices("\r\nm=").map(|(at, _)| at + 2).collect();
    let ends = starts.iter().skip(1).copied().chain([text.len()]);
    let parts = starts.iter().zip(ends).map(|(start, end)| &text[*start..end]).collect();
    (&text[..starts.first().copied().unwrap_or(text.len())], parts)
}

fn value<'a>(section: &'a str, name: &str) -> Option<&'a str> {
    section.lines().find_map(|line| line.strip_prefix(name)).map(str::trim)
}

fn direction(section: &str) -> &str {
    let names = ["a=sendrecv", "a=sendonly", "a=recvonly", "a=inactive"];
    let found: Vec<&str> = section.lines().filter(|line| names.contains(line)).collect();
    assert!(found.len() <= 1, "one direction only: {section}");
    found.first().copied().unwrap_or("none")
}

/// RFC 3264 section 6, RFC 8829 section 5.3 and rest-protocol.md sections 4.1 to 4.4, as far as a text shows them.
fn assert_legal(offer: &str, answer: &str) {
    assert!(answer.starts_with("v=0\r\no=- ") && answer.ends_with("\r\n"), "{answer}");
    assert_eq!(answer.matches('\n').count(), answer.matches("\r\n").count(), "{answer}");
    let ((_, offered), (session, answered)) = (sections(offer), sections(answer));
    assert_eq!(offered.len(), answered.len(), "{answer}");
    let mut live = Vec::new();
    for (theirs, ours) in offered.iter().zip(&answered) {
        let words = |section: &str| -> Vec<String> {
            section.lines().next().unwrap_or("").split(' ').map(str::to_owned).collect()
        };
        let (theirs_m, ours_m) = (words(theirs), words(ours));
        assert_eq!((&theirs_m[0], &theirs_m[2]), (&ours_m[0], &ours_m[2]), "{answer}");
        assert!(ours_m[3..].iter().all(|format| theirs_m[3..].contains(format)) && ours_m.len() > 3, "{answer}");
        assert_eq!(value(theirs, "a=mid:"), value(ours, "a=mid:"), "{answer}");
        for name in ["c=IN ", "a=setup:", "a=ice-ufrag:", "a=ice-pwd:", "a=fingerprint:"] {
            assert_eq!(ours.lines().filter(|line| line.starts_with(name)).count(), 1, "{name} in {ours}");
        }
        let setup = match value(theirs, "a=setup:") {
            Some("active") => "passive",
            _ => "active",
        };
        assert_eq!(value(ours, "a=setup:"), Some(setup), "{answer}");
        if ours_m[1] == "0" {
            assert_eq!(direction(ours), "a=inactive", "{answer}");
            assert!(ours.contains("c=IN IP4 0.0.0.0\r\n"), "{answer}");
            continue;
        }
        live.push(value(ours, "a=mid:").unwrap_or(""));
        assert_ne!(theirs_m[1], "0", "a refused section stays refused: {answer}");
        let expected = match direction(theirs) {
            "a=sendonly" => "a=recvonly",
            "a=recvonly" => "a=sendonly",
            "a=inactive" => "a=inactive",
            _ => "a=sendrecv",
        };
        assert_eq!(direction(ours), expected, "{answer}");
        let mapped = |format: &String| ours.contains(&format!("a=rtpmap:{format} "));
        assert!(ours_m[3..].iter().all(mapped), "{answer}");
        assert_eq!(lines(ours, "a=rtpmap:").len(), ours_m.len() - 3, "{answer}");
        assert!(!lines(ours, "a=candidate:").is_empty(), "{answer}");
        assert!(lines(ours, "a=candidate:").iter().all(|line| line.split(' ').nth(1) == Some("1")), "{answer}");
    }
    assert_eq!(live.len(), 1, "{answer}");
    if let Some(bundle) = value(session, "a=group:BUNDLE ") {
        assert_eq!(bundle.split(' ').collect::<Vec<_>>(), live, "{answer}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_recorded_description_as_an_offer_gets_a_legal_answer() {
    for (path, offer) in recorded() {
        let callee = side(config()).await;
        let answer = within(5, "an answer", callee.transport.answer_offer(&offer)).await;
        let answer = answer.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        println!("{}", path.display());
        assert_legal(&offer, &answer);
        callee.transport.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_recorded_description_as_an_answer_is_accepted_or_refused_with_words() {
    let mut accepted = 0;
    let list = recorded();
    let count = list.len();
    for (path, text) in list {
        let caller = side(config()).await;
        caller.transport.create_offer().await.expect("an offer");
        match within(5, "applied", caller.transport.apply_answer(&text)).await {
            Ok(()) => accepted += 1,
            Err(error) => panic!("{}: {error}", path.display()),
        }
        caller.transport.close().await;
    }
    assert_eq!(accepted, count);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn garbage_is_an_sdp_error_and_the_transport_goes_on() {
    let (a, b) = (side(config()).await, side(config()).await);
    let good = a.transport.create_offer().await.expect("an offer");
    let no_codec = good.replace("SAVPF 111 0 8 110 126", "SAVPF 9");
    let long = "a=x\r\n".repeat(20_000);
    let bad: [&str; 8] =
        ["", "hello", "v=0\r\n", "{\"sdp\":1}", &long, "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n", &no_codec, "\u{0}\u{1}"];
    for text in bad {
        let answered = within(2, "an answer", b.transport.answer_offer(text)).await;
        assert!(matches!(answered, Err(MediaError::Sdp(_))), "{answered:?}");
        let applied = within(2, "applied", a.transport.apply_answer(text)).await;
        assert!(matches!(applied, Err(MediaError::Sdp(_))), "{applied:?}");
    }
    let answer = b.transport.answer_offer(&good).await.expect("an answer");
    a.transport.apply_answer(&answer).await.expect("applied");
    a.connected().await;
    b.connected().await;
    // In the middle of a call, too.
    for text in bad {
        assert!(matches!(b.transport.answer_offer(text).await, Err(MediaError::Sdp(_))));
    }
    transport_support::both_ways(&a, &b).await;
    assert!(matches!(b.transport.apply_answer(&answer).await, Err(MediaError::Transport(_))), "b never offered");
}

/// Damages a text: cuts, doubles, overwrites and swaps pieces, as the numbers say.
fn damaged(text: &str, steps: &[(usize, usize, u8, u8)]) -> String {
    let mut bytes = text.as_bytes().to_vec();
    for (at, length, what, byte) in steps {
        let at = at % bytes.len().max(1);
        let end = (at + length).min(bytes.len());
        match what % 4 {
            0 => drop(bytes.drain(at..end)),
            1 => {
                let piece = bytes[at..end].to_vec();
                bytes.splice(at..at, piece);
            }
            2 => {
                if let Some(place) = bytes.get_mut(at) {
                    *place = *byte;
                }
            }
            _ => bytes[at..end].reverse(),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[test]
fn damaged_descriptions_never_panic_or_hang() {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    let texts: Vec<String> = recorded().into_iter().map(|(_, text)| text).step_by(7).collect();
    let mut runner = TestRunner::new(Config { cases: 150, failure_persistence: None, ..Config::default() });
    let steps = prop::collection::vec((0_usize..6000, 0_usize..80, any::<u8>(), any::<u8>()), 1..5);
    // A failing input is printed in full by the runner.
    let outcome = runner.run(&(0..texts.len(), steps), |(index, steps)| {
        let text = damaged(&texts[index], &steps);
        runtime.block_on(async {
            let callee = side(config()).await;
            let answered = within(5, "an answer", callee.transport.answer_offer(&text)).await;
            assert!(matches!(answered, Ok(_) | Err(MediaError::Sdp(_))), "{answered:?}");
            if answered.is_ok() {
                // As a second offer on the same connection, and of the undamaged party on it.
                let _ = within(5, "an answer", callee.transport.answer_offer(&damaged(&text, &steps))).await;
                let _ = within(5, "an answer", callee.transport.answer_offer(&texts[index])).await;
            }
            callee.transport.close().await;
            let caller = side(config()).await;
            caller.transport.create_offer().await.expect("an offer");
            let applied = within(5, "applied", caller.transport.apply_answer(&text)).await;
            assert!(matches!(applied, Ok(()) | Err(MediaError::Sdp(_))), "{applied:?}");
            drop(caller);
        });
        Ok(())
    });
    runtime.block_on(async {
        let alive = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
        transport_support::until("no task is left", || alive() == 0).await;
    });
    runtime.shutdown_timeout(Duration::from_secs(5));
    outcome.expect("every damaged text is answered or refused");
}
