//! A phone under measurement: its events with the moment at which its handler was called.
//!
//! Owns: [`Party`]. Lives on: the program's task; times are taken on the phone's dispatcher thread.
//! Must not import: the programs.

use super::Failure;
use ewebrtc::{Event, Gateway, LoginOptions, Phone, PhoneConfig};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// Longest wait for one event; far beyond what a loaded machine needs.
const PATIENCE: Duration = Duration::from_secs(30);

/// A phone that is logged in.
pub struct Party {
    /// The phone.
    pub phone: Phone,
    events: mpsc::UnboundedReceiver<(Event, Instant)>,
}

impl Party {
    /// A phone of this user.
    ///
    /// # Errors
    /// It cannot be made, or does not get in.
    pub async fn login(gateway: &Gateway, user: &str, set: impl FnOnce(&mut PhoneConfig)) -> Result<Self, Failure> {
        let mut config = PhoneConfig::new(gateway.url());
        set(&mut config);
        let phone = Phone::new(config)?;
        let (seen, events) = mpsc::unbounded_channel();
        phone.on_any(move |event| drop(seen.send((event.clone(), Instant::now()))));
        phone.login(LoginOptions::new(gateway.dev_token(user).await?.access_token)).await?;
        Ok(Self { phone, events })
    }

    /// Waits for the next event of this name; those before it are dropped.
    ///
    /// # Errors
    /// It does not come, or the phone reports an error meanwhile.
    pub async fn until(&mut self, name: &str) -> Result<(Event, Instant), Failure> {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            match tokio::time::timeout_at(deadline, self.events.recv()).await {
                Ok(Some((event, at))) if event.name() == name => return Ok((event, at)),
                Ok(Some((event, _))) if event.name() == "error" => {
                    return Err(format!("an error instead of {name}: {}", event.to_json()).into());
                }
                Ok(Some(_)) => {}
                Ok(None) => return Err(format!("the phone closed before {name}").into()),
                Err(_) => return Err(format!("no {name} within {PATIENCE:?}").into()),
            }
        }
    }

    /// Logs out and closes.
    ///
    /// # Errors
    /// The gateway refuses.
    pub async fn leave(self) -> Result<(), Failure> {
        self.phone.logout().await?;
        self.phone.close();
        self.phone.closed().await;
        Ok(())
    }
}
