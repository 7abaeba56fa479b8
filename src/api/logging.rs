//! Log levels by module, loggers of the application, and a function of the host that gets the lines: the counterparts of
//! `logManager` and `Logger`.
//!
//! Owns: [`LogManager`], [`Logger`]; levels and callback of the process. Lives on: any thread; the callback runs on the thread
//! that logs, with no lock held. Must not import: other parts of the library but errors and `lock`.
//!
//! The library logs by the crate `log` and installs nothing behind its host's back. Without [`LogManager::install`] its lines
//! go to the logger of the host, under the host's filters, or nowhere.

use super::error::Error;
use super::log_line::{LogLevel, LogLine};
use crate::runtime::lock;
use serde_json::Value;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::fmt;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, LazyLock, Mutex};

/// Loggers that an application may have made at a time; they are made by name, once each, so more are a mistake.
const MAX_CUSTOM: usize = 1024;

/// Longest name of a logger, in bytes.
const MAX_NAME: usize = 64;

/// A module of the library that logs.
struct Module {
    name: &'static str,
    /// Where its lines come from: paths of Rust modules, with everything below them.
    targets: &'static [&'static str],
    default: LogLevel,
}

impl Module {
    const fn new(name: &'static str, targets: &'static [&'static str]) -> Self {
        Self { name, targets, default: LogManager::DEFAULT }
    }
}

/// The modules. Those that v1.1.3 had, too, have its names. `webrtc` are the crates beneath, which report every packet that
/// they cannot place, with its contents: silent unless somebody looks for a fault there.
static MODULES: &[Module] = &[
    Module::new("RESTClient", &["ewebrtc::signal"]),
    Module::new("phoneNumber", &["ewebrtc::api::numbers"]),
    Module::new("browser", &["ewebrtc::api::capabilities"]),
    Module::new("eventChannel", &["ewebrtc::core::channel"]),
    Module::new("eventManager", &["ewebrtc::runtime::dispatcher"]),
    Module::new("peerConnection", &["ewebrtc_media::transport"]),
    Module {
        default: LogLevel::Info,
        ..Module::new(
            "call",
            &[
                "ewebrtc::core::call",
                "ewebrtc::core::conference",
                "ewebrtc::core::conferences",
                "ewebrtc::core::signals",
            ],
        )
    },
    Module {
        default: LogLevel::Info,
        ..Module::new("session", &["ewebrtc::core::session", "ewebrtc::core::requests"])
    },
    Module::new("phone", &["ewebrtc"]),
    Module::new("media", &["ewebrtc_media"]),
    Module::new("gateway", &["ewebrtc_gateway"]),
    Module { default: LogLevel::Off, ..Module::new(BENEATH, &["webrtc"]) },
];

/// Name of the crates beneath.
const BENEATH: &str = "webrtc";

/// Targets of loggers that an application has made: this and their name. No module of ours has this path.
const CUSTOM_TARGET: &str = "ewebrtc::app::";

/// A logger's state.
struct Shared {
    name: String,
    target: String,
    custom: bool,
    default: LogLevel,
    level: AtomicU8,
}

impl Shared {
    fn level(&self) -> LogLevel {
        let level = self.level.load(Ordering::Relaxed);
        LogLevel::ALL.get(usize::from(level)).copied().unwrap_or(LogManager::DEFAULT)
    }

