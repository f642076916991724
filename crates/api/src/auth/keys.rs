//! API keys: making, showing and revoking them.

use std::sync::Arc;

use posthaste_core::limits::MAX_PAGE;
use posthaste_core::{BrokerError, Expect, Json, RecordKind, RecordOrder, Tenant, Timestamp};
use serde::{Deserialize, Serialize};

use super::caller::Who;
use super::keyring::Known;
use super::rate::RateLimit;
use super::token::{self, TokenHash};
use super::{Caller, KeyScope, MAX_KEYS, Scopes, now};
use crate::{Api, ApiError, FieldError, schema};

/// Fewest characters of a configured secret: 32 random letters and digits hold 190 bits.
pub(crate) const MIN_CONFIGURED_SECRET: usize = 32;
/// How long a revoked or expired key is still listed.
const ENDED_KEPT: std::time::Duration = std::time::Duration::from_secs(90 * 24 * 3600);

/// A key as it is stored; the token is not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KeyRecord {
    pub(crate) id: String,
    pub(crate) name: String,
    /// SHA-256 of the token, in hexadecimal digits.
    pub(crate) hash: String,
    pub(crate) scopes: Scopes,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) tenant: Option<Tenant>,
    pub(crate) created_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) expires_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) revoked_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) rate_limit: Option<RateLimit>,
}

impl KeyRecord {
    /// Since when it is of no use, if it is not.
    pub(crate) fn ended(&self, now: Timestamp) -> Option<Timestamp> {
        let expired = self.expires_at.filter(|at| *at <= now);
        match (self.revoked_at, expired) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (one, other) => one.or(other),
        }
    }

    pub(crate) fn hash(&self) -> Option<TokenHash> {
        TokenHash::from_hex(&self.hash)
    }

    pub(crate) fn who(&self) -> Arc<Who> {
        Arc::new(Who {
            key_id: Some(self.id.as_str().into()),
            name: self.name.clone(),
            scopes: self.scopes,
            tenant: self.tenant.clone(),
        })
    }
}

/// When a key was last used; written at most once a minute by each process.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct KeyUseRecord {
    pub(crate) last_used_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) ip: Option<String>,
}

/// A key of the configuration (`POSTHASTE_API_KEYS`): it exists as long as it is configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfiguredKey {
    pub(crate) who: Arc<Who>,
    pub(crate) hash: HiddenHash,
}

/// A hash that does not print.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct HiddenHash(pub(crate) TokenHash);

impl std::fmt::Debug for HiddenHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("…")
    }
}

/// Why a configured key was refused. Never holds the secret.
#[derive(Debug, Clone, thiserror::Error, PartialEq, Eq)]
pub enum ConfiguredKeyError {
    /// Not of the form.
    #[error(
        "each key must be name:scopes:secret or name:scopes@tenant:secret, scopes being send, read or admin joined by +"
    )]
    Form,
    /// The name.
    #[error("the name of a key {0}")]
    Name(posthaste_core::NameError),
    /// A scope.
    #[error("a scope of the key {0} {1}")]
    Scope(String, String),
    /// The tenant.
    #[error("the tenant of the key {0} {1}")]
    Tenant(String, posthaste_core::NameError),
    /// The secret is too short or holds what a header cannot.
    #[error(
        "the secret of the key {0} must be at least {MIN_CONFIGURED_SECRET} visible ASCII characters, for example of `openssl rand -hex 32`"
    )]
    Secret(String),
    /// `admin` with a tenant.
    #[error("the key {0} is bound to a tenant, so it cannot be admin of the installation")]
    TenantAdmin(String),
}

impl std::str::FromStr for ConfiguredKey {
    type Err = ConfiguredKeyError;

