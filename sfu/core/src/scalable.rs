//! Which frames of a scalable stream a subscriber gets (VP9, AV1, and what else comes with a dependency descriptor).
//!
//! With a dependency descriptor ([`crate::dependency`]) the choice is a decode target: frames that are no part of it are
//! left out, and it changes only where the target's chain is whole and the frame allows it. Without one, VP9 is chosen
//! by the layer indices of its payload descriptor ([`crate::vp9`]).

use crate::command::{Codec, Layering, SendPlan};
use crate::dependency::{CHAINS_MAX, Frame, Indication, Structure};
use crate::ring::{Description, PacketFacts};
use crate::selection::{Numbers, Verdict, Wish};
use crate::vp9::{Vp9Descriptor, Vp9Rewriter};

/// Frames whose fate is remembered, for their late packets and for those that need them: as many as a chain can span.
const FATES: u64 = 256;

/// The choice for one down track.
#[derive(Debug)]
pub struct Scalable {
    codec: Codec,
    /// The subscriber reads dependency descriptors.
    reads_dependency: bool,
    /// The current stream is chosen by its dependency descriptors.
    by_dependency: bool,
    /// One stream has all spatial layers.
    is_layered: bool,
    targets: TargetChoice,
    layers: LayerChoice,
}

impl Scalable {
    /// The choice for a track, before its first packet.
    pub fn new(codec: Codec, layering: Layering, plan: &SendPlan) -> Self {
        Scalable {
            codec,
            reads_dependency: plan.extensions.dependency_descriptor.is_some(),
            by_dependency: false,
            is_layered: layering == Layering::InStream,
            targets: TargetChoice::default(),
            layers: LayerChoice::default(),
        }
    }

    /// A stream begins with this packet, the first of a key frame.
    pub fn switch(&mut self, facts: &PacketFacts) {
        let brings_structure = facts.dependency.filter(|frame| frame.has_structure);
        // A subscriber without dependency descriptors goes by VP9's own numbers; those of other codecs it does not miss.
        self.by_dependency =
            brings_structure.is_some() && (self.reads_dependency || self.codec != Codec::Vp9);
        if let Some(frame) = brings_structure {
            self.targets.switch(&frame);
        }
        if let Description::Vp9(descriptor) = &facts.description {
            self.layers.switch(descriptor);
        }
    }

    /// The spatial layer that goes out, of a stream that has several.
    pub fn spatial(&self) -> Option<u8> {
        if !self.is_layered {
            None
        } else if self.by_dependency {
            self.targets.current.map(|target| target.spatial)
        } else {
            Some(self.layers.now.spatial)
        }
    }

    /// Whether only a key frame leads from the spatial layer that goes out to the one that is wanted.
    pub fn needs_key_frame(&self, wanted: u8) -> bool {
        if self.by_dependency {
            self.targets.is_stuck
        } else {
            self.layers.now.spatial < wanted
        }
    }

    /// What becomes of the next packet of the stream, and whether it ends a picture.
    pub fn judge(
        &mut self,
        facts: &PacketFacts,
        structure: Option<&Structure>,
        wish: Wish,
    ) -> (Verdict, bool) {
        let wish = Wish {
            spatial: if self.is_layered { wish.spatial } else { u8::MAX },
            ..wish
        };
        if self.by_dependency {
            let Some((frame, structure)) = facts.dependency.as_ref().zip(structure) else {
                return (Verdict::Lose, false);
            };
            let (verdict, ends) = self.targets.judge(facts, frame, structure, wish);
            return (verdict, facts.marker || ends && self.is_layered);
        }
        match &facts.description {
            Description::Vp9(descriptor) => {
                let (verdict, ends) = self.layers.judge(facts, descriptor, wish);
                (verdict, facts.marker || ends && self.is_layered)
            }
            _ => (Verdict::Forward(Numbers::Unchanged), facts.marker),
        }
    }
}

/// What became of the latest frames, by their numbers.
#[derive(Debug, Default)]
struct Fates {
    newest: Option<u64>,
    known: [u64; 4],
    forwarded: [u64; 4],
}

impl Fates {
    /// The number with its turns in front.
    fn extend(&self, number: u16) -> u64 {
        let newest = self.newest.unwrap_or(1 << 16 | u64::from(number));
        let distance = number.wrapping_sub(newest as u16).cast_signed();
        newest.saturating_add_signed(i64::from(distance))
    }

    fn is_new(&self, number: u64) -> bool {
        self.newest.is_none_or(|newest| number > newest)
    }

    fn is_forgotten(&self, number: u64) -> bool {
        self.newest.is_some_and(|newest| number + FATES <= newest)
    }

