//! What a phone can do with conferences: start one and fill it, or join one.
//!
//! Owns: these methods of [`Phone`], [`Participant`]. Lives on: any thread. Must not import: `signal`, `core`'s machines.
//!
//! A conference is a [`Call`] with several parties: hangup, mute, statistics and program audio are those of a call, and so are
//! hold, resume and switching on the phone. Its events have the handle as `conference`.

use super::call::Call;
use super::error::Error;
use super::options::{ConferenceOptions, JoinOptions};
use super::phone::Phone;
use serde_json::{Value, json};

/// Somebody in a conference of this phone.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
pub struct Participant {
    /// Who it is: the number, or the account id (numbers.md section 12).
    pub participant: String,
    /// `active`.
    pub status: String,
}

impl Phone {
    /// Starts a conference with this phone as its host and nobody else in it; a call in the foreground is held for it. Completes
    /// at `conference:connected`.
    ///
    /// # Errors
    /// 3111 to 3122 for the media, 3131 while not logged in, 3961 with two calls, 3100 while something is being set up or the
    /// call in the foreground cannot be held, 0020 when there is no source or sink.
    pub async fn start_conference(&self, options: ConferenceOptions) -> Result<Call, Error> {
        let value = self.run_tagged("startConference", options.to_json(), None, None).await?;
        let handle = value.get("conference").and_then(Value::as_u64).ok_or(Error::NotFound)?;
        Ok(Call::new(self.clone(), handle))
    }

    /// Joins the conference that this phone is invited to (`conference:invitation-received`). Completes at
    /// `conference:connected`.
    ///
    /// # Errors
    /// 3211 and 3212 for the media, 3221 while not logged in, 3231 without an invitation, 3241 while there is a call and no
    /// action, 3200 when it fails on the way.
    pub async fn join_conference(&self, options: JoinOptions) -> Result<(), Error> {
        self.run("joinConference", options.to_json(), None).await
    }

    /// Declines the invitation to a conference. Completes at `conference:invitation-rejected`.
    ///
    /// # Errors
    /// 3301 while not logged in, 3302 without an invitation.
    pub async fn reject_conference(&self) -> Result<(), Error> {
        self.run("rejectConference", Value::Null, None).await
    }

    /// Leaves the conference in the foreground; one of this phone ends for everybody. Completes at `conference:ended`.
    ///
    /// # Errors
    /// 3501 while not logged in, 3502 without a conference in the foreground.
    pub async fn end_conference(&self) -> Result<(), Error> {
        self.run("endConference", Value::Null, None).await
    }

    /// Invites a party to the conference of this phone in the foreground. Completes at `conference:invitation-sent`; whether the
    /// party comes is told by `conference:invitation-accepted`, `conference:invitation-rejected` or a `notification`.
    ///
    /// # Errors
    /// 3611 to 3613 for the text, 3621 while not logged in, 3631 without a conference of this phone, 3641 when the party is in
    /// it, 3600 when the gateway takes no invitation.
    pub async fn add_participant(&self, participant: &str) -> Result<(), Error> {
        self.run("addParticipant", json!({ "participant": participant }), None).await
    }

    /// Takes a party out of the conference of this phone in the foreground. Completes at `conference:participant-removed`, also
    /// when the party is not on its list.
    ///
    /// # Errors
    /// 3711 for an empty text, 3721 while not logged in, 3731 without a conference of this phone, 3700 when the text names
    /// nobody or the gateway refuses.
    pub async fn remove_participant(&self, participant: &str) -> Result<(), Error> {
        self.run("removeParticipant", json!({ "participant": participant }), None).await
    }

    /// Who is in the conference of this phone in the foreground (`getParticipants`), in the order of their names.
    ///
    /// # Errors
    /// 3401 while not logged in, 3402 without a conference of this phone.
    pub async fn participants(&self) -> Result<Vec<Participant>, Error> {
        let value = self.invoke_async("getParticipants", Value::Null, None).await?;
        let list: Vec<Value> = value.as_object().map(|map| map.values().cloned().collect()).unwrap_or_default();
        serde_json::from_value(Value::Array(list)).map_err(|e| Error::System(e.to_string()))
    }
}
