//! Whether the way becomes longer: a line through the latest delays, and a threshold that adapts to how much they vary
//! anyway (goog_cc's `TrendlineEstimator`; Carlucci et al., "Analysis and Design of the Google Congestion Control for Web
//! Real-time Communication", 2016).

use super::arrival::Deltas;
use super::within;
use arrayvec::ArrayVec;

/// Delays that the line goes through.
const WINDOW: usize = 20;

/// Weight of the past in the smoothed delay.
const SMOOTHING: f64 = 0.9;

/// Scales the slope before it meets the threshold.
const GAIN: f64 = 4.0;

/// The slope counts the more, the more deltas it rests on, up to this many.
const DELTAS_MAX: u32 = 60;

/// The slope must lie above the threshold for this long to be overuse.
const OVERUSE_MS: f64 = 10.0;

/// The threshold follows the slope up with this gain per ms …
const GAIN_UP: f64 = 0.0087;
/// … and down with this one.
const GAIN_DOWN: f64 = 0.039;
const THRESHOLD_START: f64 = 12.5;
const THRESHOLD_MIN: f64 = 6.0;
const THRESHOLD_MAX: f64 = 600.0;

/// A slope this far above the threshold is a sudden drop of capacity, to which the threshold must not adapt.
const ADAPT_OFFSET_MAX: f64 = 15.0;

/// The threshold adapts as if at most this much time had passed.
const ADAPT_MS_MAX: f64 = 100.0;

/// What the delays say of the bottleneck.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Usage {
    /// Queues are as long as they were.
    #[default]
    Normal,
    /// They grow.
    Over,
    /// They are being emptied.
    Under,
}

/// The line and the threshold.
#[derive(Clone, Debug)]
pub struct Trendline {
    deltas: u32,
    first_arrived_us: Option<i64>,
    accumulated_ms: f64,
    smoothed_ms: f64,
    /// Time of arrival and smoothed delay, in ms.
    points: ArrayVec<(f64, f64), WINDOW>,
    slope: f64,
    threshold: f64,
    adapted_ms: Option<f64>,
    over_ms: Option<f64>,
    over_count: u32,
    usage: Usage,
}

impl Trendline {
    /// A line through nothing.
    pub fn new() -> Self {
        Trendline {
            deltas: 0,
            first_arrived_us: None,
            accumulated_ms: 0.0,
            smoothed_ms: 0.0,
            points: ArrayVec::new(),
            slope: 0.0,
            threshold: THRESHOLD_START,
            adapted_ms: None,
            over_ms: None,
            over_count: 0,
            usage: Usage::Normal,
        }
    }

    /// What the delays say now.
    pub fn usage(&self) -> Usage {
        self.usage
    }

    /// Takes the deltas of two groups of which the later one had arrived at `arrived_us`.
    pub fn on_deltas(&mut self, deltas: Deltas, arrived_us: i64) {
        let sent_ms = deltas.sent_us as f64 / 1_000.0;
        let first = *self.first_arrived_us.get_or_insert(arrived_us);
        let arrived_ms = arrived_us.saturating_sub(first) as f64 / 1_000.0;
        self.deltas = self.deltas.saturating_add(1);
        self.accumulated_ms += deltas.arrived_us as f64 / 1_000.0 - sent_ms;
        self.smoothed_ms = SMOOTHING * self.smoothed_ms + (1.0 - SMOOTHING) * self.accumulated_ms;
        if self.points.is_full() {
            self.points.remove(0);
        }
        self.points.push((arrived_ms, self.smoothed_ms));
        let slope = if self.points.is_full() {
            self.fit().unwrap_or(self.slope)
        } else {
            self.slope
        };
        self.detect(slope, sent_ms, arrived_ms);
    }

