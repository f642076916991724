//! The export of traces: started before anything is traced, flushed after everything has ended.

use std::time::Duration;

use anyhow::Context as _;
use posthaste_telemetry::otlp::Resource;
use posthaste_telemetry::{Exporter, ExporterConfig, Tracer};

use super::VERSION;
use crate::settings::store::Role;
use crate::settings::traces::TracesConfig;

/// Longest time that the last spans may take to leave. A collector that is away must not hold up a shutdown.
const FLUSH: Duration = Duration::from_secs(2);

/// The tracer of the process and what sends its spans away, if anything does.
pub(crate) struct Traces {
    tracer: Tracer,
    exporter: Option<Exporter>,
}

impl Traces {
    /// Off without a configuration.
    ///
    /// # Errors
    /// The HTTP client of the exporter could not be made.
    pub(crate) fn start(config: Option<&TracesConfig>, role: Role) -> anyhow::Result<Self> {
        let Some(config) = config else { return Ok(Self { tracer: Tracer::off(), exporter: None }) };
        let (tracer, spans) = Tracer::recording(config.sampler);
        let text = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let resource = Resource {
            attributes: vec![
                text("service.name", &config.service),
                text("service.version", VERSION),
                text("process.pid", &std::process::id().to_string()),
                text("posthaste.role", role.verb()),
            ],
            version: VERSION,
        };
        let exporter = ExporterConfig { endpoint: config.endpoint.clone(), resource };
        let exporter =
            Exporter::start(&tracer, spans, exporter).context("the export of traces cannot start")?;
        tracing::info!(endpoint = %config.endpoint, "traces are exported");
        Ok(Self { tracer, exporter: Some(exporter) })
    }

    /// Begins spans.
    pub(crate) fn tracer(&self) -> Tracer {
        self.tracer.clone()
    }

    /// Sends what waits.
    pub(crate) async fn shutdown(self) {
        if let Some(exporter) = self.exporter {
            exporter.shutdown(FLUSH).await;
        }
    }
}
