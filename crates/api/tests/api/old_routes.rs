//! The wire that existing clients speak.

use serde_json::{Value, json};

use super::harness::{Server, json, locs};

const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";

#[tokio::test]
async fn an_address_in_the_query_is_accepted_with_and_without_the_slash() {
    let s = Server::start().await;
    for path in ["/notify/", "/notify"] {
        let reply = s.post(&format!("{path}?email=dev@example.com&colour=red")).await;
        assert_eq!(reply.status(), 200);
        assert_eq!(reply.headers()["content-type"], JSON);
        let body = json(reply).await;
        assert_eq!(body["message"], "Email will be sent to dev@example.com");
        let id = body["task_id"].as_str().unwrap();
        assert_eq!(body.as_object().unwrap().len(), 2);
        let task = json(s.get(&format!("/v1/tasks/{id}")).await).await;
        assert_eq!(task["kind"], "notify");
        assert_eq!(task["lane"], "email:default");
        assert_eq!(task["payload"], json!({ "channel": "email", "to": "dev@example.com" }));
    }
}

async fn payload_of(s: &Server, path: &str, kind: &str, body: &str) -> Value {
    let reply =
        s.request("POST", path).header("content-type", kind).body(body.to_owned()).send().await.unwrap();
    assert_eq!(reply.status(), 200, "{path} {kind} {body}");
    let id = json(reply).await["task_id"].as_str().unwrap().to_owned();
    json(s.get(&format!("/v1/tasks/{id}")).await).await["payload"].clone()
}

#[tokio::test]
async fn fields_come_from_query_json_form_and_multipart_and_may_be_mixed() {
    let s = Server::start().await;
    let full = json!({ "channel": "email", "to": "dev@example.com", "subject": "Hé", "message": "a b" });
    let j = r#"{"email":"dev@example.com","subject":"H\u00e9","message":"a b","extra":[1],"email2":null}"#;
    assert_eq!(payload_of(&s, "/notify/", JSON, j).await, full);
    assert_eq!(payload_of(&s, "/notify/", "Application/JSON; charset=utf-8", j).await, full);
    assert_eq!(payload_of(&s, "/notify/", "application/vnd.x+json", j).await, full);
    let f = "email=dev%40example.com&subject=H%C3%A9&message=a+b&x=1";
    assert_eq!(payload_of(&s, "/notify", FORM, f).await, full);
    assert_eq!(payload_of(&s, &format!("/notify/?{f}"), "text/plain", "ignored").await, full);
    let m = "--B\r\nContent-Disposition: form-data; name=\"email\"\r\n\r\ndev@example.com\r\n--B\r\n\
        Content-Disposition: form-data; name=\"subject\"\r\n\r\nHé\r\n--B\r\n\
        Content-Disposition: form-data; name=\"message\"\r\n\r\na b\r\n--B--\r\n";
    assert_eq!(payload_of(&s, "/notify/", "multipart/form-data; boundary=B", m).await, full);
    // The address in the query, the rest in the body; and the query wins where both have it.
    let mixed = r#"{"email":"other@example.com","subject":"Hé","message":"a b"}"#;
    assert_eq!(payload_of(&s, "/notify/?email=dev@example.com", JSON, mixed).await, full);
    // null and empty are the same as left out.
    let bare = json!({ "channel": "email", "to": "dev@example.com" });
    let nulls = r#"{"email":"dev@example.com","subject":null,"message":""}"#;
    assert_eq!(payload_of(&s, "/notify/", JSON, nulls).await, bare);
}

#[tokio::test]
async fn json_is_read_in_every_form_that_python_reads() {
    let s = Server::start().await;
    let text = r#"{"email":"dev@example.com","subject":"Hé 𝄞"}"#;
    let marked = format!("\u{feff}{text}");
    let two = |text: &str, of: fn(u16) -> [u8; 2]| text.encode_utf16().flat_map(of).collect::<Vec<u8>>();
    let four =
        |text: &str, of: fn(u32) -> [u8; 4]| text.chars().flat_map(|c| of(c.into())).collect::<Vec<u8>>();
    for text in [text, marked.as_str()] {
        for bytes in [
            text.as_bytes().to_vec(),
            two(text, u16::to_le_bytes),
            two(text, u16::to_be_bytes),
            four(text, u32::to_le_bytes),
            four(text, u32::to_be_bytes),
        ] {
            for kind in [JSON, ""] {
                let mut request = s.request("POST", "/notify/").body(bytes.clone());
                if !kind.is_empty() {
                    request = request.header("content-type", kind);
                }
                let reply = request.send().await.unwrap();
                assert_eq!(reply.status(), 200, "{kind} {bytes:?}");
                let id = json(reply).await["task_id"].as_str().unwrap().to_owned();
                let task = json(s.get(&format!("/v1/tasks/{id}")).await).await;
                assert_eq!(task["payload"]["subject"], "Hé 𝄞", "{bytes:?}");
            }
        }
    }
    let mut cut = two(text, u16::to_le_bytes);
    cut.pop();
    let lone = two(&text.replace('é', "x"), u16::to_be_bytes);
    let lone: Vec<u8> =
        lone.chunks(2).flat_map(|u| if u == [0, b'x'] { [0xd8, 0] } else { [u[0], u[1]] }).collect();
    for bad in [cut, lone, vec![0], vec![b'{', 0]] {
        let reply =
            s.request("POST", "/notify/").header("content-type", JSON).body(bad).send().await.unwrap();
        assert_eq!(reply.status(), 422);
        assert_eq!(json(reply).await["detail"][0]["type"], "json_invalid");
    }
}

