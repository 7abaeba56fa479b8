//! The seam between the gateway and the mixer of conferences.
//!
//! Owns: [`MixerFactory`] and [`MixerSeat`], and their real implementation [`MediaMixer`]. Lives on: the tokio runtime of the
//! gateway. Must not import: the core, HTTP.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use ewebrtc_media::transport::IceConfig;
use ewebrtc_media::{LegEvent, Participant, ParticipantConfig, Room, RoomSettings};

/// What will be there some time.
pub type Soon<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Called once when the connection of a seat is lost for good.
pub type SeatLost = Box<dyn FnOnce() + Send + Sync>;

/// A new seat: its description, an answer or an offer, and the seat itself, or why there is none.
pub type SeatResult = Result<(String, Box<dyn MixerSeat>), String>;

/// A participant's place in a room: a connection that hears all the others. Dropping it closes the connection.
pub trait MixerSeat: Send + Sync + 'static {
    /// Takes the participant's answer to the seat's offer. Called inside the gateway's runtime; must not block. A time limit
    /// is set by the gateway.
    fn accept(&self, answer: String) -> Soon<Result<(), String>>;
    /// Answers a later offer: hold, resume, another connection. Called as [`MixerSeat::accept`].
    fn answer_again(&self, offer: String) -> Soon<Result<String, String>>;
}

/// Makes seats. A room begins with its first seat and ends with its last one.
pub trait MixerFactory: Send + Sync + 'static {
    /// A seat in the room of this name for whoever made this offer. Called inside the gateway's runtime; must not block. A
    /// time limit is set by the gateway.
    fn answer(&self, room: &str, offer: String, lost: SeatLost) -> Soon<SeatResult>;
    /// A seat in the room of this name, with an offer. Called as [`MixerFactory::answer`].
    fn offer(&self, room: &str, lost: SeatLost) -> Soon<SeatResult>;
}

/// The mixer of `ewebrtc_media`: real peer connections and codecs. Clones share their rooms.
#[derive(Clone, Default)]
pub struct MediaMixer {
    /// How its connections find their way.
    pub ice: IceConfig,
    /// How rooms mix.
    pub settings: RoomSettings,
    rooms: Rooms,
}

/// Rooms by name, as long as somebody is in them.
type Rooms = Arc<Mutex<HashMap<String, Weak<Held>>>>;

/// A room that is in use; its seats hold it.
struct Held {
    name: String,
    room: Room,
    rooms: Rooms,
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut rooms = self.rooms.lock().unwrap_or_else(PoisonError::into_inner);
        // A new room of the same name may have begun already.
        if rooms.get(&self.name).is_some_and(|held| held.strong_count() == 0) {
            rooms.remove(&self.name);
        }
    }
}

struct Seat {
    participant: Participant,
    /// Keeps the room.
    _room: Arc<Held>,
}

impl MixerSeat for Seat {
    fn accept(&self, answer: String) -> Soon<Result<(), String>> {
        let participant = self.participant.clone();
        Box::pin(async move { participant.apply_answer(&answer).await.map_err(|error| error.to_string()) })
    }

    fn answer_again(&self, offer: String) -> Soon<Result<String, String>> {
        let participant = self.participant.clone();
        Box::pin(async move { participant.answer_offer(&offer).await.map_err(|error| error.to_string()) })
    }
}

impl MediaMixer {
    /// A mixer with these settings.
    #[must_use]
    pub fn new(ice: IceConfig, settings: RoomSettings) -> Self {
        Self { ice, settings, rooms: Rooms::default() }
    }

    fn room(&self, name: &str) -> Result<Arc<Held>, String> {
        let mut rooms = self.rooms.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(held) = rooms.get(name).and_then(Weak::upgrade) {
            return Ok(held);
        }
        let room = Room::new(self.settings.clone(), |_| {}).map_err(|error| error.to_string())?;
        let held = Arc::new(Held { name: name.to_owned(), room, rooms: self.rooms.clone() });
        rooms.insert(name.to_owned(), Arc::downgrade(&held));
        Ok(held)
    }

    fn seat(&self, room: &str, lost: SeatLost) -> Soon<Result<Seat, String>> {
        let (room, ice) = (self.room(room), self.ice.clone());
        Box::pin(async move {
            let room = room?;
            let lost = Mutex::new(Some(lost));
            let events = move |event| {
                if let LegEvent::Failed(_) = event
                    && let Some(lost) = lost.lock().unwrap_or_else(PoisonError::into_inner).take()
                {
                    lost();
                }
            };
            let config = ParticipantConfig { ice, ..ParticipantConfig::default() };
            let participant = room.room.join(config, events).await.map_err(|error| error.to_string())?;
            Ok(Seat { participant, _room: room })
        })
    }
}

impl MixerFactory for MediaMixer {
    fn answer(&self, room: &str, offer: String, lost: SeatLost) -> Soon<SeatResult> {
        let seat = self.seat(room, lost);
        Box::pin(async move {
            let seat = seat.await?;
            let answer = seat.participant.answer_offer(&offer).await.map_err(|error| error.to_string())?;
            Ok((answer, Box::new(seat) as Box<dyn MixerSeat>))
        })
    }

    fn offer(&self, room: &str, lost: SeatLost) -> Soon<SeatResult> {
        let seat = self.seat(room, lost);
        Box::pin(async move {
            let seat = seat.await?;
            let offer = seat.participant.create_offer().await.map_err(|error| error.to_string())?;
            Ok((offer, Box::new(seat) as Box<dyn MixerSeat>))
        })
    }
}
