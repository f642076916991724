//! The way to Redis: one server, Sentinel or Cluster behind one handle.
//!
//! All calls to a server share one connection, each a single pipelined write; nothing is locked while a call waits.
//! **Nothing is sent twice that may have been executed.** A call is sent again only after an answer that says that it
//! was not: `NOSCRIPT` (after loading the script), `MOVED`, `ASK`, `TRYAGAIN`, `CLUSTERDOWN`, `LOADING`, `MASTERDOWN`,
//! and `READONLY` once. All of that waits two seconds at most. The Cluster client of the `redis` crate sends again by
//! default, so the routing is done here.
//!
//! A script never follows `ASK`: while a slot moves, half of a shard is on either side (see [`script`]). It waits
//! until the move is over. A command with one key does follow.
//!
//! Values have their RESP2 form, whatever the connection speaks: a hash is a flat array, a number with a fraction is
//! text.

mod blocking;
mod cluster;
mod container;
mod dial;
mod error;
mod listen;
mod peer;
#[cfg(test)]
#[path = "tests.rs"]
mod real_servers;
mod role;
mod script;
mod sentinel;
mod slot;

use std::pin::{Pin, pin};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use posthaste_core::BrokerError;
use redis::{Cmd, Value};
use tokio::runtime;
use tokio::time::{Instant, timeout};

pub(crate) use blocking::{Blocking, Unblocked};
pub use container::{LOCALHOST_IN_A_CONTAINER, container_help, in_container};
pub(crate) use dial::RESPONSE_TIMEOUT;
pub(crate) use listen::{Heard, Listener};
pub(crate) use script::{Call, Oom, Script};
pub(crate) use slot::{crc16, slot_of};

use cluster::Cluster;
use dial::{Route, Target};
use error::{Verdict, meaning, meaning_in_a_cluster, unavailable, verdict};
use peer::Peer;

use crate::url::{Mode, RedisUrl};

/// How long a call waits, in all, for a server that says that in a moment it will work.
const PATIENCE: Duration = Duration::from_secs(2);
/// A node that has not answered for so long is doubted: the others are asked whether another one has its slots now.
const DOUBT: Duration = Duration::from_millis(250);
/// How long those wait who have other nodes to serve.
const ASIDE: Duration = Duration::from_secs(1);
/// A script is loaded this often for one call; a cache that is flushed more often than that is a fault.
const MAX_LOADS: u32 = 3;
/// A slot is followed this often for one call.
const MAX_REDIRECTIONS: u32 = 16;

/// Runtimes of one process that have connections at the same time.
const MAX_RUNTIMES: usize = 64;

/// The handle; a clone is the same way.
#[derive(Clone)]
pub(crate) struct Link {
    route: Arc<Route>,
    ways: Ways,
}

/// The connections of each runtime, the oldest first. What drives a connection lives in the runtime that made it: one that
/// is blocked by its handlers, or has ended, takes nothing from the calls of another, such as the lease keeper's.
type Ways = Arc<RwLock<Vec<(Option<runtime::Id>, Arc<Way>)>>>;

enum Way {
    One(Arc<Peer>),
    Cluster(Cluster),
}

impl Way {
    fn new(route: &Arc<Route>) -> Self {
        match route.url.mode {
            Mode::Cluster => Self::Cluster(Cluster::new(route)),
            Mode::Single | Mode::Sentinel { .. } | Mode::Unix { .. } => {
                Self::One(Peer::new(route.clone(), Target::Url))
            }
        }
    }

    async fn owner(&self, slot: u16) -> Result<Arc<Peer>, BrokerError> {
        match self {
            Self::One(peer) => Ok(peer.clone()),
            Self::Cluster(cluster) => cluster.owner(slot).await,
        }
    }

    /// Sends a call to a server. While a node of a Cluster does not answer, the others are asked whether its slots have gone to
    /// another one; then nobody waits any longer, and what it may answer late is worth nothing.
    async fn pass(
        &self,
        slot: u16,
        peer: &Arc<Peer>,
        cmd: &Cmd,
        script: Option<&Script>,
    ) -> Result<Value, BrokerError> {
        let mut call = pin!(send(peer, cmd, script));
        let Self::Cluster(cluster) = self else { return call.await };
        match timeout(DOUBT, &mut call).await {
            Ok(answer) => answer,
            // Boxed: it is seldom needed, and every call would carry it.
            Err(_) => Box::pin(doubtfully(cluster, slot, peer, call)).await,
        }
    }

