//! What the people of a call get of each other's videos, and why not more.

use hanse_focus::calls::{CallWithPeople, LISTED_MAX};
use hanse_sfu::{SfuHandle, VideoStream, why};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// The videos that people of a call have subscribed to.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Streams {
    /// At most [`LISTED_MAX`], by who receives them.
    pub streams: Vec<Stream>,
    /// How many more there are.
    pub left_off: usize,
}

/// One of them.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stream {
    /// Who receives it: the Matrix id, or the name on the SFU of somebody whom the focus did not send.
    pub subscriber: String,
    /// Whose it is, likewise.
    pub publisher: String,
    /// `camera`, `screen_share`, as LiveKit names sources.
    pub source: String,
    /// `TR_…`
    pub track: String,
    /// What the subscriber's client has asked for; empty: nothing in particular.
    pub asked: String,
    /// What goes out of it, and why not more: a sentence.
    pub why: String,
}

/// Asks the SFU of this process about a call, or about the devices of one of its people.
///
/// # Errors
///
/// A sentence: nobody of that name is in the call, or the SFU is stopping.
pub async fn ask(sfu: &SfuHandle, call: &CallWithPeople, user_id: Option<&str>) -> Result<Streams, String> {
    let people = call.people.iter();
    let users: HashMap<&str, &str> = people
        .map(|person| (person.identity.as_str(), person.user_id.as_str()))
        .collect();
    let of = user_id.map(|user_id| {
        let devices = users.iter().filter(|(_, user)| **user == user_id);
        devices
            .map(|(identity, _)| (*identity).to_owned())
            .collect::<Vec<_>>()
    });
    if of.as_ref().is_some_and(Vec::is_empty) {
        return Err("they are not in this call; \"hanse call\" lists those who are".to_owned());
    }
    let found = sfu
        .video_streams(call.call.id.clone(), of, LISTED_MAX)
        .await
        .map_err(|refusal| refusal.to_string())?;
    let user = |identity: String| match users.get(identity.as_str()) {
        Some(user) => (*user).to_owned(),
        None => identity,
    };
    let stream = |stream: VideoStream| Stream {
        source: stream.source.as_str_name().to_lowercase(),
        asked: why::asked(stream.asked),
        why: why::sentence(&stream),
        subscriber: user(stream.subscriber),
        publisher: user(stream.publisher),
        track: stream.track_sid,
    };
    Ok(Streams {
        streams: found.streams.into_iter().map(stream).collect(),
        left_off: found.left_off,
    })
}
