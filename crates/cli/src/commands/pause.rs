//! What pausing and limiting take, of a queue, a lane or a provider.

use std::time::Duration;

use serde_json::{Map, Value};

use crate::args::{duration, ms};
use crate::exit::Stop;

/// How long and why.
#[derive(Debug, clap::Args)]
pub(crate) struct PauseArgs {
    /// How long; until it is resumed unless said
    #[arg(long = "for", value_name = "DURATION", value_parser = duration)]
    for_: Option<Duration>,
    /// Why, for people
    #[arg(long, short)]
    message: Option<String>,
}

impl PauseArgs {
    /// The body of the request.
    pub(crate) fn body(&self) -> Value {
        let mut body = Map::new();
        body.extend(self.for_.map(|d| ("for_ms".to_owned(), ms(d).into())));
        body.extend(self.message.clone().map(|m| ("message".to_owned(), m.into())));
        Value::Object(body)
    }
}

/// How fast and how many at once.
#[derive(Debug, clap::Args)]
pub(crate) struct LimitsArgs {
    /// Starts at most so many in a period, for example 10/s, 100/m, 5000/h or 20/500ms; none takes the limit away
    #[arg(long, value_name = "N/PERIOD")]
    rate: Option<String>,
    /// Runs at most so many at once, over all workers; none takes the limit away
    #[arg(long, value_name = "N")]
    concurrency: Option<String>,
}

impl LimitsArgs {
    /// Whether nothing was said: the limits in force are wanted.
    pub(crate) fn is_empty(&self) -> bool {
        self.rate.is_none() && self.concurrency.is_none()
    }

    /// The body of the request: what was said over what holds, since the API takes them whole.
    ///
    /// # Errors
    /// A rate or a number that is none (2).
    pub(crate) fn body(&self, now: &Value) -> anyhow::Result<Value> {
        let mut body = Map::new();
        let kept = |body: &mut Map<String, Value>, names: &[&str]| {
            for name in names {
                if let Some(value) = now.get(*name).filter(|v| !v.is_null()) {
                    body.insert((*name).to_owned(), value.clone());
                }
            }
        };
        match self.rate.as_deref() {
            None if now.get("rate").is_some() => kept(&mut body, &["rate", "per_ms"]),
            None | Some("none") => {}
            Some(text) => {
                let (rate, per_ms) = rate(text).ok_or_else(|| {
                    Stop::Usage(format!(
                        "--rate {text}: give a number and a period, for example 10/s or 100/m"
                    ))
                })?;
                body.insert("rate".into(), rate.into());
                body.insert("per_ms".into(), per_ms.into());
            }
        }
        match self.concurrency.as_deref() {
            None => kept(&mut body, &["concurrency"]),
            Some("none") => {}
            Some(text) => {
                let n: u32 = text.parse().map_err(|_| {
                    Stop::Usage(format!("--concurrency {text}: give a whole number, or none"))
                })?;
                body.insert("concurrency".into(), n.into());
            }
        }
        Ok(Value::Object(body))
    }
}

/// `10/s`, `20/500ms`: how many, and in how many milliseconds.
fn rate(text: &str) -> Option<(u32, u64)> {
    let (n, period) = text.split_once('/').filter(|(_, period)| !period.is_empty())?;
    let period = if period.starts_with(|c: char| c.is_ascii_digit()) {
        duration(period).ok()?
    } else {
        duration(&format!("1{period}")).ok()?
    };
    Some((n.parse().ok().filter(|n| *n > 0)?, ms(period)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn rates_are_read() {
        assert_eq!(rate("10/s"), Some((10, 1_000)));
        assert_eq!(rate("20/500ms"), Some((20, 500)));
        assert_eq!(rate("5000/h"), Some((5_000, 3_600_000)));
        for bad in ["10", "0/s", "x/s", "10/week", "10/"] {
            assert_eq!(rate(bad), None, "{bad}");
        }
    }

    #[test]
    fn what_was_not_said_stays() {
        let now = json!({"rate": 5, "per_ms": 1000, "concurrency": 2});
        let of = |rate: Option<&str>, concurrency: Option<&str>| {
            let args = LimitsArgs { rate: rate.map(Into::into), concurrency: concurrency.map(Into::into) };
            args.body(&now).expect("valid")
        };
        assert_eq!(of(Some("1/m"), None), json!({"rate": 1, "per_ms": 60_000, "concurrency": 2}));
        assert_eq!(of(None, Some("none")), json!({"rate": 5, "per_ms": 1000}));
        assert_eq!(of(Some("none"), Some("7")), json!({"concurrency": 7}));
    }
}
