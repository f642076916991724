//! `posthaste import` and bulk operations against a real server, on both stores: killed in the
//! middle and resumed with exact counts.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Stdio;

use posthaste_testkit::redis::{RedisOptions, RedisServer};
use serde_json::Value;

use super::support::{Up, posthaste, run, stderr, stdout};

/// Rows of the imported files.
const ROWS: usize = 6_000;

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|e| panic!("{e}: {text}"))
}

fn ask(dir: &Path, url: &str, args: &[&str]) -> Value {
    let out = run(dir, &[args, &["--json", "--server", url]].concat());
    assert_eq!(out.status.code(), Some(0), "{args:?}: {}", stderr(&out));
    json(&stdout(&out))
}

/// Tasks of the queue in a state.
fn count(dir: &Path, url: &str, queue: &str, state: &str) -> u64 {
    let queues = ask(dir, url, &["queues", "list"]);
    let found = queues.as_array().unwrap().iter().find(|q| q["queue"] == queue);
    found.and_then(|q| q["counts"][state].as_u64()).unwrap_or(0)
}

/// Tasks that nobody runs, so that each is counted where it was put.
fn tasks_file(dir: &Path) {
    let mut text = String::new();
    for i in 0..ROWS {
        let _ =
            writeln!(text, "{{\"kind\":\"nobody.runs.this\",\"queue\":\"bulk\",\"payload\":{{\"n\":{i}}}}}");
    }
    std::fs::write(dir.join("tasks.ndjson"), text).unwrap();
}

/// Kills an import once it has a checkpoint; how many rows were behind it.
fn kill_in_the_middle(dir: &Path, url: &str) -> u64 {
    let args = ["import", "tasks.ndjson", "--as", "tasks", "--server", url];
    let mut child = posthaste(dir, &args).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let state = dir.join("tasks.ndjson.posthaste-import");
    let rows = loop {
        let rows = std::fs::read_to_string(&state)
            .ok()
            .map(|text| json(&text)["checkpoint"]["rows"].as_u64().unwrap());
        if let Some(rows) = rows.filter(|rows| *rows > 0) {
            break rows;
        }
        assert!(child.try_wait().unwrap().is_none(), "it ended before it was killed");
        std::thread::yield_now();
    };
    child.kill().unwrap();
    child.wait().unwrap();
    rows
}

fn killed_and_resumed(dir: &Path, url: &str) {
    tasks_file(dir);
    let behind = kill_in_the_middle(dir, url);
    assert!(behind < ROWS as u64, "it was not in the middle: {behind}");
    let out = run(dir, &["import", "tasks.ndjson", "--as", "tasks", "--json", "--server", url]);
    assert_eq!(out.status.code(), Some(0), "{}", stderr(&out));
    assert!(stderr(&out).contains("going on after line"), "{}", stderr(&out));
    let told = json(&stdout(&out));
    assert_eq!((&told["rows"], &told["enqueued"]), (&ROWS.into(), &ROWS.into()), "{told}");
    assert_eq!(count(dir, url, "bulk", "queued"), ROWS as u64, "each row once");
    assert!(!dir.join("tasks.ndjson.posthaste-import").exists());
    // The whole file again, a copy of it, and the same rows through a pipe: the server knows every batch.
    std::fs::copy(dir.join("tasks.ndjson"), dir.join("copy.jsonl")).unwrap();
    for file in ["tasks.ndjson", "copy.jsonl"] {
        let again = ask(dir, url, &["import", file, "--as", "tasks"]);
        assert_eq!((&again["rows"], &again["replayed"]), (&ROWS.into(), &ROWS.into()), "{file}: {again}");
    }
    let pipe = std::fs::File::open(dir.join("copy.jsonl")).unwrap();
    let piped =
        posthaste(dir, &["import", "-", "--as", "tasks", "--json", "--server", url]).stdin(pipe).output();
    assert_eq!(json(&stdout(&piped.unwrap()))["replayed"], ROWS);
    assert_eq!(count(dir, url, "bulk", "queued"), ROWS as u64);
}

#[test]
fn the_same_rows_under_an_equal_mapping_are_known() {
    let dir = tempfile::tempdir().unwrap();
    let up = Up::start(dir.path(), &[]);
    let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
    write("a.csv", "Name,E-Mail,City,n\nAda,x,Rom,1\nBo,y,Oslo,2\n");
    // Other columns in another order, another format: the same requests.
    write("b.tsv", "Ort\tn\tWer\nRom\t1\tAda\nOslo\t2\tBo\n");
    write(
        "c.ndjson",
        "{\"payload\":{\"town\":\"Rom\",\"n\":\"1\",\"name\":\"Ada\"},\"kind\":\"nobody.runs.this\",\"queue\":\"q\"}\n\
         {\"queue\":\"q\",\"kind\":\"nobody.runs.this\",\"payload\":{\"name\":\"Bo\",\"n\":\"2\",\"town\":\"Oslo\"}}\n",
    );
    let known = |args: &str| {
        let args: Vec<&str> = ["import", "--as", "tasks"].into_iter().chain(args.split(' ')).collect();
        let told = ask(dir.path(), &up.url, &args);
        assert_eq!(told["rows"], told["enqueued"], "{args:?}: {told}");
        told["replayed"].clone()
    };
    let (kind, queue) = ("--set kind=nobody.runs.this", "--set queue=q");
    let (name, town, not) = ("--map Name=payload.name", "--map City=payload.town", "--map E-Mail=-");
    assert_eq!(known(&format!("a.csv {kind} {queue} {name} {town} {not}")), 0);
    for again in [
        format!("a.csv {kind} {queue} {name} {town} {not}"),
        format!("a.csv {not} {queue} {town} {name} {kind}"),
        format!("a.csv {kind} {queue} {name} {town} {not} --map n=payload.n"),
        format!("b.tsv {queue} --map Wer=payload.name --map Ort=payload.town {kind}"),
        "c.ndjson".to_owned(),
        format!("c.ndjson {queue}"),
    ] {
        assert_eq!(known(&again), 2, "{again}");
    }
    // Other requests, or somebody who means it.
    assert_eq!(known("c.ndjson --set priority=low"), 0);
    assert_eq!(known("c.ndjson --again"), 0);
    write("d.ndjson", "{\"kind\":\"nobody.runs.this\",\"queue\":\"q\",\"payload\":{\"n\":\"1\"}}\n");
    assert_eq!(known("d.ndjson"), 0);
}

