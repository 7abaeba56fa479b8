//! Offers and answers: from what the other side says to what we say, and which connection it is about.
//!
//! Owns: the state of offer/answer (RFC 3264), the DTLS role, the layout of sections and the exchange of connections
//! when another party takes over. Runs within the caller's task, one operation at a time. Must not import the crate
//! beneath: `connection` is its only way there.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::codecs::{Payload, agreed, answered, offered};
use super::connection::{Connection, Link, Plan, Replaced};
use super::sdp_in::{Half, Layout, Remote, Role, Setup, read};
use super::sdp_out::{Description, Facts};
use super::session::{Shared, WeakInlet};
use super::settings::{self, Certificate};
use super::types::{Direction, Negotiated, NegotiatedAudio};
use crate::MediaError;

/// Where offer and answer stand.
pub(super) struct Negotiation {
    session: u64,
    version: u64,
    connections: u64,
    /// Of the connection built last.
    certificate: Option<Certificate>,
    layout: Layout,
    /// Our DTLS role: that of the first exchange with this party, kept in every later answer (RFC 8842 section 5.5).
    role: Option<Role>,
    /// Of the party that we are connected with.
    fingerprints: BTreeSet<String>,
    ufrag: String,
    /// The payload types in use.
    payloads: Vec<Payload>,
    /// What our latest description told about the current connection.
    facts: Option<Facts>,
    /// The last offer of ours, and whether its answer is still to come.
    offer: Option<Offer>,
    pending: bool,
    /// The last answer that was applied.
    answer: Option<String>,
    /// An answer was half applied: the crate cannot be used further, the path still can.
    broken: bool,
    /// The agreement with the party that we are connected with, while one with another party is being made.
    before: Option<Box<Agreement>>,
}

/// What must be known again when another party does not come after all.
struct Agreement {
    certificate: Option<Certificate>,
    layout: Layout,
    role: Option<Role>,
    fingerprints: BTreeSet<String>,
    ufrag: String,
    payloads: Vec<Payload>,
    facts: Option<Facts>,
    audio: NegotiatedAudio,
}

struct Offer {
    payloads: Vec<Payload>,
    direction: Direction,
}

impl Negotiation {
    pub(super) fn new(seed: u64) -> Negotiation {
        Negotiation {
            // Some readers take the number for a signed or floating-point one: 2^53 is the bound.
            session: (seed >> 12) | 1,
            version: 0,
            connections: 0,
            certificate: None,
            layout: Layout::ours(),
            role: None,
            fingerprints: BTreeSet::new(),
            ufrag: String::new(),
            payloads: Vec::new(),
            facts: None,
            offer: None,
            pending: false,
            answer: None,
            broken: false,
            before: None,
        }
    }

    /// Keeps what was agreed with the present party, before another one comes. While one is awaited already, the party that
    /// still carries the media stays the one to go back to.
    fn keep(&mut self, shared: &Shared) {
        let awaited = self.before.is_some() && shared.links().retiring.is_some();
        if !awaited && let Some(Negotiated { audio }) = shared.negotiated() {
            self.before = Some(Box::new(Agreement {
                certificate: self.certificate.clone(),
                layout: self.layout.clone(),
                role: self.role,
                fingerprints: self.fingerprints.clone(),
                ufrag: self.ufrag.clone(),
                payloads: self.payloads.clone(),
                facts: self.facts.clone(),
                audio,
            }));
        }
    }
}

/// See [`Transport::create_offer`](super::Transport::create_offer).
pub(super) async fn create_offer(shared: &Arc<Shared>) -> Result<String, MediaError> {
    let mut state = shared.negotiation.lock().await;
    shared.check_open()?;
    let connection = match usable(shared, &state) {
        Some(connection) => {
            if state.pending {
                connection.withdraw().await?;
            }
            connection
        }
        None => {
            let role = state.role.unwrap_or(Role::Active);
            build(shared, &mut state, role, None).await?
        }
    };
    state.pending = true;
    let facts = connection.offer(shared.config.ice.gather_deadline).await?;
    shared.install_if_new(&connection)?;
    let direction = shared.wish();
    let payloads = offered(&shared.config, &state.payloads);
    let text = describe(shared, &mut state, &facts, &payloads, direction, None);
    state.offer = Some(Offer { payloads, direction });
    state.facts = Some(facts);
    state.broken = false;
    Ok(text)
}

