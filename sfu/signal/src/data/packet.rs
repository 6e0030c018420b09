//! LiveKit's `DataPacket` on its way through us: read to know where it goes, and written anew only where it says who sent it
//! and to whom. Everything else stays byte by byte what the sender wrote, also what is newer than this code.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use hanse_sfu_core::command::DataChannel;
use livekit_protocol::data_packet::{Kind, Value};
use livekit_protocol::data_stream::header::ContentHeader;
use livekit_protocol::{DataPacket, UserPacket};
use prost::Message;
use prost::encoding::{DecodeContext, WireType, decode_key, encode_key, encode_varint, skip_field};

/// Fields of `DataPacket` (livekit_models.proto).
mod field {
    pub const KIND: u32 = 1;
    pub const USER: u32 = 2;
    pub const IDENTITY: u32 = 4;
    pub const DESTINATIONS: u32 = 5;
    pub const SID: u32 = 17;
    /// Those of the `value` oneof that have a name today.
    pub const VALUES: [u32; 13] = [2, 3, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 18];
}

/// Fields of `UserPacket`.
mod user_field {
    pub const SID: u32 = 1;
    pub const IDENTITY: u32 = 5;
    pub const DESTINATIONS: u32 = 6;
}

/// Who a packet says that it comes from; empty for a hidden participant, and for the server.
#[derive(Clone, Copy, Default)]
pub(super) struct Sender<'a> {
    pub identity: &'a str,
    pub sid: &'a str,
    /// Agents may speak in the name of others, where the packet then says that it was generated.
    pub is_agent: bool,
}

/// A packet that may be passed on.
pub(super) struct Packet {
    raw: Bytes,
    decoded: DataPacket,
}

impl Packet {
    /// Reads what a participant has sent. `None`: it is not a packet, or of a kind that is not for people to send: nothing
    /// that only the server may say (speakers), and no transcription unless by an agent.
    pub fn parse(raw: Bytes, is_agent: bool) -> Option<Self> {
        let mut decoded = DataPacket::decode(raw.clone()).ok()?;
        let mut values = 0;
        for_each_field(&raw, |tag, _, _| {
            values += usize::from(field::VALUES.contains(&tag))
        })?;
        // Two of a oneof: each receiver might take another one for the packet.
        if values > 1 {
            return None;
        }
        match &mut decoded.value {
            #[expect(deprecated, reason = "nobody but a server of long ago sent it")]
            Some(Value::Speaker(_)) => return None,
            Some(Value::Transcription(_)) if !is_agent => return None,
            Some(Value::User(user)) if decoded.destination_identities.is_empty() => {
                #[expect(deprecated, reason = "clients of long ago say it here")]
                decoded
                    .destination_identities
                    .clone_from(&user.destination_identities);
            }
            _ => {}
        }
        Some(Packet { raw, decoded })
    }

    /// A packet of the server itself, or what somebody has sent by a channel without packets.
    pub fn of(user: UserPacket, destinations: Vec<String>) -> Self {
        let decoded = DataPacket {
            destination_identities: destinations,
            value: Some(Value::User(user)),
            ..DataPacket::default()
        };
        Packet {
            raw: decoded.encode_to_vec().into(),
            decoded,
        }
    }

    /// Its number among the sender's reliable packets; 0: it has none.
    pub fn sequence(&self) -> u32 {
        self.decoded.sequence
    }

    /// Whom it is for, by identity. Empty here and in [`Packet::sids`]: for everybody else.
    pub fn identities(&self) -> &[String] {
        &self.decoded.destination_identities
    }

    /// Whom it is for, by sid: the way of clients of long ago.
    pub fn sids(&self) -> &[String] {
        #[expect(deprecated, reason = "clients of long ago say it here")]
        self.user().map_or(&[], |user| &user.destination_sids)
    }

    /// It names nobody.
    pub fn is_for_all(&self) -> bool {
        self.identities().is_empty() && self.sids().is_empty()
    }

    /// What it carries; `None`: something newer than this code.
    pub fn value(&self) -> Option<&Value> {
        self.decoded.value.as_ref()
    }

    /// What it carries, if that is the user's own bytes.
    pub fn user(&self) -> Option<&UserPacket> {
        match &self.decoded.value {
            Some(Value::User(user)) => Some(user),
            _ => None,
        }
    }

