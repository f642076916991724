//! `/v1/attachments`: files that go with e-mails.

use posthaste_core::Name;
use posthaste_notify::{EmailProvider, NotifyConfig};
use posthaste_testkit::smtp::SmtpSink;
use reqwest::Response;
use serde_json::{Value, json};

use super::harness::{Server, json as body, locs, problem};

const PATH: &str = "/v1/attachments";
const MOST: usize = 10 * 1024 * 1024;

async fn upload(s: &Server, query: &str, kind: &str, bytes: Vec<u8>) -> Response {
    let request = s.request("POST", &format!("{PATH}{query}"));
    let request = if kind.is_empty() { request } else { request.header("content-type", kind) };
    request.body(bytes).send().await.unwrap()
}

fn with(id: &Value) -> Value {
    json!({ "to": "ann@example.com", "message": "x", "attachments": [{ "filename": "a.txt", "id": id }] })
}

#[tokio::test]
async fn a_file_is_uploaded_described_and_deleted() {
    let s = Server::start().await;
    let reply = upload(&s, "?filename=invoice.pdf", "", b"%PDF".to_vec()).await;
    assert_eq!(reply.status(), 201);
    let location = reply.headers()["location"].to_str().unwrap().to_owned();
    let made = body(reply).await;
    assert_eq!(location, format!("{PATH}/{}", made["id"].as_str().unwrap()));
    assert_eq!(
        (&made["filename"], &made["content_type"], &made["size"]),
        (&json!("invoice.pdf"), &json!("application/pdf"), &json!(4))
    );
    // SHA-256 of the four bytes, from sha256sum.
    assert_eq!(made["sha256"], "315d429b7714cedb6ad04ac31240145257692630457f3c88253c5beceac76027");
    assert_eq!(s.got("GET", &location, Value::Null, 200).await, made);
    let named = body(upload(&s, "?filename=a.bin", "text/csv; charset=utf-8", vec![1]).await).await;
    assert_eq!(named["content_type"], "text/csv; charset=utf-8");
    s.got("DELETE", &location, Value::Null, 204).await;
    for method in ["GET", "DELETE"] {
        problem(s.call(method, &location, "", Value::Null).await, 404, "not-found").await;
        let bad = s.call(method, &format!("{PATH}/seven"), "", Value::Null).await;
        assert_eq!(locs(&problem(bad, 422, "invalid-request").await), ["path.attachment_id"]);
    }
}

#[tokio::test]
async fn ten_mebibytes_fit_and_a_byte_more_does_not() {
    let s = Server::start().await;
    let most = upload(&s, "?filename=most.bin", "", vec![7; MOST]).await;
    assert_eq!(most.status(), 201);
    let most = body(most).await;
    assert_eq!(most["size"], MOST);
    problem(upload(&s, "?filename=more.bin", "", vec![7; MOST + 1]).await, 413, "too-large").await;
    // Together they are at most as large as one.
    let one = body(upload(&s, "?filename=one.bin", "", vec![7]).await).await;
    s.notification(with(&most["id"])).await;
    let mut both = with(&most["id"]);
    both["attachments"].as_array_mut().unwrap().push(json!({ "filename": "b.txt", "id": one["id"] }));
    let refused = problem(s.post_json("/v1/notifications", both).await, 422, "invalid-request").await;
    assert_eq!(locs(&refused), ["body.attachments"]);
}

#[tokio::test]
async fn an_id_that_is_none_is_told_in_our_words() {
    let s = Server::start().await;
    for bad in [json!("seven"), json!(""), json!("0199f3a0-7c1e-7a52-9d0e-3f6f1c2b4a5g"), json!(7), json!({})]
    {
        let mut payload = with(&bad);
        payload["channel"] = json!("email");
        let schedule = json!({ "cron": "0 7 * * *", "kind": "notify", "payload": payload });
        for (method, path, new, place) in [
            ("POST", "/v1/notifications", with(&bad), "body.attachments"),
            (
                "POST",
                "/v1/tasks",
                json!({ "kind": "notify", "payload": payload }),
                "body.payload.attachments",
            ),
            ("PUT", "/v1/schedules/s", schedule, "body.payload.attachments"),
        ] {
            let refused = problem(s.call(method, path, "", new).await, 422, "invalid-request").await;
            assert_eq!(locs(&refused), [place], "{bad}");
            let said = refused["errors"][0]["msg"].as_str().unwrap();
            assert_eq!(
                said, "Item 0: the id should be a valid UUID, as /v1/attachments answered it",
                "{bad}"
            );
        }
    }
}

