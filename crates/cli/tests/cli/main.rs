//! The real binary, as its users run it.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod apart;
mod client;
mod import;
mod moving;
mod resources;
mod support;
mod traces;
mod up;
mod verbs;
