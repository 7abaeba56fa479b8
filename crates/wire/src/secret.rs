//! Text that must not be shown, such as an access token.
//!
//! Owns: [`Secret`]. Lives on: any thread. Must not import: anything of this crate.

use std::fmt;

/// A token or password. `Debug` shows its length only, so that no log line can give it away.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct Secret(String);

impl Secret {
    /// Takes the text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself, for the one place that sends it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// True when there is no text.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({} bytes)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn debug_shows_the_length_only() {
        let shown = format!("{:?}", super::Secret::from("abc-token"));
        assert_eq!(shown, "Secret(9 bytes)");
    }
}
