//! A call from its beginning to its end: one task owns who is in it, whose keys are known, and which SFUs are connected.

use crate::focus;
use crate::matrix::membership::{HEARTBEAT, Membership};
use crate::matrix::{Session, Told, keys};
use crate::media::publish::{Seal, publish};
use crate::report::{Person, Report};
use crate::sfu::link::{Link, Observer, Seat, Seen};
use crate::tls::Trust;
use anyhow::Result;
use hanse_callkeys::envelope::KeyMessage;
use hanse_callkeys::keyring::Keyring;
use hanse_callkeys::rotation::{Device, Members, Rotation, Step};
use hanse_callkeys::{KeyIndex, MediaKey};
use hanse_matrixrtc::call_member::livekit_service_url;
use hanse_matrixrtc::names::ROOM_CALL_SLOT;
use hanse_matrixrtc::{CallMember, CallMemberKey, CallMembership, Event};
use rand::SeedableRng;
use rand::rngs::{StdRng, SysRng};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::sync::mpsc;
use tokio::time::{interval, sleep_until};

/// What SFUs say, until it is looked at.
const SEEN_MAX: usize = 4_096;

/// Steps of the key's changes that are under way: one at a time, and a few.
const STEPS_MAX: usize = 8;

/// An SFU of others that could not be reached is tried again after this.
const RETRY: Duration = Duration::from_secs(5);

/// People of whom is noted what was seen; devices come and go for as long as a call lasts. Further ones are passed over.
const PEOPLE_MAX: usize = 4_096;

/// What is noted of connections that ended.
const LOST_MAX: usize = 100;

/// Who sees no key frame asks for one this often.
const KEY_FRAME_PATIENCE: Duration = Duration::from_secs(1);

/// Memberships that are looked at. Further ones in a room are passed over.
const MEMBERS_MAX: usize = 1_024;

/// What happens, for whoever watches.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Progress {
    /// Signed in, in the room.
    SignedIn {
        /// Whose device.
        user: String,
        /// Which device.
        device: String,
    },
    /// In the call: media flows both ways on one's own SFU.
    Connected,
    /// Somebody is seen and heard.
    Met {
        /// Who.
        user: String,
    },
}

struct Member {
    member: CallMember,
    service_url: Option<String>,
    /// What tells this membership from an earlier one of the same device.
    since: String,
}

enum OtherSfu {
    Joined(Link, usize),
    NotBefore(Instant),
}

struct Call<'a> {
    session: &'a Session,
    trust: &'a Trust,
    began: Instant,
    random: StdRng,
    members: BTreeMap<CallMemberKey, Member>,
    people: BTreeMap<Device, Person>,
    met: BTreeSet<Device>,
    keyring: Keyring,
    rotation: Rotation,
    give_key: mpsc::Sender<(KeyIndex, MediaKey)>,
    /// Where it is said to whom a key could not be sent.
    not_told: mpsc::Sender<Vec<Device>>,
    own_service: String,
    own_link: Link,
    /// When somebody was asked for a key frame.
    asked: BTreeMap<Device, Instant>,
    others: BTreeMap<String, OtherSfu>,
    /// Where links say what they see.
    observe: mpsc::Sender<(usize, Seen)>,
    links: usize,
    report: Report,
}

/// The number of the link to one's own SFU.
const OWN_LINK: usize = 0;

