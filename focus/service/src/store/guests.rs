//! Links by which guests come in, and guests who are there. All processes that share the database see all of them.
//!
//! What a link opens by is stored as a hash only ([`crate::guests`] says which). A guest's row is there before the user is
//! made and goes when the homeserver has erased it: so none is forgotten, whatever happens in between.

use super::database::{Growing, Statement, Value};
use super::rows::{fit, read_ms, stored_ms};
use super::{DatabaseError, GUEST_LINKS_MAX, GUESTS_MAX, Store};
use crate::guests::{
    Begun, GuestLink, GuestVisit, LINKS_PER_PERSON_MAX, LINKS_PER_ROOM_MAX, VISITS_PER_ROOM_MAX,
};
use crate::guests::{PASSCODE_TRIES_MAX, VisitState};
use hanse_matrixrtc::{RoomId, UserId};

const GROWING_LINKS: Growing = Growing {
    what: "links for guests",
    count: "SELECT count(*) FROM guest_links",
    rows_max: GUEST_LINKS_MAX,
};

const GROWING_GUESTS: Growing = Growing {
    what: "guests",
    count: "SELECT count(*) FROM guests",
    rows_max: GUESTS_MAX,
};

/// Nothing where there are too many already, or another has one of the hashes.
const ADD_LINK: &str = "
    INSERT INTO guest_links
        (id, room_id, made_by, secret_hash, spoken_hash, passcode_hash, uses_max, uses, tries, expires_at_ms)
    SELECT $1, $2, $3, $4, $5, $6, $7, 0, 0, $8
    WHERE (SELECT count(*) FROM guest_links WHERE room_id = $2 AND expires_at_ms > $9 AND uses < uses_max) < $10
      AND (SELECT count(*) FROM guest_links WHERE made_by = $3 AND expires_at_ms > $9 AND uses < uses_max) < $11
    ON CONFLICT DO NOTHING";

const LINK_BY_SECRET: &str = "
    SELECT id, room_id, made_by, secret_hash, spoken_hash, passcode_hash, uses_max, uses, expires_at_ms
    FROM guest_links WHERE secret_hash = $1";

const LINK_BY_SPOKEN: &str = "
    SELECT id, room_id, made_by, secret_hash, spoken_hash, passcode_hash, uses_max, uses, expires_at_ms
    FROM guest_links WHERE spoken_hash = $1";

const LINKS_IN: &str = "
    SELECT id, room_id, made_by, secret_hash, spoken_hash, passcode_hash, uses_max, uses, expires_at_ms
    FROM guest_links WHERE room_id = $1 AND expires_at_ms > $2 AND uses < uses_max ORDER BY expires_at_ms, id";

const REVOKE: &str = "DELETE FROM guest_links WHERE id = $1 AND room_id = $2";

const TAKE_TRY: &str = "UPDATE guest_links SET tries = tries + 1 WHERE id = $1 AND tries < $2";

const GIVE_TRY_BACK: &str = "UPDATE guest_links SET tries = tries - 1 WHERE id = $1 AND tries > 0";

const BEGIN_VISIT: &str = "
    INSERT INTO guests (user_id, link_id, room_id, token_hash, state, entered_at_ms, ends_at_ms)
    SELECT $1, $2, $3, NULL, $4, $5, $6
    WHERE (SELECT count(*) FROM guests WHERE room_id = $3) < $7";

/// After [`BEGIN_VISIT`], in one transaction with it: of two at a time with a link for one, one changes the row.
const USE_LINK: &str = "
    UPDATE guest_links SET uses = uses + 1
    WHERE id = $1 AND uses < uses_max AND expires_at_ms > $2 AND EXISTS (SELECT 1 FROM guests WHERE user_id = $3)";

const GIVE_USE_BACK: &str = "UPDATE guest_links SET uses = uses - 1 WHERE id = $1 AND uses > 0";

const NEVER_BEGUN: &str = "DELETE FROM guests WHERE user_id = $1";

const NOTE_TOKEN: &str = "UPDATE guests SET token_hash = $2 WHERE user_id = $1 AND state <> 'ending'";

/// Nobody comes back from their end.
const SET_STATE: &str =
    "UPDATE guests SET state = $2 WHERE user_id = $1 AND state <> 'ending' AND state <> $2";

