//! A client over HTTP/1.1 on a connection that stays, as a reverse proxy has them. It does as little as it can: it shares
//! the machine with what it measures.

use anyhow::{Context, bail, ensure};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

/// Bytes of an answer; those of the focus have some 700.
const ANSWER_BYTES_MAX: usize = 16 * 1024;

/// An answer that takes longer is none.
const PATIENCE: Duration = Duration::from_secs(10);

pub struct Client {
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// A request from this address, as a reverse proxy passes it on.
pub fn post(path: &str, from: Ipv4Addr, body: &str) -> Vec<u8> {
    format!(
        "POST {path} HTTP/1.1\r\nHost: hanse.org-a.example\r\nOrigin: https://element.org-a.example\r\n\
         X-Forwarded-For: {from}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

impl Client {
    pub fn connect(address: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Client {
            stream,
            buffer: vec![0; ANSWER_BYTES_MAX],
        })
    }

    /// Sends a request, and has the whole answer, which must be a grant.
    pub fn ask(&mut self, request: &[u8]) -> anyhow::Result<()> {
        self.stream.write_all(request)?;
        let mut filled = 0;
        let body = loop {
            let free = self.buffer.get_mut(filled..).unwrap_or_default();
            let read = self.stream.read(free).context("no answer")?;
            ensure!(read > 0, "the answer ends early, or is too long");
            filled += read;
            let so_far = self.buffer.get(..filled).unwrap_or_default();
            let text = std::str::from_utf8(so_far).context("an answer that is no text")?;
            let Some((head, body)) = text.split_once("\r\n\r\n") else {
                continue;
            };
            if body.len() == length(head)? {
                if !head.starts_with("HTTP/1.1 200 ") {
                    bail!("refused: {body}");
                }
                break body;
            }
        };
        ensure!(body.contains("\"jwt\":\"ey"), "no grant in the answer: {body}");
        Ok(())
    }
}

fn length(head: &str) -> anyhow::Result<usize> {
    let lines = head.lines().filter_map(|line| line.split_once(':'));
    let mut lengths = lines.filter(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    let (_, length) = lengths.next().context("an answer without a length")?;
    Ok(length.trim().parse()?)
}
