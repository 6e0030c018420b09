//! Every path of the table in `life.rs`, walked from the outside: what the table says is what happens.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests may panic"
)]

mod common;

use common::{Browser, Town, attempt, claims};
use hanse_sfu_core::command::{ConnectionEnd, MediaEvent};
use hanse_sfu_signal::life::{Cause, Gets, Stage, Step, Told, page, paths, step};
use hanse_sfu_signal::{SfuCommand, SfuEvent, SfuReply};
use livekit_protocol::participant_info::{Kind, State};
use livekit_protocol::signal_request::Message as Ask;
use livekit_protocol::signal_response::Message;
use livekit_protocol::simulate_scenario::Scenario;
use livekit_protocol::{DisconnectReason, LeaveRequest, SessionDescription, SignalRequest, SimulateScenario};
use std::collections::BTreeSet;
use std::time::Duration;

/// Alice at some stage of her life, and bob, who watches.
struct Life {
    town: Town,
    stage: Stage,
    /// Alice's; empty before she has joined.
    sid: String,
    told: (usize, usize),
    events: usize,
    was_closed: bool,
}

/// Recorders do not keep a room open.
fn join(town: &mut Town, name: &str, kind: Kind) {
    let mut claims = claims(name);
    claims.kind = kind;
    town.join_as(name, claims, Browser::new(name)).unwrap();
}

fn connect(town: &mut Town, name: &str) {
    let connection = town.connection(name);
    town.event(MediaEvent::Connected { connection });
}

impl Life {
    fn at(stage: Stage, cause: Cause) -> Self {
        let mut town = Town::new(|config| config.simulate = true);
        town.connects = false;
        let kind = if cause == Cause::RoomClosed {
            Kind::Egress
        } else {
            Kind::Standard
        };
        if stage != Stage::Absent {
            join(&mut town, "alice", kind);
        }
        // After her, so that he is there to hear of it when all must go.
        join(&mut town, "bob", kind);
        connect(&mut town, "bob");
        if stage.is_connected() {
            connect(&mut town, "alice");
        }
        if stage == Stage::Detached {
            town.close_socket("alice");
        }
        let alice = town.people.get("alice");
        Life {
            stage,
            sid: alice.map(|alice| alice.sid.clone()).unwrap_or_default(),
            told: (
                alice.map_or(0, |alice| alice.inbox.len()),
                town.people["bob"].inbox.len(),
            ),
            was_closed: alice.is_some_and(|alice| alice.is_closed),
            events: town.events.len(),
            town,
        }
    }

    fn ask(&mut self, ask: Ask) {
        // Also of one whose socket is gone: its last message may have waited.
        let (session, now) = (self.town.session("alice"), self.town.now);
        let request = SignalRequest { message: Some(ask) };
        self.town.signalling.handle_request(now, session, request);
        self.town.settle();
    }

    fn simulate(&mut self, scenario: Scenario) {
        self.ask(Ask::Simulate(SimulateScenario {
            scenario: Some(scenario),
        }));
    }

    fn happen(&mut self, cause: Cause) {
        let town = &mut self.town;
        match cause {
            Cause::Join => join(town, "alice", Kind::Standard),
            Cause::Resume if self.stage != Stage::Absent => assert!(town.resume("alice")),
            Cause::Resume => {
                let mut browser = Browser::new("alice");
                let mut attempt = attempt(claims("alice"), &mut browser);
                attempt.request.as_mut().unwrap().reconnect = true;
                town.join_with("alice", attempt, browser).unwrap();
            }
            Cause::MediaConnected => connect(town, "alice"),
            Cause::Leave => self.ask(Ask::Leave(LeaveRequest::default())),
            Cause::SocketClosed => town.close_socket("alice"),
            Cause::JoinTimeout => town.pass(Duration::from_secs(60)),
            Cause::DtlsFailed => town.end_media("alice", ConnectionEnd::DtlsFailed),
            Cause::MediaLost => town.end_media("alice", ConnectionEnd::IceTimeout),
            Cause::MediaClosed => town.end_media("alice", ConnectionEnd::ClosedByPeer),
            Cause::Confused => self.ask(Ask::Offer(SessionDescription {
                r#type: "offer".into(),
                sdp: "nonsense".into(),
                ..SessionDescription::default()
            })),
            Cause::DataStalled => {
                let connection = town.connection("alice");
                town.event(MediaEvent::DataStalled { connection });
            }
            Cause::Replaced => {
                town.join_as("alice again", claims("alice"), Browser::new("alice"))
                    .unwrap();
            }
            Cause::Removed => {
                let remove = SfuCommand::RemoveParticipant {
                    room: "standup".into(),
                    identity: "alice".into(),
                    revoke_before_unix_s: None,
                };
                town.command(remove).unwrap();
            }
            Cause::RoomDeleted => {
                let room = "standup".into();
                town.command(SfuCommand::DeleteRoom { room }).unwrap();
            }
            Cause::RoomClosed => {
                join(town, "carol", Kind::Standard);
                town.leave("carol");
                town.pass(Duration::from_secs(20));
            }
            Cause::ServerStops => {
                town.signalling.handle_shutdown(town.now);
                town.settle();
            }
            Cause::TestServerLeave => self.simulate(Scenario::ServerLeave(true)),
            Cause::TestNodeFailure => self.simulate(Scenario::NodeFailure(true)),
            Cause::TestFullReconnect => self.simulate(Scenario::LeaveRequestFullReconnect(true)),
            Cause::TestMigration => self.simulate(Scenario::Migration(true)),
            Cause::TestCutResume => {
                town.join_as("alice before", claims("alice"), Browser::new("alice"))
                    .unwrap();
                let scenario = Some(Scenario::DisconnectSignalOnResumeNoMessages(true));
                town.ask("alice before", Ask::Simulate(SimulateScenario { scenario }));
                self.happen(Cause::Resume);
                assert!(!self.town.people["alice before"].is_closed);
            }
        }
        if self.sid.is_empty()
            && let Some(alice) = self.town.people.get("alice")
        {
            self.sid = alice.sid.clone();
        }
    }

