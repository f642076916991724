//! Reading tasks: by id, as pages, as attempts. Each shard answers in one script, so a task is never
//! seen between two places.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::LazyLock;
use std::time::Instant;

use futures_util::future::try_join_all;
use posthaste_core::broker::{Bodies, ListRequest, Page};
use posthaste_core::limits::{LIST_TIME, MAX_LIST_SCAN, MAX_PAGE};
use posthaste_core::{
    Attempt, BrokerError, FailureClass, Kind, QueueName, State, Task, TaskId, Tenant, Timestamp, WorkerId,
};
use redis::Value;

use crate::keys::Key;
use crate::link::{Oom, Script, crc16};
use crate::names::{Names, Route};
use crate::recipients::RECIPIENTS;
use crate::record::{Record, Run, Seen, corrupt};
use crate::reply;
use crate::shards::Shards;

/// Tasks that one script reads with their bodies.
const CHUNK: usize = 100;
/// Tasks that each shard looks at for a page, at least.
const MIN_SCAN: usize = 16;

struct Scripts {
    get: Script,
    list: Script,
}

static SCRIPTS: LazyLock<Scripts> = LazyLock::new(|| {
    let (reader, task) = (include_str!("lua/reader.lua"), include_str!("lua/read_task.lua"));
    let with = |name, parts: &[&str]| Script::with(name, Oom::Reads, &[&[reader, task], parts].concat());
    Scripts {
        get: with("read_get", &[include_str!("lua/read_get.lua")]),
        list: with("read_list", &[RECIPIENTS.as_str(), include_str!("lua/read_list.lua")]),
    }
});

/// What a script tells of one task.
pub(crate) struct Told {
    pub(crate) key: Key,
    pub(crate) state: State,
    pub(crate) record: Vec<u8>,
    pub(crate) run: Option<Vec<u8>>,
    pub(crate) worker: Option<WorkerId>,
    pub(crate) payload: Option<Vec<u8>>,
    pub(crate) result: Option<Vec<u8>>,
}

impl Told {
    /// Takes the six values of a task off a reply; `None` when there is no such task.
    pub(crate) fn take(
        key: Key,
        values: &mut impl Iterator<Item = Value>,
    ) -> Result<Option<Self>, BrokerError> {
        let mut next = || values.next().ok_or_else(|| corrupt("the store answered too little"));
        let state = next()?;
        let (record, run) = (reply::maybe_bytes(next()?)?, reply::maybe_bytes(next()?)?);
        let worker = reply::maybe_bytes(next()?)?;
        let (payload, result) = (reply::maybe_bytes(next()?)?, reply::maybe_bytes(next()?)?);
        let Some(record) = record else { return Ok(None) };
        let state = u8::try_from(reply::int(state)?).ok().and_then(State::from_code);
        Ok(Some(Self {
            key,
            state: state.ok_or_else(|| corrupt("the store answered a state that is none"))?,
            record,
            run,
            // The number of a worker is given again after a long time: its name may be gone.
            worker: worker.and_then(|w| WorkerId::new(String::from_utf8(w).ok()?).ok()),
            payload,
            result,
        }))
    }

    pub(crate) fn route_number(&self) -> Result<u32, BrokerError> {
        Ok(Record::parse(self.key, &self.record)?.route)
    }

    fn task(self, route: &Route, bodies: Bodies) -> Result<Task, BrokerError> {
        let record = Record::parse(self.key, &self.record)?;
        let run = self.run.as_deref().map(Run::parse).transpose()?;
        let (payload, result) = match bodies {
            Bodies::Omit => (None, None),
            Bodies::Include => (
                Some(record.payload(self.key, self.payload.as_deref())?),
                record.result(self.key, self.result.as_deref())?,
            ),
        };
        let seen = Seen { route, run: run.as_ref(), worker: self.worker, payload, result };
        Ok(Task { state: self.state, ..record.task(self.key, seen)? })
    }
}

/// Makes tasks of what a shard told, in order. A record that cannot be read is the trouble of its own task alone.
async fn tasks(
    shards: &Shards,
    names: &Names,
    shard: u16,
    told: Vec<Told>,
    bodies: Bodies,
) -> Result<Vec<Result<Task, BrokerError>>, BrokerError> {
    let numbers = told.iter().filter_map(|t| t.route_number().ok());
    let routes = names.routes(shards, shard, numbers).await?;
    let task = |t: Told| {
        let n = t.route_number()?;
        t.task(routes.get(&n).ok_or_else(|| corrupt(format!("route {n} is missing")))?, bodies)
    };
    Ok(told.into_iter().map(task).collect())
}

/// What the shard has of keys of its own, in order.
async fn fetch(
    shards: &Shards,
    shard: u16,
    keys: &[Key],
    bodies: Bodies,
) -> Result<Vec<Option<Told>>, BrokerError> {
    let mut call = SCRIPTS.get.call(&shards.m_key(shard));
    call.arg(shards.clock_arg()).arg(flag(bodies));
    for key in keys {
        call.arg(key);
    }
    let mut values = reply::list(shards.link().run(call).await?)?.into_iter();
    keys.iter().map(|key| Told::take(*key, &mut values)).collect()
}

