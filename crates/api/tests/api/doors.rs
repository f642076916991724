//! What comes in at the doors: said truly, bounded, and never more than we could read again.

use posthaste_api::{ApiConfig, ConfiguredProvider};
use posthaste_core::Name;
use posthaste_notify::ChannelKind;
use serde_json::{Value, json};

use super::harness::{Server, json as body, locs, problem};
use crate::operations;

fn messages(answer: &Value) -> String {
    let list = answer["errors"].as_array().cloned().unwrap_or_default();
    list.iter().map(|e| e["msg"].as_str().unwrap().to_owned()).collect::<Vec<_>>().join("; ")
}

#[tokio::test]
async fn a_bad_address_says_so() {
    let s = Server::start().await;
    for bad in ["ann", "ann.example.com", "", "ann at example.com"] {
        for (path, request, place) in [
            ("/v1/notifications", json!({ "to": bad, "message": "m" }), "body.to"),
            ("/v1/notifications", json!({ "to": ["a@example.com", bad], "message": "m" }), "body.to.1"),
            (
                "/v1/notifications/batch",
                json!({ "notifications": [{ "to": "a@example.com", "message": "m" }, { "to": bad, "message": "m" }] }),
                "body.notifications.1.to",
            ),
        ] {
            let answer = problem(s.post_json(path, request).await, 422, "invalid-request").await;
            assert_eq!(locs(&answer), [place], "{bad}");
            let said = messages(&answer);
            assert!(said.contains("not a valid email address") && said.contains("channel"), "{bad}: {said}");
        }
    }
    let number = s.post_json("/v1/notifications", json!({ "to": 7, "message": "m" })).await;
    assert_eq!(locs(&problem(number, 422, "invalid-request").await), ["body.to"]);
}

#[tokio::test]
async fn a_message_for_nobody_is_told_to_say_whom_it_is_for() {
    let s = Server::start().await;
    let none = "Field required: an e-mail address, or another recipient and its `channel`";
    let form = "Input should be an e-mail address as text";
    for (to, place, said) in [
        (Value::Null, "", none),
        (json!({}), "", form),
        (json!({ "endpoint": "https://push.example.com/x" }), "", form),
        (json!(true), "", form),
        (json!([null]), ".0", none),
        (json!([{}]), ".0", form),
        (json!(["a@example.com", null]), ".1", none),
        (json!(["a@example.com", {}]), ".1", form),
    ] {
        let message = json!({ "to": to, "message": "m" });
        let reply = s.post_json("/v1/notifications", message.clone()).await;
        let answer = problem(reply, 422, "invalid-request").await;
        assert_eq!(locs(&answer), [format!("body.to{place}")], "{message}");
        assert!(messages(&answer).starts_with(said), "{message}: {answer}");
        if !to.is_array() {
            let batch = json!({ "notifications": [message] });
            let reply = s.post_json("/v1/notifications/batch", batch).await;
            let answer = problem(reply, 422, "invalid-request").await;
            assert_eq!(locs(&answer), ["body.notifications.0.to"], "{to}");
            assert!(messages(&answer).starts_with(said), "{to}: {answer}");
        }
    }
    let nobody = s.post_json("/v1/notifications", json!({ "message": "m" })).await;
    assert_eq!(locs(&problem(nobody, 422, "invalid-request").await), ["body.to"]);
    let large = s.post_json("/v1/notifications", json!({ "To": "a@example.com", "message": "m" })).await;
    let answer = problem(large, 422, "invalid-request").await;
    assert_eq!(locs(&answer), ["body.to", "body.To"]);
    assert!(messages(&answer).contains("did you mean `to`?"), "{answer}");
    // With a channel it is the recipient of that one.
    let sms = s.post_json("/v1/notifications", json!({ "channel": "sms", "message": "m" })).await;
    assert_eq!(locs(&problem(sms, 422, "invalid-request").await), ["body.to"]);
}

