//! Numbers of kinds and queues, and who brought them: what one tenant makes up must leave the installation its own.

use std::collections::HashMap;

use posthaste_core::limits::{BROUGHT_KEPT, MAX_NAMES, MAX_TENANT_LANES, MAX_TENANT_NAMES};
use posthaste_core::{BrokerError, Kind, NewTask, QueueName, Tenant, Timestamp};
use rusqlite::Connection;
use rustc_hash::{FxHashMap, FxHashSet};

use super::mem::{Mem, Queue};
use super::{Done, Fail};

/// Milliseconds of a day.
const DAY: i64 = 24 * 3600 * 1000;

/// What a tenant's names are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    Name,
    Lane,
}

impl What {
    const fn code(self) -> i64 {
        match self {
            Self::Name => 0,
            Self::Lane => 1,
        }
    }

    const fn most(self) -> usize {
        match self {
            Self::Name => MAX_TENANT_NAMES,
            Self::Lane => MAX_TENANT_LANES,
        }
    }
}

/// What one tenant used lately, with the last day of each.
#[derive(Debug, Default)]
struct Used {
    names: FxHashMap<String, i64>,
    lanes: FxHashMap<String, i64>,
    /// The day on which what is old was last forgotten.
    swept: i64,
}

impl Used {
    fn of(&mut self, what: What) -> &mut FxHashMap<String, i64> {
        match what {
            What::Name => &mut self.names,
            What::Lane => &mut self.lanes,
        }
    }

    /// Forgets what was last used before a day.
    fn keep_from(&mut self, oldest: i64) {
        for what in [What::Name, What::Lane] {
            self.of(what).retain(|_, last| *last >= oldest);
        }
    }
}

/// Who uses which names.
#[derive(Debug, Default)]
pub(crate) struct Names {
    /// How many the installation uses.
    whole: usize,
    /// Those that tenants alone use.
    apart: FxHashSet<i64>,
    used: HashMap<Tenant, Used>,
    /// The day on which those of all tenants were last forgotten.
    swept: Option<i64>,
}

impl Names {
    /// Reads who uses what; the names themselves are [`Names::found`] after it.
    pub(super) fn load(db: &Connection) -> Done<Self> {
        let mut names = Self::default();
        let mut apart = db.prepare("SELECT id FROM apart_name")?;
        names.apart = apart.query_map([], |r| r.get(0))?.collect::<Result<_, _>>()?;
        let mut used = db.prepare("SELECT tenant, what, text, day FROM brought")?;
        let mut rows = used.query([])?;
        while let Some(r) = rows.next()? {
            let tenant = Tenant::new(r.get::<_, String>(0)?).map_err(|e| Fail::Corrupt(e.to_string()))?;
            let what = if r.get::<_, i64>(1)? == What::Name.code() { What::Name } else { What::Lane };
            names.used.entry(tenant).or_default().of(what).insert(r.get(2)?, r.get(3)?);
        }
        Ok(names)
    }

    /// Counts a name of the store.
    pub(super) fn found(&mut self, id: i64) {
        self.whole += usize::from(!self.apart.contains(&id));
    }
}

