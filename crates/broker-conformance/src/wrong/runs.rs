//! Wrong about running tasks.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use posthaste_core::broker::{
    ClaimRequest, Extend, Extended, Fenced, ReleaseReason, SettleReply, SettleRequest, Settled, Settlement,
    TickReport,
};
use posthaste_core::limits::LEASE;
use posthaste_core::{
    BrokerError, Claimed, Failure, FailureClass, LeaseRef, LeaseToken, Outcome, State, Store, TaskId,
};

use super::twist::Twist;

/// The token that each task was last claimed under.
#[derive(Default)]
struct Tokens(Mutex<BTreeMap<TaskId, LeaseToken>>);

impl Tokens {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<TaskId, LeaseToken>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, claimed: &[Claimed]) {
        self.lock().extend(claimed.iter().map(|c| (c.lease.task, c.lease.token)));
    }

    /// The lease under which the task was last claimed.
    fn last(&self, lease: LeaseRef) -> LeaseRef {
        let token = self.lock().get(&lease.task).copied().unwrap_or(lease.token);
        LeaseRef { token, ..lease }
    }

    /// Whether a later claim than this lease's was seen.
    fn is_stale(&self, lease: LeaseRef) -> bool {
        self.last(lease) != lease
    }
}

/// Keeps all but the first of a claim of ten or more alive for ever.
#[derive(Default)]
pub(crate) struct ForgetsRescue(Mutex<Vec<LeaseRef>>);

#[async_trait]
impl Twist for ForgetsRescue {
    async fn claim(&self, real: &dyn Store, request: ClaimRequest) -> Result<Vec<Claimed>, BrokerError> {
        let claimed = real.claim(request).await?;
        if claimed.len() >= 10 {
            let mut forgotten = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            forgotten.extend(claimed.iter().skip(1).map(|c| c.lease));
        }
        Ok(claimed)
    }

    async fn tick(&self, real: &dyn Store) -> Result<TickReport, BrokerError> {
        let forgotten = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let extend: Vec<_> =
            forgotten.into_iter().map(|lease| Extend { lease, started: true, detached: false }).collect();
        real.extend(&extend, LEASE).await?;
        real.tick().await
    }
}

#[derive(Default)]
pub(crate) struct IgnoresTheToken(Tokens);

#[async_trait]
impl Twist for IgnoresTheToken {
    async fn claim(&self, real: &dyn Store, request: ClaimRequest) -> Result<Vec<Claimed>, BrokerError> {
        let claimed = real.claim(request).await?;
        self.0.note(&claimed);
        Ok(claimed)
    }

    async fn settle(&self, real: &dyn Store, mut request: SettleRequest) -> Result<SettleReply, BrokerError> {
        // Of a single success: batches, failures and settled tasks have cases of their own.
        if let [only] = request.settlements.as_mut_slice()
            && matches!(only.outcome, Outcome::Success { .. })
            && real.get(&[only.lease.task]).await?[0]
                .as_ref()
                .is_some_and(|t| t.state == State::Running && t.attempt > 1)
        {
            only.lease = self.0.last(only.lease);
        }
        real.settle(request).await
    }
}

#[derive(Default)]
pub(crate) struct FailsTheBatch(Tokens);

#[async_trait]
impl Twist for FailsTheBatch {
    async fn claim(&self, real: &dyn Store, request: ClaimRequest) -> Result<Vec<Claimed>, BrokerError> {
        let claimed = real.claim(request).await?;
        self.0.note(&claimed);
        Ok(claimed)
    }

    async fn settle(&self, real: &dyn Store, request: SettleRequest) -> Result<SettleReply, BrokerError> {
        let stale = request.settlements.iter().any(|s| self.0.is_stale(s.lease));
        if stale && request.settlements.len() > 1 {
            let settled = vec![Settled::LeaseLost; request.settlements.len()];
            return Ok(SettleReply { settled, ..SettleReply::default() });
        }
        real.settle(request).await
    }
}

#[derive(Default)]
pub(crate) struct ReleasesForAnyone(Tokens);

#[async_trait]
impl Twist for ReleasesForAnyone {
    async fn claim(&self, real: &dyn Store, request: ClaimRequest) -> Result<Vec<Claimed>, BrokerError> {
        let claimed = real.claim(request).await?;
        self.0.note(&claimed);
        Ok(claimed)
    }

