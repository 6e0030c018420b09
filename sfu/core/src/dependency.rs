//! The dependency descriptor (RTP Payload Format For AV1, appendix A): which frames a picture needs, said in a header
//! extension, so that nothing of the sealed payload has to be read.
//!
//! In: the extension of each packet of one stream, with the [`Structure`] that the latest key frame brought. Out: a
//! [`Frame`] for every packet, and [`write`], which makes the extension of a subscriber: the same bits with another
//! frame number and another mask of active decode targets.

use arrayvec::ArrayVec;

/// Decode targets that a structure can have (5 bits). The format has no room for more.
pub const TARGETS_MAX: usize = 32;

/// Chains that are followed. The format allows 32; encoders have one for each spatial layer. A structure with more is
/// refused, and its stream not forwarded.
pub const CHAINS_MAX: usize = 8;

/// Templates that a structure can have (6 bits). One with more is malformed: its packet tells nothing, and is not forwarded.
pub const TEMPLATES_MAX: usize = 64;

/// Bytes of the longest extension (two-byte form, RFC 8285, section 4.3). A longer one cannot be written.
pub const LEN_MAX: usize = 255;

/// What a rewritten descriptor may need beyond the bytes of the one that came: the flags and a mask.
pub const GROWTH_MAX: usize = 6;

/// Bits of the fields that every descriptor has.
const MANDATORY_BITS: usize = 24;

/// Bits of the flags behind them.
const FLAG_BITS: usize = 5;

/// How a frame stands to a decode target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Indication {
    /// It is no part of it.
    NotPresent,
    /// Nothing else of it needs the frame.
    Discardable,
    /// Whoever decodes this frame can decode the target from here on.
    Switch,
    /// It is needed.
    Required,
}

impl Indication {
    const fn of(bits: u64) -> Self {
        match bits & 3 {
            0 => Indication::NotPresent,
            1 => Indication::Discardable,
            2 => Indication::Switch,
            _ => Indication::Required,
        }
    }
}

/// A decode target: one choice of layers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Target {
    /// The largest spatial layer in it.
    pub spatial: u8,
    /// The highest temporal layer in it.
    pub temporal: u8,
    /// The chain that protects it; `None` without chains.
    pub chain: Option<u8>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Template {
    spatial: u8,
    temporal: u8,
    /// Two bits for each target, the first in the lowest.
    indications: u64,
    chain_differences: [u8; CHAINS_MAX],
}

/// What a key frame says of all frames until the next structure comes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Structure {
    first_template: u8,
    templates: ArrayVec<Template, TEMPLATES_MAX>,
    targets: ArrayVec<Target, TARGETS_MAX>,
    chains: u8,
}

impl Structure {
    /// The decode targets.
    pub fn targets(&self) -> &[Target] {
        &self.targets
    }
}

/// What one packet says of its frame. Bit positions are those in its own extension.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    /// First packet of the frame.
    pub start: bool,
    /// Last packet of the frame.
    pub end: bool,
    /// Its number, which wraps.
    pub number: u16,
    /// Its spatial layer.
    pub spatial: u8,
    /// Its temporal layer.
    pub temporal: u8,
    /// The packet brings a structure, so that decoding may begin here.
    pub has_structure: bool,
    /// The mask of active decode targets in this packet; `None`: as before, or all of them if it brings a structure.
    pub active: Option<u32>,
    indications: u64,
    chain_differences: [u8; CHAINS_MAX],
    targets: u8,
    structure_end: u16,
    active_end: u16,
    end_bit: u16,
}

impl Frame {
    /// How the frame stands to a decode target.
    pub fn indication(&self, target: u8) -> Indication {
        Indication::of(self.indications.checked_shr(2 * u32::from(target)).unwrap_or(0))
    }

    /// How many frames lie between this one and the one before it in a chain; 0: it is the first of the chain.
    pub fn chain_difference(&self, chain: u8) -> u8 {
        self.chain_differences
            .get(usize::from(chain))
            .copied()
            .unwrap_or(0)
    }

    /// Mask of all decode targets.
    pub fn all_targets(&self) -> u32 {
        u32::MAX >> (32 - u32::from(self.targets.clamp(1, TARGETS_MAX as u8)))
    }
}

/// What [`parse`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Parsed {
    /// The frame.
    Frame(Frame),
    /// A template that the structure does not have: it belongs to a structure that has not come yet, or is past.
    UnknownTemplate,
}

