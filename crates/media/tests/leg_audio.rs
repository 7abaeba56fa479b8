//! Two legs talk over loopback: what one sends, the other hears.

mod leg_common;

use ewebrtc_media::analysis::{dominant_frequency, rms, tone_level};
use ewebrtc_media::transport::{AudioCodec, Direction};
use ewebrtc_media::{AudioSink, AudioSource, LegEvent, MediaError, WavRecorder, pcm_sink, pcm_source};
use leg_common::{Party, Scratch, call, config, hear, only, two, until};

const CODECS: [AudioCodec; 3] = [AudioCodec::Opus, AudioCodec::Pcmu, AudioCodec::Pcma];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tones_cross_in_both_directions_with_every_codec() {
    for codec in CODECS {
        let (sink_a, reader_a) = pcm_sink(48_000, 10_000);
        let (sink_b, reader_b) = pcm_sink(16_000, 10_000);
        let a = config(AudioSource::Tone { hz: 440.0 }, AudioSink::Pcm(sink_a));
        let b = config(AudioSource::Tone { hz: 1_000.0 }, AudioSink::Pcm(sink_b));
        let (mut a, mut b) = (Party::new(only(codec, a)).await, Party::new(only(codec, b)).await);
        call(&mut a, &mut b).await;
        let (at_a, at_b) = tokio::join!(hear(&reader_a, 2 * 48_000), hear(&reader_b, 2 * 16_000));
        let (at_a, at_b) = (&at_a[48_000..], &at_b[16_000..]);
        assert!((dominant_frequency(at_a, 48_000) - 1_000.0).abs() < 3.0, "{codec:?}");
        assert!((dominant_frequency(at_b, 16_000) - 440.0).abs() < 3.0, "{codec:?}");
        assert!((tone_level(at_a, 48_000, 1_000.0) - 0.25).abs() < 0.08, "{codec:?}");
        assert!((tone_level(at_b, 16_000, 440.0) - 0.25).abs() < 0.08, "{codec:?}");
        assert!(tone_level(at_a, 48_000, 440.0) < 0.005, "nobody hears himself");
        let stats = a.leg.stats();
        assert_eq!(stats.codec, Some(codec));
        assert!(stats.packets_sent > 90 && stats.packets_received > 90, "{stats:?}");
        assert_eq!((stats.packets_lost, stats.packets_unknown), (0, 0), "{stats:?}");
        assert!((stats.level_in_dbfs + 15.0).abs() < 3.0, "{stats:?}");
        println!("{codec:?}: {stats:?}");
        a.leg.close().await;
        b.leg.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wav_files_arrive_with_their_pitch_and_length() {
    let kinds = [(8_000u32, 1u16), (16_000, 1), (16_000, 2), (44_100, 1), (48_000, 1), (48_000, 2)];
    let mut calls = Vec::new();
    for (rate, channels) in kinds {
        calls.push(tokio::spawn(async move {
            let file = Scratch::new(&format!("source-{rate}-{channels}.wav"));
            write_tone(&file, rate, channels, 600.0, 1.5);
            let (sink, reader) = pcm_sink(48_000, 10_000);
            let source = AudioSource::Wav(file.0.clone());
            let (a, b) = two(source, AudioSink::Discard, AudioSource::Silence, AudioSink::Pcm(sink)).await;
            let heard = hear(&reader, 3 * 48_000).await;
            let loud: Vec<bool> = heard.chunks(480).map(|piece| rms(piece) > 0.03).collect();
            let first = loud.iter().position(|l| *l).expect("something is heard");
            let last = loud.iter().rposition(|l| *l).expect("something is heard");
            let length = (last + 1 - first) as f64 / 100.0;
            assert!((length - 1.5).abs() < 0.06, "{rate} Hz × {channels}: {length} s");
            let middle = &heard[(first + 10) * 480..(last - 10) * 480];
            assert!((dominant_frequency(middle, 48_000) - 600.0).abs() < 2.0, "{rate} Hz × {channels}");
            assert!((tone_level(middle, 48_000, 600.0) - 0.3).abs() < 0.06, "{rate} Hz × {channels}");
            a.leg.close().await;
            b.leg.close().await;
        }));
    }
    for call in calls {
        call.await.expect("each file arrives");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn muted_means_silence_while_packets_go_on() {
    let (sink, reader) = pcm_sink(48_000, 10_000);
    let source = AudioSource::Tone { hz: 440.0 };
    let (a, b) = two(source, AudioSink::Discard, AudioSource::Silence, AudioSink::Pcm(sink)).await;
    let heard = hear(&reader, 48_000).await;
    assert!(tone_level(&heard[24_000..], 48_000, 440.0) > 0.15);
    a.leg.set_muted(true);
    let before = b.leg.stats().packets_received;
    let heard = hear(&reader, 2 * 48_000).await;
    assert!(rms(&heard[48_000..]) < 0.002, "silence, but {}", rms(&heard[48_000..]));
    assert!(b.leg.stats().packets_received > before + 80);
    a.leg.set_muted(false);
    let heard = hear(&reader, 48_000).await;
    assert!(tone_level(&heard[24_000..], 48_000, 440.0) > 0.15);
    a.leg.close().await;
    b.leg.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_played_or_heard_before_the_activation() {
    let (sink, reader) = pcm_sink(48_000, 10_000);
    let mut a = Party::new(config(AudioSource::Tone { hz: 440.0 }, AudioSink::Discard)).await;
    let mut b = Party::new(config(AudioSource::Silence, AudioSink::Pcm(sink))).await;
    leg_common::negotiate(&a, &b).await;
    b.expect(&LegEvent::FirstAudio).await;
    a.expect(&LegEvent::FirstAudio).await;
    let before = b.leg.stats().packets_received;
    until("packets of silence come", || b.leg.stats().packets_received > before + 25).await;
    assert_eq!(reader.available(), 0);
    b.leg.activate();
    let heard = hear(&reader, 24_000).await;
    assert!(rms(&heard) < 0.002, "the other side is not active yet");
    a.leg.activate();
    let heard = hear(&reader, 48_000).await;
    assert!(tone_level(&heard[24_000..], 48_000, 440.0) > 0.15);
    a.leg.close().await;
    b.leg.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn early_media_is_heard_while_nothing_is_said() {
    let ((early, early_reader), (later, later_reader)) = (pcm_sink(48_000, 10_000), pcm_sink(48_000, 10_000));
    let mut a = Party::new(config(AudioSource::Tone { hz: 1000.0 }, AudioSink::Pcm(early))).await;
    let b = Party::new(config(AudioSource::Tone { hz: 440.0 }, AudioSink::Pcm(later))).await;
    leg_common::negotiate(&a, &b).await;
    a.expect(&LegEvent::FirstAudio).await;
    b.leg.activate();
    a.leg.listen();
    let heard = hear(&early_reader, 48_000).await;
    assert!(tone_level(&heard[24_000..], 48_000, 440.0) > 0.15);
    let silence = hear(&later_reader, 48_000).await;
    assert!(rms(&silence) < 0.002, "it listens, and says nothing");
    a.leg.activate();
    let heard = hear(&later_reader, 96_000).await;
    assert!(tone_level(&heard[72_000..], 48_000, 1000.0) > 0.15);
    a.leg.close().await;
    b.leg.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hold_stops_the_audio_and_a_resume_brings_it_back() {
    let (sink, reader) = pcm_sink(48_000, 10_000);
    let mut holder = config(AudioSource::Silence, AudioSink::Pcm(sink));
    holder.interrupted_after = std::time::Duration::from_millis(400);
    let mut a = Party::new(holder).await;
    let mut b = Party::new(config(AudioSource::Tone { hz: 440.0 }, AudioSink::Discard)).await;
    call(&mut a, &mut b).await;
    let heard = hear(&reader, 48_000).await;
    assert!(tone_level(&heard[24_000..], 48_000, 440.0) > 0.15);
    a.leg.set_direction(Direction::SendOnly);
    leg_common::negotiate(&a, &b).await;
    hear(&reader, 9_600).await;
    let sent = b.leg.stats().packets_sent;
    let heard = hear(&reader, 48_000).await;
    assert!(rms(&heard) < 0.001, "the music of the other side is not heard");
    assert_eq!(b.leg.stats().packets_sent, sent, "the held side sends nothing");
    a.leg.set_direction(Direction::SendRecv);
    leg_common::negotiate(&a, &b).await;
    let heard = hear(&reader, 2 * 48_000).await;
    assert!(tone_level(&heard[72_000..], 48_000, 440.0) > 0.15);
    assert!(a.events.try_recv().is_err(), "a hold is no interruption");
    a.leg.close().await;
    b.leg.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_programs_audio_comes_through() {
    let (writer, source) = pcm_source(24_000, 3_000);
    let (sink, reader) = pcm_sink(8_000, 10_000);
    let (a, b) =
        two(AudioSource::Pcm(source.clone()), AudioSink::Discard, AudioSource::Silence, AudioSink::Pcm(sink)).await;
    let tone: Vec<i16> = (0..48_000)
        .map(|i| ((f64::from(i) * 700.0 / 24_000.0 * std::f64::consts::TAU).sin() * 9_000.0) as i16)
        .collect();
    assert_eq!(writer.write(&tone), 48_000);
    let heard = hear(&reader, 16_000).await;
    assert!((dominant_frequency(&heard[8_000..], 8_000) - 700.0).abs() < 2.0);
    until("the queue is empty", || writer.queued_ms() == 0).await;
    // Another source in mid-call, and back.
    a.leg.set_source(AudioSource::Tone { hz: 1_500.0 }).expect("a tone");
    let heard = hear(&reader, 16_000).await;
    assert!((dominant_frequency(&heard[8_000..], 8_000) - 1_500.0).abs() < 2.0);
    assert!(matches!(a.leg.set_source(AudioSource::Tone { hz: -1.0 }), Err(MediaError::Source(_))));
    a.leg.close().await;
    b.leg.close().await;
    assert_eq!(a.leg.set_source(AudioSource::Silence), Err(MediaError::Closed));
    assert_eq!(a.leg.create_offer().await, Err(MediaError::Closed));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sources_that_cannot_be_had_are_named_at_once() {
    let bad = Scratch::new("no-wav.wav");
    std::fs::write(&bad.0, "this is no sound at all, whatever its name says").expect("a file");
    let missing = Scratch::new("missing.wav");
    for (path, word) in [(&bad.0, "no WAV file"), (&missing.0, "cannot be read")] {
        let result = ewebrtc_media::Leg::new(config(AudioSource::Wav(path.clone()), AudioSink::Discard), |_| {}).await;
        match result {
            Err(MediaError::Source(text)) => {
                assert!(text.contains(word) && text.contains(&path.display().to_string()), "{text}");
            }
            Err(other) => panic!("{other}"),
            Ok(_) => panic!("{} is accepted", path.display()),
        }
    }
    let (_, source) = pcm_source(3, 100);
    let result = ewebrtc_media::Leg::new(config(AudioSource::Pcm(source), AudioSink::Discard), |_| {}).await;
    assert!(matches!(result, Err(MediaError::Source(text)) if text.contains("3 samples a second")));
    let nowhere = std::path::Path::new("/nonexistent/folder/file.wav");
    assert!(
        matches!(WavRecorder::create(nowhere), Err(MediaError::Source(text)) if text.contains("cannot be written"))
    );
}

fn write_tone(file: &Scratch, rate: u32, channels: u16, hz: f64, seconds: f64) {
    let spec =
        hound::WavSpec { channels, sample_rate: rate, bits_per_sample: 16, sample_format: hound::SampleFormat::Int };
    let mut writer = hound::WavWriter::create(&file.0, spec).expect("a file");
    for i in 0..(f64::from(rate) * seconds) as u32 {
        let value = ((f64::from(i) / f64::from(rate) * hz * std::f64::consts::TAU).sin() * 9_830.0) as i16;
        for _ in 0..channels {
            writer.write_sample(value).expect("a sample");
        }
    }
    writer.finalize().expect("a header");
}
