//! Every bound of the signalling in one place, each with what happens at it. A stranger's input can make nothing in
//! this crate larger than these numbers say.

use std::time::Duration;

/// Bytes of an access token. A longer one is refused like a broken one (401). Raising it only costs memory per request.
pub const TOKEN_BYTES_MAX: usize = 64 * 1024;

/// Seconds by which a token's clock may differ from ours.
pub const TOKEN_LEEWAY_S: u64 = 60;

/// Bytes of a join request after decompression (LiveKit's server: 1 MiB). Beyond: 400.
pub const JOIN_REQUEST_BYTES_MAX: usize = 1024 * 1024;

/// Bytes of an identity or of a room name. Beyond: 400.
pub const NAME_BYTES_MAX: usize = 256;

/// Bytes of a participant's or room's metadata. Beyond: 400, or `LIMIT_EXCEEDED` when it is an update.
pub const METADATA_BYTES_MAX: usize = 512 * 1024;

/// Bytes of all attribute names and values of a participant. Beyond: 400, or `LIMIT_EXCEEDED` when it is an update.
pub const ATTRIBUTES_BYTES_MAX: usize = 64 * 1024;

/// Bytes of one track announcement. Beyond: `LIMIT_EXCEEDED`. It is told to everybody in the room.
pub const ANNOUNCEMENT_BYTES_MAX: usize = 8 * 1024;

/// Bytes of a track id that a client asks for. Ours have 17; a longer one is `SE_TRACK_NOTFOUND` at once.
pub const TRACK_SID_BYTES_MAX: usize = 64;

/// Rooms of a node, empty ones included. Beyond: no room is created (503, or `resource_exhausted` at the server API).
pub const ROOMS_MAX: usize = 10_000;

/// Participants whose earlier tokens are void. Beyond: the oldest are forgotten, and their tokens open their rooms again
/// until they expire.
pub const REVOCATIONS_MAX: usize = 20_000;

/// Tracks of one participant that are announced but have no media section yet. Beyond: `LIMIT_EXCEEDED`.
pub const PENDING_TRACKS_MAX: usize = 20;

/// Requests that wait for an earlier track with the same cid. Beyond: `LIMIT_EXCEEDED`. Over all cids there may be
/// [`PENDING_TRACKS_MAX`].
pub const QUEUED_TRACKS_MAX: usize = 3;

/// Tracks that one participant publishes at a time. Beyond: `LIMIT_EXCEEDED`.
pub const PUBLISHED_TRACKS_MAX: usize = 50;

/// Codecs and layers that an announcement may list. Further ones are dropped from the track's description.
pub const CODECS_PER_TRACK_MAX: usize = 8;

/// Tracks that one participant receives at a time. Beyond: a subscription is refused with `SE_TRACK_NOTFOUND`.
/// Equals the media sections that an offer may have.
pub const SUBSCRIPTIONS_MAX: usize = MEDIA_SECTIONS_MAX;

/// Track ids that are asked for but do not exist (yet). Beyond: `SE_TRACK_NOTFOUND` at once.
pub const UNKNOWN_SUBSCRIPTIONS_MAX: usize = 200;

/// How long a subscription waits for a track that does not exist. Then: `SE_TRACK_NOTFOUND`.
pub const UNKNOWN_SUBSCRIPTION_WAIT: Duration = Duration::from_secs(60);

/// Entries of a list in one client message (track ids, permissions). Further ones are ignored.
pub const LIST_ENTRIES_MAX: usize = 1_000;

/// Bytes of an offer. Beyond: the participant is asked to reconnect (`STATE_MISMATCH`). As much as one message may have;
/// a browser writes 1 to 5 kB per section.
pub const OFFER_BYTES_MAX: usize = 2 * 1024 * 1024;

/// Media sections of an offer. Beyond: the participant is asked to reconnect (`STATE_MISMATCH`). Slots are reused, so a
/// call grows to the number of tracks that are received at the same time plus what was published over its life.
pub const MEDIA_SECTIONS_MAX: usize = 600;

/// Lines of an offer. Beyond: as above. Bounds what parsing may allocate.
pub const OFFER_LINES_MAX: usize = 120_000;

