//! OpenAPI, its page, metrics.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::embedded::harness::{Server, json};

#[tokio::test]
async fn the_openapi_document_is_as_reviewed() {
    let s = Server::start().await;
    let reply = s.get("/openapi.json").await;
    assert_eq!(reply.headers()["content-type"], "application/json");
    let mut document = json(reply).await;
    assert_eq!(document["openapi"], "3.1.0");
    document["info"]["version"] = "[version]".into();
    insta::with_settings!({ snapshot_path => "../snapshots", prepend_module_to_snapshot => false }, {
        insta::assert_json_snapshot!("openapi", document);
    });
}

#[test]
fn every_operation_is_described_with_its_errors() {
    let document = serde_json::to_value(posthaste_api::openapi()).unwrap();
    let mut ids = BTreeSet::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, op) in operations.as_object().unwrap() {
            let name = format!("{method} {path}");
            assert!(op["summary"].is_string() && op["operationId"].is_string(), "{name}");
            assert!(ids.insert(op["operationId"].as_str().unwrap().to_owned()), "{name}");
            let responses = op["responses"].as_object().unwrap();
            assert!(responses.keys().any(|s| s.starts_with('2')), "{name}");
            assert!(responses.contains_key("403"), "{name}");
            assert!(
                responses.values().all(|r| r["description"].as_str().is_some_and(|d| !d.is_empty())),
                "{name}"
            );
            if path.starts_with("/v1/") {
                assert!(responses.contains_key("422") && responses.contains_key("503"), "{name}");
            }
        }
    }
    assert_eq!(document["paths"]["/notify/"]["post"]["parameters"][0]["required"], Value::Bool(true));
}

#[tokio::test]
async fn the_documentation_page_needs_nothing_from_elsewhere() {
    let s = Server::start().await;
    let page = s.get("/docs").await;
    assert_eq!(page.url().path(), "/docs/");
    let html = page.text().await.unwrap();
    let mut files: Vec<&str> =
        html.split(['"', '\'']).filter(|t| t.ends_with(".js") || t.ends_with(".css")).collect();
    files.sort_unstable();
    assert!(files.iter().any(|f| f.ends_with("swagger-ui-bundle.js")), "{html}");
    for file in files {
        assert!(!file.contains("//"), "{file}");
        let reply = s.get(&format!("/docs/{}", file.trim_start_matches("./"))).await;
        assert_eq!(reply.status(), 200, "{file}");
    }
    let setup = s.get("/docs/swagger-initializer.js").await.text().await.unwrap();
    assert!(setup.contains("/openapi.json"), "{setup}");
    // The policy of the page forbids scripts in it.
    for script in html.split("<script").skip(1) {
        assert!(script.split('>').next().unwrap().contains("src="), "{script}");
    }
}

#[tokio::test]
async fn metrics_are_those_of_the_table() {
    let s = Server::start().await;
    s.api.register_metrics(|out| {
        out.push(posthaste_api::metrics::Sample::new("posthaste_worker_slots", 64.0))
    });
    s.post("/notify/?email=a@example.com").await;
    s.get("/nothing").await;
    let open_metrics = s.request("GET", "/metrics").header("accept", "application/openmetrics-text");
    let reply = open_metrics.send().await.unwrap();
    assert!(reply.headers()["content-type"].to_str().unwrap().starts_with("application/openmetrics-text"));
    let text = reply.text().await.unwrap();
    for line in [
        "posthaste_accepted_total 1.0",
        "posthaste_tasks{queue=\"default\",state=\"queued\"} 1.0",
        "posthaste_http_requests_total{route=\"/notify/\",status=\"2xx\"} 1.0",
        "posthaste_http_requests_total{route=\"other\",status=\"4xx\"} 1.0",
        "posthaste_http_request_seconds_count{route=\"/notify/\"} 1",
        "posthaste_sse_watchers 0.0",
        "posthaste_queue_workers{queue=\"default\"} 0.0",
        "posthaste_store_up 1.0",
        "posthaste_worker_slots 64.0",
        "# EOF",
    ] {
        assert!(text.lines().any(|l| l == line), "{line} is missing in\n{text}");
    }
    for name in text.lines().filter(|l| !l.starts_with('#')).map(|l| l.split(['{', ' ']).next().unwrap()) {
        let bare = ["_bucket", "_count", "_sum"].iter().find_map(|suffix| name.strip_suffix(suffix));
        let known = |m: &posthaste_api::metrics::Metric| m.name == name || bare == Some(m.name);
        assert!(posthaste_api::metrics::METRICS.iter().any(known), "{name}");
    }
}

#[tokio::test]
async fn scrapers_that_do_not_name_openmetrics_get_text() {
    let s = Server::start().await;
    s.post("/notify/?email=a@example.com").await;
    for accept in ["text/plain;version=0.0.4", "*/*", "text/plain;q=0.5,*/*;q=0.1"] {
        let reply = s.request("GET", "/metrics").header("accept", accept).send().await.unwrap();
        assert_eq!(reply.headers()["content-type"], "text/plain; version=0.0.4; charset=utf-8", "{accept}");
        assert_eq!(reply.headers()["vary"], "Accept");
        let text = reply.text().await.unwrap();
        for line in ["# TYPE posthaste_accepted_total counter", "posthaste_accepted_total 1.0"] {
            assert!(text.lines().any(|l| l == line), "{line} is missing in\n{text}");
        }
        assert!(!text.contains("# EOF") && !text.contains("# TYPE posthaste_accepted counter"), "{text}");
    }
}

#[tokio::test]
async fn every_route_is_counted_by_its_name() {
    let s = Server::start().await;
    let mut asked = BTreeSet::new();
    for o in crate::operations::operations() {
        // Streams do not end, and what they are asked wrongly is counted as well.
        let reply = s.request(&o.method, &format!("{}?nothing=1", o.address())).send().await.unwrap();
        drop(reply);
        asked.insert(o.path.clone());
    }
    let text = s.get("/metrics").await.text().await.unwrap();
    let counted: BTreeSet<String> = text
        .lines()
        .filter_map(|l| l.strip_prefix("posthaste_http_requests_total{route=\"")?.split('"').next())
        .map(str::to_owned)
        .collect();
    assert!(!counted.contains("other"), "{text}");
    let missing: Vec<_> = asked.difference(&counted).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn lists_name_the_type_of_their_items() {
    let document = serde_json::to_value(posthaste_api::openapi()).unwrap();
    let schemas = document["components"]["schemas"].as_object().unwrap();
    let mut lists = 0;
    for (name, schema) in schemas {
        let Some(items) = schema.pointer("/properties/data/items") else { continue };
        lists += 1;
        assert!(items["$ref"].is_string(), "{name} repeats the type of its items: {items}");
    }
    assert!(lists > 10, "{lists}");
}
