//! Waiting until a replica has what was written, for `durability=replicated`.
//!
//! `WAIT` blocks its connection, and it waits for what that connection wrote. So each shard has a connection for this
//! alone, on which something small is written first: it comes after the write that must be confirmed.

use std::time::Duration;

use posthaste_core::BrokerError;
use tokio::sync::Mutex;
use tokio::time::timeout;

use crate::link::{Blocking, Unblocked};
use crate::reply;
use crate::shards::Shards;

/// How long a replica is waited for, in milliseconds.
const WAIT_MS: u32 = 1_000;
/// How long all of it may take.
const PATIENCE: Duration = Duration::from_millis(WAIT_MS as u64 + 1_000);

/// The connection of one shard.
#[derive(Default)]
pub(crate) struct Replicas(Mutex<Option<Blocking>>);

impl Replicas {
    /// Returns when at least one replica has everything written so far.
    ///
    /// # Errors
    /// [`BrokerError::Unavailable`] when none confirmed in time: it is stored here, and may be lost with this server.
    pub(crate) async fn confirm(&self, shards: &Shards, shard: u16) -> Result<(), BrokerError> {
        // Others may ask before: their time is not this one's.
        let Ok(mut line) = timeout(PATIENCE, self.0.lock()).await else {
            return Err(short("others wait for a replica"));
        };
        // Past this the connection is dead, whatever it looks like.
        match timeout(PATIENCE, ask(&mut line, shards, shard)).await {
            Ok(answer) => answer,
            Err(_) => Err(short("the server did not answer")),
        }
    }
}

async fn ask(line: &mut Option<Blocking>, shards: &Shards, shard: u16) -> Result<(), BrokerError> {
    let mut blocking = match line.take() {
        Some(blocking) => blocking,
        None => shards.link().blocking(&shards.m_key(shard)).await?,
    };
    let mut write = redis::cmd("HINCRBY");
    write.arg(shards.key(shard, "m")).arg("confirmed").arg(1);
    let mut wait = redis::cmd("WAIT");
    wait.arg(1).arg(WAIT_MS);
    let written = blocking.command(&write).await?;
    let confirmed = match written {
        Unblocked::Answer(_) => blocking.command(&wait).await?,
        lost => lost,
    };
    *line = Some(blocking);
    match confirmed {
        Unblocked::Answer(value) if reply::int(value.clone())? >= 1 => Ok(()),
        Unblocked::Answer(_) => Err(short(&format!("no replica confirmed the write within {WAIT_MS} ms"))),
        Unblocked::Reconnected => Err(short("the connection was lost before a replica confirmed the write")),
    }
}

fn short(what: &str) -> BrokerError {
    BrokerError::Unavailable {
        why: format!("{what}; the same request with the same idempotency key completes it"),
    }
}
