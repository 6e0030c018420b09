//! Installing what is missing: Debian packages, node packages, a Python environment, cargo-deny. What is there is left
//! alone, so a second run costs nothing. Nothing asks: where we may not install, a sentence says what to do.

use crate::place::{Place, key_of};
use crate::process::{on_path, read, run, run_quietly, say};
use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Pinned, so that a new release cannot turn a green tree red.
const CARGO_DENY: &str = "0.20.2";

/// The oldest Node.js that the web build takes.
const NODE_MAJOR: u32 = 20;

/// A program of the system, and the Debian packages that bring it.
struct SystemProgram {
    name: &'static str,
    packages: &'static [&'static str],
    /// What goes missing without it: completes "needed …".
    purpose: &'static str,
}

const CHROMIUM: SystemProgram = SystemProgram {
    name: "chromium",
    packages: &["chromium", "fonts-dejavu-core"],
    purpose: "to make calls as a browser does",
};
/// Debian has the long-term release alone.
const FIREFOX: SystemProgram = SystemProgram {
    name: "firefox-esr",
    packages: &["firefox-esr", "fonts-dejavu-core"],
    purpose: "to make calls as a browser that is not Chromium does",
};
const IP: SystemProgram = SystemProgram {
    name: "ip",
    packages: &["iproute2"],
    purpose: "to give tests a network of their own",
};
const UNSHARE: SystemProgram = SystemProgram {
    name: "unshare",
    packages: &["util-linux"],
    purpose: "to give tests a network of their own",
};
const OPENSSL: SystemProgram = SystemProgram {
    name: "openssl",
    packages: &["openssl"],
    purpose: "to give the homeserver of a test a certificate",
};
const FAKETIME: SystemProgram = SystemProgram {
    name: "faketime",
    packages: &["faketime"],
    purpose: "to set clocks wrong",
};
/// Traefik is in no Debian.
const REVERSE_PROXIES: [SystemProgram; 3] = [
    SystemProgram {
        name: "nginx",
        packages: &["nginx"],
        purpose: "to read what is written for it",
    },
    SystemProgram {
        name: "caddy",
        packages: &["caddy"],
        purpose: "to read what is written for it",
    },
    SystemProgram {
        name: "haproxy",
        packages: &["haproxy"],
        purpose: "to read what is written for it",
    },
];
/// What a Debian package is made with, on a Debian machine. dpkg-deb itself is always there.
const PACKAGING: [SystemProgram; 3] = [
    SystemProgram {
        name: "dpkg-shlibdeps",
        packages: &["dpkg-dev"],
        purpose: "to say which libraries a package needs",
    },
    SystemProgram {
        name: "strip",
        packages: &["binutils"],
        purpose: "to take debug information out of executables",
    },
    SystemProgram {
        name: "help2man",
        packages: &["help2man"],
        purpose: "to make manual pages",
    },
];
/// What gives the tests of the Debian package a clean Debian that runs, and judges the package.
const CLEAN_DEBIAN: [SystemProgram; 4] = [
    SystemProgram {
        name: "mmdebstrap",
        packages: &["mmdebstrap"],
        purpose: "to make a clean Debian to install in",
    },
    SystemProgram {
        name: "systemd-nspawn",
        packages: &["systemd-container"],
        purpose: "to start a clean Debian as a machine is started",
    },
    SystemProgram {
        name: "lintian",
        packages: &["lintian"],
        purpose: "to judge the Debian package",
    },
    SystemProgram {
        name: "docker-compose",
        packages: &["docker-compose"],
        purpose: "to judge the compose file",
    },
];
const WALLS_AND_RELAYS: [SystemProgram; 5] = [
    SystemProgram {
        name: "iptables",
        packages: &["iptables"],
        purpose: "to build walls and NATs in networks of tests",
    },
    SystemProgram {
        name: "sysctl",
        packages: &["procps"],
        purpose: "to make a router in networks of tests",
    },
    SystemProgram {
        name: "turnserver",
        packages: &["coturn"],
        purpose: "to have a TURN server that others wrote",
    },
    SystemProgram {
        name: "turnutils_uclient",
        packages: &["coturn"],
        purpose: "to ask a TURN server for what it must refuse",
    },
    SystemProgram {
        name: "certutil",
        packages: &["libnss3-tools"],
        purpose: "to have Chromium trust a certificate of a test",
    },
];
const VALGRIND: SystemProgram = SystemProgram {
    name: "valgrind",
    packages: &["valgrind"],
    purpose: "to count instructions",
};
const NODE: SystemProgram = SystemProgram {
    name: "node",
    packages: &["nodejs", "npm"],
    purpose: "to build and test the web code",
};
const NPM: SystemProgram = SystemProgram {
    name: "npm",
    packages: &["npm"],
    purpose: "to install the web code's packages",
};
const PYTHON: SystemProgram = SystemProgram {
    name: "python3",
    packages: &["python3", "python3-venv"],
    purpose: "for clients and homeservers that are written in it",
};