fn flag(bodies: Bodies) -> &'static [u8] {
    match bodies {
        Bodies::Include => b"1",
        Bodies::Omit => b"",
    }
}

/// The tasks of ids, in order.
///
/// # Errors
/// Those of the link; [`BrokerError::Corrupt`].
pub(crate) async fn get(
    shards: &Shards,
    names: &Names,
    ids: &[TaskId],
) -> Result<Vec<Option<Task>>, BrokerError> {
    let mut by_shard: HashMap<u16, Vec<(usize, Key)>> = HashMap::new();
    for (place, id) in ids.iter().enumerate() {
        let (shard, key) = shards.place(*id);
        by_shard.entry(shard).or_default().push((place, key));
    }
    let chunks = by_shard.iter().flat_map(|(shard, keys)| keys.chunks(CHUNK).map(|c| (*shard, c)));
    let parts = try_join_all(chunks.map(|(shard, places)| async move {
        let keys: Vec<Key> = places.iter().map(|(_, key)| *key).collect();
        let told = fetch(shards, shard, &keys, Bodies::Include).await?;
        let there: Vec<usize> =
            places.iter().zip(&told).filter(|(_, t)| t.is_some()).map(|((place, _), _)| *place).collect();
        let tasks =
            tasks(shards, names, shard, told.into_iter().flatten().collect(), Bodies::Include).await?;
        Ok::<_, BrokerError>(there.into_iter().zip(tasks).collect::<Vec<_>>())
    }))
    .await?;
    let mut out: Vec<Option<Task>> = ids.iter().map(|_| None).collect();
    for (place, task) in parts.into_iter().flatten() {
        out[place] = Some(task?);
    }
    Ok(out)
}

/// The attempts of a task; `None` when there is no such task.
///
/// # Errors
/// Those of the link; [`BrokerError::Corrupt`].
pub(crate) async fn attempts(shards: &Shards, id: TaskId) -> Result<Option<Vec<Attempt>>, BrokerError> {
    let (shard, key) = shards.place(id);
    let Some(told) = fetch(shards, shard, &[key], Bodies::Omit).await?.pop().flatten() else {
        return Ok(None);
    };
    let run = told.run.as_deref().map(Run::parse).transpose()?;
    Record::parse(key, &told.record)?.attempts(key, run.as_ref(), told.worker).map(Some)
}

/// A place in the order of lists: by the time of creation, then by key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    created: i64,
    key: Key,
}

/// What one shard told of a page.
struct Part {
    looked: usize,
    /// The last place looked at, if there are more behind it.
    more: Option<Place>,
    found: Vec<(Place, Task)>,
}

/// A page of tasks, newest first.
///
/// # Errors
/// [`BrokerError::BadCursor`]; those of the link; [`BrokerError::Corrupt`].
pub(crate) async fn list(shards: &Shards, names: &Names, request: &ListRequest) -> Result<Page, BrokerError> {
    let until = Instant::now() + LIST_TIME;
    let limit = request.limit.clamp(1, MAX_PAGE);
    let mut from = match &request.cursor {
        Some(text) => Some(cursor_parse(text).ok_or(BrokerError::BadCursor)?),
        None => None,
    };
    let mut page = Page::default();
    let mut looked = 0;
    loop {
        let left = limit - page.tasks.len();
        let scan = ((MAX_LIST_SCAN - looked) / usize::from(shards.count())).max(MIN_SCAN);
        let parts =
            try_join_all(shards.all().map(|shard| part(shards, names, shard, request, (from, left, scan))))
                .await?;
        // Every shard has been looked through down to here.
        let floor = parts.iter().filter_map(|p| p.more).max();
        looked += parts.iter().map(|p| p.looked).sum::<usize>();
        let mut found: Vec<(Place, Task)> = parts.into_iter().flat_map(|p| p.found).collect();
        found.retain(|(place, _)| floor.is_none_or(|f| *place >= f));
        found.sort_by_key(|(place, _)| Reverse(*place));
        let surplus = found.len() > left;
        found.truncate(left);
        let last = found.last().map(|(place, _)| *place);
        page.tasks.extend(found.into_iter().map(|(_, task)| task));
        if surplus {
            page.next_cursor = last.map(cursor);
            return Ok(page);
        }
        let Some(floor) = floor else { return Ok(page) };
        let full = page.tasks.len() >= limit;
        if full || looked >= MAX_LIST_SCAN || Instant::now() > until {
            page.next_cursor = Some(cursor(floor));
            if !full {
                // Of the floor's own millisecond there may be more.
                page.searched_until = Some(Timestamp::from_millis(floor.created + 1));
            }
            return Ok(page);
        }
        from = Some(floor);
    }
}

