//! The Phone methods as a table: which the core knows, and where the checks of each stand.
//!
//! Owns: [`Method`], the form of a check and the reading of options. Lives on: the phone's actor. Must not import:
//! anything but `checks`, `conference_checks` and `facts`. What an accepted method does stands in `phone`.

use super::facts::Facts;
use super::{checks, conference_checks};
use serde_json::Value;

/// The methods that the core knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Method {
    Login,
    Logout,
    AssociateE911Id,
    Dial,
    AddCall,
    Answer,
    Hangup,
    Cancel,
    Reject,
    Hold,
    Resume,
    Move,
    SwitchCall,
    Transfer,
    Upgrade,
    Downgrade,
    AcceptModification,
    RejectModification,
    Mute,
    Unmute,
    SendDtmfTone,
    StartConference,
    JoinConference,
    RejectConference,
    EndConference,
    AddParticipant,
    RemoveParticipant,
    GetParticipants,
    GetCalls,
    GetMediaType,
    IsCallInProgress,
    GetVersion,
}

/// Outcome of one check.
pub(super) enum Verdict {
    Passed,
    Failed,
    /// Failed, with a text for `AdditionalInformation`.
    Because(String),
}

impl From<bool> for Verdict {
    /// True: failed.
    fn from(failed: bool) -> Self {
        if failed { Verdict::Failed } else { Verdict::Passed }
    }
}

/// One check of a method.
pub(super) struct Check {
    pub(super) code: &'static str,
    pub(super) test: fn(&Facts<'_>, &Value) -> Verdict,
}

impl Method {
    /// The method of this name.
    pub(super) fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, known)| *known == name).map(|(method, _)| *method)
    }

    pub(super) const ALL: [(Method, &'static str); 32] = [
        (Method::Login, "login"),
        (Method::Logout, "logout"),
        (Method::AssociateE911Id, "associateE911Id"),
        (Method::Dial, "dial"),
        (Method::AddCall, "addCall"),
        (Method::Answer, "answer"),
        (Method::Hangup, "hangup"),
        (Method::Cancel, "cancel"),
        (Method::Reject, "reject"),
        (Method::Hold, "hold"),
        (Method::Resume, "resume"),
        (Method::Move, "move"),
        (Method::SwitchCall, "switchCall"),
        (Method::Transfer, "transfer"),
        (Method::Upgrade, "upgrade"),
        (Method::Downgrade, "downgrade"),
        (Method::AcceptModification, "acceptModification"),
        (Method::RejectModification, "rejectModification"),
        (Method::Mute, "mute"),
        (Method::Unmute, "unmute"),
        (Method::SendDtmfTone, "sendDTMFTone"),
        (Method::StartConference, "startConference"),
        (Method::JoinConference, "joinConference"),
        (Method::RejectConference, "rejectConference"),
        (Method::EndConference, "endConference"),
        (Method::AddParticipant, "addParticipant"),
        (Method::RemoveParticipant, "removeParticipant"),
        (Method::GetParticipants, "getParticipants"),
        (Method::GetCalls, "getCalls"),
        (Method::GetMediaType, "getMediaType"),
        (Method::IsCallInProgress, "isCallInProgress"),
        (Method::GetVersion, "getVersion"),
    ];

    /// The checks in order; the first that fails decides.
    pub(super) fn checks(self) -> &'static [Check] {
        match self {
            Method::Login => checks::LOGIN,
            Method::Logout => checks::LOGOUT,
            Method::AssociateE911Id => checks::ASSOCIATE,
            Method::Dial => checks::DIAL,
            Method::AddCall => checks::ADD_CALL,
            Method::Answer => checks::ANSWER,
            Method::Hangup => checks::HANGUP,
            Method::Cancel => checks::CANCEL,
            Method::Reject => checks::REJECT,
            Method::Hold => checks::HOLD,
            Method::Resume => checks::RESUME,
            Method::Move => checks::MOVE,
            Method::SwitchCall => checks::SWITCH,
            Method::Transfer => checks::TRANSFER,
            Method::Upgrade => checks::UPGRADE,
            Method::Downgrade => checks::DOWNGRADE,
            Method::AcceptModification => checks::ACCEPT,
            Method::RejectModification => checks::REJECT_MODIFICATION,
            Method::Mute => checks::MUTE,
            Method::Unmute => checks::UNMUTE,
            Method::SendDtmfTone => checks::SEND_TONE,
            Method::StartConference => conference_checks::START,
            Method::JoinConference => conference_checks::JOIN,
            Method::RejectConference => conference_checks::REJECT,
            Method::EndConference => conference_checks::END,
            Method::AddParticipant => conference_checks::ADD,
            Method::RemoveParticipant => conference_checks::REMOVE,
            Method::GetParticipants => conference_checks::GET,
            Method::GetCalls | Method::GetMediaType | Method::IsCallInProgress | Method::GetVersion => &[],
        }
    }
}

/// An option's value: absent (missing, null or empty, P-41), a text, or something else.
pub(super) enum Text<'a> {
    Absent,
    Is(&'a str),
    Odd,
}

pub(super) fn text<'a>(options: &'a Value, name: &str) -> Text<'a> {
    match options.get(name) {
        None | Some(Value::Null) => Text::Absent,
        Some(Value::String(text)) if text.is_empty() => Text::Absent,
        Some(Value::String(text)) => Text::Is(text),
        Some(Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => Text::Odd,
    }
}

/// The text of an option that passed its checks.
pub(super) fn option(options: &Value, name: &str) -> Option<String> {
    match text(options, name) {
        Text::Is(text) if !text.is_empty() => Some(text.to_owned()),
        Text::Is(_) | Text::Absent | Text::Odd => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every list of checks is the `validation` list of the method table, in its order; what the table has beyond it is
    /// the code for an unexpected failure or the `warning` event.
    #[test]
    fn checks_follow_the_validation_lists() {
        for (method, name) in Method::ALL {
            let info = ewebrtc_wire::method_info("Phone", name).expect("documented");
            let table: Vec<&str> = info.validation.iter().map(|(_, code)| *code).collect();
            let ours: Vec<&str> = method.checks().iter().map(|check| check.code).collect();
            let mut rest = table.iter();
            for code in &ours {
                assert!(rest.any(|c| c == code), "{name}: {code} is not in the order of {table:?}");
            }
            for code in table.iter().filter(|code| !ours.contains(code)) {
                assert!(
                    code.ends_with("00") || *code == "2050" || *code == "warning event",
                    "{name} does not check {code}"
                );
            }
            assert_eq!(Method::parse(name), Some(method));
        }
        assert_eq!(Method::parse("startconference"), None);
        assert_eq!(Method::parse("Dial"), None);
    }
}
