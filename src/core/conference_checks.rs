//! The checks of the methods about conferences in their order (`validation` in `methods.json`, phone-behaviour.md sections 19
//! and 20, P-28).
//!
//! Owns: the lists of checks. Lives on: the phone's actor. Must not import: anything but `checks`, `conference`,
//! `conferences`, `facts`, `methods` and the wire crate. A check looks and decides; it changes nothing.

use super::checks::{
    bad_local, bad_media_type, bad_remote, cannot_be_held, no_action, no_options, no_session, not_invited, not_open,
    offline,
};
use super::conference::MAX_ASKED;
use super::conferences::Party;
use super::facts::{Facts, Pending};
use super::methods::{Check, Text, Verdict, text};
use ewebrtc_wire::{AddressError, called_party};
use serde_json::Value;

/// What is wrong with `participant`, if anything.
fn participant(facts: &Facts<'_>, options: &Value) -> Option<AddressError> {
    match text(options, "participant") {
        Text::Is(typed) => called_party(typed, facts.domain).err(),
        Text::Absent | Text::Odd => Some(AddressError::Missing),
    }
}

fn no_participant(facts: &Facts<'_>, options: &Value) -> Verdict {
    matches!(participant(facts, options), Some(AddressError::Missing)).into()
}

/// The method needs a conference of this phone in the foreground, and one that is not ending.
fn not_hosting(facts: &Facts<'_>, _: &Value) -> Verdict {
    match (facts.foreground, facts.roster) {
        (Some(item), Some(_)) if facts.subject && item.ending => Verdict::Because("the conference is ending".into()),
        (Some(_), Some(_)) => (!facts.subject).into(),
        (Some(_) | None, _) => Verdict::Failed,
    }
}

fn too_many_asked(facts: &Facts<'_>) -> Verdict {
    match facts.parties_asked >= MAX_ASKED {
        true => Verdict::Because("too many requests about participants are under way".into()),
        false => Verdict::Passed,
    }
}

pub(super) const START: &[Check] = &[
    Check { code: "0002", test: offline },
    Check { code: "3101", test: no_options },
    Check { code: "3111", test: bad_media_type },
    Check { code: "3121", test: bad_local },
    Check { code: "3122", test: bad_remote },
    Check { code: "3131", test: not_open },
    Check { code: "3961", test: |facts, _| facts.background.is_some().into() },
    Check {
        code: "3100",
        test: |facts, _| match (facts.pending, facts.foreground) {
            (Pending::Outgoing | Pending::Ringing | Pending::Answering, _) => {
                Verdict::Because("a call is being set up".into())
            }
            (Pending::Nothing, Some(_)) => cannot_be_held(facts),
            (Pending::Nothing, None) => Verdict::Passed,
        },
    },
];

pub(super) const JOIN: &[Check] = &[
    Check { code: "0002", test: offline },
    Check { code: "3201", test: no_options },
    Check { code: "3211", test: bad_local },
    Check { code: "3212", test: bad_remote },
    Check { code: "3221", test: not_open },
    Check { code: "3231", test: |facts, _| (facts.pending != Pending::Ringing || !facts.pending_conference).into() },
    Check { code: "3241", test: no_action },
    Check {
        code: "3200",
        test: |facts, options| match (text(options, "action"), facts.foreground) {
            // An ending item needs no hold: the answer waits for its end.
            (Text::Is("hold"), Some(item)) if !item.ending => cannot_be_held(facts),
            (Text::Is(_) | Text::Absent | Text::Odd, Some(_) | None) => Verdict::Passed,
        },
    },
];

pub(super) const REJECT: &[Check] = &[
    Check { code: "0002", test: offline },
    Check { code: "3301", test: no_session },
    Check { code: "3302", test: |facts, _| (!facts.pending_conference || not_invited(facts)).into() },
];

pub(super) const END: &[Check] = &[
    Check { code: "0002", test: offline },
    Check { code: "3501", test: no_session },
    Check {
        code: "3502",
        test: |facts, _| (!facts.subject || !facts.foreground.is_some_and(|item| item.conference)).into(),
    },
];

pub(super) const ADD: &[Check] = &[
    Check { code: "0002", test: offline },
    Check { code: "3611", test: no_participant },
    Check {
        code: "3612",
        test: |facts, options| matches!(participant(facts, options), Some(AddressError::Scheme)).into(),
    },
    Check {
        code: "3613",
        test: |facts, options| {
            matches!(participant(facts, options), Some(AddressError::ManyAts | AddressError::Malformed)).into()
        },
    },
    Check { code: "3621", test: no_session },
    Check { code: "3631", test: not_hosting },
    Check {
        code: "3641",
        test: |facts, options| match (text(options, "participant"), facts.roster) {
            (Text::Is(typed), Some(roster)) => {
                Party::named(typed, facts.domain, roster).is_some_and(|party| roster.has(&party.key)).into()
            }
            (Text::Is(_) | Text::Absent | Text::Odd, _) => Verdict::Passed,
        },
    },
    Check {
        code: "3600",
        test: |facts, _| match facts.roster {
            Some(roster) if roster.is_full() => Verdict::Because("the lists of the conference are full".into()),
            Some(_) | None => too_many_asked(facts),
        },
    },
];

pub(super) const REMOVE: &[Check] = &[
    Check { code: "0002", test: offline },
    Check { code: "3711", test: no_participant },
    Check { code: "3721", test: no_session },
    Check { code: "3731", test: not_hosting },
    Check {
        code: "3700",
        test: |facts, options| match participant(facts, options) {
            Some(_) => Verdict::Because("the text names nobody".into()),
            None => too_many_asked(facts),
        },
    },
];

pub(super) const GET: &[Check] = &[
    Check { code: "3401", test: no_session },
    Check { code: "3402", test: |facts, _| (!facts.subject || facts.roster.is_none()).into() },
];
