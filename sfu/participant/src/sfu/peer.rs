//! Peer connections with what this participant can: Opus and VP8.

use anyhow::{Context, Result};
use async_trait::async_trait;
use bytes::Bytes;
use rtc::ice::mdns::MulticastDnsMode;
use rtc::interceptor::Registry;
use rtc::media::Sample;
use rtc::media_stream::MediaStreamTrack;
use rtc::peer_connection::configuration::RTCConfigurationBuilder;
use rtc::peer_connection::configuration::interceptor_registry::register_default_interceptors;
use rtc::peer_connection::configuration::media_engine::{MIME_TYPE_OPUS, MIME_TYPE_VP8, MediaEngine};
use rtc::peer_connection::configuration::setting_engine::SettingEngineBuilder;
use rtc::peer_connection::transport::RTCDtlsRole;
use rtc::rtcp::payload_feedbacks::picture_loss_indication::PictureLossIndication;
use rtc::rtp_transceiver::rtp_sender::{
    RTCPFeedback, RTCRtpCodec, RTCRtpCodecParameters, RTCRtpCodingParameters, RTCRtpEncodingParameters,
    RtpCodecKind,
};
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::{Semaphore, mpsc};
use webrtc::media_stream::track_local::TrackLocal;
use webrtc::media_stream::track_local::static_sample::TrackLocalStaticSample;
use webrtc::media_stream::track_remote::{TrackRemote, TrackRemoteEvent};
use webrtc::peer_connection::{
    PeerConnection, PeerConnectionBuilder, PeerConnectionEventHandler, RTCPeerConnectionState,
};
use webrtc::rtp_transceiver::RtpSender;

use super::ice::Ways;
use crate::media::assemble::Assembler;
use hanse_callkeys::frame::FrameKind;

/// Tracks of others that are read at a time on one connection. Further ones are not.
const TRACKS_MAX: usize = 1_024;

