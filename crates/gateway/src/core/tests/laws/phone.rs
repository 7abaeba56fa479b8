//! A phone of the laws: it knows only what it was told, reads events as an original client does, and holds every event
//! against what that client survives (rest-protocol.md sections 3.3.2 to 3.3.8).

use ewebrtc_wire::{EventObject, EventState, NumberedEvent, item_id_of, reason};

use super::super::*;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Known {
    /// Own call, not connected.
    Dialing {
        cancelled: bool,
    },
    /// Invited; a moved call comes without a description.
    Ringing {
        refused: bool,
        moved: bool,
    },
    /// Answered, or told that the other side has.
    Connected {
        incoming: bool,
        confirmed: bool,
        moved: bool,
    },
    Ended,
}

/// What the phone does with a connected leg.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Work {
    Idle,
    /// Its own offer is pending.
    Offering,
    /// It moves; then what `move-terminated` said.
    Moving(Option<bool>),
    /// It was asked, with an offer or for one.
    Asked {
        id: String,
        for_offer: bool,
    },
    /// It has answered, perhaps with an offer.
    Answered {
        id: String,
        with_offer: bool,
    },
    /// It transfers this leg; whether it was told that the transfer has begun, and what it was asked meanwhile, because
    /// the other side was first. No offer of its own is pending.
    Transferring {
        initiated: bool,
        asked: Option<(String, bool)>,
    },
}

#[derive(Debug)]
pub(super) struct Line {
    pub(super) id: String,
    pub(super) known: Known,
    pub(super) work: Work,
    /// Everything it was ever asked, latest last.
    pub(super) asked: Vec<String>,
    /// Its answer may have come after the gateway had given up on it.
    pub(super) late: bool,
    /// It has had early media.
    pub(super) early: bool,
}

impl Line {
    pub(super) fn new(id: String, known: Known) -> Self {
        Self { id, known, work: Work::Idle, asked: Vec::new(), late: false, early: false }
    }

    pub(super) fn is_connected(&self) -> bool {
        matches!(self.known, Known::Connected { confirmed: true, .. })
    }

