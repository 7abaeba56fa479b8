//! A party that answers and sends everything back: the far end of a test call.
//!
//! Owns: a transport and the continuity of the time stamps that it sends. Reflects on the task that receives. Must not
//! import codecs: payloads are not looked into.

use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::time::Instant;

use super::session::Shared;
use super::types::{IceConfig, Medium, RtpPacket, TransportConfig, TransportEvents, TransportState};
use super::{Handle, Transport};
use crate::MediaError;

/// Reflects every RTP packet to its sender: Opus, PCMU, PCMA and telephone events, with an SSRC and sequence numbers of
/// its own and time stamps that run on when the sender changes. Ends when dropped.
pub struct EchoPeer {
    transport: Transport,
}

impl EchoPeer {
    /// Answers an offer; gives the answer and the party, which goes on until it is closed or dropped. Must be called
    /// within a tokio runtime.
    ///
    /// # Errors
    /// As [`Transport::answer_offer`].
    pub async fn answer(offer: &str, ice: IceConfig) -> Result<(String, EchoPeer), MediaError> {
        let mirror = Arc::new(Mirror::default());
        let transport = Transport::new(TransportConfig { ice, ..TransportConfig::default() }, mirror.clone()).await?;
        let Transport(handle) = &transport;
        let Handle(shared) = &**handle;
        let _ = mirror.shared.set(Arc::downgrade(shared));
        let answer = transport.answer_offer(offer).await?;
        Ok((answer, EchoPeer { transport }))
    }

    /// Answers a later offer of the same call (hold, resume, another device).
    ///
    /// # Errors
    /// As [`Transport::answer_offer`].
    pub async fn answer_again(&self, offer: &str) -> Result<String, MediaError> {
        self.transport.answer_offer(offer).await
    }

    /// The state of its transport.
    #[must_use]
    pub fn state(&self) -> TransportState {
        self.transport.state()
    }

    /// Ends the party; returns when its sockets are closed.
    pub async fn close(&self) {
        self.transport.close().await;
    }
}

#[derive(Default)]
struct Mirror {
    shared: OnceLock<Weak<Shared>>,
    line: Mutex<Option<Line>>,
}

/// Where the time stamps that we send stand.
#[derive(Debug, Clone, Copy)]
struct Line {
    source: u32,
    offset: u32,
    last: u32,
    at: Instant,
}

impl Line {
    /// The time stamp to send for one that came in. Another source begins at its own number; its packets continue ours
    /// by the time that has passed.
    fn next(line: &mut Option<Line>, packet: &RtpPacket, clock_rate: u32, now: Instant) -> u32 {
        let offset = match line {
            Some(line) if line.source == packet.ssrc => line.offset,
            Some(line) => {
                let passed = now.saturating_duration_since(line.at).as_millis().min(3_600_000);
                let ticks = u32::try_from(passed * u128::from(clock_rate) / 1000).unwrap_or_default();
                line.last.wrapping_add(ticks).wrapping_sub(packet.timestamp)
            }
            None => 0,
        };
        let timestamp = packet.timestamp.wrapping_add(offset);
        *line = Some(Line { source: packet.ssrc, offset, last: timestamp, at: now });
        timestamp
    }
}

impl TransportEvents for Mirror {
    fn rtp(&self, medium: Medium, mut packet: RtpPacket, arrival: Instant) {
        let Some(shared) = self.shared.get().and_then(Weak::upgrade) else { return };
        let Some(agreed) = shared.negotiated() else { return };
        let audio = agreed.audio;
        let events = audio.telephone_event.filter(|(number, _)| *number == packet.payload_type).map(|(_, clock)| clock);
        let speech = audio.payload_types.codec(packet.payload_type).map(super::AudioCodec::clock_rate);
        // What was not agreed upon could not be read at the other end either.
        let Some(clock_rate) = speech.or(events) else { return };
        {
            let mut line = self.line.lock().unwrap_or_else(PoisonError::into_inner);
            packet.timestamp = Line::next(&mut line, &packet, clock_rate, arrival);
        }
        shared.send(medium, packet);
    }

    fn state(&self, _: TransportState) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn time_stamps_run_on_when_the_sender_changes() {
        let packet = |ssrc: u32, timestamp: u32| RtpPacket {
            payload_type: 0,
            marker: false,
            sequence: 0,
            timestamp,
            ssrc,
            payload: bytes::Bytes::new(),
        };
        let (mut line, start) = (None, Instant::now());
        assert_eq!(Line::next(&mut line, &packet(1, 1000), 8000, start), 1000);
        assert_eq!(Line::next(&mut line, &packet(1, 1160), 8000, start + Duration::from_millis(20)), 1160);
        assert_eq!(Line::next(&mut line, &packet(2, 77), 8000, start + Duration::from_millis(120)), 1960);
        assert_eq!(Line::next(&mut line, &packet(2, 237), 8000, start + Duration::from_millis(140)), 2120);
    }
}
