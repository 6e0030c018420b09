//! Calls over links with plans, as their subscribers notice them, and what is to be reached. `tests/links.rs` judges them;
//! `cargo xtask bench links` prints them.

use super::link::Link;
use super::plan::Call;
use super::{Person, World, ms, up_to};
use hanse_sfu_core::command::Codec;
use hanse_sfu_core::ids::TrackId;
use std::time::Duration;

/// What is to be reached.
pub mod target {
    use super::{Duration, ms};

    /// Between two packets of sound, at most.
    pub const SILENCE: Duration = ms(100);
    /// Between two pictures, less than this.
    pub const FREEZE: Duration = ms(500);
    /// At the bottleneck, less than this from a second after the link has become small on.
    pub const QUEUE: Duration = ms(250);
    /// From when the link is large again to the largest layer, less than this.
    pub const BACK: Duration = ms(3_000);
    /// Share of pictures that are not shown, at most.
    pub const UNDECODABLE: f64 = 0.01;
    /// Share of sounds that are not heard, less than this.
    pub const LOST_SOUND: f64 = 0.001;
    /// Share of the link that is used, at least.
    pub const USED: f64 = 0.8;
    /// How far from half of what both have either may be, at most.
    pub const UNFAIR: f64 = 0.2;
}

const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// How long a layer is waited for.
pub const NEVER: Duration = secs(20);

/// A link that falls to a tenth and comes back, as it is noticed.
#[derive(Clone, Copy, Debug)]
pub struct Fall {
    /// The layers that are seen before it falls and before it comes back.
    pub layers: [Option<u8>; 2],
    /// The longest queue from a second after it has fallen on.
    pub queue: Duration,
    /// The longest time without a picture.
    pub freeze: Duration,
    /// The longest pause of the sound that began in the first second …
    pub first_silence: Duration,
    /// … and of those that began later.
    pub later_silence: Duration,
    /// How long it takes until the largest layer is there again; `None`: longer than [`NEVER`].
    pub back: Option<Duration>,
}

/// 3 Mbit/s for 20 s, 300 kbit/s for 30 s, and 3 Mbit/s again.
pub fn falls(seed: u64) -> Fall {
    let mut call = Call::new(seed, Link::of_kbps(3_000));
    call.run(secs(20));
    let before = call.layer();
    let fall = call.world.now;
    call.change(Link::of_kbps(300));
    call.run(secs(1));
    call.longest_queue = Duration::ZERO;
    call.run(secs(29));
    let (queue, small) = (call.longest_queue, call.layer());
    let freeze = call.longest_freeze(fall);
    let first_silence = call.longest_silence_in(fall..fall + secs(1));
    let later_silence = call.longest_silence(fall + secs(1));
    call.change(Link::of_kbps(3_000));
    Fall {
        layers: [before, small],
        queue,
        freeze,
        first_silence,
        later_silence,
        back: call.run_until_layer(NEVER, 2),
    }
}

/// A link that stays as it is, as it is noticed.
#[derive(Clone, Copy, Debug)]
pub struct Steady {
    /// The layer that is seen in the end.
    pub layer: Option<u8>,
    /// How often it changed before the way was measured …
    pub first_changes: usize,
    /// … and since then.
    pub changes: usize,
    /// The share of pictures that are not shown.
    pub undecodable: f64,
    /// The share of sounds that are not heard.
    pub lost_sound: f64,
}

fn stays(seed: u64, link: Link, settles: Duration, then: Duration) -> Steady {
    let mut call = Call::new(seed, link);
    let begin = call.world.now;
    call.run(settles);
    let settled = call.world.now;
    let first_changes = call.layer_changes(begin);
    call.run(then);
    Steady {
        layer: call.layer(),
        first_changes,
        changes: call.layer_changes(settled),
        undecodable: call.undecodable(),
        lost_sound: call.lost_sound(),
    }
}

/// 3 Mbit/s, and each twentieth packet is lost, both ways: ten seconds and a minute.
pub fn loses(seed: u64) -> Steady {
    let lossy = Link {
        loss: 0.05,
        ..Link::of_kbps(3_000)
    };
    stays(seed, lossy, secs(10), secs(60))
}

/// A round trip of 300 ms with 50 ms of jitter each way: five seconds, in which other layers are tried, and five minutes.
pub fn is_far(seed: u64) -> Steady {
    let far = Link {
        delay: ms(150),
        jitter: ms(50),
        ordered: true,
        ..Link::CLEAN
    };
    stays(seed, far, secs(5), secs(300))
}

/// The same way on which packets overtake each other.
pub fn overtakes(seed: u64) -> Steady {
    let far = Link {
        delay: ms(150),
        jitter: ms(50),
        ..Link::CLEAN
    };
    stays(seed, far, secs(5), secs(300))
}

/// Two who share a link and see eight cameras of 50, 170 and 450 kbit/s each.
#[derive(Clone, Copy, Debug)]
pub struct Household {
    /// The share of the link that is used while only the first is there.
    pub used: f64,
    /// How far either is from half of what both get, as a share of it.
    pub unfair: f64,
}

/// 3 Mbit/s: the first is alone for 20 s and then half a minute that is measured; the second comes, and after half a minute two
/// are measured.
pub fn is_shared(seed: u64) -> Household {
    const BPS: u64 = 3_000_000;
    let mut world = World::new(seed);
    let publishers: Vec<Person> = (0..8).map(|_| world.join("Alice")).collect();
    world.connect();
    let publish = |person: &Person| world.publish(*person, Codec::Vp8);
    let cameras: Vec<TrackId> = publishers.iter().map(publish).collect();
    let come = |world: &mut World, behind: Option<Person>| {
        world.link = Link::of_kbps(BPS / 1_000);
        let person = world.join("Bob");
        let client = world.client(person);
        client.tells = true;
        client.behind = behind;
        world.connect();
        for camera in &cameras {
            world.subscribe(person, *camera, up_to(2));
        }
        person
    };
    let first = come(&mut world, None);
    world.run(secs(20));
    let [alone] = receive(&mut world, secs(30), [first]);
    let second = come(&mut world, Some(first));
    world.run(secs(30));
    let shares = receive(&mut world, secs(120), [first, second]);
    let fair = shares.iter().sum::<f64>() / 2.0;
    let unfair = shares.map(|share| (share - fair).abs() / fair.max(1.0));
    Household {
        used: alone / BPS as f64,
        unfair: unfair.into_iter().fold(0.0, f64::max),
    }
}

/// What people get over the time that follows, in bit/s.
fn receive<const N: usize>(world: &mut World, duration: Duration, people: [Person; N]) -> [f64; N] {
    let before = people.map(|person| world.client(person).received_bytes);
    world.run(duration);
    let mut before = before.into_iter();
    people.map(|person| {
        let bytes = world.client(person).received_bytes - before.next().unwrap_or(0);
        bytes as f64 * 8.0 / duration.as_secs_f64()
    })
}
