//! The tables `[providers.<name>]` of posthaste.toml: which types there are, which keys each has, what they make.

use std::collections::BTreeMap;

use posthaste_core::Name;
use posthaste_notify::channels::web_push::VapidKey;
use posthaste_notify::channels::{ntfy, sms, telegram};
use posthaste_notify::config::MAX_PROVIDER_NAME;
use posthaste_notify::net::read_url;
use posthaste_notify::{Secret, Service, ServiceKind};

use super::resolve::ProviderTable;

/// A key of a type: its name, whether it is a secret, whether it must be there, what it is.
type Key = (&'static str, bool, bool, &'static str);

/// What a table without `type` is.
pub(crate) const DEFAULT_TYPE: &str = "smtp";

/// Every type with its keys.
pub(crate) const TYPES: [(&str, &[Key]); 9] = [
    (
        "smtp",
        &[
            ("url", true, true, "smtp://user:password@host:587 (STARTTLS) or smtps:// (TLS)"),
            ("from", false, false, "the sender; email_from unless set"),
            ("senders", false, false, "who else a message may be from by its own from, a list"),
            (
                "ca_file",
                false,
                false,
                "certificates, as PEM, to trust beside the public authorities: an authority's, or the server's own",
            ),
            (
                "ehlo",
                false,
                false,
                "the name that EHLO says; the host's if it is a full one, else its address",
            ),
            ("connections", false, false, "most connections at a time, 1 to 256; 10 unless set"),
        ],
    ),
    (
        "slack",
        &[
            ("url", true, false, "the URL of an incoming webhook; this or a token"),
            ("token", true, false, "a bot's token with chat:write, xoxb-…"),
            ("channel", false, false, "the channel of messages that name none (token)"),
            ("api", false, false, "where the API is; https://slack.com/api unless set"),
        ],
    ),
    ("discord", &[("url", true, true, "the URL of a channel's webhook")]),
    ("teams", &[("url", true, true, "the URL of a workflow that posts to a channel")]),
    (
        "telegram",
        &[
            ("token", true, true, "the bot's token"),
            ("chat", false, false, "the chat of messages that name none"),
            ("api", false, false, "where the API is; https://api.telegram.org unless set"),
        ],
    ),
    (
        "ntfy",
        &[
            ("url", false, false, "the server; https://ntfy.sh unless set"),
            ("token", true, false, "an access token"),
            ("topic", false, false, "the topic of messages that name none"),
        ],
    ),
    ("gotify", &[("url", false, true, "the server"), ("token", true, true, "the application's token")]),
    (
        "twilio",
        &[
            ("account", false, true, "the account's SID, AC…"),
            ("token", true, true, "its auth token"),
            ("from", false, true, "a number of yours, or a messaging service, MG…"),
            ("api", false, false, "where the API is; https://api.twilio.com unless set"),
        ],
    ),
    (
        "web_push",
        &[
            ("public_key", false, true, "the VAPID public key, base64url"),
            ("private_key", true, true, "the VAPID private key, base64url"),
            ("subject", false, true, "who sends: mailto:ops@example.com or a URL"),
        ],
    ),
];

fn keys_of(kind: &str) -> &'static [Key] {
    TYPES.iter().find(|(name, _)| *name == kind).map_or(&[], |(_, keys)| keys)
}

/// The type of this name.
///
/// # Errors
/// A sentence that lists them.
pub(crate) fn kind(name: &str) -> Result<&'static str, String> {
    let found = TYPES.iter().find(|(kind, _)| *kind == name).map(|(kind, _)| *kind);
    found.ok_or_else(|| {
        let all: Vec<&str> = TYPES.iter().map(|(kind, _)| *kind).collect();
        format!("must be one of {}", all.join(", "))
    })
}

/// The keys that a table of this type may have: each secret also by a file, `<key>_file`.
pub(crate) fn keys(kind: &str) -> Vec<String> {
    let mut all = vec!["type".to_owned()];
    for (key, secret, ..) in keys_of(kind) {
        all.push((*key).to_owned());
        if *secret {
            all.push(format!("{key}_file"));
        }
    }
    all
}

