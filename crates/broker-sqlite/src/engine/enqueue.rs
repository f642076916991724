//! Storing new tasks.

use std::time::Duration;

use posthaste_core::broker::{EnqueueReply, Enqueued};
use posthaste_core::limits::{IDEMPOTENCY_KEPT, MAX_SCHEDULE_AHEAD, check_brought};
use posthaste_core::{BatchId, BrokerError, Due, IdempotencyKey, State, TaskId, Timestamp, UniqueHold};
use rusqlite::{Connection, OptionalExtension, Statement};

use super::idempotency::KeyName;
use super::{Done, Fail, Happened, Tx};
use crate::ids::{id_of, millis_of, rand_of, seq_of};
use crate::row::{Prepared, flag};

const INSERT: &str = "INSERT INTO task (seq, rand, kind, lane, prio, gen, attempt, failures, ended, rescues, \
     flags, policy, created, due, first_due, ord, expires, ext, payload) \
     VALUES (?1, ?2, ?3, ?4, ?5, 1, 0, 0, 0, 0, ?6, ?7, ?8, ?9, ?9, ?10, ?11, ?12, ?13)";

/// What a request writes beside its tasks, each table in its turn: a statement is looked up once, and the pages that it writes
/// stay at hand. Nothing that a task of the same request asks for may wait here.
#[derive(Default)]
struct Rest<'t> {
    batches: Vec<(BatchId, i64)>,
    recipients: Vec<(&'t str, i64)>,
    /// Lane, priority, place and row.
    ready: Vec<(usize, usize, i64, i64)>,
}

