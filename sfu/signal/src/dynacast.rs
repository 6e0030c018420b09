//! Dynacast: a publisher encodes only what somebody watches. Here is when its publisher is told what is wanted of one
//! video track: raising at once, lowering after [`DYNACAST_LOWER_DELAY`], nothing at all as long as nobody has watched
//! for [`DYNACAST_FIRST_DELAY`], and nothing while the track is muted.
//!
//! A new track starts with all its layers, so a first word that wants fewer lowers too, and waits: an adaptive viewer
//! asks for the smallest picture until it has measured its tile, and a publisher whose upper layers are turned off while
//! its bandwidth estimation still probes needs many seconds to believe in its uplink again.

use crate::limits::{DYNACAST_FIRST_DELAY, DYNACAST_LOWER_DELAY};
use hanse_sfu_core::command::Codec;
use livekit_protocol::{
    SubscribedAudioCodec, SubscribedAudioCodecUpdate, SubscribedCodec, SubscribedQuality,
    SubscribedQualityUpdate, VideoQuality,
};
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

    /// What the publisher goes by.
    fn latest(&self) -> Wanted {
        self.told.unwrap_or(Some(VideoQuality::High))
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

/// What the publisher of one track is told, codec by codec.
#[derive(Clone, Debug, Default)]
pub(crate) struct TrackDynacast {
    /// Of video; the first one is what the track was published with.
    codecs: Vec<(Codec, Dynacast)>,
    /// Of audio with several codecs: what was told last.
    told_audio: Vec<(Codec, bool)>,
}

impl TrackDynacast {
    /// A codec comes in from now on, or would come in if somebody wanted it: then nothing of it is made yet.
    pub fn add(&mut self, now: Instant, codec: Codec, is_made: bool) {
        if self.codecs.iter().any(|(own, _)| *own == codec) {
            return;
        }
        let mut dynacast = Dynacast::new(now);
        if !is_made {
            dynacast = Dynacast {
                told: Some(None),
                due: None,
            };
        }
        self.codecs.push((codec, dynacast));
    }

    pub fn due(&self) -> Option<Instant> {
        self.codecs
            .iter()
            .filter_map(|(_, dynacast)| dynacast.due())
            .min()
    }

    /// Takes what is wanted of each codec now; the message, if the publisher is to be told.
    pub fn update(
        &mut self,
        now: Instant,
        track_sid: &str,
        muted: bool,
        wanted: impl Fn(Codec) -> Wanted,
    ) -> Option<SubscribedQualityUpdate> {
        let mut is_news = false;
        for (codec, dynacast) in &mut self.codecs {
            is_news |= dynacast.update(now, wanted(*codec), muted).is_some();
        }
        is_news.then(|| self.told_all(track_sid))
    }

    /// What its publisher was told last, once more; nothing if it was told nothing.
    pub fn repeat(&self, track_sid: &str) -> Option<SubscribedQualityUpdate> {
        let is_told = self.codecs.iter().any(|(_, dynacast)| dynacast.told.is_some());
        is_told.then(|| self.told_all(track_sid))
    }

    /// The same of audio.
    pub fn repeat_audio(&self, track_sid: &str) -> Option<SubscribedAudioCodecUpdate> {
        (!self.told_audio.is_empty()).then(|| audio_message(track_sid, &self.told_audio))
    }

    fn told_all(&self, track_sid: &str) -> SubscribedQualityUpdate {
        let told = self
            .codecs
            .iter()
            .map(|(codec, dynacast)| (*codec, dynacast.latest()));
        message(track_sid, told)
    }

    /// What the publisher was told of a codec of video last. A codec of which nothing was said yet is made whole.
    pub fn told(&self, codec: Codec) -> Wanted {
        let own = self.codecs.iter().find(|(own, _)| *own == codec);
        own.map_or(Some(VideoQuality::High), |(_, dynacast)| dynacast.latest())
    }

    /// The same of audio.
    pub fn is_audio_wanted(&self, codec: Codec) -> bool {
        let own = self.told_audio.iter().find(|(own, _)| *own == codec);
        own.is_none_or(|(_, is_wanted)| *is_wanted)
    }

    /// See [`Dynacast::refresh`].
    pub fn refresh(&mut self, now: Instant) {
        for (_, dynacast) in &mut self.codecs {
            dynacast.refresh(now);
        }
    }

    /// Takes which codecs of an audio track are wanted now; the message, if that has changed. Audio is not delayed: there
    /// is no encoder that would have to find its quality again.
    pub fn update_audio(
        &mut self,
        track_sid: &str,
        wanted: Vec<(Codec, bool)>,
    ) -> Option<SubscribedAudioCodecUpdate> {
        if self.told_audio == wanted || self.told_audio.is_empty() && wanted.iter().all(|(_, is)| !is) {
            return None;
        }
        self.told_audio = wanted;
        Some(audio_message(track_sid, &self.told_audio))
    }
}

fn audio_message(track_sid: &str, codecs: &[(Codec, bool)]) -> SubscribedAudioCodecUpdate {
    let codecs = codecs.iter().map(|(codec, enabled)| SubscribedAudioCodec {
        codec: codec.name().to_owned(),
        enabled: *enabled,
    });
    SubscribedAudioCodecUpdate {
        track_sid: track_sid.to_owned(),
        subscribed_audio_codecs: codecs.collect(),
    }
}

/// The message, in its old form (one list, of the first codec) and its new one (a list per codec).
fn message(track_sid: &str, wanted: impl Iterator<Item = (Codec, Wanted)>) -> SubscribedQualityUpdate {
    let qualities = |wanted: Wanted| -> Vec<SubscribedQuality> {
        [VideoQuality::Low, VideoQuality::Medium, VideoQuality::High]
            .into_iter()
            .map(|quality| SubscribedQuality {
                quality: quality.into(),
                enabled: wanted.is_some_and(|wanted| quality <= wanted),
            })
            .collect()
    };
    let codecs: Vec<SubscribedCodec> = wanted
        .map(|(codec, wanted)| SubscribedCodec {
            codec: codec.name().to_owned(),
            qualities: qualities(wanted),
        })
        .collect();
    #[expect(deprecated, reason = "older clients read only `subscribed_qualities`")]
    SubscribedQualityUpdate {
        track_sid: track_sid.to_owned(),
        subscribed_qualities: codecs
            .first()
            .map(|codec| codec.qualities.clone())
            .unwrap_or_default(),
        subscribed_codecs: codecs,
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
        let message = message("TR_x", [(Codec::Vp8, Some(VideoQuality::Medium))].into_iter());
        let enabled: Vec<bool> = message.subscribed_codecs[0]
            .qualities
            .iter()
            .map(|quality| quality.enabled)
            .collect();
        assert_eq!(enabled, [true, true, false]);
    }

    fn enabled(update: &SubscribedQualityUpdate) -> Vec<(&str, usize)> {
        let count =
            |codec: &SubscribedCodec| codec.qualities.iter().filter(|quality| quality.enabled).count();
        let codecs = update.subscribed_codecs.iter();
        codecs.map(|codec| (codec.codec.as_str(), count(codec))).collect()
    }

    #[test]
    fn a_backup_codec_is_raised_at_once_when_somebody_needs_it_and_lowered_when_nobody_does() {
        let start = start();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut dynacast = TrackDynacast::default();
        dynacast.add(start, Codec::Vp9, true);
        dynacast.add(start, Codec::Vp8, false);
        let only = |codec: Codec| move |own: Codec| if own == codec { HIGH } else { None };
        let first = dynacast.update(at(1), "TR_x", false, only(Codec::Vp9)).unwrap();
        assert_eq!(enabled(&first), [("vp9", 3), ("vp8", 0)]);
        let both = dynacast.update(at(2), "TR_x", false, |_| HIGH).unwrap();
        assert_eq!(enabled(&both), [("vp9", 3), ("vp8", 3)]);
        assert_eq!(dynacast.update(at(3), "TR_x", false, only(Codec::Vp9)), None);
        assert_eq!(dynacast.due(), Some(at(8)));
        let lowered = dynacast.update(at(8), "TR_x", false, only(Codec::Vp9)).unwrap();
        assert_eq!(enabled(&lowered), [("vp9", 3), ("vp8", 0)]);
    }

    #[test]
    fn a_backup_that_is_needed_before_the_first_word_leaves_the_first_codec_whole() {
        let start = start();
        let mut dynacast = TrackDynacast::default();
        dynacast.add(start, Codec::Av1, true);
        dynacast.add(start, Codec::Vp8, false);
        let wanted = |codec| if codec == Codec::Vp8 { LOW } else { None };
        let first = dynacast.update(start, "TR_x", false, wanted).unwrap();
        assert_eq!(enabled(&first), [("av1", 3), ("vp8", 1)]);
    }

    #[test]
    fn audio_codecs_are_told_when_they_change_and_not_before_anybody_listens() {
        let mut dynacast = TrackDynacast::default();
        let list = |opus, pcmu| vec![(Codec::Opus, opus), (Codec::Pcmu, pcmu)];
        assert_eq!(dynacast.update_audio("TR_x", list(false, false)), None);
        let told = dynacast.update_audio("TR_x", list(true, false)).unwrap();
        let told: Vec<_> = told
            .subscribed_audio_codecs
            .iter()
            .map(|codec| (codec.codec.as_str(), codec.enabled))
            .collect();
        assert_eq!(told, [("opus", true), ("pcmu", false)]);
        assert_eq!(dynacast.update_audio("TR_x", list(true, false)), None);
        assert!(dynacast.update_audio("TR_x", list(false, false)).is_some());
    }
}
