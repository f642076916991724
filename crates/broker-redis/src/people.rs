//! Leases, and what people do to tasks and lanes.

use std::time::Duration;

use futures_util::future::{join_all, try_join_all};
use posthaste_core::broker::{Cancelled, Extend, Extended, Fenced, PauseRequest, ReleaseReason, Retried};
use posthaste_core::limits::{MAX_DETACHED_LEASE, MAX_LANES};
use posthaste_core::{BrokerError, LaneLimits, LeaseRef, PauseReason, Scope, State, TaskId, Timestamp};
use rand::RngExt;

use crate::enqueue::target_text;
use crate::keys::Key;
use crate::link::Call;
use crate::record::corrupt;
use crate::reply;
use crate::scripts::SCRIPTS;
use crate::store::Inner;

/// The letter of a lease whose shard did not answer.
const UNKNOWN: u8 = b'?';

/// Items of a request, by shard: the shard, where each stands in the request, the item.
fn by_shard<T: Copy>(count: u16, items: &[T], shard: impl Fn(&T) -> u16) -> Vec<(u16, Vec<(usize, T)>)> {
    let mut parts: Vec<(u16, Vec<(usize, T)>)> = (0..count).map(|s| (s, Vec::new())).collect();
    for (i, item) in items.iter().enumerate() {
        parts[usize::from(shard(item))].1.push((i, *item));
    }
    parts.retain(|(_, p)| !p.is_empty());
    parts
}

fn put_lease(call: &mut Call, flags: u8, lease: &LeaseRef) {
    let key = Key::of(lease.task);
    let mut b = Vec::with_capacity(33);
    b.push(flags);
    b.extend_from_slice(key.as_slice());
    b.extend_from_slice(&lease.token.to_bytes());
    call.arg(b);
}

impl Inner {
    /// Asks each shard about its leases; one letter each, in order. `unknown` is the letter of those whose shard does not
    /// answer while others do; without one that is an error.
    async fn leases(
        &self,
        what: &str,
        how: Option<Duration>,
        leases: &[Extend],
        unknown: Option<u8>,
    ) -> Result<Vec<u8>, BrokerError> {
        let shards = self.found().await?;
        let how = how.map(|d| d.as_millis().to_string()).unwrap_or_default();
        let parts = by_shard(shards.count(), leases, |e| shards.place(e.lease.task).0);
        let calls = parts.iter().map(|(shard, part)| {
            let mut call = self.call(&SCRIPTS.lease, *shard);
            call.arg(what).arg(&how);
            for (_, e) in part {
                put_lease(&mut call, u8::from(e.started) | (u8::from(e.detached) << 1), &e.lease);
                if what == "release" {
                    call.arg(rand::rng().random::<f64>().to_string());
                }
            }
            async move { reply::bytes(self.run_aside(*shard, call).await?) }
        });
        let mut out = vec![b'L'; leases.len()];
        let answers = join_all(calls).await;
        let some = answers.iter().any(Result::is_ok);
        for (letters, (_, part)) in answers.into_iter().zip(&parts) {
            let letters = match (letters, unknown) {
                (Ok(letters), _) => letters,
                // One shard that does not answer takes nothing from what the others said.
                (Err(_), Some(letter)) if some => vec![letter; part.len()],
                (Err(e), _) => return Err(e),
            };
            if letters.len() != part.len() {
                return Err(corrupt("the answer about leases"));
            }
            for (letter, (at, _)) in letters.into_iter().zip(part) {
                out[*at] = letter;
            }
        }
        Ok(out)
    }

    pub(crate) async fn mark(&self, leases: &[LeaseRef]) -> Result<Vec<Fenced>, BrokerError> {
        Ok(self.leases("mark", None, &plain(leases), Some(UNKNOWN)).await?.into_iter().map(fenced).collect())
    }

    pub(crate) async fn extend(
        &self,
        leases: &[Extend],
        lease: Duration,
    ) -> Result<Vec<Extended>, BrokerError> {
        let lease = lease.clamp(Duration::from_millis(1), MAX_DETACHED_LEASE);
        let letters = self.leases("extend", Some(lease), leases, Some(UNKNOWN)).await?;
        Ok(letters.into_iter().map(|l| Extended { lease: fenced(l), cancel_requested: l == b'C' }).collect())
    }

    pub(crate) async fn cancel_flags(&self, leases: &[LeaseRef]) -> Result<Vec<bool>, BrokerError> {
        Ok(self
            .leases("flags", None, &plain(leases), Some(b'0'))
            .await?
            .into_iter()
            .map(|l| l != b'0')
            .collect())
    }

    pub(crate) async fn release(
        &self,
        leases: &[LeaseRef],
        reason: ReleaseReason,
    ) -> Result<Vec<Fenced>, BrokerError> {
        let delay = match reason {
            ReleaseReason::Shutdown => None,
            ReleaseReason::UnknownKind { delay } => Some(delay),
        };
        let letters = self.leases("release", delay, &plain(leases), None).await?;
        drop(self.held.take(leases.iter()));
        self.ring_all();
        Ok(letters.into_iter().map(fenced).collect())
    }

    /// Asks each shard to cancel, retry or erase its tasks; one answer each, in order.
    pub(crate) async fn people(
        &self,
        what: &str,
        expires_at: Option<Timestamp>,
        ids: &[TaskId],
    ) -> Result<Vec<Vec<u8>>, BrokerError> {
        let shards = self.found().await?;
        let expires = expires_at.map(|t| t.as_millis().to_string()).unwrap_or_default();
        let parts = by_shard(shards.count(), ids, |id| shards.place(*id).0);
        let calls = parts.iter().map(|(shard, part)| {
            let mut call = self.call(&SCRIPTS.people, *shard);
            call.arg(what).arg(&expires);
            for (_, id) in part {
                call.arg(Key::of(*id).as_slice());
            }
            async move { reply::list(self.run(*shard, call).await?) }
        });
        let mut out = vec![Vec::new(); ids.len()];
        for (answers, (_, part)) in try_join_all(calls).await?.into_iter().zip(&parts) {
            if answers.len() != part.len() {
                return Err(corrupt("the answer about tasks"));
            }
            for (answer, (at, _)) in answers.into_iter().zip(part) {
                out[*at] = reply::bytes(answer)?;
            }
        }
        Ok(out)
    }

