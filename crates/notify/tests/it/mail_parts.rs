//! E-mail with files, copies and a way to unsubscribe: read back from a real SMTP server by a parser
//! that did not build it; files from a real HTTP server and a real store.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mailparse::MailHeaderMap;
use posthaste_broker_sqlite::{SqliteConfig, SqliteStore};
use posthaste_core::{
    Claimed, Failure, FailureClass as C, Outcome, RecordKind, RecordOrder, Records, Timestamp,
};
use posthaste_notify::attachment::{self, MAX_ATTACHMENT_BYTES, Upload};
use posthaste_notify::sign::SigningSecret;
use posthaste_notify::{
    EmailProvider, HeldMessage, Notification, NotifyConfig, NotifyHandler, Sandbox, unsubscribe,
};
use posthaste_testkit::smtp::{Action, SinkOptions, SmtpSink, Stage, SunkMessage};
use posthaste_testkit::{HttpAction, HttpReply, HttpSink};
use posthaste_worker::{Context, Handler, Marker};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::common::*;

const ID: Uuid = Uuid::from_u128(7);

struct Rig {
    smtp: SmtpSink,
    http: HttpSink,
    store: Arc<SqliteStore>,
    handler: NotifyHandler,
    secret: SigningSecret,
    _dir: tempfile::TempDir,
}

impl Rig {
    async fn new() -> Self {
        Self::with_public_url(Some("https://post.example/".into())).await
    }

    async fn with_public_url(public_url: Option<String>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(SqliteConfig::new(dir.path())).await.unwrap();
        let (smtp, secret) = (SmtpSink::start().await, SigningSecret::random());
        let config = NotifyConfig {
            allow: vec!["127.0.0.0/8".parse().unwrap()],
            signing: Some(secret.clone()),
            public_url,
            ..config([provider("default", &smtp)])
        };
        let handler = NotifyHandler::new(config).with_records(Arc::clone(&store) as Arc<dyn Records>);
        Self { smtp, http: HttpSink::start().await, store, handler, secret, _dir: dir }
    }

    async fn upload(&self, bytes: &[u8], tenant: Option<&str>) {
        let file = Upload {
            bytes,
            filename: "stored.pdf",
            content_type: None,
            tenant: tenant.map(str::to_owned),
            now: Timestamp::from_millis(0),
        };
        attachment::put(self.store.as_ref(), ID, file).await.unwrap();
    }

    /// One attempt at an e-mail with these fields; marks only when something was sent.
    async fn send(&self, fields: Value, tenant: Option<&str>) -> Result<SunkMessage, Failure> {
        let mut wire =
            json!({"channel": "email", "to": "dev@example.com", "subject": "Hi", "message": "Text"});
        wire.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        let n: Notification = serde_json::from_value(wire).unwrap();
        let tenant = tenant.map(|t| t.parse().unwrap());
        let task = Claimed { tenant, ..claimed(n.into_task().payload) };
        let marks = Arc::new(Marks::default());
        let marker = Arc::clone(&marks) as Arc<dyn Marker>;
        let before = self.smtp.messages().len();
        let outcome = self.handler.run(Context::new(Arc::new(task), CancellationToken::new(), marker)).await;
        let marked = marks.granted.load(std::sync::atomic::Ordering::SeqCst);
        match outcome {
            Outcome::Success { .. } => {
                assert_eq!((marked, self.smtp.messages().len()), (1, before + 1));
                Ok(self.smtp.messages().pop().unwrap())
            }
            Outcome::Failure(failure) => {
                assert_eq!((marked, self.smtp.messages().len()), (0, before), "{failure:?}");
                Err(failure)
            }
            other => panic!("{other:?}"),
        }
    }

