//! The second peer connection of the older form: we offer on it what the participant subscribes to, and the client
//! answers.
//!
//! One offer is out at a time. What changes meanwhile goes into the next one, which follows the answer. Offers are held
//! back for a moment, so that changes which come together go out together. Every section of ours carries one track at a
//! time; one whose track has ended is offered `inactive` and answered before it carries another, because by the rules of
//! WebRTC a receiver hears of a new track only when the direction of its section changes.

use super::answer::OpusParameters;
use super::client_answer::ClientAnswer;
use super::codec::{Feedback, Format};
use super::offer::{OfferError, SectionKind, Transport};
use super::payload;
use super::server_offer::{DATA_MID, OfferedSection, ServerOffer};
use crate::client;
use crate::context::Context;
use crate::forward::Binding;
use crate::life::Cause;
use crate::limits::{
    ANSWER_WAIT, MEDIA_SECTIONS_MAX, OFFER_DELAY, OFFER_DELAY_IDLE, OFFER_QUIET, OFFERED_SECTIONS_MAX,
};
use crate::names::Names;
use crate::participant::Participant;
use crate::room::Room;
use crate::signalling::SessionId;
use crate::timers::Timer;
use crate::track::Track;
use crate::transport::{self, Side};
use hanse_sfu_core::command::{Codec, ExtensionIds, IceCredentials, MediaCommand, Peer};
use hanse_sfu_core::ids::{Mid, TrackId};
use livekit_protocol::client_info::Sdk;
use livekit_protocol::signal_response::Message;
use livekit_protocol::{ClientInfo, SessionDescription, SignalTarget, SubscriptionError};
use std::collections::HashMap;
use std::time::Instant;

const _: () = assert!(OFFERED_SECTIONS_MAX < MEDIA_SECTIONS_MAX);

/// What a section of ours is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Use {
    /// For nothing: answered `inactive`.
    Free,
    /// For this track.
    Busy(TrackId),
    /// Its track has ended. True: the offer that is out says so.
    Draining(bool),
    /// The client has refused it.
    Dead,
}

/// One media section that we offer.
struct Section {
    mid: Mid,
    kind: SectionKind,
    used: Use,
    formats: Vec<Format>,
    /// Its track goes out.
    is_flowing: bool,
}

/// What is offered to a participant, and what it has answered.
pub(crate) struct Subscriber {
    /// It is the connection that makes a participant active.
    pub is_primary: bool,
    /// Ours, as the client has answered to them.
    local: IceCredentials,
    /// Those of a restart of ICE that is offered and not answered.
    next_local: Option<IceCredentials>,
    sdp_session: u64,
    sdp_version: u64,
    /// The client's end; `None`: no answer yet.
    remote: Option<Transport>,
    /// What header extensions the client has agreed to.
    extensions: ExtensionIds,
    sections: Vec<Section>,
    /// Codecs that the client has left out of sections that it took: it does not know them.
    lacks: Vec<Codec>,
    /// Of the latest offer, or one less than that of the first.
    offer_id: u32,
    is_offer_out: bool,
    offered_at: Option<Instant>,
    /// `a=setup` of our offers, and what may stand in the answers.
    setup: &'static str,
    setups: &'static [&'static str],
    /// A section may carry another track later.
    reuses_sections: bool,
}

impl Subscriber {
    pub fn new(names: &mut Names, client: &ClientInfo, is_primary: bool) -> Self {
        // pion makes itself the DTLS server of whoever is ICE-lite and leaves the choice, as we do, and we are never the
        // client. Told that we are the server it does as it is told, though its answer still says otherwise.
        let (setup, setups): (_, &[&str]) = if client.sdk() == Sdk::Go {
            ("passive", &["active", "passive"])
        } else {
            ("actpass", &["active"])
        };
        Subscriber {
            is_primary,
            local: names.ice_credentials(),
            next_local: None,
            sdp_session: names.sdp_session(),
            sdp_version: 0,
            remote: None,
            extensions: ExtensionIds::default(),
            sections: Vec::new(),
            lacks: Vec::new(),
            offer_id: names.offer_id() - 1,
            is_offer_out: false,
            offered_at: None,
            setup,
            setups,
            reuses_sections: client::reuses_sections(client),
        }
    }

