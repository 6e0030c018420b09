//! One browser with one peer connection, whose offers are cut from a real one of Chromium 156
//! (`tests/offers/chromium-publish.sdp`: 3 audio and 3 video slots, a microphone, a camera with three layers, a screen).

use super::second::Second;
use hanse_sfu_signal::SessionId;
use livekit_protocol::participant_info::State;
use livekit_protocol::signal_request::Message as Ask;
use livekit_protocol::signal_response::Message;
use livekit_protocol::{
    AddTrackRequest, ClientInfo, ConnectionSettings, JoinRequest, ParticipantInfo, SessionDescription,
    SyncState, TrackInfo, TrackPublishedResponse, TrackSource, TrackType,
};
use std::collections::{BTreeMap, BTreeSet};

const CAPTURE: &str = include_str!("../offers/chromium-publish.sdp");

#[derive(Clone, Debug, PartialEq)]
pub enum Use {
    Slot,
    Sender { track: String },
    Stopped,
    Data,
}

#[derive(Clone, Debug)]
pub struct Section {
    pub mid: String,
    pub kind: TrackType,
    pub is_simulcast: bool,
    pub used: Use,
    /// What the last answer says: direction, and whose track.
    direction: String,
    msid: Option<(String, String)>,
    ssrc: u32,
}

/// A track that a slot carries.
#[derive(Clone, Debug)]
pub struct Heard {
    pub publisher_sid: String,
    pub track_sid: String,
    pub source: TrackSource,
    pub mid: String,
    pub ssrc: u32,
}

pub struct Browser {
    pub session: Option<SessionId>,
    pub sid: String,
    pub identity: String,
    pub ufrag: String,
    pub settings: ConnectionSettings,
    pub protocol: i32,
    /// What else its client says of itself.
    pub client: ClientInfo,
    /// Announcements that go with the join.
    pub brings: Vec<AddTrackRequest>,
    /// It offers in its join request.
    pub offers_at_join: bool,
    list: Vec<Section>,
    next_offer: u32,
    pub answered: BTreeSet<u32>,
    pub inbox: Vec<Message>,
    pub outbox: Vec<Ask>,
    /// Everybody it was told about, itself included, by sid; without those who left.
    pub known: BTreeMap<String, ParticipantInfo>,
    pub gone: BTreeSet<String>,
    announced: BTreeMap<String, TrackInfo>,
    pub is_closed: bool,
    /// Its network is gone, and neither side knows it yet.
    pub is_dead: bool,
    /// It has come again and waits for `reconnect`.
    awaits_reconnect: bool,
    /// How often it has come again.
    pub resumed: u32,
    /// What it says in `sync_state` besides what it publishes.
    pub sync: SyncState,
    /// It answers `media_sections_requirement`.
    pub is_obedient: bool,
    /// It cannot decode VP8.
    pub lacks_vp8: bool,
    /// It sends whatever it likes, so that nothing is expected of what it gets.
    pub is_wild: bool,
    /// Ids of the offers and of the answers of somebody wild, each as often as it came.
    pub offered: Vec<u32>,
    pub answered_ids: Vec<u32>,
    /// Codecs that it does not offer, as `a=rtpmap` names them.
    pub lacks: Vec<&'static str>,
    /// What it says it is, and runs on.
    pub name: (&'static str, &'static str),
    /// Of the older form: the peer connection on which it receives.
    pub second: Option<Second>,
}

