//! `hanse setup`: introduces Hanse and a homeserver to each other. Writes the registration file and files for reverse proxies,
//! and prints what goes into the configuration of both and into `.well-known`.

mod proxy;

use crate::focus::FOCUS_PATH;
use anyhow::{Context, Result, bail};
use clap::Args;
use hanse_bridge::{Registration, ServerName};
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// What is to be introduced.
#[derive(Args)]
pub struct SetupArguments {
    /// Name of the homeserver, as behind the colon of its users' ids.
    #[arg(long, value_name = "NAME")]
    server_name: String,
    /// Where Hanse reaches the homeserver's client-server API.
    #[arg(long, value_name = "URL")]
    homeserver_url: String,
    /// Where the homeserver reaches Hanse: the HTTP port, without a path.
    #[arg(long, value_name = "URL")]
    hanse_url: String,
    /// Where people's browsers reach Hanse [default: https://hanse.<NAME>].
    #[arg(long, value_name = "URL")]
    public_url: Option<String>,
    /// Have the homeserver pass requests for tokens on to Hanse (MSC4195 over MSC4512). Every Element Call then leaves it to
    /// Hanse to notice that a device is gone.
    #[arg(long)]
    signed: bool,
    /// Folder for the registration file and those for reverse proxies.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

/// Writes the files, and says what to do with them.
///
/// # Errors
///
/// A sentence: a name or URL that is none, or a file that is there already.
pub fn run(arguments: &SetupArguments) -> Result<String> {
    let server_name: ServerName = arguments
        .server_name
        .parse()
        .context("--server-name is no server name")?;
    let registration = Registration::generate(&server_name, &arguments.homeserver_url, &arguments.hanse_url)
        .context("--homeserver-url or --hanse-url")?;
    let registration = if arguments.signed {
        registration.signed()
    } else {
        registration
    };
    let host = server_name.as_str().split(':').next().unwrap_or_default();
    let public_url = arguments
        .public_url
        .clone()
        .unwrap_or_else(|| format!("https://hanse.{host}"));
    let sfu_url = websocket_url(&public_url)?;
    // A port in the name stays out of the file's.
    let name: String = server_name
        .as_str()
        .chars()
        .map(|letter| {
            if letter.is_ascii_alphanumeric() || letter == '.' {
                letter
            } else {
                '-'
            }
        })
        .collect();
    let out = std::path::absolute(&arguments.out)
        .with_context(|| format!("the folder {} has no name", arguments.out.display()))?;
    let path = out.join(format!("registration-{name}.yaml"));
    write_new(&path, &registration.to_yaml())?;
    let proxies = write_proxies(&public_url, &arguments.hanse_url, &out)?;
    let path = path.display().to_string();
    let sfu_is = if arguments.signed {
        format!(
            "\n[focus]\n\
             # Letter by letter the `url` of the transport in homeserver.yaml.\n\
             sfu_url = {sfu_url:?}\n"
        )
    } else {
        String::new()
    };
    let service_url = format!("{}{FOCUS_PATH}", public_url.trim_end_matches('/'));
    Ok(format!(
        "# Written: {path}\n\
         # Only its owner may read it. Hanse and the homeserver both must: give it to a group that both are in (mode 640),\n\
         # or a copy to each. Then restart both.\n\
         \n\
         # Into homeserver.yaml (Synapse); where a key is there already, add to it:\n\
         {homeserver}\n\
         # Into hanse.toml:\n\
         [homeservers]\n\
         registrations = [{path:?}]\n\
         {sfu_is}\
         \n\
         # Into https://{host}/.well-known/matrix/client, for clients whose homeserver does not tell them:\n\
         # {well_known}\n\
         \n\
         {proxies}\
         \n\
         # In a room whose calls shall follow its power levels and rules, a moderator invites {user}.\n",
        homeserver = registration.homeserver_lines(&path, &service_url, &sfu_url),
        user = registration.bridge_user,
        well_known = well_known(&service_url),
    ))
}

/// Where clients look that ask the homeserver's name and not the homeserver (MSC4143): a member of the object that is there.
fn well_known(service_url: &str) -> String {
    let focus = serde_json::json!([{"type": "livekit", "livekit_service_url": service_url}]);
    format!("\"org.matrix.msc4143.rtc_foci\": {focus}")
}

/// Writes what each kind of reverse proxy needs, and says what to do with it. What is there stays as it is: its
/// administrator may have changed it.
fn write_proxies(public_url: &str, hanse_url: &str, out: &Path) -> Result<String> {
    let Some(files) = proxy::files(public_url, hanse_url) else {
        return Ok(format!(
            "# {public_url} is not https:// and a name alone, so no file for a reverse proxy is written. It must pass on\n\
             # /rtc and what is below it (WebSockets, addresses of 64 KiB, silence of 30 s) and {FOCUS_PATH}/.\n"
        ));
    };
    let mut said = "# For the reverse proxy in front of Hanse, whichever it is:\n".to_owned();
    for file in files {
        let path = out.join(file.name);
        let is = match create(&path) {
            Ok(opened) => {
                write_all(opened, &path, &file.text)?;
                "written"
            }
            Err(error) if error.kind() == ErrorKind::AlreadyExists => "is there already, and stays as it is",
            Err(error) => return Err(error).with_context(|| format!("{} cannot be written", path.display())),
        };
        said.push_str(&format!("# {} ({is}). {}\n", path.display(), file.use_it));
    }
    Ok(said)
}

/// Where clients reach the SFU behind a URL of the web.
fn websocket_url(url: &str) -> Result<String> {
    match url.trim_end_matches('/').strip_prefix("http") {
        Some(rest) => Ok(format!("ws{rest}")),
        None => bail!("--public-url begins with http:// or https://"),
    }
}

/// Never over a file that is there: the homeserver may know its tokens.
fn write_new(path: &Path, text: &str) -> Result<()> {
    let name = path.display();
    let file = match create(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::AlreadyExists => bail!(
            "{name} is there already, and the homeserver may know it; take it away first if it shall be made anew"
        ),
        Err(error) => return Err(error).with_context(|| format!("{name} cannot be written")),
    };
    write_all(file, path, text)
}

/// A file that is not there yet, for its owner only.
fn create(path: &Path) -> std::io::Result<File> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
}