    /// The first answer has come, and the media plane knows the connection.
    pub fn has_begun(&self) -> bool {
        self.remote.is_some()
    }

    /// The section that speaks for the transport: its place, its mid, and our ufrag.
    pub fn transport_section(&self) -> Option<(usize, &str, &str)> {
        Some((0, DATA_MID, &self.offered_local().ufrag))
    }

    /// Our credentials in offers.
    fn offered_local(&self) -> &IceCredentials {
        self.next_local.as_ref().unwrap_or(&self.local)
    }

    /// Header extensions of what we send in a format; video alone carries the send time and the dependency descriptor, and
    /// the transport-wide number where the client has agreed to tell what arrives.
    pub fn extensions(&self, format: &Format) -> ExtensionIds {
        let is_video = format.codec.is_video();
        ExtensionIds {
            mid: self.extensions.mid,
            abs_send_time: self.extensions.abs_send_time.filter(|_| is_video),
            transport_cc: self
                .extensions
                .transport_cc
                .filter(|_| is_video && format.feedback.transport_cc),
            dependency_descriptor: self.extensions.dependency_descriptor.filter(|_| is_video),
            ..ExtensionIds::default()
        }
    }

    /// The track of a section has ended.
    pub fn drain(&mut self, mid: &Mid) {
        let section = self.sections.iter_mut().find(|section| section.mid == *mid);
        if let Some(section) = section.filter(|section| section.used != Use::Dead) {
            section.used = Use::Draining(false);
            section.is_flowing = false;
        }
    }

    /// The section that the next track of a kind gets: one that is free, or a new one. `None`: there are too many.
    fn next_section(&self, kind: SectionKind) -> Option<Mid> {
        let free = self
            .sections
            .iter()
            .find(|section| section.kind == kind && section.used == Use::Free);
        match free.filter(|_| self.reuses_sections) {
            Some(section) => Some(section.mid),
            None if self.sections.len() >= OFFERED_SECTIONS_MAX => None,
            None => Mid::from(&(self.sections.len() + 1).to_string()).ok(),
        }
    }

    /// Uses a section from [`Subscriber::next_section`].
    fn take_section(&mut self, mid: Mid, kind: SectionKind, track: TrackId, formats: Vec<Format>) {
        match self.sections.iter_mut().find(|section| section.mid == mid) {
            Some(section) => {
                section.used = Use::Busy(track);
                section.formats = formats;
            }
            None => self.sections.push(Section {
                mid,
                kind,
                used: Use::Busy(track),
                formats,
                is_flowing: false,
            }),
        }
    }

    /// A track has ended, and no offer has said so.
    fn has_ended(&self) -> bool {
        self.sections
            .iter()
            .any(|section| section.used == Use::Draining(false))
    }

    fn mids(&self) -> Vec<Mid> {
        let data = Mid::from(DATA_MID).ok();
        data.into_iter()
            .chain(self.sections.iter().map(|section| section.mid))
            .collect()
    }

    /// Takes an answer to the offer that is out. Says which tracks are new to the client, each with the formats that it
    /// accepts; none when it refuses the track.
    fn take(&mut self, answer: &ClientAnswer) -> Vec<(TrackId, Vec<Format>)> {
        self.is_offer_out = false;
        self.extensions = payload::agreed(answer.extensions);
        let mut answered_tracks = Vec::new();
        // The first one is that of the data channels.
        for (section, answered) in self.sections.iter_mut().zip(answer.sections.iter().skip(1)) {
            let has = |payload_type: &u8| answered.payload_types.contains(payload_type);
            match section.used {
                Use::Busy(track) if !section.is_flowing || !answered.receives => {
                    let accepted = section.formats.iter().filter(|format| {
                        answered.receives
                            && has(&format.payload_type)
                            && format.primary_payload_type.as_ref().is_none_or(has)
                    });
                    let accepted = accepted.map(|format| Format {
                        rtx_payload_type: format.rtx_payload_type.filter(has),
                        feedback: Feedback {
                            transport_cc: answered.measured.contains(&format.payload_type),
                            ..format.feedback
                        },
                        ..format.clone()
                    });
                    let accepted: Vec<Format> = accepted.collect();
                    for Format { codec, .. } in &section.formats {
                        let is_known = accepted.iter().any(|format| format.codec == *codec);
                        if !accepted.is_empty() && !is_known && !self.lacks.contains(codec) {
                            self.lacks.push(*codec);
                        }
                    }
                    answered_tracks.push((track, accepted));
                    section.is_flowing = true;
                }
                Use::Draining(true) => section.used = Use::Free,
                _ => {}
            }
            if !answered.is_accepted {
                section.used = Use::Dead;
            }
        }
        answered_tracks
    }
}

