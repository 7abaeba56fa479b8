//! What a gateway is told once, and why it may not start.
//!
//! Owns: [`GatewayConfig`], [`GatewayError`]. Lives on: any thread. Must not import: the server.

use std::sync::Arc;
use std::time::Duration;

use crate::anchor::{AnchorFactory, MediaAnchor};
use crate::core::{CoreConfig, Limits};
use crate::echo::{EchoFactory, MediaEcho};
use crate::mixer::{MediaMixer, MixerFactory};

/// Configuration of a [`Gateway`](crate::Gateway).
#[derive(Clone)]
pub struct GatewayConfig {
    /// Address and port to listen on; port 0 takes a free one.
    pub listen: String,
    /// Domain of the accounts.
    pub domain: String,
    /// Development mode: `POST /dev/tokens` gives everybody a token of any name. There is no other source of users yet,
    /// so a gateway without it does not start.
    pub dev: bool,
    /// Lifetime of a session in seconds, from login or the last refresh (`x-expires`); at least 1.
    pub session_seconds: u64,
    /// How long an unanswered call rings; at least 1.
    pub ring_seconds: u64,
    /// How long a hold, an upgrade or another modification waits for the other side before the gateway answers in its
    /// name; at least 1.
    pub modification_seconds: u64,
    /// How long each step of a transfer may take; at least 1.
    pub transfer_seconds: u64,
    /// How long a poll is held before it is answered 204; 1 to 35, because original clients give up after 40 s.
    pub poll_seconds: u64,
    /// A session whose event channel nobody has asked for so long has lost its phone; at least 1.
    pub lost_seconds: u64,
    /// How often a WebSocket is pinged; one from which nothing was heard for as long after a ping is closed. At least 1.
    pub ping_seconds: u64,
    /// How long the events of a leg wait after the leg's own request was answered (D-6).
    pub hold_back: Duration,
    /// How long an error is held before it answers a poll: original clients ask again at once and give up for good after
    /// eight errors (D-39).
    pub error_hold: Duration,
    /// Connections served at a time. More wait in the operating system's queue.
    pub connections: usize,
    /// How long the mixer of conferences may take for a description; at least 1.
    pub mixer_seconds: u64,
    /// Calls to `echo` at a time; the next caller hears `Not available`.
    pub echoes: usize,
    /// Calls to rooms (`room-<name>`) at a time, all rooms together; the next caller hears `Not available`.
    pub room_calls: usize,
    /// Whether the gateway makes a ringback tone for callers (early media). Such a call has its media in the gateway: see
    /// `docs/protocol-extensions.md`.
    pub ringback: bool,
    /// Calls with a ringback tone at a time, each with two connections here; the next call goes without the tone, its media
    /// directly from phone to phone.
    pub anchors: usize,
    /// Bounds of the core.
    pub limits: Limits,
    /// What answers calls to `echo`.
    pub echo: Arc<dyn EchoFactory>,
    /// What makes the ringback tone and passes on the audio of those calls.
    pub anchor: Arc<dyn AnchorFactory>,
    /// What mixes conferences.
    pub mixer: Arc<dyn MixerFactory>,
}

impl Default for GatewayConfig {
    /// A free port on 127.0.0.1, the domain `ewebrtc.local`, the times of the protocol's text; not in development mode.
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:0".into(),
            domain: ewebrtc_wire::DEFAULT_DOMAIN.into(),
            dev: false,
            session_seconds: 3600,
            ring_seconds: 60,
            modification_seconds: 60,
            transfer_seconds: 20,
            poll_seconds: 25,
            lost_seconds: 45,
            ping_seconds: 20,
            hold_back: Duration::from_millis(75),
            error_hold: Duration::from_secs(1),
            connections: 4096,
            mixer_seconds: 15,
            echoes: 32,
            room_calls: 256,
            ringback: false,
            anchors: 64,
            limits: Limits::default(),
            echo: Arc::new(MediaEcho::default()),
            anchor: Arc::new(MediaAnchor::default()),
            mixer: Arc::new(MediaMixer::default()),
        }
    }
}

impl GatewayConfig {
    /// The defaults, in development mode.
    pub fn development() -> Self {
        Self { dev: true, ..Self::default() }
    }

    pub(crate) fn ping(&self) -> Duration {
        Duration::from_secs(self.ping_seconds)
    }

    /// Checks every value.
    ///
    /// # Errors
    /// [`GatewayError::NoAccounts`] and [`GatewayError::Config`].
    pub(crate) fn check(&self) -> Result<CoreConfig, GatewayError> {
        if !self.dev {
            return Err(GatewayError::NoAccounts);
        }
        let domain = self.domain.to_ascii_lowercase();
        let label = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.' || c == '_';
        if domain.is_empty() || domain.len() > 253 || !domain.chars().all(label) {
            return Err(GatewayError::Config("the domain must consist of letters, digits, '.', '-' and '_'"));
        }
        if !(1..=3600).contains(&self.ping_seconds) {
            return Err(GatewayError::Config("the ping time must be 1 to 3600 seconds"));
        }
        // A year is more than any operator means, and far from overflowing an instant.
        let seconds = |n: u64, max: u64, text: &'static str| match n {
            1.. if n <= max => Ok(Duration::from_secs(n)),
            _ => Err(GatewayError::Config(text)),
        };
        const YEAR: u64 = 366 * 24 * 3600;
        Ok(CoreConfig {
            domain,
            session: seconds(self.session_seconds, YEAR, "the session time must be at least 1 second")?,
            ring: seconds(self.ring_seconds, YEAR, "the ring time must be at least 1 second")?,
            modification: seconds(self.modification_seconds, YEAR, "the modification time must be at least 1 second")?,
            transfer: seconds(self.transfer_seconds, YEAR, "the transfer time must be at least 1 second")?,
            mixer: seconds(self.mixer_seconds, YEAR, "the mixer's time must be at least 1 second")?,
            poll: seconds(self.poll_seconds, 35, "the poll time must be 1 to 35 seconds: clients give up after 40")?,
            lost: seconds(self.lost_seconds, YEAR, "the lost time must be at least 1 second")?,
            hold_back: self.hold_back.min(Duration::from_secs(1)),
            // One of the two lifetimes that the original's documentation names (section 2.9.3).
            token: Duration::from_secs(172_800),
            ringback: self.ringback,
            limits: self.limits.clone(),
        })
    }
}

/// Why a gateway does not start, or refuses a call of its own functions.
#[derive(Debug)]
pub enum GatewayError {
    /// Neither development mode nor accounts: nobody could log in.
    NoAccounts,
    /// A value out of range; the text says which.
    Config(&'static str),
    /// No address and port.
    Address(String),
    /// The address cannot be listened on.
    Listen(String, std::io::Error),
    /// Not a user of this gateway, or it is full.
    User(&'static str),
}

impl std::fmt::Display for GatewayError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            GatewayError::NoAccounts => f.write_str(
                "nobody could log in: this version has no accounts yet, only development mode (--dev, `dev: true`)",
            ),
            GatewayError::Config(text) | GatewayError::User(text) => f.write_str(text),
            GatewayError::Address(text) => write!(f, "{text:?} is no address and port to listen on"),
            GatewayError::Listen(address, error) => write!(f, "cannot listen on {address}: {error}"),
        }
    }
}

impl std::error::Error for GatewayError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            GatewayError::Listen(_, error) => Some(error),
            GatewayError::NoAccounts | GatewayError::Config(_) | GatewayError::Address(_) | GatewayError::User(_) => {
                None
            }
        }
    }
}
