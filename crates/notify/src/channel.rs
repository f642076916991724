//! The channels by name: what a recipient of each looks like, what a message may hold, what else it may be told.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::channels::ChannelLimits;
use crate::channels::web_push::Subscription;
use crate::net::read_url;
use crate::notification::{MAX_BODY, MAX_SUBJECT};

/// A way to deliver a message to one recipient.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChannelKind {
    /// E-mail by SMTP.
    Email,
    /// A POST to an endpoint or URL, signed.
    Webhook,
    /// Slack, by an incoming webhook or a bot's token.
    Slack,
    /// A Discord webhook.
    Discord,
    /// A Microsoft Teams workflow.
    Teams,
    /// A Telegram bot.
    Telegram,
    /// A topic of an ntfy server.
    Ntfy,
    /// A Gotify server.
    Gotify,
    /// A text message by Twilio.
    Sms,
    /// Web Push to a browser.
    WebPush,
}

impl ChannelKind {
    /// Every channel.
    pub const ALL: [Self; 10] = [
        Self::Email,
        Self::Webhook,
        Self::Slack,
        Self::Discord,
        Self::Teams,
        Self::Telegram,
        Self::Ntfy,
        Self::Gotify,
        Self::Sms,
        Self::WebPush,
    ];

    /// Its name in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::Webhook => "webhook",
            Self::Slack => "slack",
            Self::Discord => "discord",
            Self::Teams => "teams",
            Self::Telegram => "telegram",
            Self::Ntfy => "ntfy",
            Self::Gotify => "gotify",
            Self::Sms => "sms",
            Self::WebPush => "web_push",
        }
    }

    /// What a message may hold, in bytes; the bounds of each service where it documents one.
    pub const fn limits(self) -> ChannelLimits {
        let (subject, body) = match self {
            Self::Email | Self::Webhook => (MAX_SUBJECT, MAX_BODY),
            // https://docs.slack.dev/reference/methods/chat.postMessage: text beyond 40,000 characters is cut.
            Self::Slack => (150, 40_000),
            // https://discord.com/developers/docs/resources/webhook: content up to 2,000 characters.
            Self::Discord => (256, 1_700),
            // https://learn.microsoft.com/microsoftteams/platform/webhooks-and-connectors: 28 KB a message.
            Self::Teams => (256, 20 * 1024),
            // https://core.telegram.org/bots/api#sendmessage: 1 to 4,096 characters.
            Self::Telegram => (256, 3_800),
            // https://docs.ntfy.sh/publish/#limitations: 4,096 bytes, else it becomes an attachment.
            Self::Ntfy => (250, 4_096),
            Self::Gotify => (256, 32 * 1024),
            // https://www.twilio.com/docs/messaging/api/message-resource: 1,600 characters.
            Self::Sms => (0, 1_600),
            // RFC 8291 §4: 4,096 bytes with its overhead; the JSON around the text takes its part.
            Self::WebPush => (256, 3_000),
        };
        ChannelLimits { subject, body }
    }

    /// Whether its recipient may be left out because the provider knows it.
    pub const fn recipient_is_optional(self) -> bool {
        matches!(self, Self::Slack | Self::Discord | Self::Teams | Self::Telegram | Self::Ntfy | Self::Gotify)
    }

    /// Checks a recipient of a channel other than e-mail.
    ///
    /// # Errors
    /// A sentence for the person who wrote it.
    pub fn check_recipient(self, to: &str) -> Result<(), String> {
        if to.is_empty() {
            return if self.recipient_is_optional() {
                Ok(())
            } else {
                Err("The recipient must not be empty.".into())
            };
        }
        match self {
            Self::Email => to.parse::<crate::EmailAddress>().map(drop).map_err(|e| e.to_string()),
            // No name of an endpoint holds a colon or a slash.
            Self::Webhook if to.contains([':', '/', '\\']) => {
                read_url(to).map(drop).map_err(|e| e.to_string())
            }
            Self::Webhook => named(to, "Give the name of an endpoint or a URL that begins with https://."),
            Self::Slack => named(
                to.trim_start_matches('#'),
                "Give the id or name of a Slack channel, as C0123456 or #ops.",
            ),
            Self::Discord | Self::Teams | Self::Gotify => {
                Err("The provider decides where it goes: leave the recipient out.".into())
            }
            Self::Telegram => telegram(to),
            Self::Ntfy => ntfy(to),
            Self::Sms => e164(to),
            Self::WebPush => to.parse::<Subscription>().map(drop).map_err(|e| e.to_string()),
        }
    }

    /// A recipient as it is remembered: one spelling of what is one recipient.
    pub(crate) fn normal_recipient(self, to: &str) -> String {
        match self {
            Self::WebPush => to.parse::<Subscription>().map_or_else(|_| to.to_owned(), |s| s.endpoint),
            Self::Telegram | Self::Ntfy | Self::Slack => to.trim_start_matches(['#', '@']).to_lowercase(),
            _ => to.to_owned(),
        }
    }

    /// Checks what only this channel knows.
    ///
    /// # Errors
    /// A sentence that names the option.
    pub fn check_options(self, options: &BTreeMap<String, Value>) -> Result<(), String> {
        let known: &[&str] = match self {
            Self::Discord => &["username"],
            Self::Telegram => &["parse_mode", "silent"],
            Self::Ntfy => &["priority", "tags", "click"],
            Self::Gotify => &["priority"],
            Self::WebPush => &["ttl", "urgency", "topic", "url"],
            Self::Email | Self::Webhook | Self::Slack | Self::Teams | Self::Sms => &[],
        };
        for (name, value) in options {
            if !known.contains(&name.as_str()) {
                return Err(if known.is_empty() {
                    format!("The channel {self} has no options.")
                } else {
                    format!("The channel {self} has no option {name:?}; there are {}.", known.join(", "))
                });
            }
            check_option(self, name, value).map_err(|must| format!("The option {name} must be {must}."))?;
        }
        Ok(())
    }
}