#[tokio::test]
async fn what_is_not_there_beside_the_old_routes_says_so_in_their_shape() {
    let s = Server::start().await;
    for path in [
        "/task_status",
        "/task_status/",
        "/task_status/a/b",
        "/notify//",
        "/notify/x",
        "/health//",
        "/health/x",
    ] {
        let reply = s.get(path).await;
        assert_eq!(
            (reply.status().as_u16(), &reply.headers()["content-type"]),
            (404, &JSON.parse().unwrap()),
            "{path}"
        );
        let answer = json(reply).await;
        assert!(answer["detail"].is_string() && answer.as_object().unwrap().len() == 1, "{path}: {answer}");
    }
    // What only begins alike is none of them.
    for path in ["/notifyx", "/healthzz", "/task_statuses"] {
        let reply = s.get(path).await;
        assert_eq!(reply.headers()["content-type"], "application/problem+json", "{path}");
    }
}

#[tokio::test]
async fn json_without_a_content_type_is_understood() {
    let s = Server::start().await;
    let reply = s.request("POST", "/notify/").body(r#" {"email":"dev@example.com"}"#).send().await.unwrap();
    assert_eq!(reply.status(), 200);
}

#[tokio::test]
async fn wrong_fields_are_answered_as_fastapi_does() {
    let s = Server::start().await;
    let reply = s.post("/notify/").await;
    assert_eq!(reply.status(), 422);
    assert_eq!(
        json(reply).await,
        json!({ "detail": [{ "loc": ["query", "email"], "msg": "Field required", "type": "missing" }] })
    );
    for (path, kind, body, place, error) in [
        ("/notify/?email=", "", "", "query.email", "value_error"),
        ("/notify?email=nobody", "", "", "query.email", "value_error"),
        ("/notify/?email=a%0d%0aBcc:b@example.com", "", "", "query.email", "value_error"),
        ("/notify/?email=a%00@example.com", "", "", "query.email", "value_error"),
        ("/notify/?email=%ff@example.com", "", "", "query.email", "string_unicode"),
        ("/notify/?email=a@example.com&message=%ff", "", "", "query.message", "string_unicode"),
        ("/notify/?email=a@example.com&subject=a%0ab", "", "", "query.subject", "value_error"),
        ("/notify/", JSON, "{}", "body.email", "missing"),
        ("/notify/", JSON, r#"{"email":7}"#, "body.email", "string_type"),
        ("/notify/", JSON, r#"{"email":null}"#, "body.email", "string_type"),
        ("/notify/", JSON, r#"{"email":"nobody"}"#, "body.email", "value_error"),
        ("/notify/", JSON, r#"{"email":"a\ud800@example.com"}"#, "body.email", "string_unicode"),
        ("/notify/?email=a@example.com", JSON, r#"{"message":[]}"#, "body.message", "string_type"),
        (
            "/notify/",
            JSON,
            r#"{"email":"a@example.com","subject":"a\r\nBcc: x"}"#,
            "body.subject",
            "value_error",
        ),
        ("/notify/", JSON, "[]", "body", "dict_type"),
        ("/notify/", JSON, "7", "body", "dict_type"),
        ("/notify/", JSON, r#"{"email":"a@exam"#, "body.16", "json_invalid"),
        ("/notify/", FORM, "message=x", "body.email", "missing"),
        ("/notify/", FORM, "email=%ff", "body.email", "string_unicode"),
        ("/notify/", "text/plain", "email=a@example.com", "body.email", "missing"),
        ("/notify/", "multipart/form-data; boundary=B", "--B", "body.email", "missing"),
    ] {
        let mut request = s.request("POST", path).body(body.to_owned());
        if !kind.is_empty() {
            request = request.header("content-type", kind);
        }
        let reply = request.send().await.unwrap();
        assert_eq!(reply.status(), 422, "{path} {body}");
        assert_eq!(reply.headers()["content-type"], JSON);
        let answer = json(reply).await;
        assert_eq!(locs(&answer), [place], "{path} {body} {answer}");
        assert_eq!(answer["detail"][0]["type"], error, "{path} {body} {answer}");
    }
    let reply = s.post("/notify/?email=x&message=%ff&subject=%ff").await;
    assert_eq!(locs(&json(reply).await), ["query.message", "query.subject", "query.email"]);
    let bytes = b"{\"email\":\"a@example.com\",\"message\":\"\xff\"}".to_vec();
    let reply = s.request("POST", "/notify/").header("content-type", JSON).body(bytes).send().await.unwrap();
    assert_eq!((reply.status().as_u16(), locs(&json(reply).await)), (422, vec!["body.36".to_owned()]));
    let deep = format!(r#"{{"email":{}{}}}"#, "[".repeat(100_000), "]".repeat(100_000));
    let reply = s.request("POST", "/notify/").header("content-type", JSON).body(deep).send().await.unwrap();
    assert_eq!(
        (reply.status().as_u16(), json(reply).await["detail"][0]["type"].clone()),
        (422, json!("json_invalid"))
    );
}

#[tokio::test]
async fn a_body_over_a_mebibyte_is_413_in_the_old_shape() {
    let s = Server::start().await;
    let body = format!(r#"{{"email":"a@example.com","message":"{}"}}"#, "x".repeat(2 << 20));
    let reply = s.request("POST", "/notify/").header("content-type", JSON).body(body).send().await.unwrap();
    assert_eq!(reply.status(), 413);
    assert!(json(reply).await["detail"].is_string());
    let long = format!(r#"{{"email":"a@example.com","message":"{}"}}"#, "x".repeat(200_000));
    let reply = s.request("POST", "/notify/").header("content-type", JSON).body(long).send().await.unwrap();
    assert_eq!(reply.status(), 422);
    assert_eq!(locs(&json(reply).await), ["body.message"]);
}

#[tokio::test]
async fn the_status_follows_the_task() {
    let s = Server::start().await;
    let id =
        json(s.post("/notify/?email=dev@example.com").await).await["task_id"].as_str().unwrap().to_owned();
    let status = || async { json(s.get(&format!("/task_status/{id}")).await).await };
    assert_eq!(status().await, json!({ "task_id": id, "status": "in progress" }));
    s.succeed(json!({ "message": "Notification sent to dev@example.com", "sandbox": false })).await;
    assert_eq!(
        status().await,
        json!({ "task_id": id, "status": "completed", "result": "Notification sent to dev@example.com" })
    );
}

#[tokio::test]
async fn a_failure_and_a_cancel_are_failed_with_a_sentence() {
    let s = Server::start().await;
    let id =
        json(s.post("/notify/?email=dev@example.com").await).await["task_id"].as_str().unwrap().to_owned();
    s.fail("the server refused the message").await;
    let body = json(s.get(&format!("/task_status/{id}")).await).await;
    assert_eq!(body["status"], "failed");
    assert!(body["error"].as_str().unwrap().contains("the server refused the message"), "{body}");
    assert_eq!(body.get("result"), None);

    let id =
        json(s.post("/notify/?email=dev@example.com").await).await["task_id"].as_str().unwrap().to_owned();
    assert_eq!(s.post(&format!("/v1/tasks/{id}/cancel")).await.status(), 200);
    let body = json(s.get(&format!("/task_status/{id}")).await).await;
    assert_eq!(body, json!({ "task_id": id, "status": "failed", "error": "The task was cancelled" }));
}

#[tokio::test]
async fn unknown_and_malformed_ids_are_404_with_a_detail() {
    let s = Server::start().await;
    for id in ["0199f3a0-7c1e-7a52-9d0e-3f6f1c2b4a58", "seven", "%ff%fe", "a%20b", ""] {
        let reply = s.get(&format!("/task_status/{id}")).await;
        assert_eq!(reply.status(), 404, "{id}");
        assert_eq!(reply.headers()["content-type"], JSON, "{id}");
        assert!(json(reply).await["detail"].is_string());
    }
}

#[tokio::test]
async fn health_says_ok_and_wrong_methods_say_which_are_right() {
    let s = Server::start().await;
    let reply = s.get("/health").await;
    assert_eq!((reply.status().as_u16(), json(reply).await), (200, json!({ "status": "OK" })));
    for (method, path, allowed) in [
        ("GET", "/notify/", "POST"),
        ("DELETE", "/notify", "POST"),
        ("POST", "/health", "GET,HEAD"),
        ("PUT", "/task_status/0199f3a0-7c1e-7a52-9d0e-3f6f1c2b4a58", "GET,HEAD"),
    ] {
        let reply = s.request(method, path).send().await.unwrap();
        assert_eq!(reply.status(), 405, "{method} {path}");
        assert_eq!(reply.headers()["allow"], allowed);
        assert!(json(reply).await["detail"].is_string());
    }
}

#[tokio::test]
async fn quotes_in_an_address_stay_valid_json() {
    let s = Server::start().await;
    let reply =
        s.request("POST", "/notify/").query(&[("email", r#""a b"@example.com"#)]).send().await.unwrap();
    // Whether a quoted local part is taken is the address type's decision; the answer is JSON anyway.
    assert!(matches!(reply.status().as_u16(), 200 | 422));
    json(reply).await;
}

#[tokio::test]
async fn a_byte_order_mark_is_skipped() {
    let s = Server::start().await;
    let marked = "\u{feff}{\"email\":\"dev@example.com\",\"message\":\"a\"}";
    let expected = json!({ "channel": "email", "to": "dev@example.com", "message": "a" });
    for kind in [JSON, "application/json; charset=utf-8", ""] {
        let request = s.request("POST", "/notify/").body(marked);
        let request = if kind.is_empty() { request } else { request.header("content-type", kind) };
        let reply = request.send().await.unwrap();
        assert_eq!(reply.status(), 200, "{kind}");
        let id = json(reply).await["task_id"].as_str().unwrap().to_owned();
        assert_eq!(json(s.get(&format!("/v1/tasks/{id}")).await).await["payload"], expected, "{kind}");
    }
    let task = "\u{feff}{\"kind\":\"work\",\"payload\":1}";
    let reply = s.request("POST", "/v1/tasks").header("content-type", JSON).body(task).send().await.unwrap();
    assert_eq!(reply.status(), 202);
}

#[tokio::test]
async fn a_body_that_is_not_needed_is_not_judged() {
    let s = Server::start().await;
    let whole = "/notify/?email=a@example.com&message=m";
    let deep = "[".repeat(1_000);
    for body in ["null", "[]", "7", "\"x\"", "true", "{", "\u{feff}", "not JSON", &deep] {
        let reply =
            s.request("POST", whole).header("content-type", JSON).body(body.to_owned()).send().await.unwrap();
        assert_eq!(reply.status(), 200, "{body:.20}");
        let bare = s
            .request("POST", "/notify/")
            .header("content-type", JSON)
            .body(body.to_owned())
            .send()
            .await
            .unwrap();
        assert_eq!(bare.status(), 422, "without the address it is needed: {body:.20}");
    }
    let not_text =
        s.request("POST", whole).header("content-type", JSON).body(vec![b'{', 0xff]).send().await.unwrap();
    assert_eq!(not_text.status(), 200);
}

#[tokio::test]
async fn a_slash_too_many_leads_to_the_address_without_it() {
    let s = Server::start().await;
    let id =
        json(s.post("/notify/?email=dev@example.com").await).await["task_id"].as_str().unwrap().to_owned();
    let client = reqwest::Client::builder()
        .tls_backend_preconfigured(posthaste_notify::net::tls(None))
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .build()
        .unwrap();
    for (from, to) in [
        ("/health/".to_owned(), "/health".to_owned()),
        ("/health/?a=1".to_owned(), "/health?a=1".to_owned()),
        (format!("/task_status/{id}/"), format!("/task_status/{id}")),
        ("/task_status/none/".to_owned(), "/task_status/none".to_owned()),
    ] {
        let reply = client.get(format!("{}{from}", s.url)).send().await.unwrap();
        assert_eq!(reply.status(), 307, "{from}");
        assert_eq!(reply.headers()["location"], to.as_str());
    }
    assert_eq!(json(s.get(&format!("/task_status/{id}/")).await).await["status"], "in progress");
    assert_eq!(json(s.get("/health/").await).await, json!({ "status": "OK" }));
}

#[tokio::test]
async fn letters_and_digits_may_be_percent_encoded() {
    let s = Server::start().await;
    let id =
        json(s.post("/n%6Ftify/?email=dev@example.com").await).await["task_id"].as_str().unwrap().to_owned();
    let all: String = id.bytes().map(|b| format!("%{b:02X}")).collect();
    let one = id.replace('-', "%2d");
    for path in
        [format!("/task_status/{all}"), format!("/task_status/{one}"), format!("/%74ask%5Fstatus/{id}")]
    {
        let reply = s.get(&path).await;
        assert_eq!(reply.status(), 200, "{path}");
        assert_eq!(json(reply).await["task_id"], id.as_str());
    }
    assert_eq!(s.get("/h%65alth").await.status(), 200);
    assert_eq!(s.get(&format!("/v1/%74asks/{all}")).await.status(), 200);
    assert_eq!(s.get("/health%2F").await.status(), 404, "a slash is no such character");
}
