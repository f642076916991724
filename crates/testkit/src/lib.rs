//! Builders, clocks, fault injection, real sinks and real Redis servers, for tests only.

pub mod build;
pub mod certificate;
pub mod clock;
pub mod closed;
pub mod fault;
pub mod http;
pub mod otlp;
pub mod redis;
pub mod smtp;

pub use build::{claim_of, claimed, kind, queue, task, task_in_lane};
pub use certificate::{SelfSigned, TlsFront};
pub use clock::frozen_clock;
pub use closed::ClosedPort;
pub use fault::{Fault, FaultStore, Method};
pub use http::{HttpAction, HttpReply, HttpSink, SunkRequest};
pub use redis::{Appendonly, RedisCluster, RedisOptions, RedisServer, Reply, Wire, protected_redis};
