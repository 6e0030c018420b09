//! Plain HTTP is sent on to HTTPS.

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::{HOST, LOCATION};
use http::uri::{Authority, PathAndQuery};
use http::{HeaderMap, StatusCode, Uri};

/// The port that stands in no URL.
const HTTPS_PORT: u16 = 443;

/// Answers everything with the same place on HTTPS at `port`, for good and with the same method (RFC 9110, section 15.4.9).
pub(super) fn router(port: u16) -> Router {
    Router::new().fallback(send_on).with_state(port)
}

async fn send_on(State(port): State<u16>, uri: Uri, headers: HeaderMap) -> Response {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    match host.and_then(|host| place(host, port, uri.path_and_query())) {
        Some(place) => (StatusCode::PERMANENT_REDIRECT, [(LOCATION, place)]).into_response(),
        None => (StatusCode::BAD_REQUEST, "ask with https://").into_response(),
    }
}

fn place(host: &str, port: u16, path: Option<&PathAndQuery>) -> Option<String> {
    let host: Authority = host.parse().ok()?;
    // Whoever stands in front of an @ has no place here.
    if host.as_str().contains('@') || host.host().is_empty() {
        return None;
    }
    let host = host.host();
    let path = path.map_or("/", PathAndQuery::as_str);
    Some(match port {
        HTTPS_PORT => format!("https://{host}{path}"),
        port => format!("https://{host}:{port}{path}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn path_and_query_stay_and_the_port_is_that_of_https() {
        let path = PathAndQuery::from_static("/rtc/v1?a=b");
        let to = |host, port| place(host, port, Some(&path));
        assert_eq!(to("hanse.test", 443).unwrap(), "https://hanse.test/rtc/v1?a=b");
        assert_eq!(to("hanse.test:80", 443).unwrap(), "https://hanse.test/rtc/v1?a=b");
        assert_eq!(
            to("[2001:db8::1]:80", 8443).unwrap(),
            "https://[2001:db8::1]:8443/rtc/v1?a=b"
        );
        assert_eq!(place("hanse.test", 443, None).unwrap(), "https://hanse.test/");
        for wrong in ["", ":80", "hanse.test@evil.test", "a b", "a/b"] {
            assert_eq!(to(wrong, 443), None, "{wrong:?}");
        }
    }
}
