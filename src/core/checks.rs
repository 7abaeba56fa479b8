//! The checks of every Phone method in their order, each with the code of its refusal (`validation` in `methods.json`,
//! phone-behaviour.md sections 19 and 20).
//!
//! Owns: the lists of checks. Lives on: the phone's actor. Must not import: anything but `facts`, `methods`, `tones`,
//! `media_target` and the wire crate. A check looks and decides; it changes nothing.

use super::call::{CallMedia, CallState};
use super::facts::{Facts, ItemFacts, Pending};
use super::media_target::{LocalMedia, RemoteMedia, names_video};
use super::methods::{Check, Text, Verdict, text};
use super::tones::{CHARACTERS, MOST_TONES, NO_TELEPHONE_EVENTS};
use ewebrtc_wire::{AddressError, called_party};
use serde_json::Value;

pub(super) fn offline(facts: &Facts<'_>, _: &Value) -> Verdict {
    (!facts.online).into()
}

pub(super) fn no_options(_: &Facts<'_>, options: &Value) -> Verdict {
    options.is_null().into()
}

pub(super) fn no_session(facts: &Facts<'_>, _: &Value) -> Verdict {
    (!facts.session).into()
}

pub(super) fn not_open(facts: &Facts<'_>, _: &Value) -> Verdict {
    (!facts.open).into()
}

fn no_subject(facts: &Facts<'_>, _: &Value) -> Verdict {
    (!facts.subject).into()
}

pub(super) fn bad_local(_: &Facts<'_>, options: &Value) -> Verdict {
    match text(options, "localMedia") {
        Text::Absent => Verdict::Passed,
        Text::Odd => Verdict::Failed,
        Text::Is(target) => {
            LocalMedia::parse(target).err().map_or(Verdict::Passed, |e| Verdict::Because(e.to_string()))
        }
    }
}

