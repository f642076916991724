//! How one connection is made: addresses, timeouts, and what is said when it cannot be made.

use std::io;
use std::path::Path;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use redis::aio::MultiplexedConnection;
use redis::io::tcp::{TcpSettings, socket2::TcpKeepalive};
use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, ConnectionInfo, ErrorKind, IntoConnectionInfo,
    ProtocolVersion, PushInfo, RedisConnectionInfo, RedisError, TlsCertificates, Value,
};

use super::container::container_help;
use super::error::sentence;
use crate::url::{Host, Login, Mode, RedisUrl};

/// How long a connection may take, with name, TLS and greeting.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// How long an ordinary call may take. After that the caller does not know what became of it.
pub(super) const RESPONSE_TIMEOUT: Duration = Duration::from_secs(10);
/// Calls that wait to be written. The crate's 50 would make callers queue before the connection does.
const QUEUED_CALLS: usize = 4_096;
/// Bytes that are gathered before they are written.
const WRITE_BUFFER_BYTES: usize = 256 * 1024;

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Ordinary calls, each with a response timeout.
    Calls,
    /// A command that waits at the server, or a subscription: no response timeout.
    Waiting,
}

/// Where a connection goes.
#[derive(Clone, Debug)]
pub(super) enum Target {
    /// A server.
    Server(Host),
    /// The server behind the URL: itself, the Unix socket, or the master that the sentinels name.
    Url,
}

/// Makes a connection and completes its greeting. The text of an error says what to do.
pub(super) async fn dial(
    url: &RedisUrl,
    target: &Target,
    purpose: Purpose,
    pushes: impl Fn(PushInfo) + Send + Sync + 'static,
) -> Result<MultiplexedConnection, String> {
    let host = match (target, &url.mode) {
        (Target::Server(host), _) => Some(host.clone()),
        (Target::Url, Mode::Sentinel { service }) => Some(master_of(url, service).await?),
        (Target::Url, Mode::Unix { .. }) => None,
        (Target::Url, Mode::Single | Mode::Cluster) => url.hosts.first().cloned(),
    };
    let address = address_of(url, host.as_ref());
    let config = config_of(purpose).set_push_sender(move |info: PushInfo| {
        pushes(info);
        Ok::<(), redis::aio::SendError>(())
    });
    let mut connection = open(url, &address, &settings_of(&url.login, url.db), &config)
        .await
        .map_err(|error| explain(&address, host.as_ref(), &error))?;
    if matches!(url.mode, Mode::Sentinel { .. }) {
        expect_master(&mut connection, &address).await?;
    }
    Ok(connection)
}

fn address_of(url: &RedisUrl, host: Option<&Host>) -> ConnectionAddr {
    match (host, &url.mode) {
        (Some(host), _) => tcp_of(url.tls, host),
        (None, Mode::Unix { path }) => ConnectionAddr::Unix(path.clone()),
        (None, _) => ConnectionAddr::Tcp(String::new(), 0),
    }
}

fn tcp_of(tls: bool, host: &Host) -> ConnectionAddr {
    if tls {
        ConnectionAddr::TcpTls { host: host.name.clone(), port: host.port, insecure: false, tls_params: None }
    } else {
        ConnectionAddr::Tcp(host.name.clone(), host.port)
    }
}

/// RESP3, so that a connection that ends says so at once, also while nobody waits for an answer.
fn settings_of(login: &Login, db: i64) -> RedisConnectionInfo {
    let mut settings = RedisConnectionInfo::default()
        .set_protocol(ProtocolVersion::RESP3)
        .set_skip_set_lib_name()
        .set_db(db);
    if let Some(username) = &login.username {
        settings = settings.set_username(username);
    }
    if let Some(password) = &login.password {
        settings = settings.set_password(password);
    }
    settings
}

fn config_of(purpose: Purpose) -> AsyncConnectionConfig {
    let response = match purpose {
        Purpose::Calls => Some(RESPONSE_TIMEOUT),
        Purpose::Waiting => None,
    };
    AsyncConnectionConfig::new()
        .set_connection_timeout(Some(CONNECT_TIMEOUT))
        .set_response_timeout(response)
        .set_pipeline_buffer_size(QUEUED_CALLS)
        .set_write_backpressure_boundary(WRITE_BUFFER_BYTES)
}

