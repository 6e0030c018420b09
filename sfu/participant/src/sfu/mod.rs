//! The connection to an SFU, by LiveKit's client protocol in its older form (`/rtc`, two peer connections).

pub mod ice;
pub mod link;
pub mod peer;
mod socket;
pub mod turn;
