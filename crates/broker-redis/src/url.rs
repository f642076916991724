//! Redis URLs: one server, Sentinel, Cluster or a Unix socket.
//!
//! The `redis` crate reads one host per URL; Sentinel and Cluster need several, so the URL is read here. A password
//! never leaves this type by printing: `Debug` and `Display` mask it, and no error repeats the text it was given.

use std::fmt;
use std::path::PathBuf;

use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

const DEFAULT_PORT: u16 = 6379;
const DEFAULT_SENTINEL_PORT: u16 = 26379;
const DEFAULT_SERVICE: &str = "mymaster";
const MAX_HOSTS: usize = 64;

/// A host and its port.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Host {
    /// The name or address, an IPv6 address without its brackets.
    pub name: String,
    /// The port.
    pub port: u16,
}

impl Host {
    /// True if the host is this machine, or this container, itself.
    pub fn is_loopback(&self) -> bool {
        let name = self.name.trim_end_matches('.');
        name.eq_ignore_ascii_case("localhost")
            || name.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.name.contains(':') {
            write!(f, "[{}]:{}", self.name, self.port)
        } else {
            write!(f, "{}:{}", self.name, self.port)
        }
    }
}

/// What stands behind the URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mode {
    /// One server.
    Single,
    /// The hosts are sentinels; they say which server is the master.
    Sentinel {
        /// The name of the master in the configuration of the sentinels.
        service: String,
    },
    /// The hosts are some nodes of a Cluster; the others are found through them.
    Cluster,
    /// One server on this machine, reached through a Unix socket.
    Unix {
        /// The path of the socket.
        path: PathBuf,
    },
}

/// Name and password; never printed.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Login {
    pub(crate) username: Option<String>,
    pub(crate) password: Option<String>,
}

/// A Redis URL that was read and found good.
///
/// `redis://`, `rediss://` (TLS), `redis+sentinel://` and `rediss+sentinel://` (`/<service>/<db>`),
/// `redis+cluster://` and `rediss+cluster://`, `unix://` and `redis+unix://` (`?db=`). Sentinel and Cluster take several
/// hosts, separated by commas. `valkey` may stand for `redis`. User and password are percent-encoded; for sentinels
/// with a password of their own there are `?sentinel_username=` and `?sentinel_password=`. With TLS, `?ca=` names a file
/// (PEM) with the certificate that the server's must be signed by, instead of the public ones.
#[derive(Clone, PartialEq, Eq)]
pub struct RedisUrl {
    pub(crate) hosts: Vec<Host>,
    pub(crate) mode: Mode,
    pub(crate) tls: bool,
    pub(crate) db: i64,
    pub(crate) login: Login,
    pub(crate) sentinel_login: Login,
    pub(crate) ca: Option<PathBuf>,
}

/// Why a URL cannot be used, and what to write instead. It never holds the URL, which may hold a password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{problem}")]
pub struct UrlError {
    /// What is wrong and what to do.
    pub problem: String,
}

impl RedisUrl {
    /// What the user that the URL names must be allowed, as `ACL SETUSER` takes it.
    pub const RIGHTS: &'static str = "~ph:* &ph:* +@all -@dangerous +info +cluster +role";

    /// True if an address begins as a Redis URL does: with one of the schemes that [`RedisUrl::parse`] takes. The rest
    /// may still be wrong.
    pub fn is_meant_by(address: &str) -> bool {
        address.trim().split_once(':').is_some_and(|(scheme, _)| scheme_of(scheme).is_ok())
    }

