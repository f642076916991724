//! The OpenAPI document, put together from the operations' own descriptions.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use utoipa::OpenApi;
use utoipa::openapi::path::Operation;
use utoipa::openapi::schema::ArrayItems;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{Ref, RefOr, Schema};

use crate::routes::ACCESS;
use crate::routes::{
    attachments, audit, batches, callbacks, endpoints, events, health, keys, lanes, meta, notifications,
    notify, operations, providers, queues, recipients, sandbox, schedules, signing, stats, suppressions,
    task_status, tasks, templates, whoami, workers,
};

/// What the description calls the key.
const SCHEME: &str = "api_key";

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
        notifications::create::handle,
        notifications::batch::handle,
        notifications::list::handle,
        notifications::get::handle,
        tasks::batch::handle,
        tasks::bulk::handle,
        callbacks::heartbeat::handle,
        callbacks::complete::handle,
        callbacks::fail::handle,
        batches::get::handle,
        batches::cancel::handle,
        operations::get::handle,
        operations::resume::handle,
        schedules::list::handle,
        schedules::put::handle,
        schedules::get::handle,
        schedules::delete::handle,
        schedules::hold::pause,
        schedules::hold::resume,
        schedules::run::handle,
        templates::list::handle,
        templates::put::handle,
        templates::get::handle,
        templates::delete::handle,
        templates::versions::handle,
        templates::preview::unsaved,
        templates::preview::stored,
        endpoints::list::handle,
        endpoints::create::handle,
        endpoints::get::handle,
        endpoints::update::handle,
        endpoints::delete::handle,
        endpoints::rotate::handle,
        endpoints::enable::handle,
        endpoints::test::handle,
        endpoints::secret::handle,
        signing::get::handle,
        signing::rotate::handle,
        providers::list::handle,
        providers::get::handle,
        providers::pause::handle,
        providers::resume::handle,
        suppressions::list::handle,
        suppressions::get::handle,
        suppressions::put::handle,
        suppressions::delete::handle,
        recipients::get::handle,
        recipients::erase::handle,
        sandbox::list::handle,
        sandbox::clear::handle,
        sandbox::faults::get,
        sandbox::faults::put,
        sandbox::faults::delete,
        stats::get::handle,
        attachments::create::handle,
        attachments::get::handle,
        attachments::delete::handle,
        queues::limits::handle,
        lanes::limits::handle,
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
        whoami::get::handle,
        keys::create::handle,
        keys::list::handle,
        keys::get::handle,
        keys::revoke::handle,
        audit::list::handle,
        meta::metrics::handle,
        meta::healthz::handle,
        meta::readyz::handle,
        meta::openapi::handle,
    ),
    components(schemas(crate::schema::Event)),
    tags(
        (name = "notify", description = "The wire that existing clients speak."),
        (name = "notifications", description = "Messages to people and programs, over any channel."),
        (name = "batches", description = "What was sent together."),
        (name = "operations", description = "Bulk actions, to be resumed until they are done."),
        (name = "schedules", description = "Tasks that are enqueued by the clock."),
        (name = "templates", description = "What messages are made from."),
        (name = "attachments", description = "Files that go with e-mails."),
        (name = "endpoints", description = "Where customers want to be called."),
        (name = "signing", description = "The secret that signs the calls of this installation."),
        (name = "providers", description = "The services that messages are sent through."),
        (name = "recipients", description = "What was sent to somebody."),
        (name = "suppressions", description = "Recipients that are not written to."),
        (name = "sandbox", description = "Messages that were held, and faults on order."),
        (name = "stats", description = "What happened, in steps of time."),
        (name = "tasks", description = "Tasks of any kind."),
        (name = "events", description = "Changes as they happen."),
        (name = "queues", description = "Queues and their lanes."),
        (name = "workers", description = "The processes that run tasks."),
        (name = "keys", description = "API keys, who is asking, and who did what."),
        (name = "server", description = "The server itself."),
    )
)]
struct Document;

/// The document that `/openapi.json` serves. What each operation asks of its caller comes from the
/// table of routes.
pub fn openapi() -> utoipa::openapi::OpenApi {
    let mut document = Document::openapi();
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("ph_…").description(Some(
        "An API key. None is needed as long as there are none, and the server is asked on its own machine.",
    ));
    let components = document.components.get_or_insert_default();
    components.add_security_scheme(SCHEME, SecurityScheme::Http(bearer.build()));
    name_items(&mut components.schemas);
    let schemas = serde_json::to_value(&components.schemas).unwrap_or_default();
    for row in ACCESS {
        let Some(path) = document.paths.paths.get_mut(row.path) else { continue };
        let operation = match row.method {
            "get" => &mut path.get,
            "post" => &mut path.post,
            "put" => &mut path.put,
            "patch" => &mut path.patch,
            _ => &mut path.delete,
        };
        let Some(operation) = operation else { continue };
        if row.access.needs_key() {
            let scope = row.access.scope().map(|s| s.as_str());
            operation.security = Some(vec![SecurityRequirement::new(SCHEME, scope)]);
        } else {
            operation.security = Some(vec![]);
        }
        show_lists(operation, &schemas);
    }
    document
}

/// Has each list name the type of its items instead of repeating it, so that generated clients have one class for both.
fn name_items(schemas: &mut BTreeMap<String, RefOr<Schema>>) {
    let named = schemas.clone();
    for schema in schemas.values_mut() {
        let RefOr::T(Schema::Object(list)) = schema else { continue };
        let Some(RefOr::T(Schema::Array(data))) = list.properties.get_mut("data") else { continue };
        let ArrayItems::RefOrSchema(items) = &mut data.items else { continue };
        if let Some((name, _)) = named.iter().find(|(_, schema)| *schema == &**items) {
            **items = RefOr::Ref(Ref::from_schema_name(name));
        }
    }
}

/// Gives each answer that is a list the example of its items: a list is one type for all of them, and has none.
fn show_lists(operation: &mut Operation, schemas: &Value) {
    for response in operation.responses.responses.values_mut() {
        let RefOr::T(response) = response else { continue };
        for content in response.content.values_mut() {
            let RefOr::T(content) = content else { continue };
            let item = match &content.schema {
                Some(RefOr::Ref(list)) => item_example(schemas, &list.ref_location),
                Some(RefOr::T(_)) | None => None,
            };
            if content.example.is_none() {
                content.example = item.map(|item| json!({ "data": [item] }));
            }
        }
    }
}

/// The example of what the list `name` holds, if it is a list without an example of its own.
fn item_example<'a>(schemas: &'a Value, name: &str) -> Option<&'a Value> {
    let of = |place: &str| schemas.get(place.rsplit('/').next()?);
    let list = of(name).filter(|s| s.get("example").is_none())?;
    let item = list.pointer("/properties/data/items")?;
    match item.get("$ref").and_then(Value::as_str) {
        Some(place) => of(place)?.get("example"),
        None => item.get("example"),
    }
}
