//! The fence: which answers are not believed, because another server may be the master by now.

use std::collections::BTreeSet;
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use posthaste_core::BrokerError;
use redis::{RedisError, Value};
use tokio::sync::watch;
use tokio::time::Instant;

use super::{Live, Peer, State};
use crate::link::dial::{Dialed, Target, role_at};
use crate::link::error::unavailable;
use crate::link::role::Role;
use crate::link::sentinel::{MAX_SENTINELS, View};
use crate::url::Host;

/// How often a master without replicas is asked whether it has any.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// For so long nothing is accepted by a master one of whose replicas calls itself the master: time enough to make the old
/// one a replica by hand. After that whoever let the replica go meant a copy.
const TWO_MASTERS: Duration = Duration::from_secs(30);

/// The replicas that a master had when it was last asked.
#[derive(Default)]
pub(super) struct Followers {
    /// Whose they are.
    of: Option<Host>,
    replicas: BTreeSet<Host>,
    asked: Option<Instant>,
    two_masters_since: Option<Instant>,
}

impl Peer {
    /// Tells when what waits on a connection waits at the wrong server.
    pub(in crate::link) fn fence(&self) -> watch::Receiver<u64> {
        self.fence.subscribe()
    }

    /// Whether a sentinel is not listened to yet; from now on it is.
    pub(in crate::link) fn listens_anew(&self, sentinel: &Host) -> bool {
        let mut sentinels = self.sentinels.lock().unwrap_or_else(PoisonError::into_inner);
        sentinels.len() < MAX_SENTINELS && sentinels.insert(sentinel.clone())
    }

    /// A failover from `old` begins, says a sentinel.
    pub(in crate::link) fn failover(self: &Arc<Self>, old: &Host) {
        self.news.fetch_add(1, Ordering::AcqRel);
        if let Some(live) = self.present().filter(|live| live.master == *old) {
            self.raise(live.number, &format!("a failover from Redis at {old} begins"));
        }
    }

    /// The master is `new` from now on, says a sentinel.
    pub(in crate::link) fn switched(self: &Arc<Self>, new: &Host) {
        self.news.fetch_add(1, Ordering::AcqRel);
        if let Some(live) = self.present().filter(|live| live.master != *new) {
            self.raise(live.number, &format!("the master is Redis at {new} from now on"));
        }
    }

    /// What a sentinel answered when it was asked.
    pub(in crate::link) fn compare(self: &Arc<Self>, view: &View) {
        let Some(live) = self.present().filter(|live| view.epoch >= live.epoch) else { return };
        if view.failing_over {
            self.failover(&view.master);
        } else if view.epoch > live.epoch {
            self.switched(&view.master);
        }
    }

    /// Whether a call that may write asks for the role behind it. The nodes of a Cluster see to their roles themselves; a
    /// server that had no replica is asked now and then whether it has one, and one that was a replica each time: some are
    /// configured to take writes, which the next synchronization throws away.
    pub(super) fn asks_for_role(&self, live: &Live) -> bool {
        if matches!(self.target, Target::Server(_)) {
            return false;
        }
        let mut followers = self.followers.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let due = live.replica
            || self.route.has_sentinels()
            || !followers.replicas.is_empty()
            || followers.asked.is_none_or(|at| now.duration_since(at) >= LOOK_AGAIN);
        if due {
            followers.asked = Some(now);
        }
        due
    }

    /// The server has said what it is; a connection that broke off meanwhile said nothing good.
    pub(super) fn told(self: &Arc<Self>, live: &Live, role: Result<Role, &RedisError>) {
        let now = match role {
            Ok(Role::Master(now)) => now,
            Ok(Role::Untold) => return,
            Ok(Role::Other) => {
                self.raise(live.number, &format!("Redis at {} is a replica now", live.master));
                return;
            }
            Err(_) => {
                self.raise(live.number, &format!("the connection to Redis at {} was lost", live.master));
                return;
            }
        };
        let gone = {
            let mut followers = self.followers.lock().unwrap_or_else(PoisonError::into_inner);
            if followers.of.as_ref() != Some(&live.master) {
                return;
            }
            let gone = followers.replicas.difference(&now).next().cloned();
            if gone.is_none() {
                followers.replicas = now;
            }
            gone
        };
        if let Some(gone) = gone {
            self.raise(live.number, &format!("the replica {gone} has left Redis at {}", live.master));
        }
    }

