//! A sender: an address, perhaps with a display name.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::address::{AddressError, EmailAddress, is_control};

/// Longest display name, in bytes.
const MAX_NAME: usize = 200;

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
    #[error("Write a sender as name@example.com or as Name <name@example.com>.")]
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
        let Some((name, rest)) = text.split_once('<') else {
            return Ok(Self { name: None, address: text.parse()? });
        };
        let address = rest.strip_suffix('>').ok_or(MailboxError::Form)?.trim().parse()?;
        let name = name.trim();
        let name = name.strip_prefix('"').and_then(|n| n.strip_suffix('"')).unwrap_or(name);
        if name.len() > MAX_NAME {
            return Err(MailboxError::TooLong);
        }
        Ok(Self { name: (!name.is_empty()).then(|| name.to_owned()), address })
    }
}

impl fmt::Display for Mailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
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
        fn what_is_taken_is_one_line_and_reads_back(text in "[a-zA-Zé \"<>,@.\r\n\0\\-]{0,40}|[a-z \",\r\n\0]{0,10}<[a-z]{1,5}@[a-z]{1,5}\\.com>") {
            let Ok(mailbox) = text.parse::<Mailbox>() else { return Ok(()) };
            let written = mailbox.to_string();
            prop_assert!(!written.chars().any(is_control), "{:?}", written);
            let again: Mailbox = written.parse().map_err(|e| TestCaseError::fail(format!("{written:?}: {e}")))?;
            prop_assert_eq!(again.address, mailbox.address);
        }
    }
}
