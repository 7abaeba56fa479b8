//! What the measuring programs share: figures with their baseline and aim, the machine, the cost of threads, percentiles.
//!
//! Owns: the form of `target/bench/*.json` and of the table. Lives on: the program's own thread. Reads Linux's `/proc`.
//! Must not import: the other programs.

// Each program uses its own part of this file.
#![allow(dead_code)]

pub mod party;
pub mod speech;
pub mod wire;

use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;

/// What goes wrong in a program here ends it.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Whether this is a measurement: `cargo test --all-targets` starts the same programs without this argument.
pub fn asked() -> bool {
    std::env::args().any(|argument| argument == "--bench")
}

/// The argument that begins with `prefix`, without it.
pub fn argument(prefix: &str) -> Option<String> {
    std::env::args().find_map(|argument| argument.strip_prefix(prefix).map(str::to_owned))
}

/// Where everything is written.
pub fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target/bench")
}

/// One measured value beside what it is compared with.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct Figure {
    /// What was measured.
    pub name: String,
    /// The value.
    pub value: f64,
    /// Its unit.
    pub unit: String,
    /// The value of the same run that it stands beside, if there is one.
    pub baseline: Option<f64>,
    /// What the baseline is.
    pub beside: String,
    /// The value aimed at, at most.
    pub aim: Option<f64>,
    /// False: something happened that makes the value meaningless; `remark` says what.
    pub valid: bool,
    /// What the reader should know.
    pub remark: String,
    /// Load average over the last minute when the value was taken.
    pub load: f64,
}

impl Figure {
    /// A value without baseline and aim.
    pub fn new(name: impl Into<String>, value: f64, unit: &str) -> Self {
        Self {
            name: name.into(),
            value,
            unit: unit.into(),
            baseline: None,
            beside: String::new(),
            aim: None,
            valid: true,
            remark: String::new(),
            load: load(),
        }
    }

    /// Puts a baseline beside it.
    #[must_use]
    pub fn beside(mut self, baseline: f64, what: &str) -> Self {
        self.baseline = Some(baseline);
        self.beside = what.into();
        self
    }

    /// Says what it should be at most.
    #[must_use]
    pub fn aim(mut self, most: f64) -> Self {
        self.aim = Some(most);
        self
    }

    fn verdict(&self) -> &'static str {
        match self.aim {
            _ if !self.valid => "INVALID",
            Some(aim) if self.value <= aim => "met",
            Some(_) => "MISSED",
            None => "",
        }
    }

    fn row(&self) -> String {
        let baseline = self.baseline.map_or(String::new(), |b| format!("{b:.3}"));
        let aim = self.aim.map_or(String::new(), |a| format!("{a:.3}"));
        let (name, value, unit) = (&self.name, self.value, &self.unit);
        let (load, verdict, beside) = (self.load, self.verdict(), &self.beside);
        let remark = if self.remark.is_empty() { String::new() } else { format!("  [{}]", self.remark) };
        format!("{name:<50} {value:>9.3} {unit:<9} {baseline:>9} {aim:>8} {verdict:<7} {load:>5.2}  {beside}{remark}")
    }
}

/// Prints the figures as a table, appends it to `summary.txt`, and writes `<name>.json`.
///
/// # Errors
/// A file cannot be written.
pub fn publish(name: &str, figures: &[Figure]) -> Result<(), Failure> {
    let mut table = format!(
        "{:<50} {:>9} {:<9} {:>9} {:>8} {:<7} {:>5}  baseline is\n",
        format!("-- {name}"),
        "value",
        "unit",
        "baseline",
        "aim",
        "",
        "load"
    );
    for figure in figures {
        table += &figure.row();
        table.push('\n');
    }
    print!("{table}");
    std::fs::create_dir_all(folder())?;
    let mut summary = std::fs::File::options().create(true).append(true).open(folder().join("summary.txt"))?;
    writeln!(summary, "{table}")?;
    let page = json!({"bench": name, "machine": machine(), "figures": figures});
    std::fs::write(folder().join(format!("{name}.json")), serde_json::to_string_pretty(&page)? + "\n")?;
    Ok(())
}

/// What the figures were taken on.
pub fn machine() -> Value {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let field = |text: &str, name: &str| -> String {
        let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_default();
        line.split_once(':').map_or("", |(_, value)| value).trim().to_owned()
    };
    json!({
        "processor": field(&read("/proc/cpuinfo"), "model name"),
        "cores": std::thread::available_parallelism().map_or(0, usize::from),
        "memory": field(&read("/proc/meminfo"), "MemTotal"),
        "kernel": read("/proc/sys/kernel/osrelease").trim(),
        "profile": if cfg!(debug_assertions) { "debug" } else { "release" },
    })
}

/// Load average over the last minute.
pub fn load() -> f64 {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().next().and_then(|first| first.parse().ok()).unwrap_or(f64::NAN)
}

/// Memory of this process that is resident, in kB.
pub fn resident_kb() -> f64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with("VmRSS:")).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).unwrap_or(f64::NAN)
}

/// CPU time of the calling thread, by the scheduler's own clock in nanoseconds.
pub fn thread_time() -> Duration {
    on_cpu("/proc/thread-self/schedstat").unwrap_or_default()
}

fn on_cpu(path: &str) -> Option<Duration> {
    let text = std::fs::read_to_string(path).ok()?;
    text.split_whitespace().next()?.parse().ok().map(Duration::from_nanos)
}

/// CPU time of every thread of this process, by the thread's number.
pub struct Threads(BTreeMap<u32, (String, Duration)>);

impl Threads {
    /// As it is now.
    pub fn now() -> Self {
        let mut threads = BTreeMap::new();
        for entry in std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten() {
            let Some(number) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
            let place = entry.path();
            let name = std::fs::read_to_string(place.join("comm")).unwrap_or_default().trim().to_owned();
            if let Some(time) = place.join("schedstat").to_str().and_then(on_cpu) {
                threads.insert(number, (name, time));
            }
        }
        Self(threads)
    }

    /// What each kind of thread has used since `earlier`; threads that differ by a final number are one kind.
    pub fn since(&self, earlier: &Self) -> BTreeMap<String, Duration> {
        let mut used = BTreeMap::new();
        for (number, (name, time)) in &self.0 {
            let before = earlier.0.get(number).map_or(Duration::ZERO, |(_, before)| *before);
            let kind = name.trim_end_matches(|letter: char| letter.is_ascii_digit()).trim_end_matches('-');
            *used.entry(kind.to_owned()).or_insert(Duration::ZERO) += time.saturating_sub(before);
        }
        used
    }
}

/// Milliseconds with their fractions.
pub fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// The value below which `percent` of `values` lie (nearest rank).
pub fn percentile(values: &[f64], percent: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank = (percent / 100.0 * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.clamp(1, sorted.len().max(1)) - 1).copied().unwrap_or(f64::NAN)
}
