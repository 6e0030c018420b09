//! What every room may use while it handles an input: the moment, the configuration, names, timers, and the queue of
//! what comes out.

use crate::api::{CallId, RpcError, SfuEvent};
use crate::life::{Gets, Step};
use crate::missed::MissedLog;
use crate::names::Names;
use crate::signalling::{Output, SessionId, SignalConfig};
use crate::timers::{RoomKey, Timers};
use hanse_sfu_core::command::MediaCommand;
use hanse_sfu_core::ids::TrackId;
use livekit_protocol::leave_request::Action;
use livekit_protocol::signal_response::Message;
use livekit_protocol::{ConnectionQuality, DisconnectReason, LeaveRequest, SignalResponse};
use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

pub(crate) struct Context {
    /// The moment of the input that is being handled.
    pub now: Instant,
    pub config: SignalConfig,
    pub names: Names,
    pub timers: Timers,
    /// Which room a session is in.
    pub sessions: HashMap<SessionId, RoomKey>,
    /// Which room an event about a track is for.
    pub track_rooms: HashMap<TrackId, RoomKey>,
    /// What those who are in a room may not have received.
    pub missed: HashMap<SessionId, MissedLog>,
    /// Drained by the caller after each input; bounded by what one input can cause.
    pub outputs: VecDeque<Output>,
}

impl Context {
    pub fn new(now: Instant, config: SignalConfig, seed: [u8; 32]) -> Self {
        Context {
            now,
            config,
            names: Names::new(seed),
            timers: Timers::default(),
            sessions: HashMap::new(),
            track_rooms: HashMap::new(),
            missed: HashMap::new(),
            outputs: VecDeque::new(),
        }
    }

    pub fn send(&mut self, session: SessionId, message: Message) {
        let message = Box::new(SignalResponse {
            message: Some(message),
        });
        self.outputs.push_back(Output::Send { session, message });
    }

    /// What a client gets whose session ends.
    pub fn end(&mut self, session: SessionId, step: &Step) {
        match step.gets {
            Gets::Leave(action) => self.send_leave(session, step.reason.unwrap_or_default(), action),
            Gets::Close => self.close(session),
            Gets::Join | Gets::Update | Gets::Reconnect | Gets::Nothing => {}
        }
    }

    /// Says goodbye and closes the socket.
    fn send_leave(&mut self, session: SessionId, reason: DisconnectReason, action: Action) {
        let leave = LeaveRequest {
            can_reconnect: action != Action::Disconnect,
            reason: reason.into(),
            action: action.into(),
            regions: None,
        };
        self.send(session, Message::Leave(leave));
        self.close(session);
    }

    /// The socket of the join that is being taken is the session's from here on.
    pub fn attach(&mut self, session: SessionId) {
        self.outputs.push_back(Output::Attach { session });
    }

    pub fn close(&mut self, session: SessionId) {
        self.outputs.push_back(Output::Close { session });
    }

    pub fn media(&mut self, command: MediaCommand) {
        self.outputs.push_back(Output::Media(command));
    }

    pub fn event(&mut self, event: SfuEvent) {
        self.outputs.push_back(Output::Event(event));
    }

    pub fn call_ended(&mut self, call: CallId, result: Result<String, RpcError>) {
        self.outputs.push_back(Output::CallEnded { call, result });
    }

    pub fn first_picture(&mut self, session: SessionId, after: Duration) {
        self.outputs.push_back(Output::FirstPicture { session, after });
    }

    pub fn quality(&mut self, grade: ConnectionQuality, score: f32) {
        self.outputs.push_back(Output::Quality { grade, score });
    }

    /// Milliseconds since 1970.
    pub fn unix_ms(&self) -> u64 {
        let wall = self.config.wall;
        let passed = self.now.saturating_duration_since(wall.at).as_millis();
        wall.unix_ms
            .saturating_add(u64::try_from(passed).unwrap_or(u64::MAX))
    }

    /// Seconds since 1970.
    pub fn unix_s(&self) -> u64 {
        self.unix_ms() / 1000
    }
}
