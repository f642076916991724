//! Which traces are recorded: the samplers of `OTEL_TRACES_SAMPLER`
//! (<https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/>).

use std::str::FromStr;

use crate::TraceContext;

/// Decides which traces are recorded.
///
/// ```
/// use posthaste_telemetry::Sampler;
///
/// let sampler = Sampler::new("parentbased_traceidratio", "0.25").unwrap();
/// assert_eq!(sampler, Sampler { follow_parent: true, ratio: 0.25 });
/// assert!(Sampler::new("sometimes", "").is_err());
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sampler {
    /// Whether who came before decides for a trace that began elsewhere.
    pub follow_parent: bool,
    /// The share of the others, 0 to 1.
    pub ratio: f64,
}

/// A sampler that does not exist.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SamplerError {
    /// No such name.
    #[error(
        "must be always_on, always_off, traceidratio, parentbased_always_on, parentbased_always_off or parentbased_traceidratio"
    )]
    Name,
    /// No share.
    #[error("must be a share from 0 to 1")]
    Ratio,
}

impl Default for Sampler {
    /// `parentbased_always_on`.
    fn default() -> Self {
        Self { follow_parent: true, ratio: 1.0 }
    }
}

impl Sampler {
    /// Of the name and argument of `OTEL_TRACES_SAMPLER` and `OTEL_TRACES_SAMPLER_ARG`; an empty name is the default,
    /// an empty argument 1.
    ///
    /// # Errors
    /// [`SamplerError`].
    pub fn new(name: &str, argument: &str) -> Result<Self, SamplerError> {
        let (follow_parent, root) = match name.trim().strip_prefix("parentbased_") {
            Some(root) => (true, root),
            None if name.trim().is_empty() => return Ok(Self::default()),
            None => (false, name.trim()),
        };
        let ratio = match (root, argument.trim()) {
            ("always_on", _) | ("traceidratio", "") => 1.0,
            ("always_off", _) => 0.0,
            ("traceidratio", share) => f64::from_str(share).map_err(|_| SamplerError::Ratio)?,
            _ => return Err(SamplerError::Name),
        };
        if (0.0..=1.0).contains(&ratio) {
            Ok(Self { follow_parent, ratio })
        } else {
            Err(SamplerError::Ratio)
        }
    }

    pub(crate) fn samples(&self, trace_id: u128, parent: Option<&TraceContext>) -> bool {
        if let Some(parent) = parent
            && self.follow_parent
        {
            return parent.sampled;
        }
        // The same bits decide in every process, so that a trace is recorded whole. 63 of them, as other SDKs do.
        let bits = (trace_id as u64) >> 1;
        self.ratio >= 1.0 || (bits as f64) < self.ratio * (1_u64 << 63) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parent_decides_if_it_is_followed_and_else_the_id_does() {
        let parent = |sampled| TraceContext { trace_id: 1, span_id: 1, sampled };
        let on = Sampler::new("", "").expect("the default");
        assert!(
            on.samples(7, None) && on.samples(7, Some(&parent(true))) && !on.samples(7, Some(&parent(false)))
        );
        let off = Sampler::new("parentbased_always_off", "").expect("exists");
        assert!(!off.samples(7, None) && off.samples(7, Some(&parent(true))));
        let half = Sampler::new("traceidratio", "0.5").expect("exists");
        assert!(half.samples(1, Some(&parent(false))), "small ids are below any share");
        assert!(!half.samples(u128::MAX, Some(&parent(true))));
        for (name, argument) in
            [("traceidratio", "2"), ("traceidratio", "x"), ("traceidratio", "NaN"), ("on", "")]
        {
            assert!(Sampler::new(name, argument).is_err(), "{name} {argument}");
        }
    }
}
