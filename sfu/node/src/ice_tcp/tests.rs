use super::*;
use proptest::prelude::*;
use tokio::io::AsyncReadExt;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

/// What is not here by then will not come.
const PATIENCE: Duration = Duration::from_secs(20);

/// A binding request, as far as anybody looks at it here.
const CHECK: [u8; 20] = [
    0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12,
];

/// A port with streams in front of a socket that stands for the shards.
struct Door {
    _ice_tcp: IceTcp,
    address: SocketAddr,
    media: UdpSocket,
}

impl Door {
    async fn open() -> Door {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let media = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        Door {
            _ice_tcp: IceTcp::start(vec![listener], media.local_addr().unwrap()),
            address,
            media,
        }
    }

    async fn stream(&self) -> (Frames<OwnedReadHalf>, OwnedWriteHalf) {
        let (reader, writer) = TcpStream::connect(self.address).await.unwrap().into_split();
        (Frames::new(reader), writer)
    }

    /// A check as it comes out that went in on a stream.
    fn carried(writer: &OwnedWriteHalf) -> Vec<u8> {
        [&CHECK[..], &peer_bytes(writer.local_addr().unwrap())].concat()
    }

    /// A stream of which a shard has answered a check, and where the shard has it.
    async fn proven(&self) -> (Frames<OwnedReadHalf>, OwnedWriteHalf, SocketAddr) {
        let (mut reader, mut writer) = self.stream().await;
        writer.write_all(&framed(&CHECK)).await.unwrap();
        let (packet, peer) = self.take().await;
        assert_eq!(packet, Door::carried(&writer));
        self.media.send_to(b"answer", peer).await.unwrap();
        assert_eq!(reader.next().await.unwrap(), b"answer"[..]);
        (reader, writer, peer)
    }

    async fn take(&self) -> (Vec<u8>, SocketAddr) {
        let mut packet = vec![0; 4096];
        let (len, peer) = timeout(PATIENCE, self.media.recv_from(&mut packet))
            .await
            .expect("a packet")
            .unwrap();
        packet.truncate(len);
        (packet, peer)
    }
}

fn framed(packet: &[u8]) -> Vec<u8> {
    [&(packet.len() as u16).to_be_bytes(), packet].concat()
}

/// Waits until the other side has closed a stream without having said anything.
async fn is_closed(reader: Frames<OwnedReadHalf>) -> bool {
    let mut bytes = Vec::new();
    let end = timeout(PATIENCE, reader.into_inner().read_to_end(&mut bytes)).await;
    // A stream that is closed with something unread is reset.
    end.is_ok() && bytes.is_empty()
}

#[tokio::test]
async fn packets_go_both_ways_in_order_and_each_stream_is_a_peer_of_its_own() {
    let door = Door::open().await;
    let (mut one, mut to_one, peer_one) = door.proven().await;
    let (mut other, _to_other, peer_other) = door.proven().await;
    assert_ne!(peer_one, peer_other);
    let packets: Vec<Vec<u8>> = (1..=20u8)
        .map(|number| vec![number; usize::from(number) * 60])
        .collect();
    let all: Vec<u8> = packets.iter().flat_map(|packet| framed(packet)).collect();
    to_one.write_all(&all).await.unwrap();
    for packet in &packets {
        assert_eq!(door.take().await, (packet.clone(), peer_one));
    }
    to_one.write_all(&framed(&CHECK)).await.unwrap();
    assert_eq!(door.take().await, (Door::carried(&to_one), peer_one));
    for packet in &packets {
        door.media.send_to(packet, peer_one).await.unwrap();
    }
    door.media
        .send_to(b"only for the other", peer_other)
        .await
        .unwrap();
    for packet in &packets {
        assert_eq!(timeout(PATIENCE, one.next()).await.unwrap().unwrap(), packet[..]);
    }
    assert_eq!(
        timeout(PATIENCE, other.next()).await.unwrap().unwrap(),
        b"only for the other"[..]
    );
}

