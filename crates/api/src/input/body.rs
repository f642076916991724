//! Bodies: bounded in size, in depth and in time.

use std::collections::HashMap;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::http::{HeaderMap, header};
use http_body::{Frame, SizeHint};
use http_body_util::BodyExt;
use posthaste_core::json::deeper_than;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use tokio::time::Sleep;

use crate::{ApiError, FieldError, Loc};

/// Largest body of a request, in bytes, unless its route says otherwise.
pub(crate) const MAX_BODY_BYTES: usize = 1024 * 1024;
/// What is read and thrown away of a body that is too large, so that its sender reads the answer
/// instead of a closed connection.
const MAX_DISCARDED_BYTES: usize = 16 * 1024 * 1024;
/// Longest time that a body may take to arrive.
const BODY_TIME: Duration = Duration::from_secs(30);
/// Deepest nesting of a JSON body.
pub(crate) const MAX_DEPTH: usize = 100;

/// Why a body was cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cut {
    /// More than so many bytes.
    TooLarge(usize),
    TooSlow,
}

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooLarge(_) => "the body is too large",
            Self::TooSlow => "the body took too long to arrive",
        })
    }
}

impl std::error::Error for Cut {}

/// A body that ends with [`Cut`] when it is too large or too slow.
pub(crate) struct Bounded {
    inner: Body,
    seen: usize,
    most: usize,
    /// Made when the body first keeps us waiting: most arrive with their headers.
    deadline: Option<Pin<Box<Sleep>>>,
}

impl Bounded {
    /// Bounded to `most` bytes.
    pub(crate) fn up_to(inner: Body, most: usize) -> Self {
        Self { inner, seen: 0, most, deadline: None }
    }
}

impl HttpBody for Bounded {
    type Data = Bytes;
    type Error = axum::BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        loop {
            match Pin::new(&mut self.inner).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => {
                    self.seen += frame.data_ref().map_or(0, Bytes::len);
                    if self.seen > MAX_DISCARDED_BYTES {
                        return Poll::Ready(Some(Err(Cut::TooLarge(self.most).into())));
                    }
                    if self.seen <= self.most {
                        return Poll::Ready(Some(Ok(frame)));
                    }
                }
                Poll::Ready(None) if self.seen > self.most => {
                    return Poll::Ready(Some(Err(Cut::TooLarge(self.most).into())));
                }
                Poll::Ready(other) => return Poll::Ready(other.map(|r| r.map_err(Into::into))),
                Poll::Pending => {
                    let deadline =
                        self.deadline.get_or_insert_with(|| Box::pin(tokio::time::sleep(BODY_TIME)));
                    ready!(deadline.as_mut().poll(cx));
                    return Poll::Ready(Some(Err(Cut::TooSlow.into())));
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// Reads a whole body; one that no guard bounds is bounded here.
///
/// # Errors
/// [`ApiError::TooLarge`], [`ApiError::RequestTimeout`], [`ApiError::MalformedBody`].
pub(crate) async fn read(body: Body) -> Result<Bytes, ApiError> {
    read_up_to(body, MAX_BODY_BYTES).await
}

/// As [`read`], with a limit of its own.
///
/// # Errors
/// As [`read`].
pub(crate) async fn read_up_to(body: Body, most: usize) -> Result<Bytes, ApiError> {
    if body.is_end_stream() {
        return Ok(Bytes::new());
    }
    // A bounded body inside another costs nothing: the outer one never sees more than the inner.
    match Bounded::up_to(body, most).collect().await {
        Ok(all) => Ok(all.to_bytes()),
        Err(e) => Err(match cut(&*e) {
            Some(Cut::TooLarge(limit)) => ApiError::TooLarge { limit },
            Some(Cut::TooSlow) => ApiError::RequestTimeout,
            None => ApiError::MalformedBody(FieldError::new(
                ["body"],
                "body_incomplete",
                "The body ended before it was complete",
            )),
        }),
    }
}

fn cut(e: &(dyn std::error::Error + 'static)) -> Option<Cut> {
    let mut at = Some(e);
    while let Some(e) = at {
        if let Some(cut) = e.downcast_ref::<Cut>() {
            return Some(*cut);
        }
        at = e.source();
    }
    None
}

/// What a content type says about a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ContentType {
    Json,
    Form,
    Multipart,
    /// None was given.
    Absent,
    Other,
}

impl ContentType {
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let Some(value) = headers.get(header::CONTENT_TYPE) else { return Self::Absent };
        let Ok(text) = value.to_str() else { return Self::Other };
        let essence = text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        match essence.as_str() {
            "" => Self::Absent,
            "application/x-www-form-urlencoded" => Self::Form,
            "multipart/form-data" => Self::Multipart,
            "application/json" => Self::Json,
            e if e.starts_with("application/") && e.ends_with("+json") => Self::Json,
            _ => Self::Other,
        }
    }
}

/// A JSON object whose values are still text.
pub(crate) struct RawObject<'a>(pub(crate) Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for RawObject<'a> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct V;
        impl<'de> Visitor<'de> for V {
            type Value = RawObject<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut places = Places::default();
                let mut out: Vec<(String, &'de RawValue)> = Vec::new();
                while let Some((k, v)) = map.next_entry::<String, &'de RawValue>()? {
                    // The last of two equal names wins, as in most readers of JSON.
                    match places.of(&k, &out) {
                        Some(place) => out[place].1 = v,
                        None => out.push((k, v)),
                    }
                }
                Ok(RawObject(out))
            }
        }
        d.deserialize_map(V)
    }
}

