//! Taking over what another store held.

use posthaste_core::broker::SeriesPoint;
use posthaste_core::limits::{IDEMPOTENCY_KEPT, SERIES_KEPT};
use posthaste_core::portable::{
    Imported, PortableIdempotency, PortableItem, PortableLane, PortableQueue, PortableRecord, PortableTask,
    PortableUnique,
};
use posthaste_core::task::stored::{Ext, log_append};
use posthaste_core::{LaneLimits, NewTask, State, Timestamp};
use rusqlite::OptionalExtension;

use super::idempotency::KeyName;
use super::mem::retention_class;
use super::records::kind_code;
use super::series::Point;
use super::{Done, Fail, Tx};
use crate::ids::{id_of, rand_of, seq_of};
use crate::row::flag;

/// Row numbers of one millisecond.
const IN_A_MILLISECOND: i64 = 4096;
/// Milliseconds that are looked through for a row number; a thousand full ones in a row are four million tasks.
const MILLISECONDS: i64 = 1_000;

impl Tx<'_> {
    /// Stores what is not there yet.
    pub(crate) fn import(&mut self, items: &[PortableItem]) -> Done<Imported> {
        let mut out = Imported::default();
        for item in items {
            let stored = match item {
                PortableItem::Task(task) => self.import_task(task)?,
                PortableItem::Unique(unique) => self.import_unique(unique)?,
                PortableItem::Idempotency(idem) => self.import_idempotency(idem)?,
                PortableItem::Record(record) => self.import_record(record)?,
                PortableItem::Lane(lane) => self.import_lane(lane)?,
                PortableItem::Queue(queue) => self.import_queue(queue)?,
                PortableItem::Series(point) => self.import_series(point)?,
            };
            out.stored += usize::from(stored);
            out.left += usize::from(!stored);
        }
        Ok(out)
    }

    fn import_task(&mut self, task: &PortableTask) -> Done<bool> {
        if self.find(task.id)?.is_some() {
            return Ok(false);
        }
        let task = &task.clone().at_rest(self.now);
        // Bounds are for what is brought anew: what was stored once is stored.
        let whose = task.tenant.as_ref();
        let kind = self.mem.kind_id(self.db, &task.kind, whose)?;
        let lane = self.mem.lane_ix(self.db, &task.queue, task.lane.as_ref(), whose)?;
        let (seq, rand) = self.row_for(task)?;
        let foreign = rand < 0;
        let flags = flags_of(task, foreign);
        let (policy, ext) = self.ext_of(task, foreign)?;
        let prio = i64::from(task.priority.code());
        let log = log_of(task)?;
        let error = task.error.as_ref().map(serde_json::to_string).transpose()?;
        let ready = task.state == State::Queued;
        let due = task.due_at.as_millis();
        let ord = if ready && task.is_in_front() { self.mem.front_place() } else { due };
        let parked = task.parked_until.filter(|_| ready).map(Timestamp::as_millis);
        self.db
            .prepare_cached(
                "INSERT INTO task (seq, rand, kind, lane, prio, gen, attempt, failures, ended, rescues, flags, policy, \
                 created, due, first_due, ord, expires, parked, error, log, ext, payload) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22)",
            )?
            .execute(rusqlite::params![
                seq,
                rand,
                kind,
                lane as i64 + 1,
                prio,
                task.generation,
                task.attempt,
                task.failures,
                task.ended,
                task.rescues,
                flags,
                policy,
                task.created_at.as_millis(),
                due,
                task.first_due_at.as_millis(),
                ord,
                task.expires_at.map(Timestamp::as_millis),
                parked,
                error,
                log,
                ext,
                task.payload.as_str(),
            ])?;
        if foreign {
            self.db
                .prepare_cached("INSERT INTO foreign_id (id, seq) VALUES (?1, ?2)")?
                .execute((task.id.as_bytes(), seq))?;
            self.mem.has_foreign = true;
        }
        if let Some(batch) = task.batch {
            self.insert_batches(&[(batch, seq)])?;
        }
        if let Some(recipient) = &task.recipient {
            self.insert_recipients(&[(recipient.as_str(), seq)])?;
        }
        self.place_imported(task, seq, lane, (ord, parked), (error, log))?;
        self.count(lane, None, Some(task.state));
        if task.held {
            self.mem.count_held(lane, 1);
        }
        Ok(true)
    }

    /// Puts an imported task where its state says.
    fn place_imported(
        &mut self,
        task: &PortableTask,
        seq: i64,
        lane: usize,
        (ord, parked): (i64, Option<i64>),
        (error, log): (Option<String>, Option<String>),
    ) -> Done<()> {
        let prio = usize::from(task.priority.code());
        if task.state.is_final() {
            let finished = task.finished_at.unwrap_or(self.now).as_millis();
            self.db
                .prepare_cached(
                    "INSERT INTO outcome (seq, state, keep, finished, attempt, failures, held, error, log, result) \
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
                )?
                .execute(rusqlite::params![
                    seq,
                    task.state.code(),
                    retention_class(task.state).map(|c| c as i64),
                    finished,
                    task.attempt,
                    task.failures,
                    i64::from(task.held),
                    error,
                    log.as_deref().unwrap_or("[]"),
                    task.result.as_ref().map(posthaste_core::Json::as_str),
                ])?;
            return Ok(());
        }
        if let Some(e) = task.expires_at {
            self.insert_expiry(e.as_millis(), seq, 0)?;
        }
        if let Some(at) = parked {
            self.insert_expiry(at, seq, 1)?;
        }
        if task.state == State::Queued {
            self.insert_ready(lane, prio, ord, seq)
        } else {
            self.insert_due(task.due_at.as_millis(), seq, lane, prio, task.state)
        }
    }

    /// The row of an id: the one that the id says, else a free one of the time when its task was enqueued.
    fn row_for(&mut self, task: &PortableTask) -> Done<(i64, i64)> {
        let (seq, rand) = (seq_of(task.id), rand_of(task.id));
        if task.id.as_uuid().get_version_num() == 7 && id_of(seq, rand) == task.id && !self.is_taken(seq)? {
            self.mem.minter.beyond(seq);
            return Ok((seq, rand));
        }
        let first = task.created_at.as_millis().max(0);
        for ms in first..first + MILLISECONDS {
            let begin = ms * IN_A_MILLISECOND;
            let last: Option<i64> = self
                .db
                .prepare_cached("SELECT max(seq) FROM task WHERE seq >= ?1 AND seq < ?2")?
                .query_row([begin, begin + IN_A_MILLISECOND], |r| r.get(0))?;
            let free = last.map_or(begin, |l| l + 1);
            if free < begin + IN_A_MILLISECOND {
                self.mem.minter.beyond(free);
                return Ok((free, -1));
            }
        }
        Err(Fail::Corrupt(format!("no row is free for task {}", task.id)))
    }

    fn ext_of(&self, task: &PortableTask, foreign: bool) -> Done<(u8, Option<String>)> {
        let policy = self.presets.code(&task.policy);
        let like = NewTask {
            tenant: task.tenant.clone(),
            batch: task.batch,
            recipient: task.recipient.clone(),
            trace: task.trace.clone(),
            policy: task.policy.clone(),
            ..NewTask::new(task.kind.clone(), task.payload.clone())
        };
        let ext =
            Ext { id: foreign.then_some(task.id), unique: task.unique.clone(), ..Ext::of(&like, policy) };
        Ok((policy, ext.text()?))
    }

    fn import_unique(&mut self, u: &PortableUnique) -> Done<bool> {
        if u.until.is_some_and(|t| t <= self.now) || self.unique_holder(&u.key)?.is_some() {
            return Ok(false);
        }
        let seq = self.find(u.task)?;
        // A key that is held until its task is final goes with that task.
        if u.until.is_none() && self.state_of(u.task)?.is_none_or(State::is_final) {
            return Ok(false);
        }
        self.db
            .prepare_cached("INSERT OR REPLACE INTO uniq (key, seq, id, until) VALUES (?1, ?2, ?3, ?4)")?
            .execute((&u.key, seq.unwrap_or(-1), u.task.as_bytes(), u.until.map(Timestamp::as_millis)))?;
        Ok(true)
    }

    fn import_idempotency(&mut self, i: &PortableIdempotency) -> Done<bool> {
        if i.at.plus(IDEMPOTENCY_KEPT) <= self.now {
            return Ok(false);
        }
        let mut ids = Vec::with_capacity(i.tasks.len() * 17);
        for (id, duplicate) in &i.tasks {
            ids.extend_from_slice(id.as_bytes());
            ids.push(u8::from(*duplicate));
        }
        let name = KeyName::from_text(i.key.clone());
        if self.find_key(&name)?.is_some() {
            return Ok(false);
        }
        self.insert_key(&name, &i.fingerprint, i.at, &ids)?;
        Ok(true)
    }

    fn import_record(&mut self, r: &PortableRecord) -> Done<bool> {
        let n = self
            .db
            .prepare_cached(
                "INSERT OR IGNORE INTO record (kind, name, version, updated, body) VALUES (?1, ?2, ?3, ?4, ?5)",
            )?
            .execute((
                kind_code(r.kind),
                &r.name,
                i64::try_from(r.version).unwrap_or(i64::MAX),
                r.updated_at.as_millis(),
                r.body.as_str(),
            ))?;
        Ok(n > 0)
    }

    fn import_lane(&mut self, l: &PortableLane) -> Done<bool> {
        let lane = self.mem.lane_ix(self.db, &l.queue, l.lane.as_ref(), None)?;
        let mut new = self.mem.lanes[lane].settings.clone();
        if new.limits == LaneLimits::default() || new.limits == unlimited() {
            new.limits = l.limits;
        }
        new.manual = new.manual.or_else(|| l.manual.clone());
        new.auto = new.auto.or_else(|| l.auto.clone());
        new.strikes = new.strikes.max(l.strikes);
        new.opens = new.opens.max(l.opens);
        if new == self.mem.lanes[lane].settings {
            return Ok(false);
        }
        self.store_settings(lane, new)?;
        Ok(true)
    }

    fn import_queue(&mut self, q: &PortableQueue) -> Done<bool> {
        let id = self.mem.queue_id(self.db, &q.queue, None)?;
        let Some(queue) = self.mem.queues.get_mut(&id).filter(|queue| queue.paused.is_none()) else {
            return Ok(false);
        };
        queue.paused = Some(q.paused.clone());
        let text = serde_json::to_string(&q.paused)?;
        self.db.execute("UPDATE queue SET settings = ?2 WHERE id = ?1", (id, text))?;
        Ok(true)
    }

    fn import_series(&mut self, p: &SeriesPoint) -> Done<bool> {
        if p.at.plus(SERIES_KEPT) <= self.now {
            return Ok(false);
        }
        let queue = self.mem.queue_id(self.db, &p.queue, None)?;
        let found: Option<i64> = self
            .db
            .prepare_cached("SELECT 1 FROM series WHERE at = ?1 AND queue = ?2")?
            .query_row((p.at.as_millis(), queue), |r| r.get(0))
            .optional()?;
        if found.is_some() {
            return Ok(false);
        }
        self.db.prepare_cached("INSERT INTO series (at, queue, data) VALUES (?1, ?2, ?3)")?.execute((
            p.at.as_millis(),
            queue,
            serde_json::to_string(&Point::from(p))?,
        ))?;
        Ok(true)
    }
}

/// Limits that say nothing, with the period that people are shown.
fn unlimited() -> LaneLimits {
    LaneLimits { rate: None, per_ms: 1_000, concurrency: None }
}

fn flags_of(task: &PortableTask, foreign: bool) -> i64 {
    [
        (task.batch.is_some(), flag::BATCH),
        (task.unique.is_some() && task.unique_until_final, flag::UNIQUE),
        (foreign, flag::FOREIGN),
        (task.recipient.is_some(), flag::RECIPIENT),
    ]
    .into_iter()
    .fold(0, |flags, (set, bit)| if set { flags | bit } else { flags })
}

fn log_of(task: &PortableTask) -> Done<Option<String>> {
    let mut log = None;
    for attempt in &task.attempts {
        log = Some(log_append(log.as_deref(), attempt)?);
    }
    Ok(log)
}
