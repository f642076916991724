//! The notify handler against real SMTP servers, one binary so that it links once.

mod answers;
mod common;
mod delivery;
mod message;
mod sandbox;
mod tls;
