//! TLS without a reverse proxy, with certificates from files, as far as no browser is needed. Calls with real browsers, and
//! certificates by ACME, are in `federation-tests/installation`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)] // A test may panic.

mod common;

use common::peer::{Peer, check};
use common::{PATIENCE, Sfu, config, join_path, token};
use futures_util::StreamExt;
use hanse_runtime::config::{Document, Section, Table};
use hanse_sfu::{Node, TlsConfig};
use hanse_sfu_signal::CandidateTransport;
use livekit_protocol::{SignalResponse, signal_response};
use prost::Message as _;
use rtc_stun::message::{BINDING_SUCCESS, Message as Stun};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, ProtocolVersion, RootCertStore, SupportedProtocolVersion};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

const NAME: &str = "hanse.test";

static TLS: Table = TlsConfig::TABLE;

/// A node that serves TLS, and media on the same port.
struct Direct {
    sfu: Sfu,
    folder: PathBuf,
    secure: SocketAddr,
    plain: u16,
}

impl Direct {
    async fn start(name: &str) -> Direct {
        let folder = std::env::temp_dir().join(format!("hanse-direct-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        exchange(&folder);
        let free = || TcpListener::bind("127.0.0.1:0").unwrap();
        let (secure, plain) = (free(), free());
        let [secure, plain] = [secure, plain].map(|free| free.local_addr().unwrap().port());
        let text = format!(
            "[tls]\nbind_addresses = [\"127.0.0.1\"]\nport = {secure}\nredirect_port = {plain}\n\
             certificate_file = {:?}\nkey_file = {:?}\n",
            folder.join("certificate.pem"),
            folder.join("key.pem"),
        );
        let document = Document::load(&[&TLS], Some(("test.toml", &text)), &|_| None).unwrap();
        let tls: TlsConfig = document.section().unwrap();
        let (http, sfu) = config(&format!("udp_port = 0\ntcp_port = {secure}"));
        let node = Node::start_beside(&http, &tls, &sfu, async |_| Ok(hanse_sfu::Beside::default()))
            .await
            .unwrap();
        let (http, media) = (node.http_addresses()[0], node.media_addresses()[0].address);
        let secure = node.https_addresses()[0];
        Direct {
            sfu: Sfu { node, http, media },
            folder,
            secure,
            plain,
        }
    }

    /// A connection that believes only the certificate that is in the folder now.
    async fn connect(
        &self,
        versions: &[&'static SupportedProtocolVersion],
        alpn: &[&[u8]],
    ) -> std::io::Result<TlsStream<TcpStream>> {
        let mut roots = RootCertStore::empty();
        roots
            .add(CertificateDer::from_pem_file(self.folder.join("certificate.pem")).unwrap())
            .unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
        let stream = TcpStream::connect(self.secure).await?;
        let name = ServerName::try_from(NAME).unwrap();
        TlsConnector::from(Arc::new(config)).connect(name, stream).await
    }

    async fn stop(self) {
        self.sfu.node.stop().await;
        assert!(TcpStream::connect(self.secure).await.is_err());
        std::fs::remove_dir_all(&self.folder).unwrap();
    }
}

/// Writes a new certificate and its key.
fn exchange(folder: &std::path::Path) {
    let made = rcgen::generate_simple_self_signed(vec![NAME.to_owned()]).unwrap();
    std::fs::write(folder.join("certificate.pem"), made.cert.pem()).unwrap();
    let key = folder.join("key.pem");
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    std::fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
}

/// Everything until the other side closes.
async fn rest(mut stream: impl AsyncReadExt + Unpin) -> Vec<u8> {
    let mut bytes = Vec::new();
    // A connection that is closed with something unread is reset.
    let _ = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut bytes))
        .await
        .expect("an end in time");
    bytes
}

#[tokio::test]
async fn a_client_joins_by_tls_and_both_versions_are_spoken() {
    let direct = Direct::start("joins").await;
    for (version, expected) in [
        (&TLS12, ProtocolVersion::TLSv1_2),
        (&TLS13, ProtocolVersion::TLSv1_3),
    ] {
        let stream = direct.connect(&[version], &[b"h2", b"http/1.1"]).await.unwrap();
        assert_eq!(stream.get_ref().1.protocol_version(), Some(expected));
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
        let url = format!("wss://{NAME}{}", join_path(&token("room", "alice")));
        let (mut socket, _) = tokio_tungstenite::client_async(url, stream).await.unwrap();
        let frame = tokio::time::timeout(PATIENCE, socket.next()).await.unwrap();
        let first = SignalResponse::decode(frame.unwrap().unwrap().into_data()).unwrap();
        assert!(matches!(first.message, Some(signal_response::Message::Join(_))));
    }
    assert!(direct.connect(&[&TLS13], &[b"h2"]).await.is_err());
    direct.stop().await;
}

#[tokio::test]
async fn media_comes_in_on_the_same_port_and_clients_are_told_so() {
    let direct = Direct::start("media").await;
    let tcp: Vec<_> = direct.sfu.node.media_addresses().iter().collect();
    assert_eq!(tcp[1].transport, CandidateTransport::Tcp);
    assert_eq!(tcp[1].address, direct.secure);
    let alice = Peer::join(&direct.sfu, "alice").await;
    let stream = TcpStream::connect(direct.secure).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let (mut reader, mut writer) = stream.into_split();
    let check = check(&alice.username, &alice.password);
    let framed = [&(check.len() as u16).to_be_bytes(), &check[..]].concat();
    let checks = async move {
        // Cut where nothing is decided yet; then repeated, as ICE repeats them.
        writer.write_all(&framed[..3]).await.unwrap();
        tokio::task::yield_now().await;
        writer.write_all(&framed[3..]).await.unwrap();
        loop {
            tokio::time::sleep(Duration::from_millis(200)).await;
            writer.write_all(&framed).await.unwrap();
        }
    };
    let answered = async {
        let mut answer = vec![0; usize::from(reader.read_u16().await.unwrap())];
        reader.read_exact(&mut answer).await.unwrap();
        answer
    };
    let answer = tokio::select! {
        answer = tokio::time::timeout(PATIENCE, answered) => answer.expect("an answer"),
        () = checks => unreachable!("they never end"),
    };
    let mut stun = Stun::new();
    stun.unmarshal_binary(&answer).unwrap();
    assert_eq!(stun.typ, BINDING_SUCCESS);
    direct.stop().await;
}

#[tokio::test]
async fn what_is_neither_tls_nor_media_is_closed_without_a_word_and_so_is_silence() {
    let direct = Direct::start("neither").await;
    let silent = TcpStream::connect(direct.secure).await.unwrap();
    for first in [
        &b"GET / HTTP/1.1\r\nhost: hanse.test\r\n\r\n"[..],
        &[0x80; 40],
        &[0, 40, 1, 1, 0, 0],
    ] {
        let mut stream = TcpStream::connect(direct.secure).await.unwrap();
        stream.write_all(first).await.unwrap();
        assert!(rest(stream).await.is_empty(), "{first:?}");
    }
    assert!(rest(silent).await.is_empty());
    assert!(direct.connect(&[&TLS13], &[]).await.is_ok());
    direct.stop().await;
}

#[tokio::test]
async fn plain_http_is_sent_on_with_method_and_path_and_nothing_else_is_answered() {
    let direct = Direct::start("plain").await;
    let ask = async |head: &str| {
        let mut stream = TcpStream::connect(("127.0.0.1", direct.plain)).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        String::from_utf8(rest(stream).await).unwrap()
    };
    let port = direct.secure.port();
    let answer = ask("POST /rtc/v1?a=b HTTP/1.1\r\nhost: hanse.test\r\nconnection: close\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 308 "), "{answer}");
    let place = format!("location: https://hanse.test:{port}/rtc/v1?a=b\r\n");
    assert!(answer.contains(&place), "{answer}");
    let answer = ask("GET / HTTP/1.0\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.0 400 "), "{answer}");
    direct.stop().await;
}

