//! The channel as a WebSocket, under a clock of the test's own: one-time ids, one way at a time, frames one by one, numbers.

use super::*;

impl World {
    pub(super) fn ticket(&mut self, who: &Auth, after: Option<u64>) -> String {
        match self.ask(Request::OpenSocket { auth: who.clone(), after }) {
            Ok(Answer::Ticket { ticket }) => ticket.to_string(),
            other => panic!("no ticket: {other:?}"),
        }
    }

    pub(super) fn join(&mut self, who: &Auth, ticket: &str) -> Result<PollId, Refusal> {
        self.polls += 1;
        let socket = self.polls;
        let request = Request::JoinSocket { session: who.session.clone(), ticket: ticket.into(), socket };
        self.ask(request).map(|_| socket)
    }

    pub(super) fn socket(&mut self, who: &Auth, after: Option<u64>) -> PollId {
        let ticket = self.ticket(who, after);
        self.join(who, &ticket).expect("the socket opens")
    }

    pub(super) fn hang_up(&mut self, who: &Auth, socket: PollId) {
        self.tell(Input::SocketClosed { session: who.session.as_str().into(), socket });
    }

    fn acknowledge(&mut self, who: &Auth, socket: PollId, after: u64) {
        self.tell(Input::Acknowledged { session: who.session.as_str().into(), socket, after });
    }

    /// The next frame of this socket, reported as written: states and numbers.
    fn frame(&mut self, socket: PollId) -> Vec<(EventState, Option<u64>)> {
        let (of, body, delivery) = self.frames.pop_front().expect("a frame");
        assert_eq!(of, socket);
        self.tell(Input::Written(delivery));
        let events = decode_events(body.as_bytes()).expect("an event list");
        events.into_iter().map(|e| (e.event.state, e.seq)).collect()
    }
}

#[test]
fn an_id_opens_one_socket_within_half_a_minute() {
    let mut w = World::new(config());
    let (a, b) = (w.login("alice"), w.login("bob"));
    let ticket = w.ticket(&a, None);
    for (who, wrong) in [(&a, ""), (&a, "x"), (&b, ticket.as_str())] {
        assert_eq!(w.join(who, wrong).expect_err("refused").status, 404, "{wrong}");
    }
    let nobody = Auth { session: "none".into(), token: None };
    assert_eq!(w.join(&nobody, &ticket).expect_err("refused").status, 404);
    w.join(&a, &ticket).expect("the socket opens");
    assert_eq!(w.join(&a, &ticket).expect_err("used up").status, 404);
    // Another id takes the place of the first.
    let (first, second) = (w.ticket(&a, None), w.ticket(&a, None));
    assert_eq!(w.join(&a, &first).expect_err("replaced").status, 404);
    w.join(&a, &second).expect("the socket opens");
    let late = w.ticket(&a, None);
    w.pass(Duration::from_secs(30));
    assert_eq!(w.join(&a, &late).expect_err("too late").status, 404);
    let stranger = Auth { token: b.token.clone(), ..a.clone() };
    assert_eq!(status(w.ask(Request::OpenSocket { auth: stranger, after: None })), (403, Some("POL1102")));
    assert_eq!(status(w.ask(Request::OpenSocket { auth: a, after: Some(1) })), (400, Some("SVC0002")));
}

#[test]
fn the_newest_poll_or_socket_is_served_alone() {
    let mut w = World::new(config());
    let (a, b) = (w.login("alice"), w.login("bob"));
    let poll = w.open_poll(&b, None);
    let ticket = w.ticket(&b, None);
    assert!(!w.answers.contains_key(&poll), "asking for a socket changes nothing");
    let first = w.join(&b, &ticket).expect("the socket opens");
    assert_eq!(w.answers.remove(&poll), Some(PollAnswer::Empty));
    let second = w.socket(&b, None);
    assert_eq!(w.closed.get(&first), Some(&SocketEnd::Replaced));
    w.hang_up(&b, first);
    w.dial(&a, "bob");
    assert_eq!(w.frame(second), [(EventState::InvitationReceived, None)]);
    let poll = w.open_poll(&b, None);
    assert_eq!(w.closed.get(&second), Some(&SocketEnd::Replaced));
    w.dial(&a, "bob");
    assert!(w.frames.is_empty());
    w.tell(Input::PollDropped { session: b.session.as_str().into(), poll });
}

#[test]
fn a_frame_that_was_not_written_comes_again_and_no_other_one_does() {
    let mut w = World::new(config());
    let (a, b) = (w.login("alice"), w.login("bob"));
    let out = w.dial(&a, "bob");
    let socket = w.socket(&b, None);
    let (_, lost, delivery) = w.frames.pop_front().expect("a frame");
    w.end(&a, &out, DeleteReason::Cancel);
    assert!(w.frames.is_empty(), "one frame at a time");
    w.tell(Input::WriteFailed(delivery));
    assert!(w.frames.is_empty(), "a socket that lost a frame is over");
    w.hang_up(&b, socket);
    let socket = w.socket(&b, None);
    let (_, again, delivery) = w.frames.pop_front().expect("a frame");
    assert_eq!(again, lost);
    w.tell(Input::Written(delivery));
    // Written: it does not come again, and what follows does, once.
    w.hang_up(&b, socket);
    w.pass(HOLD_BACK);
    let socket = w.socket(&b, None);
    assert_eq!(w.frame(socket), [(EventState::SessionTerminated, None)]);
    w.hang_up(&b, socket);
    w.socket(&b, None);
    assert!(w.frames.is_empty());
}