impl Browser {
    pub fn new(identity: &str) -> Self {
        let mut browser = Browser {
            session: None,
            sid: String::new(),
            identity: identity.into(),
            ufrag: format!(
                "uf{}",
                identity
                    .chars()
                    .filter(char::is_ascii_alphanumeric)
                    .collect::<String>()
            ),
            settings: ConnectionSettings {
                auto_subscribe: true,
                ..Default::default()
            },
            protocol: 17,
            client: ClientInfo::default(),
            brings: Vec::new(),
            offers_at_join: true,
            list: Vec::new(),
            next_offer: 1,
            answered: BTreeSet::new(),
            inbox: Vec::new(),
            outbox: Vec::new(),
            known: BTreeMap::new(),
            gone: BTreeSet::new(),
            announced: BTreeMap::new(),
            is_closed: false,
            is_dead: false,
            awaits_reconnect: false,
            resumed: 0,
            sync: SyncState::default(),
            is_obedient: true,
            lacks_vp8: false,
            is_wild: false,
            offered: vec![1],
            answered_ids: Vec::new(),
            lacks: Vec::new(),
            name: ("Chrome", "Linux"),
            second: None,
        };
        for kind in [TrackType::Audio, TrackType::Video] {
            browser.add_slots(kind, 3);
        }
        browser.add(TrackType::Data, Use::Data, false);
        browser
    }

    /// One that receives only what it asks for.
    pub fn manual(identity: &str) -> Self {
        let mut browser = Browser::new(identity);
        browser.settings.auto_subscribe = false;
        browser
    }

    /// One that speaks the older form, with a peer connection for each way.
    pub fn dual(identity: &str) -> Self {
        let mut browser = Browser::new(identity);
        browser.list.clear();
        browser.add(TrackType::Data, Use::Data, false);
        browser.offers_at_join = false;
        browser.second = Some(Second::default());
        browser
    }

    pub fn second(&mut self) -> &mut Second {
        self.second.as_mut().expect("it has one peer connection")
    }

    /// Answers the latest offer.
    pub fn answer(&mut self) {
        let ufrag = format!("{}2", self.ufrag);
        let answer = self.second().answer(&ufrag);
        self.outbox.push(Ask::Answer(answer));
    }

    fn add(&mut self, kind: TrackType, used: Use, is_simulcast: bool) {
        let mid = self.list.len().to_string();
        let direction = "inactive".into();
        self.list.push(Section {
            mid,
            kind,
            is_simulcast,
            used,
            direction,
            msid: None,
            ssrc: 0,
        });
    }

    pub fn add_slots(&mut self, kind: TrackType, count: usize) {
        (0..count).for_each(|_| self.add(kind, Use::Slot, false));
    }

    pub fn sections(&self) -> usize {
        self.list.len()
    }

    pub fn slots(&self) -> usize {
        self.list
            .iter()
            .filter(|section| section.used == Use::Slot)
            .count()
    }

    pub fn stop_section(&mut self, mid: &str) {
        self.list
            .iter_mut()
            .find(|section| section.mid == mid)
            .unwrap()
            .used = Use::Stopped;
    }

    pub fn add_sender(&mut self, kind: TrackType, track: &str) {
        let is_simulcast = kind == TrackType::Video && track.contains("Camera");
        self.add(kind, Use::Sender { track: track.into() }, is_simulcast);
    }

    pub fn remove_sender(&mut self, track_sid: &str) {
        let cid = self
            .announced
            .iter()
            .find(|(_, info)| info.sid == track_sid)
            .unwrap()
            .0
            .clone();
        let section = self
            .list
            .iter_mut()
            .find(|section| section.used == Use::Sender { track: cid.clone() });
        section.unwrap().used = Use::Stopped;
    }

    pub fn announce(&mut self, request: AddTrackRequest) {
        self.outbox.push(Ask::AddTrack(request));
    }

    pub fn published(&self, cid: &str) -> Option<&TrackInfo> {
        self.announced.get(cid)
    }

    pub fn mid_of(&self, track_sid: &str) -> String {
        let own = &self.known[&self.sid];
        own.tracks
            .iter()
            .find(|track| track.sid == track_sid)
            .unwrap()
            .mid
            .clone()
    }

    pub fn join_request(&mut self) -> JoinRequest {
        JoinRequest {
            client_info: Some(ClientInfo {
                protocol: self.protocol,
                browser: self.name.0.into(),
                os: self.name.1.into(),
                ..self.client.clone()
            }),
            connection_settings: Some(self.settings),
            add_track_requests: self.brings.clone(),
            publisher_offer: self.offers_at_join.then(|| self.next_description()),
            ..Default::default()
        }
    }

