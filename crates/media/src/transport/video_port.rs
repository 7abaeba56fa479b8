//! Where video enters and leaves a connection.
//!
//! Owns: the way of video packets past the crate beneath. The crate knows of one audio section and its transport; video is
//! bundled with it (RFC 9143), so its packets come and go over the same encrypted path and are told apart by payload type.
//! They are taken out, and put in, at the end of the crate's chain that is next to the encryption. So sections that come,
//! go, come back or have no `a=ssrc` are a matter of our own texts alone, and nothing of the audio is touched by them.
//! [`VideoPort`] runs on the connection's driver task, [`VideoDoor`] may be used on any thread. Must not import the session
//! above it.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use rtc::interceptor::{Interceptor, Packet, ReceiverReportBuilder, SenderReportBuilder, StreamInfo, TaggedPacket};
use rtc::rtcp::payload_feedbacks::full_intra_request::FullIntraRequest;
use rtc::rtcp::payload_feedbacks::picture_loss_indication::PictureLossIndication;
use rtc::rtcp::transport_feedbacks::transport_layer_nack::{TransportLayerNack, nack_pairs_from_sequence_numbers};
use rtc::rtp;
use rtc::sansio::Protocol;
use rtc::shared::TransportContext;
use rtc::shared::error::Error;

use super::connection::Inlet;
use super::repeats::Repeats;
use super::types::{Medium, NegotiatedVideo, RtpPacket, VideoCodec};

/// Packets on their way to the driver: a key frame of half a megabyte. More is not taken.
const MOST_WAITING: usize = 512;

/// What the rest of the transport has of a connection's video.
#[derive(Debug, Default)]
pub(super) struct VideoDoor {
    outgoing: Mutex<VecDeque<Packet>>,
    /// Something is in the queue.
    waiting: AtomicBool,
    /// The driver was woken for what waits, and has not come yet.
    rung: AtomicBool,
    /// Payload types that are video, one bit for each.
    types: [AtomicU64; 2],
    /// Both sides send packets again.
    repeats: AtomicBool,
    /// The stream that was heard last; 0 before the first packet.
    heard: AtomicU32,
}

impl VideoDoor {
    /// Tells what counts as video from now on.
    pub(super) fn agree(&self, video: Option<&NegotiatedVideo>) {
        self.repeats.store(video.is_some_and(|video| video.repeats), Ordering::Release);
        let mut types = [0u64; 2];
        for number in video.iter().flat_map(|video| video.payload_types.numbers()) {
            if let Some(half) = types.get_mut(usize::from(number) / 64) {
                *half |= 1 << (number % 64);
            }
        }
        for (place, half) in self.types.iter().zip(types) {
            place.store(half, Ordering::Release);
        }
    }

    fn is_video(&self, payload_type: u8) -> bool {
        let half = self.types.get(usize::from(payload_type) / 64);
        half.is_some_and(|half| half.load(Ordering::Acquire) >> (payload_type % 64) & 1 == 1)
    }

    fn queue(&self) -> MutexGuard<'_, VecDeque<Packet>> {
        self.outgoing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a packet out; false when too many wait.
    pub(super) fn put(&self, packet: rtp::Packet) -> bool {
        let mut queue = self.queue();
        let fits = queue.len() < MOST_WAITING;
        if fits {
            queue.push_back(Packet::Rtp(packet));
            self.waiting.store(true, Ordering::Release);
        }
        fits
    }

    /// Asks the stream heard last for a key frame (RFC 4585 section 6.3.1); false when none was heard.
    pub(super) fn ask_for_key_frame(&self, ours: u32) -> bool {
        self.ask(|media_ssrc| Box::new(PictureLossIndication { sender_ssrc: ours, media_ssrc }))
    }

    /// Asks the stream heard last for these packets (RFC 4585 section 6.2.1); false when none was heard.
    pub(super) fn ask_for_packets(&self, ours: u32, missing: &[u16]) -> bool {
        let nacks = nack_pairs_from_sequence_numbers(missing);
        self.ask(|media_ssrc| Box::new(TransportLayerNack { sender_ssrc: ours, media_ssrc, nacks }))
    }

    fn ask(&self, question: impl FnOnce(u32) -> Box<dyn rtc::rtcp::Packet>) -> bool {
        let media_ssrc = self.heard.load(Ordering::Acquire);
        if media_ssrc != 0 {
            self.queue().push_back(Packet::Rtcp(vec![question(media_ssrc)]));
            self.waiting.store(true, Ordering::Release);
        }
        media_ssrc != 0
    }

    /// Whether the driver has to be woken for what was put out: it was not yet.
    pub(super) fn ring(&self) -> bool {
        !self.rung.swap(true, Ordering::AcqRel)
    }

    /// The driver could not be woken: it is busy, and will find what waits by itself.
    pub(super) fn unring(&self) {
        self.rung.store(false, Ordering::Release);
    }
}

/// The link in the crate's chain.
pub(super) struct VideoPort {
    /// Of the connection.
    number: u64,
    ssrc: u32,
    door: Arc<VideoDoor>,
    inlet: Arc<dyn Inlet>,
    /// The crate's generators of reports, with the video streams alone.
    sender_reports: Box<dyn Interceptor>,
    receiver_reports: Box<dyn Interceptor>,
    /// The stream that the receiver's reports are about.
    bound: Option<u32>,
    repeats: Repeats,
    inbound: VecDeque<TaggedPacket>,
    outbound: VecDeque<TaggedPacket>,
}

