//! Where recipients unsubscribe: with one click, and with nobody else's link.

use posthaste_api::ApiConfig;
use posthaste_notify::sign::SigningSecret;
use posthaste_notify::unsubscribe::mint;
use serde_json::{Value, json};

use super::harness::Server;

const SECRET: &str = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";

async fn server() -> (Server, SigningSecret) {
    let secret: SigningSecret = SECRET.parse().unwrap();
    let s = Server::with(ApiConfig { signing: Some(secret.clone()), ..ApiConfig::default() }).await;
    (s, secret)
}

#[tokio::test]
async fn a_click_unsubscribes_and_looking_does_not() {
    let (s, secret) = server().await;
    let path = format!("/unsubscribe/{}", mint(&secret, "email:ann@example.com", "news"));
    let page = s.get(&path).await;
    assert_eq!(page.status(), 200);
    assert_eq!(page.headers()["cache-control"], "no-store");
    assert_eq!(page.headers()["referrer-policy"], "same-origin", "with it the button says where it is");
    let html = page.text().await.unwrap();
    assert!(html.contains("news") && html.contains("method=\"post\"") && !html.contains("<script"), "{html}");
    assert_eq!(s.got("GET", "/v1/suppressions", Value::Null, 200).await["data"], json!([]));
    // As a mail program posts (RFC 8058), and once more.
    let mut first = Value::Null;
    for _ in 0..2 {
        let one_click =
            [("content-type", "application/x-www-form-urlencoded"), ("origin", "https://mail.example.com")];
        let request =
            one_click.iter().fold(s.request("POST", &path), |r, (name, value)| r.header(*name, *value));
        let reply = request.body("List-Unsubscribe=One-Click").send().await.unwrap();
        assert_eq!(reply.status(), 200);
        assert!(!reply.text().await.unwrap().contains("<form"));
        let listed = s.got("GET", "/v1/suppressions", Value::Null, 200).await;
        assert_eq!(listed["data"].as_array().map(Vec::len), Some(1));
        let found = listed["data"][0].clone();
        assert_eq!(
            (&found["recipient"], &found["category"], &found["source"]),
            (&json!("news/ann@example.com"), &json!("news"), &json!("unsubscribe"))
        );
        assert!(first.is_null() || first == found, "a repeat changes nothing");
        first = found;
    }
}

#[tokio::test]
async fn nobody_needs_a_key_to_be_left_alone() {
    let (s, secret) = server().await;
    let keys = s.keys().await;
    let path = format!("/unsubscribe/{}", mint(&secret, "email:ann@example.com", "news"));
    assert_eq!(s.request("POST", &path).send().await.unwrap().status(), 200);
    let found = s.call("GET", "/v1/suppressions/news%2Fann@example.com", &keys.read, Value::Null).await;
    assert_eq!(found.status(), 200);
}

#[tokio::test]
async fn a_forged_link_does_nothing_and_says_nothing() {
    let (s, secret) = server().await;
    let good = mint(&secret, "email:ann@example.com", "news");
    let (text, code) = good.split_once('.').unwrap();
    let other = mint(&secret, "email:bob@example.com", "news");
    let foreign = mint(&SigningSecret::random(), "email:ann@example.com", "news");
    let mixed = format!("{}.{code}", other.split_once('.').unwrap().0);
    let flipped = format!("{text}.{}{}", if code.starts_with('A') { 'B' } else { 'A' }, &code[1..]);
    for token in [
        mixed,
        flipped,
        foreign,
        text.to_owned(),
        format!("{text}."),
        "x".into(),
        "x".repeat(2_000),
        format!("{good}x"),
    ] {
        for method in ["GET", "POST"] {
            let reply = s.request(method, &format!("/unsubscribe/{token}")).send().await.unwrap();
            assert_eq!(reply.status(), 404, "{method} {token}");
            let html = reply.text().await.unwrap();
            assert!(!html.contains("ann@") && !html.contains("bob@") && !html.contains("<form"), "{html}");
        }
    }
    assert_eq!(s.got("GET", "/v1/suppressions", Value::Null, 200).await["data"], json!([]));
}

#[tokio::test]
async fn a_category_is_text_and_no_markup() {
    let (s, secret) = server().await;
    let path = format!("/unsubscribe/{}", mint(&secret, "email:ann@example.com", "<img src=x>"));
    for method in ["GET", "POST"] {
        let html = s.request(method, &path).send().await.unwrap().text().await.unwrap();
        assert!(html.contains("&lt;img src=x&gt;") && !html.contains("<img"), "{html}");
    }
}

#[tokio::test]
async fn while_the_store_is_away_it_says_try_again() {
    let (s, secret) = server().await;
    s.faults.always(posthaste_testkit::Method::PutRecord, posthaste_testkit::Fault::Fail);
    let path = format!("/unsubscribe/{}", mint(&secret, "email:ann@example.com", "news"));
    let reply = s.request("POST", &path).send().await.unwrap();
    assert_eq!(reply.status(), 503);
    assert!(reply.text().await.unwrap().contains("try again"));
}
