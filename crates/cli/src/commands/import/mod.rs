//! `posthaste import`: enqueues every row of a file, however large, and goes on where it was killed.
//!
//! Rows go in batches whose borders depend on the rows alone; each carries an idempotency key made
//! of its requests and their numbers, whatever file they came from. A batch that is sent again, because its answer was
//! lost or the process was killed before it was written down, is answered by the server as before.

mod csv_rows;
mod ndjson;
mod plan;
mod post;
mod progress;
mod rows;
mod shape;
mod state;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use futures_util::{StreamExt, stream};
use serde_json::json;
use tokio::sync::mpsc::Receiver;

use crate::args::duration;
use crate::exit::Stop;
use crate::http::{Server, ServerArg, block_on};
use crate::output::Out;
use plan::Plan;
use post::{Poster, Sent};
use progress::Progress;
use rows::Chunk;
use shape::{What, set_arg};
use state::{Checkpoint, Rejects};

/// Batches that are under way at once.
const IN_FLIGHT: usize = 4;
/// Rejected rows that a dry run prints.
const SHOWN: u64 = 20;

/// What the exit codes mean here; part of the help.
const AFTER: &str = "\
NDJSON: each line is a request as POST /v1/notifications or POST /v1/tasks takes it. CSV: the first line names the
fields, inner ones with dots (template.name, data.first_name); what is no field of a request becomes part of data, of
a task part of payload. Empty cells are left out.

A killed import is resumed by the same command: nothing is enqueued twice within 24 hours, and neither are the same rows
of a copy of the file. How far it is stands in FILE.posthaste-import until it is done. Rows that are refused go to FILE.rejects.ndjson, each with its line and the
reasons; `jq -c .row` makes a file of them that can be imported once it is corrected.

Exit codes:
  0  every row is enqueued (--dry-run: every row may be)
  1  stopped before the end: the same command goes on
  2  wrong usage or configuration, or the file is not the one that was begun
  3  the server cannot be reached
  5  done, and some rows were refused";

/// Arguments of `posthaste import`.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER)]
pub(crate) struct Args {
    /// The file, or - for standard input, which cannot be resumed
    file: PathBuf,
    /// What the rows are
    #[arg(long = "as", value_enum, default_value_t = What::Notifications, value_name = "WHAT")]
    what: What,
    /// ndjson, csv or tsv; by the end of the file's name unless said
    #[arg(long, value_enum)]
    format: Option<plan::Format>,
    /// The character between the columns of a CSV file
    #[arg(long, value_name = "CHAR")]
    delimiter: Option<char>,
    /// Put a column of a CSV file into a field, for example "E-Mail=to" or City=data.city; - leaves it out
    #[arg(long, value_name = "COLUMN=FIELD", value_parser = plan::map_arg)]
    map: Vec<(String, String)>,
    /// Give a field to every row that has it not, for example channel=sms or template.name=welcome
    #[arg(long, value_name = "FIELD=VALUE", value_parser = set_arg)]
    set: Vec<(String, serde_json::Value)>,
    /// Check every row and send nothing; what only the server knows, a template for instance, is not checked
    #[arg(long)]
    dry_run: bool,
    /// Begin at the first row although the file was begun before; within 24 hours the same rows are still known
    #[arg(long)]
    restart: bool,
    /// Enqueue the rows again although the same were imported within the last 24 hours, from this file or another
    #[arg(long)]
    again: bool,
    /// Where rows go that are refused [default: FILE.rejects.ndjson]
    #[arg(long, value_name = "FILE")]
    rejects: Option<PathBuf>,
    /// Where it is kept how far the import is [default: FILE.posthaste-import]
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
    /// How long a server that is away or busy is waited for
    #[arg(long, value_name = "DURATION", default_value = "10m", value_parser = duration)]
    patience: Duration,
    #[command(flatten)]
    server: ServerArg,
}

/// Imports the file.
///
/// # Errors
/// See the exit codes of the verb.
pub(crate) fn run(args: Args, file: Option<&Path>, out: Out) -> anyhow::Result<()> {
    let server = Server::find(&args.server, file)?;
    block_on(async {
        let plan = Plan::new(&args)?;
        if args.dry_run {
            return dry_run(plan, out).await;
        }
        import(&server, plan, args.patience, out).await
    })
}

