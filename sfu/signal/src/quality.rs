//! Connection quality: a score from loss, round trip and jitter, as LiveKit's server weighs them for video
//! (`pkg/sfu/connectionquality/scorer.go`, a simplified E-model), told every [`QUALITY_INTERVAL`] to the participant and to
//! those who receive it. `LOST` is never said: `livekit-client` answers it with a full reconnect.

use crate::context::Context;
use crate::limits::QUALITY_INTERVAL;
use crate::room::Room;
use crate::signalling::SessionId;
use crate::timers::Timer;
use hanse_sfu_core::command::TransportQuality;
use livekit_protocol::signal_response::Message;
use livekit_protocol::{ConnectionQuality, ConnectionQualityInfo, ConnectionQualityUpdate};
use std::time::Duration;

const SCORE_BEST: f32 = 100.0;

/// A worse score counts this much of the way at once.
const FALL_FACTOR: f32 = 0.8;

/// A better one is believed more slowly.
const RISE_FACTOR: f32 = 0.4;

#[derive(Clone, Debug)]
pub(crate) struct Quality {
    score: f32,
    /// What was told last.
    told: Option<ConnectionQuality>,
}

impl Default for Quality {
    fn default() -> Self {
        Quality {
            score: SCORE_BEST,
            told: None,
        }
    }
}

impl Quality {
    /// Takes a measurement: 2 % of loss are no longer excellent, 6 % are poor; 320 ms of delay cost as much as 2 %.
    pub fn measure(&mut self, quality: TransportQuality) {
        let loss = quality
            .loss_up_permille
            .max(quality.loss_down_permille)
            .unwrap_or(0);
        let measured = (SCORE_BEST - delay_effect(quality) - f32::from(loss)).max(0.0);
        let factor = if measured < self.score {
            FALL_FACTOR
        } else {
            RISE_FACTOR
        };
        self.score += factor * (measured - self.score);
    }

    pub fn grade(&self) -> ConnectionQuality {
        if self.score > 80.0 {
            ConnectionQuality::Excellent
        } else if self.score > 40.0 {
            ConnectionQuality::Good
        } else {
            ConnectionQuality::Poor
        }
    }

    /// Mean opinion score, 1 to 4.5 (ITU-T G.107, annex B).
    fn mean_opinion(&self) -> f32 {
        let r = self.score;
        1.0 + 0.035 * r + r * (r - 60.0) * (100.0 - r) * 0.000_007
    }
}

/// Points that delay costs: one way, and what a jitter buffer adds to it. Up to 160 ms nobody minds much.
fn delay_effect(quality: TransportQuality) -> f32 {
    let ms = |time: Option<Duration>| time.unwrap_or_default().as_secs_f32() * 1_000.0;
    let delay = ms(quality.round_trip) / 2.0 + ms(quality.jitter_up) * 2.0;
    if delay > 160.0 {
        (delay - 120.0) / 10.0
    } else {
        delay / 40.0
    }
}

impl Room {
    /// The media plane has measured.
    pub fn handle_quality(&mut self, cx: &mut Context, session: SessionId, quality: TransportQuality) {
        let Some(participant) = self.participants.get_mut(&session) else {
            return;
        };
        participant.quality.measure(quality);
        if participant.quality.told != Some(participant.quality.grade()) {
            cx.timers
                .set_if_unset(Timer::Quality(self.key), cx.now + QUALITY_INTERVAL);
        }
    }

