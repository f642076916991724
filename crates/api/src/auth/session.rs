//! Sessions of the pages: a person signs in with a key once, and a signed cookie stands for it.
//!
//! The cookie holds the key's id, an end and a signature, and no secret: any process of the
//! installation can check it, none has to remember it, and it ends with the key. What a page's form
//! must carry besides (against forged requests) is derived from it.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::http::{HeaderMap, HeaderValue, Method, header};
use hmac::{Hmac, Mac};
use posthaste_core::{BrokerError, Expect, Json, RecordKind};
use posthaste_notify::digest::hex;
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use subtle::ConstantTimeEq;

use super::keyring::{Known, Look, Wanted};
use super::token::{MAX_TOKEN, random_text};
use super::{Access, Caller, KeyScope, Via, now};
use crate::{Api, ApiError};

/// The cookie's name.
const COOKIE: &str = "posthaste_session";
/// How long a person stays signed in.
pub(crate) const SESSION_LASTS: Duration = Duration::from_secs(12 * 3600);
/// Carries the token of a form where a script sends.
pub(crate) const CSRF_HEADER: &str = "x-csrf-token";
/// The name of the record with the secret that signs cookies.
const SECRET_NAME: &str = "session";
/// Characters of the secret: 256 bits.
const SECRET_CHARS: usize = 43;
/// Separates the parts of a cookie; in no name and in no number.
const SEPARATOR: char = '~';
const MAX_COOKIE: usize = 512;

#[derive(Serialize, Deserialize)]
struct SecretRecord {
    secret: String,
}

/// The secret that signs cookies, once it was read.
#[derive(Default)]
pub(crate) struct SessionSecret(OnceLock<Arc<str>>);

impl SessionSecret {
    /// If it was read before.
    pub(crate) fn known(&self) -> Option<&str> {
        self.0.get().map(AsRef::as_ref)
    }
}

/// A cookie's content, its signature not looked at yet.
#[derive(Clone)]
pub(crate) struct Cookie {
    /// What was signed.
    payload: String,
    signature: String,
    key_id: String,
    ends_s: i64,
    /// Ties it to the key's secret.
    bond: String,
}

impl Cookie {
    /// The session cookie of a request, if it has one of the right form.
    pub(crate) fn of(headers: &HeaderMap) -> Option<Self> {
        let all = headers.get_all(header::COOKIE).iter();
        let value = all.filter_map(|v| v.to_str().ok()).flat_map(|v| v.split(';')).find_map(|pair| {
            let (name, value) = pair.trim().split_once('=')?;
            (name == COOKIE).then_some(value)
        })?;
        if value.len() > MAX_COOKIE {
            return None;
        }
        let (payload, signature) = value.rsplit_once(SEPARATOR)?;
        let mut parts = payload.split(SEPARATOR);
        let (Some("v1"), Some(key_id), Some(ends), Some(_nonce), Some(bond), None) =
            (parts.next(), parts.next(), parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return None;
        };
        Some(Self {
            payload: payload.to_owned(),
            signature: signature.to_owned(),
            key_id: key_id.to_owned(),
            ends_s: ends.parse().ok()?,
            bond: bond.to_owned(),
        })
    }

    fn signed(secret: &str, known: &Known, key_id: &str, ends_s: i64) -> Self {
        let bond = bond(secret, known);
        let payload = format!("v1~{key_id}~{ends_s}~{}~{bond}", random_text(16));
        let signature = mac(secret, "session", payload.as_bytes());
        Self { payload, signature, key_id: key_id.to_owned(), ends_s, bond }
    }

    /// Whether we signed it and it has not ended.
    pub(crate) fn holds(&self, secret: &str, now_s: i64) -> bool {
        same(&mac(secret, "session", self.payload.as_bytes()), &self.signature) && self.ends_s > now_s
    }

    pub(crate) fn wanted(&self) -> Wanted {
        Wanted::Id(self.key_id.clone())
    }

    /// Who it stands for, if the key is still the one that was shown.
    pub(crate) fn caller(&self, secret: &str, known: &Known) -> Option<Caller> {
        if !same(&bond(secret, known), &self.bond) {
            return None;
        }
        let csrf = mac(secret, "csrf", self.payload.as_bytes());
        Some(Caller { csrf: Some(csrf.as_str().into()), ..Caller::with_key(known.who.clone(), Via::Session) })
    }
}

fn bond(secret: &str, known: &Known) -> String {
    let mut text = mac(secret, "key", &known.fingerprint());
    text.truncate(16);
    text
}

