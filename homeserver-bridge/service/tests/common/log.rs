//! Everything that is logged while a test runs, at the finest level, to be searched for what must not be in it.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, Once};
use tracing_subscriber::fmt::MakeWriter;

/// Log lines of the current thread from here on.
#[derive(Clone, Default)]
pub struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    /// Starts to listen; ends when the guard is dropped. Tests run on one thread each, with their servers.
    pub fn listen() -> (Self, tracing::subscriber::DefaultGuard) {
        // A thread without any subscriber that comes first to a line in the code says for all threads that nobody wants it.
        static EVERY_THREAD: Once = Once::new();
        EVERY_THREAD
            .call_once(|| tracing::subscriber::set_global_default(tracing_subscriber::registry()).unwrap());
        let log = Log::default();
        let subscriber = tracing_subscriber::fmt()
            // Those that `hanse_runtime::telemetry` keeps quiet whatever the configuration says.
            .with_env_filter("trace,hyper=warn,hyper_util=warn,reqwest=warn")
            .with_ansi(false)
            .with_writer(log.clone())
            .finish();
        (log, tracing::subscriber::set_default(subscriber))
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

impl<'a> MakeWriter<'a> for Log {
    type Writer = Log;

    fn make_writer(&'a self) -> Log {
        self.clone()
    }
}
