//! A schedule that enqueues by the clock, and many tasks stored in one transaction.
//!
//! `cargo run -p posthaste --example cron_and_batch`

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use posthaste::schedule::{MissedPolicy, Schedule, delete_schedule, put_schedule};
use posthaste::{Json, Name, Posthaste, QueueName, RetryPolicy, TaskError};
use tokio::sync::Notify;

const PATIENCE: Duration = Duration::from_secs(30);

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let dir = tempfile::tempdir()?;
    let app = Posthaste::open(format!("sqlite:{}", dir.path().display())).await?;

    let square = app.kind("square", |n: u64, _cx| async move { Ok::<_, TaskError>(n * n) })?;
    let (ticks, ticked) = (Arc::new(AtomicU32::new(0)), Arc::new(Notify::new()));
    let (count, ring) = (Arc::clone(&ticks), Arc::clone(&ticked));
    let report = app.kind("report", move |day: String, _cx| {
        count.fetch_add(1, Ordering::SeqCst);
        ring.notify_one();
        async move { Ok::<_, TaskError>(format!("report of {day}")) }
    })?;

    // Every second; with five fields it would be every minute. A tick that was missed while nothing
    // ran is made up for once.
    let every_second = Schedule {
        name: Name::new("daily-report")?,
        cron: "* * * * * *".into(),
        time_zone: "Europe/Berlin".into(),
        kind: report.name().clone(),
        queue: QueueName::default(),
        payload: Json::from_value("today")?,
        lane: None,
        recipient: None,
        policy: RetryPolicy::default(),
        missed: MissedPolicy::RunOnce,
        paused: false,
    };
    put_schedule(app.store().as_ref(), &every_second).await?;

    let client = app.client();
    let worker = app.worker().concurrency(16).start().await?;

    // A thousand tasks in one transaction: all are stored or none.
    let sent = client.enqueue_many((1..=1_000u64).map(|n| square.task(&n))).await?;
    let mut sum = 0;
    for task in &sent {
        sum += client.wait(task, PATIENCE).await?.into_result().map_err(|e| e.message)?;
    }
    assert_eq!(sum, 333_833_500, "1² + 2² + … + 1000²");
    println!("{} tasks, sum of squares {sum}", sent.len());

    tokio::time::timeout(PATIENCE, ticked.notified()).await?;
    delete_schedule(app.store().as_ref(), &every_second.name).await?;
    println!("the schedule ran {} time(s)", ticks.load(Ordering::SeqCst));
    assert!(ticks.load(Ordering::SeqCst) >= 1);

    worker.shutdown().await;
    app.close().await;
    Ok(())
}
