//! A throw-away PostgreSQL server, started as the tests of the store do.

use anyhow::{Context, ensure};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// Ends, and is gone without a trace, when the pipe to it closes.
pub struct Server {
    socket: String,
    process: Child,
}

impl Server {
    /// Starts one with the programs of this folder.
    ///
    /// # Errors
    ///
    /// When it does not start; it says why on standard error.
    pub fn start(programs: &Path) -> anyhow::Result<Self> {
        // PostgreSQL refuses to run as root; Debian's package brings a user for it.
        let mut shell = if std::fs::metadata("/proc/self")?.uid() == 0 {
            let mut shell = Command::new("runuser");
            shell.args(["-u", "postgres", "--", "sh"]).env_remove("TMPDIR");
            shell
        } else {
            Command::new("sh")
        };
        let mut process = shell
            .args(["-c", include_str!("../../service/tests/store/postgres.sh"), "sh"])
            .arg(programs)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("PostgreSQL cannot be started")?;
        let mut socket = String::new();
        let stdout = process.stdout.take().context("no pipe from PostgreSQL")?;
        BufReader::new(stdout).read_line(&mut socket)?;
        ensure!(!socket.is_empty(), "PostgreSQL did not start; it says why above");
        Ok(Server {
            socket: socket.trim().to_owned(),
            process,
        })
    }

    /// Of a database without tables, as long as nobody has made any.
    pub fn url(&self) -> String {
        format!("postgres://hanse@localhost/postgres?host={}", self.socket)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}
