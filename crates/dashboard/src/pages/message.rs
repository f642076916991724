//! `GET /tasks/{id}/message`: a held message; its HTML goes into a frame without rights.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use posthaste_api::{Api, ApiError, Caller};
use posthaste_core::TaskId;
use posthaste_notify::HeldMessage;
use serde::Serialize;

use crate::pages::{failed, now, problem};
use crate::view::{Chrome, Message};
use crate::{present, render};

#[derive(Serialize)]
pub(crate) struct MessagePage {
    pub(crate) chrome: Chrome,
    pub(crate) message: Message,
}

/// The page.
pub(crate) async fn page(State(api): State<Api>, caller: Caller, Path(id): Path<String>) -> Response {
    let (id, held) = match find(&api, &caller, &id).await {
        Ok(found) => found,
        Err(response) => return *response,
    };
    let message = present::message(id, &held, now());
    let chrome = present::chrome_for(api.config(), &caller, message.subject.clone());
    render::page(&api, StatusCode::OK, "message.html", &MessagePage { chrome, message })
}

/// What is in the frame.
pub(crate) async fn html(State(api): State<Api>, caller: Caller, Path(id): Path<String>) -> Response {
    match find(&api, &caller, &id).await {
        Ok((_, held)) => render::paper(present::frame_html(&held)),
        Err(response) => *response,
    }
}

/// The source.
pub(crate) async fn raw(State(api): State<Api>, caller: Caller, Path(id): Path<String>) -> Response {
    match find(&api, &caller, &id).await {
        Ok((id, held)) => render::plain(present::raw_source(id, &held)),
        Err(response) => *response,
    }
}

async fn find(api: &Api, caller: &Caller, id: &str) -> Result<(TaskId, HeldMessage), Box<Response>> {
    let none = || {
        let text = "No message of this task is held: it was sent, is still on its way, or has been removed with its task.";
        Box::new(problem(api, StatusCode::NOT_FOUND, "No held message", text))
    };
    let id: TaskId = id.parse().map_err(|_| none())?;
    match api.held_message(caller, id).await {
        Ok(Some(held)) => Ok((id, held)),
        Ok(None) | Err(ApiError::NotFound { .. } | ApiError::Forbidden { .. }) => Err(none()),
        Err(e) => Err(Box::new(failed(api, &e))),
    }
}
