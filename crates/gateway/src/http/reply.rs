//! Responses.
//!
//! Owns: how an answer or a refusal becomes a response. Lives on: the connection's task. Must not import: the state.

use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::core::Refusal;

/// A response with a status, no body.
pub(super) fn empty(status: StatusCode) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

/// A response with a JSON text.
pub(super) fn json(status: StatusCode, text: String) -> Response {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// Adds a header; a value that cannot be one is left out.
pub(super) fn with(mut response: Response, name: &str, value: &str) -> Response {
    if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(value)) {
        response.headers_mut().insert(name, value);
    }
    response
}

/// 405 with the methods that would do.
pub(super) fn wrong_method(allowed: &'static str) -> Response {
    with(Refusal::plain(405, "Method not allowed").into_response(), "allow", allowed)
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let response = match self.body() {
            Some(text) => json(status, text),
            None => {
                let mut response = Response::new(Body::from(format!("{}\n", self.text)));
                *response.status_mut() = status;
                let kind = HeaderValue::from_static("text/plain; charset=utf-8");
                response.headers_mut().insert(header::CONTENT_TYPE, kind);
                response
            }
        };
        match self.status {
            401 => with(response, "www-authenticate", "Bearer"),
            _ => response,
        }
    }
}
