//! The URL of an SMTP server: where it is, how the connection is protected, who signs in.
//!
//! | URL | port | protection |
//! | --- | --- | --- |
//! | `smtps://host` | 465 | TLS from the first byte (RFC 8314) |
//! | `smtp+starttls://host` | 587 | STARTTLS required |
//! | `smtp://host` | 587 | STARTTLS required |
//! | `smtp://127.0.0.1`, `[::1]`, `localhost` | 25 | none: nothing leaves the machine |
//! | `smtp+plain://host` | 25 | none, because the URL says so |
//!
//! Behind the host may stand `?ehlo=` (the name that EHLO says) and `connections=` (how many at a time).
//!
//! The scheme alone decides about protection. What the server offers never weakens it: without STARTTLS where it is
//! required, nothing is sent.

use std::fmt;
use std::str::FromStr;

use percent_encoding::percent_decode_str;
use url::{Host, Url};

use crate::Secret;
use crate::config::connections;
use crate::ehlo::EhloName;

/// How the connection is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// TLS from the first byte.
    ImplicitTls,
    /// Plain until STARTTLS, which is required.
    StartTls,
    /// Not at all.
    Plain,
}

/// Why a URL was refused. No variant carries the URL: it may hold a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SmtpUrlError {
    /// Not a URL.
    #[error("is not a URL; write it as smtps://user:password@mail.example.com")]
    NotAUrl,
    /// Another scheme.
    #[error("must start with smtps://, smtp+starttls://, smtp:// or smtp+plain://, not {0}://")]
    Scheme(String),
    /// No host.
    #[error("names no host")]
    NoHost,
    /// Port 0.
    #[error("names port 0")]
    BadPort,
    /// A user without a password or the other way round.
    #[error("must hold both a user and a password, or neither")]
    HalfCredentials,
    /// User or password holds a control character or bytes that are not UTF-8.
    #[error("holds a user or password with control characters or bytes that are not UTF-8")]
    BadCredentials,
    /// A path or fragment.
    #[error("must end after the port, or with ?ehlo= and connections=; the scheme says how it is protected")]
    Extra,
    /// A parameter that does not exist, or stands twice.
    #[error("has a parameter {0:?}, which does not exist or stands twice; there are ehlo and connections")]
    Parameter(String),
    /// A parameter with a wrong value.
    #[error("has a parameter {0} that {1}")]
    Value(&'static str, String),
}

/// The URL of an SMTP server. Printing it masks the password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SmtpUrl {
    host: String,
    port: u16,
    transport: Transport,
    credentials: Option<(String, Secret)>,
    ehlo: Option<EhloName>,
    connections: Option<usize>,
}

impl SmtpUrl {
    /// The host name or address, an IPv6 one without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// How the connection is protected.
    pub fn transport(&self) -> Transport {
        self.transport
    }

    /// Who signs in.
    pub fn credentials(&self) -> Option<(&str, &Secret)> {
        self.credentials.as_ref().map(|(user, secret)| (user.as_str(), secret))
    }

    /// The name that EHLO says, if the URL has one.
    pub fn ehlo(&self) -> Option<&EhloName> {
        self.ehlo.as_ref()
    }

    /// How many connections at a time, if the URL says so.
    pub fn connections(&self) -> Option<usize> {
        self.connections
    }

    /// Whether the password would cross a network unprotected: worth a warning.
    pub fn exposes_password(&self) -> bool {
        self.transport == Transport::Plain && self.credentials.is_some() && !is_loopback(&self.host)
    }
}

impl FromStr for SmtpUrl {
    type Err = SmtpUrlError;

    fn from_str(text: &str) -> Result<Self, SmtpUrlError> {
        let url = Url::parse(text.trim()).map_err(|_| SmtpUrlError::NotAUrl)?;
        let host = match url.host().ok_or(SmtpUrlError::NoHost)? {
            Host::Domain("") => return Err(SmtpUrlError::NoHost),
            Host::Domain(d) => ascii_host(d)?,
            Host::Ipv4(ip) => ip.to_string(),
            Host::Ipv6(ip) => ip.to_string(),
        };
        let transport = match url.scheme() {
            "smtps" => Transport::ImplicitTls,
            "smtp+starttls" => Transport::StartTls,
            "smtp" if is_loopback(&host) => Transport::Plain,
            "smtp" => Transport::StartTls,
            "smtp+plain" => Transport::Plain,
            other => return Err(SmtpUrlError::Scheme(other.to_owned())),
        };
        if !matches!(url.path(), "" | "/") || url.fragment().is_some() {
            return Err(SmtpUrlError::Extra);
        }
        let port = url.port().unwrap_or(match transport {
            Transport::ImplicitTls => 465,
            Transport::StartTls => 587,
            Transport::Plain => 25,
        });
        if port == 0 {
            return Err(SmtpUrlError::BadPort);
        }
        let credentials = credentials(&url)?;
        let mut read = Self { host, port, transport, credentials, ehlo: None, connections: None };
        // Without a user, or with an @ behind the ?, this may be what follows a ? in a password.
        let sure = read.credentials.is_some() && url.query().is_some_and(|q| !q.contains('@'));
        for (name, value) in url.query_pairs() {
            read.parameter(&name, &value, sure)?;
        }
        Ok(read)
    }
}