impl Tx<'_> {
    /// Stores tasks, all or none. Everything that can be refused is refused before the first write.
    pub(crate) fn enqueue(
        &mut self,
        tasks: &[Prepared],
        idempotency: Option<&IdempotencyKey>,
    ) -> Done<EnqueueReply> {
        let name = idempotency.map(KeyName::of);
        if let (Some(key), Some(name)) = (idempotency, &name)
            && let Some(reply) = self.replay(key, name)?
        {
            return Ok(reply);
        }
        self.bring(tasks)?;
        let mut places = Vec::with_capacity(tasks.len());
        for (index, p) in tasks.iter().enumerate() {
            places.push(self.check_new(index, p, &tasks[..index])?);
        }
        let mut out = Vec::with_capacity(tasks.len());
        let mut rest = Rest::default();
        let db = self.db;
        let mut insert = db.prepare_cached(INSERT)?;
        for (p, place) in tasks.iter().zip(places) {
            out.push(self.enqueue_one(p, place, &mut insert, &mut rest)?);
        }
        drop(insert);
        self.insert_rest(rest)?;
        // A request of no tasks asks what the key holds, and does not use it.
        if let (Some(key), Some(name)) = (idempotency, &name)
            && !out.is_empty()
        {
            let mut ids = Vec::with_capacity(out.len() * 17);
            for e in &out {
                ids.extend_from_slice(e.id.as_bytes());
                ids.push(u8::from(e.duplicate));
            }
            self.insert_key(name, &key.fingerprint, self.now, &ids)?;
        }
        Ok(EnqueueReply { tasks: out, replayed: false })
    }

    /// What the first request under this key was answered, if there was one.
    fn replay(&mut self, key: &IdempotencyKey, name: &KeyName) -> Done<Option<EnqueueReply>> {
        let Some(first) = self.find_key(name)? else { return Ok(None) };
        if first.at.plus(IDEMPOTENCY_KEPT) <= self.now {
            // Too old, though no sweep has come by yet: this is a first use.
            self.delete_key(name, first.n)?;
            return Ok(None);
        }
        if first.fingerprint != key.fingerprint {
            return Err(Fail::Caller(BrokerError::IdempotencyMismatch));
        }
        let mut tasks = Vec::with_capacity(first.ids.len() / 17);
        for chunk in first.ids.chunks_exact(17) {
            let bytes: [u8; 16] = chunk[..16].try_into().expect("chunks of 17");
            let id = TaskId::from_uuid(uuid::Uuid::from_bytes(bytes));
            // A task that retention removed had ended; it was stored all the same.
            let state = self.state_of(id)?.unwrap_or(State::Succeeded);
            tasks.push(Enqueued { id, state, duplicate: chunk[16] != 0 });
        }
        Ok(Some(EnqueueReply { tasks, replayed: true }))
    }

    /// Notes what tenants' tasks name; refuses all if one is beyond its tenant's share, and says which are.
    fn bring(&mut self, tasks: &[Prepared]) -> Done<()> {
        let mut beyond = Vec::new();
        for (index, p) in tasks.iter().enumerate() {
            if let Some(tenant) = &p.task.tenant
                && let Some(what) = self.mem.bring(self.db, tenant, &p.task, self.now)?
            {
                beyond.push((index, what));
            }
        }
        check_brought(&beyond).map_err(Fail::Caller)
    }

    /// Refuses what cannot be stored, and finds the numbers of its kind and lane. (New ones are made
    /// here: they outlive a refusal, and harm nothing.)
    fn check_new(&mut self, index: usize, p: &Prepared, before: &[Prepared]) -> Done<(i64, usize)> {
        if let Some(id) = p.task.id {
            let twice = before.iter().any(|b| b.task.id == Some(id));
            if twice || self.find(id)?.is_some() {
                return Err(Fail::Caller(BrokerError::IdExists { id }));
            }
        }
        let (field, ahead) = match p.task.due {
            Due::Now => ("due_at", Duration::ZERO),
            Due::At(t) => ("due_at", t.since(self.now)),
            Due::After(d) => ("delay_ms", d),
        };
        if ahead > MAX_SCHEDULE_AHEAD {
            let days = MAX_SCHEDULE_AHEAD.as_secs() / 86_400;
            return Err(Fail::Caller(BrokerError::invalid(
                index,
                field,
                format!("must be at most {days} days ahead"),
            )));
        }
        let whose = p.task.tenant.as_ref();
        let kind = self.mem.kind_id(self.db, &p.task.kind, whose)?;
        let lane = self.mem.lane_ix(self.db, &p.task.queue, p.task.lane.as_ref(), whose)?;
        Ok((kind, lane))
    }

    fn enqueue_one<'t>(
        &mut self,
        p: &'t Prepared,
        (kind, lane): (i64, usize),
        insert: &mut Statement<'_>,
        rest: &mut Rest<'t>,
    ) -> Done<Enqueued> {
        if let Some(key) = &p.unique_key
            && let Some(holder) = self.unique_holder(key)?
        {
            let state = self.state_of(holder)?.unwrap_or(State::Succeeded);
            return Ok(Enqueued { id: holder, state, duplicate: true });
        }
        let t = &p.task;
        let (seq, mut rand) = self.mem.minter.mint(self.now.as_millis());
        let id = match t.id {
            Some(id) => {
                rand = -1;
                self.db
                    .prepare_cached("INSERT INTO foreign_id (id, seq) VALUES (?1, ?2)")?
                    .execute((id.as_bytes(), seq))?;
                self.mem.has_foreign = true;
                id
            }
            None => id_of(seq, rand),
        };
        let now = self.now.as_millis();
        let due = match t.due {
            Due::Now => now,
            Due::At(at) => at.as_millis().max(now),
            Due::After(d) => self.now.plus(d).as_millis(),
        };
        let scheduled = due > now;
        // What is ready at once is ordered by the row's own time, which never goes back.
        let ord = if scheduled { due } else { millis_of(seq) };
        let prio = usize::from(t.priority.code());
        insert.execute(rusqlite::params![
            seq,
            rand,
            kind,
            lane as i64 + 1,
            prio as i64,
            p.flags,
            p.policy,
            now,
            due,
            ord,
            t.expires_at.map(Timestamp::as_millis),
            p.ext,
            t.payload.as_str(),
        ])?;
        if let Some(e) = t.expires_at {
            self.insert_expiry(e.as_millis(), seq, 0)?;
        }
        if let (Some(key), Some(u)) = (&p.unique_key, &t.unique) {
            let until = match u.hold {
                UniqueHold::UntilFinal => None,
                UniqueHold::For(d) => Some(self.now.plus(d).as_millis()),
            };
            self.db
                .prepare_cached("INSERT OR REPLACE INTO uniq (key, seq, id, until) VALUES (?1, ?2, ?3, ?4)")?
                .execute((key, seq, id.as_bytes(), until))?;
        }
        rest.batches.extend(t.batch.map(|batch| (batch, seq)));
        rest.recipients.extend(t.recipient.as_deref().map(|to| (to, seq)));
        let state = if scheduled {
            self.insert_due(due, seq, lane, prio, State::Scheduled)?;
            State::Scheduled
        } else {
            rest.ready.push((lane, prio, ord, seq));
            State::Queued
        };
        self.count(lane, None, Some(state));
        self.point(lane, |s| s.enqueued += 1);
        self.event(&Happened {
            id,
            kind,
            lane,
            state,
            attempt: 0,
            generation: 1,
            class: None,
            next_at: scheduled.then(|| Timestamp::from_millis(due)),
        });
        Ok(Enqueued { id, state, duplicate: false })
    }

    /// The task that holds a unique key now.
    pub(crate) fn unique_holder(&mut self, key: &str) -> Done<Option<TaskId>> {
        let row: Option<([u8; 16], Option<i64>)> = self
            .db
            .prepare_cached("SELECT id, until FROM uniq WHERE key = ?1")?
            .query_row([key], |r| Ok((r.get(0)?, r.get(1)?)))
            .optional()?;
        let held = row.filter(|(_, until)| until.is_none_or(|u| u > self.now.as_millis()));
        Ok(held.map(|(id, _)| TaskId::from_uuid(uuid::Uuid::from_bytes(id))))
    }

    fn insert_rest(&mut self, rest: Rest<'_>) -> Done<()> {
        self.insert_batches(&rest.batches)?;
        self.insert_recipients(&rest.recipients)?;
        self.insert_all_ready(&rest.ready)
    }

    /// Enters tasks into the index of batches.
    pub(crate) fn insert_batches(&self, tasks: &[(BatchId, i64)]) -> Done<()> {
        if tasks.is_empty() {
            return Ok(());
        }
        let mut insert = self.db.prepare_cached("INSERT INTO batch_task (batch, seq) VALUES (?1, ?2)")?;
        for (batch, seq) in tasks {
            insert.execute((batch.as_bytes(), seq))?;
        }
        Ok(())
    }

    /// Puts a task among the waiting of its lane.
    pub(crate) fn insert_ready(&mut self, lane: usize, prio: usize, ord: i64, seq: i64) -> Done<()> {
        self.insert_all_ready(&[(lane, prio, ord, seq)])
    }

    fn insert_all_ready(&mut self, tasks: &[(usize, usize, i64, i64)]) -> Done<()> {
        if tasks.is_empty() {
            return Ok(());
        }
        let mut insert =
            self.db.prepare_cached("INSERT INTO ready (lane, prio, ord, seq) VALUES (?1, ?2, ?3, ?4)")?;
        for &(lane, prio, ord, seq) in tasks {
            insert.execute((lane as i64 + 1, prio as i64, ord, seq))?;
            self.mem.ready(lane, prio);
        }
        self.effects.wake = true;
        Ok(())
    }

    /// Puts a task among those that wait for a time.
    pub(crate) fn insert_due(
        &mut self,
        at: i64,
        seq: i64,
        lane: usize,
        prio: usize,
        state: State,
    ) -> Done<()> {
        self.db
            .prepare_cached("INSERT INTO due (at, seq, lane, prio, retrying) VALUES (?1, ?2, ?3, ?4, ?5)")?
            .execute((at, seq, lane as i64 + 1, prio as i64, i64::from(state == State::Retrying)))?;
        self.mem.next_due = Some(self.mem.next_due.map_or(at, |n| n.min(at)));
        Ok(())
    }

    /// Notes when to look at a task again; `why` as in the schema.
    pub(crate) fn insert_expiry(&mut self, at: i64, seq: i64, why: i64) -> Done<()> {
        self.db
            .prepare_cached("INSERT OR IGNORE INTO expiry (at, seq, why) VALUES (?1, ?2, ?3)")?
            .execute((at, seq, why))?;
        Ok(())
    }

    /// The row of a task, if it is there.
    pub(crate) fn find(&mut self, id: TaskId) -> Done<Option<i64>> {
        let seq = seq_of(id);
        if self.damage.is_lost(seq) {
            return Ok(Some(seq));
        }
        row_of(self.db, id, self.mem.has_foreign).inspect_err(|why| self.damage.lost_if(seq, why))
    }
}

/// The row of a task, if it is there; `foreign` says whether callers' own ids are looked at too.
pub(crate) fn row_of(db: &Connection, id: TaskId, foreign: bool) -> Done<Option<i64>> {
    let seq = seq_of(id);
    if id.as_uuid().get_version_num() == 7 {
        let rand: Option<i64> = db
            .prepare_cached("SELECT rand FROM task WHERE seq = ?1")?
            .query_row([seq], |r| r.get(0))
            .optional()?;
        if rand == Some(rand_of(id)) {
            return Ok(Some(seq));
        }
    }
    if !foreign {
        return Ok(None);
    }
    Ok(db
        .prepare_cached("SELECT seq FROM foreign_id WHERE id = ?1")?
        .query_row([id.as_bytes()], |r| r.get(0))
        .optional()?)
}

/// The id in a row's columns.
pub(crate) fn id_of_columns(seq: i64, rand: i64, flags: i64, ext: Option<&str>) -> Done<TaskId> {
    if flags & flag::FOREIGN == 0 {
        return Ok(id_of(seq, rand));
    }
    posthaste_core::task::stored::Ext::parse(ext)?
        .id
        .ok_or_else(|| Fail::Corrupt("a foreign task has no id".into()))
}
