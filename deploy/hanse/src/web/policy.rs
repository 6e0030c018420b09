//! What a browser lets the page do (Content Security Policy Level 3, Permissions Policy): run its own code, and speak with our
//! homeservers, with us, and with the organisations that the configuration names.

use super::config::{Organisations, OwnHomeserver, origin};
use http::HeaderMap;
use http::header::{
    CONTENT_SECURITY_POLICY, HeaderName, HeaderValue, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
    X_FRAME_OPTIONS,
};

/// The policy in one line.
pub fn policy(homeservers: &[OwnHomeserver], sfu_url: &str, organisations: &Organisations) -> String {
    let mut places = vec!["'self'".to_owned()];
    places.extend(
        homeservers
            .iter()
            .filter_map(|homeserver| origin(&homeserver.url)),
    );
    let sfu = sfu_url.strip_prefix("ws").map(|rest| format!("http{rest}"));
    let mut focuses: Vec<String> = sfu.iter().filter_map(|url| origin(url)).collect();
    match organisations {
        Organisations::Any => places.extend(["https:".to_owned(), "wss:".to_owned()]),
        Organisations::These(others) => focuses.extend(others.iter().cloned()),
    }
    for address in focuses {
        let sockets = address.replacen("http", "ws", 1);
        places.extend([address, sockets]);
    }
    let connect = places.join(" ");
    // The crypto is WebAssembly. Nothing is evaluated as a script, and no address but that of the page has one.
    format!(
        "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; style-src 'self'; img-src 'self' blob:; \
         media-src 'self' blob:; manifest-src 'self'; connect-src {connect}; base-uri 'none'; form-action 'none'; \
         frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types hanse"
    )
}

/// Says it all in a response.
pub fn apply(headers: &mut HeaderMap, policy: &HeaderValue) {
    headers.insert(CONTENT_SECURITY_POLICY, policy.clone());
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(
        HeaderName::from_static("permissions-policy"),
        HeaderValue::from_static(
            "camera=(self), microphone=(self), display-capture=(self), geolocation=(), payment=(), usb=()",
        ),
    );
    headers.insert(
        HeaderName::from_static("cross-origin-opener-policy"),
        HeaderValue::from_static("same-origin"),
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    fn homeserver() -> OwnHomeserver {
        OwnHomeserver {
            name: "a.example".to_owned(),
            url: "https://matrix.a.example/below".to_owned(),
        }
    }

    fn connect(policy: &str) -> Vec<&str> {
        let rule = policy
            .split("; ")
            .find_map(|rule| rule.strip_prefix("connect-src "));
        rule.unwrap_or_default().split(' ').collect()
    }

    #[test]
    fn the_page_reaches_its_own_house_and_those_that_are_named_and_nobody_else() {
        let others = Organisations::These(vec!["https://hanse.b.example".to_owned()]);
        let policy = policy(&[homeserver()], "wss://hanse.a.example/livekit/sfu", &others);
        let expected = [
            "'self'",
            "https://matrix.a.example",
            "https://hanse.a.example",
            "wss://hanse.a.example",
            "https://hanse.b.example",
            "wss://hanse.b.example",
        ];
        assert_eq!(connect(&policy), expected);
    }

    #[test]
    fn no_script_is_inline_or_from_elsewhere() {
        let policy = policy(&[homeserver()], "wss://hanse.a.example", &Organisations::Any);
        let script = policy.split("; ").find(|rule| rule.starts_with("script-src"));
        assert_eq!(script, Some("script-src 'self' 'wasm-unsafe-eval'"));
        assert!(
            !policy.contains("'unsafe-inline'") && !policy.contains("'unsafe-eval'"),
            "{policy}"
        );
        assert!(policy.starts_with("default-src 'none'; "), "{policy}");
    }
}