    /// As its receivers get it.
    pub fn encode(&self, sender: Sender<'_>, channel: DataChannel) -> Option<Bytes> {
        let kind = if channel.is_lossy() {
            Kind::Lossy
        } else {
            Kind::Reliable
        };
        if sender.is_agent
            && let Some(packet) = self.in_the_name_of_another(sender, kind)
        {
            return Some(packet.encode_to_vec().into());
        }
        let names = sender.identity.len() + sender.sid.len();
        let mut out = BytesMut::with_capacity(self.raw.len() + 2 * names + 64);
        if kind != Kind::Reliable {
            encode_key(field::KIND, WireType::Varint, &mut out);
            encode_varint(kind as u64, &mut out);
        }
        for_each_field(&self.raw, |tag, whole, content| match tag {
            field::KIND | field::IDENTITY | field::DESTINATIONS | field::SID => {}
            field::USER => self.encode_user(content, sender, &mut out),
            _ => out.put_slice(whole),
        })?;
        put_text(field::IDENTITY, sender.identity, &mut out);
        for destination in self.identities() {
            put_text(field::DESTINATIONS, destination, &mut out);
        }
        put_text(field::SID, sender.sid, &mut out);
        Some(out.freeze())
    }

    /// The older fields of a user's packet say the same once more.
    fn encode_user(&self, content: &[u8], sender: Sender<'_>, out: &mut BytesMut) {
        let mut user = BytesMut::with_capacity(content.len() + sender.identity.len() + 64);
        // It was decoded before, so it is whole.
        let _ = for_each_field(content, |tag, whole, _| match tag {
            user_field::SID | user_field::IDENTITY | user_field::DESTINATIONS => {}
            _ => user.put_slice(whole),
        });
        put_text(user_field::SID, sender.sid, &mut user);
        put_text(user_field::IDENTITY, sender.identity, &mut user);
        for destination in self.identities() {
            put_text(user_field::DESTINATIONS, destination, &mut user);
        }
        encode_key(field::USER, WireType::LengthDelimited, out);
        encode_varint(user.len() as u64, out);
        out.put_slice(&user);
    }

    /// An agent's chat message or text that keeps the identity which the agent gave it.
    fn in_the_name_of_another(&self, sender: Sender<'_>, kind: Kind) -> Option<DataPacket> {
        let named = &self.decoded.participant_identity;
        if named.is_empty() || named == sender.identity {
            return None;
        }
        let mut packet = self.decoded.clone();
        match &mut packet.value {
            Some(Value::ChatMessage(message)) => message.generated = true,
            Some(Value::StreamHeader(header)) => match &mut header.content_header {
                Some(ContentHeader::TextHeader(text)) => text.generated = true,
                _ => return None,
            },
            _ => return None,
        }
        #[expect(deprecated, reason = "clients of long ago read it")]
        {
            packet.kind = kind.into();
        }
        packet.participant_sid = sender.sid.to_owned();
        Some(packet)
    }
}

fn put_text(tag: u32, text: &str, out: &mut BytesMut) {
    if !text.is_empty() {
        encode_key(tag, WireType::LengthDelimited, out);
        encode_varint(text.len() as u64, out);
        out.put_slice(text.as_bytes());
    }
}

