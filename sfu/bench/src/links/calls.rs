//! What is noticed of a link in a whole call, beside what is to be reached. Plans and targets are those of the tests in
//! `sfu/core/tests/links.rs`.

use super::common::calls::{self, Fall, Household, Steady, target};
use super::{SEEDS, milliseconds};
use crate::figures::{Figures, Target};

/// Why [`target::SILENCE`] is missed in the first second.
const FIRST_SILENCE: &str =
    "the first picture after the fall is under way before anybody can know: the link needs 283 ms for it";

/// Runs the plans.
pub fn measure(figures: &mut Figures) {
    falls(figures, &SEEDS.map(calls::falls));
    loses(figures, &SEEDS.map(calls::loses));
    is_far(figures, "in order", &SEEDS.map(calls::is_far));
    is_far(figures, "overtaking", &SEEDS.map(calls::overtakes));
    is_shared(figures, &SEEDS.map(calls::is_shared));
}

/// The largest of all seeds.
fn largest<T>(results: &[T], value: impl Fn(&T) -> f64) -> f64 {
    results.iter().map(value).fold(f64::NEG_INFINITY, f64::max)
}

fn falls(figures: &mut Figures, falls: &[Fall]) {
    let most = |limit| Target::AtMost(milliseconds(limit));
    let below = |limit| Target::Below(milliseconds(limit));
    let queue = largest(falls, |fall| milliseconds(fall.queue));
    let name = "call, 3 Mbit/s to 300 kbit/s: queue from 1 s on";
    figures.judge(name, queue, "ms", below(target::QUEUE));
    let freeze = largest(falls, |fall| milliseconds(fall.freeze));
    let name = "call, 3 Mbit/s to 300 kbit/s: no picture";
    figures.judge(name, freeze, "ms", below(target::FREEZE));
    let silence = largest(falls, |fall| milliseconds(fall.first_silence));
    let name = "call, 3 Mbit/s to 300 kbit/s: gap in the sound, first second";
    figures.judge(name, silence, "ms", most(target::SILENCE));
    figures.explain(FIRST_SILENCE);
    let silence = largest(falls, |fall| milliseconds(fall.later_silence));
    let name = "call, 3 Mbit/s to 300 kbit/s: gap in the sound, later";
    figures.judge(name, silence, "ms", most(target::SILENCE));
    let back = largest(falls, |fall| milliseconds(fall.back.unwrap_or(calls::NEVER)));
    let name = "call, back to 3 Mbit/s: the largest layer";
    figures.judge(name, back, "ms", below(target::BACK));
}

/// Whoever does not see the largest layer in the end flaps most of all.
fn changes(steady: &Steady) -> f64 {
    let least = usize::from(steady.layer != Some(2));
    steady.changes.max(least) as f64
}

fn loses(figures: &mut Figures, lossy: &[Steady]) {
    let flaps = largest(lossy, changes);
    let name = "call, 5 % loss both ways: changes of layer in a minute";
    figures.judge(name, flaps, "", Target::AtMost(0.0));
    let lost = 100.0 * largest(lossy, |call| call.undecodable);
    let name = "call, 5 % loss both ways: pictures not shown";
    figures.judge(name, lost, "%", Target::AtMost(100.0 * target::UNDECODABLE));
    let lost = 100.0 * largest(lossy, |call| call.lost_sound);
    let name = "call, 5 % loss both ways: sounds not heard";
    figures.judge(name, lost, "%", Target::Below(100.0 * target::LOST_SOUND));
}

/// `order`: how packets arrive.
fn is_far(figures: &mut Figures, order: &str, far: &[Steady]) {
    let name = format!("call, 300 ms round trip, 50 ms jitter, {order}: changes of layer in 5 min");
    figures.judge(&name, largest(far, changes), "", Target::AtMost(0.0));
    let first = largest(far, |call| call.first_changes as f64);
    figures.note("the same, in the 5 s before that", first, "");
    let lost = 100.0 * largest(far, |call| call.lost_sound);
    let name = format!("call, 300 ms round trip, 50 ms jitter, {order}: sounds not heard");
    figures.judge(&name, lost, "%", Target::Below(100.0 * target::LOST_SOUND));
}

fn is_shared(figures: &mut Figures, shared: &[Household]) {
    let unused = largest(shared, |shared| 1.0 - shared.used);
    let name = "call, eight cameras on 3 Mbit/s: used of it";
    figures.judge(
        name,
        100.0 * (1.0 - unused),
        "%",
        Target::AtLeast(100.0 * target::USED),
    );
    let unfair = 100.0 * largest(shared, |shared| shared.unfair);
    let name = "call, two see them over that link: off half, over 2 min";
    figures.judge(name, unfair, "%", Target::AtMost(100.0 * target::UNFAIR));
}
