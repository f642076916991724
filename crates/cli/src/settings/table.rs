//! Every setting as data: this table drives the flags, the environment, the keys of posthaste.toml,
//! `posthaste config --list` and docs/CONFIGURATION.md.

/// Who uses a setting, and so which verbs take its flag. `doctor` and `config` take all of them but
/// the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Group {
    /// Every process: `up`, `api`, `worker`.
    Process,
    /// Who serves the API: `up`, `api`.
    Http,
    /// Who runs tasks: `up`, `worker`.
    Runner,
    /// `up` alone: its embedded store.
    Embedded,
    /// `worker` alone: its own small server.
    WorkerHttp,
    /// The verbs that talk to a running server.
    Client,
}

impl Group {
    /// The processes that use it, for the page.
    #[cfg(test)]
    fn users(self) -> &'static str {
        match self {
            Self::Process => "`up`, `api`, `worker`",
            Self::Http => "`up`, `api`",
            Self::Runner => "`up`, `worker`",
            Self::Embedded => "`up`",
            Self::WorkerHttp => "`worker`",
            Self::Client => "the other verbs",
        }
    }
}

/// One setting.
#[derive(Debug)]
pub(crate) struct Setting {
    /// Its key in posthaste.toml, and its flag with `-` for `_`.
    pub(crate) key: &'static str,
    /// Its name in the environment.
    pub(crate) env: &'static str,
    /// What holds when nobody sets it; empty is "not set".
    pub(crate) default: &'static str,
    /// What its value is: `address`, `duration`, `one of text, json` …
    pub(crate) unit: &'static str,
    /// What it does.
    pub(crate) doc: &'static str,
    /// Whether its value must not be shown.
    pub(crate) secret: bool,
    /// Who uses it.
    pub(crate) group: Group,
}

const fn process(
    key: &'static str,
    env: &'static str,
    default: &'static str,
    unit: &'static str,
    doc: &'static str,
) -> Setting {
    Setting { key, env, default, unit, doc, secret: false, group: Group::Process }
}

impl Setting {
    /// A secret.
    const fn hidden(self) -> Self {
        Self { secret: true, ..self }
    }

    const fn of(self, group: Group) -> Self {
        Self { group, ..self }
    }
}

