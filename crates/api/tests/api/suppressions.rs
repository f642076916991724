//! `/v1/suppressions`: who is not written to.

use posthaste_core::{Expect, Name, RecordKind};
use posthaste_notify::{EmailProvider, NotifyConfig};
use posthaste_testkit::smtp::{Action, SmtpSink, Stage};
use serde_json::{Value, json};

use super::harness::{Server, json as body, locs, problem};

const ALL: &str = "/v1/suppressions";
const ANN: &str = "/v1/suppressions/ann@example.com";

fn through(sink: &SmtpSink) -> NotifyConfig {
    let url = format!("smtp+plain://{}", sink.authority()).parse().unwrap();
    let from = "Posthaste <post@sender.example>".parse().unwrap();
    let public_url = Some("https://post.example.com".to_owned());
    NotifyConfig { public_url, ..NotifyConfig::default() }
        .with_provider(EmailProvider::new(Name::new("default").unwrap(), url, from).unwrap())
}

#[tokio::test]
async fn whoever_is_listed_is_not_written_to_until_they_are_removed() {
    let s = Server::start().await;
    let sink = SmtpSink::start().await;
    let worker = s.work(through(&sink)).await;
    let send = |extra: Value| {
        let mut message = json!({ "to": "ann@example.com", "message": "x" });
        message.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        let s = &s;
        async move {
            let id = s.notification(message).await;
            s.ended(&id).await
        }
    };
    s.got("PUT", ANN, json!({ "reason": "Asked by phone." }), 200).await;
    let refused = send(json!({})).await;
    assert_eq!((&refused["state"], &refused["error"]["class"]), (&json!("failed"), &json!("suppress")));
    let said = refused["error"]["message"].as_str().unwrap();
    assert!(said.contains("Asked by phone"), "{said}");
    assert_eq!(sink.connections(), 0);
    s.got("DELETE", ANN, Value::Null, 204).await;
    assert_eq!(send(json!({})).await["state"], "succeeded");
    // Of one category, others still go out.
    s.got("PUT", ANN, json!({ "category": "news" }), 200).await;
    assert_eq!(send(json!({ "unsubscribe": "orders" })).await["state"], "succeeded");
    assert_eq!(send(json!({ "unsubscribe": "news" })).await["state"], "failed");
    assert_eq!(sink.messages().len(), 2);
    worker.shutdown().await;
}

#[tokio::test]
async fn the_sandbox_ends_what_is_suppressed_as_a_provider_would_be_kept_from_it() {
    let s = Server::start().await;
    let worker = s.hold_all().await;
    let send = async |extra: Value| {
        let mut message = json!({ "to": "ann@example.com", "message": "x" });
        message.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        let id = s.notification(message).await;
        let task = s.ended(&id).await;
        let held = s.get(&format!("/v1/tasks/{id}/message")).await.status() == 200;
        assert_eq!(held, task["state"] == "succeeded", "{task}");
        task
    };
    assert_eq!(send(json!({})).await["state"], "succeeded");
    s.got("PUT", ANN, json!({ "reason": "Asked by phone." }), 200).await;
    let refused = send(json!({})).await;
    assert_eq!((&refused["state"], &refused["error"]["class"]), (&json!("failed"), &json!("suppress")));
    assert!(refused["error"]["message"].as_str().unwrap().contains("Asked by phone"), "{refused}");
    // Nobody is asked, so a fault on order waits for whoever is.
    let fault = json!({ "faults": [{ "answer": "550", "sends": 1 }] });
    s.got("PUT", "/v1/sandbox/faults", fault, 200).await;
    assert_eq!(send(json!({})).await["error"]["class"], "suppress");
    assert_eq!(s.got("GET", "/v1/sandbox/faults", Value::Null, 200).await["faults"][0]["sends"], 1);
    s.got("DELETE", "/v1/sandbox/faults", Value::Null, 204).await;
    s.got("DELETE", ANN, Value::Null, 204).await;
    s.got("PUT", ANN, json!({ "category": "news" }), 200).await;
    assert_eq!(send(json!({ "unsubscribe": "orders" })).await["state"], "succeeded");
    assert_eq!(send(json!({ "unsubscribe": "news" })).await["state"], "failed");
    worker.shutdown().await;
}

