//! What the executables are made of: packages as `cargo metadata` resolves them for this platform (The Cargo Book, "cargo
//! metadata"), with the checksums of Cargo.lock.

use crate::place::Place;
use crate::process::{cargo, read};
use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::process::Command;

/// Packages that are linked into one of the executables, or run while they are built; sorted.
pub struct LinkedPackages {
    /// By their id.
    pub packages: BTreeMap<String, LinkedPackage>,
    /// Ids of the executables' own packages.
    pub roots: Vec<String>,
    /// What compiled it, as it says itself.
    pub compiler: String,
}

/// One of them.
pub struct LinkedPackage {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// What its manifest says of its licence: an SPDX expression.
    pub licence: Option<String>,
    /// Folder of its sources.
    pub folder: PathBuf,
    /// SHA-256 of what was downloaded; none for packages of this workspace.
    pub checksum: Option<String>,
    /// Whether it is part of this workspace.
    pub is_ours: bool,
    /// Whether it is in an executable, and not just at work when that is built.
    pub is_linked: bool,
    /// Ids of the packages that it uses.
    pub uses: BTreeSet<String>,
}

impl LinkedPackages {
    /// Asks cargo and rustc, and reads Cargo.lock.
    pub fn read(place: &Place, executables: &[&str]) -> Result<Self> {
        let mut rustc = Command::new("rustc");
        let compiler = read("asking rustc for its version", rustc.arg("-vV"))?;
        let platform = compiler
            .lines()
            .find_map(|line| line.strip_prefix("host: "))
            .context("rustc does not say for which platform it builds")?;
        let mut command = cargo(place, "metadata");
        command.args(["--format-version", "1", "--locked", "--filter-platform", platform]);
        let metadata = read("cargo metadata", &mut command)?;
        let lock = place.root.join("Cargo.lock");
        let lock = fs::read_to_string(&lock).with_context(|| format!("cannot read {}", lock.display()))?;
        let mut linked = Self::parse(&metadata, &lock, executables)?;
        linked.compiler = compiler.lines().next().unwrap_or_default().to_owned();
        Ok(linked)
    }

    fn parse(metadata: &str, lock: &str, executables: &[&str]) -> Result<Self> {
        let metadata: Metadata =
            serde_json::from_str(metadata).context("cargo metadata has an unknown form")?;
        let lock: Lock = toml::from_str(lock).context("Cargo.lock has an unknown form")?;
        let ours: BTreeSet<&String> = metadata.workspace_members.iter().collect();
        let manifests: BTreeMap<&String, &Package> = metadata
            .packages
            .iter()
            .map(|package| (&package.id, package))
            .collect();
        let nodes: BTreeMap<&String, &Node> = metadata
            .resolve
            .nodes
            .iter()
            .map(|node| (&node.id, node))
            .collect();
        let roots: Vec<String> = executables
            .iter()
            .filter_map(|name| {
                ours.iter()
                    .find(|id| manifests.get(**id).is_some_and(|package| package.name == **name))
            })
            .map(|id| (*id).clone())
            .collect();
        ensure!(
            roots.len() == executables.len(),
            "not all of {} are in the workspace",
            executables.join(", ")
        );

        let mut packages: BTreeMap<String, LinkedPackage> = BTreeMap::new();
        let mut open: Vec<(String, bool)> = roots.iter().map(|id| (id.clone(), true)).collect();
        while let Some((id, is_linked)) = open.pop() {
            let manifest = manifests
                .get(&id)
                .with_context(|| format!("cargo metadata names {id} and does not describe it"))?;
            // Macros run in the compiler, and so does what they use.
            let is_linked = is_linked && !manifest.is_macro();
            match packages.get_mut(&id) {
                Some(known) if known.is_linked || !is_linked => continue,
                Some(known) => known.is_linked = true,
                None => {
                    let checksum = lock.checksum(&manifest.name, &manifest.version);
                    packages.insert(
                        id.clone(),
                        manifest.linked(is_linked, ours.contains(&id), checksum)?,
                    );
                }
            }
            for edge in nodes.get(&id).into_iter().flat_map(|node| &node.deps) {
                let kinds = || edge.dep_kinds.iter().map(|kind| kind.kind.as_deref());
                let is_normal = kinds().any(|kind| kind.is_none());
                if is_normal || kinds().any(|kind| kind == Some("build")) {
                    open.push((edge.pkg.clone(), is_linked && is_normal));
                    if let Some(package) = packages.get_mut(&id) {
                        package.uses.insert(edge.pkg.clone());
                    }
                }
            }
        }
        Ok(LinkedPackages {
            packages,
            roots,
            compiler: String::new(),
        })
    }
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    workspace_members: Vec<String>,
    resolve: Resolve,
}

