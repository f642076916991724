//! `/v1/templates`: versions, checks, previews.

use serde_json::{Value, json};

use super::harness::{Server, json as body, locs, problem};

const PATH: &str = "/v1/templates/welcome";

fn names(page: &Value) -> Vec<(String, u64)> {
    let data = page["data"].as_array().unwrap().iter();
    data.map(|t| (t["name"].as_str().unwrap().to_owned(), t["version"].as_u64().unwrap())).collect()
}

#[tokio::test]
async fn each_put_is_a_version_and_older_ones_stay() {
    let s = Server::start().await;
    for (n, text) in ["Hello {{ name }}", "Dear {{ name }}", "Hey {{ name }}"].iter().enumerate() {
        let made = s.got("PUT", PATH, json!({ "text": text, "description": "x" }), 200).await;
        assert_eq!((&made["version"], &made["text"]), (&json!(n + 1), &json!(text)));
    }
    assert_eq!(s.got("GET", PATH, Value::Null, 200).await["text"], "Hey {{ name }}");
    assert_eq!(
        s.got("GET", &format!("{PATH}?version=1"), Value::Null, 200).await["text"],
        "Hello {{ name }}"
    );
    // A name that begins alike is another template.
    s.got("PUT", "/v1/templates/welcome-2", json!({ "text": "x" }), 200).await;
    let versions = s.got("GET", &format!("{PATH}/versions"), Value::Null, 200).await;
    assert_eq!(names(&versions), [3, 2, 1].map(|v| ("welcome".to_owned(), v)));
    let page = s.got("GET", "/v1/templates?limit=1", Value::Null, 200).await;
    assert_eq!(names(&page), [("welcome".to_owned(), 3)]);
    let next = format!("/v1/templates?limit=1&cursor={}", page["next_cursor"].as_str().unwrap());
    assert_eq!(names(&s.got("GET", &next, Value::Null, 200).await), [("welcome-2".to_owned(), 1)]);
    s.got("DELETE", PATH, Value::Null, 204).await;
    for path in [PATH.to_owned(), format!("{PATH}?version=1"), format!("{PATH}/versions")] {
        problem(s.get(&path).await, 404, "not-found").await;
    }
    problem(s.call("DELETE", PATH, "", Value::Null).await, 404, "not-found").await;
    assert_eq!(names(&s.got("GET", "/v1/templates", Value::Null, 200).await), [("welcome-2".to_owned(), 1)]);
}

#[tokio::test]
async fn a_preview_is_what_the_recipient_would_see() {
    let s = Server::start().await;
    let template = json!({
        "subject": "Hi {{ name }}", "text": "{% for i in items %}- {{ i }}\n{% endfor %}", "html": "<p>{{ name }}</p>",
        "sample": { "name": "<Ann>", "items": ["tea"] }
    });
    let wanted = json!({ "subject": "Hi <Ann>", "text": "- tea\n", "html": "<p>&lt;Ann&gt;</p>" });
    s.got("PUT", PATH, template.clone(), 200).await;
    let stored = format!("{PATH}/preview");
    assert_eq!(s.got("POST", &stored, Value::Null, 200).await, wanted, "filled in with its sample");
    assert_eq!(s.got("POST", "/v1/templates/preview", template, 200).await, wanted);
    let data = json!({ "data": { "name": "Bob", "items": [] } });
    assert_eq!(s.got("POST", &stored, data, 200).await["subject"], "Hi Bob");
    s.got("PUT", PATH, json!({ "text": "New" }), 200).await;
    assert_eq!(s.got("POST", &stored, json!({ "version": 1 }), 200).await, wanted);
    assert_eq!(s.got("POST", &stored, Value::Null, 200).await, json!({ "text": "New" }));
    problem(s.post_json(&stored, json!({ "version": 7 })).await, 404, "not-found").await;
    problem(s.post("/v1/templates/nothing/preview").await, 404, "not-found").await;
    assert_eq!(s.got("GET", "/v1/tasks", Value::Null, 200).await["data"], json!([]), "nothing was sent");
}

#[tokio::test]
async fn a_variable_that_is_missing_is_named_with_its_part() {
    let s = Server::start().await;
    s.got("PUT", PATH, json!({ "subject": "Hi", "text": "Dear {{ first_name }}" }), 200).await;
    for (path, asked) in [
        (format!("{PATH}/preview"), json!({ "data": { "name": "Ann" } })),
        (
            "/v1/templates/preview".to_owned(),
            json!({ "text": "Dear {{ first_name }}", "data": { "name": "Ann" } }),
        ),
    ] {
        let refused = problem(s.post_json(&path, asked).await, 422, "invalid-request").await;
        assert_eq!(locs(&refused), ["body.data.first_name"]);
        let said = refused["errors"][0]["msg"].as_str().unwrap();
        assert!(said.contains("In the text") && said.contains("Line 1"), "{said}");
    }
}

