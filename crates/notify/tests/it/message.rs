//! What arrives: read back by a MIME parser that is not the one it was built with.

use crate::common::*;
use mailparse::MailHeaderMap;
use posthaste_core::FailureClass as C;
use posthaste_notify::{EmailAddress, Notification, NotifyHandler, Recipient};
use posthaste_testkit::smtp::{SinkOptions, SmtpSink, Stage, SunkMessage};

async fn arrived(n: &Notification) -> SunkMessage {
    let sink = SmtpSink::start().await;
    sent(&handler(&sink), n).await;
    sink.messages().remove(0)
}

#[tokio::test]
async fn headers_and_both_parts_arrive() {
    let n = Notification {
        subject: Some("Grüße ✓ an <alle>".into()),
        message: Some("Hallo Welt,\n\n.hidden\n..dots\nschöne Grüße & <b>mehr</b>".into()),
        ..note()
    };
    let m = arrived(&n).await;
    assert_eq!(
        (m.from.as_str(), m.to.as_slice()),
        ("post@sender.example", &["dev@example.com".to_owned()][..])
    );
    let mail = mailparse::parse_mail(&m.raw).unwrap();
    let header = |name: &str| {
        let all = mail.headers.get_all_values(name);
        assert_eq!(all.len(), 1, "{name}: {all:?}");
        all[0].clone()
    };
    assert_eq!(header("From"), "Posthaste <post@sender.example>");
    assert_eq!(header("To"), "dev@example.com");
    assert_eq!(header("Subject"), "Grüße ✓ an <alle>");
    assert_eq!(header("Message-ID"), "<0198f7a0-0000-7000-8000-000000000001@sender.example>");
    assert_eq!(header("MIME-Version"), "1.0");
    assert_eq!(header("Auto-Submitted"), "auto-generated");
    assert!(mailparse::dateparse(&header("Date")).unwrap() > 1_700_000_000);
    assert_eq!(mail.ctype.mimetype, "multipart/alternative");
    let parts: Vec<_> =
        mail.subparts.iter().map(|p| (p.ctype.mimetype.as_str(), p.get_body().unwrap())).collect();
    assert_eq!(parts.len(), 2);
    assert_eq!(parts[0].0, "text/plain");
    assert_eq!(parts[0].1.trim_end(), "Hallo Welt,\r\n\r\n.hidden\r\n..dots\r\nschöne Grüße & <b>mehr</b>");
    assert_eq!(parts[1].0, "text/html");
    assert!(parts[1].1.contains("schöne Grüße &amp; &lt;b&gt;mehr&lt;/b&gt;"), "{}", parts[1].1);
    assert!(parts[1].1.contains("<p>.hidden<br>"), "{}", parts[1].1);
}

#[tokio::test]
async fn reply_to_and_own_headers_arrive() {
    let n = Notification {
        reply_to: Some("\"Söder, Shop\" <shop@example.com>".parse().unwrap()),
        headers: [
            ("List-Id".to_owned(), "news <news.example.com>".to_owned()),
            ("X-Note".to_owned(), "größer ".repeat(40).trim().to_owned()),
        ]
        .into(),
        ..note()
    };
    let m = arrived(&n).await;
    let mail = mailparse::parse_mail(&m.raw).unwrap();
    let header = |name: &str| mail.headers.get_all_values(name).join("|");
    // Taken apart before it is decoded: a comma in a name is no separator.
    let reply_to = mail.headers.get_first_header("Reply-To").unwrap();
    let reply_to = mailparse::addrparse_header(reply_to).unwrap().extract_single_info().unwrap();
    assert_eq!(
        (reply_to.display_name.as_deref(), reply_to.addr.as_str()),
        (Some("Söder, Shop"), "shop@example.com")
    );
    assert_eq!(header("List-Id"), "news <news.example.com>");
    assert_eq!(header("X-Note"), "größer ".repeat(40).trim());
    assert_eq!(header("From"), "Posthaste <post@sender.example>");
}

