//! Message templates: what they are, and how they are filled in without harm.
//!
//! The language is that of minijinja, less what could make much out of little: no macros, includes, filter or set
//! blocks, few concatenations, filters that return no more than they were given, a bound on steps and on output.
//! Unknown names are errors. Values are escaped in the HTML part.

mod undefined;

use std::io;
use std::sync::Arc;

use minijinja::value::{Serde, Value as Filled, ValueKind};
use minijinja::{AutoEscape, Environment, ErrorKind, UndefinedBehavior, filters, tests as known};
use posthaste_core::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::notification::{FieldProblem, MAX_BODY, MAX_SUBJECT};

/// Longest source of each part, in bytes.
pub const MAX_SOURCE: usize = 64 * 1024;
/// Largest data to fill in, in bytes of JSON.
pub const MAX_DATA: usize = 64 * 1024;
/// Steps that one part may take.
const FUEL: u64 = 50_000;
/// Operators that can make a text longer, in one part: each may double what it works on.
const MAX_CONCATENATIONS: usize = 8;
/// Longest description, in bytes.
const MAX_DESCRIPTION: usize = 500;

/// A template as it is kept: its newest version under its name, each version under `name@version`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Template {
    /// Rises by one each time it is put.
    pub version: u32,
    /// The subject or title.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// The text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// The HTML of an e-mail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub html: Option<String>,
    /// What it is for, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Data for a preview.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sample: Option<Value>,
    /// When this version was put.
    pub created_at: Timestamp,
}

/// The name under which one version is kept.
pub fn version_name(name: &str, version: u32) -> String {
    format!("{name}@{version:06}")
}

/// Why a template was not filled in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{problem}")]
pub struct TemplateError {
    /// The part: `subject`, `text` or `html`.
    pub part: &'static str,
    /// What is wrong and where, as a sentence.
    pub problem: String,
    /// The way to the name that the data lacks, from its outside in; empty where it is something else.
    pub missing: Vec<String>,
}

impl TemplateError {
    fn new(part: &'static str, problem: String) -> Self {
        Self { part, problem, missing: Vec::new() }
    }
}

/// A message filled in.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Rendered {
    /// The subject, one line.
    pub subject: Option<String>,
    /// The text.
    pub text: Option<String>,
    /// The HTML.
    pub html: Option<String>,
}

const PARTS: [&str; 3] = ["subject", "text", "html"];

impl Template {
    fn source(&self, part: &str) -> Option<&String> {
        match part {
            "subject" => self.subject.as_ref(),
            "text" => self.text.as_ref(),
            _ => self.html.as_ref(),
        }
    }

    /// Checks all of it, so that it can be refused before it is stored.
    ///
    /// # Errors
    /// Every problem, one per field.
    pub fn check(&self) -> Result<(), Vec<FieldProblem>> {
        let mut problems = Vec::new();
        if PARTS.iter().all(|p| self.source(p).is_none()) {
            let problem = "A template needs a subject, a text or HTML.".to_owned();
            problems.push(FieldProblem { field: "text", problem });
        }
        for part in PARTS {
            let Some(source) = self.source(part) else { continue };
            if let Err(e) = compile(part, source) {
                problems.push(FieldProblem { field: part, problem: e.problem });
            }
        }
        if self.description.as_ref().is_some_and(|d| d.len() > MAX_DESCRIPTION) {
            let problem = format!("The description must be at most {MAX_DESCRIPTION} bytes long.");
            problems.push(FieldProblem { field: "description", problem });
        }
        if let Some(problem) = self.sample.as_ref().and_then(|s| check_data(s).err()) {
            problems.push(FieldProblem { field: "sample", problem });
        }
        if problems.is_empty() { Ok(()) } else { Err(problems) }
    }

    /// Makes it ready to be filled in many times.
    ///
    /// # Errors
    /// [`TemplateError`] of the first part that is wrong.
    pub fn compile(&self) -> Result<CompiledTemplate, TemplateError> {
        let mut env = environment();
        let mut parts = Vec::new();
        for part in PARTS {
            let Some(source) = self.source(part) else { continue };
            check_source(part, source)?;
            env.add_template_owned(part, source.clone()).map_err(|e| explain(part, &e))?;
            parts.push(part);
        }
        Ok(CompiledTemplate { env: Arc::new(env), parts: parts.into() })
    }

