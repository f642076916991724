//! What a key that is bound to a tenant may send: what cannot be told apart from what is the installation's is refused, with
//! what to ask its operator for.

use std::future::Future;
use std::sync::LazyLock;

use posthaste_core::broker::{ListRequest, Page};
use posthaste_core::limits::{MAX_PAGE, MAX_PAGE_BYTES};
use posthaste_core::{BrokerError, Kind, NewTask, Record, RecordKind, RecordOrder, Tenant};
use posthaste_notify::config::is_open_to;
use posthaste_notify::signing::AT_ONCE;
use posthaste_notify::{ChannelKind, Notification, endpoint, lanes};

use super::sealed;
use super::send::{Named, attachments_of, needed_until};
use crate::auth::now;
use crate::input::simple::{PageOf, records};
use crate::{Api, ApiConfig, ApiError, Caller, FieldError, Loc};

/// How far a request looks for a tenant's own records among all.
#[derive(Clone, Copy)]
pub(crate) struct Scan {
    /// Records that are read at once.
    at_once: usize,
    /// How often that is done.
    most: usize,
}

/// Lists are asked for again and again, so that one request costs little however many records are others'.
pub(crate) const SCAN: Scan = Scan { at_once: MAX_PAGE, most: 25 };

/// How often one request looks on where a look among all tasks found none of the tenant's. A look is short:
/// [`posthaste_core::limits::MAX_LIST_SCAN`] tasks and [`posthaste_core::limits::LIST_TIME`].
const LOOKS: usize = 10;

const NO_ENDPOINT: &str = "There is no endpoint of that name; register it first";