/// HMAC-SHA256 in hexadecimal digits; `purpose` keeps what is signed for one thing from another.
fn mac(secret: &str, purpose: &str, data: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes a key of any length");
    mac.update(purpose.as_bytes());
    mac.update(&[0]);
    mac.update(data);
    hex(&mac.finalize().into_bytes())
}

pub(crate) fn same(a: &str, b: &str) -> bool {
    a.as_bytes().ct_eq(b.as_bytes()).into()
}

/// Where a request says that it comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum From {
    /// A page of this server.
    Own,
    /// It says nothing of it.
    Unsaid,
    /// A page of another origin.
    Foreign,
}

/// Whether a cookie counts: never for a page of another origin, of which some share our site (ports
/// do not count there, RFC 6265bis), and for what changes something only if the browser says that
/// the request is from our own page.
pub(crate) fn cookie_counts(method: &Method, from: From, headers: &HeaderMap) -> bool {
    let safe = matches!(*method, Method::GET | Method::HEAD);
    let site = headers.get("sec-fetch-site").map(HeaderValue::as_bytes);
    match from {
        From::Foreign => false,
        From::Own => site.is_none_or(|s| s == b"same-origin" || (safe && s == b"none")),
        From::Unsaid => safe || site == Some(b"same-origin"),
    }
}

fn now_s() -> i64 {
    now().as_millis() / 1000
}

/// What a session cookie is worth now.
pub(crate) enum Session {
    /// Nothing: not ours, or it has ended.
    Over,
    /// Its secret or its key has to be asked for.
    Ask(Option<Arc<Known>>),
    /// It stands for this caller.
    Good(Arc<Known>, Caller),
}

/// From memory.
pub(crate) fn look(api: &Api, cookie: &Cookie, now_ms: u64) -> Session {
    let Some(secret) = api.session_secret().known() else { return Session::Ask(None) };
    if !cookie.holds(secret, now_s()) {
        return Session::Over;
    }
    match api.keyring().look(&cookie.wanted(), now_ms) {
        Look::Ask(before) => Session::Ask(before),
        Look::Good(known) => match cookie.caller(secret, &known) {
            Some(caller) => Session::Good(known, caller),
            None => Session::Over,
        },
    }
}

/// By the store; `None` when it is over.
///
/// # Errors
/// [`ApiError::Unavailable`].
pub(crate) async fn ask(
    api: &Api,
    cookie: &Cookie,
    before: Option<Arc<Known>>,
) -> Result<Option<(Arc<Known>, Caller)>, ApiError> {
    let secret = secret(api).await?;
    // Checked before the store is asked about a key, so that nobody makes it look up what they like.
    if !cookie.holds(&secret, now_s()) {
        return Ok(None);
    }
    let known = api.keyring().ask(api.store(), &cookie.wanted(), before).await?;
    Ok(known.and_then(|known| cookie.caller(&secret, &known).map(|caller| (known, caller))))
}

async fn secret(api: &Api) -> Result<Arc<str>, ApiError> {
    if let Some(known) = api.session_secret().0.get() {
        return Ok(known.clone());
    }
    let damaged = || {
        tracing::error!("the record of the secret of sessions cannot be read");
        ApiError::Internal
    };
    // Two processes may make it at once; the one that comes second takes the first one's.
    for _ in 0..2 {
        if let Some(found) = api.store().get_record(RecordKind::Setting, SECRET_NAME).await? {
            let found: SecretRecord = found.body.parse().map_err(|_| damaged())?;
            return Ok(api.session_secret().0.get_or_init(|| found.secret.as_str().into()).clone());
        }
        let body =
            Json::from_value(&SecretRecord { secret: random_text(SECRET_CHARS) }).map_err(|_| damaged())?;
        match api.store().put_record(RecordKind::Setting, SECRET_NAME, body, Expect::Absent).await {
            Ok(_) | Err(BrokerError::VersionConflict { .. }) => {}
            Err(e) => return Err(e.into()),
        }
    }
    Err(damaged())
}