    /// Fills it in once.
    ///
    /// # Errors
    /// [`TemplateError`].
    pub fn render(&self, data: &Value) -> Result<Rendered, TemplateError> {
        self.compile()?.render(data)
    }
}

/// Checks data to be filled in.
///
/// # Errors
/// A sentence for the person who wrote it.
pub fn check_data(data: &Value) -> Result<(), String> {
    if !data.is_object() {
        return Err("The data must be an object.".into());
    }
    let size = serde_json::to_string(data).map_or(usize::MAX, |t| t.len());
    if size > MAX_DATA { Err(format!("The data must be at most {MAX_DATA} bytes of JSON.")) } else { Ok(()) }
}

/// A template ready to be filled in; cheap to clone.
#[derive(Debug, Clone)]
pub struct CompiledTemplate {
    env: Arc<Environment<'static>>,
    parts: Arc<[&'static str]>,
}

impl CompiledTemplate {
    /// Fills it in.
    ///
    /// # Errors
    /// [`TemplateError`]: an unknown name, too many steps, too long a result, a line break in a subject.
    pub fn render(&self, data: &Value) -> Result<Rendered, TemplateError> {
        let filled = Filled::from(Serde(data));
        // Most data has none, and is not made anew for them.
        let data = if has_null(data) { without_nulls(&filled) } else { filled };
        let mut out = Rendered::default();
        for part in self.parts.iter() {
            let text = self.part(part, &data)?;
            match *part {
                "subject" => out.subject = Some(one_line(text)?),
                "text" => out.text = Some(text),
                _ => out.html = Some(text),
            }
        }
        Ok(out)
    }

    fn part(&self, part: &'static str, data: &Filled) -> Result<String, TemplateError> {
        let template = self.env.get_template(part).map_err(|e| explain(part, &e))?;
        let mut bytes =
            Bounded { bytes: Vec::new(), most: if part == "subject" { MAX_SUBJECT } else { MAX_BODY } };
        match template.render_captured_to(data.clone(), &mut bytes) {
            Ok(_) => Ok(String::from_utf8(bytes.bytes).expect("minijinja writes text")),
            Err(e) if e.kind() == ErrorKind::WriteFailure => {
                let problem = format!("The {part} gets longer than {} bytes.", bytes.most);
                Err(TemplateError::new(part, problem))
            }
            Err(e) if e.kind() == ErrorKind::UndefinedError => {
                Err(undefined::explain(part, &template, data, e.line()).unwrap_or_else(|| explain(part, &e)))
            }
            Err(e) => Err(explain(part, &e)),
        }
    }
}

fn has_null(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.iter().any(has_null),
        Value::Object(fields) => fields.values().any(has_null),
        _ => false,
    }
}

/// The data, its nulls as what is not there, at any depth: nobody is called "none", and `default` fills both.
fn without_nulls(value: &Filled) -> Filled {
    match value.kind() {
        ValueKind::None => Filled::UNDEFINED,
        ValueKind::Seq => value
            .try_iter()
            .map_or_else(|_| value.clone(), |items| items.map(|item| without_nulls(&item)).collect()),
        ValueKind::Map => value.try_iter().map_or_else(
            |_| value.clone(),
            |keys| {
                let pair = |key: Filled| {
                    let item = value.get_item(&key).unwrap_or(Filled::UNDEFINED);
                    (key, without_nulls(&item))
                };
                Filled::from_pairs(keys.map(pair))
            },
        ),
        _ => value.clone(),
    }
}

/// Whether a value is null; of data that is one that is not there.
fn is_none(value: &Filled) -> bool {
    value.is_none() || value.is_undefined()
}

/// A subject is one line; data with a line break in it could otherwise write headers.
fn one_line(text: String) -> Result<String, TemplateError> {
    let text = text.trim().to_owned();
    if text.chars().any(crate::address::is_control) {
        let problem = "The subject gets a line break or control character from its data.".to_owned();
        return Err(TemplateError::new("subject", problem));
    }
    Ok(text)
}

struct Bounded {
    bytes: Vec<u8>,
    most: usize,
}

