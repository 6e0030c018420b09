//! What a room's participants get of each other's videos, and why: for those who operate the server.
//!
//! What the media plane does with a video it says every [`QUALITY_INTERVAL`](crate::limits::QUALITY_INTERVAL), so the view
//! may be that old.

use crate::participant::Participant;
use crate::room::Room;
use crate::subscribe::{Setting, Subscription};
use crate::track::Track;
use hanse_sfu_core::command::Codec;
use hanse_sfu_core::sent_layers::SentLayers;
use livekit_protocol::{TrackSource, VideoQuality};

/// A video that a participant has subscribed to.
#[derive(Clone, Debug, PartialEq)]
pub struct VideoStream {
    /// Whose identity subscribes.
    pub subscriber: String,
    /// Whose video it is.
    pub publisher: String,
    /// `TR_…`
    pub track_sid: String,
    /// Camera, screen, and the like.
    pub source: TrackSource,
    /// What the subscriber's client has asked for.
    pub asked: Asked,
    /// What becomes of it.
    pub state: VideoState,
}

/// What a client has asked for by its latest `track_setting`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// Nothing in particular: it gets the smallest layer if it adapts to what it shows, else the largest.
    Nothing,
    /// Not to be sent it for now.
    Hidden,
    /// A picture of this size, in pixels, and so many frames a second; 0: as many as there are.
    Size {
        /// Width.
        width: u32,
        /// Height.
        height: u32,
        /// Frames a second.
        fps: u32,
    },
    /// A quality, and so many frames a second; 0: as many as there are.
    Quality {
        /// Which.
        quality: VideoQuality,
        /// Frames a second.
        fps: u32,
    },
}

/// What becomes of a subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VideoState {
    /// The subscriber may not receive it: it may subscribe to nothing, or its publisher does not let it.
    NotPermitted,
    /// The subscriber can decode nothing that comes in; the publisher is asked for this codec.
    AwaitsCodec(Codec),
    /// Its place in the subscriber's session description is not agreed yet.
    Negotiating,
    /// Its publisher has muted it.
    Muted,
    /// It has just begun; the media plane has not told of it yet.
    Begun,
    /// As the media plane has it.
    Sent(SentLayers),
}

impl Setting {
    fn asked(self) -> Asked {
        let Setting {
            quality,
            width,
            height,
            fps,
            ..
        } = self;
        match (self.is_disabled, width) {
            (true, _) => Asked::Hidden,
            (false, 0) => Asked::Quality { quality, fps },
            (false, _) => Asked::Size { width, height, fps },
        }
    }
}

impl Subscription {
    fn state(&self, track: &Track, is_sent: bool) -> VideoState {
        match (&self.bound, self.awaits) {
            _ if !self.is_permitted => VideoState::NotPermitted,
            (None, Some(codec)) => VideoState::AwaitsCodec(codec),
            (None, None) => VideoState::Negotiating,
            (Some(_), _) if !is_sent => VideoState::Negotiating,
            (Some(_), _) if track.info.muted => VideoState::Muted,
            (Some(bound), _) => bound.layers.map_or(VideoState::Begun, VideoState::Sent),
        }
    }
}

/// The videos that participants of a room have subscribed to, as far as they were asked for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct VideoStreams {
    /// By subscriber in order of their joins, then in order of the publications.
    pub streams: Vec<VideoStream>,
    /// How many more there are.
    pub left_off: usize,
}

impl Room {
    /// Everybody's, hidden participants' included, or those of some identities; at most `max`.
    pub fn video_streams(&self, of: Option<&[String]>, max: usize) -> VideoStreams {
        let meant = self
            .participants
            .values()
            .filter(|participant| of.is_none_or(|identities| identities.contains(&participant.identity)));
        let mut all = VideoStreams::default();
        for participant in meant {
            for (id, subscription) in &participant.subscriptions {
                let Some(track) = self.tracks.get(id).filter(|track| track.is_video()) else {
                    continue;
                };
                if all.streams.len() < max {
                    all.streams
                        .extend(self.video_stream(participant, track, subscription));
                } else {
                    all.left_off += 1;
                }
            }
        }
        all
    }

    fn video_stream(
        &self,
        subscriber: &Participant,
        track: &Track,
        subscription: &Subscription,
    ) -> Option<VideoStream> {
        let is_sent = track.subscribers.contains(&subscriber.session);
        Some(VideoStream {
            subscriber: subscriber.identity.clone(),
            publisher: self.participants.get(&track.publisher)?.identity.clone(),
            track_sid: track.info.sid.clone(),
            source: track.info.source(),
            asked: subscription.setting.map_or(Asked::Nothing, Setting::asked),
            state: subscription.state(track, is_sent),
        })
    }
}
