//! A client with SCTP of the same crate opens data channels, in memory and in virtual time.

use super::*;
use crate::secure::budget::{INTAKE_BURST, INTAKE_BYTES_PER_SECOND};
use crate::secure::channels::{RELIABLE_QUEUE_MAX, STALL_MAX};
use hanse_sfu_core::command::DataChannel;
use rtc_sctp::{
    Association, ClientConfig, DatagramEvent, EndpointConfig, Event, Payload, PayloadProtocolIdentifier,
    StreamId,
};

pub(super) const RELIABLE: StreamId = 2;
pub(super) const LOSSY: StreamId = 4;
const DATA_TRACK: StreamId = 6;

pub(super) struct Call {
    pub(super) now: Instant,
    pub(super) client: Client,
    server: Box<dyn SecureTransport>,
    endpoint: rtc_sctp::Endpoint,
    association: Association,
    connected: bool,
    /// The client's application takes what arrives.
    reads: bool,
    /// Everything that the client sends or gets is lost.
    is_cut: bool,
    received: Vec<(StreamId, PayloadProtocolIdentifier, Vec<u8>)>,
    events: Vec<SecureEvent>,
}

impl Call {
    fn new() -> Self {
        let now = Instant::now();
        let (ours, theirs) = pair();
        let mut client = Client::new(now, &theirs);
        let mut server = server(now, &ours, theirs.fingerprint);
        talk(now, &mut client, server.as_mut(), |_| {});
        keys(server.as_mut());
        let mut endpoint = rtc_sctp::Endpoint::new(
            PSEUDO_LOCAL,
            TransportProtocol::UDP,
            Arc::new(EndpointConfig::new()),
            None,
        );
        let (_, association) = endpoint
            .connect(now, ClientConfig::default(), PSEUDO_PEER)
            .unwrap();
        let mut call = Call {
            now,
            client,
            server,
            endpoint,
            association,
            connected: false,
            reads: true,
            is_cut: false,
            received: Vec::new(),
            events: Vec::new(),
        };
        call.until(|call| call.connected);
        call
    }

    /// A call with the three channels as LiveKit's clients open them.
    pub(super) fn with_channels() -> Self {
        let mut call = Call::new();
        call.open(RELIABLE, "_reliable", 0);
        call.open(LOSSY, "_lossy", 0x81);
        call.open(DATA_TRACK, "_data_track", 0x81);
        call.until(|call| call.received.len() == 3);
        call.received.clear();
        call
    }

    fn open(&mut self, id: StreamId, label: &str, way: u8) {
        let mut open = vec![3, way, 0, 0, 0, 0, 0, 0, 0, label.len() as u8, 0, 0];
        open.extend(label.as_bytes());
        let mut stream = self
            .association
            .open_stream(id, PayloadProtocolIdentifier::Binary)
            .unwrap();
        if way != 0 {
            stream
                .set_reliability_params(true, rtc_sctp::ReliabilityType::Rexmit, 0)
                .unwrap();
        }
        stream
            .write_with_ppi(self.now, &open, PayloadProtocolIdentifier::Dcep)
            .unwrap();
    }

    pub(super) fn write(&mut self, id: StreamId, message: &[u8]) {
        let mut stream = self.association.stream(id).unwrap();
        stream
            .write_with_ppi(self.now, message, PayloadProtocolIdentifier::Binary)
            .unwrap();
    }

    fn waiting(&mut self, id: StreamId) -> usize {
        self.association.stream(id).unwrap().buffered_amount().unwrap()
    }

    fn open_channels(&self) -> Vec<DataChannel> {
        let open = self.events.iter().filter_map(|event| match event {
            SecureEvent::ChannelOpen(channel) => Some(*channel),
            _ => None,
        });
        open.collect()
    }

    /// What the client's association has to say, in packets.
    pub(super) fn sent_by_association(&mut self) -> Vec<Bytes> {
        let mut all = Vec::new();
        while let Some(transmit) = self.association.poll_transmit(self.now) {
            if let Payload::RawEncode(packets) = transmit.message {
                all.extend(packets);
            }
        }
        all
    }

    /// Seals packets of the client, and carries what both sides have to say.
    pub(super) fn carry(&mut self, packets: Vec<Bytes>) {
        for packet in packets {
            self.client
                .endpoint
                .write(self.now, PSEUDO_PEER, &packet)
                .unwrap();
        }
        if self.is_cut {
            self.client.sent();
            sent(self.server.as_mut(), self.now);
        }
        talk(self.now, &mut self.client, self.server.as_mut(), |_| {});
    }

