//! Whose pictures get their larger layers first where a subscriber's link does not carry all: screens, then whoever
//! speaks. The media plane shares each link; here is decided who is who, the same for all subscribers.

use crate::context::Context;
use crate::limits::SPEAKER_PRECEDENCE;
use crate::room::Room;
use crate::signalling::SessionId;
use hanse_sfu_core::command::{MediaCommand, Precedence};
use livekit_protocol::TrackSource;
use std::collections::BTreeMap;
use std::time::Instant;

/// Who speaks, or did a moment ago, and when that was heard last: a breath between two sentences blurs nobody.
pub(crate) type RecentSpeakers = BTreeMap<SessionId, Instant>;

impl Room {
    /// Takes who is loud now. The moment at which somebody counts as a speaker no longer, if nothing is heard until then.
    pub fn note_speakers(
        &mut self,
        cx: &mut Context,
        loud: impl Iterator<Item = SessionId>,
    ) -> Option<Instant> {
        let mut changed = Vec::new();
        for session in loud {
            if self.recent_speakers.insert(session, cx.now).is_none() {
                changed.push(session);
            }
        }
        self.recent_speakers.retain(|session, heard| {
            let speaks = cx.now < *heard + SPEAKER_PRECEDENCE;
            if !speaks {
                changed.push(*session);
            }
            speaks
        });
        for session in changed {
            self.update_precedence(cx, session);
        }
        let earliest = self.recent_speakers.values().min();
        earliest.map(|heard| *heard + SPEAKER_PRECEDENCE)
    }

    /// Tells the media plane how much the pictures of a participant matter, as far as it knows them and has not been told.
    pub fn update_precedence(&mut self, cx: &mut Context, session: SessionId) {
        let Some(participant) = self.participants.get(&session) else {
            return;
        };
        let known = &participant.negotiation.plan.sections;
        let speaks = self.recent_speakers.contains_key(&session);
        let own = self.tracks.values_mut();
        for track in own.filter(|track| track.publisher == session && track.is_video()) {
            let precedence = match track.info.source() {
                TrackSource::ScreenShare => Precedence::Screen,
                _ if speaks => Precedence::Speaker,
                _ => Precedence::Listener,
            };
            for source in &mut track.sources {
                let is_known = known.iter().any(|section| section.track == source.id);
                if is_known && source.precedence != precedence {
                    source.precedence = precedence;
                    cx.media(MediaCommand::SetPrecedence {
                        track: source.id,
                        precedence,
                    });
                }
            }
        }
    }
}
