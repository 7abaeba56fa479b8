//! Callers of a conference room: each a leg of its own with a tone of its own, connected over loopback.
#![allow(dead_code)]

use ewebrtc_media::analysis::tone_level;
use ewebrtc_media::mixer::{Participant, ParticipantConfig, Room};
use ewebrtc_media::transport::AudioCodec;
use ewebrtc_media::{AudioSink, AudioSource, LegConfig, LegEvent, PcmReader, pcm_sink};
use tokio::sync::mpsc;

use crate::leg_common::{Party, config, hear};

pub mod relay;

/// What a tone source sends, as a share of full scale.
pub const TONE: f64 = 0.25;

/// Tones that are no harmonics of each other and lie within the telephone's band.
pub const TONES: [f32; 8] = [430.0, 610.0, 790.0, 1_030.0, 1_370.0, 1_730.0, 2_170.0, 2_690.0];

/// Somebody who calls a room.
pub struct Caller {
    pub party: Party,
    pub member: Participant,
    pub events: mpsc::UnboundedReceiver<LegEvent>,
    pub reader: PcmReader,
    pub hz: f32,
}

pub fn joining() -> ParticipantConfig {
    let LegConfig { ice, .. } = config(AudioSource::Silence, AudioSink::Discard);
    ParticipantConfig { ice, ..ParticipantConfig::default() }
}

impl Caller {
    /// Calls the room with a tone (silence for 0 Hz) and returns when both sides have heard something.
    pub async fn call(room: &Room, hz: f32, codec: AudioCodec) -> Caller {
        let mut caller = Caller::prepare(room, hz, codec).await;
        let offer = caller.party.leg.create_offer().await.expect("an offer");
        let answer = caller.member.answer_offer(&offer).await.expect("an answer");
        caller.party.leg.apply_answer(&answer).await.expect("the answer is accepted");
        caller.connected().await;
        caller
    }

    /// Makes both ends.
    pub async fn prepare(room: &Room, hz: f32, codec: AudioCodec) -> Caller {
        let (sink, reader) = pcm_sink(48_000, 30_000);
        let source = if hz > 0.0 { AudioSource::Tone { hz } } else { AudioSource::Silence };
        let config = LegConfig { audio_codecs: vec![codec], ..config(source, AudioSink::Pcm(sink)) };
        let party = Party::new(config).await;
        let (sender, events) = mpsc::unbounded_channel();
        let member = room
            .join(joining(), move |event| {
                let _ = sender.send(event);
            })
            .await
            .expect("a participant");
        Caller { party, member, events, reader, hz }
    }

    /// Waits until both sides have heard something, and lets the caller talk and listen.
    pub async fn connected(&mut self) {
        self.party.expect(&LegEvent::FirstAudio).await;
        self.expect(&LegEvent::FirstAudio).await;
        self.party.leg.activate();
    }

    /// Waits for an event of the participant.
    pub async fn expect(&mut self, wanted: &LegEvent) {
        let wait = async {
            while let Some(event) = self.events.recv().await {
                if event == *wanted {
                    return true;
                }
            }
            false
        };
        assert!(tokio::time::timeout(crate::leg_common::PATIENCE, wait).await.expect("in time"), "{wanted:?} comes");
    }

    /// Forgets what was heard so far, and then hears for so many milliseconds.
    pub async fn listen(&self, ms: usize) -> Vec<i16> {
        self.skip();
        hear(&self.reader, ms * 48).await
    }

    /// Forgets what was heard so far.
    pub fn skip(&self) {
        while self.reader.read(&mut [0; 4_800]) > 0 {}
    }

    pub async fn leave(self) {
        tokio::join!(self.party.leg.close(), self.member.leave());
    }
}

/// Level of a tone in pieces of 100 ms, the middle one of them: a jitter buffer that shifts the time once does not matter.
pub fn usual_level(heard: &[i16], hz: f32) -> f64 {
    let mut levels: Vec<f64> =
        heard.chunks_exact(4_800).map(|piece| tone_level(piece, 48_000, f64::from(hz))).collect();
    levels.sort_by(f64::total_cmp);
    levels[levels.len() / 2]
}

/// Asserts that a recording has the tones of these and not those of others.
pub fn assert_tones(who: &str, heard: &[i16], present: &[f32], absent: &[f32]) {
    for hz in present {
        let level = usual_level(heard, *hz);
        assert!((level / TONE - 1.0).abs() < 0.35, "{who} hears {hz} Hz with {level}");
    }
    for hz in absent {
        let level = tone_level(heard, 48_000, f64::from(*hz));
        assert!(level < 0.005, "{who} must not hear {hz} Hz, but does with {level}");
    }
}