    /// Whether a frame went out; `None` if nothing of it has come, or it is too long ago.
    fn of(&self, number: u64) -> Option<bool> {
        let newest = self.newest?;
        if number > newest || self.is_forgotten(number) {
            return None;
        }
        let (word, bit) = Self::place(number);
        let known = self.known.get(word)? & bit != 0;
        known.then_some(self.forwarded.get(word)? & bit != 0)
    }

    fn note(&mut self, number: u64, is_forwarded: bool) {
        let newest = self.newest.unwrap_or(number);
        for passed in (newest + 1..=number).rev().take(FATES as usize) {
            let (word, bit) = Self::place(passed);
            if let Some(known) = self.known.get_mut(word) {
                *known &= !bit;
            }
        }
        self.newest = Some(newest.max(number));
        let (word, bit) = Self::place(number);
        if let (Some(known), Some(forwarded)) = (self.known.get_mut(word), self.forwarded.get_mut(word)) {
            *known |= bit;
            *forwarded = if is_forwarded {
                *forwarded | bit
            } else {
                *forwarded & !bit
            };
        }
    }

    fn place(number: u64) -> (usize, u64) {
        ((number % FATES / 64) as usize, 1 << (number % 64))
    }
}

/// The decode target that goes out.
#[derive(Clone, Copy, Debug)]
struct Current {
    target: u8,
    spatial: u8,
    temporal: u8,
}

/// A choice by decode targets.
#[derive(Debug, Default)]
struct TargetChoice {
    current: Option<Current>,
    /// A key frame is needed to come to the wanted spatial layer.
    is_stuck: bool,
    fates: Fates,
    /// Chains of which a frame was left out.
    broken: u32,
    /// Decode targets that the publisher sends; `None`: all of the structure.
    active: Option<u32>,
    /// The picture that the latest frames belong to.
    picture: Option<u64>,
    /// The mask that the subscriber is to know, and the picture that told it, once one has gone out.
    told: Option<(u32, Option<u64>)>,
    number_offset: u16,
}

impl TargetChoice {
    fn switch(&mut self, frame: &Frame) {
        let number_offset = match self.fates.newest {
            Some(newest) => (newest as u16)
                .wrapping_add(self.number_offset)
                .wrapping_add(1)
                .wrapping_sub(frame.number),
            None => 0,
        };
        *self = TargetChoice {
            number_offset,
            ..TargetChoice::default()
        };
    }

    fn judge(
        &mut self,
        facts: &PacketFacts,
        frame: &Frame,
        structure: &Structure,
        wish: Wish,
    ) -> (Verdict, bool) {
        let number = self.fates.extend(frame.number);
        if self.fates.is_forgotten(number) {
            return (Verdict::Lose, false);
        }
        let is_forwarded = match self.fates.of(number) {
            Some(is_forwarded) => is_forwarded,
            None => {
                if self.fates.is_new(number) {
                    if frame.has_structure {
                        self.active = None;
                    }
                    self.active = frame.active.or(self.active);
                    self.note_chains(frame, number);
                    self.choose(facts, frame, structure, wish);
                }
                let is_forwarded = self
                    .current
                    .is_some_and(|current| frame.indication(current.target) != Indication::NotPresent);
                self.fates.note(number, is_forwarded);
                is_forwarded
            }
        };
        let Some(current) = self.current.filter(|_| is_forwarded) else {
            return (Verdict::LeaveOut, false);
        };
        let numbers = Numbers::Dependency {
            number: frame.number.wrapping_add(self.number_offset),
            active: self.mask(facts, frame),
        };
        (
            Verdict::Forward(numbers),
            frame.end && frame.spatial == current.spatial,
        )
    }

    fn note_chains(&mut self, frame: &Frame, number: u64) {
        for chain in 0..CHAINS_MAX as u8 {
            let bit = 1 << chain;
            match frame.chain_difference(chain) {
                0 => self.broken &= !bit,
                difference if self.fates.of(number.saturating_sub(u64::from(difference))) == Some(false) => {
                    self.broken |= bit;
                }
                _ => {} // a frame that has not come yet may still come
            }
        }
    }

