-- Who has spoken with the bot, and what it knows of them.
CREATE TABLE person (
    user_id   TEXT PRIMARY KEY,
    -- IANA name; NULL: not said yet.
    zone      TEXT,
    -- 'en' or 'de'.
    language  TEXT NOT NULL DEFAULT 'en',
    -- Opens the person's calendar; NULL: nobody asked for it.
    feed      TEXT UNIQUE,
    -- Whether others may ask when the person has time: 0 or 1.
    shares    INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE meeting (
    uid        TEXT PRIMARY KEY,
    organiser  TEXT NOT NULL,
    -- hanse_meetings::meeting::Meeting, as in the room's state event.
    body       TEXT NOT NULL,
    room_id    TEXT UNIQUE,
    status     TEXT NOT NULL,
    -- Up to when what was due has been done, and when something is due again; NULL: never.
    done_ms    INTEGER NOT NULL,
    due_ms     INTEGER
) STRICT;
CREATE INDEX meeting_by_due ON meeting (due_ms) WHERE due_ms IS NOT NULL;
CREATE INDEX meeting_by_organiser ON meeting (organiser, status);

-- Who is invited to what, and by which number they name it.
CREATE TABLE attendance (
    user_id  TEXT NOT NULL,
    uid      TEXT NOT NULL REFERENCES meeting (uid) ON DELETE CASCADE,
    number   INTEGER NOT NULL,
    PRIMARY KEY (user_id, uid),
    UNIQUE (user_id, number)
) STRICT;
CREATE INDEX attendance_by_meeting ON attendance (uid);

-- A message of the bot that a reaction answers.
CREATE TABLE question (
    event_id  TEXT PRIMARY KEY,
    user_id   TEXT NOT NULL,
    body      TEXT NOT NULL,
    until_ms  INTEGER NOT NULL
) STRICT;

-- What is to be done outside, until it is done.
CREATE TABLE job (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    -- Jobs of one lane are done one after the other.
    lane       TEXT NOT NULL,
    body       TEXT NOT NULL,
    not_before_ms INTEGER NOT NULL,
    attempts   INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX job_by_lane ON job (lane, id);

-- Programs that act as somebody.
CREATE TABLE token (
    name      TEXT PRIMARY KEY,
    -- SHA-256 of what the program shows.
    hash      BLOB NOT NULL UNIQUE,
    user_id   TEXT NOT NULL,
    -- 0 or 1.
    may_read  INTEGER NOT NULL,
    may_write INTEGER NOT NULL,
    until_ms  INTEGER NOT NULL
) STRICT;

-- What programs have asked for under a key of theirs, so that asking twice does it once.
CREATE TABLE request (
    user_id   TEXT NOT NULL,
    key       TEXT NOT NULL,
    -- SHA-256 of what was asked.
    hash      BLOB NOT NULL,
    -- hanse_meetings::meeting::Meeting, as it was made.
    body      TEXT NOT NULL,
    until_ms  INTEGER NOT NULL,
    PRIMARY KEY (user_id, key)
) STRICT;
CREATE INDEX request_by_time ON request (until_ms);

-- Addresses that are told of changes of somebody's meetings.
CREATE TABLE hook (
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    user_id   TEXT NOT NULL,
    url       TEXT NOT NULL,
    -- Signs what is sent there.
    secret    TEXT NOT NULL,
    until_ms  INTEGER NOT NULL
) STRICT;
CREATE INDEX hook_by_person ON hook (user_id);
