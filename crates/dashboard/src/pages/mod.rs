//! One file per page.

pub(crate) mod message;
pub(crate) mod overview;
pub(crate) mod send;
pub(crate) mod sign_in;
pub(crate) mod task;
pub(crate) mod workers;

use std::time::{SystemTime, UNIX_EPOCH};

use axum::Form;
use axum::extract::rejection::FormRejection;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::Response;
use posthaste_api::{Api, ApiError, Caller};
use posthaste_core::Timestamp;
use serde::{Deserialize, Serialize};

use crate::view::{Chrome, Words};
use crate::{origin, present, render};

/// This machine's time: only for "2 min ago", never for a decision.
fn now() -> Timestamp {
    let ms = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis());
    Timestamp::from_millis(i64::try_from(ms).unwrap_or(i64::MAX))
}

#[derive(Serialize)]
pub(crate) struct ProblemPage {
    pub(crate) chrome: Chrome,
    pub(crate) problem: Words,
}

/// A page that says what went wrong.
fn problem(api: &Api, status: StatusCode, title: &str, text: impl Into<String>) -> Response {
    let page = ProblemPage {
        chrome: present::chrome(api.config(), title),
        problem: Words { title: title.to_owned(), text: text.into() },
    };
    render::page(api, status, "problem.html", &page)
}

/// What the guard answers instead of a page.
pub(crate) fn refused(api: &Api, request: &Parts, error: ApiError) -> Response {
    // A person is asked for a key and comes back to the page; a script is told by the status.
    let fragment = request.uri.path().starts_with("/fragments/");
    if matches!(error, ApiError::Unauthorized { .. }) && request.method == Method::GET && !fragment {
        return sign_in::ask(&request.uri);
    }
    // Pages that say by themselves how it is when the store is away.
    if matches!(error, ApiError::Unavailable { .. }) {
        match request.uri.path() {
            "/" => return overview::without_store(api, &error),
            "/fragments/overview" => return overview::fragment_without_store(api, &error),
            "/workers" => return workers::without_store(api, &error),
            "/fragments/workers" => return workers::fragment_without_store(api, &error),
            _ => {}
        }
    }
    let mut response = failed(api, &error);
    error.put_headers(response.headers_mut());
    response
}

fn no_task(api: &Api) -> Response {
    let text = "There is none with this id. Finished tasks are kept for a day, failed ones for two weeks.";
    problem(api, StatusCode::NOT_FOUND, "No such task", text)
}

fn failed(api: &Api, error: &ApiError) -> Response {
    problem(api, error.status(), error.problem().title, error.detail())
}

/// What every form carries besides its own fields.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Carried {
    #[serde(default)]
    csrf: Option<String>,
}

/// Whether a form comes from a page of ours and of this session; the answer if not.
fn check(
    api: &Api,
    caller: &Caller,
    headers: &HeaderMap,
    form: Result<Form<Carried>, FormRejection>,
) -> Result<(), Box<Response>> {
    if origin::is_foreign(headers) {
        return Err(Box::new(foreign(api)));
    }
    // A form without fields has no body, and so no type.
    let csrf = form.ok().and_then(|Form(carried)| carried.csrf);
    caller.check_form(csrf.as_deref()).map_err(|e| Box::new(failed(api, &e)))
}

fn foreign(api: &Api) -> Response {
    let text = "This form was posted by a page of another site, so nothing was done.";
    problem(api, StatusCode::FORBIDDEN, "Not from this page", text)
}
