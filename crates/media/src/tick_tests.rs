//! Proof that a tick of a leg neither allocates nor frees after warm-up, and what a leg's worker half sends.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::analysis::tone_level;
use crate::codec::{CodecSettings, FRAME_SAMPLES, encoder};
use crate::dtmf::Tone;
use crate::engine::Report;
use crate::pcm::{PcmReader, pcm_sink, pcm_source};
use crate::ring::PacketHead;
use crate::shared::{LegEvent, Route, Shared};
use crate::sink::{AudioSink, Drain, WavRecorder};
use crate::source::{AudioSource, Feed};
use crate::transport::{AudioCodec, Direction, NegotiatedAudio, PayloadTypes, RtpPacket};
use crate::worker::{LegParts, LegWork, PacketOut};

thread_local! {
    static CALLS: Cell<u64> = const { Cell::new(0) };
}

/// Counts the calls of this thread. It does not see what C code does; libopus allocates only at construction.
struct Counting;

// SAFETY: everything is passed on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let _ = CALLS.try_with(|calls| calls.set(calls.get() + 1));
        // SAFETY: the caller keeps the contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        let _ = CALLS.try_with(|calls| calls.set(calls.get() + 1));
        // SAFETY: the caller keeps the contract.
        unsafe { System.dealloc(place, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

pub(crate) fn allocator_calls() -> u64 {
    CALLS.with(Cell::get)
}

/// What was sent last. It holds packets for a while, as a transport does.
struct Wire {
    sent: Mutex<Vec<RtpPacket>>,
}

struct Out(Arc<Wire>);

impl PacketOut for Out {
    fn send(&self, packet: RtpPacket) -> bool {
        self.0.sent.lock().unwrap().push(packet);
        true
    }
}

/// A leg's worker half and what it is connected with.
pub(crate) struct Bench {
    work: LegWork,
    pub(crate) shared: Arc<Shared>,
    wire: Arc<Wire>,
    reports: Receiver<Report>,
    now: Instant,
}

pub(crate) fn agreed(codec: AudioCodec, direction: Direction) -> NegotiatedAudio {
    let payload_type = match codec {
        AudioCodec::Opus => 111,
        AudioCodec::Pcmu => 0,
        AudioCodec::Pcma => 8,
    };
    let telephone_event = Some((101, codec.clock_rate()));
    let telephone_events = [Some(101), None];
    let payload_types = PayloadTypes::new([(111, AudioCodec::Opus), (0, AudioCodec::Pcmu), (8, AudioCodec::Pcma)]);
    NegotiatedAudio { codec, payload_type, telephone_event, telephone_events, direction, payload_types }
}

impl Bench {
    pub(crate) fn new(source: &AudioSource, sink: &AudioSink, codec: AudioCodec) -> Bench {
        let shared = Arc::new(Shared::new());
        let wire = Arc::new(Wire { sent: Mutex::new(Vec::with_capacity(100)) });
        let (sender, reports) = sync_channel(100);
        let work = LegWork::new(LegParts {
            shared: shared.clone(),
            out: Box::new(Out(wire.clone())),
            feed: Feed::open(source, 1).unwrap(),
            drain: Drain::open(sink, 1).unwrap(),
            events: Arc::new(|_| {}),
            reports: sender,
            ssrc: 7,
            interrupted_after_us: 500_000,
            seed: 0,
        })
        .unwrap();
        let bench = Bench { now: shared.origin, work, shared, wire, reports };
        bench.route(codec, Direction::SendRecv, true);
        bench.shared.up.store(true, Ordering::Release);
        bench.shared.listening.store(true, Ordering::Release);
        bench.shared.active.store(true, Ordering::Release);
        bench
    }

    pub(crate) fn route(&self, codec: AudioCodec, direction: Direction, fresh: bool) {
        let encoder = fresh.then(|| encoder(codec, &CodecSettings::default()).unwrap());
        self.shared.order(|orders| orders.route = Some(Route { audio: agreed(codec, direction), encoder }));
    }

    /// As [`crate::Leg::send_tones`].
    pub(crate) fn press(&self, keys: &str) {
        let gap = Duration::from_millis(70);
        let tones: Vec<Tone> = keys.chars().map(|key| Tone::new(key, gap).unwrap()).collect();
        self.shared.tones.fetch_add(tones.len(), Ordering::AcqRel);
        self.shared.order(|orders| orders.tones.extend_from_slice(&tones));
    }

    pub(crate) fn sent(&self) -> Vec<RtpPacket> {
        std::mem::take(&mut *self.wire.sent.lock().unwrap())
    }

    pub(crate) fn tick(&mut self) {
        self.now += Duration::from_millis(10);
        assert!(self.work.tick(self.now));
        self.work.post();
    }

    /// Gives back what was sent to the leg itself, changed as told; drops it when the change says so.
    pub(crate) fn reflect(&mut self, change: impl Fn(&mut RtpPacket) -> bool) {
        let mut sent = self.wire.sent.lock().unwrap();
        for packet in sent.iter_mut() {
            if change(packet) {
                let head = PacketHead {
                    payload_type: packet.payload_type,
                    marker: packet.marker,
                    sequence: packet.sequence,
                    timestamp: packet.timestamp,
                    ssrc: packet.ssrc,
                    arrival_us: self.shared.micros(self.now) + 3_000,
                };
                self.shared.bring(&head, &packet.payload);
            }
        }
        sent.clear();
    }

    pub(crate) fn events(&self) -> Vec<LegEvent> {
        self.reports
            .try_iter()
            .filter_map(|report| match report {
                Report::Event(_, event) => Some(event),
                Report::Room(..) | Report::Ended(_) | Report::VideoEnded(_) => None,
            })
            .collect()
    }
}

fn temporary(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("ewebrtc-tick-{}-{name}.wav", std::process::id()))
}

fn read(reader: &PcmReader) -> Vec<i16> {
    let mut all = vec![0; reader.available()];
    let count = reader.read(&mut all);
    all.truncate(count);
    all
}

#[test]
fn a_tick_neither_allocates_nor_frees() {
    let path = temporary("source");
    let spec = hound::WavSpec {
        channels: 2,
        sample_rate: 16_000,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut file = hound::WavWriter::create(&path, spec).unwrap();
    for i in 0..32_000 {
        file.write_sample(((f64::from(i / 2) * 0.1).sin() * 9_000.0) as i16).unwrap();
    }
    file.finalize().unwrap();
    let (writer, program) = pcm_source(44_100, 2_000);
    let (pcm, reader) = pcm_sink(16_000, 500);
    let recording = temporary("recording");
    let recorder = WavRecorder::create(&recording).unwrap();
    let cases = [
        (AudioSource::Tone { hz: 440.0 }, AudioSink::Discard, AudioCodec::Opus),
        (AudioSource::Wav(path.clone()), AudioSink::Recorder(recorder.clone()), AudioCodec::Pcmu),
        (AudioSource::Pcm(program), AudioSink::Pcm(pcm), AudioCodec::Opus),
        (AudioSource::Silence, AudioSink::Discard, AudioCodec::Pcma),
    ];
    for (source, sink, codec) in cases {
        println!("{source:?} {sink:?} {codec:?}");
        let mut bench = Bench::new(&source, &sink, codec);
        let noise: Vec<i16> = (0..441).map(|i| (i * 7_919 % 8_000 - 4_000) as i16).collect();
        let mut during = 0;
        let mut calls = Vec::with_capacity(1_100);
        for tick in 0..1_100u32 {
            writer.write(&noise);
            if tick == 300 {
                bench.shared.remote_loss.store(10, Ordering::Relaxed);
            }
            if tick % 200 == 50 {
                bench.press("1,A");
            }
            let before = allocator_calls();
            bench.tick();
            let used = allocator_calls() - before;
            if tick >= 100 {
                during += used;
                calls.push(used);
            }
            // Loss from the middle on, so that redundancy, concealment and stretching are at work.
            bench.reflect(|packet| tick < 500 || packet.sequence % 10 != 3);
            bench.events();
            let _ = read(&reader);
        }
        assert_eq!(during, 0, "calls of the allocator in 1000 ticks; first at {:?}", calls.iter().position(|c| *c > 0));
        let stats = &bench.shared.figures;
        assert!(stats.packets_sent.load(Ordering::Relaxed) > 540);
        assert!(stats.telephone_events.load(Ordering::Relaxed) > 50, "keys were sent and heard");
        assert!(stats.samples_concealed.load(Ordering::Relaxed) > 0, "loss was concealed");
    }
    drop(recorder);
    std::fs::remove_file(path).unwrap();
    std::fs::remove_file(recording).unwrap();
}

#[test]
fn packets_are_numbered_timed_and_marked() {
    for (codec, step) in [(AudioCodec::Opus, 960), (AudioCodec::Pcmu, 160), (AudioCodec::Pcma, 160)] {
        let mut bench = Bench::new(&AudioSource::Tone { hz: 440.0 }, &AudioSink::Discard, codec);
        for _ in 0..100 {
            bench.tick();
        }
        let sent = std::mem::take(&mut *bench.wire.sent.lock().unwrap());
        assert_eq!(sent.len(), 50);
        for pair in sent.windows(2) {
            assert_eq!(pair[1].sequence, pair[0].sequence.wrapping_add(1));
            assert_eq!(pair[1].timestamp, pair[0].timestamp.wrapping_add(step));
            assert!(!pair[1].marker);
        }
        assert!(sent[0].marker, "the first packet begins a talk spurt");
        // A hold: no packet, but time goes on, and the first one after it is marked.
        bench.route(codec, Direction::RecvOnly, false);
        for _ in 0..20 {
            bench.tick();
        }
        assert!(bench.wire.sent.lock().unwrap().is_empty());
        bench.route(codec, Direction::SendRecv, false);
        for _ in 0..20 {
            bench.tick();
        }
        let after = std::mem::take(&mut *bench.wire.sent.lock().unwrap());
        let last = &sent[49];
        assert!(after[0].marker);
        assert_eq!(after[0].sequence, last.sequence.wrapping_add(1));
        assert_eq!(after[0].timestamp, last.timestamp.wrapping_add(11 * step));
    }
}

#[test]
fn silence_is_sent_before_the_activation_and_nothing_is_heard() {
    let (sink, reader) = pcm_sink(48_000, 5_000);
    let mut bench = Bench::new(&AudioSource::Tone { hz: 500.0 }, &AudioSink::Pcm(sink), AudioCodec::Opus);
    bench.shared.listening.store(false, Ordering::Release);
    bench.shared.active.store(false, Ordering::Release);
    for _ in 0..50 {
        bench.tick();
        bench.reflect(|_| true);
    }
    assert!(bench.shared.figures.packets_sent.load(Ordering::Relaxed) >= 24);
    assert_eq!(bench.events(), [LegEvent::TransportConnected, LegEvent::FirstAudio], "silence counts as audio");
    assert_eq!(reader.available(), 0);
    bench.shared.listening.store(true, Ordering::Release);
    bench.shared.active.store(true, Ordering::Release);
    for _ in 0..100 {
        bench.tick();
        bench.reflect(|_| true);
    }
    let heard = read(&reader);
    assert_eq!(heard.len(), 48_000);
    assert!((tone_level(&heard[9_600..], 48_000, 500.0) - 0.25).abs() < 0.05);
    // Muted: packets go on, the tone does not.
    bench.shared.muted.store(true, Ordering::Relaxed);
    let before = bench.shared.figures.packets_sent.load(Ordering::Relaxed);
    for _ in 0..100 {
        bench.tick();
        bench.reflect(|_| true);
    }
    assert_eq!(bench.shared.figures.packets_sent.load(Ordering::Relaxed), before + 50);
    let heard = read(&reader);
    assert!(tone_level(&heard[24_000..], 48_000, 500.0) < 0.001);
}

#[test]
fn the_decoder_follows_the_payload_type_and_telephone_events_are_kept_out() {
    let (sink, reader) = pcm_sink(48_000, 5_000);
    let mut bench = Bench::new(&AudioSource::Tone { hz: 500.0 }, &AudioSink::Pcm(sink), AudioCodec::Opus);
    for _ in 0..50 {
        bench.tick();
        bench.reflect(|_| true);
        let event =
            PacketHead { payload_type: 101, arrival_us: bench.shared.micros(bench.now), ..PacketHead::default() };
        bench.shared.bring(&event, &[5, 0x8a, 3, 0x20]);
        let strange = PacketHead { payload_type: 77, ..event };
        bench.shared.bring(&strange, &[1, 2, 3]);
    }
    bench.tick();
    assert_eq!(bench.shared.figures.telephone_events.load(Ordering::Relaxed), 50);
    assert_eq!(bench.shared.figures.packets_unknown.load(Ordering::Relaxed), 50);
    let keys = |event: &LegEvent| matches!(event, LegEvent::ToneReceived(_));
    assert_eq!(bench.events().into_iter().filter(keys).collect::<Vec<_>>(), [LegEvent::ToneReceived('5')]);
    read(&reader);
    // The other side changes to G.711 by itself.
    let mut tone = encoder(AudioCodec::Pcma, &CodecSettings::default()).unwrap();
    for packet in 0..100u16 {
        let pcm: [i16; FRAME_SAMPLES] = std::array::from_fn(|i| {
            let t = (usize::from(packet) * FRAME_SAMPLES + i) as f64 / 48_000.0;
            ((t * 900.0 * std::f64::consts::TAU).sin() * 8_192.0) as i16
        });
        let mut payload = [0; crate::codec::MAX_ENCODED_BYTES];
        let bytes = tone.encode(&pcm, &mut payload).unwrap();
        let head = PacketHead {
            payload_type: 8,
            marker: packet == 0,
            sequence: 1_000 + packet,
            timestamp: u32::from(packet) * 160,
            ssrc: 7,
            arrival_us: bench.shared.micros(bench.now),
        };
        bench.shared.bring(&head, &payload[..bytes]);
        bench.tick();
        bench.tick();
    }
    let heard = read(&reader);
    assert!((tone_level(&heard[48_000..], 48_000, 900.0) - 0.25).abs() < 0.03);
}

#[test]
fn interruptions_are_noticed_but_not_during_a_hold() {
    let mut bench = Bench::new(&AudioSource::Silence, &AudioSink::Discard, AudioCodec::Pcmu);
    let run = |bench: &mut Bench, ticks: u32, arrives: bool| {
        for _ in 0..ticks {
            bench.tick();
            bench.reflect(|_| arrives);
        }
        bench.events()
    };
    assert_eq!(run(&mut bench, 100, false), [LegEvent::TransportConnected], "nothing has begun yet");
    assert_eq!(run(&mut bench, 100, true), [LegEvent::FirstAudio]);
    assert_eq!(run(&mut bench, 45, false), []);
    assert_eq!(run(&mut bench, 10, true), [], "a short gap");
    assert_eq!(run(&mut bench, 100, false), [LegEvent::Interrupted]);
    assert_eq!(run(&mut bench, 100, true), [LegEvent::Recovered]);
    bench.route(AudioCodec::Pcmu, Direction::SendOnly, false);
    assert_eq!(run(&mut bench, 200, false), []);
    bench.route(AudioCodec::Pcmu, Direction::SendRecv, false);
    assert_eq!(run(&mut bench, 45, false), [], "time counts from the end of the hold");
    assert_eq!(run(&mut bench, 100, false), [LegEvent::Interrupted]);
    bench.shared.fail("the path is lost".into());
    assert_eq!(run(&mut bench, 10, false), [LegEvent::Failed("the path is lost".into())]);
    bench.shared.closing.store(true, Ordering::Release);
    assert!(!bench.work.tick(bench.now), "let go at the next tick");
    assert!(matches!(bench.reports.try_recv(), Ok(Report::Ended(_))));
}

#[test]
fn the_programs_audio_can_be_cleared_and_changed_in_mid_call() {
    let (writer, source) = pcm_source(8_000, 2_000);
    let (sink, reader) = pcm_sink(48_000, 5_000);
    let tone = |hz: f64, ms: usize| -> Vec<i16> {
        (0..ms * 8).map(|i| ((i as f64 / 8_000.0 * hz * std::f64::consts::TAU).sin() * 8_192.0) as i16).collect()
    };
    assert_eq!(writer.write(&tone(400.0, 3_000)), 16_000, "what does not fit is refused");
    assert_eq!(writer.queued_ms(), 2_000);
    let mut bench = Bench::new(&AudioSource::Pcm(source), &AudioSink::Pcm(sink), AudioCodec::Opus);
    let run = |bench: &mut Bench| {
        for _ in 0..50 {
            bench.tick();
            bench.reflect(|_| true);
        }
        read(&reader)
    };
    let heard = run(&mut bench);
    assert!(tone_level(&heard[9_600..], 48_000, 400.0) > 0.2);
    assert!((1_480..=1_500).contains(&writer.queued_ms()), "{} ms wait", writer.queued_ms());
    writer.clear();
    assert_eq!(writer.queued_ms(), 0);
    let heard = run(&mut bench);
    assert!(tone_level(&heard[9_600..], 48_000, 400.0) < 0.002, "cleared within 200 ms");
    writer.write(&tone(1_300.0, 500));
    let heard = run(&mut bench);
    assert!(tone_level(&heard[9_600..19_200], 48_000, 1_300.0) > 0.2);
    run(&mut bench);
    assert_eq!(writer.queued_ms(), 0, "everything was sent");
    let feed = Feed::open(&AudioSource::Tone { hz: 2_000.0 }, 1).unwrap();
    bench.shared.order(|orders| orders.feed = Some(feed));
    let heard = run(&mut bench);
    assert!(tone_level(&heard[9_600..], 48_000, 2_000.0) > 0.2, "another source");
}

#[test]
fn the_payload_memory_is_used_again() {
    let mut bench = Bench::new(&AudioSource::Tone { hz: 440.0 }, &AudioSink::Discard, AudioCodec::Opus);
    for _ in 0..1_000 {
        bench.tick();
        bench.wire.sent.lock().unwrap().clear();
    }
    assert_eq!(bench.shared.figures.payload_allocations.load(Ordering::Relaxed), 0);
    // A transport that keeps everything costs memory, and nothing else.
    let mut kept: Vec<Bytes> = Vec::new();
    for _ in 0..1_000 {
        bench.tick();
        kept.extend(bench.wire.sent.lock().unwrap().drain(..).map(|packet| packet.payload));
    }
    assert_eq!(kept.len(), 500);
    assert!(bench.shared.figures.payload_allocations.load(Ordering::Relaxed) > 0);
}
