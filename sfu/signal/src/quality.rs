//! Connection quality: what each track is worth ([`crate::score`]), and one grade for each participant, that of the worst
//! track which it sends or receives, on whichever of its transports. It is told every [`QUALITY_INTERVAL`] to the
//! participant and to those who receive it; that somebody is lost or found does not wait.
//!
//! `livekit-client` answers `LOST` about itself with a full reconnect, so it is only said when nothing at all is heard from
//! a publisher whose track should flow, on none of its transports: neither media nor a report nor a check of the path. A
//! track that is muted, that nobody wants or that has not begun yet is never missed. (LiveKit's server looks at the sender
//! reports of the one track, by which a publisher that has no camera for a moment, or a client that reports seldom, is
//! lost.)

use crate::context::Context;
use crate::limits::{LOST_DELAY, QUALITY_INTERVAL};
use crate::participant::Participant;
use crate::room::Room;
use crate::score::{Score, Window, grade, loss_weight, mean_opinion};
use crate::signalling::SessionId;
use crate::subscribe::Bound;
use crate::timers::Timer;
use crate::track::{Source, Track};
use crate::transport::Side;
use hanse_sfu_core::command::{Codec, ReceivedQuality, SentQuality, TransportQuality};
use hanse_sfu_core::ids::{DownTrackId, TrackId};
use livekit_protocol::signal_response::Message;
use livekit_protocol::{ConnectionQuality, ConnectionQualityInfo, ConnectionQualityUpdate, TrackSource};
use std::collections::BTreeMap;

/// Clients up to this protocol version do not know `LOST`.
const PROTOCOL_WITHOUT_LOST: i32 = 10;

/// How a participant was told to be connected, and by what.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Quality {
    told: Option<ConnectionQuality>,
    /// Something came in on this transport in its latest interval; the intervals of two are not the same.
    is_heard_as_publisher: bool,
    is_heard_as_subscriber: bool,
}

impl Quality {
    fn hear(&mut self, side: Side, is_heard: bool) {
        match side {
            Side::Publisher => self.is_heard_as_publisher = is_heard,
            Side::Subscriber => self.is_heard_as_subscriber = is_heard,
        }
    }

    /// Nothing comes in on any of its transports. One that is not there yet is no excuse.
    fn is_silent(self) -> bool {
        !self.is_heard_as_publisher && !self.is_heard_as_subscriber
    }
}

/// How a source comes in.
#[derive(Clone, Debug, Default)]
pub(crate) struct SourceScore {
    pub score: Score,
    /// Layers that were expected at the end of the latest interval; a rise since then has had no time yet.
    expected: u8,
    /// In the latest interval something should have come of it, and neither that nor a report did.
    is_missed: bool,
}

impl SourceScore {
    /// Takes what has come in of a source.
    fn measure(&mut self, should: Expectation, quality: &ReceivedQuality, is_silent: bool) {
        self.is_missed = should.layers.is_some()
            && self.score.is_judged()
            && quality.expected == 0
            && !quality.is_reported;
        let Some(layers) = should.layers else {
            self.expected = 0;
            if is_silent {
                self.score.interrupt();
            } else {
                self.score.rest();
            }
            return;
        };
        let held = std::mem::replace(&mut self.expected, layers).min(layers);
        if quality.expected > 0 {
            let is_video = should.codec.is_video();
            self.score.measure(&Window {
                expected: quality.expected,
                lost: quality.lost,
                loss_weight: loss_weight(should.codec),
                round_trip: None,
                jitter: quality.jitter,
                missing_layers: if is_video {
                    f32::from(held) - quality.layers
                } else {
                    0.0
                },
            });
        } else if is_silent && !quality.is_reported {
            self.score.starve(true);
        } else if should.may_stand_still {
            self.score.idle();
        } else {
            self.score.starve(false);
        }
    }

    /// The other transport of its sender has been silent, too.
    fn lose(&mut self) {
        if self.is_missed {
            self.score.lose();
        }
    }
}

/// What should come in of a source.
#[derive(Clone, Copy)]
struct Expectation {
    codec: Codec,
    /// How many layers; `None`: nothing.
    layers: Option<u8>,
    /// Nothing may have changed on a screen.
    may_stand_still: bool,
}

impl Expectation {
    fn of(track: &Track, source: &Source) -> Self {
        let codec = source.format.codec;
        let layers = if track.info.muted {
            None
        } else if track.is_video() {
            let wanted = track.dynacast.told(codec);
            wanted.map(|wanted| track.layers_up_to(source, wanted))
        } else {
            track.dynacast.is_audio_wanted(codec).then_some(1)
        };
        Expectation {
            codec,
            layers,
            may_stand_still: track.info.source() == TrackSource::ScreenShare,
        }
    }
}

