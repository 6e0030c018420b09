//! One participant's WebSocket: frames in and out, keepalive, and closing so that the last message arrives.

use super::twirp_json;
use crate::control::{Input, Inputs, SocketId, SocketMessage, Waiting};
use crate::metrics::JOIN_LATENCY;
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use hanse_runtime::clock;
use hanse_sfu_signal::RequestBudget;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use livekit_protocol::{Pong, SignalRequest, SignalResponse, signal_request, signal_response};
use prost::Message as _;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message, Utf8Bytes};

/// Bytes of one message; a longer one closes the socket with 1009. Session descriptions of people who publish and
/// receive hundreds of tracks stay below.
pub(super) const MESSAGE_BYTES_MAX: usize = 2 * 1024 * 1024;

/// Keeps proxies from taking a quiet socket for dead.
const PING_INTERVAL: Duration = Duration::from_secs(10);

/// A socket that says nothing for so long, not even to pings, is gone.
const SILENCE_MAX: Duration = Duration::from_secs(45);

/// How long one message may take to leave; a client that does not read for so long is gone.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);

/// How long closing may take: for what is still queued, and for the client's own close.
const FLUSH_TIMEOUT: Duration = Duration::from_millis(250);

/// Bytes that are read and thrown away after a message that was too long. Closing with unread bytes would reset the
/// connection, and the client would never see why.
const DISCARD_MAX: usize = 16 * 1024 * 1024;

/// How long throwing away may take. Then the connection is closed as it is.
const DISCARD_TIMEOUT: Duration = Duration::from_secs(2);

/// A server's end of a WebSocket.
pub(super) type WebSocket = WebSocketStream<TokioIo<Upgraded>>;

/// How many sockets there are.
#[derive(Clone)]
pub(crate) struct SocketCount(watch::Sender<usize>);

impl SocketCount {
    pub(crate) fn new() -> Self {
        SocketCount(watch::Sender::new(0))
    }

    /// Returns when there is none.
    pub(crate) async fn none(&self) {
        // It fails only when the sender is gone, which is `self`.
        let _ = self.0.subscribe().wait_for(|count| *count == 0).await;
    }
}

/// A session's place for one socket. When it is dropped, for whatever reason, the control side hears that the socket is gone.
pub(super) struct Seat {
    id: SocketId,
    /// When its request came.
    came: std::time::Instant,
    inputs: Inputs,
    count: SocketCount,
}

impl Seat {
    pub(super) fn new(id: SocketId, came: std::time::Instant, inputs: Inputs, count: SocketCount) -> Self {
        count.0.send_modify(|count| *count += 1);
        Seat {
            id,
            came,
            inputs,
            count,
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.count.0.send_modify(|count| *count = count.saturating_sub(1));
        tracing::debug!(session = self.id.session.0, "a socket is gone");
        let (inputs, id) = (self.inputs.clone(), self.id);
        let gone = Input::SocketClosed { id };
        // At the end of the process there is nobody to hear it, and no runtime to wait in.
        if let Err(mpsc::error::TrySendError::Full(gone)) = inputs.try_send(gone)
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            runtime.spawn(async move { inputs.send(gone).await });
        }
    }
}

/// In which form the client wants its answers: the one in which it last spoke, protobuf before that.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Protobuf,
    Json,
}

/// Why a socket ends.
enum End {
    /// It is gone, or has closed.
    Gone,
    /// We close it.
    Close(CloseCode, &'static str),
    /// As before, but the client is in the middle of a message that we will not read.
    TooLong,
}

/// Serves a socket until it ends.
pub(super) async fn serve(
    stream: WebSocket,
    seat: Seat,
    outbound: mpsc::Receiver<SocketMessage>,
    waiting: Waiting,
    killed: oneshot::Receiver<&'static str>,
) {
    let mut socket = Socket {
        stream,
        form: Form::Protobuf,
        heard: Instant::now(),
        budget: RequestBudget::new(clock::now()),
        resume_at: None,
    };
    let end = tokio::select! {
        end = socket.run(&seat, outbound, &waiting) => end,
        // A sender that is dropped without a word has only forgotten us: `run` ends by itself.
        Ok(reason) = killed => End::Close(CloseCode::Again, reason),
    };
    socket.close(end).await;
}

struct Socket {
    stream: WebSocket,
    form: Form,
    heard: Instant,
    budget: RequestBudget,
    /// It has sent more than its budget allows and is not read before this.
    resume_at: Option<Instant>,
}

impl Socket {
    async fn run(
        &mut self,
        seat: &Seat,
        mut outbound: mpsc::Receiver<SocketMessage>,
        waiting: &Waiting,
    ) -> End {
        let mut ping = interval_at(Instant::now() + PING_INTERVAL, PING_INTERVAL);
        ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut is_answered = false;
        loop {
            let result = tokio::select! {
                message = self.stream.next(), if self.resume_at.is_none() => self.receive(seat, message).await,
                () = reached(self.resume_at) => {
                    self.resume_at = None;
                    self.heard = Instant::now();
                    Ok(())
                }
                message = outbound.recv() => match message {
                    Some(SocketMessage::Send(message)) => {
                        let sent = self.send(&message).await;
                        waiting.remove(&message);
                        if sent.is_ok() && !std::mem::replace(&mut is_answered, true) {
                            let waited = clock::now().saturating_duration_since(seat.came);
                            JOIN_LATENCY.record(waited.as_secs_f64() * 1_000.0, []);
                        }
                        sent
                    }
                    Some(SocketMessage::Close) | None => Err(End::Close(CloseCode::Normal, "")),
                },
                _ = ping.tick() => self.ping().await,
            };
            if let Err(end) = result {
                return end;
            }
        }
    }

