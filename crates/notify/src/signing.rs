//! The secrets of this installation: what signs tasks of kind `http`, callbacks, webhooks to plain URLs and the links
//! that recipients unsubscribe with.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use posthaste_core::{BrokerError, Expect, Json, RecordKind, Records, Tenant, Timestamp};
use serde::{Deserialize, Serialize};

use crate::sign::SigningSecret;

/// The name of the setting that holds them.
pub const SETTING: &str = "signing";
/// The name of the setting that holds those which sign no more: links that were sent with them still work.
const RETIRED: &str = "signing_retired";
/// How long what was read is believed.
pub const FRESH: Duration = Duration::from_secs(60);
/// The same where a secret that is not known yet is looked for: not by every request of who tries.
pub const AT_ONCE: Duration = Duration::from_secs(1);
/// How long an old secret goes on signing after a new one was made, unless told otherwise.
pub const OVERLAP: Duration = Duration::from_secs(24 * 3600);
/// Most secrets that are kept at once.
const MAX_SECRETS: usize = 4;
/// Most retired ones: links of the oldest stop working.
const MAX_RETIRED: usize = 64;

/// A secret as it is kept.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptSecret {
    /// `whsec_…`.
    pub secret: String,
    /// Since when.
    pub created_at: Timestamp,
    /// Until when it signs, if it was replaced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
}

impl std::fmt::Debug for KeptSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeptSecret").field("created_at", &self.created_at).finish_non_exhaustive()
    }
}

/// Some secrets, the newest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secrets(pub Vec<KeptSecret>);

impl Secrets {
    /// One new secret.
    pub fn new(now: Timestamp) -> Self {
        let mut secrets = Self::default();
        secrets.rotate(now, Duration::ZERO, None);
        secrets
    }

    /// Puts a new secret first and lets the others sign for `overlap` more; the new one.
    pub fn rotate(
        &mut self,
        now: Timestamp,
        overlap: Duration,
        given: Option<SigningSecret>,
    ) -> SigningSecret {
        let secret = given.unwrap_or_else(SigningSecret::random);
        let until = now.plus(overlap);
        for old in &mut self.0 {
            if old.expires_at.is_none_or(|at| at > until) {
                old.expires_at = Some(until);
            }
        }
        self.0.retain(|old| old.expires_at.is_none_or(|at| at > now));
        self.0.truncate(MAX_SECRETS - 1);
        self.0
            .insert(0, KeptSecret { secret: secret.expose().to_owned(), created_at: now, expires_at: None });
        secret
    }

    /// Those that sign now, the newest first.
    pub fn active(&self, now: Timestamp) -> Vec<SigningSecret> {
        self.0
            .iter()
            .filter(|s| s.expires_at.is_none_or(|at| at > now))
            .filter_map(|s| s.secret.parse().ok())
            .collect()
    }
}

/// What was read, and when.
#[derive(Clone)]
struct Known {
    at: Instant,
    /// Those that sign, the newest first.
    signing: Arc<[SigningSecret]>,
    /// These and those that did.
    ever: Arc<[SigningSecret]>,
}

/// The secrets of the installation, read from the store now and then; cheap to clone.
#[derive(Clone)]
pub struct Signing {
    records: Arc<dyn Records>,
    fixed: Option<SigningSecret>,
    known: Arc<Mutex<Option<Known>>>,
}

impl std::fmt::Debug for Signing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Signing(…)")
    }
}

impl Signing {
    /// Those in the store, made when they are first asked for; or one that is configured.
    pub fn new(records: Arc<dyn Records>, fixed: Option<SigningSecret>) -> Self {
        Self { records, fixed, known: Arc::default() }
    }

    /// The secrets that sign now, the newest first; at least one.
    ///
    /// # Errors
    /// The store's, when nothing was read before.
    pub async fn secrets(&self, now: Timestamp) -> Result<Arc<[SigningSecret]>, BrokerError> {
        if let Some(fixed) = &self.fixed {
            return Ok([fixed.clone()].into());
        }
        Ok(self.known(now, FRESH).await?.signing)
    }

    /// The secrets that a link of ours may be signed with: these, and those that signed before. What was read longer ago than
    /// `fresh` is read again.
    ///
    /// # Errors
    /// The store's, when nothing was read before.
    pub async fn of_links(
        &self,
        now: Timestamp,
        fresh: Duration,
    ) -> Result<Arc<[SigningSecret]>, BrokerError> {
        let kept = self.known(now, fresh).await?.ever;
        // One that is configured does not undo the links that were sent before it was.
        Ok(self.fixed.iter().chain(kept.iter()).cloned().collect())
    }

