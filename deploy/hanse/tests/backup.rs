//! A backup of a running server, and the way back.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)] // A test may panic.

mod organisation;

use organisation::{Folder, Organisation, Said, hanse};
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Instant;

/// A server whose database says that a homeserver is blocked, that has a webhook waiting, stopped again.
fn stopped(name: &str, blocked: &str) -> Folder {
    let mut org = Organisation::start(name, "");
    assert_eq!(org.ask(&["block", blocked]).code, 0);
    org.stop();
    let spool = org.folder.0.join("webhooks/to-0011223344556677");
    std::fs::create_dir_all(&spool).unwrap();
    std::fs::write(
        spool.join("00000000000000000001.json"),
        format!("waits for {blocked}"),
    )
    .unwrap();
    let config = std::fs::read_to_string(org.folder.path("hanse.toml")).unwrap();
    let keys = org.folder.path("hanse.keys");
    std::fs::write(&keys, "devkey: 0123456789abcdef0123456789abcdef\n").unwrap();
    std::fs::set_permissions(&keys, std::fs::Permissions::from_mode(0o640)).unwrap();
    let webhooks = org.folder.path("webhooks");
    let config = config.replace(
        "[focus]",
        &format!("keys_file = \"{keys}\"\nwebhook_folder = \"{webhooks}\"\n[focus]"),
    );
    std::fs::write(org.folder.path("hanse.toml"), config).unwrap();
    Folder(std::mem::take(&mut org.folder.0))
}

fn say(folder: &Folder, arguments: &[&str]) -> Said {
    let config = folder.path("hanse.toml");
    hanse(&[arguments, &["--config", &config]].concat())
        .output()
        .unwrap()
        .into()
}

/// Everything that a server has: its blocked homeservers as its database says, and the files of its webhooks and configuration.
#[derive(Debug, PartialEq, Eq, Clone)]
struct Whole {
    blocked: Vec<String>,
    files: BTreeMap<PathBuf, String>,
}

/// As the next server would find it, which ends what a killed restore has begun.
fn whole(folder: &Folder) -> Whole {
    // It does nothing but what every start does first; whatever is wrong with the rest, it refuses.
    let ended = say(folder, &["backup", "--to", &folder.path("look.backup")]);
    assert_eq!(ended.code, 0, "{}", ended.err);
    assert!(!folder.0.join("hanse-restore.json").exists());
    let database = std::fs::read(folder.path("hanse.db")).unwrap();
    let names = ["one.example", "two.example"];
    let has = |name: &&&str| database.windows(name.len()).any(|part| part == name.as_bytes());
    let mut files = BTreeMap::new();
    for name in [
        "hanse.toml",
        "hanse.keys",
        "webhooks/to-0011223344556677/00000000000000000001.json",
    ] {
        if let Ok(text) = std::fs::read_to_string(folder.path(name)) {
            files.insert(PathBuf::from(name), text);
        }
    }
    Whole {
        blocked: names.iter().filter(has).map(|name| (*name).to_owned()).collect(),
        files,
    }
}

fn mode(path: &str) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn a_backup_of_a_running_server_brings_everything_back_and_nothing_is_overwritten_unasked() {
    let org = Organisation::start("backup", "");
    assert_eq!(org.ask(&["block", "one.example"]).code, 0);
    let file = org.folder.path("a.backup");
    let said = org.ask(&["backup", "--to", &file, "--with-configuration"]);
    assert_eq!(said.code, 0, "{}", said.err);
    assert!(said.out.contains("1 rows of blocked_homeservers"), "{}", said.out);
    assert_eq!(mode(&file), 0o600);

    // What came later goes again.
    assert_eq!(org.ask(&["block", "two.example"]).code, 0);
    let refused = org.ask(&["restore", "--from", &file, "--replace"]);
    assert_eq!(refused.code, 1);
    assert!(
        refused.err.contains("another hanse process uses the database"),
        "{}",
        refused.err
    );
    let mut org = org;
    org.stop();
    let refused = org.ask(&["restore", "--from", &file]);
    assert_eq!(refused.code, 1);
    assert!(
        refused.err.contains("is there already") && refused.err.contains("--replace"),
        "{}",
        refused.err
    );
    let restored = org.ask(&["restore", "--from", &file, "--replace", "--with-configuration"]);
    assert_eq!(restored.code, 0, "{}", restored.err);
    let org = org.crash_and_start();
    let blocked = org.ask(&["blocked", "--json"]).json();
    assert_eq!(blocked["homeservers"].as_array().unwrap().len(), 1);
    assert_eq!(blocked["homeservers"][0]["homeserver"], "one.example");
}

