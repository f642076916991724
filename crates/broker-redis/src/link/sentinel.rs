//! Who is the master, by the sentinels, and the news that this changes.
//!
//! A planned failover (`SENTINEL FAILOVER`) leaves the old master a master, in its own eyes, for some ten seconds after a
//! replica has taken its place. It goes on to accept, and all of that is lost. So each sentinel is listened to, also those
//! that the URL does not name: the one that leads a failover says so about 300 ms before it promotes a replica. Answers
//! that come after such news are not believed until the sentinels have said who is the master now ([`super::peer`]).
//!
//! The sentinels learn of a new master one by one, within seconds. So all of them are asked, and the highest epoch of
//! configuration is right (Redis documentation, "High availability with Redis Sentinel", on configuration epochs).

use std::collections::{BTreeSet, HashMap};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use redis::aio::MultiplexedConnection;
use redis::{Cmd, PushInfo, PushKind, Value};
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout, timeout_at};

use super::dial::{CONNECT_TIMEOUT, Route, open_sentinel};
use super::error::sentence;
use super::peer::{Peer, pause};
use super::{plain, role};
use crate::url::{Host, Mode};

/// How long the slower sentinels are waited for once one has answered.
const GRACE: Duration = Duration::from_millis(300);
/// How often each sentinel is asked beside what it tells by itself.
const ASK_EVERY: Duration = Duration::from_secs(1);
/// For so long nobody is believed who knows less than was known: whoever set the sentinels up anew must not wait for ever.
const REMEMBERED: Duration = Duration::from_secs(30);
/// Sentinels that are listened to.
pub(super) const MAX_SENTINELS: usize = 64;
/// News that waits to be read.
const MAX_WAITING: usize = 256;

/// What is known of the sentinels, by all connections of a process.
#[derive(Default)]
pub(super) struct Sentinels {
    /// Those that the sentinels of the URL know beside themselves.
    others: Mutex<BTreeSet<Host>>,
    /// The highest epoch of configuration that was seen, and when.
    epoch: Mutex<Option<(u64, Instant)>>,
}

/// What one sentinel says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct View {
    /// The master.
    pub(super) master: Host,
    /// The epoch of its configuration.
    pub(super) epoch: u64,
    /// A failover from this master goes on.
    pub(super) failing_over: bool,
}

impl Sentinels {
    /// The sentinels of the URL, then the others.
    fn all(&self, route: &Route) -> Vec<Host> {
        let mut all = route.url.hosts.clone();
        let others = self.others.lock().unwrap_or_else(PoisonError::into_inner);
        all.extend(others.iter().filter(|host| !route.url.hosts.contains(host)).cloned());
        all.truncate(MAX_SENTINELS);
        all
    }

    fn learn(&self, host: &Host) {
        let mut others = self.others.lock().unwrap_or_else(PoisonError::into_inner);
        if others.len() < MAX_SENTINELS {
            others.insert(host.clone());
        }
    }

    /// Whether an epoch is not older than what is known; it is remembered.
    fn admits(&self, epoch: u64, now: Instant) -> bool {
        let mut known = self.epoch.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *known {
            Some((highest, at)) if epoch < *highest && now.duration_since(*at) < REMEMBERED => false,
            known => {
                *known = Some((epoch, now));
                true
            }
        }
    }
}

/// The name of the master in the configuration of the sentinels.
fn service(route: &Route) -> &str {
    match &route.url.mode {
        Mode::Sentinel { service } => service,
        Mode::Single | Mode::Cluster | Mode::Unix { .. } => "",
    }
}

