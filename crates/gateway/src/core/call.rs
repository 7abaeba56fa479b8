//! The machine of one call from its first ring to its end; what two connected sides do in between is `talk`'s.
//!
//! Owns: [`Call`], and with it the choice of every `reason` text of a call that rings. Lives on: the core's thread; plain
//! data, no side effect. Must not import: sessions, the outbox, the directory.
//!
//! Original clients stop for ever on some reasons (rest-protocol.md section 3.3.4). The rules kept here and in `talk`:
//! `User busy` goes only to a caller whose call was not answered; `Call canceled` goes only to a leg that rings or that
//! cancelled itself; whoever ends an item itself hears no reason (D-13), except the caller who cancels; everybody else
//! hears a text.

use std::time::Instant;

use ewebrtc_wire::{Address, DeleteReason, Direction, reason};

use super::Id;
use super::anchor::{AnchorEnd, AnchorTask};
use super::describe::{Role, settled};
use super::talk::{Side, Talk};

/// One leg, by its session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Party {
    pub(super) session: Id,
    pub(super) leg: Id,
}

/// Where a call stands.
pub(super) enum Stage {
    /// Nobody answered yet.
    Ringing {
        /// Who calls, with the offer.
        caller: Side,
        /// Address of the called user.
        callee_uri: String,
        /// Who rings.
        callees: Vec<Party>,
        /// Some session of the user was busy, so `User busy` is the truth when nobody is left.
        busy: bool,
        /// When ringing ends without an answer.
        until: Instant,
        /// The media ends here, and the caller hears a ringback tone.
        anchored: bool,
    },
    /// The anchor prepares its answer to the caller and its offer to the callee; nobody rings yet.
    Anchoring {
        /// Who calls, with the offer.
        caller: Side,
        /// Who is called.
        callee: Address,
        /// When the caller has waited long enough.
        until: Instant,
    },
    /// The echo prepares its answer.
    EchoStarting {
        /// Who calls, with the offer.
        caller: Side,
        /// Address of the echo.
        callee_uri: String,
        /// When the caller has waited long enough.
        until: Instant,
    },
    /// Both sides are connected.
    Talking(Box<Talk>),
    /// Every leg has ended.
    Over,
}

/// One call.
pub(super) struct Call {
    pub(super) stage: Stage,
    /// The deadline that stands in the core's timers.
    pub(super) armed: Option<Instant>,
}

/// Why a leg's session is out of the game.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Gone {
    /// Logout or expiry: the leg cannot be told anything.
    SessionEnded,
    /// The phone does not ask for events.
    PhoneLost,
}

/// What happens to a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Happening {
    /// This ringing leg answered, with this description.
    Answered { leg: Id, sdp: String },
    /// The phone of this leg deleted it.
    Deleted { leg: Id, how: DeleteReason },
    /// This ringing leg cannot take the call because its session is busy: it alone ends (D-20).
    Busy { leg: Id },
    /// The session of this leg is out of the game.
    Gone { leg: Id, why: Gone },
    /// The deadline has come.
    Timeout,
    /// The echo has its answer.
    EchoReady { sdp: String },
    /// The echo could not answer.
    EchoFailed,
    /// The anchor has answered the caller and made an offer for these, or the call goes without it.
    Anchored { callees: Vec<Party>, busy: bool, made: Option<(String, String)> },
    /// Meanwhile there is nobody any more whom the call could reach.
    Unreachable { reason: &'static str },
    /// The anchor cannot go on.
    AnchorFailed,
}

/// What a modification has that begins now.
pub(super) struct Fresh {
    /// Its id, never used before (D-18).
    pub(super) mod_id: Id,
    /// How long it waits for the other side.
    pub(super) until: Instant,
}

