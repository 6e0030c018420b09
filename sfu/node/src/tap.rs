//! For tests only (feature `debug-tap`, never in a release): writes forwarded payloads to a file, so that a test can show that
//! nobody but the participants can decode them; and what goes into the estimators of the links to files of a folder, so that
//! tests can replay it ([`Recorder`]).
//!
//! In the former, one JSON object a line: `track`, `down_track`, `codec` (`vp8`, `opus`, …), `sequence`, `timestamp`, `marker`, `payload`
//! (base64 of the RTP payload). Each shard adds the packets of its first [`FRAMES_MAX`] frames of each codec.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hanse_sfu_core::command::Codec;
use hanse_sfu_core::ids::{ConnectionId, DownTrackId, ShardId};
use hanse_sfu_core::shard::Shard;
use std::collections::{HashMap, HashSet};
use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Write};
use std::path::PathBuf;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Names the file.
const VARIABLE: &str = "HANSE_DEBUG_TAP";

/// Names the folder of the [`Recorder`].
const TRACES: &str = "HANSE_DEBUG_TRACES";

/// Frames of one codec that one shard writes.
const FRAMES_MAX: usize = 100;

pub(crate) struct Tap {
    file: BufWriter<File>,
    frames: HashMap<Codec, HashSet<(DownTrackId, u32)>>,
}

impl Tap {
    /// `None`: nobody asked for it, or the file cannot be written.
    pub(crate) fn from_environment() -> Option<Self> {
        let path = std::env::var_os(VARIABLE)?;
        match OpenOptions::new().create(true).append(true).open(&path) {
            Ok(file) => {
                tracing::warn!("this is a test build: forwarded payloads are written to a file");
                Some(Tap {
                    file: BufWriter::new(file),
                    frames: HashMap::new(),
                })
            }
            Err(error) => {
                tracing::error!(%error, "{VARIABLE} names a file that cannot be written");
                None
            }
        }
    }

    /// Writes what the shard has kept. A frame that has begun is written to its end.
    pub(crate) fn drain(&mut self, shard: &mut Shard) {
        let mut wrote = false;
        while let Some(packet) = shard.poll_tapped() {
            let frames = self.frames.entry(packet.codec).or_default();
            let frame = (packet.down_track, packet.timestamp);
            if !frames.contains(&frame) {
                if frames.len() >= FRAMES_MAX {
                    continue;
                }
                frames.insert(frame);
            }
            let line = serde_json::json!({
                "track": packet.track.0,
                "down_track": packet.down_track.0,
                "codec": packet.codec.name(),
                "sequence": packet.sequence,
                "timestamp": packet.timestamp,
                "marker": packet.marker,
                "payload": BASE64_STANDARD.encode(&packet.payload),
            });
            wrote |= writeln!(self.file, "{line}").is_ok();
        }
        if wrote && let Err(error) = self.file.flush() {
            tracing::error!(%error, "the tapped packets could not be written");
        }
    }
}

/// Writes a file for each connection that is sent anything: `epoch` with the ms since 1970 since when its times count, and then
/// what `sfu/core/src/tap.rs` says. The files are numbered as the connections come.
pub(crate) struct Recorder {
    folder: PathBuf,
    shard: ShardId,
    files: HashMap<ConnectionId, File>,
}

impl Recorder {
    /// `None`: nobody asked for it.
    pub(crate) fn from_environment(shard: ShardId) -> Option<Self> {
        let folder = std::env::var_os(TRACES)?.into();
        tracing::warn!("this is a test build: what estimators learn is written to files");
        Some(Recorder {
            folder,
            shard,
            files: HashMap::new(),
        })
    }

    /// Writes what the shard has kept.
    pub(crate) fn drain(&mut self, now: Instant, shard: &mut Shard) {
        while let Some((connection, epoch, text)) = shard.poll_recorded() {
            if let Err(error) = self.write(now, connection, epoch, &text) {
                tracing::error!(%error, "{TRACES} names a folder that cannot be written to");
            }
        }
    }

    fn write(
        &mut self,
        now: Instant,
        connection: ConnectionId,
        epoch: Instant,
        text: &str,
    ) -> std::io::Result<()> {
        if !self.files.contains_key(&connection) {
            let name = format!("{}-{}", self.shard.0, self.files.len());
            let mut file = File::create(self.folder.join(name))?;
            let began = SystemTime::now() - now.saturating_duration_since(epoch);
            let since_1970 = began.duration_since(UNIX_EPOCH).unwrap_or_default();
            write!(file, "epoch {}", since_1970.as_millis())?;
            self.files.insert(connection, file);
        }
        match self.files.get_mut(&connection) {
            Some(file) => file.write_all(text.as_bytes()),
            None => Ok(()),
        }
    }
}