/// Headless Chromium: `$CHROMIUM` when set, else the one on the path, installed first if need be.
pub fn chromium() -> Result<PathBuf> {
    chosen("CHROMIUM")?.map_or_else(|| system_program(&CHROMIUM), Ok)
}

/// Headless Firefox: `$FIREFOX` when set, else the one on the path, installed first if need be.
pub fn firefox() -> Result<PathBuf> {
    // Elsewhere it has no second name.
    let found = chosen("FIREFOX")?.or_else(|| on_path(FIREFOX.name).or_else(|| on_path("firefox")));
    found.map_or_else(|| system_program(&FIREFOX), Ok)
}

/// What makes a network namespace and furnishes it.
pub fn network_namespaces() -> Result<()> {
    system_program(&UNSHARE)?;
    system_program(&IP)?;
    Ok(())
}

/// What makes a Debian package.
pub fn packaging() -> Result<()> {
    PACKAGING
        .iter()
        .try_for_each(|program| system_program(program).map(|_| ()))
}

/// What installs a Debian package in a Debian of its own, and judges it.
pub fn clean_debian() -> Result<()> {
    packaging()?;
    CLEAN_DEBIAN
        .iter()
        .try_for_each(|program| system_program(program).map(|_| ()))
}

/// What makes certificates for tests.
pub fn certificates() -> Result<()> {
    system_program(&OPENSSL)?;
    Ok(())
}

/// The reverse proxies for which `hanse setup` writes files.
pub fn reverse_proxies() -> Result<()> {
    for proxy in &REVERSE_PROXIES {
        system_program(proxy)?;
    }
    Ok(())
}

/// What tests build walls, NATs and relays of, and by which a browser trusts a relay.
pub fn walls_and_relays() -> Result<()> {
    for program in &WALLS_AND_RELAYS {
        system_program(program)?;
    }
    Ok(())
}

/// What sets the clock of one program wrong.
pub fn wrong_clocks() -> Result<()> {
    system_program(&FAKETIME).map(drop)
}

/// The program that a variable of the environment names, if it is set.
fn chosen(variable: &str) -> Result<Option<PathBuf>> {
    let chosen = std::env::var_os(variable).map(PathBuf::from);
    if let Some(chosen) = &chosen {
        ensure!(
            chosen.is_file(),
            "{variable} is set to {}, which is not a file",
            chosen.display()
        );
    }
    Ok(chosen)
}

/// The folder of PostgreSQL's programs, for the tests that start a server of their own; Debian keeps them off the path.
pub fn postgresql() -> Result<PathBuf> {
    let find = || {
        on_path("initdb")
            .and_then(|initdb| initdb.parent().map(Path::to_path_buf))
            .or_else(|| {
                newest_with(Path::new("/usr/lib/postgresql"), "bin/initdb").map(|folder| folder.join("bin"))
            })
    };
    if let Some(folder) = find() {
        return Ok(folder);
    }
    let purpose = "to test the store on it";
    debian_packages(&["postgresql"], "PostgreSQL", purpose)?;
    find().context("PostgreSQL's initdb is still not there after installing postgresql")
}

/// Of the folders that are named by a version number, the newest that has this file in it.
fn newest_with(folder: &Path, file: &str) -> Option<PathBuf> {
    fs::read_dir(folder)
        .ok()?
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let version: u32 = entry.file_name().to_str()?.parse().ok()?;
            Some((version, entry.path()))
        })
        .filter(|(_, path)| path.join(file).is_file())
        .max()
        .map(|(_, path)| path)
}

