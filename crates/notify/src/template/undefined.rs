//! Which name had no value. The engine says the line alone, so the names of that line are looked up in the data.

use std::collections::HashSet;

use minijinja::Template;
use minijinja::value::Value as Filled;

use super::{TemplateError, code_end, line_of};

/// Words of the language that are no names.
const WORDS: [&str; 27] = [
    "if",
    "elif",
    "else",
    "endif",
    "for",
    "endfor",
    "in",
    "set",
    "with",
    "endwith",
    "raw",
    "endraw",
    "autoescape",
    "endautoescape",
    "not",
    "and",
    "or",
    "is",
    "true",
    "false",
    "none",
    "True",
    "False",
    "None",
    "loop",
    "recursive",
    "self",
];

/// A name as it is written, `user.address.street`.
struct Written {
    steps: Vec<String>,
    /// Whether the template says what holds without a value: its last step may be missing.
    guarded: bool,
}

/// The sentence about the name that has no value; `None` where none can be found.
pub(super) fn explain(
    part: &'static str,
    template: &Template<'_, '_>,
    data: &Filled,
    line: Option<usize>,
) -> Option<TemplateError> {
    let names = written(template.source(), line?);
    let asked = template.undeclared_variables(false);
    let line = line?;
    if let Some((missing, whole)) = names.iter().find_map(|n| missing(n, data, &asked)) {
        let name = missing.join(".");
        let (last, path) = missing.split_last()?;
        let place: String = path.iter().map(|step| format!(".{step}")).collect();
        let else_ = if whole { format!(", or write {{{{ {name} | default('') }}}}") } else { String::new() };
        let problem = format!("Line {line}: {name} has no value; add \"{last}\" to data{place}{else_}.");
        return Some(TemplateError { missing: missing.to_vec(), ..TemplateError::new(part, problem) });
    }
    // An element of a list, or what the template named itself: the data has no one place for it.
    let own = names.iter().find(|n| n.steps.len() > 1 && !n.guarded && !asked.contains(&n.steps[0]))?;
    let name = own.steps.join(".");
    let problem = format!(
        "Line {line}: {name} has no value; give it one in the data, or write {{{{ {name} | default('') }}}}."
    );
    Some(TemplateError::new(part, problem))
}

/// The way to the first step that the data lacks, and whether it is the whole name.
fn missing<'n>(name: &'n Written, data: &Filled, asked: &HashSet<String>) -> Option<(&'n [String], bool)> {
    if !asked.contains(&name.steps[0]) {
        return None;
    }
    let mut at = data.clone();
    for (i, step) in name.steps.iter().enumerate() {
        at = at
            .get_attr(step)
            .ok()
            .filter(|v| !v.is_undefined())
            .or_else(|| at.get_item(&Filled::from(step.as_str())).ok().filter(|v| !v.is_undefined()))
            .unwrap_or(Filled::UNDEFINED);
        if at.is_undefined() {
            let whole = i + 1 == name.steps.len();
            return (!(whole && name.guarded)).then(|| (&name.steps[..=i], whole));
        }
    }
    None
}

/// The names in the code of a line, in order.
fn written(source: &str, line: usize) -> Vec<Written> {
    let mut out = Vec::new();
    let mut rest = source;
    while let Some(at) = rest.find('{') {
        rest = &rest[at + 1..];
        let end = match rest.as_bytes().first() {
            Some(b'%') => "%}",
            Some(b'{') => "}}",
            _ => continue,
        };
        let code = &rest[1..];
        let code = &code[..code_end(code, end)];
        names(code, |name, at| {
            if line_of(source, &rest[1 + at..]) == line {
                out.push(name);
            }
        });
        rest = &rest[1 + code.len()..];
    }
    out
}

/// Tells each name of a piece of code and where it begins.
fn names(code: &str, mut found: impl FnMut(Written, usize)) {
    let mut at = 0;
    // The last word or sign before a name: after `|` and `is` there is none of the data.
    let mut before = "";
    while let Some(c) = code[at..].chars().next() {
        let here = &code[at..];
        if c == '"' || c == '\'' {
            at += quoted(here);
            before = "text";
        } else if c.is_ascii_alphabetic() || c == '_' {
            let word = &here[..word_len(here)];
            let plain = WORDS.contains(&word) || matches!(before, "|" | "is");
            if plain {
                at += word.len();
                // `is not defined` is one test.
                before = if before == "is" && word == "not" { "is" } else { word };
                continue;
            }
            let (steps, len) = steps(here);
            let after = code[at + len..].trim_start();
            if !is_no_value(after) {
                found(Written { steps, guarded: is_guarded(after) }, at);
            }
            at += len;
            before = "name";
        } else if c.is_ascii_digit() {
            at += word_len(here);
            before = "number";
        } else {
            if !c.is_whitespace() {
                before = &here[..c.len_utf8()];
            }
            at += c.len_utf8();
        }
    }
}

fn word_len(text: &str) -> usize {
    text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len())
}

/// The length of a text in quotes at the beginning of `text`.
fn quoted(text: &str) -> usize {
    let quote = text.as_bytes()[0];
    let mut escaped = false;
    for (i, b) in text.bytes().enumerate().skip(1) {
        match b {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b if b == quote => return i + 1,
            _ => {}
        }
    }
    text.len()
}

/// The steps of the name at the beginning of `text`, and its length: `a.b['c']`.
fn steps(text: &str) -> (Vec<String>, usize) {
    let mut len = word_len(text);
    let mut steps = vec![text[..len].to_owned()];
    loop {
        let rest = &text[len..];
        if let Some(after) = rest.strip_prefix('.')
            && after.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        {
            let word = word_len(after);
            steps.push(after[..word].to_owned());
            len += 1 + word;
        } else if let Some(after) = rest.strip_prefix('[')
            && after.starts_with(['"', '\''])
            && after[quoted(after)..].starts_with(']')
            && quoted(after) >= 2
        {
            let key = quoted(after);
            steps.push(after[1..key - 1].to_owned());
            len += key + 2;
        } else {
            return (steps, len);
        }
    }
}

/// Whether what stands before this is a function, an argument's name or what `set` gives a value to.
fn is_no_value(after: &str) -> bool {
    after.starts_with('(') || (after.starts_with('=') && !after.starts_with("=="))
}

/// Whether what stands before this may be without a value.
fn is_guarded(after: &str) -> bool {
    let word = |text: &str| -> String {
        let text = text.trim_start();
        text[..word_len(text)].to_owned()
    };
    if let Some(filter) = after.strip_prefix('|') {
        return matches!(word(filter).as_str(), "default" | "d");
    }
    if word(after) != "is" {
        return false;
    }
    let test = after[2..].trim_start();
    let test = test.strip_prefix("not ").unwrap_or(test);
    matches!(word(test).as_str(), "defined" | "undefined")
}
