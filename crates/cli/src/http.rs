//! A small client of a running server.

use std::io::Read as _;
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use posthaste_notify::net::Certificates;
use reqwest::Method;
use reqwest::header::{self, HeaderValue};
use serde_json::Value;
use url::Url;

use crate::exit::Stop;
use crate::output::plain;
use crate::settings::{self, typed};

/// No answer of the API takes longer, except one that was asked to wait.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Largest file that holds a key, in bytes: a wrong name must not read a disk.
const MAX_KEY_FILE: u64 = 4_096;

/// What a segment of a path may hold as it is: the unreserved characters of RFC 3986 §2.3.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Which server; flattened into the verbs that talk to one.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct ServerArg {
    /// The server's URL [env: POSTHASTE_SERVER] [default: http:// and POSTHASTE_ADDR]
    #[arg(long, value_name = "URL", global = true)]
    pub(crate) server: Option<String>,
    /// A file that holds the API key [env: POSTHASTE_KEY_FILE, or the key itself in POSTHASTE_KEY]
    #[arg(long, value_name = "FILE", global = true)]
    pub(crate) key_file: Option<String>,
}

/// An API key; it does not print.
#[derive(Clone)]
struct Key(HeaderValue);

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key(…)")
    }
}

/// A running server.
#[derive(Debug, Clone)]
pub(crate) struct Server {
    base: Url,
    http: reqwest::Client,
    key: Option<Key>,
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
    /// When to try again, if it said so.
    pub(crate) retry_after: Option<Duration>,
    /// The answer itself, `null` when it is no JSON.
    pub(crate) body: Value,
}

/// What the server answered.
#[derive(Debug)]
pub(crate) struct Answer {
    /// Its JSON, `null` where there is no body.
    pub(crate) body: Value,
    /// Whether it was given before, to a request with the same idempotency key.
    pub(crate) replayed: bool,
}

/// A request to be sent; [`Call::send`] sends it.
pub(crate) struct Call<'a> {
    server: &'a Server,
    request: reqwest::RequestBuilder,
}

impl Call<'_> {
    /// Adds query pairs.
    pub(crate) fn query(mut self, pairs: &[(&str, String)]) -> Self {
        if !pairs.is_empty() {
            self.request = self.request.query(pairs);
        }
        self
    }

    /// Sets a JSON body.
    pub(crate) fn json(mut self, body: &Value) -> Self {
        self.request = self.request.json(body);
        self
    }

    /// Sets a body as it is.
    pub(crate) fn body(mut self, content_type: &str, body: impl Into<reqwest::Body>) -> Self {
        self.request = self.request.header(header::CONTENT_TYPE, content_type).body(body);
        self
    }

    /// Makes a repeat answer as the first did.
    pub(crate) fn idempotent(mut self, key: Option<&str>) -> Self {
        if let Some(key) = key {
            self.request = self.request.header("idempotency-key", key);
        }
        self
    }

    /// Waits this long for the answer.
    pub(crate) fn within(mut self, limit: Duration) -> Self {
        self.request = self.request.timeout(limit);
        self
    }

    /// Sends it; the JSON of the answer, `null` where there is no body.
    ///
    /// # Errors
    /// [`Stop::Unreachable`], [`Refused`].
    pub(crate) async fn send(self) -> anyhow::Result<Value> {
        Ok(self.answer().await?.body)
    }

    /// The same, with whether the server had given this answer before.
    ///
    /// # Errors
    /// As [`Call::send`].
    pub(crate) async fn answer(self) -> anyhow::Result<Answer> {
        let server = self.server;
        let response = self.request.send().await.map_err(|e| server.unreachable(&e))?;
        let status = response.status();
        let retry_after = retry_after(response.headers());
        let replayed = response.headers().get("idempotency-replayed").is_some_and(|v| v == "true");
        let text = response.text().await.map_err(|e| server.unreachable(&e))?;
        if !status.is_success() {
            return Err(server.refused(status.as_u16(), &text, retry_after).into());
        }
        if text.is_empty() {
            return Ok(Answer { body: Value::Null, replayed });
        }
        let body = serde_json::from_str(&text).map_err(|_| {
            anyhow::anyhow!("{} answered something that is not JSON: is it Posthaste?", server.base)
        })?;
        Ok(Answer { body, replayed })
    }
}

