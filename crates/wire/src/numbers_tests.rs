//! Every row of the tables of `data/numbers.md`, read from that page, and properties of arbitrary texts.
//!
//! Owns: the lists of rows in which section 12 differs from the observed behaviour, with what it demands there; every other
//! row holds as observed, and a row that stands in a list must really differ. Must not import: anything but this crate.

use crate::numbers::SPECIAL;
use crate::{AddressError, MAX_NUMBER_TEXT, TooLong, called_party, caller_info, clean_phone_number, format_number};
use proptest::prelude::*;
use serde_json::Value;
use std::collections::BTreeMap;

const PAGE: &str = include_str!("../data/numbers.md");

/// Domain of digit addresses in the tables (section 1).
const DOMAIN: &str = "icmn.api.att.net";

/// `cleanPhoneNumber`: white space around special numbers does not count.
const CLEAN: &[(usize, &str)] = &[(32, "*69")];

/// `formatNumber`: the cleaned digits decide, 10 and 7 of them are formatted, account ids and special numbers are not.
const FORMAT: &[(usize, &str)] = &[
    (1, "+1 (123) 456-7890"),
    (4, "+1 (234) 567-8901"),
    (10, "+1 (123) 123-1234"),
    (11, "123-1234"),
    (12, "+1 (123) 123-1234"),
    (13, "123-1234"),
    (14, "+1 (123) 321-1234"),
    (15, "+1 (180) 022-5333"),
    (20, "+1 (180) 022-5333"),
    (21, "225-5333"),
    (32, "*69"),
    (54, "user@domain.com"),
    (55, "1800CALFED@domain.com"),
    (58, "john doe@x.com"),
    (59, "sip:bob@domain.com"),
];

/// Dialled when cleaned first: ten digits get their country code, special numbers and short ones go out as `sip:`, and what is
/// no address is refused.
const CLEANED_FIRST: &[(usize, &str)] = &[
    (1, "tel:+11234567890"),
    (4, "tel:+12345678901"),
    (10, "tel:+11231231234"),
    (12, "tel:+11231231234"),
    (14, "tel:+11233211234"),
    (15, "tel:+11800225333"),
    (20, "tel:+11800225333"),
    (25, "sip:*69@icmn.api.att.net"),
    (26, "sip:%2389@icmn.api.att.net"),
    (32, "sip:*69@icmn.api.att.net"),
    (34, "Missing"),
    (35, "Missing"),
    (39, "sip:112@icmn.api.att.net"),
    (42, "sip:1@icmn.api.att.net"),
    (43, "sip:12@icmn.api.att.net"),
    (44, "sip:123@icmn.api.att.net"),
    (45, "sip:1234@icmn.api.att.net"),
    (46, "sip:12345@icmn.api.att.net"),
    (47, "sip:123456@icmn.api.att.net"),
    (52, "Missing"),
    (53, "Missing"),
    (56, "Malformed"),
    (57, "ManyAts"),
    (59, "Scheme"),
    (64, "Missing"),
    (67, "Missing"),
    (68, "Missing"),
    (69, "sip:123@icmn.api.att.net"),
    (70, "sip:1310@icmn.api.att.net"),
    (72, "sip:1234@icmn.api.att.net"),
    (73, "sip:1234@icmn.api.att.net"),
    (74, "sip:1234@icmn.api.att.net"),
    (78, "sip:15@icmn.api.att.net"),
    (79, "sip:1234@icmn.api.att.net"),
    (82, "sip:123@icmn.api.att.net"),
];

/// Dialled as typed, where that differs from cleaning first: names are accounts, `+` means a number of any country, schemes are
/// refused in any case, and what does not begin as a number does is none.
const AS_TYPED: &[(usize, &str)] = &[
    (21, "sip:CALLFED@icmn.api.att.net"),
    (34, "Malformed"),
    (35, "Malformed"),
    (50, "sip:abc@icmn.api.att.net"),
    (51, "sip:ABCDEFGHIJKLMNOPQRSTUVWXYZ@icmn.api.att.net"),
    (53, "Malformed"),
    (60, "Scheme"),
    (61, "Scheme"),
    (62, "Scheme"),
    (63, "Scheme"),
    (64, "Malformed"),
    (65, "tel:+442071234567"),
    (67, "Malformed"),
    (68, "Malformed"),
    (69, "Malformed"),
    (75, "sip:Infinity@icmn.api.att.net"),
    (76, "sip:NaN@icmn.api.att.net"),
    (80, "sip:null@icmn.api.att.net"),
    (81, "sip:undefined@icmn.api.att.net"),
];

/// Refused for their scheme, beside those that are refused there: the test ignores case.
const SCHEME_IN_ANY_CASE: &[usize] = &[63];

