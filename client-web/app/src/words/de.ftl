other-language = English
retry = Erneut versuchen
close = Schließen
privacy = Datenschutz

opening-page = Wird geöffnet …
opening-rooms = Ihre Räume werden geholt. Beim ersten Mal dauert das einen Moment.
opening-call = Der Anruf wird geöffnet …

trouble-config = Der Server dieser Seite antwortet nicht. Versuchen Sie es gleich noch einmal.
trouble-homeserver = Ihr Homeserver ist nicht erreichbar. Prüfen Sie Ihr Netz und versuchen Sie es dann erneut.
trouble-logged-out = Sie wurden abgemeldet: Ihr Homeserver kennt dieses Gerät nicht mehr. Melden Sie sich neu an.
trouble-no-sso = Die Anmeldung hat nicht geklappt: Sie wurde bei Ihrer Organisation nicht abgeschlossen. Bitte versuchen Sie es noch einmal.
trouble-room = Dieser Raum lässt sich nicht öffnen. Vielleicht sind Sie nicht eingeladen, oder es gibt ihn nicht mehr.
trouble-call = Der Beitritt zum Anruf hat nicht geklappt. Bitte versuchen Sie es noch einmal.
trouble-open-elsewhere = Hanse ist schon in einem anderen Tab oder Fenster dieses Browsers geöffnet. Schließen Sie es dort und versuchen Sie es dann erneut.
to-login = Neu anmelden

login-title = Anmelden
login-lead = Mit Ihrem Konto bei { $server }.
login-homeserver = Ihre Organisation
login-user = Benutzername
login-password = Passwort
login-enter = Anmelden
login-sso = Weiter bei { $server }
login-or = oder
login-asking = { $server } wird gefragt, wie man sich anmeldet …
login-unreachable = { $server } ist nicht erreichbar. Prüfen Sie Ihr Netz und versuchen Sie es dann erneut.
login-wrong = Benutzername oder Passwort ist falsch.
login-too-often = Zu viele Versuche. Warten Sie einige Minuten und versuchen Sie es dann erneut.
login-deactivated = Dieses Konto wurde stillgelegt. Fragen Sie Ihre Administration.
login-elsewhere = Diese Seite ist für Personen von { $server }. Melden Sie sich auf der Seite Ihrer eigenen Organisation an.
login-no-way = { $server } bietet keine Anmeldung, die diese Seite kennt. Fragen Sie Ihre Administration.
login-refused = { $server } hat die Anmeldung abgelehnt. Versuchen Sie es später erneut oder fragen Sie Ihre Administration.

rooms-title = Ihre Räume
rooms-hello = Angemeldet als { $name }
rooms-calls = Laufende Anrufe
rooms-others = Weitere Räume
rooms-none = Sie sind noch in keinem Raum. Lassen Sie sich einladen oder legen Sie in Element einen Raum an.
rooms-find = Raum suchen
rooms-nothing = Kein Raum hat „{ $text }“ im Namen.
rooms-in-call = { $people ->
    [one] 1 Person im Anruf
   *[other] { $people } Personen im Anruf
}
rooms-open = Nicht verschlüsselt
rooms-log-out = Abmelden
rooms-away = Ihr Homeserver antwortet gerade nicht. Diese Liste ist vielleicht veraltet.

door-title = Bevor Sie beitreten
door-off = Kamera und Mikrofon sind aus. Niemand sieht oder hört Sie, bevor Sie beitreten.
door-camera = Kamera
door-microphone = Mikrofon
door-camera-on = Kamera einschalten
door-camera-off = Kamera ausschalten
door-microphone-on = Mikrofon einschalten
door-microphone-off = Mikrofon ausschalten
door-level = Sagen Sie etwas: Der Balken zeigt, wie laut Sie sind.
door-join = Dem Anruf beitreten
door-device = Gerät { $number }
door-sealed = Ende-zu-Ende-verschlüsselt: Kein Server kann diesen Anruf sehen oder hören.
door-open = Dieser Raum ist nicht verschlüsselt. Die Server dazwischen könnten diesen Anruf sehen und hören.
door-people = { $people ->
    [0] Noch ist niemand im Anruf.
    [one] 1 Person ist im Anruf.
   *[other] { $people } Personen sind im Anruf.
}