/// What a connection says.
pub enum Event {
    /// Media can flow, on the connection of this name.
    Connected(&'static str),
    /// It cannot any more.
    Failed,
    /// Pictures come from now on.
    Pictures {
        /// As in a frame.
        stream: String,
        /// Where key frames are asked for.
        track: Arc<dyn TrackRemote>,
    },
    /// A whole frame of somebody's track.
    Frame {
        /// The stream's name: whose it is, and which track (`PA_…|TR_…`).
        stream: String,
        /// Sound or picture.
        kind: FrameKind,
        /// As it came, sealed or not.
        frame: Bytes,
    },
}

/// A track that is sent.
pub struct Outgoing {
    track: Arc<TrackLocalStaticSample>,
    sender: Arc<dyn RtpSender>,
    ssrc: u32,
}

impl Outgoing {
    /// Sends a frame.
    pub async fn send(&self, sample: &Sample) -> Result<()> {
        let parameters = self.sender.get_parameters().await?;
        let codec = parameters
            .rtp_parameters
            .codecs
            .first()
            .context("no codec is agreed on")?;
        let writer = self.track.sample_writer(self.ssrc, codec.payload_type);
        Ok(writer.write_sample(sample).await?)
    }
}

/// Opens a connection that says through `events` what happens, under this name.
pub(super) async fn open(
    name: &'static str,
    ways: &Ways,
    events: mpsc::Sender<Event>,
) -> Result<Arc<dyn PeerConnection>> {
    let mut media = MediaEngine::default();
    media.register_codec(opus(), RtpCodecKind::Audio)?;
    media.register_codec(vp8(), RtpCodecKind::Video)?;
    let registry = register_default_interceptors(Registry::new(), &mut media)?;
    // An SFU does not open a door to anybody: we do, as browsers do (RFC 8842, section 5.3).
    // An SFU has no names of the local network, and listening for them fails on machines without multicast.
    let settings = SettingEngineBuilder::new()
        .with_answering_dtls_role(RTCDtlsRole::Client)
        .with_multicast_dns_mode(MulticastDnsMode::Disabled)
        .build();
    let configuration = RTCConfigurationBuilder::new()
        .with_ice_servers(ways.servers.clone())
        .with_ice_transport_policy(ways.policy)
        .build();
    let handler = Handler {
        name,
        events,
        tracks: Arc::new(Semaphore::new(TRACKS_MAX)),
    };
    let connection = PeerConnectionBuilder::new()
        .with_configuration(configuration)
        .with_setting_engine(settings)
        .with_media_engine(media)
        .with_interceptor_registry(registry)
        .with_handler(Arc::new(handler))
        .with_udp_addrs(ways.udp.clone())
        .with_tcp_addrs(ways.tcp.clone())
        .build()
        .await?;
    Ok(Arc::new(connection))
}

/// Adds a track of this name; the next offer has it.
pub async fn add_track(
    connection: &dyn PeerConnection,
    name: &str,
    kind: RtpCodecKind,
    ssrc: u32,
) -> Result<Outgoing> {
    let codec = match kind {
        RtpCodecKind::Audio => opus(),
        _ => vp8(),
    };
    let encoding = RTCRtpEncodingParameters {
        rtp_coding_parameters: RTCRtpCodingParameters {
            ssrc: Some(ssrc),
            ..Default::default()
        },
        codec: codec.rtp_codec,
        ..Default::default()
    };
    let track = MediaStreamTrack::new(
        "participant".to_owned(),
        name.to_owned(),
        name.to_owned(),
        kind,
        vec![encoding],
    );
    let track = Arc::new(TrackLocalStaticSample::new(Instant::now(), track)?);
    let sender = connection
        .add_track(Arc::clone(&track) as Arc<dyn TrackLocal>)
        .await?;
    Ok(Outgoing { track, sender, ssrc })
}

fn opus() -> RTCRtpCodecParameters {
    codec(MIME_TYPE_OPUS, 111, 48_000, 2, "minptime=10;useinbandfec=1", &[])
}

fn vp8() -> RTCRtpCodecParameters {
    let feedback = [("goog-remb", ""), ("ccm", "fir"), ("nack", ""), ("nack", "pli")];
    codec(MIME_TYPE_VP8, 96, 90_000, 0, "", &feedback)
}

fn codec(
    mime_type: &str,
    payload_type: u8,
    clock_rate: u32,
    channels: u16,
    fmtp: &str,
    feedback: &[(&str, &str)],
) -> RTCRtpCodecParameters {
    let feedback = feedback.iter().map(|(typ, parameter)| RTCPFeedback {
        typ: (*typ).to_owned(),
        parameter: (*parameter).to_owned(),
    });
    RTCRtpCodecParameters {
        rtp_codec: RTCRtpCodec {
            mime_type: mime_type.to_owned(),
            clock_rate,
            channels,
            sdp_fmtp_line: fmtp.to_owned(),
            rtcp_feedback: feedback.collect(),
        },
        payload_type,
    }
}

struct Handler {
    name: &'static str,
    events: mpsc::Sender<Event>,
    tracks: Arc<Semaphore>,
}

#[async_trait]
impl PeerConnectionEventHandler for Handler {
    async fn on_connection_state_change(&self, state: RTCPeerConnectionState) {
        let event = match state {
            RTCPeerConnectionState::Connected => Event::Connected(self.name),
            RTCPeerConnectionState::Failed => Event::Failed,
            _ => return,
        };
        // Who does not listen any more has hung up.
        let _ = self.events.send(event).await;
    }

    async fn on_track(&self, track: Arc<dyn TrackRemote>) {
        let Ok(place) = Arc::clone(&self.tracks).try_acquire_owned() else {
            return;
        };
        let events = self.events.clone();
        tokio::spawn(async move {
            read(track, events).await;
            drop(place);
        });
    }
}

/// Reads a track to its end.
async fn read(track: Arc<dyn TrackRemote>, events: mpsc::Sender<Event>) {
    let stream = track.stream_id().await;
    let is_picture = track.kind().await == RtpCodecKind::Video;
    if is_picture {
        let (stream, track) = (stream.clone(), Arc::clone(&track));
        let _ = events.send(Event::Pictures { stream, track }).await;
    }
    let mut assembler = Assembler::default();
    while let Some(event) = track.poll().await {
        let frames = match event {
            TrackRemoteEvent::OnRtpPacket(packet) if is_picture => assembler.take(packet),
            TrackRemoteEvent::OnRtpPacket(packet) => vec![packet.payload],
            _ => continue,
        };
        let kind = if is_picture {
            FrameKind::Vp8
        } else {
            FrameKind::Sound
        };
        for frame in frames {
            let stream = stream.clone();
            if events.send(Event::Frame { stream, kind, frame }).await.is_err() {
                return;
            }
        }
    }
}

/// Asks for a picture that stands for itself.
pub async fn ask_for_key_frame(track: &dyn TrackRemote) {
    let media_ssrc = track.ssrcs().await.first().copied().unwrap_or_default();
    let wish = PictureLossIndication {
        sender_ssrc: 0,
        media_ssrc,
    };
    // A track that has ended needs none.
    let _ = track.write_rtcp(vec![Box::new(wish)]).await;
}
