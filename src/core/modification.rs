//! Changes of an established call: hold, resume, upgrade, downgrade and move, and the transfer (phone-behaviour.md sections
//! 4, 7, 9, 10; rest-protocol.md sections 3.3.5 to 3.3.8, 4.7, 5.5 to 5.8, 5.10, 5.11).
//!
//! Owns: [`Change`], [`Transfer`] and the rules by which they go: which offer, which answer, which outcome. Lives on: the
//! phone's actor, inside a call. Must not import: anything but `call` and the wire crate. What a step sends and publishes
//! is made by `changes` and `transfer`.
//!
//! One change at a time (P-11): the gateway serialises them over both legs of a call (D-14), so an offer of the peer
//! means that a change of ours is over there, or was never begun.

use super::call::{CallMedia, CallState};
use ewebrtc_wire::{CallAction, Direction, Sdp};
use std::time::{Duration, Instant};

/// How long the gateway may take to say how a change ended. It gives up itself after 60 s (D-17, D-35); beyond that an
/// event was lost, and the call must not stay unchangeable for ever.
pub(super) const OUTCOME_LIMIT: Duration = Duration::from_secs(90);

/// What is changed; the text of `operation` in events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operation {
    Hold,
    Resume,
    Move,
    Upgrade,
    Downgrade,
    /// A new path for the media, which stay as they are: see `repair`.
    Reconnect,
}

impl Operation {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Operation::Hold => "hold",
            Operation::Resume => "resume",
            Operation::Move => "move",
            Operation::Upgrade => "upgrade",
            Operation::Downgrade => "downgrade",
            Operation::Reconnect => "reconnect",
        }
    }

    /// How the gateway is asked for it (sections 2.7.4 to 2.7.7).
    pub(super) fn action(self) -> CallAction {
        match self {
            Operation::Hold => CallAction::Hold,
            Operation::Resume => CallAction::Resume,
            Operation::Move => CallAction::Move,
            Operation::Upgrade | Operation::Downgrade | Operation::Reconnect => CallAction::Modify,
        }
    }

    /// The code of its method for a failure on the way.
    pub(super) fn code(self) -> &'static str {
        match self {
            Operation::Hold => "2500",
            Operation::Resume => "2600",
            Operation::Move => "4000",
            Operation::Upgrade => "4600",
            Operation::Downgrade => "4500",
            // No command waits for it.
            Operation::Reconnect => "0000",
        }
    }

    /// The media type of a call after it; `None`: unchanged.
    pub(super) fn media(self) -> Option<CallMedia> {
        match self {
            Operation::Upgrade => Some(CallMedia::Video),
            Operation::Downgrade => Some(CallMedia::Audio),
            Operation::Hold | Operation::Resume | Operation::Move | Operation::Reconnect => None,
        }
    }
}

/// How far a change of ours is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OwnStage {
    /// The offer is being made.
    Offering,
    /// The PUT is in flight.
    Requested,
    /// The gateway has it; the outcome is awaited.
    Pending,
    /// Move: another device has taken the call, `session-modified` is awaited.
    MoveInitiated,
    /// Move: nobody has, `session-modified` is awaited.
    MoveFailed,
    /// Move: done; the gateway ends this leg.
    Moved,
}

/// What goes on when an implicit hold is done (section 8).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Then {
    /// The user asked for the change itself.
    Nothing,
    /// The second item, which waits in the pending slot.
    Second,
    /// The other call comes to the foreground.
    Switch,
}

/// How far our answer to a change of the peer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PeerStage {
    /// The user is asked.
    Asking,
    /// Our description is being made.
    Answering,
    /// The PUT is in flight.
    Accepting,
    /// It was not answered, and is sent again after a pause.
    Unheard,
    /// The gateway has it; `mod-terminated` is awaited.
    Accepted,
}

/// A change that this phone makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Own {
    pub(super) operation: Operation,
    pub(super) stage: OwnStage,
    pub(super) then: Then,
}