blur = Was hinter mir ist, unscharf zeigen
blur-cost = Die Unschärfe entsteht auf Ihrem Gerät und kostet Leistung. Lassen Sie sie auf einem schwachen Gerät aus und setzen Sie sich vor eine Wand.

network-check = Netz prüfen
network-busy = Der Weg zu Ihrem Server wird ausprobiert …
network-udp = Ihr Server ist direkt erreichbar (UDP), { $time } ms hin und zurück.
network-tcp = Ihr Netz sperrt UDP, deshalb wird TCP benutzt, { $time } ms hin und zurück. Ist das Netz ausgelastet, können Bild und Ton stocken.
network-relay = Ihr Server ist über eine Zwischenstation erreichbar, { $time } ms hin und zurück.
network-enough-picture = Das reicht für Bild und Ton.
network-enough-sound = Das reicht für den Ton. Lassen Sie Ihre Kamera aus.
network-enough-little = Das reicht kaum für den Ton. Benutzen Sie ein anderes Netz, wenn Sie können.
network-homeserver = Ihr Homeserver antwortet nicht. Prüfen Sie Ihr Netz: Ohne ihn können Sie nicht beitreten.
network-focus = Der Server Ihrer Organisation für Anrufe antwortet nicht. Prüfen Sie Ihr Netz; gehen andere Seiten auf, fragen Sie Ihre Administration.
network-blocked = Diese Seite darf sich nicht mit Ihrem eigenen Server verbinden. Ihre Administration muss die Einstellungen berichtigen.
network-refused = Ihr Server lässt Sie nicht probieren: { $sentence }
network-unknown = Ihr Server lässt sich vorher nicht ausprobieren. Sie sehen es, wenn Sie beitreten.
network-sfu = Die Verbindung für Anrufe zu Ihrem Server kommt nicht zustande. Vielleicht sperrt ein Proxy oder eine Firewall Ihres Netzes WebSockets: Benutzen Sie ein anderes Netz oder fragen Sie Ihre Administration.
network-media = Ihr Netz lässt Bild und Ton nicht zu Ihrem Server durch, weder über UDP noch über TCP. Benutzen Sie ein anderes Netz oder fragen Sie Ihre Administration.

device-camera = Kamera
device-microphone = Mikrofon
device-screen = Bildschirm
device-refused = { $device }: Ihr Browser erlaubt es nicht. Klicken Sie auf das Symbol links neben der Adresszeile und erlauben Sie es für diese Seite.
device-missing = { $device }: Es wurde keines gefunden. Ist es angeschlossen?
device-busy = { $device }: Ein anderes Programm benutzt es gerade. Schließen Sie dieses Programm und versuchen Sie es dann erneut.
device-forbidden = { $device }: Die Regeln dieses Raums erlauben es Ihnen nicht.
device-unblurred = { $device }: Was hinter Ihnen ist, lässt sich hier nicht unscharf zeigen, deshalb ist sie aus. Schalten Sie die Unschärfe aus, oder benutzen Sie Chrome, Chromium oder Edge.
device-failed = { $device }: Das Einschalten hat nicht geklappt.

call-people = Personen im Anruf
call-controls = Bedienung des Anrufs
call-microphone-on = Ton an
call-microphone-off = Stumm
call-camera-on = Kamera an
call-camera-off = Kamera aus
call-screen-on = Bildschirm teilen
call-screen-off = Teilen beenden
call-hand-up = Hand heben
call-hand-down = Hand senken
call-leave = Verlassen
call-leaving = Wird verlassen …
call-alone = Noch ist niemand sonst hier. Andere können mit jedem Matrix-Programm beitreten.
call-connecting = Verbindung wird aufgebaut …
call-reconnecting = Die Verbindung ist abgebrochen. Sie wird neu aufgebaut …
call-play = Ton einschalten
call-play-lead = Ihr Browser lässt den Ton aus, bis Sie klicken.
call-you = Sie
call-speaking = spricht
call-muted = Mikrofon aus
call-weak = schwache Verbindung
call-hand = { $place ->
    [one] Hand gehoben, als Nächstes dran
   *[other] Hand gehoben, Nummer { $place }
}
call-screen-of = Bildschirm von { $name }
call-your-screen = Ihr Bildschirm
call-strangers = { $count ->
    [one] Ein Gerät sendet etwas, das der Raum nicht kennt. Es wird nicht gezeigt.
   *[other] { $count } Geräte senden etwas und sind dem Raum nicht bekannt. Sie werden nicht gezeigt.
}

