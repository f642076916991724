//! What the store keeps of a task and of its run, read into the seam's types. The bytes are laid out
//! in `docs/adr/0005-redis-layout.md`; the scripts write and read the same ones (`lua/record.lua`).

use std::sync::LazyLock;

use posthaste_core::task::stored::{Ext, Presets, log_parse};
use posthaste_core::{
    Attempt, AttemptOutcome, BrokerError, Claimed, Json, LeaseRef, LeaseToken, Priority, State, Task,
    TaskEnd, Timestamp, WorkerId,
};

use crate::keys::Key;
use crate::names::Route;

/// Bits of the first byte of a record: which sections follow.
pub(crate) mod has {
    /// When it is of no use any more.
    pub(crate) const EXPIRES: u8 = 1;
    /// When it was enqueued, where its key does not tell.
    pub(crate) const CREATED: u8 = 2;
    /// Until when it may be parked.
    pub(crate) const PARKED: u8 = 4;
    /// The nonce of the token that settled it last, while it is not final.
    pub(crate) const TOKEN: u8 = 8;
    /// Its rare fields.
    pub(crate) const EXT: u8 = 16;
    /// Its attempt log.
    pub(crate) const LOG: u8 = 32;
    /// Why it last failed or ended.
    pub(crate) const ERROR: u8 = 64;
    /// Its payload has a key of its own.
    pub(crate) const PAYLOAD_APART: u8 = 128;
}

/// Bits of the second byte.
pub(crate) mod is {
    /// The code of its policy.
    pub(crate) const POLICY: u8 = 3;
    /// It holds its unique key until it is final.
    pub(crate) const UNIQUE: u8 = 4;
    /// It belongs to a batch.
    pub(crate) const BATCH: u8 = 8;
    /// The sandbox holds its message.
    pub(crate) const HELD: u8 = 16;
    /// It has a result.
    pub(crate) const RESULT: u8 = 32;
    /// Its result has a key of its own.
    pub(crate) const RESULT_APART: u8 = 64;
    /// It is as it was enqueued, due at once: its record says no times.
    pub(crate) const FRESH: u8 = 128;
}

/// Bits of a run's flags.
pub(crate) mod run_flag {
    /// The attempt has started (otherwise it is prefetched).
    pub(crate) const STARTED: u8 = 1;
    /// The point of no return is behind it.
    pub(crate) const MARKED: u8 = 2;
    /// Somebody asked to cancel it.
    pub(crate) const CANCEL: u8 = 4;
}

/// The run time of a task that ended without ever having started.
const NEVER: u32 = u32::MAX;

/// The policies that need no text.
pub(crate) fn presets() -> &'static Presets {
    static PRESETS: LazyLock<Presets> = LazyLock::new(Presets::new);
    &PRESETS
}

/// Takes fields off the front of bytes.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn bytes(&mut self, n: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(n)?;
        self.0 = rest;
        Some(head)
    }

    fn number(&mut self, n: usize) -> Option<u64> {
        Some(self.bytes(n)?.iter().fold(0, |v, b| (v << 8) | u64::from(*b)))
    }

    fn small(&mut self, n: usize) -> Option<u32> {
        self.number(n).and_then(|v| u32::try_from(v).ok())
    }

    fn byte(&mut self) -> Option<u8> {
        self.bytes(1).map(|b| b[0])
    }

    fn time(&mut self) -> Option<Timestamp> {
        self.number(6).map(|v| Timestamp::from_millis(v as i64))
    }

    /// A text behind its length of `n` bytes.
    fn text(&mut self, n: usize) -> Option<&'a str> {
        let len = usize::try_from(self.number(n)?).ok()?;
        std::str::from_utf8(self.bytes(len)?).ok()
    }
}

/// What a record has while its task is not final.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Waiting {
    /// Tries of this generation that ended in a class.
    pub(crate) ended: u32,
    /// Times its worker was lost under it.
    pub(crate) rescues: u32,
    /// When it was first due.
    pub(crate) first_due: Timestamp,
}

/// What a record has once its task is final.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Finished {
    /// When.
    pub(crate) at: Timestamp,
    /// How long its last attempt ran; `None` when none started.
    pub(crate) ran_ms: Option<u32>,
    /// Who ran that, as a number of the shard.
    pub(crate) worker: u16,
    /// The nonce of the token that settled it.
    pub(crate) nonce: u64,
}

