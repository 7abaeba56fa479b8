//! The transport: one peer connection that behaves.
//!
//! Owns: everything that touches the `webrtc` and `rtc` crates; nothing of theirs leaves this module. Descriptions in
//! and out are complete texts, packets in and out are [`RtpPacket`]s, states and reports come as [`TransportEvents`].
//! Lives on the tokio runtime that [`Transport::new`] was called on; [`Transport::send`] may be called from any thread.
//! Must not import the engine, codecs or jitter buffer above it.
//!
//! The path of a description from outside: `sdp_text` cuts it, `sdp_in` understands it, `negotiation` decides,
//! `connection` shows it to the crate, `sdp_out` writes ours. `session` holds what lasts, `attendant` looks after it.
//! Video goes past the crate, through `video_port`.
//!
//! The crates beneath log under the targets `webrtc` and `rtc*`, an error with the packet in it for every packet they
//! cannot place. A host should keep these targets switched off unless it looks for a fault there; nothing here logs at
//! info level, and no message of ours contains an address.

use std::sync::{Arc, Weak};

use crate::MediaError;

mod addresses;
mod attendant;
mod bridge;
mod clock;
mod codecs;
mod connection;
mod echo;
mod lanes;
mod negotiation;
mod repeats;
mod sdp_in;
mod sdp_out;
mod sdp_text;
mod sender_reports;
mod servers;
mod session;
mod settings;
mod tap;
mod types;
mod video_codecs;
mod video_port;

pub use echo::EchoPeer;
pub use types::*;

use session::Shared;

/// A peer connection with one stream of audio each way, and one of video if both sides want it.
///
/// Cheap to clone; all clones are the same transport. It closes itself when the last one is dropped, but only
/// [`Transport::close`] tells when that is done. The state and everything received come through the events given to
/// [`Transport::new`].
///
/// One stream of a medium is sent for the transport's whole life. When a description comes from another party than before (another
/// DTLS fingerprint: a transferred call, a forked answer), a new connection is built underneath; sequence numbers, SSRC
/// and DTLS role run on.
#[derive(Clone)]
pub struct Transport(Arc<Handle>);

/// See [`Transport::downgrade`].
#[derive(Clone)]
pub(crate) struct WeakTransport(Weak<Handle>);

impl WeakTransport {
    /// The transport, unless its last handle is gone.
    pub(crate) fn upgrade(&self) -> Option<Transport> {
        self.0.upgrade().map(Transport)
    }
}

/// Closes the transport with the last clone.
struct Handle(Arc<Shared>);

impl Drop for Handle {
    fn drop(&mut self) {
        self.0.begin_close();
    }
}

impl Transport {
    /// Makes a transport; sockets are bound with the first offer or answer. Must be called within a tokio runtime, which
    /// must outlive the transport.
    ///
    /// # Errors
    /// `Transport` without a runtime.
    #[allow(clippy::unused_async, reason = "making a transport may have to wait in future")]
    pub async fn new(config: TransportConfig, events: Arc<dyn TransportEvents>) -> Result<Transport, MediaError> {
        let runtime = tokio::runtime::Handle::try_current()
            .map_err(|_| MediaError::Transport("a transport needs a tokio runtime".into()))?;
        let (shared, finish) = Shared::new(config, events);
        let shared = Arc::new(shared);
        runtime.spawn(attendant::attend(shared.clone(), finish));
        Ok(Transport(Arc::new(Handle(shared))))
    }

    /// A complete offer (candidates inside, nothing is trickled) with the direction wished for. Takes at most the
    /// gathering deadline. Replaces an offer of ours that has not been answered.
    ///
    /// # Errors
    /// `Closed`; `Transport` when no socket can be bound or the servers are unusable; `Timeout`.
    pub async fn create_offer(&self) -> Result<String, MediaError> {
        let shared = self.0.0.clone();
        to_the_end(async move { negotiation::create_offer(&shared).await }).await
    }

    /// A complete answer to an offer, the first one or a later one. Sections other than the first live audio section,
    /// and the first live video section bundled with it if video is wanted, are refused: port 0, `a=inactive`, their own
    /// `c=` line (RFC 3264 section 6). An offer that crosses one of ours
    /// wins. An offer of another party than before gets a connection of its own; the old one carries the media until
    /// the new one is connected.
    ///
    /// # Errors
    /// `Sdp` when the offer is unreadable or has no audio that we can use: then everything is as before. `Closed`,
    /// `Transport` and `Timeout` as with [`Transport::create_offer`].
    pub async fn answer_offer(&self, offer: &str) -> Result<String, MediaError> {
        let (shared, offer) = (self.0.0.clone(), offer.to_owned());
        to_the_end(async move { negotiation::answer_offer(&shared, &offer).await }).await
    }

    /// An offer to a party that we are not connected with, as the target of a transfer makes it: on a connection of its own,
    /// with new credentials. The present one carries the media until the new one is connected, and goes on when the other
    /// party does not come, see [`Transport::keep_party`].
    ///
    /// # Errors
    /// As [`Transport::create_offer`].
    pub async fn create_offer_for_another(&self) -> Result<String, MediaError> {
        let shared = self.0.0.clone();
        to_the_end(async move { negotiation::create_offer_for_another(&shared).await }).await
    }

