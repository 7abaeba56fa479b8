//! What is bounded, and whom tokens speak for.

use super::*;

#[test]
fn limits_hold() {
    let limits = Limits {
        sessions: 13,
        legs_per_session: 2,
        events_per_session: 3,
        users: 4,
        tokens_per_user: 2,
        ..Limits::default()
    };
    let mut w = World::new(CoreConfig { limits, ..config() });
    let token = w.token("alice");
    let sessions: Vec<Auth> = (0..10).map(|_| w.login_with(token.clone())).collect();
    let eleventh = Request::CreateSession { token: Some(token.clone()), e911_id: None };
    assert_eq!(status(w.ask(eleventh.clone())), (403, Some("POL1100")));
    w.ask(Request::DeleteSession { auth: sessions[9].clone() }).expect("logged out");
    w.ask(eleventh).expect("room at once");
    let b = w.login("bob");
    let c = w.login("carol");
    w.login("dave");
    let full = w.token("dave");
    assert_eq!(status(w.ask(Request::CreateSession { token: Some(full), e911_id: None })), (503, None));
    assert_eq!(status(w.ask(Request::IssueToken { user: "eve".into() })), (503, None));
    let (old, _, _) = (w.token("dave"), w.token("dave"), w.token("dave"));
    assert_eq!(status(w.ask(Request::CheckToken { token: Some(old) })), (401, Some("POL0001")));
    w.dial(&b, "carol");
    w.invited(&c);
    w.dial(&b, "alice");
    assert_eq!(status(w.dial_raw(&b, "alice")), (400, Some("SVC0001")));
    // A phone that never reads its channel loses its session, and its peers are told.
    for _ in 0..3 {
        w.dial_raw(&c, "nobody").expect("a call");
    }
    assert_eq!(status(w.ask(Request::RefreshSession { auth: c })), (404, Some("")));
}

#[test]
fn tokens_speak_for_one_user_until_they_are_bound_anew() {
    let mut w = World::new(config());
    let token = w.token("alice");
    w.token("bob");
    let bind = |user: &str| Request::Associate { token: Some(token.clone()), user_id: user.into() };
    w.ask(bind("sip%3Aalice%40TEST")).expect("the same user");
    assert_eq!(status(w.ask(bind("carol"))), (404, Some("SVC8514")));
    assert_eq!(status(w.ask(bind("bob@elsewhere"))), (404, Some("SVC8514")));
    let a = w.login_with(token.clone());
    assert_eq!(status(w.ask(bind("bob"))), (400, Some("SVC0002")));
    w.ask(Request::DeleteSession { auth: a }).expect("logged out");
    w.ask(bind("bob")).expect("free again");
    match w.ask(Request::CreateSession { token: Some(token.clone()), e911_id: None }) {
        Ok(Answer::Session { user, .. }) => assert_eq!(user, "sip:bob@test"),
        other => panic!("{other:?}"),
    }
    w.pass(Duration::from_secs(172_801));
    assert_eq!(status(w.ask(bind("bob"))), (401, Some("POL0001")));
    for user in ["", "echo", "bob@elsewhere", "a b", "tel:+442071234567", "x/y", "a@b@c"] {
        assert_eq!(status(w.ask(Request::IssueToken { user: user.into() })), (400, Some("SVC0002")), "{user}");
    }
}