/// What a leg is told while it goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum News {
    /// Early media for the calling leg: a provisional `session-open` with the answer (section 3.3.2).
    Early { sdp: String },
    /// The calling leg is connected, or the leg that took over a moved call: `session-open` with the answer, unless there
    /// was early media.
    Open { sdp: Option<String> },
    /// `session-modified`: the answering leg is connected (D-7), or the call has moved; with the answer to its own offer
    /// when a move failed.
    Modified { sdp: Option<String> },
    /// `mod-received`; without a description it asks for an offer (section 5.10).
    ModReceived { mod_id: Id, sdp: Option<String> },
    /// `mod-terminated`, always `success` (D-16): with the answer to who offered, without to who answered.
    ModTerminated { mod_id: Id, sdp: Option<String> },
    /// No event: nobody waits for the leg's answer to this modification any longer. One that it was not asked yet is not
    /// mentioned to it any more.
    ModOver { mod_id: Id },
    /// `move-terminated`
    MoveTerminated { reason: &'static str },
    /// `transfer-initiated`
    TransferInitiated { target: Id },
    /// `transfer-terminated`
    TransferTerminated { target: Id, reason: &'static str },
}

impl News {
    /// The description in it.
    pub(super) fn description(&self) -> Option<&str> {
        match self {
            News::Early { sdp } => Some(sdp),
            News::Open { sdp }
            | News::Modified { sdp }
            | News::ModReceived { sdp, .. }
            | News::ModTerminated { sdp, .. } => sdp.as_deref(),
            News::ModOver { .. }
            | News::MoveTerminated { .. }
            | News::TransferInitiated { .. }
            | News::TransferTerminated { .. } => None,
        }
    }
}

/// What follows for one leg.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Effect {
    /// The leg rings from now on: `invitation-received`.
    Invite { party: Party, from: String, sdp: Option<String> },
    /// The leg is told something.
    Tell { party: Party, from: String, news: News },
    /// The leg ends: `session-terminated`.
    End {
        party: Party,
        from: String,
        reason: Option<&'static str>,
        /// The leg's own phone did it, so what it has not read yet is void.
        own: bool,
    },
    /// The echo is asked to answer an offer.
    AskEcho { mod_id: Id, offer: String },
    /// Nobody sends audio back any more.
    StopEcho,
    /// The leg is told something with a description that the anchor makes: an offer in this direction, or the answer to
    /// `offer`. The one in the news is what the other side said.
    Describe { party: Party, from: String, news: News, to: AnchorEnd, direction: Direction, offer: Option<String> },
    /// The anchor is asked to do something.
    Anchor(AnchorTask),
    /// Nothing is anchored any more.
    StopAnchor,
}

impl Call {
    /// Whether this leg rings or waits for an answer, and belongs to this call.
    pub(super) fn is_ringing(&self, leg: &str) -> bool {
        match &self.stage {
            Stage::Ringing { callees, .. } => callees.iter().any(|p| *p.leg == *leg),
            Stage::Talking(talk) => talk.rings_at(leg),
            Stage::Anchoring { .. } | Stage::EchoStarting { .. } | Stage::Over => false,
        }
    }

    /// Whether there is an anchor, or one is being made.
    fn is_anchored(&self) -> bool {
        match &self.stage {
            Stage::Anchoring { .. } => true,
            Stage::Ringing { anchored, .. } => *anchored,
            Stage::Talking(talk) => talk.anchored,
            Stage::EchoStarting { .. } | Stage::Over => false,
        }
    }

    /// The two connected sides, where there are any.
    pub(super) fn talk(&mut self) -> Option<&mut Talk> {
        match &mut self.stage {
            Stage::Talking(talk) => Some(talk),
            Stage::Anchoring { .. } | Stage::Ringing { .. } | Stage::EchoStarting { .. } | Stage::Over => None,
        }
    }

    /// When [`Happening::Timeout`] is due.
    pub(super) fn deadline(&self) -> Option<Instant> {
        match &self.stage {
            Stage::Anchoring { until, .. } | Stage::Ringing { until, .. } | Stage::EchoStarting { until, .. } => {
                Some(*until)
            }
            Stage::Talking(talk) => talk.deadline(),
            Stage::Over => None,
        }
    }

    /// Advances the call. What does not fit its stage changes nothing and has no effect.
    pub(super) fn handle(&mut self, happening: Happening, fresh: Fresh, effects: &mut Vec<Effect>) {
        let anchored = self.is_anchored();
        self.stage = match std::mem::replace(&mut self.stage, Stage::Over) {
            Stage::Ringing { caller, callee_uri, callees, busy, until, anchored } => {
                let ring = Ring { caller, callee_uri, callees, busy, until, anchored };
                ring.handle(happening, effects)
            }
            Stage::Anchoring { caller, callee, until } => anchoring(caller, callee, until, happening, effects),
            Stage::EchoStarting { caller, callee_uri, until } => {
                echo_starting(caller, callee_uri, until, happening, effects)
            }
            Stage::Talking(mut talk) => {
                if talk.handle(happening, fresh, effects) {
                    Stage::Talking(talk)
                } else {
                    Stage::Over
                }
            }
            Stage::Over => Stage::Over,
        };
        if anchored && matches!(self.stage, Stage::Over) {
            effects.push(Effect::StopAnchor);
        }
    }
}

