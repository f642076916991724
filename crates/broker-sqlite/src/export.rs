//! Reading everything there is, part by part.

use posthaste_core::limits::{MAX_EXPORT_BYTES, MAX_PORTABLE};
use posthaste_core::portable::{
    Exported, PortableIdempotency, PortableItem, PortableLane, PortableQueue, PortableRecord, PortableRun,
    PortableTask, PortableUnique,
};
use posthaste_core::{
    BrokerError, Json, LaneKey, Name, Pause, QueueName, RecordKind, State, TaskId, Timestamp,
};
use rusqlite::Row;

use crate::engine::mem::LaneSettings;
use crate::engine::records::kind_code;
use crate::engine::unreadable::{name_of, readable};
use crate::engine::{Done, Fail};
use crate::read::Reader;
use crate::row::{flag, run_flag};

/// The tables of an export, in their order: what others refer to comes first.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Section {
    Task,
    Unique,
    Idempotency,
    Record,
    Lane,
    Queue,
    Series,
}

const SECTIONS: [(Section, &str); 7] = [
    (Section::Task, "task"),
    (Section::Unique, "unique"),
    (Section::Idempotency, "idempotency"),
    (Section::Record, "record"),
    (Section::Lane, "lane"),
    (Section::Queue, "queue"),
    (Section::Series, "series"),
];

/// A part of a section: its items, each with its size and where to go on behind it.
type Part = Vec<(PortableItem, usize, String)>;

/// What an export reads besides what people see of a task.
struct Beside {
    ended: u32,
    rescues: u32,
    first_due: i64,
    parked: Option<i64>,
    flags: i64,
    held: bool,
    run: Option<(i64, u32)>,
}

