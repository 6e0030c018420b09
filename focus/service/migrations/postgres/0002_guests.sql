-- A column that is added, renamed or dropped changes its row in docs/personal-data.md in the same commit.

CREATE TABLE guest_links (
    id            TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    room_id       TEXT COLLATE "C" NOT NULL,
    made_by       TEXT COLLATE "C" NOT NULL,
    secret_hash   TEXT COLLATE "C" NOT NULL UNIQUE,
    spoken_hash   TEXT COLLATE "C" NOT NULL UNIQUE,
    passcode_hash TEXT,
    uses_max      BIGINT           NOT NULL,
    uses          BIGINT           NOT NULL,
    tries         BIGINT           NOT NULL,
    expires_at_ms BIGINT           NOT NULL
);
CREATE INDEX guest_links_by_room ON guest_links (room_id);
CREATE INDEX guest_links_by_maker ON guest_links (made_by);
CREATE INDEX guest_links_by_expiry ON guest_links (expires_at_ms);

CREATE TABLE guests (
    user_id       TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    link_id       TEXT COLLATE "C" NOT NULL,
    room_id       TEXT COLLATE "C" NOT NULL,
    token_hash    TEXT COLLATE "C",
    state         TEXT             NOT NULL,
    entered_at_ms BIGINT           NOT NULL,
    ends_at_ms    BIGINT           NOT NULL
);
CREATE INDEX guests_by_room ON guests (room_id);
CREATE INDEX guests_by_link ON guests (link_id);
CREATE INDEX guests_by_token ON guests (token_hash);
