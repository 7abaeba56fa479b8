//! `ewebrtc-phone`: a softphone for the terminal and for scripts.
//!
//! Owns: the program's life: login, commands from standard input, signals, the exit status. Lives on: the main thread; one
//! thread reads standard input. Must not import: anything but the public library.

mod args;
mod commands;
mod output;
mod utilities;

use args::Args;
use commands::Outcome;
use ewebrtc::{Event, EventChannel, LogLevel, LogManager, LoginOptions, Phone, PhoneConfig, Secret};
use output::Output;
use std::io::{BufRead as _, Read as _, Write as _};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::timeout;

/// Longest wait for calls and session to end before the program does.
const END_WAIT: Duration = Duration::from_secs(8);

/// How long commands that came before a failed login are waited for.
const LEFT_OVER: Duration = Duration::from_millis(100);

/// Lines read ahead of their turn; more wait in the pipe.
const LINES: usize = 64;

/// Longest line that is looked at, in bytes.
const MAX_LINE: u64 = 1024 * 1024;

fn main() -> ExitCode {
    let args = match Args::parse() {
        Ok(args::Parsed::Run(args)) => *args,
        Ok(args::Parsed::Help) => {
            print!("{}", args::HELP);
            return ExitCode::SUCCESS;
        }
        Err(message) => {
            eprintln!("ewebrtc-phone: {message}\nTry 'ewebrtc-phone --help'.");
            return ExitCode::from(2);
        }
    };
    log_to_standard_error();
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("ewebrtc-phone: {error}");
            return ExitCode::FAILURE;
        }
    };
    let code = runtime.block_on(run(args));
    // The thread that reads standard input may still wait for a line; it must not keep the program.
    runtime.shutdown_background();
    ExitCode::from(code)
}

/// Warnings of ours, and what the word `log` asks for; where the environment asks for something, that and nothing else.
fn log_to_standard_error() {
    if let Ok(filters) = std::env::var("EWEBRTC_LOG") {
        env_logger::Builder::new().parse_filters(&filters).init();
        return;
    }
    LogManager::set_callback(|line| {
        // A reader that has gone away is no reason to end a call.
        let _ = writeln!(std::io::stderr(), "{}: {line}", line.module);
    });
    LogManager::set_global_level(LogLevel::Warn);
    if let Err(error) = LogManager::install() {
        eprintln!("ewebrtc-phone: {error}");
    }
}

async fn run(args: Args) -> u8 {
    let out = Output::new(args.json);
    let mut config = PhoneConfig::new(&args.gateway);
    config.local_media = args.local_media.clone();
    if args.websocket {
        config.event_channel = EventChannel::WebSocket;
    }
    if let Some(path) = &args.record {
        if let Err(error) = args::empty_wav(path) {
            eprintln!("ewebrtc-phone: --record {}: {error}", path.display());
            return 2;
        }
        config.remote_media = format!("wav:{}", path.display());
    }
    if let Some(path) = &args.record_video {
        if let Err(error) = args::empty_ivf(path) {
            eprintln!("ewebrtc-phone: --record-video {}: {error}", path.display());
            return 2;
        }
        config.remote_media += &format!(";video=ivf:{}", path.display());
    }
    let phone = match Phone::new(config) {
        Ok(phone) => phone,
        Err(error) => {
            eprintln!("ewebrtc-phone: {error}");
            return 2;
        }
    };
    let session = Arc::new(AtomicBool::new(false));
    let (lost, mut expired) = mpsc::channel(1);
    let (printer, answering, held) = (out, args.auto_answer.then(|| phone.clone()), session.clone());
    phone.on_any(move |event| {
        // Before anybody can read of it and react.
        match event.name() {
            "session:ready" => held.store(true, Ordering::SeqCst),
            "session:disconnected" => held.store(false, Ordering::SeqCst),
            "session:expired" => {
                held.store(false, Ordering::SeqCst);
                // One that waits already says the same.
                let _ = lost.try_send(());
            }
            _ => {}
        }
        printer.event(event);
        if let Some(phone) = &answering {
            answer(phone, event);
        }
    });
    let mut lines = standard_input();
    let mut signals = Signals::new();
    let login = tokio::select! {
        login = login(&phone, &args) => login,
        () = signals.next() => return end(&phone, &session).await,
    };
    if let Err(message) = login {
        eprintln!("ewebrtc-phone: login failed: {message}");
        // Commands that were given already have their outcome: a refusal.
        while let Ok(Some(line)) = timeout(LEFT_OVER, lines.recv()).await {
            if commands::run(&phone, &out, &line).await == Outcome::Quit {
                break;
            }
        }
        end(&phone, &session).await;
        return 1;
    }
    let mut reading = true;
    loop {
        tokio::select! {
            () = signals.next() => break,
            // The gateway has forgotten the session, most likely because it was started anew: log in there again.
            Some(()) = expired.recv() => again(&phone, &out, &args).await,
            line = lines.recv(), if reading => match line {
                Some(line) if line == "login" => again(&phone, &out, &args).await,
                Some(line) => {
                    if commands::run(&phone, &out, &line).await == Outcome::Quit {
                        break;
                    }
                }
                // With --auto-answer the program serves calls until it is told to end.
                None if args.auto_answer => reading = false,
                None => break,
            },
        }
    }
    end(&phone, &session).await
}

