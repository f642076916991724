//! What a notification looks like in a request, for the OpenAPI document: the body is read by hand.

use std::collections::BTreeMap;

use serde_json::Value;
use utoipa::ToSchema;

use crate::routes::tasks::create::{RetryBody, UniqueBody};
use crate::schema;

/// A file that goes with an e-mail: exactly one of `content`, `id` and `url` is given.
#[derive(ToSchema, serde::Deserialize)]
#[serde(deny_unknown_fields)]
#[schema(as = Attachment, example = json!({ "filename": "invoice.pdf", "id": "0199f3a0-7c1e-7a52-9d0e-3f6f1c2b4a58" }))]
#[expect(dead_code, reason = "describes a body that is read by hand")]
pub(crate) struct AttachmentBody {
    /// Its name as the recipient sees it.
    #[schema(min_length = 1, max_length = 200)]
    filename: String,
    /// Its content type; by the name's ending if left out.
    #[schema(max_length = 100)]
    content_type: Option<String>,
    /// Its bytes in base64; the whole request is at most 1 MiB, the notification 256 KiB.
    content: Option<String>,
    /// The id of a file that was uploaded to `/v1/attachments`.
    #[schema(value_type = Option<schema::Id>)]
    id: Option<String>,
    /// Where it is fetched from when the message is sent.
    #[schema(max_length = 2048)]
    url: Option<String>,
}

/// Which template a message is made from.
#[derive(ToSchema, serde::Deserialize)]
#[serde(deny_unknown_fields)]
#[schema(as = TemplateChoice)]
#[expect(dead_code, reason = "describes a body that is read by hand")]
pub(crate) struct TemplateChoiceBody {
    /// Its name.
    #[schema(min_length = 1, max_length = 100)]
    name: String,
    /// One of its versions; the newest if left out.
    #[schema(minimum = 1, maximum = 999_999)]
    version: Option<u32>,
}

/// A recipient, or several.
#[derive(ToSchema, serde::Deserialize)]
#[serde(untagged)]
#[expect(dead_code, reason = "describes a body that is read by hand")]
pub(crate) enum To {
    /// An e-mail address, `name@example.com` or `Name <name@example.com>`; the name of an endpoint or a URL; a chat, topic or number.
    One(String),
    /// A browser's subscription of Web Push, as its `PushSubscription.toJSON()` gives it.
    Subscription(BTreeMap<String, Value>),
}

/// A message to one recipient.
#[derive(ToSchema, serde::Deserialize)]
#[serde(deny_unknown_fields)]
#[schema(as = NewNotification, example = json!({
    "to": "ann@example.com", "template": { "name": "welcome" }, "data": { "name": "Ann" },
    "send_at": "2026-01-31T09:30:00Z"
}))]
#[expect(dead_code, reason = "describes a body that is read by hand")]
pub(crate) struct NotificationBody {
    /// By which channel; `email` if left out and the recipient is an e-mail address.
    #[schema(value_type = Option<schema::Channel>)]
    channel: Option<String>,
    /// The recipient; may be left out where the provider knows it (chats).
    to: Option<To>,
    /// The subject or title; one line.
    #[schema(max_length = 900)]
    subject: Option<String>,
    /// The text.
    #[schema(max_length = 102_400)]
    message: Option<String>,
    /// The HTML of an e-mail; made from the text if left out. The whole notification is at most 256 KiB.
    #[schema(max_length = 256_000)]
    html: Option<String>,
    /// The template that subject, text and HTML come from where they are left out.
    template: Option<TemplateChoiceBody>,
    /// What the template is filled in with, and what a webhook says. Of a template an object.
    data: Option<Value>,
    /// What kind of event a webhook tells of; `notification` if left out.
    #[schema(min_length = 1, max_length = 128, pattern = "^[A-Za-z0-9._-]+$")]
    event: Option<String>,
    /// Which configured provider sends it; `default` if left out.
    #[schema(min_length = 1, max_length = 119, pattern = "^[A-Za-z0-9._:@-]+$")]
    provider: Option<String>,
    /// Where answers to an e-mail go, if not to the sender: `name@example.com` or `Name <name@example.com>`.
    reply_to: Option<String>,
    /// Who gets copies of an e-mail.
    #[schema(max_items = 20)]
    cc: Option<Vec<String>>,
    /// Who gets copies of an e-mail that nobody else sees.
    #[schema(max_items = 20)]
    bcc: Option<Vec<String>>,
    /// Who an e-mail is from, `name@example.com` or `Name <name@example.com>`: the sender of its provider, or one of its
    /// `senders`. With a key of a tenant the provider's own alone.
    from: Option<String>,
    /// Headers of an e-mail, such as `List-Id`; those that the server writes are refused.
    headers: Option<BTreeMap<String, String>>,
    /// Files that go with an e-mail: at most 10, at most 10 MiB together.
    #[schema(max_items = 10)]
    attachments: Option<Vec<AttachmentBody>>,
    /// The category that the recipient may unsubscribe from with one click.
    #[schema(min_length = 1, max_length = 128, pattern = "^[A-Za-z0-9._-]+$")]
    unsubscribe: Option<String>,
    /// What only the channel knows: of discord `username`; of telegram `parse_mode`, `silent`; of ntfy `priority`, `tags`,
    /// `click`; of gotify `priority`; of web_push `ttl`, `urgency`, `topic`, `url`.
    options: Option<BTreeMap<String, Value>>,
    /// When it is sent; a time that has passed is now. At most 366 days ahead.
    #[schema(value_type = Option<schema::Time>)]
    send_at: Option<String>,
    /// How long after `send_at` it is sent, or after it was accepted if there is none, in milliseconds.
    #[schema(maximum = 31_622_400_000_i64)]
    delay_ms: Option<u64>,
    /// When it is of no use any more.
    #[schema(value_type = Option<schema::Time>)]
    expires_at: Option<String>,
    /// How urgent; `normal` if left out.
    #[schema(value_type = Option<schema::Priority>)]
    priority: Option<String>,
    /// Where it waits; `default` if left out.
    #[schema(min_length = 1, max_length = 128, pattern = "^[A-Za-z0-9._:@-]+$")]
    queue: Option<String>,
    /// Whose it is; tenants share each provider fairly.
    #[schema(min_length = 1, max_length = 128, pattern = "^[A-Za-z0-9._:@-]+$")]
    tenant: Option<String>,
    /// Refuses a second one with the same tenant and key while this one holds it.
    unique: Option<UniqueBody>,
    /// When it is tried again; what is left out is as the channel's default.
    retry: Option<RetryBody>,
    /// Its id; minted if left out.
    #[schema(value_type = Option<schema::Id>)]
    id: Option<String>,
}
