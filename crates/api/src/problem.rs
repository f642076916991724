//! The closed list of problems that the API answers with, as data. `docs/ERRORS.md` is generated
//! from it.

use std::fmt::Write;

/// A row of the problem table.
#[derive(Debug, PartialEq, Eq)]
pub struct Problem {
    /// The last part of its type URI.
    pub slug: &'static str,
    /// The HTTP status.
    pub status: u16,
    /// What happened, the same each time.
    pub title: &'static str,
    /// What the caller can do.
    pub remedy: &'static str,
}

/// What the type URIs start with; the rest is [`Problem::slug`].
pub const TYPE_PREFIX: &str = "urn:posthaste:error:";

macro_rules! problems {
    ($($(#[$doc:meta])* $name:ident = $slug:literal, $status:literal, $title:literal, $remedy:literal;)*) => {
        $($(#[$doc])* pub const $name: &Problem = &Problem { slug: $slug, status: $status, title: $title, remedy: $remedy };)*

        /// Every problem.
        pub const PROBLEMS: &[&Problem] = &[$($name),*];
    };
}

problems! {
    /// The body is not what its content type says.
    MALFORMED_BODY = "malformed-body", 400, "The body cannot be read",
        "Send one JSON object in UTF-8, nested at most 100 levels deep.";
    /// No key, or one that is not good.
    UNAUTHORIZED = "unauthorized", 401, "It is not known who you are",
        "Send Authorization: Bearer and a key that is in force; an admin makes one with `posthaste keys create`. On the pages, sign in again.";
    /// The key lacks a scope.
    FORBIDDEN_SCOPE = "forbidden-scope", 403, "The key may not do this",
        "Use a key with the scope that `detail` names.";
    /// Not for this caller.
    FORBIDDEN = "forbidden", 403, "This is not yours to see or change",
        "A key that is bound to a tenant reaches that tenant's tasks and nothing else; leave the tenant out, or use a key without one.";
    /// Wrong `Host`.
    FORBIDDEN_HOST = "forbidden-host", 403, "This server does not answer to that host name",
        "Use the address that the server printed when it started, or set POSTHASTE_PUBLIC_URL to the name you use.";
    /// Wrong `Origin`.
    FORBIDDEN_ORIGIN = "forbidden-origin", 403, "Pages of another origin may not do this",
        "Call from the server's own pages or from a program. POSTHASTE_OPEN_NOTIFY=true opens /notify to other pages; POSTHASTE_CORS_ORIGINS lists which.";
    /// Nothing there.
    NOT_FOUND = "not-found", 404, "There is nothing at that address",
        "Check the path and the id. Finished tasks are removed after their retention time.";
    /// A cursor of nobody.
    UNKNOWN_CURSOR = "unknown-cursor", 404, "The cursor is not one that this server gave out",
        "Leave the cursor out to start from the newest, and send each next_cursor as it is.";
    /// The path exists, the method does not.
    METHOD_NOT_ALLOWED = "method-not-allowed", 405, "That method is not served here",
        "Use one of the methods in the Allow header.";
    /// Somebody else changed it at the same moment.
    CHANGED = "changed", 409, "Somebody else changed it at the same moment",
        "Read it again and repeat the change.";
    /// The lease is not the caller's any more.
    LEASE_LOST = "lease-lost", 409, "The lease is not yours any more",
        "Stop: the task was given to somebody else, has ended, or the token is not the one of its last attempt.";
    /// The body did not arrive in time.
    REQUEST_TIMEOUT = "request-timeout", 408, "The request took too long to arrive",
        "Send the whole body within 30 seconds.";
    /// The caller's own id exists.
    ID_EXISTS = "id-exists", 409, "A task with that id exists already",
        "Read the existing task, or send another id. To repeat a request safely, send an Idempotency-Key.";
    /// A cancel came too late.
    ALREADY_FINAL = "already-final", 409, "The task has ended already",
        "Read the task: its state says how it ended.";
    /// A retry of a task that is not failed, cancelled or expired.
    NOT_RETRYABLE = "not-retryable", 409, "The task cannot be retried in its state",
        "Only failed, cancelled and expired tasks can be retried.";
    /// A retry while another task holds the unique key.
    UNIQUE_KEY_HELD = "unique-key-held", 409, "Another task holds the unique key",
        "Wait for that task to end, or cancel it.";
    /// Too large.
    TOO_LARGE = "too-large", 413, "The request is too large",
        "Send at most 1 MiB, and a payload of at most 256 KiB.";
    /// Not JSON.
    UNSUPPORTED_MEDIA_TYPE = "unsupported-media-type", 415, "The body's content type is not accepted here",
        "Send Content-Type: application/json.";
    /// Fields are wrong.
    INVALID_REQUEST = "invalid-request", 422, "The request has fields that are not acceptable",
        "Correct each field that `errors` names.";
    /// Another request under a used key.
    IDEMPOTENCY_KEY_REUSED = "idempotency-key-reused", 422, "The idempotency key was used with another request",
        "Use a new key for a new request; repeat a request with exactly the body it had.";
    /// Too often.
    RATE_LIMITED = "rate-limited", 429, "Too many requests",
        "Wait the seconds in Retry-After. It is either the limit of the key, or too many attempts from your address with keys that are not good.";
    /// A fault.
    INTERNAL = "internal", 500, "The server made a mistake",
        "Tell the operator the X-Request-Id of the answer: the log says more.";
    /// The store does not answer.
    STORE_UNAVAILABLE = "store-unavailable", 503, "The store does not answer",
        "Nothing was accepted. Try again after the seconds in Retry-After.";
    /// No connection is left.
    TOO_MANY_CONNECTIONS = "too-many-connections", 503, "The server has too many open connections",
        "Nothing was accepted. Close connections that you do not use, and try again after the seconds in Retry-After.";
    /// The store is full.
    STORE_FULL = "store-full", 503, "The store is full",
        "Nothing was accepted. The operator must free space; try again later.";
}

/// The page, as Markdown.
pub fn markdown() -> String {
    let mut out = String::from(
        "<!-- Generated from crates/api/src/problem.rs by `UPDATE_DOCS=1 cargo test -p posthaste-api errors_page`. Do not edit. -->\n\
         # Errors of the API\n\n\
         Under `/v1` every error is `application/problem+json` (RFC 9457): `type`, `title`, `status`, `detail`, and for\n\
         fields `errors`, a list of `{loc, msg, type}` that names all of them at once. `type` is\n",
    );
    let _ = write!(
        out,
        "`{TYPE_PREFIX}` and a word of this list, which is closed: a new word is a change of the API.\n\n\
         The three old routes (`/notify`, `/task_status/{{task_id}}`, `/health`) answer the same statuses as `{{\"detail\": …}}`.\n\n\
         | type | status | title | what to do |\n| --- | --- | --- | --- |\n"
    );
    for p in PROBLEMS {
        let _ = writeln!(out, "| `{}` | {} | {} | {} |", p.slug, p.status, p.title, p.remedy);
    }
    out
}

#[cfg(test)]
mod tests {
    #[test]
    fn errors_page_is_up_to_date() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/ERRORS.md");
        let page = super::markdown();
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(path, &page).expect("docs/ is writable");
        }
        let stored = std::fs::read_to_string(path).unwrap_or_default();
        assert_eq!(
            stored, page,
            "docs/ERRORS.md is stale: run UPDATE_DOCS=1 cargo test -p posthaste-api errors_page"
        );
    }

    #[test]
    fn slugs_are_unique() {
        for p in super::PROBLEMS {
            assert_eq!(super::PROBLEMS.iter().filter(|q| q.slug == p.slug).count(), 1, "{}", p.slug);
        }
    }
}
