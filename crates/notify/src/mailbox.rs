//! An address, perhaps with a display name.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::address::{AddressError, EmailAddress, is_control};

/// Longest display name, in bytes.
pub const MAX_NAME: usize = 200;

/// Why a sender was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MailboxError {
    /// The address in it.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// A line break or control character in the name.
    #[error("The name must not contain line breaks or control characters.")]
    Control,
    /// Too long.
    #[error("The name must be at most {MAX_NAME} bytes long.")]
    TooLong,
    /// An angle bracket without its partner, or something after it.
    #[error("Write an address as name@example.com or as Name <name@example.com>.")]
    Form,
}

/// `name@example.com` or `Name <name@example.com>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mailbox {
    /// The display name.
    pub name: Option<String>,
    /// The address.
    pub address: EmailAddress,
}

impl FromStr for Mailbox {
    type Err = MailboxError;

    fn from_str(text: &str) -> Result<Self, MailboxError> {
        if text.chars().any(is_control) {
            return Err(MailboxError::Control);
        }
        let text = text.trim();
        let Some(inner) = text.strip_suffix('>') else {
            return if text.contains('<') {
                Err(MailboxError::Form)
            } else {
                Ok(Self { name: None, address: text.parse()? })
            };
        };
        let (name, address) = inner.rsplit_once('<').ok_or(MailboxError::Form)?;
        let address = address.trim().parse()?;
        let name = name.trim();
        if unquoted_part(name).contains(['<', '>']) {
            return Err(MailboxError::Form);
        }
        let name = unquoted(name);
        if name.len() > MAX_NAME {
            return Err(MailboxError::TooLong);
        }
        Ok(Self { name: (!name.is_empty()).then_some(name), address })
    }
}

/// A phrase (RFC 5322 §3.2.5) without what belongs to its spelling alone: quotes around its words, and the backslash of
/// quoted pairs in them (§3.2.4). A quote that is no such word's is the name's own.
pub(crate) fn unquoted(phrase: &str) -> String {
    let mut out = String::with_capacity(phrase.len());
    let mut rest = phrase;
    while let Some(from) = rest.find('"') {
        let starts_word = from == 0 || rest[..from].ends_with(' ');
        let Some(len) = quoted_len(&rest[from..]).filter(|_| starts_word) else { return phrase.to_owned() };
        let after = &rest[from + len..];
        if !(after.is_empty() || after.starts_with(' ')) {
            return phrase.to_owned();
        }
        out.push_str(&rest[..from]);
        let mut inner = rest[from + 1..from + len - 1].chars();
        while let Some(c) = inner.next() {
            out.extend(if c == '\\' { inner.next() } else { Some(c) });
        }
        rest = after;
    }
    out.push_str(rest);
    out
}

/// How long the quoted string at the beginning of `text` is, with both quotes; `None` without an end.
fn quoted_len(text: &str) -> Option<usize> {
    let mut escaped = false;
    for (i, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return Some(i + 1),
            _ => {}
        }
    }
    None
}

/// What of a phrase stands outside of quotes.
fn unquoted_part(phrase: &str) -> String {
    let mut out = String::new();
    let mut rest = phrase;
    while let Some((before, _)) = rest.split_once('"') {
        out.push_str(before);
        let quoted = &rest[before.len()..];
        let Some(len) = quoted_len(quoted) else {
            out.push_str(quoted);
            return out;
        };
        rest = &quoted[len..];
    }
    out.push_str(rest);
    out
}

impl fmt::Display for Mailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            // In quotes where it would read back as another name.
            Some(name) if unquoted(name.trim()) != *name || name.contains(['<', '>']) => {
                let name = name.replace('\\', "\\\\").replace('"', "\\\"");
                write!(f, "\"{name}\" <{}>", self.address)
            }
            Some(name) => write!(f, "{name} <{}>", self.address),
            None => write!(f, "{}", self.address),
        }
    }
}

impl Serialize for Mailbox {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Mailbox {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn both_forms_are_read() {
        let m: Mailbox = "Posthaste <post@example.com>".parse().unwrap();
        assert_eq!((m.name.as_deref(), m.address.as_str()), (Some("Posthaste"), "post@example.com"));
        let m: Mailbox = "\"Post, Haste\" <post@example.com>".parse().unwrap();
        assert_eq!(m.name.as_deref(), Some("Post, Haste"));
        assert_eq!("post@example.com".parse::<Mailbox>().unwrap().name, None);
        assert_eq!("<post@example.com>".parse::<Mailbox>().unwrap().name, None);
    }

    #[test]
    fn names_lose_the_spelling_of_quotes_and_keep_their_own() {
        for (phrase, name) in [
            (r#""J. \"Q\" Public""#, r#"J. "Q" Public"#),
            (r#""back\\slash""#, r"back\slash"),
            (r#""Smith, John" Jr"#, "Smith, John Jr"),
            (r#""a" "b""#, "a b"),
            (r#""<tag> & >""#, "<tag> & >"),
            (r#""  spaces  ""#, "  spaces  "),
            // No quoted string: what was typed is the name.
            (r#""half"#, r#""half"#),
            (r#"12" screen"#, r#"12" screen"#),
            (r#"a"b"c"#, r#"a"b"c"#),
            (r#""a"b"#, r#""a"b"#),
            (r"back\slash", r"back\slash"),
        ] {
            let mailbox: Mailbox = format!("{phrase} <a@example.com>").parse().unwrap();
            assert_eq!(mailbox.name.as_deref(), Some(name), "{phrase}");
            assert_eq!(mailbox.to_string().parse::<Mailbox>().unwrap(), mailbox, "{phrase}");
        }
    }

    #[test]
    fn injection_and_bad_forms_are_refused() {
        assert_eq!("A\r\nBcc: x <a@example.com>".parse::<Mailbox>(), Err(MailboxError::Control));
        assert_eq!("A <a@example.com".parse::<Mailbox>(), Err(MailboxError::Form));
        assert_eq!("A <a@example.com> B".parse::<Mailbox>(), Err(MailboxError::Form));
        assert!("A <nobody>".parse::<Mailbox>().is_err());
    }

    proptest! {
        #[test]
        fn what_is_taken_is_one_line_and_reads_back(text in "[a-zA-Zé \"<>,@.\r\n\0\\-]{0,40}|[a-z \"\\\\,\r\n\0]{0,10}<[a-z]{1,5}@[a-z]{1,5}\\.com>") {
            let Ok(mailbox) = text.parse::<Mailbox>() else { return Ok(()) };
            let written = mailbox.to_string();
            prop_assert!(!written.chars().any(is_control), "{:?}", written);
            let again: Mailbox = written.parse().map_err(|e| TestCaseError::fail(format!("{written:?}: {e}")))?;
            prop_assert_eq!(again, mailbox);
        }
    }
}
