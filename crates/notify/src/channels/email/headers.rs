//! Headers of a message as they go over the wire: text as encoded words where it must be (RFC 2047), lines folded.
//!
//! An independent reader must find what was given, so whatever could be read as something else is encoded as a whole: two
//! spaces, a space at an end, and what looks like an encoded word.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lettre::message::header::{Header, HeaderName, HeaderValue};

use crate::Mailbox;

/// Longest line that is folded to, in bytes: one with encoded words is at most this long (RFC 2047 §2).
const LINE: usize = 76;
/// Most bytes of text in one encoded word: with what is around them 75 (RFC 2047 §2).
const WORD_TEXT: usize = 45;
/// Longest encoded word (RFC 2047 §2).
const MAX_WORD: usize = 75;
/// What is around the text of an encoded word, in bytes.
const WORD_AROUND: usize = "=?utf-8?B??=".len();
/// Longest name that is written in quotes; a longer one is folded as encoded words.
const MAX_QUOTED: usize = 60;

/// The value of a header that is text.
pub(super) fn text(name: &str, value: &str) -> String {
    let mut out = Folded::behind(name);
    if is_plain(value) {
        value.split(' ').for_each(|word| out.token(word));
    } else {
        out.encoded(value);
    }
    out.value
}

/// The value of a header that holds mailboxes.
pub(super) fn mailboxes<'a>(name: &str, list: impl IntoIterator<Item = &'a Mailbox>) -> String {
    let mut out = Folded::behind(name);
    for (i, mailbox) in list.into_iter().enumerate() {
        if i > 0 {
            out.append(",");
        }
        let address = mailbox.address.to_wire();
        match &mailbox.name {
            None => out.token(&address),
            Some(name) => {
                out.phrase(name);
                out.token(&format!("<{address}>"));
            }
        }
    }
    out.value
}

/// The value of a header of the caller's own.
pub(super) fn own(name: &str, value: &str) -> String {
    if !is_structured(name) {
        return text(name, value);
    }
    let mut out = Folded::behind(name);
    match split_phrase(value) {
        Some((phrase, rest)) if needs_words(&phrase) => {
            // No line of its own: of a header that is read as text the line break would be its beginning.
            match one_word(&phrase).filter(|word| out.column + word.len() <= LINE) {
                Some(word) => out.token(&word),
                None => out.encoded(&phrase),
            }
            out.token(rest);
        }
        // As it was given: spaces may stand in quotes, where a line break would be read as something else.
        _ => out.token(value),
    }
    out.value
}

/// What a header of the caller's own cannot say, as the end of a sentence.
pub(crate) fn own_problem(name: &str, value: &str) -> Option<&'static str> {
    if !is_structured(name) || value.is_ascii() {
        return None;
    }
    let only_phrase = split_phrase(value).is_some_and(|(_, rest)| rest.is_ascii());
    (!only_phrase).then_some("may be other than ASCII only in a name before <…>")
}

/// Headers whose parts mean something, so that they cannot be encoded as a whole: mailing lists (RFC 2919, RFC 2369),
/// addresses, and identifiers of messages (RFC 5322 §3.6.4).
fn is_structured(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name.starts_with("list-")
        || name.ends_with("-to")
        || matches!(name.as_str(), "references" | "content-id" | "errors-to")
}

/// `Phrase <rest>` apart, the phrase without its quotes; `None` where nothing stands before the bracket.
fn split_phrase(value: &str) -> Option<(String, &str)> {
    let at = value.rfind('<').filter(|_| value.ends_with('>'))?;
    let phrase = crate::mailbox::unquoted(value[..at].trim());
    (!phrase.is_empty()).then_some((phrase, &value[at..]))
}

/// Whether readers find this text as it is, folded at its spaces.
fn is_plain(text: &str) -> bool {
    !needs_words(text) && !text.starts_with(' ') && !text.ends_with(' ') && !text.contains("  ")
}

fn needs_words(text: &str) -> bool {
    !text.bytes().all(|b| (0x20..0x7f).contains(&b)) || text.contains("=?")
}

