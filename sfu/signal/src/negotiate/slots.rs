//! Slots: media sections on which the client receives. A slot is free, carries one track, drains, or is spent.
//!
//! A slot whose track has ended is answered `inactive` once before it carries another one: by the rules of WebRTC a
//! receiver hears of a new track only when the direction of its section changes. Where slots are missing, or a drained
//! one waits for its answer, the client is asked to offer again (`media_sections_requirement`); one such request is out
//! at a time, and none before the first answer.

use super::Negotiation;
use super::offer::{Section, SectionKind};
use crate::context::Context;
use crate::limits::{MEDIA_SECTIONS_MAX, REQUIREMENT_WAIT};
use crate::room::Room;
use crate::signalling::SessionId;
use crate::timers::Timer;
use hanse_sfu_core::ids::{Mid, TrackId};
use livekit_protocol::signal_response::Message;
use livekit_protocol::{MediaSectionsRequirement, SubscriptionError};

/// What a section on which the client receives is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Slot {
    /// For nothing: new, or answered `inactive`.
    Free,
    /// For this track.
    Busy(TrackId),
    /// Its track has ended, and the client has not heard so yet.
    Draining,
    /// For nothing any more: it has carried a track, and its client takes no second one on a section.
    Spent,
}

/// Sections on which the client will receive once it has done what it was asked for. An offer with fewer has crossed
/// the request on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Requirement {
    audios: usize,
    videos: usize,
}

impl Negotiation {
    fn receiving(&self, kind: SectionKind) -> impl Iterator<Item = &Section> {
        self.sections
            .iter()
            .filter(move |section| section.kind == kind && !section.is_refused && section.receives)
    }

    fn in_state(&self, kind: SectionKind, slot: Slot) -> impl Iterator<Item = &Section> {
        self.receiving(kind)
            .filter(move |section| self.slots.get(&section.mid) == Some(&slot))
    }

    /// Usable slots of a kind, those first on which the client only receives, then in the offer's order.
    pub fn free_slots(&self, kind: SectionKind) -> Vec<Mid> {
        let mut sections: Vec<&Section> = self.in_state(kind, Slot::Free).collect();
        sections.sort_by_key(|section| section.sends);
        sections.into_iter().map(|section| section.mid).collect()
    }

    /// The answer that called a slot inactive may never have arrived: it takes another one before the slot can be used. Where
    /// slots carry one track each, a free one has never carried any.
    pub fn doubt_slots(&mut self) {
        if !self.reuses_slots {
            return;
        }
        for slot in self.slots.values_mut() {
            if *slot == Slot::Free {
                *slot = Slot::Draining;
            }
        }
    }

    /// An offer is on its way without a request.
    pub fn expect_offer(&mut self) {
        self.requirement = Some(Requirement {
            audios: self.receiving(SectionKind::Audio).count(),
            videos: self.receiving(SectionKind::Video).count(),
        });
    }

    /// The client offers this kind, but never with a codec that we forward.
    fn lacks_codec(&self, kind: SectionKind) -> bool {
        self.receiving(kind).next().is_none()
            && self
                .sections
                .iter()
                .any(|section| section.kind == kind && section.receives && section.lacks_codec)
    }
}

impl Room {
    /// After an offer: new sections become slots, vanished ones give their track back.
    pub fn update_slots(&mut self, cx: &mut Context, session: SessionId) {
        let Some(participant) = self.participants.get_mut(&session) else {
            return;
        };
        let negotiation = &mut participant.negotiation;
        let audios: Vec<Mid> = negotiation
            .receiving(SectionKind::Audio)
            .map(|section| section.mid)
            .collect();
        let videos: Vec<Mid> = negotiation
            .receiving(SectionKind::Video)
            .map(|section| section.mid)
            .collect();
        let mut before = std::mem::take(&mut negotiation.slots);
        for mid in audios.iter().chain(&videos) {
            negotiation
                .slots
                .insert(*mid, before.remove(mid).unwrap_or(Slot::Free));
        }
        let required = negotiation.requirement;
        if required.is_some_and(|required| audios.len() >= required.audios && videos.len() >= required.videos)
        {
            negotiation.requirement = None;
            cx.timers.cancel(Timer::Requirement(self.key, session));
        }
        let lacking: Vec<SectionKind> = [SectionKind::Audio, SectionKind::Video]
            .into_iter()
            .filter(|kind| negotiation.lacks_codec(*kind))
            .collect();
        for slot in before.into_values() {
            if let Slot::Busy(track) = slot {
                self.unbind(cx, session, track);
            }
        }
        for kind in lacking {
            for track in self.waiting(session, kind) {
                self.refuse_subscription(cx, session, track, SubscriptionError::SeCodecUnsupported);
            }
        }
    }

    /// After an answer: what it answered `inactive` can be used again, unless the client takes only one track on each.
    pub fn settle_slots(&mut self, session: SessionId) {
        let Some(participant) = self.participants.get_mut(&session) else {
            return;
        };
        let negotiation = &mut participant.negotiation;
        let next = if negotiation.reuses_slots {
            Slot::Free
        } else {
            Slot::Spent
        };
        for slot in negotiation.slots.values_mut() {
            if *slot == Slot::Draining {
                *slot = next;
            }
        }
    }

    /// Sees to it that what is new for a participant gets negotiated: offers it, or asks the client for an offer, if one
    /// would help and none is on its way.
    pub fn require_sections(&mut self, cx: &mut Context, session: SessionId) {
        if self
            .participants
            .get(&session)
            .is_some_and(|participant| participant.subscriber.is_some())
        {
            return self.plan_offer(cx, session);
        }
        let waiting =
            [SectionKind::Audio, SectionKind::Video].map(|kind| (kind, self.waiting(session, kind).len()));
        let Some(participant) = self.participants.get_mut(&session) else {
            return;
        };
        let negotiation = &mut participant.negotiation;
        if !negotiation.has_begun() || negotiation.requirement.is_some() {
            return;
        }
        let mut places = MEDIA_SECTIONS_MAX.saturating_sub(negotiation.sections.len());
        let mut would_help = false;
        let [audios, videos] = waiting.map(|(kind, waiting)| {
            let free = negotiation.in_state(kind, Slot::Free).count();
            let draining = negotiation.in_state(kind, Slot::Draining).count();
            let places_soon = if negotiation.reuses_slots { draining } else { 0 };
            let missing = waiting.saturating_sub(free + places_soon).min(places);
            places -= missing;
            would_help |= draining > 0 || missing > 0 || waiting.min(free) > 0;
            missing
        });
        if !would_help {
            return;
        }
        negotiation.requirement = Some(Requirement {
            audios: negotiation.receiving(SectionKind::Audio).count() + audios,
            videos: negotiation.receiving(SectionKind::Video).count() + videos,
        });
        cx.timers
            .set(Timer::Requirement(self.key, session), cx.now + REQUIREMENT_WAIT);
        let message = MediaSectionsRequirement {
            num_audios: audios as u32,
            num_videos: videos as u32,
        };
        self.send(cx, session, Message::MediaSectionsRequirement(message));
    }

    /// The request for an offer got no answer.
    pub fn handle_requirement_timeout(&mut self, cx: &mut Context, session: SessionId) {
        if let Some(participant) = self.participants.get_mut(&session) {
            participant.negotiation.requirement = None;
            self.require_sections(cx, session);
        }
    }
}