impl Mem {
    /// Notes what a task of a tenant is called by and where it waits; what there is too much of, when it is more than one tenant
    /// may use in a week. What every installation has is nobody's.
    pub(crate) fn bring(
        &mut self,
        db: &Connection,
        tenant: &Tenant,
        task: &NewTask,
        now: Timestamp,
    ) -> Done<Option<&'static str>> {
        let day = day_of(now);
        let used = self.names.used.entry(tenant.clone()).or_default();
        let new = |used: &Used, text: &str| used.names.get(text) != Some(&day);
        let (kind, queue) = (task.kind.as_str(), task.queue.as_str());
        if !task.kind.is_built_in()
            && new(used, kind)
            && !bring_one(db, used, (tenant, What::Name), (kind, day))?
        {
            return Ok(Some("kind"));
        }
        if !task.queue.is_built_in()
            && new(used, queue)
            && !bring_one(db, used, (tenant, What::Name), (queue, day))?
        {
            return Ok(Some("queue"));
        }
        let Some(lane) = &task.lane else { return Ok(None) };
        let text = format!("{queue} {lane}");
        if used.lanes.get(&text) != Some(&day) && !bring_one(db, used, (tenant, What::Lane), (&text, day))? {
            return Ok(Some("lane"));
        }
        Ok(None)
    }

    /// Once a day, forgets what no tenant used for a week: a tenant that left brings nothing any more, which would forget its own.
    pub(crate) fn forget_brought(&mut self, db: &Connection, now: Timestamp) -> Done<()> {
        let day = day_of(now);
        if self.names.swept == Some(day) {
            return Ok(());
        }
        let oldest = oldest_kept(day);
        db.prepare_cached("DELETE FROM brought WHERE day < ?1")?.execute([oldest])?;
        self.names.used.retain(|_, used| {
            used.keep_from(oldest);
            !(used.names.is_empty() && used.lanes.is_empty())
        });
        self.names.swept = Some(day);
        Ok(())
    }

    fn intern(&mut self, db: &Connection, text: &str, whose: Option<&Tenant>) -> Done<i64> {
        if whose.is_none() {
            self.room()?;
        }
        db.prepare_cached("INSERT INTO name (text) VALUES (?1)")?.execute([text])?;
        let id = db.last_insert_rowid();
        if whose.is_some() {
            db.prepare_cached("INSERT INTO apart_name (id) VALUES (?1)")?.execute([id])?;
            self.names.apart.insert(id);
        } else {
            self.names.whole += 1;
        }
        if let Ok(kind) = Kind::new(text) {
            self.kinds.insert(id, kind.clone());
            self.kind_ids.insert(kind, id);
        }
        Ok(id)
    }

    fn room(&self) -> Done<()> {
        if self.names.whole < MAX_NAMES {
            return Ok(());
        }
        Err(Fail::Caller(BrokerError::invalid(
            0,
            "kind",
            format!("this store knows {MAX_NAMES} kinds and queues already; use fewer"),
        )))
    }

    /// A name that tenants used alone counts for the installation from its first use on.
    fn share(&mut self, db: &Connection, id: i64, whose: Option<&Tenant>) -> Done<i64> {
        if whose.is_none() && self.names.apart.contains(&id) {
            self.room()?;
            db.prepare_cached("DELETE FROM apart_name WHERE id = ?1")?.execute([id])?;
            self.names.apart.remove(&id);
            self.names.whole += 1;
        }
        Ok(id)
    }

    /// The number of a kind, made if it is new.
    pub(crate) fn kind_id(&mut self, db: &Connection, kind: &Kind, whose: Option<&Tenant>) -> Done<i64> {
        match self.kind_ids.get(kind).copied() {
            Some(id) => self.share(db, id, whose),
            None => self.intern(db, kind.as_str(), whose),
        }
    }

    /// The kind of a number.
    pub(crate) fn kind(&self, id: i64) -> Option<&Kind> {
        self.kinds.get(&id)
    }

    /// The number of a queue, made if it is new.
    pub(crate) fn queue_id(
        &mut self,
        db: &Connection,
        name: &QueueName,
        whose: Option<&Tenant>,
    ) -> Done<i64> {
        if let Some(id) = self.queue_ids.get(name).copied() {
            return self.share(db, id, whose);
        }
        let as_kind = Kind::new(name.as_str()).map_err(|e| Fail::Corrupt(e.to_string()))?;
        let id = match self.kind_ids.get(&as_kind).copied() {
            Some(id) => self.share(db, id, whose)?,
            None => self.intern(db, name.as_str(), whose)?,
        };
        db.execute("INSERT INTO queue (id, counts) VALUES (?1, '[0,0,0,0,0,0,0,0,0]')", [id])?;
        self.queue_ids.insert(name.clone(), id);
        self.queues.insert(
            id,
            Queue {
                name: name.clone(),
                counts: [0; 9],
                dirty: false,
                paused: None,
                turn: 0,
                ring: Default::default(),
            },
        );
        Ok(id)
    }
}

fn day_of(now: Timestamp) -> i64 {
    now.as_millis().div_euclid(DAY)
}

/// The first day whose names are not forgotten on `day`.
fn oldest_kept(day: i64) -> i64 {
    day - (BROUGHT_KEPT.as_secs() / (24 * 3600)) as i64
}

/// Notes one name of a tenant as used on `day`; false when it is one more than a tenant may use.
fn bring_one(
    db: &Connection,
    used: &mut Used,
    (tenant, what): (&Tenant, What),
    (text, day): (&str, i64),
) -> Done<bool> {
    if used.swept != day {
        forget(db, used, tenant, day)?;
        used.swept = day;
    }
    let known = used.of(what);
    if !known.contains_key(text) && known.len() >= what.most() {
        return Ok(false);
    }
    known.insert(text.to_owned(), day);
    let sql = "INSERT OR REPLACE INTO brought (tenant, what, text, day) VALUES (?1, ?2, ?3, ?4)";
    db.prepare_cached(sql)?.execute((tenant.as_str(), what.code(), text, day))?;
    Ok(true)
}

/// Forgets what a tenant has not used for a week.
fn forget(db: &Connection, used: &mut Used, tenant: &Tenant, day: i64) -> Done<()> {
    let oldest = oldest_kept(day);
    used.keep_from(oldest);
    let sql = "DELETE FROM brought WHERE tenant = ?1 AND day < ?2";
    db.prepare_cached(sql)?.execute((tenant.as_str(), oldest))?;
    Ok(())
}
