//! A folder for what is only needed while a package is made.

use anyhow::{Context, Result};
use std::fs;
use std::path::PathBuf;

/// Deleted when dropped.
pub struct Scratch {
    /// Where it is.
    pub path: PathBuf,
}

impl Scratch {
    /// Makes one; `what` is for whoever finds it after a crash.
    pub fn new(what: &str) -> Result<Self> {
        let path = std::env::temp_dir().join(format!("hanse-{what}-{}", std::process::id()));
        if path.exists() {
            fs::remove_dir_all(&path).with_context(|| format!("cannot remove {}", path.display()))?;
        }
        fs::create_dir_all(&path).with_context(|| format!("cannot make {}", path.display()))?;
        Ok(Scratch { path })
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What stays behind lies in the system's folder for such things.
        let _stays = fs::remove_dir_all(&self.path);
    }
}
