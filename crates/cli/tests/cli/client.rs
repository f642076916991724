//! The verbs that talk to a server, with a real one: for people and as JSON.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Stdio};

use posthaste_testkit::ClosedPort;
use serde_json::Value;

use super::support::{Up, posthaste, run, stderr, stdout};

/// A server and how it is asked.
pub(crate) struct Asked<'a> {
    pub(crate) dir: &'a Path,
    pub(crate) url: String,
}

impl Asked<'_> {
    pub(crate) fn run(&self, args: &[&str]) -> std::process::Output {
        run(self.dir, &[args, &["--server", &self.url]].concat())
    }

    /// Its text, once it has succeeded.
    pub(crate) fn text(&self, args: &[&str]) -> String {
        let out = self.run(args);
        assert_eq!(out.status.code(), Some(0), "{args:?}: {}{}", stdout(&out), stderr(&out));
        stdout(&out)
    }

    pub(crate) fn json(&self, args: &[&str]) -> Value {
        let text = self.text(&[args, &["--json"]].concat());
        serde_json::from_str(&text).unwrap_or_else(|e| panic!("{args:?}: {e}: {text}"))
    }

    /// What it says on the way out, with this code.
    pub(crate) fn fails(&self, args: &[&str], code: i32) -> String {
        let out = self.run(args);
        assert_eq!(out.status.code(), Some(code), "{args:?}: {}{}", stdout(&out), stderr(&out));
        stderr(&out)
    }
}

#[test]
fn tasks_are_made_listed_shown_cancelled_and_retried() {
    let dir = tempfile::tempdir().unwrap();
    let up = Up::start(dir.path(), &[]);
    let p = Asked { dir: dir.path(), url: up.url.clone() };
    assert_eq!(p.text(&["tasks", "list"]), "no tasks\n");
    assert_eq!(p.json(&["tasks", "list"]), serde_json::json!([]));

    // No worker knows the kind, so it waits.
    let first =
        p.text(&["tasks", "create", "report.build", "--payload", "{\"month\": 1}", "--priority", "high"]);
    let first = first.trim();
    std::fs::write(dir.path().join("payload.json"), "[1, 2]").unwrap();
    let second =
        p.json(&["tasks", "create", "report.build", "-p", "@payload.json", "--at", "1h", "--unique", "u"]);
    let second = second["id"].as_str().unwrap().to_owned();
    let task = p.json(&["tasks", "get", first]);
    assert_eq!((&task["payload"]["month"], &task["priority"]), (&1.into(), &"high".into()));
    assert!(p.text(&["tasks", "get", &second]).contains("scheduled"));
    assert_eq!(p.json(&["tasks", "get", &second])["payload"], serde_json::json!([1, 2]));
    let again = p.json(&["tasks", "create", "report.build", "--unique", "u"]);
    assert_eq!((again["duplicate"].as_bool(), again["id"].as_str()), (Some(true), Some(second.as_str())));

    let table = p.text(&["tasks", "list", "--kind", "report.build"]);
    assert!(table.starts_with("id") && table.lines().count() == 3, "{table}");
    let some = p.json(&["tasks", "list", "--state", "scheduled", "--limit", "1"]);
    assert_eq!(some.as_array().map(Vec::len), Some(1));
    assert_eq!(p.text(&["tasks", "attempts", &second]), "no attempts yet\n");
    assert_eq!(p.json(&["tasks", "attempts", &second]), serde_json::json!([]));

    assert!(p.text(&["tasks", "cancel", &second]).contains("cancelled"));
    let refused = p.run(&["tasks", "retry", first, &second, "--json"]);
    assert_eq!(refused.status.code(), Some(1), "one of them is not final");
    let answers: Value = serde_json::from_str(&stdout(&refused)).unwrap();
    assert!(answers[0]["error"].is_string() && answers[1]["state"] == "queued", "{answers}");

    for (args, says) in [
        (&["tasks", "cancel"][..], "--all"),
        (&["tasks", "cancel", first, "--kind", "x"], "not both"),
        (&["tasks", "create", "x", "--payload", "{"], "--payload is no JSON"),
        (&["tasks", "list", "--class", "sad"], "transient"),
    ] {
        let said = p.fails(args, 2);
        assert!(said.contains(says), "{args:?}: {said}");
    }
}

#[test]
fn a_task_that_is_watched_or_waited_for_ends_with_its_state() {
    let dir = tempfile::tempdir().unwrap();
    let up = Up::start(dir.path(), &[]);
    let p = Asked { dir: dir.path(), url: up.url.clone() };
    let sent = p.text(&["send", "ada@example.com", "-m", "Hello", "--wait"]);
    assert!(sent.contains("succeeded") && sent.contains("held in the sandbox"), "{sent}");
    let id = sent.split_whitespace().next().unwrap();
    assert!(p.text(&["tasks", "watch", id]).contains("succeeded"));
    assert!(p.text(&["tasks", "attempts", id]).contains("succeeded"));
    let lines = p.text(&["tasks", "watch", id, "--json"]);
    let last: Value = serde_json::from_str(lines.lines().last().unwrap()).unwrap();
    assert_eq!(last["state"], "succeeded");
    let waiting = p.text(&["tasks", "create", "nobody.runs.this"]);
    p.text(&["tasks", "cancel", waiting.trim()]);
    assert!(p.fails(&["tasks", "watch", waiting.trim()], 4).contains("cancelled"));
}

