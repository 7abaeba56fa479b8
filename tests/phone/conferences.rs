//! Conferences by the methods of the library, with real audio; the gateway is a stand-in that lets the test say what the
//! other parties do.
//!
//! Owns: what a host and a participant do. Must not import: anything but the party and the focus.

use crate::focus::{Focus, TONE};
use crate::party::{PATIENCE, Party, gateway};
use ewebrtc::{Call, CallSettings, ConferenceOptions, Error, JoinOptions, LoginOptions, Participant, PhoneConfig};
use ewebrtc_media::analysis::tone_level;
use std::time::Duration;

const BOB: &str = "sip:bob@example.com";

/// How a conference ends that its owner leaves.
const ENDING: [&str; 4] =
    ["sc connected>disconnecting", "conference:disconnecting", "sc disconnecting>disconnected", "conference:ended"];

/// A phone at the focus.
async fn at(focus: &Focus) -> Party {
    let mut config = PhoneConfig::new(focus.url());
    config.domain = Some("example.com".into());
    let mut party = Party::new(config);
    party.phone.login(LoginOptions::new("token")).await.expect("login");
    party.until("session:ready").await;
    party.forget();
    party
}

/// Waits until the condition holds, `PATIENCE` at most.
async fn soon(what: &str, mut met: impl FnMut() -> bool) {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while !met() {
        assert!(tokio::time::Instant::now() < deadline, "{what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn code(result: Result<(), Error>) -> String {
    match result {
        Err(Error::Phone(error)) => error.error_code,
        other => panic!("{other:?}"),
    }
}

fn tone(hz: f32) -> CallSettings {
    CallSettings { local_media: Some(format!("tone:{hz}")), remote_media: None }
}

fn heard(call: &Call) -> f32 {
    call.stats().map_or(-127.0, |stats| stats.level_in_dbfs)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_fills_its_conference_and_ends_it() {
    let focus = Focus::start().await;
    let mut host = at(&focus).await;
    let options = ConferenceOptions { media: tone(660.0), ..ConferenceOptions::default() };
    let conference = host.phone.start_conference(options).await.expect("a conference");
    assert_eq!(conference.state().as_deref(), Some("connected"));
    conference.connected().await.expect("it is already");
    let established = host.until("media:established").await;
    assert_eq!((established.conference(), established.call()), (Some(conference.handle()), None));
    assert_eq!(established.to_json()["conference"], conference.handle());
    let mut names = host.names();
    names.retain(|name| name != "media:established");
    let expected =
        ["sc created>connecting", "conference:connecting", "sc connecting>connected", "conference:connected"];
    assert_eq!(names, expected);
    soon("the conference is heard", || heard(&conference) > -25.0).await;
    soon("the host is heard there", || focus.hears("f1") > -25.0).await;

    host.forget();
    host.phone.add_participant("bob").await.expect("invited");
    host.phone.add_participant("+1 (555) 123-0000").await.expect("invited");
    assert_eq!(focus.parties(), ["PUT sip:bob@example.com", "PUT tel:+15551230000"]);
    focus.news_of("f1", "i1", "success", BOB);
    focus.news_of("f1", "i2", "User busy", "tel:+15551230000");
    let rejected = host.until("conference:invitation-rejected").await;
    assert_eq!(rejected.text("participant"), Some("15551230000"));
    assert_eq!(rejected.get("invitations").expect("a list")["15551230000"]["status"], "rejected");
    let bob = Participant { participant: "bob@example.com".into(), status: "active".into() };
    assert_eq!(host.phone.participants().await.expect("the list"), std::slice::from_ref(&bob));
    assert_eq!(host.phone.calls().await.expect("the list")[0].participants, [bob]);
    assert_eq!(code(host.phone.add_participant("bob").await), "3641");

    host.phone.hold().await.expect("held");
    soon("nothing is heard on hold", || heard(&conference) < -60.0 && focus.hears("f1") < -60.0).await;
    host.phone.resume().await.expect("resumed");
    soon("both are heard again", || heard(&conference) > -25.0 && focus.hears("f1") > -25.0).await;
    conference.mute().await.expect("muted");
    soon("a muted host is not heard", || focus.hears("f1") < -60.0).await;
    conference.unmute().await.expect("unmuted");

    focus.news_of("f1", "other", "Call terminated", BOB);
    let left = host.until("notification").await;
    assert_eq!((left.text("participant"), left.text("message")), (Some("bob@example.com"), Some("Call terminated")));
    assert!(host.phone.participants().await.expect("the list").is_empty());
    host.phone.remove_participant("15551230000").await.expect("removed");
    host.until("conference:participant-removed").await;
    assert_eq!(focus.parties().last().map(String::as_str), Some("DELETE tel:+15551230000"));

    host.forget();
    host.phone.end_conference().await.expect("ended");
    host.until("conference:ended").await;
    assert_eq!(host.names(), ENDING);
    assert!(matches!(conference.hangup().await, Err(Error::NotFound)), "a stale handle");
    host.leave().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_participant_joins_and_hears_the_others() {
    let focus = Focus::start().await;
    let mut party = at(&focus).await;
    let id = focus.invite().await;
    let received = party.until("conference:invitation-received").await;
    assert_eq!(received.text("from"), Some("sip:host@example.com"));
    let conference = party.phone.call(received.item().expect("a handle"));
    assert_eq!(conference.state().as_deref(), Some("created"));
    let media = CallSettings { local_media: Some("tone:660".into()), remote_media: Some("pcm".into()) };
    party.phone.join_conference(JoinOptions { media, action: None }).await.expect("joined");
    let reader = conference.pcm_reader().expect("program audio, as of a call");
    soon("the conference is heard", || heard(&conference) > -25.0).await;
    soon("the participant is heard there", || focus.hears(&id) > -25.0).await;
    let mut samples = vec![0; 24_000];
    soon("half a second of it", || reader.available() > 48_000).await;
    while reader.available() > 24_000 {
        reader.read(&mut samples);
    }
    assert!(tone_level(&samples, 48_000, TONE) > 0.1);
    // What only a host may do.
    assert_eq!(code(party.phone.add_participant("carol").await), "3631");
    assert_eq!(code(party.phone.remove_participant("carol").await), "3731");
    assert_eq!(code(party.phone.participants().await.map(drop)), "3402");
    conference.hangup().await.expect("left");
    party.until("conference:ended").await;
    // P-31: as endConference.
    assert!(party.names().ends_with(&ENDING.map(str::to_owned)), "{:?}", party.names());

    // Removed by the host, and declined.
    let id = focus.invite().await;
    party.until("conference:invitation-received").await;
    party.phone.join_conference(JoinOptions::default()).await.expect("joined");
    focus.terminate(&id, "Removed by the host");
    assert_eq!(party.until("conference:ended").await.text("message"), Some("Removed by the host"));
    focus.invite().await;
    let received = party.until("conference:invitation-received").await;
    let invitation = party.phone.call(received.item().expect("a handle"));
    let waiting = tokio::spawn({
        let invitation = invitation.clone();
        async move { invitation.connected().await }
    });
    party.phone.reject_conference().await.expect("declined");
    party.until("conference:invitation-rejected").await;
    let waited = waiting.await.expect("no panic");
    assert!(matches!(waited, Err(Error::System(_) | Error::NotFound)), "{waited:?}");

    // Withdrawn before it was answered.
    let id = focus.invite().await;
    party.until("conference:invitation-received").await;
    focus.terminate(&id, "Call canceled");
    party.until("conference:canceled").await;
    party.leave().await;
}

/// The codes of every method without the state that it needs, at the real gateway.
#[tokio::test(flavor = "multi_thread")]
async fn without_a_conference_every_method_is_refused_with_its_code() {
    let gateway = gateway().await;
    let party = Party::login(&gateway, "alice").await;
    let phone = &party.phone;
    assert_eq!(code(phone.join_conference(JoinOptions::default()).await), "3231");
    assert_eq!(code(phone.reject_conference().await), "3302");
    assert_eq!(code(phone.end_conference().await), "3502");
    assert_eq!(code(phone.add_participant("bob").await), "3631");
    assert_eq!(code(phone.add_participant("").await), "3611");
    assert_eq!(code(phone.remove_participant("bob").await), "3731");
    assert_eq!(code(phone.participants().await.map(drop)), "3402");
    let options = ConferenceOptions { media_type: Some("both".into()), ..ConferenceOptions::default() };
    assert_eq!(code(phone.start_conference(options).await.map(drop)), "3111");
    party.leave().await;
    gateway.stop().await;
}
