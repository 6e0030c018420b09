//! Why a participant gets what it gets of a video, in words: sentences for those who operate the server, and one word for
//! each reason for metrics.

use hanse_sfu_core::command::Precedence;
use hanse_sfu_core::ids::Layer;
use hanse_sfu_core::sent_layers::{LayerReason, SentLayers, Share};
use hanse_sfu_signal::{Asked, VideoState, VideoStream};
use livekit_protocol::VideoQuality;

/// What goes out of a video, and why not more, in one line: `layer 1 of 2: the link carries 640 kbit/s, shared by 3 videos;
/// layer 2 would need 1,700`.
pub fn sentence(stream: &VideoStream) -> String {
    match stream.state {
        VideoState::NotPermitted => "nothing: the subscriber may not receive it".to_owned(),
        VideoState::AwaitsCodec(codec) => format!(
            "nothing: the subscriber can decode nothing that comes in; the publisher is asked for {}",
            codec.name().to_uppercase()
        ),
        VideoState::Negotiating => "nothing yet: its place in the session is being negotiated".to_owned(),
        VideoState::Muted => "nothing: the publisher has muted it".to_owned(),
        VideoState::Begun => "it has just begun; more is known within 5 s".to_owned(),
        VideoState::Sent(layers) => format!("{}: {}", what(&layers), because(&layers)),
    }
}

/// What the subscriber's client has asked for: `1280x720`, `high, 15 pictures a second`, `hidden`, or nothing.
pub fn asked(asked: Asked) -> String {
    let (what, fps) = match asked {
        Asked::Nothing => (String::new(), 0),
        Asked::Hidden => ("hidden".to_owned(), 0),
        Asked::Size { width, height, fps } => (format!("{width}x{height}"), fps),
        Asked::Quality { quality, fps } => (name(quality).to_owned(), fps),
    };
    match fps {
        0 => what,
        fps => format!("{what}, {fps} pictures a second"),
    }
}

/// The label of a reason.
pub(crate) fn word(reason: LayerReason) -> &'static str {
    match reason {
        LayerReason::Wanted => "wanted",
        LayerReason::Hidden => "hidden",
        LayerReason::NotSent => "not_sent",
        LayerReason::LayerNotSent => "layer_not_sent",
        LayerReason::KeyFrame => "key_frame",
        LayerReason::Link(_) => "link",
        LayerReason::Cap(_) => "cap",
    }
}

fn what(layers: &SentLayers) -> String {
    let SentLayers {
        layer: Some(layer),
        flowing: 1..,
        ..
    } = *layers
    else {
        return "nothing".to_owned();
    };
    let all = format!("layer {} of {}", number(layer), layers.flowing);
    match layers.temporal_max {
        u8::MAX => all,
        0 => format!("{all} with fewer pictures a second (1 temporal layer)"),
        temporal => format!(
            "{all} with fewer pictures a second ({} temporal layers)",
            u16::from(temporal) + 1
        ),
    }
}

fn because(layers: &SentLayers) -> String {
    match layers.reason {
        LayerReason::Wanted => "it is what the subscriber asks for".to_owned(),
        LayerReason::Hidden => "the subscriber hides it".to_owned(),
        LayerReason::NotSent => "the publisher sends nothing".to_owned(),
        LayerReason::LayerNotSent if layers.layer > Some(layers.wanted) => {
            "the publisher sends no smaller one".to_owned()
        }
        LayerReason::LayerNotSent => "the publisher sends no larger one".to_owned(),
        LayerReason::KeyFrame => "what is to follow begins with a key frame, which is awaited".to_owned(),
        LayerReason::Link(share) => format!("the link carries {}", shared(&share, layers.layer)),
        LayerReason::Cap(share) => format!(
            "whatever the link carries, the subscriber gets {}",
            shared(&share, layers.layer)
        ),
    }
}

fn shared(share: &Share, current: Option<Layer>) -> String {
    let among = match (share.videos, share.precedence) {
        (0 | 1, _) => "with sound".to_owned(),
        (videos, Precedence::Listener) => format!("shared by {videos} videos"),
        (videos, Precedence::Speaker) => format!("shared by {videos} videos, a speaker's before others"),
        (videos, Precedence::Screen) => format!("shared by {videos} videos, screens before others"),
    };
    let all = if current == Some(share.next) {
        "all pictures of "
    } else {
        ""
    };
    format!(
        "{} kbit/s, {among}; {all}layer {} would need {}",
        kilobits(share.limit_bps),
        number(share.next),
        kilobits(share.next_bps)
    )
}

