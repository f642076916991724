//! One attempt: the handler's future, its panics, its timeout, the end of a shutdown's grace.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as Waking, Poll, Waker};
use std::time::Duration;

use posthaste_core::limits::{MAX_ERROR_BYTES, MAX_RECORD_BYTES, MAX_RESULT_BYTES, MAX_RESULT_DEPTH};
use posthaste_core::{Failure, FailureClass, Outcome};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::board::{Done, End};
use crate::handler::Context;
use crate::running::Running;
use crate::shared::Shared;
use crate::stats::add;
use crate::traced::{Traced, task_line};

/// A runner does not keep its thread for longer than this at a time.
const TURN: Duration = Duration::from_micros(500);

type HandlerFuture<'a> = Pin<Box<dyn Future<Output = Outcome> + Send + 'a>>;

/// Why a try ended without the handler's word.
enum Stopped {
    Panicked(String),
    TimedOut,
    GraceOver,
}

/// Spawns `n` runners; each ends when there is nothing to take.
pub(crate) fn spawn_runners(shared: &Arc<Shared>, n: usize) {
    for _ in 0..n {
        tokio::spawn(run(shared.clone()));
    }
}

async fn run(shared: Arc<Shared>) {
    let mut finished = None;
    let mut waited = false;
    let mut turn = Instant::now();
    while let Some(task) = shared.board.next(finished.take(), waited) {
        waited = false;
        // Cancelled, or lost, while it waited for its slot: the store knows what to make of it.
        if task.cancel.is_cancelled() {
            finished = Some(Done { task, end: End::Release });
            continue;
        }
        let began = Instant::now();
        let mut traced = Traced::begin(&shared.config.tracer, &task);
        let end = {
            let mut handler = None;
            // The first poll needs no waker: if the handler waits, it is polled again at once with
            // a real one, so nothing can be missed.
            let polled = poll(&task, &mut traced, &mut handler, &mut Waking::from_waker(Waker::noop()));
            match polled {
                Poll::Ready(end) => end,
                Poll::Pending => {
                    if shared.board.wait_with_handler() {
                        spawn_runners(&shared, 1);
                    }
                    waited = true;
                    wait(&task, &mut traced, handler, began, &shared.kill).await
                }
            }
        };
        let end = conclude(&shared, &task, end);
        traced.end(&end);
        if let End::Outcome(Outcome::Failure(failure)) = &end {
            add(&shared.counters.by_class[usize::from(failure.class.code())], 1);
        }
        shared.timings.ran(&task.task.kind, began.elapsed());
        finished = Some(Done { end, task });
        if waited {
            turn = Instant::now();
        } else if turn.elapsed() > TURN {
            tokio::task::yield_now().await;
            turn = Instant::now();
        }
    }
}

/// Polls the handler, which it starts first if need be; nothing that the handler does unwinds from here.
fn poll<'a>(
    task: &'a Arc<Running>,
    traced: &mut Traced,
    handler: &mut Option<HandlerFuture<'a>>,
    waking: &mut Waking<'_>,
) -> Poll<Result<Outcome, Stopped>> {
    let polled = catch_unwind(AssertUnwindSafe(|| {
        let (tracer, trace) = (traced.tracer(), traced.context());
        let _entered = traced.enter();
        let future = handler.get_or_insert_with(|| {
            let context = Context::new(task.task.clone(), task.cancel.clone(), task.clone());
            task.handler.run(context.traced(tracer, trace))
        });
        let polled = future.as_mut().poll(waking);
        if polled.is_ready() {
            // Inside, because what the handler drops may panic as well.
            *handler = None;
        }
        polled
    }));
    match polled {
        Ok(polled) => polled.map(Ok),
        Err(panic) => {
            discard(task, handler);
            Poll::Ready(Err(Stopped::Panicked(text_of(panic.as_ref()))))
        }
    }
}

/// Drops a handler's future, which is the handler's code too.
fn discard(task: &Running, handler: &mut Option<HandlerFuture<'_>>) {
    if catch_unwind(AssertUnwindSafe(|| *handler = None)).is_err() {
        task_line!(warn, task, "a handler panicked while it was dropped");
    }
}

