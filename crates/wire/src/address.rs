//! Addresses: what a user may dial, and what the gateway makes of it (numbers.md section 12, D-22 to D-24).
//!
//! Owns: [`called_party`] for the phone, [`Address`] for the gateway. Lives on: any thread.
//! Must not import: anything but percent-decoding and the numbers.

use crate::numbers::{SPECIAL, clean};
use percent_encoding::percent_decode_str;

/// Domain of a phone and a gateway that were told none.
pub const DEFAULT_DOMAIN: &str = "ewebrtc.local";

/// Domain that original clients give to short and foreign numbers (section 1.5).
const DIGITS_DOMAIN: &str = "icmn.api.att.net";

/// Longest text that is looked at, in characters.
const MAX_TEXT: usize = 255;

/// Why a text is no destination. The methods map these to their own codes (dial: 2211, 2212, 2213, 2213).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddressError {
    /// Empty text.
    Missing,
    /// Begins with `sip:` or `tel:`.
    Scheme,
    /// More than one `@`.
    ManyAts,
    /// Empty user or domain, too long, or nothing left after cleaning.
    Malformed,
}

/// What goes out as `calledParty` for a text that a user typed (numbers.md section 12).
///
/// `bob` becomes `sip:bob@<domain>`, `1 (800) CALFEDX` becomes `tel:+18002253339`, `+44 20 7123 4567` becomes
/// `tel:+442071234567`, `911` becomes `sip:911@<domain>`, `a@b` becomes `sip:a@b`.
pub fn called_party(text: &str, domain: &str) -> Result<String, AddressError> {
    if text.is_empty() {
        return Err(AddressError::Missing);
    }
    let text = text.trim();
    let lower = text.to_ascii_lowercase();
    if lower.starts_with("sip:") || lower.starts_with("tel:") {
        return Err(AddressError::Scheme);
    }
    match text.matches('@').count() {
        0 => {}
        1 => {
            let whole = text.split_once('@').is_some_and(|(user, host)| !user.is_empty() && !host.is_empty());
            let clean = whole && text.chars().count() <= MAX_TEXT && !text.chars().any(char::is_control);
            return if clean { Ok(format!("sip:{text}")) } else { Err(AddressError::Malformed) };
        }
        _ => return Err(AddressError::ManyAts),
    }
    if text.is_empty() || text.chars().count() > MAX_TEXT {
        return Err(AddressError::Malformed);
    }
    if SPECIAL.contains(&text) {
        return Ok(format!("sip:{}@{domain}", text.replace('#', "%23")));
    }
    if is_name(text) {
        return Ok(format!("sip:{text}@{domain}"));
    }
    let digits = clean(text);
    let starts_right = text.starts_with(|c: char| c.is_ascii_digit() || "+(*#.-".contains(c));
    match digits.len() {
        0 => Err(AddressError::Malformed),
        _ if !starts_right => Err(AddressError::Malformed),
        _ if text.starts_with('+') => Ok(format!("tel:+{digits}")),
        10 => Ok(format!("tel:+1{digits}")),
        7.. if digits.starts_with('1') => Ok(format!("tel:+{digits}")),
        _ => Ok(format!("sip:{digits}@{domain}")),
    }
}

/// Key of a party in the lists of a conference, for a URI that [`called_party`] gave: the number without its `+`, the special
/// or short number as it was typed, or the account id (numbers.md section 12).
pub fn party_key(uri: &str, domain: &str) -> String {
    if let Some(number) = strip_scheme(uri, "tel:") {
        return number.trim_start_matches('+').to_owned();
    }
    let account = strip_scheme(uri, "sip:").unwrap_or(uri);
    match account.split_once('@') {
        Some((user, host)) if host.eq_ignore_ascii_case(domain) => {
            let user = user.replace("%23", "#");
            let short = SPECIAL.contains(&user.as_str()) || user.bytes().all(|b| b.is_ascii_digit());
            if short { user } else { account.to_owned() }
        }
        Some(_) | None => account.to_owned(),
    }
}

