//! What we read of `cargo metadata` (The Cargo Book, "cargo metadata"): packages, and the edges between them.

use crate::place::Place;
use crate::process::{cargo, read};
use anyhow::{Context, Result};
use serde::Deserialize;
use std::collections::{BTreeMap, VecDeque};

/// Every package that the workspace could link, on any platform and with all features.
#[derive(Default)]
pub struct Packages {
    /// Names of the workspace's members.
    pub members: Vec<String>,
    edges: BTreeMap<String, Vec<Edge>>,
    names: BTreeMap<String, String>,
}

struct Edge {
    to: String,
    development_only: bool,
}

impl Packages {
    /// Asks cargo.
    pub fn read(place: &Place) -> Result<Self> {
        let mut command = cargo(place, "metadata");
        command.args(["--format-version", "1", "--all-features"]);
        let text = read("cargo metadata", &mut command).context(
            "the manifests or Cargo.lock are not in order: run `cargo check` and commit Cargo.lock",
        )?;
        Self::parse(&text)
    }

    fn parse(text: &str) -> Result<Self> {
        let metadata: Metadata = serde_json::from_str(text).context("cargo metadata has an unknown form")?;
        let names: BTreeMap<String, String> = metadata
            .packages
            .into_iter()
            .map(|package| (package.id, package.name))
            .collect();
        let members = metadata
            .workspace_members
            .iter()
            .filter_map(|id| names.get(id).cloned())
            .collect();
        let edges = metadata
            .resolve
            .nodes
            .into_iter()
            .map(|node| (node.id, edges_of(node.deps)))
            .collect();
        Ok(Packages {
            members,
            edges,
            names,
        })
    }

    /// Names of the packages that this member's manifest lists, those for its tests included.
    pub fn direct(&self, member: &str) -> Vec<&str> {
        let edges = self.id_of(member).and_then(|id| self.edges.get(id));
        edges
            .into_iter()
            .flatten()
            .filter_map(|edge| self.name(&edge.to))
            .collect()
    }

    /// The shortest way from a member to a package of that name through what the member links (not its tests), both
    /// ends included.
    pub fn way(&self, member: &str, wanted: &str) -> Option<Vec<&str>> {
        let start = self.id_of(member)?;
        let mut reached_from: BTreeMap<&str, Option<&str>> = BTreeMap::from([(start, None)]);
        let mut queue = VecDeque::from([start]);
        while let Some(id) = queue.pop_front() {
            if id != start && self.name(id) == Some(wanted) {
                return Some(self.way_back(id, &reached_from));
            }
            for edge in self
                .edges
                .get(id)
                .into_iter()
                .flatten()
                .filter(|edge| !edge.development_only)
            {
                if !reached_from.contains_key(edge.to.as_str()) {
                    reached_from.insert(&edge.to, Some(id));
                    queue.push_back(&edge.to);
                }
            }
        }
        None
    }

    fn way_back<'a>(
        &'a self,
        end: &'a str,
        reached_from: &BTreeMap<&'a str, Option<&'a str>>,
    ) -> Vec<&'a str> {
        let mut way = Vec::new();
        let mut at = Some(end);
        while let Some(id) = at {
            way.extend(self.name(id));
            at = reached_from.get(id).copied().flatten();
        }
        way.reverse();
        way
    }

    fn name(&self, id: &str) -> Option<&str> {
        self.names.get(id).map(String::as_str)
    }

    /// The id of a workspace member: only those are asked for by name, and their names are unique.
    fn id_of(&self, member: &str) -> Option<&str> {
        self.names
            .iter()
            .find(|(_, name)| *name == member)
            .map(|(id, _)| id.as_str())
    }
}

fn edges_of(dependencies: Vec<Dependency>) -> Vec<Edge> {
    let edge = |dependency: Dependency| Edge {
        development_only: dependency
            .dep_kinds
            .iter()
            .all(|kind| kind.kind.as_deref() == Some("dev")),
        to: dependency.pkg,
    };
    dependencies.into_iter().map(edge).collect()
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
}

#[derive(Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Deserialize)]
struct Node {
    id: String,
    deps: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    pkg: String,
    dep_kinds: Vec<DependencyKind>,
}

#[derive(Deserialize)]
struct DependencyKind {
    kind: Option<String>,
}

/// A workspace for tests: members are the names without a `.`, `(from, to)` are edges, `(from, dev:to)` those of tests.
#[cfg(test)]
pub fn example(edges: &[(&str, &str)]) -> Packages {
    let mut packages = Packages::default();
    for (from, to) in edges {
        let development_only = to.starts_with("dev:");
        let to = to.trim_start_matches("dev:");
        for name in [*from, to] {
            packages.names.insert(name.to_owned(), name.to_owned());
        }
        let edge = Edge {
            to: to.to_owned(),
            development_only,
        };
        packages.edges.entry((*from).to_owned()).or_default().push(edge);
    }
    packages.members = packages
        .names
        .keys()
        .filter(|name| super::imports::is_ours(name))
        .cloned()
        .collect();
    packages
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_way_leads_through_what_is_linked_and_not_through_tests() {
        let packages = example(&[
            ("hanse", "axum"),
            ("axum", "tokio"),
            ("hanse", "dev:proptest"),
            ("proptest", "rand"),
        ]);
        assert_eq!(
            packages.way("hanse", "tokio"),
            Some(vec!["hanse", "axum", "tokio"])
        );
        assert_eq!(packages.way("hanse", "rand"), None);
        assert_eq!(packages.direct("hanse"), ["axum", "proptest"]);
    }

    #[test]
    fn cargos_own_form_is_understood() {
        let packages = Packages::parse(
            r#"{"packages":[{"id":"path+a","name":"a"},{"id":"reg+b","name":"b"}],"workspace_members":["path+a"],
                "resolve":{"nodes":[{"id":"path+a","deps":[{"pkg":"reg+b","dep_kinds":[{"kind":null}]}]},
                                    {"id":"reg+b","deps":[]}]}}"#,
        )
        .unwrap();
        assert_eq!(packages.members, ["a"]);
        assert_eq!(packages.way("a", "b"), Some(vec!["a", "b"]));
    }
}
