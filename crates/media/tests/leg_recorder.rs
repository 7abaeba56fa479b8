//! Recordings: exactly what was heard, valid at every moment, appended over calls.

mod leg_common;

use std::time::{Duration, Instant};

use ewebrtc_media::analysis::{dominant_frequency, read_wav, rms};
use ewebrtc_media::transport::Direction;
use ewebrtc_media::{AudioSink, AudioSource, WavRecorder};
use leg_common::{PATIENCE, Scratch, negotiate, two, until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_calls_follow_one_another_in_one_file() {
    let file = Scratch::new("two-calls.wav");
    let recorder = WavRecorder::create(&file.0).expect("a recorder");
    assert_eq!(read_wav(&file.0).map(|(samples, rate)| (samples.len(), rate)), Ok((0, 48_000)), "valid from the start");
    let mut lengths = Vec::new();
    for hz in [440.0, 1_000.0] {
        let sink = AudioSink::Recorder(recorder.clone());
        let (a, b) = two(AudioSource::Tone { hz }, AudioSink::Discard, AudioSource::Silence, sink).await;
        let began = Instant::now();
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        b.leg.close().await;
        let took = began.elapsed().as_secs_f64();
        a.leg.close().await;
        let (samples, _) = read_wav(&file.0).expect("complete after close");
        let fresh = samples.len() - lengths.iter().sum::<usize>();
        lengths.push(fresh);
        let seconds = fresh as f64 / 48_000.0;
        assert!((seconds - took).abs() < 0.15, "recorded {seconds} s of {took} s");
        let part = &samples[samples.len() - fresh..];
        assert!((dominant_frequency(&part[24_000..48_000], 48_000) - f64::from(hz)).abs() < 3.0);
        // Nothing is recorded between the calls.
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    drop(recorder);
    let (samples, _) = read_wav(&file.0).expect("complete at the end");
    assert_eq!(samples.len(), lengths.iter().sum::<usize>());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_file_is_valid_at_least_every_second() {
    let file = Scratch::new("valid.wav");
    let recorder = WavRecorder::create(&file.0).expect("a recorder");
    let sink = AudioSink::Recorder(recorder);
    let (a, b) = two(AudioSource::Tone { hz: 440.0 }, AudioSink::Discard, AudioSource::Silence, sink).await;
    let began = Instant::now();
    let mut last = (0, began);
    while began.elapsed() < Duration::from_secs(3) {
        // As somebody sees it who opens the file in mid-call, or finds it after a crash.
        let seen = hound::WavReader::open(&file.0).expect("a valid header").duration();
        if seen > last.0 {
            last = (seen, Instant::now());
        }
        assert!(last.1.elapsed() < Duration::from_millis(1_000), "nothing new in the file for a second");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(last.0 > 2 * 48_000, "{} samples", last.0);
    a.leg.close().await;
    b.leg.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn silence_is_recorded_when_the_other_side_is_gone() {
    let file = Scratch::new("gone.wav");
    let recorder = WavRecorder::create(&file.0).expect("a recorder");
    let sink = AudioSink::Recorder(recorder.clone());
    let (a, b) = two(AudioSource::Tone { hz: 440.0 }, AudioSink::Discard, AudioSource::Silence, sink).await;
    let began = Instant::now();
    tokio::time::sleep(Duration::from_millis(500)).await;
    a.leg.close().await;
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    b.leg.close().await;
    let took = began.elapsed().as_secs_f64();
    let (samples, _) = read_wav(&file.0).expect("a recording");
    let seconds = samples.len() as f64 / 48_000.0;
    assert!((seconds - took).abs() < 0.15, "recorded {seconds} s of {took} s");
    assert!(rms(&samples[14_400..24_000]) > 0.1);
    assert!(rms(&samples[samples.len() - 24_000..]) < 0.001);
    assert_eq!(recorder.lost_samples(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dropped_leg_ends_and_its_recording_is_complete() {
    let file = Scratch::new("dropped.wav");
    let recorder = WavRecorder::create(&file.0).expect("a recorder");
    let legs = ewebrtc_media::Engine::global().metrics().legs;
    let sink = AudioSink::Recorder(recorder);
    let (a, b) = two(AudioSource::Tone { hz: 440.0 }, AudioSink::Discard, AudioSource::Silence, sink).await;
    tokio::time::sleep(Duration::from_millis(600)).await;
    drop(b);
    drop(a);
    let (samples, _) = read_wav(&file.0).expect("a valid file");
    assert!(samples.len() > 24_000, "{} samples", samples.len());
    // Other tests of this file may have legs of their own at the same time; these two are gone in any case.
    until("the legs are let go", || ewebrtc_media::Engine::global().metrics().legs <= legs.max(6)).await;
    assert!(PATIENCE > Duration::ZERO);
}

/// A call on hold is silent: what the program hears meanwhile is the other call.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_calls_the_one_that_is_not_held_is_recorded() {
    let file = Scratch::new("beside.wav");
    let recorder = WavRecorder::create(&file.0).expect("a recorder");
    let sink = || AudioSink::Recorder(recorder.clone());
    let tone = |hz| AudioSource::Tone { hz };
    let (first, far) = two(AudioSource::Silence, sink(), tone(440.0), AudioSink::Discard).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    first.leg.set_direction(Direction::SendOnly);
    negotiate(&first, &far).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let (second, other) = two(AudioSource::Silence, sink(), tone(1_000.0), AudioSink::Discard).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    second.leg.set_direction(Direction::SendOnly);
    negotiate(&second, &other).await;
    first.leg.set_direction(Direction::SendRecv);
    negotiate(&first, &far).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    for party in [first, far, second, other] {
        party.leg.close().await;
    }
    drop(recorder);
    let (samples, _) = read_wav(&file.0).expect("complete at the end");
    // Tenths of seconds in which there is a tone, as often as it is the same one.
    let mut heard: Vec<(f64, usize)> = Vec::new();
    for part in samples.chunks_exact(4_800).filter(|part| rms(part) > 0.05) {
        let hz = dominant_frequency(part, 48_000);
        match heard.last_mut().filter(|(before, _)| (hz - before).abs() < 20.0) {
            Some((_, times)) => *times += 1,
            None => heard.push((hz, 1)),
        }
    }
    heard.retain(|(_, times)| *times > 4);
    let order: Vec<bool> = heard.iter().map(|(hz, _)| *hz > 700.0).collect();
    assert_eq!(order, [false, true, false], "{heard:?}");
}
