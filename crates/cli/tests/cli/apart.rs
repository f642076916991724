//! API and worker as processes of their own, with a real Redis between them.

use std::io::{Read, Write};
use std::net::TcpStream;

use posthaste_testkit::redis::{Appendonly, RedisOptions, RedisServer};

use super::support::{Process, run, stderr, stdout};

fn json(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap_or_else(|e| panic!("{e}: {text}"))
}

/// The status and the body of one `GET`.
fn get(url: &str, path: &str) -> (u16, String) {
    let addr = url.trim_start_matches("http://");
    let mut stream = TcpStream::connect(addr).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {addr}\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let status = answer.split(' ').nth(1).and_then(|s| s.parse().ok()).unwrap_or_else(|| panic!("{answer}"));
    (status, answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default())
}

const API: &[&str] = &["api", "--addr", "127.0.0.1:0"];
const WORKER: &[&str] = &["worker", "--worker-addr", "127.0.0.1:0"];

/// Both, ready; and where they listen.
fn pair(dir: &std::path::Path, redis: &str) -> ((Process, String), (Process, String)) {
    let start = |args: &[&str], what: &str| {
        let mut process = Process::start(dir, args, &[("REDIS_URL", redis)]);
        let url = process.ready(what);
        (process, url)
    };
    (start(API, "Posthaste API"), start(WORKER, "Posthaste worker"))
}

fn send_and_wait(dir: &std::path::Path, api: &str) -> serde_json::Value {
    let sent =
        run(dir, &["send", "dev@example.com", "-m", "Hello", "--wait", "60s", "--json", "--server", api]);
    assert_eq!(sent.status.code(), Some(0), "{}", stderr(&sent));
    json(&stdout(&sent))
}

#[test]
fn two_processes_do_what_one_does() {
    let dir = tempfile::tempdir().unwrap();
    let redis = RedisServer::start(&RedisOptions::default());
    let ((api_process, api), (worker_process, worker)) = pair(dir.path(), &redis.url());
    let id = send_and_wait(dir.path(), &api)["id"].as_str().unwrap().to_owned();
    let (status, body) = get(&api, &format!("/task_status/{id}"));
    assert_eq!((status, json(&body)["status"].as_str()), (200, Some("completed")), "{body}");

    let listed = run(dir.path(), &["workers", "--json", "--server", &api]);
    let workers = json(&stdout(&listed));
    assert_eq!(workers.as_array().map(Vec::len), Some(1), "{workers}");
    assert_eq!(workers[0]["version"], env!("CARGO_PKG_VERSION"));
    assert!(stdout(&run(dir.path(), &["workers", "--server", &api])).contains("serving"));

    // The worker says how it is, and nothing else.
    for (path, status) in [("/healthz", 200), ("/readyz", 200), ("/v1/tasks", 404), ("/", 404)] {
        assert_eq!(get(&worker, path).0, status, "{path}");
    }
    let (_, metrics) = get(&worker, "/metrics");
    assert!(metrics.contains("posthaste_worker_outcomes_total{outcome=\"succeeded\"} 1"), "{metrics}");
    assert!(!get(&api, "/metrics").1.contains("posthaste_worker_slots"), "no worker runs in the API");
    let worker_env = [("POSTHASTE_WORKER_ADDR", worker.trim_start_matches("http://"))];
    let health =
        super::support::posthaste(dir.path(), &["health", "--worker", "--ready"]).envs(worker_env).output();
    assert_eq!(health.unwrap().status.code(), Some(0));

    let doctor = run(
        dir.path(),
        &[
            "doctor",
            "--redis-url",
            &redis.url(),
            "--addr",
            api.trim_start_matches("http://"),
            "--worker-addr",
            "off",
            "--json",
        ],
    );
    assert_eq!(doctor.status.code(), Some(0), "{}", stdout(&doctor));
    let checks = json(&stdout(&doctor));
    for name in [
        "redis connect",
        "redis ping",
        "redis version",
        "redis clock",
        "redis disk",
        "redis write",
        "redis shards",
    ] {
        let check = checks.as_array().unwrap().iter().find(|c| c["name"] == name);
        assert_eq!(check.map(|c| &c["status"]), Some(&"ok".into()), "{name}: {checks}");
    }

    let (code, log) = worker_process.terminate();
    assert_eq!(code, Some(0), "{log}");
    assert!(log.contains("worker stopped") && log.contains("store=redis://127.0.0.1"), "{log}");
    assert_eq!(json(&get(&api, "/v1/workers").1)["data"], serde_json::json!([]), "it took its leave");
    let (code, log) = api_process.terminate();
    assert_eq!(code, Some(0), "{log}");
    assert!(!log.contains("dev@example.com"), "an address is in no log: {log}");
}

