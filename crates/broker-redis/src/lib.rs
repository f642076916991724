//! The distributed store: every rule of the two traits as Lua scripts on Redis or Valkey.
//!
//! The layout and its reasons are in `docs/adr/0005-redis-layout.md`.

mod workers;
mod series;
mod records;
mod reads;
mod overview;
mod health;
mod broker;
mod enqueue;
mod keys;
mod link;
mod names;
mod open;
mod people;
mod place;
mod record;
mod reply;
mod scripts;
mod shards;
mod spread;
mod store;
mod stub;
mod tick;
mod url;
mod work;

pub use link::{LOCALHOST_IN_A_CONTAINER, container_help, in_container};
pub use open::{Durability, OpenError, RedisConfig, StoreClock};
pub use store::RedisStore;
pub use url::{Host, Mode, RedisUrl, UrlError};