    /// Reads `name:scope+scope[@tenant]:secret`.
    fn from_str(text: &str) -> Result<Self, ConfiguredKeyError> {
        let mut parts = text.splitn(3, ':');
        let (Some(name), Some(rights), Some(secret)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(ConfiguredKeyError::Form);
        };
        let name = posthaste_core::Name::new(name).map_err(ConfiguredKeyError::Name)?.to_string();
        let (scopes, tenant) = rights.split_once('@').map_or((rights, None), |(s, t)| (s, Some(t)));
        let scope = |s: &str| s.parse::<KeyScope>().map_err(|e| ConfiguredKeyError::Scope(name.clone(), e));
        let scopes: Scopes = scopes.split('+').map(scope).collect::<Result<_, _>>()?;
        let tenant = tenant.map(Tenant::new).transpose();
        let tenant = tenant.map_err(|e| ConfiguredKeyError::Tenant(name.clone(), e))?;
        if tenant.is_some() && scopes.allow(KeyScope::Admin) {
            return Err(ConfiguredKeyError::TenantAdmin(name));
        }
        let readable = secret.bytes().all(|b| b.is_ascii_graphic());
        if !readable || !(MIN_CONFIGURED_SECRET..=token::MAX_TOKEN).contains(&secret.len()) {
            return Err(ConfiguredKeyError::Secret(name));
        }
        let who = Who { key_id: Some(format!("env:{name}").into()), name, scopes, tenant };
        Ok(Self { who: Arc::new(who), hash: HiddenHash(TokenHash::of(secret)) })
    }
}

impl ConfiguredKey {
    /// Its name, unique among them.
    pub fn name(&self) -> &str {
        &self.who.name
    }
}

/// An API key; its token is not known any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[schema(as = ApiKey, example = json!({
    "id": "k7Qm2XvB0aZt", "name": "shop backend", "scopes": ["send", "read"], "tenant": "acme",
    "created_at": "2026-01-31T09:30:00Z", "last_used_at": "2026-02-01T10:00:00Z"
}))]
pub struct KeyView {
    /// Its id, also the first part of its token.
    pub id: String,
    /// What it is for.
    pub name: String,
    /// What it lets its holder do; `admin` includes the others.
    #[schema(value_type = Vec<KeyScope>)]
    pub scopes: Scopes,
    /// Whose tasks it sees and makes; left out for a key of the whole installation.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, nullable = false)]
    pub tenant: Option<Tenant>,
    /// When it was made.
    #[schema(value_type = schema::Time)]
    pub created_at: Timestamp,
    /// When it ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Time>, nullable = false)]
    pub expires_at: Option<Timestamp>,
    /// When it was revoked.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Time>, nullable = false)]
    pub revoked_at: Option<Timestamp>,
    /// How many requests it may make, of each process.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub rate_limit: Option<RateLimit>,
    /// When it was last used, to the minute.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Time>, nullable = false)]
    pub last_used_at: Option<Timestamp>,
    /// From which address.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub last_used_from: Option<String>,
}

/// A key that was just made, with its token.
#[derive(Clone, Serialize, utoipa::ToSchema)]
#[schema(as = CreatedApiKey)]
pub struct NewKeyView {
    /// The key.
    #[serde(flatten)]
    pub key: KeyView,
    /// What its holder sends: shown this once and not kept.
    #[schema(example = "ph_k7Qm2XvB0aZt_9dJ0wq3QmYkV4s8ZcXn2Lr6TtB1uHf5GgKaEoPiWyS7")]
    pub token: String,
}

/// What a key is to be.
#[derive(Debug, Clone)]
pub struct NewKey {
    /// What it is for.
    pub name: String,
    /// What it lets its holder do.
    pub scopes: Scopes,
    /// Whose tasks it sees and makes.
    pub tenant: Option<Tenant>,
    /// When it ends.
    pub expires_at: Option<Timestamp>,
    /// How many requests it may make.
    pub rate_limit: Option<RateLimit>,
}

impl KeyView {
    fn new(record: KeyRecord, used: Option<KeyUseRecord>) -> Self {
        let (last_used_at, last_used_from) = used.map_or((None, None), |u| (Some(u.last_used_at), u.ip));
        Self {
            id: record.id,
            name: record.name,
            scopes: record.scopes,
            tenant: record.tenant,
            created_at: record.created_at,
            expires_at: record.expires_at,
            revoked_at: record.revoked_at,
            rate_limit: record.rate_limit,
            last_used_at,
            last_used_from,
        }
    }
}

fn damaged() -> ApiError {
    tracing::error!("the record of an API key cannot be read");
    ApiError::Internal
}

impl Api {
    /// Whether anybody needs a key: one is configured, or one was made. Asks the store.
    ///
    /// # Errors
    /// [`ApiError::Unavailable`].
    pub async fn keys_exist(&self) -> Result<bool, ApiError> {
        self.keyring().exist_now(self.store()).await
    }

