//! Which of a track's codecs goes out to a receiver, and how: pure.

use crate::negotiate::codec::{Format, matching};
use crate::track::{Source, Track};
use hanse_sfu_core::command::Codec;

/// What a receiver with certain formats gets of a track.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Choice<'a> {
    /// This one of the track's sources, in this one of the receiver's formats.
    Send(&'a Source, &'a Format),
    /// Nothing yet: the publisher is asked to send this codec, too.
    Await(Codec),
    /// It can decode nothing of it.
    Impossible,
}

impl PartialEq for Source {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl Eq for Source {}

/// The track's first codec if the receiver has it, else its backup, else one that its publisher has announced; after a
/// regression the backup first. Nothing is ever converted, except between Opus and RED, which is Opus with copies of
/// earlier packets, and only where the sender's device has not sealed the frames. A receiver that has negotiated RED gets
/// it then: it repairs loss without waiting.
pub(crate) fn choose<'a>(track: &'a Track, formats: &'a [Format]) -> Choice<'a> {
    let regressed = track.regressed.and_then(|id| track.source(id));
    for source in regressed.into_iter().chain(&track.sources) {
        if let Some(format) = format_for(track, source, formats) {
            return Choice::Send(source, format);
        }
    }
    let has = |codec: &Codec| formats.iter().any(|format| format.codec == *codec);
    match track.offered_codecs().find(has) {
        Some(codec) => Choice::Await(codec),
        None => Choice::Impossible,
    }
}

fn format_for<'a>(track: &Track, source: &Source, formats: &'a [Format]) -> Option<&'a Format> {
    let sent = &source.format;
    let is_opus = matches!(sent.codec, Codec::Opus | Codec::Red);
    if !is_opus || track.is_sealed() {
        return matching(formats, sent);
    }
    let of = |codec: Codec| formats.iter().find(|format| format.codec == codec);
    of(Codec::Red)
        .filter(|_| !track.info.disable_red)
        .or_else(|| of(Codec::Opus))
}