/// Asks all sentinels which server is the master now: at once, since one whose machine is gone takes the whole
/// [`CONNECT_TIMEOUT`]. Those that are slower than the first by [`GRACE`] are not waited for.
pub(super) async fn master(route: &Route) -> Result<View, String> {
    let mut asked = route
        .sentinels
        .all(route)
        .into_iter()
        .enumerate()
        .map(async |(index, host)| ask(route, &host).await.map_err(|why| (index, why)))
        .collect::<FuturesUnordered<_>>();
    let (mut views, mut problems) = (Vec::new(), Vec::new());
    let mut until = Instant::now() + CONNECT_TIMEOUT * 2;
    while let Ok(Some(answer)) = timeout_at(until, asked.next()).await {
        match answer {
            Ok(view) => {
                until = until.min(Instant::now() + GRACE);
                views.push(view);
            }
            Err(problem) => problems.push(problem),
        }
    }
    if let Some(best) = best(views) {
        return decided(route, best, Instant::now());
    }
    // In the order of the URL, so that the same trouble has the same text, which is logged once.
    problems.sort();
    Err(problems.into_iter().map(|(_, why)| why).collect::<Vec<_>>().join("; "))
}

/// The newest of what the sentinels say; of the same age, one that knows of a failover.
fn best(views: Vec<View>) -> Option<View> {
    views.into_iter().max_by_key(|view| (view.epoch, view.failing_over))
}

fn decided(route: &Route, view: View, now: Instant) -> Result<View, String> {
    if !route.sentinels.admits(view.epoch, now) {
        return Err(format!(
            "the sentinels that answer do not know the new master of {:?} yet",
            service(route)
        ));
    }
    if view.failing_over {
        return Err(format!("a failover of {:?} from {} goes on", service(route), view.master));
    }
    Ok(view)
}

async fn ask(route: &Route, sentinel: &Host) -> Result<View, String> {
    let mut connection = open_sentinel(route, sentinel, |_| {}).await?;
    view(&mut connection, route, sentinel).await
}

/// What a sentinel says over a connection to it.
async fn view(
    connection: &mut MultiplexedConnection,
    route: &Route,
    sentinel: &Host,
) -> Result<View, String> {
    let service = service(route);
    let mut more = connection.clone();
    // As one write. The first names the new master as soon as a failover has one, the second still the old one.
    let (named, told) = (command("get-master-addr-by-name", service), command("master", service));
    let asked =
        futures_util::future::join(connection.send_packed_command(&named), more.send_packed_command(&told));
    let (named, told) = timeout(CONNECT_TIMEOUT, asked)
        .await
        .map_err(|_| format!("the sentinel at {sentinel} did not answer"))?;
    let master = match named.map_err(|error| format!("the sentinel at {sentinel}: {error}"))? {
        Value::Array(parts) => host_of(&parts)
            .ok_or_else(|| format!("the sentinel at {sentinel} gave no address of its master"))?,
        Value::Nil => {
            return Err(format!(
                "the sentinel at {sentinel} knows no master {service:?}; the path of REDIS_URL names it, as in /mymaster/0"
            ));
        }
        Value::ServerError(error) => return Err(format!("the sentinel at {sentinel}: {}", sentence(&error))),
        _ => return Err(format!("the sentinel at {sentinel} gave an answer that is none")),
    };
    // A user that may not ask for the rest still learns the address.
    let told = told.map(fields).unwrap_or_default();
    let goes_on = told.get("flags").is_some_and(|flags| flags.contains("failover_in_progress"));
    let is_old = told.get("ip") == Some(&master.name)
        && told.get("port").is_some_and(|port| *port == master.port.to_string());
    let epoch = told.get("config-epoch").and_then(|epoch| epoch.parse().ok()).unwrap_or(0);
    Ok(View { master, epoch, failing_over: goes_on && is_old })
}

fn command(what: &str, service: &str) -> Cmd {
    let mut command = redis::cmd("SENTINEL");
    command.arg(what).arg(service);
    command
}

fn host_of(parts: &[Value]) -> Option<Host> {
    let [name, port] = parts else { return None };
    Some(Host { name: role::text(name)?, port: role::text(port)?.parse().ok()? })
}

/// The fields of an answer, whether it came as a map or as a list.
fn fields(value: Value) -> HashMap<String, String> {
    let Value::Array(parts) = plain(value) else { return HashMap::new() };
    let pair = |pair: &[Value]| Some((role::text(&pair[0])?, role::text(&pair[1])?));
    parts.chunks_exact(2).filter_map(pair).collect()
}

