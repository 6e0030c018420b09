//! One person's device: checks the path, seals what its sources make, opens what comes, and answers feedback as
//! browsers do.

use super::link::{Link, Path};
use super::sink::Sink;
use super::source::Source;
use super::wire::{Rtp, extend};
use super::{Person, ms};
use hanse_sfu_core::command::{Codec, ExtensionIds, Fingerprint, IceCredentials, ReceivePlan, SendPlan};
use hanse_sfu_core::ids::{ConnectionId, DownTrackId, Mid, TrackId};
use hanse_sfu_core::rtp::{RtpHeader, is_rtcp};
use hanse_sfu_core::simulation::{HANDSHAKE, TwccRecorder, check, peer_session};
use hanse_sfu_core::srtp::SrtpSession;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// How often a device looks at what is due.
const TICK: Duration = ms(10);

/// Between two checks of a path that works.
const CHECKS: Duration = ms(2_500);

/// Between two checks until it works.
const FIRST_CHECKS: Duration = ms(50);

/// A device.
pub struct Client {
    pub name: &'static str,
    pub connection: ConnectionId,
    pub address: SocketAddr,
    /// The way to the SFU, and back.
    pub up: Path,
    pub down: Path,
    /// What is sent to it comes by this person's way instead, as in one household.
    pub behind: Option<Person>,
    pub local: IceCredentials,
    pub remote: IceCredentials,
    pub fingerprint: Fingerprint,
    pub extensions: ExtensionIds,
    pub sources: Vec<Source>,
    pub sinks: Vec<Sink>,
    /// The handshake is done.
    pub connected: bool,
    /// Checks are sent.
    pub checking: bool,
    /// Everything has stopped: the device is switched off.
    pub off: bool,
    /// Reports go out.
    pub reports: bool,
    /// What the device believes its downlink carries; sent four times a second.
    pub remb_bps: Option<u64>,
    /// It tells what arrives of what is subscribed from now on (transport-wide feedback).
    pub tells: bool,
    /// It agrees that streams pause.
    pub may_pause: bool,
    /// Checks that the SFU answered.
    pub checks_answered: u64,
    /// Transport-wide numbers of which the SFU spoke, and whether they arrived.
    pub told: BTreeMap<u16, bool>,
    /// When each of its packets went out, and when the SFU's word of it came, by transport-wide number.
    pub sent_at: BTreeMap<u16, Instant>,
    pub told_at: BTreeMap<u16, Instant>,
    /// Packets that the SFU asked for again.
    pub asked_again: u64,
    /// When it asked for each, by stream and number.
    pub asks: BTreeMap<(u32, u16), Vec<Instant>>,
    /// It sends packets again that the SFU asks for.
    pub repeats: bool,
    /// It tells the SFU's reference times back.
    pub echoes: bool,
    /// Packets of nothing but padding.
    pub padding: u64,
    /// The transport-wide number of the latest packet that was sent to it.
    pub numbered: Option<u16>,
    /// Packets on streams that nobody negotiated.
    pub strays: u64,
    /// Datagrams that were not authentic.
    pub forgeries: u64,
    /// Datagrams that the SFU sent to this device, whether or not they arrive.
    pub sent_to: u64,
    /// Everything that is authentic and was received.
    pub received: u64,
    /// Bytes of all datagrams that arrived.
    pub received_bytes: u64,
    pub outbox: Vec<Vec<u8>>,
    /// Middle of the SFU's latest reference time, and when it came.
    pub(super) reference: Option<(u32, Instant)>,
    pub(super) started: Instant,
    pub(super) session: SrtpSession,
    pub(super) random: ChaCha8Rng,
    pub(super) transport_cc: u16,
    arrivals: TwccRecorder,
    pub(super) payload_types: (u8, u8),
    pub(super) sent_numbers: BTreeMap<u32, u64>,
    pub(super) sealed: BTreeSet<(u32, u64)>,
    pub(super) due: Instant,
    pub(super) check_due: Instant,
    pub(super) report_due: Instant,
    pub(super) remb_due: Instant,
    pub(super) next_mid: u32,
}

