//! `hanse setup`: introduces Hanse and a homeserver to each other. Asks for the server name at most, finds the homeserver, says
//! what it is, and writes everything that an installation needs; what is there already stays as it is.
//!
//! In: flags, one answer, what servers say of themselves, Synapse's configuration where it can be read. Out: files, and
//! sentences.
//!
//! Where to look next: each kind of file has a module of its own ([`config`], [`well_known`], [`proxy`], [`local`] for
//! Synapse, [`turn`] for coturn) that gives [`files::Wanted`] ones for an [`Installation`]; [`files`] writes them, [`homeserver`]
//! finds. [`direct`] is what is otherwise where no reverse proxy is.

mod ask;
mod config;
mod direct;
mod files;
mod homeserver;
mod local;
mod proxy;
mod turn;
mod well_known;

pub(crate) use homeserver::host_of;
pub(crate) use well_known::KEY as WELL_KNOWN_KEY;

use crate::focus::FOCUS_PATH;
use anyhow::{Context, Result, bail, ensure};
use ask::Asker;
use clap::Args;
use direct::{Direct, DirectArguments};
use files::{Readers, Wanted};
use hanse_bridge::{CallUrls, Registration, ServerName};
use homeserver::{Found, find};
use local::LocalSynapse;
use std::path::{Path, PathBuf};

/// Where Synapse is that nothing else is said of.
const USUAL_HOMESERVER_URL: &str = "http://127.0.0.1:8008";

/// What is to be introduced.
#[derive(Args)]
pub struct SetupArguments {
    /// Name of the homeserver, as behind the colon of its users' ids. Asked for if it is not said.
    #[arg(long, value_name = "NAME")]
    server_name: Option<String>,
    /// Where Hanse reaches the homeserver's client-server API. Looked for if it is not said: by its well-known, under its name,
    /// and on this machine.
    #[arg(long, value_name = "URL")]
    homeserver_url: Option<String>,
    /// Where the homeserver reaches Hanse: the HTTP port, without a path.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:7880")]
    hanse_url: String,
    /// Where people's browsers reach Hanse [default: https://hanse.<NAME>].
    #[arg(long, value_name = "URL")]
    public_url: Option<String>,
    /// Have the homeserver pass requests for tokens on to Hanse (MSC4195 over MSC4512). Every Element Call then leaves it to
    /// Hanse to notice that a device is gone.
    #[arg(long)]
    signed: bool,
    #[command(flatten)]
    direct: DirectArguments,
    /// Folder for the files.
    #[arg(long, value_name = "DIR", default_value = config::CONFIG_FOLDER)]
    out: PathBuf,
    /// The configuration of a Synapse on this machine. If it is the homeserver of that name, what it needs goes into the folder
    /// conf.d beside it.
    #[arg(long, value_name = "FILE", default_value = local::USUAL_CONFIG)]
    synapse_config: PathBuf,
    /// Say what would be done, and write nothing.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    turn: turn::TurnArguments,
}

/// One Hanse beside one homeserver: what every file is made from.
pub struct Installation {
    /// The homeserver's name.
    pub server_name: ServerName,
    /// What was found of the homeserver.
    pub found: Found,
    /// What both know of each other.
    pub registration: Registration,
    /// Where people's browsers reach Hanse; no slash at its end.
    pub public_url: String,
    /// Where they reach the focus.
    pub service_url: String,
    /// Where they reach the SFU.
    pub sfu_url: String,
    /// How it serves TLS itself; `None`: a reverse proxy does.
    pub direct: Option<Direct>,
    /// A relay, if one is wanted.
    pub turn: Option<turn::Turn>,
    /// Folder for the files, from the root.
    pub out: PathBuf,
}

impl Installation {
    /// Where the registration file is.
    pub fn registration_path(&self) -> PathBuf {
        registration_path(&self.out, &self.server_name)
    }
}

/// Finds the homeserver, writes the files, and says what it found and did.
///
/// # Errors
///
/// A sentence: a name or URL that is none, or a file that cannot be written.
pub fn run(arguments: &SetupArguments) -> Result<String> {
    let mut remarks = Vec::new();
    let local = LocalSynapse::read(&arguments.synapse_config).unwrap_or_else(|error| {
        remarks.push(format!(
            "What Synapse's configuration says is not taken in: {error:#}."
        ));
        None
    });
    let likely = local.as_ref().and_then(|local| local.config.server_name());
    let server_name: ServerName = match &arguments.server_name {
        Some(name) => name.parse().context("--server-name is no server name")?,
        None => ask::server_name(likely)?,
    };
    // Before anybody is asked.
    let url = arguments.homeserver_url.as_deref();
    Registration::generate(
        &server_name,
        url.unwrap_or(USUAL_HOMESERVER_URL),
        &arguments.hanse_url,
    )
    .context("--homeserver-url or --hanse-url")?;
    let url_of_people = public_url(arguments, &server_name);
    websocket_url(&url_of_people)?;
    Direct::wanted(&arguments.direct, &url_of_people)?;
    let local = local.filter(|local| local.config.server_name() == Some(server_name.as_str()));
    let found = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("the system gives no sockets")?
        .block_on(async { Ok::<_, anyhow::Error>(find(&Asker::new()?, &server_name, url, local).await) })?;
    install(arguments, server_name, found, remarks)
}

