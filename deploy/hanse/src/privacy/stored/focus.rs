//! Tables of the focus: delayed leaves, processes, seats, blocked homeservers.

use super::{FOCUS_AND_SWEEP, Pair, Place, Row};

const ROOM_ON_SFU: Pair = Pair {
    en: "Name of the call's room on the SFU, a hash of the Matrix room's id",
    de: "Name des Gesprächsraums auf der SFU, ein Hash der Kennung des Matrix-Raums",
};
const WHOSE_CONNECTION: Pair = Pair {
    en: "To know whose connection to watch",
    de: "Um zu wissen, auf wessen Verbindung zu achten ist",
};
const DEVICE_ON_SFU: Pair = Pair {
    en: "Name of the person's device on the SFU: a hash, or the Matrix id with the device for clients of the first generation",
    de: "Name des Geräts der Person auf der SFU: ein Hash, oder bei Clients der ersten Generation die Matrix-Kennung mit dem Gerät",
};
const AS_LEAVE: Pair = Pair {
    en: "As `delayed_leaves.sfu_room`",
    de: "Wie `delayed_leaves.sfu_room`",
};
const OTHERS_TAKE_OVER: Pair = Pair {
    en: "So that others take over when it dies",
    de: "Damit andere übernehmen, wenn er ausfällt",
};
const PROCESS_AND_SWEEP: Pair = Pair {
    en: "The process; the sweep",
    de: "Der Prozess; das Aufräumen",
};
const AS_SEAT: Pair = Pair {
    en: "As `seats.sfu_room`",
    de: "Wie `seats.sfu_room`",
};
const ADMINISTRATOR: Pair = Pair {
    en: "An administrator",
    de: "Die Administration",
};

