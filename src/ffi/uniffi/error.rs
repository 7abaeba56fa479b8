//! The error of the typed surface.
//!
//! Owns: [`PhoneError`], [`ErrorFields`]. Lives on: any thread. Must not import: `runtime`, `core`, `signal`.

use crate::api::{Error, ErrorObject};
use std::fmt;

/// An error of the catalogue with all its fields; names as in the Phone API, in the spelling of the language.
#[derive(Debug, Clone, PartialEq, uniffi::Record)]
pub struct ErrorFields {
    /// `ErrorCode`; a text, since leading zeros matter.
    pub error_code: String,
    /// `JSObject`: the object that reported it.
    pub js_object: String,
    /// `JSMethod`: the method that reported it, or `*`.
    pub js_method: String,
    /// `ErrorMessage`: one sentence.
    pub error_message: String,
    /// `Cause`: probable cause.
    pub cause: String,
    /// `Resolution`: suggested remedy.
    pub resolution: String,
    /// `APIError`: the gateway's own text.
    pub api_error: Option<String>,
    /// `ResourceMethod`: method and address of the request that failed.
    pub resource_method: Option<String>,
    /// `HttpStatusCode`; `0` when no answer came.
    pub http_status_code: Option<String>,
    /// `MessageId`: the gateway's message id.
    pub message_id: Option<String>,
    /// `AdditionalInformation`: further detail.
    pub additional_information: Option<String>,
}

impl From<ErrorObject> for ErrorFields {
    fn from(e: ErrorObject) -> Self {
        Self {
            error_code: e.error_code,
            js_object: e.js_object,
            js_method: e.js_method,
            error_message: e.error_message,
            cause: e.cause,
            resolution: e.resolution,
            api_error: e.api_error,
            resource_method: e.resource_method,
            http_status_code: e.http_status_code,
            message_id: e.message_id,
            additional_information: e.additional_information,
        }
    }
}

/// Why something was refused or failed.
#[derive(Debug, Clone, PartialEq, uniffi::Error)]
pub enum PhoneError {
    /// Refused or failed with a code of the catalogue; it was also published as an `error` event.
    Refused {
        /// Everything that is known about it.
        fields: Box<ErrorFields>,
    },
    /// The handle is not (or no longer) that of a live call.
    NotFound,
    /// The phone has no method of this name.
    UnknownMethod {
        /// The name.
        method: String,
    },
    /// The phone is closed or was shut down.
    Closed,
    /// Too many commands are under way; none was given.
    Busy,
    /// Waiting was refused because it would happen inside a callback.
    InHandler,
    /// A setting cannot be used.
    Config {
        /// Which, and why.
        reason: String,
    },
    /// An argument cannot be used: options that are no JSON object, half a sample.
    Argument {
        /// Which, and why.
        reason: String,
    },
    /// The call has no program audio in this direction (yet).
    NoAudio,
    /// The call has no program video in this direction (yet).
    NoVideo,
    /// The operating system or the gateway's development mode refused.
    System {
        /// What it said.
        reason: String,
    },
    /// Foreign code failed.
    Callback {
        /// What it said.
        reason: String,
    },
}

impl From<Error> for PhoneError {
    fn from(error: Error) -> Self {
        match error {
            Error::Phone(object) => Self::Refused { fields: Box::new((*object).into()) },
            Error::NotFound => Self::NotFound,
            Error::UnknownMethod(method) => Self::UnknownMethod { method },
            Error::Closed => Self::Closed,
            Error::Busy => Self::Busy,
            Error::InHandler => Self::InHandler,
            Error::Config(reason) => Self::Config { reason },
            Error::System(reason) => Self::System { reason },
        }
    }
}

impl From<uniffi::UnexpectedUniFFICallbackError> for PhoneError {
    fn from(error: uniffi::UnexpectedUniFFICallbackError) -> Self {
        Self::Callback { reason: error.reason }
    }
}

impl fmt::Display for PhoneError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused { fields: e } => {
                write!(f, "{}: {}", e.error_code, e.error_message)?;
                [&e.api_error, &e.additional_information].into_iter().flatten().try_for_each(|d| write!(f, " ({d})"))
            }
            Self::NotFound => Error::NotFound.fmt(f),
            Self::UnknownMethod { method } => Error::UnknownMethod(method.clone()).fmt(f),
            Self::Closed => Error::Closed.fmt(f),
            Self::Busy => Error::Busy.fmt(f),
            Self::InHandler => Error::InHandler.fmt(f),
            Self::NoAudio => f.write_str("the call has no program audio in this direction"),
            Self::NoVideo => f.write_str("the call has no program video in this direction"),
            Self::Config { reason } | Self::Argument { reason } | Self::System { reason } => f.write_str(reason),
            Self::Callback { reason } => write!(f, "a callback failed: {reason}"),
        }
    }
}

impl std::error::Error for PhoneError {}
