//! Connections to every master behind the URL, made here and not by the store, so that each failure
//! is seen by itself.

use std::time::Duration;

use posthaste_broker_redis::{Host, Mode, RedisUrl};
use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::{
    AsyncConnectionConfig, ConnectionAddr, FromRedisValue, ProtocolVersion, RedisConnectionInfo, RedisError,
};

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(3);
/// How long an answer may take.
const ANSWER: Duration = Duration::from_secs(5);
/// Most masters that are looked at.
const MAX_MASTERS: usize = 64;

/// A server.
pub(super) struct Node {
    /// What it is called here.
    pub(super) name: String,
    connection: MultiplexedConnection,
    is_loopback: bool,
}

impl Node {
    async fn open(
        url: &RedisUrl,
        name: String,
        address: ConnectionAddr,
        login: (Option<&str>, Option<&str>),
        db: i64,
    ) -> Result<Self, String> {
        // The greeting of the store: what is refused is refused to it, and not lost with the connection.
        let mut settings = RedisConnectionInfo::default()
            .set_protocol(ProtocolVersion::RESP3)
            .set_skip_set_lib_name()
            .set_db(db);
        if let (Some(user), _) = login {
            settings = settings.set_username(user);
        }
        if let (_, Some(password)) = login {
            settings = settings.set_password(password);
        }
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT))
            .set_response_timeout(Some(ANSWER));
        let connected = url.connect(&address, &settings, &config, CONNECT).await;
        let connection = connected.map_err(|e| explain(&name, &e))?;
        Ok(Self { name, connection, is_loopback: false })
    }

    /// Whether it is reached without leaving this machine.
    pub(super) fn is_loopback(&self) -> bool {
        self.is_loopback
    }

    /// Asks; an error is a sentence.
    pub(super) async fn ask<T: FromRedisValue>(&mut self, command: &redis::Cmd) -> Result<T, String> {
        self.try_ask(command).await.map_err(|e| explain(&self.name, &e))
    }

    /// Asks.
    pub(super) async fn try_ask<T: FromRedisValue>(&mut self, command: &redis::Cmd) -> Result<T, RedisError> {
        let value = self.connection.req_packed_command(command).await?;
        Ok(redis::from_redis_value(value.extract_error()?)?)
    }
}

/// Asks whichever node has the keys of the command.
pub(super) async fn ask_owner<T: FromRedisValue>(
    nodes: &mut [Node],
    command: &redis::Cmd,
) -> Result<T, String> {
    let mut last = "no server has this key".to_owned();
    for node in nodes {
        match node.try_ask(command).await {
            Err(e) if e.code() == Some("MOVED") => last = explain(&node.name, &e),
            answer => return answer.map_err(|e| explain(&node.name, &e)),
        }
    }
    Err(last)
}

/// Every master, connected.
///
/// # Errors
/// A sentence about the first that cannot be used.
pub(super) async fn masters(url: &RedisUrl) -> Result<Vec<Node>, String> {
    match url.mode() {
        Mode::Unix { path } => {
            let name = path.display().to_string();
            let address = ConnectionAddr::Unix(path.clone());
            let node = Node::open(url, name, address, url.login(), url.db()).await?;
            Ok(vec![Node { is_loopback: true, ..node }])
        }
        Mode::Single => {
            let host = url.hosts().first().ok_or("the URL names no host")?;
            Ok(vec![server(url, host).await?])
        }
        Mode::Sentinel { service } => Ok(vec![server(url, &master_of(url, service).await?).await?]),
        Mode::Cluster => {
            let mut out = Vec::new();
            for host in masters_of_cluster(url).await?.iter().take(MAX_MASTERS) {
                out.push(server(url, host).await?);
            }
            Ok(out)
        }
    }
}

fn address(url: &RedisUrl, host: &Host) -> ConnectionAddr {
    let (name, port) = (host.name.clone(), host.port);
    if url.tls() {
        ConnectionAddr::TcpTls { host: name, port, insecure: false, tls_params: None }
    } else {
        ConnectionAddr::Tcp(name, port)
    }
}

async fn server(url: &RedisUrl, host: &Host) -> Result<Node, String> {
    let node = Node::open(url, host.to_string(), address(url, host), url.login(), url.db()).await?;
    Ok(Node { is_loopback: host.is_loopback(), ..node })
}

async fn master_of(url: &RedisUrl, service: &str) -> Result<Host, String> {
    let mut problems = Vec::new();
    for sentinel in url.hosts() {
        let asked = async {
            let (name, address) = (sentinel.to_string(), address(url, sentinel));
            let mut node = Node::open(url, name, address, url.sentinel_login(), 0).await?;
            let command = redis::cmd("SENTINEL").arg("get-master-addr-by-name").arg(service).clone();
            let found: Option<(String, u16)> = node.ask(&command).await?;
            found.ok_or_else(|| format!("the sentinel {} knows no master {service:?}", node.name))
        };
        match asked.await {
            Ok((name, port)) => return Ok(Host { name, port }),
            Err(problem) => problems.push(problem),
        }
    }
    Err(problems.join("; "))
}

