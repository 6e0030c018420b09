//! How well tracks come in and go out, told every [`crate::QUALITY_INTERVAL`].

use super::Shard;
use crate::command::{MediaEvent, ReceivedQuality, SentQuality, TransportQuality};
use crate::connection::LossCounters;
use crate::sent_layers::Offered;
use std::time::{Duration, Instant};

/// A peer whose path works checks it at least this often: every 5 s, give or take a fifth (RFC 7675, section 5.1), and
/// something for the way.
const CHECK_SPACING_MAX: Duration = Duration::from_millis(6_500);

impl Shard {
    /// Notes which layers a subscriber gets of what it wants.
    pub(super) fn sample_sending(&mut self, key: usize) {
        let Some(connection) = self.connections.get(key) else {
            return;
        };
        for (_, down_track) in &connection.sends {
            if let Some(&(track, place)) = self.down_track_keys.get(down_track)
                && let Some(track) = self.tracks.get_mut(track)
                && track.codec.is_video()
                && let Some(down_track) = track.down_tracks.get_mut(place)
            {
                down_track.sample_layers(&track.reach);
            }
        }
    }

    /// Ends the interval of a connection when it is over.
    pub(super) fn report_quality(&mut self, now: Instant, key: usize) {
        let Some(connection) = self.connections.get_mut(key) else {
            return;
        };
        if now < connection.due.quality {
            return;
        }
        connection.due.quality = now + crate::QUALITY_INTERVAL;
        let LossCounters {
            expected,
            received,
            reported: (sum, count),
            round_trip,
            jitter,
            controls,
        } = std::mem::take(&mut connection.loss);
        let sections = connection.sections.iter();
        let received_tracks: Vec<ReceivedQuality> = sections
            .filter_map(|section| Some(self.tracks.get_mut(section.track)?.take_quality(now)))
            .collect();
        let link = connection.shared_link();
        let sends = connection.sends.iter();
        let sent_tracks: Vec<SentQuality> = sends
            .filter_map(|(_, down_track)| {
                let &(track, place) = self.down_track_keys.get(down_track)?;
                let track = self.tracks.get_mut(track)?;
                let (reach, layers_bps, precedence) = (&track.reach, track.layers_bps(), track.precedence);
                let layers = track.codec.is_video().then_some(Offered {
                    reach,
                    layers_bps,
                    precedence,
                    link,
                });
                Some(track.down_tracks.get_mut(place)?.take_quality(layers))
            })
            .collect();
        let is_checked = connection
            .checked
            .is_some_and(|at| now.saturating_duration_since(at) <= CHECK_SPACING_MAX);
        let up = expected.saturating_sub(received) * 1000;
        let quality = TransportQuality {
            loss_up_permille: up.checked_div(expected).map(|loss| loss as u16),
            loss_down_permille: (u64::from(sum) * 1000)
                .checked_div(u64::from(count) * 256)
                .map(|loss| loss as u16),
            round_trip,
            jitter_up: jitter,
            is_silent: received == 0 && controls == 0 && !is_checked,
            received: received_tracks,
            sent: sent_tracks,
        };
        let quality = MediaEvent::Quality {
            connection: connection.id,
            quality,
        };
        self.event(quality);
    }
}