/// Calls for each field with its number, all of its bytes, and what is behind its key and length. `None`: the message is
/// broken.
fn for_each_field(message: &[u8], mut take: impl FnMut(u32, &[u8], &[u8])) -> Option<()> {
    let mut rest = message;
    while rest.has_remaining() {
        let start = rest;
        let (tag, wire_type) = decode_key(&mut rest).ok()?;
        let mut content = rest;
        if wire_type == WireType::LengthDelimited {
            prost::encoding::decode_varint(&mut content).ok()?;
        }
        skip_field(wire_type, tag, &mut rest, DecodeContext::default()).ok()?;
        let whole = start.get(..start.len().checked_sub(rest.len())?)?;
        let content = content.get(..content.len().checked_sub(rest.len())?)?;
        take(tag, whole, content);
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ALICE: Sender<'_> = Sender {
        identity: "alice",
        sid: "PA_alice",
        is_agent: false,
    };

    fn decoded(packet: &Packet, sender: Sender<'_>, channel: DataChannel) -> DataPacket {
        DataPacket::decode(packet.encode(sender, channel).unwrap()).unwrap()
    }

    #[test]
    #[expect(deprecated, reason = "the older fields are what this is about")]
    fn a_packet_says_the_truth_about_its_sender_in_all_its_fields() {
        let lie = DataPacket {
            kind: Kind::Reliable.into(),
            participant_identity: "bob".to_owned(),
            participant_sid: "PA_bob".to_owned(),
            sequence: 7,
            value: Some(Value::User(UserPacket {
                participant_sid: "PA_bob".to_owned(),
                participant_identity: "bob".to_owned(),
                payload: vec![1, 2, 3],
                topic: Some("topic".to_owned()),
                destination_identities: vec!["carol".to_owned()],
                ..UserPacket::default()
            })),
            ..DataPacket::default()
        };
        let packet = Packet::parse(lie.encode_to_vec().into(), false).unwrap();
        assert_eq!(packet.identities(), ["carol"]);
        let told = decoded(&packet, ALICE, DataChannel::Lossy);
        assert_eq!((told.kind(), told.sequence), (Kind::Lossy, 7));
        assert_eq!(
            (&*told.participant_identity, &*told.participant_sid),
            ("alice", "PA_alice")
        );
        assert_eq!(told.destination_identities, ["carol"]);
        let Some(Value::User(user)) = told.value else {
            panic!()
        };
        assert_eq!(
            (&*user.participant_identity, &*user.participant_sid),
            ("alice", "PA_alice")
        );
        assert_eq!(
            (user.payload, user.topic.as_deref()),
            (vec![1, 2, 3], Some("topic"))
        );
        assert_eq!(user.destination_identities, ["carol"]);
        let told = decoded(&packet, Sender::default(), DataChannel::Reliable);
        assert_eq!((&*told.participant_identity, &*told.participant_sid), ("", ""));
        let Some(Value::User(user)) = told.value else {
            panic!()
        };
        assert_eq!((&*user.participant_identity, &*user.participant_sid), ("", ""));
    }

    #[test]
    fn what_is_newer_than_this_code_passes_byte_by_byte() {
        // Field 99 with a text, and field 120 with a number.
        let mut newer = vec![0x9a, 0x06, 3, b'n', b'e', b'w', 0xc0, 0x07, 5];
        let packet = Packet::parse(newer.clone().into(), false).unwrap();
        let told = packet.encode(ALICE, DataChannel::Reliable).unwrap();
        assert!(told.starts_with(&newer));
        // The same inside a user's packet.
        let mut user = vec![0x12, newer.len() as u8 + 2];
        user.append(&mut newer.clone());
        user.extend([0x22, 0]);
        let packet = Packet::parse(user.into(), false).unwrap();
        let told = packet.encode(ALICE, DataChannel::Reliable).unwrap();
        newer.extend([0x22, 0]);
        assert!(told.windows(newer.len()).any(|window| window == newer));
    }

    #[test]
    fn an_encrypted_packet_is_not_touched() {
        let value = Value::EncryptedPacket(livekit_protocol::EncryptedPacket {
            iv: vec![9; 12],
            key_index: 3,
            encrypted_value: vec![7; 1000],
            ..Default::default()
        });
        let packet = DataPacket {
            value: Some(value.clone()),
            ..DataPacket::default()
        };
        let packet = Packet::parse(packet.encode_to_vec().into(), false).unwrap();
        assert_eq!(decoded(&packet, ALICE, DataChannel::Reliable).value, Some(value));
    }

    #[test]
    fn two_values_in_one_packet_are_refused_and_so_is_what_only_a_server_may_say() {
        let chat = DataPacket {
            value: Some(Value::ChatMessage(Default::default())),
            ..DataPacket::default()
        };
        let user = DataPacket {
            value: Some(Value::User(UserPacket::default())),
            ..DataPacket::default()
        };
        assert!(Packet::parse(chat.encode_to_vec().into(), false).is_some());
        let both = [chat.encode_to_vec(), user.encode_to_vec()].concat();
        assert!(Packet::parse(both.into(), false).is_none());
        let transcription = DataPacket {
            value: Some(Value::Transcription(Default::default())),
            ..DataPacket::default()
        };
        let transcription: Bytes = transcription.encode_to_vec().into();
        assert!(Packet::parse(transcription.clone(), false).is_none());
        assert!(Packet::parse(transcription, true).is_some());
        #[expect(deprecated, reason = "it is refused")]
        let speaker = Value::Speaker(Default::default());
        let packet = DataPacket {
            value: Some(speaker),
            ..DataPacket::default()
        };
        assert!(Packet::parse(packet.encode_to_vec().into(), true).is_none());
    }

    #[test]
    fn an_agent_may_write_in_the_name_of_another_but_it_shows() {
        let chat = DataPacket {
            participant_identity: "bob".to_owned(),
            value: Some(Value::ChatMessage(Default::default())),
            ..DataPacket::default()
        };
        let chat: Bytes = chat.encode_to_vec().into();
        let agent = Sender {
            is_agent: true,
            ..ALICE
        };
        let told = decoded(
            &Packet::parse(chat.clone(), true).unwrap(),
            agent,
            DataChannel::Reliable,
        );
        assert_eq!(
            (&*told.participant_identity, &*told.participant_sid),
            ("bob", "PA_alice")
        );
        assert!(matches!(told.value, Some(Value::ChatMessage(message)) if message.generated));
        let told = decoded(&Packet::parse(chat, false).unwrap(), ALICE, DataChannel::Reliable);
        assert_eq!(told.participant_identity, "alice");
    }

    proptest! {
        #[test]
        fn no_bytes_panic_and_nobody_speaks_in_anothers_name(raw in proptest::collection::vec(any::<u8>(), 0..300)) {
            if let Some(packet) = Packet::parse(raw.into(), false) {
                let told = decoded(&packet, ALICE, DataChannel::Lossy);
                prop_assert_eq!(&told.participant_identity, "alice");
                prop_assert_eq!(&told.participant_sid, "PA_alice");
            }
        }
    }
}
