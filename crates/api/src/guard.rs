//! Who may call and what a request may weigh: one layer around every route.
//!
//! Without API keys the server trusts whoever reaches it on loopback. A browser on the same machine
//! reaches it too, on behalf of any page it shows, so a foreign `Host` (a name that somebody else
//! resolves to loopback) and a foreign `Origin` are refused, except where old clients need it. Once
//! there are keys, every route that is not open asks for one (see [`crate::Access`]).

use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use axum::Router;
use axum::body::{Body, HttpBody};
use axum::extract::{MatchedPath, Request};
use axum::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use axum::http::{Method, StatusCode};
use axum::response::Response;
use pin_project_lite::pin_project;
use tower::{Layer, Service};

use crate::auth::access::{Asked, Table};
use crate::auth::gate::{self, Entry, Head, Verdict};
use crate::auth::session::From;
use crate::base_path;
use crate::config::{Cors, HostRule};
use crate::detail::is_old_route;
use posthaste_core::limits::{MAX_BATCH_BYTES, MAX_RESULT_BYTES};
use posthaste_notify::attachment::MAX_ATTACHMENT_BYTES;

use crate::input::body::{Bounded, MAX_BODY_BYTES};
use crate::metrics::RouteIndex;
use crate::panics::{Panicked, caught};
use crate::routes::{refuse, refuse_as};
use crate::traced::Traced;
use crate::{Access, Api, ApiError, Caller, Pages};

/// Names a request in the answer and in the log.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Where files are uploaded.
const UPLOADS: &str = "/v1/attachments";
/// Largest body of a route without a key, in bytes: a message of 2,000 characters, each written as two escapes, and a token.
const MAX_OPEN_BYTES: usize = 32 * 1024;
/// Largest body with a result, in bytes: programs that write ASCII alone need three times what is kept.
const MAX_COMPLETE_BYTES: usize = 3 * MAX_RESULT_BYTES + 4 * 1024;
/// Longest request id that is taken over from the caller.
const MAX_REQUEST_ID: usize = 128;
/// What pages may load, unless a page says so itself.
const PAGE_CSP: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
    font-src 'self'; connect-src 'self'; frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'self'";

/// [`guard_with`] without pages.
pub fn guard(router: Router, api: &Api) -> Router {
    const NONE: Pages =
        Pages { access: &[], refuse: |_, _, e| axum::response::IntoResponse::into_response(e) };
    guard_with(router, api, NONE)
}

/// Wraps `router`, merged from [`Api::router`] and the pages, in the rules: `Host` and `Origin`,
/// who may call, size and time of bodies, CORS of the three old routes, a request id, security
/// headers of pages, and the request counters; all of it under the base path of the settings.
pub fn guard_with(router: Router, api: &Api, pages: Pages) -> Router {
    let table = Arc::new(Table::new(crate::routes::ACCESS, pages.access));
    api.metrics().routes().name(table.routes());
    let guarded = router.layer(GuardLayer { rules: Rules { api: api.clone(), table, pages } });
    base_path::under(api.config().base_path.clone(), guarded)
}

/// What the guard goes by.
#[derive(Clone)]
struct Rules {
    api: Api,
    table: Arc<Table>,
    pages: Pages,
}

#[derive(Clone)]
struct GuardLayer {
    rules: Rules,
}

impl<S> Layer<S> for GuardLayer {
    type Service = Guard<S>;
    fn layer(&self, inner: S) -> Guard<S> {
        Guard { inner, rules: self.rules.clone() }
    }
}

#[derive(Clone)]
struct Guard<S> {
    inner: S,
    rules: Rules,
}