#[tokio::test]
async fn a_suppression_is_put_read_listed_and_removed() {
    let s = Server::start().await;
    let put = s.got("PUT", ANN, json!({ "reason": "Asked by phone." }), 200).await;
    assert_eq!(
        (&put["recipient"], &put["channel"], &put["source"], &put["reason"]),
        (&json!("ann@example.com"), &json!("email"), &json!("manual"), &json!("Asked by phone."))
    );
    assert_eq!(s.got("GET", ANN, Value::Null, 200).await, put);
    let chat = s.got("PUT", &format!("{ALL}/slack:%23ops"), Value::Null, 200).await;
    assert_eq!((&chat["recipient"], &chat["channel"]), (&json!("slack:ops"), &json!("slack")));
    let news = s.got("PUT", ANN, json!({ "category": "news" }), 200).await;
    assert_eq!((&news["recipient"], &news["category"]), (&json!("news/ann@example.com"), &json!("news")));
    assert_eq!(s.got("GET", ANN, Value::Null, 200).await, put, "the one about everything stays");
    let named = format!("{ALL}/news%2Fann@example.com");
    assert_eq!(s.got("GET", &named, Value::Null, 200).await, news);
    let page = s.got("GET", &format!("{ALL}?limit=2"), Value::Null, 200).await;
    let rest = s
        .got("GET", &format!("{ALL}?cursor={}", page["next_cursor"].as_str().unwrap()), Value::Null, 200)
        .await;
    assert_eq!(
        (page["data"].as_array().map(Vec::len), rest["data"].as_array().map(Vec::len)),
        (Some(2), Some(1))
    );
    s.got("DELETE", &named, Value::Null, 204).await;
    s.got("DELETE", ANN, Value::Null, 204).await;
    for method in ["GET", "DELETE"] {
        problem(s.call(method, ANN, "", Value::Null).await, 404, "not-found").await;
    }
    assert_eq!(s.got("GET", ALL, Value::Null, 200).await["data"], json!([chat]));
}

#[tokio::test]
async fn what_was_put_is_found_under_the_name_that_it_was_put_with() {
    let s = Server::start().await;
    for name in ["ann@example.com", "email:ann@example.com", "ann@EXAMPLE.com", "email:ann@Example.Com"] {
        let path = format!("{ALL}/{name}");
        let put = s.got("PUT", &path, Value::Null, 200).await;
        assert_eq!(put["recipient"], "ann@example.com", "{name}");
        assert_eq!(s.got("GET", &path, Value::Null, 200).await, put, "{name}");
        s.got("DELETE", &path, Value::Null, 204).await;
        problem(s.get(&path).await, 404, "not-found").await;
    }
}

#[tokio::test]
async fn what_is_wrong_is_named() {
    let s = Server::start().await;
    let long = format!("{ALL}/{}@example.com", "x".repeat(250));
    for (path, asked, place) in [
        (ANN, json!({ "reason": "x".repeat(501) }), "body.reason"),
        (ANN, json!({ "reason": 7 }), "body.reason"),
        (ANN, json!({ "category": "a b" }), "body.category"),
        (ANN, json!({ "category": "" }), "body.category"),
        (ANN, json!({ "raeson": "x" }), "body.raeson"),
        (&long, Value::Null, "path.recipient"),
        ("/v1/suppressions/a%0Ab", Value::Null, "path.recipient"),
        ("/v1/suppressions/x", Value::Null, "path.recipient"),
        ("/v1/suppressions/email:x", Value::Null, "path.recipient"),
        ("/v1/suppressions/news%2Femail:x", Value::Null, "path.recipient"),
        ("/v1/suppressions/pigeon:x", Value::Null, "path.recipient"),
        ("/v1/suppressions/sms:", Value::Null, "path.recipient"),
        ("/v1/suppressions/%5Bacme%5Dx", Value::Null, "path.recipient"),
        ("/v1/suppressions/email:%5Bacme%5Demail:ann@example.com", Value::Null, "path.recipient"),
    ] {
        let reply = s.call("PUT", path, "", asked.clone()).await;
        assert_eq!(locs(&problem(reply, 422, "invalid-request").await), [place], "{asked}");
    }
    assert_eq!(s.got("GET", ALL, Value::Null, 200).await["data"], json!([]));
}

