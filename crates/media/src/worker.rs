//! One leg at work: what is done for it every 10 ms, and the thread that does it for many legs.
//!
//! Owns: RTP sequence numbers, time stamps and markers of what we send, the jitter buffer, the encoder, source and sink
//! of each leg, the detection of interruptions. Runs on a media worker. After warm-up a tick allocates nothing, takes
//! no lock and writes no log line, with one exception that is not ours: handing a packet to the transport, which
//! allocates inside. (The payload itself comes from a small pool and is used again when the transport has let it go.)

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{SyncSender, TrySendError};
use std::time::Instant;

use bytes::{Bytes, BytesMut};

use crate::codec::{AudioEncoder, FRAME_SAMPLES, MAX_ENCODED_BYTES, TICK_SAMPLES};
use crate::dtmf::{SendStep, ToneReceiver, ToneSender};
use crate::engine::Report;
use crate::jitter::{Arriving, JitterBuffer};
use crate::ring::{MAX_PAYLOAD, PacketHead};
use crate::shared::{LegEvent, Shared};
use crate::sink::Drain;
use crate::source::Feed;
use crate::transport::{AudioCodec, Medium, NegotiatedAudio, RtpPacket, Transport};

mod seated;

/// Payloads that can be on their way through the transport at once, more than a queue of 100 ms.
const PAYLOADS: usize = 8;
/// Room of each; a longer frame gets memory of its own.
const PAYLOAD_ROOM: usize = 512;
/// Events that may wait for the reporting thread. Many only wait if that thread is stuck; then no tone begins and none is
/// heard, so that there is room for the five kinds that cannot be put off.
const EVENTS: usize = 64;
const RESERVED: usize = 16;
/// The payload types that mean the same in every session (RFC 3551 section 6).
const PCMU: u8 = 0;
const PCMA: u8 = 8;

/// Takes packets to the other side; the transport, or a test in its place.
pub trait PacketOut: Send {
    /// Takes a packet without waiting; false when it was dropped.
    fn send(&self, packet: RtpPacket) -> bool;
}

impl PacketOut for Transport {
    fn send(&self, packet: RtpPacket) -> bool {
        Transport::send(self, Medium::Audio, packet)
    }
}

/// Payloads whose memory is used again.
pub(crate) struct Payloads {
    pool: [BytesMut; PAYLOADS],
    next: usize,
    allocated: u64,
}

impl Payloads {
    pub(crate) fn new() -> Payloads {
        Payloads { pool: std::array::from_fn(|_| BytesMut::with_capacity(PAYLOAD_ROOM)), next: 0, allocated: 0 }
    }

    pub(crate) fn take(&mut self, data: &[u8]) -> Bytes {
        let place = &mut self.pool[self.next];
        self.next = (self.next + 1) % PAYLOADS;
        if !place.try_reclaim(data.len()) {
            self.allocated += 1;
            *place = BytesMut::with_capacity(PAYLOAD_ROOM.max(data.len()));
        }
        place.extend_from_slice(data);
        place.split().freeze()
    }
}

/// What a leg's worker half is made of.
pub(crate) struct LegParts {
    pub(crate) shared: Arc<Shared>,
    pub(crate) out: Box<dyn PacketOut>,
    pub(crate) feed: Feed,
    pub(crate) drain: Drain,
    pub(crate) events: Arc<dyn Fn(LegEvent) + Send + Sync>,
    pub(crate) reports: SyncSender<Report>,
    pub(crate) ssrc: u32,
    pub(crate) interrupted_after_us: i64,
    /// Random, for first sequence number and first time stamp. (The phase of the packets is that of the first one.)
    pub(crate) seed: u64,
}

/// A leg on its worker.
pub(crate) struct LegWork {
    parts: LegParts,
    jitter: JitterBuffer,
    route: Option<NegotiatedAudio>,
    encoder: Option<Box<dyn AudioEncoder>>,
    loss: u8,
    sequence: u16,
    timestamp: u32,
    /// The next packet begins a talk spurt.
    spurt: bool,
    frame: [i16; FRAME_SAMPLES],
    filled: usize,
    encoded: [u8; MAX_ENCODED_BYTES],
    payload: [u8; MAX_PAYLOAD],
    payloads: Payloads,
    tones: ToneSender,
    keys: ToneReceiver,
    waiting: Vec<LegEvent>,
    announced_up: bool,
    announced_failure: bool,
    heard: bool,
    /// The source has begun.
    begun: bool,
    /// The first packet is still to be sent.
    silent: bool,
    /// Encoded in this tick and not yet handed over.
    ready: Option<RtpPacket>,
    interrupted: bool,
    last_packet_us: i64,
    unknown: u64,
    telephone_events: u64,
    sent: u64,
    refused: u64,
    level_in: f32,
    level_out: f32,
}

