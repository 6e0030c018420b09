//! Rules about the tree that no compiler knows: lengths, where `unsafe` may stand, what must not be written down, and
//! documents that name files which are not there.

use super::links;
use crate::place::Place;
use crate::process::read;
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::Path;
use std::process::Command;

/// A file past this length is two files.
const LINES_MAX: usize = 800;

/// The only folder whose code may be `unsafe`: batched system calls.
const UNSAFE_FOLDER: &str = "sfu/node/src/net/";

/// Endings of the files whose length counts.
const CODE_ENDINGS: [&str; 9] = ["rs", "ts", "tsx", "js", "mjs", "py", "css", "html", "sh"];

/// What holds on one machine only, or names the host of a package registry: a checkout must work where both differ.
/// (Written in two halves, so that this file passes its own check.)
const UNWANTED: [(&str, &str, &str); 10] = [
    (
        "/ro",
        "ot/",
        "a path of one machine: use one relative to the checkout, or the environment",
    ),
    (
        "/ho",
        "me/",
        "a path of one machine: use one relative to the checkout, or the environment",
    ),
    (
        "/wo",
        "rk/",
        "a path of one machine: use one relative to the checkout, or the environment",
    ),
    (
        "../sh",
        "ared",
        "a folder outside the checkout: a fresh clone does not have it",
    ),
    (
        "registry.np",
        "mjs",
        "the host of a registry: leave the choice to the package client",
    ),
    (
        "pypi",
        ".org",
        "the host of a registry: leave the choice to the package client",
    ),
    (
        "pythonho",
        "sted",
        "the host of a registry: leave the choice to the package client",
    ),
    (
        "static.cra",
        "tes",
        "the host of a registry: leave the choice to the package client",
    ),
    (
        "deb.deb",
        "ian",
        "the host of a registry: leave the choice to the package client",
    ),
    (
        "proxy.gol",
        "ang",
        "the host of a registry: leave the choice to the package client",
    ),
];

/// The check over every file that git tracks or would track.
pub fn check(place: &Place) -> Result<()> {
    let files = tracked_files(place)?;
    let mut findings = Vec::new();
    for name in &files {
        let Ok(bytes) = fs::read(place.root.join(name)) else {
            continue; // deleted, and not yet committed so
        };
        if let Ok(text) = String::from_utf8(bytes) {
            findings.extend(findings_in(name, &text));
            findings.extend(links::findings_in(&place.root, name, &text));
        }
    }
    if findings.is_empty() {
        return Ok(());
    }
    bail!("the tree is not tidy:\n{}", findings.join("\n"))
}

fn tracked_files(place: &Place) -> Result<Vec<String>> {
    let mut git = Command::new("git");
    git.args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(&place.root);
    let names = read("asking git for the files", &mut git).context("the tidy check needs a git checkout")?;
    Ok(names.split_terminator('\0').map(str::to_owned).collect())
}

fn findings_in(name: &str, text: &str) -> Vec<String> {
    let mut findings = Vec::new();
    let ending = Path::new(name)
        .extension()
        .and_then(|ending| ending.to_str())
        .unwrap_or_default();
    let lines = text.lines().count();
    if CODE_ENDINGS.contains(&ending) && lines > LINES_MAX {
        findings.push(format!(
            "- {name} has {lines} lines: split it, {LINES_MAX} is the limit"
        ));
    }
    if name.ends_with("package-lock.json") && text.contains("\"resolved\"") {
        findings.push(format!(
            "- {name} says where packages were downloaded from: run `npm install --package-lock-only \
             --omit-lockfile-registry-resolved` in its folder"
        ));
    }
    for (number, line) in text.lines().enumerate().map(|(index, line)| (index + 1, line)) {
        for (start, end, why) in UNWANTED {
            if line.contains(&format!("{start}{end}")) {
                findings.push(format!("- {name}:{number} contains `{start}{end}`, {why}"));
            }
        }
        if ending == "rs" && !name.starts_with(UNSAFE_FOLDER) && uses_unsafe(line) {
            findings.push(format!(
                "- {name}:{number} is `unsafe`: only {UNSAFE_FOLDER} may be; move it or do without"
            ));
        }
    }
    findings
}

/// Whether the code on this line (not its comments or strings) says `unsafe`, or lifts the lint that forbids it.
fn uses_unsafe(line: &str) -> bool {
    let mut code = String::new();
    for (index, piece) in line.replace("\\\"", "").split('"').enumerate() {
        if index % 2 == 0 {
            code.push_str(piece);
            code.push(' ');
        }
    }
    let code = code.split("//").next().unwrap_or_default();
    code.split(|letter: char| !letter.is_alphanumeric() && letter != '_')
        .any(|word| word == "unsafe" || word == "unsafe_code")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_800_lines_passes_and_one_more_does_not() {
        assert_eq!(findings_in("a.rs", &"x\n".repeat(800)), Vec::<String>::new());
        assert_eq!(findings_in("a.rs", &"x\n".repeat(801)).len(), 1);
        assert_eq!(
            findings_in("Cargo.lock", &"x\n".repeat(801)),
            Vec::<String>::new()
        );
    }

    #[test]
    fn unsafe_is_seen_in_code_and_not_in_words_about_it() {
        for code in [
            "unsafe { read() }",
            "    unsafe impl Send for X {}",
            "#[allow(unsafe_code)]",
        ] {
            assert_eq!(findings_in("sfu/core/src/a.rs", code).len(), 1, "{code}");
            assert_eq!(
                findings_in("sfu/node/src/net/a.rs", code),
                Vec::<String>::new(),
                "{code}"
            );
        }
        for words in ["// no unsafe here", "let note = \"unsafe\";", "fn unsafely() {}"] {
            assert_eq!(
                findings_in("sfu/core/src/a.rs", words),
                Vec::<String>::new(),
                "{words}"
            );
        }
    }

    #[test]
    fn paths_of_one_machine_are_named_with_their_line() {
        let findings = findings_in("a.md", &format!("fine\nsee {}{}x\n", "/ho", "me/"));
        assert_eq!(findings.len(), 1);
        assert!(findings[0].starts_with("- a.md:2 "), "{findings:?}");
    }

    #[test]
    fn a_lock_file_must_not_say_where_from() {
        assert_eq!(
            findings_in("client-web/package-lock.json", "{\"resolved\": \"x\"}").len(),
            1
        );
        assert_eq!(
            findings_in("client-web/package-lock.json", "{\"integrity\": \"x\"}"),
            Vec::<String>::new()
        );
    }
}
