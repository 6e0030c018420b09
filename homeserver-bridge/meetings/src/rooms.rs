//! The rooms of meetings. They belong to Hanse's user, which has no device: so it holds no key, and nothing of what is said or
//! written in them can be read by it, nor by the bot, which is in none of them.
//!
//! In: what a meeting is. Out: its room, made, brought in line, closed, deleted. A meeting is written into its room
//! ([`MEETING`]), so that the bot's own memory can be rebuilt from there.

use crate::config::{BridgeUser, MeetingsConfig};
use crate::meeting::{MEETING, Meeting, Status};
use anyhow::{Context, Result, bail};
use hanse_matrixrtc::call_member::CALL_MEMBER_STATE;
use hanse_matrixrtc::call_policy::CALL_POLICY;
use hanse_matrixrtc::{RoomId, ServerName, UserId};
use hanse_runtime::Secret;
use reqwest::{Method, StatusCode, Url};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Bytes of an answer.
const ANSWER_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Power of the organiser.
const ORGANISER_POWER: i64 = 100;

/// Power that moderates.
const MODERATOR_POWER: i64 = 50;

/// Seconds for which the meeting is looked for in rooms: see [`Rooms::meetings`].
const REASON_OVER: &str = "This meeting is over, and its room is closed.";

/// The hands of Hanse's user on its homeserver.
pub struct Rooms {
    http: reqwest::Client,
    homeserver: Url,
    user: BridgeUser,
    admin_token: Option<Secret<String>>,
    focus: Option<Url>,
}

/// What became of a room.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Closed {
    /// Homeservers other than ours whose people were in it: they have what was written there, sealed, as long as they keep it.
    pub others: BTreeSet<ServerName>,
    /// How many people were shown out.
    pub people: usize,
}

/// An answer that is not the wanted one.
#[derive(Debug, thiserror::Error)]
#[error("the homeserver refuses {what} with status {status}: {words}")]
struct Refused {
    what: &'static str,
    status: StatusCode,
    words: String,
}

impl Rooms {
    /// As the configuration has it; `None` without a registration.
    ///
    /// # Errors
    /// When a URL is none.
    pub fn new(config: &MeetingsConfig, http: reqwest::Client) -> Result<Option<Rooms>> {
        let Some(user) = config.bridge.clone() else {
            return Ok(None);
        };
        Ok(Some(Rooms {
            http,
            homeserver: config.homeserver.parse().context("homeserver is no URL")?,
            user,
            admin_token: config.admin_token.clone(),
            focus: config
                .focus
                .as_deref()
                .map(str::parse)
                .transpose()
                .context("focus is no URL")?,
        }))
    }

    /// Whether links for guests can be had.
    pub fn has_guests(&self) -> bool {
        self.focus.is_some()
    }

    /// Makes the room of a meeting, invites its people, and gives the organiser the power.
    ///
    /// # Errors
    /// With the homeserver's words. A room that was made before that is in [`Rooms::meetings`].
    pub async fn make(&self, meeting: &Meeting, topic: &str, guests: bool) -> Result<RoomId> {
        let state = |kind: &str, content: Value| json!({"type": kind, "state_key": "", "content": content});
        let answer = self
            .ask(
                "a room",
                Method::POST,
                &["_matrix", "client", "v3", "createRoom"],
                Some(json!({
                    "preset": "private_chat",
                    "visibility": "private",
                    "name": meeting.title,
                    "topic": topic,
                    "creation_content": {"m.federate": true},
                    "initial_state": [
                        state("m.room.encryption", json!({"algorithm": "m.megolm.v1.aes-sha2"})),
                        // Whoever is not invited knocks, and somebody lets them in: the lobby.
                        state("m.room.join_rules", json!({"join_rule": if guests { "knock" } else { "invite" }})),
                        state("m.room.history_visibility", json!({"history_visibility": "invited"})),
                        state("m.room.guest_access", json!({"guest_access": "forbidden"})),
                        state(CALL_POLICY, json!({"start": 0, "moderate": MODERATOR_POWER, "guests": guests})),
                        state(MEETING, written(meeting)?),
                    ],
                })),
            )
            .await?;
        let room: RoomId = text(&answer, "room_id")?
            .parse()
            .context("the homeserver names no room")?;
        self.empower(&room, &meeting.organiser).await?;
        self.invite(&room, meeting).await?;
        Ok(room)
    }

