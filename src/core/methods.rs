//! The Phone methods as a table: which checks each makes, in which order, and the code of each refusal (`validation` in
//! `methods.json`, phone-behaviour.md sections 19 and 20).
//!
//! Owns: [`Method`] and its checks. Lives on: the phone's actor. Must not import: anything but `media_target` and wire.
//! What an accepted method does stands in `phone`.

use super::media_target::{LocalMedia, RemoteMedia};
use ewebrtc_wire::{AddressError, called_party};
use serde_json::Value;

/// The methods that the core knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Method {
    Login,
    Logout,
    AssociateE911Id,
    Dial,
    Answer,
    Hangup,
    Cancel,
    Reject,
    Mute,
    Unmute,
    GetCalls,
    GetMediaType,
    IsCallInProgress,
    GetVersion,
}

/// The pending item as the checks see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pending {
    Nothing,
    /// Outgoing, not yet connected.
    Outgoing,
    /// Incoming, not answered.
    Ringing,
    /// Incoming, being answered or being rejected.
    Answering,
}

/// What the checks may look at.
#[derive(Debug, Clone, Copy)]
pub(super) struct Facts<'a> {
    pub(super) online: bool,
    /// A session exists or is being made or closed.
    pub(super) login_held: bool,
    /// There is a session id.
    pub(super) session: bool,
    /// The session is open and nobody is closing it.
    pub(super) open: bool,
    pub(super) pending: Pending,
    /// The item that hangup, mute and unmute act on.
    pub(super) subject: bool,
    /// There is a foreground item.
    pub(super) foreground: bool,
    /// As many associations of an e911 id are under way as may be.
    pub(super) associating: bool,
    /// Domain for names and short numbers.
    pub(super) domain: &'a str,
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

    pub(super) const ALL: [(Method, &'static str); 14] = [
        (Method::Login, "login"),
        (Method::Logout, "logout"),
        (Method::AssociateE911Id, "associateE911Id"),
        (Method::Dial, "dial"),
        (Method::Answer, "answer"),
        (Method::Hangup, "hangup"),
        (Method::Cancel, "cancel"),
        (Method::Reject, "reject"),
        (Method::Mute, "mute"),
        (Method::Unmute, "unmute"),
        (Method::GetCalls, "getCalls"),
        (Method::GetMediaType, "getMediaType"),
        (Method::IsCallInProgress, "isCallInProgress"),
        (Method::GetVersion, "getVersion"),
    ];

    /// The checks in order; the first that fails decides.
    pub(super) fn checks(self) -> &'static [Check] {
        match self {
            Method::Login => LOGIN,
            Method::Logout => LOGOUT,
            Method::AssociateE911Id => ASSOCIATE,
            Method::Dial => DIAL,
            Method::Answer => ANSWER,
            Method::Hangup => HANGUP,
            Method::Cancel => CANCEL,
            Method::Reject => REJECT,
            Method::Mute => MUTE,
            Method::Unmute => UNMUTE,
            Method::GetCalls | Method::GetMediaType | Method::IsCallInProgress | Method::GetVersion => &[],
        }
    }
}

/// An option's value: absent (missing, null or empty, P-41), a text, or something else.
enum Text<'a> {
    Absent,
    Is(&'a str),
    Odd,
}

fn text<'a>(options: &'a Value, name: &str) -> Text<'a> {
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

fn offline(facts: &Facts<'_>, _: &Value) -> Verdict {
    (!facts.online).into()
}

fn no_options(_: &Facts<'_>, options: &Value) -> Verdict {
    options.is_null().into()
}

fn no_session(facts: &Facts<'_>, _: &Value) -> Verdict {
    (!facts.session).into()
}

fn not_open(facts: &Facts<'_>, _: &Value) -> Verdict {
    (!facts.open).into()
}

fn no_subject(facts: &Facts<'_>, _: &Value) -> Verdict {
    (!facts.subject).into()
}

fn bad_local(_: &Facts<'_>, options: &Value) -> Verdict {
    match text(options, "localMedia") {
        Text::Absent => Verdict::Passed,
        Text::Odd => Verdict::Failed,
        Text::Is(target) => {
            LocalMedia::parse(target).err().map_or(Verdict::Passed, |e| Verdict::Because(e.to_string()))
        }
    }
}

fn bad_remote(_: &Facts<'_>, options: &Value) -> Verdict {
    match text(options, "remoteMedia") {
        Text::Absent => Verdict::Passed,
        Text::Odd => Verdict::Failed,
        Text::Is(target) => {
            RemoteMedia::parse(target).err().map_or(Verdict::Passed, |e| Verdict::Because(e.to_string()))
        }
    }
}

