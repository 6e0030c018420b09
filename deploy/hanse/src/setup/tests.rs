use super::*;
use homeserver::Place;
use std::os::unix::fs::PermissionsExt;

const HOMESERVER: &str = "http://127.0.0.1:8008";

fn arguments(out: &Path) -> SetupArguments {
    SetupArguments {
        server_name: Some("org-a.example:8448".to_owned()),
        homeserver_url: Some(HOMESERVER.to_owned()),
        hanse_url: "http://127.0.0.1:7880".to_owned(),
        public_url: None,
        signed: false,
        direct: DirectArguments::default(),
        out: out.to_owned(),
        synapse_config: out.join("no-homeserver.yaml"),
        dry_run: false,
        turn: turn::TurnArguments::default(),
    }
}

/// As if the homeserver had been looked for.
fn installed(arguments: &SetupArguments) -> Result<String> {
    install_found(arguments, Found::unseen(HOMESERVER, Place::Said))
}

fn install_found(arguments: &SetupArguments, found: Found) -> Result<String> {
    install(
        arguments,
        "org-a.example:8448".parse().unwrap(),
        found,
        Vec::new(),
    )
}

fn lines_for_homeserver(folder: &Path) -> String {
    std::fs::read_to_string(folder.join("homeserver-hanse.yaml")).unwrap()
}

/// A folder of its own for each test, emptied at its start.
pub fn folder(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("hanse-setup-{name}-{}", std::process::id()));
    let _was_there = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

