//! Settings as the program uses them: parsed, checked, and with the rules that tie several together.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use ipnet::IpNet;
use posthaste_api::{BasePath, ConfiguredKey, ConnectionLimits, Cors, HostRule, ProxyNet};
use posthaste_broker_redis::RedisUrl;
use posthaste_core::limits::Retention;
use posthaste_core::{Name, QueueName};
use posthaste_notify::config::DEFAULT_PROVIDER;
use posthaste_notify::ehlo::EhloNameError;
use posthaste_notify::net::{BadCertificates, Certificates};
use posthaste_notify::sign::{SignError, SigningSecret};
use posthaste_notify::{EmailProvider, Mailbox, NotifyConfig, RecipientPattern, Sandbox, Service, SmtpUrl};
use posthaste_worker::QueueWeight;
use rustix::process::{Resource, getrlimit};

use super::resolve::{ConfigError, Settings, Source};
use super::store::{Role, StoreConfig};
use super::traces::TracesConfig;

/// What `up`, `api` or `worker` runs with.
#[derive(Debug, Clone)]
pub(crate) struct ServerConfig {
    /// Which of them.
    pub(crate) role: Role,
    /// Where it listens; a worker may be told not to.
    pub(crate) addr: Option<SocketAddr>,
    /// What it works on.
    pub(crate) store: StoreConfig,
    /// Providers and sandbox.
    pub(crate) notify: NotifyConfig,
    /// Whether nobody has to say who they are.
    pub(crate) auth_off: bool,
    /// Why it does not start unless the store holds an API key: it listens beyond loopback.
    pub(crate) needs_key: Option<ConfigError>,
    /// API keys of the configuration.
    pub(crate) keys: Vec<ConfiguredKey>,
    /// Attempts with a key that is not good that one address has in a minute.
    pub(crate) failed_attempts: u32,
    /// Proxies that are believed.
    pub(crate) proxies: Vec<ProxyNet>,
    /// Whether people reach the pages over https.
    pub(crate) https: bool,
    /// Whether foreign pages may send while a provider is configured.
    pub(crate) open_notify: bool,
    /// Origins that may read the three old routes.
    pub(crate) cors: Cors,
    /// `Host` headers that are served.
    pub(crate) hosts: HostRule,
    /// The path under which everything is served.
    pub(crate) base_path: BasePath,
    /// Queues of the worker.
    pub(crate) queues: Vec<QueueWeight>,
    /// Its slots.
    pub(crate) concurrency: usize,
    /// How long a shutdown waits for running attempts.
    pub(crate) grace: Duration,
    /// How long finished tasks are kept.
    pub(crate) retention: Retention,
    /// The bounds of the listener's connections.
    pub(crate) connections: ConnectionLimits,
    /// Threads of the runtime.
    pub(crate) threads: usize,
    /// Where traces go, if anywhere.
    pub(crate) traces: Option<TracesConfig>,
    /// What the installation is called in metrics that are printed for CloudWatch, if they are.
    pub(crate) emf: Option<String>,
}

/// The form and filter of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LogConfig {
    /// JSON lines rather than text.
    pub(crate) json: bool,
    /// What is logged.
    pub(crate) filter: String,
}

impl LogConfig {
    /// From the settings.
    ///
    /// # Errors
    /// A form that is neither `text` nor `json`.
    pub(crate) fn new(s: &Settings) -> Result<Self, ConfigError> {
        let json = choice(s, "log", &[("text", false), ("json", true)])?;
        Ok(Self { json, filter: s.text("log_level").to_owned() })
    }
}

