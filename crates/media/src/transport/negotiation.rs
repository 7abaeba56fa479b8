//! Offers and answers: from what the other side says to what we say, and which connection it is about.
//!
//! Owns: the state of offer/answer (RFC 3264), the DTLS role, the layout of sections and the exchange of connections
//! when another party takes over. Runs within the caller's task, one operation at a time. Must not import the crate
//! beneath: `connection` is its only way there.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::codecs::{Payload, agreed, answered, offered};
use super::connection::{Connection, Link, Plan, Replaced};
use super::sdp_in::{Half, Layout, Place, Remote, Role, Setup, read};
use super::sdp_out::{Description, Facts, VideoLines};
use super::session::{Shared, WeakInlet};
use super::settings::{self, Certificate};
use super::types::{Direction, Negotiated, NegotiatedAudio};
use super::video_codecs::{self, VideoPayload};
use crate::MediaError;

/// Where offer and answer stand.
pub(super) struct Negotiation {
    session: u64,
    version: u64,
    connections: u64,
    /// Of the connection built last.
    certificate: Option<Certificate>,
    layout: Layout,
    /// Names given to sections so far: one that is used again must get a new one.
    names: u32,
    /// Our DTLS role: that of the first exchange with this party, kept in every later answer (RFC 8842 section 5.5).
    role: Option<Role>,
    /// Of the party that we are connected with.
    fingerprints: BTreeSet<String>,
    ufrag: String,
    /// The payload types in use; those of video also while there is none.
    payloads: Vec<Payload>,
    video_payloads: Vec<VideoPayload>,
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
    video_payloads: Vec<VideoPayload>,
    facts: Option<Facts>,
    agreed: Negotiated,
}

/// What we have offered; it becomes true with the answer.
struct Offer {
    layout: Layout,
    payloads: Vec<Payload>,
    direction: Direction,
    video: Option<VideoOffer>,
}