impl Server {
    /// The server that flag, environment or file name, and the key for it.
    ///
    /// # Errors
    /// A configuration that is refused; a key file that cannot be read.
    pub(crate) fn find(arg: &ServerArg, file: Option<&Path>) -> anyhow::Result<Self> {
        let server = arg.server.clone().map(|url| ("server", url));
        let key_file = arg.key_file.clone().map(|path| ("key_file", path));
        // A file that was named for this run comes before a key that happens to be in the environment.
        let named = key_file.is_some();
        let settings = settings::load(file, server.into_iter().chain(key_file).collect())?;
        let trust = typed::trust(&settings)?;
        let mut found = Self::trusting(typed::server_url(&settings)?, trust.as_ref())?;
        found.key = key(settings.text("key"), settings.text("key_file"), named)?;
        Ok(found)
    }

    /// The server at a URL, without a key.
    ///
    /// # Errors
    /// When the HTTP client cannot start.
    pub(crate) fn at(base: Url) -> anyhow::Result<Self> {
        Self::trusting(base, None)
    }

    fn trusting(mut base: Url, trust: Option<&Certificates>) -> anyhow::Result<Self> {
        // A base path without its slash would be dropped when paths are joined to it.
        if !base.path().ends_with('/') {
            base.set_path(&format!("{}/", base.path()));
        }
        // A proxy of the environment would be asked for loopback, too.
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(posthaste_notify::net::tls(trust))
            .no_proxy()
            .connect_timeout(Duration::from_secs(5))
            .build()?;
        Ok(Self { base, http, key: None, verb: "up" })
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

    /// A request to a path below it; segments that came from elsewhere went through [`segment`].
    ///
    /// # Errors
    /// A path that makes no URL.
    pub(crate) fn call(&self, method: Method, path: &str) -> anyhow::Result<Call<'_>> {
        let mut request = self.http.request(method, self.base.join(path)?).timeout(TIMEOUT);
        if let Some(key) = &self.key {
            request = request.header(header::AUTHORIZATION, key.0.clone());
        }
        Ok(Call { server: self, request })
    }

    /// `GET`, with query pairs.
    ///
    /// # Errors
    /// As [`Call::send`], also of the following.
    pub(crate) async fn get(&self, path: &str, query: &[(&str, String)]) -> anyhow::Result<Value> {
        self.call(Method::GET, path)?.query(query).send().await
    }

    /// [`Server::get`] with a time limit of its own.
    pub(crate) async fn get_within(
        &self,
        path: &str,
        query: &[(&str, String)],
        limit: Duration,
    ) -> anyhow::Result<Value> {
        self.call(Method::GET, path)?.query(query).within(limit).send().await
    }

    /// `POST` of a JSON body, or of nothing.
    pub(crate) async fn post(&self, path: &str, body: Option<&Value>) -> anyhow::Result<Value> {
        let call = self.call(Method::POST, path)?;
        match body {
            Some(body) => call.json(body).send().await,
            None => call.send().await,
        }
    }

    /// `PUT` of a JSON body.
    pub(crate) async fn put(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        self.call(Method::PUT, path)?.json(body).send().await
    }

    /// `DELETE`.
    pub(crate) async fn delete(&self, path: &str) -> anyhow::Result<Value> {
        self.call(Method::DELETE, path)?.send().await
    }

    /// A stream of server-sent events, without a time limit.
    ///
    /// # Errors
    /// [`Stop::Unreachable`], [`Refused`].
    pub(crate) async fn events(&self, path: &str) -> anyhow::Result<reqwest::Response> {
        let mut request = self.http.get(self.base.join(path)?).header(header::ACCEPT, "text/event-stream");
        if let Some(key) = &self.key {
            request = request.header(header::AUTHORIZATION, key.0.clone());
        }
        let response = request.send().await.map_err(|e| self.unreachable(&e))?;
        if response.status().is_success() {
            return Ok(response);
        }
        let (status, after) = (response.status().as_u16(), retry_after(response.headers()));
        Err(self.refused(status, &response.text().await.unwrap_or_default(), after).into())
    }

