//! Conference rooms over real connections: everybody hears the others, and not himself.

mod leg_common;
mod room_common;

use ewebrtc_media::Room;
use ewebrtc_media::mixer::RoomSettings;
use ewebrtc_media::transport::AudioCodec;
use room_common::{Caller, TONES, assert_tones};

/// What everybody hears for a second.
async fn listen_all(callers: &[Caller]) -> Vec<Vec<i16>> {
    callers.iter().for_each(Caller::skip);
    let mut all = Vec::new();
    for caller in callers {
        all.push(leg_common::hear(&caller.reader, 48_000).await);
    }
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_hear_each_other_and_not_themselves() {
    let room = Room::new(RoomSettings::default(), |_| {}).expect("a room");
    let mut callers = Vec::new();
    for hz in &TONES[..3] {
        callers.push(Caller::call(&room, *hz, AudioCodec::Opus).await);
    }
    leg_common::hear(&callers[0].reader, 24_000).await;
    let heard = listen_all(&callers).await;
    for (caller, heard) in callers.iter().zip(&heard) {
        let others: Vec<f32> = TONES[..3].iter().copied().filter(|hz| *hz != caller.hz).collect();
        assert_tones(&format!("{} Hz", caller.hz), heard, &others, &[caller.hz]);
    }
    println!("{:?}", room.stats());
    for caller in callers {
        caller.leave().await;
    }
}
