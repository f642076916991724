//! What the tests against the SMTP sink share.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use posthaste_core::{Claimed, Failure, FailureClass, Json, Name, Outcome, RetryPolicy};
use posthaste_notify::channels::email::SmtpTimeouts;
use posthaste_notify::{EmailAddress, EmailProvider, Notification, NotifyConfig, NotifyHandler, SmtpUrl};
use posthaste_testkit::smtp::SmtpSink;
use posthaste_worker::{Context, Handler, MarkError, Marker};
use tokio_util::sync::CancellationToken;

pub(crate) fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

pub(crate) fn provider_at(provider: &str, url: &str) -> EmailProvider {
    let url: SmtpUrl = url.parse().unwrap();
    let from = "Posthaste <post@sender.example>".parse().unwrap();
    EmailProvider::new(name(provider), url, from).unwrap()
}

pub(crate) fn provider(named: &str, sink: &SmtpSink) -> EmailProvider {
    provider_at(named, &format!("smtp+plain://{}", sink.authority()))
}

pub(crate) fn config(providers: impl IntoIterator<Item = EmailProvider>) -> NotifyConfig {
    providers.into_iter().fold(NotifyConfig::default(), NotifyConfig::with_provider)
}

/// A handler whose provider `default` is the sink.
pub(crate) fn handler(sink: &SmtpSink) -> NotifyHandler {
    NotifyHandler::new(config([provider("default", sink)]))
}

/// As [`handler`], with waits of its own.
pub(crate) fn handler_with(sink: &SmtpSink, timeouts: SmtpTimeouts) -> NotifyHandler {
    NotifyHandler::new(config([EmailProvider { timeouts, ..provider("default", sink) }]))
}

pub(crate) fn note() -> Notification {
    let to: EmailAddress = "dev@example.com".parse().unwrap();
    Notification {
        subject: Some("Hello".into()),
        message: Some("How are you?".into()),
        ..Notification::to(to)
    }
}

/// Counts marks and grants or refuses them.
#[derive(Default)]
pub(crate) struct Marks {
    pub(crate) granted: AtomicUsize,
    pub(crate) refuse: Option<MarkError>,
}

#[async_trait]
impl Marker for Marks {
    async fn mark(&self) -> Result<(), MarkError> {
        if let Some(refusal) = self.refuse {
            return Err(refusal);
        }
        self.granted.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }
}

pub(crate) fn claimed(payload: Json) -> Claimed {
    let task = posthaste_testkit::claimed("notify", serde_json::Value::Null);
    Claimed { payload, policy: RetryPolicy::email(), ..task }
}

pub(crate) fn context(n: &Notification, marker: Arc<dyn Marker>, cancel: CancellationToken) -> Context {
    Context::new(Arc::new(claimed(n.clone().into_task().payload)), cancel, marker)
}

/// One attempt: how it ended and how many marks it took.
pub(crate) async fn attempt(handler: &NotifyHandler, n: &Notification) -> (Outcome, usize) {
    let marks = Arc::new(Marks::default());
    let cx = context(n, Arc::clone(&marks) as Arc<dyn Marker>, CancellationToken::new());
    let outcome = handler.run(cx).await;
    (outcome, marks.granted.load(Ordering::SeqCst))
}

pub(crate) async fn failing(handler: &NotifyHandler, n: &Notification) -> (Failure, usize) {
    match attempt(handler, n).await {
        (Outcome::Failure(failure), marks) => (failure, marks),
        (Outcome::Success { .. }, _) => panic!("the attempt succeeded"),
        (outcome @ (Outcome::Snooze { .. } | Outcome::Detached), _) => {
            panic!("the attempt ended as {outcome:?}")
        }
    }
}

pub(crate) async fn class_of(handler: &NotifyHandler, n: &Notification) -> FailureClass {
    failing(handler, n).await.0.class
}

pub(crate) async fn sent(handler: &NotifyHandler, n: &Notification) -> posthaste_notify::NotifyResult {
    match attempt(handler, n).await {
        (Outcome::Success { result: Some(result), kept: None }, 1) => result.parse().unwrap(),
        (other, marks) => panic!("not a marked success: {other:?}, {marks} marks"),
    }
}

/// Lines of a message end in CRLF, and nowhere is half of it (RFC 5321 §2.3.8).
pub(crate) fn assert_no_bare_line_end(raw: &[u8]) {
    let text = String::from_utf8_lossy(raw);
    for line in text.split("\r\n") {
        assert!(!line.contains(['\r', '\n']), "{line:?}");
    }
}