/// Offers of one participant in [`OFFER_WINDOW`]. Beyond: `STATE_MISMATCH`; a client that behaves sends one per change
/// in the room, a few a second in the wildest churn.
pub const OFFERS_PER_WINDOW_MAX: u32 = 300;

/// Bytes of all offers of one participant in [`OFFER_WINDOW`]. Beyond: `STATE_MISMATCH`. An ordinary client in a large
/// call sends a few hundred kB at a time.
pub const OFFER_BYTES_PER_WINDOW_MAX: usize = 16 * 1024 * 1024;

/// See [`OFFERS_PER_WINDOW_MAX`].
pub const OFFER_WINDOW: Duration = Duration::from_secs(10);

/// Messages of one participant per second, on average. Beyond: its socket is not read until the second has passed, so a
/// flood waits where it comes from. A client that scrolls through a large call sends a few dozen at a time.
pub const REQUESTS_PER_SECOND: u32 = 50;

/// Messages that one participant may send at once, on top of [`REQUESTS_PER_SECOND`]. Beyond: as there.
pub const REQUEST_BURST: u32 = 500;

/// Bytes of one participant's messages per second, on average. Beyond: its socket is not read, as above. Offers in a
/// call of hundreds are the largest: one megabyte.
pub const REQUEST_BYTES_PER_SECOND: u32 = 1024 * 1024;

/// Bytes that one participant may send at once, on top of [`REQUEST_BYTES_PER_SECOND`]. Beyond: as there.
pub const REQUEST_BYTES_BURST: u32 = 8 * 1024 * 1024;

/// How often a byte of metadata counts, because everybody in the room is told it.
pub const TOLD_TO_ALL_WEIGHT: u32 = 16;

/// A participant whose media is not connected this long after its join is removed (`JOIN_FAILURE`).
pub const JOIN_DEADLINE: Duration = Duration::from_secs(60);

/// How long a `media_sections_requirement` may stay unanswered before it is sent again. A client answers within one
/// round trip, and its own offer may cross ours.
pub const REQUIREMENT_WAIT: Duration = Duration::from_secs(5);

/// Media sections of an offer of ours, besides that of the data channels. Beyond: further subscriptions wait until one of
/// them is free.
pub const OFFERED_SECTIONS_MAX: usize = MEDIA_SECTIONS_MAX - 1;

/// How long an offer of ours is held back, so that what changes together goes out together (LiveKit's server: the same).
/// Longer: newcomers are heard later. Shorter: large rooms negotiate all the time.
pub const OFFER_DELAY: Duration = Duration::from_millis(150);

/// The same, when nothing was offered for [`OFFER_QUIET`].
pub const OFFER_DELAY_IDLE: Duration = Duration::from_millis(10);

/// See [`OFFER_DELAY_IDLE`].
pub const OFFER_QUIET: Duration = Duration::from_millis(150);

/// How long an offer of ours may stay unanswered. Then an active participant is asked to reconnect (`STATE_MISMATCH`).
pub const ANSWER_WAIT: Duration = Duration::from_secs(15);

/// Between two `refresh_token` messages.
pub const TOKEN_REFRESH_INTERVAL: Duration = Duration::from_secs(300);

/// The shortest life of a refreshed token, in seconds.
pub const REFRESHED_TOKEN_TTL_S_MIN: u64 = 600;

/// Between two `speakers_changed` messages.
pub const SPEAKERS_INTERVAL: Duration = Duration::from_millis(400);

/// How long the picture of somebody who spoke is put before others where not everything fits, from the last moment at
/// which it was heard. Shorter, and pictures change with every breath; longer, and half a room counts as speaking.
pub const SPEAKER_PRECEDENCE: Duration = Duration::from_secs(5);

/// Between two `connection_quality` messages.
pub const QUALITY_INTERVAL: Duration = Duration::from_secs(5);

/// How long it may take at most until others hear that somebody is lost, or is not any more. Longer: they would hear of it
/// only when the connection has ended ([`hanse_sfu_core::ICE_TIMEOUT`]), and a client that was found would begin anew
/// (`livekit-client`: 10 s after it was told that it is lost). Shorter: a network that breaks for many makes a message of
/// each.
pub const LOST_DELAY: Duration = Duration::from_millis(500);

