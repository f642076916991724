//! Finds the value in force of every setting, and where it came from. Pure: flags, environment and
//! file are arguments.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use super::table::SETTINGS;

/// Variables of ours that are not settings.
const OTHER_ENV: &[&str] = &["POSTHASTE_CONFIG"];

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    /// A flag.
    Flag,
    /// The environment variable of the setting.
    Environment,
    /// The file.
    File(PathBuf),
    /// Nobody set it.
    Default,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag => f.write_str("flag"),
            Self::Environment => f.write_str("environment"),
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Default => f.write_str("default"),
        }
    }
}

/// A value in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Value {
    /// As text.
    pub(crate) text: String,
    /// Where it came from.
    pub(crate) source: Source,
}

/// A `[providers.<name>]` table: its type and the other keys, as they are written.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct ProviderTable {
    /// What it is: one of [`super::providers::TYPES`].
    pub(crate) kind: &'static str,
    /// Its keys; some of them are secrets.
    pub(crate) values: BTreeMap<String, String>,
    /// The file that it is in.
    pub(crate) from: String,
}

impl ProviderTable {
    /// The same with what its values stand for: files read, variables filled in. Only a process that sends needs that.
    ///
    /// # Errors
    /// The key whose file or variable is not there.
    pub(crate) fn resolved(&self, name: &str) -> Result<Self, ConfigError> {
        let value = |(key, value): (&String, &String)| {
            super::providers::resolve(key, value).map_err(|problem| ConfigError::Value {
                name: format!("providers.{name}.{key}"),
                value: "…".into(),
                from: self.from.clone(),
                problem,
            })
        };
        let values = self.values.iter().map(value).collect::<Result<_, _>>()?;
        Ok(Self { kind: self.kind, values, from: self.from.clone() })
    }
}

impl std::fmt::Debug for ProviderTable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ProviderTable").field("kind", &self.kind).finish_non_exhaustive()
    }
}

/// What is in force.
#[derive(Debug, Clone, Default)]
pub(crate) struct Settings {
    values: BTreeMap<&'static str, Value>,
    /// Providers of the file, by name.
    pub(crate) providers: BTreeMap<String, ProviderTable>,
    /// What a person should know, one sentence each.
    pub(crate) warnings: Vec<String>,
    /// Secrets that were given as flags, one sentence each.
    pub(crate) exposed: Vec<String>,
}

/// What settings are read from.
#[derive(Debug, Default)]
pub(crate) struct Inputs<'a> {
    /// Flags by key.
    pub(crate) flags: BTreeMap<&'static str, String>,
    /// The environment.
    pub(crate) env: BTreeMap<String, String>,
    /// The file and its text.
    pub(crate) file: Option<(&'a Path, &'a str)>,
}

/// Why the configuration was refused.
#[derive(Debug, Clone, thiserror::Error, PartialEq, Eq)]
pub(crate) enum ConfigError {
    /// The file is not TOML.
    #[error("{path}: {problem}")]
    Syntax {
        /// The file.
        path: String,
        /// What the parser says.
        problem: String,
    },
    /// A key that does not exist.
    #[error("{path}: unknown key `{key}`; {}", hint.as_deref().unwrap_or(EVERY_KEY))]
    UnknownKey {
        /// The file.
        path: String,
        /// The key.
        key: String,
        /// What may have been meant.
        hint: Option<String>,
    },
    /// A value of the wrong shape.
    #[error("{name} = {value:?} ({from}): {problem}")]
    Value {
        /// The setting.
        name: String,
        /// What was given; secrets masked.
        value: String,
        /// Where it came from.
        from: String,
        /// What is wanted.
        problem: String,
    },
    /// A process that shares its store with others was not told which.
    #[error(
        "`posthaste {verb}` shares its store with other processes, and REDIS_URL is not set: set it, for example \
         REDIS_URL=redis://127.0.0.1:6379/0. Without Redis, run `posthaste up`: API, worker and store in one process"
    )]
    NoSharedStore {
        /// What was started.
        verb: &'static str,
    },
}

const EVERY_KEY: &str = "`posthaste config --list` shows every key";

fn did_you_mean(key: impl std::fmt::Display) -> String {
    format!("did you mean `{key}`?")
}

