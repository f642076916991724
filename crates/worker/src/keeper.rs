//! The lease keeper: an OS thread of its own, so that handlers that block the runtime do not cost
//! the worker its leases. It extends leases, asks for cancel flags and renews the registration.

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use posthaste_core::broker::{Extend, Fenced, WorkerInfo};
use posthaste_core::limits::{CANCEL_POLL, EXTEND_EVERY, MAX_SETTLE};
use posthaste_core::{BrokerError, LeaseRef, Timestamp};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout};
use tracing::{debug, info, warn};

use crate::running::Running;
use crate::shared::Shared;
use crate::timings::StoreCall;
use crate::traced::task_line;

/// How often the registration is renewed.
const HEARTBEAT_EVERY: Duration = EXTEND_EVERY;
/// A failed extend is tried again after this, not only after a third of the lease.
const EXTEND_AGAIN: Duration = Duration::from_millis(500);
/// A failed heartbeat is tried again after this: others judge by it whether this worker lives.
const HEARTBEAT_AGAIN: Duration = Duration::from_secs(1);
/// How long cancel flags and heartbeats may take: while one hangs, no lease is extended.
const ASIDE: Duration = Duration::from_secs(2);
/// How often leases that cannot be extended are complained of.
const COMPLAIN_EVERY: Duration = Duration::from_secs(10);
/// How long the last heartbeat may take.
const GOODBYE: Duration = Duration::from_secs(1);

/// What the keeper is told.
enum Note {
    /// Do everything now.
    #[cfg(test)]
    Now,
    /// Take the registration back and end.
    Stop(oneshot::Sender<()>),
}

/// A handle on the keeper's thread, which ends when the handle is dropped.
pub(crate) struct Keeper {
    notes: mpsc::UnboundedSender<Note>,
    _thread: JoinHandle<()>,
}

impl Keeper {
    /// Starts the thread.
    ///
    /// # Errors
    /// When the system gives no thread or no timer.
    pub(crate) fn start(shared: Arc<Shared>, started_at: Timestamp) -> io::Result<Self> {
        let (notes, told) = mpsc::unbounded_channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let thread = std::thread::Builder::new()
            .name("posthaste-lease".to_owned())
            .spawn(move || runtime.block_on(keep(shared, told, started_at)))?;
        Ok(Self { notes, _thread: thread })
    }

    /// Takes the registration back; returns when that is done or was given up.
    pub(crate) async fn stop(self) {
        let (done, ended) = oneshot::channel();
        if self.notes.send(Note::Stop(done)).is_ok() {
            // An error means that the thread is gone, which is what we want. One that is busy with a
            // store that hangs is not waited for: it ends by itself.
            let _ = timeout(GOODBYE * 2, ended).await;
        }
    }

    #[cfg(test)]
    pub(crate) fn now(&self) {
        let _ = self.notes.send(Note::Now);
    }
}

/// The worker as others see it.
pub(crate) fn registration(shared: &Shared, started_at: Timestamp) -> WorkerInfo {
    let config = &shared.config;
    let narrow = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    WorkerInfo {
        id: shared.id.clone(),
        host: config.host.clone(),
        pid: std::process::id(),
        version: config.version.clone(),
        queues: config.queues.iter().map(|q| q.queue.clone()).collect(),
        kinds: shared.registry.kinds().cloned().collect(),
        slots: narrow(config.slots()),
        running: narrow(shared.board.filled().running),
        started_at,
        seen_at: started_at,
        stopping: shared.stop.is_cancelled(),
    }
}

async fn keep(shared: Arc<Shared>, mut told: mpsc::UnboundedReceiver<Note>, started_at: Timestamp) {
    let extend_every = shared.config.lease / 3;
    let mut extend_at = Instant::now() + extend_every;
    let mut flags_at = Instant::now() + CANCEL_POLL;
    let mut beat_at = Instant::now() + HEARTBEAT_EVERY;
    let aside = ASIDE.min(extend_every);
    let mut complaints = Complaints::default();
    loop {
        tokio::select! {
            () = tokio::time::sleep_until(extend_at.min(flags_at).min(beat_at)) => {}
            note = told.recv() => match note {
                #[cfg(test)]
                Some(Note::Now) => [extend_at, flags_at, beat_at] = [Instant::now(); 3],
                Some(Note::Stop(done)) => {
                    goodbye(&shared, started_at).await;
                    let _ = done.send(());
                    return;
                }
                // The worker was dropped without a shutdown: its leases run out.
                None => return,
            },
        }
        let now = Instant::now();
        if extend_at <= now {
            let extended = extend(&shared, extend_every, &mut complaints).await;
            extend_at = Instant::now() + if extended { extend_every } else { EXTEND_AGAIN.min(extend_every) };
        }
        if flags_at <= now {
            ask_cancel_flags(&shared, aside).await;
            flags_at = Instant::now() + CANCEL_POLL;
        }
        if beat_at <= now {
            let beat =
                failure(timeout(aside, shared.store.heartbeat(registration(&shared, started_at))).await);
            if let Some(error) = &beat {
                debug!(%error, "the registration was not renewed");
            }
            beat_at = Instant::now() + if beat.is_none() { HEARTBEAT_EVERY } else { HEARTBEAT_AGAIN };
        }
    }
}

