//! How one connection is made: addresses, timeouts, and what is said when it cannot be made.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use posthaste_tls::{BadCertificates, Certificates, Servers, Whom};
use redis::aio::MultiplexedConnection;
use redis::io::tcp::TcpSettings;
use redis::io::tcp::socket2::{SockRef, TcpKeepalive};
use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, ConnectionInfo, ErrorKind, IntoConnectionInfo,
    ProtocolVersion, PushInfo, RedisConnectionInfo, RedisError,
};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;

use super::container::container_help;
use super::error::sentence;
use super::role::{ROLE, Role};
use super::sentinel::{self, Sentinels};
use crate::url::{Host, Login, Mode, RedisUrl};

/// How long a connection may take, with name, TLS and greeting.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// How long an ordinary call may take. After that the caller does not know what became of it.
pub(crate) const RESPONSE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a server may take that is asked only for its role.
const MOMENT: Duration = Duration::from_millis(500);
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

/// The URL, and what is learned of the sentinels behind it.
pub(super) struct Route {
    pub(super) url: RedisUrl,
    pub(super) sentinels: Sentinels,
    /// Whether a connection ever stood: then the URL is right, and what is refused now was not always.
    stood: AtomicBool,
}

impl Route {
    pub(super) fn new(url: RedisUrl) -> Self {
        Self { url, sentinels: Sentinels::default(), stood: AtomicBool::new(false) }
    }

    pub(super) fn has_sentinels(&self) -> bool {
        matches!(self.url.mode, Mode::Sentinel { .. })
    }
}

/// A connection, and to whom it is.
pub(super) struct Dialed {
    pub(super) connection: MultiplexedConnection,
    /// The server; the sentinels may have named it.
    pub(super) host: Host,
    /// The epoch of the configuration in which the sentinels named it, else 0.
    pub(super) epoch: u64,
    /// What it said that it is, where that was asked.
    pub(super) role: Role,
}

/// Makes a connection and completes its greeting. The text of an error says what to do.
pub(super) async fn dial(
    route: &Route,
    target: &Target,
    purpose: Purpose,
    pushes: impl Fn(PushInfo) + Send + Sync + 'static,
) -> Result<Dialed, String> {
    let url = &route.url;
    let (host, epoch) = match (target, &url.mode) {
        (Target::Server(host), _) => (Some(host.clone()), 0),
        (Target::Url, Mode::Sentinel { .. }) => {
            let view = sentinel::master(route).await?;
            (Some(view.master), view.epoch)
        }
        (Target::Url, Mode::Unix { .. }) => (None, 0),
        (Target::Url, Mode::Single | Mode::Cluster) => (url.hosts.first().cloned(), 0),
    };
    let address = address_of(url, host.as_ref());
    let config = with_pushes(config_of(purpose), pushes);
    let mut connection = open(url, &address, &settings_of(&url.login, url.db), &config)
        .await
        .map_err(|error| explain(route, &address, host.as_ref(), &error))?;
    let role = match target {
        Target::Server(_) => Role::Untold,
        Target::Url => ask_role(route, &mut connection, &address).await?,
    };
    route.stood.store(true, Ordering::Relaxed);
    // During a failover a sentinel may still name the old master, which is, or will be, a replica. A user without the
    // permission for ROLE still works; a replica will answer READONLY.
    if role == Role::Other && route.has_sentinels() {
        return Err(format!("Redis at {address} is not the master: a failover goes on"));
    }
    let host = host.unwrap_or(Host { name: "unix".to_owned(), port: 0 });
    Ok(Dialed { connection, host, epoch, role })
}

async fn ask_role(
    route: &Route,
    connection: &mut MultiplexedConnection,
    address: &ConnectionAddr,
) -> Result<Role, String> {
    match connection.send_packed_command(&ROLE).await {
        Ok(value) => Ok(Role::read(&value)),
        Err(error) => Err(explain(route, address, None, &error)),
    }
}

fn with_pushes(
    config: AsyncConnectionConfig,
    pushes: impl Fn(PushInfo) + Send + Sync + 'static,
) -> AsyncConnectionConfig {
    config.set_push_sender(move |info: PushInfo| {
        pushes(info);
        Ok::<(), redis::aio::SendError>(())
    })
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
    TcpSettings::default().set_nodelay(true).set_keepalive(keepalive())
}

fn keepalive() -> TcpKeepalive {
    TcpKeepalive::new()
        .with_time(Duration::from_secs(15))
        .with_interval(Duration::from_secs(5))
        .with_retries(3)
}

async fn open(
    url: &RedisUrl,
    address: &ConnectionAddr,
    settings: &RedisConnectionInfo,
    config: &AsyncConnectionConfig,
) -> Result<MultiplexedConnection, RedisError> {
    url.connect(address, settings, config, CONNECT_TIMEOUT).await
}

