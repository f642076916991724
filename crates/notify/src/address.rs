//! An e-mail address as people type it, checked strictly enough to be put into an SMTP command.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Longest part before the `@`, in bytes (RFC 5321 §4.5.3.1.1).
const MAX_LOCAL: usize = 64;
/// Longest address, in bytes: a path of 256 holds two angle brackets (RFC 5321 §4.5.3.1.3).
const MAX_ADDRESS: usize = 254;
/// Longest label of a domain (RFC 1035 §2.3.4).
const MAX_LABEL: usize = 63;
/// Longest domain name without its final dot.
const MAX_DOMAIN: usize = 253;

/// Why an address was refused, as a short sentence for the person who typed it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Nothing there.
    #[error("The e-mail address must not be empty.")]
    Empty,
    /// A line break, NUL or another control character: an attempt to inject a header or command.
    #[error("The e-mail address must not contain line breaks or control characters.")]
    Control,
    /// A display name or angle brackets.
    #[error("Give the e-mail address alone, without a name or angle brackets.")]
    DisplayName,
    /// Several addresses.
    #[error("Give one e-mail address; send to several as several notifications.")]
    Several,
    /// White space.
    #[error("The e-mail address must not contain spaces.")]
    Space,
    /// No `@`.
    #[error("The e-mail address must contain an @-sign.")]
    NoAt,
    /// More than one `@`.
    #[error("The e-mail address must contain one @-sign only.")]
    ManyAts,
    /// Nothing before the `@`.
    #[error("There must be something before the @-sign.")]
    EmptyLocal,
    /// Nothing after the `@`.
    #[error("There must be something after the @-sign.")]
    EmptyDomain,
    /// Too long before the `@`.
    #[error("The part before the @-sign must be at most {MAX_LOCAL} bytes long.")]
    LocalTooLong,
    /// Too long altogether.
    #[error("The e-mail address must be at most {MAX_ADDRESS} bytes long.")]
    TooLong,
    /// A character that needs quoting, or a misplaced dot.
    #[error("The part before the @-sign has a character or a dot where none may be.")]
    BadLocal,
    /// Not a domain name.
    #[error("The part after the @-sign is not a valid domain name.")]
    BadDomain,
    /// A single label, such as `user@gmail`.
    #[error("The part after the @-sign should have a dot, as in example.com.")]
    NoDot,
    /// A bare or malformed IP address.
    #[error("An IP address after the @-sign must be written in brackets, as in user@[192.0.2.1].")]
    BadLiteral,
}

/// An e-mail address. [`Display`](fmt::Display) gives it; [`Debug`](fmt::Debug) does not, so that
/// it stays out of logs.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EmailAddress {
    text: Box<str>,
    at: u16,
}

impl EmailAddress {
    /// The address as it was given.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The part before the `@`.
    pub fn local(&self) -> &str {
        &self.text[..usize::from(self.at)]
    }

    /// The part after the `@`, as it was given.
    pub fn domain(&self) -> &str {
        &self.text[usize::from(self.at) + 1..]
    }

    /// The address as it goes over the wire: an international domain as punycode (RFC 5891). The
    /// part before the `@` stays as it is; unless that is ASCII the server must offer SMTPUTF8.
    pub fn to_wire(&self) -> String {
        if self.domain().is_ascii() {
            return self.text.to_string();
        }
        let ascii = punycode(self.domain()).expect("checked when the address was taken");
        format!("{}@{ascii}", self.local())
    }

    /// Whether the server must offer SMTPUTF8 (RFC 6531) for this address.
    pub fn needs_smtputf8(&self) -> bool {
        !self.local().is_ascii()
    }

    /// The name under which the address is remembered: punycode domain in lower case. The part
    /// before the `@` may be case-sensitive in theory; no server of note treats it so, and writing
    /// again to a mailbox that does not exist harms the sender, so it is folded too.
    pub fn suppression_name(&self) -> String {
        self.to_wire().to_lowercase()
    }
}

