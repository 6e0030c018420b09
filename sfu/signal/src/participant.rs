//! One participant: who it is, what it may do, what it publishes and receives. See `docs/participant-life.md`.

use crate::client::{self, Abilities};
use crate::context::Context;
use crate::data::ParticipantData;
use crate::join::{Admission, JoinAttempt, PeerConnections};
use crate::life::Stage;
use crate::limits::{ATTRIBUTES_BYTES_MAX, METADATA_BYTES_MAX, NAME_BYTES_MAX};
use crate::negotiate::Negotiation;
use crate::negotiate::codec::Format;
use crate::negotiate::extension::Extension;
use crate::negotiate::offer::{Section, SectionKind};
use crate::negotiate::subscriber::Subscriber;
use crate::quality::Quality;
use crate::signalling::SessionId;
use crate::simulate::Tested;
use crate::subscribe::{Audience, Subscription};
use crate::token::Claims;
use crate::track::{PendingTrack, Track};
use crate::transport::{self, Side};
use hanse_sfu_core::command::ExtensionIds;
use hanse_sfu_core::ids::{ConnectionId, TrackId};
use livekit_protocol::client_info::Capability;
use livekit_protocol::participant_info::Kind;
use livekit_protocol::{AddTrackRequest, ParticipantInfo, ParticipantPermission, TrackSource};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Instant;

/// Clients up to this protocol version wait for their publishing connection, whatever we say.
const PROTOCOL_WITHOUT_SUBSCRIBER_PRIMARY: i32 = 2;

pub(crate) struct Participant {
    pub session: SessionId,
    pub sid: String,
    pub identity: String,
    /// What its token said, changed by what has happened since; signs its next token.
    pub claims: Claims,
    pub permission: ParticipantPermission,
    /// Changes only by [`crate::life::step`].
    pub stage: Stage,
    /// It has published at least once.
    pub is_publisher: bool,
    joined_unix_ms: u64,
    /// When its join was taken, until its first picture has gone out.
    pub awaits_picture_since: Option<Instant>,
    /// Of what others know about it; clients drop older ones.
    version: u32,
    /// Protocol version of its client.
    pub protocol: i32,
    client_protocol: i32,
    capabilities: Vec<i32>,
    /// Codecs that its client can be trusted with.
    pub abilities: Abilities,
    pub auto_subscribe: bool,
    pub adaptive_stream: bool,
    /// Its client can show that a stream has paused (`subscriber_allow_pause`).
    pub allows_pause: bool,

    /// Announced tracks without a media section.
    pub pending: Vec<PendingTrack>,
    /// Announcements that wait for an earlier track with the same cid.
    pub queued: Vec<AddTrackRequest>,
    /// Who may receive what it publishes.
    pub audience: Audience,

    /// Tracks that it wants.
    pub subscriptions: BTreeMap<TrackId, Subscription>,
    /// Tracks that it wants and that do not exist, with the moment when it will hear so.
    pub unknown_tracks: BTreeMap<String, Instant>,
    /// Since its last `connection_quality`, it began to receive somebody.
    pub owes_quality: bool,
    pub quality: Quality,
    pub data: ParticipantData,
    /// What a rule lets it be sent at most, in bits per second.
    pub downlink_bps: Option<u64>,
    pub tested: Tested,

    /// Of the connection on which the client offers.
    pub negotiation: Negotiation,
    /// Of the one on which we offer, if there are two.
    pub subscriber: Option<Box<Subscriber>>,
}

impl Participant {
    /// Somebody who has just been admitted.
    pub fn new(cx: &mut Context, attempt: &JoinAttempt, admission: &Admission<'_>) -> Self {
        let request = admission.request;
        let mut claims = attempt.claims.clone();
        claims.identity = admission.identity.clone();
        if !request.metadata.is_empty() {
            claims.metadata = request.metadata.clone();
        }
        // An empty value would delete what the token says; a joining client may only add.
        let attributes = request
            .participant_attributes
            .iter()
            .filter(|(_, value)| !value.is_empty());
        claims
            .attributes
            .extend(attributes.map(|(name, value)| (name.clone(), value.clone())));
        if attempt.is_publish_only() {
            claims.video.can_subscribe = Some(false);
        }
        let client = request.client_info.clone().unwrap_or_default();
        let reuses_sections = client::reuses_sections(&client);
        let settings = request.connection_settings.unwrap_or_default();
        let permission = claims.video.permission();
        let subscriber = (attempt.peer_connections == PeerConnections::Two).then(|| {
            let is_primary =
                permission.can_subscribe && client.protocol > PROTOCOL_WITHOUT_SUBSCRIBER_PRIMARY;
            Box::new(Subscriber::new(&mut cx.names, &client, is_primary))
        });
        Participant {
            session: SessionId(cx.names.session()),
            sid: cx.names.participant_sid(),
            identity: admission.identity.clone(),
            permission,
            claims,
            stage: Stage::Absent,
            is_publisher: false,
            joined_unix_ms: cx.unix_ms(),
            awaits_picture_since: Some(cx.now),
            version: 0,
            abilities: Abilities::new(&cx.config.codecs, &client),
            protocol: client.protocol,
            client_protocol: client.client_protocol,
            // A number without a name has no JSON form, and everybody is told about this one.
            capabilities: client
                .capabilities
                .into_iter()
                .filter(|capability| Capability::try_from(*capability).is_ok())
                .take(16)
                .collect(),
            auto_subscribe: settings.auto_subscribe,
            adaptive_stream: settings.adaptive_stream,
            allows_pause: settings.subscriber_allow_pause.unwrap_or(false),
            pending: Vec::new(),
            queued: Vec::new(),
            audience: Audience::Everybody,
            subscriptions: BTreeMap::new(),
            unknown_tracks: BTreeMap::new(),
            owes_quality: false,
            quality: Quality::default(),
            data: ParticipantData::new(settings.auto_subscribe_data_track.unwrap_or(false)),
            downlink_bps: None,
            tested: Tested::default(),
            negotiation: Negotiation::new(&mut cx.names, reuses_sections),
            subscriber,
        }
    }