#[test]
fn files_of_the_configuration_are_saved_only_if_asked_for_and_go_back_with_their_modes() {
    let folder = stopped("with", "one.example");
    let (plain, full) = (folder.path("plain.backup"), folder.path("full.backup"));
    assert_eq!(say(&folder, &["backup", "--to", &plain]).code, 0);
    assert_eq!(
        say(&folder, &["backup", "--to", &full, "--with-configuration"]).code,
        0
    );
    let secret = b"0123456789abcdef0123456789abcdef";
    let has_secret = |file: &str| {
        let bytes = std::fs::read(file).unwrap();
        bytes.windows(secret.len()).any(|part| part == secret)
    };
    assert_eq!((has_secret(&plain), has_secret(&full)), (false, true));
    let refused = say(
        &folder,
        &["restore", "--from", &plain, "--replace", "--with-configuration"],
    );
    assert!(refused.err.contains("no configuration in it"), "{}", refused.err);

    let before = whole(&folder);
    // As on a new machine: an empty folder of the same name.
    let backup = std::fs::read(&full).unwrap();
    std::fs::remove_dir_all(&folder.0).unwrap();
    std::fs::create_dir(&folder.0).unwrap();
    std::fs::write(&full, backup).unwrap();
    let restored = say(&folder, &["restore", "--from", &full, "--with-configuration"]);
    assert_eq!(restored.code, 0, "{}", restored.err);
    assert_eq!(whole(&folder), before);

    std::fs::write(folder.path("hanse.keys"), "other: secret").unwrap();
    std::fs::remove_dir_all(folder.path("webhooks")).unwrap();
    let restored = say(
        &folder,
        &["restore", "--from", &full, "--replace", "--with-configuration"],
    );
    assert_eq!(restored.code, 0, "{}", restored.err);
    assert_eq!(whole(&folder), before);
    assert_eq!(mode(&folder.path("hanse.keys")), 0o640);
    assert_eq!(mode(&folder.path("hanse.db")), 0o600);
    assert_eq!(mode(&folder.path("webhooks")), 0o700);
}

#[test]
fn certificates_and_what_acme_has_got_come_back_on_an_empty_machine_for_their_owner_only() {
    for (kind, lines, files) in [
        (
            "files",
            "certificate_file = \"FOLDER/live/chain.pem\"\nkey_file = \"FOLDER/live/key.pem\"\n",
            ["live/chain.pem", "live/key.pem"],
        ),
        (
            "acme",
            "names = [\"hanse.org-a.example\"]\nacme_folder = \"FOLDER/acme\"\n",
            ["acme/account-1.der", "acme/certificate-1.pem"],
        ),
    ] {
        let folder = stopped(&format!("tls-{kind}"), "one.example");
        let here = folder.0.clone();
        let registration = r#"{id: calls, url: "http://hanse.internal:7880/", as_token: aaaaaaaaaaaaaaaa, hs_token: bbbbbbbbbbbbbbbb,
            sender_localpart: hanse, org.hanse.homeserver: {server_name: a.example, client_api_url: "https://a.example"}}"#;
        let mut config = std::fs::read_to_string(here.join("hanse.toml")).unwrap();
        config.push_str(&format!("[tls]\n{lines}").replace("FOLDER", here.to_str().unwrap()));
        let of_homeserver = folder.path("registration.yaml");
        config = config.replace(
            "[homeservers]",
            &format!("[homeservers]\nregistrations = [\"{of_homeserver}\"]"),
        );
        assert!(config.contains("registrations"), "{config}");
        std::fs::write(&of_homeserver, registration).unwrap();
        std::fs::set_permissions(&of_homeserver, std::fs::Permissions::from_mode(0o640)).unwrap();
        std::fs::write(here.join("hanse.toml"), config).unwrap();
        let inner = here.join(files[0]).parent().unwrap().to_owned();
        std::fs::create_dir(&inner).unwrap();
        std::fs::set_permissions(&inner, std::fs::Permissions::from_mode(0o700)).unwrap();
        for file in files {
            std::fs::write(here.join(file), format!("what is in {file}")).unwrap();
            std::fs::set_permissions(here.join(file), std::fs::Permissions::from_mode(0o600)).unwrap();
        }
        // What is only being written is in no backup.
        std::fs::write(inner.join("half.new"), "half").unwrap();
        let full = folder.path("full.backup");
        let saved = say(&folder, &["backup", "--to", &full, "--with-configuration"]);
        assert_eq!(saved.code, 0, "{}", saved.err);
        let backup = std::fs::read(&full).unwrap();
        std::fs::remove_dir_all(&here).unwrap();
        std::fs::create_dir(&here).unwrap();
        std::fs::write(&full, &backup).unwrap();
        let arguments = ["restore", "--from", &full, "--with-configuration"];
        let restored = say(&folder, &arguments);
        assert_eq!(restored.code, 0, "{}", restored.err);
        for file in files {
            let text = std::fs::read_to_string(here.join(file)).unwrap();
            assert_eq!(text, format!("what is in {file}"));
            assert_eq!(mode(&folder.path(file)), 0o600);
        }
        assert_eq!(mode(inner.to_str().unwrap()), 0o700);
        assert_eq!(std::fs::read_dir(&inner).unwrap().count(), files.len());
        assert_eq!(std::fs::read_to_string(&of_homeserver).unwrap(), registration);
        assert_eq!(mode(&of_homeserver), 0o640);
        // A second one is over what is there now.
        let refused = say(&folder, &arguments);
        assert!(refused.err.contains("is there already"), "{}", refused.err);
        // What a link leads to is replaced, as certbot lays out its files, and the link stays.
        let (link, archive) = (here.join(files[1]), here.join("archive.pem"));
        std::fs::rename(&link, &archive).unwrap();
        std::os::unix::fs::symlink(&archive, &link).unwrap();
        std::fs::write(&archive, "another").unwrap();
        let replaced = say(&folder, &[&arguments[..], &["--replace"]].concat());
        assert_eq!(replaced.code, 0, "{}", replaced.err);
        assert!(std::fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(
            std::fs::read_to_string(&archive).unwrap(),
            format!("what is in {}", files[1])
        );
    }
}

