//! Names, paths, actions and bodies of the REST protocol (rest-protocol.md sections 1 and 2).
//!
//! Owns: what both sides must spell alike. Lives on: any thread. Must not import: anything but serde.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};

/// Prefix of every resource: exactly two segments, because ids are found by position (section 1.4, D-47).
pub const BASE_PATH: &str = "/RTC/v1";

/// Largest body that either side reads, in bytes.
pub const MAX_BODY: usize = 1024 * 1024;

/// Header names in the protocol's spelling. Compare case-insensitively.
pub mod header {
    /// `Bearer <token>`
    pub const AUTHORIZATION: &str = "Authorization";
    /// Address identifier at create session.
    pub const E911_ID: &str = "x-e911Id";
    /// Client's name at create session.
    pub const ARG: &str = "x-Arg";
    /// Verb of `PUT …/calls/{id}`.
    pub const CALLS_ACTION: &str = "x-calls-action";
    /// Verb of `PUT …/conferences/{id}`.
    pub const CONFERENCE_ACTION: &str = "x-conference-action";
    /// Id of a modification of a call; in responses the id of an invitation.
    pub const MOD_ID: &str = "x-modId";
    /// Id of a modification of a conference.
    pub const CONFERENCE_MOD_ID: &str = "x-mod-Id";
    /// Why a call or conference is deleted.
    pub const DELETE_REASON: &str = "x-delete-reason";
    /// The other call of a transfer.
    pub const TRANSFER_TARGET: &str = "x-transferTargetCallId";
    /// Path of a created resource.
    pub const LOCATION: &str = "Location";
    /// Lifetime of a session in seconds.
    pub const EXPIRES: &str = "x-expires";
    /// State of a created or answered item.
    pub const STATE: &str = "x-state";
    /// Address of the session's user; an extension, see the protocol extensions page.
    pub const USER: &str = "x-ewebrtc-user";
}

/// A body or a value that the protocol does not allow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WireError(pub String);

impl std::fmt::Display for WireError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for WireError {}

/// The two kinds of item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Two parties.
    Call,
    /// Host and participants.
    Conference,
}

impl Kind {
    /// Path segment and value of an event's `type`.
    pub fn segment(self) -> &'static str {
        match self {
            Kind::Call => "calls",
            Kind::Conference => "conferences",
        }
    }
}

macro_rules! header_values {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[$vdoc])* $variant),+ }

        impl $name {
            /// Every value.
            pub const ALL: &'static [$name] = &[$($name::$variant),+];

            /// The text on the wire.
            pub fn header_value(self) -> &'static str {
                match self { $($name::$variant => $text),+ }
            }

            /// Reads the text on the wire; `None` for anything else.
            pub fn parse(text: &str) -> Option<Self> {
                match text.trim() { $($text => Some($name::$variant),)+ _ => None }
            }
        }
    };
}

header_values! {
    /// Value of `x-calls-action` (section 0.2).
    CallAction {
        /// Answer a ringing leg.
        Answer = "call-answer",
        /// Hold.
        Hold = "initiate-call-hold",
        /// Resume.
        Resume = "initiate-call-resume",
        /// Move to another session of the same user.
        Move = "initiate-call-move",
        /// Upgrade or downgrade; the SDP says which.
        Modify = "initiate-call-mod",
        /// Answer to a received modification.
        AcceptModification = "accept-call-mod",
        /// Refusal of a received modification.
        RejectModification = "rejectCancel-call-mod",
        /// Attended transfer.
        Transfer = "initiate-call-transfer",
    }
}

header_values! {
    /// Value of `x-conference-action` (section 0.2).
    ConferenceAction {
        /// Join.
        Answer = "call-answer",
        /// Hold.
        Hold = "initiate-hold",
        /// Resume.
        Resume = "initiate-resume",
        /// Answer to a received modification.
        AcceptModification = "accept-media-mod",
    }
}

header_values! {
    /// Value of `x-delete-reason` (section 2.7.11).
    DeleteReason {
        /// Hang up an established item.
        Terminate = "terminate",
        /// The caller withdraws before the answer.
        Cancel = "cancel",
        /// The callee refuses.
        Reject = "reject",
    }
}

/// Paths below the resource base. Every segment is percent-encoded (numbers.md section 12).
pub mod path {
    use super::Kind;

    fn seg(text: &str) -> String {
        super::utf8_percent_encode(text, super::SEGMENT).to_string()
    }

    /// `/userIds/{userId}`
    pub fn user_id(user_id: &str) -> String {
        format!("/userIds/{}", seg(user_id))
    }

    /// `/sessions`
    pub fn sessions() -> String {
        "/sessions".into()
    }

    /// `/sessions/{sid}`
    pub fn session(sid: &str) -> String {
        format!("/sessions/{}", seg(sid))
    }

    /// `/sessions/{sid}/events`
    pub fn events(sid: &str) -> String {
        format!("/sessions/{}/events", seg(sid))
    }

    /// `/sessions/{sid}/websockets`
    pub fn sockets(sid: &str) -> String {
        format!("/sessions/{}/websockets", seg(sid))
    }

    /// `/sessions/{sid}/calls` or `…/conferences`
    pub fn items(kind: Kind, sid: &str) -> String {
        format!("/sessions/{}/{}", seg(sid), kind.segment())
    }