    /// Reads a URL.
    ///
    /// # Errors
    /// What is wrong with it, without repeating it.
    pub fn parse(text: &str) -> Result<Self, UrlError> {
        let text = text.trim();
        let (scheme, rest) = split_scheme(text)?;
        let (kind, tls) = scheme_of(scheme)?;
        let rest = rest.split_once('#').map_or(rest, |(before, _)| before);
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, path) = match rest.find('/') {
            Some(at) => rest.split_at(at),
            None => (rest, ""),
        };
        let (login, hosts) = match authority.rsplit_once('@') {
            Some((login, hosts)) => (login_of(login)?, hosts),
            None => (Login::default(), authority),
        };
        let mut url = Self {
            hosts: Vec::new(),
            mode: Mode::Single,
            tls,
            db: 0,
            login,
            sentinel_login: Login::default(),
            ca: None,
        };
        match kind {
            Kind::Unix => url.read_unix(hosts, path)?,
            Kind::Single => url.read_single(hosts, path)?,
            Kind::Sentinel => url.read_sentinel(hosts, path)?,
            Kind::Cluster => url.read_cluster(hosts, path)?,
        }
        url.read_query(query)?;
        Ok(url)
    }

    /// The URL with a password that is kept apart from it, so that the rest need not be a secret.
    ///
    /// # Errors
    /// A URL that names a password of its own, or has no scheme.
    pub fn with_password(text: &str, password: &str) -> Result<String, UrlError> {
        let text = text.trim();
        let (scheme, rest) = split_scheme(text)?;
        let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        let (login, hosts) = authority.rsplit_once('@').unwrap_or(("", authority));
        let user = match login.split_once(':') {
            Some((_, own)) if !own.is_empty() => {
                return Err(problem("the Redis URL names a password of its own; leave one of the two out"));
            }
            Some((user, _)) => user,
            None => login,
        };
        let password = utf8_percent_encode(password, NON_ALPHANUMERIC);
        Ok(format!("{scheme}://{user}:{password}@{hosts}{path}"))
    }

    /// The hosts that the URL names: the server, the sentinels, or nodes of the Cluster. Empty for a Unix socket.
    pub fn hosts(&self) -> &[Host] {
        &self.hosts
    }

    /// What stands behind the URL.
    pub fn mode(&self) -> &Mode {
        &self.mode
    }

    /// True if the connection is encrypted.
    pub fn tls(&self) -> bool {
        self.tls
    }

    /// The number of the database.
    pub fn db(&self) -> i64 {
        self.db
    }

    /// User and password of the server; never to be printed.
    pub fn login(&self) -> (Option<&str>, Option<&str>) {
        (self.login.username.as_deref(), self.login.password.as_deref())
    }

    /// User and password of the sentinels; never to be printed.
    pub fn sentinel_login(&self) -> (Option<&str>, Option<&str>) {
        (self.sentinel_login.username.as_deref(), self.sentinel_login.password.as_deref())
    }

    /// True if every host named is this machine itself, or the server is reached through a Unix socket.
    pub fn is_loopback(&self) -> bool {
        matches!(self.mode, Mode::Unix { .. }) || self.hosts.iter().all(Host::is_loopback)
    }

    fn read_unix(&mut self, hosts: &str, path: &str) -> Result<(), UrlError> {
        if !hosts.is_empty() || path.len() < 2 {
            return Err(problem(
                "a Unix socket is named by its absolute path, for example unix:///run/redis.sock?db=0",
            ));
        }
        self.mode = Mode::Unix { path: PathBuf::from(decoded(path)?) };
        Ok(())
    }

    fn read_single(&mut self, hosts: &str, path: &str) -> Result<(), UrlError> {
        self.hosts = hosts_of(hosts, DEFAULT_PORT)?;
        if self.hosts.len() > 1 {
            return Err(problem(
                "several hosts belong to redis+sentinel:// or redis+cluster://; redis:// takes exactly one",
            ));
        }
        self.db = db_of(path.trim_matches('/'))?;
        Ok(())
    }

    fn read_sentinel(&mut self, hosts: &str, path: &str) -> Result<(), UrlError> {
        self.hosts = hosts_of(hosts, DEFAULT_SENTINEL_PORT)?;
        let mut parts = path.trim_matches('/').splitn(2, '/');
        let service = match parts.next() {
            Some("") | None => DEFAULT_SERVICE.to_owned(),
            Some(name) => decoded(name)?,
        };
        if service.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(problem(
                "the path of redis+sentinel:// is the name of the master, then the database, for example /mymaster/0",
            ));
        }
        self.db = db_of(parts.next().unwrap_or_default())?;
        self.mode = Mode::Sentinel { service };
        Ok(())
    }

    fn read_cluster(&mut self, hosts: &str, path: &str) -> Result<(), UrlError> {
        self.hosts = hosts_of(hosts, DEFAULT_PORT)?;
        if db_of(path.trim_matches('/'))? != 0 {
            return Err(problem("a Redis Cluster has database 0 only; leave the number out"));
        }
        self.mode = Mode::Cluster;
        Ok(())
    }

    fn read_query(&mut self, query: &str) -> Result<(), UrlError> {
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            match name {
                "db" => self.db = db_of(value)?,
                "ca" if self.tls && !value.is_empty() => self.ca = Some(PathBuf::from(decoded(value)?)),
                "ca" => return Err(problem("ca= names a file, and belongs to rediss:// (TLS)")),
                "sentinel_username" => self.sentinel_login.username = Some(decoded(value)?),
                "sentinel_password" => self.sentinel_login.password = Some(decoded(value)?),
                _ => {
                    return Err(problem(
                        "after the ? a Redis URL takes only db, ca, sentinel_username and sentinel_password",
                    ));
                }
            }
        }
        if self.mode == Mode::Cluster && self.db != 0 {
            return Err(problem("a Redis Cluster has database 0 only; leave the number out"));
        }
        Ok(())
    }
}

