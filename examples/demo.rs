//! What `make demo` runs: a gateway and two phones in one process; Alice calls Bob, speaks a sentence from a WAV file, and
//! Bob records what arrives. Prints the events of both as they happen and ends with one line of figures.
//!
//! Writes `target/demo/received.wav`, `alice.jsonl` and `bob.jsonl`. Exit status 1 when the call fails or the recording
//! is not like the speech (below 0.9). Uses the library's public interface, and the media crate only to measure.

use ewebrtc::{DialOptions, Event, Events, Gateway, GatewayConfig, LoginOptions, Phone, PhoneConfig};
use ewebrtc_media::LegStats;
use ewebrtc_media::analysis::{read_wav, rms, similarity};
use ewebrtc_media::resample::resample_all;
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// What Alice says (examples/speech/README.md).
const SPEECH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/speech/hello.wav");

/// Where everything is written.
const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/demo");

/// Longest wait for any single event: far beyond what a loaded machine needs.
const PATIENCE: Duration = Duration::from_secs(20);

/// Below this the recording is not the speech.
const ALIKE: f64 = 0.9;

/// Frames louder than this count as speech: −50 dBFS, well above what a codec makes of silence.
const SPEECH_LEVEL: f64 = 0.003;

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(figures) => {
            println!(
                "demo: connected in {} ms, media in {} ms, {:.1} s of speech received, similarity {:.3}",
                figures.connected.as_millis(),
                figures.media.as_millis(),
                figures.speech.as_secs_f64(),
                figures.similarity
            );
            if figures.similarity < ALIKE {
                eprintln!(
                    "demo: the recording is not like the speech: similarity below {ALIKE}; Bob's leg: {:?}",
                    figures.leg
                );
                return ExitCode::FAILURE;
            }
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("demo: {error}");
            ExitCode::FAILURE
        }
    }
}

/// What the last line says.
struct Figures {
    /// From dial() to Alice's `call:connected`.
    connected: Duration,
    /// From dial() to Bob's `media:established`, which he raises when the first packet was decoded.
    media: Duration,
    /// From the first to the last frame of the recording that contains speech.
    speech: Duration,
    /// Likeness of the recording to the speech, 0 to 1.
    similarity: f64,
    /// What Bob's end of the media went through, to explain a bad likeness.
    leg: Option<LegStats>,
}

async fn run() -> Result<Figures, Failure> {
    std::fs::create_dir_all(FOLDER)?;
    let received = format!("{FOLDER}/received.wav");
    let (speech, speech_rate) = read_wav(Path::new(SPEECH))?;
    let speech_length = Duration::from_secs_f64(speech.len() as f64 / f64::from(speech_rate));

    let gateway = Gateway::start(GatewayConfig::development()).await?;
    println!("gateway at {}", gateway.url());

    let began = Instant::now();
    let mut alice = Party::new("alice", &gateway, began, |config| config.local_media = format!("wav:{SPEECH}")).await?;
    let mut bob = Party::new("bob", &gateway, began, |config| config.remote_media = format!("wav:{received}")).await?;

    let dialled = Instant::now();
    let call = alice.phone.dial(DialOptions::new("bob")).await?;
    let incoming = bob.until("call:incoming").await?;
    let at_bob = incoming.call().map(|handle| bob.phone.call(handle));
    let answered = tokio::spawn({
        let bob = bob.phone.clone();
        async move { bob.answer(Default::default()).await }
    });
    alice.until("call:connected").await?;
    let connected = alice.moment("call:connected");
    bob.until("media:established").await?;
    let media = bob.moment("media:established");
    answered.await??;

    // The file plays once from the connection on; half a second more lets the last words travel.
    tokio::time::sleep_until((connected + speech_length + Duration::from_millis(500)).into()).await;
    let leg = at_bob.and_then(|call| call.stats());
    call.hangup().await?;
    bob.until("call:disconnected").await?;

    alice.leave().await?;
    bob.leave().await?;
    gateway.stop().await;

    let (heard, heard_rate) = read_wav(Path::new(&received))?;
    println!("wrote {received}");
    let speech = resample_all(&speech, speech_rate, heard_rate);
    Ok(Figures {
        connected: connected - dialled,
        media: media - dialled,
        speech: spoken(&heard, heard_rate),
        similarity: similarity(&speech, &heard, heard_rate),
        leg,
    })
}

