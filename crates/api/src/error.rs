//! What an operation can answer instead of its result, and how that becomes problem+json.

use std::sync::atomic::{AtomicU64, Ordering};

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use posthaste_core::{BrokerError, State, TaskId};
use serde::Serialize;

use crate::auth::KeyScope;
use crate::problem::{self, Problem, TYPE_PREFIX};

/// A step on the way to a field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(untagged)]
pub enum Loc {
    /// A name: `body`, `query`, `path`, `header` or a field.
    Name(String),
    /// A place in a list or text.
    Index(usize),
}

impl From<&str> for Loc {
    /// A name as it is shown: one that a caller made up may be as long as the request.
    fn from(s: &str) -> Self {
        Self::Name(shortened(s, MAX_LOC))
    }
}

impl From<usize> for Loc {
    fn from(i: usize) -> Self {
        Self::Index(i)
    }
}

/// Longest name of a field that is repeated, in bytes.
const MAX_LOC: usize = 100;
/// Longest sentence about a field, in bytes.
const MAX_MSG: usize = 1_000;
/// The type of the error that says how many more there are.
pub(crate) const MORE: &str = "more";

/// `text`, or its beginning.
fn shortened(text: &str, most: usize) -> String {
    if text.len() <= most {
        text.to_owned()
    } else {
        format!("{}…", &text[..text.floor_char_boundary(most)])
    }
}

/// What is wrong with one field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct FieldError {
    /// Where it is, from the outside in.
    pub loc: Vec<Loc>,
    /// What is wrong, for people.
    pub msg: String,
    /// What is wrong, for programs: `missing`, `value_error`, `string_type`, `extra_forbidden` … At most 20 are named;
    /// one more of type `more` then says how many others there are.
    #[serde(rename = "type")]
    pub kind: &'static str,
}

impl FieldError {
    /// An error of type `kind` at `loc`.
    pub fn new<L: Into<Loc>>(
        loc: impl IntoIterator<Item = L>,
        kind: &'static str,
        msg: impl Into<String>,
    ) -> Self {
        let mut msg = msg.into();
        if msg.len() > MAX_MSG {
            msg = shortened(&msg, MAX_MSG);
        }
        Self { loc: loc.into_iter().map(Into::into).collect(), msg, kind }
    }

    /// A required field that is not there.
    pub fn missing<L: Into<Loc>>(loc: impl IntoIterator<Item = L>) -> Self {
        Self::new(loc, "missing", "Field required")
    }
}

/// Why an operation did not do what was asked. Nothing was changed unless the variant says so.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ApiError {
    /// Fields are not acceptable; all of them are named.
    #[error("{}", describe(.0))]
    Invalid(Vec<FieldError>),
    /// The body cannot be read at all.
    #[error("{}", describe(std::slice::from_ref(.0)))]
    MalformedBody(FieldError),
    /// The body is too large.
    #[error("the request is larger than {limit} bytes")]
    TooLarge {
        /// The largest that is accepted.
        limit: usize,
    },
    /// The body took too long to arrive.
    #[error("the body did not arrive in time")]
    RequestTimeout,
    /// The content type is not accepted.
    #[error("the content type must be application/json")]
    UnsupportedMediaType,
    /// Nothing there.
    #[error("{what}")]
    NotFound {
        /// What was looked for.
        what: String,
    },
    /// A cursor that this server did not give out.
    #[error("{}", describe(std::slice::from_ref(.0)))]
    UnknownCursor(FieldError),
    /// The path exists, the method does not.
    #[error("that method is not served here")]
    MethodNotAllowed,
    /// The `Host` header is not this server's.
    #[error("this server answers on loopback only, not as {host:?}")]
    ForbiddenHost {
        /// The host that was asked for.
        host: String,
    },
    /// The request comes from a page of another origin.
    #[error("{why}")]
    ForbiddenOrigin {
        /// What is refused and how to allow it.
        why: &'static str,
    },
    /// Nobody said who is asking, or with a key that is not good.
    #[error("{why}")]
    Unauthorized {
        /// What is missing.
        why: &'static str,
    },
    /// The key lacks a scope.
    #[error("this needs a key with the scope {needs}")]
    ForbiddenScope {
        /// Which.
        needs: KeyScope,
    },
    /// Not for this caller.
    #[error("{why}")]
    Forbidden {
        /// What is refused.
        why: &'static str,
    },
    /// Too often.
    #[error("too many requests; try again in {} s", seconds(*retry_after))]
    RateLimited {
        /// When to try again.
        retry_after: std::time::Duration,
    },
    /// The caller's own id exists.
    #[error("a task with id {id} exists already")]
    IdExists {
        /// The id.
        id: TaskId,
    },
    /// Somebody else changed it between our look and our change.
    #[error("somebody else changed it at the same moment")]
    Changed,
    /// A word about a running task from somebody who does not run it.
    #[error("the lease of this token is over, or never was")]
    LeaseLost,
    /// A cancel of a task that has ended.
    #[error("the task is {state} already")]
    AlreadyFinal {
        /// How it ended.
        state: State,
    },
    /// A retry of a task that is not failed, cancelled or expired.
    #[error("the task is {state}; only failed, cancelled and expired tasks can be retried")]
    NotRetryable {
        /// Its state.
        state: State,
    },
    /// Another task holds the unique key.
    #[error("task {by} holds the unique key")]
    UniqueHeld {
        /// That task.
        by: TaskId,
    },
    /// The idempotency key was used with another request.
    #[error("the idempotency key was used before with another request")]
    IdempotencyMismatch,
    /// The store does not answer; nothing was accepted.
    #[error("the store is not available: {why}")]
    Unavailable {
        /// What happened, for the log and `/readyz`.
        why: String,
    },
    /// The store is full; nothing was accepted.
    #[error("the store is full: {what}")]
    Full {
        /// What ran out.
        what: String,
    },
    /// All connections that the server keeps are taken.
    #[error("the server has too many open connections")]
    TooManyConnections,
    /// A fault of the program or its data; the log says more.
    #[error("internal error")]
    Internal,
}

