//! Lets a request in or not: who is it, may it do what its route does, and has it asked too often.
//!
//! Nearly always memory knows, and the answer comes at once; only a key that was not asked about
//! for a second makes the request wait for the store.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::ConnectInfo;
use axum::http::{HeaderMap, Method, header};

use super::access::Asked;
use super::caller::Caller;
use super::keyring::{Known, Look, Wanted};
use super::session::{self, Cookie, From};
use super::token::MAX_TOKEN;
use super::{Access, Via, address};
use crate::detail::is_old_route;
use crate::{Api, ApiError};

/// What the gate needs to know of a request.
#[derive(Clone)]
pub(crate) struct Entry {
    pub(crate) access: Access,
    pub(crate) ip: Option<IpAddr>,
    /// Whether the connection comes from this machine.
    local: bool,
    /// Whether it asks for an old route while those are open.
    open_old: bool,
    credential: Credential,
}

/// What the request shows.
#[derive(Clone)]
enum Credential {
    None,
    /// Something that cannot be a key of ours.
    Malformed,
    Key(Wanted),
    Session(Session),
}

/// A session cookie that counts for this request.
#[derive(Clone)]
struct Session {
    cookie: Cookie,
    /// Whether a script of ours has to show the session's token, and what it shows.
    proof: Proof,
}

#[derive(Clone)]
enum Proof {
    /// Nothing is changed, or the page looks at the form itself.
    NotNeeded,
    Shown(String),
    Missing,
}

/// What the gate says.
pub(crate) enum Verdict {
    /// Come in, or not.
    Now(Result<Caller, ApiError>),
    /// [`slowly`] has to be asked, with the key that was known before.
    Ask(Option<Arc<Known>>),
}

impl Entry {
    /// Reads the request; `asked` is what its route asks for.
    pub(crate) fn of(api: &Api, asked: Asked, head: &Head<'_>) -> Self {
        let peer = head.peer;
        let config = api.config();
        let credential = if config.auth_off { Credential::None } else { credential(head, asked) };
        Self {
            access: asked.access,
            ip: address::client(peer, head.headers, &config.trusted_proxies),
            local: peer.is_some_and(|p| p.ip().to_canonical().is_loopback()),
            open_old: config.open_notify && is_old_route(head.path),
            credential,
        }
    }
}

/// The parts of a request's head that are looked at.
pub(crate) struct Head<'a> {
    pub(crate) method: &'a Method,
    pub(crate) path: &'a str,
    pub(crate) from: From,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) peer: Option<SocketAddr>,
}

/// The other end of the connection, as [`crate::serve`] notes it.
pub(crate) fn peer(extensions: &axum::http::Extensions) -> Option<SocketAddr> {
    extensions.get::<ConnectInfo<SocketAddr>>().map(|c| c.0)
}

fn credential(head: &Head<'_>, asked: Asked) -> Credential {
    let mut given = head.headers.get_all(header::AUTHORIZATION).iter();
    let Some(value) = given.next() else { return session_of(head, asked) };
    let token = value.to_str().ok().and_then(|v| {
        let (scheme, token) = v.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
    });
    match token {
        Some(t) if given.next().is_none() && !t.is_empty() && t.len() <= MAX_TOKEN => {
            Credential::Key(Wanted::token(t))
        }
        _ => Credential::Malformed,
    }
}

fn session_of(head: &Head<'_>, asked: Asked) -> Credential {
    let counts = || session::cookie_counts(head.method, head.from, head.headers);
    let Some(cookie) = Cookie::of(head.headers).filter(|_| counts()) else { return Credential::None };
    let proof = if asked.page || head.method.is_safe() {
        Proof::NotNeeded
    } else {
        let shown = head.headers.get(session::CSRF_HEADER).and_then(|v| v.to_str().ok());
        shown.map_or(Proof::Missing, |s| Proof::Shown(s.to_owned()))
    };
    Credential::Session(Session { cookie, proof })
}

/// From memory, if it knows.
pub(crate) fn quickly(api: &Api, entry: &Entry) -> Verdict {
    let ring = api.keyring();
    let now_ms = ring.now_ms();
    if let Some(caller) = without_key(api, entry) {
        return Verdict::Now(Ok(caller));
    }
    match ring.exist(now_ms) {
        None => Verdict::Ask(None),
        Some(false) => Verdict::Now(keyless(entry)),
        Some(true) => match &entry.credential {
            Credential::None => Verdict::Now(Err(ask_for_key())),
            Credential::Malformed => Verdict::Now(Err(failed(api, entry.ip, "", now_ms))),
            Credential::Session(s) => match session::look(api, &s.cookie, now_ms) {
                session::Session::Over => Verdict::Now(Err(session_over())),
                session::Session::Ask(before) => Verdict::Ask(before),
                session::Session::Good(known, caller) => {
                    Verdict::Now(in_session(api, entry, s, &known, caller, now_ms))
                }
            },
            Credential::Key(wanted) => match ring.look(wanted, now_ms) {
                Look::Good(known) => Verdict::Now(with_key(api, entry, &known, now_ms)),
                Look::Ask(before) => Verdict::Ask(before),
            },
        },
    }
}

