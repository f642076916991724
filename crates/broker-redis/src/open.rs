//! What a store is opened with, and why it may not be.

use std::sync::Arc;

use posthaste_core::limits::Retention;
use posthaste_core::{BrokerError, Clock};

/// What a store is opened with.
#[derive(Clone)]
pub struct RedisConfig {
    /// `redis://`, `rediss://`, `+sentinel`, `+cluster`.
    pub url: String,
    /// Lets environments share one server: letters, digits, `-`, `_` and `.`.
    pub namespace: String,
    /// How many shards a new store gets; `None` is 1 on a single server and 64 on a Cluster. One that is there already
    /// keeps its number, and is refused if it is not this one.
    pub shards: Option<u16>,
    /// What has happened when an enqueue is answered.
    pub durability: Durability,
    /// How long and how many finished tasks are kept.
    pub retention: Retention,
    /// Whose time counts.
    pub clock: StoreClock,
    /// Whether a server that may evict tasks is taken all the same.
    pub allow_eviction: bool,
}

impl RedisConfig {
    /// The defaults, at `url`.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            namespace: "posthaste".into(),
            shards: None,
            durability: Durability::Acknowledged,
            retention: Retention::default(),
            clock: StoreClock::Server,
            allow_eviction: false,
        }
    }
}

/// What has happened when an enqueue is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// The server has it, and writes it down as its configuration says.
    #[default]
    Acknowledged,
    /// At least one replica has it too.
    Replicated,
}

/// Whose time counts.
#[derive(Clone, Default)]
pub enum StoreClock {
    /// The server's.
    #[default]
    Server,
    /// This one, sent with every call: for tests.
    Given(Arc<dyn Clock>),
}

/// Why a store cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The URL cannot be read.
    #[error("REDIS_URL: {problem}")]
    Url {
        /// What is wrong and what to do.
        problem: String,
    },
    /// The namespace has a character that a key must not have.
    #[error(
        "the namespace {namespace:?} may hold letters, digits, '-', '_' and '.' only, at most 64 of them; change POSTHASTE_NAMESPACE"
    )]
    Namespace {
        /// What was given.
        namespace: String,
    },
    /// It does not answer now; it may later.
    #[error("{0}")]
    Refused(#[source] BrokerError),
    /// The store was set up otherwise than this process is configured.
    #[error("{problem}")]
    Mismatch {
        /// What differs and what to do.
        problem: String,
    },
    /// The server may throw tasks away when its memory is full.
    #[error(
        "the server's maxmemory-policy is {policy:?}: it would delete tasks when its memory is full; set it to noeviction (or allow it with POSTHASTE_ALLOW_EVICTION=on)"
    )]
    Eviction {
        /// The policy.
        policy: String,
    },
    /// The server is too old.
    #[error("the server is version {version}; Redis 7.0 or Valkey 7.2 is the oldest that works")]
    Version {
        /// What it says it is.
        version: String,
    },
}
