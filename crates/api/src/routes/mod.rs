//! The routes: one file per endpoint, one line each here, with what it asks of its caller (`Access`).

pub(crate) mod attachments;
pub(crate) mod audit;
pub(crate) mod batches;
pub(crate) mod callbacks;
pub(crate) mod endpoints;
pub(crate) mod events;
pub(crate) mod health;
pub(crate) mod keys;
pub(crate) mod lanes;
pub(crate) mod meta;
pub(crate) mod notifications;
pub(crate) mod notify;
pub(crate) mod operations;
pub(crate) mod providers;
pub(crate) mod queues;
pub(crate) mod recipients;
pub(crate) mod sandbox;
pub(crate) mod schedules;
pub(crate) mod signing;
pub(crate) mod stats;
pub(crate) mod suppressions;
pub(crate) mod task_status;
pub(crate) mod tasks;
pub(crate) mod templates;
pub(crate) mod unsubscribe;
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
    get "/task_status/{task_id}/" => task_status::get::slash, Read;
    get "/health" => health::get::handle, Open;
    get "/health/" => health::get::slash, Open;
    post "/v1/tasks" => tasks::create::handle, Send;
    get "/v1/tasks" => tasks::list::handle, Read;
    get "/v1/tasks/{task_id}" => tasks::get::handle, Read;
    get "/v1/tasks/{task_id}/attempts" => tasks::attempts::handle, Read;
    post "/v1/tasks/{task_id}/cancel" => tasks::cancel::handle, Send;
    get "/v1/tasks/{task_id}/events" => tasks::events::handle, Read;
    get "/v1/tasks/{task_id}/message" => tasks::message::handle, Read;
    post "/v1/tasks/{task_id}/retry" => tasks::retry::handle, Send;
    post "/v1/tasks/batch" => tasks::batch::handle, Send;
    post "/v1/tasks/bulk" => tasks::bulk::handle, Send;
    post "/v1/tasks/{task_id}/heartbeat" => callbacks::heartbeat::handle, Signed;
    post "/v1/tasks/{task_id}/complete" => callbacks::complete::handle, Signed;
    post "/v1/tasks/{task_id}/fail" => callbacks::fail::handle, Signed;
    post "/v1/notifications" => notifications::create::handle, Send;
    get "/v1/notifications" => notifications::list::handle, Read;
    post "/v1/notifications/batch" => notifications::batch::handle, Send;
    get "/v1/notifications/{task_id}" => notifications::get::handle, Read;
    get "/v1/batches/{batch_id}" => batches::get::handle, Read;
    post "/v1/batches/{batch_id}/cancel" => batches::cancel::handle, Send;
    get "/v1/operations/{operation_id}" => operations::get::handle, Read;
    post "/v1/operations/{operation_id}/resume" => operations::resume::handle, Send;
    get "/v1/schedules" => schedules::list::handle, ReadAll;
    put "/v1/schedules/{name}" => schedules::put::handle, Admin;
    get "/v1/schedules/{name}" => schedules::get::handle, ReadAll;
    delete "/v1/schedules/{name}" => schedules::delete::handle, Admin;
    post "/v1/schedules/{name}/pause" => schedules::hold::pause, Admin;
    post "/v1/schedules/{name}/resume" => schedules::hold::resume, Admin;
    post "/v1/schedules/{name}/run" => schedules::run::handle, Admin;
    get "/v1/templates" => templates::list::handle, ReadAll;
    post "/v1/templates/preview" => templates::preview::unsaved, Read;
    put "/v1/templates/{name}" => templates::put::handle, Admin;
    get "/v1/templates/{name}" => templates::get::handle, ReadAll;
    delete "/v1/templates/{name}" => templates::delete::handle, Admin;
    get "/v1/templates/{name}/versions" => templates::versions::handle, ReadAll;
    post "/v1/templates/{name}/preview" => templates::preview::stored, ReadAll;
    get "/v1/endpoints" => endpoints::list::handle, Read;
    post "/v1/endpoints" => endpoints::create::handle, SendAll;
    get "/v1/endpoints/{name}" => endpoints::get::handle, Read;
    patch "/v1/endpoints/{name}" => endpoints::update::handle, Send;
    delete "/v1/endpoints/{name}" => endpoints::delete::handle, Send;
    post "/v1/endpoints/{name}/rotate" => endpoints::rotate::handle, Send;
    post "/v1/endpoints/{name}/enable" => endpoints::enable::handle, Send;
    post "/v1/endpoints/{name}/test" => endpoints::test::handle, Send;
    get "/v1/endpoints/{name}/secret" => endpoints::secret::handle, Send;
    get "/v1/signing-secret" => signing::get::handle, Admin;
    post "/v1/signing-secret/rotate" => signing::rotate::handle, Admin;
    get "/v1/providers" => providers::list::handle, ReadAll;
    get "/v1/providers/{name}" => providers::get::handle, ReadAll;
    post "/v1/providers/{name}/pause" => providers::pause::handle, Admin;
    post "/v1/providers/{name}/resume" => providers::resume::handle, Admin;
    get "/v1/suppressions" => suppressions::list::handle, ReadAll;
    get "/v1/suppressions/{recipient}" => suppressions::get::handle, ReadAll;
    put "/v1/suppressions/{recipient}" => suppressions::put::handle, Admin;
    delete "/v1/suppressions/{recipient}" => suppressions::delete::handle, Admin;
    get "/v1/recipients/{recipient}" => recipients::get::handle, Read;
    delete "/v1/recipients/{recipient}" => recipients::erase::handle, Admin;
    get "/v1/sandbox/messages" => sandbox::list::handle, Read;
    delete "/v1/sandbox/messages" => sandbox::clear::handle, Admin;
    get "/v1/sandbox/faults" => sandbox::faults::get, ReadAll;
    put "/v1/sandbox/faults" => sandbox::faults::put, Admin;
    delete "/v1/sandbox/faults" => sandbox::faults::delete, Admin;
    get "/v1/stats" => stats::get::handle, ReadAll;
    post "/v1/attachments" => attachments::create::handle, Send;
    get "/v1/attachments/{attachment_id}" => attachments::get::handle, Read;
    delete "/v1/attachments/{attachment_id}" => attachments::delete::handle, Send;
    get "/unsubscribe/{token}" => unsubscribe::show, Open;
    post "/unsubscribe/{token}" => unsubscribe::act, Open;
    put "/v1/queues/{queue}/limits" => queues::limits::handle, Admin;
    put "/v1/queues/{queue}/lanes/{lane}/limits" => lanes::limits::handle, Admin;
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
    refuse_as(is_old_route(path), e)
}

/// An error in the shape of the old routes, or of all others.
pub(crate) fn refuse_as(old: bool, e: ApiError) -> Response {
    if old { Detail(e).into_response() } else { e.into_response() }
}
