//! The store as a handle: what all its operations share.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::TryFutureExt as _;
use posthaste_core::limits::Retention;
use posthaste_core::{BrokerError, Task, TaskId};
use redis::Value;
use tokio::sync::OnceCell;

use crate::busy::Busy;
use crate::gate::Gate;
use crate::held::HeldRecords;
use crate::link::{Call, Link, Script};
use crate::live::Live;
use crate::memory::{Memory, evicting};
use crate::names::Names;
use crate::open::{Durability, OpenError, RedisConfig};
use crate::patience::Patience;
use crate::record::corrupt;
use crate::replicas::Replicas;
use crate::reply;
use crate::scripts::SCRIPTS;
use crate::shards::Shards;
use crate::time::StoreTime;
use crate::url::RedisUrl;

/// The version of the layout.
pub(crate) const SCHEMA: u16 = 1;
/// Shards of a new store on a Cluster.
const CLUSTER_SHARDS: u16 = 64;
/// Most shards of a store.
const MAX_SHARDS: u16 = 1024;

/// The store on Redis or Valkey. Cheap to share; all handles of one are the same connection.
pub struct RedisStore {
    pub(crate) inner: Arc<Inner>,
}

/// What the operations of a store share.
pub(crate) struct Inner {
    shards: Shards,
    pub(crate) names: Names,
    pub(crate) held: HeldRecords,
    pub(crate) live: Live,
    pub(crate) retention: Retention,
    pub(crate) durability: Durability,
    asked_shards: Option<u16>,
    pub(crate) allow_eviction: bool,
    pub(crate) memory: Memory,
    pub(crate) time: StoreTime,
    /// Counts up, so that what cannot be divided goes round.
    pub(crate) turn: AtomicUsize,
    /// How many shards there are was found out, and with it everything below.
    known: OnceCell<Known>,
    /// The tries to find that out that failed: how many, and how the last one did.
    failed: Mutex<(u64, Option<BrokerError>)>,
    pub(crate) closed: AtomicBool,
}

/// What is known once the store has answered.
struct Known {
    gates: Vec<Arc<Gate>>,
    /// Shards in which work may be ready; a claim looks at these.
    busy: Vec<Busy>,
    /// How long a claim waits for each shard of a Cluster.
    patience: Vec<Patience>,
    /// Connections on which replicas are waited for.
    replicas: Vec<Replicas>,
}

impl RedisStore {
    /// Takes the configuration and returns at once. The store connects by itself, and again whenever a connection is lost.
    ///
    /// # Errors
    /// [`OpenError::Url`], [`OpenError::Namespace`], [`OpenError::Mismatch`] for a shard count out of bounds.
    pub fn open(config: RedisConfig) -> Result<Arc<Self>, OpenError> {
        let url = RedisUrl::parse(&config.url).map_err(|e| OpenError::Url { problem: e.problem })?;
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if config.namespace.is_empty() || config.namespace.len() > 64 || !config.namespace.chars().all(fits) {
            return Err(OpenError::Namespace { namespace: config.namespace });
        }
        if config.shards.is_some_and(|n| n == 0 || n > MAX_SHARDS) {
            let problem = format!("POSTHASTE_SHARDS must be 1 to {MAX_SHARDS}");
            return Err(OpenError::Mismatch { problem });
        }
        let link = Link::new(&url);
        let shards = Shards::new(link, config.namespace, config.clock);
        let names = Names::default();
        let inner = Inner {
            live: Live::new(shards.clone(), names.clone()),
            shards,
            held: HeldRecords::default(),
            names,
            retention: config.retention,
            durability: config.durability,
            asked_shards: config.shards,
            allow_eviction: config.allow_eviction,
            memory: Memory::default(),
            time: StoreTime::default(),
            turn: AtomicUsize::new(0),
            known: OnceCell::new(),
            failed: Mutex::default(),
            closed: AtomicBool::new(false),
        };
        Ok(Arc::new(Self { inner: Arc::new(inner) }))
    }

    /// Connects now and finds out whether the server and what is stored there fit this configuration.
    ///
    /// # Errors
    /// Each variant of [`OpenError`] says what to do. [`OpenError::Refused`] may mend by itself.
    pub async fn check(&self) -> Result<(), OpenError> {
        self.inner.check_server().await?;
        self.inner.known().await.map(drop).map_err(|e| match e {
            BrokerError::Invalid { problem, .. } => OpenError::Mismatch { problem },
            e => OpenError::Refused(e),
        })
    }