    /// Fences a connection off: it is replaced, and what it still answers is believed only if the next one leads to the same
    /// server, as a master.
    pub(super) fn raise(self: &Arc<Self>, number: u64, why: &str) {
        let raised = self.fence.send_if_modified(|fence| {
            let higher = *fence < number;
            *fence = number.max(*fence);
            higher
        });
        if raised {
            tracing::warn!(
                "{why}: what is written is not accepted before it is known which server is the master"
            );
        }
        self.lost(number);
    }

    /// The answer to what was sent on a connection that is fenced off, unless another server is the master now.
    pub(super) async fn believed(self: &Arc<Self>, live: &Live, answer: Value) -> Result<Value, BrokerError> {
        match self.live().await {
            Ok(now) if live.stands_with(&now) => Ok(answer),
            Ok(_) => Err(lost_with(live)),
            Err(BrokerError::Unavailable { why }) => {
                Err(unavailable(format!("{why}; what became of the call is not known")))
            }
            Err(error) => Err(error),
        }
    }

    /// Awaits an answer, but no longer than until another server is known to be the master: the old one may stand still.
    pub(super) async fn unless_replaced<T>(
        &self,
        live: &Live,
        answer: Pin<&mut (impl Future<Output = T> + Send)>,
    ) -> Result<T, BrokerError> {
        if !self.route.has_sentinels() {
            return Ok(answer.await);
        }
        tokio::select! {
            biased;
            answer = answer => Ok(answer),
            // Boxed: it is seldom needed, and every call would carry it.
            () = Box::pin(self.replaced(live)) => Err(lost_with(live)),
        }
    }

    /// Waits for a connection that leads to another master. Whoever gave up the old one, after a patience of their own perhaps,
    /// the loop that connects goes on until there is one.
    async fn replaced(&self, live: &Live) {
        let elsewhere = |state: &State| matches!(state, State::Up(now) if now.number != live.number && !live.stands_with(now));
        // The sender is in `self`.
        if self.state.subscribe().wait_for(elsewhere).await.is_err() {
            std::future::pending().await
        }
    }

    /// A connection to a master none of whose late replicas has become a master. One that was promoted says so a moment
    /// before the sentinels do; by hand, without them, nobody else says it.
    pub(super) async fn agreed(&self, dialed: Dialed) -> Result<Dialed, String> {
        let Role::Master(now) = &dialed.role else { return Ok(dialed) };
        let gone = {
            let mut followers = self.followers.lock().unwrap_or_else(PoisonError::into_inner);
            if followers.of.as_ref() != Some(&dialed.host) {
                *followers = Followers { of: Some(dialed.host.clone()), ..Followers::default() };
            }
            followers.replicas.difference(now).cloned().collect::<Vec<_>>()
        };
        let roles = join_all(gone.iter().map(|host| role_at(&self.route, host))).await;
        let other = gone.iter().zip(roles).find(|(_, role)| matches!(role, Role::Master(_)));
        let mut followers = self.followers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((other, _)) = other {
            let since = *followers.two_masters_since.get_or_insert_with(Instant::now);
            if since.elapsed() < TWO_MASTERS {
                return Err(format!(
                    "{other} was a replica of Redis at {} and is a master now: a failover goes on; make one of them a \
                     replica of the other, and let REDIS_URL name the master",
                    dialed.host
                ));
            }
            tracing::warn!(
                "{other} was a replica of Redis at {} and is a master of its own now; REDIS_URL goes on with the latter",
                dialed.host
            );
        }
        followers.replicas = now.clone();
        followers.two_masters_since = None;
        drop(followers);
        Ok(dialed)
    }
}

fn lost_with(live: &Live) -> BrokerError {
    unavailable(format!(
        "Redis at {} was replaced during the call; what became of the call is not known",
        live.master
    ))
}
