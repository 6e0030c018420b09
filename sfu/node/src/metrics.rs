//! What the SFU counts: its own, and what LiveKit's server counts under LiveKit's names (`pkg/telemetry/prometheus`), so
//! that dashboards made for it show something. `docs/operation.md` explains it to administrators.

use hanse_runtime::metrics::{Kind, Metric};

/// How long participants wait for pictures, on our side.
pub(crate) const FIRST_PICTURE: Metric = Metric {
    name: "hanse_sfu_first_picture_seconds",
    kind: Kind::Histogram,
    about: "Time from a participant's join to the first key frame that goes out to them.",
    labels: &[],
};

/// Why pictures are as small as they are.
pub(crate) const VIDEOS: Metric = Metric {
    name: "hanse_sfu_videos",
    kind: Kind::Gauge,
    about: "Videos as participants receive them, by why they get no more of them.",
    labels: &["reason"],
};

/// Whether new calls are refused.
pub(crate) const DRAINING: Metric = Metric {
    name: "hanse_sfu_draining",
    kind: Kind::Gauge,
    about: "1 while no new calls begin because the server is about to stop.",
    labels: &[],
};

/// Webhooks that are done, well or not, at any destination.
pub(crate) const WEBHOOKS: Metric = Metric {
    name: "hanse_sfu_webhooks_total",
    kind: Kind::Counter,
    about: "Webhooks by what became of them, once for each destination.",
    labels: &["outcome"],
};

/// LiveKit's.
pub(crate) const ROOMS: Metric = Metric {
    name: "livekit_room_total",
    kind: Kind::Gauge,
    about: "Rooms that exist.",
    labels: &[],
};

/// LiveKit's.
pub(crate) const ROOM_DURATION: Metric = Metric {
    name: "livekit_room_duration_seconds",
    kind: Kind::Distribution(&[
        5.0, 10.0, 60.0, 300.0, 600.0, 1_800.0, 3_600.0, 7_200.0, 18_000.0, 36_000.0,
    ]),
    about: "How long rooms have existed that are gone.",
    labels: &[],
};

/// LiveKit's.
pub(crate) const PARTICIPANTS: Metric = Metric {
    name: "livekit_participant_total",
    kind: Kind::Gauge,
    about: "Participants, connected or connecting.",
    labels: &[],
};

/// LiveKit's.
pub(crate) const JOINS: Metric = Metric {
    name: "livekit_participant_join_total",
    kind: Kind::Counter,
    about: "Joins that have come so far: signal_connected or signal_failed, rtc_init, rtc_connected.",
    labels: &["state"],
};

/// LiveKit's.
pub(crate) const SESSION_START: Metric = Metric {
    name: "livekit_session_start_time_ms",
    kind: Kind::Distribution(&[
        100.0, 139.0, 193.0, 268.0, 373.0, 518.0, 720.0, 1_000.0, 1_389.0, 1_931.0, 2_683.0, 3_728.0,
        5_179.0, 7_197.0, 10_000.0,
    ]),
    about: "Time from a participant's join to the connection of its media.",
    labels: &[],
};

/// LiveKit's.
pub(crate) const JOIN_LATENCY: Metric = Metric {
    name: "livekit_session_join_latency_ms",
    kind: Kind::Distribution(&[
        10.0, 16.0, 27.0, 44.0, 72.0, 118.0, 193.0, 316.0, 518.0, 848.0, 1_389.0, 2_276.0, 3_728.0, 6_105.0,
        10_000.0,
    ]),
    about: "Time from a participant's request to the first message that went to its socket.",
    labels: &[],
};

/// LiveKit's.
pub(crate) const SESSION_DURATION: Metric = Metric {
    name: "livekit_session_duration_ms",
    kind: Kind::Distribution(&[
        100.0,
        234.0,
        546.0,
        1_275.0,
        2_977.0,
        6_955.0,
        16_245.0,
        37_947.0,
        88_641.0,
        207_057.0,
        483_665.0,
        1_129_794.0,
        2_639_086.0,
        6_164_644.0,
        14_400_000.0,
    ]),
    about: "How long participants were there whose media was connected.",
    labels: &[],
};

