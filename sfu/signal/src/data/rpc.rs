//! Methods that participants' clients have registered, called by whoever controls the SFU: LiveKit's RPC, in nobody's
//! name. Calls between participants are packets like all others; these are answered to us, so they go no further.
//!
//! Figures, errors and their sentences are those of LiveKit's server (protocol `utils/data_channel_rpc.go`).

use crate::api::{CallId, RpcCall, RpcError, RpcFailure, SfuRefusal};
use crate::context::Context;
use crate::limits::{CALL_TIMEOUT_MAX, CALLS_MAX};
use crate::room::Room;
use crate::signalling::SessionId;
use crate::timers::Timer;
use hanse_sfu_core::DATA_MESSAGE_BYTES_MAX;
use livekit_protocol::data_packet::Value;
use livekit_protocol::{DataPacket, RpcRequest, RpcResponse, rpc_response};
use prost::Message;
use std::time::{Duration, Instant};

/// Bytes of what a method is called with; beyond it clients themselves refuse.
const PAYLOAD_BYTES_MAX: usize = 15_360;

/// How long a client may take to say that the call has arrived.
const ACKNOWLEDGEMENT_WAIT: Duration = Duration::from_secs(2);

/// How long a method may take of which the caller does not say it.
const RESPONSE_WAIT: Duration = Duration::from_secs(10);

/// What the form of a call is called; clients have no other for callers that are not in the room.
const VERSION: u32 = 1;

/// A call that a participant has not answered.
pub(crate) struct Call {
    /// What it is called in packets, where it is the caller's identity, too: the answer is for that one.
    request_id: String,
    is_acknowledged: bool,
    response_due: Instant,
}

impl Room {
    /// Calls a method. Its end is an [`crate::Output::CallEnded`].
    pub fn start_call(
        &mut self,
        cx: &mut Context,
        session: SessionId,
        call: &RpcCall,
    ) -> Result<CallId, RpcFailure> {
        let participant = self
            .participants
            .get_mut(&session)
            .ok_or(SfuRefusal::ParticipantNotFound)?;
        if call.payload.len() > PAYLOAD_BYTES_MAX {
            return Err(RpcError::REQUEST_PAYLOAD_TOO_LARGE.into());
        }
        if participant.data.calls.len() >= CALLS_MAX {
            return Err(
                SfuRefusal::Full("too many calls of the participant are under way".to_owned()).into(),
            );
        }
        let wait = call
            .response_timeout
            .unwrap_or(RESPONSE_WAIT)
            .min(CALL_TIMEOUT_MAX);
        // Its answer must have come back by then.
        let round_trip = participant.data.round_trip.unwrap_or_default();
        let response_timeout_ms = wait.saturating_sub(round_trip).as_millis().max(1);
        let request_id = cx.names.call_request();
        let packet = DataPacket {
            participant_identity: request_id.clone(),
            value: Some(Value::RpcRequest(RpcRequest {
                id: request_id.clone(),
                method: call.method.clone(),
                payload: call.payload.clone(),
                response_timeout_ms: u32::try_from(response_timeout_ms).unwrap_or(u32::MAX),
                version: VERSION,
                ..RpcRequest::default()
            })),
            ..DataPacket::default()
        };
        let payload = packet.encode_to_vec();
        if payload.len() > DATA_MESSAGE_BYTES_MAX {
            let text = format!("data size exceeds limits: max size {DATA_MESSAGE_BYTES_MAX}");
            return Err(SfuRefusal::Invalid(text).into());
        }
        let id = CallId(cx.names.call());
        let response_due = cx.now + wait;
        participant.data.calls.insert(
            id,
            Call {
                request_id,
                is_acknowledged: false,
                response_due,
            },
        );
        let due = response_due.min(cx.now + ACKNOWLEDGEMENT_WAIT);
        cx.timers.set(Timer::Call(self.key, session, id), due);
        participant.send_reliably(cx, &payload.into());
        Ok(id)
    }

    /// A packet of a participant. True: it answers a call of ours, and is for nobody else.
    pub(super) fn take_answer(
        &mut self,
        cx: &mut Context,
        session: SessionId,
        value: Option<&Value>,
    ) -> bool {
        let request_id = match value {
            Some(Value::RpcAck(ack)) => &ack.request_id,
            Some(Value::RpcResponse(response)) => &response.request_id,
            _ => return false,
        };
        let Some(participant) = self.participants.get_mut(&session) else {
            return false;
        };
        let mut calls = participant.data.calls.iter_mut();
        let Some((id, call)) = calls.find(|(_, call)| call.request_id == *request_id) else {
            return false;
        };
        let id = *id;
        let timer = Timer::Call(self.key, session, id);
        match value {
            Some(Value::RpcResponse(response)) => {
                let Some(result) = result(response) else {
                    return false;
                };
                participant.data.calls.remove(&id);
                cx.timers.cancel(timer);
                cx.call_ended(id, result);
            }
            _ => {
                call.is_acknowledged = true;
                cx.timers.set(timer, call.response_due);
            }
        }
        true
    }

    /// A call was not acknowledged, or not answered, in time.
    pub fn handle_call_timeout(&mut self, cx: &mut Context, session: SessionId, id: CallId) {
        let participant = self.participants.get_mut(&session);
        let Some(call) = participant.and_then(|participant| participant.data.calls.remove(&id)) else {
            return;
        };
        let error = if call.is_acknowledged || cx.now >= call.response_due {
            RpcError::RESPONSE_TIMEOUT
        } else {
            RpcError::CONNECTION_TIMEOUT
        };
        cx.call_ended(id, Err(error));
    }

    /// Whoever was called is gone.
    pub(super) fn end_calls_of(&mut self, cx: &mut Context, session: SessionId) {
        let Some(participant) = self.participants.get_mut(&session) else {
            return;
        };
        for id in std::mem::take(&mut participant.data.calls).into_keys() {
            cx.timers.cancel(Timer::Call(self.key, session, id));
            cx.call_ended(id, Err(RpcError::RECIPIENT_DISCONNECTED));
        }
    }
}

/// What a method has answered. `None`: in a form that is only for callers in the room.
fn result(response: &RpcResponse) -> Option<Result<String, RpcError>> {
    match response.value.as_ref()? {
        rpc_response::Value::Payload(payload) => Some(Ok(payload.clone())),
        rpc_response::Value::Error(error) => Some(Err(RpcError {
            code: error.code,
            message: error.message.clone().into(),
            data: error.data.clone(),
        })),
        rpc_response::Value::CompressedPayload(_) => None,
    }
}
