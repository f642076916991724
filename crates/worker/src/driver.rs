//! The driver: one loop that stores outcomes and claims work, both in one call of the store, with
//! up to two calls on their way so that the store's group commit and the handlers overlap.
//!
//! It never waits for a handler and never loses an outcome while the process lives: what a call
//! carried is kept until the store has answered, and sent again when it has not.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use posthaste_core::broker::{
    ClaimRequest, Extended, Fenced, ReleaseReason, SettleReply, SettleRequest, Settled, Settlement,
};
use posthaste_core::limits::{
    MAX_CLAIM, MAX_DETACHED_LEASE, MAX_SETTLE, UNKNOWN_KIND_BASE, UNKNOWN_KIND_CAP,
};
use posthaste_core::{BrokerError, Claimed, Failure, FailureClass, Kind, LeaseRef, Outcome, State};
use tokio::time::Instant;
use tracing::{debug, error, info, warn};

use crate::attempt::spawn_runners;
use crate::board::{Done, End, Filled};
use crate::calls::{self, Answer, Call, Ended, GiveBack, LetGo, words_of};
use crate::failed_lines::FailedLines;

use crate::lane_lines::LaneLines;
use crate::pace::{Backoff, Pace};
use crate::queues::QueueTurns;
use crate::running::Running;
use crate::shared::Shared;
use crate::stats::add;
use crate::stopping::{ShutdownReport, Stopping};
use crate::traced::task_line;

/// Calls of the store on their way at once, apart from releases.
const MAX_CALLS: usize = 2;
/// With at most this many tasks in hand an outcome is stored at once.
const FEW: usize = 4;
/// Nothing runs any more, but so many outcomes are worth a call of their own. Fewer, beyond a few, tell of a steady stream of
/// short tasks: gathered for a moment they cost the store half as many calls.
const ENOUGH: usize = 32;
/// Otherwise outcomes gather for this long; the runtime's timer makes it up to twice that.
const GATHER: Duration = Duration::from_millis(1);
/// A claim that brought less than it asked for is followed by the next one after this at the earliest.
const CLAIM_EVERY: Duration = Duration::from_millis(1);
/// Without any wake-up, work is looked for this often.
const SWEEP: Duration = Duration::from_secs(1);
/// Outcomes whose part of the store did not answer are sent again after this.
const UNANSWERED_AGAIN: Duration = Duration::from_millis(500);
/// How often it is said that a part of the store does not answer.
const SAY_AGAIN: Duration = Duration::from_secs(10);
/// How long it waits after a panic, twice as long after each further one, up to 64 times.
const AFTER_PANIC: Duration = Duration::from_millis(50);
/// So many panics, and a shutdown is not gone on with.
const PANICS_AT_THE_END: u32 = 8;
/// How often one unknown kind is reported.
const REPORT_UNKNOWN: Duration = Duration::from_secs(60);

pub(crate) struct Driver {
    pub(crate) shared: Arc<Shared>,
    turns: QueueTurns,
    pace: Pace,
    backoff: Backoff,
    calls: FuturesUnordered<Call>,
    settles_out: usize,
    releases_out: usize,
    claiming: bool,
    /// There may be work that no wake-up will tell of again.
    hungry: bool,
    claim_after: Option<Instant>,
    claim_sent: Instant,
    /// Outcomes that are not on their way to the store.
    pub(crate) ended: Vec<Ended>,
    gathering_since: Option<Instant>,
    /// Outcomes whose part of the store did not answer, and when to send them again: the other parts go on meanwhile.
    later: Vec<Ended>,
    later_at: Option<Instant>,
    later_said: Option<Instant>,
    began: Vec<Arc<Running>>,
    pub(crate) back: Vec<GiveBack>,
    /// Tasks that somebody else will settle, until the store knows that they live on.
    detached: Vec<LetGo>,
    let_go_out: usize,
    /// Tasks whose lease this worker answers for.
    pub(crate) held: usize,
    unknown: HashMap<Kind, Instant>,
    failed_lines: FailedLines,
    lane_lines: LaneLines,
    swept: Instant,
    pub(crate) stopping: Option<Stopping>,
    panics: u32,
    /// Since a panic, what is held has not been counted.
    astray: bool,
    /// Reused between turns of the loop.
    done: Vec<Done>,
}