/// A change that the peer makes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Peer {
    /// `None`: of no known kind, e.g. another party after a transfer.
    pub(super) operation: Option<Operation>,
    pub(super) stage: PeerStage,
    pub(super) mod_id: Option<String>,
    /// The offer; `None`: the gateway asks for one of ours (section 5.10, target of a transfer).
    pub(super) offer: Option<String>,
    /// The offer comes over another connection than the one before.
    pub(super) anew: bool,
    /// What we answered.
    pub(super) ours: Option<String>,
    /// Since when our answer was not heard.
    pub(super) unheard: Option<Instant>,
    /// Our offer has its answer.
    pub(super) answered: bool,
    /// The user's decision about an upgrade or downgrade.
    pub(super) accepted: Option<bool>,
}

/// Who makes the change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Side {
    Own(Own),
    Peer(Peer),
}

/// The running change of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Change {
    /// Number within the call: descriptions for an earlier one are not for this one.
    pub(super) number: u64,
    /// State and media type before.
    pub(super) previous: CallState,
    pub(super) previous_media: CallMedia,
    /// Until then its outcome must have come.
    pub(super) until: Option<Instant>,
    pub(super) side: Side,
}

impl Change {
    /// `operation` and `generator` of events.
    pub(super) fn labels(&self) -> (Option<&'static str>, &'static str) {
        match &self.side {
            Side::Own(own) => (Some(own.operation.as_str()), "initiator"),
            Side::Peer(peer) => (peer.operation.map(Operation::as_str), "receiver"),
        }
    }

    /// A PUT of it is in flight: events may overtake the answer, which travels on another connection (D-6).
    pub(super) fn in_flight(&self) -> bool {
        match &self.side {
            Side::Own(own) => own.stage == OwnStage::Requested,
            Side::Peer(peer) => peer.stage == PeerStage::Accepting,
        }
    }

    /// Events wait until the gateway has answered: from the first step of a change of ours, because an offer that comes
    /// then has been taken by the gateway before, and it will refuse ours (D-14).
    pub(super) fn defers_events(&self) -> bool {
        match &self.side {
            Side::Own(own) => matches!(own.stage, OwnStage::Offering | OwnStage::Requested),
            Side::Peer(peer) => peer.stage == PeerStage::Accepting,
        }
    }

    /// The user is asked about it.
    pub(super) fn is_asking(&self) -> bool {
        match &self.side {
            Side::Own(_) => false,
            Side::Peer(peer) => peer.stage == PeerStage::Asking,
        }
    }

    /// Our tracks are off while a hold or a move of ours is under way (sections 2.7.4, 2.7.6).
    pub(super) fn silences(&self) -> bool {
        match &self.side {
            Side::Own(own) => matches!(own.operation, Operation::Hold | Operation::Move),
            Side::Peer(_) => false,
        }
    }
}

/// Directions of the audio and, where the call has or gets it, the video section.
pub(super) type Directions = (Direction, Option<Direction>);

/// The offer of a change of ours (section 4.7). A reconnection while we hold is that of a hold.
pub(super) fn offer_directions(operation: Operation, peer_held: bool, media: CallMedia) -> Directions {
    let all = match (operation, peer_held) {
        (Operation::Hold | Operation::Move, false) => Direction::SendOnly,
        (Operation::Hold | Operation::Move, true) => Direction::Inactive,
        (Operation::Resume | Operation::Reconnect, true) => Direction::RecvOnly,
        (Operation::Resume | Operation::Reconnect, false) | (Operation::Upgrade | Operation::Downgrade, _) => {
            Direction::SendRecv
        }
    };
    let video = match (operation, media) {
        (Operation::Upgrade, _) => Some(Direction::SendRecv),
        (Operation::Downgrade, _) => Some(Direction::RecvOnly),
        (Operation::Hold | Operation::Resume | Operation::Move | Operation::Reconnect, CallMedia::Video) => Some(all),
        (Operation::Hold | Operation::Resume | Operation::Move | Operation::Reconnect, CallMedia::Audio) => None,
    };
    (all, video)
}