/// R2: an original client that gets an invitation and its end in one turn rings for ever.
#[test]
fn plain_frames_about_one_leg_are_apart() {
    let mut w = World::new(config());
    let (a, b, c) = (w.login("alice"), w.login("bob"), w.login("carol"));
    let socket = w.socket(&b, None);
    let Ok(Answer::Call { location, .. }) = w.dial_raw(&a, "bob") else { panic!("a call") };
    let out = item_id_of(&location).expect("an id").to_owned();
    assert_eq!(w.frame(socket), [(EventState::InvitationReceived, None)]);
    w.ask(Request::EndCall { auth: a.clone(), leg: out, reason: DeleteReason::Cancel }).expect("it ends");
    assert!(w.frames.is_empty());
    w.pass(HOLD_BACK - Duration::from_millis(1));
    assert!(w.frames.is_empty());
    w.pass(Duration::from_millis(1));
    assert_eq!(w.frame(socket), [(EventState::SessionTerminated, None)]);
    // Other legs do not wait for it.
    w.dial_raw(&c, "bob").expect("a call");
    assert_eq!(w.frame(socket), [(EventState::InvitationReceived, None)]);
}

#[test]
fn numbered_frames_follow_at_once_and_come_again_until_they_are_acknowledged() {
    let mut w = World::new(config());
    let (a, b) = (w.login("alice"), w.login("bob"));
    let socket = w.socket(&b, Some(0));
    let out = w.dial(&a, "bob");
    assert_eq!(w.frame(socket), [(EventState::InvitationReceived, Some(1))]);
    w.end(&a, &out, DeleteReason::Cancel);
    assert_eq!(w.frame(socket), [(EventState::SessionTerminated, Some(2))]);
    assert!(w.frames.is_empty(), "what the socket was given does not come again on it");
    w.acknowledge(&b, socket, 1);
    // Numbers that were never given, and those of a socket that is gone, acknowledge nothing.
    w.acknowledge(&b, socket, 3);
    w.hang_up(&b, socket);
    w.acknowledge(&b, socket, 2);
    let again = w.socket(&b, Some(1));
    assert_eq!(w.frame(again), [(EventState::SessionTerminated, Some(2))]);
    w.hang_up(&b, again);
    // A poll goes on where the socket was, and the other way round.
    let poll = w.open_poll(&b, Some(1));
    assert_eq!(w.answered(poll).iter().map(|e| e.seq).collect::<Vec<_>>(), [Some(2)]);
    let last = w.socket(&b, Some(2));
    assert!(w.frames.is_empty());
    w.dial(&a, "bob");
    assert_eq!(w.frame(last), [(EventState::InvitationReceived, Some(3))]);
}

#[test]
fn a_phone_is_there_while_its_socket_is_open_and_lost_45_s_later() {
    let mut w = World::new(config());
    let (a, b) = (w.login("alice"), w.login("bob"));
    let (caller, socket) = (w.socket(&a, None), w.socket(&b, None));
    w.pass(Duration::from_secs(600));
    w.dial(&a, "bob");
    assert_eq!(w.frame(socket), [(EventState::InvitationReceived, None)]);
    w.hang_up(&b, socket);
    w.pass(Duration::from_secs(44));
    assert!(w.frames.is_empty());
    w.pass(Duration::from_secs(1));
    assert_eq!(w.frame(caller), [(EventState::SessionTerminated, None)]);
    // It comes back and hears of it.
    let socket = w.socket(&b, None);
    assert_eq!(w.frame(socket), [(EventState::SessionTerminated, None)]);
}

#[test]
fn the_end_of_the_session_or_of_the_gateway_closes_the_socket() {
    let mut w = World::new(config());
    let (a, b, c) = (w.login("alice"), w.login("bob"), w.login("carol"));
    let deleted = w.socket(&a, None);
    w.ask(Request::DeleteSession { auth: a }).expect("logged out");
    assert_eq!(w.closed.get(&deleted), Some(&SocketEnd::Ended));
    let expired = w.socket(&b, None);
    w.pass(Duration::from_secs(3500));
    w.ask(Request::RefreshSession { auth: c.clone() }).expect("alive");
    w.pass(Duration::from_secs(125));
    assert_eq!(w.closed.get(&expired), Some(&SocketEnd::Expired));
    let open = w.socket(&c, None);
    let ticket = w.ticket(&c, None);
    w.tell(Input::Closing);
    assert_eq!(w.closed.get(&open), Some(&SocketEnd::Stopping));
    assert_eq!(w.join(&c, &ticket).expect_err("too late").status, 503);
}

#[test]
fn a_socket_that_is_not_read_fills_the_outbox_and_costs_the_session() {
    let limits = Limits { events_per_session: 4, ..Limits::default() };
    let mut w = World::new(CoreConfig { limits, ..config() });
    let a = w.login("alice");
    let socket = w.socket(&a, Some(0));
    for _ in 0..4 {
        w.dial(&a, "nobody");
    }
    assert!(w.closed.is_empty());
    assert_eq!(w.frames.len(), 1, "one frame at a time");
    w.dial_raw(&a, "nobody").expect("a call");
    assert_eq!(w.closed.get(&socket), Some(&SocketEnd::Expired));
}
