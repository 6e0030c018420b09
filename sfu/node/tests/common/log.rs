//! Everything that our own crates log in this process, at the finest level, to be searched for what must not be in it.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

/// Log lines of all threads.
#[derive(Clone, Default)]
pub struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    /// Starts to listen, for as long as the process lives: one test in a file can.
    pub fn listen() -> Self {
        let log = Log::default();
        let writer = log.clone();
        tracing_subscriber::fmt()
            .with_env_filter(
                "warn,hanse_runtime=trace,hanse_sfu=trace,hanse_sfu_core=trace,hanse_sfu_signal=trace",
            )
            .with_writer(move || writer.clone())
            .with_ansi(false)
            .init();
        log
    }

    /// What was logged.
    pub fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
