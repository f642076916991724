//! Wall-clock time as the store sees it: milliseconds since the Unix epoch, UTC.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A point in time in milliseconds since 1970-01-01T00:00:00Z. Its text form is RFC 3339 in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(i64);

impl Timestamp {
    /// From milliseconds since the Unix epoch.
    pub const fn from_millis(ms: i64) -> Self {
        Self(ms)
    }

    /// Milliseconds since the Unix epoch.
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// This time plus `d`, saturating.
    #[must_use]
    pub fn plus(self, d: Duration) -> Self {
        Self(self.0.saturating_add(millis(d)))
    }

    /// This time minus `d`, saturating.
    #[must_use]
    pub fn minus(self, d: Duration) -> Self {
        Self(self.0.saturating_sub(millis(d)))
    }

    /// How long after `earlier` this is; zero if it is not after it.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

fn millis(d: Duration) -> i64 {
    i64::try_from(d.as_millis()).unwrap_or(i64::MAX)
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(t) => write!(f, "{t:.3}"),
            // Out of jiff's range (years beyond 9999): shown as a number rather than not at all.
            Err(_) => write!(f, "{}ms", self.0),
        }
    }
}

/// The text is not an RFC 3339 time.
#[derive(Debug, Clone, thiserror::Error, PartialEq, Eq)]
#[error("not a time: use RFC 3339, for example 2026-01-31T12:00:00Z")]
pub struct TimestampError;

impl FromStr for Timestamp {
    type Err = TimestampError;
    fn from_str(s: &str) -> Result<Self, Self::Err> {
        match s.parse::<jiff::Timestamp>() {
            Ok(t) => Ok(Self(t.as_millisecond().min(LAST_MS))),
            Err(_) if is_last_day(s) => Ok(Self(LAST_MS)),
            Err(_) => Err(TimestampError),
        }
    }
}

/// The last time that has a text form, 9999-12-30T22:00:00Z: a day before the end of the year 9999 wherever one is.
const LAST_MS: i64 = 253_402_207_200_000;

/// Whether the text is a time of the last days of the year 9999, which lie beyond the last time that has a text form here:
/// programs write 9999-12-31T23:59:59Z for "never".
fn is_last_day(s: &str) -> bool {
    let Ok(pieces) = jiff::fmt::temporal::Pieces::parse(s) else { return false };
    let date = pieces.date();
    let whole = pieces.time().is_some() && pieces.offset().is_some();
    whole && (date.year(), date.month()) == (9999, 12) && date.day() >= 30
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let s = std::borrow::Cow::<'de, str>::deserialize(d)?;
        s.parse().map_err(serde::de::Error::custom)
    }
}

/// Serde for a [`Duration`] as whole milliseconds, for fields named `…_ms`.
pub mod as_ms {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    /// Writes whole milliseconds.
    ///
    /// # Errors
    /// Those of the serializer.
    pub fn serialize<S: Serializer>(d: &Duration, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_u64(u64::try_from(d.as_millis()).unwrap_or(u64::MAX))
    }

    /// Reads whole milliseconds.
    ///
    /// # Errors
    /// When the value is not a non-negative integer.
    pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Duration, D::Error> {
        Ok(Duration::from_millis(u64::deserialize(d)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_form_is_rfc3339_utc_and_reads_back() {
        let t = Timestamp::from_millis(1_700_000_000_123);
        assert_eq!(t.to_string(), "2023-11-14T22:13:20.123Z");
        assert_eq!("2023-11-14T23:13:20.123+01:00".parse::<Timestamp>(), Ok(t));
        assert!("yesterday".parse::<Timestamp>().is_err());
    }

    #[test]
    fn the_end_of_the_year_9999_is_the_last_time_there_is() {
        for text in [
            "9999-12-31T23:59:59Z",
            "9999-12-31T23:59:59.999999999Z",
            "9999-12-31T00:00:00+01:00",
            "9999-12-31T23:59:59-12:00",
            "9999-12-30T23:00:00Z",
            "9999-12-30T22:00:00.5Z",
            "9999-12-31t23:59:60z",
        ] {
            let t: Timestamp = text.parse().expect(text);
            assert_eq!(t.to_string(), "9999-12-30T22:00:00.000Z", "{text}");
            assert_eq!(t.to_string().parse(), Ok(t), "it reads back");
        }
        assert_eq!(
            "9999-12-30T00:00:00Z".parse::<Timestamp>().map(|t| t.to_string()).as_deref(),
            Ok("9999-12-30T00:00:00.000Z")
        );
        for bad in [
            "9999-12-32T00:00:00Z",
            "9999-12-31",
            "9999-12-31T23:59:59",
            "10000-01-01T00:00:00Z",
            "9999-12-31T25:00:00Z",
        ] {
            assert!(bad.parse::<Timestamp>().is_err(), "{bad}");
        }
    }

    #[test]
    fn arithmetic_saturates() {
        let t = Timestamp::from_millis(i64::MAX);
        assert_eq!(t.plus(Duration::from_secs(1)), t);
        assert_eq!(Timestamp::from_millis(5).since(t), Duration::ZERO);
    }
}