    /// To the best target that is wanted, sent, and can be decoded from this new frame on. The spatial layer changes
    /// only with the first frame of a picture: a picture has one last layer.
    fn choose(&mut self, facts: &PacketFacts, frame: &Frame, structure: &Structure, wish: Wish) {
        let begins = self.picture.is_none_or(|picture| facts.timestamp > picture);
        if begins {
            self.picture = Some(facts.timestamp);
            if frame.has_structure {
                self.current = None;
            }
        }
        let active = self.active.unwrap_or_else(|| frame.all_targets());
        let mut best: Option<Current> = None;
        let mut wanted_spatial = None;
        for (place, target) in (0u8..).zip(structure.targets()) {
            let is_wanted = target.spatial <= wish.spatial && target.temporal <= wish.temporal;
            if active >> place & 1 == 0 || !is_wanted {
                continue;
            }
            wanted_spatial = wanted_spatial.max(Some(target.spatial));
            let is_whole = target.chain.is_none_or(|chain| self.broken >> chain & 1 == 0);
            let is_switch = frame.indication(place) == Indication::Switch;
            let leads_there = match self.current {
                None => begins && (frame.has_structure || is_switch),
                // Its frames have all gone out as part of the larger target.
                Some(current) if target.spatial <= current.spatial && target.temporal <= current.temporal => {
                    begins || target.spatial == current.spatial
                }
                Some(current) => is_switch && (begins || target.spatial == current.spatial),
            };
            let is_better =
                best.is_none_or(|best| (target.spatial, target.temporal) > (best.spatial, best.temporal));
            if is_whole && leads_there && is_better {
                best = Some(Current {
                    target: place,
                    spatial: target.spatial,
                    temporal: target.temporal,
                });
            }
        }
        self.current = best.or(self.current);
        if begins {
            let spatial = self.current.map(|current| current.spatial);
            self.is_stuck = wanted_spatial.is_some() && spatial != wanted_spatial;
        }
        if let Some(current) = self.current {
            let mask = Self::targets_within(current, structure, active);
            if frame.has_structure || self.told.is_none_or(|(told, _)| told != mask) {
                self.told = Some((mask, None));
            }
        }
    }

    /// The targets that can be decoded from what goes out.
    fn targets_within(current: Current, structure: &Structure, active: u32) -> u32 {
        let within = (0u8..)
            .zip(structure.targets())
            .filter(|(_, target)| target.spatial <= current.spatial && target.temporal <= current.temporal);
        within.fold(0, |mask, (place, _)| mask | 1 << place) & active
    }

    /// The mask that a packet carries: with every structure, in the picture with which it changes, and instead of the
    /// publisher's.
    fn mask(&mut self, facts: &PacketFacts, frame: &Frame) -> Option<u32> {
        let (mask, since) = self.told.as_mut()?;
        if self.picture == Some(facts.timestamp) {
            since.get_or_insert(facts.timestamp);
        }
        let is_told = frame.has_structure || frame.active.is_some() || *since == Some(facts.timestamp);
        let is_default = frame.has_structure && frame.active.is_none() && *mask == frame.all_targets();
        (is_told && !is_default).then_some(*mask)
    }
}

/// The largest layers that go out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Layers {
    spatial: u8,
    temporal: u8,
}

/// A choice by VP9's layer indices. Smaller spatial layers always go along: the descriptor does not say whether a later
/// picture needs them.
#[derive(Debug, Default)]
struct LayerChoice {
    rewriter: Vp9Rewriter,
    now: Layers,
    /// First sequence number under the present choice; late packets from before it go by the earlier one.
    since: u64,
    before: Layers,
    picture: Option<u64>,
}

impl LayerChoice {
    fn switch(&mut self, to: &Vp9Descriptor) {
        self.rewriter.switch(to);
        // The numbers of another stream say nothing about this one.
        (self.picture, self.since) = (None, 0);
    }

    fn judge(&mut self, facts: &PacketFacts, descriptor: &Vp9Descriptor, wish: Wish) -> (Verdict, bool) {
        if self.picture.is_none_or(|picture| facts.timestamp > picture) {
            self.picture = Some(facts.timestamp);
            let next = self.next(descriptor, wish);
            if next != self.now {
                (self.before, self.now, self.since) = (self.now, next, facts.sequence);
            }
        }
        let layers = if facts.sequence >= self.since {
            self.now
        } else {
            self.before
        };
        if descriptor.spatial > layers.spatial || descriptor.temporal > layers.temporal {
            return (Verdict::LeaveOut, false);
        }
        let numbers = self.rewriter.rewrite(facts.sequence, descriptor);
        (
            Verdict::Forward(Numbers::Vp9(numbers)),
            descriptor.end && descriptor.spatial == layers.spatial,
        )
    }

