//! Webhook endpoints: registering, rotating, enabling.

use std::time::Duration;

use posthaste_core::broker::Enqueued;
use posthaste_core::{
    BrokerError, Expect, IdempotencyKey, Name, Record, RecordKind, RecordOrder, Tenant, Timestamp,
};
use posthaste_notify::endpoint::{self, Disabled, Endpoint};
use posthaste_notify::sign::SigningSecret;
use posthaste_notify::signing::Secrets;
use posthaste_notify::{ChannelKind, Notification, Recipient};
use serde::Serialize;
use utoipa::ToSchema;

use super::tenants::SCAN;
use crate::auth::now;
use crate::input::simple::{PageOf, records};
use crate::{Api, ApiError, Caller, FieldError, schema};

/// Why an endpoint gets nothing any more.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = EndpointDisabled)]
pub struct DisabledView {
    /// `gone` (it answered 410), `failing` (five days without a success) or `manual`.
    pub reason: String,
    /// Since when.
    #[schema(value_type = schema::Time)]
    pub at: Timestamp,
}

/// A webhook endpoint; its secret is shown by its own operation.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Endpoint, example = json!({
    "name": "shop", "url": "https://shop.example.com/hooks", "secrets": 1, "created_at": "2026-01-31T09:30:00.000Z"
}))]
pub struct EndpointView {
    /// Its name.
    pub name: String,
    /// Where it is.
    pub url: String,
    /// What it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub description: Option<String>,
    /// How many secrets sign now: two while a rotation overlaps.
    pub secrets: usize,
    /// Why it gets nothing, if it does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub disabled: Option<DisabledView>,
    /// Since when every call failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Time>, nullable = false)]
    pub failing_since: Option<Timestamp>,
    /// Whose it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub tenant: Option<String>,
    /// When it was registered.
    #[schema(value_type = schema::Time)]
    pub created_at: Timestamp,
}

/// An endpoint with the secret that its calls are signed with.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = EndpointWithSecret)]
pub struct SecretView {
    #[serde(flatten)]
    #[schema(inline)]
    pub(crate) endpoint: EndpointView,
    /// The newest secret; give it to whoever receives the calls.
    #[schema(pattern = "^whsec_[A-Za-z0-9+/=]+$")]
    pub(crate) secret: String,
}

/// What may be changed of an endpoint.
#[derive(Debug, Clone, Default)]
pub(crate) struct Change {
    pub(crate) url: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) disabled: Option<bool>,
}

fn view(name: &str, e: &Endpoint) -> EndpointView {
    EndpointView {
        name: name.to_owned(),
        url: e.url.clone(),
        description: e.description.clone(),
        secrets: e.secrets.active(now()).len(),
        disabled: e.disabled.as_ref().map(|d| DisabledView { reason: d.reason.clone(), at: d.at }),
        failing_since: e.failing_since,
        tenant: e.tenant.clone(),
        created_at: e.created_at,
    }
}

fn with_secret(name: &str, e: &Endpoint, secret: &SigningSecret) -> SecretView {
    SecretView { endpoint: view(name, e), secret: secret.expose().to_owned() }
}

fn none(name: &Name) -> ApiError {
    ApiError::NotFound { what: format!("there is no endpoint {name}") }
}

fn check(name: &str, url: &str, description: Option<&str>) -> Result<(), ApiError> {
    Endpoint::check(name, url, description).map_err(|problems| {
        let error =
            |p: posthaste_notify::FieldProblem| FieldError::new(["body", p.field], "value_error", p.problem);
        ApiError::Invalid(problems.into_iter().map(error).collect())
    })
}

impl Api {
    /// A page of endpoints that `caller` may see, by name.
    ///
    /// # Errors
    /// [`ApiError::Unavailable`].
    pub(crate) async fn endpoint_list(
        &self,
        caller: &Caller,
        page: &PageOf,
    ) -> Result<(Vec<EndpointView>, Option<String>), ApiError> {
        let (found, next) = match caller.tenant() {
            None => records(self, RecordKind::Endpoint, RecordOrder::Ascending, page).await?,
            Some(tenant) => {
                let own = |found: Vec<Record>| async {
                    Ok(found.into_iter().filter(|r| is_of(r, tenant)).collect::<Vec<_>>())
                };
                let of = (RecordKind::Endpoint, RecordOrder::Ascending);
                self.own_records(tenant, of, page, SCAN, own).await?
            }
        };
        let mut views = Vec::new();
        for record in &found {
            let (endpoint, _) = endpoint::read(record)?;
            views.push(view(&record.name, &endpoint));
        }
        Ok((views, next))
    }

    /// An endpoint that `caller` may see, with its record's version.
    pub(crate) async fn endpoint(&self, caller: &Caller, name: &Name) -> Result<(Endpoint, u64), ApiError> {
        let found = endpoint::find(self.store().as_ref(), name.as_str()).await?;
        let (found, version) = found.ok_or_else(|| none(name))?;
        if caller.finds(found.tenant.as_deref())? { Ok((found, version)) } else { Err(none(name)) }
    }

    /// One endpoint.
    ///
    /// # Errors
    /// [`ApiError::NotFound`], [`ApiError::Unavailable`].
    pub async fn endpoint_view(&self, caller: &Caller, name: &Name) -> Result<EndpointView, ApiError> {
        Ok(view(name.as_str(), &self.endpoint(caller, name).await?.0))
    }

