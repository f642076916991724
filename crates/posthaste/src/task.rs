//! A task to be enqueued, and its options.

use std::marker::PhantomData;
use std::time::Duration;

use posthaste_core::{
    Due, IdempotencyKey, Json, Kind, LaneKey, NewTask, Priority, QueueName, RetryPolicy, TaskId, Tenant,
    Timestamp, Unique, UniqueHold,
};
use sha2::{Digest, Sha256};

use crate::ClientError;

/// Keys of [`Task::idempotency_key`] are scoped by this operation, apart from those of the HTTP API.
const OPERATION: &str = "client.enqueue";

/// A task with its options. `R` is the type of its result.
///
/// An option that is not acceptable (a bad queue name, say) is reported when the task is enqueued.
///
/// ```
/// use std::time::Duration;
/// use posthaste::{Priority, RetryPolicy, TaskKind};
///
/// let resize: TaskKind<String, u32> = TaskKind::named("resize").unwrap();
/// let task = resize
///     .task(&"cat.png".to_owned())
///     .queue("images")
///     .lane("cdn/acme")
///     .priority(Priority::High)
///     .delay(Duration::from_secs(5))
///     .expires_after(Duration::from_secs(3600))
///     .unique("cat.png")
///     .retry(RetryPolicy { max_failures: 3, ..RetryPolicy::default() });
/// ```
#[derive(Debug)]
#[must_use = "a task does nothing until it is enqueued"]
pub struct Task<R = Json> {
    new: NewTask,
    idempotency_key: Option<String>,
    expires_after: Option<Duration>,
    problem: Option<ClientError>,
    result: PhantomData<fn() -> R>,
}

impl Task<Json> {
    /// A task of any kind by name, its result as JSON text; [`TaskKind::task`](crate::TaskKind::task)
    /// is the typed way.
    pub fn new(kind: impl AsRef<str>, payload: &impl serde::Serialize) -> Self {
        let json = Json::from_value(payload);
        match Kind::new(kind) {
            Ok(kind) => Self::of_kind(kind, json),
            Err(source) => {
                let mut task = Self::of_kind(Kind::notify(), json);
                task.problem = Some(ClientError::Name { field: "kind", source });
                task
            }
        }
    }
}

impl<R> Task<R> {
    pub(crate) fn of_kind(kind: Kind, payload: Result<Json, serde_json::Error>) -> Self {
        let (json, problem) = match payload {
            Ok(json) => (json, None),
            Err(e) => (Json::from_trusted("null".into()), Some(ClientError::Payload(e))),
        };
        let new = NewTask::new(kind, json);
        Self { new, idempotency_key: None, expires_after: None, problem, result: PhantomData }
    }

    /// Takes a task as the store's trait takes it.
    pub fn from_new_task(new: NewTask) -> Self {
        Self { new, idempotency_key: None, expires_after: None, problem: None, result: PhantomData }
    }

    /// Where it waits; `default` unless said.
    pub fn queue(mut self, queue: impl AsRef<str>) -> Self {
        let parsed = QueueName::new(queue).map_err(|source| ClientError::Name { field: "queue", source });
        if let Some(queue) = self.note(parsed) {
            self.new.queue = queue;
        }
        self
    }

    /// Its lane inside the queue: `target` or `target/tenant`. Lanes are paused and limited apart,
    /// and one never delays another.
    pub fn lane(mut self, lane: impl AsRef<str>) -> Self {
        let parsed =
            lane.as_ref().parse::<LaneKey>().map_err(|source| ClientError::Name { field: "lane", source });
        self.new.lane = self.note(parsed);
        self
    }

    /// Whose task it is: scopes its unique and idempotency keys.
    pub fn tenant(mut self, tenant: impl AsRef<str>) -> Self {
        let parsed = Tenant::new(tenant).map_err(|source| ClientError::Name { field: "tenant", source });
        self.new.tenant = self.note(parsed);
        self
    }

    /// How urgent it is within its queue.
    pub fn priority(mut self, priority: Priority) -> Self {
        self.new.priority = priority;
        self
    }

    /// Not before this delay, measured by the store from when it takes the task.
    pub fn delay(mut self, delay: Duration) -> Self {
        self.new.due = Due::After(delay);
        self
    }

    /// Not before this time.
    pub fn at(mut self, at: Timestamp) -> Self {
        self.new.due = Due::At(at);
        self
    }

