//! Data tracks: streams of small packets with a publisher and subscribers, as sound and picture have, but by data channel.
//!
//! A publisher numbers its tracks itself (its handles), and each packet carries that number. On the way to subscribers it is
//! replaced by one that is unique in the room, so that a packet is written anew once, not once for each subscriber.

use super::RoomData;
use crate::context::Context;
use crate::limits::{
    ANNOUNCEMENT_BYTES_MAX, DATA_SUBSCRIPTIONS_MAX, DATA_TRACKS_MAX, LIST_ENTRIES_MAX, TRACK_SID_BYTES_MAX,
};
use crate::room::Room;
use crate::signalling::SessionId;
use bytes::{Bytes, BytesMut};
use hanse_sfu_core::command::{DataChannel, MediaCommand};
use hanse_sfu_core::ids::ConnectionId;
use livekit_protocol::data_track_frame_encoding::Value as FrameEncoding;
use livekit_protocol::data_track_schema_encoding::Value as SchemaEncoding;
use livekit_protocol::data_track_subscriber_handles::PublishedDataTrack;
use livekit_protocol::request_response::{Reason, Request};
use livekit_protocol::signal_response::Message;
use livekit_protocol::{
    DataTrackInfo, DataTrackSubscriberHandles, PublishDataTrackRequest, PublishDataTrackResponse,
    UnpublishDataTrackRequest, UnpublishDataTrackResponse, UpdateDataSubscription,
};
use prost::Message as _;
use std::collections::BTreeSet;

/// Bytes of a data track's name.
const NAME_BYTES_MAX: usize = 256;

/// Bytes of the name of an encoding that LiveKit does not know (LiveKit's server: the same).
const ENCODING_BYTES_MAX: usize = 32;

/// Bytes of a packet's header without extensions.
const HEADER: usize = 12;

/// In a packet's first byte: extensions follow the header.
const HAS_EXTENSIONS: u8 = 0b100;

/// A data track of one publisher.
pub(crate) struct DataTrack {
    pub info: DataTrackInfo,
    /// What its packets carry to subscribers.
    handle: u16,
    subscribers: BTreeSet<SessionId>,
}

impl RoomData {
    /// A handle that no track of the room has.
    fn free_handle(&mut self) -> Option<u16> {
        for _ in 0..=u16::MAX {
            self.last_handle = self.last_handle.checked_add(1).unwrap_or(1);
            if !self.handles.contains(&self.last_handle) {
                return Some(self.last_handle);
            }
        }
        None
    }
}

/// What is wrong with a request, or nothing.
fn check(request: &PublishDataTrackRequest) -> Result<u16, (Reason, &'static str)> {
    let handle = u16::try_from(request.pub_handle)
        .ok()
        .filter(|handle| *handle > 0);
    let handle = handle.ok_or((Reason::InvalidHandle, "handle should be > 0 AND < 65536"))?;
    if !(1..=NAME_BYTES_MAX).contains(&request.name.len()) {
        let text = "name should not be empty and should not exceed 256 characters";
        return Err((Reason::InvalidName, text));
    }
    let frame = match request.frame_encoding.as_ref().and_then(|it| it.value.as_ref()) {
        Some(FrameEncoding::Custom(name)) => Some(name),
        _ => None,
    };
    let schema = request
        .schema
        .as_ref()
        .and_then(|schema| schema.encoding.as_ref());
    let schema = match schema.and_then(|it| it.value.as_ref()) {
        Some(SchemaEncoding::Custom(name)) => Some(name),
        _ => None,
    };
    if frame
        .into_iter()
        .chain(schema)
        .any(|name| !(1..=ENCODING_BYTES_MAX).contains(&name.len()))
    {
        let text = "encoding identifier is empty or exceeds the maximum length";
        return Err((Reason::InvalidRequest, text));
    }
    if request.encoded_len() > ANNOUNCEMENT_BYTES_MAX {
        return Err((Reason::LimitExceeded, "the request is too large"));
    }
    Ok(handle)
}

/// A packet of a data track: 12 bytes of header (version, flags, handle, sequence, frame number, timestamp), perhaps
/// extensions (their length in words, less one), and what it carries.
fn handle_of(packet: &[u8]) -> Option<u16> {
    let (header, rest) = packet.split_first_chunk::<HEADER>()?;
    let [flags, _, high, low, ..] = *header;
    if flags & HAS_EXTENSIONS != 0 {
        let (words, _) = rest.split_first_chunk::<2>()?;
        if rest.len() < (usize::from(u16::from_be_bytes(*words)) + 1) * 4 {
            return None;
        }
    }
    Some(u16::from_be_bytes([high, low]))
}