impl fmt::Display for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tls = if self.tls { "s" } else { "" };
        match &self.mode {
            Mode::Single => write!(f, "redis{tls}://")?,
            Mode::Sentinel { .. } => write!(f, "redis{tls}+sentinel://")?,
            Mode::Cluster => write!(f, "redis{tls}+cluster://")?,
            Mode::Unix { .. } => write!(f, "redis+unix://")?,
        }
        match (&self.login.username, &self.login.password) {
            (Some(user), Some(_)) => write!(f, "{user}:***@")?,
            (None, Some(_)) => write!(f, ":***@")?,
            (Some(user), None) => write!(f, "{user}@")?,
            (None, None) => {}
        }
        for (index, host) in self.hosts.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(f, "{comma}{host}")?;
        }
        match &self.mode {
            Mode::Single => write!(f, "/{}", self.db),
            Mode::Sentinel { service } => write!(f, "/{service}/{}", self.db),
            Mode::Cluster => Ok(()),
            Mode::Unix { path } => write!(f, "{}?db={}", path.display(), self.db),
        }
    }
}

impl fmt::Debug for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RedisUrl({self})")
    }
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Login(***)")
    }
}

enum Kind {
    Single,
    Sentinel,
    Cluster,
    Unix,
}

fn problem(text: &str) -> UrlError {
    UrlError { problem: text.to_owned() }
}

fn scheme_of(scheme: &str) -> Result<(Kind, bool), UrlError> {
    let scheme = scheme.to_ascii_lowercase().replace("valkey", "redis");
    match scheme.as_str() {
        "redis" => Ok((Kind::Single, false)),
        "rediss" => Ok((Kind::Single, true)),
        "redis+sentinel" => Ok((Kind::Sentinel, false)),
        "rediss+sentinel" => Ok((Kind::Sentinel, true)),
        "redis+cluster" => Ok((Kind::Cluster, false)),
        "rediss+cluster" => Ok((Kind::Cluster, true)),
        "unix" | "redis+unix" => Ok((Kind::Unix, false)),
        _ => Err(problem(
            "the scheme of a Redis URL is redis, rediss (TLS), redis+sentinel, rediss+sentinel, redis+cluster, \
             rediss+cluster or redis+unix",
        )),
    }
}

fn decoded(text: &str) -> Result<String, UrlError> {
    percent_decode_str(text)
        .decode_utf8()
        .map(std::borrow::Cow::into_owned)
        .map_err(|_| problem("a percent-encoded part of the Redis URL is not UTF-8"))
}