impl SmtpUrl {
    /// `sure` is whether it can be no part of a password.
    fn parameter(&mut self, name: &str, value: &str, sure: bool) -> Result<(), SmtpUrlError> {
        match name {
            "ehlo" if self.ehlo.is_none() => {
                let name =
                    value.parse::<EhloName>().map_err(|e| SmtpUrlError::Value("ehlo", e.to_string()))?;
                self.ehlo = Some(name);
            }
            "connections" if self.connections.is_none() => {
                let number = connections(value).map_err(|e| SmtpUrlError::Value("connections", e))?;
                self.connections = Some(number);
            }
            "ehlo" | "connections" => return Err(SmtpUrlError::Parameter(name.to_owned())),
            other if sure && is_word(other) => return Err(SmtpUrlError::Parameter(other.to_owned())),
            _ => return Err(SmtpUrlError::Extra),
        }
        Ok(())
    }
}

/// Whether it looks like the name of a parameter.
fn is_word(name: &str) -> bool {
    (1..=20).contains(&name.len()) && name.bytes().all(|b| b == b'_' || b.is_ascii_lowercase())
}

fn credentials(url: &Url) -> Result<Option<(String, Secret)>, SmtpUrlError> {
    match (url.username(), url.password()) {
        ("", None) => Ok(None),
        ("", Some(_)) | (_, None) => Err(SmtpUrlError::HalfCredentials),
        (user, Some(password)) => Ok(Some((decode(user)?, Secret::new(decode(password)?)))),
    }
}

fn decode(text: &str) -> Result<String, SmtpUrlError> {
    let decoded = percent_decode_str(text).decode_utf8().map_err(|_| SmtpUrlError::BadCredentials)?;
    // AUTH PLAIN separates its fields by NUL.
    if decoded.chars().any(char::is_control) {
        return Err(SmtpUrlError::BadCredentials);
    }
    Ok(decoded.into_owned())
}

/// `url` leaves the host of a scheme that it does not know as it was typed.
fn ascii_host(host: &str) -> Result<String, SmtpUrlError> {
    let decoded = percent_decode_str(host).decode_utf8().map_err(|_| SmtpUrlError::NoHost)?;
    match Host::parse(&decoded) {
        Ok(Host::Domain(d)) => Ok(d),
        Ok(Host::Ipv4(ip)) => Ok(ip.to_string()),
        Ok(Host::Ipv6(ip)) => Ok(ip.to_string()),
        Err(_) => Err(SmtpUrlError::NotAUrl),
    }
}

