//! One transport: who is at the other end, how its packets are recognised, and what is due to be told to it.

use crate::arena::SendArena;
use crate::command::{ExtensionIds, Fingerprint, IceCredentials, LayerSource, ReceivePlan};
use crate::downlink::Downlink;
use crate::estimate::BandwidthEstimator;
use crate::ice::Check;
use crate::ids::{ConnectionId, DownTrackId, Layer, Mid, TrackId};
use crate::pacer::{Pace, Pacer};
use crate::replay::ReplayWindow;
use crate::round_trip::RoundTrip;
use crate::rtp::{Extensions, RtpHeader};
use crate::secure::SecureTransport;
use crate::sent_layers::SharedLink;
use crate::sequence::SequenceExtender;
use crate::srtp::SrtpSession;
use crate::track::RateMeter;
use crate::twcc::TwccRecorder;
use arrayvec::ArrayVec;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Our SSRC in feedback. It identifies nobody: one transport has one SFU at its other end.
pub const FEEDBACK_SSRC: u32 = 1;

/// Streams (media and retransmission) of one peer; packets of further ones are dropped. 20 simulcast tracks need 120.
pub const STREAMS_MAX: usize = 128;

/// Addresses from which one peer may send at a time. A new one replaces the oldest.
pub const ADDRESSES_MAX: usize = 8;

/// The address in use is left for another valid one from which media or control comes once it has been silent for this long.
/// A client says something on its path at least every 100 ms: sound every 20 ms, feedback on what it receives ten times a
/// second. Shorter, and packets that overtake each other on their way from one path to the other would move media to and fro.
pub const PATH_SILENCE: Duration = Duration::from_millis(200);

/// Bytes of RTCP after which a datagram is closed.
const CONTROL_DATAGRAM: usize = 1000;

/// One negotiated incoming section.
#[derive(Debug)]
pub struct Section {
    mid: Mid,
    /// The track's name.
    pub track_id: TrackId,
    /// The track's slab key.
    pub track: usize,
    payload_type: u8,
    rtx_payload_type: Option<u8>,
    layers: Vec<LayerSource>,
}

/// Which part of which track a stream carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Source {
    /// Slab key.
    pub track: usize,
    /// Layer.
    pub layer: Layer,
    /// Retransmissions of the layer instead of the layer itself.
    pub rtx: bool,
    payload_type: u8,
}

/// One incoming SSRC.
#[derive(Debug)]
pub struct Stream {
    /// RFC 3550, section 8.
    pub ssrc: u32,
    /// What it carries.
    pub source: Source,
    /// Its SRTP packet index.
    pub index: SequenceExtender,
    /// What has been seen of it.
    pub replay: ReplayWindow,
}

/// Loss and delay over one quality interval.
#[derive(Clone, Copy, Debug, Default)]
pub struct LossCounters {
    /// Packets that should have come.
    pub expected: u64,
    /// Packets that came.
    pub received: u64,
    /// Sum of the fractions in the peer's reports (of 256), and how many there were.
    pub reported: (u32, u32),
    /// The longest round trip.
    pub round_trip: Option<Duration>,
    /// The largest jitter of what came in.
    pub jitter: Option<Duration>,
    /// Reports that came, of whatever kind.
    pub controls: u32,
}

/// When a connection next does what.
#[derive(Clone, Copy, Debug)]
pub struct Due {
    /// Receiver reports to the publisher.
    pub receiver_reports: Instant,
    /// Sender reports to the subscriber.
    pub sender_reports: Instant,
    /// The one of a down track that cannot wait for them, if there is any.
    pub first_reports: Option<Instant>,
    /// The quality event.
    pub quality: Instant,
}

/// The way to the peer.
#[derive(Default)]
pub struct Wire {
    /// The pair that the peer nominated, or uses without having nominated it yet, or the first that worked.
    pub address: Option<SocketAddr>,
    /// When something authentic last came from there.
    pub heard: Option<Instant>,
    /// SRTP, once DTLS is done.
    pub session: Option<SrtpSession>,
    /// RTCP that waits to be sealed.
    pub control: Vec<u8>,
}

impl Wire {
    /// Media can be sent: keys are there, and an address.
    pub fn is_ready(&self) -> bool {
        self.session.is_some() && self.address.is_some()
    }

    /// Seals the waiting RTCP and puts it into the arena.
    pub fn flush(&mut self, arena: &mut SendArena) {
        if self.control.is_empty() {
            return;
        }
        if let (Some(session), Some(address)) = (&mut self.session, self.address)
            && let Ok(sealed) = session.seal_control(&self.control)
        {
            arena.push_datagram(address, &sealed);
        }
        self.control.clear();
    }

    /// Like [`Wire::flush`], once enough has gathered for a datagram.
    pub fn flush_full(&mut self, arena: &mut SendArena) {
        if self.control.len() >= CONTROL_DATAGRAM {
            self.flush(arena);
        }
    }
}