    async fn release(
        &self,
        real: &dyn Store,
        leases: &[LeaseRef],
        reason: ReleaseReason,
    ) -> Result<Vec<Fenced>, BrokerError> {
        let leases: Vec<_> = leases.iter().map(|l| self.0.last(*l)).collect();
        real.release(&leases, reason).await
    }
}

#[derive(Default)]
pub(crate) struct ForgetsMarks;

#[async_trait]
impl Twist for ForgetsMarks {
    async fn mark(&self, real: &dyn Store, leases: &[LeaseRef]) -> Result<Vec<Fenced>, BrokerError> {
        let mut answers = real.mark(&leases[..leases.len().min(1)]).await?;
        answers.resize(leases.len(), Fenced::Granted);
        Ok(answers)
    }
}

#[derive(Default)]
pub(crate) struct CountsUnknownKinds;

#[async_trait]
impl Twist for CountsUnknownKinds {
    async fn release(
        &self,
        real: &dyn Store,
        leases: &[LeaseRef],
        reason: ReleaseReason,
    ) -> Result<Vec<Fenced>, BrokerError> {
        let ReleaseReason::UnknownKind { delay } = reason else {
            return real.release(leases, reason).await;
        };
        let failure = Failure::new(FailureClass::Transient, "no handler").with_retry_after(delay);
        let settlements = leases
            .iter()
            .map(|lease| Settlement { lease: *lease, outcome: Outcome::Failure(failure.clone()) })
            .collect();
        let reply = real.settle(SettleRequest { settlements, ..SettleRequest::default() }).await?;
        let fenced = |s: &Settled| match s {
            Settled::Settled(_) => Fenced::Granted,
            Settled::AlreadySettled | Settled::LeaseLost | Settled::Unanswered => Fenced::LeaseLost,
        };
        Ok(reply.settled.iter().map(fenced).collect())
    }
}

#[derive(Default)]
pub(crate) struct ExtendsLostLeases;

#[async_trait]
impl Twist for ExtendsLostLeases {
    async fn extend(
        &self,
        real: &dyn Store,
        leases: &[Extend],
        lease: Duration,
    ) -> Result<Vec<Extended>, BrokerError> {
        let mut answers = real.extend(leases, lease).await?;
        let ids: Vec<_> = leases.iter().map(|l| l.lease.task).collect();
        let tasks = real.get(&ids).await?;
        for (answer, task) in answers.iter_mut().zip(tasks) {
            // Running in its second attempt or later: somebody else's.
            if task.is_some_and(|t| t.state == State::Running && t.attempt > 1) {
                answer.lease = Fenced::Granted;
            }
        }
        Ok(answers)
    }
}

#[derive(Default)]
pub(crate) struct DropsHeldMessages;

#[async_trait]
impl Twist for DropsHeldMessages {
    async fn settle(&self, real: &dyn Store, mut request: SettleRequest) -> Result<SettleReply, BrokerError> {
        for s in request.settlements.iter_mut().skip(1) {
            if let Outcome::Success { kept, .. } = &mut s.outcome {
                *kept = None;
            }
        }
        real.settle(request).await
    }
}

/// Lets a failure say nothing of its lane but what its class says.
#[derive(Default)]
pub(crate) struct ForgetsLaneFaults;

#[async_trait]
impl Twist for ForgetsLaneFaults {
    async fn settle(&self, real: &dyn Store, mut request: SettleRequest) -> Result<SettleReply, BrokerError> {
        for s in &mut request.settlements {
            if let Outcome::Failure(f) = &mut s.outcome {
                f.lane = None;
            }
        }
        real.settle(request).await
    }
}

/// Forgets under which settings a provider refused us.
#[derive(Default)]
pub(crate) struct ForgetsSettings;

#[async_trait]
impl Twist for ForgetsSettings {
    async fn settle(&self, real: &dyn Store, mut request: SettleRequest) -> Result<SettleReply, BrokerError> {
        for s in &mut request.settlements {
            if let Outcome::Failure(f) = &mut s.outcome {
                f.settings = None;
            }
        }
        real.settle(request).await
    }
}

/// Does not say what outcomes did to lanes.
#[derive(Default)]
pub(crate) struct TellsNoPauses;

#[async_trait]
impl Twist for TellsNoPauses {
    async fn settle(&self, real: &dyn Store, request: SettleRequest) -> Result<SettleReply, BrokerError> {
        let reply = real.settle(request).await?;
        Ok(SettleReply { lanes: Vec::new(), ..reply })
    }
}
