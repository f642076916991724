//! `posthaste send`: a notification through a running server, to one or to many.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use posthaste_notify::Mailbox;
use reqwest::Method;
use serde_json::{Map, Value, json};

use crate::args::{duration, json_arg, text_of, time_arg};
use crate::commands::batches;
use crate::commands::tasks::view;
use crate::exit::Stop;
use crate::http::{Server, ServerArg, block_on};
use crate::output::Out;

/// The largest attachment that the server takes, in bytes.
const MAX_ATTACHMENT: u64 = 10 * 1024 * 1024;

/// Arguments of `posthaste send`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The recipient: an e-mail address, also as 'Jo <jo@b.test>', an endpoint's id, a chat, a number: what the channel takes
    to: Option<String>,
    /// A recipient; given several times, each gets a message of its own, together a batch
    #[arg(long = "to", value_name = "RECIPIENT")]
    more: Vec<String>,
    /// email, webhook, slack, discord, teams, telegram, ntfy, gotify, sms or web_push; email for an e-mail address
    #[arg(long, short)]
    channel: Option<String>,
    /// The subject line or title
    #[arg(long, short)]
    subject: Option<String>,
    /// The text
    #[arg(long, short)]
    message: Option<String>,
    /// A file with the HTML part of an e-mail
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Make the message from a stored template, with --data: its name, or name@version
    #[arg(long, value_name = "NAME")]
    template: Option<String>,
    /// Data for the template, or what a webhook says: JSON, or @FILE, or @- for standard input
    #[arg(long, short, value_name = "JSON")]
    data: Option<String>,
    /// What kind of event a webhook tells of
    #[arg(long)]
    event: Option<String>,
    /// A file that goes with an e-mail; may be given several times
    #[arg(long, value_name = "FILE")]
    attach: Vec<PathBuf>,
    /// Who gets a copy of an e-mail, seen by all; may be given several times
    #[arg(long, value_name = "MAILBOX")]
    cc: Vec<String>,
    /// Who gets a copy of an e-mail that nobody else sees; may be given several times
    #[arg(long, value_name = "MAILBOX")]
    bcc: Vec<String>,
    /// Who an e-mail is from, of those that its provider allows
    #[arg(long, value_name = "MAILBOX")]
    from: Option<String>,
    /// Where answers to an e-mail go
    #[arg(long, value_name = "MAILBOX")]
    reply_to: Option<String>,
    /// A header of an e-mail; may be given several times
    #[arg(long, value_name = "NAME: VALUE")]
    header: Vec<String>,
    /// Let the recipient of an e-mail unsubscribe from this category with one click
    #[arg(long, value_name = "CATEGORY")]
    unsubscribe: Option<String>,
    /// What only the channel knows, for example priority=5 or tags=["warning"]; may be given several times
    #[arg(long, value_name = "NAME=JSON")]
    option: Vec<String>,
    /// Which configured provider sends it
    #[arg(long)]
    provider: Option<String>,
    /// When it is sent: a time such as 2026-01-31T09:30:00Z, or a duration from now such as 10m
    #[arg(long, value_name = "WHEN", value_parser = time_arg)]
    at: Option<String>,
    /// When it is of no use any more: a time, or a duration from now
    #[arg(long, value_name = "WHEN", value_parser = time_arg)]
    expires: Option<String>,
    /// How urgent: low, normal, high or critical
    #[arg(long)]
    priority: Option<String>,
    /// The queue that it waits in [default: default]
    #[arg(long)]
    queue: Option<String>,
    /// Whose it is
    #[arg(long)]
    tenant: Option<String>,
    /// Where it is told once everything is final
    #[arg(long, value_name = "URL")]
    callback_url: Option<String>,
    /// Makes a repeat within 24 hours answer as the first did
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
    /// Wait until it is sent or given up, at most this long (60s unless said)
    #[arg(long, value_name = "DURATION", num_args = 0..=1, default_missing_value = "60s", value_parser = duration)]
    wait: Option<Duration>,
    #[command(flatten)]
    server: ServerArg,
}

