//! The failure-class table: what a failed try means for the task and for its lane.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What kind of failure a try ended in. Channels and handlers decide it; text never does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureClass {
    /// It may go better later.
    Transient,
    /// The target could not be reached; nothing was sent.
    Unavailable,
    /// The target asked for a pause.
    Throttled,
    /// Our configuration was refused: credentials, sender, relay.
    Misconfigured,
    /// It will never succeed.
    Permanent,
    /// The recipient does not exist; do not write to it again.
    Suppress,
    /// It may have been sent.
    Ambiguous,
}

/// What happens to the task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TaskEffect {
    /// Another try after the backoff.
    Retry,
    /// Behind what waits in its lane, which is paused: what caused a pause is not what finds out whether it is over.
    Park,
    /// Failed.
    Fail,
    /// As the policy says: retry or hold.
    ByPolicy,
}

/// What happens to the lane's target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LaneEffect {
    /// Nothing; a success or this closes the breaker.
    None,
    /// Counts towards the breaker.
    Breaker,
    /// Paused until a time, for all workers; the latest time wins.
    PauseUntil,
    /// Paused with an alarm until a person or a probe resumes it.
    PauseAlarm,
}

/// A row of the class table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClassRule {
    /// The class.
    pub class: FailureClass,
    /// What happens to the task.
    pub task: TaskEffect,
    /// Whether the try counts against `max_failures`.
    pub counts: bool,
    /// What happens to the lane.
    pub lane: LaneEffect,
    /// When a channel or handler answers with it.
    pub when: &'static str,
}

/// The failure-class table.
pub const CLASSES: &[ClassRule] = &[
    ClassRule {
        class: FailureClass::Transient,
        task: TaskEffect::Retry,
        counts: true,
        lane: LaneEffect::None,
        when: "4xx mail; 5xx, 408, 425 web; what one recipient alone is refused for now; handler error, panic or timeout before the mark",
    },
    ClassRule {
        class: FailureClass::Unavailable,
        task: TaskEffect::Retry,
        counts: false,
        lane: LaneEffect::Breaker,
        when: "connect, DNS, TLS; 421, cut or timeout until MAIL is accepted, or of three recipients in a row before the content",
    },
    ClassRule {
        class: FailureClass::Throttled,
        task: TaskEffect::Park,
        counts: false,
        lane: LaneEffect::PauseUntil,
        when: "429, Retry-After; mail 4xx with 4.7.x about the provider, or of three recipients in a row",
    },
    ClassRule {
        class: FailureClass::Misconfigured,
        task: TaskEffect::Park,
        counts: false,
        lane: LaneEffect::PauseAlarm,
        when: "530, 534, 535, any 5xx before MAIL is accepted; 401, 403 from a provider; 5.1.7, 5.1.8 of three recipients in a row",
    },
    ClassRule {
        class: FailureClass::Permanent,
        task: TaskEffect::Fail,
        counts: true,
        lane: LaneEffect::None,
        when: "other 5xx mail; other 4xx from a provider; 3xx; blocked address; 410",
    },
    ClassRule {
        class: FailureClass::Suppress,
        task: TaskEffect::Fail,
        counts: true,
        lane: LaneEffect::None,
        when: "5.1.1, 5.1.3, 5.1.6, 5.1.10 in answer to RCPT",
    },
    ClassRule {
        class: FailureClass::Ambiguous,
        task: TaskEffect::ByPolicy,
        counts: true,
        lane: LaneEffect::None,
        when: "anything lost, cut or timed out after the mark",
    },
];

impl FailureClass {
    /// Every class.
    pub const ALL: [Self; 7] = [
        Self::Transient,
        Self::Unavailable,
        Self::Throttled,
        Self::Misconfigured,
        Self::Permanent,
        Self::Suppress,
        Self::Ambiguous,
    ];

    /// Its row of the table.
    pub fn rule(self) -> &'static ClassRule {
        CLASSES.iter().find(|r| r.class == self).expect("every class has a row (tested)")
    }

    /// Its name in the API, in logs and in stores.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Transient => "transient",
            Self::Unavailable => "unavailable",
            Self::Throttled => "throttled",
            Self::Misconfigured => "misconfigured",
            Self::Permanent => "permanent",
            Self::Suppress => "suppress",
            Self::Ambiguous => "ambiguous",
        }
    }

    /// A small number for stores, equal to its place in [`FailureClass::ALL`].
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// The class with this number.
    pub const fn from_code(code: u8) -> Option<Self> {
        if (code as usize) < Self::ALL.len() { Some(Self::ALL[code as usize]) } else { None }
    }
}

impl fmt::Display for FailureClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_class_has_one_row_and_its_code_reads_back() {
        for c in FailureClass::ALL {
            assert_eq!(CLASSES.iter().filter(|r| r.class == c).count(), 1);
            assert_eq!(FailureClass::from_code(c.code()), Some(c));
        }
    }
}