/// See [`Transport::create_offer_for_another`](super::Transport::create_offer_for_another).
pub(super) async fn create_offer_for_another(shared: &Arc<Shared>) -> Result<String, MediaError> {
    let mut state = shared.negotiation.lock().await;
    shared.check_open()?;
    if state.pending
        && let Some(connection) = usable(shared, &state)
    {
        connection.withdraw().await?;
    }
    state.pending = false;
    state.keep(shared);
    let connection = build(shared, &mut state, Role::Active, None).await?;
    let facts = connection.offer(shared.config.ice.gather_deadline).await?;
    shared.install_if_new(&connection)?;
    let direction = shared.wish();
    let payloads = offered(&shared.config, &[]);
    state.layout = Layout::ours();
    let text = describe(shared, &mut state, &facts, &payloads, direction, None);
    state.pending = true;
    state.broken = false;
    state.answer = None;
    state.offer = Some(Offer { payloads, direction });
    // Whoever answers is the party of this connection.
    state.role = None;
    state.fingerprints = BTreeSet::new();
    state.facts = Some(facts);
    Ok(text)
}

/// See [`Transport::keep_party`](super::Transport::keep_party).
pub(super) async fn keep_party(shared: &Arc<Shared>) -> Result<(), MediaError> {
    let mut state = shared.negotiation.lock().await;
    shared.check_open()?;
    let Some(before) = state.before.take() else { return Ok(()) };
    let Some((kept, given_up)) = shared.step_back() else {
        return Err(MediaError::Transport("the path to the other party is up already".into()));
    };
    let Agreement { certificate, layout, role, fingerprints, ufrag, payloads, facts, audio } = *before;
    (state.certificate, state.layout, state.role, state.fingerprints) = (certificate, layout, role, fingerprints);
    (state.ufrag, state.payloads, state.facts) = (ufrag, payloads, facts);
    (state.pending, state.broken, state.offer, state.answer) = (false, false, None, None);
    shared.agree(audio, &kept);
    drop(state);
    given_up.close().await;
    Ok(())
}

/// See [`Transport::answer_offer`](super::Transport::answer_offer).
pub(super) async fn answer_offer(shared: &Arc<Shared>, offer: &str) -> Result<String, MediaError> {
    let mut state = shared.negotiation.lock().await;
    shared.check_open()?;
    let remote = read(offer, Half::Offer)?;
    let payloads = answered(&shared.config, &remote.payloads);
    let direction = shared.wish().intersect(remote.direction.reversed());
    let Some(audio) = agreed(&payloads, direction) else {
        return Err(MediaError::Sdp("no codec in common".into()));
    };
    let same_party = !state.fingerprints.is_empty() && !remote.is_foreign_to(&state.fingerprints);
    let role = match (remote.setup, state.role) {
        // The association is there and its roles do not change, whatever the text says.
        (_, Some(role)) if same_party => role,
        (Setup::Active, _) => Role::Passive,
        (Setup::Passive, _) => Role::Active,
        (Setup::Either, kept) => kept.unwrap_or(Role::Active),
    };
    let restarts = remote.ufrag != state.ufrag;
    let kept =
        usable(shared, &state).filter(|connection| same_party && !(connection.has_fixed_credentials && restarts));
    let connection = match kept {
        Some(connection) => {
            if state.pending {
                // Both sides have offered: theirs goes first.
                connection.withdraw().await?;
                state.pending = false;
            }
            connection
        }
        // A party that we are not connected with: a connection of its own, at first beside the one that is there.
        None => {
            state.keep(shared);
            build(shared, &mut state, role, None).await?
        }
    };
    let facts = {
        let shown = remote.shown(&payloads, "actpass", &connection.mid());
        connection.answer(shown, shared.config.ice.gather_deadline).await?
    };
    shared.install_if_new(&connection)?;
    state.pending = false;
    state.broken = false;
    // An answer to an earlier offer of ours has nothing to say any more.
    state.answer = None;
    state.offer = None;
    state.role = Some(role);
    state.layout = remote.layout;
    state.fingerprints = remote.fingerprints;
    state.ufrag = remote.ufrag;
    let text = describe(shared, &mut state, &facts, &payloads, direction, Some(role));
    state.payloads = payloads;
    state.facts = Some(facts);
    shared.agree(audio, &connection);
    Ok(text)
}

