//! TURN servers that are reached by TCP or TLS (RFC 8656, section 3.1). The `webrtc` crate reaches them by UDP only, so this stands in
//! between: a UDP socket on loopback that the crate takes for the server, and one stream to the real one for each of the crate's sockets.
//!
//! On a stream, messages are told apart by what they say of their own length; messages with data are padded to four bytes there, which
//! they need not be in a datagram (RFC 8656, section 12.4 and 12.5).

use anyhow::{Context, Result, bail};
use bytes::{Buf, Bytes, BytesMut};
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

/// How long a server may take to let itself be connected to.
const PATIENCE: Duration = Duration::from_secs(10);

/// Messages that wait for a stream. Further ones are dropped, as a network would.
const WAITING_MAX: usize = 256;

/// Sockets of the crate that are served: one for each address of this machine.
const STREAMS_MAX: usize = 32;

/// Bytes of a datagram.
const DATAGRAM_BYTES: usize = 65_536;

/// How a TURN server is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// By UDP.
    Udp,
    /// By TCP.
    Tcp,
    /// By TLS over TCP.
    Tls,
}

impl Reach {
    /// As in a report.
    pub fn name(self) -> &'static str {
        match self {
            Reach::Udp => "udp",
            Reach::Tcp => "tcp",
            Reach::Tls => "tls",
        }
    }
}

/// A TURN server (RFC 7065).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    host: String,
    port: u16,
    /// How it is reached.
    pub reach: Reach,
}

impl Server {
    /// Reads a URI. `None`: it is none of a TURN server, or of one by DTLS, which nobody offers.
    pub fn read(uri: &str) -> Option<Server> {
        let (scheme, rest) = uri.split_once(':')?;
        let (address, query) = rest.split_once('?').unwrap_or((rest, ""));
        let is_tls = match scheme {
            "turn" => false,
            "turns" => true,
            _ => return None,
        };
        let reach = match (is_tls, query) {
            (false, "" | "transport=udp") => Reach::Udp,
            (false, "transport=tcp") => Reach::Tcp,
            (true, "" | "transport=tcp") => Reach::Tls,
            _ => return None,
        };
        let default = if is_tls { 5349 } else { 3478 };
        let (host, port) = match address.strip_prefix('[') {
            Some(rest) => {
                let (host, rest) = rest.split_once(']')?;
                (host, rest.strip_prefix(':'))
            }
            None => match address.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (address, None),
            },
        };
        let port = match port {
            Some(port) => port.parse().ok()?,
            None => default,
        };
        (!host.is_empty()).then(|| Server {
            host: host.to_owned(),
            port,
            reach,
        })
    }

    /// The URI of the same server by UDP.
    pub fn by_udp(&self) -> String {
        let Server { host, port, .. } = self;
        if host.contains(':') {
            format!("turn:[{host}]:{port}?transport=udp")
        } else {
            format!("turn:{host}:{port}?transport=udp")
        }
    }
}

/// Carries what comes to a new socket on loopback to the server, and back, until the task is ended.
///
/// # Errors
/// When no socket can be opened.
pub async fn carry(server: Server, tls: Arc<ClientConfig>) -> Result<(SocketAddr, JoinHandle<()>)> {
    let socket = Arc::new(UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await?);
    let address = socket.local_addr()?;
    Ok((address, tokio::spawn(run(socket, server, tls))))
}

async fn run(socket: Arc<UdpSocket>, server: Server, tls: Arc<ClientConfig>) {
    let mut streams: HashMap<SocketAddr, mpsc::Sender<Bytes>> = HashMap::new();
    let mut tasks = JoinSet::new();
    let mut datagram = vec![0; DATAGRAM_BYTES];
    loop {
        let Ok((len, from)) = socket.recv_from(&mut datagram).await else {
            return;
        };
        streams.retain(|_, to| !to.is_closed());
        if !streams.contains_key(&from) {
            if streams.len() >= STREAMS_MAX {
                continue;
            }
            let (to, messages) = mpsc::channel(WAITING_MAX);
            let (socket, server, tls) = (Arc::clone(&socket), server.clone(), Arc::clone(&tls));
            // A stream that ends takes with it what waits for it; the crate tries again or gives the server up.
            tasks.spawn(async move { stream(&server, tls, messages, &socket, from).await });
            streams.insert(from, to);
        }
        let message = datagram.get(..len).map(padded);
        if let (Some(to), Some(message)) = (streams.get(&from), message) {
            let _ = to.try_send(message);
        }
        while tasks.try_join_next().is_some() {}
    }
}

async fn stream(
    server: &Server,
    tls: Arc<ClientConfig>,
    messages: mpsc::Receiver<Bytes>,
    socket: &UdpSocket,
    peer: SocketAddr,
) -> Result<()> {
    let connect = TcpStream::connect((server.host.as_str(), server.port));
    let tcp = timeout(PATIENCE, connect)
        .await
        .context("the TURN server does not answer")??;
    tcp.set_nodelay(true)?;
    if server.reach == Reach::Tls {
        let name = ServerName::try_from(server.host.clone())?;
        let tls = timeout(PATIENCE, TlsConnector::from(tls).connect(name, tcp))
            .await
            .context("the TURN server does not answer by TLS")??;
        return pass(tls, messages, socket, peer).await;
    }
    pass(tcp, messages, socket, peer).await
}

