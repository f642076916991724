//! Which tasks: the flags that lists and bulk operations share.

use posthaste_core::{FailureClass, State};
use serde_json::{Map, Value};

/// Conditions on tasks; all that are given hold.
#[derive(Debug, Default, Clone, clap::Args)]
pub(crate) struct Filter {
    /// Only tasks in this state; may be given several times
    #[arg(long)]
    pub(crate) state: Vec<State>,
    /// Only tasks of this kind
    #[arg(long)]
    kind: Option<String>,
    /// Only tasks of this queue
    #[arg(long)]
    queue: Option<String>,
    /// Only tasks of this batch
    #[arg(long)]
    batch: Option<uuid::Uuid>,
    /// Only tasks for this recipient, for example email:ada@example.com
    #[arg(long)]
    recipient: Option<String>,
    /// Only tasks of this tenant
    #[arg(long)]
    tenant: Option<String>,
    /// Only tasks whose last failure was of this class
    #[arg(long, value_parser = class)]
    class: Option<FailureClass>,
}

fn class(text: &str) -> Result<FailureClass, String> {
    FailureClass::ALL.into_iter().find(|c| c.as_str() == text).ok_or_else(|| {
        let all: Vec<&str> = FailureClass::ALL.iter().map(|c| c.as_str()).collect();
        format!("one of {}", all.join(", "))
    })
}

impl Filter {
    fn words(&self) -> Vec<(&'static str, String)> {
        let mut out = Vec::new();
        out.extend(self.kind.clone().map(|k| ("kind", k)));
        out.extend(self.queue.clone().map(|q| ("queue", q)));
        out.extend(self.batch.map(|b| ("batch", b.to_string())));
        out.extend(self.recipient.clone().map(|r| ("recipient", r)));
        out.extend(self.tenant.clone().map(|t| ("tenant", t)));
        out.extend(self.class.map(|c| ("class", c.as_str().to_owned())));
        out
    }

    /// Whether nothing was said.
    pub(crate) fn is_empty(&self) -> bool {
        self.state.is_empty() && self.words().is_empty()
    }

    /// As the query of a list.
    pub(crate) fn query(&self) -> Vec<(&'static str, String)> {
        let mut out = Vec::new();
        if !self.state.is_empty() {
            let states: Vec<&str> = self.state.iter().map(|s| s.as_str()).collect();
            out.push(("state", states.join(",")));
        }
        out.extend(self.words());
        out
    }

    /// As the filter of a bulk operation.
    pub(crate) fn json(&self) -> Value {
        let mut out = Map::new();
        if !self.state.is_empty() {
            let states = self.state.iter().map(|s| Value::from(s.as_str())).collect();
            out.insert("state".into(), Value::Array(states));
        }
        out.extend(self.words().into_iter().map(|(name, word)| (name.to_owned(), Value::from(word))));
        Value::Object(out)
    }
}
