//! Offers of real clients (`tests/offers`, where it says which are recorded): each is answered by the rules of offer and
//! answer, and each two of the clients hold a call.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests may panic"
)]

mod common;

use common::second::Second;
use common::{Browser, Media, add_track, attempt, claims, config};
use hanse_sfu_core::command::{Codec, MediaEvent};
use hanse_sfu_core::ids::ConnectionId;
use hanse_sfu_signal::{Output, SessionId, Signalling};
use livekit_protocol::client_info::Sdk;
use livekit_protocol::signal_request::Message as Ask;
use livekit_protocol::signal_response::Message;
use livekit_protocol::{ParticipantInfo, SessionDescription, SignalRequest, TrackSource};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// Longer than the server holds its own offers back.
const MOMENT: Duration = Duration::from_millis(500);

/// A client: its first offer, and its last one once it publishes.
struct Recording {
    name: &'static str,
    join: &'static str,
    call: &'static str,
    /// Layers of its camera.
    layers: usize,
    /// It shares its screen, too.
    has_screen: bool,
    /// These are the offers of a peer connection to publish, beside one on which the server offers.
    is_dual: bool,
}

/// The recording of a client, by the beginning of its files' names.
macro_rules! recording {
    ($name:literal, layers: $layers:literal, screen: $screen:literal, dual: $dual:literal) => {
        Recording {
            name: $name,
            join: include_str!(concat!("offers/", $name, "-join.sdp")),
            call: include_str!(concat!("offers/", $name, "-call.sdp")),
            layers: $layers,
            has_screen: $screen,
            is_dual: $dual,
        }
    };
}

const RECORDINGS: [Recording; 13] = [
    recording!("chromium", layers: 3, screen: true, dual: false),
    recording!("chromium-dual", layers: 3, screen: true, dual: true),
    recording!("livekit-1", layers: 3, screen: true, dual: true),
    recording!("livekit-2.5", layers: 3, screen: true, dual: true),
    recording!("livekit-element-call", layers: 3, screen: true, dual: false),
    recording!("firefox", layers: 3, screen: true, dual: false),
    recording!("firefox-dual", layers: 3, screen: true, dual: true),
    recording!("firefox-h264", layers: 3, screen: true, dual: false),
    recording!("python", layers: 1, screen: false, dual: false),
    recording!("node", layers: 1, screen: false, dual: false),
    recording!("go", layers: 1, screen: false, dual: true),
    recording!("ios", layers: 3, screen: true, dual: true),
    recording!("safari", layers: 3, screen: false, dual: false),
];

/// What may stand in a media section of an answer.
const ATTRIBUTES: [&str; 26] = [
    "candidate",
    "end-of-candidates",
    "extmap",
    "extmap-allow-mixed",
    "fingerprint",
    "fmtp",
    "ice-pwd",
    "ice-ufrag",
    "inactive",
    "max-message-size",
    "mid",
    "msid",
    "recvonly",
    "rid",
    "rtcp",
    "rtcp-fb",
    "rtcp-mux",
    "rtcp-rsize",
    "rtpmap",
    "sctp-port",
    "sendonly",
    "sendrecv",
    "setup",
    "simulcast",
    "ssrc",
    "ssrc-group",
];

/// The header extension with the transport-wide number.
const TRANSPORT_WIDE: &str = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01";

const DIRECTIONS: [&str; 4] = ["sendrecv", "sendonly", "recvonly", "inactive"];

/// A section of a description, in words.
struct Block<'a> {
    media: &'a str,
    port: &'a str,
    protocol: &'a str,
    formats: Vec<&'a str>,
    /// Attributes: key and value, empty without one.
    attributes: Vec<(&'a str, &'a str)>,
}

impl<'a> Block<'a> {
    fn all(sdp: &'a str) -> Vec<Block<'a>> {
        let sections = sdp.split("\nm=").skip(1);
        sections
            .map(|text| {
                let mut lines = text.lines().map(str::trim_end);
                let mut words = lines.next().unwrap().split_whitespace();
                let [media, port, protocol] = [(); 3].map(|()| words.next().unwrap());
                let attribute = |line: &'a str| {
                    line.strip_prefix("a=")
                        .map(|line| line.split_once(':').unwrap_or((line, "")))
                };
                Block {
                    media,
                    port,
                    protocol,
                    formats: words.collect(),
                    attributes: lines.filter_map(attribute).collect(),
                }
            })
            .collect()
    }