/// Reads an extension. A structure in it replaces the one in `structure` and is the one by which it is read. `None` if
/// it is malformed or has more than [`CHAINS_MAX`] chains; then `structure` is as before.
pub fn parse(extension: &[u8], structure: &mut Option<Box<Structure>>) -> Option<Parsed> {
    if extension.len() > LEN_MAX {
        return None;
    }
    let mut bits = Bits {
        bytes: extension,
        at: 0,
    };
    let start = bits.flag()?;
    let end = bits.flag()?;
    let template = bits.take(6)? as u8;
    let number = bits.take(16)? as u16;
    let is_extended = extension.len() * 8 > MANDATORY_BITS;
    let mut flag = || if is_extended { bits.flag() } else { Some(false) };
    let (has_structure, has_active) = (flag()?, flag()?);
    let (custom_indications, custom_differences, custom_chains) = (flag()?, flag()?, flag()?);
    let attached = if has_structure {
        Some(bits.structure()?)
    } else {
        None
    };
    let structure_end = bits.at as u16;
    let known = match attached.as_ref().or(structure.as_deref()) {
        Some(known) => known,
        None => return Some(Parsed::UnknownTemplate),
    };
    let place = usize::from((template + TEMPLATES_MAX as u8 - known.first_template) % TEMPLATES_MAX as u8);
    let Some(template) = known.templates.get(place).copied() else {
        // With its own structure at hand it is malformed.
        return (!has_structure).then_some(Parsed::UnknownTemplate);
    };
    let targets = known.targets.len();
    let active = if has_active {
        Some(bits.take(targets)? as u32)
    } else {
        None
    };
    let active_end = bits.at as u16;
    let indications = if custom_indications {
        bits.indications(targets)?
    } else {
        template.indications
    };
    if custom_differences {
        loop {
            let nibbles = bits.take(2)? as usize;
            if nibbles == 0 {
                break;
            }
            bits.take(4 * nibbles)?;
        }
    }
    let mut chain_differences = template.chain_differences;
    if custom_chains {
        for difference in chain_differences.iter_mut().take(usize::from(known.chains)) {
            *difference = bits.take(8)? as u8;
        }
    }
    let frame = Frame {
        start,
        end,
        number,
        spatial: template.spatial,
        temporal: template.temporal,
        has_structure,
        active,
        indications,
        chain_differences,
        targets: targets as u8,
        structure_end,
        active_end,
        end_bit: bits.at as u16,
    };
    if let Some(attached) = attached {
        match structure {
            Some(known) => **known = attached,
            None => *structure = Some(Box::new(attached)),
        }
    }
    Some(Parsed::Frame(frame))
}

/// Writes the extension of `frame`, whose own is `extension`, with another number and, if given, another mask of active
/// decode targets. Returns its length, at most [`GROWTH_MAX`] more than before; `None` if `out` is too short.
pub fn write(
    extension: &[u8],
    frame: &Frame,
    number: u16,
    active: Option<u32>,
    out: &mut [u8],
) -> Option<usize> {
    let is_extended = extension.len() * 8 > MANDATORY_BITS;
    let first = *extension.first()?;
    out.get_mut(..3)?
        .copy_from_slice(&[first, (number >> 8) as u8, number as u8]);
    let active = active.or(frame.active);
    if !is_extended && active.is_none() {
        return Some(3);
    }
    let mut to = BitWriter {
        bytes: out.get_mut(..extension.len() + GROWTH_MAX).or(None)?,
        at: MANDATORY_BITS,
    };
    let mut from = Bits {
        bytes: extension,
        at: MANDATORY_BITS,
    };
    let flags = if is_extended { from.take(FLAG_BITS)? } else { 0 };
    const HAS_ACTIVE: u64 = 1 << 3;
    let flags = if active.is_some() {
        flags | HAS_ACTIVE
    } else {
        flags
    };
    to.put(flags, FLAG_BITS)?;
    to.copy(
        &mut from,
        usize::from(frame.structure_end).saturating_sub(MANDATORY_BITS + FLAG_BITS),
    )?;
    if let Some(active) = active {
        to.put(u64::from(active), usize::from(frame.targets))?;
    }
    if is_extended {
        from.at = usize::from(frame.active_end);
        to.copy(
            &mut from,
            usize::from(frame.end_bit.saturating_sub(frame.active_end)),
        )?;
    }
    Some(to.close())
}

struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Bits<'_> {
    /// Up to 32 bits, the first as the highest.
    fn take(&mut self, count: usize) -> Option<u64> {
        let mut value = 0;
        let mut left = count;
        while left > 0 {
            let byte = u64::from(*self.bytes.get(self.at / 8)?);
            let here = (8 - self.at % 8).min(left);
            let shifted = byte >> (8 - self.at % 8 - here);
            value = value << here | shifted & ((1 << here) - 1);
            self.at += here;
            left -= here;
        }
        Some(value)
    }

    fn flag(&mut self) -> Option<bool> {
        Some(self.take(1)? == 1)
    }

    /// A number below `n` (appendix A.2, ns(n)).
    fn below(&mut self, n: u64) -> Option<u64> {
        let width = (u64::BITS - n.leading_zeros()) as usize;
        let short = (1 << width) - n;
        let value = self.take(width - 1)?;
        if value < short {
            return Some(value);
        }
        Some((value << 1) - short + self.take(1)?)
    }

    fn indications(&mut self, targets: usize) -> Option<u64> {
        let mut all = 0;
        for target in 0..targets {
            all |= self.take(2)? << (2 * target);
        }
        Some(all)
    }

    fn structure(&mut self) -> Option<Structure> {
        let first_template = self.take(6)? as u8;
        let target_count = self.take(5)? as usize + 1;
        let mut templates = ArrayVec::<Template, TEMPLATES_MAX>::new();
        let mut next = Template::default();
        loop {
            templates.try_push(next).ok()?;
            match self.take(2)? {
                0 => {}
                1 => next.temporal += 1,
                2 => {
                    next.temporal = 0;
                    next.spatial += 1;
                }
                _ => break,
            }
        }
        let spatial_max = next.spatial;
        for template in &mut templates {
            template.indications = self.indications(target_count)?;
        }
        for _ in &templates {
            while self.flag()? {
                self.take(4)?; // how far the frame looks back is the receiver's business
            }
        }
        let chains = self.below(target_count as u64 + 1)?;
        if chains > CHAINS_MAX as u64 {
            return None;
        }
        let mut targets: ArrayVec<Target, TARGETS_MAX> =
            (0..target_count).map(|_| Target::default()).collect();
        if chains > 0 {
            for target in &mut targets {
                target.chain = Some(self.below(chains)? as u8);
            }
            for template in &mut templates {
                for difference in template.chain_differences.iter_mut().take(chains as usize) {
                    *difference = self.take(4)? as u8;
                }
            }
        }
        // The layers of a target are those of the frames in it (appendix A.8.3.3, decode_target_layers).
        for (place, target) in targets.iter_mut().enumerate() {
            let is_part = |template: &&Template| template.indications >> (2 * place) & 3 != 0;
            let parts = templates.iter().filter(is_part);
            for part in parts {
                target.spatial = target.spatial.max(part.spatial);
                target.temporal = target.temporal.max(part.temporal);
            }
        }
        if self.flag()? {
            for _ in 0..=spatial_max {
                self.take(32)?; // width and height
            }
        }
        Some(Structure {
            first_template,
            templates,
            targets,
            chains: chains as u8,
        })
    }
}

struct BitWriter<'a> {
    bytes: &'a mut [u8],
    at: usize,
}

impl BitWriter<'_> {
    fn put(&mut self, value: u64, count: usize) -> Option<()> {
        let mut left = count;
        while left > 0 {
            let byte = self.bytes.get_mut(self.at / 8)?;
            let used = self.at % 8;
            if used == 0 {
                *byte = 0;
            }
            let here = (8 - used).min(left);
            let part = value >> (left - here) & ((1 << here) - 1);
            *byte |= (part << (8 - used - here)) as u8;
            self.at += here;
            left -= here;
        }
        Some(())
    }

    fn copy(&mut self, from: &mut Bits<'_>, mut count: usize) -> Option<()> {
        while count > 0 {
            let here = count.min(32);
            self.put(from.take(here)?, here)?;
            count -= here;
        }
        Some(())
    }

    /// Bytes with the last one filled up with zeros.
    fn close(self) -> usize {
        self.at.div_ceil(8)
    }
}

#[cfg(test)]
mod tests;