/// What we are willing to do in answer to an offer of the peer; the media side keeps to what the offer allows. The
/// refusal of an upgrade receives the video, that of a downgrade goes on sending it (P-50).
pub(super) fn answer_directions(peer: &Peer, holding: bool, media: CallMedia) -> Directions {
    let all = if holding { Direction::SendOnly } else { Direction::SendRecv };
    let video = match (peer.operation, peer.accepted) {
        (Some(Operation::Upgrade), Some(true)) => Some(Direction::SendRecv),
        (Some(Operation::Upgrade), Some(false)) => Some(Direction::RecvOnly),
        (Some(Operation::Downgrade), Some(true)) => Some(Direction::Inactive),
        (Some(Operation::Downgrade), Some(false)) => Some(Direction::SendRecv),
        (
            Some(
                Operation::Hold
                | Operation::Resume
                | Operation::Move
                | Operation::Upgrade
                | Operation::Downgrade
                | Operation::Reconnect,
            ),
            _,
        )
        | (None, _) => match media {
            CallMedia::Video => Some(all),
            CallMedia::Audio => None,
        },
    };
    (all, video)
}

/// What an offer of the peer asks for (section 3.3.5). Upgrade and downgrade are questions to the user, and only where
/// the call is `connected`; everything else is answered by itself.
pub(super) fn operation_of(offer: &Sdp, state: CallState, media: CallMedia, peer_held: bool) -> Option<Operation> {
    let connected = state == CallState::Connected;
    if offer.is_hold() {
        (!peer_held).then_some(Operation::Hold)
    } else if connected && media == CallMedia::Audio && offer.is_upgrade() {
        Some(Operation::Upgrade)
    } else if connected && media == CallMedia::Video && offer.is_downgrade() {
        Some(Operation::Downgrade)
    } else {
        peer_held.then_some(Operation::Resume)
    }
}

/// What a change of the peer means once it is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PeerOutcome {
    /// The peer has us on hold.
    pub(super) peer_held: bool,
    /// The specific event.
    pub(super) event: Option<&'static str>,
}

/// The outcome by our own answer (section 3.3.6). `call:held` is published when the peer begins to hold, also where we
/// hold ourselves; while we hold, its resume is not (P-13).
pub(super) fn peer_outcome(answer: &Sdp, previous: CallState, was_held: bool) -> PeerOutcome {
    let peer_held = answer.is_held();
    let event = match (was_held, peer_held) {
        (false, true) => Some("call:held"),
        (true, false) if previous != CallState::Held => Some("call:resumed"),
        (true, false | true) | (false, false) => None,
    };
    PeerOutcome { peer_held, event }
}

/// How far a transfer is, seen from the call that is its resource (section 2.7.10).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Transfer {
    /// The PUT is in flight.
    Requested,
    /// The gateway has it; its outcome is awaited until then.
    Pending(Instant),
    /// `transfer-initiated` has come.
    Initiated(Instant),
    /// Done; the gateway ends both legs.
    Done,
}

