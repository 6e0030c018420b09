//! What the control side says to the media plane ([`MediaCommand`]) and what it hears back ([`MediaEvent`]).
//!
//! Commands are plain data: the result of a negotiation, never its text. They are ordered; a command that names
//! something which is not there any more is ignored, because a peer may vanish at any time.

use crate::ids::{ConnectionId, DownTrackId, Layer, Mid, Rid, TrackId};
use crate::sent_layers::SentLayers;
use bytes::Bytes;
use std::time::Duration;

/// Who is at the other end of a transport.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Peer {
    /// A person's device: it gets one layer of a track at a time and sees nothing of its own.
    Client,
    /// Another organisation's SFU (`docs/architecture.md`, "Relays"): it will carry every wanted layer at once.
    Relay(Relay),
}

/// A relay between SFUs. There is no way to make one yet; the type keeps its place in every `match`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relay {
    never: std::convert::Infallible,
}

impl Relay {
    pub(crate) fn impossible(self) -> ! {
        match self.never {}
    }
}

/// ICE user name fragment and password of one side (RFC 8839, section 5.4).
#[derive(Clone, PartialEq, Eq)]
pub struct IceCredentials {
    /// 4 to 256 characters.
    pub ufrag: String,
    /// 22 to 256 characters. Secret.
    pub password: String,
}

impl std::fmt::Debug for IceCredentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("IceCredentials(redacted)")
    }
}

/// SHA-256 fingerprint of the peer's DTLS certificate (RFC 8122). Other hashes are refused at negotiation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fingerprint(pub [u8; 32]);

/// A codec that the media plane understands well enough to forward.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Codec {
    /// RFC 6716, payload format RFC 7587.
    Opus,
    /// Opus with redundant copies of earlier packets (RFC 2198).
    Red,
    /// G.711 µ-law (RFC 3551, section 4.5.14).
    Pcmu,
    /// G.711 A-law (RFC 3551, section 4.5.14).
    Pcma,
    /// Payload format RFC 7741.
    Vp8,
    /// Payload format RFC 6184.
    H264,
    /// Payload format RFC 7798.
    H265,
    /// Payload format RFC 9628.
    Vp9,
    /// Payload format of the Alliance for Open Media, "RTP Payload Format For AV1". Needs the dependency descriptor:
    /// its payload is never read.
    Av1,
}

impl Codec {
    /// RTP clock, in Hz.
    pub const fn clock_rate_hz(self) -> u32 {
        match self {
            Codec::Opus | Codec::Red => 48_000,
            Codec::Pcmu | Codec::Pcma => 8_000,
            Codec::Vp8 | Codec::H264 | Codec::H265 | Codec::Vp9 | Codec::Av1 => 90_000,
        }
    }

    /// Whether streams of this codec have key frames and layers.
    pub const fn is_video(self) -> bool {
        matches!(
            self,
            Codec::Vp8 | Codec::H264 | Codec::H265 | Codec::Vp9 | Codec::Av1
        )
    }

    /// Its encoding name (RFC 8866, section 6.6), in lower case.
    pub const fn name(self) -> &'static str {
        match self {
            Codec::Opus => "opus",
            Codec::Red => "red",
            Codec::Pcmu => "pcmu",
            Codec::Pcma => "pcma",
            Codec::Vp8 => "vp8",
            Codec::H264 => "h264",
            Codec::H265 => "h265",
            Codec::Vp9 => "vp9",
            Codec::Av1 => "av1",
        }
    }
}

/// How the spatial layers of a track come in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Layering {
    /// Simulcast: each layer is a stream of its own, with its own SSRC, numbers and key frames.
    #[default]
    PerStream,
    /// SVC: one stream has all layers, and the larger ones build upon the smaller ones. The section then has one
    /// [`LayerSource`].
    InStream,
}

/// Header extension ids (RFC 8285), one id space per BUNDLE. `None`: not negotiated. All of them are at most 14, so that
/// the one-byte form can carry them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExtensionIds {
    /// `urn:ietf:params:rtp-hdrext:sdes:mid`
    pub mid: Option<u8>,
    /// `urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id`
    pub rid: Option<u8>,
    /// `urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id`
    pub repaired_rid: Option<u8>,
    /// `urn:ietf:params:rtp-hdrext:ssrc-audio-level` (RFC 6464)
    pub audio_level: Option<u8>,
    /// `http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01`
    pub transport_cc: Option<u8>,
    /// `http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time`
    pub abs_send_time: Option<u8>,
    /// `https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension`
    pub dependency_descriptor: Option<u8>,
}

