//! The pictures of the book's page about bad networks (`docs/bad-network.md`): some of the plans, drawn over time.

use super::chart::{Chart, Curve, Panel, Style};
use super::common::flow::{Bottleneck, Flow};
use super::common::link::Link;
use super::common::ms;
use super::{CAMERA, EVERYTHING, NewEstimator, Rtc, long, lossy, secs};
use anyhow::Context as _;
use std::path::Path;
use std::time::Duration;

/// Of a plan's seeds, the one that is drawn.
const SEED: u64 = 1;

/// Values of a curve.
const VALUES: u32 = 400;

/// Writes all pictures into a directory.
pub fn write(directory: &Path) -> anyhow::Result<()> {
    for (name, chart) in pictures() {
        let path = directory.join(name);
        std::fs::write(&path, chart.to_string()).with_context(|| format!("write {}", path.display()))?;
    }
    Ok(())
}

/// The pictures and the names of their files.
fn pictures() -> [(&'static str, Chart); 4] {
    [
        ("link-that-falls.svg", falls()),
        ("link-with-loss.svg", loses()),
        ("link-with-jitter.svg", varies()),
        ("link-that-is-shared.svg", is_shared()),
    ]
}

/// What was seen of a plan.
#[derive(Default)]
struct Trace {
    carries: Vec<f64>,
    estimate: Vec<f64>,
    sent: Vec<f64>,
    queue: Vec<f64>,
    /// What arrives of each flow, which may have begun late.
    arrives: Vec<Vec<f64>>,
}

impl Trace {
    /// Looks at a link for so long, this often.
    fn follow(&mut self, link: &mut Bottleneck, duration: Duration, every: Duration) {
        let end = link.now + duration;
        while link.now < end {
            link.longest_queue = Duration::ZERO;
            let arrived = link.measure(every);
            self.arrives.resize_with(arrived.len(), Vec::new);
            for (values, kbps) in self.arrives.iter_mut().zip(arrived) {
                values.push(kbps as f64 / 1e3);
            }
            self.carries
                .push(link.path.link.rate_bps.unwrap_or(0) as f64 / 1e6);
            self.estimate.push(link.target_kbps() as f64 / 1e3);
            self.sent.push(link.flow().media_kbps() as f64 / 1e3);
            self.queue.push(link.longest_queue.as_secs_f64() * 1e3);
        }
    }
}

/// A plan with our estimator and with that of the `rtc` crates.
fn both(plan: impl Fn(NewEstimator) -> Trace) -> [Trace; 2] {
    let theirs: NewEstimator = |now| Box::new(Rtc::new(now));
    [plan(Flow::own), plan(theirs)]
}

const fn curve(name: &'static str, style: Style, values: Vec<f64>) -> Curve {
    Curve {
        name,
        style,
        from_s: 0.0,
        values,
    }
}

/// How long packets wait, up to `highest` ms.
fn queues(height: f64, highest: f64, ours: Vec<f64>, theirs: Vec<f64>) -> Panel {
    Panel {
        name: "Queue in ms",
        height,
        highest,
        step: 100.0,
        curves: vec![
            curve("with rtc's", Style::Dashed, theirs),
            curve("with Hanse's", Style::First, ours),
        ],
    }
}

/// One camera over links that follow each other.
fn camera(title: &'static str, description: &'static str, queue_ms: f64, plan: &[(Duration, Link)]) -> Chart {
    let duration: Duration = plan.iter().map(|(duration, _)| *duration).sum();
    let [ours, theirs] = both(|new| {
        let mut trace = Trace::default();
        let mut plan = plan.iter();
        let Some((until, first)) = plan.next() else {
            return trace;
        };
        let mut link = Bottleneck::of(SEED, *first, &[CAMERA], new);
        trace.follow(&mut link, *until, duration / VALUES);
        for (until, next) in plan {
            link.change(*next);
            trace.follow(&mut link, *until, duration / VALUES);
        }
        trace
    });
    Chart {
        title,
        description,
        seconds: duration.as_secs_f64(),
        step_s: (duration / 6).as_secs_f64(),
        panels: vec![
            Panel {
                name: "Rate in Mbit/s",
                height: 300.0,
                highest: 4.0,
                step: 1.0,
                curves: vec![
                    curve("the link carries", Style::Area, ours.carries),
                    curve("Hanse sends", Style::Broad, ours.sent),
                    curve("rtc's estimate", Style::Dashed, theirs.estimate),
                    curve("Hanse's estimate", Style::First, ours.estimate),
                ],
            },
            queues(queue_ms / 3.0 + 20.0, queue_ms, ours.queue, theirs.queue),
        ],
    }
}

fn falls() -> Chart {
    let (fast, slow) = (Link::of_kbps(3_000), Link::of_kbps(300));
    camera(
        "A link that falls from 3 Mbit/s to 300 kbit/s and comes back",
        "Above, the rates: within half a second Hanse's estimate is close to what the link carries, and a camera is sent in its \
         largest layer of 1.7 Mbit/s. After 20 seconds the link falls; the estimate and the camera fall with it at once, to the \
         smallest layer of 150 kbit/s. After 40 seconds the link is back, and the largest layer follows within a second. The \
         estimate of rtc climbs slowly, notices the fall after two seconds, overshoots twice while the link is small, and \
         leaves the picture at the top in the end. Below, the queue: with Hanse's estimate it jumps to 400 ms when the link \
         falls and is empty after a second; with that of rtc it stays at 400 ms for three seconds and \
         comes back twice.",
        500.0,
        &[(secs(20), fast), (secs(20), slow), (secs(20), fast)],
    )
}

fn loses() -> Chart {
    camera(
        "A link of 3 Mbit/s that loses 5 percent of all packets",
        "Above, the rates: Hanse's estimate is close to what the link carries from the first second on and stays there, and a \
         camera is sent in its largest layer of 1.7 Mbit/s all the time. The estimate of rtc stays below that layer for the \
         first 27 seconds and reaches 2.2 Mbit/s. Below, the queue: it is never longer than a picture, with either.",
        100.0,
        &[(secs(60), lossy())],
    )
}

fn varies() -> Chart {
    camera(
        "A link of 3 Mbit/s with a round trip of 300 ms and 50 ms of jitter",
        "Above, the rates: Hanse's estimate is close to what the link carries after two seconds and stays there for five \
         minutes, and a camera is sent in its largest layer of 1.7 Mbit/s all the time. The estimate of rtc reaches that layer \
         after 15 seconds, climbs on, and leaves the picture at the top. Below, the queue: it is never longer than a picture, \
         with either.",
        100.0,
        &[(secs(300), long(true))],
    )
}

fn is_shared() -> Chart {
    let (alone, together) = (secs(30), secs(150));
    let duration = alone + together;
    let every = duration / VALUES * 2;
    let [ours, theirs] = both(|new| {
        let mut trace = Trace::default();
        let mut link = Bottleneck::of(SEED, Link::of_kbps(3_000), &[EVERYTHING], new);
        trace.follow(&mut link, alone, every);
        link.run(ms(7));
        link.join_with(EVERYTHING, new(link.now));
        trace.follow(&mut link, together, every);
        trace
    });
    let rates = |name: &'static str, arrives: Vec<Vec<f64>>, carries: Vec<f64>| {
        let mut curves = vec![curve("the link carries", Style::Area, carries)];
        let flows = [
            ("first", Style::First, Duration::ZERO),
            ("second", Style::Second, alone),
        ];
        curves.extend(
            arrives
                .into_iter()
                .zip(flows)
                .map(|(values, (name, style, from))| Curve {
                    from_s: from.as_secs_f64(),
                    ..curve(name, style, values)
                }),
        );
        Panel {
            name,
            height: 180.0,
            highest: 3.5,
            step: 1.0,
            curves,
        }
    };
    Chart {
        title: "Two subscribers who take all they can on one link of 3 Mbit/s",
        description: "Above, what arrives of each with Hanse's estimates: the first has the whole link within a second. After 30 \
                      seconds the second comes, and from then on they have between a quarter and three quarters of the link \
                      each. In the middle, the same with the estimates of rtc: the first takes 20 seconds to find the whole \
                      link, and a few seconds after the second has come they have half of it each. Below, the queue: with \
                      Hanse's estimates it is short but for peaks of 250 ms now and then; with those of rtc it grows to \
                      400 ms every few seconds, which is all that there is room for.",
        seconds: duration.as_secs_f64(),
        step_s: 30.0,
        panels: vec![
            rates(
                "What arrives with Hanse's estimates, in Mbit/s",
                ours.arrives,
                ours.carries,
            ),
            rates(
                "What arrives with rtc's estimates, in Mbit/s",
                theirs.arrives,
                theirs.carries,
            ),
            queues(150.0, 500.0, ours.queue, theirs.queue),
        ],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    #[test]
    fn the_pictures_of_the_book_are_what_the_plans_show_and_small() {
        let book = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/pictures");
        for (name, chart) in pictures() {
            let (drawn, kept) = (
                chart.to_string(),
                std::fs::read_to_string(book.join(name)).unwrap(),
            );
            assert!(drawn.len() < 40_000, "{name}: {} bytes", drawn.len());
            assert!(
                drawn == kept,
                "{name} is another one: cargo xtask bench links --plots docs/pictures"
            );
        }
    }
}