    /// A join that goes on with the session.
    pub fn resume_request(&self) -> JoinRequest {
        JoinRequest {
            client_info: Some(ClientInfo {
                protocol: self.protocol,
                ..self.client.clone()
            }),
            connection_settings: Some(self.settings),
            reconnect: true,
            participant_sid: self.sid.clone(),
            ..Default::default()
        }
    }

    /// A socket is its own from here on: its first one, or another.
    pub fn attach(&mut self) {
        if self.inbox.is_empty() {
            return;
        }
        (self.is_closed, self.is_dead) = (false, false);
        self.awaits_reconnect = true;
        self.outbox.clear();
    }

    /// As `livekit-client` does when it has heard `reconnect`: what it holds for true, then its offer, with which it
    /// restarts ICE.
    fn go_on(&mut self) {
        let published = |(cid, info): (&String, &TrackInfo)| {
            let sends = |section: &Section| section.used == Use::Sender { track: cid.clone() };
            self.list.iter().any(sends).then(|| TrackPublishedResponse {
                cid: cid.clone(),
                track: Some(info.clone()),
            })
        };
        let mut sync = self.sync.clone();
        sync.publish_tracks
            .extend(self.announced.iter().filter_map(published));
        self.outbox.push(Ask::SyncState(sync));
        self.ufrag = format!("{}r", self.ufrag);
        self.offer();
    }

    pub fn next_description(&mut self) -> SessionDescription {
        let id = self.next_offer;
        self.next_offer += 1;
        SessionDescription {
            r#type: "offer".into(),
            sdp: self.offer_text(),
            id,
            ..Default::default()
        }
    }

    pub fn offer(&mut self) {
        let description = self.next_description();
        self.outbox.push(Ask::Offer(description));
    }

    /// The offer for the sections as they are, in Chromium's words.
    pub fn offer_text(&self) -> String {
        let mut blocks = CAPTURE.split("m=");
        let head = blocks.next().unwrap();
        let blocks: Vec<&str> = blocks.collect();
        let mids: Vec<&str> = self.list.iter().map(|section| section.mid.as_str()).collect();
        let mut text = String::new();
        for line in head.lines() {
            let line = if line.starts_with("a=group:") {
                format!("a=group:BUNDLE {}", mids.join(" "))
            } else {
                line.into()
            };
            text += &format!("{line}\r\n");
        }
        for (place, section) in self.list.iter().enumerate() {
            let is_sender = matches!(section.used, Use::Sender { .. });
            let block = match (section.kind, is_sender, section.is_simulcast) {
                (TrackType::Audio, false, _) => blocks[0],
                (TrackType::Video, false, _) => blocks[3],
                (TrackType::Audio, true, _) => blocks[6],
                (TrackType::Video, true, true) => blocks[7],
                (TrackType::Video, true, false) => blocks[8],
                (TrackType::Data, ..) => blocks[9],
            };
            let mut block = block.to_owned();
            for name in self.lacks.iter().chain(self.lacks_vp8.then_some(&"VP8")) {
                block = block.replace(&format!(" {name}/"), " unknown/");
            }
            for (number, line) in block.lines().enumerate() {
                text += &self.line(
                    place,
                    section,
                    if number == 0 {
                        format!("m={line}")
                    } else {
                        line.to_owned()
                    },
                );
            }
        }
        text
    }