/// One shard's part: from where, matches at most, tasks looked at at most.
async fn part(
    shards: &Shards,
    names: &Names,
    shard: u16,
    request: &ListRequest,
    (from, limit, scan): (Option<Place>, usize, usize),
) -> Result<Part, BrokerError> {
    let f = &request.filter;
    let states: u32 = f.states.iter().fold(0, |bits, s| bits | (1 << s.code()));
    let mut call = SCRIPTS.list.call(&shards.m_key(shard));
    call.arg(shards.clock_arg());
    match &from {
        Some(place) => call.int(place.created).arg(place.key),
        None => call.arg("").arg(""),
    };
    call.int(limit as i64).int(scan as i64).int(states.into());
    call.arg(f.kind.as_ref().map_or("", Kind::as_str)).arg(f.queue.as_ref().map_or("", QueueName::as_str));
    call.arg(f.batch.map(|b| b.to_string()).unwrap_or_default()).arg(flag(request.bodies));
    call.arg(f.recipient.as_deref().unwrap_or_default());
    call.arg(f.tenant.as_ref().map_or("", Tenant::as_str)).arg(f.class.map_or("", FailureClass::as_str));
    let mut values = reply::list(shards.link().run(call).await?)?.into_iter();
    let mut next = || values.next().ok_or_else(|| corrupt("the store answered too little"));
    let looked = usize::try_from(reply::int(next()?)?).unwrap_or(0);
    let (created, key) = (reply::text(next()?)?, reply::bytes(next()?)?);
    let more = if created.is_empty() { None } else { Some(place(&created, &key)?) };
    let (mut places, mut told) = (Vec::new(), Vec::new());
    while let Some(created) = values.next() {
        let key = values.next().ok_or_else(|| corrupt("the store answered too little"))?;
        let place = place(&reply::text(created)?, &reply::bytes(key)?)?;
        if let Some(t) = Told::take(place.key, &mut values)? {
            places.push(place);
            told.push(t);
        }
    }
    let tasks = tasks(shards, names, shard, told, request.bodies).await?;
    let found = places.into_iter().zip(tasks).filter_map(|(place, task)| match task {
        Ok(task) => Some((place, task)),
        Err(e) => {
            tracing::warn!(task_id = %place.key.id(), cause = %e, "a task that cannot be read is left out of a list");
            None
        }
    });
    Ok(Part { looked, more, found: found.collect() })
}

fn place(created: &str, key: &[u8]) -> Result<Place, BrokerError> {
    let key = Key::from_slice(key).ok_or_else(|| corrupt("the store answered a key that is none"))?;
    let created = created.parse().map_err(|_| corrupt("the store answered a time that is none"))?;
    Ok(Place { created, key })
}

/// A cursor: the place where a page ended, with a check so that a foreign one is noticed.
fn cursor(place: Place) -> String {
    let mut bytes = place.created.to_be_bytes()[2..].to_vec();
    bytes.extend_from_slice(place.key.as_slice());
    bytes.extend(check(&bytes));
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn cursor_parse(text: &str) -> Option<Place> {
    let bytes = unhex(text)?;
    let (body, check) = bytes.split_at_checked(bytes.len().checked_sub(2)?)?;
    let (created, key) = body.split_at_checked(6)?;
    if self::check(body) != check {
        return None;
    }
    let created = created.iter().fold(0, |ms, b| (ms << 8) | i64::from(*b));
    Some(Place { created, key: Key::from_slice(key)? })
}

/// Begins at a letter, so that zeros are not their own check.
fn check(body: &[u8]) -> [u8; 2] {
    crc16(&[b"p", body].concat()).to_be_bytes()
}

/// The bytes of a text of hexadecimal digits.
pub(crate) fn unhex(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use posthaste_core::TaskId;
    use proptest::prelude::*;

    use super::*;
    use crate::keys::mint;

    #[test]
    fn cursors_read_back_and_foreign_ones_are_refused() {
        let foreign: TaskId = "01890000-0000-7000-8000-000000000099".parse().expect("a UUID");
        for key in [mint(5, 6, 7), mint(0, 0, 0), Key::of(foreign)] {
            let place = Place { created: 1_700_000_000_000, key };
            let text = cursor(place);
            assert_eq!(cursor_parse(&text), Some(place));
            for i in 0..text.len() {
                let digit = if text.as_bytes()[i] == b'0' { "1" } else { "0" };
                let wrong = format!("{}{digit}{}", &text[..i], &text[i + 1..]);
                assert_eq!(cursor_parse(&wrong), None, "{wrong}");
            }
        }
        for bad in ["", "x", "é", "00", "0000", &"0".repeat(40), &"A".repeat(45), &"f".repeat(48)] {
            assert_eq!(cursor_parse(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_no_cursor_or_the_one_that_was_given(text in "[0-9a-fA-F]{0,60}|.{0,40}") {
            if let Some(place) = cursor_parse(&text) {
                prop_assert_eq!(cursor(place), text.to_lowercase());
            }
        }
    }
}
