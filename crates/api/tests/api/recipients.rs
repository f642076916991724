//! `/v1/recipients`: did they get it, and forgetting them.

use posthaste_core::Expect;
use posthaste_notify::suppression::{self, Source, Suppression};
use serde_json::{Value, json};

use super::harness::{Server, json as body, locs, problem};

const ANN: &str = "/v1/recipients/ann@example.com";

#[tokio::test]
async fn the_newest_message_that_has_ended_says_whether_they_got_it() {
    let s = Server::start().await;
    let none = s.got("GET", ANN, Value::Null, 200).await;
    assert_eq!((none.get("got_it"), &none["counts"], &none["latest"]), (None, &json!({}), &json!([])));
    // Found by the address alone.
    s.notification(json!({ "to": "Ann <ann@example.com>", "message": "x" })).await;
    let message = json!({ "to": "ann@example.com", "message": "x" });
    assert_eq!(s.got("GET", ANN, Value::Null, 200).await.get("got_it"), None, "it has not ended");
    s.succeed(json!({ "message": "Notification sent to ann@example.com" })).await;
    let got = s.got("GET", ANN, Value::Null, 200).await;
    assert_eq!((&got["recipient"], &got["got_it"]), (&json!("email:ann@example.com"), &json!(true)));
    s.notification(message.clone()).await;
    s.fail("no such mailbox").await;
    s.notification(json!({ "to": "bob@example.com" })).await;
    s.notification(message).await;
    let path = "/v1/recipients/email:ann@EXAMPLE.com";
    let known = s.got("GET", path, Value::Null, 200).await;
    assert_eq!((&known["got_it"], &known["more"]), (&json!(false), &json!(false)));
    assert_eq!(known["counts"], json!({ "succeeded": 1, "failed": 1, "queued": 1 }));
    let latest = known["latest"].as_array().unwrap();
    assert_eq!((latest.len(), &latest[0]["state"]), (3, &json!("queued")), "the newest first");
    assert!(latest.iter().all(|t| t.get("payload").is_none()), "without their texts: {known}");
}

#[tokio::test]
async fn a_message_that_the_sandbox_held_did_not_reach_them() {
    let s = Server::start().await;
    s.notification(json!({ "to": "ann@example.com", "message": "x" })).await;
    let worker = s.hold_all().await;
    let id = s.notification(json!({ "to": "ann@example.com", "message": "y" })).await;
    assert_eq!(s.ended(&id).await["result"]["sandbox"], true);
    worker.shutdown().await;
    let known = s.got("GET", ANN, Value::Null, 200).await;
    assert_eq!((&known["got_it"], &known["counts"]), (&json!(false), &json!({ "succeeded": 2 })));
}

#[tokio::test]
async fn why_somebody_is_not_written_to_is_shown() {
    let s = Server::start().await;
    s.got("PUT", "/v1/suppressions/ann@example.com", json!({ "reason": "Asked by phone." }), 200).await;
    let known = s.got("GET", ANN, Value::Null, 200).await;
    assert_eq!(known["suppressions"][0]["reason"], "Asked by phone.");
}

