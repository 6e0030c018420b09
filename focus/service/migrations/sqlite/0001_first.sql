-- A column that is added, renamed or dropped changes its row in docs/personal-data.md in the same commit.

CREATE TABLE delayed_leaves (
    sfu_room         TEXT    NOT NULL,
    identity         TEXT    NOT NULL,
    other_identity   TEXT,
    server           TEXT    NOT NULL,
    delay_id         TEXT    NOT NULL,
    delay_ms         INTEGER NOT NULL,
    restarted_at_ms  INTEGER NOT NULL,
    state            TEXT    NOT NULL,
    owner            TEXT    NOT NULL,
    PRIMARY KEY (sfu_room, identity)
) STRICT, WITHOUT ROWID;
CREATE INDEX delayed_leaves_by_owner ON delayed_leaves (owner);

CREATE TABLE processes (
    process        TEXT    NOT NULL PRIMARY KEY,
    lease_until_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE seats (
    sfu_room       TEXT    NOT NULL,
    identity       TEXT    NOT NULL,
    room_id        TEXT    NOT NULL,
    user_id        TEXT    NOT NULL,
    admitted_at_ms INTEGER NOT NULL,
    PRIMARY KEY (sfu_room, identity)
) STRICT, WITHOUT ROWID;
CREATE INDEX seats_by_room ON seats (room_id);
CREATE INDEX seats_by_age ON seats (admitted_at_ms);

CREATE TABLE blocked_homeservers (
    server        TEXT    NOT NULL PRIMARY KEY,
    blocked_at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