impl Driver {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        let now = Instant::now();
        let config = &shared.config;
        Self {
            turns: QueueTurns::new(&config.queues),
            pace: Pace::new(config.prefetch_window, config.prefetch, now),
            backoff: Backoff::default(),
            calls: FuturesUnordered::new(),
            settles_out: 0,
            releases_out: 0,
            claiming: false,
            hungry: true,
            claim_after: None,
            claim_sent: now,
            ended: Vec::new(),
            gathering_since: None,
            later: Vec::new(),
            later_at: None,
            later_said: None,
            began: Vec::new(),
            back: Vec::new(),
            detached: Vec::new(),
            let_go_out: 0,
            held: 0,
            unknown: HashMap::new(),
            failed_lines: FailedLines::default(),
            lane_lines: LaneLines::default(),
            swept: now,
            stopping: None,
            panics: 0,
            astray: false,
            done: Vec::new(),
            shared,
        }
    }

    /// Runs until a shutdown has ended. A panic of its own is told and gone on after.
    pub(crate) async fn run(mut self) -> ShutdownReport {
        loop {
            match AssertUnwindSafe(self.drive()).catch_unwind().await {
                Ok(report) => return report,
                Err(panic) => {
                    if let Some(report) = self.panicked(words_of(&*panic).to_owned()).await {
                        return report;
                    }
                }
            }
        }
    }

    /// Goes on after a panic; a report when there is nothing to go on with.
    async fn panicked(&mut self, why: String) -> Option<ShutdownReport> {
        self.panics += 1;
        error!(
            why,
            panics = self.panics,
            "the worker's driver panicked: it goes on, and what it held is settled or runs out"
        );
        self.astray = true;
        self.hungry = true;
        if self.stopping.is_some() && self.panics >= PANICS_AT_THE_END {
            return Some(ShutdownReport { left: self.shared.leases.len(), ..ShutdownReport::default() });
        }
        // Never a busy loop, should it panic each time.
        tokio::time::sleep(AFTER_PANIC.saturating_mul(1 << self.panics.min(6))).await;
        None
    }

    /// After a panic: once no call is on its way, what nobody holds any more is let go of. Its lease runs out, and the store
    /// hands it out again.
    fn find_astray(&mut self) {
        if !self.astray || !self.calls.is_empty() {
            return;
        }
        let lost = self.shared.leases.take_orphans();
        for task in &lost {
            task_line!(warn, task, "the end of a task was lost in a panic: its lease runs out");
        }
        (self.settles_out, self.releases_out, self.let_go_out) = (0, 0, 0);
        self.claiming = false;
        let unknown = self.back.iter().filter(|b| b.reason != ReleaseReason::Shutdown);
        self.held = self.shared.leases.len() + unknown.map(|b| b.leases.len()).sum::<usize>();
        self.astray = false;
    }

    async fn drive(&mut self) -> ShutdownReport {
        let shared = self.shared.clone();
        let mut wakeups = shared.store.wakeups();
        loop {
            let filled = self.gather();
            let now = Instant::now();
            self.step_stop(now);
            if let Some(report) = self.finished(now, filled) {
                return report;
            }
            self.sweep(now);
            self.take_up_later(now);
            self.find_astray();
            self.send_all(now, filled);
            self.listen(now, filled);
            let deadline = self.deadline(now);
            let stopping = self.stopping.is_some();
            tokio::select! {
                Some(answer) = self.calls.next(), if !self.calls.is_empty() => self.take(answer),
                () = shared.board.woken() => {}
                () = wakeups.wait(), if !self.hungry && !stopping => self.hungry = true,
                () = shared.work.notified(), if !stopping => self.hungry = true,
                () = tokio::time::sleep_until(deadline) => {}
                () = shared.stop.cancelled(), if !stopping => {}
                () = shared.abort.cancelled(), if !shared.kill.is_cancelled() => {}
            }
        }
    }

    /// Takes over what the handlers finished since.
    fn gather(&mut self) -> Filled {
        let mut done = std::mem::take(&mut self.done);
        let filled = self.shared.board.drain(&mut done, &mut self.began);
        self.pace.finished(done.len());
        for Done { task, end } in done.drain(..) {
            self.ended_by(task, end);
        }
        self.done = done;
        self.shared.counters.unsettled.store(
            self.held.saturating_sub(filled.running + filled.pending) as u64,
            std::sync::atomic::Ordering::Relaxed,
        );
        filled
    }

    /// Notes how a task ended; only its first end counts.
    pub(crate) fn ended_by(&mut self, task: Arc<Running>, end: End) {
        if !task.end() {
            return;
        }
        match end {
            End::Outcome(outcome) => {
                self.gathering_since.get_or_insert_with(Instant::now);
                self.ended.push(Ended { task, outcome });
            }
            End::Release => self.give_back(task.lease, ReleaseReason::Shutdown),
            End::Detach => self.detach(task),
        }
    }

    fn detach(&mut self, task: Arc<Running>) {
        let lease = task.task.policy.timeout.min(MAX_DETACHED_LEASE);
        match self.detached.iter_mut().find(|d| d.lease == lease && d.tasks.len() < MAX_SETTLE) {
            Some(gone) => gone.tasks.push(task),
            None => self.detached.push(LetGo { tasks: vec![task], lease }),
        }
    }

    pub(crate) fn give_back(&mut self, lease: LeaseRef, reason: ReleaseReason) {
        match self.back.iter_mut().find(|b| b.reason == reason && b.leases.len() < MAX_SETTLE) {
            Some(back) => back.leases.push(lease),
            None => self.back.push(GiveBack { leases: vec![lease], reason }),
        }
    }

    /// Sends what should be sent now.
    fn send_all(&mut self, now: Instant, filled: Filled) {
        if self.astray || self.backoff.until().is_some_and(|t| t > now) {
            return;
        }
        while let Some(back) = self.back.pop() {
            self.releases_out += 1;
            self.calls.push(calls::release(&self.shared, back));
            if self.backoff.is_failing() {
                break;
            }
        }
        while let Some(gone) = self.detached.pop() {
            self.let_go_out += 1;
            self.calls.push(calls::let_go(&self.shared, gone));
            if self.backoff.is_failing() {
                break;
            }
        }
        // A store that fails is asked with one call at a time.
        while self.can_send(now) {
            let settle = self.should_settle(now, filled);
            let claim = if self.claiming { None } else { self.claim_size(now, filled) };
            let claim_alone = claim.is_some_and(|c| c.start > 0 || c.max == c.most)
                && self.hungry
                && self.claim_after.is_none_or(|t| t <= now);
            if !settle && !claim_alone {
                return;
            }
            self.send(now, claim);
        }
    }

    fn should_settle(&mut self, now: Instant, filled: Filled) -> bool {
        if self.ended.is_empty() {
            return false;
        }
        let n = self.ended.len();
        let idle = self.settles_out == 0 && filled.running + filled.pending <= FEW;
        (idle && (n <= FEW || n >= ENOUGH))
            || self.stopping.is_some()
            || self.backoff.is_failing()
            || self.ended.len() >= self.batch(now)
            || self.gathering_since.is_none_or(|t| now >= t + GATHER)
    }

    /// So many outcomes are worth a call without waiting for more: half of what is in hand, so
    /// that the other half keeps the handlers busy meanwhile.
    fn batch(&mut self, now: Instant) -> usize {
        ((self.shared.config.slots() + self.pace.ahead(now)) / 2).clamp(1, MAX_SETTLE)
    }

    /// What there is room for; `None` when there is none or the worker is stopping.
    fn claim_size(&mut self, now: Instant, filled: Filled) -> Option<ClaimSize> {
        if self.stopping.is_some() {
            return None;
        }
        let config = &self.shared.config;
        let in_hand = filled.running + filled.pending;
        let room = (config.slots() + self.pace.ahead(now)).saturating_sub(in_hand);
        // Outcomes that the store does not take count as held, apart from those of this call: so a
        // store that fails bounds what is held, and a call that fails claims nothing.
        let settling = self.ended.len().min(MAX_SETTLE);
        let bound = (config.slots() + config.prefetch).saturating_sub(self.held.saturating_sub(settling));
        // Half of what it may have in hand: while the handlers run one half, the store hands out the other.
        let most = ((config.slots() + self.pace.ahead(now)) / 2).max(config.slots()).min(MAX_CLAIM);
        let max = room.min(bound).min(most);
        let start = config.slots().saturating_sub(in_hand).min(max);
        (max > 0).then_some(ClaimSize { max, start, most })
    }

    fn send(&mut self, now: Instant, claim: Option<ClaimSize>) {
        let config = &self.shared.config;
        let n = self.ended.len().min(MAX_SETTLE);
        let ended: Vec<Ended> = self.ended.drain(..n).collect();
        self.gathering_since = if self.ended.is_empty() { None } else { Some(now) };
        // What has ended since is settled by this call or the next; it need not be told as started.
        self.began.retain(|t| !t.is_ended() && !t.is_lost());
        let m = self.began.len().min(MAX_SETTLE);
        let began: Vec<Arc<Running>> = self.began.drain(..m).collect();
        let claim = claim.map(|size| ClaimRequest {
            worker: self.shared.id.clone(),
            queues: self.turns.next(),
            max: size.max,
            start: size.start,
            lease: config.lease,
            per_target: Some(u32::try_from(config.per_target()).unwrap_or(u32::MAX)),
            held: self.shared.board.held(),
        });
        if claim.is_some() {
            self.claiming = true;
            self.hungry = false;
            self.claim_sent = now;
        } else {
            // These may free a lane or this worker's share of a target, and the claim that is on
            // its way does not know.
            self.hungry = true;
        }
        let request = SettleRequest {
            settlements: ended
                .iter()
                .map(|e| Settlement { lease: e.task.lease, outcome: e.outcome.clone() })
                .collect(),
            started: began.iter().map(|t| t.lease).collect(),
            claim,
        };
        self.settles_out += 1;
        self.calls.push(calls::settle(&self.shared, request, ended, began));
    }

    /// A wake-up may be lost with the connection that would have brought it: look now and then.
    fn sweep(&mut self, now: Instant) {
        if now.duration_since(self.swept) >= SWEEP {
            self.swept = now;
            self.hungry = true;
        }
    }

    /// Sends again what had no answer.
    fn take_up_later(&mut self, now: Instant) {
        if self.later_at.is_some_and(|t| t <= now) {
            self.later_at = None;
            self.gathering_since.get_or_insert(now);
            self.ended.append(&mut self.later);
        }
    }

    fn can_send(&self, now: Instant) -> bool {
        // What is on its way is waited for, so that what is held can be counted.
        if self.astray {
            return false;
        }
        let most = if self.backoff.is_failing() { 1 } else { MAX_CALLS };
        self.settles_out < most && self.backoff.until().is_none_or(|t| t <= now)
    }

    /// Lets the board wake this loop only when there is something to decide: at the first outcome,
    /// then when a batch is together.
    fn listen(&mut self, now: Instant, filled: Filled) {
        if !self.can_send(now) {
            self.shared.board.wake_at(usize::MAX);
        } else if !self.ended.is_empty() && filled.running + filled.pending > FEW {
            let batch = self.batch(now);
            self.shared.board.wake_at(batch.saturating_sub(self.ended.len()));
        }
    }

    fn deadline(&self, now: Instant) -> Instant {
        let mut at = self.swept + SWEEP;
        let mut sooner = |t: Instant| at = at.min(t);
        if let Some(stopping) = &self.stopping {
            sooner(stopping.next_step());
        }
        if let Some(at) = self.later_at {
            sooner(at);
        }
        if let Some(until) = self.backoff.until().filter(|t| *t > now) {
            sooner(until);
        } else if self.can_send(now) {
            if let Some(since) = self.gathering_since {
                sooner(since + GATHER);
            }
            if let Some(after) = self.claim_after.filter(|t| *t > now && self.hungry && !self.claiming) {
                sooner(after);
            }
        }
        at
    }

    fn take(&mut self, answer: Answer) {
        #[cfg(test)]
        self.shared.trip.spring();
        match answer {
            Answer::Settled { ended, began, asked, reply } => {
                self.settles_out = self.settles_out.saturating_sub(1);
                self.claiming &= asked.is_none();
                match reply {
                    Ok(reply) => {
                        self.recovered();
                        self.settled(ended, reply, asked);
                    }
                    Err(e) => {
                        self.hungry |= asked.is_some();
                        self.not_settled(ended, began, &e);
                    }
                }
            }
            Answer::Released { back, reply } => {
                self.releases_out = self.releases_out.saturating_sub(1);
                match reply {
                    Ok(fenced) => {
                        self.recovered();
                        self.released(&back, &fenced);
                    }
                    Err(e) => {
                        self.failed(&e);
                        self.back.push(back);
                    }
                }
            }
            Answer::LetGo { gone, reply } => {
                self.let_go_out = self.let_go_out.saturating_sub(1);
                match reply {
                    Ok(extended) => {
                        self.recovered();
                        self.let_go(gone, &extended);
                    }
                    Err(e) => {
                        self.failed(&e);
                        self.detached.push(gone);
                    }
                }
            }
        }
    }

    /// What was extended, or settled already by whoever has the token, is this worker's no more.
    fn let_go(&mut self, gone: LetGo, extended: &[Extended]) {
        let (again, gone_now): (Vec<_>, Vec<_>) =
            gone.tasks.into_iter().zip(extended).partition(|(_, answer)| answer.lease == Fenced::Unanswered);
        self.shared.leases.remove(gone_now.iter().map(|(task, _)| &task.lease));
        self.held = self.held.saturating_sub(gone_now.len());
        add(&self.shared.counters.detached, gone_now.len());
        if !again.is_empty() {
            // Their part of the store does not answer: their leases are kept alive until it does.
            let tasks = again.into_iter().map(|(task, _)| task).collect();
            self.detached.push(LetGo { tasks, lease: gone.lease });
            self.backoff.failed(Instant::now());
        }
        // They held a share of their target.
        self.hungry = true;
    }

    fn settled(&mut self, ended: Vec<Ended>, mut reply: SettleReply, asked: Option<usize>) {
        let mut ended = ended;
        for news in &reply.lanes {
            if let Some(end) = ended.get(news.at) {
                self.lane_lines.tell(&end.task, news);
            }
        }
        if reply.settled.contains(&Settled::Unanswered) {
            let (unanswered, answered): (Vec<_>, Vec<_>) =
                ended.into_iter().zip(reply.settled).partition(|(_, answer)| *answer == Settled::Unanswered);
            let now = Instant::now();
            if self.later_said.is_none_or(|t| now >= t + SAY_AGAIN) {
                self.later_said = Some(now);
                let count = unanswered.len();
                warn!(count, "a part of the store does not answer: its outcomes are kept and sent again");
            }
            self.later.extend(unanswered.into_iter().map(|(end, _)| end));
            self.later_at.get_or_insert(now + UNANSWERED_AGAIN);
            (ended, reply.settled) = answered.into_iter().unzip();
        }
        self.shared.leases.remove(ended.iter().map(|e| &e.task.lease));
        self.held = self.held.saturating_sub(ended.len());
        let mut answers = reply.settled;
        for (end, answer) in ended.iter().zip(&mut answers) {
            // The state it went to was in a reply that was lost; a success leads to one only.
            if *answer == Settled::AlreadySettled && matches!(end.outcome, Outcome::Success { .. }) {
                *answer = Settled::Settled(State::Succeeded);
            }
        }
        self.shared.counters.count(&answers);
        report_lost(&ended, &answers);
        self.failed_lines.tell(&ended, &answers);
        if answers.contains(&Settled::Settled(State::Retrying)) {
            self.shared.tick.notify_one();
        }
        if let Some(stopping) = &mut self.stopping {
            stopping.count_settled(&ended, &answers);
        }
        if let Some(asked) = asked {
            let full = reply.claimed.len() >= asked;
            self.hungry |= full;
            self.claim_after = (!full && reply.claimed.len() > FEW).then(|| self.claim_sent + CLAIM_EVERY);
            self.dispatch(reply.claimed);
        }
    }

    fn dispatch(&mut self, claimed: Vec<Claimed>) {
        if claimed.is_empty() {
            return;
        }
        add(&self.shared.counters.claimed, claimed.len());
        self.shared.timings.claimed(&claimed);
        let mut tasks = Vec::with_capacity(claimed.len());
        for task in claimed {
            match self.shared.registry.get(&task.kind) {
                Some(handler) => {
                    let handler = handler.clone();
                    tasks.push(Arc::new(Running::new(task, handler, self.shared.marks.clone())));
                }
                None => self.unknown_kind(&task),
            }
        }
        self.held += tasks.len();
        self.shared.leases.insert(&tasks);
        if self.stopping.is_some() {
            for task in tasks {
                self.ended_by(task, End::Release);
            }
            return;
        }
        let runners = self.shared.board.add(tasks);
        spawn_runners(&self.shared, runners);
    }

    /// Gives back a task that no handler here knows; another worker may know it. It counts as held
    /// until that is stored, but its lease is not kept alive.
    fn unknown_kind(&mut self, task: &Claimed) {
        self.held += 1;
        add(&self.shared.counters.unknown_kind, 1);
        let delay = UNKNOWN_KIND_BASE
            .saturating_mul(1 << task.attempt.saturating_sub(1).min(16))
            .min(UNKNOWN_KIND_CAP);
        self.give_back(task.lease, ReleaseReason::UnknownKind { delay });
        let now = Instant::now();
        let said = self.unknown.get(&task.kind).is_some_and(|t| now < *t + REPORT_UNKNOWN);
        if !said {
            let lane = task.lane.as_ref().map_or_else(|| "-".to_owned(), ToString::to_string);
            warn!(
                task_id = %task.lease.task, kind = %task.kind, queue = %task.queue, lane,
                "no handler for this kind here: its tasks are given back, for a worker that has one"
            );
            self.unknown.retain(|_, t| now < *t + REPORT_UNKNOWN);
            self.unknown.insert(task.kind.clone(), now);
        }
    }

    fn released(&mut self, back: &GiveBack, fenced: &[Fenced]) {
        self.shared.leases.remove(back.leases.iter());
        self.held = self.held.saturating_sub(back.leases.len());
        if back.reason == ReleaseReason::Shutdown {
            let granted = fenced.iter().filter(|f| **f == Fenced::Granted).count();
            add(&self.shared.counters.released, granted);
            if let Some(stopping) = &mut self.stopping {
                stopping.report.released += granted;
            }
        }
    }

    /// Keeps what a failed call carried.
    fn not_settled(&mut self, mut ended: Vec<Ended>, began: Vec<Arc<Running>>, error: &BrokerError) {
        match error {
            // One outcome is unacceptable to the store: it alone becomes a failure, the others go on.
            BrokerError::Invalid { index, .. } if *index < ended.len() => {
                let end = &mut ended[*index];
                task_line!(error, end.task, %error, "the store refuses an outcome");
                let instead = refused(&end.outcome, error);
                if std::mem::replace(&mut end.outcome, instead) == end.outcome {
                    // Even the plainest outcome is refused: not its fault. No hurry to ask again.
                    self.failed(error);
                }
            }
            other => self.failed(other),
        }
        ended.append(&mut self.ended);
        self.ended = ended;
        if !self.ended.is_empty() {
            self.gathering_since.get_or_insert_with(Instant::now);
        }
        self.began.extend(began);
    }

    fn failed(&mut self, error: &BrokerError) {
        add(&self.shared.counters.store_errors, 1);
        if self.backoff.failed(Instant::now()) {
            warn!(%error, unsettled = self.ended.len(), "the store fails: outcomes are kept and sent again");
        } else {
            debug!(%error, unsettled = self.ended.len(), "the store still fails");
        }
    }

    fn recovered(&mut self) {
        if self.backoff.succeeded() {
            info!("the store answers again");
        }
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.ended.is_empty()
            && self.later.is_empty()
            && self.back.is_empty()
            && self.settles_out == 0
            && self.releases_out == 0
            && self.detached.is_empty()
            && self.let_go_out == 0
    }
}