impl Transfer {
    /// Until when its outcome must have come.
    pub(super) fn until(self) -> Option<Instant> {
        match self {
            Transfer::Pending(until) | Transfer::Initiated(until) => Some(until),
            Transfer::Requested | Transfer::Done => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Direction::{Inactive, RecvOnly, SendOnly, SendRecv};

    fn sdp(audio: &str, video: Option<&str>) -> Sdp {
        let mut text = format!("v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\na={audio}\r\n");
        if let Some(video) = video {
            text += &format!("m=video 9 UDP/TLS/RTP/SAVPF 96\r\na={video}\r\n");
        }
        Sdp::parse(&text).expect("well formed")
    }

    fn asked(operation: Operation, accepted: Option<bool>) -> Peer {
        let operation = Some(operation);
        Peer {
            operation,
            stage: PeerStage::Asking,
            mod_id: None,
            offer: None,
            anew: false,
            ours: None,
            unheard: None,
            answered: false,
            accepted,
        }
    }

    /// The table of section 4.7.
    #[test]
    fn directions_of_every_operation() {
        let audio = CallMedia::Audio;
        let video = CallMedia::Video;
        assert_eq!(offer_directions(Operation::Hold, false, audio), (SendOnly, None));
        assert_eq!(offer_directions(Operation::Hold, true, audio), (Inactive, None));
        assert_eq!(offer_directions(Operation::Move, false, video), (SendOnly, Some(SendOnly)));
        assert_eq!(offer_directions(Operation::Resume, false, video), (SendRecv, Some(SendRecv)));
        assert_eq!(offer_directions(Operation::Resume, true, audio), (RecvOnly, None));
        assert_eq!(offer_directions(Operation::Upgrade, false, audio), (SendRecv, Some(SendRecv)));
        assert_eq!(offer_directions(Operation::Downgrade, false, video), (SendRecv, Some(RecvOnly)));
        let answer = |operation, accepted, media| answer_directions(&asked(operation, accepted), false, media).1;
        assert_eq!(answer(Operation::Upgrade, Some(true), audio), Some(SendRecv));
        assert_eq!(answer(Operation::Upgrade, Some(false), audio), Some(RecvOnly));
        assert_eq!(answer(Operation::Downgrade, Some(true), video), Some(Inactive));
        assert_eq!(answer(Operation::Downgrade, Some(false), video).map(|d| d.intersect(SendOnly)), Some(SendOnly));
        let holding = answer_directions(&asked(Operation::Hold, None), true, audio).0;
        assert_eq!(holding.intersect(SendOnly.reversed()), Inactive, "hold of one who is held");
        assert_eq!(holding.intersect(RecvOnly.reversed()), SendOnly, "resume towards one who holds");
    }

    #[test]
    fn offers_are_understood_by_state_and_media_type() {
        let of = |sdp: &Sdp, state, media, held| operation_of(sdp, state, media, held);
        let (connected, held) = (CallState::Connected, CallState::Held);
        let (audio, video) = (CallMedia::Audio, CallMedia::Video);
        let both = sdp("sendrecv", Some("sendrecv"));
        let less = sdp("sendrecv", Some("recvonly"));
        assert_eq!(of(&sdp("sendonly", None), connected, audio, false), Some(Operation::Hold));
        assert_eq!(of(&sdp("inactive", Some("inactive")), held, video, true), None);
        assert_eq!(of(&sdp("sendrecv", None), connected, audio, true), Some(Operation::Resume));
        assert_eq!(of(&sdp("sendrecv", Some("inactive")), connected, audio, true), Some(Operation::Resume));
        assert_eq!(of(&sdp("sendrecv", None), connected, audio, false), None);
        assert_eq!(of(&both, connected, audio, false), Some(Operation::Upgrade));
        assert_eq!(of(&both, held, audio, false), None, "answered by itself");
        assert_eq!(of(&both, connected, video, true), Some(Operation::Resume));
        assert_eq!(of(&less, connected, video, false), Some(Operation::Downgrade));
        assert_eq!(of(&less, connected, audio, false), None);
    }

    /// The table of section 3.3.6 with P-13.
    #[test]
    fn outcomes_at_the_peer() {
        let outcome = |direction: &str, previous, was_held| {
            let outcome = peer_outcome(&sdp(direction, None), previous, was_held);
            (outcome.peer_held, outcome.event)
        };
        let (connected, held) = (CallState::Connected, CallState::Held);
        assert_eq!(outcome("recvonly", connected, false), (true, Some("call:held")));
        assert_eq!(outcome("recvonly", connected, true), (true, None));
        assert_eq!(outcome("sendrecv", connected, true), (false, Some("call:resumed")));
        assert_eq!(outcome("sendrecv", connected, false), (false, None));
        assert_eq!(outcome("inactive", held, false), (true, Some("call:held")));
        assert_eq!(outcome("sendonly", held, true), (false, None));
    }
}
