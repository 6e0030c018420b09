//! Files for the reverse proxy in front of Hanse: TLS, the routes that people's clients use, and nothing else. The server API
//! and what homeservers push stay inside.

use crate::focus::FOCUS_PATH;

/// Where a Hanse listens that nothing else is said of.
const USUAL_UPSTREAM: &str = "127.0.0.1:7880";

/// A file for one kind of proxy.
pub struct ProxyFile {
    /// Its name in the folder.
    pub name: &'static str,
    /// What is in it.
    pub text: String,
    /// What to do with it.
    pub use_it: &'static str,
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
            name: "proxy-nginx.conf",
            text: filled(NGINX, &host, upstream),
            use_it: "nginx: into /etc/nginx/conf.d/, then `nginx -t` and `systemctl reload nginx`",
        },
        ProxyFile {
            name: "proxy-Caddyfile",
            text: filled(CADDY, &host, upstream),
            use_it: "Caddy: add it to /etc/caddy/Caddyfile, then `systemctl reload caddy`",
        },
        ProxyFile {
            name: "proxy-traefik.toml",
            text: filled(TRAEFIK, &host, upstream),
            use_it: "Traefik: into the folder of its file provider; name your entry point and certificate resolver",
        },
        ProxyFile {
            name: "proxy-haproxy.cfg",
            text: filled(HAPROXY, &host, upstream),
            use_it: "HAProxy: merge it into /etc/haproxy/haproxy.cfg, then `haproxy -c -f` and `systemctl reload haproxy`",
        },
    ])
}

fn filled(template: &str, host: &str, upstream: &str) -> String {
    template
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

    location / {
        return 404;
    }
}
"#;

const CADDY: &str = r"# Hanse behind Caddy, as `hanse setup` wrote it. Caddy gets the certificate, passes WebSockets and long addresses on, and writes
# no log unless it is told to: leave /rtc out of it, tokens are in its addresses.
{host} {
	@hanse path /rtc /rtc/* {focus}/*
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
rule = "Host(`{host}`) && (Path(`/rtc`) || PathPrefix(`/rtc/`) || PathPrefix(`{focus}/`))"
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
    acl for_clients path /rtc
    acl for_clients path_beg /rtc/ {focus}/
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
    use std::path::Path;
    use std::process::{Command, Stdio};

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
            ] {
                assert!(file.text.contains(part), "{part} is missing in {}", file.name);
            }
            assert!(!file.text.contains("{host}") && !file.text.contains("{focus}"));
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

    /// Runs a program, if this machine has it: whether it was content, and what it said.
    fn ran(program: &str, arguments: &[&str], folder: &Path) -> Option<(bool, String)> {
        let run = Command::new(program)
            .args(arguments)
            .current_dir(folder)
            .env("HOME", folder)
            .stdin(Stdio::null())
            .output();
        match run {
            Ok(output) => Some((
                output.status.success(),
                String::from_utf8_lossy(&output.stderr).into_owned(),
            )),
            Err(_) => {
                eprintln!("{program} is not here: nothing was asked of it");
                None
            }
        }
    }

    #[test]
    fn the_proxies_that_are_here_take_what_is_written_for_them() {
        let folder = std::env::temp_dir().join(format!("hanse-proxies-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let at = |name: &str| folder.join(name).display().to_string();
        let (key, certificate) = (at("key.pem"), at("certificate.pem"));
        let request = "req -x509 -newkey rsa:2048 -nodes -subj /CN=hanse.org-a.example -days 2";
        let mut arguments: Vec<&str> = request.split(' ').collect();
        arguments.extend(["-keyout", &key, "-out", &certificate]);
        let [nginx, caddy, _, haproxy] = files(PUBLIC, HANSE).unwrap();
        if let Some((true, _)) = ran("openssl", &arguments, &folder) {
            let both = ["key.pem", "certificate.pem"]
                .map(|name| std::fs::read_to_string(folder.join(name)).unwrap());
            std::fs::write(folder.join("both.pem"), both.concat()).unwrap();
            let live = "/etc/letsencrypt/live/hanse.org-a.example";
            let server = nginx
                .text
                .replace(&format!("{live}/fullchain.pem"), &certificate)
                .replace(&format!("{live}/privkey.pem"), &key)
                // Ports that anybody may listen on: nginx tries them.
                .replace(":443", ":48443")
                .replace("listen 443", "listen 48443");
            // nginx makes folders for each of these, also to check a file.
            let scratch: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
                .iter()
                .map(|kind| format!("{kind}_temp_path {};\n", at(kind)))
                .collect();
            let whole = format!(
                "pid {};\nevents {{}}\nhttp {{\naccess_log off;\n{scratch}{server}}}\n",
                at("pid")
            );
            std::fs::write(folder.join("nginx.conf"), whole).unwrap();
            let nginx = ran(
                "nginx",
                &["-t", "-e", "stderr", "-p", &at(""), "-c", &at("nginx.conf")],
                &folder,
            );
            assert!(nginx.as_ref().is_none_or(|(fine, _)| *fine), "{nginx:?}");
            let whole = haproxy
                .text
                .replace("/etc/haproxy/certs/hanse.org-a.example.pem", &at("both.pem"));
            std::fs::write(folder.join("haproxy.cfg"), whole).unwrap();
            let haproxy = ran("haproxy", &["-c", "-f", &at("haproxy.cfg")], &folder);
            assert!(haproxy.as_ref().is_none_or(|(fine, _)| *fine), "{haproxy:?}");
        }
        std::fs::write(folder.join("Caddyfile"), &caddy.text).unwrap();
        let arguments = ["validate", "--adapter", "caddyfile", "--config", &at("Caddyfile")];
        let caddy = ran("caddy", &arguments, &folder);
        assert!(caddy.as_ref().is_none_or(|(fine, _)| *fine), "{caddy:?}");
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