#[tokio::test]
async fn a_list_of_the_known_fields_names_each_once() {
    let s = Server::start().await;
    let name = "qqqqqqqqqqqq";
    for (path, request) in [
        ("/v1/notifications", json!({ "to": "a@example.com", "message": "m", name: 1 })),
        ("/v1/notifications", json!({ "to": ["a@example.com"], "message": "m", name: 1 })),
        ("/v1/tasks", json!({ "kind": "work", "payload": 1, name: 1 })),
        (
            "/v1/tasks",
            json!({ "kind": "notify", "payload": { "channel": "email", "to": "a@example.com", "message": "m", name: 1 } }),
        ),
        (
            "/v1/notifications/batch",
            json!({ "notifications": [{ "to": "a@example.com", "message": "m", name: 1 }] }),
        ),
    ] {
        let answer = problem(s.post_json(path, request.clone()).await, 422, "invalid-request").await;
        let said = messages(&answer);
        let list = said.split_once("there are ").unwrap_or_else(|| panic!("{request}: {said}")).1;
        let mut named: Vec<_> = list.split(", ").collect();
        let all = named.len();
        named.sort_unstable();
        named.dedup();
        assert_eq!(named.len(), all, "{request}: {said}");
    }
}

#[tokio::test]
async fn a_wait_that_is_too_long_is_told_the_bound() {
    let s = Server::start().await;
    let id = s.task().await;
    for wait in ["61s", "60001ms", "2m", "120s", "1h", "100000ms"] {
        let reply = s.get(&format!("/v1/tasks/{id}?wait={wait}")).await;
        let answer = problem(reply, 422, "invalid-request").await;
        assert_eq!(messages(&answer), "Input should be at most 60s", "{wait}");
    }
}

async fn with_providers(providers: &[(&str, ChannelKind)]) -> Server {
    let of = |(name, channel): &(&str, ChannelKind)| ConfiguredProvider {
        name: Name::new(name).unwrap(),
        channel: *channel,
        kind: "x",
        senders: Vec::new(),
    };
    let providers = providers.iter().map(of).collect();
    Server::with(ApiConfig { providers, providers_known: true, ..ApiConfig::default() }).await
}

#[tokio::test]
async fn a_provider_that_is_unknown_or_ambiguous_is_refused_everywhere() {
    use ChannelKind as C;
    let s =
        with_providers(&[("a", C::Slack), ("b", C::Slack), ("mail", C::Email), ("ops", C::Discord)]).await;
    let mail = |provider: &str| {
        let mut m = json!({ "channel": "email", "to": "ann@example.com", "message": "m" });
        if !provider.is_empty() {
            m["provider"] = provider.into();
        }
        m
    };
    let slack = |provider: Value| json!({ "channel": "slack", "message": "m", "provider": provider });
    for (message, good) in [
        (mail("mail"), true),
        (mail("nobody"), false),
        (mail("a"), false),
        (mail(""), false),
        (slack(json!("a")), true),
        (slack(json!("ops")), false),
        (slack(Value::Null), false),
        (json!({ "channel": "discord", "message": "m" }), true),
        (json!({ "channel": "telegram", "to": "42", "message": "m", "provider": "x" }), false),
        (json!({ "channel": "telegram", "to": "42", "message": "m" }), true),
    ] {
        let batch = json!({ "notifications": [message] });
        let tasks = json!({ "tasks": [{ "kind": "notify", "payload": message }] });
        let schedule = json!({ "cron": "0 7 * * *", "kind": "notify", "payload": message });
        for (method, path, request, place) in [
            ("POST", "/v1/notifications", message.clone(), "body.provider"),
            ("POST", "/v1/notifications/batch", batch, "body.notifications.0.provider"),
            ("POST", "/v1/tasks", json!({ "kind": "notify", "payload": message }), "body.payload.provider"),
            ("POST", "/v1/tasks/batch", tasks, "body.tasks.0.payload.provider"),
            ("PUT", "/v1/schedules/s", schedule, "body.payload.provider"),
        ] {
            let reply = s.call(method, path, "", request).await;
            if good {
                assert!(reply.status().is_success(), "{method} {path} {message}: {}", reply.status());
            } else {
                let answer = problem(reply, 422, "invalid-request").await;
                assert_eq!(locs(&answer), [place], "{message}");
            }
        }
    }
    let old = s.post("/notify/?email=ann@example.com").await;
    assert_eq!(old.status(), 422);
    let said = body(old).await["detail"][0]["msg"].as_str().unwrap().to_owned();
    assert!(said.contains("none of the channel email is named default; there are mail"), "{said}");
    // With nothing configured at all the sandbox holds what names no provider.
    let s = with_providers(&[]).await;
    s.got("POST", "/v1/notifications", mail(""), 202).await;
    problem(s.post_json("/v1/notifications", mail("mail")).await, 422, "invalid-request").await;
    // A process that was told of none does not know.
    let s = Server::start().await;
    s.got("POST", "/v1/notifications", mail("mail"), 202).await;
}

