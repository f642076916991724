//! The one client through which anything leaves for a URL that somebody else chose: guarded, never
//! redirected, bounded in time and in what it reads.

mod guard;
mod ranges;

use std::error::Error as _;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use posthaste_core::Tenant;
use posthaste_core::limits::{DEFAULT_THROTTLE, MAX_THROTTLE};
pub use posthaste_tls::{BadCertificates, Certificates};
use posthaste_tls::{Servers, Whom};
use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::{Method, Response};
use tokio::time::{Instant, timeout_at};
use tokio_rustls::rustls;

pub use guard::{Allowed, Blocked, Guard, Lookup, MAX_URL, read_url};
pub use ranges::forbidden;
pub use reqwest::header;

/// How long a connection may take to be made, TLS included.
const CONNECT: Duration = Duration::from_secs(5);
/// How long one exchange may take unless told otherwise.
pub const EXCHANGE: Duration = Duration::from_secs(15);
/// How much of an answer is kept.
pub const KEPT_ANSWER: usize = 4 * 1024;
/// How long the rest of an answer is waited for whose first line said everything.
const REST: Duration = Duration::from_secs(1);
/// Connections kept to one host.
const IDLE_PER_HOST: usize = 64;
/// How long they are kept.
const IDLE: Duration = Duration::from_secs(30);

/// What is sent.
#[derive(Debug)]
pub struct Ask {
    /// The method.
    pub method: Method,
    /// Where to.
    pub url: Allowed,
    /// Headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Vec<u8>,
    /// How long the whole exchange may take.
    pub within: Duration,
    /// How much of the answer is read.
    pub read: Read,
}

/// What of the answer's body is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Read {
    /// Its beginning, for people: the answer's first line decides, whatever becomes of the rest.
    Glance,
    /// At most this many bytes of its beginning; as [`Read::Glance`], the first line decides.
    Beginning(usize),
    /// All of it, at most this many bytes.
    Whole(usize),
}

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// What `Retry-After` asks for, as seconds or as a date; a minute where it is there and names no time to come.
    pub retry_after: Option<Duration>,
    /// What was read of the body.
    pub body: Vec<u8>,
    /// The content type.
    pub content_type: Option<String>,
}

impl Answer {
    /// Whether it is a 2xx.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The body as a line for people: control characters and runs of white space made one space.
    pub fn text(&self) -> String {
        let text = String::from_utf8_lossy(&self.body);
        let mut out = String::with_capacity(text.len());
        for word in text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|w| !w.is_empty()) {
            if !out.is_empty() {
                out.push(' ');
            }
            out.push_str(word);
        }
        out
    }
}

/// Why there was no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoAnswer {
    /// It must not be called.
    #[error(transparent)]
    Blocked(#[from] Blocked),
    /// Nothing was sent: no name, no connection, no TLS.
    #[error("{0}")]
    Unreachable(String),
    /// It may have been sent.
    #[error("{0}")]
    Lost(String),
    /// The answer is larger than what was to be read whole.
    #[error("The answer is larger than {0} bytes.")]
    TooLarge(usize),
}

/// The client; cheap to clone.
#[derive(Debug, Clone)]
pub struct HttpClient {
    client: reqwest::Client,
    guard: Guard,
    /// For tasks with a tenant: with connections of its own, because one that is kept is not looked at again.
    apart: Option<Arc<Self>>,
}

impl HttpClient {
    /// A client that reaches what `guard` lets through.
    ///
    /// # Panics
    /// Never: what it is built from is fixed.
    pub fn new(guard: Guard) -> Self {
        Self::trusting(guard, None)
    }

    /// The same, which trusts these certificates beside the public authorities.
    ///
    /// # Panics
    /// Never: what it is built from is fixed.
    pub fn trusting(guard: Guard, named: Option<&Certificates>) -> Self {
        let apart = Self::through(guard.of_tenants(), named);
        Self { apart: Some(Arc::new(apart)), ..Self::through(guard, named) }
    }

    fn through(guard: Guard, named: Option<&Certificates>) -> Self {
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(tls(named))
            .dns_resolver(Arc::new(guard.clone()))
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .referer(false)
            .connect_timeout(CONNECT)
            .pool_max_idle_per_host(IDLE_PER_HOST)
            .pool_idle_timeout(IDLE)
            .tcp_nodelay(true)
            .user_agent(concat!("Posthaste/", env!("CARGO_PKG_VERSION")))
            .build()
            .expect("a client of fixed settings can be built");
        Self { client, guard, apart: None }
    }

    /// The client for a task: one with a tenant reaches nothing that only the installation's own tasks may reach.
    pub fn of(&self, tenant: Option<&Tenant>) -> &Self {
        match (&self.apart, tenant) {
            (Some(apart), Some(_)) => apart,
            _ => self,
        }
    }

    /// Its guard.
    pub fn guard(&self) -> &Guard {
        &self.guard
    }

    /// One exchange. Dropping the future closes the connection.
    ///
    /// # Errors
    /// [`NoAnswer`].
    pub async fn ask(&self, ask: Ask) -> Result<Answer, NoAnswer> {
        let deadline = Instant::now() + ask.within;
        let request = self.client.request(ask.method, ask.url.0).headers(ask.headers).body(ask.body);
        match timeout_at(deadline, request.send()).await {
            Ok(Ok(response)) => read(response, ask.read, deadline).await,
            Ok(Err(e)) => Err(no_answer(&e)),
            Err(_) => Err(NoAnswer::Lost(format!("No answer within {} s.", ask.within.as_secs_f32()))),
        }
    }
}

