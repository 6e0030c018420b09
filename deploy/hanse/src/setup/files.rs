//! The files of an installation: written where there is none, and never over one that is there.
//!
//! In: what every slice of the set-up wants written. Out: for each file what was done. A file that says already what it should
//! is left alone, and so is one that says something else: an administrator may have changed it.

use crate::owner::{group_id, user_id};
use crate::settings::example_file;
use anyhow::{Context, Result};
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

/// Bytes of a file that is compared. A longer one is not as we write them.
const COMPARED_BYTES_MAX: u64 = 1024 * 1024;

/// Names that Synapse's packages give its user.
const HOMESERVER_USERS: [&str; 2] = ["matrix-synapse", "synapse"];

/// Name that our package gives its user and group.
const HANSE_USER: &str = "hanse";

/// Whoever is neither owner nor in the group may reach what is in the folder, and not see what there is (chmod(1)).
const PASS_THROUGH: u32 = 0o001;

/// A file that is wanted.
pub struct Wanted {
    /// Where.
    pub path: PathBuf,
    /// What is in it.
    pub text: String,
    /// Who may read it.
    pub readers: Readers,
    /// What it is, and what to do with it, as a sentence.
    pub about: String,
}

/// Who may read a file, besides root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readers {
    /// Anybody: there is no secret in it.
    Everybody,
    /// Hanse alone. One that is there keeps its secret.
    Hanse,
    /// Hanse and the homeserver. One that is there keeps its secret.
    HanseAndHomeserver,
}

/// What became of a wanted file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is new.
    Written,
    /// It was there, word by word.
    AsItShouldBe,
    /// It was there, and stays. A secret is not compared.
    Kept,
    /// It was there with other words, and stays; what it would be now is beside it.
    Differs(PathBuf),
}

impl Outcome {
    /// As a sentence about a file; `dry`: nothing was written.
    pub fn sentence(&self, dry: bool) -> String {
        match self {
            Outcome::Written if dry => "would be written".to_owned(),
            Outcome::Written => "written".to_owned(),
            Outcome::AsItShouldBe => "is there already, as it should be".to_owned(),
            Outcome::Kept => "is there already, and stays as it is".to_owned(),
            Outcome::Differs(beside) => format!(
                "is there already and says something else; it stays as it is, and what I would write {} {}",
                if dry { "would go into" } else { "is in" },
                beside.display()
            ),
        }
    }
}

/// Writes the file, if there is none. `dry`: only says what would be done.
///
/// # Errors
///
/// A sentence: what could not be read or written.
pub fn write(wanted: &Wanted, dry: bool) -> Result<Outcome> {
    let name = wanted.path.display();
    let outcome = match read(&wanted.path) {
        Ok(text) if text == wanted.text.as_bytes() => Outcome::AsItShouldBe,
        // As a package may bring it: nobody has said anything there.
        Ok(text) if text.is_empty() || text == example_file().as_bytes() => {
            if !dry {
                replace(wanted)?;
            }
            Outcome::Written
        }
        Ok(_) if wanted.readers != Readers::Everybody => Outcome::Kept,
        Ok(_) => {
            let beside = beside(&wanted.path);
            if !dry {
                std::fs::write(&beside, &wanted.text)
                    .with_context(|| format!("{} cannot be written", beside.display()))?;
            }
            Outcome::Differs(beside)
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {
            if !dry {
                create(wanted)?;
            }
            Outcome::Written
        }
        Err(error) => return Err(error).with_context(|| format!("{name} is there and cannot be read")),
    };
    Ok(outcome)
}

/// Makes a folder, if there is none.
///
/// # Errors
///
/// A sentence: it cannot be made.
pub fn make_folder(folder: &Path) -> Result<()> {
    std::fs::create_dir_all(folder).with_context(|| format!("the folder {} cannot be made", folder.display()))
}

/// Lets the homeserver of this machine pass through the folder, if there is one and only Hanse may now: what is secret in it
/// is secret by itself. A sentence, if something changed.
///
/// # Errors
///
/// A sentence: it may not be changed.
pub fn let_homeserver_through(folder: &Path) -> Result<Option<String>> {
    let name = folder.display();
    let mode = std::fs::metadata(folder)
        .with_context(|| format!("the folder {name} cannot be looked at"))?
        .permissions()
        .mode();
    if mode & PASS_THROUGH != 0 || !rustix::process::geteuid().is_root() || homeserver_user().is_none() {
        return Ok(None);
    }
    std::fs::set_permissions(folder, PermissionsExt::from_mode(mode | PASS_THROUGH))
        .with_context(|| format!("the folder {name} cannot be opened for the homeserver"))?;
    Ok(Some(format!(
        "{name} lets the homeserver pass now, which has to read the registration in it; what is secret there stays so."
    )))
}

/// The text of a file, if there is one that may be read and is not too long.
pub fn text_of(path: &Path) -> Option<String> {
    String::from_utf8(read(path).ok()?).ok()
}

fn read(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut text = Vec::new();
    File::open(path)?
        .take(COMPARED_BYTES_MAX)
        .read_to_end(&mut text)?;
    Ok(text)
}

/// Where the text goes that was not written over another. Nothing reads a file of that name.
fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    name.into()
}

