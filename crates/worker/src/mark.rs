//! Marks of concurrent handlers, gathered into one call of the store: while one batch is being
//! made durable, the next one gathers.

use std::sync::Arc;
use std::time::{Duration, Instant};

use posthaste_core::broker::Fenced;
use posthaste_core::limits::MAX_SETTLE;
use posthaste_core::{LeaseRef, Store};
use tokio::sync::{mpsc, oneshot};
use tracing::warn;

use crate::handler::MarkError;
use crate::timings::{StoreCall, Timings};

/// A handler that waits for its mark.
pub(crate) struct MarkRequest {
    pub(crate) lease: LeaseRef,
    pub(crate) answer: oneshot::Sender<Result<(), MarkError>>,
}

/// Where handlers send their marks. Unbounded in type, bounded by the slots: each handler waits
/// for its answer.
pub(crate) type MarkSender = mpsc::UnboundedSender<MarkRequest>;

/// A handler waits for its mark for so many leases.
pub(crate) const LEASES: u32 = 4;
/// Pause after a call that failed.
const AGAIN: Duration = Duration::from_millis(200);

/// Answers marks until every sender is gone. `patience` bounds one call of the store, `give_up` how long a handler waits
/// for a store that does not answer: an outage is no reason to end an attempt that has sent nothing yet, and that has
/// a connection open for it.
pub(crate) async fn serve(
    store: Arc<dyn Store>,
    timings: Arc<Timings>,
    mut requests: mpsc::UnboundedReceiver<MarkRequest>,
    patience: Duration,
    give_up: Duration,
) {
    let mut fresh = Vec::new();
    let mut batch: Vec<(MarkRequest, Instant)> = Vec::new();
    loop {
        if batch.is_empty() {
            if requests.recv_many(&mut fresh, MAX_SETTLE).await == 0 {
                return;
            }
            // The first mark wakes this task at once; handlers that can run come to theirs before it goes on.
            tokio::task::yield_now().await;
        }
        // What waits for the store to come back is asked together with what came meanwhile, too.
        while batch.len() + fresh.len() < MAX_SETTLE
            && let Ok(request) = requests.try_recv()
        {
            fresh.push(request);
        }
        let now = Instant::now();
        batch.extend(fresh.drain(..).map(|r| (r, now)));
        // A handler that was dropped meanwhile sends nothing, so it needs no mark.
        batch.retain(|(r, _)| !r.answer.is_closed());
        if batch.is_empty() {
            continue;
        }
        let asked = Instant::now();
        let granted = ask(&*store, &batch, patience).await;
        timings.called(StoreCall::Mark, asked.elapsed());
        match granted {
            Ok(fenced) => {
                // A part of the store that is away holds up only what lies in it.
                for ((request, since), fenced) in std::mem::take(&mut batch).into_iter().zip(fenced) {
                    match fenced {
                        Fenced::Granted => answer(request, Ok(())),
                        Fenced::LeaseLost => answer(request, Err(MarkError::LeaseLost)),
                        Fenced::Unanswered => batch.push((request, since)),
                    }
                }
            }
            Err(why) => warn!(why, marks = batch.len(), "the store did not grant marks: nothing is sent yet"),
        }
        for (request, _) in batch.extract_if(.., |(_, since)| since.elapsed() >= give_up) {
            answer(request, Err(MarkError::StoreUnavailable));
        }
        if !batch.is_empty() {
            tokio::time::sleep(AGAIN).await;
        }
    }
}

fn answer(request: MarkRequest, answer: Result<(), MarkError>) {
    // The handler may be gone; then nothing was sent under this mark.
    let _ = request.answer.send(answer);
}

/// One call of the store; why, when it did not answer as it must.
async fn ask(
    store: &dyn Store,
    batch: &[(MarkRequest, Instant)],
    patience: Duration,
) -> Result<Vec<Fenced>, String> {
    let leases: Vec<LeaseRef> = batch.iter().map(|(r, _)| r.lease).collect();
    match tokio::time::timeout(patience, store.mark(&leases)).await {
        Ok(Ok(fenced)) if fenced.len() == leases.len() => Ok(fenced),
        Ok(Ok(fenced)) => Err(format!("{} answers to {} marks", fenced.len(), leases.len())),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err("no answer in time".to_owned()),
    }
}
