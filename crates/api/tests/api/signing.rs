//! `/v1/signing-secret`: read, rotated, and what is signed meanwhile.

use posthaste_api::ApiConfig;
use posthaste_notify::NotifyConfig;
use posthaste_notify::sign::{self, Signed, SigningSecret, TOLERANCE};
use posthaste_notify::unsubscribe::mint;
use posthaste_testkit::http::{HttpSink, SunkRequest};
use serde_json::{Value, json};

use super::harness::{Server, json as body, locs, problem};

const SECRET: &str = "/v1/signing-secret";
const ROTATE: &str = "/v1/signing-secret/rotate";
const GIVEN: &str = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";

fn secret_of(answer: &Value) -> SigningSecret {
    answer["secret"].as_str().unwrap().parse().unwrap()
}

fn fits(request: &SunkRequest, secret: &SigningSecret) -> bool {
    let header = |name| request.header(name).unwrap();
    let (id, timestamp, signature) = (header(sign::ID), header(sign::TIMESTAMP), header(sign::SIGNATURE));
    let signed = Signed { id, timestamp, signature, body: &request.body };
    sign::verify(secret, signed, now(), TOLERANCE).is_ok()
}

fn now() -> posthaste_core::Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    posthaste_core::Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap())
}

/// A call as a worker that starts now signs it.
async fn called(s: &Server) -> SunkRequest {
    let sink = HttpSink::start().await;
    let allow = vec!["127.0.0.0/8".parse().unwrap()];
    let worker = s.work(NotifyConfig { allow, ..NotifyConfig::default() }).await;
    let task = json!({ "kind": "http", "payload": { "url": sink.url("/run"), "body": { "n": 1 } } });
    let made = s.got("POST", "/v1/tasks", task, 202).await;
    assert_eq!(s.ended(made["id"].as_str().unwrap()).await["state"], "succeeded");
    worker.shutdown().await;
    sink.requests().into_iter().next().unwrap()
}

#[tokio::test]
async fn what_signs_is_what_is_shown_and_a_rotation_overlaps() {
    let s = Server::start().await;
    let first = s.got("GET", SECRET, Value::Null, 200).await;
    assert_eq!(first["secrets"], 1);
    assert_eq!(s.got("GET", SECRET, Value::Null, 200).await, first);
    let old = secret_of(&first);
    assert!(fits(&called(&s).await, &old), "it is the one that signs");

    let rotated = s.got("POST", ROTATE, Value::Null, 200).await;
    let new = secret_of(&rotated);
    assert!(new != old && rotated["secrets"] == 2, "{rotated}");
    assert_eq!(s.got("GET", SECRET, Value::Null, 200).await, rotated);
    let both = called(&s).await;
    assert!(fits(&both, &old) && fits(&both, &new));

    let last = s.got("POST", ROTATE, json!({ "overlap_ms": 0, "secret": GIVEN }), 200).await;
    assert_eq!((&last["secret"], &last["secrets"]), (&json!(GIVEN), &json!(1)));
    let alone = called(&s).await;
    assert!(fits(&alone, &secret_of(&last)) && !fits(&alone, &old) && !fits(&alone, &new));
}

#[tokio::test]
async fn links_that_were_sent_before_a_rotation_still_work() {
    let s = Server::start().await;
    let mut secrets = vec![secret_of(&s.got("GET", SECRET, Value::Null, 200).await)];
    for _ in 0..3 {
        let rotated = s.got("POST", ROTATE, json!({ "overlap_ms": 0 }), 200).await;
        secrets.push(secret_of(&rotated));
    }
    for (n, secret) in secrets.iter().enumerate() {
        let category = format!("news-{n}");
        let link = format!("/unsubscribe/{}", mint(secret, "email:ann@example.com", &category));
        assert_eq!(s.request("POST", &link).send().await.unwrap().status(), 200, "{n}");
        s.got("GET", &format!("/v1/suppressions/{category}%2Fann@example.com"), Value::Null, 200).await;
    }
    let foreign = mint(&SigningSecret::random(), "email:ann@example.com", "news");
    assert_eq!(s.request("POST", &format!("/unsubscribe/{foreign}")).send().await.unwrap().status(), 404);
}

#[tokio::test]
async fn one_that_is_configured_is_neither_shown_nor_rotated() {
    let config = ApiConfig { signing: Some(GIVEN.parse().unwrap()), ..ApiConfig::default() };
    let s = Server::with(config).await;
    for (method, path) in [("GET", SECRET), ("POST", ROTATE)] {
        let told = problem(s.call(method, path, "", Value::Null).await, 404, "not-found").await;
        let detail = told["detail"].as_str().unwrap();
        assert!(
            detail.contains("POSTHASTE_SIGNING_SECRET") && !told.to_string().contains("whsec_"),
            "{told}"
        );
    }
    // Links that the store's own secret signed before one was configured go on working, and none is made beside it.
    let link = format!("/unsubscribe/{}", mint(&GIVEN.parse().unwrap(), "email:ann@example.com", "news"));
    assert_eq!(s.request("POST", &link).send().await.unwrap().status(), 200);
    let kept = s.store.get_record(posthaste_core::RecordKind::Setting, "signing").await.unwrap();
    assert!(kept.is_none());
}

#[tokio::test]
async fn admins_alone_see_it_and_the_audit_says_who_did() {
    let s = Server::start().await;
    let keys = s.keys().await;
    s.needs(&keys, "admin", &[("GET", SECRET), ("POST", ROTATE)]).await;
    let shown = s.call("GET", SECRET, &keys.admin, Value::Null).await;
    assert_eq!(shown.headers()["cache-control"], "no-store");
    let shown = body(shown).await;
    let rotated = s.call("POST", ROTATE, &keys.admin, Value::Null).await;
    assert_eq!(rotated.headers()["cache-control"], "no-store");
    let rotated = body(rotated).await;
    let audit = s.call("GET", "/v1/audit", &keys.admin, Value::Null).await.text().await.unwrap();
    assert!(audit.contains("signing.secret") && audit.contains("signing.rotate"), "{audit}");
    for secret in [&shown["secret"], &rotated["secret"]] {
        assert!(!audit.contains(secret.as_str().unwrap()), "{audit}");
    }
    for (asked, place) in [
        (json!({ "overlap_ms": 604_800_001_u64 }), "body.overlap_ms"),
        (json!({ "secret": "whsec_short" }), "body.secret"),
        (json!({ "sekret": GIVEN }), "body.sekret"),
    ] {
        let refused = problem(s.call("POST", ROTATE, &keys.admin, asked).await, 422, "invalid-request").await;
        assert_eq!(locs(&refused), [place]);
    }
}
