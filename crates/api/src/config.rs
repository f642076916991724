//! What the HTTP side is told by its host program.

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

/// Settings of the API.
#[derive(Debug, Clone)]
pub struct ApiConfig {
    /// Who may call the three old routes from a browser.
    pub cors_origins: Cors,
    /// Which `Host` headers are served.
    pub allowed_hosts: HostRule,
    /// Whether the server listens beyond loopback without any authentication: shown on every page.
    pub auth_off: bool,
    /// Whether pages of other origins may send notifications although a provider is configured.
    pub open_notify: bool,
    /// Whether a provider is configured, so that a notification leaves the machine.
    pub provider_configured: bool,
    /// Whether every message is held for people to look at instead of being sent: shown on every page.
    pub sandbox: bool,
    /// The version of the program.
    pub version: &'static str,
}

impl Default for ApiConfig {
    fn default() -> Self {
        Self {
            cors_origins: Cors::Any,
            allowed_hosts: HostRule::LoopbackOnly { public_host: None },
            auth_off: false,
            open_notify: false,
            provider_configured: false,
            sandbox: true,
            version: env!("CARGO_PKG_VERSION"),
        }
    }
}
