//! Nobody can forget: every key of the configuration is classified, and every relevant one changes the report in both languages.

use super::classes::{CLASSES, Relevance};
use super::facts::Facts;
use super::render;
use super::report::{self, Block, Report};
use super::words::{Language, Words};
use crate::settings::{Settings, TABLES};
use hanse_runtime::config::Document;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

/// Files that a configuration names. They are removed by the system's own sweep of its folder for such files, and written anew by
/// each run.
static FILES: LazyLock<PathBuf> = LazyLock::new(|| {
    use std::os::unix::fs::PermissionsExt;
    let folder = std::env::temp_dir().join(format!("hanse-privacy-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let registration = |server: &str, token: &str| {
        format!(
            "id: hanse\nurl: http://10.1.1.1:7880\nas_token: {token}-a-0123456789abcdef\nhs_token: {token}-h-0123456789abcdef\n\
             sender_localpart: hanse\nrate_limited: false\nnamespaces:\n  users:\n  - exclusive: true\n    regex: '@hanse:.*'\n\
             org.hanse.homeserver:\n  server_name: {server}\n  client_api_url: http://10.1.1.2:8008\n"
        )
    };
    for (name, text) in [
        ("key", "name: 0123456789abcdef0123456789abcdef".to_owned()),
        ("turn", "0123456789abcdef0123456789abcdef".to_owned()),
        ("certificate", String::new()),
        ("a.yaml", registration("org-a.example", "a")),
    ] {
        let path = folder.join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    }
    folder
});

fn file(name: &str) -> String {
    FILES.join(name).display().to_string()
}

/// What a configuration says. `@name` in it is the path of one of [`FILES`].
fn facts(text: &str) -> Facts {
    let mut text = text.to_owned();
    for name in ["key", "turn", "certificate", "a.yaml"] {
        text = text.replace(&format!("@{name}\""), &format!("{}\"", file(name)));
    }
    let key = |variable: &str| match variable {
        "LIVEKIT_KEYS" => Some("name: 0123456789abcdef0123456789abcdef".to_owned()),
        "PROMETHEUS_PASSWORD" => Some("password".to_owned()),
        _ => None,
    };
    let document = Document::load(&TABLES, Some(("hanse.toml", &text)), &key)
        .unwrap_or_else(|error| panic!("{error}: {text}"));
    Facts::of(&Settings::of(&document).unwrap_or_else(|error| panic!("{error:#}: {text}")))
}

fn whole(text: &str, language: Language) -> String {
    render::markdown(&report::whole(&facts(text), "2026-01-31"), language)
}

/// A focus as most have it.
const FOCUS: &str = "[focus]\nsfu_url = \"wss://hanse.org-a.example/livekit/sfu\"\nfull_access_homeservers = [\"org-a.example\"]\n";
const GUESTS: &str = "[guests]\nallowed = true\n";
const ACME: &str = "[tls]\nnames = [\"hanse.org-a.example\"]\n";
const WEBHOOK: &str = "webhook_urls = [\"https://told.org-a.example/hook\"]\n";

/// One relevant key: a configuration, another one that differs in that key alone, and what the second report says in both languages
/// and the first does not.
struct Change {
    key: &'static str,
    before: String,
    after: String,
    says: &'static str,
}

fn change(
    key: &'static str,
    before: impl Into<String>,
    after: impl Into<String>,
    says: &'static str,
) -> Change {
    Change {
        key,
        before: before.into(),
        after: after.into(),
        says,
    }
}

/// In its own table, without anything before.
fn alone(key: &'static str, value: &str, says: &'static str) -> Change {
    let (table, name) = key.split_once('.').unwrap();
    change(key, "", format!("[{table}]\n{name} = {value}\n"), says)
}

/// Behind a text that ends in the table of the key.
fn behind(key: &'static str, before: &str, value: &str, says: &'static str) -> Change {
    let (_, name) = key.split_once('.').unwrap();
    change(key, before, format!("{before}{name} = {value}\n"), says)
}

fn changes() -> Vec<Change> {
    let sfu = format!("[sfu]\n{WEBHOOK}");
    let turn =
        "[sfu]\nturn_secret_file = \"@turn\"\nturn_urls = [\"turns:turn.org-a.example:443?transport=tcp\"]\n";
    let stun = "[sfu]\nstun_servers = [\"stun.org-a.example\"]\n";
    let prometheus = "[sfu]\nprometheus_port = 6789\n";
    let guests = format!("{FOCUS}{GUESTS}");
    let metrics = "[metrics]\nbind_address = \"127.0.0.1\"\n";
    vec![
        alone("http.bind_addresses", "[\"127.0.0.7\"]", "127.0.0.7"),
        alone("http.port", "7999", "7999"),
        alone("http.trusted_proxies", "[\"10.9.0.0/16\"]", "10.9.0.0/16"),
        alone("tls.names", "[\"hanse.org-a.example\"]", "hanse.org-a.example"),
        change(
            "tls.certificate_file",
            "",
            "[tls]\ncertificate_file = \"@certificate\"\nkey_file = \"@key\"\n",
            "HTTPS",
        ),
        behind("tls.port", ACME, "8449", "8449"),
        behind("tls.redirect_port", ACME, "8099", "8099"),
        behind("tls.bind_addresses", ACME, "[\"127.0.0.8\"]", "127.0.0.8"),
        behind(
            "tls.acme_directory",
            ACME,
            "\"https://ca.org-a.example:9443/dir\"",
            "ca.org-a.example",
        ),
        behind(
            "tls.acme_contact",
            ACME,
            "\"admin@org-a.example\"",
            "admin@org-a.example",
        ),
        behind(
            "tls.acme_folder",
            ACME,
            "\"certificates-here\"",
            "certificates-here",
        ),
        alone("sfu.bind_addresses", "[\"127.0.0.9\"]", "127.0.0.9"),
        alone("sfu.udp_port", "7002", "7002"),
        alone("sfu.tcp_port", "7003", "7003"),
        alone("sfu.addresses", "[\"203.0.113.5\"]", "203.0.113.5"),
        alone(
            "sfu.stun_servers",
            "[\"stun.org-a.example\"]",
            "stun.org-a.example",
        ),
        change(
            "sfu.offer_local_addresses",
            stun,
            format!("{stun}offer_local_addresses = false\n"),
            "STUN",
        ),
        change(
            "sfu.turn_urls",
            "[sfu]\nturn_secret_file = \"@turn\"\n",
            turn,
            "turn.org-a.example",
        ),
        behind("sfu.turn_credential_lifetime_s", turn, "7777", "7777 s"),
        alone("sfu.room_empty_timeout_s", "321", "321 s"),
        alone("sfu.room_departure_timeout_s", "43", "43 s"),
        alone("sfu.region", "\"Town\"", "Town"),
        alone("sfu.simulate", "true", "`simulate`"),
        alone(
            "sfu.webhook_urls",
            "[\"https://told.org-a.example/hook\"]",
            "told.org-a.example",
        ),
        behind("sfu.webhook_folder", &sfu, "\"hooks-here\"", "hooks-here"),
        alone("sfu.prometheus_port", "6789", "6789"),
        behind(
            "sfu.prometheus_bind_addresses",
            prometheus,
            "[\"127.0.0.6\"]",
            "127.0.0.6",
        ),
        behind("sfu.prometheus_user", prometheus, "\"reader\"", "LiveKit"),
        change(
            "focus.sfu_url",
            "[focus]\nfull_access_homeservers = [\"org-a.example\"]\n",
            FOCUS,
            "wss://hanse.org-a.example/livekit/sfu",
        ),
        change(
            "focus.full_access_homeservers",
            FOCUS,
            FOCUS.replace("[\"org-a.example\"]", "[\"org-z.example\"]"),
            "org-z.example",
        ),
        behind("focus.token_lifetime_s", FOCUS, "1234", "1234 s"),
        change(
            "focus.sfu_api_url",
            format!("{FOCUS}key_file = \"@key\"\n"),
            format!("{FOCUS}key_file = \"@key\"\nsfu_api_url = \"http://10.7.7.7:7880\"\n"),
            "10.7.7.7",
        ),
        change(
            "policy.publishing_homeservers",
            FOCUS,
            format!("{FOCUS}[policy]\npublishing_homeservers = [\"org-c.example\"]\n"),
            "org-c.example",
        ),
        change(
            "policy.denied_homeservers",
            FOCUS,
            format!("{FOCUS}[policy]\ndenied_homeservers = [\"org-d.example\"]\n"),
            "org-d.example",
        ),
        change(
            "policy.strangers",
            FOCUS,
            format!("{FOCUS}[policy]\nstrangers = \"deny\"\n"),
            "homeserver",
        ),
        change(
            "guests.allowed",
            FOCUS,
            format!("{FOCUS}{GUESTS}"),
            "`allowed` in `[guests]`",
        ),
        behind("guests.link_lifetime_max_h", &guests, "49", "49 "),
        behind("guests.stay_max_h", &guests, "13", "13 "),
        behind("guests.after_call_s", &guests, "777", "777 s"),
        change(
            "homeservers.registrations",
            FOCUS,
            format!("{FOCUS}[homeservers]\nregistrations = [\"@a.yaml\"]\n"),
            "10.1.1.2",
        ),
        change(
            "homeservers.client_api_urls",
            FOCUS,
            format!(
                "{FOCUS}[homeservers]\nclient_api_urls = [\"org-e.example=https://matrix.org-e.example\"]\n"
            ),
            "matrix.org-e.example",
        ),
        change(
            "homeservers.allowed_networks",
            FOCUS,
            format!("{FOCUS}[homeservers]\nallowed_networks = [\"10.20.0.0/16\"]\n"),
            "10.20.0.0/16",
        ),
        change(
            "web.page",
            FOCUS,
            format!("{FOCUS}[web]\npage = false\n"),
            "browser",
        ),
        change(
            "web.homeservers",
            FOCUS,
            format!("{FOCUS}[web]\nhomeservers = [\"org-a.example=https://matrix.org-a.example\"]\n"),
            "https://matrix.org-a.example",
        ),
        change(
            "web.organisations",
            FOCUS,
            format!("{FOCUS}[web]\norganisations = [\"https://hanse.org-b.example\"]\n"),
            "https://hanse.org-b.example",
        ),
        change(
            "store.url",
            FOCUS,
            format!("{FOCUS}[store]\nurl = \"postgres://me@db.org-a.example/hanse\"\n"),
            "db.org-a.example",
        ),
        change(
            "operate.socket",
            FOCUS,
            format!("{FOCUS}[operate]\nsocket = \"/run/hanse/here.sock\"\n"),
            "/run/hanse/here.sock",
        ),
        change("metrics.bind_address", "", metrics, "7889"),
        behind("metrics.port", metrics, "7004", "7004"),
        alone("log.filter", "\"debug\"", "`debug`"),
        alone("privacy.controller", "\"Org A, Market 1\"", "Org A, Market 1"),
        alone(
            "privacy.contact",
            "\"privacy@org-a.example\"",
            "privacy@org-a.example",
        ),
        alone("privacy.officer", "\"dpo@org-a.example\"", "dpo@org-a.example"),
        alone("privacy.log_days", "13", "13 "),
    ]
}

#[test]
fn every_key_of_the_configuration_is_classified_and_nothing_else() {
    let keys: BTreeSet<(&str, &str)> = TABLES
        .iter()
        .flat_map(|table| {
            let keys = table.keys.iter().map(|key| key.name);
            keys.chain(table.secrets.iter().map(|secret| secret.variable))
                .map(|name| (table.name, name))
        })
        .collect();
    let classified: BTreeSet<(&str, &str)> = CLASSES.iter().map(|(table, key, _)| (*table, *key)).collect();
    assert_eq!(classified.len(), CLASSES.len(), "a key is classified twice");
    let missing: Vec<_> = keys.difference(&classified).collect();
    assert!(
        missing.is_empty(),
        "say in privacy/classes.rs whether these matter for people's data; if so, let the report say it: {missing:?}"
    );
    let gone: Vec<_> = classified.difference(&keys).collect();
    assert!(gone.is_empty(), "classified, but no key: {gone:?}");
    for (table, key, relevance) in CLASSES {
        if let Relevance::Irrelevant(reason) = relevance {
            assert!(reason.len() > 20, "[{table}] {key}: why does it not matter?");
        }
    }
}

#[test]
fn every_relevant_key_changes_what_the_report_says_in_both_languages() {
    let relevant: BTreeSet<String> = CLASSES
        .iter()
        .filter(|(_, _, relevance)| *relevance == Relevance::Relevant)
        .map(|(table, key, _)| format!("{table}.{key}"))
        .collect();
    let changes = changes();
    let changed: BTreeSet<String> = changes.iter().map(|change| change.key.to_owned()).collect();
    assert_eq!(
        changed, relevant,
        "a relevant key needs a row in changes(), and no other does"
    );
    for Change {
        key,
        before,
        after,
        says,
    } in &changes
    {
        for language in Language::ALL {
            let (before, after) = (whole(before, language), whole(after, language));
            let old: BTreeSet<&str> = before.lines().collect();
            let fresh: Vec<&str> = after.lines().filter(|line| !old.contains(line)).collect();
            assert!(
                fresh
                    .iter()
                    .any(|line| line.to_lowercase().contains(&says.to_lowercase())),
                "{key} in {}: nothing new says \"{says}\": {fresh:#?}",
                language.code()
            );
        }
    }
}

/// A configuration with everything in it.
fn everything() -> Facts {
    let text = format!(
        "[privacy]\ncontroller = \"Org A\"\nlog_days = 7\n[http]\nbind_addresses = [\"10.0.0.1\"]\n{FOCUS}key_file = \"@key\"\n\
         sfu_api_url = \"http://10.7.7.7:7880\"\n[policy]\npublishing_homeservers = [\"partner.example\"]\n\
         denied_homeservers = [\"evil.example\"]\n{GUESTS}[homeservers]\nregistrations = [\"@a.yaml\"]\nallowed_networks = [\"10.20.0.0/16\"]\n\
         client_api_urls = [\"org-e.example=https://inner.org-e.example\"]\n[store]\n\
         url = \"postgres://someone@db.inner.example/data\"\n[operate]\nsocket = \"/run/hanse/here.sock\"\n\
         [web]\norganisations = [\"https://hanse.inner.example\"]\n[tls]\nnames = [\"hanse.org-a.example\"]\nacme_contact = \"root@org-a.example\"\nacme_folder = \"certificates-here\"\n\
         [metrics]\nbind_address = \"10.0.0.2\"\n[sfu]\nsimulate = true\nregion = \"Cellar\"\nprometheus_port = 6789\n\
         webhook_urls = [\"https://told.inner.example/hook\"]\nwebhook_folder = \"hooks-here\"\n\
         turn_secret_file = \"@turn\"\nturn_urls = [\"turns:turn.inner.example:443?transport=tcp\"]\n\
         stun_servers = [\"stun.inner.example\"]\n[log]\nfilter = \"trace\"\n"
    );
    facts(&text)
}

#[test]
fn the_public_page_names_no_inner_address_no_path_and_no_partner() {
    let facts = everything();
    let report = report::public(&facts);
    for language in Language::ALL {
        let page = render::html(&report, language, Some("?lang=en"));
        let json = render::json(&report, language).to_string();
        let text = render::markdown(&report, language);
        let whole = render::markdown(&report::whole(&facts, "2026-01-31"), language);
        for inner in [
            "10.0.0.1",
            "10.7.7.7",
            "10.1.1.2",
            "10.20.0.0",
            "partner.example",
            "evil.example",
            "inner.example",
            "inner.org-e.example",
            "here.sock",
            "hooks-here",
            "certificates-here",
            "root@org-a.example",
        ] {
            assert!(whole.contains(inner), "{inner} is to be in the whole report");
            for shown in [&page, &json, &text] {
                assert!(!shown.contains(inner), "{inner} is shown to everybody");
            }
        }
        for known in ["Org A", "org-a.example"] {
            assert!(page.contains(known) && json.contains(known), "{known} is missing");
        }
        for secret in ["someone", "0123456789abcdef"] {
            assert!(!whole.contains(secret), "{secret} is in the report");
        }
    }
}

/// Every sentence of a report.
fn sentences(report: &Report) -> Vec<Words> {
    let mut all = vec![report.title.clone()];
    let mut take = |blocks: &[Block]| {
        for block in blocks {
            match block {
                Block::Heading(words) | Block::Text(words) => all.push(words.clone()),
                Block::List(items) => all.extend(items.iter().cloned()),
                Block::Table { head, rows } => {
                    all.extend(head.iter().cloned());
                    for row in rows {
                        assert_eq!(row.len(), head.len(), "{row:?}");
                        all.extend(row.iter().cloned());
                    }
                }
            }
        }
    };
    take(&report.intro);
    report.sections.iter().for_each(|section| {
        take(&[Block::Heading(section.title.clone())]);
        take(&section.blocks);
    });
    all
}

#[test]
fn every_sentence_is_there_in_both_languages_and_both_name_the_same() {
    let guests = facts(&format!("{FOCUS}{GUESTS}"));
    for facts in [facts(""), facts(FOCUS), guests, everything()] {
        for report in [report::whole(&facts, "2026-01-31"), report::public(&facts)] {
            for words in sentences(&report) {
                assert!(!words.en.is_empty() && !words.de.is_empty(), "{words:?}");
                // Several words without a letter's difference are not translated.
                let is_sentence = words
                    .en
                    .split(' ')
                    .filter(|word| word.chars().all(char::is_alphabetic))
                    .count()
                    > 3;
                assert!(
                    !is_sentence || words.en != words.de,
                    "not translated: {}",
                    words.en
                );
                let typed = |text: &str| -> BTreeSet<String> {
                    text.split('`').skip(1).step_by(2).map(str::to_owned).collect()
                };
                assert_eq!(typed(&words.en), typed(&words.de), "{words:?}");
                assert!(words.en.matches('`').count() % 2 == 0, "{words:?}");
            }
        }
    }
}

#[test]
fn after_a_reload_the_rules_are_new_and_what_needs_a_restart_is_as_it_was() {
    let before = facts(FOCUS);
    let fresh = facts(&format!(
        "[http]\nport = 7999\n{FOCUS}token_lifetime_s = 1234\n[policy]\nstrangers = \"deny\"\n{GUESTS}[privacy]\ncontact = \"new@org-a.example\"\n"
    ));
    let now = before.clone().reloaded(&fresh);
    assert!(now.strangers_denied && now.said.contact.is_some());
    assert!(now.guests().is_some() && before.guests().is_none());
    assert_eq!(now.http, before.http);
    assert_eq!(now.focus, before.focus);
}

#[test]
fn a_server_without_a_focus_keeps_nothing_on_disk_and_asks_nobody() {
    let text = whole("", Language::En);
    assert!(
        text.contains("This server writes nothing about people to disk"),
        "{text}"
    );
    assert!(text.contains("Hanse opens no connection by itself."), "{text}");
    assert!(!text.contains("Delayed leaves"));
}

#[test]
fn guests_are_spoken_of_where_they_are_allowed_and_nowhere_else() {
    let allowed = format!("{FOCUS}{GUESTS}");
    for (language, word) in [(Language::En, "guest"), (Language::De, "gäste")] {
        let mentions = |text: &str| -> Vec<String> {
            let public = render::markdown(&report::public(&facts(text)), language);
            let all = format!("{}{public}", whole(text, language));
            let lines = all.lines().filter(|line| line.to_lowercase().contains(word));
            // That there are such fields, and that they are empty, everybody may know.
            lines
                .filter(|line| !line.contains("guest_links."))
                .map(str::to_owned)
                .collect()
        };
        let without: BTreeSet<String> = mentions(FOCUS)
            .into_iter()
            .filter(|line| !line.starts_with("| `guests."))
            .collect();
        assert_eq!(without.len(), 1, "{without:#?}");
        assert_eq!(
            mentions(GUESTS),
            Vec::<String>::new(),
            "without a focus there are none"
        );
        assert!(mentions(&allowed).len() > 20, "{:#?}", mentions(&allowed));
    }
    for language in Language::ALL {
        let empty = super::guests::tables_are_empty();
        let empty = empty.in_language(language);
        assert!(whole(FOCUS, language).contains(empty) && !whole(&allowed, language).contains(empty));
    }
}

#[test]
fn nothing_in_the_configuration_becomes_a_part_of_the_page() {
    let facts = facts("[privacy]\ncontroller = \"<img src=x onerror=alert(1)> \u{202e}& Co | KG\"\n");
    let report = report::public(&facts);
    let page = render::html(&report, Language::En, None);
    assert!(
        page.contains("&lt;img src=x onerror=alert(1)&gt; \\u{202e}&amp; Co"),
        "{page}"
    );
    assert!(!page.contains("<img") && !page.contains('\u{202e}'));
    assert!(!page.contains("<script") && !page.contains("http://") && !page.contains("https://"));
}

#[test]
fn the_page_of_the_book_names_every_key_of_its_table() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/privacy-report.md");
    let page = std::fs::read_to_string(page).unwrap();
    for key in ["controller", "contact", "officer", "log_days"] {
        assert!(page.contains(&format!("`{key}`")), "{key}");
    }
}
