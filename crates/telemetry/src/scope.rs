//! What the code that runs now is about.
//!
//! A future that serves a request or runs an attempt carries a [`Scope`] and enters it at each poll. The log reads the
//! scope of its thread when it writes a line, so a line costs what it costs, and no line costs nothing: entering is two
//! moves of a few words. (A `tracing` span per task would be a microsecond each, whether or not a line is written.)
//!
//! What a handler spawns runs outside of its scope; wrap such a future in [`Scope::cover`].

use std::cell::RefCell;
use std::fmt::Display;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use crate::TraceContext;

thread_local! {
    static CURRENT: RefCell<Scope> = const { RefCell::new(Scope { about: None, trace: None }) };
}

/// A field of a log line.
pub enum Field<'a> {
    /// A text.
    Text(&'a dyn Display),
    /// A number.
    Number(u64),
}

/// Names what a scope is about: `request_id`, or `task_id`, `kind`, `queue`, `attempt`.
pub trait Fields: Send + Sync {
    /// Calls `write` with each field.
    fn fields(&self, write: &mut dyn FnMut(&'static str, Field<'_>));
}

/// A request or attempt, and where in which trace it is.
#[derive(Clone, Default)]
pub struct Scope {
    about: Option<Arc<dyn Fields>>,
    trace: Option<TraceContext>,
}

impl Scope {
    /// About `about`.
    pub fn new(about: Arc<dyn Fields>, trace: Option<TraceContext>) -> Self {
        Self { about: Some(about), trace }
    }

    /// What the code that runs now is about, to take along into a spawned future.
    pub fn current() -> Self {
        CURRENT.with_borrow(Clone::clone)
    }

    /// Where in which trace it is.
    pub fn trace(&self) -> Option<TraceContext> {
        self.trace
    }

    /// Makes it the scope of this thread until the guard is dropped.
    ///
    /// ```
    /// use posthaste_telemetry::{Scope, TraceContext, scope};
    ///
    /// let context = TraceContext { trace_id: 7, span_id: 8, sampled: true };
    /// let mut scope = Scope::default().with_trace(Some(context));
    /// {
    ///     let _entered = scope.enter();
    ///     assert_eq!(scope::trace(), Some(context));
    /// }
    /// assert_eq!(scope::trace(), None);
    /// ```
    pub fn enter(&mut self) -> Entered<'_> {
        CURRENT.with_borrow_mut(|current| std::mem::swap(current, self));
        Entered { scope: self }
    }

    /// At another place of its trace.
    #[must_use]
    pub fn with_trace(mut self, trace: Option<TraceContext>) -> Self {
        self.trace = trace;
        self
    }

    /// `future`, within this scope at each poll.
    pub fn cover<F: Future>(self, future: F) -> Covered<F> {
        Covered { scope: self, future: Box::pin(future) }
    }
}

/// Where in which trace the code that runs now is.
pub fn trace() -> Option<TraceContext> {
    CURRENT.with_borrow(|scope| scope.trace)
}

/// Calls `write` with every field that a log line of this moment should carry: those of the request or attempt, and
/// `trace_id` and `span_id` where there are any.
pub fn fields(write: &mut dyn FnMut(&'static str, Field<'_>)) {
    // At the end of a thread its scope is gone, and a line may still be written.
    let _ = CURRENT.try_with(|current| {
        let Ok(scope) = current.try_borrow() else { return };
        if let Some(about) = &scope.about {
            about.fields(write);
        }
        if let Some(trace) = &scope.trace {
            write("trace_id", Field::Text(&format_args!("{:032x}", trace.trace_id)));
            write("span_id", Field::Text(&format_args!("{:016x}", trace.span_id)));
        }
    });
}

/// While it lives, its scope is that of the thread; dropped, the one before is again.
pub struct Entered<'a> {
    scope: &'a mut Scope,
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        CURRENT.with_borrow_mut(|current| std::mem::swap(current, self.scope));
    }
}

/// A future within a scope; see [`Scope::cover`].
pub struct Covered<F> {
    scope: Scope,
    future: Pin<Box<F>>,
}

impl<F: Future> Future for Covered<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.get_mut();
        let _entered = this.scope.enter();
        this.future.as_mut().poll(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Named(&'static str);

    impl Fields for Named {
        fn fields(&self, write: &mut dyn FnMut(&'static str, Field<'_>)) {
            write("name", Field::Text(&self.0));
        }
    }

    fn now() -> String {
        let mut out = String::new();
        fields(&mut |name, value| match value {
            Field::Text(text) => out.push_str(&format!("{name}={text} ")),
            Field::Number(n) => out.push_str(&format!("{name}={n} ")),
        });
        out
    }

    #[test]
    fn scopes_nest_and_end_also_by_a_panic() {
        let mut outer = Scope::new(Arc::new(Named("outer")), None);
        let mut inner = Scope::new(Arc::new(Named("inner")), None);
        let entered = outer.enter();
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let _entered = inner.enter();
            assert_eq!(now(), "name=inner ");
            panic!("on purpose");
        }));
        assert!(panicked.is_err());
        assert_eq!(now(), "name=outer ");
        drop(entered);
        assert_eq!(now(), "");
    }

    #[tokio::test]
    async fn a_covered_future_has_its_scope_after_each_wait() {
        let trace = TraceContext { trace_id: 1, span_id: 2, sampled: true };
        let seen = Scope::new(Arc::new(Named("task")), Some(trace)).cover(async {
            let before = now();
            tokio::task::yield_now().await;
            (before, now())
        });
        let (before, after) = seen.await;
        assert_eq!(before, after);
        assert_eq!(before, "name=task trace_id=00000000000000000000000000000001 span_id=0000000000000002 ");
        assert_eq!(now(), "");
    }
}
