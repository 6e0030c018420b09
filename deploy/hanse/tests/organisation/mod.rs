//! A running `hanse` in a folder of its own, between homeservers that vouch for everybody and an SFU that says who has come
//! by webhook.
#![allow(dead_code)] // Each test file uses its own part.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use jsonwebtoken::{EncodingKey, Header};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Output, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tokio_rustls::rustls::pki_types::PrivatePkcs8KeyDer;
use tokio_rustls::rustls::{ServerConfig, ServerConnection, StreamOwned};

pub const SECRET: &str = "0123456789abcdef0123456789abcdef";
/// How long a line of the log is waited for.
const PATIENCE: Duration = Duration::from_secs(30);

pub const KITCHEN: &str = "!kitchen:org-a.example";

/// An executable of ours with these arguments.
pub fn hanse(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hanse"));
    command
        .args(arguments)
        .env_remove("LIVEKIT_KEYS")
        .env_remove("DATABASE_URL")
        .stdin(Stdio::null());
    command
}

/// What came back: the exit code and both outputs.
pub struct Said {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Said {
    pub fn json(&self) -> Value {
        assert_eq!(self.code, 0, "{}", self.err);
        serde_json::from_str(&self.out).unwrap()
    }
}

impl From<Output> for Said {
    fn from(output: Output) -> Self {
        Said {
            code: output.status.code().unwrap(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

/// A folder that is removed with the test. Its path is short: that of a socket has to be.
pub struct Folder(pub PathBuf);

impl Folder {
    pub fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("hanse-{name}-{}", std::process::id()));
        let _was_there = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        Folder(folder)
    }

    pub fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Two homeservers whose OpenID tokens are the names of their users.
pub struct Homeservers {
    pub ours: String,
    pub theirs: String,
}

impl Homeservers {
    /// Writes their certificate authority into the folder.
    fn start(folder: &Folder) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        std::fs::write(folder.path("ca.pem"), authority.pem()).unwrap();
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec!["127.0.0.1".to_owned()])
            .unwrap()
            .signed_by(&key, &authority)
            .unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.der().clone()],
                PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
            )
            .unwrap();
        let config = Arc::new(config);
        Homeservers {
            ours: homeserver(Arc::clone(&config)),
            theirs: homeserver(config),
        }
    }
}

/// Serves until the test ends, and says its name.
fn homeserver(config: Arc<ServerConfig>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let name = listener.local_addr().unwrap().to_string();
    let server = name.clone();
    std::thread::spawn(move || {
        for connection in listener.incoming().map_while(Result::ok) {
            let tls = ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut reader = BufReader::new(StreamOwned::new(tls, connection));
            let mut request = String::new();
            // Whoever breaks off concerns nobody.
            let _ = reader.read_line(&mut request);
            let mut line = String::new();
            while reader.read_line(&mut line).is_ok_and(|bytes| bytes > 2) {
                line.clear();
            }
            let user = request.split_once("access_token=").map_or("", |(_, rest)| rest);
            let user: String = user.chars().take_while(char::is_ascii_alphabetic).collect();
            let body = json!({"sub": format!("@{user}:{server}")}).to_string();
            let answer = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                body.len()
            );
            let mut stream = reader.into_inner();
            let _ = stream.write_all(answer.as_bytes());
            stream.conn.send_close_notify();
            let _ = stream.flush();
        }
    });
    name
}

/// A running server.
pub struct Organisation {
    server: Child,
    address: String,
    pub metrics: Option<String>,
    lines: Receiver<String>,
    /// Every line of the log so far, also those before it served.
    pub log: Vec<String>,
    pub homeservers: Homeservers,
    pub folder: Folder,
}