    /// The files of a message that was sent: name, type, bytes.
    async fn files(&self, attachments: Value) -> Vec<(String, String, Vec<u8>)> {
        let sunk = self.send(json!({"attachments": attachments}), None).await.unwrap();
        let mail = mailparse::parse_mail(&sunk.raw).unwrap();
        assert_eq!(mail.ctype.mimetype, "multipart/mixed");
        assert_eq!(mail.subparts[0].ctype.mimetype, "multipart/alternative");
        assert_eq!(mail.subparts[0].subparts[0].get_body().unwrap().trim_end(), "Text");
        let file = |part: &mailparse::ParsedMail<'_>| {
            let disposition = part.get_content_disposition();
            assert_eq!(disposition.disposition, mailparse::DispositionType::Attachment);
            let name = disposition.params.get("filename").cloned().unwrap_or_default();
            (name, part.ctype.mimetype.clone(), part.get_body_raw().unwrap())
        };
        mail.subparts[1..].iter().map(file).collect()
    }

    async fn failing(&self, attachment: Value) -> Failure {
        self.send(json!({"attachments": [attachment]}), None).await.unwrap_err()
    }
}

/// Files that would end the message, or a line of it, on a server that reads line ends of its own.
fn files_with_line_ends() -> Vec<Vec<u8>> {
    let smuggled = "a,b\n1,2\n.\r\nMAIL FROM:<ceo@example.com>\r\nRCPT TO:<x@example.net>\r\nDATA\r\nSubject: pay\r\n\r\nplease\n.\r\n";
    let all =
        [smuggled, "a\nb\n", "a\rb\r", "a\r\nb", "\n.\n", "\r.\r", "\r\n.\r\n", ".", "\n\r", "plain", ""];
    all.iter().map(|text| text.as_bytes().to_vec()).collect()
}

#[tokio::test]
async fn a_file_of_any_line_ends_leaves_the_message_its_own() {
    let rig = Rig::new().await;
    for (n, bytes) in files_with_line_ends().into_iter().enumerate() {
        let id = Uuid::from_u128(100 + n as u128);
        let file = Upload {
            bytes: &bytes,
            filename: "table.csv",
            content_type: Some("text/csv"),
            tenant: None,
            now: Timestamp::from_millis(0),
        };
        attachment::put(rig.store.as_ref(), id, file).await.unwrap();
        rig.http.then_at("/table.csv", HttpReply { body: bytes.clone(), ..HttpReply::status(200) });
        let all = json!({"attachments": [
            {"filename": "table.csv", "content": STANDARD.encode(&bytes)},
            {"filename": "table.csv", "id": id},
            {"filename": "table.csv", "url": rig.http.url("/table.csv")},
        ]});
        let sunk = rig.send(all, None).await.unwrap();
        assert_no_bare_line_end(&sunk.raw);
        let mail = mailparse::parse_mail(&sunk.raw).unwrap();
        for part in &mail.subparts[1..] {
            assert_eq!(part.headers.get_first_value("Content-Transfer-Encoding").unwrap(), "base64");
            assert_eq!(part.get_body_raw().unwrap(), bytes, "{:?}", String::from_utf8_lossy(&bytes));
        }
    }
    assert_eq!(rig.smtp.messages().len(), files_with_line_ends().len(), "one message each");
}