/// Between two `room_update` messages about counts.
pub const ROOM_UPDATE_INTERVAL: Duration = Duration::from_secs(5);

/// How long a track's wanted quality stays up after nobody wants it any more. Shorter: encoders restart when people
/// scroll. Longer: publishers waste uplink.
pub const DYNACAST_LOWER_DELAY: Duration = Duration::from_secs(5);

/// How long a new track that nobody watches keeps all its layers.
pub const DYNACAST_FIRST_DELAY: Duration = Duration::from_secs(10);

/// Bytes of reliable packets that wait for one participant whose data channels are not open yet (LiveKit's server: the same
/// for a whole room). Beyond: it does not get them.
pub const WAITING_DATA_BYTES_MAX: usize = 100_000;

/// How long a message that says something once may be on its way to a client whose connection broke, which is noticed
/// late. Who resumes its session gets those of that long before its socket was gone once more.
pub const MISSED_WAIT: Duration = Duration::from_secs(30);

/// Messages that say something once and are kept for a participant that may resume its session. Beyond: it is asked to
/// reconnect instead (`STATE_MISMATCH`). All of them fit into what may wait for its socket.
pub const MISSED_MESSAGES_MAX: usize = 100;

/// People of whom is kept for a participant that they have gone. They are told in one message. Beyond: as above.
pub const MISSED_DEPARTURES_MAX: usize = 1_000;

/// Bytes that all of this takes. Beyond: as above.
pub const MISSED_BYTES_MAX: usize = 512 * 1024;

/// How long a reliable packet is kept for those who had it sent and resume their sessions. As long as the longest gap that
/// a media connection survives.
pub const KEPT_DATA_WAIT: Duration = Duration::from_secs(15);

/// Bytes of the reliable packets of one sender that are kept so. Beyond: the oldest are not sent again.
pub const KEPT_DATA_BYTES_MAX: usize = 100_000;

/// Bytes of the reliable packets of senders who have left a room that are kept so, of all of them together. Beyond: those of
/// whoever left first are not sent again.
pub const LEFT_DATA_BYTES_MAX: usize = 1024 * 1024;

/// Bytes of reliable packets of all senders that one resume is sent again. Beyond: it does not get them.
pub const RESENT_DATA_BYTES_MAX: usize = 1024 * 1024;

/// The longest that a tester can appear to speak (`simulate`), in seconds.
pub const TESTED_SPEECH_S_MAX: u64 = 600;

/// How long after a tester's wish its next resume is cut off (`simulate`), as LiveKit's server has it.
pub const TESTED_RESUME_WAIT: Duration = Duration::from_secs(5);

/// How long a tester of media over TCP is offered nothing else, and one of relays may use nothing else (`simulate`), as
/// LiveKit's server has it.
pub const TESTED_TRANSPORT_WAIT: Duration = Duration::from_secs(300);

/// Testers in one room of whom that is remembered. Further ones are offered everything.
pub const TESTED_TRANSPORTS_MAX: usize = 100;

/// How long changes of a subscriber's track settings are gathered, because clients send one for every pixel while a tile
/// is resized. Only showing what was hidden does not wait.
pub const SETTING_DELAY: Duration = Duration::from_millis(100);

/// Data tracks that one participant publishes at a time. Beyond: `LIMIT_EXCEEDED`.
pub const DATA_TRACKS_MAX: usize = 50;

/// Data tracks that one participant wants at a time, whether they exist or not. Further wishes are ignored.
pub const DATA_SUBSCRIPTIONS_MAX: usize = 1_000;

/// Calls of one participant's methods by the server API that it has not answered. Beyond: `resource_exhausted`.
pub const CALLS_MAX: usize = 100;

/// The longest that such a call waits for its answer, whatever its caller says: nobody may wait for it any more.
pub const CALL_TIMEOUT_MAX: Duration = Duration::from_secs(600);

/// Between two reports of measurements to one participant (LiveKit's server: the same).
pub const METRICS_INTERVAL: Duration = Duration::from_secs(10);

/// Bytes of such a report, which is one message of a data channel. Further measurements are dropped.
pub const METRICS_REPORT_BYTES_MAX: usize = 60_000;
