//! Error objects of the Phone API and the mapping from answers to them (rest-protocol.md sections 6.2, 6.5).
//!
//! Owns: [`Problem`] and the constructors of [`ErrorObject`]. Lives on: the phone's actor. Must not import: anything but
//! the wire crate's catalogue.

use super::io::{ErrorObject, HttpResponse, NetworkFailure};
use ewebrtc_wire::{RequestError, api_error_for, sdk_error};

/// Longest text of the gateway or of the system that is passed on, in bytes; more helps nobody and may be an attack.
const MAX_TEXT: usize = 1024;

/// A text cut to [`MAX_TEXT`] bytes at a character boundary.
pub(super) fn bounded(text: &str) -> String {
    if text.len() <= MAX_TEXT {
        return text.to_owned();
    }
    let end = (0..=MAX_TEXT).rev().find(|n| text.is_char_boundary(*n)).unwrap_or(0);
    text[..end].to_owned()
}

/// The error of the catalogue with this code; an unknown code cannot happen and would be 0001 with the code as detail.
pub(crate) fn sdk(code: &str, information: Option<String>) -> ErrorObject {
    let (entry, information) = match sdk_error(code) {
        Some(entry) => (Some(entry), information),
        None => (sdk_error("0001"), Some(code.to_owned())),
    };
    let Some(entry) = entry else {
        return ErrorObject {
            error_code: code.to_owned(),
            additional_information: information,
            ..ErrorObject::default()
        };
    };
    ErrorObject {
        js_object: entry.js_object.into(),
        js_method: entry.js_method.into(),
        error_code: entry.code.into(),
        error_message: entry.message.into(),
        cause: entry.cause.into(),
        resolution: entry.resolution.into(),
        additional_information: information.map(|text| bounded(&text)),
        ..ErrorObject::default()
    }
}

/// The error of the catalogue with this code for a failure that another one caused; what the gateway said about that one
/// is kept.
pub(super) fn caused_by(code: &str, cause: &ErrorObject) -> ErrorObject {
    let detail = cause.additional_information.clone().unwrap_or_else(|| cause.error_message.clone());
    ErrorObject {
        api_error: cause.api_error.clone(),
        resource_method: cause.resource_method.clone(),
        http_status_code: cause.http_status_code.clone(),
        message_id: cause.message_id.clone(),
        ..sdk(code, Some(detail))
    }
}

/// How the phone treats a failed request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ProblemKind {
    /// No answer at all (P-65).
    NoAnswer,
    /// 502 or 503 (P-24): `gateway:unreachable` in place of `error`.
    Unreachable,
    /// 404; `session` when its text says that the session is not known (P-23).
    NotFound {
        /// The text names the session.
        session: bool,
    },
    /// Any other refusal.
    Refused,
}

/// A failed request: its error object and how to treat it.
#[derive(Debug, Clone)]
pub(super) struct Problem {
    pub(super) error: Box<ErrorObject>,
    pub(super) kind: ProblemKind,
}

/// Header field of an answer, if it has it.
pub(super) fn header<'a>(response: &'a HttpResponse, name: &str) -> Option<&'a str> {
    response.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.trim())
}

/// True for what the protocol counts as success (section 1.3: anything outside 400-599; ours also refuses what is no
/// final HTTP status).
pub(super) fn is_success(status: u16) -> bool {
    (200..400).contains(&status)
}

/// Does this text say that a session is not known (P-23)?
fn names_lost_session(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    let lost = ["not found", "no such", "not known", "unknown", "does not exist", "expired"];
    text.contains("session") && lost.iter().any(|word| text.contains(word))
}

impl Problem {
    /// Whether the gateway may never have got the request.
    pub(super) fn is_unheard(&self) -> bool {
        matches!(self.kind, ProblemKind::NoAnswer | ProblemKind::Unreachable)
    }

    /// The problem of a request that got no answer: 0002 with status `0`.
    pub(super) fn no_answer(resource: &str, failure: &NetworkFailure) -> Self {
        let mut error = sdk("0002", Some(failure.text.clone()));
        error.resource_method = Some(resource.to_owned());
        error.http_status_code = Some("0".into());
        Self { error: Box::new(error), kind: ProblemKind::NoAnswer }
    }