const END_BY_LINK: &str =
    "UPDATE guests SET state = 'ending' WHERE link_id = $1 AND room_id = $2 AND state <> 'ending'";

const FORGET: &str = "DELETE FROM guests WHERE user_id = $1 AND state = 'ending'";

const VISITS: &str =
    "SELECT user_id, link_id, room_id, token_hash, state, entered_at_ms, ends_at_ms FROM guests";

const VISIT_OF: &str = "
    SELECT user_id, link_id, room_id, token_hash, state, entered_at_ms, ends_at_ms FROM guests WHERE user_id = $1";

const VISIT_BY_TOKEN: &str = "
    SELECT user_id, link_id, room_id, token_hash, state, entered_at_ms, ends_at_ms FROM guests WHERE token_hash = $1";

const SWEEP_LINKS: &str = "
    DELETE FROM guest_links WHERE expires_at_ms <= $1
    OR (uses >= uses_max AND NOT EXISTS (SELECT 1 FROM guests WHERE guests.link_id = guest_links.id))";

const SWEEP_GUESTS: &str = "DELETE FROM guests WHERE ends_at_ms < $1";

type LinkRow = (
    String,
    String,
    String,
    String,
    String,
    Option<String>,
    i64,
    i64,
    i64,
);

type VisitRow = (String, String, String, Option<String>, String, i64, i64);

impl Store {
    /// A new link. `false`: there are [`LINKS_PER_ROOM_MAX`] or [`LINKS_PER_PERSON_MAX`], or another has one of the hashes.
    ///
    /// # Errors
    /// [`DatabaseError::Full`] beyond [`GUEST_LINKS_MAX`], [`DatabaseError::Unfit`], [`DatabaseError::Unreachable`],
    /// [`DatabaseError::Refused`].
    pub async fn add_guest_link(&self, link: &GuestLink, now_ms: u64) -> Result<bool, DatabaseError> {
        let passcode = link.passcode_hash.clone();
        let values = [
            Value::Text(fit("the link's id", &link.id)?),
            Value::Text(link.room_id.as_str().to_owned()),
            Value::Text(link.made_by.as_str().to_owned()),
            Value::Text(fit("a hash", &link.secret_hash)?),
            Value::Text(fit("a hash", &link.spoken_hash)?),
            passcode.map_or(Value::Absent, Value::Text),
            Value::Number(i64::from(link.uses_max)),
            Value::Number(stored_ms(link.expires_at_ms)),
            Value::Number(stored_ms(now_ms)),
            Value::Number(LINKS_PER_ROOM_MAX),
            Value::Number(LINKS_PER_PERSON_MAX),
        ];
        let add = Statement::new(ADD_LINK, values).growing(GROWING_LINKS);
        Ok(self.writer.write(add).await? > 0)
    }

    /// The link that opens by a secret of this hash, whether it still does or not.
    ///
    /// # Errors
    /// [`DatabaseError::Unfit`], [`DatabaseError::Unreachable`], [`DatabaseError::Refused`].
    pub async fn guest_link_by_secret(&self, secret_hash: &str) -> Result<Option<GuestLink>, DatabaseError> {
        let hash = Value::Text(fit("a hash", secret_hash)?);
        self.one_link(Statement::new(LINK_BY_SECRET, [hash])).await
    }

    /// The link that opens by a spoken code of this hash, whether it still does or not.
    ///
    /// # Errors
    /// As [`Store::guest_link_by_secret`].
    pub async fn guest_link_by_spoken(&self, spoken_hash: &str) -> Result<Option<GuestLink>, DatabaseError> {
        let hash = Value::Text(fit("a hash", spoken_hash)?);
        self.one_link(Statement::new(LINK_BY_SPOKEN, [hash])).await
    }

    /// The links into a room that open at this time, by their ends.
    ///
    /// # Errors
    /// As [`Store::guest_link_by_secret`].
    pub async fn guest_links_in(&self, room: &RoomId, now_ms: u64) -> Result<Vec<GuestLink>, DatabaseError> {
        let values = [
            Value::Text(room.as_str().to_owned()),
            Value::Number(stored_ms(now_ms)),
        ];
        self.links(Statement::new(LINKS_IN, values)).await
    }

