//! Wrong on the way in and out.

use async_trait::async_trait;
use posthaste_core::broker::{ClaimRequest, EnqueueReply, EnqueueRequest};
use posthaste_core::{BrokerError, Claimed, Store};

use super::twist::Twist;

/// Only in claims that ask for this many or more.
const LARGE: usize = 50;

#[derive(Default)]
pub(crate) struct ClaimsTwice;

#[async_trait]
impl Twist for ClaimsTwice {
    async fn claim(&self, real: &dyn Store, request: ClaimRequest) -> Result<Vec<Claimed>, BrokerError> {
        let all_of_one_lane = request.max == LARGE;
        let mut claimed = real.claim(request).await?;
        if all_of_one_lane && (1..LARGE).contains(&claimed.len()) {
            claimed.push(claimed[0].clone());
        }
        Ok(claimed)
    }
}

#[derive(Default)]
pub(crate) struct StartsEverything;

#[async_trait]
impl Twist for StartsEverything {
    async fn claim(&self, real: &dyn Store, request: ClaimRequest) -> Result<Vec<Claimed>, BrokerError> {
        let start = request.start;
        let mut claimed = real.claim(ClaimRequest { start: request.max, ..request }).await?;
        for c in claimed.iter_mut().skip(start) {
            c.started = false;
        }
        Ok(claimed)
    }
}

#[derive(Default)]
pub(crate) struct ForgetsHeld;

#[async_trait]
impl Twist for ForgetsHeld {
    async fn claim(&self, real: &dyn Store, request: ClaimRequest) -> Result<Vec<Claimed>, BrokerError> {
        real.claim(ClaimRequest { held: Vec::new(), ..request }).await
    }
}

#[derive(Default)]
pub(crate) struct LosesIdempotency;

#[async_trait]
impl Twist for LosesIdempotency {
    async fn enqueue(&self, real: &dyn Store, request: EnqueueRequest) -> Result<EnqueueReply, BrokerError> {
        let reply = real.enqueue(request.clone()).await?;
        let ids: Vec<_> = reply.tasks.iter().map(|t| t.id).collect();
        if reply.replayed && real.get(&ids).await?.iter().all(Option::is_none) {
            return real.enqueue(EnqueueRequest { idempotency: None, ..request }).await;
        }
        Ok(reply)
    }
}

#[derive(Default)]
pub(crate) struct KnowsNoAskedKey;

#[async_trait]
impl Twist for KnowsNoAskedKey {
    async fn enqueue(&self, real: &dyn Store, request: EnqueueRequest) -> Result<EnqueueReply, BrokerError> {
        if request.tasks.is_empty() {
            return Ok(EnqueueReply { tasks: Vec::new(), replayed: false });
        }
        real.enqueue(request).await
    }
}
