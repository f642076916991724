//! The text of an HTML part, for readers that show no HTML.

use html5gum::{DefaultEmitter, StartTag, Token, Tokenizer};

/// The text of an HTML part: tags dropped, blocks on lines of their own, the target of a link behind its text. Plain, not
/// pretty: who wants it pretty sends a text too.
///
/// What is a tag and what a character reference stands for is as browsers read it (WHATWG HTML §13.2.5).
pub fn html_to_text(html: &str) -> String {
    let mut emitter = DefaultEmitter::default();
    // Within a script or a title there are no tags.
    emitter.naively_switch_states(true);
    let mut out = Writer::default();
    for Ok(token) in Tokenizer::new_with_emitter(html, emitter) {
        match token {
            Token::StartTag(tag) => out.start(&tag),
            Token::EndTag(tag) => out.end(&tag.name),
            Token::String(text) => out.text(&String::from_utf8_lossy(&text)),
            Token::Comment(_) | Token::Doctype(_) | Token::Error(_) => {}
        }
    }
    out.close_link();
    out.text.trim().to_owned()
}

/// A link that is not closed yet.
struct Link {
    /// Where it leads, unless that is a place in the message itself.
    target: String,
    /// Where its text begins.
    from: usize,
}

#[derive(Default)]
struct Writer {
    text: String,
    link: Option<Link>,
    /// The element whose content nobody sees, until its end.
    hidden: Option<Vec<u8>>,
}

impl Writer {
    fn start(&mut self, tag: &StartTag<()>) {
        if self.hidden.is_some() {
            return;
        }
        match &*tag.name.0 {
            b"script" | b"style" | b"title" | b"template" | b"noscript" => {
                self.hidden = Some(tag.name.to_vec());
            }
            b"a" => {
                // Links do not nest.
                self.close_link();
                let target = attribute(tag, "href").unwrap_or_default();
                self.link = Some(Link { target, from: self.text.len() });
            }
            b"img" => self.text(&attribute(tag, "alt").unwrap_or_default()),
            b"td" | b"th" => self.text(" "),
            name if is_block(name) => self.break_line(),
            _ => {}
        }
    }

    fn end(&mut self, name: &[u8]) {
        if let Some(hidden) = &self.hidden {
            if hidden == name {
                self.hidden = None;
            }
            return;
        }
        match name {
            b"a" => self.close_link(),
            name if is_block(name) => self.break_line(),
            _ => {}
        }
    }

    /// Text, its white space as one space.
    fn text(&mut self, text: &str) {
        if self.hidden.is_some() {
            return;
        }
        for c in text.chars() {
            if !c.is_whitespace() {
                self.text.push(c);
            } else if !self.text.is_empty() && !self.text.ends_with([' ', '\n']) {
                self.text.push(' ');
            }
        }
    }

    fn break_line(&mut self) {
        self.text.truncate(self.text.trim_end_matches(' ').len());
        if !self.text.is_empty() && !self.text.ends_with('\n') {
            self.text.push('\n');
        }
    }

    /// Writes where a link leads behind its text, unless the text says so itself.
    fn close_link(&mut self) {
        let Some(Link { target, from }) = self.link.take() else { return };
        let Some(shown) = shown_target(&target) else { return };
        let said = self.text.get(from..).unwrap_or("").trim();
        if said.is_empty() {
            return self.text(&format!(" {shown}"));
        }
        if said == shown || said == target.trim() || said.trim_end_matches('/') == shown.trim_end_matches('/')
        {
            return;
        }
        let behind = self.text.trim_end().len();
        let tail = self.text.split_off(behind);
        self.text.push_str(&format!(" ({shown}){tail}"));
    }
}

/// A link's target as it is shown; `None` where it leads nowhere from a text.
fn shown_target(target: &str) -> Option<&str> {
    let target = target.trim();
    let scheme = target.split_once(':').map(|(s, _)| s.to_ascii_lowercase());
    match scheme.as_deref() {
        Some("mailto" | "tel") => target.split_once(':').map(|(_, rest)| rest),
        Some("javascript" | "data" | "cid") => None,
        _ => Some(target).filter(|t| !t.is_empty() && !t.starts_with('#')),
    }
}

fn attribute(tag: &StartTag<()>, name: &str) -> Option<String> {
    tag.attributes.get(name.as_bytes()).map(|value| String::from_utf8_lossy(value).into_owned())
}

