//! What this process knows of keys, and how long it believes it.
//!
//! An answer of the store is believed for a second. In its second half one request asks again while
//! the others go on, so that a busy key waits for no store. While the store is away, a key that was
//! good stays good for five minutes; a key that is not known is refused with 503, never let in.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, DefaultHasher};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use posthaste_core::{BrokerError, RecordKind, RecordOrder, Store, Timestamp};

use super::caller::Who;
use super::keys::{ConfiguredKey, KeyRecord};
use super::rate::{Bucket, RateLimit};
use super::token::{TokenHash, key_id};
use super::{FRESH, KNOWN_FOR, MAX_KEYS, now};
use crate::ApiError;

/// How often the use of a key is noted.
const NOTE_EVERY: Duration = Duration::from_secs(60);
/// How long the store may take to say something about a key.
const PATIENCE: Duration = Duration::from_secs(2);
/// "Never", as a time of the ring.
const NEVER: u64 = 0;

/// A key that was good when it was last looked at.
pub(crate) struct Known {
    pub(crate) who: Arc<Who>,
    hash: TokenHash,
    expires_at: Option<Timestamp>,
    rate: Option<(RateLimit, Mutex<Bucket>)>,
    /// A key of the configuration is good as long as the process lives.
    configured: bool,
    /// When the store last said that it is good.
    checked_ms: AtomicU64,
    /// When the store last did not answer: it is not asked again for a second.
    rested_ms: AtomicU64,
    /// Whether somebody asks just now.
    asking: AtomicBool,
    noted_ms: AtomicU64,
    revoked: AtomicBool,
}

impl Known {
    fn new(who: Arc<Who>, hash: TokenHash, now_ms: u64) -> Self {
        Self {
            who,
            hash,
            expires_at: None,
            rate: None,
            configured: false,
            checked_ms: AtomicU64::new(now_ms),
            rested_ms: AtomicU64::new(NEVER),
            asking: AtomicBool::new(false),
            noted_ms: AtomicU64::new(NEVER),
            revoked: AtomicBool::new(false),
        }
    }

    fn of_record(record: &KeyRecord, hash: TokenHash, now_ms: u64) -> Self {
        let rate = record.rate_limit.map(|r| (r, Mutex::new(Bucket::full(f64::from(r.burst), now_ms))));
        Self { expires_at: record.expires_at, rate, ..Self::new(record.who(), hash, now_ms) }
    }

    fn over(&self) -> bool {
        self.revoked.load(Ordering::Acquire) || self.expires_at.is_some_and(|at| at <= now())
    }

    fn age_ms(&self, now_ms: u64) -> u64 {
        if self.configured { 0 } else { now_ms.saturating_sub(self.checked_ms.load(Ordering::Acquire)) }
    }

    /// Takes one request from its limit, or says how long to wait.
    pub(crate) fn take(&self, now_ms: u64) -> Result<(), Duration> {
        let Some((limit, bucket)) = &self.rate else { return Ok(()) };
        let mut bucket = bucket.lock().unwrap_or_else(PoisonError::into_inner);
        bucket.take(f64::from(limit.per_second), f64::from(limit.burst), now_ms)
    }

