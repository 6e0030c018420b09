//! Frames that livekit-client's worker has sealed (`federation-tests/record-seals.mjs`) open here, and what is sealed here is what the
//! worker opens in `federation-tests/tests/seal.test.mjs`.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests may panic")]

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hanse_callkeys::frame::{FrameKind, NotOpened, Opener, Sealer, key_index};
use hanse_callkeys::{KeyIndex, MediaKey};
use serde_json::{Value, json};

const LIVEKIT_CLIENT: &str = include_str!("vectors/livekit-client.json");
const OURS: &str = "tests/vectors/hanse.json";

struct Frame {
    kind: FrameKind,
    clear: Vec<u8>,
    sealed: Vec<u8>,
}

fn bytes(value: &Value) -> Vec<u8> {
    BASE64_STANDARD.decode(value.as_str().unwrap()).unwrap()
}

fn name(kind: FrameKind) -> &'static str {
    match kind {
        FrameKind::Sound => "opus",
        FrameKind::Vp8 => "vp8",
    }
}

fn read(text: &str) -> (MediaKey, KeyIndex, Vec<Frame>) {
    let file: Value = serde_json::from_str(text).unwrap();
    let frames = file["frames"].as_array().unwrap().iter().map(|frame| Frame {
        kind: if frame["kind"] == "vp8" {
            FrameKind::Vp8
        } else {
            FrameKind::Sound
        },
        clear: bytes(&frame["clear"]),
        sealed: bytes(&frame["sealed"]),
    });
    (
        MediaKey::from_base64(file["key"].as_str().unwrap()).unwrap(),
        KeyIndex(file["index"].as_u64().unwrap().try_into().unwrap()),
        frames.collect(),
    )
}

#[test]
fn what_livekit_client_has_sealed_opens_with_its_key_and_with_no_other() {
    let (key, index, frames) = read(LIVEKIT_CLIENT);
    assert_eq!(frames.len(), 5);
    let other = MediaKey::from_bytes(&[9; 16]).unwrap();
    for frame in frames {
        assert_eq!(key_index(&frame.sealed), Ok(index));
        assert_eq!(
            Opener::new(&key).open(frame.kind, &frame.sealed).unwrap(),
            frame.clear
        );
        assert_eq!(
            Opener::new(&other).open(frame.kind, &frame.sealed),
            Err(NotOpened::WrongKey(index))
        );
    }
}

/// `HANSE_WRITE=1` writes the file that the test of livekit-client reads.
#[test]
fn what_we_seal_is_what_livekit_client_was_shown() {
    let (key, index, frames) = read(LIVEKIT_CLIENT);
    let mut sealer = Sealer::new(&key, index);
    let frames: Vec<Value> = frames
        .iter()
        .map(|frame| {
            json!({
                "kind": name(frame.kind),
                "clear": BASE64_STANDARD.encode(&frame.clear),
                "sealed": BASE64_STANDARD.encode(sealer.seal(frame.kind, &frame.clear).unwrap()),
            })
        })
        .collect();
    let file = json!({ "key": *key.to_base64(), "index": index.0, "frames": frames });
    let text = format!("{}\n", serde_json::to_string_pretty(&file).unwrap());
    if std::env::var_os("HANSE_WRITE").is_some() {
        std::fs::write(OURS, &text).unwrap();
    }
    assert_eq!(
        std::fs::read_to_string(OURS).unwrap_or_default(),
        text,
        "HANSE_WRITE=1 writes it anew"
    );
}
