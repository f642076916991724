//! The protection of a connection: what the URL asks for happens or nothing is sent.

use crate::common::*;
use posthaste_core::FailureClass as C;
use posthaste_notify::{EmailProvider, NotifyHandler};
use posthaste_testkit::smtp::{Action, SinkOptions, SmtpSink, Stage};

fn starttls() -> SinkOptions {
    SinkOptions { starttls: true, ..SinkOptions::default() }
}

fn implicit() -> SinkOptions {
    SinkOptions { implicit_tls: true, ..SinkOptions::default() }
}

fn handler_at(scheme: &str, sink: &SmtpSink, trust: bool) -> NotifyHandler {
    let provider = provider_at("default", &format!("{scheme}://{}", sink.authority()));
    let trust = trust.then(|| sink.certificate_pem().to_owned());
    NotifyHandler::new(config([EmailProvider { trust, ..provider }]))
}

#[tokio::test]
async fn a_trusted_certificate_carries_the_message() {
    for (scheme, options) in [("smtp+starttls", starttls()), ("smtps", implicit())] {
        let sink = SmtpSink::start_with(options).await;
        let handler = handler_at(scheme, &sink, true);
        sent(&handler, &note()).await;
        sent(&handler, &note()).await;
        assert_eq!((sink.messages().len(), sink.connections()), (2, 1), "{scheme}");
    }
}

#[tokio::test]
async fn an_untrusted_certificate_is_unavailable() {
    for (scheme, options) in [("smtp+starttls", starttls()), ("smtps", implicit())] {
        let sink = SmtpSink::start_with(options).await;
        let (failure, marks) = failing(&handler_at(scheme, &sink, false), &note()).await;
        assert_eq!((failure.class, marks), (C::Unavailable, 0), "{}", failure.message);
        assert!(failure.message.contains("certificate"), "{}", failure.message);
        assert_eq!(sink.reached(Stage::Mail), 0);
    }
}

#[tokio::test]
async fn without_starttls_nothing_is_sent() {
    let sink = SmtpSink::start().await;
    let (failure, marks) = failing(&handler_at("smtp+starttls", &sink, true), &note()).await;
    assert_eq!((failure.class, marks), (C::Misconfigured, 0), "{}", failure.message);
    assert_eq!(sink.reached(Stage::Mail), 0);
}

#[tokio::test]
async fn a_plain_server_behind_an_smtps_url_gets_nothing() {
    let sink = SmtpSink::start().await;
    assert_eq!(class_of(&handler_at("smtps", &sink, true), &note()).await, C::Unavailable);
    assert_eq!(sink.reached(Stage::Mail), 0);
}

#[tokio::test]
async fn answers_slipped_in_before_tls_are_not_taken_for_the_server_s() {
    let sink = SmtpSink::start_with(starttls()).await;
    // What somebody on the path could add: a whole dialogue that ends in "taken".
    let forged = "220 go ahead\r\n250-sink\r\n250 8BITMIME\r\n250 ok\r\n250 ok\r\n354 go on\r\n250 taken\r\n";
    sink.then(Stage::StartTls, Action::Raw(forged.into()));
    let (failure, marks) = failing(&handler_at("smtp+starttls", &sink, true), &note()).await;
    assert_eq!((failure.class, marks), (C::Unavailable, 0), "{}", failure.message);
    assert!(sink.messages().is_empty());
}
