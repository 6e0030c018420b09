//! Sockets that break at any moment while people come, go, publish and stop: in the end everybody receives everything that
//! there is, and nothing else.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests may panic"
)]

mod common;

use common::comeback::FORMS;
use common::{Town, claims};
use livekit_protocol::signal_request::Message as Ask;
use livekit_protocol::{SignalRequest, TrackSource};
use std::collections::BTreeSet;
use std::time::Duration;

const NAMES: [&str; 5] = ["alice", "bob", "carol", "dave", "erin"];

/// Numbers from a seed (SplitMix64).
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut number = self.0;
        number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((number ^ (number >> 31)) % end as u64) as usize
    }
}

struct Story {
    town: Town,
    dice: Dice,
    /// Browsers of earlier sessions so far.
    earlier: usize,
    resumed: usize,
    anew: usize,
}

impl Story {
    fn new(seed: u64) -> Self {
        let mut story = Story {
            town: Town::default(),
            dice: Dice(seed),
            earlier: 0,
            resumed: 0,
            anew: 0,
        };
        for name in NAMES {
            story.join(name);
            story.publish(name);
        }
        story
    }

    /// Both forms are in the room.
    fn join(&mut self, name: &str) {
        for name in [name.to_owned(), format!("{name} refused")] {
            if let Some(before) = self.town.people.remove(&name) {
                self.earlier += 1;
                self.town
                    .people
                    .insert(format!("earlier {}", self.earlier), before);
            }
        }
        let place = NAMES.iter().position(|own| *own == name).unwrap();
        let browser = FORMS[place % 2](name);
        self.town.join_as(name, claims(name), browser).unwrap();
    }

    fn publish(&mut self, name: &str) {
        let sources = [
            TrackSource::Microphone,
            TrackSource::Camera,
            TrackSource::ScreenShare,
        ];
        self.town.publish(name, sources[self.dice.below(3)]);
    }

    fn own_tracks(&self, name: &str) -> Vec<String> {
        let own = &self.town.people[name];
        let tracks = &own.known[&own.sid].tracks;
        tracks.iter().map(|track| track.sid.clone()).collect()
    }

    fn is_there(&self, name: &str) -> bool {
        let browser = &self.town.people[name];
        !browser.is_closed && !browser.is_dead
    }

    /// Comes again, or anew if that is what it is told.
    fn come_again(&mut self, name: &str) {
        if self.town.resume(name) {
            self.resumed += 1;
        } else {
            self.anew += 1;
            self.join(name);
        }
    }

    fn step(&mut self) {
        let name = NAMES[self.dice.below(NAMES.len())];
        let what = self.dice.below(10);
        if !self.is_there(name) {
            match what {
                0..=5 => self.come_again(name),
                6 if !self.town.people[name].is_closed => self.town.close_socket(name),
                _ => self.pass(4_000),
            }
            return;
        }
        match what {
            0 => self.town.browser(name).is_dead = true,
            1 => self.town.close_socket(name),
            // Before it has noticed anything.
            2 => self.come_again(name),
            3 => {
                self.come_again(name);
                self.town.browser(name).is_dead = true;
            }
            4 => {
                // What it says arrives, and nothing comes back.
                let browser = self.town.browser(name);
                let ask = match &browser.second {
                    None => Some(Ask::Offer(browser.next_description())),
                    Some(second) if second.owes => {
                        browser.answer();
                        browser.outbox.pop()
                    }
                    Some(_) => None,
                };
                browser.is_dead = true;
                let (session, now) = (self.town.session(name), self.town.now);
                if let Some(message) = ask {
                    let request = SignalRequest {
                        message: Some(message),
                    };
                    self.town.signalling.handle_request(now, session, request);
                }
                self.town.settle();
            }
            5 => {
                self.town.leave(name);
                self.join(name);
            }
            6 => {
                let tracks = self.own_tracks(name);
                if !tracks.is_empty() {
                    let sid = &tracks[self.dice.below(tracks.len())];
                    self.town.unpublish(name, sid);
                }
            }
            7 | 8 => self.publish(name),
            _ => self.pass(4_000),
        }
    }

    fn pass(&mut self, below_ms: usize) {
        let time = Duration::from_millis(self.dice.below(below_ms) as u64);
        self.town.pass(time);
    }

    /// Everybody's socket is there again, and everything has had its time.
    fn end(&mut self) {
        for name in NAMES {
            if !self.is_there(name) {
                self.come_again(name);
            }
        }
        self.town.pass(Duration::from_secs(20));
        for name in NAMES {
            assert!(self.is_there(name), "{name} is there");
        }
    }
}

#[test]
fn whenever_sockets_break_everybody_receives_in_the_end_what_there_is_and_nothing_else() {
    let (mut resumed, mut anew) = (0, 0);
    for seed in 0..20 {
        let mut story = Story::new(seed);
        for _ in 0..60 {
            story.step();
        }
        story.end();
        let sids: BTreeSet<&str> = NAMES.iter().map(|name| &*story.town.people[*name].sid).collect();
        for name in NAMES {
            let own = &story.town.people[name];
            let known: BTreeSet<&str> = own.known.keys().map(String::as_str).collect();
            assert_eq!(known, sids, "seed {seed}: whom {name} knows");
            let heard: BTreeSet<String> = own.heard().into_iter().map(|heard| heard.track_sid).collect();
            let others = NAMES.iter().filter(|other| **other != name);
            let there: BTreeSet<String> = others.flat_map(|other| story.own_tracks(other)).collect();
            assert_eq!(heard, there, "seed {seed}: what {name} receives");
            let connection = story.town.downstream(name);
            for heard in own.heard() {
                assert!(story.town.media.sends(connection, heard.ssrc), "seed {seed}");
            }
        }
        resumed += story.resumed;
        anew += story.anew;
    }
    assert!(
        resumed > 130 && anew < resumed / 10,
        "{resumed} resumed, {anew} came anew"
    );
}