/// A phone, and what its owner sees of it.
struct Party {
    name: &'static str,
    phone: Phone,
    events: Events,
    times: Arc<Mutex<Vec<(&'static str, Instant)>>>,
}

impl Party {
    /// Makes a phone, shows and records its events, and logs it in.
    async fn new(
        name: &'static str,
        gateway: &Gateway,
        began: Instant,
        adjust: impl FnOnce(&mut PhoneConfig),
    ) -> Result<Self, Failure> {
        let mut config = PhoneConfig::new(gateway.url());
        adjust(&mut config);
        let phone = Phone::new(config)?;
        let times = Arc::new(Mutex::new(Vec::new()));
        let log = Mutex::new(File::create(format!("{FOLDER}/{name}.jsonl"))?);
        let seen = times.clone();
        // On the phone's own thread, at the moment an event happens.
        phone.on_any(move |event| {
            let now = Instant::now();
            seen.lock().unwrap_or_else(PoisonError::into_inner).push((event.name(), now));
            println!("{:7.3} s  {name:<6} {}", (now - began).as_secs_f64(), describe(event));
            if let Err(error) = writeln!(log.lock().unwrap_or_else(PoisonError::into_inner), "{}", event.to_json()) {
                eprintln!("demo: {name}.jsonl: {error}");
            }
        });
        let events = phone.events();
        let token = gateway.dev_token(name).await?.access_token;
        phone.login(LoginOptions::new(token)).await?;
        Ok(Self { name, phone, events, times })
    }

    /// Waits for the next event of this name.
    async fn until(&mut self, wanted: &str) -> Result<Event, Failure> {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            let event = tokio::time::timeout_at(deadline, self.events.next())
                .await
                .map_err(|_| format!("{}: no {wanted} within {} s", self.name, PATIENCE.as_secs()))?
                .ok_or_else(|| format!("{}: the phone closed before {wanted}", self.name))?;
            if event.name() == wanted {
                return Ok(event);
            }
            if event.name() == "error" || event.name() == "call:rejected" || event.name() == "call:disconnected" {
                return Err(format!("{}: {} while waiting for {wanted}", self.name, describe(&event)).into());
            }
        }
    }

    /// When the first event of this name was delivered.
    fn moment(&self, wanted: &str) -> Instant {
        let times = self.times.lock().unwrap_or_else(PoisonError::into_inner);
        times.iter().find(|(name, _)| *name == wanted).map_or_else(Instant::now, |(_, time)| *time)
    }

    /// Logs out and closes the phone; its recording is complete then.
    async fn leave(self) -> Result<(), Failure> {
        self.phone.logout().await?;
        self.phone.close();
        self.phone.closed().await;
        Ok(())
    }
}

/// An event in a few words: its name and the properties a reader looks for first.
fn describe(event: &Event) -> String {
    let mut line = format!("{:<20}", event.name());
    for name in ["from", "to", "mediaType", "oldState", "newState", "message", "ErrorCode", "ErrorMessage", "sessionId"]
    {
        if let Some(value) = event.text(name) {
            line.push_str(&format!(" {name}={value}"));
        }
    }
    line.trim_end().to_owned()
}

/// The time from the first to the last frame (20 ms) that is louder than silence.
fn spoken(samples: &[i16], rate: u32) -> Duration {
    let frame = (rate / 50).max(1) as usize;
    let loud = |(_, frame): &(usize, &[i16])| rms(frame) > SPEECH_LEVEL;
    let mut frames = samples.chunks(frame).enumerate();
    let first = frames.find(loud).map(|(at, _)| at);
    let last = frames.rfind(loud).map(|(at, _)| at);
    match (first, last) {
        (Some(first), Some(last)) => Duration::from_millis(20 * (last - first + 1) as u64),
        (Some(_), None) => Duration::from_millis(20),
        _ => Duration::ZERO,
    }
}
