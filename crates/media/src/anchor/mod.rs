//! A call whose media ends in the middle: one transport for each party, a ringback tone for the one that waits, and the
//! audio of both passed on once they talk.
//!
//! Owns: the two transports of an anchored call and the order in which they are made; `lane` places packets on the way to
//! one party, `ringback` makes the tone. Packets are passed on in the task that receives them, as they are; only where the
//! receiver has no use for the sender's codec they are decoded and encoded again. Lives on the tokio runtime that it was
//! made on. Must not import the engine, the jitter buffer or anything of a leg.

mod lane;
mod ringback;
mod transcode;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use crate::MediaError;
use crate::transport::{
    AudioCodec, Direction, IceConfig, Medium, RtpPacket, Transport, TransportConfig, TransportEvents, TransportState,
    WeakTransport,
};
use lane::Lane;

/// A party of an anchored call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Who called, and hears the ringback tone.
    Caller,
    /// Who is called.
    Callee,
}

/// Both ends of an anchored call. It ends, without waiting, when it is dropped; [`Anchor::close`] waits.
///
/// Until [`Anchor::connect`] the caller hears a ringback tone and nothing of either party is passed on. Afterwards speech
/// and telephone events (RFC 4733) of each party go to the other with time stamps, sequence numbers and an SSRC of this
/// end; a packet that was lost on the way here is seen as lost there too.
pub struct Anchor {
    caller: Transport,
    callee: Transport,
    open: Arc<AtomicBool>,
}

impl Anchor {
    /// Answers the caller's offer and makes an offer for the callee, with the codecs that the caller has: the anchor, the
    /// answer, the offer. The tone begins as soon as the caller is connected. Must be called within a tokio runtime, which
    /// must outlive the anchor.
    ///
    /// # Errors
    /// As [`Transport::answer_offer`] and [`Transport::create_offer`]; nothing is left then.
    pub async fn start(offer: &str, ice: IceConfig) -> Result<(Anchor, String, String), MediaError> {
        let open = Arc::new(AtomicBool::new(false));
        let ear = || Arc::new(Ear { open: open.clone(), ends: OnceLock::new(), lane: Arc::new(Lane::new()) });
        let (from_caller, from_callee) = (ear(), ear());
        let config = TransportConfig { ice, ..TransportConfig::default() };
        let caller = Transport::new(config.clone(), from_caller.clone()).await?;
        let answer = caller.answer_offer(offer).await?;
        let common = caller.negotiated().map(|agreed| codecs(&agreed.audio.payload_types, agreed.audio.codec));
        let callee_config = TransportConfig { audio_codecs: common.unwrap_or_default(), ..config };
        let callee = Transport::new(callee_config, from_callee.clone()).await?;
        let _ = from_caller.ends.set((caller.downgrade(), callee.downgrade()));
        let _ = from_callee.ends.set((callee.downgrade(), caller.downgrade()));
        let offer = callee.create_offer().await?;
        tokio::spawn(ringback::ring(caller.downgrade(), from_callee.lane.clone(), open.clone()));
        Ok((Anchor { caller, callee, open }, answer, offer))
    }

    /// The callee has answered: the tone ends, and the parties hear each other.
    ///
    /// # Errors
    /// As [`Transport::apply_answer`]; the tone goes on.
    pub async fn connect(&self, answer: &str) -> Result<(), MediaError> {
        self.callee.apply_answer(answer).await?;
        self.open.store(true, Ordering::Release);
        Ok(())
    }

    /// An offer to one party for a change that the other has begun, in this direction as seen from here.
    ///
    /// # Errors
    /// As [`Transport::create_offer`].
    pub async fn offer(&self, to: End, direction: Direction) -> Result<String, MediaError> {
        let transport = self.transport(to);
        transport.set_direction(Medium::Audio, direction);
        transport.create_offer().await
    }

    /// The answer to a later offer of one party, in this direction as far as the offer allows it.
    ///
    /// # Errors
    /// As [`Transport::answer_offer`].
    pub async fn answer(&self, to: End, offer: &str, direction: Direction) -> Result<String, MediaError> {
        let transport = self.transport(to);
        transport.set_direction(Medium::Audio, direction);
        transport.answer_offer(offer).await
    }

    /// One party has answered what [`Anchor::offer`] offered it.
    ///
    /// # Errors
    /// As [`Transport::apply_answer`].
    pub async fn apply_answer(&self, from: End, answer: &str) -> Result<(), MediaError> {
        self.transport(from).apply_answer(answer).await
    }

    /// State of the path to one party.
    #[must_use]
    pub fn state(&self, of: End) -> TransportState {
        self.transport(of).state()
    }

    /// Ends both sides; returns when their sockets are closed.
    pub async fn close(&self) {
        self.caller.close().await;
        self.callee.close().await;
    }

    fn transport(&self, end: End) -> &Transport {
        match end {
            End::Caller => &self.caller,
            End::Callee => &self.callee,
        }
    }
}

/// The codecs of an agreement, the one that is sent first.
fn codecs(agreed: &crate::transport::PayloadTypes, first: AudioCodec) -> Vec<AudioCodec> {
    let mut list = vec![first];
    let others = [AudioCodec::Opus, AudioCodec::Pcmu, AudioCodec::Pcma];
    list.extend(others.into_iter().filter(|codec| *codec != first && agreed.payload_type(*codec).is_some()));
    list
}

/// Takes what one party sends and passes it on to the other.
struct Ear {
    open: Arc<AtomicBool>,
    /// This party's transport and the other's. Known before the first packet that is passed on.
    ends: OnceLock<(WeakTransport, WeakTransport)>,
    /// The way to the other party.
    lane: Arc<Lane>,
}

impl TransportEvents for Ear {
    fn rtp(&self, _: Medium, packet: RtpPacket, arrival: Instant) {
        if !self.open.load(Ordering::Acquire) {
            return;
        }
        let Some((own, other)) = self.ends.get() else { return };
        let (Some(own), Some(other)) = (own.upgrade(), other.upgrade()) else { return };
        let (Some(from), Some(to)) = (own.negotiated(), other.negotiated()) else { return };
        self.lane.pass(packet, &from.audio, &to.audio, &other, arrival);
    }

    fn state(&self, _: TransportState) {}
}