/// The types that have a key which is not of all.
pub(crate) fn types_with(key: &str) -> Vec<&'static str> {
    TYPES.iter().map(|(kind, _)| *kind).filter(|kind| keys(kind).iter().any(|k| k == key)).collect()
}

/// A key that is set both by itself and by its file.
pub(crate) fn twice(kind: &str, values: &BTreeMap<String, String>) -> Option<&'static str> {
    let secrets = keys_of(kind).iter().filter(|(_, secret, ..)| *secret).map(|(key, ..)| *key);
    secrets.into_iter().find(|key| values.contains_key(*key) && values.contains_key(&format!("{key}_file")))
}

/// A key as people read of it: its type, name, whether it is a secret and must be there, what it is.
pub(crate) struct Listed {
    /// The type.
    pub(crate) kind: &'static str,
    /// The name.
    pub(crate) key: &'static str,
    /// Whether it is a secret.
    pub(crate) secret: bool,
    /// Whether it must be there.
    pub(crate) required: bool,
    /// What it is.
    pub(crate) doc: &'static str,
}

/// Every key of every type.
pub(crate) fn listed() -> impl Iterator<Item = Listed> {
    TYPES.iter().flat_map(|(kind, keys)| {
        keys.iter().map(move |(key, secret, required, doc)| Listed {
            kind,
            key,
            secret: *secret,
            required: *required,
            doc,
        })
    })
}

/// What holds for the keys of all providers, for people.
pub(crate) const ABOUT: &str = "Each provider is a table [providers.<name>] of posthaste.toml; without `type` it is an \
    SMTP server. In any value ${NAME} stands for a variable of the environment. Instead of a secret its file may be \
    named: token_file, url_file, private_key_file. Only up, api, worker, config and doctor need variables and files to be there.";

/// The value of a key: what a file holds, or a text in which `${NAME}` stands for a variable of the environment.
///
/// # Errors
/// A sentence about the file or variable.
pub(crate) fn resolve(key: &str, value: &str) -> Result<(String, String), String> {
    if let Some(secret) = key.strip_suffix("_file").filter(|k| *k != "ca") {
        let text = std::fs::read_to_string(value).map_err(|e| format!("{value} cannot be read: {e}"))?;
        return Ok((secret.to_owned(), text.trim().to_owned()));
    }
    let mut out = String::new();
    let mut rest = value;
    while let Some((before, after)) = rest.split_once("${") {
        let (name, behind) = after.split_once('}').ok_or("has ${ without }")?;
        out.push_str(before);
        out.push_str(
            &std::env::var(name).map_err(|_| format!("needs the variable {name}, which is not set"))?,
        );
        rest = behind;
    }
    out.push_str(rest);
    Ok((key.to_owned(), out))
}

/// The service of a table that is no SMTP server.
///
/// # Errors
/// The key and what is wrong with it.
pub(crate) fn service(name: &str, table: &ProviderTable) -> Result<Service, (String, String)> {
    let checked = Name::new(name).map_err(|e| (String::new(), format!("the name {e}")))?;
    if name.len() > MAX_PROVIDER_NAME {
        return Err((String::new(), format!("the name must be at most {MAX_PROVIDER_NAME} bytes long")));
    }
    for (key, _, required, what) in keys_of(table.kind) {
        if *required && !table.values.contains_key(*key) {
            return Err((format!(".{key}"), format!("must be set: {what}")));
        }
    }
    Ok(Service { name: checked, kind: service_kind(table)? })
}

