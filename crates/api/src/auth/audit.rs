//! The audit log: who changed what in the installation, and who was not let in.
//!
//! Lines say which thing, never what is secret about it. Writing one never fails the operation that it
//! is about, which has happened by then: a store that is away loses the line, and the log says so.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use posthaste_core::limits::MAX_PAGE;
use posthaste_core::{Expect, Json, RecordKind, RecordOrder, Tenant, Timestamp};
use rand::RngExt;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use super::rate::Bucket;
use super::{Caller, now};
use crate::{Api, ApiError, schema};

/// How long a line is kept.
pub(crate) const AUDIT_KEPT: Duration = Duration::from_secs(90 * 24 * 3600);
/// How many lines are kept.
pub(crate) const MAX_AUDIT: usize = 100_000;
/// How often old lines are swept.
const SWEEP_EVERY: Duration = Duration::from_secs(3600);
/// Lines that one read of the log looks at.
const MAX_SCAN: usize = 2_000;
/// Refusals that each process writes down: so many at once, and one every six seconds.
const REFUSALS_AT_ONCE: f64 = 20.0;
const REFUSALS_PER_SECOND: f64 = 1.0 / 6.0;
/// Longest target, in bytes.
const MAX_TARGET: usize = 255;

/// Who did it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[schema(as = AuditActor)]
pub struct Actor {
    /// The key's id; left out where no key was needed or none was good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub key_id: Option<String>,
    /// The key's name, or a word for callers without one.
    pub name: String,
}

/// A line as it is stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct AuditRecord {
    at: Timestamp,
    actor: Actor,
    action: String,
    target: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    request_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ip: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tenant: Option<Tenant>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    details: Option<Value>,
}

/// A line of the audit log.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
#[schema(as = AuditLine, example = json!({
    "id": "0199f3a0-7c1e-7a52-9d0e-3f6f1c2b4a58", "at": "2026-01-31T09:30:00Z",
    "actor": { "key_id": "k7Qm2XvB0aZt", "name": "admin" }, "action": "queues.pause", "target": "default",
    "request_id": "9f2c41d0000000000042", "ip": "192.0.2.7"
}))]
pub struct AuditView {
    /// Its id; ids sort by time.
    pub id: String,
    /// When.
    #[schema(value_type = schema::Time)]
    pub at: Timestamp,
    /// Who.
    pub actor: Actor,
    /// What was done: a resource and a verb, `keys.create`; or `auth.refused`.
    pub action: String,
    /// To what.
    pub target: String,
    /// The `X-Request-Id` of the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub request_id: Option<String>,
    /// From where.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub ip: Option<String>,
    /// The tenant of the key.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, nullable = false)]
    pub tenant: Option<Tenant>,
    /// More about it; never a secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub details: Option<Value>,
}

/// A page of the log.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
#[schema(as = AuditPage)]
pub struct AuditPage {
    /// Lines, newest first.
    pub data: Vec<AuditView>,
    /// Where it goes on; left out at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub next_cursor: Option<String>,
}

/// Which lines to read. All given conditions hold.
#[derive(Debug, Clone, Default)]
pub struct AuditFilter {
    /// Of this action, or, when it ends in a dot, of this resource.
    pub action: Option<String>,
    /// By this key, by its id or name.
    pub actor: Option<String>,
    /// About this thing.
    pub target: Option<String>,
    /// From this time.
    pub since: Option<Timestamp>,
    /// Until before this time.
    pub until: Option<Timestamp>,
}

impl AuditFilter {
    fn takes(&self, r: &AuditRecord) -> bool {
        let action = self
            .action
            .as_deref()
            .is_none_or(|a| r.action == a || (a.ends_with('.') && r.action.starts_with(a)));
        let actor =
            self.actor.as_deref().is_none_or(|a| r.actor.name == a || r.actor.key_id.as_deref() == Some(a));
        action
            && actor
            && self.target.as_deref().is_none_or(|t| r.target == t)
            && self.until.is_none_or(|t| r.at < t)
    }
}

/// How many refusals this process may still write down, and whether a sweep runs.
pub(crate) struct AuditState {
    refusals: Mutex<Bucket>,
    sweeping: AtomicBool,
}

impl Default for AuditState {
    fn default() -> Self {
        Self { refusals: Mutex::new(Bucket::full(REFUSALS_AT_ONCE, 0)), sweeping: AtomicBool::new(false) }
    }
}

