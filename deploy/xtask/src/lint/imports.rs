//! Who may use whom. [`RULES`] is the table of `docs/architecture.md`, row by row; a test keeps the two equal.

use super::packages::Packages;
use crate::place::Place;
use anyhow::{Context, Result, ensure};
use std::fmt::Write;
use std::fs;

/// What one crate of ours may name in its manifest, and what it must not even reach through others.
pub struct Rule {
    krate: &'static str,
    /// Crates of ours that its manifest may list.
    ours: &'static [&'static str],
    /// Of [`GUARDED`], those that its manifest may list.
    guarded: &'static [&'static str],
    /// Crates that must be nowhere in what it links.
    never: &'static [&'static str],
}

/// Crates of others that only some of ours may name, because they decide what a process can know or do.
const GUARDED: [&str; 7] = [
    "livekit-protocol",
    "matrix-sdk",
    "matrix-sdk-crypto",
    "ruma",
    "sqlx",
    "vodozemac",
    "webrtc",
];

/// One row for every crate of ours; crates that are not born yet have theirs already.
pub const RULES: [Rule; 13] = [
    Rule {
        krate: "hanse-matrixrtc",
        ours: &[],
        guarded: &[],
        never: &["ruma", "tokio", "vodozemac"],
    },
    Rule {
        krate: "hanse-runtime",
        ours: &[],
        guarded: &[],
        never: &["ruma", "vodozemac"],
    },
    Rule {
        krate: "hanse-sfu-core",
        ours: &[],
        guarded: &[],
        never: &[
            "axum",
            "livekit-protocol",
            "ruma",
            "socket2",
            "tokio",
            "vodozemac",
        ],
    },
    Rule {
        krate: "hanse-sfu-signal",
        ours: &["hanse-sfu-core"],
        guarded: &["livekit-protocol"],
        never: &["axum", "socket2", "tokio"],
    },
    Rule {
        krate: "hanse-sfu",
        ours: &["hanse-sfu-core", "hanse-sfu-signal", "hanse-runtime"],
        guarded: &["livekit-protocol"],
        never: &["ruma", "sqlx", "vodozemac"],
    },
    Rule {
        krate: "hanse-focus",
        ours: &["hanse-matrixrtc", "hanse-runtime"],
        guarded: &["livekit-protocol", "sqlx"],
        never: &[
            "hanse-callkeys",
            "hanse-sfu",
            "hanse-sfu-core",
            "hanse-sfu-signal",
            "vodozemac",
        ],
    },
    Rule {
        krate: "hanse-bridge",
        ours: &["hanse-matrixrtc", "hanse-runtime"],
        guarded: &["ruma"],
        never: &[
            "hanse-callkeys",
            "hanse-focus",
            "hanse-sfu",
            "hanse-sfu-core",
            "hanse-sfu-signal",
            "vodozemac",
        ],
    },
    Rule {
        krate: "hanse-callkeys",
        ours: &["hanse-matrixrtc"],
        guarded: &["vodozemac"],
        never: &["tokio"],
    },
    Rule {
        krate: "hanse-participant",
        ours: &["hanse-matrixrtc", "hanse-callkeys"],
        guarded: &["webrtc", "livekit-protocol", "matrix-sdk", "matrix-sdk-crypto"],
        never: &[
            "hanse",
            "hanse-bridge",
            "hanse-focus",
            "hanse-sfu",
            "hanse-sfu-core",
            "hanse-sfu-signal",
        ],
    },
    Rule {
        krate: "hanse-meetings",
        ours: &["hanse-matrixrtc", "hanse-runtime"],
        guarded: &["matrix-sdk", "sqlx"],
        never: &[
            "hanse-callkeys",
            "hanse-focus",
            "hanse-sfu",
            "hanse-sfu-core",
            "hanse-sfu-signal",
        ],
    },
    Rule {
        krate: "hanse",
        ours: &["hanse-focus", "hanse-bridge", "hanse-sfu", "hanse-runtime"],
        guarded: &[],
        never: &[
            "hanse-callkeys",
            "hanse-meetings",
            "hanse-participant",
            "matrix-sdk",
            "vodozemac",
        ],
    },
    Rule {
        krate: "hanse-bench",
        ours: &["hanse-sfu-core"],
        guarded: &["livekit-protocol"],
        never: &["hanse", "vodozemac"],
    },
    Rule {
        krate: "hanse-focus-bench",
        ours: &["hanse-focus", "hanse-matrixrtc", "hanse-runtime"],
        guarded: &[],
        never: &["hanse", "vodozemac"],
    },
];

/// The workshop links nothing that it builds.
const WORKSHOP: &str = "xtask";

/// Whether the name is one of ours.
pub fn is_ours(name: &str) -> bool {
    name == "hanse" || name.starts_with("hanse-") || name == WORKSHOP
}

/// The page that the table is for.
const PAGE: &str = "docs/architecture.md";

