//! One handler a path. Each reads the request, asks the core, and writes the response.
//!
//! Owns: the order of checks: method, body size, session and token (D-9, D-10), JSON, then the core's own.
//! Lives on: the connection's task. Must not import: sockets, the core's inside.

use axum::body::Body;
use axum::extract::{Path, Request as HttpRequest, State};
use axum::http::{HeaderMap, Method, StatusCode, header, request::Parts};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use ewebrtc_wire::{
    CallAction, CallCreate, CallsModification, DeleteReason, E911Association, Secret, SessionCreate, header as names,
    path,
};

use super::{Connection, body, reply, socket, tracked};
use crate::core::{Answer, Auth, PollAnswer, Refusal, Request};
use crate::shell::{GatewayState, Receipt};

pub(super) type Reply = Result<Response, Refusal>;

/// The bearer token, compared case-insensitively in its scheme (section 1.2). A header that is no bearer token is a token
/// that nobody has, because the session is looked up first wherever the header is present (D-9).
fn token(headers: &HeaderMap) -> Option<Secret> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().unwrap_or_default().trim();
    let token = match value.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token.trim(),
        Some(_) | None => "",
    };
    Some(Secret::from(token))
}

pub(super) fn auth(session: &str, headers: &HeaderMap) -> Auth {
    Auth { session: session.to_owned(), token: token(headers) }
}

pub(super) fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).map(|value| value.to_str().unwrap_or_default())
}

pub(super) fn split(request: HttpRequest) -> (Parts, Body, Option<Connection>) {
    let (mut parts, body) = request.into_parts();
    let connection = parts.extensions.remove::<Connection>();
    (parts, body, connection)
}

/// A response after which events of a leg may go out.
pub(super) fn tracked_leg(
    state: &GatewayState,
    response: Response,
    answer: &Answer,
    connection: Option<Connection>,
) -> Response {
    match answer {
        Answer::Leg { delivery: Some(delivery) } | Answer::Call { delivery, .. } | Answer::Invited { delivery, .. } => {
            tracked::track(response, String::new(), Receipt::new(state, delivery.clone()), connection)
        }
        Answer::Leg { delivery: None }
        | Answer::Done
        | Answer::Token(_)
        | Answer::Session { .. }
        | Answer::Refreshed { .. }
        | Answer::Polling
        | Answer::Ticket { .. } => response,
    }
}

/// 404 with an empty message id.
pub(super) async fn unknown_path() -> Response {
    Refusal::not_found().into_response()
}

#[derive(Deserialize)]
struct DevToken {
    user: String,
}

/// `POST /dev/tokens`; does not exist outside development mode.
pub(super) async fn dev_tokens(State(state): State<GatewayState>, request: HttpRequest) -> Reply {
    if !state.is_dev() {
        return Err(Refusal::not_found());
    }
    let (parts, body, _) = split(request);
    if parts.method != Method::POST {
        return Ok(reply::wrong_method("POST, OPTIONS"));
    }
    let bytes = body::read(body).await?;
    let wanted: DevToken = body::json(&bytes, "user")?;
    match state.request(Request::IssueToken { user: wanted.user })? {
        Answer::Token(grant) => {
            let text = serde_json::json!({
                "access_token": grant.token.expose(),
                "token_type": "bearer",
                "expires_in": grant.expires_in,
                "user": grant.user,
                "kind": grant.kind,
                "address": grant.address,
            });
            Ok(reply::json(StatusCode::OK, text.to_string()))
        }
        _ => Err(Refusal::plain(500, "No token was made")),
    }
}

/// `PUT userIds/{userId}` (section 2.1).
pub(super) async fn user_id(
    State(state): State<GatewayState>,
    Path(user): Path<String>,
    request: HttpRequest,
) -> Reply {
    let (parts, body, _) = split(request);
    if parts.method != Method::PUT {
        return Ok(reply::wrong_method("PUT, OPTIONS"));
    }
    body::read(body).await?;
    state.request(Request::Associate { token: token(&parts.headers), user_id: user })?;
    Ok(reply::empty(StatusCode::OK))
}

