//! Controlling the SFU from inside the process. The server API ([`crate::http`]) translates to the same words.

use crate::control::{Input, Inputs};
use hanse_sfu_signal::{
    ApiKeys, RpcCall, RpcFailure, SfuCommand, SfuEvent, SfuRefusal, SfuReply, VideoStreams,
};
use std::sync::Arc;
use tokio::sync::{broadcast, oneshot, watch};

/// Events that wait for one subscriber. One that is further behind misses the oldest and is told how many.
pub const EVENTS_MAX: usize = 4096;

/// A command on its way to the control task.
pub(crate) struct Command {
    pub command: SfuCommand,
    pub answer: oneshot::Sender<Result<SfuReply, SfuRefusal>>,
}

/// A call of a participant's method on its way to the control task.
pub(crate) struct Call {
    pub call: RpcCall,
    pub answer: oneshot::Sender<Result<String, RpcFailure>>,
}

/// A question about the videos of a room on its way to the control task.
pub(crate) struct StreamsQuery {
    pub room: String,
    /// Identities; `None`: everybody.
    pub of: Option<Vec<String>>,
    pub max: usize,
    pub answer: oneshot::Sender<VideoStreams>,
}

/// A cheap clone reaches the same SFU.
#[derive(Clone)]
pub struct SfuHandle {
    inputs: Inputs,
    events: broadcast::Sender<Arc<SfuEvent>>,
    draining: watch::Sender<bool>,
    keys: watch::Sender<Arc<ApiKeys>>,
}

/// What a subscriber hears next.
#[derive(Clone, Debug, PartialEq)]
pub enum Heard {
    /// Something happened.
    Event(Arc<SfuEvent>),
    /// This many events were missed; ask for the state.
    Missed(u64),
}

/// What happens from the moment of [`SfuHandle::subscribe`] on, in order.
pub struct SfuEvents {
    events: broadcast::Receiver<Arc<SfuEvent>>,
}

impl SfuHandle {
    pub(crate) fn new(inputs: Inputs, events: broadcast::Sender<Arc<SfuEvent>>, keys: ApiKeys) -> Self {
        SfuHandle {
            inputs,
            events,
            draining: watch::Sender::new(false),
            keys: watch::Sender::new(Arc::new(keys)),
        }
    }

    /// Has a command carried out.
    ///
    /// # Errors
    ///
    /// What the SFU refuses, with the sentence for whoever asked; also when it is stopping.
    pub async fn command(&self, command: SfuCommand) -> Result<SfuReply, SfuRefusal> {
        let (answer, reply) = oneshot::channel();
        self.inputs
            .send(Input::Command(Command { command, answer }))
            .await
            .map_err(|_| stopping())?;
        reply.await.map_err(|_| stopping())?
    }

    /// Calls a method that a participant's client has registered, and waits for what it answers.
    ///
    /// # Errors
    ///
    /// What the SFU refuses, also when it is stopping; how the call failed.
    pub async fn call(&self, call: RpcCall) -> Result<String, RpcFailure> {
        let (answer, reply) = oneshot::channel();
        self.inputs
            .send(Input::Call(Call { call, answer }))
            .await
            .map_err(|_| stopping())?;
        reply.await.map_err(|_| stopping())?
    }

    /// What participants of a room get of each other's videos, and why not more ([`crate::why`] has the words): of
    /// everybody, or of some identities; at most `max`. A room that does not exist has none.
    ///
    /// # Errors
    ///
    /// When the SFU is stopping.
    pub async fn video_streams(
        &self,
        room: String,
        of: Option<Vec<String>>,
        max: usize,
    ) -> Result<VideoStreams, SfuRefusal> {
        let (answer, reply) = oneshot::channel();
        let query = StreamsQuery {
            room,
            of,
            max,
            answer,
        };
        self.inputs
            .send(Input::VideoStreams(query))
            .await
            .map_err(|_| stopping())?;
        reply.await.map_err(|_| stopping())
    }

    /// Lets no new call begin (`true`), or lets them begin again. Calls that go on are not touched: who is in one stays,
    /// and others may join them. Of two who ask for it, the later one is heeded.
    pub async fn drain(&self, is_draining: bool) {
        self.draining.send_replace(is_draining);
        // Fails when the SFU stops, which drains it better.
        let _ = self.inputs.send(Input::Drain(is_draining)).await;
    }

    /// From now on tokens that these keys signed are good, and no others; the first one signs. Who is in a call stays,
    /// whichever key has let them in.
    pub async fn change_keys(&self, keys: ApiKeys) {
        let keys = Arc::new(keys);
        self.keys.send_replace(Arc::clone(&keys));
        // Fails when the SFU stops, and then nothing is signed any more.
        let _ = self.inputs.send(Input::ChangeKeys(keys)).await;
    }

    /// The keys as they are now.
    pub(crate) fn keys(&self) -> Arc<ApiKeys> {
        Arc::clone(&self.keys.borrow())
    }

    /// Whether new calls are refused.
    pub fn draining(&self) -> watch::Receiver<bool> {
        self.draining.subscribe()
    }

    /// How many participants there are, connected or expected back for a moment; 0 when the SFU has stopped.
    pub async fn people(&self) -> usize {
        let (answer, reply) = oneshot::channel();
        if self.inputs.send(Input::CountPeople { answer }).await.is_err() {
            return 0;
        }
        reply.await.unwrap_or(0)
    }

    /// Returns once nobody is here.
    pub async fn nobody(&self) {
        // Before the first look, so that nobody goes unseen between the two.
        let mut events = self.subscribe();
        while self.people().await > 0 && events.next().await.is_some() {}
    }

    /// Hears of everything that happens from now on.
    pub fn subscribe(&self) -> SfuEvents {
        SfuEvents {
            events: self.events.subscribe(),
        }
    }
}

fn stopping() -> SfuRefusal {
    SfuRefusal::Full("the server is stopping".to_owned())
}

/// Events from elsewhere, for tests of what follows from them.
impl From<broadcast::Receiver<Arc<SfuEvent>>> for SfuEvents {
    fn from(events: broadcast::Receiver<Arc<SfuEvent>>) -> Self {
        SfuEvents { events }
    }
}

impl SfuEvents {
    /// An event that is there already.
    pub fn try_next(&mut self) -> Option<Heard> {
        match self.events.try_recv() {
            Ok(event) => Some(Heard::Event(event)),
            Err(broadcast::error::TryRecvError::Lagged(missed)) => Some(Heard::Missed(missed)),
            Err(_) => None,
        }
    }

    /// The next event; `None` when the SFU has stopped.
    pub async fn next(&mut self) -> Option<Heard> {
        match self.events.recv().await {
            Ok(event) => Some(Heard::Event(event)),
            Err(broadcast::error::RecvError::Lagged(missed)) => Some(Heard::Missed(missed)),
            Err(broadcast::error::RecvError::Closed) => None,
        }
    }
}
