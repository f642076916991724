//! Sending notifications: what a request becomes, what it refers to, what is stored.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use posthaste_core::broker::{EnqueueReply, Enqueued};
use posthaste_core::{
    BatchId, BrokerError, Due, IdempotencyKey, Json, Kind, Name, NewTask, RecordKind, Timestamp,
};
use posthaste_notify::attachment::{self, AttachmentError, KEPT, MAX_ATTACHMENT_BYTES};
use posthaste_notify::callback::Callback;
use posthaste_notify::config::DEFAULT_PROVIDER;
use posthaste_notify::template::{CompiledTemplate, Template, version_name};
use posthaste_notify::{ChannelKind, Notification, Recipient};
use serde_json::Value;
use uuid::Uuid;

use crate::auth::now;
use crate::input::notification::Addressee;
use crate::{Api, ApiConfig, ApiError, Caller, FieldError, Loc};

/// How long a compiled template is believed to be the newest.
const FRESH: Duration = Duration::from_secs(1);
/// Compiled templates that are kept at once.
const MAX_COMPILED: usize = 500;

/// Which template a notification is made from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct TemplateRef {
    pub(crate) name: String,
    pub(crate) version: Option<u32>,
}

type Compiled = HashMap<TemplateRef, (Instant, Option<CompiledTemplate>)>;

/// Templates that were compiled lately.
#[derive(Default)]
pub(crate) struct TemplateCache(Mutex<Compiled>);

impl TemplateCache {
    fn get(&self, wanted: &TemplateRef) -> Option<Option<CompiledTemplate>> {
        let cache = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, found) = cache.get(wanted)?;
        // A version never changes; what is newest does.
        (at.elapsed() < FRESH || (wanted.version.is_some() && found.is_some())).then(|| found.clone())
    }

    fn put(&self, wanted: TemplateRef, found: Option<CompiledTemplate>) {
        let mut cache = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if cache.len() >= MAX_COMPILED {
            cache.clear();
        }
        cache.insert(wanted, (Instant::now(), found));
    }

    /// Forgets what is known of a template that this process changes.
    pub(crate) fn forget(&self, name: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|k, _| k.name != name);
    }
}

/// One notification of a request, read but not looked up.
#[derive(Clone)]
pub(crate) struct Draft {
    pub(crate) message: Notification,
    pub(crate) template: Option<(TemplateRef, Value)>,
    /// The task that carries it, with everything but the message; its payload is not used.
    pub(crate) envelope: NewTask,
    /// Whether the request says how it is retried.
    pub(crate) own_policy: Option<posthaste_core::RetryPolicy>,
}

/// A batch to be stored, apart from its tasks.
pub(crate) struct NewBatch {
    pub(crate) id: BatchId,
    pub(crate) callback_url: Option<String>,
    pub(crate) idempotency: Option<IdempotencyKey>,
}

impl NewBatch {
    /// One with an id of its own.
    pub(crate) fn new(callback_url: Option<String>, idempotency: Option<IdempotencyKey>) -> Self {
        Self { id: BatchId::from_uuid(Uuid::now_v7()), callback_url, idempotency }
    }
}

/// A batch that is stored.
pub(crate) struct StoredBatch {
    pub(crate) id: BatchId,
    pub(crate) tasks: Vec<Enqueued>,
    pub(crate) replayed: bool,
}

/// What the notifications of a request refer to.
#[derive(Default)]
pub(crate) struct Known {
    templates: BTreeMap<TemplateRef, Option<CompiledTemplate>>,
    named: Named,
}

/// The endpoints and attachments that messages name: whether they are there, or why they are not for this caller.
#[derive(Default)]
pub(crate) struct Named {
    endpoints: BTreeMap<String, Result<bool, ApiError>>,
    attachments: BTreeMap<Uuid, Result<Option<u64>, ApiError>>,
}

impl Named {
    /// Whether the endpoint is there that a message is for; also of one that is for none.
    ///
    /// # Errors
    /// [`ApiError::Forbidden`].
    pub(crate) fn endpoint(&self, message: &Notification) -> Result<bool, ApiError> {
        let Some(name) = endpoint_of(message) else { return Ok(true) };
        self.endpoints.get(name).cloned().unwrap_or(Ok(false))
    }

    /// The size of an attachment that is there.
    ///
    /// # Errors
    /// [`ApiError::Forbidden`].
    pub(crate) fn attachment(&self, id: Uuid) -> Result<Option<u64>, ApiError> {
        self.attachments.get(&id).cloned().unwrap_or(Ok(None))
    }

    /// Refuses a message that names what is not for this caller.
    fn check(&self, message: &Notification) -> Result<(), ApiError> {
        self.endpoint(message)?;
        attachments_of(message).try_for_each(|id| self.attachment(id).map(drop))
    }
}

