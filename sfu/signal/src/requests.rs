//! What a client asks for, by message. Unknown and unsupported requests are answered where the contract has an answer,
//! and ignored where it has none; none of them ends a session.

use crate::context::Context;
use crate::life::Cause;
use crate::room::Room;
use crate::signalling::SessionId;
use livekit_protocol::request_response::{Reason, Request};
use livekit_protocol::signal_request::Message as Ask;
use livekit_protocol::signal_response::Message;
use livekit_protocol::{RequestResponse, UpdateParticipantMetadata};

/// Clients with a protocol above this one also hear that a request went well.
const PROTOCOL_WITHOUT_OK: i32 = 14;

impl Room {
    pub fn handle_request(&mut self, cx: &mut Context, session: SessionId, request: Ask) {
        match request {
            Ask::Offer(offer) => self.handle_offer(cx, session, &offer),
            Ask::Answer(answer) => self.handle_answer(cx, session, &answer),
            Ask::AddTrack(request) => self.handle_add_track(cx, session, request),
            Ask::Mute(request) => self.handle_mute(cx, session, request),
            Ask::UpdateAudioTrack(request) => self.handle_update_audio(cx, session, request),
            Ask::UpdateVideoTrack(request) => self.handle_update_video(cx, session, request),
            Ask::Subscription(update) => self.handle_subscription(cx, session, update),
            Ask::TrackSetting(settings) => self.handle_track_setting(cx, session, settings),
            Ask::SubscriptionPermission(permission) => self.handle_audience(cx, session, permission),
            Ask::UpdateMetadata(update) => self.handle_metadata(cx, session, update),
            Ask::SyncState(state) => self.handle_sync_state(cx, session, state),
            Ask::Leave(_) => self.live(cx, session, Cause::Leave),
            Ask::Simulate(request) => self.handle_simulate(cx, session, request.scenario),
            Ask::PublishDataTrackRequest(request) => self.handle_publish_data_track(cx, session, request),
            Ask::UnpublishDataTrackRequest(request) => self.handle_unpublish_data_track(cx, session, request),
            Ask::UpdateDataSubscription(update) => self.handle_data_subscription(cx, session, update),
            Ask::StoreDataBlobRequest(request) => self.refuse_blob(cx, session, request.request_id),
            Ask::GetDataBlobRequest(request) => self.refuse_blob(cx, session, request.request_id),
            // We are ICE-lite: a client's address is learned from its checks.
            Ask::Trickle(_) => {}
            // The socket task has answered these.
            Ask::Ping(_) | Ask::PingReq(_) => {}
            // Layers belong to clients of long ago.
            _ => {}
        }
    }

    /// Answers a request; that it went well only to clients that expect to hear so.
    pub fn respond(
        &self,
        cx: &mut Context,
        session: SessionId,
        request_id: u32,
        reason: Reason,
        message: &str,
        request: impl Into<Option<Request>>,
    ) {
        let protocol = self
            .participants
            .get(&session)
            .map_or(0, |participant| participant.protocol);
        if reason == Reason::Ok && protocol <= PROTOCOL_WITHOUT_OK {
            return;
        }
        let response = RequestResponse {
            request_id,
            reason: reason.into(),
            message: message.to_owned(),
            request: request.into(),
        };
        self.send(cx, session, Message::RequestResponse(response));
    }

    fn refuse_blob(&self, cx: &mut Context, session: SessionId, request_id: u32) {
        self.respond(
            cx,
            session,
            request_id,
            Reason::NotAllowed,
            "data blobs are not supported",
            None,
        );
    }

    /// `update_metadata`
    fn handle_metadata(&mut self, cx: &mut Context, session: SessionId, update: UpdateParticipantMetadata) {
        let Some(participant) = self.participants.get_mut(&session) else {
            return;
        };
        let request_id = update.request_id;
        let changed = if participant.permission.can_update_metadata {
            participant
                .describe(&update.name, &update.metadata, &update.attributes)
                .map_err(|text| (Reason::LimitExceeded, text))
        } else {
            let text = "does not have permission to update own metadata";
            Err((Reason::NotAllowed, text))
        };
        let (reason, text) = match changed {
            Ok(()) => {
                self.broadcast_change(cx, session);
                (Reason::Ok, "")
            }
            Err(refusal) => refusal,
        };
        let request = Request::UpdateMetadata(update);
        self.respond(cx, session, request_id, reason, text, request);
        if reason == Reason::Ok {
            self.send_token(cx, session);
        }
    }
}
