//! A published track: what clients are told about it (`TrackInfo`), and how qualities, sizes and layers of it relate.

use crate::dynacast::Dynacast;
use crate::limits::CODECS_PER_TRACK_MAX;
use crate::names::Names;
use crate::signalling::SessionId;
use hanse_sfu_core::ids::{LAYERS_MAX, Layer, Mid, TrackId};
use livekit_protocol::video_layer::Mode;
use livekit_protocol::{
    AddTrackRequest, AudioTrackFeature, BackupCodecPolicy, PacketTrailerFeature, SimulcastCodecInfo,
    TrackInfo, TrackSource, TrackType, VideoLayer, VideoQuality,
};
use std::collections::BTreeSet;

/// Heights that LiveKit assumes for the lower layers of a track that announces none.
const DEFAULT_HEIGHTS: [u32; 2] = [180, 360];

/// Rids from the smallest layer up, as browsers and as libwebrtc SDKs name them.
pub(crate) const RID_SPACES: [[&str; LAYERS_MAX]; 2] = [["q", "h", "f"], ["2", "1", "0"]];

/// Announced by `add_track`; its media section has not come yet.
pub(crate) struct PendingTrack {
    pub cid: String,
    pub info: TrackInfo,
}

/// Negotiated: others know it and may subscribe.
pub(crate) struct Track {
    pub id: TrackId,
    pub publisher: SessionId,
    /// The client's own name for it.
    pub cid: String,
    /// The section that it comes in on.
    pub mid: Mid,
    pub info: TrackInfo,
    /// Layers that its section negotiated, at least 1.
    pub layers: u8,
    /// Whoever receives it.
    pub subscribers: BTreeSet<SessionId>,
    /// Its publisher has heard that somebody receives it.
    pub subscribed_told: bool,
    /// Of video.
    pub dynacast: Option<Dynacast>,
    /// Loudness of audio, 0 to 1.
    pub level: f32,
}

impl Track {
    pub fn is_video(&self) -> bool {
        self.info.r#type() == TrackType::Video
    }

    /// The layer that carries a quality: the smallest that is at least as good, else the best there is.
    pub fn layer_of(&self, quality: VideoQuality) -> Layer {
        let best = self.layers.saturating_sub(1);
        let place = match video_layers(&self.info) {
            [] => quality as u8,
            layers => layers
                .iter()
                .position(|layer| layer.quality() >= quality)
                .map_or(best, |place| place as u8),
        };
        Layer(place.min(best))
    }

    /// The quality for a picture of this height: the smallest layer that covers nine tenths of it.
    pub fn quality_for(&self, width: u32, height: u32) -> VideoQuality {
        // A portrait track may have announced its layers lying down.
        let height = if height == 0 { width } else { height };
        let needed = height as u64 * 9 / 10;
        let layers = video_layers(&self.info);
        if layers.iter().any(|layer| layer.height > 0) {
            return layers
                .iter()
                .find(|layer| u64::from(layer.height) >= needed)
                .or(layers.last())
                .map_or(VideoQuality::High, |layer| layer.quality());
        }
        let [low, medium] = DEFAULT_HEIGHTS;
        if u64::from(low) >= needed {
            VideoQuality::Low
        } else if u64::from(medium) >= needed {
            VideoQuality::Medium
        } else {
            VideoQuality::High
        }
    }
}

fn video_layers(info: &TrackInfo) -> &[VideoLayer] {
    info.codecs.first().map_or(&[], |codec| &codec.layers)
}