/// The name of the endpoint that a message is for.
fn endpoint_of(message: &Notification) -> Option<&str> {
    let to = message.to.as_str();
    (message.channel == ChannelKind::Webhook && !to.contains("://")).then_some(to)
}

/// The attachments that a message names.
pub(crate) fn attachments_of(message: &Notification) -> impl Iterator<Item = Uuid> {
    message.attachments.iter().filter_map(|a| a.id)
}

/// What is forbidden is said of whatever names it; what else goes wrong is not theirs.
fn of_each<T>(found: Result<T, ApiError>) -> Result<Result<T, ApiError>, ApiError> {
    match found {
        Err(e) if !matches!(e, ApiError::Forbidden { .. }) => Err(e),
        of_each => Ok(of_each),
    }
}

impl Api {
    /// Looks up what these notifications refer to, each thing once; keeps the attachments long enough.
    ///
    /// # Errors
    /// [`ApiError::Unavailable`].
    pub(crate) async fn look_up(&self, caller: &Caller, drafts: &[&Draft]) -> Result<Known, ApiError> {
        let mut known = Known::default();
        for wanted in drafts.iter().filter_map(|d| d.template.as_ref().map(|t| &t.0)).collect::<BTreeSet<_>>()
        {
            known.templates.insert(wanted.clone(), self.compiled(wanted).await?);
        }
        let messages: Vec<_> = drafts.iter().map(|d| (&d.message, needed_until(&d.envelope))).collect();
        known.named = self.look_up_named(caller, &messages).await?;
        Ok(known)
    }

    /// Looks up what messages name, each thing once; keeps the attachments until the last of them may still be tried.
    ///
    /// # Errors
    /// [`ApiError::Unavailable`].
    pub(crate) async fn look_up_named(
        &self,
        caller: &Caller,
        messages: &[(&Notification, Timestamp)],
    ) -> Result<Named, ApiError> {
        let mut named = Named::default();
        let mut names = BTreeSet::new();
        let mut files: BTreeMap<Uuid, Timestamp> = BTreeMap::new();
        for (message, needed) in messages {
            names.extend(endpoint_of(message));
            for id in attachments_of(message) {
                let until = files.entry(id).or_insert(*needed);
                *until = (*until).max(*needed);
            }
        }
        for name in names {
            named.endpoints.insert(name.to_owned(), of_each(self.sends_to(caller, name).await)?);
        }
        for (id, until) in files {
            named.attachments.insert(id, of_each(self.claim_attachment(caller, id, until).await)?);
        }
        Ok(named)
    }

    /// The task that sends a message, which `caller` must be allowed to.
    ///
    /// # Errors
    /// [`ApiError::Forbidden`]; [`ApiError::Invalid`], its places being under `body`.
    pub(crate) fn task_of(&self, caller: &Caller, draft: Draft, known: &Known) -> Result<NewTask, ApiError> {
        super::tenants::check_provider(self.config(), caller, &draft.message, &["body"])?;
        known.named.check(&draft.message)?;
        self.check_sender(caller, &draft.message, &["body"])?;
        let task = draft.into_task(known, self.config()).map_err(ApiError::Invalid)?;
        super::tenants::check_envelope(caller, &task)?;
        Ok(task)
    }

    /// The size of an attachment that `caller` may send, kept until `until`.
    pub(crate) async fn claim_attachment(
        &self,
        caller: &Caller,
        id: Uuid,
        until: Timestamp,
    ) -> Result<Option<u64>, ApiError> {
        let records = self.store().as_ref();
        let found = attachment::find(records, id).await.map_err(attachment_error)?;
        let Some(found) = found.filter(|f| f.keep_until > now()) else { return Ok(None) };
        if !caller.finds(found.tenant.as_deref())? {
            return Ok(None);
        }
        let size = found.size;
        attachment::keep(records, id, found, until).await.map_err(attachment_error)?;
        Ok(Some(size))
    }

    /// A template ready to be filled in; `None` when there is none.
    async fn compiled(&self, wanted: &TemplateRef) -> Result<Option<CompiledTemplate>, ApiError> {
        if let Some(found) = self.templates().get(wanted) {
            return Ok(found);
        }
        let record = match wanted.version {
            None => self.store().get_record(RecordKind::Template, &wanted.name).await?,
            Some(version) => {
                self.store()
                    .get_record(RecordKind::TemplateVersion, &version_name(&wanted.name, version))
                    .await?
            }
        };
        let compiled = match record {
            None => None,
            Some(record) => {
                let template: Template =
                    record.body.parse().map_err(|_| super::fault("a template has another shape")())?;
                let compiled = template.compile();
                Some(compiled.map_err(|_| super::fault("a stored template cannot be compiled")())?)
            }
        };
        self.templates().put(wanted.clone(), compiled.clone());
        Ok(compiled)
    }

