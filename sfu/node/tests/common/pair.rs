//! Two people who hold a call and do nothing else: what they can tell of what others do.

use super::device::{Device, Heard, OPUS, Packet, RELIABLE};
use super::{Sfu, announcement, start};
use livekit_protocol::data_packet::Value;
use livekit_protocol::signal_request::Message as Ask;
use livekit_protocol::{DataPacket, TrackSource, UserPacket};
use prost::Message as _;

const SSRC: u32 = 4711;

/// Rounds until the first sound has to be heard, each as long as a message takes.
const FIRST_ROUNDS_MAX: usize = 100;

/// One speaks and writes, the other hears and reads.
pub struct Pair {
    pub speaker: Device,
    pub listener: Device,
    listener_identity: String,
    /// What the listener gets of the speaker's microphone.
    ssrc: u32,
    round: u64,
}

impl Pair {
    /// In a room, by the names `… speaks` and `… listens`.
    pub async fn meet(sfu: &Sfu, room: &str, name: &str) -> Pair {
        let listener_identity = format!("{name} listens");
        let mut listener = Device::join(sfu, room, &listener_identity).await;
        let mut speaker = Device::join(sfu, room, &format!("{name} speaks")).await;
        let Ask::AddTrack(request) = announcement(TrackSource::Microphone) else {
            panic!("an announcement is no other request")
        };
        let sid = speaker.publish(request, SSRC).await;
        listener.receive(1).await;
        let ssrc = listener.incoming[&sid];
        let mut pair = Pair {
            speaker,
            listener,
            listener_identity,
            ssrc,
            round: 0,
        };
        for _ in 0..FIRST_ROUNDS_MAX {
            if pair.round().await {
                return pair;
            }
        }
        panic!("{name} is never heard");
    }

    /// A packet of sound, and a message behind it. The message arrives, each in its turn; whether the sound has.
    async fn round(&mut self) -> bool {
        self.round += 1;
        let round = self.round.to_be_bytes().to_vec();
        self.speaker.send(Packet {
            payload_type: OPUS,
            marker: false,
            ssrc: SSRC,
            index: self.round,
            extensions: Vec::new(),
            payload: round.clone(),
        });
        let user = UserPacket {
            payload: round.clone(),
            topic: Some("pair".to_owned()),
            ..UserPacket::default()
        };
        let packet = DataPacket {
            destination_identities: vec![self.listener_identity.clone()],
            value: Some(Value::User(user)),
            ..DataPacket::default()
        };
        self.speaker.write(RELIABLE, packet.encode_to_vec());
        let mut is_heard = false;
        loop {
            match self.listener.hear().await {
                Heard::Media { ssrc, payload } => is_heard |= ssrc == self.ssrc && payload == round,
                Heard::Data { payload, .. } => {
                    let packet = DataPacket::decode(&payload[..]).ok();
                    if let Some(Value::User(user)) = packet.and_then(|packet| packet.value)
                        && user.topic.as_deref() == Some("pair")
                    {
                        assert_eq!(user.payload, round, "in order, and each once");
                        return is_heard;
                    }
                }
                Heard::Open { .. } => {}
            }
        }
    }

    /// The listener gets a message of the server's on this topic, as it is.
    pub async fn hears(&mut self, topic: &str, expected: &[u8]) {
        loop {
            if let Heard::Data { payload, .. } = self.listener.hear().await
                && let Some(Value::User(user)) = DataPacket::decode(&payload[..]).unwrap().value
                && user.topic.as_deref() == Some(topic)
            {
                assert!(user.payload == expected, "it is cut, or another one");
                return;
            }
        }
    }

    /// Every message arrives, nearly all of the sound does, and both are served.
    pub async fn goes_on(&mut self) {
        let rounds = 40;
        let mut heard = 0;
        for _ in 0..rounds {
            heard += usize::from(self.round().await);
        }
        // Loopback may lose some when a buffer of the system is full.
        assert!(heard * 10 >= rounds * 9, "{heard} of {rounds} packets were heard");
        self.speaker.participant.is_served().await;
        self.listener.participant.is_served().await;
    }
}

/// A server with two calls that have nothing to do with what a test does: one in the room where it happens, one in another.
pub struct Calls {
    pub sfu: Sfu,
    /// In `room`.
    pub near: Pair,
    pub far: Pair,
}

impl Calls {
    pub async fn begin() -> Calls {
        let sfu = start("").await;
        let near = Pair::meet(&sfu, "room", "near").await;
        let far = Pair::meet(&sfu, "another room", "far").await;
        Calls { sfu, near, far }
    }

    /// See [`Pair::goes_on`].
    pub async fn go_on(&mut self) {
        tokio::join!(self.near.goes_on(), self.far.goes_on());
    }
}