#[test]
fn the_registration_is_for_those_who_need_it_only_and_no_token_is_said() {
    let folder = folder("new");
    let said = installed(&arguments(&folder)).unwrap();
    let path = folder.join("registration-org-a.example-8448.yaml");
    let mode = std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
    assert!(mode == 0o600 || mode == 0o640, "{mode:o}");
    let registration = Registration::read(&std::fs::read_to_string(&path).unwrap()).unwrap();
    assert_eq!(registration.bridge_user.as_str(), "@hanse:org-a.example:8448");
    for part in [
        path.to_str().unwrap(),
        "https://hanse.org-a.example/livekit/jwt",
        "invites @hanse:org-a.example:8448",
    ] {
        assert!(said.contains(part), "{part} is missing in: {said}");
    }
    let keys = std::fs::read_to_string(folder.join("hanse.keys")).unwrap();
    let key = keys.trim().strip_prefix("hanse: ").unwrap();
    for secret in [
        registration.as_token.expose(),
        registration.hs_token.expose(),
        key,
    ] {
        assert_eq!(secret.len(), 64);
        assert!(!said.contains(secret));
    }
    assert!(lines_for_homeserver(&folder).contains("msc4502_enabled: true"));
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn hanse_takes_the_settings_that_are_written_for_it() {
    let folder = folder("settings");
    installed(&arguments(&folder)).unwrap();
    let settings = crate::settings::Settings::read(Some(&folder.join("hanse.toml"))).unwrap();
    assert_eq!(settings.homeservers.registrations.len(), 1);
    let explained = settings.explanation;
    for part in [
        "sfu_url = \"wss://hanse.org-a.example\"",
        "full_access_homeservers = [\"org-a.example:8448\"]",
        "bind_addresses = [\"127.0.0.1\", \"::1\"]",
    ] {
        assert!(explained.contains(part), "{part} is missing in: {explained}");
    }
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn direct_means_tls_by_hanse_on_the_port_that_everybody_lets_out_and_no_file_for_proxies() {
    let folder = folder("direct");
    let directly = |direct| {
        installed(&SetupArguments {
            direct,
            ..arguments(&folder)
        })
    };
    let said = directly(DirectArguments {
        direct: true,
        acme_contact: Some("admin@org-a.example".to_owned()),
        ..DirectArguments::default()
    });
    let said = said.unwrap();
    assert!(
        said.contains("Open 80/tcp, 443/tcp and 443/udp") && !said.contains("7881"),
        "{said}"
    );
    let names = std::fs::read_dir(&folder)
        .unwrap()
        .map(|file| file.unwrap().file_name());
    assert_eq!(
        names
            .filter(|name| name.to_string_lossy().starts_with("proxy-"))
            .count(),
        0
    );
    let file = folder.join("hanse.toml");
    let explained = || crate::settings::Settings::read(Some(&file)).unwrap().explanation;
    for part in [
        "names = [\"hanse.org-a.example\"]",
        "acme_contact = \"admin@org-a.example\"",
        "udp_port = 443",
        "tcp_port = 443",
        "bind_addresses = [\"127.0.0.1\", \"::1\"]",
    ] {
        assert!(
            explained().contains(part),
            "{part} is missing in: {}",
            explained()
        );
    }
    std::fs::remove_file(&file).unwrap();
    let said = directly(DirectArguments {
        direct: true,
        certificate: Some("/etc/hanse/tls/chain.pem".into()),
        key: Some("/etc/hanse/tls/key.pem".into()),
        ..DirectArguments::default()
    });
    assert!(!said.unwrap().contains("terms of service"));
    let explained = explained();
    assert!(
        explained.contains("certificate_file = \"/etc/hanse/tls/chain.pem\"")
            && explained.contains("names = []")
    );
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn where_the_homeserver_has_a_private_address_hanse_may_ask_there_and_nowhere_else() {
    let folder = folder("private");
    let found = Found {
        not_public: vec!["10.0.0.5".parse().unwrap(), "fd00::5".parse().unwrap()],
        ..Found::unseen(HOMESERVER, Place::Said)
    };
    let said = install_found(&arguments(&folder), found).unwrap();
    assert!(said.contains("not public (10.0.0.5, fd00::5)"), "{said}");
    let settings = crate::settings::Settings::read(Some(&folder.join("hanse.toml"))).unwrap();
    let allowed = settings.homeservers.allowed_networks;
    for (address, expected) in [
        ("10.0.0.5:1", true),
        ("[fd00::5]:1", true),
        ("10.0.0.6:1", false),
        ("[fd00::6]:1", false),
    ] {
        assert_eq!(
            allowed.permit(address.parse().unwrap()).is_some(),
            expected,
            "{address}"
        );
    }
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn direct_is_refused_for_what_no_certificate_is_for() {
    for public_url in [
        "http://hanse.org-a.example",
        "https://org-a.example/hanse",
        "https://hanse.org-a.example:8443",
    ] {
        let direct = DirectArguments {
            direct: true,
            ..DirectArguments::default()
        };
        assert!(Direct::wanted(&direct, public_url).is_err(), "{public_url}");
    }
}

#[test]
fn only_who_asks_for_the_signed_form_gets_it() {
    let folder = folder("signed");
    installed(&arguments(&folder)).unwrap();
    let path = folder.join("registration-org-a.example-8448.yaml");
    let read = || Registration::read(&std::fs::read_to_string(&path).unwrap()).unwrap();
    assert_eq!(read().proxy_url, None);
    assert!(!lines_for_homeserver(&folder).contains("msc4512"));
    std::fs::remove_dir_all(&folder).unwrap();
    std::fs::create_dir_all(&folder).unwrap();
    let signed = SetupArguments {
        signed: true,
        ..arguments(&folder)
    };
    installed(&signed).unwrap();
    assert_eq!(read().proxy_url.as_deref(), Some("http://127.0.0.1:7880"));
    let lines = lines_for_homeserver(&folder);
    for part in ["msc4512_enabled: true", "\"url\":\"wss://hanse.org-a.example\""] {
        assert!(lines.contains(part), "{part} is missing in: {lines}");
    }
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn the_second_time_everything_is_there_and_nothing_changes() {
    let folder = folder("twice");
    installed(&arguments(&folder)).unwrap();
    let files = || {
        let mut files: Vec<(PathBuf, String)> = std::fs::read_dir(&folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .map(|path| (path.clone(), std::fs::read_to_string(path).unwrap()))
            .collect();
        files.sort();
        files
    };
    let before = files();
    assert_eq!(before.len(), 9);
    let said = installed(&arguments(&folder)).unwrap();
    assert_eq!(files(), before);
    assert!(
        !said.contains("yaml written") && !said.contains("something else"),
        "{said}"
    );
    assert_eq!(
        said.matches("is there already, as it should be").count(),
        8,
        "{said}"
    );
    assert!(
        said.contains("hanse.keys is there already, and stays as it is"),
        "{said}"
    );
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn a_dry_run_says_everything_and_writes_nothing() {
    let folder = folder("dry");
    let said = installed(&SetupArguments {
        dry_run: true,
        ..arguments(&folder.join("not-there"))
    });
    assert_eq!(said.unwrap().matches("would be written").count(), 9);
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0);
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn a_registration_that_says_something_else_stays_and_that_is_said() {
    let folder = folder("moved");
    installed(&arguments(&folder)).unwrap();
    let path = folder.join("registration-org-a.example-8448.yaml");
    let before = std::fs::read_to_string(&path).unwrap();
    let moved = SetupArguments {
        hanse_url: "http://10.0.0.5:7880".to_owned(),
        signed: true,
        ..arguments(&folder)
    };
    let said = install_found(&moved, Found::unseen("http://10.0.0.6:8008", Place::Said)).unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), before);
    for part in [
        "and not at http://10.0.0.6:8008",
        "and not at http://10.0.0.5:7880",
        "not passed on by the homeserver",
    ] {
        assert!(said.contains(part), "{part} is missing in: {said}");
    }
    std::fs::write(&path, "{}").unwrap();
    let error = installed(&arguments(&folder)).unwrap_err().to_string();
    assert!(error.contains("take it away if it shall be made anew"), "{error}");
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn a_synapse_that_reads_a_folder_gets_its_file_there_with_what_it_says_already() {
    let folder = folder("conf-d");
    let (synapse, out) = (folder.join("synapse"), folder.join("hanse"));
    std::fs::create_dir_all(synapse.join("conf.d")).unwrap();
    let main = synapse.join("homeserver.yaml");
    std::fs::write(&main, "app_service_config_files: [/etc/other.yaml]\n").unwrap();
    let local = LocalSynapse::read(&main).unwrap();
    let found = Found {
        local,
        ..Found::unseen(HOMESERVER, Place::Here)
    };
    let said = install_found(&arguments(&out), found).unwrap();
    let lines = std::fs::read_to_string(synapse.join("conf.d/zz-hanse.yaml")).unwrap();
    assert!(
        lines.contains("- \"/etc/other.yaml\"") && lines.contains("registration-org-a.example-8448.yaml")
    );
    assert!(!out.join("homeserver-hanse.yaml").exists());
    assert!(said.contains("systemctl restart matrix-synapse hanse"), "{said}");
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn a_file_for_each_proxy_is_written() {
    let folder = folder("proxies");
    installed(&arguments(&folder)).unwrap();
    for name in [
        "proxy-nginx.conf",
        "proxy-Caddyfile",
        "proxy-traefik.toml",
        "proxy-haproxy.cfg",
    ] {
        let text = std::fs::read_to_string(folder.join(name)).unwrap();
        assert!(text.contains("hanse.org-a.example"), "{text}");
    }
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn the_well_known_keeps_what_is_there_and_has_our_focus_first() {
    let folder = folder("well-known");
    let served = serde_json::json!({
        "m.homeserver": {"base_url": "https://matrix.org-a.example"},
        "org.matrix.msc4143.rtc_foci": [{"type": "livekit", "livekit_service_url": "https://old.example"}],
    });
    let found = Found {
        well_known_client: served.as_object().cloned(),
        ..Found::unseen(HOMESERVER, Place::Said)
    };
    let said = install_found(&arguments(&folder), found).unwrap();
    let text = std::fs::read_to_string(folder.join("well-known-matrix-client.json")).unwrap();
    let object: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(object["m.homeserver"], served["m.homeserver"]);
    let focuses = object[well_known::KEY].as_array().unwrap();
    let urls: Vec<_> = focuses
        .iter()
        .map(|focus| focus["livekit_service_url"].as_str().unwrap())
        .collect();
    assert_eq!(
        urls,
        ["https://hanse.org-a.example/livekit/jwt", "https://old.example"]
    );
    let line = said.split(".well-known/matrix/client, for").nth(1).unwrap();
    let member = line.split_once(": ").unwrap().1.lines().next().unwrap();
    let alone: serde_json::Value = serde_json::from_str(&format!("{{{member}}}")).unwrap();
    assert_eq!(alone[well_known::KEY].as_array().unwrap().len(), 1);
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn the_page_is_told_where_browsers_reach_the_homeserver_unless_it_would_look_there() {
    for (said, expected) in [
        (
            Some("https://matrix.org-a.example/"),
            Some("https://matrix.org-a.example"),
        ),
        // Under its name: the page looks there by itself.
        (Some("https://org-a.example"), None),
        (Some("https://evil.example; script-src *"), None),
        (None, None),
    ] {
        let folder = folder("web");
        let served = said.map(|url| serde_json::json!({"m.homeserver": {"base_url": url}}));
        let found = Found {
            well_known_client: served.as_ref().and_then(|served| served.as_object().cloned()),
            ..Found::unseen(HOMESERVER, Place::Said)
        };
        install_found(&arguments(&folder), found).unwrap();
        let settings = crate::settings::Settings::read(Some(&folder.join("hanse.toml"))).unwrap();
        let written = settings.web.homeservers.first();
        assert_eq!(written.map(|own| own.url.as_str()), expected, "{said:?}");
        assert!(written.is_none_or(|own| own.name == "org-a.example:8448"));
        std::fs::remove_dir_all(&folder).unwrap();
    }
}

#[test]
fn a_public_url_below_a_path_gets_no_files_for_proxies_and_is_told_what_they_must_do() {
    let folder = folder("path");
    let said = installed(&SetupArguments {
        public_url: Some("https://org-a.example/hanse".to_owned()),
        ..arguments(&folder)
    });
    assert!(said.unwrap().contains("no file for a reverse proxy is written"));
    assert!(!folder.join("proxy-nginx.conf").exists());
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn what_cannot_be_used_is_refused_before_anything_is_asked_or_written() {
    let folder = folder("wrong");
    let wrong = [
        SetupArguments {
            server_name: Some("https://org-a.example".to_owned()),
            ..arguments(&folder)
        },
        SetupArguments {
            homeserver_url: Some("org-a.example".to_owned()),
            ..arguments(&folder)
        },
        SetupArguments {
            hanse_url: "http://user:pw@hanse".to_owned(),
            ..arguments(&folder)
        },
        SetupArguments {
            public_url: Some("hanse.org-a.example".to_owned()),
            ..arguments(&folder)
        },
    ];
    for arguments in wrong {
        assert!(run(&arguments).is_err());
    }
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0);
    std::fs::remove_dir_all(&folder).unwrap();
}
