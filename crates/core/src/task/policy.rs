//! How often and when a task is tried again.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::limits::{MAX_BACKOFF, MAX_BACKOFF_STEPS, MAX_MAX_FAILURES, MAX_TIMEOUT};
use crate::time::as_ms;

/// The delay before the next try.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Backoff {
    /// `base × 2ⁿ`, capped, then drawn evenly from zero to that (full jitter).
    Exponential {
        /// Delay bound of the first retry, in milliseconds.
        base_ms: u64,
        /// Largest delay bound, in milliseconds.
        cap_ms: u64,
    },
    /// These delays in order; the last one repeats.
    Listed {
        /// Delays in milliseconds.
        delays_ms: Vec<u64>,
    },
}

impl Backoff {
    /// The delay after `n` tries of this generation that ended in a class before this one.
    /// `jitter` is in `0.0..1.0`.
    pub fn delay(&self, n: u32, jitter: f64) -> Duration {
        match self {
            Self::Exponential { base_ms, cap_ms } => {
                let bound = base_ms.saturating_mul(1u64 << n.min(40)).min(*cap_ms);
                // Precision lost above 2^53 ms is of no concern to a delay.
                Duration::from_millis((bound as f64 * jitter.clamp(0.0, 1.0)) as u64)
            }
            Self::Listed { delays_ms } => {
                let i = (n as usize).min(delays_ms.len().saturating_sub(1));
                Duration::from_millis(delays_ms.get(i).copied().unwrap_or(0))
            }
        }
    }
}

/// What to do when a message may or may not have been sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnAmbiguous {
    /// Try again: a duplicate is better than a loss.
    Retry,
    /// Fail as `ambiguous` and let a person decide.
    Hold,
}

/// When a task is tried again and when it is given up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RetryPolicy {
    /// The try that brings the failures to this number is the last.
    pub max_failures: u32,
    /// The delays between tries.
    pub backoff: Backoff,
    /// Bounds tries that count nothing, and waiting in a paused lane, from the first due time.
    #[serde(rename = "max_age_ms", with = "as_ms")]
    pub max_age: Duration,
    /// How long one attempt may take.
    #[serde(rename = "timeout_ms", with = "as_ms")]
    pub timeout: Duration,
    /// What to do when it may have been sent.
    pub on_ambiguous: OnAmbiguous,
}

const MINUTE: u64 = 60_000;
const HOUR: u64 = 60 * MINUTE;

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            max_failures: 10,
            backoff: Backoff::Exponential { base_ms: 2_000, cap_ms: HOUR },
            max_age: Duration::from_secs(72 * 3600),
            timeout: Duration::from_secs(60),
            on_ambiguous: OnAmbiguous::Retry,
        }
    }
}

impl RetryPolicy {
    /// The default of e-mail: 30 s, 2 m, 10 m, 30 m, 2 h, 6 h, 12 h; 11 minutes an attempt, because
    /// a server may take 10 minutes to answer the final dot (RFC 5321 §4.5.3.2.6).
    pub fn email() -> Self {
        Self {
            backoff: Backoff::Listed {
                delays_ms: vec![30_000, 2 * MINUTE, 10 * MINUTE, 30 * MINUTE, 2 * HOUR, 6 * HOUR, 12 * HOUR],
            },
            timeout: Duration::from_secs(11 * 60),
            ..Self::default()
        }
    }

    /// The default of what goes over HTTP to a service: 15 s an attempt.
    pub fn http() -> Self {
        Self { timeout: Duration::from_secs(15), ..Self::default() }
    }

    /// The default of webhooks: 5 s, 5 m, 30 m, 2 h, 5 h, 10 h, 14 h, 20 h, 24 h; 15 s an attempt.
    pub fn webhook() -> Self {
        let delays_ms = vec![
            5_000,
            5 * MINUTE,
            30 * MINUTE,
            2 * HOUR,
            5 * HOUR,
            10 * HOUR,
            14 * HOUR,
            20 * HOUR,
            24 * HOUR,
        ];
        Self { backoff: Backoff::Listed { delays_ms }, ..Self::http() }
    }

    /// Checks the bounds; the error names the field and the fix.
    ///
    /// # Errors
    /// `(field, problem)` of the first value out of bounds.
    pub fn check(&self) -> Result<(), (&'static str, String)> {
        if self.max_failures == 0 || self.max_failures > MAX_MAX_FAILURES {
            return Err(("max_failures", format!("must be 1 to {MAX_MAX_FAILURES}")));
        }
        let cap = u64::try_from(MAX_BACKOFF.as_millis()).unwrap_or(u64::MAX);
        match &self.backoff {
            Backoff::Exponential { base_ms, cap_ms } if *base_ms > cap || *cap_ms > cap => {
                return Err(("backoff", format!("base_ms and cap_ms must be at most {cap}")));
            }
            Backoff::Exponential { .. } => {}
            Backoff::Listed { delays_ms } => {
                if delays_ms.is_empty() || delays_ms.len() > MAX_BACKOFF_STEPS {
                    return Err(("backoff", format!("delays_ms must hold 1 to {MAX_BACKOFF_STEPS} delays")));
                }
                if delays_ms.iter().any(|d| *d > cap) {
                    return Err(("backoff", format!("each of delays_ms must be at most {cap}")));
                }
            }
        }
        if self.timeout.is_zero() || self.timeout > MAX_TIMEOUT {
            return Err(("timeout_ms", format!("must be 1 to {}", MAX_TIMEOUT.as_millis())));
        }
        if self.max_age.is_zero() || self.max_age > MAX_BACKOFF * 4 {
            return Err(("max_age_ms", format!("must be 1 to {}", (MAX_BACKOFF * 4).as_millis())));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn listed_delays_repeat_their_last() {
        let b = RetryPolicy::email().backoff;
        assert_eq!(b.delay(0, 0.5), Duration::from_secs(30));
        assert_eq!(b.delay(1, 0.5), Duration::from_secs(120));
        assert_eq!(b.delay(6, 0.5), Duration::from_secs(12 * 3600));
        assert_eq!(b.delay(60, 0.5), Duration::from_secs(12 * 3600));
    }

    #[test]
    fn a_policy_reads_back_and_refuses_unknown_fields() {
        let p = RetryPolicy::email();
        let text = serde_json::to_string(&p).expect("serializes");
        assert_eq!(serde_json::from_str::<RetryPolicy>(&text).expect("reads"), p);
        assert!(serde_json::from_str::<RetryPolicy>(&text.replace("timeout_ms", "timeout")).is_err());
    }

    #[test]
    fn out_of_bounds_values_are_named() {
        let bad = RetryPolicy { max_failures: 0, ..RetryPolicy::default() };
        assert_eq!(bad.check().expect_err("refused").0, "max_failures");
        let bad = RetryPolicy { backoff: Backoff::Listed { delays_ms: vec![] }, ..RetryPolicy::default() };
        assert_eq!(bad.check().expect_err("refused").0, "backoff");
    }

    proptest! {
        #[test]
        fn exponential_stays_within_its_bound(base in 0u64..100_000, cap in 0u64..10_000_000, n in 0u32..200, j in 0.0f64..1.0) {
            let d = Backoff::Exponential { base_ms: base, cap_ms: cap }.delay(n, j).as_millis() as u64;
            prop_assert!(d <= cap);
            prop_assert!(d <= base.saturating_mul(1 << n.min(40)));
        }
    }
}
