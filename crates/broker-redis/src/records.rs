//! Records: small named documents. A message held by the sandbox lies in the shard of its task, with
//! which it goes; everything else lies in the first shard.

use std::sync::LazyLock;

use futures_util::future::try_join_all;
use posthaste_core::limits::MAX_PAGE;
use posthaste_core::{BrokerError, Expect, Json, Record, RecordKind, RecordOrder, TaskId, Timestamp};
use redis::Value;

use crate::link::{Call, Oom, Script};
use crate::record::corrupt;
use crate::reply;
use crate::shards::Shards;

struct Scripts {
    put: Script,
    delete: Script,
    list: Script,
}

static SCRIPTS: LazyLock<Scripts> = LazyLock::new(|| {
    let with = |name, oom, text| Script::with(name, oom, &[include_str!("lua/reader.lua"), text]);
    Scripts {
        put: with("record_put", Oom::Refuse, include_str!("lua/record_put.lua")),
        delete: with("record_delete", Oom::Allow, include_str!("lua/record_delete.lua")),
        list: with("record_list", Oom::Reads, include_str!("lua/record_list.lua")),
    }
});

/// A small number for a kind of record; never reused.
pub(crate) fn kind_code(kind: RecordKind) -> u8 {
    match kind {
        RecordKind::Schedule => 1,
        RecordKind::Template => 2,
        RecordKind::Endpoint => 3,
        RecordKind::ApiKey => 4,
        RecordKind::Suppression => 5,
        RecordKind::Setting => 6,
        RecordKind::SandboxMessage => 7,
        RecordKind::TemplateVersion => 8,
        RecordKind::Attachment => 9,
        RecordKind::AttachmentPart => 10,
        RecordKind::Audit => 11,
        RecordKind::KeyUse => 12,
        RecordKind::Operation => 13,
        RecordKind::Batch => 14,
        RecordKind::SuppressedCategories => 15,
    }
}

pub(crate) fn shard_of(shards: &Shards, kind: RecordKind, name: &str) -> u16 {
    match (kind, name.parse::<TaskId>()) {
        (RecordKind::SandboxMessage, Ok(id)) => shards.place(id).0,
        _ => 0,
    }
}

/// Where records of a kind may lie.
fn shards_of(shards: &Shards, kind: RecordKind) -> std::ops::Range<u16> {
    if kind == RecordKind::SandboxMessage { shards.all() } else { 0..1 }
}

fn begin(shards: &Shards, script: &Script, shard: u16, kind: RecordKind) -> Call {
    let mut call = script.call(&shards.m_key(shard));
    call.arg(shards.clock_arg()).int(kind_code(kind).into());
    call
}

fn expectation(expect: Expect) -> String {
    match expect {
        Expect::Any => String::new(),
        Expect::Absent => "0".into(),
        // No record has version 0, so it must not stand for one that is absent.
        Expect::Version(0) => "-1".into(),
        Expect::Version(v) => v.to_string(),
    }
}

/// What a put or delete found, and whether it was what was expected.
fn verdict(value: Value) -> Result<u64, BrokerError> {
    let [met, version] = <[Value; 2]>::try_from(reply::list(value)?)
        .map_err(|_| corrupt("the answer to a change of a record"))?;
    let version = u64::try_from(reply::int(version)?).unwrap_or(0);
    if reply::int(met)? == 1 {
        return Ok(version);
    }
    Err(BrokerError::VersionConflict { found: (version > 0).then_some(version) })
}

fn record_of(kind: RecordKind, name: String, stored: &[u8]) -> Result<Record, BrokerError> {
    let broken = || corrupt(format!("the record {name:?} cannot be read"));
    let (head, body) = stored.split_at_checked(12).ok_or_else(broken)?;
    let number = |bytes: &[u8]| bytes.iter().fold(0u64, |n, b| (n << 8) | u64::from(*b));
    let body = std::str::from_utf8(body).map_err(|_| broken())?;
    Ok(Record {
        kind,
        version: number(&head[..6]),
        updated_at: Timestamp::from_millis(number(&head[6..]) as i64),
        body: Json::from_trusted(body.to_owned()),
        name,
    })
}

