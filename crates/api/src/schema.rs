//! Schemas of the domain's types for the OpenAPI document. They are never built: `core` knows
//! nothing of OpenAPI, and a test holds each list of words against the domain's own.

use utoipa::ToSchema;

/// A UUID.
#[derive(ToSchema)]
#[schema(value_type = String, format = "uuid", examples("0199f3a0-7c1e-7a52-9d0e-3f6f1c2b4a58"))]
#[expect(dead_code, reason = "describes a type of core, is never built")]
pub(crate) struct Id(String);

/// A time, RFC 3339 in UTC.
#[derive(ToSchema)]
#[schema(value_type = String, format = DateTime, examples("2026-01-31T09:30:00.000Z"))]
#[expect(dead_code, reason = "describes a type of core, is never built")]
pub(crate) struct Time(String);

/// The bytes of a file, as they are.
#[derive(ToSchema)]
#[schema(value_type = String, format = Binary, examples("%PDF-1.7 …"))]
#[expect(dead_code, reason = "describes a body that is read as it is")]
pub(crate) struct File(Vec<u8>);

macro_rules! words {
    ($(#[$doc:meta])* $name:ident, $core:ty, [$($variant:ident),*], $test:ident, $all:expr) => {
        $(#[$doc])*
        #[derive(ToSchema, serde::Serialize)]
        #[serde(rename_all = "snake_case")]
        #[cfg_attr(not(test), expect(dead_code, reason = "describes a type of core, is built by its test only"))]
        pub(crate) enum $name { $($variant),* }

        #[cfg(test)]
        #[test]
        fn $test() {
            let ours: Vec<String> = vec![$(serde_json::to_string(&$name::$variant).expect("a word")),*];
            let all: &[$core] = &$all;
            let core: Vec<String> = all.iter().map(|v| serde_json::to_string(v).expect("a word")).collect();
            assert_eq!(ours, core);
        }
    };
}

words!(
    /// Where a task is in its life.
    State, posthaste_core::State,
    [Scheduled, Queued, Running, Retrying, Succeeded, Failed, Cancelled, Expired],
    states_are_those_of_core, posthaste_core::State::ALL
);
words!(
    /// How urgent a task is within its queue.
    Priority, posthaste_core::Priority,
    [Critical, High, Normal, Low],
    priorities_are_those_of_core, posthaste_core::Priority::ALL
);
words!(
    /// What kind of failure an attempt ended in.
    FailureClass, posthaste_core::FailureClass,
    [Transient, Unavailable, Throttled, Misconfigured, Permanent, Suppress, Ambiguous],
    classes_are_those_of_core, posthaste_core::FailureClass::ALL
);
words!(
    /// Why a task is final without success.
    EndReason, posthaste_core::EndReason,
    [Permanent, Suppressed, Ambiguous, MaxFailures, MaxAge, WorkerLost, Cancelled, Expired],
    reasons_are_those_of_core, {
        use posthaste_core::EndReason as E;
        [E::Permanent, E::Suppressed, E::Ambiguous, E::MaxFailures, E::MaxAge, E::WorkerLost, E::Cancelled, E::Expired]
    }
);
words!(
    /// How an attempt ended.
    AttemptOutcome, posthaste_core::AttemptOutcome,
    [Running, Succeeded, Failed, Released, LeaseExpired, Cancelled],
    outcomes_are_those_of_core, {
        use posthaste_core::AttemptOutcome as A;
        [A::Running, A::Succeeded, A::Failed, A::Released, A::LeaseExpired, A::Cancelled]
    }
);
words!(
    /// Why something is paused.
    PauseReason, posthaste_core::PauseReason,
    [Manual, Throttled, Misconfigured, Breaker],
    pause_reasons_are_those_of_core, {
        use posthaste_core::PauseReason as P;
        [P::Manual, P::Throttled, P::Misconfigured, P::Breaker]
    }
);
words!(
    /// What to do when a message may or may not have been sent.
    OnAmbiguous, posthaste_core::OnAmbiguous,
    [Retry, Hold],
    on_ambiguous_is_that_of_core, [posthaste_core::OnAmbiguous::Retry, posthaste_core::OnAmbiguous::Hold]
);

words!(
    /// A way to deliver a message.
    Channel, posthaste_notify::ChannelKind,
    [Email, Webhook, Slack, Discord, Teams, Telegram, Ntfy, Gotify, Sms, WebPush],
    channels_are_those_of_notify, posthaste_notify::ChannelKind::ALL
);
words!(
    /// What happens to ticks that nobody noticed in time.
    MissedPolicy, posthaste_worker::schedule::MissedPolicy,
    [Skip, RunOnce, RunAll],
    missed_policies_are_those_of_the_worker, {
        use posthaste_worker::schedule::MissedPolicy as M;
        [M::Skip, M::RunOnce, M::RunAll]
    }
);

/// What happens to the good ones of a batch when some are not acceptable.
#[derive(ToSchema, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum BatchMode {
    /// Nothing is stored.
    Strict,
    /// The good ones are stored.
    Permissive,
}

words!(
    /// Where a suppression comes from.
    SuppressionSource, posthaste_notify::suppression::Source,
    [Bounce, Unsubscribe, Manual],
    sources_are_those_of_notify, {
        use posthaste_notify::suppression::Source as S;
        [S::Bounce, S::Unsubscribe, S::Manual]
    }
);

/// A bulk action that is asked for.
#[derive(ToSchema, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum BulkWord {
    /// Cancel them.
    Cancel,
    /// Retry them.
    Retry,
}