impl FromStr for EmailAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        if text.is_empty() {
            return Err(AddressError::Empty);
        }
        if text.chars().any(is_control) {
            return Err(AddressError::Control);
        }
        if text.contains(['<', '>']) {
            return Err(AddressError::DisplayName);
        }
        if text.contains([',', ';']) {
            return Err(AddressError::Several);
        }
        if text.chars().any(char::is_whitespace) {
            return Err(AddressError::Space);
        }
        if text.len() > MAX_ADDRESS {
            return Err(AddressError::TooLong);
        }
        let (local, domain) = text.split_once('@').ok_or(AddressError::NoAt)?;
        if domain.contains('@') {
            return Err(AddressError::ManyAts);
        }
        check_local(local)?;
        check_domain(domain)?;
        let at = u16::try_from(local.len()).expect("at most 64");
        let address = Self { text: text.into(), at };
        // Punycode can be longer than what was typed.
        if address.to_wire().len() > MAX_ADDRESS { Err(AddressError::TooLong) } else { Ok(address) }
    }
}

/// Control characters of any kind, the invisible line separators included.
pub(crate) fn is_control(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')
}

fn check_local(local: &str) -> Result<(), AddressError> {
    if local.is_empty() {
        return Err(AddressError::EmptyLocal);
    }
    if local.len() > MAX_LOCAL {
        return Err(AddressError::LocalTooLong);
    }
    // A dot-atom (RFC 5322 §3.2.3). Quoted forms are valid on paper and unused in practice.
    let atom = |part: &str| !part.is_empty() && part.chars().all(is_atext);
    if local.split('.').all(atom) { Ok(()) } else { Err(AddressError::BadLocal) }
}

fn is_atext(c: char) -> bool {
    !c.is_ascii() || c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c)
}

fn check_domain(domain: &str) -> Result<(), AddressError> {
    if domain.is_empty() {
        return Err(AddressError::EmptyDomain);
    }
    if domain.starts_with('[') {
        return check_literal(domain);
    }
    if domain.is_ascii() {
        return check_ascii_domain(domain);
    }
    check_ascii_domain(&punycode(domain).ok_or(AddressError::BadDomain)?)
}

fn check_literal(domain: &str) -> Result<(), AddressError> {
    let inner = domain.strip_prefix('[').and_then(|d| d.strip_suffix(']')).ok_or(AddressError::BadLiteral)?;
    let good = match inner.get(..5) {
        Some(tag) if tag.eq_ignore_ascii_case("ipv6:") => inner[5..].parse::<Ipv6Addr>().is_ok(),
        _ => inner.parse::<Ipv4Addr>().is_ok(),
    };
    if good { Ok(()) } else { Err(AddressError::BadLiteral) }
}

fn check_ascii_domain(domain: &str) -> Result<(), AddressError> {
    if domain.len() > MAX_DOMAIN {
        return Err(AddressError::BadDomain);
    }
    let label = |l: &str| {
        !l.is_empty()
            && l.len() <= MAX_LABEL
            && !l.starts_with('-')
            && !l.ends_with('-')
            && l.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    if !domain.split('.').all(label) {
        return Err(AddressError::BadDomain);
    }
    // No top-level domain is a number: this is an IP address without its brackets.
    if domain.rsplit('.').next().is_some_and(|l| l.bytes().all(|b| b.is_ascii_digit())) {
        return Err(AddressError::BadLiteral);
    }
    if !domain.contains('.') && !domain.eq_ignore_ascii_case("localhost") {
        return Err(AddressError::NoDot);
    }
    Ok(())
}

fn punycode(domain: &str) -> Option<String> {
    // `url` percent-decodes hosts, which an address must not.
    if domain.contains('%') {
        return None;
    }
    match url::Host::parse(domain) {
        Ok(url::Host::Domain(ascii)) => Some(ascii),
        _ => None,
    }
}

impl fmt::Display for EmailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for EmailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EmailAddress(…)")
    }
}

impl Serialize for EmailAddress {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for EmailAddress {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let s = std::borrow::Cow::<'de, str>::deserialize(d)?;
        s.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ordinary_and_unusual_addresses_are_taken() {
        for good in [
            "dev@example.com",
            "first.last+tag@sub.example.co.uk",
            "o'brien@example.com",
            "x@localhost",
            "x@[192.0.2.1]",
            "x@[IPv6:2001:db8::1]",
            "用户@例え.jp",
            "info@bücher.example",
            "a@1.example.com",
        ] {
            let a: EmailAddress = good.parse().unwrap_or_else(|e| panic!("{good}: {e}"));
            assert_eq!(a.to_string(), good);
        }
    }

