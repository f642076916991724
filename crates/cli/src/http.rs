//! A small client of a running server.

use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use url::Url;

use crate::exit::Stop;
use crate::output::plain;
use crate::settings::{self, typed};

/// No answer of the API takes longer, except one that was asked to wait.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Which server; flattened into the verbs that talk to one.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct ServerArg {
    /// The server's URL [env: POSTHASTE_SERVER] [default: http:// and POSTHASTE_ADDR]
    #[arg(long, value_name = "URL")]
    pub(crate) server: Option<String>,
}

/// A running server.
#[derive(Debug, Clone)]
pub(crate) struct Server {
    base: Url,
    http: reqwest::Client,
    /// The verb that starts one.
    verb: &'static str,
}

/// The server answered something other than 2xx.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Refused {
    /// Its status.
    pub(crate) status: u16,
    /// What it said, in one sentence.
    pub(crate) message: String,
}

impl Server {
    /// The server that flag, environment or file name.
    ///
    /// # Errors
    /// A configuration that is refused.
    pub(crate) fn find(arg: &ServerArg, file: Option<&Path>) -> anyhow::Result<Self> {
        let flags = arg.server.clone().map(|url| ("server", url)).into_iter().collect();
        let base = typed::server_url(&settings::load(file, flags)?)?;
        Self::at(base)
    }

    /// The server at a URL.
    ///
    /// # Errors
    /// When the HTTP client cannot start.
    pub(crate) fn at(base: Url) -> anyhow::Result<Self> {
        // A proxy of the environment would be asked for loopback, too.
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(posthaste_notify::net::tls())
            .no_proxy()
            .connect_timeout(Duration::from_secs(5))
            .build()?;
        Ok(Self { base, http, verb: "up" })
    }

    /// The same, and who does not find it is told of another verb that starts it.
    #[must_use]
    pub(crate) fn started_by(self, verb: &'static str) -> Self {
        Self { verb, ..self }
    }

    /// Its URL.
    pub(crate) fn base(&self) -> &Url {
        &self.base
    }

    /// The URL of a path below it.
    ///
    /// # Errors
    /// A path that makes no URL; ids and cursors are checked or encoded before.
    pub(crate) fn url(&self, path: &str) -> anyhow::Result<Url> {
        Ok(self.base.join(path)?)
    }

    /// `GET`, with query pairs.
    ///
    /// # Errors
    /// [`Stop::Unreachable`], [`Refused`].
    pub(crate) async fn get(&self, path: &str, query: &[(&str, String)]) -> anyhow::Result<Value> {
        self.get_within(path, query, TIMEOUT).await
    }

    /// [`Server::get`] with a time limit of its own.
    ///
    /// # Errors
    /// [`Stop::Unreachable`], [`Refused`].
    pub(crate) async fn get_within(
        &self,
        path: &str,
        query: &[(&str, String)],
        limit: Duration,
    ) -> anyhow::Result<Value> {
        self.send(self.http.get(self.url(path)?).query(query).timeout(limit)).await
    }

    /// `POST` of a JSON body, or of nothing.
    ///
    /// # Errors
    /// [`Stop::Unreachable`], [`Refused`].
    pub(crate) async fn post(
        &self,
        path: &str,
        body: Option<&Value>,
        headers: &[(&str, &str)],
    ) -> anyhow::Result<Value> {
        let mut request = self.http.post(self.url(path)?).timeout(TIMEOUT);
        if let Some(body) = body {
            request = request.json(body);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request).await
    }

    /// A stream of server-sent events.
    ///
    /// # Errors
    /// [`Stop::Unreachable`], [`Refused`].
    pub(crate) async fn events(&self, path: &str) -> anyhow::Result<reqwest::Response> {
        let request = self.http.get(self.url(path)?).header("accept", "text/event-stream");
        let response = request.send().await.map_err(|e| self.unreachable(&e))?;
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status().as_u16();
        Err(refused(status, &response.text().await.unwrap_or_default()).into())
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> anyhow::Result<Value> {
        let response = request.send().await.map_err(|e| self.unreachable(&e))?;
        let status = response.status();
        let text = response.text().await.map_err(|e| self.unreachable(&e))?;
        if !status.is_success() {
            return Err(refused(status.as_u16(), &text).into());
        }
        if text.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_str(&text).map_err(|_| {
            anyhow::anyhow!("{} answered something that is not JSON: is it Posthaste?", self.base)
        })
    }

    fn unreachable(&self, error: &reqwest::Error) -> Stop {
        let why = if error.is_timeout() {
            "no answer in time".to_owned()
        } else {
            // The innermost cause is the one that helps: "connection refused".
            let mut cause: &dyn std::error::Error = error;
            while let Some(source) = cause.source() {
                cause = source;
            }
            cause.to_string()
        };
        let (what, other) = match self.verb {
            "worker" => ("worker", "set POSTHASTE_WORKER_ADDR to where it listens"),
            _ => ("server", "name another with --server"),
        };
        Stop::Unreachable(format!(
            "no {what} at {}: {why}. Start one with `posthaste {}`, or {other}",
            self.base, self.verb
        ))
    }
}

/// The one sentence of a problem document or of the old routes' `{"detail": …}`.
fn refused(status: u16, text: &str) -> Refused {
    let body: Value = serde_json::from_str(text).unwrap_or(Value::Null);
    let str_of = |key: &str| body.get(key).and_then(Value::as_str).map(plain);
    let mut message = match (str_of("title"), str_of("detail")) {
        (Some(title), Some(detail)) if title != detail => format!("{title}: {detail}"),
        (Some(one), _) | (None, Some(one)) => one,
        (None, None) => format!("the server answered {status}"),
    };
    for error in body.get("errors").and_then(Value::as_array).into_iter().flatten() {
        let loc: Vec<String> = error
            .get("loc")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .map(|part| part.as_str().map_or_else(|| part.to_string(), plain))
            .collect();
        let msg = error.get("msg").and_then(Value::as_str).unwrap_or_default();
        message.push_str(&format!("\n  {}: {}", loc.join("."), plain(msg)));
    }
    Refused { status, message }
}

/// Runs a client verb: one thread is plenty.
///
/// # Errors
/// Those of `verb`, or of starting the runtime.
pub(crate) fn block_on<T>(verb: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(verb)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_is_told_with_its_fields() {
        let text = r#"{"type":"x","title":"Invalid request","status":422,"detail":"2 fields","errors":[{"loc":["body","kind"],"msg":"missing"},{"loc":["body",3],"msg":"no"}]}"#;
        assert_eq!(
            refused(422, text).message,
            "Invalid request: 2 fields\n  body.kind: missing\n  body.3: no"
        );
        assert_eq!(refused(404, r#"{"detail":"no task"}"#).message, "no task");
        assert_eq!(refused(502, "<html>").message, "the server answered 502");
    }
}