impl Bound {
    /// Takes how a track has gone out.
    fn measure(&mut self, quality: &SentQuality, is_muted: bool) {
        self.layers = quality.layers;
        let missing_layers = quality.missing_layers.unwrap_or(0.0);
        if is_muted || !self.want.enabled {
            self.score.rest();
        } else if quality.expected > 0 {
            self.score.measure(&Window {
                expected: quality.expected,
                lost: quality.lost,
                loss_weight: loss_weight(self.format.codec),
                round_trip: quality.round_trip,
                jitter: None,
                missing_layers,
            });
        } else if quality.sent > 0 || missing_layers > 0.0 {
            self.score.measure_unreported(missing_layers);
        } else {
            self.score.idle();
        }
    }
}

impl Room {
    /// The media plane has measured one of a session's transports.
    pub fn handle_quality(
        &mut self,
        cx: &mut Context,
        session: SessionId,
        side: Side,
        quality: &TransportQuality,
    ) {
        if let Some(round_trip) = quality.round_trip {
            self.report_round_trip(cx, session, side, round_trip);
        }
        let Some(participant) = self.participants.get_mut(&session) else {
            return;
        };
        participant.quality.hear(side, !quality.is_silent);
        let is_silent = participant.quality.is_silent();
        for received in &quality.received {
            self.measure_received(session, received, is_silent);
        }
        if is_silent {
            self.lose_publisher(session);
        }
        self.measure_sent(session, &quality.sent);
        let Some(participant) = self.participants.get(&session) else {
            return;
        };
        // Once an interval, though there may be two transports.
        if side == participant.primary() && participant.is_connected() {
            let score = self.score(participant);
            cx.quality(grade(score), mean_opinion(score));
        }
        self.review_quality(cx, session);
    }

    fn measure_received(&mut self, session: SessionId, quality: &ReceivedQuality, is_silent: bool) {
        let Some(id) = self.track_from(quality.track).map(|track| track.id) else {
            return;
        };
        let Some(track) = self
            .tracks
            .get_mut(&id)
            .filter(|track| track.publisher == session)
        else {
            return;
        };
        let source = track.source(quality.track);
        let Some(should) = source.map(|source| Expectation::of(track, source)) else {
            return;
        };
        let mut sources = track.sources.iter_mut();
        if let Some(source) = sources.find(|source| source.id == quality.track) {
            source.score.measure(should, quality, is_silent);
        }
    }

    /// Nothing is heard of somebody any more, on whichever transport: what was missed of its tracks is lost.
    fn lose_publisher(&mut self, session: SessionId) {
        let own = self
            .tracks
            .values_mut()
            .filter(|track| track.publisher == session);
        own.flat_map(|track| &mut track.sources)
            .for_each(|source| source.score.lose());
    }

    fn measure_sent(&mut self, session: SessionId, sent: &[SentQuality]) {
        let Some(participant) = self.participants.get_mut(&session) else {
            return;
        };
        let sent: BTreeMap<DownTrackId, &SentQuality> =
            sent.iter().map(|quality| (quality.down_track, quality)).collect();
        for (track, subscription) in &mut participant.subscriptions {
            if let Some(bound) = subscription.bound.as_mut()
                && let Some(quality) = sent.get(&bound.down_track)
            {
                let is_muted = self.tracks.get(track).is_none_or(|track| track.info.muted);
                bound.measure(quality, is_muted);
            }
        }
    }

    /// The score of a participant: of its worst track, sent or received.
    fn score(&self, participant: &Participant) -> f32 {
        let own = self.tracks.values();
        let published = own
            .filter(|track| track.publisher == participant.session)
            .flat_map(|track| &track.sources)
            .map(|source| source.score.score.value());
        let subscriptions = participant.subscriptions.values();
        let received = subscriptions
            .filter_map(|subscription| subscription.bound.as_ref())
            .map(|bound| bound.score.value());
        published.chain(received).fold(Score::default().value(), f32::min)
    }

    /// A track is muted or unmuted: nothing of it is missed until an interval has passed.
    pub fn interrupt_scores(&mut self, cx: &mut Context, id: TrackId) {
        let Some(track) = self.tracks.get_mut(&id) else {
            return;
        };
        track
            .sources
            .iter_mut()
            .for_each(|source| source.score.score.interrupt());
        let (publisher, subscribers) = (track.publisher, track.subscribers.clone());
        for session in &subscribers {
            self.interrupt_received(*session, id);
        }
        for session in subscribers.into_iter().chain([publisher]) {
            self.review_quality(cx, session);
        }
    }

