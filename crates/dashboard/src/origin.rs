//! Refuses forms that another site's page posts. The guard around the whole server does so too;
//! the forms that change something do not lean on it.

use axum::http::{HeaderMap, header};

/// Whether a browser says that this request comes from another site's page. A request without
/// either header is not a browser's.
pub(crate) fn is_foreign(headers: &HeaderMap) -> bool {
    // Sec-Fetch-Site cannot be set by a page, so it decides where it is sent.
    if let Some(site) = headers.get("sec-fetch-site") {
        return !matches!(site.as_bytes(), b"same-origin" | b"none");
    }
    let Some(origin) = headers.get(header::ORIGIN) else {
        return false;
    };
    let (Ok(origin), Some(Ok(host))) = (origin.to_str(), headers.get(header::HOST).map(|h| h.to_str()))
    else {
        return true;
    };
    // The scheme is left aside: a proxy may end TLS in front of us. `null` has none and is foreign.
    origin.split_once("://").is_none_or(|(_, authority)| !authority.eq_ignore_ascii_case(host))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(k, v)| (k.parse().unwrap(), v.parse().unwrap())).collect()
    }

    #[test]
    fn own_pages_and_programs_are_let_through_and_other_sites_are_not() {
        let host = ("host", "127.0.0.1:8000");
        for own in [
            vec![host],
            vec![host, ("sec-fetch-site", "same-origin")],
            vec![host, ("sec-fetch-site", "none")],
            vec![host, ("origin", "http://127.0.0.1:8000")],
        ] {
            assert!(!is_foreign(&headers(&own)), "{own:?}");
        }
        for foreign in [
            vec![host, ("sec-fetch-site", "cross-site"), ("origin", "http://127.0.0.1:8000")],
            vec![host, ("sec-fetch-site", "same-site")],
            vec![host, ("origin", "http://127.0.0.1:9000")],
            vec![host, ("origin", "http://evil.example")],
            vec![host, ("origin", "null")],
            vec![("origin", "http://127.0.0.1:8000")],
        ] {
            assert!(is_foreign(&headers(&foreign)), "{foreign:?}");
        }
    }
}
