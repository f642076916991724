//! The secret of the installation, where the store keeps it.

use std::time::Duration;

use posthaste_core::{BrokerError, Tenant, Timestamp};
use posthaste_notify::sign::SigningSecret;
use posthaste_notify::signing::Secrets;
use serde::Serialize;
use utoipa::ToSchema;

use crate::auth::now;
use crate::{Api, ApiError, Caller, schema};

/// What signs the calls of the installation.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = SigningSecret, example = json!({
    "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "secrets": 1, "created_at": "2026-01-31T09:30:00.000Z"
}))]
pub(crate) struct SigningSecretView {
    /// The newest secret; give it to whoever receives the calls.
    #[schema(pattern = "^whsec_[A-Za-z0-9+/=]+$")]
    pub secret: String,
    /// How many secrets sign now: two while a rotation overlaps.
    pub secrets: usize,
    /// Since when it signs.
    #[schema(value_type = schema::Time)]
    pub created_at: Timestamp,
}

impl Api {
    /// The newest secret, or that of a tenant; made if there was none.
    pub(crate) async fn signing_secret(
        &self,
        caller: &Caller,
        tenant: Option<Tenant>,
    ) -> Result<SigningSecretView, ApiError> {
        if let Some(tenant) = tenant {
            return self.tenants_secret(caller, &tenant).await;
        }
        let kept = self.signing().kept(now()).await?.ok_or_else(configured)?;
        self.audit(caller, "signing.secret", "the signing secret").await;
        view(&kept)
    }

    /// What signs the calls of one tenant: it tells nothing of the secret that it is derived from, so it is shown also where
    /// that one is configured.
    async fn tenants_secret(&self, caller: &Caller, tenant: &Tenant) -> Result<SigningSecretView, ApiError> {
        let now = now();
        let created_at =
            self.signing().kept(now).await?.and_then(|kept| kept.0.first().map(|s| s.created_at));
        let secrets = self.signing().of(Some(tenant), now).await?;
        let newest = secrets.first().ok_or_else(super::fault("an installation without a secret"))?;
        self.audit(caller, "signing.secret", format!("the signing secret of {tenant}")).await;
        let secret = newest.expose().to_owned();
        Ok(SigningSecretView { secret, secrets: secrets.len(), created_at: created_at.unwrap_or(now) })
    }

    /// Makes a new secret, or takes the one that is given; the old ones sign for `overlap` more.
    pub(crate) async fn rotate_signing_secret(
        &self,
        caller: &Caller,
        overlap: Duration,
        secret: Option<SigningSecret>,
    ) -> Result<SigningSecretView, ApiError> {
        let kept = self.signing().rotate(now(), overlap, secret).await.map_err(changed)?;
        let kept = kept.ok_or_else(configured)?;
        self.audit(caller, "signing.rotate", "the signing secret").await;
        view(&kept)
    }
}

fn view(kept: &Secrets) -> Result<SigningSecretView, ApiError> {
    let newest = kept.0.first().ok_or_else(super::fault("an installation without a secret"))?;
    let (secret, created_at) = (newest.secret.clone(), newest.created_at);
    Ok(SigningSecretView { secret, secrets: kept.active(now()).len(), created_at })
}

fn changed(e: BrokerError) -> ApiError {
    match e {
        BrokerError::VersionConflict { .. } => ApiError::Changed,
        other => other.into(),
    }
}

fn configured() -> ApiError {
    let what = "the signing secret is set by POSTHASTE_SIGNING_SECRET: read it, and change it, there";
    ApiError::NotFound { what: what.into() }
}