    /// 5 ms of both sides.
    fn round(&mut self) {
        while let Some(event) = self.association.poll() {
            if matches!(event, Event::Connected) {
                self.connected = true;
            }
        }
        let streams = self.association.stream_ids();
        for id in streams.into_iter().filter(|_| self.reads) {
            let mut stream = self.association.stream(id).unwrap();
            while let Ok(Some(message)) = stream.read_sctp() {
                let payload = message.to_payload(100_000).unwrap().to_vec();
                self.received.push((id, message.ppi, payload));
            }
        }
        let packets = self.sent_by_association();
        self.carry(packets);
        for packet in self.client.data.drain(..) {
            if let Some((_, DatagramEvent::AssociationEvent(event))) =
                self.endpoint.handle(self.now, PSEUDO_PEER, None, packet)
            {
                self.association.handle_event(event);
            }
        }
        self.now += Duration::from_millis(5);
        self.association.handle_timeout(self.now);
        if self.server.poll_timeout().is_some_and(|at| at <= self.now) {
            self.server.handle_timeout(self.now);
        }
        while let Some(event) = self.server.poll_event() {
            self.events.push(event);
        }
    }

    fn until(&mut self, done: impl Fn(&mut Self) -> bool) {
        for _ in 0..10_000 {
            if done(self) {
                return;
            }
            self.round();
        }
        panic!("it never comes to that; events {:?}", self.events);
    }

    pub(super) fn rounds(&mut self, count: usize) {
        (0..count).for_each(|_| self.round());
    }

    pub(super) fn poll(&mut self) -> Option<(DataChannel, Bytes)> {
        self.server.poll_data(self.now)
    }

    fn received_on(&self, id: StreamId) -> Vec<&[u8]> {
        let mine = |(on, ppi, _): &&(_, _, _)| *on == id && *ppi != PayloadProtocolIdentifier::Dcep;
        self.received
            .iter()
            .filter(mine)
            .map(|(.., payload)| &payload[..])
            .collect()
    }
}

#[test]
fn each_channel_that_is_opened_is_answered_and_known_by_its_label() {
    let mut call = Call::new();
    call.open(RELIABLE, "_reliable", 0);
    call.open(LOSSY, "_lossy", 0x81);
    call.open(DATA_TRACK, "_data_track", 0x81);
    call.open(8, "chat", 0);
    call.until(|call| call.received.len() == 4);
    for (_, ppi, answer) in &call.received {
        assert_eq!((*ppi, &answer[..]), (PayloadProtocolIdentifier::Dcep, &[2][..]));
    }
    let mut open = call.open_channels();
    open.sort_unstable();
    assert_eq!(
        open,
        [
            DataChannel::Reliable,
            DataChannel::Lossy,
            DataChannel::DataTrack,
            DataChannel::Foreign
        ]
    );
}

#[test]
fn messages_pass_both_ways_whole_and_in_order_and_by_their_channel_only() {
    let mut call = Call::with_channels();
    let large = vec![7; 65_000];
    call.write(RELIABLE, &large);
    call.write(RELIABLE, b"second");
    call.write(LOSSY, b"quick");
    call.rounds(100);
    let mut taken: Vec<_> = std::iter::from_fn(|| call.poll()).collect();
    taken.sort_by_key(|(channel, _)| *channel);
    assert_eq!(taken.len(), 3);
    assert_eq!(taken[0], (DataChannel::Reliable, Bytes::from(large.clone())));
    assert_eq!(taken[1], (DataChannel::Reliable, Bytes::from_static(b"second")));
    assert_eq!(taken[2], (DataChannel::Lossy, Bytes::from_static(b"quick")));

    let now = call.now;
    for (channel, payload) in [
        (DataChannel::Reliable, Bytes::from(large.clone())),
        (DataChannel::Reliable, Bytes::from_static(b"second")),
        (DataChannel::DataTrack, Bytes::from_static(b"packet")),
        // There is no such channel, and there are no such messages.
        (DataChannel::Foreign, Bytes::from_static(b"nowhere")),
        (DataChannel::Reliable, Bytes::new()),
        (DataChannel::Reliable, Bytes::from(vec![0; 65_536])),
    ] {
        call.server.send_data(now, channel, &payload);
    }
    call.rounds(100);
    assert_eq!(call.received_on(RELIABLE), [&large[..], b"second"]);
    assert_eq!(call.received_on(DATA_TRACK), [b"packet"]);
    assert_eq!(call.received.len(), 3);
}

#[test]
fn the_latest_of_two_channels_with_one_label_is_written_to_and_one_that_is_closed_takes_no_other_along() {
    let mut call = Call::with_channels();
    call.open(8, "_reliable", 0);
    call.until(|call| call.open_channels().len() == 4);
    let now = call.now;
    call.server
        .send_data(now, DataChannel::Reliable, &Bytes::from_static(b"new"));
    call.rounds(20);
    assert_eq!(call.received_on(8), [b"new"]);
    let mut stream = call.association.stream(8).unwrap();
    stream.close(now).unwrap();
    call.rounds(100);
    call.server
        .send_data(call.now, DataChannel::Reliable, &Bytes::from_static(b"old"));
    call.write(LOSSY, b"still here");
    call.rounds(20);
    assert_eq!(call.received_on(RELIABLE), [b"old"]);
    assert_eq!(call.poll().unwrap().0, DataChannel::Lossy);
}