#[tokio::test]
async fn a_new_certificate_is_in_force_for_the_next_and_changes_nothing_for_those_who_are_there() {
    let direct = Direct::start("exchanged").await;
    let there = direct.connect(&[&TLS13], &[]).await.unwrap();
    exchange(&direct.folder);
    direct.sfu.node.read_certificates_again();
    let shown = async {
        // It believes nothing but the new one.
        while direct.connect(&[&TLS13], &[]).await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, shown)
        .await
        .expect("the new certificate");
    let mut there = there;
    there
        .write_all(b"GET / HTTP/1.1\r\nhost: hanse.test\r\nconnection: close\r\n\r\n")
        .await
        .unwrap();
    let answer = String::from_utf8(rest(there).await).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    direct.stop().await;
}

#[tokio::test]
async fn a_certificate_that_cannot_be_used_is_said_at_start() {
    let text = "[tls]\nport = 0\nredirect_port = 0\ncertificate_file = \"/nowhere/c.pem\"\nkey_file = \"/nowhere/k.pem\"\n";
    let document = Document::load(&[&TLS], Some(("test.toml", text)), &|_| None).unwrap();
    let (http, sfu) = config("udp_port = 0\ntcp_port = 0");
    let tls = document.section().unwrap();
    let node = Node::start_beside(&http, &tls, &sfu, async |_| Ok(hanse_sfu::Beside::default())).await;
    let error = node.err().expect("a refusal").to_string();
    assert!(
        error.starts_with("[tls] /nowhere/c.pem cannot be read"),
        "{error}"
    );
}
