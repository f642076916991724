//! Providers: what is configured, and how their lanes are.

use std::time::Duration;

use posthaste_core::broker::PauseRequest;
use posthaste_core::{LaneKey, Name, Pause, PauseReason, QueueName, Scope};
use posthaste_notify::config::{DEFAULT_PROVIDER, channel_lane, service_lanes};
use posthaste_notify::{ChannelKind, EmailAddress, Notification};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{Api, ApiConfig, ApiError, Caller, schema};

/// A provider that the program was configured with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfiguredProvider {
    /// Its name.
    pub name: Name,
    /// The channel that it serves.
    pub channel: ChannelKind,
    /// What it is: `smtp`, `slack` …
    pub kind: &'static str,
    /// Of e-mail, the addresses that its messages may be from; the first is its own.
    pub senders: Vec<EmailAddress>,
}

/// Whether a message finds its provider among those that this program knows: the rule that its worker goes by.
///
/// # Errors
/// The sentence about the field `provider`.
pub(crate) fn check(config: &ApiConfig, message: &Notification) -> Result<(), String> {
    // A process that only serves may be configured without the providers of its workers.
    if !config.providers_known && config.providers.is_empty() {
        return Ok(());
    }
    let channel = message.channel;
    let of: Vec<&str> =
        config.providers.iter().filter(|p| p.channel == channel).map(|p| p.name.as_str()).collect();
    let named = || {
        if of.is_empty() { "none is configured".to_owned() } else { format!("there are {}", of.join(", ")) }
    };
    match &message.provider {
        // A webhook goes to its endpoint, whatever it names.
        _ if channel == ChannelKind::Webhook => Ok(()),
        Some(name) if of.contains(&name.as_str()) => Ok(()),
        Some(name) => Err(format!("There is no provider {name} of the channel {channel}; {}", named())),
        // Of e-mail the one named default alone is taken without a name; of a chat also the only one.
        None if !of.is_empty()
            && (of.len() > 1 || channel == ChannelKind::Email)
            && !of.contains(&DEFAULT_PROVIDER) =>
        {
            Err(format!(
                "Name the provider: none of the channel {channel} is named {DEFAULT_PROVIDER}; {}",
                named()
            ))
        }
        None => Ok(()),
    }
}

/// The name of the provider that a message is for, as far as this program knows its worker's: the one that it names, else the one
/// named default, else the only one of a chat.
pub(crate) fn meant<'a>(config: &'a ApiConfig, message: &'a Notification) -> Option<&'a str> {
    if let Some(name) = &message.provider {
        return Some(name.as_str());
    }
    let of: Vec<&str> =
        config.providers.iter().filter(|p| p.channel == message.channel).map(|p| p.name.as_str()).collect();
    match of.as_slice() {
        all if all.contains(&DEFAULT_PROVIDER) => Some(DEFAULT_PROVIDER),
        [only] if message.channel != ChannelKind::Email => Some(*only),
        _ => None,
    }
}

/// How a provider is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ProviderState)]
pub enum ProviderState {
    /// It takes messages, as far as is known.
    Ok,
    /// Somebody paused it.
    Paused,
    /// It asked to be left alone for a while.
    Throttled,
    /// It cannot be reached; probes go out.
    Breaker,
    /// Its credentials or sender were refused; probes go out every five minutes.
    Misconfigured,
}

/// A provider.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Provider, example = json!({
    "name": "default", "channel": "email", "type": "smtp", "lane": "email:default", "state": "throttled",
    "until": "2026-01-31T09:31:00.000Z", "message": "The provider answered 429", "running": 0, "waiting": true
}))]
pub struct ProviderView {
    /// Its name: the `provider` of notifications.
    #[schema(value_type = String)]
    pub name: Name,
    /// The channel that it serves.
    #[schema(value_type = schema::Channel)]
    pub channel: ChannelKind,
    /// What it is.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// Its lane.
    #[schema(value_type = String)]
    pub lane: LaneKey,
    /// How it is.
    pub state: ProviderState,
    /// Until when, or when the next probe goes out.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Time>, nullable = false)]
    pub until: Option<posthaste_core::Timestamp>,
    /// What it said.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub message: Option<String>,
    /// Messages under way.
    pub running: u64,
    /// Whether messages wait for it.
    pub waiting: bool,
}