impl ServerConfig {
    /// From the settings.
    ///
    /// # Errors
    /// The first value that is not acceptable, and what to write instead.
    pub(crate) fn new(s: &Settings, role: Role) -> Result<Self, ConfigError> {
        let store = StoreConfig::new(s, role)?;
        let addr = if role.serves() { Some(addr(s, "addr")?) } else { worker_addr(s)? };
        let local = addr.is_none_or(|a| a.ip().is_loopback());
        let auth_off = choice(s, "auth", &[("on", false), ("off", true)])?;
        let keys = api_keys(s)?;
        let needs_key = (role.serves() && !local && !auth_off && keys.is_empty()).then(|| {
            s.refuse(
                "addr",
                "without API keys the server listens on loopback only (127.0.0.1 or [::1]), because anybody who reaches \
                 it may send and read. Make a key first: start it on loopback and run `posthaste keys create`, or set \
                 POSTHASTE_API_KEYS. If the network around it is closed, say so: POSTHASTE_AUTH=off",
            )
        });
        let providers = providers(s)?;
        let services = services(s)?;
        let among_ourselves = if role.serves() { local } else { store.is_local() };
        let sandbox = sandbox(s, providers.is_empty() && services.is_empty(), among_ourselves)?;
        let mut notify = NotifyConfig {
            sandbox,
            default_from: mailbox(s)?,
            services,
            allow: cidrs(s)?,
            trust: trust(s)?,
            signing: signing(s)?,
            public_url: Some(s.text("public_url").to_owned()).filter(|u| !u.is_empty()),
            ..NotifyConfig::default()
        };
        for provider in providers {
            notify = notify.with_provider(provider);
        }
        let retention = Retention {
            succeeded_age: duration(s, "retain_succeeded")?,
            succeeded_count: number(s, "retain_succeeded_count", 0, u64::MAX)?,
            failed_age: duration(s, "retain_failed")?,
            failed_count: number(s, "retain_failed_count", 0, u64::MAX)?,
        };
        Ok(Self {
            role,
            addr,
            store,
            notify,
            auth_off,
            needs_key,
            keys,
            failed_attempts: u32::try_from(number(s, "sign_in_limit", 0, 1_000_000)?).unwrap_or(u32::MAX),
            proxies: proxies(s)?,
            connections: connections(s)?,
            https: s.text("public_url").starts_with("https://"),
            open_notify: choice(s, "open_notify", &[("false", false), ("true", true)])?,
            cors: cors(s),
            hosts: hosts(s, local)?,
            base_path: if role.serves() { base_path(s)? } else { BasePath::default() },
            queues: queues(s)?,
            concurrency: usize::try_from(number(s, "concurrency", 1, 10_000)?).unwrap_or(usize::MAX),
            grace: duration(s, "shutdown_grace")?,
            retention,
            traces: TracesConfig::new(s)?,
            emf: choice(s, "metrics_emf", &[("off", false), ("on", true)])?
                .then(|| s.text("namespace").to_owned()),
            threads: usize::try_from(number(s, "threads", 1, 64)?).unwrap_or(1),
        })
    }

    /// One line about what happens to messages.
    pub(crate) fn sandbox_note(&self) -> String {
        match &self.notify.sandbox {
            Sandbox::Off => {
                format!("off, {} provider(s)", self.notify.providers.len() + self.notify.services.len())
            }
            Sandbox::Unconfigured => {
                "on: messages are held, because no e-mail provider is configured".to_owned()
            }
            Sandbox::On => "on: messages are held".to_owned(),
            Sandbox::OnlyFor(patterns) => format!("on for {} recipient pattern(s)", patterns.len()),
        }
    }
}

/// The server that the client verbs talk to.
pub(crate) fn server_url(s: &Settings) -> Result<url::Url, ConfigError> {
    if !s.text("server").is_empty() {
        return s.text("server").parse().map_err(|_| s.refuse("server", "must be a URL, http://host:port"));
    }
    let mut url = base_url(addr(s, "addr")?);
    url.set_path(base_path(s)?.as_str());
    Ok(url)
}

/// The worker whose health is asked for.
pub(crate) fn worker_url(s: &Settings) -> Result<url::Url, ConfigError> {
    let off = "is off: this worker answers nobody. Give it an address, for example 127.0.0.1:8001";
    worker_addr(s)?.map(base_url).ok_or_else(|| s.refuse("worker_addr", off))
}

fn base_url(addr: SocketAddr) -> url::Url {
    // A server on "any address" is reached on loopback.
    let host = match addr.ip() {
        ip if ip.is_unspecified() => format!("127.0.0.1:{}", addr.port()),
        _ => addr.to_string(),
    };
    format!("http://{host}").parse().expect("a socket address makes a URL")
}

fn worker_addr(s: &Settings) -> Result<Option<SocketAddr>, ConfigError> {
    if s.text("worker_addr") == "off" { Ok(None) } else { addr(s, "worker_addr").map(Some) }
}

fn addr(s: &Settings, key: &str) -> Result<SocketAddr, ConfigError> {
    let text = s.text(key);
    let named = text.strip_prefix("localhost:").map(|port| format!("127.0.0.1:{port}"));
    named
        .as_deref()
        .unwrap_or(text)
        .parse()
        .map_err(|_| s.refuse(key, "must be an address and a port, for example 127.0.0.1:8000"))
}

