//! A key that is bound to a tenant reaches that tenant's tasks and nothing else.

use serde_json::{Value, json};

use super::harness::{Server, json as body, problem};

struct Tenants {
    s: Server,
    admin: String,
    acme: String,
    other: String,
}

impl Tenants {
    async fn start() -> Self {
        let s = Server::start().await;
        let admin = s.admin().await;
        let new = |tenant: &str| json!({ "name": tenant, "scopes": ["send", "read"], "tenant": tenant });
        let acme = s.key(&admin, new("acme")).await.1;
        let other = s.key(&admin, new("other")).await.1;
        Self { s, admin, acme, other }
    }

    async fn make(&self, token: &str, task: Value) -> reqwest::Response {
        self.s.request("POST", "/v1/tasks").bearer_auth(token).json(&task).send().await.unwrap()
    }

    async fn task(&self, token: &str) -> String {
        let made = self.make(token, json!({ "kind": "work", "payload": {}, "lane": "target" })).await;
        assert_eq!(made.status(), 202);
        body(made).await["id"].as_str().unwrap().to_owned()
    }
}

#[tokio::test]
async fn a_tenant_makes_its_own_tasks_whatever_it_says() {
    let t = Tenants::start().await;
    let id = t.task(&t.acme).await;
    let task = body(t.s.ask("GET", &format!("/v1/tasks/{id}"), &t.admin).await).await;
    assert_eq!((&task["tenant"], &task["lane"]), (&json!("acme"), &json!("x:target/acme")));
    for foreign in [
        json!({ "kind": "work", "payload": {}, "tenant": "other" }),
        json!({ "kind": "work", "payload": {}, "lane": "target/other" }),
    ] {
        problem(t.make(&t.acme, foreign.clone()).await, 403, "forbidden").await;
        assert_eq!(t.make(&t.admin, foreign).await.status(), 202);
    }
    let sent = t.s.ask("POST", "/notify/?email=a@example.com", &t.acme).await;
    let id = body(sent).await["task_id"].as_str().unwrap().to_owned();
    let task = body(t.s.ask("GET", &format!("/v1/tasks/{id}"), &t.admin).await).await;
    assert_eq!(task["tenant"], "acme");
    assert!(task["lane"].as_str().unwrap().ends_with("/acme"), "{task}");
}

#[tokio::test]
async fn another_tenants_task_is_not_there() {
    let t = Tenants::start().await;
    let id = t.task(&t.other).await;
    for (method, path) in [
        ("GET", ""),
        ("GET", "?wait=1s"),
        ("GET", "/attempts"),
        ("GET", "/message"),
        ("GET", "/events"),
        ("POST", "/cancel"),
        ("POST", "/retry"),
    ] {
        let path = format!("/v1/tasks/{id}{path}");
        problem(t.s.ask(method, &path, &t.acme).await, 404, "not-found").await;
    }
    assert_eq!(t.s.ask("GET", &format!("/task_status/{id}"), &t.acme).await.status(), 404);
    let state = body(t.s.ask("GET", &format!("/v1/tasks/{id}"), &t.other).await).await["state"].clone();
    assert_eq!(state, "queued", "nothing was done to it");
    assert_eq!(t.s.ask("POST", &format!("/v1/tasks/{id}/cancel"), &t.other).await.status(), 200);
}