/// When it was last complained that leases were not extended; nothing while they are.
#[derive(Default)]
struct Complaints(Option<Instant>);

impl Complaints {
    fn failed(&mut self, error: &BrokerError, leases: usize) {
        let now = Instant::now();
        if self.0.is_none_or(|t| now >= t + COMPLAIN_EVERY) {
            self.0 = Some(now);
            warn!(%error, leases, "leases were not extended; trying again");
        }
    }

    fn succeeded(&mut self) {
        if self.0.take().is_some() {
            info!("leases are extended again");
        }
    }
}

/// Extends every lease; `false` when the store did not take all of it.
async fn extend(shared: &Shared, patience: Duration, complaints: &mut Complaints) -> bool {
    let tasks: Vec<Arc<Running>> = shared.leases.all().into_iter().filter(|t| !t.is_lost()).collect();
    let mut unanswered = 0;
    for part in tasks.chunks(MAX_SETTLE) {
        let leases: Vec<Extend> = part
            .iter()
            .map(|t| Extend { lease: t.lease, started: t.is_started(), detached: false })
            .collect();
        let asked = Instant::now();
        let answer = timeout(patience, shared.store.extend(&leases, shared.config.lease)).await;
        shared.timings.called(StoreCall::Extend, asked.elapsed());
        match answer {
            Ok(Ok(answers)) => {
                unanswered += answers.iter().filter(|a| a.lease == Fenced::Unanswered).count();
                for (task, answer) in part.iter().zip(answers) {
                    // A task that ended is settled at this moment perhaps: its lease is gone rightly.
                    if answer.lease == Fenced::LeaseLost && !task.is_ended() && task.lose() {
                        task_line!(warn, task, "a lease was lost: its handler is told to stop");
                    } else if answer.cancel_requested {
                        task.cancel.cancel();
                    }
                }
            }
            other => {
                if let Some(error) = failure(other) {
                    complaints.failed(&error, leases.len());
                }
                return false;
            }
        }
    }
    if unanswered > 0 {
        let why = "a part of the store does not answer".to_owned();
        complaints.failed(&BrokerError::Unavailable { why }, unanswered);
        return false;
    }
    complaints.succeeded();
    true
}

async fn ask_cancel_flags(shared: &Shared, patience: Duration) {
    let tasks: Vec<Arc<Running>> =
        shared.leases.all().into_iter().filter(|t| !t.is_ended() && !t.cancel.is_cancelled()).collect();
    for part in tasks.chunks(MAX_SETTLE) {
        let leases: Vec<LeaseRef> = part.iter().map(|t| t.lease).collect();
        match timeout(patience, shared.store.cancel_flags(&leases)).await {
            Ok(Ok(flags)) => {
                part.iter().zip(flags).filter(|(_, flag)| *flag).for_each(|(task, _)| task.cancel.cancel());
            }
            other => {
                if let Some(error) = failure(other) {
                    debug!(%error, "cancel flags were not read");
                }
                return;
            }
        }
    }
}

async fn goodbye(shared: &Shared, started_at: Timestamp) {
    let gone = WorkerInfo {
        queues: Vec::new(),
        slots: 0,
        stopping: true,
        running: 0,
        ..registration(shared, started_at)
    };
    if let Some(error) = failure(timeout(GOODBYE, shared.store.heartbeat(gone)).await) {
        debug!(%error, "the registration was not taken back: it runs out");
    }
}

fn failure<T>(answer: Result<Result<T, BrokerError>, tokio::time::error::Elapsed>) -> Option<BrokerError> {
    match answer {
        Ok(Ok(_)) => None,
        Ok(Err(error)) => Some(error),
        Err(_) => Some(BrokerError::Unavailable { why: "no answer in time".to_owned() }),
    }
}
