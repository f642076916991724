//! JSON kept as text: payloads and results pass through the queue without being taken apart.

use std::fmt;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

/// A valid JSON document as text.
#[derive(Clone, PartialEq, Eq)]
pub struct Json(Box<str>);

impl Json {
    /// Serializes `value`.
    ///
    /// # Errors
    /// When the value cannot be JSON (a map with non-string keys, a failing `Serialize`).
    pub fn from_value<T: Serialize + ?Sized>(value: &T) -> Result<Self, serde_json::Error> {
        Ok(Self(serde_json::to_string(value)?.into_boxed_str()))
    }

    /// Takes text that is checked to be one JSON document.
    ///
    /// # Errors
    /// When it is not.
    pub fn from_text(text: String) -> Result<Self, serde_json::Error> {
        serde_json::from_str::<&RawValue>(&text)?;
        Ok(Self(text.into_boxed_str()))
    }

    /// Takes text that a `Json` wrote before, without checking it again: for stores reading back.
    pub fn from_trusted(text: String) -> Self {
        Self(text.into_boxed_str())
    }

    /// The JSON text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Length of the text in bytes.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether the text is empty; never true for a checked document.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How deeply lists and objects are nested; 0 for a plain value.
    pub fn depth(&self) -> usize {
        openings(&self.0).map(|(_, depth)| depth).max().unwrap_or(0)
    }

    /// Whether lists and objects are nested deeper than `limit`; that is known faster than how deeply.
    pub fn is_deeper_than(&self, limit: usize) -> bool {
        deeper_than(&self.0, limit).is_some()
    }

    /// Reads it into a type.
    ///
    /// # Errors
    /// When the document has another shape.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_str(&self.0)
    }
}

/// Where a JSON text is first nested more than `limit` lists and objects deep; `None` if it nowhere is.
pub fn deeper_than(text: &str, limit: usize) -> Option<usize> {
    // Hardly a text has so many of them, in strings and out of them, and they are counted sixteen at a time.
    let openings = text.as_bytes().chunks(usize::from(u8::MAX)).map(|part| {
        // `[` and `{` differ in this one bit.
        usize::from(part.iter().map(|b| u8::from(b & !0x20 == b'[')).sum::<u8>())
    });
    if openings.sum::<usize>() <= limit {
        return None;
    }
    self::openings(text).find(|(_, depth)| *depth > limit).map(|(at, _)| at)
}

/// Where lists and objects begin in a JSON text, and how deeply each is nested, itself counted. One pass, and no recursion; of
/// text that is no JSON it says something, and ends.
fn openings(text: &str) -> impl Iterator<Item = (usize, usize)> {
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    text.bytes().enumerate().filter_map(move |(at, b)| {
        match b {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string => {
                depth += 1;
                return Some((at, depth));
            }
            b']' | b'}' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
        None
    })
}

impl fmt::Debug for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Payloads carry addresses: their size is enough for a log.
        write!(f, "Json({} bytes)", self.0.len())
    }
}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let raw: &RawValue = serde_json::from_str(&self.0).map_err(serde::ser::Error::custom)?;
        raw.serialize(s)
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(d)?;
        Ok(Self(String::from(Box::<str>::from(raw)).into_boxed_str()))
    }
}

impl From<serde_json::Value> for Json {
    fn from(v: serde_json::Value) -> Self {
        Self(v.to_string().into_boxed_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brackets_in_texts_are_no_nesting() {
        for (text, depth) in [
            ("1", 0),
            ("\"[[\\\"{\"", 0),
            ("[]", 1),
            ("{\"a\":[1,{\"b\":\"]}\"}],\"c\":[]}", 3),
            ("[[],[[]],\"\\\\\",[[[]]]]", 4),
        ] {
            let json = Json::from_text(text.to_owned()).expect(text);
            assert_eq!(json.depth(), depth, "{text}");
            assert!(!json.is_deeper_than(depth), "{text}");
            assert_eq!(json.is_deeper_than(depth.saturating_sub(1)), depth > 0, "{text}");
        }
    }

    #[test]
    fn the_place_that_is_too_deep_is_told_however_long_the_text() {
        let long = format!("[{},\"{}\"]", vec!["[]"; 400].join(","), "{[".repeat(400));
        assert_eq!(deeper_than(&long, 2), None);
        assert_eq!(deeper_than(&long, 1), Some(1));
        let deep = format!("{}{}", "[".repeat(700), "]".repeat(700));
        assert_eq!((deeper_than(&deep, 699), deeper_than(&deep, 700)), (Some(699), None));
    }
}