    /// After an error that a failover, or a slot that moved, may have caused.
    fn suspect(self: &Arc<Self>) {
        if matches!(**self, Self::Cluster(_)) {
            let way = self.clone();
            let _looking_handle = tokio::spawn(async move {
                if let Self::Cluster(cluster) = &*way {
                    cluster.look_if_idle().await;
                }
            });
        }
    }
}

/// One master, to be asked about itself.
#[derive(Clone)]
pub(crate) struct Node {
    peer: Arc<Peer>,
}

impl Node {
    /// Sends a command to this node. It is sent once.
    pub(crate) async fn command(&self, cmd: &Cmd) -> Result<Value, BrokerError> {
        match self.peer.send(cmd).await? {
            Value::ServerError(error) => Err(meaning(&error)),
            value => Ok(plain(value)),
        }
    }
}

impl Link {
    /// A way to what the URL names. Nothing is connected before the first call.
    pub(crate) fn new(url: &RedisUrl) -> Self {
        Self { route: Arc::new(Route::new(url.clone())), ways: Ways::default() }
    }

    /// The connections of the runtime that asks.
    fn way(&self) -> Arc<Way> {
        let id = runtime::Handle::try_current().ok().map(|handle| handle.id());
        let find = |ways: &[(Option<runtime::Id>, Arc<Way>)]| {
            ways.iter().find(|(of, _)| *of == id).map(|(_, way)| way.clone())
        };
        // The list is whole between any two statements, so a panic elsewhere does not spoil it.
        if let Some(way) = find(&self.ways.read().unwrap_or_else(PoisonError::into_inner)) {
            return way;
        }
        let mut ways = self.ways.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(way) = find(&ways) {
            return way;
        }
        if ways.len() >= MAX_RUNTIMES {
            ways.remove(0);
        }
        let way = Arc::new(Way::new(&self.route));
        ways.push((id, way.clone()));
        way
    }

    /// True if the slots of the keys are spread over several servers.
    pub(crate) fn is_cluster(&self) -> bool {
        matches!(self.route.url.mode, Mode::Cluster)
    }

    /// Calls a script.
    ///
    /// Cancel safety: a call that was begun may be executed, whether or not its answer is awaited.
    pub(crate) async fn run(&self, call: Call) -> Result<Value, BrokerError> {
        self.carry(call.slot, &call.cmd, Some(&call.script)).await
    }

    /// As [`Link::run`], for those who must not wait for one node of several: one that stands still is left out, and none
    /// is waited for longer than a second. The call may be executed later all the same.
    pub(crate) async fn run_aside(&self, call: Call) -> Result<Value, BrokerError> {
        if !self.is_cluster() {
            return self.run(call).await;
        }
        self.stands_still(call.slot)?;
        let run = timeout(ASIDE, self.run(call));
        run.await.unwrap_or_else(|_| Err(unavailable("a node of the Redis Cluster does not answer in time")))
    }

    /// An error where the node that has the slot of a call is known to stand still.
    pub(crate) fn stands_still(&self, slot: u16) -> Result<(), BrokerError> {
        match &*self.way() {
            Way::Cluster(cluster) => cluster.stands_still(slot),
            Way::One(_) => Ok(()),
        }
    }

    /// Returns when another node than `peer` is known to have the slot.
    async fn moved(&self, slot: u16, peer: &Arc<Peer>) {
        let way = self.way();
        let Way::Cluster(cluster) = &*way else { return std::future::pending().await };
        while cluster.owns(slot, peer) {
            tokio::time::sleep(DOUBT * 2).await;
        }
    }

    /// Sends a command to the master that has `key`.
    pub(crate) async fn command(&self, key: &[u8], cmd: Cmd) -> Result<Value, BrokerError> {
        self.carry(slot_of(key), &cmd, None).await.map(plain)
    }