impl<S> Service<Request> for Guard<S>
where
    S: Service<Request, Response = Response> + Clone,
{
    type Response = Response;
    type Error = S::Error;
    type Future = GuardFuture<S>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> GuardFuture<S> {
        let api = &self.rules.api;
        let pattern = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
        let asked = self.rules.table.of(request.method(), pattern);
        let route = self.rules.table.route(pattern);
        let request_id = request_id(request.headers());
        let traced = Traced::begin(&api.config().tracer, &request, route, request_id.clone());
        let cors = cors(api, &request);
        let old = is_old_route(request.uri().path());
        let apology = Apology { page: asked.page.then_some(self.rules.pages), old };
        let mut finish = Finish { route, request_id, traced, cors, apology, api: api.clone() };
        let entered = finish.traced.scope.enter();
        let step = caught(|| self.first_step(request, asked, &finish.request_id));
        let step = step.unwrap_or_else(|Panicked| Step::Refused {
            response: Some(finish.apology.response(&finish.api)),
        });
        drop(entered);
        GuardFuture { step, finish }
    }
}

impl<S> Guard<S>
where
    S: Service<Request, Response = Response> + Clone,
{
    /// Lets the request in, refuses it, or asks the store who it is.
    fn first_step(&mut self, mut request: Request, asked: Asked, request_id: &HeaderValue) -> Step<S> {
        let api = &self.rules.api;
        if let Some(response) = judge(api, &request) {
            return Step::Refused { response: Some(response) };
        }
        let from = match request.headers().get(header::ORIGIN) {
            None => From::Unsaid,
            Some(origin) if is_own_origin(api, &request, origin) => From::Own,
            Some(_) => From::Foreign,
        };
        let head = Head {
            method: request.method(),
            path: request.uri().path(),
            from,
            headers: request.headers(),
            peer: gate::peer(request.extensions()),
        };
        let entry = Entry::of(api, asked, &head);
        match gate::quickly(api, &entry) {
            Verdict::Now(Ok(caller)) => {
                let caller = Caller { ip: entry.ip, request_id: Some(request_id.clone()), ..caller };
                request.extensions_mut().insert(caller);
                Step::Inner { future: self.inner.call(bound(request, asked.access)) }
            }
            Verdict::Now(Err(e)) => {
                Step::Refused { response: Some(refuse_entry(&self.rules, asked, request, e)) }
            }
            Verdict::Ask(before) => {
                let api = api.clone();
                let asking = async move { (gate::slowly(&api, &entry, before).await, entry.ip) };
                Step::Asking {
                    asking: Box::pin(asking),
                    asked,
                    rest: Some((self.inner.clone(), self.rules.clone(), request)),
                }
            }
        }
    }
}

/// How a request is told that it goes no further: a page for people, a problem for programs.
fn refuse_entry(rules: &Rules, asked: Asked, request: Request, e: ApiError) -> Response {
    if asked.page {
        let (parts, _) = request.into_parts();
        return (rules.pages.refuse)(&rules.api, &parts, e);
    }
    refuse(request.uri().path(), e)
}

type Asking = Pin<Box<dyn Future<Output = (Result<Caller, ApiError>, Option<IpAddr>)> + Send>>;