/// Waiting or final.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Not final.
    Waiting(Waiting),
    /// Final.
    Finished(Finished),
}

/// A record, taken apart in place.
#[derive(Debug, Clone)]
pub(crate) struct Record<'a> {
    /// Bits of [`is`].
    pub(crate) is: u8,
    /// Its state; of a running task, the one it was claimed in.
    pub(crate) state: State,
    /// How urgent.
    pub(crate) priority: Priority,
    /// Its route, a number of the shard.
    pub(crate) route: u32,
    /// Which generation.
    pub(crate) generation: u32,
    /// Which attempt of it was the last that ended.
    pub(crate) attempt: u32,
    /// Tries that counted.
    pub(crate) failures: u32,
    /// When it is or was due.
    pub(crate) due: Timestamp,
    /// The rest of what its state has.
    pub(crate) phase: Phase,
    /// When it is of no use any more.
    pub(crate) expires: Option<Timestamp>,
    /// When it was enqueued, where its key does not tell.
    pub(crate) created: Option<Timestamp>,
    /// Until when it may be parked.
    pub(crate) parked: Option<Timestamp>,
    /// Its rare fields.
    pub(crate) ext: Option<&'a str>,
    /// Its attempt log.
    pub(crate) log: Option<&'a str>,
    /// Why it last failed or ended.
    pub(crate) error: Option<&'a str>,
    /// Its payload, unless that has a key of its own.
    pub(crate) payload: Option<&'a str>,
    /// Its result, if it has one and that has no key of its own.
    pub(crate) result: Option<&'a str>,
}

impl<'a> Record<'a> {
    /// Takes a record apart.
    ///
    /// # Errors
    /// [`BrokerError::Corrupt`] when it is cut short or says what cannot be.
    pub(crate) fn parse(key: Key, bytes: &'a [u8]) -> Result<Self, BrokerError> {
        Self::read(key, &mut Fields(bytes)).ok_or_else(|| corrupt("a task's record cannot be read"))
    }