/// Says once per call whose outcomes came too late.
fn report_lost(ended: &[Ended], answers: &[Settled]) {
    let mut lost = ended.iter().zip(answers).filter(|(_, a)| **a == Settled::LeaseLost).map(|(e, _)| e);
    let Some(first) = lost.next() else { return };
    let count = 1 + lost.count();
    // That the others of the call were taken is what people doubt when they read this.
    let settled = answers.iter().filter(|a| **a != Settled::LeaseLost).count();
    task_line!(warn, first.task, count, settled, "outcomes were refused: the leases were lost");
}

#[derive(Debug, Clone, Copy)]
struct ClaimSize {
    /// How many tasks to ask for.
    max: usize,
    /// How many of them have a slot at once.
    start: usize,
    /// The most that one claim asks for. There being room for so many is worth a call of its own.
    most: usize,
}

/// What is stored instead of an outcome that the store refuses. A refused failure loses its text, so
/// that the next call cannot be refused for it again.
fn refused(outcome: &Outcome, error: &BrokerError) -> Outcome {
    match outcome {
        Outcome::Success { .. } => Outcome::Failure(Failure::new(
            FailureClass::Permanent,
            format!("the handler succeeded, but its result cannot be stored: {error}"),
        )),
        Outcome::Failure(f) => Outcome::Failure(Failure::new(f.class, "its message cannot be stored")),
        Outcome::Snooze { .. } | Outcome::Detached => Outcome::Failure(Failure::new(
            FailureClass::Transient,
            format!("the handler put the task off, which cannot be stored: {error}"),
        )),
    }
}