fn check_option(channel: ChannelKind, name: &str, value: &Value) -> Result<(), &'static str> {
    let integer = |low: u64, high: u64| value.as_u64().is_some_and(|n| (low..=high).contains(&n));
    let text = |most: usize| {
        value
            .as_str()
            .is_some_and(|s| !s.is_empty() && s.len() <= most && !s.chars().any(crate::address::is_control))
    };
    let (fine, must) = match (channel, name) {
        (_, "username") => (text(80), "text of at most 80 bytes"),
        (_, "parse_mode") => (matches!(value.as_str(), Some("HTML" | "MarkdownV2")), "HTML or MarkdownV2"),
        (_, "silent") => (value.is_boolean(), "true or false"),
        (ChannelKind::Gotify, "priority") => (integer(0, 10), "a number from 0 to 10"),
        (_, "priority") => (integer(1, 5), "a number from 1 to 5"),
        (_, "tags") => {
            let short = |v: &Value| {
                v.as_str().is_some_and(|s| {
                    !s.is_empty() && s.len() <= 64 && s.bytes().all(|b| b.is_ascii_graphic() && b != b',')
                })
            };
            (
                value.as_array().is_some_and(|a| a.len() <= 10 && a.iter().all(short)),
                "a list of at most 10 words",
            )
        }
        (_, "click" | "url") => (value.as_str().is_some_and(|u| read_url(u).is_ok()), "a URL"),
        (_, "ttl") => (integer(0, 28 * 24 * 3600), "seconds, at most 28 days"),
        (_, "urgency") => (
            matches!(value.as_str(), Some("very-low" | "low" | "normal" | "high")),
            "very-low, low, normal or high",
        ),
        // RFC 8030 §5.4.
        (_, "topic") => {
            let word = |s: &str| {
                !s.is_empty()
                    && s.len() <= 32
                    && s.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
            };
            (value.as_str().is_some_and(word), "at most 32 letters, digits, - and _")
        }
        _ => (false, "left out"),
    };
    if fine { Ok(()) } else { Err(must) }
}

fn named(to: &str, otherwise: &str) -> Result<(), String> {
    let fine = !to.is_empty()
        && to.len() <= 80
        && to.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'));
    if fine { Ok(()) } else { Err(otherwise.to_owned()) }
}

