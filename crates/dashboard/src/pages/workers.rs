//! `GET /workers`: who serves the queues, and what each runs now.

use axum::extract::State as Shared;
use axum::http::StatusCode;
use axum::response::Response;
use posthaste_api::{Api, ApiError, Bodies, Caller, ListFilter, ListRequest};
use posthaste_core::State;
use serde::Serialize;

use crate::pages::now;
use crate::render;
use crate::view::{Chrome, Workers};
use crate::{present, present::WorkersRead};

/// Running tasks that are read; each worker shows a few of them.
const RUNNING: usize = 100;

#[derive(Serialize)]
pub(crate) struct WorkersPage {
    pub(crate) chrome: Chrome,
    pub(crate) workers: Workers,
}

#[derive(Serialize)]
pub(crate) struct Fragment {
    pub(crate) workers: Workers,
}

/// The page.
pub(crate) async fn page(Shared(api): Shared<Api>, caller: Caller) -> Response {
    let (status, workers) = read(&api, &caller).await;
    let mut chrome = present::chrome_for(api.config(), &caller, "Workers");
    chrome.here = "workers";
    chrome.refresh = true;
    render::page(&api, status, "workers.html", &WorkersPage { chrome, workers })
}

/// The part that changes.
pub(crate) async fn fragment(Shared(api): Shared<Api>, caller: Caller) -> Response {
    let (status, workers) = read(&api, &caller).await;
    render::page(&api, status, "_workers.html", &Fragment { workers })
}

/// The page when it is not known who asks, because the store does not answer.
pub(crate) fn without_store(api: &Api, error: &ApiError) -> Response {
    let workers = present::workers_problem(error);
    let mut chrome = present::chrome(api.config(), "Workers");
    chrome.here = "workers";
    chrome.refresh = true;
    render::page(api, error.status(), "workers.html", &WorkersPage { chrome, workers })
}

/// The part that changes, then.
pub(crate) fn fragment_without_store(api: &Api, error: &ApiError) -> Response {
    render::page(api, error.status(), "_workers.html", &Fragment { workers: present::workers_problem(error) })
}

async fn read(api: &Api, caller: &Caller) -> (StatusCode, Workers) {
    match try_read(api, caller).await {
        Ok(read) => (StatusCode::OK, present::workers(read, now())),
        Err(e) => (e.status(), present::workers_problem(&e)),
    }
}

async fn try_read(api: &Api, caller: &Caller) -> Result<WorkersRead, ApiError> {
    let request = ListRequest {
        filter: ListFilter { states: vec![State::Running], ..ListFilter::default() },
        cursor: None,
        limit: RUNNING,
        bodies: Bodies::Include,
    };
    Ok(WorkersRead {
        workers: api.workers().await?,
        queues: api.queues().await?,
        running: api.tasks(caller, request).await?,
    })
}