    fn refused(&self, status: u16, text: &str, retry_after: Option<Duration>) -> Refused {
        let body = serde_json::from_str(text).unwrap_or(Value::Null);
        let mut message = told(status, &body);
        let hint = match (status, &self.key) {
            (401, None) => {
                "no key was sent: set POSTHASTE_KEY, or name the file that holds it with --key-file or POSTHASTE_KEY_FILE"
            }
            (401, Some(_)) => "the key that was sent is not known here, was revoked, or has expired",
            (403, Some(_)) => "`posthaste whoami` shows what the key may do",
            _ => return Refused { status, message, retry_after, body },
        };
        message.push_str(&format!("\n  {hint}"));
        Refused { status, message, retry_after, body }
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

/// Text as one segment of a path.
pub(crate) fn segment(text: &str) -> String {
    // A lone dot or two would be taken out of the path.
    match text {
        "." => "%2E".to_owned(),
        ".." => "%2E%2E".to_owned(),
        _ => utf8_percent_encode(text, SEGMENT).to_string(),
    }
}

/// The key, or what its file holds.
fn key(text: &str, path: &str, file_first: bool) -> anyhow::Result<Option<Key>> {
    let read;
    let text = if path.is_empty() || (!text.is_empty() && !file_first) {
        text
    } else {
        let file =
            std::fs::File::open(path).with_context(|| format!("the key file {path} cannot be read"))?;
        let mut bytes = String::new();
        file.take(MAX_KEY_FILE).read_to_string(&mut bytes).with_context(|| format!("the key file {path}"))?;
        read = bytes;
        anyhow::ensure!(!read.trim().is_empty(), Stop::Usage(format!("the key file {path} is empty")));
        &read
    };
    if text.trim().is_empty() {
        return Ok(None);
    }
    let mut value = HeaderValue::try_from(format!("Bearer {}", text.trim()))
        .map_err(|_| Stop::Usage("the key holds characters that no key has".to_owned()))?;
    value.set_sensitive(true);
    Ok(Some(Key(value)))
}

/// `Retry-After` in seconds; the API sends no dates.
fn retry_after(headers: &header::HeaderMap) -> Option<Duration> {
    let seconds = headers.get(header::RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds))
}

/// The one sentence of a problem document or of the old routes' `{"detail": …}`.
fn told(status: u16, body: &Value) -> String {
    let str_of = |key: &str| body.get(key).and_then(Value::as_str).map(plain);
    let mut message = match (str_of("title"), str_of("detail")) {
        (Some(title), Some(detail)) if title != detail => format!("{title}: {detail}"),
        (Some(one), _) | (None, Some(one)) => one,
        // What a probe says.
        (None, None) => str_of("problem").unwrap_or_else(|| format!("the server answered {status}")),
    };
    for error in body.get("errors").and_then(Value::as_array).into_iter().flatten() {
        message.push_str(&format!("\n  {}", field_error(error)));
    }
    message
}

/// `body.to: missing`, of one `{loc, msg}`.
pub(crate) fn field_error(error: &Value) -> String {
    let loc: Vec<String> = error
        .get("loc")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .map(|part| part.as_str().map_or_else(|| part.to_string(), plain))
        .collect();
    let msg = plain(error.get("msg").and_then(Value::as_str).unwrap_or_default());
    if loc.is_empty() { msg } else { format!("{}: {msg}", loc.join(".")) }
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
        let told = |status, text| told(status, &serde_json::from_str(text).unwrap_or_default());
        assert_eq!(told(422, text), "Invalid request: 2 fields\n  body.kind: missing\n  body.3: no");
        assert_eq!(told(404, r#"{"detail":"no task"}"#), "no task");
        assert_eq!(told(503, r#"{"status":"unavailable","problem":"the disk is full"}"#), "the disk is full");
        assert_eq!(told(502, "<html>"), "the server answered 502");
    }

    #[test]
    fn who_is_not_let_in_is_told_how_to_give_a_key() {
        let mut server = Server::at("http://h.test/base".parse().expect("a URL")).expect("a client");
        assert_eq!(server.base().as_str(), "http://h.test/base/");
        let none = server.refused(401, r#"{"title":"Not signed in"}"#, None).message;
        assert!(none.starts_with("Not signed in\n") && none.contains("POSTHASTE_KEY"), "{none}");
        server.key = key("ph_secret", "", false).expect("valid");
        let wrong = server.refused(401, "", None).message;
        assert!(wrong.contains("revoked") && !wrong.contains("ph_secret"), "{wrong}");
        assert!(!format!("{server:?}").contains("ph_secret"));
    }

    #[test]
    fn a_key_is_taken_from_its_setting_or_its_file() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("key");
        std::fs::write(&path, "ph_file\n").expect("written");
        let path = path.to_str().expect("UTF-8");
        let of = |text: &str, path: &str, first| {
            key(text, path, first).expect("valid").map(|k| k.0.to_str().expect("ASCII").to_owned())
        };
        assert_eq!(of("", "", false), None);
        assert_eq!(of(" ph_env ", path, false).as_deref(), Some("Bearer ph_env"));
        assert_eq!(of("ph_env", path, true).as_deref(), Some("Bearer ph_file"));
        assert_eq!(of("", path, false).as_deref(), Some("Bearer ph_file"));
        assert!(key("", "/nowhere/key", true).is_err());
        assert!(key("a\nb", "", false).is_err());
    }

    #[test]
    fn segments_hold_what_names_hold() {
        assert_eq!(segment("email:default/acme"), "email%3Adefault%2Facme");
        assert_eq!((segment(".."), segment("a b")), ("%2E%2E".to_owned(), "a%20b".to_owned()));
    }
}
