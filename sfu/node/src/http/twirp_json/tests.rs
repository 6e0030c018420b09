//! The tables are what `livekit-protocol` knows, neither less nor more.

use super::*;
use livekit_protocol::{
    Codec, CreateRoomRequest, DataTrackFrameEncoding, DataTrackInfo, DataTrackSchemaEncoding,
    DataTrackSchemaId, ParticipantPermission, SimulcastCodecInfo, TimedVersion, TrackInfo,
    UpdateParticipantRequest, VideoLayer,
};
use serde::Deserializer;
use serde::de::value::Error;
use serde::de::{Error as _, Visitor};
use serde_json::json;

/// Reads nothing; only hears which fields a message asks for, each in both spellings.
struct Listener<'a>(&'a mut Vec<&'static str>);

impl<'de> Deserializer<'de> for Listener<'_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Error> {
        Err(Error::custom("no message"))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Error> {
        self.0.extend(fields);
        Err(Error::custom("nothing is read"))
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

/// A message with something in every field, as an answer has it.
fn sample(fields: Fields) -> Value {
    let all = fields.iter().filter_map(|(name, kind)| {
        let value = match kind {
            Text => "x".into(),
            Flag => true.into(),
            Number => 7.into(),
            Long => "7".into(),
            Enum(name) => (*name).into(),
            List => json!([]),
            Kind::Map => json!({ "as_it_is": "x" }),
            Message(fields) => sample(fields),
            Messages(fields) => json!([sample(fields), sample(fields)]),
            OneOf => return None,
        };
        Some(((*name).to_owned(), value))
    });
    Value::Object(all.collect())
}

/// Compares a table with its message: the names, what stands where nothing is set, and what kind each field is.
fn agrees<T>(fields: Fields)
where
    T: Serialize + DeserializeOwned + Default + PartialEq + std::fmt::Debug,
{
    let mut known = Vec::new();
    T::deserialize(Listener(&mut known)).unwrap_err();
    known.sort_unstable();
    let mut listed: Vec<String> = fields
        .iter()
        .flat_map(|(name, _)| [(*name).to_owned(), camel_case(name)])
        .collect();
    listed.sort_unstable();
    listed.dedup();
    assert_eq!(listed, known);

    let empty = complete(fields, serde_json::to_value(T::default()).unwrap());
    assert_eq!(T::deserialize(empty).unwrap(), T::default());

    let sample = sample(fields);
    let full = T::deserialize(&sample).unwrap();
    assert_eq!(complete(fields, serde_json::to_value(full).unwrap()), sample);
}

#[test]
fn each_table_has_all_fields_of_its_message_with_their_kinds_and_defaults() {
    agrees::<DeleteRoomResponse>(DeleteRoomResponse::FIELDS);
    agrees::<ListRoomsResponse>(ListRoomsResponse::FIELDS);
    agrees::<ListParticipantsResponse>(ListParticipantsResponse::FIELDS);
    agrees::<MuteRoomTrackResponse>(MuteRoomTrackResponse::FIELDS);
    agrees::<Room>(Room::FIELDS);
    agrees::<ParticipantInfo>(ParticipantInfo::FIELDS);
    agrees::<Codec>(CODEC);
    agrees::<TimedVersion>(TIMED_VERSION);
    agrees::<ParticipantPermission>(PARTICIPANT_PERMISSION);
    agrees::<TrackInfo>(TRACK_INFO);
    agrees::<SimulcastCodecInfo>(SIMULCAST_CODEC_INFO);
    agrees::<VideoLayer>(VIDEO_LAYER);
    agrees::<DataTrackInfo>(DATA_TRACK_INFO);
    agrees::<DataTrackSchemaId>(DATA_TRACK_SCHEMA_ID);
    agrees::<DataTrackFrameEncoding>(DATA_TRACK_ENCODING);
    agrees::<DataTrackSchemaEncoding>(DATA_TRACK_ENCODING);
}

#[test]
fn an_answer_is_written_as_by_livekits_server() {
    let info = ParticipantInfo {
        identity: "alice".to_owned(),
        joined_at_ms: 1_700_000_000_123,
        attributes: [("keyName_of_mine".to_owned(), "v".to_owned())].into(),
        tracks: vec![TrackInfo {
            r#type: livekit_protocol::TrackType::Video.into(),
            mime_type: "video/VP8".to_owned(),
            ..TrackInfo::default()
        }],
        ..ParticipantInfo::default()
    };
    let written: Value = serde_json::from_slice(&write(&info).unwrap()).unwrap();
    let track = json!({
        "sid": "", "type": "VIDEO", "name": "", "muted": false, "width": 0, "height": 0, "simulcast": false,
        "disable_dtx": false, "source": "UNKNOWN", "layers": [], "mime_type": "video/VP8", "mid": "", "codecs": [],
        "stereo": false, "disable_red": false, "encryption": "NONE", "stream": "", "version": null,
        "audio_features": [], "backup_codec_policy": "PREFER_REGRESSION", "packet_trailer_features": []
    });
    assert_eq!(
        written,
        json!({
            "sid": "", "identity": "alice", "state": "JOINING", "tracks": [track], "metadata": "", "joined_at": "0",
            "joined_at_ms": "1700000000123", "name": "", "version": 0, "permission": null, "region": "",
            "is_publisher": false, "kind": "STANDARD", "attributes": { "keyName_of_mine": "v" },
            "disconnect_reason": "UNKNOWN_REASON", "kind_details": [], "data_tracks": [], "client_protocol": 0,
            "capabilities": []
        })
    );
}

#[test]
fn a_request_is_read_in_either_spelling_with_numbers_as_strings_and_with_nulls() {
    let expected = CreateRoomRequest {
        name: "room".to_owned(),
        empty_timeout: 5,
        max_participants: 7,
        ..CreateRoomRequest::default()
    };
    for body in [
        json!({ "name": "room", "empty_timeout": 5, "max_participants": 7 }),
        json!({ "name": "room", "emptyTimeout": "5", "maxParticipants": "7" }),
        json!({
            "name": "room", "emptyTimeout": 5, "max_participants": 7, "metadata": null, "departure_timeout": null,
            "syncStreams": null, "egress": null, "agents": null, "tags": null, "unheardOf": { "a": [null] }
        }),
    ] {
        let request: CreateRoomRequest = read(body.to_string().as_bytes()).unwrap();
        assert_eq!(request, expected, "{body}");
    }
    let nested = json!({
        "room": "room",
        "permission": { "canPublish": true, "canSubscribe": null, "can_publish_sources": ["CAMERA"] }
    });
    let request: UpdateParticipantRequest = read(nested.to_string().as_bytes()).unwrap();
    let permission = request.permission.unwrap();
    assert!(permission.can_publish && !permission.can_subscribe);
    assert_eq!(permission.can_publish_sources, [1]);
}

#[test]
fn what_is_no_request_is_refused() {
    for body in [
        "",
        "{",
        "null",
        "[]",
        "7",
        r#"{"name": 7}"#,
        r#"{"empty_timeout": "many"}"#,
    ] {
        assert!(read::<CreateRoomRequest>(body.as_bytes()).is_err(), "{body}");
    }
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    assert!(read::<CreateRoomRequest>(deep.as_bytes()).is_err());
}