/// Waits with a handler that was not ready at once.
async fn wait<'a>(
    task: &'a Arc<Running>,
    traced: &mut Traced,
    mut handler: Option<HandlerFuture<'a>>,
    began: Instant,
    kill: &CancellationToken,
) -> Result<Outcome, Stopped> {
    let deadline = began + task.task.policy.timeout;
    let end = tokio::select! {
        biased;
        end = std::future::poll_fn(|waking| poll(task, traced, &mut handler, waking)) => end,
        () = tokio::time::sleep_until(deadline) => Err(Stopped::TimedOut),
        () = kill.cancelled() => Err(Stopped::GraceOver),
    };
    if end.is_err() {
        // What the handler left running elsewhere hears of it too.
        task.cancel.cancel();
        discard(task, &mut handler);
    }
    end
}

/// What is stored about a try.
fn conclude(shared: &Shared, task: &Running, end: Result<Outcome, Stopped>) -> End {
    // Read after the handler's future is gone: from here on no mark can be granted to it.
    let marked = task.is_marked();
    let unsure = if marked { FailureClass::Ambiguous } else { FailureClass::Transient };
    let sentence = |what: String| match marked {
        true => format!("{what}, after the point of no return"),
        false => what,
    };
    match end {
        // Told to go by a shutdown, before its mark: its failure is no verdict on the task.
        Ok(Outcome::Failure(_)) if !marked && task.cancel.is_cancelled() && shared.stop.is_cancelled() => {
            End::Release
        }
        Ok(Outcome::Detached) => End::Detach,
        Ok(outcome) => End::Outcome(fit(outcome)),
        Err(Stopped::Panicked(message)) => {
            add(&shared.counters.panicked, 1);
            task_line!(warn, task, message, "a handler panicked");
            End::Outcome(fit(Outcome::Failure(Failure::new(
                unsure,
                sentence(format!("the handler panicked: {message}")),
            ))))
        }
        Err(Stopped::TimedOut) => {
            add(&shared.counters.timed_out, 1);
            let timeout = task.task.policy.timeout;
            End::Outcome(Outcome::Failure(Failure::new(
                unsure,
                sentence(format!("the attempt took longer than its timeout of {timeout:?}")),
            )))
        }
        Err(Stopped::GraceOver) if marked => End::Outcome(stopped_after_mark()),
        Err(Stopped::GraceOver) => End::Release,
    }
}

/// How the worker settles what is marked and still running when it must go.
pub(crate) fn stopped_after_mark() -> Outcome {
    Outcome::Failure(Failure::new(
        FailureClass::Ambiguous,
        "the worker stopped before the attempt ended, after the point of no return",
    ))
}

/// Keeps an outcome within the limits of the store, so that it never fails its batch.
fn fit(outcome: Outcome) -> Outcome {
    let too_large = |what: &str, max: usize| {
        Outcome::Failure(Failure::new(
            FailureClass::Permanent,
            format!("the handler succeeded, but its {what} is larger than {max} bytes"),
        ))
    };
    match outcome {
        Outcome::Success { result: Some(r), .. } if r.len() > MAX_RESULT_BYTES => {
            too_large("result", MAX_RESULT_BYTES)
        }
        Outcome::Success { result: Some(r), .. } if r.is_deeper_than(MAX_RESULT_DEPTH) => {
            let why = format!(
                "the handler succeeded, but its result is nested {} levels deep; at most {MAX_RESULT_DEPTH} are kept",
                r.depth()
            );
            Outcome::Failure(Failure::new(FailureClass::Permanent, why).with_code("result_too_deep"))
        }
        Outcome::Success { kept: Some(k), .. } if k.body.len() > MAX_RECORD_BYTES => {
            too_large("kept record", MAX_RECORD_BYTES)
        }
        Outcome::Failure(mut failure) => {
            cut(&mut failure.message, MAX_ERROR_BYTES);
            if let Some(code) = &mut failure.code {
                cut(code, MAX_ERROR_BYTES);
            }
            Outcome::Failure(failure)
        }
        fits @ (Outcome::Success { .. } | Outcome::Snooze { .. } | Outcome::Detached) => fits,
    }
}

fn cut(text: &mut String, max: usize) {
    if text.len() > max {
        text.truncate(text.floor_char_boundary(max));
    }
}

fn text_of(panic: &(dyn Any + Send)) -> String {
    if let Some(text) = panic.downcast_ref::<&str>() {
        (*text).to_owned()
    } else if let Some(text) = panic.downcast_ref::<String>() {
        text.clone()
    } else {
        "no message".to_owned()
    }
}
