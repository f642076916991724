//! One server and the one connection that all calls to it share.
//!
//! A connection that ends is noticed at once, by the push that the driver of the connection sends, and replaced by one
//! loop: however many callers wait, one attempt runs at a time, 50 to 500 ms apart. A caller that finds no connection
//! waits for the result of the next attempt and no longer, so an outage answers everybody within the time that a
//! connection may take. A connection on which an answer stayed away is given up, since what hangs there may hang for
//! ever; calls that were sent on it still get their answers if these come.
//!
//! **An answer of a server that has been replaced is not believed.** After a failover the old master goes on to accept for
//! a while, and all of that is lost. So whatever may be the beginning of one raises the *fence*: a sentinel that says so, a
//! replica that has left the master (each call that may write asks for its `ROLE` behind it), another master named. What
//! was sent on the connection that is fenced off is answered only if the next one leads to the same server, as a master.

mod fence;

use std::collections::BTreeSet;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use futures_util::future::join;
use posthaste_core::BrokerError;
use redis::aio::MultiplexedConnection;
use redis::{Cmd, Pipeline, PushKind, RedisError, Value};
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use super::dial::{CONNECT_TIMEOUT, Dialed, Purpose, RESPONSE_TIMEOUT, Route, Target, dial};
use super::error::unavailable;
use super::role::{ROLE, Role};
use super::sentinel::watch as watch_sentinels;
use crate::url::Host;
use fence::Followers;

const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);
/// A call that was dropped after so long without an answer was given up by a caller with a patience of its own.
pub(super) const GIVEN_UP: Duration = Duration::from_millis(1_500);
/// A connection that lived so long was a good one: the pauses begin again with the shortest.
const GOOD_LIFE: Duration = Duration::from_secs(1);

/// The pause before attempt `failures + 1`.
pub(super) fn pause(failures: u32) -> Duration {
    match failures {
        0 => Duration::ZERO,
        _ => FIRST_PAUSE.saturating_mul(1 << (failures - 1).min(8)).min(LONGEST_PAUSE),
    }
}

/// A server, connected to when it is first needed and again whenever the connection is lost.
pub(super) struct Peer {
    route: Arc<Route>,
    target: Target,
    host: Host,
    state: watch::Sender<State>,
    /// True while the loop that connects runs.
    dialing: AtomicBool,
    failures: AtomicU32,
    numbers: AtomicU64,
    /// Connections up to this number are fenced off.
    fence: watch::Sender<u64>,
    /// The replicas that the master had when it was last asked, and when one of them was first found to be a master.
    followers: Mutex<Followers>,
    /// Sentinels that are listened to.
    sentinels: Mutex<BTreeSet<Host>>,
    /// Rises with each change of the master that a sentinel tells of.
    news: AtomicU64,
    /// True from a call that has waited long until the server answers again.
    doubted: AtomicBool,
}

enum State {
    /// No attempt has ended since the last connection did.
    Idle,
    Up(Live),
    Down(Arc<str>),
}

#[derive(Clone)]
struct Live {
    connection: MultiplexedConnection,
    number: u64,
    since: Instant,
    /// To which server it is, and since which configuration of the sentinels.
    master: Host,
    epoch: u64,
    /// Whether the server said that it is a replica.
    replica: bool,
}

impl Peer {
    pub(super) fn new(route: Arc<Route>, target: Target) -> Arc<Self> {
        let host = match &target {
            Target::Server(host) => Some(host.clone()),
            Target::Url => route.url.hosts.first().cloned(),
        };
        Arc::new(Self {
            route,
            target,
            host: host.unwrap_or(Host { name: "unix".to_owned(), port: 0 }),
            state: watch::Sender::new(State::Idle),
            dialing: AtomicBool::new(false),
            failures: AtomicU32::new(0),
            numbers: AtomicU64::new(1),
            fence: watch::Sender::new(0),
            followers: Mutex::default(),
            sentinels: Mutex::default(),
            news: AtomicU64::new(0),
            doubted: AtomicBool::new(false),
        })
    }

