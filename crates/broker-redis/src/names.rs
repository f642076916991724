//! Routes: what a record says instead of the names of its queue, kind and lane. A number means the
//! same for as long as its shard's data lives, so it is read once and remembered.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use posthaste_core::{BrokerError, Kind, LaneKey, Name, QueueName, Tenant};
use redis::Value;

use crate::record::corrupt;
use crate::reply;
use crate::shards::Shards;

/// Routes of one shard that are remembered at the most; past it all are read again.
const MAX_KEPT: usize = 100_000;

/// Where a task goes: the names behind a number of a shard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Route {
    /// Its own number.
    pub(crate) number: u32,
    /// The number of its queue.
    pub(crate) queue_no: u32,
    /// The number of its lane.
    pub(crate) lane_no: u32,
    /// The number of its lane's target.
    pub(crate) target_no: u32,
    /// The queue.
    pub(crate) queue: QueueName,
    /// The kind.
    pub(crate) kind: Kind,
    /// The lane; `None` is the queue's default lane.
    pub(crate) lane: Option<LaneKey>,
}

impl Route {
    /// What `rt` holds of it.
    pub(crate) fn text(&self) -> String {
        let name = route_text(&self.queue, &self.kind, self.lane.as_ref());
        format!("{} {} {} {name}", self.queue_no, self.lane_no, self.target_no)
    }

    /// Reads what `rt` holds of a number.
    fn parse(number: u32, text: &str) -> Result<Self, BrokerError> {
        Self::read(number, text).ok_or_else(|| corrupt(format!("route {number} cannot be read: {text:?}")))
    }

    fn read(number: u32, text: &str) -> Option<Self> {
        let mut parts = text.split(' ');
        let mut next = || parts.next();
        let mut small = || next()?.parse().ok();
        let (queue_no, lane_no, target_no) = (small()?, small()?, small()?);
        let (queue, kind) = (QueueName::new(next()?).ok()?, Kind::new(next()?).ok()?);
        let lane = lane_key(next().unwrap_or_default(), next().unwrap_or_default())?;
        Some(Self { number, queue_no, lane_no, target_no, queue, kind, lane })
    }
}

/// A lane by the texts of its target and tenant; the empty target is the default lane.
pub(crate) fn lane_key(target: &str, tenant: &str) -> Option<Option<LaneKey>> {
    if target.is_empty() {
        return Some(None);
    }
    let target = Name::new(target).ok()?;
    let tenant = if tenant.is_empty() { None } else { Some(Name::new(tenant).ok()?) };
    Some(Some(LaneKey { target, tenant }))
}

/// The text by which an enqueue names a route: `"<queue> <kind> <target> <tenant>"`.
pub(crate) fn route_text(queue: &QueueName, kind: &Kind, lane: Option<&LaneKey>) -> String {
    let (target, tenant) = lane_texts(lane);
    format!("{queue} {kind} {target} {tenant}")
}

/// The texts of a lane's target and tenant.
pub(crate) fn lane_texts(lane: Option<&LaneKey>) -> (&str, &str) {
    let tenant = lane.and_then(|l| l.tenant.as_ref()).map_or("", Name::as_str);
    (lane.map_or("", |l| l.target.as_str()), tenant)
}

/// The routes of one shard that are known.
#[derive(Default)]
struct Known {
    by_number: HashMap<u32, Arc<Route>>,
    by_text: HashMap<Box<str>, Arc<Route>>,
}

/// Every route that is known, by shard; a clone is the same.
#[derive(Clone, Default)]
pub(crate) struct Names {
    shards: Arc<RwLock<HashMap<u16, Known>>>,
    /// What tenants used today, as the shards were told: they count it, and forget what is not used for a week.
    brought: Arc<RwLock<Brought>>,
}

/// Of one day: tenant and route.
#[derive(Default)]
struct Brought {
    day: i64,
    used: HashSet<Box<str>>,
}

fn brought_text(tenant: &Tenant, text: &str) -> Box<str> {
    format!("{tenant} {text}").into_boxed_str()
}

impl Names {
    // The map is whole between any two statements, so a panic elsewhere does not spoil it.
    fn known(&self) -> RwLockReadGuard<'_, HashMap<u16, Known>> {
        self.shards.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn known_mut(&self) -> RwLockWriteGuard<'_, HashMap<u16, Known>> {
        self.shards.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the tenant's shard was told on `day` that it uses a route.
    pub(crate) fn is_brought(&self, tenant: &Tenant, text: &str, day: i64) -> bool {
        let brought = self.brought.read().unwrap_or_else(PoisonError::into_inner);
        brought.day == day && brought.used.contains(&brought_text(tenant, text))
    }

