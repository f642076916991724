//! The tests that run on each store; the harness sees by the name of this module which one that is.

pub(crate) mod harness;

mod attachments;
mod audit;
mod batches;
mod bulk;
mod callbacks;
mod contract;
mod crossing;
mod doors;
mod endpoints;
mod events;
mod faults;
mod guard;
mod idempotency;
mod keys;
mod limits;
mod matrix;
mod notifications;
mod old_routes;
mod panics;
mod providers;
mod queues;
mod recipients;
mod refusals;
mod sandbox;
mod schedules;
mod serving;
mod signing;
mod stats;
mod suppressions;
mod tasks;
mod templates;
mod tenants;
mod unsubscribe;
mod urls;
mod whoami;