/// The table.
pub(crate) const SETTINGS: &[Setting] = &[
    process(
        "addr",
        "POSTHASTE_ADDR",
        "127.0.0.1:8000",
        "address:port",
        "Where the server listens. Any other address than loopback needs an API key: one in api_keys, or one made before with `posthaste keys create`.",
    )
    .of(Group::Http),
    process(
        "worker_addr",
        "POSTHASTE_WORKER_ADDR",
        "127.0.0.1:8001",
        "address:port or off",
        "Where the worker answers /healthz, /readyz and /metrics. They hold no task and no address of anybody, but let nobody reach them who need not.",
    )
    .of(Group::WorkerHttp),
    process(
        "data_dir",
        "POSTHASTE_DATA_DIR",
        "./posthaste-data",
        "directory",
        "Where the embedded store lives. One process at a time.",
    )
    .of(Group::Embedded),
    process(
        "store",
        "POSTHASTE_STORE",
        "",
        "URL",
        "The store: sqlite: (in data_dir), sqlite:<directory>, or a Redis URL. Comes before redis_url. Unless either is set: sqlite:",
    )
    .hidden(),
    process(
        "redis_url",
        "REDIS_URL",
        "",
        "URL",
        "Redis or Valkey: redis://user:password@host:6379/0, rediss:// (TLS; ?ca=/path/to/ca.pem at the end names an authority of your own, or the server's own certificate), redis+sentinel://host:26379,host:26379/service/0, redis+cluster://host:6379,host:6379, redis+unix:///path.",
    )
    .hidden(),
    process(
        "redis_password",
        "POSTHASTE_REDIS_PASSWORD",
        "",
        "password",
        "The password of a Redis URL that names none, as it is (not percent-encoded): so the URL need not be a secret, and the password is changed in one place.",
    )
    .hidden(),
    process(
        "namespace",
        "POSTHASTE_NAMESPACE",
        "posthaste",
        "name",
        "The prefix of every key in Redis: installations with namespaces of their own share one Redis without meeting.",
    ),
    process(
        "shards",
        "POSTHASTE_SHARDS",
        "",
        "1 to 1024",
        "Into how many parts a namespace is divided when it is first used; kept in Redis, and a process that says otherwise does not start. Unless set: what is kept there, and of a new namespace 1 on a single server, 64 on a Cluster.",
    ),
    process(
        "durability",
        "POSTHASTE_DURABILITY",
        "acknowledged",
        "acknowledged or replicated",
        "What an accepted task has behind it in Redis. acknowledged: the server has it, as safe as its persistence. replicated: a replica has it, too, else the answer is 503.",
    ),
    process(
        "allow_eviction",
        "POSTHASTE_ALLOW_EVICTION",
        "off",
        "on or off",
        "Start although Redis may throw away any key when its memory is full (maxmemory-policy allkeys-*): accepted tasks can then be lost.",
    ),
    process(
        "smtp_url",
        "POSTHASTE_SMTP_URL",
        "",
        "URL",
        "The e-mail provider named default: smtp://user:password@host:587 (STARTTLS), smtps:// (TLS).",
    )
    .hidden(),
    process(
        "email_from",
        "POSTHASTE_EMAIL_FROM",
        "",
        "mailbox",
        "The sender of e-mail, for example Posthaste <noreply@example.com>.",
    ),
    process(
        "sandbox",
        "POSTHASTE_SANDBOX",
        "auto",
        "auto, on, off or patterns",
        "Hold messages instead of sending them. auto: while no provider is configured and the server listens on loopback (of worker: its Redis is on loopback). A list such as *@example.com,qa@corp.test holds those recipients alone.",
    ),
    process(
        "allow_cidrs",
        "POSTHASTE_ALLOW_CIDRS",
        "",
        "list of ranges",
        "Addresses that webhooks, http tasks, callbacks and chats may call although they are private or this machine's, for example 10.0.0.0/8. Unless set: public addresses only.",
    ),
    process(
        "ca_file",
        "POSTHASTE_CA_FILE",
        "",
        "file",
        "Certificates, as PEM, that HTTPS trusts beside the public authorities: those of authorities of your own, or a server's own, also one that signs itself. For webhooks, http tasks, callbacks and chats, and for the verbs that talk to a server.",
    ),
    process(
        "signing_secret",
        "POSTHASTE_SIGNING_SECRET",
        "",
        "whsec_…",
        "What signs http tasks, callbacks, webhooks to plain URLs and unsubscribe links. Unless set: one that is made at first use and kept in the store; `posthaste signing` shows and rotates it.",
    )
    .hidden(),
    process(
        "auth",
        "POSTHASTE_AUTH",
        "on",
        "on or off",
        "off: nobody is asked for an API key, whatever keys there are, and anybody who reaches the address may do everything. The pages and the log say so.",
    )
    .of(Group::Http),
    process(
        "api_keys",
        "POSTHASTE_API_KEYS",
        "",
        "list of name:scopes:secret",
        "API keys that exist as long as they are set here, beside those of the store: ops:admin:SECRET,shop:send+read@acme:SECRET. Scopes are send, read and admin, @acme binds a key to that tenant, and a secret has 32 visible ASCII characters at least and no comma.",
    )
    .of(Group::Http)
    .hidden(),
    process(
        "sign_in_limit",
        "POSTHASTE_SIGN_IN_LIMIT",
        "20",
        "attempts a minute, 0 for no limit",
        "How often one address may sign in, or call, with a key that is not good; then it waits (429).",
    )
    .of(Group::Http),
    process(
        "trusted_proxies",
        "POSTHASTE_TRUSTED_PROXIES",
        "",
        "list of addresses or networks",
        "Proxies in front of the server, 10.0.0.5,192.168.0.0/16: of them alone Forwarded and X-Forwarded-For are believed.",
    )
    .of(Group::Http),
    process(
        "max_connections",
        "POSTHASTE_MAX_CONNECTIONS",
        "",
        "connections, 1 to 1000000",
        "How many connections the listener keeps at once; 16 more are let in for /healthz and /readyz alone. Unless set: three quarters of the descriptors that the process may open (ulimit -n), at most 20000; the others are for the store and for what is sent.",
    ),
    process(
        "max_connections_per_address",
        "POSTHASTE_MAX_CONNECTIONS_PER_ADDRESS",
        "",
        "connections, 1 to 1000000",
        "How many of them one address may hold, of IPv6 one /64. This machine and trusted_proxies are bounded by max_connections alone. Unless set: a quarter of max_connections.",
    ),
    process(
        "open_notify",
        "POSTHASTE_OPEN_NOTIFY",
        "false",
        "true or false",
        "Ask for no API key on /notify and /task_status, and let pages of any origin send by POST /notify while a provider is configured.",
    )
    .of(Group::Http),
    process(
        "cors_origins",
        "POSTHASTE_CORS_ORIGINS",
        "*",
        "* or list of origins",
        "Origins whose pages may read /notify, /task_status and /health.",
    )
    .of(Group::Http),
    process(
        "public_url",
        "POSTHASTE_PUBLIC_URL",
        "",
        "URL",
        "How people reach the server, when a proxy serves it to them: its host is accepted beside loopback's, links in messages begin with it, and with https:// the session cookie of the pages goes over nothing else. With base_path it ends in that path.",
    )
    .of(Group::Http),
    process(
        "base_path",
        "POSTHASTE_BASE_PATH",
        "",
        "path",
        "The path under which all of it is served, where a proxy shares one host among several programs: /posthaste. The proxy passes paths on as they are. /healthz and /readyz are answered at the root, too; public_url, if it is set, ends in this path.",
    )
    .of(Group::Http),
    process(
        "queues",
        "POSTHASTE_QUEUES",
        "default",
        "list of name or name=weight",
        "The queues that the worker serves; one of weight 3 is served three times as often as one of weight 1.",
    )
    .of(Group::Runner),
    process("concurrency", "POSTHASTE_CONCURRENCY", "64", "tasks, 1 to 10000", "How many tasks run at once.")
    .of(Group::Runner),
    process(
        "shutdown_grace",
        "POSTHASTE_SHUTDOWN_GRACE",
        "25s",
        "duration",
        "How long running attempts may go on after SIGTERM or SIGINT; a second signal ends it at once.",
    )
    .of(Group::Runner),
    process(
        "retain_succeeded",
        "POSTHASTE_RETAIN_SUCCEEDED",
        "24h",
        "duration",
        "How long succeeded, cancelled and expired tasks are kept.",
    ),
    process(
        "retain_succeeded_count",
        "POSTHASTE_RETAIN_SUCCEEDED_COUNT",
        "1000000",
        "tasks",
        "How many of them are kept at most.",
    ),
    process("retain_failed", "POSTHASTE_RETAIN_FAILED", "14d", "duration", "How long failed tasks are kept."),
    process(
        "retain_failed_count",
        "POSTHASTE_RETAIN_FAILED_COUNT",
        "100000",
        "tasks",
        "How many of them are kept at most.",
    ),
    process(
        "threads",
        "POSTHASTE_THREADS",
        "2",
        "threads, 1 to 64",
        "Threads that serve requests and run tasks; the store and the lease keeper have their own.",
    ),
    process(
        "log",
        "POSTHASTE_LOG",
        "text",
        "text or json",
        "The form of the log, which goes to standard error.",
    ),
    process(
        "log_level",
        "RUST_LOG",
        "info",
        "filter",
        "What is logged: error, warn, info, debug, trace, or a filter such as posthaste=debug.",
    ),
    process(
        "metrics_emf",
        "POSTHASTE_METRICS_EMF",
        "off",
        "on or off",
        "Print what CloudWatch needs for alarms and scaling on standard output once a minute, in its Embedded Metric Format: backlog, its age, workers, failed deliveries. Needs no agent.",
    ),
    process(
        "otlp_endpoint",
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "",
        "URL",
        "Where traces go: the base address of a collector that takes OTLP over HTTP, for example http://127.0.0.1:4318; /v1/traces is appended. Unless set: nowhere.",
    ),
    process(
        "otlp_headers",
        "OTEL_EXPORTER_OTLP_HEADERS",
        "",
        "list of name=value",
        "Headers for the collector, such as its key; values percent-encoded.",
    )
    .hidden(),
    process(
        "service_name",
        "OTEL_SERVICE_NAME",
        "posthaste",
        "name",
        "What this process is called in traces.",
    ),
    process(
        "traces_sampler",
        "OTEL_TRACES_SAMPLER",
        "parentbased_always_on",
        "sampler",
        "Which traces are recorded: always_on, always_off, traceidratio, or one of them after parentbased_, which leaves the decision to the caller's traceparent if there is one.",
    ),
    process(
        "traces_sampler_arg",
        "OTEL_TRACES_SAMPLER_ARG",
        "",
        "share, 0 to 1",
        "The share of traces that traceidratio records; unless set, all.",
    ),
    process(
        "server",
        "POSTHASTE_SERVER",
        "",
        "URL",
        "The server that the verbs talk to. Unless set: http:// and addr.",
    )
    .of(Group::Client),
    process(
        "key",
        "POSTHASTE_KEY",
        "",
        "API key",
        "The key that these verbs send, once the server asks for one. It has no flag: the arguments of a process are seen by everybody on its machine.",
    )
    .of(Group::Client)
    .hidden(),
    process(
        "key_file",
        "POSTHASTE_KEY_FILE",
        "",
        "file",
        "A file that holds the key instead. Named by its flag, it comes before key; else after it.",
    )
    .of(Group::Client),
];

