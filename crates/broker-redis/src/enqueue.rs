//! Storing new tasks. Callers at the same moment share a script call: each waits for its own answer, and the server does
//! for many what it would otherwise do for one.

use std::collections::HashMap;
use std::sync::Arc;

use posthaste_core::broker::{EnqueueReply, EnqueueRequest, Enqueued};
use posthaste_core::limits::{MAX_SCHEDULE_AHEAD, check_brought};
use posthaste_core::{BrokerError, Due, IdempotencyKey, LaneKey, NewTask, State};
use redis::Value;

use crate::gate::{Ids, Waiting};
use crate::keys::Key;
use crate::link::Call;
use crate::names::{Route, route_text};
use crate::record::corrupt;
use crate::reply;
use crate::scripts::SCRIPTS;
use crate::shards::Shards;
use crate::store::Inner;

impl Inner {
    /// Stores tasks, all or none.
    pub(crate) async fn enqueue(
        self: &Arc<Self>,
        request: EnqueueRequest,
    ) -> Result<EnqueueReply, BrokerError> {
        let shards = self.found().await?;
        self.keeps()?;
        for (i, t) in request.tasks.iter().enumerate() {
            if matches!(t.due, Due::After(d) if d > MAX_SCHEDULE_AHEAD) {
                return Err(too_far(i, "delay_ms"));
            }
            // Each says another shard; only one of them can be right.
            if shards.count() > 1 && t.id.is_some() && t.unique.is_some() {
                let problem =
                    "cannot go with a unique key on a store of several shards; leave one of them out";
                return Err(BrokerError::invalid(i, "id", problem));
            }
        }
        self.bring(shards, &request.tasks).await?;
        if request.tasks.is_empty() && request.idempotency.is_none() {
            return Ok(EnqueueReply { tasks: Vec::new(), replayed: false });
        }
        if let (true, Some(key)) = (request.tasks.is_empty(), &request.idempotency) {
            let found = self.enqueue_at(shards.of_idempotency(key), request).await?;
            // Its shard knows the states of its own tasks alone.
            return if shards.count() > 1 { self.states_of(found).await } else { Ok(found) };
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
        self.store(shard, request, Ids::New).await
    }

    /// Stores tasks whose ids were reserved; those that are there already are left alone.
    pub(crate) async fn enqueue_reserved(
        self: &Arc<Self>,
        shard: u16,
        request: EnqueueRequest,
        ids: Ids,
    ) -> Result<EnqueueReply, BrokerError> {
        self.store(shard, request, ids).await
    }

    async fn store(
        self: &Arc<Self>,
        shard: u16,
        request: EnqueueRequest,
        ids: Ids,
    ) -> Result<EnqueueReply, BrokerError> {
        let (turn, answer) = self.gate(shard).enter(request, ids)?;
        if let Some(mut turn) = turn {
            let inner = Arc::clone(self);
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
        if matches!(answers, Err(BrokerError::Invalid { .. })) && group.len() > 1 {
            // One of them names too much for the store; the others are stored.
            for waiting in group {
                Box::pin(self.store_group(shard, vec![waiting])).await;
            }
            return;
        }
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
                self.time.learn(shard, reply::int(now.clone())?);
                continue;
            }
            if values.len() != group.len() + 1 {
                return Err(corrupt("an enqueue was answered for another number of requests"));
            }
            let high = reply::bytes(values.remove(0))?;
            // Keys are made of the time: a process that only enqueues learns it here.
            if let Some(at) =
                Key::from_slice(&[high.as_slice(), &[0; 6]].concat()).and_then(|k| k.created_ms())
            {
                self.time.learn(shard, at);
            }
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
    pub(crate) async fn routes_of<'t>(
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
            let text = route_text(&t.queue, &t.kind, t.lane.as_ref());
            match self.names.named(shard, &text) {
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
            let whose = if t.tenant.is_some() { "*" } else { "" };
            call.arg(t.queue.as_str()).arg(t.kind.as_str()).arg(target).arg(tenant).arg(whose);
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
}

impl Inner {
    /// Notes what tenants' tasks name, each in the shard of its tenant: there it is counted, wherever its tasks lie. Before
    /// anything is stored, because a request may lie in several shards.
    async fn bring(&self, shards: &Shards, tasks: &[NewTask]) -> Result<(), BrokerError> {
        let day = shards.day();
        // With each call, of which task each of its entries is.
        let mut calls: HashMap<u16, (Call, Vec<usize>)> = HashMap::new();
        let mut new = Vec::new();
        for (i, t) in tasks.iter().enumerate() {
            let Some(tenant) = &t.tenant else { continue };
            let text = route_text(&t.queue, &t.kind, t.lane.as_ref());
            if self.names.is_brought(tenant, &text, day) {
                continue;
            }
            let shard = shards.of_tenant(tenant);
            let (call, of) =
                calls.entry(shard).or_insert_with(|| (self.call(&SCRIPTS.brought, shard), Vec::new()));
            of.push(i);
            let (target, share) = crate::names::lane_texts(t.lane.as_ref());
            let own = match (t.queue.is_built_in(), t.kind.is_built_in()) {
                (true, true) => "qk",
                (true, false) => "q",
                (false, true) => "k",
                (false, false) => "",
            };
            call.arg(tenant.as_str()).arg(t.queue.as_str()).arg(t.kind.as_str());
            call.arg(target).arg(share).arg(own);
            new.push((tenant, text));
        }
        let mut beyond = Vec::new();
        for (shard, (call, of)) in calls {
            let values = reply::list(self.run(shard, call).await?)?;
            if let [Value::BulkString(word), full @ ..] = values.as_slice()
                && word == b"FULL"
            {
                for pair in full.chunks_exact(2) {
                    beyond.push(beyond_share(&pair[0], &pair[1], &of)?);
                }
            }
        }
        beyond.sort_unstable();
        check_brought(&beyond)?;
        for (tenant, text) in new {
            self.names.bring(tenant, &text, day);
        }
        Ok(())
    }
}

/// What there is too much of, and of which task: `what`, in the entry of a call whose entries are `of` these tasks.
fn beyond_share(what: &Value, entry: &Value, of: &[usize]) -> Result<(usize, &'static str), BrokerError> {
    let what = match reply::text(what.clone())?.as_str() {
        "lane" => "lane",
        "route" => "route",
        "queue" => "queue",
        _ => "kind",
    };
    let entry = usize::try_from(reply::int(entry.clone())?).ok().and_then(|entry| of.get(entry));
    let index = entry.ok_or_else(|| corrupt("the number of a task that names too much"))?;
    Ok((*index, what))
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
