//! How fast one process delivers to somebody who takes everything at once.

use std::path::Path;
use std::time::Instant;

use posthaste::State;

use super::Sizes;
use super::instance::Up;
use super::sinks::Sink;
use crate::commands::bench::fresh;
use crate::commands::bench::report::{Floor, Row, number};

/// Signed webhooks.
pub(super) async fn webhooks(dir: &Path, sizes: &Sizes) -> anyhow::Result<Vec<Row>> {
    let sink = Sink::http().await?;
    let env = vec![("POSTHASTE_ALLOW_CIDRS", "127.0.0.0/8".to_owned())];
    let up = Up::start(&fresh(dir, "webhook")?, None, env)?;
    let endpoint = format!(r#"{{"name":"sink","url":"http://{}/hook"}}"#, sink.addr);
    up.call("POST", "/v1/endpoints", &endpoint).await?;
    let one = |n: usize| {
        format!(
            r#"{{"channel":"webhook","to":"sink","event":"order.shipped","data":{{"order":{n},"note":"on its way"}}}}"#
        )
    };
    let row = deliver(&up, &sink, sizes.webhooks, one).await?;
    up.0.stop()?;
    let what = "signed webhooks delivered by one process";
    Ok(vec![row.into_row(what, "webhooks/s", 8_000.0)])
}

/// E-mail over pooled connections.
pub(super) async fn mails(dir: &Path, sizes: &Sizes) -> anyhow::Result<Vec<Row>> {
    let sink = Sink::smtp().await?;
    let env = vec![
        ("POSTHASTE_SMTP_URL", format!("smtp://{}", sink.addr)),
        ("POSTHASTE_EMAIL_FROM", "Bench <bench@example.com>".to_owned()),
    ];
    let up = Up::start(&fresh(dir, "smtp")?, None, env)?;
    let one = |n: usize| {
        format!(
            r#"{{"to":"user{n}@example.com","subject":"Hello","message":"Your order {n} is on its way."}}"#
        )
    };
    let row = deliver(&up, &sink, sizes.mails, one).await?;
    up.0.stop()?;
    let what = "e-mail delivered by one process over pooled connections";
    Ok(vec![row.into_row(what, "messages/s", 2_000.0)])
}

/// What a run came to.
struct Delivered {
    rate: f64,
    wrong: Option<String>,
    note: String,
}

impl Delivered {
    fn into_row(self, what: &str, unit: &'static str, floor: f64) -> Row {
        Row::new(what, self.rate, unit, Floor::AtLeast(floor)).unless(self.wrong).note(self.note)
    }
}

/// Stores `n` messages while the queue is paused, then lets them go.
async fn deliver(up: &Up, sink: &Sink, n: usize, one: impl Fn(usize) -> String) -> anyhow::Result<Delivered> {
    up.pause().await?;
    up.enqueue(n, one).await?;
    let since = Instant::now();
    up.resume().await?;
    let took = up.until_empty(since).await?;
    let succeeded = up.count(|s| s == State::Succeeded).await?;
    let lost = (succeeded != n as u64).then(|| format!("{n} enqueued, {succeeded} succeeded"));
    Ok(Delivered {
        rate: n as f64 / took.as_secs_f64(),
        wrong: lost.or_else(|| sink.wrong(n)),
        note: format!(
            "{} in {:.1} s, {} of them twice",
            number(n as f64),
            took.as_secs_f64(),
            sink.repeats()
        ),
    })
}
