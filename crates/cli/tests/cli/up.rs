//! The server as a process: start, refusals, a task's way through it, shutdown.

use std::io::{Read, Write};
use std::net::TcpListener;

use posthaste_testkit::ClosedPort;

use super::support::{Up, posthaste, run, stderr, stdout};

fn json(text: &str) -> serde_json::Value {
    serde_json::from_str(text).expect("JSON")
}

/// One `GET`, the answer as text.
fn get(addr: &str, path: &str) -> String {
    let mut stream = std::net::TcpStream::connect(addr).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {addr}\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn a_notification_goes_through_and_sigterm_ends_with_0() {
    let dir = tempfile::tempdir().unwrap();
    let up = Up::start(dir.path(), &[]);
    let server = up.url.clone();
    let args = |rest: &[&str]| {
        let mut all: Vec<String> = rest.iter().map(|s| (*s).to_owned()).collect();
        all.extend(["--server".to_owned(), server.clone()]);
        all
    };
    let cli = |rest: &[&str]| {
        let all = args(rest);
        run(dir.path(), &all.iter().map(String::as_str).collect::<Vec<_>>())
    };

    let health = cli(&["health", "--ready"]);
    assert!(health.status.success(), "{}", stderr(&health));

    let sent = cli(&["send", "dev@example.com", "-s", "Hi", "-m", "Hello", "--wait", "60s", "--json"]);
    assert_eq!(sent.status.code(), Some(0), "{}", stderr(&sent));
    let task = json(&stdout(&sent));
    assert_eq!(task["state"], "succeeded");
    let message = task["result"]["message"].as_str().unwrap();
    assert!(message.contains("held in the sandbox for dev@example.com"), "{message}");

    let scraped = get(up.addr(), "/metrics");
    assert!(scraped.contains("posthaste_worker_outcomes_total{outcome=\"succeeded\"} 1"), "{scraped}");

    let id = task["id"].as_str().unwrap();
    let got = stdout(&cli(&["tasks", "get", id]));
    assert!(got.contains(id) && got.contains("succeeded"), "{got}");
    let listed = stdout(&cli(&["tasks", "list", "--state", "succeeded", "--kind", "notify"]));
    assert!(listed.contains(id), "{listed}");
    let none = stdout(&cli(&["tasks", "list", "--state", "failed"]));
    assert_eq!(none.trim(), "no tasks");
    let watched = cli(&["tasks", "watch", id]);
    assert_eq!(watched.status.code(), Some(0), "it is final already: {}", stderr(&watched));
    let again = cli(&["tasks", "retry", id]);
    assert_eq!(again.status.code(), Some(1), "a succeeded task is not retried: {}", stderr(&again));
    let missing = cli(&["tasks", "get", "00000000-0000-7000-8000-000000000000"]);
    assert_eq!(missing.status.code(), Some(1));

    let ended = up.terminate();
    assert_eq!(ended.status.code(), Some(0), "{}", stderr(&ended));
    let log = stderr(&ended);
    assert!(log.contains("posthaste started") && log.contains("sandbox"), "{log}");
    assert!(!log.contains("dev@example.com"), "an address is in no log: {log}");
}

#[test]
fn an_idempotency_key_answers_as_the_first_did() {
    let dir = tempfile::tempdir().unwrap();
    let up = Up::start(dir.path(), &[]);
    let send = || {
        let out = run(
            dir.path(),
            &["send", "dev@example.com", "--idempotency-key", "order-7", "--json", "--server", &up.url],
        );
        assert!(out.status.success(), "{}", stderr(&out));
        json(&stdout(&out))["id"].as_str().unwrap().to_owned()
    };
    assert_eq!(send(), send());
}

#[test]
fn a_second_process_on_the_directory_is_refused_with_75() {
    let dir = tempfile::tempdir().unwrap();
    let _up = Up::start(dir.path(), &[]);
    let second = run(dir.path(), &["up", "--addr", "127.0.0.1:0"]);
    assert_eq!(second.status.code(), Some(75), "{}", stderr(&second));
    assert!(stderr(&second).contains("in use by another Posthaste process"), "{}", stderr(&second));
    assert_eq!(stdout(&second), "", "it was never ready");
}

#[test]
fn a_port_in_use_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap().to_string();
    let out = run(dir.path(), &["up", "--addr", &addr]);
    assert_eq!(out.status.code(), Some(1), "{}", stderr(&out));
    assert!(stderr(&out).contains("in use by another program"), "{}", stderr(&out));
}

#[test]
fn a_damaged_store_is_told() {
    let dir = tempfile::tempdir().unwrap();
    assert!(Up::start(dir.path(), &[]).terminate().status.success());
    let data = dir.path().join("posthaste-data");
    for entry in std::fs::read_dir(&data).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if name.ends_with(".db") || name.ends_with(".sqlite") || name.ends_with(".sqlite3") {
            std::fs::write(&path, vec![0x5a; 64 * 1024]).unwrap();
        }
    }
    let out = run(dir.path(), &["up", "--addr", "127.0.0.1:0"]);
    assert_eq!(out.status.code(), Some(1), "{}", stderr(&out));
    assert!(stderr(&out).contains("damaged"), "{}", stderr(&out));
}