#[tokio::test]
async fn suppressions_of_a_category_are_shown_with_it() {
    let s = Server::start().await;
    let suppressions = async |path: &str| {
        let known = s.got("GET", path, Value::Null, 200).await;
        let list = known["suppressions"].as_array().unwrap().clone();
        list.iter().map(|x| (x["category"].clone(), x["source"].clone())).collect::<Vec<_>>()
    };
    let (news, manual) = (json!("news"), json!("manual"));
    s.got("PUT", "/v1/suppressions/ann@example.com", json!({ "category": "news" }), 200).await;
    assert_eq!(suppressions(ANN).await, [(news.clone(), manual.clone())]);
    s.got("PUT", "/v1/suppressions/ann@example.com", Value::Null, 200).await;
    s.got("PUT", "/v1/suppressions/ann@example.com", json!({ "category": "ads" }), 200).await;
    s.got("PUT", "/v1/suppressions/ann@example.com", json!({ "category": "news" }), 200).await;
    // Of others, and of an address that looks like a category of hers.
    s.got("PUT", "/v1/suppressions/bob@example.com", json!({ "category": "news" }), 200).await;
    s.got("PUT", "/v1/suppressions/slack:ann@example.com", json!({ "category": "news" }), 200).await;
    let all = [(Value::Null, manual.clone()), (json!("ads"), manual.clone()), (news.clone(), manual.clone())];
    assert_eq!(suppressions("/v1/recipients/ann@EXAMPLE.com").await, all);
    s.got("DELETE", "/v1/suppressions/news%2Fann@example.com", Value::Null, 204).await;
    assert_eq!(suppressions(ANN).await, all[..2]);
    s.got("PUT", "/v1/suppressions/ann@example.com", json!({ "category": "news" }), 200).await;
    assert_eq!(suppressions(ANN).await, all, "listed again");
    assert_eq!(suppressions("/v1/recipients/slack:ann@example.com").await, all[2..]);
}

#[tokio::test]
async fn what_a_recipient_unsubscribed_from_is_shown() {
    let secret: posthaste_notify::sign::SigningSecret =
        "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=".parse().unwrap();
    let config = posthaste_api::ApiConfig { signing: Some(secret.clone()), ..Default::default() };
    let s = Server::with(config).await;
    let token = posthaste_notify::unsubscribe::mint(&secret, "email:ann@example.com", "news");
    assert_eq!(s.post(&format!("/unsubscribe/{token}")).await.status(), 200);
    let known = s.got("GET", ANN, Value::Null, 200).await;
    let found = &known["suppressions"][0];
    assert_eq!((&found["category"], &found["source"]), (&json!("news"), &json!("unsubscribe")), "{known}");
}

#[tokio::test]
async fn erasing_removes_every_trace_but_the_suppression() {
    let s = Server::start().await;
    s.got("PUT", "/v1/suppressions/ann@example.com", Value::Null, 200).await;
    let message = json!({ "to": "ann@example.com", "message": "Dear Ann" });
    let held = s.notification(message.clone()).await;
    s.hold(json!({
        "channel": "email", "from": "a@b.example", "to": "ann@example.com", "subject": "", "text": "Dear Ann",
        "date": "2026-01-31T09:30:00.000Z", "message_id": "<1@b.example>", "reason": "the sandbox is on"
    }))
    .await;
    let failed = s.notification(message.clone()).await;
    s.fail("no").await;
    let running = s.notification(message.clone()).await;
    let claimed = s.claim().await;
    let waiting = s.notification(message).await;
    let bob = s.notification(json!({ "to": "bob@example.com" })).await;
    assert_eq!(s.get(&format!("/v1/tasks/{held}/message")).await.status(), 200);
    let dry = s.got("DELETE", &format!("{ANN}?dry_run=true"), Value::Null, 200).await;
    assert_eq!(dry["dry_run"], true);
    assert_eq!(s.got("GET", ANN, Value::Null, 200).await["latest"].as_array().map(Vec::len), Some(4));
    let wrong = s.call("DELETE", &format!("{ANN}?dry_run=perhaps"), "", Value::Null).await;
    assert_eq!(locs(&problem(wrong, 422, "invalid-request").await), ["query.dry_run"]);
    let erased = s.got("DELETE", ANN, Value::Null, 200).await;
    for field in ["matched", "changed", "skipped"] {
        assert_eq!(dry[field], erased[field], "a dry run counts what the real one does: {field}");
    }
    assert_eq!(
        (&erased["action"], &erased["state"], &erased["matched"], &erased["changed"], &erased["skipped"]),
        (&json!("erase"), &json!("done"), &json!(4), &json!(3), &json!(1)),
        "the one that runs is asked to stop"
    );
    for id in [&held, &failed, &waiting] {
        for tail in ["", "/attempts", "/message"] {
            problem(s.get(&format!("/v1/tasks/{id}{tail}")).await, 404, "not-found").await;
        }
    }
    let left = s.got("GET", &format!("/v1/tasks/{running}"), Value::Null, 200).await;
    assert_eq!(left["cancel_requested"], true);
    s.settle(&claimed, posthaste_core::Outcome::result(posthaste_core::Json::from(json!(1)))).await;
    assert_eq!(s.got("DELETE", ANN, Value::Null, 200).await["changed"], 1);
    assert_eq!(s.got("GET", ANN, Value::Null, 200).await["latest"], json!([]));
    assert_eq!(s.got("GET", "/v1/suppressions/ann@example.com", Value::Null, 200).await["source"], "manual");
    assert_eq!(s.got("GET", &format!("/v1/tasks/{bob}"), Value::Null, 200).await["state"], "queued");
}

