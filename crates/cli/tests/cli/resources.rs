//! Verbs about what an installation keeps: schedules, templates, endpoints, suppressions, the sandbox.

use posthaste_testkit::http::{HttpReply, HttpSink};
use posthaste_testkit::smtp::{Action, SmtpSink, Stage};
use serde_json::{Value, json};

use super::client::Asked;
use super::support::{Up, stderr, stdout};

#[test]
fn schedules_templates_and_endpoints_are_kept() {
    let dir = tempfile::tempdir().unwrap();
    let up = Up::start(dir.path(), &[]);
    let p = Asked { dir: dir.path(), url: up.url.clone() };
    for (verb, none) in
        [("schedules", "no schedules\n"), ("templates", "no templates\n"), ("endpoints", "no endpoints\n")]
    {
        assert_eq!(p.text(&[verb, "list"]), none);
        assert_eq!(p.json(&[verb, "list"]), json!([]));
    }
    let put = [
        "schedules",
        "put",
        "nightly",
        "--cron",
        "0 3 * * *",
        "--kind",
        "nobody.runs.this",
        "-p",
        "{\"a\":1}",
    ];
    assert!(p.text(&put).contains("it runs next"));
    assert_eq!(p.json(&["schedules", "get", "nightly"])["time_zone"], "UTC");
    let run = p.text(&["schedules", "run", "nightly"]);
    assert_eq!(p.json(&["tasks", "get", run.trim()])["payload"], json!({"a": 1}));
    p.text(&["schedules", "pause", "nightly"]);
    assert!(p.text(&["schedules", "list"]).contains("paused"));
    p.text(&["schedules", "resume", "nightly"]);
    p.text(&["schedules", "delete", "nightly", "--yes"]);
    assert!(p.fails(&["schedules", "get", "nightly"], 1).contains("nightly"));

    std::fs::write(dir.path().join("w.txt"), "Hello {{ name }}!").unwrap();
    let put = [
        "templates",
        "put",
        "welcome",
        "-s",
        "Hi {{ name }}",
        "--text",
        "w.txt",
        "--sample",
        "{\"name\":\"Ann\"}",
    ];
    assert!(p.text(&put).contains("version 1"));
    assert_eq!(p.json(&put)["version"], 2);
    assert!(p.text(&["templates", "preview", "welcome"]).contains("Hello Ann!"));
    let unsaved = p.json(&["templates", "preview", "--text", "w.txt", "--data", "{\"name\":\"Bo\"}"]);
    assert_eq!(unsaved["text"], "Hello Bo!");
    assert_eq!(p.json(&["templates", "versions", "welcome"]).as_array().map(Vec::len), Some(2));
    assert_eq!(p.json(&["templates", "get", "welcome", "--version", "1"])["version"], 1);
    let sent = p.json(&[
        "send",
        "ann@example.com",
        "--template",
        "welcome",
        "--data",
        "{\"name\":\"Ann\"}",
        "--wait",
    ]);
    let held = p.text(&["sandbox", "get", sent["id"].as_str().unwrap()]);
    assert!(held.contains("Hello Ann!"), "{held}");
    p.text(&["templates", "delete", "welcome", "--yes"]);

    let made =
        p.json(&["endpoints", "create", "shop", "https://example.com/hook", "--description", "the shop"]);
    assert!(made["secret"].as_str().is_some_and(|s| s.starts_with("whsec_")));
    assert!(p.text(&["endpoints", "list"]).contains("the shop"));
    assert_eq!(
        p.json(&["endpoints", "update", "shop", "--url", "https://example.com/other"])["url"],
        "https://example.com/other"
    );
    let new = p.json(&["endpoints", "rotate", "shop", "--yes"]);
    assert_ne!(new["secret"], made["secret"]);
    assert_eq!(p.json(&["endpoints", "secret", "shop"])["secret"], new["secret"]);
    p.text(&["endpoints", "update", "shop", "--disable"]);
    assert!(p.text(&["endpoints", "list"]).contains("disabled"));
    p.text(&["endpoints", "enable", "shop"]);
    p.text(&["endpoints", "test", "shop"]);
    p.text(&["endpoints", "delete", "shop", "--yes"]);
    assert!(p.fails(&["endpoints", "get", "shop"], 1).contains("shop"));
}