fn name(quality: VideoQuality) -> &'static str {
    match quality {
        VideoQuality::Low => "low",
        VideoQuality::Medium => "medium",
        VideoQuality::High => "high",
        VideoQuality::Off => "off",
    }
}

/// People count from 1.
fn number(layer: Layer) -> u16 {
    u16::from(layer.0) + 1
}

/// In thousands, with a comma before the last three digits.
fn kilobits(bits: u64) -> String {
    let kilobits = bits / 1_000;
    match (kilobits / 1_000, kilobits % 1_000) {
        (0, rest) => rest.to_string(),
        (thousands, rest) => format!("{thousands},{rest:03}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hanse_sfu_core::command::Codec;
    use livekit_protocol::TrackSource;

    fn said(state: VideoState) -> String {
        sentence(&VideoStream {
            subscriber: "bob".to_owned(),
            publisher: "alice".to_owned(),
            track_sid: "TR_1".to_owned(),
            source: TrackSource::Camera,
            asked: Asked::Nothing,
            state,
        })
    }

    fn layers(layer: Option<u8>, reason: LayerReason) -> SentLayers {
        SentLayers {
            layer: layer.map(Layer),
            temporal_max: u8::MAX,
            wanted: Layer(1),
            flowing: 2,
            reason,
        }
    }

    fn share(precedence: Precedence, next: u8) -> Share {
        Share {
            limit_bps: 640_999,
            videos: 3,
            precedence,
            next: Layer(next),
            next_bps: 1_700_000,
        }
    }

    #[test]
    fn a_sentence_says_what_goes_out_and_what_would_have_to_change_for_more() {
        let link = LayerReason::Link(share(Precedence::Listener, 1));
        assert_eq!(
            said(VideoState::Sent(layers(Some(0), link))),
            "layer 1 of 2: the link carries 640 kbit/s, shared by 3 videos; layer 2 would need 1,700"
        );
        let paused = LayerReason::Cap(Share {
            videos: 1,
            next_bps: 1_000_000,
            ..share(Precedence::Screen, 0)
        });
        assert_eq!(
            said(VideoState::Sent(layers(None, paused))),
            "nothing: whatever the link carries, the subscriber gets 640 kbit/s, with sound; layer 1 would need 1,000"
        );
        let screen = LayerReason::Link(share(Precedence::Screen, 1));
        assert!(said(VideoState::Sent(layers(Some(0), screen))).contains("3 videos, screens before others;"));
        assert_eq!(
            said(VideoState::Sent(layers(Some(0), LayerReason::LayerNotSent))),
            "layer 1 of 2: the publisher sends no larger one"
        );
        let above = SentLayers {
            wanted: Layer(0),
            ..layers(Some(1), LayerReason::LayerNotSent)
        };
        assert_eq!(
            said(VideoState::Sent(above)),
            "layer 2 of 2: the publisher sends no smaller one"
        );
        let few = SentLayers {
            temporal_max: 0,
            ..layers(Some(1), LayerReason::Wanted)
        };
        assert_eq!(
            said(VideoState::Sent(few)),
            "layer 2 of 2 with fewer pictures a second (1 temporal layer): it is what the subscriber asks for"
        );
        let thinned = LayerReason::Link(Share {
            limit_bps: 40_000,
            videos: 1,
            next_bps: 60_000,
            ..share(Precedence::Listener, 0)
        });
        let thinned = SentLayers {
            temporal_max: 1,
            ..layers(Some(0), thinned)
        };
        assert_eq!(
            said(VideoState::Sent(thinned)),
            "layer 1 of 2 with fewer pictures a second (2 temporal layers): the link carries 40 kbit/s, with sound; all pictures \
             of layer 1 would need 60"
        );
        // What went out last goes out no more.
        let silent = SentLayers {
            flowing: 0,
            ..layers(Some(1), LayerReason::NotSent)
        };
        assert_eq!(
            said(VideoState::Sent(silent)),
            "nothing: the publisher sends nothing"
        );
        assert!(said(VideoState::AwaitsCodec(Codec::Vp8)).ends_with("is asked for VP8"));
        assert_eq!(
            said(VideoState::NotPermitted),
            "nothing: the subscriber may not receive it"
        );
    }

    #[test]
    fn what_a_client_has_asked_for_is_said_as_it_asked() {
        for (was, said) in [
            (Asked::Nothing, ""),
            (Asked::Hidden, "hidden"),
            (
                Asked::Size {
                    width: 1280,
                    height: 720,
                    fps: 0,
                },
                "1280x720",
            ),
            (
                Asked::Quality {
                    quality: VideoQuality::High,
                    fps: 15,
                },
                "high, 15 pictures a second",
            ),
        ] {
            assert_eq!(asked(was), said);
        }
    }
}
