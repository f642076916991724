//! Marks of concurrent handlers, gathered into one call of the store: while one batch is being
//! made durable, the next one gathers.

use std::sync::Arc;
use std::time::Duration;

use posthaste_core::broker::Fenced;
use posthaste_core::limits::MAX_SETTLE;
use posthaste_core::{LeaseRef, Store};
use tokio::sync::{mpsc, oneshot};
use tracing::warn;

use crate::handler::MarkError;

/// A handler that waits for its mark.
pub(crate) struct MarkRequest {
    pub(crate) lease: LeaseRef,
    pub(crate) answer: oneshot::Sender<Result<(), MarkError>>,
}

/// Where handlers send their marks. Unbounded in type, bounded by the slots: each handler waits
/// for its answer.
pub(crate) type MarkSender = mpsc::UnboundedSender<MarkRequest>;

/// Answers marks until every sender is gone. `patience` bounds one call of the store.
pub(crate) async fn serve(
    store: Arc<dyn Store>,
    mut requests: mpsc::UnboundedReceiver<MarkRequest>,
    patience: Duration,
) {
    let mut batch = Vec::new();
    while requests.recv_many(&mut batch, MAX_SETTLE).await > 0 {
        // A handler that was dropped meanwhile sends nothing, so it needs no mark.
        batch.retain(|r| !r.answer.is_closed());
        let leases: Vec<LeaseRef> = batch.iter().map(|r| r.lease).collect();
        if leases.is_empty() {
            continue;
        }
        let answers = match tokio::time::timeout(patience, store.mark(&leases)).await {
            Ok(Ok(fenced)) if fenced.len() == leases.len() => {
                fenced.into_iter().map(Some).collect::<Vec<_>>()
            }
            Ok(Ok(fenced)) => {
                warn!(asked = leases.len(), answered = fenced.len(), "the store answered too few marks");
                vec![None; leases.len()]
            }
            Ok(Err(error)) => {
                warn!(%error, marks = leases.len(), "the store refused marks: nothing is sent");
                vec![None; leases.len()]
            }
            Err(_) => {
                warn!(marks = leases.len(), "the store did not answer marks in time: nothing is sent");
                vec![None; leases.len()]
            }
        };
        for (request, fenced) in batch.drain(..).zip(answers) {
            // The handler may be gone; then nothing was sent under this mark.
            let _ = request.answer.send(match fenced {
                Some(Fenced::Granted) => Ok(()),
                Some(Fenced::LeaseLost) => Err(MarkError::LeaseLost),
                None => Err(MarkError::StoreUnavailable),
            });
        }
    }
}
