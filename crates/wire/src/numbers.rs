//! Telephone numbers as people type and read them, and the parts of a caller's address (numbers.md sections 4, 5, 10, 12).
//!
//! Owns: [`clean_phone_number`], [`format_number`], [`caller_info`], [`CallerInfo`]. Lives on: any thread; pure functions.
//! Must not import: anything but `serde_json`.

use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::fmt;

/// Numbers that are taken as they are (section 1).
pub(crate) const SPECIAL: [&str; 5] = ["911", "411", "611", "*69", "#89"];

/// Longest text that is looked at, in bytes: far beyond any number, and beyond any address with its parameters.
pub const MAX_NUMBER_TEXT: usize = 4096;

/// Names of [`CallerInfo`] that a parameter of the address cannot take.
const OWN_NAMES: [&str; 4] = ["protocol", "callerId", "domain", "port"];

/// A text is longer than [`MAX_NUMBER_TEXT`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooLong;

impl fmt::Display for TooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the text is longer than {MAX_NUMBER_TEXT} bytes")
    }
}

impl std::error::Error for TooLong {}

/// What a caller's address consists of (section 10).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CallerInfo {
    /// Scheme, e.g. `sip` or `tel`; `None` when the address has none.
    pub protocol: Option<String>,
    /// Number with its `+`, or the user's name; may be empty.
    pub caller_id: String,
    /// What follows the `@`, an IPv6 address in its brackets; may be empty.
    pub domain: String,
    /// Port, empty when none is given; `None` for an address with neither scheme nor port.
    pub port: Option<String>,
    /// Parameters of the address by name, e.g. `user` = `phone`.
    pub parameters: BTreeMap<String, String>,
}

impl CallerInfo {
    /// One object with `protocol`, `callerId`, `domain`, `port` and the parameters, as the Phone API gives it.
    pub fn to_json(&self) -> Value {
        let mut map: Map<String, Value> = self.parameters.iter().map(|(k, v)| (k.clone(), v.as_str().into())).collect();
        let own = OWN_NAMES.into_iter().zip([
            self.protocol.as_deref(),
            Some(&self.caller_id),
            Some(&self.domain),
            self.port.as_deref(),
        ]);
        map.extend(own.filter_map(|(name, value)| Some((name.to_owned(), value?.into()))));
        Value::Object(map)
    }
}

/// Letters become keypad digits, punctuation and white space go; account ids (texts with an `@`) and special numbers stay as
/// they are, white space around a special number does not count (section 4). The result may be empty.
///
/// # Errors
/// [`TooLong`].
pub fn clean_phone_number(text: &str) -> Result<String, TooLong> {
    bounded(text).map(clean)
}

/// A number as it is shown: `+1 (NXX) NXX-XXXX` for ten digits and for eleven that begin with 1, `NXX-XXXX` for seven; other
/// digits as they are cleaned, account ids and special numbers as they are. `None`: nothing is left of the text (section 12).
///
/// # Errors
/// [`TooLong`].
pub fn format_number(text: &str) -> Result<Option<String>, TooLong> {
    let clean = clean_phone_number(text)?;
    if clean.is_empty() {
        return Ok(None);
    }
    if !clean.bytes().all(|b| b.is_ascii_digit()) {
        return Ok(Some(clean));
    }
    let subscriber = match clean.len() {
        10 => Some(clean.as_str()),
        11 => clean.strip_prefix('1'),
        _ => None,
    };
    Ok(Some(match subscriber {
        Some(digits) => format!("+1 ({}) {}-{}", &digits[..3], &digits[3..6], &digits[6..]),
        None if clean.len() == 7 => format!("{}-{}", &clean[..3], &clean[3..]),
        None => clean,
    }))
}

