//! Templates: versioned, checked before they are stored.

use posthaste_core::limits::MAX_PAGE;
use posthaste_core::{BrokerError, Expect, Json, Name, Record, RecordKind, RecordOrder, Timestamp};
use posthaste_notify::template::{Rendered, Template, TemplateError, version_name};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::auth::now;
use crate::input::simple::{PageOf, records};
use crate::{Api, ApiError, Caller, FieldError, schema};

/// Tries to be the one who stores the next version.
const TRIES: usize = 5;
/// Versions that are listed at most.
const MAX_VERSIONS: usize = 1_000;

/// A template.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Template, example = json!({
    "name": "welcome", "version": 3, "subject": "Welcome, {{ name }}", "text": "Hello {{ name }}!",
    "html": "<p>Hello {{ name }}!</p>", "sample": { "name": "Ann" }, "created_at": "2026-01-31T09:30:00.000Z"
}))]
pub(crate) struct TemplateView {
    /// Its name.
    pub name: String,
    /// Its version, from 1.
    pub version: u32,
    /// The subject or title.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub subject: Option<String>,
    /// The text.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub text: Option<String>,
    /// The HTML of an e-mail.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub html: Option<String>,
    /// What it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub description: Option<String>,
    /// Data for a preview.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub sample: Option<Value>,
    /// When this version was put.
    #[schema(value_type = schema::Time)]
    pub created_at: Timestamp,
}

/// A template filled in.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Preview, example = json!({ "subject": "Welcome, Ann", "text": "Hello Ann!", "html": "<p>Hello Ann!</p>" }))]
pub(crate) struct PreviewView {
    /// The subject.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    subject: Option<String>,
    /// The text.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    text: Option<String>,
    /// The HTML.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    html: Option<String>,
}

impl From<Rendered> for PreviewView {
    fn from(r: Rendered) -> Self {
        Self { subject: r.subject, text: r.text, html: r.html }
    }
}

fn view(name: &str, t: Template) -> TemplateView {
    TemplateView {
        name: name.to_owned(),
        version: t.version,
        subject: t.subject,
        text: t.text,
        html: t.html,
        description: t.description,
        sample: t.sample,
        created_at: t.created_at,
    }
}

fn read(record: &Record) -> Result<Template, ApiError> {
    record.body.parse().map_err(|_| super::fault("a template has another shape")())
}

fn none(name: &Name) -> ApiError {
    ApiError::NotFound { what: format!("there is no template {name}") }
}

impl Api {
    /// The newest version of each template, by name.
    ///
    /// # Errors
    /// [`ApiError::Unavailable`].
    pub(crate) async fn template_list(
        &self,
        page: &PageOf,
    ) -> Result<(Vec<TemplateView>, Option<String>), ApiError> {
        let (found, next) = records(self, RecordKind::Template, RecordOrder::Ascending, page).await?;
        let views: Result<_, _> = found.iter().map(|r| Ok::<_, ApiError>(view(&r.name, read(r)?))).collect();
        Ok((views?, next))
    }

    /// One template, its newest version unless another is asked for.
    ///
    /// # Errors
    /// [`ApiError::NotFound`], [`ApiError::Unavailable`].
    pub(crate) async fn template(&self, name: &Name, version: Option<u32>) -> Result<TemplateView, ApiError> {
        Ok(view(name.as_str(), self.stored_template(name, version).await?))
    }

    pub(crate) async fn stored_template(
        &self,
        name: &Name,
        version: Option<u32>,
    ) -> Result<Template, ApiError> {
        let record = match version {
            None => self.store().get_record(RecordKind::Template, name.as_str()).await?,
            Some(v) => {
                self.store().get_record(RecordKind::TemplateVersion, &version_name(name.as_str(), v)).await?
            }
        };
        read(&record.ok_or_else(|| none(name))?)
    }

    /// Every version of a template, the newest first.
    ///
    /// # Errors
    /// [`ApiError::NotFound`], [`ApiError::Unavailable`].
    pub(crate) async fn template_versions(&self, name: &Name) -> Result<Vec<TemplateView>, ApiError> {
        let (mut views, mut after) = (Vec::new(), None);
        loop {
            let (found, next) = self.version_page(name, after).await?;
            for record in &found {
                views.push(view(name.as_str(), read(record)?));
            }
            after = next;
            if after.is_none() || views.len() >= MAX_VERSIONS {
                break;
            }
        }
        views.truncate(MAX_VERSIONS);
        if views.is_empty() { Err(none(name)) } else { Ok(views) }
    }

