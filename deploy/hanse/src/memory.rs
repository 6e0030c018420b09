//! How this process holds its memory.

use rustix::thread::disable_transparent_huge_pages;

/// Has the system give memory in pages of its usual size. The allocator asks for huge ones (2 MiB), and whatever lies in one
/// holds all of it: a server at rest took 22 MB for the 4 MB that it uses.
///
/// Call it first of all: what was given out before stays as it is.
pub fn take_small_pages() {
    // A kernel that has no huge pages, or a sandbox, refuses. That only costs memory, and there is no log yet to say so.
    let _refused = disable_transparent_huge_pages(true);
}
