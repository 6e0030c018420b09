//! `cargo xtask demo`: something to look at, on one machine. [`organisations`] is the demo; [`sfu_only`] shows the SFU without
//! Matrix.

pub mod organisations;
mod service;
pub mod sfu_only;
