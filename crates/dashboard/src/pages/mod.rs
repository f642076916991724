//! One file per page.

pub(crate) mod message;
pub(crate) mod overview;
pub(crate) mod send;
pub(crate) mod task;
pub(crate) mod workers;

use std::time::{SystemTime, UNIX_EPOCH};

use axum::http::StatusCode;
use axum::response::Response;
use posthaste_api::{Api, ApiError};
use posthaste_core::Timestamp;
use serde::Serialize;

use crate::view::{Chrome, Words};
use crate::{present, render};

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
    render::page(status, "problem.html", &page)
}

fn no_task(api: &Api) -> Response {
    let text = "There is none with this id. Finished tasks are kept for a day, failed ones for two weeks.";
    problem(api, StatusCode::NOT_FOUND, "No such task", text)
}

fn failed(api: &Api, error: &ApiError) -> Response {
    problem(api, error.status(), error.problem().title, error.detail())
}

fn foreign(api: &Api) -> Response {
    let text = "This form was posted by a page of another site, so nothing was done.";
    problem(api, StatusCode::FORBIDDEN, "Not from this page", text)
}
