//! What connected legs ask for: hold, resume, upgrade, downgrade, move, and the answers to them.
//!
//! Owns: the requests of rest-protocol.md sections 2.7.4 to 2.7.9, and the order of their checks: session and token, the
//! leg, the description, then the running modification. Lives on: the core's thread. Must not import: anything of the HTTP
//! shell.

use std::time::Instant;

use super::call::{Effect, Fresh, Party};
use super::ring::description;
use super::talk::Talk;
use super::{Answer, Auth, Core, Id, Output, Refusal};

impl Core {
    /// Session, call and side of a leg that is connected.
    ///
    /// # Errors
    /// 400 SVC0002 for a leg that is unknown, ended, or not connected yet (D-9).
    pub(super) fn connected_leg(&mut self, now: Instant, auth: &Auth, leg: &str) -> Result<(Id, Id, usize), Refusal> {
        let session = self.authorise(now, auth)?;
        let call = self.call_of(&session, leg).ok_or(Refusal::invalid("callId"))?;
        let talk = self.calls.get_mut(&call).and_then(|c| c.talk());
        let side = talk.and_then(|t| t.side_of(leg)).ok_or(Refusal::invalid("callId"))?;
        Ok((session, call, side))
    }

    /// Carries out what a connected leg asks for; its events follow the response (R4). What is refused changes nothing.
    fn ask(
        &mut self,
        now: Instant,
        (session, call): (&Id, &Id),
        leg: &str,
        out: &mut Vec<Output>,
        work: impl FnOnce(&mut Talk, Fresh, &mut Vec<Effect>) -> Result<(), Refusal>,
    ) -> Result<Answer, Refusal> {
        let fresh = self.fresh(now);
        let talk = self.calls.get_mut(call).and_then(|c| c.talk()).ok_or(Refusal::invalid("callId"))?;
        let mut effects = Vec::new();
        work(talk, fresh, &mut effects)?;
        let (_, delivery) = self.hold_leg(now, session, leg);
        self.arm(call);
        self.carry_out(now, Some(call), effects, out);
        Ok(Answer::Leg { delivery: Some(delivery) })
    }

    /// # Errors
    /// Those of [`Core::connected_leg`]; 400 SVC0001 for a bad description; 409 SVC8501 (D-14).
    pub(super) fn modify_call(
        &mut self,
        now: Instant,
        auth: &Auth,
        leg: &str,
        sdp: Option<String>,
        out: &mut Vec<Output>,
    ) -> Result<Answer, Refusal> {
        let (session, call, side) = self.connected_leg(now, auth, leg)?;
        let offer = description(sdp)?;
        self.ask(now, (&session, &call), leg, out, |talk, fresh, effects| talk.modify(side, offer, fresh, effects))
    }

    /// Section 2.7.6. Nobody to move to is no error of the request (D-30).
    ///
    /// # Errors
    /// Those of [`Core::modify_call`].
    pub(super) fn move_call(
        &mut self,
        now: Instant,
        auth: &Auth,
        leg: &str,
        sdp: Option<String>,
        out: &mut Vec<Output>,
    ) -> Result<Answer, Refusal> {
        let (session, call, side) = self.connected_leg(now, auth, leg)?;
        let offer = description(sdp)?;
        let ring_until = now + self.config.ring;
        // After a transfer both sides may be sessions of one user.
        let talk = self.calls.get_mut(&call).and_then(|c| c.talk());
        let inside: Vec<Id> =
            talk.iter().flat_map(|t| &t.sides).filter_map(|s| s.party.as_ref()).map(|p| p.session.clone()).collect();
        let others = self.others_of(&session, &inside);
        let others = others.map(|all| all.into_iter().map(|session| Party { session, leg: self.new_id() }).collect());
        self.ask(now, (&session, &call), leg, out, |talk, fresh, effects| {
            talk.begin_move(side, offer, others, ring_until, fresh, effects)
        })
    }

    /// Sections 2.7.8 and 2.7.9; `sdp` is `None` for a refusal (D-15), which needs no description.
    ///
    /// # Errors
    /// Those of [`Core::connected_leg`]; 400 SVC0002 for an id under which this leg was never asked; 400 SVC0001 for a
    /// bad description, and the modification goes on waiting.
    pub(super) fn accept_modification(
        &mut self,
        now: Instant,
        auth: &Auth,
        leg: &str,
        mod_id: Option<String>,
        sdp: Option<Option<String>>,
        out: &mut Vec<Output>,
    ) -> Result<Answer, Refusal> {
        let (session, call, side) = self.connected_leg(now, auth, leg)?;
        let mod_id = mod_id.ok_or(Refusal::invalid(ewebrtc_wire::header::MOD_ID))?;
        let answer = sdp.map(description).transpose()?;
        if self.is_step_of_transfer(&call, side, &mod_id) {
            let (_, delivery) = self.hold_leg(now, &session, leg);
            self.transfer_step(now, &call, answer, out);
            return Ok(Answer::Leg { delivery: Some(delivery) });
        }
        self.ask(now, (&session, &call), leg, out, |talk, fresh, effects| {
            talk.accept(side, &mod_id, answer, fresh, effects)
        })
    }

    /// The echo answers what it was asked; `None` when it could not, which refuses.
    pub(super) fn echo_modified(
        &mut self,
        now: Instant,
        call: &Id,
        mod_id: &Id,
        answer: Option<String>,
        out: &mut Vec<Output>,
    ) {
        let answer = description(answer).ok();
        let Some(side) = self.calls.get_mut(call).and_then(|c| c.talk()?.echo_side()) else { return };
        if self.is_step_of_transfer(call, side, mod_id) {
            return self.transfer_step(now, call, answer, out);
        }
        self.with_call(now, call, out, |call, fresh, effects| {
            // What comes too late is of no use to anybody.
            call.talk().map(|talk| talk.accept(side, mod_id, answer, fresh, effects))
        });
    }
}
