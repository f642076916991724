//! The template engine: templates compiled in, HTML escaped, an unknown name is an error.

use std::sync::LazyLock;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use minijinja::value::Serde;
use minijinja::{Environment, UndefinedBehavior};
use posthaste_api::{Api, BasePath};
use serde::Serialize;

/// Instructions that one page may take: a page of 200 rows takes about a tenth of it.
const FUEL: u64 = 1_000_000;

/// Nothing but our own files and streams; no inline script or style; not in anybody's frame.
const PAGE_CSP: &str = "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
     connect-src 'self'; frame-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// For what somebody else wrote: no script, nothing fetched, an origin of its own; only our pages
/// may frame it.
const PAPER_CSP: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; \
     form-action 'none'; frame-ancestors 'self'; sandbox";

const SOURCES: &[(&str, &str)] = &[
    ("base.html", include_str!("../templates/base.html")),
    ("_badge.html", include_str!("../templates/_badge.html")),
    ("_when.html", include_str!("../templates/_when.html")),
    ("_overview.html", include_str!("../templates/_overview.html")),
    ("_status.html", include_str!("../templates/_status.html")),
    ("_card.html", include_str!("../templates/_card.html")),
    ("_task.html", include_str!("../templates/_task.html")),
    ("_workers.html", include_str!("../templates/_workers.html")),
    ("index.html", include_str!("../templates/index.html")),
    ("task.html", include_str!("../templates/task.html")),
    ("message.html", include_str!("../templates/message.html")),
    ("workers.html", include_str!("../templates/workers.html")),
    ("sign_in.html", include_str!("../templates/sign_in.html")),
    ("problem.html", include_str!("../templates/problem.html")),
];

static TEMPLATES: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut env = Environment::new();
    env.set_undefined_behavior(UndefinedBehavior::Strict);
    env.set_fuel(Some(FUEL));
    // The base path, before each of our own addresses.
    env.add_global("base", "");
    for (name, source) in SOURCES {
        env.add_template(name, source).expect("the templates are part of the program (tested)");
    }
    env
});

/// The text of a template with its context.
pub(crate) fn text<C: Serialize>(template: &str, context: &C) -> Result<String, minijinja::Error> {
    TEMPLATES.get_template(template)?.render(Serde(context))
}

/// The text of a template whose addresses lie under a base path.
fn text_under<C: Serialize>(
    base: &BasePath,
    template: &str,
    context: &C,
) -> Result<String, minijinja::Error> {
    if base.is_root() {
        return text(template, context);
    }
    let context = minijinja::context! { base => base.as_str(), ..minijinja::Value::from(Serde(context)) };
    TEMPLATES.get_template(template)?.render(context)
}

/// A page or fragment under the strict policy.
pub(crate) fn page<C: Serialize>(api: &Api, status: StatusCode, template: &str, context: &C) -> Response {
    match text_under(&api.config().base_path, template, context) {
        Ok(html) => html_response(status, html, PAGE_CSP),
        Err(e) => {
            tracing::error!(template, error = %e, "a page could not be rendered");
            (StatusCode::INTERNAL_SERVER_ERROR, "The page could not be made; the log says more.")
                .into_response()
        }
    }
}

/// HTML that somebody else wrote, for a sandboxed frame.
pub(crate) fn paper(html: String) -> Response {
    html_response(StatusCode::OK, html, PAPER_CSP)
}

/// Somebody else's text as it is.
pub(crate) fn plain(text: String) -> Response {
    let mut response = html_response(StatusCode::OK, text, PAPER_CSP);
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

fn html_response(status: StatusCode, body: String, csp: &'static str) -> Response {
    let mut response = (status, body).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(csp));
    // Pages show addresses: they stay out of every cache.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if status == StatusCode::SERVICE_UNAVAILABLE {
        headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response
}
