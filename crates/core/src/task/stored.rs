//! The text forms that every store keeps of a task: its rare fields, its policy, its attempt log.
//! They are here so that a task reads the same whatever store it lies in.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use crate::limits::{MAX_ATTEMPTS_KEPT, MAX_ERROR_BYTES};
use crate::{
    Attempt, AttemptOutcome, BatchId, FailureClass, NewTask, RetryPolicy, TaskId, Tenant, Timestamp, WorkerId,
};

/// What few tasks have, kept as JSON.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ext {
    /// The caller's own id, where the store's key does not tell it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub id: Option<TaskId>,
    /// Whose task.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub tenant: Option<Tenant>,
    /// Its unique key as the caller gave it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub unique: Option<String>,
    /// Its batch.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub batch: Option<BatchId>,
    /// Whom it is for.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub recipient: Option<String>,
    /// A W3C `traceparent`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub trace: Option<String>,
    /// Its policy, unless that is a preset.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub policy: Option<RetryPolicy>,
}

impl Ext {
    /// What `task` has of it; `policy` is the code of its policy. The id is left to the store.
    pub fn of(task: &NewTask, policy: u8) -> Self {
        Self {
            id: None,
            tenant: task.tenant.clone(),
            unique: task.unique.as_ref().map(|u| u.key.clone()),
            batch: task.batch,
            recipient: task.recipient.clone(),
            trace: task.trace.clone(),
            policy: (policy == Presets::WRITTEN).then(|| task.policy.clone()),
        }
    }

    /// Its text; `None` when the task has nothing of it, as nearly all.
    ///
    /// # Errors
    /// Those of the serializer.
    pub fn text(&self) -> Result<Option<String>, serde_json::Error> {
        if *self == Self::default() { Ok(None) } else { serde_json::to_string(self).map(Some) }
    }

    /// Reads its text.
    ///
    /// # Errors
    /// When it is another.
    pub fn parse(text: Option<&str>) -> Result<Self, serde_json::Error> {
        text.map_or_else(|| Ok(Self::default()), serde_json::from_str)
    }
}

/// The policies that need no text, made once, each with its code.
#[derive(Debug)]
pub struct Presets([(u8, RetryPolicy); 3]);

impl Presets {
    /// The code of a policy that is written out in [`Ext`].
    pub const WRITTEN: u8 = 2;

    /// Makes them. Records keep the code in two bits: there is room for no more.
    pub fn new() -> Self {
        Self([(0, RetryPolicy::default()), (1, RetryPolicy::email()), (3, RetryPolicy::webhook())])
    }

    /// Each with its code.
    pub fn iter(&self) -> impl Iterator<Item = (u8, &RetryPolicy)> {
        self.0.iter().map(|(code, policy)| (*code, policy))
    }

    /// The code of a policy, [`Presets::WRITTEN`] if it is no preset.
    pub fn code(&self, p: &RetryPolicy) -> u8 {
        self.iter().find(|(_, policy)| *policy == p).map_or(Self::WRITTEN, |(code, _)| code)
    }

    /// The policy of a code; `None` when it should be written out and is not.
    pub fn policy(&self, code: u8, ext: &Ext) -> Option<RetryPolicy> {
        let preset = self.iter().find(|(c, _)| *c == code).map(|(_, policy)| policy);
        preset.or(ext.policy.as_ref()).cloned()
    }
}

impl Default for Presets {
    fn default() -> Self {
        Self::new()
    }
}

/// The key under which a unique key is held: no part can hold the separator.
pub fn unique_key(tenant: Option<&Tenant>, kind: &str, key: &str) -> String {
    format!("{}\u{1f}{kind}\u{1f}{key}", tenant.map_or("", Tenant::as_str))
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
pub fn log_entry(a: &Attempt) -> String {
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
///
/// # Errors
/// When a log that is full is not a list.
pub fn log_append(log: Option<&str>, a: &Attempt) -> Result<String, serde_json::Error> {
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
///
/// # Errors
/// When it is not a list of attempts.
pub fn log_parse(log: Option<&str>) -> Result<Vec<Attempt>, serde_json::Error> {
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
pub fn cut(message: &str) -> String {
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
    use proptest::prelude::*;

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
    fn what_few_tasks_have_reads_back_and_what_most_have_is_no_text() {
        let presets = Presets::new();
        let mut task = NewTask::new(crate::Kind::notify(), crate::Json::from_trusted("1".into()));
        assert_eq!(Ext::of(&task, presets.code(&task.policy)).text().expect("serializes"), None);
        task.policy.max_failures = 3;
        task.trace = Some("00-a".into());
        let text = Ext::of(&task, presets.code(&task.policy)).text().expect("serializes");
        let ext = Ext::parse(text.as_deref()).expect("reads");
        assert_eq!(presets.policy(Presets::WRITTEN, &ext), Some(task.policy));
        assert_eq!(ext.trace, task.trace);
    }

    #[test]
    fn policies_that_have_a_code_need_no_text() {
        let presets = Presets::new();
        let known = [RetryPolicy::default(), RetryPolicy::email(), RetryPolicy::webhook()];
        let codes = known.clone().map(|p| presets.code(&p));
        // As stored: another would be read as another policy.
        assert_eq!(codes, [0, 1, 3]);
        for (policy, code) in known.into_iter().zip(codes) {
            assert_eq!(presets.policy(code, &Ext::default()), Some(policy));
        }
    }

    #[test]
    fn long_messages_are_cut_between_characters() {
        assert_eq!(cut(&"ä".repeat(2000)).len(), MAX_ERROR_BYTES);
        assert!(cut(&format!("x{}", "ä".repeat(2000))).len() < MAX_ERROR_BYTES);
    }

    proptest! {
        #[test]
        fn any_text_is_a_log_or_a_clear_error(text in "(\\[{0,2}[0-9,\"a-z\\]\\[:null-]{0,40}\\]{0,2})|.{0,40}") {
            let _ = (log_parse(Some(&text)), Ext::parse(Some(&text)));
        }

        #[test]
        fn whatever_an_attempt_says_reads_back(
            message in prop::option::of(".{0,60}"), code in prop::option::of("[0-9. a-z\"\\[\\],]{0,12}"), before in 0_u32..60,
        ) {
            let mut log = None;
            for n in 0..before {
                log = Some(log_append(log.as_deref(), &attempt(n, None)).expect("a list"));
            }
            let last = Attempt { code, ..attempt(before, message.as_deref()) };
            let log = log_append(log.as_deref(), &last).expect("a list");
            let kept = log_parse(Some(&log)).expect("reads");
            prop_assert_eq!(kept.last(), Some(&last));
        }
    }
}
