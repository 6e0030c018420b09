//! Guests: what letting people in without an account means for their data. Says nothing where `[guests]` allows none.
//!
//! What is said here is what docs/guests.md says; the files beside put it where it belongs.

use super::assessment::{Proof, Risk, proof};
use super::facts::{Facts, GuestFacts};
use super::processing::{Category, to_hold_the_call};
use super::recipients::Recipient;
use super::words::{Words, filled, period, say};
use hanse_focus::guests::WAITING_MAX_MS;
use hanse_focus::store::Store;

/// Kinds of data. `database` is where the store is.
pub fn categories(guests: &GuestFacts, database: &Words) -> [Category; 3] {
    [links(guests, database), visits(guests, database), remains()]
}

fn links(guests: &GuestFacts, database: &Words) -> Category {
    Category {
        name: say!("Links for guests", "Links für Gäste"),
        data: say!(
            "Matrix ids of the room and of the moderator who made the link; hashes of the link, its spoken code and its passcode; how \
             many have come by it",
            "Matrix-Kennungen des Raums und der Person, die den Link erstellt hat; Hashes des Links, seines gesprochenen Codes und \
             seines Kennworts; wie viele mit ihm gekommen sind"
        ),
        purpose: say!(
            "that people without an account can take part",
            "damit Personen ohne Konto teilnehmen können"
        ),
        basis: to_hold_the_call(),
        how_long: filled(
            &say!(
                "until it is revoked, used up or out of date; at most {{0}}",
                "bis er widerrufen, verbraucht oder abgelaufen ist; höchstens {{0}}"
            ),
            &[period(guests.link_lifetime_s)],
        ),
        place: database.clone(),
    }
}

fn visits(guests: &GuestFacts, database: &Words) -> Category {
    Category {
        name: say!("Guests", "Gäste"),
        data: say!(
            "the name that they give; a random Matrix id and a device, made for this one visit; by which link they came and into which \
             room, how far the visit is, since when and until when; a hash of their access token",
            "der Name, den sie angeben; eine zufällige Matrix-Kennung und ein Gerät, für diesen einen Besuch erstellt; mit welchem Link \
             sie in welchen Raum kamen, wie weit der Besuch ist, seit wann und bis wann; ein Hash ihres Zugangstokens"
        ),
        purpose: say!(
            "to let them into this one room when somebody admits them, and to have their user erased afterwards",
            "um sie in diesen einen Raum zu lassen, wenn jemand sie einlässt, und ihr Konto danach löschen zu lassen"
        ),
        basis: to_hold_the_call(),
        how_long: filled(
            &say!(
                "until they leave, are refused or removed; {{0}} after everybody but guests has left the call; {{1}} if nobody lets them \
                 in or there is no call; at most {{2}}. Then the homeserver erases the user; while it cannot be reached, {{3}} more at most",
                "bis sie gehen, abgelehnt oder entfernt werden; {{0}}, nachdem alle außer Gästen das Gespräch verlassen haben; {{1}}, wenn \
                 niemand sie einlässt oder es kein Gespräch gibt; höchstens {{2}}. Dann löscht der Homeserver das Konto; ist er nicht erreichbar, höchstens {{3}} \
                 länger"
            ),
            &[
                period(guests.after_call_s),
                period(WAITING_MAX_MS / 1000),
                period(guests.stay_s),
                period(Store::GUEST_AGE_MAX_MS / 1000),
            ],
        ),
        place: database.clone().and(&say!(
            "(without the name); the own homeserver, which makes the user",
            "(ohne den Namen); der eigene Homeserver, der das Konto erstellt"
        )),
    }
}

/// What no deadline of ours ends.
fn remains() -> Category {
    Category {
        name: say!("What remains of guests", "Was von Gästen bleibt"),
        data: say!(
            "what they wrote, and that somebody of this random name was in the room; the name that they gave, at homeservers of other \
             organisations in the room, and at the own one if they were refused, removed or never let in; the random Matrix id, marked as \
             erased",
            "was sie geschrieben haben, und dass jemand mit dieser zufälligen Kennung im Raum war; der Name, den sie angegeben haben, auf \
             Homeservern anderer Organisationen im Raum, und auf dem eigenen, wenn sie abgelehnt, entfernt oder nie eingelassen wurden; die \
             zufällige Matrix-Kennung, als gelöscht vermerkt"
        ),
        purpose: say!(
            "that the members of the room keep its history, and nobody ever gets the same id",
            "damit die Mitglieder des Raums seinen Verlauf behalten und niemand je dieselbe Kennung bekommt"
        ),
        basis: say!(
            "to be decided by whoever is the controller for the homeserver, for instance Art. 6(1)(f) GDPR",
            "von der Stelle zu entscheiden, die für den Homeserver verantwortlich ist, etwa Art. 6 Abs. 1 Buchst. f DSGVO"
        ),
        how_long: say!(
            "as long as the homeservers keep the history of the room",
            "so lange, wie die Homeserver den Verlauf des Raums bewahren"
        ),
        place: say!(
            "the homeservers in the room, not this server",
            "die Homeserver im Raum, nicht dieser Server"
        ),
    }
}

