//! The driver's calls of the store, each a future with everything needed to send it again.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use posthaste_core::broker::{Extend, Extended, Fenced, ReleaseReason, SettleReply, SettleRequest};
use posthaste_core::{BrokerError, LeaseRef, Outcome};
use tokio::time::{Instant, timeout};

use crate::running::Running;
use crate::shared::Shared;
use crate::timings::StoreCall;

/// A task with the outcome that is to be stored.
pub(crate) struct Ended {
    pub(crate) task: Arc<Running>,
    pub(crate) outcome: Outcome,
}

/// Tasks to be given back for one reason.
pub(crate) struct GiveBack {
    pub(crate) leases: Vec<LeaseRef>,
    pub(crate) reason: ReleaseReason,
}

/// Tasks to be let go of, under leases of one length.
pub(crate) struct LetGo {
    pub(crate) tasks: Vec<Arc<Running>>,
    pub(crate) lease: Duration,
}

/// A call that came back.
pub(crate) enum Answer {
    Settled {
        ended: Vec<Ended>,
        began: Vec<Arc<Running>>,
        /// How many tasks it asked for; `None` when it did not claim.
        asked: Option<usize>,
        reply: Result<SettleReply, BrokerError>,
    },
    Released {
        back: GiveBack,
        reply: Result<Vec<Fenced>, BrokerError>,
    },
    LetGo {
        gone: LetGo,
        reply: Result<Vec<Extended>, BrokerError>,
    },
}

pub(crate) type Call = Pin<Box<dyn Future<Output = Answer> + Send>>;

/// Settles `ended` as `request` says. The outcomes are kept until the store has answered.
pub(crate) fn settle(
    shared: &Arc<Shared>,
    request: SettleRequest,
    ended: Vec<Ended>,
    began: Vec<Arc<Running>>,
) -> Call {
    let shared = shared.clone();
    Box::pin(async move {
        let asked = request.claim.as_ref().map(|c| c.max);
        let call = if ended.is_empty() && asked.is_some() { StoreCall::Claim } else { StoreCall::Settle };
        let sent = Instant::now();
        let reply = patiently(shared.patience(), shared.store.settle(request)).await.and_then(|reply| {
            if reply.settled.len() == ended.len() {
                return Ok(reply);
            }
            let what = format!("{} answers to {} outcomes", reply.settled.len(), ended.len());
            Err(BrokerError::Corrupt { what })
        });
        shared.timings.called(call, sent.elapsed());
        Answer::Settled { ended, began, asked, reply }
    })
}

/// Gives tasks back.
pub(crate) fn release(shared: &Arc<Shared>, back: GiveBack) -> Call {
    let shared = shared.clone();
    Box::pin(async move {
        let reply = patiently(shared.patience(), shared.store.release(&back.leases, back.reason)).await;
        Answer::Released { back, reply }
    })
}

/// Extends leases so that they live on without this worker.
pub(crate) fn let_go(shared: &Arc<Shared>, gone: LetGo) -> Call {
    let shared = shared.clone();
    Box::pin(async move {
        let leases: Vec<Extend> =
            gone.tasks.iter().map(|t| Extend { lease: t.lease, started: true, detached: true }).collect();
        let reply = patiently(shared.patience(), shared.store.extend(&leases, gone.lease)).await;
        Answer::LetGo { gone, reply }
    })
}

async fn patiently<T>(
    patience: Duration,
    call: impl Future<Output = Result<T, BrokerError>>,
) -> Result<T, BrokerError> {
    // Every call may be sent twice, so one that hangs is given up and sent again, and so is one that panics: what it carried
    // must not go down with it.
    match timeout(patience, AssertUnwindSafe(call).catch_unwind()).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(panic)) => {
            Err(BrokerError::Unavailable { why: format!("its code panicked: {}", words_of(&*panic)) })
        }
        Err(_) => Err(BrokerError::Unavailable { why: format!("no answer within {patience:?}") }),
    }
}

/// What a panic said.
pub(crate) fn words_of(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no words")
}