pin_project! {
    #[project = StepProjection]
    enum Step<S>
    where
        S: Service<Request>,
    {
        /// The guard answers itself.
        Refused { response: Option<Response> },
        /// The store is asked who it is.
        Asking { asking: Asking, asked: Asked, rest: Option<(S, Rules, Request)> },
        /// The route answers.
        Inner { #[pin] future: S::Future },
    }
}

pin_project! {
    /// The answer of the route or of the guard, on its way out.
    struct GuardFuture<S>
    where
        S: Service<Request>,
    {
        #[pin]
        step: Step<S>,
        finish: Finish,
    }
}

impl<S> Future for GuardFuture<S>
where
    S: Service<Request, Response = Response>,
{
    type Output = Result<Response, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let entered = this.finish.traced.scope.enter();
        loop {
            let response = match this.step.as_mut().project() {
                StepProjection::Refused { response } => match response.take() {
                    Some(response) => response,
                    None => return Poll::Pending,
                },
                StepProjection::Inner { future } => match caught(|| future.poll(cx)) {
                    Ok(polled) => ready!(polled)?,
                    Err(Panicked) => {
                        // What the handler leaves behind is its code, too.
                        let _ = caught(|| this.step.set(Step::Refused { response: None }));
                        this.finish.apology.response(&this.finish.api)
                    }
                },
                StepProjection::Asking { asking, asked, rest } => {
                    let polled = caught(|| asking.as_mut().poll(cx));
                    let Ok(polled) = polled else {
                        this.step.set(Step::Refused { response: None });
                        drop(entered);
                        let response = this.finish.apology.response(&this.finish.api);
                        return Poll::Ready(Ok(this.finish.put_on(response)));
                    };
                    let (verdict, ip) = ready!(polled);
                    let (Some((mut inner, rules, mut request)), asked) = (rest.take(), *asked) else {
                        return Poll::Pending;
                    };
                    let next = match verdict {
                        Ok(caller) => {
                            let request_id = Some(this.finish.request_id.clone());
                            request.extensions_mut().insert(Caller { ip, request_id, ..caller });
                            // A router is always ready; it was polled before this call, too.
                            Step::Inner { future: inner.call(bound(request, asked.access)) }
                        }
                        Err(e) => Step::Refused { response: Some(refuse_entry(&rules, asked, request, e)) },
                    };
                    this.step.set(next);
                    continue;
                }
            };
            drop(entered);
            return Poll::Ready(Ok(this.finish.put_on(response)));
        }
    }
}

/// What is put on every answer.
struct Finish {
    api: Api,
    route: RouteIndex,
    request_id: HeaderValue,
    traced: Traced,
    cors: Option<HeaderValue>,
    apology: Apology,
}

/// How a caller is told that the server made a mistake.
struct Apology {
    /// Of a page: who tells people.
    page: Option<Pages>,
    /// Whether it is one of the old routes.
    old: bool,
}

impl Apology {
    fn response(&self, api: &Api) -> Response {
        let Some(pages) = self.page else { return refuse_as(self.old, ApiError::Internal) };
        let (parts, _) = Request::new(Body::empty()).into_parts();
        // What panicked may have been what makes pages.
        caught(|| (pages.refuse)(api, &parts, ApiError::Internal))
            .unwrap_or_else(|Panicked| refuse_as(self.old, ApiError::Internal))
    }
}

impl Finish {
    fn put_on(&mut self, mut response: Response) -> Response {
        let status = response.status().as_u16();
        let took = self.traced.end(status);
        self.api.metrics().routes().answered(self.route, status, took);
        let headers = response.headers_mut();
        headers.insert(REQUEST_ID, self.request_id.clone());
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        if let Some(origin) = self.cors.take() {
            if origin != "*" {
                headers.append(header::VARY, HeaderValue::from_static("Origin"));
            }
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        }
        if is_page(headers) {
            let defaults = [
                (header::CONTENT_SECURITY_POLICY, PAGE_CSP),
                // Not `no-referrer`: with it a browser sends `Origin: null` from our own forms.
                (header::REFERRER_POLICY, "same-origin"),
            ];
            for (name, value) in defaults {
                headers.entry(name).or_insert(HeaderValue::from_static(value));
            }
        }
        response
    }
}

fn is_page(headers: &HeaderMap) -> bool {
    headers.get(header::CONTENT_TYPE).is_some_and(|t| t.as_bytes().starts_with(b"text/html"))
}

/// The guard's own answer, if the request goes no further.
fn judge(api: &Api, request: &Request) -> Option<Response> {
    let path = request.uri().path();
    if let Err(e) = check_host(api, request) {
        return Some(refuse(path, e));
    }
    if let Some(origin) = request.headers().get(header::ORIGIN) {
        let foreign = !is_own_origin(api, request, origin);
        if foreign && let Err(e) = check_foreign_origin(api, request, origin) {
            return Some(refuse(path, e));
        }
        if request.method() == Method::OPTIONS && is_old_route(path) {
            return Some(preflight(request.headers()));
        }
    }
    let length = request.headers().get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse().ok());
    // What is a little too large is read and answered politely; this is not worth reading.
    if length.is_some_and(|n: u64| n > 16 * MAX_BODY_BYTES as u64) {
        return Some(refuse(path, ApiError::TooLarge { limit: MAX_BODY_BYTES }));
    }
    None
}

