//! Sockets in the laws: a phone opens one at any moment, frames are written or lost, and it goes back to polls.

use super::*;

impl Model {
    pub(super) fn open_socket(&mut self, who: usize) {
        let auth = self.auth(who);
        let after = self.phones[who].numbered.then_some(self.phones[who].last);
        match self.w.ask(Request::OpenSocket { auth: auth.clone(), after }) {
            Ok(Answer::Ticket { ticket }) => {
                let socket = self.w.join(&auth, &ticket).expect("the id is good");
                self.phones[who].open = Some(socket);
                self.sockets.insert(socket, who);
            }
            Ok(other) => panic!("{other:?}"),
            Err(r) => self.gone(who, &r),
        }
    }

    /// The nth frame is on its way no longer: it was written, or it was lost and its socket with it.
    pub(super) fn respond_frame(&mut self, nth: usize, written: bool) {
        let Some((socket, body, delivery)) = self.w.frames.remove(nth) else { return };
        let who = self.sockets[&socket];
        let Delivery::Frame { session, .. } = &delivery else { panic!("{delivery:?}") };
        let session = session.clone();
        let current = self.phones[who].auth.as_ref().is_some_and(|a| *a.session == *session);
        let events = decode_events(body.as_bytes()).expect("an event list");
        if written {
            if current {
                for e in &events {
                    *self.reached.entry(key(&e.event)).or_default() += 1;
                }
                let name = if self.phones[who].numbered { "over a socket, numbered" } else { "over a socket" };
                *self.reached.entry(name).or_default() += 1;
                self.phones[who].read(events);
            }
            self.w.tell(Input::Written(delivery));
            if current && self.phones[who].numbered {
                let after = self.phones[who].last;
                self.w.tell(Input::Acknowledged { session, socket, after });
            }
        } else {
            if current {
                self.phones[who].crossed.extend(events.into_iter().filter_map(|e| e.event.mod_id));
            }
            self.w.tell(Input::WriteFailed(delivery));
            self.w.tell(Input::SocketClosed { session, socket });
            if self.phones[who].open == Some(socket) {
                self.phones[who].open = None;
            }
        }
    }

    /// The phone's socket breaks, and what is on its way with it. False: it has none.
    pub(super) fn drop_socket(&mut self, who: usize) -> bool {
        let Some(socket) = self.phones[who].open.filter(|open| self.sockets.contains_key(open)) else { return false };
        self.note_crossing_frames(who);
        self.w.frames.retain(|(of, _, _)| *of != socket);
        if let Some(auth) = self.phones[who].auth.clone() {
            self.w.hang_up(&auth, socket);
        }
        self.phones[who].open = None;
        true
    }

    /// Phones see which sockets the gateway has closed.
    pub(super) fn sockets_closed(&mut self) {
        for (socket, why) in std::mem::take(&mut self.w.closed) {
            let phone = &mut self.phones[self.sockets[&socket]];
            if phone.open == Some(socket) {
                phone.open = None;
                if why == SocketEnd::Expired {
                    phone.auth = None;
                }
            }
        }
    }

    /// As [`Model::note_crossing`], for frames.
    pub(super) fn note_crossing_frames(&mut self, who: usize) {
        for (socket, body, _) in &self.w.frames {
            if self.sockets[socket] == who {
                let events = decode_events(body.as_bytes()).expect("an event list");
                self.phones[who].crossed.extend(events.into_iter().filter_map(|e| e.event.mod_id));
            }
        }
    }
}