/// A chat's number, negative for groups, or the name of a public channel.
fn telegram(to: &str) -> Result<(), String> {
    let number = to.strip_prefix('-').unwrap_or(to);
    let numeric = !number.is_empty() && number.len() <= 20 && number.bytes().all(|b| b.is_ascii_digit());
    let channel = to.strip_prefix('@').is_some_and(|n| {
        (4..=32).contains(&n.len()) && n.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
    });
    if numeric || channel {
        Ok(())
    } else {
        Err("Give the number of a Telegram chat, or @ and the name of a channel.".into())
    }
}

/// The server's own rule, `^[-_A-Za-z0-9]{1,64}$`.
fn ntfy(to: &str) -> Result<(), String> {
    let fine = to.len() <= 64 && to.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    if fine { Ok(()) } else { Err("A topic of ntfy is 1 to 64 letters, digits, - and _.".into()) }
}

/// ITU-T E.164: a plus and at most 15 digits, the first not zero.
fn e164(to: &str) -> Result<(), String> {
    let digits = to.strip_prefix('+').unwrap_or("");
    let fine = (7..=15).contains(&digits.len())
        && !digits.starts_with('0')
        && digits.bytes().all(|b| b.is_ascii_digit());
    if fine { Ok(()) } else { Err("Give the number with its country, as in +4930123456.".into()) }
}

impl fmt::Display for ChannelKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Not the name of a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "There is no such channel; there are email, webhook, slack, discord, teams, telegram, ntfy, gotify, sms and web_push."
)]
pub struct UnknownChannel;

impl FromStr for ChannelKind {
    type Err = UnknownChannel;

    fn from_str(text: &str) -> Result<Self, UnknownChannel> {
        Self::ALL.into_iter().find(|c| c.as_str() == text).ok_or(UnknownChannel)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names_read_back() {
        for channel in ChannelKind::ALL {
            assert_eq!(channel.as_str().parse(), Ok(channel));
            assert_eq!(serde_json::to_value(channel).unwrap(), json!(channel.as_str()));
        }
        assert!("pigeon".parse::<ChannelKind>().is_err());
    }

    #[test]
    fn recipients_are_those_of_the_channel() {
        use ChannelKind as C;
        for (channel, good, bad) in [
            (
                C::Webhook,
                &["shop", "https://example.com/x"][..],
                &["", "a b", "ftp://example.com", "https://u:p@example.com"][..],
            ),
            (C::Slack, &["", "#ops", "C0123"], &["a b", "#", "<!everyone>"]),
            (C::Discord, &[""], &["general"]),
            (C::Telegram, &["", "42", "-100123", "@channel"], &["channel", "@a b", "1.5"]),
            (C::Ntfy, &["", "alerts-1"], &["a/b", "a b"]),
            (C::Sms, &["+4930123456"], &["", "030123456", "+0301234567", "+49 30 1", "+1234567890123456"]),
            (C::WebPush, &[], &["", "{}", "https://push.example.com"]),
        ] {
            for to in good {
                assert_eq!(channel.check_recipient(to), Ok(()), "{channel} {to:?}");
            }
            for to in bad {
                assert!(channel.check_recipient(to).is_err(), "{channel} {to:?}");
            }
        }
    }

    #[test]
    fn options_are_those_of_the_channel() {
        let check = |channel: ChannelKind, value: Value| {
            let map: BTreeMap<String, Value> = serde_json::from_value(value).unwrap();
            channel.check_options(&map)
        };
        assert!(
            check(
                ChannelKind::Ntfy,
                json!({"priority": 5, "tags": ["warning"], "click": "https://example.com"})
            )
            .is_ok()
        );
        assert!(check(ChannelKind::Ntfy, json!({"priority": 6})).is_err());
        assert!(check(ChannelKind::Gotify, json!({"priority": 10})).is_ok());
        assert!(check(ChannelKind::Telegram, json!({"parse_mode": "HTML", "silent": true})).is_ok());
        assert!(check(ChannelKind::Telegram, json!({"parse_mode": "html"})).is_err());
        assert!(check(ChannelKind::WebPush, json!({"ttl": 60, "urgency": "high", "topic": "a"})).is_ok());
        assert!(check(ChannelKind::WebPush, json!({"topic": "a b"})).is_err());
        assert!(check(ChannelKind::Email, json!({"priority": 1})).is_err());
        assert!(check(ChannelKind::Discord, json!({"username": "x\r\ny"})).is_err());
    }
}