fn bound(request: Request, access: Access) -> Request {
    if request.body().is_end_stream() {
        return request;
    }
    let most = most_bytes(request.extensions().get::<MatchedPath>().map(MatchedPath::as_str), access);
    request.map(|b| Body::new(Bounded::up_to(b, most)))
}

/// Largest body of a route. Whoever shows no key sends no more than the route's form needs.
fn most_bytes(pattern: Option<&str>, access: Access) -> usize {
    match pattern {
        // Files may be larger than what is taken apart.
        Some(UPLOADS) => MAX_ATTACHMENT_BYTES,
        Some("/v1/tasks/batch" | "/v1/notifications/batch") => MAX_BATCH_BYTES,
        Some("/v1/tasks/{task_id}/complete") => MAX_COMPLETE_BYTES,
        _ if access.needs_key() => MAX_BODY_BYTES,
        _ => MAX_OPEN_BYTES,
    }
}

fn check_host(api: &Api, request: &Request) -> Result<(), ApiError> {
    let HostRule::LoopbackOnly { public_host } = &api.config().allowed_hosts else { return Ok(()) };
    let mut hosts = request.headers().get_all(header::HOST).iter();
    let (host, second) = (hosts.next(), hosts.next());
    // A proxy's absolute form names the host in the request line instead.
    let in_line = request.uri().authority().map(axum::http::uri::Authority::as_str);
    let allowed = |h: &str| is_allowed_host(h, public_host.as_deref());
    let ok = second.is_none()
        && in_line.is_none_or(allowed)
        // Only HTTP/1.0, which no browser speaks, may leave it out.
        && host.map_or(in_line.is_some() || request.version() == axum::http::Version::HTTP_10, |h| {
            h.to_str().is_ok_and(allowed)
        });
    if ok {
        return Ok(());
    }
    let shown = host.map(|h| String::from_utf8_lossy(h.as_bytes()).chars().take(100).collect());
    Err(ApiError::ForbiddenHost { host: shown.unwrap_or_default() })
}

fn is_allowed_host(host_and_port: &str, public: Option<&str>) -> bool {
    let host = without_port(host_and_port);
    host.eq_ignore_ascii_case("localhost")
        || host == "127.0.0.1"
        || host == "[::1]"
        || public.is_some_and(|p| host.eq_ignore_ascii_case(p))
}

/// `host` of `host` or `host:port`; a port that is no number is left on, so that nothing matches.
fn without_port(text: &str) -> &str {
    match text.rsplit_once(':') {
        Some((host, port)) if !text.ends_with(']') && port.bytes().all(|b| b.is_ascii_digit()) => host,
        _ => text,
    }
}

/// Whether the request comes from a page of this server.
fn is_own_origin(api: &Api, request: &Request, origin: &HeaderValue) -> bool {
    let Ok(origin) = origin.to_str() else { return false };
    let Some((scheme, authority)) = origin.split_once("://") else { return false };
    let plain = |a: &str| match scheme {
        "http" => a.strip_suffix(":80").unwrap_or(a).to_ascii_lowercase(),
        "https" => a.strip_suffix(":443").unwrap_or(a).to_ascii_lowercase(),
        _ => String::from("?"),
    };
    let host = request.headers().get(header::HOST).and_then(|h| h.to_str().ok());
    if host.is_some_and(|h| plain(h) == plain(authority)) && matches!(scheme, "http" | "https") {
        return true;
    }
    // Behind a proxy that writes another Host, the configured public address is ours too.
    matches!(&api.config().allowed_hosts, HostRule::LoopbackOnly { public_host: Some(p) }
        if matches!(scheme, "http" | "https") && without_port(authority).eq_ignore_ascii_case(p))
}

