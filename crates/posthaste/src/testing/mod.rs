//! Testing code that uses this library: run a handler inline, see what was enqueued, let time pass.
//!
//! - [`run`]: runs the handler of one task right here, without a store, a worker or a retry. For tests of handlers.
//! - [`TestApp`]: a [`Posthaste`](crate::Posthaste) on a temporary store whose clock is yours. For tests of code that
//!   enqueues: what it stored ([`TestApp::enqueued`], [`TestApp::notifications`]), and what becomes of it
//!   ([`TestApp::run_due`], [`TestApp::advance`]).
//!
//! It is the real embedded store, so unique keys, idempotency keys, delays, retries and limits behave as in production.
//!
//! ```
//! use posthaste::testing::{self, TestApp};
//! use posthaste::{Posthaste, State, TaskError, TaskKind};
//!
//! // The program under test: its kinds, and a function that enqueues.
//! fn kinds(app: &Posthaste) -> Result<TaskKind<String, usize>, posthaste::ClientError> {
//!     app.kind("count", |text: String, _cx| async move {
//!         if text.is_empty() { Err(TaskError::permanent("nothing to count")) } else { Ok(text.len()) }
//!     })
//! }
//!
//! # testing::block_on(async {
//! let test = TestApp::open().await;
//! let count = kinds(test.app())?;
//!
//! // The handler alone.
//! assert_eq!(testing::run(test.app(), count.task(&"four".into())).await.result(), Ok(4));
//!
//! // What is enqueued, and what becomes of it.
//! test.app().client().enqueue(count.task(&"three".into()).delay(std::time::Duration::from_secs(60))).await?;
//! assert_eq!(test.enqueued_of(&count).await, ["three"]);
//! test.run_due().await;
//! assert_eq!(test.enqueued().await[0].state, State::Scheduled, "it is not due yet");
//! test.advance(std::time::Duration::from_secs(61)).await;
//! test.run_due().await;
//! assert_eq!(test.enqueued().await[0].state, State::Succeeded);
//! # test.close().await;
//! # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
//! ```

mod app;
mod inline;

pub use app::{EnqueuedTask, SentNotification, TestApp};
pub use inline::{Inline, Ran, run};

/// Runs a future to its end on a runtime of its own: for examples, and for tests without a runtime.
///
/// ```
/// assert_eq!(posthaste::testing::block_on(async { 42 }), 42);
/// ```
///
/// # Panics
/// When no runtime can be made, or within one.
pub fn block_on<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime of one thread can be made").block_on(future)
}
