//! Schedules: tasks that are enqueued by the clock.

pub(crate) mod delete;
pub(crate) mod get;
pub(crate) mod hold;
pub(crate) mod list;
pub(crate) mod put;
pub(crate) mod run;
