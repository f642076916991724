//! Validated names: kinds, queues, tenants, workers.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::limits::MAX_NAME_BYTES;

/// Why a name was refused.
#[derive(Debug, Clone, thiserror::Error, PartialEq, Eq)]
pub enum NameError {
    /// Empty.
    #[error("must not be empty")]
    Empty,
    /// Too long.
    #[error("must be at most {MAX_NAME_BYTES} bytes")]
    TooLong,
    /// A character outside the allowed set.
    #[error("may hold letters, digits, '.', '_', '-', ':' and '@' only, not {0:?}")]
    BadCharacter(char),
}

/// A short text of letters, digits, `.`, `_`, `-`, `:` and `@`; cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name(Arc<str>);

impl Name {
    /// Checks and takes `text`.
    ///
    /// # Errors
    /// When it is empty, longer than [`MAX_NAME_BYTES`] or holds another character.
    pub fn new(text: impl AsRef<str>) -> Result<Self, NameError> {
        let text = text.as_ref();
        if text.is_empty() {
            return Err(NameError::Empty);
        }
        if text.len() > MAX_NAME_BYTES {
            return Err(NameError::TooLong);
        }
        if let Some(c) = text.chars().find(|c| !allowed(*c)) {
            return Err(NameError::BadCharacter(c));
        }
        Ok(Self(text.into()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn allowed(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | ':' | '@')
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &*self.0)
    }
}

impl FromStr for Name {
    type Err = NameError;
    fn from_str(s: &str) -> Result<Self, Self::Err> {
        Self::new(s)
    }
}

impl Serialize for Name {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let s = std::borrow::Cow::<'de, str>::deserialize(d)?;
        Self::new(s).map_err(serde::de::Error::custom)
    }
}

macro_rules! named {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Name);

        impl $name {
            /// Checks and takes `text`.
            ///
            /// # Errors
            /// See [`Name::new`].
            pub fn new(text: impl AsRef<str>) -> Result<Self, NameError> {
                Name::new(text).map(Self)
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                self.0.as_str()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }

        impl FromStr for $name {
            type Err = NameError;
            fn from_str(s: &str) -> Result<Self, Self::Err> {
                Self::new(s)
            }
        }
    };
}

named!(
    /// Selects the handler of a task.
    Kind
);
named!(
    /// Where tasks wait; workers consume queues.
    QueueName
);
named!(
    /// Whose task it is; scopes unique and idempotency keys.
    Tenant
);
named!(
    /// One worker process, unique over its life: `<host>:<pid>:<random>`.
    WorkerId
);

impl Kind {
    /// The kind of a notification: one message, one recipient, one channel.
    pub fn notify() -> Self {
        Self::new("notify").expect("a fixed, valid name")
    }

    /// Whether every installation has it, whoever names it first.
    pub fn is_built_in(&self) -> bool {
        matches!(self.as_str(), "notify" | "http" | "callback")
    }
}

/// The queue of tasks that name none.
const DEFAULT_QUEUE: &str = "default";

impl QueueName {
    /// Whether every installation has it, whoever names it first.
    pub fn is_built_in(&self) -> bool {
        self.as_str() == DEFAULT_QUEUE
    }
}

impl Default for QueueName {
    fn default() -> Self {
        Self::new(DEFAULT_QUEUE).expect("a fixed, valid name")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked_on_every_way_in() {
        assert!(Kind::new("mail.welcome-2").is_ok());
        assert_eq!(Kind::new(""), Err(NameError::Empty));
        assert_eq!(Kind::new("a b"), Err(NameError::BadCharacter(' ')));
        assert_eq!(Kind::new("x".repeat(129)), Err(NameError::TooLong));
        assert!(serde_json::from_str::<QueueName>("\"a/b\"").is_err());
    }
}
