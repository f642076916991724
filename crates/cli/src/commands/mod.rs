//! One file per verb.

pub mod bench;
pub mod completions;
pub mod config;
pub mod doctor;
pub mod health;
pub mod openapi;
pub mod send;
pub mod tasks;
pub mod up;