    /// The host as it was named, for messages and for redirections that leave the host out.
    pub(super) fn host(&self) -> &Host {
        &self.host
    }

    pub(super) fn target(&self) -> &Target {
        &self.target
    }

    /// Sends one command; errors that the server answered are values.
    pub(super) async fn send(self: &Arc<Self>, cmd: &Cmd) -> Result<Value, BrokerError> {
        let live = self.live().await?;
        let waits = Waits { peer: self, number: live.number, since: Instant::now() };
        let mut connection = live.connection.clone();
        let call = pin!(connection.send_packed_command(cmd));
        let answer = self.unless_replaced(&live, call).await?;
        std::mem::forget(waits);
        answer.map_err(|error| self.broken(&live, &error))
    }

    /// As [`Peer::send`], for what may change something: the answer counts only if the server was still the master behind it.
    pub(super) async fn send_write(self: &Arc<Self>, cmd: &Cmd) -> Result<Value, BrokerError> {
        let live = self.live().await?;
        let waits = Waits { peer: self, number: live.number, since: Instant::now() };
        let mut connection = live.connection.clone();
        let answer = if self.asks_for_role(&live) {
            // Both are queued in this order and written at once.
            let mut behind = live.connection.clone();
            let both = pin!(join(connection.send_packed_command(cmd), behind.send_packed_command(&ROLE)));
            let (answer, role) = self.unless_replaced(&live, both).await?;
            self.told(&live, role.as_ref().map(Role::read));
            answer
        } else {
            let call = pin!(connection.send_packed_command(cmd));
            self.unless_replaced(&live, call).await?
        };
        std::mem::forget(waits);
        match answer {
            // It was not executed, or there is nothing to be lost.
            Ok(Value::ServerError(error)) => Ok(Value::ServerError(error)),
            Ok(answer) if live.number > *self.fence.borrow() => Ok(answer),
            Ok(answer) => Box::pin(self.believed(&live, answer)).await,
            Err(error) => Err(self.broken(&live, &error)),
        }
    }

    /// Whether the server has not answered for a while.
    pub(super) fn is_doubted(&self) -> bool {
        self.doubted.load(Ordering::Acquire)
    }

    /// A call has waited long: the server is asked until it answers.
    pub(super) fn doubt(self: &Arc<Self>) {
        if self.doubted.swap(true, Ordering::AcqRel) {
            return;
        }
        let asking = Asking(Arc::downgrade(self));
        let _asking_handle = tokio::spawn(async move {
            let ping = redis::cmd("PING");
            while let Some(peer) = asking.0.upgrade() {
                if peer.send(&ping).await.is_ok() {
                    return;
                }
                drop(peer);
                tokio::time::sleep(FIRST_PAUSE).await;
            }
        });
    }

    /// The connection, if there is one.
    fn present(&self) -> Option<Live> {
        match &*self.state.borrow() {
            State::Up(live) => Some(live.clone()),
            State::Idle | State::Down(_) => None,
        }
    }

    /// Sends `ASKING` and the command behind it, as one write, so that no other call comes between them.
    pub(super) async fn send_asking(self: &Arc<Self>, cmd: &Cmd) -> Result<Value, BrokerError> {
        let mut pipeline = Pipeline::with_capacity(2);
        pipeline.cmd("ASKING").add_command(cmd.clone());
        let mut live = self.live().await?;
        let waits = Waits { peer: self, number: live.number, since: Instant::now() };
        let answers = live.connection.send_packed_commands(&pipeline, 0, 2).await;
        std::mem::forget(waits);
        match answers {
            Ok(mut values) => values.pop().ok_or_else(|| unavailable("Redis gave no answer behind ASKING")),
            Err(error) => Err(self.broken(&live, &error)),
        }
    }

