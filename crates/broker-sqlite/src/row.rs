//! What the columns of `task` mean: flags, policy codes, the rare fields, the attempt log.

use std::fmt::Write as _;

use posthaste_core::limits::{MAX_ATTEMPTS_KEPT, MAX_ERROR_BYTES};
use posthaste_core::{
    Attempt, AttemptOutcome, BatchId, FailureClass, NewTask, RetryPolicy, TaskId, Tenant, Timestamp,
    UniqueHold, WorkerId,
};
use serde::{Deserialize, Serialize};

/// Bits of `task.flags`.
pub(crate) mod flag {
    /// It belongs to a batch.
    pub(crate) const BATCH: i64 = 2;
    /// It holds a unique key until it is final.
    pub(crate) const UNIQUE: i64 = 4;
    /// Its id is the caller's own.
    pub(crate) const FOREIGN: i64 = 8;
}

/// Bits of `run.flags`.
pub(crate) mod run_flag {
    /// The attempt has started (otherwise it is prefetched).
    pub(crate) const STARTED: i64 = 1;
    /// The point of no return is behind it.
    pub(crate) const MARKED: i64 = 2;
    /// Somebody asked to cancel it.
    pub(crate) const CANCEL: i64 = 4;
}

/// What few tasks have, as JSON in `task.ext`.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Ext {
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) id: Option<TaskId>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) tenant: Option<Tenant>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) unique: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) batch: Option<BatchId>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) trace: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) policy: Option<RetryPolicy>,
}

impl Ext {
    /// Reads the column.
    pub(crate) fn parse(text: Option<&str>) -> Result<Self, serde_json::Error> {
        text.map_or_else(|| Ok(Self::default()), serde_json::from_str)
    }
}

/// The policies that need no text, made once.
pub(crate) struct Presets {
    default: RetryPolicy,
    email: RetryPolicy,
}

impl Presets {
    pub(crate) fn new() -> Self {
        Self { default: RetryPolicy::default(), email: RetryPolicy::email() }
    }

    /// The code of a policy: 0 and 1 are presets, 2 is written out in `ext`.
    pub(crate) fn code(&self, p: &RetryPolicy) -> i64 {
        if *p == self.default {
            0
        } else if *p == self.email {
            1
        } else {
            2
        }
    }

    /// The policy of a code.
    pub(crate) fn policy(&self, code: i64, ext: &Ext) -> Option<RetryPolicy> {
        match code {
            0 => Some(self.default.clone()),
            1 => Some(self.email.clone()),
            _ => ext.policy.clone(),
        }
    }
}

/// A task ready to be bound, made on the caller's thread so that the writer only binds.
pub(crate) struct Prepared {
    pub(crate) task: NewTask,
    pub(crate) policy: i64,
    pub(crate) ext: Option<String>,
    pub(crate) unique_key: Option<String>,
    pub(crate) flags: i64,
}

/// Key of `uniq`: no part can hold the separator.
pub(crate) fn unique_key(tenant: Option<&Tenant>, kind: &str, key: &str) -> String {
    format!("{}\u{1f}{kind}\u{1f}{key}", tenant.map_or("", Tenant::as_str))
}

/// Binds what does not depend on the store.
pub(crate) fn prepare(task: NewTask, presets: &Presets) -> Result<Prepared, serde_json::Error> {
    let policy = presets.code(&task.policy);
    let mut flags = 0;
    if task.batch.is_some() {
        flags |= flag::BATCH;
    }
    if task.id.is_some() {
        flags |= flag::FOREIGN;
    }
    let unique_key = task.unique.as_ref().map(|u| {
        if u.hold == UniqueHold::UntilFinal {
            flags |= flag::UNIQUE;
        }
        unique_key(task.tenant.as_ref(), task.kind.as_str(), &u.key)
    });
    let plain = task.id.is_none()
        && task.tenant.is_none()
        && task.unique.is_none()
        && task.batch.is_none()
        && task.trace.is_none()
        && policy != 2;
    let ext = if plain {
        None
    } else {
        Some(serde_json::to_string(&Ext {
            id: task.id,
            tenant: task.tenant.clone(),
            unique: task.unique.as_ref().map(|u| u.key.clone()),
            batch: task.batch,
            trace: task.trace.clone(),
            policy: (policy == 2).then(|| task.policy.clone()),
        })?)
    };
    Ok(Prepared { task, policy, ext, unique_key, flags })
}

/// One attempt as it stands in the log: a JSON array of nine, so that appending is text.
#[derive(Serialize, Deserialize)]
struct LogEntry(
    u32,            // generation
    u32,            // attempt
    i64,            // started, ms
    Option<i64>,    // ended, ms
    String,         // worker
    AttemptOutcome, // outcome
    Option<u8>,     // class code
    u8,             // counted
    Option<String>, // message
    Option<String>, // code
);

