//! The one vocabulary that controls the SFU. The Twirp handler of `hanse-sfu` and the in-process adapter of the focus
//! both translate to it, and one exam runs over both.

use livekit_protocol::{DisconnectReason, ParticipantInfo, ParticipantPermission, Room, TrackInfo};
use std::borrow::Cow;
use std::collections::HashMap;
use std::time::Duration;

/// What the SFU is asked to do.
#[derive(Clone, Debug, PartialEq)]
pub enum SfuCommand {
    /// Makes a room that waits for people, or changes the settings of one that exists (which keeps its sid and its
    /// creation time). Answer: [`SfuReply::Room`].
    CreateRoom(RoomSettings),
    /// Answer: [`SfuReply::Rooms`].
    ListRooms {
        /// Only these; empty: all.
        names: Vec<String>,
    },
    /// Everybody is told `ROOM_DELETED`. A new join may create the room again. Answer: [`SfuReply::Done`].
    DeleteRoom {
        /// Its name.
        room: String,
    },
    /// Answer: [`SfuReply::Participants`], hidden ones included.
    ListParticipants {
        /// Its name.
        room: String,
    },
    /// Answer: [`SfuReply::Participant`].
    Participant {
        /// The room's name.
        room: String,
        /// Whom.
        identity: String,
    },
    /// The participant is told `PARTICIPANT_REMOVED`, and its tokens from before open the room no more, whether it was in
    /// or not. Answer: [`SfuReply::Done`].
    RemoveParticipant {
        /// The room's name.
        room: String,
        /// Whom.
        identity: String,
        /// Tokens that are valid since an earlier second are void; `None`: those from before a minute from now, so that
        /// none is left that another clock has made.
        revoke_before_unix_s: Option<u64>,
    },
    /// Replaces a room's metadata, also by an empty one, and everybody in it is told. Answer: [`SfuReply::Room`].
    ChangeRoomMetadata {
        /// Its name.
        room: String,
        /// Free text.
        metadata: String,
    },
    /// Changes what a participant is shown as and what it may do, as a whole or not at all, and everybody who knows of it
    /// is told. Answer: [`SfuReply::Participant`].
    ChangeParticipant {
        /// The room's name.
        room: String,
        /// Whom.
        identity: String,
        /// What is to be different.
        change: ParticipantChange,
    },
    /// The participant receives tracks, or receives them no more, as if its client had asked for it: it must have the
    /// right to, and its client may change it again. Answer: [`SfuReply::Done`].
    ChangeSubscriptions {
        /// The room's name.
        room: String,
        /// Whose.
        identity: String,
        /// `TR_…`, at most [`crate::limits::LIST_ENTRIES_MAX`]; further ones are ignored. One that does not exist is
        /// waited for, as long as a client would wait for it.
        track_sids: Vec<String>,
        /// Whether it is to receive them.
        subscribe: bool,
    },
    /// The participant is sent at most so much; the lowest layer of each picture, and sound, pass all the same. LiveKit's
    /// server API has no word for it. Answer: [`SfuReply::Done`].
    LimitDownlink {
        /// The room's name.
        room: String,
        /// Whom.
        identity: String,
        /// Kilobits per second; `None` is no limit.
        kbps: Option<u32>,
    },
    /// Sends a message to people in a room, in nobody's name. One whose nonce the room has seen is dropped. Answer:
    /// [`SfuReply::Done`], whether anybody is there to get it or not.
    SendData {
        /// The room's name.
        room: String,
        /// What, and to whom.
        message: DataMessage,
    },
    /// The participant's client is told to mute a track of its own, and everybody sees it muted. There is no opposite:
    /// only the one whose camera or microphone it is switches it on again. Answer: [`SfuReply::Track`].
    Mute {
        /// The room's name.
        room: String,
        /// Whose.
        identity: String,
        /// `TR_…`
        track_sid: String,
    },
}

/// How a room is to be. For an existing room, 0 and the empty string keep what it has; for a new one they mean the
/// node's default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RoomSettings {
    /// 1 to [`crate::limits::NAME_BYTES_MAX`] bytes.
    pub name: String,
    /// Seconds after which a room that nobody ever joined is closed.
    pub empty_timeout_s: u32,
    /// Seconds after which a room is closed when the last one has left.
    pub departure_timeout_s: u32,
    /// People who may be in at a time.
    pub max_participants: u32,
    /// Free text.
    pub metadata: String,
}

/// A message of whoever controls the SFU.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DataMessage {
    /// As a packet at most [`hanse_sfu_core::DATA_MESSAGE_BYTES_MAX`]; what a packet adds depends on the other fields.
    pub payload: Vec<u8>,
    /// Dropped rather than queued for whoever does not keep up.
    pub is_lossy: bool,
    /// For whom; empty here and in `destination_sids`: for everybody.
    pub destination_identities: Vec<String>,
    /// For whom, by `PA_…`.
    pub destination_sids: Vec<String>,
    /// What it is about.
    pub topic: Option<String>,
    /// 16 bytes that a request which is repeated repeats, or none.
    pub nonce: Vec<u8>,
}

/// What is to be different about a participant.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ParticipantChange {
    /// Empty: stays as it is.
    pub name: String,
    /// Empty: stays as it is.
    pub metadata: String,
    /// Those that are not named stay as they are; one with an empty value is deleted.
    pub attributes: HashMap<String, String>,
    /// Replaces the rights as a whole; `None`: they stay. Tracks that it may no longer publish end for everybody; without
    /// `can_subscribe` it receives nothing, and with it again everything it had asked for.
    pub permission: Option<ParticipantPermission>,
}

