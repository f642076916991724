//! Tasks that run elsewhere: whoever holds the token of the lease says how it goes.

use std::time::Duration;

use posthaste_core::broker::{Extend, Fenced, SettleRequest, Settled, Settlement};
use posthaste_core::limits::MAX_DETACHED_LEASE;
use posthaste_core::{Failure, Json, LeaseRef, LeaseToken, Outcome, State, TaskId};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{Api, ApiError, schema};

/// What a heartbeat answers.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[schema(as = Heartbeat, example = json!({ "cancel_requested": false }))]
pub(crate) struct HeartbeatView {
    /// Whether somebody asked to cancel the task: stop, and say that it failed.
    pub cancel_requested: bool,
}

/// What became of a task.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[schema(as = SettledTask, example = json!({ "id": "0199f3a0-7c1e-7a52-9d0e-3f6f1c2b4a58", "state": "succeeded" }))]
pub(crate) struct SettledView {
    /// The task.
    #[schema(value_type = schema::Id)]
    pub id: TaskId,
    /// Its state now.
    #[schema(value_type = schema::State)]
    pub state: State,
}

impl Api {
    /// Extends a lease, so that the task is not given to somebody else meanwhile.
    pub(crate) async fn external_heartbeat(
        &self,
        id: TaskId,
        token: LeaseToken,
        within: Duration,
    ) -> Result<HeartbeatView, ApiError> {
        let extend = Extend { lease: LeaseRef { task: id, token }, started: true, detached: true };
        let extended = self.store().extend(&[extend], within.min(MAX_DETACHED_LEASE)).await?;
        match extended.first().map(|e| (e.lease, e.cancel_requested)) {
            Some((Fenced::Granted, cancel_requested)) => Ok(HeartbeatView { cancel_requested }),
            Some((Fenced::LeaseLost, _)) => Err(ApiError::LeaseLost),
            Some((Fenced::Unanswered, _)) => Err(away()),
            None => Err(super::fault("an extend of one lease answered none")()),
        }
    }

    /// Stores how a task ended.
    pub(crate) async fn external_settle(
        &self,
        id: TaskId,
        token: LeaseToken,
        outcome: Result<Option<Json>, Failure>,
    ) -> Result<SettledView, ApiError> {
        let outcome = match outcome {
            Ok(result) => Outcome::Success { result, kept: None },
            Err(failure) => Outcome::Failure(failure),
        };
        let settlement = Settlement { lease: LeaseRef { task: id, token }, outcome };
        let request = SettleRequest { settlements: vec![settlement], ..SettleRequest::default() };
        match self.store().settle(request).await?.settled.first() {
            Some(Settled::Settled(state)) => Ok(SettledView { id, state: *state }),
            // The same word said twice: the task is as the first left it.
            Some(Settled::AlreadySettled) => {
                let found = self.store().get(&[id]).await?.into_iter().next().flatten();
                found.map(|t| SettledView { id, state: t.state }).ok_or(ApiError::LeaseLost)
            }
            Some(Settled::LeaseLost) => Err(ApiError::LeaseLost),
            Some(Settled::Unanswered) => Err(away()),
            None => Err(super::fault("a settle of one outcome answered none")()),
        }
    }
}

fn away() -> ApiError {
    ApiError::Unavailable { why: "the part of the store that has the task did not answer".into() }
}
