//! Negotiation of the connection on which the client offers: we only answer, and exactly once per offer. What two peer
//! connections have besides is in [`subscriber`].
//!
//! Sections on which the client sends carry what it publishes. Sections on which it receives are slots for what it
//! subscribes to ([`slots`]). Reading an offer is in [`offer`], writing an answer in [`answer`], what there is to know of
//! codecs in [`codec`]; all of these are pure.

pub(crate) mod answer;
pub(crate) mod candidate;
mod client_answer;
pub(crate) mod codec;
pub(crate) mod extension;
pub(crate) mod offer;
mod payload;
mod server_offer;
pub(crate) mod slots;
pub(crate) mod subscriber;

#[cfg(test)]
mod tests;

use crate::context::Context;
use crate::life::Cause;
use crate::limits::{OFFER_BYTES_PER_WINDOW_MAX, OFFER_WINDOW, OFFERS_PER_WINDOW_MAX};
use crate::names::Names;
use crate::room::Room;
use crate::signalling::SessionId;
use answer::{Answer, OpusParameters, OutgoingTrack, SectionAnswer};
use codec::{Format, to_publish};
use hanse_sfu_core::command::{
    Codec, ExtensionIds, Fingerprint, IceCredentials, Layering, MediaCommand, Peer, ReceivePlan,
    ReceiveSection,
};
use hanse_sfu_core::ids::{Mid, TrackId};
use livekit_protocol::signal_response::Message;
use livekit_protocol::{AudioTrackFeature, SessionDescription, SignalTarget, TrickleRequest};
use offer::{Offer, OfferError, Section};
use slots::{Requirement, Slot};
use std::collections::BTreeMap;
use std::time::Instant;

/// What comes in on a section.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Incoming {
    pub track: TrackId,
    /// Which of the track's sources.
    pub source: TrackId,
    pub layering: Layering,
}

/// What a participant has negotiated.
pub(crate) struct Negotiation {
    /// Ours, of the latest answer. New ones with each restart of ICE.
    pub local: IceCredentials,
    sdp_session: u64,
    sdp_version: u64,
    /// The client's end of the transport; `None`: no offer yet.
    remote: Option<(IceCredentials, Fingerprint)>,
    pub extensions: ExtensionIds,
    /// Of the latest offer.
    pub sections: Vec<Section>,
    /// Sections on which a published track comes in.
    pub publishing: BTreeMap<Mid, Incoming>,
    /// The codec in which a section that the client sends on was answered, also before its track is known. It stays: the
    /// client has begun to send it.
    pub answered: BTreeMap<Mid, Codec>,
    /// Sections on which a subscribed track can go out.
    pub slots: BTreeMap<Mid, Slot>,
    /// A slot may carry another track later.
    reuses_slots: bool,
    /// The `media_sections_requirement` that is out.
    pub requirement: Option<Requirement>,
    /// What the media plane was told last.
    pub plan: ReceivePlan,
    window_start: Option<Instant>,
    offers_in_window: u32,
    bytes_in_window: usize,
}

impl Negotiation {
    pub fn new(names: &mut Names, reuses_slots: bool) -> Self {
        Negotiation {
            local: names.ice_credentials(),
            sdp_session: names.sdp_session(),
            sdp_version: 0,
            remote: None,
            extensions: ExtensionIds::default(),
            sections: Vec::new(),
            publishing: BTreeMap::new(),
            answered: BTreeMap::new(),
            slots: BTreeMap::new(),
            reuses_slots,
            requirement: None,
            plan: ReceivePlan::default(),
            window_start: None,
            offers_in_window: 0,
            bytes_in_window: 0,
        }
    }

    /// The first offer has come, and the media plane knows the connection.
    pub fn has_begun(&self) -> bool {
        self.remote.is_some()
    }

    pub fn section(&self, mid: &Mid) -> Option<&Section> {
        self.sections.iter().find(|section| section.mid == *mid)
    }

    /// The section that speaks for the transport: its place, its mid, and our ufrag.
    fn transport_section(&self) -> Option<(usize, &str, &str)> {
        let mut sections = self.sections.iter().enumerate();
        let (place, section) = sections.find(|(_, section)| !section.is_refused)?;
        Some((place, section.mid.as_str(), &self.local.ufrag))
    }

    /// What comes in, as of now.
    fn receive_plan(&self) -> ReceivePlan {
        let receive = |section: &Section| {
            let incoming = self.publishing.get(&section.mid)?;
            let format = self.incoming_format(section)?;
            Some(ReceiveSection {
                mid: section.mid,
                track: incoming.source,
                codec: format.codec,
                payload_type: format.payload_type,
                rtx_payload_type: format.rtx_payload_type,
                primary_payload_type: format.primary_payload_type,
                layering: incoming.layering,
                layers: match incoming.layering {
                    Layering::PerStream => section.layers(),
                    Layering::InStream => section.one_stream(),
                },
            })
        };
        ReceivePlan {
            extensions: self.extensions,
            sections: self.sections.iter().filter_map(receive).collect(),
        }
    }