/// Takes part until `until` is ready; `progress` is told what happens.
///
/// # Errors
/// When this participant cannot get into the call, in a sentence. What becomes of the others is in the report.
pub async fn take_part(
    session: &Session,
    mut homeserver: mpsc::Receiver<Told>,
    trust: &Trust,
    began: Instant,
    until: impl Future<Output = ()>,
    mut progress: impl FnMut(Progress),
) -> Result<Report> {
    let mut random = StdRng::try_from_rng(&mut SysRng)?;
    let own_service = focus::own(session).await?;
    let grant = focus::ask(session, trust, &own_service, true).await?;
    let (observe, mut seen) = mpsc::channel(SEEN_MAX);
    let seat = Seat {
        url: grant.url,
        jwt: grant.jwt,
        tls: trust.config(),
    };
    let observer = Observer {
        link: OWN_LINK,
        to: observe.clone(),
    };
    let (own_link, tracks) = Link::join(seat, Some(session.is_encrypted), observer).await?;
    let (give_key, keys) = mpsc::channel(STEPS_MAX);
    let (not_told, mut told) = mpsc::channel(STEPS_MAX);
    let mut call = Call {
        session,
        trust,
        began,
        rotation: Rotation::new(0, &mut random),
        random,
        members: BTreeMap::new(),
        people: BTreeMap::new(),
        met: BTreeSet::new(),
        keyring: Keyring::default(),
        give_key,
        not_told,
        own_service,
        own_link,
        asked: BTreeMap::new(),
        others: BTreeMap::new(),
        observe,
        links: OWN_LINK,
        report: Report {
            signed_in_ms: Some(began.elapsed().as_millis() as u64),
            is_encrypted: session.is_encrypted,
            ..Report::default()
        },
    };
    let seal = if session.is_encrypted {
        Seal::With(keys)
    } else {
        Seal::Open
    };
    let mut media = tracks.map(|tracks| (seal, tracks));
    let mut publishing = None;
    let membership = Membership::announce(session, &call.own_service).await?;
    for event in session.state().await? {
        call.handle_event(&event);
    }
    let mut heartbeat = interval(HEARTBEAT);
    tokio::pin!(until);
    loop {
        call.advance().await;
        let wake = call.wake_at();
        tokio::select! {
            told = homeserver.recv() => match told {
                Some(Told::State(event)) => call.handle_event(&event),
                Some(Told::ToDevice { kind, content, user, device_id }) => {
                    call.handle_key(&kind, &content, device_id.map(|device_id| Device { user, device_id }));
                }
                Some(Told::Lost(words)) => {
                    call.lost(format!("the homeserver cannot be followed any more: {words}"));
                }
                None => break,
            },
            Some((link, seen)) = seen.recv() => {
                if matches!(seen, Seen::Connected) && link == OWN_LINK {
                    call.report.connected_ms.get_or_insert(call.began.elapsed().as_millis() as u64);
                    if let Some((seal, [sound, picture])) = media.take() {
                        publishing = Some(tokio::spawn(publish(seal, sound, picture)));
                    }
                    progress(Progress::Connected);
                }
                call.handle_seen(link, seen);
            }
            Some(failed) = told.recv() => call.rotation.handle_told(call.now_ms(), &failed),
            _ = heartbeat.tick() => {
                if let Err(error) = membership.keep(session).await {
                    call.lost(format!("the membership may end: {error:#}"));
                }
            }
            () = sleep_until(wake.into()) => {}
            () = &mut until => break,
        }
        for user in call.newly_met() {
            progress(Progress::Met { user });
        }
    }
    if let Err(error) = membership.leave(session).await {
        call.lost(format!("{error:#}"));
    }
    if let Some(publishing) = publishing {
        publishing.abort();
    }
    for other in std::mem::take(&mut call.others).into_values() {
        if let OtherSfu::Joined(link, _) = other {
            link.leave().await;
        }
    }
    call.own_link.leave().await;
    call.report.people = call.people.into_values().collect();
    Ok(call.report)
}

