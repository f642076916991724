//! The sandbox.

pub(crate) mod clear;
pub(crate) mod faults;
pub(crate) mod list;
