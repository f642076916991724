//! What keeps a URL that somebody else chose from reaching what only this machine can reach.
//!
//! A name is looked up once, its addresses are filtered, and the connection goes to one of those that
//! are left: there is no second look-up between check and connect that could answer something else.
//! A host that is written as an address is checked as it stands; `url` has by then turned decimal,
//! octal and hexadecimal forms into the address that they mean.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

use super::ranges::forbidden;

/// Longest URL that is taken.
pub const MAX_URL: usize = 2_048;
/// Longest name of a host, without a dot at its end, and longest part of one, in bytes.
const MAX_HOST: usize = 253;
const MAX_LABEL: usize = 63;
/// A name that is not looked up by then counts as not found.
const LOOKUP: Duration = Duration::from_secs(5);

/// Why a URL or an address must not be called.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Blocked {
    /// Too long.
    #[error("The URL must be at most {MAX_URL} bytes long.")]
    TooLong,
    /// Not a URL.
    #[error("The URL cannot be read.")]
    Unreadable,
    /// What readers of URLs take away or take for something else.
    #[error("The URL must hold no spaces, control characters and backslashes; write them percent-encoded.")]
    Characters,
    /// Neither http nor https.
    #[error("The URL must begin with https:// or http://.")]
    Scheme,
    /// A user or password in it.
    #[error("The URL must not hold a user name or password.")]
    Userinfo,
    /// No host.
    #[error("The URL must name a host.")]
    NoHost,
    /// A host that no name server knows.
    #[error(
        "The host of the URL must be at most 253 bytes long, and each of its parts between dots 1 to 63."
    )]
    HostName,
    /// Port 0.
    #[error("The port of the URL must be 1 to 65535.")]
    Port,
    /// An address that is nobody's public host.
    #[error("The address {ip} must not be called: it is {what}. POSTHASTE_ALLOW_CIDRS can allow it.")]
    Address {
        /// The address.
        ip: IpAddr,
        /// What it is.
        what: &'static str,
    },
    /// The like, for a task with a tenant: no setting allows it.
    #[error("A task with a tenant calls public addresses alone, and this one is {what}.")]
    Tenant {
        /// What the address is.
        what: &'static str,
    },
}

/// Looks names up; a test may answer by itself.
pub trait Lookup: Send + Sync + 'static {
    /// The addresses of a name.
    fn lookup(
        &self,
        name: String,
    ) -> std::pin::Pin<Box<dyn Future<Output = std::io::Result<Vec<IpAddr>>> + Send>>;
}

/// The system's resolver.
struct System;

impl Lookup for System {
    fn lookup(
        &self,
        name: String,
    ) -> std::pin::Pin<Box<dyn Future<Output = std::io::Result<Vec<IpAddr>>> + Send>> {
        Box::pin(async move { Ok(tokio::net::lookup_host((name, 0)).await?.map(|a| a.ip()).collect()) })
    }
}

/// The rule, and what a self-hoster allows in spite of it.
#[derive(Clone)]
pub struct Guard {
    allow: Arc<[IpNet]>,
    /// Whether it is for tasks with a tenant.
    tenants: bool,
    lookup: Arc<dyn Lookup>,
}

impl std::fmt::Debug for Guard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Guard").field("allow", &self.allow).finish_non_exhaustive()
    }
}

impl Default for Guard {
    fn default() -> Self {
        Self::new(Vec::new())
    }
}

impl Guard {
    /// Public addresses, and those within `allow`.
    pub fn new(allow: Vec<IpNet>) -> Self {
        Self { allow: allow.into(), tenants: false, lookup: Arc::new(System) }
    }

    /// With another resolver.
    #[must_use]
    pub fn with_lookup(self, lookup: Arc<dyn Lookup>) -> Self {
        Self { lookup, ..self }
    }

