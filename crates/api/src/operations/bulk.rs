//! Bulk actions: cancel, retry or erase every task that fits, a bounded slice a call, to be resumed until done.

use std::time::{Duration, Instant};

use posthaste_core::broker::{Cancelled, ListFilter, ListRequest, Retried};
use posthaste_core::limits::MAX_PAGE;
use posthaste_core::portable::Erased;
use posthaste_core::{
    BatchId, Expect, FailureClass, Json, Kind, QueueName, RecordKind, RecordOrder, State, TaskId, Tenant,
    Timestamp,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::auth::now;
use crate::{Api, ApiError, Caller, schema};

/// Tasks that one call looks at.
const SLICE: usize = 1_000;
/// How long one call works.
const SLICE_TIME: Duration = Duration::from_secs(1);
/// How long an operation that nobody resumes is kept.
const KEPT: Duration = Duration::from_secs(7 * 24 * 3600);
/// Old operations that are removed when a new one starts.
const SWEEP: usize = 50;

/// What is done to each task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = BulkAction)]
pub enum Action {
    /// It is cancelled, or asked to stop.
    Cancel,
    /// It is queued again, if it failed, was cancelled or expired.
    Retry,
    /// It is removed with everything that is known of it.
    Erase,
}

impl Action {
    /// Whether it changes a task in this state: what a dry run counts.
    fn changes(self, state: State) -> bool {
        match self {
            Self::Cancel => !state.is_final(),
            Self::Retry => matches!(state, State::Failed | State::Cancelled | State::Expired),
            Self::Erase => state != State::Running,
        }
    }
}

/// Where an operation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = OperationState)]
pub enum Progress {
    /// There is more, and it waits: resume it.
    Running,
    /// Every task that fits was looked at.
    Done,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Filter {
    #[serde(default)]
    states: Vec<State>,
    kind: Option<Kind>,
    queue: Option<QueueName>,
    batch: Option<BatchId>,
    recipient: Option<String>,
    tenant: Option<Tenant>,
    class: Option<FailureClass>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Stored {
    action: Action,
    filter: Filter,
    dry_run: bool,
    tenant: Option<Tenant>,
    state: Progress,
    cursor: Option<String>,
    matched: u64,
    changed: u64,
    skipped: u64,
    created_at: Timestamp,
    updated_at: Timestamp,
}

/// A bulk operation.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Operation, example = json!({
    "id": "0199f3a0-7c1e-7a52-9d0e-3f6f1c2b4a58", "action": "retry", "state": "running", "waiting": true, "dry_run": false, "matched": 1000,
    "changed": 998, "skipped": 2, "created_at": "2026-01-31T09:30:00.000Z", "updated_at": "2026-01-31T09:30:01.000Z"
}))]
pub struct OperationView {
    /// Its id.
    #[schema(value_type = schema::Id)]
    pub id: Uuid,
    /// What is done to each task.
    pub action: Action,
    /// Where it is.
    pub state: Progress,
    /// Whether it waits to be resumed: nothing more is done before somebody calls `POST /v1/operations/{id}/resume`.
    pub waiting: bool,
    /// Whether it only counts.
    pub dry_run: bool,
    /// Tasks that fitted so far.
    pub matched: u64,
    /// Those that were changed; of a dry run, those that would be.
    pub changed: u64,
    /// Those that could not be: final before a cancel, not final before a retry, running before an erase. A dry run does not
    /// see whose unique key another task holds, which a retry leaves alone.
    pub skipped: u64,
    /// When it began.
    #[schema(value_type = schema::Time)]
    pub created_at: Timestamp,
    /// When it was last worked on.
    #[schema(value_type = schema::Time)]
    pub updated_at: Timestamp,
}

fn view(id: Uuid, s: &Stored) -> OperationView {
    OperationView {
        id,
        action: s.action,
        state: s.state,
        // No call works it in the background: what is not done goes on when it is asked to.
        waiting: s.state == Progress::Running,
        dry_run: s.dry_run,
        matched: s.matched,
        changed: s.changed,
        skipped: s.skipped,
        created_at: s.created_at,
        updated_at: s.updated_at,
    }
}

impl Api {
    /// Begins an operation and works its first slice.
    ///
    /// # Errors
    /// [`ApiError::Forbidden`], [`ApiError::Unavailable`].
    pub async fn start_operation(
        &self,
        caller: &Caller,
        action: Action,
        filter: ListFilter,
        dry_run: bool,
    ) -> Result<OperationView, ApiError> {
        self.sweep_operations().await?;
        let now = now();
        let stored = Stored {
            action,
            filter: Filter {
                states: filter.states,
                kind: filter.kind,
                queue: filter.queue,
                batch: filter.batch,
                recipient: filter.recipient,
                tenant: caller.tenant_filter(filter.tenant)?,
                class: filter.class,
            },
            dry_run,
            tenant: caller.tenant().cloned(),
            state: Progress::Running,
            cursor: None,
            matched: 0,
            changed: 0,
            skipped: 0,
            created_at: now,
            updated_at: now,
        };
        let id = Uuid::now_v7();
        if !dry_run {
            let action = match action {
                Action::Cancel => "tasks.bulk_cancel",
                Action::Retry => "tasks.bulk_retry",
                Action::Erase => "recipients.erase",
            };
            self.audit(caller, action, id).await;
        }
        self.work_on(caller, id, stored, Expect::Absent).await
    }