/// Without `TCP_NODELAY` a small call waits for the acknowledgement of the one before it. The keep-alive finds a peer
/// that vanished while a connection waits.
fn tcp_settings() -> TcpSettings {
    let keepalive = TcpKeepalive::new()
        .with_time(Duration::from_secs(15))
        .with_interval(Duration::from_secs(5))
        .with_retries(3);
    TcpSettings::default().set_nodelay(true).set_keepalive(keepalive)
}

async fn open(
    url: &RedisUrl,
    address: &ConnectionAddr,
    settings: &RedisConnectionInfo,
    config: &AsyncConnectionConfig,
) -> Result<MultiplexedConnection, RedisError> {
    let info: ConnectionInfo = address.clone().into_connection_info()?;
    let info = info.set_redis_settings(settings.clone()).set_tcp_settings(tcp_settings());
    url.client(info).await?.get_multiplexed_async_connection_with_config(config).await
}

impl RedisUrl {
    /// A client for one of the servers behind the URL, which trusts whom the URL says (`?ca=`).
    ///
    /// # Errors
    /// The file of the certificate cannot be read, or holds none.
    pub async fn client(&self, info: ConnectionInfo) -> Result<Client, RedisError> {
        match &self.ca {
            // Read each time, since certificates are renewed while processes run.
            Some(path) => Client::build_with_tls(info, certificates(path).await?),
            None => Client::open(info),
        }
    }
}

async fn certificates(path: &Path) -> Result<TlsCertificates, RedisError> {
    let path = path.to_owned();
    let read = tokio::task::spawn_blocking(move || {
        std::fs::read(&path).map_err(|error| {
            let what = format!("the file {} that ca= names cannot be read: {error}", path.display());
            RedisError::from((ErrorKind::InvalidClientConfig, "TLS", what))
        })
    });
    let root_cert = read.await.map_err(|error| RedisError::from(io::Error::other(error)))??;
    Ok(TlsCertificates { client_tls: None, root_cert: Some(root_cert) })
}

/// Asks the sentinels which server is the master now: all at once, since one whose machine is gone takes the whole
/// [`CONNECT_TIMEOUT`]. The first that knows is believed.
async fn master_of(url: &RedisUrl, service: &str) -> Result<Host, String> {
    let mut asked = url
        .hosts
        .iter()
        .enumerate()
        .map(async |(index, sentinel)| ask_sentinel(url, sentinel, service).await.map_err(|why| (index, why)))
        .collect::<FuturesUnordered<_>>();
    let mut problems = Vec::new();
    while let Some(answer) = asked.next().await {
        match answer {
            Ok(host) => return Ok(host),
            Err(problem) => problems.push(problem),
        }
    }
    // In the order of the URL, so that the same trouble has the same text, which is logged once.
    problems.sort();
    Err(problems.into_iter().map(|(_, why)| why).collect::<Vec<_>>().join("; "))
}

async fn ask_sentinel(url: &RedisUrl, sentinel: &Host, service: &str) -> Result<Host, String> {
    let address = tcp_of(url.tls, sentinel);
    let config = config_of(Purpose::Calls).set_response_timeout(Some(CONNECT_TIMEOUT));
    let mut connection = open(url, &address, &settings_of(&url.sentinel_login, 0), &config)
        .await
        .map_err(|error| explain(&address, Some(sentinel), &error))?;
    let mut command = redis::cmd("SENTINEL");
    command.arg("get-master-addr-by-name").arg(service);
    match connection.send_packed_command(&command).await {
        Ok(Value::Array(parts)) => match parts.as_slice() {
            [Value::BulkString(name), Value::BulkString(port)] => std::str::from_utf8(port)
                .ok()
                .and_then(|port| port.parse().ok())
                .map(|port| Host { name: String::from_utf8_lossy(name).into_owned(), port })
                .ok_or_else(|| format!("the sentinel at {sentinel} named no port of its master")),
            _ => Err(format!("the sentinel at {sentinel} gave no address of its master")),
        },
        Ok(Value::Nil) => Err(format!(
            "the sentinel at {sentinel} knows no master {service:?}; the path of REDIS_URL names it, as in /mymaster/0"
        )),
        Ok(Value::ServerError(error)) => Err(format!("the sentinel at {sentinel}: {}", sentence(&error))),
        Ok(_) => Err(format!("the sentinel at {sentinel} gave an answer that is none")),
        Err(error) => Err(explain(&address, Some(sentinel), &error)),
    }
}