/// The check over the workspace as it is, and over the page that shows the table.
pub fn check(place: &Place) -> Result<()> {
    let page = fs::read_to_string(place.root.join(PAGE)).with_context(|| format!("cannot read {PAGE}"))?;
    ensure!(
        page.contains(&table()),
        "{PAGE} shows another table than the one that is checked: change both together; the one that is checked is\n\n{}",
        table()
    );
    let findings = findings(&Packages::read(place)?);
    ensure!(
        findings.is_empty(),
        "the table \"Who may use whom\" of {PAGE} is broken:\n{}",
        findings.join("\n")
    );
    Ok(())
}

fn findings(packages: &Packages) -> Vec<String> {
    packages
        .members
        .iter()
        .flat_map(|member| findings_about(packages, member))
        .collect()
}

fn findings_about(packages: &Packages, member: &str) -> Vec<String> {
    let workshop = Rule {
        krate: WORKSHOP,
        ours: &[],
        guarded: &[],
        never: &[],
    };
    let rule = RULES.iter().chain([&workshop]).find(|rule| rule.krate == member);
    let Some(rule) = rule else {
        return vec![format!(
            "- {member} has no row: decide what it may use, and add it to docs/architecture.md and to RULES in \
             deploy/xtask/src/lint/imports.rs"
        )];
    };
    let mut findings = Vec::new();
    for used in packages.direct(member) {
        let guarded = GUARDED.contains(&used) && !rule.guarded.contains(&used);
        // A crate may list itself, to switch a feature of its own on for its tests.
        let ours = is_ours(used) && used != member && !rule.ours.contains(&used);
        if guarded || ours {
            findings.push(format!(
                "- {member} lists {used}, which its row does not allow: take it out of its Cargo.toml, and move the \
                 code that needs it to a crate that may"
            ));
        }
    }
    for forbidden in rule.never {
        if let Some(way) = packages.way(member, forbidden) {
            findings.push(format!(
                "- {member} must never reach {forbidden}, but does by {}: cut that way (a feature, or the crate)",
                way.join(" -> ")
            ));
        }
    }
    findings
}

/// The table as the page has it.
fn table() -> String {
    let mut table = String::from(
        "| Crate | May use of ours | Of the guarded crates | Never, even through others |\n|---|---|---|---|\n",
    );
    for rule in &RULES {
        let (ours, guarded, never) = (cell(rule.ours), cell(rule.guarded), cell(rule.never));
        let _ = writeln!(table, "| `{}` | {ours} | {guarded} | {never} |", rule.krate);
    }
    table
}

fn cell(names: &[&str]) -> String {
    if names.is_empty() {
        return "–".to_owned();
    }
    names
        .iter()
        .map(|name| format!("`{name}`"))
        .collect::<Vec<_>>()
        .join(", ")
}

#[cfg(test)]
mod tests {
    use super::super::packages::example;
    use super::*;

    #[test]
    fn the_table_of_the_book_is_the_table_that_is_checked() {
        let book = fs::read_to_string(Place::find().unwrap().root.join(PAGE)).unwrap();
        assert!(
            book.contains(&table()),
            "{PAGE} must hold exactly this table:\n\n{}",
            table()
        );
    }

    #[test]
    fn what_a_row_allows_passes_and_what_it_does_not_is_named() {
        let good = example(&[
            ("hanse-sfu-signal", "hanse-sfu-core"),
            ("hanse-sfu-signal", "livekit-protocol"),
        ]);
        assert_eq!(findings(&good), Vec::<String>::new());

        let bad = findings(&example(&[
            ("hanse-sfu-core", "hanse-sfu-signal"),
            ("hanse-sfu-signal", "ruma"),
        ]));
        assert_eq!(bad.len(), 3, "{bad:?}");
        assert!(
            bad.iter()
                .any(|finding| finding.contains("hanse-sfu-core lists hanse-sfu-signal")),
            "{bad:?}"
        );
        assert!(
            bad.iter()
                .any(|finding| finding.contains("hanse-sfu-signal lists ruma")),
            "{bad:?}"
        );
    }

    #[test]
    fn a_forbidden_crate_is_found_through_others_but_not_through_tests() {
        let bad = findings(&example(&[
            ("hanse", "matrix-tools"),
            ("matrix-tools", "vodozemac"),
        ]));
        assert_eq!(bad.len(), 1, "{bad:?}");
        assert!(bad[0].contains("hanse -> matrix-tools -> vodozemac"), "{bad:?}");

        let only_in_tests = example(&[("hanse", "dev:matrix-tools"), ("matrix-tools", "vodozemac")]);
        assert_eq!(findings(&only_in_tests), Vec::<String>::new());
    }

    #[test]
    fn a_crate_without_a_row_is_refused() {
        let bad = findings(&example(&[("hanse-surprise", "anyhow")]));
        assert!(bad[0].contains("hanse-surprise has no row"), "{bad:?}");
    }
}
