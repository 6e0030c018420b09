//! What the focus counts. `docs/operation.md` explains each to administrators.

use hanse_runtime::metrics::{Kind, Metric};

/// Requests, as in the log (`request_log.rs`).
pub(crate) const REQUESTS: Metric = Metric {
    name: "hanse_focus_requests_total",
    kind: Kind::Counter,
    about: "Requests at the focus. outcome: ok, or why not, as reason in the log.",
    labels: &["route", "outcome"],
};

/// How long they took.
pub(crate) const REQUEST_DURATION: Metric = Metric {
    name: "hanse_focus_request_duration_seconds",
    kind: Kind::Histogram,
    about: "Time from the head of a request to its answer, homeservers and the SFU included.",
    labels: &["route"],
};

/// Calls with anybody connected.
const CALLS: Metric = Metric {
    name: "hanse_focus_calls",
    kind: Kind::Gauge,
    about: "Calls with anybody connected.",
    labels: &[],
};

/// Seats.
const SEATS: Metric = Metric {
    name: "hanse_focus_seats",
    kind: Kind::Gauge,
    about: "Devices that have a seat. state: connected, or expected with a token that still opens the SFU.",
    labels: &["state"],
};

/// Ends of seats.
pub(crate) const SEATS_ENDED: Metric = Metric {
    name: "hanse_focus_seats_ended_total",
    kind: Kind::Counter,
    about: "Seats that ended. reason: left, call_closed, never_connected, or why their people may not stay.",
    labels: &["reason"],
};

/// Delayed leaves.
const LEAVES: Metric = Metric {
    name: "hanse_focus_delayed_leaves",
    kind: Kind::Gauge,
    about: "Delayed leaves in the hands of this process. state: waiting_for_connect, connected or disconnected.",
    labels: &["state"],
};

/// What became of delayed leaves.
pub(crate) const LEAVES_ENDED: Metric = Metric {
    name: "hanse_focus_delayed_leaves_ended_total",
    kind: Kind::Counter,
    about: "Delayed leaves that are done. outcome: sent, aborted, gave_up, replaced or taken_by_another_process.",
    labels: &["outcome"],
};

/// Guests.
pub(crate) const GUESTS: Metric = Metric {
    name: "hanse_focus_guests",
    kind: Kind::Gauge,
    about: "Guests. state: coming (has opened the link), waiting (in the lobby), inside, or ending (to be erased by the homeserver).",
    labels: &["state"],
};

/// Why guests are none any more.
pub(crate) const GUESTS_ENDED: Metric = Metric {
    name: "hanse_focus_guests_ended_total",
    kind: Kind::Counter,
    about: "Visits of guests that the focus has ended. reason: as in the log.",
    labels: &["reason"],
};

/// All that is counted here.
pub static METRICS: [Metric; 9] = [
    REQUESTS,
    REQUEST_DURATION,
    CALLS,
    SEATS,
    SEATS_ENDED,
    LEAVES,
    LEAVES_ENDED,
    GUESTS,
    GUESTS_ENDED,
];

impl crate::Focus {
    /// Brings up to date what says how it is now. To be called before the metrics are read.
    pub async fn measure(&self) {
        let census = self.census();
        CALLS.set(census.calls, []);
        SEATS.set(census.connected, ["connected".into()]);
        SEATS.set(census.expected, ["expected".into()]);
        let Some(leaves) = &self.leaves else {
            return;
        };
        for (state, number) in leaves.counts().await.into_iter().flatten() {
            LEAVES.set(number, [state.as_str().into()]);
        }
    }
}
