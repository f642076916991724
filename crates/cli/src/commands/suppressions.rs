//! `posthaste suppressions`: list, get, add, remove, import.

use std::io::BufRead;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Map, Value, json};

use crate::exit::Stop;
use crate::http::{Refused, Server, ServerArg, block_on, segment};
use crate::listing::{self, Column, Limit, Sure, said, show};
use crate::output::{Out, plain};

const COLUMNS: &[Column] = &[
    Column::text("recipient", "recipient"),
    Column::text("category", "category"),
    Column::text("source", "source"),
    Column::short("reason", "reason", 60),
    Column::text("code", "code"),
    Column::time("created", "created_at"),
];

/// Arguments of `posthaste suppressions`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
    #[command(flatten)]
    server: ServerArg,
}

#[derive(Debug, clap::Args)]
struct Whom {
    /// The recipient: an e-mail address, channel:address, or as `suppressions list` names it
    recipient: String,
    /// Only messages of this category
    #[arg(long)]
    category: Option<String>,
}

impl Whom {
    /// As the list names it: a category stands in front, with a slash.
    fn name(&self) -> String {
        match &self.category {
            Some(category) => format!("{category}/{}", recipient_of(&self.recipient)),
            None if self.recipient.contains('/') => self.recipient.clone(),
            None => recipient_of(&self.recipient),
        }
    }

    fn path(&self) -> String {
        format!("v1/suppressions/{}", segment(&self.name()))
    }
}

/// A bare e-mail address with its channel in front.
pub(super) fn recipient_of(text: &str) -> String {
    if text.contains('@') && !text.contains(':') { format!("email:{text}") } else { text.to_owned() }
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// List recipients that get nothing
    List(Limit),
    /// Show why a recipient gets nothing
    Get(Whom),
    /// Send a recipient nothing any more
    Add {
        #[command(flatten)]
        whom: Whom,
        /// Why
        #[arg(long)]
        reason: Option<String>,
    },
    /// Send a recipient messages again
    Remove {
        #[command(flatten)]
        whom: Whom,
        #[command(flatten)]
        sure: Sure,
    },
    /// Add every recipient of a file, one per line; a comma and a reason may follow
    Import {
        /// The file, or - for standard input
        file: PathBuf,
    },
}

/// Runs the verb.
///
/// # Errors
/// A file that cannot be read, no as the answer (2); the server (1, 3); lines that were refused (5).
pub(crate) fn run(args: Args, file: Option<&Path>, out: Out) -> anyhow::Result<()> {
    let server = Server::find(&args.server, file)?;
    block_on(act(&server, args.verb, out))
}

async fn act(server: &Server, verb: Verb, out: Out) -> anyhow::Result<()> {
    match verb {
        Verb::List(limit) => {
            let found = listing::fetch(server, "v1/suppressions", &[], limit.limit).await?;
            listing::print(out, COLUMNS, &found, "nobody is suppressed")
        }
        Verb::Get(whom) => show(out, &server.get(&whom.path(), &[]).await?),
        Verb::Add { whom, reason } => {
            let answer = server.put(&whom.path(), &body(reason.as_deref())).await?;
            said(out, &answer, format!("{} gets nothing any more", whom.name()))
        }
        Verb::Remove { whom, sure } => {
            sure.ask(&format!("Send messages to {} again?", whom.name()))?;
            said(out, &server.delete(&whom.path()).await?, format!("{} gets messages again", whom.name()))
        }
        Verb::Import { file } => import(server, &file, out).await,
    }
}

fn body(reason: Option<&str>) -> Value {
    let reason = reason.map(|r| ("reason".to_owned(), json!(r)));
    Value::Object(reason.into_iter().collect::<Map<_, _>>())
}

/// Line by line; adding a recipient twice changes nothing, so a repeat after a failure is safe.
async fn import(server: &Server, path: &Path, out: Out) -> anyhow::Result<()> {
    let input: Box<dyn BufRead> = if path == Path::new("-") {
        Box::new(std::io::stdin().lock())
    } else {
        let file = std::fs::File::open(path);
        Box::new(std::io::BufReader::new(file.with_context(|| format!("{} cannot be read", path.display()))?))
    };
    let bar = ProgressBar::new_spinner();
    let style = ProgressStyle::with_template("{spinner} {pos} recipients  {elapsed}");
    bar.set_style(style.expect("the template is well formed"));
    let (mut added, mut refused) = (0_u64, 0_u64);
    for (index, line) in input.lines().enumerate() {
        let line = line.with_context(|| format!("{} line {}", path.display(), index + 1))?;
        let (recipient, reason) =
            line.split_once(',').map_or((line.trim(), ""), |(a, b)| (a.trim(), b.trim()));
        if recipient.is_empty() || recipient.starts_with('#') {
            continue;
        }
        let whom = Whom { recipient: recipient.to_owned(), category: None };
        match server.put(&whom.path(), &body(Some(reason).filter(|r| !r.is_empty()))).await {
            Ok(_) => added += 1,
            Err(e) if e.downcast_ref::<Refused>().is_some_and(|r| matches!(r.status, 404 | 422)) => {
                refused += 1;
                eprintln!("line {}: {}: {e}", index + 1, plain(recipient));
            }
            Err(e) => {
                return Err(
                    e.context(format!("{added} recipients were added, up to line {index}; run it again"))
                );
            }
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    let note = if refused > 0 { format!(", {refused} lines refused") } else { String::new() };
    out.either(&json!({"added": added, "refused": refused}), format!("{added} recipients suppressed{note}"))?;
    if refused > 0 { Err(Stop::Partly(format!("{refused} lines were refused")).into()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_address_is_of_email() {
        assert_eq!(recipient_of("ada@example.com"), "email:ada@example.com");
        assert_eq!(recipient_of("sms:+4912345"), "sms:+4912345");
    }
}