impl Call<'_> {
    fn now_ms(&self) -> u64 {
        self.began.elapsed().as_millis() as u64
    }

    /// When something is due even if nothing happens.
    fn wake_at(&self) -> Instant {
        let key = self.rotation.wake_at_ms();
        let key = key.map(|at| self.began + Duration::from_millis(at));
        key.unwrap_or_else(|| Instant::now() + RETRY)
    }

    fn lost(&mut self, words: String) {
        if self.report.lost.len() < LOST_MAX {
            self.report.lost.push(words);
        }
    }

    /// An event of the room's state.
    fn handle_event(&mut self, event: &Event) {
        let Some(CallMembership { key, member, .. }) = CallMembership::read(event) else {
            return;
        };
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_millis() as u64);
        let counts = |member: &CallMember| {
            member.slot_id == ROOM_CALL_SLOT
                && member.expires_at_ms > now
                && (member.user != self.session.user || member.device_id != self.session.device_id)
        };
        match member.filter(counts) {
            Some(member) if self.members.len() < MEMBERS_MAX || self.members.contains_key(&key) => {
                let since = event.content.get("created_ts").and_then(Value::as_u64);
                let since = since.unwrap_or(event.origin_server_ts).to_string();
                let service_url = livekit_service_url(event).map(str::to_owned);
                let device = device_of(&member);
                if self.people.len() < PEOPLE_MAX || self.people.contains_key(&device) {
                    let person = self.people.entry(device).or_default();
                    person.user = member.user.to_string();
                    person.device.clone_from(&member.device_id);
                    person.service_url.clone_from(&service_url);
                }
                self.members.insert(
                    key,
                    Member {
                        member,
                        service_url,
                        since,
                    },
                );
            }
            _ => {
                if let Some(gone) = self.members.remove(&key) {
                    self.keyring.forget(&device_of(&gone.member));
                }
            }
        }
        let members: Members = self
            .members
            .values()
            .map(|each| (device_of(&each.member), each.since.clone()))
            .collect();
        self.rotation.handle_members(members);
    }

    /// A message that carries a key, from the device that Olm says.
    fn handle_key(&mut self, kind: &str, content: &Value, from: Option<Device>) {
        let (Some(from), Ok(message)) = (from, KeyMessage::read(kind, content)) else {
            return;
        };
        let is_its_own = message
            .claimed_device_id
            .as_ref()
            .is_none_or(|claimed| *claimed == from.device_id);
        if message.room_id != self.session.room.as_str() || !is_its_own {
            return;
        }
        let now = self.now_ms();
        if self
            .keyring
            .insert(&from, message.index, &message.key, message.sent_at_ms)
            && let Some(person) = self.people.get_mut(&from)
        {
            person.key_ms.get_or_insert(now);
        }
    }

    fn handle_seen(&mut self, link: usize, seen: Seen) {
        let now = self.now_ms();
        match seen {
            Seen::Connected => {}
            Seen::People(identities) => {
                let here: Vec<Device> = identities
                    .iter()
                    .filter_map(|identity| self.device(identity))
                    .collect();
                for device in here {
                    if let Some(person) = self.people.get_mut(&device) {
                        person.on_sfu_ms.get_or_insert(now);
                    }
                }
            }
            Seen::Frame {
                identity,
                kind,
                frame,
            } => {
                let Some(device) = self.device(&identity) else {
                    return;
                };
                let Some(person) = self.people.get_mut(&device) else {
                    return;
                };
                person.on_sfu_ms.get_or_insert(now);
                if self.session.is_encrypted {
                    // A key may have come before its device's membership.
                    if person.key_ms.is_none() && self.keyring.knows(&device) {
                        person.key_ms = Some(now);
                    }
                    let opened = self.keyring.open(&device, kind, &frame);
                    person.note(kind, opened.as_deref().map_err(|reason| *reason), now);
                } else {
                    person.note(kind, Ok(&frame), now);
                }
                // The first one may have come before the key for it.
                if person.picture.opened > 0 && !person.key_frame {
                    self.ask_for_key_frame(link, device, &identity);
                }
            }
            Seen::Lost(words) => {
                self.lost(words);
                let again = Instant::now() + RETRY;
                for other in self.others.values_mut() {
                    if matches!(other, OtherSfu::Joined(_, number) if *number == link) {
                        *other = OtherSfu::NotBefore(again);
                    }
                }
            }
        }
    }

    fn ask_for_key_frame(&mut self, number: usize, device: Device, identity: &str) {
        let now = Instant::now();
        if self
            .asked
            .get(&device)
            .is_some_and(|asked| now < *asked + KEY_FRAME_PATIENCE)
        {
            return;
        }
        self.asked.insert(device, now);
        if number == OWN_LINK {
            self.own_link.ask_for_key_frame(identity);
        }
        for other in self.others.values() {
            if let OtherSfu::Joined(link, of) = other
                && *of == number
            {
                link.ask_for_key_frame(identity);
            }
        }
    }

    /// Whose an identity on an SFU is, by the memberships in the room.
    fn device(&self, identity: &str) -> Option<Device> {
        let member = self
            .members
            .values()
            .find(|each| each.member.identities.iter().any(|name| name == identity));
        member.map(|each| device_of(&each.member))
    }

    /// Does what is due: keys, and connections to SFUs of others.
    async fn advance(&mut self) {
        if self.session.is_encrypted {
            let now = self.now_ms();
            while let Some(step) = self.rotation.poll(now, &mut self.random) {
                match step {
                    Step::Use(index, key) => {
                        let _ = self.give_key.try_send((index, key));
                    }
                    Step::Tell(index, key, to) => {
                        let telling = keys::send(self.session, index, key, to);
                        let told = self.not_told.clone();
                        tokio::spawn(async move {
                            let _ = told.send(telling.await).await;
                        });
                    }
                }
            }
        }
        let wanted: BTreeSet<String> = self
            .members
            .values()
            .filter_map(|each| each.service_url.clone())
            .filter(|url| *url != self.own_service)
            .collect();
        let unwanted: Vec<String> = self
            .others
            .keys()
            .filter(|url| !wanted.contains(*url))
            .cloned()
            .collect();
        for url in unwanted {
            if let Some(OtherSfu::Joined(link, _)) = self.others.remove(&url) {
                link.leave().await;
            }
        }
        for url in wanted {
            let is_due = match self.others.get(&url) {
                None => true,
                Some(OtherSfu::NotBefore(at)) => *at <= Instant::now(),
                Some(OtherSfu::Joined(..)) => false,
            };
            if is_due {
                let other = match self.join_other(&url).await {
                    Ok(joined) => joined,
                    Err(error) => {
                        self.lost(format!("{error:#}"));
                        OtherSfu::NotBefore(Instant::now() + RETRY)
                    }
                };
                self.others.insert(url, other);
            }
        }
    }

    async fn join_other(&mut self, service_url: &str) -> Result<OtherSfu> {
        let grant = focus::ask(self.session, self.trust, service_url, false).await?;
        self.links += 1;
        let observer = Observer {
            link: self.links,
            to: self.observe.clone(),
        };
        let seat = Seat {
            url: grant.url,
            jwt: grant.jwt,
            tls: self.trust.config(),
        };
        let (link, _) = Link::join(seat, None, observer).await?;
        Ok(OtherSfu::Joined(link, self.links))
    }

    fn newly_met(&mut self) -> Vec<String> {
        let newly: Vec<_> = self
            .people
            .iter()
            .filter(|(device, person)| person.trouble().is_none() && !self.met.contains(device))
            .map(|(device, person)| (device.clone(), person.user.clone()))
            .collect();
        newly
            .into_iter()
            .map(|(device, user)| {
                self.met.insert(device);
                user
            })
            .collect()
    }
}

fn device_of(member: &CallMember) -> Device {
    Device {
        user: member.user.clone(),
        device_id: member.device_id.clone(),
    }
}
