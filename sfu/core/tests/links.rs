//! Calls over links with plans, in virtual time: what a subscriber notices. (`cargo xtask bench links` has the estimator alone over
//! such links.)

// A test says what it expects by failing.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

mod common;

use common::link::Link;
use common::ms;
use common::plan::Call;
use std::time::Duration;

const SEEDS: [u64; 3] = [1, 2, 3];

const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn a_link_that_falls_to_a_tenth_and_comes_back() {
    for seed in SEEDS {
        let mut call = Call::new(seed, Link::of_kbps(3_000));
        call.run(secs(20));
        assert_eq!(call.layer(), Some(2), "seed {seed}");
        let fall = call.world.now;
        call.change(Link::of_kbps(300));
        call.run(secs(1));
        call.longest_queue = Duration::ZERO;
        call.run(secs(29));
        assert!(
            call.longest_queue < ms(250),
            "seed {seed}: {:?}",
            call.longest_queue
        );
        let freeze = call.longest_freeze(fall);
        assert!(freeze < ms(500), "seed {seed}: {freeze:?}");
        // The first picture after the fall left when nobody could know of it, and fills the link for 283 ms.
        let silence = call.longest_silence(fall);
        assert!(silence < ms(330), "seed {seed}: {silence:?}");
        let silence = call.longest_silence(fall + secs(1));
        assert!(silence < ms(100), "seed {seed}: {silence:?}");
        assert_eq!(call.layer(), Some(0), "seed {seed}");
        call.change(Link::of_kbps(3_000));
        let back = call.run_until_layer(secs(3), 2);
        assert!(back.is_some(), "seed {seed}");
    }
}

#[test]
fn of_a_link_that_loses_one_in_twenty_everything_is_heard_and_seen() {
    for seed in SEEDS {
        let lossy = Link {
            loss: 0.05,
            ..Link::of_kbps(3_000)
        };
        let mut call = Call::new(seed, lossy);
        call.run(secs(10));
        let begin = call.world.now;
        call.run(secs(60));
        assert_eq!(call.layer(), Some(2), "seed {seed}");
        assert_eq!(call.layer_changes(begin), 0, "seed {seed}");
        let (undecodable, lost) = (call.undecodable(), call.lost_sound());
        assert!(undecodable < 0.01, "seed {seed}: {undecodable}");
        assert!(lost < 0.001, "seed {seed}: {lost}");
    }
}

#[test]
fn over_a_long_way_with_jitter_the_layer_stays_once_the_way_is_measured() {
    for seed in SEEDS {
        let far = Link {
            delay: ms(150),
            jitter: ms(50),
            ordered: true,
            ..Link::CLEAN
        };
        let mut call = Call::new(seed, far);
        call.run(secs(5));
        let begin = call.world.now;
        call.run(secs(100));
        assert_eq!(call.layer(), Some(2), "seed {seed}");
        assert_eq!(call.layer_changes(begin), 0, "seed {seed}");
        let lost = call.lost_sound();
        assert!(lost < 0.001, "seed {seed}: {lost}");
    }
}
