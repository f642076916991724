//! The log: text or JSON lines on standard error.
//!
//! Each line says what it is about: while a request is served or a handler runs, its line carries `request_id` or
//! `task_id`, and `trace_id` if there is a trace, whoever writes it (see [`posthaste_telemetry::scope`]).

use std::fmt;
use std::io::IsTerminal;

use posthaste_telemetry::{Field, scope};
use serde_json::Value;
use tracing::field::Visit;
use tracing::{Event, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::format::{DefaultFields, Writer};
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use crate::settings::typed::LogConfig;

/// Starts logging for the rest of the process.
///
/// # Errors
/// A filter that cannot be read.
pub(crate) fn start(config: &LogConfig) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(&config.filter).map_err(|e| {
        anyhow::anyhow!("RUST_LOG = {:?}: {e}; for example info or posthaste_worker=debug", config.filter)
    })?;
    // The lines have the ids by themselves; a span for each attempt would cost more than a short task.
    let filter = filter.add_directive("posthaste::attempt=off".parse().expect("a fixed, valid directive"));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    if config.json {
        builder.event_format(JsonLines).init();
    } else {
        builder.with_ansi(std::io::stderr().is_terminal()).fmt_fields(TextFields).init();
    }
    std::panic::set_hook(Box::new(log_panic));
    Ok(())
}

/// A panic is one line like all others, of the request or task that it happened in; `RUST_BACKTRACE` adds where from.
fn log_panic(panic: &std::panic::PanicHookInfo<'_>) {
    let place = panic.location().map_or_else(String::new, ToString::to_string);
    let why = panic.payload_as_str().unwrap_or("no message");
    let trace = std::backtrace::Backtrace::capture();
    match trace.status() {
        std::backtrace::BacktraceStatus::Captured => {
            tracing::error!(place, why, %trace, "a thread panicked: a fault of the program")
        }
        _ => tracing::error!(place, why, "a thread panicked: a fault of the program"),
    }
}

/// The fields of a text line: its own, then those of its scope that it does not name itself.
struct TextFields;

impl<'writer> FormatFields<'writer> for TextFields {
    fn format_fields<R: RecordFields>(&self, mut writer: Writer<'writer>, fields: R) -> fmt::Result {
        let mut own = OwnFields::default();
        fields.record(&mut own);
        DefaultFields::new().format_fields(writer.by_ref(), fields)?;
        let mut written = Ok(());
        scope::fields(&mut |name, value| {
            if !own.0.contains(&name) && written.is_ok() {
                written = match value {
                    Field::Text(text) => write!(writer, " {name}={text}"),
                    Field::Number(n) => write!(writer, " {name}={n}"),
                };
            }
        });
        written
    }
}

/// The names of a line's fields.
#[derive(Default)]
struct OwnFields(Vec<&'static str>);

impl Visit for OwnFields {
    fn record_debug(&mut self, field: &tracing::field::Field, _value: &dyn fmt::Debug) {
        self.0.push(field.name());
    }
}

/// One flat JSON object per line: `timestamp`, `level`, `target`, `message`, the fields of the line, those of its scope.
struct JsonLines;

impl<S, N> FormatEvent<S, N> for JsonLines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut out: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut line = Line::default();
        let mut at = String::new();
        SystemTime.format_time(&mut Writer::new(&mut at))?;
        line.put("timestamp", at);
        line.put("level", event.metadata().level().as_str());
        line.put("target", event.metadata().target());
        event.record(&mut line);
        scope::fields(&mut |name, value| {
            if !line.0.iter().any(|(own, _)| *own == name) {
                match value {
                    Field::Text(text) => line.put(name, text.to_string()),
                    Field::Number(n) => line.put(name, n),
                }
            }
        });
        for (i, (name, value)) in line.0.iter().enumerate() {
            // Names are those of fields in code: nothing in them needs an escape.
            write!(out, "{}\"{name}\":{value}", if i == 0 { '{' } else { ',' })?;
        }
        out.write_str("}\n")
    }
}