/// One simulcast layer of a section, and how its packets are recognised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayerSource {
    /// Which layer this is.
    pub layer: Layer,
    /// Its rid, if the section announces simulcast by rid.
    pub rid: Option<Rid>,
    /// Its SSRC, if the offer says it (`a=ssrc`); otherwise learned from mid and rid.
    pub ssrc: Option<u32>,
    /// SSRC of its retransmissions, if the offer says it (`a=ssrc-group:FID`).
    pub rtx_ssrc: Option<u32>,
}

/// One media section on which the peer sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceiveSection {
    /// `a=mid`
    pub mid: Mid,
    /// The track that comes in here.
    pub track: TrackId,
    /// Its codec.
    pub codec: Codec,
    /// Its payload type.
    pub payload_type: u8,
    /// Payload type of its retransmissions (RFC 4588), if negotiated.
    pub rtx_payload_type: Option<u8>,
    /// [`Codec::Red`] only: the payload type of the Opus inside.
    pub primary_payload_type: Option<u8>,
    /// Whether its layers are streams of their own.
    pub layering: Layering,
    /// Its layers; one entry without rid when it is not simulcast. At most [`crate::ids::LAYERS_MAX`].
    pub layers: Vec<LayerSource>,
}

/// Everything a peer sends, as of its latest negotiation. Replaces the previous plan: a track that is missing has
/// ended, and its subscribers receive nothing more.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReceivePlan {
    /// Header extensions of this transport.
    pub extensions: ExtensionIds,
    /// Sections in order of their m-lines.
    pub sections: Vec<ReceiveSection>,
}

/// How a track goes out to one subscriber. Constant for the life of the down track.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SendPlan {
    /// The codec it goes out with: the track's own. Only between [`Codec::Opus`] and [`Codec::Red`] it may differ, of a
    /// track that is not sealed by the sender's device: then it is converted.
    pub codec: Codec,
    /// SSRC, unique on the subscriber's transport.
    pub ssrc: u32,
    /// SSRC of retransmissions; `None` for audio.
    pub rtx_ssrc: Option<u32>,
    /// Payload type in the subscriber's numbering.
    pub payload_type: u8,
    /// Payload type of retransmissions (RFC 4588).
    pub rtx_payload_type: Option<u8>,
    /// [`Codec::Red`] only: the payload type of the Opus inside, in the subscriber's numbering.
    pub primary_payload_type: Option<u8>,
    /// The section it goes out on.
    pub mid: Mid,
    /// Header extensions of the subscriber's transport (its whole BUNDLE shares them).
    pub extensions: ExtensionIds,
    /// Canonical name for RTCP SDES (RFC 3550, section 6.5.1).
    pub cname: String,
    /// The subscriber agrees to receive nothing of it where its downlink does not even carry the lowest layer.
    pub may_pause: bool,
}

impl SendPlan {
    /// Whether the subscriber tells what arrives of it, so that its downlink can be estimated: only where probes can be
    /// sent, too, on a stream for retransmissions. Elsewhere its packets carry no transport-wide number.
    pub fn is_measured(&self) -> bool {
        self.extensions.transport_cc.is_some() && self.rtx_ssrc.is_some() && self.rtx_payload_type.is_some()
    }
}

/// What a subscriber wants of a track right now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Want {
    /// False: send nothing (the tile is hidden).
    pub enabled: bool,
    /// The largest layer it can use.
    pub layer_max: Layer,
    /// The highest temporal layer it can use, counted from 0; `u8::MAX` is all of them.
    pub temporal_max: u8,
}

/// Whose picture gets its larger layers first where a subscriber's downlink does not carry all that it wants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precedence {
    /// Whoever listens.
    #[default]
    Listener,
    /// Whoever speaks.
    Speaker,
    /// A screen: text that is blurred says nothing.
    Screen,
}

impl Precedence {
    /// The first first.
    pub const ORDER: [Precedence; 3] = [Precedence::Screen, Precedence::Speaker, Precedence::Listener];
}

/// A data channel of a connection (RFC 8831), by its label. A connection has at most one open of each kind: when its peer
/// opens another of the same kind, that one takes the place of the earlier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DataChannel {
    /// `_reliable`: everything arrives, in order.
    Reliable,
    /// `_lossy`: what cannot go out soon is dropped.
    Lossy,
    /// `_data_track`: packets of data tracks, as lossy as `_lossy`.
    DataTrack,
    /// Any other label: of a client that knows nothing of LiveKit's packets.
    Foreign,
}

impl DataChannel {
    /// The channels that LiveKit's protocol has.
    pub const KNOWN: [DataChannel; 3] = [DataChannel::Reliable, DataChannel::Lossy, DataChannel::DataTrack];