#[test]
fn the_signing_secret_is_shown_and_rotated() {
    let dir = tempfile::tempdir().unwrap();
    let up = Up::start(dir.path(), &[]);
    let p = Asked { dir: dir.path(), url: up.url.clone() };
    let old = p.json(&["signing", "secret"]);
    assert!(p.text(&["signing", "secret"]).contains(old["secret"].as_str().unwrap()));
    let acme = p.json(&["signing", "secret", "--tenant", "acme"]);
    assert_ne!(acme["secret"], old["secret"]);
    let new = p.json(&["signing", "rotate", "--overlap", "1h", "--yes"]);
    assert!(new["secret"] != old["secret"] && new["secrets"] == 2, "{new}");
    assert_eq!(p.json(&["signing", "secret"]), new);
}

#[test]
fn recipients_are_suppressed_shown_and_erased() {
    let dir = tempfile::tempdir().unwrap();
    let up = Up::start(dir.path(), &[]);
    let p = Asked { dir: dir.path(), url: up.url.clone() };
    p.text(&["suppressions", "add", "no@example.com", "--reason", "asked by phone"]);
    assert!(p.text(&["suppressions", "list"]).contains("asked by phone"));
    assert_eq!(p.json(&["suppressions", "get", "no@example.com"])["source"], "manual");
    std::fs::write(dir.path().join("list"), "# ours\na@example.com, bounced\nb@example.com\n").unwrap();
    assert_eq!(p.json(&["suppressions", "import", "list"]), json!({"added": 2, "refused": 0}));
    p.text(&["suppressions", "remove", "no@example.com", "--yes"]);
    // Of a category, by the option or as the list names it; an address that looks like one stays an address.
    p.text(&["suppressions", "add", "no@example.com", "--category", "news"]);
    assert!(p.text(&["suppressions", "list"]).contains("news/no@example.com"));
    assert_eq!(p.json(&["suppressions", "get", "no@example.com", "--category", "news"])["category"], "news");
    assert_eq!(p.json(&["suppressions", "get", "news/no@example.com"])["category"], "news");
    p.text(&["suppressions", "remove", "news/no@example.com", "--yes"]);
    let put = p.json(&["suppressions", "add", "email:news/no@example.com"]);
    assert!(put.get("category").is_none(), "{put}");
    p.text(&["suppressions", "remove", "email:news/no@example.com", "--yes"]);
    assert_eq!(p.json(&["suppressions", "list"]).as_array().map(Vec::len), Some(2));

    p.text(&["send", "ann@example.com", "-m", "Hello", "--wait"]);
    assert!(p.text(&["recipients", "get", "ann@example.com"]).contains("succeeded"));
    assert!(p.json(&["recipients", "get", "ann@example.com"]).is_object());
    p.text(&["recipients", "erase", "ann@example.com", "--yes"]);
    assert_eq!(p.json(&["tasks", "list", "--recipient", "email:ann@example.com"]), json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_of_a_provider_waits_for_the_answer_and_fails_with_it() {
    let dir = tempfile::tempdir().unwrap();
    let (mail, chat) = (SmtpSink::start().await, HttpSink::start().await);
    std::fs::write(
        dir.path().join("posthaste.toml"),
        format!(
            "email_from = \"ops@example.com\"\nallow_cidrs = \"127.0.0.0/8\"\n\
             [providers.mail]\nurl = \"smtp+plain://{}\"\n\
             [providers.chat]\ntype = \"discord\"\nurl = \"{}\"\n\
             [providers.team]\ntype = \"teams\"\nurl = \"{}\"\n",
            mail.authority(),
            chat.url("/discord"),
            chat.url("/teams"),
        ),
    )
    .unwrap();
    let up = Up::start(dir.path(), &[]);
    let p = Asked { dir: dir.path(), url: up.url.clone() };
    mail.then(Stage::FinalDot, Action::reply("250 2.0.0 queued as 4711"));
    let took = p.text(&["providers", "test", "mail", "ada@example.com"]);
    assert!(took.starts_with("mail: ") && took.contains("4711"), "{took}");
    assert_eq!(mail.messages()[0].to, ["ada@example.com"]);
    assert!(p.fails(&["providers", "test", "mail"], 2).contains("<TO>"));
    p.text(&["providers", "test", "chat"]);

    // Refused for good, to be tried again, and about the provider itself: each is told at once.
    mail.then(Stage::Rcpt, Action::reply("550 5.7.1 not from you"));
    assert!(p.fails(&["providers", "test", "mail", "ada@example.com"], 4).contains("the provider mail"));
    for (answer, class) in [("451 4.3.0 try again", "transient"), ("550 5.7.26 unauthenticated", "")] {
        mail.then(Stage::Rcpt, Action::reply(answer));
        let out = p.run(&["providers", "test", "mail", "ada@example.com"]);
        assert_eq!(out.status.code(), Some(4), "{answer}: {}", stderr(&out));
        assert!(
            stdout(&out).contains(answer.get(..3).unwrap()) && stdout(&out).contains(class),
            "{}",
            stdout(&out)
        );
    }
    chat.always(HttpReply::status(401));
    let out = p.run(&["providers", "test", "team", "--json"]);
    assert_eq!(out.status.code(), Some(4), "{}", stderr(&out));
    assert!(stderr(&out).contains("misconfigured"), "{}", stderr(&out));
    // Nothing of it goes later.
    let waiting = p.json(&["tasks", "list", "--state", "queued"]);
    assert_eq!(waiting, json!([]));
    assert!(p.fails(&["providers", "test", "nobody"], 1).contains("nobody"));
}

#[test]
fn limits_providers_the_sandbox_and_numbers_are_shown_and_set() {
    let dir = tempfile::tempdir().unwrap();
    let up = Up::start(dir.path(), &[]);
    let p = Asked { dir: dir.path(), url: up.url.clone() };
    p.text(&["lanes", "limits", "email:default", "--rate", "10/s", "--concurrency", "2"]);
    assert!(
        p.text(&["lanes", "limits", "email:default"])
            .contains("at most 10 starts per second, at most 2 at once")
    );
    p.text(&["lanes", "limits", "email:default", "--rate", "none"]);
    assert_eq!(p.json(&["lanes", "limits", "email:default"])["concurrency"], 2);
    p.text(&["queues", "limits", "default", "--concurrency", "5"]);
    assert!(p.text(&["queues", "limits", "default"]).contains("at most 5 at once"));

    let batch = p.json(&["send", "--to", "a@example.com", "--to", "b@example.com", "-m", "Hi"]);
    let id = batch["batch_id"].as_str().unwrap();
    assert!(p.text(&["batches", "watch", id]).contains("2 succeeded"));
    assert_eq!(p.json(&["batches", "get", id])["finished"], true);
    p.json(&["batches", "cancel", id, "--yes"]);
    std::fs::write(dir.path().join("bill.pdf"), "%PDF-1.4").unwrap();
    p.text(&["send", "a@example.com", "-m", "Your bill", "--attach", "bill.pdf", "--wait"]);

    assert_eq!(p.json(&["sandbox", "list"]).as_array().map(Vec::len), Some(3));
    assert!(p.text(&["sandbox", "list"]).contains("a@example.com"));
    p.text(&["sandbox", "faults", "--answer", "451", "--times", "2"]);
    assert!(p.text(&["sandbox", "faults"]).contains("451"));
    p.text(&["sandbox", "faults", "--clear"]);
    p.text(&["sandbox", "clear", "--yes"]);
    assert_eq!(p.json(&["sandbox", "list"]), json!([]));

    assert!(p.json(&["providers", "list"]).is_array());
    assert!(matches!(p.json(&["stats"]), Value::Object(_)));
    p.text(&["stats", "--last", "10m"]);
}
