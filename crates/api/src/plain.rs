//! One spelling of an address: a percent-encoded letter, digit, `-`, `.`, `_` or `~` is the same as a plain one (RFC 3986
//! §6.2.2.2), and routes are matched by the plain one.

use axum::http::Uri;
use axum::http::uri::PathAndQuery;

/// `uri` with the unreserved characters of its path written plainly; `None` where they are so already.
pub(crate) fn uri(uri: &Uri) -> Option<Uri> {
    let path = path(uri.path())?;
    let whole = match uri.query() {
        Some(query) => format!("{path}?{query}"),
        None => path,
    };
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(whole).ok()?);
    Uri::from_parts(parts).ok()
}

fn path(path: &str) -> Option<String> {
    if !path.contains('%') {
        return None;
    }
    let mut out = String::with_capacity(path.len());
    let mut rest = path;
    while let Some((before, after)) = rest.split_once('%') {
        out.push_str(before);
        rest = after;
        let byte = after.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match byte.map(char::from) {
            Some(c) if c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_' | '~') => {
                out.push(c);
                rest = &after[2..];
            }
            _ => out.push('%'),
        }
    }
    out.push_str(rest);
    (out != path).then_some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unreserved_characters_are_written_plainly_and_no_others() {
        for (given, plain) in [
            ("/health", None),
            ("/hea%6Cth", Some("/health")),
            ("/%68%65%61%6c%74%68?a=%41", Some("/health?a=%41")),
            ("/v1/queues/q/lanes/a%2Fb%2D1", Some("/v1/queues/q/lanes/a%2Fb-1")),
            ("/a%2541", None),
            ("/a%zz%4", None),
            ("/a%+1%ff%C3%A9", None),
            ("/a%7E%5f%2e", Some("/a~_.")),
        ] {
            let read = uri(&given.parse().expect("an address")).map(|u| u.to_string());
            assert_eq!(read.as_deref(), plain, "{given}");
        }
        let absolute = "http://h.test/%61?x".parse().expect("an address");
        assert_eq!(uri(&absolute).map(|u| u.to_string()).as_deref(), Some("http://h.test/a?x"));
    }
}