    fn read(key: Key, f: &mut Fields<'a>) -> Option<Self> {
        let (has, is, place) = (f.byte()?, f.byte()?, f.byte()?);
        let state = State::from_code(place >> 2)?;
        let priority = Priority::from_code(place & 3)?;
        let (route, generation) = (f.small(3)?, f.small(2)?);
        let (attempt, failures) = (f.small(3)?, f.small(1)?);
        let mut payload_len = None;
        let (due, phase) = if state.is_final() {
            let due = f.time()?;
            let at = f.time()?;
            let ran_ms = f.small(4).map(|ms| (ms != NEVER).then_some(ms))?;
            let (worker, nonce) = (f.small(2)? as u16, f.number(8)?);
            payload_len = Some(f.small(2)? as usize);
            (due, Phase::Finished(Finished { at, ran_ms, worker, nonce }))
        } else {
            let (ended, rescues) = (f.small(1)?, f.small(1)?);
            let (due, first_due) = if is & is::FRESH == 0 {
                (f.time()?, f.time()?)
            } else {
                // As it was enqueued: due at once, and so when its key was made.
                let made = Timestamp::from_millis(key.created_ms()?);
                (made, made)
            };
            (due, Phase::Waiting(Waiting { ended, rescues, first_due }))
        };
        let when = |bit: u8, f: &mut Fields<'a>| if has & bit == 0 { Some(None) } else { f.time().map(Some) };
        let (expires, created) = (when(has::EXPIRES, f)?, when(has::CREATED, f)?);
        let parked = when(has::PARKED, f)?;
        // For the scripts alone.
        if has & has::TOKEN != 0 {
            f.bytes(8)?;
        }
        let text = |bit: u8, n, f: &mut Fields<'a>| {
            if has & bit == 0 { Some(None) } else { f.text(n).map(Some) }
        };
        let (ext, log, error) = (text(has::EXT, 2, f)?, text(has::LOG, 3, f)?, text(has::ERROR, 2, f)?);
        let body = f.bytes(payload_len.unwrap_or(f.0.len()))?;
        let payload =
            if has & has::PAYLOAD_APART == 0 { Some(std::str::from_utf8(body).ok()?) } else { None };
        let result = match is & (is::RESULT | is::RESULT_APART) {
            is::RESULT => Some(std::str::from_utf8(f.0).ok()?),
            _ => None,
        };
        Some(Self {
            is,
            state,
            priority,
            route,
            generation,
            attempt,
            failures,
            due,
            phase,
            expires,
            created,
            parked,
            ext,
            log,
            error,
            payload,
            result,
        })
    }

    /// When its task was enqueued.
    pub(crate) fn created_at(&self, key: Key) -> Timestamp {
        self.created.unwrap_or_else(|| Timestamp::from_millis(key.created_ms().unwrap_or(0)))
    }

    /// Its rare fields.
    pub(crate) fn ext(&self, key: Key) -> Result<Ext, BrokerError> {
        Ext::parse(self.ext).map_err(|e| damaged(key, &e.to_string()))
    }

    /// The task as people see it.
    pub(crate) fn task(&self, key: Key, seen: Seen<'_>) -> Result<Task, BrokerError> {
        let ext = self.ext(key)?;
        let error: Option<TaskEnd> = self
            .error
            .map(serde_json::from_str)
            .transpose()
            .map_err(|e| damaged(key, &format!("its error cannot be read: {e}")))?;
        let run = seen.run;
        let finished_at = match self.phase {
            Phase::Finished(f) => Some(f.at),
            Phase::Waiting(_) => None,
        };
        Ok(Task {
            id: key.id(),
            kind: seen.route.kind.clone(),
            queue: seen.route.queue.clone(),
            lane: seen.route.lane.clone(),
            tenant: ext.tenant.clone(),
            priority: self.priority,
            state: if run.is_some() { State::Running } else { self.state },
            generation: self.generation,
            attempt: run.map_or(self.attempt, |r| r.attempt),
            failures: self.failures,
            created_at: self.created_at(key),
            due_at: self.due,
            started_at: run.map(|r| r.started),
            finished_at,
            expires_at: self.expires,
            worker: run.and(seen.worker),
            cancel_requested: run.is_some_and(|r| r.flags & run_flag::CANCEL != 0),
            policy: presets()
                .policy(self.is & is::POLICY, &ext)
                .ok_or_else(|| damaged(key, "its policy is missing"))?,
            unique: ext.unique,
            batch: ext.batch,
            recipient: ext.recipient,
            trace: ext.trace,
            error,
            payload: seen.payload,
            result: seen.result,
        })
    }

    /// The task as it is handed to a worker. `apart` is its payload from a key of its own.
    pub(crate) fn claimed(
        &self,
        key: Key,
        route: &Route,
        run: &Run,
        apart: Option<&[u8]>,
    ) -> Result<Claimed, BrokerError> {
        let ext = self.ext(key)?;
        let payload = self.payload(key, apart)?;
        Ok(Claimed {
            lease: LeaseRef { task: key.id(), token: run.token },
            started: run.flags & run_flag::STARTED != 0,
            kind: route.kind.clone(),
            queue: route.queue.clone(),
            lane: route.lane.clone(),
            tenant: ext.tenant.clone(),
            priority: self.priority,
            payload,
            attempt: run.attempt,
            failures: self.failures,
            generation: self.generation,
            policy: presets()
                .policy(self.is & is::POLICY, &ext)
                .ok_or_else(|| damaged(key, "its policy is missing"))?,
            created_at: self.created_at(key),
            due_at: self.due,
            expires_at: self.expires,
            trace: ext.trace,
        })
    }

    /// Its payload; `apart` is what the payload's own key holds.
    pub(crate) fn payload(&self, key: Key, apart: Option<&[u8]>) -> Result<Json, BrokerError> {
        match (self.payload, apart) {
            (Some(text), _) => Ok(Json::from_trusted(text.to_owned())),
            (None, Some(bytes)) => json(key, bytes),
            (None, None) => Err(damaged(key, "its payload is gone")),
        }
    }

    /// Its result, if it has one; `apart` is what the result's own key holds.
    pub(crate) fn result(&self, key: Key, apart: Option<&[u8]>) -> Result<Option<Json>, BrokerError> {
        if self.is & is::RESULT_APART == 0 {
            return Ok(self.result.map(|text| Json::from_trusted(text.to_owned())));
        }
        apart.map(|b| json(key, b)).unwrap_or_else(|| Err(damaged(key, "its result is gone"))).map(Some)
    }

    /// The attempts of its task. `worker` is the name of whoever runs it, or ran it last.
    pub(crate) fn attempts(
        &self,
        key: Key,
        run: Option<&Run>,
        worker: Option<WorkerId>,
    ) -> Result<Vec<Attempt>, BrokerError> {
        let mut log =
            log_parse(self.log).map_err(|e| damaged(key, &format!("its attempt log cannot be read: {e}")))?;
        let unnamed = || WorkerId::new("unknown").expect("a fixed, valid name");
        let plain = |attempt, started_at, outcome| Attempt {
            generation: self.generation,
            attempt,
            started_at,
            ended_at: None,
            worker: worker.clone().unwrap_or_else(unnamed),
            outcome,
            class: None,
            message: None,
            code: None,
            counted: false,
        };
        if let Phase::Finished(Finished { at, ran_ms: Some(ms), .. }) = self.phase
            && self.state == State::Succeeded
            && log.last().is_none_or(|a| (a.generation, a.attempt) != (self.generation, self.attempt))
        {
            // The commonest history by far has one line, told by the record's own fields.
            let started = Timestamp::from_millis(at.as_millis() - i64::from(ms));
            log.push(Attempt {
                ended_at: Some(at),
                ..plain(self.attempt, started, AttemptOutcome::Succeeded)
            });
        }
        if let Some(run) = run {
            log.push(plain(run.attempt, run.started, AttemptOutcome::Running));
        }
        Ok(log)
    }
}

