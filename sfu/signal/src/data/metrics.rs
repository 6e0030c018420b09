//! Measurements: clients and agents send them (`metrics` in LiveKit's data packets) on a clock of their own. We add when
//! that was by ours, gather them, and report them to those who receive the sender and may know (`canSubscribeMetrics`),
//! together with the round trips that we have measured ourselves. As LiveKit's server does it where that is switched on
//! (`pkg/metric`, protocol `utils/metrics_batch_builder.go`).

use crate::context::Context;
use crate::limits::{METRICS_INTERVAL, METRICS_REPORT_BYTES_MAX};
use crate::room::Room;
use crate::signalling::SessionId;
use crate::timers::Timer;
use crate::transport::Side;
use livekit_protocol::data_packet::Value;
use livekit_protocol::{DataPacket, EventMetric, MetricLabel, MetricSample, MetricsBatch, TimeSeriesMetric};
use prost::Message;
use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

/// What only the one whom it is about may know: how well its client shows and sends.
const PRIVATE_LABELS: RangeInclusive<u32> = MetricLabel::ClientVideoSubscriberFreezeCount as u32
    ..=MetricLabel::ClientVideoPublisherQualityLimitationDurationOther as u32;

/// Labels from here on, and all names, are places in a batch's list of texts.
const TEXTS_START: u32 = MetricLabel::PredefinedMaxValue as u32;

/// What an entry of a list takes besides its own bytes, at most: a key and a length.
const ENTRY_BYTES: usize = 4;

/// The sender's clock is compared with ours as often as that, or after [`COMPARED_BATCHES`].
const COMPARED_EVERY: Duration = Duration::from_secs(5);

/// See [`COMPARED_EVERY`].
const COMPARED_BATCHES: u32 = 100;

/// A batch that comes later than expected by more than this was held up on its way.
const DELAY_NS: i64 = 10_000_000;

/// Held up for so long, it is the way that has become longer.
const NEW_WAY: Duration = Duration::from_secs(10);

/// What is to be added to a sender's clock. Its clock and the way to us cannot be told apart, so both are in it. An
/// earlier arrival is believed nearly at once, a later one slowly (LiveKit: `OWDEstimator`).
#[derive(Default)]
pub(super) struct Offset {
    ns: Option<i64>,
    compared: Option<Instant>,
    batches: u32,
    delayed_since: Option<Instant>,
}

impl Offset {
    fn of(&mut self, now: Instant, unix_ms: u64, sent_ms: i64) -> i64 {
        let is_recent = |at: Instant| now.saturating_duration_since(at) < COMPARED_EVERY;
        self.batches += 1;
        let is_due = !self.compared.is_some_and(is_recent) || self.batches > COMPARED_BATCHES;
        if sent_ms == 0 || !is_due {
            return self.ns.unwrap_or_default();
        }
        self.compared = Some(now);
        self.batches = 0;
        let unix_ms = i64::try_from(unix_ms).unwrap_or(i64::MAX);
        let measured = nanoseconds(unix_ms).saturating_sub(nanoseconds(sent_ms));
        let ns = self.ns.get_or_insert(measured);
        let later = measured.saturating_sub(*ns);
        if later > DELAY_NS {
            let since = *self.delayed_since.get_or_insert(now);
            if now.saturating_duration_since(since) >= NEW_WAY {
                self.delayed_since = None;
                *ns = measured;
            }
        } else {
            self.delayed_since = None;
            // Nine tenths of the way down, one up.
            let tenths = if later > 0 { 1 } else { 9 };
            *ns = ns.saturating_add((later / 10).saturating_mul(tenths));
        }
        *ns
    }
}

fn nanoseconds(ms: i64) -> i64 {
    ms.saturating_mul(1_000_000)
}

/// A sample at a moment of our clock. Timestamps of all messages are of the type that stands in it.
fn sample(unix_ns: i64, value: f32) -> MetricSample {
    let mut sample = MetricSample {
        timestamp_ms: unix_ns.div_euclid(1_000_000),
        value,
        ..MetricSample::default()
    };
    let time = sample.normalized_timestamp.get_or_insert_default();
    time.seconds = unix_ns.div_euclid(1_000_000_000);
    time.nanos = unix_ns.rem_euclid(1_000_000_000) as i32;
    sample
}

/// Adds to every time of a batch what it is by our clock.
fn normalize(batch: &mut MetricsBatch, offset_ns: i64) {
    let by_ours = |ms: i64| sample(nanoseconds(ms).saturating_add(offset_ns), 0.0).normalized_timestamp;
    batch.normalized_timestamp = by_ours(batch.timestamp_ms);
    for series in &mut batch.time_series {
        for sample in &mut series.samples {
            sample.normalized_timestamp = by_ours(sample.timestamp_ms);
        }
    }
    for event in &mut batch.events {
        event.normalized_start_timestamp = by_ours(event.start_timestamp_ms);
        event.normalized_end_timestamp = event.end_timestamp_ms.and_then(by_ours);
    }
}