impl RedisUrl {
    /// A connection to one of the servers behind the URL, which trusts whom the URL says (`?ca=`).
    ///
    /// # Errors
    /// The file of the certificate cannot be read, or holds none; the server, or that it took longer than `within`.
    pub async fn connect(
        &self,
        address: &ConnectionAddr,
        settings: &RedisConnectionInfo,
        config: &AsyncConnectionConfig,
        within: Duration,
    ) -> Result<MultiplexedConnection, RedisError> {
        if let ConnectionAddr::TcpTls { host, port, .. } = address {
            let connecting = self.connect_protected((host, *port), settings, config);
            let late = |_| Err(io::Error::from(io::ErrorKind::TimedOut).into());
            return timeout(within, connecting).await.unwrap_or_else(late);
        }
        let info: ConnectionInfo = address.clone().into_connection_info()?;
        let info = info.set_redis_settings(settings.clone()).set_tcp_settings(tcp_settings());
        Client::open(info)?.get_multiplexed_async_connection_with_config(config).await
    }

    /// With our own TLS: the client's would refuse a certificate that signs itself, however it is named.
    async fn connect_protected(
        &self,
        address: (&str, u16),
        settings: &RedisConnectionInfo,
        config: &AsyncConnectionConfig,
    ) -> Result<MultiplexedConnection, RedisError> {
        let named = match &self.ca {
            // Read each time, since certificates are renewed while processes run.
            Some(path) => Some(certificates(path).await?),
            None => None,
        };
        let whom = named.as_ref().map_or(Whom::Public, Whom::Alone);
        let tls = posthaste_tls::config(whom, Servers::One, "?ca= at the end of REDIS_URL");
        let name = ServerName::try_from(address.0.to_owned()).map_err(io::Error::other)?;
        let tcp = TcpStream::connect(address).await?;
        tcp.set_nodelay(true)?;
        SockRef::from(&tcp).set_tcp_keepalive(&keepalive())?;
        let stream = TlsConnector::from(Arc::new(tls)).connect(name, tcp).await?;
        let made = MultiplexedConnection::new_with_config(settings, stream, config.clone()).await?;
        let (connection, driver) = made;
        // It ends with the connection.
        tokio::spawn(driver);
        Ok(connection)
    }
}

async fn certificates(path: &Path) -> Result<Certificates, RedisError> {
    let shown = path.display();
    let refuse = |problem: String| {
        let what = format!("the file {shown} that ca= names {problem}");
        RedisError::from((ErrorKind::InvalidClientConfig, "TLS", what))
    };
    let owned = path.to_owned();
    let read = tokio::task::spawn_blocking(move || std::fs::read_to_string(owned)).await;
    let pem = read.map_err(io::Error::other)?;
    let pem = pem.map_err(|error| refuse(format!("cannot be read: {error}")))?;
    pem.parse().map_err(|error: BadCertificates| refuse(error.to_string()))
}

/// A connection to a sentinel, to ask or to listen. The text of an error says what to do.
pub(super) async fn open_sentinel(
    route: &Route,
    sentinel: &Host,
    pushes: impl Fn(PushInfo) + Send + Sync + 'static,
) -> Result<MultiplexedConnection, String> {
    let (url, address) = (&route.url, tcp_of(route.url.tls, sentinel));
    let config = with_pushes(config_of(Purpose::Calls).set_response_timeout(Some(CONNECT_TIMEOUT)), pushes);
    open(url, &address, &settings_of(&url.sentinel_login, 0), &config)
        .await
        .map_err(|error| explain(route, &address, Some(sentinel), &error))
}

/// What a server says that it is, within a moment.
pub(super) async fn role_at(route: &Route, host: &Host) -> Role {
    let address = tcp_of(route.url.tls, host);
    let asked = async {
        let settings = settings_of(&route.url.login, route.url.db);
        let mut connection = open(&route.url, &address, &settings, &config_of(Purpose::Calls)).await.ok()?;
        connection.send_packed_command(&ROLE).await.ok()
    };
    timeout(MOMENT, asked).await.ok().flatten().map_or(Role::Untold, |value| Role::read(&value))
}

/// Why a connection could not be made, and what to do about it.
fn explain(route: &Route, address: &ConnectionAddr, host: Option<&Host>, error: &RedisError) -> String {
    use std::error::Error as _;
    if let Some(server) = error.source().and_then(|source| source.downcast_ref::<redis::ServerError>()) {
        return format!("Redis at {address}: {}", sentence(server));
    }
    if error.is_timeout() {
        return format!("Redis at {address} did not answer within {} s", CONNECT_TIMEOUT.as_secs());
    }
    let io = error.source().and_then(|source| source.downcast_ref::<io::Error>());
    if error.is_connection_refusal() {
        let first = !route.stood.load(Ordering::Relaxed);
        let help = host
            .filter(|_| first)
            .and_then(container_help)
            .map(|help| format!(": {help}"))
            .unwrap_or_default();
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
        let connected = dial(&Route::new(url), &Target::Url, Purpose::Calls, |_| {}).await;
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
        let why = dial(&Route::new(url), &Target::Url, Purpose::Calls, |_| {})
            .await
            .err()
            .expect("there is no such master");
        let (unknown, refused) = (why.find("knows no master"), why.find("refused the connection"));
        assert!(unknown.is_some() && unknown < refused, "{why}");
    }
}