/// One attempt as JSON text, without the surrounding list.
pub(crate) fn log_entry(a: &Attempt) -> String {
    // The commonest entry by far is written by hand: nothing in it needs escaping but the worker,
    // whose name is checked.
    if a.class.is_none() && a.message.is_none() && a.code.is_none() {
        let mut s = String::with_capacity(80);
        let ended = a.ended_at.map_or_else(|| "null".to_owned(), |t| t.as_millis().to_string());
        let outcome = outcome_name(a.outcome);
        let _ = write!(
            s,
            "[{},{},{},{ended},\"{}\",\"{outcome}\",null,{},null,null]",
            a.generation,
            a.attempt,
            a.started_at.as_millis(),
            a.worker,
            u8::from(a.counted),
        );
        return s;
    }
    let entry = LogEntry(
        a.generation,
        a.attempt,
        a.started_at.as_millis(),
        a.ended_at.map(Timestamp::as_millis),
        a.worker.as_str().to_owned(),
        a.outcome,
        a.class.map(FailureClass::code),
        u8::from(a.counted),
        a.message.as_deref().map(cut),
        a.code.as_deref().map(cut),
    );
    serde_json::to_string(&entry).expect("plain data always serializes")
}

fn outcome_name(o: AttemptOutcome) -> &'static str {
    match o {
        AttemptOutcome::Running => "running",
        AttemptOutcome::Succeeded => "succeeded",
        AttemptOutcome::Failed => "failed",
        AttemptOutcome::Released => "released",
        AttemptOutcome::LeaseExpired => "lease_expired",
        AttemptOutcome::Cancelled => "cancelled",
    }
}

/// The log with one more entry; the oldest go when it is full.
pub(crate) fn log_append(log: Option<&str>, a: &Attempt) -> Result<String, serde_json::Error> {
    let entry = log_entry(a);
    let Some(log) = log.filter(|l| l.len() > 2) else {
        return Ok(format!("[{entry}]"));
    };
    // Counting separators is enough to know that a log is far from full; only then is it parsed.
    if log.matches("],[").count() + 2 <= MAX_ATTEMPTS_KEPT {
        return Ok(format!("{},{entry}]", &log[..log.len() - 1]));
    }
    let mut entries: Vec<Box<serde_json::value::RawValue>> = serde_json::from_str(log)?;
    let surplus = (entries.len() + 1).saturating_sub(MAX_ATTEMPTS_KEPT);
    entries.drain(..surplus);
    let kept: Vec<&str> = entries.iter().map(|e| e.get()).collect();
    Ok(if kept.is_empty() { format!("[{entry}]") } else { format!("[{},{entry}]", kept.join(",")) })
}

/// The log as attempts.
pub(crate) fn log_parse(log: Option<&str>) -> Result<Vec<Attempt>, serde_json::Error> {
    let Some(log) = log else { return Ok(Vec::new()) };
    let entries: Vec<LogEntry> = serde_json::from_str(log)?;
    entries
        .into_iter()
        .map(|e| {
            Ok(Attempt {
                generation: e.0,
                attempt: e.1,
                started_at: Timestamp::from_millis(e.2),
                ended_at: e.3.map(Timestamp::from_millis),
                worker: WorkerId::new(&e.4).map_err(serde::de::Error::custom)?,
                outcome: e.5,
                class: e.6.and_then(FailureClass::from_code),
                counted: e.7 != 0,
                message: e.8,
                code: e.9,
            })
        })
        .collect()
}

/// A message cut to its limit at a character boundary.
pub(crate) fn cut(message: &str) -> String {
    if message.len() <= MAX_ERROR_BYTES {
        return message.to_owned();
    }
    let mut end = MAX_ERROR_BYTES;
    while !message.is_char_boundary(end) {
        end -= 1;
    }
    message[..end].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempt(n: u32, message: Option<&str>) -> Attempt {
        Attempt {
            generation: 1,
            attempt: n,
            started_at: Timestamp::from_millis(10),
            ended_at: Some(Timestamp::from_millis(20)),
            worker: WorkerId::new("h:1:a").expect("valid"),
            outcome: AttemptOutcome::Failed,
            class: message.map(|_| FailureClass::Transient),
            message: message.map(str::to_owned),
            code: None,
            counted: true,
        }
    }

    #[test]
    fn the_log_keeps_the_last_fifty_whatever_they_say() {
        let mut log = None;
        for n in 1..=120 {
            let a = attempt(n, (n % 3 == 0).then_some("said \"],[\" twice ],["));
            log = Some(log_append(log.as_deref(), &a).expect("a list"));
        }
        let kept = log_parse(log.as_deref()).expect("reads");
        assert_eq!(kept.len(), 50);
        assert_eq!((kept[0].attempt, kept[49].attempt), (71, 120));
        assert_eq!(kept[49], attempt(120, Some("said \"],[\" twice ],[")));
        assert_eq!(kept[48], attempt(119, None));
    }

    #[test]
    fn long_messages_are_cut_between_characters() {
        assert_eq!(cut(&"ä".repeat(2000)).len(), MAX_ERROR_BYTES);
        assert!(cut(&format!("x{}", "ä".repeat(2000))).len() < MAX_ERROR_BYTES);
    }
}