/// The setting of a key.
pub(crate) fn setting(key: &str) -> &'static Setting {
    SETTINGS.iter().find(|s| s.key == key).expect("keys named in code are in the table (tested by use)")
}

impl Setting {
    /// Its flag, without the dashes.
    pub(crate) fn flag(&self) -> String {
        self.key.replace('_', "-")
    }

    /// Its flag as it is typed, or a dash for a setting that must not be an argument.
    pub(crate) fn shown_flag(&self) -> String {
        if self.key == "key" { "–".to_owned() } else { format!("--{}", self.flag()) }
    }
}

/// The page docs/CONFIGURATION.md.
#[cfg(test)]
pub(crate) fn markdown() -> String {
    use std::fmt::Write;
    let mut out = String::from(
        "<!-- Generated from crates/cli/src/settings/table.rs by `UPDATE_DOCS=1 cargo test -p posthaste-cli configuration`. Do not edit. -->\n\
         # Configuration\n\n\
         Flags come before the environment, the environment before `posthaste.toml`, the file before the defaults.\n\
         The file is `./posthaste.toml`, or the one that `--config` or `POSTHASTE_CONFIG` names. `posthaste config` prints\n\
         what is in force and where it came from, secrets masked.\n\n\
         An unknown key in the file, also of a provider, is an error that names the nearest known one. An unknown `POSTHASTE_…` variable is a\n\
         warning, because Kubernetes sets some of its own.\n\n\
         A duration is a number with `ms`, `s`, `m`, `h` or `d`: `90s`, `1h`.\n\n\
         `up`, `api` and `worker` take the flags of the settings that they use; variables and keys that another of them uses\n\
         are read and left aside, so that all may share one environment and one file. The verbs that talk to a server need\n\
         none of its secrets: the variables and files that providers name are asked for by who sends with them.\n\n\
         | key | environment | flag | default | value | used by | what it does |\n| --- | --- | --- | --- | --- | --- | --- |\n",
    );
    for s in SETTINGS {
        let default = if s.default.is_empty() { "–".to_owned() } else { format!("`{}`", s.default) };
        let secret = if s.secret { " Secret: never printed." } else { "" };
        let (key, env, flag, unit, users) = (s.key, s.env, s.shown_flag(), s.unit, s.group.users());
        let _ = writeln!(
            out,
            "| `{key}` | `{env}` | `{flag}` | {default} | {unit} | {users} | {}{secret} |",
            s.doc.replace('|', "\\|").replace('<', "&lt;")
        );
    }
    provider_keys(&mut out);
    out
}