/// A letter first, then letters, digits, `.`, `_` or `-`.
fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
}

/// Who a user is, or who is called.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Address {
    /// An account id.
    Account {
        /// Local part.
        user: String,
        /// Domain in lower case.
        domain: String,
    },
    /// A telephone number, digits with country code and no `+`; short codes as they are.
    Number(String),
}

impl Address {
    /// `sip:user@domain` or `tel:+digits` (D-23).
    pub fn uri(&self) -> String {
        match self {
            Address::Account { user, domain } => format!("sip:{user}@{domain}"),
            Address::Number(digits) => format!("tel:+{digits}"),
        }
    }

    fn account(user: &str, domain: &str) -> Option<Self> {
        let fits = |t: &str| !t.is_empty() && t.len() <= MAX_TEXT && !t.chars().any(|c| c.is_control() || c == '/');
        (fits(user) && fits(domain) && !user.contains('@') && !domain.contains('@'))
            .then(|| Address::Account { user: user.into(), domain: domain.to_ascii_lowercase() })
    }

    /// Ten digits are a US number without its country code (D-22).
    fn number(digits: &str) -> Option<Self> {
        let digits: String = digits.chars().filter(|c| !" -.()".contains(*c)).collect();
        let digits = digits.strip_prefix('+').unwrap_or(&digits);
        if digits.is_empty() || digits.len() > 32 || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        Some(Address::Number(if digits.len() == 10 { format!("1{digits}") } else { digits.into() }))
    }
}

/// Ten digits, or eleven that begin with 1: a virtual number.
fn is_us_number(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_digit()) && (text.len() == 10 || (text.len() == 11 && text.starts_with('1')))
}

/// Strips a scheme of the given name in any case.
fn strip_scheme<'a>(text: &'a str, scheme: &str) -> Option<&'a str> {
    let head = text.get(..scheme.len())?;
    head.eq_ignore_ascii_case(scheme).then(|| &text[scheme.len()..])
}

/// Reads a user id in every spelling of D-24: `name`, `name@domain`, `vtn:` and 10 or 11 digits, the digits alone, `sip:` and
/// `tel:` forms, each also percent-encoded; `+` is a literal plus. A name without a domain belongs to `domain`.
pub fn parse_user_id(text: &str, domain: &str) -> Option<Address> {
    let decoded = percent_decode_str(text).decode_utf8().ok()?;
    let text = decoded.trim();
    if let Some(rest) = strip_scheme(text, "vtn:") {
        return Address::number(rest).filter(|a| matches!(a, Address::Number(d) if is_us_number(d)));
    }
    if let Some(rest) = strip_scheme(text, "tel:") {
        return Address::number(rest.split(';').next().unwrap_or_default());
    }
    let rest = strip_scheme(text, "sip:").unwrap_or(text);
    let (user, host) = match rest.split_once('@') {
        Some((user, host)) => (user, host.split([';', ':', '?']).next().unwrap_or_default()),
        None => (rest, domain),
    };
    let digits = user.strip_prefix('+').unwrap_or(user);
    if is_us_number(digits) {
        return Address::number(digits);
    }
    Address::account(user, host)
}

