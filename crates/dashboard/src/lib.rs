//! The pages: rendered on the server, working without a script, made live by a small one.
//!
//! They own no rule: everything they show and do goes through [`posthaste_api::Api`]. A page is a
//! handler under `pages`, which asks the API; `present`, which turns the answer into words; a
//! template, which only arranges them.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test fails by panicking"))]

mod assets;
mod origin;
mod pages;
mod present;
mod render;
#[cfg(test)]
mod samples;
mod view;
mod words;

use axum::Router;
use axum::routing::{get, post};
use posthaste_api::Api;

/// The pages over `api`. Merge it with [`Api::router`] and wrap both in [`posthaste_api::guard`].
pub fn router(api: Api) -> Router {
    Router::new()
        .route("/", get(pages::overview::page))
        .route("/send", post(pages::send::submit))
        .route("/tasks/{id}", get(pages::task::page))
        .route("/tasks/{id}/cancel", post(pages::task::cancel))
        .route("/tasks/{id}/retry", post(pages::task::retry))
        .route("/tasks/{id}/message", get(pages::message::page))
        .route("/tasks/{id}/message/html", get(pages::message::html))
        .route("/tasks/{id}/message/raw", get(pages::message::raw))
        .route("/workers", get(pages::workers::page))
        .route("/fragments/overview", get(pages::overview::fragment))
        .route("/fragments/tasks/{id}", get(pages::task::fragment))
        .route("/fragments/workers", get(pages::workers::fragment))
        .route("/assets/{file}", get(assets::serve))
        .route("/favicon.ico", get(assets::favicon))
        .with_state(api)
}