/// `stringify`: only 7, 10 and 11 digits are formatted, everything else stays as it is.
const STRINGIFY: &[(&str, &str)] = &[
    ("1234567", "123-4567"),
    ("2345678", "234-5678"),
    ("1234567890", "+1 (123) 456-7890"),
    ("2345678901", "+1 (234) 567-8901"),
    ("12345678901", "+1 (234) 567-8901"),
];

/// `addParticipant`: the same rules as for a destination; the `+` is not doubled.
const PARTICIPANTS: &[(&str, &str)] = &[
    ("+15551230000", "tel:+15551230000"),
    ("1 (555) 123-0000", "tel:+15551230000"),
    ("911", "sip:911@icmn.api.att.net"),
    ("*69", "sip:*69@icmn.api.att.net"),
];

/// Keys of the list of invitations: the cleaned number or the account id.
const KEYS: &[(&str, &str)] = &[
    ("+15551230000", "15551230000"),
    ("1 (555) 123-0000", "15551230000"),
    ("hotel@x.com", "hotel@x.com"),
    ("tel@x.com", "tel@x.com"),
    ("gossip@x.com", "gossip@x.com"),
];

/// `getCallerInfo`: passwords are no ports, IPv6 addresses are understood, display names, brackets and headers are left out.
const CALLERS: &[(&str, &str)] = &[
    ("sip:bob:pw@domain.com", r#"{"protocol":"sip","port":"","callerId":"bob","domain":"domain.com"}"#),
    ("sip:bob@[2001:db8::1]:5060", r#"{"protocol":"sip","port":"5060","callerId":"bob","domain":"[2001:db8::1]"}"#),
    ("\"Bob\" <sip:bob@domain.com>", r#"{"protocol":"sip","port":"","callerId":"bob","domain":"domain.com"}"#),
    ("<sip:bob@domain.com>", r#"{"protocol":"sip","port":"","callerId":"bob","domain":"domain.com"}"#),
    ("sip:bob@domain.com?subject=x", r#"{"protocol":"sip","port":"","callerId":"bob","domain":"domain.com"}"#),
];

/// The rows of the table that begins with this head, cell by cell, without the backquotes.
fn table(head: &str) -> Vec<Vec<String>> {
    let (_, rest) = PAGE.split_once(head).unwrap_or_else(|| panic!("the page has no table {head:?}"));
    let rows: Vec<Vec<String>> = rest
        .lines()
        .skip(2)
        .take_while(|line| line.starts_with('|'))
        .map(|line| {
            let line = line.trim().trim_start_matches('|').trim_end_matches('|');
            line.split('|').map(|cell| cell.trim().trim_matches('`').to_owned()).collect()
        })
        .collect();
    assert!(!rows.is_empty(), "the table {head:?} was not read");
    rows
}

/// A cell that holds a JSON text; `None` for null and for *undefined*.
fn quoted(cell: &str) -> Option<String> {
    match cell {
        "null" | "*undefined*" => None,
        text => Some(serde_json::from_str(text).unwrap_or_else(|error| panic!("{text}: {error}"))),
    }
}

/// A row of section 9: what is typed, and what was observed of it.
struct Observed {
    number: usize,
    input: String,
    clean: Option<String>,
    format: Option<String>,
    raw: Option<String>,
    cleaned: Option<String>,
    refused: bool,
}

fn observed() -> Vec<Observed> {
    let rows: Vec<Observed> = table("| # | input | clean | format | URI raw | URI cleaned | refused |")
        .iter()
        .map(|cells| Observed {
            number: cells[0].parse().expect("a number"),
            input: quoted(&cells[1]).expect("a text"),
            clean: quoted(&cells[2]),
            format: quoted(&cells[3]),
            raw: quoted(&cells[4]),
            cleaned: quoted(&cells[5]),
            refused: cells[6] == "yes",
        })
        .collect();
    assert_eq!(rows.len(), 82);
    rows
}

fn listed<'a, K: PartialEq>(list: &[(K, &'a str)], key: &K) -> Option<&'a str> {
    list.iter().find(|(known, _)| known == key).map(|(_, value)| *value)
}

/// Ours is what was observed, except where the list says otherwise; a row that is listed without need is a fault, too.
fn hold<K: PartialEq>(list: &[(K, &str)], key: K, observed: Option<&str>, ours: Option<&str>, what: &str) {
    let decided = listed(list, &key);
    assert_eq!(ours, decided.or(observed), "{what}");
    assert!(decided.is_none() || decided != observed, "{what}: listed, and not different");
}

fn dialled(text: &str) -> String {
    called_party(text, DOMAIN).unwrap_or_else(|error| format!("{error:?}"))
}

fn clean(text: &str) -> String {
    clean_phone_number(text).expect("short enough")
}

#[test]
fn every_observed_row_is_cleaned_and_formatted() {
    for row in observed() {
        let what = format!("row {}: {:?}", row.number, row.input);
        hold(CLEAN, row.number, row.clean.as_deref(), Some(&clean(&row.input)), &what);
        let format = format_number(&row.input).expect("short enough");
        hold(FORMAT, row.number, row.format.as_deref(), format.as_deref(), &what);
    }
}

#[test]
fn every_observed_row_is_dialled() {
    for row in observed() {
        let what = format!("row {}: {:?}", row.number, row.input);
        assert!(row.raw.is_none() || row.raw == row.cleaned, "{what}: the page contradicts itself");
        let cleaned_first = dialled(&clean(&row.input));
        hold(CLEANED_FIRST, row.number, row.cleaned.as_deref(), Some(&cleaned_first), &what);
        hold(AS_TYPED, row.number, Some(&cleaned_first), Some(&dialled(&row.input)), &what);
        let refused = row.refused || SCHEME_IN_ANY_CASE.contains(&row.number);
        assert_eq!(called_party(&row.input, DOMAIN) == Err(AddressError::Scheme), refused, "{what}");
    }
}

#[test]
fn every_row_of_stringify_is_formatted() {
    let mut unused: Vec<&str> = STRINGIFY.iter().map(|(digits, _)| *digits).collect();
    for cells in table("| digits | stringify | | digits | stringify |") {
        for (digits, observed) in [(&cells[0], &cells[1]), (&cells[3], &cells[4])] {
            let ours = format_number(digits).expect("short enough");
            assert_eq!(ours.as_deref(), Some(listed(STRINGIFY, &digits.as_str()).unwrap_or(digits)));
            let as_before = digits.len() == 11 || (digits.len() == 7 && !digits.starts_with('1'));
            assert!(!as_before || ours.as_deref() == Some(observed), "{digits} holds as observed");
            unused.retain(|listed| listed != digits);
        }
    }
    assert!(unused.is_empty(), "the page has no rows {unused:?}");
}

#[test]
fn every_participant_has_its_address_and_key() {
    for cells in table("| participant | URI in path | invitations key |") {
        let (typed, uri) = (cells[0].as_str(), cells[1].as_str());
        hold(PARTICIPANTS, typed, Some(uri), Some(&dialled(typed)), typed);
        hold(KEYS, typed, Some(cells[2].as_str()), Some(&clean(typed)), typed);
    }
}

#[test]
fn every_caller_is_taken_apart() {
    let rows = table("| input | result |");
    assert_eq!(rows.len(), 32);
    for (typed, _) in CALLERS {
        assert!(rows.iter().any(|cells| quoted(&cells[0]).as_deref() == Some(typed)), "the page has no row {typed}");
    }
    for cells in rows {
        let typed = quoted(&cells[0]).expect("a text");
        let json = |text: &str| serde_json::from_str::<Value>(text).expect("JSON");
        let (observed, decided) = (json(&cells[1]), listed(CALLERS, &typed.as_str()).map(json));
        assert_ne!(Some(&observed), decided.as_ref(), "{typed}: listed, and not different");
        let ours = caller_info(&typed).expect("short enough").to_json();
        assert_eq!(ours, decided.unwrap_or(observed), "{typed}");
    }
}

#[test]
fn letters_and_special_numbers_are_those_of_the_page() {
    let keys = PAGE.split_once("| 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9 |").expect("the keypad").1;
    let letters = keys.lines().nth(2).expect("a row").trim_matches('|').split('|');
    let mut seen = 0;
    for (digit, letters) in (2..=9).zip(letters) {
        for letter in letters.split_whitespace() {
            assert_eq!(clean(letter), digit.to_string(), "{letter}");
            assert_eq!(clean(&letter.to_uppercase()), digit.to_string(), "{letter}");
            seen += 1;
        }
    }
    assert_eq!(seen, 26);
    let row = PAGE.lines().find(|line| line.starts_with("| special number |")).expect("a row");
    let special: Vec<&str> = row.split('`').skip(1).step_by(2).collect();
    assert_eq!(special, SPECIAL);
}

#[test]
fn documented_examples_hold() {
    let line = PAGE.lines().find(|line| line.starts_with("Documented examples that must hold:")).expect("the examples");
    let (numbers, caller) = line.split_once(';').expect("numbers, then a caller");
    let texts: Vec<&str> = numbers.split('`').skip(1).step_by(2).collect();
    assert_eq!(texts.len(), 6);
    for pair in texts.chunks(2) {
        assert_eq!(clean(pair[0]), pair[1]);
    }
    let info = caller_info(caller.split('`').nth(1).expect("an address")).expect("short enough");
    let told =
        format!("protocol {}, callerId {}, domain {}.", info.protocol.unwrap_or_default(), info.caller_id, info.domain);
    assert!(caller.ends_with(&told), "{told}");
}

#[test]
fn addresses_beyond_the_page_are_taken_apart() {
    for (uri, json) in [
        (
            r#""Bob <\"x;y@z" <sips:bob@d.com;user=phone?subject=a;b=c>;tag=1"#,
            r#"{"protocol":"sips","port":"","callerId":"bob","domain":"d.com","user":"phone","tag":"1"}"#,
        ),
        ("Bob < sip:bob@d.com ", r#"{"protocol":"sip","port":"","callerId":"bob","domain":"d.com"}"#),
        ("\"open <sip:bob@d.com>", r#"{"protocol":"\"open <sip","port":"","callerId":"bob","domain":"d.com>"}"#),
        ("sip:a?b:secret@d.com:5061", r#"{"protocol":"sip","port":"5061","callerId":"a?b","domain":"d.com"}"#),
        ("bob@d.com:5060", r#"{"port":"5060","callerId":"bob","domain":"d.com"}"#),
        ("bob@[::1]", r#"{"callerId":"bob","domain":"[::1]"}"#),
        ("sip:bob@[::1", r#"{"protocol":"sip","port":"","callerId":"bob","domain":"["}"#),
        ("sip:[::1]:5060", r#"{"protocol":"sip","port":"5060","callerId":"[::1]","domain":""}"#),
        ("sip:d.com:5060", r#"{"protocol":"sip","port":"5060","callerId":"d.com","domain":""}"#),
        ("urn:service:sos", r#"{"protocol":"urn","port":"","callerId":"service:sos","domain":""}"#),
        ("bob;port=1;domain=d;protocol=p;callerId=c", r#"{"callerId":"bob","domain":""}"#),
    ] {
        let expected: Value = serde_json::from_str(json).expect("JSON");
        assert_eq!(caller_info(uri).expect("short enough").to_json(), expected, "{uri}");
    }
}

#[test]
fn texts_without_end_are_refused() {
    let longest = "9".repeat(MAX_NUMBER_TEXT);
    assert_eq!(clean(&longest), longest);
    let longer = format!("{longest}9");
    assert_eq!(clean_phone_number(&longer), Err(TooLong));
    assert_eq!(format_number(&longer), Err(TooLong));
    assert_eq!(caller_info(&longer), Err(TooLong));
}

/// Texts made of what the functions look at, and arbitrary ones.
fn texts() -> impl Strategy<Value = String> {
    prop_oneof![r#"[a-zA-Z0-9 +()*#@:;=?<>"\\\[\].,_\-\t\n\u{e9}\u{661}\u{1f600}]{0,40}"#, any::<String>()]
}

proptest! {
    #[test]
    fn cleaning_leaves_digits_and_is_done_once(text in texts()) {
        let once = clean(&text);
        prop_assert!(once.len() <= text.len());
        prop_assert_eq!(&clean(&once), &once);
        let untouched = text.contains('@') || SPECIAL.contains(&text.trim());
        prop_assert!(untouched || once.bytes().all(|b| b.is_ascii_digit()));
    }

    #[test]
    fn formatting_adds_nothing_but_the_country_code(text in texts()) {
        let clean = clean(&text);
        match format_number(&text).expect("short enough") {
            None => prop_assert_eq!(clean, ""),
            Some(shown) if shown == clean => {}
            Some(shown) => {
                let digits: String = shown.chars().filter(char::is_ascii_digit).collect();
                prop_assert!(digits == clean || digits == format!("1{clean}"), "{} {}", shown, clean);
            }
        }
    }

    #[test]
    fn every_address_has_parts_that_stand_in_it(text in texts()) {
        let info = caller_info(&text).expect("short enough");
        for part in [Some(&info.caller_id), Some(&info.domain), info.protocol.as_ref(), info.port.as_ref()].into_iter().flatten() {
            prop_assert!(text.contains(part.as_str()));
        }
        let json = info.to_json();
        prop_assert_eq!(json["callerId"].as_str(), Some(info.caller_id.as_str()));
        prop_assert_eq!(json.get("protocol").and_then(Value::as_str), info.protocol.as_deref());
        prop_assert_eq!(json.get("port").and_then(Value::as_str), info.port.as_deref());
    }

    #[test]
    fn parameters_never_take_the_place_of_parts(name in "[a-zA-Z-]{1,10}", value in "[a-z0-9]{0,10}") {
        let honest = caller_info("sip:bob@d.com").expect("short enough");
        let info = caller_info(&format!("sip:bob@d.com;{name}={value};callerId=eve;domain=eve;protocol=eve;port=eve"));
        let mut info = info.expect("short enough");
        let parameters = std::mem::take(&mut info.parameters);
        prop_assert_eq!(info, honest);
        let own = ["protocol", "callerId", "domain", "port"].contains(&name.as_str());
        let expected = if own { BTreeMap::new() } else { BTreeMap::from([(name, value)]) };
        prop_assert_eq!(parameters, expected);
    }
}