    fn set(&self, level: LogLevel) {
        self.level.store(level as u8, Ordering::Relaxed);
    }
}

/// Loggers of [`MODULES`], in their order.
static BUILT_IN: LazyLock<Vec<Arc<Shared>>> = LazyLock::new(|| {
    let shared = |module: &Module| Shared {
        name: module.name.to_owned(),
        target: module.targets.first().copied().unwrap_or_default().to_owned(),
        custom: false,
        default: module.default,
        level: AtomicU8::new(module.default as u8),
    };
    MODULES.iter().map(|module| Arc::new(shared(module))).collect()
});

/// What changes of levels and loggers agree on; held for a moment, never while a callback runs.
struct Manager {
    global: LogLevel,
    custom: BTreeMap<String, Arc<Shared>>,
    /// [`LogManager::install`] was successful.
    installed: bool,
}

static MANAGER: Mutex<Manager> =
    Mutex::new(Manager { global: LogManager::DEFAULT, custom: BTreeMap::new(), installed: false });

type Callback = Arc<dyn Fn(&LogLine<'_>) + Send + Sync>;

/// The host's function. Locked after [`MANAGER`] where both are.
static CALLBACK: Mutex<Option<Callback>> = Mutex::new(None);

thread_local! {
    /// The callback runs on this thread.
    static INSIDE: Cell<bool> = const { Cell::new(false) };
}

/// True while the host's function runs on this thread. It may run on the thread of a phone, which must not wait for itself.
pub(super) fn inside_callback() -> bool {
    INSIDE.get()
}

impl Manager {
    fn all(&self) -> impl Iterator<Item = &Arc<Shared>> {
        BUILT_IN.iter().chain(self.custom.values())
    }

    fn find(&self, name: &str) -> Result<&Arc<Shared>, Error> {
        if name.is_empty() {
            return Err(Error::Config("the name of a logger is empty".into()));
        }
        let found = self.all().find(|logger| logger.name == name);
        found.ok_or_else(|| Error::Config(format!("there is no logger {name:?}")))
    }

    /// With our receiver installed, tells the crate `log` which lines are wanted at all, so that others cost nothing.
    fn apply(&self) {
        if self.installed {
            let wanted = if lock(&CALLBACK).is_some() { self.all().map(|logger| logger.level()).max() } else { None };
            log::set_max_level(wanted.unwrap_or(LogLevel::Off).filter());
        }
    }
}

/// The logger of a target; `None` for lines that are not ours.
fn logger_of(target: &str) -> Option<Arc<Shared>> {
    if let Some(name) = target.strip_prefix(CUSTOM_TARGET) {
        return lock(&MANAGER).custom.get(name).cloned();
    }
    let within = |path: &&str| target.strip_prefix(*path).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"));
    let longest = |module: &Module| module.targets.iter().filter(|path| within(path)).map(|path| path.len()).max();
    let found = MODULES.iter().zip(BUILT_IN.iter()).filter_map(|(module, logger)| Some((longest(module)?, logger)));
    if let Some((_, logger)) = found.max_by_key(|(length, _)| *length) {
        return Some(logger.clone());
    }
    let family = target.split("::").next().unwrap_or_default();
    let beneath = family == "rtc" || family.starts_with("rtc_");
    BUILT_IN.iter().find(|logger| beneath && logger.name == BENEATH).cloned()
}

/// Filters by the levels and gives lines to the callback.
struct Receiver;

impl log::Log for Receiver {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        lock(&CALLBACK).is_some()
            && logger_of(metadata.target()).is_some_and(|logger| LogLevel::of(metadata.level()) <= logger.level())
    }

    fn log(&self, record: &log::Record<'_>) {
        let Some(logger) = logger_of(record.target()) else { return };
        let level = LogLevel::of(record.level());
        // A line that is written inside the callback would come back to it without end.
        if level > logger.level() || inside_callback() {
            return;
        }
        let Some(callback) = lock(&CALLBACK).clone() else { return };
        INSIDE.set(true);
        // A panic of the host's function must not reach the thread that logs; its hook has reported it.
        let _ = catch_unwind(AssertUnwindSafe(move || {
            let message = record.args().to_string();
            let line =
                LogLine { level, module: &logger.name, message: &message, file: record.file(), line: record.line() };
            callback(&line);
        }));
        INSIDE.set(false);
    }

    fn flush(&self) {}
}

/// Levels, loggers and the callback of the process (`logManager`). All functions may be called from any thread, also inside
/// the callback.
///
/// The modules of the library log at `warn` until told otherwise, `call` and `session` at `info`, and `webrtc`, the crates
/// beneath, not at all. No token is ever written, and no address, number or IP address at `info` and above. `webrtc` is the
/// exception: its lines may contain packets.
///
/// ```
/// use ewebrtc::{LogLevel, LogManager};
///
/// LogManager::set_callback(|line| eprintln!("{}: {line}", line.module));
/// LogManager::install()?; // refused when the program has a logger of its own
/// LogManager::logger("call")?.set_level(LogLevel::Debug);
/// let own = LogManager::create_custom_logger("billing")?;
/// own.log_warning("the first call of the day");
/// # Ok::<(), ewebrtc::Error>(())
/// ```
#[derive(Debug)]
pub struct LogManager;

impl LogManager {
    const DEFAULT: LogLevel = LogLevel::Warn;

