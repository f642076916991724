//! The connections of one provider: a bounded number, kept for a while between messages.

use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::classes::{Answer, Phase};
use super::connection::{Budget, Connection, Envelope, Refusal, Server};
use crate::EmailProvider;

/// The connections of one provider.
pub(super) struct Pool {
    pub(super) server: Server,
    slots: Arc<Semaphore>,
    idle: Duration,
    messages_per_connection: u32,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    /// The last one used is the first one used again, so that surplus ones grow old.
    idle: Vec<Connection>,
    reaping: bool,
}

impl Pool {
    pub(super) fn new(provider: &EmailProvider) -> Arc<Self> {
        Arc::new(Self {
            server: Server::new(provider),
            slots: Arc::new(Semaphore::new(provider.connections.max(1))),
            idle: provider.idle,
            messages_per_connection: provider.messages_per_connection,
            kept: Mutex::default(),
        })
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().expect("no holder of this lock panics")
    }

    /// A connection on which MAIL and RCPT of `envelope` were accepted. Cancel safe: a connection
    /// dropped in the middle of a command is closed.
    pub(super) async fn open(self: &Arc<Self>, envelope: &Envelope, budget: Budget) -> Result<Lent, Refusal> {
        let t = &self.server.timeouts;
        let (mut lent, reused) = self.lend(budget).await?;
        match lent.connection().mail(envelope, budget, t).await {
            Err(refusal) if reused && refusal.is_gone() => {
                // Boxed: it is large and rarely needed.
                lent.connection = Some(Box::pin(self.server.connect(budget)).await?);
                lent.connection().mail(envelope, budget, t).await?;
            }
            other => other?,
        }
        lent.connection().rcpt(envelope, budget, t).await?;
        Ok(lent)
    }

    /// A connection that is signed in, and whether it was used before.
    pub(super) async fn lend(self: &Arc<Self>, budget: Budget) -> Result<(Lent, bool), Refusal> {
        let wait = async {
            let permit = Arc::clone(&self.slots).acquire_owned().await;
            permit.map_err(|_| Refusal::new(Phase::Connect, Answer::Lost, "the pool is closed"))
        };
        let free = budget.run(Phase::Connect, Duration::from_secs(3600), wait).await;
        let permit = free
            .map_err(|_| Refusal::new(Phase::Connect, Answer::Lost, "no connection became free in time"))?;
        let mut lent = Lent { connection: None, pool: Arc::clone(self), _permit: permit };
        while let Some(connection) = self.take() {
            let connection = lent.connection.insert(connection);
            if !connection.needs_reset() || connection.reset(budget, &self.server.timeouts).await.is_ok() {
                return Ok((lent, true));
            }
        }
        // Boxed: it is large and rarely needed.
        lent.connection = Some(Box::pin(self.server.connect(budget)).await?);
        Ok((lent, false))
    }

    fn take(&self) -> Option<Connection> {
        let mut kept = self.kept();
        while let Some(connection) = kept.idle.pop() {
            if connection.idle_since.elapsed() < self.idle {
                return Some(connection);
            }
            retire(connection);
        }
        None
    }

    fn give_back(self: &Arc<Self>, mut connection: Connection) {
        if !connection.is_usable() {
            return;
        }
        if connection.messages >= self.messages_per_connection {
            return retire(connection);
        }
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        connection.idle_since = Instant::now();
        let mut kept = self.kept();
        kept.idle.push(connection);
        if !kept.reaping {
            kept.reaping = true;
            runtime.spawn(reap(Arc::downgrade(self), self.idle));
        }
    }
}

/// Closes connections that nobody used for a while; ends when none is left or the pool is gone.
async fn reap(pool: Weak<Pool>, idle: Duration) {
    loop {
        tokio::time::sleep(idle).await;
        let Some(pool) = pool.upgrade() else { return };
        let mut kept = pool.kept();
        let (old, young) =
            std::mem::take(&mut kept.idle).into_iter().partition(|c| c.idle_since.elapsed() >= idle);
        kept.idle = young;
        kept.reaping = !kept.idle.is_empty();
        let go_on = kept.reaping;
        drop(kept);
        let old: Vec<Connection> = old;
        old.into_iter().for_each(retire);
        if !go_on {
            return;
        }
    }
}

fn retire(connection: Connection) {
    if let Ok(runtime) = tokio::runtime::Handle::try_current() {
        runtime.spawn(connection.quit());
    }
}

/// A connection in use. Dropping it gives it back, if it is still good.
pub(super) struct Lent {
    connection: Option<Connection>,
    pool: Arc<Pool>,
    // Behind the others: the slot is free once the connection is back.
    _permit: OwnedSemaphorePermit,
}

impl Lent {
    pub(super) fn connection(&mut self) -> &mut Connection {
        self.connection.as_mut().expect("filled before it is handed out")
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            self.pool.give_back(connection);
        }
    }
}
