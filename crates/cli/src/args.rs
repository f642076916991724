//! Readers of arguments that several verbs share.

use std::io::Read as _;
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::exit::Stop;
use crate::settings::typed::parse_duration;

/// Largest file that an argument names, in bytes: the largest body of the API.
const MAX_FILE: u64 = 1024 * 1024;

/// `90s`, `10m`.
///
/// # Errors
/// What is wanted instead.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    parse_duration(text).ok_or_else(|| "a whole number with ms, s, m, h or d, for example 90s".to_owned())
}

/// A time in RFC 3339, or a duration from now; the time as text.
///
/// # Errors
/// What is wanted instead.
pub(crate) fn time_arg(text: &str) -> Result<String, String> {
    moment(text, Timestamp::checked_add).ok_or_else(|| wanted("from now"))
}

/// A time in RFC 3339, or how long ago; the time as text.
///
/// # Errors
/// What is wanted instead.
pub(crate) fn past_arg(text: &str) -> Result<String, String> {
    moment(text, Timestamp::checked_sub).ok_or_else(|| wanted("back"))
}

fn moment(
    text: &str,
    shift: fn(Timestamp, SignedDuration) -> Result<Timestamp, jiff::Error>,
) -> Option<String> {
    if let Ok(at) = text.parse::<Timestamp>() {
        return Some(at.to_string());
    }
    let by = SignedDuration::try_from(parse_duration(text)?).ok()?;
    shift(Timestamp::now(), by).ok().map(|at| at.to_string())
}

fn wanted(whither: &str) -> String {
    format!(
        "a time with its zone, for example 2026-01-31T09:30:00Z, or a duration {whither}, for example 10m"
    )
}

/// Milliseconds as the API takes them.
pub(crate) fn ms(d: Duration) -> u64 {
    u64::try_from(d.as_millis()).unwrap_or(u64::MAX)
}

/// JSON, or what `@FILE` or `@-` holds as JSON.
///
/// # Errors
/// A file that cannot be read; text that is no JSON (2).
pub(crate) fn json_arg(name: &str, text: &str) -> anyhow::Result<Value> {
    let read;
    let text = match text.strip_prefix('@') {
        Some(path) => {
            read = text_of(Path::new(path))?;
            &read
        }
        None => text,
    };
    serde_json::from_str(text).map_err(|e| Stop::Usage(format!("{name} is no JSON: {e}")).into())
}

/// The text of a file, or of standard input for `-`; bounded.
///
/// # Errors
/// A file that cannot be read, is too large, or is no UTF-8.
pub(crate) fn text_of(path: &Path) -> anyhow::Result<String> {
    let mut text = String::new();
    let read = if path == Path::new("-") {
        std::io::stdin().lock().take(MAX_FILE + 1).read_to_string(&mut text)
    } else {
        std::fs::File::open(path).and_then(|file| file.take(MAX_FILE + 1).read_to_string(&mut text))
    };
    read.with_context(|| format!("{} cannot be read", path.display()))?;
    if text.len() as u64 > MAX_FILE {
        return Err(Stop::Usage(format!("{} is larger than 1 MiB", path.display())).into());
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_absolute_or_from_now() {
        assert_eq!(time_arg("2026-01-31T10:30:00+01:00").as_deref(), Ok("2026-01-31T09:30:00Z"));
        let soon: Timestamp = time_arg("10m").expect("valid").parse().expect("a time");
        assert!(soon > Timestamp::now());
        let past: Timestamp = past_arg("10m").expect("valid").parse().expect("a time");
        assert!(past < Timestamp::now());
        assert!(time_arg("tomorrow").is_err());
        // Without a zone nobody can say when that is.
        assert!(time_arg("2026-01-31T10:30:00").is_err());
    }

    #[test]
    fn json_comes_from_the_argument_or_a_file() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("x.json");
        std::fs::write(&path, "{\"a\":1}").expect("written");
        let from_file = json_arg("--data", &format!("@{}", path.display())).expect("JSON");
        assert_eq!(from_file, json_arg("--data", "{\"a\": 1}").expect("JSON"));
        let error = json_arg("--data", "{a}").expect_err("no JSON").to_string();
        assert!(error.starts_with("--data is no JSON"), "{error}");
    }
}
