//! `GET /`: the form, the counts and the last tasks.

use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use posthaste_api::{Api, ApiError, Bodies, Caller, ListFilter, ListRequest};
use serde::{Deserialize, Serialize};

use crate::pages::{now, send};
use crate::present::{self, Asked};
use crate::render;
use crate::view::{Chrome, Form, Overview};

/// Rows of the list.
const ROWS: usize = 20;

#[derive(Serialize)]
pub(crate) struct Index {
    pub(crate) chrome: Chrome,
    pub(crate) form: Form,
    pub(crate) overview: Overview,
}

#[derive(Serialize)]
pub(crate) struct Fragment {
    pub(crate) overview: Overview,
}

/// What the address may ask for. Anything else in it is ignored: a person typed it.
#[derive(Default, Deserialize)]
pub(crate) struct Params {
    #[serde(default)]
    state: Option<String>,
    #[serde(default)]
    cursor: Option<String>,
}

impl Params {
    fn asked(self) -> Asked {
        Asked {
            state: self.state.and_then(|s| s.parse().ok()),
            cursor: self.cursor.filter(|c| !c.is_empty()),
        }
    }
}

/// The page.
pub(crate) async fn page(State(api): State<Api>, caller: Caller, Query(params): Query<Params>) -> Response {
    show(&api, &caller, StatusCode::OK, send::empty_form(), params.asked()).await
}

/// The part that changes.
pub(crate) async fn fragment(
    State(api): State<Api>,
    caller: Caller,
    Query(params): Query<Params>,
) -> Response {
    let (status, overview) = read(&api, &caller, &params.asked()).await;
    render::page(&api, status, "_overview.html", &Fragment { overview })
}

/// The page when it is not known who asks, because the store does not answer.
pub(crate) fn without_store(api: &Api, error: &ApiError) -> Response {
    let overview = present::overview_problem(error, &Asked::default());
    let mut chrome = present::chrome(api.config(), "Overview");
    chrome.here = "overview";
    let form = send::empty_form();
    render::page(api, error.status(), "index.html", &Index { chrome, form, overview })
}

/// The part that changes, then.
pub(crate) fn fragment_without_store(api: &Api, error: &ApiError) -> Response {
    let overview = present::overview_problem(error, &Asked::default());
    render::page(api, error.status(), "_overview.html", &Fragment { overview })
}

/// The page with a form as it was filled in. A store that does not answer takes nothing from what
/// was typed: the form is shown all the same.
pub(crate) async fn show(
    api: &Api,
    caller: &Caller,
    status: StatusCode,
    mut form: Form,
    asked: Asked,
) -> Response {
    let (read_status, overview) = read(api, caller, &asked).await;
    let mut chrome = present::chrome_for(api.config(), caller, "Overview");
    form.allowed = caller.may_send();
    chrome.here = "overview";
    let status = if status == StatusCode::OK { read_status } else { status };
    render::page(api, status, "index.html", &Index { chrome, form, overview })
}

async fn read(api: &Api, caller: &Caller, asked: &Asked) -> (StatusCode, Overview) {
    match try_read(api, caller, asked).await {
        Ok(read) => (StatusCode::OK, present::overview(read, asked, now())),
        Err(e) => (e.status(), present::overview_problem(&e, asked)),
    }
}

async fn try_read(api: &Api, caller: &Caller, asked: &Asked) -> Result<present::Read, ApiError> {
    let request = ListRequest {
        filter: ListFilter { states: asked.state.into_iter().collect(), ..ListFilter::default() },
        cursor: asked.cursor.clone(),
        limit: ROWS,
        bodies: Bodies::Include,
    };
    let page = api.tasks(caller, request).await?;
    // Counts and pauses are of the installation as a whole: a tenant sees its tasks alone.
    if caller.tenant().is_some() {
        return Ok(present::Read { page, queues: None, lanes: Vec::new() });
    }
    Ok(present::Read { page, queues: Some(api.queues().await?), lanes: api.lanes(None).await? })
}