#[tokio::test]
async fn the_wire_form_is_seven_bit_with_short_lines_and_no_bare_line_feeds() {
    let n = Notification {
        subject: Some("ä".repeat(400)),
        message: Some(format!("{}\nü\r{}\n", "x".repeat(5000), "y".repeat(2000))),
        html: Some(format!("<p>{}</p>", "z".repeat(5000))),
        ..note()
    };
    let m = arrived(&n).await;
    let text = String::from_utf8(m.raw.clone()).unwrap();
    assert!(text.is_ascii());
    for line in text.split("\r\n") {
        assert!(line.len() <= 998 && !line.contains(['\r', '\n']), "{} bytes: {line:?}", line.len());
    }
    let mail = mailparse::parse_mail(&m.raw).unwrap();
    assert_eq!(mail.headers.get_first_value("Subject").unwrap(), "ä".repeat(400));
    let body = mail.subparts[0].get_body().unwrap();
    assert_eq!(body.trim_end(), format!("{}\r\nü\r\n{}", "x".repeat(5000), "y".repeat(2000)));
    assert_eq!(mail.subparts[1].get_body().unwrap().trim_end(), n.html.unwrap());
}

#[tokio::test]
async fn a_retry_carries_the_same_message_id() {
    let sink = SmtpSink::start().await;
    let handler = handler(&sink);
    sent(&handler, &note()).await;
    sent(&handler, &note()).await;
    let ids: Vec<_> = sink.messages().iter().map(|m| m.header("Message-ID").unwrap()).collect();
    assert_eq!(ids[0], ids[1]);
}

#[tokio::test]
async fn an_empty_notification_still_says_something() {
    let to: EmailAddress = "dev@example.com".parse().unwrap();
    let m = arrived(&Notification::to(to)).await;
    let mail = mailparse::parse_mail(&m.raw).unwrap();
    assert_eq!(mail.headers.get_first_value("Subject").unwrap(), "Notification");
    assert_eq!(mail.subparts[0].get_body().unwrap().trim_end(), "You have a new notification.");
}

#[tokio::test]
async fn a_header_cannot_be_injected() {
    let sink = SmtpSink::start().await;
    let handler = handler(&sink);
    for subject in ["Hi\r\nBcc: x@example.com", "Hi\nX: y", "Hi\rX: y", "Hi\0", "Hi\u{2028}X: y"] {
        let n = Notification { subject: Some(subject.into()), ..note() };
        assert!(n.check().is_err(), "{subject:?}");
        let (failure, marks) = failing(&handler, &n).await;
        assert_eq!((failure.class, marks), (C::Permanent, 0), "{subject:?}");
    }
    assert_eq!(sink.connections(), 0);
}

#[tokio::test]
async fn a_payload_that_is_no_notification_is_permanent() {
    use posthaste_worker::{Context, Handler, Marker};
    let sink = SmtpSink::start().await;
    for payload in [r#"{"channel":"email","to":"a@example.com\r\nDATA"}"#, "[]", r#"{"to":"a@example.com"}"#]
    {
        let task = claimed(posthaste_core::Json::from_text(payload.into()).unwrap());
        let marks: std::sync::Arc<dyn Marker> = std::sync::Arc::new(Marks::default());
        let cx = Context::new(std::sync::Arc::new(task), tokio_util::sync::CancellationToken::new(), marks);
        let posthaste_core::Outcome::Failure(failure) = handler(&sink).run(cx).await else {
            panic!("{payload}")
        };
        assert_eq!(failure.class, C::Permanent, "{payload}");
    }
    assert_eq!(sink.connections(), 0);
}

#[tokio::test]
async fn an_international_domain_goes_out_as_punycode() {
    let n = Notification { to: Recipient::Email("info@bücher.example".parse().unwrap()), ..note() };
    let m = arrived(&n).await;
    assert_eq!(m.to, ["info@xn--bcher-kva.example"]);
    assert_eq!(m.header("To").as_deref(), Some("info@xn--bcher-kva.example"));
    assert_eq!(m.mail_parameters, "");
}

#[tokio::test]
async fn an_international_mailbox_needs_a_server_that_knows_it() {
    let n = Notification { to: Recipient::Email("用户@例え.jp".parse().unwrap()), ..note() };
    let plain = SmtpSink::start().await;
    let (failure, marks) = failing(&handler(&plain), &n).await;
    assert_eq!(
        (failure.class, marks, plain.reached(Stage::Mail)),
        (C::Permanent, 0, 0),
        "{}",
        failure.message
    );
    let sink = SmtpSink::start_with(SinkOptions { smtputf8: true, ..SinkOptions::default() }).await;
    sent(&NotifyHandler::new(config([provider("default", &sink)])), &n).await;
    let m = sink.messages().remove(0);
    assert_eq!(m.to, ["用户@xn--r8jz45g.jp"]);
    assert!(m.mail_parameters.starts_with("SMTPUTF8"), "{}", m.mail_parameters);
}
