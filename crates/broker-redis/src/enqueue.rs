//! Storing new tasks. Callers at the same moment share a script call: each waits for its own answer, and the server does
//! for many what it would otherwise do for one.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use posthaste_core::broker::{EnqueueReply, EnqueueRequest, Enqueued};
use posthaste_core::limits::MAX_SCHEDULE_AHEAD;
use posthaste_core::task::stored::{Ext, unique_key};
use posthaste_core::{BrokerError, Due, IdempotencyKey, LaneKey, NewTask, State, UniqueHold};
use rand::RngExt;
use redis::Value;
use tokio::sync::oneshot;

use crate::keys::Key;
use crate::names::{Route, route_text};
use crate::record::{corrupt, has, is, presets};
use crate::reply;
use crate::scripts::SCRIPTS;
use crate::store::Inner;

/// Calls under way at once per shard; who comes meanwhile shares the next.
const IN_FLIGHT: usize = 3;
/// Tasks in one script call at the most, unless one request alone has more.
const GROUP_TASKS: usize = 1_000;
/// Bytes of payload in one script call at the most, unless one request alone has more.
const GROUP_BYTES: usize = 512 * 1024;
/// Largest payload that is kept inside its record.
pub(crate) const INLINE: usize = 4096;
/// Random bits of a minted key.
const REST: u64 = (1 << 34) - 1;

/// One request on its way to a shard.
pub(crate) struct Waiting {
    pub(crate) tasks: Vec<NewTask>,
    pub(crate) idempotency: Option<IdempotencyKey>,
    /// Whether its ids were reserved, so that those which are there already stay.
    reserved: bool,
    reply: oneshot::Sender<Result<EnqueueReply, BrokerError>>,
}

impl Waiting {
    fn bytes(&self) -> usize {
        self.tasks.iter().map(|t| t.payload.len()).sum()
    }
}

/// Requests that wait for a call to one shard.
#[derive(Default)]
pub(crate) struct Gate {
    state: Mutex<GateState>,
}

#[derive(Default)]
struct GateState {
    waiting: std::collections::VecDeque<Waiting>,
    in_flight: usize,
}

