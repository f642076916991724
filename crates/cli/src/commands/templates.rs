//! `posthaste templates`: list, get, put, delete, preview, versions.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use crate::args::{json_arg, text_of};
use crate::exit::Stop;
use crate::http::{Server, ServerArg, block_on, segment};
use crate::listing::{self, Column, Limit, Sure, said, show, text};
use crate::output::Out;

const COLUMNS: &[Column] = &[
    Column::text("name", "name"),
    Column::text("version", "version"),
    Column::short("subject", "subject", 40),
    Column::time("created", "created_at"),
    Column::short("description", "description", 40),
];

/// Arguments of `posthaste templates`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
    #[command(flatten)]
    server: ServerArg,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// List templates with their newest version
    List(Limit),
    /// Show a template
    Get {
        #[command(flatten)]
        named: Named,
        /// This version; the newest unless said
        #[arg(long)]
        version: Option<u32>,
    },
    /// Store a new version of a template, from files
    Put(Box<PutArgs>),
    /// Delete a template with all its versions
    Delete {
        #[command(flatten)]
        named: Named,
        #[command(flatten)]
        sure: Sure,
    },
    /// Show what a template makes of data; of files that are not stored yet, too
    Preview(Box<PreviewArgs>),
    /// List the versions of a template
    Versions(Named),
}

#[derive(Debug, clap::Args)]
struct Named {
    /// The template's name
    name: String,
}

impl Named {
    fn path(&self) -> String {
        format!("v1/templates/{}", segment(&self.name))
    }
}

/// The parts of a template.
#[derive(Debug, clap::Args)]
struct Parts {
    /// The subject line or title, as a template
    #[arg(long, short)]
    subject: Option<String>,
    /// A file with the text part, or - for standard input
    #[arg(long, value_name = "FILE")]
    text: Option<PathBuf>,
    /// A file with the HTML part
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

impl Parts {
    fn body(&self) -> anyhow::Result<Map<String, Value>> {
        let mut body = Map::new();
        body.extend(self.subject.as_ref().map(|s| ("subject".to_owned(), json!(s))));
        for (name, path) in [("text", &self.text), ("html", &self.html)] {
            if let Some(path) = path {
                body.insert(name.to_owned(), json!(text_of(path)?));
            }
        }
        Ok(body)
    }
}

#[derive(Debug, clap::Args)]
struct PutArgs {
    #[command(flatten)]
    named: Named,
    #[command(flatten)]
    parts: Parts,
    /// What it is for
    #[arg(long)]
    description: Option<String>,
    /// Data for its preview: JSON, or @FILE
    #[arg(long, value_name = "JSON")]
    sample: Option<String>,
}

#[derive(Debug, clap::Args)]
struct PreviewArgs {
    /// The template's name; without one, the files are previewed
    name: Option<String>,
    #[command(flatten)]
    parts: Parts,
    /// This version; the newest unless said
    #[arg(long)]
    version: Option<u32>,
    /// The data: JSON, or @FILE; the template's sample unless said
    #[arg(long, short, value_name = "JSON")]
    data: Option<String>,
}

/// Runs the verb.
///
/// # Errors
/// Files that cannot be read, no as the answer (2); the server (1, 3).
pub(crate) fn run(args: Args, file: Option<&Path>, out: Out) -> anyhow::Result<()> {
    let server = Server::find(&args.server, file)?;
    block_on(act(&server, args.verb, out))
}

async fn act(server: &Server, verb: Verb, out: Out) -> anyhow::Result<()> {
    match verb {
        Verb::List(limit) => {
            let found = listing::fetch(server, "v1/templates", &[], limit.limit).await?;
            listing::print(out, COLUMNS, &found, "no templates")
        }
        Verb::Get { named, version } => {
            let query: Vec<(&str, String)> =
                version.into_iter().map(|v| ("version", v.to_string())).collect();
            show(out, &server.get(&named.path(), &query).await?)
        }
        Verb::Put(args) => put(server, *args, out).await,
        Verb::Delete { named, sure } => {
            sure.ask(&format!("Delete the template {} with all its versions?", named.name))?;
            said(out, &server.delete(&named.path()).await?, format!("template {} is deleted", named.name))
        }
        Verb::Preview(args) => preview(server, *args, out).await,
        Verb::Versions(named) => {
            let answer = server.get(&format!("{}/versions", named.path()), &[]).await?;
            listing::print(out, COLUMNS, &listing::data(&answer), "no versions")
        }
    }
}

async fn put(server: &Server, args: PutArgs, out: Out) -> anyhow::Result<()> {
    let mut body = args.parts.body()?;
    if body.is_empty() {
        return Err(Stop::Usage("give a part: --subject, --text or --html".to_owned()).into());
    }
    body.extend(args.description.map(|d| ("description".to_owned(), json!(d))));
    if let Some(sample) = &args.sample {
        body.insert("sample".into(), json_arg("--sample", sample)?);
    }
    let answer = server.put(&args.named.path(), &Value::Object(body)).await?;
    said(
        out,
        &answer,
        format!("template {} is stored as version {}", args.named.name, text(&answer, "version")),
    )
}

async fn preview(server: &Server, args: PreviewArgs, out: Out) -> anyhow::Result<()> {
    let mut body = args.parts.body()?;
    let unsaved = !body.is_empty();
    if let Some(data) = &args.data {
        body.insert("data".into(), json_arg("--data", data)?);
    }
    let path = match (&args.name, unsaved) {
        (Some(name), false) => {
            body.extend(args.version.map(|v| ("version".to_owned(), json!(v))));
            format!("v1/templates/{}/preview", segment(name))
        }
        (None, true) => "v1/templates/preview".to_owned(),
        (Some(_), true) => return Err(Stop::Usage("give a name or files, not both".to_owned()).into()),
        (None, false) => {
            return Err(Stop::Usage("give a name, or files that are not stored yet".to_owned()).into());
        }
    };
    show(out, &server.post(&path, Some(&Value::Object(body))).await?)
}
