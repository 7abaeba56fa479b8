//! The attended transfer: two calls of one session become one call of their other sides.
//!
//! Owns: rest-protocol.md section 5.10 in the way without a media anchor, D-28, D-29. Lives on: the core's thread. Must not
//! import: anything of the HTTP shell.
//!
//! The other side of the active call (the target) is asked for an offer of a new connection, then the other side of the
//! held call (the transferee) is sent that offer. Only when it has answered, the transferor hears anything; until then
//! both calls are as they were, locked against other modifications (D-14). Whatever goes wrong, both go on.

use std::time::Instant;

use ewebrtc_wire::reason;

use super::call::{Call, Effect, News, Stage};
use super::describe::{Role, answer_fits, is_fresh};
use super::ring::description;
use super::talk::{Change, Talk};
use super::{Answer, Auth, Core, Id, Output, Refusal};

/// The two calls of a transfer, each with the index of the transferor's side.
struct Pair {
    held: (Id, usize),
    target: (Id, usize),
    /// Under which id the target was asked.
    mod_id: Id,
}

impl Core {
    fn talk_of(&mut self, call: &Id) -> Option<&mut Talk> {
        self.calls.get_mut(call)?.talk()
    }

    /// Section 2.7.10. What the request names wrongly is an error of the request; everything else comes as
    /// `transfer-terminated` (D-29), because original clients do not show an error here.
    ///
    /// # Errors
    /// 400 SVC0002 for a leg that is not connected and for a missing target, SVC0001 for a bad description.
    pub(super) fn transfer_call(
        &mut self,
        now: Instant,
        auth: &Auth,
        leg: &str,
        target: Option<String>,
        sdp: Option<String>,
        out: &mut Vec<Output>,
    ) -> Result<Answer, Refusal> {
        let (session, held, by) = self.connected_leg(now, auth, leg)?;
        let target = target.filter(|t| !t.is_empty());
        let target = target.ok_or(Refusal::invalid(ewebrtc_wire::header::TRANSFER_TARGET))?;
        // Checked like any other, though nothing is done with it: it is what the transferee said last.
        description(sdp)?;
        let (_, delivery) = self.hold_leg(now, &session, leg);
        let target: Id = target.into();
        match self.transferable(&session, (&held, by), &target) {
            Ok((call, side)) => self.ask_target(now, (held, by), (call, side), out),
            Err(reason) => {
                let news = News::TransferTerminated { target, reason };
                self.with_call(now, &held, out, |call, _, effects| {
                    if let Some(talk) = call.talk() {
                        talk.tell(by, news, effects);
                    }
                });
            }
        }
        Ok(Answer::Leg { delivery: Some(delivery) })
    }

