//! Query strings and forms, decoded strictly: bytes that are not UTF-8 are an error of their field.

use std::borrow::Cow;

use axum::http::Uri;
use percent_encoding::percent_decode;

use super::fields::{Errors, Refusal, unknown};
use crate::{ApiError, FieldError};

/// A decoded name or value, or what is wrong with it.
pub(crate) type Decoded<'a> = Result<Cow<'a, str>, NotUtf8>;

/// A percent-encoded text that is not UTF-8.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NotUtf8;

/// Names and values of `application/x-www-form-urlencoded` text, in order.
pub(crate) fn pairs(input: &[u8]) -> impl Iterator<Item = (Decoded<'_>, Decoded<'_>)> {
    input.split(|b| *b == b'&').filter(|p| !p.is_empty()).map(|pair| {
        let (name, value) = match pair.iter().position(|b| *b == b'=') {
            Some(i) => (&pair[..i], &pair[i + 1..]),
            None => (pair, &[][..]),
        };
        (decode(name), decode(value))
    })
}

fn decode(raw: &[u8]) -> Decoded<'_> {
    if !raw.iter().any(|b| matches!(b, b'+' | b'%')) {
        return std::str::from_utf8(raw).map(Cow::Borrowed).map_err(|_| NotUtf8);
    }
    let spaced: Vec<u8> = raw.iter().map(|b| if *b == b'+' { b' ' } else { *b }).collect();
    let decoded: Vec<u8> = percent_decode(&spaced).collect();
    String::from_utf8(decoded).map(Cow::Owned).map_err(|_| NotUtf8)
}

/// A query string being read.
pub(crate) struct Query {
    pairs: Vec<(String, String)>,
    known: Vec<&'static str>,
    errors: Errors,
}

impl Query {
    pub(crate) fn of(uri: &Uri) -> Self {
        let mut errors = Errors::default();
        let mut list = Vec::new();
        for (name, value) in pairs(uri.query().unwrap_or_default().as_bytes()) {
            match (name, value) {
                (Ok(n), Ok(v)) => list.push((n.into_owned(), v.into_owned())),
                (Ok(n), Err(NotUtf8)) => {
                    errors.push_with(|| {
                        FieldError::new(["query", &*n], "string_unicode", "Input should be UTF-8")
                    });
                }
                (Err(NotUtf8), _) => {
                    errors
                        .push_with(|| FieldError::new(["query"], "string_unicode", "Names should be UTF-8"));
                }
            }
        }
        Self { pairs: list, known: Vec::new(), errors }
    }

    /// Every value of `field`.
    pub(crate) fn all(&mut self, field: &'static str) -> Vec<String> {
        self.known.push(field);
        self.pairs.iter().filter(|(n, _)| n == field).map(|(_, v)| v.clone()).collect()
    }

    /// The value of `field` as `read` takes it; giving it twice is an error.
    pub(crate) fn one<T>(
        &mut self,
        field: &'static str,
        read: impl FnOnce(&str) -> Result<T, Refusal>,
    ) -> Option<T> {
        let values = self.all(field);
        let read = match values.as_slice() {
            [] => return None,
            [one] => read(one),
            _ => Err(("multiple_values", "Give it once".into())),
        };
        read.map_err(|(kind, msg)| self.refuse(field, kind, msg)).ok()
    }

    /// As [`Query::one`], wrong when it is not there.
    pub(crate) fn required<T>(
        &mut self,
        field: &'static str,
        read: impl FnOnce(&str) -> Result<T, Refusal>,
    ) -> Option<T> {
        // What cannot be decoded was given all the same.
        let undecodable = self.errors.name(field);
        let read = self.one(field, read);
        if !undecodable && !self.pairs.iter().any(|(n, _)| n == field) {
            self.refuse(field, "missing", "Field required");
        }
        read
    }

    /// Reports `field`.
    pub(crate) fn refuse(&mut self, field: &'static str, kind: &'static str, msg: impl Into<String>) {
        self.errors.push(FieldError::new(["query", field], kind, msg));
    }

    /// `value` if nothing was wrong and every field was read by somebody.
    pub(crate) fn finish<T>(mut self, value: T) -> Result<T, ApiError> {
        for (name, _) in &self.pairs {
            if !self.known.contains(&name.as_str()) {
                self.errors.push_with(|| {
                    FieldError::new(["query", name], "extra_forbidden", unknown(name, &self.known))
                });
            }
        }
        self.errors.into_result(value)
    }
}

/// Refuses any query: for endpoints that take none.
pub(crate) fn none(uri: &Uri) -> Result<(), ApiError> {
    if uri.query().is_none_or(str::is_empty) { Ok(()) } else { Query::of(uri).finish(()) }
}

/// Text that `T` can be read from.
pub(crate) fn parsed<T: std::str::FromStr<Err: std::fmt::Display>>(s: &str) -> Result<T, Refusal> {
    s.parse().map_err(|e: T::Err| ("value_error", e.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_decoded_strictly() {
        let got: Vec<_> = pairs(b"a=1+2&b=%C3%A9&&c&d=%FF&=x").map(|(n, v)| (n.ok(), v.ok())).collect();
        let s = |t: &str| Some(Cow::Owned::<str>(t.to_owned()));
        assert_eq!(
            got,
            [(s("a"), s("1 2")), (s("b"), s("é")), (s("c"), s("")), (s("d"), None), (s(""), s("x"))]
        );
    }
}