/// LiveKit's.
pub(crate) const PUBLISHED: Metric = Metric {
    name: "livekit_track_published_total",
    kind: Kind::Gauge,
    about: "Tracks that are published.",
    labels: &["kind", "source", "mimeType"],
};

/// LiveKit's.
pub(crate) const PUBLISHES: Metric = Metric {
    name: "livekit_track_publish_counter",
    kind: Kind::Counter,
    about: "Tracks that were announced (attempt) and published (success).",
    labels: &["kind", "source", "state"],
};

/// LiveKit's.
pub(crate) const SUBSCRIBED: Metric = Metric {
    name: "livekit_track_subscribed_total",
    kind: Kind::Gauge,
    about: "Tracks as participants receive them.",
    labels: &["kind", "mimeType"],
};

/// LiveKit's.
pub(crate) const SUBSCRIBES: Metric = Metric {
    name: "livekit_track_subscribe_counter",
    kind: Kind::Counter,
    about: "Tracks that participants began to receive (success), or asked for in vain (failure).",
    labels: &["state", "error"],
};

/// LiveKit's.
pub(crate) const PACKETS: Metric = Metric {
    name: "livekit_packet_total",
    kind: Kind::Counter,
    about: "Media packets.",
    labels: &["direction", "transmission"],
};

/// LiveKit's.
pub(crate) const PACKET_BYTES: Metric = Metric {
    name: "livekit_packet_bytes",
    kind: Kind::Counter,
    about: "Their bytes.",
    labels: &["direction", "transmission"],
};

/// LiveKit's.
pub(crate) const NACKS: Metric = Metric {
    name: "livekit_nack_total",
    kind: Kind::Counter,
    about: "Packets that were asked for again: by subscribers (incoming) or by us (outgoing).",
    labels: &["direction"],
};

/// LiveKit's.
pub(crate) const PLIS: Metric = Metric {
    name: "livekit_pli_total",
    kind: Kind::Counter,
    about: "Key frames that were asked for by PLI: by subscribers (incoming) or by us (outgoing).",
    labels: &["direction"],
};

/// LiveKit's.
pub(crate) const FIRS: Metric = Metric {
    name: "livekit_fir_total",
    kind: Kind::Counter,
    about: "Key frames that subscribers have asked for by FIR.",
    labels: &["direction"],
};

/// LiveKit's.
pub(crate) const LOSS: Metric = Metric {
    name: "livekit_packet_loss_percent",
    kind: Kind::Distribution(&[0.0, 0.1, 0.3, 0.5, 0.7, 1.0, 5.0, 10.0, 40.0, 100.0]),
    about: "Media that was lost on the way to us (incoming) or from us (outgoing), each participant's of five seconds.",
    labels: &["direction"],
};

/// LiveKit's.
pub(crate) const LOST: Metric = Metric {
    name: "livekit_packet_loss_total",
    kind: Kind::Counter,
    about: "Media packets that were lost on the way to us and not brought back (incoming), or lost on the way from us (outgoing).",
    labels: &["direction"],
};

/// LiveKit's.
pub(crate) const QUALITY_RATING: Metric = Metric {
    name: "livekit_quality_rating",
    kind: Kind::Distribution(&[0.0, 1.0, 2.0]),
    about: "Quality of participants' connections, each one's of five seconds: 0 poor, 1 good, 2 excellent, 3 lost.",
    labels: &[],
};

/// LiveKit's.
pub(crate) const QUALITY_SCORE: Metric = Metric {
    name: "livekit_quality_score",
    kind: Kind::Distribution(&[1.0, 2.0, 2.5, 3.0, 3.25, 3.5, 3.75, 4.0, 4.25, 4.5]),
    about: "The same as a mean opinion score, 1 to 4.5.",
    labels: &[],
};