    /// A subscriber does not want a track any more, or wants it again.
    pub fn interrupt_received(&mut self, session: SessionId, id: TrackId) {
        let participant = self.participants.get_mut(&session);
        let subscription = participant.and_then(|participant| participant.subscriptions.get_mut(&id));
        if let Some(bound) = subscription.and_then(|subscription| subscription.bound.as_mut()) {
            bound.score.interrupt();
        }
    }

    /// A subscriber's downlink is too small for a track, or carries it again.
    pub fn pause_received(&mut self, cx: &mut Context, session: SessionId, source: TrackId, is_paused: bool) {
        let Some(id) = self.track_from(source).map(|track| track.id) else {
            return;
        };
        let participant = self.participants.get_mut(&session);
        let subscription = participant.and_then(|participant| participant.subscriptions.get_mut(&id));
        if let Some(bound) = subscription.and_then(|subscription| subscription.bound.as_mut())
            && bound.source == source
        {
            bound.score.pause(is_paused);
            self.review_quality(cx, session);
        }
    }

    /// Tells a participant's grade soon if it has changed.
    fn review_quality(&self, cx: &mut Context, session: SessionId) {
        let Some(participant) = self.participants.get(&session) else {
            return;
        };
        let (told, grade) = (participant.quality.told, grade(self.score(participant)));
        if told == Some(grade) {
            return;
        }
        let is_urgent = [told, Some(grade)].contains(&Some(ConnectionQuality::Lost));
        let delay = if is_urgent { LOST_DELAY } else { QUALITY_INTERVAL };
        cx.timers.set_by(Timer::Quality(self.key), cx.now + delay);
    }

    /// Somebody's media is up: its own grade, at once.
    pub fn send_own_quality(&mut self, cx: &mut Context, session: SessionId) {
        let Some(participant) = self.participants.get(&session) else {
            return;
        };
        let score = self.score(participant);
        let updates = vec![quality_info(participant, score, participant.protocol)];
        if let Some(participant) = self.participants.get_mut(&session) {
            participant.quality.told = Some(grade(score));
        }
        self.send(
            cx,
            session,
            Message::ConnectionQuality(ConnectionQualityUpdate { updates }),
        );
        for other in self.subscribers_of(session) {
            self.owe_quality(cx, other);
        }
    }

    /// A recipient has begun to receive somebody whose grade it does not know.
    pub fn owe_quality(&mut self, cx: &mut Context, session: SessionId) {
        if let Some(participant) = self.participants.get_mut(&session) {
            participant.owes_quality = true;
            cx.timers
                .set_if_unset(Timer::Quality(self.key), cx.now + QUALITY_INTERVAL);
        }
    }

    /// Tells everybody what has changed for them.
    pub fn send_qualities(&mut self, cx: &mut Context) {
        let connected = self
            .participants
            .values()
            .filter(|participant| participant.is_connected());
        let scores: BTreeMap<SessionId, f32> = connected
            .map(|participant| (participant.session, self.score(participant)))
            .collect();
        let mut changed = Vec::new();
        for (session, score) in &scores {
            let grade = grade(*score);
            if let Some(participant) = self.participants.get_mut(session)
                && participant.quality.told.replace(grade) != Some(grade)
            {
                changed.push(*session);
            }
        }
        let recipients: Vec<SessionId> = self.participants.keys().copied().collect();
        for recipient in recipients {
            let mut about = self.publishers_of(recipient);
            about.insert(recipient);
            let Some(participant) = self.participants.get_mut(&recipient) else {
                continue;
            };
            let owes = std::mem::take(&mut participant.owes_quality);
            if !owes && !changed.iter().any(|session| about.contains(session)) {
                continue;
            }
            let protocol = participant.protocol;
            let updates: Vec<ConnectionQualityInfo> = about
                .iter()
                .filter_map(|session| self.participants.get(session).zip(scores.get(session)))
                .map(|(participant, score)| quality_info(participant, *score, protocol))
                .collect();
            if !updates.is_empty() {
                self.send(
                    cx,
                    recipient,
                    Message::ConnectionQuality(ConnectionQualityUpdate { updates }),
                );
            }
        }
    }
}

/// A participant's quality as a client of this protocol version can read it.
fn quality_info(about: &Participant, score: f32, protocol: i32) -> ConnectionQualityInfo {
    let quality = match grade(score) {
        ConnectionQuality::Lost if protocol <= PROTOCOL_WITHOUT_LOST => ConnectionQuality::Poor,
        quality => quality,
    };
    ConnectionQualityInfo {
        participant_sid: about.sid.clone(),
        quality: quality.into(),
        score: mean_opinion(score),
    }
}