#[tokio::test]
async fn whoever_shows_no_key_sends_no_more_than_the_form_needs() {
    let s = Server::start().await;
    let mut tried = 0;
    for o in operations::operations() {
        if o.needs_key() || o.about.get("requestBody").is_none() {
            continue;
        }
        tried += 1;
        let most = if o.path.ends_with("/complete") { 1_000_000 } else { 40_000 };
        let names: String = (0..most / 10).map(|i| format!(",\"x{i:06}\":1")).collect();
        let request = s.request(&o.method, &o.address()).header("content-type", "application/json");
        let reply = request.body(format!("{{\"a\":1{names}}}")).send().await.unwrap();
        problem(reply, 413, "too-large").await;
    }
    assert_eq!(tried, 3);
    // What fits is answered in few words, however many names it holds.
    let names: String = (0..60_000).map(|i| format!(",\"x{i:06}\":1")).collect();
    let path = "/v1/tasks/0199f3a0-7c1e-7a52-9d0e-3f6f1c2b4a58/complete";
    let request = s.request("POST", path).header("content-type", "application/json");
    let reply = request.body(format!("{{\"a\":1{names}}}")).send().await.unwrap();
    let answer = problem(reply, 422, "invalid-request").await;
    assert_eq!(answer["errors"].as_array().unwrap().len(), 21);
    assert!(messages(&answer).ends_with("; and 59982 more"), "{}", messages(&answer));
    assert!(answer.to_string().len() < 10_000);
}

#[tokio::test]
async fn at_most_twenty_errors_are_named() {
    let s = Server::start().await;
    let bad = vec![json!({ "to": "nobody" }); 500];
    let strict = json!({ "notifications": bad });
    let answer = problem(s.post_json("/v1/notifications/batch", strict).await, 422, "invalid-request").await;
    assert_eq!(answer["errors"].as_array().unwrap().len(), 21);
    assert!(answer["detail"].as_str().unwrap().ends_with("; and 480 more"), "{}", answer["detail"]);
    // In permissive mode each bad item is named, with what is wrong with it first.
    let names: serde_json::Map<String, Value> = (0..30).map(|i| (format!("x{i}"), json!(1))).collect();
    let mut all = vec![json!({ "to": "ann@example.com", "message": "m" })];
    all.extend(vec![Value::Object(names.clone()); 50]);
    let mixed = json!({ "mode": "permissive", "notifications": all });
    let answer = s.got("POST", "/v1/notifications/batch", mixed, 202).await;
    let items = answer["errors"].as_array().unwrap();
    assert_eq!(items.len(), 50);
    let count = |i: usize| items[i]["errors"].as_array().unwrap().len();
    assert_eq!((count(0), count(1), count(49)), (21, 2, 2));
    assert_eq!(items[49]["errors"][1]["type"], "more");
    // A name is repeated in part alone.
    let reply =
        s.post_json("/v1/tasks", json!({ "kind": "work", "payload": 1, "x".repeat(100_000): 1 })).await;
    let answer = problem(reply, 422, "invalid-request").await;
    assert!(answer.to_string().len() < 2_000, "{}", answer.to_string().len());
    let query: String = (0..3_000).map(|i| format!("&x{i}=1")).collect();
    let answer = problem(s.get(&format!("/v1/tasks?{query}")).await, 422, "invalid-request").await;
    assert_eq!(answer["errors"].as_array().unwrap().len(), 21);
}

