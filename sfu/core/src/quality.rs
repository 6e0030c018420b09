//! What is measured of each track over one [`crate::QUALITY_INTERVAL`], on its way in and on its way out.

use crate::command::{ReceivedQuality, SentQuality};
use crate::ids::{DownTrackId, Layer, TrackId};
use crate::nack::ReceptionStats;
use crate::rtcp::ReportBlock;
use crate::sent_layers::SentLayers;
use std::time::Duration;

/// Packets of one incoming layer since its beginning.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counted {
    expected: u64,
    received: u64,
    recovered: u64,
}

/// How a track comes in.
#[derive(Clone, Copy, Debug, Default)]
pub struct ReceiveWindow {
    expected: u64,
    lost: u64,
    recovered: u64,
    jitter: Option<Duration>,
    layers: Samples,
}

impl ReceiveWindow {
    /// Counts what has come of a layer since it was counted `before`. Returns how many packets should have come, how many
    /// came by themselves, and their jitter, if there were any.
    pub fn count(
        &mut self,
        before: &mut Counted,
        stats: &ReceptionStats,
        clock_rate_hz: u32,
    ) -> (u64, u64, Option<Duration>) {
        let counted = Counted {
            expected: stats.expected,
            received: stats.received,
            recovered: stats.recovered,
        };
        let before = std::mem::replace(before, counted);
        let expected = counted.expected.saturating_sub(before.expected);
        let received = counted.received.saturating_sub(before.received);
        let seconds = f64::from(stats.jitter) / f64::from(clock_rate_hz);
        let jitter = Duration::try_from_secs_f64(seconds).ok().filter(|_| expected > 0);
        self.expected += expected;
        self.lost += expected.saturating_sub(received);
        self.recovered += counted.recovered.saturating_sub(before.recovered);
        self.jitter = self.jitter.max(jitter);
        (expected, received, jitter)
    }

    /// Notes how many layers flow. To be called once a second.
    pub fn sample(&mut self, layers: u8) {
        self.layers.add(layers);
    }

    /// Ends the window.
    pub fn take(&mut self, track: TrackId, is_reported: bool) -> ReceivedQuality {
        let window = std::mem::take(self);
        ReceivedQuality {
            track,
            expected: saturate(window.expected),
            lost: saturate(window.lost.saturating_sub(window.recovered)),
            jitter: window.jitter,
            layers: window.layers.average().unwrap_or(0.0),
            is_reported,
        }
    }
}

/// How a down track goes out.
#[derive(Clone, Copy, Debug, Default)]
pub struct SendWindow {
    /// Highest number and lost packets in the peer's latest report.
    latest: Option<(u32, i32)>,
    /// Packets and highest number that had gone out when the window began.
    begin: (u32, u64),
    expected: u64,
    /// Packets that come late take themselves off again.
    lost: i64,
    round_trip: Option<Duration>,
    missing: Samples,
}

impl SendWindow {
    /// Takes a report of the peer, with the round trip that follows from it.
    pub fn on_report(&mut self, block: &ReportBlock, round_trip: Option<Duration>) {
        let latest = (block.highest, block.cumulative_lost);
        if let Some((highest, lost)) = self.latest.replace(latest) {
            // Backwards: an old one, or a peer that makes its numbers up.
            let expected = block.highest.wrapping_sub(highest);
            if expected <= u32::MAX / 2 {
                self.expected += u64::from(expected);
                self.lost += i64::from(block.cumulative_lost) - i64::from(lost);
            }
        }
        self.round_trip = self.round_trip.max(round_trip);
    }

    /// Notes what goes out of what is wanted; both are layers of what flows. To be called once a second while something
    /// is.
    pub fn sample(&mut self, wanted: Layer, current: Option<Layer>) {
        let got = current.map_or(0, |current| current.0.min(wanted.0) + 1);
        self.missing.add(wanted.0 + 1 - got);
    }

    /// Ends the window; `packets` have gone out so far, up to the number `sequence`. Numbers that were left empty in between
    /// had not come to us.
    pub fn take(
        &mut self,
        down_track: DownTrackId,
        packets: u32,
        sequence: u64,
        layers: Option<SentLayers>,
    ) -> SentQuality {
        let window = *self;
        *self = SendWindow {
            latest: window.latest,
            begin: (packets, sequence),
            ..SendWindow::default()
        };
        let (packets_before, sequence_before) = window.begin;
        let sent = packets.wrapping_sub(packets_before);
        let empty = if sequence_before == 0 {
            0 // the first numbers say nothing
        } else {
            (sequence.saturating_sub(sequence_before)).saturating_sub(u64::from(sent))
        };
        let lost = u64::try_from(window.lost).unwrap_or(0);
        SentQuality {
            down_track,
            sent,
            expected: saturate(window.expected),
            lost: saturate(lost.saturating_sub(empty).min(window.expected)),
            round_trip: window.round_trip,
            missing_layers: window.missing.average(),
            layers,
        }
    }
}

