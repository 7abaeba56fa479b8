//! Conferences and rooms of the real gateway: everybody hears everybody else and not himself, told by the frequencies of their
//! tones.
//!
//! Owns: conferences from end to end. Must not import: anything but the party and the ear.

use crate::ear::{Ear, answered, talker};
use crate::party::{PATIENCE, Party};
use ewebrtc::{Call, ConferenceOptions, DialOptions, Gateway, GatewayConfig, JoinOptions};
use ewebrtc_media::analysis::tone_level;

/// Frequencies that are no multiples of each other.
const TONES: [u32; 8] = [440, 570, 700, 850, 1010, 1190, 1390, 1610];

/// Who hears whom: each hears all tones but that of `own`.
async fn hears_the_others(ear: &Ear, own: u32, others: &[u32]) {
    ear.until(&format!("the others of {own}"), |heard| {
        let level = |hz: u32| tone_level(heard, 48_000, f64::from(hz));
        others.iter().all(|hz| level(*hz) > 0.01) && level(own) < 0.003
    })
    .await;
}

async fn invited(host: &mut Party, guest: &mut Party, name: &str) -> Call {
    host.phone.add_participant(name).await.expect("invited");
    let invitation = guest.until("conference:invitation-received").await.item().expect("a handle");
    guest.phone.join_conference(JoinOptions::default()).await.expect("joined");
    guest.until("conference:connected").await;
    host.until("conference:invitation-accepted").await;
    guest.phone.call(invitation)
}

async fn confer(gateway: &Gateway, size: usize) -> (Vec<Party>, Vec<Call>) {
    let mut host = talker(gateway, "p0", TONES[0]).await;
    let mut calls = vec![host.phone.start_conference(ConferenceOptions::default()).await.expect("a conference")];
    host.until("media:established").await;
    let mut parties = Vec::new();
    for (number, tone) in TONES.iter().enumerate().take(size).skip(1) {
        let name = format!("p{number}");
        let mut guest = talker(gateway, &name, *tone).await;
        calls.push(invited(&mut host, &mut guest, &name).await);
        parties.push(guest);
    }
    parties.insert(0, host);
    (parties, calls)
}

async fn all_hear_each_other(calls: &[Call]) {
    let tones = &TONES[..calls.len()];
    let ears: Vec<Ear> = calls.iter().map(Ear::of).collect();
    for (ear, own) in ears.iter().zip(tones) {
        let others: Vec<u32> = tones.iter().filter(|tone| *tone != own).copied().collect();
        hears_the_others(ear, *own, &others).await;
    }
}

async fn gateway() -> Gateway {
    Gateway::start(GatewayConfig::development()).await.expect("the gateway starts")
}