fn is_loopback(host: &str) -> bool {
    host == "localhost"
        || host.ends_with(".localhost")
        || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

impl fmt::Display for SmtpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.transport {
            Transport::ImplicitTls => "smtps",
            Transport::StartTls => "smtp+starttls",
            Transport::Plain => "smtp+plain",
        };
        let user = if self.credentials.is_some() { "…:…@" } else { "" };
        if self.host.contains(':') {
            write!(f, "{scheme}://{user}[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{scheme}://{user}{}:{}", self.host, self.port)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Transport, String, u16) {
        let u: SmtpUrl = text.parse().unwrap_or_else(|e| panic!("{text}: {e}"));
        (u.transport(), u.host().to_owned(), u.port())
    }

    #[test]
    fn the_url_alone_decides_the_protection() {
        let host = || "mail.example.com".to_owned();
        assert_eq!(read("smtps://mail.example.com"), (Transport::ImplicitTls, host(), 465));
        assert_eq!(read("smtp://mail.example.com"), (Transport::StartTls, host(), 587));
        assert_eq!(read("smtp://mail.example.com:25"), (Transport::StartTls, host(), 25));
        assert_eq!(read("smtp+starttls://127.0.0.1:2525").0, Transport::StartTls);
        assert_eq!(read("smtp+plain://mail.example.com"), (Transport::Plain, host(), 25));
        for loopback in ["127.0.0.1", "127.9.9.9", "localhost", "LOCALHOST", "[::1]"] {
            assert_eq!(read(&format!("smtp://{loopback}:1025")).0, Transport::Plain, "{loopback}");
        }
        for near in ["127.0.0.1.example.com", "localhost.example.com", "10.0.0.1", "128.0.0.1"] {
            assert_eq!(read(&format!("smtp://{near}:1025")).0, Transport::StartTls, "{near}");
        }
        assert_eq!(read("smtp://[::1]:1025").1, "::1");
    }

    #[test]
    fn name_and_number_of_connections_stand_behind_the_host() {
        for (url, ehlo, connections) in [
            ("smtps://u:p@mail.example.com", None, None),
            ("smtps://mail.example.com?ehlo=app.example.com", Some("app.example.com"), None),
            ("smtp://mail.example.com:2525/?connections=3&ehlo=[192.0.2.1]", Some("[192.0.2.1]"), Some(3)),
            (
                "smtp://[::1]:25?ehlo=%5BIPv6:2001:db8::1%5D&connections=256",
                Some("[IPv6:2001:db8::1]"),
                Some(256),
            ),
        ] {
            let u: SmtpUrl = url.parse().unwrap_or_else(|e| panic!("{url}: {e}"));
            assert_eq!((u.ehlo().map(EhloName::as_str), u.connections()), (ehlo, connections), "{url}");
        }
        for (query, named) in [
            ("ehlo=4c01db0b339c", "ehlo"),
            ("ehlo=shop_worker.example.com", "ehlo"),
            ("ehlo=", "ehlo"),
            ("connections=0", "connections"),
            ("connections=257", "connections"),
            ("connections=many", "connections"),
        ] {
            let e = format!("smtps://mail.example.com?{query}").parse::<SmtpUrl>().expect_err("refused");
            assert!(matches!(e, SmtpUrlError::Value(name, _) if name == named), "{query}: {e}");
        }
    }

    #[test]
    fn credentials_are_percent_decoded_and_masked() {
        let u: SmtpUrl = "smtps://me%40example.com:p%40ss%2Fword@mail.example.com".parse().unwrap();
        let (user, secret) = u.credentials().unwrap();
        assert_eq!((user, secret.expose()), ("me@example.com", "p@ss/word"));
        for shown in [format!("{u}"), format!("{u:?}")] {
            assert!(!shown.contains("p@ss"), "{shown}");
        }
        assert_eq!(u.to_string(), "smtps://…:…@mail.example.com:465");
    }

    #[test]
    fn mistakes_are_named_without_the_url() {
        use SmtpUrlError as E;
        for (bad, why) in [
            ("mail.example.com:587", E::NoHost),
            ("not a url", E::NotAUrl),
            ("http://mail.example.com", E::Scheme("http".into())),
            ("smtp://", E::NoHost),
            ("smtps://mail.example.com:0", E::BadPort),
            ("smtps://user@mail.example.com", E::HalfCredentials),
            ("smtps://:secret@mail.example.com", E::HalfCredentials),
            ("smtps://u:p%00q@mail.example.com", E::BadCredentials),
            ("smtps://mail.example.com/x", E::Extra),
            ("smtps://mail.example.com#x", E::Extra),
            ("smtps://u:p@mail.example.com?tls=none", E::Parameter("tls".into())),
            ("smtps://u:p@mail.example.com?connections=1&connections=2", E::Parameter("connections".into())),
            // What may be the rest of a password is not repeated.
            ("smtps://mail.example.com?tls=none", E::Extra),
            ("smtps://user:12?secret@mail.example.com", E::Extra),
            ("smtps://user:12?secret=x@mail.example.com", E::Extra),
            ("smtps://u:p@ss?secret=x@mail.example.com", E::Extra),
            ("smtps://u:p@mail.example.com?Sec-ret9=x", E::Extra),
            ("smtps://u:p@mail.example.com?aaaaaaaaaaaaaaaaaaaaa=x", E::Extra),
            ("smtps://u:p@mail.example.com?=x", E::Extra),
            ("smtps://mail.example.com?ehlo=a.example&ehlo=b.example", E::Parameter("ehlo".into())),
        ] {
            assert_eq!(bad.parse::<SmtpUrl>(), Err(why), "{bad}");
        }
    }
}
