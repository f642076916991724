//! `docs/operate/channels.md`: what each channel takes, and what every answer of its provider means.

use std::fmt::Write as _;

use super::rows::{Code, GENERIC, Row, Status};
use super::{discord, gotify, ntfy, slack, sms, teams, telegram, web_push, webhook};
use crate::ChannelKind;

/// The answers of one way to a channel.
#[derive(Debug, Clone, Copy)]
pub struct Answers {
    /// The channel.
    pub channel: ChannelKind,
    /// Which of several ways, else empty.
    pub way: &'static str,
    /// What its answers mean; read before [`GENERIC`], except for webhooks, whose table is complete.
    pub rows: &'static [Row],
}

/// Every table.
pub const ANSWERS: &[Answers] = &[
    Answers { channel: ChannelKind::Webhook, way: "", rows: webhook::ROWS },
    Answers { channel: ChannelKind::Slack, way: "an incoming webhook", rows: slack::WEBHOOK_ROWS },
    Answers { channel: ChannelKind::Slack, way: "a bot's token", rows: slack::BOT_ROWS },
    Answers { channel: ChannelKind::Discord, way: "", rows: discord::ROWS },
    Answers { channel: ChannelKind::Teams, way: "", rows: teams::ROWS },
    Answers { channel: ChannelKind::Telegram, way: "", rows: telegram::ROWS },
    Answers { channel: ChannelKind::Ntfy, way: "", rows: ntfy::ROWS },
    Answers { channel: ChannelKind::Gotify, way: "", rows: gotify::ROWS },
    Answers { channel: ChannelKind::Sms, way: "Twilio", rows: sms::ROWS },
    Answers { channel: ChannelKind::WebPush, way: "", rows: web_push::ROWS },
];

const HEAD: &str = "\
<!-- Generated from crates/notify/src/channels by `UPDATE_DOCS=1 cargo test --workspace --test it channels_page`. Do not edit. -->
# Channels over HTTP

E-mail has [a page of its own](email.md). The other channels send one HTTP request per message. Which providers there
are is told by tables `[providers.<name>]` in `posthaste.toml`, whose `type` says which it is: `slack`, `discord`, `teams`,
`telegram`, `ntfy`, `gotify`, `twilio` or `web_push` (without one, an SMTP server). The keys of each are in
[the settings](../CONFIGURATION.md#providers). Without a `provider` a message takes the only one of its channel, or the
one named `default`. Each provider, and each endpoint of webhooks, is a lane: paused alone, limited alone, never in the
way of another.

```toml
[providers.ops]
type = \"telegram\"
token = \"${TELEGRAM_TOKEN}\"   # a variable of the environment; or token_file = \"/run/secrets/telegram\"
chat = \"-100123456\"
```

## What holds for all

- URLs of chats, tokens and keys are secrets: they are in no error, no log and no page, not even where a provider repeats them.
- No request goes to an address inside a network of ours, whatever its URL looks like and whatever its name resolves to
  ([`allow_cidrs`](../CONFIGURATION.md) opens what a self-hosted server needs). `https://` and `http://` are allowed; what is
  sent over `http://` can be read on the way.
- Redirects and proxies are not followed. A connection may take 5 s, all of it 15 s, and of an answer no more is read than is kept.
- The attempt is marked (its point of no return is stored) before the request. What cannot be connected to is
  `unavailable`; a request without an answer is `ambiguous`, which is tried again, except for text messages, which are held.
- A text is sent as it is written: what would be markup or a mention in a chat is escaped, or switched off (Slack's `mrkdwn`).
  Telegram's `parse_mode` is the exception, for who asks for it.

What a class does to the task and to its lane is in [STATES.md](../STATES.md).
";

/// The page.
pub fn markdown() -> String {
    let mut out = HEAD.to_owned();
    out.push_str("\n## What a message may hold\n\n| channel | recipient | subject | text |\n| --- | --- | --- | --- |\n");
    for channel in ChannelKind::ALL.into_iter().filter(|c| *c != ChannelKind::Email) {
        let limits = channel.limits();
        let _ = writeln!(
            out,
            "| `{channel}` | {} | {} | {} bytes |",
            recipient(channel),
            if limits.subject == 0 { "–".to_owned() } else { format!("{} bytes", limits.subject) },
            limits.body
        );
    }
    out.push_str("\n## What answers mean\n\nRead from the top: the first row that fits decides the class.\n");
    for table in ANSWERS {
        let by = if table.way.is_empty() { String::new() } else { format!(", by {}", table.way) };
        let _ = writeln!(out, "\n### {}{by}\n", table.channel);
        rows(&mut out, table.rows);
    }
    out.push_str("\n### What no table above says, except of webhooks\n\n");
    rows(&mut out, GENERIC);
    out
}

fn recipient(channel: ChannelKind) -> &'static str {
    match channel {
        ChannelKind::Email => "an address",
        ChannelKind::Webhook => "the name of an endpoint, or a URL",
        ChannelKind::Slack => "with a bot's token a conversation, `#ops` or `C0123456`; with a webhook none",
        ChannelKind::Discord | ChannelKind::Teams | ChannelKind::Gotify => "none: the provider decides",
        ChannelKind::Telegram => "a chat, `-100123456` or `@channel`; the provider's unless given",
        ChannelKind::Ntfy => "a topic; the provider's unless given",
        ChannelKind::Sms => "a number with its country, `+491711234567`",
        ChannelKind::WebPush => "a subscription, as `PushSubscription.toJSON()` gives it",
    }
}

fn rows(out: &mut String, rows: &[Row]) {
    out.push_str("| answer | class | why |\n| --- | --- | --- |\n");
    for row in rows {
        let status = match row.status {
            Status::Any => String::new(),
            Status::Is(status) => status.to_string(),
            Status::Asking(status) => format!("{status} with `Retry-After`"),
            Status::Digit(digit) => format!("{digit}xx"),
        };
        let code = match row.code {
            Code::Any => String::new(),
            Code::Is(codes) => codes.iter().map(|c| format!("`{c}`")).collect::<Vec<_>>().join(", "),
            Code::Given => "any error".to_owned(),
        };
        let answer = [status, code].into_iter().filter(|s| !s.is_empty()).collect::<Vec<_>>().join(" ");
        let answer = if answer.is_empty() { "anything else" } else { &answer };
        let several =
            row.several.map_or(String::new(), |fault| format!("; three in a row: `{}`", fault.class()));
        let _ = writeln!(out, "| {answer} | `{}`{several} | {} |", row.class, row.why);
    }
}
