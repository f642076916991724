//! A failure decides by its class whether it is tried again; a paused lane delays nobody else.
//!
//! `cargo run -p posthaste --example retries_and_lanes`

use std::time::Duration;

use posthaste::{
    Backoff, LaneKey, PauseReason, PauseRequest, Posthaste, Priority, QueueName, RetryPolicy, Scope, State,
    TaskError,
};

const PATIENCE: Duration = Duration::from_secs(30);

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let dir = tempfile::tempdir()?;
    let app = Posthaste::open(format!("sqlite:{}", dir.path().display())).await?;

    // Fails twice, then succeeds: the attempt's number is in its context.
    let flaky = app.kind("flaky", |(): (), cx| async move {
        match cx.task().attempt {
            n @ 1..=2 => Err(TaskError::transient(format!("try {n} went wrong"))),
            n => Ok(n),
        }
    })?;
    let call =
        app.kind("call", |host: String, _cx| async move { Ok::<_, TaskError>(format!("called {host}")) })?;

    let client = app.client();
    let worker = app.worker().concurrency(8).start().await?;

    // Two retries, 20 ms apart; the third failure would be the last.
    let policy = RetryPolicy {
        max_failures: 3,
        backoff: Backoff::Listed { delays_ms: vec![20] },
        ..RetryPolicy::default()
    };
    let sent = client.enqueue(flaky.task(&()).retry(policy)).await?;
    assert_eq!(client.wait(&sent, PATIENCE).await?.into_result(), Ok(3));
    let log = client.attempts(sent.id).await?.unwrap_or_default();
    assert_eq!(log.len(), 3, "every attempt is in the log");
    println!("flaky succeeded at its third attempt: {:?}", log[0].message);

    // The provider "slow" is paused: its tasks wait in its lane, all others go on.
    let slow = Scope::Lane(QueueName::default(), "slow".parse::<LaneKey>()?);
    let pause = PauseRequest {
        scope: slow.clone(),
        reason: PauseReason::Manual,
        for_: None,
        message: Some("maintenance".into()),
    };
    app.store().pause(pause).await?;
    let held = client.enqueue(call.task(&"slow".into()).lane("slow").priority(Priority::Critical)).await?;
    let free = client.enqueue(call.task(&"fast".into()).lane("fast")).await?;
    assert_eq!(client.wait(&free, PATIENCE).await?.into_result().as_deref(), Ok("called fast"));
    let waiting = client.get(held.id).await?.map(|t| t.state);
    assert_eq!(waiting, Some(State::Queued), "its lane is paused");

    app.store().resume(&slow).await?;
    assert_eq!(client.wait(&held, PATIENCE).await?.into_result().as_deref(), Ok("called slow"));
    println!("the paused lane delayed nobody, and went on when it was resumed");

    worker.shutdown().await;
    app.close().await;
    Ok(())
}