    /// Ends everything that runs beside the calls. Calls that come later are answered `Unavailable`.
    pub async fn close(&self) {
        self.inner.closed.store(true, Ordering::SeqCst);
        self.inner.live.close();
    }
}

impl Inner {
    pub(crate) fn shards(&self) -> &Shards {
        &self.shards
    }

    /// What waits for a call to a shard. Only after [`Inner::found`].
    pub(crate) fn gate(&self, shard: u16) -> &Arc<Gate> {
        let known = self.known.get().expect("operations begin by finding the store");
        &known.gates[usize::from(shard)]
    }

    /// Waits until a replica has what was written to a shard, if that was asked for.
    pub(crate) async fn confirmed(&self, shard: u16) -> Result<(), BrokerError> {
        match (self.durability, self.known.get()) {
            (Durability::Replicated, Some(known)) => {
                known.replicas[usize::from(shard)].confirm(&self.shards, shard).await
            }
            _ => Ok(()),
        }
    }

    /// Notes that work may be ready in a shard.
    pub(crate) fn set_busy(&self, shard: u16) {
        if let Some(busy) = self.busy(shard) {
            busy.ring();
        }
    }

    /// What is known of the ready work of a shard.
    pub(crate) fn busy(&self, shard: u16) -> Option<&Busy> {
        self.known.get()?.busy.get(usize::from(shard))
    }

    /// How long a claim waits for a shard. Only after [`Inner::found`].
    pub(crate) fn patience(&self, shard: u16) -> &Patience {
        let known = self.known.get().expect("operations begin by finding the store");
        &known.patience[usize::from(shard)]
    }

    /// Finds out, once, how the store is laid out; sets up a new one.
    pub(crate) async fn found(&self) -> Result<&Shards, BrokerError> {
        if self.closed.load(Ordering::SeqCst) {
            return Err(BrokerError::Unavailable { why: "the store was closed".into() });
        }
        // What a wrong configuration is told at its check is no fault of the request.
        self.known().await.map_err(|e| match e {
            BrokerError::Invalid { problem, .. } => BrokerError::Unavailable { why: problem },
            e => e,
        })?;
        self.live.settled().await;
        Ok(&self.shards)
    }

    async fn known(&self) -> Result<&Known, BrokerError> {
        if let Some(known) = self.known.get() {
            return Ok(known);
        }
        let tries = || self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        let before = tries().0;
        self.known
            .get_or_try_init(|| {
                async {
                    // Whoever waited while another tried shares its outcome: a crowd is answered at once, not one by one.
                    let (failed, last) = &*tries();
                    if let Some(e) = last.as_ref().filter(|_| *failed > before) {
                        return Err(e.clone());
                    }
                    Ok(())
                }
                .and_then(|()| self.find())
                .inspect_err(|e| {
                    let mut tries = tries();
                    *tries = (tries.0 + 1, Some(e.clone()));
                })
            })
            .await
    }

    /// Refuses what a server would take that may throw it away: its policy can be changed while it runs.
    pub(crate) fn keeps(self: &Arc<Self>) -> Result<(), BrokerError> {
        if self.allow_eviction {
            return Ok(());
        }
        if self.memory.is_due() {
            let inner = Arc::clone(self);
            let _asking_handle = tokio::spawn(async move { inner.memory.look(&inner.shards).await });
        }
        match self.memory.evicts() {
            Some(policy) => Err(BrokerError::Unavailable { why: OpenError::Eviction { policy }.to_string() }),
            None => Ok(()),
        }
    }

    /// The tasks of ids, in order.
    pub(crate) async fn get(&self, ids: &[TaskId]) -> Result<Vec<Option<Task>>, BrokerError> {
        crate::reads::get(self.found().await?, &self.names, ids).await
    }

    /// Wakes those that wait for work, which may lie in any shard.
    pub(crate) fn ring_all(&self) {
        for shard in self.shards.all() {
            self.set_busy(shard);
        }
        self.live.announce_all();
    }