/// Whom the data are about, besides those with an account.
pub fn people() -> Words {
    say!(
        "people without an account who come by a link (guests)",
        "Personen ohne Konto, die mit einem Link kommen (Gäste)"
    )
}

/// What the own homeserver learns besides.
pub fn at_own_homeserver() -> Words {
    say!(
        "(of guests, too: it makes a user for each visit, with the name that the guest gives, and erases it afterwards)",
        "(auch von Gästen: Er erstellt für jeden Besuch ein Konto mit dem Namen, den der Gast angibt, und löscht es danach)"
    )
}

/// What other homeservers in the room learn besides.
pub fn at_other_homeservers() -> Words {
    say!(
        "(of guests the random Matrix id and the name that they gave, both of which stay there after the visit)",
        "(von Gästen die zufällige Matrix-Kennung und den angegebenen Namen, die beide nach dem Besuch dort bleiben)"
    )
}

/// Who learns something only where there are guests.
pub fn recipients() -> [Recipient; 2] {
    [
        Recipient {
            who: say!("Members of the room", "Mitglieder des Raums"),
            what: say!(
                "the name under which a guest asks to come in; moderators also who made which link for guests, and how many have come by it",
                "den Namen, unter dem ein Gast um Einlass bittet; die Moderation auch, wer welchen Link für Gäste erstellt hat und wie viele \
                 mit ihm kamen"
            ),
        },
        Recipient {
            who: say!("Whoever has a link for guests", "Wer einen Link für Gäste hat"),
            what: say!(
                "the name of the room and of its homeserver, also before somebody lets them in",
                "den Namen des Raums und seines Homeservers, auch vor dem Einlass"
            ),
        },
    ]
}

/// How guests get in.
pub fn rule() -> Words {
    say!(
        "People without an account get in by a link that a moderator of the room has made, and only when somebody who may invite into the \
         room admits them (`allowed` in `[guests]`). They never moderate, and may be in this one room only.",
        "Personen ohne Konto kommen mit einem Link herein, den die Moderation des Raums erstellt hat, und nur, wenn jemand sie einlässt, \
         der in den Raum einladen darf (`allowed` in `[guests]`). Sie moderieren nie und dürfen nur in diesem einen Raum sein."
    )
}

/// Where in the world guests are.
pub fn third_countries() -> Words {
    say!(
        "Guests may be anywhere: whoever is outside the European Economic Area takes part from there",
        "Gäste können überall sein: Wer sich außerhalb des Europäischen Wirtschaftsraums befindet, nimmt von dort teil"
    )
}

/// What guests should know of their rights.
pub fn rights() -> Words {
    say!(
        "Guests: you need no account, and choose the name that you give; whoever admits you decides whether it is enough. After the visit \
         your user is erased without your asking. For what remains in the room's history, ask whoever answers for the homeserver.",
        "Gäste: Sie brauchen kein Konto und wählen den Namen, den Sie angeben; ob er genügt, entscheidet, wer Sie einlässt. Nach dem \
         Besuch wird Ihr Konto gelöscht, ohne dass Sie darum bitten. Wegen dessen, was im Verlauf des Raums bleibt, wenden Sie sich an \
         die Stelle, die für den Homeserver verantwortlich ist."
    )
}

/// What the controller has to decide about guests.
pub fn decision() -> Words {
    say!(
        "How guests are told before they give a name (Art. 13 GDPR): whoever sends a link can send the address of `/privacy` with it. And \
         who admits guests: in most rooms whoever is in them may invite, and so may admit; raise `invite` where only moderators shall.",
        "Wie Gäste informiert werden, bevor sie einen Namen angeben (Art. 13 DSGVO): Wer einen Link verschickt, kann die Adresse von \
         `/privacy` mitschicken. Und wer Gäste einlässt: In den meisten Räumen darf einladen und damit einlassen, wer darin ist; heben \
         Sie `invite` an, wo es nur die Moderation soll."
    )
}

/// What is in the database besides.
pub fn in_database() -> Words {
    say!(
        "With it who made links for guests, and which random Matrix ids are guests.",
        "Dazu, wer Links für Gäste erstellt hat und welche zufälligen Matrix-Kennungen Gäste sind."
    )
}

/// What the firewall sees of the homeserver besides.
pub fn asked_of_homeserver() -> Words {
    say!(
        "users of guests are made and erased",
        "Konten von Gästen erstellen und löschen"
    )
}

/// What it is told for that.
pub fn told_to_homeserver() -> Words {
    say!("names of guests", "Namen von Gästen")
}

/// What is in requests besides.
pub fn asked_by_guests() -> Words {
    say!(
        "of guests link, code, passcode and name",
        "von Gästen Link, Code, Kennwort und Name"
    )
}

