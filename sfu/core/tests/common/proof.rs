//! What must be true of what somebody received.

use super::content::Content;
use super::sink::{Frame, Sink};
use super::{World, ms};
use hanse_sfu_core::ids::TrackId;
use std::collections::BTreeSet;
use std::time::Duration;

/// Pictures or sounds come in the order of their capture, numbers run on, a change of layer begins with a key frame,
/// and time on the wire is capture time (unless that key frame was lost: then nothing is shown until the next). At a change
/// of layer it may be off by `tolerance`, and the new layer may show as much of the past again, because a key frame that had
/// to be repaired comes late; what is past hurries.
pub fn in_order(sink: &Sink, tolerance: Duration) {
    let ticks_per_ms = i64::from(sink.codec.clock_rate_hz()) / 1_000;
    let tolerance_us = tolerance.as_micros() as i64;
    let mut hurries_until_us = 0;
    for pair in sink.frames.windows(2) {
        let (before, after) = (&pair[0], &pair[1]);
        let what = || format!("track {:?}: {:?} then {:?}", sink.track, before, after);
        let switch = before.layer() != after.layer();
        if switch {
            hurries_until_us = after.content.captured_us + tolerance.as_micros() as u64;
        }
        let hurries = before.content.captured_us < hurries_until_us;
        let tolerance_us = if switch { tolerance_us } else { 0 };
        assert!(after.sequences.0 > before.sequences.1, "{}", what());
        assert!(!switch || after.content.key || !after.decodable, "{}", what());
        // At a switch the new layer may show the same moment once more.
        let captured_us = after.content.captured_us.cast_signed() - before.content.captured_us.cast_signed();
        assert!(
            captured_us >= -tolerance_us && (switch || captured_us > 0),
            "{}",
            what()
        );
        let step = i64::from(after.timestamp.wrapping_sub(before.timestamp).cast_signed());
        let should = captured_us * ticks_per_ms / 1_000;
        let off = (step - should).abs();
        assert!(
            step > 0 && (hurries && step <= should) || off <= tolerance_us * ticks_per_ms / 1_000 + 2,
            "off by {off} ticks: {}",
            what()
        );
        pictures_run_on(before, after);
    }
}

fn pictures_run_on(before: &Frame, after: &Frame) {
    let (Some(old), Some(new)) = (before.descriptor, after.descriptor) else {
        return;
    };
    let (old_id, new_id) = (old.picture_id.unwrap().value, new.picture_id.unwrap().value);
    let step = new_id.wrapping_sub(old_id) & 0x7fff;
    let tl0_step = new.tl0_pic_idx.unwrap().wrapping_sub(old.tl0_pic_idx.unwrap());
    let key_step = new.key_idx.unwrap().wrapping_sub(old.key_idx.unwrap()) & 0x1f;
    let base = u8::from(new.tid == Some(0));
    if after.sequences.0 == before.sequences.1 + 1 {
        assert_eq!(step, 1, "{before:?} then {after:?}");
        // A switch is a step of every number, also from an upper temporal layer.
        assert!(tl0_step == base, "{before:?} then {after:?}");
        assert_eq!(key_step, u8::from(after.content.key), "{before:?} then {after:?}");
    } else {
        assert!((1..200).contains(&step), "{before:?} then {after:?}");
    }
}

/// The share of the publisher's sounds of which something came, be it a copy in RED; from the first one on, but for those
/// of the last second.
pub fn audibility(world: &World, sink: &Sink) -> f64 {
    let copies = sink.copies.iter().filter_map(|(_, copy)| Content::read(copy));
    let own = sink.frames.iter().map(|frame| frame.content);
    let heard: BTreeSet<u32> = own.chain(copies).map(|content| content.frame).collect();
    let sources = world.people.iter().flat_map(|client| &client.sources);
    let mut source = sources.filter(|source| source.track == sink.track);
    let sent = &source.next().unwrap().streams[0].sent;
    let (Some(first), Some(last)) = (heard.first(), sent.keys().last()) else {
        return 0.0;
    };
    let due = sent.range(first..&last.saturating_sub(50));
    let missing = due.clone().filter(|(frame, _)| !heard.contains(frame)).count();
    1.0 - missing as f64 / due.count().max(1) as f64
}

/// The share of the publisher's pictures or sounds that came whole and could be shown, from the first one on; those of
/// the last second may still be under way.
pub fn completeness(world: &World, sink: &Sink) -> f64 {
    let Some(first) = sink.frames.first() else {
        return 0.0;
    };
    let sources = world.people.iter().flat_map(|client| &client.sources);
    let source = sources
        .filter(|source| source.track == sink.track)
        .map(|source| &source.streams)
        .next();
    let sent: BTreeSet<u32> = source
        .unwrap()
        .iter()
        .flat_map(|stream| stream.sent.keys().copied())
        .collect();
    let shown: BTreeSet<u32> = sink
        .frames
        .iter()
        .filter(|frame| frame.decodable)
        .map(|frame| frame.content.frame)
        .collect();
    let pause = if sink.codec.is_video() { ms(50) } else { ms(20) };
    let tail = (ms(1_000).as_millis() / pause.as_millis()) as u32;
    let last = sent.last().unwrap().saturating_sub(tail);
    let due = sent.range(first.content.frame..last).count();
    let missing = sent
        .range(first.content.frame..last)
        .filter(|frame| !shown.contains(frame))
        .count();
    1.0 - missing as f64 / due.max(1) as f64
}

/// The layers in the order in which they were shown.
pub fn layers(sink: &Sink) -> Vec<u8> {
    let mut layers: Vec<u8> = sink.frames.iter().map(Frame::layer).collect();
    layers.dedup();
    layers
}

/// Nobody received anything of their own, on an unknown stream, or what the SFU has not sealed for them.
pub fn only_what_is_theirs(world: &World) {
    for client in &world.people {
        let tracks: Vec<TrackId> = client.sources.iter().map(|source| source.track).collect();
        let frames = client.sinks.iter().flat_map(|sink| &sink.frames);
        assert!(
            !frames
                .map(|frame| frame.content.track)
                .any(|track| tracks.contains(&track)),
            "{}",
            client.name
        );
        assert_eq!((client.strays, client.forgeries), (0, 0), "{}", client.name);
    }
}