    /// Gives up the present connection, so that the next call makes a new one: after a failover, for example.
    pub(super) fn renew(self: &Arc<Self>) {
        if let Some(live) = self.present() {
            self.lost(live.number);
        }
    }

    fn broken(self: &Arc<Self>, live: &Live, error: &RedisError) -> BrokerError {
        self.lost(live.number);
        if error.is_timeout() {
            return unavailable(format!(
                "Redis at {} did not answer within {} s; what became of the call is not known",
                live.master,
                RESPONSE_TIMEOUT.as_secs()
            ));
        }
        unavailable(format!("the connection to Redis at {} was lost during a call: {error}", live.master))
    }

    async fn live(self: &Arc<Self>) -> Result<Live, BrokerError> {
        if let State::Up(live) = &*self.state.borrow() {
            return Ok(live.clone());
        }
        // Boxed, as is all that is seldom needed: every call would carry it.
        Box::pin(self.wait_for_connection()).await
    }

    async fn wait_for_connection(self: &Arc<Self>) -> Result<Live, BrokerError> {
        let mut states = self.state.subscribe();
        self.start_dialing();
        match &*states.borrow_and_update() {
            State::Up(live) => return Ok(live.clone()),
            // Others of the Cluster answer: who has work there must not wait here, shard after shard. The loop goes on.
            State::Down(why) if matches!(self.target, Target::Server(_)) => return Err(unavailable(&**why)),
            State::Down(_) | State::Idle => {}
        }
        let verdict = timeout(CONNECT_TIMEOUT + LONGEST_PAUSE, async {
            while states.changed().await.is_ok() {
                match &*states.borrow_and_update() {
                    State::Up(live) => return Ok(live.clone()),
                    State::Down(why) => return Err(unavailable(&**why)),
                    State::Idle => {}
                }
            }
            Err(unavailable("the store was closed"))
        });
        verdict.await.unwrap_or_else(|_| Err(unavailable(format!("Redis at {} does not answer", self.host))))
    }

    /// Forgets the connection with this number, if it is still the present one, and begins to replace it. One that
    /// ends soon after it began counts as a failure, so that a server that accepts and hangs up is not called in a
    /// tight loop.
    fn lost(self: &Arc<Self>, number: u64) {
        let forgotten = self.state.send_if_modified(|state| match state {
            State::Up(live) if live.number == number => {
                if live.since.elapsed() > GOOD_LIFE {
                    self.failures.store(0, Ordering::Relaxed);
                } else {
                    self.failures.fetch_add(1, Ordering::Relaxed);
                }
                *state = State::Idle;
                true
            }
            _ => false,
        });
        if forgotten {
            self.start_dialing();
        }
    }

