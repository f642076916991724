//! The text fields of a `multipart/form-data` body (RFC 7578), for HTML forms and `curl -F`.

use axum::http::{HeaderMap, header};

/// Most parts that are looked at.
const MAX_PARTS: usize = 100;
/// Longest boundary, in characters (RFC 2046 §5.1.1). A longer one would be compared at each byte of the body.
const MAX_BOUNDARY: usize = 70;

/// Names and raw values of the parts; what cannot be read as a part is skipped.
pub(crate) fn fields<'a>(headers: &HeaderMap, body: &'a [u8]) -> Vec<(String, &'a [u8])> {
    let Some(boundary) = boundary(headers) else { return Vec::new() };
    let delimiter = [b"--", boundary.as_bytes()].concat();
    let mut out = Vec::new();
    let mut rest = body;
    while let Some(start) = find(rest, &delimiter) {
        rest = &rest[start + delimiter.len()..];
        // The closing delimiter is followed by two more hyphens.
        if rest.starts_with(b"--") || out.len() == MAX_PARTS {
            break;
        }
        let end = find(rest, &delimiter).unwrap_or(rest.len());
        if let Some(part) = part(&rest[..end]) {
            out.push(part);
        }
        rest = &rest[end..];
    }
    out
}

fn boundary(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    let raw = value.split(';').skip(1).find_map(|p| {
        let (name, value) = p.split_once('=')?;
        name.trim().eq_ignore_ascii_case("boundary").then(|| value.trim().trim_matches('"'))
    })?;
    (1..=MAX_BOUNDARY).contains(&raw.len()).then(|| raw.to_owned())
}

fn part(raw: &[u8]) -> Option<(String, &[u8])> {
    let raw = raw.strip_prefix(b"\r\n")?;
    let split = find(raw, b"\r\n\r\n")?;
    let head = std::str::from_utf8(&raw[..split]).ok()?;
    let value = &raw[split + 4..];
    let value = value.strip_suffix(b"\r\n").unwrap_or(value);
    let disposition = head.split("\r\n").find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.trim().eq_ignore_ascii_case("content-disposition").then_some(value)
    })?;
    let name = disposition.split(';').find_map(|p| p.trim().strip_prefix("name="))?;
    Some((name.trim_matches('"').to_owned(), value))
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|w| w == needle)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_found() {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, "multipart/form-data; boundary=\"xyz\"".parse().expect("valid"));
        let body = b"--xyz\r\nContent-Disposition: form-data; name=\"email\"\r\n\r\ndev@example.com\r\n\
            --xyz\r\ncontent-disposition: form-data; name=\"message\"\r\nContent-Type: text/plain\r\n\r\nline\r\none\r\n--xyz--\r\n";
        assert_eq!(
            fields(&headers, body),
            [("email".into(), &b"dev@example.com"[..]), ("message".into(), &b"line\r\none"[..])]
        );
        assert!(fields(&headers, b"--xyz").is_empty());
        assert!(fields(&headers, b"garbage").is_empty());
        assert!(fields(&HeaderMap::new(), body).is_empty());
    }
}
