//! Repeats under an idempotency key, of requests that could not be built a second time: what they name is gone or has
//! changed. The first answer stands. A key is looked up here only when something is wrong, so that sending costs nothing.

use std::sync::{Mutex, PoisonError};

use posthaste_core::broker::{EnqueueReply, EnqueueRequest, Enqueued};
use posthaste_core::limits::IDEMPOTENCY_KEPT;
use posthaste_core::{BatchId, Expect, IdempotencyKey, Json, RecordKind, RecordOrder, Timestamp};
use posthaste_notify::callback::Callback;
use posthaste_notify::digest::{hex, sha256_hex};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::fault;
use crate::auth::now;
use crate::{Api, ApiError, Caller, EnqueueAnswer};

/// Tasks of a batch that are asked which batch it is; earlier ones may have been removed.
const ASKED: usize = 20;
/// Notes that are looked at whenever a new one is made, to remove the old ones: more than one, so that fewer stay than come.
const SWEPT: usize = 10;

/// Behind which note the next look at old ones begins; at the first when there is none. It goes round, because the names of
/// notes do not tell how old they are.
#[derive(Debug, Default)]
pub(crate) struct Sweep(Mutex<Option<String>>);

impl Sweep {
    fn place(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn go_on(&self, place: Option<String>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = place;
    }
}

/// What a batch in permissive mode was answered besides its tasks: kept as long as its key.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct BatchNote {
    /// When it was made.
    pub(crate) at: Timestamp,
    /// The places in the request of what was stored.
    pub(crate) places: Vec<usize>,
    /// What was wrong with the others.
    pub(crate) errors: Vec<Value>,
}

/// When a note was made.
#[derive(Deserialize)]
struct Dated {
    at: Timestamp,
}

/// What a request was answered that changes tasks and makes none: kept beside the notes of batches, as long as they are.
#[derive(Debug, Serialize, Deserialize)]
struct OnceNote {
    at: Timestamp,
    /// SHA-256 of the request, in hexadecimal.
    request: String,
    answer: Value,
}

impl Api {
    /// Does `work` under a key once; what it came to, and whether that was known already. An error is not remembered, and
    /// two requests at the same moment are told apart by the state of what they change alone.
    ///
    /// # Errors
    /// [`ApiError::IdempotencyMismatch`], [`ApiError::Unavailable`], and those of `work`.
    pub(crate) async fn once<T: Serialize + DeserializeOwned>(
        &self,
        key: Option<&IdempotencyKey>,
        work: impl Future<Output = Result<T, ApiError>>,
    ) -> Result<(T, bool), ApiError> {
        let Some(key) = key else { return Ok((work.await?, false)) };
        let tenant = key.tenant.as_ref().map_or("", |t| t.as_str());
        let name = sha256_hex(format!("{tenant}\u{1f}{}\u{1f}{}", key.operation, key.key).as_bytes());
        let request = hex(&key.fingerprint);
        let shape = || fault("a note of a request has another shape")();
        if let Some(record) = self.store().get_record(RecordKind::Batch, &name).await? {
            let note: OnceNote = record.body.parse().map_err(|_| shape())?;
            if note.at.plus(IDEMPOTENCY_KEPT) > now() {
                if note.request != request {
                    return Err(ApiError::IdempotencyMismatch);
                }
                return Ok((serde_json::from_value(note.answer).map_err(|_| shape())?, true));
            }
        }
        let done = work.await?;
        let answer = serde_json::to_value(&done).map_err(|_| shape())?;
        self.keep_note(&name, &OnceNote { at: now(), request, answer }).await?;
        Ok((done, false))
    }

    /// What the first request under `key` was answered; `None` when nobody used it.
    ///
    /// # Errors
    /// [`ApiError::IdempotencyMismatch`], [`ApiError::Unavailable`].
    pub(crate) async fn remembered(&self, key: &IdempotencyKey) -> Result<Option<EnqueueReply>, ApiError> {
        let asked = EnqueueRequest { tasks: Vec::new(), idempotency: Some(key.clone()) };
        let reply = self.store().enqueue(asked).await?;
        Ok(reply.replayed.then_some(reply))
    }

