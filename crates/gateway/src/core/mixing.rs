//! What the core and those who have media here say to each other about services and conferences.
//!
//! Owns: the plain types of that. Lives on: any thread. Must not import: anything but ids.

use super::Id;

/// Who answers by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Service {
    /// Sends the caller's audio back.
    Echo,
    /// Brings all together who call this name.
    Room(String),
}

/// What the mixer is to do for a conference (`room`) and one of its legs (`seat`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MixerTask {
    /// Make a seat, and the answer to this offer of its leg: the host's. [`MixerNews::Described`] follows.
    Answer {
        /// The conference.
        room: Id,
        /// The new seat.
        seat: Id,
        /// The host's offer.
        offer: String,
    },
    /// Make a seat, and an offer for somebody who is invited. [`MixerNews::Described`] follows.
    Offer {
        /// The conference.
        room: Id,
        /// The new seat.
        seat: Id,
    },
    /// Take the answer to that offer. [`MixerNews::Accepted`] follows.
    Accept {
        /// The conference.
        room: Id,
        /// The seat.
        seat: Id,
        /// The participant's answer.
        answer: String,
    },
    /// Answer a later offer of a seat: hold, resume, another connection. [`MixerNews::Described`] follows.
    Modify {
        /// The conference.
        room: Id,
        /// The seat.
        seat: Id,
        /// The offer.
        offer: String,
    },
    /// The seat ends. The last one takes the room with it.
    Leave {
        /// The conference.
        room: Id,
        /// The seat.
        seat: Id,
    },
}

/// What the mixer has to say.
#[derive(Debug, Clone)]
pub enum MixerNews {
    /// A description was made, or could not be.
    Described {
        /// The conference.
        room: Id,
        /// The seat.
        seat: Id,
        /// Answer or offer.
        sdp: Option<String>,
    },
    /// An answer was taken, or could not be.
    Accepted {
        /// The conference.
        room: Id,
        /// The seat.
        seat: Id,
        /// It was.
        taken: bool,
    },
    /// The connection of a seat is lost for good.
    Lost {
        /// The conference.
        room: Id,
        /// The seat.
        seat: Id,
    },
}