/// A text as one encoded word; `None` where it is too long for one.
fn one_word(text: &str) -> Option<String> {
    if text.len() <= WORD_TEXT {
        return Some(format!("=?utf-8?B?{}?=", STANDARD.encode(text)));
    }
    Some(format!("=?utf-8?Q?{}?=", q_text(text))).filter(|word| word.len() <= MAX_WORD)
}

/// The text of an encoded word in the encoding `Q`, fit for a name (RFC 2047 §5 (3)).
fn q_text(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b' ' => out.push('_'),
            b if b.is_ascii_alphanumeric() || b"!*+-/".contains(&b) => out.push(char::from(b)),
            b => {
                let _ = write!(out, "={b:02X}");
            }
        }
    }
    out
}

/// The `Content-Disposition` of a file whose name looks like an encoded word: written as it is readers would decode it.
/// Every other name is the MIME library's.
pub(super) fn disposition(name: &str) -> Option<Disposition> {
    name.contains("=?").then(|| {
        let encoded = percent_encoding::utf8_percent_encode(name, percent_encoding::NON_ALPHANUMERIC);
        Disposition(format!("attachment;\r\n filename*=utf-8''{encoded}"))
    })
}

/// A `Content-Disposition` with an extended parameter (RFC 2231 §4).
#[derive(Clone)]
pub(super) struct Disposition(String);

impl Header for Disposition {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Content-Disposition")
    }

    fn parse(text: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self(text.to_owned()))
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::dangerous_new_pre_encoded(Self::name(), self.0.clone(), self.0.clone())
    }
}

/// Of an atom (RFC 5322 §3.2.3).
fn is_atext(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&b)
}

/// A value that is written token by token.
struct Folded {
    value: String,
    /// How long the line is by now.
    column: usize,
}

impl Folded {
    fn behind(name: &str) -> Self {
        Self { value: String::new(), column: name.len() + 2 }
    }

    fn append(&mut self, text: &str) {
        self.value.push_str(text);
        self.column += text.len();
    }

    /// A space, or a new line when `len` more bytes do not fit. The first token stays beside the name: readers differ about a
    /// first line that is empty.
    fn space(&mut self, len: usize) {
        if self.value.is_empty() {
            return;
        }
        if self.column + 1 + len > LINE {
            self.value.push_str("\r\n");
            self.column = 0;
        }
        self.append(" ");
    }

    fn token(&mut self, token: &str) {
        self.space(token.len());
        self.append(token);
    }

    /// A name before an address: words, a text in quotes (RFC 5322 §3.2.4), or encoded words, which never stand in quotes
    /// (RFC 2047 §5).
    fn phrase(&mut self, name: &str) {
        let plain = is_plain(name);
        if plain && name.bytes().all(|b| b == b' ' || is_atext(b)) {
            return name.split(' ').for_each(|word| self.token(word));
        }
        if needs_words(name) || name.len() > MAX_QUOTED {
            return self.encoded_phrase(name);
        }
        self.token(&format!("\"{}\"", name.replace('\\', "\\\\").replace('"', "\\\"")));
    }

    /// One encoded word where that suffices, on a line of its own if need be: some readers put a space between two of them
    /// in a name.
    fn encoded_phrase(&mut self, name: &str) {
        match one_word(name) {
            Some(word) if self.value.is_empty() && self.column + word.len() > LINE => {
                self.value.push_str("\r\n");
                self.column = 0;
                self.append(&format!(" {word}"));
            }
            Some(word) => self.token(&word),
            None => self.encoded(name),
        }
    }

