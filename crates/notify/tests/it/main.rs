//! The notify handler against real SMTP and HTTP servers, one binary so that it links once.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod answers;
mod chats;
mod common;
mod connections;
mod contract;
mod delivery;
mod mail_parts;
mod message;
mod neighbours;
mod net;
mod replies;
mod sandbox;
mod tasks;
mod tenants;
mod tls;
mod webhook;
mod wire;
