//! Reads the fields of a JSON object or query string one by one and collects everything that is
//! wrong with them.

use posthaste_core::Timestamp;
use serde_json::{Map, Value};

use crate::error::MORE;
use crate::{ApiError, FieldError, Loc};

/// Why a value was refused: type and sentence.
pub(crate) type Refusal = (&'static str, String);

/// Most errors that one answer names; of the others it says how many there are.
pub(crate) const MAX_ERRORS: usize = 20;
/// Longest name that another one is suggested for.
const MAX_GUESSED: usize = 64;

/// What was wrong so far: the first [`MAX_ERRORS`], and how many more.
#[derive(Debug, Clone, Default)]
pub(crate) struct Errors {
    list: Vec<FieldError>,
    more: usize,
}

impl Errors {
    pub(crate) fn push(&mut self, error: FieldError) {
        self.push_with(|| error);
    }

    /// As [`Errors::push`]; what will not be named is not written either.
    pub(crate) fn push_with(&mut self, error: impl FnOnce() -> FieldError) {
        if self.list.len() < MAX_ERRORS {
            self.list.push(error());
        } else {
            self.more += 1;
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// How many there are, named or not.
    pub(crate) fn len(&self) -> usize {
        self.list.len() + self.more
    }

    /// Whether one of them is about the field that `loc` ends in.
    pub(crate) fn name(&self, field: &str) -> bool {
        self.list.iter().any(|e| e.loc.last() == Some(&field.into()))
    }

    /// Adds those of a part.
    pub(crate) fn absorb(&mut self, part: Self) {
        for error in part.list {
            self.push(error);
        }
        self.more += part.more;
    }

    /// With each at another place.
    pub(crate) fn moved(self, place: impl FnMut(FieldError) -> FieldError) -> Self {
        Self { list: self.list.into_iter().map(place).collect(), more: self.more }
    }

    /// At most `most` of them, then how many more there are.
    pub(crate) fn named(mut self, most: usize) -> Vec<FieldError> {
        let all = self.len();
        self.list.truncate(most);
        let more = all - self.list.len();
        if more > 0 {
            let root = self.list.first().and_then(|e| e.loc.first().cloned());
            self.list.push(FieldError::new(root, MORE, format!("and {more} more")));
        }
        self.list
    }

    /// The answer that names them.
    pub(crate) fn into_error(self) -> ApiError {
        ApiError::Invalid(self.named(MAX_ERRORS))
    }

    /// `value` if nothing was wrong.
    pub(crate) fn into_result<T>(self, value: T) -> Result<T, ApiError> {
        if self.is_empty() { Ok(value) } else { Err(self.into_error()) }
    }
}

impl From<Vec<FieldError>> for Errors {
    fn from(all: Vec<FieldError>) -> Self {
        let mut errors = Self::default();
        all.into_iter().for_each(|e| errors.push(e));
        errors
    }
}

/// An object being read.
pub(crate) struct Object<'v> {
    loc: Vec<Loc>,
    map: &'v Map<String, Value>,
    known: Vec<&'static str>,
}

impl<'v> Object<'v> {
    /// `value` as an object at `loc`.
    pub(crate) fn new(value: &'v Value, loc: Vec<Loc>, errors: &mut Errors) -> Option<Self> {
        match value {
            Value::Object(map) => Some(Self { loc, map, known: Vec::new() }),
            _ => {
                errors.push(FieldError::new(loc, "dict_type", "Input should be a valid object"));
                None
            }
        }
    }

    /// Where `field` is.
    pub(crate) fn loc(&self, field: &str) -> Vec<Loc> {
        let mut loc = self.loc.clone();
        loc.push(field.into());
        loc
    }

    /// The field's value, unread; `null` counts as left out.
    pub(crate) fn value(&mut self, field: &'static str) -> Option<&'v Value> {
        self.known.push(field);
        self.map.get(field).filter(|v| !v.is_null())
    }

    /// The field as `read` takes it, if it is there.
    pub(crate) fn optional<T>(
        &mut self,
        errors: &mut Errors,
        field: &'static str,
        read: impl FnOnce(&'v Value) -> Result<T, Refusal>,
    ) -> Option<T> {
        match read(self.value(field)?) {
            Ok(v) => Some(v),
            Err((kind, msg)) => {
                errors.push(FieldError::new(self.loc(field), kind, msg));
                None
            }
        }
    }

    /// As [`Object::optional`], wrong when it is not there.
    pub(crate) fn required<T>(
        &mut self,
        errors: &mut Errors,
        field: &'static str,
        read: impl FnOnce(&'v Value) -> Result<T, Refusal>,
    ) -> Option<T> {
        if self.value(field).is_none() {
            errors.push(FieldError::missing(self.loc(field)));
            return None;
        }
        self.optional(errors, field, read)
    }

    /// The field as an object of its own.
    pub(crate) fn object(&mut self, errors: &mut Errors, field: &'static str) -> Option<Object<'v>> {
        let value = self.value(field)?;
        Object::new(value, self.loc(field), errors)
    }

    /// Refuses every field that nobody read.
    pub(crate) fn finish(self, errors: &mut Errors) {
        for name in self.map.keys() {
            if !self.known.contains(&name.as_str()) {
                errors.push_with(|| {
                    FieldError::new(self.loc(name), "extra_forbidden", unknown(name, &self.known))
                });
            }
        }
    }
}

/// The sentence about a field that does not exist.
pub(crate) fn unknown(name: &str, known: &[&'static str]) -> String {
    // The comparison takes as long as both names together are long, squared.
    let guessed = if name.len() <= MAX_GUESSED { known } else { &[] };
    let nearest = guessed
        .iter()
        .map(|k| (strsim::normalized_damerau_levenshtein(name, k), k))
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .filter(|(score, _)| *score >= 0.5);
    match nearest {
        Some((_, k)) => format!("There is no such field; did you mean `{k}`?"),
        None if known.is_empty() => "There is no such field".into(),
        None => {
            // A field may have been read twice, and not in a row.
            let mut list: Vec<&str> = Vec::with_capacity(known.len());
            for name in known {
                if !list.contains(name) {
                    list.push(name);
                }
            }
            format!("There is no such field; there are {}", list.join(", "))
        }
    }
}

/// Text.
pub(crate) fn text(v: &Value) -> Result<&str, Refusal> {
    v.as_str().ok_or_else(|| ("string_type", "Input should be a valid string".into()))
}

/// Text of at most so many characters.
pub(crate) fn text_up_to(most: usize) -> impl Fn(&Value) -> Result<String, Refusal> {
    move |v| match text(v)? {
        t if t.chars().count() > most => {
            Err(("string_length", format!("String should have at most {most} characters")))
        }
        t => Ok(t.to_owned()),
    }
}

/// Text of 1 to 255 printable ASCII characters.
pub(crate) fn key(v: &Value) -> Result<String, Refusal> {
    let s = text(v)?;
    if s.is_empty() || s.len() > posthaste_core::limits::MAX_KEY_BYTES {
        let max = posthaste_core::limits::MAX_KEY_BYTES;
        return Err(("string_length", format!("String should have 1 to {max} bytes")));
    }
    if !s.bytes().all(|b| b.is_ascii_graphic() || b == b' ') {
        return Err(("value_error", "String should hold printable ASCII characters only".into()));
    }
    Ok(s.to_owned())
}

/// Text that `T` can be read from.
pub(crate) fn parsed<T: std::str::FromStr<Err: std::fmt::Display>>(v: &Value) -> Result<T, Refusal> {
    text(v)?.parse().map_err(|e: T::Err| ("value_error", e.to_string()))
}

/// A whole number within bounds.
pub(crate) fn integer(min: u64, max: u64) -> impl Fn(&Value) -> Result<u64, Refusal> {
    move |v| {
        let bad_range = || ("range_error", format!("Input should be {min} to {max}"));
        match v {
            Value::Number(n) => match n.as_u64() {
                Some(n) if (min..=max).contains(&n) => Ok(n),
                Some(_) => Err(bad_range()),
                None if n.as_i64().is_some() => Err(bad_range()),
                // 5.0 is a whole number, whatever wrote it.
                None => match n.as_f64() {
                    Some(f) if f.fract() == 0.0 && f >= min as f64 && f <= max as f64 => Ok(f as u64),
                    Some(f) if f.fract() == 0.0 => Err(bad_range()),
                    _ => Err(("int_type", "Input should be a valid integer".into())),
                },
            },
            _ => Err(("int_type", "Input should be a valid integer".into())),
        }
    }
}

/// One of a list of words.
pub(crate) fn word<T: Copy>(
    all: &'static [T],
    name: impl Fn(T) -> &'static str,
) -> impl Fn(&Value) -> Result<T, Refusal> {
    move |v| {
        let s = text(v)?;
        all.iter()
            .copied()
            .find(|t| name(*t) == s)
            .ok_or_else(|| ("enum", one_of(all.iter().map(|t| name(*t)))))
    }
}

/// "Input should be 'a', 'b' or 'c'".
pub(crate) fn one_of(words: impl ExactSizeIterator<Item = &'static str>) -> String {
    let last = words.len().saturating_sub(1);
    let mut out = String::from("Input should be ");
    for (i, w) in words.enumerate() {
        match i {
            0 => {}
            i if i == last => out.push_str(" or "),
            _ => out.push_str(", "),
        }
        out.push_str(&format!("'{w}'"));
    }
    out
}

/// True or false.
pub(crate) fn boolean(v: &Value) -> Result<bool, Refusal> {
    v.as_bool().ok_or_else(|| ("bool_type", "Input should be true or false".into()))
}

/// An RFC 3339 time.
pub(crate) fn time(v: &Value) -> Result<Timestamp, Refusal> {
    text(v)?.parse().map_err(|_| {
        ("datetime_parsing", "Input should be a time in RFC 3339, for example 2026-01-31T09:30:00Z".into())
    })
}

/// A UUID with hyphens, as the API writes it.
pub(crate) fn id<T: std::str::FromStr>(v: &Value) -> Result<T, Refusal> {
    text(v)?.parse().map_err(|_| ("uuid_parsing", "Input should be a valid UUID".into()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn all_errors_come_at_once_and_name_the_nearest_field() {
        let v = json!({ "max_failure": 3, "b": "x", "c": -1, "nothing": null });
        let mut errors = Errors::default();
        let mut o = Object::new(&v, vec!["body".into()], &mut errors).expect("an object");
        assert_eq!(o.required(&mut errors, "a", integer(1, 9)), None);
        assert_eq!(o.optional(&mut errors, "b", integer(1, 9)), None);
        assert_eq!(o.optional(&mut errors, "c", integer(1, 9)), None);
        assert_eq!(o.optional(&mut errors, "nothing", integer(1, 9)), None);
        assert_eq!(o.optional(&mut errors, "max_failures", integer(1, 9)), None);
        o.finish(&mut errors);
        let got: Vec<_> = errors.list.iter().map(|e| (e.kind, e.loc.last().cloned())).collect();
        assert_eq!(
            got,
            [
                ("missing", Some("a".into())),
                ("int_type", Some("b".into())),
                ("range_error", Some("c".into())),
                ("extra_forbidden", Some("max_failure".into()))
            ]
        );
        assert!(errors.list[3].msg.contains("did you mean `max_failures`?"));
    }

    #[test]
    fn twenty_errors_are_named_and_the_others_counted() {
        let fields: Map<String, Value> = (0..50).map(|i| (format!("x{i:02}"), json!(i))).collect();
        let v = Value::Object(fields);
        let mut errors = Errors::default();
        let mut o = Object::new(&v, vec!["body".into()], &mut errors).expect("an object");
        o.value("a");
        o.finish(&mut errors);
        assert_eq!(errors.len(), 50);
        let mut all = Errors::default();
        all.push(FieldError::missing(["body", "b"]));
        all.absorb(errors.clone());
        let error = all.into_error();
        assert_eq!(error.errors().len(), MAX_ERRORS + 1);
        assert_eq!(error.errors()[MAX_ERRORS].msg, "and 31 more");
        assert!(error.detail().ends_with("; and 31 more"), "{}", error.detail());
        let few = errors.named(1);
        assert_eq!(few.iter().map(|e| e.msg.as_str()).collect::<Vec<_>>()[1..], ["and 49 more"]);
    }

    #[test]
    fn words_are_listed() {
        let read = word(&["a", "b", "c"], |w| w);
        assert_eq!(read(&json!("b")), Ok("b"));
        assert_eq!(read(&json!("x")), Err(("enum", "Input should be 'a', 'b' or 'c'".into())));
        assert_eq!(read(&json!(1)).expect_err("refused").0, "string_type");
    }

    #[test]
    fn whole_numbers_may_be_written_as_floats() {
        assert_eq!(integer(0, 10)(&json!(5.0)), Ok(5));
        assert!(integer(0, 10)(&json!(5.5)).is_err());
        assert!(integer(0, 10)(&json!(1e300)).is_err());
    }
}
