//! A focus with guests around which nothing is real, for their tests.
#![allow(dead_code, reason = "not every test uses everything")]

use crate::common::{self, Bench, PretendRooms, Reply, openid};
use crate::guest_accounts::Accounts;
use hanse_focus::guests::{GuestMove, GuestsConfig, VisitState};
use hanse_focus::store::Store;
use hanse_matrixrtc::Membership;
use hanse_runtime::ClientAddress;
use http::{Method, Request};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

pub const ROOM: &str = common::ROOM;
/// Who made the room and may do everything in it.
pub const ALICE: &str = "@alice:org-a.example";
/// So long.
pub const MINUTE: Duration = Duration::from_secs(60);

/// A focus with a room of Alice's in which Carol is, too.
pub struct House {
    pub bench: Bench,
    pub rooms: Arc<PretendRooms>,
    pub accounts: Arc<Accounts>,
    pub store: Store,
    pub config: Mutex<GuestsConfig>,
}

/// Guests are allowed, with the times that hold by default.
pub fn allowing() -> GuestsConfig {
    GuestsConfig {
        allowed: true,
        link_lifetime_max_ms: 24 * 3_600_000,
        stay_max_ms: 12 * 3_600_000,
        after_call_ms: 300_000,
    }
}

impl House {
    pub async fn new() -> Self {
        let store = Store::open("sqlite::memory:").await.unwrap();
        Self::with(store, Accounts::new())
    }

    pub fn with(store: Store, accounts: Arc<Accounts>) -> Self {
        let rooms = Arc::new(PretendRooms::default());
        for user in [ALICE, "@carol:org-a.example", "@mod:org-b.example"] {
            rooms.member(ROOM, user, "join");
        }
        rooms.state(
            ROOM,
            "m.room.power_levels",
            "",
            json!({"users": {ALICE: 100, "@mod:org-b.example": 50}, "invite": 50}),
        );
        // Numbers instead of chance, each another.
        let drawn = AtomicU64::new(1);
        let randomness = Arc::new(move |bytes: &mut [u8]| {
            let number = drawn.fetch_add(1, Ordering::Relaxed).to_le_bytes();
            for (byte, of_number) in bytes.iter_mut().zip(number.iter().cycle()) {
                *byte = *of_number;
            }
            true
        });
        let bench = Bench::with_guests(&rooms, allowing(), &store, Arc::clone(&accounts) as _, randomness);
        bench.knows("@carol:org-a.example", "carols-token");
        bench.knows("@mod:org-b.example", "mods-token");
        House {
            bench,
            rooms,
            accounts,
            store,
            config: Mutex::new(allowing()),
        }
    }

    pub async fn host(&self, path: &str, server: &str, token: &str, more: Value) -> Reply {
        let mut body = json!({"room_id": ROOM, "openid_token": openid(server, token)});
        body.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        self.bench.post_json(path, &body).await
    }

    pub async fn alice(&self, path: &str, more: Value) -> Reply {
        self.host(path, "org-a.example", "alices-token", more).await
    }

    pub async fn link(&self, more: Value) -> Value {
        let reply = self.alice("/guest/link", more).await;
        assert_eq!(reply.status, 200, "{}", reply.body);
        reply.body
    }

    pub async fn from(&self, address: &str, path: &str, body: &Value) -> Reply {
        let mut request = Request::builder().method(Method::POST).uri(path);
        request
            .extensions_mut()
            .unwrap()
            .insert(ClientAddress(address.parse().unwrap()));
        self.bench
            .send(request.body(body.to_string().into()).unwrap())
            .await
    }

    pub async fn look(&self, key: Value) -> Reply {
        self.bench.post_json("/guest/look", &key).await
    }

    pub async fn enter(&self, body: Value) -> Reply {
        self.bench.post_json("/guest/enter", &body).await
    }

    /// Somebody who came in by a link: who, and their token.
    pub async fn guest(&self, link: &Value, name: &str) -> (String, String) {
        let reply = self.enter(json!({"secret": link["secret"], "name": name})).await;
        assert_eq!(reply.status, 200, "{}", reply.body);
        let text = |key: &str| reply.body[key].as_str().unwrap().to_owned();
        (text("user_id"), text("access_token"))
    }

