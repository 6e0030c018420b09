//! What the page in the executable is made of: npm packages as `client-web/app/package-lock.json` has them (npm Docs,
//! "package-lock.json", lockfileVersion 3). Tools that only build the page are not in it, and not here.

use crate::place::Place;
use crate::web_client;
use anyhow::{Context, Result, ensure};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Where packages lie below a package, or below the page.
const PACKAGES: &str = "node_modules/";

/// All of them.
pub struct PagePackages {
    /// By the folder that they are in, below the page's; sorted.
    pub packages: BTreeMap<String, PagePackage>,
    /// Folders of those that the page itself names.
    pub roots: Vec<String>,
}

/// One of them.
pub struct PagePackage {
    /// Its name, with its scope if it has one.
    pub name: String,
    /// Its version.
    pub version: String,
    /// What it says of its licence: an SPDX expression.
    pub licence: String,
    /// Folder of its files, once they are installed.
    pub folder: PathBuf,
    /// SHA-512 of what was downloaded, in hexadecimal.
    pub checksum: String,
    /// Folders of the packages that it uses.
    pub uses: Vec<String>,
}

impl PagePackages {
    /// Reads the lock file. Fails when a package names no licence, or no digest that holds it.
    pub fn read(place: &Place) -> Result<Self> {
        let folder = place.root.join(web_client::FOLDER);
        let file = folder.join("package-lock.json");
        let lock = fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
        Self::parse(&lock, &folder)
    }

    fn parse(lock: &str, folder: &Path) -> Result<Self> {
        let lock: Lock = serde_json::from_str(lock).context("package-lock.json has an unknown form")?;
        let is_shipped = |locked: &Locked| !locked.dev && !locked.optional;
        let shipped: BTreeMap<&String, &Locked> = lock
            .packages
            .iter()
            .filter(|(path, locked)| !path.is_empty() && is_shipped(locked))
            .collect();
        let used_by = |path: &str, locked: &Locked| -> Vec<String> {
            locked
                .dependencies
                .keys()
                .filter_map(|name| found_from(path, name, |candidate| shipped.contains_key(candidate)))
                .collect()
        };
        let one = |(path, locked): (&&String, &&Locked)| {
            let name = name_of(path).to_owned();
            let package = PagePackage {
                version: locked
                    .version
                    .clone()
                    .with_context(|| format!("{name} has no version in package-lock.json"))?,
                licence: locked
                    .license
                    .clone()
                    .with_context(|| format!("{name} says nothing of its licence: do without it"))?,
                folder: folder.join(path),
                checksum: checksum(&name, locked.integrity.as_deref().unwrap_or_default())?,
                uses: used_by(path, locked),
                name,
            };
            Ok(((*path).clone(), package))
        };
        let page = lock
            .packages
            .get("")
            .context("package-lock.json does not describe the page")?;
        Ok(PagePackages {
            roots: used_by("", page),
            packages: shipped.iter().map(one).collect::<Result<_>>()?,
        })
    }
}

fn name_of(path: &str) -> &str {
    path.rsplit_once(PACKAGES).map_or(path, |(_, name)| name)
}

/// The folder that `name` means for what lies at `path`: the nearest one, going outwards (Node.js, "Loading from
/// `node_modules` folders").
fn found_from(path: &str, name: &str, is_there: impl Fn(&String) -> bool) -> Option<String> {
    let mut from = path;
    loop {
        let separator = if from.is_empty() { "" } else { "/" };
        let candidate = format!("{from}{separator}{PACKAGES}{name}");
        if is_there(&candidate) {
            return Some(candidate);
        }
        if from.is_empty() {
            return None;
        }
        from = from
            .rsplit_once(PACKAGES)
            .map_or("", |(outer, _)| outer.trim_end_matches('/'));
    }
}

/// Subresource Integrity (W3C) in, hexadecimal out.
fn checksum(name: &str, integrity: &str) -> Result<String> {
    let bytes = integrity
        .strip_prefix("sha512-")
        .and_then(|text| BASE64_STANDARD.decode(text).ok())
        .unwrap_or_default();
    ensure!(
        bytes.len() == 64,
        "{name} has no SHA-512 in package-lock.json: run `npm install` in {} and commit the file",
        web_client::FOLDER
    );
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[derive(Deserialize)]
struct Lock {
    packages: BTreeMap<String, Locked>,
}

#[derive(Deserialize)]
struct Locked {
    version: Option<String>,
    license: Option<String>,
    integrity: Option<String>,
    #[serde(default)]
    dev: bool,
    #[serde(default)]
    optional: bool,
    #[serde(default)]
    dependencies: BTreeMap<String, String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn lock() -> Value {
        let integrity = format!("sha512-{}", BASE64_STANDARD.encode([7; 64]));
        let package = |uses: Value| json!({"version": "1.0.0", "license": "MIT", "integrity": integrity, "dependencies": uses});
        json!({"packages": {
            "": {"dependencies": {"call": "^1"}},
            "node_modules/call": package(json!({"@scope/events": "^2", "fsevents": "*"})),
            "node_modules/@scope/events": package(json!({})),
            "node_modules/call/node_modules/@scope/events": package(json!({})),
            "node_modules/bundler": {"version": "1.0.0", "dev": true},
            "node_modules/fsevents": {"version": "1.0.0", "optional": true},
        }})
    }

    fn parse(lock: &Value) -> Result<PagePackages> {
        PagePackages::parse(&lock.to_string(), Path::new("page"))
    }

    #[test]
    fn what_runs_in_the_page_is_found_with_whom_it_uses_and_what_only_builds_it_is_not() {
        let page = parse(&lock()).unwrap();
        assert_eq!(page.roots, ["node_modules/call"]);
        assert_eq!(page.packages.len(), 3);
        let call = &page.packages["node_modules/call"];
        assert_eq!(call.uses, ["node_modules/call/node_modules/@scope/events"]);
        assert_eq!(call.checksum, "07".repeat(64));
        let nested = &page.packages["node_modules/call/node_modules/@scope/events"];
        assert_eq!(nested.name, "@scope/events");
        assert_eq!(
            nested.folder,
            Path::new("page/node_modules/call/node_modules/@scope/events")
        );
    }

    #[test]
    fn a_package_without_licence_or_digest_is_refused_by_name() {
        for missing in ["license", "integrity"] {
            let mut lock = lock();
            lock["packages"]["node_modules/call"]
                .as_object_mut()
                .unwrap()
                .remove(missing);
            let refusal = parse(&lock).err().unwrap().to_string();
            assert!(refusal.starts_with("call "), "{refusal}");
        }
    }
}
