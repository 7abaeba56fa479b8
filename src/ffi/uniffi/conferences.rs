//! Conferences of the typed surface: a conference is a [`Call`] with several parties.
//!
//! Owns: these methods of [`Phone`], [`ConferenceOptions`], [`JoinOptions`], [`Participant`]. Lives on: any thread. Must not
//! import: `runtime`, `core`, `signal`.

use super::call::Call;
use super::error::PhoneError;
use super::phone::Phone;
use super::waits::wait;
use crate::api;
use serde_json::{Value, json};
use std::sync::Arc;

/// Options of `start_conference`.
#[derive(Debug, Clone, uniffi::Record)]
pub struct ConferenceOptions {
    /// `audio` or `video`; absent: the best that can be done.
    #[uniffi(default = None)]
    pub media_type: Option<String>,
    /// Where what is sent comes from; absent: as in the call before, at first as in the phone's settings.
    #[uniffi(default = None)]
    pub local_media: Option<String>,
    /// Where what is heard goes; absent: as `local_media`.
    #[uniffi(default = None)]
    pub remote_media: Option<String>,
}

impl From<ConferenceOptions> for api::ConferenceOptions {
    fn from(given: ConferenceOptions) -> Self {
        let media = api::CallSettings { local_media: given.local_media, remote_media: given.remote_media };
        Self { media_type: given.media_type, media }
    }
}

/// Options of `join_conference`.
#[derive(Debug, Clone, uniffi::Record)]
pub struct JoinOptions {
    /// As in [`ConferenceOptions`].
    #[uniffi(default = None)]
    pub local_media: Option<String>,
    /// As in [`ConferenceOptions`].
    #[uniffi(default = None)]
    pub remote_media: Option<String>,
    /// What to do with the call or conference in the foreground: `end` or `hold`.
    #[uniffi(default = None)]
    pub action: Option<String>,
}

impl From<JoinOptions> for api::JoinOptions {
    fn from(given: JoinOptions) -> Self {
        let media = api::CallSettings { local_media: given.local_media, remote_media: given.remote_media };
        Self { media, action: given.action }
    }
}

/// Somebody in a conference of this phone.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct Participant {
    /// Who it is: the number, or the account id.
    pub participant: String,
    /// `active`.
    pub status: String,
}

#[uniffi::export]
impl Phone {
    /// Starts a conference with this phone as its host and nobody else in it; a call in the foreground is held for it. Completes
    /// at `conference:connected`.
    ///
    /// Errors: 3111 to 3122 for the media, 3131 while not logged in, 3961 with two calls, 3100 while something is being set up
    /// or the call in the foreground cannot be held, 0020 when there is no source or sink.
    #[uniffi::method(default(tag = None))]
    pub async fn start_conference(
        &self,
        options: ConferenceOptions,
        tag: Option<String>,
    ) -> Result<Arc<Call>, PhoneError> {
        let options = api::ConferenceOptions::from(options).to_json();
        let value = wait(self.link(), self.inner().run_tagged("startConference", options, None, tag)).await?;
        let handle = value.get("conference").and_then(Value::as_u64).ok_or(PhoneError::NotFound)?;
        Ok(self.call(handle))
    }

    /// Joins the conference that this phone is invited to and gives it. Completes at `conference:connected`.
    ///
    /// Errors: 3211 and 3212 for the media, 3221 while not logged in, 3231 without an invitation, 3241 while there is a call and
    /// no action, 3200 when it fails on the way; `NotFound` when it ended meanwhile.
    #[uniffi::method(default(tag = None))]
    pub async fn join_conference(&self, options: JoinOptions, tag: Option<String>) -> Result<Arc<Call>, PhoneError> {
        // Named by its handle, so that the conference that is given is the one that was joined.
        let target = self.invited();
        self.run("joinConference", api::JoinOptions::from(options).to_json(), target, tag).await?;
        target.map(|handle| self.call(handle)).ok_or(PhoneError::NotFound)
    }

    /// Declines the invitation to a conference. Completes at `conference:invitation-rejected`.
    ///
    /// Errors: 3301 while not logged in, 3302 without an invitation.
    #[uniffi::method(default(tag = None))]
    pub async fn reject_conference(&self, tag: Option<String>) -> Result<(), PhoneError> {
        self.run("rejectConference", Value::Null, None, tag).await
    }

    /// Leaves the conference in the foreground; one of this phone ends for everybody. Completes at `conference:ended`.
    ///
    /// Errors: 3501 while not logged in, 3502 without a conference in the foreground.
    #[uniffi::method(default(tag = None))]
    pub async fn end_conference(&self, tag: Option<String>) -> Result<(), PhoneError> {
        self.run("endConference", Value::Null, None, tag).await
    }

    /// Invites a party to the conference of this phone in the foreground. Completes at `conference:invitation-sent`; whether the
    /// party comes is told by `conference:invitation-accepted`, `conference:invitation-rejected` or a `notification`.
    ///
    /// Errors: 3611 to 3613 for the text, 3621 while not logged in, 3631 without a conference of this phone, 3641 when the party
    /// is in it, 3600 when the gateway takes no invitation.
    #[uniffi::method(default(tag = None))]
    pub async fn add_participant(&self, participant: String, tag: Option<String>) -> Result<(), PhoneError> {
        self.run("addParticipant", json!({ "participant": participant }), None, tag).await
    }

    /// Takes a party out of the conference of this phone in the foreground. Completes at `conference:participant-removed`, also
    /// when the party is not on its list.
    ///
    /// Errors: 3711 for an empty text, 3721 while not logged in, 3731 without a conference of this phone, 3700 when the text
    /// names nobody or the gateway refuses.
    #[uniffi::method(default(tag = None))]
    pub async fn remove_participant(&self, participant: String, tag: Option<String>) -> Result<(), PhoneError> {
        self.run("removeParticipant", json!({ "participant": participant }), None, tag).await
    }

    /// Who is in the conference of this phone in the foreground, in the order of their names.
    ///
    /// Errors: 3401 while not logged in, 3402 without a conference of this phone.
    pub async fn get_participants(&self) -> Result<Vec<Participant>, PhoneError> {
        let list = wait(self.link(), self.inner().participants()).await?;
        Ok(list.into_iter().map(|one| Participant { participant: one.participant, status: one.status }).collect())
    }
}
