//! The subscription to a store's events while somebody in this process watches.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use posthaste_core::{BrokerError, Event, FailureClass, State, Timestamp};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, sleep};

use crate::keys::Key;
use crate::link::{Heard, Oom, Script};
use crate::live::Shared;
use crate::reads::unhex;
use crate::record::corrupt;

/// For how long the scripts are told to publish.
const WATCH: Duration = Duration::from_secs(30);
/// The same where a test's clock leaps.
const WATCH_GIVEN: Duration = Duration::from_secs(366 * 24 * 3600);
/// How often they are told.
const RENEW: Duration = Duration::from_secs(10);
/// Pause before they are told again, if that failed.
const AGAIN: Duration = Duration::from_millis(200);

static WATCHED: LazyLock<Script> = LazyLock::new(|| {
    let text = "call('HSET', P .. 'm', 'watch', string.format('%.0f', now + tonumber(ARGV[2])))\nreturn 1\n";
    Script::with("watch", Oom::Allow, &[include_str!("lua/reader.lua"), text])
});

/// An event as the scripts write it: key in hex, route, state, time, attempt, generation, class, next try.
type Told = (String, u32, u8, i64, u32, u32, Option<u8>, Option<i64>);

/// Listens to every shard until nobody watches or the store is closed.
pub(crate) async fn run(shared: Arc<Shared>) {
    let mut closed = shared.closed.subscribe();
    tokio::select! {
        // The sender is in `shared`.
        _ = closed.wait_for(|closed| *closed) => {}
        () = pump(&shared) => {}
    }
}

async fn pump(shared: &Arc<Shared>) {
    let count = shared.shards.counted().await;
    let (tx, mut ready) = mpsc::channel(usize::from(count));
    // Dropping the set ends what is in it.
    let mut listeners = JoinSet::new();
    for shard in 0..count {
        listeners.spawn(listen(Arc::clone(shared), shard, tx.clone()));
    }
    for _ in 0..count {
        if ready.recv().await.is_none() {
            return;
        }
    }
    if shared.activate() {
        shared.missed();
    }
    let mut look = interval(RENEW);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        look.tick().await;
        if shared.end_if_unheard() {
            return;
        }
    }
}

/// Listens to one shard; says once that what happens from now on is heard.
async fn listen(shared: Arc<Shared>, shard: u16, ready: mpsc::Sender<()>) {
    let mut listener = shared.shards.link().listen(shared.shards.key(shard, "ev").into_bytes());
    let mut renew = interval(RENEW);
    renew.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut first = true;
    loop {
        let heard = tokio::select! {
            heard = listener.next() => heard,
            _ = renew.tick(), if !first => {
                // If it fails, the connection was lost or soon will be; either way it is told again.
                let _ = watch(&shared, shard).await;
                continue;
            }
        };
        match heard {
            Some(Heard::Subscribed) => {
                // Subscribed first, then published: the other way round the first events would be lost.
                while watch(&shared, shard).await.is_err() {
                    sleep(AGAIN).await;
                }
                if first {
                    let _ = ready.send(()).await;
                } else {
                    shared.missed();
                }
                first = false;
                renew.reset();
            }
            Some(Heard::Message(text)) => match events(&shared, shard, &text).await {
                Ok(events) => shared.publish(events),
                Err(e) => {
                    tracing::warn!(shard, error = %e, "events that cannot be read are left out");
                    shared.missed();
                }
            },
            None => return,
        }
    }
}

/// Tells a shard's scripts to publish for a while.
async fn watch(shared: &Shared, shard: u16) -> Result<(), BrokerError> {
    let shards = &shared.shards;
    let time = if shards.time_is_given() { WATCH_GIVEN } else { WATCH };
    let mut call = WATCHED.call(&shards.m_key(shard));
    call.arg(shards.clock_arg()).int(time.as_millis() as i64);
    shards.link().run(call).await.map(drop)
}

async fn events(shared: &Shared, shard: u16, text: &[u8]) -> Result<Vec<Event>, BrokerError> {
    let told: Vec<Told> = serde_json::from_slice(text).map_err(|e| corrupt(format!("events: {e}")))?;
    let routes = shared.names.routes(&shared.shards, shard, told.iter().map(|t| t.1)).await?;
    told.into_iter()
        .map(|(key, route, state, at, attempt, generation, class, next_at)| {
            let key = unhex(&key).and_then(|bytes| Key::from_slice(&bytes));
            let (Some(key), Some(route), Some(state)) = (key, routes.get(&route), State::from_code(state))
            else {
                return Err(corrupt("an event that says what cannot be"));
            };
            Ok(Event {
                id: key.id(),
                kind: route.kind.clone(),
                queue: route.queue.clone(),
                state,
                at: Timestamp::from_millis(at),
                attempt,
                generation,
                class: class.and_then(FailureClass::from_code),
                next_at: next_at.map(Timestamp::from_millis),
            })
        })
        .collect()
}
