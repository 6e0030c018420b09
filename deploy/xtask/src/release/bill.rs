//! The bill of materials: CycloneDX 1.5 as JSON (<https://cyclonedx.org/docs/1.5/json/>).

use super::commit::Commit;
use super::linked::{LinkedPackage, LinkedPackages};
use super::page::{PagePackage, PagePackages};
use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Writes it: one component a package, and who uses whom. The same packages and the same commit give the same bytes, so it
/// has no serial number, which would have to be new each time.
pub fn write(linked: &LinkedPackages, page: &PagePackages, commit: &Commit, version: &str) -> Result<String> {
    let crates = linked.packages.values();
    // One version may lie in several folders of the page.
    let of_page: BTreeMap<String, &PagePackage> = page
        .packages
        .values()
        .map(|package| (page_reference(package), package))
        .collect();
    let components: Vec<Value> = crates
        .clone()
        .map(component)
        .chain(of_page.values().map(|package| page_component(package)))
        .collect();
    let whole = format!("hanse-package@{version}");
    let whole_uses = [
        references(linked, linked.roots.iter()),
        page_references(page, &page.roots),
    ];
    let dependencies: Vec<Value> = crates
        .map(|package| json!({"ref": reference(package), "dependsOn": references(linked, package.uses.iter())}))
        .chain(of_page.iter().map(|(reference, package)| {
            json!({"ref": reference, "dependsOn": page_references(page, &package.uses)})
        }))
        .chain([json!({"ref": whole, "dependsOn": whole_uses.concat()})])
        .collect();
    let bill = json!({
        "$schema": "http://cyclonedx.org/schema/bom-1.5.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {
            "timestamp": commit.time,
            "component": {
                "type": "application",
                "bom-ref": whole,
                "name": "hanse",
                "version": version,
                "licenses": [{"expression": "Apache-2.0 OR MIT"}],
            },
            "properties": [
                {"name": "hanse:commit", "value": commit.id},
                {"name": "hanse:compiler", "value": linked.compiler},
            ],
        },
        "components": components,
        "dependencies": dependencies,
    });
    let mut text = serde_json::to_string_pretty(&bill).context("the bill of materials cannot be written")?;
    text.push('\n');
    Ok(text)
}

fn component(package: &LinkedPackage) -> Value {
    let mut component = json!({
        "type": "library",
        "bom-ref": reference(package),
        "name": package.name,
        "version": package.version,
        // What only runs in the compiler is part of the supply chain, and not of the executables.
        "scope": if package.is_linked { "required" } else { "excluded" },
    });
    if let Some(fields) = component.as_object_mut() {
        if !package.is_ours {
            fields.insert("purl".to_owned(), json!(reference(package)));
        }
        if let Some(licence) = &package.licence {
            fields.insert("licenses".to_owned(), json!([{"expression": licence}]));
        }
        if let Some(checksum) = &package.checksum {
            fields.insert(
                "hashes".to_owned(),
                json!([{"alg": "SHA-256", "content": checksum}]),
            );
        }
    }
    component
}

fn page_component(package: &PagePackage) -> Value {
    let reference = page_reference(package);
    json!({
        "type": "library",
        "bom-ref": reference,
        "name": package.name,
        "version": package.version,
        "scope": "required",
        "purl": reference,
        "licenses": [{"expression": package.licence}],
        "hashes": [{"alg": "SHA-512", "content": package.checksum}],
    })
}

fn page_reference(package: &PagePackage) -> String {
    format!("pkg:npm/{}@{}", package.name.replace('@', "%40"), package.version)
}

fn page_references(page: &PagePackages, folders: &[String]) -> Vec<String> {
    let references: BTreeSet<String> = folders
        .iter()
        .filter_map(|folder| page.packages.get(folder))
        .map(page_reference)
        .collect();
    references.into_iter().collect()
}

/// A package URL for what comes from the registry (<https://github.com/package-url/purl-spec>), and a name of our own
/// for what does not.
fn reference(package: &LinkedPackage) -> String {
    let LinkedPackage { name, version, .. } = package;
    if package.is_ours {
        format!("{name}@{version}")
    } else {
        // The one letter of a version that a URL takes for something else.
        format!("pkg:cargo/{name}@{}", version.replace('+', "%2B"))
    }
}

fn references<'a>(linked: &LinkedPackages, ids: impl Iterator<Item = &'a String>) -> Vec<String> {
    ids.filter_map(|id| linked.packages.get(id))
        .map(reference)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::place::Place;

    #[test]
    fn the_bill_names_all_that_is_linked_with_licence_and_checksum_and_every_reference_leads_somewhere() {
        let place = Place::find().unwrap();
        let linked = LinkedPackages::read(&place, &["hanse", "hanse-participant"]).unwrap();
        let page = PagePackages::read(&place).unwrap();
        let commit = Commit::read(&place, false).unwrap();
        let bill = write(&linked, &page, &commit, "1.2.3").unwrap();
        assert_eq!(bill, write(&linked, &page, &commit, "1.2.3").unwrap());

        let bill: Value = serde_json::from_str(&bill).unwrap();
        let components = bill["components"].as_array().unwrap();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let with_name = |name: &str| components.iter().find(|component| component["name"] == name);
        assert!(with_name("aws-lc-rs").is_some_and(|found| found["scope"] == "required"));
        assert!(with_name("serde_derive").is_some_and(|found| found["scope"] == "excluded"));
        assert!(with_name("allocation-counter").is_none(), "only tests use it");
        assert!(
            with_name("livekit-client").is_some_and(|found| found["scope"] == "required"),
            "the page's"
        );
        assert!(
            with_name("vite").is_none(),
            "it builds the page, and is not in it"
        );
        for component in components {
            let name = text(&component["name"]);
            assert!(
                !text(&component["licenses"][0]["expression"]).is_empty(),
                "{name}"
            );
            let is_registry = component["purl"].is_string();
            let digits = if text(&component["purl"]).starts_with("pkg:npm/") {
                128
            } else {
                64
            };
            assert_eq!(
                text(&component["hashes"][0]["content"]).len() == digits,
                is_registry,
                "{name}"
            );
        }
        let mut known: BTreeSet<String> = components
            .iter()
            .map(|component| text(&component["bom-ref"]))
            .collect();
        assert_eq!(known.len(), components.len(), "each has a name of its own");
        known.insert(text(&bill["metadata"]["component"]["bom-ref"]));
        for edge in bill["dependencies"].as_array().unwrap() {
            assert!(known.contains(&text(&edge["ref"])), "{edge}");
            for used in edge["dependsOn"].as_array().unwrap() {
                assert!(known.contains(&text(used)), "{edge}");
            }
        }
    }
}
