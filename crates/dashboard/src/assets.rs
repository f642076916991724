//! The stylesheet, the script and the icon: compiled in, named by their content, cached for ever.

use std::sync::LazyLock;

use axum::extract::Path;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};

use crate::view::AssetUrls;

struct Asset {
    stem: &'static str,
    suffix: &'static str,
    mime: &'static str,
    body: &'static str,
    hash: String,
}

impl Asset {
    fn new(stem: &'static str, suffix: &'static str, mime: &'static str, body: &'static str) -> Self {
        let digest = Sha256::digest(body);
        let hash = digest[..8].iter().map(|b| format!("{b:02x}")).collect();
        Self { stem, suffix, mime, body, hash }
    }

    fn url(&self) -> String {
        format!("/assets/{}-{}.{}", self.stem, self.hash, self.suffix)
    }
}

static ASSETS: LazyLock<[Asset; 3]> = LazyLock::new(|| {
    [
        Asset::new("app", "css", "text/css; charset=utf-8", include_str!("../assets/app.css")),
        Asset::new("app", "js", "text/javascript; charset=utf-8", include_str!("../assets/app.js")),
        Asset::new("favicon", "svg", "image/svg+xml", include_str!("../assets/favicon.svg")),
    ]
});

/// Where the assets of this build are.
pub(crate) fn urls() -> AssetUrls {
    let [css, js, icon] = &*ASSETS;
    AssetUrls { css: css.url(), js: js.url(), icon: icon.url() }
}

/// `GET /assets/{file}`. A name with an old hash gets the present content, uncached: while a fleet
/// is upgraded, a page of one version may ask a process of another for its assets.
pub(crate) async fn serve(Path(file): Path<String>, headers: HeaderMap) -> Response {
    let Some((stem, hash, suffix)) = split(&file) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    match ASSETS.iter().find(|a| a.stem == stem && a.suffix == suffix) {
        Some(asset) => respond(asset, hash == asset.hash, &headers),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

/// `GET /favicon.ico`, which some clients ask for whatever the page says.
pub(crate) async fn favicon(headers: HeaderMap) -> Response {
    respond(&ASSETS[2], false, &headers)
}

fn split(file: &str) -> Option<(&str, &str, &str)> {
    let (name, suffix) = file.rsplit_once('.')?;
    let (stem, hash) = name.rsplit_once('-')?;
    Some((stem, hash, suffix))
}

fn respond(asset: &Asset, current: bool, headers: &HeaderMap) -> Response {
    let etag = format!("\"{}\"", asset.hash);
    let known = headers
        .get(header::IF_NONE_MATCH)
        .and_then(|v| v.to_str().ok())
        .is_some_and(|v| v.split(',').any(|t| t.trim().trim_start_matches("W/") == etag));
    let mut response =
        if known { StatusCode::NOT_MODIFIED.into_response() } else { asset.body.into_response() };
    let out = response.headers_mut();
    out.insert(header::CONTENT_TYPE, HeaderValue::from_static(asset.mime));
    let cache = if current { "public, max-age=31536000, immutable" } else { "no-cache" };
    out.insert(header::CACHE_CONTROL, HeaderValue::from_static(cache));
    out.insert(header::ETAG, HeaderValue::from_str(&etag).expect("hex digits in quotes"));
    out.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_asset_is_cached_for_ever_under_its_own_name_and_not_under_another() {
        let mut headers = HeaderMap::new();
        let fresh = respond(&ASSETS[0], true, &headers);
        assert_eq!(fresh.status(), StatusCode::OK);
        assert!(fresh.headers()[header::CACHE_CONTROL].to_str().unwrap().contains("immutable"));
        headers.insert(header::IF_NONE_MATCH, fresh.headers()[header::ETAG].clone());
        let again = respond(&ASSETS[0], false, &headers);
        assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
        assert_eq!(again.headers()[header::CACHE_CONTROL], "no-cache");
    }

    #[test]
    fn names_are_taken_apart() {
        assert_eq!(split("app-0123.css"), Some(("app", "0123", "css")));
        assert_eq!(split("app.css"), None);
        assert_eq!(split("../app"), None);
    }
}
