//! The server that is measured: a process of its own, looked at from outside as an administrator would.

use crate::load::token::ApiKey;
use anyhow::{Context, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// A start or a goodbye that takes longer has failed.
const PATIENCE: Duration = Duration::from_secs(20);

/// The kernel's unit of processor time in /proc (USER_HZ, the same on all Linux of today).
const TICKS_PER_SECOND: f64 = 100.0;

/// One running server.
pub struct Server {
    child: Child,
    folder: PathBuf,
    lines: mpsc::Receiver<String>,
    metrics: SocketAddr,
    /// Where signalling is.
    pub http: SocketAddr,
    /// What signs tokens for it.
    pub key: ApiKey,
}

/// What it holds right now.
#[derive(Clone, Copy, Debug)]
pub struct Holdings {
    /// Bytes in memory, the used parts of its executable included.
    pub resident_bytes: u64,
    /// File descriptors.
    pub descriptors: u64,
    /// Tasks of its asynchronous runtime.
    pub tasks: u64,
    /// Threads.
    pub threads: u64,
}

impl Server {
    /// Starts an executable of ours on free ports of this machine.
    pub fn start(executable: &Path) -> anyhow::Result<Self> {
        let folder = std::env::temp_dir().join(format!("hanse-bench-{}", std::process::id()));
        fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let (http, metrics) = (free_tcp()?, free_tcp()?);
        let media = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        let config = folder.join("hanse.toml");
        let text = format!(
            "[http]\nbind_addresses = [\"127.0.0.1\"]\nport = {}\n\
             [sfu]\nbind_addresses = [\"127.0.0.1\"]\naddresses = [\"127.0.0.1\"]\nudp_port = {}\ntcp_port = 0\n\
             room_departure_timeout_s = 1\n\
             [metrics]\nbind_address = \"127.0.0.1\"\nport = {}\n",
            http.port(),
            media.port(),
            metrics.port()
        );
        fs::write(&config, text)?;
        let key = ApiKey {
            name: "bench".to_owned(),
            secret: "a secret for benchmarks that is long enough".to_owned(),
        };
        let mut child = Command::new(executable)
            .args(["run", "--config"])
            .arg(&config)
            .env("LIVEKIT_KEYS", format!("{}: {}", key.name, key.secret))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {}", executable.display()))?;
        let (sender, lines) = mpsc::channel();
        let streams: [Option<Box<dyn Read + Send>>; 2] = [
            child.stdout.take().map(|stream| Box::new(stream) as _),
            child.stderr.take().map(|stream| Box::new(stream) as _),
        ];
        for stream in streams.into_iter().flatten() {
            let sender = sender.clone();
            thread::spawn(move || {
                for line in BufReader::new(stream).lines().map_while(Result::ok) {
                    if sender.send(line).is_err() {
                        return;
                    }
                }
            });
        }
        let mut server = Server {
            child,
            folder,
            lines,
            metrics,
            http,
            key,
        };
        let begun = Instant::now();
        while TcpStream::connect(http).is_err() || TcpStream::connect(metrics).is_err() {
            server.check()?;
            ensure!(begun.elapsed() < PATIENCE, "the server is not ready in time");
            thread::sleep(Duration::from_millis(20));
        }
        Ok(server)
    }

    /// Fails when it has ended.
    pub fn check(&mut self) -> anyhow::Result<()> {
        if let Some(status) = self.child.try_wait()? {
            let words: Vec<String> = self.log();
            bail!("the server has ended ({status}):\n{}", words.join("\n"));
        }
        Ok(())
    }

    /// What it has logged since the last call.
    pub fn log(&self) -> Vec<String> {
        self.lines.try_iter().collect()
    }

    fn proc(&self, file: &str) -> PathBuf {
        Path::new("/proc").join(self.child.id().to_string()).join(file)
    }

    /// What it holds right now.
    pub fn holdings(&self) -> anyhow::Result<Holdings> {
        let status = fs::read_to_string(self.proc("status")).context("the server has no status")?;
        let number = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            let number = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
            number.with_context(|| format!("/proc has no {name}"))
        };
        Ok(Holdings {
            resident_bytes: number("VmRSS:")? * 1024,
            threads: number("Threads:")?,
            descriptors: fs::read_dir(self.proc("fd"))?.count() as u64,
            tasks: self.metric("hanse_runtime_tasks")?,
        })
    }

    /// Processor time of all its threads, the kernel's share included.
    pub fn cpu(&self) -> anyhow::Result<Duration> {
        let stat = fs::read_to_string(self.proc("stat"))?;
        // Behind the name, which may contain anything: state is the third field, utime and stime are the 14th and 15th.
        let fields = stat.rsplit_once(')').map(|(_, rest)| rest).unwrap_or_default();
        let ticks: f64 = fields
            .split_whitespace()
            .skip(11)
            .take(2)
            .filter_map(|field| field.parse::<f64>().ok())
            .sum();
        Ok(Duration::from_secs_f64(ticks / TICKS_PER_SECOND))
    }

    /// A gauge of it.
    fn metric(&self, name: &str) -> anyhow::Result<u64> {
        let mut stream = TcpStream::connect(self.metrics)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n")?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.and_then(|value| value.parse().ok())
            .with_context(|| format!("the server has no metric {name}"))
    }

    /// Asks it to stop; it must do so in order.
    pub fn stop(mut self) -> anyhow::Result<()> {
        self.check()?;
        let pid = Pid::from_child(&self.child);
        kill_process(pid, Signal::TERM)?;
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            if let Some(status) = self.child.try_wait()? {
                ensure!(status.success(), "the server ended with {status}");
                return Ok(());
            }
            thread::sleep(Duration::from_millis(20));
        }
        bail!("the server did not stop in time")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Errors mean that it has ended already, or that nothing is there to be removed.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn free_tcp() -> anyhow::Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

/// What log lines say of a name, as in `sfu_ms=12`.
pub fn logged(line: &str, name: &str) -> Option<u64> {
    let (_, rest) = line.split_once(&format!("{name}="))?;
    rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_from_log_lines_by_name() {
        let line = "2026-01-01T00:00:00Z  INFO hanse_sfu::control: the first picture has gone out session=17 sfu_ms=204";
        assert_eq!(logged(line, "session"), Some(17));
        assert_eq!(logged(line, "sfu_ms"), Some(204));
        assert_eq!(logged(line, "other"), None);
    }
}