/// Reads `calledParty` as any client sends it (section 1.5, D-22). `None`: no address at all.
pub fn parse_called_party(uri: &str, domain: &str) -> Option<Address> {
    let uri = uri.trim();
    if let Some((user, host)) = strip_scheme(uri, "sip:").and_then(|rest| rest.split_once('@'))
        && host.eq_ignore_ascii_case(DIGITS_DOMAIN)
        && user.bytes().all(|b| b.is_ascii_digit() || b == b'+')
    {
        return Address::number(user);
    }
    parse_user_id(uri, domain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn to(text: &str) -> Result<String, AddressError> {
        called_party(text, "d.test")
    }

    #[test]
    fn destinations_become_addresses() {
        for (text, uri) in [
            ("bob", "sip:bob@d.test"),
            ("Bob.Smith-2_x", "sip:Bob.Smith-2_x@d.test"),
            (" bob@example.com ", "sip:bob@example.com"),
            ("911", "sip:911@d.test"),
            (" *69 ", "sip:*69@d.test"),
            ("#89", "sip:%2389@d.test"),
            ("4251234567", "tel:+14251234567"),
            ("14251234567", "tel:+14251234567"),
            ("1 (123) 123-1234", "tel:+11231231234"),
            ("1800CALFEDX", "tel:+18002253339"),
            ("+44 20 7123 4567", "tel:+442071234567"),
            ("442071234567", "sip:442071234567@d.test"),
            ("112", "sip:112@d.test"),
            ("*67", "sip:67@d.test"),
            ("4259", "sip:4259@d.test"),
        ] {
            assert_eq!(to(text).as_deref(), Ok(uri), "{text}");
        }
    }

    #[test]
    fn parties_are_listed_by_number_or_account() {
        for (text, key) in [
            ("bob", "bob@d.test"),
            ("Bob@Example.com", "Bob@Example.com"),
            ("hotel@x.com", "hotel@x.com"),
            ("1 (555) 123-0000", "15551230000"),
            ("5551230000", "15551230000"),
            ("+44 20 7123 4567", "442071234567"),
            ("911", "911"),
            ("#89", "#89"),
            ("*69", "*69"),
            ("4259", "4259"),
            ("4259@x.com", "4259@x.com"),
        ] {
            assert_eq!(party_key(&to(text).expect("an address"), "d.test"), key, "{text}");
        }
    }

    #[test]
    fn what_is_no_destination_says_why() {
        for (text, error) in [
            ("", AddressError::Missing),
            ("   ", AddressError::Malformed),
            ("sip:bob@x", AddressError::Scheme),
            ("  TEL:+1", AddressError::Scheme),
            ("a@b@c", AddressError::ManyAts),
            ("@", AddressError::Malformed),
            ("a@", AddressError::Malformed),
            ("+", AddressError::Malformed),
            ("gossip:x", AddressError::Malformed),
            ("\u{661}\u{662}", AddressError::Malformed),
        ] {
            assert_eq!(to(text), Err(error), "{text}");
        }
        assert_eq!(to(&"9".repeat(256)), Err(AddressError::Malformed));
    }

    #[test]
    fn user_ids_are_read_in_every_spelling() {
        let bob = Address::Account { user: "bob".into(), domain: "d.test".into() };
        for text in ["bob", "bob@d.test", "sip:bob@D.TEST", "sip%3Abob%40d.test", "bob%40d.test"] {
            assert_eq!(parse_user_id(text, "d.test"), Some(bob.clone()), "{text}");
        }
        let number = Address::Number("14251234567".into());
        for text in [
            "vtn:4251234567",
            "vtn%3A14251234567",
            "tel:+14251234567",
            "tel:%2B14251234567",
            "4251234567",
            "sip:+14251234567@x",
        ] {
            assert_eq!(parse_user_id(text, "d.test"), Some(number.clone()), "{text}");
        }
        for text in ["", "vtn:12", "vtn:abc", "@", "a@b@c", "tel:", "%ff"] {
            assert_eq!(parse_user_id(text, "d.test"), None, "{text}");
        }
        assert_eq!(number.uri(), "tel:+14251234567");
        assert_eq!(bob.uri(), "sip:bob@d.test");
    }

    #[test]
    fn called_parties_of_original_clients_are_understood() {
        assert_eq!(parse_called_party("tel:+4251234567", "d"), Some(Address::Number("14251234567".into())));
        assert_eq!(parse_called_party("sip:911@icmn.api.att.net", "d"), Some(Address::Number("911".into())));
        let account = Address::Account { user: "2015".into(), domain: "d".into() };
        assert_eq!(parse_called_party("sip:2015@d", "d"), Some(account));
        assert_eq!(parse_called_party("nonsense\n", "d").map(|a| a.uri()), Some("sip:nonsense@d".into()));
        assert_eq!(parse_called_party("", "d"), None);
    }
}
