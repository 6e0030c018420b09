//! How many files and connections this process may have open.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises the limit to what the system allows at most. The usual 1,024 is for programs of another age (select(2)), and a
/// thousand slow connections would fill it; whoever starts us may still set a lower hard limit.
pub fn raise_limit() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        tracing::warn!(
            "no more files and connections can be open than {:?}: {error}",
            limit.current
        );
    }
}