/// Listens to every sentinel until nobody holds the peer any more.
pub(super) fn watch(route: &Arc<Route>, peer: &Weak<Peer>) {
    for sentinel in route.sentinels.all(route) {
        if peer.upgrade().is_some_and(|peer| peer.listens_anew(&sentinel)) {
            let _listening_handle = tokio::spawn(listening(route.clone(), peer.clone(), sentinel));
        }
    }
}

async fn listen(route: Arc<Route>, peer: Weak<Peer>, sentinel: Host) {
    let mut failures = 0_u32;
    while peer.strong_count() > 0 {
        tokio::time::sleep(pause(failures)).await;
        match hear(&route, &peer, &sentinel).await {
            Ok(()) => failures = 1,
            Err(why) => {
                failures = failures.saturating_add(1);
                tracing::debug!(%sentinel, "{why}");
            }
        }
    }
}

/// One connection to a sentinel: what it tells and what it answers, until the connection ends.
async fn hear(route: &Arc<Route>, peer: &Weak<Peer>, sentinel: &Host) -> Result<(), String> {
    let (tx, mut rx) = mpsc::channel(MAX_WAITING);
    let pushes = move |info: PushInfo| {
        // What does not fit is made good by the question of every second.
        let _overrun = tx.try_send(info);
    };
    let mut connection = open_sentinel(route, sentinel, pushes).await?;
    connection.psubscribe("*").await.map_err(|error| format!("the sentinel at {sentinel}: {error}"))?;
    find_others(&mut connection, route, peer).await;
    let mut ask_again = interval(ASK_EVERY);
    ask_again.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            push = rx.recv() => match push {
                Some(PushInfo { kind: PushKind::PMessage, data }) => match news(&data, service(route)) {
                    Some(News::Begins(old)) => peer.upgrade().iter().for_each(|peer| peer.failover(&old)),
                    Some(News::Switched(new)) => peer.upgrade().iter().for_each(|peer| peer.switched(&new)),
                    Some(News::Sentinel) => find_others(&mut connection, route, peer).await,
                    None => {}
                },
                Some(PushInfo { kind: PushKind::Disconnection, .. }) | None => return Ok(()),
                Some(_) => {}
            },
            _ = ask_again.tick() => {
                let seen = view(&mut connection, route, sentinel).await?;
                let Some(peer) = peer.upgrade() else { return Ok(()) };
                peer.compare(&seen);
            }
        }
    }
}

/// Learns of sentinels that the URL does not name, and listens to them as well: any of them may lead a failover.
async fn find_others(connection: &mut MultiplexedConnection, route: &Arc<Route>, peer: &Weak<Peer>) {
    let asked = command("sentinels", service(route));
    let Ok(Ok(Value::Array(rows))) = timeout(CONNECT_TIMEOUT, connection.send_packed_command(&asked)).await
    else {
        return;
    };
    for told in rows.into_iter().map(fields) {
        let (Some(name), Some(port)) = (told.get("ip"), told.get("port").and_then(|port| port.parse().ok()))
        else {
            continue;
        };
        let host = Host { name: name.clone(), port };
        route.sentinels.learn(&host);
        // Each runtime listens for its own connections.
        if peer.upgrade().is_some_and(|peer| peer.listens_anew(&host)) {
            let _listening_handle = tokio::spawn(listening(route.clone(), peer.clone(), host));
        }
    }
}

/// As [`listen`], which begins others like itself.
fn listening(
    route: Arc<Route>,
    peer: Weak<Peer>,
    sentinel: Host,
) -> Pin<Box<dyn Future<Output = ()> + Send>> {
    Box::pin(listen(route, peer, sentinel))
}

/// What a message of a sentinel means.
#[derive(Debug, PartialEq, Eq)]
enum News {
    /// A failover from this master begins.
    Begins(Host),
    /// This is the master now.
    Switched(Host),
    /// There is another sentinel.
    Sentinel,
}

