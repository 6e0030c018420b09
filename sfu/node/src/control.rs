//! The control side: one task owns the signalling and the placement of connections on shards. Everybody else sends it
//! messages; there are no locks.
//!
//! It may wait for a shard whose command queue is full (commands are never lost), and for nothing else: a socket that
//! does not take its messages is closed, a subscriber that does not take its events misses some.

use crate::forwarding::{Forwarding, Samples};
use crate::handle::{Call, Command, EVENTS_MAX as SUBSCRIBED_EVENTS_MAX, SfuHandle, StreamsQuery};
use crate::metrics::{DRAINING, FIRST_PICTURE};
use crate::shard::ShardLink;
use crate::tally::Tally;
use hanse_runtime::clock;
use hanse_sfu_core::ids::ShardId;
use hanse_sfu_core::placement::{Placement, PlacementOutput};
use hanse_sfu_core::shard::ShardEvent;
use hanse_sfu_signal::limits::{MISSED_MESSAGES_MAX, PUBLISHED_TRACKS_MAX};
use hanse_sfu_signal::{
    ApiKeys, CallId, Candidate, JoinAttempt, JoinRefusal, Output, RpcFailure, SessionId, SfuEvent, Signalling,
};
use livekit_protocol::{SignalRequest, SignalResponse};
use prost::Message as _;
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;
use tokio::sync::{broadcast, mpsc, oneshot};

/// Messages of all sockets and handlers that may wait for the control task. When it is full, sockets are not read and
/// HTTP handlers wait: the senders feel it, nobody is dropped.
const INPUTS_MAX: usize = 1024;

/// Inputs that are taken before outputs are carried away.
const INPUTS_PER_TURN: usize = 64;

/// Messages that may wait for one socket. A join into a room of hundreds makes a few dozen; a socket that is this far
/// behind does not read any more and is closed.
pub const SOCKET_MESSAGES_MAX: usize = 256;

/// What a resume says at once fits: what was missed, a message or two for each track, and a few dozen more.
const _: () = assert!(MISSED_MESSAGES_MAX + 2 * PUBLISHED_TRACKS_MAX + 36 < SOCKET_MESSAGES_MAX);

/// Bytes of the messages that may wait for one socket, as protobuf and besides the last one. A join into a room of
/// hundreds is one message of a few hundred kB. A socket that is this far behind is closed, as above.
pub const SOCKET_BYTES_MAX: usize = 8 * 1024 * 1024;

/// What the control task is told.
pub(crate) enum Input {
    /// Would this join be accepted?
    CheckJoin {
        attempt: Box<JoinAttempt>,
        answer: oneshot::Sender<Result<(), JoinRefusal>>,
    },
    /// Somebody wants in; the socket is not open yet.
    Join {
        attempt: Box<JoinAttempt>,
        socket: SocketLink,
        answer: oneshot::Sender<Result<SocketId, JoinRefusal>>,
    },
    /// A socket received this.
    Request {
        id: SocketId,
        request: Box<SignalRequest>,
    },
    /// A socket is gone.
    SocketClosed { id: SocketId },
    /// Somebody controls the SFU.
    Command(Command),
    /// Somebody calls a participant's method.
    Call(Call),
    /// Somebody asks what participants get of each other's videos.
    VideoStreams(StreamsQuery),
    /// Make no rooms any more, or make them again.
    Drain(bool),
    /// Sign with other keys from now on.
    ChangeKeys(Arc<ApiKeys>),
    /// How many participants there are, connected or coming again.
    CountPeople { answer: oneshot::Sender<usize> },
    /// Clients are offered these from now on.
    Candidates(Vec<Candidate>),
    /// Say goodbye to everybody, answer when all farewells are queued, and end.
    Shutdown { answer: oneshot::Sender<()> },
}

/// A socket: whose it is, and which of those that the session has had. Once a later one has taken its place, nobody listens
/// to it any more, and its end is not the session's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SocketId {
    pub session: SessionId,
    socket: u64,
}

/// What a socket is told.
pub(crate) enum SocketMessage {
    /// To be sent.
    Send(Box<SignalResponse>),
    /// Flush what was sent, then close in order.
    Close,
}