/// Overwrites the pages of the store that hold a text with what is no page.
fn damage_pages(file: &std::path::Path, text: &str) {
    let mut bytes = std::fs::read(file).unwrap();
    let mut damaged = 0;
    for page in bytes.chunks_mut(4_096) {
        // Leaves of tables: 13 (https://www.sqlite.org/fileformat.html, section 1.6).
        if page[0] == 13 && page.windows(text.len()).any(|w| w == text.as_bytes()) {
            page.fill(0xFF);
            damaged += 1;
        }
    }
    assert!(damaged > 0, "{text} is nowhere");
    std::fs::write(file, bytes).unwrap();
}

#[test]
fn a_damaged_page_shows_in_the_probe_and_in_the_doctor_also_while_a_server_runs() {
    let dir = tempfile::tempdir().unwrap();
    let up = Up::start(dir.path(), &[]);
    for n in 0..6 {
        let payload = format!("\"marker-{n}-{}\"", "x".repeat(3_000));
        let args = ["tasks", "create", "nobody", "--payload", &payload, "--at", "1h", "--server", &up.url];
        let made = run(dir.path(), &args);
        assert!(made.status.success(), "{}", stderr(&made));
    }
    assert!(up.terminate().status.success());
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let healthy = run(dir.path(), &["doctor", "--addr", &free]);
    assert_eq!(healthy.status.code(), Some(0), "{}", stdout(&healthy));
    damage_pages(&dir.path().join("posthaste-data/posthaste.sqlite3"), "marker-3-");

    let stopped = run(dir.path(), &["doctor", "--addr", &free]);
    assert_eq!(stopped.status.code(), Some(1), "{}", stdout(&stopped));
    assert!(
        stdout(&stopped).contains("damaged") && stdout(&stopped).contains("backup"),
        "{}",
        stdout(&stopped)
    );

    let up = Up::start(dir.path(), &[]);
    // Whoever reads them all meets it.
    let listed = run(dir.path(), &["tasks", "list", "--server", &up.url]);
    assert!(listed.status.success(), "one damaged page hides all: {}", stderr(&listed));
    let ready = get(up.addr(), "/readyz");
    assert!(ready.starts_with("HTTP/1.1 503") && ready.contains("damaged"), "{ready}");
    assert!(get(up.addr(), "/healthz").starts_with("HTTP/1.1 200"), "the process serves");
    let running = run(dir.path(), &["doctor", "--addr", up.addr(), "--json"]);
    assert_eq!(running.status.code(), Some(1), "{}", stdout(&running));
    let checks = json(&stdout(&running));
    let store = checks.as_array().unwrap().iter().find(|c| c["name"] == "store").unwrap();
    assert_eq!(store["status"], "fail");
    assert!(store["found"].as_str().unwrap().contains("damaged"), "{store}");
}

#[test]
fn doctor_says_what_it_found() {
    let dir = tempfile::tempdir().unwrap();
    let out = run(dir.path(), &["doctor", "--addr", "127.0.0.1:0"]);
    assert_eq!(out.status.code(), Some(0), "{}", stdout(&out));
    assert!(stdout(&out).contains("is free"), "{}", stdout(&out));
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "it leaves nothing behind");

    let up = Up::start(dir.path(), &[]);
    let out = run(dir.path(), &["doctor", "--addr", up.addr()]);
    assert_eq!(out.status.code(), Some(0), "{}", stdout(&out));
    assert!(stdout(&out).contains("in use by the running server"), "{}", stdout(&out));

    // The provider cannot be reached.
    let closed = ClosedPort::take();
    let smtp = format!("smtp://{}", closed.addr());
    let out = run(dir.path(), &["doctor", "--addr", up.addr(), "--smtp-url", &smtp, "--json"]);
    assert_eq!(out.status.code(), Some(1), "{}", stdout(&out));
    let checks = json(&stdout(&out));
    let smtp = checks.as_array().unwrap().iter().find(|c| c["name"] == "smtp default").unwrap();
    assert_eq!(smtp["status"], "fail");
    assert!(smtp["remedy"].as_str().unwrap().contains("port"));
}

#[test]
fn under_a_base_path_the_verbs_find_the_server_and_load_balancers_do_too() {
    let dir = tempfile::tempdir().unwrap();
    let up = Up::start(dir.path(), &["--base-path", "/post/haste"]);
    let (addr, path) = up.addr().split_once('/').expect("the ready line names the path");
    assert_eq!(path, "post/haste");
    let sent = run(dir.path(), &["send", "dev@example.com", "--wait", "60s", "--json", "--server", &up.url]);
    assert!(sent.status.success(), "{}", stderr(&sent));
    assert_eq!(json(&stdout(&sent))["state"], "succeeded");
    // From the same settings, without being told the URL.
    let settings = [("POSTHASTE_ADDR", addr), ("POSTHASTE_BASE_PATH", "/post/haste/")];
    let listed = posthaste(dir.path(), &["tasks", "list"]).envs(settings).output().expect("the binary runs");
    assert!(stdout(&listed).contains("succeeded"), "{}", stderr(&listed));
    for (asked, status) in
        [("/healthz", "200"), ("/post/haste/healthz", "200"), ("/post/haste/", "200"), ("/", "404")]
    {
        let answer = get(addr, asked);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{asked}: {answer}");
    }
    let refused = run(dir.path(), &["up", "--addr", "127.0.0.1:0", "--base-path", "post haste"]);
    assert_eq!(refused.status.code(), Some(2), "{}", stderr(&refused));
    assert!(
        stderr(&refused).contains("base_path") && stderr(&refused).contains("/posthaste"),
        "{}",
        stderr(&refused)
    );
}