#[tokio::test(flavor = "multi_thread")]
async fn two_three_and_eight_confer() {
    for size in [2, 3, 8] {
        let gateway = gateway().await;
        let (mut parties, calls) = confer(&gateway, size).await;
        all_hear_each_other(&calls).await;
        parties[0].phone.end_conference().await.expect("ended");
        for party in &mut parties {
            party.until("conference:ended").await;
        }
        for party in parties {
            party.leave().await;
        }
        gateway.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn participants_come_hold_go_and_are_removed_while_others_talk() {
    let gateway = gateway().await;
    let (mut parties, calls) = confer(&gateway, 3).await;
    let ears: Vec<Ear> = calls.iter().map(Ear::of).collect();
    hears_the_others(&ears[0], TONES[0], &TONES[1..3]).await;

    // The host holds: he hears nothing, nobody hears him, the others go on.
    parties[0].phone.hold().await.expect("hold");
    parties[0].until("conference:held").await;
    ears[0].hears_nothing().await;
    hears_the_others(&ears[1], TONES[0], &[TONES[2]]).await;
    parties[0].phone.resume().await.expect("resume");
    hears_the_others(&ears[1], TONES[1], &[TONES[0], TONES[2]]).await;
    // Muted, he hears the others.
    parties[0].phone.mute().await.expect("mute");
    hears_the_others(&ears[2], TONES[0], &[TONES[1]]).await;
    hears_the_others(&ears[0], TONES[0], &TONES[1..3]).await;
    parties[0].phone.unmute().await.expect("unmute");

    // One is removed and invited again; one leaves, and the host hears of it.
    parties[0].phone.remove_participant("p1").await.expect("removed");
    parties[0].until("conference:participant-removed").await;
    let removed = parties[1].until("conference:ended").await;
    assert_eq!(removed.text("message"), Some("Removed from the conference"));
    hears_the_others(&ears[2], TONES[1], &[TONES[0]]).await;
    let mut guest = parties.remove(1);
    let again = invited(&mut parties[0], &mut guest, "p1").await;
    let ear = Ear::of(&again);
    hears_the_others(&ear, TONES[1], &[TONES[0], TONES[2]]).await;
    again.hangup().await.expect("left");
    guest.until("conference:ended").await;
    let told = parties[0].until("notification").await;
    assert_eq!(told.text("message"), Some("Left the conference"));
    assert_eq!(parties[0].phone.participants().await.expect("the list").len(), 1);

    // A phone that dies without a word.
    let dead = parties.pop().expect("the third");
    dead.phone.close();
    parties[0].until("notification").await;
    assert!(parties[0].phone.participants().await.expect("the list").is_empty());
    calls[0].hangup().await.expect("ended");
    parties[0].until("conference:ended").await;
    parties.push(guest);
    for party in parties {
        party.leave().await;
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn invitations_are_refused_not_answered_doubled_and_ended_by_the_host() {
    let mut config = GatewayConfig::development();
    config.ring_seconds = 1;
    let gateway = Gateway::start(config).await.expect("the gateway starts");
    let (mut parties, _calls) = confer(&gateway, 1).await;
    let mut guest = talker(&gateway, "guest", 2000).await;
    let host = &mut parties[0];
    host.phone.add_participant("guest").await.expect("invited");
    guest.until("conference:invitation-received").await;
    guest.phone.reject_conference().await.expect("declined");
    guest.until("conference:invitation-rejected").await;
    host.until("conference:invitation-rejected").await;

    host.phone.add_participant("guest").await.expect("invited");
    guest.until("conference:invitation-received").await;
    guest.until("conference:canceled").await;
    assert_eq!(host.until("notification").await.text("message"), Some("No answer"));

    // Twice: one invitation.
    host.phone.add_participant("guest").await.expect("invited");
    host.phone.add_participant("guest").await.expect("invited again");
    guest.until("conference:invitation-received").await;
    guest.phone.join_conference(JoinOptions::default()).await.expect("joined");
    host.until("conference:invitation-accepted").await;
    assert_eq!(host.phone.participants().await.expect("the list").len(), 1);
    let refused = host.phone.add_participant("guest").await.expect_err("in it");
    assert_eq!(refused.code(), Some("3641"));
    // Nobody of that name.
    host.phone.add_participant("nobody").await.expect("taken");
    assert_eq!(host.until("notification").await.text("message"), Some("Not found"));

    // The host ends it while somebody rings.
    let mut late = talker(&gateway, "late", 2200).await;
    host.phone.add_participant("late").await.expect("invited");
    late.until("conference:invitation-received").await;
    host.phone.end_conference().await.expect("ended");
    late.until("conference:canceled").await;
    guest.until("conference:ended").await;
    for party in parties.into_iter().chain([guest, late]) {
        party.leave().await;
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conference_and_a_call_change_places() {
    let gateway = gateway().await;
    let (mut parties, calls) = confer(&gateway, 2).await;
    let mut other = talker(&gateway, "other", 2000).await;
    let ears: Vec<Ear> = calls.iter().map(Ear::of).collect();
    let call = parties[0].phone.add_call(DialOptions::new("other")).await.expect("addCall");
    let at_other = answered(&mut parties[0], &mut other).await;
    let (ear, ear_other) = (Ear::of(&call), Ear::of(&at_other));
    ear.hears(2000.0).await;
    ears[1].hears_nothing().await;
    parties[0].phone.switch_call().await.expect("switch");
    ears[1].hears(f64::from(TONES[0])).await;
    ear_other.hears_nothing().await;
    at_other.hangup().await.expect("hangup");
    parties[0].until("call:disconnected").await;
    ears[0].hears(f64::from(TONES[1])).await;
    for party in parties.into_iter().chain([other]) {
        party.leave().await;
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_dials_a_room_meets_the_others_there() {
    let gateway = gateway().await;
    let mut parties = Vec::new();
    let mut calls = Vec::new();
    for (number, tone) in TONES.iter().enumerate().take(3) {
        let mut party = talker(&gateway, &format!("p{number}"), *tone).await;
        calls.push(party.phone.dial(DialOptions::new("room-lounge")).await.expect("dial"));
        party.until("media:established").await;
        parties.push(party);
    }
    all_hear_each_other(&calls).await;
    // Another room is another room.
    let mut alone = talker(&gateway, "alone", 2000).await;
    let call = alone.phone.dial(DialOptions::new("room-attic")).await.expect("dial");
    alone.until("media:established").await;
    Ear::of(&call).hears_nothing().await;
    parties[0].phone.hold().await.expect("hold");
    parties[0].until("call:held").await;
    parties[0].phone.resume().await.expect("resume");
    parties[0].until("call:resumed").await;
    tokio::time::timeout(PATIENCE, calls[2].hangup()).await.expect("in time").expect("hangup");
    for party in parties.into_iter().chain([alone]) {
        party.leave().await;
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_takes_part_in_a_conference() {
    let gateway = gateway().await;
    let (mut parties, calls) = confer(&gateway, 2).await;
    parties[0].phone.add_participant("echo").await.expect("invited");
    parties[0].until("conference:invitation-accepted").await;
    // The echo says to each what it hears of both.
    let ears: Vec<Ear> = calls.iter().map(Ear::of).collect();
    for ear in &ears {
        ear.until("oneself and the other", |heard| {
            TONES[..2].iter().all(|hz| tone_level(heard, 48_000, f64::from(*hz)) > 0.01)
        })
        .await;
    }
    parties[0].phone.remove_participant("echo").await.expect("removed");
    hears_the_others(&ears[0], TONES[0], &[TONES[1]]).await;
    for party in parties {
        party.leave().await;
    }
    gateway.stop().await;
}
