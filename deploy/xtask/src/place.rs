//! Where things are: the checkout, and the cache outside of it that a fresh checkout starts warm from.

use anyhow::{Context, Result};
use std::env;
use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{self, Path, PathBuf};

/// The folders that the workshop reads and writes.
pub struct Place {
    /// The checkout: the folder of the workspace's `Cargo.toml`.
    pub root: PathBuf,
    /// `$HANSE_CACHE`, else `$XDG_CACHE_HOME/hanse`, else `~/.cache/hanse`. Tools and virtual environments lie here;
    /// deleting it costs only time.
    pub cache: PathBuf,
}

impl Place {
    /// Finds both folders and makes the cache.
    pub fn find() -> Result<Self> {
        // `cargo run` says where the checkout is now. What was compiled in may be another one's, which shared the cache.
        let crate_folder = std::env::var_os("CARGO_MANIFEST_DIR")
            .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
        let root = crate_folder
            .ancestors()
            .nth(2)
            .context("xtask is not at deploy/xtask any more")?;
        let cache = folder("HANSE_CACHE", "")
            .or_else(|| folder("XDG_CACHE_HOME", "hanse"))
            .or_else(|| folder("HOME", ".cache/hanse"))
            .context("there is no place for the cache: set HANSE_CACHE to a folder, or HOME")?;
        fs::create_dir_all(&cache).with_context(|| {
            format!(
                "cannot make the cache folder {}: set HANSE_CACHE to another",
                cache.display()
            )
        })?;
        Ok(Place {
            root: root.to_path_buf(),
            cache,
        })
    }

    /// Keeps other runs of the workshop from installing at the same time, until the returned file is dropped. Waits for
    /// the one that holds the lock: an installation ends.
    pub fn lock(&self) -> Result<File> {
        let path = self.cache.join("lock");
        let file = File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
        file.lock()
            .with_context(|| format!("cannot lock {}", path.display()))?;
        Ok(file)
    }
}

fn folder(variable: &str, below: &str) -> Option<PathBuf> {
    let value = env::var_os(variable).filter(|value| !value.is_empty())?;
    path::absolute(Path::new(&value).join(below)).ok()
}

/// Names a thing in the cache after what it was made from. Not for secrets; another Rust release may give another name,
/// which costs one installation.
pub fn key_of(contents: &str) -> String {
    let mut hasher = DefaultHasher::new();
    contents.hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checkout_is_the_folder_of_the_workspace() {
        let place = Place::find().unwrap();
        assert!(place.root.join("Cargo.lock").is_file());
    }

    #[test]
    fn a_key_follows_the_contents_and_nothing_else() {
        assert_eq!(key_of("livekit==1.2.1"), key_of("livekit==1.2.1"));
        assert_ne!(key_of("livekit==1.2.1"), key_of("livekit==1.2.2"));
    }
}