role-guest = Gast
role-participant = Teilnahme
role-presenter = Vortrag
role-moderator = Moderation
role-administrator = Administration

lack-no-focus = Das Programm von { $name } sagt nicht, wo Bild und Ton zu holen sind. Vielleicht hilft dort eine neuere Version.
lack-connecting = Verbindung zum Server von { $organisation } wird aufgebaut …
lack-no-media = { $name } ist beigetreten, hat den Server von { $organisation } aber noch nicht erreicht.
lack-no-key = Der Schlüssel zu Bild und Ton von { $name } ist noch nicht angekommen.
lack-wrong-key = Der Schlüssel von { $name } öffnet Bild und Ton nicht.
lack-unsealed = { $name } sendet unverschlüsselt, deshalb wird es hier nicht gezeigt. Ein erneuter Beitritt dort hilft.
lack-route-blocked = Diese Seite darf sich nicht mit dem Server von { $organisation } verbinden. Ihre Administration kann es erlauben.
lack-route-unreachable = Der Server von { $organisation } ist nicht erreichbar. Es wird weiter versucht …
lack-route-media = Ihr Netz lässt Bild und Ton nicht zum Server von { $organisation } durch. Es wird weiter versucht …
lack-route-refused = Der Server von { $organisation } lässt Sie nicht hinein: { $sentence }

link-blocked = Diese Seite darf sich nicht mit Ihrem eigenen Server verbinden. Ihre Administration muss die Einstellungen berichtigen.
link-unreachable = Ihr Server ist nicht erreichbar. Prüfen Sie Ihr Netz; es wird weiter versucht.
link-media = Ihr Netz lässt Bild und Ton nicht zu Ihrem Server durch. Fragen Sie Ihre Administration oder benutzen Sie ein anderes Netz; es wird weiter versucht.
link-refused = Ihr Server lässt Sie nicht in den Anruf: { $sentence }
link-removed = Die Moderation hat Sie aus dem Anruf entfernt.
link-elsewhere = Sie sind diesem Anruf mit demselben Gerät an anderer Stelle beigetreten.
link-ended = Die Moderation hat den Anruf beendet.
call-homeserver = Ihr Homeserver antwortet nicht. Der Anruf geht weiter; wer kommt oder geht, wird vielleicht nicht angezeigt.
call-hand-failed = Die Hand ließ sich nicht heben oder senken. Bitte versuchen Sie es noch einmal.

panel-title = Wer das mitlesen kann
panel-open = Wer kann das mitlesen?
panel-sealed = { $people ->
    [one] Nur Sie können diesen Anruf sehen und hören. Kein Server kann es.
   *[other] Nur diese { $people } Personen können diesen Anruf sehen und hören. Kein Server kann es, auch unserer nicht.
}
panel-unsealed = Dieser Raum ist nicht verschlüsselt: Die Personen im Anruf und die Server ihrer Organisationen können ihn sehen und hören.
panel-metadata = Die Server wissen allerdings, wer wie lange im Anruf ist.

left-title = Sie haben den Anruf verlassen
left-again = Wieder beitreten
left-rooms = Zu den Räumen

moderate-call = Mehr
moderate-microphone = Stummschalten
moderate-camera = Kamera ausschalten
moderate-screen = Teilen beenden
moderate-remove = Aus dem Anruf entfernen
moderate-remove-ask = { $name } aus dem Anruf entfernen? Die Person bleibt im Raum und kann wieder beitreten.
moderate-end = Den Anruf für alle beenden
moderate-end-ask = Den Anruf für alle beenden?
moderate-refused = Das wurde nicht ausgeführt: { $sentence }
moderate-unreachable = Das wurde nicht ausgeführt: Ein Server hat nicht geantwortet. Bitte versuchen Sie es noch einmal.
confirm = Ja
refuse = Nein