impl Api {
    /// Every configured provider, and how it is in the queue `default`.
    ///
    /// # Errors
    /// [`ApiError::Unavailable`].
    pub async fn providers(&self) -> Result<Vec<ProviderView>, ApiError> {
        let lanes = self.store().lanes(Some(&QueueName::default())).await?;
        let mut views = Vec::new();
        for p in &self.config().providers {
            let lane = channel_lane(p.channel, p.name.as_str());
            let others = service_lanes(p.channel, p.name.as_str());
            let is_of =
                |k: &LaneKey| k.target == lane.target || others.iter().any(|other| other.target == k.target);
            let of: Vec<_> = lanes.iter().filter(|l| l.lane.as_ref().is_some_and(is_of)).collect();
            let pause: Option<Pause> = of.iter().find_map(|l| l.paused.clone());
            let state = match pause.as_ref().map(|p| p.reason) {
                None => ProviderState::Ok,
                Some(PauseReason::Manual) => ProviderState::Paused,
                Some(PauseReason::Throttled) => ProviderState::Throttled,
                Some(PauseReason::Breaker) => ProviderState::Breaker,
                Some(PauseReason::Misconfigured) => ProviderState::Misconfigured,
            };
            views.push(ProviderView {
                name: p.name.clone(),
                channel: p.channel,
                kind: p.kind,
                lane,
                state,
                until: pause.as_ref().and_then(|p| p.until),
                message: pause.and_then(|p| p.message),
                running: of.iter().map(|l| l.running).sum(),
                waiting: of.iter().any(|l| l.waiting),
            });
        }
        Ok(views)
    }

    /// One provider.
    ///
    /// # Errors
    /// [`ApiError::NotFound`], [`ApiError::Unavailable`].
    pub async fn provider(&self, name: &Name) -> Result<ProviderView, ApiError> {
        let found = self.providers().await?.into_iter().find(|p| p.name == *name);
        found.ok_or_else(|| ApiError::NotFound { what: format!("no provider is named {name}") })
    }

    /// Sends nothing through a provider for a time, or until it is resumed.
    ///
    /// # Errors
    /// [`ApiError::NotFound`], [`ApiError::Invalid`], [`ApiError::Unavailable`].
    pub async fn pause_provider(
        &self,
        caller: &Caller,
        name: &Name,
        for_: Option<Duration>,
        message: Option<String>,
    ) -> Result<ProviderView, ApiError> {
        let ProviderView { lane, channel, .. } = self.provider(name).await?;
        self.pause(caller, Scope::Lane(QueueName::default(), lane), for_, message.clone()).await?;
        for lane in service_lanes(channel, name.as_str()) {
            let scope = Scope::Lane(QueueName::default(), lane);
            let message = message.clone();
            self.store().pause(PauseRequest { scope, reason: PauseReason::Manual, for_, message }).await?;
        }
        self.provider(name).await
    }

    /// Sends through a provider again, whatever had paused it.
    ///
    /// # Errors
    /// [`ApiError::NotFound`], [`ApiError::Unavailable`].
    pub async fn resume_provider(&self, caller: &Caller, name: &Name) -> Result<ProviderView, ApiError> {
        let ProviderView { lane, channel, .. } = self.provider(name).await?;
        self.resume(caller, &Scope::Lane(QueueName::default(), lane)).await?;
        for lane in service_lanes(channel, name.as_str()) {
            self.store().resume(&Scope::Lane(QueueName::default(), lane)).await?;
        }
        self.provider(name).await
    }
}