/// What is wrong with `destination`, if anything.
fn destination(facts: &Facts<'_>, options: &Value) -> Option<AddressError> {
    match text(options, "destination") {
        Text::Is(typed) => called_party(typed, facts.domain).err(),
        Text::Absent | Text::Odd => Some(AddressError::Missing),
    }
}

const LOGIN: &[Check] = &[
    Check { code: "0002", test: offline },
    Check { code: "2001", test: no_options },
    Check {
        code: "2002",
        test: |_, options| match text(options, "token") {
            Text::Is(token) => token.is_empty().into(),
            Text::Absent | Text::Odd => Verdict::Failed,
        },
    },
    Check { code: "2003", test: |facts, _| facts.login_held.into() },
    Check {
        code: "2000",
        test: |_, options| {
            let odd = ["userId", "e911Id"].into_iter().find(|name| matches!(text(options, name), Text::Odd));
            odd.map_or(Verdict::Passed, |name| Verdict::Because(format!("{name} is not a text")))
        },
    },
];

const LOGOUT: &[Check] = &[Check { code: "0002", test: offline }, Check { code: "2101", test: no_session }];

const ASSOCIATE: &[Check] = &[
    Check { code: "0002", test: offline },
    Check { code: "2051", test: no_options },
    Check {
        code: "2052",
        test: |_, options| match text(options, "e911Id") {
            Text::Is(id) => id.is_empty().into(),
            Text::Absent | Text::Odd => Verdict::Failed,
        },
    },
    Check { code: "2053", test: not_open },
    Check {
        code: "2050",
        test: |facts, _| match facts.associating {
            true => Verdict::Because("too many associations are under way".into()),
            false => Verdict::Passed,
        },
    },
];

const DIAL: &[Check] = &[
    Check { code: "0002", test: offline },
    Check { code: "2201", test: no_options },
    Check { code: "2211", test: |f, o| matches!(destination(f, o), Some(AddressError::Missing)).into() },
    Check { code: "2212", test: |f, o| matches!(destination(f, o), Some(AddressError::Scheme)).into() },
    Check {
        code: "2213",
        test: |f, o| matches!(destination(f, o), Some(AddressError::ManyAts | AddressError::Malformed)).into(),
    },
    Check {
        code: "2221",
        test: |_, options| match text(options, "mediaType") {
            Text::Absent | Text::Is("audio") => Verdict::Passed,
            Text::Is("video") => Verdict::Because("video is not supported".into()),
            Text::Is(_) | Text::Odd => Verdict::Failed,
        },
    },
    Check { code: "2231", test: bad_local },
    Check { code: "2232", test: bad_remote },
    Check { code: "2241", test: not_open },
    Check { code: "2251", test: |facts, _| (facts.pending != Pending::Nothing).into() },
    Check { code: "2252", test: |facts, _| facts.foreground.into() },
];

const ANSWER: &[Check] = &[
    Check { code: "0002", test: offline },
    Check { code: "2301", test: no_options },
    Check { code: "2311", test: bad_local },
    Check { code: "2312", test: bad_remote },
    Check { code: "2321", test: not_open },
    Check { code: "2331", test: |facts, _| (facts.pending != Pending::Ringing).into() },
    Check {
        code: "2341",
        test: |facts, options| {
            let action = matches!(text(options, "action"), Text::Is("hold" | "end"));
            (facts.foreground && !action).into()
        },
    },
    Check {
        code: "2300",
        test: |facts, options| match text(options, "action") {
            Text::Is("hold") if facts.foreground => Verdict::Because("hold is not supported".into()),
            Text::Is(_) | Text::Absent | Text::Odd => Verdict::Passed,
        },
    },
];

const HANGUP: &[Check] = &[
    Check { code: "0002", test: offline },
    Check { code: "2401", test: no_session },
    Check { code: "2402", test: no_subject },
];

const CANCEL: &[Check] = &[
    Check { code: "0002", test: offline },
    Check { code: "2901", test: no_session },
    Check { code: "2902", test: |facts, _| (facts.pending != Pending::Outgoing).into() },
];

const REJECT: &[Check] = &[
    Check { code: "0002", test: offline },
    Check { code: "3001", test: no_session },
    Check { code: "3002", test: |facts, _| (!matches!(facts.pending, Pending::Ringing | Pending::Answering)).into() },
];

const MUTE: &[Check] = &[Check { code: "2701", test: no_session }, Check { code: "2702", test: no_subject }];

const UNMUTE: &[Check] = &[Check { code: "2801", test: no_session }, Check { code: "2802", test: no_subject }];

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
        assert_eq!(Method::parse("hold"), None);
        assert_eq!(Method::parse("Dial"), None);
    }
}
