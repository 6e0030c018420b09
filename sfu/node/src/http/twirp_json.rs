//! The JSON form of the server API, as LiveKit's own server has it. Answers have the names of the `.proto` files and
//! every field, also those with default values. `livekit-protocol` writes camelCase and leaves defaults out, so what is
//! left out is known here, by message. Requests may have either spelling, numbers as strings, unknown fields, and `null`
//! for whatever is not set; only the last is not in `livekit-protocol`.

use livekit_protocol::{
    DeleteRoomResponse, ListParticipantsResponse, ListRoomsResponse, MuteRoomTrackResponse, ParticipantInfo,
    PerformRpcResponse, Room,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// A message that is an answer.
pub(super) trait Reply: prost::Message + Serialize {
    /// All its fields.
    const FIELDS: Fields;
}

/// Fields of a message by their names in the `.proto` files.
pub(super) type Fields = &'static [(&'static str, Kind)];

/// What a field holds, and so what stands there when nothing is set.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    Text,
    Flag,
    /// Of at most 32 bits.
    Number,
    /// Of 64 bits: JSON has it as a string.
    Long,
    /// Names its default value.
    Enum(&'static str),
    /// Of anything but messages.
    List,
    /// Its keys are content and stay as they are.
    Map,
    Message(Fields),
    Messages(Fields),
    /// Of several of which at most one is set; the others are left out.
    OneOf,
}

use Kind::{Enum, Flag, List, Long, Message, Messages, Number, OneOf, Text};

impl Reply for DeleteRoomResponse {
    const FIELDS: Fields = &[];
}

impl Reply for ListRoomsResponse {
    const FIELDS: Fields = &[("rooms", Messages(Room::FIELDS))];
}

impl Reply for ListParticipantsResponse {
    const FIELDS: Fields = &[("participants", Messages(ParticipantInfo::FIELDS))];
}

impl Reply for MuteRoomTrackResponse {
    const FIELDS: Fields = &[("track", Message(TRACK_INFO))];
}

impl Reply for PerformRpcResponse {
    const FIELDS: Fields = &[("payload", Text)];
}

impl Reply for Room {
    const FIELDS: Fields = &[
        ("sid", Text),
        ("name", Text),
        ("empty_timeout", Number),
        ("departure_timeout", Number),
        ("max_participants", Number),
        ("creation_time", Long),
        ("creation_time_ms", Long),
        ("turn_password", Text),
        ("enabled_codecs", Messages(CODEC)),
        ("metadata", Text),
        ("num_participants", Number),
        ("num_publishers", Number),
        ("active_recording", Flag),
        ("version", Message(TIMED_VERSION)),
    ];
}

impl Reply for ParticipantInfo {
    const FIELDS: Fields = &[
        ("sid", Text),
        ("identity", Text),
        ("state", Enum("JOINING")),
        ("tracks", Messages(TRACK_INFO)),
        ("metadata", Text),
        ("joined_at", Long),
        ("joined_at_ms", Long),
        ("name", Text),
        ("version", Number),
        ("permission", Message(PARTICIPANT_PERMISSION)),
        ("region", Text),
        ("is_publisher", Flag),
        ("kind", Enum("STANDARD")),
        ("attributes", Kind::Map),
        ("disconnect_reason", Enum("UNKNOWN_REASON")),
        ("kind_details", List),
        ("data_tracks", Messages(DATA_TRACK_INFO)),
        ("client_protocol", Number),
        ("capabilities", List),
    ];
}

const CODEC: Fields = &[("mime", Text), ("fmtp_line", Text)];

const TIMED_VERSION: Fields = &[("unix_micro", Long), ("ticks", Number)];

const PARTICIPANT_PERMISSION: Fields = &[
    ("can_subscribe", Flag),
    ("can_publish", Flag),
    ("can_publish_data", Flag),
    ("can_publish_sources", List),
    ("hidden", Flag),
    ("recorder", Flag),
    ("can_update_metadata", Flag),
    ("agent", Flag),
    ("can_subscribe_metrics", Flag),
    ("can_manage_agent_session", Flag),
];

