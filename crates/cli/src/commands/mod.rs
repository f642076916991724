//! One file per verb.

pub(crate) mod bench;
pub(crate) mod completions;
pub(crate) mod config;
pub(crate) mod doctor;
pub(crate) mod health;
pub(crate) mod openapi;
pub(crate) mod send;
pub(crate) mod tasks;
pub(crate) mod up;