    fn values(&self, key: &str) -> Vec<&'a str> {
        let own = self.attributes.iter().filter(|(own, _)| *own == key);
        own.map(|(_, value)| value.trim()).collect()
    }

    fn has(&self, key: &str) -> bool {
        self.attributes.iter().any(|(own, _)| *own == key)
    }

    fn direction(&self) -> &'static str {
        let stated = DIRECTIONS.into_iter().find(|direction| self.has(direction));
        stated.unwrap_or("sendrecv")
    }

    fn sends(&self) -> bool {
        self.media != "application" && self.direction().starts_with("send")
    }

    /// `rtpmap` of a payload type, in lower case and without channels that are left out when there is one.
    fn encoding(&self, payload_type: &str) -> Option<String> {
        let own = self.values("rtpmap").into_iter();
        let mut mapped = own.filter_map(|value| value.split_once(' '));
        let (_, encoding) = mapped.find(|(own, _)| *own == payload_type)?;
        Some(encoding.trim().trim_end_matches("/1").to_lowercase())
    }

    /// The number of a header extension.
    fn extension(&self, uri: &str) -> Option<u8> {
        let own = self.values("extmap").into_iter();
        let mut mapped = own.filter_map(|value| value.split_once(' '));
        let (id, _) = mapped.find(|(_, own)| *own == uri)?;
        id.split('/').next()?.parse().ok()
    }

    fn track_cid(&self) -> &'a str {
        self.values("msid")[0].split_whitespace().nth(1).unwrap()
    }
}

/// Everything that an answer must be to an offer (RFC 3264, RFC 8829, RFC 8853, RFC 8285, RFC 9143).
fn assert_answers(name: &str, offer: &str, answer: &str) {
    let (offered, answered) = (Block::all(offer), Block::all(answer));
    assert_eq!(offered.len(), answered.len(), "{name}: sections");
    let head: Vec<&str> = answer
        .lines()
        .take_while(|line| !line.starts_with("m="))
        .collect();
    assert!(head.contains(&"a=ice-lite"), "{name}");
    let bundle = head
        .iter()
        .find_map(|line| line.strip_prefix("a=group:BUNDLE "))
        .unwrap();
    let mids: Vec<&str> = offered.iter().map(|block| block.values("mid")[0]).collect();
    assert_eq!(
        bundle.split(' ').collect::<Vec<_>>(),
        mids,
        "{name}: all sections are in the BUNDLE"
    );
    let mut parameters = BTreeMap::new();
    let mut extensions = BTreeMap::new();
    let mut transports = BTreeSet::new();
    for (ours, theirs) in answered.iter().zip(&offered) {
        let place = format!("{name}, section {}", theirs.values("mid")[0]);
        assert_eq!(
            (ours.media, ours.protocol),
            (theirs.media, theirs.protocol),
            "{place}"
        );
        assert_ne!(ours.port, "0", "{place} is refused");
        assert_eq!(ours.values("mid"), theirs.values("mid"), "{place}");
        for (key, _) in &ours.attributes {
            assert!(
                ATTRIBUTES.contains(key),
                "{place}: a={key} is nothing that we mean to say"
            );
        }
        assert_eq!(ours.values("setup"), ["passive"], "{place}");
        let transport = ["ice-ufrag", "ice-pwd", "fingerprint"].map(|key| ours.values(key).concat());
        transports.insert(transport);
        if ours.media == "application" {
            assert_eq!(ours.formats, theirs.formats, "{place}");
            continue;
        }
        assert_media(&place, ours, theirs);
        for (payload_type, value) in ours
            .values("fmtp")
            .iter()
            .filter_map(|value| value.split_once(' '))
        {
            let before = parameters.insert(payload_type, value).unwrap_or(value);
            assert_eq!(before, value, "{place}: one fmtp for payload type {payload_type}");
        }
        for value in ours.values("extmap") {
            let (id, uri) = value.split_once(' ').unwrap();
            let id = id.split('/').next().unwrap();
            assert_eq!(
                *extensions.entry(id).or_insert(uri),
                uri,
                "{place}: one meaning for extension {id}"
            );
        }
    }
    assert_eq!(transports.len(), 1, "{name}: one transport");
}