#[tokio::test]
async fn a_stream_that_begins_with_anything_but_a_check_is_closed_and_nothing_of_it_reaches_the_shards() {
    let door = Door::open().await;
    let mut response = CHECK;
    response[0] = 1;
    let mut old = CHECK;
    old[4] = 0;
    for first in [
        &b"GET / HTTP/1.1\r\n\r\n"[..],
        &framed(&[0x80; 40]),
        &framed(&response),
        &framed(&old),
    ] {
        let (reader, mut writer) = door.stream().await;
        writer.write_all(first).await.unwrap();
        assert!(is_closed(reader).await, "{first:?}");
    }
    // The first thing that the shards hear of is this.
    door.proven().await;
}

#[tokio::test]
async fn a_packet_that_is_too_long_ends_its_stream_and_no_other() {
    let door = Door::open().await;
    let (reader, mut writer, _) = door.proven().await;
    let (_others, mut other, peer) = door.proven().await;
    writer
        .write_all(&framed(&vec![0x80; FRAME_BYTES_MAX + 1]))
        .await
        .unwrap();
    assert!(is_closed(reader).await);
    other.write_all(&framed(b"still here")).await.unwrap();
    assert_eq!(door.take().await, (b"still here".to_vec(), peer));
}

#[tokio::test]
async fn who_does_not_read_is_still_heard() {
    let door = Door::open().await;
    let (_unread, mut writer, peer) = door.proven().await;
    // More than all buffers on the way hold.
    for _ in 0..20_000 {
        door.media.send_to(&[0x80; 1100], peer).await.unwrap();
    }
    writer.write_all(&framed(b"listen")).await.unwrap();
    assert_eq!(door.take().await, (b"listen".to_vec(), peer));
}

#[tokio::test]
async fn one_address_has_a_bounded_number_of_streams_that_have_proven_nothing() {
    let door = Door::open().await;
    let mut strangers = Vec::new();
    for _ in 0..UNPROVEN_PER_ADDRESS_MAX {
        let (reader, mut writer) = door.stream().await;
        writer.write_all(&framed(&CHECK)).await.unwrap();
        strangers.push((reader, writer, door.take().await.1));
    }
    let (reader, _writer) = door.stream().await;
    assert!(is_closed(reader).await);
    // One of them is proven now, so there is room for one more.
    let (reader, _, peer) = &mut strangers[0];
    door.media.send_to(b"answer", *peer).await.unwrap();
    assert_eq!(reader.next().await.unwrap(), b"answer"[..]);
    door.proven().await;
}

#[tokio::test]
async fn a_stream_whose_checks_nobody_answers_is_closed_and_one_that_is_answered_is_not() {
    let door = Door::open().await;
    let (mut proven, mut writer, peer) = door.proven().await;
    let (silent, _silent) = door.stream().await;
    let (unanswered, mut checking) = door.stream().await;
    checking.write_all(&framed(&CHECK)).await.unwrap();
    assert!(is_closed(silent).await && is_closed(unanswered).await);
    assert_eq!(door.take().await.0, Door::carried(&checking));
    writer.write_all(&framed(b"still here")).await.unwrap();
    assert_eq!(door.take().await, (b"still here".to_vec(), peer));
    door.media.send_to(b"and heard", peer).await.unwrap();
    assert_eq!(proven.next().await.unwrap(), b"and heard"[..]);
}

proptest! {
    #[test]
    fn packets_come_out_as_they_went_in_however_the_stream_is_cut(
        packets in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..200), 1..20),
        cut in 1usize..400,
    ) {
        let bytes: Vec<u8> = packets.iter().flat_map(|packet| framed(packet)).collect();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let (mut writer, reader) = tokio::io::duplex(cut);
            let write = async move { writer.write_all(&bytes).await.unwrap() };
            let read = async {
                let mut frames = Frames::new(reader);
                let mut all = Vec::new();
                while let Ok(frame) = frames.next().await {
                    all.push(frame.to_vec());
                }
                all
            };
            assert_eq!(tokio::join!(write, read).1, packets);
        });
    }
}