    /// Whether its use is to be noted now; says so once a minute.
    pub(crate) fn note_due(&self, now_ms: u64) -> bool {
        let last = self.noted_ms.load(Ordering::Relaxed);
        let due = last == NEVER || now_ms.saturating_sub(last) >= NOTE_EVERY.as_millis() as u64;
        due && !self.configured
            && self.noted_ms.compare_exchange(last, now_ms, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    /// Goes into what a session is signed with, so that it ends with the key.
    pub(crate) fn fingerprint(&self) -> [u8; 32] {
        self.hash.0
    }
}

/// What memory says about a key.
pub(crate) enum Look {
    /// It is good, and nobody need be asked.
    Good(Arc<Known>),
    /// The store has to be asked; what was known before comes along.
    Ask(Option<Arc<Known>>),
}

/// By what a key is looked for.
#[derive(Clone)]
pub(crate) enum Wanted {
    /// By its token.
    Token { hash: TokenHash, id: Option<String> },
    /// By its id: for sessions, whose cookie was signed by us.
    Id(String),
}

impl Wanted {
    pub(crate) fn token(token: &str) -> Self {
        Self::Token { hash: TokenHash::of(token), id: key_id(token).map(str::to_owned) }
    }
}

impl Wanted {
    /// Which key it says it is: no secret. Empty for what has not the form of a token of ours.
    pub(crate) fn shown_id(&self) -> &str {
        match self {
            Self::Token { id, .. } => id.as_deref().unwrap_or_default(),
            Self::Id(id) => id,
        }
    }
}

type ByHash = HashMap<TokenHash, Arc<Known>, BuildHasherDefault<DefaultHasher>>;

#[derive(Default)]
struct Rings {
    by_hash: ByHash,
    by_id: HashMap<Arc<str>, Arc<Known>>,
}

/// The keys of this process.
pub(crate) struct Keyring {
    started: Instant,
    rings: RwLock<Rings>,
    /// Once a key was seen, there are keys: nothing but a wiped store takes that back, and a wiped
    /// store must not open the door.
    exist: AtomicBool,
    /// When the store last said that there are none, and when it last did not answer.
    none_seen_ms: AtomicU64,
    rested_ms: AtomicU64,
    /// Rises with each revocation, so that an answer from before it is not believed.
    epoch: AtomicU64,
}

impl Keyring {
    pub(crate) fn new(configured: &[ConfiguredKey]) -> Self {
        let mut rings = Rings::default();
        for key in configured {
            let known = Known { configured: true, ..Known::new(key.who.clone(), key.hash.0, 1) };
            insert(&mut rings, Arc::new(known));
        }
        Self {
            started: Instant::now(),
            exist: AtomicBool::new(!configured.is_empty()),
            rings: RwLock::new(rings),
            none_seen_ms: AtomicU64::new(NEVER),
            rested_ms: AtomicU64::new(NEVER),
            epoch: AtomicU64::new(0),
        }
    }

    /// Milliseconds of this ring, from 1.
    pub(crate) fn now_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX).saturating_add(1)
    }

    /// Whether there are keys, if that is known well enough.
    pub(crate) fn exist(&self, now_ms: u64) -> Option<bool> {
        if self.exist.load(Ordering::Acquire) {
            return Some(true);
        }
        let seen = self.none_seen_ms.load(Ordering::Acquire);
        let rests = within(self.rested_ms.load(Ordering::Acquire), now_ms, FRESH);
        (within(seen, now_ms, FRESH) || (rests && within(seen, now_ms, KNOWN_FOR))).then_some(false)
    }

    /// Whether there are keys, by the store if need be.
    ///
    /// # Errors
    /// [`ApiError::Unavailable`]: it is not known, and nobody may be let in.
    pub(crate) async fn exist_now(&self, store: &Arc<dyn Store>) -> Result<bool, ApiError> {
        if self.exist.load(Ordering::Acquire) {
            return Ok(true);
        }
        let asked_ms = self.now_ms();
        let listed = store.list_records(RecordKind::ApiKey, RecordOrder::Ascending, None, 1);
        let any = match patiently(listed).await {
            Ok(any) => any,
            Err(e) => {
                // Nobody can read or change anything without the store, so what it said lately holds
                // until it answers again: pages can say that it is away, and metrics be scraped.
                self.rested_ms.store(self.now_ms(), Ordering::Release);
                let lately = within(self.none_seen_ms.load(Ordering::Acquire), asked_ms, KNOWN_FOR);
                return if lately { Ok(self.exist.load(Ordering::Acquire)) } else { Err(e.into()) };
            }
        };
        if any.is_empty() {
            self.none_seen_ms.store(asked_ms, Ordering::Release);
        } else {
            self.exist.store(true, Ordering::Release);
        }
        // A key made by this process meanwhile counts already.
        Ok(self.exist.load(Ordering::Acquire))
    }

    /// A key was made here.
    pub(crate) fn made(&self) {
        self.exist.store(true, Ordering::Release);
    }

    /// A key was revoked here.
    pub(crate) fn revoked(&self, id: &str) {
        self.epoch.fetch_add(1, Ordering::AcqRel);
        let mut rings = self.rings.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = rings.by_id.remove(id) {
            known.revoked.store(true, Ordering::Release);
            rings.by_hash.remove(&known.hash);
        }
    }