    /// Remembers that it was told so.
    pub(crate) fn bring(&self, tenant: &Tenant, text: &str, day: i64) {
        let mut brought = self.brought.write().unwrap_or_else(PoisonError::into_inner);
        if brought.day != day || brought.used.len() >= MAX_KEPT {
            *brought = Brought { day, used: HashSet::new() };
        }
        brought.used.insert(brought_text(tenant, text));
    }

    /// The route of a number, if it is known.
    pub(crate) fn route(&self, shard: u16, number: u32) -> Option<Arc<Route>> {
        self.known().get(&shard)?.by_number.get(&number).cloned()
    }

    /// The route of a text made by [`route_text`], if it is known.
    pub(crate) fn named(&self, shard: u16, text: &str) -> Option<Arc<Route>> {
        self.known().get(&shard)?.by_text.get(text).cloned()
    }

    /// Remembers what the shard's `rt` holds of a number.
    pub(crate) fn learn(&self, shard: u16, number: u32, text: &str) -> Result<Arc<Route>, BrokerError> {
        let route = Arc::new(Route::parse(number, text)?);
        let name = route_text(&route.queue, &route.kind, route.lane.as_ref());
        let mut all = self.known_mut();
        let known = all.entry(shard).or_default();
        if known.by_number.len() >= MAX_KEPT {
            *known = Known::default();
        }
        known.by_number.insert(number, Arc::clone(&route));
        known.by_text.insert(name.into_boxed_str(), Arc::clone(&route));
        Ok(route)
    }

    /// Takes what a shard says now of a number: a store that was emptied may have given it to another route.
    pub(crate) fn confirm(&self, shard: u16, number: u32, text: &str) -> Result<(), BrokerError> {
        let known = self.route(shard, number);
        if known.is_some_and(|r| r.text() == text) {
            return Ok(());
        }
        self.learn(shard, number, text).map(drop)
    }

    /// Forgets a shard's routes: its data turned out to be another than it was.
    pub(crate) fn forget(&self, shard: u16) {
        self.known_mut().remove(&shard);
        self.brought.write().unwrap_or_else(PoisonError::into_inner).used.clear();
    }

    /// The routes of numbers; those not known are asked for, in one call.
    ///
    /// # Errors
    /// Those of the link; [`BrokerError::Corrupt`] when the shard has no such number.
    pub(crate) async fn routes(
        &self,
        shards: &Shards,
        shard: u16,
        numbers: impl IntoIterator<Item = u32>,
    ) -> Result<HashMap<u32, Arc<Route>>, BrokerError> {
        let mut found = HashMap::new();
        let mut missing = Vec::new();
        for n in numbers {
            if found.contains_key(&n) || missing.contains(&n) {
                continue;
            }
            match self.route(shard, n) {
                Some(route) => drop(found.insert(n, route)),
                None => missing.push(n),
            }
        }
        if missing.is_empty() {
            return Ok(found);
        }
        let mut cmd = redis::cmd("HMGET");
        cmd.arg(shards.key(shard, "rt")).arg(&missing);
        let values = reply::list(shards.link().command(&shards.m_key(shard), cmd).await?)?;
        for (n, value) in missing.iter().zip(values) {
            // One that is missing or no route is the trouble of the tasks that name it, and of no others.
            if value != Value::Nil
                && let Ok(route) = self.learn(shard, *n, &reply::text(value)?)
            {
                found.insert(*n, route);
            }
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Name {
        Name::new(text).expect("valid")
    }

    #[test]
    fn a_route_is_found_by_number_and_by_text_until_its_shard_is_forgotten() {
        let names = Names::default();
        let lanes = [
            ("", "", None),
            ("smtp:a", "", Some(LaneKey::target(name("smtp:a")))),
            ("smtp:a", "acme", Some(LaneKey { target: name("smtp:a"), tenant: Some(name("acme")) })),
        ];
        for (n, (target, tenant, lane)) in (1..).zip(lanes) {
            let route = names.learn(3, n, &format!("7 8 9 mail notify {target} {tenant}")).expect("it reads");
            assert_eq!((route.queue_no, route.lane_no, route.target_no), (7, 8, 9));
            assert_eq!(route.lane, lane);
            let text = route_text(&route.queue, &route.kind, lane.as_ref());
            assert_eq!(text, format!("mail notify {target} {tenant}"));
            assert_eq!(names.named(3, &text), Some(Arc::clone(&route)));
            assert_eq!(names.route(3, n), Some(route));
            assert_eq!(names.route(2, n), None);
        }
        names.forget(3);
        assert_eq!(names.route(3, 1), None);
    }

    #[test]
    fn what_is_no_route_is_told() {
        let names = Names::default();
        for bad in ["", "1 2 mail notify", "1 2 3 mail", "1 2 3 ma/il notify  ", "1 2 3 mail notify a/b "] {
            assert!(names.learn(0, 1, bad).is_err(), "{bad:?}");
        }
    }
}
