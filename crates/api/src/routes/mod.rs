//! The routes: one file per endpoint, one line each here, with what it asks of its caller (`Access`).

pub(crate) mod audit;
pub(crate) mod events;
pub(crate) mod health;
pub(crate) mod keys;
pub(crate) mod lanes;
pub(crate) mod meta;
pub(crate) mod notify;
pub(crate) mod queues;
pub(crate) mod task_status;
pub(crate) mod tasks;
pub(crate) mod whoami;
pub(crate) mod workers;

use axum::Router;
use axum::http::Uri;
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use crate::detail::{Detail, is_old_route};
use crate::{Api, ApiError, routes};

routes! {
    pub(crate) fn table -> ACCESS;
    post "/notify" => notify::post::handle, Send;
    post "/notify/" => notify::post::handle, Send;
    get "/task_status/{task_id}" => task_status::get::handle, Read;
    get "/health" => health::get::handle, Open;
    post "/v1/tasks" => tasks::create::handle, Send;
    get "/v1/tasks" => tasks::list::handle, Read;
    get "/v1/tasks/{task_id}" => tasks::get::handle, Read;
    get "/v1/tasks/{task_id}/attempts" => tasks::attempts::handle, Read;
    post "/v1/tasks/{task_id}/cancel" => tasks::cancel::handle, Send;
    get "/v1/tasks/{task_id}/events" => tasks::events::handle, Read;
    get "/v1/tasks/{task_id}/message" => tasks::message::handle, Read;
    post "/v1/tasks/{task_id}/retry" => tasks::retry::handle, Send;
    get "/v1/events" => events::stream::handle, Read;
    get "/v1/queues" => queues::list::handle, ReadAll;
    post "/v1/queues/{queue}/pause" => queues::pause::handle, Admin;
    post "/v1/queues/{queue}/resume" => queues::resume::handle, Admin;
    post "/v1/queues/{queue}/lanes/{lane}/pause" => lanes::pause::handle, Admin;
    post "/v1/queues/{queue}/lanes/{lane}/resume" => lanes::resume::handle, Admin;
    get "/v1/lanes" => lanes::list::handle, ReadAll;
    get "/v1/workers" => workers::list::handle, ReadAll;
    get "/v1/audit" => audit::list::handle, Admin;
    get "/v1/whoami" => whoami::get::handle, Any;
    get "/v1/keys" => keys::list::handle, Admin;
    post "/v1/keys" => keys::create::handle, Admin;
    get "/v1/keys/{key_id}" => keys::get::handle, Admin;
    delete "/v1/keys/{key_id}" => keys::revoke::handle, Admin;
    get "/metrics" => meta::metrics::handle, ReadAll;
    get "/healthz" => meta::healthz::handle, Open;
    get "/readyz" => meta::readyz::handle, Open;
    get "/openapi.json" => meta::openapi::handle, Open;
    get "/docs" => meta::docs::redirect, Open;
    get "/docs/" => meta::docs::index, Open;
    get "/docs/{*file}" => meta::docs::file, Open;
}

pub(crate) fn router(api: Api) -> Router {
    table().method_not_allowed_fallback(method_not_allowed).fallback(not_found).with_state(api)
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
