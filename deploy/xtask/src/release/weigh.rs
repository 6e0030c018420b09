//! `cargo xtask bench package`: how large the package is, and how much memory the server that it installs takes while nobody is there.

use super::scratch::Scratch;
use super::{Profile, Wish, make};
use crate::place::Place;
use crate::process::run_quietly;
use anyhow::{Context, Result, bail, ensure};
use clap::Parser;
use serde_json::json;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Of the package, and of the server at rest, each in MB.
const TARGET_MB: f64 = 40.0;

/// How long the server has to start.
const START_MAX: Duration = Duration::from_secs(30);

/// How long it is watched at rest; what counts is the most that it takes.
const REST: Duration = Duration::from_secs(10);

/// Pause between two looks.
const LOOK: Duration = Duration::from_millis(100);

/// Which package, and for whom the figures are.
#[derive(Parser)]
#[command(name = "cargo xtask bench package")]
struct Options {
    /// Print a line of JSON for each figure
    #[arg(long)]
    json: bool,
    /// Weigh this package instead of building one, which takes the better part of an hour
    #[arg(long, value_name = "FILE")]
    package: Option<PathBuf>,
}

/// Makes the package, unpacks it, starts what is in it, and prints both figures beside their target. `options` are those of
/// the command line.
///
/// # Errors
/// A sentence, also when a target is missed.
pub fn run(place: &Place, options: &[String]) -> Result<()> {
    let command = std::iter::once("cargo xtask bench package").chain(options.iter().map(String::as_str));
    let options = Options::try_parse_from(command)?;
    let package = match options.package {
        Some(package) => package,
        None => make(
            place,
            &Wish {
                profile: Profile::Release,
                hanse: None,
                participant: None,
                version: None,
                out: None,
            },
        )?,
    };
    let size = fs::metadata(&package)
        .with_context(|| format!("cannot look at {}", package.display()))?
        .len();
    let scratch = Scratch::new("weigh")?;
    run_quietly(
        "unpacking the package",
        Command::new("dpkg-deb")
            .arg("--extract")
            .arg(&package)
            .arg(&scratch.path),
    )?;
    let resident = at_rest(&scratch.path)?;
    let figures = [("package", size), ("memory at rest", resident)];
    let mut missed = Vec::new();
    for (name, bytes) in figures {
        let mb = bytes as f64 / 1_000_000.0;
        let is_met = mb < TARGET_MB;
        if !is_met {
            missed.push(name);
        }
        if options.json {
            println!(
                "{}",
                json!({"figure": name, "mb": mb, "target_mb": TARGET_MB, "met": is_met})
            );
        } else {
            let verdict = if is_met { "met" } else { "MISSED" };
            println!("{name:<16}{mb:>6.1} MB   target {TARGET_MB} MB   {verdict}");
        }
    }
    ensure!(missed.is_empty(), "missed: {}", missed.join(", "));
    Ok(())
}

/// The most that the server in this tree has resident while nobody is there, in bytes.
fn at_rest(tree: &Path) -> Result<u64> {
    let port = TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .context("this machine gives no port")?
        .port();
    let config = tree.join("hanse.toml");
    let text = format!(
        "[http]\nbind_addresses = [\"127.0.0.1\"]\nport = {port}\n[sfu]\naddresses = [\"127.0.0.1\"]\nudp_port = 0\ntcp_port = 0\n\
         [store]\nurl = \"sqlite:{}\"\n[focus]\nsfu_url = \"ws://127.0.0.1:{port}\"\nfull_access_homeservers = [\"org-a.example\"]\n",
        tree.join("hanse.db").display()
    );
    fs::write(&config, text).context("cannot write a configuration")?;
    let log = File::create(tree.join("log")).context("cannot write a log")?;
    let mut server = Server(
        Command::new(tree.join("usr/bin/hanse"))
            .args(["run", "--config"])
            .arg(&config)
            .env(
                "LIVEKIT_KEYS",
                "hanse: 0123456789abcdef0123456789abcdef0123456789",
            )
            .stdin(Stdio::null())
            .stdout(log.try_clone().context("cannot write a log")?)
            .stderr(log)
            .spawn()
            .context("cannot start hanse")?,
    );
    let began = Instant::now();
    while !is_up(port) {
        if let Some(status) = server.0.try_wait().context("hanse is gone")? {
            let said = fs::read_to_string(tree.join("log")).unwrap_or_default();
            bail!("hanse ended ({status}):\n{said}");
        }
        ensure!(
            began.elapsed() < START_MAX,
            "hanse does not answer after {START_MAX:?}"
        );
        sleep(LOOK);
    }
    let began = Instant::now();
    let mut most = 0;
    while began.elapsed() < REST {
        most = resident(server.0.id())?.max(most);
        sleep(LOOK);
    }
    Ok(most)
}

/// Ended when dropped.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ended = self.0.kill();
        let _reaped = self.0.wait();
    }
}

fn is_up(port: u16) -> bool {
    let ask = || -> std::io::Result<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    };
    ask().is_ok_and(|answer| answer.starts_with("HTTP/1.1 200"))
}

/// Bytes of a process that are resident (proc(5)).
fn resident(pid: u32) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).context("hanse is gone")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kibibytes = line
        .and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok())
        .context("the system does not say how much memory hanse takes")?;
    Ok(kibibytes * 1024)
}