    /// Where alice is, as the server API says.
    fn stage(&mut self) -> Stage {
        let look = SfuCommand::Participant {
            room: "standup".into(),
            identity: "alice".into(),
        };
        match self.town.command(look) {
            Ok(SfuReply::Participant(info)) if info.sid == self.sid => match info.state() {
                State::Joined => Stage::Joined,
                State::Active if self.town.people["alice"].is_closed => Stage::Detached,
                State::Active => Stage::Active,
                state => panic!("{state:?}"),
            },
            _ => Stage::Absent,
        }
    }

    /// What happened since the beginning, in the words of the table.
    fn seen(&mut self, cause: Cause) -> Step {
        let to = self.stage();
        let alice = &self.town.people["alice"];
        let fresh = &alice.inbox[self.told.0..];
        let mut reason = None;
        let mut gets = Gets::Nothing;
        for message in fresh {
            match message {
                Message::Join(_) => gets = Gets::Join,
                Message::Reconnect(_) => gets = Gets::Reconnect,
                Message::Update(update)
                    if gets == Gets::Nothing
                        && update.participants.iter().any(|info| info.sid == self.sid) =>
                {
                    gets = Gets::Update;
                }
                Message::Leave(leave) => {
                    assert!(alice.is_closed, "told to leave, and left hanging");
                    gets = Gets::Leave(leave.action());
                    reason = Some(leave.reason());
                }
                _ => {}
            }
        }
        let closes_itself = cause == Cause::SocketClosed;
        if gets == Gets::Nothing && alice.is_closed && !self.was_closed && !closes_itself {
            gets = Gets::Close;
        }
        if let Gets::Update | Gets::Join | Gets::Reconnect = gets {
            let expected = |message: &Message| match gets {
                Gets::Join => matches!(message, Message::RefreshToken(_)),
                Gets::Reconnect => {
                    matches!(message, Message::Update(update) if update.participants.len() == 2)
                }
                _ => matches!(message, Message::ConnectionQuality(_)),
            };
            assert!(fresh.iter().any(expected), "{fresh:?}");
        }
        let mut others = None;
        for message in &self.town.people["bob"].inbox[self.told.1..] {
            if let Message::Update(update) = message {
                for info in update.participants.iter().filter(|info| info.sid == self.sid) {
                    assert_eq!(others, None, "told once");
                    others = Some(info.state());
                    if info.state() == State::Disconnected {
                        agree(&mut reason, info.disconnect_reason());
                    }
                }
            }
        }
        let mut told = None;
        for event in &self.town.events[self.events..] {
            let (sid, now, why) = match event {
                SfuEvent::ParticipantConnecting { sid, .. } => (sid, Told::Connecting, None),
                SfuEvent::ParticipantJoined { sid, .. } => (sid, Told::Joined, None),
                SfuEvent::ParticipantLeft { sid, reason, .. } => (sid, Told::Left, Some(*reason)),
                SfuEvent::ParticipantConnectionAborted { sid, reason, .. } => {
                    (sid, Told::Aborted, Some(*reason))
                }
                _ => continue,
            };
            if *sid == self.sid {
                assert_eq!(told, None, "told once");
                told = Some(now);
                if let Some(why) = why {
                    agree(&mut reason, why);
                }
            }
        }
        Step {
            to,
            reason,
            gets,
            others,
            told,
        }
    }
}