/// How the control task reaches one socket.
pub(crate) struct SocketLink {
    /// At most [`SOCKET_MESSAGES_MAX`].
    pub messages: mpsc::Sender<SocketMessage>,
    /// Closes the socket without flushing; the text is the reason.
    pub kill: oneshot::Sender<&'static str>,
    /// What lies in `messages`.
    pub waiting: Waiting,
}

/// Bytes of the messages that wait for one socket. Two tasks count here, one up and one down; nothing depends on the
/// order in which they do.
#[derive(Clone, Default)]
pub(crate) struct Waiting(Arc<AtomicUsize>);

impl Waiting {
    /// A message is about to wait; `false`: too much waits already.
    fn add(&self, message: &SignalResponse) -> bool {
        self.0.fetch_add(message.encoded_len(), Ordering::Relaxed) <= SOCKET_BYTES_MAX
    }

    /// A message has left.
    pub(crate) fn remove(&self, message: &SignalResponse) {
        self.0.fetch_sub(message.encoded_len(), Ordering::Relaxed);
    }
}

/// Where inputs go.
pub(crate) type Inputs = mpsc::Sender<Input>;

pub(crate) struct Control {
    signalling: Signalling,
    placement: Placement,
    shards: Vec<ShardLink>,
    /// Sockets that are written to.
    sockets: HashMap<SessionId, (SocketId, SocketLink)>,
    /// Sockets of joins that were taken, until the signalling has come to them ([`Output::Attach`]).
    arriving: VecDeque<(SocketId, SocketLink)>,
    /// The latest socket of each session.
    latest_sockets: HashMap<SessionId, SocketId>,
    last_socket: u64,
    /// Who waits for the ends of calls.
    calls: HashMap<CallId, oneshot::Sender<Result<String, RpcFailure>>>,
    events: broadcast::Sender<Arc<SfuEvent>>,
    inputs: mpsc::Receiver<Input>,
    shard_events: mpsc::Receiver<(ShardId, ShardEvent)>,
    shard_data: mpsc::Receiver<(ShardId, ShardEvent)>,
    forwarded: mpsc::Receiver<Samples>,
    tally: Tally,
    forwarding: Forwarding,
}

impl Control {
    /// A control task that is not running yet, where its inputs go, and a handle for other parts of the process.
    pub(crate) fn new(
        signalling: Signalling,
        shards: Vec<ShardLink>,
        shard_events: mpsc::Receiver<(ShardId, ShardEvent)>,
        shard_data: mpsc::Receiver<(ShardId, ShardEvent)>,
        forwarded: mpsc::Receiver<Samples>,
    ) -> (Self, Inputs, SfuHandle) {
        let (sender, inputs) = mpsc::channel(INPUTS_MAX);
        let (events, _) = broadcast::channel(SUBSCRIBED_EVENTS_MAX);
        let handle = SfuHandle::new(sender.clone(), events.clone(), signalling.keys().clone());
        let count = u16::try_from(shards.len()).unwrap_or(u16::MAX);
        let placement = Placement::new(count);
        let control = Control {
            signalling,
            placement,
            shards,
            sockets: HashMap::new(),
            arriving: VecDeque::new(),
            latest_sockets: HashMap::new(),
            last_socket: 0,
            calls: HashMap::new(),
            events,
            inputs,
            shard_events,
            shard_data,
            forwarded,
            tally: Tally::default(),
            forwarding: Forwarding::default(),
        };
        (control, sender, handle)
    }

    /// Runs until it is told to end.
    pub(crate) async fn run(mut self) {
        DRAINING.set(0, []);
        loop {
            let deadline = self.signalling.poll_timeout();
            let woken = tokio::select! {
                event = self.shard_events.recv() => Woken::Shard(event),
                message = self.shard_data.recv() => Woken::Shard(message),
                input = self.inputs.recv() => Woken::Input(input),
                Some(samples) = self.forwarded.recv() => {
                    self.forwarding.take(clock::now(), &samples);
                    continue;
                }
                () = sleep_until(deadline) => Woken::Deadline,
            };
            let now = clock::now();
            let end = match woken {
                Woken::Shard(Some((shard, event))) => {
                    self.placement.handle_event(now, shard, event);
                    None
                }
                Woken::Input(Some(input)) => self.take(now, input),
                Woken::Deadline => None,
                // Everybody who could say something is gone.
                Woken::Shard(None) | Woken::Input(None) => return,
            };
            let end = end.or_else(|| self.take_more(now));
            if self.signalling.poll_timeout().is_some_and(|at| at <= now) {
                self.signalling.handle_timeout(now);
            }
            self.carry(now).await;
            if let Some(answer) = end {
                let _ = answer.send(());
                return;
            }
        }
    }

