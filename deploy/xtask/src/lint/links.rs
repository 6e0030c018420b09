//! Documents name files; a file that moved leaves a document that lies. So every file name in backticks and every relative
//! link of a Markdown file must exist. And the book's contents list its pages, all of them and nothing else.

use std::fs;
use std::path::Path;

/// The folder of the book.
const BOOK: &str = "docs/";

/// Its contents: mdBook makes pages of what is listed here, and of nothing else.
const CONTENTS: &str = "SUMMARY.md";

/// Endings that make a word in backticks the name of a file.
const FILE_ENDINGS: [&str; 11] = [
    "rs", "toml", "md", "ts", "mjs", "js", "py", "json", "html", "txt", "yml",
];

/// What a Markdown file names and the checkout does not have.
pub fn findings_in(root: &Path, name: &str, text: &str) -> Vec<String> {
    if !name.ends_with(".md") {
        return Vec::new();
    }
    let folder = Path::new(name).parent().unwrap_or(Path::new(""));
    let mut findings = Vec::new();
    match name.strip_prefix(BOOK) {
        Some(CONTENTS) => return listed_and_missing(root, name, text),
        Some(page) => {
            // Without contents no page is listed, and each says so.
            let contents = fs::read_to_string(root.join(BOOK).join(CONTENTS)).unwrap_or_default();
            findings.extend(not_listed(page, &contents));
        }
        None => {}
    }
    for (number, line) in text.lines().enumerate().map(|(index, line)| (index + 1, line)) {
        let files = words_in_backticks(line).filter(|word| is_file_name(word));
        for target in files.chain(link_targets(line)) {
            let there = [root.join(target), root.join(folder).join(target)];
            if !there.iter().any(|path| path.exists()) {
                findings.push(format!(
                    "- {name}:{number} names {target}, which does not exist: correct the name"
                ));
            }
        }
    }
    findings
}

/// A page of the book that nobody finds.
fn not_listed(page: &str, contents: &str) -> Option<String> {
    let listed = contents
        .lines()
        .flat_map(link_targets)
        .any(|target| target == page);
    (!listed).then(|| {
        format!("- {BOOK}{page} is not in {BOOK}{CONTENTS}: list it there, or the book is made without it")
    })
}

/// What the contents list and the book's folder does not have.
fn listed_and_missing(root: &Path, name: &str, contents: &str) -> Vec<String> {
    let mut findings = Vec::new();
    for (number, line) in contents
        .lines()
        .enumerate()
        .map(|(index, line)| (index + 1, line))
    {
        for target in link_targets(line) {
            let inside = !target.starts_with("..") && target.ends_with(".md");
            if !inside || !root.join(BOOK).join(target).is_file() {
                findings.push(format!(
                    "- {name}:{number} lists {target}, which is no page in {BOOK}: write the page, or take the line out"
                ));
            }
        }
    }
    findings
}

fn words_in_backticks(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2)
}

/// `sfu/core/src/lib.rs` is one; `hanse.toml` (a file of the reader's) and `docs/*.md` are not.
fn is_file_name(word: &str) -> bool {
    let plain = word
        .chars()
        .all(|letter| letter.is_alphanumeric() || "/._-".contains(letter));
    let ending = Path::new(word).extension().and_then(|ending| ending.to_str());
    plain
        && word.contains('/')
        && !word.starts_with('/')
        && ending.is_some_and(|ending| FILE_ENDINGS.contains(&ending))
}

/// The targets of `[text](target)` that are files of ours, without their `#fragment`.
fn link_targets(line: &str) -> impl Iterator<Item = &str> {
    line.split("](")
        .skip(1)
        .filter_map(|rest| rest.split(')').next())
        .map(|target| target.split('#').next().unwrap_or_default())
        .filter(|target| !target.is_empty() && !target.contains(':'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::place::Place;

    fn findings(text: &str) -> Vec<String> {
        findings_in(&Place::find().unwrap().root, "docs/development.md", text)
    }

    #[test]
    fn names_and_links_of_files_that_exist_pass() {
        let text =
            "`deploy/xtask/src/main.rs`, [here](architecture.md#the-house), [out](https://example.org/x.md)";
        assert_eq!(findings(text), Vec::<String>::new());
    }

    #[test]
    fn names_and_links_of_files_that_do_not_exist_are_findings() {
        assert_eq!(findings("see `sfu/core/src/no_such_file.rs`").len(), 1);
        assert_eq!(findings("see [this](no-such-page.md)").len(), 1);
    }

    #[test]
    fn a_page_that_the_contents_list_passes_and_another_is_a_finding() {
        let contents =
            "# Summary\n\n[Front](README.md)\n- [Try it](try-it.md)\n  - [More](more/rooms.md#first)\n";
        for page in ["README.md", "try-it.md", "more/rooms.md"] {
            assert_eq!(not_listed(page, contents), None, "{page}");
        }
        for page in ["forgotten.md", "rooms.md", "it.md"] {
            assert!(
                not_listed(page, contents).is_some_and(|finding| finding.contains(page)),
                "{page}"
            );
        }
        let root = Place::find().unwrap().root;
        assert_eq!(findings_in(&root, "docs/forgotten.md", "words").len(), 1);
        assert_eq!(
            findings_in(&root, "focus/forgotten.md", "words"),
            Vec::<String>::new()
        );
    }

    #[test]
    fn the_contents_list_pages_of_the_book_only() {
        let root = Place::find().unwrap().root;
        let of = |contents: &str| findings_in(&root, "docs/SUMMARY.md", contents);
        assert_eq!(
            of("[Front](README.md)\n- [A](architecture.md)\n"),
            Vec::<String>::new()
        );
        for line in [
            "[gone](no-such-page.md)",
            "[not in the book](../README.md)",
            "[no page](book.toml)",
            "[found at the top, not in the book](focus/README.md)",
        ] {
            assert_eq!(of(line).len(), 1, "{line}");
        }
    }

    #[test]
    fn commands_and_files_of_the_reader_are_not_file_names() {
        assert_eq!(
            findings("`hanse run --config hanse.toml`, `docs/*.md`, `/rtc/v1`"),
            Vec::<String>::new()
        );
    }
}
