//! The licences of others whose code is in the executables: most ask that their text goes with every copy.

use super::linked::LinkedPackages;
use super::page::PagePackages;
use anyhow::{Context, Result, bail};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// How the names of files with licences and notices begin.
const BEGINNINGS: [&str; 6] = [
    "license",
    "licence",
    "copying",
    "copyright",
    "notice",
    "unlicense",
];

/// A text beyond this is no licence.
const BYTES_MAX: u64 = 256 * 1024;

/// Something of others that people get with the package.
struct Shipped<'a> {
    name: &'a str,
    version: &'a str,
    licence: Option<&'a str>,
    folder: &'a Path,
}

/// One text with the packages that it is of; texts that many share stand there once. The page's packages must be installed.
pub fn collect(linked: &LinkedPackages, page: &PagePackages) -> Result<String> {
    let crates = linked
        .packages
        .values()
        .filter(|package| package.is_linked && !package.is_ours)
        .map(|package| Shipped {
            name: &package.name,
            version: &package.version,
            licence: package.licence.as_deref(),
            folder: &package.folder,
        });
    let of_page = page.packages.values().map(|package| Shipped {
        name: &package.name,
        version: &package.version,
        licence: Some(&package.licence),
        folder: &package.folder,
    });
    write(crates.chain(of_page))
}

fn write<'a>(shipped: impl Iterator<Item = Shipped<'a>>) -> Result<String> {
    let mut packages_of: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut without_text = Vec::new();
    for package in shipped {
        let name = format!("{} {}", package.name, package.version);
        let texts = texts_of(&package)?;
        if texts.is_empty() {
            match package.licence {
                Some(licence) => without_text.push(format!("{name}: {licence}")),
                None => bail!("{name} says nothing of its licence: do without it"),
            }
        }
        for text in texts {
            packages_of.entry(text).or_default().push(name.clone());
        }
    }
    let mut notices = String::from(
        "What others wrote and is in the executables of this package, the page that they serve included, with its licences.\n",
    );
    if !without_text.is_empty() {
        notices.push_str("\nThese name their licence, and bring no text of it:\n");
        for line in without_text {
            notices.push_str(&format!("  {line}\n"));
        }
    }
    // In the order of the first package that has it.
    let mut ordered: Vec<(Vec<String>, String)> = packages_of
        .into_iter()
        .map(|(text, packages)| (packages, text))
        .collect();
    ordered.sort();
    for (packages, text) in ordered {
        notices.push_str(&format!(
            "\n{}\n{}:\n\n{}\n",
            "=".repeat(80),
            packages.join(", "),
            text.trim_end()
        ));
    }
    Ok(notices)
}

fn texts_of(package: &Shipped<'_>) -> Result<Vec<String>> {
    let entries = fs::read_dir(package.folder)
        .with_context(|| format!("the sources of {} are not there", package.name))?;
    let mut files: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| is_licence(path))
        .collect();
    files.sort();
    let read = |path: PathBuf| {
        let bytes = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        Ok(String::from_utf8_lossy(&bytes).replace("\r\n", "\n"))
    };
    files.into_iter().map(read).collect()
}

fn is_licence(path: &Path) -> bool {
    let name = path
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .to_lowercase();
    BEGINNINGS.iter().any(|beginning| name.starts_with(beginning))
        && path
            .metadata()
            .is_ok_and(|data| data.is_file() && data.len() <= BYTES_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::place::Place;

    #[test]
    fn each_package_that_is_linked_stands_in_the_notices_and_one_that_only_builds_does_not() {
        let place = Place::find().unwrap();
        let linked = LinkedPackages::read(&place, &["hanse"]).unwrap();
        // Those of the page need not be installed here; the test of the package looks for them.
        let page = PagePackages {
            packages: BTreeMap::new(),
            roots: Vec::new(),
        };
        let notices = collect(&linked, &page).unwrap();
        for package in linked.packages.values().filter(|package| !package.is_ours) {
            let name = format!("{} {}", package.name, package.version);
            let stands = notices
                .lines()
                .any(|line| line.split([',', ':']).any(|part| part.trim() == name));
            assert_eq!(stands, package.is_linked, "{name}");
        }
    }
}
