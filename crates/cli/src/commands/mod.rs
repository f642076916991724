//! One file per verb.

pub(crate) mod api;
pub(crate) mod backup;
pub(crate) mod bench;
pub(crate) mod completions;
pub(crate) mod config;
pub(crate) mod doctor;
pub(crate) mod health;
pub(crate) mod migrate;
mod moving;
pub(crate) mod openapi;
pub(crate) mod restore;
pub(crate) mod send;
mod serve;
pub(crate) mod tasks;
pub(crate) mod up;
pub(crate) mod worker;
pub(crate) mod workers;
