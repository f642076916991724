//! `/v1/signing-secret`: what signs the calls of the installation.

pub(crate) mod get;
pub(crate) mod rotate;
