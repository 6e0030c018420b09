//! A node on loopback, tokens for it, and participants that speak LiveKit's signalling over a real WebSocket.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)] // A test may panic.
#![allow(dead_code)] // Each test file uses its own part.

pub mod device;
pub mod log;
pub mod pair;
pub mod peer;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE;
use futures_util::{SinkExt, StreamExt};
use hanse_runtime::clock;
use hanse_runtime::config::{Document, Section, Table};
use hanse_sfu::{HttpConfig, Node, SfuConfig};
use hanse_sfu_signal::{ApiKeys, Claims, VideoGrant, sign};
use livekit_protocol::{
    AddTrackRequest, ClientInfo, ConnectionSettings, JoinRequest, JoinResponse, SessionDescription,
    SignalRequest, SignalResponse, TrackSource, TrackType, WrappedJoinRequest, signal_request,
    signal_response,
};
use prost::Message as _;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

/// Nothing here takes long; what has not come by then will not come.
pub const PATIENCE: Duration = Duration::from_secs(20);

pub const SECRET: &str = "a secret for tests that is long enough";

static HTTP: Table = HttpConfig::TABLE;
static SFU: Table = SfuConfig::TABLE;

pub fn keys(secret: &str) -> ApiKeys {
    ApiKeys::new(vec![("devkey".to_owned(), secret.to_owned())]).unwrap()
}

/// A running node and where it is.
pub struct Sfu {
    pub node: Node,
    pub http: SocketAddr,
    pub media: SocketAddr,
}

/// A configuration of defaults, changed by what stands in `toml` under `[sfu]`.
pub fn config(toml: &str) -> (HttpConfig, SfuConfig) {
    let text = format!(
        "[http]\nbind_addresses = [\"127.0.0.1\"]\nport = 0\n\
         [sfu]\nbind_addresses = [\"127.0.0.1\"]\naddresses = [\"127.0.0.1\"]\n{toml}\n"
    );
    let environment = |name: &str| (name == "LIVEKIT_KEYS").then(|| format!("devkey: {SECRET}"));
    let document = Document::load(&[&HTTP, &SFU], Some(("test.toml", &text)), &environment).unwrap();
    (document.section().unwrap(), document.section().unwrap())
}

/// Starts a node with defaults, changed by what stands in `toml` under `[sfu]`.
pub async fn start(toml: &str) -> Sfu {
    let (http, sfu) = config(&format!("udp_port = 0\ntcp_port = 0\n{toml}"));
    let node = Node::start(&http, &sfu).await.unwrap();
    let (http, media) = (node.http_addresses()[0], node.media_addresses()[0].address);
    Sfu { node, http, media }
}

impl Sfu {
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.http)
    }

    /// Asks for a WebSocket at a path.
    pub async fn connect(&self, path: &str) -> Result<Participant, Refused> {
        let connecting = connect_async(format!("ws://{}{path}", self.http));
        match tokio::time::timeout(PATIENCE, connecting)
            .await
            .expect("an answer")
        {
            Ok((socket, _)) => Ok(Participant::new(socket)),
            Err(Error::Http(response)) => {
                let body = response
                    .body()
                    .as_deref()
                    .map(String::from_utf8_lossy)
                    .unwrap_or_default();
                Err(Refused {
                    status: response.status().as_u16(),
                    body: body.into_owned(),
                })
            }
            Err(error) => panic!("{error}"),
        }
    }

    /// Joins a room and takes the first message.
    pub async fn join(&self, room: &str, identity: &str) -> (Participant, JoinResponse) {
        let mut participant = self
            .connect(&join_path(&token(room, identity)))
            .await
            .unwrap_or_else(|refused| {
                panic!("{identity} was refused: {refused:?}");
            });
        match participant.message().await {
            signal_response::Message::Join(join) => (participant, join),
            other => panic!("the first message is {other:?}"),
        }
    }

    /// Whether somebody may join, as `/rtc/v1/validate` has it.
    pub async fn validate(&self, path: &str) -> Refused {
        let response = reqwest::get(self.url(&path.replacen("/rtc/v1", "/rtc/v1/validate", 1)))
            .await
            .unwrap();
        Refused {
            status: response.status().as_u16(),
            body: response.text().await.unwrap(),
        }
    }
}

/// What the HTTP side says.
#[derive(Debug, PartialEq, Eq)]
pub struct Refused {
    pub status: u16,
    pub body: String,
}

pub fn refused(status: u16, body: &str) -> Refused {
    Refused {
        status,
        body: body.to_owned(),
    }
}

