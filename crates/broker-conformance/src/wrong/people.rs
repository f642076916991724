//! Wrong in what people and watchers ask for.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use async_trait::async_trait;
use posthaste_core::broker::{ListRequest, Page, PauseRequest, Retried};
use posthaste_core::portable::Erased;
use posthaste_core::{
    BrokerError, Expect, LeaseRef, RecordKind, Scope, State, Store, Subscription, TaskId, Timestamp, Wakeups,
};

use super::twist::Twist;

#[derive(Default)]
pub(crate) struct DropsCancelFlags;

#[async_trait]
impl Twist for DropsCancelFlags {
    async fn cancel_flags(&self, real: &dyn Store, leases: &[LeaseRef]) -> Result<Vec<bool>, BrokerError> {
        let flags = real.cancel_flags(leases).await?;
        let ids: Vec<_> = leases.iter().map(|l| l.task).collect();
        let tasks = real.get(&ids).await?;
        // A lost lease is still told, and so is a call about one task.
        let asked = |t: &posthaste_core::Task| t.state == State::Running && t.cancel_requested;
        let dropped = tasks.iter().map(|t| leases.len() > 1 && t.as_ref().is_some_and(asked));
        Ok(flags.into_iter().zip(dropped).map(|(flag, dropped)| flag && !dropped).collect())
    }
}

#[derive(Default)]
pub(crate) struct ServesAPausedLane;

#[async_trait]
impl Twist for ServesAPausedLane {
    async fn pause(&self, real: &dyn Store, request: PauseRequest) -> Result<(), BrokerError> {
        match &request.scope {
            Scope::Lane(_, key) if key.tenant.is_some() => Ok(()),
            _ => real.pause(request).await,
        }
    }
}

#[derive(Default)]
pub(crate) struct CutsPausesShort;

#[async_trait]
impl Twist for CutsPausesShort {
    async fn pause(&self, real: &dyn Store, request: PauseRequest) -> Result<(), BrokerError> {
        if request.for_.is_some() {
            real.resume(&request.scope).await?;
        }
        real.pause(request).await
    }
}

#[derive(Default)]
pub(crate) struct KeepsTheGeneration;

#[async_trait]
impl Twist for KeepsTheGeneration {
    async fn retry(
        &self,
        real: &dyn Store,
        ids: &[TaskId],
        expires_at: Option<Timestamp>,
    ) -> Result<Vec<Retried>, BrokerError> {
        let mut answers = real.retry(ids, expires_at).await?;
        for a in &mut answers {
            if let Retried::Done { generation } = a {
                *generation -= 1;
            }
        }
        Ok(answers)
    }
}

#[derive(Default)]
pub(crate) struct KeepsTheExpiry;

#[async_trait]
impl Twist for KeepsTheExpiry {
    async fn retry(
        &self,
        real: &dyn Store,
        ids: &[TaskId],
        expires_at: Option<Timestamp>,
    ) -> Result<Vec<Retried>, BrokerError> {
        let old = real.get(ids).await?.into_iter().flatten().find_map(|t| t.expires_at);
        real.retry(ids, expires_at.or(old)).await
    }
}

#[derive(Default)]
pub(crate) struct ForgetsTheWatchedTask;

#[async_trait]
impl Twist for ForgetsTheWatchedTask {
    fn subscribe(&self, real: &dyn Store, _task: Option<TaskId>) -> Box<dyn Subscription> {
        real.subscribe(None)
    }
}

#[derive(Default)]
pub(crate) struct LosesMissedWakeups;

#[async_trait]
impl Twist for LosesMissedWakeups {
    fn wakeups(&self, real: &dyn Store) -> Box<dyn Wakeups> {
        Box::new(Deaf(real.wakeups()))
    }
}

/// Hears only what rings while it waits.
struct Deaf(Box<dyn Wakeups>);

#[async_trait]
impl Wakeups for Deaf {
    async fn wait(&mut self) {
        loop {
            let mut missed = pin!(self.0.wait());
            if poll_fn(|cx| Poll::Ready(missed.as_mut().poll(cx).is_pending())).await {
                return missed.await;
            }
        }
    }
}

#[derive(Default)]
pub(crate) struct ShowsEveryTenant;

#[async_trait]
impl Twist for ShowsEveryTenant {
    async fn list(&self, real: &dyn Store, mut request: ListRequest) -> Result<Page, BrokerError> {
        request.filter.tenant = None;
        real.list(request).await
    }
}

#[derive(Default)]
pub(crate) struct ErasesTheUnknown;

#[async_trait]
impl Twist for ErasesTheUnknown {
    async fn erase(&self, real: &dyn Store, ids: &[TaskId]) -> Result<Vec<Erased>, BrokerError> {
        let answers = real.erase(ids).await?;
        let polite = |a| if a == Erased::NotFound && ids.len() > 1 { Erased::Erased } else { a };
        Ok(answers.into_iter().map(polite).collect())
    }
}

#[derive(Default)]
pub(crate) struct IgnoresVersions;

#[async_trait]
impl Twist for IgnoresVersions {
    async fn delete_record(
        &self,
        real: &dyn Store,
        kind: RecordKind,
        name: &str,
        _expect: Expect,
    ) -> Result<bool, BrokerError> {
        real.delete_record(kind, name, Expect::Any).await
    }
}
