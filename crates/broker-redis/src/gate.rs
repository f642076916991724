//! Where requests wait for a call to their shard. A few calls are under way at once; who comes meanwhile shares the next.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use posthaste_core::broker::{EnqueueReply, EnqueueRequest};
use posthaste_core::{BrokerError, IdempotencyKey, NewTask};
use tokio::sync::oneshot;

/// Calls under way at once per shard; who comes meanwhile shares the next.
const IN_FLIGHT: usize = 2;
/// Tasks in one script call at the most, unless one request alone has more.
const GROUP_TASKS: usize = 1_000;
/// Bytes of payload in one script call at the most, unless one request alone has more.
const GROUP_BYTES: usize = 512 * 1024;
/// Bytes of payload that may wait for one shard: a store that hangs must not fill the memory of those who wait for it.
const MAX_WAITING: usize = 64 * 1024 * 1024;

/// How the ids of a request came about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ids {
    /// They are minted with the call.
    New,
    /// They were reserved before, so that those which are there already stay.
    Reserved,
    /// The same, and a repeat of the request may come after they were pruned.
    Repeatable,
}

/// One request on its way to a shard.
pub(crate) struct Waiting {
    pub(crate) tasks: Vec<NewTask>,
    pub(crate) idempotency: Option<IdempotencyKey>,
    /// How its ids came about.
    pub(crate) ids: Ids,
    pub(crate) reply: oneshot::Sender<Result<EnqueueReply, BrokerError>>,
}

impl Waiting {
    /// Its payloads, and about what it takes beside them.
    fn bytes(&self) -> usize {
        self.tasks.iter().map(|t| t.payload.len() + 256).sum()
    }
}

/// How a request that waits hears of its end.
type Answer = oneshot::Receiver<Result<EnqueueReply, BrokerError>>;

/// Requests that wait for a call to one shard.
#[derive(Default)]
pub(crate) struct Gate {
    state: Mutex<GateState>,
}

#[derive(Default)]
struct GateState {
    waiting: VecDeque<Waiting>,
    bytes: usize,
    in_flight: usize,
}

impl Gate {
    /// Lets a request wait. Who gets a turn has to make the calls; everybody gets their answer.
    ///
    /// # Errors
    /// [`BrokerError::Unavailable`] when too much waits already.
    pub(crate) fn enter(
        self: &Arc<Self>,
        request: EnqueueRequest,
        ids: Ids,
    ) -> Result<(Option<Turn>, Answer), BrokerError> {
        let (reply, answer) = oneshot::channel();
        let waiting = Waiting { tasks: request.tasks, idempotency: request.idempotency, ids, reply };
        let mut state = self.lock();
        let bytes = waiting.bytes();
        if !state.waiting.is_empty() && state.bytes + bytes > MAX_WAITING {
            let why = "too many requests wait for the store; try again in a moment".to_owned();
            return Err(BrokerError::Unavailable { why });
        }
        state.bytes += bytes;
        state.waiting.push_back(waiting);
        let start = state.in_flight < IN_FLIGHT;
        state.in_flight += usize::from(start);
        drop(state);
        Ok((start.then(|| Turn { gate: Arc::clone(self), over: false }), answer))
    }

    fn lock(&self) -> MutexGuard<'_, GateState> {
        // The queue is whole between any two statements, so a panic elsewhere does not spoil it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The right to have a call under way. It ends with its pump, also when the pump's runtime is shut down.
pub(crate) struct Turn {
    gate: Arc<Gate>,
    over: bool,
}

impl Turn {
    /// The requests of the next call; none ends the turn, in the same moment in which nobody waits.
    pub(crate) fn next_group(&mut self) -> Vec<Waiting> {
        let mut state = self.gate.lock();
        let (mut tasks, mut bytes) = (0, 0);
        let mut group = Vec::new();
        while let Some(next) = state.waiting.front() {
            // Nobody waits for it any more: it was told, or gave up.
            if next.reply.is_closed() {
                let own = next.bytes();
                state.bytes -= own;
                state.waiting.pop_front();
                continue;
            }
            let own = next.bytes();
            tasks += next.tasks.len();
            bytes += own;
            if !group.is_empty() && (tasks > GROUP_TASKS || bytes > GROUP_BYTES) {
                break;
            }
            state.bytes -= own;
            group.extend(state.waiting.pop_front());
        }
        if group.is_empty() {
            state.in_flight -= 1;
            self.over = true;
        }
        group
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if !self.over {
            self.gate.lock().in_flight -= 1;
        }
    }
}