chat-title = Chat
chat-sealed = Nur Personen in diesem Raum können lesen, was hier steht. Es bleibt im Raum.
chat-unsealed = Dieser Raum ist nicht verschlüsselt: Server können lesen, was hier steht.
chat-empty = Noch hat niemand etwas geschrieben.
chat-write = Nachricht
chat-send = Senden
chat-sending = Wird gesendet …
chat-failed = Nicht gesendet. Erneut senden
chat-closed = Diese Nachricht lässt sich auf diesem Gerät nicht öffnen.
chat-too-long = Eine Nachricht hat höchstens { $most } Zeichen.
chat-unread = { $count ->
    [one] 1 neue Nachricht
   *[other] { $count } neue Nachrichten
}

call-react = Reagieren
call-sign-failed = Ihre Reaktion ließ sich nicht senden. Bitte versuchen Sie es noch einmal.
sign-of = { $name }: { $sign }
sign-thumbsup = Zustimmung
sign-thumbsdown = Ablehnung
sign-clapping = Beifall
sign-party = Glückwunsch
sign-laugh = Lachen
sign-wave = Hallo
share-part = Ein Fenster oder ein Tab
share-whole = Den ganzen Bildschirm …
share-whole-ask = Den ganzen Bildschirm teilen? Alle im Anruf sehen dann alles darauf, auch Mails, Nachrichten und Hinweise. Meist genügt ein einzelnes Fenster.

trouble-visit = Sie ließen sich in der Besprechung nicht anmelden. Öffnen Sie den Link noch einmal oder fragen Sie, wer Sie eingeladen hat.
login-guest = Ich bin eingeladen und habe kein Konto

lobby-title = Warten auf Einlass
lobby-guest = Gast von { $organisation }, ohne Konto
lobby-member = von { $organisation }
lobby-admit = Einlassen
lobby-refuse = Ablehnen
lobby-failed = Das hat nicht geklappt: Ihr Homeserver hat die Antwort nicht angenommen. Bitte versuchen Sie es noch einmal.
lobby-more = { $count ->
    [one] 1 weitere Person wartet
   *[other] { $count } weitere Personen warten
}
lobby-wait-title = Sie werden eingelassen
lobby-wait = Sie sind als { $name } angemeldet. Noch sieht und hört Sie niemand. Diese Seite geht von selbst weiter.
lobby-cancel = Nicht länger warten
lobby-refused-title = Sie wurden nicht eingelassen
lobby-refused = Niemand hat Sie gesehen oder gehört, { $name }. War das ein Versehen, bitten Sie um einen neuen Link.

visit-title = Mit einem Code beitreten
visit-invited = { $organisation } lädt Sie zu dieser Besprechung ein.
visit-name = Ihr Name, wie ihn die anderen sehen
visit-passcode = Kennwort
visit-code = Code aus neun Ziffern
visit-enter = Um Einlass bitten
visit-look = Weiter
visit-log-in = Ich habe ein Konto
visit-end = Beenden und meine Angaben löschen
visit-privacy = { $organisation } legt für Sie ein Konto an, das für diese Besprechung gilt. Ihren Namen sehen die Personen darin; der Server erfährt Ihre Netzadresse und wann Sie da sind. Bild und Ton sind verschlüsselt: Kein Server kann sie sehen oder hören. Nach der Besprechung wird das Konto gelöscht; was Sie in den Chat schreiben, bleibt im Raum.
visit-problem-no-link = Dieser Link oder Code öffnet nichts: Vielleicht ist er falsch geschrieben, schon benutzt oder abgelaufen. Bitten Sie um einen neuen.
visit-problem-passcode-spent = Für diesen Link gab es zu viele falsche Kennwörter. Bitten Sie um einen neuen.
visit-problem-too-often = Zu viele Versuche. Warten Sie eine Minute und versuchen Sie es dann erneut.
visit-problem-no-accounts = Diese Organisation legt für Gäste keine Konten an. Zur Teilnahme brauchen Sie ein Konto.
visit-problem-no-guests = Diese Besprechung nimmt keine Gäste auf. Fragen Sie, wer Sie eingeladen hat.
visit-problem-full = In dieser Besprechung sind so viele Gäste, wie es sein dürfen.
visit-problem-unreachable = Der Server antwortet nicht. Prüfen Sie Ihr Netz und versuchen Sie es dann erneut.