#[derive(Deserialize)]
struct Package {
    id: String,
    name: String,
    version: String,
    license: Option<String>,
    manifest_path: PathBuf,
    targets: Vec<Target>,
}

impl Package {
    fn is_macro(&self) -> bool {
        self.targets
            .iter()
            .any(|target| target.kind.iter().any(|kind| kind == "proc-macro"))
    }

    fn linked(&self, is_linked: bool, is_ours: bool, checksum: Option<String>) -> Result<LinkedPackage> {
        let folder = self
            .manifest_path
            .parent()
            .with_context(|| format!("{} has no folder", self.name))?;
        Ok(LinkedPackage {
            name: self.name.clone(),
            version: self.version.clone(),
            // Older manifests have a slash for OR.
            licence: self.license.as_ref().map(|text| text.replace('/', " OR ")),
            folder: folder.to_path_buf(),
            checksum,
            is_ours,
            is_linked,
            uses: BTreeSet::new(),
        })
    }
}

#[derive(Deserialize)]
struct Target {
    kind: Vec<String>,
}

#[derive(Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Deserialize)]
struct Node {
    id: String,
    deps: Vec<Edge>,
}

#[derive(Deserialize)]
struct Edge {
    pkg: String,
    dep_kinds: Vec<Kind>,
}

#[derive(Deserialize)]
struct Kind {
    kind: Option<String>,
}

/// Cargo.lock.
#[derive(Deserialize)]
struct Lock {
    package: Vec<Locked>,
}

#[derive(Deserialize)]
struct Locked {
    name: String,
    version: String,
    checksum: Option<String>,
}

impl Lock {
    fn checksum(&self, name: &str, version: &str) -> Option<String> {
        self.package
            .iter()
            .find(|package| package.name == name && package.version == version)
            .and_then(|package| package.checksum.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn package(name: &str, kind: &str) -> Value {
        json!({"id": name, "name": name, "version": "1.0.0", "license": "MIT/Apache-2.0",
               "manifest_path": format!("/crates/{name}/Cargo.toml"), "targets": [{"kind": [kind]}]})
    }

    fn node(id: &str, deps: &[(&str, Option<&str>)]) -> Value {
        let deps: Vec<Value> = deps
            .iter()
            .map(|(pkg, kind)| json!({"pkg": pkg, "dep_kinds": [{"kind": kind}]}))
            .collect();
        json!({"id": id, "deps": deps})
    }

    #[test]
    fn what_is_linked_what_only_builds_and_what_only_tests_are_told_apart() {
        let metadata = json!({
            "packages": [package("hanse", "bin"), package("both", "lib"), package("derive", "proc-macro"),
                         package("builder", "lib"), package("tester", "lib")],
            "workspace_members": ["hanse"],
            "resolve": {"nodes": [
                node("hanse", &[("derive", None), ("builder", Some("build")), ("tester", Some("dev")), ("both", None)]),
                node("derive", &[("both", None)]),
                node("builder", &[]), node("tester", &[]), node("both", &[]),
            ]},
        });
        let lock = "[[package]]\nname = \"both\"\nversion = \"1.0.0\"\nchecksum = \"abc\"\n\
                    [[package]]\nname = \"hanse\"\nversion = \"1.0.0\"\n";
        let linked = LinkedPackages::parse(&metadata.to_string(), lock, &["hanse"]).unwrap();
        let is_linked: Vec<(&str, bool)> = linked
            .packages
            .values()
            .map(|package| (package.name.as_str(), package.is_linked))
            .collect();
        assert_eq!(
            is_linked,
            [
                ("both", true),
                ("builder", false),
                ("derive", false),
                ("hanse", true)
            ]
        );
        let both = linked.packages.get("both").unwrap();
        assert_eq!(both.checksum.as_deref(), Some("abc"));
        assert_eq!(both.licence.as_deref(), Some("MIT OR Apache-2.0"));
        assert!(!both.is_ours && linked.packages["hanse"].is_ours);
    }

    #[test]
    fn an_executable_that_is_not_there_is_an_error() {
        let metadata = json!({"packages": [], "workspace_members": [], "resolve": {"nodes": []}});
        assert!(LinkedPackages::parse(&metadata.to_string(), "package = []", &["hanse"]).is_err());
    }
}