fn assert_media(place: &str, ours: &Block<'_>, theirs: &Block<'_>) {
    let may = match theirs.direction() {
        "sendonly" => vec!["recvonly", "inactive"],
        "recvonly" => vec!["sendonly", "inactive"],
        "inactive" => vec!["inactive"],
        _ => DIRECTIONS.to_vec(),
    };
    assert!(
        may.contains(&ours.direction()),
        "{place}: {} to {}",
        ours.direction(),
        theirs.direction()
    );
    assert!(
        theirs.has("extmap-allow-mixed") || !ours.has("extmap-allow-mixed"),
        "{place}: nobody offered to mix"
    );
    assert!(ours.has("rtcp-mux"), "{place}");
    assert!(
        theirs.has("rtcp-rsize") || !ours.has("rtcp-rsize"),
        "{place}: nobody offered rtcp-rsize"
    );
    assert!(!ours.formats.is_empty(), "{place}");
    for payload_type in &ours.formats {
        assert!(
            theirs.formats.contains(payload_type),
            "{place}: payload type {payload_type}"
        );
        assert_eq!(
            ours.encoding(payload_type),
            theirs.encoding(payload_type),
            "{place}: {payload_type}"
        );
    }
    for key in ["rtpmap", "fmtp", "rtcp-fb"] {
        for value in ours.values(key) {
            let payload_type = value.split(' ').next().unwrap();
            assert!(
                ours.formats.contains(&payload_type),
                "{place}: a={key}:{value} belongs to no format"
            );
        }
    }
    for value in ours.values("fmtp") {
        if let Some(inner) = value.split_once(" apt=").map(|(_, inner)| inner) {
            assert!(
                ours.formats.contains(&inner),
                "{place}: retransmissions of nothing"
            );
            assert!(theirs.values("fmtp").contains(&value), "{place}: {value}");
        }
    }
    for value in ours.values("rtcp-fb") {
        let any = format!("* {}", value.split_once(' ').unwrap().1);
        let offered = theirs.values("rtcp-fb");
        // No client offers it, and LiveKit's server answers it all the same.
        let is_sound_again = theirs.media == "audio" && theirs.sends() && any == "* nack";
        assert!(
            is_sound_again || offered.contains(&value) || offered.contains(&any.as_str()),
            "{place}: a=rtcp-fb:{value}"
        );
    }
    for value in ours.values("extmap") {
        let (id, uri) = value.split_once(' ').unwrap();
        let (id, direction) = id.split_once('/').unwrap_or((id, "sendrecv"));
        let offered = theirs.values("extmap").into_iter().find_map(|value| {
            let (own, own_uri) = value.split_once(' ')?;
            let (own, direction) = own.split_once('/').unwrap_or((own, "sendrecv"));
            (own == id && own_uri.split(' ').next() == Some(uri)).then_some(direction)
        });
        let mirrored = match offered.unwrap_or_else(|| panic!("{place}: extension {value} was not offered")) {
            "sendonly" => "recvonly",
            "recvonly" => "sendonly",
            both => both,
        };
        assert_eq!(direction, mirrored, "{place}: extension {value}");
    }
    assert_simulcast(place, ours, theirs);
    assert_eq!(
        ours.has("msid"),
        ours.sends(),
        "{place}: a msid where something is sent, and only there"
    );
    assert_eq!(ours.has("ssrc"), ours.sends(), "{place}");
}

fn assert_simulcast(place: &str, ours: &Block<'_>, theirs: &Block<'_>) {
    let rids = |block: &Block<'_>, direction: &str| -> Vec<String> {
        let own = block.values("rid").into_iter();
        own.filter_map(|value| Some(value.strip_suffix(direction)?.trim().to_owned()))
            .collect()
    };
    if ours.direction() != "recvonly" {
        assert!(
            !ours.has("rid") && !ours.has("simulcast"),
            "{place}: layers of nothing"
        );
        return;
    }
    assert_eq!(rids(ours, "recv"), rids(theirs, "send"), "{place}");
    let taken: Vec<String> = ours
        .values("simulcast")
        .iter()
        .map(|value| value.replace("recv ", "send "))
        .collect();
    assert_eq!(taken, theirs.values("simulcast"), "{place}");
}

/// Two people and the media plane's model, in virtual time.
struct Call {
    signalling: Signalling,
    now: Instant,
    media: Media,
    people: BTreeMap<SessionId, Person>,
}