/// The message of a task that sends one. It was read before, or there would be no task.
fn message_of(task: &NewTask) -> Option<Notification> {
    (task.kind == Kind::notify()).then(|| task.payload.parse().ok()).flatten()
}

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
    caller.check_tenant(task)
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
    if super::providers::meant(config, message).is_some_and(|name| !is_open_to(name, tenant)) {
        return Err(forbidden(match message.provider {
            Some(_) => {
                "a tenant sends through the provider default or one of its own name: leave provider out, or ask the operator for one"
            }
            None => {
                "a tenant sends through the provider default or one of its own name, and this channel has neither: ask the operator for one"
            }
        }));
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

    /// Looks into a task that a tenant's key enqueues. Costs nothing without a tenant.
    ///
    /// # Errors
    /// [`ApiError::Forbidden`]; [`ApiError::Invalid`] for what is not there; [`ApiError::Unavailable`].
    pub(crate) async fn check_payload(&self, caller: &Caller, task: &NewTask) -> Result<(), ApiError> {
        self.check_payloads(caller, &[task]).await?.into_iter().collect()
    }

    /// Looks into tasks that a tenant's key enqueues: what each is answered. What notifications among them name by their
    /// payload must be the tenant's; it is looked up once, however many name it. Costs nothing without a tenant.
    ///
    /// # Errors
    /// [`ApiError::Unavailable`].
    pub(crate) async fn check_payloads(
        &self,
        caller: &Caller,
        tasks: &[&NewTask],
    ) -> Result<Vec<Result<(), ApiError>>, ApiError> {
        if caller.tenant().is_none() {
            return Ok(vec![Ok(()); tasks.len()]);
        }
        let messages: Vec<_> = tasks.iter().map(|task| message_of(task)).collect();
        let sent = tasks.iter().zip(&messages);
        let sent: Vec<_> = sent.filter_map(|(t, m)| Some((m.as_ref()?, needed_until(t)))).collect();
        let named = self.look_up_named(caller, &sent).await?;
        let check = |(task, message): (&&NewTask, &Option<Notification>)| {
            check_envelope(caller, task)?;
            message.as_ref().map_or(Ok(()), |m| self.check_named(caller, m, &named))
        };
        Ok(tasks.iter().zip(&messages).map(check).collect())
    }

    /// Looks into the message of a task, whose endpoint and attachments were looked up.
    ///
    /// # Errors
    /// As [`Api::check_payload`].
    pub(super) fn check_named(
        &self,
        caller: &Caller,
        message: &Notification,
        named: &Named,
    ) -> Result<(), ApiError> {
        let loc = ["body", "payload"];
        check_provider(self.config(), caller, message, &loc)?;
        if !named.endpoint(message)? {
            return Err(invalid(&loc, "to", NO_ENDPOINT.into()));
        }
        for id in attachments_of(message) {
            if named.attachment(id)?.is_none() {
                let msg =
                    format!("There is no attachment {id}: upload it first, and send it within seven days");
                return Err(invalid(&loc, "attachments", msg));
            }
        }
        Ok(())
    }

    /// Looks into one message of a tenant's key. Costs nothing without a tenant.
    ///
    /// # Errors
    /// As [`Api::check_payload`].
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
            return Err(invalid(loc, "to", NO_ENDPOINT.into()));
        }
        Ok(())
    }

    /// A page of a tenant's own records, and where the next one begins: in clear at what is its own; where looking ended among
    /// what is another's, sealed. Such a page may have less than was asked for, even nothing; it is about as large as one of
    /// [`records`] at the most.
    ///
    /// # Errors
    /// [`ApiError::UnknownCursor`], [`ApiError::Unavailable`].
    pub(crate) async fn own_records<F>(
        &self,
        tenant: &Tenant,
        (kind, order): (RecordKind, RecordOrder),
        page: &PageOf,
        scan: Scan,
        own: impl Fn(Vec<Record>) -> F,
    ) -> Result<(Vec<Record>, Option<String>), ApiError>
    where
        F: Future<Output = Result<Vec<Record>, ApiError>>,
    {
        let mut after = self.opened(tenant, page.cursor.as_deref()).await?;
        let (mut found, mut bytes, mut ended) = (Vec::<Record>::new(), 0, false);
        for _ in 0..scan.most {
            let part = PageOf { limit: scan.at_once, cursor: after };
            let (read, next) = records(self, kind, order, &part).await?;
            ended = next.is_none();
            after = read.last().map(|r| r.name.clone());
            let mine = own(read).await?;
            bytes += mine.iter().map(|r| r.body.len()).sum::<usize>();
            found.extend(mine);
            if ended || found.len() >= page.limit || bytes >= MAX_PAGE_BYTES {
                break;
            }
        }
        let next = match after {
            _ if found.len() >= page.limit => Some(found[page.limit - 1].name.clone()),
            Some(place) if !ended => Some(self.sealed(tenant, &place).await?),
            _ => None,
        };
        found.truncate(page.limit);
        Ok((found, next))
    }

    /// A page of a tenant's own tasks. Where it ended is sealed: that may be at another's task, whose id and time the cursor
    /// of a store tells; and the time until which was looked is another's, too, so it is left out.
    ///
    /// # Errors
    /// [`ApiError::UnknownCursor`], [`ApiError::Unavailable`].
    pub(crate) async fn own_page(&self, tenant: &Tenant, mut request: ListRequest) -> Result<Page, ApiError> {
        request.filter.tenant = Some(tenant.clone());
        // In clear none was given out to a tenant, and one that is made up tells by its page what others have.
        if request.cursor.as_deref().is_some_and(|c| !sealed::is_sealed(c)) {
            return Err(BrokerError::BadCursor.into());
        }
        request.cursor = self.opened(tenant, request.cursor.as_deref()).await?;
        let mut page = Page::default();
        for _ in 0..LOOKS {
            page = self.store().list(request.clone()).await?;
            if !page.tasks.is_empty() || page.next_cursor.is_none() {
                break;
            }
            request.cursor.clone_from(&page.next_cursor);
        }
        page.searched_until = None;
        page.next_cursor = match page.next_cursor {
            None => None,
            Some(place) => Some(self.sealed(tenant, &place).await?),
        };
        Ok(page)
    }

    /// The name behind which a page begins.
    async fn opened(&self, tenant: &Tenant, cursor: Option<&str>) -> Result<Option<String>, ApiError> {
        let Some(text) = cursor.filter(|c| sealed::is_sealed(c)) else {
            return Ok(cursor.map(str::to_owned));
        };
        // Also the secrets that sign no more: a page may be read while they are changed.
        let secrets = self.signing().of_links(now(), AT_ONCE).await?;
        sealed::open(&secrets, tenant, text).map(Some).ok_or_else(|| BrokerError::BadCursor.into())
    }

    async fn sealed(&self, tenant: &Tenant, place: &str) -> Result<String, ApiError> {
        let secrets = self.signing().secrets(now()).await?;
        let newest = secrets.first().ok_or_else(super::fault("an installation without a secret"))?;
        Ok(sealed::seal(newest, tenant, place))
    }
}