    pub fn keep(&self) -> tokio::task::JoinHandle<()> {
        tokio::spawn(hanse_focus::guests::keep(Arc::clone(&self.bench.focus)))
    }

    pub async fn state(&self, user: &str) -> Option<VisitState> {
        let visit = self.store.visit_of(&user.parse().unwrap()).await.unwrap();
        visit.map(|visit| visit.state)
    }

    /// Puts these settings into force, which begins a round.
    pub fn set(&self, config: GuestsConfig) {
        *self.config.lock().unwrap() = config.clone();
        self.bench.focus.change_guests(config);
    }

    /// Waits until it holds, with one round after the other.
    pub async fn until(&self, what: &str, mut holds: impl AsyncFnMut() -> bool) {
        for _ in 0..3000 {
            if holds().await {
                return;
            }
            let config = self.config.lock().unwrap().clone();
            self.set(config);
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("not within 30 s: {what}");
    }

    /// Waits until it holds, for less than the ten seconds to the next round.
    pub async fn until_in_this_round(&self, what: &str, mut holds: impl AsyncFnMut() -> bool) {
        for _ in 0..900 {
            if holds().await {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("not in this round: {what}");
    }

    /// Until everybody was looked at twice: each time somebody new is seen in the lobby.
    pub async fn rounds(&self, link: &Value) {
        for _ in 0..2 {
            let (witness, _) = self.guest(link, "Witness").await;
            self.rooms.member(ROOM, &witness, "knock");
            self.becomes(&witness, VisitState::Waiting).await;
        }
    }

    /// Until whoever looks after guests listens.
    pub async fn listens(&self) {
        let listens = async || self.accounts.moves.receiver_count() > 0;
        self.until("somebody listens", listens).await;
    }

    /// The homeserver tells how somebody stands to a room.
    pub fn moved(
        &self,
        user: &str,
        is_ours: bool,
        by: &str,
        room: &str,
        membership: Membership,
        is_direct: bool,
    ) {
        let moved = GuestMove {
            user: user.parse().unwrap(),
            is_ours,
            by: by.parse().unwrap(),
            room: room.parse().unwrap(),
            membership,
            is_direct,
        };
        self.accounts.moves.send(moved).unwrap();
    }

    /// Somebody invites a guest to a conversation.
    pub fn invites(&self, by: &str, guest: &str, room: &str) {
        self.moved(guest, true, by, room, Membership::Invite, true);
    }

    /// A guest follows an invitation into a room in which these are.
    pub fn follows(&self, guest: &str, room: &str, others: &[&str]) {
        self.follows_unheard(guest, room, others);
        self.moved(guest, true, guest, room, Membership::Join, false);
    }

    /// The same, and the homeserver does not tell of it.
    pub fn follows_unheard(&self, guest: &str, room: &str, others: &[&str]) {
        let people = others.iter().chain([&guest]).map(|each| (*each).to_owned());
        self.accounts
            .elsewhere
            .lock()
            .unwrap()
            .insert(room.to_owned(), people.collect());
    }

    /// Whether a guest is in a room beside their meeting.
    pub fn is_in(&self, guest: &str, room: &str) -> bool {
        let elsewhere = self.accounts.elsewhere.lock().unwrap();
        elsewhere[room].iter().any(|each| each == guest)
    }

    /// Until a guest has been taken out of a room, or has declined.
    pub async fn is_out(&self, guest: &str, room: &str) {
        let out = (guest.to_owned(), room.to_owned());
        let taken = async || self.accounts.taken_out.lock().unwrap().contains(&out);
        self.until(&format!("{guest} is out of {room}"), taken).await;
    }

    pub async fn is_gone(&self, user: &str) {
        let gone =
            async || self.state(user).await.is_none() && !self.accounts.there().contains(&user.to_owned());
        self.until(&format!("{user} is gone"), gone).await;
    }

    pub async fn becomes(&self, user: &str, state: VisitState) {
        let what = format!("{user} is {state:?}");
        self.until(&what, async || self.state(user).await == Some(state))
            .await;
    }
}