    /// Makes a key; durable on return. Its token is in the answer and nowhere else.
    ///
    /// # Errors
    /// [`ApiError::Invalid`], [`ApiError::Unavailable`], [`ApiError::Full`].
    pub async fn create_key(&self, caller: &Caller, new: NewKey) -> Result<NewKeyView, ApiError> {
        let mut errors = Vec::new();
        let mut wrong =
            |field: &str, msg: &str| errors.push(FieldError::new(["body", field], "value_error", msg));
        if new.scopes.is_empty() {
            wrong("scopes", "Give at least one of send, read and admin");
        }
        if new.tenant.is_some() && new.scopes.allow(KeyScope::Admin) {
            wrong("tenant", "A key bound to a tenant cannot be admin of the installation");
        }
        if new.expires_at.is_some_and(|at| at <= now()) {
            wrong("expires_at", "It should be in the future");
        }
        if !self.keys_exist().await? && (!new.scopes.allow(KeyScope::Admin) || new.expires_at.is_some()) {
            wrong(
                "scopes",
                "The first key must be admin and not expire: once there is a key, nobody without one may make another",
            );
        }
        if !errors.is_empty() {
            return Err(ApiError::Invalid(errors));
        }
        self.make_room_for_a_key().await?;
        let minted = token::mint();
        let record = KeyRecord {
            id: minted.id,
            name: new.name,
            hash: TokenHash::of(&minted.token).hex(),
            scopes: new.scopes,
            tenant: new.tenant,
            created_at: now(),
            expires_at: new.expires_at,
            revoked_at: None,
            rate_limit: new.rate_limit,
        };
        let body = Json::from_value(&record).map_err(|_| damaged())?;
        self.store().put_record(RecordKind::ApiKey, &record.id, body, Expect::Absent).await?;
        self.keyring().made();
        let scopes: Vec<KeyScope> = record.scopes.iter().collect();
        let details = serde_json::json!({ "name": record.name, "scopes": scopes, "tenant": record.tenant });
        self.audit_with(caller, "keys.create", &record.id, Some(details)).await;
        Ok(NewKeyView { key: KeyView::new(record, None), token: minted.token })
    }

    /// Removes keys that ended long ago; refuses when there are too many all the same.
    async fn make_room_for_a_key(&self) -> Result<(), ApiError> {
        let long_ago = now().minus(ENDED_KEPT);
        let mut kept = 0;
        for record in self.key_records().await? {
            if record.ended(long_ago).is_some() {
                self.store().delete_record(RecordKind::ApiKey, &record.id, Expect::Any).await?;
                self.store().delete_record(RecordKind::KeyUse, &record.id, Expect::Any).await?;
            } else {
                kept += 1;
            }
        }
        if kept >= MAX_KEYS {
            let msg = format!("There are {MAX_KEYS} keys already; revoke some");
            return Err(ApiError::field(["body", "name"], "too_many", msg));
        }
        Ok(())
    }

    async fn key_records(&self) -> Result<Vec<KeyRecord>, ApiError> {
        let mut out: Vec<KeyRecord> = Vec::new();
        loop {
            let after = out.last().map(|r| r.id.clone());
            let page = self
                .store()
                .list_records(RecordKind::ApiKey, RecordOrder::Ascending, after.as_deref(), MAX_PAGE)
                .await?;
            let last = page.len() < MAX_PAGE;
            for record in page {
                out.push(record.body.parse().map_err(|_| damaged())?);
            }
            if last || out.len() > MAX_KEYS {
                return Ok(out);
            }
        }
    }

    /// Every key, newest first, revoked and expired ones for 90 days.
    ///
    /// # Errors
    /// [`ApiError::Unavailable`], [`ApiError::Internal`].
    pub async fn keys(&self) -> Result<Vec<KeyView>, ApiError> {
        let mut records = self.key_records().await?;
        records.sort_by(|a, b| b.created_at.cmp(&a.created_at).then_with(|| a.id.cmp(&b.id)));
        let mut uses = std::collections::HashMap::new();
        let mut after: Option<String> = None;
        while uses.len() <= MAX_KEYS {
            let page = self
                .store()
                .list_records(RecordKind::KeyUse, RecordOrder::Ascending, after.as_deref(), MAX_PAGE)
                .await?;
            after = page.last().map(|r| r.name.clone());
            let last = page.len() < MAX_PAGE;
            uses.extend(
                page.into_iter().filter_map(|r| Some((r.name, r.body.parse::<KeyUseRecord>().ok()?))),
            );
            if last {
                break;
            }
        }
        Ok(records.into_iter().map(|r| (uses.remove(&r.id), r)).map(|(u, r)| KeyView::new(r, u)).collect())
    }