    /// A page of the versions of a template, the newest first, and where the next one begins. What is read is no larger than a
    /// page of [`records`], however many versions this template and its neighbours have.
    async fn version_page(
        &self,
        name: &Name,
        after: Option<String>,
    ) -> Result<(Vec<Record>, Option<String>), ApiError> {
        let prefix = format!("{name}@");
        // What lies before it begins with what lies before an `@` or with one.
        let cursor = after.or_else(|| Some(format!("{name}A")));
        let (kind, order) = (RecordKind::TemplateVersion, RecordOrder::Descending);
        let (mut found, next) = records(self, kind, order, &PageOf { limit: MAX_PAGE, cursor }).await?;
        let read = found.len();
        found.retain(|r| r.name.starts_with(&prefix));
        // Behind a version of another template are none of this one.
        let next = next.filter(|_| found.len() == read);
        Ok((found, next))
    }

    /// Stores a new version of a template; what was there stays as an older one.
    ///
    /// # Errors
    /// [`ApiError::Invalid`], [`ApiError::Changed`], [`ApiError::Unavailable`].
    pub(crate) async fn put_template(
        &self,
        caller: &Caller,
        name: &Name,
        new: Template,
    ) -> Result<TemplateView, ApiError> {
        check(&new)?;
        for _ in 0..TRIES {
            let before = self.store().get_record(RecordKind::Template, name.as_str()).await?;
            let (version, expect) = match &before {
                None => (1, Expect::Absent),
                Some(record) => (read(record)?.version + 1, Expect::Version(record.version)),
            };
            let template = Template { version, created_at: now(), ..new.clone() };
            let body = Json::from_value(&template).map_err(|_| ApiError::Internal)?;
            // The version first: what is newest must never name one that is not there.
            let kept = version_name(name.as_str(), version);
            self.store().put_record(RecordKind::TemplateVersion, &kept, body.clone(), Expect::Any).await?;
            match self.store().put_record(RecordKind::Template, name.as_str(), body, expect).await {
                Ok(_) => {
                    self.templates().forget(name.as_str());
                    self.audit(caller, "templates.put", format!("{name}@{version}")).await;
                    return Ok(view(name.as_str(), template));
                }
                Err(BrokerError::VersionConflict { .. }) => {}
                Err(e) => return Err(e.into()),
            }
        }
        Err(ApiError::Changed)
    }

    /// Deletes a template with all its versions. Notifications that were accepted were filled in by then.
    ///
    /// # Errors
    /// [`ApiError::NotFound`], [`ApiError::Unavailable`].
    pub(crate) async fn delete_template(&self, caller: &Caller, name: &Name) -> Result<(), ApiError> {
        let deleted = self.store().delete_record(RecordKind::Template, name.as_str(), Expect::Any).await?;
        let mut after = None;
        // To the last: one that is left would stand among those of the next template of this name.
        loop {
            let (versions, next) = self.version_page(name, after).await?;
            for record in &versions {
                self.store().delete_record(RecordKind::TemplateVersion, &record.name, Expect::Any).await?;
            }
            after = next;
            if after.is_none() {
                break;
            }
        }
        self.templates().forget(name.as_str());
        if !deleted {
            return Err(none(name));
        }
        self.audit(caller, "templates.delete", name).await;
        Ok(())
    }
}

/// Names the fields of a template that are not acceptable.
pub(crate) fn check(template: &Template) -> Result<(), ApiError> {
    template.check().map_err(|problems| {
        let error =
            |p: posthaste_notify::FieldProblem| FieldError::new(["body", p.field], "value_error", p.problem);
        ApiError::Invalid(problems.into_iter().map(error).collect())
    })
}

/// Fills a template in for people to look at.
pub(crate) fn preview(template: &Template, data: &Value) -> Result<PreviewView, ApiError> {
    let refuse = |field: &str, msg: String| ApiError::field(["body", field], "value_error", msg);
    posthaste_notify::template::check_data(data).map_err(|problem| refuse("data", problem))?;
    let rendered = template.render(data);
    rendered.map(Into::into).map_err(|e| ApiError::Invalid(vec![field_error(&e)]))
}

/// Why data does not fit a template, at the name that is missing where it is one.
pub(crate) fn field_error(e: &TemplateError) -> FieldError {
    let loc = ["body", "data"].into_iter().chain(e.missing.iter().map(String::as_str));
    FieldError::new(loc, "value_error", format!("In the {} of the template: {}", e.part, e.problem))
}
