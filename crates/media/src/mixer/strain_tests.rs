//! A room on workers that cannot keep up: it gives up quality, says so, and everybody stays.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::time::{Duration, Instant};

use super::*;
use crate::engine::{Engine, Work};

/// Work that needs nearly all of its worker's time, as far as it is asked to.
struct Burden {
    on: Arc<AtomicBool>,
    gone: Arc<AtomicBool>,
    /// The strain that it was told last.
    told: Arc<AtomicU8>,
}

impl Work for Burden {
    fn tick(&mut self, _now: Instant, strain: u8) -> bool {
        self.told.store(strain, Ordering::Relaxed);
        let began = Instant::now();
        while self.on.load(Ordering::Relaxed) && began.elapsed() < Duration::from_millis(12) {
            std::hint::spin_loop();
        }
        !self.gone.load(Ordering::Relaxed)
    }

    fn post(&mut self) {}

    fn abandon(&mut self) {}

    fn legs(&self) -> usize {
        // More than anything else in this process, so that every worker gets one of them.
        1_000
    }
}

#[tokio::test]
async fn a_process_that_cannot_keep_up_says_so_and_keeps_everybody() {
    let engine = Engine::global();
    let room = Room::new(RoomSettings::default(), |_| {}).unwrap();
    let participant = room.join(ParticipantConfig::default(), |_| {}).await.unwrap();
    let before = engine.metrics();
    let (on, gone) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicBool::new(false)));
    let told: Vec<Arc<AtomicU8>> = (0..before.workers).map(|_| Arc::default()).collect();
    for told in &told {
        engine.add(Box::new(Burden { on: on.clone(), gone: gone.clone(), told: told.clone() }));
    }
    let wait = async |what: &str, reached: &dyn Fn() -> bool| {
        let end = Instant::now() + Duration::from_secs(30);
        while !reached() {
            assert!(Instant::now() < end, "in time: {what}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    wait("the room gives up quality", &|| room.stats().quality_step >= 1).await;
    let strained = engine.metrics();
    assert!(strained.quality_step >= 1 && strained.load_percent >= 80, "{strained:?}");
    assert!(strained.quality_drops > before.quality_drops && strained.overruns > before.overruns);
    assert!(told.iter().all(|told| told.load(Ordering::Relaxed) <= crate::MOST_STRAIN));
    assert_eq!(room.stats().participants, 1, "nobody is dropped");
    on.store(false, Ordering::Relaxed);
    wait("quality comes back", &|| room.stats().quality_step == 0).await;
    gone.store(true, Ordering::Relaxed);
    participant.leave().await;
    assert_eq!(room.stats().participants, 0);
}