    async fn known(&self, now: Timestamp, fresh: Duration) -> Result<Known, BrokerError> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match known {
            Some(known) if known.at.elapsed() < fresh => Ok(known),
            known => match self.read(now).await {
                Ok(read) => {
                    *self.known.lock().unwrap_or_else(PoisonError::into_inner) = Some(read.clone());
                    Ok(read)
                }
                Err(e) => known.ok_or(e),
            },
        }
    }

    /// The secrets that sign what leaves for a task: those of the installation, or, with a tenant, what is derived from them
    /// for that tenant alone: nobody who trusts the one is fooled by the other.
    ///
    /// # Errors
    /// As [`Signing::secrets`].
    pub async fn of(
        &self,
        tenant: Option<&Tenant>,
        now: Timestamp,
    ) -> Result<Arc<[SigningSecret]>, BrokerError> {
        let secrets = self.secrets(now).await?;
        Ok(match tenant {
            None => secrets,
            Some(tenant) => secrets.iter().map(|s| s.of_tenant(tenant.as_str())).collect(),
        })
    }

    async fn read(&self, now: Timestamp) -> Result<Known, BrokerError> {
        // Beside one that is configured none is made.
        let kept = match &self.fixed {
            Some(_) => self.stored(SETTING).await?.0,
            None => self.load(now).await?.0,
        };
        let (retired, _) = self.stored(RETIRED).await?;
        let all = kept.0.iter().chain(&retired.0).filter_map(|s| s.secret.parse().ok());
        Ok(Known { at: Instant::now(), signing: kept.active(now).into(), ever: all.collect() })
    }

    /// What the store keeps, the newest first, made if there was none; nothing where a secret is configured.
    ///
    /// # Errors
    /// The store's.
    pub async fn kept(&self, now: Timestamp) -> Result<Option<Secrets>, BrokerError> {
        if self.fixed.is_some() {
            return Ok(None);
        }
        Ok(Some(self.load(now).await?.0))
    }

    /// Replaces the secret by a new one, or by the one that is given; the old ones sign for `overlap` more. What is kept
    /// then; nothing where a secret is configured.
    ///
    /// # Errors
    /// The store's; [`BrokerError::VersionConflict`] when somebody else rotates at the same moment.
    pub async fn rotate(
        &self,
        now: Timestamp,
        overlap: Duration,
        given: Option<SigningSecret>,
    ) -> Result<Option<Secrets>, BrokerError> {
        if self.fixed.is_some() {
            return Ok(None);
        }
        let (mut secrets, expect) = self.load(now).await?;
        // First: a secret that is in neither would have signed links that work no more.
        self.retire(&secrets).await?;
        secrets.rotate(now, overlap, given);
        self.records.put_record(RecordKind::Setting, SETTING, body(&secrets), expect).await?;
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = None;
        Ok(Some(secrets))
    }

    /// What a setting holds, and how it is to be found when it is put again.
    async fn stored(&self, name: &str) -> Result<(Secrets, Expect), BrokerError> {
        let Some(record) = self.records.get_record(RecordKind::Setting, name).await? else {
            return Ok((Secrets::default(), Expect::Absent));
        };
        let secrets = record.body.parse();
        let secrets = secrets.map_err(|_| BrokerError::Corrupt { what: "the signing secrets".into() })?;
        Ok((secrets, Expect::Version(record.version)))
    }

    async fn retire(&self, secrets: &Secrets) -> Result<(), BrokerError> {
        loop {
            let (old, expect) = self.stored(RETIRED).await?;
            let known: Vec<&str> = old.0.iter().map(|s| s.secret.as_str()).collect();
            let more = secrets.0.iter().filter(|s| !known.contains(&s.secret.as_str()));
            let mut all: Vec<KeptSecret> = more.cloned().collect();
            all.extend(old.0.iter().cloned());
            all.truncate(MAX_RETIRED);
            let put = self.records.put_record(RecordKind::Setting, RETIRED, body(&Secrets(all)), expect);
            match put.await {
                // Somebody else rotates at the same moment.
                Err(BrokerError::VersionConflict { .. }) => {}
                other => return other.map(drop),
            }
        }
    }

    /// What is kept, and how it is to be found when it is put again; made if there was none.
    async fn load(&self, now: Timestamp) -> Result<(Secrets, Expect), BrokerError> {
        loop {
            match self.stored(SETTING).await? {
                (_, Expect::Absent) => {}
                found => return Ok(found),
            }
            let fresh = Secrets::new(now);
            match self.records.put_record(RecordKind::Setting, SETTING, body(&fresh), Expect::Absent).await {
                Ok(version) => return Ok((fresh, Expect::Version(version))),
                // Another process made one at the same moment: that one holds.
                Err(BrokerError::VersionConflict { .. }) => {}
                Err(e) => return Err(e),
            }
        }
    }
}

fn body(secrets: &Secrets) -> Json {
    Json::from_value(secrets).expect("texts and times are JSON")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rotation_overlaps_and_forgets() {
        let at = |s: i64| Timestamp::from_millis(s * 1_000);
        let mut secrets = Secrets::new(at(0));
        let first = secrets.active(at(0))[0].clone();
        let second = secrets.rotate(at(10), Duration::from_secs(60), None);
        assert_eq!(secrets.active(at(20)), [second.clone(), first]);
        assert_eq!(secrets.active(at(70)), [second]);
        for n in 0..10 {
            secrets.rotate(at(20 + n), Duration::from_secs(3600), None);
        }
        assert_eq!(secrets.active(at(30)).len(), MAX_SECRETS);
        let third = secrets.rotate(at(40), Duration::ZERO, None);
        assert_eq!(secrets.active(at(41)), [third]);
        assert!(!format!("{secrets:?}").contains("whsec_"));
    }
}
