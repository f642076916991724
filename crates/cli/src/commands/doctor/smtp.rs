//! The e-mail providers: reachable, protected as asked for, credentials accepted.

use std::time::Duration;

use posthaste_core::FailureClass;
use posthaste_notify::channels::email::probe;
use posthaste_notify::{EmailProvider, Sandbox};

use super::Check;
use crate::settings::typed::ServerConfig;

/// A server that takes longer to say hello does not serve.
const LIMIT: Duration = Duration::from_secs(15);

/// Each provider, or what happens without one.
pub(crate) async fn checks(config: &ServerConfig) -> Vec<Check> {
    if config.notify.providers.is_empty() {
        return vec![match config.notify.sandbox {
            Sandbox::On | Sandbox::Unconfigured => {
                Check::ok("e-mail", format!("sandbox {}", config.sandbox_note()))
            }
            Sandbox::Off | Sandbox::OnlyFor(_) => Check::fail(
                "e-mail",
                "no provider is configured and the sandbox does not hold everything: notifications would wait as misconfigured",
                "set POSTHASTE_SMTP_URL, for example smtps://user:password@mail.example.com, or POSTHASTE_SANDBOX=on",
            ),
        }];
    }
    let mut out = Vec::new();
    for provider in config.notify.providers.values() {
        out.push(check(provider).await);
        if provider.url.exposes_password() {
            out.push(Check::warn(
                format!("smtp {}", provider.name),
                format!("{} sends the password unprotected over the network", provider.url),
                "use smtps:// or smtp+starttls://",
            ));
        }
    }
    out
}

async fn check(provider: &EmailProvider) -> Check {
    let name = format!("smtp {}", provider.name);
    let signed_in =
        if provider.url.credentials().is_some() { ", credentials accepted" } else { ", no credentials" };
    // Asked once: what grants no connection now is what the reader wants to know.
    let provider = EmailProvider { patience: Duration::ZERO, ..provider.clone() };
    let Ok(probed) = tokio::time::timeout(LIMIT, probe(&provider, LIMIT)).await else {
        return Check::fail(
            name,
            format!("{} does not answer within {LIMIT:?}", provider.url),
            "check host, port and firewall; many networks block port 25",
        );
    };
    let Err(failure) = probed else {
        return Check::ok(name, format!("{} answers{signed_in}", provider.url));
    };
    let fix = match (failure.class, &failure.code) {
        (FailureClass::Misconfigured, None) => {
            "check ca_file and whether the scheme fits: smtps:// (TLS, 465) or smtp:// (STARTTLS, 587)"
        }
        (_, Some(_)) => "check user and password, and whether this machine may use the server",
        (_, None) => {
            "check host, port and firewall, and whether the scheme fits: smtps:// (TLS, 465) or smtp:// (STARTTLS, 587)"
        }
    };
    Check::fail(name, format!("{} cannot be used: {}", provider.url, failure.message), fix)
}
