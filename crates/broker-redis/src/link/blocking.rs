//! A connection of its own for commands that wait at the server, such as `BLPOP`.

use std::sync::Arc;

use posthaste_core::BrokerError;
use redis::aio::MultiplexedConnection;
use redis::{Cmd, Value};
use tokio::sync::watch;

use super::dial::{Purpose, dial};
use super::error::{Verdict, verdict};
use super::peer::{Peer, pause};
use super::{Link, plain};

/// What became of a command that waits.
#[derive(Debug)]
pub(crate) enum Unblocked {
    /// Its answer.
    Answer(Value),
    /// The connection was lost and there is a new one. What was waited for may have come meanwhile.
    Reconnected,
}

/// The connection. Commands on it have no response timeout; their own waits bound them.
pub(crate) struct Blocking {
    link: Link,
    slot: u16,
    connection: Option<Line>,
    failures: u32,
}

/// A connection that stands.
struct Line {
    peer: Arc<Peer>,
    connection: MultiplexedConnection,
    /// Tells that another server has taken over: this one may keep what waits there waiting.
    fence: watch::Receiver<u64>,
}

impl Blocking {
    pub(super) fn new(link: Link, slot: u16) -> Self {
        Self { link, slot, connection: None, failures: 0 }
    }

    /// Sends a command and waits for its answer. Through an outage it waits until Redis is back.
    ///
    /// Cancel safety: dropping the future closes the connection, so that the server stops waiting on our behalf; what
    /// the server had already given is lost. The next command makes a new connection.
    ///
    /// # Errors
    /// What the server answered, other than that another server is meant.
    pub(crate) async fn command(&mut self, cmd: &Cmd) -> Result<Unblocked, BrokerError> {
        let mut line = match self.connection.take() {
            Some(line) => line,
            None => self.connect().await,
        };
        let answer = tokio::select! {
            // What has come is looked at after the news that it is worth nothing.
            biased;
            _ = line.fence.changed() => None,
            () = self.link.moved(self.slot, &line.peer) => None,
            answer = line.connection.send_packed_command(cmd) => Some(answer),
        };
        match answer {
            Some(Ok(Value::ServerError(error))) => match verdict(&error, line.peer.host()) {
                Verdict::Final(_) if error.code() == "UNBLOCKED" => {}
                Verdict::Final(error) => {
                    self.connection = Some(line);
                    return Err(error);
                }
                _ => {}
            },
            Some(Ok(value)) => {
                self.failures = 0;
                self.connection = Some(line);
                return Ok(Unblocked::Answer(plain(value)));
            }
            Some(Err(_)) | None => {}
        }
        // Lost, or the wrong server now. The old connection is dropped before the new one is made.
        drop(line);
        self.failures += 1;
        self.link.suspect();
        self.connection = Some(self.connect().await);
        Ok(Unblocked::Reconnected)
    }

    async fn connect(&mut self) -> Line {
        loop {
            tokio::time::sleep(pause(self.failures)).await;
            if let Ok(peer) = self.link.owner(self.slot).await {
                let fence = peer.fence();
                if let Ok(dialed) = dial(self.link.route(), peer.target(), Purpose::Waiting, |_| {}).await {
                    return Line { peer, connection: dialed.connection, fence };
                }
            }
            self.failures = self.failures.saturating_add(1);
        }
    }
}