/// Writes the files for a homeserver that was found, and says what it found and did.
fn install(
    arguments: &SetupArguments,
    server_name: ServerName,
    found: Found,
    mut remarks: Vec<String>,
) -> Result<String> {
    let out = std::path::absolute(&arguments.out)
        .with_context(|| format!("the folder {} has no name", arguments.out.display()))?;
    let (registration, differences) = registration(arguments, &server_name, &found, &out)?;
    remarks.extend(differences);
    let public_url = public_url(arguments, &server_name);
    let installation = Installation {
        service_url: format!("{public_url}{FOCUS_PATH}"),
        sfu_url: websocket_url(&public_url)?,
        direct: Direct::wanted(&arguments.direct, &public_url)?,
        turn: turn::Turn::read(&arguments.turn, &out)?,
        server_name,
        found,
        registration,
        public_url,
        out,
    };
    let mut wanted = vec![registration_file(&installation)];
    wanted.extend(config::files(&installation)?);
    wanted.extend(installation.turn.iter().flat_map(turn::Turn::files));
    wanted.extend(homeserver_files(&installation));
    wanted.push(well_known::file(&installation));
    let proxies = match installation.direct {
        Some(_) => None,
        None => proxy::files(&installation.public_url, &installation.registration.hanse_url),
    };
    wanted.extend(
        proxies
            .iter()
            .flatten()
            .map(|proxy| proxy.wanted(&installation.out)),
    );

    let mut said = vec![
        "Your homeserver".to_owned(),
        listed(
            installation
                .found
                .sentences(&installation.server_name, &installation.service_url),
        ),
    ];
    if !remarks.is_empty() {
        said.extend(["To look at".to_owned(), listed(remarks)]);
    }
    said.extend([
        "Files".to_owned(),
        listed(write(&wanted, &installation, arguments.dry_run)?),
    ]);
    said.extend([
        "What is left to do".to_owned(),
        listed(steps(&installation, proxies.as_ref())),
    ]);
    Ok(said.join("\n"))
}

fn listed(sentences: Vec<String>) -> String {
    sentences
        .iter()
        .map(|sentence| format!("  - {sentence}\n"))
        .collect()
}

fn public_url(arguments: &SetupArguments, server_name: &ServerName) -> String {
    let said = arguments.public_url.clone();
    let url = said.unwrap_or_else(|| format!("https://hanse.{}", homeserver::host_of(server_name)));
    url.trim_end_matches('/').to_owned()
}

/// Where clients reach the SFU behind a URL of the web.
fn websocket_url(url: &str) -> Result<String> {
    match url.strip_prefix("http") {
        Some(rest) if rest.starts_with("://") || rest.starts_with("s://") => Ok(format!("ws{rest}")),
        _ => bail!("--public-url begins with http:// or https://"),
    }
}

fn registration_path(out: &Path, server_name: &ServerName) -> PathBuf {
    // A port in the name stays out of the file's.
    let plain = |letter: char| match letter {
        'a'..='z' | 'A'..='Z' | '0'..='9' | '.' => letter,
        _ => '-',
    };
    let name: String = server_name.as_str().chars().map(plain).collect();
    out.join(format!("registration-{name}.yaml"))
}

/// The registration that is there, or a new one; and what the one that is there says otherwise than this time was said.
fn registration(
    arguments: &SetupArguments,
    server_name: &ServerName,
    found: &Found,
    out: &Path,
) -> Result<(Registration, Vec<String>)> {
    let path = registration_path(out, server_name);
    let fresh = Registration::generate(server_name, &found.client_api_url, &arguments.hanse_url)
        .context("--homeserver-url or --hanse-url")?;
    let fresh = if arguments.signed { fresh.signed() } else { fresh };
    if !path.exists() {
        return Ok((fresh, Vec::new()));
    }
    let name = path.display();
    let text = files::text_of(&path).with_context(|| format!("{name} is there and cannot be read"))?;
    let there = Registration::read(&text)
        .with_context(|| format!("{name} is there already; take it away if it shall be made anew"))?;
    ensure!(
        there.server_name() == server_name,
        "{name} is there already, and is for another homeserver; take it away if it shall be made anew"
    );
    let anew = format!(
        "to have it made anew, take {name} away, run this again and restart the homeserver and Hanse"
    );
    let mut differences = Vec::new();
    if there.client_api_url != fresh.client_api_url {
        differences.push(format!(
            "The registration that is there says that Hanse reaches the homeserver at {}, and not at {}. That holds; {anew}.",
            there.client_api_url, fresh.client_api_url
        ));
    }
    if there.hanse_url != fresh.hanse_url {
        differences.push(format!(
            "The registration that is there says that the homeserver reaches Hanse at {}, and not at {}. That holds; {anew}.",
            there.hanse_url, fresh.hanse_url
        ));
    }
    if there.proxy_url.is_some() != fresh.proxy_url.is_some() {
        differences.push(format!(
            "The registration that is there has requests for tokens {}. That holds; {anew}.",
            if arguments.signed {
                "not passed on by the homeserver"
            } else {
                "passed on by the homeserver"
            }
        ));
    }
    if !there.guests {
        differences.push(format!(
            "The registration that is there reserves no names for guests, so nobody can take part without an account. That \
             holds; {anew}."
        ));
    }
    Ok((there, differences))
}