impl Drop for Organisation {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

/// A server with this configuration, and its log.
pub fn run(config: &Path) -> (Child, BufReader<ChildStderr>) {
    let mut server = hanse(&["run", "--config", config.to_str().unwrap()])
        .env("LIVEKIT_KEYS", format!("devkey: {SECRET}"))
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let log = BufReader::new(server.stderr.take().unwrap());
    (server, log)
}

/// A configuration in this folder for a focus beside its SFU.
pub fn write_config(folder: &Folder, homeservers: &Homeservers, more: &str) -> PathBuf {
    let config = folder.0.join("hanse.toml");
    let text = format!(
        "[http]\nbind_addresses = [\"127.0.0.1\"]\nport = 0\n\
         [sfu]\nbind_addresses = [\"127.0.0.1\"]\nudp_port = 0\ntcp_port = 0\n\
         [focus]\nsfu_url = \"wss://hanse.org-a.example\"\nfull_access_homeservers = [\"{ours}\"]\n\
         [homeservers]\nallowed_networks = [\"127.0.0.0/8\"]\nca_files = [\"{ca}\"]\n\
         [store]\nurl = \"sqlite:{database}\"\n{more}\n",
        ours = homeservers.ours,
        ca = folder.path("ca.pem"),
        database = folder.path("hanse.db"),
    );
    std::fs::write(&config, text).unwrap();
    config
}

impl Organisation {
    pub fn start(name: &str, more: &str) -> Self {
        let folder = Folder::new(name);
        let homeservers = Homeservers::start(&folder);
        write_config(&folder, &homeservers, more);
        Self::start_in(folder, homeservers)
    }