/// A name that sorts by time: a UUID of version 7 (RFC 9562, section 5.7).
fn name_at(at: Timestamp, random: [u8; 10]) -> String {
    let ms = u64::try_from(at.as_millis()).unwrap_or(0);
    uuid::Builder::from_unix_timestamp_millis(ms, &random).into_uuid().to_string()
}

/// The smallest name of a time: names from before it are smaller.
fn first_name_at(at: Timestamp) -> String {
    name_at(at, [0; 10])
}

impl Api {
    /// Writes down that `caller` did `action` (`keys.create`) to `target`. Call it once it is done,
    /// from every operation that changes the installation.
    pub async fn audit(&self, caller: &Caller, action: &str, target: impl std::fmt::Display) {
        self.audit_with(caller, action, target, None).await;
    }

    /// As [`Api::audit`], with more about it. Never a secret.
    pub async fn audit_with(
        &self,
        caller: &Caller,
        action: &str,
        target: impl std::fmt::Display,
        details: Option<Value>,
    ) {
        let mut target = target.to_string();
        while target.len() > MAX_TARGET {
            target.pop();
        }
        let record = AuditRecord {
            at: now(),
            actor: Actor { key_id: caller.key_id().map(str::to_owned), name: caller.name().to_owned() },
            action: action.to_owned(),
            target,
            request_id: caller.request_id.as_ref().and_then(|id| id.to_str().ok()).map(str::to_owned),
            ip: caller.ip().map(|ip| ip.to_string()),
            tenant: caller.tenant().cloned(),
            details,
        };
        let name = name_at(record.at, rand::rng().random());
        let Ok(body) = Json::from_value(&record) else { return };
        if let Err(e) = self.store().put_record(RecordKind::Audit, &name, body, Expect::Any).await {
            tracing::warn!(error = %e, action, target = record.target, actor = record.actor.name, "not in the audit log");
        }
    }

    /// Writes down that somebody was not let in, unless there were too many lately. Waits for nothing.
    pub(crate) fn audit_refusal(&self, ip: Option<std::net::IpAddr>, shown_id: &str, now_ms: u64) {
        let taken = {
            let mut bucket = self.audit_state().refusals.lock().unwrap_or_else(PoisonError::into_inner);
            bucket.take(REFUSALS_PER_SECOND, REFUSALS_AT_ONCE, now_ms)
        };
        if taken.is_err() {
            return;
        }
        let (api, target) = (self.clone(), shown_id.to_owned());
        let caller = Caller { ip, ..Caller::nobody() };
        let _audit_handle = tokio::spawn(async move { api.audit(&caller, "auth.refused", target).await });
    }

    /// A page of the log, newest first. It may be shorter than `limit`, even empty, although more
    /// follows: a call looks at 2,000 lines.
    ///
    /// # Errors
    /// [`ApiError::Unavailable`].
    pub async fn audit_log(
        &self,
        filter: &AuditFilter,
        cursor: Option<String>,
        limit: usize,
    ) -> Result<AuditPage, ApiError> {
        let mut after = match (cursor, filter.until) {
            (Some(cursor), _) => Some(cursor),
            (None, until) => until.map(first_name_at),
        };
        let (mut data, mut looked) = (Vec::new(), 0);
        loop {
            let page = self
                .store()
                .list_records(RecordKind::Audit, RecordOrder::Descending, after.as_deref(), MAX_PAGE)
                .await?;
            let last = page.len() < MAX_PAGE;
            for record in page {
                looked += 1;
                after = Some(record.name.clone());
                let Ok(line) = record.body.parse::<AuditRecord>() else { continue };
                if filter.since.is_some_and(|since| line.at < since) {
                    return Ok(AuditPage { data, next_cursor: None });
                }
                if filter.takes(&line) {
                    data.push(view(record.name, line));
                }
                if data.len() == limit {
                    return Ok(AuditPage { data, next_cursor: after });
                }
            }
            if last {
                return Ok(AuditPage { data, next_cursor: None });
            }
            if looked >= MAX_SCAN {
                return Ok(AuditPage { data, next_cursor: after });
            }
        }
    }

    /// Removes lines beyond their age and number; returns how many. Safe in any number of processes.
    ///
    /// # Errors
    /// [`ApiError::Unavailable`].
    pub async fn sweep_audit(&self) -> Result<usize, ApiError> {
        self.sweep_audit_to(now().minus(AUDIT_KEPT), MAX_AUDIT).await
    }

