//! The connections of one provider: a bounded number, kept for a while between messages.
//!
//! A place is a permit of the semaphore; there are as many as connections may stand ([`Granted`]). A message that a
//! refused connection was for waits for a place of those that stand: nothing of it was tried.

use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::connection::{Budget, Connection, Envelope, Refusal};
use super::granted::Granted;
use super::server::Server;
use crate::EmailProvider;

/// How often a server may be said in the log to grant fewer connections.
const TELL_EVERY: Duration = Duration::from_secs(60);

/// The connections of one provider.
pub(super) struct Pool {
    pub(super) server: Server,
    provider: String,
    slots: Arc<Semaphore>,
    idle: Duration,
    patience: Duration,
    messages_per_connection: u32,
    kept: Mutex<Kept>,
}

struct Kept {
    /// The last one used is the first one used again, so that surplus ones grow old.
    idle: Vec<Connection>,
    reaping: bool,
    granted: Granted,
    told: Option<Instant>,
}

impl Pool {
    pub(super) fn new(provider: &EmailProvider) -> Arc<Self> {
        let granted = Granted::new(provider.connections, provider.grow);
        Arc::new(Self {
            server: Server::new(provider),
            provider: provider.name.to_string(),
            slots: Arc::new(Semaphore::new(granted.allowed())),
            idle: provider.idle,
            patience: provider.patience,
            messages_per_connection: provider.messages_per_connection,
            kept: Mutex::new(Kept { idle: Vec::new(), reaping: false, granted, told: None }),
        })
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().expect("no holder of this lock panics")
    }

    /// A connection on which MAIL and RCPT of `envelope` were accepted. Cancel safe: a connection
    /// dropped in the middle of a command is closed.
    pub(super) async fn open(self: &Arc<Self>, envelope: &Envelope, budget: Budget) -> Result<Lent, Refusal> {
        let t = &self.server.timeouts;
        loop {
            let (mut lent, reused) = self.lend(budget).await?;
            let accepted = match lent.connection().mail(envelope, budget, t).await {
                // Without time any other one would seem to be gone, too.
                Err(refusal) if reused && refusal.is_gone() && budget.is_spent() => {
                    return Err(Refusal::busy());
                }
                // A kept one that the server closed meanwhile: another one is taken, at last a new one.
                Err(refusal) if reused && refusal.is_gone() => continue,
                Ok(()) => lent.connection().rcpt(envelope, budget, t).await,
                Err(refusal) => Err(refusal),
            };
            match accepted {
                Ok(left_out) => {
                    lent.left_out = left_out;
                    return Ok(lent);
                }
                Err(refusal) => self.go_on(lent, refusal).await?,
            }
        }
    }

    /// After a refusal: an error, unless it refuses no more than this connection. Then its place is given up, if others
    /// stand, and the message may try the next.
    pub(super) async fn go_on(&self, mut lent: Lent, refusal: Refusal) -> Result<(), Refusal> {
        if !refusal.refuses_connection() {
            if refusal.code().is_some() {
                self.kept().granted.worked();
            }
            return Err(refusal);
        }
        if let Some(connection) = lent.connection.take() {
            connection.quit().await;
        }
        let now = Instant::now();
        let (others, none_since, tell) = {
            let mut kept = self.kept();
            let free = self.slots.available_permits();
            let others = kept.granted.allowed().saturating_sub(free + 1) + kept.idle.len();
            let fewer = kept.granted.refused(others, &refusal, now);
            // Free places go first; what is missing then is the place of the refused one.
            let mut gone = self.slots.forget_permits(fewer);
            if gone < fewer
                && let Some(permit) = lent.permit.take()
            {
                permit.forget();
                gone += 1;
            }
            // A place that somebody took in between stays.
            kept.granted.keep(fewer - gone);
            let tell = kept.told.is_none_or(|told| now - told >= TELL_EVERY);
            if tell {
                kept.told = Some(now);
            }
            let none_since = kept.granted.none().map(|(since, _)| since);
            (others, none_since, tell.then(|| kept.granted.allowed()))
        };
        if let Some(allowed) = tell {
            tracing::warn!(
                provider = %self.provider, connections = allowed, answer = %refusal.shown(),
                "the mail server refuses further connections; messages wait for those that stand"
            );
        }
        match none_since.map(|since| now - since) {
            Some(none) if none >= self.patience => Err(refusal.after(none, self.patience)),
            // It serves nobody now, and does not say that it serves too many.
            None if others == 0 => Err(refusal),
            _ => Ok(()),
        }
    }