fn split_scheme(text: &str) -> Result<(&str, &str), UrlError> {
    let none = || problem("a Redis URL starts with a scheme, for example redis://127.0.0.1:6379/0");
    text.split_once("://").ok_or_else(none)
}

fn login_of(text: &str) -> Result<Login, UrlError> {
    let (user, password) =
        text.split_once(':').map_or((text, None), |(user, password)| (user, Some(password)));
    let username = if user.is_empty() { None } else { Some(decoded(user)?) };
    let password = password.filter(|password| !password.is_empty()).map(decoded).transpose()?;
    if username.is_some() && password.is_none() {
        return Err(problem(
            "the Redis URL names a user without a password; write user:password@ or :password@",
        ));
    }
    Ok(Login { username, password })
}

fn hosts_of(text: &str, default_port: u16) -> Result<Vec<Host>, UrlError> {
    let hosts =
        text.split(',').map(|host| host_of(host.trim(), default_port)).collect::<Result<Vec<_>, _>>()?;
    if hosts.len() > MAX_HOSTS {
        return Err(problem(
            "the Redis URL names more than 64 hosts; a few are enough, the others are found",
        ));
    }
    Ok(hosts)
}

fn host_of(text: &str, default_port: u16) -> Result<Host, UrlError> {
    let (name, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (name, port) = rest.split_once(']').ok_or_else(|| problem("an IPv6 address ends with ]"))?;
            if name.parse::<std::net::Ipv6Addr>().is_err() {
                return Err(problem("between [ and ] stands an IPv6 address"));
            }
            (name, port)
        }
        None => match text.find(':') {
            Some(at) => text.split_at(at),
            None => (text, ""),
        },
    };
    if name.is_empty() || name.contains(|c: char| c.is_whitespace() || matches!(c, '/' | '@' | '[' | ']')) {
        return Err(problem(
            "the Redis URL needs a host, for example redis://redis:6379/0; / @ : in a password are percent-encoded",
        ));
    }
    let port = match port.strip_prefix(':') {
        None if port.is_empty() => default_port,
        Some(digits) => digits.parse::<u16>().ok().filter(|port| *port > 0).ok_or_else(|| {
            problem("the port of a Redis URL is a number from 1 to 65535; / @ : in a password are percent-encoded")
        })?,
        None => return Err(problem("after ] of an IPv6 address stands nothing or :port")),
    };
    Ok(Host { name: decoded(name)?, port })
}