/// Takes an address apart: `sip:bob@example.com:5060;user=phone`, also with a display name and angle brackets. Nothing is
/// decoded, and every text has a result. Headers (`?subject=...`), passwords and display names are left out (section 12).
///
/// # Errors
/// [`TooLong`].
pub fn caller_info(uri: &str) -> Result<CallerInfo, TooLong> {
    let (uri, behind) = without_display_name(bounded(uri)?);
    let uri = without_headers(uri);
    let (address, inside) = uri.split_once(';').unwrap_or((uri, ""));
    let behind = behind.split_once(';').map_or("", |(_, parameters)| parameters);
    let (protocol, rest) = match address.find([':', '@', '[']) {
        Some(at) if address[at..].starts_with(':') => (Some(&address[..at]), &address[at + 1..]),
        Some(_) | None => (None, address),
    };
    let (caller_id, domain, port) = match rest.split_once('@') {
        Some((user, host)) => {
            let (domain, port) = host_and_port(host.split('@').next().unwrap_or_default());
            // What follows the colon is a password.
            (user.split(':').next().unwrap_or_default(), domain, port)
        }
        None => match rest.rsplit_once(':') {
            Some((user, port)) if is_number(port) => (user, "", port),
            Some(_) | None => (rest, "", ""),
        },
    };
    Ok(CallerInfo {
        protocol: protocol.map(str::to_owned),
        caller_id: caller_id.to_owned(),
        domain: domain.to_owned(),
        port: (protocol.is_some() || !port.is_empty()).then(|| port.to_owned()),
        parameters: inside.split(';').chain(behind.split(';')).filter_map(parameter).collect(),
    })
}

fn bounded(text: &str) -> Result<&str, TooLong> {
    if text.len() <= MAX_NUMBER_TEXT { Ok(text) } else { Err(TooLong) }
}

/// As [`clean_phone_number`], of a text that is not too long.
pub(crate) fn clean(text: &str) -> String {
    if text.contains('@') {
        return text.to_owned();
    }
    if SPECIAL.contains(&text.trim()) {
        return text.trim().to_owned();
    }
    text.chars()
        .filter_map(|c| match c.to_ascii_lowercase() {
            d @ '0'..='9' => Some(d),
            'a'..='c' => Some('2'),
            'd'..='f' => Some('3'),
            'g'..='i' => Some('4'),
            'j'..='l' => Some('5'),
            'm'..='o' => Some('6'),
            'p'..='s' => Some('7'),
            't'..='v' => Some('8'),
            'w'..='z' => Some('9'),
            _ => None,
        })
        .collect()
}

/// The address inside angle brackets and what stands behind them; the whole text where there are none. Brackets inside the
/// quotes of a display name are part of the name.
fn without_display_name(text: &str) -> (&str, &str) {
    let (mut quoted, mut escaped) = (false, false);
    for (at, letter) in text.char_indices() {
        match letter {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            '<' if !quoted => {
                let inside = &text[at + 1..];
                let (uri, behind) = inside.split_once('>').unwrap_or((inside, ""));
                return (uri.trim(), behind);
            }
            _ => {}
        }
    }
    (text, "")
}

/// Cuts what follows the first `?` behind the user's part, in which a `?` may stand.
fn without_headers(uri: &str) -> &str {
    let host = uri.find('@').unwrap_or(0);
    uri[host..].find('?').map_or(uri, |at| &uri[..host + at])
}

/// Host and port of what follows the `@`.
fn host_and_port(text: &str) -> (&str, &str) {
    if text.starts_with('[')
        && let Some(end) = text.find(']')
    {
        return (&text[..=end], text[end + 1..].strip_prefix(':').unwrap_or_default());
    }
    let mut parts = text.split(':');
    (parts.next().unwrap_or_default(), parts.next().unwrap_or_default())
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

/// `name=value`; a value that contains `=` counts as empty, and a piece without one says nothing (section 10).
fn parameter(piece: &str) -> Option<(String, String)> {
    let (name, value) = piece.split_once('=')?;
    let value = if value.contains('=') { "" } else { value };
    (!OWN_NAMES.contains(&name)).then(|| (name.to_owned(), value.to_owned()))
}