    fn read(&mut self, event: &EventObject, crossed: &[String]) {
        let why = event.reason.as_deref();
        let mod_id = || event.mod_id.clone().expect("modifications have ids");
        match &event.state {
            EventState::SessionOpen => {
                // The answer comes once, early or not (section 3.3.2).
                assert_eq!(event.sdp.is_some(), !self.early);
                if event.provisional_sdp {
                    assert!(matches!(self.known, Known::Dialing { .. }), "{self:?}");
                    self.early = true;
                    return;
                }
                match self.known {
                    Known::Dialing { cancelled: false } => {
                        self.known = Known::Connected { incoming: false, confirmed: true, moved: false };
                    }
                    // It was on its way when the phone cancelled.
                    Known::Dialing { cancelled: true } => {}
                    Known::Connected { incoming, confirmed: false, moved: true } => {
                        self.known = Known::Connected { incoming, confirmed: true, moved: true };
                    }
                    known => panic!("opened: {known:?}"),
                }
            }
            EventState::SessionModified => match (&self.work, self.known) {
                (Work::Moving(Some(true)), _) => assert_eq!(event.sdp, None),
                (Work::Moving(Some(false)), _) => {
                    assert!(event.sdp.is_some(), "the move's offer must be answered");
                    self.work = Work::Idle;
                }
                (_, Known::Connected { incoming: true, confirmed: false, moved: false }) => {
                    assert_eq!(event.sdp, None);
                    self.known = Known::Connected { incoming: true, confirmed: true, moved: false };
                }
                other => panic!("modified: {other:?}"),
            },
            EventState::ModReceived => {
                assert!(self.is_connected(), "{self:?}");
                let id = mod_id();
                assert!(!self.asked.contains(&id), "an id is used once");
                match &self.work {
                    Work::Idle | Work::Asked { .. } => {
                        self.work = Work::Asked { id: id.clone(), for_offer: event.sdp.is_none() };
                    }
                    Work::Transferring { initiated: false, .. } => {
                        let asked = Some((id.clone(), event.sdp.is_none()));
                        self.work = Work::Transferring { initiated: false, asked };
                    }
                    // The end of what it answered too late (D-17) comes behind what the other side has begun meanwhile.
                    Work::Answered { .. } if self.late => {
                        self.work = Work::Asked { id: id.clone(), for_offer: event.sdp.is_none() };
                    }
                    // Read late: the gateway has given up on it.
                    Work::Offering | Work::Moving(_) if crossed.contains(&id) => {}
                    work => panic!("asked while {work:?}"),
                }
                self.asked.push(id);
            }
            EventState::ModTerminated => {
                assert_eq!(why, Some(reason::SUCCESS), "anything else destroys the call at an original client");
                let id = mod_id();
                let concerned = match &self.work {
                    Work::Asked { id: own, .. } | Work::Answered { id: own, .. } => *own == id,
                    Work::Idle | Work::Offering | Work::Moving(_) | Work::Transferring { .. } => false,
                };
                match (&event.sdp, &self.work) {
                    (Some(_), Work::Offering) => self.work = Work::Idle,
                    (Some(_), Work::Answered { with_offer: true, .. }) if concerned => self.work = Work::Idle,
                    (Some(_), work) => panic!("an answer to nothing: {work:?}"),
                    (None, _) => {
                        assert!(self.asked.contains(&id), "{id} was never asked");
                        if concerned {
                            self.work = Work::Idle;
                        } else if let Work::Transferring { asked, .. } = &mut self.work {
                            asked.take_if(|(own, _)| *own == id);
                        }
                    }
                }
            }
            EventState::MoveTerminated => {
                assert_eq!(self.work, Work::Moving(None));
                self.work = Work::Moving(Some(why == Some(reason::SUCCESS)));
            }
            EventState::TransferInitiated => {
                assert_eq!(self.work, Work::Transferring { initiated: false, asked: None });
                self.work = Work::Transferring { initiated: true, asked: None };
            }
            EventState::TransferTerminated => {
                let success = why == Some(reason::SUCCESS);
                let Work::Transferring { initiated, asked } = &mut self.work else { panic!("{self:?}") };
                assert_eq!(success, *initiated, "D-29");
                if !success {
                    self.work = match asked.take() {
                        Some((id, for_offer)) => Work::Asked { id, for_offer },
                        None => Work::Idle,
                    };
                }
            }
            EventState::SessionTerminated => {
                match self.known {
                    Known::Dialing { cancelled } => assert!(cancelled || why != Some(reason::CALL_CANCELED)),
                    Known::Ringing { refused, .. } => assert!(refused || why != Some(reason::USER_BUSY)),
                    Known::Connected { incoming, .. } => {
                        assert_ne!(why, Some(reason::USER_BUSY));
                        assert!(incoming || why != Some(reason::CALL_CANCELED));
                    }
                    Known::Ended => panic!("ended twice"),
                }
                self.known = Known::Ended;
                self.work = Work::Idle;
            }
            state @ (EventState::InvitationReceived | EventState::Other(_)) => panic!("{state:?}: {self:?}"),
        }
    }
}

/// One phone.
pub(super) struct Phone {
    pub(super) user: &'static str,
    pub(super) auth: Option<Auth>,
    pub(super) numbered: bool,
    pub(super) last: u64,
    pub(super) lines: Vec<Line>,
    pub(super) open: Option<PollId>,
    /// Modifications that were on their way to it when it began its own.
    pub(super) crossed: Vec<String>,
}

impl Phone {
    pub(super) fn line(&mut self, id: &str) -> Option<&mut Line> {
        self.lines.iter_mut().find(|l| l.id == id)
    }

    /// The nth leg that has not ended.
    pub(super) fn running(&self, nth: usize) -> Option<String> {
        self.lines.iter().filter(|l| l.known != Known::Ended).nth(nth).map(|l| l.id.clone())
    }

    /// Reads an answer, as an original client would.
    pub(super) fn read(&mut self, events: Vec<NumberedEvent>) {
        let mut seen: Vec<String> = Vec::new();
        assert!(!events.is_empty());
        for e in events {
            if self.numbered {
                let seq = e.seq.expect("a number");
                if seq <= self.last {
                    continue; // An older response that came late.
                }
                assert_eq!(seq, self.last + 1, "no holes");
                self.last = seq;
            } else {
                assert_eq!(e.seq, None);
            }
            let id = item_id_of(&e.event.resource_url).expect("an id").to_owned();
            assert!(!seen.contains(&id), "two events of a leg in one answer");
            seen.push(id.clone());
            let crossed = std::mem::take(&mut self.crossed);
            match self.line(&id) {
                Some(line) => line.read(&e.event, &crossed),
                None => {
                    assert_eq!(e.event.state, EventState::InvitationReceived, "{id} is not known");
                    let moved = e.event.sdp.is_none();
                    self.lines.push(Line::new(id, Known::Ringing { refused: false, moved }));
                }
            }
            self.crossed = crossed;
        }
    }
}