    /// Where what it publishes comes in. A session keeps its transports over its whole life.
    pub fn connection(&self) -> ConnectionId {
        transport::connection(self.session, Side::Publisher)
    }

    /// The transport on which it is sent data: the one that its client waits for. There, whoever offers has opened the
    /// channels.
    pub fn data_connection(&self) -> ConnectionId {
        transport::connection(self.session, self.primary())
    }

    /// Nobody is told about it.
    pub fn is_hidden(&self) -> bool {
        self.permission.hidden
    }

    /// Recorders and agents do not keep a room open, and take nobody's place.
    pub fn is_dependent(&self) -> bool {
        matches!(self.claims.kind, Kind::Egress | Kind::Agent)
    }

    pub fn is_connected(&self) -> bool {
        self.stage.is_connected()
    }

    pub fn may_publish(&self, source: TrackSource) -> bool {
        let sources = &self.permission.can_publish_sources;
        self.permission.can_publish
            && (sources.is_empty() || source != TrackSource::Unknown && sources.contains(&source.into()))
    }

    /// Changes what it is shown as. What is empty stays as it is; an attribute without a value is deleted. When it would
    /// be too much nothing changes, and the sentence says of what.
    pub fn describe(
        &mut self,
        name: &str,
        metadata: &str,
        attributes: &HashMap<String, String>,
    ) -> Result<(), &'static str> {
        let mut merged = self.claims.attributes.clone();
        for (name, value) in attributes {
            if value.is_empty() {
                merged.remove(name);
            } else {
                merged.insert(name.clone(), value.clone());
            }
        }
        let merged_len: usize = merged.iter().map(|(name, value)| name.len() + value.len()).sum();
        if name.len() > NAME_BYTES_MAX {
            return Err("name length exceeds limits");
        }
        if metadata.len() > METADATA_BYTES_MAX {
            return Err("metadata size exceeds limits");
        }
        if merged_len > ATTRIBUTES_BYTES_MAX {
            return Err("attribute size exceeds limits");
        }
        self.claims.attributes = merged;
        if !name.is_empty() {
            self.claims.name = name.to_owned();
        }
        if !metadata.is_empty() {
            self.claims.metadata = metadata.to_owned();
        }
        Ok(())
    }

    /// The next version: something that others know has changed.
    pub fn changed(&mut self) {
        self.version = self.version.wrapping_add(1);
    }

    /// What others are told.
    pub fn info(&self, cx: &Context, tracks: &BTreeMap<TrackId, Track>) -> ParticipantInfo {
        let joined = i64::try_from(self.joined_unix_ms).unwrap_or(i64::MAX);
        ParticipantInfo {
            sid: self.sid.clone(),
            identity: self.identity.clone(),
            state: self.stage.state().into(),
            tracks: tracks
                .values()
                .filter(|track| track.publisher == self.session)
                .map(|track| track.info.clone())
                .collect(),
            data_tracks: self.data.track_infos(),
            metadata: self.claims.metadata.clone(),
            joined_at: joined / 1000,
            joined_at_ms: joined,
            name: self.claims.name.clone(),
            version: self.version,
            permission: Some(self.permission.clone()),
            region: cx.config.region.clone(),
            is_publisher: self.is_publisher,
            kind: self.claims.kind.into(),
            attributes: self
                .claims
                .attributes
                .clone()
                .into_iter()
                .collect::<HashMap<_, _>>(),
            client_protocol: self.client_protocol,
            capabilities: self.capabilities.clone(),
            ..ParticipantInfo::default()
        }
    }

    /// SSRCs that its transport sends already.
    pub fn ssrcs(&self) -> BTreeSet<u32> {
        self.subscriptions
            .values()
            .filter_map(|subscription| subscription.bound.as_ref())
            .flat_map(|bound| [Some(bound.ssrc), bound.rtx_ssrc])
            .flatten()
            .collect()
    }

    /// Header extensions of what we send it on a section in a format; video alone carries the send time, and the
    /// transport-wide number where the client offers to tell what arrives. The dependency descriptor only where the section
    /// itself has it: browsers offer it for sending rather than for receiving.
    pub fn send_extensions(&self, section: &Section, format: &Format) -> ExtensionIds {
        let all = self.negotiation.extensions;
        let is_video = section.kind == SectionKind::Video;
        let mut own = section.extensions.iter().map(|extmap| extmap.extension);
        let has_descriptor = own.clone().any(|own| own == Extension::DependencyDescriptor);
        let is_measured = format.feedback.transport_cc && own.any(|own| own == Extension::TransportCc);
        ExtensionIds {
            mid: all.mid,
            abs_send_time: all.abs_send_time.filter(|_| is_video),
            transport_cc: all.transport_cc.filter(|_| is_video && is_measured),
            dependency_descriptor: all.dependency_descriptor.filter(|_| is_video && has_descriptor),
            ..ExtensionIds::default()
        }
    }
}