    /// Which kind a label means.
    pub fn from_label(label: &[u8]) -> Self {
        match label {
            b"_reliable" => DataChannel::Reliable,
            b"_lossy" => DataChannel::Lossy,
            b"_data_track" => DataChannel::DataTrack,
            _ => DataChannel::Foreign,
        }
    }

    /// The label, of a known one.
    pub const fn label(self) -> &'static str {
        match self {
            DataChannel::Reliable => "_reliable",
            DataChannel::Lossy => "_lossy",
            DataChannel::DataTrack => "_data_track",
            DataChannel::Foreign => "",
        }
    }

    /// Whether what does not fit is dropped rather than queued.
    pub const fn is_lossy(self) -> bool {
        matches!(self, DataChannel::Lossy | DataChannel::DataTrack)
    }
}

/// What a shard is told.
#[derive(Clone, Debug)]
pub enum MediaCommand {
    /// Expect a peer: answer its STUN checks, then shake hands. Its media plan follows by [`MediaCommand::SetReceivePlan`].
    OpenConnection {
        /// A new id.
        connection: ConnectionId,
        /// Client or relay.
        peer: Peer,
        /// Our credentials; the ufrag is unique in the node.
        local: IceCredentials,
        /// The peer's.
        remote: IceCredentials,
        /// The only certificate that is accepted.
        fingerprint: Fingerprint,
    },
    /// Restart ICE (RFC 8445, section 9): the peer may check with these credentials, too. Those before are good until its
    /// first valid check with the new ones, and media goes on where it goes until the peer nominates another pair.
    RestartIce {
        /// Whose.
        connection: ConnectionId,
        /// Our new credentials; the ufrag is unique in the node.
        local: IceCredentials,
        /// The peer's new ones.
        remote: IceCredentials,
    },
    /// The peer sends these sections from now on.
    SetReceivePlan {
        /// Whose plan.
        connection: ConnectionId,
        /// The whole plan.
        plan: ReceivePlan,
    },
    /// Forward a track to a peer. The first packet that goes out is a key frame (video).
    Subscribe {
        /// The subscriber's transport.
        connection: ConnectionId,
        /// The track; it must be in some connection's receive plan.
        track: TrackId,
        /// A new id.
        down_track: DownTrackId,
        /// How it goes out.
        plan: SendPlan,
        /// What is wanted of it at first.
        want: Want,
    },
    /// Stop forwarding.
    Unsubscribe {
        /// Which.
        down_track: DownTrackId,
    },
    /// Change what is wanted.
    SetWant {
        /// Which.
        down_track: DownTrackId,
        /// From now on.
        want: Want,
    },
    /// Send a peer at most so much video, whatever its downlink carries. The lowest layer of each track that may not pause
    /// ([`SendPlan::may_pause`]) passes all the same.
    LimitDownlink {
        /// Whose.
        connection: ConnectionId,
        /// Bits per second, sound included; `None` is no limit.
        bits_per_second: Option<u64>,
    },
    /// Say how much a track of video matters where not everything fits; at first it is a [`Precedence::Listener`]'s. Counts
    /// within a second.
    SetPrecedence {
        /// Which track; it must be in some connection's receive plan.
        track: TrackId,
        /// From now on.
        precedence: Precedence,
    },
    /// Ask the publisher for a key frame on every layer that flows and has had none recently (throttled; RFC 4585 PLI).
    RequestKeyFrame {
        /// Which track.
        track: TrackId,
    },
    /// Open the known data channels from our side (RFC 8832) as soon as the peer's SCTP is there. For connections on which
    /// the peer does not open them itself.
    OpenDataChannels {
        /// On which.
        connection: ConnectionId,
    },
    /// Send one message to many peers. Who has no such channel open does not get it; see
    /// [`MediaEvent::DataChannelOpen`].
    SendData {
        /// To whom.
        to: Vec<ConnectionId>,
        /// By which channel.
        channel: DataChannel,
        /// The message; at most [`crate::DATA_MESSAGE_BYTES_MAX`].
        payload: Bytes,
    },
    /// Forget a peer and everything it sends and receives. No event follows.
    CloseConnection {
        /// Which.
        connection: ConnectionId,
    },
}

/// Why a connection ended by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectionEnd {
    /// No valid STUN check for [`crate::ICE_TIMEOUT`].
    IceTimeout,
    /// The DTLS handshake failed: wrong certificate, no common SRTP profile, broken records.
    DtlsFailed,
    /// The peer closed DTLS in order (`close_notify`).
    ClosedByPeer,
}

