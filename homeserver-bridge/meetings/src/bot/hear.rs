//! What the bot listens to.

use super::{Heard, user_of};
use crate::config::MeetingsConfig;
use crate::desk::To;
use anyhow::Result;
use hanse_matrixrtc::{ServerName, UserId};
use matrix_sdk::ruma::events::reaction::OriginalSyncReactionEvent;
use matrix_sdk::ruma::events::room::member::{MembershipState, StrippedRoomMemberEvent};
use matrix_sdk::ruma::events::room::message::{MessageType, OriginalSyncRoomMessageEvent, Relation};
use matrix_sdk::{Client, Room, RoomMemberships, RoomState};
use std::sync::Arc;
use tokio::sync::mpsc;

/// Bytes of a text that are looked at. Longer ones are no command.
const TEXT_BYTES_MAX: usize = 16_384;

/// Tells of messages, reactions and invitations.
pub(super) fn listen(client: &Client, tell: &mpsc::Sender<Heard>, config: &MeetingsConfig) -> Result<()> {
    let own = user_of(client)?;
    let messages = tell.clone();
    let bot = own.clone();
    client.add_event_handler(move |event: OriginalSyncRoomMessageEvent, room: Room| {
        let (messages, bot) = (messages.clone(), bot.clone());
        async move {
            if let Some(heard) = said(&event, &room, &bot).await {
                let _ = messages.send(heard).await;
            }
        }
    });
    let reactions = tell.clone();
    let bot = own.clone();
    client.add_event_handler(move |event: OriginalSyncReactionEvent, room: Room| {
        let (reactions, bot) = (reactions.clone(), bot.clone());
        async move {
            if let Some(heard) = reacted(&event, &room, &bot) {
                let _ = reactions.send(heard).await;
            }
        }
    });
    let allowed = allowed(config, &own);
    client.add_event_handler(move |event: StrippedRoomMemberEvent, room: Room| {
        let (allowed, bot) = (Arc::clone(&allowed), own.clone());
        async move {
            let is_for_bot = event.state_key.as_str() == bot.as_str()
                && event.content.membership == MembershipState::Invite;
            if is_for_bot && room.state() == RoomState::Invited {
                let is_allowed = is_of(event.sender.as_str(), &allowed);
                tokio::spawn(answer_invitation(room, is_allowed));
            }
        }
    });
    Ok(())
}

/// Whose invitations the bot follows.
pub(super) fn allowed(config: &MeetingsConfig, own: &UserId) -> Arc<[ServerName]> {
    match config.allowed_homeservers.as_slice() {
        [] => Arc::from([own.server_name().clone()]),
        servers => servers.into(),
    }
}

fn is_of(user: &str, allowed: &[ServerName]) -> bool {
    user.parse::<UserId>()
        .is_ok_and(|user| allowed.contains(user.server_name()))
}

/// Invitations that came while the bot was away.
pub(super) async fn answer_invitations(client: &Client, allowed: &[ServerName]) {
    for room in client.invited_rooms() {
        let invitation = room.invite_details().await;
        let is_allowed = invitation.is_ok_and(|invitation| is_of(invitation.inviter_id.as_str(), allowed));
        tokio::spawn(answer_invitation(room, is_allowed));
    }
}

async fn answer_invitation(room: Room, is_allowed: bool) {
    let done = if is_allowed {
        room.join().await
    } else {
        room.leave().await
    };
    if let Err(error) = done {
        tracing::warn!("an invitation cannot be answered: {error}");
    }
}

async fn said(event: &OriginalSyncRoomMessageEvent, room: &Room, bot: &UserId) -> Option<Heard> {
    let user: UserId = event.sender.as_str().parse().ok()?;
    // What replaces another message was heard already.
    if user == *bot
        || room.state() != RoomState::Joined
        || matches!(event.content.relates_to, Some(Relation::Replacement(_)))
    {
        return None;
    }
    // A bot does not answer bots: they speak in notices.
    let MessageType::Text(text) = &event.content.msgtype else {
        return None;
    };
    if text.body.len() > TEXT_BYTES_MAX {
        return None;
    }
    let mentioned = event
        .content
        .mentions
        .iter()
        .flat_map(|mentions| &mentions.user_ids);
    let (own, mentions): (Vec<UserId>, Vec<UserId>) = mentioned
        .filter_map(|user| user.as_str().parse().ok())
        .partition(|user| user == bot);
    let to = if is_between_two(room).await {
        To::BotAlone
    } else if own.is_empty() {
        To::Room
    } else {
        To::Bot
    };
    Some(Heard::Said {
        user,
        room: room.room_id().as_str().parse().ok()?,
        text: text.body.clone(),
        mentions,
        to,
        at_ms: event.origin_server_ts.get().into(),
    })
}

/// Whether only the bot and one other are in the room, or invited to it. Where that cannot be found out, somebody may read along.
pub(super) async fn is_between_two(room: &Room) -> bool {
    // The counts of the room's summary are not there with every sync.
    match room.members(RoomMemberships::ACTIVE).await {
        Ok(members) => members.len() <= 2,
        Err(error) => {
            tracing::warn!("it cannot be found out who is in a room: {error}");
            false
        }
    }
}

fn reacted(event: &OriginalSyncReactionEvent, room: &Room, bot: &UserId) -> Option<Heard> {
    let user: UserId = event.sender.as_str().parse().ok()?;
    let annotation = &event.content.relates_to;
    (user != *bot).then(|| -> Option<Heard> {
        Some(Heard::Reacted {
            user,
            room: room.room_id().as_str().parse().ok()?,
            event: annotation.event_id.to_string(),
            key: annotation.key.clone(),
        })
    })?
}