    /// Brings the room in line with its meeting: name, topic, what it is, who is invited.
    ///
    /// # Errors
    /// With the homeserver's words.
    pub async fn align(&self, room: &RoomId, meeting: &Meeting, topic: &str) -> Result<()> {
        self.put_state(room, "m.room.name", json!({"name": meeting.title}))
            .await?;
        self.put_state(room, "m.room.topic", json!({"topic": topic}))
            .await?;
        self.put_state(room, MEETING, written(meeting)?).await?;
        self.empower(room, &meeting.organiser).await?;
        self.invite(room, meeting).await
    }

    /// Every meeting that is written in a room of Hanse's user.
    ///
    /// # Errors
    /// With the homeserver's words. A room whose meeting cannot be read is passed over.
    pub async fn meetings(&self) -> Result<Vec<Meeting>> {
        let joined = self
            .ask(
                "its rooms",
                Method::GET,
                &["_matrix", "client", "v3", "joined_rooms"],
                None,
            )
            .await?;
        let rooms = joined
            .get("joined_rooms")
            .and_then(Value::as_array)
            .context("the homeserver lists no rooms")?;
        let mut meetings = Vec::new();
        for room in rooms.iter().filter_map(Value::as_str) {
            let Ok(room) = room.parse::<RoomId>() else {
                continue;
            };
            let path = [
                "_matrix",
                "client",
                "v3",
                "rooms",
                room.as_str(),
                "state",
                MEETING,
                "",
            ];
            let content = match self.ask("a meeting", Method::GET, &path, None).await {
                Ok(content) => content,
                Err(error) if status(&error) == Some(StatusCode::NOT_FOUND) => continue,
                Err(error) => return Err(error),
            };
            match serde_json::from_value::<Meeting>(content) {
                Ok(meeting) => meetings.push(Meeting {
                    room: Some(room),
                    is_in_room: false,
                    ..meeting
                }),
                Err(error) => tracing::warn!("a room's meeting cannot be read and is passed over: {error}"),
            }
        }
        Ok(meetings)
    }

    /// A link by which people without an account come into the lobby.
    ///
    /// # Errors
    /// With the words of the homeserver or of Hanse.
    pub async fn guest_link(&self, room: &RoomId, expires_s: u64) -> Result<Option<String>> {
        let Some(focus) = &self.focus else {
            return Ok(None);
        };
        let path = [
            "_matrix",
            "client",
            "v3",
            "user",
            self.user.user.as_str(),
            "openid",
            "request_token",
        ];
        let proof = self
            .ask("a proof of who asks", Method::POST, &path, Some(json!({})))
            .await?;
        let body =
            json!({"room_id": room.as_str(), "openid_token": proof, "once": false, "expires_s": expires_s});
        let url = joined(focus, &["guest", "link"])?;
        let answer = self.http.post(url.clone()).json(&body).send().await?;
        let answer = read("a link for guests", answer).await?;
        let secret = text(&answer, "secret")?;
        Ok(Some(format!("{}#/guest/{secret}", joined(focus, &[""])?)))
    }

