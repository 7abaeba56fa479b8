//! The error of every fallible function.
//!
//! Owns: [`Error`]. Lives on: any thread. Must not import: `runtime`.

use crate::core::io::{ErrorObject, Refusal};
use std::fmt;

/// Why something was refused or failed.
#[derive(Debug, Clone, PartialEq)]
pub enum Error {
    /// A refusal or failure with a code of the catalogue; it was also published as an `error` event, or as
    /// `session:expired` or `gateway:unreachable` where the protocol says so.
    Phone(Box<ErrorObject>),
    /// The handle is not (or no longer) that of a live call. Of one that has ended [`Call::end`](super::Call::end) says how.
    NotFound,
    /// The Phone API has no method of this name.
    UnknownMethod(String),
    /// The phone is closed.
    Closed,
    /// Too many commands are under way; none was given.
    Busy,
    /// Waiting was refused because it would happen inside an event handler or the log callback.
    InHandler,
    /// A configuration value cannot be used.
    Config(String),
    /// The operating system or the gateway's development mode refused.
    System(String),
}

impl Error {
    /// The code of the catalogue (`2211`), where the error has one.
    pub fn code(&self) -> Option<&str> {
        match self {
            Error::Phone(error) => Some(&error.error_code),
            Error::NotFound
            | Error::UnknownMethod(_)
            | Error::Closed
            | Error::Busy
            | Error::InHandler
            | Error::Config(_)
            | Error::System(_) => None,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Phone(e) => {
                write!(f, "{}: {}", e.error_code, e.error_message)?;
                for detail in [&e.api_error, &e.additional_information].into_iter().flatten() {
                    write!(f, " ({detail})")?;
                }
                Ok(())
            }
            Error::NotFound => f.write_str("no live call has this handle"),
            Error::UnknownMethod(name) => write!(f, "there is no method {name:?}"),
            Error::Closed => f.write_str("the phone is closed"),
            Error::Busy => f.write_str("too many commands are under way"),
            Error::InHandler => f.write_str("an event handler or the log callback must not wait for a phone"),
            Error::Config(text) | Error::System(text) => f.write_str(text),
        }
    }
}

impl std::error::Error for Error {}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Sdk(error) => Error::Phone(error),
            Refusal::NotFound => Error::NotFound,
            Refusal::UnknownMethod(name) => Error::UnknownMethod(name),
            Refusal::Closed => Error::Closed,
        }
    }
}