/// That the tables of guests are empty, where it is so.
pub fn tables_are_empty() -> Words {
    say!(
        "No guests are allowed here: their tables are empty, or hold what is left from before until its time is over.",
        "Gäste sind hier nicht erlaubt: Ihre Tabellen sind leer oder enthalten, was von früher übrig ist, bis dessen Frist endet."
    )
}

pub(super) static OPENED: [Proof; 4] = [
    proof(
        "federation-tests/organisations/guests.mjs",
        "links that are guessed, used up, revoked or shared by two open nothing, or for one only",
    ),
    proof(
        "focus/service/src/guests/door.rs",
        "guesses_from_everywhere_get_no_more_spoken_codes_in_a_day_than_the_page_above_says",
    ),
    proof(
        "focus/service/tests/guests.rs",
        "a_passcode_is_tried_ten_times_and_then_no_more",
    ),
    proof("focus/service/tests/guests.rs", "what_opens_is_stored_nowhere"),
];

pub(super) static ENDED: [Proof; 5] = [
    proof(
        "federation-tests/organisations/guests.mjs",
        "a guest comes by a link, waits in the lobby, is let in, may not what guests may not, and is gone afterwards",
    ),
    proof(
        "federation-tests/organisations/guests.mjs",
        "a guest who goes elsewhere is none any more, and the others are",
    ),
    proof(
        "focus/service/tests/guests.rs",
        "a_guest_cannot_moderate_whatever_power_they_have",
    ),
    proof(
        "focus/service/tests/guests.rs",
        "an_end_survives_a_restart_and_a_homeserver_that_is_away",
    ),
    proof(
        "focus/service/src/guests/visit.rs",
        "nobody_waits_for_ever_at_any_place",
    ),
];

/// What could happen because there are guests.
pub fn risks(facts: &Facts) -> [Risk; 2] {
    [
        Risk {
            what: say!(
                "Somebody comes in by a link that was not meant for them, or under somebody else's name.",
                "Jemand kommt mit einem Link herein, der nicht für ihn bestimmt ist, oder unter fremdem Namen."
            ),
            measures: say!(
                "Links are random, spoken codes and passcodes can be tried only so often, and whoever comes waits until somebody admits them. \
                 Links can be for one person, have a passcode and be revoked. Clients show that somebody is a guest.",
                "Links sind zufällig, gesprochene Codes und Kennwörter lassen sich nur begrenzt oft versuchen, und wer kommt, wartet, bis \
                 jemand ihn einlässt. Links können für eine Person gelten, ein Kennwort haben und widerrufen werden. Clients zeigen, \
                 dass jemand ein Gast ist."
            ),
            proofs: &OPENED,
            remains: came_in(facts),
        },
        Risk {
            what: say!(
                "More is kept of a guest than the visit needs, or a guest gets further than the meeting.",
                "Von einem Gast bleibt mehr, als der Besuch erfordert, oder ein Gast kommt weiter als in die Besprechung."
            ),
            measures: say!(
                "After the visit the homeserver erases the user; if it cannot be reached, Hanse goes on trying, also after a restart. A guest never \
                 moderates, and whoever goes to another room is erased.",
                "Nach dem Besuch löscht der Homeserver das Konto; ist er nicht erreichbar, versucht Hanse es weiter, auch nach einem Neustart. Ein Gast \
                 moderiert nie, und wer in einen anderen Raum geht, wird gelöscht."
            ),
            proofs: &ENDED,
            remains: say!(
                "The name at other organisations' homeservers, and what was written. Until Hanse hears of it a guest is a user of your \
                 homeserver like any other and can search its directory: limit that there (`user_directory` of Synapse). If the database \
                 is lost during a visit, look for users of the name `@hanse-guest-…` and deactivate them.",
                "Der Name auf Homeservern anderer Organisationen, und was geschrieben wurde. Bis Hanse davon erfährt, ist ein Gast ein \
                 Nutzer Ihres Homeservers wie jeder andere und kann in dessen Verzeichnis suchen: Begrenzen Sie das dort \
                 (`user_directory` von Synapse). Geht die Datenbank während eines Besuchs verloren, suchen Sie Nutzer mit dem Namen \
                 `@hanse-guest-…` und deaktivieren Sie sie."
            ),
        },
    ]
}

fn came_in(facts: &Facts) -> Words {
    let judged = say!(
        "A name is what somebody says it is: whoever admits guests should ask those whom they do not recognise. Send a passcode by another \
         way than the link.",
        "Ein Name ist, was jemand angibt: Wer Gäste einlässt, sollte fragen, wen er nicht erkennt. Schicken Sie ein Kennwort auf anderem \
         Weg als den Link."
    );
    if facts.tls.is_none() && facts.proxies.is_empty() {
        judged.and(&say!(
            "No reverse proxy is trusted to say who asks, so limits for each address do nothing behind one: set `trusted_proxies`.",
            "Keinem Reverse-Proxy wird geglaubt, wer anfragt, sodass Grenzen für jede Adresse hinter einem nichts bewirken: Setzen Sie \
             `trusted_proxies`."
        ))
    } else {
        judged
    }
}
