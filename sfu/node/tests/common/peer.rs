//! A participant with a transport, as far as STUN goes.

use super::{OFFER, PATIENCE, Participant, Sfu, join_path_with_offer, sdp_value, token};
use livekit_protocol::signal_response;
use rtc_stun::attributes::{ATTR_USE_CANDIDATE, ATTR_USERNAME, RawAttribute};
use rtc_stun::fingerprint::FINGERPRINT;
use rtc_stun::integrity::MessageIntegrity;
use rtc_stun::message::{BINDING_REQUEST, BINDING_SUCCESS, Message as Stun, TransactionId};
use rtc_stun::textattrs::TextAttribute;
use std::net::SocketAddr;
use tokio::net::UdpSocket;

/// A participant with a transport, and what its STUN checks need.
pub struct Peer {
    pub participant: Participant,
    pub answer: String,
    pub username: String,
    pub password: String,
}

impl Peer {
    pub async fn join(sfu: &Sfu, identity: &str) -> Peer {
        let path = join_path_with_offer(&token("room", identity), OFFER);
        let mut participant = sfu.connect(&path).await.unwrap();
        let answer = participant
            .wait_for(|message| match message {
                signal_response::Message::Answer(answer) => Some(answer.sdp),
                _ => None,
            })
            .await;
        let username = format!(
            "{}:{}",
            sdp_value(&answer, "ice-ufrag"),
            sdp_value(OFFER, "ice-ufrag")
        );
        Peer {
            participant,
            username,
            password: sdp_value(&answer, "ice-pwd").to_owned(),
            answer,
        }
    }
}

pub fn check(username: &str, password: &str) -> Vec<u8> {
    let provider = rtc_crypto::default_provider().unwrap();
    let mut message = Stun::new();
    message
        .build(&[
            Box::new(TransactionId::new()),
            Box::new(BINDING_REQUEST),
            Box::new(TextAttribute::new(ATTR_USERNAME, username.to_owned())),
            Box::new(RawAttribute {
                typ: ATTR_USE_CANDIDATE,
                length: 0,
                value: Vec::new(),
            }),
            Box::new(MessageIntegrity::new_short_term_integrity_with_provider(
                password.to_owned(),
                provider.crypto(),
            )),
            Box::new(FINGERPRINT),
        ])
        .unwrap();
    message.raw
}

/// Shows that the shard lives: a proper check is answered. Checks are repeated as ICE repeats them, since UDP may lose
/// some.
pub async fn is_answered(socket: &UdpSocket, media: SocketAddr, peer: &Peer) {
    let answered = async {
        let mut buffer = [0; 2048];
        loop {
            socket
                .send_to(&check(&peer.username, &peer.password), media)
                .await
                .unwrap();
            let wait = tokio::time::timeout(
                std::time::Duration::from_millis(200),
                socket.recv_from(&mut buffer),
            );
            let Ok(Ok((len, from))) = wait.await else { continue };
            assert_eq!(from, media);
            let mut answer = Stun::new();
            answer.unmarshal_binary(&buffer[..len]).unwrap();
            if answer.typ == BINDING_SUCCESS {
                return;
            }
        }
    };
    tokio::time::timeout(PATIENCE, answered)
        .await
        .expect("an answer to a proper check");
}
