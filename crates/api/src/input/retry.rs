//! The retry policy of a request: what is given overrides the default of the kind.

use std::time::Duration;

use posthaste_core::limits::{MAX_BACKOFF, MAX_BACKOFF_STEPS, MAX_MAX_FAILURES, MAX_TIMEOUT};
use posthaste_core::{Backoff, OnAmbiguous, RetryPolicy};
use serde_json::Value;

use super::fields::{Errors, Object, Refusal, integer, word};
use crate::FieldError;

/// The kinds of backoff, by their names.
const BACKOFFS: &[&str] = &["exponential", "listed"];

fn ms(d: Duration) -> u64 {
    u64::try_from(d.as_millis()).unwrap_or(u64::MAX)
}

/// `policy` with the fields of `object` put over it.
pub(crate) fn override_policy(
    mut policy: RetryPolicy,
    mut object: Object<'_>,
    errors: &mut Errors,
) -> RetryPolicy {
    if let Some(n) = object.optional(errors, "max_failures", integer(1, u64::from(MAX_MAX_FAILURES))) {
        policy.max_failures = u32::try_from(n).unwrap_or(MAX_MAX_FAILURES);
    }
    if let Some(o) = object.object(errors, "backoff")
        && let Some(backoff) = read_backoff(o, errors)
    {
        policy.backoff = backoff;
    }
    if let Some(n) = object.optional(errors, "max_age_ms", integer(1, ms(MAX_BACKOFF * 4))) {
        policy.max_age = Duration::from_millis(n);
    }
    if let Some(n) = object.optional(errors, "timeout_ms", integer(1, ms(MAX_TIMEOUT))) {
        policy.timeout = Duration::from_millis(n);
    }
    let on_ambiguous = word(&[OnAmbiguous::Retry, OnAmbiguous::Hold], |w| match w {
        OnAmbiguous::Retry => "retry",
        OnAmbiguous::Hold => "hold",
    });
    if let Some(w) = object.optional(errors, "on_ambiguous", on_ambiguous) {
        policy.on_ambiguous = w;
    }
    let loc = object.loc("");
    object.finish(errors);
    // What the readers above cannot know, for instance a bound that core adds.
    if errors.is_empty()
        && let Err((field, problem)) = policy.check()
    {
        let loc = loc.into_iter().rev().skip(1).rev().chain([field.into()]);
        errors.push(FieldError::new(loc, "value_error", problem));
    }
    policy
}

fn read_backoff(mut object: Object<'_>, errors: &mut Errors) -> Option<Backoff> {
    let cap = ms(MAX_BACKOFF);
    let kind = object.required(errors, "type", word(BACKOFFS, |w| w));
    let backoff = match kind {
        Some("exponential") => {
            let base = object.required(errors, "base_ms", integer(0, cap));
            let top = object.required(errors, "cap_ms", integer(0, cap));
            base.zip(top).map(|(base_ms, cap_ms)| Backoff::Exponential { base_ms, cap_ms })
        }
        Some(_) => {
            let delays = object.required(errors, "delays_ms", delays);
            delays.map(|delays_ms| Backoff::Listed { delays_ms })
        }
        // Without a type nothing can be said about the other fields.
        None => return None,
    };
    object.finish(errors);
    backoff
}

fn delays(v: &Value) -> Result<Vec<u64>, Refusal> {
    let list = v.as_array().ok_or_else(|| ("list_type", String::from("Input should be a valid list")))?;
    if list.is_empty() || list.len() > MAX_BACKOFF_STEPS {
        return Err(("list_length", format!("List should have 1 to {MAX_BACKOFF_STEPS} delays")));
    }
    let read = integer(0, ms(MAX_BACKOFF));
    list.iter()
        .enumerate()
        .map(|(i, d)| read(d).map_err(|(kind, msg)| (kind, format!("Item {i}: {msg}"))))
        .collect()
}