    /// Takes what else is there, up to a bound; whoever wants the end is returned.
    fn take_more(&mut self, now: Instant) -> Option<oneshot::Sender<()>> {
        for _ in 0..INPUTS_PER_TURN {
            let event = self.shard_events.try_recv();
            let message = self.shard_data.try_recv();
            let input = self.inputs.try_recv();
            if event.is_err() && message.is_err() && input.is_err() {
                return None;
            }
            for (shard, event) in event.into_iter().chain(message) {
                self.placement.handle_event(now, shard, event);
            }
            if let Ok(input) = input
                && let Some(answer) = self.take(now, input)
            {
                return Some(answer);
            }
        }
        None
    }

    fn take(&mut self, now: Instant, input: Input) -> Option<oneshot::Sender<()>> {
        // Whoever asked may have gone meanwhile; then nobody hears the answer.
        match input {
            Input::CheckJoin { attempt, answer } => {
                let _ = answer.send(self.signalling.check_join(&attempt));
            }
            Input::Join {
                attempt,
                socket,
                answer,
            } => {
                let is_resume = attempt.request.as_ref().is_some_and(|request| request.reconnect);
                let result = self.signalling.handle_join(now, *attempt);
                self.tally.join(result.is_ok(), is_resume);
                let result = result.map(|session| self.seat(session, socket));
                // A socket that is gone again before it opened is found so by what is sent to it.
                let _ = answer.send(result);
            }
            Input::Request { id, request } => {
                self.tally.request(&request);
                if self.is_latest(id) {
                    self.signalling.handle_request(now, id.session, *request);
                }
            }
            Input::SocketClosed { id } => self.forget(now, id),
            Input::Candidates(candidates) => self.signalling.handle_candidates(candidates),
            Input::Command(command) => {
                let _ = command
                    .answer
                    .send(self.signalling.handle_command(now, command.command));
            }
            Input::Call(Call { call, answer }) => match self.signalling.handle_call(now, &call) {
                Ok(id) => drop(self.calls.insert(id, answer)),
                Err(failure) => drop(answer.send(Err(failure))),
            },
            Input::VideoStreams(StreamsQuery {
                room,
                of,
                max,
                answer,
            }) => drop(answer.send(self.signalling.video_streams(&room, of.as_deref(), max))),
            Input::Drain(is_draining) => {
                self.signalling.set_draining(is_draining);
                DRAINING.set(usize::from(is_draining), []);
            }
            Input::ChangeKeys(keys) => self.signalling.set_keys(ApiKeys::clone(&keys)),
            Input::CountPeople { answer } => drop(answer.send(self.signalling.people())),
            Input::Shutdown { answer } => {
                self.signalling.handle_shutdown(now);
                return Some(answer);
            }
        }
        None
    }

    /// Takes a socket in. What is written to it begins at its [`Output::Attach`].
    fn seat(&mut self, session: SessionId, socket: SocketLink) -> SocketId {
        self.last_socket += 1;
        let id = SocketId {
            session,
            socket: self.last_socket,
        };
        self.latest_sockets.insert(session, id);
        self.arriving.push_back((id, socket));
        id
    }

    fn is_latest(&self, id: SocketId) -> bool {
        self.latest_sockets.get(&id.session) == Some(&id)
    }

    /// The next socket takes over; an earlier one of the same session is flushed and closed.
    fn attach(&mut self) {
        let Some((id, socket)) = self.arriving.pop_front() else {
            return;
        };
        let before = self.sockets.insert(id.session, (id, socket));
        if let Some((_, before)) = before
            && before.messages.try_send(SocketMessage::Close).is_err()
        {
            // It is gone, or does not read.
            let _ = before.kill.send("another socket has taken its place");
        }
    }

