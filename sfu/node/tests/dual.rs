//! The older form of the protocol on the wire: `GET /rtc` with a query, and an offer of the server's.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)] // A test may panic.

mod common;

use common::{OFFER, Participant, Sfu, join_path, refused, sdp_value, start, token};
use livekit_protocol::leave_request::Action;
use livekit_protocol::{
    AddTrackRequest, DisconnectReason, JoinResponse, SessionDescription, SignalTarget, TrackSource,
    TrackType, signal_request, signal_response,
};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

/// As livekit-client asks.
fn path(token: &str, more: &str) -> String {
    format!("/rtc?access_token={token}&auto_subscribe=1&sdk=js&version=2.23.0&protocol=17{more}")
}

async fn join(sfu: &Sfu, identity: &str, more: &str) -> (Participant, JoinResponse) {
    let mut participant = sfu.connect(&path(&token("room", identity), more)).await.unwrap();
    match participant.message().await {
        signal_response::Message::Join(join) => (participant, join),
        other => panic!("the first message is {other:?}"),
    }
}

async fn offer_of(participant: &mut Participant) -> SessionDescription {
    participant
        .wait_for(|message| match message {
            signal_response::Message::Offer(offer) => Some(offer),
            _ => None,
        })
        .await
}

#[tokio::test]
async fn a_join_by_query_is_answered_with_an_offer_and_both_connections_have_candidates() {
    let sfu = start("").await;
    let (mut alice, join) = join(&sfu, "alice", "&client_protocol=2").await;
    assert!(join.subscriber_primary && join.fast_publish);
    assert_eq!(join.participant.unwrap().client_protocol, 2);
    let offer = offer_of(&mut alice).await;
    assert!((1..=255).contains(&offer.id) && offer.r#type == "offer");
    assert_eq!(sdp_value(&offer.sdp, "setup"), "actpass");
    assert!(
        offer
            .sdp
            .contains("m=application 9 UDP/DTLS/SCTP webrtc-datachannel")
    );
    let target = |message| match message {
        signal_response::Message::Trickle(trickle) => Some(trickle.target()),
        _ => None,
    };
    assert_eq!(alice.wait_for(target).await, SignalTarget::Subscriber);
    // What she publishes goes the other way, by a transport of its own.
    alice
        .send(signal_request::Message::Offer(SessionDescription {
            r#type: "offer".to_owned(),
            sdp: OFFER.to_owned(),
            id: 1,
            ..SessionDescription::default()
        }))
        .await;
    let answer = alice
        .wait_for(|message| match message {
            signal_response::Message::Answer(answer) => Some(answer),
            _ => None,
        })
        .await;
    assert_eq!(answer.id, 1);
    assert_ne!(
        sdp_value(&answer.sdp, "ice-ufrag"),
        sdp_value(&offer.sdp, "ice-ufrag")
    );
    assert_eq!(alice.wait_for(target).await, SignalTarget::Publisher);
    alice.is_served().await;
    sfu.node.stop().await;
}

#[tokio::test]
async fn people_of_both_forms_are_in_one_room() {
    let sfu = start("").await;
    let (mut alice, _) = join(&sfu, "alice", "").await;
    let (mut bob, join) = sfu.join("room", "bob").await;
    assert!(!join.subscriber_primary);
    assert_eq!(join.other_participants[0].identity, "alice");
    let came = alice
        .wait_for(|message| match message {
            signal_response::Message::Update(update) => {
                update.participants.into_iter().find(|it| it.identity == "bob")
            }
            _ => None,
        })
        .await;
    assert_eq!(came.identity, "bob");
    for participant in [&mut alice, &mut bob] {
        participant
            .send(signal_request::Message::AddTrack(AddTrackRequest {
                cid: "mic".to_owned(),
                r#type: TrackType::Audio.into(),
                source: TrackSource::Microphone.into(),
                ..AddTrackRequest::default()
            }))
            .await;
        let track = participant
            .wait_for(|message| match message {
                signal_response::Message::TrackPublished(published) => published.track,
                _ => None,
            })
            .await;
        assert!(track.sid.starts_with("TR_AM"));
    }
    sfu.node.stop().await;
}

#[tokio::test]
async fn whoever_wants_to_resume_is_told_to_join_anew_first() {
    let sfu = start("").await;
    let again = path(
        &token("room", "alice"),
        "&reconnect=1&sid=PA_123456789012&reconnect_reason=2",
    );
    let mut alice = sfu.connect(&again).await.unwrap();
    let signal_response::Message::Leave(leave) = alice.message().await else {
        panic!("no leave");
    };
    assert_eq!(
        (leave.reason(), leave.action(), leave.can_reconnect),
        (DisconnectReason::StateMismatch, Action::Reconnect, true)
    );
    assert_eq!(
        alice.closed().await.map(|frame| u16::from(frame.code)),
        Some(1000)
    );
    sfu.node.stop().await;
}

#[tokio::test]
async fn the_query_is_checked_and_validation_says_what_the_join_would_get() {
    let sfu = start("").await;
    let good = token("room", "alice");
    let validate = async |path: &str| {
        let response = reqwest::get(sfu.url(&path.replacen("/rtc?", "/rtc/validate?", 1)))
            .await
            .unwrap();
        assert_eq!(response.headers()["access-control-allow-origin"], "*");
        (response.status().as_u16(), response.text().await.unwrap())
    };
    assert_eq!(validate(&path(&good, "")).await, (200, "success".to_owned()));
    // No token, a broken one.
    assert_eq!(validate("/rtc?protocol=17").await.0, 401);
    assert_eq!(sfu.connect("/rtc?protocol=17").await.err().unwrap().status, 401);
    assert_eq!(sfu.connect(&path("broken", "")).await.err().unwrap().status, 401);
    // Attributes need a right, and broken ones are told to whoever asks and forgotten otherwise.
    let brought = path(&good, "&attributes=eyJhIjoiYiJ9");
    assert_eq!(validate(&brought).await.0, 401);
    assert_eq!(sfu.connect(&brought).await.err().unwrap().status, 401);
    let broken = path(&good, "&attributes=%7B");
    assert_eq!(
        validate(&broken).await,
        (400, "cannot decode attributes".to_owned())
    );
    assert!(sfu.connect(&broken).await.is_ok());
    // An empty join request is none.
    assert!(sfu.connect(&path(&good, "&join_request=")).await.is_ok());
    assert_eq!(
        sfu.connect(&join_path(&good).replacen("/rtc/v1", "/rtc", 1).replacen(
            "join_request=",
            "join_request=!",
            1
        ))
        .await
        .err()
        .map(|refused| refused.status),
        Some(400)
    );
    // The newer form still needs one.
    let missing = sfu
        .connect(&path(&good, "").replacen("/rtc", "/rtc/v1", 1))
        .await
        .err();
    assert_eq!(missing, Some(refused(400, "join_request is required")));
    sfu.node.stop().await;
}

#[tokio::test]
async fn the_token_may_come_in_a_header_and_a_second_connection_only_publishes() {
    let sfu = start("").await;
    let mut request = sfu
        .url("/rtc?protocol=13&sdk=go&publish=screen")
        .replacen("http", "ws", 1)
        .into_client_request()
        .unwrap();
    let bearer = format!("Bearer {}", token("room", "alice"));
    request
        .headers_mut()
        .insert("Authorization", bearer.parse().unwrap());
    let (socket, _) = tokio_tungstenite::connect_async(request).await.unwrap();
    let mut alice = Participant::new(socket);
    let signal_response::Message::Join(join) = alice.message().await else {
        panic!("no join");
    };
    let own = join.participant.unwrap();
    assert_eq!(own.identity, "alice#screen");
    assert!(!own.permission.unwrap().can_subscribe && !join.subscriber_primary);
    sfu.node.stop().await;
}

#[tokio::test]
async fn a_client_may_speak_json_in_either_spelling_and_with_nulls() {
    let sfu = start("").await;
    let (mut alice, _) = join(&sfu, "alice", "").await;
    offer_of(&mut alice).await;
    for (cid, json) in [
        (
            "one",
            r#"{"addTrack": {"cid": "one", "type": "AUDIO", "source": "MICROPHONE", "disableDtx": true, "sid": null, "muted": null}}"#,
        ),
        (
            "two",
            r#"{"add_track": {"cid": "two", "type": 0, "source": 2, "disable_dtx": true, "width": "0", "unheard_of": [null]}, "ping": null}"#,
        ),
    ] {
        alice.socket.send_text(json).await;
        let published = loop {
            if let Message::Text(text) = alice.frame().await {
                let message: serde_json::Value = serde_json::from_str(&text).unwrap();
                if let Some(published) = message.get("trackPublished") {
                    break published.clone();
                }
            }
        };
        assert_eq!(published["cid"], cid);
        assert_eq!(published["track"]["source"], "MICROPHONE");
        assert_eq!(published["track"]["disableDtx"], true);
    }
    // What is no request at all closes the socket with a reason.
    alice.socket.send_text(r#"{"addTrack": 7}"#).await;
    assert_eq!(
        alice.closed().await.map(|frame| u16::from(frame.code)),
        Some(1007)
    );
    sfu.node.stop().await;
}

trait SendText {
    async fn send_text(&mut self, text: &str);
}

impl<S: futures_util::Sink<Message, Error = tokio_tungstenite::tungstenite::Error> + Unpin> SendText for S {
    async fn send_text(&mut self, text: &str) {
        use futures_util::SinkExt;
        self.send(Message::text(text)).await.unwrap();
    }
}
