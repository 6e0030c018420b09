-- A column that is added, renamed or dropped changes its row in docs/personal-data.md in the same commit.
-- COLLATE "C": keys are compared byte by byte, so that an update of the machine's locales cannot break an index.

CREATE TABLE delayed_leaves (
    sfu_room         TEXT COLLATE "C" NOT NULL,
    identity         TEXT COLLATE "C" NOT NULL,
    other_identity   TEXT COLLATE "C",
    server           TEXT             NOT NULL,
    delay_id         TEXT             NOT NULL,
    delay_ms         BIGINT           NOT NULL,
    restarted_at_ms  BIGINT           NOT NULL,
    state            TEXT             NOT NULL,
    owner            TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (sfu_room, identity)
);
CREATE INDEX delayed_leaves_by_owner ON delayed_leaves (owner);

CREATE TABLE processes (
    process        TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    lease_until_ms BIGINT           NOT NULL
);

CREATE TABLE seats (
    sfu_room       TEXT COLLATE "C" NOT NULL,
    identity       TEXT COLLATE "C" NOT NULL,
    room_id        TEXT COLLATE "C" NOT NULL,
    user_id        TEXT             NOT NULL,
    admitted_at_ms BIGINT           NOT NULL,
    PRIMARY KEY (sfu_room, identity)
);
CREATE INDEX seats_by_room ON seats (room_id);
CREATE INDEX seats_by_age ON seats (admitted_at_ms);

CREATE TABLE blocked_homeservers (
    server        TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    blocked_at_ms BIGINT           NOT NULL
);