/// What a task's record does not hold itself.
pub(crate) struct Seen<'a> {
    /// Its route.
    pub(crate) route: &'a Route,
    /// Its run, while it runs.
    pub(crate) run: Option<&'a Run>,
    /// The name of the run's worker.
    pub(crate) worker: Option<WorkerId>,
    /// Its payload, if asked for.
    pub(crate) payload: Option<Json>,
    /// Its result, if asked for.
    pub(crate) result: Option<Json>,
}

/// A running attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Run {
    /// Fences it.
    pub(crate) token: LeaseToken,
    /// Bits of [`run_flag`].
    pub(crate) flags: u8,
    /// Which attempt of its generation.
    pub(crate) attempt: u32,
    /// When it was claimed.
    pub(crate) started: Timestamp,
    /// Who runs it, as a number of the shard.
    pub(crate) worker: u16,
    /// How long its lease lasts from each extension, in milliseconds.
    pub(crate) lease_ms: u32,
    /// Its queue, lane and target, as numbers of the shard.
    pub(crate) place: [u32; 3],
    /// How urgent.
    pub(crate) priority: Priority,
    /// Which generation.
    pub(crate) generation: u32,
}

impl Run {
    /// Bytes of a run.
    pub(crate) const LEN: usize = 44;

    /// Takes a run apart.
    ///
    /// # Errors
    /// [`BrokerError::Corrupt`] when it is no run.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, BrokerError> {
        let whole = (bytes.len() == Self::LEN).then(|| Self::read(&mut Fields(bytes))).flatten();
        whole.ok_or_else(|| corrupt("a run cannot be read"))
    }

    fn read(f: &mut Fields<'_>) -> Option<Self> {
        let token = LeaseToken { epoch: f.number(8)?, nonce: f.number(8)? };
        let (flags, attempt) = (f.byte()?, f.small(3)?);
        let started = f.time()?;
        let (worker, lease_ms) = (f.small(2)? as u16, f.small(4)?);
        let place = [f.small(3)?, f.small(3)?, f.small(3)?];
        let priority = Priority::from_code(f.byte()?)?;
        let generation = f.small(2)?;
        Some(Self { token, flags, attempt, started, worker, lease_ms, place, priority, generation })
    }
}

fn json(key: Key, bytes: &[u8]) -> Result<Json, BrokerError> {
    let text = std::str::from_utf8(bytes).map_err(|_| damaged(key, "a body is not text"))?;
    Ok(Json::from_trusted(text.to_owned()))
}

