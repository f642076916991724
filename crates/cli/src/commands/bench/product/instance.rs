//! A `posthaste up` with a key, and what is asked of it.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use posthaste::State;
use serde_json::Value;

use crate::commands::bench::load;
use crate::commands::bench::process::{Posthaste, Running};

/// The key of the runs: known to nobody, and the server ends with the run.
pub(super) const KEY: &str = "bench-0123456789abcdef0123456789abcdef";
/// A backlog that is not empty after this does not empty.
const PATIENCE: Duration = Duration::from_secs(300);

/// A running server.
pub(super) struct Up(pub(super) Running);

impl Up {
    /// Starts this very program on `dir`, or on a Redis, with settings of the environment.
    pub(super) fn start(
        dir: &Path,
        redis: Option<&str>,
        mut env: Vec<(&'static str, String)>,
    ) -> anyhow::Result<Self> {
        env.push(("POSTHASTE_API_KEYS", format!("bench:send+read+admin:{KEY}")));
        let mut arguments: Vec<OsString> = ["up", "--addr", "127.0.0.1:0"].map(OsString::from).into();
        if redis.is_none() {
            arguments.push("--data-dir".into());
            arguments.push(dir.into());
        }
        let file = std::env::current_exe()?;
        Posthaste { file: &file, arguments, redis, dir, env }.start().map(Self)
    }

    /// Where it listens.
    pub(super) fn addr(&self) -> SocketAddr {
        self.0.addr
    }

    /// One call that must succeed; its answer.
    pub(super) async fn call(&self, method: &str, path: &str, body: &str) -> anyhow::Result<Value> {
        let (status, answer) = load::call(self.addr(), method, path, KEY, body).await?;
        let text = String::from_utf8_lossy(&answer);
        ensure!((200..300).contains(&status), "{method} {path} answered {status}: {text}");
        if answer.is_empty() { Ok(Value::Null) } else { Ok(serde_json::from_slice(&answer)?) }
    }

    /// Keeps the queue from being claimed.
    pub(super) async fn pause(&self) -> anyhow::Result<()> {
        self.call("POST", "/v1/queues/default/pause", "{}").await.map(drop)
    }

    /// Lets it be claimed again.
    pub(super) async fn resume(&self) -> anyhow::Result<()> {
        self.call("POST", "/v1/queues/default/resume", "").await.map(drop)
    }

    /// How many tasks of all queues are in one of these states.
    pub(super) async fn count(&self, wanted: impl Fn(State) -> bool) -> anyhow::Result<u64> {
        let queues = self.call("GET", "/v1/queues", "").await?;
        let mut sum = 0;
        for queue in queues.get("data").and_then(Value::as_array).context("no data in /v1/queues")? {
            for state in State::ALL.iter().filter(|s| wanted(**s)) {
                sum += queue.pointer(&format!("/counts/{state}")).and_then(Value::as_u64).unwrap_or(0);
            }
        }
        Ok(sum)
    }

    /// How long from `since` until nothing is pending, except what is scheduled for later.
    pub(super) async fn until_empty(&self, since: Instant) -> anyhow::Result<Duration> {
        loop {
            let pending = self.count(|s| !s.is_final() && s != State::Scheduled).await?;
            if pending == 0 {
                return Ok(since.elapsed());
            }
            ensure!(since.elapsed() < PATIENCE, "{pending} tasks still pending after {PATIENCE:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Posts `n` notifications in batches of 1,000, each made by `one` from its number.
    pub(super) async fn enqueue(&self, n: usize, one: impl Fn(usize) -> String) -> anyhow::Result<()> {
        let mut from = 0;
        while from < n {
            let until = (from + 1_000).min(n);
            let items: Vec<String> = (from..until).map(&one).collect();
            let body = format!("{{\"notifications\":[{}]}}", items.join(","));
            self.call("POST", "/v1/notifications/batch", &body).await?;
            from = until;
        }
        Ok(())
    }
}