/// Everybody hears the same reason.
fn agree(reason: &mut Option<DisconnectReason>, said: DisconnectReason) {
    assert_eq!(*reason.get_or_insert(said), said);
}

fn walk(from: Stage, cause: Cause) {
    let mut life = Life::at(from, cause);
    if from != Stage::Absent {
        assert_eq!(life.stage(), from);
    }
    life.happen(cause);
    let seen = life.seen(cause);
    assert_eq!(Some(seen), step(from, cause), "{from:?}, {cause:?}");
    if seen.to == Stage::Absent {
        let connection = life.town.connection("alice");
        assert!(
            !life.town.media.knows(connection),
            "the media plane has forgotten it, too"
        );
        // Nothing of it comes later.
        let (events, inbox) = (life.town.events.len(), life.town.people["alice"].inbox.len());
        life.ask(Ask::Leave(LeaveRequest::default()));
        life.town.pass(Duration::from_secs(5));
        let about_her = |event: &SfuEvent| format!("{event:?}").contains(&life.sid);
        assert!(life.sid.is_empty() || !life.town.events[events..].iter().any(about_her));
        assert_eq!(life.town.people["alice"].inbox.len(), inbox);
    }
    assert_eq!(life.stage, from);
}

/// One test for each path, and the list of them.
macro_rules! paths {
    ($($name:ident: $from:ident, $cause:ident;)*) => {
        $(
            #[test]
            fn $name() {
                walk(Stage::$from, Cause::$cause);
            }
        )*

        const WALKED: &[(Stage, Cause)] = &[$((Stage::$from, Cause::$cause)),*];
    };
}

paths! {
    whoever_joins_is_told_who_is_there_and_others_of_it: Absent, Join;
    whoever_would_resume_is_asked_to_come_anew: Absent, Resume;
    whoever_would_resume_may_have_tested_to_be_cut_off: Absent, TestCutResume;

    a_joiner_whose_socket_breaks_goes_on_with_another: Joined, Resume;
    an_active_one_whose_socket_breaks_goes_on_with_another: Active, Resume;
    a_detached_one_comes_back: Detached, Resume;

    a_joiner_whose_media_connects_is_active: Joined, MediaConnected;
    a_joiner_may_leave: Joined, Leave;
    a_joiner_without_a_socket_is_gone: Joined, SocketClosed;
    a_joiner_without_media_is_sent_away_after_a_minute: Joined, JoinTimeout;
    a_joiner_whose_handshake_fails_is_asked_to_come_anew: Joined, DtlsFailed;
    a_joiner_whose_media_is_lost_is_asked_to_come_anew: Joined, MediaLost;
    a_joiner_who_closes_its_media_is_asked_to_come_anew: Joined, MediaClosed;
    a_joiner_who_makes_no_sense_is_asked_to_come_anew: Joined, Confused;
    a_joiner_who_takes_no_data_is_asked_to_come_anew: Joined, DataStalled;
    a_joiner_gives_way_to_itself: Joined, Replaced;
    a_joiner_can_be_removed: Joined, Removed;
    a_joiner_goes_with_its_deleted_room: Joined, RoomDeleted;
    a_joiner_goes_with_its_empty_room: Joined, RoomClosed;
    a_joiner_hears_that_the_server_stops: Joined, ServerStops;
    a_joiner_can_try_a_server_that_sends_it_away: Joined, TestServerLeave;
    a_joiner_can_try_a_server_that_dies: Joined, TestNodeFailure;
    a_joiner_can_try_a_full_reconnect: Joined, TestFullReconnect;
    a_joiner_can_try_a_migration: Joined, TestMigration;

    an_active_one_may_leave: Active, Leave;
    an_active_one_stays_without_its_socket: Active, SocketClosed;
    an_active_one_whose_dtls_fails_is_asked_to_come_anew: Active, DtlsFailed;
    an_active_one_whose_media_is_lost_is_asked_to_come_anew: Active, MediaLost;
    an_active_one_who_closes_its_media_is_asked_to_come_anew: Active, MediaClosed;
    an_active_one_who_makes_no_sense_is_asked_to_come_anew: Active, Confused;
    an_active_one_who_takes_no_data_is_asked_to_come_anew: Active, DataStalled;
    an_active_one_gives_way_to_itself: Active, Replaced;
    an_active_one_can_be_removed: Active, Removed;
    an_active_one_goes_with_its_deleted_room: Active, RoomDeleted;
    an_active_one_goes_with_its_empty_room: Active, RoomClosed;
    an_active_one_hears_that_the_server_stops: Active, ServerStops;
    an_active_one_can_try_a_server_that_sends_it_away: Active, TestServerLeave;
    an_active_one_can_try_a_server_that_dies: Active, TestNodeFailure;
    an_active_one_can_try_a_full_reconnect: Active, TestFullReconnect;
    an_active_one_can_try_a_migration: Active, TestMigration;

    the_last_word_of_a_socket_that_was_closed_counts: Detached, Leave;
    a_detached_one_whose_dtls_fails_is_gone: Detached, DtlsFailed;
    a_detached_one_whose_media_is_lost_is_gone: Detached, MediaLost;
    a_detached_one_who_closes_its_media_is_gone: Detached, MediaClosed;
    a_detached_one_whose_last_word_makes_no_sense_is_gone: Detached, Confused;
    a_detached_one_who_takes_no_data_is_gone: Detached, DataStalled;
    a_detached_one_gives_way_to_itself: Detached, Replaced;
    a_detached_one_can_be_removed: Detached, Removed;
    a_detached_one_goes_with_its_deleted_room: Detached, RoomDeleted;
    a_detached_one_goes_with_its_empty_room: Detached, RoomClosed;
    a_detached_one_is_gone_when_the_server_stops: Detached, ServerStops;
    a_detached_one_has_tried_a_server_that_sends_it_away: Detached, TestServerLeave;
    a_detached_one_has_tried_a_server_that_dies: Detached, TestNodeFailure;
    a_detached_one_has_tried_a_full_reconnect: Detached, TestFullReconnect;
    a_detached_one_has_tried_a_migration: Detached, TestMigration;
}

