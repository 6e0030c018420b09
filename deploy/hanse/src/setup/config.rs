//! `hanse.toml` and the API keys, for an installation beside one homeserver.

use super::Installation;
use super::direct::Direct;
use super::files::{Readers, Wanted};
use super::turn::Turn;
use crate::web::likely_url;
use anyhow::{Result, anyhow};
use ipnet::IpNet;
use std::path::{Path, PathBuf};

/// Where the package keeps what must survive a restart.
const STATE_FOLDER: &str = "/var/lib/hanse";

/// Where the package keeps its settings.
pub const CONFIG_FOLDER: &str = "/etc/hanse";

/// What `[http]` says where nobody from outside is to come in.
const HERE_ONLY: &str = "bind_addresses = [\"127.0.0.1\", \"::1\"]\n";

/// Random bytes of an API key.
const KEY_BYTES: usize = 32;

/// The settings and the API keys.
///
/// # Errors
///
/// When the system gives no random numbers.
pub fn files(installation: &Installation) -> Result<[Wanted; 2]> {
    let keys = installation.out.join("hanse.keys");
    let registration = installation.registration_path();
    let hanse_url = &installation.registration.hanse_url;
    let direct = installation.direct.as_ref();
    let listen = match (beside_the_proxy(hanse_url), direct) {
        (Some(port), None) => format!(
            "[http]\n# The reverse proxy and the homeserver are on this machine.\n{HERE_ONLY}port = {port}\n\n"
        ),
        (Some(port), Some(_)) => format!(
            "[http]\n# Plain HTTP is for the homeserver, which is on this machine.\n{HERE_ONLY}port = {port}\n\n"
        ),
        (None, Some(_)) if hanse_url.starts_with("https://") => {
            format!("[http]\n# Nobody else needs plain HTTP.\n{HERE_ONLY}\n")
        }
        (None, _) => String::new(),
    };
    let tls = direct
        .map(|direct| direct.table(&installation.out))
        .unwrap_or_default();
    let media_ports = direct.map(Direct::media_ports).unwrap_or_default();
    let own: Vec<String> = installation
        .found
        .not_public
        .iter()
        .map(|address| quoted(&IpNet::from(*address).to_string()))
        .collect();
    let allowed = match own.as_slice() {
        [] => String::new(),
        own => format!(
            "# Where the homeserver's name leads from this machine.\nallowed_networks = [{}]\n",
            own.join(", ")
        ),
    };
    let settings = format!(
        "# As `hanse setup` wrote it. `hanse example-config` explains every key there is.\n\n\
         {listen}\
         {tls}\
         [sfu]\n\
         keys_file = {keys}\n\
         {media_ports}\
         {turn}\
         \n\
         [focus]\n\
         # Letter by letter the `url` of the transport in homeserver.yaml, if it has one there.\n\
         sfu_url = {sfu_url}\n\
         full_access_homeservers = [{server_name}]\n\
         \n\
         [homeservers]\n\
         registrations = [{registration}]\n\
         {allowed}\
         \n\
         [store]\n\
         url = {store}\n\
         {web}",
        web = web_lines(installation),
        turn = installation
            .turn
            .as_ref()
            .map(Turn::sfu_lines)
            .unwrap_or_default(),
        keys = quoted(&keys.display().to_string()),
        sfu_url = quoted(&installation.sfu_url),
        server_name = quoted(installation.server_name.as_str()),
        registration = quoted(&registration.display().to_string()),
        store = quoted(&format!(
            "sqlite:{}",
            state_folder(&installation.out).join("hanse.db").display()
        )),
    );
    Ok([
        Wanted {
            path: installation.out.join("hanse.toml"),
            text: settings,
            readers: Readers::Everybody,
            about: "The settings of Hanse.".to_owned(),
        },
        Wanted {
            path: keys,
            text: format!("hanse: {}\n", secret()?),
            readers: Readers::Hanse,
            about: "The API key that signs the tokens people come with.".to_owned(),
        },
    ])
}

/// Where the page finds the homeserver, if it would look elsewhere.
fn web_lines(installation: &Installation) -> String {
    let name = installation.server_name.as_str();
    let likely = likely_url(name, &installation.registration.client_api_url);
    let said = installation.found.url_for_browsers().filter(|url| *url != likely);
    said.map(|url| {
        format!(
            "\n[web]\n# Where browsers reach the homeserver, as its .well-known says.\nhomeservers = [{}]\n",
            quoted(&format!("{name}={url}"))
        )
    })
    .unwrap_or_default()
}

/// Where the database goes: where the package has its folder, or beside settings that are elsewhere.
pub fn state_folder(out: &Path) -> PathBuf {
    if out == Path::new(CONFIG_FOLDER) {
        STATE_FOLDER.into()
    } else {
        out.to_owned()
    }
}

/// A secret that nobody can guess, in hexadecimal digits.
///
/// # Errors
///
/// When the system gives no random numbers.
pub fn secret() -> Result<String> {
    let mut random = [0; KEY_BYTES];
    aws_lc_rs::rand::fill(&mut random).map_err(|_| anyhow!("the system gives no random numbers"))?;
    Ok(random.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// The port, if whoever reaches Hanse there is on this machine.
fn beside_the_proxy(hanse_url: &str) -> Option<u16> {
    let (host, port) = hanse_url.strip_prefix("http://")?.rsplit_once(':')?;
    matches!(host, "127.0.0.1" | "localhost" | "[::1]").then(|| port.parse().ok())?
}

/// As a TOML string: a JSON string is one.
pub fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
