//! Redis: from the URL to a harmless write, each step only if the one before it worked.

mod connect;
mod data;
mod disk;
mod reach;
mod server;

use super::{Check, Status};
use crate::settings::store::RedisSettings;
use connect::Node;
use reach::Surroundings;

/// Everything about the Redis that the settings name.
pub(crate) async fn checks(redis: &RedisSettings) -> Vec<Check> {
    let mut out = vec![Check::ok("redis url", redis.url.to_string())];
    out.extend(reach::checks(&redis.url, Surroundings::here()).await);
    if out.iter().any(|c| c.status == Status::Fail) {
        return out;
    }
    let mut nodes = match connect::masters(&redis.url).await {
        Ok(nodes) => nodes,
        Err(problem) => {
            out.push(Check::fail(
                "redis ping",
                problem,
                "mend what it names; the URL says where Redis is, with which user and password",
            ));
            return out;
        }
    };
    let several = nodes.len() > 1;
    for node in &mut nodes {
        let mut found = of_node(node, redis).await;
        if several {
            found.iter_mut().for_each(|c| c.found = format!("{}: {}", node.name, c.found));
        }
        out.extend(found);
    }
    if out.iter().all(|c| c.status != Status::Fail) {
        out.extend(data::checks(&mut nodes, redis).await);
    }
    out
}

async fn of_node(node: &mut Node, redis: &RedisSettings) -> Vec<Check> {
    let clock = server::clock(node).await;
    match node.ask::<String>(redis::cmd("INFO").arg("everything")).await {
        Ok(info) => {
            let mut out = vec![Check::ok("redis ping", "it answers")];
            let info = server::Info::new(&info);
            out.extend(server::checks(&info, redis));
            out.extend(disk::checks(node, &info).await);
            out.push(clock);
            out
        }
        Err(problem) => {
            vec![Check::fail("redis ping", problem, "allow PING, INFO and TIME to the user of the URL")]
        }
    }
}
