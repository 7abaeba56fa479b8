//! Error catalogue and the error body of the REST protocol (rest-protocol.md section 6).
//!
//! Owns: [`SdkError`], [`ApiError`], [`RequestError`] and the mapping from a response to a catalogue entry.
//! Lives on: any thread. Must not import: anything but the tables.

use crate::tables::{api_error_table, sdk_error_table};
use serde_json::{Value, json};

/// An error that the phone raises by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SdkError {
    /// Four digits, always text.
    pub code: &'static str,
    /// `phone`, or `*`.
    pub js_object: &'static str,
    /// Method that reports it, or `*`.
    pub js_method: &'static str,
    /// One sentence.
    pub message: &'static str,
    /// Probable cause.
    pub cause: &'static str,
    /// Suggested remedy.
    pub resolution: &'static str,
}

/// An error that the gateway reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ApiError {
    /// Three or four digits, always text.
    pub code: &'static str,
    /// The gateway's message id; empty where the status alone decides.
    pub message_id: &'static str,
    /// HTTP status; `None` for 1000, which stands for any.
    pub http_status: Option<u16>,
    /// `phone`, or `*`.
    pub js_object: &'static str,
    /// Method that reports it, or `*`.
    pub js_method: &'static str,
    /// One sentence.
    pub message: &'static str,
    /// Probable cause.
    pub cause: &'static str,
    /// Suggested remedy.
    pub resolution: &'static str,
}

/// All errors that the phone raises by itself.
pub fn sdk_errors() -> &'static [SdkError] {
    sdk_error_table()
}

/// All errors that the gateway may report.
pub fn api_errors() -> &'static [ApiError] {
    api_error_table()
}

/// The phone's error with this code.
pub fn sdk_error(code: &str) -> Option<&'static SdkError> {
    sdk_errors().iter().find(|e| e.code == code)
}

/// The gateway's error with this code.
pub fn api_error(code: &str) -> Option<&'static ApiError> {
    api_errors().iter().find(|e| e.code == code)
}

/// The catalogue entry for a response (section 6.2). `message_id` is `None` when the body carried no [`RequestError`];
/// P-40 and P-52: an unknown pair is entry 1000, and `SVC8513` counts as `SVC8514` at status 400.
pub fn api_error_for(status: u16, message_id: Option<&str>) -> &'static ApiError {
    const UNCLASSIFIED: ApiError = ApiError {
        code: "1000",
        message_id: "",
        http_status: None,
        js_object: "phone",
        js_method: "*",
        message: "The gateway reported a failure that carries no recognised error body.",
        cause: "",
        resolution: "",
    };
    static FALLBACK: ApiError = UNCLASSIFIED;
    let unclassified = || api_error("1000").unwrap_or(&FALLBACK);
    let Some(id) = message_id else { return unclassified() };
    let by = |status: u16, id: &str| api_errors().iter().find(|e| e.http_status == Some(status) && e.message_id == id);
    if status >= 500 {
        return by(status, "").unwrap_or_else(unclassified);
    }
    let id = if status == 400 && id == "SVC8513" { "SVC8514" } else { id };
    by(status, id).unwrap_or_else(unclassified)
}

/// Which member of `RequestError` carries the detail (section 6.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorClass {
    /// `Exception`
    Exception,
    /// `ServiceException`, for SVC ids.
    Service,
    /// `PolicyException`, for POL ids.
    Policy,
}

impl ErrorClass {
    const ALL: [(ErrorClass, &'static str); 3] = [
        (ErrorClass::Exception, "Exception"),
        (ErrorClass::Service, "ServiceException"),
        (ErrorClass::Policy, "PolicyException"),
    ];
}

/// The error body of the protocol (section 6.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestError {
    /// Member that carries the detail.
    pub class: ErrorClass,
    /// Message id, may be empty.
    pub message_id: String,
    /// Text; its first `%1` stands for [`RequestError::variables`].
    pub text: String,
    /// Variables, may be empty.
    pub variables: String,
}