    async fn sweep_audit_to(&self, oldest: Timestamp, most: usize) -> Result<usize, ApiError> {
        if self.audit_state().sweeping.swap(true, Ordering::AcqRel) {
            return Ok(0);
        }
        let swept = self.sweep_now(&first_name_at(oldest), most).await;
        self.audit_state().sweeping.store(false, Ordering::Release);
        swept
    }

    async fn sweep_now(&self, oldest: &str, most: usize) -> Result<usize, ApiError> {
        let mut names: Vec<String> = Vec::new();
        // Bounded: twice what is kept is more than an hour can add, and the next sweep goes on.
        while names.len() < 2 * MAX_AUDIT {
            let after = names.last().map(String::as_str);
            let page =
                self.store().list_records(RecordKind::Audit, RecordOrder::Ascending, after, MAX_PAGE).await?;
            let last = page.len() < MAX_PAGE;
            names.extend(page.into_iter().map(|r| r.name));
            if last {
                break;
            }
        }
        let beyond = names.len().saturating_sub(most);
        let old = names.iter().take_while(|n| n.as_str() < oldest).count();
        for name in &names[..beyond.max(old)] {
            self.store().delete_record(RecordKind::Audit, name, Expect::Any).await?;
        }
        Ok(beyond.max(old))
    }

    /// Sweeps now and every hour until the server closes; a store that is away is asked again then.
    pub async fn keep_audit_bounded(self) {
        loop {
            let records: std::sync::Arc<dyn posthaste_core::Records> = self.store().clone();
            if let Err(e) = posthaste_notify::attachment::sweep(&records, now()).await {
                tracing::warn!(error = %e, "attachments that are not kept any more could not be swept");
            }
            match self.sweep_audit().await {
                Ok(0) => {}
                Ok(n) => tracing::info!(lines = n, "old lines of the audit log were removed"),
                Err(e) => tracing::debug!(error = %e, "the audit log could not be swept"),
            }
            tokio::select! {
                () = self.closing().cancelled() => return,
                () = tokio::time::sleep(SWEEP_EVERY) => {}
            }
        }
    }
}

fn view(id: String, r: AuditRecord) -> AuditView {
    AuditView {
        id,
        at: r.at,
        actor: r.actor,
        action: r.action,
        target: r.target,
        request_id: r.request_id,
        ip: r.ip,
        tenant: r.tenant,
        details: r.details,
    }
}

/// Whether a text is a name of a line, as a cursor must be.
pub(crate) fn is_cursor(text: &str) -> bool {
    Uuid::try_parse(text).is_ok_and(|id| id.get_version_num() == 7 && id.to_string() == text)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use posthaste_broker_sqlite::{SqliteConfig, SqliteStore};
    use posthaste_core::Store;

    use super::*;
    use crate::ApiConfig;

    #[tokio::test]
    async fn the_number_of_lines_is_bounded_beyond_what_the_store_gives_at_once() {
        let dir = tempfile::tempdir().expect("a directory");
        let store: Arc<dyn Store> = SqliteStore::open(SqliteConfig::new(dir.path())).await.expect("a store");
        let kind = RecordKind::Audit;
        let name = |n: usize| first_name_at(Timestamp::from_millis(1_000 + n as i64));
        for n in 0..MAX_PAGE + 3 {
            let body = Json::from_trusted("{}".into());
            store.put_record(kind, &name(n), body, Expect::Any).await.expect("it is kept");
        }
        let api = Api::new(store.clone(), ApiConfig::default());
        let swept = api.sweep_audit_to(Timestamp::from_millis(0), 2).await.expect("a sweep");
        assert_eq!(swept, MAX_PAGE + 1);
        let left = store.list_records(kind, RecordOrder::Ascending, None, MAX_PAGE).await.expect("a list");
        let left: Vec<_> = left.into_iter().map(|r| r.name).collect();
        assert_eq!(left, [name(MAX_PAGE + 1), name(MAX_PAGE + 2)], "the newest stay");
    }

    #[test]
    fn names_sort_by_time() {
        let (early, late) = (Timestamp::from_millis(1_000), Timestamp::from_millis(1_001));
        assert!(name_at(early, [0xFF; 10]) < name_at(late, [0; 10]));
        assert!(first_name_at(late) <= name_at(late, [0; 10]));
        assert!(is_cursor(&name_at(early, [3; 10])) && !is_cursor("x") && !is_cursor(""));
    }
}
