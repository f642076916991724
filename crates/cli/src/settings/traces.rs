//! Where traces go, from the variables that OpenTelemetry gave names to
//! (<https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/>).

use posthaste_telemetry::{Endpoint, Sampler};

use super::resolve::{ConfigError, Settings};

/// Where traces go and which.
#[derive(Debug, Clone)]
pub(crate) struct TracesConfig {
    /// The collector.
    pub(crate) endpoint: Endpoint,
    /// Which traces.
    pub(crate) sampler: Sampler,
    /// What this process is called.
    pub(crate) service: String,
}

impl TracesConfig {
    /// From the settings; `None` without an endpoint.
    ///
    /// # Errors
    /// A value that is not acceptable, also while there is no endpoint: it would be found out too late.
    pub(crate) fn new(s: &Settings) -> Result<Option<Self>, ConfigError> {
        let sampler = Sampler::new(s.text("traces_sampler"), s.text("traces_sampler_arg"));
        let sampler = sampler.map_err(|e| match e {
            posthaste_telemetry::SamplerError::Name => s.refuse("traces_sampler", e.to_string()),
            posthaste_telemetry::SamplerError::Ratio => s.refuse("traces_sampler_arg", e.to_string()),
        })?;
        let base = s.text("otlp_endpoint");
        if base.is_empty() {
            return Ok(None);
        }
        let endpoint = Endpoint::new(base, s.text("otlp_headers")).map_err(|e| match e {
            posthaste_telemetry::EndpointError::Headers => s.refuse("otlp_headers", e.to_string()),
            e => s.refuse("otlp_endpoint", e.to_string()),
        })?;
        Ok(Some(Self { endpoint, sampler, service: s.text("service_name").to_owned() }))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::resolve::{Inputs, resolve};
    use super::*;

    fn traces(flags: &[(&'static str, &str)]) -> Result<Option<TracesConfig>, ConfigError> {
        let flags: BTreeMap<_, _> = flags.iter().map(|(k, v)| (*k, (*v).to_owned())).collect();
        TracesConfig::new(&resolve(&Inputs { flags, ..Inputs::default() })?)
    }

    #[test]
    fn they_are_off_without_an_endpoint_and_say_what_is_wrong_with_one() {
        assert!(traces(&[]).expect("valid").is_none());
        let on = traces(&[("otlp_endpoint", "http://127.0.0.1:4318")]).expect("valid").expect("on");
        assert_eq!(
            (on.endpoint.to_string().as_str(), on.sampler),
            ("http://127.0.0.1:4318/v1/traces", Sampler::default())
        );
        assert_eq!(on.service, "posthaste");
        let error = |flags: &[(&'static str, &str)]| traces(flags).expect_err("refused").to_string();
        assert!(error(&[("otlp_endpoint", "http://h:4317")]).contains("4318"));
        let keys = [("otlp_endpoint", "http://h:4318"), ("otlp_headers", "hunter2")];
        assert!(error(&keys).starts_with("otlp_headers") && !error(&keys).contains("hunter2"));
        assert!(error(&[("traces_sampler", "jaeger_remote")]).contains("parentbased_always_on"));
        assert!(error(&[("traces_sampler", "traceidratio"), ("traces_sampler_arg", "7")]).contains("0 to 1"));
    }
}
