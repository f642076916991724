//! Which store the settings name: the embedded one, or Redis.

use std::path::PathBuf;

use posthaste_broker_redis::{Durability, RedisConfig, RedisUrl};
use posthaste_core::limits::Retention;
use posthaste_notify::Secret;

use super::resolve::{ConfigError, Settings};
use super::typed::{choice, number};

/// Longest namespace: it is part of every key.
const MAX_NAMESPACE: usize = 64;
/// Most shards of a namespace.
const MAX_SHARDS: u64 = 1_024;

/// A process that the settings start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// `posthaste up`: API, pages and worker.
    Up,
    /// `posthaste api`: API and pages.
    Api,
    /// `posthaste worker`.
    Worker,
}

impl Role {
    /// The verb that starts it.
    pub(crate) fn verb(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Api => "api",
            Self::Worker => "worker",
        }
    }

    /// Whether it serves the API and the pages.
    pub(crate) fn serves(self) -> bool {
        self != Self::Worker
    }

    /// Whether it runs tasks.
    pub(crate) fn runs_tasks(self) -> bool {
        self != Self::Api
    }
}

/// The store to open.
#[derive(Debug, Clone)]
pub(crate) enum StoreConfig {
    /// The embedded one, in a directory.
    Embedded(PathBuf),
    /// Redis or Valkey.
    Redis(Box<RedisSettings>),
}

/// How Redis is used.
#[derive(Debug, Clone)]
pub(crate) struct RedisSettings {
    /// Where it is; prints without its password.
    pub(crate) url: RedisUrl,
    /// The same as it was given.
    pub(crate) text: Secret,
    /// The prefix of every key.
    pub(crate) namespace: String,
    /// The number of shards, if it was given.
    pub(crate) shards: Option<u16>,
    /// What an accepted task has behind it.
    pub(crate) durability: Durability,
    /// Whether a policy that evicts any key is put up with.
    pub(crate) allow_eviction: bool,
}

impl StoreConfig {
    /// From the settings, for a process in `role`.
    ///
    /// # Errors
    /// The value that is not acceptable; an embedded store for a process that shares its store.
    pub(crate) fn new(s: &Settings, role: Role) -> Result<Self, ConfigError> {
        let key = if s.text("store").is_empty() { "redis_url" } else { "store" };
        let text = s.text(key);
        let embedded = text.strip_prefix("sqlite:");
        if text.is_empty() || embedded.is_some() {
            return match role {
                Role::Up => Ok(Self::Embedded(directory(s, embedded.unwrap_or_default()))),
                Role::Api | Role::Worker if text.is_empty() => {
                    Err(ConfigError::NoSharedStore { verb: role.verb() })
                }
                Role::Api | Role::Worker => Err(s.refuse(
                    key,
                    format!(
                        "is the embedded store, which belongs to one process: `posthaste {}` shares its store with others. \
                         Set REDIS_URL, for example REDIS_URL=redis://127.0.0.1:6379/0, and remove this; \
                         or run `posthaste up`, which needs no other process",
                        role.verb()
                    ),
                )),
            };
        }
        let text = match s.text("redis_password") {
            "" => text.to_owned(),
            password => RedisUrl::with_password(text, password)
                .map_err(|e| s.refuse(key, format!("{e} (POSTHASTE_REDIS_PASSWORD is set)")))?,
        };
        let url = RedisUrl::parse(&text).map_err(|e| s.refuse(key, e.to_string()))?;
        Ok(Self::Redis(Box::new(RedisSettings {
            url,
            text: Secret::new(text),
            namespace: namespace(s)?,
            shards: shards(s)?,
            durability: choice(
                s,
                "durability",
                &[("acknowledged", Durability::Acknowledged), ("replicated", Durability::Replicated)],
            )?,
            allow_eviction: choice(
                s,
                "allow_eviction",
                &[("off", false), ("on", true), ("false", false), ("true", true)],
            )?,
        })))
    }

    /// Whether nobody but this machine can reach the store.
    pub(crate) fn is_local(&self) -> bool {
        match self {
            Self::Embedded(_) => true,
            Self::Redis(redis) => redis.url.is_loopback(),
        }
    }

    /// The store as people may see it.
    pub(crate) fn shown(&self) -> String {
        match self {
            Self::Embedded(dir) => format!("sqlite:{}", dir.display()),
            Self::Redis(redis) => redis.url.to_string(),
        }
    }
}

impl RedisSettings {
    /// What the store is opened with.
    pub(crate) fn open_with(&self, retention: Retention) -> RedisConfig {
        let mut config = RedisConfig::new(self.text.expose());
        config.namespace.clone_from(&self.namespace);
        config.shards = self.shards;
        config.durability = self.durability;
        config.retention = retention;
        config.allow_eviction = self.allow_eviction;
        config
    }
}

/// `sqlite:` is the directory of `data_dir`, `sqlite:<directory>` that one.
fn directory(s: &Settings, named: &str) -> PathBuf {
    let named = named.strip_prefix("//").unwrap_or(named);
    PathBuf::from(if named.is_empty() { s.text("data_dir") } else { named })
}