    /// Registers an endpoint; its secret is made unless one is given.
    ///
    /// # Errors
    /// [`ApiError::Invalid`], [`ApiError::Changed`] when the name is taken, [`ApiError::Unavailable`].
    pub(crate) async fn create_endpoint(
        &self,
        caller: &Caller,
        name: &str,
        change: Change,
        secret: Option<SigningSecret>,
        tenant: Option<Tenant>,
    ) -> Result<SecretView, ApiError> {
        let url = change.url.unwrap_or_default();
        check(name, &url, change.description.as_deref())?;
        let now = now();
        let mut secrets = Secrets::default();
        let secret = secrets.rotate(now, Duration::ZERO, secret);
        let endpoint = Endpoint {
            url,
            description: change.description,
            secrets,
            disabled: None,
            failing_since: None,
            tenant: tenant.map(|t| t.as_str().to_owned()),
            created_at: now,
        };
        let stored =
            self.store().put_record(RecordKind::Endpoint, name, endpoint.body(), Expect::Absent).await;
        match stored {
            Ok(_) => {}
            Err(BrokerError::VersionConflict { .. }) => {
                return Err(ApiError::field(
                    ["body", "name"],
                    "value_error",
                    "There is an endpoint of that name already",
                ));
            }
            Err(e) => return Err(e.into()),
        }
        self.audit(caller, "endpoints.create", name).await;
        Ok(with_secret(name, &endpoint, &secret))
    }

    async fn store_endpoint(&self, name: &Name, endpoint: &Endpoint, version: u64) -> Result<(), ApiError> {
        let expect = Expect::Version(version);
        self.store().put_record(RecordKind::Endpoint, name.as_str(), endpoint.body(), expect).await?;
        Ok(())
    }

    /// Changes an endpoint.
    ///
    /// # Errors
    /// [`ApiError::Invalid`], [`ApiError::NotFound`], [`ApiError::Changed`], [`ApiError::Unavailable`].
    pub(crate) async fn update_endpoint(
        &self,
        caller: &Caller,
        name: &Name,
        change: Change,
    ) -> Result<EndpointView, ApiError> {
        let (mut endpoint, version) = self.endpoint(caller, name).await?;
        if let Some(url) = change.url {
            endpoint.url = url;
        }
        if change.description.is_some() {
            endpoint.description = change.description;
        }
        match change.disabled {
            Some(true) if endpoint.disabled.is_none() => {
                endpoint.disabled = Some(Disabled { reason: "manual".into(), at: now() });
            }
            Some(false) => {
                endpoint.disabled = None;
                endpoint.failing_since = None;
            }
            _ => {}
        }
        check(name.as_str(), &endpoint.url, endpoint.description.as_deref())?;
        self.store_endpoint(name, &endpoint, version).await?;
        self.audit(caller, "endpoints.update", name).await;
        Ok(view(name.as_str(), &endpoint))
    }

    /// Deletes an endpoint; what waits for it fails.
    ///
    /// # Errors
    /// [`ApiError::NotFound`], [`ApiError::Unavailable`].
    pub async fn delete_endpoint(&self, caller: &Caller, name: &Name) -> Result<(), ApiError> {
        self.endpoint(caller, name).await?;
        self.store().delete_record(RecordKind::Endpoint, name.as_str(), Expect::Any).await?;
        self.audit(caller, "endpoints.delete", name).await;
        Ok(())
    }

    /// Makes a new secret; the old ones sign for `overlap` more.
    ///
    /// # Errors
    /// [`ApiError::NotFound`], [`ApiError::Changed`], [`ApiError::Unavailable`].
    pub(crate) async fn rotate_endpoint(
        &self,
        caller: &Caller,
        name: &Name,
        overlap: Duration,
        secret: Option<SigningSecret>,
    ) -> Result<SecretView, ApiError> {
        let (mut endpoint, version) = self.endpoint(caller, name).await?;
        let secret = endpoint.secrets.rotate(now(), overlap, secret);
        self.store_endpoint(name, &endpoint, version).await?;
        self.audit(caller, "endpoints.rotate", name).await;
        Ok(with_secret(name.as_str(), &endpoint, &secret))
    }

    /// The newest secret of an endpoint.
    ///
    /// # Errors
    /// [`ApiError::NotFound`], [`ApiError::Unavailable`].
    pub async fn endpoint_secret(&self, caller: &Caller, name: &Name) -> Result<SecretView, ApiError> {
        let (endpoint, _) = self.endpoint(caller, name).await?;
        let secret = endpoint.secrets.active(now()).into_iter().next();
        let secret = secret.ok_or_else(super::fault("an endpoint without a secret"))?;
        self.audit(caller, "endpoints.secret", name).await;
        Ok(with_secret(name.as_str(), &endpoint, &secret))
    }

    /// Sends an endpoint a message to try it.
    ///
    /// # Errors
    /// [`ApiError::NotFound`], [`ApiError::Unavailable`].
    pub(crate) async fn test_endpoint(
        &self,
        caller: &Caller,
        name: &Name,
        idempotency: Option<IdempotencyKey>,
    ) -> Result<(Enqueued, bool), ApiError> {
        self.endpoint(caller, name).await?;
        let to = Recipient::Other(name.as_str().to_owned());
        let message = Notification {
            event: Some("endpoint.test".into()),
            data: Some(serde_json::json!({"endpoint": name.as_str(), "message": "This is a test."}).into()),
            ..Notification::of(ChannelKind::Webhook, to)
        };
        self.notify_once(caller, message, idempotency).await
    }
}

fn is_of(record: &Record, tenant: &Tenant) -> bool {
    endpoint::read(record).is_ok_and(|(e, _)| e.tenant.as_deref() == Some(tenant.as_str()))
}
