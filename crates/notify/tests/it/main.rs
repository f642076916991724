//! The notify handler against real SMTP servers, one binary so that it links once.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod answers;
mod common;
mod delivery;
mod message;
mod sandbox;
mod tls;
