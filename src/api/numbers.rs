//! The utilities for numbers and addresses: `cleanPhoneNumber`, `formatNumber`, `getCallerInfo`.
//!
//! Owns: their methods of [`Phone`], and the same by name. Lives on: any thread; the answers are computed on the caller's.
//! Must not import: `core`'s machines, `signal`. The rules are those of `ewebrtc_wire` (numbers.md).

use super::error::Error;
use super::phone::Phone;
use crate::core::errors;
use ewebrtc_wire::{CallerInfo, TooLong};
use serde_json::Value;

/// A method of this file; their names, arguments and codes are those of `methods.json`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Utility {
    CleanPhoneNumber,
    FormatNumber,
    GetCallerInfo,
}

impl Utility {
    const ALL: [Utility; 3] = [Utility::CleanPhoneNumber, Utility::FormatNumber, Utility::GetCallerInfo];

    fn name(self) -> &'static str {
        match self {
            Utility::CleanPhoneNumber => "cleanPhoneNumber",
            Utility::FormatNumber => "formatNumber",
            Utility::GetCallerInfo => "getCallerInfo",
        }
    }

    fn argument(self) -> &'static str {
        match self {
            Utility::CleanPhoneNumber | Utility::FormatNumber => "number",
            Utility::GetCallerInfo => "callerUri",
        }
    }

    /// Code of the only error: the argument is no text, or too long to be looked at.
    fn code(self) -> &'static str {
        match self {
            Utility::CleanPhoneNumber => "3810",
            Utility::FormatNumber => "3820",
            Utility::GetCallerInfo => "3830",
        }
    }
}

impl Phone {
    /// Turns what a person typed into what is dialled (`cleanPhoneNumber`): letters become the digits of a telephone's keys,
    /// everything else but digits goes, `1 (800) CALFEDX` is `18002253339`. Texts with an `@` and the special numbers 911, 411,
    /// 611, `*69`, `#89` stay as they are. The result may be empty. No request is sent.
    ///
    /// # Errors
    /// 3810 for a text of more than [`ewebrtc_wire::MAX_NUMBER_TEXT`] bytes; event `error`.
    pub fn clean_phone_number(&self, number: &str) -> Result<String, Error> {
        ewebrtc_wire::clean_phone_number(number).map_err(|e| self.refuse(Utility::CleanPhoneNumber, e, None))
    }

    /// A number as it is shown (`formatNumber`): `+1 (NXX) NXX-XXXX` for ten digits and for eleven that begin with 1, `NXX-XXXX`
    /// for seven, other digits as cleaned. `None`: nothing is left of the text, which is written to the log only. No request is
    /// sent.
    ///
    /// # Errors
    /// 3820 for a text of more than [`ewebrtc_wire::MAX_NUMBER_TEXT`] bytes; event `error`.
    pub fn format_number(&self, number: &str) -> Result<Option<String>, Error> {
        shown(number).map_err(|e| self.refuse(Utility::FormatNumber, e, None))
    }

    /// Takes the address of a caller apart (`getCallerInfo`), such as `from` of `call:incoming`: scheme, number or user,
    /// domain, port, parameters. Nothing is decoded, and every text has a result. No request is sent.
    ///
    /// # Errors
    /// 3830 for a text of more than [`ewebrtc_wire::MAX_NUMBER_TEXT`] bytes; event `error`.
    pub fn caller_info(&self, uri: &str) -> Result<CallerInfo, Error> {
        ewebrtc_wire::caller_info(uri).map_err(|e| self.refuse(Utility::GetCallerInfo, e, None))
    }

    /// The error of a utility, published as an `error` event as well.
    fn refuse(&self, utility: Utility, why: impl ToString, tag: Option<&str>) -> Error {
        let error = errors::sdk(utility.code(), Some(why.to_string()));
        self.publish_error(error.clone(), tag);
        Error::Phone(Box::new(error))
    }
}

/// True for a method of this file.
pub(super) fn is_answered(method: &str) -> bool {
    Utility::ALL.iter().any(|utility| utility.name() == method)
}

/// The answer of a method of this file that was called by its name with its argument in `options`; `None` for another method.
///
/// # Errors
/// The code of the method when the argument is no text or too long; then the `error` event has the tag.
pub(super) fn answer(phone: &Phone, method: &str, options: &Value, tag: Option<&str>) -> Option<Result<Value, Error>> {
    let utility = Utility::ALL.into_iter().find(|utility| utility.name() == method)?;
    let answer = computed(utility, options.get(utility.argument()));
    Some(answer.map_err(|why| phone.refuse(utility, why, tag)))
}

/// The result, or why there is none.
fn computed(utility: Utility, argument: Option<&Value>) -> Result<Value, String> {
    let text = match argument {
        Some(Value::String(text)) => text,
        // Section 12 of numbers.md: no caller is no error.
        None | Some(Value::Null) if utility == Utility::GetCallerInfo => return Ok(Value::Null),
        None | Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
            return Err(format!("{} is not a text", utility.argument()));
        }
    };
    match utility {
        Utility::CleanPhoneNumber => ewebrtc_wire::clean_phone_number(text).map(Value::from),
        Utility::FormatNumber => shown(text).map(Value::from),
        Utility::GetCallerInfo => ewebrtc_wire::caller_info(text).map(|info| info.to_json()),
    }
    .map_err(|TooLong| TooLong.to_string())
}

/// A number as it is shown. That nothing is left of a text is said in the log, and by no event (section 16 of
/// phone-behaviour.md).
fn shown(text: &str) -> Result<Option<String>, TooLong> {
    let shown = ewebrtc_wire::format_number(text)?;
    if shown.is_none() {
        log::warn!("formatNumber: nothing is left of the text");
    }
    Ok(shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_arguments_and_codes_are_those_of_the_table() {
        for utility in Utility::ALL {
            let info = ewebrtc_wire::method_info("Phone", utility.name()).expect("documented");
            assert_eq!(info.arguments, [utility.argument()]);
            assert!(info.validation.contains(&("not a string", utility.code())), "{utility:?}");
        }
    }
}
