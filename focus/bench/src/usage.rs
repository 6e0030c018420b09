//! What a process or a thread has used, as the kernel counts it.

use anyhow::Context;
use rustix::time::{ClockId, clock_gettime};
use std::time::Duration;

/// Processor time of this thread, in the kernel's code included.
pub fn thread_cpu() -> Duration {
    read(ClockId::ThreadCPUTime)
}

/// Processor time of all threads of this process.
pub fn process_cpu() -> Duration {
    read(ClockId::ProcessCPUTime)
}

fn read(clock: ClockId) -> Duration {
    let time = clock_gettime(clock);
    Duration::new(
        time.tv_sec.unsigned_abs(),
        u32::try_from(time.tv_nsec).unwrap_or_default(),
    )
}

/// Bytes of this process that are in memory, the used parts of its executable included.
pub fn resident_bytes() -> anyhow::Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status").context("no /proc")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib: u64 = line
        .and_then(|line| line.trim().strip_suffix(" kB"))
        .context("/proc/self/status has no VmRSS")?
        .trim()
        .parse()?;
    Ok(kib * 1024)
}