    /// Every master: the one server, or those of the Cluster that have slots.
    pub(crate) async fn masters(&self) -> Result<Vec<Node>, BrokerError> {
        let peers = match &*self.way() {
            Way::One(peer) => vec![peer.clone()],
            Way::Cluster(cluster) => cluster.masters().await?,
        };
        Ok(peers.into_iter().map(|peer| Node { peer }).collect())
    }

    /// A connection of its own, without response timeout, for commands that wait at the master that has `key`.
    ///
    /// It is made by the first command.
    pub(crate) async fn blocking(&self, key: &[u8]) -> Result<Blocking, BrokerError> {
        Ok(Blocking::new(self.clone(), slot_of(key)))
    }

    /// Listens to a sharded channel. Nothing is connected before [`Listener::next`].
    pub(crate) fn listen(&self, channel: Vec<u8>) -> Listener {
        Listener::new(self.clone(), channel)
    }

    fn route(&self) -> &Route {
        &self.route
    }

    async fn owner(&self, slot: u16) -> Result<Arc<Peer>, BrokerError> {
        self.way().owner(slot).await
    }

    fn meaning(&self, error: &redis::ServerError) -> BrokerError {
        if self.is_cluster() { meaning_in_a_cluster(error) } else { meaning(error) }
    }

    /// After an error that a failover, or a slot that moved, may have caused.
    fn suspect(&self) {
        self.way().suspect();
    }

    async fn carry(&self, slot: u16, cmd: &Cmd, script: Option<&Script>) -> Result<Value, BrokerError> {
        let way = self.way();
        let peer = way.owner(slot).await?;
        match way.pass(slot, &peer, cmd, script).await {
            Ok(Value::ServerError(error)) => {
                Box::pin(self.insist(&way, slot, cmd, script, peer, error)).await
            }
            Ok(value) => Ok(value),
            Err(error) => {
                way.suspect();
                Err(error)
            }
        }
    }

    /// Goes on after an error of the server, as long as it says that nothing was executed.
    async fn insist(
        &self,
        way: &Arc<Way>,
        slot: u16,
        cmd: &Cmd,
        script: Option<&Script>,
        mut peer: Arc<Peer>,
        mut error: redis::ServerError,
    ) -> Result<Value, BrokerError> {
        let mut tries = Tries::default();
        loop {
            let next = match (verdict(&error, peer.host()), &**way) {
                (Verdict::Final(error), _) => return Err(error),
                (Verdict::NoScript, _) => {
                    let script = script.filter(|_| tries.load()).ok_or_else(|| meaning(&error))?;
                    load(&peer, script).await?;
                    way.pass(slot, &peer, cmd, Some(script)).await
                }
                (Verdict::Moved(slot, Some(host)), Way::Cluster(cluster)) if tries.redirect() => {
                    peer = cluster.moved(slot, &host);
                    way.suspect();
                    way.pass(slot, &peer, cmd, script).await
                }
                (Verdict::Ask(Some(host)), Way::Cluster(cluster)) if script.is_none() && tries.redirect() => {
                    cluster.node(&host).send_asking(cmd).await
                }
                (Verdict::Ask(_), Way::Cluster(..)) | (Verdict::Wait, _) => {
                    if !tries.wait().await {
                        return Err(self.meaning(&error));
                    }
                    way.suspect();
                    peer = way.owner(slot).await?;
                    way.pass(slot, &peer, cmd, script).await
                }
                (Verdict::ReadOnly, way) if tries.renew() => {
                    match way {
                        Way::One(peer) => peer.renew(),
                        Way::Cluster(cluster) => cluster.look(cluster.version()).await?,
                    }
                    peer = way.owner(slot).await?;
                    way.pass(slot, &peer, cmd, script).await
                }
                (Verdict::Moved(..) | Verdict::Ask(_) | Verdict::ReadOnly, _) => {
                    return Err(self.meaning(&error));
                }
            };
            match next {
                Ok(Value::ServerError(again)) => error = again,
                Ok(value) => return Ok(value),
                Err(error) => {
                    way.suspect();
                    return Err(error);
                }
            }
        }
    }
}

/// What one call has already been granted.
#[derive(Default)]
struct Tries {
    loads: u32,
    redirections: u32,
    renewed: bool,
    until: Option<Instant>,
    pause: Duration,
}