    /// Makes this library the receiver of the process's log lines (of the crate `log`, and so of this copy of the library):
    /// those of its own modules and of loggers made here go to the callback, filtered by their levels; those of other crates
    /// go nowhere. To be called at the program's start. Once is enough, more often does nothing.
    ///
    /// # Errors
    /// [`Error::System`] when the program has a logger of its own: nothing is changed then, see [`LogManager::receiver`].
    pub fn install() -> Result<(), Error> {
        let mut manager = lock(&MANAGER);
        if !manager.installed {
            let taken = "the program has a logger of its own";
            log::set_logger(&Receiver).map_err(|_| Error::System(taken.into()))?;
            manager.installed = true;
        }
        manager.apply();
        Ok(())
    }

    /// For Rust programs with a logger of their own: it may pass records on to this, which filters them by the levels set here
    /// and gives them to the callback. How much is logged at all is then decided by the program (`log::set_max_level`).
    pub fn receiver() -> &'static dyn log::Log {
        &Receiver
    }

    /// Sets the function that gets the lines, in place of the one before. It is called on the thread that logs, possibly on
    /// several at a time, with no lock held; it should be quick, since audio threads may log, too. What is logged inside it,
    /// on the same thread, is left out; methods of a phone that wait answer [`Error::InHandler`] there. When it panics the line
    /// is lost and the next one comes as usual. The one before may still run on another thread when this returns.
    pub fn set_callback(callback: impl Fn(&LogLine<'_>) + Send + Sync + 'static) {
        Self::replace_callback(Some(Arc::new(callback)));
    }

    /// Removes the function that gets the lines: they go nowhere.
    pub fn remove_callback() {
        Self::replace_callback(None);
    }

    fn replace_callback(callback: Option<Callback>) {
        let before = std::mem::replace(&mut *lock(&CALLBACK), callback);
        lock(&MANAGER).apply();
        // What the host's function holds is dropped with no lock held.
        drop(before);
    }

    /// Levels that can be set (`getLogLevels`), least first. [`LogLevel::Off`] can be set, too.
    pub fn levels() -> &'static [LogLevel] {
        &LogLevel::ALL[1..]
    }

    /// The level that was last set for all loggers (`getGlobalLogLevel`), at first `warn`.
    pub fn global_level() -> LogLevel {
        lock(&MANAGER).global
    }

    /// Sets the level of every logger there is (`setGlobalLogLevel`); loggers that are made later begin at their default. The
    /// logger `webrtc` is left out: it is asked for by its name or not at all.
    pub fn set_global_level(level: LogLevel) {
        let mut manager = lock(&MANAGER);
        manager.global = level;
        manager.all().filter(|logger| logger.custom || logger.name != BENEATH).for_each(|logger| logger.set(level));
        manager.apply();
    }

    /// The level at which loggers begin that have no default of their own (`getDefaultLogLevel`).
    pub fn default_level() -> LogLevel {
        Self::DEFAULT
    }