/// What the tables of providers hold.
#[cfg(test)]
fn provider_keys(out: &mut String) {
    use std::fmt::Write;
    out.push_str(
        "\n## Providers\n\n\
         `smtp_url` is the e-mail provider named `default`. More go into the file, and so does every provider of another channel,\n\
         each in a table of its own. `type` says which it is; a table without one is an SMTP server. A notification chooses a\n\
         provider by its `provider` field, and each is a lane that is paused on its own.\n\n\
         ```toml\n\
         [providers.marketing]\n\
         url = \"smtps://user:${MARKETING_PASSWORD}@smtp.example.com\"\n\
         from = \"News <news@example.com>\"\n\n\
         [providers.ops]\n\
         type = \"slack\"\n\
         token_file = \"/run/secrets/slack_token\"\n\
         channel = \"#ops\"\n\
         ```\n\n\
         In any value `${NAME}` stands for a variable of the environment. Instead of a secret its file may be named:\n\
         `token_file` for `token`, `url_file` for `url`; the white space around what it holds is left out. A variable that is\n\
         not set, or a file that cannot be read, is an error of the processes that send, and of `config` and `doctor`.\n\n\
         | type | key | needed | what it is |\n| --- | --- | --- | --- |\n",
    );
    for k in super::providers::listed() {
        let (needed, secret) = (if k.required { "yes" } else { "" }, if k.secret { " Secret." } else { "" });
        let doc = k.doc.replace('|', "\\|").replace('<', "&lt;");
        let _ = writeln!(out, "| `{}` | `{}` | {needed} | {doc}.{secret} |", k.kind, k.key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn configuration_page_is_up_to_date() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/CONFIGURATION.md");
        let page = markdown();
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(path, &page).expect("docs/ is writable");
        }
        let stored = std::fs::read_to_string(path).unwrap_or_default();
        assert_eq!(
            stored, page,
            "docs/CONFIGURATION.md is stale: run UPDATE_DOCS=1 cargo test -p posthaste-cli configuration"
        );
    }

    #[test]
    fn no_two_settings_share_a_name() {
        for (i, a) in SETTINGS.iter().enumerate() {
            for b in &SETTINGS[i + 1..] {
                assert!(a.key != b.key && a.env != b.env, "{} and {}", a.key, b.key);
            }
        }
    }
}