gone-title = Sie haben die Besprechung verlassen
gone-lead = Ihr Konto für diese Besprechung wird gelöscht. Sie können diese Seite schließen.
gone-remains = Was bleibt: was Sie in den Chat geschrieben haben, und im Verlauf des Raums, dass jemand da war.

visit-problem-passcode = Das Kennwort stimmt nicht.
visit-problem-name = Sagen Sie einen Namen, damit die anderen wissen, wer da ist.

invite-title = Gäste einladen
invite-lead = Mit einem Link können Personen ohne Konto um Einlass bitten. Eingelassen werden sie von Ihnen.
invite-who = Für wen ist der Link?
invite-once = Eine Person
invite-meeting = Alle, die ihn bekommen
invite-passcode = Kennwort (wenn Sie eines möchten)
invite-passcode-short = Ein Kennwort hat mindestens 4 Zeichen.
invite-make = Link erstellen
invite-address = Der Link
invite-copy = Kopieren
invite-copied = Kopiert
invite-spoken = Zum Ansagen am Telefon: { $code }
invite-tell-passcode = Teilen Sie das Kennwort auf anderem Weg mit als den Link.
invite-only-now = Der Link wird nur jetzt gezeigt. Erstellen Sie einen neuen, wenn Sie ihn verlieren.
invite-links = Links, die offen sind
invite-until = bis { $until }
invite-uses = { $uses ->
    [0] noch nicht benutzt
    [one] einmal benutzt
   *[other] { $uses }-mal benutzt
}
invite-with-passcode = mit Kennwort
invite-revoke = Zurückziehen
invite-revoke-ask = Diesen Link zurückziehen? Niemand Neues kommt mehr damit herein.
invite-revoke-with = Zurückziehen und entfernen, wer damit kam
invite-revoke-with-ask = Diesen Link zurückziehen und alle entfernen, die damit kamen? Ihre Konten werden gelöscht.

trouble-no-guests = Diese Organisation nimmt keine Gäste auf. Zur Teilnahme brauchen Sie ein Konto.
lack-route-crowded = In diesem Anruf sind so viele Server, dass zu keinem weiteren eine Verbindung aufgebaut wird.
link-crowded = In diesem Anruf sind so viele Server, dass zu keinem weiteren eine Verbindung aufgebaut wird.
lobby-waiting = { $count ->
    [one] 1 Person wartet auf Einlass
   *[other] { $count } Personen warten auf Einlass
}

gear-title = Geräte
gear-microphone = Mikrofon
gear-camera = Kamera
gear-speaker = Lautsprecher
gear-failed = Dieses Gerät lässt sich nicht benutzen. Ist es angeschlossen und frei?
gear-shortcuts = Tasten M, V, H, L und Leertaste benutzen
gear-keys = Tasten: M Mikrofon, V Kamera, H Hand, L Ansicht. Halten Sie die Leertaste, um zu sprechen, während Sie stumm sind.

panel-device = Gerät { $id }
panel-own = Ihr eigenes
panel-verified = von Ihnen geprüft
panel-signed = von seiner Besitzerin oder seinem Besitzer unterschrieben
panel-unsigned = nicht unterschrieben; nur der Homeserver sagt, wem es gehört

layout-title = Ansicht
layout-grid = Raster: alle gleich groß
layout-speaker = Wer spricht, ist groß
layout-spotlight = Bühne: was Sie wählen, ist groß
layout-now = Ansicht: { $layout }
layout-pages = Seiten mit Personen
layout-before = Zurück
layout-after = Weiter
layout-page = Seite { $page } von { $pages }
layout-unseen = Spricht auf einer anderen Seite: { $names }
layout-interpreter = Dolmetschen
tile-menu = Mehr: { $name }
tile-light = Groß zeigen
tile-unlight = Nicht mehr groß zeigen
tile-pin = Anheften: immer unter den Ersten
tile-unpin = Lösen
tile-pinned = angeheftet
tile-interpret = Dolmetscht: immer sichtbar
tile-uninterpret = Dolmetscht nicht mehr

lack-key-waiting = Vielleicht ist er noch unterwegs.
lack-key-asked = Er wurde noch einmal angefordert.
lack-key-vain = Anfordern hat nicht geholfen: { $name } sollte den Anruf verlassen und neu beitreten.

