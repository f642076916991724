//! What keeps a panic within the request that meets it: its caller is answered, and the connection lives on.
//!
//! The line in the log is written by the panic hook of the program, within the scope of the request, so it is not written
//! here a second time.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// Somebody's code panicked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Panicked;

/// What `call` answers, unless it panics. Whatever it was at work on must not be used afterwards.
///
/// # Errors
/// [`Panicked`].
pub(crate) fn caught<T>(call: impl FnOnce() -> T) -> Result<T, Panicked> {
    catch_unwind(AssertUnwindSafe(call)).map_err(|payload| {
        // What was thrown may panic as it is dropped.
        let _ = catch_unwind(AssertUnwindSafe(move || drop(payload)));
        Panicked
    })
}
