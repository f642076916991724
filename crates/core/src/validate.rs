//! What every store refuses before it writes anything.

use crate::broker::{EnqueueRequest, PauseRequest, SettleRequest};
use crate::limits::{
    MAX_ENQUEUE, MAX_KEY_BYTES, MAX_PAUSE, MAX_PAYLOAD_BYTES, MAX_PAYLOAD_DEPTH, MAX_PORTABLE,
    MAX_RECORD_BYTES, MAX_RESULT_BYTES, MAX_RESULT_DEPTH, MAX_SETTLE, MAX_UNIQUE_HOLD,
};
use crate::{BrokerError, Json, LaneLimits, NewTask, Outcome, UniqueHold};

/// Checks a whole enqueue.
///
/// # Errors
/// [`BrokerError::Invalid`] names the first that is not acceptable.
pub fn enqueue(request: &EnqueueRequest) -> Result<(), BrokerError> {
    if request.tasks.len() > MAX_ENQUEUE {
        return Err(BrokerError::invalid(
            MAX_ENQUEUE,
            "tasks",
            format!("at most {MAX_ENQUEUE} in one call; split them"),
        ));
    }
    if let Some(k) = &request.idempotency {
        key(0, "idempotency_key", &k.key)?;
    }
    request.tasks.iter().enumerate().try_for_each(|(i, t)| task(i, t))
}

fn task(i: usize, t: &NewTask) -> Result<(), BrokerError> {
    if t.payload.len() > MAX_PAYLOAD_BYTES {
        return Err(BrokerError::invalid(
            i,
            "payload",
            format!("is {} bytes of JSON, at most {MAX_PAYLOAD_BYTES} are allowed", t.payload.len()),
        ));
    }
    if t.payload.is_deeper_than(MAX_PAYLOAD_DEPTH) {
        let problem = format!("must be nested at most {MAX_PAYLOAD_DEPTH} levels deep");
        return Err(BrokerError::invalid(i, "payload", problem));
    }
    t.policy.check().map_err(|(field, problem)| BrokerError::invalid(i, field, problem))?;
    if let Some(u) = &t.unique {
        key(i, "unique.key", &u.key)?;
        if let UniqueHold::For(d) = u.hold
            && (d.is_zero() || d > MAX_UNIQUE_HOLD)
        {
            let max = MAX_UNIQUE_HOLD.as_millis();
            return Err(BrokerError::invalid(i, "unique.hold_ms", format!("must be 1 to {max}")));
        }
    }
    if let Some(r) = &t.recipient {
        key(i, "recipient", r)?;
    }
    if t.trace.as_ref().is_some_and(|x| x.len() > MAX_KEY_BYTES) {
        return Err(BrokerError::invalid(i, "trace", format!("must be at most {MAX_KEY_BYTES} bytes")));
    }
    Ok(())
}

fn key(i: usize, field: &'static str, k: &str) -> Result<(), BrokerError> {
    if k.is_empty() || k.len() > MAX_KEY_BYTES || k.chars().any(char::is_control) {
        let problem = format!("must be 1 to {MAX_KEY_BYTES} bytes without control characters");
        return Err(BrokerError::invalid(i, field, problem));
    }
    Ok(())
}

/// Checks a whole settle: it is refused before anything of it is written.
///
/// # Errors
/// [`BrokerError::Invalid`] names the first that is not acceptable.
pub fn settle(request: &SettleRequest) -> Result<(), BrokerError> {
    batch(request.settlements.len().max(request.started.len()))?;
    for (i, s) in request.settlements.iter().enumerate() {
        if s.outcome == Outcome::Detached {
            return Err(BrokerError::invalid(i, "outcome", "is no end: who lets go of a lease extends it"));
        }
        if let Outcome::Success { result, kept } = &s.outcome {
            if result.as_ref().is_some_and(|r| r.len() > MAX_RESULT_BYTES) {
                return Err(BrokerError::invalid(
                    i,
                    "result",
                    format!("at most {MAX_RESULT_BYTES} bytes of JSON; return a reference to it instead"),
                ));
            }
            if result.as_ref().is_some_and(|r| r.is_deeper_than(MAX_RESULT_DEPTH)) {
                let problem = format!("must be nested at most {MAX_RESULT_DEPTH} levels deep");
                return Err(BrokerError::invalid(i, "result", problem));
            }
            if let Some(k) = kept {
                body(i, &k.body)?;
            }
        }
    }
    Ok(())
}

/// Checks the number of items of an import.
///
/// # Errors
/// [`BrokerError::Invalid`] when there are too many.
pub fn import(n: usize) -> Result<(), BrokerError> {
    if n > MAX_PORTABLE {
        let problem = format!("at most {MAX_PORTABLE} in one call; split them");
        return Err(BrokerError::invalid(MAX_PORTABLE, "items", problem));
    }
    Ok(())
}

/// Checks the length of a batch of leases or ids.
///
/// # Errors
/// [`BrokerError::Invalid`] names the first that is not acceptable.
pub fn batch(n: usize) -> Result<(), BrokerError> {
    if n > MAX_SETTLE {
        return Err(BrokerError::invalid(MAX_SETTLE, "batch", format!("at most {MAX_SETTLE} in one call")));
    }
    Ok(())
}

/// Checks how long a pause is: its end is written as a date, which must be one that reads back.
///
/// # Errors
/// [`BrokerError::Invalid`] names the first that is not acceptable.
pub fn pause(request: &PauseRequest) -> Result<(), BrokerError> {
    if request.for_.is_some_and(|d| d > MAX_PAUSE) {
        let problem = format!("must be at most {}", MAX_PAUSE.as_millis());
        return Err(BrokerError::invalid(0, "for_ms", problem));
    }
    Ok(())
}

/// Checks the limits of a lane.
///
/// # Errors
/// [`BrokerError::Invalid`] when one of them is zero.
pub fn limits(limits: &LaneLimits) -> Result<(), BrokerError> {
    if limits.rate == Some(0) || limits.concurrency == Some(0) || limits.per_ms == 0 {
        return Err(BrokerError::invalid(0, "limits", "must be at least 1; pause the lane to stop it"));
    }
    Ok(())
}

/// Checks a record's name and body.
///
/// # Errors
/// [`BrokerError::Invalid`] names the first that is not acceptable.
pub fn record(name: &str, b: &Json) -> Result<(), BrokerError> {
    key(0, "name", name)?;
    body(0, b)
}

fn body(i: usize, b: &Json) -> Result<(), BrokerError> {
    if b.len() > MAX_RECORD_BYTES {
        return Err(BrokerError::invalid(i, "body", format!("at most {MAX_RECORD_BYTES} bytes of JSON")));
    }
    Ok(())
}