#[tokio::test]
async fn what_is_about_one_tenants_messages_says_whose_and_by_which_channel() {
    let s = Server::start().await;
    let keys = s.keys().await;
    let of = |recipient: &str| format!("{ALL}/%5Bacme%5D{recipient}");
    for (path, asked, channel, name) in [
        (of("email:ann@example.com"), Value::Null, "email", "[acme]email:ann@example.com"),
        (
            of("email:bo@example.com"),
            json!({ "category": "news" }),
            "email",
            "news/[acme]email:bo@example.com",
        ),
        (of("slack:ops"), Value::Null, "slack", "[acme]slack:ops"),
    ] {
        let put = body(s.call("PUT", &path, &keys.admin, asked).await).await;
        assert_eq!(
            (&put["channel"], &put["tenant"], &put["recipient"]),
            (&json!(channel), &json!("acme"), &json!(name)),
            "{put}"
        );
    }
    // As an earlier program kept it.
    let old = json!({ "channel": "[acme]email", "reason": "Listed by hand.", "source": "manual" });
    let name = "[acme]email:cy@example.com";
    s.store.put_record(RecordKind::Suppression, name, old.into(), Expect::Any).await.unwrap();
    s.call("PUT", ANN, &keys.admin, Value::Null).await;
    let listed = body(s.call("GET", ALL, &keys.admin, Value::Null).await).await;
    for one in listed["data"].as_array().unwrap() {
        let tenant = if one["recipient"] == "ann@example.com" { Value::Null } else { json!("acme") };
        assert_eq!(one["tenant"], tenant, "{one}");
        assert!(!one["channel"].as_str().unwrap().contains('['), "{one}");
    }
    assert_eq!(listed["data"].as_array().unwrap().len(), 5);
    // Its own name is nothing that a tenant has to be told.
    let seen = s.call("GET", "/v1/recipients/cy@example.com", &keys.acme, Value::Null).await;
    let own = body(seen).await["suppressions"][0].clone();
    assert_eq!((&own["recipient"], &own["channel"]), (&json!("cy@example.com"), &json!("email")), "{own}");
    assert!(own.get("tenant").is_none(), "{own}");
}

#[tokio::test]
async fn suppressions_are_the_installations() {
    let s = Server::start().await;
    let keys = s.keys().await;
    s.needs(&keys, "read", &[("GET", ALL), ("GET", ANN)]).await;
    s.not_for_tenants(&keys, &[("GET", ALL), ("GET", ANN)]).await;
    s.needs(&keys, "admin", &[("PUT", ANN), ("DELETE", ANN)]).await;
    let put = s.call("PUT", ANN, &keys.admin, Value::Null).await;
    assert_eq!(body(put).await["reason"], "Listed by hand.");
    let audit = s.call("GET", "/v1/audit", &keys.admin, Value::Null).await.text().await.unwrap();
    assert!(
        audit.contains("suppressions.put") && !audit.contains("ann@"),
        "addresses stay out of it: {audit}"
    );
}

/// What is known of somebody in a store of an earlier release: a bounce of an address, under a name that it shares with a
/// category of somebody else.
async fn bounced_before(s: &Server, address: &str) {
    let body = json!({ "channel": "email", "reason": "No such user.", "source": "bounce" });
    let kept = s.store.put_record(RecordKind::Suppression, address, body.into(), Expect::Any).await;
    kept.expect("it is stored");
}

#[tokio::test]
async fn an_address_that_looks_like_a_category_of_somebody_is_not_mixed_up_with_it() {
    let s = Server::start().await;
    let sink = SmtpSink::start().await;
    let worker = s.work(through(&sink)).await;
    for (category, of) in [("news", "ann@example.com"), ("a.b-c_d", "x/y@example.com"), ("7", "bo@x.test")] {
        let looks_like = format!("{category}/{of}");
        let state = async |to: &str, category: Option<&str>| {
            let mut message = json!({ "to": to, "message": "x" });
            if let Some(category) = category {
                message["unsubscribe"] = category.into();
            }
            s.ended(&s.notification(message).await).await["state"].as_str().unwrap().to_owned()
        };
        let path = |name: &str| format!("{ALL}/{}", name.replace('/', "%2F"));
        let named = path(&looks_like);
        let address = path(&format!("email:{looks_like}"));

        // The server said that there is no such address: its neighbour gets the news.
        bounced_before(&s, &looks_like).await;
        assert_eq!(state(of, Some(category)).await, "succeeded", "{looks_like}");
        assert_eq!(state(&looks_like, None).await, "failed", "{looks_like}");
        assert_eq!(s.got("GET", &named, Value::Null, 200).await["source"], "bounce");
        assert_eq!(s.got("GET", &address, Value::Null, 200).await["source"], "bounce");

        // Who unsubscribes from the category does not take the bounce away.
        let put = s.got("PUT", &path(&format!("email:{of}")), json!({ "category": category }), 200).await;
        assert_eq!((&put["recipient"], &put["category"]), (&json!(looks_like), &json!(category)));
        assert_eq!(s.got("GET", &named, Value::Null, 200).await, put);
        assert_eq!(s.got("GET", &address, Value::Null, 200).await["source"], "bounce");
        assert_eq!(state(of, Some(category)).await, "failed");
        assert_eq!(state(of, Some("orders")).await, "succeeded");
        assert_eq!(state(&looks_like, None).await, "failed");

        // Each goes by itself.
        s.got("DELETE", &address, Value::Null, 204).await;
        assert_eq!(state(&looks_like, None).await, "succeeded");
        assert_eq!(s.got("GET", &named, Value::Null, 200).await, put);
        s.got("PUT", &address, json!({ "reason": "By hand." }), 200).await;
        s.got("DELETE", &named, Value::Null, 204).await;
        assert_eq!(state(of, Some(category)).await, "succeeded");
        assert_eq!(state(&looks_like, Some(category)).await, "failed");
        s.got("DELETE", &address, Value::Null, 204).await;
        problem(s.get(&address).await, 404, "not-found").await;
    }
    assert_eq!(s.got("GET", ALL, Value::Null, 200).await["data"], json!([]));
    worker.shutdown().await;
}