    /// The guard of tasks with a tenant: what a self-hoster allows is allowed to its own tasks, and never to a customer's.
    #[must_use]
    pub fn of_tenants(&self) -> Self {
        Self { allow: Arc::new([]), tenants: true, lookup: Arc::clone(&self.lookup) }
    }

    /// Whether an address may be called.
    ///
    /// # Errors
    /// [`Blocked::Address`], [`Blocked::Tenant`].
    pub fn check_ip(&self, ip: IpAddr) -> Result<(), Blocked> {
        let Some(what) = forbidden(ip) else { return Ok(()) };
        if self.tenants {
            return Err(Blocked::Tenant { what });
        }
        // An IPv4 address is the same whichever way it is written.
        let plain = ip.to_canonical();
        if self.allow.iter().any(|net| net.contains(&ip) || net.contains(&plain)) {
            return Ok(());
        }
        Err(Blocked::Address { ip: plain, what })
    }

    /// Reads a URL and checks all of it that can be checked without a look-up.
    ///
    /// # Errors
    /// [`Blocked`].
    pub fn check_url(&self, text: &str) -> Result<Allowed, Blocked> {
        let url = read_url(text)?;
        match url.host() {
            Some(Host::Ipv4(ip)) => self.check_ip(ip.into())?,
            Some(Host::Ipv6(ip)) => self.check_ip(ip.into())?,
            Some(Host::Domain(_)) => {}
            None => return Err(Blocked::NoHost),
        }
        Ok(Allowed(url))
    }
}

/// A URL that a [`Guard`] let through: only such a one can be called. The addresses of its name are looked at when it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allowed(pub(super) Url);

impl std::ops::Deref for Allowed {
    type Target = Url;

    fn deref(&self) -> &Url {
        &self.0
    }
}

/// Reads a URL by its form alone, whatever it leads to. Every URL that we are to call comes through here.
///
/// It must be written out, `http://host…` or `https://host…` (RFC 9110 §4.2.1, §4.2.2): the reader that browsers have
/// (WHATWG URL §4.4) finds a host in `http:/a`, `http:a` and `http:\\a`, too, and other readers find none or another one.
///
/// # Errors
/// [`Blocked`].
pub fn read_url(text: &str) -> Result<Url, Blocked> {
    if text.len() > MAX_URL {
        return Err(Blocked::TooLong);
    }
    // The parser would drop these or take them for a slash; whoever writes them means to deceive somebody.
    if text.chars().any(|c| c.is_control() || c.is_whitespace() || c == '\\') {
        return Err(Blocked::Characters);
    }
    let authority = authority_as_written(text).ok_or(Blocked::Scheme)?;
    // An empty user (`https://@host`) leaves no trace in what is read.
    if authority.contains('@') {
        return Err(Blocked::Userinfo);
    }
    if authority.is_empty() || authority.starts_with(':') {
        return Err(Blocked::NoHost);
    }
    let url = Url::parse(text).map_err(|_| Blocked::Unreadable)?;
    match url.host() {
        None | Some(Host::Domain("")) => return Err(Blocked::NoHost),
        Some(Host::Domain(name)) if !is_host_name(name) => return Err(Blocked::HostName),
        Some(Host::Domain(_) | Host::Ipv4(_) | Host::Ipv6(_)) => {}
    }
    // Nothing listens there: it stands for any port.
    if url.port() == Some(0) {
        return Err(Blocked::Port);
    }
    Ok(url)
}

/// Whether a name can be looked up by its form: its parts are 1 to 63 bytes long, all of it at most 253 (RFC 1035 §2.3.4). A dot
/// at its end says that it is whole.
fn is_host_name(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    name.len() <= MAX_HOST && name.split('.').all(|part| (1..=MAX_LABEL).contains(&part.len()))
}