fn cancelled_and_retried_by_filter(dir: &Path, url: &str) {
    let filter = ["--queue", "bulk", "--state", "queued"];
    let dry = ask(dir, url, &[&["tasks", "cancel"][..], &filter, &["--dry-run"]].concat());
    assert_eq!((&dry["matched"], &dry["changed"]), (&ROWS.into(), &ROWS.into()), "{dry}");
    assert_eq!(count(dir, url, "bulk", "cancelled"), 0);
    let done = ask(dir, url, &[&["tasks", "cancel"][..], &filter, &["--yes"]].concat());
    assert_eq!((&done["state"], &done["changed"]), (&"done".into(), &ROWS.into()), "{done}");
    assert_eq!(count(dir, url, "bulk", "cancelled"), ROWS as u64);
    // Without a state the filter finds what cannot be cancelled, too.
    let of_all = ["tasks", "cancel", "--queue", "bulk"];
    let dry = run(dir, &[&of_all[..], &["--dry-run", "--server", url]].concat());
    assert_eq!(
        stdout(&dry),
        format!("0 tasks would be cancelled, {ROWS} left as they are\n"),
        "{}",
        stderr(&dry)
    );
    let out = run(dir, &["tasks", "retry", "--queue", "bulk", "--state", "cancelled", "--server", url]);
    assert_eq!(stdout(&out), format!("{ROWS} tasks queued again\n"), "{}", stderr(&out));
    assert_eq!(count(dir, url, "bulk", "queued"), ROWS as u64);
}

#[test]
fn an_import_that_was_killed_goes_on_where_it_was_on_sqlite() {
    let dir = tempfile::tempdir().unwrap();
    let up = Up::start(dir.path(), &[]);
    killed_and_resumed(dir.path(), &up.url);
    cancelled_and_retried_by_filter(dir.path(), &up.url);
}

#[test]
fn an_import_that_was_killed_goes_on_where_it_was_on_redis() {
    let dir = tempfile::tempdir().unwrap();
    let redis = RedisServer::start(&RedisOptions::default());
    let up = Up::start(dir.path(), &["--redis-url", &redis.url()]);
    killed_and_resumed(dir.path(), &up.url);
    cancelled_and_retried_by_filter(dir.path(), &up.url);
}

#[test]
fn rows_that_are_refused_are_written_down_and_the_others_are_sent() {
    let dir = tempfile::tempdir().unwrap();
    let up = Up::start(dir.path(), &[]);
    let csv = "email,subject,first_name\nada@example.com,Hi,Ada\nnobody,Hi,No\nbo@example.com,Hi,Bo\n";
    std::fs::write(dir.path().join("list.csv"), csv).unwrap();
    let args = ["import", "list.csv", "--set", "message=Hello", "--map", "first_name=-", "--server", &up.url];
    let out = run(dir.path(), &args);
    assert_eq!(out.status.code(), Some(5), "{}", stderr(&out));
    assert_eq!(stdout(&out), "3 rows: 2 enqueued, 1 refused: see list.csv.rejects.ndjson\n");
    let rejects = std::fs::File::open(dir.path().join("list.csv.rejects.ndjson")).unwrap();
    let rejects: Vec<Value> = BufReader::new(rejects).lines().map(|l| json(&l.unwrap())).collect();
    assert_eq!(
        (rejects.len(), &rejects[0]["line"], &rejects[0]["row"]["to"]),
        (1, &3.into(), &"nobody".into())
    );
    // The file is corrected: it is another one, and nothing of the first import is left of it.
    let changed = run(dir.path(), &["import", "list.csv", "--server", &up.url]);
    assert_eq!(changed.status.code(), Some(5), "other options make other requests: {}", stderr(&changed));
}

#[test]
fn a_file_that_changed_is_not_resumed() {
    let dir = tempfile::tempdir().unwrap();
    let up = Up::start(dir.path(), &[]);
    tasks_file(dir.path());
    kill_in_the_middle(dir.path(), &up.url);
    let path = dir.path().join("tasks.ndjson");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, format!("{text}{{\"kind\":\"x\",\"payload\":1}}\n")).unwrap();
    let args = ["import", "tasks.ndjson", "--as", "tasks", "--server", &up.url];
    let out = run(dir.path(), &args);
    assert_eq!(out.status.code(), Some(2), "{}", stderr(&out));
    assert!(stderr(&out).contains("--restart"), "{}", stderr(&out));
}
