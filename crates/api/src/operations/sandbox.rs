//! The sandbox: messages that were held, and faults on order.

use posthaste_core::limits::MAX_PAGE;
use posthaste_core::{Expect, Json, Record, RecordKind, RecordOrder, TaskId};
use posthaste_notify::HeldMessage;
use posthaste_notify::faults::{Faults, SETTING};
use serde::Serialize;
use utoipa::ToSchema;

use super::tenants::SCAN;
use crate::input::simple::{PageOf, records};
use crate::{Api, ApiError, Caller, schema};

/// Held messages that one call deletes.
const CLEAR: usize = 1_000;

/// A held message in a list.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = HeldListed, example = json!({
    "task_id": "0199f3a0-7c1e-7a52-9d0e-3f6f1c2b4a58", "channel": "email", "from": "Shop <shop@example.com>", "to": "ann@example.com", "subject": "Your order", "text": "It is on its way.",
    "date": "2026-01-31T09:30:00.000Z", "message_id": "<0199f3a0-7c1e-7a52-9d0e-3f6f1c2b4a58@shop.example.com>", "reason": "no e-mail provider is configured"
}))]
pub(crate) struct HeldListed {
    /// The task that would have sent it.
    #[schema(value_type = schema::Id)]
    pub task_id: TaskId,
    /// The message.
    #[serde(flatten)]
    #[schema(value_type = schema::HeldMessage, inline)]
    pub message: HeldMessage,
}

/// What a clearing did.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[schema(as = Cleared, example = json!({ "deleted": 12, "more": false }))]
pub(crate) struct Cleared {
    /// Messages that were deleted.
    pub deleted: usize,
    /// Whether there are more: call again.
    pub more: bool,
}

impl Api {
    /// A page of held messages that `caller` may see, newest first.
    pub(crate) async fn held_list(
        &self,
        caller: &Caller,
        page: &PageOf,
    ) -> Result<(Vec<HeldListed>, Option<String>), ApiError> {
        let (kind, order) = (RecordKind::SandboxMessage, RecordOrder::Descending);
        let (found, next) = if let Some(tenant) = caller.tenant() {
            let own = |found: Vec<Record>| async {
                let ids = found.iter().filter_map(|r| r.name.parse().ok());
                let own = self.own_tasks(caller, ids).await?;
                let is_own = |r: &Record| r.name.parse().is_ok_and(|id| own.contains(&id));
                Ok(found.into_iter().filter(is_own).collect::<Vec<_>>())
            };
            self.own_records(tenant, (kind, order), page, SCAN, own).await?
        } else {
            records(self, kind, order, page).await?
        };
        let seen = found.iter().filter_map(|r| Some((r.name.parse().ok()?, r.body.parse().ok()?)));
        Ok((seen.map(|(task_id, message)| HeldListed { task_id, message }).collect(), next))
    }

    /// Deletes held messages; their tasks stay.
    pub(crate) async fn clear_held(&self, caller: &Caller) -> Result<Cleared, ApiError> {
        let kind = RecordKind::SandboxMessage;
        let (mut seen, mut deleted, mut after) = (0, 0, None);
        let more = loop {
            // Page by page: together they may be larger than the memory there is.
            let page = PageOf { limit: MAX_PAGE.min(CLEAR - seen), cursor: after };
            let (found, next) = records(self, kind, RecordOrder::Ascending, &page).await?;
            for record in &found {
                let gone = self.store().delete_record(kind, &record.name, Expect::Any).await?;
                deleted += usize::from(gone);
            }
            seen += found.len();
            match next {
                None => break false,
                Some(_) if seen >= CLEAR => break true,
                more => after = more,
            }
        };
        self.audit(caller, "sandbox.clear", deleted).await;
        Ok(Cleared { deleted, more })
    }

    /// The faults on order.
    pub(crate) async fn faults(&self) -> Result<Faults, ApiError> {
        let found = self.store().get_record(RecordKind::Setting, SETTING).await?;
        Ok(found.and_then(|r| r.body.parse().ok()).unwrap_or_default())
    }

    /// Orders faults in place of those that are on order.
    pub(crate) async fn order_faults(&self, caller: &Caller, faults: &Faults) -> Result<(), ApiError> {
        if faults.faults.is_empty() {
            self.store().delete_record(RecordKind::Setting, SETTING, Expect::Any).await?;
        } else {
            let body = Json::from_value(faults).map_err(|_| ApiError::Internal)?;
            self.store().put_record(RecordKind::Setting, SETTING, body, Expect::Any).await?;
        }
        self.audit(caller, "sandbox.faults", faults.faults.len()).await;
        Ok(())
    }
}