/// Names that are compared one by one; more are looked up. Honest requests have fewer.
const FEW_NAMES: usize = 16;

/// Where each name of an object is, found in a time that does not grow with the number of names.
#[derive(Default)]
struct Places {
    many: HashMap<String, usize>,
    /// How many names were compared, for a test.
    #[cfg(test)]
    compared: usize,
}

impl Places {
    /// The place of `name` among `out`; a name that is not there yet is taken to be put behind them.
    fn of<V>(&mut self, name: &str, out: &[(String, V)]) -> Option<usize> {
        if out.len() < FEW_NAMES {
            self.count(out.len());
            return out.iter().position(|(n, _)| n == name);
        }
        if self.many.is_empty() {
            self.many = out.iter().enumerate().map(|(i, (n, _))| (n.clone(), i)).collect();
            self.count(out.len());
        }
        self.count(1);
        if let Some(place) = self.many.get(name) {
            return Some(*place);
        }
        self.many.insert(name.to_owned(), out.len());
        None
    }

    #[cfg(test)]
    fn count(&mut self, n: usize) {
        self.compared += n;
    }

    #[cfg(not(test))]
    #[expect(clippy::unused_self, reason = "counted in tests alone")]
    const fn count(&self, _: usize) {}
}

/// Takes a body apart into named values.
///
/// # Errors
/// [`FieldError`] of type `json_invalid` with the byte at which the text stops being JSON, or of
/// type `dict_type` when it is JSON but no object.
pub(crate) fn object(bytes: &[u8]) -> Result<RawObject<'_>, FieldError> {
    let rest = without_mark(bytes);
    let skipped = bytes.len() - rest.len();
    let invalid = |at: usize, why: &str| json_invalid(skipped + at, why);
    let text =
        std::str::from_utf8(rest).map_err(|e| invalid(e.valid_up_to(), "it is not UTF-8 from here on"))?;
    if let Some(at) = deeper_than(text, MAX_DEPTH) {
        return Err(invalid(at, &format!("it is nested more than {MAX_DEPTH} levels deep")));
    }
    match serde_json::from_str(text) {
        Ok(object) => Ok(object),
        // The reader stops at a value of another type before it has checked the rest.
        Err(e) if e.is_data() => match serde_json::from_str::<serde::de::IgnoredAny>(text) {
            Ok(_) => Err(FieldError::new(["body"], "dict_type", "Input should be a valid object")),
            Err(e) => Err(invalid(offset(text, &e), "it is not JSON from here on")),
        },
        Err(e) => Err(invalid(offset(text, &e), "it is not JSON from here on")),
    }
}