#[tokio::test]
async fn a_message_as_a_file_is_never_in_base64() {
    let sink = SmtpSink::start_with(SinkOptions { seven_bit: true, ..SinkOptions::default() }).await;
    let seven = NotifyHandler::new(config([provider("default", &sink)]));
    let rig = Rig::new().await;
    let head = "From: a@example.com\r\nSubject: x\r\n\r\n";
    for (text, encoding, on_seven) in [
        (format!("{head}Hello\n.\nlines\r"), "7bit", Some("7bit")),
        (format!("{head}Grüße\n.\n"), "8bit", None),
        (format!("{head}{}", "x".repeat(2_000)), "base64", None),
    ] {
        let eml =
            json!({"filename": "a.eml", "content_type": "message/rfc822", "content": STANDARD.encode(&text)});
        let fields = json!({"attachments": [eml]});
        let check = |sunk: &SunkMessage, encoding: &str, what: &str| {
            assert_no_bare_line_end(&sunk.raw);
            let mail = mailparse::parse_mail(&sunk.raw).unwrap();
            let file = &mail.subparts[1];
            assert_eq!(
                file.headers.get_first_value("Content-Transfer-Encoding").unwrap(),
                encoding,
                "{what}"
            );
            assert_eq!(
                file.ctype.mimetype,
                if encoding == "base64" { "application/octet-stream" } else { "message/rfc822" }
            );
            let crlf = text.replace("\r\n", "\n").replace('\r', "\n").replace('\n', "\r\n");
            let wanted = if encoding == "base64" { &text } else { &crlf };
            let got = String::from_utf8(file.get_body_raw().unwrap()).unwrap();
            assert_eq!(got.trim_end(), wanted.trim_end(), "{what}");
        };
        let sunk = rig.send(fields.clone(), None).await.unwrap();
        check(&sunk, encoding, "8BITMIME");
        assert_eq!(sunk.mail_parameters, if encoding == "8bit" { "BODY=8BITMIME" } else { "" });
        let n: Notification = serde_json::from_value(
            json!({"channel": "email", "to": "dev@example.com", "attachments": fields["attachments"]}),
        )
        .unwrap();
        sent(&seven, &n).await;
        let sunk = sink.messages().pop().unwrap();
        check(&sunk, on_seven.unwrap_or("base64"), "no 8BITMIME");
        assert_eq!(sunk.mail_parameters, "");
        assert!(sunk.raw.is_ascii());
    }
}

#[tokio::test]
async fn a_stored_file_of_many_parts_goes_as_a_file_of_no_kind() {
    let rig = Rig::new().await;
    // An older program took it.
    let file = Upload {
        bytes: b"--x\n\n--x--\n",
        filename: "a",
        content_type: Some("multipart/mixed; boundary=x"),
        tenant: None,
        now: Timestamp::from_millis(0),
    };
    attachment::put(rig.store.as_ref(), ID, file).await.unwrap();
    let files = rig.files(json!([{"filename": "a", "id": ID}])).await;
    assert_eq!(files[0].1, "application/octet-stream");
    for bad in ["multipart/mixed", "Multipart/Alternative; boundary=x"] {
        let failure = rig.failing(json!({"filename": "a", "content_type": bad, "content": "eA=="})).await;
        assert_eq!(failure.class, C::Permanent, "{bad}");
    }
}

fn every_byte() -> Vec<u8> {
    (0..=255).cycle().take(3_000).chain(*b"\r\n.\r\n..x\n\r").collect()
}

#[tokio::test]
async fn files_arrive_byte_for_byte_from_all_three_sources() {
    let rig = Rig::new().await;
    let bytes = every_byte();
    // More than one record of the store holds this one.
    let large: Vec<u8> = bytes.iter().copied().cycle().take(1_400_000).collect();
    rig.upload(&large, None).await;
    rig.http.then_at("/file", HttpReply { body: bytes.clone(), ..HttpReply::status(200) });
    let files = rig
        .files(json!([
            {"filename": "Größe €.csv", "content": STANDARD.encode(&bytes)},
            {"filename": "a.bin", "id": ID},
            {"filename": "b.txt", "content_type": "image/png", "url": rig.http.url("/file")},
        ]))
        .await;
    assert_eq!(files[0], ("Größe €.csv".into(), "text/csv".into(), bytes.clone()));
    // What the upload said it is, not what the name here suggests.
    assert_eq!(files[1], ("a.bin".into(), "application/pdf".into(), large));
    assert_eq!(files[2], ("b.txt".into(), "image/png".into(), bytes));
    assert_eq!(files.len(), 3);
}