    async fn find(&self) -> Result<Known, BrokerError> {
        let new =
            self.asked_shards.unwrap_or(if self.shards.link().is_cluster() { CLUSTER_SHARDS } else { 1 });
        let count = self.init(0, new).await?;
        if let Some(asked) = self.asked_shards.filter(|a| *a != count) {
            let problem = format!(
                "the store has {count} shards and this process was told {asked}; unset POSTHASTE_SHARDS or set it to {count}"
            );
            return Err(BrokerError::invalid(0, "shards", problem));
        }
        for shard in 1..count {
            self.init(shard, count).await?;
        }
        if !self.shards.settle_count(count) {
            return Err(corrupt("the number of shards has changed under a living process"));
        }
        Ok(Known {
            gates: (0..count).map(|_| Arc::default()).collect(),
            busy: (0..count).map(|_| Busy::default()).collect(),
            patience: (0..count).map(|_| Patience::default()).collect(),
            replicas: (0..count).map(|_| Replicas::default()).collect(),
        })
    }

    /// Sets up a shard if it is new; how many shards it says there are.
    async fn init(&self, shard: u16, shards: u16) -> Result<u16, BrokerError> {
        let mut call = SCRIPTS.init.call(&self.shards.m_key(shard));
        call.arg("").int(i64::from(SCHEMA)).int(i64::from(shards));
        let values = reply::list(self.shards.link().run(call).await?)?;
        let [schema, shards] =
            <[Value; 2]>::try_from(values).map_err(|_| corrupt("the answer to a set-up"))?;
        let schema = reply::int(schema)?;
        if schema != i64::from(SCHEMA) {
            return Err(BrokerError::invalid(0, "schema", other_layout(&schema.to_string())));
        }
        u16::try_from(reply::int(shards)?)
            .ok()
            .filter(|n| (1..=MAX_SHARDS).contains(n))
            .ok_or_else(|| corrupt("the number of shards"))
    }

    /// Begins a call of a script; its first argument is there already.
    pub(crate) fn call(&self, script: &Script, shard: u16) -> Call {
        let mut call = script.call(&self.shards.m_key(shard));
        call.arg(self.shards.clock_arg());
        call
    }

    /// Runs a call. A shard that turns out to be empty is set up again, and the caller told to come again.
    pub(crate) async fn run(&self, shard: u16, call: Call) -> Result<Value, BrokerError> {
        self.set_up(shard, self.shards.link().run(call).await?).await
    }

    /// As [`Inner::run`], for workers: a shard whose server stands still takes no time from the others.
    pub(crate) async fn run_aside(&self, shard: u16, call: Call) -> Result<Value, BrokerError> {
        self.set_up(shard, self.shards.link().run_aside(call).await?).await
    }

    /// The answer of a shard, which is set up again if it turns out to be empty.
    async fn set_up(&self, shard: u16, value: Value) -> Result<Value, BrokerError> {
        let Value::Array(values) = &value else { return Ok(value) };
        match values.as_slice() {
            [Value::BulkString(word)] if word == b"INIT" => {
                tracing::warn!(shard, "the store was emptied by somebody; it is set up again");
                self.names.forget(shard);
                self.init(shard, self.shards.count()).await?;
                let why = "the store was emptied and is set up again; try again".to_owned();
                Err(BrokerError::Unavailable { why })
            }
            [Value::BulkString(word), Value::BulkString(found)] if word == b"SCHEMA" => {
                let found = String::from_utf8_lossy(found);
                Err(BrokerError::Unavailable { why: other_layout(&found) })
            }
            _ => Ok(value),
        }
    }

    async fn check_server(&self) -> Result<(), OpenError> {
        let nodes = self.shards.link().masters().await.map_err(OpenError::Refused)?;
        for node in nodes {
            let info =
                node.command(redis::cmd("INFO").arg("everything")).await.map_err(OpenError::Refused)?;
            let info = Info(reply::text(info).map_err(OpenError::Refused)?);
            let version = info.get("redis_version").unwrap_or("unknown").to_owned();
            let major: u32 = version.split('.').next().and_then(|n| n.parse().ok()).unwrap_or(0);
            if major < 7 {
                return Err(OpenError::Version { version });
            }
            if let Some(policy) = evicting(&info).filter(|_| !self.allow_eviction) {
                return Err(OpenError::Eviction { policy: policy.to_owned() });
            }
        }
        Ok(())
    }
}

fn other_layout(found: &str) -> String {
    format!(
        "the store's layout is version {found}, this program works with version {SCHEMA}; run the program that fits, or choose another POSTHASTE_NAMESPACE"
    )
}

/// The answer to INFO.
pub(crate) struct Info(pub(crate) String);

impl Info {
    /// The value of a field.
    pub(crate) fn get(&self, field: &str) -> Option<&str> {
        self.0.lines().find_map(|l| l.strip_prefix(field)?.strip_prefix(':'))
    }
}
