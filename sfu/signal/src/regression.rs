//! Codec regression: a track has a second codec for those who cannot decode its first, and encoding both costs its
//! publisher twice. By its policy (`backup_codec_policy`) everybody gets the second one as soon as it is there, and the
//! first rests; not if the policy is `SIMULCAST`, and with `PREFER_REGRESSION`, which is what clients have that say
//! nothing, only in small rooms. There is no way back, unless the second codec ends.
//!
//! LiveKit's server (`pkg/rtc/mediatrack.go`) changes the codec on the stream that goes out. Here the receiver gets the
//! track anew on another section, as there with clients that cannot take the change.

use crate::context::Context;
use crate::room::Room;
use crate::signalling::SessionId;
use crate::track::{Source, Track};
use hanse_sfu_core::ids::TrackId;
use livekit_protocol::BackupCodecPolicy;

/// From as many people on, `PREFER_REGRESSION` is `SIMULCAST` (LiveKit's server: `codec_regression_threshold`): many would
/// get a worse picture for the sake of one.
const PREFERRED_BELOW: usize = 5;

impl Track {
    /// Whether a source of it is what everybody is to get, in a room of so many.
    fn regresses_to(&self, source: &Source, people: usize) -> bool {
        let is_wanted = match self.info.backup_codec_policy() {
            BackupCodecPolicy::Simulcast => false,
            BackupCodecPolicy::Regression => true,
            BackupCodecPolicy::PreferRegression => people < PREFERRED_BELOW,
        };
        is_wanted && self.regressed.is_none() && self.backup == Some(source.format.codec)
    }
}

impl Room {
    /// The first packet of a source has come: if it is the second codec, whoever gets another one gets this instead.
    pub fn handle_flowing(&mut self, cx: &mut Context, source: TrackId) {
        let people = self.participants.len();
        let Some(track) = self.track_from(source) else {
            return;
        };
        let is_target = |source: &Source| track.regresses_to(source, people);
        if !track.source(source).is_some_and(is_target) {
            return;
        }
        let id = track.id;
        let mut affected: Vec<SessionId> = Vec::new();
        for (session, participant) in &mut self.participants {
            let Some(subscription) = participant.subscriptions.get_mut(&id) else {
                continue;
            };
            let gets_another = subscription
                .bound
                .as_ref()
                .is_some_and(|bound| bound.source != source);
            if gets_another || subscription.awaits.take().is_some() {
                affected.push(*session);
            }
        }
        if let Some(track) = self.tracks.get_mut(&id) {
            track.regressed = Some(source);
        }
        for session in &affected {
            self.unbind(cx, *session, id);
        }
        self.update_dynacast(cx, id);
        for session in affected {
            self.require_sections(cx, session);
        }
    }
}