#[tokio::test]
async fn ten_mebibytes_go_and_one_byte_more_does_not() {
    let rig = Rig::new().await;
    let ten = vec![b'x'; MAX_ATTACHMENT_BYTES];
    rig.upload(&ten, None).await;
    assert_eq!(rig.files(json!([{"filename": "a", "id": ID}])).await[0].2.len(), MAX_ATTACHMENT_BYTES);
    let both = json!({"attachments": [{"filename": "a", "id": ID}, {"filename": "b", "content": "eA=="}]});
    let failure = rig.send(both, None).await.unwrap_err();
    assert_eq!(failure.class, C::Permanent, "{}", failure.message);
    let over = [ten, vec![b'x']].concat();
    let file = Upload {
        bytes: &over,
        filename: "a",
        content_type: None,
        tenant: None,
        now: Timestamp::from_millis(0),
    };
    assert!(attachment::put(rig.store.as_ref(), Uuid::from_u128(8), file).await.is_err());
    rig.http.always(HttpAction::Flood(200, MAX_ATTACHMENT_BYTES as u64 + 1));
    let failure = rig.failing(json!({"filename": "a", "url": rig.http.url("/big")})).await;
    assert_eq!(failure.class, C::Permanent, "{}", failure.message);
}

#[tokio::test]
async fn a_file_that_cannot_be_had_has_a_class_that_leaves_the_mail_server_alone() {
    let rig = Rig::new().await;
    let url = |path: &str| json!({"filename": "a", "url": rig.http.url(path)});
    for (action, class) in [
        (HttpAction::from(HttpReply::status(404)), C::Permanent),
        (HttpReply::status(500).into(), C::Transient),
        (HttpReply::status(429).into(), C::Transient),
        // Neither a redirect nor half an answer is a file.
        (HttpReply::status(302).header("location", "http://169.254.169.254/").into(), C::Permanent),
        (HttpReply::text(202, "soon").into(), C::Permanent),
        (HttpAction::Cut, C::Transient),
    ] {
        let what = format!("{action:?}");
        rig.http.then(action);
        assert_eq!(rig.failing(url("/x")).await.class, class, "{what}");
    }
    let gone = rig.failing(json!({"filename": "a", "id": Uuid::from_u128(9)})).await;
    assert_eq!(gone.class, C::Permanent);
    let metadata = rig.failing(json!({"filename": "a", "url": "http://169.254.169.254/latest"})).await;
    assert_eq!(metadata.class, C::Permanent, "{}", metadata.message);
    let unreachable = rig.http.url("/x");
    rig.http.stop().await;
    let task = json!({"channel": "email", "to": "dev@example.com",
        "attachments": [{"filename": "a", "url": unreachable}]});
    let n: Notification = serde_json::from_value(task).unwrap();
    assert_eq!(class_of(&rig.handler, &n).await, C::Transient);
}

#[tokio::test]
async fn a_tenants_file_goes_with_its_messages_alone() {
    let rig = Rig::new().await;
    rig.upload(b"secret", Some("acme")).await;
    let with = json!({"attachments": [{"filename": "a", "id": ID}]});
    assert!(rig.send(with.clone(), Some("acme")).await.is_ok());
    for other in [None, Some("rival")] {
        let failure = rig.send(with.clone(), other).await.unwrap_err();
        assert_eq!(failure.class, C::Permanent);
        assert!(failure.message.contains("There is no attachment"), "{}", failure.message);
    }
}

