//! The program `ewebrtc-gateway`.
//!
//! Owns: options, signals, where logs go. Lives on: the main thread and a tokio runtime. Must not import: anything but the
//! library's public functions.
//!
//! Its only line on standard output is `listening on http://…`; logs go to standard error. Exit status: 0 after SIGTERM,
//! SIGINT or `--help`, 1 when it cannot listen, 2 on bad usage.

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

use ewebrtc_gateway::{Gateway, GatewayConfig, GatewayError};

const HELP: &str = "\
The gateway of ewebrtc: phones log in to it and call each other through it.

Usage: ewebrtc-gateway --dev [options]

  --dev                  development mode: POST /dev/tokens {\"user\":\"alice\"} gives anybody a token of any name.
                         Required: this version has no other accounts yet.
  --listen ADDRESS:PORT  where to listen; port 0 takes a free one       [127.0.0.1:8080]
  --domain NAME          domain of the accounts                         [ewebrtc.local]
  --session-seconds N    lifetime of a session without a refresh        [3600]
  --ring-seconds N       how long an unanswered call rings              [60]
  --poll-seconds N       how long a poll for events is held, 1 to 35    [25]
  --ping-seconds N       how often a WebSocket is pinged               [20]
  --lost-seconds N       a session whose events nobody has asked for so long has lost its phone: its calls end and the
                         other parties are told                         [45]
  --ringback             callers hear a ringback tone of the gateway until the answer (early media); the audio of such a
                         call goes through the gateway. Not for calls with video
  --help                 this text

The only line on standard output is `listening on http://ADDRESS:PORT`. Logs go to standard error; RUST_LOG chooses them
(for example RUST_LOG=debug). SIGTERM and SIGINT end the program within 5 seconds with status 0.

Every user NAME can be called as NAME@DOMAIN or by its name alone; `echo` answers and sends the caller's voice back,
and all who call the same `room-NAME` hear each other.";

/// What the command line asks for.
enum Wish {
    Help,
    Run(Box<GatewayConfig>),
}

/// The number after an option; lexopt's own errors do not say after which.
fn number(parser: &mut lexopt::Parser, option: &str) -> Result<u64, lexopt::Error> {
    let text = parser.value()?.to_string_lossy().into_owned();
    text.parse().map_err(|_| format!("{option} wants a number of seconds, not {text:?}").into())
}

fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Wish, lexopt::Error> {
    use lexopt::prelude::{Long, Short, ValueExt};
    let mut config = GatewayConfig { listen: "127.0.0.1:8080".into(), ..GatewayConfig::default() };
    let mut parser = lexopt::Parser::from_args(arguments);
    while let Some(argument) = parser.next()? {
        match argument {
            Short('h') | Long("help") => return Ok(Wish::Help),
            Long("dev") => config.dev = true,
            Long("ringback") => config.ringback = true,
            Long("listen") => config.listen = parser.value()?.string()?,
            Long("domain") => config.domain = parser.value()?.string()?,
            Long("session-seconds") => config.session_seconds = number(&mut parser, "--session-seconds")?,
            Long("ring-seconds") => config.ring_seconds = number(&mut parser, "--ring-seconds")?,
            Long("poll-seconds") => config.poll_seconds = number(&mut parser, "--poll-seconds")?,
            Long("ping-seconds") => config.ping_seconds = number(&mut parser, "--ping-seconds")?,
            Long("lost-seconds") => config.lost_seconds = number(&mut parser, "--lost-seconds")?,
            other => return Err(other.unexpected()),
        }
    }
    Ok(Wish::Run(Box::new(config)))
}

fn usage(fault: &dyn std::fmt::Display) -> ExitCode {
    eprintln!("ewebrtc-gateway: {fault}\nTry `ewebrtc-gateway --help`.");
    ExitCode::from(2)
}

fn main() -> ExitCode {
    // The media crates log every connectivity check; they are heard only when asked for.
    let filters = std::env::var("RUST_LOG").unwrap_or_default();
    env_logger::Builder::new().parse_filters(&format!("info,webrtc=off,rtc=off,{filters}")).init();
    let config = match parse(std::env::args_os().skip(1)) {
        Ok(Wish::Run(config)) => *config,
        Ok(Wish::Help) => {
            let _ = writeln!(std::io::stdout(), "{HELP}");
            return ExitCode::SUCCESS;
        }
        Err(fault) => return usage(&fault),
    };
    // Setting up the connection of an echo or an anchor moves large values over the stack (8 MiB, taken only where touched).
    let runtime = match tokio::runtime::Builder::new_multi_thread().thread_stack_size(8 << 20).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("ewebrtc-gateway: no runtime: {error}");
            return ExitCode::FAILURE;
        }
    };
    let code = runtime.block_on(run(config));
    // Whatever still runs has had its time.
    runtime.shutdown_timeout(std::time::Duration::from_millis(500));
    code
}

async fn run(config: GatewayConfig) -> ExitCode {
    // Before anything listens: a signal that comes early must not kill the program.
    let signals = match Signals::new() {
        Ok(signals) => signals,
        Err(error) => {
            eprintln!("ewebrtc-gateway: no signals: {error}");
            return ExitCode::FAILURE;
        }
    };
    let gateway = match Gateway::start(config).await {
        Ok(gateway) => gateway,
        Err(
            fault @ (GatewayError::NoAccounts
            | GatewayError::Config(_)
            | GatewayError::Address(_)
            | GatewayError::User(_)),
        ) => return usage(&fault),
        Err(fault @ GatewayError::Listen(..)) => {
            eprintln!("ewebrtc-gateway: {fault}");
            return ExitCode::FAILURE;
        }
    };
    {
        // Nobody may read it; that is no reason to stop.
        let mut stdout = std::io::stdout().lock();
        let _ = writeln!(stdout, "listening on {}", gateway.url());
        let _ = stdout.flush();
    }
    signals.wait().await;
    gateway.shutdown().await;
    ExitCode::SUCCESS
}

#[cfg(unix)]
struct Signals(tokio::signal::unix::Signal, tokio::signal::unix::Signal);

#[cfg(unix)]
impl Signals {
    fn new() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self(signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?))
    }

    async fn wait(mut self) {
        tokio::select! {
            _ = self.0.recv() => {}
            _ = self.1.recv() => {}
        }
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self)
    }

    async fn wait(self) {
        let _ = tokio::signal::ctrl_c().await;
    }
}
