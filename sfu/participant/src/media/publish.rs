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

/// What whoever publishes is given.
pub enum Feed {
    /// A key to seal with from now on.
    Key(KeyIndex, MediaKey),
    /// Where sound and picture go from now on.
    Tracks([Outgoing; 2]),
}

/// Sends for as long as somebody feeds it: nothing before it has tracks, and, if `seals`, nothing before it has a key. Tracks that are gone
/// are waited for anew.
pub async fn publish(seals: bool, mut feed: mpsc::Receiver<Feed>) {
    let (mut tone, mut pictures) = (Clip::tone(), Clip::picture());
    let (mut sound_due, mut picture_due) = (interval(tone.frame_time()), interval(pictures.frame_time()));
    // Late frames are not made up for: they would arrive in a bunch.
    sound_due.set_missed_tick_behavior(MissedTickBehavior::Skip);
    picture_due.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut sealer = None;
    let mut tracks = None;
    loop {
        let (kind, frame, duration) = tokio::select! {
            fed = feed.recv() => {
                match fed {
                    Some(Feed::Key(index, key)) => sealer = Some(Sealer::new(&key, index)),
                    Some(Feed::Tracks(new)) => tracks = Some(new),
                    None => return,
                }
                continue;
            }
            _ = sound_due.tick() => (FrameKind::Sound, tone.next_frame(), tone.frame_time()),
            _ = picture_due.tick() => (FrameKind::Vp8, pictures.next_frame(), pictures.frame_time()),
        };
        let Some([sound, picture]) = &tracks else { continue };
        let data = match &mut sealer {
            _ if !seals => Some(frame),
            Some(sealer) => sealer.seal(kind, &frame).map(Bytes::from),
            None => None,
        };
        let Some(data) = data else { continue };
        let sample = Sample {
            data,
            duration,
            ..Sample::new(Instant::now())
        };
        let outgoing = if kind == FrameKind::Sound { sound } else { picture };
        if outgoing.send(&sample).await.is_err() {
            tracks = None;
        }
    }
}