#[tokio::test]
async fn the_end_of_the_year_9999_is_never() {
    let s = Server::start().await;
    let never = "9999-12-30T22:00:00.000Z";
    for at in ["9999-12-31T23:59:59Z", "9999-12-31T23:59:59.999Z", "9999-12-31T23:59:59+00:00"] {
        let made =
            s.got("POST", "/v1/tasks", json!({ "kind": "k", "payload": {}, "expires_at": at }), 202).await;
        let path = format!("/v1/tasks/{}", made["id"].as_str().unwrap());
        assert_eq!(s.got("GET", &path, Value::Null, 200).await["expires_at"], never, "{at}");
        s.got("POST", &format!("{path}/cancel"), json!({}), 200).await;
        s.got("POST", &format!("{path}/retry"), json!({ "expires_at": at }), 202).await;
        s.got(
            "POST",
            "/v1/notifications",
            json!({ "to": "a@example.com", "message": "m", "expires_at": at }),
            202,
        )
        .await;
        for (path, request, place) in [
            ("/v1/tasks", json!({ "kind": "k", "payload": {}, "due_at": at }), "body.due_at"),
            (
                "/v1/notifications",
                json!({ "to": "a@example.com", "message": "m", "send_at": at }),
                "body.send_at",
            ),
        ] {
            let answer = problem(s.post_json(path, request).await, 422, "invalid-request").await;
            assert_eq!(
                (locs(&answer), messages(&answer)),
                (vec![place.to_owned()], "It should be at most 366 days ahead".into())
            );
        }
        let admin = json!({ "name": "a", "scopes": ["read"], "expires_at": at });
        let answer = problem(s.post_json("/v1/keys", admin).await, 422, "invalid-request").await;
        assert!(messages(&answer).contains("The first key must be admin"), "{answer}");
        assert_eq!(s.get(&format!("/v1/audit?until={at}").replace('+', "%2B")).await.status(), 200, "{at}");
    }
    let answer = s
        .post_json("/v1/tasks", json!({ "kind": "k", "payload": {}, "expires_at": "9999-12-32T00:00:00Z" }))
        .await;
    assert!(messages(&problem(answer, 422, "invalid-request").await).contains("RFC 3339"));
}

#[tokio::test]
async fn a_batch_takes_a_hundred_pages_of_html() {
    let s = Server::start().await;
    let html = format!("<p>{}</p>", "x".repeat(200_000));
    let page = json!({ "to": "ann@example.com", "subject": "s", "html": html });
    let made = s
        .got("POST", "/v1/notifications/batch", json!({ "notifications": vec![page.clone(); 40] }), 202)
        .await;
    assert_eq!(made["data"].as_array().unwrap().len(), 40);
    let tasks = vec![json!({ "kind": "work", "payload": "x".repeat(250_000) }); 32];
    s.got("POST", "/v1/tasks/batch", json!({ "tasks": tasks }), 202).await;
    // Each is bounded as it is alone.
    let mut long = page.clone();
    long["html"] = "x".repeat(300_000).into();
    let answer =
        s.post_json("/v1/notifications/batch", json!({ "notifications": [page.clone(), long] })).await;
    assert_eq!(locs(&problem(answer, 422, "invalid-request").await), ["body.notifications.1.html"]);
    let answer = s.post_json("/v1/notifications/batch", json!({ "notifications": vec![page; 42] })).await;
    let said = problem(answer, 413, "too-large").await;
    assert!(said["detail"].as_str().unwrap().contains("8388608"), "{said}");
}

fn nested(levels: usize) -> Value {
    (1..levels).fold(json!([]), |inner, _| json!([inner]))
}

#[tokio::test]
async fn what_is_nested_too_deeply_is_refused_and_all_else_can_be_read_again() {
    let s = Server::start().await;
    let request = |levels: usize| json!({ "kind": "work", "payload": nested(levels) });
    // The body is a level of its own.
    s.got("POST", "/v1/tasks", request(99), 202).await;
    problem(s.post_json("/v1/tasks", request(100)).await, 400, "malformed-body").await;
    s.got("POST", "/v1/tasks/batch", json!({ "tasks": [request(97)] }), 202).await;
    for n in [64, 1] {
        let task = s.claim().await;
        s.settle(&task, posthaste_core::Outcome::result(posthaste_core::Json::from(nested(n)))).await;
    }
    // Read by the reader that our own command line has, which stops at 128 levels.
    for path in ["/v1/tasks?limit=10", "/v1/queues", "/v1/stats"] {
        s.got("GET", path, Value::Null, 200).await;
    }
}
