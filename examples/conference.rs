//! What `make demo-conference` runs: a gateway and four phones in one process. Each says a tone of its own, the first one hosts
//! a conference and invites the others, and each records what it hears: the other three tones and not its own.
//!
//! Writes `target/demo/conference-<name>.wav`. Exit status 1 when the conference fails or a recording has another spectrum. Uses
//! the library's public interface, and the media crate only to measure.

use ewebrtc::{ConferenceOptions, Events, Gateway, GatewayConfig, JoinOptions, LoginOptions, Phone, PhoneConfig};
use ewebrtc_media::analysis::{read_wav, tone_level};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Where the recordings go.
const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/demo");

/// Who takes part, and the tone of each in hertz; no one's is a multiple of another's.
const PARTIES: [(&str, u32); 4] = [("alice", 440), ("bob", 590), ("carol", 760), ("dave", 970)];

/// Longest wait for any single event: far beyond what a loaded machine needs.
const PATIENCE: Duration = Duration::from_secs(20);

/// How long everybody talks once all are there.
const TALK: Duration = Duration::from_secs(3);

/// Share of full scale above which a tone is heard, and below which it is not.
const HEARD: f64 = 0.01;
const ABSENT: f64 = 0.003;

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => {
            eprintln!("demo-conference: somebody heard what he should not, or did not hear what he should");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("demo-conference: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<bool, Failure> {
    std::fs::create_dir_all(FOLDER)?;
    let gateway = Gateway::start(GatewayConfig::development()).await?;
    println!("gateway at {}", gateway.url());
    let mut phones = Vec::new();
    for (name, tone) in PARTIES {
        phones.push(Party::new(&gateway, name, tone).await?);
    }
    let mut guests = phones.split_off(1);
    let host = &mut phones[0];
    host.phone.start_conference(ConferenceOptions::default()).await?;
    println!("{} has started a conference", host.name);
    for guest in &mut guests {
        host.phone.add_participant(guest.name).await?;
        guest.until("conference:invitation-received").await?;
        guest.phone.join_conference(JoinOptions::default()).await?;
        host.until("conference:invitation-accepted").await?;
        println!("{} has joined", guest.name);
    }
    tokio::time::sleep(TALK).await;
    host.phone.end_conference().await?;
    for party in phones.into_iter().chain(guests) {
        party.leave().await?;
    }
    gateway.stop().await;

    let mut good = true;
    for (name, own) in PARTIES {
        let (samples, rate) = read_wav(Path::new(&recording(name)))?;
        // The end of it, when all were there.
        let end =
            &samples[samples.len().saturating_sub(2 * rate as usize)..samples.len().saturating_sub(rate as usize / 2)];
        let mut line = format!("demo-conference: {name} heard");
        for (other, tone) in PARTIES {
            let level = tone_level(end, rate, f64::from(tone));
            good &= if tone == own { level < ABSENT } else { level > HEARD };
            line.push_str(&format!(" {other} {level:.3}"));
        }
        println!("{line}");
    }
    Ok(good)
}

fn recording(name: &str) -> String {
    format!("{FOLDER}/conference-{name}.wav")
}

/// A phone, and what its owner sees of it.
struct Party {
    name: &'static str,
    phone: Phone,
    events: Events,
}

impl Party {
    async fn new(gateway: &Gateway, name: &'static str, tone: u32) -> Result<Self, Failure> {
        let mut config = PhoneConfig::new(gateway.url());
        config.local_media = format!("tone:{tone}");
        config.remote_media = format!("wav:{}", recording(name));
        let phone = Phone::new(config)?;
        let events = phone.events();
        phone.login(LoginOptions::new(gateway.dev_token(name).await?.access_token)).await?;
        Ok(Self { name, phone, events })
    }

    /// Waits for the next event of this name.
    async fn until(&mut self, wanted: &str) -> Result<(), Failure> {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            let event = tokio::time::timeout_at(deadline, self.events.next())
                .await
                .map_err(|_| format!("{}: no {wanted} within {} s", self.name, PATIENCE.as_secs()))?
                .ok_or_else(|| format!("{}: the phone closed before {wanted}", self.name))?;
            if event.name() == wanted {
                return Ok(());
            }
        }
    }

    /// Logs out and closes the phone; its recording is complete then.
    async fn leave(self) -> Result<(), Failure> {
        self.phone.logout().await?;
        self.phone.close();
        self.phone.closed().await;
        Ok(())
    }
}