/// Reads `[pattern, channel, message]`. A message names an instance as `master <name> <ip> <port>`, or as
/// `slave <name> <ip> <port> @ <master> <ip> <port>`; `+switch-master` is `<name> <ip> <port> <ip> <port>`, old and new.
fn news(data: &[Value], service: &str) -> Option<News> {
    let [_, channel, message] = data else { return None };
    let (channel, message) = (role::text(channel)?, role::text(message)?);
    let words = message.split_ascii_whitespace().collect::<Vec<_>>();
    let host =
        |at: usize| Some(Host { name: (*words.get(at)?).to_owned(), port: words.get(at + 1)?.parse().ok()? });
    if channel == "+switch-master" {
        return (words.first() == Some(&service)).then(|| host(3)).flatten().map(News::Switched);
    }
    let of = match words.iter().position(|word| *word == "@") {
        Some(at) => at + 1,
        None => 1,
    };
    if words.get(of) != Some(&service) {
        return None;
    }
    let begins = ["+try-failover", "+elected-leader", "+selected-slave", "+promoted-slave"];
    match channel.as_str() {
        "+sentinel" => Some(News::Sentinel),
        channel if begins.contains(&channel) || channel.starts_with("+failover-state-") => {
            host(of + 1).map(News::Begins)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::url::RedisUrl;

    fn host(port: u16) -> Host {
        Host { name: "10.0.0.1".to_owned(), port }
    }

    fn view(port: u16, epoch: u64, failing_over: bool) -> View {
        View { master: host(port), epoch, failing_over }
    }

    #[test]
    fn the_newest_configuration_is_believed() {
        assert_eq!(best(Vec::new()), None);
        assert_eq!(
            best(vec![view(1, 3, false), view(2, 4, false), view(1, 3, false)]),
            Some(view(2, 4, false))
        );
        assert_eq!(best(vec![view(1, 3, false), view(1, 3, true)]), Some(view(1, 3, true)), "it knows more");
        assert_eq!(best(vec![view(1, 3, true), view(2, 4, false)]), Some(view(2, 4, false)), "it is over");
    }

    #[test]
    fn who_knows_less_is_not_believed_for_a_while() {
        let url = RedisUrl::parse("redis+sentinel://h:1/mymaster/0").expect("a good URL");
        let (route, now) = (Route::new(url), Instant::now());
        assert!(decided(&route, view(2, 4, false), now).is_ok());
        assert!(decided(&route, view(1, 3, false), now).is_err_and(|why| why.contains("new master")));
        assert!(decided(&route, view(2, 4, true), now).is_err_and(|why| why.contains("goes on")));
        let later = now + REMEMBERED;
        assert!(decided(&route, view(1, 1, false), later).is_ok(), "the sentinels were set up anew");
    }

    #[test]
    fn news_is_told_from_what_does_not_matter() {
        let read = |channel: &str, message: &str| {
            let text = |text: &str| Value::BulkString(text.as_bytes().to_vec());
            news(&[text("*"), text(channel), text(message)], "mymaster")
        };
        let begins = |channel: &str, message: &str| {
            assert_eq!(read(channel, message), Some(News::Begins(host(1))), "{channel}");
        };
        begins("+try-failover", "master mymaster 10.0.0.1 1");
        begins("+failover-state-select-slave", "master mymaster 10.0.0.1 1");
        begins("+selected-slave", "slave 10.0.0.2:2 10.0.0.2 2 @ mymaster 10.0.0.1 1");
        begins("+failover-state-send-slaveof-noone", "slave 10.0.0.2:2 10.0.0.2 2 @ mymaster 10.0.0.1 1");
        assert_eq!(read("+switch-master", "mymaster 10.0.0.2 2 10.0.0.1 1"), Some(News::Switched(host(1))));
        assert_eq!(read("+sentinel", "sentinel abc 10.0.0.9 9 @ mymaster 10.0.0.1 1"), Some(News::Sentinel));
        for (channel, message) in [
            ("+try-failover", "master other 10.0.0.1 1"),
            ("+switch-master", "other 10.0.0.2 2 10.0.0.1 1"),
            ("+sdown", "slave 10.0.0.2:2 10.0.0.2 2 @ mymaster 10.0.0.1 1"),
            ("-failover-abort-no-good-slave", "master mymaster 10.0.0.1 1"),
            ("+new-epoch", "7"),
            ("+try-failover", ""),
        ] {
            assert_eq!(read(channel, message), None, "{channel} {message}");
        }
    }
}
