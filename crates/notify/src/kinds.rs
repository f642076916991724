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

/// The handlers of `notify`, `http` and `callback`.
pub fn kinds(config: NotifyConfig, store: Arc<dyn Store>) -> Registry {
    let http = HttpClient::new(Guard::new(config.allow.clone()));
    let records: Arc<dyn Records> = store.clone();
    let signing = Signing::new(Arc::clone(&records), config.signing.clone());
    let means = Means { http: http.clone(), stored: Some((records, signing.clone())) };
    Registry::new()
        .with(Kind::notify(), Arc::new(NotifyHandler::with_means(config, means)))
        .with(HttpTaskHandler::kind(), Arc::new(HttpTaskHandler::new(http.clone(), signing.clone())))
        .with(CallbackHandler::kind(), Arc::new(CallbackHandler::new(store, http, signing)))
}
