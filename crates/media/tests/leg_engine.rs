//! The audio clock: many legs at once, interruptions, and silence of the machine when all is over.
//!
//! The tests look at figures of the whole process, so they run one after the other.

mod leg_common;

use std::time::Duration;

use ewebrtc_media::analysis::tone_level;
use ewebrtc_media::{AudioSink, AudioSource, Engine, LegEvent, pcm_sink};
use leg_common::{Party, call, config, hear, two, until};
use tokio::sync::{Mutex, MutexGuard};

async fn alone() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::const_new(());
    TURN.lock().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thirty_legs_at_once_without_an_overrun() {
    let _turn = alone().await;
    let mut calls = Vec::new();
    for number in 0..15u8 {
        let (sink, reader) = pcm_sink(48_000, 4_000);
        let hz = 400.0 + 100.0 * f32::from(number);
        let (a, b) =
            two(AudioSource::Tone { hz }, AudioSink::Discard, AudioSource::Silence, AudioSink::Pcm(sink)).await;
        calls.push((a, b, reader, hz));
    }
    let before = Engine::global().metrics();
    assert_eq!(before.legs, 30);
    // What was heard while the others were being connected is not looked at.
    for (_, _, reader, _) in &calls {
        while reader.read(&mut [0; 4_800]) > 0 {}
    }
    for (_, b, reader, hz) in &calls {
        let heard = hear(reader, 3 * 48_000).await;
        let level = tone_level(&heard[48_000..], 48_000, f64::from(*hz));
        assert!((level - 0.25).abs() < 0.08, "{hz} Hz: {level}, {:?}", b.leg.stats());
    }
    let after = Engine::global().metrics();
    let (overruns, ticks) = (after.overruns - before.overruns, after.ticks - before.ticks);
    let share = (after.busy - before.busy).as_secs_f64() / (ticks as f64 / after.workers as f64 / 100.0) / 30.0;
    println!("{overruns} overruns in {ticks} ticks, {:.2} % of a core for each leg", share * 100.0);
    // On a machine that does nothing else there is none; another program on the same cores may cause a few.
    assert!(overruns * 50 <= ticks, "{overruns} overruns in {ticks} ticks");
    for (a, b, _, _) in &calls {
        tokio::join!(a.leg.close(), b.leg.close());
    }
    assert_eq!(Engine::global().metrics().legs, 0);
    println!("{:?}", Engine::global().metrics());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn packets_that_stop_and_come_back_are_reported() {
    let _turn = alone().await;
    let mut watching = config(AudioSource::Silence, AudioSink::Discard);
    watching.interrupted_after = Duration::from_millis(600);
    let mut a = Party::new(watching).await;
    let mut b = Party::new(config(AudioSource::Silence, AudioSink::Discard)).await;
    call(&mut a, &mut b).await;
    // The other side is gone without a word, as when a network drops.
    b.leg.close().await;
    a.expect(&LegEvent::Interrupted).await;
    a.leg.close().await;
    while a.events.try_recv().is_ok() {}
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(a.events.try_recv().is_err(), "no event after the close");
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn closed_legs_leave_no_thread_busy() {
    let _turn = alone().await;
    let (a, b) =
        two(AudioSource::Tone { hz: 440.0 }, AudioSink::Discard, AudioSource::Silence, AudioSink::Discard).await;
    let busy = wakes();
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(wakes() > busy + 20, "the clock runs during a call");
    tokio::join!(a.leg.close(), b.leg.close());
    until("no leg is left", || Engine::global().metrics().legs == 0).await;
    let ticks = Engine::global().metrics().ticks;
    tokio::time::sleep(Duration::from_millis(100)).await;
    let quiet = wakes();
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(wakes() <= quiet + 2, "the threads of the engine sleep, but woke {} times", wakes() - quiet);
    assert_eq!(Engine::global().metrics().ticks, ticks);
    a.leg.close().await;
    // And they wake up again.
    let (a, b) =
        two(AudioSource::Tone { hz: 440.0 }, AudioSink::Discard, AudioSource::Silence, AudioSink::Discard).await;
    tokio::join!(a.leg.close(), b.leg.close());
}

/// How often the threads of the engine have gone to sleep by themselves so far.
#[cfg(target_os = "linux")]
fn wakes() -> u64 {
    let threads = std::fs::read_dir("/proc/self/task").expect("the threads of the process");
    threads
        .flatten()
        .filter_map(|thread| std::fs::read_to_string(thread.path().join("status")).ok())
        .filter(|status| status.starts_with("Name:\tewebrtc-"))
        .filter_map(|status| {
            let line = status.lines().find(|line| line.starts_with("voluntary_ctxt_switches"))?;
            line.split_whitespace().last()?.parse::<u64>().ok()
        })
        .sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_path_that_is_not_found_is_reported_once() {
    let _turn = alone().await;
    let mut hasty = config(AudioSource::Silence, AudioSink::Discard);
    hasty.ice.connect_timeout = Duration::from_secs(1);
    let mut a = Party::new(hasty).await;
    let b = Party::new(config(AudioSource::Silence, AudioSink::Discard)).await;
    let offer = a.leg.create_offer().await.expect("an offer");
    let answer = b.leg.answer_offer(&offer).await.expect("an answer");
    // The other side is gone before the path is looked for.
    b.leg.close().await;
    a.leg.apply_answer(&answer).await.expect("the answer is accepted");
    let event = tokio::time::timeout(leg_common::PATIENCE, a.events.recv()).await.expect("an event in time");
    assert!(matches!(&event, Some(LegEvent::Failed(text)) if !text.is_empty()), "{event:?}");
    a.leg.close().await;
    assert!(a.events.try_recv().is_err(), "only once, and nothing after the close");
    assert!(matches!(a.leg.answer_offer("v=0").await, Err(ewebrtc_media::MediaError::Closed)));
}
