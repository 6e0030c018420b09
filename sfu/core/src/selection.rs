//! Which packets of the current stream a subscriber gets: its temporal layers, and the running numbers that its
//! decoder sees.
//!
//! [`Selection::switch`] begins a stream at a key frame; [`Selection::judge`] then says of each packet, in order of
//! arrival, what becomes of it.

use crate::command::{Codec, Layering, SendPlan};
use crate::dependency::Structure;
use crate::ring::{Description, PacketFacts};
use crate::scalable::Scalable;
use crate::vp8::{Vp8Descriptor, Vp8Rewriter, Vp8Rewritten};
use crate::vp9::Vp9Rewritten;

/// The running numbers that one packet carries to one subscriber. The same packet and the same value always make the
/// same bytes, so that a retransmission needs no more than this.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Numbers {
    /// The payload goes out as it came.
    Unchanged,
    /// No payload: the packet only keeps the subscriber from missing its sequence number.
    Empty,
    /// Numbers of the VP8 payload descriptor.
    Vp8(Vp8Rewritten),
    /// Numbers of the VP9 payload descriptor.
    Vp9(Vp9Rewritten),
    /// The dependency descriptor's; the payload goes out as it came.
    Dependency {
        /// Frame number.
        number: u16,
        /// Mask of active decode targets; `None`: the one that came.
        active: Option<u32>,
    },
}

/// The largest layers that a subscriber can use.
#[derive(Clone, Copy, Debug)]
pub struct Wish {
    /// Of those in one stream.
    pub spatial: u8,
    /// Temporal layer; `u8::MAX` is all of them.
    pub temporal: u8,
}

/// What becomes of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It goes out.
    Forward(Numbers),
    /// The subscriber does not want it and shall not miss it.
    LeaveOut,
    /// It cannot go out; its number stays empty, as if the packet had been lost.
    Lose,
}

/// The choice for one down track.
#[derive(Debug)]
pub enum Selection {
    /// Everything passes as it is.
    All,
    /// Temporal layers and running numbers of VP8.
    Vp8(Vp8Selection),
    /// Temporal and spatial layers of a scalable stream.
    Scalable(Box<Scalable>),
}

impl Selection {
    /// The choice for a track of this codec, before its first packet.
    pub fn new(codec: Codec, layering: Layering, plan: &SendPlan) -> Self {
        match codec {
            Codec::Vp8 => Selection::Vp8(Vp8Selection {
                rewriter: Vp8Rewriter::new(),
                temporal: u8::MAX,
            }),
            Codec::Vp9 | Codec::Av1 | Codec::H264 => {
                Selection::Scalable(Box::new(Scalable::new(codec, layering, plan)))
            }
            _ => Selection::All,
        }
    }

    /// A stream begins with this packet, the first of a key frame. [`Selection::judge`] must follow for it.
    pub fn switch(&mut self, facts: &PacketFacts) {
        match (self, &facts.description) {
            (Selection::Vp8(vp8), Description::Vp8(descriptor)) => vp8.rewriter.switch(descriptor),
            (Selection::Scalable(scalable), _) => scalable.switch(facts),
            _ => {}
        }
    }

    /// The spatial layer that goes out, if one stream has several of them.
    pub fn spatial(&self) -> Option<u8> {
        match self {
            Selection::Scalable(scalable) => scalable.spatial(),
            _ => None,
        }
    }

    /// Whether only a key frame leads to the wanted spatial layer of the stream that goes out.
    pub fn needs_key_frame(&self, wanted: u8) -> bool {
        match self {
            Selection::Scalable(scalable) => scalable.needs_key_frame(wanted),
            _ => false,
        }
    }

    /// What becomes of the next packet of the stream, and whether it ends a picture for the subscriber.
    #[inline]
    pub fn judge(
        &mut self,
        facts: &PacketFacts,
        structure: Option<&Structure>,
        wish: Wish,
    ) -> (Verdict, bool) {
        match (self, &facts.description) {
            (Selection::Vp8(vp8), Description::Vp8(descriptor)) => {
                (vp8.judge(descriptor, wish.temporal), facts.marker)
            }
            (_, Description::Padding) => (Verdict::Forward(Numbers::Empty), facts.marker),
            (Selection::Scalable(scalable), _) => scalable.judge(facts, structure, wish),
            _ => (Verdict::Forward(Numbers::Unchanged), facts.marker),
        }
    }
}

/// See [`Selection::Vp8`].
#[derive(Debug)]
pub struct Vp8Selection {
    rewriter: Vp8Rewriter,
    /// The highest temporal layer that goes out.
    temporal: u8,
}

impl Vp8Selection {
    #[inline]
    fn judge(&mut self, descriptor: &Vp8Descriptor, temporal_max: u8) -> Verdict {
        let passes_all = temporal_max == u8::MAX && self.temporal == u8::MAX;
        if !(passes_all && self.rewriter.has_all())
            && let (Some(id), Some(tid)) = (descriptor.picture_id, descriptor.tid)
        {
            // A picture that is late goes out whatever its layer: its PictureID waits for it.
            if self.rewriter.is_new(id) {
                self.move_to(descriptor, tid, temporal_max);
                if tid > self.temporal {
                    self.rewriter.leave_out(id);
                    return Verdict::LeaveOut;
                }
            } else if self.rewriter.is_left_out(id) {
                return Verdict::LeaveOut;
            }
        }
        match self.rewriter.rewrite(descriptor) {
            Some(numbers) => Verdict::Forward(Numbers::Vp8(numbers)),
            None => Verdict::Lose,
        }
    }

    /// Down with the first picture that is above, up where a picture needs the base layer only (RFC 7741, section 4.2,
    /// Y), and anywhere with a key frame.
    fn move_to(&mut self, descriptor: &Vp8Descriptor, tid: u8, temporal_max: u8) {
        if descriptor.key_frame || self.temporal > temporal_max {
            self.temporal = temporal_max;
        } else if tid > self.temporal && tid <= temporal_max && descriptor.layer_sync {
            self.temporal = tid;
        }
    }
}
