//! The routes: one file per endpoint, one line each here.

pub(crate) mod events;
pub(crate) mod health;
pub(crate) mod lanes;
pub(crate) mod meta;
pub(crate) mod notify;
pub(crate) mod queues;
pub(crate) mod task_status;
pub(crate) mod tasks;
pub(crate) mod workers;

use axum::Router;
use axum::http::Uri;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};

use crate::detail::{Detail, is_old_route};
use crate::{Api, ApiError};

pub(crate) fn router(api: Api) -> Router {
    Router::new()
        .route("/notify", post(notify::post::handle))
        .route("/notify/", post(notify::post::handle))
        .route("/task_status/{task_id}", get(task_status::get::handle))
        .route("/health", get(health::get::handle))
        .route("/v1/tasks", post(tasks::create::handle).get(tasks::list::handle))
        .route("/v1/tasks/{task_id}", get(tasks::get::handle))
        .route("/v1/tasks/{task_id}/attempts", get(tasks::attempts::handle))
        .route("/v1/tasks/{task_id}/cancel", post(tasks::cancel::handle))
        .route("/v1/tasks/{task_id}/events", get(tasks::events::handle))
        .route("/v1/tasks/{task_id}/message", get(tasks::message::handle))
        .route("/v1/tasks/{task_id}/retry", post(tasks::retry::handle))
        .route("/v1/events", get(events::stream::handle))
        .route("/v1/queues", get(queues::list::handle))
        .route("/v1/queues/{queue}/pause", post(queues::pause::handle))
        .route("/v1/queues/{queue}/resume", post(queues::resume::handle))
        .route("/v1/queues/{queue}/lanes/{lane}/pause", post(lanes::pause::handle))
        .route("/v1/queues/{queue}/lanes/{lane}/resume", post(lanes::resume::handle))
        .route("/v1/lanes", get(lanes::list::handle))
        .route("/v1/workers", get(workers::list::handle))
        .route("/metrics", get(meta::metrics::handle))
        .route("/healthz", get(meta::healthz::handle))
        .route("/readyz", get(meta::readyz::handle))
        .route("/openapi.json", get(meta::openapi::handle))
        .route("/docs", get(meta::docs::redirect))
        .route("/docs/", get(meta::docs::index))
        .route("/docs/{*file}", get(meta::docs::file))
        .method_not_allowed_fallback(method_not_allowed)
        .fallback(not_found)
        .with_state(api)
}

/// What says how the process is, and nothing else.
pub(crate) fn probes(api: Api) -> Router {
    Router::new()
        .route("/metrics", get(meta::metrics::handle))
        .route("/healthz", get(meta::healthz::handle))
        .route("/readyz", get(meta::readyz::handle))
        .method_not_allowed_fallback(method_not_allowed)
        .fallback(not_found)
        .with_state(api)
}

async fn method_not_allowed(uri: Uri) -> Response {
    refuse(uri.path(), ApiError::MethodNotAllowed)
}

async fn not_found(uri: Uri) -> Response {
    refuse(uri.path(), ApiError::NotFound { what: "there is nothing at this address".into() })
}

/// An error in the shape that callers of `path` expect.
pub(crate) fn refuse(path: &str, e: ApiError) -> Response {
    if is_old_route(path) { Detail(e).into_response() } else { e.into_response() }
}