    /// Shows everybody out, and lets nobody in any more.
    ///
    /// # Errors
    /// With the homeserver's words; what was done stays done, and may be done again.
    pub async fn close(&self, room: &RoomId, meeting: &Meeting) -> Result<Closed> {
        self.put_state(room, MEETING, written(meeting)?).await?;
        self.put_state(room, "m.room.join_rules", json!({"join_rule": "invite"}))
            .await?;
        let members = self.members(room).await?;
        let mut closed = Closed::default();
        let own = self.user.user.server_name();
        for (user, membership) in members.iter().filter(|(user, _)| **user != self.user.user) {
            if user.server_name() != own && membership == "join" {
                closed.others.insert(user.server_name().clone());
            }
            if !matches!(membership.as_str(), "join" | "invite" | "knock") {
                continue;
            }
            let body = json!({"user_id": user.as_str(), "reason": REASON_OVER});
            match self
                .ask(
                    "showing somebody out",
                    Method::POST,
                    &["_matrix", "client", "v3", "rooms", room.as_str(), "kick"],
                    Some(body),
                )
                .await
            {
                Ok(_) => closed.people += 1,
                // The organiser has the same power in older room versions, and closes their own client's view by leaving.
                Err(error) if status(&error) == Some(StatusCode::FORBIDDEN) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(closed)
    }

    /// Deletes the room on this homeserver; without an administrator's token Hanse's user leaves and forgets it. Whether it is gone
    /// from here for certain.
    ///
    /// # Errors
    /// With the homeserver's words.
    pub async fn delete(&self, room: &RoomId) -> Result<bool> {
        if let Some(token) = &self.admin_token {
            let url = joined(
                &self.homeserver,
                &["_synapse", "admin", "v2", "rooms", room.as_str()],
            )?;
            let body = json!({"block": false, "purge": true});
            let answer = self
                .http
                .delete(url)
                .bearer_auth(token.expose())
                .json(&body)
                .send()
                .await?;
            read("the deletion of a room", answer).await?;
            return Ok(true);
        }
        for what in ["leave", "forget"] {
            let path = ["_matrix", "client", "v3", "rooms", room.as_str(), what];
            match self
                .ask("leaving a room", Method::POST, &path, Some(json!({})))
                .await
            {
                Ok(_) => {}
                Err(error)
                    if matches!(
                        status(&error),
                        Some(StatusCode::FORBIDDEN | StatusCode::NOT_FOUND)
                    ) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(false)
    }

    /// Gives the organiser the power. Rooms of version 12 give their maker more than all, and refuse to write it down.
    async fn empower(&self, room: &RoomId, organiser: &UserId) -> Result<()> {
        let path = [
            "_matrix",
            "client",
            "v3",
            "rooms",
            room.as_str(),
            "state",
            "m.room.power_levels",
            "",
        ];
        let levels = self.ask("the powers in a room", Method::GET, &path, None).await?;
        let Value::Object(mut levels) = levels else {
            bail!("the room has no powers");
        };
        let before = Value::Object(levels.clone());
        put(&mut levels, "users", organiser.as_str(), ORGANISER_POWER);
        put(&mut levels, "events", CALL_MEMBER_STATE, 0);
        put(&mut levels, "events", MEETING, ORGANISER_POWER);
        levels.insert("invite".to_owned(), MODERATOR_POWER.into());
        let after = Value::Object(levels);
        if before != after {
            self.put_state(room, "m.room.power_levels", after).await?;
        }
        Ok(())
    }

    async fn invite(&self, room: &RoomId, meeting: &Meeting) -> Result<()> {
        if meeting.status != Status::Planned {
            return Ok(());
        }
        let members = self.members(room).await?;
        for user in meeting.people.keys() {
            if matches!(
                members.get(user).map(String::as_str),
                Some("join" | "invite" | "ban")
            ) {
                continue;
            }
            let path = ["_matrix", "client", "v3", "rooms", room.as_str(), "invite"];
            match self
                .ask(
                    "an invitation",
                    Method::POST,
                    &path,
                    Some(json!({"user_id": user.as_str()})),
                )
                .await
            {
                Ok(_) => {}
                // Who came in meanwhile, or does not exist: the others are invited all the same.
                Err(error)
                    if status(&error).is_some_and(|status| {
                        status.is_client_error() && status != StatusCode::TOO_MANY_REQUESTS
                    }) =>
                {
                    tracing::warn!("somebody cannot be invited to a meeting: {error:#}");
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    async fn members(&self, room: &RoomId) -> Result<BTreeMap<UserId, String>> {
        let answer = self
            .ask(
                "who is in a room",
                Method::GET,
                &["_matrix", "client", "v3", "rooms", room.as_str(), "members"],
                None,
            )
            .await?;
        let events = answer
            .get("chunk")
            .and_then(Value::as_array)
            .context("the homeserver lists no members")?;
        let members = events.iter().filter_map(|event| {
            let user = event.get("state_key")?.as_str()?.parse().ok()?;
            Some((
                user,
                event.get("content")?.get("membership")?.as_str()?.to_owned(),
            ))
        });
        Ok(members.collect())
    }

    async fn put_state(&self, room: &RoomId, kind: &str, content: Value) -> Result<()> {
        let path = [
            "_matrix",
            "client",
            "v3",
            "rooms",
            room.as_str(),
            "state",
            kind,
            "",
        ];
        self.ask("a change of a room", Method::PUT, &path, Some(content))
            .await
            .map(drop)
    }

    async fn ask(
        &self,
        what: &'static str,
        method: Method,
        path: &[&str],
        body: Option<Value>,
    ) -> Result<Value> {
        let mut url = joined(&self.homeserver, path)?;
        url.query_pairs_mut()
            .append_pair("user_id", self.user.user.as_str());
        let mut request = self
            .http
            .request(method, url)
            .bearer_auth(self.user.token.expose());
        if let Some(body) = body {
            request = request.json(&body);
        }
        // Its own words would show the address, and that names rooms and people.
        let answer = request
            .send()
            .await
            .map_err(reqwest::Error::without_url)
            .context("the homeserver cannot be reached")?;
        read(what, answer).await
    }
}

/// Puts a value into the map that stands there by this name.
fn put(into: &mut Map<String, Value>, name: &str, key: &str, value: i64) {
    let place = into.entry(name).or_insert_with(|| json!({}));
    match place.as_object_mut() {
        Some(map) => drop(map.insert(key.to_owned(), value.into())),
        None => *place = json!({key: value}),
    }
}

fn written(meeting: &Meeting) -> Result<Value> {
    // The room knows itself which it is.
    Ok(serde_json::to_value(Meeting {
        room: None,
        ..meeting.clone()
    })?)
}

fn joined(base: &Url, path: &[&str]) -> Result<Url> {
    let mut url = base.clone();
    url.path_segments_mut()
        .map_err(|()| anyhow::anyhow!("it is no URL of a server"))?
        .pop_if_empty()
        .extend(path);
    Ok(url)
}

fn text<'a>(value: &'a Value, key: &str) -> Result<&'a str> {
    value
        .get(key)
        .and_then(Value::as_str)
        .with_context(|| format!("the answer has no {key}"))
}

/// The status of an answer that was not the wanted one.
fn status(error: &anyhow::Error) -> Option<StatusCode> {
    error.downcast_ref::<Refused>().map(|refused| refused.status)
}

/// An answer as JSON, of at most [`ANSWER_BYTES_MAX`].
async fn read(what: &'static str, mut answer: reqwest::Response) -> Result<Value> {
    let status = answer.status();
    let mut bytes = Vec::new();
    while let Some(part) = answer.chunk().await.map_err(reqwest::Error::without_url)? {
        if bytes.len() + part.len() > ANSWER_BYTES_MAX {
            bail!("the answer to {what} is longer than {ANSWER_BYTES_MAX} bytes");
        }
        bytes.extend_from_slice(&part);
    }
    let value: Value = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
    if !status.is_success() {
        // The sentence may name people; the code does not.
        let words = value
            .get("errcode")
            .and_then(Value::as_str)
            .unwrap_or("no Matrix error")
            .to_owned();
        return Err(Refused { what, status, words }.into());
    }
    Ok(value)
}
