//! Batched system calls on UDP sockets, and waking a sleeping shard: the only place with `unsafe`.
//!
//! Each `unsafe` block stands alone and says why it is sound. All of them follow one pattern: the kernel is handed
//! pointers into arrays that live in the same struct, are as long as the count that goes with them, and are not moved
//! or freed before the call returns.
#![expect(
    unsafe_code,
    reason = "recvmmsg, sendmmsg with control messages, epoll and getifaddrs have no safe form here"
)]

mod control;
mod interfaces;
mod receive;
mod send;
mod socket;
mod wait;

pub use interfaces::{LocalAddress, local_addresses};
pub use receive::{RECEIVE_BATCH, SLOT_SIZE, Slab};
pub use send::{SendCounters, Sender};
pub use socket::{BUFFER_WANTED, BUFFER_WARN, MediaSocket};
#[cfg(test)]
mod tests;

pub use wait::{Ready, Waiter, Waker};