/// Sends and, if asked, waits: exit 4 when it ended without success.
///
/// # Errors
/// A field that is not acceptable (2), the server (1, 3), the end of the task (4).
pub(crate) fn run(args: Args, file: Option<&Path>, out: Out) -> anyhow::Result<()> {
    let server = Server::find(&args.server, file)?;
    let mut body = args.body()?;
    block_on(async {
        if !args.attach.is_empty() {
            let mut attachments = Vec::new();
            for path in &args.attach {
                attachments.push(upload(&server, path).await?);
            }
            body.insert("attachments".into(), attachments.into());
        }
        let call = server.call(Method::POST, "v1/notifications")?;
        let call = call.idempotent(args.idempotency_key.as_deref());
        let sent = call.json(&Value::Object(body)).send().await?;
        if let Some(batch) = sent.get("batch_id").and_then(Value::as_str) {
            return match args.wait {
                None => out.either(&sent, batch),
                Some(limit) => {
                    tokio::time::timeout(limit, batches::watch(&server, batch, out)).await.with_context(
                        || format!("batch {batch} goes on; `posthaste batches watch {batch}` follows it"),
                    )?
                }
            };
        }
        let id = sent.get("id").and_then(Value::as_str).context("the answer has no id: is it Posthaste?")?;
        match args.wait {
            None => out.either(&sent, id),
            Some(limit) => view::wait_and_tell(&server, id, limit, out).await,
        }
    })
}

impl Args {
    fn body(&self) -> anyhow::Result<Map<String, Value>> {
        let mut body = Map::new();
        self.add_recipients(&mut body)?;
        let words = [
            ("channel", &self.channel),
            ("subject", &self.subject),
            ("message", &self.message),
            ("event", &self.event),
            ("from", &self.from),
            ("reply_to", &self.reply_to),
            ("unsubscribe", &self.unsubscribe),
            ("provider", &self.provider),
            ("send_at", &self.at),
            ("expires_at", &self.expires),
            ("priority", &self.priority),
            ("queue", &self.queue),
            ("tenant", &self.tenant),
            ("callback_url", &self.callback_url),
        ];
        body.extend(
            words.into_iter().filter_map(|(name, word)| Some((name.to_owned(), word.clone()?.into()))),
        );
        if let Some(path) = &self.html {
            body.insert("html".into(), text_of(path)?.into());
        }
        if let Some(template) = &self.template {
            body.insert("template".into(), template_of(template)?);
        }
        if let Some(data) = &self.data {
            body.insert("data".into(), json_arg("--data", data)?);
        }
        for (name, copies) in [("cc", &self.cc), ("bcc", &self.bcc)] {
            if !copies.is_empty() {
                body.insert(name.into(), json!(copies));
            }
        }
        let pairs = |list: &[String], flag: &str, by: char| -> anyhow::Result<Vec<(String, String)>> {
            let one = |text: &String| {
                let (name, value) = text
                    .split_once(by)
                    .ok_or_else(|| Stop::Usage(format!("{flag} {text}: give a name, {by} and a value")))?;
                Ok((name.trim().to_owned(), value.trim().to_owned()))
            };
            list.iter().map(one).collect()
        };
        let headers: Map<String, Value> =
            pairs(&self.header, "--header", ':')?.into_iter().map(|(n, v)| (n, v.into())).collect();
        // An option's value is JSON where it can be, so that numbers are numbers; else text.
        let options: Map<String, Value> = pairs(&self.option, "--option", '=')?
            .into_iter()
            .map(|(n, v)| (n, serde_json::from_str(&v).unwrap_or(Value::String(v))))
            .collect();
        for (name, map) in [("headers", headers), ("options", options)] {
            if !map.is_empty() {
                body.insert(name.into(), Value::Object(map));
            }
        }
        Ok(body)
    }

    fn add_recipients(&self, body: &mut Map<String, Value>) -> anyhow::Result<()> {
        let all: Vec<&String> = self.to.iter().chain(&self.more).collect();
        let email = self.channel.as_deref().is_none_or(|c| c == "email");
        for to in all.iter().filter(|_| email) {
            if self.channel.is_none() && !to.contains('@') {
                return Err(Stop::Usage(format!(
                    "{to:?} is no e-mail address: name the channel with --channel"
                ))
                .into());
            }
            to.parse::<Mailbox>().map_err(|e| Stop::Usage(format!("{to:?} is no e-mail address: {e}")))?;
        }
        match all.as_slice() {
            // Channels whose provider knows its recipient take none.
            [] if email => return Err(Stop::Usage("give a recipient".to_owned()).into()),
            [] => {}
            [one] => {
                body.insert("to".into(), json!(one));
            }
            many => {
                body.insert("to".into(), json!(many));
            }
        }
        Ok(())
    }
}