    /// What memory says.
    pub(crate) fn look(&self, wanted: &Wanted, now_ms: u64) -> Look {
        let rings = self.rings.read().unwrap_or_else(PoisonError::into_inner);
        let found = match wanted {
            Wanted::Token { hash, .. } => rings.by_hash.get(hash),
            Wanted::Id(id) => rings.by_id.get(id.as_str()),
        };
        let Some(known) = found.filter(|k| !k.over()).cloned() else { return Look::Ask(None) };
        drop(rings);
        let age = known.age_ms(now_ms);
        let fresh = FRESH.as_millis() as u64;
        let rests = within(known.rested_ms.load(Ordering::Acquire), now_ms, FRESH);
        if rests && age < KNOWN_FOR.as_millis() as u64 {
            return Look::Good(known);
        }
        // In the second half of its second one request asks again, and the others go on.
        if age < fresh / 2 || (age < fresh && known.asking.swap(true, Ordering::AcqRel)) {
            return Look::Good(known);
        }
        Look::Ask(Some(known))
    }

    /// Asks the store about a key; `None` if it is not good.
    ///
    /// # Errors
    /// [`ApiError::Unavailable`] when the store does not answer and the key was not known lately.
    pub(crate) async fn ask(
        &self,
        store: &Arc<dyn Store>,
        wanted: &Wanted,
        before: Option<Arc<Known>>,
    ) -> Result<Option<Arc<Known>>, ApiError> {
        let id = match wanted {
            Wanted::Token { id, .. } => id.as_deref(),
            Wanted::Id(id) => Some(id.as_str()),
        };
        let Some(id) = id else { return Ok(None) };
        // A revocation meanwhile makes the answer worthless, and that of another key, too: ask again.
        for _ in 0..3 {
            let (asked_ms, epoch) = (self.now_ms(), self.epoch.load(Ordering::Acquire));
            let answer = patiently(store.get_record(RecordKind::ApiKey, id)).await;
            if let Some(before) = &before {
                before.asking.store(false, Ordering::Release);
            }
            let record = match answer {
                Ok(found) => found.and_then(|r| r.body.parse::<KeyRecord>().ok()),
                Err(e) => {
                    if let Some(before) = &before {
                        before.rested_ms.store(self.now_ms(), Ordering::Release);
                    }
                    let still =
                        |k: &Arc<Known>| !k.over() && k.age_ms(asked_ms) < KNOWN_FOR.as_millis() as u64;
                    return before.filter(still).map_or_else(|| Err(e.into()), |known| Ok(Some(known)));
                }
            };
            let Some((record, hash)) = record.and_then(|r| good(r, wanted)) else {
                if let Some(before) = before {
                    self.forget(&before);
                }
                return Ok(None);
            };
            self.exist.store(true, Ordering::Release);
            if let Some(known) = self.believe(&record, hash, asked_ms, epoch) {
                return Ok(Some(known));
            }
        }
        Err(ApiError::Unavailable { why: "keys are being revoked faster than they can be read".into() })
    }

    /// Takes over what the store said, unless a key was revoked here since it was asked.
    fn believe(&self, record: &KeyRecord, hash: TokenHash, asked_ms: u64, epoch: u64) -> Option<Arc<Known>> {
        let mut rings = self.rings.write().unwrap_or_else(PoisonError::into_inner);
        if self.epoch.load(Ordering::Acquire) != epoch {
            return None;
        }
        if let Some(old) = rings.by_id.get(record.id.as_str()) {
            let limit = old.rate.as_ref().map(|(r, _)| *r);
            let same = *old.who == *record.who() && old.hash == hash;
            if same && old.expires_at == record.expires_at && limit == record.rate_limit && !old.over() {
                // Kept, with what is left of its limit.
                old.checked_ms.fetch_max(asked_ms, Ordering::AcqRel);
                return Some(old.clone());
            }
        }
        let known = Arc::new(Known::of_record(record, hash, asked_ms));
        if let Some(old) = rings.by_id.remove(record.id.as_str()) {
            rings.by_hash.remove(&old.hash);
        }
        // Only keys of the store come in, so this bound is met only if keys come and go for long.
        if rings.by_hash.len() > 2 * MAX_KEYS {
            let now_ms = self.now_ms();
            let used = |k: &Arc<Known>| k.age_ms(now_ms) < KNOWN_FOR.as_millis() as u64;
            rings.by_hash.retain(|_, k| used(k));
            rings.by_id.retain(|_, k| used(k));
        }
        insert(&mut rings, known.clone());
        Some(known)
    }

    fn forget(&self, known: &Arc<Known>) {
        let mut rings = self.rings.write().unwrap_or_else(PoisonError::into_inner);
        rings.by_hash.remove(&known.hash);
        if let Some(id) = &known.who.key_id {
            rings.by_id.remove(id);
        }
    }
}

