//! The OpenAPI document, put together from the operations' own descriptions.

use utoipa::OpenApi;

use crate::routes::{events, health, lanes, meta, notify, queues, task_status, tasks, workers};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Posthaste",
        description = "Accepts notifications and other background tasks, keeps them in a durable queue, runs them with \
            retries, and says what became of each.\n\n`/notify/`, `/task_status/{task_id}` and `/health` are the wire that \
            existing clients speak: they ignore unknown fields and answer errors as `{\"detail\": …}`. Everything under \
            `/v1` is strict and answers problem+json (RFC 9457) with a closed list of types. Fields without a value are \
            left out; times are RFC 3339 in UTC.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0"),
    ),
    paths(
        notify::post::handle,
        task_status::get::handle,
        health::get::handle,
        tasks::create::handle,
        tasks::list::handle,
        tasks::get::handle,
        tasks::attempts::handle,
        tasks::cancel::handle,
        tasks::retry::handle,
        tasks::events::handle,
        tasks::message::handle,
        events::stream::handle,
        queues::list::handle,
        queues::pause::handle,
        queues::resume::handle,
        lanes::list::handle,
        lanes::pause::handle,
        lanes::resume::handle,
        workers::list::handle,
        meta::metrics::handle,
        meta::healthz::handle,
        meta::readyz::handle,
        meta::openapi::handle,
    ),
    components(schemas(crate::schema::Event)),
    tags(
        (name = "notify", description = "The wire that existing clients speak."),
        (name = "tasks", description = "Tasks of any kind."),
        (name = "events", description = "Changes as they happen."),
        (name = "queues", description = "Queues and their lanes."),
        (name = "workers", description = "The processes that run tasks."),
        (name = "server", description = "The server itself."),
    )
)]
struct Document;

/// The document that `/openapi.json` serves.
pub fn openapi() -> utoipa::openapi::OpenApi {
    Document::openapi()
}
