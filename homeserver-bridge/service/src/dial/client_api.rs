//! Where a client-server API is, as the well-known of a server says.

use hanse_matrixrtc::ServerName;

/// Bytes of the path in front of `/_matrix`. A longer one is none of ours.
const PATH_BYTES_MAX: usize = 1024;

/// An `https` URL without query, taken apart.
#[derive(Clone)]
pub(super) struct ClientApi {
    /// Host, and port if it names one.
    pub(super) host: ServerName,
    /// What stands in front of `/_matrix`; empty, or begins with a slash and ends without one.
    pub(super) path: String,
}

impl ClientApi {
    /// Reads `base_url`. Plain HTTP is refused: what is asked there decides who leaves a call.
    pub(super) fn read(base_url: &str) -> Option<Self> {
        let rest = match base_url.get(..8) {
            Some(scheme) if scheme.eq_ignore_ascii_case("https://") => base_url.get(8..)?,
            _ => return None,
        };
        let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let path = path.trim_end_matches('/');
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~%".contains(&byte);
        let usable = path.len() <= PATH_BYTES_MAX && path.bytes().all(plain);
        usable.then(|| {
            Some(ClientApi {
                host: host.parse().ok()?,
                path: path.to_owned(),
            })
        })?
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_url_is_a_host_and_perhaps_a_path() {
        let read = |url: &str| ClientApi::read(url).map(|api| format!("{} {}", api.host, api.path));
        for (url, read_as) in [
            ("https://matrix.org-a.example", Some("matrix.org-a.example ")),
            (
                "HTTPS://matrix.org-a.example:444/",
                Some("matrix.org-a.example:444 "),
            ),
            ("https://org-a.example/a/b/", Some("org-a.example /a/b")),
            ("http://matrix.org-a.example", None),
            ("https://user@matrix.org-a.example", None),
            ("https://matrix.org-a.example?x=y", None),
            ("https://matrix.org-a.example/a?x=y", None),
            ("https://matrix.org-a.example/a b", None),
            ("https:///a", None),
            ("https://0x7f.1", None),
            ("matrix.org-a.example", None),
            ("", None),
        ] {
            assert_eq!(read(url).as_deref(), read_as, "{url}");
        }
    }
}
