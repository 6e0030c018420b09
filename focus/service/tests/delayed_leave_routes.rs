//! Delayed leaves as clients hand them over, and as an SFU elsewhere tells who left: by `/delegate_delayed_leave`, by requests
//! for tokens, by `/sfu_webhook`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)] // A test may panic.

mod common;

use axum::body::{Body, to_bytes};
use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD};
use common::{
    Bench, Homeservers, NOW_UNIX_S, PretendSfu, ROOM, Reply, SECRET, SFU_ROOM, SFU_URL, config, get_token,
    get_token_from_abroad, key, openid, sfu_get, with_delay,
};
use hanse_focus::delayed_leave::{ANEW_WAIT_MS, LeaveJob, LeavePorts, Leaves, Seat};
use hanse_focus::{
    Answer, Clock, DelayedEventError, DelayedEvents, Focus, LeaveChange, LeaveStore, Now, Ports, Presence,
    Seen, ServerName, SfuError, StoreError, router,
};
use http::{Request, StatusCode};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::future::ready;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tower_service::Service;

const PLAIN: &str = "@alice:org-a.example:ALICESDEV";
/// base64(sha256('["@alice:org-a.example","ALICESDEV","5c0f1a52-6f0e-4d2f-9a64-3c5b0a1e7d11"]'))
const HASHED: &str = "oSVOnlPHTxVrtN2zra08D0aahmd0qC+fR2fVs09/oMI";

/// Homeserver, SFU and store in one.
#[derive(Default)]
struct World {
    told: Mutex<Vec<String>>,
    /// Sessions by identity.
    there: Mutex<BTreeMap<String, String>>,
    stored: Mutex<BTreeMap<Seat, LeaveJob>>,
    is_full: Mutex<bool>,
}

impl World {
    fn tell(&self, server: &ServerName, what: &str, id: &str) -> Answer<'_, Result<(), DelayedEventError>> {
        assert_eq!(server.as_str(), "org-a.example");
        self.told.lock().unwrap().push(format!("{what} {id}"));
        Box::pin(ready(Ok(())))
    }

    /// What the homeserver was told since the last call, once everything has settled.
    async fn told(&self) -> Vec<String> {
        tokio::time::sleep(Duration::from_millis(100)).await;
        std::mem::take(&mut self.told.lock().unwrap())
    }

    fn stored(&self) -> Vec<LeaveJob> {
        self.stored.lock().unwrap().values().cloned().collect()
    }
}

impl DelayedEvents for World {
    fn restart<'a>(
        &'a self,
        server: &'a ServerName,
        id: &'a str,
    ) -> Answer<'a, Result<(), DelayedEventError>> {
        self.tell(server, "restart", id)
    }

    fn send<'a>(&'a self, server: &'a ServerName, id: &'a str) -> Answer<'a, Result<(), DelayedEventError>> {
        self.tell(server, "send", id)
    }

    fn cancel<'a>(
        &'a self,
        server: &'a ServerName,
        id: &'a str,
    ) -> Answer<'a, Result<(), DelayedEventError>> {
        self.tell(server, "cancel", id)
    }
}

impl Presence for World {
    fn look_up<'a>(&'a self, room: &'a str, identity: &'a str) -> Answer<'a, Result<Seen, SfuError>> {
        assert_eq!(room, SFU_ROOM);
        let seen = match self.there.lock().unwrap().get(identity) {
            Some(sid) => Seen::Connected { sid: sid.clone() },
            None => Seen::Absent,
        };
        Box::pin(ready(Ok(seen)))
    }
}

impl LeaveStore for World {
    fn write<'a>(&'a self, changes: &'a [LeaveChange]) -> Answer<'a, Result<Vec<Seat>, StoreError>> {
        if *self.is_full.lock().unwrap() {
            return Box::pin(ready(Err(StoreError("the disk is full".into()))));
        }
        let mut stored = self.stored.lock().unwrap();
        for change in changes {
            match change {
                LeaveChange::Take(job) | LeaveChange::Update(job) => {
                    stored.insert(job.seat.clone(), job.clone());
                }
                LeaveChange::Forget(seat) => {
                    stored.remove(seat);
                }
            }
        }
        Box::pin(ready(Ok(Vec::new())))
    }

