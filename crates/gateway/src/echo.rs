//! The destination `echo`: it answers every call and sends the caller's audio back.
//!
//! Owns: the seam between the gateway and the media crate, [`EchoFactory`], and its real implementation [`MediaEcho`].
//! Lives on: the tokio runtime of the gateway. Must not import: the core, HTTP.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use ewebrtc_media::transport::{EchoPeer, IceConfig};

/// A running echo. Dropping it closes its connection.
pub trait EchoCall: Send + Sync + 'static {
    /// Answers a later offer of the same call: hold, resume, another connection of the caller. Called inside the gateway's
    /// runtime; must not block. A time limit is set by the gateway.
    fn answer_again(&self, offer: String) -> Pin<Box<dyn Future<Output = Result<String, String>> + Send>>;
}

/// What [`EchoFactory::answer`] comes to: the answer's SDP and the running echo, or why there is none.
pub type EchoResult = Result<(String, Box<dyn EchoCall>), String>;

/// Answers calls to `echo`.
pub trait EchoFactory: Send + Sync + 'static {
    /// Answers an offer. Called inside the gateway's runtime; must not block. A time limit is set by the gateway.
    fn answer(&self, offer: String) -> Pin<Box<dyn Future<Output = EchoResult> + Send>>;
}

/// The echo of `ewebrtc_media`: real peer connections that reflect every audio packet.
#[derive(Clone, Default)]
pub struct MediaEcho {
    /// How its connections find their way.
    pub ice: IceConfig,
}

/// Shared with the answers that are being made.
struct RunningEcho(Arc<EchoPeer>);

impl EchoCall for RunningEcho {
    fn answer_again(&self, offer: String) -> Pin<Box<dyn Future<Output = Result<String, String>> + Send>> {
        let peer = self.0.clone();
        Box::pin(async move { peer.answer_again(&offer).await.map_err(|error| error.to_string()) })
    }
}

impl EchoFactory for MediaEcho {
    fn answer(&self, offer: String) -> Pin<Box<dyn Future<Output = EchoResult> + Send>> {
        let ice = self.ice.clone();
        Box::pin(async move {
            match EchoPeer::answer(&offer, ice).await {
                Ok((answer, peer)) => Ok((answer, Box::new(RunningEcho(Arc::new(peer))) as Box<dyn EchoCall>)),
                Err(error) => Err(error.to_string()),
            }
        })
    }
}
