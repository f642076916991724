//! What a key that is bound to a tenant may send: what cannot be told apart from what is the installation's is refused, with
//! what to ask its operator for.

use std::future::Future;
use std::sync::LazyLock;

use posthaste_core::{Kind, NewTask, Record, RecordKind, RecordOrder};
use posthaste_notify::config::DEFAULT_PROVIDER;
use posthaste_notify::{ChannelKind, Notification, endpoint, lanes};

use crate::input::simple::PageOf;
use crate::{Api, ApiConfig, ApiError, Caller, FieldError, Loc};

/// Records that are read at once while those of one tenant are looked for.
const SCAN: usize = 500;
/// How often that is done for one page.
const MAX_SCANS: usize = 400;

fn forbidden(why: &'static str) -> ApiError {
    ApiError::Forbidden { why }
}

/// Refuses what a tenant's key may not say of a task, whatever the task does. Costs nothing without a tenant.
///
/// # Errors
/// [`ApiError::Forbidden`].
pub(crate) fn check_envelope(caller: &Caller, task: &NewTask) -> Result<(), ApiError> {
    if caller.tenant().is_none() {
        return Ok(());
    }
    if task.id.is_some() {
        return Err(forbidden(
            "ids are shared by all tenants, so a tenant's key brings none: leave id out, and use Idempotency-Key for repeats",
        ));
    }
    if task.kind == Kind::notify() && task.lane.as_ref().is_some_and(|lane| !lanes::is_ours(lane)) {
        return Err(forbidden(
            "a notification of a tenant waits in its share of the provider's lane: leave lane out, or ask the operator for other limits",
        ));
    }
    Ok(())
}

/// A provider signs with an account and a sender of its own: a tenant has the one that is everybody's, and one of its name.
/// Which others there are it is not told. Costs nothing without a tenant.
///
/// # Errors
/// [`ApiError::Forbidden`] for another name; [`ApiError::Invalid`] where its own is not there.
pub(crate) fn check_provider(
    config: &ApiConfig,
    caller: &Caller,
    message: &Notification,
    loc: &[&str],
) -> Result<(), ApiError> {
    let Some(tenant) = caller.tenant() else { return Ok(()) };
    let own = |name: &str| name == DEFAULT_PROVIDER || name == tenant.as_str();
    if message.provider.as_ref().is_some_and(|name| !own(name.as_str())) {
        return Err(forbidden(
            "a tenant sends through the provider default or one of its own name: leave provider out, or ask the operator for one",
        ));
    }
    if super::providers::check(config, message).is_err() {
        let msg = "There is no such provider for this tenant; its operator adds one";
        return Err(invalid(loc, "provider", msg.into()));
    }
    Ok(())
}

/// The configuration that a request is read by: for a tenant without providers, which are looked at by [`check_provider`].
pub(crate) fn config_for<'a>(config: &'a ApiConfig, caller: &Caller) -> &'a ApiConfig {
    static BARE: LazyLock<ApiConfig> = LazyLock::new(ApiConfig::default);
    if caller.tenant().is_some() { &BARE } else { config }
}

impl Api {
    /// Whether there is an endpoint of that name for `caller` to send to.
    ///
    /// # Errors
    /// [`ApiError::Forbidden`] where it is the installation's, [`ApiError::Unavailable`].
    pub(crate) async fn sends_to(&self, caller: &Caller, name: &str) -> Result<bool, ApiError> {
        match endpoint::find(self.store().as_ref(), name).await? {
            None => Ok(false),
            Some((endpoint, _)) => caller.finds(endpoint.tenant.as_deref()),
        }
    }

    /// Looks into the notifications among tasks that a tenant's key enqueues by their payload: what they name must be the
    /// tenant's. Costs nothing without a tenant.
    ///
    /// # Errors
    /// [`ApiError::Forbidden`]; [`ApiError::Invalid`] for what is not there; [`ApiError::Unavailable`].
    pub(crate) async fn check_payloads(&self, caller: &Caller, tasks: &[NewTask]) -> Result<(), ApiError> {
        if caller.tenant().is_none() {
            return Ok(());
        }
        for task in tasks.iter().filter(|t| t.kind == Kind::notify()) {
            // It was read before, or there would be no task.
            let Ok(message) = task.payload.parse::<Notification>() else { continue };
            self.check_message(caller, &message, &["body", "payload"]).await?;
            for id in message.attachments.iter().filter_map(|a| a.id) {
                let until = super::send::needed_until(task);
                if self.claim_attachment(caller, id, until).await?.is_none() {
                    let msg = format!(
                        "There is no attachment {id}: upload it first, and send it within seven days"
                    );
                    return Err(invalid(&["body", "payload"], "attachments", msg));
                }
            }
        }
        Ok(())
    }

    /// Looks into one message of a tenant's key. Costs nothing without a tenant.
    ///
    /// # Errors
    /// As [`Api::check_payloads`].
    pub(crate) async fn check_message(
        &self,
        caller: &Caller,
        message: &Notification,
        loc: &[&str],
    ) -> Result<(), ApiError> {
        if caller.tenant().is_none() {
            return Ok(());
        }
        check_provider(self.config(), caller, message, loc)?;
        let to = message.to.as_str();
        let named = message.channel == ChannelKind::Webhook && !to.contains("://");
        if named && !self.sends_to(caller, to).await? {
            return Err(invalid(loc, "to", "There is no endpoint of that name; register it first".into()));
        }
        Ok(())
    }

    /// A page of a tenant's own records, and where the next one begins: never at what is another's.
    ///
    /// # Errors
    /// [`ApiError::Unavailable`].
    pub(crate) async fn own_records<F>(
        &self,
        kind: RecordKind,
        order: RecordOrder,
        page: &PageOf,
        own: impl Fn(Vec<Record>) -> F,
    ) -> Result<(Vec<Record>, Option<String>), ApiError>
    where
        F: Future<Output = Result<Vec<Record>, ApiError>>,
    {
        let (mut found, mut after) = (Vec::new(), page.cursor.clone());
        for _ in 0..MAX_SCANS {
            let read = self.store().list_records(kind, order, after.as_deref(), SCAN).await?;
            let last = read.len() < SCAN;
            after = read.last().map(|r| r.name.clone());
            found.extend(own(read).await?);
            if last || found.len() >= page.limit {
                break;
            }
        }
        let next = (found.len() >= page.limit).then(|| found[page.limit - 1].name.clone());
        found.truncate(page.limit);
        Ok((found, next))
    }
}

fn invalid(loc: &[&str], field: &str, msg: String) -> ApiError {
    let loc = loc.iter().copied().chain([field]).map(Loc::from);
    ApiError::Invalid(vec![FieldError::new(loc, "value_error", msg)])
}
