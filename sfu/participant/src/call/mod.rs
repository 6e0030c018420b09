//! A call from its beginning to its end: one task owns who is in it, whose keys are known, and which SFUs are connected.

mod links;
pub mod members;

use crate::focus::{self, Asker, Refused};
use crate::matrix::membership::{HEARTBEAT, Identity, Membership};
use crate::matrix::sticky::Sticky;
use crate::matrix::{Session, Told, keys};
use crate::media::publish::{Feed, publish};
use crate::mode::{Mode, ModeWish};
use crate::report::{Person, Report, Way};
use crate::sfu::ice::Ice;
use crate::sfu::link::Seen;
use crate::sfu::peer::Outgoing;
use crate::tls::Trust;
use anyhow::{Context, Result};
use hanse_callkeys::envelope::KeyMessage;
use hanse_callkeys::keyring::Keyring;
use hanse_callkeys::rotation::{Device, Rotation, Step};
use hanse_matrixrtc::Event;
use links::Links;
use members::{Change, Members};
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

/// Somebody else's word that this device has left is contradicted at most this often.
const REJOIN: Duration = Duration::from_secs(5);

/// Without anything else to do one looks again after this.
const LOOK: Duration = Duration::from_secs(5);

/// People of whom is noted what was seen; devices come and go for as long as a call lasts. Further ones are passed over.
const PEOPLE_MAX: usize = 4_096;

/// What is noted of connections that ended.
const LOST_MAX: usize = 100;

/// Who sees no key frame asks for one this often.
const KEY_FRAME_PATIENCE: Duration = Duration::from_secs(1);

/// What is wished of a call.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wish {
    /// How to say that one is there.
    pub mode: ModeWish,
    /// By which ways media may go.
    pub ice: Ice,
    /// Receive nothing of what others publish.
    pub send_only: bool,
}

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
    /// The others know that this device is there.
    Joined {
        /// How they were told.
        mode: Mode,
    },
    /// In the call: media flows both ways on one's own SFU. Again when the connection was made anew.
    Connected,
    /// Somebody is seen and heard.
    Met {
        /// Who.
        user: String,
    },
}

struct Call<'a> {
    session: &'a Session,
    began: Instant,
    random: StdRng,
    member_id: String,
    members: Members,
    people: BTreeMap<Device, Person>,
    met: BTreeSet<Device>,
    keyring: Keyring,
    rotation: Rotation,
    feed: mpsc::Sender<Feed>,
    /// Where it is said to whom a key could not be sent.
    not_told: mpsc::Sender<Vec<Device>>,
    links: Links,
    send_only: bool,
    membership: Membership,
    /// When others were last told by somebody else that this device has left.
    gone_at: Option<Instant>,
    rejoined_at: Option<Instant>,
    /// When somebody was asked for a key frame.
    asked: BTreeMap<Device, Instant>,
    report: Report,
}