    fn line(&self, place: usize, section: &Section, line: String) -> String {
        let Some((key, _)) = line.split_once(':') else {
            let is_direction = matches!(line.as_str(), "a=recvonly" | "a=sendonly");
            let stopped = is_direction && section.used == Use::Stopped;
            return if stopped {
                "a=inactive\r\n".into()
            } else {
                format!("{line}\r\n")
            };
        };
        let track = match &section.used {
            Use::Sender { track } => track.as_str(),
            _ => "",
        };
        let line = match key {
            "a=mid" => format!("a=mid:{}", section.mid),
            "a=ice-ufrag" => format!("a=ice-ufrag:{}", self.ufrag),
            "a=msid" => format!("a=msid:- {track}"),
            // Numbers of one's own for each section; the captured order is kept.
            "a=ssrc" if line.contains("cname") => {
                let is_rtx = line.contains("803772243");
                format!("a=ssrc:{} cname:c", 1000 + place * 2 + usize::from(is_rtx))
            }
            "a=ssrc" => return String::new(),
            "a=ssrc-group" => format!("a=ssrc-group:FID {} {}", 1000 + place * 2, 1001 + place * 2),
            _ => line,
        };
        format!("{line}\r\n")
    }

    /// What slots carry, by the last answer.
    pub fn heard(&self) -> Vec<Heard> {
        let own = self
            .list
            .iter()
            .map(|section| (&section.mid, &section.msid, section.ssrc));
        let second = self.second.iter().flat_map(|second| &second.sections);
        own.chain(second.map(|section| (&section.mid, &section.msid, section.ssrc)))
            .filter_map(|(mid, msid, ssrc)| {
                let (publisher_sid, track_sid) = msid.clone()?;
                let source = self
                    .known
                    .get(&publisher_sid)?
                    .tracks
                    .iter()
                    .find(|track| track.sid == track_sid)?
                    .source();
                Some(Heard {
                    publisher_sid,
                    track_sid,
                    source,
                    mid: mid.clone(),
                    ssrc,
                })
            })
            .collect()
    }

    pub fn receive(&mut self, message: Message) {
        if self.is_closed || self.is_dead {
            return;
        }
        if self.awaits_reconnect {
            assert!(
                matches!(message, Message::Reconnect(_)),
                "reconnect is the first message: {message:?}"
            );
        }
        match &message {
            Message::Reconnect(_) => {
                assert!(self.awaits_reconnect, "nobody came again");
                if let Some(second) = &mut self.second {
                    second.owes = false;
                }
                self.awaits_reconnect = false;
                self.resumed += 1;
                if !self.is_wild {
                    self.go_on();
                }
            }
            Message::Join(join) => {
                assert!(self.inbox.is_empty(), "join is the first message");
                let own = join.participant.clone().unwrap();
                assert_eq!(own.identity, self.identity);
                self.sid = own.sid.clone();
                for info in join.other_participants.iter().chain([&own]) {
                    self.known.insert(info.sid.clone(), info.clone());
                }
                if self.second.is_some() && (join.fast_publish || !join.subscriber_primary) {
                    self.offer();
                }
            }
            Message::Update(update) => update.participants.iter().for_each(|info| self.learn(info)),
            Message::TrackPublished(published) => {
                let track = published.track.clone().unwrap();
                self.announced.insert(published.cid.clone(), track);
            }
            Message::Answer(answer) if self.is_wild => self.answered_ids.push(answer.id),
            _ if self.is_wild => {}
            Message::MediaSectionsRequirement(requirement) if self.is_obedient => {
                assert!(!self.answered.is_empty(), "no requirement during the join");
                assert!(self.second.is_none(), "no requirement where the server offers");
                self.add_slots(TrackType::Audio, requirement.num_audios as usize);
                self.add_slots(TrackType::Video, requirement.num_videos as usize);
                self.offer();
            }
            Message::Answer(answer) => self.apply(answer),
            Message::Offer(offer) => {
                let second = self
                    .second
                    .as_mut()
                    .expect("the server never offers to one peer connection");
                second.take(offer, &self.known);
                if !second.is_slow {
                    self.answer();
                }
            }
            _ => assert!(
                !self.inbox.is_empty() || matches!(message, Message::Leave(_)),
                "join comes first"
            ),
        }
        self.inbox.push(message);
    }

