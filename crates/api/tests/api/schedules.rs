//! `/v1/schedules`: tasks by the clock.

use posthaste_core::Timestamp;
use posthaste_worker::schedule::run_due;
use serde_json::{Value, json};

use super::harness::{Server, json as body, locs, problem};

const PATH: &str = "/v1/schedules/nightly";

fn nightly(extra: Value) -> Value {
    let mut new = json!({ "cron": "30 2 * * *", "time_zone": "Europe/Berlin", "kind": "report", "payload": { "for": "all" } });
    new.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    new
}

fn time(value: &Value) -> Timestamp {
    value.as_str().unwrap().parse().unwrap()
}

async fn kinds(s: &Server) -> Vec<Value> {
    let page = s.got("GET", "/v1/tasks?limit=200", Value::Null, 200).await;
    page["data"].as_array().unwrap().iter().map(|t| t["kind"].clone()).collect()
}

#[tokio::test]
async fn a_schedule_is_put_changed_listed_and_deleted() {
    let s = Server::start().await;
    let made = s.got("PUT", PATH, nightly(json!({})), 200).await;
    assert_eq!(
        (&made["name"], &made["queue"], &made["missed"], &made["paused"]),
        (&json!("nightly"), &json!("default"), &json!("run_once"), &json!(false))
    );
    assert_eq!(s.got("GET", PATH, Value::Null, 200).await, made);
    assert_eq!(made["last_run_at"], Value::Null, "it has not run");
    let changed = s
        .got(
            "PUT",
            PATH,
            nightly(json!({ "missed": "run_all", "queue": "slow", "retry": { "max_failures": 3 } })),
            200,
        )
        .await;
    assert_eq!(
        (&changed["missed"], &changed["queue"], &changed["retry"]["max_failures"]),
        (&json!("run_all"), &json!("slow"), &json!(3))
    );
    assert!(changed["version"].as_u64() > made["version"].as_u64());
    assert_eq!(
        changed["last_run_at"], made["last_run_at"],
        "its times are the same, so it goes on where it was"
    );
    let listed = s.got("GET", "/v1/schedules", Value::Null, 200).await;
    assert_eq!(listed["data"], json!([changed]));
    s.got("DELETE", PATH, Value::Null, 204).await;
    problem(s.get(PATH).await, 404, "not-found").await;
    problem(s.call("DELETE", PATH, "", Value::Null).await, 404, "not-found").await;
    assert_eq!(s.got("GET", "/v1/schedules", Value::Null, 200).await["data"], json!([]));
}

#[tokio::test]
async fn the_next_runs_are_told_in_the_schedules_time_zone() {
    let s = Server::start().await;
    let made = s.got("PUT", PATH, nightly(json!({})), 200).await;
    let runs = made["next_runs"].as_array().unwrap();
    assert_eq!(runs.len(), 5);
    for pair in runs.windows(2) {
        let apart = time(&pair[1]).since(time(&pair[0])).as_secs();
        // A day, or one hour more or less when the clocks change.
        assert!([82_800, 86_400, 90_000].contains(&apart), "{made}");
    }
    for run in runs {
        // Half past two in Berlin is half past one or half past zero in UTC, or right after a missing hour.
        let at = &run.as_str().unwrap()[11..16];
        assert!(["01:30", "00:30", "01:00"].contains(&at), "{run}");
    }
    let utc = s.got("PUT", PATH, json!({ "cron": "30 2 * * *", "kind": "report", "payload": 1 }), 200).await;
    assert_eq!(utc["time_zone"], "UTC");
    assert!(
        utc["next_runs"].as_array().unwrap().iter().all(|r| r.as_str().unwrap().ends_with("T02:30:00.000Z")),
        "{utc}"
    );
    let seconds = s.got("PUT", PATH, nightly(json!({ "cron": "*/20 * * * * *" })), 200).await;
    let runs = seconds["next_runs"].as_array().unwrap();
    assert_eq!(time(&runs[1]).since(time(&runs[0])).as_secs(), 20);
}

#[tokio::test]
async fn missed_ticks_are_made_up_for_as_the_schedule_says() {
    let s = Server::start().await;
    for (missed, wanted) in [("skip", 0), ("run_once", 1), ("run_all", 3)] {
        let new = json!({ "cron": "0 * * * *", "kind": missed, "payload": 1, "missed": missed });
        s.got("PUT", &format!("/v1/schedules/{missed}"), new, 200).await;
        let made = s.got("GET", &format!("/v1/schedules/{missed}"), Value::Null, 200).await;
        assert_eq!(made["missed"], missed);
        // Half an hour after the third tick: nobody looked meanwhile.
        let late = time(&made["next_runs"][2]).plus(std::time::Duration::from_secs(1_800));
        run_due(s.store.as_ref(), late).await.unwrap();
        let found = kinds(&s).await.iter().filter(|k| **k == missed).count();
        assert_eq!(found, wanted, "{missed}");
        s.got("DELETE", &format!("/v1/schedules/{missed}"), Value::Null, 204).await;
    }
}