/// What stands between `http://` or `https://` and the path; `None` when neither is at the beginning.
fn authority_as_written(text: &str) -> Option<&str> {
    let (scheme, rest) = text.split_once("://")?;
    let ours = scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https");
    ours.then(|| rest.split(['/', '?', '#']).next().unwrap_or_default())
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = self.clone();
        Box::pin(async move {
            let asked = guard.lookup.lookup(name.as_str().to_owned());
            let found = tokio::time::timeout(LOOKUP, asked).await.map_err(|_| {
                std::io::Error::new(std::io::ErrorKind::TimedOut, "the name was not looked up in time")
            })??;
            let mut refused = None;
            let mut fine = Vec::with_capacity(found.len());
            for ip in found {
                match guard.check_ip(ip) {
                    Ok(()) => fine.push(SocketAddr::new(ip, 0)),
                    Err(e) => refused = Some(e),
                }
            }
            match (fine.is_empty(), refused) {
                (true, Some(e)) => Err(e.into()),
                (true, None) => {
                    Err(std::io::Error::new(std::io::ErrorKind::NotFound, "the name has no address").into())
                }
                (false, _) => Ok(Box::new(fine.into_iter()) as Addrs),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn tricks_are_seen_through() {
        let guard = Guard::default();
        for bad in [
            "http://127.0.0.1/",
            "http://2130706433/",
            "http://0177.0.0.1/",
            "http://0x7f.1/",
            "http://127.1/",
            "http://0x7f000001/",
            "http://[::1]/",
            "http://[::]/",
            "http://[::ffff:10.0.0.1]/",
            "http://[::ffff:7f00:1]/",
            "http://[64:ff9b::a9fe:a9fe]/",
            "http://[2002:7f00:1::]/",
            "http://169.254.169.254/latest",
            "http://0/",
            "http://0.0.0.0/",
            "http://127.0.0.1./",
            "http://１２７.0.0.1/",
            "http://user@example.com/",
            "http://user:pass@example.com/",
            "http://@127.0.0.1/",
            "ftp://example.com/",
            "file:///etc/passwd",
            "gopher://example.com/",
            "http://",
            "//example.com",
            "http://exa mple.com/",
            "http://example.com/\r\nX: y",
            "http://[fe80::1%25eth0]/",
            "http://10.1.2.3:8080/",
            "javascript:alert(1)",
            "https://@example.com/",
            "https://:@example.com/",
            "https://example.com@127.0.0.1/",
            "http://127.0.0.1\\@example.com/",
            "http:127.0.0.1/",
            "http:/127.0.0.1/",
            "http://127。0。0。1/",
            "http://%31%32%37.0.0.1/",
            "http://exam\nple.com/",
            "http://example.com/\tx",
            " http://example.com/",
        ] {
            assert!(guard.check_url(bad).is_err(), "{bad}");
        }
        for good in [
            "https://example.com/hook?x=1",
            "https://example.com/a@b?c=d@e",
            "http://93.184.216.34/",
            "https://[2606:4700:4700::1111]:8443/x",
        ] {
            assert!(guard.check_url(good).is_ok(), "{good}");
        }
    }

    #[test]
    fn a_url_is_written_out_or_refused() {
        for (text, why) in [
            ("http:/127.0.0.1/", Blocked::Scheme),
            ("http:/example.com/", Blocked::Scheme),
            ("http:example.com/a", Blocked::Scheme),
            ("HTTPS:example.com", Blocked::Scheme),
            ("http:///example.com/", Blocked::NoHost),
            ("https://", Blocked::NoHost),
            ("https://:443/", Blocked::NoHost),
            ("https://?x", Blocked::NoHost),
            ("http:\\\\example.com/", Blocked::Characters),
            ("http://example.com\\@127.0.0.1/", Blocked::Characters),
            ("ht\ttp://example.com/", Blocked::Characters),
            ("http://exam\nple.com/", Blocked::Characters),
            ("http://example.com/\u{85}", Blocked::Characters),
            ("https://@example.com/", Blocked::Userinfo),
            ("https://a:b@example.com/", Blocked::Userinfo),
            ("https://example.com:99999/", Blocked::Unreadable),
            ("https://[::1/", Blocked::Unreadable),
            ("xhttp://example.com/", Blocked::Scheme),
            ("ws://example.com/", Blocked::Scheme),
            ("", Blocked::Scheme),
            ("http://.", Blocked::HostName),
            ("http://..", Blocked::HostName),
            ("https://./a", Blocked::HostName),
            ("http://a..b/", Blocked::HostName),
            ("http://.example.com/", Blocked::HostName),
            ("http://example.com../", Blocked::HostName),
            ("http://example.com:0/", Blocked::Port),
            ("https://93.184.216.34:0/", Blocked::Port),
            ("https://[2606:4700:4700::1111]:0", Blocked::Port),
        ] {
            assert_eq!(read_url(text), Err(why), "{text:?}");
        }
        let label = |n: usize| "a".repeat(n);
        // Three parts and their dots, and one more so that all of it has this length.
        let name = |n: usize| format!("{0}.{0}.{0}.{1}", label(63), label(n - 3 * 64));
        for (host, fine) in [
            (label(63), true),
            (label(64), false),
            (format!("{}.com", label(64)), false),
            // As it is looked up: the letter is written `xn--…`.
            (format!("{}ü", label(60)), false),
            (name(253), true),
            (format!("{}.", name(253)), true),
            (name(254), false),
        ] {
            let why = if fine { None } else { Some(Blocked::HostName) };
            assert_eq!(read_url(&format!("https://{host}/")).err(), why, "{host}");
        }
        assert_eq!(read_url(&format!("https:{}", "é".repeat(70))), Err(Blocked::Scheme));
        assert_eq!(read_url(&format!("https://a/{}", "x".repeat(MAX_URL))), Err(Blocked::TooLong));
        for good in [
            "HTTP://Example.com",
            "https://bücher.example/straße?q=ü#ß",
            "http://example.com?a=b://c@d",
            "http://example.com./a",
            "http://my_host.example/",
            "http://localhost:1/",
            "http://[::1]/",
            "http://127.0.0.1./",
        ] {
            assert!(read_url(good).is_ok(), "{good}");
        }
    }

    #[test]
    fn what_is_allowed_is_allowed_in_every_form() {
        let guard = Guard::new(vec!["127.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()]);
        for good in [
            "http://127.0.0.1:9000/",
            "http://[::ffff:127.0.0.1]/",
            "http://[fd12::1]/",
            "http://2130706433/",
        ] {
            assert!(guard.check_url(good).is_ok(), "{good}");
        }
        assert!(guard.check_url("http://10.0.0.1/").is_err());
    }

    proptest! {
        #[test]
        fn no_private_address_passes_in_any_form(a in prop_oneof![Just(10u8), Just(127u8), Just(0u8)], b: u8, c: u8, d: u8) {
            let guard = Guard::default();
            let bits = u32::from_be_bytes([a, b, c, d]);
            let forms = [
                format!("{a}.{b}.{c}.{d}"), format!("{bits}"), format!("0x{bits:x}"), format!("0{bits:o}"),
                format!("{a}.{}", bits & 0x00ff_ffff), format!("0{a:o}.0{b:o}.0{c:o}.0{d:o}"),
                format!("0x{a:x}.0x{b:x}.0x{c:x}.0x{d:x}"), format!("[::ffff:{a}.{b}.{c}.{d}]"),
                format!("[::{a}.{b}.{c}.{d}]"), format!("[64:ff9b::{a}.{b}.{c}.{d}]"),
                format!("[2002:{:x}:{:x}::]", bits >> 16, bits & 0xffff),
            ];
            for host in forms {
                prop_assert!(guard.check_url(&format!("http://{host}/")).is_err(), "{}", host);
            }
        }

        #[test]
        fn any_text_is_answered(text in ".{0,80}") {
            let guard = Guard::default();
            let _ = guard.check_url(&text);
            let _ = guard.check_url(&format!("http://{text}"));
        }
    }
}
