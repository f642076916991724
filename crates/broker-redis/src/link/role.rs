//! What a server says that it is (`ROLE`), and which replicas it has.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use redis::{Cmd, Value};

use crate::url::Host;

/// The command.
pub(super) static ROLE: LazyLock<Cmd> = LazyLock::new(|| redis::cmd("ROLE"));

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// A master, with the replicas that follow it now.
    Master(BTreeSet<Host>),
    /// A replica, or a sentinel.
    Other,
    /// Its user may not ask, or nobody understands the answer.
    Untold,
}

impl Role {
    /// Reads the answer. A master tells of its replicas as `[address, port, offset]`, a port being text.
    pub(super) fn read(value: &Value) -> Self {
        let Value::Array(parts) = value else { return Self::Untold };
        match parts.as_slice() {
            [name, _, Value::Array(replicas), ..] if text(name).as_deref() == Some("master") => {
                Self::Master(replicas.iter().filter_map(replica).collect())
            }
            [name, ..] if text(name).as_deref() == Some("master") => Self::Master(BTreeSet::new()),
            [_, ..] => Self::Other,
            [] => Self::Untold,
        }
    }
}

fn replica(value: &Value) -> Option<Host> {
    let Value::Array(parts) = value else { return None };
    let [name, port, ..] = parts.as_slice() else { return None };
    Some(Host { name: text(name)?, port: text(port)?.parse().ok()? })
}

/// A text or a number, as text.
pub(super) fn text(value: &Value) -> Option<String> {
    match value {
        Value::BulkString(bytes) => String::from_utf8(bytes.clone()).ok(),
        Value::SimpleString(text) => Some(text.clone()),
        Value::VerbatimString { text, .. } => Some(text.clone()),
        Value::Int(number) => Some(number.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bulk(text: &str) -> Value {
        Value::BulkString(text.as_bytes().to_vec())
    }

    #[test]
    fn masters_tell_of_their_replicas() {
        let one = Value::Array(vec![bulk("10.0.0.2"), bulk("6380"), bulk("42")]);
        let master = Value::Array(vec![bulk("master"), Value::Int(42), Value::Array(vec![one])]);
        let host = Host { name: "10.0.0.2".to_owned(), port: 6_380 };
        assert_eq!(Role::read(&master), Role::Master(BTreeSet::from([host])));
        let alone = Value::Array(vec![bulk("master"), Value::Int(0), Value::Array(Vec::new())]);
        assert_eq!(Role::read(&alone), Role::Master(BTreeSet::new()));
        let replica = [bulk("slave"), bulk("10.0.0.1"), Value::Int(6_379), bulk("connected"), Value::Int(42)];
        assert_eq!(Role::read(&Value::Array(replica.to_vec())), Role::Other);
        assert_eq!(Role::read(&Value::Nil), Role::Untold);
    }
}
