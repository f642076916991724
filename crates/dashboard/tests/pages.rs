//! The pages over a real store, through the guard, as a browser would ask for them.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{Request, StatusCode, header};
use posthaste_api::{Api, ApiConfig, guard_with};
use posthaste_broker_sqlite::{SqliteConfig, SqliteStore};
use posthaste_core::broker::{ClaimRequest, SettleRequest, Settlement, WorkerInfo};
use posthaste_core::{
    Broker, Claimed, Failure, FailureClass, Json, Kept, Outcome, QueueName, RecordKind, Store, TaskId,
    Timestamp, WorkerId,
};
use posthaste_notify::HeldMessage;
use posthaste_testkit::{Fault, FaultStore, Method};
use tower::ServiceExt;

const HOST: &str = "127.0.0.1:8000";

struct Pages {
    api: Api,
    store: Arc<SqliteStore>,
    faults: Arc<FaultStore>,
    app: Router,
    _dir: tempfile::TempDir,
}

struct Answer {
    status: StatusCode,
    headers: axum::http::HeaderMap,
    body: String,
}

impl Answer {
    fn header(&self, name: header::HeaderName) -> &str {
        self.headers.get(name).map_or("", |v| v.to_str().unwrap())
    }
}

impl Pages {
    async fn open() -> Self {
        Self::with(ApiConfig::default()).await
    }

    async fn with(config: ApiConfig) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(SqliteConfig::new(dir.path())).await.unwrap();
        let faults = FaultStore::new(store.clone());
        let api = Api::new(faults.clone() as Arc<dyn Store>, config);
        let routes = api.router().merge(posthaste_dashboard::router(api.clone()));
        let app = guard_with(routes, &api, posthaste_dashboard::PAGES);
        Self { api, store, faults, app, _dir: dir }
    }

    async fn ask(&self, mut request: Request<Body>) -> Answer {
        let peer: std::net::SocketAddr = "127.0.0.1:40000".parse().unwrap();
        request.extensions_mut().insert(ConnectInfo(peer));
        let response = self.app.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = axum::body::to_bytes(body, 1 << 20).await.unwrap();
        Answer {
            status: parts.status,
            headers: parts.headers,
            body: String::from_utf8(bytes.to_vec()).unwrap(),
        }
    }

    async fn get(&self, path: &str) -> Answer {
        self.ask(Request::get(path).header("host", HOST).body(Body::empty()).unwrap()).await
    }

    async fn post(&self, path: &str, form: &str, headers: &[(&str, &str)]) -> Answer {
        let mut request = Request::post(path)
            .header("host", HOST)
            .header("content-type", "application/x-www-form-urlencoded");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.ask(request.body(Body::from(form.to_owned())).unwrap()).await
    }

    /// Sends by the form and answers the task's id.
    async fn send(&self, form: &str) -> TaskId {
        let answer = self.post("/send", form, &[]).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.body);
        let to = answer.header(header::LOCATION);
        to.strip_prefix("/tasks/").unwrap().parse().unwrap()
    }

    /// Claims the only task, as worker `w`.
    async fn claim(&self) -> Claimed {
        let claim = ClaimRequest {
            worker: WorkerId::new("w").unwrap(),
            queues: vec![QueueName::default()],
            max: 1,
            start: 1,
            lease: posthaste_core::limits::LEASE,
            per_target: None,
            held: vec![],
        };
        let mut claimed = self.store.claim(claim).await.unwrap();
        assert_eq!(claimed.len(), 1);
        claimed.remove(0)
    }

    /// Claims the only task and ends it.
    async fn end(&self, outcome: Outcome) {
        let settlements = vec![Settlement { lease: self.claim().await.lease, outcome }];
        self.store.settle(SettleRequest { settlements, ..SettleRequest::default() }).await.unwrap();
    }

    async fn held(&self, html: Option<&str>) -> TaskId {
        let id = self.send("email=dev%40example.com&subject=Hi&message=One%0D%0Atwo").await;
        let held = HeldMessage {
            channel: "email".into(),
            from: "Posthaste <posthaste@localhost>".into(),
            to: "dev@example.com".into(),
            subject: "Hi".into(),
            text: "One\ntwo".into(),
            html: html.map(Into::into),
            reply_to: None,
            headers: Default::default(),
            date: Timestamp::from_millis(1_795_383_000_000),
            message_id: "<1@localhost>".into(),
            reason: "no e-mail provider is configured".into(),
            ..HeldMessage::default()
        };
        let kept = Kept { kind: RecordKind::SandboxMessage, body: Json::from_value(&held).unwrap() };
        let result = serde_json::json!({"message": "Notification held in the sandbox", "sandbox": true});
        self.end(Outcome::Success { result: Some(Json::from(result)), kept: Some(kept) }).await;
        id
    }
}