    #[test]
    fn each_kind_of_mistake_is_named() {
        use AddressError as E;
        let long_local = format!("{}@example.com", "a".repeat(65));
        let long = format!("a@{}.com", "b.".repeat(126));
        let long_label = format!("a@{}.com", "b".repeat(64));
        for (bad, why) in [
            ("", E::Empty),
            ("a@example.com\r\nBcc: b@example.com", E::Control),
            ("a\0@example.com", E::Control),
            ("a@example.com\u{2028}", E::Control),
            ("Dev <dev@example.com>", E::DisplayName),
            ("<dev@example.com>", E::DisplayName),
            ("a@example.com,b@example.com", E::Several),
            ("a b@example.com", E::Space),
            (" a@example.com", E::Space),
            ("a\u{a0}b@example.com", E::Space),
            ("example.com", E::NoAt),
            ("a@b@example.com", E::ManyAts),
            ("@example.com", E::EmptyLocal),
            ("a@", E::EmptyDomain),
            (long_local.as_str(), E::LocalTooLong),
            (long.as_str(), E::TooLong),
            (long_label.as_str(), E::BadDomain),
            (".a@example.com", E::BadLocal),
            ("a..b@example.com", E::BadLocal),
            ("\"a\"@example.com", E::BadLocal),
            ("a@example..com", E::BadDomain),
            ("a@-example.com", E::BadDomain),
            ("a@exa_mple.com", E::BadDomain),
            ("a@example.com.", E::BadDomain),
            ("a@gmail", E::NoDot),
            ("a@192.0.2.1", E::BadLiteral),
            ("a@[192.0.2]", E::BadLiteral),
            ("a@[::1]", E::BadLiteral),
        ] {
            assert_eq!(bad.parse::<EmailAddress>(), Err(why), "{bad:?}");
        }
    }

    #[test]
    fn an_international_domain_goes_out_as_punycode() {
        let a: EmailAddress = "Info@Bücher.example".parse().unwrap();
        assert_eq!(a.to_wire(), "Info@xn--bcher-kva.example");
        assert!(!a.needs_smtputf8());
        assert_eq!(a.suppression_name(), "info@xn--bcher-kva.example");
        assert!("用户@例え.jp".parse::<EmailAddress>().unwrap().needs_smtputf8());
    }

    #[test]
    fn debug_hides_the_address() {
        let a: EmailAddress = "dev@example.com".parse().unwrap();
        assert!(!format!("{a:?}").contains("dev"));
    }

    /// Texts that are nearly addresses, with what has broken mail programs among them.
    fn nearly() -> impl Strategy<Value = String> {
        let parts = prop_oneof![
            Just("@"),
            Just("."),
            Just("a"),
            Just("example"),
            Just("com"),
            Just("xn--"),
            Just("-"),
            Just("[192.0.2.1]"),
            Just("[IPv6:::1]"),
            Just("\r\n"),
            Just("Bcc:"),
            Just(" "),
            Just("\""),
            Just("<"),
            Just(">"),
            Just(","),
            Just("é"),
            Just("例え"),
            Just("\u{2028}"),
            Just("\0"),
            Just("%0d%0a"),
            Just("a.b+c"),
            Just("ß"),
            Just("\u{200d}"),
            Just("1"),
        ];
        prop::collection::vec(parts, 0..9).prop_map(|p| p.concat())
    }

    proptest! {
        #[test]
        fn whatever_is_taken_is_one_address_that_cannot_leave_its_line(text in prop_oneof![nearly(), ".{0,40}", "[a-z.]{1,20}@[a-z.-]{1,30}"]) {
            let Ok(address) = text.parse::<EmailAddress>() else { return Ok(()) };
            prop_assert_eq!(address.to_string(), text.as_str());
            let wire = address.to_wire();
            let alone = |c: char| !is_control(c) && !c.is_whitespace() && !"<>,;\"".contains(c);
            prop_assert!(wire.chars().all(alone), "{:?}", wire);
            prop_assert!(wire.len() <= MAX_ADDRESS && wire.matches('@').count() == 1, "{:?}", wire);
            prop_assert!(wire.rsplit('@').next().is_some_and(str::is_ascii), "{:?}", wire);
            // What is remembered of it is found again by what was sent.
            let sent: EmailAddress = wire.parse().map_err(|e| TestCaseError::fail(format!("{wire:?}: {e}")))?;
            prop_assert_eq!(sent.suppression_name(), address.suppression_name());
        }
    }
}