impl LegWork {
    /// # Errors
    /// [`MediaError::Transport`](crate::MediaError::Transport) when a codec cannot be set up.
    pub(crate) fn new(parts: LegParts) -> Result<LegWork, crate::MediaError> {
        Ok(LegWork {
            jitter: JitterBuffer::new()?,
            route: None,
            encoder: None,
            loss: 0,
            // The upper half is left out so that a receiver sees no early wrap (RFC 3711 section 3.3.1).
            sequence: (parts.seed & 0x7fff) as u16,
            timestamp: (parts.seed >> 16) as u32,
            spurt: true,
            frame: [0; FRAME_SAMPLES],
            filled: 0,
            encoded: [0; MAX_ENCODED_BYTES],
            payload: [0; MAX_PAYLOAD],
            payloads: Payloads::new(),
            tones: ToneSender::new(),
            keys: ToneReceiver::default(),
            waiting: Vec::with_capacity(EVENTS),
            announced_up: false,
            announced_failure: false,
            heard: false,
            begun: false,
            silent: true,
            ready: None,
            interrupted: false,
            last_packet_us: 0,
            unknown: 0,
            telephone_events: 0,
            sent: 0,
            refused: 0,
            level_in: 0.0,
            level_out: 0.0,
            parts,
        })
    }

    /// Does what is due at `now`. False when the leg is over and can be let go.
    pub(crate) fn tick(&mut self, now: Instant) -> bool {
        let now_us = self.parts.shared.micros(now);
        if self.parts.shared.closing.load(Ordering::Acquire) {
            return !self.finish();
        }
        self.take_orders();
        self.observe();
        self.receive(now_us);
        self.send();
        self.report();
        self.publish();
        true
    }

    /// Ends the leg after a fault inside: the next tick lets it go.
    pub(crate) fn abandon(&mut self) {
        self.parts.shared.fail("the audio of this call has failed inside".into());
        self.observe();
        self.parts.shared.closing.store(true, Ordering::Release);
    }

    /// Tells the rest; true when everything was told.
    fn finish(&mut self) -> bool {
        self.parts.feed.release();
        self.parts.drain.release();
        self.report();
        self.waiting.is_empty()
            && self
                .parts
                .reports
                .try_send(Report::Ended(self.parts.shared.clone()))
                .map_or_else(|error| matches!(error, TrySendError::Disconnected(_)), |()| true)
    }

    fn take_orders(&mut self) {
        let shared = &self.parts.shared;
        let Some(mut orders) = shared.new_orders() else { return };
        if let Some(mut route) = orders.route.take() {
            if route.encoder.is_some() {
                std::mem::swap(&mut self.encoder, &mut route.encoder);
                orders.spent_encoder = route.encoder;
                self.loss = 0;
                self.spurt = true;
            }
            let received = self.route.is_some_and(|old| old.direction.receives());
            if route.audio.direction.receives() && !received {
                // The silence of a hold is no interruption.
                self.last_packet_us = i64::MIN;
            }
            shared.set_codec(route.audio.codec);
            let old = self.route.replace(route.audio);
            // A tone that cannot go on with the same numbers and clock ends here.
            let same = |old: NegotiatedAudio| {
                (old.codec, old.telephone_event) == (route.audio.codec, route.audio.telephone_event)
                    && old.direction.sends() == route.audio.direction.sends()
            };
            if old.is_some_and(|old| !old.direction.sends()) && route.audio.direction.sends() {
                self.tones.rest();
            }
            if !old.is_some_and(same)
                && let Some(key) = self.tones.cut()
            {
                shared.tones.fetch_sub(1, Ordering::AcqRel);
                self.waiting.push(LegEvent::ToneEnded(key));
            }
        }
        for tone in orders.tones.drain(..) {
            self.tones.push(tone);
        }
        if let Some(feed) = orders.feed.take() {
            let old = std::mem::replace(&mut self.parts.feed, feed);
            old.release();
            orders.spent_feed = Some(old);
        }
    }

    /// Looks at what the transport has said.
    fn observe(&mut self) {
        let shared = &self.parts.shared;
        if !self.announced_up && shared.up.load(Ordering::Acquire) {
            self.announced_up = true;
            self.waiting.push(LegEvent::TransportConnected);
        }
        if !self.announced_failure && shared.failed.load(Ordering::Acquire) {
            self.announced_failure = true;
            self.waiting.push(LegEvent::Failed(shared.failure()));
        }
    }