/// What one receiver is told next.
#[derive(Default)]
pub(super) struct Report {
    batch: MetricsBatch,
    /// Where a text is in it.
    texts: HashMap<String, u32>,
    /// How large it is; at most [`METRICS_REPORT_BYTES_MAX`].
    bytes: usize,
}

impl Report {
    /// Takes what the owner of an identity may know. What does not fit any more is dropped.
    fn merge(&mut self, batch: &MetricsBatch, identity: &str) {
        for series in &batch.time_series {
            let Some(names) = Names::of(batch, series.label, series.participant_identity, identity) else {
                continue;
            };
            let entry = TimeSeriesMetric {
                samples: series.samples.clone(),
                ..TimeSeriesMetric::default()
            };
            let track = [text(batch, series.track_sid), text(batch, series.rid)];
            let Some([label, participant_identity, track_sid, rid]) =
                self.make_room(entry.encoded_len(), &names, track)
            else {
                continue;
            };
            self.batch.time_series.push(TimeSeriesMetric {
                label,
                participant_identity,
                track_sid,
                rid,
                ..entry
            });
        }
        for event in &batch.events {
            let Some(names) = Names::of(batch, event.label, event.participant_identity, identity) else {
                continue;
            };
            let track = [text(batch, event.track_sid), text(batch, event.rid)];
            let Some([label, participant_identity, track_sid, rid]) =
                self.make_room(event.encoded_len(), &names, track)
            else {
                continue;
            };
            self.batch.events.push(EventMetric {
                label,
                participant_identity,
                track_sid,
                rid,
                ..event.clone()
            });
        }
    }

    /// The places of an entry's label, identity, track and rid, if all that and the entry still fits.
    fn make_room(&mut self, len: usize, names: &Names<'_>, track: [Option<&str>; 2]) -> Option<[u32; 4]> {
        let label = names.label.err();
        let texts = [label, names.identity, track[0], track[1]];
        let new = texts
            .iter()
            .flatten()
            .filter(|text| !self.texts.contains_key(**text));
        let texts_len: usize = new.map(|text| text.len() + ENTRY_BYTES).sum();
        // Each of the places takes three bytes and a key.
        let bytes = self.bytes + texts_len + len + 4 * ENTRY_BYTES + ENTRY_BYTES;
        if bytes > METRICS_REPORT_BYTES_MAX {
            return None;
        }
        self.bytes = bytes;
        let mut places = texts.map(|text| text.map_or(0, |text| self.place(text)));
        if let (Ok(known), Some(place)) = (names.label, places.first_mut()) {
            *place = known;
        }
        Some(places)
    }

    fn place(&mut self, text: &str) -> u32 {
        if let Some(place) = self.texts.get(text) {
            return *place;
        }
        let place = TEXTS_START.saturating_add(self.batch.str_data.len() as u32);
        self.batch.str_data.push(text.to_owned());
        self.texts.insert(text.to_owned(), place);
        place
    }
}

/// What an entry of a batch is, and whom it is about.
struct Names<'a> {
    /// One of LiveKit's, or one of the sender's own.
    label: Result<u32, &'a str>,
    identity: Option<&'a str>,
}

impl<'a> Names<'a> {
    /// `None`: it has no name, or `receiver` may not know it.
    fn of(batch: &'a MetricsBatch, label: u32, identity: u32, receiver: &str) -> Option<Self> {
        let identity = text(batch, identity);
        let is_others = identity.is_some_and(|identity| identity != receiver);
        let label = match text(batch, label) {
            Some(own) => Err(own),
            None if label >= TEXTS_START || is_others && PRIVATE_LABELS.contains(&label) => return None,
            None => Ok(label),
        };
        Some(Names { label, identity })
    }
}

fn text(batch: &MetricsBatch, place: u32) -> Option<&str> {
    let place = usize::try_from(place.checked_sub(TEXTS_START)?).ok()?;
    batch.str_data.get(place).map(String::as_str)
}

impl Room {
    /// A participant's client has measured.
    pub(super) fn take_metrics(&mut self, cx: &mut Context, session: SessionId, mut batch: MetricsBatch) {
        let unix_ms = cx.unix_ms();
        let Some(participant) = self.participants.get_mut(&session) else {
            return;
        };
        let offset = &mut participant.data.clock_offset;
        let offset_ns = offset.of(cx.now, unix_ms, batch.timestamp_ms);
        normalize(&mut batch, offset_ns);
        self.report_metrics(cx, session, &batch);
    }

    /// We have measured how long the way to a participant and back takes.
    pub fn report_round_trip(&mut self, cx: &mut Context, session: SessionId, side: Side, time: Duration) {
        let Some(participant) = self.participants.get_mut(&session) else {
            return;
        };
        participant.data.round_trip = Some(time);
        let unix_ns = nanoseconds(i64::try_from(cx.unix_ms()).unwrap_or(i64::MAX));
        let series = |label: MetricLabel| TimeSeriesMetric {
            label: label as u32,
            participant_identity: TEXTS_START,
            samples: vec![sample(unix_ns, time.as_secs_f32())],
            ..TimeSeriesMetric::default()
        };
        // One transport is both.
        let is_one = participant.subscriber.is_none();
        let sides = [
            (is_one || side == Side::Publisher, MetricLabel::PublisherRtt),
            (is_one || side == Side::Subscriber, MetricLabel::SubscriberRtt),
        ];
        let batch = MetricsBatch {
            str_data: vec![participant.identity.clone()],
            time_series: sides
                .into_iter()
                .filter(|(is_measured, _)| *is_measured)
                .map(|(_, label)| series(label))
                .collect(),
            ..MetricsBatch::default()
        };
        self.report_metrics(cx, session, &batch);
    }

