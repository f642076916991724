//! Every kind of task that this crate runs, over one HTTP client and one set of secrets.

use std::sync::Arc;

use posthaste_core::{Kind, Records, Store};
use posthaste_worker::Registry;

use crate::callback::CallbackHandler;
use crate::channels::Means;
use crate::http_task::HttpTaskHandler;
use crate::net::{Guard, HttpClient};
use crate::signing::Signing;
use crate::{NotifyConfig, NotifyHandler};

/// Why a kind is not enqueued from outside; `None` where it is.
///
/// A callback tells a URL what became of any task that it names, so only we make one, together with what it is about.
pub fn refusal(kind: &Kind) -> Option<&'static str> {
    (kind.as_str() == crate::callback::KIND).then_some(
        "The kind callback is made by the server alone: give the task or batch a callback_url instead",
    )
}

/// The handlers of `notify`, `http` and `callback`.
pub fn kinds(config: NotifyConfig, store: Arc<dyn Store>) -> Registry {
    let http = HttpClient::trusting(Guard::new(config.allow.clone()), config.trust.as_ref());
    let records: Arc<dyn Records> = store.clone();
    let signing = Signing::new(Arc::clone(&records), config.signing.clone());
    let means = Means { http: http.clone(), stored: Some((records, signing.clone())) };
    Registry::new()
        .with(Kind::notify(), Arc::new(NotifyHandler::with_means(config, means)))
        .with(HttpTaskHandler::kind(), Arc::new(HttpTaskHandler::new(http.clone(), signing.clone())))
        .with(CallbackHandler::kind(), Arc::new(CallbackHandler::new(store, http, signing)))
}