#[tokio::test]
async fn a_notification_carries_it_to_its_recipient() {
    let s = Server::start().await;
    let sink = SmtpSink::start().await;
    let url = format!("smtp+plain://{}", sink.authority()).parse().unwrap();
    let from = "Posthaste <post@sender.example>".parse().unwrap();
    let provider = EmailProvider::new(Name::new("default").unwrap(), url, from).unwrap();
    let worker = s.work(NotifyConfig::default().with_provider(provider)).await;
    let made = body(upload(&s, "?filename=a.txt", "", b"What was uploaded.".to_vec()).await).await;
    let id = s.notification(with(&made["id"])).await;
    assert_eq!(s.ended(&id).await["state"], "succeeded");
    let text = String::from_utf8_lossy(&sink.messages()[0].raw).into_owned();
    // "What was uploaded." in base64, as every file goes.
    assert!(text.contains("filename=\"a.txt\"") && text.contains("V2hhdCB3YXMgdXBsb2FkZWQu"), "{text}");
    // One that is deleted before it is sent fails its message.
    s.got("POST", "/v1/queues/default/lanes/email:default/pause", Value::Null, 204).await;
    let id = s.notification(with(&made["id"])).await;
    s.got("DELETE", &format!("{PATH}/{}", made["id"].as_str().unwrap()), Value::Null, 204).await;
    s.got("POST", "/v1/queues/default/lanes/email:default/resume", Value::Null, 204).await;
    let ended = s.ended(&id).await;
    assert_eq!(
        (&ended["state"], &ended["error"]["class"]),
        (&json!("failed"), &json!("permanent")),
        "{ended}"
    );
    assert_eq!(sink.messages().len(), 1);
    let refused = s.post_json("/v1/notifications", with(&made["id"])).await;
    assert_eq!(locs(&problem(refused, 422, "invalid-request").await), ["body.attachments"]);
    worker.shutdown().await;
}

#[tokio::test]
async fn a_name_or_type_that_would_break_a_header_or_leave_its_folder_is_refused() {
    let s = Server::start().await;
    let long = format!("?filename={}", "x".repeat(201));
    for query in [
        "",
        "?filename=",
        "?filename=..%2F..%2Fetc%2Fpasswd",
        "?filename=a%5Cb",
        "?filename=..",
        "?filename=a%0D%0ABcc:%20b@example.com",
        "?filename=a%22;%20x=%22b",
        "?filename=a%00b",
        "?filename=a%E2%80%A8b%0A",
        "?filename=%FF",
        "?filename=a&filename=b",
        &long,
    ] {
        let refused = problem(upload(&s, query, "", vec![1]).await, 422, "invalid-request").await;
        assert_eq!(locs(&refused), ["query.filename"], "{query}");
    }
    for kind in ["pdf", "text/html\u{e9}", "a/b; c=\"", &format!("a/{}", "b".repeat(200))] {
        let refused =
            problem(upload(&s, "?filename=a.txt", kind, vec![1]).await, 422, "invalid-request").await;
        assert_eq!(locs(&refused), ["header.Content-Type"], "{kind}");
    }
    let empty = problem(upload(&s, "?filename=a.txt", "", vec![]).await, 422, "invalid-request").await;
    assert_eq!(locs(&empty), ["body"]);
    let extra =
        problem(upload(&s, "?filename=a.txt&name=b", "", vec![1]).await, 422, "invalid-request").await;
    assert_eq!(locs(&extra), ["query.name"]);
    // The name that a notification gives goes into the same header.
    let made = body(upload(&s, "?filename=a.txt", "", vec![1]).await).await;
    let mut message = with(&made["id"]);
    message["attachments"][0]["filename"] = json!("a\r\nBcc: b@example.com");
    let refused = problem(s.post_json("/v1/notifications", message).await, 422, "invalid-request").await;
    assert_eq!(locs(&refused), ["body.attachments"]);
}

#[tokio::test]
async fn a_file_is_its_tenants_own() {
    let s = Server::start().await;
    let keys = s.keys().await;
    let id = "0199f3a0-7c1e-7a52-9d0e-3f6f1c2b4a58";
    let none = format!("{PATH}/{id}");
    s.needs(&keys, "send", &[("POST", PATH), ("DELETE", &none)]).await;
    s.needs(&keys, "read", &[("GET", &none)]).await;
    let request = s.request("POST", &format!("{PATH}?filename=a.txt")).bearer_auth(&keys.acme).body("x");
    let made = body(request.send().await.unwrap()).await;
    let path = format!("{PATH}/{}", made["id"].as_str().unwrap());
    for method in ["GET", "DELETE"] {
        problem(s.call(method, &path, &keys.other, Value::Null).await, 404, "not-found").await;
    }
    let foreign = s.call("POST", "/v1/notifications", &keys.other, with(&made["id"])).await;
    assert_eq!(locs(&problem(foreign, 422, "invalid-request").await), ["body.attachments"]);
    assert_eq!(s.call("POST", "/v1/notifications", &keys.acme, with(&made["id"])).await.status(), 202);
    assert_eq!(s.call("DELETE", &path, &keys.acme, Value::Null).await.status(), 204);
}
