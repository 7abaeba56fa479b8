//! Sender reports about our stream (RFC 3550 section 6.4.1).
//!
//! Owns: the crate's own generator of sender reports, which it never tells about our stream: it looks the stream up by
//! the codec of its encoding, and ours names none so that every codec is offered. Runs on the connection's driver task.
//! Must not import anything of this crate but the place of reports.

use std::time::Instant;

use rtc::interceptor::{Interceptor, Packet, SenderReportBuilder, StreamInfo, TaggedPacket};
use rtc::sansio::Protocol;
use rtc::shared::error::Error;

use super::tap::Reports;

/// The link in the crate's chain; everything is handed to the crate's generator.
pub(super) struct SenderReports {
    inner: Box<dyn Interceptor>,
    ssrc: u32,
    reports: Reports,
    /// The clock rate that the generator counts with; 0 before the first packet.
    clock_rate: u32,
}

impl SenderReports {
    /// Reports about the stream `ssrc`; `reports` knows the clock rate of its codec.
    pub(super) fn new(ssrc: u32, reports: Reports) -> SenderReports {
        SenderReports { inner: Box::new(SenderReportBuilder::new().build()), ssrc, reports, clock_rate: 0 }
    }

    fn bind(&mut self) {
        let clock_rate = self.reports.clock_rate();
        if self.clock_rate != clock_rate {
            self.clock_rate = clock_rate;
            self.inner.bind_local_stream(&StreamInfo { ssrc: self.ssrc, clock_rate, ..Default::default() });
        }
    }
}

impl Protocol<TaggedPacket, TaggedPacket, ()> for SenderReports {
    type Rout = TaggedPacket;
    type Wout = TaggedPacket;
    type Eout = ();
    type Error = Error;
    type Time = Instant;

    fn handle_read(&mut self, message: TaggedPacket) -> Result<(), Error> {
        self.inner.handle_read(message)
    }

    fn poll_read(&mut self) -> Option<TaggedPacket> {
        self.inner.poll_read()
    }

    fn handle_write(&mut self, message: TaggedPacket) -> Result<(), Error> {
        if matches!(message.message.packet, Packet::Rtp(_)) {
            self.bind();
        }
        self.inner.handle_write(message)
    }

    fn poll_write(&mut self) -> Option<TaggedPacket> {
        self.inner.poll_write()
    }

    fn handle_timeout(&mut self, now: Instant) -> Result<(), Error> {
        self.inner.handle_timeout(now)
    }

    fn poll_timeout(&mut self) -> Option<Instant> {
        self.inner.poll_timeout()
    }
}

impl Interceptor for SenderReports {
    fn bind_local_stream(&mut self, _: &StreamInfo) {}
    fn unbind_local_stream(&mut self, _: &StreamInfo) {}
    fn bind_remote_stream(&mut self, info: &StreamInfo) {
        self.inner.bind_remote_stream(info);
    }
    fn unbind_remote_stream(&mut self, info: &StreamInfo) {
        self.inner.unbind_remote_stream(info);
    }
}
