//! The transport: one peer connection that behaves.
//!
//! Owns: everything that touches the `webrtc` and `rtc` crates. Nothing of those crates leaves this module.
#![allow(unused_variables)]

use std::sync::Arc;

use crate::MediaError;

mod types;

pub use types::*;

/// One peer connection (see [`Transport::new`]).
#[derive(Clone)]
pub struct Transport;

impl Transport {
    /// Builds a connection.
    pub async fn new(config: TransportConfig, events: Arc<dyn TransportEvents>) -> Result<Transport, MediaError> {
        Err(MediaError::Closed)
    }
    /// A complete offer.
    pub async fn create_offer(&self) -> Result<String, MediaError> {
        Err(MediaError::Closed)
    }
    /// A complete answer.
    pub async fn answer_offer(&self, offer: &str) -> Result<String, MediaError> {
        Err(MediaError::Closed)
    }
    /// Applies the answer.
    pub async fn apply_answer(&self, answer: &str) -> Result<(), MediaError> {
        Err(MediaError::Closed)
    }
    /// The wish.
    pub fn set_direction(&self, medium: Medium, wish: Direction) {}
    /// What was agreed.
    pub fn negotiated(&self) -> Option<Negotiated> {
        None
    }
    /// Our SSRC.
    pub fn ssrc(&self, medium: Medium) -> u32 {
        0
    }
    /// Sends.
    pub fn send(&self, medium: Medium, packet: RtpPacket) -> bool {
        false
    }
    /// State.
    pub fn state(&self) -> TransportState {
        TransportState::Closed
    }
    /// Figures.
    pub async fn stats(&self) -> TransportStats {
        TransportStats::default()
    }
    /// Closes.
    pub async fn close(&self) {}
}

/// Echo.
pub struct EchoPeer;

impl EchoPeer {
    /// Answers.
    pub async fn answer(offer: &str, ice: IceConfig) -> Result<(String, EchoPeer), MediaError> {
        Err(MediaError::Closed)
    }
    /// Closes.
    pub async fn close(&self) {}
}
