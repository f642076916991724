//! Batches: counted by the index of their tasks, which are at most a thousand.

use posthaste_core::broker::{ListFilter, ListRequest};
use posthaste_core::limits::MAX_PAGE;
use posthaste_core::{BatchId, State, TaskId, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;

use crate::view::StateCounts;
use crate::{Api, ApiError, Caller, schema};

/// Pages that are read of one batch at most.
const MAX_PAGES: usize = 50;

/// How far a batch is.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Batch, example = json!({
    "id": "0199f3a0-7c1e-7a52-9d0e-3f6f1c2b4a58", "size": 3, "finished": false, "created_at": "2026-01-31T09:30:00.000Z",
    "counts": { "scheduled": 0, "queued": 1, "running": 0, "retrying": 0, "succeeded": 2, "failed": 0, "cancelled": 0, "expired": 0 }
}))]
pub struct BatchStatus {
    /// Its id.
    #[schema(value_type = schema::Id)]
    pub id: BatchId,
    /// How many of its tasks are kept.
    pub size: u64,
    /// Whether all of them have ended.
    pub finished: bool,
    /// When it was accepted.
    #[schema(value_type = schema::Time)]
    pub created_at: Timestamp,
    /// Its tasks by state.
    #[schema(value_type = schema::StateCounts)]
    pub counts: StateCounts,
}

impl Api {
    /// How far a batch is.
    ///
    /// # Errors
    /// [`ApiError::NotFound`], [`ApiError::Unavailable`].
    pub async fn batch(&self, caller: &Caller, id: BatchId) -> Result<BatchStatus, ApiError> {
        let tasks = self.batch_tasks(caller, id).await?;
        let first = tasks.iter().map(|t| t.2).min();
        let created_at =
            first.ok_or_else(|| ApiError::NotFound { what: format!("there is no batch {id}") })?;
        let mut counts = StateCounts([0; State::ALL.len()]);
        for (_, state, _) in &tasks {
            counts.0[usize::from(state.code())] += 1;
        }
        let finished = tasks.iter().all(|(_, state, _)| state.is_final());
        Ok(BatchStatus { id, size: tasks.len() as u64, finished, created_at, counts })
    }

    /// Cancels what is left of a batch.
    ///
    /// # Errors
    /// [`ApiError::NotFound`], [`ApiError::Unavailable`].
    pub async fn cancel_batch(&self, caller: &Caller, id: BatchId) -> Result<BatchStatus, ApiError> {
        let left: Vec<TaskId> = self
            .batch_tasks(caller, id)
            .await?
            .into_iter()
            .filter(|(_, state, _)| !state.is_final())
            .map(|(task, ..)| task)
            .collect();
        for part in left.chunks(MAX_PAGE) {
            self.store().cancel(part).await?;
        }
        self.batch(caller, id).await
    }

    async fn batch_tasks(
        &self,
        caller: &Caller,
        id: BatchId,
    ) -> Result<Vec<(TaskId, State, Timestamp)>, ApiError> {
        let filter = ListFilter { batch: Some(id), ..ListFilter::default() };
        let mut request = ListRequest { filter, limit: MAX_PAGE, ..ListRequest::default() };
        let (mut found, mut whole) = (Vec::new(), false);
        for _ in 0..MAX_PAGES {
            let page = self.store().list(request.clone()).await?;
            whole |= page.tasks.iter().any(|t| t.tenant.is_none());
            let own = page.tasks.into_iter().filter(|t| caller.may_see(t.tenant.as_ref()));
            found.extend(own.map(|t| (t.id, t.state, t.created_at)));
            if page.next_cursor.is_none() {
                break;
            }
            request.cursor = page.next_cursor;
        }
        if found.is_empty() && whole {
            // Of a batch of the installation's a tenant is told whose it is.
            caller.finds(None)?;
        }
        Ok(found)
    }
}
