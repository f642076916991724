//! `GET /tasks/{id}`: one task, and what can be done to it.

use axum::Form;
use axum::extract::rejection::FormRejection;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use posthaste_api::{Api, ApiError, Caller};
use posthaste_core::TaskId;
use serde::{Deserialize, Serialize};

use crate::pages::{Carried, check, failed, no_task, now};
use crate::view::{Chrome, Task};
use crate::{present, render};

#[derive(Serialize)]
pub(crate) struct TaskPage {
    pub(crate) chrome: Chrome,
    /// Why what was asked for was not done.
    pub(crate) problem: Option<String>,
    pub(crate) task: Task,
}

#[derive(Serialize)]
pub(crate) struct Fragment {
    pub(crate) task: Task,
}

/// How much of the task to show.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum View {
    /// Its status, as beside the form.
    Card,
    /// Everything.
    #[default]
    Page,
}

#[derive(Default, Deserialize)]
pub(crate) struct Params {
    #[serde(default)]
    view: View,
}

/// The page.
pub(crate) async fn page(State(api): State<Api>, caller: Caller, Path(id): Path<String>) -> Response {
    show(&api, &caller, &id, StatusCode::OK, None).await
}

/// The part that changes.
pub(crate) async fn fragment(
    State(api): State<Api>,
    caller: Caller,
    Path(id): Path<String>,
    Query(params): Query<Params>,
) -> Response {
    let Ok(id) = id.parse::<TaskId>() else { return no_task(&api) };
    let template = match params.view {
        View::Card => "_card.html",
        View::Page => "_task.html",
    };
    match api.task(&caller, id).await {
        Ok(Some(task)) => {
            let task = own(&caller, present::task(&task, now()));
            render::page(&api, StatusCode::OK, template, &Fragment { task })
        }
        // Whose it is, where it is not theirs, a page tells nobody.
        Ok(None) | Err(ApiError::Forbidden { .. }) => no_task(&api),
        Err(e) => failed(&api, &e),
    }
}

/// `POST /tasks/{id}/cancel`, where scripts do not run.
pub(crate) async fn cancel(
    State(api): State<Api>,
    caller: Caller,
    Path(id): Path<String>,
    headers: HeaderMap,
    form: Result<Form<Carried>, FormRejection>,
) -> Response {
    if let Err(refused) = check(&api, &caller, &headers, form) {
        return *refused;
    }
    let Ok(task) = id.parse::<TaskId>() else { return no_task(&api) };
    done(&api, &caller, &id, api.cancel(&caller, task).await.map(drop)).await
}

/// `POST /tasks/{id}/retry`, where scripts do not run.
pub(crate) async fn retry(
    State(api): State<Api>,
    caller: Caller,
    Path(id): Path<String>,
    headers: HeaderMap,
    form: Result<Form<Carried>, FormRejection>,
) -> Response {
    if let Err(refused) = check(&api, &caller, &headers, form) {
        return *refused;
    }
    let Ok(task) = id.parse::<TaskId>() else { return no_task(&api) };
    done(&api, &caller, &id, api.retry(&caller, task, None).await.map(drop)).await
}

/// The task with what this caller may do to it.
fn own(caller: &Caller, task: Task) -> Task {
    let may = caller.may_send();
    Task {
        csrf: caller.csrf().map(str::to_owned),
        can_cancel: task.can_cancel && may,
        can_retry: task.can_retry && may,
        ..task
    }
}

async fn done(api: &Api, caller: &Caller, id: &str, result: Result<(), ApiError>) -> Response {
    match result {
        Ok(()) => Redirect::to(&format!("/tasks/{id}")).into_response(),
        Err(e) => show(api, caller, id, e.status(), Some(e.detail())).await,
    }
}

async fn show(api: &Api, caller: &Caller, id: &str, status: StatusCode, problem: Option<String>) -> Response {
    let Ok(id) = id.parse::<TaskId>() else { return no_task(api) };
    match api.task(caller, id).await {
        Ok(Some(task)) => {
            let task = own(caller, present::task(&task, now()));
            let mut chrome =
                present::chrome_for(api.config(), caller, format!("{}: {}", task.badge.label, task.title));
            chrome.refresh = !task.is_final;
            render::page(api, status, "task.html", &TaskPage { chrome, problem, task })
        }
        Ok(None) | Err(ApiError::Forbidden { .. }) => no_task(api),
        Err(e) => failed(api, &e),
    }
}
