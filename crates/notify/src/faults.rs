//! Faults on order: the next sends answer as a troubled provider would, so that whoever integrates sees what happens.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use posthaste_core::{BrokerError, Expect, Failure, FailureClass, Json, RecordKind, Records};
use serde::{Deserialize, Serialize};

use crate::channel::ChannelKind;

/// The name of the setting that holds them.
pub const SETTING: &str = "sandbox_faults";
/// Most faults on order at once.
pub const MAX_FAULTS: usize = 20;
/// Most sends that one of them answers.
pub const MAX_SENDS: u32 = 100_000;
/// How long nothing on order is believed.
const FRESH: Duration = Duration::from_secs(1);

/// How a send answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// A mailbox that is busy: tried again.
    #[serde(rename = "451")]
    Busy,
    /// A mailbox that does not exist: failed.
    #[serde(rename = "550")]
    NoSuchMailbox,
    /// Too many at once: the provider is left alone for a while.
    #[serde(rename = "429")]
    Throttled,
    /// No answer: it may have been sent.
    #[serde(rename = "timeout")]
    Timeout,
}

/// The next sends of a channel, or of all, answer like this.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// How.
    pub answer: Kind,
    /// How many sends; counts down.
    pub sends: u32,
    /// Of this channel alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<ChannelKind>,
    /// What `429` asks for, in seconds; 60 unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u64>,
}

impl Fault {
    fn failure(&self) -> Failure {
        let (class, code, what) = match self.answer {
            Kind::Busy => (FailureClass::Transient, "451 4.2.1", "the mailbox is busy"),
            Kind::NoSuchMailbox => (FailureClass::Permanent, "550 5.1.1", "there is no such mailbox"),
            Kind::Throttled => (FailureClass::Throttled, "429", "too many at once"),
            Kind::Timeout => (FailureClass::Ambiguous, "timeout", "no answer came"),
        };
        let failure =
            Failure::new(class, format!("A fault on order in the sandbox: {what}.")).with_code(code);
        match self.answer {
            Kind::Throttled => failure.with_retry_after(Duration::from_secs(self.retry_after.unwrap_or(60))),
            _ => failure,
        }
    }
}

/// What is on order.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Faults {
    /// In the order in which they are used.
    pub faults: Vec<Fault>,
}

/// The faults on order of a store, looked at for every message that the sandbox would hold.
pub struct FaultBox {
    records: Arc<dyn Records>,
    none_since: Mutex<Option<Instant>>,
}

impl FaultBox {
    /// Of this store.
    pub fn new(records: Arc<dyn Records>) -> Self {
        Self { records, none_since: Mutex::default() }
    }

    /// Takes the next fault of a channel, if one is on order.
    ///
    /// # Errors
    /// The store's.
    pub async fn take(&self, channel: ChannelKind) -> Result<Option<Failure>, BrokerError> {
        let none_since = *self.none_since.lock().unwrap_or_else(PoisonError::into_inner);
        if none_since.is_some_and(|at| at.elapsed() < FRESH) {
            return Ok(None);
        }
        // Another worker may take one at the same moment; each is used once.
        loop {
            let record = self.records.get_record(RecordKind::Setting, SETTING).await?;
            let Some(record) = record else {
                *self.none_since.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
                return Ok(None);
            };
            let mut faults: Faults = record
                .body
                .parse()
                .map_err(|_| BrokerError::Corrupt { what: "the faults of the sandbox".into() })?;
            let Some(at) = faults.faults.iter().position(|f| f.channel.is_none_or(|c| c == channel)) else {
                return Ok(None);
            };
            let fault = faults.faults[at].clone();
            faults.faults[at].sends = fault.sends.saturating_sub(1);
            faults.faults.retain(|f| f.sends > 0);
            let expect = Expect::Version(record.version);
            let stored = if faults.faults.is_empty() {
                self.records.delete_record(RecordKind::Setting, SETTING, expect).await.map(drop)
            } else {
                let body = Json::from_value(&faults).expect("texts and numbers are JSON");
                self.records.put_record(RecordKind::Setting, SETTING, body, expect).await.map(drop)
            };
            match stored {
                Ok(()) => return Ok(Some(fault.failure())),
                Err(BrokerError::VersionConflict { .. }) => {}
                Err(e) => return Err(e),
            }
        }
    }
}
