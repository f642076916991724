//! The two text formats of `/metrics`, and which of them a scraper asks for.

use axum::http::{HeaderMap, header};

use super::{Kind, METRICS};

/// How the page is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// <https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format>
    Text,
    /// <https://prometheus.io/docs/specs/om/open_metrics_spec/>
    OpenMetrics,
}

impl Format {
    /// What `Accept` asks for (RFC 9110 §12.5.1): OpenMetrics where it is named and not less welcome than plain text, else the
    /// text that every scraper reads.
    pub(crate) fn asked(headers: &HeaderMap) -> Self {
        let (mut open, mut text) = (None, None);
        for value in headers.get_all(header::ACCEPT).iter().filter_map(|v| v.to_str().ok()) {
            for range in value.split(',') {
                let mut parts = range.split(';').map(str::trim);
                let kind = parts.next().unwrap_or_default().to_ascii_lowercase();
                let quality = parts.find_map(quality).unwrap_or(1_000);
                match kind.as_str() {
                    "application/openmetrics-text" => open = open.max(Some(quality)),
                    "text/plain" => text = text.max(Some(quality)),
                    _ => {}
                }
            }
        }
        match open {
            Some(open) if open > 0 && open >= text.unwrap_or(0) => Self::OpenMetrics,
            _ => Self::Text,
        }
    }

    /// The content type.
    pub(crate) const fn content_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }

    /// The page in this format, made from OpenMetrics.
    pub(crate) fn write(self, open_metrics: String) -> String {
        match self {
            Self::OpenMetrics => open_metrics,
            Self::Text => plain(&open_metrics),
        }
    }
}

/// A weight in thousandths: at most three digits behind the point (RFC 9110 §12.4.2).
fn quality(parameter: &str) -> Option<u32> {
    let (name, value) = parameter.split_once('=')?;
    if !name.trim().eq_ignore_ascii_case("q") {
        return None;
    }
    let weight: f64 = value.trim().parse().ok()?;
    (0.0..=1.0).contains(&weight).then_some((weight * 1_000.0) as u32)
}

/// In the older format a counter is described under the name of its sample, help has no quotes to escape, and nothing marks
/// the end.
fn plain(open_metrics: &str) -> String {
    let mut out = String::with_capacity(open_metrics.len() + 512);
    for line in open_metrics.lines().filter(|l| *l != "# EOF" && !l.starts_with("# UNIT ")) {
        let described = line.strip_prefix("# HELP ").or_else(|| line.strip_prefix("# TYPE "));
        let Some((name, rest)) = described.and_then(|d| d.split_once(' ')) else {
            out.push_str(line);
            out.push('\n');
            continue;
        };
        let is_help = line.starts_with("# HELP ");
        let counter =
            METRICS.iter().any(|m| m.kind == Kind::Counter && m.name.strip_suffix("_total") == Some(name));
        out.push_str(if is_help { "# HELP " } else { "# TYPE " });
        out.push_str(name);
        out.push_str(if counter { "_total " } else { " " });
        out.push_str(&if is_help { rest.replace("\\\"", "\"") } else { rest.to_owned() });
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn open_metrics_is_for_whoever_names_it() {
        for (accept, format) in [
            ("", Format::Text),
            ("*/*", Format::Text),
            ("text/plain;version=0.0.4", Format::Text),
            ("application/openmetrics-text", Format::OpenMetrics),
            ("Application/OpenMetrics-Text; version=1.0.0; charset=utf-8", Format::OpenMetrics),
            // Prometheus.
            (
                "application/openmetrics-text;version=1.0.0;q=0.6,text/plain;version=0.0.4;q=0.3,*/*;q=0.1",
                Format::OpenMetrics,
            ),
            ("text/plain, application/openmetrics-text;q=0.5", Format::Text),
            ("application/openmetrics-text;q=0", Format::Text),
            ("application/openmetrics-text; Q=0.000, */*", Format::Text),
            ("text/html,application/xhtml+xml,*/*;q=0.8", Format::Text),
            ("application/*", Format::Text),
            ("application/json", Format::Text),
        ] {
            let mut headers = HeaderMap::new();
            if !accept.is_empty() {
                headers.insert(header::ACCEPT, accept.parse().expect("a header value"));
            }
            assert_eq!(Format::asked(&headers), format, "{accept}");
        }
        let mut twice = HeaderMap::new();
        twice.append(header::ACCEPT, "text/plain;q=0.2".parse().expect("a header value"));
        twice.append(header::ACCEPT, "application/openmetrics-text;q=0.9".parse().expect("a header value"));
        assert_eq!(Format::asked(&twice), Format::OpenMetrics);
    }

    #[test]
    fn the_older_text_names_counters_as_their_samples() {
        let open = "# HELP posthaste_accepted Tasks \\\"x\\\".\n# TYPE posthaste_accepted counter\n\
            posthaste_accepted_total 3.0\n# HELP posthaste_tasks T.\n# TYPE posthaste_tasks gauge\n\
            posthaste_tasks{queue=\"# EOF\"} 1.0\n# EOF\n";
        assert_eq!(
            Format::Text.write(open.to_owned()),
            "# HELP posthaste_accepted_total Tasks \"x\".\n# TYPE posthaste_accepted_total counter\n\
            posthaste_accepted_total 3.0\n# HELP posthaste_tasks T.\n# TYPE posthaste_tasks gauge\n\
            posthaste_tasks{queue=\"# EOF\"} 1.0\n"
        );
        assert_eq!(Format::OpenMetrics.write(open.to_owned()), open);
    }
}
