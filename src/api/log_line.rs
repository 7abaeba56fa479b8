//! Levels of the log by their names, and a line of it.
//!
//! Owns: [`LogLevel`], [`LogLine`]. Lives on: any thread. Must not import: other parts of the library but errors.

use super::error::Error;
use std::fmt;
use std::str::FromStr;

/// How much is written. Each level includes those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum LogLevel {
    /// Nothing; ours beside the five of the Phone API.
    Off,
    /// `error`
    Error,
    /// `warn`
    Warn,
    /// `info`
    Info,
    /// `debug`
    Debug,
    /// `trace`
    Trace,
}

impl LogLevel {
    pub(super) const ALL: [LogLevel; 6] =
        [LogLevel::Off, LogLevel::Error, LogLevel::Warn, LogLevel::Info, LogLevel::Debug, LogLevel::Trace];

    /// Name as the Phone API spells it: `off`, `error`, `warn`, `info`, `debug`, `trace`.
    pub fn name(self) -> &'static str {
        match self {
            LogLevel::Off => "off",
            LogLevel::Error => "error",
            LogLevel::Warn => "warn",
            LogLevel::Info => "info",
            LogLevel::Debug => "debug",
            LogLevel::Trace => "trace",
        }
    }

    pub(super) fn of(level: log::Level) -> Self {
        match level {
            log::Level::Error => LogLevel::Error,
            log::Level::Warn => LogLevel::Warn,
            log::Level::Info => LogLevel::Info,
            log::Level::Debug => LogLevel::Debug,
            log::Level::Trace => LogLevel::Trace,
        }
    }

    pub(super) fn filter(self) -> log::LevelFilter {
        match self {
            LogLevel::Off => log::LevelFilter::Off,
            LogLevel::Error => log::LevelFilter::Error,
            LogLevel::Warn => log::LevelFilter::Warn,
            LogLevel::Info => log::LevelFilter::Info,
            LogLevel::Debug => log::LevelFilter::Debug,
            LogLevel::Trace => log::LevelFilter::Trace,
        }
    }
}

impl fmt::Display for LogLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for LogLevel {
    type Err = Error;

    /// Reads a name in lower case.
    ///
    /// # Errors
    /// [`Error::Config`] for any other text.
    fn from_str(name: &str) -> Result<Self, Error> {
        let level = Self::ALL.into_iter().find(|level| level.name() == name);
        level.ok_or_else(|| Error::Config(format!("there is no log level {name:?}")))
    }
}

/// A line of the log, as the callback gets it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct LogLine<'a> {
    /// How bad it is; never [`LogLevel::Off`].
    pub level: LogLevel,
    /// The logger that wrote it, by its name in [`crate::LogManager::loggers`].
    pub module: &'a str,
    /// What was written; may have several lines.
    pub message: &'a str,
    /// Source file, where known.
    pub file: Option<&'a str>,
    /// Line in that file, from 1.
    pub line: Option<u32>,
}

impl fmt::Display for LogLine<'_> {
    /// `[WARNING] message [file:line]`, as the Phone API prints it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tag = match self.level {
            LogLevel::Warn => "WARNING".to_owned(),
            other => other.name().to_ascii_uppercase(),
        };
        write!(f, "[{tag}] {}", self.message)?;
        match (self.file, self.line) {
            (Some(file), Some(line)) => write!(f, " [{file}:{line}]"),
            (Some(file), None) => write!(f, " [{file}]"),
            (None, _) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_levels_read_back_and_lines_look_as_documented() {
        for level in LogLevel::ALL {
            assert_eq!(level.name().parse(), Ok(level));
        }
        for wrong in ["", "WARN", "warning", "all"] {
            assert!(matches!(wrong.parse::<LogLevel>(), Err(Error::Config(_))), "{wrong}");
        }
        let line =
            LogLine { level: LogLevel::Warn, module: "call", message: "late", file: Some("a.rs"), line: Some(7) };
        assert_eq!(line.to_string(), "[WARNING] late [a.rs:7]");
        assert_eq!(LogLine { level: LogLevel::Trace, file: None, ..line }.to_string(), "[TRACE] late");
    }
}