/// [`Stage::Ringing`] by itself.
struct Ring {
    caller: Side,
    callee_uri: String,
    callees: Vec<Party>,
    busy: bool,
    until: Instant,
    anchored: bool,
}

impl Ring {
    fn end_caller(&self, reason: Option<&'static str>, own: bool, effects: &mut Vec<Effect>) {
        self.caller.end(&self.callee_uri, reason, own, effects);
    }

    /// Ends the ringing of every leg that this is true of.
    fn withdraw(&self, which: impl Fn(&Party) -> bool, effects: &mut Vec<Effect>) {
        for party in self.callees.iter().filter(|p| which(p)) {
            let (from, party) = (self.caller.uri.clone(), party.clone());
            effects.push(Effect::End { party, from, reason: Some(reason::CALL_CANCELED), own: false });
        }
    }

    fn handle(mut self, happening: Happening, effects: &mut Vec<Effect>) -> Stage {
        let calls = |leg: &Id| self.caller.is(leg);
        match happening {
            Happening::Answered { leg, sdp } => match self.callees.iter().find(|p| p.leg == leg).cloned() {
                Some(party) => {
                    self.withdraw(|p| p.leg != leg, effects);
                    if self.anchored {
                        effects.push(Effect::Anchor(AnchorTask::Connect { answer: sdp.clone() }));
                    }
                    // After early media the caller has its answer already (section 3.3.2).
                    let answer = Some(sdp.clone()).filter(|_| !self.anchored);
                    let (from, news) = (self.callee_uri.clone(), News::Open { sdp: answer });
                    effects.extend(self.caller.party.clone().map(|party| Effect::Tell { party, from, news }));
                    let (from, news) = (self.caller.uri.clone(), News::Modified { sdp: None });
                    effects.push(Effect::Tell { party: party.clone(), from, news });
                    connected(self.caller, Some(party), self.callee_uri, sdp, self.anchored)
                }
                None => self.stays(),
            },
            Happening::Deleted { leg, how } if calls(&leg) => {
                self.end_caller(cancelled(how), true, effects);
                self.withdraw(|_| true, effects);
                Stage::Over
            }
            Happening::Deleted { leg, .. } => match self.callees.iter().find(|p| p.leg == leg).cloned() {
                Some(party) => {
                    // A refusal on one device ends the ringing on all (D-20).
                    effects.push(Effect::End { party, from: self.caller.uri.clone(), reason: None, own: true });
                    self.withdraw(|p| p.leg != leg, effects);
                    self.end_caller(Some(reason::USER_BUSY), false, effects);
                    Stage::Over
                }
                None => self.stays(),
            },
            Happening::Gone { leg, why } if calls(&leg) => {
                if why == Gone::PhoneLost {
                    self.end_caller(Some(reason::PHONE_LOST), false, effects);
                }
                self.withdraw(|_| true, effects);
                Stage::Over
            }
            Happening::Gone { leg, why } => {
                if why == Gone::PhoneLost {
                    self.withdraw(|p| p.leg == leg, effects);
                }
                self.without(&leg, effects)
            }
            Happening::Busy { leg } => {
                self.busy |= self.callees.iter().any(|p| p.leg == leg);
                self.withdraw(|p| p.leg == leg, effects);
                self.without(&leg, effects)
            }
            Happening::Timeout => {
                self.end_caller(Some(reason::NO_ANSWER), false, effects);
                self.withdraw(|_| true, effects);
                Stage::Over
            }
            Happening::AnchorFailed if self.anchored => {
                self.end_caller(Some(reason::MEDIA_FAILED), false, effects);
                self.withdraw(|_| true, effects);
                Stage::Over
            }
            Happening::EchoReady { .. }
            | Happening::EchoFailed
            | Happening::Anchored { .. }
            | Happening::Unreachable { .. }
            | Happening::AnchorFailed => self.stays(),
        }
    }

    /// Rings on at the others, if there are any.
    fn without(mut self, leg: &Id, effects: &mut Vec<Effect>) -> Stage {
        self.callees.retain(|p| p.leg != *leg);
        if self.callees.is_empty() {
            let why = if self.busy { reason::USER_BUSY } else { reason::NOT_AVAILABLE };
            self.end_caller(Some(why), false, effects);
            return Stage::Over;
        }
        self.stays()
    }

