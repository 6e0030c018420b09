//! Puts the bot together and runs it: who hears, who decides, who does.

use crate::bot::{Bot, Heard};
use crate::config::MeetingsConfig;
use crate::desk::{self, Answer, Desk, DeskHandle, Rules};
use crate::rooms::Rooms;
use crate::store::Store;
use crate::trust;
use crate::work::{Work, now};
use anyhow::{Context, Result};
use hanse_matrixrtc::{RoomId, UserId};
use hanse_runtime::shutdown::StopSignals;
use jiff::Timestamp;
use rand::SeedableRng;
use rand::rngs::StdRng;
use std::sync::Arc;
use tokio::sync::{Notify, mpsc};

/// What was said longer ago than this is not answered: "tomorrow" was another day.
const OLD_MS: i64 = 6 * 3_600_000;

/// Runs the bot until it is asked to stop.
///
/// # Errors
/// In a sentence.
pub async fn run(config: &MeetingsConfig) -> Result<()> {
    let mut asked_to_stop = StopSignals::listen().context("no signal can be awaited")?;
    let http = trust::http(&config.ca_files)?;
    let (bot, heard) = Bot::open(config, http.clone()).await?;
    let rooms = Rooms::new(config, http)?;
    let store = Store::open(&config.data).await?;
    let random =
        StdRng::try_from_rng(&mut rand::rngs::SysRng).context("the system gives no random numbers")?;
    let (desk, owner) = desk::spawn(Desk::new(store, rules(config, &bot, rooms.as_ref())?, random));
    if let Some(rooms) = &rooms {
        let found = desk.rebuild(rooms.meetings().await?, now()).await?;
        if found > 0 {
            tracing::info!(found, "meetings were read from their rooms");
        }
    }
    let wake = Arc::new(Notify::new());
    let work = Work {
        desk: desk.clone(),
        bot: bot.clone(),
        rooms,
        wake: Arc::clone(&wake),
    };
    tracing::info!("the bot hears");
    let result = tokio::select! {
        result = bot.follow() => result,
        result = listen(&bot, &desk, heard, &wake) => result,
        result = work.run() => result,
        signal = asked_to_stop.next() => {
            tracing::info!(signal, "the bot stops");
            Ok(())
        }
    };
    drop((work, desk));
    owner.await.context("the store was not closed")?;
    result
}

fn rules(config: &MeetingsConfig, bot: &Bot, rooms: Option<&Rooms>) -> Result<Rules> {
    let allowed = match config.allowed_homeservers.as_slice() {
        [] => vec![bot.user()?.server_name().clone()],
        servers => servers.to_vec(),
    };
    Ok(Rules {
        allowed,
        zone: config.zone.clone(),
        meetings_per_person: config.meetings_per_person,
        changes_per_hour: config.changes_per_hour,
        close_after_min: config.close_after_min,
        delete_after_days: config.delete_after_days,
        has_rooms: rooms.is_some(),
        has_guests: rooms.is_some_and(Rooms::has_guests),
        room_link: config.room_link.clone(),
        // Calendars are sent as files; nothing serves them by address.
        feed_url: None,
    })
}

async fn listen(bot: &Bot, desk: &DeskHandle, mut heard: mpsc::Receiver<Heard>, wake: &Notify) -> Result<()> {
    while let Some(heard) = heard.recv().await {
        let (answer, user, room): (Option<Answer>, UserId, RoomId) = match heard {
            Heard::Said {
                user,
                room,
                text,
                mentions,
                to,
                at_ms,
            } => {
                let at = Timestamp::from_millisecond(at_ms)
                    .unwrap_or_else(|_| now())
                    .min(now());
                if now().as_millisecond() - at.as_millisecond() > OLD_MS {
                    continue;
                }
                (
                    desk.said(user.clone(), room.clone(), text, mentions, to, at)
                        .await?,
                    user,
                    room,
                )
            }
            Heard::Reacted {
                user,
                room,
                event,
                key,
            } => (desk.reacted(event, user.clone(), key, now()).await?, user, room),
        };
        wake.notify_one();
        let Some(answer) = answer else { continue };
        let reactions = answer
            .question
            .as_ref()
            .map(|question| question.reactions())
            .unwrap_or_default();
        match bot.answer(&room, &answer.text, reactions).await {
            Ok(event) => {
                if let Some(question) = answer.question {
                    desk.asked(event, user, question, now()).await?;
                }
            }
            Err(error) => tracing::warn!("an answer was not sent: {error}"),
        }
    }
    Ok(())
}
