//! What a conference costs: codec and mixing for each participant, beside the bare cost of one decode and one encode of the
//! same speech; and apart from it, what carrying the packets of a real room costs.
//!
//! The mixing is measured without a network: jitter buffers, mixer and encoders of one room in one thread that does nothing
//! else, as a media worker does it. Writes `mixer.json`. Lives on: the program's own thread. Must not import: the other programs.

mod support;

use ewebrtc_media::codec::{
    AudioEncoder, CodecSettings, Decoders, FRAME_SAMPLES, MAX_ENCODED_BYTES, MAX_PACKET_SAMPLES, TICK_SAMPLES, encoder,
};
use ewebrtc_media::jitter::{Arriving, JitterBuffer};
use ewebrtc_media::mixer::{Encoded, Listener, Mixer, ParticipantConfig, RoomSettings};
use ewebrtc_media::transport::{AddressPolicy, AudioCodec, IceConfig};
use ewebrtc_media::{AudioSink, AudioSource, Engine, Leg, LegConfig, Room};
use std::process::ExitCode;
use std::time::{Duration, Instant};
use support::{Failure, Figure, Threads, publish, speech, thread_time};

/// The encoder's effort, as in the measurement of calls.
const COMPLEXITY: u8 = 5;
/// Participants of the room that is measured.
const MEMBERS: usize = 50;
/// Audio that is mixed before the measurement and during it.
const WARM: Duration = Duration::from_secs(2);
const AUDIO: Duration = Duration::from_secs(10);
/// What a participant may cost, as a share of one decode and one encode: when all speak, and when three do.
const ALL_SPEAK: f64 = 1.3;
const THREE_SPEAK: f64 = 0.2;
/// Below this root mean square of ten seconds, as a share of full scale, a mix would be silence.
const AUDIBLE: f64 = 0.003;
/// Participants of the real room, and how long it is looked at.
const REAL: usize = 20;
const WINDOW: Duration = Duration::from_secs(5);

/// What those who do not speak send.
#[derive(Clone, Copy, PartialEq)]
enum Rest {
    /// Zeros, as a muted phone does.
    Silence,
    /// Soft noise, −66 dB of full scale, as an open microphone in a quiet room does.
    Noise,
}

fn main() -> ExitCode {
    if !support::asked() {
        return ExitCode::SUCCESS;
    }
    match all() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("mixer: {error}");
            ExitCode::FAILURE
        }
    }
}

fn settings() -> CodecSettings {
    CodecSettings { complexity: COMPLEXITY, ..CodecSettings::default() }
}

