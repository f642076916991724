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
use posthaste_api::{Api, Pages, routes};

routes! {
    fn table -> ACCESS;
    get "/" => pages::overview::page, Read;
    post "/send" => pages::send::submit, Send;
    get "/tasks/{id}" => pages::task::page, Read;
    post "/tasks/{id}/cancel" => pages::task::cancel, Send;
    post "/tasks/{id}/retry" => pages::task::retry, Send;
    get "/tasks/{id}/message" => pages::message::page, Read;
    get "/tasks/{id}/message/html" => pages::message::html, Read;
    get "/tasks/{id}/message/raw" => pages::message::raw, Read;
    get "/workers" => pages::workers::page, ReadAll;
    get "/fragments/overview" => pages::overview::fragment, Read;
    get "/fragments/tasks/{id}" => pages::task::fragment, Read;
    get "/fragments/workers" => pages::workers::fragment, ReadAll;
    get "/sign-in" => pages::sign_in::page, Open;
    post "/sign-in" => pages::sign_in::submit, Open;
    post "/sign-out" => pages::sign_in::out, Any;
    get "/assets/{file}" => assets::serve, Open;
    get "/favicon.ico" => assets::favicon, Open;
}

/// What the pages ask of their callers, and how they refuse them: for [`posthaste_api::guard_with`].
pub const PAGES: Pages = Pages { access: ACCESS, refuse: pages::refused };

/// The pages over `api`. Merge it with [`Api::router`] and wrap both in
/// [`posthaste_api::guard_with`] and [`PAGES`].
pub fn router(api: Api) -> Router {
    table().with_state(api)
}