/// By the store.
pub(crate) async fn slowly(api: &Api, entry: &Entry, before: Option<Arc<Known>>) -> Result<Caller, ApiError> {
    let ring = api.keyring();
    if !ring.exist_now(api.store()).await? {
        return keyless(entry);
    }
    let wanted = match &entry.credential {
        Credential::None => return Err(ask_for_key()),
        Credential::Malformed => return Err(failed(api, entry.ip, "", ring.now_ms())),
        Credential::Session(s) => {
            let found = session::ask(api, &s.cookie, before).await?;
            let (known, caller) = found.ok_or_else(session_over)?;
            return in_session(api, entry, s, &known, caller, ring.now_ms());
        }
        Credential::Key(wanted) => wanted,
    };
    let before = match before {
        // This request was chosen to ask, so it does not look again.
        Some(known) => Some(known),
        None => match ring.look(wanted, ring.now_ms()) {
            Look::Good(known) => return with_key(api, entry, &known, ring.now_ms()),
            Look::Ask(before) => before,
        },
    };
    // Whoever guesses waits; a key that was good a moment ago is no guess.
    if before.is_none()
        && let Some(retry_after) = api.failures().blocked(entry.ip, ring.now_ms())
    {
        return Err(ApiError::RateLimited { retry_after });
    }
    match ring.ask(api.store(), wanted, before).await? {
        Some(known) => with_key(api, entry, &known, ring.now_ms()),
        None => Err(failed(api, entry.ip, wanted.shown_id(), ring.now_ms())),
    }
}

/// A caller whom no key is asked of, whatever keys there are.
fn without_key(api: &Api, entry: &Entry) -> Option<Caller> {
    if api.config().auth_off {
        return Some(Caller::everybody());
    }
    if !entry.access.needs_key() {
        return Some(Caller::nobody());
    }
    // Old clients know of no keys; one that is shown counts all the same, for its tenant.
    (entry.open_old && matches!(entry.credential, Credential::None)).then(Caller::open_notify)
}

/// While there are no keys: this machine may do everything, and nobody else anything.
fn keyless(entry: &Entry) -> Result<Caller, ApiError> {
    if entry.local {
        return Ok(Caller::local());
    }
    Err(ApiError::Unauthorized {
        why: "there are no API keys yet, and without one this machine alone is served: make one here with `posthaste keys create`, or set POSTHASTE_API_KEYS",
    })
}

fn with_key(api: &Api, entry: &Entry, known: &Arc<Known>, now_ms: u64) -> Result<Caller, ApiError> {
    admit(api, entry, known, Caller::with_key(known.who.clone(), Via::Key), now_ms)
}

fn in_session(
    api: &Api,
    entry: &Entry,
    session: &Session,
    known: &Arc<Known>,
    caller: Caller,
    now_ms: u64,
) -> Result<Caller, ApiError> {
    match &session.proof {
        Proof::NotNeeded => {}
        Proof::Shown(shown) => caller.check_form(Some(shown))?,
        Proof::Missing => caller.check_form(None)?,
    }
    admit(api, entry, known, caller, now_ms)
}

/// Whether this caller, whose key is good, may do this now.
fn admit(
    api: &Api,
    entry: &Entry,
    known: &Arc<Known>,
    caller: Caller,
    now_ms: u64,
) -> Result<Caller, ApiError> {
    known.take(now_ms).map_err(|retry_after| ApiError::RateLimited { retry_after })?;
    entry.access.check(&caller)?;
    if known.note_due(now_ms) {
        api.note_use(known, entry.ip);
    }
    Ok(caller)
}

fn ask_for_key() -> ApiError {
    ApiError::Unauthorized { why: "this needs an API key: send it as Authorization: Bearer ph_…" }
}

fn session_over() -> ApiError {
    ApiError::Unauthorized { why: "the session is over: sign in again" }
}

/// Whether a caller who was let in still would be: for what goes on for long.
pub(crate) async fn still_good(api: &Api, caller: &Caller) -> bool {
    let Some(id) = caller.key_id() else {
        // Nobody was asked for a key; if there are keys by now, somebody would be.
        let open = api.config().auth_off || caller.name() != Caller::local().name();
        return open || !matches!(api.keys_exist().await, Ok(true));
    };
    let (ring, wanted) = (api.keyring(), Wanted::Id(id.to_owned()));
    match ring.look(&wanted, ring.now_ms()) {
        Look::Good(_) => true,
        // While the store is away nothing is known that would end it.
        Look::Ask(before) => ring.ask(api.store(), &wanted, before).await.map_or(true, |k| k.is_some()),
    }
}

/// A credential that is not good; counted against its address.
pub(crate) fn failed(api: &Api, ip: Option<IpAddr>, shown_id: &str, now_ms: u64) -> ApiError {
    if let Some(retry_after) = api.failures().blocked(ip, now_ms) {
        return ApiError::RateLimited { retry_after };
    }
    api.failures().count(ip, now_ms);
    api.audit_refusal(ip, shown_id, now_ms);
    ApiError::Unauthorized { why: "the API key is not known, or has been revoked, or has expired" }
}