fn write_all(mut file: File, path: &Path, text: &str) -> Result<()> {
    file.write_all(text.as_bytes())
        .and_then(|()| file.sync_all())
        .with_context(|| format!("{} cannot be written", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn arguments(out: &Path) -> SetupArguments {
        SetupArguments {
            server_name: "org-a.example:8448".to_owned(),
            homeserver_url: "http://127.0.0.1:8008".to_owned(),
            hanse_url: "http://127.0.0.1:7880".to_owned(),
            public_url: None,
            signed: false,
            out: out.to_owned(),
        }
    }

    /// A folder of its own for each test, emptied at its start.
    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("hanse-setup-{name}-{}", std::process::id()));
        let _was_there = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        folder
    }

    #[test]
    fn the_file_is_readable_by_its_owner_only_and_is_a_registration() {
        let folder = folder("new");
        let said = run(&arguments(&folder)).unwrap();
        let path = folder.join("registration-org-a.example-8448.yaml");
        assert_eq!(
            std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        let registration = Registration::read(&std::fs::read_to_string(&path).unwrap()).unwrap();
        assert_eq!(registration.bridge_user.as_str(), "@hanse:org-a.example:8448");
        for part in [
            path.to_str().unwrap(),
            "https://hanse.org-a.example/livekit/jwt",
            "msc4502_enabled: true",
            "invites @hanse:org-a.example:8448",
        ] {
            assert!(said.contains(part), "{part} is missing in: {said}");
        }
        assert!(
            !said.contains(registration.as_token.expose()) && !said.contains(registration.hs_token.expose())
        );
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn only_who_asks_for_the_signed_form_gets_it() {
        let folder = folder("signed");
        let plain = run(&arguments(&folder)).unwrap();
        let path = folder.join("registration-org-a.example-8448.yaml");
        let read = || Registration::read(&std::fs::read_to_string(&path).unwrap()).unwrap();
        assert_eq!(read().proxy_url, None);
        assert!(
            !plain.contains("msc4512") && !plain.contains("sfu_url"),
            "{plain}"
        );
        std::fs::remove_file(&path).unwrap();
        let signed = run(&SetupArguments {
            signed: true,
            ..arguments(&folder)
        });
        assert_eq!(read().proxy_url.as_deref(), Some("http://127.0.0.1:7880"));
        let signed = signed.unwrap();
        for part in [
            "msc4512_enabled: true",
            "url: \"wss://hanse.org-a.example\"",
            "sfu_url = \"wss://hanse.org-a.example\"",
        ] {
            assert!(signed.contains(part), "{part} is missing in: {signed}");
        }
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn a_file_for_each_proxy_is_written_and_one_that_is_there_stays_as_it_is() {
        let folder = folder("proxies");
        std::fs::write(folder.join("proxy-nginx.conf"), "mine").unwrap();
        let said = run(&arguments(&folder)).unwrap();
        assert_eq!(
            std::fs::read_to_string(folder.join("proxy-nginx.conf")).unwrap(),
            "mine"
        );
        assert!(
            said.contains("proxy-nginx.conf (is there already, and stays as it is)"),
            "{said}"
        );
        for name in ["proxy-Caddyfile", "proxy-traefik.toml", "proxy-haproxy.cfg"] {
            assert!(said.contains(&format!("{name} (written)")), "{said}");
            let text = std::fs::read_to_string(folder.join(name)).unwrap();
            assert!(text.contains("hanse.org-a.example"), "{text}");
        }
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn what_goes_into_well_known_is_one_member_of_its_object() {
        let member = well_known("https://hanse.org-a.example/livekit/jwt");
        let object: serde_json::Value = serde_json::from_str(&format!("{{{member}}}")).unwrap();
        let focus = &object["org.matrix.msc4143.rtc_foci"][0];
        assert_eq!(focus["type"], "livekit");
        assert_eq!(
            focus["livekit_service_url"],
            "https://hanse.org-a.example/livekit/jwt"
        );
    }

    #[test]
    fn a_public_url_below_a_path_gets_no_files_for_proxies_and_is_told_what_they_must_do() {
        let folder = folder("path");
        let said = run(&SetupArguments {
            public_url: Some("https://org-a.example/hanse".to_owned()),
            ..arguments(&folder)
        });
        assert!(said.unwrap().contains("no file for a reverse proxy is written"));
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1, "the registration");
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn a_file_that_is_there_stays_as_it_is() {
        let folder = folder("twice");
        run(&arguments(&folder)).unwrap();
        let path = folder.join("registration-org-a.example-8448.yaml");
        let before = std::fs::read_to_string(&path).unwrap();
        let error = run(&arguments(&folder)).unwrap_err().to_string();
        assert!(error.contains("is there already"), "{error}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), before);
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn what_cannot_be_used_is_refused_before_anything_is_written() {
        let folder = folder("wrong");
        let wrong = [
            SetupArguments {
                server_name: "https://org-a.example".to_owned(),
                ..arguments(&folder)
            },
            SetupArguments {
                homeserver_url: "org-a.example".to_owned(),
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
}