#[tokio::test]
async fn the_first_page_is_strict_about_what_it_loads_and_never_cached() {
    let pages = Pages::open().await;
    let answer = pages.get("/").await;
    assert_eq!(answer.status, StatusCode::OK);
    let csp = answer.header(header::CONTENT_SECURITY_POLICY);
    assert!(csp.contains("default-src 'self'") && csp.contains("frame-ancestors 'none'"), "{csp}");
    assert!(!csp.contains("unsafe"), "{csp}");
    assert_eq!(answer.header(header::CACHE_CONTROL), "no-store");
    assert!(answer.body.contains("Nothing here yet"));
    assert!(answer.body.contains("no e-mail provider is configured"));
}

#[tokio::test]
async fn every_asset_of_the_page_is_there_and_cached_for_ever() {
    let pages = Pages::open().await;
    let page = pages.get("/").await.body.replace("&#x2f;", "/");
    let mut found = 0;
    for path in page.split('"').filter(|part| part.starts_with("/assets/")) {
        let answer = pages.get(path).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}");
        assert!(answer.header(header::CACHE_CONTROL).contains("immutable"), "{path}");
        assert!(!answer.header(header::ETAG).is_empty(), "{path}");
        found += 1;
    }
    assert_eq!(found, 3);
    assert_eq!(pages.get("/assets/other-0.css").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_form_without_script_leads_to_the_page_of_its_task() {
    let pages = Pages::open().await;
    let id = pages.send("email=dev%40example.com&subject=Hi+there&message=").await;
    let page = pages.get(&format!("/tasks/{id}")).await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.body.contains("dev@example.com") && page.body.contains("Hi there"));
    assert!(page.body.contains("<noscript><meta http-equiv=\"refresh\""));
    let overview = pages.get("/").await.body.replace("&#x2f;", "/");
    assert!(overview.contains(&format!("/tasks/{id}")));
}

#[tokio::test]
async fn a_refused_form_names_the_field_and_keeps_what_was_typed() {
    let pages = Pages::open().await;
    let answer = pages.post("/send", "email=nobody&message=kept+%3Cb%3E", &[]).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(answer.body.contains("must contain an @-sign"));
    assert!(answer.body.contains("aria-invalid=\"true\""));
    assert!(answer.body.contains("kept &lt;b&gt;"));
    let long = format!("email=dev%40example.com&subject={}", "x".repeat(2000));
    let answer = pages.post("/send", &long, &[]).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(answer.body.contains("The subject must be at most"));
}

#[tokio::test]
async fn the_list_goes_on_where_the_page_ends() {
    let pages = Pages::open().await;
    for n in 0..21 {
        pages.send(&format!("email=n{n}%40example.com")).await;
    }
    let first = pages.get("/?state=queued").await.body.replace("&#x2f;", "/").replace("&amp;", "&");
    assert!(first.contains("n20@example.com") && !first.contains("n0@example.com"));
    let older = first.split('"').find(|part| part.contains("cursor=") && part.starts_with("/?")).unwrap();
    let second = pages.get(older.trim_end_matches("#tasks")).await;
    assert_eq!(second.status, StatusCode::OK);
    assert!(second.body.contains("n0@example.com") && !second.body.contains("n20@example.com"));
    assert!(!second.body.contains("Older tasks"), "this is the end");
}

