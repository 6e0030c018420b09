//! Files of webhooks that have not arrived.

use super::{Pair, Place, Row};

const SFU: Pair = Pair {
    en: "The SFU",
    de: "Die SFU",
};
const AS_WEBHOOK: Pair = Pair {
    en: "As `webhook room`",
    de: "Wie `webhook room`",
};

/// In the order of the book.
pub(super) static ROWS: [Row; 5] = [
    Row {
        column: "webhook room",
        place: Place::Webhooks,
        is_personal: true,
        what: Pair {
            en: "Name of the room on the SFU; for Matrix calls a hash of the Matrix room's id",
            de: "Name des Raums auf der SFU; bei Matrix-Gesprächen ein Hash der Kennung des Matrix-Raums",
        },
        why: Pair {
            en: "To keep the order of what happens in a room",
            de: "Um die Reihenfolge dessen zu wahren, was in einem Raum geschieht",
        },
        how_long: Pair {
            en: "Until the destination has it or refuses it, or for 10 minutes of tries while the server runs; what is older than 24 hours when the server starts is not sent",
            de: "Bis der Empfänger es hat oder ablehnt, oder für 10 Minuten mit Versuchen, solange der Server läuft; was beim Start des Servers älter als 24 Stunden ist, wird nicht gesendet",
        },
        deleted_by: SFU,
    },
    Row {
        column: "webhook event",
        place: Place::Webhooks,
        is_personal: false,
        what: Pair {
            en: "Its kind, as `participant_left`; not about a person",
            de: "Seine Art, etwa `participant_left`; nicht über eine Person",
        },
        why: Pair {
            en: "For the log",
            de: "Für das Protokoll",
        },
        how_long: AS_WEBHOOK,
        deleted_by: SFU,
    },
    Row {
        column: "webhook is_ending",
        place: Place::Webhooks,
        is_personal: false,
        what: Pair {
            en: "Whether something ended; not about a person",
            de: "Ob etwas endete; nicht über eine Person",
        },
        why: Pair {
            en: "To drop others first when too many wait",
            de: "Um bei zu vielen Wartenden andere zuerst fallen zu lassen",
        },
        how_long: AS_WEBHOOK,
        deleted_by: SFU,
    },
    Row {
        column: "webhook created_unix_s",
        place: Place::Webhooks,
        is_personal: true,
        what: Pair {
            en: "When it happened",
            de: "Wann es geschah",
        },
        why: Pair {
            en: "To delete it on time",
            de: "Um es rechtzeitig zu löschen",
        },
        how_long: AS_WEBHOOK,
        deleted_by: SFU,
    },
    Row {
        column: "webhook body",
        place: Place::Webhooks,
        is_personal: true,
        what: Pair {
            en: "What the destination is told: the room's name and id, and of a participant its identity and session id on the SFU and why it left, of a track its id, kind, source and codec",
            de: "Was dem Empfänger gesagt wird: Name und Kennung des Raums, von einer Person ihr Name und ihre Sitzungskennung auf der SFU und warum sie ging, von einer Spur Kennung, Art, Quelle und Codec",
        },
        why: Pair {
            en: "To send it again unchanged",
            de: "Um es unverändert noch einmal zu senden",
        },
        how_long: AS_WEBHOOK,
        deleted_by: SFU,
    },
];