    /// The choice from a picture on: down at any of them, up in time where it allows that, up in space at key pictures.
    fn next(&self, descriptor: &Vp9Descriptor, wish: Wish) -> Layers {
        // In a stream with one spatial layer its index says nothing.
        let is_smallest = descriptor.spatial == 0 || wish.spatial == u8::MAX;
        if descriptor.start && !descriptor.inter_predicted && is_smallest {
            return Layers {
                spatial: wish.spatial,
                temporal: wish.temporal,
            };
        }
        // Pictures of higher layers that follow need none of those before this one (RFC 9628, section 4.2, U).
        let climbs = descriptor.switching_up && descriptor.temporal <= self.now.temporal;
        let temporal = if climbs { wish.temporal } else { self.now.temporal };
        Layers {
            spatial: self.now.spatial.min(wish.spatial),
            temporal: temporal.min(wish.temporal),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::Layer;
    use crate::vp9;

    /// A picture of one packet; number 1 is a key picture. `may_climb`: one may begin with its temporal layer here.
    fn picture(sequence: u64, temporal: u8, may_climb: bool) -> (PacketFacts, Vp9Descriptor) {
        // I, P, L, B, E; then U.
        let payload = [
            if sequence == 1 { 0xac } else { 0xec },
            sequence as u8,
            temporal << 5 | u8::from(may_climb) << 4,
            1,
            7,
        ];
        let descriptor = vp9::parse(&payload).unwrap();
        let facts = PacketFacts {
            layer: Layer(0),
            sequence,
            timestamp: 3_000 * sequence,
            marker: true,
            entry: sequence == 1,
            description: Description::Vp9(descriptor),
            dependency: None,
        };
        (facts, descriptor)
    }

    #[test]
    fn a_late_packet_goes_by_the_choice_of_its_own_time() {
        let mut choice = LayerChoice::default();
        // Two temporal layers.
        let mut judge = |sequence: u64, temporal: u8| {
            let (facts, descriptor) = picture(sequence, (sequence as u8 + 1) % 2, true);
            let wish = Wish { spatial: 0, temporal };
            choice.judge(&facts, &descriptor, wish).0
        };
        let goes_out = |verdict| matches!(verdict, Verdict::Forward(_));
        assert!(goes_out(judge(1, 1)) && goes_out(judge(2, 1)) && goes_out(judge(3, 1)));
        // 4 is late; meanwhile the subscriber wants fewer pictures.
        assert!(goes_out(judge(5, 0)) && !goes_out(judge(6, 0)));
        assert!(goes_out(judge(4, 0)), "it was wanted when it was sent");
        assert!(goes_out(judge(7, 0)) && !goes_out(judge(8, 0)));
    }

    /// Temporal layers of a stream's pictures, one packet each, from number 1 on.
    const PATTERN: [u8; 4] = [0, 2, 1, 2];

    /// The pictures above the base layer that a subscriber gets, of sixteen; the encoder lets it climb with `climbs_at`.
    /// From the fifth on it wants `wish` instead of `first_wish`.
    fn upper(climbs_at: Option<u64>, first_wish: u8, wish: u8) -> Vec<u64> {
        let mut choice = LayerChoice::default();
        let mut got = Vec::new();
        for (sequence, temporal) in (1..=16u64).zip(PATTERN.into_iter().cycle()) {
            let (facts, descriptor) = picture(sequence, temporal, climbs_at == Some(sequence));
            let wish = Wish {
                spatial: 0,
                temporal: if sequence < 5 { first_wish } else { wish },
            };
            let goes_out = matches!(choice.judge(&facts, &descriptor, wish).0, Verdict::Forward(_));
            assert!(goes_out || temporal > 0, "everybody gets the base layer");
            if goes_out && temporal > 0 {
                got.push(sequence);
            }
        }
        got
    }

    #[test]
    fn a_subscriber_climbs_to_more_pictures_only_where_they_need_none_that_it_did_not_get() {
        assert_eq!(upper(None, 0, 2), [0; 0], "the encoder never allows it");
        assert_eq!(upper(Some(9), 0, 2), [10, 11, 12, 14, 15, 16]);
        assert_eq!(upper(Some(9), 0, 1), [11, 15], "no further than it wants");
        assert_eq!(
            upper(Some(7), 0, 2),
            [0; 0],
            "allowed to those who get the middle layer, which it does not"
        );
        assert_eq!(upper(Some(7), 1, 2), [3, 7, 8, 10, 11, 12, 14, 15, 16]);
    }

    #[test]
    fn what_became_of_a_frame_is_known_for_as_long_as_a_chain_can_span() {
        let mut fates = Fates::default();
        let first = fates.extend(65_500);
        // Every third goes out, and every fifth never comes.
        for number in (first..first + 1_000).filter(|number| number % 5 != 0) {
            fates.note(number, number % 3 == 0);
            for back in 0..256.min(number - first) {
                let earlier = number - back;
                let expected = (earlier % 5 != 0).then_some(earlier % 3 == 0);
                assert_eq!(fates.of(earlier), expected, "{earlier} at {number}");
            }
            assert_eq!(fates.of(number.saturating_sub(256)), None);
            assert_eq!(fates.of(number + 1), None);
        }
        assert_eq!(fates.extend(65_500_u16.wrapping_add(1_001)), first + 1_001);
    }
}