    /// How a section carries the codec that it was answered with.
    pub fn incoming_format<'a>(&self, section: &'a Section) -> Option<&'a Format> {
        to_publish(&section.formats, *self.answered.get(&section.mid)?)
    }

    /// Decides the codec of sections that the client sends on and whose track is not known yet: the first one that it
    /// may publish, which is its own preference.
    fn answer_unmatched(&mut self, publish: &[Codec]) {
        for section in self.sections.iter().filter(|section| section.sends) {
            let first = section
                .formats
                .iter()
                .map(|format| format.codec)
                .find(|codec| publish.contains(codec) && *codec != Codec::Red);
            if let Some(codec) = first {
                self.answered.entry(section.mid).or_insert(codec);
            }
        }
    }

    /// Whether an offer restarts ICE: its credentials are new (RFC 8839, section 4.4.1.1.1). DTLS goes on as it was, so the
    /// certificate must be the same.
    fn is_restart(&self, offered: &(IceCredentials, Fingerprint)) -> Result<bool, OfferError> {
        match &self.remote {
            Some((_, fingerprint)) if *fingerprint != offered.1 => Err(OfferError::TransportChanged),
            Some((ice, _)) => Ok(*ice != offered.0),
            None => Ok(false),
        }
    }

    fn admit_offer(&mut self, now: Instant, bytes: usize) -> Result<(), OfferError> {
        let in_window = self.window_start.is_some_and(|start| now < start + OFFER_WINDOW);
        if !in_window {
            self.window_start = Some(now);
            self.offers_in_window = 0;
            self.bytes_in_window = 0;
        }
        self.offers_in_window += 1;
        self.bytes_in_window = self.bytes_in_window.saturating_add(bytes);
        if self.offers_in_window > OFFERS_PER_WINDOW_MAX || self.bytes_in_window > OFFER_BYTES_PER_WINDOW_MAX
        {
            return Err(OfferError::TooMany);
        }
        Ok(())
    }
}

impl Room {
    /// Answers an offer, or asks the client to come again.
    pub fn handle_offer(&mut self, cx: &mut Context, session: SessionId, description: &SessionDescription) {
        match self.negotiate(cx, session, description) {
            Ok(()) => self.require_sections(cx, session),
            Err(error) => {
                tracing::warn!(session = session.0, %error, "an offer is refused");
                self.live(cx, session, Cause::Confused);
            }
        }
    }

    fn negotiate(
        &mut self,
        cx: &mut Context,
        session: SessionId,
        description: &SessionDescription,
    ) -> Result<(), OfferError> {
        let Some(participant) = self.participants.get_mut(&session) else {
            return Ok(());
        };
        let connection = participant.connection();
        let has_slots = participant.subscriber.is_none();
        let negotiation = &mut participant.negotiation;
        negotiation.admit_offer(cx.now, description.sdp.len())?;
        let offer = Offer::parse(&description.sdp, &participant.abilities.subscribe)?;
        let remote = (offer.ice.clone(), offer.fingerprint);
        let is_first = negotiation.remote.is_none();
        if is_first {
            cx.media(MediaCommand::OpenConnection {
                connection,
                peer: Peer::Client,
                local: negotiation.local.clone(),
                remote: remote.0.clone(),
                fingerprint: remote.1,
            });
        }
        let is_restart = negotiation.is_restart(&remote)?;
        if is_restart {
            negotiation.local = cx.names.ice_credentials();
            cx.media(MediaCommand::RestartIce {
                connection,
                local: negotiation.local.clone(),
                remote: remote.0.clone(),
            });
        }
        negotiation.remote = Some(remote);
        negotiation.extensions = offer.extensions;
        negotiation.sections = offer.sections.clone();
        negotiation.sdp_version += 1;

        self.end_stopped_tracks(cx, session);
        self.match_tracks(cx, session);
        if let Some(participant) = self.participants.get_mut(&session) {
            let publish = &participant.abilities.publish;
            participant.negotiation.answer_unmatched(publish);
        }
        self.send_receive_plan(cx, session, is_first);
        // With two peer connections nothing goes out on this one.
        let bound = if has_slots {
            self.update_slots(cx, session);
            self.bind_waiting(cx, session)
        } else {
            Vec::new()
        };
        self.send_answer(cx, session, &offer, description.id);
        if is_first || is_restart {
            self.send_candidates(cx, session, SignalTarget::Publisher);
        }
        for track in bound {
            self.start_forwarding(cx, session, track);
        }
        Ok(())
    }