#[test]
fn a_damaged_or_newer_backup_changes_nothing() {
    let folder = stopped("damaged", "one.example");
    let file = folder.path("good.backup");
    assert_eq!(say(&folder, &["backup", "--to", &file]).code, 0);
    let good = std::fs::read(&file).unwrap();
    let before = whole(&folder);
    let bad = folder.path("bad.backup");
    // Where something is: a tar archive ends in padding that nobody reads.
    let length = good.iter().rposition(|byte| *byte != 0).unwrap();
    for place in (0..length).step_by(length / 40).filter(|place| good[*place] != 0) {
        let mut bytes = good.clone();
        bytes[place] ^= 0x01;
        std::fs::write(&bad, bytes).unwrap();
        let said = say(&folder, &["restore", "--from", &bad, "--replace"]);
        assert_eq!(said.code, 1, "byte {place}: {}", said.out);
        assert!(said.err.contains("damaged"), "byte {place}: {}", said.err);
    }
    std::fs::write(&bad, &good[..length / 2]).unwrap();
    assert!(
        say(&folder, &["restore", "--from", &bad, "--replace"])
            .err
            .contains("damaged")
    );
    std::fs::write(&bad, "notes").unwrap();
    let said = say(&folder, &["restore", "--from", &bad, "--replace"]);
    assert!(said.err.contains("no backup of hanse"), "{}", said.err);

    std::fs::write(&bad, newer(&good)).unwrap();
    let said = say(&folder, &["restore", "--from", &bad, "--replace"]);
    assert!(said.err.contains("which does not understand it"), "{}", said.err);
    assert_eq!(whole(&folder), before);

    let said = say(&folder, &["backup", "--to", &folder.path("hanse.toml")]);
    assert!(
        said.err.contains("is no backup of hanse: name another file"),
        "{}",
        said.err
    );
}

/// The same as a later release would write it: another format, and a digest that fits.
fn newer(good: &[u8]) -> Vec<u8> {
    let mut archive = tar::Archive::new(good);
    let mut written = tar::Builder::new(Vec::new());
    let mut manifest = String::new();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let name = entry.path().unwrap().to_path_buf();
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut entry, &mut bytes).unwrap();
        if name == Path::new("hanse-backup.json") {
            manifest = String::from_utf8(bytes)
                .unwrap()
                .replace("\"format\": 1", "\"format\": 2");
            bytes = manifest.clone().into_bytes();
        } else if name == Path::new("hanse-backup.sha256") {
            let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, manifest.as_bytes());
            let hex: String = digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
            bytes = hex.into_bytes();
        }
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        written.append_data(&mut header, &name, bytes.as_slice()).unwrap();
    }
    written.into_inner().unwrap()
}

