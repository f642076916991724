//! Where recipients unsubscribe (RFC 8058): a POST acts, a GET shows a button, because programs that scan mail follow
//! links.

use axum::extract::{Path, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use posthaste_notify::signing::{AT_ONCE, FRESH};
use posthaste_notify::unsubscribe;

use crate::auth::now;
use crate::{Api, ApiError};

/// `GET /unsubscribe/{token}`: asks.
pub(crate) async fn show(State(api): State<Api>, Path(token): Path<String>) -> Response {
    match read(&api, &token).await {
        Ok(Some(request)) => page(
            StatusCode::OK,
            "Unsubscribe",
            &format!(
                "Do you no longer want to receive messages of the kind <b>{}</b>?",
                escape(&request.category)
            ),
            true,
        ),
        Ok(None) => unknown(),
        Err(_) => away(),
    }
}

/// `POST /unsubscribe/{token}`: acts, whether a mail program posts or a person presses the button.
pub(crate) async fn act(State(api): State<Api>, Path(token): Path<String>) -> Response {
    let request = match read(&api, &token).await {
        Ok(Some(request)) => request,
        Ok(None) => return unknown(),
        Err(_) => return away(),
    };
    match unsubscribe::apply(api.store().as_ref(), &request, now()).await {
        Ok(()) => page(
            StatusCode::OK,
            "You are unsubscribed",
            &format!(
                "You will not receive messages of the kind <b>{}</b> any more.",
                escape(&request.category)
            ),
            false,
        ),
        Err(_) => away(),
    }
}

async fn read(api: &Api, token: &str) -> Result<Option<unsubscribe::Request>, ApiError> {
    let signing = api.signing();
    let known = unsubscribe::open(&signing.of_links(now(), FRESH).await?, token);
    if known.is_some() {
        return Ok(known);
    }
    // It may be signed by a secret that was made since: another process has rotated it.
    Ok(unsubscribe::open(&signing.of_links(now(), AT_ONCE).await?, token))
}

fn unknown() -> Response {
    let text = "This link is not one of ours, or not whole: please copy all of it.";
    page(StatusCode::NOT_FOUND, "Unknown link", text, false)
}

fn away() -> Response {
    let text = "Nothing was changed just now. Please try again in a minute.";
    page(StatusCode::SERVICE_UNAVAILABLE, "Please try again", text, false)
}

/// A page that needs nothing else: no script, no style of another origin. `text` is HTML.
fn page(status: StatusCode, title: &str, text: &str, button: bool) -> Response {
    let form = if button { "<form method=\"post\"><button>Unsubscribe</button></form>" } else { "" };
    let html = format!(
        "<!DOCTYPE html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width, initial-scale=1\"><meta name=\"robots\" content=\"noindex\"><title>{title}</title><style>\
         :root{{color-scheme:light dark}}body{{font:16px/1.5 system-ui,sans-serif;max-width:32rem;margin:15vh auto;padding:0 1.5rem}}\
         button{{font:inherit;padding:.6rem 1.2rem;border-radius:.5rem;border:1px solid;cursor:pointer}}</style></head>\
         <body><h1>{title}</h1><p>{text}</p>{form}</body></html>"
    );
    let csp = "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
        (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(csp)),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        // Not `no-referrer`: with it a browser says `Origin: null` when the button is pressed.
        (header::REFERRER_POLICY, HeaderValue::from_static("same-origin")),
    ];
    (status, headers, html).into_response()
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
