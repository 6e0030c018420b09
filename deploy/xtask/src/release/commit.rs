//! What the package takes from the commit: its time, which is the only time in it, and its version.

use crate::place::Place;
use crate::process::read;
use anyhow::{Context, Result, bail};
use std::process::Command;

/// The commit that is packed.
pub struct Commit {
    /// Its full id.
    pub id: String,
    /// When it was committed, in seconds since 1970: `SOURCE_DATE_EPOCH`
    /// (<https://reproducible-builds.org/specs/source-date-epoch/>).
    pub epoch_s: u64,
    /// The same as RFC 3339 has it, in UTC.
    pub time: String,
    /// The same as RFC 5322 has it, in UTC: Debian's changelogs are written so.
    pub mail_time: String,
}

impl Commit {
    /// Asks git. With `must_be_clean` a checkout with changes is refused, because nobody could build the same again.
    pub fn read(place: &Place, must_be_clean: bool) -> Result<Self> {
        if must_be_clean {
            let changes = git(place, &["status", "--porcelain"])?;
            if !changes.is_empty() {
                bail!(
                    "the checkout has changes, so nobody could build this package again: commit them, or take \
                     `--profile dev`\n{changes}"
                );
            }
        }
        let of_head = |format: &str, date: &str| {
            git(
                place,
                &[
                    "log",
                    "-1",
                    &format!("--format={format}"),
                    &format!("--date=format-local:{date}"),
                ],
            )
        };
        Ok(Commit {
            id: of_head("%H", "%s")?,
            epoch_s: of_head("%ct", "%s")?
                .parse()
                .context("git says no time of the commit")?,
            time: of_head("%cd", "%Y-%m-%dT%H:%M:%SZ")?,
            mail_time: of_head("%cd", "%a, %d %b %Y %H:%M:%S +0000")?,
        })
    }

    /// The package's version: that of the workspace where the commit is tagged with it, else one that sorts before it
    /// and after earlier commits (Debian Policy, section 5.6.12).
    pub fn version(&self, place: &Place) -> Result<String> {
        let tags = git(place, &["tag", "--points-at", "HEAD"])?;
        Ok(version_of(env!("CARGO_PKG_VERSION"), &tags, &self.time, &self.id))
    }
}

fn version_of(workspace: &str, tags: &str, time: &str, id: &str) -> String {
    // Cargo's `1.0.0-rc.1` comes before `1.0.0`; Debian says that with a tilde.
    let version = workspace.replace('-', "~");
    if tags.lines().any(|tag| tag == format!("v{workspace}")) {
        return version;
    }
    let digits: String = time.chars().filter(char::is_ascii_digit).collect();
    let short: String = id.chars().take(8).collect();
    format!("{version}~git{digits}.{short}")
}

fn git(place: &Place, arguments: &[&str]) -> Result<String> {
    let mut git = Command::new("git");
    git.args(arguments)
        .current_dir(&place.root)
        .env("TZ", "UTC")
        .env("LC_ALL", "C");
    let said = read("asking git for the commit", &mut git)
        .context("a package is made from a git checkout: clone the repository")?;
    Ok(said.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tagged_commit_is_the_version_and_others_come_before_it() {
        let version = |tags| version_of("1.2.0", tags, "2026-11-22T21:44:32Z", "dc52959abcdef");
        assert_eq!(version("other\nv1.2.0"), "1.2.0");
        assert_eq!(version("v1.2.0-rc.1\nv1.2"), "1.2.0~git20261122214432.dc52959a");
        let sorts = Command::new("dpkg")
            .args(["--compare-versions", &version(""), "lt", &version("v1.2.0")])
            .status()
            .unwrap();
        assert!(sorts.success());
    }

    #[test]
    fn the_times_of_a_commit_are_one_time() {
        let place = Place::find().unwrap();
        let commit = Commit::read(&place, false).unwrap();
        let seconds = |time: &str| {
            let mut date = Command::new("date");
            let said = read("date", date.args(["-u", "+%s", "-d", time])).unwrap();
            said.trim().parse::<u64>().unwrap()
        };
        assert_eq!(seconds(&commit.time), commit.epoch_s);
        assert_eq!(seconds(&commit.mail_time), commit.epoch_s);
    }
}
