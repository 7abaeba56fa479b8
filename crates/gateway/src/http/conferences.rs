//! The handlers of conferences and their participants (rest-protocol.md sections 2.7.2 to 2.7.13).
//!
//! Owns: how requests below `conferences` are read and answered. Lives on: the connection's task. Must not import: sockets,
//! the core's inside.

use axum::extract::{Path, Request as HttpRequest, State};
use axum::http::{Method, StatusCode};

use ewebrtc_wire::{ConferenceAction, ConferenceCreate, ConferenceModification, header as names};

use super::handlers::{Reply, auth, delete_reason, split, text, tracked_leg};
use super::{body, reply};
use crate::core::{Answer, Refusal, Request};
use crate::shell::GatewayState;

/// `POST …/conferences` (section 2.7.2).
pub(super) async fn conferences(
    State(state): State<GatewayState>,
    Path(id): Path<String>,
    request: HttpRequest,
) -> Reply {
    let (parts, body, connection) = split(request);
    if parts.method != Method::POST {
        return Ok(reply::wrong_method("POST, OPTIONS"));
    }
    let bytes = body::read(body).await?;
    let auth = auth(&id, &parts.headers);
    state.request(Request::Authorise { auth: auth.clone() })?;
    let wanted: ConferenceCreate = body::json(&bytes, "conference")?;
    let answer = state.request(Request::CreateConference { auth, sdp: wanted.conference.sdp })?;
    log::info!("a conference begins, {} now", state.conference_count());
    let mut response = reply::with(reply::empty(StatusCode::CREATED), names::STATE, "session-established");
    if let Answer::Call { location, .. } = &answer {
        response = reply::with(response, names::LOCATION, location);
    }
    Ok(tracked_leg(&state, response, &answer, connection))
}

/// Joining, hold, resume, the end of a leg (sections 2.7.3 to 2.7.11).
pub(super) async fn conference(
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
            let action = text(&parts.headers, names::CONFERENCE_ACTION).and_then(ConferenceAction::parse);
            let action = action.ok_or(Refusal::invalid(names::CONFERENCE_ACTION))?;
            let wanted: ConferenceModification = body::json(&bytes, "conferenceModifications")?;
            let sdp = wanted.modification.sdp;
            let (request, response) = match action {
                ConferenceAction::Answer => (
                    Request::JoinConference { auth, leg, sdp },
                    reply::with(reply::empty(StatusCode::OK), names::STATE, "accepted"),
                ),
                // Exactly 204, or the original client takes it for a failure (section 1.3).
                ConferenceAction::Hold | ConferenceAction::Resume => {
                    (Request::ModifyConference { auth, leg, sdp }, reply::empty(StatusCode::NO_CONTENT))
                }
                // The mixer asks nobody for anything, so there is nothing to accept.
                ConferenceAction::AcceptModification => return Err(Refusal::invalid(names::CONFERENCE_MOD_ID)),
            };
            let answer = state.request(request)?;
            Ok(tracked_leg(&state, response, &answer, connection))
        }
        Method::DELETE => {
            body::read(body).await?;
            state.request(Request::Authorise { auth: auth.clone() })?;
            let reason = delete_reason(&parts.headers)?;
            let answer = state.request(Request::LeaveConference { auth, leg, reason })?;
            Ok(tracked_leg(&state, reply::empty(StatusCode::NO_CONTENT), &answer, connection))
        }
        _ => Ok(reply::wrong_method("PUT, DELETE, OPTIONS")),
    }
}

/// Participants (sections 2.7.12, 2.7.13). Original clients go on only with these values of `x-state`.
pub(super) async fn participant(
    State(state): State<GatewayState>,
    Path((id, leg, uri)): Path<(String, String, String)>,
    request: HttpRequest,
) -> Reply {
    let (parts, body, connection) = split(request);
    let auth = auth(&id, &parts.headers);
    let (request, done) = match parts.method {
        Method::PUT => (Request::Invite { auth, leg, uri }, "add-pending"),
        Method::DELETE => (Request::Expel { auth, leg, uri }, "remove-pending"),
        _ => return Ok(reply::wrong_method("PUT, DELETE, OPTIONS")),
    };
    body::read(body).await?;
    let answer = state.request(request)?;
    let mut response = reply::with(reply::empty(StatusCode::ACCEPTED), names::STATE, done);
    if let Answer::Invited { mod_id, .. } = &answer {
        response = reply::with(response, names::MOD_ID, mod_id);
    }
    Ok(tracked_leg(&state, response, &answer, connection))
}
