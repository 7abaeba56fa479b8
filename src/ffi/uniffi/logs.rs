//! The log of the typed surface: levels, loggers, and the listener of the foreign side.
//!
//! Owns: [`Logger`], [`LogLine`], [`LogListener`] and the thread `ewebrtc-log`, on which alone the listener runs: lines are
//! written on threads that carry signalling and audio, which must not wait for an interpreter. Lives on: any thread besides.
//! Must not import: `runtime`, `core`, `signal`.

use super::error::PhoneError;
use super::link::{Foreign, Link, PATIENCE};
use super::process;
use crate::api;
use std::cell::Cell;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// Lines that may wait for the listener; of a flood the newest are left out and counted.
const WAITING: usize = 4096;

/// A line of the log.
#[derive(Debug, Clone, PartialEq, uniffi::Record)]
pub struct LogLine {
    /// `error`, `warn`, `info`, `debug` or `trace`.
    pub level: String,
    /// The logger that wrote it.
    pub module: String,
    /// What was written; may have several lines.
    pub text: String,
    /// Source file, where known.
    pub file: Option<String>,
    /// Line in that file.
    pub line: Option<u32>,
}

impl From<&api::LogLine<'_>> for LogLine {
    fn from(line: &api::LogLine<'_>) -> Self {
        Self {
            level: line.level.name().into(),
            module: line.module.into(),
            text: line.message.into(),
            file: line.file.map(str::to_owned),
            line: line.line,
        }
    }
}

/// Receives the lines of the log, one at a time, on a thread of the library of its own. What is logged on that thread is left
/// out.
#[uniffi::export(foreign)]
pub trait LogListener: Send + Sync {
    /// Called for every line that the levels let through.
    fn on_line(&self, line: LogLine) -> Result<(), PhoneError>;
}

/// The way to the listener there is.
static LISTENER: Mutex<Option<Arc<Link>>> = Mutex::new(None);

thread_local! {
    /// This is the thread on which a listener runs.
    static LISTENING: Cell<bool> = const { Cell::new(false) };
}

/// What takes lines from the library and never waits.
struct Inlet {
    lines: SyncSender<LogLine>,
    lost: AtomicU64,
}

