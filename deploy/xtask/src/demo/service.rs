//! A program that runs beside us, writes into a log file, and ends when we end.
//!
//! Ending with us: Ctrl-C reaches the whole process group. For every other end of ours, a crash included, the kernel sends
//! the program a SIGTERM (`PR_SET_PDEATHSIG`, set by util-linux' `setpriv`, since setting it ourselves would take
//! `unsafe`). The kernel watches the thread that started the program: start them from the main thread.

use crate::process::on_path;
use anyhow::{Context, Result, bail};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// How often a condition of the outside world is looked at.
pub const LOOK_INTERVAL: Duration = Duration::from_millis(100);

/// A start that takes longer has failed.
const START_MAX: Duration = Duration::from_secs(30);

/// A goodbye that takes longer has failed, and the program is killed.
const STOP_MAX: Duration = Duration::from_secs(10);

/// So many of the last lines of a log are shown when its program fails.
const LOG_LINES_SHOWN: usize = 20;

/// One running program.
pub struct Service {
    name: &'static str,
    child: Child,
    log: PathBuf,
}

impl Service {
    /// Starts a program; what it writes goes to `log`.
    pub fn start(name: &'static str, command: &Command, log: &Path) -> Result<Self> {
        let file = File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
        let errors = file
            .try_clone()
            .with_context(|| format!("cannot write {}", log.display()))?;
        let child = dying_with_us(command)
            // Held open until we end: a program may take its end as the sign to stop.
            .stdin(Stdio::piped())
            .stdout(file)
            .stderr(errors)
            .spawn()
            .with_context(|| format!("cannot start {name}"))?;
        Ok(Service {
            name,
            child,
            log: log.to_path_buf(),
        })
    }

    /// Waits until the condition holds; it is given the log so far. Fails when the program ends before, or takes too long.
    pub fn wait_until(&mut self, condition: impl Fn(&str) -> bool) -> Result<()> {
        let began = Instant::now();
        loop {
            self.still_runs()?;
            if condition(&fs::read_to_string(&self.log).unwrap_or_default()) {
                return Ok(());
            }
            if began.elapsed() > START_MAX {
                bail!(
                    "{} is not ready after {} s; it said:\n{}",
                    self.name,
                    START_MAX.as_secs(),
                    self.last_words()
                );
            }
            thread::sleep(LOOK_INTERVAL);
        }
    }

    /// An error with the program's last words when it has ended.
    pub fn still_runs(&mut self) -> Result<()> {
        let ended = self
            .child
            .try_wait()
            .with_context(|| format!("cannot watch {}", self.name))?;
        match ended {
            None => Ok(()),
            Some(status) => bail!("{} ended ({status}); it said:\n{}", self.name, self.last_words()),
        }
    }

    /// Asks the program to stop and waits for it. One that does not stop, or died before, is an error.
    pub fn stop(mut self) -> Result<()> {
        self.still_runs()?;
        let asked = Command::new("kill")
            .args(["-TERM", &self.child.id().to_string()])
            .status();
        asked.with_context(|| format!("cannot stop {}", self.name))?;
        let began = Instant::now();
        while began.elapsed() < STOP_MAX {
            if self
                .child
                .try_wait()
                .with_context(|| format!("cannot watch {}", self.name))?
                .is_some()
            {
                return Ok(());
            }
            thread::sleep(LOOK_INTERVAL);
        }
        bail!(
            "{} did not stop within {} s of being asked, and was killed",
            self.name,
            STOP_MAX.as_secs()
        )
    }

    fn last_words(&self) -> String {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        let start = lines.len().saturating_sub(LOG_LINES_SHOWN);
        lines
            .into_iter()
            .skip(start)
            .map(|line| format!("  {line}\n"))
            .collect()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // Errors mean that it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The same command, started so that it ends when we end.
pub fn dying_with_us(command: &Command) -> Command {
    let mut wrapped = match on_path("setpriv") {
        Some(setpriv) => {
            let mut wrapped = Command::new(setpriv);
            wrapped
                .args(["--pdeathsig", "TERM", "--"])
                .arg(command.get_program());
            wrapped
        }
        None => Command::new(command.get_program()),
    };
    wrapped.args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => wrapped.env(name, value),
            None => wrapped.env_remove(name),
        };
    }
    if let Some(folder) = command.get_current_dir() {
        wrapped.current_dir(folder);
    }
    wrapped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log_of(test: &str) -> PathBuf {
        std::env::temp_dir().join(format!("xtask-{test}-{}.log", std::process::id()))
    }

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn a_service_is_waited_for_and_stopped() {
        let log = log_of("stopped");
        let mut service = Service::start("the example", &shell("echo ready; exec sleep 60"), &log).unwrap();
        service.wait_until(|log| log.contains("ready")).unwrap();
        service.still_runs().unwrap();
        service.stop().unwrap();
        fs::remove_file(log).unwrap();
    }

    #[test]
    fn a_service_that_ends_is_reported_with_its_last_words() {
        let log = log_of("ended");
        let mut service = Service::start("the example", &shell("echo no port for me; exit 3"), &log).unwrap();
        let error = service.wait_until(|_| false).unwrap_err().to_string();
        assert!(
            error.contains("the example ended") && error.contains("no port for me"),
            "{error}"
        );
        fs::remove_file(log).unwrap();
    }

    #[test]
    fn a_service_ends_with_the_thread_that_started_it() {
        let log = log_of("orphan");
        let path = log.clone();
        let started = thread::spawn(move || {
            let mut service =
                Service::start("the example", &shell("echo ready; exec sleep 60"), &path).unwrap();
            service.wait_until(|log| log.contains("ready")).unwrap();
            service
        });
        let mut orphan = started.join().unwrap();
        let error = orphan.wait_until(|_| false).unwrap_err().to_string();
        assert!(error.contains("signal: 15"), "{error}");
        fs::remove_file(log).unwrap();
    }
}
