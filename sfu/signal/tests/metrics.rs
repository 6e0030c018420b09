//! Measurements of clients: who is told them, when, and by which clock; and who is not.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests may panic"
)]

mod common;

use common::data::{decoded, open_all, packet, received, receivers, send};
use common::{START_UNIX_S, Town, change_rights};
use hanse_sfu_core::command::{DataChannel, MediaEvent, TransportQuality};
use livekit_protocol::data_packet::Value;
use livekit_protocol::{EventMetric, MetricLabel, MetricSample, MetricsBatch, TimeSeriesMetric, TrackSource};
use std::time::Duration;

/// Where a batch's own texts begin.
const TEXTS: u32 = 4096;

/// Alice publishes, everybody receives her, and may know or not what was measured.
fn town(people: &[(&str, bool)]) -> Town {
    let mut town = Town::default();
    for (name, may_know) in people {
        town.join_with_claims(name, |claims| {
            claims.video.can_subscribe_metrics = Some(*may_know)
        });
        open_all(&mut town, name);
    }
    town.publish("alice", TrackSource::Microphone);
    town
}

/// One sample and one event of the sender's, by a clock of its own.
fn batch(label: u32, identity: &str) -> MetricsBatch {
    MetricsBatch {
        timestamp_ms: 5_000,
        str_data: vec![identity.to_owned(), "TR_x".to_owned(), "my own".to_owned()],
        time_series: vec![TimeSeriesMetric {
            label,
            participant_identity: TEXTS,
            track_sid: TEXTS + 1,
            samples: vec![MetricSample {
                timestamp_ms: 4_000,
                value: 0.25,
                ..MetricSample::default()
            }],
            ..TimeSeriesMetric::default()
        }],
        events: vec![EventMetric {
            label: TEXTS + 2,
            participant_identity: TEXTS,
            start_timestamp_ms: 3_000,
            end_timestamp_ms: Some(3_500),
            metadata: "what happened".to_owned(),
            ..EventMetric::default()
        }],
        ..MetricsBatch::default()
    }
}

fn measure(town: &mut Town, name: &str, batch: MetricsBatch) {
    send(town, name, DataChannel::Reliable, &packet(Value::Metrics(batch)));
}

/// The one report that somebody has got.
fn report(town: &mut Town, name: &str) -> MetricsBatch {
    let received = received(town);
    assert_eq!(received.keys().collect::<Vec<_>>(), [name]);
    assert_eq!(
        (received[name].len(), received[name][0].0),
        (1, DataChannel::Reliable)
    );
    let packet = decoded(&received[name][0]);
    assert_eq!(
        packet.participant_identity, name,
        "it is the receiver's own report"
    );
    let Some(Value::Metrics(batch)) = packet.value else {
        panic!("no measurements")
    };
    batch
}

fn text(batch: &MetricsBatch, place: u32) -> &str {
    &batch.str_data[(place - TEXTS) as usize]
}

const LATENCY: u32 = MetricLabel::AgentsLlmTtft as u32;

#[test]
fn whoever_receives_the_sender_and_may_know_is_told_every_ten_seconds_by_our_clock() {
    let mut town = town(&[("alice", false), ("bob", true), ("carol", false)]);
    measure(&mut town, "alice", batch(LATENCY, "alice"));
    town.pass(Duration::from_secs(6));
    assert!(receivers(&mut town).is_empty(), "they are gathered");
    let mut second = batch(LATENCY, "alice");
    second.timestamp_ms += 6_000;
    second.time_series[0].samples[0].timestamp_ms += 6_000;
    measure(&mut town, "alice", second);
    town.pass(Duration::from_secs(4));
    let told = report(&mut town, "bob");
    assert_eq!(told.timestamp_ms, (START_UNIX_S as i64 + 10) * 1_000);
    assert_eq!((told.time_series.len(), told.events.len()), (2, 2));
    for (series, sent_s) in told.time_series.iter().zip([0, 6]) {
        assert_eq!(series.label, LATENCY);
        assert_eq!(text(&told, series.participant_identity), "alice");
        assert_eq!(text(&told, series.track_sid), "TR_x");
        let sample = &series.samples[0];
        assert_eq!(
            sample.timestamp_ms,
            4_000 + sent_s * 1_000,
            "the sender's word stays"
        );
        let time = sample.normalized_timestamp.as_ref().unwrap();
        assert_eq!(
            time.seconds,
            START_UNIX_S as i64 - 1 + sent_s,
            "a second before it was sent"
        );
    }
    let event = &told.events[0];
    assert_eq!(
        (text(&told, event.label), &*event.metadata),
        ("my own", "what happened")
    );
    let end = event.normalized_end_timestamp.as_ref().unwrap();
    assert_eq!((end.seconds, end.nanos), (START_UNIX_S as i64 - 2, 500_000_000));
    assert_eq!(told.str_data.len(), 3, "each text once");
    town.pass(Duration::from_secs(60));
    assert!(receivers(&mut town).is_empty(), "nothing new, nothing told");
}