    /// A client drops what is older than what it knows.
    fn learn(&mut self, info: &ParticipantInfo) {
        if let Some(before) = self.known.get(&info.sid) {
            // Whoever comes again is told everything once more.
            let is_same = self.resumed > 0 && info == before;
            assert!(
                is_same || info.version > before.version,
                "a change without a new version"
            );
        }
        if info.state() == State::Disconnected {
            let is_other = |known: &ParticipantInfo| known.identity == info.identity && known.sid != info.sid;
            assert!(
                !self.known.values().any(is_other),
                "clients go by identity and would take the new one for gone"
            );
        }
        self.known
            .retain(|sid, known| known.identity != info.identity || *sid == info.sid);
        if info.state() == State::Disconnected {
            self.known.remove(&info.sid);
            self.gone.insert(info.sid.clone());
        } else {
            self.known.insert(info.sid.clone(), info.clone());
        }
    }

    fn apply(&mut self, answer: &SessionDescription) {
        assert!(
            answer.id < self.next_offer && self.answered.insert(answer.id),
            "one answer per offer"
        );
        assert_eq!(answer.r#type, "answer");
        let blocks: Vec<&str> = answer.sdp.split("\r\nm=").skip(1).collect();
        let mut fmtps: BTreeMap<&str, &str> = BTreeMap::new();
        let mut mapped = BTreeMap::new();
        for (section, block) in self.list.iter_mut().zip(&blocks) {
            let value = |key: &str| block.lines().find_map(|line| line.strip_prefix(key));
            assert_eq!(
                value("a=mid:"),
                Some(section.mid.as_str()),
                "sections keep their order"
            );
            for line in block.lines().filter_map(|line| line.strip_prefix("a=fmtp:")) {
                let (payload_type, parameters) = line.split_once(' ').unwrap();
                let before = fmtps.insert(payload_type, parameters);
                assert!(
                    before.is_none_or(|before| before == parameters),
                    "one fmtp per payload type"
                );
            }
            if section.kind == TrackType::Data {
                continue;
            }
            let directions = ["sendrecv", "sendonly", "recvonly", "inactive"];
            let direction = directions
                .into_iter()
                .find(|d| block.lines().any(|line| line == format!("a={d}")));
            let direction = direction.expect("a section has a direction");
            let msid = value("a=msid:").map(|msid| {
                let (stream, track) = msid.split_once(' ').unwrap();
                let (participant, own) = stream.split_once('|').expect("PA_x|TR_y");
                assert!(participant.starts_with("PA_") && own == track && track.starts_with("TR_"));
                (participant.to_owned(), track.to_owned())
            });
            assert_eq!(
                msid.is_some(),
                direction.starts_with("send"),
                "a msid where something is sent, and only there"
            );
            if let Some((participant, track)) = &msid {
                let known = self
                    .known
                    .get(participant)
                    .expect("the participant is known before its track is mapped");
                assert!(
                    known.tracks.iter().any(|info| info.sid == *track),
                    "the track is known before it is mapped"
                );
                mapped.insert(section.mid.clone(), track.clone());
                let is_new = section.msid != msid;
                let was_silent = section.msid.is_none();
                assert!(
                    !is_new || was_silent,
                    "a slot is answered inactive before it carries another track"
                );
            }
            section.ssrc =
                value("a=ssrc:").map_or(0, |line| line.split(' ').next().unwrap().parse().unwrap());
            section.direction = direction.into();
            section.msid = msid;
        }
        assert!(blocks.len() <= self.list.len(), "no section is added");
        if self.second.is_some() {
            assert!(mapped.is_empty(), "nothing comes in where it publishes");
            return;
        }
        assert_eq!(
            answer
                .mid_to_track_id
                .clone()
                .into_iter()
                .collect::<BTreeMap<_, _>>(),
            mapped
        );
    }

    pub fn direction(&self, mid: &str) -> &str {
        &self
            .list
            .iter()
            .find(|section| section.mid == mid)
            .unwrap()
            .direction
    }
}
