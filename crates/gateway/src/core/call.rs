//! The machine of one call: a calling leg, the legs that ring, the one that answered.
//!
//! Owns: [`Call`], and with it the choice of every `reason` text. Lives on: the core's thread; plain data, no side effect.
//! Must not import: sessions, the outbox, the directory.
//!
//! Original clients stop for ever on some reasons (rest-protocol.md section 3.3.4). The rules kept here: `User busy` goes
//! only to a caller whose call was not answered; `Call canceled` goes only to a leg that rings or that cancelled itself;
//! whoever ends an item itself hears no reason (D-13), except the caller who cancels; everybody else hears a text.

use std::time::Instant;

use ewebrtc_wire::{DeleteReason, reason};

use super::Id;

/// One leg, by its session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Party {
    pub(super) session: Id,
    pub(super) leg: Id,
}

/// Where a call stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Stage {
    /// Nobody answered yet.
    Ringing {
        /// Who rings.
        callees: Vec<Party>,
        /// Some session of the user was busy, so `User busy` is the truth when nobody is left.
        busy: bool,
    },
    /// The echo prepares its answer.
    EchoStarting,
    /// Two phones are connected.
    Talking {
        /// Who answered.
        callee: Party,
    },
    /// Caller and echo are connected.
    TalkingToEcho,
    /// Every leg has ended.
    Over,
}

/// One call.
pub(super) struct Call {
    pub(super) caller: Party,
    /// Address of the caller, `from` of the callees' events (D-23).
    pub(super) caller_uri: String,
    /// Address of the called user, `from` of the caller's events.
    pub(super) callee_uri: String,
    pub(super) stage: Stage,
    /// When ringing ends without an answer.
    pub(super) ring_until: Instant,
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
    /// This ringing leg answered.
    Answered { leg: Id },
    /// The phone of this leg deleted it.
    Deleted { leg: Id, how: DeleteReason },
    /// This ringing leg cannot take the call because its session is busy: it alone ends (D-20).
    Busy { leg: Id },
    /// The session of this leg is out of the game.
    Gone { leg: Id, why: Gone },
    /// It has rung long enough.
    RingTimeout,
    /// The echo has its answer.
    EchoReady,
    /// The echo could not answer.
    EchoFailed,
}

/// What follows for one leg.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Effect {
    /// The calling leg is connected: `session-open` with the answer.
    Open(Party),
    /// The answering leg is connected: `session-modified` without SDP (D-7).
    Confirm(Party),
    /// The leg ends: `session-terminated`.
    End {
        party: Party,
        reason: Option<&'static str>,
        /// The leg's own phone did it, so what it has not read yet is void.
        own: bool,
    },
    /// Nobody sends audio back any more.
    StopEcho,
}

impl Call {
    /// Whether this leg rings or waits for an answer, and belongs to this call.
    pub(super) fn is_ringing(&self, leg: &str) -> bool {
        match &self.stage {
            Stage::Ringing { callees, .. } => callees.iter().any(|p| *p.leg == *leg),
            Stage::EchoStarting | Stage::Talking { .. } | Stage::TalkingToEcho | Stage::Over => false,
        }
    }