    async fn receive(&mut self, seat: &Seat, message: Option<Result<Message, Error>>) -> Result<(), End> {
        self.heard = Instant::now();
        let bytes = message
            .as_ref()
            .map_or(0, |message| message.as_ref().map_or(0, Message::len));
        let request = match message {
            Some(Ok(Message::Binary(frame))) => {
                self.form = Form::Protobuf;
                SignalRequest::decode(frame).ok()
            }
            Some(Ok(Message::Text(frame))) => {
                self.form = Form::Json;
                twirp_json::read(frame.as_bytes()).ok()
            }
            // The crate answers pings and closes by itself.
            Some(Ok(_)) => return Ok(()),
            Some(Err(Error::Capacity(_))) => return Err(End::TooLong),
            Some(Err(Error::Utf8(_))) => {
                return Err(End::Close(CloseCode::Invalid, "a text frame is not UTF-8"));
            }
            Some(Err(Error::Protocol(_))) => {
                return Err(End::Close(CloseCode::Protocol, "a frame breaks RFC 6455"));
            }
            Some(Err(_)) | None => return Err(End::Gone),
        };
        let Some(request) = request else {
            return Err(End::Close(CloseCode::Invalid, "a frame is not a SignalRequest"));
        };
        let now = clock::now();
        if let Some(at) = self.budget.take(now, bytes, request.message.as_ref()) {
            if self.resume_at.is_none() {
                tracing::debug!(session = seat.id.session.0, "a client sends more than is read");
            }
            self.resume_at = Some(at.into());
        }
        match request.message {
            // Answered here, before any queue, so that a client measures the network and not our load.
            Some(signal_request::Message::Ping(_)) => self.send(&pong(clock::unix_ms())).await,
            Some(signal_request::Message::PingReq(ping)) => {
                self.send(&pong_resp(ping.timestamp, clock::unix_ms())).await
            }
            // From a newer protocol.
            None => Ok(()),
            Some(_) => {
                let request = Input::Request {
                    id: seat.id,
                    request: Box::new(request),
                };
                seat.inputs
                    .send(request)
                    .await
                    .map_err(|_| End::Close(CloseCode::Away, "the server is stopping"))
            }
        }
    }

    async fn send(&mut self, message: &SignalResponse) -> Result<(), End> {
        let frame = match self.form {
            Form::Protobuf => Message::Binary(Bytes::from(message.encode_to_vec())),
            Form::Json => match serde_json::to_string(message) {
                Ok(text) => Message::Text(Utf8Bytes::from(text)),
                Err(error) => {
                    tracing::warn!(%error, "a message has no JSON form");
                    return Ok(());
                }
            },
        };
        self.write(frame).await
    }

    async fn ping(&mut self) -> Result<(), End> {
        if self.heard.elapsed() > SILENCE_MAX {
            return Err(End::Gone);
        }
        self.write(Message::Ping(Bytes::new())).await
    }

    async fn write(&mut self, frame: Message) -> Result<(), End> {
        match timeout(WRITE_TIMEOUT, self.stream.send(frame)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(End::Gone),
        }
    }

    async fn close(mut self, end: End) {
        let (code, reason) = match end {
            End::Gone => return,
            End::Close(code, reason) => (code, reason),
            End::TooLong => (CloseCode::Size, "a message is longer than 2 MiB"),
        };
        let frame = CloseFrame {
            code,
            reason: Utf8Bytes::from_static(reason),
        };
        // What was sent before is flushed with it. A client that does not read has had its chance.
        if !matches!(
            timeout(FLUSH_TIMEOUT, self.stream.close(Some(frame))).await,
            Ok(Ok(()))
        ) {
            return;
        }
        if let End::TooLong = end {
            let _ = timeout(DISCARD_TIMEOUT, discard(self.stream.get_mut())).await;
        } else {
            // Until the client has answered the close.
            let _ = timeout(FLUSH_TIMEOUT, async {
                while let Some(Ok(_)) = self.stream.next().await {}
            })
            .await;
        }
    }
}

/// Returns at a moment; never, if there is none.
async fn reached(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

async fn discard(stream: &mut TokioIo<Upgraded>) {
    if stream.shutdown().await.is_err() {
        return;
    }
    let mut bytes = vec![0; 64 * 1024];
    let mut left = DISCARD_MAX;
    while let Ok(count @ 1..) = stream.read(&mut bytes).await {
        left = left.saturating_sub(count);
        if left == 0 {
            return;
        }
    }
}

/// To `ping`: our time in ms. (A JavaScript number could not hold nanoseconds.)
fn pong(unix_ms: u64) -> SignalResponse {
    let now = i64::try_from(unix_ms).unwrap_or(i64::MAX);
    SignalResponse {
        message: Some(signal_response::Message::Pong(now)),
    }
}

/// To `ping_req`: the client's time back, and ours, in ms.
fn pong_resp(client_ms: i64, unix_ms: u64) -> SignalResponse {
    let timestamp = i64::try_from(unix_ms).unwrap_or(i64::MAX);
    SignalResponse {
        message: Some(signal_response::Message::PongResp(Pong {
            last_ping_timestamp: client_ms,
            timestamp,
        })),
    }
}