pub fn claims(identity: &str, video: VideoGrant) -> Claims {
    Claims {
        identity: identity.to_owned(),
        name: String::new(),
        metadata: String::new(),
        attributes: Default::default(),
        kind: livekit_protocol::participant_info::Kind::Standard,
        not_before_unix_s: 0,
        expires_at_unix_s: 0,
        video,
    }
}

pub fn join_grant(room: &str) -> VideoGrant {
    VideoGrant {
        room_join: true,
        room: room.to_owned(),
        ..VideoGrant::default()
    }
}

/// A token that is valid for ten minutes.
pub fn signed(claims: &Claims) -> String {
    sign(claims, &keys(SECRET), clock::unix_s(), 600).unwrap()
}

pub fn token(room: &str, identity: &str) -> String {
    signed(&claims(identity, join_grant(room)))
}

pub fn admin_token(room: &str) -> String {
    let grant = VideoGrant {
        room_create: true,
        room_list: true,
        room_admin: true,
        room: room.to_owned(),
        ..VideoGrant::default()
    };
    signed(&claims("", grant))
}

/// A token from `age_s` seconds ago that was valid for ten minutes, signed with another secret if one is given.
pub fn odd_token(room: &str, secret: Option<&str>, age_s: u64) -> String {
    let keys = keys(secret.unwrap_or(SECRET));
    sign(
        &claims("mallory", join_grant(room)),
        &keys,
        clock::unix_s() - age_s,
        600,
    )
    .unwrap()
}

pub fn join_request(offer: Option<&str>) -> String {
    encoded(&a_join(offer))
}

/// What a client of today says when it joins.
pub fn a_join(offer: Option<&str>) -> JoinRequest {
    JoinRequest {
        client_info: Some(ClientInfo {
            protocol: 17,
            version: "2.23.0".to_owned(),
            ..ClientInfo::default()
        }),
        connection_settings: Some(ConnectionSettings {
            auto_subscribe: true,
            ..ConnectionSettings::default()
        }),
        publisher_offer: offer.map(|sdp| SessionDescription {
            r#type: "offer".to_owned(),
            sdp: sdp.to_owned(),
            id: 1,
            ..SessionDescription::default()
        }),
        ..JoinRequest::default()
    }
}

fn encoded(request: &JoinRequest) -> String {
    let wrapped = WrappedJoinRequest {
        join_request: request.encode_to_vec(),
        ..WrappedJoinRequest::default()
    };
    BASE64_URL_SAFE.encode(wrapped.encode_to_vec())
}

pub fn join_path(token: &str) -> String {
    join_path_with(token, &a_join(None))
}

pub fn join_path_with(token: &str, request: &JoinRequest) -> String {
    format!(
        "/rtc/v1?access_token={token}&join_request={}",
        encoded(request).replace('=', "%3D")
    )
}

pub fn join_path_with_offer(token: &str, offer: &str) -> String {
    join_path_with(token, &a_join(Some(offer)))
}

/// A participant's end of the WebSocket.
pub struct Participant {
    pub socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    /// It speaks in text frames; then it is answered in them.
    pub speaks_json: bool,
    /// What it was told, and whether in JSON.
    pub seen: BTreeSet<(&'static str, bool)>,
}

impl Participant {
    pub fn new(socket: WebSocketStream<MaybeTlsStream<TcpStream>>) -> Participant {
        Participant {
            socket,
            speaks_json: false,
            seen: BTreeSet::new(),
        }
    }

    pub async fn send(&mut self, message: signal_request::Message) {
        let request = SignalRequest {
            message: Some(message),
        };
        let frame = if self.speaks_json {
            Message::text(serde_json::to_string(&request).unwrap())
        } else {
            Message::Binary(request.encode_to_vec().into())
        };
        self.socket.send(frame).await.unwrap();
    }

    /// The next frame that is no control frame.
    pub async fn frame(&mut self) -> Message {
        loop {
            let frame = tokio::time::timeout(PATIENCE, self.socket.next())
                .await
                .expect("a frame in time");
            match frame.expect("a frame before the end").unwrap() {
                Message::Ping(_) | Message::Pong(_) => {}
                frame => return frame,
            }
        }
    }

    /// The next message.
    pub async fn message(&mut self) -> signal_response::Message {
        let (response, is_json) = match self.frame().await {
            Message::Binary(frame) => (SignalResponse::decode(frame).unwrap(), false),
            Message::Text(frame) => (serde_json::from_str(&frame).unwrap(), true),
            other => panic!("no frame but {other:?}"),
        };
        assert!(
            self.speaks_json || !is_json,
            "{response:?} in a form that it does not speak"
        );
        let message = response.message.unwrap();
        self.seen.insert((response_name(&message), is_json));
        message
    }

