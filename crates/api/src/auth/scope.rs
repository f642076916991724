//! What a key lets its holder do.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// One permission.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum KeyScope {
    /// Enqueue, cancel and retry tasks.
    Send,
    /// Read tasks, events and templates; without a tenant also queues, workers and metrics.
    Read,
    /// Everything, keys and settings too.
    Admin,
}

impl KeyScope {
    /// Every scope.
    pub const ALL: [Self; 3] = [Self::Send, Self::Read, Self::Admin];

    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Send => "send",
            Self::Read => "read",
            Self::Admin => "admin",
        }
    }

    const fn bit(self) -> u8 {
        match self {
            Self::Send => 1,
            Self::Read => 2,
            Self::Admin => 4,
        }
    }
}

impl std::fmt::Display for KeyScope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::str::FromStr for KeyScope {
    type Err = String;

    fn from_str(s: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|scope| scope.as_str() == s);
        found.ok_or_else(|| "must be send, read or admin".to_owned())
    }
}

/// A set of permissions; `admin` includes the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Scopes(u8);

impl Scopes {
    /// Nothing.
    pub const NONE: Self = Self(0);
    /// Everything.
    pub const ALL: Self = Self(7);

    /// Whether it holds `scope` itself or through `admin`.
    pub const fn allow(self, scope: KeyScope) -> bool {
        self.0 & (scope.bit() | KeyScope::Admin.bit()) != 0
    }

    /// Whether it holds nothing.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Those that were given, `admin` not spelt out.
    pub fn iter(self) -> impl Iterator<Item = KeyScope> {
        KeyScope::ALL.into_iter().filter(move |s| self.0 & s.bit() != 0)
    }
}

impl FromIterator<KeyScope> for Scopes {
    fn from_iter<I: IntoIterator<Item = KeyScope>>(scopes: I) -> Self {
        Self(scopes.into_iter().fold(0, |bits, s| bits | s.bit()))
    }
}

impl Serialize for Scopes {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_seq(self.iter())
    }
}

impl<'de> Deserialize<'de> for Scopes {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        Ok(Vec::<KeyScope>::deserialize(d)?.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn admin_includes_the_others_and_they_do_not_include_each_other() {
        let of = |list: &[KeyScope]| list.iter().copied().collect::<Scopes>();
        for scope in KeyScope::ALL {
            assert!(of(&[KeyScope::Admin]).allow(scope));
            assert!(!Scopes::NONE.allow(scope));
        }
        assert!(!of(&[KeyScope::Send]).allow(KeyScope::Read));
        assert!(!of(&[KeyScope::Read]).allow(KeyScope::Send));
        assert!(!of(&[KeyScope::Send, KeyScope::Read]).allow(KeyScope::Admin));
        let text = serde_json::to_string(&of(&[KeyScope::Read, KeyScope::Send])).expect("a list");
        assert_eq!(text, r#"["send","read"]"#);
        assert_eq!(
            serde_json::from_str::<Scopes>(&text).expect("a list"),
            of(&[KeyScope::Send, KeyScope::Read])
        );
    }
}
