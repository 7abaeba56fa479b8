//! The media of calls that get a ringback tone: two connections of the gateway, one for each phone.
//!
//! Owns: the seam between the gateway and the media crate, [`AnchorFactory`], and its real implementation [`MediaAnchor`].
//! Lives on: the tokio runtime of the gateway. Must not import: HTTP.

use std::future::Future;
use std::pin::Pin;

use ewebrtc_media::transport::{Direction, IceConfig};
use ewebrtc_media::{Anchor, End};

use crate::core::{AnchorEnd, AnchorTask};

/// A running anchor. Dropping it closes its connections.
pub trait AnchorCall: Send + Sync + 'static {
    /// Does what the core asks and gives the description that was to be made, or an empty text. Called inside the gateway's
    /// runtime; must not block. One task at a time; a time limit is set by the gateway.
    fn work(&self, task: AnchorTask) -> Pin<Box<dyn Future<Output = Result<String, String>> + Send + '_>>;
}

/// An anchor at the beginning of its call.
pub struct AnchorMade {
    /// The answer to the caller, who hears the tone from then on.
    pub answer: String,
    /// The offer for the callee.
    pub offer: String,
    /// The anchor.
    pub anchor: Box<dyn AnchorCall>,
}

/// What [`AnchorFactory::start`] comes to, or why there is none.
pub type AnchorResult = Result<AnchorMade, String>;

/// Makes anchors.
pub trait AnchorFactory: Send + Sync + 'static {
    /// Takes a caller's offer. Called inside the gateway's runtime; must not block. A time limit is set by the gateway.
    fn start(&self, offer: String) -> Pin<Box<dyn Future<Output = AnchorResult> + Send>>;
}

/// The anchors of `ewebrtc_media`: real peer connections, whose packets are passed from one to the other.
#[derive(Clone, Default)]
pub struct MediaAnchor {
    /// How its connections find their way.
    pub ice: IceConfig,
}

struct RunningAnchor(Anchor);

impl AnchorFactory for MediaAnchor {
    fn start(&self, offer: String) -> Pin<Box<dyn Future<Output = AnchorResult> + Send>> {
        let ice = self.ice.clone();
        Box::pin(async move {
            let (anchor, answer, offer) = Anchor::start(&offer, ice).await.map_err(|error| error.to_string())?;
            Ok(AnchorMade { answer, offer, anchor: Box::new(RunningAnchor(anchor)) })
        })
    }
}

impl AnchorCall for RunningAnchor {
    fn work(&self, task: AnchorTask) -> Pin<Box<dyn Future<Output = Result<String, String>> + Send + '_>> {
        Box::pin(async move {
            let nothing = |()| String::new();
            let result = match task {
                AnchorTask::Connect { answer } => self.0.connect(&answer).await.map(nothing),
                AnchorTask::Offer { to, direction, .. } => self.0.offer(end(to), of(direction)).await,
                AnchorTask::Answer { to, offer, direction, .. } => self.0.answer(end(to), &offer, of(direction)).await,
                AnchorTask::Answered { from, answer } => self.0.apply_answer(end(from), &answer).await.map(nothing),
            };
            result.map_err(|error| error.to_string())
        })
    }
}

fn end(end: AnchorEnd) -> End {
    match end {
        AnchorEnd::Caller => End::Caller,
        AnchorEnd::Callee => End::Callee,
    }
}

fn of(direction: ewebrtc_wire::Direction) -> Direction {
    Direction::of(direction.sends(), direction.receives())
}