#[tokio::test]
async fn a_paused_schedule_stands_still_and_runs_when_told() {
    let s = Server::start().await;
    let made = s.got("PUT", PATH, nightly(json!({})), 200).await;
    let tick = time(&made["next_runs"][0]);
    let paused = s.got("POST", &format!("{PATH}/pause"), Value::Null, 200).await;
    assert_eq!((&paused["paused"], &paused["next_runs"]), (&json!(true), &json!([])));
    let again = s.got("POST", &format!("{PATH}/pause"), Value::Null, 200).await;
    assert_eq!(again, paused, "a repeat changes nothing");
    assert_eq!(run_due(s.store.as_ref(), tick).await.unwrap().enqueued, 0);
    let ran = s.got("POST", &format!("{PATH}/run"), Value::Null, 202).await;
    assert_eq!((&ran["state"], &ran["duplicate"]), (&json!("queued"), &json!(false)));
    let resumed = s.got("POST", &format!("{PATH}/resume"), Value::Null, 200).await;
    assert_eq!((&resumed["paused"], &resumed["next_runs"]), (&json!(false), &made["next_runs"]));
    assert!(resumed["last_run_at"].is_string(), "a run out of turn counts: {resumed}");
    assert_eq!(run_due(s.store.as_ref(), tick).await.unwrap().enqueued, 1);
    assert_eq!(run_due(s.store.as_ref(), tick).await.unwrap().enqueued, 0, "a tick runs once");
    assert_eq!(kinds(&s).await, ["report", "report"]);
    for verb in ["pause", "resume", "run"] {
        problem(s.post(&format!("/v1/schedules/nothing/{verb}")).await, 404, "not-found").await;
        let answer = problem(s.post(&format!("{PATH}/{verb}?x=1")).await, 422, "invalid-request").await;
        assert_eq!(locs(&answer), ["query.x"]);
    }
}

#[tokio::test]
async fn scheduled_messages_wait_behind_their_provider_and_are_found_by_their_recipient() {
    let s = Server::start().await;
    let digest = json!({ "channel": "email", "to": "ann@example.com", "message": "Good morning." });
    let made = s.got("PUT", PATH, nightly(json!({ "kind": "notify", "payload": digest })), 200).await;
    s.got("POST", &format!("{PATH}/run"), Value::Null, 202).await;
    run_due(s.store.as_ref(), time(&made["next_runs"][0])).await.unwrap();
    let tasks = s.got("GET", "/v1/notifications?recipient=ann@example.com", Value::Null, 200).await;
    let lanes: Vec<_> = tasks["data"].as_array().unwrap().iter().map(|t| t["lane"].clone()).collect();
    assert_eq!(lanes, ["email:default", "email:default"], "by hand and by the clock: {tasks}");
    let erased = s.got("DELETE", "/v1/recipients/ann@example.com", Value::Null, 200).await;
    assert_eq!((&erased["changed"], &erased["state"]), (&json!(2), &json!("done")));
    let request = json!({ "url": "https://hooks.example.com/run" });
    s.got("PUT", PATH, nightly(json!({ "kind": "http", "payload": request })), 200).await;
    let ran = s.got("POST", &format!("{PATH}/run"), Value::Null, 202).await;
    let task = s.got("GET", &format!("/v1/tasks/{}", ran["id"].as_str().unwrap()), Value::Null, 200).await;
    assert_eq!(task["lane"], "http:hooks.example.com");
}