/// `POST sessions` (section 2.2).
pub(super) async fn sessions(State(state): State<GatewayState>, request: HttpRequest) -> Reply {
    let (parts, body, _) = split(request);
    if parts.method != Method::POST {
        return Ok(reply::wrong_method("POST, OPTIONS"));
    }
    let bytes = body::read(body).await?;
    let token = token(&parts.headers);
    state.request(Request::CheckToken { token: token.clone() })?;
    body::json::<SessionCreate>(&bytes, "session")?;
    let e911_id = text(&parts.headers, names::E911_ID).map(str::to_owned);
    match state.request(Request::CreateSession { token, e911_id })? {
        Answer::Session { id, expires, user } => {
            log::info!("a session begins, {} now", state.session_count());
            let location = format!("{}{}", ewebrtc_wire::BASE_PATH, path::session(&id));
            let response = reply::with(reply::empty(StatusCode::CREATED), names::LOCATION, &location);
            let response = reply::with(response, names::EXPIRES, &expires.to_string());
            Ok(reply::with(response, names::USER, &user))
        }
        _ => Err(Refusal::plain(500, "No session was made")),
    }
}

/// Refresh, e911 association, logout (sections 2.3 to 2.5).
pub(super) async fn session(State(state): State<GatewayState>, Path(id): Path<String>, request: HttpRequest) -> Reply {
    let (parts, body, _) = split(request);
    let auth = auth(&id, &parts.headers);
    match parts.method {
        Method::PUT => {
            let bytes = body::read(body).await?;
            // Without a body it is a refresh (section 2.5).
            if bytes.trim_ascii().is_empty() {
                return match state.request(Request::RefreshSession { auth })? {
                    Answer::Refreshed { expires } => {
                        Ok(reply::with(reply::empty(StatusCode::OK), names::EXPIRES, &expires.to_string()))
                    }
                    _ => Err(Refusal::plain(500, "The session was not refreshed")),
                };
            }
            state.request(Request::Authorise { auth: auth.clone() })?;
            let wanted: E911Association = body::json(&bytes, "e911Association")?;
            state.request(Request::AssociateE911 { auth, e911_id: wanted.association.e911_id })?;
            Ok(reply::empty(StatusCode::OK))
        }
        Method::DELETE => {
            body::read(body).await?;
            state.request(Request::DeleteSession { auth })?;
            log::info!("a session ended, {} left", state.session_count());
            Ok(reply::empty(StatusCode::NO_CONTENT))
        }
        _ => Ok(reply::wrong_method("PUT, DELETE, OPTIONS")),
    }
}

/// `?after=N`: the value, `None` without one.
fn after(query: Option<&str>) -> Result<Option<u64>, Refusal> {
    let mut values = query.unwrap_or_default().split('&').filter_map(|pair| pair.strip_prefix("after="));
    match values.next() {
        None => Ok(None),
        Some(number) => number.parse().map(Some).map_err(|_| Refusal::invalid("after")),
    }
}

/// The long poll (section 2.6.1). Errors are held for a while (D-39).
pub(super) async fn events(State(state): State<GatewayState>, Path(id): Path<String>, request: HttpRequest) -> Reply {
    let (parts, body, connection) = split(request);
    if parts.method != Method::GET {
        return Ok(reply::wrong_method("GET, OPTIONS"));
    }
    drop(body);
    let after = after(parts.uri.query());
    let opened = after.and_then(|after| state.poll(auth(&id, &parts.headers), after));
    let ticket = match opened {
        Ok(ticket) => ticket,
        Err(refusal) => {
            tokio::time::sleep(state.error_hold()).await;
            return Err(refusal);
        }
    };
    Ok(match ticket.wait().await {
        PollAnswer::Events { body, delivery } => {
            let receipt = Receipt::new(&state, delivery);
            let response = reply::json(StatusCode::OK, String::new());
            tracked::track(response, body, receipt, connection)
        }
        PollAnswer::Empty => reply::empty(StatusCode::NO_CONTENT),
        PollAnswer::Gone => Refusal::unknown_session().into_response(),
    })
}

/// `POST …/calls` (section 2.7.1).
pub(super) async fn calls(State(state): State<GatewayState>, Path(id): Path<String>, request: HttpRequest) -> Reply {
    let (parts, body, connection) = split(request);
    if parts.method != Method::POST {
        return Ok(reply::wrong_method("POST, OPTIONS"));
    }
    let bytes = body::read(body).await?;
    let auth = auth(&id, &parts.headers);
    state.request(Request::Authorise { auth: auth.clone() })?;
    let wanted: CallCreate = body::json(&bytes, "call")?;
    let request = Request::CreateCall { auth, called_party: wanted.call.called_party, sdp: wanted.call.sdp };
    let answer = state.request(request)?;
    log::info!("a call begins, {} now", state.call_count());
    let mut response = reply::with(reply::empty(StatusCode::CREATED), names::STATE, "invitation-sent");
    if let Answer::Call { location, .. } = &answer {
        response = reply::with(response, names::LOCATION, location);
    }
    Ok(tracked_leg(&state, response, &answer, connection))
}