fn is_block(name: &[u8]) -> bool {
    matches!(
        name,
        b"address"
            | b"article"
            | b"aside"
            | b"blockquote"
            | b"body"
            | b"br"
            | b"center"
            | b"dd"
            | b"div"
            | b"dl"
            | b"dt"
            | b"fieldset"
            | b"figcaption"
            | b"figure"
            | b"footer"
            | b"form"
            | b"h1"
            | b"h2"
            | b"h3"
            | b"h4"
            | b"h5"
            | b"h6"
            | b"header"
            | b"hr"
            | b"li"
            | b"main"
            | b"nav"
            | b"ol"
            | b"p"
            | b"pre"
            | b"section"
            | b"table"
            | b"tr"
            | b"ul"
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn html_loses_its_tags() {
        let html = "<html><head><title>T</title><style>p{}</style></head><body><h1>Hi &amp; bye</h1>\
                    <p>One\n two<br>three</p><!-- no --><SCRIPT>x(a<b)</SCRIPT><ul><li>a<li>b</ul></body>";
        assert_eq!(html_to_text(html), "Hi & bye\nOne two\nthree\na\nb");
        assert_eq!(html_to_text("<head><title>T</title><body>Open head"), "Open head");
        assert_eq!(html_to_text("<tr><td>a<td>b<tr><td>c</table>"), "a b\nc");
        assert_eq!(html_to_text("<p title=\"a > b\">x</p>"), "x");
    }

    #[test]
    fn references_are_decoded_once_as_browsers_do() {
        for (html, text) in [
            ("Caf&eacute; &mdash; 5 &euro; &#8217;x&#x2019; &copy; 2026", "Café — 5 € ’x’ © 2026"),
            ("O&#x27;Brien &#x2f;a&#47;b", "O'Brien /a/b"),
            ("&amp;lt; &amp;#39;", "&lt; &#39;"),
            // Without a semicolon where old pages have none; others stay.
            ("AT&amp T &copy 1 &nosuch; &noti; a&b", "AT& T © 1 &nosuch; ¬i; a&b"),
            ("&#128; &#0; &#x110000;", "€ \u{fffd} \u{fffd}"),
            ("a&nbsp;&nbsp;b", "a b"),
        ] {
            assert_eq!(html_to_text(html), text, "{html}");
        }
    }

    #[test]
    fn a_lone_bracket_is_text() {
        for (html, text) in [
            ("If 3 < 5 then pay 10 > 2", "If 3 < 5 then pay 10 > 2"),
            ("a <3 b", "a <3 b"),
            ("x <= y << z <", "x <= y << z <"),
            ("a <b>c</b> <?php x?> d <!doctype x> e </ f> g", "a c d e g"),
        ] {
            assert_eq!(html_to_text(html), text, "{html}");
        }
    }

    #[test]
    fn the_target_of_a_link_stands_behind_its_text() {
        for (html, text) in [
            ("<a href=\"https://e.com/r?t=1&amp;u=2\">Reset</a> now", "Reset (https://e.com/r?t=1&u=2) now"),
            ("<a href='https://e.com/'>https://e.com</a>", "https://e.com"),
            ("<A HREF=https://e.com/x>here </A>or", "here (https://e.com/x) or"),
            (
                "<a href=\"mailto:a@e.com\">a@e.com</a>, <a href=\"mailto:a@e.com\">us</a>",
                "a@e.com, us (a@e.com)",
            ),
            ("<a href=\"https://e.com\"><img src=x alt=Logo></a>", "Logo (https://e.com)"),
            ("<a href=\"https://e.com\"><img src=x></a>", "https://e.com"),
            ("<a href=\"#top\">top</a> <a name=x>y</a> <a href=\"javascript:x()\">z</a>", "top y z"),
            ("<a href=1>a<a href=2>b</a>", "a (1)b (2)"),
            ("<p><a href=\"https://e.com\">open", "open (https://e.com)"),
        ] {
            assert_eq!(html_to_text(html), text, "{html}");
        }
    }

    proptest! {
        #[test]
        fn any_html_is_answered_and_text_without_marks_stays(html in "[ -~é<>&;/\"\n]{0,200}", words in "[a-zé]{1,9}( [a-zé]{1,9}){0,9}") {
            let _ = html_to_text(&html);
            prop_assert_eq!(html_to_text(&format!("<div><p>{words}</p></div>")), words);
        }
    }
}
