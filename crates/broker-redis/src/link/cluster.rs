//! The map of a Cluster: which master has which slot, learned from any node and corrected by `MOVED`.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use futures_util::future::select_ok;
use posthaste_core::BrokerError;
use redis::Value;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use super::dial::{CONNECT_TIMEOUT, Route, Target};
use super::error::{meaning, unavailable};
use super::peer::Peer;
use super::slot::SLOTS;
use crate::url::Host;

/// Two looks at the map are at least so far apart.
const LOOK_AGAIN: Duration = Duration::from_millis(100);
const NOBODY: u16 = u16::MAX;

/// A Cluster and what is known of it.
pub(super) struct Cluster {
    route: Arc<Route>,
    /// The nodes of the URL, only asked for the map.
    seeds: Vec<Arc<Peer>>,
    map: RwLock<Arc<Map>>,
    /// Held by whoever looks, with the time of the last look.
    looking: Mutex<Option<Instant>>,
}

#[derive(Clone)]
struct Map {
    version: u64,
    /// For each slot the index of its master.
    owners: Vec<u16>,
    masters: Vec<Arc<Peer>>,
}

impl Cluster {
    pub(super) fn new(route: &Arc<Route>) -> Self {
        let seeds = route.url.hosts.iter();
        let seeds = seeds.map(|host| Peer::new(route.clone(), Target::Server(host.clone()))).collect();
        let map = Map { version: 0, owners: vec![NOBODY; SLOTS], masters: Vec::new() };
        Self { route: route.clone(), seeds, map: RwLock::new(Arc::new(map)), looking: Mutex::new(None) }
    }

    /// The master of a slot, after a look at the map if it is not known.
    pub(super) async fn owner(&self, slot: u16) -> Result<Arc<Peer>, BrokerError> {
        let map = self.map();
        if let Some(peer) = map.owner(slot) {
            return Ok(peer);
        }
        self.look(map.version).await?;
        self.map().owner(slot).ok_or_else(|| {
            unavailable(format!(
                "no master of the Redis Cluster has slot {slot}; redis-cli --cluster check says why"
            ))
        })
    }

    /// Every master that has slots.
    pub(super) async fn masters(&self) -> Result<Vec<Arc<Peer>>, BrokerError> {
        let map = self.map();
        if map.version == 0 {
            self.look(0).await?;
        }
        Ok(self.map().masters.clone())
    }

    /// The version of the map, for [`Cluster::look`].
    pub(super) fn version(&self) -> u64 {
        self.map().version
    }

    /// Notes that `slot` is at `host` now, and returns that node.
    pub(super) fn moved(&self, slot: u16, host: &Host) -> Arc<Peer> {
        let mut guard = self.map.write().unwrap_or_else(PoisonError::into_inner);
        let mut map = Map::clone(&guard);
        let index = map.index_of(host, &self.route);
        if let Some(owner) = map.owners.get_mut(usize::from(slot)) {
            *owner = index;
        }
        let peer = map.masters[usize::from(index)].clone();
        *guard = Arc::new(map);
        peer
    }

    /// The node at `host`, known or not.
    pub(super) fn node(&self, host: &Host) -> Arc<Peer> {
        let map = self.map();
        match map.masters.iter().find(|peer| peer.host() == host) {
            Some(peer) => peer.clone(),
            None => Peer::new(self.route.clone(), Target::Server(host.clone())),
        }
    }

    /// Asks the nodes for the map, unless it is no longer the one with version `seen`.
    ///
    /// One caller looks at a time; the others wait for what it finds.
    pub(super) async fn look(&self, seen: u64) -> Result<(), BrokerError> {
        let mut last = self.looking.lock().await;
        if self.version() != seen {
            return Ok(());
        }
        if let Some(since) = last.map(|last| last.elapsed()).filter(|since| *since < LOOK_AGAIN) {
            tokio::time::sleep(LOOK_AGAIN - since).await;
        }
        let answer = self.ask_anybody(None).await;
        *last = Some(Instant::now());
        let (asked, value) = answer?;
        self.learn(&asked, &value)
    }

