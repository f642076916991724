//! The HTTP API: the operations ([`Api`]), one file per endpoint under `routes`, the problem
//! table, OpenAPI, metrics, and the rules about who may call ([`guard`]).
//!
//! The three old routes (`/notify`, `/task_status/{task_id}`, `/health`) answer errors as
//! `{"detail": …}`; everything under `/v1` answers problem+json.

mod auth;
mod base_path;
mod config;
mod connections;
mod detail;
mod error;
mod guard;
mod input;
pub mod metrics;
mod openapi;
mod operations;
mod panics;
mod plain;
pub mod problem;
mod responses;
mod routes;
mod schema;
mod serve;
mod sse;
mod traced;
pub mod view;

pub use auth::{
    Access, AccessRow, Actor, AuditFilter, AuditPage, AuditView, Caller, ConfiguredKey, ConfiguredKeyError,
    KeyScope, KeyView, NewKey, NewKeyView, Pages, ProxyNet, RateLimit, Scopes, Via,
};
pub use base_path::BasePath;
pub use config::{ApiConfig, Cors, DEFAULT_FAILED_ATTEMPTS, HostRule};
pub use connections::ConnectionLimits;
pub use error::{ApiError, FieldError, Loc, ProblemBody};
pub use guard::{guard, guard_with};
pub use openapi::openapi;
pub use operations::providers::ConfiguredProvider;
pub use operations::{Api, EnqueueAnswer, MAX_WAIT};
pub use posthaste_core::broker::{Bodies, Enqueued, ListFilter, ListRequest};
pub use serve::{serve, serve_within};
pub use view::{AttemptView, TaskErrorView, TaskPage, TaskView};

/// Every route of the API and what it asks of its caller.
pub const ROUTES: &[AccessRow] = routes::ACCESS;
