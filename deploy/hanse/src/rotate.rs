//! `hanse rotate`: new tokens for the application service, while calls go on. A homeserver reads its registration only when it
//! starts, so the file has the old tokens beside the new ones until every homeserver knows the new ones.
//!
//! In: the registrations that the configuration names. Out: the same files with new tokens, or without the old ones, and what
//! is to be done next. A running Hanse reads them again when it is told to (SIGHUP).

use crate::backup::replace_file;
use crate::settings::registrations;
use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use hanse_bridge::{Bridge, rotate, settle};
use std::fs;
use std::path::{Path, PathBuf};

/// Whose tokens, and which half of it.
#[derive(Args)]
pub struct RotateArguments {
    /// The configuration file of the server; its registrations get new tokens.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Forget the old tokens. Refused while a homeserver does not know the new ones.
    #[arg(long)]
    finish: bool,
}

/// Changes the files, and says what is next.
///
/// # Errors
///
/// A sentence. A file that was changed before it can be told by what a second try says.
pub async fn run(arguments: &RotateArguments) -> Result<String> {
    let config = arguments.config.as_deref();
    if arguments.finish {
        finish(config).await
    } else {
        begin(config)
    }
}

fn begin(config: Option<&Path>) -> Result<String> {
    let (files, homeservers) = registrations(config)?;
    let mut changed = Vec::new();
    for (file, registration) in files.iter().zip(&homeservers.registrations) {
        // A rotation that was killed between two files goes on with the second.
        if registration.previous.is_none() {
            changed.push((
                file,
                rotate(&text_of(file)?).with_context(|| file.display().to_string())?,
            ));
        }
    }
    ensure!(
        !files.is_empty(),
        "no homeserver has Hanse as an application service (registrations in [homeservers]), so there are no tokens to change"
    );
    ensure!(
        !changed.is_empty(),
        "the tokens are being changed already: restart the homeserver, and end it with `hanse rotate --finish`"
    );
    let mut said = String::new();
    for (file, text) in changed {
        replace_file(file, text.as_bytes())?;
        said.push_str(&format!(
            "{} has new tokens, and the old ones are still good.\n",
            file.display()
        ));
    }
    said.push_str(&format!(
        "Now, one after the other:\n\
         \x20 systemctl reload hanse             # Hanse takes both\n\
         \x20 systemctl restart matrix-synapse   # the homeserver knows the new ones; its workers, too, if it has any\n\
         \x20 hanse rotate --finish{}\n\
         \x20 systemctl reload hanse             # Hanse refuses the old ones\n",
        config.map(|path| format!(" --config {}", path.display())).unwrap_or_default()
    ));
    Ok(said)
}

async fn finish(config: Option<&Path>) -> Result<String> {
    let (files, homeservers) = registrations(config)?;
    let mut changed = Vec::new();
    for (file, registration) in files.iter().zip(&homeservers.registrations) {
        if registration.previous.is_none() {
            continue;
        }
        let server = registration.server_name();
        let knows = Bridge::knows_present_token(&homeservers, registration)
            .await
            .with_context(|| {
                format!("nothing was changed, because it is not known which tokens {server} knows")
            })?;
        if !knows {
            bail!(
                "nothing was changed: {server} does not know the new tokens yet. Restart it, and say this again"
            );
        }
        changed.push((
            file,
            settle(&text_of(file)?).with_context(|| file.display().to_string())?,
        ));
    }
    if changed.is_empty() {
        return Ok("No registration has old tokens in it: there is nothing to end.\n".to_owned());
    }
    let mut said = String::new();
    for (file, text) in changed {
        replace_file(file, text.as_bytes())?;
        said.push_str(&format!("{} has the new tokens only.\n", file.display()));
    }
    said.push_str("Now say: systemctl reload hanse. From then on Hanse refuses the old ones.\n");
    Ok(said)
}

fn text_of(file: &Path) -> Result<String> {
    fs::read_to_string(file).with_context(|| format!("{} cannot be read", file.display()))
}
