//! What the HTTP side is told by its host program.

use posthaste_notify::sign::SigningSecret;

use crate::operations::providers::ConfiguredProvider;
use posthaste_telemetry::Tracer;

use crate::BasePath;
use crate::auth::{ConfiguredKey, ProxyNet};

/// Which other origins a browser page may call the three old routes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cors {
    /// Any.
    Any,
    /// These only, each `scheme://host[:port]`.
    List(Vec<String>),
}

/// Which `Host` headers are served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostRule {
    /// `localhost`, `127.0.0.1` and `[::1]` with any port, and this host if one is given. Keeps a
    /// foreign page from reaching the server by a name of its own that resolves to loopback.
    LoopbackOnly {
        /// The host of the public address, without a port.
        public_host: Option<String>,
    },
    /// Any.
    Any,
}

/// Attempts with a key that is not good that one address has in a minute, unless told otherwise.
pub const DEFAULT_FAILED_ATTEMPTS: u32 = 20;

/// Settings of the API.
#[derive(Debug, Clone)]
pub struct ApiConfig {
    /// Who may call the three old routes from a browser.
    pub cors_origins: Cors,
    /// Which `Host` headers are served.
    pub allowed_hosts: HostRule,
    /// The path under which all of it is served.
    pub base_path: BasePath,
    /// Whether nobody is asked for a key, whatever keys there are: shown on every page.
    pub auth_off: bool,
    /// Keys of the configuration, beside those of the store.
    pub keys: Vec<ConfiguredKey>,
    /// Attempts with a key that is not good that one address has in a minute; 0 is no limit.
    pub failed_attempts: u32,
    /// Proxies that are believed when they say for whom they ask.
    pub trusted_proxies: Vec<ProxyNet>,
    /// Whether people reach the pages over https: the session cookie then goes over nothing else.
    pub public_https: bool,
    /// Whether the three old routes need no key, and pages of other origins may send although a
    /// provider is configured.
    pub open_notify: bool,
    /// Whether a provider is configured, so that a notification leaves the machine.
    pub provider_configured: bool,
    /// Whether every message is held for people to look at instead of being sent: shown on every page.
    pub sandbox: bool,
    /// Whether `providers` are all that there are, also where there are none: a name that is not among them is refused.
    pub providers_known: bool,
    /// The providers that the program was configured with.
    pub providers: Vec<ConfiguredProvider>,
    /// What signs links, instead of a secret that the store keeps.
    pub signing: Option<SigningSecret>,
    /// Records a span of each request; off unless said.
    pub tracer: Tracer,
    /// The version of the program.
    pub version: &'static str,
}

impl Default for ApiConfig {
    fn default() -> Self {
        Self {
            cors_origins: Cors::Any,
            allowed_hosts: HostRule::LoopbackOnly { public_host: None },
            base_path: BasePath::default(),
            auth_off: false,
            keys: Vec::new(),
            failed_attempts: DEFAULT_FAILED_ATTEMPTS,
            trusted_proxies: Vec::new(),
            public_https: false,
            open_notify: false,
            provider_configured: false,
            sandbox: true,
            providers_known: false,
            providers: Vec::new(),
            signing: None,
            tracer: Tracer::off(),
            version: env!("CARGO_PKG_VERSION"),
        }
    }
}
