//! The store of a process: opened as the settings say, waited for while it is away.

use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use posthaste_broker_redis::{OpenError as RedisError, RedisStore};
use posthaste_broker_sqlite::{OpenError as SqliteError, SqliteConfig, SqliteStore};
use posthaste_core::limits::Retention;
use posthaste_core::{ErrorClass, Store};
use tokio::time::Instant;

use crate::exit::Stop;
use crate::settings::store::StoreConfig;
use crate::settings::typed::ServerConfig;

/// How often a store that is away is complained of.
const COMPLAIN_EVERY: Duration = Duration::from_secs(10);
/// First pause before it is asked again; it doubles up to [`ASK_CAP`].
const ASK_BASE: Duration = Duration::from_millis(50);
/// Longest such pause: work resumes within two seconds of the store answering.
const ASK_CAP: Duration = Duration::from_millis(500);

/// An open store.
pub(crate) enum OpenStore {
    /// The embedded one.
    Embedded(Arc<SqliteStore>),
    /// Redis, which may be away.
    Redis(Arc<RedisStore>),
}

impl OpenStore {
    /// Opens it. Redis is not asked for yet.
    ///
    /// # Errors
    /// A store that cannot be used; says what to do.
    pub(crate) async fn open(config: &ServerConfig) -> anyhow::Result<Self> {
        Self::open_at(&config.store, config.retention).await
    }

    /// Opens a store that need not be the one that is served.
    ///
    /// # Errors
    /// As [`OpenStore::open`].
    pub(crate) async fn open_at(store: &StoreConfig, retention: Retention) -> anyhow::Result<Self> {
        match store {
            StoreConfig::Embedded(dir) => {
                let mut sqlite = SqliteConfig::new(dir);
                sqlite.retention = retention;
                SqliteStore::open(sqlite).await.map(Self::Embedded).map_err(embedded_error)
            }
            StoreConfig::Redis(redis) => {
                RedisStore::open(redis.open_with(retention)).map(Self::Redis).map_err(redis_error)
            }
        }
    }

    /// The store as everybody else sees it.
    pub(crate) fn seam(&self) -> Arc<dyn Store> {
        match self {
            Self::Embedded(store) => store.clone(),
            Self::Redis(store) => store.clone(),
        }
    }

    /// Returns once the store has answered and was found fit. Cancel safe.
    ///
    /// # Errors
    /// What no waiting mends: another number of shards, eviction, a version.
    pub(crate) async fn answers(&self) -> anyhow::Result<()> {
        let Self::Redis(store) = self else { return Ok(()) };
        let mut patience = Patience::default();
        loop {
            match store.check().await {
                Ok(()) => break,
                Err(RedisError::Refused(e)) if e.class() == ErrorClass::Unavailable => {
                    patience.after(&e).await
                }
                Err(e) => return Err(redis_error(e)),
            }
        }
        if patience.complained.is_some() {
            tracing::info!("the store answers");
        }
        Ok(())
    }

    /// Closes it.
    pub(crate) async fn close(&self) {
        match self {
            Self::Embedded(store) => store.close().await,
            Self::Redis(store) => store.close().await,
        }
    }
}

/// Waits between the tries, and complains now and then.
#[derive(Default)]
pub(crate) struct Patience {
    tries: u32,
    complained: Option<Instant>,
}

impl Patience {
    /// Waits after a try that failed.
    pub(crate) async fn after(&mut self, error: &impl Display) {
        let now = Instant::now();
        if self.complained.is_none_or(|t| now >= t + COMPLAIN_EVERY) {
            self.complained = Some(now);
            tracing::error!("{error}; trying again until it answers");
        }
        let pause = ASK_BASE.saturating_mul(1 << self.tries.min(8)).min(ASK_CAP);
        self.tries += 1;
        tokio::time::sleep(pause).await;
    }
}

/// What cannot be used now may be usable later (75); what is damaged or newer will not mend by
/// itself (1).
fn embedded_error(error: SqliteError) -> anyhow::Error {
    match error {
        SqliteError::Locked { .. } | SqliteError::ReadOnly { .. } | SqliteError::Io { .. } => {
            Stop::StoreBusy(error.to_string()).into()
        }
        SqliteError::NewerVersion { .. } | SqliteError::Corrupt { .. } => error.into(),
    }
}

/// A wrong URL is wrong configuration (2); a Redis that is unfit for this configuration is told
/// apart (78), because starting again changes nothing.
fn redis_error(error: RedisError) -> anyhow::Error {
    match error {
        RedisError::Url { .. } | RedisError::Namespace { .. } => Stop::Usage(error.to_string()).into(),
        RedisError::Mismatch { .. } | RedisError::Eviction { .. } | RedisError::Version { .. } => {
            Stop::StoreUnfit(error.to_string()).into()
        }
        RedisError::Refused(fault) => fault.into(),
    }
}
