//! Whatever a sender writes arrives as it was written: built, sent, taken off the wire, read back by a parser that did not
//! build it.

use std::sync::OnceLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mailparse::{MailHeaderMap, ParsedMail, SingleInfo};
use posthaste_notify::attachment::Attachment;
use posthaste_notify::channels::email::message::DEFAULT_SUBJECT;
use posthaste_notify::{Mailbox, Notification, NotifyHandler};
use posthaste_testkit::smtp::SmtpSink;
use proptest::prelude::*;
use tokio::runtime::Runtime;

use crate::common::*;

/// What header readers are known to trip over, among ordinary text.
fn line() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        3 => "[a-zA-Z0-9]{1,12}",
        2 => Just(" ".to_owned()),
        1 => Just("  ".to_owned()),
        1 => "[!-~]{1,4}",
        2 => "[éüñß€漢🎉\u{200d}\u{feff}\u{a0}]{1,6}",
        1 => Just("=?utf-8?B?SGVsbG8=?=".to_owned()),
        1 => Just("=?utf-8?Q?A=0D=0ABcc:_x@example.com?=".to_owned()),
        1 => Just("=?".to_owned()),
        1 => Just("?=".to_owned()),
        1 => "[\"\\\\(),:;<>@\\[\\]]{1,3}",
        1 => "[a-z]{60,90}",
    ];
    prop::collection::vec(piece, 0..14).prop_map(|p| p.concat())
}

fn text() -> impl Strategy<Value = String> {
    prop::collection::vec(
        prop_oneof![
            line(),
            Just("\n".into()),
            Just("\r".into()),
            Just("\r\n.\r\n".into()),
            Just("\n.".into())
        ],
        0..8,
    )
    .prop_map(|p| p.concat())
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..200),
        prop::collection::vec(prop_oneof![Just(b'\n'), Just(b'\r'), Just(b'.'), Just(b'a')], 0..40),
    ]
}

fn file_name() -> impl Strategy<Value = String> {
    "(=\\?utf-8\\?Q\\?x\\?=)?[ -!#-.0-\\[\\]-~éü€🎉%'*]{1,40}"
        .prop_filter("a name of its own", |n| n != "." && n != "..")
}

struct World {
    runtime: Runtime,
    sink: SmtpSink,
    handler: NotifyHandler,
}

impl World {
    fn get() -> &'static Self {
        static WORLD: OnceLock<World> = OnceLock::new();
        WORLD.get_or_init(|| {
            let runtime = Runtime::new().unwrap();
            let sink = runtime.block_on(SmtpSink::start());
            let handler = handler(&sink);
            Self { runtime, sink, handler }
        })
    }

    /// The message as it came off the wire.
    fn carry(&self, n: &Notification) -> Vec<u8> {
        self.runtime.block_on(sent(&self.handler, n));
        self.sink.drain().pop().unwrap().raw
    }
}

fn of(mail: &ParsedMail<'_>, name: &str) -> SingleInfo {
    let header = mail.headers.get_first_header(name).unwrap();
    mailparse::addrparse_header(header).unwrap().extract_single_info().unwrap()
}

fn lines(text: &str) -> String {
    // The parser takes a byte order mark for one.
    let text = text.trim_start_matches('\u{feff}');
    text.replace("\r\n", "\n").replace('\r', "\n").trim_end_matches('\n').to_owned()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_is_what_is_read(
        subject in line(), name in line(), header in line(), body in text(), html in text(),
        file in bytes(), file_name in file_name(),
    ) {
        let mailbox = |name: &str| Mailbox {
            name: Some(name.trim().to_owned()).filter(|n| !n.is_empty()),
            address: "ann@example.com".parse().unwrap(),
        };
        let n = Notification {
            subject: Some(subject.clone()).filter(|s| s.len() < 900),
            message: Some(body.clone()),
            html: Some(html.clone()),
            reply_to: Some(mailbox(&name)),
            cc: vec![mailbox(&name)],
            headers: [("X-Note".to_owned(), header.clone())].into(),
            attachments: vec![Attachment {
                filename: file_name.clone(),
                content_type: Some("text/plain".into()),
                content: Some(STANDARD.encode(&file)),
                id: None,
                url: None,
            }],
            ..note()
        };
        let name_fits = mailbox(&name).name.is_none_or(|n| n.len() <= 200);
        prop_assume!(n.check().is_ok() && name_fits);
        let raw = World::get().carry(&n);
        assert_no_bare_line_end(&raw);
        prop_assert!(raw.is_ascii());
        prop_assert!(raw.split(|b| *b == b'\n').all(|l| l.len() <= 999));
        let mail = mailparse::parse_mail(&raw).unwrap();
        let value = |name: &str| mail.headers.get_first_value(name).unwrap();
        let subject = if subject.trim().is_empty() { DEFAULT_SUBJECT.to_owned() } else { subject };
        prop_assert_eq!(value("Subject"), subject);
        prop_assert_eq!(value("X-Note"), header);
        for field in ["Reply-To", "Cc"] {
            let read = of(&mail, field);
            prop_assert_eq!(read.display_name.unwrap_or_default(), mailbox(&name).name.unwrap_or_default());
            prop_assert_eq!(&read.addr, "ann@example.com");
        }
        prop_assert!(mail.headers.get_first_header("Bcc").is_none());
        let texts = &mail.subparts[0].subparts;
        if !body.trim().is_empty() {
            prop_assert_eq!(lines(&texts[0].get_body().unwrap()), lines(&body));
        }
        if !html.trim().is_empty() {
            prop_assert_eq!(lines(&texts[1].get_body().unwrap()), lines(&html));
        }
        let sent = &mail.subparts[1];
        prop_assert_eq!(sent.get_body_raw().unwrap(), file);
        let named = sent.get_content_disposition().params.remove("filename");
        prop_assert_eq!(named.as_ref(), Some(&file_name));
    }
}

#[tokio::test]
async fn lists_and_addresses_in_brackets_arrive() {
    let sink = SmtpSink::start().await;
    let handler = handler(&sink);
    for (to, header, read) in [
        ("x@[192.0.2.1]", "\"Ünï list\" <news.example.com>", "Ünï list <news.example.com>"),
        ("x@[IPv6:2001:db8::1]", "\"a \\\"b\\\" é\" <n.example.com>", "a \"b\" é <n.example.com>"),
        ("x@[ipv6:::1]", "=?utf-8?Q?x?= <n.example.com>", "=?utf-8?Q?x?= <n.example.com>"),
        ("x@localhost", "\"plain  list\" <n.example.com>", "\"plain  list\" <n.example.com>"),
    ] {
        let n = Notification {
            headers: [("List-Id".to_owned(), header.to_owned())].into(),
            ..Notification::to(to.parse().unwrap())
        };
        sent(&handler, &n).await;
        let m = sink.drain().pop().unwrap();
        assert_eq!((m.to.as_slice(), m.header("To").as_deref()), (&[to.to_owned()][..], Some(to)));
        let mail = mailparse::parse_mail(&m.raw).unwrap();
        assert_eq!(mail.headers.get_first_value("List-Id").unwrap(), read);
        assert_eq!(m.header("List-Id").unwrap().matches('"').count() % 2, 0, "{m:?}");
    }
}