impl VideoPort {
    /// The port of the connection `number`, which sends its video as `ssrc`.
    pub(super) fn new(number: u64, ssrc: u32, door: Arc<VideoDoor>, inlet: Arc<dyn Inlet>) -> VideoPort {
        let mut sender_reports = Box::new(SenderReportBuilder::new().build());
        sender_reports.bind_local_stream(&stream(ssrc));
        VideoPort {
            number,
            ssrc,
            door,
            inlet,
            sender_reports,
            receiver_reports: Box::new(ReceiverReportBuilder::new().build()),
            bound: None,
            repeats: Repeats::new(),
            inbound: VecDeque::new(),
            outbound: VecDeque::new(),
        }
    }

    /// A packet of video: it goes no further through the chain.
    fn received(&mut self, packet: &rtp::Packet) {
        let ssrc = packet.header.ssrc;
        if self.bound != Some(ssrc) {
            if let Some(old) = self.bound.replace(ssrc) {
                self.receiver_reports.unbind_remote_stream(&stream(old));
            }
            self.receiver_reports.bind_remote_stream(&stream(ssrc));
            self.door.heard.store(ssrc, Ordering::Release);
        }
        let packet = RtpPacket {
            payload_type: packet.header.payload_type,
            marker: packet.header.marker,
            sequence: packet.header.sequence_number,
            timestamp: packet.header.timestamp,
            ssrc,
            payload: packet.payload.clone(),
        };
        self.inlet.received(self.number, Medium::Video, packet, Instant::now());
    }

    /// Sends again what the other side has not got.
    fn repeat(&mut self, packets: &[Box<dyn rtc::rtcp::Packet>], now: Instant) {
        for packet in packets {
            let nack = packet.as_any().downcast_ref::<TransportLayerNack>().filter(|nack| nack.media_ssrc == self.ssrc);
            for sequence in nack.iter().flat_map(|nack| &nack.nacks).flat_map(|pair| pair.packet_list()) {
                if let Some(packet) = self.repeats.again(sequence, now) {
                    let transport = TransportContext::default();
                    self.outbound.push_back(TaggedPacket { now, transport, message: Packet::Rtp(packet).into() });
                }
            }
        }
    }

    fn asks_for_key_frame(&self, packets: &[Box<dyn rtc::rtcp::Packet>]) -> bool {
        packets.iter().any(|packet| {
            let any = packet.as_any();
            let loss = any.downcast_ref::<PictureLossIndication>();
            let intra = any.downcast_ref::<FullIntraRequest>();
            loss.is_some_and(|loss| loss.media_ssrc == self.ssrc)
                || intra.is_some_and(|intra| intra.fir.iter().any(|entry| entry.ssrc == self.ssrc))
        })
    }
}

fn stream(ssrc: u32) -> StreamInfo {
    StreamInfo { ssrc, clock_rate: VideoCodec::CLOCK_RATE, ..Default::default() }
}

impl Protocol<TaggedPacket, TaggedPacket, ()> for VideoPort {
    type Rout = TaggedPacket;
    type Wout = TaggedPacket;
    type Eout = ();
    type Error = Error;
    type Time = Instant;

    fn handle_read(&mut self, message: TaggedPacket) -> Result<(), Error> {
        let is_video = match &message.message.packet {
            Packet::Rtp(packet) if self.door.is_video(packet.header.payload_type) => {
                self.received(packet);
                true
            }
            Packet::Rtcp(packets) => {
                if self.asks_for_key_frame(packets) {
                    self.inlet.key_frame_wanted(self.number);
                }
                self.repeat(packets, Instant::now());
                false
            }
            Packet::Rtp(_) => false,
            // The crate reserves the right to add others.
            #[allow(unreachable_patterns, reason = "depends on the crate's version")]
            _ => false,
        };
        // The generator looks at it on its way: our packets for what is lost, their reports for the times in ours.
        self.receiver_reports.handle_read(message)?;
        while let Some(message) = self.receiver_reports.poll_read() {
            if !is_video {
                self.inbound.push_back(message);
            }
        }
        Ok(())
    }

    fn poll_read(&mut self) -> Option<TaggedPacket> {
        self.inbound.pop_front()
    }

    fn handle_write(&mut self, message: TaggedPacket) -> Result<(), Error> {
        // An empty one only wakes the driver.
        if !matches!(&message.message.packet, Packet::Rtcp(packets) if packets.is_empty()) {
            self.outbound.push_back(message);
        }
        Ok(())
    }

    fn poll_write(&mut self) -> Option<TaggedPacket> {
        if let Some(message) = self.outbound.pop_front() {
            return Some(message);
        }
        if self.door.waiting.swap(false, Ordering::AcqRel) {
            self.door.rung.store(false, Ordering::Release);
            let waiting = std::mem::take(&mut *self.door.queue());
            let now = Instant::now();
            for packet in waiting {
                if let Packet::Rtp(packet) = &packet
                    && self.door.repeats.load(Ordering::Acquire)
                {
                    self.repeats.keep(packet);
                }
                let message = TaggedPacket { now, transport: TransportContext::default(), message: packet.into() };
                self.sender_reports.handle_write(message).ok()?;
            }
        }
        self.sender_reports.poll_write().or_else(|| self.receiver_reports.poll_write())
    }

    fn handle_timeout(&mut self, now: Instant) -> Result<(), Error> {
        self.sender_reports.handle_timeout(now)?;
        self.receiver_reports.handle_timeout(now)
    }

    fn poll_timeout(&mut self) -> Option<Instant> {
        [self.sender_reports.poll_timeout(), self.receiver_reports.poll_timeout()].into_iter().flatten().min()
    }
}

/// The crate binds the streams of audio only.
impl Interceptor for VideoPort {
    fn bind_local_stream(&mut self, _: &StreamInfo) {}
    fn unbind_local_stream(&mut self, _: &StreamInfo) {}
    fn bind_remote_stream(&mut self, _: &StreamInfo) {}
    fn unbind_remote_stream(&mut self, _: &StreamInfo) {}
}