    /// Loggers that begin at another level than [`LogManager::default_level`] (`getModuleDefaults`).
    pub fn module_defaults() -> BTreeMap<&'static str, LogLevel> {
        let other = MODULES.iter().filter(|module| module.default != Self::DEFAULT);
        other.map(|module| (module.name, module.default)).collect()
    }

    /// Names of all loggers (`getLoggers`): the library's modules, then those made here, by name.
    pub fn loggers() -> Vec<String> {
        lock(&MANAGER).all().map(|logger| logger.name.clone()).collect()
    }

    /// Level of every logger (`getCurrentModuleLogLevels`).
    pub fn module_levels() -> BTreeMap<String, LogLevel> {
        lock(&MANAGER).all().map(|logger| (logger.name.clone(), logger.level())).collect()
    }

    /// Brings every logger and the global level back to their defaults (`resetLogLevels`, P-49).
    pub fn reset_levels() {
        let mut manager = lock(&MANAGER);
        manager.global = Self::DEFAULT;
        manager.all().for_each(|logger| logger.set(logger.default));
        manager.apply();
    }

    /// The logger of this name (`getLogger`).
    ///
    /// # Errors
    /// [`Error::Config`] when there is none, or the name is empty.
    pub fn logger(name: &str) -> Result<Logger, Error> {
        lock(&MANAGER).find(name).cloned().map(Logger)
    }

    /// A logger of the application (`createCustomLogger`), at the level `warn`. With a logger of the host its lines have the
    /// target `ewebrtc::app::` and the name.
    ///
    /// # Errors
    /// [`Error::Config`] when the name is empty, longer than 64 bytes, has control characters or is that of another logger, or
    /// when there are 1024 of them.
    pub fn create_custom_logger(name: &str) -> Result<Logger, Error> {
        let mut manager = lock(&MANAGER);
        if manager.find(name).is_ok() {
            return Err(Error::Config(format!("there is a logger {name:?} already")));
        }
        if name.is_empty() || name.len() > MAX_NAME || name.chars().any(char::is_control) {
            return Err(Error::Config(format!("{name:?} cannot be the name of a logger")));
        }
        if manager.custom.len() >= MAX_CUSTOM {
            return Err(Error::Config(format!("there are {MAX_CUSTOM} loggers already")));
        }
        let logger = Arc::new(Shared {
            name: name.to_owned(),
            target: format!("{CUSTOM_TARGET}{name}"),
            custom: true,
            default: Self::DEFAULT,
            level: AtomicU8::new(Self::DEFAULT as u8),
        });
        manager.custom.insert(name.to_owned(), logger.clone());
        manager.apply();
        Ok(Logger(logger))
    }

    /// Deletes a logger of the application (`deleteCustomLogger`). Whoever still holds it writes nothing any more.
    ///
    /// # Errors
    /// [`Error::Config`] when there is none of this name, the name is empty, or it is a module of the library.
    pub fn delete_custom_logger(name: &str) -> Result<(), Error> {
        let mut manager = lock(&MANAGER);
        let Some(logger) = manager.custom.remove(name) else {
            manager.find(name)?;
            return Err(Error::Config(format!("{name:?} is a module of the library")));
        };
        logger.set(LogLevel::Off);
        manager.apply();
        Ok(())
    }
}

/// A logger (`Logger`): a name, a level, and lines that are written when the level includes them. Cloning gives another handle
/// to the same logger.
#[derive(Clone)]
pub struct Logger(Arc<Shared>);

impl Logger {
    /// Name, as in [`LogManager::loggers`].
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Level of this logger (`getLogLevel`).
    pub fn level(&self) -> LogLevel {
        self.0.level()
    }

    /// Sets the level of this logger (`setLogLevel`); without effect after it was deleted.
    pub fn set_level(&self, level: LogLevel) {
        let manager = lock(&MANAGER);
        if manager.all().any(|logger| Arc::ptr_eq(logger, &self.0)) {
            self.0.set(level);
            manager.apply();
        }
    }

    /// True for loggers that an application has made (`isCustomType`).
    pub fn is_custom(&self) -> bool {
        self.0.custom
    }