lock-on = Anruf abschließen
lock-off = Aufschließen
lock-is-on = Dieser Anruf ist abgeschlossen: Es kommt niemand mehr dazu.
lock-is-on-moderator = Dieser Anruf ist abgeschlossen: Außer der Moderation kommt nur dazu, wen Sie hereinlassen.
lock-out = Dieser Anruf ist abgeschlossen. Sie kommen dazu, sobald die Moderation Sie hereinlässt oder aufschließt.
lock-failed = Auf- oder Abschließen hat nicht geklappt: Ihr Homeserver hat es nicht angenommen. Bitte versuchen Sie es noch einmal.
lock-let-in = Trotzdem hereinlassen
lack-locked = { $name } möchte dazukommen, und der Anruf ist abgeschlossen.

presenters-give = Zum Vortrag einladen
presenters-take = Vortrag beenden
presenters-failed = Die Rolle ließ sich nicht ändern: Ihr Homeserver hat es nicht angenommen. Bitte versuchen Sie es noch einmal.

kind-pictures = Treffen mit Bild
kind-sound = Treffen nur mit Ton
kind-sound-ask = Nur mit Ton weitermachen? Alle Kameras und geteilten Bildschirme enden sofort, auch Ihre.
kind-text = Treffen nur schriftlich
kind-text-ask = Nur schriftlich weitermachen? Alle Mikrofone, Kameras und geteilten Bildschirme enden sofort, auch Ihre.
kind-is-sound = Dieses Treffen hat nur Ton: Niemand zeigt Kamera oder Bildschirm.
kind-is-text = Dieses Treffen ist nur schriftlich: Niemand wird gesehen oder gehört. Schreiben Sie im Chat.
kind-failed = Die Art des Treffens ließ sich nicht ändern: Ihr Homeserver hat es nicht angenommen. Bitte versuchen Sie es noch einmal.
saving-on = Keine Bilder empfangen (spart Daten)
saving-off = Bilder empfangen
saving-is-on = Sie empfangen keine Bilder, das spart Daten. Die anderen empfangen sie.

compare-title = Emoji vergleichen
compare-ask = Emoji mit { $name } vergleichen
compare-asked = { $name } wurde gefragt, mit Ihnen Emoji zu vergleichen.
compare-wanted = { $name } möchte mit Ihnen Emoji vergleichen: Sehen beide dieselben sieben, steht niemand dazwischen.
compare-accept = Vergleichen
compare-exchanging = Einen Moment: Die Emoji kommen …
compare-emoji = Sagen Sie es sich laut: Sieht { $name } dieselben Emoji in derselben Reihenfolge?
compare-said = Es fehlt noch, was { $name } sagt.
compare-yes = Es sind dieselben
compare-no = Sie sind verschieden
compare-same = Sie und { $name } haben dasselbe gesehen: Dieses Gerät gehört wirklich dieser Person.
compare-different = Die Emoji waren verschieden. Vielleicht hört jemand dazwischen mit: Sagen Sie { $name } nichts Vertrauliches. Vergleichen Sie noch einmal; sind sie wieder verschieden, sagen Sie es Ihrer Administration.
compare-ended = Der Vergleich wurde beendet, oder { $name } hat nicht rechtzeitig geantwortet. Es wurde nichts herausgefunden.
compare-cancel = Nicht jetzt
emoji-dog = Hund
emoji-cat = Katze
emoji-lion = Löwe
emoji-horse = Pferd
emoji-unicorn = Einhorn
emoji-pig = Schwein
emoji-elephant = Elefant
emoji-rabbit = Hase
emoji-panda = Panda
emoji-rooster = Hahn
emoji-penguin = Pinguin
emoji-turtle = Schildkröte
emoji-fish = Fisch
emoji-octopus = Oktopus
emoji-butterfly = Schmetterling
emoji-flower = Blume
emoji-tree = Baum
emoji-cactus = Kaktus
emoji-mushroom = Pilz
emoji-globe = Globus
emoji-moon = Mond
emoji-cloud = Wolke
emoji-fire = Feuer
emoji-banana = Banane
emoji-apple = Apfel
emoji-strawberry = Erdbeere
emoji-corn = Mais
emoji-pizza = Pizza
emoji-cake = Kuchen
emoji-heart = Herz
emoji-smiley = Smiley
emoji-robot = Roboter
emoji-hat = Hut
emoji-glasses = Brille
emoji-spanner = Schraubenschlüssel
emoji-santa = Weihnachtsmann
emoji-thumbs-up = Daumen hoch
emoji-umbrella = Regenschirm
emoji-hourglass = Sanduhr
emoji-clock = Uhr
emoji-gift = Geschenk
emoji-light-bulb = Glühbirne
emoji-book = Buch
emoji-pencil = Bleistift
emoji-paperclip = Büroklammer
emoji-scissors = Schere
emoji-lock = Schloss
emoji-key = Schlüssel
emoji-hammer = Hammer
emoji-telephone = Telefon
emoji-flag = Flagge
emoji-train = Zug
emoji-bicycle = Fahrrad
emoji-aeroplane = Flugzeug
emoji-rocket = Rakete
emoji-trophy = Pokal
emoji-ball = Ball
emoji-guitar = Gitarre
emoji-trumpet = Trompete
emoji-bell = Glocke
emoji-anchor = Anker
emoji-headphones = Kopfhörer
emoji-folder = Ordner
emoji-pin = Stecknadel

