//! The machine of two connected sides: one modification at a time, on whichever side it begins.
//!
//! Owns: [`Talk`], the serialisation of D-14, what is said in the name of a side that is silent (D-15 to D-17), and every
//! `reason` text of an answered call. Lives on: the core's thread; plain data, no side effect. Must not import: sessions,
//! the outbox, the directory.
//!
//! A modification begins with a request of one side and ends when both sides' `mod-terminated` are queued behind what
//! they were told before; R1 does the rest. It never fails on the wire (D-16): a side that refuses or stays silent is
//! answered for. What a move adds is in `moving`; a transfer joins two talks and is in `transfer`.

use std::collections::VecDeque;
use std::time::Instant;

use ewebrtc_wire::reason;

use super::anchor::only_audio;
use super::call::{Effect, Fresh, Gone, Happening, News, Party};
use super::describe::{Role, agree, answer_fits, answer_for, as_offer, offer_fits, settled, versioned};
use super::{Id, Refusal};

/// Finished modifications that are remembered, so that a repeated or late answer is recognised: more than a phone can
/// have open, few enough to look through.
const REMEMBERED: usize = 16;

/// One side of a call.
pub(super) struct Side {
    /// Its leg; `None` for the echo, which is no phone and asks for nothing itself.
    pub(super) party: Option<Party>,
    /// Address of its user, `from` of the other side's events (D-23).
    pub(super) uri: String,
    /// Its own last description.
    pub(super) sdp: String,
    /// Its role in DTLS, once known.
    pub(super) role: Option<Role>,
    /// Descriptions that the gateway made in its name.
    made: u64,
}

impl Side {
    pub(super) fn new(party: Option<Party>, uri: String, sdp: String) -> Self {
        Self { party, uri, sdp, role: None, made: 0 }
    }

    /// Whether this is the side's leg.
    pub(super) fn is(&self, leg: &str) -> bool {
        self.party.as_ref().is_some_and(|p| *p.leg == *leg)
    }

    /// The side's leg ends.
    pub(super) fn end(&self, from: &str, reason: Option<&'static str>, own: bool, effects: &mut Vec<Effect>) {
        if let Some(party) = self.party.clone() {
            effects.push(Effect::End { party, from: from.to_owned(), reason, own });
        }
    }

    /// Its descriptions go to somebody else from now on, who has heard nothing in its name.
    pub(super) fn introduce(&mut self, sdp: String, role: Option<Role>) {
        self.sdp = sdp;
        self.role = role;
        self.made = 0;
    }

    /// Its last description as the other side is shown it.
    pub(super) fn described(&self) -> String {
        versioned(&self.sdp, self.made)
    }
}

/// What is being modified. Sides are named by their index.
pub(super) enum Change {
    /// Nothing.
    Stable,
    /// Hold, resume, upgrade or downgrade by this side: the other one was asked.
    Asked { by: usize, mod_id: Id },
    /// This side is brought into line with what the other one said; nobody waits for its answer.
    Aligning { side: usize, mod_id: Id },
    /// This side wants to move: other sessions of its user ring.
    Moving { by: usize, ringing: Vec<Party>, busy: bool },
    /// One of them answered with an offer, and the other side was asked.
    TakingOver { by: usize, taker: Box<Side>, mod_id: Id },
    /// Side `by` transfers: the other side is to be joined with the far side of `target`. `asked` is the offer it was
    /// sent, and under which id.
    Transferring { by: usize, target: Id, asked: Option<(String, Id)> },
    /// Side `by` transfers the call `held`: the other side was asked for an offer under this id.
    Targeted { by: usize, held: Id, mod_id: Id },
}

/// Two connected sides.
pub(super) struct Talk {
    pub(super) sides: [Side; 2],
    pub(super) change: Change,
    /// When the change has waited long enough.
    pub(super) until: Option<Instant>,
    /// Legs and modifications they were asked about, latest last.
    finished: VecDeque<(Id, Id)>,
    /// The last modification, if its answer was given in the name of a silent side: its id and that answer.
    given: Option<(Id, String)>,
    /// The media ends here: descriptions are those of the gateway's own ends.
    pub(super) anchored: bool,
}

impl Talk {
    pub(super) fn new(sides: [Side; 2], anchored: bool) -> Self {
        Self { sides, change: Change::Stable, until: None, finished: VecDeque::new(), given: None, anchored }
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.until
    }

    /// Index of the side of this leg.
    pub(super) fn side_of(&self, leg: &str) -> Option<usize> {
        self.sides.iter().position(|s| s.is(leg))
    }

    pub(super) fn is_stable(&self) -> bool {
        matches!(self.change, Change::Stable)
    }