struct Person {
    offers: &'static Recording,
    /// The last offer, with its id.
    last: (u32, &'static str),
    answers: Vec<SessionDescription>,
    /// The peer connection on which the server offers.
    second: Option<Second>,
    /// Whom it has been told of, by sid.
    known: BTreeMap<String, ParticipantInfo>,
}

impl Call {
    fn new() -> Self {
        #[expect(clippy::disallowed_methods, reason = "virtual time starts at some moment")]
        let now = Instant::now();
        Call {
            signalling: Signalling::new(now, config(now), [42; 32]),
            now,
            media: Media::default(),
            people: BTreeMap::new(),
        }
    }

    /// Joins without an offer, as Firefox does, makes the first one, announces its tracks and makes the last one.
    fn enter(&mut self, identity: &str, offers: &'static Recording) -> SessionId {
        self.enter_with(identity, offers, "vp8")
    }

    /// The same, with a codec for its pictures.
    fn enter_with(&mut self, identity: &str, offers: &'static Recording, codec: &str) -> SessionId {
        let mut browser = if offers.is_dual {
            Browser::dual(identity)
        } else {
            Browser::new(identity)
        };
        browser.offers_at_join = false;
        let mut attempt = attempt(claims(identity), &mut browser);
        if let Some(client) = attempt.request.as_mut().and_then(|it| it.client_info.as_mut()) {
            client.browser = offers.name.split('-').next().unwrap().into();
            client.os = "linux".into();
            if offers.name == "go" {
                client.set_sdk(Sdk::Go);
            }
        }
        let session = self.signalling.handle_join(self.now, attempt).unwrap();
        let person = Person {
            offers,
            last: (0, ""),
            answers: Vec::new(),
            second: offers.is_dual.then(|| Second {
                setup: if offers.name == "go" { "passive" } else { "actpass" },
                ..Default::default()
            }),
            known: BTreeMap::new(),
        };
        self.people.insert(session, person);
        self.settle();
        self.offer(session, offers.join);
        for (cid, source) in tracks(offers.call) {
            let mut request = add_track(cid, source);
            for named in &mut request.simulcast_codecs {
                named.codec = codec.into();
            }
            self.ask(session, Ask::AddTrack(request));
        }
        self.offer(session, offers.call);
        session
    }

    fn offer(&mut self, session: SessionId, sdp: &'static str) {
        let person = self.people.get_mut(&session).unwrap();
        person.last = (person.last.0 + 1, sdp);
        let id = person.last.0;
        let offer = SessionDescription {
            r#type: "offer".into(),
            sdp: sdp.into(),
            id,
            ..Default::default()
        };
        self.ask(session, Ask::Offer(offer));
    }

    fn ask(&mut self, session: SessionId, message: Ask) {
        let request = SignalRequest {
            message: Some(message),
        };
        self.signalling.handle_request(self.now, session, request);
        self.settle();
    }

    /// Carries everything to where it belongs, until nothing moves any more.
    fn settle(&mut self) {
        loop {
            let mut moved = false;
            let mut required = Vec::new();
            while let Some(output) = self.signalling.poll_output() {
                moved = true;
                match output {
                    Output::Send { session, message } => match message.message.unwrap() {
                        Message::Answer(answer) => self.receive(session, answer),
                        Message::MediaSectionsRequirement(_) => required.push(session),
                        Message::Offer(offer) => self.take(session, &offer),
                        Message::Join(join) => self.learn(session, join.other_participants),
                        Message::Update(update) => self.learn(session, update.participants),
                        Message::Leave(leave) => panic!("sent away: {leave:?}"),
                        _ => {}
                    },
                    Output::Media(command) => self.media.take(command),
                    _ => {}
                }
            }
            for connection in self.media.unconnected() {
                moved = true;
                self.signalling
                    .handle_media(self.now, MediaEvent::Connected { connection });
            }
            // A recording has the sections that it has: it offers them again.
            for session in required {
                let sdp = self.people[&session].last.1;
                self.offer(session, sdp);
            }
            if !moved {
                return;
            }
        }
    }

    fn receive(&mut self, session: SessionId, answer: SessionDescription) {
        let person = self.people.get_mut(&session).unwrap();
        assert_eq!(answer.id, person.last.0, "an answer to the last offer");
        assert_answers(person.offers.name, person.last.1, &answer.sdp);
        person.answers.push(answer);
    }

    fn learn(&mut self, session: SessionId, participants: Vec<ParticipantInfo>) {
        let known = &mut self.people.get_mut(&session).unwrap().known;
        known.extend(participants.into_iter().map(|info| (info.sid.clone(), info)));
    }

