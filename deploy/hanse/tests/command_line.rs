//! The executable as an administrator meets it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)] // A test may panic.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Output, Stdio};

const KEY: &str = "devkey: 0123456789abcdef0123456789abcdef";

fn hanse(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hanse"));
    command
        .args(arguments)
        .env_remove("LIVEKIT_KEYS")
        .stdin(Stdio::null());
    command
}

fn text(output: &Output) -> (String, String) {
    (
        String::from_utf8_lossy(&output.stdout).into(),
        String::from_utf8_lossy(&output.stderr).into(),
    )
}

/// A configuration file that is removed with the test.
struct File(std::path::PathBuf);

impl File {
    fn with(name: &str, text: &str) -> Self {
        let path = std::env::temp_dir().join(format!("hanse-{}-{name}.toml", std::process::id()));
        std::fs::write(&path, text).unwrap();
        File(path)
    }

    fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[test]
fn the_version_is_printed() {
    let (out, _) = text(&hanse(&["--version"]).output().unwrap());
    assert_eq!(out, format!("hanse {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn without_a_key_it_does_not_start_and_says_how_to_make_one() {
    let output = hanse(&["run"]).output().unwrap();
    let (_, err) = text(&output);
    assert!(!output.status.success());
    assert!(
        err.contains("There is no API key") && err.contains("openssl rand -hex 32"),
        "{err}"
    );
}

#[test]
fn an_unknown_key_is_refused_with_the_nearest_one() {
    let file = File::with("unknown", "[sfu]\nudp_prot = 7882\n");
    let output = hanse(&["check-config", "--config", file.path()])
        .env("LIVEKIT_KEYS", KEY)
        .output()
        .unwrap();
    let (_, err) = text(&output);
    assert!(!output.status.success());
    assert!(
        err.contains("line 2: [sfu] has no key \"udp_prot\"; did you mean \"udp_port\"?"),
        "{err}"
    );
}

#[test]
fn check_config_says_where_values_come_from_and_shows_no_secret() {
    let file = File::with("explain", "[sfu]\nudp_port = 3478\n");
    let output = hanse(&["check-config", "--config", file.path()])
        .env("LIVEKIT_KEYS", KEY)
        .env("HANSE_HTTP_PORT", "8080")
        .output()
        .unwrap();
    let (out, err) = text(&output);
    assert!(output.status.success(), "{err}");
    assert!(
        out.contains(&format!("udp_port = 3478    # {} line 2", file.path())),
        "{out}"
    );
    assert!(
        out.contains("port = 8080    # environment variable HANSE_HTTP_PORT"),
        "{out}"
    );
    assert!(out.contains("auto_create = true    # default"), "{out}");
    assert!(
        out.contains("LIVEKIT_KEYS: set, not shown") && !out.contains("0123456789abcdef"),
        "{out}"
    );
}

/// A server that is killed with the test.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Two huge pages: what the allocator takes before our first line runs.
const HUGE_PAGES_KB_MAX: u64 = 4096;

/// How much of a process' memory lies in huge pages (proc_pid_smaps(5)).
fn huge_pages_kb(pid: u32) -> u64 {
    let memory = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap();
    let line = memory
        .lines()
        .find(|line| line.starts_with("AnonHugePages:"))
        .unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn it_serves_in_small_pages_says_what_it_offers_and_stops_when_it_is_told_to() {
    let file = File::with(
        "run",
        "[http]\nbind_addresses = [\"127.0.0.1\"]\nport = 0\n\
         [sfu]\nbind_addresses = [\"127.0.0.1\"]\nudp_port = 0\ntcp_port = 0\naddresses = [\"203.0.113.7\"]\n",
    );
    let mut server = Server(
        hanse(&["run", "--config", file.path()])
            .env("LIVEKIT_KEYS", KEY)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap(),
    );
    let mut lines = BufReader::new(server.0.stderr.take().unwrap())
        .lines()
        .map_while(Result::ok);
    let offer = lines
        .find(|line| line.contains("media addresses"))
        .expect("an offer");
    assert!(
        offer.contains("203.0.113.7:") && offer.contains("/udp"),
        "{offer}"
    );
    let serving = lines
        .find(|line| line.contains("serves HTTP on"))
        .expect("an address");
    let address = serving.rsplit(' ').next().unwrap();
    let huge = huge_pages_kb(server.0.id());
    assert!(huge <= HUGE_PAGES_KB_MAX, "{huge} kB in huge pages");

    let mut connection = TcpStream::connect(address).unwrap();
    connection
        .write_all(b"GET / HTTP/1.1\r\nHost: hanse\r\nConnection: close\r\n\r\n")
        .unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).unwrap();
    assert!(
        answer.starts_with("HTTP/1.1 200") && answer.ends_with("OK"),
        "{answer}"
    );

    let pid = server.0.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-TERM", &pid])
            .status()
            .unwrap()
            .success()
    );
    assert!(lines.any(|line| line.contains("SIGTERM")));
    assert!(server.0.wait().unwrap().success());
    assert!(TcpStream::connect(address).is_err());
}