/// What is said about video, in an offer or in an answer.
struct VideoOffer {
    payloads: Vec<VideoPayload>,
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
            names: 0,
            role: None,
            fingerprints: BTreeSet::new(),
            ufrag: String::new(),
            payloads: Vec::new(),
            video_payloads: Vec::new(),
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
        if !awaited && let Some(agreed) = shared.negotiated() {
            self.before = Some(Box::new(Agreement {
                certificate: self.certificate.clone(),
                layout: self.layout.clone(),
                role: self.role,
                fingerprints: self.fingerprints.clone(),
                ufrag: self.ufrag.clone(),
                payloads: self.payloads.clone(),
                video_payloads: self.video_payloads.clone(),
                facts: self.facts.clone(),
                agreed,
            }));
        }
    }

    /// What we offer now, to the party whose payload types are known.
    fn make_offer(&mut self, shared: &Shared) -> Offer {
        let mut layout = self.layout.clone();
        let payloads = offered(&shared.config, &self.payloads, &self.video_payloads);
        // A section that is in use cannot be taken out of the session: it rests.
        let wish = shared.video_wish().or(layout.video.map(|_| Direction::Inactive));
        let video = wish.and_then(|direction| {
            let payloads = video_codecs::offered(&shared.config, &self.video_payloads, &payloads);
            (!payloads.is_empty()).then_some(VideoOffer { payloads, direction })
        });
        match &video {
            Some(video) if layout.video.is_none() => self.place_video(&mut layout, video),
            Some(_) => {}
            None => layout.video = None,
        }
        Offer { layout, payloads, direction: shared.wish(), video }
    }

    /// Finds a place for a new video section: that of a refused one, under a new name (RFC 9429 section 5.2.2), or one at
    /// the end.
    fn place_video(&mut self, layout: &mut Layout, video: &VideoOffer) {
        let place = Place {
            media: "video".into(),
            protocol: "UDP/TLS/RTP/SAVPF".into(),
            formats: video.payloads.iter().map(|payload| payload.number.to_string()).collect(),
            mid: Some(self.fresh_name(layout)),
        };
        let position = match layout.places.iter().position(|place| place.media == "video") {
            Some(refused) => {
                layout.places[refused] = place;
                refused
            }
            None => {
                layout.places.push(place);
                layout.places.len() - 1
            }
        };
        layout.video = Some(position);
        // Both share one transport, whatever the other side has written before there was video.
        layout.bundle = true;
        layout.multiplexed = true;
        if layout.places[layout.audio].mid.is_none() {
            layout.places[layout.audio].mid = Some(self.fresh_name(layout));
        }
    }

    /// Keeps what an answer of either side has settled.
    fn settle(&mut self, answer: Offer, audio: NegotiatedAudio) -> Negotiated {
        self.layout = answer.layout;
        self.payloads = answer.payloads;
        let video = answer.video.as_ref().and_then(|video| video_codecs::agreed(&video.payloads, video.direction));
        if let Some(video) = answer.video {
            self.video_payloads = video.payloads;
        }
        Negotiated { audio, video }
    }

    fn fresh_name(&mut self, layout: &Layout) -> String {
        loop {
            self.names = self.names.wrapping_add(1);
            let name = self.names.to_string();
            if layout.places.iter().all(|place| place.mid.as_ref() != Some(&name)) {
                return name;
            }
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
    let offer = state.make_offer(shared);
    let text = describe(shared, &mut state, &facts, &offer, None);
    state.offer = Some(offer);
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
    state.layout = Layout::ours();
    (state.payloads, state.video_payloads) = (Vec::new(), Vec::new());
    let offer = state.make_offer(shared);
    let text = describe(shared, &mut state, &facts, &offer, None);
    state.pending = true;
    state.broken = false;
    state.answer = None;
    state.offer = Some(offer);
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
    let Agreement { certificate, layout, role, fingerprints, ufrag, payloads, video_payloads, facts, agreed } = *before;
    (state.certificate, state.layout, state.role, state.fingerprints) = (certificate, layout, role, fingerprints);
    (state.ufrag, state.payloads, state.video_payloads, state.facts) = (ufrag, payloads, video_payloads, facts);
    (state.pending, state.broken, state.offer, state.answer) = (false, false, None, None);
    shared.agree(agreed, &kept);
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
    let video = remote.video.as_ref().and_then(|theirs| {
        let direction = shared.video_wish()?.intersect(theirs.direction.reversed());
        let payloads = video_codecs::answered(&shared.config, &theirs.payloads, &payloads);
        (!payloads.is_empty()).then_some((theirs.position, VideoOffer { payloads, direction }))
    });
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
    let (position, video) = video.unzip();
    let layout = Layout { video: position, ..remote.layout };
    state.fingerprints = remote.fingerprints;
    state.ufrag = remote.ufrag;
    let answer = Offer { layout, payloads, direction, video };
    let text = describe(shared, &mut state, &facts, &answer, Some(role));
    state.facts = Some(facts);
    let agreed = state.settle(answer, audio);
    shared.agree(agreed, &connection);
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
    let Some(offer) = &state.offer else {
        return Err(MediaError::Transport("there is no offer that this could be the answer to".into()));
    };
    let remote = read(answer, Half::Answer(offer.layout.audio, offer.layout.video))?;
    let was_offered = |payload: &&Payload| offer.payloads.iter().any(|ours| ours.encoding == payload.encoding);
    let payloads: Vec<Payload> = remote.payloads.iter().filter(was_offered).cloned().collect();
    let direction = offer.direction.intersect(remote.direction.reversed());
    let Some(audio) = agreed(&payloads, direction) else {
        return Err(MediaError::Sdp("the answer has no codec of the offer".into()));
    };
    let video = offer.video.as_ref().zip(remote.video.as_ref()).and_then(|(ours, theirs)| {
        let was_offered = |payload: &&VideoPayload| ours.payloads.iter().any(|ours| ours.codec == payload.codec);
        let direction = ours.direction.intersect(theirs.direction.reversed());
        let payloads: Vec<VideoPayload> = theirs.payloads.iter().filter(was_offered).cloned().collect();
        (!payloads.is_empty()).then_some(VideoOffer { payloads, direction })
    });
    let mut layout = offer.layout.clone();
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
    accept_layout(&mut layout, &remote);
    layout.video = layout.video.filter(|_| video.is_some());
    state.fingerprints = remote.fingerprints;
    state.ufrag = remote.ufrag;
    let agreed = state.settle(Offer { layout, payloads, direction, video }, audio);
    shared.agree(agreed, &connection);
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
        video_ssrc: shared.video_ssrc,
        cname: &shared.cname,
        answering,
        instead_of,
    };
    let inlet = Arc::new(WeakInlet(Arc::downgrade(shared)));
    Ok(Arc::new(Connection::build(plan, inlet, shared.wake.clone()).await?))
}

fn describe(shared: &Shared, state: &mut Negotiation, facts: &Facts, what: &Offer, role: Option<Role>) -> String {
    state.version += 1;
    let video = what.video.as_ref().map(|video| VideoLines {
        payloads: &video.payloads,
        direction: video.direction,
        ssrc: shared.video_ssrc,
    });
    Description {
        session: state.session,
        version: state.version,
        layout: &what.layout,
        facts,
        payloads: &what.payloads,
        direction: what.direction,
        role,
        ssrc: shared.ssrc,
        video,
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