    /// Takes an offer of the server, and answers it.
    fn take(&mut self, session: SessionId, offer: &SessionDescription) {
        let person = self.people.get_mut(&session).unwrap();
        let second = person.second.as_mut().expect("one connection is offered nothing");
        second.take(offer, &person.known);
        let answer = second.answer(&format!("second{}", session.0));
        let request = SignalRequest {
            message: Some(Ask::Answer(answer)),
        };
        self.signalling.handle_request(self.now, session, request);
    }

    /// Lets time pass, from timer to timer.
    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(due) = self.signalling.poll_timeout().filter(|due| *due <= end) {
            self.now = self.now.max(due);
            self.signalling.handle_timeout(self.now);
            self.settle();
        }
        self.now = end;
    }

    /// What `subscriber` gets: codecs of what the media plane sends to it, each in the numbers of the offer that counts: the
    /// subscriber's own, or with two peer connections the server's.
    fn gets(&self, subscriber: SessionId) -> Vec<Codec> {
        let person = &self.people[&subscriber];
        let (description, numbers) = match &person.second {
            None => {
                let answer = person.answers.last().unwrap();
                (answer, person.last.1)
            }
            Some(second) => {
                let offer = second.offers.last().unwrap();
                (offer, offer.sdp.as_str())
            }
        };
        let downstream = ConnectionId(subscriber.0 | u64::from(person.second.is_some()) << 63);
        let (offered, described) = (Block::all(numbers), Block::all(&description.sdp));
        let mut gets = Vec::new();
        for (ours, theirs) in described.iter().zip(&offered).filter(|(ours, _)| ours.sends()) {
            let mid = ours.values("mid")[0];
            let mut plans = self.media.down.values().map(|down| (down.connection, &down.plan));
            let (_, plan) = plans
                .find(|(connection, plan)| *connection == downstream && plan.mid.as_str() == mid)
                .unwrap_or_else(|| {
                    panic!(
                        "{}: section {mid} announces a track that is not sent",
                        person.offers.name
                    )
                });
            let encoding = theirs.encoding(&plan.payload_type.to_string()).unwrap();
            let codec = match plan.codec {
                Codec::Opus => "opus/48000/2",
                Codec::Vp8 => "vp8/90000",
                Codec::H264 => "h264/90000",
                other => panic!("{other:?}"),
            };
            assert_eq!(encoding, codec, "{}: section {mid}", person.offers.name);
            assert_eq!(ours.formats[0], plan.payload_type.to_string());
            assert!(ours.values("ssrc")[0].starts_with(&plan.ssrc.to_string()));
            let measured = format!("{} transport-cc", plan.payload_type);
            let tells = plan.codec.is_video() && theirs.values("rtcp-fb").contains(&measured.as_str());
            assert_eq!(ours.values("rtcp-fb").contains(&measured.as_str()), tells);
            let number = theirs.extension(TRANSPORT_WIDE).filter(|_| tells);
            assert_eq!(
                plan.extensions.transport_cc, number,
                "{}: section {mid}",
                person.offers.name
            );
            assert!(description.mid_to_track_id.contains_key(mid));
            gets.push(plan.codec);
        }
        gets
    }
}

/// What a client says about each track that its offer sends, in the offer's order: microphone, camera, screen.
fn tracks(offer: &'static str) -> Vec<(&'static str, TrackSource)> {
    let mut has_camera = false;
    let sending = Block::all(offer).into_iter().filter(|block| block.sends());
    sending
        .map(|block| match block.media {
            "audio" => (block.track_cid(), TrackSource::Microphone),
            _ if std::mem::replace(&mut has_camera, true) => (block.track_cid(), TrackSource::ScreenShare),
            _ => (block.track_cid(), TrackSource::Camera),
        })
        .collect()
}

#[test]
fn every_offer_is_answered_by_the_rules_and_what_it_sends_is_received() {
    for recording in &RECORDINGS {
        let mut call = Call::new();
        let session = call.enter("alice", recording);
        assert_eq!(call.people[&session].answers.len(), 2, "{}", recording.name);
        let plan = call.media.plan(ConnectionId(session.0));
        let layers: BTreeMap<&str, usize> = plan
            .sections
            .iter()
            .map(|section| (section.mid.as_str(), section.layers.len()))
            .collect();
        let blocks = Block::all(recording.call);
        let sending = blocks.iter().filter(|block| block.sends());
        let mut expected = BTreeMap::new();
        for block in sending {
            let count = if block.has("simulcast") {
                recording.layers
            } else {
                1
            };
            expected.insert(block.values("mid")[0], count);
        }
        assert_eq!(expected.len(), if recording.has_screen { 3 } else { 2 });
        assert_eq!(layers, expected, "{}", recording.name);
        assert!(
            call.gets(session).is_empty(),
            "{} gets nothing of its own",
            recording.name
        );
    }
}

