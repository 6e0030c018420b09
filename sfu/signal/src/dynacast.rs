//! Dynacast: a publisher encodes only what somebody watches. Here is when its publisher is told what is wanted of one
//! video track: raising at once, lowering after [`DYNACAST_LOWER_DELAY`], nothing at all as long as nobody has watched
//! for [`DYNACAST_FIRST_DELAY`], and nothing while the track is muted.
//!
//! A new track starts with all its layers, so a first word that wants fewer lowers too, and waits: an adaptive viewer
//! asks for the smallest picture until it has measured its tile, and a publisher whose upper layers are turned off while
//! its bandwidth estimation still probes needs many seconds to believe in its uplink again.

use crate::limits::{DYNACAST_FIRST_DELAY, DYNACAST_LOWER_DELAY};
use livekit_protocol::{SubscribedCodec, SubscribedQuality, SubscribedQualityUpdate, VideoQuality};
use std::time::Instant;

/// `None`: nobody wants anything.
pub(crate) type Wanted = Option<VideoQuality>;

#[derive(Clone, Debug)]
pub(crate) struct Dynacast {
    /// What the publisher was told last.
    told: Option<Wanted>,
    /// When the delay that runs ends.
    due: Option<Instant>,
}

impl Dynacast {
    /// For a track that is published now.
    pub fn new(now: Instant) -> Self {
        Dynacast {
            told: None,
            due: Some(now + DYNACAST_FIRST_DELAY),
        }
    }

    /// When to call [`Dynacast::update`] again, if nothing happens before.
    pub fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Takes what is wanted now; says what the publisher is to be told.
    pub fn update(&mut self, now: Instant, wanted: Wanted, muted: bool) -> Option<Wanted> {
        if muted {
            self.due = None;
            return None;
        }
        let is_due = self.due.is_some_and(|due| due <= now);
        match self.told {
            Some(told) if told == wanted => {
                self.due = None;
                return None;
            }
            // Nobody has asked for anything yet.
            None if wanted.is_none() && !is_due => {
                self.due.get_or_insert(now + DYNACAST_FIRST_DELAY);
                return None;
            }
            None if wanted < Some(VideoQuality::High) && !is_due => {
                let lower = now + DYNACAST_LOWER_DELAY;
                self.due = Some(self.due.map_or(lower, |due| due.min(lower)));
                return None;
            }
            Some(told) if wanted < told && !is_due => {
                self.due.get_or_insert(now + DYNACAST_LOWER_DELAY);
                return None;
            }
            _ => {}
        }
        self.due = None;
        self.told = Some(wanted);
        Some(wanted)
    }

    /// Forgets what was told, so that the next update says it again: a publisher that unmutes starts its encoders anew.
    pub fn refresh(&mut self, now: Instant) {
        if self.told.take().is_some() {
            self.due = Some(now);
        }
    }
}

/// The message, in its old form (one list) and its new one (a list per codec).
pub(crate) fn message(track_sid: &str, codec: &str, wanted: Wanted) -> SubscribedQualityUpdate {
    let qualities: Vec<SubscribedQuality> = [VideoQuality::Low, VideoQuality::Medium, VideoQuality::High]
        .into_iter()
        .map(|quality| SubscribedQuality {
            quality: quality.into(),
            enabled: wanted.is_some_and(|wanted| quality <= wanted),
        })
        .collect();
    #[expect(deprecated, reason = "older clients read only `subscribed_qualities`")]
    SubscribedQualityUpdate {
        track_sid: track_sid.to_owned(),
        subscribed_qualities: qualities.clone(),
        subscribed_codecs: vec![SubscribedCodec {
            codec: codec.to_owned(),
            qualities,
        }],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[expect(clippy::disallowed_methods, reason = "virtual time starts at some moment")]
    fn start() -> Instant {
        Instant::now()
    }

    const LOW: Wanted = Some(VideoQuality::Low);
    const HIGH: Wanted = Some(VideoQuality::High);

    #[test]
    fn the_first_word_comes_with_the_first_subscriber_and_not_before() {
        let start = start();
        let mut dynacast = Dynacast::new(start);
        assert_eq!(dynacast.update(start, None, false), None);
        assert_eq!(
            dynacast.update(start + Duration::from_secs(1), HIGH, false),
            Some(HIGH)
        );
    }

    #[test]
    fn a_first_word_that_lowers_waits_like_every_other() {
        let start = start();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut dynacast = Dynacast::new(start);
        assert_eq!(dynacast.update(at(1), LOW, false), None);
        assert_eq!(
            dynacast.update(at(2), LOW, false),
            None,
            "asking again does not prolong it"
        );
        assert_eq!(dynacast.due(), Some(at(6)));
        assert_eq!(dynacast.update(at(6), LOW, false), Some(LOW));
        let mut dynacast = Dynacast::new(start);
        assert_eq!(dynacast.update(at(1), LOW, false), None);
        assert_eq!(
            dynacast.update(at(2), HIGH, false),
            Some(HIGH),
            "the tile was measured in time"
        );
    }

    #[test]
    fn a_track_that_nobody_watches_is_turned_off_after_ten_seconds() {
        let start = start();
        let mut dynacast = Dynacast::new(start);
        assert_eq!(
            dynacast.update(start + Duration::from_millis(9_999), None, false),
            None
        );
        assert_eq!(dynacast.due(), Some(start + Duration::from_secs(10)));
        assert_eq!(
            dynacast.update(start + Duration::from_secs(10), None, false),
            Some(None)
        );
    }

    #[test]
    fn raising_is_immediate_and_lowering_waits_five_seconds() {
        let start = start();
        let mut dynacast = Dynacast::new(start);
        assert_eq!(dynacast.update(start, HIGH, false), Some(HIGH));
        let later = start + Duration::from_secs(1);
        assert_eq!(dynacast.update(later, LOW, false), None);
        assert_eq!(dynacast.due(), Some(later + Duration::from_secs(5)));
        assert_eq!(dynacast.update(later + Duration::from_secs(4), LOW, false), None);
        assert_eq!(
            dynacast.update(later + Duration::from_secs(5), LOW, false),
            Some(LOW)
        );
        let again = later + Duration::from_secs(6);
        assert_eq!(dynacast.update(again, HIGH, false), Some(HIGH));
    }

    #[test]
    fn wanting_it_again_in_time_says_nothing() {
        let start = start();
        let mut dynacast = Dynacast::new(start);
        dynacast.update(start, HIGH, false);
        dynacast.update(start, LOW, false);
        assert_eq!(dynacast.update(start + Duration::from_secs(2), HIGH, false), None);
        assert_eq!(dynacast.due(), None);
    }

    #[test]
    fn nothing_is_said_while_muted_and_all_of_it_after_unmuting() {
        let start = start();
        let mut dynacast = Dynacast::new(start);
        dynacast.update(start, HIGH, false);
        assert_eq!(dynacast.update(start, LOW, true), None);
        assert_eq!(dynacast.due(), None);
        dynacast.refresh(start);
        assert_eq!(dynacast.update(start, LOW, false), Some(LOW));
    }

    #[test]
    fn the_message_enables_every_layer_up_to_the_wanted_one() {
        let message = message("TR_x", "vp8", Some(VideoQuality::Medium));
        let enabled: Vec<bool> = message.subscribed_codecs[0]
            .qualities
            .iter()
            .map(|quality| quality.enabled)
            .collect();
        assert_eq!(enabled, [true, true, false]);
    }
}
