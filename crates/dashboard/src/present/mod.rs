//! From what the API answers to what a template shows. Pure: the time is an argument.

mod message;
mod overview;
mod task;
mod workers;

use posthaste_api::{ApiConfig, Caller, HostRule};

use crate::assets;
use crate::view::{Banner, Chrome, Session, Tone};

pub(crate) use message::{frame_html, message, raw_source};
pub(crate) use overview::{Asked, Read, overview, overview_problem};
pub(crate) use task::task;
pub(crate) use workers::{WorkersRead, workers, workers_problem};

/// The frame of a page titled `title`.
pub(crate) fn chrome(config: &ApiConfig, title: impl Into<String>) -> Chrome {
    Chrome {
        title: title.into(),
        version: config.version,
        assets: assets::urls(),
        banners: banners(config),
        here: "",
        refresh: false,
        session: None,
        nav: true,
        whole: true,
    }
}

/// The frame of a page titled `title` for this caller.
pub(crate) fn chrome_for(config: &ApiConfig, caller: &Caller, title: impl Into<String>) -> Chrome {
    let session = caller.csrf().map(|csrf| Session { name: caller.name().to_owned(), csrf: csrf.to_owned() });
    Chrome { session, whole: caller.tenant().is_none(), ..chrome(config, title) }
}

fn open_on_this_machine() -> Banner {
    Banner {
        tone: Tone::Warn,
        title: "Nobody is asked for a key",
        text: "POSTHASTE_AUTH=off is set: whatever keys there are, whoever is on this machine can do everything.",
    }
}

fn banners(config: &ApiConfig) -> Vec<Banner> {
    let mut out = Vec::new();
    if config.auth_off {
        let local = matches!(config.allowed_hosts, HostRule::LoopbackOnly { .. });
        out.push(if local { open_on_this_machine() } else { Banner {
            tone: Tone::Danger,
            title: "Open to the network",
            text: "this server listens beyond this machine and asks nobody who they are (POSTHASTE_AUTH=off). \
                   Whoever reaches it can send and read messages.",
        } });
    }
    let sandbox = |text| Banner { tone: Tone::Info, title: "Sandbox", text };
    match (config.sandbox, config.provider_configured) {
        (true, false) => out.push(sandbox(
            "no e-mail provider is configured, messages are held here. Set POSTHASTE_SMTP_URL to send them.",
        )),
        (true, true) => out
            .push(sandbox("messages are held here instead of being sent, because POSTHASTE_SANDBOX is on.")),
        (false, false) => out.push(Banner {
            tone: Tone::Warn,
            title: "No e-mail provider",
            text: "messages wait until one is configured. Set POSTHASTE_SMTP_URL to send them, \
                   or POSTHASTE_SANDBOX=on to hold them here.",
        }),
        (false, true) => {}
    }
    out
}