#[test]
fn who_does_not_receive_the_sender_is_told_nothing_but_the_sender_itself_is() {
    let mut town = town(&[("alice", true), ("bob", true)]);
    // Nobody receives bob.
    measure(&mut town, "bob", batch(LATENCY, "bob"));
    town.pass(Duration::from_secs(10));
    assert_eq!(report(&mut town, "bob").time_series.len(), 1);
}

#[test]
fn how_well_a_client_shows_and_sends_is_told_to_itself_only() {
    let mut town = town(&[("alice", true), ("bob", true)]);
    let freezes = MetricLabel::ClientVideoSubscriberFreezeCount as u32;
    let mut private = batch(freezes, "alice");
    private.events.clear();
    measure(&mut town, "alice", private);
    town.pass(Duration::from_secs(10));
    assert_eq!(report(&mut town, "alice").time_series[0].label, freezes);
}

#[test]
fn a_right_that_is_taken_counts_at_once() {
    let mut town = town(&[("alice", false), ("bob", true)]);
    measure(&mut town, "alice", batch(LATENCY, "alice"));
    let mut rights = town.people["bob"].known[&town.people["bob"].sid]
        .permission
        .clone()
        .unwrap();
    assert!(rights.can_subscribe_metrics);
    rights.can_subscribe_metrics = false;
    town.command(change_rights("bob", rights)).unwrap();
    town.pass(Duration::from_secs(20));
    assert!(receivers(&mut town).is_empty());
}

#[test]
fn the_round_trips_that_we_measure_are_told_too() {
    let mut town = town(&[("alice", false), ("bob", true), ("carol", false)]);
    let connection = town.connection("alice");
    let quality = TransportQuality {
        round_trip: Some(Duration::from_millis(250)),
        ..TransportQuality::default()
    };
    town.event(MediaEvent::Quality { connection, quality });
    town.pass(Duration::from_secs(10));
    let told = report(&mut town, "bob");
    let labels: Vec<u32> = told.time_series.iter().map(|series| series.label).collect();
    assert_eq!(
        labels,
        [
            MetricLabel::PublisherRtt as u32,
            MetricLabel::SubscriberRtt as u32
        ]
    );
    for series in &told.time_series {
        assert_eq!(text(&told, series.participant_identity), "alice");
        assert_eq!(series.samples[0].value, 0.25);
        assert_eq!(series.samples[0].timestamp_ms, START_UNIX_S as i64 * 1_000);
    }
}

#[test]
fn a_flood_of_measurements_makes_one_message_and_the_room_goes_on() {
    let mut town = town(&[("alice", false), ("bob", true)]);
    for count in 0..500 {
        let mut batch = batch(LATENCY, "alice");
        batch.events[0].metadata = format!("{count} {}", "x".repeat(1_000));
        measure(&mut town, "alice", batch);
    }
    town.pass(Duration::from_secs(10));
    let told = report(&mut town, "bob");
    assert!(told.events.len() > 10 && told.events.len() < 100);
    measure(&mut town, "alice", batch(LATENCY, "alice"));
    town.pass(Duration::from_secs(10));
    assert_eq!(report(&mut town, "bob").events.len(), 1);
}
