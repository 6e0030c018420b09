//! The two ways in which a device says that it is in a call, as Element Call calls them.

use serde::Serialize;

/// How this device says that it is in the call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// By an event of the room's state (MSC3401), which every Element client reads.
    #[default]
    Compatibility,
    /// By a sticky event (MSC4354), sealed where the room is encrypted; on the SFU nobody is called by their Matrix id.
    #[serde(rename = "matrix_2_0")]
    Matrix20,
}

/// Which of the two is wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum ModeWish {
    /// As those do who are in the call already.
    #[default]
    Auto,
    /// By the room's state.
    Compatibility,
    /// By sticky events.
    #[value(name = "matrix_2_0")]
    Matrix20,
}

/// Who is in the call before this device is, by how they say so.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Present {
    /// By the room's state.
    pub by_state: usize,
    /// By sticky events, readable or not.
    pub by_sticky: usize,
}

impl ModeWish {
    /// The mode to take. Without a wish: `matrix_2_0` only where everybody who is there has it and the homeserver can; clients that have
    /// it read the other one too, and not the other way round.
    ///
    /// # Errors
    /// When `matrix_2_0` is wanted and the homeserver has no sticky events.
    pub fn decide(self, has_sticky_events: bool, present: Present) -> Result<Mode, NoStickyEvents> {
        match self {
            ModeWish::Compatibility => Ok(Mode::Compatibility),
            ModeWish::Matrix20 if has_sticky_events => Ok(Mode::Matrix20),
            ModeWish::Matrix20 => Err(NoStickyEvents),
            ModeWish::Auto if has_sticky_events && present.by_state == 0 && present.by_sticky > 0 => {
                Ok(Mode::Matrix20)
            }
            ModeWish::Auto => Ok(Mode::Compatibility),
        }
    }
}

/// What `matrix_2_0` needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoStickyEvents;

impl std::fmt::Display for NoStickyEvents {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(
            "the homeserver has no sticky events (MSC4354), which the mode matrix_2_0 needs: switch them on \
             (Synapse: `experimental_features.msc4354_enabled`), or take the mode compatibility",
        )
    }
}

impl std::error::Error for NoStickyEvents {}

#[cfg(test)]
mod tests {
    use super::*;

    const NOBODY: Present = Present {
        by_state: 0,
        by_sticky: 0,
    };

    #[test]
    fn without_a_wish_one_does_as_everybody_in_the_call_does() {
        let auto = |present| ModeWish::Auto.decide(true, present).unwrap();
        assert_eq!(auto(NOBODY), Mode::Compatibility);
        let sticky = Present {
            by_sticky: 2,
            ..NOBODY
        };
        assert_eq!(auto(sticky), Mode::Matrix20);
        let mixed = Present {
            by_state: 1,
            ..sticky
        };
        assert_eq!(
            auto(mixed),
            Mode::Compatibility,
            "who reads state only must see it too"
        );
        assert_eq!(
            ModeWish::Auto.decide(false, sticky),
            Ok(Mode::Compatibility),
            "no homeserver is asked for what it does not have"
        );
    }

    #[test]
    fn what_is_wished_for_is_taken_or_refused_with_the_reason() {
        assert_eq!(ModeWish::Matrix20.decide(true, NOBODY), Ok(Mode::Matrix20));
        assert_eq!(
            ModeWish::Compatibility.decide(true, NOBODY),
            Ok(Mode::Compatibility)
        );
        let refused = ModeWish::Matrix20.decide(false, NOBODY).unwrap_err();
        assert!(refused.to_string().contains("msc4354_enabled"));
    }
}