fn with_handle(packet: &[u8], handle: u16) -> Option<Bytes> {
    let mut packet = BytesMut::from(packet);
    packet.get_mut(2..4)?.copy_from_slice(&handle.to_be_bytes());
    Some(packet.freeze())
}

impl Room {
    /// `publish_data_track_request`
    pub fn handle_publish_data_track(
        &mut self,
        cx: &mut Context,
        session: SessionId,
        request: PublishDataTrackRequest,
    ) {
        match self.publish_data_track(cx, session, &request) {
            Ok(sid) => {
                self.broadcast_change(cx, session);
                for other in self.others(session) {
                    let wants = |it: &crate::participant::Participant| it.data.auto_subscribes;
                    if self.participants.get(&other).is_some_and(wants) {
                        self.wish_for_data_track(other, &sid);
                        self.review_data_tracks(cx, other);
                    }
                }
            }
            Err((reason, text)) => {
                let request = Request::PublishDataTrack(request);
                self.respond(cx, session, 0, reason, text, request);
            }
        }
    }

    fn publish_data_track(
        &mut self,
        cx: &mut Context,
        session: SessionId,
        request: &PublishDataTrackRequest,
    ) -> Result<String, (Reason, &'static str)> {
        let unknown = (Reason::NotFound, "the participant does not exist");
        let participant = self.participants.get(&session).ok_or(unknown)?;
        if !participant.permission.can_publish_data {
            return Err((Reason::NotAllowed, "does not have permission to publish data"));
        }
        let pub_handle = check(request)?;
        let published = &participant.data.published;
        if published.contains_key(&pub_handle) {
            let text = "a data track with same handle already exists";
            return Err((Reason::DuplicateHandle, text));
        }
        if published.values().any(|track| track.info.name == request.name) {
            let text = "a data track with same name already exists";
            return Err((Reason::DuplicateName, text));
        }
        let full = (Reason::LimitExceeded, "too many data tracks");
        if published.len() >= DATA_TRACKS_MAX {
            return Err(full);
        }
        let handle = self.data.free_handle().ok_or(full)?;
        let info = DataTrackInfo {
            pub_handle: request.pub_handle,
            sid: cx.names.data_track_sid(),
            name: request.name.clone(),
            encryption: request.encryption().into(),
            frame_encoding: request.frame_encoding.clone(),
            schema: request.schema.clone(),
        };
        let sid = info.sid.clone();
        self.data.handles.insert(handle);
        self.data.tracks.insert(sid.clone(), (session, pub_handle));
        if let Some(participant) = self.participants.get_mut(&session) {
            participant.is_publisher = true;
            participant.data.published.insert(
                pub_handle,
                DataTrack {
                    info: info.clone(),
                    handle,
                    subscribers: BTreeSet::new(),
                },
            );
        }
        let response = PublishDataTrackResponse { info: Some(info) };
        self.send(cx, session, Message::PublishDataTrackResponse(response));
        Ok(sid)
    }

    /// `unpublish_data_track_request`
    pub fn handle_unpublish_data_track(
        &mut self,
        cx: &mut Context,
        session: SessionId,
        request: UnpublishDataTrackRequest,
    ) {
        let handle = u16::try_from(request.pub_handle).ok();
        let ended = handle.and_then(|handle| self.end_data_track(cx, session, handle));
        match ended {
            Some(info) => {
                let response = UnpublishDataTrackResponse { info: Some(info) };
                self.send(cx, session, Message::UnpublishDataTrackResponse(response));
                self.broadcast_change(cx, session);
            }
            None => {
                let text = "the data track does not exist";
                let request = Request::UnpublishDataTrack(request);
                self.respond(cx, session, 0, Reason::NotFound, text, request);
            }
        }
    }

    /// Nobody has it any more. Others are to be told of the publisher.
    fn end_data_track(
        &mut self,
        cx: &mut Context,
        publisher: SessionId,
        pub_handle: u16,
    ) -> Option<DataTrackInfo> {
        let participant = self.participants.get_mut(&publisher)?;
        let track = participant.data.published.remove(&pub_handle)?;
        self.data.tracks.remove(&track.info.sid);
        self.data.handles.remove(&track.handle);
        for subscriber in &track.subscribers {
            if let Some(participant) = self.participants.get_mut(subscriber) {
                participant.data.wishes.remove(&track.info.sid);
            }
            self.send_data_track_handles(cx, *subscriber);
        }
        Some(track.info)
    }

