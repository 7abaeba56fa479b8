//! Options as the languages hand them in: the text of a JSON object.
//!
//! Owns: nothing. Lives on: the caller's thread. May import: nothing of the library.

use serde_json::Value;

/// Reads a JSON object; a text without anything in it stands for one without members.
///
/// # Errors
/// Says that `what` is none. The parser's own words name line and column and quote nothing, so that no token gets into a log.
pub(super) fn object(text: &str, what: &str) -> Result<Value, String> {
    if text.trim().is_empty() {
        return Ok(Value::Null);
    }
    match serde_json::from_str(text) {
        Ok(value @ Value::Object(_)) => Ok(value),
        Ok(_) => Err(format!("{what}: no JSON object")),
        Err(error) => Err(format!("{what}: no JSON: {error}")),
    }
}
