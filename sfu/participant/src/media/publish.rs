//! Sends the test picture and the test tone, sealed frame by frame. One task owns the key: it seals both.

use super::clip::Clip;
use crate::sfu::peer::Outgoing;
use bytes::Bytes;
use hanse_callkeys::frame::{FrameKind, Sealer};
use hanse_callkeys::{KeyIndex, MediaKey};
use rtc::media::Sample;
use std::time::Instant;
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};

/// How media leaves.
pub enum Seal {
    /// In a room that is not encrypted.
    Open,
    /// With the newest key that came through here; before the first, nothing leaves.
    With(mpsc::Receiver<(KeyIndex, MediaKey)>),
}

/// Sends until the connection is gone, or whoever gives keys is.
pub async fn publish(mut seal: Seal, sound: Outgoing, picture: Outgoing) {
    let (mut tone, mut pictures) = (Clip::tone(), Clip::picture());
    let (mut sound_due, mut picture_due) = (interval(tone.frame_time()), interval(pictures.frame_time()));
    // Late frames are not made up for: they would arrive in a bunch.
    sound_due.set_missed_tick_behavior(MissedTickBehavior::Skip);
    picture_due.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut sealer = None;
    loop {
        let (kind, frame, outgoing, duration) = tokio::select! {
            key = next_key(&mut seal) => {
                let Some((index, key)) = key else { return };
                sealer = Some(Sealer::new(&key, index));
                continue;
            }
            _ = sound_due.tick() => (FrameKind::Sound, tone.next_frame(), &sound, tone.frame_time()),
            _ = picture_due.tick() => (FrameKind::Vp8, pictures.next_frame(), &picture, pictures.frame_time()),
        };
        let data = match (&seal, &mut sealer) {
            (Seal::Open, _) => Some(frame),
            (Seal::With(_), Some(sealer)) => sealer.seal(kind, &frame).map(Bytes::from),
            (Seal::With(_), None) => None,
        };
        let Some(data) = data else { continue };
        let sample = Sample {
            data,
            duration,
            ..Sample::new(Instant::now())
        };
        if outgoing.send(&sample).await.is_err() {
            return;
        }
    }
}

async fn next_key(seal: &mut Seal) -> Option<(KeyIndex, MediaKey)> {
    match seal {
        Seal::Open => std::future::pending().await,
        Seal::With(keys) => keys.recv().await,
    }
}