    /// Stores tasks as one batch, and the callback about it; durable on return. What became of each task; of a repeat, as
    /// the first answered.
    ///
    /// # Errors
    /// As [`Api::enqueue`].
    pub(crate) async fn enqueue_batch(
        &self,
        caller: &Caller,
        new: NewBatch,
        tasks: Vec<NewTask>,
    ) -> Result<StoredBatch, ApiError> {
        let reply = self.enqueue_tasks_of(caller, &new, tasks).await??;
        self.batch_stored(caller, new, reply).await
    }

    /// Stores the tasks of a batch; [`Api::batch_stored`] is to follow. What the store has against them is for the caller to
    /// judge.
    ///
    /// # Errors
    /// As [`Api::enqueue`], but for what the store says.
    pub(crate) async fn enqueue_tasks_of(
        &self,
        caller: &Caller,
        new: &NewBatch,
        mut tasks: Vec<NewTask>,
    ) -> Result<Result<EnqueueReply, BrokerError>, ApiError> {
        for task in &mut tasks {
            super::tenants::check_envelope(caller, task)?;
            task.batch = Some(new.id);
        }
        self.try_enqueue_many(caller, tasks, new.idempotency.clone()).await
    }

    /// What a batch is answered whose tasks are stored, now or by the first request. The callback is stored here, after
    /// them: how many of them are of this batch is known only now, for others may hold their unique keys.
    pub(crate) async fn batch_stored(
        &self,
        caller: &Caller,
        new: NewBatch,
        EnqueueReply { tasks, replayed }: EnqueueReply,
    ) -> Result<StoredBatch, ApiError> {
        let first = if replayed { self.batch_of(&tasks).await? } else { None };
        let id = first.unwrap_or(new.id);
        if let Some(url) = new.callback_url {
            let size = tasks.iter().filter(|t| !t.duplicate).count() as u64;
            let callback = Callback { url, batch: Some(id), size: Some(size), task: None };
            self.enqueue_callback(caller, callback, new.idempotency).await?;
        }
        Ok(StoredBatch { id, tasks, replayed })
    }
}

impl Api {
    /// Refuses a sender that its provider does not allow, as far as is known here: the worker that sends checks again. A key
    /// of a tenant has its provider's own sender alone, because who else is allowed is for the installation to say.
    ///
    /// # Errors
    /// [`ApiError::Invalid`], its place being `from` behind `loc`.
    pub(crate) fn check_sender(
        &self,
        caller: &Caller,
        message: &Notification,
        loc: &[&'static str],
    ) -> Result<(), ApiError> {
        let Some(from) = &message.from else { return Ok(()) };
        let named = message.provider.as_ref().map_or(DEFAULT_PROVIDER, Name::as_str);
        let mut all = self.config().providers.iter();
        let provider = all.find(|p| p.channel == ChannelKind::Email && p.name.as_str() == named);
        let allowed = provider.map_or(&[] as &[_], |p| p.senders.as_slice());
        let of_tenant = caller.tenant().is_some();
        let allowed = if of_tenant { &allowed[..allowed.len().min(1)] } else { allowed };
        let wanted = from.address.suppression_name();
        if allowed.iter().any(|a| a.suppression_name() == wanted) || (provider.is_none() && !of_tenant) {
            return Ok(());
        }
        let msg = if of_tenant {
            "A key of a tenant sends from the provider's own address alone: leave from out, or ask the operator for a provider".to_owned()
        } else {
            format!(
                "The provider {named} does not send from this address: add it to senders in [providers.{named}]"
            )
        };
        let loc = loc.iter().copied().map(Loc::from).chain(["from".into()]);
        Err(ApiError::Invalid(vec![FieldError::new(loc, "value_error", msg)]))
    }

    /// The same of a task that is enqueued, by whatever door.
    ///
    /// # Errors
    /// As [`Api::check_sender`].
    pub(crate) fn check_task_sender(
        &self,
        caller: &Caller,
        kind: &Kind,
        payload: &Json,
    ) -> Result<(), ApiError> {
        // Within a text its quotes would be escaped, so hardly any other payload is taken apart for this.
        if *kind != Kind::notify() || !payload.as_str().contains("\"from\":") {
            return Ok(());
        }
        let Ok(message) = payload.parse::<Notification>() else { return Ok(()) };
        self.check_sender(caller, &message, &["body", "payload"])
    }
}

/// Until when a message may still be tried.
pub(crate) fn needed_until(envelope: &NewTask) -> Timestamp {
    let due = match envelope.due {
        Due::Now => now(),
        Due::At(at) => at.max(now()),
        Due::After(delay) => now().plus(delay),
    };
    due.plus(KEPT)
}

fn attachment_error(e: AttachmentError) -> ApiError {
    match e {
        AttachmentError::Store(e) => e.into(),
        AttachmentError::TooLarge => ApiError::TooLarge { limit: MAX_ATTACHMENT_BYTES },
        AttachmentError::NotFound(_) | AttachmentError::Damaged(_) => {
            ApiError::NotFound { what: e.to_string() }
        }
    }
}

impl Draft {
    /// The same message to somebody else.
    pub(crate) fn to(&self, (to, to_name): Addressee) -> Self {
        let mut other = self.clone();
        other.message.to = to;
        other.message.to_name = to_name;
        other
    }

