//! The e-mail providers: reachable, protected as asked for, credentials accepted.

use std::time::Duration;

use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, Tokio1Executor};
use posthaste_notify::{EmailProvider, Sandbox, Transport};

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
    let transport = match transport(provider) {
        Ok(transport) => transport,
        Err(e) => return Check::fail(name, e.to_string(), "check the provider's host name and ca_file"),
    };
    let signed_in =
        if provider.url.credentials().is_some() { ", credentials accepted" } else { ", no credentials" };
    match tokio::time::timeout(LIMIT, transport.test_connection()).await {
        Ok(Ok(true)) => Check::ok(name, format!("{} answers{signed_in}", provider.url)),
        Ok(Ok(false)) => {
            Check::fail(name, format!("{} does not take commands", provider.url), "ask its operator")
        }
        Ok(Err(e)) if e.status().is_some() => Check::fail(
            name,
            format!("{} refused: {}", provider.url, with_sources(&e)),
            "check user and password, and whether this machine may use the server",
        ),
        Ok(Err(e)) => Check::fail(
            name,
            format!("{} cannot be used: {}", provider.url, with_sources(&e)),
            "check host, port and firewall, and whether the scheme fits: smtps:// (TLS, 465) or smtp:// (STARTTLS, 587)",
        ),
        Err(_) => Check::fail(
            name,
            format!("{} does not answer within {LIMIT:?}", provider.url),
            "check host, port and firewall; many networks block port 25",
        ),
    }
}

fn transport(
    provider: &EmailProvider,
) -> Result<AsyncSmtpTransport<Tokio1Executor>, lettre::transport::smtp::Error> {
    let url = &provider.url;
    let parameters = || {
        let mut builder = TlsParameters::builder(url.host().to_owned());
        if let Some(pem) = &provider.trust {
            builder = builder.add_root_certificate(Certificate::from_pem(pem.as_bytes())?);
        }
        builder.build_rustls()
    };
    let tls = match url.transport() {
        Transport::ImplicitTls => Tls::Wrapper(parameters()?),
        Transport::StartTls => Tls::Required(parameters()?),
        Transport::Plain => Tls::None,
    };
    let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(url.host())
        .port(url.port())
        .tls(tls)
        .timeout(Some(LIMIT));
    if let Some((user, secret)) = url.credentials() {
        builder = builder.credentials(Credentials::new(user.to_owned(), secret.expose().to_owned()));
    }
    Ok(builder.build())
}

fn with_sources(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        let part = source.to_string();
        if !text.contains(&part) {
            text.push_str(": ");
            text.push_str(&part);
        }
        next = source.source();
    }
    text
}