/// What the SFU answers.
#[derive(Clone, Debug, PartialEq)]
pub enum SfuReply {
    /// A room.
    Room(Room),
    /// Rooms by name.
    Rooms(Vec<Room>),
    /// Participants in order of their joins.
    Participants(Vec<ParticipantInfo>),
    /// A participant.
    Participant(ParticipantInfo),
    /// A track.
    Track(TrackInfo),
    /// It is done.
    Done,
}

/// Why the SFU does not do it. The text is for the one who asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SfuRefusal {
    /// Twirp `not_found`.
    #[error("requested room does not exist")]
    RoomNotFound,
    /// Twirp `not_found`.
    #[error("participant does not exist")]
    ParticipantNotFound,
    /// Twirp `not_found`.
    #[error("track is not found")]
    TrackNotFound,
    /// Twirp `invalid_argument`; the sentence says what is wrong.
    #[error("{0}")]
    Invalid(String),
    /// Twirp `resource_exhausted`; the sentence says what is full.
    #[error("{0}")]
    Full(String),
    /// Twirp `unavailable`: no room is made any more.
    #[error(
        "the server is about to stop and begins no new calls; those that go on are not touched: try again in a minute"
    )]
    Draining,
}

/// A method that a participant's client has registered is to be called (LiveKit's RPC), in nobody's name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RpcCall {
    /// The room's name.
    pub room: String,
    /// Whose method.
    pub identity: String,
    /// Its name.
    pub method: String,
    /// What it is called with, at most 15,360 bytes.
    pub payload: String,
    /// How long the answer may take, at most [`crate::limits::CALL_TIMEOUT_MAX`]; `None`: 10 s.
    pub response_timeout: Option<Duration>,
}

/// A call that is under way. Never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CallId(pub u64);

/// How a call ended that a method has not answered. The text is for the caller, as LiveKit's server writes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RpcError {
    /// Those from 1400 to 1500 are LiveKit's; every other one is the method's own.
    pub code: u32,
    /// A sentence.
    pub message: Cow<'static, str>,
    /// What the method adds to it.
    pub data: String,
}

impl RpcError {
    /// What the method is called with is too large.
    pub const REQUEST_PAYLOAD_TOO_LARGE: RpcError = RpcError::known(1402, "Request payload too large");
    /// The participant's client has not said that the call has arrived.
    pub const CONNECTION_TIMEOUT: RpcError = RpcError::known(1501, "Connection timeout");
    /// The method has not answered in time.
    pub const RESPONSE_TIMEOUT: RpcError = RpcError::known(1502, "Response timeout");
    /// The participant has left.
    pub const RECIPIENT_DISCONNECTED: RpcError = RpcError::known(1503, "Recipient disconnected");

    const fn known(code: u32, message: &'static str) -> Self {
        RpcError {
            code,
            message: Cow::Borrowed(message),
            data: String::new(),
        }
    }
}

impl std::error::Error for RpcError {}

impl std::fmt::Display for RpcError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RpcError {}: {}", self.code, self.message)?;
        if self.data.is_empty() {
            Ok(())
        } else {
            write!(f, ": {}", self.data)
        }
    }
}

/// Why a call has no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RpcFailure {
    /// Nobody was called.
    #[error(transparent)]
    Refused(#[from] SfuRefusal),
    /// It was made, or would have been.
    #[error(transparent)]
    Failed(#[from] RpcError),
}

/// What happened. In order for each room; a participant is named by identity and sid, since the same identity may have
/// come back before anybody hears that it left.
#[derive(Clone, Debug, PartialEq)]
pub enum SfuEvent {
    /// A room exists from now on.
    RoomStarted {
        /// As it is now.
        room: Room,
    },
    /// A room is gone: deleted, or empty for too long.
    RoomFinished {
        /// As it was.
        room: Room,
    },
    /// A participant is there whose media is not connected yet: it hears who else is.
    ParticipantConnecting {
        /// The room's name.
        room: String,
        /// Who.
        identity: String,
        /// `PA_…`
        sid: String,
    },
    /// A participant's media is connected.
    ParticipantJoined {
        /// The room's name.
        room: String,
        /// `RM_…`
        room_sid: String,
        /// Who.
        identity: String,
        /// `PA_…`
        sid: String,
    },
    /// A participant that had joined is gone.
    ParticipantLeft {
        /// The room's name.
        room: String,
        /// `RM_…`
        room_sid: String,
        /// Who.
        identity: String,
        /// `PA_…`
        sid: String,
        /// Why.
        reason: DisconnectReason,
    },
    /// A participant is gone whose media never connected.
    ParticipantConnectionAborted {
        /// The room's name.
        room: String,
        /// `RM_…`
        room_sid: String,
        /// Who.
        identity: String,
        /// `PA_…`
        sid: String,
        /// Why.
        reason: DisconnectReason,
    },
    /// A track can be subscribed to.
    TrackPublished {
        /// The room's name.
        room: String,
        /// `RM_…`
        room_sid: String,
        /// Whose.
        identity: String,
        /// Its participant, `PA_…`.
        sid: String,
        /// What it is.
        track: Box<TrackInfo>,
    },
    /// A track has ended.
    TrackUnpublished {
        /// The room's name.
        room: String,
        /// `RM_…`
        room_sid: String,
        /// Whose.
        identity: String,
        /// Its participant, `PA_…`.
        sid: String,
        /// What it is.
        track: Box<TrackInfo>,
    },
}
