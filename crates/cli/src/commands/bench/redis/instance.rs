//! A `redis-server` of our own: append-only file synced every second, everything else at its defaults.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use posthaste::Posthaste;
use posthaste_broker_redis::{RedisConfig, RedisStore};

use crate::commands::bench::process::{Cpu, tied};

/// A server is up, and ends its background work, within this.
const PATIENCE: Duration = Duration::from_secs(120);

/// A running server; killed when it is dropped.
pub(crate) struct Redis {
    child: Child,
    /// Where it listens.
    pub(crate) addr: SocketAddr,
}

impl Redis {
    /// Starts one that keeps its data in `dir`, on a port that nobody has.
    pub(crate) fn start(dir: &Path) -> anyhow::Result<Self> {
        let mut last = None;
        for _ in 0..20 {
            let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
            // Somebody else may take the port before the server does; then the next one.
            match Self::start_on(port, dir) {
                Ok(redis) => return Ok(redis),
                Err(e) => last = Some(e),
            }
        }
        Err(last.unwrap_or_else(|| anyhow::anyhow!("no port")))
    }

    fn start_on(port: u16, dir: &Path) -> anyhow::Result<Self> {
        let child = tied(Path::new("redis-server"))
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--dir"])
            .arg(dir)
            .args(["--appendonly", "yes", "--appendfsync", "everysec", "--logfile"])
            .arg(dir.join("redis.log"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("redis-server cannot be started: install it with `make setup`")?;
        let mut redis = Self { child, addr: (Ipv4Addr::LOCALHOST, port).into() };
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = redis.child.try_wait()? {
                bail!("redis-server ended with {status}; is it installed? (`make setup`)");
            }
            // Another server that took the port has another process id.
            if redis.info("server").is_ok_and(|i| i.number("process_id") == f64::from(redis.pid())) {
                return Ok(redis);
            }
            ensure!(Instant::now() < deadline, "redis-server does not answer");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Its URL.
    pub(crate) fn url(&self) -> String {
        url(self.addr)
    }

    /// Processor time of the server.
    pub(super) fn cpu(&self) -> anyhow::Result<Cpu> {
        Cpu::of(self.pid())
    }

    /// A section of `INFO`, on a connection that is closed again.
    pub(super) fn info(&self, section: &str) -> anyhow::Result<Info> {
        let mut stream = TcpStream::connect(self.addr)?;
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        stream.write_all(format!("INFO {section}\r\n").as_bytes())?;
        let mut reader = BufReader::new(stream);
        let mut head = String::new();
        reader.read_line(&mut head)?;
        let len: usize = head.trim().strip_prefix('$').context("no bulk reply to INFO")?.parse()?;
        let mut text = vec![0; len];
        reader.read_exact(&mut text)?;
        Ok(Info(String::from_utf8_lossy(&text).into_owned()))
    }

    /// Waits until it writes nothing in the background and its log is synced.
    pub(super) async fn quiet(&self) -> anyhow::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let info = self.info("persistence")?;
            let busy = ["rdb_bgsave_in_progress", "aof_rewrite_in_progress", "aof_rewrite_scheduled"];
            if busy.iter().all(|f| info.number(f) == 0.0) {
                return Ok(());
            }
            ensure!(Instant::now() < deadline, "redis-server does not end its background work");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// What the scripts have cost so far.
    pub(super) fn scripts(&self) -> anyhow::Result<Spent> {
        Ok(self.info("commandstats")?.commands().get("evalsha").copied().unwrap_or_default())
    }

    /// How often it has forked so far, for a snapshot or for a new append-only file.
    pub(super) fn forks(&self) -> anyhow::Result<f64> {
        Ok(self.info("stats")?.number("total_forks"))
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        // Either fails only if the process is gone, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The URL of a server, or of a proxy before it.
pub(crate) fn url(addr: SocketAddr) -> String {
    format!("redis://{addr}/0")
}

/// What `INFO` answered.
pub(super) struct Info(String);

impl Info {
    /// The text of a field; empty if there is none.
    pub(super) fn text(&self, field: &str) -> &str {
        self.0.lines().find_map(|l| l.strip_prefix(field)?.strip_prefix(':')).unwrap_or_default()
    }

    /// The number of a field; 0 if there is none.
    pub(super) fn number(&self, field: &str) -> f64 {
        self.text(field).parse().unwrap_or(0.0)
    }

    /// Of `INFO commandstats`: command → calls and microseconds.
    fn commands(&self) -> BTreeMap<String, Spent> {
        let one = |line: &str| {
            let (name, fields) = line.strip_prefix("cmdstat_")?.split_once(':')?;
            let field = |name: &str| {
                fields.split(',').find_map(|f| f.strip_prefix(name)?.strip_prefix('='))?.parse::<f64>().ok()
            };
            Some((name.to_owned(), Spent { calls: field("calls")?, usec: field("usec")? }))
        };
        self.0.lines().filter_map(one).collect()
    }
}

/// What a command has cost.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Spent {
    /// How often it ran.
    pub(super) calls: f64,
    /// In it, in microseconds.
    pub(super) usec: f64,
}

impl std::ops::Sub for Spent {
    type Output = Self;

    fn sub(self, before: Self) -> Self {
        Self { calls: self.calls - before.calls, usec: self.usec - before.usec }
    }
}

/// The library on a Redis, with a connection of its own.
pub(super) struct Opened {
    /// The library.
    pub(super) app: Posthaste,
    store: Arc<RedisStore>,
}

impl Opened {
    /// Opens it at `addr` with every default.
    pub(super) async fn at(addr: SocketAddr) -> anyhow::Result<Self> {
        let store = RedisStore::open(RedisConfig::new(url(addr)))?;
        store.check().await?;
        Ok(Self { app: Posthaste::from_store(store.clone()), store })
    }

    /// Closes it.
    pub(super) async fn close(self) {
        self.store.close().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_info_says_is_read() {
        let text = "# Server\r\nredis_version:7.0.15\r\nprocess_id:77\r\n\
                    cmdstat_evalsha:calls=10,usec=123,usec_per_call=12.30,rejected_calls=0,failed_calls=0\r\n";
        let info = Info(text.into());
        assert_eq!((info.text("redis_version"), info.number("process_id")), ("7.0.15", 77.0));
        let spent = info.commands()["evalsha"];
        assert_eq!((spent.calls, spent.usec), (10.0, 123.0));
    }
}