#[test]
fn each_two_of_them_receive_everything_of_each_other_in_their_own_numbers() {
    for first in &RECORDINGS {
        for second in &RECORDINGS {
            let mut call = Call::new();
            let alice = call.enter("alice", first);
            let bob = call.enter("bob", second);
            call.pass(MOMENT);
            for (subscriber, publisher) in [(alice, second), (bob, first)] {
                let mut gets = call.gets(subscriber);
                gets.sort_by_key(|codec| codec.is_video());
                let mut expected = vec![Codec::Opus, Codec::Vp8];
                expected.extend(publisher.has_screen.then_some(Codec::Vp8));
                assert_eq!(gets, expected, "{} with {}", first.name, second.name);
            }
        }
    }
}

#[test]
fn who_does_not_tell_what_arrives_is_not_sent_numbers_but_asked_for_an_estimate() {
    for name in ["chromium", "firefox", "python", "safari"] {
        for missing in ["transport-cc", TRANSPORT_WIDE] {
            let told = recorded(name);
            let without = |sdp: &str| -> &'static str {
                let lines = sdp
                    .split_inclusive('\n')
                    .filter(|line| !line.trim_end().ends_with(missing));
                Box::leak(lines.collect::<String>().into_boxed_str())
            };
            let silent: &'static Recording = Box::leak(Box::new(Recording {
                join: without(told.join),
                call: without(told.call),
                ..*told
            }));
            let mut call = Call::new();
            let alice = call.enter("alice", silent);
            let bob = call.enter("bob", told);
            call.pass(MOMENT);
            assert!(call.gets(alice).contains(&Codec::Vp8) && call.gets(bob).contains(&Codec::Vp8));
            for (session, is_measured) in [(alice, false), (bob, true)] {
                let down = call.media.down.values();
                let pictures = down
                    .filter(|down| down.connection == ConnectionId(session.0) && down.plan.codec.is_video());
                for down in pictures {
                    assert_eq!(down.plan.is_measured(), is_measured, "{name} without {missing}");
                    assert!(down.plan.extensions.abs_send_time.is_some());
                    let answer = call.people[&session].answers.last().unwrap();
                    let remb = format!("a=rtcp-fb:{} goog-remb", down.plan.payload_type);
                    assert!(answer.sdp.contains(&remb), "{name} without {missing}");
                }
            }
        }
    }
}

/// The recording of a name.
fn recorded(name: &str) -> &'static Recording {
    RECORDINGS
        .iter()
        .find(|recording| recording.name == name)
        .unwrap()
}

#[test]
fn who_offers_h264_is_sent_it_in_a_number_of_their_own_whatever_their_browser_is_called() {
    for name in ["firefox-h264", "ios", "safari"] {
        let mut call = Call::new();
        call.enter_with("alice", recorded("chromium"), "h264");
        let bob = call.enter("bob", recorded(name));
        call.pass(MOMENT);
        let mut gets = call.gets(bob);
        gets.sort_by_key(|codec| codec.is_video());
        assert_eq!(gets, [Codec::Opus, Codec::H264, Codec::H264], "{name}");
    }
}

#[test]
fn firefox_is_answered_with_one_codec_where_it_sends_and_never_with_red() {
    let firefox = recorded("firefox");
    let mut call = Call::new();
    let session = call.enter("alice", firefox);
    let answer = call.people[&session].answers.last().unwrap();
    let (offered, answered) = (Block::all(firefox.call), Block::all(&answer.sdp));
    let mut sending = 0;
    for (ours, theirs) in answered.iter().zip(&offered) {
        let codecs: Vec<String> = ours
            .formats
            .iter()
            .filter_map(|format| ours.encoding(format))
            .filter(|codec| !codec.starts_with("rtx/"))
            .collect();
        assert!(
            !codecs.iter().any(|codec| codec.starts_with("red/")),
            "{codecs:?}"
        );
        if theirs.sends() {
            sending += 1;
            assert_eq!(codecs.len(), 1, "{codecs:?}");
        }
    }
    assert_eq!(sending, 3);
}
