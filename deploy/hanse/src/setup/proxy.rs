//! Files for the reverse proxy in front of Hanse: TLS, the routes that people's clients use, and nothing else. The server API
//! and what homeservers push stay inside.

use super::files::{Readers, Wanted};
use crate::focus::FOCUS_PATH;
use crate::web::BESIDE;
use std::path::Path;

/// Where a Hanse listens that nothing else is said of.
const USUAL_UPSTREAM: &str = "127.0.0.1:7880";

/// A file for one kind of proxy.
pub struct ProxyFile {
    /// Whose.
    program: &'static str,
    /// Its name in the folder.
    name: &'static str,
    /// What is in it.
    text: String,
    /// Where its program keeps its settings.
    place: &'static str,
    /// What to do with it; `{file}` is its path.
    use_it: &'static str,
}

impl ProxyFile {
    /// The file in its folder.
    pub fn wanted(&self, folder: &Path) -> Wanted {
        Wanted {
            path: folder.join(self.name),
            text: self.text.clone(),
            readers: Readers::Everybody,
            about: format!("For {} in front of Hanse, if that is yours.", self.program),
        }
    }

    fn use_it(&self, folder: &Path) -> String {
        self.use_it
            .replace("{file}", &folder.join(self.name).display().to_string())
    }
}

/// What to do with them: for the proxies that are on this machine, or for all where none is.
pub fn steps(files: &[ProxyFile; 4], public_url: &str, folder: &Path) -> Vec<String> {
    let here: Vec<&ProxyFile> = files
        .iter()
        .filter(|file| Path::new(file.place).is_dir())
        .collect();
    let chosen = if here.is_empty() {
        files.iter().collect()
    } else {
        here
    };
    let mut steps = vec![format!(
        "Have the name in {public_url} point to this machine, and one reverse proxy answer there with a certificate:"
    )];
    steps.extend(
        chosen
            .iter()
            .map(|file| format!("{}: {}", file.program, file.use_it(folder))),
    );
    steps
}

/// One file for each kind of proxy. `None`: `public_url` is not `https://` and a name alone, so a proxy in front of it does
/// something that only its administrator knows.
///
/// `hanse_url` is where the homeserver reaches Hanse, and so where a proxy beside it does. If it is not `http://` with host and
/// port, it leads through that proxy already, and Hanse is taken to listen on this machine.
pub fn files(public_url: &str, hanse_url: &str) -> Option<[ProxyFile; 4]> {
    let host = public_url
        .strip_prefix("https://")?
        .trim_end_matches('/')
        .to_ascii_lowercase();
    let is_name = |text: &str| {
        !text.is_empty()
            && text
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-'))
    };
    if !is_name(&host) {
        return None;
    }
    let upstream = hanse_url
        .strip_prefix("http://")
        .map(|rest| rest.trim_end_matches('/'))
        .filter(|rest| {
            let parts = rest.rsplit_once(':');
            parts.is_some_and(|(host, port)| is_name(host) && port.parse::<u16>().is_ok())
        })
        .unwrap_or(USUAL_UPSTREAM);
    Some([
        ProxyFile {
            program: "nginx",
            name: "proxy-nginx.conf",
            text: filled(NGINX, &host, upstream),
            place: "/etc/nginx",
            use_it: "cp {file} /etc/nginx/conf.d/hanse.conf && nginx -t && systemctl reload nginx",
        },
        ProxyFile {
            program: "Caddy",
            name: "proxy-Caddyfile",
            text: filled(CADDY, &host, upstream),
            place: "/etc/caddy",
            use_it: "cat {file} >> /etc/caddy/Caddyfile && systemctl reload caddy",
        },
        ProxyFile {
            program: "Traefik",
            name: "proxy-traefik.toml",
            text: filled(TRAEFIK, &host, upstream),
            place: "/etc/traefik",
            use_it: "copy {file} into the folder of its file provider, and name your entry point and certificate resolver in it",
        },
        ProxyFile {
            program: "HAProxy",
            name: "proxy-haproxy.cfg",
            text: filled(HAPROXY, &host, upstream),
            place: "/etc/haproxy",
            use_it: "merge {file} into /etc/haproxy/haproxy.cfg, then haproxy -c -f /etc/haproxy/haproxy.cfg && systemctl reload \
                     haproxy",
        },
    ])
}

/// The files of the page that have paths of their own, what it is told, and what this server does with people's data.
const PAGE: [&str; BESIDE.len() + 3] = {
    let [manifest, icon, notices, without_network] = BESIDE;
    [
        "config.json",
        manifest,
        icon,
        notices,
        without_network,
        "privacy",
        "privacy.json",
    ]
};

fn filled(template: &str, host: &str, upstream: &str) -> String {
    let each = |form: &dyn Fn(&str) -> String, between: &str| PAGE.map(form).join(between);
    template
        .replace("{page}", &each(&|name| name.replace('.', "\\."), "|"))
        .replace("{page paths}", &each(&|name| format!("/{name}"), " "))
        .replace(
            "{page matchers}",
            &each(&|name| format!("Path(`/{name}`)"), " || "),
        )
        .replace("{host}", host)
        .replace("{upstream}", upstream)
        .replace("{focus}", FOCUS_PATH)
}