fn registration_file(installation: &Installation) -> Wanted {
    Wanted {
        path: installation.registration_path(),
        text: installation.registration.to_yaml(),
        readers: Readers::HanseAndHomeserver,
        about:
            "What Hanse and the homeserver know of each other; both must be able to read it, and nobody else."
                .to_owned(),
    }
}

/// What goes into the homeserver's configuration: beside our files, and where Synapse reads it by itself.
fn homeserver_files(installation: &Installation) -> Vec<Wanted> {
    let path = installation.registration_path().display().to_string();
    let urls = CallUrls {
        service: &installation.service_url,
        sfu: &installation.sfu_url,
    };
    let local = installation.found.local.as_ref();
    let config = local.map(|local| local.config.clone()).unwrap_or_default();
    let lines = config.lines_for_calls(&installation.registration, &path, urls);
    let text = format!(
        "# What Synapse needs for calls by Hanse, as `hanse setup` wrote it. Of a key that stands in several of its files Synapse\n\
         # takes the whole value of the last one, so add to what a file says already.\n{lines}"
    );
    let file = |path: PathBuf, about: &str| Wanted {
        path,
        text: text.clone(),
        readers: Readers::Everybody,
        about: about.to_owned(),
    };
    match local.and_then(LocalSynapse::our_file) {
        Some(path) => vec![file(
            path,
            "The lines for homeserver.yaml, where Synapse reads them by itself.",
        )],
        None => vec![file(
            installation.out.join("homeserver-hanse.yaml"),
            "The lines for homeserver.yaml.",
        )],
    }
}

/// Writes what is wanted; a sentence for each file.
fn write(wanted: &[Wanted], installation: &Installation, dry: bool) -> Result<Vec<String>> {
    if !dry {
        files::make_folder(&installation.out)?;
        files::make_folder(&config::state_folder(&installation.out))?;
    }
    let mut said = Vec::new();
    for wanted in wanted {
        let outcome = files::write(wanted, dry)?;
        said.push(format!(
            "{} {}. {}",
            wanted.path.display(),
            outcome.sentence(dry),
            wanted.about
        ));
    }
    if !dry {
        said.extend(files::let_homeserver_through(&installation.out)?);
    }
    Ok(said)
}

/// What only the administrator can do.
fn steps(installation: &Installation, proxies: Option<&[proxy::ProxyFile; 4]>) -> Vec<String> {
    let Installation { public_url, out, .. } = installation;
    let host = homeserver::host_of(&installation.server_name);
    let mut steps = Vec::new();
    match (&installation.direct, proxies) {
        (Some(direct), _) => steps.extend(direct.steps()),
        (None, Some(proxies)) => steps.extend(proxy::steps(proxies, public_url, out)),
        (None, None) => steps.push(format!(
            "{public_url} is not https:// and a name alone, so no file for a reverse proxy is written. Whatever is there must pass \
             on /rtc and what is below it (WebSockets, addresses of 64 KiB, silence of 30 s) and {FOCUS_PATH}/."
        )),
    }
    if installation.direct.is_none() {
        steps.push("Open 7882/udp and 7881/tcp in the firewall: media comes in there.".to_owned());
    }
    if !well_known::is_there(installation) {
        steps.push(format!(
            "Add to https://{host}/.well-known/matrix/client, for clients whose homeserver does not tell them: {}",
            well_known::line(&installation.service_url)
        ));
    }
    let local = installation.found.local.as_ref();
    steps.push(match local.and_then(LocalSynapse::our_file) {
        Some(_) => "Restart both: systemctl restart matrix-synapse hanse".to_owned(),
        None => "Add the lines of homeserver-hanse.yaml to homeserver.yaml (or name the file to Synapse with a further \
                 --config-path), let both read the registration, and restart both."
            .to_owned(),
    });
    steps.extend(installation.turn.iter().flat_map(turn::Turn::steps));
    steps.push(format!(
        "In a room whose calls shall follow its power levels and rules, a moderator invites {}.",
        installation.registration.bridge_user
    ));
    steps.push(format!(
        "Then let the doctor look whether calls work: hanse doctor --config {}",
        installation.out.join("hanse.toml").display()
    ));
    steps
}

#[cfg(test)]
mod tests;