/// `name` or `name@version`.
fn template_of(text: &str) -> anyhow::Result<Value> {
    let Some((name, version)) = text.split_once('@') else { return Ok(json!({"name": text})) };
    let version: u32 = version.parse().map_err(|_| {
        Stop::Usage(format!("--template {text}: a version is a number, for example {name}@2"))
    })?;
    Ok(json!({"name": name, "version": version}))
}

/// Gives the server a file; how the message names it.
async fn upload(server: &Server, path: &Path) -> anyhow::Result<Value> {
    let size = std::fs::metadata(path).with_context(|| format!("{} cannot be read", path.display()))?.len();
    if size > MAX_ATTACHMENT {
        return Err(Stop::Usage(format!("{} is larger than 10 MiB", path.display())).into());
    }
    let bytes = std::fs::read(path).with_context(|| format!("{} cannot be read", path.display()))?;
    let filename = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let answer = server
        .call(Method::POST, "v1/attachments")?
        .query(&[("filename", filename.clone())])
        .body(content_type(&filename), bytes)
        .within(Duration::from_secs(120))
        .send()
        .await
        .with_context(|| format!("{} was not taken", path.display()))?;
    let id = answer.get("id").and_then(Value::as_str).context("the answer has no id: is it Posthaste?")?;
    Ok(json!({"id": id, "filename": filename}))
}

/// By the end of the name, for the kinds of files that are usually sent (IANA media types).
fn content_type(filename: &str) -> &'static str {
    let end = filename.rsplit_once('.').map(|(_, end)| end.to_ascii_lowercase()).unwrap_or_default();
    match end.as_str() {
        "pdf" => "application/pdf",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "gif" => "image/gif",
        "txt" | "log" => "text/plain; charset=utf-8",
        "csv" => "text/csv; charset=utf-8",
        "html" | "htm" => "text/html; charset=utf-8",
        "ics" => "text/calendar; charset=utf-8",
        "zip" => "application/zip",
        "docx" => "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        "xlsx" => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    fn body(line: &[&str]) -> anyhow::Result<Value> {
        let line = Line::try_parse_from(std::iter::once(&"send").chain(line)).expect("it is read");
        line.args.body().map(Value::Object)
    }

    #[test]
    fn every_field_goes_where_the_api_wants_it() {
        let got = body(&[
            "ada@example.com",
            "--subject",
            "Hi",
            "--template",
            "welcome@2",
            "--data",
            "{\"n\":1}",
            "--header",
            "List-Id: x",
            "--option",
            "priority=5",
            "--option",
            "tag=a b",
            "--cc",
            "b@example.com",
        ]);
        let want = json!({"to": "ada@example.com", "subject": "Hi", "template": {"name": "welcome", "version": 2},
            "data": {"n": 1}, "headers": {"List-Id": "x"}, "options": {"priority": 5, "tag": "a b"},
            "cc": ["b@example.com"]});
        assert_eq!(got.expect("valid"), want);
        let named =
            body(&["Ada <ada@example.com>", "--bcc", "b@example.com", "--from", "News <n@example.com>"]);
        let want =
            json!({"to": "Ada <ada@example.com>", "bcc": ["b@example.com"], "from": "News <n@example.com>"});
        assert_eq!(named.expect("valid"), want);
        let many = body(&["--to", "a@example.com", "--to", "b@example.com"]).expect("valid");
        assert_eq!(many, json!({"to": ["a@example.com", "b@example.com"]}));
        let chat = body(&["--channel", "slack", "-m", "x"]).expect("the provider knows where to");
        assert_eq!(chat, json!({"channel": "slack", "message": "x"}));
    }

    #[test]
    fn what_cannot_be_meant_is_refused_before_it_is_sent() {
        for line in [
            &["+4912345"][..],
            &[],
            &["a@"],
            &["a@b.test", "--template", "x@y"],
            &["a@b.test", "--data", "{"],
            &["a@b.test", "--header", "x"],
        ] {
            let error = body(line).expect_err("refused");
            assert!(
                error.downcast_ref::<Stop>().is_some_and(|s| matches!(s, Stop::Usage(_))),
                "{line:?}: {error}"
            );
        }
    }
}