async fn read(mut response: Response, read: Read, deadline: Instant) -> Result<Answer, NoAnswer> {
    let mut answer = Answer {
        status: response.status().as_u16(),
        retry_after: response.headers().get(RETRY_AFTER).map(asked),
        content_type: response
            .headers()
            .get(header::CONTENT_TYPE)
            .and_then(|v| v.to_str().ok())
            .map(str::to_owned),
        body: Vec::new(),
    };
    // Only what succeeds has a body that matters whole: a page of an error may be cut, and a 202 says that nothing
    // more is to be read here.
    let read = match read {
        Read::Whole(most) if !answer.is_success() || answer.status == 202 => {
            Read::Beginning(most.min(KEPT_ANSWER))
        }
        other => other,
    };
    let (most, deadline) = match read {
        Read::Glance => (KEPT_ANSWER, deadline.min(Instant::now() + REST)),
        Read::Beginning(most) => (most, deadline.min(Instant::now() + REST)),
        Read::Whole(most) => (most, deadline),
    };
    let all = matches!(read, Read::Whole(_));
    loop {
        match timeout_at(deadline, response.chunk()).await {
            Ok(Ok(Some(chunk))) => {
                let room = most - answer.body.len();
                if chunk.len() > room {
                    if all {
                        return Err(NoAnswer::TooLarge(most));
                    }
                    answer.body.extend_from_slice(&chunk[..room]);
                    return Ok(answer);
                }
                answer.body.extend_from_slice(&chunk);
            }
            Ok(Ok(None)) => return Ok(answer),
            _ if !all => return Ok(answer),
            Ok(Err(e)) => return Err(no_answer(&e)),
            Err(_) => return Err(NoAnswer::Lost("The answer did not end in time.".into())),
        }
    }
}

fn no_answer(error: &reqwest::Error) -> NoAnswer {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        if let Some(blocked) = source.downcast_ref::<Blocked>() {
            return NoAnswer::Blocked(blocked.clone());
        }
        cause = source;
    }
    // Not the error itself: it names the URL, and a URL may be a secret.
    let why = if error.source().is_some() { cause.to_string() } else { "no answer".to_owned() };
    if error.is_connect() {
        NoAnswer::Unreachable(format!("It cannot be reached: {why}."))
    } else {
        NoAnswer::Lost(format!("The connection was lost: {why}."))
    }
}

/// What a `Retry-After` asks for. One that cannot be read, or that names now or a time that has passed, asks all the same: to
/// come back at once would be to ask again and again.
fn asked(value: &header::HeaderValue) -> Duration {
    let read = value.to_str().ok().and_then(|text| retry_after(text, SystemTime::now()));
    read.filter(|asked| !asked.is_zero()).unwrap_or(DEFAULT_THROTTLE)
}

/// Seconds, also with a fraction, which is rounded up, or a date of HTTP (RFC 9110 §10.2.3); a date that has passed is
/// now. At most a day.
pub fn retry_after(value: &str, now: SystemTime) -> Option<Duration> {
    let value = value.trim();
    let number = !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    if let Some(seconds) = value.parse::<f64>().ok().filter(|_| number) {
        return Some(Duration::from_secs_f64(seconds.ceil().clamp(0.0, MAX_THROTTLE.as_secs_f64())));
    }
    let at = httpdate::parse_http_date(value).ok()?;
    Some(at.duration_since(now).unwrap_or_default().min(MAX_THROTTLE))
}

/// TLS with the certificate authorities that browsers trust, and what an operator names beside them.
pub fn tls(named: Option<&Certificates>) -> rustls::ClientConfig {
    let whom = named.map_or(Whom::Public, Whom::PublicAnd);
    posthaste_tls::config(whom, Servers::Any, "POSTHASTE_CA_FILE")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_names_no_time_to_come_asks_for_a_minute() {
        for (value, seconds) in [
            ("0", 60),
            ("0.0", 60),
            ("-1", 60),
            ("", 60),
            ("soon", 60),
            ("Wed, 21 Oct 2015 07:28:00 GMT", 60),
            ("\u{e9}", 60),
            ("1", 1),
            ("90", 90),
            ("99999999999", 24 * 3600),
        ] {
            let value = header::HeaderValue::from_bytes(value.as_bytes()).unwrap();
            assert_eq!(asked(&value), Duration::from_secs(seconds), "{value:?}");
        }
    }

    #[test]
    fn both_forms_of_retry_after_are_read() {
        let now = httpdate::parse_http_date("Sat, 28 Nov 2026 10:00:00 GMT").unwrap();
        assert_eq!(retry_after("120", now), Some(Duration::from_secs(120)));
        assert_eq!(retry_after(" 0 ", now), Some(Duration::ZERO));
        assert_eq!(retry_after("Sat, 28 Nov 2026 10:01:30 GMT", now), Some(Duration::from_secs(90)));
        assert_eq!(retry_after("Sat, 28 Nov 2026 09:00:00 GMT", now), Some(Duration::ZERO));
        assert_eq!(retry_after("soon", now), None);
        assert_eq!(retry_after("0.3", now), Some(Duration::from_secs(1)));
        assert_eq!(retry_after("99999999999999999999", now), Some(MAX_THROTTLE));
        assert_eq!(retry_after("Thu, 28 Nov 2126 10:00:00 GMT", now), Some(MAX_THROTTLE));
        for bad in ["-5", "", ".", "inf", "NaN", "1e9", "1.2.3"] {
            assert_eq!(retry_after(bad, now), None, "{bad:?}");
        }
    }
}
