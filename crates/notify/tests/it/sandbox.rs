//! Messages that are held instead of sent.

use crate::common::*;
use posthaste_core::{Kept, Outcome, RecordKind};
use posthaste_notify::{
    HeldMessage, Notification, NotifyConfig, NotifyHandler, NotifyResult, Recipient, RecipientPattern,
    Sandbox,
};
use posthaste_testkit::smtp::SmtpSink;

async fn held(handler: &NotifyHandler, n: &Notification) -> (NotifyResult, HeldMessage) {
    match attempt(handler, n).await {
        (
            Outcome::Success {
                result: Some(result),
                kept: Some(Kept { kind: RecordKind::SandboxMessage, body }),
            },
            0,
        ) => (result.parse().unwrap(), body.parse().unwrap()),
        (other, marks) => panic!("not held unmarked: {other:?}, {marks} marks"),
    }
}

#[tokio::test]
async fn without_a_provider_the_message_is_held_and_says_so() {
    let handler = NotifyHandler::new(NotifyConfig { sandbox: Sandbox::On, ..NotifyConfig::default() });
    let n = Notification { message: Some("One <two>\n\nthree".into()), ..note() };
    let (result, message) = held(&handler, &n).await;
    assert!(result.sandbox);
    assert_eq!(
        result.message,
        "Notification held in the sandbox for dev@example.com: no e-mail provider is configured"
    );
    assert_eq!((message.from.as_str(), message.to.as_str()), ("posthaste@localhost", "dev@example.com"));
    assert_eq!((message.subject.as_str(), message.text.as_str()), ("Hello", "One <two>\n\nthree"));
    assert_eq!(message.message_id, "<0198f7a0-0000-7000-8000-000000000001@localhost>");
    assert!(message.html_part().contains("<p>One &lt;two&gt;</p>\n<p>three</p>"));
}

#[tokio::test]
async fn with_a_provider_the_sandbox_still_holds_and_shows_its_sender() {
    let sink = SmtpSink::start().await;
    let config = NotifyConfig { sandbox: Sandbox::On, ..config([provider("default", &sink)]) };
    let (result, message) = held(&NotifyHandler::new(config), &note()).await;
    assert!(result.message.ends_with(": the sandbox is on"), "{}", result.message);
    assert_eq!(message.from, "Posthaste <post@sender.example>");
    assert_eq!(sink.connections(), 0);
}

#[tokio::test]
async fn the_sandbox_can_hold_some_recipients_and_let_others_pass() {
    let sink = SmtpSink::start().await;
    let only = Sandbox::OnlyFor(vec![RecipientPattern::new("*@example.com").unwrap()]);
    let handler = NotifyHandler::new(NotifyConfig { sandbox: only, ..config([provider("default", &sink)]) });
    held(&handler, &note()).await;
    let other = Notification { to: Recipient::Email("dev@example.org".parse().unwrap()), ..note() };
    sent(&handler, &other).await;
    assert_eq!(sink.messages().len(), 1);
}