pub(super) fn bad_remote(_: &Facts<'_>, options: &Value) -> Verdict {
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

fn no_destination(facts: &Facts<'_>, options: &Value) -> Verdict {
    matches!(destination(facts, options), Some(AddressError::Missing)).into()
}

fn destination_with_scheme(facts: &Facts<'_>, options: &Value) -> Verdict {
    matches!(destination(facts, options), Some(AddressError::Scheme)).into()
}

fn odd_destination(facts: &Facts<'_>, options: &Value) -> Verdict {
    matches!(destination(facts, options), Some(AddressError::ManyAts | AddressError::Malformed)).into()
}

/// P-37: video needs a source of it.
pub(super) fn bad_media_type(facts: &Facts<'_>, options: &Value) -> Verdict {
    match text(options, "mediaType") {
        Text::Absent | Text::Is("audio") => Verdict::Passed,
        Text::Is("video") => {
            let local = match text(options, "localMedia") {
                Text::Is(local) => local,
                Text::Absent | Text::Odd => facts.local_media,
            };
            if names_video(local) { Verdict::Passed } else { Verdict::Because("there is no source of video".into()) }
        }
        Text::Is(_) | Text::Odd => Verdict::Failed,
    }
}

/// With which media to answer is our addition, so the code is the method's own.
fn bad_answer_type(facts: &Facts<'_>, options: &Value) -> Verdict {
    match bad_media_type(facts, options) {
        Verdict::Failed => Verdict::Because("mediaType is audio or video".into()),
        verdict @ (Verdict::Passed | Verdict::Because(_)) => verdict,
    }
}

/// The foreground item is a conference.
fn conference(facts: &Facts<'_>, _: &Value) -> Verdict {
    facts.foreground.is_some_and(|item| item.conference).into()
}

fn one_item(facts: &Facts<'_>, _: &Value) -> Verdict {
    facts.background.is_none().into()
}

/// The item is not in this state, or a change of it is running (P-11). The refusal says which.
fn not_in(item: Option<ItemFacts>, wanted: CallState) -> Verdict {
    match item {
        Some(item) if item.state != wanted => Verdict::Because(format!("the state is {}", item.state.as_str())),
        Some(item) if item.changing => Verdict::Because("another change is running".into()),
        Some(_) | None => Verdict::Passed,
    }
}

fn not_connected(facts: &Facts<'_>, _: &Value) -> Verdict {
    not_in(facts.foreground, CallState::Connected)
}

fn not_held(facts: &Facts<'_>, _: &Value) -> Verdict {
    not_in(facts.foreground, CallState::Held)
}

/// An implicit hold passes over the state guard only where the item is held already (section 20).
pub(super) fn cannot_be_held(facts: &Facts<'_>) -> Verdict {
    match facts.foreground {
        Some(item) if item.state == CallState::Held => Verdict::Passed,
        foreground @ (Some(_) | None) => not_in(foreground, CallState::Connected),
    }
}

/// The item has this media type already. On hold by us it has none to change: the state is what refuses it (section 19).
fn has_media(facts: &Facts<'_>, media: CallMedia) -> Verdict {
    facts.foreground.is_some_and(|item| item.media == media && item.state != CallState::Held).into()
}

/// A foreground item is in the way and nothing is said about it.
pub(super) fn no_action(facts: &Facts<'_>, options: &Value) -> Verdict {
    let action = matches!(text(options, "action"), Text::Is("hold" | "end"));
    (facts.foreground.is_some() && !action).into()
}

/// Nothing rings here, nor is being answered.
pub(super) fn not_invited(facts: &Facts<'_>) -> bool {
    !matches!(facts.pending, Pending::Ringing | Pending::Answering)
}

fn nothing_to_decide(facts: &Facts<'_>, _: &Value) -> Verdict {
    (!facts.foreground.is_some_and(|item| item.asking)).into()
}

fn cannot_decide(facts: &Facts<'_>, _: &Value) -> Verdict {
    let state = facts.foreground.map(|item| item.state);
    (!matches!(state, Some(CallState::Connected | CallState::Held))).into()
}

pub(super) const LOGIN: &[Check] = &[
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

pub(super) const LOGOUT: &[Check] = &[Check { code: "0002", test: offline }, Check { code: "2101", test: no_session }];

pub(super) const ASSOCIATE: &[Check] = &[
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

pub(super) const DIAL: &[Check] = &[
    Check { code: "0002", test: offline },
    Check { code: "2201", test: no_options },
    Check { code: "2211", test: no_destination },
    Check { code: "2212", test: destination_with_scheme },
    Check { code: "2213", test: odd_destination },
    Check { code: "2221", test: bad_media_type },
    Check { code: "2231", test: bad_local },
    Check { code: "2232", test: bad_remote },
    Check { code: "2241", test: not_open },
    Check { code: "2251", test: |facts, _| (facts.pending != Pending::Nothing).into() },
    Check { code: "2252", test: |facts, _| facts.foreground.is_some().into() },
];

pub(super) const ADD_CALL: &[Check] = &[
    Check { code: "0002", test: offline },
    Check { code: "3901", test: no_options },
    Check { code: "3911", test: no_destination },
    Check { code: "3912", test: destination_with_scheme },
    Check { code: "3913", test: odd_destination },
    Check { code: "3921", test: bad_media_type },
    Check { code: "3931", test: bad_local },
    Check { code: "3932", test: bad_remote },
    Check { code: "3941", test: not_open },
    // A call that is still being set up is no established first one (P-18).
    Check { code: "3951", test: |facts, _| (!facts.subject || facts.pending != Pending::Nothing).into() },
    Check { code: "3961", test: |facts, _| facts.background.is_some().into() },
    Check { code: "3900", test: |facts, _| cannot_be_held(facts) },
];

pub(super) const ANSWER: &[Check] = &[
    Check { code: "0002", test: offline },
    Check { code: "2301", test: no_options },
    Check { code: "2311", test: bad_local },
    Check { code: "2312", test: bad_remote },
    Check { code: "2321", test: not_open },
    Check { code: "2331", test: |facts, _| (facts.pending != Pending::Ringing || facts.pending_conference).into() },
    Check { code: "2341", test: no_action },
    Check {
        code: "2300",
        test: |facts, options| match (text(options, "action"), facts.foreground, cannot_be_held(facts)) {
            // An ending call needs no hold: the answer waits for its end.
            (Text::Is("hold"), Some(item), refused @ (Verdict::Failed | Verdict::Because(_))) if !item.ending => {
                refused
            }
            _ => bad_answer_type(facts, options),
        },
    },
];

pub(super) const HANGUP: &[Check] = &[
    Check { code: "0002", test: offline },
    Check { code: "2401", test: no_session },
    Check { code: "2402", test: no_subject },
];

pub(super) const CANCEL: &[Check] = &[
    Check { code: "0002", test: offline },
    Check { code: "2901", test: no_session },
    Check { code: "2902", test: |facts, _| (facts.pending != Pending::Outgoing).into() },
];

pub(super) const REJECT: &[Check] = &[
    Check { code: "0002", test: offline },
    Check { code: "3001", test: no_session },
    Check { code: "3002", test: |facts, _| (facts.pending_conference || not_invited(facts)).into() },
];

pub(super) const MUTE: &[Check] = &[Check { code: "2701", test: no_session }, Check { code: "2702", test: no_subject }];

pub(super) const UNMUTE: &[Check] =
    &[Check { code: "2801", test: no_session }, Check { code: "2802", test: no_subject }];

pub(super) const SEND_TONE: &[Check] = &[
    Check { code: "0002", test: offline },
    Check { code: "4711", test: no_options },
    Check {
        code: "4712",
        test: |_, options| match text(options, "input") {
            Text::Is(input) => match input.chars().find(|c| !CHARACTERS.contains(*c)) {
                Some(odd) => Verdict::Because(format!("{odd:?} is no key")),
                None => Verdict::Passed,
            },
            Text::Absent | Text::Odd => Verdict::Failed,
        },
    },
    Check { code: "4721", test: no_session },
    Check { code: "4731", test: no_subject },
    Check {
        code: "4741",
        // A change that the other side has asked for, or that has only begun, does not matter (section 19).
        test: |facts, _| match facts.item {
            Some(item) if item.state != CallState::Connected => {
                Verdict::Because(format!("the state is {}", item.state.as_str()))
            }
            Some(_) | None => Verdict::Passed,
        },
    },
    Check {
        code: "0000",
        test: |facts, _| match facts.item {
            Some(item) if !item.takes_tones => Verdict::Because(NO_TELEPHONE_EVENTS.into()),
            Some(_) | None => Verdict::Passed,
        },
    },
    Check {
        code: "4700",
        test: |facts, options| {
            let more = options.get("input").and_then(Value::as_str).map_or(0, |input| input.chars().count());
            if facts.item.is_some_and(|item| item.tones + more > MOST_TONES) {
                Verdict::Because(format!("more than {MOST_TONES} tones would wait"))
            } else {
                Verdict::Passed
            }
        },
    },
];

pub(super) const HOLD: &[Check] = &[
    Check { code: "0002", test: offline },
    Check { code: "2501", test: no_session },
    Check { code: "2502", test: no_subject },
    Check { code: "2503", test: not_connected },
];

pub(super) const RESUME: &[Check] = &[
    Check { code: "0002", test: offline },
    Check { code: "2601", test: no_session },
    Check { code: "2602", test: no_subject },
    Check { code: "2603", test: not_held },
];

pub(super) const MOVE: &[Check] = &[
    Check { code: "0002", test: offline },
    Check { code: "4001", test: no_session },
    Check { code: "4002", test: no_subject },
    Check { code: "4004", test: conference },
    Check { code: "4003", test: not_connected },
];

pub(super) const SWITCH: &[Check] = &[
    Check { code: "0002", test: offline },
    Check { code: "4201", test: no_session },
    Check { code: "4202", test: no_subject },
    Check { code: "4203", test: one_item },
    Check {
        code: "4200",
        test: |facts, _| match facts.background {
            Some(item) if item.transferring => Verdict::Because("the other call is being transferred".into()),
            Some(item) if item.ending => Verdict::Because("the other call is ending".into()),
            Some(_) | None => cannot_be_held(facts),
        },
    },
];

pub(super) const TRANSFER: &[Check] = &[
    Check { code: "0002", test: offline },
    Check { code: "4101", test: no_session },
    Check { code: "4102", test: no_subject },
    Check { code: "4104", test: conference },
    Check { code: "4105", test: one_item },
    Check { code: "4104", test: |facts, _| facts.background.is_some_and(|item| item.conference).into() },
    Check {
        code: "4103",
        test: |facts, _| match facts.foreground {
            Some(item) if item.ending || item.changing => {
                Verdict::Because(format!("the state of the target is {}", item.state.as_str()))
            }
            Some(_) | None => not_in(facts.background, CallState::Held),
        },
    },
];

pub(super) const UPGRADE: &[Check] = &[
    Check { code: "0002", test: offline },
    Check { code: "4601", test: no_session },
    Check { code: "4602", test: no_subject },
    Check { code: "4604", test: |facts, _| has_media(facts, CallMedia::Video) },
    Check { code: "4605", test: conference },
    Check { code: "4603", test: not_connected },
];

pub(super) const DOWNGRADE: &[Check] = &[
    Check { code: "0002", test: offline },
    Check { code: "4501", test: no_session },
    Check { code: "4502", test: no_subject },
    Check { code: "4504", test: |facts, _| has_media(facts, CallMedia::Audio) },
    Check { code: "4505", test: conference },
    Check { code: "4503", test: not_connected },
];

pub(super) const ACCEPT: &[Check] = &[
    Check { code: "0002", test: offline },
    Check { code: "4301", test: no_session },
    Check { code: "4302", test: no_subject },
    Check { code: "4304", test: nothing_to_decide },
    Check { code: "4303", test: cannot_decide },
];

pub(super) const REJECT_MODIFICATION: &[Check] = &[
    Check { code: "0002", test: offline },
    Check { code: "4401", test: no_session },
    Check { code: "4402", test: no_subject },
    Check { code: "4404", test: nothing_to_decide },
    Check { code: "4403", test: cannot_decide },
];
