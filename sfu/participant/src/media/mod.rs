//! What is shown and played, and whole frames from packets.

pub mod assemble;
pub mod clip;
pub mod publish;