/// A verb with the key of the file.
fn with<'a>(args: &[&'a str]) -> Vec<&'a str> {
    [args, &["--key-file", "key"]].concat()
}

/// The next line that a process prints.
fn line(reader: &mut BufReader<std::process::ChildStdout>) -> String {
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    line
}

fn watcher(p: &Asked<'_>) -> (Child, BufReader<std::process::ChildStdout>) {
    let mut child = posthaste(p.dir, &["tasks", "watch", "--json", "--server", &p.url])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let reader = BufReader::new(child.stdout.take().unwrap());
    (child, reader)
}

#[test]
fn a_watcher_outlives_a_restart_of_the_server() {
    let dir = tempfile::tempdir().unwrap();
    let up = Up::start(dir.path(), &[]);
    let addr = up.addr().to_owned();
    let p = &Asked { dir: dir.path(), url: up.url.clone() };
    let (mut child, mut lines) = watcher(p);
    // Until it has subscribed, events pass it by.
    let seen = |lines: &mut BufReader<std::process::ChildStdout>, kind: &str| {
        let (tx, rx) = std::sync::mpsc::channel::<()>();
        std::thread::scope(|scope| {
            scope.spawn(move || {
                while rx.try_recv().is_err() {
                    p.text(&["tasks", "create", kind]);
                }
            });
            let event = loop {
                let event: Value = serde_json::from_str(&line(lines)).unwrap();
                if event["kind"] == kind {
                    break event;
                }
            };
            tx.send(()).unwrap();
            event
        })
    };
    // Which change of it came first after the subscription is chance.
    assert!(seen(&mut lines, "before")["state"].is_string());
    assert_eq!(up.terminate().status.code(), Some(0));
    let up = Up::start_at(dir.path(), &addr, &[]);
    assert!(seen(&mut lines, "after")["state"].is_string());
    child.kill().unwrap();
    let said = String::from_utf8_lossy(&child.wait_with_output().unwrap().stderr).into_owned();
    assert!(said.contains("the connection was lost and is there again"), "{said}");
    drop(up);
}

#[test]
fn queues_lanes_and_workers_are_listed_and_paused() {
    let dir = tempfile::tempdir().unwrap();
    let up = Up::start(dir.path(), &[]);
    let p = Asked { dir: dir.path(), url: up.url.clone() };
    p.text(&["send", "ada@example.com", "--wait"]);
    let queues = p.json(&["queues", "list"]);
    assert_eq!((&queues[0]["queue"], &queues[0]["counts"]["succeeded"]), (&"default".into(), &1.into()));
    assert!(p.text(&["queues", "list"]).contains("default"));
    p.text(&["queues", "pause", "default", "--for", "1h", "-m", "quiet please"]);
    let table = p.text(&["queues", "list"]);
    assert!(table.contains("paused") && table.contains("quiet please"), "{table}");
    assert_eq!(p.json(&["queues", "resume", "default"]), serde_json::json!({"done": true}));
    assert!(!p.text(&["queues", "list"]).contains("paused"));

    p.text(&["lanes", "pause", "email:default/acme", "-m", "one customer"]);
    let lanes = p.json(&["lanes", "list", "--queue", "default"]);
    assert!(lanes.as_array().unwrap().iter().any(|l| l["lane"] == "email:default/acme"), "{lanes}");
    assert!(p.text(&["lanes", "list"]).contains("one customer"));
    p.text(&["lanes", "resume", "email:default/acme"]);
    assert!(!p.text(&["lanes", "list"]).contains("one customer"));
    assert!(p.text(&["workers"]).contains("serving"));
}