#[test]
fn up_takes_redis_too_and_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let redis = RedisServer::start(&RedisOptions::default());
    let mut up = Process::start(dir.path(), &["up", "--addr", "127.0.0.1:0"], &[("REDIS_URL", &redis.url())]);
    let url = up.ready("Posthaste");
    assert_eq!(send_and_wait(dir.path(), &url)["state"], "succeeded");
    let (code, log) = up.terminate();
    assert_eq!(code, Some(0), "{log}");
    assert!(log.contains("store=redis://127.0.0.1"), "{log}");
    assert!(!dir.path().join("posthaste-data").exists(), "the embedded store was not touched");
}

#[test]
fn an_embedded_store_is_refused_and_the_fix_is_named() {
    let dir = tempfile::tempdir().unwrap();
    for verb in ["api", "worker"] {
        for args in [&[verb][..], &[verb, "--store", "sqlite:"]] {
            let out = run(dir.path(), args);
            assert_eq!(out.status.code(), Some(2), "{args:?}: {}", stderr(&out));
            assert!(stderr(&out).contains("REDIS_URL=redis://"), "{args:?}: {}", stderr(&out));
        }
    }
    // A flag that a verb would not heed is an error.
    assert_eq!(run(dir.path(), &["worker", "--addr", "127.0.0.1:1"]).status.code(), Some(2));
    assert_eq!(run(dir.path(), &["api", "--queues", "a"]).status.code(), Some(2));
}

#[test]
fn both_start_while_redis_is_away_and_outlive_its_restart() {
    let dir = tempfile::tempdir().unwrap();
    let redis = RedisServer::start(&RedisOptions::durable(Appendonly::Always));
    redis.kill();
    let env = [("REDIS_URL", redis.url())];
    let env: Vec<(&str, &str)> = env.iter().map(|(k, v)| (*k, v.as_str())).collect();
    let mut api = Process::start(dir.path(), API, &env);
    let mut worker = Process::start(dir.path(), WORKER, &env);
    let mut addresses = Vec::new();
    for process in [&mut api, &mut worker] {
        let started = process.logged("posthaste started");
        let address = started.split("address=").nth(1).and_then(|a| a.split(' ').next()).unwrap();
        addresses.push(format!("http://{}", address.trim_matches('"')));
        let said = process.logged("ERROR");
        assert!(
            said.contains(&format!("127.0.0.1:{}", redis.port())) && said.contains("trying again"),
            "{said}"
        );
    }
    for url in &addresses {
        assert_eq!(get(url, "/healthz").0, 503);
        assert_eq!(get(url, "/readyz").0, 503);
    }
    assert_eq!(get(&addresses[0], "/v1/tasks").0, 503);
    redis.restart();
    assert_eq!([api.ready("Posthaste API"), worker.ready("Posthaste worker")], addresses[..]);
    for url in &addresses {
        assert_eq!(get(url, "/healthz").0, 200);
    }
    assert_eq!(send_and_wait(dir.path(), &addresses[0])["state"], "succeeded");

    redis.kill();
    let refused = run(dir.path(), &["send", "dev@example.com", "--server", &addresses[0]]);
    assert_eq!(refused.status.code(), Some(1), "{}", stderr(&refused));
    assert_eq!(get(&addresses[1], "/healthz").0, 200, "the process lives");
    assert_eq!(get(&addresses[1], "/readyz").0, 503);
    redis.restart();
    let id = loop {
        // Accepted as soon as the connection is back.
        let sent = run(
            dir.path(),
            &["send", "dev@example.com", "--wait", "60s", "--json", "--server", &addresses[0]],
        );
        if sent.status.success() {
            break json(&stdout(&sent))["id"].as_str().unwrap().to_owned();
        }
    };
    assert_eq!(json(&get(&addresses[0], &format!("/task_status/{id}")).1)["status"], "completed");
    for process in [worker, api] {
        let (code, log) = process.terminate();
        assert_eq!(code, Some(0), "{log}");
    }
}

#[test]
fn a_shutdown_does_not_wait_for_a_redis_that_never_came() {
    let dir = tempfile::tempdir().unwrap();
    let redis = RedisServer::start(&RedisOptions::default());
    redis.kill();
    for args in [API, WORKER] {
        let mut process = Process::start(dir.path(), args, &[("REDIS_URL", &redis.url())]);
        process.logged("ERROR");
        let (code, log) = process.terminate();
        assert_eq!(code, Some(0), "{log}");
        assert_eq!(log.matches("ERROR").count(), 1, "it is said once: {log}");
    }
}