    /// The other party, to which an offer was made or whose offer was answered, does not come: what was agreed with the
    /// present party holds again. Without another party nothing happens.
    ///
    /// # Errors
    /// `Transport` when the path to the other party is up already; `Closed`.
    pub async fn keep_party(&self) -> Result<(), MediaError> {
        let shared = self.0.0.clone();
        to_the_end(async move { negotiation::keep_party(&shared).await }).await
    }

    /// Applies the answer to our offer. A second answer to the same offer is accepted too: the same text changes
    /// nothing, another text of the same party (early and final answer) changes codec and direction, that of another
    /// party replaces the connection; candidates, credentials and fingerprint of the offer stay true for it.
    ///
    /// # Errors
    /// `Sdp` when the answer is unreadable, refuses audio or has no codec of the offer; `Transport` when there was no
    /// offer; `Closed`; `Timeout`.
    pub async fn apply_answer(&self, answer: &str) -> Result<(), MediaError> {
        let (shared, answer) = (self.0.0.clone(), answer.to_owned());
        to_the_end(async move { negotiation::apply_answer(&shared, &answer).await }).await
    }

    /// What we want to do with a medium. Takes effect with the next offer or answer, and stays wished for whatever the
    /// other side offers. Audio is `SendRecv` at first; for video this is [`Transport::set_video`] with a direction.
    pub fn set_direction(&self, medium: Medium, wish: Direction) {
        match medium {
            Medium::Audio => self.0.0.set_wish(wish),
            Medium::Video => self.0.0.set_video_wish(Some(wish)),
        }
    }

    /// Whether we want video, and in which direction; at first we do not. Takes effect with the next offer or answer.
    ///
    /// Without the wish video is not offered, and refused (port 0) where the other side offers it. A section that is in
    /// use already stays in our offers as `inactive`, so that it can be used again; one that was refused stays with port 0
    /// until it is wanted again, and then comes back under a new name, as browsers demand it (RFC 9429 section 5.2.2).
    pub fn set_video(&self, wish: Option<Direction>) {
        self.0.0.set_video_wish(wish);
    }

    /// Asks the other side for a key frame of its video (PLI, RFC 4585 section 6.3.1). Never blocks; callable from any
    /// thread. False when none can be asked for: no video has come, or it is not agreed upon. Requests are not counted or
    /// limited here.
    pub fn request_key_frame(&self) -> bool {
        self.0.0.request_key_frame()
    }

    /// Asks the other side to send packets of its video again, by their sequence numbers (generic NACK, RFC 4585 section 6.2.1).
    /// As [`Transport::request_key_frame`]; of use where [`NegotiatedVideo::repeats`] says so.
    pub fn request_packets(&self, missing: &[u16]) -> bool {
        self.0.0.request_packets(missing)
    }

    /// What the last complete exchange of offer and answer agreed upon.
    #[must_use]
    pub fn negotiated(&self) -> Option<Negotiated> {
        self.0.0.negotiated()
    }

    /// The synchronisation source of what we send.
    #[must_use]
    pub fn ssrc(&self, medium: Medium) -> u32 {
        match medium {
            Medium::Audio => self.0.0.ssrc,
            Medium::Video => self.0.0.video_ssrc,
        }
    }

    /// Sends a packet. Never blocks; callable from any thread, with or without a runtime. SSRC and sequence number are
    /// put in here; payload type, marker, time stamp and payload go as given. False when the packet was dropped: not
    /// connected, not allowed by the agreed direction, or the connection's queue of 256 packets is full.
    pub fn send(&self, medium: Medium, packet: RtpPacket) -> bool {
        self.0.0.send(medium, packet)
    }

    /// As [`Transport::send`], with the sequence number as given: for a relay, at whose far end the losses of the near
    /// one must stay visible. One transport is used either with this or with `send`.
    pub(crate) fn forward(&self, medium: Medium, packet: RtpPacket) -> bool {
        self.0.0.forward(medium, packet)
    }

    /// A handle that does not keep the transport open, for what its events are given to.
    pub(crate) fn downgrade(&self) -> WeakTransport {
        WeakTransport(Arc::downgrade(&self.0))
    }

    /// The state told last.
    #[must_use]
    pub fn state(&self) -> TransportState {
        self.0.0.state()
    }

    /// Counts and measurements up to now.
    pub async fn stats(&self) -> TransportStats {
        self.0.0.stats().await
    }

    /// Ends the transport: sockets are closed, TURN allocations released. Returns when that is done, within about
    /// 100 ms. Idempotent. Afterwards everything else gives [`MediaError::Closed`] or does nothing.
    pub async fn close(&self) {
        self.0.0.begin_close();
        self.0.0.closed().await;
    }
}

#[cfg(test)]
mod restart_tests;

/// Runs an exchange on a task of its own, so that it goes on when its caller does not wait any longer: a connection whose
/// making is dropped half-way would keep its sockets and its driver for ever.
async fn to_the_end<T: Send + 'static>(
    exchange: impl Future<Output = Result<T, MediaError>> + Send + 'static,
) -> Result<T, MediaError> {
    tokio::spawn(exchange).await.unwrap_or_else(|error| Err(MediaError::Transport(error.to_string())))
}