#[test]
fn once_there_are_keys_the_verbs_send_one_and_say_how_to_give_it() {
    let dir = tempfile::tempdir().unwrap();
    let up = Up::start(dir.path(), &[]);
    let p = Asked { dir: dir.path(), url: up.url.clone() };
    assert_eq!(p.json(&["whoami"])["via"], "nothing");
    assert!(p.text(&["keys", "list"]).contains("no keys"));
    let made = p.run(&["keys", "create", "ops", "--scope", "admin"]);
    let token = stdout(&made).trim().to_owned();
    assert!(token.starts_with("ph_") && stderr(&made).contains("this once"), "{}", stderr(&made));

    let said = p.fails(&["tasks", "list"], 1);
    assert!(said.contains("POSTHASTE_KEY") && said.contains("--key-file"), "{said}");
    std::fs::write(dir.path().join("key"), format!("{token}\n")).unwrap();
    assert_eq!(p.json(&with(&["whoami"]))["name"], "ops");
    assert!(p.text(&with(&["whoami"])).contains("admin"));
    let by_env = posthaste(dir.path(), &["whoami", "--json", "--server", &p.url])
        .env("POSTHASTE_KEY", &token)
        .output();
    assert_eq!(serde_json::from_str::<Value>(&stdout(&by_env.unwrap())).unwrap()["name"], "ops");
    let config = posthaste(dir.path(), &["config"]).env("POSTHASTE_KEY", &token).output().unwrap();
    assert!(!stdout(&config).contains(&token[4..]) && stdout(&config).contains("key"), "{}", stdout(&config));

    let other = p.json(&with(&[
        "keys",
        "create",
        "shop",
        "--scope",
        "send,read",
        "--tenant",
        "acme",
        "--expires",
        "1h",
    ]));
    let (id, shop) = (other["id"].as_str().unwrap(), other["token"].as_str().unwrap());
    assert!(p.text(&with(&["keys", "list"])).contains("shop"));
    assert_eq!(p.json(&with(&["keys", "get", id]))["tenant"], "acme");
    let as_shop = posthaste(dir.path(), &["keys", "list", "--server", &p.url])
        .env("POSTHASTE_KEY", shop)
        .output()
        .unwrap();
    assert_eq!(as_shop.status.code(), Some(1));
    assert!(stderr(&as_shop).contains("posthaste whoami"), "{}", stderr(&as_shop));
    assert!(p.text(&with(&["keys", "revoke", id, "--yes"])).contains("revoked"));
    let gone =
        posthaste(dir.path(), &["whoami", "--server", &p.url]).env("POSTHASTE_KEY", shop).output().unwrap();
    assert!(stderr(&gone).contains("revoked") && !stderr(&gone).contains(shop), "{}", stderr(&gone));

    let audit = p.json(&with(&["audit", "--action", "keys."]));
    let actions: Vec<&str> = audit.as_array().unwrap().iter().filter_map(|e| e["action"].as_str()).collect();
    assert_eq!(actions, ["keys.revoke", "keys.create", "keys.create"]);
    assert!(p.text(&with(&["audit", "--since", "1h"])).contains("keys.revoke"));
    let missing = p.fails(&["whoami", "--key-file", "nowhere"], 1);
    assert!(missing.contains("nowhere cannot be read"), "{missing}");
}

#[test]
fn a_dry_import_checks_rows_and_says_what_is_wrong() {
    let dir = tempfile::tempdir().unwrap();
    let closed = ClosedPort::take();
    let nowhere = ["--server", &closed.url()];
    let import = |args: &[&str]| run(dir.path(), &[&["import"], args, &nowhere, &["--dry-run"]].concat());
    let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
    write("a.ndjson", "{\"to\":\"a@example.com\"}\n\n{\"to\":\"no\"}\nnot json\n{\"to\":\"b@example.com\"}");
    let out = import(&["a.ndjson", "--json"]);
    assert_eq!(out.status.code(), Some(5), "{}", stderr(&out));
    let told: Value = serde_json::from_str(&stdout(&out)).unwrap();
    assert_eq!(told, serde_json::json!({"rows": 4, "valid": 2, "rejected": 2}));
    assert!(
        stderr(&out).contains("line 3: to:") && stderr(&out).contains("line 4: no JSON"),
        "{}",
        stderr(&out)
    );

    write(
        "b.csv",
        "\u{feff}E-Mail,Name,n\n\"a@example.com\",\"Ada, \n the first\",1\nb@example.com,Bo\nc@example.com,Cy,x\n",
    );
    // What is no field of a request is data of a template.
    let out =
        import(&["b.csv", "--map", "E-Mail=to", "--map", "n=delay_ms", "--set", "template.name=welcome"]);
    assert_eq!(out.status.code(), Some(5));
    assert_eq!(stdout(&out), "3 rows: 1 may be enqueued, 2 would be refused\n");
    // The quoted line break counts as a line of the file.
    assert!(
        stderr(&out).contains("line 4: 2 columns") && stderr(&out).contains("line 5: delay_ms"),
        "{}",
        stderr(&out)
    );
    let out = import(&["b.csv", "--map", "Mail=to"]);
    assert_eq!(out.status.code(), Some(2), "{}", stderr(&out));
    assert!(stderr(&out).contains("no such column"), "{}", stderr(&out));

    let mut child = posthaste(dir.path(), &["import", "-", "--as", "tasks", "--set", "kind=x", "--dry-run"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"{\"payload\":1}\n{\"payload\":2,\"kind\":\"y\"}").unwrap();
    let out = child.wait_with_output().unwrap();
    assert_eq!(stdout(&out), "2 rows: 2 may be enqueued, 0 would be refused\n");
    assert_eq!(import(&["nowhere.csv"]).status.code(), Some(1));
    assert_eq!(run(dir.path(), &["import", "a.ndjson", "--server", &closed.url()]).status.code(), Some(3));
}