/// An error about one task.
pub(crate) fn damaged(key: Key, what: &str) -> BrokerError {
    corrupt(format!("task {key:?}: {what}"))
}

/// An error about the store's data.
pub(crate) fn corrupt(what: impl Into<String>) -> BrokerError {
    BrokerError::Corrupt { what: what.into() }
}

#[cfg(test)]
mod tests {
    use posthaste_core::{Kind, QueueName};
    use proptest::prelude::*;

    use super::*;
    use crate::keys::mint;

    /// The bytes of a record: head, then sections.
    fn bytes(has: u8, is: u8, state: State, sections: &[&[u8]]) -> Vec<u8> {
        let mut b = vec![has, is, (state.code() << 2) | Priority::High.code()];
        b.extend([0, 0, 9, 0, 2, 0, 0, 5, 3]);
        b.extend(sections.concat());
        b
    }

    fn time(ms: u64) -> [u8; 6] {
        ms.to_be_bytes()[2..].try_into().expect("six bytes")
    }

    fn route() -> Route {
        Route {
            number: 9,
            queue_no: 1,
            lane_no: 2,
            target_no: 2,
            queue: QueueName::default(),
            kind: Kind::notify(),
            lane: None,
        }
    }

    fn seen<'a>(route: &'a Route, run: Option<&'a Run>) -> Seen<'a> {
        Seen { route, run, worker: WorkerId::new("h:1:a").ok(), payload: None, result: None }
    }

    #[test]
    fn a_waiting_task_with_every_section_reads_back() {
        let ext = br#"{"tenant":"acme","trace":"00-a"}"#;
        let log = br#"[[2,5,10,20,"h:1:a","failed",0,1,"no",null]]"#;
        let error = br#"{"class":"transient","message":"no"}"#;
        let text = |n: usize, t: &[u8]| [&t.len().to_be_bytes()[8 - n..], t].concat();
        let b = bytes(
            127,
            1 | is::UNIQUE,
            State::Retrying,
            &[
                &[4, 1],
                &time(7_000),
                &time(6_000),
                &time(9_000),
                &time(5_000),
                &time(8_000),
                &77u64.to_be_bytes(),
                &text(2, ext),
                &text(3, log),
                &text(2, error),
                b"{\"a\":1}",
            ],
        );
        let r = Record::parse(crate::keys::mint(1, 2, 3), &b).expect("it reads");
        let waiting = Waiting { ended: 4, rescues: 1, first_due: Timestamp::from_millis(6_000) };
        assert_eq!(r.phase, Phase::Waiting(waiting));
        assert_eq!(r.payload, Some("{\"a\":1}"));
        let key = mint(1_000, 0, 0);
        let route = route();
        let t = r.task(key, seen(&route, None)).expect("a task");
        assert_eq!((t.state, t.attempt, t.failures, t.generation), (State::Retrying, 5, 3, 2));
        assert_eq!((t.created_at.as_millis(), t.due_at.as_millis()), (5_000, 7_000));
        assert_eq!(t.policy, posthaste_core::RetryPolicy::email());
        assert_eq!(t.tenant.as_ref().map(posthaste_core::Tenant::as_str), Some("acme"));
        assert_eq!((t.worker, t.started_at, t.finished_at), (None, None, None));
        assert_eq!(r.attempts(key, None, None).expect("a log").len(), 1);
        for cut in 0..b.len() - 7 {
            assert!(Record::parse(crate::keys::mint(1, 2, 3), &b[..cut]).is_err(), "{cut} bytes");
        }
    }

    #[test]
    fn a_success_tells_its_only_attempt_by_its_own_fields() {
        let end: [&[u8]; 6] = [&time(7_000), &time(9_000), &500u32.to_be_bytes(), &[0, 3], &[0; 8], &[0, 2]];
        let b = bytes(0, is::RESULT, State::Succeeded, &[&end.concat(), b"12", b"345"]);
        let r = Record::parse(crate::keys::mint(1, 2, 3), &b).expect("it reads");
        let key = mint(1_000, 0, 0);
        assert_eq!(r.payload(key, None).expect("there").as_str(), "12");
        assert_eq!(r.result(key, None).expect("there").expect("one").as_str(), "345");
        let log = r.attempts(key, None, WorkerId::new("h:1:a").ok()).expect("a log");
        assert_eq!(log.len(), 1);
        assert_eq!((log[0].started_at.as_millis(), log[0].attempt), (8_500, 5));
        assert_eq!(log[0].outcome, AttemptOutcome::Succeeded);
        let t = r.task(key, seen(&route(), None)).expect("a task");
        assert_eq!((t.created_at.as_millis(), t.finished_at.map(Timestamp::as_millis)), (1_000, Some(9_000)));
    }