/// Valgrind, whose callgrind counts instructions.
pub fn valgrind() -> Result<PathBuf> {
    system_program(&VALGRIND)
}

/// Installs a web folder's packages as its lock file has them, unless those of exactly this lock file are there.
pub fn node_packages(place: &Place, folder: &Path) -> Result<()> {
    let name = folder
        .strip_prefix(&place.root)
        .unwrap_or(folder)
        .display()
        .to_string();
    let mend = format!("run `npm install` in {name} and commit its package-lock.json");
    let read_json = |file: &str| {
        let text = fs::read_to_string(folder.join(file))
            .with_context(|| format!("{name}/{file} is missing: {mend}"))?;
        let json: Value =
            serde_json::from_str(&text).with_context(|| format!("{name}/{file} is not JSON: {mend}"))?;
        Ok::<_, anyhow::Error>((text, json))
    };
    let (_, manifest) = read_json("package.json")?;
    let (wanted, lock_file) = read_json("package-lock.json")?;
    ensure!(
        lock_follows(&manifest, &lock_file),
        "{name}/package-lock.json does not follow its package.json: {mend}"
    );

    check_node()?;
    let _lock = place.lock()?;
    let stamp = folder.join("node_modules/.installed-from");
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    say(&format!("installing the node packages of {name}"));
    // Not `npm ci`: it refuses where a registry lacks an optional package of another platform. The rest of its strictness
    // is above. Install scripts of strangers stay off; nothing we use needs one.
    let mut npm = Command::new(system_program(&NPM)?);
    npm.args([
        "install",
        "--no-save",
        "--no-audit",
        "--no-fund",
        "--ignore-scripts",
        "--loglevel=error",
    ]);
    run_quietly(
        &format!("installing the node packages of {name}"),
        npm.current_dir(folder),
    )?;
    fs::write(&stamp, wanted).with_context(|| format!("cannot write {}", stamp.display()))
}

/// Whether a lock file (npm's `lockfileVersion` 3) was made for these direct dependencies.
fn lock_follows(manifest: &Value, lock_file: &Value) -> bool {
    let made_for = lock_file.pointer("/packages/");
    ["dependencies", "devDependencies"]
        .iter()
        .all(|kind| made_for.is_some_and(|made_for| made_for.get(kind) == manifest.get(kind)))
}

/// Node.js, new enough.
pub fn node() -> Result<PathBuf> {
    check_node()
}

fn check_node() -> Result<PathBuf> {
    let node = system_program(&NODE)?;
    let version = read(
        "asking Node.js for its version",
        Command::new(&node).arg("--version"),
    )?;
    let version = version.trim();
    let major = version
        .trim_start_matches('v')
        .split('.')
        .next()
        .and_then(|major| major.parse::<u32>().ok());
    ensure!(
        major.is_some_and(|major| major >= NODE_MAJOR),
        "Node.js {version} is too old for the web build: install {NODE_MAJOR} or newer and put it first on the path"
    );
    Ok(node)
}

/// A Python with the packages of a requirements file: an environment in the cache, one for each content of the file and
/// each Python.
pub fn python(place: &Place, requirements: &Path) -> Result<PathBuf> {
    let wanted = fs::read_to_string(requirements)
        .with_context(|| format!("cannot read {}", requirements.display()))?;
    let system_python = system_program(&PYTHON)?;
    let version = read(
        "asking Python for its version",
        Command::new(&system_python).arg("--version"),
    )?;
    let environment = place
        .cache
        .join("venv")
        .join(key_of(&format!("{version}{wanted}")));
    let python = environment.join("bin/python");
    let complete = environment.join("complete");
    let _lock = place.lock()?;
    if complete.is_file() && python.is_file() {
        return Ok(python);
    }
    say(&format!(
        "making a Python environment with {}",
        wanted.trim().replace('\n', ", ")
    ));
    if environment.exists() {
        fs::remove_dir_all(&environment)
            .with_context(|| format!("cannot remove the half-made {}", environment.display()))?;
    }
    if !has_venv(&system_python) {
        debian_packages(&["python3-venv"], "Python's venv module", PYTHON.purpose)?;
    }
    let mut venv = Command::new(&system_python);
    venv.args(["-m", "venv"]).arg(&environment);
    run_quietly("making a Python environment", &mut venv)?;
    let mut pip = Command::new(&python);
    pip.args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--requirement",
    ])
    .arg(requirements);
    run_quietly("installing the Python packages", &mut pip)?;
    fs::write(&complete, wanted).with_context(|| format!("cannot write {}", complete.display()))?;
    Ok(python)
}

