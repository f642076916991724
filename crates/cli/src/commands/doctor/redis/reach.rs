//! Whether the hosts of the URL can be reached: the localhost mistake, names, TCP.

use std::io;
use std::time::Duration;

use posthaste_broker_redis::{Host, LOCALHOST_IN_A_CONTAINER, Mode, RedisUrl, in_container};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;

use super::super::{Check, Status};

/// A name server or a host that takes longer does not answer.
const LIMIT: Duration = Duration::from_secs(3);

/// What this process runs in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Surroundings {
    /// A container, whose `localhost` is itself.
    Container,
    /// The machine.
    Machine,
}

impl Surroundings {
    /// Those of this process.
    pub(super) fn here() -> Self {
        if in_container() { Self::Container } else { Self::Machine }
    }
}

/// One check for each host. Of several it is enough that one is there.
pub(super) async fn checks(url: &RedisUrl, surroundings: Surroundings) -> Vec<Check> {
    if let Mode::Unix { path } = url.mode() {
        return vec![if path.exists() {
            Check::ok("redis socket", format!("{} is there", path.display()))
        } else {
            let remedy = "check the path, and that Redis runs with unixsocket set to it";
            Check::fail("redis socket", format!("{} is not there", path.display()), remedy)
        }];
    }
    let mut out = Vec::new();
    for host in url.hosts() {
        out.push(reach(host, surroundings).await);
    }
    if out.iter().any(|c| c.name == "redis connect" && c.status == Status::Ok) {
        for check in out.iter_mut().filter(|c| c.status == Status::Fail) {
            check.status = Status::Warn;
        }
    }
    out
}

async fn reach(host: &Host, surroundings: Surroundings) -> Check {
    let address = (host.name.as_str(), host.port);
    let found = match timeout(LIMIT, lookup_host(address)).await {
        Ok(Ok(found)) => found.collect::<Vec<_>>(),
        Ok(Err(e)) => return unknown(host, &e.to_string()),
        Err(_) => return unknown(host, "the name server does not answer"),
    };
    let Some(first) = found.first() else { return unknown(host, "it has no address") };
    match timeout(LIMIT, TcpStream::connect(found.as_slice())).await {
        Ok(Ok(_)) => Check::ok("redis connect", format!("{host} ({}) takes connections", first.ip())),
        Ok(Err(e)) => refused(host, surroundings, &e),
        Err(_) => Check::fail(
            "redis connect",
            format!("{host} ({}) does not answer within {LIMIT:?}", first.ip()),
            "check the address, and the firewalls between here and there",
        ),
    }
}

fn unknown(host: &Host, why: &str) -> Check {
    Check::fail(
        "redis name",
        format!("the host name {} is not known here: {why}", host.name),
        "check the name; with Compose it is the name of the service, and both must be on one network",
    )
}

fn refused(host: &Host, surroundings: Surroundings, error: &io::Error) -> Check {
    let remedy = match (error.kind(), surroundings) {
        (io::ErrorKind::ConnectionRefused, Surroundings::Container) if host.is_loopback() => {
            LOCALHOST_IN_A_CONTAINER
        }
        (io::ErrorKind::ConnectionRefused, _) => {
            "start Redis there (redis-server), or check the port; Redis listens beyond its own machine only if bind and protected-mode allow it"
        }
        _ => "check the address and the network",
    };
    Check::fail("redis connect", format!("{host}: {error}"), remedy)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn of(url: &str) -> Vec<Check> {
        checks(&RedisUrl::parse(url).expect("valid"), Surroundings::Machine).await
    }

    #[tokio::test]
    async fn localhost_in_a_container_is_told_for_what_it_is() {
        let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("works here");
        let port = taken.local_addr().expect("works here").port();
        drop(taken);
        let url = |host: &str| RedisUrl::parse(&format!("redis://{host}:{port}")).expect("valid");
        for host in ["127.0.0.1", "localhost"] {
            let inside = checks(&url(host), Surroundings::Container).await;
            assert_eq!(inside[0].status, Status::Fail, "{inside:?}");
            assert_eq!(inside[0].remedy.as_deref(), Some(LOCALHOST_IN_A_CONTAINER), "{inside:?}");
        }
        let outside = checks(&url("127.0.0.1"), Surroundings::Machine).await;
        assert!(outside[0].remedy.as_deref().is_some_and(|r| r.contains("redis-server")), "{outside:?}");
        // Another host that refuses is no such mistake.
        let other = Host { name: "redis".to_owned(), port };
        let check = refused(&other, Surroundings::Container, &io::ErrorKind::ConnectionRefused.into());
        assert_ne!(check.remedy.as_deref(), Some(LOCALHOST_IN_A_CONTAINER), "{check:?}");
    }

    #[tokio::test]
    async fn who_refuses_and_what_has_no_name_is_told_apart() {
        let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("works here");
        let port = taken.local_addr().expect("works here").port();
        let there = of(&format!("redis://127.0.0.1:{port}")).await;
        assert!(there.iter().any(|c| c.name == "redis connect" && c.status == Status::Ok), "{there:?}");
        // Of two hosts of a Cluster one is enough.
        let one = of(&format!("redis+cluster://nowhere.invalid:1,127.0.0.1:{port}")).await;
        assert!(one.iter().all(|c| c.status != Status::Fail), "{one:?}");
        assert!(one.iter().any(|c| c.name == "redis name" && c.status == Status::Warn), "{one:?}");
        drop(taken);
        let refused = of(&format!("redis://127.0.0.1:{port}")).await;
        let check = refused.iter().find(|c| c.name == "redis connect").expect("it was looked at");
        assert_eq!(check.status, Status::Fail, "{check:?}");
        let nowhere = of("redis://nowhere.invalid").await;
        assert_eq!(
            (nowhere[0].name.as_str(), nowhere[0].status),
            ("redis name", Status::Fail),
            "{nowhere:?}"
        );
        let socket = of("unix:///nowhere/redis.sock").await;
        assert_eq!(socket[0].status, Status::Fail);
    }
}