impl Client {
    /// A device that begins to check its path at once. `place` tells people apart; their numberings differ.
    pub fn new(
        now: Instant,
        started: Instant,
        name: &'static str,
        connection: ConnectionId,
        address: SocketAddr,
        seed: u64,
        link: Link,
    ) -> Client {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let fingerprint = Fingerprint(std::array::from_fn(|_| random.random()));
        let credentials = |random: &mut ChaCha8Rng, what: &str| IceCredentials {
            ufrag: format!("{what}{:08x}", random.random::<u32>()),
            password: format!("{:024x}", random.random::<u64>()),
        };
        let shift = random.random_range(0..4);
        Client {
            name,
            connection,
            address,
            up: Path::new(link, random.random()),
            down: Path::new(link, random.random()),
            behind: None,
            local: credentials(&mut random, "ours"),
            remote: credentials(&mut random, "them"),
            fingerprint,
            // Each browser numbers its extensions and payload types as it likes.
            extensions: ExtensionIds {
                mid: Some(4 + shift),
                rid: Some(10),
                repaired_rid: Some(11),
                audio_level: Some(1),
                transport_cc: Some(3),
                abs_send_time: (shift != 0).then_some(2),
                dependency_descriptor: None,
            },
            sources: Vec::new(),
            sinks: Vec::new(),
            connected: false,
            checking: true,
            off: false,
            reports: true,
            remb_bps: None,
            tells: false,
            may_pause: false,
            checks_answered: 0,
            told: BTreeMap::new(),
            sent_at: BTreeMap::new(),
            told_at: BTreeMap::new(),
            asked_again: 0,
            asks: BTreeMap::new(),
            repeats: true,
            echoes: true,
            reference: None,
            padding: 0,
            numbered: None,
            strays: 0,
            forgeries: 0,
            sent_to: 0,
            received: 0,
            received_bytes: 0,
            outbox: Vec::new(),
            started,
            session: peer_session(fingerprint).unwrap(),
            transport_cc: random.random_range(0..0x4000),
            arrivals: TwccRecorder::new(),
            payload_types: (96 + 4 * shift, 112 + shift),
            sent_numbers: BTreeMap::new(),
            sealed: BTreeSet::new(),
            due: now + Duration::from_micros(random.random_range(0..10_000)),
            check_due: now,
            report_due: now + ms(1_000) + Duration::from_micros(random.random_range(0..200_000)),
            remb_due: now,
            // No two people's sections have the same name.
            next_mid: seed as u32 % 1_000_000,
            random,
        }
    }

    /// When the device has something to do.
    pub fn poll_timeout(&self) -> Option<Instant> {
        (!self.off).then_some(self.due)
    }

    /// A track that will be sent once it is in the plan.
    pub fn add_source(&mut self, now: Instant, track: TrackId, codec: Codec) {
        let mid = self.new_mid();
        let due_us = self.us(now) + self.random.random_range(0..10_000);
        let payload_type = if codec.is_video() {
            self.payload_types.0
        } else {
            self.payload_types.1
        };
        self.sources.push(Source::new(
            track,
            &mid,
            codec,
            payload_type,
            due_us,
            &mut self.random,
        ));
    }

    /// Everything that is published, as the negotiation says it.
    pub fn plan(&self) -> ReceivePlan {
        ReceivePlan {
            extensions: self.extensions,
            sections: self.sources.iter().map(Source::section).collect(),
        }
    }

    /// Makes room for a track and says how it is to come.
    pub fn add_sink(&mut self, down_track: DownTrackId, track: TrackId, codec: Codec) -> SendPlan {
        let video = codec.is_video();
        let payload_type = if video {
            self.payload_types.0
        } else {
            self.payload_types.1
        };
        let plan = SendPlan {
            codec,
            ssrc: self.random.random_range(2..u32::MAX),
            rtx_ssrc: video.then(|| self.random.random_range(2..u32::MAX)),
            payload_type,
            rtx_payload_type: video.then_some(payload_type + 1),
            primary_payload_type: (codec == Codec::Red).then(|| payload_type - 100),
            mid: Mid::from(&self.new_mid()).unwrap(),
            extensions: ExtensionIds {
                transport_cc: self.extensions.transport_cc.filter(|_| self.tells),
                ..self.extensions
            },
            cname: format!("cname-{}", track.0),
            may_pause: self.may_pause,
        };
        self.sinks.push(Sink::new(down_track, track, codec, plan.clone()));
        plan
    }

    fn new_mid(&mut self) -> String {
        self.next_mid += 1;
        (self.next_mid - 1).to_string()
    }

    pub fn source(&self, track: TrackId) -> &Source {
        self.sources.iter().find(|source| source.track == track).unwrap()
    }

    pub fn source_mut(&mut self, track: TrackId) -> &mut Source {
        self.sources
            .iter_mut()
            .find(|source| source.track == track)
            .unwrap()
    }

    pub fn sink(&self, track: TrackId) -> &Sink {
        self.sinks.iter().find(|sink| sink.track == track).unwrap()
    }

    pub fn sink_mut(&mut self, track: TrackId) -> &mut Sink {
        self.sinks.iter_mut().find(|sink| sink.track == track).unwrap()
    }

    pub(super) fn us(&self, now: Instant) -> u64 {
        (now - self.started).as_micros() as u64
    }

    /// Seals a packet under the next transport-wide number and puts it into the outbox; the number.
    pub fn send(&mut self, rtp: Rtp) -> u16 {
        let (number, sealed) = self.seal(rtp);
        self.outbox.push(sealed);
        number
    }

    /// Like [`Client::send`], but hands the datagram to the caller.
    pub fn seal(&mut self, mut rtp: Rtp) -> (u16, Vec<u8>) {
        let number = self.transport_cc;
        self.transport_cc = self.transport_cc.wrapping_add(1);
        rtp.set_extension(
            self.extensions.transport_cc.unwrap(),
            number.to_be_bytes().to_vec(),
        );
        (number, rtp.seal(&self.session))
    }

