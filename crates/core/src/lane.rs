//! Lanes: limit keys inside a queue, so that one provider or customer never delays another.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::limits::MAX_KEY_BYTES;
use crate::{Name, NameError, QueueName, Timestamp};

/// `target` or `target/tenant`. Settings on a target hold for all lanes under it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LaneKey {
    /// The provider, endpoint or other shared thing.
    pub target: Name,
    /// Whose share of it.
    pub tenant: Option<Name>,
}

impl LaneKey {
    /// A lane for a target as a whole.
    pub fn target(target: Name) -> Self {
        Self { target, tenant: None }
    }
}

impl fmt::Display for LaneKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.tenant {
            Some(t) => write!(f, "{}/{t}", self.target),
            None => write!(f, "{}", self.target),
        }
    }
}

impl FromStr for LaneKey {
    type Err = NameError;
    fn from_str(s: &str) -> Result<Self, Self::Err> {
        if s.len() > MAX_KEY_BYTES {
            return Err(NameError::TooLong);
        }
        match s.split_once('/') {
            Some((target, tenant)) => {
                Ok(Self { target: Name::new(target)?, tenant: Some(Name::new(tenant)?) })
            }
            None => Ok(Self { target: Name::new(s)?, tenant: None }),
        }
    }
}

impl Serialize for LaneKey {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for LaneKey {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let s = std::borrow::Cow::<'de, str>::deserialize(d)?;
        s.parse().map_err(serde::de::Error::custom)
    }
}

/// What a pause, resume or limit applies to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Scope {
    /// A whole queue.
    Queue(QueueName),
    /// One lane of a queue; with no tenant, the target and all lanes under it.
    Lane(QueueName, LaneKey),
}

impl Scope {
    /// The queue it lies in.
    pub fn queue(&self) -> &QueueName {
        match self {
            Self::Queue(q) | Self::Lane(q, _) => q,
        }
    }
}

/// Why something is paused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PauseReason {
    /// A person or the API did it; only they end it (or its time).
    Manual,
    /// The provider asked to be left alone until a time.
    Throttled,
    /// Credentials or sender refused; ended by a person or a probe that gets through.
    Misconfigured,
    /// The breaker is open; ended by a probe that gets through.
    Breaker,
}

/// A pause in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pause {
    /// Why.
    pub reason: PauseReason,
    /// When it ends or when the next probe goes out; without it, only a person ends it.
    pub until: Option<Timestamp>,
    /// Since when.
    pub since: Timestamp,
    /// The message that caused it.
    pub message: Option<String>,
    /// Of a misconfigured target: whose settings were refused and what they were, as `<target> <keyed fingerprint>`. A
    /// process that was started with others lifts the pause ([`Broker::lift`](crate::Broker::lift)).
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub settings: Option<String>,
}

impl Pause {
    /// Whether a process that was started with `settings`, written like [`Pause::settings`], knows that the cause of this
    /// pause is mended: the same provider, other settings. What an older program stored tells of none, so its lane decides.
    pub fn is_mended_by(&self, lane: Option<&LaneKey>, settings: &str) -> bool {
        let whose = |text: &str| text.rsplit_once(' ').map_or(text, |(whose, _)| whose).to_owned();
        if self.reason != PauseReason::Misconfigured {
            return false;
        }
        match &self.settings {
            Some(old) => old != settings && whose(old) == whose(settings),
            None => lane.is_some_and(|l| l.tenant.is_none() && l.target.as_str() == whose(settings)),
        }
    }
}

/// Limits of a lane or target, global over all workers. `None` is unlimited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct LaneLimits {
    /// At most this many tasks start per [`LaneLimits::per_ms`].
    pub rate: Option<u32>,
    /// The period of `rate` in milliseconds (1,000 by default).
    #[serde(default = "one_second")]
    pub per_ms: u64,
    /// At most this many run at once.
    pub concurrency: Option<u32>,
}

fn one_second() -> u64 {
    1_000
}

impl LaneLimits {
    /// `n` starts per `period`.
    pub fn rate(n: u32, period: Duration) -> Self {
        Self {
            rate: Some(n),
            per_ms: u64::try_from(period.as_millis()).unwrap_or(u64::MAX).max(1),
            concurrency: None,
        }
    }

    /// At most `n` at once.
    pub fn concurrency(n: u32) -> Self {
        Self { rate: None, per_ms: 1_000, concurrency: Some(n) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_target_or_target_and_tenant() {
        let k: LaneKey = "smtp:default/acme".parse().expect("valid");
        assert_eq!(k.tenant.as_ref().map(Name::as_str), Some("acme"));
        assert_eq!(k.to_string(), "smtp:default/acme");
        assert!("a/b/c".parse::<LaneKey>().is_err());
        assert!("/b".parse::<LaneKey>().is_err());
    }
}
