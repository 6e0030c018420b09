//! The page about data that the running server shows to everybody, and the report that its administrator makes.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)] // A test may panic.

use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};

/// A server of its own, in a folder of its own.
struct Server {
    process: Child,
    log: BufReader<ChildStderr>,
    address: String,
    folder: PathBuf,
}

impl Server {
    fn start(name: &str, configuration: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("hanse-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        write(&folder, configuration);
        let mut process = hanse(&folder, &["run", "--config", "hanse.toml"])
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = BufReader::new(process.stderr.take().unwrap());
        let mut server = Server {
            process,
            log,
            address: String::new(),
            folder,
        };
        let serving = server.line("serves HTTP on");
        server.address = serving.trim_end().rsplit(' ').next().unwrap().to_owned();
        server
    }

    /// The next line of the log with this in it.
    fn line(&mut self, part: &str) -> String {
        loop {
            let mut line = String::new();
            assert_ne!(
                self.log.read_line(&mut line).unwrap(),
                0,
                "the server ended before \"{part}\""
            );
            if line.contains(part) {
                return line;
            }
        }
    }

    /// Head and body of an answer.
    fn ask(&self, path: &str, languages: &str) -> (String, String) {
        let mut connection = TcpStream::connect(&self.address).unwrap();
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: hanse\r\nAccept-Language: {languages}\r\nConnection: close\r\n\r\n"
        );
        connection.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.to_lowercase(), body.to_owned())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn write(folder: &Path, configuration: &str) {
    std::fs::write(folder.join("hanse.toml"), configuration).unwrap();
}

fn hanse(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hanse"));
    command
        .args(arguments)
        .current_dir(folder)
        .env("LIVEKIT_KEYS", "devkey: 0123456789abcdef0123456789abcdef")
        .stdin(Stdio::null());
    command
}

/// Behind it stands what the test changes.
const CONFIGURATION: &str = "
[http]
bind_addresses = [\"127.0.0.1\"]
port = 0
[sfu]
bind_addresses = [\"127.0.0.1\"]
udp_port = 0
tcp_port = 0
webhook_urls = [\"http://127.0.0.1:9/inner-hook\"]
[focus]
sfu_url = \"wss://hanse.org-a.example/livekit/sfu\"
full_access_homeservers = [\"org-a.example\"]
";

#[test]
fn everybody_reads_in_their_language_what_the_running_server_does_and_nothing_that_is_inside() {
    let before = format!("{CONFIGURATION}[privacy]\ncontact = \"before@org-a.example\"\n");
    let mut server = Server::start("privacy-page", &before);
    let (head, german) = server.ask("/privacy", "de-DE,de;q=0.9,en;q=0.5");
    assert!(
        head.starts_with("http/1.1 200") && head.contains("content-language: de"),
        "{head}"
    );
    assert!(
        head.contains("vary: accept-language") && head.contains("content-type: text/html; charset=utf-8"),
        "{head}"
    );
    assert!(
        head.contains("default-src 'none'; style-src 'sha256-") && head.contains("frame-ancestors 'none'"),
        "{head}"
    );
    assert!(german.contains("<html lang=\"de\">") && german.contains("Was verarbeitet wird"));
    assert!(german.contains("<a href=\"?lang=en\" lang=\"en\" hreflang=\"en\">English</a>"));
    let (_, english) = server.ask("/privacy", "fr");
    assert!(
        english.contains("<html lang=\"en\">")
            && english.contains("People of org-a.example may publish here.")
    );
    assert!(server.ask("/privacy?lang=de", "en").1 == german);
    assert!(server.ask("/privacy?lang=fr", "en").1 == english);
    assert!(!english.contains("inner-hook") && !english.contains("<script"));

    let (head, body) = server.ask("/privacy.json", "de");
    assert!(head.contains("access-control-allow-origin: *"), "{head}");
    let json: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(
        (&json["contact"], &json["homeservers"][0]),
        (&"before@org-a.example".into(), &"org-a.example".into())
    );
    let languages: Vec<&str> = json["reports"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|report| report["language"].as_str())
        .collect();
    assert_eq!(languages, ["de", "en"]);
    assert!(!body.contains("inner-hook"));

    write(
        &server.folder,
        &format!("{CONFIGURATION}token_lifetime_s = 1234\n[policy]\nstrangers = \"deny\"\n"),
    );
    let pid = server.process.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-HUP", &pid])
            .status()
            .unwrap()
            .success()
    );
    server.line("are read again");
    let (_, english) = server.ask("/privacy", "en");
    assert!(english.contains("People of all other homeservers get into no call here."));
    assert!(!english.contains("before@org-a.example"));
    // What needs a restart is as it was.
    assert!(!english.contains("1234"));
}

#[test]
fn an_administrator_gets_the_report_in_a_file_in_each_form_and_language() {
    let folder = std::env::temp_dir().join(format!("hanse-privacy-report-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    write(&folder, CONFIGURATION);
    let report = |arguments: &[&str]| {
        let all = [&["privacy-report", "--config", "hanse.toml"], arguments].concat();
        let output = hanse(&folder, &all).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let english = report(&[]);
    assert!(report(&["--markdown", "--language", "en"]) == english);
    for part in [
        "Art. 13",
        "Art. 26",
        "Art. 28",
        "Art. 30",
        "Art. 35",
        "127.0.0.1",
        "`/privacy`",
    ] {
        assert!(english.contains(part), "{part}");
    }
    let json: Value = serde_json::from_str(&report(&["--json", "--language", "de"])).unwrap();
    assert_eq!(json["language"], "de");
    assert_eq!(json["sections"][0]["title"], "Wer verantwortlich ist");
    assert_eq!(
        report(&["--html", "--language", "de", "--out", "report.html"]),
        ""
    );
    let page = std::fs::read_to_string(folder.join("report.html")).unwrap();
    assert!(
        page.starts_with("<!doctype html>") && page.contains("Folgenabschätzung") && !page.contains("<nav>")
    );
    let nowhere = hanse(&folder, &["privacy-report", "--out", "nowhere/report.md"])
        .output()
        .unwrap();
    assert!(!nowhere.status.success());
    assert!(String::from_utf8_lossy(&nowhere.stderr).contains("cannot be written"));
    let both = hanse(&folder, &["privacy-report", "--json", "--html"])
        .output()
        .unwrap();
    assert_eq!(both.status.code(), Some(2));
    std::fs::remove_dir_all(&folder).unwrap();
}
