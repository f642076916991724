//! Durable background tasks: define a kind as an async function, enqueue, work, await the result.
//!
//! ```
//! use posthaste::{Posthaste, TaskError};
//! use serde::{Deserialize, Serialize};
//! use std::time::Duration;
//!
//! #[derive(Serialize, Deserialize)]
//! struct Resize { file: String, width: u32 }
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! # let dir = tempfile::tempdir()?;
//! # let url = format!("sqlite:{}", dir.path().display());
//! let app = Posthaste::open(&url).await?; // "sqlite:./data"
//!
//! let resize = app.kind("resize", |job: Resize, _cx| async move {
//!     if job.width == 0 {
//!         return Err(TaskError::permanent("a width of zero"));
//!     }
//!     Ok(format!("{}@{}", job.file, job.width))
//! })?;
//!
//! let worker = app.worker().concurrency(4).start().await?;
//! let client = app.client();
//! let sent = client.enqueue(resize.task(&Resize { file: "cat.png".into(), width: 320 })).await?;
//! let name = client.wait(&sent, Duration::from_secs(10)).await?.into_result().unwrap();
//! assert_eq!(name, "cat.png@320");
//!
//! worker.shutdown().await;
//! app.close().await;
//! # Ok(()) }
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(run()).unwrap();
//! ```
//!
//! # What is promised
//! - An enqueue that returned `Ok` is stored: the embedded store has fsynced it.
//! - At least once: a task runs until it is final; a worker that dies is noticed when its lease ends
//!   and the task runs elsewhere. A handler may therefore run twice: make it idempotent, or call
//!   [`Context::mark`] right before what cannot be taken back.
//! - A late worker changes nothing: every write about a running task carries its lease token.
//!
//! # Where to look
//! - [`Posthaste`]: a store and its kinds · [`TaskKind`], [`Task`]: what to run, with its options
//! - [`Client`]: enqueue, wait, cancel, retry · [`WorkerBuilder`]: run
//! - [`TaskError`], [`RetryPolicy`]: what a failure means · [`schedule`]: cron
//! - [`testing`]: run handlers inline, see what was enqueued, let time pass · [`trace`]: spans from enqueue to attempt
//! - the examples `hello`, `retries_and_lanes`, `cron_and_batch`, `testing` beside this crate, and the page
//!   `docs/learn/library.md`

mod all;
mod app;
mod client;
mod error;
mod kind;
mod task;
pub mod testing;
pub mod trace;
mod worker;

pub use app::Posthaste;
pub use client::{Client, Sent, TaskResult};
pub use error::{ClientError, OpenError, TaskError, WaitError};
pub use kind::TaskKind;
pub use task::Task;
pub use worker::WorkerBuilder;

pub use posthaste_broker_redis::{Durability, RedisConfig};

pub use posthaste_core::broker::{Cancelled, PauseRequest, Retried};
pub use posthaste_core::limits::Retention;
pub use posthaste_core::{
    Attempt, Backoff, BrokerError, EndReason, FailureClass, Json, Kind, LaneKey, LaneLimits, Name,
    OnAmbiguous, Outcome, PauseReason, Priority, QueueName, RetryPolicy, Scope, State, Store,
    Task as StoredTask, TaskEnd, TaskId, Timestamp,
};
pub use posthaste_worker::{Context, Handler, MarkError, ShutdownReport, Worker, WorkerConfig, schedule};

/// The page about the library, so that its code is compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/learn/library.md")]
struct LibraryPage;
