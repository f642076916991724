//! `posthaste doctor`: what may be wrong here, and what to do about each of it.

mod machine;
mod place;
mod redis;
mod smtp;

use std::path::Path;

use serde::Serialize;

use crate::exit::Stop;
use crate::http::block_on;
use crate::output::{Out, plain};
use crate::settings::flags::{Everything, ServerFlags};
use crate::settings::store::{Role, StoreConfig};
use crate::settings::typed::{LogConfig, ServerConfig};
use crate::settings::{self};

/// Arguments of `posthaste doctor`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    settings: ServerFlags<Everything>,
}

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Status {
    /// As it should be.
    Ok,
    /// It works, but somebody should look.
    Warn,
    /// It does not work.
    Fail,
}

/// One check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Check {
    /// What was looked at.
    pub(crate) name: String,
    /// How it is.
    pub(crate) status: Status,
    /// What was found.
    pub(crate) found: String,
    /// What to do, if anything.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) remedy: Option<String>,
}

impl Check {
    /// As it should be.
    pub(crate) fn ok(name: impl Into<String>, found: impl Into<String>) -> Self {
        Self { name: name.into(), status: Status::Ok, found: found.into(), remedy: None }
    }

    /// It works, but somebody should look.
    pub(crate) fn warn(name: impl Into<String>, found: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { status: Status::Warn, remedy: Some(remedy.into()), ..Self::ok(name, found) }
    }

    /// It does not work.
    pub(crate) fn fail(name: impl Into<String>, found: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { status: Status::Fail, remedy: Some(remedy.into()), ..Self::ok(name, found) }
    }
}

/// Checks everything, prints it, and fails when something does not work.
///
/// # Errors
/// When a check failed.
pub(crate) fn run(args: Args, file: Option<&Path>, out: Out) -> anyhow::Result<()> {
    let checks = match configuration(args, file) {
        Ok((configured, mut checks)) => {
            checks.extend(block_on(async { anyhow::Ok(with(&configured).await) })?);
            checks
        }
        // Nothing else can be checked without knowing what was meant.
        Err(e) => vec![Check::fail(
            "configuration",
            format!("{e:#}"),
            "`posthaste config --list` shows every setting",
        )],
    };
    if out.is_json() {
        out.value(&checks)?;
    } else {
        for check in &checks {
            let mark = match check.status {
                Status::Ok => "ok  ",
                Status::Warn => "warn",
                Status::Fail => "FAIL",
            };
            out.line(format!("{mark}  {:<16} {}", check.name, plain(&check.found)))?;
            if let Some(remedy) = &check.remedy {
                out.line(format!("      {:<16} → {remedy}", ""))?;
            }
        }
    }
    if checks.iter().any(|c| c.status == Status::Fail) { Err(Stop::Quiet.into()) } else { Ok(()) }
}

/// What the settings mean to the processes that they start.
struct Configured {
    /// To `up` or `api`.
    server: ServerConfig,
    /// To `worker`, if the store can be shared with one.
    worker: Option<ServerConfig>,
}

fn configuration(args: Args, file: Option<&Path>) -> anyhow::Result<(Configured, Vec<Check>)> {
    let settings = settings::load(file, args.settings.0)?;
    let server = ServerConfig::new(&settings, Role::Up)?;
    let shared = matches!(server.store, StoreConfig::Redis(_));
    let worker = shared.then(|| ServerConfig::new(&settings, Role::Worker)).transpose()?;
    LogConfig::new(&settings)?;
    let mut checks = vec![Check::ok("configuration", "can be read")];
    for warning in &settings.exposed {
        checks.push(Check::warn("secrets", warning.as_str(), "change the secret, too: it has been seen"));
    }
    for warning in &settings.warnings {
        checks.push(Check::warn("configuration", warning.as_str(), "remove it, or correct its name"));
    }
    if let Some(refusal) = &server.needs_key {
        checks.push(Check::warn(
            "access",
            refusal.to_string(),
            "make a key, or set POSTHASTE_API_KEYS, before you start it there",
        ));
    }
    if let Some(addr) = server.addr.filter(|a| server.auth_off && !a.ip().is_loopback()) {
        checks.push(Check::warn(
            "access",
            format!("auth is off and the server listens on {addr}"),
            "let nobody reach that address but programs that may send and read everything",
        ));
    }
    Ok((Configured { server, worker }, checks))
}

async fn with(configured: &Configured) -> Vec<Check> {
    let mut checks = Vec::new();
    let mut running = place::Running::Nothing;
    if let Some(addr) = configured.server.addr {
        running = place::server(addr).await;
        checks.push(place::address(addr, &running));
    }
    if let Some(addr) = configured.worker.as_ref().and_then(|w| w.addr) {
        checks.push(place::worker_address(addr).await);
    }
    match &configured.server.store {
        StoreConfig::Embedded(dir) => {
            checks.extend(place::data_directory(dir));
            checks.push(place::store(dir, &running).await);
            checks.extend(machine::checks(dir));
        }
        StoreConfig::Redis(settings) => {
            checks.extend(redis::checks(settings).await);
            checks.push(machine::files());
        }
    }
    // Whoever runs tasks sends.
    checks.extend(smtp::checks(configured.worker.as_ref().unwrap_or(&configured.server)).await);
    checks
}