    /// D-14.
    pub(super) fn ensure_stable(&self) -> Result<(), Refusal> {
        if self.is_stable() { Ok(()) } else { Err(Refusal::modification_running()) }
    }

    pub(super) fn begin(&mut self, change: Change, until: Instant) {
        self.change = change;
        self.until = Some(until);
        self.given = None;
    }

    /// Takes the change: the talk is stable.
    pub(super) fn settle(&mut self) -> Change {
        self.until = None;
        std::mem::replace(&mut self.change, Change::Stable)
    }

    /// A side is told something about the other.
    pub(super) fn tell(&self, side: usize, news: News, effects: &mut Vec<Effect>) {
        if let Some(party) = self.sides[side].party.clone() {
            effects.push(Effect::Tell { party, from: self.sides[1 - side].uri.clone(), news });
        }
    }

    /// A side is asked to answer what the other one offers.
    fn ask(&self, side: usize, mod_id: &Id, offer: String, effects: &mut Vec<Effect>) {
        if self.anchored {
            let news = News::ModReceived { mod_id: mod_id.clone(), sdp: Some(offer) };
            return self.tell_description(side, news, None, effects);
        }
        self.ask_directly(side, mod_id, offer, effects);
    }

    /// A side is asked to answer an offer of another phone, as that said it: an anchor does not come between the two.
    pub(super) fn ask_directly(&self, side: usize, mod_id: &Id, offer: String, effects: &mut Vec<Effect>) {
        let mod_id = mod_id.clone();
        match self.sides[side].party {
            Some(_) => self.tell(side, News::ModReceived { mod_id, sdp: Some(offer) }, effects),
            None => effects.push(Effect::AskEcho { mod_id, offer }),
        }
    }

    /// Index of the side that is no phone.
    pub(super) fn echo_side(&self) -> Option<usize> {
        self.sides.iter().position(|s| s.party.is_none())
    }

    /// Gives up waiting for this side.
    fn give_up(&mut self, side: usize, mod_id: &Id, effects: &mut Vec<Effect>) {
        self.remember(side, mod_id);
        self.tell(side, News::ModOver { mod_id: mod_id.clone() }, effects);
    }

    /// Remembers that this side was asked.
    pub(super) fn remember(&mut self, side: usize, mod_id: &Id) {
        if let Some(party) = &self.sides[side].party {
            if self.finished.len() >= REMEMBERED {
                self.finished.pop_front();
            }
            self.finished.push_back((party.leg.clone(), mod_id.clone()));
        }
    }

    /// The far side of another talk takes the place of side `by`, whose user's side there is `side`. What is left over:
    /// that user's sides, of this talk and of the other.
    pub(super) fn adopt(&mut self, by: usize, other: Talk, side: usize) -> [Side; 2] {
        let [first, second] = other.sides;
        let (own, far) = if side == 0 { (first, second) } else { (second, first) };
        self.finished.extend(other.finished);
        while self.finished.len() > REMEMBERED {
            self.finished.pop_front();
        }
        [std::mem::replace(&mut self.sides[by], far), own]
    }

    fn knows(&self, side: usize, mod_id: &str) -> bool {
        self.finished.iter().any(|(leg, id)| self.sides[side].is(leg) && **id == *mod_id)
    }