    /// What is looked up for each recipient of it: everything but what all of them share.
    pub(crate) fn only_to(&self, to: &Recipient) -> Self {
        Self {
            message: Notification::of(self.message.channel, to.clone()),
            template: None,
            envelope: NewTask::new(Kind::notify(), Json::from_trusted("null".into())),
            own_policy: None,
        }
    }

    /// Puts what the template makes of the data in place of both: it is the same for every recipient.
    ///
    /// # Errors
    /// [`ApiError::Invalid`].
    pub(crate) fn settle_template(&mut self, known: &Known) -> Result<(), ApiError> {
        match self.template.take() {
            Some((wanted, data)) => {
                self.fill_in(&wanted, &data, known).map_err(|e| ApiError::Invalid(vec![e]))
            }
            None => Ok(()),
        }
    }

    /// The task, its message filled in and checked.
    ///
    /// # Errors
    /// Everything that is wrong, under `body`.
    pub(crate) fn into_task(mut self, known: &Known, config: &ApiConfig) -> Result<NewTask, Vec<FieldError>> {
        let mut errors = Vec::new();
        let at = |field: &str| -> Vec<Loc> { vec!["body".into(), field.into()] };
        if let Some((wanted, data)) = self.template.take()
            && let Err(e) = self.fill_in(&wanted, &data, known)
        {
            errors.push(e);
        }
        if let Err(problems) = self.message.check() {
            errors
                .extend(problems.into_iter().map(|p| FieldError::new(at(p.field), "value_error", p.problem)));
        }
        if let Err(problem) = super::providers::check(config, &self.message) {
            errors.push(FieldError::new(at("provider"), "value_error", problem));
        }
        let mut size = 0;
        for id in attachments_of(&self.message) {
            match known.named.attachment(id) {
                Ok(Some(bytes)) => size += bytes,
                _ => {
                    let msg = format!(
                        "There is no attachment {id}: upload it first, and send it within seven days"
                    );
                    errors.push(FieldError::new(at("attachments"), "value_error", msg));
                }
            }
        }
        let within: usize =
            self.message.attachments.iter().filter_map(|a| a.content.as_ref()).map(|c| c.len() / 4 * 3).sum();
        if size + within as u64 > MAX_ATTACHMENT_BYTES as u64 {
            let msg = format!("Attachments are at most {MAX_ATTACHMENT_BYTES} bytes together");
            errors.push(FieldError::new(at("attachments"), "too_large", msg));
        }
        if matches!(known.named.endpoint(&self.message), Ok(false)) {
            errors.push(FieldError::new(
                at("to"),
                "value_error",
                "There is no endpoint of that name; register it first",
            ));
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        let task = self.message.into_task();
        if task.payload.as_str().len() > posthaste_core::limits::MAX_PAYLOAD_BYTES {
            let most = posthaste_core::limits::MAX_PAYLOAD_BYTES;
            let msg = format!(
                "The notification is at most {most} bytes of JSON; upload larger files to /v1/attachments"
            );
            return Err(vec![FieldError::new(["body"], "too_large", msg)]);
        }
        Ok(NewTask {
            kind: task.kind,
            payload: task.payload,
            lane: task.lane,
            recipient: task.recipient,
            policy: self.own_policy.unwrap_or(task.policy),
            ..self.envelope
        })
    }

    /// Puts what the template makes of the data into the message, where the message has nothing of its own.
    fn fill_in(&mut self, wanted: &TemplateRef, data: &Value, known: &Known) -> Result<(), FieldError> {
        let Some(template) = known.templates.get(wanted).and_then(Option::as_ref) else {
            let msg = match wanted.version {
                Some(version) => format!("There is no version {version} of a template {}", wanted.name),
                None => format!("There is no template {}", wanted.name),
            };
            return Err(FieldError::new(["body", "template", "name"], "value_error", msg));
        };
        let rendered = template.render(data).map_err(|e| super::templates::field_error(&e))?;
        let message = &mut self.message;
        message.subject = message.subject.take().or(rendered.subject);
        message.message = message.message.take().or(rendered.text);
        if message.channel == ChannelKind::Email {
            message.html = message.html.take().or(rendered.html);
        }
        Ok(())
    }
}