    /// `/sessions/{sid}/calls/{id}` or `…/conferences/{id}`
    pub fn item(kind: Kind, sid: &str, id: &str) -> String {
        format!("/sessions/{}/{}/{}", seg(sid), kind.segment(), seg(id))
    }

    /// `/sessions/{sid}/conferences/{id}/participants/{uri}`
    pub fn participant(sid: &str, id: &str, uri: &str) -> String {
        format!("{}/participants/{}", item(Kind::Conference, sid, id), seg(uri))
    }
}

/// What stays as it is in a path segment: unreserved characters (RFC 3986 section 2.3).
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Session id of a `Location` or `resourceURL`: element 4 after splitting on `/` (section 1.4).
pub fn session_id_of(location: &str) -> Option<&str> {
    element(location, 4)
}

/// Call or conference id of a `Location` or `resourceURL`: element 6 after splitting on `/` (section 1.4).
pub fn item_id_of(location: &str) -> Option<&str> {
    element(location, 6)
}

fn element(location: &str, n: usize) -> Option<&str> {
    let path = location.split(['?', '#']).next().unwrap_or_default();
    if !path.starts_with('/') {
        return None;
    }
    path.split('/').nth(n).filter(|id| !id.is_empty() && id.len() <= 256)
}

/// Body of create session (section 2.2).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SessionCreate {
    /// The session asked for.
    pub session: SessionBody,
}

/// Member `session` of [`SessionCreate`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SessionBody {
    /// Always `dtls-srtp`.
    #[serde(rename = "mediaType", default)]
    pub media_type: String,
    /// The text `true`.
    #[serde(default)]
    pub ice: serde_json::Value,
    /// `ip_voice_call` and `ip_video_call`.
    #[serde(default)]
    pub services: Vec<String>,
}

impl Default for SessionCreate {
    /// What every client sends.
    fn default() -> Self {
        Self {
            session: SessionBody {
                media_type: "dtls-srtp".into(),
                ice: "true".into(),
                services: vec!["ip_voice_call".into(), "ip_video_call".into()],
            },
        }
    }
}

/// Body of create call (section 2.7.1).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CallCreate {
    /// The call asked for.
    pub call: CallBody,
}

/// Member `call` of [`CallCreate`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CallBody {
    /// Address of the called party; original clients send `null` for what they do not understand (section 1.5).
    #[serde(rename = "calledParty", default)]
    pub called_party: Option<String>,
    /// Complete offer.
    #[serde(default)]
    pub sdp: Option<String>,
}

/// Body of create conference (section 2.7.2).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ConferenceCreate {
    /// The conference asked for.
    pub conference: ConferenceBody,
}

/// Member `conference` of [`ConferenceCreate`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ConferenceBody {
    /// Complete offer.
    #[serde(default)]
    pub sdp: Option<String>,
}

/// SDP of an answer or a modification.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MediaModification {
    /// Complete description.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sdp: Option<String>,
    /// `offer` for hold, resume and move; absent otherwise (D-44).
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
}

/// Body of `PUT …/calls/{id}` (section 2.7).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CallsModification {
    /// The description.
    #[serde(rename = "callsMediaModifications")]
    pub modification: MediaModification,
}

/// Body of `PUT …/conferences/{id}` (section 2.7).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ConferenceModification {
    /// The description.
    #[serde(rename = "conferenceModifications")]
    pub modification: MediaModification,
}

/// Body of the association of an e911 id (section 2.5).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct E911Association {
    /// The association asked for.
    #[serde(rename = "e911Association")]
    pub association: E911Body,
}

/// Member `e911Association` of [`E911Association`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct E911Body {
    /// Address identifier.
    #[serde(rename = "e911Id", default)]
    pub e911_id: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_found_by_position_only() {
        assert_eq!(session_id_of("/RTC/v1/sessions/0045-ab42"), Some("0045-ab42"));
        assert_eq!(item_id_of("/RTC/v1/sessions/0045/calls/1234/mod/9"), Some("1234"));
        assert_eq!(session_id_of("https://host/RTC/v1/sessions/0045"), None);
        assert_eq!(session_id_of("/RTC/v1/sessions/"), None);
        assert_eq!(item_id_of("/RTC/v1/sessions/0045"), None);
        assert_eq!(session_id_of(""), None);
    }

    #[test]
    fn path_segments_are_encoded() {
        assert_eq!(path::user_id("vtn:4251234567"), "/userIds/vtn%3A4251234567");
        assert_eq!(path::participant("s", "c", "tel:+1"), "/sessions/s/conferences/c/participants/tel%3A%2B1");
        assert_eq!(path::item(Kind::Call, "a/b", "c"), "/sessions/a%2Fb/calls/c");
    }

    #[test]
    fn header_values_read_back() {
        for action in CallAction::ALL {
            assert_eq!(CallAction::parse(action.header_value()), Some(*action));
        }
        assert_eq!(CallAction::parse("call-Answer"), None);
        assert_eq!(DeleteReason::parse("terminate"), Some(DeleteReason::Terminate));
    }

    #[test]
    fn bodies_have_the_documented_shape() {
        let text = serde_json::to_string(&SessionCreate::default()).expect("serialises");
        assert_eq!(
            text,
            r#"{"session":{"mediaType":"dtls-srtp","ice":"true","services":["ip_voice_call","ip_video_call"]}}"#
        );
        let call: CallCreate = serde_json::from_str(r#"{"call":{"calledParty":null,"sdp":"v=0"}}"#).expect("reads");
        assert_eq!(call.call.called_party, None);
    }
}
