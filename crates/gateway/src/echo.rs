//! The destination `echo`: it answers every call and sends the caller's audio back.
//!
//! Owns: the seam between the gateway and the media crate, [`EchoFactory`], and its real implementation [`MediaEcho`].
//! Lives on: the tokio runtime of the gateway. Must not import: the core, HTTP.

use std::future::Future;
use std::pin::Pin;

use ewebrtc_media::transport::{EchoPeer, IceConfig};

/// A running echo. Dropping it closes its connection.
pub trait EchoCall: Send + 'static {}

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

impl EchoCall for EchoPeer {}

impl EchoFactory for MediaEcho {
    fn answer(&self, offer: String) -> Pin<Box<dyn Future<Output = EchoResult> + Send>> {
        let ice = self.ice.clone();
        Box::pin(async move {
            match EchoPeer::answer(&offer, ice).await {
                Ok((answer, peer)) => Ok((answer, Box::new(peer) as Box<dyn EchoCall>)),
                Err(error) => Err(error.to_string()),
            }
        })
    }
}