    /// Ends a link. `false`: there is none of that id into that room.
    ///
    /// # Errors
    /// As [`Store::guest_link_by_secret`].
    pub async fn revoke_guest_link(&self, room: &RoomId, id: &str) -> Result<bool, DatabaseError> {
        let values = [
            Value::Text(fit("the link's id", id)?),
            Value::Text(room.as_str().to_owned()),
        ];
        Ok(self.writer.write(Statement::new(REVOKE, values)).await? > 0)
    }

    /// Counts a try at a link's passcode, before it is looked at. `false`: there were [`PASSCODE_TRIES_MAX`] wrong ones, and
    /// this one does not count any more, whatever it is.
    ///
    /// # Errors
    /// As [`Store::guest_link_by_secret`].
    pub async fn take_passcode_try(&self, id: &str) -> Result<bool, DatabaseError> {
        let values = [
            Value::Text(fit("the link's id", id)?),
            Value::Number(PASSCODE_TRIES_MAX),
        ];
        Ok(self.writer.write(Statement::new(TAKE_TRY, values)).await? > 0)
    }

    /// The try was right.
    ///
    /// # Errors
    /// As [`Store::guest_link_by_secret`].
    pub async fn give_passcode_try_back(&self, id: &str) -> Result<(), DatabaseError> {
        let values = [Value::Text(fit("the link's id", id)?)];
        self.writer
            .write(Statement::new(GIVE_TRY_BACK, values))
            .await
            .map(drop)
    }

    /// Writes a guest down and uses the link, or neither.
    ///
    /// # Errors
    /// [`DatabaseError::Full`] beyond [`GUESTS_MAX`]; otherwise as [`Store::guest_link_by_secret`].
    pub async fn begin_visit(&self, visit: &GuestVisit, now_ms: u64) -> Result<Begun, DatabaseError> {
        let user = || Value::Text(visit.user.as_str().to_owned());
        let link = fit("the link's id", &visit.link_id)?;
        let begin = [
            user(),
            Value::Text(link.clone()),
            Value::Text(visit.room_id.as_str().to_owned()),
            Value::Text(visit.state.as_str().to_owned()),
            Value::Number(stored_ms(visit.entered_at_ms)),
            Value::Number(stored_ms(visit.ends_at_ms)),
            Value::Number(VISITS_PER_ROOM_MAX),
        ];
        let use_link = [Value::Text(link), Value::Number(stored_ms(now_ms)), user()];
        let statements = vec![
            Statement::new(BEGIN_VISIT, begin).growing(GROWING_GUESTS),
            Statement::new(USE_LINK, use_link),
        ];
        let changed = self.writer.write_all(statements).await?;
        match changed.as_slice() {
            [1, 1] => Ok(Begun::Yes),
            [0, _] => Ok(Begun::RoomFull),
            _ => {
                self.writer.write(Statement::new(NEVER_BEGUN, [user()])).await?;
                Ok(Begun::LinkUsed)
            }
        }
    }

    /// Nobody came in by a use that [`Store::begin_visit`] counted.
    ///
    /// # Errors
    /// As [`Store::guest_link_by_secret`].
    pub async fn give_use_back(&self, id: &str) -> Result<(), DatabaseError> {
        let values = [Value::Text(fit("the link's id", id)?)];
        self.writer
            .write(Statement::new(GIVE_USE_BACK, values))
            .await
            .map(drop)
    }

    /// Notes by which token a guest proves themselves here. `false`: their visit has ended meanwhile.
    ///
    /// # Errors
    /// As [`Store::guest_link_by_secret`].
    pub async fn note_guest_token(&self, user: &UserId, token_hash: &str) -> Result<bool, DatabaseError> {
        let values = [
            Value::Text(user.as_str().to_owned()),
            Value::Text(fit("a hash", token_hash)?),
        ];
        Ok(self.writer.write(Statement::new(NOTE_TOKEN, values)).await? > 0)
    }

    /// Notes how far a visit is. Whether that is new; one that ends goes on ending.
    ///
    /// # Errors
    /// As [`Store::guest_link_by_secret`].
    pub async fn set_visit_state(&self, user: &UserId, state: VisitState) -> Result<bool, DatabaseError> {
        let values = [
            Value::Text(user.as_str().to_owned()),
            Value::Text(state.as_str().to_owned()),
        ];
        Ok(self.writer.write(Statement::new(SET_STATE, values)).await? > 0)
    }

