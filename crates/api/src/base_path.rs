//! The path under which everything is served, where a proxy shares one host among several programs.
//!
//! Requests come in with it and links go out with it; everything between knows nothing of it. Only the signs of life are
//! served at the root, too, so that a load balancer needs to know nothing either.

use std::convert::Infallible;
use std::fmt;
use std::pin::Pin;
use std::str::FromStr;
use std::task::{Context, Poll};

use axum::Router;
use axum::extract::Request;
use axum::http::uri::PathAndQuery;
use axum::http::{HeaderValue, Uri, header};
use axum::response::Response;
use tower::Service;

/// Longest base path, in bytes.
const MAX_LEN: usize = 200;
/// What is served at the root, whatever the base path.
const PROBES: [&str; 2] = ["/healthz", "/readyz"];
/// Where nothing is: what lies outside the base path is answered as any address at which there is nothing.
const NOWHERE: &str = "/.outside";

/// A path such as `/posthaste`, without a slash at its end; the root is empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BasePath(String);

impl BasePath {
    /// The text to be put before a path of ours.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether everything is served at the root.
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// What a request's path is within; `None` for one that lies outside.
    fn within<'p>(&self, path: &'p str) -> Option<&'p str> {
        if PROBES.contains(&path) {
            return Some(path);
        }
        match path.strip_prefix(self.0.as_str())? {
            "" => Some("/"),
            rest => rest.starts_with('/').then_some(rest),
        }
    }

    fn inside(&self, uri: &Uri) -> Uri {
        let path = self.within(uri.path()).unwrap_or(NOWHERE);
        let query = uri.query().map(|q| format!("?{q}")).unwrap_or_default();
        let mut parts = uri.clone().into_parts();
        let rest = PathAndQuery::try_from(format!("{path}{query}"));
        parts.path_and_query = Some(rest.unwrap_or_else(|_| PathAndQuery::from_static(NOWHERE)));
        Uri::from_parts(parts).unwrap_or_else(|_| Uri::from_static(NOWHERE))
    }

    /// Puts it before where an answer sends its reader.
    fn put_on(&self, response: &mut Response) {
        let Some(to) = response.headers().get(header::LOCATION).and_then(|v| v.to_str().ok()) else { return };
        if to.starts_with('/') && !to.starts_with("//") {
            let to = HeaderValue::try_from(format!("{}{to}", self.0));
            response.headers_mut().insert(header::LOCATION, to.expect("both halves are header values"));
        }
    }
}

impl fmt::Display for BasePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for BasePath {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let path = text.strip_suffix('/').unwrap_or(text);
        if path.is_empty() {
            return Ok(Self::default());
        }
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_' | '~');
        let step = |s: &str| !s.is_empty() && s.chars().all(plain) && !s.chars().all(|c| c == '.');
        let steps = path.strip_prefix('/').is_some_and(|rest| rest.split('/').all(step));
        if !steps || path.len() > MAX_LEN {
            return Err(format!(
                "must be a path such as /posthaste, of letters, digits and -._~, at most {MAX_LEN} bytes long; not {text:?}"
            ));
        }
        match PROBES.iter().find(|p| path == **p) {
            Some(probe) => Err(format!("must not be {probe}, where load balancers look for signs of life")),
            None => Ok(Self(path.to_owned())),
        }
    }
}

/// Serves `router` under `base`.
pub(crate) fn under(base: BasePath, router: Router) -> Router {
    if base.is_root() { router } else { Router::new().fallback_service(Based { base, inner: router }) }
}

#[derive(Clone)]
struct Based {
    base: BasePath,
    inner: Router,
}

impl Service<Request> for Based {
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        <Router as Service<Request>>::poll_ready(&mut self.inner, cx)
    }

    fn call(&mut self, mut request: Request) -> Self::Future {
        *request.uri_mut() = self.base.inside(request.uri());
        let answer = self.inner.call(request);
        let base = self.base.clone();
        Box::pin(async move {
            let mut response = answer.await?;
            base.put_on(&mut response);
            Ok(response)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_path_is_plain_steps() {
        for (text, kept) in [("", ""), ("/", ""), ("/a", "/a"), ("/a/", "/a"), ("/a-b/c.d_~", "/a-b/c.d_~")] {
            assert_eq!(text.parse::<BasePath>().map(|b| b.0).as_deref(), Ok(kept), "{text}");
        }
        let long = format!("/{}", "a".repeat(MAX_LEN));
        for bad in [
            "a",
            "//",
            "//a",
            "/a//b",
            "/a?b",
            "/a b",
            "/..",
            "/a/..",
            "/%41",
            "/a#b",
            "/ä",
            "http://x/a",
            "/a\n",
            "/healthz",
            "/readyz/",
            &long,
        ] {
            assert!(bad.parse::<BasePath>().is_err(), "{bad}");
        }
    }

    #[test]
    fn what_is_within_is_seen_without_it_and_the_rest_not_at_all() {
        let base: BasePath = "/post/haste".parse().expect("a path");
        for (asked, seen) in [
            ("/post/haste", "/"),
            ("/post/haste/", "/"),
            ("/post/haste?a=1", "/?a=1"),
            ("/post/haste/v1/tasks?limit=1&x=%2F", "/v1/tasks?limit=1&x=%2F"),
            ("/post/haste//v1", "//v1"),
            ("/healthz", "/healthz"),
            ("/readyz?x", "/readyz?x"),
            ("/post/haste/healthz", "/healthz"),
            ("/", NOWHERE),
            ("/v1/tasks", NOWHERE),
            ("/post/hastey/v1", NOWHERE),
            ("/POST/haste/v1", NOWHERE),
            ("/healthz/x", NOWHERE),
            ("/post/%68aste/v1", NOWHERE),
        ] {
            assert_eq!(base.inside(&asked.parse().expect("a path")).to_string(), seen, "{asked}");
        }
        let absolute = "http://h.test/post/haste/v1".parse().expect("a URL");
        assert_eq!(base.inside(&absolute).to_string(), "http://h.test/v1");
    }
}