    fn claim(&self) -> Answer<'_, Result<Vec<LeaveJob>, StoreError>> {
        Box::pin(ready(Ok(Vec::new())))
    }

    fn take<'a>(&'a self, _seat: &'a Seat) -> Answer<'a, Result<Option<LeaveJob>, StoreError>> {
        Box::pin(ready(Ok(None)))
    }
}

/// A focus of `org-a.example` that takes leaves over.
struct Taking {
    world: Arc<World>,
    leaves: Leaves,
    focus: Arc<Focus>,
    router: axum::Router,
}

impl Taking {
    async fn new() -> Self {
        let toml = format!("sfu_url = \"{SFU_URL}\"\nfull_access_homeservers = [\"org-a.example\"]");
        let settings = config(&toml, &[]).unwrap().settings.unwrap();
        let homeservers = Homeservers::default();
        for (server, token, user) in [
            ("org-a.example", "alices-token", "@alice:org-a.example"),
            ("org-b.example", "bobs-token", "@bob:org-b.example"),
        ] {
            let mut tokens = homeservers.tokens.lock().unwrap();
            tokens.insert((server.into(), token.into()), user.into());
        }
        let now = Now {
            instant: hanse_runtime::clock::now(),
            unix_s: NOW_UNIX_S,
        };
        let clock: Clock = Arc::new(move || now);
        let world = Arc::new(World::default());
        let ports = LeavePorts {
            delayed_events: Arc::clone(&world) as _,
            presence: Arc::clone(&world) as _,
            store: Arc::clone(&world) as _,
        };
        let leaves = Leaves::start(ports, Duration::ZERO, &clock).await.unwrap();
        let ports = Ports {
            homeserver: Arc::new(homeservers),
            rooms: None,
            sfu: Arc::new(PretendSfu::default()),
            clock,
        };
        // The rules of every other test.
        let site = (*Bench::new().focus.policy()).clone();
        let focus = Focus::new(&settings, site, key(), ports).with_delayed_leaves(leaves.clone());
        let focus = Arc::new(focus);
        Taking {
            world,
            leaves,
            router: router(Arc::clone(&focus)),
            focus,
        }
    }

    async fn send(&self, path: &str, authorization: Option<&str>, body: impl Into<Body>) -> Reply {
        let mut request = Request::builder().method("POST").uri(path);
        if let Some(authorization) = authorization {
            request = request.header("authorization", authorization);
        }
        let request = request.body(body.into()).unwrap();
        let (head, body) = self.router.clone().call(request).await.unwrap().into_parts();
        let body = to_bytes(body, usize::MAX).await.unwrap();
        let reply = Reply {
            status: head.status,
            headers: head.headers,
            body: serde_json::from_slice(&body).unwrap_or(Value::Null),
            bytes: body.len(),
        };
        reply.assert_readable_by_pages();
        reply
    }

    async fn post(&self, path: &str, body: &Value) -> Reply {
        self.send(path, None, body.to_string()).await
    }

    async fn webhook(&self, body: &Value) -> Reply {
        let body = body.to_string();
        self.send("/sfu_webhook", Some(&signed(&body, SECRET)), body)
            .await
    }

    /// Alice comes with a session, and the SFU says so.
    async fn joins(&self, sid: &str, id: &str) {
        self.world.there.lock().unwrap().insert(HASHED.into(), sid.into());
        let joined = event("participant_joined", id, sid, Value::Null);
        assert_eq!(self.webhook(&joined).await.status, 200);
    }

    /// How many people are connected, as those are told who moderate and operate.
    fn present(&self) -> usize {
        self.focus.calls().calls.iter().map(|call| call.people).sum()
    }

    /// Somebody is there, with a leave that is put off.
    async fn with_alice_connected() -> Self {
        let taking = Self::new().await;
        taking
            .world
            .there
            .lock()
            .unwrap()
            .insert(HASHED.into(), "PA_1".into());
        taking.post("/get_token", &with_delay(get_token())).await.claims();
        assert_eq!(taking.world.told().await, ["restart syd_abcdefgh"]);
        taking
    }
}

fn claims(body: &str) -> Value {
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, body.as_bytes());
    json!({"iss": "devkey", "nbf": NOW_UNIX_S, "exp": NOW_UNIX_S + 300, "sha256": BASE64_STANDARD.encode(hash)})
}