impl Reader<'_> {
    /// The items behind `cursor`, which is a section's name, a colon, and the last key of it.
    pub(crate) fn export(&self, cursor: Option<&str>, limit: usize) -> Done<Exported> {
        let limit = limit.clamp(1, MAX_PORTABLE);
        let (name, mut after) = match cursor {
            None => ("task", String::new()),
            Some(text) => {
                let (name, after) = text.split_once(':').ok_or(Fail::Caller(BrokerError::BadCursor))?;
                (name, after.to_owned())
            }
        };
        let mut at =
            SECTIONS.iter().position(|(_, n)| *n == name).ok_or(Fail::Caller(BrokerError::BadCursor))?;
        let (mut out, mut bytes) = (Exported::default(), 0);
        while let Some((section, name)) = SECTIONS.get(at) {
            let part = self.part(*section, &after, limit - out.items.len())?;
            if part.is_empty() {
                at += 1;
                after.clear();
                continue;
            }
            for (item, size, behind) in part {
                out.items.push(item);
                bytes += size;
                after = behind;
                if bytes >= MAX_EXPORT_BYTES {
                    break;
                }
            }
            if out.items.len() >= limit || bytes >= MAX_EXPORT_BYTES {
                out.next_cursor = Some(format!("{name}:{after}"));
                break;
            }
        }
        Ok(out)
    }

    fn part(&self, section: Section, after: &str, limit: usize) -> Done<Part> {
        match section {
            Section::Task => self.export_tasks(after, limit),
            Section::Unique => self.export_unique(after, limit),
            Section::Idempotency => self.export_idempotency(after, limit),
            Section::Record => self.export_records(after, limit),
            Section::Lane => self.export_lanes(after, limit),
            Section::Queue => self.export_queues(after, limit),
            Section::Series => self.export_series(after, limit),
        }
    }

    fn export_tasks(&self, after: &str, limit: usize) -> Done<Part> {
        let seqs: Vec<i64> = self
            .db
            .prepare_cached("SELECT seq FROM task WHERE seq > ?1 ORDER BY seq LIMIT ?2")?
            .query_map((number(after)?, limit as i64), |r| r.get(0))?
            .collect::<Result<_, _>>()?;
        let (mut out, mut bytes) = (Vec::with_capacity(seqs.len()), 0);
        for seq in seqs {
            let task = match readable(self.portable_task(seq))? {
                Ok(Some(task)) => task,
                Ok(None) => continue,
                Err(why) => {
                    self.damage.unreadable(name_of(self.db, seq), &why, "it is left out of the export");
                    continue;
                }
            };
            let size = task.payload.len() + task.result.as_ref().map_or(0, Json::len) + 512;
            out.push((PortableItem::Task(Box::new(task)), size, seq.to_string()));
            bytes += size;
            if bytes >= MAX_EXPORT_BYTES {
                break;
            }
        }
        Ok(out)
    }

    fn portable_task(&self, seq: i64) -> Done<Option<PortableTask>> {
        let Some(t) = self.task(seq, posthaste_core::broker::Bodies::Include)? else { return Ok(None) };
        let beside = self.beside(seq)?;
        let mut attempts = self.attempts_at(seq)?.unwrap_or_default();
        let run = beside.run.map(|(flags, before)| {
            let run = PortableRun {
                attempt: t.attempt,
                started_at: t.started_at.unwrap_or(t.due_at),
                worker: t.worker.clone().unwrap_or_else(|| attempts[attempts.len() - 1].worker.clone()),
                started: flags & run_flag::STARTED != 0,
                marked: flags & run_flag::MARKED != 0,
                cancel_requested: flags & run_flag::CANCEL != 0,
            };
            (run, before)
        });
        if run.is_some() {
            // The log ends with the attempt that runs.
            attempts.pop();
        }
        let last = run.as_ref().map_or(t.attempt, |(_, before)| *before);
        let is_final = t.state.is_final();
        Ok(Some(PortableTask {
            id: t.id,
            kind: t.kind,
            queue: t.queue,
            lane: t.lane,
            tenant: t.tenant,
            priority: t.priority,
            state: t.state,
            generation: t.generation,
            attempt: last,
            failures: t.failures,
            ended: if is_final { 0 } else { beside.ended },
            rescues: if is_final { 0 } else { beside.rescues },
            created_at: t.created_at,
            due_at: t.due_at,
            first_due_at: if is_final { t.due_at } else { Timestamp::from_millis(beside.first_due) },
            finished_at: t.finished_at,
            expires_at: t.expires_at,
            parked_until: beside.parked.filter(|_| t.state == State::Queued).map(Timestamp::from_millis),
            policy: t.policy,
            unique: t.unique,
            unique_until_final: beside.flags & flag::UNIQUE != 0,
            batch: t.batch,
            recipient: t.recipient,
            trace: t.trace,
            error: t.error,
            held: beside.held,
            run: run.map(|(run, _)| run),
            attempts,
            payload: t.payload.ok_or_else(|| Fail::Corrupt(format!("task {} has no payload", t.id)))?,
            result: t.result,
        }))
    }

    fn beside(&self, seq: i64) -> Done<Beside> {
        let mut stmt = self.db.prepare_cached(
            "SELECT t.ended, t.rescues, t.first_due, t.parked, t.flags, coalesce(o.held, 0), r.flags, t.attempt FROM task t \
             LEFT JOIN outcome o ON o.seq = t.seq LEFT JOIN run r ON r.seq = t.seq WHERE t.seq = ?1",
        )?;
        Ok(stmt.query_row([seq], |r| {
            let attempt: u32 = r.get(7)?;
            Ok(Beside {
                ended: r.get(0)?,
                rescues: r.get(1)?,
                first_due: r.get(2)?,
                parked: r.get(3)?,
                flags: r.get(4)?,
                held: r.get(5)?,
                run: r.get::<_, Option<i64>>(6)?.map(|flags| (flags, attempt)),
            })
        })?)
    }

    fn export_unique(&self, after: &str, limit: usize) -> Done<Part> {
        let mut stmt =
            self.db.prepare_cached("SELECT key, id, until FROM uniq WHERE key > ?1 ORDER BY key LIMIT ?2")?;
        let rows = stmt.query_map((after, limit as i64), |r| {
            let key: String = r.get(0)?;
            let unique = PortableUnique {
                key: key.clone(),
                task: id_at(r, 1)?,
                until: r.get::<_, Option<i64>>(2)?.map(Timestamp::from_millis),
            };
            Ok((PortableItem::Unique(unique), 300, key))
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    fn export_idempotency(&self, after: &str, limit: usize) -> Done<Part> {
        let mut stmt = self.db.prepare_cached(
            "SELECT key, fingerprint, at, ids, n FROM idem_entry WHERE n > ?1 ORDER BY n LIMIT ?2",
        )?;
        let mut rows = stmt.query((number(after)?, limit as i64))?;
        let mut out = Vec::new();
        while let Some(r) = rows.next()? {
            let ids: Vec<u8> = r.get(3)?;
            let tasks = ids
                .chunks_exact(17)
                .map(|c| {
                    let id = uuid::Uuid::from_slice(&c[..16]).map_err(|e| Fail::Corrupt(e.to_string()))?;
                    Ok((TaskId::from_uuid(id), c[16] != 0))
                })
                .collect::<Done<Vec<_>>>()?;
            let idem = PortableIdempotency {
                key: r.get(0)?,
                fingerprint: r.get(1)?,
                at: Timestamp::from_millis(r.get(2)?),
                tasks,
            };
            out.push((PortableItem::Idempotency(idem), 300 + ids.len() * 3, r.get::<_, i64>(4)?.to_string()));
        }
        Ok(out)
    }

    /// Records behind `<kind code>/<name>`, a few at a time: each may be a megabyte.
    fn export_records(&self, after: &str, limit: usize) -> Done<Part> {
        let (code, name) = after.split_once('/').unwrap_or(("0", ""));
        let mut stmt = self.db.prepare_cached(
            "SELECT kind, name, version, updated, body FROM record WHERE (kind, name) > (?1, ?2) \
             ORDER BY kind, name LIMIT ?3",
        )?;
        let mut rows = stmt.query((number(code)?, name, limit as i64))?;
        let (mut out, mut bytes) = (Vec::new(), 0);
        while bytes < MAX_EXPORT_BYTES
            && let Some(r) = rows.next()?
        {
            let code: i64 = r.get(0)?;
            let kind = RecordKind::ALL
                .into_iter()
                .find(|k| kind_code(*k) == code)
                .ok_or_else(|| Fail::Corrupt(format!("a record of kind {code}")))?;
            let name: String = r.get(1)?;
            let record = PortableRecord {
                kind,
                name: name.clone(),
                version: u64::try_from(r.get::<_, i64>(2)?).unwrap_or(0),
                updated_at: Timestamp::from_millis(r.get(3)?),
                body: Json::from_trusted(r.get(4)?),
            };
            let size = record.body.len() + 200;
            bytes += size;
            out.push((PortableItem::Record(record), size, format!("{code}/{name}")));
        }
        Ok(out)
    }

    fn export_lanes(&self, after: &str, limit: usize) -> Done<Part> {
        let mut stmt = self.db.prepare_cached(
            "SELECT l.id, n.text, l.target, l.tenant, l.settings FROM lane l JOIN name n ON n.id = l.queue \
             WHERE l.id > ?1 AND l.settings IS NOT NULL ORDER BY l.id LIMIT ?2",
        )?;
        let mut rows = stmt.query((number(after)?, limit as i64))?;
        let mut out = Vec::new();
        while let Some(r) = rows.next()? {
            let id: i64 = r.get(0)?;
            let (target, tenant): (String, String) = (r.get(2)?, r.get(3)?);
            let lane = (!target.is_empty())
                .then(|| Name::new(&target).map(|target| LaneKey { target, tenant: Name::new(&tenant).ok() }))
                .transpose()
                .map_err(|e| Fail::Corrupt(e.to_string()))?;
            let s: LaneSettings = serde_json::from_str(&r.get::<_, String>(4)?)?;
            let item = PortableLane {
                queue: queue_at(r, 1)?,
                lane,
                limits: s.limits,
                manual: s.manual,
                auto: s.auto,
                strikes: s.strikes,
                opens: s.opens,
            };
            out.push((PortableItem::Lane(item), 500, id.to_string()));
        }
        Ok(out)
    }

    fn export_queues(&self, after: &str, limit: usize) -> Done<Part> {
        let mut stmt = self.db.prepare_cached(
            "SELECT q.id, n.text, q.settings FROM queue q JOIN name n ON n.id = q.id \
             WHERE q.id > ?1 AND q.settings IS NOT NULL ORDER BY q.id LIMIT ?2",
        )?;
        let mut rows = stmt.query((number(after)?, limit as i64))?;
        let mut out = Vec::new();
        while let Some(r) = rows.next()? {
            let id: i64 = r.get(0)?;
            let paused: Pause = serde_json::from_str(&r.get::<_, String>(2)?)?;
            let item = PortableQueue { queue: queue_at(r, 1)?, paused };
            out.push((PortableItem::Queue(item), 500, id.to_string()));
        }
        Ok(out)
    }

    /// Points behind `<ms>/<queue>`.
    fn export_series(&self, after: &str, limit: usize) -> Done<Part> {
        let (at, queue) = after.split_once('/').unwrap_or((after, ""));
        let at = number(at)?;
        let mut stmt = self.db.prepare_cached(
            "SELECT s.at, n.text, s.data FROM series s JOIN name n ON n.id = s.queue \
             WHERE s.at > ?1 OR (s.at = ?1 AND n.text > ?2) ORDER BY s.at, n.text LIMIT ?3",
        )?;
        let mut rows = stmt.query((at, queue, limit as i64))?;
        let mut out = Vec::new();
        while let Some(r) = rows.next()? {
            let point = crate::read::point_of(r)?;
            let behind = format!("{}/{}", point.at.as_millis(), point.queue);
            out.push((PortableItem::Series(point), 600, behind));
        }
        Ok(out)
    }
}

fn number(text: &str) -> Done<i64> {
    if text.is_empty() {
        return Ok(0);
    }
    text.parse().map_err(|_| Fail::Caller(BrokerError::BadCursor))
}

fn id_at(r: &Row<'_>, column: usize) -> rusqlite::Result<TaskId> {
    Ok(TaskId::from_uuid(uuid::Uuid::from_bytes(r.get::<_, [u8; 16]>(column)?)))
}

fn queue_at(r: &Row<'_>, column: usize) -> Done<QueueName> {
    QueueName::new(r.get::<_, String>(column)?).map_err(|e| Fail::Corrupt(e.to_string()))
}
