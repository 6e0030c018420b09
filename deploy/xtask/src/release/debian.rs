//! The Debian package: a tree with fixed times and modes, which dpkg-deb packs (Debian Policy; dpkg-deb(1)).

use super::Profile;
use super::commit::Commit;
use super::executables::{self, Executable};
use super::scratch::Scratch;
use crate::place::Place;
use crate::process::{read, run_quietly};
use anyhow::{Context, Result};
use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, UNIX_EPOCH};

/// What goes into the package beside the files in `deploy/debian`.
pub struct Contents {
    /// For `/usr/bin`.
    pub executables: Vec<Executable>,
    /// The bill of materials.
    pub bill: String,
    /// Licences of others.
    pub notices: String,
    /// The package's version.
    pub version: String,
    /// Packages for tests are packed quickly.
    pub profile: Profile,
}

/// Scripts of the package that dpkg runs.
const SCRIPTS: [&str; 4] = ["postinst", "postrm", "preinst", "prerm"];

/// Packs it into the folder `out`, and says what it is called.
pub fn pack(
    place: &Place,
    scratch: &Scratch,
    contents: &Contents,
    commit: &Commit,
    out: &Path,
) -> Result<PathBuf> {
    let recipe = place.root.join("deploy/debian");
    let tree = Tree {
        root: scratch.path.join("tree"),
    };
    let documents = Path::new("usr/share/doc/hanse");
    let mut stripped = Vec::new();
    for executable in &contents.executables {
        let target = tree.place(Path::new("usr/bin").join(executable.name))?;
        executables::strip(executable, &target)?;
        set_mode(&target, 0o755)?;
        tree.gzip(
            Path::new("usr/share/man/man1").join(format!("{}.1.gz", executable.name)),
            &man_page(&target, executable.purpose, &contents.version, commit)?,
        )?;
        stripped.push(target);
    }
    let hanse = stripped.first().context("there is no executable to pack")?;
    let example = read(
        "asking hanse for its example configuration",
        Command::new(hanse).arg("example-config"),
    )?;
    tree.write(documents.join("examples/hanse.toml"), &example)?;
    tree.copy(recipe.join("copyright"), documents.join("copyright"))?;
    tree.gzip(documents.join("changelog.gz"), &changelog(contents, commit))?;
    tree.gzip(documents.join("hanse.cdx.json.gz"), &contents.bill)?;
    tree.gzip(documents.join("third-party-notices.gz"), &contents.notices)?;
    tree.copy(
        recipe.join("hanse.service"),
        "usr/lib/systemd/system/hanse.service".into(),
    )?;
    tree.copy(recipe.join("direct.conf"), "usr/share/hanse/direct.conf".into())?;
    tree.folder(Path::new("etc/hanse"))?;

    let architecture = read(
        "asking dpkg for the architecture",
        Command::new("dpkg").arg("--print-architecture"),
    )?;
    let architecture = architecture.trim();
    let control = fs::read_to_string(recipe.join("control")).context("deploy/debian/control is missing")?;
    let control = control
        .replace("@VERSION@", &contents.version)
        .replace("@ARCHITECTURE@", architecture)
        .replace("@INSTALLED_SIZE@", &tree.kibibytes()?.to_string())
        .replace("@SHARED_LIBRARIES@", &shared_libraries(scratch, &stripped)?);
    let sums = tree.md5sums()?;
    tree.write("DEBIAN/control".into(), &control)?;
    tree.write("DEBIAN/md5sums".into(), &sums)?;
    for script in SCRIPTS {
        let name = Path::new("DEBIAN").join(script);
        tree.copy(recipe.join(script), name.clone())?;
        set_mode(&tree.root.join(name), 0o755)?;
    }
    tree.set_times(commit.epoch_s)?;

    let package = out.join(format!("hanse_{}_{architecture}.deb", contents.version));
    let mut build = Command::new("dpkg-deb");
    build.env("SOURCE_DATE_EPOCH", commit.epoch_s.to_string());
    match contents.profile {
        // One thread: what several make depends on their number.
        Profile::Release => build.args(["-Zxz", "-z9", "--threads-max=1"]),
        Profile::Dev => build.args(["-Zgzip", "-z1"]),
    };
    build
        .args(["--root-owner-group", "--build"])
        .arg(&tree.root)
        .arg(&package);
    run_quietly("packing the package", &mut build)?;
    Ok(package)
}

/// The one entry of the changelog: git has the others.
fn changelog(contents: &Contents, commit: &Commit) -> String {
    format!(
        "hanse ({}) unstable; urgency=medium\n\n  * Built from commit {}.\n\n -- Hanse Maintainers \
         <maintainers@hanse.example>  {}\n",
        contents.version, commit.id, commit.mail_time
    )
}