    /// Looks at the map as the nodes other than `doubted` see it; true if they say that another one has the slot now. One that
    /// has woken up still believes that it has what was taken from it.
    pub(super) async fn has_moved(&self, slot: u16, doubted: &Arc<Peer>) -> bool {
        {
            let mut last = self.looking.lock().await;
            if self.owns(slot, doubted) && last.is_none_or(|last| last.elapsed() >= LOOK_AGAIN) {
                let answer = self.ask_anybody(Some(doubted.host())).await;
                *last = Some(Instant::now());
                if let Ok((asked, value)) = answer {
                    let _kept_if_unreadable = self.learn(&asked, &value);
                }
            }
        }
        !self.owns(slot, doubted)
    }

    /// An error where the node that has a slot is known to stand still.
    pub(super) fn stands_still(&self, slot: u16) -> Result<(), BrokerError> {
        match self.map().owner(slot).filter(|peer| peer.is_doubted()) {
            Some(peer) => Err(unavailable(format!("Redis at {} stands still", peer.host()))),
            None => Ok(()),
        }
    }

    /// Whether, as far as is known, this node has the slot.
    pub(super) fn owns(&self, slot: u16, peer: &Arc<Peer>) -> bool {
        self.map().owner(slot).is_some_and(|owner| owner.host() == peer.host())
    }

    /// Looks at the map unless somebody does already: after an error that a failover may have caused.
    pub(super) async fn look_if_idle(&self) {
        let Ok(mut last) = self.looking.try_lock() else { return };
        if last.is_some_and(|last| last.elapsed() < LOOK_AGAIN) {
            return;
        }
        let answer = self.ask_anybody(None).await;
        *last = Some(Instant::now());
        if let Ok((asked, value)) = answer {
            let _kept_if_unreadable = self.learn(&asked, &value);
        }
    }

    fn map(&self) -> Arc<Map> {
        self.map.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The first answer that any node gives to `CLUSTER SLOTS`, all but one of them asked at once.
    async fn ask_anybody(&self, except: Option<&Host>) -> Result<(Host, Value), BrokerError> {
        let map = self.map();
        let seeds =
            self.seeds.iter().filter(|seed| map.masters.iter().all(|master| master.host() != seed.host()));
        let all = map.masters.iter().chain(seeds).filter(|peer| Some(peer.host()) != except);
        let asked = all.map(|peer| Box::pin(ask(peer.clone()))).collect::<Vec<_>>();
        if asked.is_empty() {
            return Err(unavailable(
                "no other node of the Redis Cluster is known; name several in REDIS_URL",
            ));
        }
        match select_ok(asked).await {
            Ok((answer, _)) => Ok(answer),
            Err(error) => Err(error),
        }
    }

    fn learn(&self, asked: &Host, value: &Value) -> Result<(), BrokerError> {
        let ranges = ranges_of(value, asked)
            .ok_or_else(|| unavailable(format!("the answer of {asked} to CLUSTER SLOTS cannot be read")))?;
        let mut guard = self.map.write().unwrap_or_else(PoisonError::into_inner);
        let mut map = Map { version: guard.version + 1, owners: vec![NOBODY; SLOTS], masters: Vec::new() };
        for (first, last, host) in ranges {
            let index = map.adopt(&host, &guard, &self.route);
            map.owners[usize::from(first)..=usize::from(last)].fill(index);
        }
        *guard = Arc::new(map);
        Ok(())
    }
}

impl Map {
    fn owner(&self, slot: u16) -> Option<Arc<Peer>> {
        let index = *self.owners.get(usize::from(slot))?;
        self.masters.get(usize::from(index)).cloned()
    }

    fn find(&self, host: &Host) -> Option<&Arc<Peer>> {
        self.masters.iter().find(|peer| peer.host() == host)
    }

    fn index_of(&mut self, host: &Host, route: &Arc<Route>) -> u16 {
        let index = self.masters.iter().position(|peer| peer.host() == host).unwrap_or_else(|| {
            self.masters.push(Peer::new(route.clone(), Target::Server(host.clone())));
            self.masters.len() - 1
        });
        u16::try_from(index).unwrap_or(NOBODY)
    }