#[tokio::test]
async fn what_is_wrong_is_named() {
    let s = Server::start().await;
    for (change, places) in [
        (json!({ "cron": "every day" }), vec!["body.cron"]),
        (json!({ "cron": "0 0 30 2 *" }), vec!["body.cron"]),
        (json!({ "cron": null }), vec!["body.cron"]),
        (json!({ "time_zone": "Mars/Olympus" }), vec!["body.time_zone"]),
        (json!({ "kind": "" }), vec!["body.kind"]),
        (json!({ "missed": "all" }), vec!["body.missed"]),
        (json!({ "paused": "yes", "queue": "a b" }), vec!["body.paused", "body.queue"]),
        (json!({ "retry": { "max_failures": 0 } }), vec!["body.retry.max_failures"]),
        (json!({ "name": "x" }), vec!["body.name"]),
        (
            json!({ "kind": "notify", "payload": { "channel": "email", "to": "nobody" } }),
            vec!["body.payload.to"],
        ),
        (
            json!({ "kind": "notify", "payload": { "channel": "email", "to": "a@example.com", "x": 1 } }),
            vec!["body.payload.x"],
        ),
        (json!({ "kind": "http", "payload": { "url": "ftp://example.com" } }), vec!["body.payload.url"]),
        (json!({ "kind": "http", "payload": 7 }), vec!["body.payload"]),
        (
            json!({ "kind": "notify", "payload": { "channel": "webhook", "to": "nowhere", "data": {} } }),
            vec!["body.payload.to"],
        ),
        (
            json!({ "kind": "notify", "payload": { "channel": "email", "to": "a@example.com", "message": "m",
                "attachments": [{ "filename": "a.txt", "id": "0199f3a0-7c1e-7a52-9d0e-3f6f1c2b4a58" }] } }),
            vec!["body.payload.attachments"],
        ),
        (json!({ "cron": "5,,6 * * * *" }), vec!["body.cron"]),
        (json!({ "cron": ", * * * *" }), vec!["body.cron"]),
        (json!({ "cron": "0 0 7 * * * 2030" }), vec!["body.cron"]),
        (json!({ "cron": format!("{} * * * *", "5,".repeat(20_000)) }), vec!["body.cron"]),
        (json!({ "cron": "TZ=UTC 0 7 * * *" }), vec!["body.cron"]),
    ] {
        let reply = s.call("PUT", PATH, "", nightly(change.clone())).await;
        let mut found = locs(&problem(reply, 422, "invalid-request").await);
        found.sort();
        assert_eq!(found, places, "{change}");
    }
    let mut without = nightly(json!({}));
    without.as_object_mut().unwrap().remove("payload");
    let reply = s.call("PUT", PATH, "", without).await;
    assert_eq!(locs(&problem(reply, 422, "invalid-request").await), ["body.payload"]);
    let long = "x".repeat(81);
    for name in ["a%20b", "a:b", "a%2Fb", &long] {
        let reply = s.call("PUT", &format!("/v1/schedules/{name}"), "", nightly(json!({}))).await;
        assert_eq!(locs(&problem(reply, 422, "invalid-request").await), ["path.name"], "{name}");
    }
    assert_eq!(s.got("GET", "/v1/schedules", Value::Null, 200).await["data"], json!([]));
}

#[tokio::test]
async fn a_schedule_of_an_endpoint_is_taken_once_that_is_there() {
    let s = Server::start().await;
    let to = json!({ "kind": "notify", "payload": { "channel": "webhook", "to": "shop", "data": {} } });
    let reply = s.call("PUT", PATH, "", nightly(to.clone())).await;
    let answer = problem(reply, 422, "invalid-request").await;
    assert!(answer["errors"][0]["msg"].as_str().unwrap().contains("no endpoint of that name"), "{answer}");
    let shop = json!({ "name": "shop", "url": "https://x.example.com" });
    s.got("POST", "/v1/endpoints", shop, 201).await;
    s.got("PUT", PATH, nightly(to), 200).await;
    // It can be paused though the endpoint is gone.
    s.got("DELETE", "/v1/endpoints/shop", Value::Null, 204).await;
    assert_eq!(s.got("POST", &format!("{PATH}/pause"), Value::Null, 200).await["paused"], true);
}

#[tokio::test]
async fn a_payload_that_no_task_may_have_is_refused_with_the_schedule() {
    let s = Server::start().await;
    let large = json!({ "payload": "x".repeat(256 * 1024) });
    let reply = s.call("PUT", PATH, "", nightly(large)).await;
    assert_eq!(locs(&problem(reply, 422, "invalid-request").await), ["body.payload"]);
}

#[tokio::test]
async fn schedules_are_the_installations() {
    let s = Server::start().await;
    let keys = s.keys().await;
    let made = s.call("PUT", PATH, &keys.admin, nightly(json!({}))).await;
    assert_eq!(made.status(), 200);
    let verbs = ["pause", "resume", "run"].map(|v| format!("{PATH}/{v}"));
    s.needs(&keys, "read", &[("GET", PATH), ("GET", "/v1/schedules")]).await;
    s.not_for_tenants(&keys, &[("GET", PATH), ("GET", "/v1/schedules")]).await;
    let changes =
        [("PUT", PATH), ("DELETE", PATH), ("POST", &*verbs[0]), ("POST", &*verbs[1]), ("POST", &*verbs[2])];
    s.needs(&keys, "admin", &changes).await;
    let kept = body(s.call("GET", PATH, &keys.read, Value::Null).await).await;
    assert_eq!(kept["paused"], false, "nobody changed it");
}