fn providers(s: &Settings) -> Result<Vec<EmailProvider>, ConfigError> {
    let mut out = Vec::new();
    let default_from = mailbox(s)?;
    if !s.text("smtp_url").is_empty() {
        let url = s.text("smtp_url").parse().map_err(|e| s.refuse("smtp_url", format!("{e}")))?;
        let from = sender(&url, default_from.clone()).ok_or_else(|| {
            s.refuse("smtp_url", "needs a sender: set POSTHASTE_EMAIL_FROM, for example noreply@example.com")
        })?;
        let name = Name::new(DEFAULT_PROVIDER).expect("a fixed, valid name");
        out.push(EmailProvider::new(name, url, from).map_err(|e| s.refuse("smtp_url", e.to_string()))?);
    }
    for (name, table) in s.providers.iter().filter(|(_, t)| t.kind == "smtp") {
        out.push(provider(name, &table.resolved(name)?, default_from.clone())?);
    }
    if s.providers.contains_key(DEFAULT_PROVIDER) && !s.text("smtp_url").is_empty() {
        return Err(s.refuse("smtp_url", "and [providers.default] name the same provider; remove one"));
    }
    Ok(out)
}

fn services(s: &Settings) -> Result<BTreeMap<Name, Service>, ConfigError> {
    let mut out = BTreeMap::new();
    for (name, table) in s.providers.iter().filter(|(_, t)| t.kind != "smtp") {
        let service = super::providers::service(name, &table.resolved(name)?).map_err(|(key, problem)| {
            ConfigError::Value {
                name: format!("providers.{name}{key}"),
                value: "…".into(),
                from: "posthaste.toml".into(),
                problem,
            }
        })?;
        out.insert(service.name.clone(), service);
    }
    Ok(out)
}

/// Ranges of addresses that may be called although they are not public.
fn cidrs(s: &Settings) -> Result<Vec<IpNet>, ConfigError> {
    let read = |text: &str| {
        let one = text.parse::<std::net::IpAddr>().map(IpNet::from);
        text.parse::<IpNet>().or(one).map_err(|_| {
            s.refuse("allow_cidrs", format!("must be ranges such as 10.0.0.0/8 or fd00::/8, not {text:?}"))
        })
    };
    parts(s.text("allow_cidrs")).map(read).collect()
}

/// Certificates that are trusted beside the public authorities.
pub(crate) fn trust(s: &Settings) -> Result<Option<Certificates>, ConfigError> {
    let path = s.text("ca_file");
    if path.is_empty() {
        return Ok(None);
    }
    let pem = std::fs::read_to_string(path).map_err(|e| {
        s.refuse("ca_file", format!("must be a file of certificates: it cannot be read: {e}"))
    })?;
    let read = pem.parse().map(Some);
    read.map_err(|e: BadCertificates| s.refuse("ca_file", format!("must be a file of certificates: it {e}")))
}

fn signing(s: &Settings) -> Result<Option<SigningSecret>, ConfigError> {
    match s.text("signing_secret") {
        "" => Ok(None),
        text => text.parse().map(Some).map_err(|e: SignError| s.refuse("signing_secret", e.to_string())),
    }
}

fn provider(
    name: &str,
    table: &super::resolve::ProviderTable,
    default_from: Option<Mailbox>,
) -> Result<EmailProvider, ConfigError> {
    let refuse = |key: &str, problem: String| ConfigError::Value {
        name: format!("providers.{name}{key}"),
        value: "…".into(),
        from: "posthaste.toml".into(),
        problem,
    };
    let checked = Name::new(name).map_err(|e| refuse("", format!("the name {e}")))?;
    let url = table
        .values
        .get("url")
        .ok_or_else(|| refuse(".url", "must be a URL: smtp://… or smtps://…".into()))?;
    let url: SmtpUrl = url.parse().map_err(|e| refuse(".url", format!("{e}")))?;
    let own = table.values.get("from").map(|f| f.parse::<Mailbox>()).transpose();
    let own = own.map_err(|e| refuse(".from", e.to_string()))?;
    let from = own
        .or_else(|| sender(&url, default_from))
        .ok_or_else(|| refuse(".from", "must name the sender, for example noreply@example.com".into()))?;
    let mut provider = EmailProvider::new(checked, url, from).map_err(|e| refuse("", e.to_string()))?;
    if let Some(name) = table.values.get("ehlo") {
        provider.ehlo = Some(name.parse().map_err(|e: EhloNameError| refuse(".ehlo", e.to_string()))?);
    }
    if let Some(number) = table.values.get("connections") {
        provider.connections =
            posthaste_notify::config::connections(number).map_err(|e| refuse(".connections", e))?;
    }
    if let Some(list) = table.values.get("senders") {
        let read = |text: &str| {
            text.parse::<Mailbox>()
                .map_err(|e| refuse(".senders", format!("must be a list of addresses; {text:?}: {e}")))
        };
        provider.senders = mailbox_texts(list).into_iter().map(read).collect::<Result<_, _>>()?;
    }
    if let Some(path) = table.values.get("ca_file") {
        let pem = std::fs::read_to_string(path)
            .map_err(|e| refuse(".ca_file", format!("{path} cannot be read: {e}")))?;
        let read: Result<Certificates, BadCertificates> = pem.parse();
        read.map_err(|e| refuse(".ca_file", format!("{path} {e}")))?;
        provider.trust = Some(pem);
    }
    Ok(provider)
}