impl RequestError {
    /// A body for this message id; the class follows from the id's first letters.
    pub fn new(message_id: &str, text: &str, variables: &str) -> Self {
        let class = if message_id.starts_with("POL") { ErrorClass::Policy } else { ErrorClass::Service };
        Self { class, message_id: message_id.into(), text: text.into(), variables: variables.into() }
    }

    /// The JSON text of the body.
    pub fn to_json(&self) -> String {
        let member = match self.class {
            ErrorClass::Exception => "Exception",
            ErrorClass::Service => "ServiceException",
            ErrorClass::Policy => "PolicyException",
        };
        json!({"RequestError": {member: {
            "MessageId": self.message_id, "Text": self.text, "Variables": self.variables,
        }}})
        .to_string()
    }

    /// Reads the body of an error response: only with a `Content-Type` that begins with `application/json`; a JSON
    /// string is read a second time (section 1.3). `None`: the body is opaque.
    pub fn parse(content_type: Option<&str>, body: &[u8]) -> Option<Self> {
        let kind = content_type?.trim_start().to_ascii_lowercase();
        if !kind.starts_with("application/json") {
            return None;
        }
        let mut value: Value = serde_json::from_slice(body).ok()?;
        if let Value::String(inner) = &value {
            value = serde_json::from_str(inner).ok()?;
        }
        let error = value.get("RequestError")?;
        let (class, detail) = ErrorClass::ALL
            .iter()
            .find_map(|(class, name)| error.get(*name).filter(|d| d.is_object()).map(|d| (*class, d)))?;
        let field = |name: &str| match detail.get(name) {
            Some(Value::String(s)) => s.clone(),
            Some(Value::Null) | None => String::new(),
            Some(other) => other.to_string(),
        };
        Some(Self { class, message_id: field("MessageId"), text: field("Text"), variables: field("Variables") })
    }

    /// The text as the application sees it: `%1` replaced, variables appended (section 6.1).
    pub fn display_text(&self) -> String {
        if self.variables.is_empty() {
            return self.text.clone();
        }
        format!("{}, Variables={}", self.text.replacen("%1", &self.variables, 1), self.variables)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_of_status_and_id_find_their_entry() {
        for (status, id, code) in [
            (400, Some("SVC0002"), "1002"),
            (400, Some("SVC8514"), "1531"),
            (400, Some("SVC8513"), "1531"),
            (404, Some("SVC8514"), "1541"),
            (404, Some(""), "404"),
            (401, Some("POL0001"), "1711"),
            (403, Some("POL0001"), "1713"),
            (500, Some("whatever"), "500"),
            (400, Some("SVC9999"), "1000"),
            (599, Some("SVC0001"), "1000"),
            (503, None, "1000"),
        ] {
            assert_eq!(api_error_for(status, id).code, code, "{status} {id:?}");
        }
    }

    #[test]
    fn bodies_are_read_as_the_original_client_reads_them() {
        let body = RequestError::new("SVC0002", "Invalid input value for message part %1", "sdp");
        let json = body.to_json();
        let read = RequestError::parse(Some("application/json; charset=utf-8"), json.as_bytes());
        assert_eq!(read.as_ref(), Some(&body));
        assert_eq!(body.display_text(), "Invalid input value for message part sdp, Variables=sdp");
        let doubled = serde_json::to_string(&json).expect("a string");
        assert_eq!(RequestError::parse(Some("application/json"), doubled.as_bytes()), Some(body));
        assert_eq!(RequestError::parse(Some("text/plain"), json.as_bytes()), None);
        assert_eq!(RequestError::parse(Some("application/json"), b""), None);
        assert_eq!(RequestError::parse(Some("application/json"), b"{\"RequestError\":{}}"), None);
        assert_eq!(RequestError::parse(None, json.as_bytes()), None);
    }
}