impl Tries {
    fn load(&mut self) -> bool {
        self.loads += 1;
        self.loads <= MAX_LOADS
    }

    fn redirect(&mut self) -> bool {
        self.redirections += 1;
        self.redirections <= MAX_REDIRECTIONS
    }

    fn renew(&mut self) -> bool {
        !std::mem::replace(&mut self.renewed, true)
    }

    /// Waits a little, 10 ms at first and 160 ms at most. False if the patience is at its end.
    async fn wait(&mut self) -> bool {
        let until = *self.until.get_or_insert_with(|| Instant::now() + PATIENCE);
        if Instant::now() >= until {
            return false;
        }
        self.pause = (self.pause * 2).clamp(Duration::from_millis(10), Duration::from_millis(160));
        tokio::time::sleep(self.pause).await;
        true
    }
}

/// Awaits a call that has waited long.
async fn doubtfully(
    cluster: &Cluster,
    slot: u16,
    peer: &Arc<Peer>,
    mut call: Pin<&mut (impl Future<Output = Result<Value, BrokerError>> + Send)>,
) -> Result<Value, BrokerError> {
    peer.doubt();
    loop {
        let look = async {
            let moved = cluster.has_moved(slot, peer).await;
            if !moved {
                tokio::time::sleep(DOUBT).await;
            }
            moved
        };
        let moved = tokio::select! {
            answer = &mut call => match answer {
                // It may have woken up and not know yet that it has been replaced.
                Ok(answer) if !cluster.has_moved(slot, peer).await => return Ok(answer),
                Ok(_) => true,
                Err(error) => return Err(error),
            },
            moved = look => moved,
        };
        if moved {
            return Err(unavailable(format!(
                "Redis at {} was replaced during the call; what became of the call is not known",
                peer.host()
            )));
        }
    }
}

/// Sends a call to a server; one that may write is believed only while that server is the master.
async fn send(peer: &Arc<Peer>, cmd: &Cmd, script: Option<&Script>) -> Result<Value, BrokerError> {
    if script.is_some_and(Script::writes) { peer.send_write(cmd).await } else { peer.send(cmd).await }
}

async fn load(peer: &Arc<Peer>, script: &Script) -> Result<(), BrokerError> {
    let mut cmd = redis::cmd("SCRIPT");
    cmd.arg("LOAD").arg(script.text());
    match peer.send(&cmd).await? {
        Value::ServerError(error) if error.code() == "ERR" => Err(BrokerError::Corrupt {
            what: format!(
                "Redis at {} cannot compile the script {:?}; it needs Redis 7.0 or Valkey: {}",
                peer.host(),
                script.name(),
                error.details().unwrap_or_default()
            ),
        }),
        Value::ServerError(error) => Err(match verdict(&error, peer.host()) {
            Verdict::Final(error) => error,
            _ => meaning(&error),
        }),
        _ => Ok(()),
    }
}

/// The RESP2 form of a value.
fn plain(value: Value) -> Value {
    match value {
        Value::Array(items) => Value::Array(items.into_iter().map(plain).collect()),
        Value::Set(items) => Value::Array(items.into_iter().map(plain).collect()),
        Value::Map(pairs) => {
            Value::Array(pairs.into_iter().flat_map(|(key, value)| [plain(key), plain(value)]).collect())
        }
        Value::Attribute { data, .. } => plain(*data),
        Value::VerbatimString { text, .. } => Value::BulkString(text.into_bytes()),
        Value::Double(number) => Value::BulkString(number.to_string().into_bytes()),
        Value::Boolean(yes) => Value::Int(i64::from(yes)),
        Value::BigNumber(digits) => Value::BulkString(digits),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_take_their_resp2_form() {
        let text = |text: &str| Value::BulkString(text.as_bytes().to_vec());
        let map = Value::Map(vec![(text("a"), Value::Double(1.5)), (text("b"), Value::Boolean(true))]);
        assert_eq!(plain(map), Value::Array(vec![text("a"), text("1.5"), text("b"), Value::Int(1)]));
        assert_eq!(plain(Value::Array(vec![Value::Double(3.0)])), Value::Array(vec![text("3")]));
    }
}