/// The fields of a line in their order, which a map would not keep.
#[derive(Default)]
struct Line(Vec<(&'static str, Value)>);

impl Line {
    fn put(&mut self, name: &'static str, value: impl Into<Value>) {
        self.0.push((name, value.into()));
    }
}

impl Visit for Line {
    fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn fmt::Debug) {
        self.put(field.name(), format!("{value:?}"));
    }

    fn record_str(&mut self, field: &tracing::field::Field, value: &str) {
        self.put(field.name(), value);
    }

    fn record_u64(&mut self, field: &tracing::field::Field, value: u64) {
        self.put(field.name(), value);
    }

    fn record_i64(&mut self, field: &tracing::field::Field, value: i64) {
        self.put(field.name(), value);
    }

    fn record_u128(&mut self, field: &tracing::field::Field, value: u128) {
        self.put(field.name(), u64::try_from(value).unwrap_or(u64::MAX));
    }

    fn record_i128(&mut self, field: &tracing::field::Field, value: i128) {
        self.put(field.name(), i64::try_from(value).unwrap_or(i64::MAX));
    }

    fn record_bool(&mut self, field: &tracing::field::Field, value: bool) {
        self.put(field.name(), value);
    }

    fn record_f64(&mut self, field: &tracing::field::Field, value: f64) {
        self.put(field.name(), value);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use posthaste_telemetry::{Fields, Scope, TraceContext};

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().expect("no writer panics").extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    impl Lines {
        fn text(&self) -> String {
            String::from_utf8(self.0.lock().expect("no writer panics").clone()).expect("text")
        }
    }

    struct Attempt;

    impl Fields for Attempt {
        fn fields(&self, write: &mut dyn FnMut(&'static str, Field<'_>)) {
            write("task_id", Field::Text(&"0198"));
            write("attempt", Field::Number(3));
        }
    }

    fn say() {
        let trace = TraceContext { trace_id: 1, span_id: 2, sampled: true };
        let mut scope = Scope::new(Arc::new(Attempt), Some(trace));
        {
            let _entered = scope.enter();
            tracing::info!(n = 1, ok = true, took_us = 7_u128, what = "a \"b\"\n", "said inside");
            tracing::info!(task_id = "other", "of another");
        }
        tracing::info!("said outside");
    }

    #[test]
    fn json_lines_are_flat_and_carry_what_they_are_about() {
        let lines = Lines::default();
        let out = lines.clone();
        let subscriber =
            tracing_subscriber::fmt().event_format(JsonLines).with_writer(move || out.clone()).finish();
        tracing::subscriber::with_default(subscriber, say);
        let lines: Vec<Value> =
            lines.text().lines().map(|l| serde_json::from_str(l).expect("JSON")).collect();
        let [inside, other, outside] = &lines[..] else { panic!("{lines:?}") };
        assert_eq!(inside["message"], "said inside");
        assert_eq!(
            (&inside["n"], &inside["ok"], &inside["what"]),
            (&1.into(), &true.into(), &"a \"b\"\n".into())
        );
        assert_eq!((&inside["task_id"], &inside["attempt"]), (&"0198".into(), &3.into()));
        assert_eq!(inside["trace_id"], "00000000000000000000000000000001");
        assert_eq!((&inside["level"], &inside["target"]), (&"INFO".into(), &module_path!().into()));
        assert_eq!(inside["took_us"], 7, "{inside}");
        assert!(inside["timestamp"].as_str().is_some_and(|t| t.ends_with('Z')), "{inside}");
        assert_eq!(other["task_id"], "other", "what a line says itself stands");
        assert!(outside.get("task_id").is_none() && outside.get("trace_id").is_none(), "{outside}");
    }

    #[test]
    fn text_lines_carry_it_too() {
        let lines = Lines::default();
        let out = lines.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(false)
            .fmt_fields(TextFields)
            .with_writer(move || out.clone())
            .finish();
        tracing::subscriber::with_default(subscriber, say);
        let text = lines.text();
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines.iter().any(|l| l.contains("said inside n=1 ok=true took_us=7")), "{text}");
        assert!(text.contains(" task_id=0198 attempt=3 trace_id=00000000000000000000000000000001"), "{text}");
        assert_eq!(text.matches("task_id=").count(), 2, "{text}");
        assert!(lines.last().is_some_and(|l| l.ends_with("said outside")), "{text}");
    }
}