fn replace(wanted: &Wanted) -> Result<()> {
    let name = wanted.path.display();
    std::fs::write(&wanted.path, &wanted.text).with_context(|| format!("{name} cannot be written"))
}

fn create(wanted: &Wanted) -> Result<()> {
    let name = wanted.path.display();
    let open = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(if wanted.readers == Readers::Everybody {
            0o644
        } else {
            0o600
        })
        .open(&wanted.path);
    let mut file = open.with_context(|| format!("{name} cannot be written"))?;
    let written = hand_over(&wanted.path, wanted.readers)
        .and_then(|()| file.write_all(wanted.text.as_bytes()))
        .and_then(|()| file.sync_all());
    if written.is_err() {
        // Half a secret would be kept the next time.
        let _is_gone = std::fs::remove_file(&wanted.path);
    }
    written.with_context(|| format!("{name} cannot be written"))
}

/// Gives a file with a secret to those who need it: to the homeserver's user and to Hanse's group, as far as this machine
/// has them and we may give things away. Nobody else may read it.
fn hand_over(path: &Path, readers: Readers) -> std::io::Result<()> {
    if readers == Readers::Everybody || !rustix::process::geteuid().is_root() {
        return Ok(());
    }
    let owner = match readers {
        Readers::HanseAndHomeserver => HOMESERVER_USERS.iter().find_map(|user| user_id(user)),
        _ => None,
    };
    let group = group_id(HANSE_USER);
    chown(path, owner, group)?;
    if group.is_some() {
        std::fs::set_permissions(path, PermissionsExt::from_mode(0o640))?;
    }
    Ok(())
}

/// The number of Synapse's user, if this machine has one.
fn homeserver_user() -> Option<u32> {
    HOMESERVER_USERS.iter().find_map(|user| user_id(user))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::setup::tests::folder;

    fn wanted(folder: &Path, readers: Readers) -> Wanted {
        Wanted {
            path: folder.join("file"),
            text: "ours\n".to_owned(),
            readers,
            about: String::new(),
        }
    }

    #[test]
    fn a_file_is_written_once_and_then_left_alone() {
        let folder = folder("files-once");
        let wanted = wanted(&folder, Readers::Everybody);
        assert_eq!(write(&wanted, true).unwrap(), Outcome::Written);
        assert!(!wanted.path.exists(), "a dry run writes nothing");
        assert_eq!(write(&wanted, false).unwrap(), Outcome::Written);
        assert_eq!(write(&wanted, false).unwrap(), Outcome::AsItShouldBe);
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1);
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn what_an_administrator_changed_stays_and_ours_is_beside_it() {
        let folder = folder("files-changed");
        let wanted = wanted(&folder, Readers::Everybody);
        std::fs::write(&wanted.path, "mine").unwrap();
        let beside = folder.join("file.new");
        assert_eq!(write(&wanted, true).unwrap(), Outcome::Differs(beside.clone()));
        assert!(!beside.exists(), "a dry run writes nothing");
        assert_eq!(write(&wanted, false).unwrap(), Outcome::Differs(beside.clone()));
        assert_eq!(std::fs::read_to_string(&wanted.path).unwrap(), "mine");
        assert_eq!(std::fs::read_to_string(&beside).unwrap(), "ours\n");
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn a_secret_is_for_its_readers_only_and_is_never_copied_beside_another() {
        let folder = folder("files-secret");
        let wanted = wanted(&folder, Readers::Hanse);
        write(&wanted, false).unwrap();
        let mode = std::fs::metadata(&wanted.path).unwrap().permissions().mode() & 0o777;
        assert!(mode == 0o600 || mode == 0o640, "{mode:o}");
        std::fs::write(&wanted.path, "another secret").unwrap();
        assert_eq!(write(&wanted, false).unwrap(), Outcome::Kept);
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1);
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn the_example_that_a_package_brings_is_nobodys_choice() {
        let folder = folder("files-example");
        let wanted = wanted(&folder, Readers::Everybody);
        std::fs::write(&wanted.path, example_file()).unwrap();
        assert_eq!(write(&wanted, false).unwrap(), Outcome::Written);
        assert_eq!(std::fs::read_to_string(&wanted.path).unwrap(), "ours\n");
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