    pub(crate) async fn cancel(&self, ids: &[TaskId]) -> Result<Vec<Cancelled>, BrokerError> {
        let answers = self.people("cancel", None, ids).await?;
        answers
            .iter()
            .map(|a| match a.as_slice() {
                b"D" => Ok(Cancelled::Done),
                b"R" => Ok(Cancelled::Requested),
                b"N" => Ok(Cancelled::NotFound),
                [b'F', code] => state(*code).map(Cancelled::AlreadyFinal),
                _ => Err(corrupt("the answer to a cancel")),
            })
            .collect()
    }

    pub(crate) async fn retry(
        &self,
        ids: &[TaskId],
        expires_at: Option<Timestamp>,
    ) -> Result<Vec<Retried>, BrokerError> {
        let answers = self.people("retry", expires_at, ids).await?;
        self.ring_all();
        answers
            .iter()
            .map(|a| match a.as_slice() {
                b"N" => Ok(Retried::NotFound),
                [b'S', code] => state(*code).map(Retried::NotRetryable),
                [b'U', key @ ..] => {
                    let by = Key::from_slice(key).ok_or_else(|| corrupt("a holder"))?.id();
                    Ok(Retried::UniqueHeld { by })
                }
                [b'G', text @ ..] => {
                    let generation = std::str::from_utf8(text).ok().and_then(|t| t.parse().ok());
                    generation
                        .map(|generation| Retried::Done { generation })
                        .ok_or_else(|| corrupt("a generation"))
                }
                _ => Err(corrupt("the answer to a retry")),
            })
            .collect()
    }

    /// Tells every shard about a pause, its end, or limits.
    async fn steer(&self, what: &str, scope: &Scope, rest: &[String]) -> Result<(), BrokerError> {
        let shards = self.found().await?;
        let (kind, lane) = match scope {
            Scope::Queue(_) => ("queue", None),
            Scope::Lane(_, lane) => ("lane", Some(lane)),
        };
        let (target, tenant) = crate::names::lane_texts(lane);
        let own = shards.by_text(&target_text(scope.queue().as_str(), lane));
        let calls = shards.all().map(|shard| {
            let mut call = self.call(&SCRIPTS.steer, shard);
            call.arg(what).arg(kind).arg(scope.queue().as_str()).arg(target).arg(tenant);
            for r in rest {
                call.arg(r);
            }
            if what == "limits" && shards.count() > 1 {
                call.arg(if shard == own { "1" } else { "0" });
            }
            async move { reply::text(self.run(shard, call).await?) }
        });
        if try_join_all(calls).await?.iter().any(|a| a != "OK") {
            let problem = format!("this store knows {MAX_LANES} lanes already; use fewer");
            return Err(BrokerError::invalid(0, "lane", problem));
        }
        self.ring_all();
        Ok(())
    }

    pub(crate) async fn pause(&self, request: PauseRequest) -> Result<(), BrokerError> {
        let reason = match request.reason {
            PauseReason::Manual => "manual",
            PauseReason::Throttled => "throttled",
            PauseReason::Misconfigured => "misconfigured",
            PauseReason::Breaker => "breaker",
        };
        let ms = request.for_.map(|d| d.as_millis().to_string()).unwrap_or_default();
        let rest = [reason.to_owned(), ms, request.message.unwrap_or_default()];
        self.steer("pause", &request.scope, &rest).await
    }

    pub(crate) async fn resume(&self, scope: &Scope) -> Result<(), BrokerError> {
        self.steer("resume", scope, &[]).await
    }

    /// Ends pauses of misconfigured targets whose settings were mended; a store of several shards has one on each.
    pub(crate) async fn lift(&self, settings: &[String]) -> Result<usize, BrokerError> {
        let shards = self.found().await?;
        let calls = shards.all().map(|shard| {
            let mut call = self.call(&SCRIPTS.steer, shard);
            call.arg("lift");
            for text in settings {
                call.arg(text);
            }
            async move { reply::int(self.run(shard, call).await?) }
        });
        let lifted: i64 = try_join_all(calls).await?.into_iter().max().unwrap_or(0);
        if lifted > 0 {
            self.ring_all();
        }
        Ok(usize::try_from(lifted).unwrap_or(0))
    }

    /// Sets limits; a store of several shards shares them out.
    pub(crate) async fn set_limits(&self, scope: &Scope, limits: LaneLimits) -> Result<(), BrokerError> {
        let number = |n: Option<u32>| n.map(|n| n.to_string()).unwrap_or_default();
        let rest = [number(limits.rate), limits.per_ms.to_string(), number(limits.concurrency)];
        self.steer("limits", scope, &rest).await
    }
}

fn plain(leases: &[LeaseRef]) -> Vec<Extend> {
    leases.iter().map(|l| Extend { lease: *l, started: false, detached: false }).collect()
}

fn fenced(letter: u8) -> Fenced {
    match letter {
        b'L' => Fenced::LeaseLost,
        UNKNOWN => Fenced::Unanswered,
        _ => Fenced::Granted,
    }
}

fn state(code: u8) -> Result<State, BrokerError> {
    State::from_code(code.wrapping_sub(b'0')).ok_or_else(|| corrupt("a state"))
}