/// Answer, modifications, end of a call (sections 2.7.3 to 2.7.11).
pub(super) async fn call(
    State(state): State<GatewayState>,
    Path((id, leg)): Path<(String, String)>,
    request: HttpRequest,
) -> Reply {
    let (parts, body, connection) = split(request);
    let auth = auth(&id, &parts.headers);
    match parts.method {
        Method::PUT => {
            let bytes = body::read(body).await?;
            state.request(Request::Authorise { auth: auth.clone() })?;
            // D-46: a verb that is missing or unknown.
            let action = text(&parts.headers, names::CALLS_ACTION).and_then(CallAction::parse);
            let action = action.ok_or(Refusal::invalid(names::CALLS_ACTION))?;
            let wanted: CallsModification = body::json(&bytes, "callsMediaModifications")?;
            let request = verb(action, auth, leg, &parts.headers, wanted.modification.sdp);
            let answer = state.request(request)?;
            let response = match action {
                CallAction::Answer => reply::with(reply::empty(StatusCode::OK), names::STATE, "accepted"),
                // Exactly 204, or the original client takes it for a failure (section 1.3).
                CallAction::Hold
                | CallAction::Resume
                | CallAction::Move
                | CallAction::Modify
                | CallAction::AcceptModification
                | CallAction::RejectModification
                | CallAction::Transfer => reply::empty(StatusCode::NO_CONTENT),
            };
            Ok(tracked_leg(&state, response, &answer, connection))
        }
        Method::DELETE => {
            body::read(body).await?;
            state.request(Request::Authorise { auth: auth.clone() })?;
            let reason = delete_reason(&parts.headers)?;
            let answer = state.request(Request::EndCall { auth, leg, reason })?;
            Ok(tracked_leg(&state, reply::empty(StatusCode::NO_CONTENT), &answer, connection))
        }
        _ => Ok(reply::wrong_method("PUT, DELETE, OPTIONS")),
    }
}

/// What `x-calls-action` asks for. Both spellings of the modification's id are taken (D-45).
fn verb(action: CallAction, auth: Auth, leg: String, headers: &HeaderMap, sdp: Option<String>) -> Request {
    let mod_id = || text(headers, names::MOD_ID).or_else(|| text(headers, names::CONFERENCE_MOD_ID)).map(str::to_owned);
    match action {
        CallAction::Answer => Request::AnswerCall { auth, leg, sdp },
        CallAction::Hold | CallAction::Resume | CallAction::Modify => Request::ModifyCall { auth, leg, sdp },
        CallAction::Move => Request::MoveCall { auth, leg, sdp },
        CallAction::AcceptModification => Request::AcceptModification { auth, leg, mod_id: mod_id(), sdp },
        CallAction::RejectModification => Request::RejectModification { auth, leg, mod_id: mod_id() },
        CallAction::Transfer => {
            let target = text(headers, names::TRANSFER_TARGET).map(str::to_owned);
            Request::TransferCall { auth, leg, target, sdp }
        }
    }
}

/// `x-delete-reason`; without one it is a hang-up, because ending is never refused for a formality.
pub(super) fn delete_reason(headers: &HeaderMap) -> Result<DeleteReason, Refusal> {
    match text(headers, names::DELETE_REASON) {
        None => Ok(DeleteReason::Terminate),
        Some(value) => DeleteReason::parse(value).ok_or(Refusal::outside(names::DELETE_REASON)),
    }
}

/// `POST …/websockets` (section 2.6.2), both spellings (D-38): the address of a socket; `GET` there: the socket itself.
pub(super) async fn websocket(
    State(state): State<GatewayState>,
    Path(id): Path<String>,
    request: HttpRequest,
) -> Reply {
    let (parts, body, _) = split(request);
    match parts.method {
        Method::POST => {
            body::read(body).await?;
            let asked = after(parts.uri.query())
                .and_then(|after| state.request(Request::OpenSocket { auth: auth(&id, &parts.headers), after }));
            match asked {
                Ok(Answer::Ticket { ticket }) => {
                    let url = socket::url(&parts.headers, &id, &ticket)?;
                    Ok(reply::with(reply::empty(StatusCode::CREATED), names::LOCATION, &url))
                }
                Ok(_) => Err(Refusal::plain(500, "No socket was made")),
                Err(refusal) => {
                    // The original client repeats this request as it repeats polls (D-39).
                    tokio::time::sleep(state.error_hold()).await;
                    Err(refusal)
                }
            }
        }
        Method::GET => {
            drop(body);
            socket::open(&state, id, parts).await
        }
        _ => Ok(reply::wrong_method("GET, POST, OPTIONS")),
    }
}
