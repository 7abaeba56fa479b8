//! Every method by `ewebrtc-phone`: as a word, refused with the code of its method, and as JSON, with exactly one outcome.
//!
//! Owns: the table of words. Must not import: anything but the party and the program.

use crate::party::gateway;
use crate::program::Program;
use serde_json::json;

/// Words that fit nothing while there is no call, with the method and the code that refuse them.
const WORDS: [(&str, &str, &str); 28] = [
    ("dial", "dial", "2211"),
    ("add bob", "addCall", "3951"),
    ("answer", "answer", "2331"),
    ("answer hold", "answer", "2331"),
    ("answer end audio", "answer", "2331"),
    ("reject", "reject", "3002"),
    ("cancel", "cancel", "2902"),
    ("hangup", "hangup", "2402"),
    ("hold", "hold", "2502"),
    ("resume", "resume", "2602"),
    ("switch", "switchCall", "4202"),
    ("transfer", "transfer", "4102"),
    ("move", "move", "4002"),
    ("upgrade", "upgrade", "4602"),
    ("downgrade", "downgrade", "4502"),
    ("accept", "acceptModification", "4302"),
    ("decline", "rejectModification", "4402"),
    ("mute", "mute", "2702"),
    ("unmute", "unmute", "2802"),
    ("conference smell", "startConference", "3111"),
    ("invite bob", "addParticipant", "3631"),
    ("remove bob", "removeParticipant", "3731"),
    ("participants", "getParticipants", "3402"),
    ("join", "joinConference", "3231"),
    ("refuse", "rejectConference", "3302"),
    ("leave", "endConference", "3502"),
    ("dtmf 1", "sendDTMFTone", "4731"),
    ("dtmf 1 100", "sendDTMFTone", "4731"),
];

/// Documented methods that are no commands of a phone: left out (P-58, P-59), the constructor and the handler of others.
const NO_COMMANDS: [&str; 9] = [
    "associateAccessToken",
    "eventsPublished",
    "lastEventPublished",
    "setup",
    "getUserMedia",
    "releaseLocalUserMedia",
    "getSession",
    "getPhone",
    "createLogger",
];

#[tokio::test(flavor = "multi_thread")]
async fn every_method_is_taken_as_words_and_as_json() {
    let gateway = gateway().await;
    let url = gateway.url().to_owned();
    tokio::task::spawn_blocking(move || {
        let mut alice = Program::start(&url, "alice", &["--json"]);
        alice.event("session:ready");
        for (line, method, code) in WORDS {
            alice.say(line);
            let error = alice.event("error");
            let documented = ewebrtc_wire::sdk_error(code).expect("in the catalogue").js_method;
            assert_eq!(
                (&error["ErrorCode"], &error["JSMethod"]),
                (&json!(code), &json!(documented)),
                "{line}: {method}"
            );
        }
        // The end of the session comes last; the address of the gateway is given at the start.
        let others = |name: &&str| !NO_COMMANDS.contains(name) && !["logout", "configure"].contains(name);
        let names: Vec<&str> = ewebrtc_wire::methods().iter().map(|info| info.name).filter(others).collect();
        assert!(names.len() > 60 && WORDS.iter().all(|word| names.contains(&word.1)), "{names:?}");
        for (place, name) in names.into_iter().chain(["logout"]).enumerate() {
            let id = format!("{place} {name}");
            // Without options none of them does anything but these, which are given some that change nothing.
            let options = if name == "startConference" { json!({"mediaType": "smell"}) } else { json!({}) };
            alice.say(&json!({"id": id, "method": name, "options": options}).to_string());
            let outcome = alice.outcome(&id);
            let cause = outcome["error"]["Cause"].as_str().unwrap_or_default();
            assert!(!cause.starts_with("there is no method"), "{outcome}");
        }
        alice.event("session:disconnected");
        drop(alice.child.stdin.take());
        assert_eq!(alice.end().code(), Some(0));
    })
    .await
    .expect("the program behaves");
    gateway.stop().await;
}
