//! The distributed store: every rule of the two traits as Lua scripts on Redis or Valkey.
//!
//! The layout and its reasons are in `docs/adr/0005-redis-layout.md`.

mod link;
mod url;

pub use link::{LOCALHOST_IN_A_CONTAINER, container_help, in_container};
pub use url::{Host, Mode, RedisUrl, UrlError};