#[tokio::test]
async fn a_tenant_is_told_of_its_own_messages_and_erases_nobody() {
    let s = Server::start().await;
    let keys = s.keys().await;
    s.needs(&keys, "read", &[("GET", ANN)]).await;
    s.needs(&keys, "admin", &[("DELETE", ANN)]).await;
    let message = json!({ "to": "ann@example.com" });
    assert_eq!(s.call("POST", "/v1/notifications", &keys.other, message).await.status(), 202);
    let known = body(s.call("GET", ANN, &keys.acme, Value::Null).await).await;
    assert_eq!((&known["counts"], &known["latest"]), (&json!({}), &json!([])));
    let known = body(s.call("GET", ANN, &keys.other, Value::Null).await).await;
    assert_eq!(known["counts"], json!({ "queued": 1 }));
    problem(s.call("DELETE", ANN, &keys.other, Value::Null).await, 403, "forbidden-scope").await;
    let bad = s.call("GET", "/v1/recipients/a%0Ab", &keys.admin, Value::Null).await;
    assert_eq!(locs(&problem(bad, 422, "invalid-request").await), ["path.recipient"]);
    assert_eq!(body(s.call("DELETE", ANN, &keys.admin, Value::Null).await).await["changed"], 1);
}

#[tokio::test]
async fn a_tenant_is_not_told_why_somebody_elses_recipient_is_suppressed() {
    let s = Server::start().await;
    let keys = s.keys().await;
    let secret = json!({ "reason": "Complained about the other shop." });
    s.call("PUT", "/v1/suppressions/ann@example.com", &keys.admin, secret).await;
    let known = body(s.call("GET", ANN, &keys.acme, Value::Null).await).await;
    // That nothing will reach them is the tenant's business; the list itself is the installation's.
    assert_eq!(known["suppressions"].as_array().map(Vec::len), Some(1), "{known}");
    assert_eq!(known["suppressions"][0]["reason"], "Listed by the operator.");
}

#[tokio::test]
async fn no_tenant_reads_why_anothers_messages_are_stopped() {
    let s = Server::start().await;
    let keys = s.keys().await;
    for (recipient, category) in [("email:ann@example.com", None), ("email:ann@example.com", Some("news"))] {
        let found = Suppression {
            channel: "email".into(),
            reason: "Left the other shop.".into(),
            code: None,
            task: None,
            source: Source::Unsubscribe,
            category: category.map(str::to_owned),
            created_at: None,
        };
        let key = suppression::key_of(recipient, Some(&"other".parse().unwrap()));
        suppression::put(s.store.as_ref(), &key, &found, Expect::Any).await.unwrap();
    }
    let seen = async |recipient: &str, token: &str| {
        let known =
            body(s.call("GET", &format!("/v1/recipients/{recipient}"), token, Value::Null).await).await;
        known["suppressions"].as_array().unwrap().len()
    };
    assert_eq!(seen("ann@example.com", &keys.other).await, 2);
    for recipient in [
        "ann@example.com",
        "%5Bother%5Demail:ann@example.com",
        "email:%5Bother%5Demail:ann@example.com",
        "news%2F%5Bother%5Demail:ann@example.com",
    ] {
        assert_eq!(seen(recipient, &keys.acme).await, 0, "{recipient}");
    }
}