/// The mailboxes of a list: a comma within the quotes of a name ends none.
fn mailbox_texts(list: &str) -> Vec<&str> {
    let (mut quoted, mut escaped) = (false, false);
    let parts = list.split(|c: char| {
        let ends = c == ',' && !quoted;
        quoted ^= c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
        ends
    });
    parts.map(str::trim).filter(|p| !p.is_empty()).collect()
}

/// The sender of a provider that names none: the general one, else the address that signs in, else,
/// on this machine alone, an address of this machine.
fn sender(url: &SmtpUrl, default_from: Option<Mailbox>) -> Option<Mailbox> {
    let signs_in = || url.credentials().and_then(|(user, _)| user.parse().ok());
    let local = || {
        let loopback = url.host() == "localhost"
            || url.host().parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback());
        loopback.then(|| "Posthaste <posthaste@localhost.localdomain>".parse().ok()).flatten()
    };
    default_from.or_else(signs_in).or_else(local)
}

fn mailbox(s: &Settings) -> Result<Option<Mailbox>, ConfigError> {
    if s.text("email_from").is_empty() {
        return Ok(None);
    }
    s.text("email_from").parse().map(Some).map_err(|e| s.refuse("email_from", format!("{e}")))
}

/// On by itself only while nothing could be sent anyway and nobody but this machine can reach it
/// (the server by its address, a worker by its store): elsewhere a message without a provider must
/// be an error, not a quiet success.
fn sandbox(s: &Settings, no_provider: bool, local: bool) -> Result<Sandbox, ConfigError> {
    match s.text("sandbox") {
        "auto" | "" if no_provider && local => Ok(Sandbox::Unconfigured),
        "auto" | "" | "off" | "false" => Ok(Sandbox::Off),
        "on" | "true" => Ok(Sandbox::On),
        patterns => {
            let parsed: Result<Vec<_>, _> = patterns.split(',').map(RecipientPattern::new).collect();
            parsed
                .map(Sandbox::OnlyFor)
                .map_err(|e| s.refuse("sandbox", format!("must be auto, on, off or recipient patterns: {e}")))
        }
    }
}

fn cors(s: &Settings) -> Cors {
    match s.text("cors_origins").trim() {
        "*" => Cors::Any,
        list => Cors::List(parts(list).map(|o| o.trim_end_matches('/').to_owned()).collect()),
    }
}

fn api_keys(s: &Settings) -> Result<Vec<ConfiguredKey>, ConfigError> {
    let mut keys: Vec<ConfiguredKey> = Vec::new();
    for part in parts(s.text("api_keys")) {
        let key: ConfiguredKey = part
            .parse()
            .map_err(|e: posthaste_api::ConfiguredKeyError| s.refuse("api_keys", e.to_string()))?;
        if keys.iter().any(|k| k.name() == key.name()) {
            return Err(s.refuse("api_keys", format!("two keys have the name {}", key.name())));
        }
        keys.push(key);
    }
    Ok(keys)
}

fn proxies(s: &Settings) -> Result<Vec<ProxyNet>, ConfigError> {
    let read = |part: &str| part.parse().map_err(|e: String| s.refuse("trusted_proxies", e));
    parts(s.text("trusted_proxies")).map(read).collect()
}

fn hosts(s: &Settings, local: bool) -> Result<HostRule, ConfigError> {
    if !local {
        return Ok(HostRule::Any);
    }
    if s.text("public_url").is_empty() {
        return Ok(HostRule::LoopbackOnly { public_host: None });
    }
    let url: url::Url = s
        .text("public_url")
        .parse()
        .map_err(|_| s.refuse("public_url", "must be a URL, for example https://post.example.com"))?;
    Ok(HostRule::LoopbackOnly { public_host: url.host_str().map(str::to_owned) })
}