#[test]
fn channels_can_be_opened_from_our_side() {
    let mut call = Call::new();
    let now = call.now;
    call.server.open_channels(now);
    call.until(|call| call.received.len() == 3);
    call.received.sort_by_key(|(id, ..)| *id);
    let labels: Vec<_> = call
        .received
        .iter()
        .map(|(id, ppi, open)| {
            assert_eq!((id % 2, *ppi), (1, PayloadProtocolIdentifier::Dcep));
            (open[1], String::from_utf8_lossy(&open[12..]).into_owned())
        })
        .collect();
    assert_eq!(
        labels,
        [
            (0, "_reliable".to_owned()),
            (0x81, "_lossy".to_owned()),
            (0x81, "_data_track".to_owned())
        ]
    );
    assert_eq!(call.open_channels(), DataChannel::KNOWN);
    let id = call.received[0].0;
    let now = call.now;
    call.server
        .send_data(now, DataChannel::Reliable, &Bytes::from_static(b"down"));
    call.association
        .stream(id)
        .unwrap()
        .write_with_ppi(now, &[2], PayloadProtocolIdentifier::Dcep)
        .unwrap();
    call.write(id, b"up");
    call.rounds(20);
    assert_eq!(call.received_on(id).last().unwrap(), b"down");
    assert_eq!(
        call.poll(),
        Some((DataChannel::Reliable, Bytes::from_static(b"up")))
    );
    assert_eq!(call.poll(), None);
}

#[test]
fn a_flood_is_taken_at_its_budget_and_the_rest_waits_with_its_sender() {
    let mut call = Call::with_channels();
    let start = call.now;
    let (mut written, mut taken) = (0, 0);
    while call.now < start + Duration::from_secs(20) {
        while call.waiting(RELIABLE) < 1_000_000 {
            call.write(RELIABLE, &[1; 10_000]);
            written += 10_000;
        }
        call.round();
        while let Some((_, payload)) = call.poll() {
            taken += payload.len();
        }
        let seconds = (call.now - start).as_secs_f64();
        let allowed = INTAKE_BURST as f64 + seconds * f64::from(INTAKE_BYTES_PER_SECOND) + 20_000.0;
        assert!((taken as f64) < allowed, "{taken} bytes in {seconds} s");
    }
    assert!(
        taken > 3_000_000,
        "it goes on, however slowly: {taken} of {written} bytes"
    );
    assert!(written - taken < 1_500_000, "nothing else is kept");
}

#[test]
fn a_lossy_channel_drops_rather_than_queues_and_recovers() {
    let mut call = Call::with_channels();
    call.is_cut = true;
    for number in 0..1000_u32 {
        let payload = [&number.to_be_bytes()[..], &[0; 1000]].concat();
        let now = call.now;
        call.server
            .send_data(now, DataChannel::Lossy, &Bytes::from(payload));
    }
    call.is_cut = false;
    call.rounds(2000);
    let arrived = call.received_on(LOSSY).len();
    assert!(arrived < 20, "{arrived} messages were kept for later");
    call.received.clear();
    let now = call.now;
    call.server
        .send_data(now, DataChannel::Lossy, &Bytes::from_static(b"fresh"));
    call.rounds(50);
    assert_eq!(call.received_on(LOSSY), [b"fresh"]);
    assert!(
        !call
            .events
            .iter()
            .any(|event| matches!(event, SecureEvent::Stalled))
    );
}

#[test]
fn a_lossy_channel_lets_more_through_to_a_peer_that_takes_more() {
    let mut call = Call::with_channels();
    // 100 messages of 1000 bytes every 5 ms are 20 MB a second, far more than at the start.
    let mut arrived = Vec::new();
    for _ in 0..4 {
        for _ in 0..100 {
            for _ in 0..100 {
                let now = call.now;
                call.server
                    .send_data(now, DataChannel::Lossy, &Bytes::from(vec![1; 1000]));
            }
            call.round();
        }
        arrived.push(call.received.len());
        call.received.clear();
    }
    assert!(arrived[3] > 2 * arrived[0] || arrived[0] > 9_000, "{arrived:?}");
}

#[test]
fn a_reader_that_never_reads_is_given_up_and_one_that_is_slow_is_not() {
    let mut call = Call::with_channels();
    call.reads = false;
    let payload = Bytes::from(vec![1; 60_000]);
    let start = call.now;
    while !call
        .events
        .iter()
        .any(|event| matches!(event, SecureEvent::Stalled))
    {
        let now = call.now;
        call.server.send_data(now, DataChannel::Reliable, &payload);
        call.round();
        assert!(call.now < start + Duration::from_secs(120));
    }
    assert!(call.now > start + STALL_MAX);
    // Its window and our queue.
    call.reads = true;
    call.rounds(4000);
    let got = call.received_on(RELIABLE).len() * payload.len();
    assert!(got <= RELIABLE_QUEUE_MAX + 1_200_000, "{got}");
    let stalls = call
        .events
        .iter()
        .filter(|event| matches!(event, SecureEvent::Stalled));
    assert_eq!(stalls.count(), 1);

    let mut call = Call::with_channels();
    for round in 0..12_000 {
        // It reads now and then.
        call.reads = round % 1000 < 10;
        let now = call.now;
        call.server.send_data(now, DataChannel::Reliable, &payload);
        call.round();
    }
    assert!(
        !call
            .events
            .iter()
            .any(|event| matches!(event, SecureEvent::Stalled))
    );
}
