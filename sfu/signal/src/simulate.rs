//! `simulate`: scenarios that testers of clients ask for, when [`crate::SignalConfig::simulate`] lets them. LiveKit's
//! server lets everybody always; here it is off, because whoever is in a call could appear to speak.
//!
//! What a single server can do of them is done. `switch_candidate_protocol` is answered by what a tester is offered from then
//! on: `livekit-client` joins anew at once, so it is remembered for its identity. There is no relay by TLS to be switched to.

use crate::context::Context;
use crate::life::Cause;
use crate::limits::{TESTED_RESUME_WAIT, TESTED_SPEECH_S_MAX, TESTED_TRANSPORT_WAIT, TESTED_TRANSPORTS_MAX};
use crate::negotiate::candidate::{Candidate, CandidateTransport};
use crate::room::Room;
use crate::signalling::SessionId;
use crate::timers::Timer;
use livekit_protocol::CandidateProtocol;
use livekit_protocol::simulate_scenario::Scenario;
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
                self.tested_tcp.retain(|_, until| cx.now < *until);
                match CandidateProtocol::try_from(protocol) {
                    Ok(CandidateProtocol::Udp) => drop(self.tested_tcp.remove(&identity)),
                    Ok(CandidateProtocol::Tcp) if self.tested_tcp.len() < TESTED_TRANSPORTS_MAX => {
                        self.tested_tcp.insert(identity, cx.now + TESTED_TRANSPORT_WAIT);
                    }
                    _ => {}
                }
            }
            None => {}
        }
    }

    /// Where somebody may send media: everywhere, but to a tester of media over TCP by TCP only, if there is any.
    pub fn candidates(&self, cx: &Context, session: SessionId) -> Vec<Candidate> {
        let all = &cx.config.candidates;
        let is_tcp = |candidate: &&Candidate| candidate.transport == CandidateTransport::Tcp;
        let until = self
            .participants
            .get(&session)
            .and_then(|participant| self.tested_tcp.get(&participant.identity));
        match until {
            Some(until) if cx.now < *until && all.iter().any(|candidate| is_tcp(&candidate)) => {
                all.iter().filter(is_tcp).copied().collect()
            }
            _ => all.clone(),
        }
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
