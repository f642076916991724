//! The real binary, as its users run it.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod apart;
mod moving;
mod support;
mod up;
mod verbs;