/// An average of few small numbers.
#[derive(Clone, Copy, Debug, Default)]
struct Samples {
    sum: u32,
    count: u32,
}

impl Samples {
    fn add(&mut self, number: u8) {
        self.sum += u32::from(number);
        self.count += 1;
    }

    fn average(self) -> Option<f32> {
        (self.count > 0).then(|| self.sum as f32 / self.count as f32)
    }
}

fn saturate(count: u64) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(highest: u32, cumulative_lost: i32) -> ReportBlock {
        ReportBlock {
            ssrc: 1,
            fraction_lost: 0,
            cumulative_lost,
            highest,
            jitter: 0,
            lsr: 0,
            dlsr: 0,
        }
    }

    const ID: DownTrackId = DownTrackId(7);

    #[test]
    fn what_never_came_to_us_is_not_lost_on_the_way_to_the_subscriber() {
        let mut window = SendWindow::default();
        window.on_report(&block(1_000, 4), None);
        window.take(ID, 1_000, 1_000, None);
        // 100 numbers of which 10 were empty; the peer misses 13.
        window.on_report(&block(1_050, 10), None);
        window.on_report(&block(1_100, 17), Some(Duration::from_millis(30)));
        let quality = window.take(ID, 1_090, 1_100, None);
        assert_eq!((quality.sent, quality.expected, quality.lost), (90, 100, 3));
        assert_eq!(quality.round_trip, Some(Duration::from_millis(30)));
        let next = window.take(ID, 1_090, 1_100, None);
        assert_eq!(
            (next.sent, next.expected, next.lost, next.round_trip),
            (0, 0, 0, None)
        );
    }

    #[test]
    fn reports_that_go_backwards_or_lie_do_no_harm() {
        let mut window = SendWindow::default();
        window.take(ID, 10, 10, None);
        for (highest, lost) in [(500, 0), (400, 50), (600, 0x7f_ffff)] {
            window.on_report(&block(highest, lost), None);
        }
        let quality = window.take(ID, 20, 20, None);
        assert_eq!((quality.expected, quality.lost), (200, 200));
        window.on_report(&block(700, i32::MIN), None);
        window.on_report(&block(700, 0x7f_ffff), None);
        let quality = window.take(ID, 20, 20, None);
        assert!(quality.lost <= quality.expected, "{quality:?}");
        window.on_report(&block(710, 0x7f_ffff + 10), None);
        let quality = window.take(ID, 30, 30, None);
        assert_eq!((quality.expected, quality.lost), (10, 10), "and are forgotten");
    }

    #[test]
    fn layers_are_missing_against_what_is_wanted_and_more_than_that_is_no_gain() {
        let mut window = SendWindow::default();
        assert_eq!(window.take(ID, 0, 0, None).missing_layers, None);
        window.sample(Layer(2), Some(Layer(2)));
        window.sample(Layer(0), Some(Layer(2)));
        assert_eq!(window.take(ID, 0, 0, None).missing_layers, Some(0.0));
        window.sample(Layer(2), Some(Layer(1)));
        window.sample(Layer(2), Some(Layer(0)));
        window.sample(Layer(2), None);
        assert_eq!(window.take(ID, 0, 0, None).missing_layers, Some(2.0));
    }

    #[test]
    fn what_a_retransmission_brought_back_is_not_lost() {
        let mut window = ReceiveWindow::default();
        let mut counted = Counted::default();
        let mut stats = ReceptionStats {
            expected: 100,
            received: 80,
            recovered: 15,
            jitter: 900,
            ..ReceptionStats::default()
        };
        let (expected, received, jitter) = window.count(&mut counted, &stats, 90_000);
        assert_eq!(
            (expected, received),
            (100, 80),
            "a sender's report says it as it was"
        );
        assert_eq!(jitter, Some(Duration::from_millis(10)));
        window.sample(3);
        window.sample(2);
        let quality = window.take(TrackId(3), true);
        assert_eq!((quality.expected, quality.lost, quality.layers), (100, 5, 2.5));
        stats.jitter = 90_000;
        assert_eq!(window.count(&mut counted, &stats, 90_000), (0, 0, None));
        let quality = window.take(TrackId(3), false);
        assert_eq!((quality.expected, quality.lost, quality.jitter), (0, 0, None));
    }
}