/// The record, or `None`.
///
/// # Errors
/// Those of the link; [`BrokerError::Corrupt`].
pub(crate) async fn get(
    shards: &Shards,
    kind: RecordKind,
    name: &str,
) -> Result<Option<Record>, BrokerError> {
    let shard = shard_of(shards, kind, name);
    let mut cmd = redis::cmd("HGET");
    cmd.arg(shards.key(shard, &format!("rec:{}", kind_code(kind)))).arg(name);
    let stored = reply::maybe_bytes(shards.link().command(&shards.m_key(shard), cmd).await?)?;
    stored.map(|bytes| record_of(kind, name.to_owned(), &bytes)).transpose()
}

/// Stores a record and returns its new version.
///
/// # Errors
/// [`BrokerError::VersionConflict`]; those of the link.
pub(crate) async fn put(
    shards: &Shards,
    kind: RecordKind,
    name: &str,
    body: &Json,
    expect: Expect,
) -> Result<u64, BrokerError> {
    let mut call = begin(shards, &SCRIPTS.put, shard_of(shards, kind, name), kind);
    call.arg(name).arg(expectation(expect)).arg(body.as_str());
    verdict(shards.link().run(call).await?)
}

/// Deletes a record; `false` when there was none.
///
/// # Errors
/// [`BrokerError::VersionConflict`]; those of the link.
pub(crate) async fn delete(
    shards: &Shards,
    kind: RecordKind,
    name: &str,
    expect: Expect,
) -> Result<bool, BrokerError> {
    let mut call = begin(shards, &SCRIPTS.delete, shard_of(shards, kind, name), kind);
    call.arg(name).arg(expectation(expect));
    Ok(verdict(shards.link().run(call).await?)? > 0)
}

/// At most `limit` records whose name lies beyond `after`.
///
/// # Errors
/// Those of the link; [`BrokerError::Corrupt`].
pub(crate) async fn list(
    shards: &Shards,
    kind: RecordKind,
    order: RecordOrder,
    after: Option<&str>,
    limit: usize,
) -> Result<Vec<Record>, BrokerError> {
    debug_assert!(limit <= MAX_PAGE, "whoever asks for {limit} takes fewer for the end");
    let limit = limit.min(MAX_PAGE);
    if limit == 0 {
        return Ok(Vec::new());
    }
    let from = after.map(|name| format!("({name}")).unwrap_or_default();
    let parts = try_join_all(shards_of(shards, kind).map(|shard| {
        let mut call = begin(shards, &SCRIPTS.list, shard, kind);
        call.arg(match order {
            RecordOrder::Ascending => "",
            RecordOrder::Descending => "1",
        });
        call.arg(&from).int(limit as i64);
        shards.link().run(call)
    }))
    .await?;
    let mut out = Vec::new();
    for part in parts {
        for (name, stored) in reply::pairs(part)? {
            out.push(record_of(kind, reply::text(name)?, &reply::bytes(stored)?)?);
        }
    }
    match order {
        RecordOrder::Ascending => out.sort_by(|a, b| a.name.cmp(&b.name)),
        RecordOrder::Descending => out.sort_by(|a, b| b.name.cmp(&a.name)),
    }
    out.truncate(limit);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stored_record_reads_back_and_a_short_one_is_told() {
        let stored = [&[0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 3, 232][..], b"{}"].concat();
        let record = record_of(RecordKind::Setting, "a".into(), &stored).expect("it reads");
        assert_eq!((record.version, record.updated_at.as_millis()), (258, 1_000));
        assert_eq!(record.body.as_str(), "{}");
        assert!(record_of(RecordKind::Setting, "a".into(), &stored[..11]).is_err());
    }

    #[test]
    fn a_conflict_tells_the_version_found() {
        let answer = |met, version| verdict(Value::Array(vec![Value::Int(met), Value::Int(version)]));
        assert!(matches!(answer(1, 4), Ok(4)));
        assert!(matches!(answer(0, 4), Err(BrokerError::VersionConflict { found: Some(4) })));
        assert!(matches!(answer(0, 0), Err(BrokerError::VersionConflict { found: None })));
    }
}