    /// All data tracks of somebody who may not publish data any more, and tells it so.
    pub fn end_forbidden_data_tracks(&mut self, cx: &mut Context, session: SessionId) {
        let Some(participant) = self.participants.get(&session) else {
            return;
        };
        if participant.permission.can_publish_data {
            return;
        }
        let handles: Vec<u16> = participant.data.published.keys().copied().collect();
        for handle in handles {
            if let Some(info) = self.end_data_track(cx, session, handle) {
                let response = UnpublishDataTrackResponse { info: Some(info) };
                self.send(cx, session, Message::UnpublishDataTrackResponse(response));
            }
        }
    }

    /// Somebody goes: what it published ends, and what it received is not sent to it any more.
    pub fn end_data_of(&mut self, cx: &mut Context, session: SessionId) {
        self.end_calls_of(cx, session);
        let Some(participant) = self.participants.get_mut(&session) else {
            return;
        };
        let handles: Vec<u16> = participant.data.published.keys().copied().collect();
        let wishes = std::mem::take(&mut participant.data.wishes);
        for handle in handles {
            self.end_data_track(cx, session, handle);
        }
        for sid in wishes.keys() {
            self.set_data_subscriber(sid, session, false);
        }
    }

    /// `update_data_subscription`: data tracks that a client wants, or does not want any more.
    pub fn handle_data_subscription(
        &mut self,
        cx: &mut Context,
        session: SessionId,
        update: UpdateDataSubscription,
    ) {
        if update.updates.is_empty() {
            return;
        }
        for update in update.updates.into_iter().take(LIST_ENTRIES_MAX) {
            if update.subscribe {
                self.wish_for_data_track(session, &update.track_sid);
            } else if let Some(participant) = self.participants.get_mut(&session)
                && participant.data.wishes.remove(&update.track_sid).is_some()
            {
                self.set_data_subscriber(&update.track_sid, session, false);
            }
        }
        self.review_data_tracks(cx, session);
        // A client that asks for what it has already waits for the handle all the same.
        self.send_data_track_handles(cx, session);
    }

    /// What a newcomer receives unasked.
    pub fn offer_data_tracks(&mut self, cx: &mut Context, session: SessionId) {
        let Some(participant) = self.participants.get(&session) else {
            return;
        };
        if participant.data.auto_subscribes {
            let sids: Vec<String> = self.data.tracks.keys().cloned().collect();
            for sid in sids {
                self.wish_for_data_track(session, &sid);
            }
            self.review_data_tracks(cx, session);
        }
    }

    /// A wish may come before its track.
    fn wish_for_data_track(&mut self, session: SessionId, sid: &str) {
        if let Some(participant) = self.participants.get_mut(&session)
            && participant.data.wishes.len() < DATA_SUBSCRIPTIONS_MAX
            && sid.len() <= TRACK_SID_BYTES_MAX
        {
            participant.data.wishes.entry(sid.to_owned()).or_default();
        }
    }

    /// Looks again which of the data tracks that somebody wants it may have, and tells it when that has changed.
    pub fn review_data_tracks(&mut self, cx: &mut Context, session: SessionId) {
        let Some(participant) = self.participants.get(&session) else {
            return;
        };
        let changed: Vec<(String, bool)> = participant
            .data
            .wishes
            .iter()
            .map(|(sid, flows)| (sid, *flows, self.may_have_data_track(session, sid)))
            .filter(|(_, flows, may)| flows != may)
            .map(|(sid, _, may)| (sid.clone(), may))
            .collect();
        for (sid, may) in &changed {
            self.set_data_subscriber(sid, session, *may);
            if let Some(participant) = self.participants.get_mut(&session) {
                participant.data.wishes.insert(sid.clone(), *may);
            }
        }
        if !changed.is_empty() {
            self.send_data_track_handles(cx, session);
        }
    }

    /// The same for everybody: a publisher has changed whom it lets receive its tracks, or has become visible.
    pub fn review_all_data_tracks(&mut self, cx: &mut Context, publisher: SessionId) {
        for other in self.others(publisher) {
            self.review_data_tracks(cx, other);
        }
    }

