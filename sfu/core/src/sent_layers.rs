//! Which layers of a video go out to a subscriber, and why no larger ones: for those who operate the server, and for
//! nobody's decisions. Told with every [`crate::command::SentQuality`].

use crate::command::{Precedence, Want};
use crate::downlink::Budget;
use crate::ids::{LAYERS_MAX, Layer};
use crate::track::Reach;

/// What goes out of a video to one subscriber, of what there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SentLayers {
    /// The layer that goes out; `None`: nothing does.
    pub layer: Option<Layer>,
    /// The highest temporal layer that goes out; `u8::MAX` is all of them.
    pub temporal_max: u8,
    /// The largest layer that the subscriber could use.
    pub wanted: Layer,
    /// How many layers come in: the largest that flows, and all below it.
    pub flowing: u8,
    /// Why it is not more.
    pub reason: LayerReason,
}

/// Why a subscriber gets what it gets of a video, and not more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LayerReason {
    /// It is what the subscriber wants.
    Wanted,
    /// The subscriber wants nothing of it now: the tile is hidden.
    Hidden,
    /// Nothing comes in of it: the publisher has muted it, or sends none that anybody could get.
    NotSent,
    /// The layer that is wanted does not come in; this is the closest one that does.
    LayerNotSent,
    /// The layer that is to go out begins with its next key frame, which is asked for.
    KeyFrame,
    /// The way to the subscriber does not carry more.
    Link(Share),
    /// The subscriber is to be sent no more, whatever its link carries
    /// ([`crate::command::MediaCommand::LimitDownlink`]).
    Cap(Share),
}

/// How a downlink was shared that does not carry everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// What could go out, in bit/s, sound included.
    pub limit_bps: u64,
    /// Videos that wanted some of it, this one included.
    pub videos: u16,
    /// Whose turn this one was.
    pub precedence: Precedence,
    /// The next larger layer; of a video that has paused or of which only some pictures go out, the smallest.
    pub next: Layer,
    /// What that would take, in bit/s, with the smaller ones that it needs.
    pub next_bps: u64,
}

/// What a downlink was shared by last.
#[derive(Clone, Copy, Debug)]
pub struct SharedLink {
    /// What could go out, in bit/s.
    pub limit_bps: u64,
    /// Videos that wanted some of it.
    pub videos: u16,
    /// It is not the link that does not carry more.
    pub is_capped: bool,
}

/// What there is of a video for a subscriber.
#[derive(Clone, Copy, Debug)]
pub struct Offered<'a> {
    /// Which layers flow.
    pub reach: &'a Reach,
    /// What each of them takes, with the smaller ones that it needs, in bit/s.
    pub layers_bps: [u64; LAYERS_MAX],
    /// Whose turn it is where not everything fits.
    pub precedence: Precedence,
    /// How the downlink was shared; `None`: it is not limited.
    pub link: Option<SharedLink>,
}

impl Offered<'_> {
    /// What goes out, `current` being the layer that does, and the one reason that has to change first for it to be more.
    pub fn explain(&self, want: Want, budget: Budget, current: Option<Layer>) -> SentLayers {
        SentLayers {
            layer: current,
            temporal_max: match budget {
                Budget::Thinned(temporal) => temporal.min(want.temporal_max),
                _ => want.temporal_max,
            },
            wanted: want.layer_max,
            flowing: self.reach.count(),
            reason: self.reason(want, budget, current),
        }
    }

    fn reason(&self, want: Want, budget: Budget, current: Option<Layer>) -> LayerReason {
        if !want.enabled {
            return LayerReason::Hidden;
        }
        if self.reach.count() == 0 {
            return LayerReason::NotSent;
        }
        let best = self.reach.of(want.layer_max);
        let granted = match budget {
            Budget::Unlimited => best,
            Budget::UpTo(layer) => self.reach.of(layer.min(want.layer_max)),
            Budget::Thinned(_) => self.reach.of(Layer(0)),
            Budget::Paused => return self.limited(best.min(self.reach.of(Layer(0)))),
        };
        if current != Some(granted) {
            LayerReason::KeyFrame
        } else if let Budget::Thinned(_) = budget {
            self.limited(granted)
        } else if granted < best {
            self.limited(self.above(granted))
        } else if best != want.layer_max {
            LayerReason::LayerNotSent
        } else {
            LayerReason::Wanted
        }
    }

    /// The next larger layer that flows.
    fn above(&self, layer: Layer) -> Layer {
        let larger = (layer.0 + 1..LAYERS_MAX as u8).map(Layer);
        let mut flowing = larger.filter(|larger| self.reach.of(*larger) == *larger);
        flowing.next().unwrap_or(layer)
    }

    fn limited(&self, next: Layer) -> LayerReason {
        let share = Share {
            limit_bps: self.link.map_or(0, |link| link.limit_bps),
            videos: self.link.map_or(1, |link| link.videos),
            precedence: self.precedence,
            next,
            next_bps: self.layers_bps.get(usize::from(next.0)).copied().unwrap_or(0),
        };
        if self.link.is_some_and(|link| link.is_capped) {
            LayerReason::Cap(share)
        } else {
            LayerReason::Link(share)
        }
    }
}