#[tokio::test]
async fn what_is_not_kept_any_more_is_swept_with_its_parts() {
    let rig = Rig::new().await;
    rig.upload(&vec![b'x'; 700 * 1024], None).await;
    let records = Arc::clone(&rig.store) as Arc<dyn Records>;
    let parts = || records.list_records(RecordKind::AttachmentPart, RecordOrder::Ascending, None, 10);
    let (last, over) = (Timestamp::from_millis(0).plus(attachment::KEPT), 1);
    assert_eq!(attachment::sweep(&records, last).await.unwrap(), 0);
    assert_eq!(parts().await.unwrap().len(), 2);
    // As a crash in the middle of an upload would leave it.
    records
        .delete_record(RecordKind::AttachmentPart, &format!("{ID}/001"), posthaste_core::Expect::Any)
        .await
        .unwrap();
    let damaged = rig.failing(json!({"filename": "a", "id": ID})).await;
    assert_eq!(damaged.class, C::Permanent, "{}", damaged.message);
    let later = Timestamp::from_millis(last.as_millis() + over);
    assert_eq!(attachment::sweep(&records, later).await.unwrap(), 1);
    assert!(parts().await.unwrap().is_empty());
    assert!(attachment::find(records.as_ref(), ID).await.unwrap().is_none());
}

#[tokio::test]
async fn copies_are_seen_and_delivered_and_a_refused_one_stops_nothing() {
    let rig = Rig::new().await;
    let cc = json!({"cc": ["Änne <anne@example.org>", "bob@example.org"]});
    let sunk = rig.send(cc.clone(), None).await.unwrap();
    assert_eq!(sunk.to, ["dev@example.com", "anne@example.org", "bob@example.org"]);
    let mail = mailparse::parse_mail(&sunk.raw).unwrap();
    let seen = mail.headers.get_first_value("Cc").unwrap();
    assert!(seen.contains("Änne") && seen.contains("bob@example.org"), "{seen}");

    rig.smtp.then(Stage::Rcpt, Action::Accept);
    rig.smtp.then(Stage::Rcpt, Action::reply("550 5.1.1 no such user"));
    let sunk = rig.send(cc.clone(), None).await.unwrap();
    assert_eq!(sunk.to, ["dev@example.com", "bob@example.org"]);

    rig.smtp.then(Stage::Rcpt, Action::reply("550 5.7.1 no"));
    assert_eq!(rig.send(cc, None).await.unwrap_err().class, C::Permanent);
    let plain = rig.send(json!({}), None).await.unwrap();
    assert_eq!(plain.to, ["dev@example.com"], "the connection starts anew");
    assert_eq!(plain.header("Cc"), None);
}

#[tokio::test]
async fn a_copy_is_left_out_for_what_is_said_of_it_alone_and_the_result_says_so() {
    let all = ["dev@example.com", "anne@example.org", "bob@example.org"];
    let n = json!({"channel": "email", "to": all[0], "message": "Text", "cc": [all[1]], "bcc": [all[2]]});
    let n: Notification = serde_json::from_value(n).unwrap();
    for (said, class) in [
        ("550 5.1.1 no such user", None),
        ("452 4.2.2 mailbox full", None),
        ("530 5.7.0 sign in first", Some(C::Misconfigured)),
        ("554 Sending paused for this account.", Some(C::Misconfigured)),
        ("450 4.3.2 not now", Some(C::Throttled)),
        ("550 5.4.5 daily limit", Some(C::Throttled)),
        // The last copy is not even named then.
        ("250 ok\r\n250 and more", Some(C::Transient)),
        ("550 5.1.1 no such user\r\n250 and more", Some(C::Transient)),
        ("and more", Some(C::Transient)),
    ] {
        let sink = SmtpSink::start().await;
        let handler = handler(&sink);
        sink.then(Stage::Rcpt, Action::Accept);
        sink.then(Stage::Rcpt, Action::Raw(format!("{said}\r\n").into_bytes()));
        let Some(class) = class else {
            let response = sent(&handler, &n).await.response;
            assert_eq!(response.as_deref(), Some("2.0.0 taken as 1 (1 of 2 copies refused)"), "{said}");
            assert_eq!(sink.messages()[0].to, [all[0], all[2]], "{said}");
            continue;
        };
        let (failure, marks) = failing(&handler, &n).await;
        assert_eq!((failure.class, marks), (class, 0), "{said}: {}", failure.message);
        assert!(sink.messages().is_empty(), "{said}");
        let response = sent(&handler, &n).await.response.unwrap();
        assert!(!response.contains("refused"), "{said}: {response}");
        assert_eq!(sink.messages()[0].to, all, "{said}");
    }
}