    /// Encoded words; readers drop the space between them, so that the text's own spaces are all that is left.
    fn encoded(&mut self, text: &str) {
        let mut rest = text;
        while !rest.is_empty() {
            // Of the first line what is left behind the name.
            let left = LINE.saturating_sub(self.column + 1 + WORD_AROUND) / 4 * 3;
            let fits = if self.value.is_empty() { left } else { WORD_TEXT };
            // A word holds whole characters (RFC 2047 §5), and the longest has four bytes.
            let end = rest.floor_char_boundary(fits.clamp(4, WORD_TEXT).min(rest.len()));
            let word = STANDARD.encode(&rest[..end]);
            self.token(&format!("=?utf-8?B?{word}?="));
            rest = &rest[end..];
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn plain_text_stays_and_what_would_be_read_otherwise_is_encoded() {
        assert_eq!(text("Subject", "Hello, world"), "Hello, world");
        assert_eq!(text("Subject", "a"), "a");
        for encoded in ["Grüße", "=?utf-8?B?SGVsbG8=?=", "x=?y", "a  b", " a", "a "] {
            let value = text("Subject", encoded);
            assert_eq!(value, format!("=?utf-8?B?{}?=", STANDARD.encode(encoded)), "{encoded:?}");
        }
    }

    #[test]
    fn names_are_words_or_quoted_or_encoded() {
        for (name, written) in [
            ("Ada Lovelace", "Ada Lovelace <a@example.com>"),
            ("J. \"Q\" Public", "\"J. \\\"Q\\\" Public\" <a@example.com>"),
            ("back\\slash", "\"back\\\\slash\" <a@example.com>"),
            ("two  spaces", "\"two  spaces\" <a@example.com>"),
            ("Söder, Shop", "=?utf-8?B?U8O2ZGVyLCBTaG9w?= <a@example.com>"),
            ("=?x?=", "=?utf-8?B?PT94Pz0=?= <a@example.com>"),
            (
                "Müller & Cie. Gesellschaft mit beschränkter Haf",
                "\r\n =?utf-8?Q?M=C3=BCller_=26_Cie=2E_Gesellschaft_mit_beschr=C3=A4nkter_Haf?=\r\n <a@example.com>",
            ),
        ] {
            let mailbox = Mailbox { name: Some(name.into()), address: "a@example.com".parse().unwrap() };
            assert_eq!(mailboxes("To", [&mailbox]), written);
        }
        let bare: Mailbox = "a@example.com".parse().unwrap();
        assert_eq!(mailboxes("To", [&bare, &bare]), "a@example.com, a@example.com");
    }

    #[test]
    fn what_stands_in_brackets_is_never_encoded() {
        for (name, value, written) in [
            ("List-Id", "news <news.example.com>", "news <news.example.com>"),
            ("List-Id", "\"a  b\" <news.example.com>", "\"a  b\" <news.example.com>"),
            (
                "list-id",
                "\"Ünï \\\"x\\\"\" <news.example.com>",
                "=?utf-8?B?w5xuw68gIngi?= <news.example.com>",
            ),
            ("List-Help", "<https://example.com/?a=?b?=>", "<https://example.com/?a=?b?=>"),
            ("X-Note", "größer <b>", "=?utf-8?B?Z3LDtsOfZXIgPGI+?="),
        ] {
            assert_eq!(own(name, value), written);
            assert_eq!(own_problem(name, value), None);
        }
        assert!(own_problem("List-Help", "<https://example.com/ü>").is_some());
        assert!(own_problem("References", "ü").is_some());
        assert!(own_problem("X-Note", "<ü>").is_none());
    }

    proptest! {
        #[test]
        fn lines_are_short_ascii_and_never_empty(value in "[ a-zé🎉=?\"]{0,300}", name in "[A-Z][a-z-]{0,75}") {
            let value = text(&name, &value);
            for (i, line) in value.split("\r\n").enumerate() {
                prop_assert!(line.bytes().all(|b| (0x20..0x7f).contains(&b)), "{:?}", line);
                prop_assert!(i == 0 || (line.starts_with(' ') && !line.trim().is_empty()), "{:?}", line);
                if line.contains("=?") && (i > 0 || name.len() < 50) {
                    prop_assert!(line.len() + if i == 0 { name.len() + 2 } else { 0 } <= LINE, "{:?}", line);
                }
            }
        }
    }
}
