//! Under which settings a provider is asked, told by a keyed fingerprint: a pause for refused settings keeps it, and a process
//! that was started with others lifts that pause at once.
//!
//! Who reads a fingerprint learns nothing of the password that went into it: its key is a secret of the installation.

use std::sync::Arc;

use posthaste_core::{BrokerError, Name, Store};

use crate::channels::now;
use crate::config::{DEFAULT_PROVIDER, channel_lane};
use crate::sign::SigningSecret;
use crate::signing::Signing;
use crate::{ChannelKind, EmailProvider, NotifyConfig, Service, ServiceKind};

/// What is signed instead of a message's id, so that no fingerprint is a signature of one.
const PURPOSE: &str = "provider-settings";
/// Characters of base64 that are kept: 132 bits.
const LENGTH: usize = 22;

/// `<lane> <fingerprint>` of every provider of `config`, as [`posthaste_core::Broker::lift`] takes them.
///
/// # Errors
/// The store's, which keeps the secret.
pub async fn fingerprints(config: &NotifyConfig, store: Arc<dyn Store>) -> Result<Vec<String>, BrokerError> {
    if config.sends_nothing() {
        return Ok(Vec::new());
    }
    let signing = Signing::new(store, config.signing.clone());
    let secrets = signing.secrets(now()).await?;
    let Some(secret) = secrets.first() else { return Ok(Vec::new()) };
    let mut all: Vec<String> = config.providers.values().map(|p| of_email(secret, p)).collect();
    for service in config.services.values() {
        let channel = service.kind.channel();
        all.push(of_service(secret, channel, &service.name, service));
        // A message that names no provider waits in the lane `default`, whatever the only one is called.
        if config.service(channel, None).is_some_and(|s| s.name == service.name) {
            let name = Name::new(DEFAULT_PROVIDER).expect("a fixed, valid name");
            all.push(of_service(secret, channel, &name, service));
        }
    }
    all.dedup();
    Ok(all)
}

/// The same of the provider that a message of `channel` naming `provider` uses; of none, that there is none.
pub(crate) fn of(
    secret: &SigningSecret,
    config: &NotifyConfig,
    channel: ChannelKind,
    provider: Option<&Name>,
) -> String {
    let lane = || channel_lane(channel, provider.map_or(DEFAULT_PROVIDER, Name::as_str));
    let found = match channel {
        ChannelKind::Email => config.provider(provider).map(|p| of_email(secret, p)),
        _ => config.service(channel, provider).map(|s| {
            let default = Name::new(DEFAULT_PROVIDER).expect("a fixed, valid name");
            of_service(secret, channel, provider.unwrap_or(&default), s)
        }),
    };
    found.unwrap_or_else(|| format!("{} none", lane()))
}

fn of_email(secret: &SigningSecret, p: &EmailProvider) -> String {
    let credentials = p.url.credentials();
    let parts = [
        p.url.host().to_owned(),
        p.url.port().to_string(),
        format!("{:?}", p.url.transport()),
        credentials.map(|(user, _)| user.to_owned()).unwrap_or_default(),
        credentials.map(|(_, password)| password.expose().to_owned()).unwrap_or_default(),
        p.from.to_string(),
        p.senders.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "),
        p.trust.clone().unwrap_or_default(),
        format!("{:?}", p.ehlo),
    ];
    told(secret, ChannelKind::Email, &p.name, &parts)
}

fn of_service(secret: &SigningSecret, channel: ChannelKind, name: &Name, service: &Service) -> String {
    let optional = |text: &Option<String>| text.clone().unwrap_or_default();
    let parts: Vec<String> = match &service.kind {
        ServiceKind::SlackWebhook { url } | ServiceKind::Discord { url } | ServiceKind::Teams { url } => {
            vec![url.expose().to_owned()]
        }
        ServiceKind::SlackBot { token, api, channel } => {
            vec![token.expose().to_owned(), api.clone(), optional(channel)]
        }
        ServiceKind::Telegram { token, api, chat } => {
            vec![token.expose().to_owned(), api.clone(), optional(chat)]
        }
        ServiceKind::Ntfy { url, token, topic } => {
            let token = token.as_ref().map(|t| t.expose().to_owned()).unwrap_or_default();
            vec![url.clone(), token, optional(topic)]
        }
        ServiceKind::Gotify { url, token } => vec![url.clone(), token.expose().to_owned()],
        ServiceKind::Twilio { account, token, from, api } => {
            vec![account.clone(), token.expose().to_owned(), from.clone(), api.clone()]
        }
        // The public key tells its private one.
        ServiceKind::WebPush { subject, key } => vec![subject.clone(), key.public().to_owned()],
    };
    told(secret, channel, name, &parts)
}

fn told(secret: &SigningSecret, channel: ChannelKind, name: &Name, parts: &[String]) -> String {
    let lane = channel_lane(channel, name.as_str()).to_string();
    let text = serde_json::to_vec(&(&lane, parts)).expect("texts are JSON");
    let signature = secret.sign(PURPOSE, 0, &text);
    let tag: String = signature.trim_start_matches("v1,").chars().take(LENGTH).collect();
    format!("{lane} {tag}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn email(url: &str, from: &str) -> EmailProvider {
        let name = Name::new("default").unwrap();
        EmailProvider::new(name, url.parse().unwrap(), from.parse().unwrap()).unwrap()
    }

    #[test]
    fn each_setting_that_a_server_judges_changes_it_and_none_is_in_it() {
        let secret = SigningSecret::random();
        let of = |url: &str, from: &str| of_email(&secret, &email(url, from));
        let first = of("smtps://me:hunter22@mail.example.com", "a@example.com");
        assert_eq!(first, of("smtps://me:hunter22@mail.example.com", "a@example.com"));
        assert!(first.starts_with("email:default ") && !first.contains("hunter22"), "{first}");
        for (url, from) in [
            ("smtps://me:hunter23@mail.example.com", "a@example.com"),
            ("smtps://you:hunter22@mail.example.com", "a@example.com"),
            ("smtps://me:hunter22@mx.example.com", "a@example.com"),
            ("smtps://me:hunter22@mail.example.com:466", "a@example.com"),
            ("smtp+starttls://me:hunter22@mail.example.com:465", "a@example.com"),
            ("smtps://me:hunter22@mail.example.com", "b@example.com"),
        ] {
            assert_ne!(of(url, from), first, "{url} {from}");
        }
        let other = of_email(
            &SigningSecret::random(),
            &email("smtps://me:hunter22@mail.example.com", "a@example.com"),
        );
        assert_ne!(other, first, "its key is the installation's own");
    }

    #[test]
    fn a_message_that_names_none_is_its_only_providers() {
        let secret = SigningSecret::random();
        let kind = ServiceKind::SlackWebhook { url: crate::Secret::new("https://hooks.example.com/x") };
        let service = Service { name: Name::new("ops").unwrap(), kind };
        let mut config = NotifyConfig::default();
        assert_eq!(of(&secret, &config, ChannelKind::Slack, None), "slack:default none");
        config.services.insert(service.name.clone(), service.clone());
        let found = of(&secret, &config, ChannelKind::Slack, None);
        assert!(found.starts_with("slack:default ") && !found.ends_with("none"), "{found}");
        let named = of(&secret, &config, ChannelKind::Slack, Some(&service.name));
        assert!(named.starts_with("slack:ops "), "{named}");
    }
}
