//! The files of the web client, as they are in this executable.

use axum::response::{IntoResponse, Response};
use flate2::read::GzDecoder;
use http::header::{ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, VARY};
use http::{HeaderMap, HeaderValue, StatusCode};
use std::io::Read;

/// Paths below the folder in which the web client was built, and what is there. A path that ends in `.gz` is that of the file
/// without this ending, packed.
static FILES: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/web.rs"));

/// What packed files are called.
const PACKED: &str = ".gz";

/// Files below this have their content in their names.
const NAMED_BY_CONTENT: &str = "assets/";

/// Whether the web client is in this executable.
pub fn are_here() -> bool {
    !FILES.is_empty()
}

/// A file by its path, for whoever sends these headers.
pub fn file(path: &str, headers: &HeaderMap) -> Response {
    let found = FILES.iter().find_map(|(name, bytes)| {
        let is_packed = name.strip_suffix(PACKED) == Some(path);
        (is_packed || *name == path).then_some((is_packed, *bytes))
    });
    let Some((is_packed, bytes)) = found else {
        return (StatusCode::NOT_FOUND, "there is nothing at this path").into_response();
    };
    let mut response = if !is_packed || takes_packed(headers) {
        bytes.into_response()
    } else {
        let mut unpacked = Vec::new();
        match GzDecoder::new(bytes).read_to_end(&mut unpacked) {
            Ok(_) => unpacked.into_response(),
            Err(_) => return StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        }
    };
    let said = response.headers_mut();
    said.insert(CONTENT_TYPE, HeaderValue::from_static(content_type(path)));
    let caching = if path.starts_with(NAMED_BY_CONTENT) {
        "public, max-age=31536000, immutable"
    } else {
        "no-cache"
    };
    said.insert(CACHE_CONTROL, HeaderValue::from_static(caching));
    if is_packed {
        said.insert(VARY, HeaderValue::from_static("accept-encoding"));
        if takes_packed(headers) {
            said.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
    }
    response
}

fn takes_packed(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(ACCEPT_ENCODING).iter();
    accepted
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|coding| {
            let (name, quality) = coding.split_once(';').unwrap_or((coding, ""));
            let is_refused = ["q=0", "q=0.0", "q=0.00", "q=0.000"].contains(&quality.trim());
            name.trim().eq_ignore_ascii_case("gzip") && !is_refused
        })
}

fn content_type(path: &str) -> &'static str {
    match path.rsplit_once('.').map(|(_, ending)| ending) {
        Some("html") => "text/html; charset=utf-8",
        Some("js" | "mjs") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("json" | "webmanifest") => "application/json",
        Some("wasm") => "application/wasm",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("txt") => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(accept_encoding: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        if let Ok(value) = accept_encoding.parse() {
            headers.insert(ACCEPT_ENCODING, value);
        }
        headers
    }

    #[test]
    fn only_who_takes_gzip_is_sent_packed_files() {
        for takes in ["gzip", "gzip, deflate, br, zstd", "br, GZIP;q=0.5"] {
            assert!(takes_packed(&headers(takes)), "{takes}");
        }
        for refuses in ["", "br", "identity", "gzip;q=0", "xgzip"] {
            assert!(!takes_packed(&headers(refuses)), "{refuses}");
        }
        assert!(!takes_packed(&HeaderMap::new()));
    }

    #[test]
    fn nothing_but_the_files_of_the_client_is_served() {
        for path in [
            "",
            "..",
            "../Cargo.toml",
            "/etc/passwd",
            "assets/",
            "index.html.gz.gz",
        ] {
            let response = file(path, &headers("gzip"));
            assert_eq!(response.status(), StatusCode::NOT_FOUND, "{path}");
        }
    }
}
