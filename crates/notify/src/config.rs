//! What the program is told about channels: providers, senders, the sandbox.

use std::collections::BTreeMap;
use std::time::Duration;

use posthaste_core::limits::MAX_NAME_BYTES;
use posthaste_core::{LaneKey, Name};

use crate::channels::email::SmtpTimeouts;
use crate::{EmailAddress, Mailbox, SmtpUrl};

/// The provider that `POSTHASTE_SMTP_URL` configures and that a notification without one uses.
pub const DEFAULT_PROVIDER: &str = "default";

/// What a lane's name of an e-mail provider starts with.
const LANE_PREFIX: &str = "email:";

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
    /// A certificate authority to trust beside the public ones, as PEM.
    pub trust: Option<String>,
    /// Most connections at a time.
    pub connections: usize,
    /// Messages after which a connection is closed: some servers count them and complain.
    pub messages_per_connection: u32,
    /// How long an unused connection is kept.
    pub idle: Duration,
    /// How long each step of a dialogue may take.
    pub timeouts: SmtpTimeouts,
}

impl EmailProvider {
    /// A provider that trusts the public certificate authorities and is used over at most 10
    /// connections, each kept for 15 s and 100 messages.
    ///
    /// # Errors
    /// [`ConfigError::ProviderName`].
    pub fn new(name: Name, url: SmtpUrl, from: Mailbox) -> Result<Self, ConfigError> {
        if name.as_str().len() > MAX_PROVIDER_NAME {
            return Err(ConfigError::ProviderName { name });
        }
        Ok(Self {
            name,
            url,
            from,
            trust: None,
            connections: 10,
            messages_per_connection: 100,
            idle: Duration::from_secs(15),
            timeouts: SmtpTimeouts::default(),
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
    /// [`ConfigError::Pattern`] when it has no `@` or holds white space or control characters.
    pub fn new(pattern: &str) -> Result<Self, ConfigError> {
        let pattern = pattern.trim();
        if !pattern.contains('@') || pattern.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err(ConfigError::Pattern { pattern: pattern.to_owned() });
        }
        Ok(Self(pattern.to_lowercase()))
    }

    /// Whether it matches, without regard to case.
    pub fn matches(&self, address: &EmailAddress) -> bool {
        glob(&self.0, &address.as_str().to_lowercase())
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
    /// For matching recipients; others are sent.
    OnlyFor(Vec<RecipientPattern>),
}

impl Sandbox {
    /// Whether a message to `address` is held.
    pub fn holds(&self, address: &EmailAddress) -> bool {
        match self {
            Self::Off => false,
            Self::On => true,
            Self::OnlyFor(patterns) => patterns.iter().any(|p| p.matches(address)),
        }
    }
}

/// What the notify handler is told.
#[derive(Debug, Clone, Default)]
pub struct NotifyConfig {
    /// The e-mail providers by name.
    pub providers: BTreeMap<Name, EmailProvider>,
    /// When messages are held.
    pub sandbox: Sandbox,
    /// The sender shown on held messages while no provider is configured.
    pub default_from: Option<Mailbox>,
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

/// The lane of an e-mail provider: `email:<name>`. `None` is the one named `default`.
pub fn email_lane(provider: Option<&Name>) -> LaneKey {
    let name = provider.map_or(DEFAULT_PROVIDER, Name::as_str);
    // A longer name cannot be configured, so what it is cut to only says where the task waits
    // until it is found misconfigured. Names are ASCII.
    let name = &name[..name.len().min(MAX_PROVIDER_NAME)];
    LaneKey::target(Name::new(format!("{LANE_PREFIX}{name}")).expect("a valid name behind a valid prefix"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_written() {
        let a: EmailAddress = "Dev-7@Example.com".parse().unwrap();
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
            assert_eq!(RecipientPattern::new(pattern).unwrap().matches(&a), yes, "{pattern}");
        }
        assert!(RecipientPattern::new("example.com").is_err());
        // A piece is not used twice.
        assert!(!glob("ab*ba", "aba"));
    }

    #[test]
    fn every_name_has_a_lane() {
        assert_eq!(email_lane(None).to_string(), "email:default");
        let long = Name::new("x".repeat(MAX_NAME_BYTES)).unwrap();
        assert_eq!(email_lane(Some(&long)).target.as_str().len(), MAX_NAME_BYTES);
    }
}
