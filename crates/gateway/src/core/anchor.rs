//! Calls whose media ends at the gateway, because it makes their ringback tone (rest-protocol.md section 4.10, D-27).
//!
//! Owns: what the core asks of the media in between, and how the descriptions of an anchored call come about: whatever one
//! side says is told to the other as a description of the gateway's own end, in the same direction. Lives on: the core's
//! thread; the descriptions are made elsewhere, and until one has come, the events of its leg wait in the outbox. Must not
//! import: anything of the HTTP shell or of the media crate.
//!
//! The machine of the two sides ([`Talk`]) is the same as that of any call; it works with what the sides really said. A
//! move or a transfer that succeeds connects the phones directly (section 5.10), and the anchor goes.

use std::time::Instant;

use ewebrtc_wire::{Direction, MediaType, Sdp, reason};

use super::call::{Effect, Happening, News, Party, Stage};
use super::describe::{direction_of, usable};
use super::ring::Reached;
use super::talk::Talk;
use super::{Core, Id, Output};

/// An end of an anchored call, by the party it faces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnchorEnd {
    /// Who called.
    Caller,
    /// Who was called.
    Callee,
}

impl AnchorEnd {
    /// The end that faces this side of a talk.
    pub(super) fn facing(side: usize) -> Self {
        if side == 0 { AnchorEnd::Caller } else { AnchorEnd::Callee }
    }
}

/// What the anchor of a call is asked to do. The tasks of a call are done one after the other, in their order; those with a
/// ticket are to be answered by [`Input::AnchorSaid`](super::Input::AnchorSaid), whatever becomes of the call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AnchorTask {
    /// The callee has answered the offer that was made at the start: ringback ends, audio passes.
    Connect {
        /// Its answer.
        answer: String,
    },
    /// Make an offer.
    Offer {
        /// For this side.
        to: AnchorEnd,
        /// As the gateway says it.
        direction: Direction,
        /// Names the text.
        ticket: Ticket,
    },
    /// Answer an offer.
    Answer {
        /// Of this side.
        to: AnchorEnd,
        /// Its offer.
        offer: String,
        /// As the gateway says it, as far as the offer allows.
        direction: Direction,
        /// Names the text.
        ticket: Ticket,
    },
    /// A side has answered what it was offered last.
    Answered {
        /// This side.
        from: AnchorEnd,
        /// Its answer.
        answer: String,
    },
}

/// Names a description that an event waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ticket {
    /// Session of the leg that is told.
    pub(super) session: Id,
    /// Never used before.
    pub(super) id: Id,
}

/// Whether this offer can go through an anchor: audio and nothing else.
pub(super) fn only_audio(offer: &str) -> bool {
    Sdp::parse(offer).is_ok_and(|sdp| {
        sdp.media_type() == MediaType::Audio && sdp.sections.iter().filter(|section| section.port != 0).count() == 1
    })
}

impl Talk {
    /// A side is told something with a description: an offer, or the answer to `offer`. In an anchored call the text is
    /// that of the gateway's own end, in the direction of this one.
    pub(super) fn tell_description(&self, side: usize, news: News, offer: Option<&str>, effects: &mut Vec<Effect>) {
        let text = news.description().filter(|_| self.anchored);
        let (Some(text), Some(party)) = (text, self.sides[side].party.clone()) else {
            return self.tell(side, news, effects);
        };
        let direction = direction_of(text);
        let (to, from, offer) = (AnchorEnd::facing(side), self.sides[1 - side].uri.clone(), offer.map(str::to_owned));
        effects.push(Effect::Describe { party, from, news, to, direction, offer });
    }

    /// A side has answered an offer of the gateway's end.
    pub(super) fn anchor_hears(&self, side: usize, answer: &str, effects: &mut Vec<Effect>) {
        if self.anchored {
            let task = AnchorTask::Answered { from: AnchorEnd::facing(side), answer: answer.to_owned() };
            effects.push(Effect::Anchor(task));
        }
    }

    /// The phones are connected with each other: nothing is anchored any more.
    pub(super) fn weigh_anchor(&mut self, effects: &mut Vec<Effect>) {
        if std::mem::take(&mut self.anchored) {
            effects.push(Effect::StopAnchor);
        }
    }
}

impl Core {
    /// The anchor has answered the caller and made an offer; or it could not, and the call goes without it. Only now the
    /// callee rings, whoever that is by now.
    pub(super) fn anchor_ready(
        &mut self,
        now: Instant,
        call: &Id,
        made: Option<(String, String)>,
        out: &mut Vec<Output>,
    ) {
        let Some(Stage::Anchoring { callee, .. }) = self.calls.get(call).map(|call| &call.stage) else { return };
        let callee = callee.clone();
        let was_made = made.is_some();
        let made = made.and_then(|(answer, offer)| Some((usable(&answer)?, usable(&offer)?)));
        if was_made && made.is_none() {
            out.push(Output::AnchorStop { call: call.clone() });
        }
        let happening = match self.reach(&callee) {
            Reached::Nobody(reason) => Happening::Unreachable { reason },
            // A service is never called through an anchor.
            Reached::Service(_) => Happening::Unreachable { reason: reason::NOT_AVAILABLE },
            Reached::Sessions { free, busy } => {
                let callees = free.into_iter().map(|session| Party { session, leg: self.new_id() }).collect();
                Happening::Anchored { callees, busy, made }
            }
        };
        self.happen(now, call, happening, out);
    }

    /// A description is there; without one the call cannot go on.
    pub(super) fn anchor_said(
        &mut self,
        now: Instant,
        call: &Id,
        ticket: &Ticket,
        sdp: Option<String>,
        out: &mut Vec<Output>,
    ) {
        let sdp = sdp.as_deref().and_then(usable);
        let Some(session) = self.sessions.get_mut(&ticket.session) else { return };
        let failed = sdp.is_none();
        if !session.outbox.described(&ticket.id, sdp) {
            // Its event was withdrawn.
            return;
        }
        self.settle(now, &ticket.session, out);
        if failed {
            self.happen(now, call, Happening::AnchorFailed, out);
        }
    }

    /// An event that waits for its description, and the task to make it.
    pub(super) fn ticket(&mut self, party: &Party) -> Ticket {
        Ticket { session: party.session.clone(), id: self.new_id() }
    }
}