    /// The problem of a request that was refused.
    pub(super) fn refused(resource: &str, response: &HttpResponse) -> Self {
        let body = RequestError::parse(header(response, "content-type"), &response.body);
        let entry = api_error_for(response.status, body.as_ref().map(|b| b.message_id.as_str()));
        let text = body.as_ref().map(|b| bounded(&b.display_text())).filter(|t| !t.is_empty());
        let error = ErrorObject {
            js_object: entry.js_object.into(),
            js_method: entry.js_method.into(),
            error_code: entry.code.into(),
            error_message: entry.message.into(),
            // The catalogue defines the cause of an API error as the gateway's text, else the meaning.
            cause: text.clone().unwrap_or_else(|| entry.message.to_owned()),
            resolution: entry.resolution.into(),
            api_error: text.clone(),
            resource_method: Some(resource.to_owned()),
            http_status_code: Some(response.status.to_string()),
            message_id: body.as_ref().map(|b| bounded(&b.message_id)).filter(|id| !id.is_empty()),
            additional_information: None,
        };
        let kind = match response.status {
            502 | 503 => ProblemKind::Unreachable,
            404 => {
                let opaque = String::from_utf8_lossy(&response.body[..response.body.len().min(MAX_TEXT)]).into_owned();
                let is_user = body.as_ref().is_some_and(|b| b.message_id == "SVC8514");
                ProblemKind::NotFound { session: !is_user && names_lost_session(text.as_deref().unwrap_or(&opaque)) }
            }
            _ => ProblemKind::Refused,
        };
        Self { error: Box::new(error), kind }
    }

    /// The problem of an outcome, or the successful answer.
    pub(super) fn of(resource: &str, result: Result<HttpResponse, NetworkFailure>) -> Result<HttpResponse, Self> {
        match result {
            Err(failure) => Err(Self::no_answer(resource, &failure)),
            Ok(response) if is_success(response.status) => Ok(response),
            Ok(response) => Err(Self::refused(resource, &response)),
        }
    }

    /// A problem that the phone sees itself in an otherwise successful answer.
    pub(super) fn own(code: &str, information: &str) -> Self {
        let error = sdk(code, Some(information.to_owned()));
        Self { error: Box::new(error), kind: ProblemKind::Refused }
    }
}

/// The error object of a request outside the core that got no answer (0002 with status `0`).
pub(crate) fn no_answer(resource: &str, failure: &NetworkFailure) -> ErrorObject {
    *Problem::no_answer(resource, failure).error
}

/// The error object of a request outside the core that was refused.
pub(crate) fn refused(resource: &str, response: &HttpResponse) -> ErrorObject {
    *Problem::refused(resource, response).error
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::io::NetworkFailureKind;

    fn answer(status: u16, kind: &str, body: &str) -> HttpResponse {
        HttpResponse { status, headers: vec![("content-type".into(), kind.into())], body: body.into() }
    }

    fn json(id: &str, text: &str) -> String {
        RequestError::new(id, text, "").to_json()
    }

    #[test]
    fn answers_become_error_objects() {
        let problem = Problem::refused("POST /x", &answer(401, "application/json", &json("POL0001", "no")));
        assert_eq!(problem.error.error_code, "1711");
        assert_eq!(problem.error.http_status_code.as_deref(), Some("401"));
        assert_eq!(problem.error.message_id.as_deref(), Some("POL0001"));
        assert_eq!(problem.error.api_error.as_deref(), Some("no"));
        assert_eq!(problem.error.cause, "no");
        assert_eq!(problem.error.resource_method.as_deref(), Some("POST /x"));
        let unknown = Problem::refused("POST /x", &answer(400, "application/json", &json("SVC9999", "odd")));
        assert_eq!((unknown.error.error_code.as_str(), unknown.error.message_id.as_deref()), ("1000", Some("SVC9999")));
        let empty = Problem::refused("POST /x", &answer(500, "application/json", ""));
        assert_eq!(empty.error.error_code, "1000");
        assert_eq!(empty.error.http_status_code.as_deref(), Some("500"));
        let failure = NetworkFailure { kind: NetworkFailureKind::Connect, text: "refused".into() };
        let none = Problem::no_answer("GET /x", &failure);
        assert_eq!(none.error.http_status_code.as_deref(), Some("0"));
        assert_eq!(none.error.error_code, "0002");
    }

    #[test]
    fn only_texts_about_a_session_mean_expiry() {
        let kind = |response: &HttpResponse| Problem::refused("x", response).kind;
        let found = |session| ProblemKind::NotFound { session };
        assert_eq!(kind(&answer(404, "application/json", &json("", "Session id not found"))), found(true));
        assert_eq!(
            kind(&answer(404, "application/json", &json("", "requested session resource not found"))),
            found(true)
        );
        assert_eq!(kind(&answer(404, "text/plain", "no such session")), found(true));
        assert_eq!(kind(&answer(404, "text/plain", "")), found(false));
        assert_eq!(kind(&answer(404, "application/json", &json("", "no such call"))), found(false));
        assert_eq!(kind(&answer(404, "application/json", &json("SVC8514", "unknown user, no session"))), found(false));
        assert_eq!(kind(&answer(502, "text/html", "<html/>")), ProblemKind::Unreachable);
        assert_eq!(kind(&answer(503, "text/html", "")), ProblemKind::Unreachable);
        assert_eq!(kind(&answer(500, "text/html", "")), ProblemKind::Refused);
    }

    #[test]
    fn long_texts_are_cut_at_a_character() {
        let long = "ä".repeat(MAX_TEXT);
        assert!(bounded(&long).len() <= MAX_TEXT);
        assert!(sdk("0000", Some(long)).additional_information.is_some_and(|t| t.len() <= MAX_TEXT));
    }
}