    /// The slope of the line with the least squares; `None` when all arrived at once.
    fn fit(&self) -> Option<f64> {
        let count = self.points.len() as f64;
        let (sum_x, sum_y) = self
            .points
            .iter()
            .fold((0.0, 0.0), |(x, y), point| (x + point.0, y + point.1));
        let (mean_x, mean_y) = (sum_x / count, sum_y / count);
        let (numerator, denominator) = self.points.iter().fold((0.0, 0.0), |(n, d), (x, y)| {
            (n + (x - mean_x) * (y - mean_y), d + (x - mean_x) * (x - mean_x))
        });
        (denominator > 0.0).then(|| numerator / denominator)
    }

    fn detect(&mut self, slope: f64, sent_ms: f64, now_ms: f64) {
        if self.deltas < 2 {
            return;
        }
        let trend = f64::from(self.deltas.min(DELTAS_MAX)) * slope * GAIN;
        if trend > self.threshold {
            // It began somewhere since the last group: half of that time, on average.
            let over_ms = self.over_ms.map_or(sent_ms / 2.0, |over_ms| over_ms + sent_ms);
            self.over_ms = Some(over_ms);
            self.over_count += 1;
            if over_ms > OVERUSE_MS && self.over_count > 1 && slope >= self.slope {
                (self.over_ms, self.over_count) = (Some(0.0), 0);
                self.usage = Usage::Over;
            }
        } else {
            (self.over_ms, self.over_count) = (None, 0);
            self.usage = if trend < -self.threshold {
                Usage::Under
            } else {
                Usage::Normal
            };
        }
        self.slope = slope;
        self.adapt(trend.abs(), now_ms);
    }

    fn adapt(&mut self, trend: f64, now_ms: f64) {
        let elapsed_ms = now_ms - self.adapted_ms.replace(now_ms).unwrap_or(now_ms);
        if trend > self.threshold + ADAPT_OFFSET_MAX {
            return;
        }
        let gain = if trend < self.threshold {
            GAIN_DOWN
        } else {
            GAIN_UP
        };
        let step = gain * (trend - self.threshold) * within(elapsed_ms, 0.0, ADAPT_MS_MAX);
        self.threshold = within(self.threshold + step, THRESHOLD_MIN, THRESHOLD_MAX);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Groups 30 ms apart, each of which takes `growth_us` longer than the one before.
    fn feed(trendline: &mut Trendline, clock_us: &mut i64, groups: i64, growth_us: i64) -> Vec<Usage> {
        (0..groups)
            .map(|_| {
                let deltas = Deltas {
                    sent_us: 30_000,
                    arrived_us: 30_000 + growth_us,
                };
                *clock_us += deltas.arrived_us;
                trendline.on_deltas(deltas, *clock_us);
                trendline.usage()
            })
            .collect()
    }

    #[test]
    fn a_growing_delay_is_overuse_a_shrinking_one_underuse_and_a_steady_one_neither() {
        let (mut trendline, mut clock_us) = (Trendline::new(), 0);
        let steady = feed(&mut trendline, &mut clock_us, 100, 0);
        assert!(steady.iter().all(|usage| *usage == Usage::Normal));
        let grown = feed(&mut trendline, &mut clock_us, 30, 5_000);
        let noticed = grown.iter().position(|usage| *usage == Usage::Over);
        assert!(noticed.is_some_and(|groups| groups < 15), "{grown:?}");
        let shrunk = feed(&mut trendline, &mut clock_us, 40, -5_000);
        assert!(shrunk.contains(&Usage::Under), "{shrunk:?}");
    }

    #[test]
    fn the_threshold_learns_what_is_usual() {
        let (mut trendline, mut clock_us) = (Trendline::new(), 0);
        feed(&mut trendline, &mut clock_us, 100, 0);
        assert!(
            trendline.threshold < THRESHOLD_START,
            "a quiet way makes it alert"
        );
        for _ in 0..20 {
            feed(&mut trendline, &mut clock_us, 20, 3_000);
            feed(&mut trendline, &mut clock_us, 20, -3_000);
        }
        assert!(
            trendline.threshold > THRESHOLD_MIN + 1.0,
            "{}",
            trendline.threshold
        );
    }
}
