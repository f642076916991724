//! `posthaste config`: what is in force and where it came from.

use std::path::Path;

use serde_json::json;

use crate::output::{Out, table};
use crate::settings::flags::{Everything, ServerFlags};
use crate::settings::store::Role;
use crate::settings::table::SETTINGS;
use crate::settings::typed::{LogConfig, ServerConfig};
use crate::settings::{self, providers};

/// Arguments of `posthaste config`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Show every setting with its default, unit and names instead
    #[arg(long)]
    list: bool,
    #[command(flatten)]
    settings: ServerFlags<Everything>,
}

/// Prints the configuration; one that `up` would refuse is printed and then refused.
///
/// # Errors
/// A configuration that is refused.
pub(crate) fn run(args: Args, file: Option<&Path>, out: Out) -> anyhow::Result<()> {
    if args.list {
        return list(out);
    }
    let settings = settings::load(file, args.settings.0)?;
    let shown: Vec<(&str, String, String)> = SETTINGS
        .iter()
        .map(|s| (s.key, settings.shown(s.key), settings.value(s.key).source.to_string()))
        .collect();
    let providers: Vec<(String, String)> = settings
        .providers
        .iter()
        .map(|(name, p)| {
            // One whose variable is not set is shown as it is written, and refused below.
            let p = p.resolved(name).unwrap_or_else(|_| p.clone());
            let url = p.values.get("url").and_then(|u| u.parse::<posthaste_notify::SmtpUrl>().ok());
            let shown = match url {
                Some(url) if p.kind == "smtp" => url.to_string(),
                _ if p.kind == "smtp" => "(set, not readable)".to_owned(),
                // The URLs of chats are secrets as a whole.
                _ => format!("{} (its values are secret)", p.kind),
            };
            (format!("providers.{name}"), shown)
        })
        .collect();
    if out.is_json() {
        let values = shown
            .iter()
            .map(|(key, value, source)| ((*key).to_owned(), json!({"value": value, "source": source})));
        let file_source = "posthaste.toml";
        let more =
            providers.iter().map(|(key, url)| (key.clone(), json!({"value": url, "source": file_source})));
        out.value(&values.chain(more).collect::<serde_json::Map<_, _>>())?;
    } else {
        let mut rows: Vec<Vec<String>> =
            shown.into_iter().map(|(key, value, source)| vec![key.to_owned(), value, source]).collect();
        rows.extend(providers.into_iter().map(|(key, url)| vec![key, url, "posthaste.toml".to_owned()]));
        out.line(table(&["setting", "value", "from"], &rows))?;
    }
    for warning in &settings.warnings {
        eprintln!("posthaste: warning: {warning}");
    }
    ServerConfig::new(&settings, Role::Up)?;
    LogConfig::new(&settings)?;
    Ok(())
}

fn list(out: Out) -> anyhow::Result<()> {
    if out.is_json() {
        let all: Vec<_> = SETTINGS
            .iter()
            .map(|s| {
                json!({"key": s.key, "env": s.env, "flag": s.shown_flag(), "default": s.default,
                       "unit": s.unit, "secret": s.secret, "doc": s.doc})
            })
            .chain(providers::listed().map(|k| {
                json!({"key": format!("providers.<name>.{}", k.key), "env": null, "flag": null, "type": k.kind,
                       "secret": k.secret, "required": k.required, "doc": k.doc})
            }))
            .collect();
        return out.value(&all);
    }
    let mut text = String::new();
    for s in SETTINGS {
        let default = if s.default.is_empty() { "not set" } else { s.default };
        text.push_str(&format!(
            "{}  ({}, {})\n    {} [{}] default: {default}\n",
            s.key,
            s.env,
            s.shown_flag(),
            s.doc,
            s.unit
        ));
    }
    text.push_str(&format!("\n{}\n", providers::ABOUT));
    for k in providers::listed() {
        let marks = [k.required.then_some("required"), k.secret.then_some("secret")];
        let marks: Vec<&str> = marks.into_iter().flatten().collect();
        let marks = if marks.is_empty() { String::new() } else { format!("; {}", marks.join(", ")) };
        text.push_str(&format!("providers.<name>.{}  (type {}{marks})\n    {}\n", k.key, k.kind, k.doc));
    }
    out.line(text.trim_end())
}