    /// One key; `None` when there is none with this id.
    ///
    /// # Errors
    /// [`ApiError::Unavailable`], [`ApiError::Internal`].
    pub async fn key(&self, id: &str) -> Result<Option<KeyView>, ApiError> {
        let Some(record) = self.store().get_record(RecordKind::ApiKey, id).await? else { return Ok(None) };
        let used = self.store().get_record(RecordKind::KeyUse, id).await?;
        let used = used.and_then(|u| u.body.parse().ok());
        Ok(Some(KeyView::new(record.body.parse().map_err(|_| damaged())?, used)))
    }

    /// Revokes a key: in this process at once, in others within a second. A repeat changes nothing.
    ///
    /// # Errors
    /// [`ApiError::NotFound`], [`ApiError::Unavailable`], [`ApiError::Full`].
    pub async fn revoke_key(&self, caller: &Caller, id: &str) -> Result<KeyView, ApiError> {
        // Another process may write the same record at the same time: a second look settles it.
        for _ in 0..3 {
            let Some(found) = self.store().get_record(RecordKind::ApiKey, id).await? else {
                return Err(no_key(id));
            };
            let mut record: KeyRecord = found.body.parse().map_err(|_| damaged())?;
            let changed = record.revoked_at.is_none();
            if changed {
                record.revoked_at = Some(now());
                let body = Json::from_value(&record).map_err(|_| damaged())?;
                let expect = Expect::Version(found.version);
                match self.store().put_record(RecordKind::ApiKey, id, body, expect).await {
                    Ok(_) => {}
                    Err(BrokerError::VersionConflict { .. }) => continue,
                    Err(e) => return Err(e.into()),
                }
            }
            self.keyring().revoked(id);
            if changed {
                self.audit(caller, "keys.revoke", id).await;
            }
            return self.key(id).await?.ok_or_else(|| no_key(id));
        }
        tracing::error!("a key kept changing while it was revoked");
        Err(ApiError::Internal)
    }

    /// Notes that a key was used; a store that is away loses the note and nothing else.
    pub(crate) fn note_use(&self, known: &Arc<Known>, ip: Option<std::net::IpAddr>) {
        let Some(id) = known.who.key_id.clone() else { return };
        let store = self.store().clone();
        let used = KeyUseRecord { last_used_at: now(), ip: ip.map(|ip| ip.to_string()) };
        let _note_handle = tokio::spawn(async move {
            let Ok(body) = Json::from_value(&used) else { return };
            if let Err(e) = store.put_record(RecordKind::KeyUse, &id, body, Expect::Any).await {
                tracing::debug!(error = %e, "the use of a key could not be noted");
            }
        });
    }
}

/// No key with this id.
pub(crate) fn no_key(id: &str) -> ApiError {
    let shown: String = id.chars().take(64).collect();
    ApiError::NotFound { what: format!("there is no key {shown}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn configured_keys_are_read_and_bad_ones_are_named_without_their_secret() {
        let secret = "s3cret:".repeat(6);
        let key: ConfiguredKey = format!("shop:send+read@acme:{secret}").parse().expect("a key");
        assert_eq!((key.name(), key.who.tenant.as_ref().map(Tenant::as_str)), ("shop", Some("acme")));
        assert!(key.who.scopes.allow(KeyScope::Send) && !key.who.scopes.allow(KeyScope::Admin));
        assert!(key.hash.0 == TokenHash::of(&secret));
        assert!(!format!("{key:?}").contains("s3cret"));
        for bad in [
            "",
            "shop",
            "shop:send",
            "shop:send:short",
            &format!("shop:fly:{secret}"),
            &format!("a b:send:{secret}"),
            &format!("shop:send@a b:{secret}"),
            &format!("shop:admin@acme:{secret}"),
            &format!("shop:send:{secret} {secret}"),
            &format!("shop::{secret}"),
        ] {
            let error = bad.parse::<ConfiguredKey>().expect_err(bad).to_string();
            assert!(!error.contains("s3cret"), "{error}");
        }
    }
}