/// In what a track may go out to somebody who can receive some codecs.
fn formats_for(track: &Track, is_receivable: impl Fn(Codec) -> bool) -> Vec<Format> {
    let sent: Vec<Codec> = track
        .sources
        .iter()
        .map(|source| source.format.codec)
        .chain(track.offered_codecs())
        .collect();
    // Opus and RED are converted into each other.
    let is_opus = |codec: Codec| matches!(codec, Codec::Opus | Codec::Red);
    let has_opus = sent.iter().any(|codec| is_opus(*codec));
    payload::formats(|codec| is_receivable(codec) && (sent.contains(&codec) || has_opus && is_opus(codec)))
}

impl Participant {
    /// Where what it subscribes to goes out.
    pub fn downstream(&self) -> hanse_sfu_core::ids::ConnectionId {
        let side = if self.subscriber.is_some() {
            Side::Subscriber
        } else {
            Side::Publisher
        };
        transport::connection(self.session, side)
    }

    /// The transport that makes it active.
    pub fn primary(&self) -> Side {
        match &self.subscriber {
            Some(subscriber) if subscriber.is_primary => Side::Subscriber,
            _ => Side::Publisher,
        }
    }
}

impl Room {
    /// Offers when there is something new for the participant. Not at once: what changes together goes out together.
    pub fn plan_offer(&mut self, cx: &mut Context, session: SessionId) {
        let waiting = [SectionKind::Audio, SectionKind::Video]
            .map(|kind| (kind, !self.waiting(session, kind).is_empty()));
        let Some(participant) = self
            .participants
            .get_mut(&session)
            .filter(|participant| participant.stage.is_reachable())
        else {
            return;
        };
        let Some(subscriber) = &mut participant.subscriber else {
            return;
        };
        let wants_place = waiting
            .into_iter()
            .any(|(kind, is_waiting)| is_waiting && subscriber.next_section(kind).is_some());
        if !wants_place && !subscriber.has_ended() {
            return;
        }
        if subscriber.is_offer_out {
            // Its answer looks again.
            return;
        }
        let is_quiet = subscriber
            .offered_at
            .is_none_or(|offered| cx.now >= offered + OFFER_QUIET);
        let delay = if is_quiet { OFFER_DELAY_IDLE } else { OFFER_DELAY };
        cx.timers
            .set_if_unset(Timer::Offer(self.key, session), cx.now + delay);
    }

    /// Offers what is there now, unless an offer is out.
    pub fn send_offer(&mut self, cx: &mut Context, session: SessionId) {
        let can_offer = self.participants.get(&session).is_some_and(|participant| {
            participant.stage.is_reachable()
                && participant
                    .subscriber
                    .as_ref()
                    .is_some_and(|subscriber| !subscriber.is_offer_out)
        });
        if !can_offer {
            return;
        }
        self.bind_offered(cx, session);
        let is_first = self.write_offer(cx, session);
        if is_first {
            self.send_candidates(cx, session, SignalTarget::Subscriber);
        }
        cx.timers
            .set(Timer::Answer(self.key, session), cx.now + ANSWER_WAIT);
    }