    /// Writes an error (`logError`).
    #[track_caller]
    pub fn log_error(&self, message: &str) {
        self.write(log::Level::Error, format_args!("{message}"), Location::caller());
    }

    /// Writes a warning (`logWarning`).
    #[track_caller]
    pub fn log_warning(&self, message: &str) {
        self.write(log::Level::Warn, format_args!("{message}"), Location::caller());
    }

    /// Writes what is good to know (`logInfo`).
    #[track_caller]
    pub fn log_info(&self, message: &str) {
        self.write(log::Level::Info, format_args!("{message}"), Location::caller());
    }

    /// Writes what helps to find a fault (`logDebug`).
    #[track_caller]
    pub fn log_debug(&self, message: &str) {
        self.write(log::Level::Debug, format_args!("{message}"), Location::caller());
    }

    /// Writes a step (`logTrace`), with `data` on a second line.
    #[track_caller]
    pub fn log_trace(&self, message: &str, data: Option<&Value>) {
        match data {
            None => self.write(log::Level::Trace, format_args!("{message}"), Location::caller()),
            Some(data) => self.write(log::Level::Trace, format_args!("{message}\n{data}"), Location::caller()),
        }
    }

    /// Writes at this level for a program in another language, with the place in it where that is known; nothing at
    /// [`LogLevel::Off`].
    pub(crate) fn log_from(&self, level: LogLevel, message: &str, file: Option<&str>, line: Option<u32>) {
        if let Some(level) = level.filter().to_level() {
            self.record(level, format_args!("{message}"), file, line);
        }
    }

    fn write(&self, level: log::Level, message: fmt::Arguments<'_>, place: &Location<'_>) {
        self.record(level, message, Some(place.file()), Some(place.line()));
    }

    fn record(&self, level: log::Level, message: fmt::Arguments<'_>, file: Option<&str>, line: Option<u32>) {
        if LogLevel::of(level) > self.level() || level > log::max_level() {
            return;
        }
        let mut record = log::Record::builder();
        record.level(level).target(&self.0.target).file(file).line(line);
        log::logger().log(&record.args(message).build());
    }
}

impl fmt::Debug for Logger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Logger({}, {})", self.name(), self.level())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn module(target: &str) -> Option<String> {
        logger_of(target).map(|logger| logger.name.clone())
    }

    #[test]
    fn lines_belong_to_the_nearest_module() {
        for (target, name) in [
            ("ewebrtc::signal", Some("RESTClient")),
            ("ewebrtc::core::channel", Some("eventChannel")),
            ("ewebrtc::core::signals", Some("call")),
            ("ewebrtc::core::anything", Some("phone")),
            ("ewebrtc", Some("phone")),
            ("ewebrtc_media::transport::bridge", Some("peerConnection")),
            ("ewebrtc_media::leg", Some("media")),
            ("ewebrtc_gateway::server", Some("gateway")),
            ("webrtc::peer_connection", Some("webrtc")),
            ("rtc::transport", Some("webrtc")),
            ("rtc_ice::agent", Some("webrtc")),
            ("rtcp_of_others", None),
            ("hyper::proto", None),
            ("ewebrtc_phone", None),
            ("ewebrtc::app::nobody", None),
            ("", None),
        ] {
            assert_eq!(module(target).as_deref(), name, "{target}");
        }
    }

    #[test]
    fn every_module_of_ours_exists() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        for path in MODULES.iter().filter(|module| module.name != BENEATH).flat_map(|module| module.targets) {
            let below =
                |folder: &str, rest: &str| root.join(folder).join(rest.trim_start_matches("::").replace("::", "/"));
            let place = match path.split_once("::").unwrap_or((*path, "")) {
                ("ewebrtc", rest) => below("src", rest),
                (name, rest) => below(&format!("crates/{}/src", name.trim_start_matches("ewebrtc_")), rest),
            };
            assert!(place.is_dir() || place.with_extension("rs").is_file(), "{path} is not there");
        }
    }
}
