//! Documents name files; a file that moved leaves a document that lies. So every file name in backticks and every relative
//! link of a Markdown file must exist.

use std::path::Path;

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
        findings_in(&Place::find().unwrap().root, "docs/example.md", text)
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
    fn commands_and_files_of_the_reader_are_not_file_names() {
        assert_eq!(
            findings("`hanse run --config hanse.toml`, `docs/*.md`, `/rtc/v1`"),
            Vec::<String>::new()
        );
    }
}