/// Whole seconds, at least one.
fn seconds(d: std::time::Duration) -> u64 {
    d.as_millis().div_ceil(1000).max(1).try_into().unwrap_or(u64::MAX)
}

fn describe(errors: &[FieldError]) -> String {
    let mut out = String::new();
    for e in errors {
        if !out.is_empty() {
            out.push_str("; ");
        }
        if e.kind == MORE {
            out.push_str(&e.msg);
            continue;
        }
        for (i, l) in e.loc.iter().enumerate() {
            if i > 0 {
                out.push('.');
            }
            match l {
                Loc::Name(n) => out.push_str(n),
                Loc::Index(n) => out.push_str(&n.to_string()),
            }
        }
        out.push_str(": ");
        out.push_str(&e.msg);
    }
    out
}

impl ApiError {
    /// One wrong field.
    pub fn field<L: Into<Loc>>(
        loc: impl IntoIterator<Item = L>,
        kind: &'static str,
        msg: impl Into<String>,
    ) -> Self {
        Self::Invalid(vec![FieldError::new(loc, kind, msg)])
    }

    /// No task with this id.
    pub fn no_task(id: TaskId) -> Self {
        Self::NotFound { what: format!("there is no task {id}") }
    }

    /// Its row in the problem table.
    pub fn problem(&self) -> &'static Problem {
        match self {
            Self::Invalid(_) => problem::INVALID_REQUEST,
            Self::MalformedBody(_) => problem::MALFORMED_BODY,
            Self::TooLarge { .. } => problem::TOO_LARGE,
            Self::TooManyConnections => problem::TOO_MANY_CONNECTIONS,
            Self::RequestTimeout => problem::REQUEST_TIMEOUT,
            Self::UnsupportedMediaType => problem::UNSUPPORTED_MEDIA_TYPE,
            Self::NotFound { .. } => problem::NOT_FOUND,
            Self::UnknownCursor(_) => problem::UNKNOWN_CURSOR,
            Self::MethodNotAllowed => problem::METHOD_NOT_ALLOWED,
            Self::ForbiddenHost { .. } => problem::FORBIDDEN_HOST,
            Self::ForbiddenOrigin { .. } => problem::FORBIDDEN_ORIGIN,
            Self::Unauthorized { .. } => problem::UNAUTHORIZED,
            Self::ForbiddenScope { .. } => problem::FORBIDDEN_SCOPE,
            Self::Forbidden { .. } => problem::FORBIDDEN,
            Self::RateLimited { .. } => problem::RATE_LIMITED,
            Self::IdExists { .. } => problem::ID_EXISTS,
            Self::Changed => problem::CHANGED,
            Self::LeaseLost => problem::LEASE_LOST,
            Self::AlreadyFinal { .. } => problem::ALREADY_FINAL,
            Self::NotRetryable { .. } => problem::NOT_RETRYABLE,
            Self::UniqueHeld { .. } => problem::UNIQUE_KEY_HELD,
            Self::IdempotencyMismatch => problem::IDEMPOTENCY_KEY_REUSED,
            Self::Unavailable { .. } => problem::STORE_UNAVAILABLE,
            Self::Full { .. } => problem::STORE_FULL,
            Self::Internal => problem::INTERNAL,
        }
    }

    /// The HTTP status.
    pub fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.problem().status).expect("the table holds valid statuses")
    }

    /// The sentence for the caller: of a 5xx, nothing about the inside.
    pub fn detail(&self) -> String {
        match self {
            Self::Unavailable { .. } => "The store does not answer; nothing was accepted. Try again.".into(),
            Self::Full { .. } => "The store is full; nothing was accepted.".into(),
            Self::Internal => "The server made a mistake; its log says more.".into(),
            other => {
                let text = other.to_string();
                let mut chars = text.chars();
                chars
                    .next()
                    .map_or_else(String::new, |c| c.to_uppercase().collect::<String>() + chars.as_str())
            }
        }
    }

    /// Puts the headers on an answer that go with its status, whatever its body is.
    pub fn put_headers(&self, headers: &mut HeaderMap) {
        match self {
            Self::Unauthorized { .. } => {
                headers.insert(
                    header::WWW_AUTHENTICATE,
                    HeaderValue::from_static(r#"Bearer realm="posthaste""#),
                );
            }
            Self::RateLimited { retry_after } => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds(*retry_after)));
            }
            _ if self.problem().status == 503 => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
            }
            _ => {}
        }
    }

    /// The field errors, if it is about fields.
    pub fn errors(&self) -> &[FieldError] {
        match self {
            Self::Invalid(errors) => errors,
            Self::MalformedBody(error) | Self::UnknownCursor(error) => std::slice::from_ref(error),
            _ => &[],
        }
    }
}

