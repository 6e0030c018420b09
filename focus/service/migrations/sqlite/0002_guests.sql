-- A column that is added, renamed or dropped changes its row in docs/personal-data.md in the same commit.

CREATE TABLE guest_links (
    id            TEXT    NOT NULL PRIMARY KEY,
    room_id       TEXT    NOT NULL,
    made_by       TEXT    NOT NULL,
    secret_hash   TEXT    NOT NULL UNIQUE,
    spoken_hash   TEXT    NOT NULL UNIQUE,
    passcode_hash TEXT,
    uses_max      INTEGER NOT NULL,
    uses          INTEGER NOT NULL,
    tries         INTEGER NOT NULL,
    expires_at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX guest_links_by_room ON guest_links (room_id);
CREATE INDEX guest_links_by_maker ON guest_links (made_by);
CREATE INDEX guest_links_by_expiry ON guest_links (expires_at_ms);

CREATE TABLE guests (
    user_id       TEXT    NOT NULL PRIMARY KEY,
    link_id       TEXT    NOT NULL,
    room_id       TEXT    NOT NULL,
    token_hash    TEXT,
    state         TEXT    NOT NULL,
    entered_at_ms INTEGER NOT NULL,
    ends_at_ms    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX guests_by_room ON guests (room_id);
CREATE INDEX guests_by_link ON guests (link_id);
CREATE INDEX guests_by_token ON guests (token_hash);
