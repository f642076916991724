//! The secrets of this installation: what signs tasks of kind `http`, callbacks, webhooks to plain URLs and the links
//! that recipients unsubscribe with.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use posthaste_core::{BrokerError, Expect, Json, RecordKind, Records, Timestamp};
use serde::{Deserialize, Serialize};

use crate::sign::SigningSecret;

/// The name of the setting that holds them.
pub const SETTING: &str = "signing";
/// How long what was read is believed.
const FRESH: Duration = Duration::from_secs(60);
/// How long an old secret goes on signing after a new one was made, unless told otherwise.
pub const OVERLAP: Duration = Duration::from_secs(24 * 3600);
/// Most secrets that are kept at once.
const MAX_SECRETS: usize = 4;

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
type Known = (Instant, Arc<[SigningSecret]>);

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
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match known {
            Some((at, secrets)) if at.elapsed() < FRESH => Ok(secrets),
            known => match self.load(now).await {
                Ok(secrets) => {
                    let secrets: Arc<[SigningSecret]> = secrets.active(now).into();
                    *self.known.lock().unwrap_or_else(PoisonError::into_inner) =
                        Some((Instant::now(), Arc::clone(&secrets)));
                    Ok(secrets)
                }
                Err(e) => known.map(|(_, secrets)| secrets).ok_or(e),
            },
        }
    }

    /// Replaces the secret; the old one signs for `overlap` more.
    ///
    /// # Errors
    /// The store's.
    pub async fn rotate(&self, now: Timestamp, overlap: Duration) -> Result<SigningSecret, BrokerError> {
        let mut secrets = self.load(now).await?;
        let new = secrets.rotate(now, overlap, None);
        self.records.put_record(RecordKind::Setting, SETTING, body(&secrets), Expect::Any).await?;
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = None;
        Ok(new)
    }

    async fn load(&self, now: Timestamp) -> Result<Secrets, BrokerError> {
        loop {
            if let Some(record) = self.records.get_record(RecordKind::Setting, SETTING).await? {
                return record
                    .body
                    .parse()
                    .map_err(|_| BrokerError::Corrupt { what: "the signing secrets".into() });
            }
            let fresh = Secrets::new(now);
            match self.records.put_record(RecordKind::Setting, SETTING, body(&fresh), Expect::Absent).await {
                Ok(_) => return Ok(fresh),
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