    /// Works the next slice of an operation; of one that is done, tells how it ended.
    ///
    /// # Errors
    /// [`ApiError::NotFound`], [`ApiError::Changed`], [`ApiError::Unavailable`].
    pub async fn resume_operation(&self, caller: &Caller, id: Uuid) -> Result<OperationView, ApiError> {
        let (stored, version) = self.stored_operation(caller, id).await?;
        if stored.state == Progress::Done {
            return Ok(view(id, &stored));
        }
        self.work_on(caller, id, stored, Expect::Version(version)).await
    }

    /// How far an operation is.
    ///
    /// # Errors
    /// [`ApiError::NotFound`], [`ApiError::Unavailable`].
    pub async fn operation(&self, caller: &Caller, id: Uuid) -> Result<OperationView, ApiError> {
        Ok(view(id, &self.stored_operation(caller, id).await?.0))
    }

    async fn stored_operation(&self, caller: &Caller, id: Uuid) -> Result<(Stored, u64), ApiError> {
        let none = || ApiError::NotFound { what: format!("there is no operation {id}") };
        let record =
            self.store().get_record(RecordKind::Operation, &id.to_string()).await?.ok_or_else(none)?;
        let stored: Stored =
            record.body.parse().map_err(|_| super::fault("an operation has another shape")())?;
        if !caller.finds(stored.tenant.as_ref().map(Tenant::as_str))? {
            return Err(none());
        }
        Ok((stored, record.version))
    }

    async fn work_on(
        &self,
        caller: &Caller,
        id: Uuid,
        mut s: Stored,
        expect: Expect,
    ) -> Result<OperationView, ApiError> {
        let began = Instant::now();
        let mut looked = 0;
        while s.state == Progress::Running && looked < SLICE && began.elapsed() < SLICE_TIME {
            let filter = ListFilter {
                states: s.filter.states.clone(),
                kind: s.filter.kind.clone(),
                queue: s.filter.queue.clone(),
                batch: s.filter.batch,
                recipient: s.filter.recipient.clone(),
                tenant: s.filter.tenant.clone(),
                class: s.filter.class,
            };
            let request =
                ListRequest { filter, cursor: s.cursor.take(), limit: MAX_PAGE, ..ListRequest::default() };
            let page = self.store().list(request).await?;
            looked += page.tasks.len().max(1);
            // What came after the operation began is not meant.
            let (ids, states): (Vec<TaskId>, Vec<State>) = page
                .tasks
                .into_iter()
                .filter(|t| t.created_at <= s.created_at && caller.may_see(t.tenant.as_ref()))
                .map(|t| (t.id, t.state))
                .unzip();
            let changed = match (s.dry_run, ids.is_empty()) {
                (true, _) => states.iter().filter(|state| s.action.changes(**state)).count() as u64,
                (false, true) => 0,
                (false, false) => self.act(s.action, &ids).await?,
            };
            s.matched += ids.len() as u64;
            s.changed += changed;
            s.skipped += ids.len() as u64 - changed;
            s.cursor = page.next_cursor;
            if s.cursor.is_none() {
                s.state = Progress::Done;
            }
        }
        s.updated_at = now();
        let body = Json::from_value(&s).map_err(|_| ApiError::Internal)?;
        self.store().put_record(RecordKind::Operation, &id.to_string(), body, expect).await?;
        Ok(view(id, &s))
    }

    /// How many of these were changed.
    async fn act(&self, action: Action, ids: &[TaskId]) -> Result<u64, ApiError> {
        let changed = match action {
            Action::Cancel => {
                let done = self.store().cancel(ids).await?;
                done.iter().filter(|c| matches!(c, Cancelled::Done | Cancelled::Requested)).count()
            }
            Action::Retry => {
                let done = self.store().retry(ids, None).await?;
                done.iter().filter(|r| matches!(r, Retried::Done { .. })).count()
            }
            Action::Erase => {
                // What runs is asked to stop, and goes with a later call.
                self.store().cancel(ids).await?;
                let done = self.store().erase(ids).await?;
                done.iter().filter(|e| matches!(e, Erased::Erased)).count()
            }
        };
        Ok(changed as u64)
    }

    /// Removes operations that nobody resumes any more; the oldest have the smallest names.
    async fn sweep_operations(&self) -> Result<(), ApiError> {
        let oldest =
            self.store().list_records(RecordKind::Operation, RecordOrder::Ascending, None, SWEEP).await?;
        let before = now().minus(KEPT);
        for record in oldest.iter().filter(|r| r.updated_at < before) {
            self.store().delete_record(RecordKind::Operation, &record.name, Expect::Any).await?;
        }
        Ok(())
    }
}