#[tokio::test]
async fn a_form_of_another_site_changes_nothing() {
    let pages = Pages::open().await;
    let id = pages.send("email=dev%40example.com").await;
    for path in ["/send".to_owned(), format!("/tasks/{id}/cancel"), format!("/tasks/{id}/retry")] {
        for headers in [
            vec![("origin", "http://evil.example")],
            vec![("sec-fetch-site", "cross-site"), ("origin", "http://127.0.0.1:8000")],
        ] {
            let answer = pages.post(&path, "email=dev%40example.com", &headers).await;
            assert_eq!(answer.status, StatusCode::FORBIDDEN, "{path} {headers:?}");
        }
    }
    assert_eq!(pages.faults.begun(Method::Enqueue), 1);
    assert_eq!(pages.faults.begun(Method::Cancel), 0);
    let own = [("origin", "http://127.0.0.1:8000"), ("sec-fetch-site", "same-origin")];
    let answer = pages.post(&format!("/tasks/{id}/cancel"), "", &own).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn a_store_that_is_down_is_said_and_takes_nothing_that_was_typed() {
    let pages = Pages::open().await;
    for method in [Method::Enqueue, Method::List, Method::Get] {
        pages.faults.always(method, Fault::Fail);
    }
    let answer = pages.post("/send", "email=dev%40example.com&message=keep+me", &[]).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(!answer.header(header::RETRY_AFTER).is_empty());
    for text in ["The store does not answer", "dev@example.com", "keep me"] {
        assert!(answer.body.contains(text), "{text}");
    }
    let fragment = pages.get("/fragments/overview").await;
    assert_eq!(fragment.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(fragment.body.starts_with("<div id=\"overview\""));
    let task = pages.get("/tasks/0198f7a0-0000-7000-8000-000000000001").await;
    assert_eq!(task.status, StatusCode::SERVICE_UNAVAILABLE);
    pages.faults.heal();
    assert_eq!(pages.get("/").await.status, StatusCode::OK);
}

#[tokio::test]
async fn the_workers_are_shown_with_what_they_run() {
    let pages = Pages::open().await;
    assert!(pages.get("/workers").await.body.contains("No worker is running"));
    let worker = WorkerInfo {
        id: WorkerId::new("w").unwrap(),
        host: "mail-<1>".into(),
        pid: 4711,
        version: "1.2.3".into(),
        queues: vec![QueueName::default()],
        kinds: vec![],
        slots: 8,
        running: 1,
        started_at: Timestamp::default(),
        seen_at: Timestamp::default(),
        stopping: false,
    };
    pages.store.heartbeat(worker).await.unwrap();
    let id = pages.send("email=dev%40example.com").await;
    pages.claim().await;
    let page = pages.get("/workers").await.body.replace("&#x2f;", "/");
    for text in ["mail-&lt;1&gt;", "4711", "1.2.3", "1 of 8 slots busy", "dev@example.com"] {
        assert!(page.contains(text), "{text}: {page}");
    }
    assert!(page.contains(&format!("/tasks/{id}")), "{page}");
    assert!(pages.get("/fragments/workers").await.body.starts_with("<div id=\"workers\""));
    pages.faults.always(Method::Workers, Fault::Fail);
    let down = pages.get("/workers").await;
    assert_eq!(down.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(down.body.contains("The store does not answer"));
}

#[tokio::test]
async fn a_failure_is_told_with_its_reason_and_can_be_retried_once() {
    let pages = Pages::open().await;
    let id = pages.send("email=nobody%40example.com").await;
    let failure = Failure::new(FailureClass::Suppress, "no such user here").with_code("550 5.1.1");
    pages.end(Outcome::Failure(failure)).await;
    let page = pages.get(&format!("/tasks/{id}")).await.body;
    for text in
        ["The recipient does not exist", "no such user here", "550 5.1.1", "Attempt 1 failed", "Retry"]
    {
        assert!(page.contains(text), "{text}");
    }
    assert!(!page.contains("http-equiv"), "a final page does not reload itself");
    let retry = format!("/tasks/{id}/retry");
    assert_eq!(pages.post(&retry, "", &[]).await.status, StatusCode::SEE_OTHER);
    let again = pages.post(&retry, "", &[]).await;
    assert_eq!(again.status, StatusCode::CONFLICT);
    assert!(again.body.contains("only failed, cancelled and expired tasks can be retried"));
    let listed = pages.get("/?state=queued").await.body;
    assert!(listed.contains("nobody@example.com"));
}

#[tokio::test]
async fn a_held_message_is_framed_without_rights() {
    let pages = Pages::open().await;
    let id = pages.held(Some("<h1>Hi</h1><script>alert(1)</script>")).await;
    let page = pages.get(&format!("/tasks/{id}/message")).await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.body.contains(" sandbox "), "the frame has no rights at all");
    assert!(!page.body.contains("<script>alert"), "the page holds none of the message's HTML");
    let frame = pages.get(&format!("/tasks/{id}/message/html")).await;
    let csp = frame.header(header::CONTENT_SECURITY_POLICY);
    for rule in ["default-src 'none'", "style-src 'unsafe-inline'", "img-src data:", "sandbox"] {
        assert!(csp.contains(rule), "{csp}");
    }
    assert!(!csp.contains("script") && !csp.contains("allow-"), "{csp}");
    assert!(frame.body.contains("<h1>Hi</h1>"));
    let raw = pages.get(&format!("/tasks/{id}/message/raw")).await;
    assert!(raw.header(header::CONTENT_TYPE).starts_with("text/plain"));
    assert!(raw.body.contains("Subject: Hi"));
}

#[tokio::test]
async fn text_is_shown_in_the_frame_as_simple_html() {
    let pages = Pages::open().await;
    let id = pages.held(None).await;
    let frame = pages.get(&format!("/tasks/{id}/message/html")).await;
    assert!(frame.body.contains("One<br>\ntwo"), "{}", frame.body);
    let task = pages.get(&format!("/tasks/{id}")).await.body.replace("&#x2f;", "/");
    assert!(task.contains(&format!("/tasks/{id}/message")));
}

#[tokio::test]
async fn what_is_not_there_has_a_page_too() {
    let pages = Pages::open().await;
    for path in [
        "/tasks/nonsense",
        "/tasks/0198f7a0-0000-7000-8000-000000000001",
        "/tasks/nonsense/message",
        "/tasks/0198f7a0-0000-7000-8000-000000000001/message",
        "/tasks/0198f7a0-0000-7000-8000-000000000001/message/html",
        "/fragments/tasks/nonsense",
    ] {
        let answer = pages.get(path).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
        assert!(answer.body.contains("Back to the overview"), "{path}");
    }
    assert_eq!(pages.get("/?state=nonsense&cursor=").await.status, StatusCode::OK);
    let cursor = pages.get("/?cursor=nonsense").await;
    assert_eq!(cursor.status, StatusCode::NOT_FOUND);
    assert!(cursor.body.contains("cursor"));
}

/// A key with these scopes, made as this machine's own caller or by the first of them.
async fn key(p: &Pages, scopes: &[posthaste_api::KeyScope], tenant: Option<&str>) -> String {
    let new = posthaste_api::NewKey {
        name: "a person".into(),
        scopes: scopes.iter().copied().collect(),
        tenant: tenant.map(|t| posthaste_core::Tenant::new(t).unwrap()),
        expires_at: None,
        rate_limit: None,
    };
    p.api.create_key(&posthaste_api::Caller::local(), new).await.unwrap().token
}

/// The cookie of a session with this key.
async fn sign_in(p: &Pages, token: &str) -> String {
    let answer = p.post("/sign-in", &format!("key={token}&next=%2Fworkers"), &[]).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.body);
    assert_eq!(answer.header(header::LOCATION), "/workers");
    let cookie = answer.header(header::SET_COOKIE);
    for part in ["HttpOnly", "SameSite=Strict", "Path=/", "Max-Age=43200"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    assert!(!cookie.contains(token.rsplit('_').next().unwrap()), "{cookie}");
    cookie.split(';').next().unwrap().to_owned()
}

fn csrf_of(page: &str) -> String {
    let from = page.split("name=\"csrf\" content=\"").nth(1).expect("the page carries it");
    from.split('"').next().unwrap().to_owned()
}

impl Pages {
    async fn get_as(&self, path: &str, cookie: &str) -> Answer {
        let request = Request::get(path).header("host", HOST).header("cookie", cookie);
        self.ask(request.body(Body::empty()).unwrap()).await
    }
}

#[tokio::test]
async fn once_there_are_keys_a_person_signs_in_and_comes_back() {
    use posthaste_api::KeyScope::Admin;
    let p = Pages::open().await;
    assert_eq!(p.get("/sign-in").await.header(header::LOCATION), "/", "there is nothing to sign in to");
    let token = key(&p, &[Admin], None).await;
    for (path, to) in [("/", "/sign-in"), ("/workers", "/sign-in?next=%2Fworkers")] {
        let answer = p.get(path).await;
        assert_eq!((answer.status, answer.header(header::LOCATION)), (StatusCode::SEE_OTHER, to));
    }
    assert_eq!(p.get("/fragments/overview").await.status, StatusCode::UNAUTHORIZED);
    let form = p.get("/sign-in?next=/workers").await;
    assert_eq!(form.status, StatusCode::OK);
    assert!(form.body.contains("name=\"next\" value=\"&#x2f;workers\""), "{}", form.body);
    let wrong = p.post("/sign-in", "key=nonsense", &[]).await;
    assert_eq!((wrong.status, wrong.header(header::SET_COOKIE)), (StatusCode::UNAUTHORIZED, ""));
    assert!(wrong.body.contains("not known"), "{}", wrong.body);
    let cookie = sign_in(&p, &token).await;
    let page = p.get_as("/workers", &cookie).await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.body.contains("a person") && page.body.contains("Sign out"), "{}", page.body);
    let foreign = [("sec-fetch-site", "cross-site")];
    assert_eq!(p.post("/sign-in", &format!("key={token}"), &foreign).await.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn forms_and_scripts_of_a_session_must_carry_its_token() {
    use posthaste_api::KeyScope::Admin;
    let p = Pages::open().await;
    let cookie = sign_in(&p, &key(&p, &[Admin], None).await).await;
    let csrf = csrf_of(&p.get_as("/", &cookie).await.body);
    let own = [("cookie", cookie.as_str()), ("origin", "http://127.0.0.1:8000")];
    let send = |csrf: &str| format!("email=a%40example.com&csrf={csrf}");
    let forged = p.post("/send", "email=a%40example.com", &own).await;
    assert_eq!(forged.status, StatusCode::FORBIDDEN);
    assert!(forged.body.contains("does not belong to this session"), "{}", forged.body);
    assert_eq!(p.post("/send", &send("0"), &own).await.status, StatusCode::FORBIDDEN);
    let sent = p.post("/send", &send(&csrf), &own).await;
    assert_eq!(sent.status, StatusCode::SEE_OTHER, "{}", sent.body);
    let task = sent.header(header::LOCATION).to_owned();
    let page = p.get_as(&task, &cookie).await.body;
    assert!(page.matches(&csrf).count() >= 2, "the forms carry it: {page}");
    assert_eq!(p.post(&format!("{task}/cancel"), "", &own).await.status, StatusCode::FORBIDDEN);
    // A script of the page shows it in a header.
    let script = [own[0], own[1], ("x-csrf-token", csrf.as_str())];
    let path = format!("/v1{task}/cancel");
    assert_eq!(p.post(&path, "", &own).await.status, StatusCode::FORBIDDEN);
    // Without a word about where it comes from, and from another site, the cookie is none.
    assert_eq!(p.post(&path, "", &[script[0], script[2]]).await.status, StatusCode::UNAUTHORIZED);
    let site = [script[0], script[1], script[2], ("sec-fetch-site", "same-site")];
    assert_eq!(p.post(&path, "", &site).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(p.post(&path, "", &script).await.status, StatusCode::OK);
    let out = p.post("/sign-out", &format!("csrf={csrf}"), &own).await;
    assert_eq!((out.status, out.header(header::LOCATION)), (StatusCode::SEE_OTHER, "/sign-in"));
    assert!(out.header(header::SET_COOKIE).contains("Max-Age=0"));
}

#[tokio::test]
async fn a_session_ends_with_its_key_and_cannot_be_made_up() {
    use posthaste_api::KeyScope::Admin;
    let p = Pages::open().await;
    let token = key(&p, &[Admin], None).await;
    let cookie = sign_in(&p, &token).await;
    assert_eq!(p.get_as("/", &cookie).await.status, StatusCode::OK);
    let (head, tail) = cookie.split_at(cookie.len() - 1);
    let changed = format!("{head}{}", if tail == "0" { "1" } else { "0" });
    assert_eq!(p.get_as("/", &changed).await.status, StatusCode::SEE_OTHER);
    let id = token.split('_').nth(1).unwrap();
    p.api.revoke_key(&posthaste_api::Caller::local(), id).await.unwrap();
    assert_eq!(p.get_as("/", &cookie).await.status, StatusCode::SEE_OTHER);
    assert_eq!(p.get_as("/fragments/overview", &cookie).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn pages_show_what_the_key_may_see_and_do() {
    use posthaste_api::KeyScope::{Admin, Read, Send};
    let p = Pages::open().await;
    let admin = key(&p, &[Admin], None).await;
    let refused = p.post("/sign-in", &format!("key={}", key(&p, &[Send], None).await), &[]).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert!(refused.body.contains("may not read"), "{}", refused.body);
    let reader = sign_in(&p, &key(&p, &[Read], None).await).await;
    let page = p.get_as("/", &reader).await.body;
    assert!(page.contains("may read and not send") && !page.contains("action=\"/send\""), "{page}");
    let csrf = csrf_of(&page);
    let own = [("cookie", reader.as_str()), ("origin", "http://127.0.0.1:8000")];
    let sent = p.post("/send", &format!("email=a%40example.com&csrf={csrf}"), &own).await;
    assert_eq!(sent.status, StatusCode::FORBIDDEN);
    // A tenant sees its own tasks and nothing of the installation.
    let whole = sign_in(&p, &admin).await;
    let csrf = csrf_of(&p.get_as("/", &whole).await.body);
    let own = [("cookie", whole.as_str()), ("origin", "http://127.0.0.1:8000")];
    let sent = p.post("/send", &format!("email=secret%40example.com&csrf={csrf}"), &own).await;
    let task = sent.header(header::LOCATION).to_owned();
    let tenant = sign_in(&p, &key(&p, &[Read, Send], Some("acme")).await).await;
    let page = p.get_as("/", &tenant).await.body;
    assert!(!page.contains("secret@example.com") && !page.contains("class=\"tiles\""), "{page}");
    for path in [task.clone(), format!("/fragments{task}"), format!("{task}/message")] {
        assert_eq!(p.get_as(&path, &tenant).await.status, StatusCode::NOT_FOUND, "{path}");
    }
    assert_eq!(p.get_as("/workers", &tenant).await.status, StatusCode::FORBIDDEN);
}

/// Every address of our own that a page names.
fn addresses(html: &str) -> Vec<String> {
    let html = html.replace("&#x2f;", "/");
    [" href=\"", " src=\"", " action=\"", " data-fragment=\""]
        .iter()
        .flat_map(|name| html.split(name).skip(1).map(|rest| rest.split('"').next().unwrap().to_owned()))
        .filter(|at| !at.starts_with('#'))
        .collect()
}

#[tokio::test]
async fn under_a_base_path_every_address_lies_there() {
    let base_path = "/post/haste".parse().unwrap();
    let p = Pages::with(ApiConfig { base_path, ..ApiConfig::default() }).await;
    let form = "email=ann%40example.com&subject=Hi&message=Hello";
    let sent = p.post("/post/haste/send", form, &[]).await;
    assert_eq!(sent.status, StatusCode::SEE_OTHER);
    let task = sent.header(header::LOCATION).to_owned();
    assert!(task.starts_with("/post/haste/tasks/"), "{task}");
    let fragment = task.replace("/tasks/", "/fragments/tasks/");
    for path in [
        "/post/haste",
        "/post/haste/",
        "/post/haste/?state=queued",
        "/post/haste/workers",
        &task,
        &format!("{task}/message"),
        "/post/haste/tasks/none",
        "/post/haste/fragments/overview",
        "/post/haste/fragments/workers",
        &format!("{fragment}?view=card"),
        &format!("{fragment}?view=page"),
    ] {
        let page = p.get(path).await;
        assert!(matches!(page.status, StatusCode::OK | StatusCode::NOT_FOUND), "{path}: {}", page.status);
        let named = addresses(&page.body);
        assert!(!named.is_empty(), "{path}: {}", page.body);
        for at in named {
            assert!(at.starts_with("/post/haste/"), "{path} names {at}");
            let got = p.get(at.trim_end_matches("/cancel").trim_end_matches("#tasks")).await.status;
            let forms = ["/send", "/sign-in", "/sign-out"].iter().any(|f| at.ends_with(f));
            assert!(
                forms
                    || matches!(got, StatusCode::OK | StatusCode::SEE_OTHER | StatusCode::PERMANENT_REDIRECT),
                "{path} names {at}: {got}"
            );
        }
        if page.body.contains("<html") {
            assert!(
                page.body.contains("data-base=\"/post/haste\"")
                    || page.body.contains("data-base=\"&#x2f;post&#x2f;haste\""),
                "{path}"
            );
        }
    }
    assert_eq!(p.get("/").await.status, StatusCode::NOT_FOUND);
    // Signing in, and the cookie's reach.
    let key = key(&p, &[posthaste_api::KeyScope::Admin], None).await;
    let asked = p.get("/post/haste/workers").await;
    assert_eq!(asked.header(header::LOCATION), "/post/haste/sign-in?next=%2Fworkers");
    let typed = format!("key={key}&next=%2Fworkers");
    let signed = p.post("/post/haste/sign-in", &typed, &[]).await;
    assert_eq!(signed.header(header::LOCATION), "/post/haste/workers");
    let cookie = signed.header(header::SET_COOKIE);
    assert!(cookie.contains("; Path=/post/haste;"), "{cookie}");
}