    /// Advances the call. What does not fit its stage changes nothing and has no effect.
    pub(super) fn handle(&mut self, happening: Happening) -> Vec<Effect> {
        let stage = std::mem::replace(&mut self.stage, Stage::Over);
        let caller = self.caller.clone();
        let mut effects = Vec::new();
        let mut end = |party: &Party, reason, own| effects.push(Effect::End { party: party.clone(), reason, own });
        self.stage = match (stage, happening) {
            (Stage::Ringing { callees, .. }, Happening::Answered { leg }) if callees.iter().any(|p| p.leg == leg) => {
                let (winner, losers): (Vec<Party>, Vec<Party>) = callees.into_iter().partition(|p| p.leg == leg);
                losers.iter().for_each(|p| end(p, Some(reason::CALL_CANCELED), false));
                effects.push(Effect::Open(caller));
                match winner.into_iter().next() {
                    Some(callee) => {
                        effects.push(Effect::Confirm(callee.clone()));
                        Stage::Talking { callee }
                    }
                    None => Stage::Over,
                }
            }
            (Stage::Ringing { callees, .. }, Happening::Deleted { leg, how }) if leg == caller.leg => {
                end(&caller, cancelled(how), true);
                callees.iter().for_each(|p| end(p, Some(reason::CALL_CANCELED), false));
                Stage::Over
            }
            (Stage::Ringing { callees, .. }, Happening::Deleted { leg, .. })
                if callees.iter().any(|p| p.leg == leg) =>
            {
                // A refusal on one device ends the ringing on all (D-20).
                callees.iter().filter(|p| p.leg == leg).for_each(|p| end(p, None, true));
                callees.iter().filter(|p| p.leg != leg).for_each(|p| end(p, Some(reason::CALL_CANCELED), false));
                end(&caller, Some(reason::USER_BUSY), false);
                Stage::Over
            }
            (Stage::Ringing { callees, .. }, Happening::Gone { leg, why }) if leg == caller.leg => {
                if why == Gone::PhoneLost {
                    end(&caller, Some(reason::PHONE_LOST), false);
                }
                callees.iter().for_each(|p| end(p, Some(reason::CALL_CANCELED), false));
                Stage::Over
            }
            (Stage::Ringing { mut callees, .. }, Happening::Busy { leg }) => {
                callees.iter().filter(|p| p.leg == leg).for_each(|p| end(p, Some(reason::CALL_CANCELED), false));
                callees.retain(|p| p.leg != leg);
                if callees.is_empty() {
                    end(&caller, Some(reason::USER_BUSY), false);
                    Stage::Over
                } else {
                    Stage::Ringing { callees, busy: true }
                }
            }
            (Stage::Ringing { mut callees, busy }, Happening::Gone { leg, why }) => {
                if why == Gone::PhoneLost {
                    callees.iter().filter(|p| p.leg == leg).for_each(|p| end(p, Some(reason::CALL_CANCELED), false));
                }
                callees.retain(|p| p.leg != leg);
                if callees.is_empty() {
                    end(&caller, Some(if busy { reason::USER_BUSY } else { reason::NOT_AVAILABLE }), false);
                    Stage::Over
                } else {
                    Stage::Ringing { callees, busy }
                }
            }
            (Stage::Ringing { callees, .. }, Happening::RingTimeout) => {
                end(&caller, Some(reason::NO_ANSWER), false);
                callees.iter().for_each(|p| end(p, Some(reason::CALL_CANCELED), false));
                Stage::Over
            }
            (Stage::EchoStarting, Happening::EchoReady) => {
                effects.push(Effect::Open(caller));
                Stage::TalkingToEcho
            }
            (Stage::EchoStarting, Happening::EchoFailed | Happening::RingTimeout) => {
                end(&caller, Some(reason::NOT_AVAILABLE), false);
                effects.push(Effect::StopEcho);
                Stage::Over
            }
            (Stage::EchoStarting, Happening::Deleted { leg, how }) if leg == caller.leg => {
                end(&caller, cancelled(how), true);
                effects.push(Effect::StopEcho);
                Stage::Over
            }
            (Stage::TalkingToEcho, Happening::Deleted { leg, .. }) if leg == caller.leg => {
                end(&caller, None, true);
                effects.push(Effect::StopEcho);
                Stage::Over
            }
            (Stage::EchoStarting | Stage::TalkingToEcho, Happening::Gone { leg, why }) if leg == caller.leg => {
                if why == Gone::PhoneLost {
                    end(&caller, Some(reason::PHONE_LOST), false);
                }
                effects.push(Effect::StopEcho);
                Stage::Over
            }
            (Stage::Talking { callee }, Happening::Deleted { leg, .. }) if leg == caller.leg || leg == callee.leg => {
                let (own, other) = if leg == caller.leg { (&caller, &callee) } else { (&callee, &caller) };
                end(own, None, true);
                end(other, Some(reason::CALL_TERMINATED), false);
                Stage::Over
            }
            (Stage::Talking { callee }, Happening::Gone { leg, why }) if leg == caller.leg || leg == callee.leg => {
                let (own, other) = if leg == caller.leg { (&caller, &callee) } else { (&callee, &caller) };
                match why {
                    Gone::SessionEnded => end(other, Some(reason::SESSION_ENDED), false),
                    Gone::PhoneLost => {
                        end(own, Some(reason::PHONE_LOST), false);
                        end(other, Some(reason::PHONE_LOST), false);
                    }
                }
                Stage::Over
            }
            (
                stage @ (Stage::Ringing { .. }
                | Stage::EchoStarting
                | Stage::Talking { .. }
                | Stage::TalkingToEcho
                | Stage::Over),
                Happening::Answered { .. }
                | Happening::Deleted { .. }
                | Happening::Busy { .. }
                | Happening::Gone { .. }
                | Happening::RingTimeout
                | Happening::EchoReady
                | Happening::EchoFailed,
            ) => stage,
        };
        effects
    }
}

/// The caller's own end of an unanswered call: the keyword only where the client cancelled.
fn cancelled(how: DeleteReason) -> Option<&'static str> {
    match how {
        DeleteReason::Cancel => Some(reason::CALL_CANCELED),
        DeleteReason::Terminate | DeleteReason::Reject => None,
    }
}