    /// What the first request under the key was answered, if this one, which failed by `error`, repeats it.
    ///
    /// # Errors
    /// `error` if it does not; as [`Api::remembered`].
    pub(crate) async fn first_answer(
        &self,
        key: Option<&IdempotencyKey>,
        error: ApiError,
    ) -> Result<EnqueueReply, ApiError> {
        match key {
            Some(key) if !matches!(error, ApiError::Unavailable { .. }) => {
                self.remembered(key).await?.ok_or(error)
            }
            _ => Err(error),
        }
    }

    /// The answer to a repeat of a request for one task. The callback of one with a unique key is stored after it: by now
    /// at the latest.
    pub(crate) async fn task_again(
        &self,
        caller: &Caller,
        reply: &EnqueueReply,
        callback_url: Option<String>,
        key: Option<IdempotencyKey>,
    ) -> Result<EnqueueAnswer, ApiError> {
        let task = reply.tasks.first().copied().ok_or_else(fault("a key of one task holds none"))?;
        let answer = EnqueueAnswer { task: task.into(), replayed: true };
        if let Some(url) = callback_url {
            self.tell_of_task(caller, &answer, url, key).await?;
        }
        Ok(answer)
    }

    /// Stores the callback of a task that is stored.
    pub(crate) async fn tell_of_task(
        &self,
        caller: &Caller,
        answer: &EnqueueAnswer,
        url: String,
        key: Option<IdempotencyKey>,
    ) -> Result<(), ApiError> {
        let callback = Callback { url, batch: None, size: None, task: Some(answer.task.id) };
        self.enqueue_callback(caller, callback, key).await
    }

    /// Stores a callback apart from what it is about; under the key of the request once, however often it is repeated.
    pub(crate) async fn enqueue_callback(
        &self,
        caller: &Caller,
        callback: Callback,
        key: Option<IdempotencyKey>,
    ) -> Result<(), ApiError> {
        let key = key.map(|k| {
            let name = sha256_hex(format!("{}\u{1f}{}", k.operation, k.key).as_bytes());
            IdempotencyKey { operation: "callback", key: name, ..k }
        });
        self.enqueue_many(caller, vec![callback.into_task()], key).await.map(drop)
    }

    /// The batch of a request that is repeated, as its tasks know it; `None` when none of them is kept.
    pub(crate) async fn batch_of(&self, tasks: &[Enqueued]) -> Result<Option<BatchId>, ApiError> {
        // A duplicate is of another batch, or of none.
        let own: Vec<_> = tasks.iter().filter(|t| !t.duplicate).map(|t| t.id).take(ASKED).collect();
        Ok(self.store().get(&own).await?.into_iter().flatten().find_map(|t| t.batch))
    }

    /// Keeps what a batch is answered besides its tasks, before it is stored; removes some notes whose keys are over.
    pub(crate) async fn note_batch(&self, batch: BatchId, note: &BatchNote) -> Result<(), ApiError> {
        self.keep_note(&batch.to_string(), note).await
    }

    async fn keep_note<T: Serialize>(&self, name: &str, note: &T) -> Result<(), ApiError> {
        let store = self.store();
        let body = Json::from_value(note).expect("numbers and JSON are JSON");
        store.put_record(RecordKind::Batch, name, body, Expect::Any).await?;
        self.sweep_notes().await
    }

    /// Removes the old ones of the next few notes.
    async fn sweep_notes(&self) -> Result<(), ApiError> {
        let (store, sweep) = (self.store(), self.note_sweep());
        let after = sweep.place();
        let page =
            store.list_records(RecordKind::Batch, RecordOrder::Ascending, after.as_deref(), SWEPT).await?;
        let ended = page.len() < SWEPT;
        sweep.go_on(page.last().filter(|_| !ended).map(|r| r.name.clone()));
        for record in page {
            let at = record.body.parse::<Dated>().map_or(record.updated_at, |n| n.at);
            // An hour more: the clocks of others may be behind.
            if at.plus(IDEMPOTENCY_KEPT).plus(std::time::Duration::from_secs(3600)) < now() {
                store.delete_record(RecordKind::Batch, &record.name, Expect::Version(record.version)).await?;
            }
        }
        Ok(())
    }

    /// What a batch was answered besides its tasks, if something was wrong with it.
    pub(crate) async fn batch_note(&self, batch: BatchId) -> Result<Option<BatchNote>, ApiError> {
        let record = self.store().get_record(RecordKind::Batch, &batch.to_string()).await?;
        record.map(|r| r.body.parse().map_err(|_| fault("a note of a batch has another shape")())).transpose()
    }
}