/// Braces and spaces would break the keys; the rest keeps them readable.
fn namespace(s: &Settings) -> Result<String, ConfigError> {
    let text = s.text("namespace");
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
    if text.is_empty() || text.len() > MAX_NAMESPACE || !text.bytes().all(plain) {
        let problem = format!("must be 1 to {MAX_NAMESPACE} letters, digits, '.', '_' or '-'");
        return Err(s.refuse("namespace", problem));
    }
    Ok(text.to_owned())
}

fn shards(s: &Settings) -> Result<Option<u16>, ConfigError> {
    if s.text("shards").is_empty() {
        return Ok(None);
    }
    Ok(u16::try_from(number(s, "shards", 1, MAX_SHARDS)?).ok())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::resolve::{Inputs, resolve};
    use super::*;

    fn store(role: Role, env: &[(&str, &str)]) -> Result<StoreConfig, ConfigError> {
        let env: BTreeMap<_, _> = env.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        StoreConfig::new(&resolve(&Inputs { env, ..Inputs::default() })?, role)
    }

    fn shown(role: Role, env: &[(&str, &str)]) -> String {
        store(role, env).map_or_else(|e| e.to_string(), |s| s.shown())
    }

    #[test]
    fn one_url_changes_the_store_and_posthaste_store_comes_first() {
        let redis = ("REDIS_URL", "redis://:hunter2@h.test/3");
        for (env, wanted) in [
            (&[][..], "sqlite:./posthaste-data"),
            (&[("POSTHASTE_STORE", "sqlite:")], "sqlite:./posthaste-data"),
            (&[("POSTHASTE_STORE", "sqlite:"), redis], "sqlite:./posthaste-data"),
            (&[("POSTHASTE_STORE", "sqlite:/var/x")], "sqlite:/var/x"),
            (&[redis], "redis://:***@h.test:6379/3"),
            (&[("POSTHASTE_STORE", "redis+cluster://a,b"), redis], "redis+cluster://a:6379,b:6379"),
        ] {
            assert_eq!(shown(Role::Up, env), wanted, "{env:?}");
        }
        let store = store(Role::Up, &[redis]).expect("valid");
        assert!(!format!("{store:?}").contains("hunter2"), "{store:?}");
        assert!(!store.is_local());
    }

    #[test]
    fn a_password_kept_apart_goes_into_the_url() {
        let env = [("REDIS_URL", "rediss://ana@h.test/3"), ("POSTHASTE_REDIS_PASSWORD", "hunter2:@/")];
        let store = store(Role::Worker, &env).expect("valid");
        let StoreConfig::Redis(redis) = &store else { panic!("{store:?}") };
        assert_eq!(redis.url.login(), (Some("ana"), Some("hunter2:@/")));
        let reread = RedisUrl::parse(redis.text.expose()).expect("what the store is opened with is good");
        assert_eq!(reread.login(), redis.url.login());
        assert!(!format!("{store:?}{}", store.shown()).contains("hunter2"));
        let twice = [("REDIS_URL", "redis://:own@h"), ("POSTHASTE_REDIS_PASSWORD", "hunter2")];
        let error = shown(Role::Worker, &twice);
        assert!(error.contains("REDIS_URL") && error.contains("POSTHASTE_REDIS_PASSWORD"), "{error}");
        assert!(!error.contains("own@") && !error.contains("hunter2"), "{error}");
    }

    #[test]
    fn processes_that_share_a_store_refuse_the_embedded_one_and_name_the_fix() {
        for role in [Role::Api, Role::Worker] {
            let unset = shown(role, &[]);
            assert!(unset.contains(role.verb()) && unset.contains("REDIS_URL=redis://"), "{unset}");
            let embedded = shown(role, &[("POSTHASTE_STORE", "sqlite:x"), ("REDIS_URL", "redis://h")]);
            assert!(embedded.starts_with("POSTHASTE_STORE") && embedded.contains("REDIS_URL="), "{embedded}");
            assert_eq!(shown(role, &[("REDIS_URL", "redis://h")]), "redis://h:6379/0");
        }
    }

    #[test]
    fn what_cannot_be_is_refused_without_its_secret() {
        for (env, says) in [
            (("REDIS_URL", "redis://:hunter2@h:x"), "REDIS_URL"),
            (("POSTHASTE_STORE", "postgres://u:hunter2@h"), "POSTHASTE_STORE"),
            (("POSTHASTE_NAMESPACE", "a{b}"), "POSTHASTE_NAMESPACE"),
            (("POSTHASTE_SHARDS", "0"), "from 1 to 1024"),
            (("POSTHASTE_DURABILITY", "eternal"), "acknowledged or replicated"),
            (("POSTHASTE_ALLOW_EVICTION", "perhaps"), "off or on"),
        ] {
            let error = shown(Role::Up, &[("REDIS_URL", "redis://h"), env]);
            assert!(error.contains(says) && !error.contains("hunter2"), "{env:?}: {error}");
        }
    }
}
