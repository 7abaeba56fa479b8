//! What calls cost: CPU per endpoint and memory per call, beside the bare cost of codec and SRTP for the same speech.
//!
//! Phones, gateway and both ends of every call in one process, real UDP over loopback, both sides talking all the time.
//! Each case is a process of its own, so that none measures memory that another has left. Writes `calls.json`.
//! Lives on: the program's own thread; waits on a small runtime. Must not import: the other programs.

mod support;

use ewebrtc::{AnswerOptions, AudioCodec, Call, DialOptions, Gateway, GatewayConfig};
use ewebrtc_media::{Engine, EngineMetrics};
use std::process::ExitCode;
use std::time::{Duration, Instant};
use support::party::Party;
use support::{Failure, Figure, Threads, publish, speech};

/// The encoder's effort in every case, the one that the aims and the figures of other products are given for.
const COMPLEXITY: u8 = 5;
/// From the last call's first audio to the measurement: jitter buffers have found their delay, sources their pace.
const SETTLE: Duration = Duration::from_secs(3);
/// Length of a measurement.
const WINDOW: Duration = Duration::from_secs(10);
/// Measurements of a case until one is valid: the machine may be busy with something else.
const TRIES: usize = 3;
/// Pause between two calls that are set up: 400 handshakes at once are not what is measured here.
const RAMP: Duration = Duration::from_millis(40);
/// Share of the packets that must have arrived.
const ARRIVED: f64 = 0.99;
/// What Opus may cost compared with the bare work, and PCMU as a share of a core, in per cent.
const OPUS_TIMES: f64 = 1.5;
const PCMU_CORE: f64 = 0.35;

/// Growth from 20 to 50 calls that is measuring noise.
const FLAT: f64 = 1.05;

/// The cases: codec and number of calls.
const CASES: [(AudioCodec, usize); 4] =
    [(AudioCodec::Opus, 1), (AudioCodec::Opus, 20), (AudioCodec::Opus, 50), (AudioCodec::Pcmu, 200)];