/// LiveKit's.
pub(crate) const FORWARD_LATENCY: Metric = Metric {
    name: "livekit_forward_latency",
    kind: Kind::Gauge,
    about: "How long media stays here, in ns, on average over a minute.",
    labels: &[],
};

/// LiveKit's.
pub(crate) const FORWARD_JITTER: Metric = Metric {
    name: "livekit_forward_jitter",
    kind: Kind::Gauge,
    about: "The standard deviation of that, in ns.",
    labels: &[],
};

/// LiveKit's.
pub(crate) const FORWARD_LATENCIES: Metric = Metric {
    name: "livekit_forward_latency_ns",
    kind: Kind::Distribution(&[
        50_000.0,
        100_000.0,
        250_000.0,
        500_000.0,
        1_000_000.0,
        2_000_000.0,
        3_000_000.0,
        5_000_000.0,
        10_000_000.0,
        20_000_000.0,
    ]),
    about: "How long media stays here: of some of the packets, from being read to having been sent to everybody.",
    labels: &[],
};

/// LiveKit's.
pub(crate) const JITTER: Metric = Metric {
    name: "livekit_jitter_us",
    kind: Kind::Distribution(&[
        1_000.0,
        10_000.0,
        30_000.0,
        50_000.0,
        70_000.0,
        100_000.0,
        300_000.0,
        600_000.0,
        1_000_000.0,
    ]),
    about: "The largest jitter of what a participant sent, each one's of five seconds.",
    labels: &["direction"],
};

/// LiveKit's.
pub(crate) const ROUND_TRIP: Metric = Metric {
    name: "livekit_rtt_ms",
    kind: Kind::Distribution(&[
        50.0, 100.0, 150.0, 200.0, 250.0, 500.0, 750.0, 1_000.0, 5_000.0, 10_000.0,
    ]),
    about: "The longest round trip to a participant, each one's of five seconds.",
    labels: &["direction"],
};

/// LiveKit's.
pub(crate) const MESSAGES: Metric = Metric {
    name: "livekit_node_messages",
    kind: Kind::Counter,
    about: "Signalling messages: requests of clients, responses to them.",
    labels: &["type", "status", "direction"],
};

/// LiveKit's.
pub(crate) const TWIRP: Metric = Metric {
    name: "livekit_node_twirp_request_status",
    kind: Kind::Counter,
    about: "Requests at the server API.",
    labels: &["service", "method", "status", "code"],
};

/// LiveKit's.
pub(crate) const TWIRP_LATENCY: Metric = Metric {
    name: "livekit_node_twirp_request_latency_ms",
    kind: Kind::Distribution(&[
        5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1_000.0, 2_500.0, 5_000.0, 10_000.0, 30_000.0, 60_000.0,
    ]),
    about: "How long requests at the server API took.",
    labels: &["service", "method", "status"],
};

/// All that is counted here.
pub static METRICS: [Metric; 32] = [
    DRAINING,
    FIRST_PICTURE,
    VIDEOS,
    WEBHOOKS,
    ROOMS,
    ROOM_DURATION,
    PARTICIPANTS,
    JOINS,
    JOIN_LATENCY,
    SESSION_START,
    SESSION_DURATION,
    PUBLISHED,
    PUBLISHES,
    SUBSCRIBED,
    SUBSCRIBES,
    PACKETS,
    PACKET_BYTES,
    NACKS,
    PLIS,
    FIRS,
    LOSS,
    LOST,
    QUALITY_RATING,
    QUALITY_SCORE,
    FORWARD_LATENCY,
    FORWARD_JITTER,
    FORWARD_LATENCIES,
    JITTER,
    ROUND_TRIP,
    MESSAGES,
    TWIRP,
    TWIRP_LATENCY,
];
