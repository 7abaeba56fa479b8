//! A room at work: what is done for it every 10 ms.
//!
//! Owns: the worker halves of all participants' legs, and the mixer. Lives on one media worker. After warm-up a tick allocates
//! nothing, takes no lock and writes no log line, as with a single leg (see `worker`).

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{SyncSender, TrySendError};
use std::time::Instant;

use super::mix::{Encoded, Mixer};
use super::room::{RoomEvent, RoomShared, Seen};
use crate::engine::{Report, Work};
use crate::worker::LegWork;

/// Packets that are handed over together: the network threads are woken once for them, see `engine`.
const GROUP: usize = 16;
/// A room up to this size sends everybody's frame in the tick in which it was mixed. Those who come later get it in the next
/// tick, until they are half of all, so that the work of two ticks is not done in one of them.
const AT_ONCE: usize = 16;

/// A participant on the worker.
pub(crate) struct Member {
    pub(crate) number: u64,
    pub(crate) leg: Box<LegWork>,
    pub(crate) seen: Arc<Seen>,
    /// Gets its frames a tick later.
    pub(crate) later: bool,
    /// What was told last, see [`RoomEvent`].
    talks: bool,
    over: bool,
}

impl Member {
    pub(crate) fn new(number: u64, leg: Box<LegWork>, seen: Arc<Seen>) -> Member {
        Member { number, leg, seen, later: false, talks: false, over: false }
    }
}

/// See the head of the file.
pub(crate) struct RoomWork {
    shared: Arc<RoomShared>,
    mixer: Mixer,
    /// Member and seat have the same number.
    members: Vec<Member>,
    events: Arc<dyn Fn(RoomEvent) + Send + Sync>,
    reports: SyncSender<Report>,
    /// Half of the members wait for the frame of the last tick.
    owed: bool,
}

impl RoomWork {
    pub(crate) fn new(
        shared: Arc<RoomShared>,
        mixer: Mixer,
        events: Arc<dyn Fn(RoomEvent) + Send + Sync>,
        reports: SyncSender<Report>,
    ) -> RoomWork {
        RoomWork { shared, mixer, members: Vec::with_capacity(64), events, reports, owed: false }
    }

    fn welcome(&mut self) {
        if !self.shared.has_fresh.load(Ordering::Relaxed) || !self.shared.has_fresh.swap(false, Ordering::Acquire) {
            return;
        }
        let mut fresh = self.shared.lock_fresh();
        for (mut member, seat) in fresh.drain(..) {
            let later = self.members.iter().filter(|member| member.later).count();
            member.later = self.members.len() >= AT_ONCE && later * 2 < self.members.len();
            self.members.push(member);
            self.mixer.seat(seat);
        }
    }

    /// Lets the members speak.
    fn listen(&mut self, now: Instant) {
        for (seat, member) in self.members.iter_mut().enumerate() {
            let leaving = member.leg.is_leaving();
            self.mixer.set_barred(seat, leaving || member.leg.is_muted());
            if leaving && !self.mixer.is_audible(seat) {
                continue;
            }
            let effort = self.mixer.effort_for(seat);
            // A fault in one leg must not end the others.
            match catch_unwind(AssertUnwindSafe(|| member.leg.listen(now, effort))) {
                Ok(pcm) => self.mixer.say(seat, &pcm),
                Err(_) => {
                    member.over |= catch_unwind(AssertUnwindSafe(|| member.leg.abandon())).is_err();
                    self.mixer.say(seat, &[0; _]);
                }
            }
        }
    }

    /// Encodes and hands over the frame for one half of the members.
    fn send(&mut self, later: bool) {
        for group in 0..self.members.len().div_ceil(GROUP) {
            let seats = group * GROUP..((group + 1) * GROUP).min(self.members.len());
            let members = &mut self.members[seats.clone()];
            for (seat, member) in seats.zip(&mut *members).filter(|(_, member)| member.later == later) {
                let mixer = &mut self.mixer;
                let frame = catch_unwind(AssertUnwindSafe(|| {
                    let encoded = member.leg.outlet().and_then(|listener| mixer.encode(seat, listener));
                    let payload = encoded.map(|encoded| match encoded {
                        Encoded::Common(payload) => payload,
                        Encoded::Own(bytes) => member.leg.keep(bytes),
                    });
                    member.leg.frame(payload);
                }));
                if frame.is_err() {
                    member.over |= catch_unwind(AssertUnwindSafe(|| member.leg.abandon())).is_err();
                }
            }
            for member in members.iter_mut().filter(|member| member.later == later) {
                member.leg.post();
            }
        }
    }

    /// Tells what has changed and lets go of those who have left.
    fn settle(&mut self) {
        let mut seat = 0;
        while let Some(member) = self.members.get_mut(seat) {
            let talks = self.mixer.is_talking(seat);
            if talks != member.talks {
                let event = RoomEvent::Talking { participant: member.number, talking: talks };
                let told = self.reports.try_send(Report::Room(self.events.clone(), event));
                // When the thread is stuck, the next tick tries again, if it is still news then.
                if !matches!(told, Err(TrySendError::Full(_))) {
                    member.talks = talks;
                }
            }
            member.seen.put(self.mixer.loudness(seat), talks, self.mixer.is_heard(seat));
            let leaves = member.leg.is_leaving() && !self.mixer.is_audible(seat);
            if member.over || (leaves && member.leg.dismiss()) {
                member.seen.put(0.0, false, false);
                self.members.swap_remove(seat);
                self.mixer.remove(seat);
                continue;
            }
            if !leaves {
                member.leg.settle(self.mixer.power_for(seat));
            }
            seat += 1;
        }
    }
}

impl Work for RoomWork {
    fn tick(&mut self, now: Instant, strain: u8) -> bool {
        if std::mem::take(&mut self.owed) {
            self.send(true);
        }
        self.welcome();
        self.mixer.set_strain(strain);
        self.listen(now);
        if self.mixer.mix() {
            for (seat, member) in self.members.iter_mut().enumerate() {
                self.mixer.prepare(seat, member.leg.outlet());
            }
            self.send(false);
            self.owed = true;
        }
        self.settle();
        self.shared.put(&self.mixer.stats(), strain);
        !(self.members.is_empty() && self.shared.is_closed())
    }

    fn post(&mut self) {
        // Everything was handed over group by group.
    }

    fn abandon(&mut self) {
        for member in &mut self.members {
            member.over |= catch_unwind(AssertUnwindSafe(|| member.leg.abandon())).is_err();
        }
    }

    fn legs(&self) -> usize {
        self.members.len().max(1)
    }
}