fn main() -> ExitCode {
    if !support::asked() {
        return ExitCode::SUCCESS;
    }
    let result = match support::argument("case=") {
        Some(number) => case(number.parse().unwrap_or(usize::MAX)),
        None => all(),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("calls: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Runs every case, or the one named by `only=`, in a process of its own and gathers the figures.
fn all() -> Result<(), Failure> {
    speech::long_file()?;
    let only = support::argument("only=").and_then(|number| number.parse::<usize>().ok());
    let mut figures: Vec<Figure> = Vec::new();
    for number in 0..CASES.len() {
        if only.is_some_and(|only| only != number) {
            continue;
        }
        let program = std::env::current_exe()?;
        let output = std::process::Command::new(program)
            .args(["--bench", &format!("case={number}")])
            .stderr(std::process::Stdio::inherit())
            .output()?;
        let text = String::from_utf8(output.stdout)?;
        for line in text.lines() {
            match line.strip_prefix("FIGURE ") {
                Some(figure) => figures.push(serde_json::from_str(figure)?),
                None => println!("{line}"),
            }
        }
        if !output.status.success() {
            return Err(format!("case {number} failed").into());
        }
    }
    figures.extend(flatness(&figures));
    publish("calls", &figures)
}

/// What an endpoint among fifty calls costs beside one among twenty, where both were measured.
fn flatness(figures: &[Figure]) -> Option<Figure> {
    let of = |calls| {
        let name = format!("{}: CPU of an endpoint", title(AudioCodec::Opus, calls));
        figures.iter().find(|figure| figure.name == name)
    };
    let (few, many) = (of(20)?, of(50)?);
    let mut figure = Figure::new("Opus, CPU of an endpoint: 50 calls over 20 calls", many.value / few.value, "times")
        .beside(1.0, "flat")
        .aim(FLAT);
    figure.valid = few.valid && many.valid;
    figure.load = many.load;
    Some(figure)
}

/// One case, in this process.
fn case(number: usize) -> Result<(), Failure> {
    let (codec, calls) = *CASES.get(number).ok_or("there is no such case")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    for figure in runtime.block_on(measure(codec, calls))? {
        println!("FIGURE {}", serde_json::to_string(&figure)?);
    }
    Ok(())
}

/// Both ends of one call.
struct Pair {
    parties: [Party; 2],
    ends: [Call; 2],
}

impl Pair {
    fn received(&self) -> u64 {
        self.ends.iter().filter_map(Call::stats).map(|stats| stats.packets_received).sum()
    }
}

async fn measure(codec: AudioCodec, calls: usize) -> Result<Vec<Figure>, Failure> {
    let gateway = Gateway::start(GatewayConfig::development()).await?;
    let mut waiting = Vec::new();
    for number in 0..calls {
        let login = async |side: &str| {
            Party::login(&gateway, &format!("{side}{number}"), |config| {
                config.opus_complexity = COMPLEXITY;
                config.audio_codecs = vec![codec];
                config.local_media = format!("wav:{}", support::folder().join("speech.wav").display());
            })
            .await
        };
        waiting.push([login("caller").await?, login("callee").await?]);
    }
    tokio::time::sleep(Duration::from_millis(500)).await;

    let before = support::resident_kb();
    let mut pairs: Vec<Pair> = Vec::new();
    for (number, parties) in waiting.into_iter().enumerate() {
        let next = tokio::time::Instant::now() + RAMP;
        pairs.push(connect(parties, number).await?);
        tokio::time::sleep_until(next).await;
    }
    tokio::time::sleep(SETTLE).await;

    let mut window = Window::take(&pairs).await;
    for _ in 1..TRIES {
        if window.fault(codec, calls).is_none() {
            break;
        }
        println!("{}: {}", title(codec, calls), window.fault(codec, calls).unwrap_or_default());
        window = Window::take(&pairs).await;
    }
    let memory = (support::resident_kb() - before) / calls as f64;

    for pair in &pairs {
        pair.ends[0].hangup().await?;
    }
    for pair in pairs {
        for party in pair.parties {
            party.leave().await?;
        }
    }
    gateway.stop().await;

    // As many packets for the floor of few calls as for that of many: about as long to measure.
    let audio = Duration::from_millis((400_000 / (2 * calls as u64)).clamp(4_000, 60_000));
    let floor = speech::floor(codec, COMPLEXITY, 2 * calls, audio)?;
    Ok(window.figures(codec, calls, floor, memory))
}

async fn connect(mut parties: [Party; 2], number: usize) -> Result<Pair, Failure> {
    let [caller, callee] = &mut parties;
    let at_caller = caller.phone.dial(DialOptions::new(format!("callee{number}"))).await?;
    let (incoming, _) = callee.until("call:incoming").await?;
    let at_callee = callee.phone.call(incoming.call().ok_or("a call without a handle")?);
    callee.phone.answer(AnswerOptions::default()).await?;
    caller.until("media:established").await?;
    callee.until("media:established").await?;
    Ok(Pair { parties, ends: [at_caller, at_callee] })
}

/// What was seen in one measurement.
struct Window {
    length: Duration,
    /// CPU of the product, of the file thread that feeds it, and of this program.
    product: Duration,
    feeding: Duration,
    parts: String,
    received: u64,
    clock: EngineMetrics,
    load: f64,
}

impl Window {
    async fn take(pairs: &[Pair]) -> Self {
        let received = || pairs.iter().map(Pair::received).sum::<u64>();
        let (clock, threads, before, began) = (Engine::global().metrics(), Threads::now(), received(), Instant::now());
        tokio::time::sleep(WINDOW).await;
        let (length, after) = (began.elapsed(), received());
        let used = Threads::now().since(&threads);
        let now = Engine::global().metrics();
        let own = |kind: &str| kind.starts_with("calls");
        let feeding = used.get("ewebrtc-files").copied().unwrap_or_default();
        let product = used.iter().filter(|(kind, _)| !own(kind)).map(|(_, time)| *time).sum::<Duration>() - feeding;
        let endpoints = 2.0 * pairs.len() as f64;
        let share = |time: Duration| time.as_secs_f64() / length.as_secs_f64() / endpoints * 100.0;
        let shares = used.iter().map(|(kind, time)| format!("{kind} {:.3}", share(*time)));
        Self {
            length,
            product,
            feeding,
            parts: shares.collect::<Vec<_>>().join(", "),
            received: after - before,
            clock: EngineMetrics {
                overruns: now.overruns - clock.overruns,
                late_wakes: now.late_wakes - clock.late_wakes,
                skipped: now.skipped - clock.skipped,
                ..now
            },
            load: support::load(),
        }
    }

    /// Share of the packets that came.
    fn arrived(&self, calls: usize) -> f64 {
        self.received as f64 / (self.length.as_secs_f64() * 50.0 * 2.0 * calls as f64)
    }

    /// What makes this measurement invalid.
    fn fault(&self, codec: AudioCodec, calls: usize) -> Option<String> {
        let arrived = self.arrived(calls);
        let EngineMetrics { overruns, skipped, longest_tick, .. } = self.clock;
        if overruns + skipped > 0 {
            return Some(format!(
                "the audio clock overran {overruns} times, longest tick {} ms",
                longest_tick.as_millis()
            ));
        }
        (arrived < ARRIVED).then(|| format!("{} packets: {:.1} %", codec.name(), arrived * 100.0))
    }

    fn figures(&self, codec: AudioCodec, calls: usize, floor: f64, memory: f64) -> Vec<Figure> {
        let share = |time: Duration| time.as_secs_f64() / self.length.as_secs_f64() / (2.0 * calls as f64) * 100.0;
        let aim = match codec {
            AudioCodec::Opus => floor * OPUS_TIMES,
            AudioCodec::Pcmu | AudioCodec::Pcma => PCMU_CORE,
        };
        let title = title(codec, calls);
        let fault = self.fault(codec, calls);
        let mut cpu = Figure::new(format!("{title}: CPU of an endpoint"), share(self.product), "% core")
            .beside(floor, "encode + decode + SRTP both ways, bare")
            .aim(aim);
        cpu.load = self.load;
        cpu.valid = fault.is_none();
        cpu.remark = fault.unwrap_or_else(|| {
            let late = self.clock.late_wakes;
            format!(
                "{:.2} x; {:.1} % arrived; {late} late wakes; {}",
                cpu.value / floor,
                self.arrived(calls) * 100.0,
                self.parts
            )
        });
        let feeding = Figure::new(format!("{title}: reading the speech file"), share(self.feeding), "% core");
        let memory = Figure::new(format!("{title}: memory of a call, both ends"), memory, "kB");
        vec![cpu, feeding, memory]
    }
}

fn title(codec: AudioCodec, calls: usize) -> String {
    match codec {
        AudioCodec::Opus => format!("Opus complexity {COMPLEXITY}, {calls} calls"),
        AudioCodec::Pcmu | AudioCodec::Pcma => format!("{}, {calls} calls", codec.name()),
    }
}