    /// Starts the loop that connects, unless it runs.
    fn start_dialing(self: &Arc<Self>) {
        if self.dialing.swap(true, Ordering::AcqRel) {
            return;
        }
        let peer = Arc::downgrade(self);
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            self.dialing.store(false, Ordering::Release);
            return;
        };
        let _dialing_handle = runtime.spawn(keep_dialing(Dialing(peer)));
    }

    /// One attempt. True if it ended the loop.
    async fn attempt(self: &Arc<Self>) -> bool {
        let number = self.numbers.fetch_add(1, Ordering::Relaxed);
        let dead = Arc::new(AtomicBool::new(false));
        let pushes = {
            let (dead, peer) = (dead.clone(), Arc::downgrade(self));
            move |info: redis::PushInfo| {
                if info.kind == PushKind::Disconnection {
                    dead.store(true, Ordering::Release);
                    if let Some(peer) = peer.upgrade() {
                        peer.lost(number);
                    }
                }
            }
        };
        let news = self.news.load(Ordering::Acquire);
        let dialed = match dial(&self.route, &self.target, Purpose::Calls, pushes).await {
            Ok(dialed) => self.agreed(dialed).await,
            Err(why) => Err(why),
        };
        match dialed {
            Ok(Dialed { connection, host: master, epoch, role }) => {
                if self.state.borrow().is_down() {
                    tracing::info!(redis = %master, "connected to Redis again");
                }
                let replica = role == Role::Other;
                let live = Live { connection, number, since: Instant::now(), master, epoch, replica };
                self.state.send_replace(State::Up(live));
                // The push of its end may have come before the state that it forgets, and while this loop runs no
                // other can be started: both are made good here.
                if dead.load(Ordering::Acquire) {
                    self.lost(number);
                }
                // What the sentinels told while there was no connection was about this one, perhaps.
                if self.news.load(Ordering::Acquire) != news {
                    self.raise(number, "the sentinels have told of a change");
                }
                self.dialing.store(false, Ordering::Release);
                if !self.state.borrow().is_up() {
                    self.start_dialing();
                }
                if self.route.has_sentinels() {
                    watch_sentinels(&self.route, &Arc::downgrade(self));
                }
                true
            }
            Err(why) => {
                let failures = self.failures.fetch_add(1, Ordering::Relaxed);
                if failures == 0 || !self.state.borrow().says(&why) {
                    tracing::warn!(redis = %self.host, "{why}");
                }
                self.state.send_replace(State::Down(why.into()));
                false
            }
        }
    }
}

impl Live {
    /// Whether what this connection was told stands, now that `now` is the connection. Without sentinels the same server may
    /// have become a replica: what it had accepted as a master is lost.
    fn stands_with(&self, now: &Self) -> bool {
        now.master == self.master && now.epoch == self.epoch && !now.replica
    }
}

impl State {
    fn is_up(&self) -> bool {
        matches!(self, Self::Up(_))
    }

    fn is_down(&self) -> bool {
        matches!(self, Self::Down(_))
    }

    fn says(&self, why: &str) -> bool {
        matches!(self, Self::Down(said) if &**said == why)
    }
}

/// A call that waits for its answer. Whoever drops it has given it up before the response timeout did; if that took long, the
/// connection hangs as far as they can tell, and without this nobody would replace it.
struct Waits<'a> {
    peer: &'a Arc<Peer>,
    number: u64,
    since: Instant,
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        if self.since.elapsed() >= GIVEN_UP {
            self.peer.lost(self.number);
        }
    }
}

/// The question whether a server answers again. The doubt ends with it, also when its runtime is shut down.
struct Asking(Weak<Peer>);

impl Drop for Asking {
    fn drop(&mut self) {
        if let Some(peer) = self.0.upgrade() {
            peer.doubted.store(false, Ordering::Release);
        }
    }
}

/// Connects, with pauses, until there is a connection or nobody holds the peer any more.
async fn keep_dialing(dialing: Dialing) {
    loop {
        let peer = &dialing.0;
        let Some(failures) = peer.upgrade().map(|peer| peer.failures.load(Ordering::Relaxed)) else { return };
        tokio::time::sleep(pause(failures)).await;
        let Some(peer) = peer.upgrade() else { return };
        if peer.attempt().await {
            // It has given the turn back already.
            dialing.over();
            return;
        }
    }
}

/// The turn to connect. It ends with its loop, also when the loop's runtime is shut down: the next call then starts another.
struct Dialing(Weak<Peer>);

impl Dialing {
    fn over(mut self) {
        self.0 = Weak::new();
    }
}

impl Drop for Dialing {
    fn drop(&mut self) {
        if let Some(peer) = self.0.upgrade() {
            peer.dialing.store(false, Ordering::Release);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_from_50_to_500_ms() {
        let pauses = (0..8).map(|failures| pause(failures).as_millis()).collect::<Vec<_>>();
        assert_eq!(pauses, [0, 50, 100, 200, 400, 500, 500, 500]);
        assert_eq!(pause(u32::MAX), LONGEST_PAUSE);
    }
}