/// What the executable says of itself, as a manual page.
fn man_page(executable: &Path, purpose: &str, version: &str, commit: &Commit) -> Result<String> {
    let mut help2man = Command::new("help2man");
    help2man
        .args(["--no-info", "--section=1", "--source=Hanse"])
        .arg(format!("--version-string={version}"))
        .arg(format!("--name={purpose}"))
        .arg(executable)
        .env("SOURCE_DATE_EPOCH", commit.epoch_s.to_string())
        .env("LC_ALL", "C")
        .env("TZ", "UTC");
    read("making a manual page", &mut help2man)
}

/// The Debian packages with the C libraries that the executables are linked to.
fn shared_libraries(scratch: &Scratch, executables: &[PathBuf]) -> Result<String> {
    // It only works in a folder with a source package.
    let folder = scratch.path.join("source");
    let source = Tree { root: folder.clone() };
    source.write(
        "debian/control".into(),
        "Source: hanse\n\nPackage: hanse\nArchitecture: any\n",
    )?;
    let mut shlibdeps = Command::new("dpkg-shlibdeps");
    shlibdeps.arg("-O").current_dir(&folder);
    for executable in executables {
        shlibdeps.arg("-e").arg(executable);
    }
    let said = read("asking dpkg-shlibdeps for the libraries", &mut shlibdeps)?;
    let list = said
        .lines()
        .find_map(|line| line.strip_prefix("shlibs:Depends="))
        .context("dpkg-shlibdeps names no library")?;
    Ok(list.to_owned())
}

/// The tree that is packed. Whatever the caller's umask is, its modes are the same.
struct Tree {
    root: PathBuf,
}

impl Tree {
    /// Makes a folder in it, and those above.
    fn folder(&self, folder: &Path) -> Result<()> {
        let mut path = self.root.clone();
        make_folder(&path)?;
        for part in folder.components() {
            path.push(part);
            make_folder(&path)?;
        }
        Ok(())
    }

    /// Where a file is to be written; its folder is there.
    fn place(&self, name: PathBuf) -> Result<PathBuf> {
        self.folder(name.parent().unwrap_or(Path::new("")))?;
        Ok(self.root.join(name))
    }

    fn write(&self, name: PathBuf, text: &str) -> Result<()> {
        let path = self.place(name)?;
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        set_mode(&path, 0o644)
    }

    fn copy(&self, from: PathBuf, name: PathBuf) -> Result<()> {
        let text = fs::read_to_string(&from).with_context(|| format!("cannot read {}", from.display()))?;
        self.write(name, &text)
    }

    /// Writes it compressed; the name ends in `.gz`.
    fn gzip(&self, name: PathBuf, text: &str) -> Result<()> {
        let plain = name.with_extension("");
        self.write(plain.clone(), text)?;
        let mut gzip = Command::new("gzip");
        gzip.args(["-9", "--no-name"]).arg(self.root.join(plain));
        run_quietly("compressing a document", &mut gzip)?;
        set_mode(&self.root.join(name), 0o644)
    }

    /// Everything in it, in order, folders before what is in them.
    fn entries(&self) -> Result<Vec<PathBuf>> {
        let mut entries = Vec::new();
        let mut open = vec![self.root.clone()];
        while let Some(path) = open.pop() {
            if path.is_dir() {
                let inside =
                    fs::read_dir(&path).with_context(|| format!("cannot list {}", path.display()))?;
                for entry in inside {
                    open.push(entry.context("cannot list a folder")?.path());
                }
            }
            entries.push(path);
        }
        entries.sort();
        Ok(entries)
    }

    /// Debian Policy, section 5.6.20: each file in whole kibibytes, one for everything else.
    fn kibibytes(&self) -> Result<u64> {
        let mut sum = 0;
        for path in self.entries()? {
            let data = path
                .metadata()
                .with_context(|| format!("cannot look at {}", path.display()))?;
            sum += if data.is_file() {
                data.len().div_ceil(1024)
            } else {
                1
            };
        }
        Ok(sum)
    }

    /// deb-md5sums(5).
    fn md5sums(&self) -> Result<String> {
        let mut md5sum = Command::new("md5sum");
        md5sum.current_dir(&self.root);
        for path in self.entries()?.iter().filter(|path| path.is_file()) {
            md5sum.arg(path.strip_prefix(&self.root).unwrap_or(path));
        }
        read("taking the sums of the files", &mut md5sum)
    }

    fn set_times(&self, epoch_s: u64) -> Result<()> {
        let time = UNIX_EPOCH + Duration::from_secs(epoch_s);
        for path in self.entries()? {
            File::open(&path)
                .and_then(|file| file.set_modified(time))
                .with_context(|| format!("cannot set the time of {}", path.display()))?;
        }
        Ok(())
    }
}

fn make_folder(path: &Path) -> Result<()> {
    fs::create_dir_all(path).with_context(|| format!("cannot make {}", path.display()))?;
    set_mode(path, 0o755)
}

fn set_mode(path: &Path, mode: u32) -> Result<()> {
    fs::set_permissions(path, Permissions::from_mode(mode))
        .with_context(|| format!("cannot set the mode of {}", path.display()))
}
