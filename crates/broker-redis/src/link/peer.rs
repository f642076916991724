//! One server and the one connection that all calls to it share.
//!
//! A connection that ends is noticed at once, by the push that the driver of the connection sends, and replaced by one
//! loop: however many callers wait, one attempt runs at a time, 50 to 500 ms apart. A caller that finds no connection
//! waits for the result of the next attempt and no longer, so an outage answers everybody within the time that a
//! connection may take. A connection on which an answer stayed away is given up, since what hangs there may hang for
//! ever; calls that were sent on it still get their answers if these come.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use posthaste_core::BrokerError;
use redis::aio::MultiplexedConnection;
use redis::{Cmd, Pipeline, PushKind, RedisError, Value};
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use super::dial::{CONNECT_TIMEOUT, Purpose, RESPONSE_TIMEOUT, Target, dial};
use super::error::unavailable;
use crate::url::{Host, RedisUrl};

const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);
/// A call that was dropped after so long without an answer was given up by a caller with a patience of its own.
const GIVEN_UP: Duration = Duration::from_millis(1_500);
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
    url: Arc<RedisUrl>,
    target: Target,
    host: Host,
    state: watch::Sender<State>,
    /// True while the loop that connects runs.
    dialing: AtomicBool,
    failures: AtomicU32,
    numbers: AtomicU64,
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
}

impl Peer {
    pub(super) fn new(url: Arc<RedisUrl>, target: Target) -> Arc<Self> {
        let host = match &target {
            Target::Server(host) => Some(host.clone()),
            Target::Url => url.hosts.first().cloned(),
        };
        Arc::new(Self {
            url,
            target,
            host: host.unwrap_or(Host { name: "unix".to_owned(), port: 0 }),
            state: watch::Sender::new(State::Idle),
            dialing: AtomicBool::new(false),
            failures: AtomicU32::new(0),
            numbers: AtomicU64::new(0),
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
        let mut live = self.live().await?;
        let waits = Waits { peer: self, number: live.number, since: Instant::now() };
        let answer = live.connection.send_packed_command(cmd).await;
        std::mem::forget(waits);
        answer.map_err(|error| self.broken(live.number, &error))
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
            Err(error) => Err(self.broken(live.number, &error)),
        }
    }

    /// Gives up the present connection, so that the next call makes a new one: after a failover, for example.
    pub(super) fn renew(self: &Arc<Self>) {
        let number = match &*self.state.borrow() {
            State::Up(live) => Some(live.number),
            State::Idle | State::Down(_) => None,
        };
        if let Some(number) = number {
            self.lost(number);
        }
    }

    fn broken(self: &Arc<Self>, number: u64, error: &RedisError) -> BrokerError {
        self.lost(number);
        if error.is_timeout() {
            return unavailable(format!(
                "Redis at {} did not answer within {} s; what became of the call is not known",
                self.host,
                RESPONSE_TIMEOUT.as_secs()
            ));
        }
        unavailable(format!("the connection to Redis at {} was lost during a call: {error}", self.host))
    }

    async fn live(self: &Arc<Self>) -> Result<Live, BrokerError> {
        if let State::Up(live) = &*self.state.borrow() {
            return Ok(live.clone());
        }
        self.wait_for_connection().await
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
        match dial(&self.url, &self.target, Purpose::Calls, pushes).await {
            Ok(connection) => {
                if self.state.borrow().is_down() {
                    tracing::info!(redis = %self.host, "connected to Redis again");
                }
                self.state.send_replace(State::Up(Live { connection, number, since: Instant::now() }));
                // The push of its end may have come before the state that it forgets, and while this loop runs no
                // other can be started: both are made good here.
                if dead.load(Ordering::Acquire) {
                    self.lost(number);
                }
                self.dialing.store(false, Ordering::Release);
                if !self.state.borrow().is_up() {
                    self.start_dialing();
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