impl Inlet {
    fn take(&self, line: LogLine) {
        if LISTENING.get() {
            return;
        }
        let lost = self.lost.swap(0, Ordering::Relaxed);
        if lost > 0 {
            let text = format!("{lost} lines were left out, since the listener is too slow");
            let told = LogLine { level: "warn".into(), module: "phone".into(), text, file: None, line: None };
            if self.lines.try_send(told).is_err() {
                self.lost.fetch_add(lost, Ordering::Relaxed);
            }
        }
        match self.lines.try_send(line) {
            Ok(()) => {}
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                self.lost.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

fn serve(link: &Link, lines: &Receiver<LogLine>) {
    LISTENING.set(true);
    while let Ok(line) = lines.recv() {
        link.deliver_line(line);
    }
    link.end();
}

/// Sets the listener that gets the lines of the log of the whole process, in place of the one before, which gets what is on
/// its way; `None` removes it, and lines go nowhere, as at first. No token is ever written, and no address, number or IP
/// address at `info` and above; the logger `webrtc`, off at first, is the exception.
///
/// Waits, five seconds at most, until the listener before has got its last line and is let go; not inside a callback.
///
/// Errors: `System` when the program has a logger of the crate `log` of its own, or there are no threads; `Closed` when the
/// process ends.
#[uniffi::export]
pub fn set_log_listener(listener: Option<Arc<dyn LogListener>>) -> Result<(), PhoneError> {
    api::LogManager::install()?;
    let mut current = LISTENER.lock().unwrap_or_else(PoisonError::into_inner);
    let next = match listener {
        None => {
            api::LogManager::remove_callback();
            None
        }
        Some(listener) => {
            let link = process::link(Some(Foreign::Lines(listener)));
            if link.is_cut() {
                return Err(PhoneError::Closed);
            }
            let (sender, lines) = sync_channel(WAITING);
            let own = link.clone();
            std::thread::Builder::new()
                .name("ewebrtc-log".into())
                .spawn(move || serve(&own, &lines))
                .map_err(|error| PhoneError::System { reason: error.to_string() })?;
            let inlet = Inlet { lines: sender, lost: AtomicU64::new(0) };
            api::LogManager::set_callback(move |line| inlet.take(line.into()));
            Some(link)
        }
    };
    let before = std::mem::replace(&mut *current, next);
    drop(current);
    if let Some(before) = before {
        before.wait_ended(Instant::now() + PATIENCE);
        before.cut();
    }
    Ok(())
}

/// For the end of the process: no line is taken any more, and those on their way are waited for.
pub(super) fn finish(until: Instant) {
    let listener = LISTENER.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(link) = listener {
        api::LogManager::remove_callback();
        link.wait_ended(until);
    }
}

fn names(levels: impl IntoIterator<Item = (String, api::LogLevel)>) -> HashMap<String, String> {
    levels.into_iter().map(|(name, level)| (name, level.name().to_owned())).collect()
}

/// Levels that can be set, least first; `off` can be set, too (`getLogLevels`).
#[uniffi::export]
pub fn log_levels() -> Vec<String> {
    api::LogManager::levels().iter().map(|level| level.name().to_owned()).collect()
}

/// The level that was last set for all loggers (`getGlobalLogLevel`).
#[uniffi::export]
pub fn global_log_level() -> String {
    api::LogManager::global_level().name().into()
}

/// Sets the level of every logger there is (`setGlobalLogLevel`), except `webrtc`.
///
/// Errors: `Config` for what is no level.
#[uniffi::export]
pub fn set_global_log_level(level: String) -> Result<(), PhoneError> {
    api::LogManager::set_global_level(level.parse()?);
    Ok(())
}

/// The level at which loggers begin that have no default of their own (`getDefaultLogLevel`).
#[uniffi::export]
pub fn default_log_level() -> String {
    api::LogManager::default_level().name().into()
}

/// Loggers that begin at another level (`getModuleDefaults`).
#[uniffi::export]
pub fn module_defaults() -> HashMap<String, String> {
    names(api::LogManager::module_defaults().into_iter().map(|(name, level)| (name.to_owned(), level)))
}

/// Level of every logger (`getCurrentModuleLogLevels`).
#[uniffi::export]
pub fn module_log_levels() -> HashMap<String, String> {
    names(api::LogManager::module_levels())
}

/// Names of all loggers (`getLoggers`).
#[uniffi::export]
pub fn loggers() -> Vec<String> {
    api::LogManager::loggers()
}

/// Brings every logger and the global level back to their defaults (`resetLogLevels`).
#[uniffi::export]
pub fn reset_log_levels() {
    api::LogManager::reset_levels();
}

/// A logger: a name, a level, and lines that are written when the level includes them.
#[derive(uniffi::Object)]
pub struct Logger(api::Logger);

/// The logger of this name (`getLogger`).
///
/// Errors: `Config` when there is none.
#[uniffi::export]
pub fn get_logger(name: String) -> Result<Arc<Logger>, PhoneError> {
    Ok(Arc::new(Logger(api::LogManager::logger(&name)?)))
}

/// A logger of the application (`createCustomLogger`), at the level `warn`.
///
/// Errors: `Config` when the name is empty, longer than 64 bytes, has control characters or is that of another logger, or
/// when there are 1024 of them.
#[uniffi::export]
pub fn create_custom_logger(name: String) -> Result<Arc<Logger>, PhoneError> {
    Ok(Arc::new(Logger(api::LogManager::create_custom_logger(&name)?)))
}

/// Deletes a logger of the application (`deleteCustomLogger`).
///
/// Errors: `Config` when there is none of this name, or it is a module of the library.
#[uniffi::export]
pub fn delete_custom_logger(name: String) -> Result<(), PhoneError> {
    Ok(api::LogManager::delete_custom_logger(&name)?)
}

#[uniffi::export]
impl Logger {
    /// Its name.
    pub fn name(&self) -> String {
        self.0.name().into()
    }

    /// Its level (`getLogLevel`).
    pub fn level(&self) -> String {
        self.0.level().name().into()
    }

    /// Sets its level (`setLogLevel`); without effect after it was deleted.
    ///
    /// Errors: `Config` for what is no level.
    pub fn set_level(&self, level: String) -> Result<(), PhoneError> {
        self.0.set_level(level.parse()?);
        Ok(())
    }

    /// True for loggers that an application has made (`isCustomType`).
    pub fn is_custom(&self) -> bool {
        self.0.is_custom()
    }

    /// Writes a line at this level (`logError`, `logWarning`, `logInfo`, `logDebug`, `logTrace`), of this place in the program
    /// where it is known; nothing at `off`.
    ///
    /// Errors: `Config` for what is no level.
    #[uniffi::method(default(file = None, line = None))]
    pub fn write(
        &self,
        level: String,
        text: String,
        file: Option<String>,
        line: Option<u32>,
    ) -> Result<(), PhoneError> {
        self.0.log_from(level.parse()?, &text, file.as_deref(), line);
        Ok(())
    }
}