const NGINX: &str = r#"# Hanse behind nginx, as `hanse setup` wrote it.
server {
    listen 443 ssl;
    listen [::]:443 ssl;
    server_name {host};
    ssl_certificate /etc/letsencrypt/live/{host}/fullchain.pem;
    ssl_certificate_key /etc/letsencrypt/live/{host}/privkey.pem;

    # A client's first message is part of the address that it asks for, and may have 64 KiB.
    large_client_header_buffers 4 128k;

    proxy_http_version 1.1;
    proxy_set_header Host $host;
    # Whatever the client says there itself is dropped.
    proxy_set_header X-Forwarded-For $remote_addr;

    # Signalling, a WebSocket for as long as a call lasts. Its address has a token in it: no log.
    location ~ ^/rtc(/|$) {
        access_log off;
        error_log /dev/null;
        proxy_pass http://{upstream};
        proxy_set_header Host $host;
        proxy_set_header X-Forwarded-For $remote_addr;
        proxy_set_header Upgrade $http_upgrade;
        proxy_set_header Connection "upgrade";
        proxy_read_timeout 1h;
        proxy_send_timeout 1h;
    }

    # The focus. It says itself which pages may read its answers (CORS).
    location {focus}/ {
        proxy_pass http://{upstream};
    }

    # The page for people's browsers.
    location ~ ^/({page})?$ {
        proxy_pass http://{upstream};
    }
    location /assets/ {
        proxy_pass http://{upstream};
    }

    location / {
        return 404;
    }
}
"#;

const CADDY: &str = r"# Hanse behind Caddy, as `hanse setup` wrote it. Caddy gets the certificate, passes WebSockets and long addresses on, and writes
# no log unless it is told to: leave /rtc out of it, tokens are in its addresses.
{host} {
	@hanse path /rtc /rtc/* {focus}/* / {page paths} /assets/*
	handle @hanse {
		reverse_proxy http://{upstream}
	}
	handle {
		respond 404
	}
}
";

const TRAEFIK: &str = r#"# Hanse behind Traefik, as `hanse setup` wrote it. WebSockets and long addresses pass. Leave /rtc out of an access log: tokens are
# in its addresses.
[http.routers.hanse]
rule = "Host(`{host}`) && (Path(`/rtc`) || PathPrefix(`/rtc/`) || PathPrefix(`{focus}/`) || Path(`/`) || {page matchers} || PathPrefix(`/assets/`))"
entryPoints = ["websecure"]
service = "hanse"
tls.certResolver = "letsencrypt"

[[http.services.hanse.loadBalancer.servers]]
url = "http://{upstream}"
"#;

const HAPROXY: &str = r"# Hanse behind HAProxy, as `hanse setup` wrote it. The certificate and its key are in one file.
global
    # A client's first message is part of the address that it asks for, and may have 64 KiB.
    tune.bufsize 131072
    tune.maxrewrite 1024

defaults
    mode http
    timeout connect 5s
    timeout client 60s
    timeout server 60s
    # Signalling is a WebSocket for as long as a call lasts.
    timeout tunnel 1h

frontend hanse
    bind :443 ssl crt /etc/haproxy/certs/{host}.pem
    bind :::443 v6only ssl crt /etc/haproxy/certs/{host}.pem
    acl for_hanse hdr(host) -i {host}
    acl for_clients path /rtc / {page paths}
    acl for_clients path_beg /rtc/ {focus}/ /assets/
    http-request deny deny_status 404 unless for_hanse for_clients
    # Whatever the client says there itself is dropped.
    http-request set-header X-Forwarded-For %[src]
    default_backend hanse

backend hanse
    server hanse {upstream}
";

#[cfg(test)]
mod tests {
    use super::*;

    const PUBLIC: &str = "https://hanse.org-a.example";
    const HANSE: &str = "http://127.0.0.1:7880";

    #[test]
    fn every_proxy_serves_the_clients_routes_of_this_name_and_sends_them_to_hanse() {
        for file in files(PUBLIC, "http://hanse-internal:8080/").unwrap() {
            for part in [
                "hanse.org-a.example",
                "hanse-internal:8080",
                "/rtc",
                "/livekit/jwt/",
                "/assets/",
                "notices",
                "privacy",
            ] {
                assert!(file.text.contains(part), "{part} is missing in {}", file.name);
            }
            assert!(
                ["{host}", "{focus}", "{page"]
                    .iter()
                    .all(|left| !file.text.contains(left))
            );
            assert!(!file.text.contains("/twirp") && !file.text.contains("/_matrix"));
        }
    }

    #[test]
    fn who_reaches_hanse_through_the_proxy_already_gets_no_loop() {
        for through in [
            PUBLIC,
            "http://hanse.org-a.example",
            "http://[::1]:7880",
            "http://a b:1",
        ] {
            for file in files(PUBLIC, through).unwrap() {
                assert!(file.text.contains(USUAL_UPSTREAM), "{}: {through}", file.name);
            }
        }
    }

    #[test]
    fn an_address_that_is_no_bare_name_gets_no_files() {
        for odd in [
            "http://hanse.org-a.example",
            "https://org-a.example/hanse",
            "https://hanse.org-a.example:8443",
            "https://",
            "https://hanse.example; }",
        ] {
            assert!(files(odd, HANSE).is_none(), "{odd}");
        }
    }

    #[test]
    fn traefik_is_given_one_router_and_one_service() {
        let [_, _, traefik, _] = files(PUBLIC, HANSE).unwrap();
        let read: toml::Value = toml::from_str(&traefik.text).unwrap();
        let router = &read["http"]["routers"]["hanse"];
        assert_eq!(router["service"].as_str(), Some("hanse"));
        assert_eq!(router["tls"]["certResolver"].as_str(), Some("letsencrypt"));
        let server = &read["http"]["services"]["hanse"]["loadBalancer"]["servers"][0];
        assert_eq!(server["url"].as_str(), Some("http://127.0.0.1:7880"));
    }
}
