//! Real Redis servers and Clusters, on free loopback ports and in directories of their own.
//!
//! A server lives as long as its value. It also ends with the thread that started it, and so with the test process even
//! if that is killed: where `setpriv` is installed the kernel sees to it, without a line of unsafe code here.

mod cluster;
mod ports;
mod process;
mod protected;
mod wire;

use std::path::{Path, PathBuf};
use std::sync::Mutex;

pub use cluster::RedisCluster;
use process::Process;
pub use protected::protected_redis;
pub use wire::{Reply, Wire};

use crate::certificate::SelfSigned;

/// When the server writes its append-only file to the disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Appendonly {
    /// There is none: what the server holds is gone with it.
    #[default]
    Off,
    /// When the system pleases.
    No,
    /// Every second.
    Everysec,
    /// Before each answer.
    Always,
}

/// How a server is started. The default keeps nothing on disk.
#[derive(Clone, Debug, Default)]
pub struct RedisOptions {
    /// The append-only file.
    pub appendonly: Appendonly,
    /// Bytes that it may hold; nothing is evicted.
    pub maxmemory: Option<u64>,
    /// More arguments for the command line.
    pub args: Vec<String>,
}

impl RedisOptions {
    /// Keeps what it answered in an append-only file.
    pub fn durable(appendonly: Appendonly) -> Self {
        Self { appendonly, ..Self::default() }
    }

    fn arguments(&self) -> Vec<String> {
        // Without the last, a replica waits five seconds for others that might want a copy too.
        let always =
            ["--save", "", "--loglevel", "notice", "--logfile", "", "--repl-diskless-sync-delay", "0"];
        let mut all = always.map(str::to_owned).to_vec();
        let fsync = match self.appendonly {
            Appendonly::Off => None,
            Appendonly::No => Some("no"),
            Appendonly::Everysec => Some("everysec"),
            Appendonly::Always => Some("always"),
        };
        let switch = if fsync.is_some() { "yes" } else { "no" };
        all.extend(["--appendonly".to_owned(), switch.to_owned()]);
        if let Some(fsync) = fsync {
            all.extend(["--appendfsync".to_owned(), fsync.to_owned()]);
        }
        if let Some(bytes) = self.maxmemory {
            all.extend(["--maxmemory".to_owned(), bytes.to_string()]);
            all.extend(["--maxmemory-policy".to_owned(), "noeviction".to_owned()]);
        }
        all.extend(self.args.iter().cloned());
        all
    }
}

/// A running server.
pub struct RedisServer {
    port: u16,
    arguments: Vec<String>,
    process: Mutex<Option<Process>>,
    /// After the process: the port is given back when nobody listens on it any more.
    _reserved: ports::Reserved,
    dir: tempfile::TempDir,
}

impl RedisServer {
    /// Starts a server and waits until it answers.
    ///
    /// # Panics
    /// When `redis-server` is not installed, or does not start.
    pub fn start(options: &RedisOptions) -> Self {
        Self::start_in(temporary(), options.arguments())
    }

    /// Starts a replica of this server.
    ///
    /// # Panics
    /// When it does not start.
    pub fn replica(&self) -> Self {
        let args = ["--replicaof".to_owned(), format!("127.0.0.1 {}", self.port)].to_vec();
        Self::start(&RedisOptions { args, ..RedisOptions::default() })
    }

    /// Starts a sentinel that alone decides about this server, under the name `mymaster`.
    ///
    /// # Panics
    /// When it does not start.
    pub fn sentinel(&self) -> Self {
        let dir = temporary();
        let text = format!(
            "sentinel monitor mymaster 127.0.0.1 {} 1\n\
             sentinel down-after-milliseconds mymaster 500\n\
             sentinel failover-timeout mymaster 5000\n",
            self.port
        );
        std::fs::write(dir.path().join("redis.conf"), text).expect("the directory can be written");
        Self::start_in(dir, vec!["--sentinel".to_owned()])
    }