/// Turns an announcement into what others will read. The encryption is copied and never changed; a video codec that we
/// do not forward becomes VP8, which tells the client to publish that instead.
#[expect(
    deprecated,
    reason = "older clients read `simulcast`, `layers`, `stereo` and `disable_dtx`"
)]
pub(crate) fn track_info(request: &AddTrackRequest, kind: TrackType, names: &mut Names) -> TrackInfo {
    let source = request.source();
    let is_video = kind == TrackType::Video;
    let mut info = TrackInfo {
        sid: names.track_sid(kind, source),
        r#type: kind.into(),
        name: request.name.clone(),
        muted: request.muted,
        width: request.width,
        height: request.height,
        source: source.into(),
        disable_red: request.disable_red,
        encryption: request.encryption,
        stream: stream_name(request),
        backup_codec_policy: request.backup_codec_policy().into(),
        packet_trailer_features: request
            .packet_trailer_features
            .iter()
            .copied()
            .filter(|feature| PacketTrailerFeature::try_from(*feature).is_ok())
            .take(CODECS_PER_TRACK_MAX)
            .collect(),
        ..TrackInfo::default()
    };
    let announced = request.simulcast_codecs.first();
    let mut codec = SimulcastCodecInfo {
        mime_type: mime(kind).to_owned(),
        cid: announced.map_or(&request.cid, |codec| &codec.cid).clone(),
        ..SimulcastCodecInfo::default()
    };
    if is_video {
        codec.layers = announced
            .filter(|codec| !codec.layers.is_empty())
            .map_or_else(|| sorted(&request.layers), |codec| sorted(&codec.layers));
        codec.video_layer_mode = Mode::OneSpatialLayerPerStream.into();
        info.simulcast = codec.layers.len() > 1;
        info.layers = codec.layers.clone();
    } else {
        let mut features: BTreeSet<i32> = request.audio_features.iter().copied().collect();
        if request.stereo {
            features.insert(AudioTrackFeature::TfStereo.into());
        }
        if request.disable_dtx {
            features.insert(AudioTrackFeature::TfNoDtx.into());
        }
        if request.backup_codec_policy() != BackupCodecPolicy::Regression {
            info.backup_codec_policy = BackupCodecPolicy::Simulcast.into();
        }
        set_audio_features(&mut info, features.into_iter().collect());
    }
    info.codecs = vec![codec];
    info
}

/// Sets the features of an audio track, in the new form and the old one. Unknown ones are dropped.
#[expect(deprecated, reason = "older clients read `stereo` and `disable_dtx`")]
pub(crate) fn set_audio_features(info: &mut TrackInfo, mut features: Vec<i32>) {
    features.retain(|feature| AudioTrackFeature::try_from(*feature).is_ok());
    info.stereo = features.contains(&AudioTrackFeature::TfStereo.into());
    info.disable_dtx = features.contains(&AudioTrackFeature::TfNoDtx.into());
    info.audio_features = features;
}

/// What the negotiation adds to a description.
pub(crate) fn set_negotiated(info: &mut TrackInfo, mid: &str, sdp_cid: Option<&str>) {
    info.mid = mid.to_owned();
    info.mime_type = mime(info.r#type()).to_owned();
    if let Some(codec) = info.codecs.first_mut() {
        codec.mid = mid.to_owned();
        if let Some(sdp_cid) = sdp_cid.filter(|sdp_cid| *sdp_cid != codec.cid) {
            codec.sdp_cid = sdp_cid.to_owned();
        }
    }
}

fn mime(kind: TrackType) -> &'static str {
    if kind == TrackType::Video {
        "video/VP8"
    } else {
        "audio/opus"
    }
}

/// Tracks of one stream name are played in step.
fn stream_name(request: &AddTrackRequest) -> String {
    if !request.stream.is_empty() {
        return request.stream.clone();
    }
    match request.source() {
        TrackSource::Camera | TrackSource::Microphone => "camera",
        TrackSource::ScreenShare | TrackSource::ScreenShareAudio => "screen",
        TrackSource::Unknown => "unknown",
    }
    .to_owned()
}

/// At most one layer of each quality, from the smallest, each with its place and rid.
fn sorted(layers: &[VideoLayer]) -> Vec<VideoLayer> {
    let mut layers: Vec<VideoLayer> = layers
        .iter()
        .take(CODECS_PER_TRACK_MAX)
        .filter(|layer| layer.quality() != VideoQuality::Off)
        .cloned()
        .collect();
    layers.sort_by_key(|layer| layer.quality());
    layers.dedup_by_key(|layer| layer.quality());
    layers.truncate(LAYERS_MAX);
    let rids = RID_SPACES.first().map_or(&[] as &[&str], |rids| rids.as_slice());
    for (place, (layer, rid)) in layers.iter_mut().zip(rids).enumerate() {
        // A number without a name reads as the lowest quality.
        layer.quality = layer.quality().into();
        layer.spatial_layer = place as i32;
        if layer.rid.is_empty() {
            layer.rid = (*rid).to_owned();
        }
    }
    layers
}