fn check_foreign_origin(api: &Api, request: &Request, origin: &HeaderValue) -> Result<(), ApiError> {
    let config = api.config();
    let refused = |why| Err(ApiError::ForbiddenOrigin { why });
    let path = request.uri().path();
    // A signed link is the authority itself: a mail program may follow it from a page of its own (RFC 8058).
    if path.starts_with("/unsubscribe/") {
        return Ok(());
    }
    if !is_old_route(path) {
        return refused("pages of other origins may call /notify, /task_status and /health only");
    }
    if let Cors::List(list) = &config.cors_origins
        && !list.iter().any(|o| o.as_bytes() == origin.as_bytes())
    {
        return refused("this origin is not in POSTHASTE_CORS_ORIGINS");
    }
    let sends = request.method() == Method::POST && matches!(path, "/notify" | "/notify/");
    // Once there are keys, the page has to have one, and that decides.
    let keys = api.keyring().exist(api.keyring().now_ms()) == Some(true) && !config.auth_off;
    if sends && config.provider_configured && !config.open_notify && !keys {
        return refused(
            "a provider is configured, so pages of other origins may not send; POSTHASTE_OPEN_NOTIFY=true allows it",
        );
    }
    Ok(())
}

/// What `Access-Control-Allow-Origin` says, on the old routes only.
fn cors(api: &Api, request: &Request) -> Option<HeaderValue> {
    let origin = request.headers().get(header::ORIGIN)?;
    if !is_old_route(request.uri().path()) {
        return None;
    }
    match &api.config().cors_origins {
        Cors::Any => Some(HeaderValue::from_static("*")),
        Cors::List(list) => list.iter().any(|o| o.as_bytes() == origin.as_bytes()).then(|| origin.clone()),
    }
}

/// The answer to a browser that asks before it sends (the Fetch standard, CORS-preflight).
fn preflight(asked: &HeaderMap) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST, OPTIONS"));
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
    let wanted = asked.get(header::ACCESS_CONTROL_REQUEST_HEADERS).cloned();
    let allowed = wanted.unwrap_or(HeaderValue::from_static("content-type"));
    headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, allowed);
    response
}

/// The caller's id of the request, or one of ours: a prefix of this process and a number.
fn request_id(headers: &HeaderMap) -> HeaderValue {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    static PREFIX: std::sync::LazyLock<u32> = std::sync::LazyLock::new(process_prefix);
    if let Some(given) = headers.get(&REQUEST_ID)
        && given.len() <= MAX_REQUEST_ID
        && !given.is_empty()
        && given.as_bytes().iter().all(u8::is_ascii_graphic)
    {
        return given.clone();
    }
    let mut text = [0u8; 20];
    write_hex(&mut text[..8], u64::from(*PREFIX));
    write_hex(&mut text[8..], NEXT.fetch_add(1, Ordering::Relaxed));
    HeaderValue::from_bytes(&text).expect("hexadecimal digits are a header value")
}

/// A number that differs between processes: no secret, only for telling their logs apart.
fn process_prefix() -> u32 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let seed = since.as_nanos() as u64 ^ u64::from(std::process::id()).rotate_left(32);
    // A multiplicative hash spreads time and process id over all bits.
    (seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32) as u32
}

fn write_hex(out: &mut [u8], mut n: u64) {
    for digit in out.iter_mut().rev() {
        *digit = b"0123456789abcdef"[(n & 15) as usize];
        n >>= 4;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_and_the_public_host_are_served() {
        let public = Some("post.example.com");
        for good in [
            "127.0.0.1",
            "127.0.0.1:8000",
            "localhost:1",
            "LOCALHOST",
            "[::1]",
            "[::1]:8000",
            "post.example.com:443",
        ] {
            assert!(is_allowed_host(good, public), "{good}");
        }
        for bad in [
            "",
            "evil.com",
            "evil.com:8000",
            "127.0.0.1.evil.com",
            "localhost.evil.com",
            "::1",
            "[::1",
            "127.0.0.1:x",
            "localhost:",
            ":8000",
        ] {
            assert_eq!(is_allowed_host(bad, public), bad == "localhost:", "{bad}");
        }
        assert!(!is_allowed_host("post.example.com", None));
    }
}