#[tokio::test]
async fn a_list_holds_the_tenants_own() {
    let t = Tenants::start().await;
    let (own, foreign, nobodys) = (t.task(&t.acme).await, t.task(&t.other).await, t.task(&t.admin).await);
    let ids = |page: Value| -> Vec<String> {
        let data = page["data"].as_array().unwrap().clone();
        data.iter().map(|t| t["id"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(ids(body(t.s.ask("GET", "/v1/tasks", &t.acme).await).await), std::slice::from_ref(&own));
    assert_eq!(
        ids(body(t.s.ask("GET", "/v1/tasks?tenant=acme", &t.acme).await).await),
        std::slice::from_ref(&own)
    );
    problem(t.s.ask("GET", "/v1/tasks?tenant=other", &t.acme).await, 403, "forbidden").await;
    let mut all = ids(body(t.s.ask("GET", "/v1/tasks", &t.admin).await).await);
    all.sort();
    let mut wanted = [own, foreign, nobodys];
    wanted.sort();
    assert_eq!(all, wanted);
    for path in ["/v1/queues", "/v1/lanes", "/v1/workers", "/metrics"] {
        problem(t.s.ask("GET", path, &t.acme).await, 403, "forbidden").await;
    }
}

impl Tenants {
    /// Stores so many tasks with a key; their ids.
    async fn batch(&self, token: &str, count: usize) -> Vec<String> {
        let tasks = vec![json!({ "kind": "work", "payload": 1 }); count];
        let made = self.s.call("POST", "/v1/tasks/batch", token, json!({ "tasks": tasks })).await;
        assert_eq!(made.status(), 202);
        let data = body(made).await["data"].as_array().unwrap().clone();
        data.iter().map(|t| t["id"].as_str().unwrap().to_owned()).collect()
    }

    async fn page(&self, token: &str, query: &str) -> Value {
        body(self.s.ask("GET", &format!("/v1/tasks?{query}"), token).await).await
    }
}

#[tokio::test]
async fn where_a_tenants_page_ends_tells_nothing_of_others() {
    let t = Tenants::start().await;
    let mut own = Vec::new();
    for _ in 0..3 {
        own.extend(t.batch(&t.acme, 1).await);
        t.batch(&t.other, 40).await;
    }
    own.sort();
    let theirs = t.page(&t.other, "limit=40").await;
    // Page after page, nothing is left out, and every cursor is sealed.
    for path in ["/v1/tasks?limit=1", "/v1/tasks?limit=1&kind=work&queue=default"] {
        let (mut found, mut cursor) = (Vec::new(), String::new());
        for _ in 0..200 {
            let page = body(t.s.ask("GET", &format!("{path}{cursor}"), &t.acme).await).await;
            assert!(page.get("searched_until").is_none(), "{page}");
            found.extend(
                page["data"].as_array().unwrap().iter().map(|t| t["id"].as_str().unwrap().to_owned()),
            );
            let Some(next) = page["next_cursor"].as_str() else { break };
            assert!(next.starts_with('~'), "{next}");
            cursor = format!("&cursor={next}");
        }
        found.sort();
        assert_eq!(found, own, "{path}");
    }
    // It is good for its tenant alone, and as it is; and a store's own is none of a tenant's.
    let first = t.page(&t.acme, "limit=1").await["next_cursor"].as_str().unwrap().to_owned();
    let plain = t.page(&t.admin, "limit=1").await["next_cursor"].as_str().unwrap().to_owned();
    assert_eq!(t.s.ask("GET", &format!("/v1/tasks?cursor={plain}"), &t.admin).await.status(), 200);
    let foreign = theirs["next_cursor"].as_str().unwrap();
    let cut = &first[..first.len() - 2];
    for (token, cursor) in [
        (&t.acme, &*plain),
        (&t.acme, foreign),
        (&t.acme, cut),
        (&t.acme, "~"),
        (&t.other, &*first),
        (&t.admin, &*first),
    ] {
        for path in ["/v1/tasks", "/v1/notifications"] {
            let refused = t.s.ask("GET", &format!("{path}?cursor={cursor}"), token).await;
            problem(refused, 404, "unknown-cursor").await;
        }
    }
}

#[tokio::test]
async fn a_page_looks_on_behind_what_is_others() {
    let t = Tenants::start().await;
    let own = t.batch(&t.acme, 1).await;
    // More than one look of a store sees.
    t.batch(&t.other, posthaste_core::limits::MAX_LIST_SCAN + 20).await;
    for _ in 0..50 {
        let page = t.page(&t.acme, "").await;
        assert!(page.get("searched_until").is_none(), "{page}");
        // On a machine that is busy a look may see little.
        if page["data"][0]["id"] == json!(own[0]) {
            return;
        }
    }
    panic!("no request found it");
}

#[tokio::test]
async fn a_stream_tells_the_tenants_own() {
    let t = Tenants::start().await;
    let mut stream = t.s.ask("GET", "/v1/events", &t.acme).await;
    assert_eq!(stream.status(), 200);
    let foreign = t.task(&t.other).await;
    let own = t.task(&t.acme).await;
    let mut text = String::new();
    let found = tokio::time::timeout(std::time::Duration::from_secs(20), async {
        while !text.contains(&own) {
            text.push_str(std::str::from_utf8(&stream.chunk().await.unwrap().unwrap()).unwrap());
        }
    });
    found.await.expect("its own is told");
    assert!(!text.contains(&foreign), "{text}");
}

#[tokio::test]
async fn a_stream_ends_with_its_key() {
    let t = Tenants::start().await;
    let (id, token) = t.s.key(&t.admin, json!({ "name": "x", "scopes": ["read"] })).await;
    let mut stream = t.s.ask("GET", "/v1/events", &token).await;
    assert_eq!(t.s.ask("DELETE", &format!("/v1/keys/{id}"), &t.admin).await.status(), 200);
    let ended = tokio::time::timeout(std::time::Duration::from_secs(30), async {
        loop {
            // Something to tell, so that it is asked whether it may be told.
            t.task(&t.admin).await;
            match tokio::time::timeout(std::time::Duration::from_millis(50), stream.chunk()).await {
                Ok(Ok(None)) => return,
                Ok(Err(e)) => panic!("{e}"),
                Ok(Ok(Some(_))) | Err(_) => {}
            }
        }
    });
    ended.await.expect("the stream ends");
}