    fn may_have_data_track(&self, session: SessionId, sid: &str) -> bool {
        let Some((publisher, _)) = self.data.tracks.get(sid) else {
            return false;
        };
        let (Some(publisher), Some(subscriber)) =
            (self.participants.get(publisher), self.participants.get(&session))
        else {
            return false;
        };
        publisher.session != session
            && !publisher.is_hidden()
            && subscriber.permission.can_subscribe
            && publisher
                .audience
                .admits(&subscriber.sid, &subscriber.identity, sid)
    }

    fn set_data_subscriber(&mut self, sid: &str, session: SessionId, subscribes: bool) {
        let Some((publisher, handle)) = self.data.tracks.get(sid) else {
            return;
        };
        let publisher = self.participants.get_mut(publisher);
        if let Some(track) = publisher.and_then(|it| it.data.published.get_mut(handle)) {
            if subscribes {
                track.subscribers.insert(session);
            } else {
                track.subscribers.remove(&session);
            }
        }
    }

    /// The same to one that may have missed it, unless it wants none.
    pub fn repeat_data_track_handles(&self, cx: &mut Context, session: SessionId) {
        let wishes = self.participants.get(&session).map(|it| it.data.wishes.len());
        if wishes.is_some_and(|wishes| wishes > 0) {
            self.send_data_track_handles(cx, session);
        }
    }

    /// All handles of a subscriber; a message takes the place of the one before.
    fn send_data_track_handles(&self, cx: &mut Context, session: SessionId) {
        let Some(participant) = self.participants.get(&session) else {
            return;
        };
        let received = participant.data.wishes.iter().filter(|(_, flows)| **flows);
        let sub_handles = received
            .filter_map(|(sid, _)| {
                let (publisher, handle) = self.data.tracks.get(sid)?;
                let publisher = self.participants.get(publisher)?;
                let track = publisher.data.published.get(handle)?;
                let published = PublishedDataTrack {
                    publisher_identity: publisher.identity.clone(),
                    publisher_sid: publisher.sid.clone(),
                    track_sid: sid.clone(),
                };
                Some((track.handle.into(), published))
            })
            .collect();
        let handles = DataTrackSubscriberHandles { sub_handles };
        self.send(cx, session, Message::DataTrackSubscriberHandles(handles));
    }

    /// A packet of a data track, for everybody who has subscribed to it and can be reached.
    pub(super) fn forward_data_track(&self, cx: &mut Context, session: SessionId, packet: &[u8]) {
        let track = self.participants.get(&session).zip(handle_of(packet));
        let Some(track) = track.and_then(|(it, handle)| it.data.published.get(&handle)) else {
            return;
        };
        let to: Vec<ConnectionId> = track
            .subscribers
            .iter()
            .filter_map(|subscriber| self.participants.get(subscriber))
            .filter(|subscriber| subscriber.data.open.contains(&DataChannel::DataTrack))
            .map(|subscriber| subscriber.data_connection())
            .collect();
        if let Some(payload) = with_handle(packet, track.handle).filter(|_| !to.is_empty()) {
            cx.media(MediaCommand::SendData {
                to,
                channel: DataChannel::DataTrack,
                payload,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_handle_is_read_from_whole_packets_only() {
        let mut packet = vec![0x18, 0, 1, 2, 0, 7, 0, 8, 0, 0, 0, 9];
        assert_eq!(handle_of(&packet), Some(0x0102));
        assert_eq!(handle_of(&packet[..11]), None);
        packet[0] |= HAS_EXTENSIONS;
        assert_eq!(handle_of(&packet), None, "there are no extensions");
        packet.extend([0, 0, 1, 0]);
        assert_eq!(handle_of(&packet), Some(0x0102));
        packet[13] = 1;
        assert_eq!(handle_of(&packet), None, "they are cut");
    }

    proptest! {
        #[test]
        fn only_the_handle_is_rewritten(packet in proptest::collection::vec(any::<u8>(), 0..100), handle: u16) {
            if handle_of(&packet).is_some() {
                let rewritten = with_handle(&packet, handle).unwrap();
                prop_assert_eq!(handle_of(&rewritten), Some(handle));
                prop_assert_eq!(&rewritten[..2], &packet[..2]);
                prop_assert_eq!(&rewritten[4..], &packet[4..]);
            }
        }
    }
}