/// How a send answers that a fault was ordered for.
#[derive(ToSchema, serde::Deserialize)]
pub(crate) enum FaultAnswer {
    /// A mailbox that is busy: tried again.
    #[serde(rename = "451")]
    Busy,
    /// A mailbox that does not exist: failed.
    #[serde(rename = "550")]
    NoSuchMailbox,
    /// Too many at once: the provider is left alone for a while.
    #[serde(rename = "429")]
    Throttled,
    /// No answer: it may have been sent.
    #[serde(rename = "timeout")]
    Timeout,
}

/// What kind of failure a handler elsewhere says.
#[derive(ToSchema, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ExternalClass {
    /// Tried again.
    Transient,
    /// Not tried again.
    Permanent,
}

/// A delay in milliseconds, at most seven days.
#[derive(ToSchema, serde::Serialize)]
#[schema(value_type = u64, maximum = 604_800_000_i64)]
pub(crate) struct DelayMs(u64);

/// The delays between tries.
#[derive(ToSchema, serde::Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[expect(dead_code, reason = "describes a type of core, is never built")]
pub(crate) enum Backoff {
    /// `base_ms × 2ⁿ`, at most `cap_ms`, then drawn evenly from zero to that.
    Exponential {
        /// Bound of the first delay, in milliseconds.
        #[schema(maximum = 604_800_000_i64)]
        base_ms: u64,
        /// Largest bound, in milliseconds.
        #[schema(maximum = 604_800_000_i64)]
        cap_ms: u64,
    },
    /// These delays in order; the last one repeats.
    Listed {
        /// Delays in milliseconds.
        #[schema(min_items = 1, max_items = 32)]
        delays_ms: Vec<DelayMs>,
    },
}

/// When a task is tried again and when it is given up.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes a type of core, is never built")]
pub(crate) struct RetryPolicy {
    /// The try that brings the failures to this number is the last.
    #[schema(minimum = 1, maximum = 100)]
    max_failures: u32,
    /// The delays between tries.
    backoff: Backoff,
    /// Bounds tries that count nothing, and waiting in a paused lane, from the first due time.
    #[schema(minimum = 1, maximum = 2_419_200_000_i64)]
    max_age_ms: u64,
    /// How long one attempt may take.
    #[schema(minimum = 1, maximum = 86_400_000)]
    timeout_ms: u64,
    /// What to do when it may have been sent.
    on_ambiguous: OnAmbiguous,
}

/// Tasks by state.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes a type of the API that is written by hand")]
pub(crate) struct StateCounts {
    scheduled: u64,
    queued: u64,
    running: u64,
    retrying: u64,
    succeeded: u64,
    failed: u64,
    cancelled: u64,
    expired: u64,
}

/// A message that the sandbox held: what its recipient would have seen.
#[derive(ToSchema)]
#[schema(example = json!({
    "channel": "email", "from": "Shop <shop@example.com>", "to": "ann@example.com", "subject": "Your order", "text": "It is on its way.",
    "date": "2026-01-31T09:30:00.000Z", "message_id": "<0199f3a0-7c1e-7a52-9d0e-3f6f1c2b4a58@shop.example.com>", "reason": "no e-mail provider is configured"
}))]
#[expect(dead_code, reason = "describes a type of notify, is never built")]
pub(crate) struct HeldMessage {
    /// The channel.
    channel: Channel,
    /// The sender, as `Name <address>`.
    from: String,
    /// The recipient.
    to: String,
    /// The subject; empty when there is none.
    subject: String,
    /// The text part.
    text: String,
    /// The HTML part, if the sender gave one; otherwise it is made from the text.
    #[schema(nullable = false)]
    html: Option<String>,
    /// What a webhook would have said.
    #[schema(nullable = false)]
    data: Option<serde_json::Value>,
    /// The event of a webhook.
    #[schema(nullable = false)]
    event: Option<String>,
    /// Who would have got copies.
    #[schema(nullable = false)]
    cc: Option<Vec<String>>,
    /// Who would have got copies that nobody else sees.
    #[schema(nullable = false)]
    bcc: Option<Vec<String>>,
    /// The names of the files that would have gone with it.
    #[schema(nullable = false)]
    attachments: Option<Vec<String>>,
    /// Where answers would have gone, if not to the sender.
    #[schema(nullable = false)]
    reply_to: Option<String>,
    /// Headers of the caller's own, and those of one-click unsubscribe.
    #[schema(nullable = false)]
    headers: Option<std::collections::BTreeMap<String, String>>,
    /// When it would have been sent.
    date: Time,
    /// Its `Message-ID`.
    message_id: String,
    /// Why it was held, as the end of a sentence.
    reason: String,
}

/// A task changed state.
#[derive(ToSchema)]
#[schema(example = json!({
    "id": "0199f3a0-7c1e-7a52-9d0e-3f6f1c2b4a58", "kind": "notify", "queue": "default", "state": "succeeded", "at": "2026-01-31T09:30:00.480Z",
    "attempt": 1, "generation": 1
}))]
#[expect(dead_code, reason = "describes a type of core, is never built")]
pub(crate) struct Event {
    /// Which task.
    id: Id,
    /// Its kind.
    kind: String,
    /// Its queue.
    queue: String,
    /// The state it is in now.
    state: State,
    /// When, by the store's clock.
    at: Time,
    /// Its attempt number now.
    attempt: u32,
    /// Its generation now.
    generation: u32,
    /// The class of the failure that led here, if one did.
    #[schema(nullable = false)]
    class: Option<FailureClass>,
    /// When the next try is due, if one is.
    #[schema(nullable = false)]
    next_at: Option<Time>,
}
