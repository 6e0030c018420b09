//! `hanse move-store`: everything of the store into another database, from SQLite to PostgreSQL or back.

use crate::backup;
use crate::settings::data_places;
use anyhow::{Context, Result};
use clap::Args;
use hanse_focus::store::transfer::{self, Target};
use hanse_runtime::clock;
use std::path::PathBuf;

/// What is to be moved, and where to.
#[derive(Args)]
pub struct MoveStoreArguments {
    /// The database to fill, as in `[store] url`: postgres://USER@HOST/DATABASE or sqlite:FILE. It must be empty. A password
    /// comes from PGPASSWORD or PGPASSFILE.
    #[arg(long, value_name = "URL")]
    to: String,
    /// The configuration file of the server; its `[store]` is what is moved.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// Copies the store, and says what is to be changed. The old one stays as it is.
///
/// # Errors
///
/// A sentence: a server that runs, a database that is not empty, one that cannot be reached. The new one is empty then.
pub async fn run(arguments: &MoveStoreArguments) -> Result<String> {
    backup::finish(arguments.config.as_deref()).await?;
    let places = data_places(arguments.config.as_deref())?;
    let moved = transfer::transfer(
        places.store_url.expose(),
        &arguments.to,
        Target::Empty,
        clock::unix_ms(),
    )
    .await
    .context("nothing was moved")?;
    let mut said = String::new();
    for table in moved {
        let digest: String = table.digest.chars().take(16).collect();
        said.push_str(&format!(
            "{:>8} rows of {} (sha256 {digest}…), read again and compared\n",
            table.rows, table.table
        ));
    }
    said.push_str(
        "Now set url in [store] to the new database, and start the server. The old one is as it was.\n",
    );
    Ok(said)
}
