//! The distributed store: every rule of the three traits as Lua scripts on Redis or Valkey.
//!
//! The layout and its reasons are in `docs/adr/0005-redis-layout.md`.

mod bell;
mod broker;
mod busy;
mod enqueue;
mod gate;
mod health;
mod held;
mod keys;
mod link;
mod live;
mod memory;
mod names;
mod open;
mod overview;
mod pack;
mod patience;
mod people;
mod place;
mod portable;
mod pump;
mod reads;
mod recipients;
mod record;
mod records;
mod replicas;
mod reply;
mod scripts;
mod series;
mod shards;
mod shares;
mod spread;
mod store;
mod tick;
mod time;
mod url;
mod work;
mod workers;

pub use link::{LOCALHOST_IN_A_CONTAINER, container_help, in_container};
pub use open::{Durability, OpenError, RedisConfig, StoreClock};
pub use store::RedisStore;
pub use url::{Host, Mode, RedisUrl, UrlError};