    fn stays(self) -> Stage {
        let Ring { caller, callee_uri, callees, busy, until, anchored } = self;
        Stage::Ringing { caller, callee_uri, callees, busy, until, anchored }
    }
}

/// Both sides are there: who answers chooses the DTLS roles (section 4.8).
fn connected(mut caller: Side, answerer: Option<Party>, uri: String, sdp: String, anchored: bool) -> Stage {
    let role = Role::of_answer(&sdp);
    caller.role = role.map(Role::opposite);
    caller.sdp = settled(&caller.sdp, &sdp);
    let mut answering = Side::new(answerer, uri, sdp);
    answering.role = role;
    Stage::Talking(Box::new(Talk::new([caller, answering], anchored)))
}

/// [`Stage::Anchoring`] by itself.
fn anchoring(caller: Side, callee: Address, until: Instant, happening: Happening, effects: &mut Vec<Effect>) -> Stage {
    let callee_uri = callee.uri();
    match happening {
        Happening::Anchored { callees, busy, made } => {
            let anchored = made.is_some();
            let offer = match made {
                Some((answer, offer)) => {
                    let (from, news) = (callee_uri.clone(), News::Early { sdp: answer });
                    effects.extend(caller.party.clone().map(|party| Effect::Tell { party, from, news }));
                    offer
                }
                None => caller.sdp.clone(),
            };
            let invite = |party: &Party| Effect::Invite {
                party: party.clone(),
                from: caller.uri.clone(),
                sdp: Some(offer.clone()),
            };
            effects.extend(callees.iter().map(invite));
            Stage::Ringing { caller, callee_uri, callees, busy, until, anchored }
        }
        Happening::Unreachable { reason } => {
            caller.end(&callee_uri, Some(reason), false, effects);
            Stage::Over
        }
        Happening::AnchorFailed => {
            caller.end(&callee_uri, Some(reason::MEDIA_FAILED), false, effects);
            Stage::Over
        }
        Happening::Timeout => {
            caller.end(&callee_uri, Some(reason::NO_ANSWER), false, effects);
            Stage::Over
        }
        Happening::Deleted { leg, how } if caller.is(&leg) => {
            caller.end(&callee_uri, cancelled(how), true, effects);
            Stage::Over
        }
        Happening::Gone { leg, why } if caller.is(&leg) => {
            if why == Gone::PhoneLost {
                caller.end(&callee_uri, Some(reason::PHONE_LOST), false, effects);
            }
            Stage::Over
        }
        Happening::Answered { .. }
        | Happening::Deleted { .. }
        | Happening::Gone { .. }
        | Happening::Busy { .. }
        | Happening::EchoReady { .. }
        | Happening::EchoFailed => Stage::Anchoring { caller, callee, until },
    }
}

fn echo_starting(
    caller: Side,
    callee_uri: String,
    until: Instant,
    happening: Happening,
    effects: &mut Vec<Effect>,
) -> Stage {
    match happening {
        Happening::EchoReady { sdp } => {
            let (from, news) = (callee_uri.clone(), News::Open { sdp: Some(sdp.clone()) });
            effects.extend(caller.party.clone().map(|party| Effect::Tell { party, from, news }));
            connected(caller, None, callee_uri, sdp, false)
        }
        Happening::EchoFailed | Happening::Timeout => {
            caller.end(&callee_uri, Some(reason::NOT_AVAILABLE), false, effects);
            effects.push(Effect::StopEcho);
            Stage::Over
        }
        Happening::Deleted { leg, how } if caller.is(&leg) => {
            caller.end(&callee_uri, cancelled(how), true, effects);
            effects.push(Effect::StopEcho);
            Stage::Over
        }
        Happening::Gone { leg, why } if caller.is(&leg) => {
            if why == Gone::PhoneLost {
                caller.end(&callee_uri, Some(reason::PHONE_LOST), false, effects);
            }
            effects.push(Effect::StopEcho);
            Stage::Over
        }
        Happening::Answered { .. }
        | Happening::Deleted { .. }
        | Happening::Gone { .. }
        | Happening::Busy { .. }
        | Happening::Anchored { .. }
        | Happening::Unreachable { .. }
        | Happening::AnchorFailed => Stage::EchoStarting { caller, callee_uri, until },
    }
}

/// The caller's own end of an unanswered call: the keyword only where the client cancelled.
fn cancelled(how: DeleteReason) -> Option<&'static str> {
    match how {
        DeleteReason::Cancel => Some(reason::CALL_CANCELED),
        DeleteReason::Terminate | DeleteReason::Reject => None,
    }
}
