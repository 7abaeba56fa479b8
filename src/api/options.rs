//! Options of the Phone methods as Rust values.
//!
//! Owns: the option types and their JSON. Lives on: any thread. Must not import: `runtime`.

use ewebrtc_wire::Secret;
use serde_json::{Map, Value};

fn insert(map: &mut Map<String, Value>, name: &str, value: Option<&str>) {
    if let Some(text) = value {
        map.insert(name.into(), text.into());
    }
}

/// Options of `login`.
#[derive(Debug, Clone)]
pub struct LoginOptions {
    /// Access token of the user.
    pub token: Secret,
    /// User id to bind the token to before the session is made: an account name, `vtn:` and a number.
    pub user_id: Option<String>,
    /// Emergency address identifier; needed by numbers, forbidden for account ids.
    pub e911_id: Option<String>,
}

impl LoginOptions {
    /// Login with a token alone.
    pub fn new(token: impl Into<Secret>) -> Self {
        Self { token: token.into(), user_id: None, e911_id: None }
    }

    pub(crate) fn to_json(&self) -> Value {
        let mut map = Map::new();
        insert(&mut map, "token", Some(self.token.expose()));
        insert(&mut map, "userId", self.user_id.as_deref());
        insert(&mut map, "e911Id", self.e911_id.as_deref());
        Value::Object(map)
    }
}

/// Where the audio and video of a call come from and go to. What is named here is also that of later calls that name nothing;
/// before any call has named something it is the phone's setting.
#[derive(Debug, Clone, Default)]
pub struct CallSettings {
    /// `silence`, `tone:HZ`, `wav:PATH` or `pcm`; for video followed by `;video=ivf:PATH` or `;video=frames`.
    pub local_media: Option<String>,
    /// `discard`, `wav:PATH` or `pcm`; for video followed by `;video=ivf:PATH`, `;video=frames` or `;video=discard`, which is
    /// what happens to video where nothing is said.
    pub remote_media: Option<String>,
}

impl CallSettings {
    fn insert(&self, map: &mut Map<String, Value>) {
        insert(map, "localMedia", self.local_media.as_deref());
        insert(map, "remoteMedia", self.remote_media.as_deref());
    }
}

/// Options of `dial`.
#[derive(Debug, Clone)]
pub struct DialOptions {
    /// Name, `user@domain` or number.
    pub destination: String,
    /// `audio` or `video`; `None`: `video` where there is a source of it.
    pub media_type: Option<String>,
    /// Sources and sinks.
    pub media: CallSettings,
}

impl DialOptions {
    /// Dial with the phone's settings.
    pub fn new(destination: impl Into<String>) -> Self {
        Self { destination: destination.into(), media_type: None, media: CallSettings::default() }
    }

    pub(crate) fn to_json(&self) -> Value {
        let mut map = Map::new();
        insert(&mut map, "destination", Some(&self.destination));
        insert(&mut map, "mediaType", self.media_type.as_deref());
        self.media.insert(&mut map);
        Value::Object(map)
    }
}

/// Options of `answer`.
#[derive(Debug, Clone, Default)]
pub struct AnswerOptions {
    /// Sources and sinks.
    pub media: CallSettings,
    /// `audio`: a video call is answered with audio only, and may be upgraded later. `None` or `video`: as it was offered,
    /// where there is a source of video.
    pub media_type: Option<String>,
    /// What to do with the call in the foreground: `end` or `hold`.
    pub action: Option<String>,
}

impl AnswerOptions {
    pub(crate) fn to_json(&self) -> Value {
        let mut map = Map::new();
        self.media.insert(&mut map);
        insert(&mut map, "mediaType", self.media_type.as_deref());
        insert(&mut map, "action", self.action.as_deref());
        Value::Object(map)
    }
}

/// Options of `startConference`.
#[derive(Debug, Clone, Default)]
pub struct ConferenceOptions {
    /// `audio` or `video`; `None`: `video` where there is a source of it.
    pub media_type: Option<String>,
    /// Sources and sinks.
    pub media: CallSettings,
}

impl ConferenceOptions {
    pub(crate) fn to_json(&self) -> Value {
        let mut map = Map::new();
        insert(&mut map, "mediaType", self.media_type.as_deref());
        self.media.insert(&mut map);
        Value::Object(map)
    }
}

/// Options of `joinConference`.
#[derive(Debug, Clone, Default)]
pub struct JoinOptions {
    /// Sources and sinks.
    pub media: CallSettings,
    /// What to do with the call or conference in the foreground: `end` or `hold`.
    pub action: Option<String>,
}

impl JoinOptions {
    pub(crate) fn to_json(&self) -> Value {
        let mut map = Map::new();
        self.media.insert(&mut map);
        insert(&mut map, "action", self.action.as_deref());
        Value::Object(map)
    }
}