/// From the first node that answers; an endpoint without a host is that node itself.
async fn masters_of_cluster(url: &RedisUrl) -> Result<Vec<Host>, String> {
    let mut problems = Vec::new();
    for host in url.hosts() {
        let asked = async {
            let mut node = server(url, host).await?;
            node.ask::<Vec<Vec<redis::Value>>>(redis::cmd("CLUSTER").arg("SLOTS")).await
        };
        match asked.await {
            Ok(slots) => {
                let mut found: Vec<Host> = Vec::new();
                for range in slots {
                    let Some(master) = range.into_iter().nth(2) else { continue };
                    if let Some(master) = endpoint(master, host)
                        && !found.contains(&master)
                    {
                        found.push(master);
                    }
                }
                if !found.is_empty() {
                    return Ok(found);
                }
                problems.push(format!("the Cluster of {host} gives no slot to any node"));
            }
            Err(problem) => problems.push(problem),
        }
    }
    Err(problems.join("; "))
}

fn endpoint(value: redis::Value, asked: &Host) -> Option<Host> {
    let parts: Vec<redis::Value> = redis::from_redis_value(value).ok()?;
    let mut parts = parts.into_iter();
    let name: Option<String> = redis::from_redis_value(parts.next()?).ok()?;
    let port: u16 = redis::from_redis_value(parts.next()?).ok()?;
    let name = name.filter(|n| !n.is_empty() && n != "?").unwrap_or_else(|| asked.name.clone());
    Some(Host { name, port })
}

/// What went wrong and what helps, in one sentence.
fn explain(name: &str, error: &RedisError) -> String {
    let help = match error.code() {
        Some("NOAUTH") => ": it wants a password, redis://:password@host",
        Some("WRONGPASS") => ": it refuses the user or the password of the URL",
        Some("NOPERM") => {
            return format!("{name}: {error}: its user lacks a permission; it needs {}", RedisUrl::RIGHTS);
        }
        Some("DENIED") => {
            ": set a password there (requirepass), and let bind name the addresses that it shall be reached at"
        }
        Some("MOVED") => ": it is part of a Cluster, which redis+cluster:// reaches",
        Some("LOADING") => ": it is loading its data; wait",
        _ if error.is_timeout() => ": it did not answer in time",
        _ => "",
    };
    format!("{name}: {error}{help}")
}

#[cfg(test)]
mod tests {
    use posthaste_testkit::{RedisOptions, RedisServer, protected_redis};

    use super::*;

    async fn ping(url: &str) -> Result<String, String> {
        let mut nodes = masters(&RedisUrl::parse(url).expect("valid")).await?;
        nodes[0].ask(&redis::cmd("PING")).await
    }

    #[tokio::test]
    async fn the_certificate_authority_of_the_url_is_trusted() {
        let server = RedisServer::start(&RedisOptions::default());
        let (port, certificate) = server.tls();
        let url = format!("rediss://127.0.0.1:{port}/0");
        let named = ping(&format!("{url}?ca={}", certificate.display())).await;
        assert_eq!(named.as_deref(), Ok("PONG"));
        let unknown = ping(&url).await.expect_err("nobody signed it");
        assert!(unknown.contains("certificate") && unknown.contains("?ca="), "{unknown}");
        let missing = ping(&format!("{url}?ca=/nowhere.pem")).await.expect_err("there is no such file");
        assert!(missing.contains("/nowhere.pem"), "{missing}");
    }

    #[tokio::test]
    async fn protected_mode_is_told_with_what_to_do() {
        let denied = ping(&protected_redis()).await.expect_err("it hangs up");
        assert!(denied.contains("protected mode") && denied.contains("requirepass"), "{denied}");
    }

    #[tokio::test]
    async fn the_rights_that_it_names_are_those_of_the_store() {
        let server = RedisServer::start(&RedisOptions::default());
        server.command(&["ACL", "SETUSER", "poor", "on", ">secret", "+@connection"]);
        let mut nodes =
            masters(&RedisUrl::parse(&server.url().replace("//", "//poor:secret@")).expect("valid"))
                .await
                .expect("it may connect");
        let refused = nodes[0].ask::<String>(redis::cmd("INFO").arg("server")).await.expect_err("NOPERM");
        assert!(refused.contains("+info") && refused.contains("+role"), "{refused}");
    }
}