    /// Of no use after this time: it ends as `expired` if nobody ran it.
    pub fn expires_at(mut self, at: Timestamp) -> Self {
        self.new.expires_at = Some(at);
        self
    }

    /// Of no use after this long from now, by this process's clock.
    pub fn expires_after(mut self, after: Duration) -> Self {
        self.expires_after = Some(after);
        self
    }

    /// Refuses a second task of this kind with the same key until this one is final; the second
    /// enqueue answers this task's id with `duplicate` set.
    pub fn unique(mut self, key: impl Into<String>) -> Self {
        self.new.unique = Some(Unique { key: key.into(), hold: UniqueHold::UntilFinal });
        self
    }

    /// As [`Task::unique`], but the key is held for this period (at most 24 h) whatever becomes of
    /// the task.
    pub fn unique_for(mut self, key: impl Into<String>, hold: Duration) -> Self {
        self.new.unique = Some(Unique { key: key.into(), hold: UniqueHold::For(hold) });
        self
    }

    /// When it is tried again and when it is given up; as its kind says
    /// ([`TaskKind::retry`](crate::TaskKind::retry)) unless said.
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.new.policy = policy;
        self
    }

    /// How long one attempt may take; as its kind says, or 60 s.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.new.policy.timeout = timeout;
        self
    }

    /// Makes a repeat of this very enqueue within 24 h answer as the first did. The same key with
    /// another task is refused. For [`Client::enqueue`](crate::Client::enqueue) alone.
    pub fn idempotency_key(mut self, key: impl Into<String>) -> Self {
        self.idempotency_key = Some(key.into());
        self
    }

    /// The caller's own id: an enqueue of an id that exists is refused.
    pub fn id(mut self, id: TaskId) -> Self {
        self.new.id = Some(id);
        self
    }

    /// A W3C `traceparent` to go on with.
    pub fn trace(mut self, traceparent: impl Into<String>) -> Self {
        self.new.trace = Some(traceparent.into());
        self
    }

    fn note<T>(&mut self, parsed: Result<T, ClientError>) -> Option<T> {
        match parsed {
            Ok(value) => Some(value),
            Err(e) => {
                self.problem.get_or_insert(e);
                None
            }
        }
    }

    /// The task for the store's trait and its idempotency key.
    ///
    /// # Errors
    /// The first option that was not acceptable.
    pub fn into_parts(self) -> Result<(NewTask, Option<IdempotencyKey>), ClientError> {
        if let Some(problem) = self.problem {
            return Err(problem);
        }
        let mut new = self.new;
        let key = self.idempotency_key.map(|key| IdempotencyKey {
            tenant: new.tenant.clone(),
            operation: OPERATION,
            key,
            fingerprint: fingerprint(&new, self.expires_after),
        });
        // After the fingerprint: a repeat a second later is still the same request.
        if let Some(after) = self.expires_after {
            new.expires_at = Some(now().plus(after));
        }
        Ok((new, key))
    }
}

fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// SHA-256 over everything that makes the request what it is. Parts are length-prefixed, so that no
/// two requests run together into one.
fn fingerprint(new: &NewTask, expires_after: Option<Duration>) -> [u8; 32] {
    let policy = serde_json::to_string(&new.policy).expect("a policy is plain data");
    let parts = [
        new.id.map(|id| id.to_string()).unwrap_or_default(),
        new.kind.to_string(),
        new.queue.to_string(),
        new.lane.as_ref().map(ToString::to_string).unwrap_or_default(),
        new.priority.as_str().to_owned(),
        new.payload.as_str().to_owned(),
        format!("{:?}", new.due),
        format!("{:?} {expires_after:?}", new.expires_at),
        policy,
        format!("{:?}", new.unique),
    ];
    let mut hash = Sha256::new();
    for part in &parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_bad_option_is_reported() {
        let task = Task::new("a", &1).queue("no spaces").lane("a/b/c");
        let error = task.into_parts().expect_err("refused");
        assert!(error.to_string().starts_with("queue: "), "{error}");
    }

    #[test]
    fn a_fingerprint_tells_requests_apart_but_not_moments() {
        let print = |payload: u32, after: u64| {
            let task =
                Task::new("a", &payload).idempotency_key("k").expires_after(Duration::from_secs(after));
            task.into_parts().expect("valid").1.expect("has a key").fingerprint
        };
        assert_eq!(print(1, 5), print(1, 5));
        assert_ne!(print(1, 5), print(2, 5));
        assert_ne!(print(1, 5), print(1, 6));
    }
}