    /// Hold, resume, upgrade, downgrade: the description says which (sections 2.7.4, 2.7.5, 2.7.7).
    ///
    /// # Errors
    /// 409 SVC8501 while another modification runs on either side (D-14).
    pub(super) fn modify(
        &mut self,
        by: usize,
        offer: String,
        fresh: Fresh,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Refusal> {
        self.ensure_stable()?;
        let asked = 1 - by;
        let passes = !self.anchored || only_audio(&offer);
        self.sides[by].sdp = offer;
        if !passes {
            // The anchor has audio only, so the other side cannot be asked: it is as if it had refused (section 4.7).
            self.answer_in_name(by, fresh.mod_id, effects);
            return Ok(());
        }
        let offer = offer_fits(&self.sides[by].described(), &self.sides[asked].sdp);
        self.ask(asked, &fresh.mod_id, offer, effects);
        self.begin(Change::Asked { by, mod_id: fresh.mod_id }, fresh.until);
        Ok(())
    }

    /// The gateway's answer, in the name of the other side, to what this side last offered.
    pub(super) fn made_answer(&mut self, by: usize) -> String {
        let other = &mut self.sides[1 - by];
        other.made += 1;
        let (last, role) = (other.described(), other.role);
        answer_for(&last, role, &self.sides[by].sdp)
    }

    fn answer_in_name(&mut self, by: usize, mod_id: Id, effects: &mut Vec<Effect>) -> String {
        let answer = self.made_answer(by);
        self.answered(by, mod_id, answer.clone(), effects);
        answer
    }

    /// A side's offer is answered.
    pub(super) fn answered(&mut self, by: usize, mod_id: Id, answer: String, effects: &mut Vec<Effect>) {
        let offer = std::mem::take(&mut self.sides[by].sdp);
        self.sides[by].sdp = settled(&offer, &answer);
        self.tell_description(by, News::ModTerminated { mod_id, sdp: Some(answer) }, Some(&offer), effects);
    }

    /// A side is offered what the other side last said, because it has something else in mind.
    pub(super) fn align(&mut self, side: usize, fresh: Fresh, effects: &mut Vec<Effect>) {
        let other = &mut self.sides[1 - side];
        other.made += 1;
        let offer = as_offer(&other.described());
        self.ask(side, &fresh.mod_id, offer_fits(&offer, &self.sides[side].sdp), effects);
        self.begin(Change::Aligning { side, mod_id: fresh.mod_id }, fresh.until);
    }

    /// A side answers what it was asked (section 2.7.8); `None` refuses it (D-15).
    ///
    /// # Errors
    /// 400 SVC0002 for an id under which this side was never asked.
    pub(super) fn accept(
        &mut self,
        side: usize,
        mod_id: &str,
        answer: Option<String>,
        fresh: Fresh,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Refusal> {
        let due = match &self.change {
            Change::Asked { by, mod_id: id } | Change::TakingOver { by, mod_id: id, .. } => {
                *by != side && **id == *mod_id
            }
            Change::Aligning { side: asked, mod_id: id } => *asked == side && **id == *mod_id,
            Change::Stable | Change::Moving { .. } | Change::Transferring { .. } | Change::Targeted { .. } => false,
        };
        if !due {
            return self.late(side, mod_id, answer, fresh, effects);
        }
        match self.settle() {
            Change::Asked { by, mod_id } => {
                self.remember(side, &mod_id);
                match answer {
                    Some(answer) => {
                        self.anchor_hears(side, &answer, effects);
                        self.sides[side].sdp = answer;
                        let answer = answer_fits(&self.sides[side].described(), &self.sides[by].sdp);
                        self.answered(by, mod_id.clone(), answer, effects);
                    }
                    None => {
                        self.answer_in_name(by, mod_id.clone(), effects);
                    }
                }
                self.tell(side, News::ModTerminated { mod_id, sdp: None }, effects);
            }
            Change::Aligning { mod_id, .. } => {
                self.remember(side, &mod_id);
                if let Some(answer) = answer {
                    self.anchor_hears(side, &answer, effects);
                    self.sides[side].sdp = answer;
                }
                self.tell(side, News::ModTerminated { mod_id, sdp: None }, effects);
            }
            Change::TakingOver { by, taker, mod_id } => {
                self.remember(side, &mod_id);
                self.tell(side, News::ModTerminated { mod_id, sdp: None }, effects);
                match answer {
                    Some(answer) => self.taken_over(by, *taker, answer, effects),
                    None => self.not_taken_over(by, &taker, reason::USER_BUSY, fresh, effects),
                }
            }
            other
            @ (Change::Stable | Change::Moving { .. } | Change::Transferring { .. } | Change::Targeted { .. }) => {
                self.change = other
            }
        }
        Ok(())
    }

    /// An answer that nobody waits for: doubled, or after the time-out. Its sender must hear an end, or it waits for ever;
    /// whoever was given another answer meanwhile is brought into line, unless a later modification did so (D-17).
    fn late(
        &mut self,
        side: usize,
        mod_id: &str,
        answer: Option<String>,
        fresh: Fresh,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Refusal> {
        if !self.knows(side, mod_id) {
            return Err(Refusal::invalid(ewebrtc_wire::header::MOD_ID));
        }
        self.tell(side, News::ModTerminated { mod_id: mod_id.into(), sdp: None }, effects);
        if let Some(answer) = answer
            && self.is_stable()
            && let Some((_, given)) = self.given.take_if(|(id, _)| **id == *mod_id)
        {
            let agrees = agree(&given, &answer);
            self.anchor_hears(side, &answer, effects);
            self.sides[side].sdp = answer;
            if !agrees {
                self.align(1 - side, fresh, effects);
            }
        }
        Ok(())
    }

    /// Advances the talk. False: it is over.
    pub(super) fn handle(&mut self, happening: Happening, fresh: Fresh, effects: &mut Vec<Effect>) -> bool {
        match happening {
            Happening::Answered { leg, sdp } => {
                self.taken(&leg, sdp, fresh, effects);
                true
            }
            Happening::Timeout => {
                self.timeout(fresh, effects);
                true
            }
            Happening::Busy { leg } => {
                self.ringing_busy(&leg, fresh, effects);
                true
            }
            Happening::Deleted { leg, .. } => {
                if self.rings_at(&leg) {
                    self.ringing_refused(&leg, fresh, effects);
                    return true;
                }
                self.left(&leg, Some(None), true, reason::CALL_TERMINATED, effects)
            }
            Happening::Gone { leg, why } => {
                if self.rings_at(&leg) {
                    self.ringing_gone(&leg, why, fresh, effects);
                    return true;
                }
                match why {
                    Gone::SessionEnded => self.left(&leg, None, false, reason::SESSION_ENDED, effects),
                    Gone::PhoneLost => {
                        self.left(&leg, Some(Some(reason::PHONE_LOST)), false, reason::PHONE_LOST, effects)
                    }
                }
            }
            Happening::AnchorFailed => self.cut(effects),
            Happening::EchoReady { .. }
            | Happening::EchoFailed
            | Happening::Anchored { .. }
            | Happening::Unreachable { .. } => true,
        }
    }

    /// The media in between has failed: the call ends for all, if there was any. False: it has.
    fn cut(&mut self, effects: &mut Vec<Effect>) -> bool {
        let legs = self.sides.iter().filter_map(|side| side.party.as_ref());
        let Some(leg) = legs.map(|party| party.leg.clone()).next().filter(|_| self.anchored) else { return true };
        self.left(&leg, Some(Some(reason::MEDIA_FAILED)), false, reason::MEDIA_FAILED, effects)
    }

    /// Whoever is connected may leave at any time, in the middle of any modification: the call ends for all. `own` is
    /// what the leaving leg is told, if it can be told anything; the others hear `text`, legs that ring their keyword.
    fn left(
        &mut self,
        leg: &Id,
        own: Option<Option<&'static str>>,
        void: bool,
        text: &'static str,
        effects: &mut Vec<Effect>,
    ) -> bool {
        let takes_over = match &self.change {
            Change::TakingOver { taker, .. } => taker.is(leg),
            Change::Stable
            | Change::Asked { .. }
            | Change::Aligning { .. }
            | Change::Moving { .. }
            | Change::Transferring { .. }
            | Change::Targeted { .. } => false,
        };
        if self.side_of(leg).is_none() && !takes_over {
            return true;
        }
        let (mut ringing, mut taker, mut by) = (Vec::new(), None, 0);
        match self.settle() {
            Change::Moving { by: mover, ringing: all, .. } => (by, ringing) = (mover, all),
            Change::TakingOver { by: mover, taker: side, .. } => (by, taker) = (mover, Some(side)),
            Change::Stable
            | Change::Asked { .. }
            | Change::Aligning { .. }
            | Change::Transferring { .. }
            | Change::Targeted { .. } => {}
        }
        let far = self.sides[1 - by].uri.clone();
        let legs = [(&self.sides[0], &self.sides[1].uri), (&self.sides[1], &self.sides[0].uri)];
        for (side, from) in legs.into_iter().chain(taker.as_deref().map(|t| (t, &far))) {
            if !side.is(leg) {
                side.end(from, Some(text), false, effects);
            } else if let Some(reason) = own {
                side.end(from, reason, void, effects);
            }
        }
        self.stop_ringing(by, ringing, effects);
        if self.echo_side().is_some() {
            effects.push(Effect::StopEcho);
        }
        false
    }

    /// The other side was silent for too long: the gateway speaks in its name.
    fn timeout(&mut self, fresh: Fresh, effects: &mut Vec<Effect>) {
        match self.settle() {
            Change::Asked { by, mod_id } => {
                self.give_up(1 - by, &mod_id, effects);
                let answer = self.answer_in_name(by, mod_id.clone(), effects);
                self.given = Some((mod_id, answer));
            }
            Change::Aligning { side, mod_id } => self.give_up(side, &mod_id, effects),
            Change::Moving { by, ringing, .. } => {
                self.stop_ringing(by, ringing, effects);
                self.move_failed(by, reason::NO_ANSWER, fresh, effects);
            }
            Change::TakingOver { by, taker, mod_id } => {
                self.give_up(1 - by, &mod_id, effects);
                self.not_taken_over(by, &taker, reason::NO_ANSWER, fresh, effects);
            }
            // Two calls are concerned: the core ends a transfer before it comes to this.
            other @ (Change::Stable | Change::Transferring { .. } | Change::Targeted { .. }) => self.change = other,
        }
    }
}