fn token(algorithm: Algorithm, claims: &Value, secret: &str) -> String {
    let key = EncodingKey::from_secret(secret.as_bytes());
    jsonwebtoken::encode(&Header::new(algorithm), claims, &key).unwrap()
}

fn signed(body: &str, secret: &str) -> String {
    token(Algorithm::HS256, &claims(body), secret)
}

fn event(kind: &str, id: &str, sid: &str, reason: Value) -> Value {
    json!({
        "event": kind, "id": id, "createdAt": NOW_UNIX_S.to_string(),
        "room": {"sid": "RM_1", "name": SFU_ROOM, "emptyTimeout": 300, "creationTime": "1800000000"},
        "participant": {"sid": sid, "identity": HASHED, "state": "DISCONNECTED", "disconnectReason": reason,
                        "permission": {"canPublish": true}, "joinedAt": "1800000000"},
    })
}

#[tokio::test(start_paused = true)]
async fn delegation_is_offered_only_where_leaves_are_taken_over() {
    let refused = Bench::new().post("/delegate_delayed_leave", Body::empty()).await;
    refused.assert_refused(404, "M_UNRECOGNIZED");
    let probe = Taking::new()
        .await
        .send("/delegate_delayed_leave", None, Body::empty())
        .await;
    probe.assert_refused(400, "M_NOT_JSON");
}