    /// Has the visits of all end who came into a room by a link: how many.
    ///
    /// # Errors
    /// As [`Store::guest_link_by_secret`].
    pub async fn end_visits_by(&self, room: &RoomId, link_id: &str) -> Result<u64, DatabaseError> {
        let values = [
            Value::Text(fit("the link's id", link_id)?),
            Value::Text(room.as_str().to_owned()),
        ];
        self.writer.write(Statement::new(END_BY_LINK, values)).await
    }

    /// The homeserver has erased them.
    ///
    /// # Errors
    /// As [`Store::guest_link_by_secret`].
    pub async fn forget_visit(&self, user: &UserId) -> Result<(), DatabaseError> {
        let values = [Value::Text(user.as_str().to_owned())];
        self.writer.write(Statement::new(FORGET, values)).await.map(drop)
    }

    /// All visits, in no order.
    ///
    /// # Errors
    /// As [`Store::guest_link_by_secret`].
    pub async fn visits(&self) -> Result<Vec<GuestVisit>, DatabaseError> {
        self.select_visits(Statement::new(VISITS, [])).await
    }

    /// Somebody's visit.
    ///
    /// # Errors
    /// As [`Store::guest_link_by_secret`].
    pub async fn visit_of(&self, user: &UserId) -> Result<Option<GuestVisit>, DatabaseError> {
        let user = Value::Text(user.as_str().to_owned());
        let found = self.select_visits(Statement::new(VISIT_OF, [user])).await?;
        Ok(found.into_iter().next())
    }

    /// The visit of whoever has a token of this hash.
    ///
    /// # Errors
    /// As [`Store::guest_link_by_secret`].
    pub async fn visit_by_token(&self, token_hash: &str) -> Result<Option<GuestVisit>, DatabaseError> {
        let hash = Value::Text(fit("a hash", token_hash)?);
        let found = self.select_visits(Statement::new(VISIT_BY_TOKEN, [hash])).await?;
        Ok(found.into_iter().next())
    }

    async fn one_link(&self, select: Statement) -> Result<Option<GuestLink>, DatabaseError> {
        Ok(self.links(select).await?.into_iter().next())
    }

    async fn links(&self, select: Statement) -> Result<Vec<GuestLink>, DatabaseError> {
        let rows: Vec<LinkRow> = self.database.rows(&select).await?;
        Ok(rows.into_iter().filter_map(link).collect())
    }

    async fn select_visits(&self, select: Statement) -> Result<Vec<GuestVisit>, DatabaseError> {
        let rows: Vec<VisitRow> = self.database.rows(&select).await?;
        Ok(rows.into_iter().filter_map(visit).collect())
    }
}

/// What was stored. A row that we did not write like this opens nothing.
fn link(row: LinkRow) -> Option<GuestLink> {
    let (id, room_id, made_by, secret_hash, spoken_hash, passcode_hash, uses_max, uses, expires_at_ms) = row;
    Some(GuestLink {
        id,
        room_id: room_id.parse().ok()?,
        made_by: made_by.parse().ok()?,
        secret_hash,
        spoken_hash,
        passcode_hash,
        uses_max: u32::try_from(uses_max).ok()?,
        uses: u32::try_from(uses).ok()?,
        expires_at_ms: read_ms(expires_at_ms),
    })
}

fn visit(row: VisitRow) -> Option<GuestVisit> {
    let (user, link_id, room_id, token_hash, state, entered_at_ms, ends_at_ms) = row;
    Some(GuestVisit {
        user: user.parse().ok()?,
        link_id,
        room_id: room_id.parse().ok()?,
        token_hash,
        state: VisitState::from_name(&state)?,
        entered_at_ms: read_ms(entered_at_ms),
        ends_at_ms: read_ms(ends_at_ms),
    })
}

/// Links that open nothing any more at this time.
pub(super) fn sweep_links(now_ms: u64) -> Statement {
    Statement::new(SWEEP_LINKS, [Value::Number(stored_ms(now_ms))])
}

/// Guests whose time was over before this.
pub(super) fn sweep_guests(over_before_ms: u64) -> Statement {
    Statement::new(SWEEP_GUESTS, [Value::Number(stored_ms(over_before_ms))])
}
