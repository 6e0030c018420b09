//! What the SFU counts. `docs/operation.md` explains it to administrators.

use hanse_runtime::metrics::{Kind, Metric};

/// How long participants wait for pictures, on our side.
pub(crate) const FIRST_PICTURE: Metric = Metric {
    name: "hanse_sfu_first_picture_seconds",
    kind: Kind::Histogram,
    about: "Time from a participant's join to the first key frame that goes out to them.",
    labels: &[],
};

/// All that is counted here.
pub static METRICS: [Metric; 1] = [FIRST_PICTURE];