    /// Offers everything once more to a client that has come again: neither the offer that is out nor its answer may have
    /// arrived. ICE restarts with it, because the client may be in another network.
    pub fn offer_again(&mut self, cx: &mut Context, session: SessionId) {
        let Some(subscriber) = self
            .participants
            .get_mut(&session)
            .and_then(|participant| participant.subscriber.as_mut())
        else {
            return;
        };
        if subscriber.offered_at.is_none() {
            return self.plan_offer(cx, session);
        }
        if subscriber.has_begun() {
            subscriber.next_local = Some(cx.names.ice_credentials());
        }
        subscriber.is_offer_out = false;
        cx.timers.cancel(Timer::Offer(self.key, session));
        self.send_offer(cx, session);
        self.send_candidates(cx, session, SignalTarget::Subscriber);
    }

    /// Gives sections to waiting subscriptions.
    fn bind_offered(&mut self, cx: &mut Context, session: SessionId) {
        for kind in [SectionKind::Audio, SectionKind::Video] {
            for track in self.waiting(session, kind) {
                let (Some(known), Some(participant)) =
                    (self.tracks.get(&track), self.participants.get(&session))
                else {
                    continue;
                };
                let Some(subscriber) = &participant.subscriber else {
                    break;
                };
                let Some(mid) = subscriber.next_section(kind) else {
                    break;
                };
                let receivable = &participant.abilities.subscribe;
                let formats = formats_for(known, |codec| {
                    receivable.contains(&codec) && !subscriber.lacks.contains(&codec)
                });
                match self.bind(cx, session, track, mid, &formats) {
                    Binding::Done => {
                        let participant = self.participants.get_mut(&session);
                        if let Some(subscriber) =
                            participant.and_then(|participant| participant.subscriber.as_mut())
                        {
                            subscriber.take_section(mid, kind, track, formats);
                        }
                    }
                    Binding::Awaits => self.update_dynacast(cx, track),
                    Binding::Impossible => {
                        let error = SubscriptionError::SeCodecUnsupported;
                        self.refuse_subscription(cx, session, track, error);
                    }
                }
            }
        }
    }

    /// Says whether it is the first one.
    fn write_offer(&mut self, cx: &mut Context, session: SessionId) -> bool {
        // Only what we send counts here.
        let opus = OpusParameters {
            stereo: false,
            dtx: false,
            ..self.opus_parameters(session)
        };
        let Some(subscriber) = self
            .participants
            .get_mut(&session)
            .and_then(|participant| participant.subscriber.as_mut())
        else {
            return false;
        };
        subscriber.is_offer_out = true;
        subscriber.offer_id += 1;
        subscriber.sdp_version += 1;
        let is_first = subscriber.offered_at.replace(cx.now).is_none();
        for section in &mut subscriber.sections {
            if section.used == Use::Draining(false) {
                section.used = Use::Draining(true);
            }
        }
        let Some(subscriber) = self
            .participants
            .get(&session)
            .and_then(|participant| participant.subscriber.as_ref())
        else {
            return false;
        };
        let sections = subscriber
            .sections
            .iter()
            .map(|section| OfferedSection {
                mid: section.mid,
                kind: section.kind,
                is_dead: section.used == Use::Dead,
                formats: &section.formats,
                sends: match section.used {
                    Use::Busy(track) => self.outgoing(session, track),
                    _ => None,
                },
            })
            .collect();
        let sdp = ServerOffer {
            local: subscriber.offered_local(),
            fingerprint: &cx.config.fingerprint,
            setup: subscriber.setup,
            candidates: &self.candidates(cx, session),
            sdp_session: subscriber.sdp_session,
            sdp_version: subscriber.sdp_version,
            opus,
            sections,
        }
        .write();
        let offer = SessionDescription {
            r#type: "offer".to_owned(),
            sdp,
            id: subscriber.offer_id,
            mid_to_track_id: self.offered_tracks(session),
        };
        self.send(cx, session, Message::Offer(offer));
        is_first
    }

