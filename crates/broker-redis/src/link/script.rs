//! Scripts and the calls of them.
//!
//! Every call names two keys: the one it was asked for, and one that never exists. On a Cluster the server refuses a
//! command with several keys (`TRYAGAIN`) while their slot is being moved and one of them is missing, on either side of
//! the move. A script that builds its other keys itself would without that run against half of a shard: on the side that
//! is left it would be cut off in the middle by the first key that is gone, on the other side it would take a
//! key that has not arrived yet for one that does not exist. On a single server the second key costs a few bytes.

use std::fmt;
use std::sync::Arc;

use redis::{Cmd, RedisWrite};

/// What a script may do on a server that has no memory left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Oom {
    /// It takes in new work, so it is refused as a whole before it begins.
    Refuse,
    /// It finishes or frees work, so it runs.
    Allow,
    /// It only reads, so it runs, and the server holds it to that.
    Reads,
}

/// A script: its name for messages, its text and the hash by which the server knows it.
#[derive(Clone)]
pub(crate) struct Script {
    inner: Arc<Inner>,
}

struct Inner {
    name: &'static str,
    writes: bool,
    text: String,
    sha1: String,
}

impl Script {
    /// A script made of `parts`. The line that names the engine and the flags is put before them.
    pub(crate) fn with(name: &'static str, oom: Oom, parts: &[&str]) -> Self {
        let first = match oom {
            Oom::Refuse => "#!lua\n",
            Oom::Allow => "#!lua flags=allow-oom\n",
            Oom::Reads => "#!lua flags=no-writes\n",
        };
        let text = std::iter::once(first).chain(parts.iter().copied()).collect::<String>();
        let sha1 = redis::Script::new(&text).get_hash().to_owned();
        Self { inner: Arc::new(Inner { name, writes: oom != Oom::Reads, text, sha1 }) }
    }

    pub(crate) fn name(&self) -> &'static str {
        self.inner.name
    }

    /// Whether it may change something.
    pub(super) fn writes(&self) -> bool {
        self.inner.writes
    }

    pub(crate) fn text(&self) -> &str {
        &self.inner.text
    }

    #[cfg(test)]
    pub(super) fn sha1(&self) -> &str {
        &self.inner.sha1
    }

    /// Begins a call that works under the hash tag of `key`. The script finds it as `KEYS[1]`.
    pub(crate) fn call(&self, key: &[u8]) -> Call {
        let mut cmd = Cmd::with_capacity(16, 256);
        cmd.write_arg(b"EVALSHA");
        cmd.write_arg(self.inner.sha1.as_bytes());
        match absent(key) {
            Some(absent) => {
                cmd.write_arg(b"2");
                cmd.write_arg(key);
                cmd.write_arg(&absent);
            }
            None => {
                cmd.write_arg(b"1");
                cmd.write_arg(key);
            }
        }
        Call { script: self.clone(), slot: super::slot::slot_of(key), cmd }
    }
}

impl fmt::Debug for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Script({})", self.inner.name)
    }
}

/// The key under the hash tag of `key` that never exists; `None` if it has no tag.
fn absent(key: &[u8]) -> Option<Vec<u8>> {
    let close = key.iter().position(|byte| *byte == b'}')?;
    let mut absent = Vec::with_capacity(close + 3);
    absent.extend_from_slice(&key[..=close]);
    absent.extend_from_slice(b":-");
    Some(absent)
}

/// A call of a script, packed argument by argument.
pub(crate) struct Call {
    pub(super) script: Script,
    pub(crate) slot: u16,
    pub(super) cmd: Cmd,
}

impl Call {
    /// Appends an argument.
    pub(crate) fn arg(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        self.cmd.write_arg(bytes.as_ref());
        self
    }

    /// Appends a number in decimal.
    pub(crate) fn int(&mut self, number: i64) -> &mut Self {
        self.cmd.write_arg_fmt(number);
        self
    }
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Call({})", self.script.inner.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packed(call: &Call) -> String {
        String::from_utf8_lossy(&call.cmd.get_packed_command()).replace("\r\n", " ")
    }

    #[test]
    fn a_call_names_its_key_and_one_that_never_exists() {
        let script = Script::with("probe", Oom::Refuse, &["return ", "1\n"]);
        let mut call = script.call(b"ph:{main:0}:m");
        call.arg("x").int(-7);
        let text = packed(&call);
        assert!(text.starts_with("*7 $7 EVALSHA $40 "), "{text}");
        assert!(text.ends_with(" $1 2 $13 ph:{main:0}:m $13 ph:{main:0}:- $1 x $2 -7 "), "{text}");
        assert_eq!(script.text(), "#!lua\nreturn 1\n");
    }

    #[test]
    fn the_flags_follow_what_the_script_may_do_without_memory() {
        assert!(Script::with("a", Oom::Allow, &[""]).text().starts_with("#!lua flags=allow-oom\n"));
        assert!(Script::with("a", Oom::Reads, &[""]).text().starts_with("#!lua flags=no-writes\n"));
    }
}