    /// A check of the path from the current address.
    pub fn check(&self) -> Vec<u8> {
        check(
            &format!("{}:{}", self.local.ufrag, self.remote.ufrag),
            &self.local.password,
            true,
        )
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.off || now < self.due {
            return;
        }
        self.due = now + TICK;
        if self.checking && now >= self.check_due {
            self.check_due = now + if self.connected { CHECKS } else { FIRST_CHECKS };
            self.outbox.push(self.check());
            if !self.connected {
                self.outbox.push(HANDSHAKE.to_vec());
            }
        }
        if !self.connected {
            return;
        }
        self.publish(now);
        self.ask(now);
        if self.reports && now >= self.report_due {
            self.report_due = now + ms(1_000);
            self.report(now);
        }
        let mut feedback = Vec::new();
        while self.tells && self.arrivals.poll_feedback(now, 1, 1, &mut feedback) {
            let sealed = self.seal_control(&std::mem::take(&mut feedback));
            self.outbox.push(sealed);
        }
        if self.remb_bps.is_some() && now >= self.remb_due {
            self.remb_due = now + ms(250);
            self.estimate();
        }
    }

    /// Captures one frame of a track at once; its sealed packets by layer and place in the frame, for the caller to
    /// send.
    pub fn capture(&mut self, now: Instant, track: TrackId) -> BTreeMap<(u8, u8), Vec<u8>> {
        let (now_us, ids) = (self.us(now), self.extensions);
        let packets = self.source_mut(track).capture(now_us, &ids);
        let mut sealed = BTreeMap::new();
        for rtp in packets {
            let layer = self
                .source(track)
                .streams
                .iter()
                .position(|stream| stream.ssrc == rtp.ssrc)
                .unwrap() as u8;
            let place = sealed.range((layer, 0)..=(layer, u8::MAX)).count() as u8;
            sealed.insert((layer, place), self.seal(rtp).1);
        }
        sealed
    }

    fn publish(&mut self, now: Instant) {
        let now_us = self.us(now);
        let mut packets = Vec::new();
        for source in &mut self.sources {
            packets.extend(source.poll(now_us, &self.extensions));
        }
        for packet in packets {
            let number = self.send(packet);
            self.sent_at.insert(number, now);
            self.told_at.remove(&number);
        }
    }

    /// Notes what the SFU sends to this device, before the network may lose it: it must never seal two packets under
    /// one number, or GCM breaks.
    pub fn witness(&mut self, datagram: &[u8]) {
        self.sent_to += 1;
        if !datagram.first().is_some_and(|first| (128..192).contains(first)) || is_rtcp(datagram) {
            return;
        }
        let header = RtpHeader::parse(datagram).unwrap();
        if let Some(number) = header.extensions(datagram, &self.extensions).transport_cc {
            let expected = self.numbered.map_or(number, |latest| latest.wrapping_add(1));
            assert_eq!(number, expected, "{}: numbers of the transport run on", self.name);
            self.numbered = Some(number);
        }
        let number = extend(self.sent_numbers.get(&header.ssrc).copied(), header.sequence);
        let highest = self.sent_numbers.entry(header.ssrc).or_default();
        *highest = number.max(*highest);
        assert!(
            self.sealed.insert((header.ssrc, number)),
            "{}: one number, two packets",
            self.name
        );
    }

    /// Takes a datagram of the SFU.
    pub fn handle_datagram(&mut self, now: Instant, mut datagram: Vec<u8>) {
        if self.off {
            return;
        }
        self.received_bytes += datagram.len() as u64;
        match datagram[0] {
            0..=3 => self.checks_answered += 1,
            128..=191 if is_rtcp(&datagram) => self.handle_control(now, &datagram),
            128..=191 => self.handle_media(now, &mut datagram),
            first => panic!("{}: a datagram that begins with {first}", self.name),
        }
    }

    fn handle_media(&mut self, now: Instant, datagram: &mut [u8]) {
        let header = RtpHeader::parse(datagram).unwrap();
        let known =
            |sink: &&mut Sink| sink.plan.ssrc == header.ssrc || sink.plan.rtx_ssrc == Some(header.ssrc);
        let Some(sink) = self.sinks.iter_mut().find(known) else {
            self.strays += 1;
            return;
        };
        if let Some(mid) = header.extensions(datagram, &self.extensions).mid {
            assert_eq!(mid, sink.plan.mid.as_str());
        }
        let index = sink.index(&header);
        let Ok(len) = self.session.open(datagram, header.len, header.ssrc, index) else {
            self.forgeries += 1;
            return;
        };
        self.received += 1;
        let extensions = header.extensions(datagram, &self.extensions);
        if let Some(number) = extensions.transport_cc {
            self.arrivals.record(now, number);
        }
        if header.padding {
            assert_eq!(
                len - header.len,
                usize::from(datagram[len - 1]),
                "nothing but padding"
            );
            self.padding += 1;
            return sink.note_padding(index);
        }
        let dependency = extensions.dependency_descriptor;
        let dependency = dependency.map_or(&[][..], |(start, len)| &datagram[start..start + len]);
        sink.take(now, &header, index, dependency, &datagram[header.len..len]);
    }
}