announcements-title = Ansagen
announcements-lead = Was Vorleseprogramme während eines Anrufs sagen. Schalten Sie ab, was Sie nicht hören möchten; auf der Seite steht es weiterhin.
announcements-which = Sagen Sie mir an,
announcements-people = wer kommt und wer geht
announcements-hands = wer die Hand hebt und senkt
announcements-reactions = wer wie reagiert
announcements-chat = dass es neue Nachrichten gibt
announcements-lobby = wer auf Einlass wartet
announcements-meeting = dass der Anruf abgeschlossen ist oder ohne Bild oder Ton weitergeht
announcements-media = warum jemand weder zu sehen noch zu hören ist
announcements-connection = wie es um meine Verbindung steht
announcements-own = Was Sie selbst auslösen, wird immer angesagt. Diese Wahl bleibt in diesem Browser.
told-joined = { $count ->
    [one] { $names } ist beigetreten
   *[other] { $names } sind beigetreten
}
told-left = { $count ->
    [one] { $names } ist gegangen
   *[other] { $names } sind gegangen
}
told-hand-up = { $count ->
    [one] { $names } hat die Hand gehoben
   *[other] { $names } haben die Hand gehoben
}
told-hand-down = { $count ->
    [one] { $names } hat die Hand gesenkt
   *[other] { $names } haben die Hand gesenkt
}
told-many-joined = { $count } Personen sind beigetreten
told-many-left = { $count } Personen sind gegangen
told-many-hand-up = { $count } Personen haben die Hand gehoben
told-many-hand-down = { $count } Personen haben die Hand gesenkt

call-offline = Dieses Gerät hat kein Netz. Der Anruf geht von selbst weiter, sobald es wieder eines gibt.
call-lost = Die Verbindung zum Server von { $organisations } ist abgebrochen. Sie wird neu aufgebaut …
detour-tcp = Ihr Netz sperrt UDP, deshalb wird TCP benutzt. Ist das Netz ausgelastet, können Bild und Ton stocken.
detour-relay = Ihr Netz lässt nichts direkt zu Ihrem Server durch, deshalb geht es über ein Relais. Bild und Ton kommen vielleicht etwas später.

private-write = Nur an { $name } schreiben
private-conversations = Unterhaltungen
private-everybody = Alle
private-readers = Nur Sie und { $name } können das lesen.
private-room = Es steht in einem eigenen Raum von Ihnen beiden, den auch andere Matrix-Programme zeigen, und bleibt dort.
private-room-guest = Es steht in einem eigenen Raum von Ihnen beiden. Als Gast können Sie darin antworten; nach dem Treffen sind Sie nicht mehr darin, und was Sie geschrieben haben, bleibt dort.
private-to = Nachricht nur an { $name }
private-failed = Die Unterhaltung mit { $name } ließ sich nicht beginnen: Ihr Homeserver hat sie nicht angenommen. Ihre Nachricht steht noch unten.
private-failed-guest = Die Unterhaltung mit { $name } ist zu Ende. Als Gast können Sie selbst keine beginnen. Ihre Nachricht steht noch unten.
told-wrote = { $name } hat Ihnen allein geschrieben