/// Starts a command, and kills it once something is there (or, `None`, as soon as it lives); whether it was killed in time.
fn killed_at(folder: &Folder, arguments: &[&str], moment: Option<&str>, after: u32) -> bool {
    let config = folder.path("hanse.toml");
    let mut process = hanse(&[arguments, &["--config", &config]].concat())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let is_reached = || moment.is_none_or(|name| folder.0.join(name).exists());
    let mut looks = 0;
    while process.try_wait().unwrap().is_none() {
        if is_reached() {
            looks += 1;
        }
        if looks > after {
            process.kill().unwrap();
            break;
        }
    }
    process.wait().unwrap().code().is_none()
}

#[test]
fn whoever_is_killed_in_a_backup_leaves_the_earlier_one_or_the_new_one() {
    let folder = stopped("kill-backup", "one.example");
    let file = folder.path("a.backup");
    assert_eq!(say(&folder, &["backup", "--to", &file]).code, 0);
    let before = whole(&folder);
    let mut killed = 0;
    for moment in [
        None,
        Some(".a.backup.hanse-database"),
        Some(".a.backup.hanse-backup"),
    ] {
        for after in [0, 1, 5, 20, 100, 500] {
            killed += u32::from(killed_at(&folder, &["backup", "--to", &file], moment, after));
            // What is at its place is a whole backup, and the server's data is as it was.
            let restored = say(&folder, &["restore", "--from", &file, "--replace"]);
            assert_eq!(restored.code, 0, "{moment:?} {after}: {}", restored.err);
            assert_eq!(whole(&folder), before);
        }
    }
    assert!(killed > 5, "only {killed} were killed in time");
    assert_eq!(say(&folder, &["backup", "--to", &file]).code, 0);
    let hidden = std::fs::read_dir(&folder.0).unwrap().filter(|entry| {
        entry
            .as_ref()
            .unwrap()
            .file_name()
            .to_str()
            .unwrap()
            .contains(".hanse-")
    });
    assert_eq!(hidden.count(), 0, "the next one takes away what was left");
}

#[test]
fn whoever_is_killed_in_a_restore_leaves_the_old_or_the_new() {
    let began = Instant::now();
    let folder = stopped("kill-restore", "one.example");
    let file = folder.path("two.backup");
    let old_backup = folder.path("one.backup");
    let full = |to: &str| say(&folder, &["backup", "--to", to, "--with-configuration"]);
    assert_eq!(full(&old_backup).code, 0);
    let old = whole(&folder);
    // The new one: another database, other keys, other webhooks.
    let other = stopped("kill-other", "two.example");
    std::fs::copy(other.path("hanse.db"), folder.path("hanse.db")).unwrap();
    std::fs::write(
        folder.path("hanse.keys"),
        "other: 0123456789abcdef0123456789abcdef\n",
    )
    .unwrap();
    let waiting = folder.path("webhooks/to-0011223344556677/00000000000000000001.json");
    std::fs::write(waiting, "waits for two.example").unwrap();
    assert_eq!(full(&file).code, 0);
    let new = whole(&folder);
    assert_ne!(old, new);

    let back = |to: &str| {
        say(
            &folder,
            &["restore", "--from", to, "--replace", "--with-configuration"],
        )
    };
    let (mut killed, mut olds, mut news) = (0, 0, 0);
    for moment in [
        None,
        Some(".hanse.toml.hanse-restore"),
        Some(".hanse.db.hanse-restore"),
        Some("hanse-restore.json"),
    ] {
        for after in [0, 1, 5, 20, 100] {
            assert_eq!(back(&old_backup).code, 0);
            let restore = [
                "restore",
                "--from",
                file.as_str(),
                "--replace",
                "--with-configuration",
            ];
            killed += u32::from(killed_at(&folder, &restore, moment, after));
            let found = whole(&folder);
            assert!(found == old || found == new, "{moment:?} {after}: {found:?}");
            olds += u32::from(found == old);
            news += u32::from(found == new);
        }
    }
    eprintln!(
        "killed {killed} times: {olds} times the old, {news} times the new, in {:?}",
        began.elapsed()
    );
    assert!(killed > 5 && olds > 2 && news > 0, "{killed} {olds} {news}");
}
