//! Who speaks: loudness per track comes from the media plane, and every [`SPEAKERS_INTERVAL`] each participant hears what
//! has changed about itself and about those it receives.

use crate::context::Context;
use crate::limits::SPEAKERS_INTERVAL;
use crate::room::Room;
use crate::signalling::SessionId;
use crate::timers::Timer;
use hanse_sfu_core::ids::TrackId;
use livekit_protocol::signal_response::Message;
use livekit_protocol::{SpeakerInfo, SpeakersChanged, TrackSource};
use std::collections::BTreeMap;

/// Loudness is told in this many steps; finer ones would only make messages.
const LEVEL_STEPS: f32 = 8.0;

/// How loud a tester is who wants to appear to speak (`simulate`), in steps; LiveKit's server says 0.9.
const TESTED_STEPS: u8 = 7;

/// What everybody was told, by speaker, in steps; silent ones are absent.
pub(crate) type ToldSpeakers = BTreeMap<SessionId, u8>;

impl Room {
    /// The media plane has listened to a track.
    pub fn handle_level(&mut self, cx: &mut Context, track: TrackId, level: f32) {
        let Some(track) = self.tracks.get_mut(&track) else {
            return;
        };
        if track.info.source() != TrackSource::Microphone || track.info.muted {
            return;
        }
        track.level = if level.is_finite() {
            level.clamp(0.0, 1.0)
        } else {
            0.0
        };
        cx.timers
            .set_by(Timer::Speakers(self.key), cx.now + SPEAKERS_INTERVAL);
    }

    /// A track that is muted is silent at once.
    pub fn silence(&mut self, cx: &mut Context, track: TrackId) {
        if let Some(track) = self.tracks.get_mut(&track).filter(|track| track.level > 0.0) {
            track.level = 0.0;
            cx.timers
                .set_by(Timer::Speakers(self.key), cx.now + SPEAKERS_INTERVAL);
        }
    }

    /// Tells everybody what has changed for them.
    pub fn send_speakers(&mut self, cx: &mut Context) {
        let mut loud: BTreeMap<SessionId, u8> = BTreeMap::new();
        for track in self.tracks.values() {
            let steps = (track.level * LEVEL_STEPS).ceil() as u8;
            if steps > 0 {
                let loudest = loud.entry(track.publisher).or_default();
                *loudest = steps.max(*loudest);
            }
        }
        for participant in self.participants.values() {
            if let Some(until) = participant.tested.speaks_until.filter(|until| cx.now < *until) {
                loud.insert(participant.session, TESTED_STEPS);
                cx.timers.set_by(Timer::Speakers(self.key), until);
            }
        }
        if let Some(silent) = self.note_speakers(cx, loud.keys().copied()) {
            cx.timers.set_by(Timer::Speakers(self.key), silent);
        }
        let mut changed: BTreeMap<SessionId, SpeakerInfo> = BTreeMap::new();
        for session in loud.keys().chain(self.told_speakers.keys()) {
            let (now, before) = (loud.get(session), self.told_speakers.get(session));
            if let Some(participant) = self.participants.get(session).filter(|_| now != before) {
                changed.insert(*session, speaker(&participant.sid, now.copied().unwrap_or(0)));
            }
        }
        self.told_speakers = loud;
        if changed.is_empty() {
            return;
        }
        let recipients: Vec<SessionId> = self.participants.keys().copied().collect();
        for recipient in recipients {
            let publishers = self.publishers_of(recipient);
            let speakers: Vec<SpeakerInfo> = changed
                .iter()
                .filter(|(session, _)| **session == recipient || publishers.contains(session))
                .map(|(_, speaker)| speaker.clone())
                .collect();
            if !speakers.is_empty() {
                self.send(
                    cx,
                    recipient,
                    Message::SpeakersChanged(SpeakersChanged { speakers }),
                );
            }
        }
    }

    /// How loud everybody is whom a recipient receives, and itself, once more: it may have missed who began to speak, and
    /// who stopped.
    pub fn repeat_speakers(&self, cx: &mut Context, recipient: SessionId) {
        let mut about = self.publishers_of(recipient);
        about.insert(recipient);
        let steps = |session| self.told_speakers.get(session).copied().unwrap_or(0);
        let speakers: Vec<SpeakerInfo> = about
            .iter()
            .filter_map(|session| Some(speaker(&self.participants.get(session)?.sid, steps(session))))
            .collect();
        self.send(
            cx,
            recipient,
            Message::SpeakersChanged(SpeakersChanged { speakers }),
        );
    }

    /// A recipient begins to receive somebody, or does not any more: how loud that one is for it now.
    pub fn send_speaker(
        &mut self,
        cx: &mut Context,
        recipient: SessionId,
        speaker_session: SessionId,
        is_received: bool,
    ) {
        let Some(steps) = self.told_speakers.get(&speaker_session).copied() else {
            return;
        };
        let Some(participant) = self.participants.get(&speaker_session) else {
            return;
        };
        let speakers = vec![speaker(&participant.sid, if is_received { steps } else { 0 })];
        self.send(
            cx,
            recipient,
            Message::SpeakersChanged(SpeakersChanged { speakers }),
        );
    }
}

fn speaker(sid: &str, steps: u8) -> SpeakerInfo {
    SpeakerInfo {
        sid: sid.to_owned(),
        level: f32::from(steps) / LEVEL_STEPS,
        active: steps > 0,
    }
}
