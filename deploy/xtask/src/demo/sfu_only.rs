//! `cargo xtask demo --sfu-only`: the SFU and a small page on localhost through which several people call. With `--check`,
//! headless Chromium makes the call and judges it.
//!
//! Everything runs on fixed ports of this machine, with a key and a secret made for this run. What is started dies with
//! us, however we end ([`service`]).

use crate::demo::service::{self, LOOK_INTERVAL, Service};
use crate::install;
use crate::place::Place;
use crate::process::{self, build, say};
use anyhow::{Context, Result, bail};

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

/// HTTP and WebSocket of the SFU: LiveKit's port, as everywhere.
const SIGNAL_PORT: u16 = 7880;
/// Media.
const MEDIA_PORT: u16 = 7882;
/// The page, and the tokens for it.
const PAGE_PORT: u16 = 7890;

/// The name of the key that this run's secret belongs to.
const KEY: &str = "demo";
/// The file with that key and its secret.
const KEYS_FILE: &str = "hanse.keys";

/// A demo that was stopped a moment ago may still be saying goodbye; it gets this long to free its ports.
const PORTS_WAIT: Duration = Duration::from_secs(8);

/// Starts everything, then waits for Ctrl-C, or for the verdict.
pub fn run(place: &Place, check: bool) -> Result<()> {
    wait_for_free_ports()?;
    let node = install::node()?;
    let chromium = if check { Some(install::chromium()?) } else { None };
    let hanse = build(place, "hanse", &[])?;
    let page = build_page(place)?;

    let folder = place.root.join(".hanse/demo");
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let secret = fresh_secret().context("cannot make a secret")?;
    let config = write_config(&folder, &secret)?;

    let mut sfu_command = Command::new(hanse);
    sfu_command.args(["run", "--config"]).arg(&config);
    let mut sfu = Service::start("the SFU", &sfu_command, &folder.join("hanse.log"))?;
    sfu.wait_until(|_| TcpStream::connect((Ipv4Addr::LOCALHOST, SIGNAL_PORT)).is_ok())?;

    let sfu_url = format!("ws://127.0.0.1:{SIGNAL_PORT}");
    let mut page_command = Command::new(&node);
    page_command
        .current_dir(&page)
        .args([
            "demo/serve.mjs",
            "--port",
            &PAGE_PORT.to_string(),
            "--sfu",
            &sfu_url,
        ])
        .args(["--key", KEY, "--secret", &secret]);
    let mut server = Service::start("the page", &page_command, &folder.join("page.log"))?;
    server.wait_until(|log| log.lines().any(|line| line.starts_with("ready ")))?;

    let page_url = format!("http://localhost:{PAGE_PORT}");
    match chromium {
        Some(chromium) => {
            let verdict = judge(&node, &page, &page_url, &chromium);
            server.stop()?;
            sfu.stop()?;
            verdict
        }
        None => {
            println!("{}", welcome(&page_url, &sfu_url, &folder));
            wait_for_an_end(&mut [sfu, server])
        }
    }
}

fn welcome(page_url: &str, sfu_url: &str, folder: &Path) -> String {
    format!(
        "\nHanse is running.\n\n  \
         page    {page_url}\n          \
         Open it and join a room; open the link it gives you in a second window: the link carries the key.\n  \
         SFU     {sfu_url}\n          \
         For any LiveKit client of yours; the key \"{KEY}\" and its secret are in {KEYS_FILE}\n  \
         files   {}\n          \
         Settings, key and logs of this run.\n\nCtrl-C stops everything.",
        folder.display()
    )
}

/// Without `--check` only a failure ends this: Ctrl-C reaches us and everything we started alike.
fn wait_for_an_end(services: &mut [Service]) -> Result<()> {
    loop {
        for service in &mut *services {
            service.still_runs()?;
        }
        thread::sleep(LOOK_INTERVAL);
    }
}

fn judge(node: &Path, page: &Path, page_url: &str, chromium: &Path) -> Result<()> {
    say("headless Chromium makes the call");
    let mut command = service::dying_with_us(
        Command::new(node)
            .args(["demo/check.mjs", "--url", page_url])
            .current_dir(page)
            .env("CHROMIUM", chromium),
    );
    process::run("the call", &mut command).context("the call did not go as it should (above)")?;
    println!("demo: 1 passed, 0 failed");
    Ok(())
}

fn build_page(place: &Place) -> Result<PathBuf> {
    let folder = place.root.join("client-web");
    install::node_packages(place, &folder)?;
    say("building the page");
    let mut npm = Command::new("npm");
    npm.args(["run", "--silent", "build:demo"]).current_dir(&folder);
    process::run_quietly("building the page", &mut npm)?;
    Ok(folder)
}

fn wait_for_free_ports() -> Result<()> {
    let began = Instant::now();
    while let Some(busy) = busy_port() {
        if began.elapsed() > PORTS_WAIT {
            bail!("port {busy} is in use by another program: stop that one, then start the demo again");
        }
        thread::sleep(LOOK_INTERVAL);
    }
    Ok(())
}

fn busy_port() -> Option<String> {
    let everywhere = |port| SocketAddr::from((Ipv4Addr::UNSPECIFIED, port));
    let is_busy = |error: io::Error| error.kind() == io::ErrorKind::AddrInUse;
    if UdpSocket::bind(everywhere(MEDIA_PORT)).is_err_and(is_busy) {
        return Some(format!("{MEDIA_PORT}/udp"));
    }
    let tcp = [SIGNAL_PORT, PAGE_PORT].into_iter();
    tcp.map(|port| (port, TcpListener::bind(everywhere(port))))
        .find(|(_, listener)| {
            listener
                .as_ref()
                .is_err_and(|error| error.kind() == io::ErrorKind::AddrInUse)
        })
        .map(|(port, _)| format!("{port}/tcp"))
}

/// 256 bits from the system, in hexadecimal.
fn fresh_secret() -> Result<String> {
    let mut bytes = [0; 32];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// A `hanse.toml` for this machine, and the file with its key. Signalling listens on localhost only; media is offered on
/// the machine's own addresses, because not every browser sends media to localhost.
fn write_config(folder: &Path, secret: &str) -> Result<PathBuf> {
    let keys = folder.join(KEYS_FILE);
    write_for_owner(&keys, &format!("{KEY}: {secret}\n"))?;
    let config = folder.join("hanse.toml");
    let text = format!(
        "[http]\nbind_addresses = [\"127.0.0.1\"]\nport = {SIGNAL_PORT}\n\n\
         [sfu]\nudp_port = {MEDIA_PORT}\nkeys_file = '{}'\n",
        keys.display()
    );
    write_for_owner(&config, &text)?;
    Ok(config)
}

fn write_for_owner(path: &Path, text: &str) -> Result<()> {
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path);
    file.and_then(|mut file| file.write_all(text.as_bytes()))
        .with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_secrets_differ_and_have_256_bits() {
        let (one, other) = (fresh_secret().unwrap(), fresh_secret().unwrap());
        assert_eq!(one.len(), 64);
        assert_ne!(one, other);
    }
}