    fn start_in(folder: Folder, homeservers: Homeservers) -> Self {
        let (server, log) = run(&folder.0.join("hanse.toml"));
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in log.lines().map_while(Result::ok) {
                // The test may be over.
                let _ = sender.send(line);
            }
        });
        let mut organisation = Organisation {
            server,
            address: String::new(),
            metrics: None,
            lines,
            log: Vec::new(),
            homeservers,
            folder,
        };
        let serving = organisation.line("serves HTTP on");
        organisation.address = serving.rsplit(' ').next().unwrap().to_owned();
        let metrics = organisation
            .log
            .iter()
            .find(|line| line.contains("metrics are at"));
        organisation.metrics = metrics.map(|line| line.split("http://").last().unwrap().to_owned());
        organisation
    }

    /// Killed, and started again in the same place.
    pub fn crash_and_start(mut self) -> Self {
        self.server.kill().unwrap();
        self.server.wait().unwrap();
        let folder = Folder(std::mem::take(&mut self.folder.0));
        let homeservers = Homeservers {
            ours: self.homeservers.ours.clone(),
            theirs: self.homeservers.theirs.clone(),
        };
        Self::start_in(folder, homeservers)
    }

    /// Told to stop, and waited for.
    pub fn stop(&mut self) {
        self.signal("-TERM");
        assert!(self.server.wait().unwrap().success());
    }

    /// Told to read its configuration again.
    pub fn reload(&self) {
        self.signal("-HUP");
    }

    fn signal(&self, signal: &str) {
        let pid = self.server.id().to_string();
        assert!(
            Command::new("kill")
                .args([signal, &pid])
                .status()
                .unwrap()
                .success()
        );
    }

    /// Waits for a line of the log that has this in it.
    pub fn line(&mut self, part: &str) -> String {
        loop {
            let line = self
                .lines
                .recv_timeout(PATIENCE)
                .unwrap_or_else(|_| panic!("no {part} in {}", self.log.join("\n")));
            self.log.push(line.clone());
            if line.contains(part) {
                return line;
            }
        }
    }

    pub fn socket(&self) -> PathBuf {
        self.folder.0.join("hanse.sock")
    }

    /// As an administrator on the command line.
    pub fn ask(&self, arguments: &[&str]) -> Said {
        let config = self.folder.path("hanse.toml");
        let arguments = [arguments, &["--config", &config]].concat();
        hanse(&arguments).output().unwrap().into()
    }

    /// Where a path is.
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.address)
    }

    /// One HTTP request; the status and the body.
    pub fn post(&self, path: &str, authorization: &str, body: &Value) -> (u16, Value) {
        let (head, body) = self.post_raw(path, authorization, body);
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, serde_json::from_str(&body).unwrap_or(Value::Null))
    }

    /// The same; the head and the body as they came.
    fn post_raw(&self, path: &str, authorization: &str, body: &Value) -> (String, String) {
        let body = body.to_string();
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: hanse\r\nConnection: close\r\nAuthorization: {authorization}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        http(&self.address, &request)
    }

    /// Somebody asks for a token for the call in the kitchen; the status.
    pub fn token(&self, name: &str, homeserver: &str) -> u16 {
        let (head, _) = self.ask_token(name, homeserver);
        head.split(' ').nth(1).unwrap().parse().unwrap()
    }

    /// The same; the head and the body as they came.
    pub fn ask_token(&self, name: &str, homeserver: &str) -> (String, String) {
        let user = format!("@{name}:{homeserver}");
        let body = json!({
            "room_id": KITCHEN, "slot_id": "m.call#ROOM",
            "openid_token": {"access_token": name, "matrix_server_name": homeserver, "expires_in": 3600,
                             "token_type": "Bearer"},
            "member": {"id": "1", "claimed_user_id": user, "claimed_device_id": "DEV"},
        });
        self.post_raw("/get_token", "", &body)
    }

    /// The call as administrators see it.
    pub fn call(&self, id: &str) -> Value {
        self.ask(&["call", id, "--json"]).json()
    }

    /// Our Alice and their Bob are admitted and connected. The call's id.
    pub fn with_alice_and_bob(&self) -> String {
        let (ours, theirs) = (&self.homeservers.ours, &self.homeservers.theirs);
        assert_eq!((self.token("alice", ours), self.token("bob", theirs)), (200, 200));
        // Room and slot as clients write them.
        let id = kitchen_call();
        for user in [format!("@alice:{ours}"), format!("@bob:{theirs}")] {
            let identity = identity(&user);
            self.webhook(&json!({
                "event": "participant_joined", "id": format!("EV_{identity}"), "room": {"name": id},
                "participant": {"identity": identity, "sid": "PA_1"},
            }));
        }
        id
    }

    fn webhook(&self, event: &Value) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let sha256 = BASE64_STANDARD.encode(digest(&SHA256, event.to_string().as_bytes()));
        let claims = json!({"iss": "devkey", "nbf": now, "exp": now + 60, "sha256": sha256});
        let key = EncodingKey::from_secret(SECRET.as_bytes());
        let token = jsonwebtoken::encode(&Header::default(), &claims, &key).unwrap();
        assert_eq!(self.post("/sfu_webhook", &token, event).0, 200);
    }

    /// What Prometheus reads.
    pub fn scrape(&self) -> String {
        let place = self.metrics.as_ref().unwrap();
        let address = place.split('/').next().unwrap();
        let request = "GET /metrics HTTP/1.1\r\nHost: hanse\r\nConnection: close\r\n\r\n";
        let (head, body) = http(address, request);
        assert!(
            head.starts_with("HTTP/1.1 200") && head.contains("text/plain"),
            "{head}"
        );
        body
    }
}

/// What the SFU calls the call in the kitchen.
pub fn kitchen_call() -> String {
    hash(&json!([KITCHEN, "m.call#ROOM"]))
}

/// What the SFU calls a user who has asked with [`Organisation::token`].
pub fn identity(user: &str) -> String {
    hash(&json!([user, "DEV", "1"]))
}

fn hash(parts: &Value) -> String {
    let hash = BASE64_STANDARD.encode(digest(&SHA256, parts.to_string().as_bytes()));
    hash.trim_end_matches('=').to_owned()
}

fn http(address: &str, request: &str) -> (String, String) {
    let mut connection = TcpStream::connect(address).unwrap();
    connection.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.to_owned(), body.to_owned())
}