    fn start_in(dir: tempfile::TempDir, arguments: Vec<String>) -> Self {
        let (reserved, process) = process::start_on_a_free_port(dir.path(), &arguments);
        let (port, process) = (reserved.port, Mutex::new(Some(process)));
        Self { port, arguments, process, _reserved: reserved, dir }
    }

    /// The URL of its database 0.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/0", self.port)
    }

    /// Its port on the loopback address.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its data directory.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// A file of its data directory.
    pub fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A connection to it.
    pub fn wire(&self) -> Wire {
        Wire::connect(self.port)
    }

    /// Sends a command on a connection of its own.
    pub fn command(&self, words: &[&str]) -> Reply {
        self.wire().command(words)
    }

    /// Lets it speak TLS too, under a certificate for 127.0.0.1 that signs itself: the port, and the file of the certificate.
    ///
    /// # Panics
    /// When the server was built without TLS.
    pub fn tls(&self) -> (u16, PathBuf) {
        let made = SelfSigned::new(&["127.0.0.1"]);
        let (certificate, key) = (self.file("tls.crt"), self.file("tls.key"));
        std::fs::write(&certificate, &made.pem).expect("the directory can be written");
        std::fs::write(&key, &made.key_pem).expect("the directory can be written");
        let text = |path: &Path| path.to_str().expect("a temporary directory has a plain name").to_owned();
        // The port above its own is kept free for it.
        let port = self.port + 10_000;
        let settings = [
            ("tls-auth-clients", "no".to_owned()),
            ("tls-ca-cert-file", text(&certificate)),
            ("tls-cert-file", text(&certificate)),
            ("tls-key-file", text(&key)),
            ("tls-port", port.to_string()),
        ];
        let words = settings.iter().flat_map(|(name, value)| [*name, value.as_str()]);
        let words = ["CONFIG", "SET"].into_iter().chain(words).collect::<Vec<_>>();
        assert_eq!(self.command(&words), Reply::Text("OK".to_owned()), "the server takes the certificate");
        (port, certificate)
    }

    /// Ends it with SIGKILL: what it had not written to its disk is lost.
    pub fn kill(&self) {
        drop(self.process.lock().expect("no test panicked meanwhile").take());
    }

    /// Starts it again on the same port and directory, after ending it if it runs.
    pub fn restart(&self) {
        let mut process = self.process.lock().expect("no test panicked meanwhile");
        drop(process.take());
        *process = Some(
            process::start(self.dir.path(), self.port, &self.arguments).expect("its port is still free"),
        );
    }

    /// Stops it where it stands: it keeps its connections and answers nothing.
    pub fn pause(&self) {
        self.signal(rustix::process::Signal::STOP);
    }

    /// Lets it go on.
    pub fn resume(&self) {
        self.signal(rustix::process::Signal::CONT);
    }

    fn signal(&self, signal: rustix::process::Signal) {
        if let Some(process) = &*self.process.lock().expect("no test panicked meanwhile") {
            process.signal(signal);
        }
    }
}

fn temporary() -> tempfile::TempDir {
    tempfile::Builder::new().prefix("posthaste-redis-").tempdir().expect("a directory can be made")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_keeps_its_data_over_a_kill() {
        let server = RedisServer::start(&RedisOptions::durable(Appendonly::Always));
        assert_eq!(server.command(&["SET", "k", "v"]), Reply::Text("OK".to_owned()));
        server.kill();
        server.restart();
        assert_eq!(server.command(&["GET", "k"]), Reply::Text("v".to_owned()));
        server.pause();
        server.resume();
        assert_eq!(server.command(&["GET", "k"]), Reply::Text("v".to_owned()));
    }

    #[test]
    fn a_cluster_moves_a_slot() {
        let cluster = RedisCluster::start(3);
        let slot = cluster.slot_of("k");
        let from = cluster.owner_of(slot);
        let to = (from + 1) % 3;
        assert_eq!(cluster.node(from).command(&["SET", "k", "v"]), Reply::Text("OK".to_owned()));
        cluster.move_slot(slot, to);
        assert_eq!(cluster.owner_of(slot), to);
        assert_eq!(cluster.node(to).command(&["GET", "k"]), Reply::Text("v".to_owned()));
    }
}
