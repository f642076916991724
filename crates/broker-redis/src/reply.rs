//! Taking replies of scripts and commands apart.

use posthaste_core::BrokerError;
use redis::Value;

use crate::record::corrupt;

/// A list.
pub(crate) fn list(value: Value) -> Result<Vec<Value>, BrokerError> {
    match value {
        Value::Array(values) => Ok(values),
        other => Err(unexpected("a list", &other)),
    }
}

/// Bytes.
pub(crate) fn bytes(value: Value) -> Result<Vec<u8>, BrokerError> {
    maybe_bytes(value)?.ok_or_else(|| corrupt("the store answered nothing, bytes were expected"))
}

/// Bytes, or nothing.
pub(crate) fn maybe_bytes(value: Value) -> Result<Option<Vec<u8>>, BrokerError> {
    match value {
        Value::BulkString(bytes) => Ok(Some(bytes)),
        Value::SimpleString(text) => Ok(Some(text.into_bytes())),
        // A script says `false` where a field is missing.
        Value::Nil | Value::Boolean(false) => Ok(None),
        other => Err(unexpected("bytes", &other)),
    }
}

/// A text.
pub(crate) fn text(value: Value) -> Result<String, BrokerError> {
    String::from_utf8(bytes(value)?).map_err(|_| corrupt("the store answered bytes that are no text"))
}

/// A whole number, as a number or in decimal.
pub(crate) fn int(value: Value) -> Result<i64, BrokerError> {
    match value {
        Value::Int(n) => Ok(n),
        Value::Nil => Ok(0),
        other => {
            let text = text(other)?;
            text.parse().map_err(|_| corrupt(format!("the store answered {text:?}, a number was expected")))
        }
    }
}

/// The pairs of a hash, or of anything else that comes as one list.
pub(crate) fn pairs(value: Value) -> Result<Vec<(Value, Value)>, BrokerError> {
    if let Value::Map(pairs) = value {
        return Ok(pairs);
    }
    let mut out = Vec::new();
    let mut values = list(value)?.into_iter();
    while let (Some(a), Some(b)) = (values.next(), values.next()) {
        out.push((a, b));
    }
    Ok(out)
}

fn unexpected(wanted: &str, found: &Value) -> BrokerError {
    // What was found may hold a payload: its type is enough.
    let kind = match found {
        Value::Nil => "nothing",
        Value::Int(_) => "a number",
        Value::BulkString(_) | Value::SimpleString(_) => "bytes",
        Value::Array(_) => "a list",
        _ => "something else",
    };
    corrupt(format!("the store answered {kind}, {wanted} was expected"))
}
