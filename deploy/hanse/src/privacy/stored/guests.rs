//! Tables of guests: links that moderators have made, and the visits of those who came by them.

use super::{FOCUS_AND_SWEEP, Pair, Place, Row};

const AS_LINK: Pair = Pair {
    en: "As `guest_links.id`",
    de: "Wie `guest_links.id`",
};
const AS_USES: Pair = Pair {
    en: "As `guest_links.uses_max`",
    de: "Wie `guest_links.uses_max`",
};
const MODERATOR_AND_SWEEP: Pair = Pair {
    en: "The moderator; the sweep",
    de: "Die Moderation; das Aufräumen",
};
const AS_VISIT: Pair = Pair {
    en: "As `guests.user_id`",
    de: "Wie `guests.user_id`",
};

/// In the order of the book.
pub(super) static ROWS: [Row; 17] = [
    Row {
        column: "guest_links.id",
        place: Place::GuestLinks,
        is_personal: false,
        what: Pair {
            en: "Random name of a link for guests, by which moderators revoke it; not about a person",
            de: "Zufälliger Name eines Links für Gäste, über den ihn die Moderation widerruft; nicht über eine Person",
        },
        why: Pair {
            en: "To list and revoke it",
            de: "Um ihn aufzulisten und zu widerrufen",
        },
        how_long: Pair {
            en: "Until it is revoked, used up or out of date: at most `[guests] link_lifetime_max_h` (7 days unless changed), and some minutes",
            de: "Bis er widerrufen, verbraucht oder abgelaufen ist: höchstens `[guests] link_lifetime_max_h` (7 Tage, wenn nicht geändert) und einige Minuten",
        },
        deleted_by: MODERATOR_AND_SWEEP,
    },
    Row {
        column: "guest_links.room_id",
        place: Place::GuestLinks,
        is_personal: true,
        what: Pair {
            en: "Id of the Matrix room that it leads to",
            de: "Kennung des Matrix-Raums, in den er führt",
        },
        why: Pair {
            en: "To know where it leads",
            de: "Um zu wissen, wohin er führt",
        },
        how_long: AS_LINK,
        deleted_by: MODERATOR_AND_SWEEP,
    },
    Row {
        column: "guest_links.made_by",
        place: Place::GuestLinks,
        is_personal: true,
        what: Pair {
            en: "Matrix id of the moderator who made it",
            de: "Matrix-Kennung der Person aus der Moderation, die ihn erstellt hat",
        },
        why: Pair {
            en: "A link opens only as long as its maker may make one; to bound how many one person makes",
            de: "Ein Link öffnet nur, solange die Person, die ihn erstellt hat, einen erstellen darf; um zu begrenzen, wie viele eine Person erstellt",
        },
        how_long: AS_LINK,
        deleted_by: MODERATOR_AND_SWEEP,
    },
    Row {
        column: "guest_links.secret_hash",
        place: Place::GuestLinks,
        is_personal: true,
        what: Pair {
            en: "SHA-256 of the link's secret (192 random bits); the secret itself is not stored",
            de: "SHA-256 des Geheimnisses des Links (192 zufällige Bits); das Geheimnis selbst wird nicht gespeichert",
        },
        why: Pair {
            en: "To recognise the link",
            de: "Um den Link zu erkennen",
        },
        how_long: AS_LINK,
        deleted_by: MODERATOR_AND_SWEEP,
    },
    Row {
        column: "guest_links.spoken_hash",
        place: Place::GuestLinks,
        is_personal: true,
        what: Pair {
            en: "HMAC of the link's spoken code, with a key that is not in the database",
            de: "HMAC des gesprochenen Codes des Links, mit einem Schlüssel, der nicht in der Datenbank steht",
        },
        why: Pair {
            en: "To recognise the code",
            de: "Um den Code zu erkennen",
        },
        how_long: AS_LINK,
        deleted_by: MODERATOR_AND_SWEEP,
    },
    Row {
        column: "guest_links.passcode_hash",
        place: Place::GuestLinks,
        is_personal: true,
        what: Pair {
            en: "HMAC of the passcode, if there is one, with a key that is not in the database",
            de: "HMAC des Kennworts, wenn es eines gibt, mit einem Schlüssel, der nicht in der Datenbank steht",
        },
        why: Pair {
            en: "To compare passcodes",
            de: "Um Kennwörter zu vergleichen",
        },
        how_long: AS_LINK,
        deleted_by: MODERATOR_AND_SWEEP,
    },
    Row {
        column: "guest_links.uses_max",
        place: Place::GuestLinks,
        is_personal: false,
        what: Pair {
            en: "How many may come in by it; not about a person",
            de: "Wie viele mit ihm hereinkommen dürfen; nicht über eine Person",
        },
        why: Pair {
            en: "So that a link for one lets one in",
            de: "Damit ein Link für eine Person eine einlässt",
        },
        how_long: AS_LINK,
        deleted_by: MODERATOR_AND_SWEEP,
    },
    Row {
        column: "guest_links.uses",
        place: Place::GuestLinks,
        is_personal: true,
        what: Pair {
            en: "How many have come in by it",
            de: "Wie viele mit ihm hereingekommen sind",
        },
        why: AS_USES,
        how_long: AS_LINK,
        deleted_by: MODERATOR_AND_SWEEP,
    },
    Row {
        column: "guest_links.tries",
        place: Place::GuestLinks,
        is_personal: false,
        what: Pair {
            en: "How many wrong passcodes were tried; not about a person",
            de: "Wie viele falsche Kennwörter versucht wurden; nicht über eine Person",
        },
        why: Pair {
            en: "To stop guessing",
            de: "Um Raten zu beenden",
        },
        how_long: AS_LINK,
        deleted_by: MODERATOR_AND_SWEEP,
    },
    Row {
        column: "guest_links.expires_at_ms",
        place: Place::GuestLinks,
        is_personal: false,
        what: Pair {
            en: "Until when it opens; not about a person",
            de: "Bis wann er öffnet; nicht über eine Person",
        },
        why: Pair {
            en: "To delete it on time",
            de: "Um ihn rechtzeitig zu löschen",
        },
        how_long: AS_LINK,
        deleted_by: MODERATOR_AND_SWEEP,
    },
    Row {
        column: "guests.user_id",
        place: Place::Guests,
        is_personal: true,
        what: Pair {
            en: "Random Matrix id of a guest, made for this one visit; not their name",
            de: "Zufällige Matrix-Kennung eines Gasts, für diesen einen Besuch erstellt; nicht der Name",
        },
        why: Pair {
            en: "To have the homeserver erase the user after the visit",
            de: "Um den Homeserver das Konto nach dem Besuch löschen zu lassen",
        },
        how_long: Pair {
            en: "Until the homeserver has erased the user: usually seconds after the visit, which lasts `[guests] stay_max_h` (12 hours unless changed) at most; if the homeserver cannot be reached, 30 days more at most",
            de: "Bis der Homeserver das Konto gelöscht hat: meist Sekunden nach dem Besuch, der höchstens `[guests] stay_max_h` (12 Stunden, wenn nicht geändert) dauert; wenn der Homeserver nicht erreichbar ist, höchstens 30 Tage länger",
        },
        deleted_by: FOCUS_AND_SWEEP,
    },
    Row {
        column: "guests.link_id",
        place: Place::Guests,
        is_personal: true,
        what: Pair {
            en: "By which link they came",
            de: "Mit welchem Link der Gast kam",
        },
        why: Pair {
            en: "So that a moderator can end the visits of a link",
            de: "Damit die Moderation die Besuche eines Links beenden kann",
        },
        how_long: AS_VISIT,
        deleted_by: FOCUS_AND_SWEEP,
    },
    Row {
        column: "guests.room_id",
        place: Place::Guests,
        is_personal: true,
        what: Pair {
            en: "Id of the Matrix room that they visit",
            de: "Kennung des Matrix-Raums, den der Gast besucht",
        },
        why: Pair {
            en: "To see when the visit is over, and that they are nowhere else",
            de: "Um zu sehen, wann der Besuch vorbei ist und dass der Gast nirgends sonst ist",
        },
        how_long: AS_VISIT,
        deleted_by: FOCUS_AND_SWEEP,
    },
    Row {
        column: "guests.token_hash",
        place: Place::Guests,
        is_personal: true,
        what: Pair {
            en: "SHA-256 of the access token of their page; the token itself is not stored",
            de: "SHA-256 des Zugangstokens der Seite des Gasts; das Token selbst wird nicht gespeichert",
        },
        why: Pair {
            en: "To know who leaves",
            de: "Um zu wissen, wer geht",
        },
        how_long: AS_VISIT,
        deleted_by: FOCUS_AND_SWEEP,
    },
    Row {
        column: "guests.state",
        place: Place::Guests,
        is_personal: true,
        what: Pair {
            en: "Whether they are coming, waiting, inside, or to be erased",
            de: "Ob der Gast kommt, wartet, darin ist oder zu löschen ist",
        },
        why: Pair {
            en: "To go on after a crash where it stopped",
            de: "Um nach einem Absturz fortzufahren, wo es aufhörte",
        },
        how_long: AS_VISIT,
        deleted_by: FOCUS_AND_SWEEP,
    },
    Row {
        column: "guests.entered_at_ms",
        place: Place::Guests,
        is_personal: true,
        what: Pair {
            en: "When they opened the link",
            de: "Wann der Gast den Link geöffnet hat",
        },
        why: Pair {
            en: "To end a visit that nobody lets in",
            de: "Um einen Besuch zu beenden, den niemand einlässt",
        },
        how_long: AS_VISIT,
        deleted_by: FOCUS_AND_SWEEP,
    },
    Row {
        column: "guests.ends_at_ms",
        place: Place::Guests,
        is_personal: true,
        what: Pair {
            en: "When the visit ends at the latest",
            de: "Wann der Besuch spätestens endet",
        },
        why: Pair {
            en: "To end it on time",
            de: "Um ihn rechtzeitig zu beenden",
        },
        how_long: AS_VISIT,
        deleted_by: FOCUS_AND_SWEEP,
    },
];