    /// From the network to the sink; also gives what was heard.
    fn receive(&mut self, now_us: i64) -> [i16; TICK_SAMPLES] {
        let receiving = self.route.is_none_or(|route| route.direction.receives());
        while let Some((head, length)) = self.parts.shared.take_packet(&mut self.payload) {
            if !receiving {
                continue;
            }
            self.last_packet_us = now_us;
            if self.is_event(head.payload_type) {
                self.telephone_events += 1;
                self.jitter.pass(head.ssrc, head.sequence);
                self.hear_key(head, length);
                continue;
            }
            let Some(codec) = self.codec_of(head.payload_type) else { continue };
            let packet = Arriving {
                codec,
                sequence: head.sequence,
                timestamp: head.timestamp,
                ssrc: head.ssrc,
                payload: &self.payload[..length],
            };
            self.jitter.insert(packet, head.arrival_us);
        }
        let mut pcm = [0i16; TICK_SAMPLES];
        if receiving {
            self.jitter.pull(&mut pcm, now_us);
            if !self.heard && self.jitter.stats().decoded > 0 {
                self.heard = true;
                self.waiting.push(LegEvent::FirstAudio);
            }
            self.watch(now_us);
        }
        measure(&mut self.level_in, &pcm);
        if self.parts.shared.listening.load(Ordering::Acquire) {
            self.parts.drain.write(&pcm, receiving);
        }
        pcm
    }

    /// Whether a payload type is that of telephone events.
    fn is_event(&self, payload_type: u8) -> bool {
        self.route.is_some_and(|route| route.telephone_events.contains(&Some(payload_type)))
    }

    /// Takes a packet of telephone events. Without room to tell of it, another one of the same event may come in time.
    fn hear_key(&mut self, head: PacketHead, length: usize) {
        if self.waiting.len() < EVENTS - RESERVED
            && let Some(key) = self.keys.receive(head.ssrc, head.marker, head.timestamp, &self.payload[..length])
        {
            self.waiting.push(LegEvent::ToneReceived(key));
        }
    }

    /// What a payload type means; none for what does not go to a decoder.
    fn codec_of(&mut self, payload_type: u8) -> Option<AudioCodec> {
        let agreed = self.route.and_then(|route| route.payload_types.codec(payload_type));
        // Packets that overtake the answer, and senders that use the fixed types unasked.
        let codec = agreed.or(match payload_type {
            PCMU => Some(AudioCodec::Pcmu),
            PCMA => Some(AudioCodec::Pcma),
            _ => None,
        });
        self.unknown += u64::from(codec.is_none());
        codec
    }

    /// Notices when packets stop and when they come back.
    fn watch(&mut self, now_us: i64) {
        if !self.heard {
            return;
        }
        if self.last_packet_us == i64::MIN {
            self.last_packet_us = now_us;
        }
        let quiet = now_us - self.last_packet_us >= self.parts.interrupted_after_us;
        if quiet != self.interrupted && self.waiting.len() < EVENTS - 2 {
            self.interrupted = quiet;
            self.waiting.push(if quiet { LegEvent::Interrupted } else { LegEvent::Recovered });
        }
    }

    /// From the source to the network.
    fn send(&mut self) {
        let shared = &self.parts.shared;
        let up = shared.up.load(Ordering::Acquire);
        // A source begins when there is somebody to hear it, so that nothing it says is lost while the path comes up.
        self.begun = self.begun || (up && shared.active.load(Ordering::Acquire));
        if self.silent && up && self.route.is_some() && self.encoder.is_some() {
            // The first packet does not wait for the end of a frame: what is missing of this one is silence.
            self.silent = false;
            self.filled = TICK_SAMPLES;
        }
        let mut pcm = [0i16; TICK_SAMPLES];
        if self.begun {
            self.parts.feed.fill(&mut pcm);
            if shared.muted.load(Ordering::Relaxed) {
                pcm.fill(0);
            }
        }
        measure(&mut self.level_out, &pcm);
        self.frame[self.filled..self.filled + TICK_SAMPLES].copy_from_slice(&pcm);
        self.filled += TICK_SAMPLES;
        if self.filled == FRAME_SAMPLES {
            self.filled = 0;
            self.send_frame();
        }
    }