impl io::Write for Bounded {
    fn write(&mut self, more: &[u8]) -> io::Result<usize> {
        if self.bytes.len() + more.len() > self.most {
            return Err(io::Error::other("too long"));
        }
        self.bytes.extend_from_slice(more);
        Ok(more.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn compile(part: &'static str, source: &str) -> Result<(), TemplateError> {
    check_source(part, source)?;
    environment().template_from_named_str(part, source).map(drop).map_err(|e| explain(part, &e))
}

fn environment() -> Environment<'static> {
    let mut env = Environment::empty();
    env.set_undefined_behavior(UndefinedBehavior::Strict);
    env.set_auto_escape_callback(|part| if part == "html" { AutoEscape::Html } else { AutoEscape::None });
    env.set_fuel(Some(FUEL));
    env.add_filter("upper", filters::upper);
    env.add_filter("lower", filters::lower);
    env.add_filter("title", filters::title);
    env.add_filter("capitalize", filters::capitalize);
    env.add_filter("trim", filters::trim);
    env.add_filter("default", filters::default);
    env.add_filter("d", filters::default);
    env.add_filter("length", filters::length);
    env.add_filter("count", filters::length);
    env.add_filter("round", filters::round);
    env.add_filter("abs", filters::abs);
    env.add_filter("int", filters::int);
    env.add_filter("float", filters::float);
    env.add_filter("first", filters::first);
    env.add_filter("last", filters::last);
    env.add_filter("sort", filters::sort);
    env.add_filter("reverse", filters::reverse);
    env.add_filter("items", filters::items);
    env.add_filter("escape", filters::escape);
    env.add_filter("e", filters::escape);
    env.add_filter("safe", filters::safe);
    env.add_filter("join", join);
    env.add_filter("urlencode", urlencode);
    env.add_filter("times", times);
    env.add_test("defined", known::is_defined);
    env.add_test("undefined", known::is_undefined);
    env.add_test("none", is_none);
    env.add_test("odd", known::is_odd);
    env.add_test("even", known::is_even);
    env.add_test("string", known::is_string);
    env.add_test("number", known::is_number);
    env
}

/// Text with the rest of a URL's characters escaped.
fn urlencode(text: String) -> String {
    percent_encoding::utf8_percent_encode(&text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

/// A product of numbers; the operator would repeat texts.
fn times(a: f64, b: f64) -> Filled {
    let product = a * b;
    // Whole numbers stay whole where they are exact.
    if product.fract() == 0.0 && product.abs() < 9e15 {
        Filled::from(product as i64)
    } else {
        Filled::from(product)
    }
}

/// Elements put together; a short separator only, so that the result is not much longer than the list.
fn join(list: Filled, separator: Option<String>) -> Result<Filled, minijinja::Error> {
    let separator = separator.unwrap_or_default();
    if separator.len() > 16 {
        return Err(minijinja::Error::new(
            ErrorKind::InvalidOperation,
            "a separator is at most 16 bytes long",
        ));
    }
    let mut out = String::new();
    for (i, item) in list.try_iter()?.enumerate() {
        if item.is_undefined() {
            return Err(minijinja::Error::from(ErrorKind::UndefinedError));
        }
        if i > 0 {
            out.push_str(&separator);
        }
        out.push_str(&item.to_string());
        if out.len() > MAX_BODY {
            return Err(minijinja::Error::new(
                ErrorKind::InvalidOperation,
                "the list is too long to be joined",
            ));
        }
    }
    Ok(Filled::from(out))
}

/// Most `{{` and `{%` of a part: each is looked at up to the end of the part.
const MAX_TAGS: usize = 2_000;

/// Statements that exist; what else minijinja knows collects text where no bound sees it.
const STATEMENTS: [&str; 12] =
    ["if", "elif", "else", "endif", "for", "endfor", "set", "with", "endwith", "raw", "endraw", "autoescape"];

/// Refuses what minijinja itself would not bound.
fn check_source(part: &'static str, source: &str) -> Result<(), TemplateError> {
    let refuse = |problem: String| Err(TemplateError::new(part, problem));
    if source.len() > MAX_SOURCE {
        return refuse(format!("The {part} of a template is at most {MAX_SOURCE} bytes long."));
    }
    let mut concatenations = 0;
    let mut tags = 0;
    let mut rest = source;
    while let Some(at) = rest.find('{') {
        rest = &rest[at + 1..];
        let (end, statement) = match rest.as_bytes().first() {
            Some(b'%') => ("%}", true),
            Some(b'{') => ("}}", false),
            _ => continue,
        };
        tags += 1;
        if tags > MAX_TAGS {
            return refuse(format!("The {part} may hold at most {MAX_TAGS} of {{{{ and {{%."));
        }
        let code = &rest[1..];
        let code = &code[..code_end(code, end)];
        let code = code.trim_start_matches(['-', '+']).trim_start();
        concatenations += code.bytes().filter(|b| matches!(b, b'~' | b'+')).count();
        if code.contains('*') {
            let line = line_of(source, rest);
            return refuse(format!("Line {line}: for {{{{ a * b }}}} write {{{{ a | times(b) }}}}."));
        }
        if !statement {
            continue;
        }
        let word = code.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').next().unwrap_or("");
        if word != "endautoescape" && !STATEMENTS.contains(&word) {
            let line = line_of(source, rest);
            return refuse(format!("Line {line}: there is no statement {word:?} in templates."));
        }
        // What a loop over itself writes is collected before any bound sees it.
        if word == "for"
            && code.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').any(|w| w == "recursive")
        {
            let line = line_of(source, rest);
            return refuse(format!("Line {line}: a loop cannot be recursive."));
        }
        if word == "set" && !code.contains('=') {
            let line = line_of(source, rest);
            return refuse(format!("Line {line}: write set with a value: {{% set name = value %}}."));
        }
    }
    if concatenations > MAX_CONCATENATIONS {
        return refuse(format!("The {part} may use ~ and + at most {MAX_CONCATENATIONS} times."));
    }
    Ok(())
}

/// Where code ends that begins with `code`, as minijinja reads it: within quotes and brackets is no end. Where it reads
/// otherwise, this must find a later end, never an earlier one: what is not looked at is not refused.
fn code_end(code: &str, end: &str) -> usize {
    let mut quote = None;
    let mut escaped = false;
    let mut depth = 0i32;
    for (at, byte) in code.bytes().enumerate() {
        match (quote, byte) {
            (Some(_), _) if escaped => escaped = false,
            (Some(_), b'\\') => escaped = true,
            (Some(q), b) if b == q => quote = None,
            (Some(_), _) => {}
            (None, b'"' | b'\'') => quote = Some(byte),
            (None, _) if depth == 0 && code.as_bytes()[at..].starts_with(end.as_bytes()) => return at,
            (None, b'(' | b'[' | b'{') => depth += 1,
            (None, b')' | b']' | b'}') => depth -= 1,
            (None, _) => {}
        }
    }
    code.len()
}

fn line_of(source: &str, rest: &str) -> usize {
    source[..source.len() - rest.len()].matches('\n').count() + 1
}

/// The sentence about an error: where, and what to do.
fn explain(part: &'static str, error: &minijinja::Error) -> TemplateError {
    let place = error.line().map_or(String::new(), |l| format!("Line {l}: "));
    let detail = error.detail().unwrap_or_default();
    let what = match error.kind() {
        ErrorKind::UndefinedError => {
            "a name has no value in the data; give it one, or write {{ name | default('') }}".to_owned()
        }
        ErrorKind::OutOfFuel => format!("it takes more than {FUEL} steps; shorten its loops"),
        ErrorKind::SyntaxError => format!("it cannot be read: {detail}"),
        ErrorKind::UnknownFilter => format!("there is no such filter: {detail}"),
        ErrorKind::UnknownTest => format!("there is no such test: {detail}"),
        ErrorKind::UnknownFunction => format!("there is no such function: {detail}"),
        _ if detail.is_empty() => error.kind().to_string(),
        _ => detail.to_owned(),
    };
    TemplateError::new(part, format!("{place}{what}."))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn template(text: &str) -> Template {
        Template {
            version: 1,
            subject: None,
            text: Some(text.to_owned()),
            html: None,
            description: None,
            sample: None,
            created_at: Timestamp::from_millis(0),
        }
    }

    #[test]
    fn html_is_escaped_and_text_is_not() {
        let t = Template {
            subject: Some("Hi {{ name }}".into()),
            html: Some("<p>{{ name }}</p>{% for i in items %}<i>{{ i }}</i>{% endfor %}".into()),
            ..template("{{ name | upper }}: {{ items | join(', ') }}")
        };
        let out = t.render(&json!({"name": "<b> & 'x'", "items": ["<1>", 2]})).unwrap();
        assert_eq!(out.subject.as_deref(), Some("Hi <b> & 'x'"));
        assert_eq!(out.text.as_deref(), Some("<B> & 'X': <1>, 2"));
        assert_eq!(out.html.as_deref(), Some("<p>&lt;b&gt; &amp; &#x27;x&#x27;</p><i>&lt;1&gt;</i><i>2</i>"));
    }

    #[test]
    fn data_is_never_a_template_nor_a_second_line() {
        let t = Template { subject: Some("{{ name }}".into()), ..template("{{ name }}") };
        assert_eq!(t.render(&json!({"name": "{{ 7 * 7 }}"})).unwrap().text.as_deref(), Some("{{ 7 * 7 }}"));
        let error = t.render(&json!({"name": "x\r\nBcc: y@example.com"})).unwrap_err();
        assert_eq!(error.part, "subject");
    }

    #[test]
    fn unknown_names_and_broken_sources_are_told_with_their_line() {
        let error = template("a\n{{ missing }}").render(&json!({})).unwrap_err();
        assert!(error.problem.starts_with("Line 2: missing has no value"), "{error}");
        for bad in ["{{", "{% for %}", "{% include 'x' %}", "{% extends 'x' %}", "{% import 'x' as y %}"] {
            let problems = template(bad).check().unwrap_err();
            assert_eq!(problems.iter().map(|p| p.field).collect::<Vec<_>>(), ["text"], "{bad}");
        }
        assert!(template("{{ x.y.z | default('none') if x is defined }}").check().is_ok());
    }

    #[test]
    fn a_name_without_a_value_is_found_where_it_is_missed() {
        let data = json!({"user": {"name": "Ann"}, "list": [{"a": 1}, {}], "n": null, "t": "text"});
        for (source, line, missing) in [
            ("{{ nobody }}", 1, "nobody"),
            ("{{ user.name }}\n{{ user.age }}", 2, "user.age"),
            ("{{ user['age'] }}", 1, "user.age"),
            ("{{ user.home.street }}", 1, "user.home"),
            ("{{ t.x }}", 1, "t.x"),
            ("{{ n.x }}", 1, "n"),
            ("{{ nobody | upper }}", 1, "nobody"),
            ("{% if nobody %}x{% endif %}", 1, "nobody"),
            ("{% for x in nobody %}{{ x }}{% endfor %}", 1, "nobody"),
            // Others that are missing, but do no harm.
            ("{{ first | default('x') }} {{ second }}", 1, "second"),
            ("{{ first | d('x') }}{% if second is defined %}{% endif %}{{ third }}", 1, "third"),
            ("{{ 'first' }} {{ second }}", 1, "second"),
            // Of an element of a list the data has no one name.
            ("{% for x in list %}\n{{ x.a }}{% endfor %}", 2, "x.a"),
            ("{% set y = user %}{{ y.age }}", 1, "y.age"),
        ] {
            let error = template(source).render(&data).unwrap_err();
            let wanted = format!("Line {line}: {missing} has no value");
            assert!(error.problem.starts_with(&wanted), "{source}: {error}");
            let of_data = !missing.starts_with(['x', 'y']);
            assert_eq!(error.missing.join("."), if of_data { missing } else { "" }, "{source}");
        }
    }

    #[test]
    fn null_is_what_is_not_there() {
        let data = json!({"name": null, "user": {"name": null, "age": 7}, "list": [{"a": 1}, {"a": null}, null], "n": [1, null],
            "rows": [{"a": 1}, {"a": null}]});
        for source in [
            "{{ name }}",
            "Hello {{ user.name }}.",
            "{{ user['name'] | upper }}",
            "{{ 'a' ~ name }}",
            "{{ name ~ 'a' }}",
            "{% if name %}x{% endif %}",
            "{% for x in list %}{{ x.a }}{% endfor %}",
            "{% for x in n %}{{ x }}{% endfor %}",
            "{{ n | join(',') }}",
            "{{ n[1] }}",
            "{{ n | last }}",
            "{% set y = user.name %}{{ y }}",
        ] {
            let rendered = template(source).render(&data);
            assert!(rendered.is_err(), "{source}: {rendered:?}");
            let html = Template { text: None, html: Some(source.into()), ..template("") };
            assert!(html.render(&data).is_err(), "{source}");
        }
        for (source, text) in [
            ("Hello {{ name | default('you') }}.", "Hello you."),
            ("{{ user.name | d('x') }}{{ user.age }}", "x7"),
            ("{% for x in rows %}{{ x.a | default('-') }}{% endfor %}", "1-"),
            ("{% for x in n %}{{ x | default('') }};{% endfor %}", "1;;"),
            ("{% if name is defined %}a{% else %}b{% endif %}", "b"),
            (
                "{% if name is none %}a{% else %}b{% endif %}{% if user.age is none %}a{% else %}b{% endif %}",
                "ab",
            ),
        ] {
            assert_eq!(template(source).render(&data).map(|r| r.text), Ok(Some(text.to_owned())), "{source}");
        }
        let error = template("a\n{{ user.name }}").render(&data).unwrap_err();
        assert_eq!((error.missing.join("."), &error.problem[..7]), ("user.name".into(), "Line 2:"));
    }

    #[test]
    fn bombs_do_not_go_off() {
        let numbers: Vec<u32> = (0..2_000).collect();
        let data = json!({"list": numbers, "long": "x".repeat(50_000)});
        for bomb in [
            "{% for a in list %}{% for b in list %}{{ a }}{% endfor %}{% endfor %}",
            "{% for a in list %}{% for b in list %}{% if a == b %}{% endif %}{% endfor %}{% endfor %}",
            "{% for a in list %}{{ long }}{% endfor %}",
            "{{ 'x' * 1000000000 }}",
            "{% set a = long ~ long %}{% set a = a ~ a %}{% set a = a ~ a %}{{ a }}",
            "{% set a = long ~ long %}{% set a = a ~ a ~ a ~ a ~ a ~ a ~ a ~ a ~ a %}{{ a }}",
            "{% set x %}{% for a in list %}{{ long }}{% endfor %}{% endset %}",
            "{% filter upper %}{% for a in list %}{{ long }}{% endfor %}{% endfilter %}",
            "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
            "{{ range(100000000) | length }}",
            "{{ '}}' * 1000000000 }}",
            "{{ \"}}\" * 1000000000 }}",
            "{{ {'a': {'b': 'x'}}.a.b * 1000000000 }}",
            "{% set a = '%}' * 1000000000 %}{{ a }}",
            "{% raw %}{{ ' {% endraw %}{{ 'x' * 1000000000 }}",
            "{% for a in list recursive %}{{ long }}{{ loop(list) }}{% endfor %}",
            "{{ long | replace('', long) }}",
            "{{ list | join(long) }}",
            "{% set ns = namespace(s='x') %}",
        ] {
            let outcome = template(bomb).render(&data);
            assert!(outcome.is_err(), "{bomb}: {} bytes", outcome.unwrap().text.unwrap_or_default().len());
        }
    }

    #[test]
    fn what_is_common_is_possible() {
        let t = template(
            "Hello {{ user.name | default('you') }},\n{% for line in lines -%}\n{{ loop.index }}. {{ line.what }}: {{ line.price | times(line.n) }}\n{% else %}nothing\n{% endfor %}{% if total > 100 %}thanks{% endif %}",
        );
        assert_eq!(t.check(), Ok(()));
        let data =
            json!({"user": {"name": "Ann"}, "lines": [{"what": "Tea", "price": 2.5, "n": 2}], "total": 101});
        let text = t.render(&data).unwrap().text.unwrap();
        assert_eq!(text, "Hello Ann,\n1. Tea: 5\nthanks");
    }

    proptest! {
        #[test]
        fn any_source_is_answered(source in "[a-z {}%~'|()0-9.\\-\n]{0,120}") {
            let t = template(&source);
            let _ = t.check();
            let _ = t.render(&json!({"a": 1}));
        }
    }
}