#[tokio::test]
async fn a_bounce_of_an_address_with_a_slash_is_its_own() {
    let s = Server::start().await;
    let sink = SmtpSink::start().await;
    sink.then(Stage::Rcpt, Action::reply("550 5.1.1 no such user"));
    let worker = s.work(through(&sink)).await;
    let send = async |message: Value| s.ended(&s.notification(message).await).await;
    let bounced = send(json!({ "to": "news/ann@example.com", "message": "x" })).await;
    assert_eq!(bounced["error"]["class"], "suppress", "{bounced}");
    let news = json!({ "to": "ann@example.com", "message": "x", "unsubscribe": "news" });
    assert_eq!(send(news).await["state"], "succeeded");
    let again = send(json!({ "to": "news/ann@example.com", "message": "x" })).await;
    assert_eq!(again["error"]["class"], "suppress", "{again}");
    assert_eq!(
        s.got("GET", ALL, Value::Null, 200).await["data"][0]["recipient"],
        "email:news/ann@example.com"
    );
    worker.shutdown().await;
}

#[tokio::test]
async fn each_name_of_the_list_is_good_for_reading_writing_and_removing() {
    let s = Server::start().await;
    let long = "y".repeat(200);
    for (path, body) in [
        ("ann@example.com".to_owned(), json!({})),
        ("ann@example.com".to_owned(), json!({ "category": "news" })),
        ("email:news%2Fann@example.com".to_owned(), json!({})),
        ("news%2Fbob@example.com".to_owned(), json!({})),
        ("news%2Fslack:%23ops".to_owned(), json!({ "category": "news" })),
        ("slack:%23a%2Fb".to_owned(), json!({ "category": "news" })),
        (format!("slack:{long}"), json!({ "category": "a".repeat(128) })),
    ] {
        let put = s.got("PUT", &format!("{ALL}/{path}"), body.clone(), 200).await;
        let name = put["recipient"].as_str().unwrap().replace('/', "%2F").replace('#', "%23");
        let named = format!("{ALL}/{name}");
        assert_eq!(s.got("GET", &named, Value::Null, 200).await, put, "{path} {body}");
        if !name.contains(':') && !name.contains('@') {
            // What is kept by its digest is read and removed by it.
            s.got("DELETE", &named, Value::Null, 204).await;
            continue;
        }
        let again = s.got("PUT", &named, json!({ "reason": "Once more." }), 200).await;
        assert_eq!(again["recipient"], put["recipient"], "{path} {body}");
        assert_eq!(again.get("category"), put.get("category"), "{path} {body}");
        s.got("DELETE", &named, Value::Null, 204).await;
        problem(s.get(&named).await, 404, "not-found").await;
    }
    let reply =
        s.call("PUT", &format!("{ALL}/news%2Fann@example.com"), "", json!({ "category": "ads" })).await;
    let told = problem(reply, 422, "invalid-request").await;
    assert_eq!(locs(&told), ["body.category"]);
    assert!(told["errors"][0]["msg"].as_str().unwrap().contains("news"), "{told}");
    assert_eq!(s.got("GET", ALL, Value::Null, 200).await["data"], json!([]));
}
