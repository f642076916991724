//! What the program is told about channels: providers, senders, the sandbox.

use std::collections::BTreeMap;
use std::time::Duration;

use posthaste_core::limits::MAX_NAME_BYTES;
use posthaste_core::{LaneKey, Name, Tenant};

use ipnet::IpNet;

use crate::channel::ChannelKind;
use crate::channels::email::SmtpTimeouts;
use crate::channels::web_push::VapidKey;
use crate::ehlo::EhloName;
use crate::net::Certificates;
use crate::notification::Recipient;
use crate::sign::SigningSecret;
use crate::{Mailbox, Secret, SmtpUrl};

/// The provider that `POSTHASTE_SMTP_URL` configures and that a notification without one uses.
pub const DEFAULT_PROVIDER: &str = "default";

/// Whether tasks of `tenant` may go through the provider `name`: each signs with an account and a sender of its own, so a tenant
/// has the one that is everybody's, and the one that is named as it is.
pub fn is_open_to(name: &str, tenant: &Tenant) -> bool {
    name == DEFAULT_PROVIDER || name == tenant.as_str()
}

/// Connections to a mail server at a time unless set.
pub const DEFAULT_CONNECTIONS: usize = 10;
/// Most that can be set.
pub const MAX_CONNECTIONS: usize = 256;

/// Reads how many connections a provider may use.
///
/// # Errors
/// A sentence with the bounds.
pub fn connections(text: &str) -> Result<usize, String> {
    let number = text.parse().ok().filter(|n| (1..=MAX_CONNECTIONS).contains(n));
    number.ok_or_else(|| format!("must be a number from 1 to {MAX_CONNECTIONS}"))
}

/// The longest of what a lane's name starts with, the name of a channel and a colon.
const LANE_PREFIX: &str = "telegram:";

/// Longest name of a provider, so that its lane's name is valid.
pub const MAX_PROVIDER_NAME: usize = MAX_NAME_BYTES - LANE_PREFIX.len();

/// Why a configuration was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// A provider's name is too long.
    #[error("the provider name {name} is longer than {MAX_PROVIDER_NAME} bytes")]
    ProviderName {
        /// The name.
        name: Name,
    },
    /// A recipient pattern.
    #[error(
        "the recipient pattern {pattern:?} must look like *@example.com, dev-*@example.com or an address"
    )]
    Pattern {
        /// The pattern.
        pattern: String,
    },
}

/// A concrete SMTP service.
#[derive(Debug, Clone)]
pub struct EmailProvider {
    /// Its name: `[providers.<name>]`, the `provider` field of a notification, its lane.
    pub name: Name,
    /// Where it is and who signs in.
    pub url: SmtpUrl,
    /// Who its messages are from.
    pub from: Mailbox,
    /// Who else a message may say that it is from.
    pub senders: Vec<Mailbox>,
    /// A certificate authority to trust beside the public ones, as PEM.
    pub trust: Option<String>,
    /// The name that EHLO says; without one the host's, if it is a full name, else our address.
    pub ehlo: Option<EhloName>,
    /// Most connections at a time, 1 to [`MAX_CONNECTIONS`].
    pub connections: usize,
    /// How long after a refused connection one more is tried.
    pub grow: Duration,
    /// How long a message waits for a server that grants no connection at all.
    pub patience: Duration,
    /// Messages after which a connection is closed: some servers count them and complain.
    pub messages_per_connection: u32,
    /// How long an unused connection is kept.
    pub idle: Duration,
    /// How long each step of a dialogue may take.
    pub timeouts: SmtpTimeouts,
}

impl EmailProvider {
    /// A provider that trusts the public certificate authorities and is used over at most 10
    /// connections unless its URL says otherwise, each kept for 15 s and 100 messages.
    ///
    /// # Errors
    /// [`ConfigError::ProviderName`].
    pub fn new(name: Name, url: SmtpUrl, from: Mailbox) -> Result<Self, ConfigError> {
        if name.as_str().len() > MAX_PROVIDER_NAME {
            return Err(ConfigError::ProviderName { name });
        }
        Ok(Self {
            name,
            ehlo: url.ehlo().cloned(),
            connections: url.connections().unwrap_or(DEFAULT_CONNECTIONS),
            url,
            from,
            senders: Vec::new(),
            trust: None,
            grow: Duration::from_secs(10),
            patience: Duration::from_secs(20),
            messages_per_connection: 100,
            idle: Duration::from_secs(15),
            timeouts: SmtpTimeouts::default(),
        })
    }
}

