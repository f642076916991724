//! Define a kind, enqueue a task, run it, await its result.
//!
//! `cargo run -p posthaste --example hello`

use std::time::Duration;

use posthaste::{Posthaste, TaskError};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Greeting {
    name: String,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // A real program names a directory of its own: "sqlite:./data".
    let dir = tempfile::tempdir()?;
    let app = Posthaste::open(format!("sqlite:{}", dir.path().display())).await?;

    let greet = app.kind("greet", |job: Greeting, _cx| async move {
        if job.name.is_empty() {
            return Err(TaskError::permanent("nobody to greet"));
        }
        Ok(format!("Hello, {}!", job.name))
    })?;

    let worker = app.worker().start().await?;
    let client = app.client();

    let sent = client.enqueue(greet.task(&Greeting { name: "Ada".into() })).await?;
    println!("task {} is stored", sent.id);
    let answer = client.wait(&sent, Duration::from_secs(30)).await?.into_result();
    println!("{answer:?}");
    assert_eq!(answer.as_deref(), Ok("Hello, Ada!"));

    // A failure that will not mend ends the task at once, with its reason.
    let sent = client.enqueue(greet.task(&Greeting { name: String::new() })).await?;
    let end = client.wait(&sent, Duration::from_secs(30)).await?.into_result();
    assert_eq!(end.map_err(|e| e.message), Err("nobody to greet".to_owned()));

    worker.shutdown().await;
    app.close().await;
    Ok(())
}