    /// The signalling has nothing more to say to a session's socket.
    fn close(&mut self, now: Instant, session: SessionId) {
        self.send(now, session, SocketMessage::Close);
        if let Some((id, _)) = self.sockets.remove(&session)
            && self.is_latest(id)
        {
            self.latest_sockets.remove(&session);
        }
    }

    /// Carries outputs to where they belong, until signalling and placement have no more.
    async fn carry(&mut self, now: Instant) {
        let mut woken = BTreeSet::new();
        loop {
            let mut quiet = true;
            while let Some(output) = self.signalling.poll_output() {
                quiet = false;
                match output {
                    Output::Attach { .. } => self.attach(),
                    Output::Send { session, message } => {
                        self.send(now, session, SocketMessage::Send(message))
                    }
                    Output::Close { session } => self.close(now, session),
                    Output::Media(command) => {
                        self.tally.command(&command);
                        self.placement.handle_command(now, command);
                    }
                    Output::Event(event) => {
                        self.tally.event(now, clock::unix_ms(), &event);
                        // Nobody may have subscribed.
                        drop(self.events.send(Arc::new(event)));
                    }
                    Output::Quality { grade, score } => Tally::quality(grade, score),
                    Output::CallEnded { call, result } => {
                        if let Some(answer) = self.calls.remove(&call) {
                            // Its caller may have gone meanwhile.
                            drop(answer.send(result.map_err(RpcFailure::Failed)));
                        }
                    }
                    Output::FirstPicture { session, after } => {
                        FIRST_PICTURE.observe(after, []);
                        let sfu_ms = u64::try_from(after.as_millis()).unwrap_or(u64::MAX);
                        tracing::info!(session = session.0, sfu_ms, "the first picture has gone out");
                    }
                }
            }
            while let Some(output) = self.placement.poll_output() {
                quiet = false;
                match output {
                    PlacementOutput::Event(event) => {
                        self.tally.media(&event);
                        self.signalling.handle_media(now, event);
                    }
                    PlacementOutput::Shard(id, command) => {
                        let Some(shard) = self.shards.get(usize::from(id.0)) else {
                            continue;
                        };
                        woken.insert(id);
                        if let Err(mpsc::error::TrySendError::Full(command)) =
                            shard.commands.try_send(command)
                        {
                            shard.waker.wake();
                            // Fails when the shard has ended, and then the whole node ends.
                            let _ = shard.commands.send(command).await;
                        }
                    }
                }
            }
            if quiet {
                break;
            }
        }
        for id in woken {
            if let Some(shard) = self.shards.get(usize::from(id.0)) {
                shard.waker.wake();
            }
        }
    }

    fn send(&mut self, now: Instant, session: SessionId, message: SocketMessage) {
        let Some((id, socket)) = self.sockets.get(&session) else {
            return;
        };
        let id = *id;
        let has_room = match &message {
            SocketMessage::Send(message) => socket.waiting.add(message),
            SocketMessage::Close => true,
        };
        if let SocketMessage::Send(response) = &message {
            let is_taken = has_room && socket.messages.capacity() > 0;
            self.tally.response(response, is_taken);
        }
        let sent = if has_room {
            socket.messages.try_send(message)
        } else {
            Err(mpsc::error::TrySendError::Full(message))
        };
        match sent {
            Ok(()) => {}
            Err(mpsc::error::TrySendError::Full(_)) => {
                tracing::info!(
                    session = session.0,
                    "a client does not read its messages; its socket is closed"
                );
                if let Some((_, socket)) = self.sockets.remove(&session) {
                    // The socket may have ended by itself.
                    let _ = socket.kill.send("messages are not read");
                }
                self.forget(now, id);
            }
            // Its client went away before the socket opened, or a moment ago.
            Err(mpsc::error::TrySendError::Closed(_)) => self.forget(now, id),
        }
    }

    /// A socket is gone. That ends or detaches its session, unless another one has taken its place.
    fn forget(&mut self, now: Instant, id: SocketId) {
        let session = id.session;
        if self.sockets.get(&session).is_some_and(|(own, _)| *own == id) {
            self.sockets.remove(&session);
        }
        if self.is_latest(id) {
            self.latest_sockets.remove(&session);
            self.signalling.handle_socket_closed(now, session);
        }
    }
}