#[test]
fn a_redis_that_does_not_fit_ends_the_process_with_78() {
    let dir = tempfile::tempdir().unwrap();
    let evicting = RedisServer::start(&RedisOptions {
        args: vec!["--maxmemory-policy".into(), "allkeys-lru".into()],
        ..RedisOptions::default()
    });
    let url = evicting.url();
    let out = run(dir.path(), &["worker", "--redis-url", &url, "--worker-addr", "off"]);
    assert_eq!(out.status.code(), Some(78), "{}", stderr(&out));
    assert!(stderr(&out).contains("allkeys-lru") && stderr(&out).contains("noeviction"), "{}", stderr(&out));
    let doctor = run(dir.path(), &["doctor", "--redis-url", &url, "--json"]);
    assert_eq!(doctor.status.code(), Some(1), "{}", stdout(&doctor));
    // Allowed in so many words, it starts: with two shards, which is then kept.
    let worker =
        ["worker", "--redis-url", &url, "--worker-addr", "off", "--allow-eviction", "on", "--shards", "2"];
    let mut process = Process::start(dir.path(), &worker, &[]);
    assert!(process.ready("Posthaste worker").starts_with("process "));
    let other = run(dir.path(), &["api", "--redis-url", &url, "--allow-eviction", "on", "--shards", "3"]);
    assert_eq!(other.status.code(), Some(78), "{}", stderr(&other));
    assert!(stderr(&other).contains("POSTHASTE_SHARDS"), "{}", stderr(&other));
    assert_eq!(process.terminate().0, Some(0));
}

#[test]
fn doctor_tells_what_is_wrong_with_redis_and_leaves_nothing_behind() {
    let dir = tempfile::tempdir().unwrap();
    let redis = RedisServer::start(&RedisOptions {
        args: vec!["--requirepass".into(), "hunter2".into()],
        ..RedisOptions::default()
    });
    let of = |url: &str| {
        let out = run(dir.path(), &["doctor", "--redis-url", url, "--json"]);
        let text = stdout(&out);
        assert!(!text.contains("hunter"), "{text}");
        (out.status.code(), json(&text))
    };
    let failed = |checks: &serde_json::Value| -> Vec<String> {
        let failed = checks.as_array().unwrap().iter().filter(|c| c["status"] == "fail");
        failed.map(|c| c["name"].as_str().unwrap().to_owned()).collect()
    };
    let (code, checks) = of(&redis.url());
    assert_eq!((code, failed(&checks)), (Some(1), vec!["redis ping".to_owned()]), "{checks}");
    let (_, checks) = of(&format!("redis://:hunter3@127.0.0.1:{}", redis.port()));
    assert_eq!(failed(&checks), ["redis ping"], "{checks}");
    let (code, checks) = of(&format!("redis://:hunter2@127.0.0.1:{}", redis.port()));
    assert_eq!((code, failed(&checks)), (Some(0), vec![]), "{checks}");
    let mut wire = redis.wire();
    wire.command(&["AUTH", "hunter2"]);
    let keys = format!("{:?}", wire.command(&["KEYS", "*"]));
    assert!(!keys.contains("ph:"), "{keys}");
    redis.kill();
    let (code, checks) = of(&redis.url());
    assert_eq!((code, failed(&checks)), (Some(1), vec!["redis connect".to_owned()]), "{checks}");
    // As Podman and systemd-nspawn mark what runs in them.
    let mut inside = super::support::posthaste(dir.path(), &["doctor", "--redis-url", &redis.url()]);
    let told = stdout(&inside.env("container", "podman").output().unwrap());
    assert!(told.contains("REDIS_URL=redis://redis:6379/0"), "{told}");
}

#[test]
fn that_localhost_is_the_container_is_said_only_while_no_connection_ever_stood() {
    let dir = tempfile::tempdir().unwrap();
    let redis = RedisServer::start(&RedisOptions::durable(Appendonly::Always));
    redis.kill();
    let url = redis.url();
    // As Podman and systemd-nspawn mark what runs in them.
    let env = [("REDIS_URL", url.as_str()), ("container", "podman")];
    for (args, what) in [(API, "Posthaste API"), (WORKER, "Posthaste worker")] {
        let mut process = Process::start(dir.path(), args, &env);
        let first = process.logged("refused the connection");
        assert!(first.contains("redis://redis:6379/0"), "{first}");
        redis.restart();
        process.ready(what);
        process.logged("connected to Redis again");
        redis.kill();
        let later = process.logged("refused the connection");
        assert!(!later.contains("container"), "the address was right all the time: {later}");
    }
}