impl Settings {
    /// The value of a key of the table; empty when it is not set.
    pub(crate) fn text(&self, key: &str) -> &str {
        &self.value(key).text
    }

    /// The value of a key of the table and where it came from.
    pub(crate) fn value(&self, key: &str) -> &Value {
        self.values.get(key).expect("every key of the table has a value, if an empty one")
    }

    /// An error about the value of a key.
    pub(crate) fn refuse(&self, key: &str, problem: impl Into<String>) -> ConfigError {
        let s = super::table::setting(key);
        let value = self.value(key);
        ConfigError::Value {
            name: if value.source == Source::Environment { s.env } else { s.key }.to_owned(),
            value: if s.secret { "…".to_owned() } else { value.text.clone() },
            from: value.source.to_string(),
            problem: problem.into(),
        }
    }
}

/// Flags over environment over file over defaults.
///
/// # Errors
/// [`ConfigError`]: an unknown key in the file, or a value that is not text, a number or a list.
pub(crate) fn resolve(inputs: &Inputs<'_>) -> Result<Settings, ConfigError> {
    let mut out = Settings::default();
    let mut from_file = BTreeMap::new();
    if let Some((path, text)) = inputs.file {
        read_file(path, text, &mut from_file, &mut out)?;
    }
    for s in SETTINGS {
        let pick = |text: &String, source| Value { text: text.clone(), source };
        // An empty variable is an unset one: that is how compose files and shells clear a value.
        let env = inputs.env.get(s.env).filter(|v| !v.is_empty());
        let value = inputs
            .flags
            .get(s.key)
            .map(|v| pick(v, Source::Flag))
            .or_else(|| env.map(|v| pick(v, Source::Environment)))
            .or_else(|| from_file.remove(s.key))
            .unwrap_or_else(|| Value { text: s.default.to_owned(), source: Source::Default });
        if value.source == Source::Flag && s.secret && is_secret(&value.text) {
            out.exposed.push(format!(
                "--{} holds a secret, and every user of this machine sees the arguments of a process: set {} or posthaste.toml instead",
                s.flag(),
                s.env
            ));
        }
        out.values.insert(s.key, value);
    }
    for name in inputs.env.keys().filter(|n| n.starts_with("POSTHASTE_")) {
        let known = SETTINGS.iter().any(|s| s.env == name) || OTHER_ENV.contains(&name.as_str());
        if !known {
            let near = nearest(name, SETTINGS.iter().map(|s| s.env));
            let hint = near.map_or_else(String::new, |n| format!("; did you mean {n}?"));
            out.warnings.push(format!("the environment variable {name} is no setting of ours{hint}"));
        }
    }
    Ok(out)
}