/// Takes part until `until` is ready; `progress` is told what happens.
///
/// # Errors
/// When this participant cannot get into the call, in a sentence. What becomes of the others is in the report.
pub async fn take_part(
    session: &mut Session,
    mut homeserver: mpsc::Receiver<Told>,
    trust: &Trust,
    wish: Wish,
    began: Instant,
    until: impl Future<Output = ()>,
    mut progress: impl FnMut(Progress),
) -> Result<Report> {
    let mut report = Report {
        signed_in_ms: Some(began.elapsed().as_millis() as u64),
        is_encrypted: session.is_encrypted,
        ..Report::default()
    };
    let mut random = StdRng::try_from_rng(&mut SysRng)?;
    let own_service = focus::own(session).await?;
    let sticky_key = format!("{:032x}", rand::random::<u128>());
    let mut members = Members::new(session.device(), sticky_key.clone());
    let mode = look_around(session, &mut members, wish.mode, &mut report).await?;
    report.mode = mode;
    let identity = Identity {
        mode,
        member_id: match mode {
            Mode::Compatibility => format!("{}:{}", session.user, session.device_id),
            Mode::Matrix20 => sticky_key,
        },
    };
    let asker = Asker::new(session, trust, identity.clone());
    let (observe, mut seen) = mpsc::channel(SEEN_MAX);
    let (say_joined, mut joined) = mpsc::channel(STEPS_MAX);
    let delegates = asker.can_delegate(&own_service).await;
    let mut links = Links::new(
        own_service.clone(),
        asker,
        (trust, wish),
        session.is_encrypted,
        observe,
        say_joined,
    );
    let member_id = identity.member_id.clone();
    let mut membership = Membership::book(session, identity, &own_service, delegates, unix_ms()).await?;
    let leave = delegates.then(|| membership.leave_at_homeserver().clone());
    match links.join_own(leave).await {
        Err(error) if delegates && is_refused_delegation(&error) => {
            membership.keep_leave(session).await?;
            links.join_own(None).await?;
        }
        other => other?,
    }
    report.is_leave_delegated = membership.is_delegated();
    membership.announce(session, unix_ms()).await?;
    progress(Progress::Joined { mode });
    let (feed, fed) = mpsc::channel(STEPS_MAX);
    let publishing = tokio::spawn(publish(session.is_encrypted, fed));
    let (not_told, mut told) = mpsc::channel(STEPS_MAX);
    let (say_given, mut given) = mpsc::channel(STEPS_MAX);
    let mut gives = false;
    let mut call = Call {
        session,
        began,
        rotation: Rotation::new(0, &mut random),
        random,
        member_id,
        members,
        people: BTreeMap::new(),
        met: BTreeSet::new(),
        keyring: Keyring::default(),
        feed,
        not_told,
        links,
        send_only: wish.send_only,
        membership,
        gone_at: None,
        rejoined_at: None,
        asked: BTreeMap::new(),
        report,
    };
    call.handle_members();
    let mut heartbeat = interval(HEARTBEAT);
    tokio::pin!(until);
    loop {
        call.advance().await;
        let wake = call.wake_at();
        tokio::select! {
            said = homeserver.recv() => match said {
                Some(said) => call.handle_told(said),
                None => break,
            },
            Some((link, seen)) = seen.recv() => {
                if matches!(seen, Seen::Connected) && let Some(tracks) = call.links.handle_connected(link) {
                    call.publish(tracks).await;
                    progress(Progress::Connected);
                }
                call.handle_seen(link, seen);
            }
            Some(joined) = joined.recv() => {
                match call.links.handle_joined(joined, Instant::now()) {
                    Ok(Some(tracks)) => {
                        call.publish(tracks).await;
                        progress(Progress::Connected);
                    }
                    Ok(None) => {}
                    Err(words) => call.lost(words),
                }
            }
            Some(failed) = told.recv() => call.rotation.handle_told(call.now_ms(), &failed),
            Some((seal, devices)) = given.recv() => {
                gives = false;
                call.membership.handle_given(&seal, devices);
            }
            _ = heartbeat.tick() => {
                call.keep().await;
                if !gives && let Some(giving) = call.membership.give_seal() {
                    gives = true;
                    let say_given = say_given.clone();
                    tokio::spawn(async move {
                        let _ = say_given.send(giving.await).await;
                    });
                }
            }
            () = sleep_until(wake.into()) => {}
            () = &mut until => break,
        }
        for user in call.newly_met() {
            progress(Progress::Met { user });
        }
    }
    if let Err(error) = call.membership.leave(call.session).await {
        call.lost(format!("{error:#}"));
    }
    publishing.abort();
    call.links.leave().await;
    call.report.people = call.people.into_values().collect();
    Ok(call.report)
}

/// Who is in the call already, and in which mode to join them.
async fn look_around(
    session: &mut Session,
    members: &mut Members,
    wish: ModeWish,
    report: &mut Report,
) -> Result<Mode> {
    let now = unix_ms();
    for event in session.state().await? {
        members.handle_event(&event, now);
    }
    let mut has_sticky_events = session.has_sticky_events;
    if has_sticky_events {
        let mut sticky = Sticky::new(session)?;
        match sticky.first().await {
            Ok(events) => {
                for event in events {
                    members.handle_event(&event, now);
                }
                report.sealed_memberships = sticky.sealed();
                session.follow(sticky);
            }
            Err(error) if wish == ModeWish::Matrix20 => {
                return Err(error).context("the room's sticky events cannot be read");
            }
            Err(error) => {
                has_sticky_events = false;
                report
                    .lost
                    .push(format!("the room's sticky events cannot be read: {error:#}"));
            }
        }
    }
    let mut present = members.present();
    present.by_sticky += report.sealed_memberships;
    Ok(wish.decide(has_sticky_events, present)?)
}

/// Whether a focus gives no token because of the leave that it was to take over (Element Call: the same).
fn is_refused_delegation(error: &anyhow::Error) -> bool {
    error
        .downcast_ref::<Refused>()
        .is_some_and(|refused| matches!(refused.status, 400 | 403))
}

fn unix_ms() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_millis() as u64)
}

