//! The name by which this program introduces itself to mail servers.
//!
//! RFC 5321 §4.1.4 asks for a full name, or an address literal where there is none. A container's name is neither: many
//! servers refuse it, some only once they know the recipient.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// Why a name was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("must be a full host name such as mail.example.com, or an address literal such as [192.0.2.1]")]
pub struct EhloNameError;

/// A full host name or an address literal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EhloName(String);

impl EhloName {
    /// The text behind `EHLO`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The address of our end of a connection (RFC 5321 §4.1.3).
    pub fn literal(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V4(ip) => format!("[{ip}]"),
            IpAddr::V6(ip) => format!("[IPv6:{ip}]"),
        })
    }

    /// The name of this machine, if it is a full one.
    pub fn of_this_machine() -> Option<Self> {
        let name = hostname::get().ok()?.into_string().ok()?;
        let name: Self = name.trim().parse().ok()?;
        let about_itself = name.0.starts_with('[') || name.0.starts_with("localhost.");
        (!about_itself).then_some(name)
    }
}

impl FromStr for EhloName {
    type Err = EhloNameError;

    fn from_str(text: &str) -> Result<Self, EhloNameError> {
        if let Some(inner) = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            let address = match inner.get(..5) {
                Some(tag) if tag.eq_ignore_ascii_case("IPv6:") => inner[5..].parse().map(IpAddr::V6),
                _ => inner.parse().map(IpAddr::V4),
            };
            return address.map(Self::literal).map_err(|_| EhloNameError);
        }
        let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
        let labels: Vec<&str> = name.split('.').collect();
        let top = labels.last().copied().unwrap_or_default();
        let full = labels.len() > 1
            && name.len() <= 253
            && labels.iter().all(|label| is_label(label))
            && top.bytes().any(|b| b.is_ascii_alphabetic());
        if full { Ok(Self(name)) } else { Err(EhloNameError) }
    }
}

/// Letters, digits and hyphens, none of these at an end (RFC 1123 §2.1).
fn is_label(label: &str) -> bool {
    (1..=63).contains(&label.len())
        && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        && !label.starts_with('-')
        && !label.ends_with('-')
}

impl fmt::Display for EhloName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_names_and_literals_are_taken_and_nothing_else() {
        for (text, name) in [
            ("mail.example.com", "mail.example.com"),
            ("Mail.Example.com.", "mail.example.com"),
            ("xn--bcher-kva.example", "xn--bcher-kva.example"),
            ("ip-10-0-0-1.ec2.internal", "ip-10-0-0-1.ec2.internal"),
            ("[192.0.2.1]", "[192.0.2.1]"),
            ("[IPv6:2001:db8::1]", "[IPv6:2001:db8::1]"),
            ("[ipv6:2001:DB8::1]", "[IPv6:2001:db8::1]"),
        ] {
            assert_eq!(text.parse::<EhloName>().map(|n| n.to_string()).as_deref(), Ok(name), "{text}");
        }
        for bad in [
            "",
            ".",
            "4c01db0b339c",
            "localhost",
            "shop_worker.example.com",
            "-a.example.com",
            "a-.example.com",
            "a..example.com",
            "192.0.2.1",
            "[192.0.2]",
            "[2001:db8::1]",
            "[IPv6:192.0.2.1]",
            "[]",
            "a b.example.com",
            "bücher.example",
            "a.example.com\r\nMAIL",
            "*.example.com",
        ] {
            assert_eq!(bad.parse::<EhloName>(), Err(EhloNameError), "{bad}");
        }
        assert!(format!("{}.com", "a".repeat(64)).parse::<EhloName>().is_err());
        assert!("a.".repeat(128).parse::<EhloName>().is_err());
    }

    #[test]
    fn an_address_becomes_its_literal() {
        for (address, literal) in [
            ("127.0.0.1", "[127.0.0.1]"),
            ("::1", "[IPv6:::1]"),
            ("::ffff:192.0.2.1", "[192.0.2.1]"),
            ("2001:db8::1", "[IPv6:2001:db8::1]"),
        ] {
            assert_eq!(EhloName::literal(address.parse().expect("an address")).as_str(), literal);
        }
    }
}