enum Woken {
    Shard(Option<(ShardId, ShardEvent)>),
    Input(Option<Input>),
    Deadline,
}

async fn sleep_until(deadline: Option<Instant>) {
    match deadline {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secure::Identity;
    use hanse_sfu_signal::{Claims, PeerConnections, SignalConfig, VideoGrant, WallClock};
    use livekit_protocol::participant_info::Kind;
    use livekit_protocol::{DisconnectReason, JoinRequest, signal_response};

    fn control() -> (Control, Inputs, SfuHandle) {
        let now = clock::now();
        let config = SignalConfig {
            auto_create: true,
            codecs: hanse_sfu_signal::CODECS.to_vec(),
            empty_timeout_s: 300,
            departure_timeout_s: 20,
            max_participants: 0,
            participants_max_on_node: 100,
            candidates: vec![],
            turn: None,
            fingerprint: Identity::generate().unwrap().sdp_fingerprint(),
            node_id: "ND_test".to_owned(),
            region: String::new(),
            keys: ApiKeys::new(vec![("devkey".to_owned(), "secret".to_owned())]).unwrap(),
            wall: WallClock {
                at: now,
                unix_ms: clock::unix_ms(),
            },
            simulate: false,
        };
        let (shards, shard_events) = mpsc::channel(1);
        let (data, shard_data) = mpsc::channel(1);
        // A shard that never says anything.
        let (forwarded_sender, forwarded) = mpsc::channel(1);
        std::mem::forget((shards, data, forwarded_sender));
        Control::new(
            Signalling::new(now, config, [7; 32]),
            vec![],
            shard_events,
            shard_data,
            forwarded,
        )
    }

    struct Socket {
        messages: mpsc::Receiver<SocketMessage>,
        killed: oneshot::Receiver<&'static str>,
    }

    /// Joins with room for so many messages.
    fn join(control: &mut Control, identity: &str, room: usize) -> Socket {
        enter(control, identity, room, JoinRequest::default()).0
    }

    /// Comes again to go on.
    fn resume(control: &mut Control, identity: &str, room: usize) -> (Socket, SocketId) {
        let request = JoinRequest {
            reconnect: true,
            ..JoinRequest::default()
        };
        enter(control, identity, room, request)
    }

    fn enter(control: &mut Control, identity: &str, room: usize, request: JoinRequest) -> (Socket, SocketId) {
        let video = VideoGrant {
            room_join: true,
            room: "room".to_owned(),
            ..VideoGrant::default()
        };
        let claims = Claims {
            identity: identity.to_owned(),
            name: String::new(),
            metadata: String::new(),
            attributes: Default::default(),
            kind: Kind::Standard,
            not_before_unix_s: 0,
            expires_at_unix_s: u64::MAX,
            video,
        };
        let attempt = Box::new(JoinAttempt {
            claims,
            peer_connections: PeerConnections::One,
            request: Some(request),
            publish: None,
        });
        let (messages, received) = mpsc::channel(room);
        let (kill, killed) = oneshot::channel();
        let (answer, mut result) = oneshot::channel();
        let socket = SocketLink {
            messages,
            kill,
            waiting: Waiting::default(),
        };
        assert!(
            control
                .take(
                    clock::now(),
                    Input::Join {
                        attempt,
                        socket,
                        answer
                    }
                )
                .is_none()
        );
        let id = result.try_recv().unwrap().unwrap();
        let socket = Socket {
            messages: received,
            killed,
        };
        (socket, id)
    }

    fn names(socket: &mut Socket) -> Vec<String> {
        let mut names = Vec::new();
        while let Ok(message) = socket.messages.try_recv() {
            names.push(match message {
                SocketMessage::Close => "close".to_owned(),
                SocketMessage::Send(message) => match message.message.unwrap() {
                    signal_response::Message::Join(_) => "join".to_owned(),
                    signal_response::Message::Reconnect(_) => "reconnect".to_owned(),
                    signal_response::Message::RoomUpdate(_) => "room".to_owned(),
                    signal_response::Message::Leave(leave) => leave.reason().as_str_name().to_owned(),
                    _ => continue,
                },
            });
        }
        names
    }

    #[tokio::test]
    async fn a_socket_that_takes_no_messages_is_closed_with_a_reason_and_the_others_stay() {
        let (mut control, inputs, handle) = control();
        let mut events = handle.subscribe();
        let mut slow = join(&mut control, "slow", 1);
        let mut alice = join(&mut control, "alice", 100);
        control.carry(clock::now()).await;
        // The news of alice did not fit behind the join.
        assert_eq!(slow.killed.try_recv(), Ok("messages are not read"));
        assert_eq!(names(&mut alice), ["join"]);
        assert!(alice.killed.try_recv().is_err());
        control.carry(clock::now()).await;
        drop((control, inputs, handle));
        let mut gone = Vec::new();
        while let Some(crate::handle::Heard::Event(event)) = events.next().await {
            if let SfuEvent::ParticipantConnectionAborted { identity, .. } = &*event {
                gone.push(identity.clone());
            }
        }
        assert_eq!(gone, ["slow"]);
    }

    #[tokio::test]
    async fn a_farewell_is_in_the_queue_before_the_close() {
        let (mut control, inputs, _handle) = control();
        let mut alice = join(&mut control, "alice", 100);
        let running = tokio::spawn(control.run());
        let (answer, done) = oneshot::channel();
        inputs.send(Input::Shutdown { answer }).await.ok().unwrap();
        done.await.unwrap();
        running.await.unwrap();
        assert_eq!(
            names(&mut alice),
            ["join", DisconnectReason::ServerShutdown.as_str_name(), "close"]
        );
    }

    #[tokio::test]
    async fn a_new_socket_takes_the_place_of_the_old_one_and_the_late_end_of_that_one_is_nobodys() {
        let (mut control, _inputs, _handle) = control();
        let (mut old, id) = enter(&mut control, "alice", 100, JoinRequest::default());
        control.carry(clock::now()).await;
        assert_eq!(names(&mut old), ["join"]);
        // Something is on its way to the old one when the new one comes.
        let metadata = |text: &str| hanse_sfu_signal::SfuCommand::ChangeRoomMetadata {
            room: "room".to_owned(),
            metadata: text.to_owned(),
        };
        let change = |control: &mut Control, text: &str| {
            assert!(
                control
                    .signalling
                    .handle_command(clock::now(), metadata(text))
                    .is_ok()
            );
        };
        change(&mut control, "before");
        let (mut new, again) = resume(&mut control, "alice", 100);
        assert_eq!(again.session, id.session);
        change(&mut control, "after");
        control.carry(clock::now()).await;
        assert_eq!(names(&mut old), ["room", "close"]);
        assert_eq!(names(&mut new), ["reconnect", "room", "room"]);

        // The old one says its last words and ends; that is not heard.
        let leave = SignalRequest {
            message: Some(livekit_protocol::signal_request::Message::Leave(
                Default::default(),
            )),
        };
        let words = Input::Request {
            id,
            request: Box::new(leave.clone()),
        };
        control.take(clock::now(), words);
        control.take(clock::now(), Input::SocketClosed { id });
        change(&mut control, "later");
        control.carry(clock::now()).await;
        assert_eq!(names(&mut new), ["room"]);
        assert!(new.killed.try_recv().is_err());

        // What the new one says is.
        let words = Input::Request {
            id: again,
            request: Box::new(leave),
        };
        control.take(clock::now(), words);
        control.carry(clock::now()).await;
        assert_eq!(names(&mut new), ["close"]);
        assert!(
            control.sockets.is_empty() && control.latest_sockets.is_empty() && control.arriving.is_empty()
        );
    }

    #[tokio::test]
    async fn of_two_sockets_that_come_at_once_the_last_one_stays() {
        let (mut control, _inputs, _handle) = control();
        let _first = join(&mut control, "alice", 100);
        let (mut second, id) = resume(&mut control, "alice", 100);
        let (mut third, _) = resume(&mut control, "alice", 100);
        control.take(clock::now(), Input::SocketClosed { id });
        control.carry(clock::now()).await;
        assert_eq!(names(&mut second), ["reconnect", "room", "close"]);
        assert_eq!(names(&mut third), ["reconnect", "room"]);
        assert_eq!((control.sockets.len(), control.latest_sockets.len()), (1, 1));
    }
}
