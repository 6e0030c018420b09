//! A published track: what clients are told about it (`TrackInfo`), and how qualities, sizes and layers of it relate.

use crate::client::Abilities;
use crate::dynacast::TrackDynacast;
use crate::limits::CODECS_PER_TRACK_MAX;
use crate::names::Names;
use crate::negotiate::codec::{Format, codec_named, is_scalable, mime};
use crate::negotiate::offer::Section;
use crate::quality::SourceScore;
use crate::signalling::SessionId;
use hanse_sfu_core::command::{Codec, Layering, Precedence};
use hanse_sfu_core::ids::{LAYERS_MAX, Layer, Mid, TrackId};
use livekit_protocol::video_layer::Mode;
use livekit_protocol::{
    AddTrackRequest, AudioTrackFeature, BackupCodecPolicy, PacketTrailerFeature, SimulcastCodec,
    SimulcastCodecInfo, TrackInfo, TrackSource, TrackType, VideoLayer, VideoQuality, encryption,
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
    pub info: TrackInfo,
    /// What it comes in as; at least one, the first of which it was published with. The others are backups for receivers
    /// that cannot decode the first.
    pub sources: Vec<Source>,
    /// The second codec that was announced with it.
    pub backup: Option<Codec>,
    /// The source that everybody gets who can; see [`crate::regression`].
    pub regressed: Option<TrackId>,
    /// Whoever receives it.
    pub subscribers: BTreeSet<SessionId>,
    /// Its publisher has heard that somebody receives it.
    pub subscribed_told: bool,
    pub dynacast: TrackDynacast,
    /// Loudness of audio, 0 to 1.
    pub level: f32,
}

/// A codec of a track, on the section that it comes in on.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    /// The media plane's name for it. The first one of a track has the track's own.
    pub id: TrackId,
    pub mid: Mid,
    /// As its publisher sends it.
    pub format: Format,
    /// Layers that can be chosen from, at least 1.
    pub layers: u8,
    pub layering: Layering,
    /// How it comes in.
    pub score: SourceScore,
    /// What the media plane has been told of it.
    pub precedence: Precedence,
}

impl Source {
    /// What comes in on a section from now on.
    pub fn new(id: TrackId, info: &TrackInfo, section: &Section, format: &Format) -> Self {
        let codec = format.codec;
        let layering = layering(info, section, codec);
        let layers = match layering {
            Layering::PerStream => section.layers().len(),
            // A client that says nothing about its layers may have as many as there can be.
            Layering::InStream => match video_layers(info, codec).len() {
                0 => LAYERS_MAX,
                announced => announced,
            },
        };
        Source {
            id,
            mid: section.mid,
            format: format.clone(),
            layers: layers as u8,
            layering,
            score: SourceScore::default(),
            precedence: Precedence::default(),
        }
    }
}

/// How the layers of a codec come in on a section. What the client says counts, unless the section has several rids:
/// then there are several streams, which VP9 and AV1 may have, too.
pub(crate) fn layering(info: &TrackInfo, section: &Section, codec: Codec) -> Layering {
    let mode = codec_info(info, codec).map(SimulcastCodecInfo::video_layer_mode);
    match mode {
        Some(Mode::MultipleSpatialLayersPerStream) if is_scalable(codec) && section.rids.len() <= 1 => {
            Layering::InStream
        }
        _ => Layering::PerStream,
    }
}

impl Track {
    pub fn is_video(&self) -> bool {
        self.info.r#type() == TrackType::Video
    }

    /// Frames are sealed by the sender's device: nothing of it can be converted.
    pub fn is_sealed(&self) -> bool {
        self.info.encryption() != encryption::Type::None
    }

    /// One of its sources.
    pub fn source(&self, id: TrackId) -> Option<&Source> {
        self.sources.iter().find(|source| source.id == id)
    }

    /// Codecs that its publisher would send as well if somebody needed them.
    pub fn offered_codecs(&self) -> impl Iterator<Item = Codec> {
        let is_missing = |codec: &Codec| self.sources.iter().all(|source| source.format.codec != *codec);
        self.info
            .codecs
            .iter()
            .filter_map(|codec| codec_named(&codec.mime_type))
            .filter(is_missing)
    }

    /// The layer of a source that carries a quality: the smallest that is at least as good, else the best there is.
    pub fn layer_of(&self, source: &Source, quality: VideoQuality) -> Layer {
        let best = source.layers.saturating_sub(1);
        let place = match video_layers(&self.info, source.format.codec) {
            [] => quality as u8,
            layers => layers
                .iter()
                .position(|layer| layer.quality() >= quality)
                .map_or(best, |place| place as u8),
        };
        Layer(place.min(best))
    }

    /// How many layers a source has up to a quality. Of several layers in one stream that were not announced, only the
    /// first is sure.
    pub fn layers_up_to(&self, source: &Source, quality: VideoQuality) -> u8 {
        if source.layering == Layering::InStream && video_layers(&self.info, source.format.codec).is_empty() {
            return 1;
        }
        self.layer_of(source, quality).0 + 1
    }