/// How a check from the peer was made.
#[derive(Debug, PartialEq, Eq)]
pub enum Admitted {
    /// With the credentials that were in use.
    Known,
    /// With those of an ICE restart, which are in use from now on.
    Restarted {
        /// Our ufrag before.
        over: String,
    },
}

/// One transport.
pub struct Connection {
    /// Its name.
    pub id: ConnectionId,
    /// Our ICE credentials.
    pub local: IceCredentials,
    /// The peer's.
    pub remote: IceCredentials,
    /// Those of an ICE restart, ours and the peer's, until the peer uses them.
    pub next: Option<(IceCredentials, IceCredentials)>,
    /// The peer's certificate.
    pub fingerprint: Fingerprint,
    /// Where and how media and control go out.
    pub wire: Wire,
    /// Every address that has passed a check.
    pub addresses: ArrayVec<SocketAddr, ADDRESSES_MAX>,
    /// The latest valid check; `None` until a peer has come.
    pub checked: Option<Instant>,
    /// DTLS, once a peer has come.
    pub secure: Option<Box<dyn SecureTransport>>,
    /// The known data channels are opened from our side.
    pub opens_channels: bool,
    /// It is among those whose messages are to be taken.
    pub talks: bool,
    /// Header extensions of what comes in.
    pub extensions: ExtensionIds,
    /// What comes in.
    pub sections: Vec<Section>,
    /// Which SSRCs carry it.
    pub streams: Vec<Stream>,
    /// What goes out: SSRC and down track.
    pub sends: Vec<(u32, DownTrackId)>,
    /// When packets came, for the peer's congestion control.
    pub twcc: TwccRecorder,
    /// What the peer's downlink carries, as far as the peer says so itself.
    pub downlink: Downlink,
    /// What it carries by our own measurement, once something goes out that the peer tells about.
    pub estimator: Option<Box<BandwidthEstimator>>,
    /// When what goes out leaves.
    pub pacer: Pacer,
    /// The down track whose retransmission stream carries probes.
    pub probes_on: Option<DownTrackId>,
    /// Its running probe is on the shard's list.
    pub is_probing: bool,
    /// The limit by which the downlink was last shared.
    pub shared_bps: Option<u64>,
    /// How many videos wanted some of it then.
    pub shared_videos: u16,
    /// What is wanted has changed since.
    pub is_share_due: bool,
    /// What goes out, in bit/s.
    pub sent: RateMeter,
    /// From us to the peer and back.
    pub round_trip: RoundTrip,
    /// The same, by when retransmissions came that it was asked for: longer where requests were lost.
    pub answers: RoundTrip,
    /// Loss of the running interval.
    pub loss: LossCounters,
    /// What is due when.
    pub due: Due,
}

impl Connection {
    /// A connection that waits for its peer.
    pub fn new(
        now: Instant,
        id: ConnectionId,
        local: IceCredentials,
        remote: IceCredentials,
        fingerprint: Fingerprint,
    ) -> Self {
        Connection {
            id,
            local,
            remote,
            next: None,
            fingerprint,
            wire: Wire::default(),
            addresses: ArrayVec::new(),
            checked: None,
            secure: None,
            opens_channels: false,
            talks: false,
            extensions: ExtensionIds::default(),
            sections: Vec::new(),
            streams: Vec::new(),
            sends: Vec::new(),
            twcc: TwccRecorder::new(),
            downlink: Downlink::default(),
            estimator: None,
            pacer: Pacer::default(),
            probes_on: None,
            is_probing: false,
            shared_bps: None,
            shared_videos: 0,
            is_share_due: false,
            sent: RateMeter::default(),
            round_trip: RoundTrip::default(),
            answers: RoundTrip::default(),
            loss: LossCounters::default(),
            due: Due {
                receiver_reports: now,
                sender_reports: now,
                first_reports: None,
                quality: now + crate::QUALITY_INTERVAL,
            },
        }
    }

    /// Whether a check is from its peer. The first one with the credentials of an ICE restart makes them the only ones; the
    /// ufrag that is over then is returned.
    pub fn admits(&mut self, check: &mut Check) -> Option<Admitted> {
        let is_next = |(local, _): &(IceCredentials, IceCredentials)| local.ufrag == check.local_ufrag();
        let Some((local, remote)) = self.next.take_if(|next| is_next(next)) else {
            let is_authentic = check.is_authentic(&self.local, &self.remote);
            return is_authentic.then_some(Admitted::Known);
        };
        if !check.is_authentic(&local, &remote) {
            self.next = Some((local, remote));
            return None;
        }
        let over = std::mem::replace(&mut self.local, local);
        self.remote = remote;
        Some(Admitted::Restarted { over: over.ufrag })
    }