#[tokio::test]
async fn a_template_that_cannot_work_is_not_stored() {
    let s = Server::start().await;
    let long = "x".repeat(64 * 1024 + 1);
    for (template, places) in [
        (json!({}), vec!["body.text"]),
        (json!({ "text": "{{ name" }), vec!["body.text"]),
        (json!({ "subject": "{% if %}", "html": "{% endfor %}" }), vec!["body.html", "body.subject"]),
        (json!({ "text": long }), vec!["body.text"]),
        (json!({ "text": "x", "description": "x".repeat(501) }), vec!["body.description"]),
        (json!({ "text": "x", "sample": [] }), vec!["body.sample"]),
        (json!({ "text": 7, "subjct": "x" }), vec!["body.subjct", "body.text"]),
        (json!({ "text": "{% include 'x' %}" }), vec!["body.text"]),
    ] {
        for (method, path) in [("PUT", PATH), ("POST", "/v1/templates/preview")] {
            let reply = s.call(method, path, "", template.clone()).await;
            let mut found = locs(&problem(reply, 422, "invalid-request").await);
            found.sort();
            assert_eq!(found, places, "{method} {template}");
        }
    }
    for (path, place) in [
        (format!("{PATH}?version=0"), "query.version"),
        (format!("{PATH}?versions=1"), "query.versions"),
        ("/v1/templates/a%20b".to_owned(), "path.name"),
        ("/v1/templates?limit=0".to_owned(), "query.limit"),
    ] {
        assert_eq!(locs(&problem(s.get(&path).await, 422, "invalid-request").await), [place], "{path}");
    }
    problem(s.get(PATH).await, 404, "not-found").await;
}

#[tokio::test]
async fn a_template_of_endless_work_is_cut() {
    let s = Server::start().await;
    let many = json!({ "text": "{% for a in x %}{% for b in x %}{% for c in x %}.{% endfor %}{% endfor %}{% endfor %}",
        "data": { "x": vec![1; 1_000] } });
    let refused = problem(s.post_json("/v1/templates/preview", many).await, 422, "invalid-request").await;
    assert_eq!(locs(&refused), ["body.data"]);
}

#[tokio::test]
async fn who_sends_may_not_change_what_is_said() {
    let s = Server::start().await;
    let keys = s.keys().await;
    s.needs(&keys, "admin", &[("PUT", PATH), ("DELETE", PATH)]).await;
    assert_eq!(s.call("PUT", PATH, &keys.admin, json!({ "text": "Hello" })).await.status(), 200);
    let (versions, preview) = (format!("{PATH}/versions"), format!("{PATH}/preview"));
    let reads = [
        ("GET", PATH),
        ("GET", "/v1/templates"),
        ("GET", &*versions),
        ("POST", &*preview),
        ("POST", "/v1/templates/preview"),
    ];
    s.needs(&keys, "read", &reads).await;
    problem(s.call("PUT", PATH, &keys.acme, json!({ "text": "x" })).await, 403, "forbidden-scope").await;
    // Templates are the installation's: a tenant may send from them.
    let sent = json!({ "to": "a@example.com", "template": { "name": "welcome" } });
    let id = body(s.call("POST", "/v1/notifications", &keys.acme, sent).await).await["id"].clone();
    let path = format!("/v1/notifications/{}", id.as_str().unwrap());
    assert_eq!(
        body(s.call("GET", &path, &keys.acme, Value::Null).await).await["payload"]["message"],
        "Hello"
    );
}

#[tokio::test]
async fn the_name_that_has_no_value_is_named() {
    let s = Server::start().await;
    let template = json!({ "text": "Hello {{ user.name }},\n{% for i in items %}{{ i }}{% endfor %}" });
    s.got("PUT", PATH, template, 200).await;
    for (data, place, add) in [
        (json!({}), "body.data.user", "add \"user\" to data"),
        (json!({ "user": {} }), "body.data.user.name", "add \"name\" to data.user"),
        (json!({ "user": { "name": "Ann" } }), "body.data.items", "add \"items\" to data"),
    ] {
        let message = json!({ "to": "ann@example.com", "template": { "name": "welcome" }, "data": data });
        let sent =
            problem(s.post_json("/v1/notifications", message.clone()).await, 422, "invalid-request").await;
        let batch = json!({ "notifications": [message] });
        let batch = s.post_json("/v1/notifications/batch", batch).await;
        let batch = problem(batch, 422, "invalid-request").await;
        let preview = s.post_json(&format!("{PATH}/preview"), json!({ "data": data })).await;
        let preview = problem(preview, 422, "invalid-request").await;
        assert_eq!((locs(&sent), locs(&preview)), (vec![place.to_owned()], vec![place.to_owned()]));
        assert_eq!(locs(&batch), [place.replace("body.", "body.notifications.0.")]);
        for said in [&sent, &batch, &preview] {
            let msg = said["errors"][0]["msg"].as_str().unwrap();
            assert!(msg.contains(add) && msg.contains("text"), "{msg}");
        }
    }
}
