//! Verbs that need no server: usage, configuration, exit codes, error texts.

use std::process::Stdio;

use posthaste_testkit::ClosedPort;

use super::support::{Up, posthaste, run, stderr, stdout};

fn json(text: &str) -> serde_json::Value {
    serde_json::from_str(text).expect("JSON")
}

#[test]
fn help_is_success_and_wrong_usage_is_2() {
    let dir = tempfile::tempdir().unwrap();
    let help = run(dir.path(), &["--help"]);
    assert!(help.status.success());
    assert!(stdout(&help).contains("Exit codes:"));
    for wrong in [&["--nope"][..], &["up", "--adr", "x"], &["tasks", "get", "not-an-id"], &[]] {
        assert_eq!(run(dir.path(), wrong).status.code(), Some(2), "{wrong:?}");
    }
}

#[test]
fn configuration_is_shown_with_its_sources() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(
        dir.path().join("posthaste.toml"),
        "concurrency = 3\nlog = \"json\"\nsmtp_url = \"smtps://u:hunter2@mail.example.com\"\nemail_from = \"a@example.com\"\n\
         [providers.news]\nurl = \"smtps://u:hunter3@news.example.com\"\n",
    )
    .unwrap();
    let out = posthaste(dir.path(), &["config", "--json", "--concurrency", "5"])
        .env("POSTHASTE_CONCURRENCY", "4")
        .env("POSTHASTE_ADDR", "127.0.0.1:7777")
        .output()
        .unwrap();
    assert!(out.status.success(), "{}", stderr(&out));
    let text = stdout(&out);
    assert!(!text.contains("hunter"), "secrets are masked: {text}");
    let v = json(&text);
    let of = |key: &str| {
        (v[key]["value"].as_str().unwrap().to_owned(), v[key]["source"].as_str().unwrap().to_owned())
    };
    assert_eq!(of("concurrency"), ("5".into(), "flag".into()));
    assert_eq!(of("addr"), ("127.0.0.1:7777".into(), "environment".into()));
    assert_eq!(of("log"), ("json".into(), "posthaste.toml".into()));
    assert_eq!(of("shutdown_grace"), ("25s".into(), "default".into()));
    assert_eq!(of("smtp_url").0, "smtps://…:…@mail.example.com:465");
    assert_eq!(of("providers.news").0, "smtps://…:…@news.example.com:465");
}

#[test]
fn a_configuration_that_cannot_be_used_is_2_and_says_why() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("bad.toml"), "concurency = 3").unwrap();
    for (args, says) in [
        (&["up", "--config", "bad.toml"][..], "did you mean `concurrency`?"),
        (&["up", "--addr", "0.0.0.0:0"], "POSTHASTE_AUTH=off"),
        (&["up", "--concurrency", "many"], "must be a whole number from 1 to 10000"),
        (&["up", "--sandbox", "perhaps"], "recipient pattern"),
        (&["up", "--smtp-url", "http://u:hunter2@h"], "smtp"),
        (&["config", "--shutdown-grace", "soon"], "duration"),
    ] {
        let out = run(dir.path(), args);
        assert_eq!(out.status.code(), Some(2), "{args:?}: {}", stderr(&out));
        assert!(stderr(&out).contains(says), "{args:?}: {}", stderr(&out));
        assert!(!stderr(&out).contains("hunter2"), "{}", stderr(&out));
    }
    let missing = run(dir.path(), &["config", "--config", "nowhere.toml"]);
    assert_eq!(missing.status.code(), Some(1));
    assert!(stderr(&missing).contains("nowhere.toml cannot be read"));
}

#[test]
fn an_unknown_variable_is_a_warning() {
    let dir = tempfile::tempdir().unwrap();
    let out = posthaste(dir.path(), &["config"]).env("POSTHASTE_PORT", "tcp://10.0.0.1:80").output().unwrap();
    assert!(out.status.success());
    assert!(stderr(&out).contains("POSTHASTE_PORT is no setting of ours"), "{}", stderr(&out));
}

