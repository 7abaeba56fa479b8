//! A look at RTCP on its way through the crate beneath: the other side's reports about our packets.
//!
//! Owns: the send times of our last sender reports. Runs on the connection's driver task and hands results over without
//! waiting. Must not import anything of this crate but the report type.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rtc::interceptor::{Interceptor, Packet, StreamInfo, TaggedPacket};
use rtc::rtcp;
use rtc::sansio::Protocol;
use rtc::shared::error::Error;

use super::types::RemoteReport;

/// Sender reports leave every few seconds; a receiver report speaks of one of the last.
const REMEMBERED: usize = 16;

/// Where the latest report lies until somebody takes it.
#[derive(Debug, Clone, Default)]
pub(super) struct Reports(Arc<Place>);

#[derive(Debug, Default)]
struct Place {
    latest: Mutex<Option<RemoteReport>>,
    clock_rate: AtomicU32,
}

impl Reports {
    /// Takes the report that came in since the last call.
    pub(super) fn take(&self) -> Option<RemoteReport> {
        self.0.latest.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Tells the clock rate of the codec in use: jitter is reported in its ticks.
    pub(super) fn set_clock_rate(&self, clock_rate: u32) {
        self.0.clock_rate.store(clock_rate, Ordering::Relaxed);
    }

    /// The clock rate told last; that of Opus before.
    pub(super) fn clock_rate(&self) -> u32 {
        match self.0.clock_rate.load(Ordering::Relaxed) {
            0 => 48_000,
            rate => rate,
        }
    }

    fn put(&self, report: RemoteReport) {
        *self.0.latest.lock().unwrap_or_else(PoisonError::into_inner) = Some(report);
    }
}

/// The link in the crate's chain.
pub(super) struct RtcpTap {
    ssrc: u32,
    reports: Reports,
    /// Middle 32 bits of the NTP time in our sender reports, and when they left.
    sent: VecDeque<(u32, Instant)>,
    inbound: VecDeque<TaggedPacket>,
    outbound: VecDeque<TaggedPacket>,
}

impl RtcpTap {
    /// A tap that reports about the stream `ssrc`.
    pub(super) fn new(ssrc: u32, reports: Reports) -> RtcpTap {
        RtcpTap {
            ssrc,
            reports,
            sent: VecDeque::with_capacity(REMEMBERED),
            inbound: VecDeque::new(),
            outbound: VecDeque::new(),
        }
    }

    fn left(&mut self, ntp: u64, at: Instant) {
        if self.sent.len() == REMEMBERED {
            self.sent.pop_front();
        }
        self.sent.push_back((middle(ntp), at));
    }

    fn arrived(&self, block: &rtcp::reception_report::ReceptionReport, at: Instant) {
        if block.ssrc != self.ssrc {
            return;
        }
        let round_trip = self.sent.iter().find(|(ntp, _)| *ntp == block.last_sender_report).and_then(|(_, sent)| {
            // The delay is in units of 1/65536 s (RFC 3550 section 6.4.1).
            let held = Duration::from_secs_f64(f64::from(block.delay) / 65_536.0);
            at.saturating_duration_since(*sent).checked_sub(held)
        });
        self.reports.put(RemoteReport {
            fraction_lost: f32::from(block.fraction_lost) / 256.0,
            jitter: Duration::from_secs_f64(f64::from(block.jitter) / f64::from(self.reports.clock_rate())),
            round_trip,
        });
    }
}

fn middle(ntp: u64) -> u32 {
    u32::try_from((ntp >> 16) & u64::from(u32::MAX)).unwrap_or_default()
}

impl Protocol<TaggedPacket, TaggedPacket, ()> for RtcpTap {
    type Rout = TaggedPacket;
    type Wout = TaggedPacket;
    type Eout = ();
    type Error = Error;
    type Time = Instant;

    fn handle_read(&mut self, message: TaggedPacket) -> Result<(), Error> {
        if let Packet::Rtcp(packets) = &message.message.packet {
            for packet in packets {
                let any = packet.as_any();
                let blocks = if let Some(report) = any.downcast_ref::<rtcp::receiver_report::ReceiverReport>() {
                    &report.reports
                } else if let Some(report) = any.downcast_ref::<rtcp::sender_report::SenderReport>() {
                    &report.reports
                } else {
                    continue;
                };
                for block in blocks {
                    self.arrived(block, message.now);
                }
            }
        }
        self.inbound.push_back(message);
        Ok(())
    }

    fn poll_read(&mut self) -> Option<TaggedPacket> {
        self.inbound.pop_front()
    }

    fn handle_write(&mut self, message: TaggedPacket) -> Result<(), Error> {
        if let Packet::Rtcp(packets) = &message.message.packet {
            for packet in packets {
                if let Some(report) = packet.as_any().downcast_ref::<rtcp::sender_report::SenderReport>() {
                    self.left(report.ntp_time, message.now);
                }
            }
        }
        self.outbound.push_back(message);
        Ok(())
    }

    fn poll_write(&mut self) -> Option<TaggedPacket> {
        self.outbound.pop_front()
    }
}

impl Interceptor for RtcpTap {
    fn bind_local_stream(&mut self, _: &StreamInfo) {}
    fn unbind_local_stream(&mut self, _: &StreamInfo) {}
    fn bind_remote_stream(&mut self, _: &StreamInfo) {}
    fn unbind_remote_stream(&mut self, _: &StreamInfo) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_round_trip_is_now_minus_sent_minus_held() {
        let reports = Reports::default();
        let mut tap = RtcpTap::new(7, reports.clone());
        let start = Instant::now();
        tap.left(0x1111_2222_3333_4444, start);
        let mut block = rtcp::reception_report::ReceptionReport {
            ssrc: 7,
            fraction_lost: 64,
            jitter: 480,
            last_sender_report: 0x2222_3333,
            delay: 65_536 / 2,
            ..Default::default()
        };
        tap.arrived(&block, start + Duration::from_millis(620));
        let report = reports.take().expect("a report");
        assert_eq!(report.round_trip, Some(Duration::from_millis(120)));
        assert_eq!(report.jitter, Duration::from_millis(10));
        assert!((report.fraction_lost - 0.25).abs() < 1e-6);
        assert!(reports.take().is_none());

        block.ssrc = 8;
        tap.arrived(&block, start);
        assert!(reports.take().is_none());
    }
}
