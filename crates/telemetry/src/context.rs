//! The `traceparent` header of W3C Trace Context (<https://www.w3.org/TR/trace-context/>, section 3.2).

use std::fmt;
use std::str::FromStr;

/// Where in which trace something happens.
///
/// ```
/// use posthaste_telemetry::TraceContext;
///
/// let text = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
/// let context: TraceContext = text.parse().unwrap();
/// assert!(context.sampled);
/// assert_eq!(context.to_string(), text);
/// assert!("00-00000000000000000000000000000000-b7ad6b7169203331-01".parse::<TraceContext>().is_err());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceContext {
    /// The trace; never 0.
    pub trace_id: u128,
    /// The span; never 0.
    pub span_id: u64,
    /// Whether somebody records this trace.
    pub sampled: bool,
}

/// The text is no `traceparent`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a W3C traceparent")]
pub struct NotATraceparent;

impl FromStr for TraceContext {
    type Err = NotATraceparent;

    fn from_str(text: &str) -> Result<Self, NotATraceparent> {
        let text = text.trim();
        let part = |range: std::ops::Range<usize>| {
            let hex = text.get(range).ok_or(NotATraceparent)?;
            // `from_str_radix` would take a sign and capitals, which the format does not.
            let lower = hex.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
            if lower { Ok(hex) } else { Err(NotATraceparent) }
        };
        let number = |hex: &str| u128::from_str_radix(hex, 16).map_err(|_| NotATraceparent);
        let dash = |at: usize| text.as_bytes().get(at) == Some(&b'-');
        let version = part(0..2)?;
        // Later versions may append fields, version 0 may not; 255 is forbidden.
        let ends = text.len() == 55 || (version != "00" && dash(55));
        if version == "ff" || !(dash(2) && dash(35) && dash(52) && ends) {
            return Err(NotATraceparent);
        }
        let trace_id = number(part(3..35)?)?;
        let span_id = u64::try_from(number(part(36..52)?)?).map_err(|_| NotATraceparent)?;
        let flags = number(part(53..55)?)?;
        if trace_id == 0 || span_id == 0 {
            return Err(NotATraceparent);
        }
        Ok(Self { trace_id, span_id, sampled: flags & 1 == 1 })
    }
}

impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{:032x}-{:016x}-{:02x}", self.trace_id, self.span_id, u8::from(self.sampled))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cases_of_the_recommendation() {
        let good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";
        let context: TraceContext = good.parse().expect("valid");
        assert_eq!((context.to_string().as_str(), context.sampled), (good, false));
        let later = "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-what-comes";
        assert_eq!(
            later.parse::<TraceContext>().expect("a later version").to_string(),
            good.replace("-00", "-01").replace("01f067", "00f067")
        );
        for bad in [
            "",
            "00",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00_4bf92f3577b34da6a3ce929d0e0e4736_00f067aa0ba902b7_01",
            "00-+bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01x",
            "00-ä4bf92f3577b34da6a3ce929d0e0e47-00f067aa0ba902b7-01",
        ] {
            assert!(bad.parse::<TraceContext>().is_err(), "{bad}");
        }
    }
}