    /// Which track goes out on which of our sections.
    pub fn offered_tracks(&self, session: SessionId) -> HashMap<String, String> {
        let subscriber = self
            .participants
            .get(&session)
            .and_then(|participant| participant.subscriber.as_ref());
        let sections = subscriber.map_or(&[] as &[Section], |subscriber| &subscriber.sections);
        let mapped = sections.iter().filter_map(|section| {
            let Use::Busy(track) = section.used else {
                return None;
            };
            let track = self.tracks.get(&track)?;
            Some((section.mid.to_string(), track.info.sid.clone()))
        });
        mapped.collect()
    }

    /// `answer`: to an offer of ours. One to an earlier offer says nothing about this one.
    pub fn handle_answer(&mut self, cx: &mut Context, session: SessionId, answer: &SessionDescription) {
        let Some(subscriber) = self
            .participants
            .get_mut(&session)
            .and_then(|participant| participant.subscriber.as_mut())
        else {
            return;
        };
        // Some clients say 0, whatever they were offered.
        if !subscriber.is_offer_out || answer.id != 0 && answer.id != subscriber.offer_id {
            tracing::info!(session = session.0, "an answer fits no offer that is out");
            return;
        }
        let parsed = ClientAnswer::parse(&answer.sdp, &subscriber.mids(), subscriber.setups);
        let restarts = subscriber.next_local.is_some();
        let parsed = parsed.and_then(|parsed| match &subscriber.remote {
            Some(remote) if remote.fingerprint != parsed.transport.fingerprint => {
                Err(OfferError::TransportChanged)
            }
            Some(remote) if !restarts && remote.ice != parsed.transport.ice => {
                Err(OfferError::TransportChanged)
            }
            _ => Ok(parsed),
        });
        let parsed = match parsed {
            Ok(parsed) => parsed,
            Err(error) => {
                tracing::warn!(session = session.0, %error, "an answer is refused");
                return self.live(cx, session, Cause::Confused);
            }
        };
        cx.timers.cancel(Timer::Answer(self.key, session));
        if subscriber.remote.is_none() {
            cx.media(MediaCommand::OpenConnection {
                connection: transport::connection(session, Side::Subscriber),
                peer: Peer::Client,
                local: subscriber.local.clone(),
                remote: parsed.transport.ice.clone(),
                fingerprint: parsed.transport.fingerprint,
            });
            if subscriber.is_primary {
                let connection = transport::connection(session, Side::Subscriber);
                cx.media(MediaCommand::OpenDataChannels { connection });
            }
        } else if let Some(local) = subscriber.next_local.take() {
            subscriber.local = local.clone();
            cx.media(MediaCommand::RestartIce {
                connection: transport::connection(session, Side::Subscriber),
                local,
                remote: parsed.transport.ice.clone(),
            });
        }
        subscriber.remote = Some(parsed.transport.clone());
        for (track, formats) in subscriber.take(&parsed) {
            match self.settle_format(session, track, &formats) {
                Binding::Done => self.start_forwarding(cx, session, track),
                // It is offered anew when its publisher sends that codec, too.
                Binding::Awaits => {
                    self.unbind(cx, session, track);
                    self.update_dynacast(cx, track);
                }
                Binding::Impossible => {
                    let error = SubscriptionError::SeCodecUnsupported;
                    self.refuse_subscription(cx, session, track, error);
                }
            }
        }
        self.plan_offer(cx, session);
    }

    /// An offer has been out for too long. Before the participant is active that is a matter of its join.
    pub fn handle_answer_timeout(&mut self, cx: &mut Context, session: SessionId) {
        let Some(participant) = self.participants.get(&session) else {
            return;
        };
        let is_owed = participant
            .subscriber
            .as_ref()
            .is_some_and(|subscriber| subscriber.is_offer_out);
        if !is_owed || !participant.stage.is_reachable() {
            return;
        }
        if participant.is_connected() {
            tracing::info!(session = session.0, "an offer was not answered");
            self.live(cx, session, Cause::Confused);
        } else {
            cx.timers
                .set(Timer::Answer(self.key, session), cx.now + ANSWER_WAIT);
        }
    }
}