/// Without a byte order mark, which some programs put in front and readers may skip (RFC 8259 §8.1).
pub(crate) fn without_mark(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes)
}

fn json_invalid(at: usize, why: &str) -> FieldError {
    FieldError::new(
        [Loc::from("body"), Loc::from(at)],
        "json_invalid",
        format!("JSON decode error at byte {at}: {why}"),
    )
}

/// The byte that a parse error points at.
fn offset(text: &str, e: &serde_json::Error) -> usize {
    if e.is_eof() {
        return text.len();
    }
    let before: usize = text.split_inclusive('\n').take(e.line().saturating_sub(1)).map(str::len).sum();
    (before + e.column().saturating_sub(1)).min(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_come_apart_and_the_last_name_wins() {
        let o = object(br#"{"a":1,"b":{"c":[2]},"a":3}"#).map(|o| o.0).expect("an object");
        let got: Vec<_> = o.iter().map(|(k, v)| (k.as_str(), v.get())).collect();
        assert_eq!(got, [("a", "3"), ("b", r#"{"c":[2]}"#)]);
    }

    #[test]
    fn among_many_names_the_last_wins_too_and_each_is_found_in_the_same_time() {
        let compared = |names: usize| {
            let (mut places, mut out) = (Places::default(), Vec::new());
            for i in 0..names {
                assert_eq!(places.of(&format!("n{i}"), &out), None);
                out.push((format!("n{i}"), ()));
            }
            for i in [0, names / 2, names - 1] {
                assert_eq!(places.of(&format!("n{i}"), &out), Some(i));
            }
            places.compared
        };
        for names in [1_000, 2_000, 4_000] {
            assert!(compared(2 * names) * 10 <= compared(names) * 22, "{names}");
        }
        let text: String = (0..40).map(|i| format!("\"n{}\":{i},", i % 20)).collect();
        let text = format!("{{{}}}", text.trim_end_matches(','));
        let o = object(text.as_bytes()).map(|o| o.0).expect("an object");
        assert_eq!(o.len(), 20);
        assert!(o.iter().enumerate().all(|(i, (_, v))| v.get() == (i + 20).to_string()));
    }

    #[test]
    fn what_is_no_object_is_named() {
        let kind = |b: &[u8]| object(b).map(|_| ()).expect_err("refused").kind;
        assert_eq!(kind(b"[1]"), "dict_type");
        assert_eq!(kind(b"5"), "dict_type");
        assert_eq!(kind(b"[1"), "json_invalid");
        assert_eq!(kind(b""), "json_invalid");
        assert_eq!(kind(b"{\"a\":1}x"), "json_invalid");
        assert_eq!(kind(b"{\"a\":\"\xff\"}"), "json_invalid");
        assert!(object(b"\xef\xbb\xbf{\"a\":1}").is_ok_and(|o| o.0.len() == 1));
        let marked = object(b"\xef\xbb\xbf{\"a\":").map(|_| ()).expect_err("refused");
        assert_eq!(marked.loc.last(), Some(&Loc::from(8)));
        assert_eq!(kind(b"\xef\xbb\xbf\xef\xbb\xbf{}"), "json_invalid", "one mark, and in front");
        let deep = [b"{\"a\":".as_slice(), &b"[".repeat(200_000)].concat();
        assert_eq!(kind(&deep), "json_invalid");
    }

    #[test]
    fn brackets_in_strings_are_no_nesting() {
        let text = format!(r#"{{"a":"{}\"["}}"#, "[".repeat(500));
        assert!(object(text.as_bytes()).is_ok());
    }
}