/// The path under which everything is served. Links in messages are made of the public URL, by workers, too, which do not
/// know this path: so that one must hold it.
fn base_path(s: &Settings) -> Result<BasePath, ConfigError> {
    let base: BasePath = s.text("base_path").parse().map_err(|e: String| s.refuse("base_path", e))?;
    let public = s.text("public_url");
    let Ok(url) = public.parse::<url::Url>() else { return Ok(base) };
    if url.path().trim_end_matches('/') == base.as_str() || base.is_root() {
        return Ok(base);
    }
    let why = format!(
        "must end in the base path {base}: with it people reach the server, and so do the links in messages"
    );
    Err(s.refuse("public_url", why))
}

fn queues(s: &Settings) -> Result<Vec<QueueWeight>, ConfigError> {
    let one = |part: &str| {
        let (name, weight) = part.split_once('=').unwrap_or((part, "1"));
        let queue = QueueName::new(name.trim()).map_err(|e| s.refuse("queues", format!("{name}: {e}")))?;
        match weight.trim().parse::<u32>() {
            Ok(weight @ 1..=1000) => Ok(QueueWeight { queue, weight }),
            _ => Err(s.refuse("queues", format!("{part}: the weight must be 1 to 1000"))),
        }
    };
    let queues = parts(s.text("queues")).map(one).collect::<Result<Vec<_>, _>>()?;
    if queues.is_empty() {
        return Err(s.refuse("queues", "must name at least one queue"));
    }
    Ok(queues)
}

fn parts(list: &str) -> impl Iterator<Item = &str> {
    list.split(',').map(str::trim).filter(|p| !p.is_empty())
}

pub(super) fn choice<T: Copy>(s: &Settings, key: &str, choices: &[(&str, T)]) -> Result<T, ConfigError> {
    choices.iter().find(|(name, _)| *name == s.text(key)).map(|(_, v)| *v).ok_or_else(|| {
        let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
        s.refuse(key, format!("must be {}", names.join(" or ")))
    })
}

pub(super) fn number(s: &Settings, key: &str, min: u64, max: u64) -> Result<u64, ConfigError> {
    match s.text(key).parse::<u64>() {
        Ok(n) if (min..=max).contains(&n) => Ok(n),
        _ if max == u64::MAX => Err(s.refuse(key, "must be a whole number")),
        _ => Err(s.refuse(key, format!("must be a whole number from {min} to {max}"))),
    }
}

/// The bounds of the listener's connections; those that are not set by the descriptors that the process may open.
fn connections(s: &Settings) -> Result<ConnectionLimits, ConfigError> {
    let derived = ConnectionLimits::of_descriptors(getrlimit(Resource::Nofile).current);
    let given = |key| match s.text(key) {
        "" => Ok(None),
        _ => number(s, key, 1, 1_000_000).map(|n| usize::try_from(n).ok()),
    };
    let all = given("max_connections")?.unwrap_or(derived.all);
    let per_address = given("max_connections_per_address")?.unwrap_or(ConnectionLimits::share(all));
    Ok(ConnectionLimits { all, per_address, proxies: proxies(s)?, ..derived })
}

fn duration(s: &Settings, key: &str) -> Result<Duration, ConfigError> {
    parse_duration(s.text(key)).ok_or_else(|| {
        s.refuse(key, "must be a duration: a whole number with ms, s, m, h or d, for example 90s")
    })
}

/// `250ms`, `90s`, `15m`, `24h`, `14d`; a bare number is seconds.
pub(crate) fn parse_duration(text: &str) -> Option<Duration> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let n: u64 = text[..digits].parse().ok()?;
    let ms = match text[digits..].trim() {
        "ms" => 1,
        "s" | "" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    n.checked_mul(ms).map(Duration::from_millis)
}

impl Settings {
    /// The value as people may see it.
    pub(crate) fn shown(&self, key: &'static str) -> String {
        let s = super::table::setting(key);
        let value = self.value(key);
        match (s.secret, value.text.is_empty(), &value.source) {
            (_, true, _) => "(not set)".to_owned(),
            (true, false, Source::Default) | (false, false, _) => value.text.clone(),
            // A masked URL still says which server; what is no URL says nothing.
            (true, false, _) => masked(key, &value.text).unwrap_or_else(|| "(set, not readable)".to_owned()),
        }
    }
}

