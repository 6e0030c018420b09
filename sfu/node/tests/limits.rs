//! The page of the book about limits is made from the constants and what is written at them, so that it is true.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)] // A test may panic.

use std::path::{Path, PathBuf};

/// Files, a heading for each, and which of their constants concern whoever runs or uses a server. None: all.
const FILES: [(&str, &str, &[&str]); 29] = [
    ("Signalling", "sfu/signal/src/limits.rs", &[]),
    (
        "Sockets of participants",
        "sfu/node/src/http/socket.rs",
        &[
            "MESSAGE_BYTES_MAX",
            "SILENCE_MAX",
            "WRITE_TIMEOUT",
            "DISCARD_MAX",
            "DISCARD_TIMEOUT",
        ],
    ),
    (
        "What waits for a socket, or for the signalling",
        "sfu/node/src/control.rs",
        &["INPUTS_MAX", "SOCKET_MESSAGES_MAX", "SOCKET_BYTES_MAX"],
    ),
    (
        "HTTP connections",
        "sfu/node/src/http/server.rs",
        &[
            "CONNECTIONS_MAX",
            "CONNECTIONS_PER_ADDRESS_MAX",
            "HEAD_TIMEOUT",
            "HEAD_BYTES_MAX",
        ],
    ),
    (
        "Media over TCP",
        "sfu/node/src/ice_tcp/mod.rs",
        &[
            "STREAMS_MAX",
            "STREAMS_PER_ADDRESS_MAX",
            "UNPROVEN_MAX",
            "UNPROVEN_PER_ADDRESS_MAX",
            "PROOF_TIMEOUT",
            "SILENCE_MAX",
            "WRITE_TIMEOUT",
            "SEND_BUFFER",
        ],
    ),
    (
        "The port of TLS",
        "sfu/node/src/tls/door.rs",
        &[
            "UNDECIDED_MAX",
            "UNDECIDED_PER_ADDRESS_MAX",
            "FIRST_BYTES_TIMEOUT",
            "HANDSHAKE_TIMEOUT",
        ],
    ),
    (
        "Certificates by ACME",
        "sfu/node/src/tls/acme.rs",
        &["PAUSE_MIN", "PAUSE_MAX", "ANEW_INTERVAL"],
    ),
    (
        "Servers that are named for STUN and TURN",
        "sfu/node/src/reach/config.rs",
        &["STUN_SERVERS_MAX", "TURN_URLS_MAX", "TURN_SECRET_BYTES_MAX"],
    ),
    (
        "Answers of STUN servers",
        "sfu/node/src/reach/stun.rs",
        &["ANSWER_WAIT", "ANSWER_MAX"],
    ),
    ("HTTP bodies", "sfu/node/src/http/mod.rs", &["BODY_BYTES_MAX"]),
    (
        "Handshakes",
        "sfu/node/src/secure/guard.rs",
        &[
            "FRAGMENTS_MAX",
            "EARLY_RECORDS_MAX",
            "LATE_HANDSHAKE_RECORDS_MAX",
            "MESSAGE_MAX",
        ],
    ),
    (
        "Data channels",
        "sfu/node/src/secure/channels.rs",
        &[
            "STREAMS_MAX",
            "BUFFER_MAX",
            "RELIABLE_QUEUE_MAX",
            "STALL_MAX",
            "LOSSY_QUEUE_MIN",
            "LOSSY_LATENCY_MAX",
        ],
    ),
    (
        "Data that is taken from a peer",
        "sfu/node/src/secure/budget.rs",
        &["INTAKE_BYTES_PER_SECOND", "INTAKE_BURST", "MESSAGE_COST"],
    ),
    (
        "SCTP that breaks the rules",
        "sfu/node/src/secure/gate.rs",
        &["AHEAD_MAX", "CHUNK_COST", "HELD_MAX", "RESETS_MAX"],
    ),
    (
        "Streams and addresses of a peer",
        "sfu/core/src/connection.rs",
        &["STREAMS_MAX", "ADDRESSES_MAX"],
    ),
    (
        "A shard",
        "sfu/core/src/shard/mod.rs",
        &["CONNECTIONS_MAX", "FOREIGN_ADDRESSES_MAX"],
    ),
    (
        "Packets that are missing",
        "sfu/core/src/nack.rs",
        &["MISSING_MAX", "TRIES_MAX"],
    ),
    (
        "Key frames",
        "sfu/core/src/track.rs",
        &["KEY_FRAME_SPACING", "RELEASED_MAX"],
    ),
    (
        "Video that waits for room on a link",
        "sfu/core/src/pacer.rs",
        &[
            "WAITING_MAX",
            "REPAIRS_MAX",
            "WAIT_MAX",
            "WAIT_EVER_MAX",
            "TRAIN_TIME",
        ],
    ),
    (
        "Key frames of video of which too much waited",
        "sfu/core/src/line.rs",
        &["SEEK_SPACING_MAX"],
    ),
    (
        "Repetitions",
        "sfu/core/src/down_track.rs",
        &["REPEATS_MAX", "REPEAT_SPACING_MAX"],
    ),
    (
        "What a peer tells of the packets that it gets",
        "sfu/core/src/estimate/mod.rs",
        &["STATUSES_PER_PACKET", "STATUSES_MAX"],
    ),
    (
        "Packets of which a peer may tell",
        "sfu/core/src/estimate/log.rs",
        &["LOG_LEN"],
    ),
    ("Checks (STUN)", "sfu/core/src/ice.rs", &["CHECK_MAX"]),
    ("RTCP", "sfu/core/src/rtcp.rs", &["FEEDBACK_MAX"]),
    ("Media packets", "sfu/core/src/ring.rs", &["SLOT"]),
    (
        "Dependency descriptors (AV1, VP9)",
        "sfu/core/src/dependency.rs",
        &["TARGETS_MAX", "CHAINS_MAX", "TEMPLATES_MAX", "LEN_MAX"],
    ),
    ("VP9", "sfu/core/src/vp9.rs", &["REFERENCES_MAX"]),
    ("Redundant sound (RED)", "sfu/core/src/red.rs", &["BLOCKS_MAX"]),
];