/// How one transport does as both of its ends see it, over the last reporting interval.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TransportQuality {
    /// Packets of the peer's media that never reached us, in ‰; `None` when it sent nothing.
    pub loss_up_permille: Option<u16>,
    /// Packets of our media that never reached the peer (its receiver reports), in ‰; `None` without reports.
    pub loss_down_permille: Option<u16>,
    /// The longest round trip to the peer, by its receiver reports (RFC 3550, section 6.4.1) or its echoes of our
    /// reference times (RFC 3611, section 4.5); `None` without one.
    pub round_trip: Option<Duration>,
    /// The largest interarrival jitter of the peer's streams (RFC 3550, section 6.4.1); `None` when it sent nothing.
    pub jitter_up: Option<Duration>,
    /// Nothing authentic has come from the peer: neither media nor a report, and no check of the path for longer than
    /// consent lasts between two of them (RFC 7675).
    pub is_silent: bool,
    /// Each track that comes in.
    pub received: Vec<ReceivedQuality>,
    /// Each track that goes out.
    pub sent: Vec<SentQuality>,
}

/// How one track came in over the last reporting interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ReceivedQuality {
    /// Which.
    pub track: TrackId,
    /// Packets that should have come, of all its layers together.
    pub expected: u32,
    /// How many of them neither came nor were brought back by a retransmission.
    pub lost: u32,
    /// The largest interarrival jitter of its layers (RFC 3550, section 6.4.1); `None` when nothing came.
    pub jitter: Option<Duration>,
    /// How many layers flowed, the largest one and all below it, on average.
    pub layers: f32,
    /// Its sender has reported about it (RFC 3550, section 6.4.1).
    pub is_reported: bool,
}

/// How one track went out over the last reporting interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SentQuality {
    /// Which.
    pub down_track: DownTrackId,
    /// Packets that went out, without retransmissions.
    pub sent: u32,
    /// Packets that the peer's reports are about (RFC 3550, section 6.4.1); 0 when none has come.
    pub expected: u32,
    /// How many of them were lost on their way to the peer. What had not come to us is not among them.
    pub lost: u32,
    /// The longest round trip by these reports.
    pub round_trip: Option<Duration>,
    /// Layers between what the peer wants, as far as it flows, and what went out, on average; all of them while it waits
    /// for its first picture. `None`: it wanted nothing, nothing flowed, or it has paused.
    pub missing_layers: Option<f32>,
    /// What goes out of it at the end of the interval, and why not more; `None`: it is no video.
    pub layers: Option<SentLayers>,
}

/// What a shard tells.
#[derive(Clone, Debug, PartialEq)]
pub enum MediaEvent {
    /// ICE and DTLS are up: media flows. Once per connection.
    Connected {
        /// Which.
        connection: ConnectionId,
    },
    /// The connection is gone; the shard has forgotten it.
    Ended {
        /// Which.
        connection: ConnectionId,
        /// Why.
        end: ConnectionEnd,
    },
    /// The first packet of a track arrived and was authentic. Once per track.
    TrackFlowing {
        /// Which.
        track: TrackId,
    },
    /// The first key frame (video) or packet (audio) went out to a subscriber. Once per down track.
    FirstForwarded {
        /// Whose connection.
        connection: ConnectionId,
        /// Of which track.
        track: TrackId,
    },
    /// A down track has paused because the subscriber's downlink is too small, or goes on.
    StreamState {
        /// The subscriber's connection.
        connection: ConnectionId,
        /// Of which track.
        track: TrackId,
        /// Nothing goes out.
        is_paused: bool,
    },
    /// Loudness of an audio track over the last [`crate::SPEAKER_WINDOW`], smoothed, 0 (silent) to 1; sent once per
    /// window while it is above 0, and once when it falls to 0.
    AudioLevel {
        /// Which.
        track: TrackId,
        /// Linear.
        level: f32,
    },
    /// A data channel can carry messages both ways, or can do so again.
    DataChannelOpen {
        /// Whose.
        connection: ConnectionId,
        /// Which.
        channel: DataChannel,
    },
    /// A message came in. It may overtake other events.
    Data {
        /// From whom.
        connection: ConnectionId,
        /// By which channel.
        channel: DataChannel,
        /// The message; at most [`crate::DATA_MESSAGE_BYTES_MAX`].
        payload: Bytes,
    },
    /// A peer does not take what is sent to it by a channel that drops nothing, and its queue is full. Its data channels
    /// carry nothing to it any more. Once per connection.
    DataStalled {
        /// Whose.
        connection: ConnectionId,
    },
    /// Every [`crate::QUALITY_INTERVAL`] for each connected peer.
    Quality {
        /// Whose.
        connection: ConnectionId,
        /// What was measured.
        quality: TransportQuality,
    },
}