    /// The quality for a picture of this height: the smallest layer that covers nine tenths of it.
    pub fn quality_for(&self, width: u32, height: u32) -> VideoQuality {
        // A portrait track may have announced its layers lying down.
        let height = if height == 0 { width } else { height };
        let needed = height as u64 * 9 / 10;
        let layers = self.info.codecs.first().map_or(&[][..], |codec| &codec.layers);
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

/// What was announced of a codec; where the announcement names none, the first one is meant.
fn codec_info(info: &TrackInfo, codec: Codec) -> Option<&SimulcastCodecInfo> {
    info.codecs
        .iter()
        .find(|own| codec_named(&own.mime_type) == Some(codec))
        .or(info.codecs.first())
}

fn video_layers(info: &TrackInfo, codec: Codec) -> &[VideoLayer] {
    codec_info(info, codec).map_or(&[], |codec| &codec.layers)
}

/// Turns an announcement into what others will read. The encryption is copied and never changed. In the place of a codec
/// that the client may not publish comes the first one that it may, which tells the client to publish that instead.
#[expect(
    deprecated,
    reason = "older clients read `simulcast`, `layers`, `stereo` and `disable_dtx`"
)]
pub(crate) fn track_info(
    request: &AddTrackRequest,
    kind: TrackType,
    abilities: &Abilities,
    names: &mut Names,
) -> TrackInfo {
    let source = request.source();
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
    for announced in request.simulcast_codecs.iter().take(CODECS_PER_TRACK_MAX) {
        add_codec(&mut info, request, announced, abilities);
    }
    if info.codecs.is_empty() {
        // Its name is known when its section is.
        info.codecs.push(SimulcastCodecInfo {
            cid: request.cid.clone(),
            layers: sorted(&request.layers),
            video_layer_mode: Mode::OneSpatialLayerPerStream.into(),
            ..SimulcastCodecInfo::default()
        });
    }
    if kind == TrackType::Video {
        if let Some(codec) = info.codecs.first() {
            info.simulcast =
                codec.layers.len() > 1 && codec.video_layer_mode() != Mode::MultipleSpatialLayersPerStream;
            info.layers = codec.layers.clone();
        }
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
    info
}

/// Adds a codec to a description, or gives one that is there already its cid and layers.
pub(crate) fn add_codec(
    info: &mut TrackInfo,
    request: &AddTrackRequest,
    announced: &SimulcastCodec,
    abilities: &Abilities,
) {
    let is_video = info.r#type() == TrackType::Video;
    let named = codec_named(&announced.codec).filter(|codec| codec.is_video() == is_video);
    let Some(codec) = abilities.or_alternative(named, is_video) else {
        return;
    };
    let layers = match announced.layers.as_slice() {
        [] => &request.layers,
        own => own,
    };
    let mode = match announced.video_layer_mode() {
        Mode::Unused if is_scalable(codec) => Mode::MultipleSpatialLayersPerStream,
        Mode::Unused => Mode::OneSpatialLayerPerStream,
        own => own,
    };
    let place = info
        .codecs
        .iter()
        .position(|own| codec_named(&own.mime_type) == Some(codec));
    if let Some(own) = place.and_then(|place| info.codecs.get_mut(place)) {
        if own.cid.is_empty() {
            own.cid.clone_from(&announced.cid);
        }
        // A backup comes with layers of its own when it is really published.
        if own.mid.is_empty() && !request.sid.is_empty() && !layers.is_empty() {
            own.layers = sorted(layers);
        }
    } else if info.codecs.len() < CODECS_PER_TRACK_MAX {
        info.codecs.push(SimulcastCodecInfo {
            mime_type: mime(codec).to_owned(),
            cid: announced.cid.clone(),
            layers: sorted(layers),
            video_layer_mode: if is_video { mode } else { Mode::Unused }.into(),
            ..SimulcastCodecInfo::default()
        });
    }
}

/// Sets the features of an audio track, in the new form and the old one. Unknown ones are dropped.
#[expect(deprecated, reason = "older clients read `stereo` and `disable_dtx`")]
pub(crate) fn set_audio_features(info: &mut TrackInfo, mut features: Vec<i32>) {
    features.retain(|feature| AudioTrackFeature::try_from(*feature).is_ok());
    info.stereo = features.contains(&AudioTrackFeature::TfStereo.into());
    info.disable_dtx = features.contains(&AudioTrackFeature::TfNoDtx.into());
    info.audio_features = features;
}

/// What the negotiation adds to a description: the codec with which the track comes in on a section.
pub(crate) fn set_negotiated(info: &mut TrackInfo, section: &Section, codec: Codec, is_first: bool) {
    let name = mime(codec);
    if is_first {
        info.mid = section.mid.to_string();
        name.clone_into(&mut info.mime_type);
    }
    let place = info
        .codecs
        .iter()
        .position(|own| codec_named(&own.mime_type) == Some(codec))
        .unwrap_or(0);
    let Some(own) = info.codecs.get_mut(place) else {
        return;
    };
    name.clone_into(&mut own.mime_type);
    own.mid = section.mid.to_string();
    let sdp_cid = section.msid.as_ref().map(|msid| msid.track.as_str());
    if let Some(sdp_cid) = sdp_cid.filter(|sdp_cid| *sdp_cid != own.cid) {
        own.sdp_cid = sdp_cid.to_owned();
    }
}

/// A codec of a track does not come in any more; its publisher may send it again.
pub(crate) fn set_stopped(info: &mut TrackInfo, mid: &str) {
    for own in info.codecs.iter_mut().filter(|own| own.mid == mid) {
        own.mid.clear();
        own.cid.clear();
        own.sdp_cid.clear();
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