const HEAD: &str = "# Limits

What a client can make the SFU keep, and how fast it may speak. Each limit is a constant in the source, with a reason; none can be
configured. Whoever reaches one costs themselves only: it is their message that is refused, their socket that waits or closes, their packets
that are dropped.

What reads RTP headers and their extensions, VP8, H.264 and H.265 has no table here: it goes through a packet once, from front to back, and
keeps nothing of it, and a packet is no longer than `SLOT`. Names in extensions are compared with negotiated ones, which have 16 bytes at
most.

This page is made from the source: `HANSE_WRITE=1 cargo test -p hanse-sfu --test limits`.
";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Constants of a file with their values and comments.
fn constants(source: &str) -> Vec<(String, String, String)> {
    let mut found = Vec::new();
    let (mut comment, mut lines) = (String::new(), source.lines());
    while let Some(line) = lines.next() {
        let line = line.trim();
        if let Some(text) = line.strip_prefix("///") {
            comment = (comment + " " + text.trim()).trim().to_owned();
            continue;
        }
        if let Some((_, declaration)) = line
            .split_once("const ")
            .filter(|(before, _)| !before.contains('/'))
        {
            let mut declaration = declaration.to_owned();
            while !declaration.contains(';') {
                declaration += " ";
                declaration += lines.next().expect("the end of a constant").trim();
            }
            if let Some((name, rest)) = declaration.split_once(": ")
                && let Some((_, value)) = rest.split_once(" = ")
            {
                found.push((
                    name.to_owned(),
                    value.trim_end_matches(';').to_owned(),
                    std::mem::take(&mut comment),
                ));
            }
        }
        comment.clear();
    }
    found
}

/// A value as people write it.
fn plain(name: &str, value: &str, comment: &str) -> String {
    for (call, unit) in [("Duration::from_secs(", " s"), ("Duration::from_millis(", " ms")] {
        if let Some(number) = value.strip_prefix(call) {
            return number.trim_end_matches(')').to_owned() + unit;
        }
    }
    let factors: Option<Vec<u64>> = value
        .split(" * ")
        .map(|factor| factor.replace('_', "").parse().ok())
        .collect();
    let Some(factors) = factors else {
        return format!("as `{value}`");
    };
    let number: u64 = factors.iter().product();
    let is_bytes = name.contains("BYTES") || comment.starts_with("Bytes");
    if is_bytes && number.is_multiple_of(1024 * 1024) {
        return format!("{} MiB", number / 1024 / 1024);
    }
    if is_bytes && number.is_multiple_of(1024) {
        return format!("{} KiB", number / 1024);
    }
    let digits = number.to_string();
    let groups: Vec<&str> = digits
        .as_bytes()
        .rchunks(3)
        .rev()
        .map(|group| std::str::from_utf8(group).unwrap())
        .collect();
    groups.join(",")
}

fn page() -> String {
    let mut page = HEAD.to_owned();
    for (heading, file, names) in FILES {
        let source = std::fs::read_to_string(root().join(file)).unwrap();
        let constants = constants(&source);
        page += &format!(
            "\n## {heading}\n\n`{file}`\n\n| Limit | Value | What happens, and why |\n|---|---|---|\n"
        );
        for name in names {
            assert!(
                constants.iter().any(|(known, ..)| known == name),
                "{file} has no {name}"
            );
        }
        for (name, value, comment) in constants {
            if !names.is_empty() && !names.contains(&name.as_str()) {
                continue;
            }
            assert!(
                !comment.is_empty(),
                "{name} in {file} does not say what happens at it"
            );
            // Links to other constants are for readers of the source.
            let text = comment.replace("[`", "`").replace("`]", "`").replace('|', "\\|");
            page += &format!("| `{name}` | {} | {text} |\n", plain(&name, &value, &comment));
        }
    }
    page
}

#[test]
fn the_page_about_limits_says_what_the_constants_say() {
    let path = root().join("docs/limits.md");
    let page = page();
    if std::env::var_os("HANSE_WRITE").is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == page,
        "docs/limits.md is not what the constants say: HANSE_WRITE=1 cargo test -p hanse-sfu --test limits"
    );
}

#[test]
fn values_are_read_as_people_write_them() {
    assert_eq!(plain("X_BYTES_MAX", "2 * 1024 * 1024", ""), "2 MiB");
    assert_eq!(plain("MESSAGE_MAX", "16 * 1024", "Bytes of one"), "16 KiB");
    assert_eq!(plain("ROOMS_MAX", "10_000", "Rooms"), "10,000");
    assert_eq!(plain("WAIT", "Duration::from_millis(400)", ""), "400 ms");
    let source =
        "/// Not this.\nfn other() {}\n/// One line,\n/// and another.\npub(super) const A: u32 =\n    5;\n";
    assert_eq!(
        constants(source),
        [(
            "A".to_owned(),
            "5".to_owned(),
            "One line, and another.".to_owned()
        )]
    );
}
