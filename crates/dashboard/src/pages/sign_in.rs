//! `/sign-in`: a person shows a key once and gets a session; `/sign-out` ends it.

use axum::Form;
use axum::extract::rejection::FormRejection;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Redirect, Response};
use posthaste_api::{Api, ApiError, Caller};
use serde::{Deserialize, Serialize};

use crate::pages::{Carried, check, failed, foreign};
use crate::view::Chrome;
use crate::{origin, present, render};

/// Longest address to come back to.
const MAX_NEXT: usize = 1024;

#[derive(Serialize)]
pub(crate) struct SignInPage {
    pub(crate) chrome: Chrome,
    pub(crate) problem: Option<String>,
    /// Where to go then.
    pub(crate) next: String,
}

#[derive(Default, Deserialize)]
pub(crate) struct Params {
    #[serde(default)]
    next: String,
}

/// What the form holds. It does not print: the key is a secret.
#[derive(Default, Deserialize)]
pub(crate) struct Typed {
    #[serde(default)]
    key: String,
    #[serde(default)]
    next: String,
}

/// Sends a person to the form and back here afterwards.
pub(crate) fn ask(uri: &Uri) -> Response {
    let here = uri.path_and_query().map_or("/", |p| p.as_str());
    let next = percent_encoding::utf8_percent_encode(here, percent_encoding::NON_ALPHANUMERIC);
    let target = if here == "/" { "/sign-in".to_owned() } else { format!("/sign-in?next={next}") };
    no_store(Redirect::to(&target).into_response())
}

/// The form; without keys there is nothing to sign in to.
pub(crate) async fn page(State(api): State<Api>, Query(params): Query<Params>) -> Response {
    match api.keys_exist().await {
        Ok(exist) if !exist || api.config().auth_off => no_store(Redirect::to("/").into_response()),
        Ok(_) => show(&api, StatusCode::OK, None, &params.next),
        Err(e) => failed(&api, &e),
    }
}

/// Looks at the key, and goes where the person wanted to.
pub(crate) async fn submit(
    State(api): State<Api>,
    caller: Caller,
    headers: HeaderMap,
    typed: Result<Form<Typed>, FormRejection>,
) -> Response {
    if origin::is_foreign(&headers) {
        return foreign(&api);
    }
    let typed = typed.map(|Form(typed)| typed).unwrap_or_default();
    match api.sign_in(&caller, &typed.key).await {
        Ok(cookie) => {
            let mut response = no_store(Redirect::to(&own(&typed.next)).into_response());
            response.headers_mut().insert(header::SET_COOKIE, cookie);
            response
        }
        Err(e) => {
            let mut response = show(&api, e.status(), Some(words(&e)), &typed.next);
            e.put_headers(response.headers_mut());
            response
        }
    }
}

/// Ends the session.
pub(crate) async fn out(
    State(api): State<Api>,
    caller: Caller,
    headers: HeaderMap,
    form: Result<Form<Carried>, FormRejection>,
) -> Response {
    if let Err(refused) = check(&api, &caller, &headers, form) {
        return *refused;
    }
    let mut response = no_store(Redirect::to("/sign-in").into_response());
    response.headers_mut().insert(header::SET_COOKIE, api.sign_out());
    response
}

fn show(api: &Api, status: StatusCode, problem: Option<String>, next: &str) -> Response {
    let chrome = Chrome { nav: false, ..present::chrome(api.config(), "Sign in") };
    render::page(api, status, "sign_in.html", &SignInPage { chrome, problem, next: own(next) })
}

fn words(error: &ApiError) -> String {
    match error {
        ApiError::Unauthorized { .. } => {
            "This key is not known, or it has been revoked or has expired.".to_owned()
        }
        ApiError::ForbiddenScope { .. } => {
            "This key may not read, and the pages show what there is to read: use one with the scope read."
                .to_owned()
        }
        other => other.detail(),
    }
}

/// A path of ours to go to. Anything that a browser could take for another site is the overview.
fn own(next: &str) -> String {
    let plain = next.bytes().all(|b| b.is_ascii_graphic() && b != b'\\');
    let path = next.starts_with('/') && !next.starts_with("//") && !next.starts_with("/sign-");
    if plain && path && next.len() <= MAX_NEXT { next.to_owned() } else { "/".to_owned() }
}

fn no_store(mut response: Response) -> Response {
    let value = axum::http::HeaderValue::from_static("no-store");
    response.headers_mut().insert(header::CACHE_CONTROL, value);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_is_never_sent_to_another_site() {
        for good in ["/", "/tasks/0199?x=1", "/workers#a"] {
            assert_eq!(own(good), good);
        }
        for bad in [
            "",
            "//evil.example",
            "https://evil.example",
            "/\\evil.example",
            "/a\r\nb",
            "\t/x",
            "/sign-in",
            "x",
        ] {
            assert_eq!(own(bad), "/", "{bad}");
        }
    }
}