/// The body of an error under `/v1` (RFC 9457).
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = Problem, example = json!({
    "type": "urn:posthaste:error:invalid-request", "title": "The request has fields that are not acceptable",
    "status": 422, "detail": "Body.kind: Field required",
    "errors": [{ "loc": ["body", "kind"], "msg": "Field required", "type": "missing" }]
}))]
pub struct ProblemBody {
    /// Which problem: `urn:posthaste:error:` and a word of the closed list in docs/ERRORS.md.
    #[serde(rename = "type")]
    pub type_uri: String,
    /// What happened, the same each time.
    pub title: &'static str,
    /// The HTTP status.
    #[schema(minimum = 400, maximum = 599)]
    pub status: u16,
    /// What happened this time.
    pub detail: String,
    /// What is wrong with which field; left out when no field is to blame.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub errors: Vec<FieldError>,
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let p = self.problem();
        let body = ProblemBody {
            type_uri: format!("{TYPE_PREFIX}{}", p.slug),
            title: p.title,
            status: p.status,
            detail: self.detail(),
            errors: self.errors().to_vec(),
        };
        let text = serde_json::to_string(&body).expect("strings and numbers always serialize");
        let mut response = (self.status(), text).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        self.put_headers(headers);
        response
    }
}

/// Runs `log` at most once in ten seconds: while the store is away every request would write a line.
fn rarely(log: impl FnOnce()) {
    static LAST: AtomicU64 = AtomicU64::new(0);
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let period = since.as_secs() / 10;
    if LAST.swap(period, Ordering::Relaxed) != period {
        log();
    }
}

impl From<BrokerError> for ApiError {
    /// The boundary where a store's fault is logged, once.
    fn from(e: BrokerError) -> Self {
        match e {
            BrokerError::Invalid { field, problem, .. } => Self::Invalid(vec![FieldError::new(
                std::iter::once("body").chain(field.split('.')),
                "value_error",
                problem,
            )]),
            BrokerError::IdExists { id } => Self::IdExists { id },
            BrokerError::IdempotencyMismatch => Self::IdempotencyMismatch,
            BrokerError::BadCursor => Self::UnknownCursor(FieldError::new(
                ["query", "cursor"],
                "value_error",
                "The cursor is not one that this server gave out",
            )),
            BrokerError::VersionConflict { .. } => Self::Changed,
            BrokerError::Full { what } => {
                rarely(|| {
                    tracing::warn!(
                        what,
                        "the store is full; more of these in these ten seconds are not logged"
                    )
                });
                Self::Full { what }
            }
            BrokerError::Unavailable { why } => {
                rarely(|| {
                    tracing::warn!(
                        why,
                        "the store is not available; more of these in these ten seconds are not logged"
                    )
                });
                Self::Unavailable { why }
            }
            BrokerError::Corrupt { what } => {
                tracing::error!(what, "the store's data is damaged");
                Self::Internal
            }
        }
    }
}