/// During a failover a sentinel may still name the old master, which is, or will be, a replica.
async fn expect_master(
    connection: &mut MultiplexedConnection,
    address: &ConnectionAddr,
) -> Result<(), String> {
    match connection.send_packed_command(&redis::cmd("ROLE")).await {
        Ok(Value::Array(parts)) if matches!(parts.first(), Some(Value::BulkString(role)) if role == b"master") => {
            Ok(())
        }
        Ok(Value::Array(_)) => Err(format!("Redis at {address} is not the master: a failover goes on")),
        // A user without the permission for ROLE still works; a replica will answer READONLY.
        Ok(_) => Ok(()),
        Err(error) => Err(explain(address, None, &error)),
    }
}

/// Why a connection could not be made, and what to do about it.
fn explain(address: &ConnectionAddr, host: Option<&Host>, error: &RedisError) -> String {
    use std::error::Error as _;
    if let Some(server) = error.source().and_then(|source| source.downcast_ref::<redis::ServerError>()) {
        return format!("Redis at {address}: {}", sentence(server));
    }
    if error.is_timeout() {
        return format!("Redis at {address} did not answer within {} s", CONNECT_TIMEOUT.as_secs());
    }
    let io = error.source().and_then(|source| source.downcast_ref::<io::Error>());
    if error.is_connection_refusal() {
        let help = host.and_then(container_help).map(|help| format!(": {help}")).unwrap_or_default();
        return match address {
            ConnectionAddr::Unix(_) => {
                format!("there is no Redis at the socket {address} (connection refused)")
            }
            _ => format!("Redis at {address} refused the connection{help}"),
        };
    }
    match io {
        Some(io) if io.to_string().contains("lookup address") => {
            let name = host.map_or_else(|| address.to_string(), |host| host.name.clone());
            format!("the host name {name:?} of Redis is not known here ({io})")
        }
        _ => format!("Redis at {address}: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use posthaste_testkit::{ClosedPort, RedisOptions, RedisServer};
    use tokio::time::Instant;

    use super::*;

    #[tokio::test]
    async fn a_sentinel_that_does_not_answer_costs_no_time() {
        let server = RedisServer::start(&RedisOptions::default());
        let sentinel = server.sentinel();
        // Connections to it are made by the system, and nobody answers on them.
        let silent = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let silent = silent.local_addr().expect("it is bound").port();
        let hosts = format!("127.0.0.1:{silent},127.0.0.1:{}", sentinel.port());
        let url = RedisUrl::parse(&format!("redis+sentinel://{hosts}/mymaster/0")).expect("a good URL");
        let began = Instant::now();
        let connected = dial(&url, &Target::Url, Purpose::Calls, |_| {}).await;
        assert!(connected.is_ok(), "{:?}", connected.err());
        assert!(began.elapsed() < CONNECT_TIMEOUT, "it waited for the silent one");
    }

    #[tokio::test]
    async fn what_each_sentinel_said_is_told_in_the_order_of_the_url() {
        let server = RedisServer::start(&RedisOptions::default());
        let sentinel = server.sentinel();
        let closed = ClosedPort::take();
        let hosts = format!("127.0.0.1:{},{}", sentinel.port(), closed.addr());
        let url = RedisUrl::parse(&format!("redis+sentinel://{hosts}/other/0")).expect("a good URL");
        let why =
            dial(&url, &Target::Url, Purpose::Calls, |_| {}).await.expect_err("there is no such master");
        let (unknown, refused) = (why.find("knows no master"), why.find("refused the connection"));
        assert!(unknown.is_some() && unknown < refused, "{why}");
    }
}