fn invalid(loc: &[&str], field: &str, msg: String) -> ApiError {
    let loc = loc.iter().copied().chain([field]).map(Loc::from);
    ApiError::Invalid(vec![FieldError::new(loc, "value_error", msg)])
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use posthaste_broker_sqlite::{SqliteConfig, SqliteStore};
    use posthaste_core::{Expect, Json, Store};

    use super::*;

    #[tokio::test]
    async fn looking_ends_soon_and_goes_on_behind_what_was_looked_at() {
        let dir = tempfile::tempdir().expect("a directory");
        let store: Arc<dyn Store> = SqliteStore::open(SqliteConfig::new(dir.path())).await.expect("a store");
        let kind = RecordKind::Endpoint;
        for name in ["globex-1", "globex-2", "globex-3", "globex-4", "globex-5", "own-1", "own-2", "x-globex"]
        {
            let body = Json::from_trusted("{}".into());
            store.put_record(kind, name, body, Expect::Any).await.expect("it is kept");
        }
        let api = Api::new(store, ApiConfig::default());
        let (acme, other) = (Tenant::new("acme").expect("a name"), Tenant::new("other").expect("a name"));
        let scan = Scan { at_once: 2, most: 2 };
        let page = async |tenant: &Tenant, limit, cursor: Option<String>| {
            let own = |read: Vec<Record>| async {
                Ok(read.into_iter().filter(|r| r.name.starts_with("own")).collect::<Vec<_>>())
            };
            let page = PageOf { limit, cursor };
            let read = api.own_records(tenant, (kind, RecordOrder::Ascending), &page, scan, own).await;
            read.map(|(found, next)| (found.into_iter().map(|r| r.name).collect::<Vec<_>>(), next))
        };
        // Four were looked at, all of them another's.
        let (found, next) = page(&acme, 2, None).await.expect("a page");
        let next = next.expect("there is more");
        assert!(found.is_empty() && sealed::is_sealed(&next) && !next.contains("globex"), "{next}");
        assert!(matches!(page(&other, 2, Some(next.clone())).await, Err(ApiError::UnknownCursor(_))));
        let (found, own) = page(&acme, 2, Some(next.clone())).await.expect("a page");
        assert_eq!((found, own.as_deref()), (vec!["own-1".to_owned(), "own-2".to_owned()], Some("own-2")));
        assert_eq!(page(&acme, 2, own).await.expect("a page"), (Vec::new(), None), "that was all");
        // A page that is not full goes on, too; nothing is left out.
        let (found, rest) = page(&acme, 3, Some(next)).await.expect("a page");
        assert_eq!(found, ["own-1", "own-2"]);
        assert_eq!(page(&acme, 3, rest).await.expect("a page"), (Vec::new(), None));
        assert!(matches!(page(&acme, 2, Some("~00".into())).await, Err(ApiError::UnknownCursor(_))));
    }
}