    /// A connection that is signed in, and whether it was used before.
    async fn lend(self: &Arc<Self>, budget: Budget) -> Result<(Lent, bool), Refusal> {
        loop {
            if self.slots.available_permits() == 0 && self.kept().granted.grows(Instant::now()) {
                self.slots.add_permits(1);
            }
            let permit = self.place(budget).await?;
            let mut lent =
                Lent { connection: None, pool: Arc::clone(self), permit: Some(permit), left_out: 0 };
            while let Some(connection) = self.take().await {
                let connection = lent.connection.insert(connection);
                if !connection.needs_reset() || connection.reset(budget, &self.server.timeouts).await.is_ok()
                {
                    return Ok((lent, true));
                }
                if budget.is_spent() {
                    return Err(Refusal::busy());
                }
            }
            lent.connection = None;
            let asked_again = self.kept().granted.not_before();
            if let Some(at) = asked_again {
                budget.pause(at).await.map_err(|late| self.none_granted(late))?;
            }
            // Boxed: it is large and rarely needed.
            match Box::pin(self.server.connect(budget)).await {
                Ok(connection) => {
                    lent.connection = Some(connection);
                    let free = self.slots.available_permits();
                    let mut kept = self.kept();
                    let in_use = kept.granted.allowed().saturating_sub(free);
                    kept.granted.connected(in_use);
                    drop(kept);
                    return Ok((lent, false));
                }
                Err(refusal) => self.go_on(lent, refusal).await?,
            }
        }
    }

    async fn place(&self, budget: Budget) -> Result<OwnedSemaphorePermit, Refusal> {
        let free = budget.place(Arc::clone(&self.slots).acquire_owned()).await;
        let permit = free.map_err(|late| self.none_granted(late))?;
        Ok(permit.expect("the semaphore of a pool is never closed"))
    }

    /// What the server said last if it grants no connection at all, else `otherwise`.
    fn none_granted(&self, otherwise: Refusal) -> Refusal {
        let kept = self.kept();
        kept.granted
            .none()
            .map_or(otherwise, |(since, said)| said.clone().after(since.elapsed(), self.patience))
    }

    /// A kept connection.
    async fn take(&self) -> Option<Connection> {
        loop {
            let (mut connection, limited) = {
                let mut kept = self.kept();
                (kept.idle.pop()?, kept.granted.is_limited())
            };
            // What a server said meanwhile would be taken for the answer to MAIL, and so on to the final dot.
            let quiet = connection.is_quiet().await;
            if quiet && connection.idle_since.elapsed() < self.idle {
                return Some(connection);
            }
            if connection.has_ended() {
                continue;
            }
            // Where they are few, an old one must be gone before the server grants a new one.
            if limited { connection.quit().await } else { retire(connection, None) }
        }
    }

    fn give_back(self: &Arc<Self>, mut connection: Connection, place: Option<OwnedSemaphorePermit>) {
        if connection.messages > 0 {
            self.kept().granted.worked();
        }
        if !connection.is_usable() {
            return;
        }
        if connection.messages >= self.messages_per_connection {
            // The place is free once the server knows that the connection is.
            return retire(connection, place);
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
        old.into_iter().for_each(|connection| retire(connection, None));
        if !go_on {
            return;
        }
    }
}

fn retire(connection: Connection, place: Option<OwnedSemaphorePermit>) {
    if let Ok(runtime) = tokio::runtime::Handle::try_current() {
        runtime.spawn(async move {
            connection.quit().await;
            drop(place);
        });
    }
}

/// A connection in use. Dropping it gives it back, if it is still good.
pub(super) struct Lent {
    connection: Option<Connection>,
    pool: Arc<Pool>,
    permit: Option<OwnedSemaphorePermit>,
    /// How many copies of the message were refused on it.
    pub(super) left_out: usize,
}

impl Lent {
    pub(super) fn connection(&mut self) -> &mut Connection {
        self.connection.as_mut().expect("filled before it is handed out")
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            // The place is free once the connection is back: what is left of it here falls behind.
            self.pool.give_back(connection, self.permit.take());
        }
    }
}