impl EmailProvider {
    /// Who a message is from that asks to be from `asked`, or asks nothing; `None` for a sender that is not allowed. The
    /// address decides; a message may give it a name of its own.
    pub fn sender(&self, asked: Option<&Mailbox>) -> Option<Mailbox> {
        let Some(asked) = asked else { return Some(self.from.clone()) };
        let wanted = asked.address.suppression_name();
        let mut allowed = std::iter::once(&self.from).chain(&self.senders);
        let found = allowed.find(|m| m.address.suppression_name() == wanted)?;
        Some(Mailbox {
            name: asked.name.clone().or_else(|| found.name.clone()),
            address: found.address.clone(),
        })
    }
}

/// Which recipients the sandbox holds: `*` stands for any text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecipientPattern(String);

impl RecipientPattern {
    /// Checks and takes a pattern.
    ///
    /// # Errors
    /// [`ConfigError::Pattern`] when it has neither `@` nor `:`, or holds white space or control characters.
    pub fn new(pattern: &str) -> Result<Self, ConfigError> {
        let pattern = pattern.trim();
        if !pattern.contains(['@', ':']) || pattern.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err(ConfigError::Pattern { pattern: pattern.to_owned() });
        }
        Ok(Self(pattern.to_lowercase()))
    }

    /// Whether it matches, without regard to case: an e-mail address, or `channel:recipient` of any other channel.
    pub fn matches(&self, channel: ChannelKind, to: &Recipient) -> bool {
        let text = match channel {
            ChannelKind::Email => to.as_str().to_lowercase(),
            other => format!("{other}:{}", to.as_str().to_lowercase()),
        };
        glob(&self.0, &text)
    }
}

/// Matches `*` greedily piece by piece; linear in practice, bounded by the length of an address.
fn glob(pattern: &str, text: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(mut text) = text.strip_prefix(first) else { return false };
    let mut pieces: Vec<&str> = rest.split('*').collect();
    let last = pieces.pop().unwrap_or("");
    for piece in pieces {
        let Some(at) = text.find(piece) else { return false };
        text = &text[at + piece.len()..];
    }
    text.ends_with(last)
}

/// When messages are held for people to look at instead of being sent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Sandbox {
    /// Never: without a provider a message is `misconfigured`.
    #[default]
    Off,
    /// Always.
    On,
    /// Because no provider is configured: all but webhooks, which need none.
    Unconfigured,
    /// For matching recipients; others are sent.
    OnlyFor(Vec<RecipientPattern>),
}

impl Sandbox {
    /// Whether a message is held.
    pub fn holds(&self, channel: ChannelKind, to: &Recipient) -> bool {
        match self {
            Self::Off => false,
            Self::On => true,
            Self::Unconfigured => channel != ChannelKind::Webhook,
            Self::OnlyFor(patterns) => patterns.iter().any(|p| p.matches(channel, to)),
        }
    }
}

/// What the notify handler is told.
#[derive(Debug, Clone, Default)]
pub struct NotifyConfig {
    /// The e-mail providers by name.
    pub providers: BTreeMap<Name, EmailProvider>,
    /// The providers of other channels by name; no e-mail provider has the same one.
    pub services: BTreeMap<Name, Service>,
    /// When messages are held.
    pub sandbox: Sandbox,
    /// The sender shown on held messages while no provider is configured.
    pub default_from: Option<Mailbox>,
    /// Addresses that may be called although they are not public.
    pub allow: Vec<IpNet>,
    /// Certificates that connections over HTTPS trust beside the public authorities.
    pub trust: Option<Certificates>,
    /// What signs, instead of a secret that the store keeps.
    pub signing: Option<SigningSecret>,
    /// How people reach the server: where links in messages lead.
    pub public_url: Option<String>,
}

impl NotifyConfig {
    /// With one more provider.
    #[must_use]
    pub fn with_provider(mut self, provider: EmailProvider) -> Self {
        self.providers.insert(provider.name.clone(), provider);
        self
    }

    /// Whether a notification that names `provider` (or none) can be sent.
    pub fn has_provider(&self, provider: Option<&Name>) -> bool {
        self.provider(provider).is_some()
    }

    /// The provider that a notification naming `provider` (or none) uses.
    pub fn provider(&self, provider: Option<&Name>) -> Option<&EmailProvider> {
        match provider {
            Some(name) => self.providers.get(name),
            None => self.providers.values().find(|p| p.name.as_str() == DEFAULT_PROVIDER),
        }
    }
}

/// A concrete service behind a channel other than e-mail.
#[derive(Debug, Clone)]
pub struct Service {
    /// Its name: `[providers.<name>]`, the `provider` field of a notification, its lane.
    pub name: Name,
    /// What it is and how it is reached.
    pub kind: ServiceKind,
}

