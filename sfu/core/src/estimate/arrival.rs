//! How much longer the way became from one burst of packets to the next: differences between the times of groups of
//! packets that left together, at both ends (goog_cc's `InterArrivalDelta`).

use super::Arrived;

/// Packets that leave within this time are one group.
const GROUP_US: i64 = 5_000;

/// Packets that arrive this close together, closer than they left, were held up somewhere and belong together …
const BURST_US: i64 = 5_000;

/// … but not for longer than this.
const BURST_MAX_US: i64 = 100_000;

/// Groups in a row that arrived before their predecessors, after which it begins anew.
const REORDERED_MAX: u8 = 3;

/// The peer's clock ran this much further than ours between two groups: it was set, or the network slept.
const CLOCK_STEP_US: i64 = 3_000_000;

/// Times between the ends of two groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deltas {
    /// By our clock.
    pub sent_us: i64,
    /// By the peer's.
    pub arrived_us: i64,
}

#[derive(Clone, Copy, Debug)]
struct Group {
    first_sent_us: i64,
    last_sent_us: i64,
    first_arrived_us: i64,
    last_arrived_us: i64,
    /// When we heard of its latest packet.
    told_us: i64,
}

/// The groups.
#[derive(Clone, Copy, Debug, Default)]
pub struct InterArrival {
    current: Option<Group>,
    previous: Option<Group>,
    reordered: u8,
}

impl InterArrival {
    /// Takes a packet, in order of arrival; when it begins a new group, the deltas of the two before.
    pub fn on_packet(&mut self, now_us: i64, packet: &Arrived) -> Option<Deltas> {
        let Arrived {
            sent_us, arrived_us, ..
        } = *packet;
        let fresh = Group {
            first_sent_us: sent_us,
            last_sent_us: sent_us,
            first_arrived_us: arrived_us,
            last_arrived_us: arrived_us,
            told_us: now_us,
        };
        let Some(current) = &mut self.current else {
            self.current = Some(fresh);
            return None;
        };
        if sent_us < current.first_sent_us {
            return None; // it belongs to a group that is over
        }
        if current.takes(packet) {
            current.last_sent_us = current.last_sent_us.max(sent_us);
            current.last_arrived_us = arrived_us;
            current.told_us = now_us;
            return None;
        }
        let finished = *current;
        self.current = Some(fresh);
        let previous = self.previous.replace(finished)?;
        let deltas = Deltas {
            sent_us: finished.last_sent_us - previous.last_sent_us,
            arrived_us: finished.last_arrived_us.saturating_sub(previous.last_arrived_us),
        };
        let told_us = finished.told_us - previous.told_us;
        if deltas.arrived_us.saturating_sub(told_us) >= CLOCK_STEP_US {
            *self = Self::default();
            return None;
        }
        if deltas.arrived_us < 0 {
            self.reordered += 1;
            if self.reordered >= REORDERED_MAX {
                *self = Self::default();
            }
            return None;
        }
        self.reordered = 0;
        Some(deltas)
    }
}

impl Group {
    fn takes(&self, packet: &Arrived) -> bool {
        let sent_us = packet.sent_us - self.last_sent_us;
        let arrived_us = packet.arrived_us.saturating_sub(self.last_arrived_us);
        let is_burst = sent_us == 0
            || (arrived_us < sent_us
                && arrived_us <= BURST_US
                && packet.arrived_us.saturating_sub(self.first_arrived_us) < BURST_MAX_US);
        is_burst || packet.sent_us - self.first_sent_us <= GROUP_US
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(sent_ms: i64, arrived_ms: i64) -> Arrived {
        Arrived {
            sent_us: sent_ms * 1_000,
            arrived_us: arrived_ms * 1_000,
            ..Arrived::default()
        }
    }

    fn feed(packets: &[(i64, i64)]) -> Vec<(i64, i64)> {
        let mut arrival = InterArrival::default();
        packets
            .iter()
            .filter_map(|(sent, arrived)| arrival.on_packet(*arrived * 1_000, &at(*sent, *arrived)))
            .map(|deltas| (deltas.sent_us / 1_000, deltas.arrived_us / 1_000))
            .collect()
    }

    #[test]
    fn groups_are_compared_by_their_last_packets() {
        // Three frames of two packets, the third 4 ms later than it should be.
        let packets = [
            (0, 50),
            (2, 52),
            (33, 83),
            (35, 85),
            (66, 120),
            (68, 122),
            (100, 150),
        ];
        assert_eq!(feed(&packets), [(33, 33), (33, 37)]);
    }

    #[test]
    fn packets_that_were_held_up_and_arrive_at_once_are_one_group() {
        let packets = [(0, 50), (33, 120), (66, 121), (100, 122), (150, 200), (200, 250)];
        assert_eq!(feed(&packets), [(100, 72), (50, 78)]);
    }

    #[test]
    fn a_group_before_its_predecessor_gives_nothing_and_three_begin_anew() {
        // The last packet of each group overtakes the group before.
        let overtaking = |group: i64| {
            let (sent, arrived) = (group * 100, 10_000 - group * 20);
            [(sent, arrived + 110), (sent + 1, arrived)]
        };
        let mut packets: Vec<_> = (0..3).flat_map(overtaking).collect();
        packets.extend([(400, 10_400), (500, 10_500), (600, 10_600)]);
        assert_eq!(feed(&packets), [(199, 440), (100, 100)], "two are passed over");
        let mut packets: Vec<_> = (0..4).flat_map(overtaking).collect();
        packets.extend([(400, 10_400), (500, 10_500), (600, 10_600), (700, 10_700)]);
        assert_eq!(feed(&packets), [(100, 100)], "three begin anew");
    }
}