    #[test]
    fn what_never_started_has_no_attempt_and_bodies_apart_are_asked_for() {
        let end: [&[u8]; 6] = [&time(7_000), &time(9_000), &[255; 4], &[0, 0], &[0; 8], &[0, 0]];
        let b = bytes(has::PAYLOAD_APART, is::RESULT | is::RESULT_APART, State::Succeeded, &[&end.concat()]);
        let r = Record::parse(crate::keys::mint(1, 2, 3), &b).expect("it reads");
        let key = mint(1_000, 0, 0);
        assert!(r.attempts(key, None, None).expect("a log").is_empty());
        assert!(r.payload(key, None).is_err());
        assert_eq!(r.payload(key, Some(b"1")).expect("there").as_str(), "1");
        assert_eq!(r.result(key, Some(b"2")).expect("there").map(|j| j.len()), Some(1));
    }

    #[test]
    fn a_run_makes_a_task_running() {
        let mut b = [1u64.to_be_bytes(), 2u64.to_be_bytes()].concat();
        b.extend([run_flag::STARTED | run_flag::CANCEL, 0, 0, 6]);
        b.extend(time(8_000));
        b.extend([0, 3, 0, 0, 58, 152, 0, 0, 1, 0, 0, 2, 0, 0, 2, 1, 0, 2]);
        let run = Run::parse(&b).expect("it reads");
        assert_eq!((run.token.epoch, run.token.nonce, run.lease_ms), (1, 2, 15_000));
        assert_eq!((run.place, run.priority, run.generation), ([1, 2, 2], Priority::High, 2));
        assert!(Run::parse(&b[1..]).is_err());
        let rec = bytes(0, 0, State::Queued, &[&[0, 0], &time(7_000), &time(7_000), b"1"]);
        let r = Record::parse(crate::keys::mint(1, 2, 3), &rec).expect("it reads");
        let key = mint(1_000, 0, 0);
        let t = r.task(key, seen(&route(), Some(&run))).expect("a task");
        assert_eq!((t.state, t.attempt, t.cancel_requested), (State::Running, 6, true));
        assert_eq!(t.worker, WorkerId::new("h:1:a").ok());
        let c = r.claimed(key, &route(), &run, None).expect("claimed");
        assert_eq!((c.attempt, c.started, c.payload.as_str()), (6, true, "1"));
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_record_or_a_clear_error(
            has in any::<u8>(), is in any::<u8>(), place in any::<u8>(), rest in prop::collection::vec(any::<u8>(), 0..160),
        ) {
            let key = mint(5, 6, 7);
            let bytes = [&[has, is, place], rest.as_slice()].concat();
            if let Ok(record) = Record::parse(key, &bytes) {
                let _ = (record.ext(key), record.created_at(key), record.task(key, seen(&route(), None)));
            }
            let _ = Run::parse(&bytes);
        }

        #[test]
        fn a_record_with_one_byte_changed_or_cut_is_read_or_a_clear_error(at in 0_usize..200, to in any::<u8>(), cut in 0_usize..200) {
            let key = mint(5, 6, 7);
            let ext = br#"{"tenant":"acme","trace":"00-a"}"#;
            let mut whole = bytes(has::EXT, 0, State::Queued, &[&[4, 1], &time(7_000), &time(6_000), &[0, ext.len() as u8], ext, b"{}"]);
            prop_assert!(Record::parse(key, &whole).is_ok());
            if let Some(byte) = whole.get_mut(at) {
                *byte = to;
            }
            whole.truncate(cut);
            if let Ok(record) = Record::parse(key, &whole) {
                let _ = (record.ext(key), record.task(key, seen(&route(), None)));
            }
        }
    }
}