    fn send_frame(&mut self) {
        let Some(route) = self.route else { return };
        let timestamp = self.timestamp;
        self.timestamp = timestamp.wrapping_add(route.codec.clock_rate() / 50);
        if !route.direction.sends() || !self.parts.shared.up.load(Ordering::Acquire) {
            self.spurt = true;
            return;
        }
        if !self.tones.is_idle() && self.send_tone(&route, timestamp) {
            self.spurt = true;
            return;
        }
        let shared = &self.parts.shared;
        let Some(encoder) = self.encoder.as_mut() else { return };
        let loss = shared.remote_loss.load(Ordering::Relaxed);
        if loss != self.loss {
            self.loss = loss;
            encoder.set_expected_loss(loss);
        }
        let bytes = encoder.encode(&self.frame, &mut self.encoded).unwrap_or(0);
        if bytes == 0 {
            self.spurt = true;
            return;
        }
        let packet = RtpPacket {
            payload_type: route.payload_type,
            marker: std::mem::replace(&mut self.spurt, false),
            sequence: self.sequence,
            timestamp,
            ssrc: self.parts.ssrc,
            payload: self.payloads.take(&self.encoded[..bytes]),
        };
        self.sequence = self.sequence.wrapping_add(1);
        self.ready = Some(packet);
    }

    /// What this frame has of the tones that are to be sent; true when it goes out in place of audio.
    fn send_tone(&mut self, route: &NegotiatedAudio, timestamp: u32) -> bool {
        let room = self.waiting.len() < EVENTS - RESERVED;
        let Some((payload_type, clock)) = route.telephone_event else {
            let owed = self.tones.owed();
            if room {
                self.tones.clear();
                self.parts.shared.tones.fetch_sub(owed, Ordering::AcqRel);
                self.waiting.extend((owed > 0).then_some(LegEvent::TonesRefused));
            }
            return false;
        };
        let SendStep { packet, began, ended } = self.tones.frame(timestamp, clock, room);
        self.waiting.extend(began.map(LegEvent::ToneBegan));
        if let Some(key) = ended {
            self.parts.shared.tones.fetch_sub(1, Ordering::AcqRel);
            self.waiting.push(LegEvent::ToneEnded(key));
        }
        let Some(packet) = packet else { return false };
        self.ready = Some(RtpPacket {
            payload_type,
            marker: packet.marker,
            sequence: self.sequence,
            timestamp: packet.timestamp,
            ssrc: self.parts.ssrc,
            payload: self.payloads.take(&packet.payload),
        });
        self.sequence = self.sequence.wrapping_add(1);
        true
    }

    /// Hands over what the last tick has encoded.
    pub(crate) fn post(&mut self) {
        let Some(packet) = self.ready.take() else { return };
        if self.parts.out.send(packet) {
            self.sent += 1;
        } else {
            self.refused += 1;
        }
    }

    /// Hands waiting events to the reporting thread, as far as it takes them.
    fn report(&mut self) {
        while !self.waiting.is_empty() {
            let event = self.waiting.remove(0);
            let report = Report::Event(self.parts.events.clone(), event);
            match self.parts.reports.try_send(report) {
                Ok(()) => {}
                Err(TrySendError::Full(Report::Event(_, event))) => return self.waiting.insert(0, event),
                Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => return,
            }
        }
    }

    fn publish(&self) {
        let figures = &self.parts.shared.figures;
        let stats = self.jitter.stats();
        let put = |place: &std::sync::atomic::AtomicU64, value| place.store(value, Ordering::Relaxed);
        put(&figures.packets_sent, self.sent);
        put(&figures.packets_refused, self.refused);
        put(&figures.packets_received, stats.received);
        put(&figures.packets_lost, stats.lost());
        put(&figures.packets_late, stats.late);
        put(&figures.packets_discarded, stats.discarded);
        put(&figures.packets_unknown, self.unknown);
        put(&figures.telephone_events, self.telephone_events);
        put(&figures.samples_recovered, stats.recovered);
        put(&figures.samples_concealed, stats.concealed);
        put(&figures.samples_stretched, stats.stretched + stats.shortened);
        put(&figures.payload_allocations, self.payloads.allocated);
        figures.jitter_us.store(stats.jitter_us, Ordering::Relaxed);
        figures.target_us.store(stats.target_us, Ordering::Relaxed);
        figures.delay_us.store(stats.delay_us, Ordering::Relaxed);
        figures.level_in.store(self.level_in.to_bits(), Ordering::Relaxed);
        figures.level_out.store(self.level_out.to_bits(), Ordering::Relaxed);
    }
}

/// Moves the mean power (share of full scale) on by 10 ms, with a memory of about 200 ms.
fn measure(level: &mut f32, pcm: &[i16; TICK_SAMPLES]) {
    // Whole numbers: a sum of floats must be taken one by one, in order.
    let power: u64 = pcm.iter().map(|v| u64::from(v.unsigned_abs()) * u64::from(v.unsigned_abs())).sum();
    let power = power as f32 / (TICK_SAMPLES as f32 * 32_768.0 * 32_768.0);
    *level += (power - *level) / 20.0;
}
