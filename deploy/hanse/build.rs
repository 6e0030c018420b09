//! Finds the files of the web client, so that they become part of the executable (`src/web/files.rs`).
//!
//! They are there once `npm run build` has run in `client-web/app`, which `cargo xtask` sees to; cargo alone needs no Node.js, and
//! builds an executable without a page where there are none.

use std::path::{Path, PathBuf};
use std::{env, fs, io};

/// Where the web client is built, from this folder.
const BUILT: &str = "../../client-web/app/dist";

fn main() -> io::Result<()> {
    let here = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
    let built = here.join(BUILT);
    println!("cargo::rerun-if-changed={}", built.display());
    let mut files = Vec::new();
    if built.is_dir() {
        collect(&built, &mut files)?;
    }
    // The same bytes wherever it is built.
    files.sort();
    let entries: Vec<String> = files
        .iter()
        .filter_map(|file| {
            let name = file.strip_prefix(&built).ok()?.to_str()?;
            Some(format!("    ({name:?}, include_bytes!({:?})),\n", file.to_str()?))
        })
        .collect();
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default()).join("web.rs");
    fs::write(out, format!("&[\n{}]\n", entries.concat()))
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}