/// The secret URL of a setting without its secret.
fn masked(key: &str, text: &str) -> Option<String> {
    match key {
        "store" if text.starts_with("sqlite:") => Some(text.to_owned()),
        "api_keys" => Some(parts(text).map(masked_key).collect::<Vec<_>>().join(",")),
        "key" => Some("…".to_owned()),
        "store" | "redis_url" => RedisUrl::parse(text).ok().map(|u| u.to_string()),
        _ => text.parse::<SmtpUrl>().ok().map(|u| u.to_string()),
    }
}

/// A configured key without its secret; of what is no key, nothing.
fn masked_key(text: &str) -> String {
    let key: Option<ConfiguredKey> = text.parse().ok();
    let rights = key.and_then(|_| text.split(':').nth(1));
    rights.zip(text.split(':').next()).map_or_else(|| "…".to_owned(), |(r, n)| format!("{n}:{r}:…"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::Path;

    use super::super::resolve::{Inputs, resolve};
    use super::*;

    fn config(flags: &[(&'static str, &str)]) -> Result<ServerConfig, ConfigError> {
        config_of(Role::Up, flags)
    }

    fn config_of(role: Role, flags: &[(&'static str, &str)]) -> Result<ServerConfig, ConfigError> {
        let flags: BTreeMap<_, _> = flags.iter().map(|(k, v)| (*k, (*v).to_owned())).collect();
        ServerConfig::new(&resolve(&Inputs { flags, ..Inputs::default() })?, role)
    }

    #[test]
    fn the_defaults_are_a_working_configuration() {
        let c = config(&[]).expect("valid");
        assert_eq!(c.addr.map(|a| a.to_string()).as_deref(), Some("127.0.0.1:8000"));
        assert_eq!(c.notify.sandbox, Sandbox::Unconfigured);
        assert_eq!((c.concurrency, c.grace), (64, Duration::from_secs(25)));
        assert_eq!(c.retention, Retention::default());
        assert_eq!(c.queues.len(), 1);
    }

    #[test]
    fn beyond_loopback_needs_a_key_or_auth_off_and_has_no_sandbox_of_its_own() {
        let far = ("addr", "0.0.0.0:8000");
        let refusal = config(&[far]).expect("the store may hold a key").needs_key.expect("refused without");
        for way in ["POSTHASTE_AUTH=off", "posthaste keys create", "POSTHASTE_API_KEYS"] {
            assert!(refusal.to_string().contains(way), "{refusal}");
        }
        let key = format!("ops:admin:{}", "s".repeat(32));
        assert_eq!(config(&[far, ("api_keys", &key)]).expect("valid").needs_key, None);
        assert_eq!(config(&[]).expect("valid").needs_key, None);
        let c = config(&[("addr", "0.0.0.0:8000"), ("auth", "off")]).expect("valid");
        assert_eq!(c.notify.sandbox, Sandbox::Off);
        assert_eq!(c.hosts, HostRule::Any);
    }

    #[test]
    fn a_worker_listens_by_itself_and_holds_messages_only_while_its_redis_is_local() {
        let local = ("redis_url", "redis://127.0.0.1");
        let c = config_of(Role::Worker, &[local]).expect("valid");
        assert_eq!(c.addr.map(|a| a.to_string()).as_deref(), Some("127.0.0.1:8001"));
        assert_eq!(c.notify.sandbox, Sandbox::Unconfigured);
        let off = config_of(Role::Worker, &[local, ("worker_addr", "off")]).expect("valid");
        assert_eq!(off.addr, None);
        let far = [("redis_url", "redis://redis"), ("worker_addr", "0.0.0.0:8001")];
        let c = config_of(Role::Worker, &far).expect("valid: nobody can do anything there");
        assert_eq!((c.notify.sandbox, c.hosts), (Sandbox::Off, HostRule::Any));
        let on = [far[0], ("sandbox", "on")];
        assert_eq!(config_of(Role::Worker, &on).expect("valid").notify.sandbox, Sandbox::On);
        // Of the API, the address that it listens on decides.
        assert_eq!(config_of(Role::Api, &far[..1]).expect("valid").notify.sandbox, Sandbox::Unconfigured);
        assert!(config_of(Role::Worker, &[local, ("worker_addr", "8001")]).is_err());
    }

    #[test]
    fn a_provider_ends_the_sandbox_unless_it_is_asked_for() {
        let smtp = ("smtp_url", "smtps://me@example.com:pw@mail.example.com");
        // The user must be percent-encoded: `me@example.com` in a URL is not.
        let smtp = (smtp.0, smtp.1.replace("me@example.com:", "me%40example.com:"));
        let smtp = (smtp.0, smtp.1.as_str());
        let c = config(&[smtp]).expect("valid");
        assert_eq!(c.notify.sandbox, Sandbox::Off);
        let from = c.notify.provider(None).map(|p| p.from.to_string());
        assert_eq!(from.as_deref(), Some("me@example.com"), "the address that signs in");
        assert_eq!(config(&[smtp, ("sandbox", "on")]).expect("valid").notify.sandbox, Sandbox::On);
        let only = config(&[smtp, ("sandbox", "*@qa.test, x@y.test")]).expect("valid").notify.sandbox;
        assert!(matches!(only, Sandbox::OnlyFor(p) if p.len() == 2));
        assert!(config(&[("sandbox", "maybe")]).is_err());
    }

    #[test]
    fn a_provider_needs_a_sender_except_on_this_machine() {
        let error = config(&[("smtp_url", "smtp://mail.example.com")]).expect_err("refused").to_string();
        assert!(error.contains("POSTHASTE_EMAIL_FROM"), "{error}");
        assert!(config(&[("smtp_url", "smtp://127.0.0.1:2525")]).is_ok());
        let both = [("smtp_url", "smtp://mail.example.com"), ("email_from", "A <a@example.com>")];
        assert!(config(&both).is_ok());
    }

    #[test]
    fn providers_of_the_file_take_the_general_sender_or_their_own() {
        let text = "email_from = \"a@example.com\"\n[providers.x]\nurl = \"smtps://mail.example.com\"\n\
                    [providers.y]\nurl = \"smtps://mail.example.com\"\nfrom = \"b@example.com\"";
        let inputs = Inputs { file: Some((Path::new("posthaste.toml"), text)), ..Inputs::default() };
        let c = ServerConfig::new(&resolve(&inputs).expect("valid"), Role::Up).expect("valid");
        let from: Vec<String> = c.notify.providers.values().map(|p| p.from.to_string()).collect();
        assert_eq!(from, ["a@example.com", "b@example.com"]);
    }

    #[test]
    fn senders_are_read_as_a_list_of_mailboxes() {
        let senders = |line: &str| {
            let text = format!(
                "[providers.x]\nurl = \"smtps://mail.example.com\"\nfrom = \"b@example.com\"\n{line}"
            );
            let inputs = Inputs { file: Some((Path::new("posthaste.toml"), &text)), ..Inputs::default() };
            let config = ServerConfig::new(&resolve(&inputs).expect("valid"), Role::Up);
            config.map(|c| {
                c.notify
                    .providers
                    .values()
                    .flat_map(|p| &p.senders)
                    .map(ToString::to_string)
                    .collect::<Vec<_>>()
            })
        };
        assert_eq!(senders("").expect("valid"), Vec::<String>::new());
        assert_eq!(
            senders("senders = ['News <n@example.com>', '\"Smith, John\" <j@example.com>', 'x@example.com']")
                .expect("valid"),
            ["News <n@example.com>", "Smith, John <j@example.com>", "x@example.com"]
        );
        let error = senders("senders = ['nobody']").expect_err("refused").to_string();
        assert!(error.contains("providers.x.senders") && error.contains("nobody"), "{error}");
    }

    #[test]
    fn durations_and_queues_are_read() {
        assert_eq!(parse_duration("250ms"), Some(Duration::from_millis(250)));
        assert_eq!(parse_duration("14d"), Some(Duration::from_secs(14 * 86_400)));
        assert_eq!(parse_duration("7"), Some(Duration::from_secs(7)));
        assert_eq!(parse_duration("soon"), None);
        assert_eq!(parse_duration("1w"), None);
        let c = config(&[("queues", "mail=3, default")]).expect("valid");
        let got: Vec<_> = c.queues.iter().map(|q| (q.queue.as_str(), q.weight)).collect();
        assert_eq!(got, [("mail", 3), ("default", 1)]);
        assert!(config(&[("queues", "a=0")]).is_err());
        assert!(config(&[("concurrency", "0")]).is_err());
        assert!(config(&[("shutdown_grace", "soon")]).is_err());
    }

    #[test]
    fn a_base_path_is_a_path_and_the_public_url_ends_in_it() {
        let of = |path: &str, url: &str| config(&[("base_path", path), ("public_url", url)]);
        assert!(of("", "https://post.test").expect("valid").base_path.is_root());
        for (path, url) in
            [("/post", ""), ("/post/", "https://h.test/post"), ("/post", "https://h.test/post/")]
        {
            assert_eq!(of(path, url).expect("valid").base_path.as_str(), "/post");
        }
        // A proxy that takes a path away may do so at the root.
        assert!(of("", "https://h.test/post").expect("valid").base_path.is_root());
        for (path, url, named) in [
            ("post", "", "base_path"),
            ("/a b", "", "base_path"),
            ("/healthz", "", "base_path"),
            ("/post", "https://h.test", "public_url"),
            ("/post", "https://h.test/other/post", "public_url"),
        ] {
            let refused = of(path, url).expect_err("refused").to_string();
            assert!(refused.contains(named), "{path} {url}: {refused}");
        }
    }

    #[test]
    fn clients_find_the_server_by_its_address() {
        let of = |flags: &[(&'static str, &str)]| {
            let flags: BTreeMap<_, _> = flags.iter().map(|(k, v)| (*k, (*v).to_owned())).collect();
            server_url(&resolve(&Inputs { flags, ..Inputs::default() }).expect("valid"))
                .map(|u| u.to_string())
        };
        assert_eq!(of(&[]).as_deref(), Ok("http://127.0.0.1:8000/"));
        assert_eq!(of(&[("addr", "0.0.0.0:9")]).as_deref(), Ok("http://127.0.0.1:9/"));
        assert_eq!(of(&[("server", "http://post.test")]).as_deref(), Ok("http://post.test/"));
        assert!(of(&[("server", "post.test")]).is_err());
        assert_eq!(of(&[("base_path", "/post/")]).as_deref(), Ok("http://127.0.0.1:8000/post"));
        let worker = |flags: &[(&'static str, &str)]| {
            let flags: BTreeMap<_, _> = flags.iter().map(|(k, v)| (*k, (*v).to_owned())).collect();
            worker_url(&resolve(&Inputs { flags, ..Inputs::default() }).expect("valid"))
                .map(|u| u.to_string())
        };
        assert_eq!(worker(&[]).as_deref(), Ok("http://127.0.0.1:8001/"));
        assert_eq!(worker(&[("worker_addr", "0.0.0.0:9")]).as_deref(), Ok("http://127.0.0.1:9/"));
        assert!(worker(&[("worker_addr", "off")]).is_err());
    }

    #[test]
    fn keys_of_the_configuration_are_read_and_never_shown() {
        let secret = "hunter2".repeat(5);
        let two = format!("ops:admin:{secret}, shop:send+read@acme:{secret}");
        let c = config(&[("api_keys", &two)]).expect("valid");
        assert_eq!(c.keys.iter().map(ConfiguredKey::name).collect::<Vec<_>>(), ["ops", "shop"]);
        assert!(!format!("{c:?}").contains("hunter2"));
        for bad in
            ["ops:admin:short", &format!("ops:fly:{secret}"), &format!("a:read:{secret},a:send:{secret}")]
        {
            let error = config(&[("api_keys", bad)]).expect_err("refused").to_string();
            assert!(!error.contains("hunter2") && !error.contains("short"), "{error}");
        }
        let flags = BTreeMap::from([("api_keys", format!("{two},{secret}"))]);
        let s = resolve(&Inputs { flags, ..Inputs::default() }).expect("valid");
        assert_eq!(s.shown("api_keys"), "ops:admin:…,shop:send+read@acme:…,…");
    }

    #[test]
    fn proxies_and_limits_are_read() {
        let c = config(&[("trusted_proxies", "10.0.0.1, 192.168.0.0/16"), ("sign_in_limit", "0")])
            .expect("valid");
        assert_eq!((c.proxies.len(), c.failed_attempts), (2, 0));
        assert!(config(&[("trusted_proxies", "everybody")]).is_err());
        assert!(config(&[("public_url", "https://post.test")]).expect("valid").https);
    }

    #[test]
    fn secrets_are_shown_masked() {
        let flags = BTreeMap::from([("smtp_url", "smtps://u:hunter2@mail.example.com".to_owned())]);
        let s = resolve(&Inputs { flags, ..Inputs::default() }).expect("valid");
        assert_eq!(s.shown("smtp_url"), "smtps://…:…@mail.example.com:465");
        let flags = BTreeMap::from([
            ("redis_url", "rediss://u:hunter2@h.test".to_owned()),
            ("store", "sqlite:/data".to_owned()),
        ]);
        let s = resolve(&Inputs { flags, ..Inputs::default() }).expect("valid");
        assert_eq!(
            (s.shown("redis_url").as_str(), s.shown("store").as_str()),
            ("rediss://u:***@h.test:6379/0", "sqlite:/data")
        );
    }
}
