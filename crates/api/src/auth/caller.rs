//! Who is calling. The guard puts a [`Caller`] into every request; a handler takes it as an argument.

use std::net::IpAddr;
use std::sync::{Arc, LazyLock};

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use posthaste_core::{NewTask, Tenant};
use posthaste_notify::lanes;

use super::Scopes;
use crate::ApiError;

/// How a caller said who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Via {
    /// It did not have to: there are no keys yet, authentication is off, or the route is open.
    Nothing,
    /// `Authorization: Bearer …`.
    Key,
    /// A session cookie of the pages.
    Session,
}

/// Who it is; the same for every request with one key.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Who {
    pub(crate) key_id: Option<Arc<str>>,
    pub(crate) name: String,
    pub(crate) scopes: Scopes,
    pub(crate) tenant: Option<Tenant>,
}

/// Who is calling and from where; cheap to clone.
#[derive(Debug, Clone)]
pub struct Caller {
    pub(crate) who: Arc<Who>,
    pub(crate) via: Via,
    pub(crate) ip: Option<IpAddr>,
    /// The id of the request, as in `X-Request-Id`.
    pub(crate) request_id: Option<axum::http::HeaderValue>,
    /// What forms of a session carry.
    pub(crate) csrf: Option<Arc<str>>,
}

fn nameless(name: &str, scopes: Scopes) -> Arc<Who> {
    Arc::new(Who { key_id: None, name: name.to_owned(), scopes, tenant: None })
}

static LOCAL: LazyLock<Arc<Who>> = LazyLock::new(|| nameless("local", Scopes::ALL));
static EVERYBODY: LazyLock<Arc<Who>> = LazyLock::new(|| nameless("anybody", Scopes::ALL));
static NOBODY: LazyLock<Arc<Who>> = LazyLock::new(|| nameless("nobody", Scopes::NONE));
static OPEN: LazyLock<Arc<Who>> = LazyLock::new(|| {
    nameless("open-notify", [super::KeyScope::Send, super::KeyScope::Read].into_iter().collect())
});

impl Caller {
    fn of(who: &Arc<Who>) -> Self {
        Self { who: who.clone(), via: Via::Nothing, ip: None, request_id: None, csrf: None }
    }

    /// Whoever is on this machine while there are no keys: may do everything.
    pub fn local() -> Self {
        Self::of(&LOCAL)
    }

    /// Whoever reaches the server while authentication is off: may do everything.
    pub(crate) fn everybody() -> Self {
        Self::of(&EVERYBODY)
    }

    /// A caller of an open route: may do nothing besides.
    pub(crate) fn nobody() -> Self {
        Self::of(&NOBODY)
    }

    /// A caller of the old routes while they are open.
    pub(crate) fn open_notify() -> Self {
        Self::of(&OPEN)
    }

    /// Whether it is one: nobody knows who.
    pub(crate) fn is_open_notify(&self) -> bool {
        Arc::ptr_eq(&self.who, &OPEN)
    }

    pub(crate) fn with_key(who: Arc<Who>, via: Via) -> Self {
        Self { via, ..Self::of(&who) }
    }

    /// The key's id, if there is one.
    pub fn key_id(&self) -> Option<&str> {
        self.who.key_id.as_deref()
    }

    /// The key's name, or a word for callers without one.
    pub fn name(&self) -> &str {
        &self.who.name
    }

    /// What it may do.
    pub fn scopes(&self) -> Scopes {
        self.who.scopes
    }

    /// Whose tasks it sees and changes; `None` is everybody's.
    pub fn tenant(&self) -> Option<&Tenant> {
        self.who.tenant.as_ref()
    }

    /// How it said who it is.
    pub fn via(&self) -> Via {
        self.via
    }

    /// Its address.
    pub fn ip(&self) -> Option<IpAddr> {
        self.ip
    }

    /// What each form of its pages must carry, if it has a session.
    pub fn csrf(&self) -> Option<&str> {
        self.csrf.as_deref()
    }

    /// Whether it may see and change something of `tenant`.
    pub fn may_see(&self, tenant: Option<&Tenant>) -> bool {
        self.tenant().is_none_or(|own| tenant == Some(own))
    }

    /// Whether something of `tenant` is there for it: another tenant's is not, as if it had never been.
    ///
    /// # Errors
    /// [`ApiError::Forbidden`] where it belongs to the installation, and the caller to a tenant.
    pub(crate) fn finds(&self, tenant: Option<&str>) -> Result<bool, ApiError> {
        match (self.tenant(), tenant) {
            (None, _) => Ok(true),
            (Some(_), None) => Err(installations()),
            (Some(own), Some(tenant)) => Ok(own.as_str() == tenant),
        }
    }

    /// The tenant to filter a list by, of what was asked for.
    ///
    /// # Errors
    /// [`ApiError::Forbidden`] for another tenant than its own.
    pub fn tenant_filter(&self, asked: Option<Tenant>) -> Result<Option<Tenant>, ApiError> {
        match (self.tenant(), asked) {
            (None, asked) => Ok(asked),
            (Some(own), None) => Ok(Some(own.clone())),
            (Some(own), Some(asked)) if *own == asked => Ok(Some(asked)),
            (Some(_), Some(_)) => Err(other_tenant()),
        }
    }