/// What a service is and how it is reached. URLs of chats are secrets: who knows one may write there.
#[derive(Debug, Clone)]
pub enum ServiceKind {
    /// Slack, by the URL of an incoming webhook.
    SlackWebhook {
        /// The URL.
        url: Secret,
    },
    /// Slack, by a bot's token; the recipient is a channel.
    SlackBot {
        /// The token, `xoxb-…`.
        token: Secret,
        /// Where its methods are.
        api: String,
        /// The channel of messages that name none.
        channel: Option<String>,
    },
    /// Discord, by the URL of a webhook.
    Discord {
        /// The URL.
        url: Secret,
    },
    /// Microsoft Teams, by the URL of a workflow.
    Teams {
        /// The URL.
        url: Secret,
    },
    /// A Telegram bot.
    Telegram {
        /// The token.
        token: Secret,
        /// Where its methods are.
        api: String,
        /// The chat of messages that name none.
        chat: Option<String>,
    },
    /// An ntfy server.
    Ntfy {
        /// Where it is.
        url: String,
        /// An access token.
        token: Option<Secret>,
        /// The topic of messages that name none.
        topic: Option<String>,
    },
    /// A Gotify server.
    Gotify {
        /// Where it is.
        url: String,
        /// The application's token.
        token: Secret,
    },
    /// Twilio.
    Twilio {
        /// The account, `AC…`.
        account: String,
        /// Its token.
        token: Secret,
        /// The number or messaging service (`MG…`) that messages are from.
        from: String,
        /// Where its API is.
        api: String,
    },
    /// Web Push.
    WebPush {
        /// Who sends, for push services to complain to: `mailto:` or `https:` (RFC 8292 §2.1).
        subject: String,
        /// The key pair that identifies the sender.
        key: VapidKey,
    },
}

impl ServiceKind {
    /// The channel that it serves.
    pub const fn channel(&self) -> ChannelKind {
        match self {
            Self::SlackWebhook { .. } | Self::SlackBot { .. } => ChannelKind::Slack,
            Self::Discord { .. } => ChannelKind::Discord,
            Self::Teams { .. } => ChannelKind::Teams,
            Self::Telegram { .. } => ChannelKind::Telegram,
            Self::Ntfy { .. } => ChannelKind::Ntfy,
            Self::Gotify { .. } => ChannelKind::Gotify,
            Self::Twilio { .. } => ChannelKind::Sms,
            Self::WebPush { .. } => ChannelKind::WebPush,
        }
    }
}

impl NotifyConfig {
    /// The service of a channel that a notification naming `provider` (or none) uses: without a name the one called
    /// `default`, else the only one.
    pub fn service(&self, channel: ChannelKind, provider: Option<&Name>) -> Option<&Service> {
        if let Some(name) = provider {
            return self.services.get(name).filter(|s| s.kind.channel() == channel);
        }
        let mut all = self.services.values().filter(|s| s.kind.channel() == channel);
        let first = all.next()?;
        match all.next() {
            None => Some(first),
            Some(_) => self
                .services
                .values()
                .find(|s| s.kind.channel() == channel && matches!(s.name.as_str(), DEFAULT_PROVIDER)),
        }
    }

    /// The name of the provider that a notification without a name is for. `None` where it is for none: of a webhook, and where the
    /// channel has no default and not exactly one.
    pub fn unnamed(&self, channel: ChannelKind) -> Option<&Name> {
        match channel {
            ChannelKind::Webhook => None,
            ChannelKind::Email => self.provider(None).map(|p| &p.name),
            _ => self.service(channel, None).map(|s| &s.name),
        }
    }

    /// Whether anything at all is configured that could send.
    pub fn sends_nothing(&self) -> bool {
        self.providers.is_empty() && self.services.is_empty()
    }
}

/// The lane of a provider, endpoint or host of a channel: `<channel>:<target>`. Every target has one: what cannot be in a
/// name is written `_`, and a longer one, which cannot be configured, is cut, so that the task waits somewhere until it
/// is found misconfigured.
pub fn channel_lane(channel: ChannelKind, target: &str) -> LaneKey {
    let plain =
        |c: char| if c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | ':' | '@' | '-') { c } else { '_' };
    let target: String = target.chars().take(MAX_PROVIDER_NAME).map(plain).collect();
    LaneKey::target(Name::new(format!("{channel}:{target}")).expect("a valid name behind a valid prefix"))
}

/// The lanes of a provider, besides the one that is called like it: of Web Push one per push service
/// (`web_push:<provider>@<service>`), so that none holds up another.
pub fn service_lanes(channel: ChannelKind, provider: &str) -> Vec<LaneKey> {
    if channel != ChannelKind::WebPush {
        return Vec::new();
    }
    crate::channels::web_push::services().map(|service| push_lane(provider, &service)).collect()
}

