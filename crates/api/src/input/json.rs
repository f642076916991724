//! JSON bodies of `/v1`.

use axum::body::Body;
use axum::http::HeaderMap;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::body::{self, ContentType};
use super::fields::Errors;
use crate::{ApiError, FieldError};

/// A body that was read but not understood yet.
pub(crate) struct JsonBody(axum::body::Bytes);

impl JsonBody {
    /// Reads the body of a request that must say that it is JSON, or nothing.
    pub(crate) async fn read(headers: &HeaderMap, body: Body) -> Result<Self, ApiError> {
        Self::read_up_to(headers, body, body::MAX_BODY_BYTES).await
    }

    /// As [`JsonBody::read`], with a limit of its own.
    pub(crate) async fn read_up_to(headers: &HeaderMap, body: Body, most: usize) -> Result<Self, ApiError> {
        let bytes = body::read_up_to(body, most).await?;
        match ContentType::of(headers) {
            ContentType::Json => Ok(Self(bytes)),
            _ if bytes.is_empty() => Ok(Self(bytes)),
            ContentType::Form | ContentType::Multipart | ContentType::Absent | ContentType::Other => {
                Err(ApiError::UnsupportedMediaType)
            }
        }
    }

    /// The body as an object; an empty one as an object without fields where that is allowed.
    pub(crate) fn optional_object(&self, errors: &mut Errors) -> Result<Value, ApiError> {
        self.optional_object_noting(errors, "").map(|o| o.0)
    }

    /// As [`JsonBody::optional_object`], and the text of the field `noted`, which stays in it.
    pub(crate) fn optional_object_noting(
        &self,
        errors: &mut Errors,
        noted: &str,
    ) -> Result<(Value, Option<&RawValue>), ApiError> {
        // White space alone is neither nothing nor JSON.
        if self.0.is_empty() || self.0.trim_ascii() == b"null" {
            Ok((Value::Object(Map::new()), None))
        } else {
            self.object_noting(errors, noted)
        }
    }

    /// The body as an object. The field `verbatim` is left out and returned as text: its numbers
    /// and the order of its fields are the caller's own.
    pub(crate) fn object(
        &self,
        errors: &mut Errors,
        verbatim: Option<&str>,
    ) -> Result<(Value, Option<&RawValue>), ApiError> {
        let mut fields = self.fields()?;
        let at = verbatim.and_then(|v| fields.iter().position(|(name, _)| name == v));
        let kept = at.map(|at| fields.remove(at).1);
        Ok((values(fields, errors), kept))
    }

    /// The body as an object, and the text of the field `noted`, which stays in it.
    pub(crate) fn object_noting(
        &self,
        errors: &mut Errors,
        noted: &str,
    ) -> Result<(Value, Option<&RawValue>), ApiError> {
        let fields = self.fields()?;
        let text = fields.iter().find(|(name, _)| name == noted).map(|f| f.1);
        Ok((values(fields, errors), text))
    }

    fn fields(&self) -> Result<Vec<(String, &RawValue)>, ApiError> {
        let raw = body::object(&self.0).map_err(|e| match e.kind {
            "json_invalid" => ApiError::MalformedBody(e),
            _ => ApiError::Invalid(vec![e]),
        })?;
        Ok(raw.0)
    }
}

/// The values of fields, each of them once.
fn values(fields: Vec<(String, &RawValue)>, errors: &mut Errors) -> Value {
    let mut map = Map::new();
    for (name, text) in fields {
        match serde_json::from_str(text.get()) {
            Ok(value) => {
                map.insert(name, value);
            }
            Err(_) => errors.push_with(|| unreadable(["body", &name])),
        }
    }
    Value::Object(map)
}

/// A field of an object as it was written; the last one where there are several.
pub(crate) fn written<'a>(object: &'a [u8], field: &str) -> Option<&'a RawValue> {
    let fields = body::object(object).ok()?.0;
    fields.into_iter().rev().find(|(name, _)| name.as_str() == field).map(|(_, text)| text)
}

/// The texts of a list, if it is one.
pub(crate) fn written_items(list: Option<&RawValue>) -> Vec<&RawValue> {
    list.and_then(|l| serde_json::from_str(l.get()).ok()).unwrap_or_default()
}

/// JSON by its grammar that still means nothing: a lone surrogate, a number beyond all bounds.
pub(crate) fn unreadable<const N: usize>(loc: [&str; N]) -> FieldError {
    FieldError::new(loc, "json_invalid", "Input holds a number out of range or text that is not Unicode")
}
