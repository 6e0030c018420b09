//! How the running process is: what only it can say of itself.

use serde::{Deserialize, Serialize};
use std::path::Path;

/// How the running process is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// Of Hanse.
    pub version: String,
    /// Its clock, in ms since 1970.
    pub unix_ms: u64,
    /// Files and connections that it has open.
    pub files_open: u64,
    /// How many it may have open.
    pub files_max: u64,
    /// Bytes that it can still write where its data is; `None`: the system does not say.
    pub disk_free_bytes: Option<u64>,
}

impl Health {
    /// Looks.
    pub fn now(data_folder: &Path) -> Self {
        let open = std::fs::read_dir("/proc/self/fd")
            .map(Iterator::count)
            .unwrap_or_default();
        let disk = rustix::fs::statvfs(data_folder).ok();
        Health {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            unix_ms: hanse_runtime::clock::unix_ms(),
            files_open: u64::try_from(open).unwrap_or(u64::MAX),
            // No limit is the largest number.
            files_max: rustix::process::getrlimit(rustix::process::Resource::Nofile)
                .current
                .unwrap_or(u64::MAX),
            disk_free_bytes: disk.map(|disk| disk.f_bavail.saturating_mul(disk.f_frsize)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_has_files_open_and_room_for_more() {
        let health = Health::now(Path::new("/"));
        assert!(
            health.files_open >= 3 && health.files_open < health.files_max,
            "{health:?}"
        );
        assert!(health.disk_free_bytes.is_some());
        assert_eq!(Health::now(Path::new("/not/there")).disk_free_bytes, None);
    }
}