    /// As [`Map::index_of`], but keeps the connection that the map before had to the host.
    fn adopt(&mut self, host: &Host, before: &Self, route: &Arc<Route>) -> u16 {
        if self.find(host).is_none()
            && let Some(peer) = before.find(host)
        {
            self.masters.push(peer.clone());
        }
        self.index_of(host, route)
    }
}

async fn ask(peer: Arc<Peer>) -> Result<(Host, Value), BrokerError> {
    let mut command = redis::cmd("CLUSTER");
    command.arg("SLOTS");
    match timeout(CONNECT_TIMEOUT, peer.send(&command)).await {
        Ok(Ok(Value::ServerError(error)))
            if error.details().is_some_and(|text| text.contains("cluster support")) =>
        {
            Err(unavailable(format!("{} is not part of a Cluster: write redis:// in REDIS_URL", peer.host())))
        }
        Ok(Ok(Value::ServerError(error))) => Err(meaning(&error)),
        Ok(Ok(value)) => Ok((peer.host().clone(), value)),
        Ok(Err(error)) => Err(error),
        Err(_) => {
            Err(unavailable(format!("Redis at {} does not say which node has which slot", peer.host())))
        }
    }
}

/// `[[first, last, [host, port, …], …], …]`; a host that is left out is the one that was asked.
fn ranges_of(value: &Value, asked: &Host) -> Option<Vec<(u16, u16, Host)>> {
    let Value::Array(rows) = value else { return None };
    rows.iter()
        .map(|row| {
            let Value::Array(row) = row else { return None };
            let [Value::Int(first), Value::Int(last), Value::Array(master), ..] = row.as_slice() else {
                return None;
            };
            let [name, Value::Int(port), ..] = master.as_slice() else { return None };
            let name = match name {
                Value::BulkString(name) if !name.is_empty() && name != b"?" => {
                    String::from_utf8(name.clone()).ok()?
                }
                Value::SimpleString(name) if !name.is_empty() => name.clone(),
                _ => asked.name.clone(),
            };
            let (first, last) = (u16::try_from(*first).ok()?, u16::try_from(*last).ok()?);
            let known = first <= last && usize::from(last) < SLOTS;
            known.then_some((first, last, Host { name, port: u16::try_from(*port).ok()? }))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::url::RedisUrl;

    fn row(first: i64, last: i64, host: &str, port: i64) -> Value {
        let node = Value::Array(vec![
            Value::BulkString(host.as_bytes().to_vec()),
            Value::Int(port),
            Value::BulkString(b"id".to_vec()),
        ]);
        Value::Array(vec![Value::Int(first), Value::Int(last), node])
    }

    fn cluster() -> Cluster {
        let url = RedisUrl::parse("redis+cluster://seed:1").expect("a good URL");
        Cluster::new(&Arc::new(Route::new(url)))
    }

    #[test]
    fn the_map_is_read_and_corrected() {
        let cluster = cluster();
        let asked = Host { name: "seed".to_owned(), port: 1 };
        let rows = Value::Array(vec![row(0, 99, "a", 1), row(100, 16_383, "", 2)]);
        cluster.learn(&asked, &rows).expect("readable");
        let at = |slot| cluster.map().owner(slot).map(|peer| peer.host().to_string());
        assert_eq!(at(99).as_deref(), Some("a:1"));
        assert_eq!(at(100).as_deref(), Some("seed:2"));
        let before = cluster.map().owner(0).expect("owned");
        cluster.moved(7, &Host { name: "b".to_owned(), port: 3 });
        assert_eq!(at(7).as_deref(), Some("b:3"));
        cluster.learn(&asked, &Value::Array(vec![row(0, 16_383, "a", 1)])).expect("readable");
        assert!(Arc::ptr_eq(&before, &cluster.map().owner(7).expect("owned")), "the connection is kept");
        assert_eq!(cluster.version(), 2);
    }

    #[test]
    fn nonsense_changes_nothing() {
        let cluster = cluster();
        let asked = Host { name: "seed".to_owned(), port: 1 };
        for rows in [Value::Nil, Value::Array(vec![Value::Nil]), Value::Array(vec![row(0, 20_000, "a", 1)])] {
            assert!(cluster.learn(&asked, &rows).is_err());
        }
        assert_eq!(cluster.version(), 0);
    }
}