fn has_venv(python: &Path) -> bool {
    run_quietly(
        "asking Python for venv",
        Command::new(python).args(["-c", "import ensurepip, venv"]),
    )
    .is_ok()
}

/// cargo-deny at our version, built into the cache the first time (two minutes on two cores).
pub fn cargo_deny(place: &Place) -> Result<PathBuf> {
    let folder = place.cache.join(format!("cargo-deny-{CARGO_DENY}"));
    let executable = folder.join("bin/cargo-deny");
    let _lock = place.lock()?;
    if executable.is_file() {
        return Ok(executable);
    }
    say(&format!(
        "building cargo-deny {CARGO_DENY} into the cache, once; this takes two minutes or so"
    ));
    let scratch = place.cache.join("cargo-deny-build");
    let mut install = Command::new("cargo");
    install.args([
        "install",
        "cargo-deny",
        "--version",
        CARGO_DENY,
        "--locked",
        "--quiet",
    ]);
    install
        .arg("--root")
        .arg(&folder)
        .arg("--target-dir")
        .arg(&scratch);
    run("building cargo-deny", &mut install)?;
    fs::remove_dir_all(&scratch).with_context(|| format!("cannot remove {}", scratch.display()))?;
    Ok(executable)
}

fn system_program(program: &SystemProgram) -> Result<PathBuf> {
    if let Some(found) = on_path(program.name) {
        return Ok(found);
    }
    debian_packages(program.packages, program.name, program.purpose)?;
    on_path(program.name).with_context(|| {
        format!(
            "{} is still not on the path after installing {}",
            program.name,
            program.packages.join(", ")
        )
    })
}

/// Installs Debian packages when we are root on a Debian, else says what to install. Waits when others use apt.
fn debian_packages(packages: &[&str], what: &str, purpose: &str) -> Result<()> {
    let list = packages.join(" ");
    if on_path("apt-get").is_none() {
        bail!("{what} is needed {purpose}: install it (Debian calls it: {list})");
    }
    let user = read("asking who we are", Command::new("id").arg("-u"))?;
    if user.trim() != "0" {
        bail!("{what} is needed {purpose}: run `sudo apt-get install --no-install-recommends {list}`");
    }
    say(&format!("installing Debian packages: {list}"));
    run_quietly("updating Debian's package list", apt().args(["update", "-qq"]))?;
    let mut install = apt();
    install
        .args(["install", "-qq", "-y", "--no-install-recommends"])
        .args(packages);
    run_quietly(&format!("installing {list}"), &mut install)
}

fn apt() -> Command {
    let mut command = Command::new("apt-get");
    command
        .args(["-o", "DPkg::Lock::Timeout=300"])
        .env("DEBIAN_FRONTEND", "noninteractive");
    command
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn of_several_versions_the_newest_complete_one_is_taken() {
        let folder = std::env::temp_dir().join(format!("hanse-xtask-versions-{}", std::process::id()));
        for (version, file) in [
            ("9", "initdb"),
            ("15", "initdb"),
            ("16", "psql"),
            ("common", "initdb"),
        ] {
            fs::create_dir_all(folder.join(version)).unwrap();
            fs::write(folder.join(version).join(file), "").unwrap();
        }
        assert_eq!(newest_with(&folder, "initdb"), Some(folder.join("15")));
        assert_eq!(newest_with(&folder, "no-such-program"), None);
        assert_eq!(newest_with(&folder.join("nowhere"), "initdb"), None);
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn a_lock_file_follows_its_own_package_json_and_no_other() {
        let lock_file =
            json!({"packages": {"": {"dependencies": {"livekit-client": "2.23.0"}}, "node_modules/x": {}}});
        assert!(lock_follows(
            &json!({"dependencies": {"livekit-client": "2.23.0"}}),
            &lock_file
        ));
        assert!(!lock_follows(
            &json!({"dependencies": {"livekit-client": "2.24.0"}}),
            &lock_file
        ));
        assert!(!lock_follows(
            &json!({"devDependencies": {"vite": "8.3.8"}}),
            &lock_file
        ));
    }
}