impl Api {
    /// Takes a key that a person typed and answers the `Set-Cookie` of a session. Attempts that fail
    /// count against the caller's address.
    ///
    /// # Errors
    /// [`ApiError::Unauthorized`], [`ApiError::ForbiddenScope`] without `read`,
    /// [`ApiError::RateLimited`], [`ApiError::Unavailable`].
    pub async fn sign_in(&self, caller: &Caller, token: &str) -> Result<HeaderValue, ApiError> {
        let token = token.trim();
        let ring = self.keyring();
        if let Some(retry_after) = self.failures().blocked(caller.ip(), ring.now_ms()) {
            return Err(ApiError::RateLimited { retry_after });
        }
        let wanted = Wanted::token(if token.len() > MAX_TOKEN { "" } else { token });
        let found = match ring.look(&wanted, ring.now_ms()) {
            Look::Good(known) => Some(known),
            Look::Ask(before) => ring.ask(self.store(), &wanted, before).await?,
        };
        let Some(known) = found else {
            return Err(super::gate::failed(self, caller.ip(), wanted.shown_id(), ring.now_ms()));
        };
        let who = Caller::with_key(known.who.clone(), Via::Key);
        Access::Read.check(&who)?;
        let key_id = known.who.key_id.as_deref().ok_or(ApiError::Internal)?;
        let secret = secret(self).await?;
        let ends_s = now_s().saturating_add(i64::try_from(SESSION_LASTS.as_secs()).unwrap_or(0));
        let cookie = Cookie::signed(&secret, &known, key_id, ends_s);
        let who = Caller { ip: caller.ip, request_id: caller.request_id.clone(), ..who };
        self.audit(&who, "sessions.create", key_id).await;
        let value = format!("{}{SEPARATOR}{}", cookie.payload, cookie.signature);
        Ok(self.set_cookie(&value, SESSION_LASTS))
    }

    /// The `Set-Cookie` that ends a session in the browser.
    pub fn sign_out(&self) -> HeaderValue {
        self.set_cookie("", Duration::ZERO)
    }

    fn set_cookie(&self, value: &str, lasts: Duration) -> HeaderValue {
        let secure = if self.config().public_https { "; Secure" } else { "" };
        let age = lasts.as_secs();
        let base = &self.config().base_path;
        let path = if base.is_root() { "/" } else { base.as_str() };
        let text = format!("{COOKIE}={value}; Path={path}; HttpOnly; SameSite=Strict; Max-Age={age}{secure}");
        HeaderValue::try_from(text).expect("names, numbers and hexadecimal digits are a header value")
    }
}

impl Caller {
    /// Whether a form of a page may be obeyed: with a session it must carry the session's token.
    ///
    /// # Errors
    /// [`ApiError::Forbidden`].
    pub fn check_form(&self, csrf: Option<&str>) -> Result<(), ApiError> {
        match self.csrf() {
            Some(wanted) if !csrf.is_some_and(|given| same(wanted, given)) => Err(ApiError::Forbidden {
                why: "the form does not belong to this session; go back, load the page again and repeat it",
            }),
            _ => Ok(()),
        }
    }

    /// Whether the caller may send.
    pub fn may_send(&self) -> bool {
        self.scopes().allow(KeyScope::Send)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_counts_for_our_own_pages_only() {
        let headers = |site: Option<&'static str>| {
            let mut h = HeaderMap::new();
            if let Some(site) = site {
                h.insert("sec-fetch-site", HeaderValue::from_static(site));
            }
            h
        };
        for (method, from, site, counts) in [
            (Method::GET, From::Unsaid, None, true),
            (Method::GET, From::Unsaid, Some("none"), true),
            (Method::GET, From::Foreign, None, false),
            (Method::POST, From::Own, Some("same-origin"), true),
            (Method::POST, From::Own, None, true),
            (Method::POST, From::Own, Some("same-site"), false),
            (Method::POST, From::Own, Some("none"), false),
            (Method::POST, From::Unsaid, None, false),
            (Method::POST, From::Unsaid, Some("cross-site"), false),
            (Method::POST, From::Foreign, Some("same-site"), false),
            (Method::DELETE, From::Unsaid, None, false),
        ] {
            assert_eq!(cookie_counts(&method, from, &headers(site)), counts, "{method} {from:?} {site:?}");
        }
    }

    #[test]
    fn only_what_we_signed_holds_and_only_until_its_end() {
        let of = |text: &str| {
            let mut h = HeaderMap::new();
            h.insert(header::COOKIE, format!("a=b; {COOKIE}={text}; c=d").parse().expect("a header value"));
            Cookie::of(&h)
        };
        let payload = "v1~abc~1000~nonce~bond";
        let signature = mac("secret", "session", payload.as_bytes());
        let cookie = of(&format!("{payload}~{signature}")).expect("of the right form");
        assert!(cookie.holds("secret", 999));
        assert!(!cookie.holds("secret", 1000), "it has ended");
        assert!(!cookie.holds("another", 999));
        let later = of(&format!("v1~abc~9999~nonce~bond~{signature}")).expect("of the right form");
        assert!(!later.holds("secret", 999), "changed");
        for bad in ["", "x", "v1~a~b", "v2~abc~1000~n~b~s", "v1~abc~soon~n~b~s", "v1~a~1~n~b~extra~s"] {
            assert!(of(bad).is_none(), "{bad}");
        }
    }
}
