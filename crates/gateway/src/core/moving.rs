//! What a move adds to two connected sides (rest-protocol.md sections 3.3.7, 5.11, D-30).
//!
//! Owns: the ringing of the user's other sessions, the take-over, and the way back when nobody takes over. Lives on: the
//! core's thread; plain data, no side effect. Must not import: sessions, the outbox, the directory.
//!
//! No `mod-terminated` about the move goes to the mover: its client would take it for a hold.

use std::time::Instant;

use ewebrtc_wire::reason;

use super::call::{Effect, Fresh, Gone, News, Party};
use super::describe::{Role, answer_fits, offer_fits, settled};
use super::talk::{Change, Side, Talk};
use super::{Id, Refusal};

impl Talk {
    /// Whether this leg rings because of a move.
    pub(super) fn rings_at(&self, leg: &str) -> bool {
        match &self.change {
            Change::Moving { ringing, .. } => ringing.iter().any(|p| *p.leg == *leg),
            Change::Stable
            | Change::Asked { .. }
            | Change::Aligning { .. }
            | Change::TakingOver { .. }
            | Change::Transferring { .. }
            | Change::Targeted { .. } => false,
        }
    }

    /// A side wants to move; its user's other sessions ring until then. With nobody to ring it fails at once.
    ///
    /// # Errors
    /// 409 SVC8501 while another modification runs (D-14).
    pub(super) fn begin_move(
        &mut self,
        by: usize,
        offer: String,
        others: Result<Vec<Party>, &'static str>,
        ring_until: Instant,
        fresh: Fresh,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Refusal> {
        self.ensure_stable()?;
        self.sides[by].sdp = offer;
        match others {
            Ok(ringing) => {
                let from = &self.sides[1 - by].uri;
                let invite = |party: &Party| Effect::Invite { party: party.clone(), from: from.clone(), sdp: None };
                effects.extend(ringing.iter().map(invite));
                self.begin(Change::Moving { by, ringing, busy: false }, ring_until);
            }
            Err(why) => self.move_failed(by, why, fresh, effects),
        }
        Ok(())
    }

    /// A ringing session answers, with an offer of its own: the other side is asked.
    pub(super) fn taken(&mut self, leg: &Id, offer: String, fresh: Fresh, effects: &mut Vec<Effect>) {
        if !self.rings_at(leg) {
            return;
        }
        let Change::Moving { by, ringing, .. } = self.settle() else { return };
        let (winner, losers): (Vec<Party>, Vec<Party>) = ringing.into_iter().partition(|p| p.leg == *leg);
        self.stop_ringing(by, losers, effects);
        let asked = 1 - by;
        self.ask_directly(asked, &fresh.mod_id, offer_fits(&offer, &self.sides[asked].sdp), effects);
        let taker = Box::new(Side::new(winner.into_iter().next(), self.sides[by].uri.clone(), offer));
        self.begin(Change::TakingOver { by, taker, mod_id: fresh.mod_id }, fresh.until);
    }

    /// The other side has answered: the new leg is connected, the old one ends.
    pub(super) fn taken_over(&mut self, by: usize, mut taker: Side, answer: String, effects: &mut Vec<Effect>) {
        let stays = 1 - by;
        let role = Role::of_answer(&answer);
        // Another connection: the roles are those of this answer (section 4.8).
        taker.role = role.map(Role::opposite);
        self.sides[stays].introduce(answer, role);
        let sdp = answer_fits(&self.sides[stays].described(), &taker.sdp);
        taker.sdp = settled(&taker.sdp, &sdp);
        let old = std::mem::replace(&mut self.sides[by], taker);
        self.weigh_anchor(effects);
        self.tell(by, News::Open { sdp: Some(sdp) }, effects);
        if let Some(party) = old.party {
            let from = self.sides[stays].uri.clone();
            for news in [News::MoveTerminated { reason: reason::SUCCESS }, News::Modified { sdp: None }] {
                effects.push(Effect::Tell { party: party.clone(), from: from.clone(), news });
            }
            effects.push(Effect::End { party, from, reason: None, own: false });
        }
    }

    /// The other side did not answer the new leg: the old one stays.
    pub(super) fn not_taken_over(
        &mut self,
        by: usize,
        taker: &Side,
        why: &'static str,
        fresh: Fresh,
        effects: &mut Vec<Effect>,
    ) {
        // The taker has answered, so neither keyword would do (section 3.3.4).
        taker.end(&self.sides[1 - by].uri, Some(reason::NOT_AVAILABLE), false, effects);
        self.move_failed(by, why, fresh, effects);
    }

    /// The way back: the mover's offer is answered, and its two-way media restored.
    pub(super) fn move_failed(&mut self, by: usize, why: &'static str, fresh: Fresh, effects: &mut Vec<Effect>) {
        self.tell(by, News::MoveTerminated { reason: why }, effects);
        let sdp = Some(self.made_answer(by));
        let offer = self.sides[by].sdp.clone();
        self.tell_description(by, News::Modified { sdp }, Some(&offer), effects);
        self.align(by, fresh, effects);
    }

    pub(super) fn stop_ringing(&self, by: usize, ringing: Vec<Party>, effects: &mut Vec<Effect>) {
        let from = &self.sides[1 - by].uri;
        let end = |party| Effect::End { party, from: from.clone(), reason: Some(reason::CALL_CANCELED), own: false };
        effects.extend(ringing.into_iter().map(end));
    }

    /// The user refuses on one device: nowhere else it rings (D-20).
    pub(super) fn ringing_refused(&mut self, leg: &Id, fresh: Fresh, effects: &mut Vec<Effect>) {
        let Change::Moving { by, ringing, .. } = self.settle() else { return };
        let (own, others): (Vec<Party>, Vec<Party>) = ringing.into_iter().partition(|p| p.leg == *leg);
        let from = self.sides[1 - by].uri.clone();
        effects.extend(own.into_iter().map(|party| Effect::End { party, from: from.clone(), reason: None, own: true }));
        self.stop_ringing(by, others, effects);
        self.move_failed(by, reason::USER_BUSY, fresh, effects);
    }

    /// A ringing session has become busy: it alone stops ringing.
    pub(super) fn ringing_busy(&mut self, leg: &Id, fresh: Fresh, effects: &mut Vec<Effect>) {
        if let Change::Moving { busy, ringing, .. } = &mut self.change {
            *busy |= ringing.iter().any(|p| p.leg == *leg);
        }
        self.ringing_gone(leg, Gone::PhoneLost, fresh, effects);
    }

    /// A ringing session is out of the game.
    pub(super) fn ringing_gone(&mut self, leg: &Id, why: Gone, fresh: Fresh, effects: &mut Vec<Effect>) {
        let Change::Moving { by, ringing, busy } = &mut self.change else { return };
        let (by, busy) = (*by, *busy);
        let (gone, left): (Vec<Party>, Vec<Party>) = std::mem::take(ringing).into_iter().partition(|p| p.leg == *leg);
        let nobody = left.is_empty();
        *ringing = left;
        match why {
            Gone::PhoneLost => self.stop_ringing(by, gone, effects),
            Gone::SessionEnded => {}
        }
        if nobody {
            self.settle();
            let text = if busy { reason::USER_BUSY } else { reason::NOT_AVAILABLE };
            self.move_failed(by, text, fresh, effects);
        }
    }
}