#[test]
fn every_path_of_the_table_has_a_test_and_every_test_a_path() {
    let walked: BTreeSet<_> = WALKED.iter().copied().collect();
    let table: BTreeSet<_> = paths().map(|(from, cause, _)| (from, cause)).collect();
    assert_eq!(walked, table);
    assert_eq!(walked.len(), WALKED.len(), "one of them twice");
    for (place, stage) in Stage::ALL.into_iter().enumerate() {
        assert_eq!(stage as usize, place, "the list of stages is complete");
    }
    assert_eq!(Stage::Detached as usize + 1, Stage::ALL.len());
    for (place, cause) in Cause::ALL.into_iter().enumerate() {
        assert_eq!(cause as usize, place, "the list of causes is complete");
    }
    assert_eq!(Cause::TestCutResume as usize + 1, Cause::ALL.len());
}

#[test]
fn what_is_in_no_row_changes_nothing() {
    for (from, cause) in [
        (Stage::Active, Cause::MediaConnected),
        (Stage::Active, Cause::JoinTimeout),
        (Stage::Detached, Cause::MediaConnected),
        (Stage::Detached, Cause::SocketClosed),
        (Stage::Detached, Cause::JoinTimeout),
    ] {
        assert_eq!(step(from, cause), None);
        let mut life = Life::at(from, cause);
        life.happen(cause);
        let nothing = Step {
            to: from,
            reason: None,
            gets: Gets::Nothing,
            others: None,
            told: None,
        };
        assert_eq!(life.seen(cause), nothing, "{from:?}, {cause:?}");
    }
}

#[test]
fn the_book_holds_the_table() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/participant-life.md");
    let book = std::fs::read_to_string(path).unwrap();
    assert!(
        book.contains(&page()),
        "docs/participant-life.md is out of date; its table has to be:\n{}",
        page()
    );
}

#[test]
fn of_a_hidden_one_nobody_hears_whatever_happens() {
    for cause in [Cause::Leave, Cause::MediaLost, Cause::Removed, Cause::Replaced] {
        let mut town = Town::new(|_| {});
        town.join("bob");
        let mut hidden = claims("alice");
        hidden.video.hidden = true;
        town.join_as("alice", hidden.clone(), Browser::new("alice"))
            .unwrap();
        let sid = town.people["alice"].sid.clone();
        match cause {
            Cause::Leave => town.leave("alice"),
            Cause::MediaLost => town.end_media("alice", ConnectionEnd::IceTimeout),
            Cause::Removed => {
                let remove = SfuCommand::RemoveParticipant {
                    room: "standup".into(),
                    identity: "alice".into(),
                    revoke_before_unix_s: None,
                };
                town.command(remove).unwrap();
            }
            _ => {
                town.join_as("alice again", hidden, Browser::new("alice"))
                    .unwrap();
            }
        }
        assert!(town.people["alice"].is_closed);
        assert!(
            !format!("{:?}", town.people["bob"].inbox).contains(&sid),
            "{cause:?}"
        );
    }
}