    /// The target's call and the transferor's side of it, or why not.
    fn transferable(
        &mut self,
        session: &Id,
        (held, by): (&Id, usize),
        target: &Id,
    ) -> Result<(Id, usize), &'static str> {
        let call = self.call_of(session, target).ok_or(reason::NOT_FOUND)?;
        let talk = self.talk_of(&call).ok_or(reason::NOT_FOUND)?;
        let side = talk.side_of(target).ok_or(reason::NOT_FOUND)?;
        let (stable, far) = (talk.is_stable(), talk.sides[1 - side].party.clone());
        if call == *held {
            return Err(reason::FORBIDDEN);
        }
        let held = self.talk_of(held).ok_or(reason::NOT_FOUND)?;
        let transferee = held.sides[1 - by].party.as_ref();
        // The echo makes no offers.
        let far = far.ok_or(reason::NOT_AVAILABLE)?;
        if transferee.is_some_and(|p| p.session == far.session) {
            // One phone cannot be connected with itself.
            return Err(reason::FORBIDDEN);
        }
        if !stable || !held.is_stable() {
            return Err(reason::MODIFICATION_RUNNING);
        }
        Ok((call, side))
    }

    /// Both calls are locked; the target is asked for an offer.
    fn ask_target(&mut self, now: Instant, held: (Id, usize), target: (Id, usize), out: &mut Vec<Output>) {
        let until = now + self.config.transfer;
        let ((held, by), (call, side)) = (held, target);
        self.with_call(now, &held, out, |held, _, _| {
            if let Some(talk) = held.talk() {
                talk.begin(Change::Transferring { by, target: call.clone(), asked: None }, until);
            }
        });
        self.with_call(now, &call, out, |call, fresh, effects| {
            if let Some(talk) = call.talk() {
                talk.tell(1 - side, News::ModReceived { mod_id: fresh.mod_id.clone(), sdp: None }, effects);
                // The deadline is the held call's.
                talk.begin(Change::Targeted { by: side, held: held.clone(), mod_id: fresh.mod_id }, until);
                talk.until = None;
            }
        });
    }

    /// The transfer in which this call is, on either end.
    fn pair(&mut self, call: &Id) -> Option<Pair> {
        let held = match &self.talk_of(call)?.change {
            Change::Transferring { .. } => call.clone(),
            Change::Targeted { held, .. } => held.clone(),
            Change::Stable
            | Change::Asked { .. }
            | Change::Aligning { .. }
            | Change::Moving { .. }
            | Change::TakingOver { .. } => return None,
        };
        let Change::Transferring { by, target, .. } = &self.talk_of(&held)?.change else { return None };
        let (by, target) = (*by, target.clone());
        let Change::Targeted { by: side, mod_id, .. } = &self.talk_of(&target)?.change else { return None };
        let (side, mod_id) = (*side, mod_id.clone());
        Some(Pair { held: (held, by), target: (target, side), mod_id })
    }

    /// Whether this is the answer that a transfer waits for.
    pub(super) fn is_step_of_transfer(&mut self, call: &Id, side: usize, mod_id: &str) -> bool {
        let Some(pair) = self.pair(call) else { return false };
        let Some(Change::Transferring { asked, .. }) = self.talk_of(&pair.held.0).map(|t| &t.change) else {
            return false;
        };
        match asked {
            None => *call == pair.target.0 && side != pair.target.1 && *pair.mod_id == *mod_id,
            Some((_, id)) => *call == pair.held.0 && side != pair.held.1 && **id == *mod_id,
        }
    }

    /// The answer that a transfer waits for; `None` refuses.
    pub(super) fn transfer_step(&mut self, now: Instant, call: &Id, sdp: Option<String>, out: &mut Vec<Output>) {
        let Some(pair) = self.pair(call) else { return };
        let Some(sdp) = sdp else { return self.end_transfer(now, call, reason::FORBIDDEN, out) };
        if *call == pair.held.0 {
            return self.join(now, pair, sdp, out);
        }
        let last = self.talk_of(call).map(|t| t.sides[1 - pair.target.1].sdp.clone()).unwrap_or_default();
        if !is_fresh(&sdp, &last) {
            // An original client, which repeats its last description: it cannot take another party.
            return self.end_transfer(now, call, reason::FORBIDDEN, out);
        }
        let until = now + self.config.transfer;
        let (held, by) = pair.held;
        self.with_call(now, &held, out, |held, fresh, effects| {
            if let Some(talk) = held.talk() {
                talk.ask_directly(1 - by, &fresh.mod_id, sdp.clone(), effects);
                talk.begin(Change::Transferring { by, target: pair.target.0, asked: Some((sdp, fresh.mod_id)) }, until);
            }
        });
    }

    /// The transferee has answered: both far sides are one call, the transferor's legs end.
    fn join(&mut self, now: Instant, pair: Pair, answer: String, out: &mut Vec<Output>) {
        let Pair { held: (held, by), target: (target, side), mod_id } = pair;
        // The target's call lives on in the held call.
        let Some(Call { stage: Stage::Talking(mut joined), .. }) = self.calls.remove(&target) else { return };
        if joined.anchored {
            out.push(Output::AnchorStop { call: target.clone() });
        }
        if let Some(leg) = joined.sides[1 - side].party.clone()
            && let Some(leg) = self.sessions.get_mut(&leg.session).and_then(|s| s.legs.get_mut(&leg.leg))
        {
            leg.call = held.clone();
        }
        self.with_call(now, &held, out, |call, _, effects| {
            let Some(talk) = call.talk() else { return };
            let Change::Transferring { asked: Some((offer, asked_id)), .. } = talk.settle() else { return };
            talk.weigh_anchor(effects);
            talk.remember(1 - by, &asked_id);
            joined.remember(1 - side, &mod_id);
            let [own, target] = talk.adopt(by, *joined, side);
            let (own_from, target_from) = (talk.sides[1 - by].uri.clone(), talk.sides[by].uri.clone());
            let role = Role::of_answer(&answer);
            talk.sides[by].introduce(offer, role.map(Role::opposite));
            talk.sides[1 - by].introduce(answer, role);
            talk.tell(1 - by, News::ModTerminated { mod_id: asked_id, sdp: None }, effects);
            let answer = answer_fits(&talk.sides[1 - by].described(), &talk.sides[by].sdp);
            talk.answered(by, mod_id, answer, effects);
            if let (Some(held), Some(target)) = (own.party, target.party) {
                for news in [
                    News::TransferInitiated { target: target.leg.clone() },
                    News::TransferTerminated { target: target.leg.clone(), reason: reason::SUCCESS },
                ] {
                    effects.push(Effect::Tell { party: held.clone(), from: own_from.clone(), news });
                }
                effects.push(Effect::End { party: held, from: own_from, reason: None, own: false });
                effects.push(Effect::End { party: target, from: target_from, reason: None, own: false });
            }
        });
    }

    /// Ends a transfer in which this call is, if there is one: both calls go on as they were (D-29).
    pub(super) fn end_transfer(&mut self, now: Instant, call: &Id, why: &'static str, out: &mut Vec<Output>) {
        let Some(Pair { held: (held, by), target: (target, side), mod_id }) = self.pair(call) else { return };
        let leg = self.with_call(now, &target, out, |call, _, effects| {
            let talk = call.talk()?;
            talk.settle();
            talk.remember(1 - side, &mod_id);
            talk.tell(1 - side, News::ModTerminated { mod_id, sdp: None }, effects);
            talk.sides[side].party.clone()
        });
        let leg = leg.flatten().map(|p| p.leg).unwrap_or_default();
        self.with_call(now, &held, out, |call, _, effects| {
            let Some(talk) = call.talk() else { return };
            if let Change::Transferring { asked: Some((_, id)), .. } = talk.settle() {
                talk.remember(1 - by, &id);
                talk.tell(1 - by, News::ModTerminated { mod_id: id, sdp: None }, effects);
            }
            talk.tell(by, News::TransferTerminated { target: leg, reason: why }, effects);
        });
    }
}
