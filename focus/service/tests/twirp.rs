//! An SFU elsewhere: what it is asked, and what is made of everything else that may answer at its URL.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)] // A test may panic.

mod common;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::{any, post};
use common::{SECRET, key};
use hanse_focus::{NewRoom, Sfu, SfuError, TwirpSfu, twirp::ANSWER_BYTES_MAX};
use http::{HeaderMap, StatusCode};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use livekit_protocol::{CreateRoomRequest, Room};
use prost::Message;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;

/// As `room`, in base64, it has letters that must not end up in a path.
fn room() -> NewRoom {
    NewRoom {
        name: "krj2dgxw2K6E/m9he4GfQJ6J+SVWfJ8a7BkyjZcSmxs".to_owned(),
        empty_timeout_s: 300,
        departure_timeout_s: 20,
    }
}

async fn serve(router: Router) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    url
}

fn sfu(url: &str) -> TwirpSfu {
    TwirpSfu::new(url, key(), hanse_focus::system_clock()).unwrap()
}

/// What comes of it when this answers at the URL.
async fn made_by(router: Router) -> Result<(), SfuError> {
    sfu(&serve(router).await).create_room(&room()).await
}

fn answers(status: u16, body: impl Into<Bytes>) -> Router {
    let body = body.into();
    Router::new().fallback(move || async move { (StatusCode::from_u16(status).unwrap(), body) })
}

type Requests = Arc<Mutex<Vec<(HeaderMap, CreateRoomRequest)>>>;

async fn create_room(State(requests): State<Requests>, headers: HeaderMap, body: Bytes) -> Response {
    let request = CreateRoomRequest::decode(body).unwrap();
    let made = Room {
        sid: "RM_abc".to_owned(),
        name: request.name.clone(),
        ..Room::default()
    };
    requests.lock().unwrap().push((headers, request));
    Body::from(made.encode_to_vec()).into_response()
}

fn livekit(requests: &Requests) -> Router {
    Router::new()
        .route("/sfu/twirp/livekit.RoomService/CreateRoom", post(create_room))
        .with_state(Arc::clone(requests))
}

#[tokio::test]
async fn a_room_is_asked_for_with_a_token_that_makes_rooms_and_joins_none() {
    let requests = Requests::default();
    let url = serve(livekit(&requests)).await;
    for slash in ["", "/"] {
        sfu(&format!("{url}/sfu{slash}"))
            .create_room(&room())
            .await
            .unwrap();
    }
    let requests = requests.lock().unwrap();
    assert_eq!(requests.len(), 2);
    let (headers, request) = &requests[0];
    assert_eq!(request.name, room().name);
    assert_eq!(
        (
            request.empty_timeout,
            request.departure_timeout,
            request.max_participants
        ),
        (300, 20, 0)
    );
    assert_eq!(headers["content-type"], "application/protobuf");
    let token = headers["authorization"].to_str().unwrap();
    let token = token.strip_prefix("Bearer ").unwrap();
    let key = DecodingKey::from_secret(SECRET.as_bytes());
    // With the library's own clock: the token holds now.
    let claims = jsonwebtoken::decode::<Value>(token, &key, &Validation::new(Algorithm::HS256))
        .unwrap()
        .claims;
    assert_eq!(claims["iss"], "devkey");
    assert_eq!(claims["video"], json!({"roomCreate": true}));
    let lifetime = claims["exp"].as_u64().unwrap() - claims["nbf"].as_u64().unwrap();
    assert_eq!(lifetime, 60);
}

#[tokio::test]
async fn what_the_sfu_refuses_is_told_by_its_code_and_a_wrong_key_in_words() {
    let error = |code: &str| json!({"code": code, "msg": "room !kitchen:org-a.example"}).to_string();
    let full = made_by(answers(429, error("resource_exhausted")))
        .await
        .unwrap_err();
    assert!(
        matches!(&full, SfuError::Refused(why) if why.contains("resource_exhausted")),
        "{full}"
    );
    let stranger = made_by(answers(401, error("unauthenticated"))).await.unwrap_err();
    assert!(
        matches!(&stranger, SfuError::Refused(why) if why.contains("API key")),
        "{stranger}"
    );
    for error in [full, stranger] {
        assert!(!error.to_string().contains("kitchen"), "{error}");
    }
}

#[tokio::test]
async fn whatever_else_answers_is_no_sfu() {
    let other_room = Room {
        name: "another".to_owned(),
        ..Room::default()
    };
    for (status, body) in [
        (200, Bytes::from("<html>welcome</html>")),
        (200, Bytes::new()),
        (200, Bytes::from(other_room.encode_to_vec())),
        (404, Bytes::from("<html>nothing</html>")),
        (502, Bytes::new()),
        (500, Bytes::from("{\"code\": \"@alice:org-a.example\"}")),
        (500, Bytes::from("{\"code\": 7}")),
        (500, Bytes::from("[".repeat(1000))),
    ] {
        let error = made_by(answers(status, body)).await.unwrap_err();
        assert!(
            matches!(&error, SfuError::Unreachable(why) if why.contains("not an SFU's server API")),
            "{error}"
        );
        assert!(!error.to_string().contains("alice"), "{error}");
    }
}

#[tokio::test]
async fn an_endless_answer_is_not_read_to_its_end() {
    let endless = any(|| async {
        let chunk = Bytes::from(vec![b'a'; ANSWER_BYTES_MAX]);
        let chunks = futures_util::stream::repeat_with(move || Ok::<_, std::io::Error>(chunk.clone()));
        Body::from_stream(chunks)
    });
    let error = made_by(Router::new().fallback(endless)).await.unwrap_err();
    assert_eq!(error, SfuError::Unreachable("its answer is too long".to_owned()));
}

#[tokio::test]
async fn a_token_is_not_carried_to_where_a_redirect_points() {
    let requests = Requests::default();
    let there = format!(
        "{}/sfu/twirp/livekit.RoomService/CreateRoom",
        serve(livekit(&requests)).await
    );
    for status in [302, 307, 308] {
        let location = there.clone();
        let redirect = Router::new().fallback(move || async move {
            (StatusCode::from_u16(status).unwrap(), [("location", location)])
        });
        assert!(made_by(redirect).await.is_err());
    }
    assert!(requests.lock().unwrap().is_empty());
}

#[tokio::test]
async fn where_nobody_listens_there_is_no_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let error = sfu(&url).create_room(&room()).await.unwrap_err();
    assert!(
        matches!(&error, SfuError::Unreachable(why) if why.contains("no connection")),
        "{error}"
    );
    assert!(!error.to_string().contains("127.0.0.1"), "{error}");
}

/// In virtual time: the socket connects or not, nothing comes, and the clock moves on to the next deadline.
#[tokio::test(start_paused = true)]
async fn an_sfu_that_never_answers_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let error = sfu(&url).create_room(&room()).await.unwrap_err();
    assert_eq!(
        error,
        SfuError::Unreachable("it did not answer in time".to_owned())
    );
}
