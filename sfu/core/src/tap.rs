//! Windows for tests only (feature `debug-tap`).
//!
//! [`Tapped`]: the RTP payloads that are forwarded, as they are before SRTP. What it shows must be sealed by the sender's device;
//! a test proves that it is.
//!
//! [`Record`]: what goes into a connection's estimator, from which it is replayed (`tests/traces.rs`). Lines of text; each
//! begins with a letter and the µs since the line before:
//!
//! | Line | What it says |
//! |---|---|
//! | `m350 1150 1150` | media with the next numbers of the transport went out, so many bytes each |
//! | `p0/3 290 290` | the same of padding; `/3`: as a part of probe 3, which media can be as well |
//! | `u0 60` | media without a number |
//! | `c0 3 1500` | probe 3 begins, which takes so many bytes |
//! | `w0 1700000` | what would be sent if the link carried anything is another rate, in bit/s |
//! | `r0` | the peer is reached by another way |
//! | `f20 1a2b…` | feedback, behind the SSRCs, in hexadecimal |
//! | `!0` | the record was not read in time and ends here |

use crate::command::Codec;
use crate::down_track::DownTrack;
use crate::ids::{DownTrackId, TrackId};
use crate::ring::PacketFacts;
use std::collections::VecDeque;
use std::fmt::Write;

/// Packets that wait to be read; further ones are not kept.
const TAPPED_MAX: usize = 1024;

/// Bytes of a [`Record`] that wait to be read; then it ends.
const RECORD_MAX: usize = 1 << 16;

/// Of a feedback, what says whose streams it is about.
const SSRCS: usize = 8;

/// What went into an estimator.
#[derive(Debug, Default)]
pub(crate) struct Record {
    text: String,
    now_us: i64,
    /// Kind and probe of the line that goes on.
    open: Option<(char, u8)>,
    wanted_bps: u64,
    has_ended: bool,
    /// The next packet is one of media.
    pub(crate) is_media: bool,
}

impl Record {
    /// What has not been read yet; it begins behind what was read before, which may be within a line.
    pub(crate) fn take(&mut self) -> String {
        std::mem::take(&mut self.text)
    }

    fn line(&mut self, now_us: i64, kind: char) {
        self.open = None;
        let kind = if self.text.len() > RECORD_MAX { '!' } else { kind };
        if !self.has_ended {
            let pause_us = now_us.saturating_sub(self.now_us).max(0);
            self.now_us += pause_us;
            write!(self.text, "\n{kind}{pause_us}").ok();
        }
        self.has_ended |= kind == '!';
    }

    fn value(&mut self, value: impl std::fmt::Display) {
        if !self.has_ended {
            write!(self.text, " {value}").ok();
        }
    }

    fn packet(&mut self, now_us: i64, kind: char, cluster: u8, bytes: usize) {
        if now_us > self.now_us || self.open != Some((kind, cluster)) {
            self.line(now_us, kind);
            if cluster != 0 && !self.has_ended {
                write!(self.text, "/{cluster}").ok();
            }
            self.open = Some((kind, cluster));
        }
        self.value(bytes);
    }

    pub(crate) fn numbered(&mut self, now_us: i64, cluster: u8, bytes: usize) {
        let kind = if std::mem::take(&mut self.is_media) {
            'm'
        } else {
            'p'
        };
        self.packet(now_us, kind, cluster, bytes);
    }

    pub(crate) fn unnumbered(&mut self, bytes: usize) {
        self.packet(self.now_us, 'u', 0, bytes);
    }

    pub(crate) fn probe(&mut self, now_us: i64, cluster: u8, bytes: u64) {
        self.line(now_us, 'c');
        self.value(cluster);
        self.value(bytes);
    }

    pub(crate) fn wanted(&mut self, bps: u64) {
        if std::mem::replace(&mut self.wanted_bps, bps) != bps {
            self.line(self.now_us, 'w');
            self.value(bps);
        }
    }

    pub(crate) fn route(&mut self, now_us: i64) {
        self.line(now_us, 'r');
    }

    pub(crate) fn feedback(&mut self, now_us: i64, body: &[u8]) {
        self.line(now_us, 'f');
        if self.has_ended {
            return;
        }
        let bytes = body.iter().skip(SSRCS);
        self.value(bytes.fold(String::new(), |mut hex, byte| {
            write!(hex, "{byte:02x}").ok();
            hex
        }));
    }
}

/// A packet as one subscriber gets it.
#[derive(Clone, Debug)]
pub struct Tapped {
    /// Of which track.
    pub track: TrackId,
    /// To whom.
    pub down_track: DownTrackId,
    /// Its codec.
    pub codec: Codec,
    /// Low 16 bits of the publisher's number.
    pub sequence: u16,
    /// The publisher's time.
    pub timestamp: u32,
    /// Ends a frame.
    pub marker: bool,
    /// The whole RTP payload.
    pub payload: Vec<u8>,
}

pub(crate) fn tap(
    tapped: &mut VecDeque<Tapped>,
    track: TrackId,
    codec: Codec,
    down_track: &DownTrack,
    facts: &PacketFacts,
    payload: &[u8],
) {
    if tapped.len() < TAPPED_MAX {
        tapped.push_back(Tapped {
            track,
            down_track: down_track.id,
            codec,
            sequence: facts.sequence as u16,
            timestamp: facts.timestamp as u32,
            marker: facts.marker,
            payload: payload.to_vec(),
        });
    }
}
