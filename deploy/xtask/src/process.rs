//! Running other programs: with a sentence when one fails, and a line now and then while one takes long.

use crate::place::Place;
use anyhow::{Context, Result, bail};
use serde::Deserialize;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// A program that says nothing for a while gets a line this often, so that nobody takes it for hung.
const REMINDER_INTERVAL: Duration = Duration::from_secs(30);

/// One line of progress. Progress goes to standard error, so that `--json` on standard output stays clean.
pub fn say(line: &str) {
    eprintln!("xtask: {line}");
}

/// Runs a program to its end; it writes where we write. `what` completes "… failed" and "still running: …".
pub fn run(what: &str, command: &mut Command) -> Result<()> {
    let _reminder = Reminder::start(what);
    let status = command
        .stdin(Stdio::null())
        .status()
        .with_context(|| cannot_start(what, command))?;
    if !status.success() {
        bail!("{what} failed ({status})");
    }
    Ok(())
}

/// Runs a program to its end and hands back what it wrote; it fails with what the program said about it.
pub fn read(what: &str, command: &mut Command) -> Result<String> {
    let _reminder = Reminder::start(what);
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| cannot_start(what, command))?;
    if !output.status.success() {
        bail!("{what} failed ({}):\n{}", output.status, said(&output));
    }
    String::from_utf8(output.stdout).with_context(|| format!("{what} wrote something that is not UTF-8"))
}

/// Runs a program whose words matter only when it fails.
pub fn run_quietly(what: &str, command: &mut Command) -> Result<()> {
    read(what, command).map(|_| ())
}

fn said(output: &Output) -> String {
    let mut words = String::from_utf8_lossy(&output.stdout).into_owned();
    words.push_str(&String::from_utf8_lossy(&output.stderr));
    words.trim().to_owned()
}

fn cannot_start(what: &str, command: &Command) -> String {
    format!("{what}: cannot start {}", command.get_program().display())
}

/// Says "still running" until dropped.
struct Reminder {
    _stop: mpsc::Sender<()>,
}

impl Reminder {
    fn start(what: &str) -> Self {
        let (stop, stopped) = mpsc::channel::<()>();
        let (what, began) = (what.to_owned(), Instant::now());
        thread::spawn(move || {
            while let Err(mpsc::RecvTimeoutError::Timeout) = stopped.recv_timeout(REMINDER_INTERVAL) {
                say(&format!(
                    "still running: {what} ({} s)",
                    began.elapsed().as_secs()
                ));
            }
        });
        Reminder { _stop: stop }
    }
}

/// `cargo`, in the checkout, as the caller's own cargo.
pub fn cargo(place: &Place, subcommand: &str) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(&place.root).arg(subcommand);
    command
}

/// Builds one executable of the workspace and says where it lies. `options` are further options of `cargo build`.
pub fn build(place: &Place, package: &str, options: &[&str]) -> Result<PathBuf> {
    build_with(place, package, options, &[])
}

/// As [`build`], with these variables in cargo's environment.
pub fn build_with(
    place: &Place,
    package: &str,
    options: &[&str],
    environment: &[(&str, String)],
) -> Result<PathBuf> {
    let what = format!("building {package}");
    say(&what);
    let _reminder = Reminder::start(&what);
    let mut command = cargo(place, "build");
    command
        .args([
            "--package",
            package,
            "--message-format",
            "json-render-diagnostics",
        ])
        .args(options)
        .envs(environment.iter().map(|(name, value)| (name, value)));
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| cannot_start(&what, &command))?;
    let mut executable = None;
    if let Some(messages) = child.stdout.take() {
        for line in BufReader::new(messages).lines() {
            let line = line.with_context(|| format!("{what}: cannot read cargo's messages"))?;
            executable = executable_named_in(&line, package).or(executable);
        }
    }
    let status = child.wait().with_context(|| what.clone())?;
    if !status.success() {
        bail!("{what} failed ({status}): the compiler's messages are above");
    }
    executable.with_context(|| format!("{what}: cargo named no executable"))
}

/// Builds `hanse` with the tap that copies forwarded frames to a file. It is moved aside at once: what lies at cargo's usual
/// place must never be an executable with a tap.
pub fn hanse_with_debug_tap(place: &Place) -> Result<PathBuf> {
    let built = build(place, "hanse", &["--features", "debug-tap"])?;
    let folder = built
        .parent()
        .and_then(Path::parent)
        .context("cargo built hanse at the top of the file system")?;
    let folder = folder.join("debug-tap");
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let moved = folder.join("hanse");
    fs::rename(&built, &moved)
        .with_context(|| format!("cannot move {} to {}", built.display(), moved.display()))?;
    Ok(moved)
}

/// What we read of cargo's `compiler-artifact` message (The Cargo Book, "External tools").
#[derive(Deserialize)]
struct Artifact {
    reason: String,
    target: Option<Target>,
    executable: Option<PathBuf>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
}

fn executable_named_in(line: &str, package: &str) -> Option<PathBuf> {
    let artifact: Artifact = serde_json::from_str(line).ok()?;
    let named = artifact.target.is_some_and(|target| target.name == package);
    if artifact.reason == "compiler-artifact" && named {
        artifact.executable
    } else {
        None
    }
}

/// Finds a program on the path, as a shell would.
pub fn on_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|folder| folder.join(program))
        .find(|file| is_program(file))
}

fn is_program(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    file.metadata()
        .is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failing_program_is_reported_with_what_it_said() {
        let error = read(
            "the example",
            Command::new("sh").args(["-c", "echo because; exit 3"]),
        )
        .unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains("the example failed") && text.contains("because"),
            "{text}"
        );
    }

    #[test]
    fn a_missing_program_is_named() {
        let error = run("the example", &mut Command::new("no-such-program-here")).unwrap_err();
        assert!(error.to_string().contains("no-such-program-here"), "{error}");
    }

    #[test]
    fn only_the_package_asked_for_gives_its_executable() {
        let line = r#"{"reason":"compiler-artifact","target":{"name":"hanse"},"executable":"/somewhere/debug/hanse"}"#;
        assert_eq!(
            executable_named_in(line, "hanse"),
            Some(PathBuf::from("/somewhere/debug/hanse"))
        );
        assert_eq!(executable_named_in(line, "hanse-bench"), None);
        assert_eq!(executable_named_in("not JSON", "hanse"), None);
    }

    #[test]
    fn programs_are_found_on_the_path_and_others_are_not() {
        assert!(on_path("sh").is_some());
        assert!(on_path("no-such-program-here").is_none());
    }
}