#[tokio::test]
async fn a_copy_that_is_refused_with_its_connection_goes_by_another_one() {
    let rig = Rig::new().await;
    rig.smtp.then(Stage::Rcpt, Action::Accept);
    rig.smtp.then(Stage::Rcpt, Action::reply("432 4.3.2 Concurrent connections limit exceeded"));
    let sunk = rig.send(json!({"cc": ["bob@example.org"]}), None).await.unwrap();
    assert_eq!((sunk.to.len(), rig.smtp.connections()), (2, 2));
}

#[tokio::test]
async fn blind_copies_are_delivered_and_named_nowhere() {
    let rig = Rig::new().await;
    let fields = json!({
        "to": "Ada <dev@example.com>", "cc": ["bob@example.org"],
        "bcc": ["Eve <eve@example.org>", "BOB@example.org", "dev@example.com", "eve@example.org"],
    });
    let sunk = rig.send(fields, None).await.unwrap();
    assert_eq!(sunk.to, ["dev@example.com", "bob@example.org", "eve@example.org"], "each once");
    let raw = String::from_utf8_lossy(&sunk.raw).to_lowercase();
    assert!(!raw.contains("eve") && !raw.contains("bcc"), "{raw}");
    assert_eq!(sunk.header("To").as_deref(), Some("Ada <dev@example.com>"));

    let sandbox = NotifyHandler::new(NotifyConfig { sandbox: Sandbox::On, ..NotifyConfig::default() });
    let n = json!({"channel": "email", "to": "Ada <dev@example.com>", "bcc": ["eve@example.org"], "from": "Us <us@example.com>"});
    let n: Notification = serde_json::from_value(n).unwrap();
    let (Outcome::Success { kept: Some(kept), .. }, 0) = attempt(&sandbox, &n).await else {
        panic!("not held")
    };
    let held: HeldMessage = kept.body.parse().unwrap();
    assert_eq!((held.to.as_str(), held.from.as_str()), ("Ada <dev@example.com>", "Us <us@example.com>"));
    assert_eq!(held.bcc, ["eve@example.org"]);
    assert!(held.headers.is_empty());
}

#[tokio::test]
async fn a_message_is_from_its_provider_or_from_whom_that_allows() {
    let sink = SmtpSink::start().await;
    let senders = vec!["News <news@sender.example>".parse().unwrap()];
    let allowing = EmailProvider { senders, ..provider("default", &sink) };
    let handler = NotifyHandler::new(config([allowing]));
    for (from, address, header) in [
        (None, "post@sender.example", "Posthaste <post@sender.example>"),
        (Some("news@sender.example"), "news@sender.example", "News <news@sender.example>"),
        (Some("Us <POST@sender.example>"), "post@sender.example", "Us <post@sender.example>"),
    ] {
        let n = Notification { from: from.map(|f| f.parse().unwrap()), ..note() };
        sent(&handler, &n).await;
        let sunk = sink.drain().pop().unwrap();
        assert_eq!((sunk.from.as_str(), sunk.header("From").as_deref()), (address, Some(header)));
        assert!(sunk.header("Message-ID").unwrap().ends_with("@sender.example>"));
    }
    let n = Notification { from: Some("ceo@sender.example".parse().unwrap()), ..note() };
    let (failure, marks) = failing(&handler, &n).await;
    assert_eq!((failure.class, marks, sink.messages().len()), (C::Permanent, 0, 0));
    assert!(failure.message.contains("senders in [providers.default]"), "{}", failure.message);
}

