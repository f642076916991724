//! Listening to a sharded channel, on a connection of its own.
//!
//! It shares no connection with calls: the server may end a subscription by itself when a slot moves, and the crate takes
//! that message for the answer of whatever call is under way.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use redis::aio::MultiplexedConnection;
use redis::{PushInfo, PushKind, Value};
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

use super::Link;
use super::dial::{CONNECT_TIMEOUT, Purpose, dial};
use super::peer::{Peer, pause};
use super::slot::slot_of;

/// Messages that wait to be taken. A listener that is slower than that starts afresh.
const MAX_WAITING: usize = 1_024;

/// What a listener hears.
#[derive(Debug)]
pub(crate) enum Heard {
    /// The subscription holds from now on: at the beginning and after each reconnect. What was published before is lost.
    Subscribed,
    /// A message.
    Message(Vec<u8>),
}

/// A subscription that renews itself.
pub(crate) struct Listener {
    link: Link,
    channel: Vec<u8>,
    subscription: Option<Subscription>,
    failures: u32,
}

struct Subscription {
    /// Held so that the connection stays open.
    _connection: MultiplexedConnection,
    peer: Arc<Peer>,
    /// Tells that another server has taken over: this one may tell nothing more, and stay connected.
    fence: watch::Receiver<u64>,
    rx: mpsc::Receiver<PushInfo>,
    overrun: Arc<AtomicBool>,
}

impl Listener {
    pub(super) fn new(link: Link, channel: Vec<u8>) -> Self {
        Self { link, channel, subscription: None, failures: 0 }
    }

    /// The next message, or the news of a new subscription. It waits through an outage, and always answers `Some`.
    ///
    /// Cancel safe: a message is taken only when it is returned; a subscription under way is begun anew.
    pub(crate) async fn next(&mut self) -> Option<Heard> {
        loop {
            let Some(subscription) = &mut self.subscription else {
                self.subscribe().await;
                return Some(Heard::Subscribed);
            };
            let push = tokio::select! {
                push = subscription.rx.recv() => push,
                // The sender ends with the peer; then the connection is the wrong one as well.
                _ = subscription.fence.changed() => None,
                () = self.link.moved(slot_of(&self.channel), &subscription.peer) => None,
            };
            match push {
                Some(PushInfo { kind: PushKind::SMessage, data }) => {
                    self.failures = 0;
                    // After an overrun messages are missing, so those behind the gap are not given out.
                    if subscription.overrun.load(Ordering::Acquire) {
                        self.subscription = None;
                    } else if let Some(Value::BulkString(message)) = data.into_iter().nth(1) {
                        return Some(Heard::Message(message));
                    }
                }
                Some(PushInfo { kind: PushKind::Disconnection | PushKind::SUnsubscribe, .. }) | None => {
                    self.subscription = None;
                    self.failures = self.failures.saturating_add(1);
                    self.link.suspect();
                }
                Some(_) => {}
            }
        }
    }

    async fn subscribe(&mut self) {
        loop {
            tokio::time::sleep(pause(self.failures)).await;
            if let Some(subscription) = self.try_subscribe().await {
                self.subscription = Some(subscription);
                return;
            }
            self.failures = self.failures.saturating_add(1);
            self.link.suspect();
        }
    }

    async fn try_subscribe(&self) -> Option<Subscription> {
        let peer = self.link.owner(slot_of(&self.channel)).await.ok()?;
        let (tx, rx) = mpsc::channel(MAX_WAITING);
        let overrun = Arc::new(AtomicBool::new(false));
        let lost = overrun.clone();
        let pushes = move |info: PushInfo| {
            if matches!(tx.try_send(info), Err(mpsc::error::TrySendError::Full(_))) {
                lost.store(true, Ordering::Release);
            }
        };
        let fence = peer.fence();
        let mut connection =
            dial(self.link.route(), peer.target(), Purpose::Waiting, pushes).await.ok()?.connection;
        let mut command = redis::cmd("SSUBSCRIBE");
        command.arg(&self.channel[..]);
        match timeout(CONNECT_TIMEOUT, connection.send_packed_command(&command)).await {
            Ok(Ok(Value::Push { .. })) => {
                Some(Subscription { _connection: connection, peer, fence, rx, overrun })
            }
            _ => None,
        }
    }
}