    /// Adds to the reports of all who receive somebody, and to its own, if they may know measurements.
    fn report_metrics(&mut self, cx: &mut Context, sender: SessionId, batch: &MetricsBatch) {
        let may = |participant: &crate::participant::Participant| {
            participant.permission.can_subscribe_metrics && participant.is_connected()
        };
        if !self.participants.values().any(may) {
            return;
        }
        let receivers = self.subscribers_of(sender);
        for (session, participant) in &mut self.participants {
            if may(participant) && (*session == sender || receivers.contains(session)) {
                participant.data.metrics.merge(batch, &participant.identity);
                if participant.data.metrics.bytes > 0 {
                    let timer = Timer::Metrics(self.key, *session);
                    cx.timers.set_if_unset(timer, cx.now + METRICS_INTERVAL);
                }
            }
        }
    }

    /// Tells somebody what was measured since it was told last.
    pub fn send_metrics(&mut self, cx: &mut Context, session: SessionId) {
        let unix_ms = i64::try_from(cx.unix_ms()).unwrap_or(i64::MAX);
        let Some(participant) = self.participants.get_mut(&session) else {
            return;
        };
        let mut batch = std::mem::take(&mut participant.data.metrics).batch;
        if !participant.permission.can_subscribe_metrics {
            return;
        }
        batch.timestamp_ms = unix_ms;
        batch.normalized_timestamp = sample(nanoseconds(unix_ms), 0.0).normalized_timestamp;
        let packet = DataPacket {
            participant_identity: participant.identity.clone(),
            value: Some(Value::Metrics(batch)),
            ..DataPacket::default()
        };
        participant.send_reliably(cx, &packet.encode_to_vec().into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::disallowed_methods, reason = "virtual time starts at some moment")]
    fn start() -> Instant {
        Instant::now()
    }

    #[test]
    fn a_senders_clock_is_compared_every_five_seconds_and_a_delay_is_believed_when_it_lasts() {
        let start = start();
        let mut offset = Offset::default();
        let mut at = |s: u64, late_ms: u64| {
            let now = start + Duration::from_secs(s);
            // Its clock begins at 1 s when ours says 1,000 s.
            let sent_ms = 1_000 + (s * 1_000) as i64;
            offset.of(now, 1_000_000 + s * 1_000 + late_ms, sent_ms) / 1_000_000
        };
        assert_eq!(at(0, 40), 999_040);
        assert_eq!(at(1, 0), 999_040, "too early to compare again");
        assert_eq!(at(5, 30), 999_031, "earlier is nearly believed");
        assert_eq!(at(10, 41), 999_032, "a little later, slowly");
        assert_eq!(at(15, 500), 999_032, "held up");
        assert_eq!(at(20, 500), 999_032);
        assert_eq!(at(25, 500), 999_500, "for 10 s: it is another way");
        assert_eq!(at(30, 30), 999_077);
    }

    #[test]
    fn no_clock_makes_it_overflow() {
        let start = start();
        for sent in [i64::MIN, -1, 0, 1, i64::MAX] {
            let mut offset = Offset::default();
            let mut batch = MetricsBatch {
                timestamp_ms: sent,
                ..MetricsBatch::default()
            };
            for s in 0..20 {
                let sent = if s % 2 == 0 { sent } else { sent.saturating_neg() };
                let ns = offset.of(start + Duration::from_secs(s * 6), u64::MAX, sent);
                normalize(&mut batch, ns);
            }
        }
    }

    #[test]
    fn a_report_is_never_larger_than_it_counts_and_what_does_not_fit_is_dropped() {
        let mut report = Report::default();
        for count in 0..5_000 {
            let batch = MetricsBatch {
                str_data: vec![format!("own {count}"), "alice".to_owned(), "TR_x".to_owned()],
                time_series: vec![TimeSeriesMetric {
                    label: TEXTS_START,
                    participant_identity: TEXTS_START + 1,
                    track_sid: TEXTS_START + 2,
                    samples: vec![sample(1_700_000_000_000_000_000, 0.5)],
                    rid: TEXTS_START + 9,
                }],
                ..MetricsBatch::default()
            };
            report.merge(&batch, "bob");
            assert!(report.batch.encoded_len() <= report.bytes);
        }
        assert!(report.batch.time_series.len() > 500 && report.batch.time_series.len() < 5_000);
        assert!(report.bytes <= METRICS_REPORT_BYTES_MAX);
        let last = report.batch.time_series.last().unwrap();
        assert_eq!((text(&report.batch, last.track_sid), last.rid), (Some("TR_x"), 0));
    }
}