/// Logs in once more, as at the start. A failure leaves the phone without a session, and says how to try again.
async fn again(phone: &Phone, out: &Output, args: &Args) {
    if let Err(message) = login(phone, args).await {
        out.message(&format!("login failed: {message}; 'login' tries again"));
    }
}

/// Logs in with the token given, or with one from the gateway's development mode.
async fn login(phone: &Phone, args: &Args) -> Result<(), String> {
    let token: Secret = match &args.token {
        Some(token) => token.clone(),
        None => phone.dev_token(&args.user).await.map_err(|e| e.to_string())?.access_token,
    };
    let mut options = LoginOptions::new(token);
    options.user_id = args.associate.then(|| args.user.clone());
    options.e911_id = args.e911.clone();
    phone.login(options).await.map_err(|e| e.to_string())
}

fn answer(phone: &Phone, event: &Event) {
    let method = match event.name() {
        "call:incoming" => "answer",
        "conference:invitation-received" => "joinConference",
        _ => return,
    };
    if let Err(error) = phone.invoke(method, serde_json::json!({}), None) {
        log::warn!("cannot answer: {error}");
    }
}

/// Ends calls and session, and waits for the recording to be complete.
async fn end(phone: &Phone, session: &AtomicBool) -> u8 {
    if session.load(Ordering::SeqCst) {
        // What goes wrong here was published as an event.
        let _ = timeout(END_WAIT, phone.logout()).await;
    }
    phone.close();
    if timeout(END_WAIT, phone.closed()).await.is_err() {
        eprintln!("ewebrtc-phone: the phone did not close in time");
    }
    0
}

/// Lines of standard input, until its end.
fn standard_input() -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel(LINES);
    std::thread::spawn(move || {
        let mut input = std::io::stdin().lock();
        loop {
            let mut line = Vec::new();
            match input.by_ref().take(MAX_LINE).read_until(b'\n', &mut line) {
                Ok(0) | Err(_) => return,
                Ok(_) => {
                    let text = String::from_utf8_lossy(&line).trim().to_owned();
                    if sender.blocking_send(text).is_err() {
                        return;
                    }
                }
            }
        }
    });
    receiver
}

/// SIGINT and SIGTERM (on other systems Ctrl-C).
struct Signals {
    #[cfg(unix)]
    terminate: Option<tokio::signal::unix::Signal>,
    #[cfg(unix)]
    interrupt: Option<tokio::signal::unix::Signal>,
}

impl Signals {
    fn new() -> Self {
        #[cfg(unix)]
        {
            use tokio::signal::unix::{SignalKind, signal};
            Self { terminate: signal(SignalKind::terminate()).ok(), interrupt: signal(SignalKind::interrupt()).ok() }
        }
        #[cfg(not(unix))]
        Self {}
    }

    async fn next(&mut self) {
        #[cfg(unix)]
        {
            async fn wait(signal: &mut Option<tokio::signal::unix::Signal>) {
                match signal {
                    Some(signal) => {
                        signal.recv().await;
                    }
                    None => std::future::pending().await,
                }
            }
            tokio::select! {
                () = wait(&mut self.terminate) => {}
                () = wait(&mut self.interrupt) => {}
            }
        }
        #[cfg(not(unix))]
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
