//! The task that owns the desk, and how others ask it.

use super::said::{Said, To};
use super::{Answer, Desk, Question};
use crate::meeting::Meeting;
use crate::rooms::Closed;
use crate::store::{Due, Job, StoreError};
use hanse_matrixrtc::{RoomId, UserId};
use jiff::Timestamp;
use tokio::sync::{mpsc, oneshot};

/// Questions that wait. More wait with whoever asks.
const WAITING_MAX: usize = 256;

/// Something that is done with the desk.
type Deed = Box<dyn for<'a> FnOnce(&'a mut Desk) -> futures_util::future::BoxFuture<'a, ()> + Send>;

/// Asks the desk. Clones ask the same one.
#[derive(Clone)]
pub struct DeskHandle(mpsc::Sender<Deed>);

/// Gives the desk to a task of its own.
pub fn spawn(mut desk: Desk) -> (DeskHandle, tokio::task::JoinHandle<()>) {
    let (tell, mut deeds) = mpsc::channel::<Deed>(WAITING_MAX);
    let owner = tokio::spawn(async move {
        while let Some(deed) = deeds.recv().await {
            deed(&mut desk).await;
        }
        if let Err(error) = desk.store.close().await {
            tracing::error!("{error}");
        }
    });
    (DeskHandle(tell), owner)
}

/// The desk is gone.
#[derive(Debug, thiserror::Error)]
pub enum DeskError {
    /// The store did not do it.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The bot is stopping.
    #[error("the bot is stopping")]
    Stopping,
}

macro_rules! asks {
    ($($(#[$doc:meta])* $name:ident($($argument:ident: $type:ty),*) -> $answer:ty = |$desk:ident| $body:expr;)*) => {
        impl DeskHandle {
            $($(#[$doc])*
            ///
            /// # Errors
            /// Those of the store.
            pub async fn $name(&self, $($argument: $type),*) -> Result<$answer, DeskError> {
                let (tell, answer) = oneshot::channel();
                let deed: Deed = Box::new(move |$desk| Box::pin(async move {
                    let _ = tell.send($body.await);
                }));
                self.0.send(deed).await.map_err(|_| DeskError::Stopping)?;
                Ok(answer.await.map_err(|_| DeskError::Stopping)??)
            })*
        }
    };
}

asks! {
    /// See [`Desk::said`].
    said(user: UserId, room: RoomId, text: String, mentions: Vec<UserId>, to: To, now: Timestamp) -> Option<Answer> = |desk| {
        async { desk.said(&Said { user: &user, room: &room, text: &text, mentions: &mentions, to }, now).await }
    };
    /// See [`Desk::reacted`].
    reacted(event: String, user: UserId, key: String, now: Timestamp) -> Option<Answer> = |desk| desk.reacted(&event, &user, &key, now);
    /// See [`Desk::asked`].
    asked(event: String, user: UserId, question: Question, now: Timestamp) -> () = |desk| desk.asked(&event, &user, &question, now);
    /// See [`Desk::due`].
    due(now: Timestamp) -> Option<i64> = |desk| desk.due(now);
    /// What is to be done outside.
    jobs(now: Timestamp, at_most: u32) -> Vec<Job> = |desk| desk.store.jobs(now.as_millisecond(), at_most);
    /// It is done, or given up.
    end_job(id: i64) -> () = |desk| desk.store.end_job(id);
    /// It is tried again then.
    put_off_job(id: i64, not_before: Timestamp) -> () = |desk| desk.store.put_off_job(id, not_before.as_millisecond());
    /// A meeting.
    meeting(uid: String) -> Option<Due> = |desk| desk.store.meeting(&uid);
    /// See [`Desk::room_made`].
    room_made(uid: String, room: RoomId, guest_link: Option<String>, now: Timestamp) -> () = |desk| {
        async { desk.room_made(&uid, &room, guest_link.as_deref(), now).await }
    };
    /// See [`Desk::room_closed`].
    room_closed(uid: String, closed: Closed, now: Timestamp) -> () = |desk| async { desk.room_closed(&uid, &closed, now).await };
    /// See [`Desk::room_deleted`].
    room_deleted(uid: String, is_gone: bool, now: Timestamp) -> () = |desk| async { desk.room_deleted(&uid, is_gone, now).await };
    /// See [`Desk::rebuild`].
    rebuild(meetings: Vec<Meeting>, now: Timestamp) -> usize = |desk| desk.rebuild(meetings, now);
}
