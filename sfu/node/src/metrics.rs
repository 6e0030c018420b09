//! What the SFU counts. `docs/operation.md` explains it to administrators.

use hanse_runtime::metrics::{Kind, Metric};

/// How long participants wait for pictures, on our side.
pub(crate) const FIRST_PICTURE: Metric = Metric {
    name: "hanse_sfu_first_picture_seconds",
    kind: Kind::Histogram,
    about: "Time from a participant's join to the first key frame that goes out to them.",
    labels: &[],
};

/// Webhooks that are done, well or not, at any destination.
pub(crate) const WEBHOOKS: Metric = Metric {
    name: "hanse_sfu_webhooks_total",
    kind: Kind::Counter,
    about: "Webhooks by what became of them, once for each destination.",
    labels: &["outcome"],
};

/// All that is counted here.
pub static METRICS: [Metric; 2] = [FIRST_PICTURE, WEBHOOKS];