#[tokio::test(start_paused = true)]
async fn a_leave_that_comes_with_a_request_for_a_token_is_kept_for_either_form_of_identity() {
    for (path, body, identity) in [
        ("/sfu/get", sfu_get(), PLAIN),
        ("/get_token", get_token(), HASHED),
    ] {
        let taking = Taking::new().await;
        assert_eq!(taking.post(path, &body).await.identity(), identity);
        assert!(taking.world.stored().is_empty(), "none came along");
        taking
            .world
            .there
            .lock()
            .unwrap()
            .insert(identity.into(), "PA_1".into());
        assert_eq!(taking.post(path, &with_delay(body)).await.identity(), identity);
        let stored = taking.world.stored();
        assert_eq!(
            (
                stored.len(),
                stored[0].seat.identity.as_str(),
                &stored[0].other_identity
            ),
            (1, identity, &None)
        );
        assert_eq!(
            (stored[0].seat.room.as_str(), stored[0].delay_ms),
            (SFU_ROOM, 3_600_000)
        );
        assert_eq!(taking.world.told().await, ["restart syd_abcdefgh"]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_leave_that_is_delegated_is_for_whichever_identity_is_on_the_sfu() {
    for identity in [PLAIN, HASHED] {
        let taking = Taking::new().await;
        taking
            .world
            .there
            .lock()
            .unwrap()
            .insert(identity.into(), "PA_1".into());
        let reply = taking
            .post("/delegate_delayed_leave", &with_delay(get_token()))
            .await;
        assert_eq!((reply.status, reply.body), (StatusCode::OK, json!({})));
        assert_eq!(taking.world.told().await, ["restart syd_abcdefgh"], "{identity}");
        let mut gone = event("participant_left", "EV_1", "PA_1", json!("CONNECTION_TIMEOUT"));
        gone["participant"]["identity"] = json!(identity);
        assert_eq!(taking.webhook(&gone).await.status, 200);
        assert_eq!(taking.world.told().await, ["send syd_abcdefgh"]);
        assert!(taking.world.stored().is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn a_leave_is_taken_from_its_own_user_of_our_own_homeserver_only() {
    let taking = Taking::new().await;
    let path = "/delegate_delayed_leave";
    taking
        .post(path, &with_delay(get_token_from_abroad()))
        .await
        .assert_refused(403, "M_FORBIDDEN");
    for token_path in ["/get_token", "/sfu/get"] {
        let mut foreign = with_delay(get_token_from_abroad());
        foreign["room"] = json!(ROOM);
        taking
            .post(token_path, &foreign)
            .await
            .assert_refused(400, "M_BAD_JSON");
    }
    let mut claimed = with_delay(get_token());
    claimed["member"]["claimed_user_id"] = json!("@carol:org-a.example");
    taking
        .post(path, &claimed)
        .await
        .assert_refused(401, "M_UNAUTHORIZED");
    let mut expired = with_delay(get_token());
    expired["openid_token"] = openid("org-a.example", "expired");
    taking
        .post(path, &expired)
        .await
        .assert_refused(401, "M_UNAUTHORIZED");
    assert!(taking.world.stored().is_empty() && taking.world.told().await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_is_no_leave_is_refused_with_a_sentence() {
    let taking = Taking::new().await;
    let path = "/delegate_delayed_leave";
    taking
        .post(path, &get_token())
        .await
        .assert_refused(400, "M_BAD_JSON");
    for (field, value) in [
        ("delay_id", json!("")),
        ("delay_id", json!("x".repeat(256))),
        ("delay_id", json!("a b")),
        ("delay_id", json!("a\u{0}")),
        ("delay_id", json!("\u{e9}")),
        ("delay_timeout", json!(0)),
        ("delay_timeout", json!(4_999)),
        ("delay_timeout", json!(-1)),
    ] {
        for path in [path, "/get_token"] {
            let mut body = with_delay(get_token());
            body[field] = value.clone();
            taking.post(path, &body).await.assert_refused(400, "M_BAD_JSON");
        }
    }
    let mut odd = with_delay(sfu_get());
    odd["device_id"] = json!("DEV\u{0}");
    taking
        .post("/sfu/get", &odd)
        .await
        .assert_refused(400, "M_BAD_JSON");
    assert!(taking.world.stored().is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_kept_is_not_promised() {
    let taking = Taking::new().await;
    *taking.world.is_full.lock().unwrap() = true;
    for path in ["/delegate_delayed_leave", "/get_token"] {
        let reply = taking.post(path, &with_delay(get_token())).await;
        reply.assert_refused(503, "M_UNKNOWN");
    }
    *taking.world.is_full.lock().unwrap() = false;
    taking.post("/get_token", &get_token()).await.claims();
    taking.leaves.shutdown().await;
    let reply = taking.post("/get_token", &with_delay(get_token())).await;
    reply.assert_refused(503, "M_UNKNOWN");
    taking.post("/get_token", &get_token()).await.claims();
}

#[tokio::test(start_paused = true)]
async fn a_signed_webhook_about_somebody_who_left_has_the_leave_sent() {
    for (kind, reason) in [
        ("participant_left", json!("CONNECTION_TIMEOUT")),
        ("participant_left", json!("PARTICIPANT_REMOVED")),
        ("participant_left", json!(99)),
        ("participant_left", Value::Null),
        ("participant_connection_aborted", json!("SIGNAL_CLOSE")),
    ] {
        let taking = Taking::with_alice_connected().await;
        let reply = taking.webhook(&event(kind, "EV_1", "PA_1", reason)).await;
        assert_eq!((reply.status, reply.body), (StatusCode::OK, json!({})));
        assert_eq!(taking.world.told().await, ["send syd_abcdefgh"], "{kind}");
    }
    let taking = Taking::with_alice_connected().await;
    taking.world.there.lock().unwrap().clear();
    let finished = json!({"event": "room_finished", "room": {"name": SFU_ROOM}});
    taking.webhook(&finished).await;
    assert_eq!(taking.world.told().await, ["send syd_abcdefgh"]);
}

#[tokio::test(start_paused = true)]
async fn a_signed_webhook_about_a_client_that_ended_its_session_has_the_leave_sent_if_no_other_follows() {
    for anew in [true, false] {
        let taking = Taking::with_alice_connected().await;
        taking.world.there.lock().unwrap().clear();
        let over = event("participant_left", "EV_2", "PA_1", json!("CLIENT_INITIATED"));
        assert_eq!(taking.webhook(&over).await.status, 200);
        assert_eq!(taking.world.told().await, Vec::<String>::new());
        if anew {
            taking.joins("PA_2", "EV_3").await;
        }
        tokio::time::sleep(Duration::from_millis(ANEW_WAIT_MS)).await;
        let expected = if anew {
            "restart syd_abcdefgh"
        } else {
            "send syd_abcdefgh"
        };
        assert_eq!(taking.world.told().await, [expected]);
        assert_eq!(taking.present(), usize::from(anew));
    }
}

#[tokio::test(start_paused = true)]
async fn webhooks_about_others_or_other_things_move_nobody() {
    let taking = Taking::with_alice_connected().await;
    let mut other = event("participant_left", "EV_2", "PA_1", json!("CONNECTION_TIMEOUT"));
    other["participant"]["identity"] = json!(PLAIN);
    let mut elsewhere = event("participant_left", "EV_3", "PA_1", json!("CONNECTION_TIMEOUT"));
    elsewhere["room"]["name"] = json!("another room");
    for body in [
        event("participant_left", "EV_4", "PA_0", json!("CONNECTION_TIMEOUT")),
        event("participant_left", "EV_5", "PA_1", json!("DUPLICATE_IDENTITY")),
        other,
        elsewhere,
        json!({"event": "track_published", "room": {"name": SFU_ROOM}}),
        json!({"event": "egress_ended", "later": [[{}]]}),
        json!({"event": "room_finished", "room": {"name": "another room"}}),
    ] {
        assert_eq!(taking.webhook(&body).await.status, 200, "{body}");
    }
    assert_eq!(taking.world.told().await, Vec::<String>::new());
    assert_eq!(taking.world.stored().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_webhook_that_comes_again_is_heard_once() {
    let taking = Taking::with_alice_connected().await;
    let old = event("participant_joined", "EV_1", "PA_1", Value::Null);
    taking.webhook(&old).await;
    taking
        .webhook(&event("participant_joined", "EV_2", "PA_2", Value::Null))
        .await;
    assert_eq!(taking.webhook(&old).await.status, 200);
    let gone = event("participant_left", "EV_3", "PA_2", json!("CONNECTION_TIMEOUT"));
    taking.webhook(&gone).await;
    assert_eq!(
        taking.world.told().await,
        ["send syd_abcdefgh"],
        "the old session was not taken for the new one"
    );
}

#[tokio::test(start_paused = true)]
async fn a_webhook_that_is_sent_again_ends_nothing_of_the_session_that_came_after() {
    for kind in ["participant_left", "participant_connection_aborted"] {
        for is_forgotten in [false, true] {
            let taking = Taking::with_alice_connected().await;
            taking.joins("PA_1", "EV_1").await;
            let over = event(kind, "EV_2", "PA_1", json!("CONNECTION_TIMEOUT"));
            taking.world.there.lock().unwrap().clear();
            taking.webhook(&over).await;
            assert_eq!(taking.world.told().await, ["send syd_abcdefgh"], "{kind}");
            assert_eq!(taking.present(), 0, "she goes with her session");

            let mut again = with_delay(get_token());
            again["delay_id"] = json!("syd_another");
            taking.post("/get_token", &again).await.claims();
            taking.joins("PA_2", "EV_3").await;
            assert_eq!(taking.world.told().await, ["restart syd_another"]);
            // What a focus does not remember any more, because it was started anew, comes as if it were new.
            let id = if is_forgotten { "EV_4" } else { "EV_2" };
            for minutes in [0, 1, 4] {
                let replayed = event(kind, id, "PA_1", json!("CONNECTION_TIMEOUT"));
                tokio::time::sleep(Duration::from_secs(60 * minutes)).await;
                assert_eq!(taking.webhook(&replayed).await.status, 200);
                assert_eq!(taking.world.told().await, Vec::<String>::new(), "{kind}");
                assert_eq!(taking.present(), 1, "{kind}: she stays");
            }
            taking.webhook(&event(kind, "EV_5", "PA_2", Value::Null)).await;
            assert_eq!(taking.world.told().await, ["send syd_another"], "her own");
            assert_eq!(taking.present(), 0);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_webhook_that_is_sent_again_when_its_time_is_over_is_refused() {
    let taking = Taking::with_alice_connected().await;
    let body = event("participant_left", "EV_1", "PA_1", json!("CONNECTION_TIMEOUT")).to_string();
    // LiveKit's tokens hold for 5 minutes, and clocks may differ by one.
    for (age_s, status) in [(361, 401), (360, 401), (359, 200)] {
        let mut claims = claims(&body);
        claims["nbf"] = json!(NOW_UNIX_S - age_s);
        claims["exp"] = json!(NOW_UNIX_S - age_s + 300);
        let authorization = token(Algorithm::HS256, &claims, SECRET);
        let reply = taking
            .send("/sfu_webhook", Some(&authorization), body.clone())
            .await;
        assert_eq!(reply.status, status, "after {age_s} s");
    }
    assert_eq!(taking.world.told().await, ["send syd_abcdefgh"], "once");
}

#[tokio::test(start_paused = true)]
async fn a_forged_webhook_is_refused_and_moves_nobody() {
    let taking = Taking::with_alice_connected().await;
    let body = event("participant_left", "EV_1", "PA_1", json!("CONNECTION_TIMEOUT")).to_string();
    let good = claims(&body);
    let with = |field: &str, value: Value| {
        let mut claims = good.clone();
        claims[field] = value;
        token(Algorithm::HS256, &claims, SECRET)
    };
    let whole = signed(&body, SECRET);
    let unsigned = whole.rsplit_once('.').unwrap().0.to_owned() + ".";
    let parts: Vec<&str> = whole.split('.').collect();
    let none = BASE64_STANDARD_NO_PAD.encode(r#"{"alg":"none","typ":"JWT"}"#);
    for (why, authorization) in [
        (
            "another secret",
            signed(&body, "another secret that is long enough"),
        ),
        ("another body", signed("{}", SECRET)),
        ("another key", with("iss", json!("otherkey"))),
        ("expired", with("exp", json!(NOW_UNIX_S - 61))),
        ("not yet", with("nbf", json!(NOW_UNIX_S + 61))),
        ("for ever", with("exp", json!(NOW_UNIX_S + 86_400))),
        ("no hash", with("sha256", Value::Null)),
        ("HS512", token(Algorithm::HS512, &good, SECRET)),
        ("no signature", unsigned),
        ("alg none", format!("{none}.{}.", parts[1])),
        (
            "alg none, old signature",
            format!("{none}.{}.{}", parts[1], parts[2]),
        ),
        (
            "a token for a call",
            taking.post("/get_token", &get_token()).await.body["jwt"]
                .as_str()
                .unwrap()
                .into(),
        ),
        ("too long", "a".repeat(5_000)),
        ("nothing", String::new()),
        ("dots", "..".to_owned()),
    ] {
        let reply = taking
            .send("/sfu_webhook", Some(&authorization), body.clone())
            .await;
        assert_eq!(reply.status, 401, "{why}");
        reply.assert_refused(401, "M_UNAUTHORIZED");
    }
    let reply = taking.send("/sfu_webhook", None, body.clone()).await;
    reply.assert_refused(401, "M_UNAUTHORIZED");
    assert_eq!(taking.world.told().await, Vec::<String>::new());
    let unpadded = with(
        "sha256",
        json!(good["sha256"].as_str().unwrap().trim_end_matches('=')),
    );
    assert_eq!(
        taking.send("/sfu_webhook", Some(&unpadded), body).await.status,
        200
    );
    assert_eq!(taking.world.told().await, ["send syd_abcdefgh"]);
}

#[tokio::test(start_paused = true)]
async fn a_signed_webhook_that_makes_no_sense_is_refused() {
    let taking = Taking::with_alice_connected().await;
    let deep = format!("{}1{}", "[".repeat(10_000), "]".repeat(10_000));
    for body in [
        String::new(),
        "{}".to_owned(),
        "[]".to_owned(),
        deep,
        json!({"event": 5}).to_string(),
        json!({"event": "participant_left"}).to_string(),
        json!({"event": "participant_left", "room": {"name": SFU_ROOM}}).to_string(),
        json!({"event": "participant_left", "room": {"name": ""}, "participant": {"identity": HASHED}})
            .to_string(),
        json!({"event": "room_finished", "room": {"name": "r".repeat(2_000)}}).to_string(),
    ] {
        let reply = taking
            .send("/sfu_webhook", Some(&signed(&body, SECRET)), body.clone())
            .await;
        reply.assert_refused(400, "M_NOT_JSON");
    }
    let large = "x".repeat(64 * 1024 + 1);
    let reply = taking
        .send("/sfu_webhook", Some(&signed(&large, SECRET)), large)
        .await;
    reply.assert_refused(413, "M_TOO_LARGE");
    assert_eq!(taking.world.told().await, Vec::<String>::new());
}