/// See [`Transport::apply_answer`](super::Transport::apply_answer).
pub(super) async fn apply_answer(shared: &Arc<Shared>, answer: &str) -> Result<(), MediaError> {
    let mut state = shared.negotiation.lock().await;
    shared.check_open()?;
    if !state.pending && state.answer.as_deref() == Some(answer) {
        // The final answer repeats the early one.
        return Ok(());
    }
    let remote = read(answer, Half::Answer(state.layout.audio))?;
    let Some(offer) = &state.offer else {
        return Err(MediaError::Transport("there is no offer that this could be the answer to".into()));
    };
    let was_offered = |payload: &&Payload| offer.payloads.iter().any(|ours| ours.encoding == payload.encoding);
    let payloads: Vec<Payload> = remote.payloads.iter().filter(was_offered).cloned().collect();
    let direction = offer.direction.intersect(remote.direction.reversed());
    let Some(audio) = agreed(&payloads, direction) else {
        return Err(MediaError::Sdp("the answer has no codec of the offer".into()));
    };
    let foreign = remote.is_foreign_to(&state.fingerprints);
    let role = match (state.role, remote.setup) {
        (Some(role), _) if !foreign => role,
        (_, Setup::Passive) => Role::Active,
        (_, Setup::Active | Setup::Either) => Role::Passive,
    };
    let theirs = match role {
        Role::Active => "passive",
        Role::Passive => "active",
    };
    let shown = |connection: &Connection| remote.shown(&payloads, theirs, &connection.mid());
    let connection = match usable(shared, &state) {
        Some(connection) if !foreign => {
            if !state.pending {
                // A second, different answer of the same party (early media): an offer that nobody sees makes room.
                connection.offer(shared.config.ice.gather_deadline).await?;
            }
            if let Err(error) = connection.accept(shown(&connection)).await {
                state.broken = true;
                return Err(error);
            }
            connection
        }
        _ => {
            let taken = take_over(shared, &mut state, role, shown).await;
            if let Err(error) = &taken {
                state.broken = true;
                shared.links().failure = Some((0, error.to_string()));
                shared.wake.notify_one();
            }
            taken?
        }
    };
    state.pending = false;
    state.broken = false;
    state.answer = Some(answer.to_owned());
    state.role = Some(role);
    accept_layout(&mut state.layout, &remote);
    state.fingerprints = remote.fingerprints;
    state.ufrag = remote.ufrag;
    state.payloads = payloads;
    shared.agree(audio, &connection);
    Ok(())
}

/// The offer that is out is answered by somebody else than the party we are connected with. What the offer says must
/// come true for the new party: the same certificate, ICE credentials and ports. So the old connection is closed first.
async fn take_over(
    shared: &Arc<Shared>,
    state: &mut Negotiation,
    role: Role,
    shown: impl Fn(&Connection) -> String,
) -> Result<Arc<Connection>, MediaError> {
    for connection in shared.take_links(false).into_iter().flatten() {
        connection.close().await;
    }
    let replaced = state.facts.as_ref().map(|facts| Replaced {
        ufrag: facts.ufrag.clone(),
        password: facts.password.clone(),
        sockets: facts.sockets(),
    });
    let connection = build(shared, state, role, replaced).await?;
    connection.offer(shared.config.ice.gather_deadline).await?;
    shared.install_if_new(&connection)?;
    connection.accept(shown(&connection)).await?;
    Ok(connection)
}

/// An answer can drop what the offer had: it decides whether RTCP is multiplexed and sections are bundled.
fn accept_layout(layout: &mut Layout, remote: &Remote) {
    layout.bundle &= remote.layout.bundle || remote.layout.places.len() == 1;
    layout.multiplexed &= remote.layout.multiplexed;
}

/// The current connection, if descriptions can be about it.
fn usable(shared: &Shared, state: &Negotiation) -> Option<Arc<Connection>> {
    shared.current().filter(|connection| !state.broken && !connection.is_dead() && connection.link() != Link::Closed)
}

async fn build(
    shared: &Arc<Shared>,
    state: &mut Negotiation,
    answering: Role,
    instead_of: Option<Replaced>,
) -> Result<Arc<Connection>, MediaError> {
    state.connections += 1;
    // A party that we were connected with begins a new DTLS association only for a new fingerprint (RFC 8842 section 4);
    // one that has our offer already expects the old one.
    let certificate = match (&instead_of, &state.certificate) {
        (Some(_), Some(certificate)) => certificate.clone(),
        _ => settings::certificate()?,
    };
    state.certificate = Some(certificate.clone());
    let plan = Plan {
        number: state.connections,
        config: &shared.config,
        certificate,
        ssrc: shared.ssrc,
        cname: &shared.cname,
        answering,
        instead_of,
    };
    let inlet = Arc::new(WeakInlet(Arc::downgrade(shared)));
    Ok(Arc::new(Connection::build(plan, inlet, shared.wake.clone()).await?))
}

fn describe(
    shared: &Shared,
    state: &mut Negotiation,
    facts: &Facts,
    payloads: &[Payload],
    direction: Direction,
    role: Option<Role>,
) -> String {
    state.version += 1;
    Description {
        session: state.session,
        version: state.version,
        layout: &state.layout,
        facts,
        payloads,
        direction,
        role,
        ssrc: shared.ssrc,
        cname: &shared.cname,
    }
    .text()
}

impl Shared {
    fn install_if_new(&self, connection: &Arc<Connection>) -> Result<(), MediaError> {
        match self.current() {
            Some(current) if Arc::ptr_eq(&current, connection) => self.check_open(),
            _ => self.install(connection),
        }
    }
}