    /// Takes a new plan. `track_key` says where each of its tracks lives.
    pub fn set_plan(&mut self, plan: &ReceivePlan, mut track_key: impl FnMut(TrackId) -> Option<usize>) {
        self.extensions = plan.extensions;
        self.sections = plan
            .sections
            .iter()
            .filter_map(|section| {
                Some(Section {
                    mid: section.mid,
                    track_id: section.track,
                    track: track_key(section.track)?,
                    payload_type: section.payload_type,
                    rtx_payload_type: section.rtx_payload_type,
                    layers: section.layers.clone(),
                })
            })
            .collect();
        let sections = &self.sections;
        self.streams.retain(|stream| {
            sections
                .iter()
                .any(|section| section.track == stream.source.track)
        });
    }

    /// Whose packet is this, by what was negotiated? Used once per SSRC; afterwards the SSRC is enough.
    pub fn resolve(&self, header: &RtpHeader, extensions: &Extensions<'_>) -> Option<Source> {
        self.sections.iter().find_map(|section| {
            let rtx = match header.payload_type {
                payload_type if payload_type == section.payload_type => false,
                payload_type if Some(payload_type) == section.rtx_payload_type => true,
                _ => return None,
            };
            let rid = if rtx {
                extensions.repaired_rid
            } else {
                extensions.rid
            };
            let layer = match extensions.mid {
                Some(mid) if mid != section.mid.as_str() => return None,
                Some(_) => section.layers.iter().find(|layer| match &layer.rid {
                    Some(expected) => rid == Some(expected.as_str()),
                    None => true,
                }),
                None => section
                    .layers
                    .iter()
                    .find(|layer| (if rtx { layer.rtx_ssrc } else { layer.ssrc }) == Some(header.ssrc)),
            }?;
            Some(Source {
                track: section.track,
                layer: layer.layer,
                rtx,
                payload_type: header.payload_type,
            })
        })
    }

    /// Bits per second that may go out to the peer; `None` is no limit.
    pub fn limit_bps(&self, now: Instant) -> Option<u64> {
        let estimate = self.estimator.as_ref().and_then(|it| it.target_bps(now));
        match (estimate, self.downlink.cap_bps()) {
            (Some(estimate), cap) => Some(cap.map_or(estimate, |cap| cap.min(estimate))),
            (None, _) => self.downlink.limit_bps(),
        }
    }

    /// How its downlink was shared last; `None`: it is not limited.
    pub fn shared_link(&self) -> Option<SharedLink> {
        let limit_bps = self.shared_bps?;
        Some(SharedLink {
            limit_bps,
            videos: self.shared_videos,
            is_capped: self.downlink.cap_bps().is_some_and(|cap| cap <= limit_bps),
        })
    }

    /// Brings the pacer up to date with what is known of the downlink.
    pub fn set_pace(&mut self, now: Instant) {
        let measured = self.estimator.as_ref().and_then(|estimator| {
            Some(Pace {
                bps: estimator.target_bps(now)?,
                is_limit: estimator.is_limit(),
            })
        });
        let told = self.downlink.told_bps().map(|bps| Pace { bps, is_limit: false });
        self.pacer.set_pace(measured.or(told));
    }

    /// The peer estimates its downlink itself (REMB). Beside our own measurement that says nothing: it never rises far
    /// above what is sent, and may be about some of the streams alone.
    pub fn on_receiver_estimate(&mut self, now: Instant, bps: u64) {
        if !self
            .estimator
            .as_ref()
            .is_some_and(|estimator| estimator.is_heard())
        {
            self.downlink.on_estimate(now, bps, self.sent.bits_per_second());
        }
    }

    /// Media goes out to this address from now on. Whatever was learned of the way to another one is worth nothing.
    pub fn set_address(&mut self, now: Instant, address: SocketAddr) {
        self.wire.heard = Some(now);
        let before = self.wire.address.replace(address);
        if let Some(estimator) = &mut self.estimator
            && before.is_some_and(|before| before != address)
        {
            estimator.on_route_changed(now);
        }
    }

    /// Authentic media or control has come from an address that has passed a check. Chromium nominates a pair only with the
    /// next check that is due on it, up to 2.5 s after it has left a dead one for it; libwebrtc's own controlled side follows
    /// the data as well.
    #[inline]
    pub fn on_heard(&mut self, now: Instant, source: SocketAddr) {
        if self.wire.address == Some(source) {
            self.wire.heard = Some(now);
        } else if self
            .wire
            .heard
            .is_none_or(|heard| now.saturating_duration_since(heard) >= PATH_SILENCE)
        {
            self.set_address(now, source);
        }
    }

    /// The down track behind an outgoing SSRC.
    pub fn down_track(&self, ssrc: u32) -> Option<DownTrackId> {
        self.sends
            .iter()
            .find(|(sent, _)| *sent == ssrc)
            .map(|(_, down_track)| *down_track)
    }
}

impl Source {
    /// Whether a packet's payload type is the one that was negotiated for this stream.
    pub fn fits(&self, header: &RtpHeader) -> bool {
        self.payload_type == header.payload_type
    }
}
