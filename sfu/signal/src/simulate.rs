//! `simulate`: scenarios that testers of clients ask for, when [`crate::SignalConfig::simulate`] lets them. LiveKit's
//! server lets everybody always; here it is off, because whoever is in a call could appear to speak.
//!
//! What a single server can do of them is done. `switch_candidate_protocol` is answered by what a tester is offered from then
//! on: `livekit-client` joins anew at once, so it is remembered for its identity. By TLS means by a relay, if there is one.

use crate::context::Context;
use crate::life::Cause;
use crate::limits::{TESTED_RESUME_WAIT, TESTED_SPEECH_S_MAX, TESTED_TRANSPORT_WAIT, TESTED_TRANSPORTS_MAX};
use crate::negotiate::candidate::{Candidate, CandidateTransport};
use crate::room::Room;
use crate::signalling::SessionId;
use crate::timers::Timer;
use livekit_protocol::simulate_scenario::Scenario;
use livekit_protocol::{CandidateProtocol, ClientConfigSetting, ClientConfiguration, IceServer};
use std::time::{Duration, Instant};

/// What a participant has asked for that is not over.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tested {
    /// It appears to speak until then.
    pub speaks_until: Option<Instant>,
    /// Until then, a resume of its session is cut off without a word.
    pub cuts_resume_until: Option<Instant>,
    /// Until then, a resume of its session ends with its socket closed, after everything was said.
    pub closes_resume_until: Option<Instant>,
    /// Bits per second that it wants to be sent at most.
    pub downlink_bps: Option<u64>,
}

impl Room {
    /// `simulate`
    pub fn handle_simulate(&mut self, cx: &mut Context, session: SessionId, scenario: Option<Scenario>) {
        let Some(participant) = self.participants.get_mut(&session).filter(|_| cx.config.simulate) else {
            return;
        };
        match scenario {
            Some(Scenario::ServerLeave(_)) => self.live(cx, session, Cause::TestServerLeave),
            Some(Scenario::NodeFailure(_)) => self.live(cx, session, Cause::TestNodeFailure),
            Some(Scenario::LeaveRequestFullReconnect(_)) => {
                self.live(cx, session, Cause::TestFullReconnect);
            }
            Some(Scenario::Migration(_)) => self.live(cx, session, Cause::TestMigration),
            Some(Scenario::SpeakerUpdate(seconds)) => {
                let seconds = u64::try_from(seconds).unwrap_or(0).min(TESTED_SPEECH_S_MAX);
                participant.tested.speaks_until = Some(cx.now + Duration::from_secs(seconds));
                cx.timers.set(Timer::Speakers(self.key), cx.now);
            }
            Some(Scenario::SubscriberBandwidth(bits_per_second)) => {
                let wanted = u64::try_from(bits_per_second).ok().filter(|bits| *bits > 0);
                participant.tested.downlink_bps = wanted;
                self.send_downlink_limit(cx, session);
            }
            Some(Scenario::DisconnectSignalOnResumeNoMessages(_)) => {
                participant.tested.cuts_resume_until = Some(cx.now + TESTED_RESUME_WAIT);
            }
            Some(Scenario::DisconnectSignalOnResume(_)) => {
                participant.tested.closes_resume_until = Some(cx.now + TESTED_RESUME_WAIT);
            }
            Some(Scenario::SwitchCandidateProtocol(protocol)) => {
                let identity = participant.identity.clone();
                let tested = &mut self.tested_transports;
                tested.retain(|_, (_, until)| cx.now < *until);
                let Ok(protocol) = CandidateProtocol::try_from(protocol) else {
                    return;
                };
                let is_there = protocol != CandidateProtocol::Tls || cx.config.turn.is_some();
                if protocol == CandidateProtocol::Udp {
                    tested.remove(&identity);
                } else if is_there && tested.len() < TESTED_TRANSPORTS_MAX {
                    tested.insert(identity, (protocol, cx.now + TESTED_TRANSPORT_WAIT));
                }
            }
            None => {}
        }
    }

    /// Where somebody may send media: everywhere, but to a tester of media over TCP by TCP only, if there is any.
    pub fn candidates(&self, cx: &Context, session: SessionId) -> Vec<Candidate> {
        let all = &cx.config.candidates;
        let is_tcp = |candidate: &&Candidate| candidate.transport == CandidateTransport::Tcp;
        let tests_tcp = self.tests(cx, session, CandidateProtocol::Tcp);
        if tests_tcp && all.iter().any(|candidate| is_tcp(&candidate)) {
            all.iter().filter(is_tcp).copied().collect()
        } else {
            all.clone()
        }
    }

    /// Whether somebody tests this way of media at the moment.
    fn tests(&self, cx: &Context, session: SessionId, protocol: CandidateProtocol) -> bool {
        self.participants
            .get(&session)
            .and_then(|participant| self.tested_transports.get(&participant.identity))
            .is_some_and(|(tested, until)| *tested == protocol && cx.now < *until)
    }

    /// Relays that a client may use, with a credential of its own. Its name there is that of its session, which the next one
    /// does not have any more.
    pub fn ice_servers(&self, cx: &Context, session: SessionId) -> Vec<IceServer> {
        let participant = self.participants.get(&session);
        let told = participant
            .zip(cx.config.turn.as_ref())
            .map(|(participant, turn)| turn.for_client(cx.unix_s(), &participant.sid));
        told.into_iter().collect()
    }

    /// What a client has to mind: codecs that it must not use, and for a tester of relays that it must use nothing else.
    pub fn client_configuration(&self, cx: &Context, session: SessionId) -> Option<ClientConfiguration> {
        let participant = self.participants.get(&session);
        let told = participant.and_then(|participant| participant.abilities.configuration());
        if self.tests(cx, session, CandidateProtocol::Tls) {
            return Some(ClientConfiguration {
                force_relay: ClientConfigSetting::Enabled.into(),
                ..told.unwrap_or_default()
            });
        }
        told
    }

    /// Whether a resume that was answered is to end; asked once for each wish.
    pub fn closes_resume(&mut self, now: Instant, session: SessionId) -> bool {
        self.participants
            .get_mut(&session)
            .and_then(|participant| participant.tested.closes_resume_until.take())
            .is_some_and(|until| now < until)
    }

    /// Whether the next resume of somebody's session is to be cut off; asked once for each wish.
    pub fn cuts_resume(&mut self, now: Instant, identity: &str) -> bool {
        let session = self.identities.get(identity);
        let participant = session.and_then(|session| self.participants.get_mut(session));
        participant
            .and_then(|participant| participant.tested.cuts_resume_until.take())
            .is_some_and(|until| now < until)
    }
}