impl Call<'_> {
    fn now_ms(&self) -> u64 {
        self.began.elapsed().as_millis() as u64
    }

    /// When something is due even if nothing happens.
    fn wake_at(&self) -> Instant {
        let key = self.rotation.wake_at_ms();
        let key = key.map(|at| self.began + Duration::from_millis(at));
        let due = [key, self.links.wake_at()].into_iter().flatten().min();
        due.unwrap_or_else(|| Instant::now() + LOOK)
    }

    /// Media flows on one's own SFU, for the first time or again.
    async fn publish(&mut self, tracks: [Outgoing; 2]) {
        if self.report.connected_ms.is_none() {
            self.report.connected_ms = Some(self.now_ms());
        } else {
            self.report.reconnects += 1;
        }
        let _ = self.feed.send(Feed::Tracks(tracks)).await;
    }

    fn lost(&mut self, words: String) {
        if self.report.lost.len() < LOST_MAX && self.report.lost.last() != Some(&words) {
            self.report.lost.push(words);
        }
    }

    fn handle_told(&mut self, told: Told) {
        match told {
            Told::Event(event) => self.handle_event(&event),
            Told::Sealed(count) => self.report.sealed_memberships = count,
            Told::ToDevice {
                kind,
                content,
                user,
                device_id,
            } => {
                let from = device_id.map(|device_id| Device { user, device_id });
                self.handle_key(&kind, &content, from);
            }
            Told::Lost(words) => self.lost(format!("the homeserver cannot be followed any more: {words}")),
        }
    }

    /// An event of the room.
    fn handle_event(&mut self, event: &Event) {
        match self.members.handle_event(event, unix_ms()) {
            Change::Nothing => {}
            Change::OwnIsGone => self.gone_at = Some(Instant::now()),
            Change::Others => self.handle_members(),
        }
    }

    /// Who is in the call has changed.
    fn handle_members(&mut self) {
        for member in self.members.iter() {
            if self.people.len() < PEOPLE_MAX || self.people.contains_key(&member.device) {
                let person = self.people.entry(member.device.clone()).or_default();
                person.user = member.device.user.to_string();
                person.device.clone_from(&member.device.device_id);
                person.service_url.clone_from(&member.service_url);
            }
        }
        self.rotation.handle_members(self.members.recipients());
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
        let members = &self.members;
        let present = |device: &Device| members.has(device);
        if self
            .keyring
            .insert(&from, message.index, &message.key, message.sent_at_ms, present)
            && let Some(person) = self.people.get_mut(&from)
        {
            person.key_ms.get_or_insert(now);
        }
    }

    fn handle_seen(&mut self, link: usize, seen: Seen) {
        let now = self.now_ms();
        match seen {
            Seen::Connected => {}
            Seen::Path(path) => {
                if let Some(url) = self.links.url(link) {
                    let service_url = url.to_owned();
                    let is_same =
                        |way: &Way| way.service_url == service_url && way.path.connection == path.connection;
                    self.report.ways.retain(|way| !is_same(way));
                    self.report.ways.push(Way { service_url, path });
                }
            }
            Seen::People(identities) => {
                for identity in identities {
                    let device = self.members.device(&identity);
                    if let Some(person) = device.and_then(|device| self.people.get_mut(device)) {
                        person.on_sfu_ms.get_or_insert(now);
                    }
                }
            }
            Seen::Frame {
                identity,
                kind,
                frame,
            } => {
                let Some(device) = self.members.device(&identity).cloned() else {
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
                self.links.handle_lost(link, Instant::now());
            }
        }
    }

    fn ask_for_key_frame(&mut self, number: usize, device: Device, identity: &str) {
        let now = Instant::now();
        let is_patient = |asked: &Instant| now < *asked + KEY_FRAME_PATIENCE;
        if !self.asked.get(&device).is_some_and(is_patient) {
            self.asked.insert(device, now);
            self.links.ask_for_key_frame(number, identity);
        }
    }

    /// Keeps the membership: the leave waits on, and what is about to end, or was ended by others, is said anew.
    async fn keep(&mut self) {
        if self.members.forget_expired(unix_ms()) {
            self.handle_members();
        }
        match self.membership.keep(self.session).await {
            Ok(true) => {}
            Ok(false) => self.gone_at = Some(Instant::now()),
            Err(error) => self.lost(format!("the membership may end: {error:#}")),
        }
        if self.membership.is_due(Instant::now())
            && let Err(error) = self.membership.announce(self.session, unix_ms()).await
        {
            self.lost(format!("the membership may end: {error:#}"));
        }
    }

    /// This device is there, whoever has said that it is not: its homeserver after a silence, its focus after a lost connection.
    async fn rejoin(&mut self) {
        let now = Instant::now();
        let is_early = self.rejoined_at.is_some_and(|at| now < at + REJOIN);
        if self.gone_at.is_none() || is_early {
            return;
        }
        self.gone_at = None;
        self.rejoined_at = Some(now);
        self.report.rejoins += 1;
        let again = async {
            self.membership.book_again(self.session).await?;
            if self.membership.is_delegated() {
                self.links
                    .hand_over(self.membership.leave_at_homeserver())
                    .await?;
            }
            self.membership.announce(self.session, unix_ms()).await
        };
        if let Err(error) = again.await {
            self.gone_at = Some(now);
            self.lost(format!("the membership has ended: {error:#}"));
        }
    }

    /// Does what is due: keys, the membership, and connections to SFUs.
    async fn advance(&mut self) {
        if self.session.is_encrypted {
            let now = self.now_ms();
            while let Some(step) = self.rotation.poll(now, &mut self.random) {
                match step {
                    Step::Use(index, key) => {
                        let _ = self.feed.send(Feed::Key(index, key)).await;
                    }
                    Step::Tell(index, key, to) => {
                        let telling = keys::send(self.session, &self.member_id, index, key, to);
                        let told = self.not_told.clone();
                        tokio::spawn(async move {
                            let _ = told.send(telling.await).await;
                        });
                    }
                }
            }
        }
        self.rejoin().await;
        let leave = self.membership.is_delegated();
        let leave = leave.then(|| self.membership.leave_at_homeserver());
        let wanted = if self.send_only {
            BTreeSet::new()
        } else {
            self.members.services()
        };
        self.links.advance(wanted, leave, Instant::now());
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