#[test]
fn every_setting_is_listed() {
    let dir = tempfile::tempdir().unwrap();
    let out = run(dir.path(), &["config", "--list", "--json"]);
    let v = json(&stdout(&out));
    assert!(v.as_array().unwrap().iter().any(|s| s["env"] == "POSTHASTE_ADDR" && s["flag"] == "--addr"));
    let text = stdout(&run(dir.path(), &["config", "--list"]));
    for (kind, key) in [("smtp", "ca_file"), ("slack", "token"), ("telegram", "chat"), ("twilio", "account")]
    {
        let named = format!("providers.<name>.{key}");
        assert!(v.as_array().unwrap().iter().any(|s| s["key"] == named && s["type"] == kind), "{v}");
        assert!(text.contains(&format!("{named}  (type {kind}")), "{text}");
    }
    assert!(
        text.contains("without `type`") && text.contains("token_file") && text.contains("${NAME}"),
        "{text}"
    );
}

#[test]
fn a_client_verb_does_not_need_the_secrets_of_the_server() {
    let dir = tempfile::tempdir().unwrap();
    let up = Up::start(dir.path(), &[]);
    std::fs::write(
        dir.path().join("posthaste.toml"),
        "[providers.a]\nurl = \"smtps://u:${A_VARIABLE_THAT_IS_NOT_SET}@h.test\"\nfrom = \"a@h.test\"\n\
         [providers.b]\ntype = \"telegram\"\ntoken_file = \"/nowhere/at/all\"\n",
    )
    .unwrap();
    for verb in
        [&["tasks", "list"][..], &["health"], &["send", "dev@example.com", "-m", "x"], &["queues", "list"]]
    {
        let out = run(dir.path(), &[verb, &["--server", &up.url]].concat());
        assert_eq!(out.status.code(), Some(0), "{verb:?}: {}", stderr(&out));
    }
    let elsewhere = tempfile::tempdir().unwrap();
    let file = dir.path().join("posthaste.toml");
    for (verb, code) in [("up", 2), ("config", 2), ("doctor", 1)] {
        let out = run(elsewhere.path(), &[verb, "--config", file.to_str().unwrap()]);
        let told = format!("{}{}", stdout(&out), stderr(&out));
        assert_eq!(out.status.code(), Some(code), "{verb}: {told}");
        assert!(told.contains("A_VARIABLE_THAT_IS_NOT_SET"), "{verb}: {told}");
        let set = posthaste(elsewhere.path(), &[verb, "--config", file.to_str().unwrap()])
            .env("A_VARIABLE_THAT_IS_NOT_SET", "hunter2")
            .output()
            .unwrap();
        let told = format!("{}{}", stdout(&set), stderr(&set));
        assert_eq!(set.status.code(), Some(code), "{verb}: {told}");
        assert!(told.contains("/nowhere/at/all") && !told.contains("hunter2"), "{verb}: {told}");
    }
}

#[test]
fn without_a_server_the_exit_code_is_3() {
    let dir = tempfile::tempdir().unwrap();
    let closed = ClosedPort::take();
    let server = closed.url();
    for args in [
        &["send", "dev@example.com", "--server", &server][..],
        &["tasks", "list", "--server", &server],
        &["health", "--server", &server],
    ] {
        let out = run(dir.path(), args);
        assert_eq!(out.status.code(), Some(3), "{args:?}: {}", stderr(&out));
        assert!(stderr(&out).contains("posthaste up"), "{}", stderr(&out));
    }
    let bad = run(dir.path(), &["send", "not-an-address", "--server", &server]);
    assert_eq!(bad.status.code(), Some(2), "{}", stderr(&bad));
}

#[test]
fn a_reader_that_went_away_is_success() {
    let dir = tempfile::tempdir().unwrap();
    let mut child =
        posthaste(dir.path(), &["openapi"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // Larger than a pipe holds, so it is still writing, or has not begun, when the reader goes.
    drop(child.stdout.take());
    let out = child.wait_with_output().unwrap();
    assert_eq!(out.status.code(), Some(0), "{}", stderr(&out));
}

#[test]
fn openapi_and_completions_are_printed() {
    let dir = tempfile::tempdir().unwrap();
    let openapi = json(&stdout(&run(dir.path(), &["openapi"])));
    assert!(openapi["paths"].as_object().is_some_and(|p| p.keys().any(|k| k.starts_with("/v1/tasks"))));
    for shell in ["bash", "zsh", "fish"] {
        let script = stdout(&run(dir.path(), &["completions", shell]));
        assert!(script.contains("posthaste"), "{shell}");
    }
}