impl Gate {
    fn lock(&self) -> std::sync::MutexGuard<'_, GateState> {
        // The queue is whole between any two statements, so a panic elsewhere does not spoil it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The right to have a call under way. It ends with its pump, also when the pump's runtime is shut down.
struct Turn {
    gate: Arc<Gate>,
    over: bool,
}

impl Turn {
    /// The requests of the next call; none ends the turn, in the same moment in which nobody waits.
    fn next_group(&mut self) -> Vec<Waiting> {
        let mut state = self.gate.lock();
        let (mut tasks, mut bytes) = (0, 0);
        let mut group = Vec::new();
        while let Some(next) = state.waiting.front() {
            tasks += next.tasks.len();
            bytes += next.bytes();
            if !group.is_empty() && (tasks > GROUP_TASKS || bytes > GROUP_BYTES) {
                break;
            }
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

impl Inner {
    /// Stores tasks, all or none.
    pub(crate) async fn enqueue(
        self: &Arc<Self>,
        request: EnqueueRequest,
    ) -> Result<EnqueueReply, BrokerError> {
        let shards = self.found().await?;
        for (i, t) in request.tasks.iter().enumerate() {
            if matches!(t.due, Due::After(d) if d > MAX_SCHEDULE_AHEAD) {
                return Err(too_far(i, "delay_ms"));
            }
        }
        if request.tasks.is_empty() && request.idempotency.is_none() {
            return Ok(EnqueueReply { tasks: Vec::new(), replayed: false });
        }
        match shards.only(&request) {
            Some(shard) => self.enqueue_at(shard, request).await,
            None => self.enqueue_spread(request).await,
        }
    }

    /// Stores a request whose tasks all lie in `shard`. Dropping the future does not take it back.
    pub(crate) async fn enqueue_at(
        self: &Arc<Self>,
        shard: u16,
        request: EnqueueRequest,
    ) -> Result<EnqueueReply, BrokerError> {
        self.store(shard, request, false).await
    }

    /// Stores tasks whose ids were reserved; those that are there already are left alone.
    pub(crate) async fn enqueue_reserved(
        self: &Arc<Self>,
        shard: u16,
        tasks: Vec<NewTask>,
    ) -> Result<EnqueueReply, BrokerError> {
        self.store(shard, EnqueueRequest { tasks, idempotency: None }, true).await
    }

    async fn store(
        self: &Arc<Self>,
        shard: u16,
        request: EnqueueRequest,
        reserved: bool,
    ) -> Result<EnqueueReply, BrokerError> {
        let (reply, answer) = oneshot::channel();
        let waiting = Waiting { tasks: request.tasks, idempotency: request.idempotency, reserved, reply };
        let gate = Arc::clone(self.gate(shard));
        let start = {
            let mut state = gate.lock();
            state.waiting.push_back(waiting);
            let start = state.in_flight < IN_FLIGHT;
            state.in_flight += usize::from(start);
            start
        };
        if start {
            let inner = Arc::clone(self);
            let mut turn = Turn { gate, over: false };
            let _pump_handle = tokio::spawn(async move {
                loop {
                    let group = turn.next_group();
                    if group.is_empty() {
                        return;
                    }
                    inner.store_group(shard, group).await;
                }
            });
        }
        answer.await.map_err(|_| BrokerError::Unavailable { why: "the store was closed".into() })?
    }

    async fn store_group(&self, shard: u16, group: Vec<Waiting>) {
        let mut answers = self.call_enqueue(shard, &group).await;
        if answers.is_ok()
            && let Err(e) = self.confirmed(shard).await
        {
            answers = Err(e);
        }
        match answers {
            Ok(answers) => {
                let queued = |e: &Enqueued| e.state == State::Queued && !e.duplicate;
                if answers.iter().flatten().any(|r| !r.replayed && r.tasks.iter().any(queued)) {
                    self.set_busy(shard);
                    self.live.announce(shard);
                }
                for (waiting, answer) in group.into_iter().zip(answers) {
                    // A caller that went away does not want its answer; what was stored stands.
                    let _ = waiting.reply.send(answer);
                }
            }
            Err(e) => {
                for waiting in group {
                    let _ = waiting.reply.send(Err(e.clone()));
                }
            }
        }
    }

    async fn call_enqueue(
        &self,
        shard: u16,
        group: &[Waiting],
    ) -> Result<Vec<Result<EnqueueReply, BrokerError>>, BrokerError> {
        // The second time, the shard's names were read anew; what changes them a third time is no accident.
        for _ in 0..3 {
            let routes = self.routes_of(shard, group.iter().flat_map(|w| &w.tasks)).await?;
            let (call, lows) = self.pack(shard, group, &routes);
            let mut values = reply::list(self.run(shard, call).await?)?;
            if let [Value::BulkString(word)] = values.as_slice()
                && word == b"STALE"
            {
                self.names.forget(shard);
                continue;
            }
            if let [Value::BulkString(word), now] = values.as_slice()
                && word == b"LATE"
            {
                // Either the call was held up, or the store's clock has leapt: then the next one fits.
                self.time.learn(reply::int(now.clone())?);
                continue;
            }
            if values.len() != group.len() + 1 {
                return Err(corrupt("an enqueue was answered for another number of requests"));
            }
            let high = reply::bytes(values.remove(0))?;
            let mut left = lows.as_slice();
            return Ok(values
                .into_iter()
                .zip(group)
                .map(|(v, w)| {
                    let (own, rest) = left.split_at(w.tasks.len() * 6);
                    left = rest;
                    answer(v, w, &high, own)
                })
                .collect());
        }
        Err(BrokerError::Unavailable { why: "the store's names or its clock keep changing".into() })
    }

    /// The route of each task, in order; those the shard does not know yet are given numbers.
    async fn routes_of<'t>(
        &self,
        shard: u16,
        tasks: impl Iterator<Item = &'t NewTask> + Clone,
    ) -> Result<Vec<Arc<Route>>, BrokerError> {
        let mut missing: Vec<&NewTask> = Vec::new();
        let mut found = Vec::new();
        let mut last: Option<(&NewTask, Arc<Route>)> = None;
        for t in tasks.clone() {
            if let Some((same, route)) = &last
                && same.kind == t.kind
                && same.queue == t.queue
                && same.lane == t.lane
            {
                found.push(Arc::clone(route));
                continue;
            }
            match self.names.named(shard, &route_text(&t.queue, &t.kind, t.lane.as_ref())) {
                Some(route) => {
                    found.push(Arc::clone(&route));
                    last = Some((t, route));
                }
                None => missing.push(t),
            }
        }
        if missing.is_empty() {
            return Ok(found);
        }
        for part in missing.chunks(250) {
            self.intern(shard, part).await?;
        }
        tasks
            .map(|t| {
                let text = route_text(&t.queue, &t.kind, t.lane.as_ref());
                self.names.named(shard, &text).ok_or_else(|| corrupt(format!("route {text:?} has no number")))
            })
            .collect()
    }

    async fn intern(&self, shard: u16, tasks: &[&NewTask]) -> Result<(), BrokerError> {
        let mut call = self.call(&SCRIPTS.intern, shard);
        for t in tasks {
            let (target, tenant) = crate::names::lane_texts(t.lane.as_ref());
            call.arg(t.queue.as_str()).arg(t.kind.as_str()).arg(target).arg(tenant);
        }
        let values = reply::list(self.run(shard, call).await?)?;
        if let [Value::BulkString(word), field] = values.as_slice()
            && word == b"FULL"
        {
            let field = reply::text(field.clone())?;
            return Err(too_many(&field));
        }
        for (n, text) in reply::pairs(Value::Array(values))? {
            let number = u32::try_from(reply::int(n)?).map_err(|_| corrupt("a route's number"))?;
            self.names.learn(shard, number, &reply::text(text)?)?;
        }
        Ok(())
    }

    /// Packs a call, and tells the last six bytes of each task's key.
    fn pack(&self, shard: u16, group: &[Waiting], routes: &[Arc<Route>]) -> (crate::link::Call, Vec<u8>) {
        let mut call = self.call(&SCRIPTS.enqueue, shard);
        call.arg(self.time.latest(self.shards()));
        let places = Places::of(group.iter().flat_map(|w| &w.tasks).zip(routes));
        places.put(&mut call);
        let mut rng = rand::rng();
        let mut lows = Vec::with_capacity(routes.len() * 6);
        for index in 0..routes.len() as u64 {
            let rest = self.shards().rest_of(shard, rng.random::<u64>() & REST);
            put_u48(&mut lows, (index << 34) | rest);
        }
        call.arg(&lows);
        // One group for all of a request is said once, in its header.
        let mut of_request = Vec::with_capacity(group.len());
        let mut left = places.of_task.as_slice();
        for waiting in group {
            let (own, rest) = left.split_at(waiting.tasks.len());
            left = rest;
            let first = own.first().copied().unwrap_or(0);
            of_request.push(if own.iter().all(|g| *g == first) { first } else { 0 });
        }
        if of_request.contains(&0) {
            call.arg(places.of_task.iter().flat_map(|g| g.to_be_bytes()).collect::<Vec<u8>>());
        } else {
            call.arg("");
        }
        call.int(group.len() as i64);
        let mut blob = Vec::new();
        let mut next = routes.iter();
        for (waiting, of) in group.iter().zip(of_request) {
            let special = waiting.tasks.iter().any(|t| !plain(t));
            let flags = u8::from(special)
                | (u8::from(waiting.idempotency.is_some()) << 1)
                | (u8::from(waiting.reserved) << 2);
            let [n1, n2] = (waiting.tasks.len() as u16).to_be_bytes();
            let [g1, g2] = of.to_be_bytes();
            call.arg([n1, n2, flags, g1, g2]);
            if let Some(key) = &waiting.idempotency {
                call.arg(idem_key(key)).arg(key.fingerprint);
            }
            for (t, route) in waiting.tasks.iter().zip(next.by_ref()) {
                blob.clear();
                put_task(&mut blob, t, route, special);
                call.arg(&blob);
            }
        }
        (call, lows)
    }
}

/// The distinct places of a call's tasks: route and priority.
struct Places<'r> {
    routes: Vec<&'r Arc<Route>>,
    places: Vec<(&'r Arc<Route>, u8)>,
    /// Of each task, from one.
    of_task: Vec<u16>,
}

impl<'r> Places<'r> {
    fn of<'t>(tasks: impl Iterator<Item = (&'t NewTask, &'r Arc<Route>)>) -> Self {
        let mut all = Self { routes: Vec::new(), places: Vec::new(), of_task: Vec::new() };
        let mut index: HashMap<(u32, u8), u16> = HashMap::new();
        let mut last = ((0, 0), 0);
        for (t, route) in tasks {
            let place = (route.number, t.priority.code());
            if last.0 != place || last.1 == 0 {
                let at = *index.entry(place).or_insert_with(|| {
                    if !all.routes.iter().any(|r| r.number == route.number) {
                        all.routes.push(route);
                    }
                    all.places.push((route, place.1));
                    all.places.len() as u16
                });
                last = (place, at);
            }
            all.of_task.push(last.1);
        }
        all
    }

    fn put(&self, call: &mut crate::link::Call) {
        call.int(self.routes.len() as i64);
        for r in &self.routes {
            call.int(i64::from(r.number)).arg(text_of(r));
        }
        call.int(self.places.len() as i64);
        for (r, prio) in &self.places {
            let mut b = Vec::with_capacity(13);
            put_u24(&mut b, r.number);
            b.push(*prio);
            for number in [r.queue_no, r.lane_no, r.target_no] {
                put_u24(&mut b, number);
            }
            call.arg(b);
        }
    }
}

/// Whether a task needs nothing looked at but its place.
fn plain(t: &NewTask) -> bool {
    t.id.is_none()
        && t.due == Due::Now
        && t.expires_at.is_none()
        && t.unique.is_none()
        && t.batch.is_none()
        && t.payload.len() <= INLINE
}

fn put_u24(b: &mut Vec<u8>, n: u32) {
    b.extend_from_slice(&n.to_be_bytes()[1..]);
}

fn put_u48(b: &mut Vec<u8>, n: u64) {
    b.extend_from_slice(&n.to_be_bytes()[2..]);
}

/// One task as `enqueue.lua` reads it: its record; in a request that has any with more to it (`tagged`), a byte before it that
/// says whether this is one, and then the first fourteen bytes of its record and what else there is.
fn put_task(b: &mut Vec<u8>, t: &NewTask, route: &Route, tagged: bool) {
    let code = presets().code(&t.policy);
    let ext = Ext::of(t, code).text().expect("plain data always serializes");
    let is_plain = plain(t);
    if tagged {
        b.push(u8::from(!is_plain));
    }
    let apart = t.payload.len() > INLINE;
    let mut flags = 0;
    for (set, bit) in [
        (t.expires_at.is_some(), has::EXPIRES),
        (t.id.is_some(), has::CREATED),
        (ext.is_some(), has::EXT),
        (apart, has::PAYLOAD_APART),
    ] {
        flags |= if set { bit } else { 0 };
    }
    let mut kind = code;
    for (set, bit) in [
        (t.unique.as_ref().is_some_and(|u| u.hold == UniqueHold::UntilFinal), is::UNIQUE),
        (t.batch.is_some(), is::BATCH),
        (is_plain, is::FRESH),
    ] {
        kind |= if set { bit } else { 0 };
    }
    b.extend_from_slice(&[flags, kind, State::Queued.code() * 4 + t.priority.code()]);
    put_u24(b, route.number);
    // Generation 1; no attempt, no failure, none ended, none rescued.
    b.extend_from_slice(&[0, 1, 0, 0, 0, 0, 0, 0]);
    if is_plain {
        put_sections(b, ext.as_deref(), t.payload.as_str());
        return;
    }
    let (mode, at) = match t.due {
        Due::Now => (0, 0),
        Due::At(at) => (1, u64::try_from(at.as_millis()).unwrap_or(0)),
        Due::After(d) => (2, u64::try_from(d.as_millis()).unwrap_or(u64::MAX)),
    };
    b.push(mode);
    put_u48(b, at);
    let key = t.id.map(Key::of);
    let key = key.as_ref().map_or(&[][..], Key::as_slice);
    b.push(key.len() as u8);
    b.extend_from_slice(key);
    let unique = t.unique.as_ref().map(|u| unique_key(t.tenant.as_ref(), t.kind.as_str(), &u.key));
    let unique = unique.unwrap_or_default();
    b.extend_from_slice(&(unique.len() as u16).to_be_bytes());
    b.extend_from_slice(unique.as_bytes());
    let hold = t.unique.as_ref().map_or(0, |u| match u.hold {
        UniqueHold::UntilFinal => 0,
        UniqueHold::For(d) => u64::try_from(d.as_millis()).unwrap_or(u64::MAX).max(1),
    });
    put_u48(b, hold);
    let batch = t.batch.map(|x| x.to_string()).unwrap_or_default();
    b.push(batch.len() as u8);
    b.extend_from_slice(batch.as_bytes());
    put_u48(b, t.expires_at.map_or(0, |e| u64::try_from(e.as_millis()).unwrap_or(0).max(1)));
    let mut sections = Vec::new();
    put_sections(&mut sections, ext.as_deref(), if apart { "" } else { t.payload.as_str() });
    put_u24(b, sections.len() as u32);
    b.extend_from_slice(&sections);
    let big = if apart { t.payload.as_str() } else { "" };
    b.extend_from_slice(&(big.len() as u32).to_be_bytes());
    b.extend_from_slice(big.as_bytes());
}

fn put_sections(b: &mut Vec<u8>, ext: Option<&str>, payload: &str) {
    if let Some(ext) = ext {
        b.extend_from_slice(&(ext.len() as u16).to_be_bytes());
        b.extend_from_slice(ext.as_bytes());
    }
    b.extend_from_slice(payload.as_bytes());
}

/// What `rt` holds of a route.
fn text_of(r: &Route) -> String {
    let name = route_text(&r.queue, &r.kind, r.lane.as_ref());
    format!("{} {} {} {name}", r.queue_no, r.lane_no, r.target_no)
}

/// Key of `idem`: no part can hold the separator.
pub(crate) fn idem_key(k: &IdempotencyKey) -> String {
    format!("{}\u{1f}{}\u{1f}{}", k.tenant.as_ref().map_or("", |t| t.as_str()), k.operation, k.key)
}

/// The text of a target, for placing: its tenants share its limits, its breaker and its turns.
pub(crate) fn target_text(queue: &str, lane: Option<&LaneKey>) -> String {
    format!("{queue} {}", lane.map_or("", |l| l.target.as_str()))
}

fn too_many(field: &str) -> BrokerError {
    use posthaste_core::limits::{MAX_LANES, MAX_NAMES};
    match field {
        "lane" => {
            BrokerError::invalid(0, "lane", format!("this store knows {MAX_LANES} lanes already; use fewer"))
        }
        "queue" => BrokerError::invalid(
            0,
            "queue",
            format!("this store knows {MAX_NAMES} queues already; use fewer"),
        ),
        _ => {
            BrokerError::invalid(0, "kind", format!("this store knows {MAX_NAMES} kinds already; use fewer"))
        }
    }
}

/// Reads the answer to one request. `high` and `lows` are the keys of its tasks, as they were minted.
fn answer(value: Value, asked: &Waiting, high: &[u8], lows: &[u8]) -> Result<EnqueueReply, BrokerError> {
    let bytes = reply::bytes(value)?;
    let (tag, rest) = bytes.split_first().ok_or_else(|| corrupt("an empty answer to an enqueue"))?;
    let key_of = |b: &[u8]| Key::from_slice(b).ok_or_else(|| corrupt("a key in the answer to an enqueue"));
    match tag {
        b'P' => {
            let tasks = lows
                .chunks_exact(6)
                .map(|low| {
                    let id = key_of(&[high, low].concat())?.id();
                    Ok(Enqueued { id, state: State::Queued, duplicate: false })
                })
                .collect::<Result<Vec<_>, BrokerError>>()?;
            Ok(EnqueueReply { tasks, replayed: false })
        }
        b'L' | b'R' => {
            let mut tasks = Vec::with_capacity(asked.tasks.len());
            let mut left = rest;
            while let Some((n, more)) = left.split_first() {
                let n = usize::from(*n);
                let (key, more) = more.split_at_checked(n).ok_or_else(|| corrupt("a short answer"))?;
                let [state, dup, more @ ..] = more else { return Err(corrupt("a short answer")) };
                let state = State::from_code(*state).ok_or_else(|| corrupt("a state"))?;
                tasks.push(Enqueued { id: key_of(key)?.id(), state, duplicate: *dup != 0 });
                left = more;
            }
            Ok(EnqueueReply { tasks, replayed: *tag == b'R' })
        }
        b'E' => Err(BrokerError::IdExists { id: key_of(rest)?.id() }),
        b'M' => Err(BrokerError::IdempotencyMismatch),
        b'A' => {
            let index = rest.iter().fold(0, |n, b| n * 256 + usize::from(*b));
            Err(too_far(index, "due_at"))
        }
        _ => Err(corrupt("an unknown answer to an enqueue")),
    }
}

/// A task scheduled too far ahead.
pub(crate) fn too_far(index: usize, field: &'static str) -> BrokerError {
    let days = MAX_SCHEDULE_AHEAD.as_secs() / 86_400;
    BrokerError::invalid(index, field, format!("must be at most {days} days ahead"))
}
