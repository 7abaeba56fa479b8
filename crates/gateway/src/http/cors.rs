//! Cross-origin access (rest-protocol.md section 1.6): the web pages that use the gateway live on other origins.
//!
//! Owns: the CORS headers of every response, and the answer to every preflight. Lives on: the connection's task.
//! Must not import: the state; a preflight is answered without looking at anything.

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

const METHODS: &str = "GET, POST, PUT, DELETE, OPTIONS";
const REQUEST_HEADERS: &str = "Authorization, Content-Type, Accept, x-e911Id, x-Arg, x-calls-action, x-conference-action, \
                               x-modId, x-mod-Id, x-delete-reason, x-transferTargetCallId";
const EXPOSED: &str = "Location, x-expires, x-state, x-modId, x-ewebrtc-user";

/// A day: the longest that any browser keeps.
const MAX_AGE: &str = "86400";

/// Answers preflights and adds the headers to everything else, errors included: without them a browser reports status 0
/// and the original client sees a network failure.
pub(super) async fn layer(request: Request, next: Next) -> Response {
    let preflight = request.method() == Method::OPTIONS;
    let mut response = if preflight { StatusCode::NO_CONTENT.into_response() } else { next.run(request).await };
    let headers = response.headers_mut();
    put(headers, header::ACCESS_CONTROL_ALLOW_ORIGIN, "*");
    put(headers, header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
    if preflight {
        put(headers, header::ACCESS_CONTROL_ALLOW_METHODS, METHODS);
        put(headers, header::ACCESS_CONTROL_ALLOW_HEADERS, REQUEST_HEADERS);
        put(headers, header::ACCESS_CONTROL_MAX_AGE, MAX_AGE);
    } else {
        put(headers, header::CACHE_CONTROL, "no-store");
    }
    response
}

fn put(headers: &mut HeaderMap, name: header::HeaderName, value: &'static str) {
    headers.insert(name, HeaderValue::from_static(value));
}