/// In the order of the book.
pub(super) static ROWS: [Row; 18] = [
    Row {
        column: "delayed_leaves.sfu_room",
        place: Place::DelayedLeaves,
        is_personal: true,
        what: ROOM_ON_SFU,
        why: WHOSE_CONNECTION,
        how_long: Pair {
            en: "While the person sits in the call, then until the leave is sent; at most the delay and one hour after its last restart",
            de: "Solange die Person im Gespräch ist, dann bis die Abmeldung gesendet ist; höchstens die Verzögerung und eine Stunde nach ihrem letzten Neustart",
        },
        deleted_by: FOCUS_AND_SWEEP,
    },
    Row {
        column: "delayed_leaves.identity",
        place: Place::DelayedLeaves,
        is_personal: true,
        what: DEVICE_ON_SFU,
        why: WHOSE_CONNECTION,
        how_long: AS_LEAVE,
        deleted_by: FOCUS_AND_SWEEP,
    },
    Row {
        column: "delayed_leaves.other_identity",
        place: Place::DelayedLeaves,
        is_personal: true,
        what: Pair {
            en: "The other form of the same name, when it is not known which one the device uses",
            de: "Die andere Form desselben Namens, wenn nicht bekannt ist, welche das Gerät benutzt",
        },
        why: WHOSE_CONNECTION,
        how_long: AS_LEAVE,
        deleted_by: FOCUS_AND_SWEEP,
    },
    Row {
        column: "delayed_leaves.server",
        place: Place::DelayedLeaves,
        is_personal: true,
        what: Pair {
            en: "Name of the person's homeserver",
            de: "Name des Homeservers der Person",
        },
        why: Pair {
            en: "To tell it when the person is gone",
            de: "Um ihm zu sagen, wenn die Person gegangen ist",
        },
        how_long: AS_LEAVE,
        deleted_by: FOCUS_AND_SWEEP,
    },
    Row {
        column: "delayed_leaves.delay_id",
        place: Place::DelayedLeaves,
        is_personal: true,
        what: Pair {
            en: "The homeserver's name for the leave that it holds back. Whoever knows it can send that leave, and nothing else",
            de: "Der Name des Homeservers für die Abmeldung, die er zurückhält. Wer ihn kennt, kann diese Abmeldung senden und sonst nichts",
        },
        why: Pair {
            en: "To have the leave sent, so that nobody stays in a room as a ghost",
            de: "Um die Abmeldung senden zu lassen, damit niemand als Geist in einem Raum bleibt",
        },
        how_long: AS_LEAVE,
        deleted_by: FOCUS_AND_SWEEP,
    },
    Row {
        column: "delayed_leaves.delay_ms",
        place: Place::DelayedLeaves,
        is_personal: true,
        what: Pair {
            en: "How long the homeserver waits before it sends the leave by itself, as the client chose",
            de: "Wie lange der Homeserver wartet, bevor er die Abmeldung von selbst sendet; das Programm der Person hat es gewählt",
        },
        why: Pair {
            en: "To restart it in time",
            de: "Um sie rechtzeitig neu zu starten",
        },
        how_long: AS_LEAVE,
        deleted_by: FOCUS_AND_SWEEP,
    },
    Row {
        column: "delayed_leaves.restarted_at_ms",
        place: Place::DelayedLeaves,
        is_personal: true,
        what: Pair {
            en: "When it was restarted last: until then the person was in the call",
            de: "Wann sie zuletzt neu gestartet wurde: bis dahin war die Person im Gespräch",
        },
        why: Pair {
            en: "To restart it in time, also after a crash",
            de: "Um sie rechtzeitig neu zu starten, auch nach einem Absturz",
        },
        how_long: AS_LEAVE,
        deleted_by: FOCUS_AND_SWEEP,
    },
    Row {
        column: "delayed_leaves.state",
        place: Place::DelayedLeaves,
        is_personal: true,
        what: Pair {
            en: "Whether the person is expected, connected, or gone",
            de: "Ob die Person erwartet wird, verbunden oder gegangen ist",
        },
        why: Pair {
            en: "To go on after a crash where it stopped",
            de: "Um nach einem Absturz fortzufahren, wo es aufhörte",
        },
        how_long: AS_LEAVE,
        deleted_by: FOCUS_AND_SWEEP,
    },
    Row {
        column: "delayed_leaves.owner",
        place: Place::DelayedLeaves,
        is_personal: false,
        what: Pair {
            en: "Random name of the process that watches; not about a person",
            de: "Zufälliger Name des Prozesses, der darauf achtet; nicht über eine Person",
        },
        why: Pair {
            en: "So that of several processes one acts",
            de: "Damit von mehreren Prozessen einer handelt",
        },
        how_long: AS_LEAVE,
        deleted_by: FOCUS_AND_SWEEP,
    },
    Row {
        column: "processes.process",
        place: Place::Processes,
        is_personal: false,
        what: Pair {
            en: "Random name of a running process; not about a person",
            de: "Zufälliger Name eines laufenden Prozesses; nicht über eine Person",
        },
        why: OTHERS_TAKE_OVER,
        how_long: Pair {
            en: "Until it stops, or its lease of some seconds has ended",
            de: "Bis er endet oder seine Frist von einigen Sekunden abgelaufen ist",
        },
        deleted_by: PROCESS_AND_SWEEP,
    },
    Row {
        column: "processes.lease_until_ms",
        place: Place::Processes,
        is_personal: false,
        what: Pair {
            en: "Until when it counts as running; not about a person",
            de: "Bis wann er als laufend gilt; nicht über eine Person",
        },
        why: OTHERS_TAKE_OVER,
        how_long: Pair {
            en: "As `processes.process`",
            de: "Wie `processes.process`",
        },
        deleted_by: PROCESS_AND_SWEEP,
    },
    Row {
        column: "seats.sfu_room",
        place: Place::Seats,
        is_personal: true,
        what: ROOM_ON_SFU,
        why: Pair {
            en: "To end a seat on the SFU when its person leaves the Matrix room or is banned",
            de: "Um einen Platz auf der SFU zu beenden, wenn die Person den Matrix-Raum verlässt oder verbannt wird",
        },
        how_long: Pair {
            en: "Until the person leaves the call; at most 24 hours",
            de: "Bis die Person das Gespräch verlässt; höchstens 24 Stunden",
        },
        deleted_by: FOCUS_AND_SWEEP,
    },
    Row {
        column: "seats.identity",
        place: Place::Seats,
        is_personal: true,
        what: DEVICE_ON_SFU,
        why: AS_SEAT,
        how_long: AS_SEAT,
        deleted_by: FOCUS_AND_SWEEP,
    },
    Row {
        column: "seats.room_id",
        place: Place::Seats,
        is_personal: true,
        what: Pair {
            en: "Id of the Matrix room",
            de: "Kennung des Matrix-Raums",
        },
        why: Pair {
            en: "To find the seats of a room in which something changed, also after a restart",
            de: "Um die Plätze eines Raums zu finden, in dem sich etwas geändert hat, auch nach einem Neustart",
        },
        how_long: AS_SEAT,
        deleted_by: FOCUS_AND_SWEEP,
    },
    Row {
        column: "seats.user_id",
        place: Place::Seats,
        is_personal: true,
        what: Pair {
            en: "Matrix id of the person",
            de: "Matrix-Kennung der Person",
        },
        why: Pair {
            en: "To ask the homeserver whether the person is still in the room",
            de: "Um den Homeserver zu fragen, ob die Person noch im Raum ist",
        },
        how_long: AS_SEAT,
        deleted_by: FOCUS_AND_SWEEP,
    },
    Row {
        column: "seats.admitted_at_ms",
        place: Place::Seats,
        is_personal: true,
        what: Pair {
            en: "When the person was admitted last",
            de: "Wann die Person zuletzt eingelassen wurde",
        },
        why: Pair {
            en: "To delete the row on time",
            de: "Um die Zeile rechtzeitig zu löschen",
        },
        how_long: AS_SEAT,
        deleted_by: FOCUS_AND_SWEEP,
    },
    Row {
        column: "blocked_homeservers.server",
        place: Place::BlockedHomeservers,
        is_personal: true,
        what: Pair {
            en: "Name of a homeserver whose people are let into no call here",
            de: "Name eines Homeservers, dessen Personen hier in kein Gespräch gelassen werden",
        },
        why: Pair {
            en: "To keep the administrator's decision",
            de: "Um die Entscheidung der Administration zu behalten",
        },
        how_long: Pair {
            en: "Until an administrator unblocks it",
            de: "Bis die Administration ihn wieder zulässt",
        },
        deleted_by: ADMINISTRATOR,
    },
    Row {
        column: "blocked_homeservers.blocked_at_ms",
        place: Place::BlockedHomeservers,
        is_personal: true,
        what: Pair {
            en: "When it was blocked",
            de: "Wann er gesperrt wurde",
        },
        why: Pair {
            en: "To tell administrators",
            de: "Um es der Administration zu sagen",
        },
        how_long: Pair {
            en: "As `blocked_homeservers.server`",
            de: "Wie `blocked_homeservers.server`",
        },
        deleted_by: ADMINISTRATOR,
    },
];
