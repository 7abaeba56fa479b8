//! The seats of conferences that are in use: tasks of the core become calls of the mixer, its answers become news.
//!
//! Owns: [`Seats`]. Lives on: the gateway's runtime; the map is part of the shell's locked state. Must not import: HTTP.

use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use crate::core::{Id, Input, MixerNews, MixerTask};
use crate::mixer::{MixerFactory, MixerSeat, SeatResult, Soon};
use crate::shell::GatewayState;

/// Longest time the mixer may take for one description; the core's own patience may be shorter.
const PATIENCE: Duration = Duration::from_secs(15);

/// The seats by their ids; `None` while one is being made.
#[derive(Default)]
pub(crate) struct Seats(HashMap<Id, Option<Arc<dyn MixerSeat>>>);

impl Seats {
    /// Carries out a task. What is over by it comes back, to be dropped where no lock is held.
    ///
    /// # Errors
    /// The news that nothing came of it, for the core.
    pub(crate) fn carry_out(
        &mut self,
        state: &GatewayState,
        factory: &Arc<dyn MixerFactory>,
        task: MixerTask,
    ) -> Result<Option<Arc<dyn MixerSeat>>, MixerNews> {
        match task {
            MixerTask::Answer { room, seat, offer } => {
                let made = factory.answer(&room, offer, loss(state, &room, &seat));
                self.make(state, room, seat, made)
            }
            MixerTask::Offer { room, seat } => {
                let made = factory.offer(&room, loss(state, &room, &seat));
                self.make(state, room, seat, made)
            }
            MixerTask::Accept { room, seat, answer } => {
                let failed = MixerNews::Accepted { room: room.clone(), seat: seat.clone(), taken: false };
                let Some(Some(place)) = self.0.get(&seat) else { return Err(failed) };
                let taken = place.accept(answer);
                spawn(state, failed, async move {
                    let taken = in_time("take an answer", taken).await.is_some();
                    MixerNews::Accepted { room, seat, taken }
                })
            }
            MixerTask::Modify { room, seat, offer } => {
                let failed = MixerNews::Described { room: room.clone(), seat: seat.clone(), sdp: None };
                let Some(Some(place)) = self.0.get(&seat) else { return Err(failed) };
                let answer = place.answer_again(offer);
                spawn(state, failed, async move {
                    let sdp = in_time("answer a change", answer).await;
                    MixerNews::Described { room, seat, sdp }
                })
            }
            MixerTask::Leave { seat, .. } => Ok(self.0.remove(&seat).flatten()),
        }
    }

    fn make(
        &mut self,
        state: &GatewayState,
        room: Id,
        seat: Id,
        made: Soon<SeatResult>,
    ) -> Result<Option<Arc<dyn MixerSeat>>, MixerNews> {
        self.0.insert(seat.clone(), None);
        let failed = MixerNews::Described { room: room.clone(), seat: seat.clone(), sdp: None };
        let shell = state.clone();
        spawn(state, failed, async move {
            let sdp = match in_time("make a seat", made).await {
                Some((sdp, place)) => {
                    shell.seat_made(&seat, place.into());
                    Some(sdp)
                }
                None => None,
            };
            MixerNews::Described { room, seat, sdp }
        })
    }

    /// A seat is there. One that is not wanted any more comes back, to be dropped where no lock is held.
    pub(crate) fn keep(&mut self, seat: &Id, place: Arc<dyn MixerSeat>) -> Option<Arc<dyn MixerSeat>> {
        match self.0.get_mut(seat) {
            Some(slot) => slot.replace(place),
            None => Some(place),
        }
    }

    /// Seats in use or being made.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

fn loss(state: &GatewayState, room: &Id, seat: &Id) -> crate::mixer::SeatLost {
    // Weak: a seat must not keep the gateway alive.
    let (state, room, seat) = (state.downgrade(), room.clone(), seat.clone());
    Box::new(move || {
        if let Some(state) = state.upgrade() {
            state.input(Input::Mixer(MixerNews::Lost { room, seat }));
        }
    })
}

/// The outcome of a call of the mixer; `None` when it failed or took too long.
async fn in_time<T>(what: &str, work: Soon<Result<T, String>>) -> Option<T> {
    match tokio::time::timeout(PATIENCE, work).await {
        Ok(Ok(done)) => Some(done),
        Ok(Err(error)) => {
            log::warn!("the mixer could not {what}");
            log::debug!("the mixer could not {what}: {error}");
            None
        }
        Err(_) => {
            log::warn!("the mixer did not {what} in time");
            None
        }
    }
}

/// Lets the news come. Without a runtime to run in, the work has failed.
fn spawn(
    state: &GatewayState,
    failed: MixerNews,
    news: impl Future<Output = MixerNews> + Send + 'static,
) -> Result<Option<Arc<dyn MixerSeat>>, MixerNews> {
    let Ok(runtime) = tokio::runtime::Handle::try_current() else { return Err(failed) };
    let state = state.clone();
    runtime.spawn(async move { state.input(Input::Mixer(news.await)) });
    Ok(None)
}