fn all() -> Result<(), Failure> {
    let spoken = speech::sentence()?;
    // Before and after everything else: a machine that becomes busy meanwhile shows in the difference.
    let before = bare(&spoken)?;
    let cases = [
        (1, MEMBERS, Rest::Silence, None),
        (3, MEMBERS, Rest::Silence, Some(THREE_SPEAK)),
        (3, MEMBERS, Rest::Noise, None),
        (MEMBERS, MEMBERS, Rest::Silence, Some(ALL_SPEAK)),
        (MEMBERS, 10, Rest::Silence, None),
    ];
    let mut measured = Vec::new();
    for (talkers, voices, rest, aim) in cases {
        let cost = Hall::new(&spoken, talkers, voices, rest)?.measure()?;
        measured.push((talkers, voices, rest, aim, cost));
    }
    let after = bare(&spoken)?;
    let floor = (before + after) / 2.0;
    let mut figures = Vec::new();
    for (talkers, voices, rest, aim, Cost { share, encodes, bytes }) in measured {
        let who = if talkers == MEMBERS { "all".to_owned() } else { talkers.to_string() };
        let heard = if voices < talkers { format!(", {voices} heard") } else { String::new() };
        let others = if rest == Rest::Noise { ", others noise" } else { "" };
        let name = format!("{MEMBERS} in a room, {who} speak{heard}{others}");
        let mut figure =
            Figure::new(format!("{name}: CPU of each"), share, "% core").beside(floor, "one decode + one encode, bare");
        if let Some(times) = aim {
            figure = figure.aim(floor * times);
        }
        figure.remark = format!("{:.2} x; {encodes:.1} encodes a frame of {bytes:.0} bytes", share / floor);
        figures.push(figure);
        figures
            .push(Figure::new(format!("{name}: participants a core"), 100.0 / share, "").beside(100.0 / floor, "bare"));
    }
    if (before / after - 1.0).abs() > 0.15 {
        println!("the bare cost was {before:.3} % before and {after:.3} % after: the machine was not quiet");
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    figures.extend(runtime.block_on(transport())?);
    publish("mixer", &figures)
}

/// Frames of somebody, encoded beforehand; each says another part of the sentence at the same time.
fn packets(spoken: &[i16], member: usize, talks: bool, rest: Rest) -> Result<Vec<Vec<u8>>, Failure> {
    let mut encoder = encoder(AudioCodec::Opus, &settings())?;
    let start = member * spoken.len() / MEMBERS;
    let mut noise = member as u64 + 1;
    let mut frames = Vec::new();
    for frame in 0..spoken.len() / FRAME_SAMPLES {
        let pcm = std::array::from_fn(|i| match rest {
            _ if talks => spoken[(start + frame * FRAME_SAMPLES + i) % spoken.len()],
            Rest::Silence => 0,
            Rest::Noise => {
                noise = noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                ((noise >> 33) % 57) as i16 - 28
            }
        });
        let mut payload = [0; MAX_ENCODED_BYTES];
        let bytes = encoder.encode(&pcm, &mut payload).map_err(|_| "the encoder failed")?;
        frames.push(payload[..bytes].to_vec());
    }
    Ok(frames)
}

/// Per cent of a core for one decode and one encode of speech, for as many endpoints in turn as the room has.
fn bare(spoken: &[i16]) -> Result<f64, Failure> {
    let mut ends = Vec::new();
    for member in 0..MEMBERS {
        ends.push((
            packets(spoken, member, true, Rest::Silence)?,
            encoder(AudioCodec::Opus, &settings())?,
            Decoders::new()?,
        ));
    }
    let mut pcm = [0; MAX_PACKET_SAMPLES];
    let mut encoded = [0; MAX_ENCODED_BYTES];
    let mut frame = [0; FRAME_SAMPLES];
    let frames = (AUDIO.as_millis() / 20) as usize;
    let began = thread_time();
    for number in 0..frames {
        for (packets, encoder, decoders) in &mut ends {
            let packet = &packets[number % packets.len()];
            decoders.of(AudioCodec::Opus).decode(packet, &mut pcm).map_err(|_| "the decoder failed")?;
            frame.copy_from_slice(&pcm[..FRAME_SAMPLES]);
            encoder.encode(&frame, &mut encoded).map_err(|_| "the encoder failed")?;
        }
    }
    let used = thread_time() - began;
    Ok(used.as_secs_f64() / (frames * MEMBERS) as f64 / 0.020 * 100.0)
}

/// What a measurement of a room gave.
struct Cost {
    /// Per cent of a core for each participant.
    share: f64,
    /// Encodes in each frame, and their mean length.
    encodes: f64,
    bytes: f64,
}

struct Member {
    packets: Vec<Vec<u8>>,
    jitter: JitterBuffer,
    encoder: Box<dyn AudioEncoder>,
    /// Decodes what is sent to it, while that is checked.
    ear: Decoders,
    squares: f64,
    samples: usize,
}

/// A room without a network.
struct Hall {
    mixer: Mixer,
    members: Vec<Member>,
    tick: usize,
    bytes: u64,
}

impl Hall {
    fn new(spoken: &[i16], talkers: usize, voices: usize, rest: Rest) -> Result<Self, Failure> {
        let mut mixer = Mixer::new(&RoomSettings { voices, codec: settings(), ..RoomSettings::default() })?;
        let mut members = Vec::new();
        for member in 0..MEMBERS {
            mixer.add();
            members.push(Member {
                packets: packets(spoken, member, member < talkers, rest)?,
                jitter: JitterBuffer::new()?,
                encoder: encoder(AudioCodec::Opus, &settings())?,
                ear: Decoders::new()?,
                squares: 0.0,
                samples: 0,
            });
        }
        Ok(Self { mixer, members, tick: 0, bytes: 0 })
    }

    /// One tick, as a media worker does it.
    fn tick(&mut self, check: bool) -> Result<(), Failure> {
        let now_us = self.tick as i64 * 10_000;
        let frame = self.tick / 2;
        for (seat, member) in self.members.iter_mut().enumerate() {
            if self.tick.is_multiple_of(2) {
                let payload = &member.packets[frame % member.packets.len()];
                let (sequence, timestamp) = (frame as u16, (frame * FRAME_SAMPLES) as u32);
                let packet = Arriving { codec: AudioCodec::Opus, sequence, timestamp, ssrc: seat as u32, payload };
                member.jitter.insert(packet, now_us - 2_000);
            }
            let mut pcm = [0; TICK_SAMPLES];
            member.jitter.set_effort(self.mixer.effort_for(seat));
            member.jitter.pull(&mut pcm, now_us);
            self.mixer.say(seat, &pcm);
        }
        self.tick += 1;
        if !self.mixer.mix() {
            return Ok(());
        }
        for (seat, member) in self.members.iter_mut().enumerate() {
            let listener = Listener { codec: AudioCodec::Opus, loss: 0, encoder: &mut *member.encoder };
            self.mixer.prepare(seat, Some(listener));
        }
        for (seat, member) in self.members.iter_mut().enumerate() {
            let before = self.mixer.stats();
            let listener = Listener { codec: AudioCodec::Opus, loss: 0, encoder: &mut *member.encoder };
            let payload = match self.mixer.encode(seat, listener) {
                Some(Encoded::Common(payload)) => payload,
                Some(Encoded::Own(payload)) => bytes::Bytes::copy_from_slice(payload),
                None => continue,
            };
            let after = self.mixer.stats();
            if after.shared == before.shared {
                self.bytes += payload.len() as u64;
            }
            if check {
                let mut pcm = [0; MAX_PACKET_SAMPLES];
                let decoder = member.ear.of(AudioCodec::Opus);
                let samples = decoder.decode(&payload, &mut pcm).map_err(|_| "a mix cannot be decoded")?;
                member.squares += pcm[..samples].iter().map(|v| f64::from(*v).powi(2)).sum::<f64>();
                member.samples += samples;
            }
        }
        Ok(())
    }

    fn measure(mut self) -> Result<Cost, Failure> {
        let ticks = |audio: Duration| audio.as_millis() / 10;
        for _ in 0..ticks(WARM) {
            self.tick(false)?;
        }
        let before = (self.mixer.stats(), self.bytes);
        let began = thread_time();
        for _ in 0..ticks(AUDIO) {
            self.tick(false)?;
        }
        let used = thread_time() - began;
        let after = (self.mixer.stats(), self.bytes);
        for _ in 0..ticks(AUDIO) {
            self.tick(true)?;
        }
        for (seat, member) in self.members.iter().enumerate() {
            let level = (member.squares / member.samples.max(1) as f64).sqrt() / 32_768.0;
            // One who speaks alone rightly hears nobody.
            let alone =
                self.mixer.is_heard(seat) && (0..MEMBERS).filter(|seat| self.mixer.is_heard(*seat)).count() == 1;
            if level < AUDIBLE && !(alone || seat == 0) {
                return Err(format!("participant {seat} hears silence ({level})").into());
            }
        }
        let frames = (AUDIO.as_millis() / 20) as f64;
        let count = |stats: ewebrtc_media::mixer::MixerStats| stats.common_encodes + stats.own_encodes;
        let encodes = (count(after.0) - count(before.0)) as f64;
        Ok(Cost {
            share: used.as_secs_f64() / frames / 0.020 / MEMBERS as f64 * 100.0,
            encodes: encodes / frames,
            bytes: (after.1 - before.1) as f64 / encodes.max(1.0),
        })
    }
}

/// What carrying packets costs in a real room: participants who all send, and get 50 packets a second each.
async fn transport() -> Result<Vec<Figure>, Failure> {
    let file = speech::long_file()?;
    let addresses = AddressPolicy { ipv4: true, ipv6: false, loopback: true };
    let ice = IceConfig { addresses, ..IceConfig::default() };
    let room = Room::new(RoomSettings { codec: settings(), ..RoomSettings::default() }, |_| {})?;
    let mut ends = Vec::new();
    for _ in 0..REAL {
        let member = room.join(ParticipantConfig { ice: ice.clone(), ..ParticipantConfig::default() }, |_| {}).await?;
        let (source, sink) = (AudioSource::Wav(file.clone()), AudioSink::Discard);
        let config = LegConfig { ice: ice.clone(), source, sink, codec: settings(), ..LegConfig::default() };
        let leg = Leg::new(config, |_| {}).await?;
        leg.activate();
        let answer = member.answer_offer(&leg.create_offer().await?).await?;
        leg.apply_answer(&answer).await?;
        ends.push((leg, member));
    }
    tokio::time::sleep(Duration::from_secs(3)).await;
    let received = || ends.iter().map(|(leg, _)| leg.stats().packets_received).sum::<u64>();
    let (threads, began, clock, packets) = (Threads::now(), Instant::now(), Engine::global().metrics(), received());
    tokio::time::sleep(WINDOW).await;
    let (used, length) = (Threads::now().since(&threads), began.elapsed());
    let share = |time: Duration| time.as_secs_f64() / length.as_secs_f64() * 100.0;
    let of =
        |part: &str| used.iter().filter(|(kind, _)| kind.contains(part)).map(|(_, time)| share(*time)).sum::<f64>();
    let arrived = (received() - packets) as f64 / (REAL as f64 * 50.0 * length.as_secs_f64());
    let now = Engine::global().metrics();
    let name = format!("{REAL} in a real room, all speak");
    let mut carrying =
        Figure::new(format!("{name}: transport of each end"), of("ewebrtc-lane") / (2 * REAL) as f64, "% core");
    carrying.valid = arrived > 0.98;
    carrying.remark = format!(
        "{:.1} % of the packets came, {} overruns, quality step {}; workers with the {REAL} callers {:.3} % of each end",
        arrived * 100.0,
        now.overruns - clock.overruns,
        now.quality_step,
        of("ewebrtc-audio") / (2 * REAL) as f64
    );
    for (leg, member) in ends {
        tokio::join!(leg.close(), member.leave());
    }
    Ok(vec![carrying])
}