const TRACK_INFO: Fields = &[
    ("sid", Text),
    ("type", Enum("AUDIO")),
    ("name", Text),
    ("muted", Flag),
    ("width", Number),
    ("height", Number),
    ("simulcast", Flag),
    ("disable_dtx", Flag),
    ("source", Enum("UNKNOWN")),
    ("layers", Messages(VIDEO_LAYER)),
    ("mime_type", Text),
    ("mid", Text),
    ("codecs", Messages(SIMULCAST_CODEC_INFO)),
    ("stereo", Flag),
    ("disable_red", Flag),
    ("encryption", Enum("NONE")),
    ("stream", Text),
    ("version", Message(TIMED_VERSION)),
    ("audio_features", List),
    ("backup_codec_policy", Enum("PREFER_REGRESSION")),
    ("packet_trailer_features", List),
];

const SIMULCAST_CODEC_INFO: Fields = &[
    ("mime_type", Text),
    ("mid", Text),
    ("cid", Text),
    ("layers", Messages(VIDEO_LAYER)),
    ("video_layer_mode", Enum("MODE_UNUSED")),
    ("sdp_cid", Text),
];

const VIDEO_LAYER: Fields = &[
    ("quality", Enum("LOW")),
    ("width", Number),
    ("height", Number),
    ("bitrate", Number),
    ("ssrc", Number),
    ("spatial_layer", Number),
    ("rid", Text),
    ("repair_ssrc", Number),
];

const DATA_TRACK_INFO: Fields = &[
    ("pub_handle", Number),
    ("sid", Text),
    ("name", Text),
    ("encryption", Enum("NONE")),
    ("frame_encoding", Message(DATA_TRACK_ENCODING)),
    ("schema", Message(DATA_TRACK_SCHEMA_ID)),
];

const DATA_TRACK_SCHEMA_ID: Fields = &[("name", Text), ("encoding", Message(DATA_TRACK_ENCODING))];

/// Of frames and of schemas.
const DATA_TRACK_ENCODING: Fields = &[("well_known", OneOf), ("custom", OneOf)];

/// Reads a request: of the server API, or a client's in a text frame.
///
/// # Errors
///
/// When it is no JSON, or a field holds what it cannot.
pub(super) fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, serde_json::Error> {
    let mut message = serde_json::from_slice(body)?;
    drop_nulls(&mut message);
    serde_json::from_value(message)
}

/// A member that is `null` is one that is not set.
fn drop_nulls(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.retain(|_, member| !member.is_null());
            members.values_mut().for_each(drop_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(drop_nulls),
        _ => {}
    }
}

/// Writes an answer.
///
/// # Errors
///
/// When an enum has a number without a name.
pub(super) fn write<T: Reply>(message: &T) -> Result<Vec<u8>, serde_json::Error> {
    serde_json::to_vec(&complete(T::FIELDS, serde_json::to_value(message)?))
}

/// A message of `livekit-protocol`'s, with the names and the fields that it has to have.
fn complete(fields: Fields, message: Value) -> Value {
    let Value::Object(mut given) = message else {
        return message;
    };
    let all = fields.iter().filter_map(|(name, kind)| {
        let value = kind.complete(given.remove(&camel_case(name)))?;
        Some(((*name).to_owned(), value))
    });
    Value::Object(all.collect())
}

impl Kind {
    /// What stands there; `None`: nothing does.
    fn complete(self, given: Option<Value>) -> Option<Value> {
        match (self, given) {
            (Message(fields), Some(message)) => Some(complete(fields, message)),
            (Messages(fields), Some(Value::Array(messages))) => Some(
                messages
                    .into_iter()
                    .map(|message| complete(fields, message))
                    .collect(),
            ),
            (_, Some(value)) => Some(value),
            (OneOf, None) => None,
            (Text, None) => Some("".into()),
            (Flag, None) => Some(false.into()),
            (Number, None) => Some(0.into()),
            (Long, None) => Some("0".into()),
            (Enum(name), None) => Some(name.into()),
            (List | Messages(_), None) => Some(Value::Array(Vec::new())),
            (Kind::Map, None) => Some(Value::Object(Map::new())),
            (Message(_), None) => Some(Value::Null),
        }
    }
}

/// `creation_time_ms` is `creationTimeMs`.
fn camel_case(name: &str) -> String {
    let mut words = name.split('_');
    let mut camel = words.next().unwrap_or_default().to_owned();
    for word in words {
        let (first, rest) = word.split_at(word.len().min(1));
        camel.push_str(&first.to_ascii_uppercase());
        camel.push_str(rest);
    }
    camel
}

#[cfg(test)]
mod tests;
