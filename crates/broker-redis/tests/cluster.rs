//! The suite that every store passes, on a Cluster of three masters.
//!
//! A Cluster takes two seconds to take writes, so the cases share one, each with namespaces of its own.

mod harness;

use std::sync::Arc;

use harness::Redis;
use posthaste_broker_conformance::check_every_case;
use posthaste_testkit::RedisCluster;

#[test]
fn every_rule_holds_on_a_cluster_with_one_shard() {
    let cluster = Arc::new(RedisCluster::start(3));
    check_every_case(|index| Arc::new(Redis::cluster(&cluster, 1, index)));
}

#[test]
fn every_rule_holds_on_a_cluster_with_several_shards() {
    let cluster = Arc::new(RedisCluster::start(3));
    check_every_case(|index| Arc::new(Redis::cluster(&cluster, 8, index)));
}