fn db_of(text: &str) -> Result<i64, UrlError> {
    if text.is_empty() {
        return Ok(0);
    }
    text.parse::<u16>()
        .map(i64::from)
        .map_err(|_| problem("the path of a Redis URL is the number of the database, for example /0"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn url(text: &str) -> RedisUrl {
        RedisUrl::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn a_password_that_is_kept_apart_is_put_in() {
        for (text, user, db) in [
            ("redis://h", None, 0),
            ("rediss://ana@h:1/3?ca=/x.pem", Some("ana"), 3),
            (" redis://:@h/2 ", None, 2),
            ("rediss+cluster://a,b", None, 0),
            ("redis+sentinel://a,b/main/1", None, 1),
            ("unix:///run/redis.sock?db=4", None, 4),
            ("redis://h?db=5", None, 5),
        ] {
            let whole = RedisUrl::with_password(text, "p:/@?#%ä").expect("it has none");
            let url = RedisUrl::parse(&whole).expect("a good URL");
            assert_eq!((url.login(), url.db()), ((user, Some("p:/@?#%ä")), db), "{text}");
        }
        for text in ["redis://:own@h", "redis://ana:own@h", "h:6379"] {
            let error = RedisUrl::with_password(text, "hunter2").expect_err(text).to_string();
            assert!(!error.contains("own@") && !error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn every_form_is_read() {
        let cases = [
            ("redis://redis", "redis://redis:6379/0"),
            ("redis://redis:6380/5", "redis://redis:6380/5"),
            ("VALKEY://redis/", "redis://redis:6379/0"),
            ("rediss://[::1]:6390/1", "rediss://[::1]:6390/1"),
            ("redis://:secret@h", "redis://:***@h:6379/0"),
            ("redis+sentinel://a,b:7,c/mine/3", "redis+sentinel://a:26379,b:7,c:26379/mine/3"),
            ("rediss+sentinel://a", "rediss+sentinel://a:26379/mymaster/0"),
            ("redis+cluster://u:secret@a:7000,b:7001", "redis+cluster://u:***@a:7000,b:7001"),
            ("rediss+cluster://a/0", "rediss+cluster://a:6379"),
            ("unix:///run/redis%20x.sock?db=2", "redis+unix:///run/redis x.sock?db=2"),
            ("redis://h?db=4", "redis://h:6379/4"),
        ];
        for (text, shown) in cases {
            assert_eq!(url(text).to_string(), shown, "{text}");
        }
    }

    #[test]
    fn user_and_password_are_percent_decoded_and_never_printed() {
        let read = url("redis://us%40er:p%3Ass%2Fw%40rd@h:6379/0");
        assert_eq!(read.login.username.as_deref(), Some("us@er"));
        assert_eq!(read.login.password.as_deref(), Some("p:ss/w@rd"));
        let printed = format!("{read} {read:?} {:?}", read.login);
        assert!(!printed.contains("p:ss") && !printed.contains("p%3A"), "{printed}");
        let sentinel = url("redis+sentinel://:a@h/m?sentinel_password=hid%20den");
        assert_eq!(sentinel.sentinel_login.password.as_deref(), Some("hid den"));
        assert_eq!(url("rediss://h?ca=/a%20b.pem").ca, Some(PathBuf::from("/a b.pem")));
        assert!(!format!("{sentinel:?}").contains("hid"));
    }

    #[test]
    fn what_cannot_work_is_refused_without_repeating_it() {
        let bad = [
            "127.0.0.1:6379",
            "http://h",
            "redis://",
            "redis://a,b",
            "redis://h:0",
            "redis://h:70000",
            "redis://h/x",
            "redis://:secret/x@h",
            "redis://user@h",
            "redis://h?timeout=3",
            "redis://h?ca=/etc/ca.pem",
            "rediss://h?ca=",
            "redis+cluster://h/1",
            "redis+cluster://h?db=1",
            "redis+sentinel://h/0",
            "unix://run/redis.sock",
            "redis://[::1",
            "redis://[zz]",
            "redis://:%FF@h",
        ];
        for text in bad {
            let error = RedisUrl::parse(text).expect_err(text);
            assert!(!error.to_string().contains("secret"), "{error}");
        }
    }

    #[test]
    fn an_address_is_meant_for_redis_by_its_scheme() {
        for text in
            ["redis://h", " VALKEYS+Cluster://h", "unix:///s", "redis:h", "rediss://", "valkey+unix:///s"]
        {
            assert!(RedisUrl::is_meant_by(text), "{text}");
        }
        for text in ["redis", "redis+x://h", "sqlite:redis", "", "://redis"] {
            assert!(!RedisUrl::is_meant_by(text), "{text}");
        }
    }

    #[test]
    fn loopback_is_recognised() {
        for text in
            ["redis://localhost", "redis://127.0.0.9", "redis://[::1]", "unix:///s", "redis://LOCALHOST."]
        {
            assert!(url(text).is_loopback(), "{text}");
        }
        for text in ["redis://redis", "redis+cluster://localhost,other", "redis://10.0.0.1"] {
            assert!(!url(text).is_loopback(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_url_that_is_refused_is_not_repeated(
            scheme in "rediss?|redis\\+(cluster|sentinel)|valkeys?|unix|http|",
            rest in "[a-z0-9@:/?#%&=,.\\[\\]é -]{0,30}",
        ) {
            let text = format!("{scheme}://user:hunter2hunter2@{rest}");
            match RedisUrl::parse(&text) {
                Ok(url) => prop_assert!(!format!("{url}").contains("hunter2"), "{}", url),
                Err(e) => prop_assert!(!e.to_string().contains("hunter2"), "{}", e),
            }
        }
    }
}