async fn pass(
    stream: impl AsyncRead + AsyncWrite,
    mut messages: mpsc::Receiver<Bytes>,
    socket: &UdpSocket,
    peer: SocketAddr,
) -> Result<()> {
    let (mut from, mut to) = tokio::io::split(stream);
    let out = async {
        while let Some(message) = messages.recv().await {
            to.write_all(&message).await?;
        }
        anyhow::Ok(())
    };
    let back = async {
        let mut bytes = BytesMut::new();
        while from.read_buf(&mut bytes).await? > 0 {
            while let Some(message) = next_message(&mut bytes)? {
                socket.send_to(&message, peer).await?;
            }
        }
        anyhow::Ok(())
    };
    tokio::select! {
        done = out => done,
        done = back => done,
    }
}

/// A message as it is on a stream.
fn padded(message: &[u8]) -> Bytes {
    let mut bytes = BytesMut::from(message);
    bytes.resize(message.len().next_multiple_of(4), 0);
    bytes.freeze()
}

/// Takes the next whole message off the front of what a stream has brought. `None`: it is not whole yet.
///
/// # Errors
/// When what comes is neither STUN nor data of a channel.
fn next_message(bytes: &mut BytesMut) -> Result<Option<Bytes>> {
    let [first, _, high, low, ..] = **bytes else {
        return Ok(None);
    };
    let length = usize::from(u16::from_be_bytes([high, low]));
    let (len, on_stream) = match first >> 6 {
        0b00 => (20 + length, 20 + length),
        0b01 => (4 + length, (4 + length).next_multiple_of(4)),
        _ => bail!("the TURN server sends what is neither STUN nor data of a channel"),
    };
    if bytes.len() < on_stream {
        return Ok(None);
    }
    let message = bytes.split_to(len).freeze();
    bytes.advance(on_stream - len);
    Ok(Some(message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_read_as_browsers_read_them() {
        let read = |uri: &str| Server::read(uri).map(|server| (server.host, server.port, server.reach));
        let host = || "turn.example".to_owned();
        assert_eq!(read("turn:turn.example"), Some((host(), 3478, Reach::Udp)));
        assert_eq!(
            read("turn:turn.example:80?transport=tcp"),
            Some((host(), 80, Reach::Tcp))
        );
        assert_eq!(
            read("turns:turn.example:443?transport=tcp"),
            Some((host(), 443, Reach::Tls))
        );
        assert_eq!(read("turns:turn.example"), Some((host(), 5349, Reach::Tls)));
        assert_eq!(
            read("turn:[2001:db8::1]:9?transport=udp"),
            Some(("2001:db8::1".to_owned(), 9, Reach::Udp))
        );
        for none in [
            "stun:turn.example",
            "turns:turn.example?transport=udp",
            "turn:",
            "turn:turn.example:port",
            "turn:[::1",
            "",
        ] {
            assert_eq!(read(none), None, "{none}");
        }
        let v6 = Server::read("turn:[2001:db8::1]").unwrap();
        assert_eq!(v6.by_udp(), "turn:[2001:db8::1]:3478?transport=udp");
    }

    #[test]
    fn messages_come_off_a_stream_one_by_one_without_their_padding() {
        let stun = [&[0, 1, 0, 4][..], &[7; 16], &[1, 2, 3, 4]].concat();
        let data = [0x40, 0, 0, 3, 9, 9, 9];
        let stream = [&stun[..], &padded(&data), &stun].concat();
        let mut bytes = BytesMut::new();
        let mut messages = Vec::new();
        for byte in &stream {
            bytes.extend_from_slice(&[*byte]);
            messages.extend(next_message(&mut bytes).unwrap());
        }
        assert_eq!(messages, [&stun[..], &data, &stun]);
        assert!(bytes.is_empty());
        assert!(next_message(&mut BytesMut::from(&b"HTTP/1.1"[..])).is_ok_and(|message| message.is_none()));
        assert!(next_message(&mut BytesMut::from(&[0xff; 8][..])).is_err());
    }

    #[tokio::test]
    async fn what_is_sent_to_loopback_reaches_a_server_by_tcp_and_comes_back() {
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .unwrap();
        let address = listener.local_addr().unwrap();
        let server = Server::read(&format!("turn:{address}?transport=tcp")).unwrap();
        let roots = rustls::RootCertStore::empty();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let (near, carrier) = carry(server, Arc::new(tls)).await.unwrap();
        let client = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let data = [0x40, 0, 0, 3, 9, 9, 9];
        client.send_to(&data, near).await.unwrap();
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut arrived = [0; 8];
        stream.read_exact(&mut arrived).await.unwrap();
        assert_eq!(arrived, [0x40, 0, 0, 3, 9, 9, 9, 0]);
        stream.write_all(&arrived).await.unwrap();
        let mut back = [0; 64];
        let (len, from) = client.recv_from(&mut back).await.unwrap();
        assert_eq!((&back[..len], from), (&data[..], near));
        carrier.abort();
    }
}