    /// The next message of a kind; others are skipped.
    pub async fn wait_for<T>(&mut self, want: impl Fn(signal_response::Message) -> Option<T>) -> T {
        loop {
            if let Some(found) = want(self.message().await) {
                return found;
            }
        }
    }

    /// Shows that this participant is still served.
    pub async fn is_served(&mut self) {
        self.send(signal_request::Message::Ping(1)).await;
        self.wait_for(|message| matches!(message, signal_response::Message::Pong(_)).then_some(()))
            .await;
    }

    /// How the server closes the socket; messages before that are skipped.
    pub async fn closed(&mut self) -> Option<CloseFrame> {
        loop {
            match tokio::time::timeout(PATIENCE, self.socket.next())
                .await
                .expect("an end in time")
            {
                Some(Ok(Message::Close(frame))) => return frame,
                Some(Ok(_)) => {}
                Some(Err(error)) => panic!("the connection broke: {error}"),
                None => return None,
            }
        }
    }
}

/// The smallest offer that has a transport: one data section.
pub const OFFER: &str = "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n\
    m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\n\
    a=ice-ufrag:alic\r\na=ice-pwd:alicesPasswordIsLongEnough\r\na=ice-options:trickle\r\n\
    a=fingerprint:sha-256 00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF\r\n\
    a=setup:actpass\r\na=mid:0\r\na=sctp-port:5000\r\na=max-message-size:262144\r\n";

/// A line of an SDP, without what stands before the colon.
pub fn sdp_value<'a>(sdp: &'a str, name: &str) -> &'a str {
    sdp.lines()
        .find_map(|line| line.strip_prefix(&format!("a={name}:")))
        .unwrap_or_else(|| panic!("no {name}: {sdp}"))
}

/// The announcement of a track as a client makes it.
pub fn announcement(source: TrackSource) -> signal_request::Message {
    let is_video = matches!(source, TrackSource::Camera | TrackSource::ScreenShare);
    let kind = if is_video {
        TrackType::Video
    } else {
        TrackType::Audio
    };
    signal_request::Message::AddTrack(AddTrackRequest {
        cid: format!("{source:?}"),
        r#type: kind.into(),
        source: source.into(),
        width: if is_video { 1280 } else { 0 },
        height: if is_video { 720 } else { 0 },
        ..AddTrackRequest::default()
    })
}

/// What a message is called in `livekit_rtc.proto`. Kinds that `livekit-protocol` adds do not compile until they have a name
/// here.
pub fn response_name(message: &signal_response::Message) -> &'static str {
    use signal_response::Message as Told;
    match message {
        Told::Join(_) => "join",
        Told::Answer(_) => "answer",
        Told::Offer(_) => "offer",
        Told::Trickle(_) => "trickle",
        Told::Update(_) => "update",
        Told::TrackPublished(_) => "track_published",
        Told::Leave(_) => "leave",
        Told::Mute(_) => "mute",
        Told::SpeakersChanged(_) => "speakers_changed",
        Told::RoomUpdate(_) => "room_update",
        Told::ConnectionQuality(_) => "connection_quality",
        Told::StreamStateUpdate(_) => "stream_state_update",
        Told::SubscribedQualityUpdate(_) => "subscribed_quality_update",
        Told::SubscriptionPermissionUpdate(_) => "subscription_permission_update",
        Told::RefreshToken(_) => "refresh_token",
        Told::TrackUnpublished(_) => "track_unpublished",
        Told::Pong(_) => "pong",
        Told::Reconnect(_) => "reconnect",
        Told::PongResp(_) => "pong_resp",
        Told::SubscriptionResponse(_) => "subscription_response",
        Told::RequestResponse(_) => "request_response",
        Told::TrackSubscribed(_) => "track_subscribed",
        Told::RoomMoved(_) => "room_moved",
        Told::MediaSectionsRequirement(_) => "media_sections_requirement",
        Told::SubscribedAudioCodecUpdate(_) => "subscribed_audio_codec_update",
        Told::PublishDataTrackResponse(_) => "publish_data_track_response",
        Told::UnpublishDataTrackResponse(_) => "unpublish_data_track_response",
        Told::DataTrackSubscriberHandles(_) => "data_track_subscriber_handles",
        Told::StoreDataBlobResponse(_) => "store_data_blob_response",
        Told::GetDataBlobResponse(_) => "get_data_blob_response",
    }
}
