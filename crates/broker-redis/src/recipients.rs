//! Where a task is found by whom it is for. What a call of `enqueue` says stands in a log as it came; each few thousand of the log are
//! moved to buckets by hash, so that of a batch to a thousand people none costs a place of its own.

use std::fmt::Write as _;
use std::sync::LazyLock;

use posthaste_core::NewTask;
use posthaste_core::limits::RECIPIENT_INDEXED;

/// Bytes of a recipient's hash: 48 bits, so that two recipients of a shard hardly ever share one. Those that do are told
/// apart by their text.
const HASH: usize = 6;
/// Buckets of a shard. Of a million tasks, each holds some 2,000: 35 kB.
const BUCKETS: usize = 512;
/// Bytes of the log from which on it is sorted: up to 4,096 tasks, eight for each bucket.
const LOG: usize = 48 * 1024;
/// Entries of a bucket at most: 64 MiB. Only one recipient with millions of tasks comes that far.
const BUCKET: usize = 64 * 1024 * 1024 / (HASH + 12);

/// What the scripts share that read or write these.
pub(crate) static RECIPIENTS: LazyLock<String> = LazyLock::new(|| {
    let mut lua = String::new();
    let limits = [
        ("HASH", HASH),
        ("BUCKETS", BUCKETS),
        ("LOG", LOG),
        ("BUCKET", BUCKET),
        ("INDEXED", RECIPIENT_INDEXED),
    ];
    for (name, n) in limits {
        let _ = writeln!(lua, "local RECIPIENT_{name} = {n}");
    }
    lua + include_str!("lua/recipients.lua")
});

/// Whom each task is for, by [`hash`], with zeros for nobody; nothing at all where no task says.
pub(crate) fn of<'t>(tasks: impl Iterator<Item = &'t NewTask> + Clone) -> Vec<u8> {
    if tasks.clone().all(|t| t.recipient.is_none()) {
        return Vec::new();
    }
    tasks.flat_map(|t| t.recipient.as_deref().map_or([0; HASH], hash)).collect()
}

/// The hash under which a recipient's tasks are found: the first bytes of its SHA-1, as the scripts make it. An address itself
/// stands in no key's name.
pub(crate) fn hash(recipient: &str) -> [u8; HASH] {
    *sha1_smol::Sha1::from(recipient).digest().bytes().first_chunk().expect("a SHA-1 has twenty bytes")
}