#[tokio::test]
async fn one_click_unsubscribes_from_its_category_and_from_nothing_else() {
    let rig = Rig::new().await;
    let news = json!({"unsubscribe": "news", "headers": {"List-Unsubscribe": "<https://evil.example/>"}});
    let sunk = rig.send(news.clone(), None).await.unwrap();
    let all = sunk.headers();
    let of = |name: &str| {
        let values = all.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name));
        values.map(|(_, v)| v.clone()).collect::<Vec<_>>()
    };
    assert_eq!(of("List-Unsubscribe-Post"), ["List-Unsubscribe=One-Click"]);
    let links = of("List-Unsubscribe");
    assert_eq!(links.len(), 1, "{links:?}");
    let token = links[0].trim().strip_prefix("<https://post.example/unsubscribe/").unwrap();
    let token = token.strip_suffix('>').unwrap();
    let request = unsubscribe::open(std::slice::from_ref(&rig.secret), token).unwrap();
    let now = Timestamp::from_millis(1);
    unsubscribe::apply(rig.store.as_ref(), &request, now).await.unwrap();
    // A mail program may post twice.
    unsubscribe::apply(rig.store.as_ref(), &request, now).await.unwrap();

    let failure = rig.send(news, None).await.unwrap_err();
    assert_eq!(failure.class, C::Suppress);
    assert!(failure.message.contains("unsubscribed"), "{}", failure.message);
    assert!(rig.send(json!({"unsubscribe": "invoices"}), None).await.is_ok());
    assert!(rig.send(json!({}), None).await.is_ok());
    let twin = json!({"to": "news/dev@example.com"});
    assert!(rig.send(twin, None).await.is_ok(), "an address that only looks like the record of another");
    let upper = json!({"to": "dev@EXAMPLE.com", "unsubscribe": "news"});
    assert_eq!(rig.send(upper, None).await.unwrap_err().class, C::Suppress);
}

#[tokio::test]
async fn a_link_that_leads_nowhere_or_acts_for_others_is_not_sent() {
    let rig = Rig::with_public_url(None).await;
    let failure = rig.send(json!({"unsubscribe": "news"}), None).await.unwrap_err();
    // Of the message alone: the provider goes on for everybody else.
    assert_eq!(failure.class, C::Permanent);
    assert!(failure.message.contains("POSTHASTE_PUBLIC_URL"), "{}", failure.message);
    let rig = Rig::new().await;
    let copies = json!({"unsubscribe": "news", "cc": ["bob@example.org"]});
    let failure = rig.send(copies, None).await.unwrap_err();
    assert_eq!(failure.class, C::Permanent);
    assert!(failure.message.contains("send it to each"), "{}", failure.message);
}

#[tokio::test]
async fn nothing_that_a_caller_writes_becomes_a_header() {
    let rig = Rig::new().await;
    for fields in [
        json!({"attachments": [{"filename": "a\r\nBcc: x@example.org", "content": "eA=="}]}),
        json!({"attachments": [{"filename": "a", "content_type": "text/plain\r\nBcc: x@example.org", "content": "eA=="}]}),
        json!({"attachments": [{"filename": "a\"; x=\"b", "content": "eA=="}]}),
        json!({"headers": {"X-A": "1\r\nBcc: x@example.org"}}),
        json!({"headers": {"X-A\r\nBcc": "x@example.org"}}),
        json!({"headers": {"Bcc": "x@example.org"}}),
        json!({"unsubscribe": "news\r\nBcc: x@example.org"}),
        json!({"subject": "Hi\nBcc: x@example.org"}),
    ] {
        let failure = rig.send(fields.clone(), None).await.unwrap_err();
        assert_eq!(failure.class, C::Permanent, "{fields}");
    }
    let wire = json!({"channel": "email", "to": "dev@example.com", "cc": ["A\r\nBcc: x@example.org <b@example.org>"]});
    assert!(serde_json::from_value::<Notification>(wire).is_err());
}