/// The lane of a push service that a provider sends through.
pub(crate) fn push_lane(provider: &str, service: &str) -> LaneKey {
    let most = MAX_PROVIDER_NAME - service.len() - 1;
    // A name that leaves no room for the service is told by its digest, so that two long ones share no lane.
    let provider = match provider.len() > most {
        true => {
            format!("{}-{}", &provider[..most - 17], &crate::digest::sha256_hex(provider.as_bytes())[..16])
        }
        false => provider.to_owned(),
    };
    channel_lane(ChannelKind::WebPush, &format!("{provider}@{service}"))
}

/// The lane of an e-mail provider: `email:<name>`. `None` is the one named `default`.
pub fn email_lane(provider: Option<&Name>) -> LaneKey {
    channel_lane(ChannelKind::Email, provider.map_or(DEFAULT_PROVIDER, Name::as_str))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_written() {
        let a = Recipient::Email("Dev-7@Example.com".parse().unwrap());
        for (pattern, yes) in [
            ("*@example.com", true),
            ("dev-*@example.com", true),
            ("dev-7@example.com", true),
            ("*@*.com", true),
            ("*dev*@*", true),
            ("*@example.org", false),
            ("ops-*@example.com", false),
            ("*@example.com.evil.org", false),
        ] {
            assert_eq!(
                RecipientPattern::new(pattern).unwrap().matches(ChannelKind::Email, &a),
                yes,
                "{pattern}"
            );
        }
        assert!(RecipientPattern::new("example.com").is_err());
        let number = Recipient::Other("+4930123456".into());
        assert!(RecipientPattern::new("sms:+4930*").unwrap().matches(ChannelKind::Sms, &number));
        assert!(!RecipientPattern::new("*@example.com").unwrap().matches(ChannelKind::Sms, &number));
        // A piece is not used twice.
        assert!(!glob("ab*ba", "aba"));
    }

    #[test]
    fn a_sender_is_one_of_those_that_the_provider_allows() {
        let url = "smtps://mail.example.com".parse().unwrap();
        let mailbox = |text: &str| text.parse::<Mailbox>().unwrap();
        let mut p =
            EmailProvider::new(Name::new("x").unwrap(), url, mailbox("Shop <shop@example.com>")).unwrap();
        let sender = |p: &EmailProvider, asked: &str| p.sender(Some(&mailbox(asked))).map(|m| m.to_string());
        assert_eq!(p.sender(None), Some(p.from.clone()));
        assert_eq!(sender(&p, "shop@EXAMPLE.com").as_deref(), Some("Shop <shop@example.com>"));
        assert_eq!(sender(&p, "Us <shop@example.com>").as_deref(), Some("Us <shop@example.com>"));
        assert_eq!(sender(&p, "news@example.com"), None);
        p.senders = vec![mailbox("News <news@example.com>")];
        assert_eq!(sender(&p, "news@example.com").as_deref(), Some("News <news@example.com>"));
        assert_eq!(sender(&p, "news@example.org"), None);
    }

    #[test]
    fn a_push_service_has_a_lane_whatever_its_provider_is_called() {
        let lane = |name: &str| push_lane(name, "push.services.mozilla.com").to_string();
        assert_eq!(lane("push"), "web_push:push@push.services.mozilla.com");
        let (a, b) = ("x".repeat(MAX_PROVIDER_NAME), format!("{}y", "x".repeat(MAX_PROVIDER_NAME - 1)));
        assert!(lane(&a) != lane(&b) && lane(&a).len() <= MAX_NAME_BYTES);
        assert!(lane(&a).ends_with("@push.services.mozilla.com"));
        assert!(service_lanes(ChannelKind::Sms, "x").is_empty());
        assert!(service_lanes(ChannelKind::WebPush, &a).iter().any(|l| l.to_string() == lane(&a)));
    }

    #[test]
    fn every_name_has_a_lane() {
        assert_eq!(email_lane(None).to_string(), "email:default");
        let long = Name::new("x".repeat(MAX_NAME_BYTES)).unwrap();
        assert!(email_lane(Some(&long)).target.as_str().len() <= MAX_NAME_BYTES);
        assert_eq!(channel_lane(ChannelKind::Telegram, long.as_str()).target.as_str().len(), MAX_NAME_BYTES);
        for odd in [
            "",
            "http:/127.0.0.1/",
            "a b\r\n",
            &format!("https:{}", "é".repeat(70)),
            &"\u{1F600}".repeat(200),
        ] {
            for channel in ChannelKind::ALL {
                let lane = channel_lane(channel, odd);
                assert!(lane.to_string().parse::<LaneKey>().is_ok(), "{lane}");
            }
        }
    }
}
