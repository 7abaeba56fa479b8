//! The one error type of this crate.
//!
//! Owns: [`MediaError`]. Lives on any thread. Must not import anything but std.

use std::fmt;

/// Why something about media could not be done.
///
/// The texts are for a person; they name no address, token or number. The phone maps the variants to the codes of its
/// error table: `Source` is 0020 (media cannot be had), `Sdp` a fault of the session description, the others faults of
/// the transport.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MediaError {
    /// A session description could not be read, or offers nothing that we can use.
    Sdp(String),
    /// A source or a sink cannot be had: the file is missing, is no WAV or IVF file, has a format we do not read, or cannot
    /// be written (code 0020).
    Source(String),
    /// The peer connection could not be built or refused an operation.
    Transport(String),
    /// The leg or the transport is closed.
    Closed,
    /// Something did not happen in time; the text says what.
    Timeout(String),
}

impl fmt::Display for MediaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MediaError::Sdp(text) => write!(f, "session description: {text}"),
            MediaError::Source(text) => write!(f, "media source or sink: {text}"),
            MediaError::Transport(text) => write!(f, "media transport: {text}"),
            MediaError::Closed => f.write_str("media is closed"),
            MediaError::Timeout(text) => write!(f, "time-out: {text}"),
        }
    }
}

impl std::error::Error for MediaError {}
