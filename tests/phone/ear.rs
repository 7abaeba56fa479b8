//! What a party of a call hears, told by the frequency of the others' tones.
//!
//! Owns: [`Ear`], and the parties that have one. Must not import: anything but the party.

use crate::party::{PATIENCE, Party};
use ewebrtc::{AnswerOptions, Call, Error, Gateway, PcmReader};
use ewebrtc_media::analysis::{rms, tone_level};
use std::time::{Duration, Instant};

/// A quarter of a second at 48 kHz.
const WINDOW: usize = 12_000;

/// What is heard in one call.
pub struct Ear {
    reader: PcmReader,
}

impl Ear {
    pub fn of(call: &Call) -> Self {
        Self { reader: call.pcm_reader().expect("remoteMedia pcm") }
    }

    /// Takes everything heard so far, and gives the next whole window.
    async fn window(&self) -> Vec<i16> {
        let mut chunk = [0; 4_800];
        while self.reader.read(&mut chunk) > 0 {}
        let mut heard = Vec::new();
        while heard.len() < WINDOW {
            let count = self.reader.read(&mut chunk);
            heard.extend_from_slice(&chunk[..count]);
            if count == 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
        heard.truncate(WINDOW);
        heard
    }

    /// Waits until a whole window is as `wanted` says.
    pub async fn until(&self, what: &str, wanted: impl Fn(&[i16]) -> bool) {
        let end = Instant::now() + PATIENCE;
        loop {
            let window =
                tokio::time::timeout(PATIENCE, self.window()).await.unwrap_or_else(|_| panic!("{what}: no samples"));
            if wanted(&window) {
                return;
            }
            assert!(Instant::now() < end, "{what}: level {}", rms(&window));
        }
    }

    /// Waits until this tone is heard.
    pub async fn hears(&self, hz: f64) {
        self.until(&format!("{hz} Hz"), |heard| tone_level(heard, 48_000, hz) > 0.05).await;
    }

    /// Nothing is heard, and in the half second after that there is nothing either.
    pub async fn hears_nothing(&self) {
        let silent = |heard: &[i16]| rms(heard) < 0.001;
        self.until("silence", silent).await;
        for _ in 0..2 {
            let window = self.window().await;
            assert!(silent(&window), "a held party hears something: {}", rms(&window));
        }
    }
}

/// A phone of this user that says a tone.
pub async fn talker(gateway: &Gateway, user: &str, hz: u32) -> Party {
    Party::login_with(gateway, user, |config| {
        config.opus_complexity = 5;
        config.local_media = format!("tone:{hz}");
        config.remote_media = "pcm".into();
    })
    .await
}

/// The callee answers what the caller has just dialled; both have media. The call at the callee.
pub async fn answered(caller: &mut Party, callee: &mut Party) -> Call {
    let incoming = callee.until("call:incoming").await.call().expect("a handle");
    callee.phone.answer(AnswerOptions::default()).await.expect("answer");
    caller.until("media:established").await;
    callee.until("media:established").await;
    callee.phone.call(incoming)
}

/// Makes a change as soon as the one before it has ended on this side, too: until then it is refused with the method's code
/// for a wrong state.
pub async fn once_free<F: Future<Output = Result<(), Error>>>(change: impl Fn() -> F) {
    let end = Instant::now() + PATIENCE;
    loop {
        match change().await {
            Ok(()) => return,
            Err(Error::Phone(error)) if ["2503", "2603"].contains(&error.error_code.as_str()) => {
                assert!(Instant::now() < end, "{error:?}");
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            Err(error) => panic!("{error}"),
        }
    }
}