/// Reads and checks every row.
async fn dry_run(plan: Plan, out: Out) -> anyhow::Result<()> {
    let (mut good, mut bad) = (0_u64, 0_u64);
    let progress = Progress::new(plan.source.size, 0);
    let mut chunks = rows::read(plan.source, Checkpoint::default());
    while let Some(chunk) = chunks.recv().await {
        let chunk = chunk?;
        good += chunk.rows.len() as u64;
        for reject in &chunk.rejects {
            bad += 1;
            if bad <= SHOWN {
                eprintln!("line {}: {}", reject.line, reject.reasons.join("; "));
            }
        }
        progress.at(chunk.end.offset, good + bad, bad);
    }
    progress.clear();
    if bad > SHOWN {
        eprintln!("… and {} more", bad - SHOWN);
    }
    out.either(
        &json!({"rows": good + bad, "valid": good, "rejected": bad}),
        format!("{} rows: {good} may be enqueued, {bad} would be refused", good + bad),
    )?;
    if bad > 0 { Err(Stop::Partly(format!("{bad} rows would be refused")).into()) } else { Ok(()) }
}

async fn import(server: &Server, mut plan: Plan, patience: Duration, out: Out) -> anyhow::Result<()> {
    // Nobody there is said at once, instead of after the patience is over; one that is starting is waited for.
    if let Err(e) = server.get("healthz", &[]).await
        && e.is::<Stop>()
    {
        return Err(e);
    }
    let (keeper, begun) = plan.resume()?;
    if begun.rows > 0 {
        eprintln!("posthaste: going on after line {}, {} rows into the file", begun.line, begun.rows);
    }
    let mut rejects = Rejects::open(&plan.rejects, begun.rejects_len)?;
    let progress = Progress::new(plan.source.size, begun.offset);
    let poster = Poster { server, what: plan.what, name: plan.name.clone(), patience };
    let chunks = rows::read(plan.source, begun.clone());
    let mut tally = begun;
    let done = {
        let sent = stream::unfold(chunks, next).map(|chunk| async {
            let chunk = chunk?;
            let sent = poster.post(&chunk).await?;
            anyhow::Ok((chunk, sent))
        });
        // In order, so that everything before a checkpoint is done.
        let mut sent = std::pin::pin!(sent.buffered(IN_FLIGHT));
        let mut interrupted = std::pin::pin!(tokio::signal::ctrl_c());
        loop {
            tokio::select! {
                next = sent.next() => match next {
                    None => break Ok(()),
                    Some(Err(e)) => break Err(e),
                    Some(Ok((chunk, answer))) => {
                        settle(&mut tally, chunk, answer, &mut rejects)?;
                        keeper.save(&tally)?;
                        progress.at(tally.offset, tally.rows, tally.rejected);
                    }
                },
                _ = &mut interrupted => break Err(anyhow::anyhow!("interrupted")),
            }
        }
    };
    progress.clear();
    done.with_context(|| {
        format!("stopped after {} rows, line {}; the same command goes on from there", tally.rows, tally.line)
    })?;
    keeper.remove()?;
    report(&tally, &plan.rejects, out)
}

async fn next(
    mut chunks: Receiver<anyhow::Result<Chunk>>,
) -> Option<(anyhow::Result<Chunk>, Receiver<anyhow::Result<Chunk>>)> {
    let chunk = chunks.recv().await?;
    Some((chunk, chunks))
}

/// Takes a batch and its answer into the books; rejected rows are written before the checkpoint is.
fn settle(tally: &mut Checkpoint, chunk: Chunk, sent: Sent, rejects: &mut Rejects) -> anyhow::Result<()> {
    let mut refused = chunk.rejects;
    refused.extend(sent.rejects);
    refused.sort_by_key(|r| r.line);
    tally.rows += chunk.count;
    tally.accepted += sent.accepted;
    tally.duplicates += sent.duplicates;
    tally.replayed += sent.replayed;
    tally.rejected += refused.len() as u64;
    tally.rejects_len = rejects.write(&refused)?;
    (tally.offset, tally.line) = (chunk.end.offset, chunk.end.line);
    Ok(())
}

fn report(tally: &Checkpoint, rejects: &Path, out: Out) -> anyhow::Result<()> {
    let mut text = format!("{} rows: {} enqueued", tally.rows, tally.accepted);
    if tally.replayed > 0 {
        text.push_str(&format!(" ({} of them by an earlier run)", tally.replayed));
    }
    if tally.duplicates > 0 {
        text.push_str(&format!(", {} were there already by their unique keys", tally.duplicates));
    }
    if tally.rejected > 0 {
        text.push_str(&format!(", {} refused: see {}", tally.rejected, rejects.display()));
    }
    let value = json!({
        "rows": tally.rows, "enqueued": tally.accepted, "replayed": tally.replayed,
        "duplicates": tally.duplicates, "rejected": tally.rejected,
        "rejects": (tally.rejected > 0).then(|| rejects.display().to_string()),
    });
    out.either(&value, text)?;
    if tally.rejected > 0 {
        return Err(Stop::Partly(format!("{} rows were refused", tally.rejected)).into());
    }
    Ok(())
}

/// Whether a path means standard input.
fn is_stdin(path: &Path) -> bool {
    path == Path::new("-")
}