    /// Makes a new task its tenant's own: the tenant, and the tenant's share of its lane.
    ///
    /// # Errors
    /// [`ApiError::Forbidden`] when the task names another tenant.
    pub fn claim(&self, task: &mut NewTask) -> Result<(), ApiError> {
        self.check_tenant(task)?;
        let Some(own) = self.tenant() else {
            share(task);
            return Ok(());
        };
        task.tenant = Some(own.clone());
        task.lane = task.lane.take().map(|lane| lanes::under(lane, own));
        Ok(())
    }

    /// Refuses a task that names another tenant, by itself or by its lane.
    ///
    /// # Errors
    /// [`ApiError::Forbidden`].
    pub(crate) fn check_tenant(&self, task: &NewTask) -> Result<(), ApiError> {
        let Some(own) = self.tenant() else { return Ok(()) };
        let of_lane = task.lane.as_ref().and_then(|lane| lane.tenant.as_ref());
        let others = task.tenant.as_ref().is_some_and(|t| t != own)
            || of_lane.is_some_and(|t| t.as_str() != own.as_str());
        if others { Err(other_tenant()) } else { Ok(()) }
    }
}

/// Gives a task with a tenant that tenant's share of a lane of ours. A lane that its caller named stays as it was named.
fn share(task: &mut NewTask) {
    let Some(tenant) = &task.tenant else { return };
    task.lane = task.lane.take().map(|lane| {
        if lanes::is_ours(&lane) && lane.tenant.is_none() { lanes::under(lane, tenant) } else { lane }
    });
}

fn installations() -> ApiError {
    ApiError::Forbidden {
        why: "this is the installation's, and the key is bound to a tenant: ask its operator",
    }
}

fn other_tenant() -> ApiError {
    ApiError::Forbidden { why: "the key is bound to a tenant, and this names another" }
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        // Without the guard around the router nobody was asked who they are: then nobody is let in.
        parts.extensions.get::<Self>().cloned().ok_or(ApiError::Unauthorized {
            why: "nothing asked who you are: the router is not wrapped in its guard",
        })
    }
}

#[cfg(test)]
mod tests {
    use posthaste_core::{Json, Kind};

    use super::*;

    fn of_tenant(name: &str) -> Caller {
        let tenant = Some(Tenant::new(name).expect("a name"));
        let who = Who { key_id: Some("k".into()), name: "k".into(), scopes: Scopes::ALL, tenant };
        Caller::with_key(Arc::new(who), Via::Key)
    }

    fn task(tenant: Option<&str>, lane: Option<&str>) -> NewTask {
        let mut task = NewTask::new(Kind::new("work").expect("a name"), Json::from_trusted("1".into()));
        task.tenant = tenant.map(|t| Tenant::new(t).expect("a name"));
        task.lane = lane.map(|l| l.parse().expect("a lane"));
        task
    }

    #[test]
    fn a_tenants_tasks_become_its_own_or_are_refused() {
        let acme = of_tenant("acme");
        let mut t = task(None, Some("smtp"));
        acme.claim(&mut t).expect("its own");
        assert_eq!(t.tenant.as_ref().map(Tenant::as_str), Some("acme"));
        assert_eq!(t.lane.map(|l| l.to_string()).as_deref(), Some("x:@acme:smtp/acme"));
        assert!(acme.claim(&mut task(Some("acme"), Some("smtp/acme"))).is_ok());
        assert!(acme.claim(&mut task(Some("other"), None)).is_err());
        assert!(acme.claim(&mut task(None, Some("smtp/other"))).is_err());
        let mut free = task(Some("other"), None);
        Caller::local().claim(&mut free).expect("anybody's");
        assert_eq!(free.tenant.as_ref().map(Tenant::as_str), Some("other"));
        for (lane, stored) in
            [("email:default", "email:default/other"), ("smtp", "smtp"), ("x:email:a", "x:email:a")]
        {
            let mut free = task(Some("other"), Some(lane));
            Caller::local().claim(&mut free).expect("anybody's");
            assert_eq!(free.lane.map(|l| l.to_string()).as_deref(), Some(stored));
        }
    }

    #[test]
    fn a_tenant_sees_its_own_and_nothing_else() {
        let (acme, own) = (of_tenant("acme"), Tenant::new("acme").expect("a name"));
        let other = Tenant::new("other").expect("a name");
        assert!(acme.may_see(Some(&own)) && !acme.may_see(Some(&other)) && !acme.may_see(None));
        assert!(Caller::local().may_see(None) && Caller::local().may_see(Some(&own)));
        assert_eq!(acme.tenant_filter(None).expect("its own"), Some(own.clone()));
        assert!(acme.tenant_filter(Some(other.clone())).is_err());
        assert_eq!(Caller::local().tenant_filter(Some(other.clone())).expect("any"), Some(other));
    }
}