fn service_kind(table: &ProviderTable) -> Result<ServiceKind, (String, String)> {
    let values = Values(&table.values);
    Ok(match table.kind {
        "slack" => match (values.get("url"), values.get("token")) {
            (Some(_), None) => ServiceKind::SlackWebhook { url: Secret::new(values.url("url", "")?) },
            (None, Some(token)) => ServiceKind::SlackBot {
                token: Secret::new(token),
                api: values.url("api", "https://slack.com/api")?,
                channel: values.get("channel"),
            },
            _ => return Err((".url".into(), "or a token must be set, not both".into())),
        },
        "discord" => ServiceKind::Discord { url: Secret::new(values.url("url", "")?) },
        "teams" => ServiceKind::Teams { url: Secret::new(values.url("url", "")?) },
        "telegram" => ServiceKind::Telegram {
            token: Secret::new(values.text("token")),
            api: values.url("api", telegram::API)?,
            chat: values.get("chat"),
        },
        "ntfy" => ServiceKind::Ntfy {
            url: values.url("url", ntfy::SERVER)?,
            token: values.get("token").map(Secret::new),
            topic: values.get("topic"),
        },
        "gotify" => {
            ServiceKind::Gotify { url: values.url("url", "")?, token: Secret::new(values.text("token")) }
        }
        "twilio" => ServiceKind::Twilio {
            account: values.text("account"),
            token: Secret::new(values.text("token")),
            from: values.text("from"),
            api: values.url("api", sms::API)?,
        },
        _ => ServiceKind::WebPush {
            subject: values.text("subject"),
            key: VapidKey::new(&values.text("public_key"), &values.text("private_key"))
                .map_err(|e| (".public_key".to_owned(), e.to_string()))?,
        },
    })
}

struct Values<'a>(&'a BTreeMap<String, String>);

impl Values<'_> {
    fn get(&self, key: &str) -> Option<String> {
        self.0.get(key).cloned()
    }

    fn text(&self, key: &str) -> String {
        self.get(key).unwrap_or_default()
    }

    fn url(&self, key: &str, default: &str) -> Result<String, (String, String)> {
        let url = self.get(key).unwrap_or_else(|| default.to_owned());
        read_url(&url).map_err(|e| (format!(".{key}"), e.to_string()))?;
        Ok(url)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(kind: &'static str, pairs: &[(&str, &str)]) -> ProviderTable {
        let values = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        ProviderTable { kind, values, from: "posthaste.toml".to_owned() }
    }

    #[test]
    fn each_type_makes_its_service() {
        for (kind, pairs, channel) in [
            ("slack", &[("url", "https://hooks.slack.com/services/x")][..], "slack"),
            ("slack", &[("token", "xoxb-1"), ("channel", "#ops")], "slack"),
            ("discord", &[("url", "https://discord.com/api/webhooks/1/x")], "discord"),
            ("teams", &[("url", "https://example.com/x")], "teams"),
            ("telegram", &[("token", "1:x")], "telegram"),
            ("ntfy", &[], "ntfy"),
            ("gotify", &[("url", "https://push.example.com"), ("token", "x")], "gotify"),
            ("twilio", &[("account", "AC1"), ("token", "x"), ("from", "+4930123456")], "sms"),
        ] {
            let service = service("x", &table(kind, pairs)).unwrap_or_else(|e| panic!("{kind}: {e:?}"));
            assert_eq!(service.kind.channel().as_str(), channel);
        }
        assert_eq!(service("x", &table("slack", &[])).expect_err("refused").0, ".url");
        assert_eq!(service("x", &table("gotify", &[("token", "x")])).expect_err("refused").0, ".url");
        assert_eq!(service("x", &table("discord", &[("url", "discord")])).expect_err("refused").0, ".url");
        assert!(kind("pigeon").expect_err("refused").contains("twilio"));
    }

    #[test]
    fn secrets_come_from_files_too() {
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join("token");
        std::fs::write(&file, "s3cret\n").expect("written");
        let path = file.to_str().expect("text");
        assert_eq!(resolve("token_file", path), Ok(("token".into(), "s3cret".into())));
        assert!(resolve("token_file", "/nowhere/at/all").is_err());
        assert_eq!(
            resolve("token", "a${PATH}b").expect("set").1,
            format!("a{}b", std::env::var("PATH").expect("set"))
        );
        assert!(
            resolve("token", "${POSTHASTE_NOT_SET_AT_ALL}")
                .expect_err("refused")
                .contains("POSTHASTE_NOT_SET_AT_ALL")
        );
        assert!(keys("gotify").contains(&"token_file".to_owned()));
        assert!(!keys("gotify").contains(&"url_file".to_owned()));
    }
}