    /// Tells the media plane what a participant sends, if that has changed.
    pub fn send_receive_plan(&mut self, cx: &mut Context, session: SessionId, is_first: bool) {
        let Some(participant) = self.participants.get_mut(&session) else {
            return;
        };
        let negotiation = &mut participant.negotiation;
        let plan = negotiation.receive_plan();
        if negotiation.has_begun() && (is_first || plan != negotiation.plan) {
            negotiation.plan = plan.clone();
            cx.media(MediaCommand::SetReceivePlan {
                connection: participant.connection(),
                plan,
            });
            self.update_precedence(cx, session);
        }
    }

    fn send_answer(&mut self, cx: &mut Context, session: SessionId, offer: &Offer, id: u32) {
        let Some(participant) = self.participants.get(&session) else {
            return;
        };
        let negotiation = &participant.negotiation;
        // livekit-client keeps one map for both peer connections and takes the latest.
        let mut mid_to_track_id = self.offered_tracks(session);
        let mut sections = Vec::new();
        for section in &offer.sections {
            let mut answer = SectionAnswer {
                receives: negotiation
                    .incoming_format(section)
                    .map(|format| format.codec)
                    .filter(|_| section.sends && participant.permission.can_publish),
                sends: None,
            };
            if let Some(Slot::Busy(track)) = negotiation.slots.get(&section.mid)
                && let Some(outgoing) = self.outgoing(session, *track)
            {
                mid_to_track_id.insert(section.mid.to_string(), outgoing.track_sid.clone());
                answer.sends = Some(outgoing);
            }
            sections.push(answer);
        }
        let sdp = Answer {
            offer,
            local: &negotiation.local,
            fingerprint: &cx.config.fingerprint,
            candidates: &self.candidates(cx, session),
            sdp_session: negotiation.sdp_session,
            sdp_version: negotiation.sdp_version,
            opus: self.opus_parameters(session),
            sections,
        }
        .write();
        self.send(
            cx,
            session,
            Message::Answer(SessionDescription {
                r#type: "answer".to_owned(),
                sdp,
                id,
                mid_to_track_id,
            }),
        );
        self.settle_slots(session);
    }

    /// How a section announces a track that goes out on it.
    pub(super) fn outgoing(&self, session: SessionId, track: TrackId) -> Option<OutgoingTrack> {
        let bound = self
            .participants
            .get(&session)?
            .subscriptions
            .get(&track)?
            .bound
            .as_ref()?;
        let track = self.tracks.get(&track)?;
        Some(OutgoingTrack {
            stream_id: self.stream_id(track),
            track_sid: track.info.sid.clone(),
            ssrc: bound.ssrc,
            rtx_ssrc: bound.rtx_ssrc,
            payload_type: bound.format.payload_type,
        })
    }

    pub(super) fn opus_parameters(&self, session: SessionId) -> OpusParameters {
        let has = |track: &TrackId, feature: AudioTrackFeature| {
            self.tracks
                .get(track)
                .is_some_and(|track| track.info.audio_features.contains(&feature.into()))
        };
        let Some(participant) = self.participants.get(&session) else {
            return OpusParameters {
                stereo: false,
                dtx: true,
                sends_stereo: false,
            };
        };
        let published = &participant.negotiation.publishing;
        let bound = participant
            .subscriptions
            .iter()
            .filter(|(_, subscription)| subscription.bound.is_some());
        OpusParameters {
            stereo: published
                .values()
                .any(|incoming| has(&incoming.track, AudioTrackFeature::TfStereo)),
            dtx: !published
                .values()
                .any(|incoming| has(&incoming.track, AudioTrackFeature::TfNoDtx)),
            sends_stereo: bound
                .map(|(track, _)| track)
                .any(|track| has(track, AudioTrackFeature::TfStereo)),
        }
    }

    /// Our candidates once more as messages, for clients that wait for the last one to be `final`. Some read `sdpMid`
    /// and `sdpMLineIndex` without asking whether they are there.
    pub(super) fn send_candidates(&mut self, cx: &mut Context, session: SessionId, target: SignalTarget) {
        let Some(participant) = self.participants.get(&session) else {
            return;
        };
        let place = match (target, &participant.subscriber) {
            (SignalTarget::Subscriber, Some(subscriber)) => subscriber.transport_section(),
            _ => participant.negotiation.transport_section(),
        };
        let Some((place, mid, ufrag)) = place else {
            return;
        };
        let candidates = candidate::candidate_lines(&self.candidates(cx, session));
        let last = candidates.len();
        let messages: Vec<Message> = candidates
            .into_iter()
            .zip(1..)
            .map(|(candidate, number)| {
                let candidate = serde_json::json!({
                    "candidate": candidate,
                    "sdpMid": mid,
                    "sdpMLineIndex": place,
                    "usernameFragment": ufrag,
                });
                Message::Trickle(TrickleRequest {
                    candidate_init: candidate.to_string(),
                    target: target.into(),
                    r#final: number == last,
                })
            })
            .collect();
        for message in messages {
            self.send(cx, session, message);
        }
    }
}