/// Whether the value of a setting that may hold a secret does: of a URL, its password.
fn is_secret(text: &str) -> bool {
    let Some((_, rest)) = text.split_once("://") else {
        return !text.is_empty() && !text.starts_with("sqlite:");
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    authority.rsplit_once('@').is_some_and(|(user, _)| user.contains(':'))
}

fn read_file(
    path: &Path,
    text: &str,
    values: &mut BTreeMap<&'static str, Value>,
    out: &mut Settings,
) -> Result<(), ConfigError> {
    let shown = path.display().to_string();
    let table: toml::Table = text
        .parse()
        .map_err(|e| ConfigError::Syntax { path: shown.clone(), problem: where_and_what(&e, text) })?;
    for (key, value) in &table {
        if key == "providers" {
            out.providers = read_providers(&shown, value)?;
            continue;
        }
        let Some(s) = SETTINGS.iter().find(|s| s.key == key) else {
            let known = SETTINGS.iter().map(|s| s.key).chain(["providers"]);
            return Err(ConfigError::UnknownKey {
                path: shown,
                key: key.clone(),
                hint: nearest(key, known).map(did_you_mean),
            });
        };
        let text = plain(value).ok_or_else(|| ConfigError::Value {
            name: key.clone(),
            value: if s.secret { "…".to_owned() } else { value.type_str().to_owned() },
            from: shown.clone(),
            problem: format!("must be {}", s.unit),
        })?;
        values.insert(s.key, Value { text, source: Source::File(path.to_owned()) });
    }
    Ok(())
}

/// What the parser says, and where. Its own `Display` shows the line, which may hold a secret.
fn where_and_what(error: &toml::de::Error, text: &str) -> String {
    let message = error.message().replace('\n', ", ");
    let Some(before) = error.span().and_then(|span| text.get(..span.start)) else { return message };
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    format!("line {line}, column {column}: {message}")
}

fn read_providers(path: &str, value: &toml::Value) -> Result<BTreeMap<String, ProviderTable>, ConfigError> {
    let wrong = |name: String, problem: String| ConfigError::Value {
        name,
        value: "…".into(),
        from: path.to_owned(),
        problem,
    };
    let tables = value
        .as_table()
        .ok_or_else(|| wrong("providers".into(), "must hold tables: [providers.<name>]".into()))?;
    let mut out = BTreeMap::new();
    for (name, provider) in tables {
        let full = format!("providers.{name}");
        let table = provider.as_table().ok_or_else(|| wrong(full.clone(), "must be a table".into()))?;
        let text = |key: &str| table.get(key).and_then(toml::Value::as_str);
        let kind = super::providers::kind(text("type").unwrap_or(super::providers::DEFAULT_TYPE))
            .map_err(|problem| wrong(format!("{full}.type"), problem))?;
        let known = super::providers::keys(kind);
        let mut values = BTreeMap::new();
        for (key, value) in table.iter().filter(|(key, _)| *key != "type") {
            if !known.iter().any(|k| k == key) {
                return Err(ConfigError::UnknownKey {
                    path: path.to_owned(),
                    key: format!("{full}.{key}"),
                    hint: Some(provider_hint(&full, kind, key, &known)),
                });
            }
            let value = plain(value)
                .ok_or_else(|| wrong(format!("{full}.{key}"), "must be text or a number".into()))?;
            values.insert(key.clone(), value);
        }
        if let Some(key) = super::providers::twice(kind, &values) {
            return Err(wrong(format!("{full}.{key}"), format!("is set by {key}_file, too; remove one")));
        }
        out.insert(name.clone(), ProviderTable { kind, values, from: path.to_owned() });
    }
    Ok(out)
}

/// What may have been meant by a key that a provider of this type does not have.
fn provider_hint(full: &str, kind: &str, key: &str, known: &[String]) -> String {
    if let Some(near) = nearest(key, known.iter().map(String::as_str)) {
        return did_you_mean(format!("{full}.{near}"));
    }
    match super::providers::types_with(key).as_slice() {
        [] => format!("a provider of type {kind} has {}", known.join(", ")),
        types => format!("it is a key of type {}; this one is {kind}: set {full}.type", types.join(", ")),
    }
}

/// A scalar as text; a list of scalars joined by commas.
fn plain(value: &toml::Value) -> Option<String> {
    match value {
        toml::Value::String(s) => Some(s.clone()),
        toml::Value::Integer(i) => Some(i.to_string()),
        toml::Value::Float(f) => Some(f.to_string()),
        toml::Value::Boolean(b) => Some(b.to_string()),
        toml::Value::Array(items) => {
            items.iter().map(plain).collect::<Option<Vec<_>>>().map(|parts| parts.join(","))
        }
        toml::Value::Datetime(_) | toml::Value::Table(_) => None,
    }
}

/// The most similar of `known`, if any is similar at all.
fn nearest<'k>(word: &str, known: impl Iterator<Item = &'k str>) -> Option<&'k str> {
    known
        .map(|k| (strsim::jaro_winkler(word, k), k))
        .filter(|(score, _)| *score > 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, k)| k)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn env(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    }

    fn file(text: &str) -> Inputs<'_> {
        Inputs { file: Some((Path::new("posthaste.toml"), text)), ..Inputs::default() }
    }

    #[test]
    fn flags_beat_environment_beats_file_beats_default() {
        let mut inputs = file("addr = \"127.0.0.1:3\"\nconcurrency = 3\nlog = \"json\"");
        inputs.env = env(&[("POSTHASTE_ADDR", "127.0.0.1:2"), ("POSTHASTE_CONCURRENCY", "2")]);
        inputs.flags = BTreeMap::from([("addr", "127.0.0.1:1".to_owned())]);
        let s = resolve(&inputs).expect("valid");
        let of = |key| (s.text(key), s.value(key).source.clone());
        assert_eq!(of("addr"), ("127.0.0.1:1", Source::Flag));
        assert_eq!(of("concurrency"), ("2", Source::Environment));
        assert_eq!(of("log"), ("json", Source::File("posthaste.toml".into())));
        assert_eq!(of("shutdown_grace"), ("25s", Source::Default));
    }

    #[test]
    fn an_empty_variable_is_not_set() {
        let inputs = Inputs { env: env(&[("POSTHASTE_ADDR", "")]), ..Inputs::default() };
        assert_eq!(resolve(&inputs).expect("valid").value("addr").source, Source::Default);
    }

    #[test]
    fn an_unknown_key_in_the_file_names_the_nearest() {
        let error = resolve(&file("concurency = 3")).expect_err("refused");
        assert_eq!(
            error.to_string(),
            "posthaste.toml: unknown key `concurency`; did you mean `concurrency`?"
        );
        let error = resolve(&file("[providers.a]\nurll = \"smtp://x\"")).expect_err("refused");
        assert_eq!(
            error.to_string(),
            "posthaste.toml: unknown key `providers.a.urll`; did you mean `providers.a.url`?"
        );
        let error = resolve(&file("zzz = 3")).expect_err("refused");
        assert!(error.to_string().contains("config --list"), "{error}");
    }

    #[test]
    fn an_unknown_key_of_a_provider_names_the_nearest_or_what_there_is() {
        for (table, says) in [
            ("ca_fiel = 1", "did you mean `providers.a.ca_file`?"),
            ("frm = 1", "did you mean `providers.a.from`?"),
            (
                "password = 1",
                "a provider of type smtp has type, url, url_file, from, senders, ca_file, ehlo, connections",
            ),
            (
                "token = 1",
                "it is a key of type slack, telegram, ntfy, gotify, twilio; this one is smtp: set providers.a.type",
            ),
            ("token_file = 1", "slack"),
            ("type = \"slack\"\nchanel = 1", "did you mean `providers.a.channel`?"),
            ("type = \"web_push\"\nprivat_key_file = 1", "did you mean `providers.a.private_key_file`?"),
            ("type = \"twilio\"\nsid = 1", "a provider of type twilio has type, account, token"),
        ] {
            let error = resolve(&file(&format!("[providers.a]\n{table}"))).expect_err(table).to_string();
            assert!(error.contains(says), "{table}: {error}");
        }
    }

    #[test]
    fn what_a_provider_s_values_stand_for_is_asked_for_by_who_sends_alone() {
        for (table, names) in [
            (
                "url = \"smtps://u:${POSTHASTE_NOT_SET_AT_ALL}@h\"",
                ["providers.a.url", "POSTHASTE_NOT_SET_AT_ALL"],
            ),
            ("url_file = \"/nowhere/at/all\"", ["providers.a.url_file", "/nowhere/at/all"]),
            (
                "type = \"gotify\"\nurl = \"https://h\"\ntoken_file = \"/nowhere\"",
                ["providers.a.token_file", "/nowhere"],
            ),
        ] {
            let s = resolve(&file(&format!("[providers.a]\n{table}"))).expect(table);
            let error = s.providers["a"].resolved("a").expect_err(table).to_string();
            assert!(names.iter().all(|name| error.contains(name)), "{table}: {error}");
        }
        let twice = "[providers.a]\ntype = \"ntfy\"\ntoken = \"x\"\ntoken_file = \"/nowhere\"";
        let error = resolve(&file(twice)).expect_err("refused").to_string();
        assert!(error.contains("providers.a.token") && error.contains("token_file"), "{error}");
    }

    #[test]
    fn an_unknown_variable_is_a_warning() {
        let inputs = Inputs {
            env: env(&[("POSTHASTE_ADRR", "x"), ("POSTHASTE_CONFIG", "x"), ("OTHER", "x")]),
            ..Inputs::default()
        };
        let s = resolve(&inputs).expect("valid");
        assert_eq!(
            s.warnings,
            ["the environment variable POSTHASTE_ADRR is no setting of ours; did you mean POSTHASTE_ADDR?"]
        );
    }

    #[test]
    fn lists_and_providers_are_read() {
        let s = resolve(&file(
            "queues = [\"a=2\", \"b\"]\n[providers.news]\nurl = \"smtps://u:p@h\"\nfrom = \"N <n@h.test>\"",
        ))
        .expect("valid");
        assert_eq!(s.text("queues"), "a=2,b");
        assert_eq!(s.providers["news"].values["from"], "N <n@h.test>");
    }

    #[test]
    fn a_secret_among_the_arguments_is_told_without_itself() {
        let exposed = |key: &'static str, value: &str| {
            let flags = BTreeMap::from([(key, value.to_owned())]);
            resolve(&Inputs { flags, ..Inputs::default() }).expect("resolved").exposed
        };
        for (key, value) in [
            ("smtp_url", "smtps://user:hunter2@smtp.example.com"),
            ("smtp_url", "smtp://user:hunter2@smtp.example.com:587/?x=1"),
            ("redis_url", "redis://:hunter2@127.0.0.1/0"),
            ("redis_password", "hunter2"),
            ("signing_secret", "hunter2"),
            ("api_keys", "ops:admin:hunter2"),
        ] {
            let told = exposed(key, value);
            assert_eq!(told.len(), 1, "{key}");
            assert!(told[0].starts_with("--") && !told[0].contains("hunter2"), "{told:?}");
        }
        for (key, value) in [
            ("smtp_url", "smtp://smtp.example.com"),
            ("redis_url", "redis://127.0.0.1:6379/0?x=a:b@c"),
            ("addr", "127.0.0.1:8000"),
            ("redis_password", ""),
            ("store", "sqlite:/var/lib/posthaste"),
        ] {
            assert_eq!(exposed(key, value), Vec::<String>::new(), "{key} {value}");
        }
        let env = BTreeMap::from([("POSTHASTE_SIGNING_SECRET".to_owned(), "hunter2".to_owned())]);
        let by_env = resolve(&Inputs { env, ..Inputs::default() }).expect("resolved");
        assert_eq!(by_env.exposed, Vec::<String>::new());
    }

    #[test]
    fn a_secret_is_not_in_an_error() {
        let error = resolve(&file("smtp_url = {a = \"hunter2\"}")).expect_err("refused");
        assert!(!error.to_string().contains("hunter2"), "{error}");
        let s = resolve(&file("smtp_url = \"hunter2\"")).expect("valid");
        assert!(!s.refuse("smtp_url", "bad").to_string().contains("hunter2"));
    }

    #[test]
    fn a_syntax_error_names_its_place_and_not_what_is_written_there() {
        for (text, place) in [
            ("log = \"text\"\nredis_url = \"redis://:hunter2@h\n", "line 2, column 32"),
            ("redis_url = \"redis://:hunter1@h\"\nredis_url = \"redis://:hunter2@h\"", "line 2, column 1"),
            ("[providers.a]\nurl = 'smtp://u:hunter2@h", "line 2"),
            ("redis_url = redis://:hunter2@h", "line 1"),
            ("redis_url = \"ä\" hunter2", "line 1, column 17"),
            ("smtp_url = \"\"\"\nsmtp://u:hunter2@h", "line"),
            ("redis_url = \"redis://:hunter\\2@h\"", "line 1"),
            ("redis_url = 99999999999999999999999999999999999999999999", "line 1"),
            ("redis_url = 18446744073709551615", "line 1"),
            ("redis_url = 1979-13-13T77:77:77", "line 1"),
            ("hunter2", "line 1"),
        ] {
            let error = resolve(&file(text)).expect_err(text).to_string();
            assert!(error.starts_with(&format!("posthaste.toml: {place}")), "{text}: {error}");
            for secret in ["hunter", "99999", "184467", "1979"] {
                assert!(!error.contains(secret), "{text}: {error}");
            }
            assert_eq!(error.lines().count(), 1, "{error}");
        }
    }

    proptest! {
        #[test]
        fn any_file_is_read_or_refused_with_its_name(
            text in prop_oneof![
                "[a-z_]{1,10} = [\"0-9a-z.:\\[\\]{}]{0,12}(\n[a-z_]{1,10} = \"[^\"]{0,8}\"){0,3}",
                "\\[providers\\.[a-z-]{1,6}\\]\ntype = \"(smtp|slack|ntfy|x)\"\n[a-z]{1,6} = (\"[^\"]{0,10}\"|[0-9]{1,3}|\\[\\])",
                ".{0,80}",
            ],
        ) {
            if let Err(e) = resolve(&file(&text)) {
                prop_assert!(e.to_string().contains("posthaste.toml"), "{}", e);
            }
        }
    }
}
