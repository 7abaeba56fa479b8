//! Speech from a file, through two legs, into a recording: what arrives is what was said.

mod leg_common;

use std::path::Path;
use std::time::Duration;

use ewebrtc_media::analysis::{read_wav, similarity};
use ewebrtc_media::resample::resample_all;
use ewebrtc_media::transport::AudioCodec;
use ewebrtc_media::{AudioSink, AudioSource, WavRecorder};
use leg_common::{Party, Scratch, call, config, only};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn speech_arrives_as_it_was_said() {
    let speech = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/speech/hello.wav");
    let (said, rate) = read_wav(&speech).expect("the speech file");
    let said = resample_all(&said, rate, 48_000);
    let mut calls = Vec::new();
    for codec in [AudioCodec::Opus, AudioCodec::Pcmu] {
        let (speech, said) = (speech.clone(), said.clone());
        calls.push(tokio::spawn(async move {
            // A machine that is busy with other things delays packets, and what is heard is stretched. Of three attempts one
            // must be good.
            let mut scores = Vec::new();
            while scores.len() < 3 && scores.iter().all(|score| *score <= 0.9) {
                scores.push(score(codec, &speech, &said).await);
            }
            assert!(scores.iter().any(|score| *score > 0.9), "{codec:?}: {scores:?}");
        }));
    }
    for call in calls {
        call.await.expect("each codec carries speech");
    }
}

/// How like what was said is what is heard over a call with this codec.
async fn score(codec: AudioCodec, speech: &Path, said: &[i16]) -> f64 {
    let file = Scratch::new(&format!("speech-{codec:?}.wav"));
    let recorder = WavRecorder::create(&file.0).expect("a recorder");
    let a = config(AudioSource::Wav(speech.to_owned()), AudioSink::Discard);
    let b = config(AudioSource::Silence, AudioSink::Recorder(recorder));
    let (mut a, mut b) = (Party::new(only(codec, a)).await, Party::new(only(codec, b)).await);
    call(&mut a, &mut b).await;
    tokio::time::sleep(Duration::from_millis(said.len() as u64 / 48 + 500)).await;
    let stats = b.leg.stats();
    a.leg.close().await;
    b.leg.close().await;
    let (heard, rate) = read_wav(&file.0).expect("a recording");
    assert_eq!(rate, 48_000);
    let score = similarity(said, &heard, 48_000);
    println!("{codec:?}: {score:.3}, {stats:?}");
    score
}