fn within(then_ms: u64, now_ms: u64, d: Duration) -> bool {
    then_ms != NEVER && now_ms.saturating_sub(then_ms) < d.as_millis() as u64
}

/// A store that hangs is a store that does not answer.
async fn patiently<T>(call: impl Future<Output = Result<T, BrokerError>>) -> Result<T, BrokerError> {
    let late = |_| BrokerError::Unavailable { why: format!("no answer within {PATIENCE:?}") };
    tokio::time::timeout(PATIENCE, call).await.map_err(late)?
}

/// The record and its hash, if it is a key in force and the one that is wanted.
fn good(record: KeyRecord, wanted: &Wanted) -> Option<(KeyRecord, TokenHash)> {
    let hash = record.hash()?;
    let shown = match wanted {
        Wanted::Token { hash: given, .. } => *given == hash,
        Wanted::Id(_) => true,
    };
    (shown && record.ended(now()).is_none()).then_some((record, hash))
}

fn insert(rings: &mut Rings, known: Arc<Known>) {
    rings.by_hash.insert(known.hash, known.clone());
    if let Some(id) = known.who.key_id.clone() {
        rings.by_id.insert(id, known);
    }
}

#[cfg(test)]
mod tests {
    use super::super::Scopes;
    use super::*;

    fn record() -> KeyRecord {
        KeyRecord {
            id: "abc".into(),
            name: "a".into(),
            hash: TokenHash::of("t").hex(),
            scopes: Scopes::ALL,
            tenant: None,
            created_at: now(),
            expires_at: None,
            revoked_at: None,
            rate_limit: None,
        }
    }

    fn wanted() -> Wanted {
        Wanted::Token { hash: TokenHash::of("t"), id: Some("abc".into()) }
    }

    #[test]
    fn an_answer_is_believed_for_a_second_and_one_request_asks_before_that() {
        let ring = Keyring::new(&[]);
        ring.believe(&record(), TokenHash::of("t"), 1_000, 0).expect("nothing was revoked");
        let good = |ms| matches!(ring.look(&wanted(), ms), Look::Good(_));
        assert!(good(1_000) && good(1_499));
        assert!(!good(1_500), "the first in the second half asks");
        assert!(good(1_501) && good(1_999), "the others go on meanwhile");
        assert!(!good(2_000) && !good(2_001), "after a second everybody asks");
        assert!(matches!(ring.look(&Wanted::token("other"), 1_000), Look::Ask(None)));
    }

    #[test]
    fn a_revoked_key_is_gone_at_once_and_an_older_answer_does_not_bring_it_back() {
        let ring = Keyring::new(&[]);
        let known = ring.believe(&record(), TokenHash::of("t"), 1_000, 0).expect("nothing was revoked");
        ring.revoked("abc");
        assert!(known.over());
        assert!(matches!(ring.look(&wanted(), 1_000), Look::Ask(None)));
        assert!(
            ring.believe(&record(), TokenHash::of("t"), 1_000, 0).is_none(),
            "asked before it was revoked"
        );
        assert!(matches!(ring.look(&wanted(), 1_000), Look::Ask(None)));
    }

    #[test]
    fn that_there_are_no_keys_is_believed_for_a_second_and_that_there_are_for_good() {
        let ring = Keyring::new(&[]);
        assert_eq!(ring.exist(5), None);
        ring.none_seen_ms.store(5, Ordering::Release);
        assert_eq!((ring.exist(5), ring.exist(1_004), ring.exist(1_005)), (Some(false), Some(false), None));
        ring.rested_ms.store(1_500, Ordering::Release);
        assert_eq!(
            (ring.exist(2_000), ring.exist(2_500)),
            (Some(false), None),
            "the store is asked once a second"
        );
        ring.rested_ms.store(400_000, Ordering::Release);
        assert_eq!(ring.exist(400_000), None, "too long ago to be believed");
        ring.made();
        assert_eq!(ring.exist(10_000), Some(true));
    }

    #[test]
    fn the_use_of_a_key_is_noted_once_a_minute() {
        let known = Known::new(record().who(), TokenHash::of("t"), 1);
        assert!(known.note_due(10) && !known.note_due(11) && !known.note_due(60_009));
        assert!(known.note_due(60_010));
    }
}