    /// Somebody's media is up: its own grade, at once.
    pub fn send_own_quality(&mut self, cx: &mut Context, session: SessionId) {
        let Some(participant) = self.participants.get_mut(&session) else {
            return;
        };
        participant.quality.told = Some(participant.quality.grade());
        let updates = vec![info(&participant.sid, &participant.quality)];
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
        let mut changed = Vec::new();
        for participant in self
            .participants
            .values_mut()
            .filter(|participant| participant.is_connected())
        {
            let grade = participant.quality.grade();
            if participant.quality.told.replace(grade) != Some(grade) {
                changed.push(participant.session);
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
            let updates: Vec<ConnectionQualityInfo> = about
                .iter()
                .filter_map(|session| self.participants.get(session))
                .filter(|participant| participant.is_connected())
                .map(|participant| info(&participant.sid, &participant.quality))
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

fn info(sid: &str, quality: &Quality) -> ConnectionQualityInfo {
    ConnectionQualityInfo {
        participant_sid: sid.to_owned(),
        quality: quality.grade().into(),
        score: quality.mean_opinion(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loss(up: Option<u16>, down: Option<u16>) -> TransportQuality {
        TransportQuality {
            loss_up_permille: up,
            loss_down_permille: down,
            ..TransportQuality::default()
        }
    }

    fn settled(quality: TransportQuality) -> ConnectionQuality {
        let mut state = Quality::default();
        (0..20).for_each(|_| state.measure(quality));
        state.grade()
    }

    #[test]
    fn the_worse_direction_decides() {
        assert_eq!(settled(loss(Some(0), Some(0))), ConnectionQuality::Excellent);
        assert_eq!(settled(loss(Some(0), Some(30))), ConnectionQuality::Good);
        assert_eq!(settled(loss(Some(70), Some(0))), ConnectionQuality::Poor);
    }

    fn delayed(round_trip_ms: u64, jitter_ms: u64) -> TransportQuality {
        TransportQuality {
            round_trip: Some(Duration::from_millis(round_trip_ms)),
            jitter_up: Some(Duration::from_millis(jitter_ms)),
            ..loss(Some(0), Some(0))
        }
    }

    #[test]
    fn delay_counts_where_people_notice_it() {
        let around_the_world = delayed(300, 5);
        assert_eq!(settled(around_the_world), ConnectionQuality::Excellent);
        assert_eq!(settled(delayed(800, 0)), ConnectionQuality::Good);
        assert_eq!(settled(delayed(100, 150)), ConnectionQuality::Good);
        assert_eq!(settled(delayed(1_000, 200)), ConnectionQuality::Poor);
        assert_eq!(
            settled(delayed(60_000, 60_000)),
            ConnectionQuality::Poor,
            "and never lost"
        );
        assert!(
            (delay_effect(delayed(320, 0)) - 4.0).abs() < 0.01,
            "no step at 160 ms"
        );
        assert!((delay_effect(delayed(320, 1)) - 4.2).abs() < 0.01);
    }

    #[test]
    fn delay_and_loss_add_up() {
        let both = TransportQuality {
            round_trip: Some(Duration::from_millis(500)),
            ..loss(Some(10), None)
        };
        assert_eq!(settled(both), ConnectionQuality::Good);
        assert_eq!(settled(loss(Some(10), None)), ConnectionQuality::Excellent);
        assert_eq!(settled(delayed(500, 0)), ConnectionQuality::Excellent);
    }

    #[test]
    fn silence_is_no_loss_and_total_loss_is_not_called_lost() {
        assert_eq!(settled(loss(None, None)), ConnectionQuality::Excellent);
        assert_eq!(settled(loss(Some(1000), None)), ConnectionQuality::Poor);
    }

    #[test]
    fn a_recovery_is_believed_more_slowly_than_a_fall() {
        let mut quality = Quality::default();
        quality.measure(loss(Some(100), None));
        assert_eq!(quality.grade(), ConnectionQuality::Poor);
        quality.measure(loss(Some(0), None));
        assert_eq!(quality.grade(), ConnectionQuality::Good);
        quality.measure(loss(Some(0), None));
        quality.measure(loss(Some(0), None));
        assert_eq!(quality.grade(), ConnectionQuality::Excellent);
    }

    #[test]
    fn a_perfect_connection_has_the_best_opinion() {
        assert!((Quality::default().mean_opinion() - 4.5).abs() < 0.01);
    }
}
