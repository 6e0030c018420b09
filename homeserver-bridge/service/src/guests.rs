//! Users for people without an account: made for one meeting, and erased after it.
//!
//! They are users of the application service's namespace ([`hanse_matrixrtc::GUEST_PREFIX`]) with a device and an access token
//! of their own, so the person's browser is a client like any other, and Hanse keeps nothing by which it could act as them
//! but its own token.
//!
//! Seen of Synapse 1.163.2: `POST /register` with `m.login.application_service` makes user, device and token at once, also
//! where registration is closed; the user's first cross-signing keys need no password (MSC3967). `account/deactivate` with the
//! application service's token asks for no password either; with `erase` it ends device and token, deletes the profile,
//! takes back knocks and invitations, leaves all rooms, and redacts at this homeserver the membership events (with the name) of
//! rooms that the user is still in. So nobody must make the user leave before: then those would stay. A second deactivation
//! is as good as the first. Behind Matrix Authentication Service `/register` is answered with `M_APPSERVICE_LOGIN_UNSUPPORTED`.

use crate::bridge::{Bridge, NotKnown};
use crate::client::{ApiError, part};
use crate::homeserver::Homeserver;
use hanse_matrixrtc::{GUEST_PREFIX, Membership, RoomId, ServerName, UserId};
use hanse_runtime::Secret;
use http::Method;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use std::time::Duration;

/// How others see a guest's device.
const DEVICE_NAME: &str = "Hanse (guest)";

/// Making or ending a user: a homeserver writes more for it than for other questions.
const ACCOUNT_TIMEOUT: Duration = Duration::from_secs(15);

/// Everything else.
const ASK_TIMEOUT: Duration = Duration::from_secs(5);

/// Type of the event that says how one comes into a room.
const JOIN_RULES: &str = "m.room.join_rules";

/// Type of the event with a room's name.
const ROOM_NAME: &str = "m.room.name";

/// What lets the page of a guest act.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GuestSession {
    /// Where the page reaches the homeserver's client-server API, or its server name as a URL, whose well-known says it.
    pub homeserver: String,
    /// Which device.
    pub device_id: String,
    /// What proves it.
    pub access_token: Secret<String>,
}

/// How a guest stands to a room, as the homeserver told; or somebody else, to a room of which we hear for a guest's sake alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GuestMove {
    /// Who.
    pub user: UserId,
    /// Whether they are a guest of ours.
    pub is_ours: bool,
    /// Who says so: whoever invited, or they themselves.
    pub by: UserId,
    /// To which room.
    pub room: RoomId,
    /// How.
    pub membership: Membership,
    /// Whether it is an invitation to a conversation of two (`is_direct`).
    pub is_direct: bool,
}

/// A room as seen from outside its door.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoomDoor {
    /// The homeserver of ours whose bridge user is in it.
    pub server: ServerName,
    /// Its name, if it has one.
    pub name: Option<String>,
    /// Whether one may knock.
    pub can_be_knocked: bool,
}

/// Whether a homeserver lets us make guests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GuestStanding {
    /// It does.
    Offered,
    /// The registration does not reserve their names, or the homeserver has read another one.
    NotReserved,
    /// It makes no users with devices for application services: Matrix Authentication Service.
    NoAccounts,
    /// It does not answer, or not as it should.
    Silent(ApiError),
}

/// Why there is no guest, or one who should be gone is still there. Names nobody.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GuestError {
    /// See [`GuestStanding::NotReserved`].
    #[error(
        "the homeserver has the names of guests (@{GUEST_PREFIX}…) not reserved for Hanse: run `hanse setup` again and restart it"
    )]
    NotReserved,
    /// See [`GuestStanding::NoAccounts`].
    #[error("the homeserver makes no users with devices for application services")]
    NoAccounts,
    /// The bridge user is not in the room, or it is another's homeserver.
    #[error("{0}")]
    NotTold(String),
    /// Everything else.
    #[error("the homeserver could not be asked: {0}")]
    Api(ApiError),
}

impl From<ApiError> for GuestError {
    fn from(error: ApiError) -> Self {
        match &error {
            ApiError::Status { errcode, .. } if errcode == "M_APPSERVICE_LOGIN_UNSUPPORTED" => {
                GuestError::NoAccounts
            }
            ApiError::Status { errcode, .. } if errcode == "M_EXCLUSIVE" => GuestError::NotReserved,
            _ => GuestError::Api(error),
        }
    }
}

impl From<NotKnown> for GuestError {
    fn from(why: NotKnown) -> Self {
        match why {
            NotKnown::NotTold(reason) => GuestError::NotTold(reason),
            NotKnown::Api(error) => error.into(),
        }
    }
}

#[derive(Deserialize)]
struct Registered {
    user_id: String,
    device_id: Option<String>,
    access_token: Option<String>,
}

#[derive(Deserialize)]
struct JoinedRooms {
    joined_rooms: Vec<String>,
}

#[derive(Deserialize)]
struct Members {
    chunk: Vec<Member>,
}

#[derive(Deserialize)]
struct Member {
    state_key: String,
    content: Map<String, Value>,
}

impl Bridge {
    /// How a room that has invited the bridge user looks from outside.
    ///
    /// # Errors
    ///
    /// [`GuestError::NotTold`] where it has not; [`GuestError::Api`].
    pub async fn room_door(&self, room: &RoomId) -> Result<RoomDoor, GuestError> {
        let homeserver = self
            .in_room(room)
            .ok_or_else(|| GuestError::NotTold("the bridge user is not in the room".to_owned()))?;
        let (rules, name) = tokio::join!(
            homeserver.client.state_event(room, JOIN_RULES, ""),
            homeserver.client.state_event(room, ROOM_NAME, ""),
        );
        let text = |event: Option<hanse_matrixrtc::Event>, key: &str| {
            event?.content.get(key).and_then(Value::as_str).map(str::to_owned)
        };
        let rule = text(rules?, "join_rule");
        Ok(RoomDoor {
            server: homeserver.server_name().clone(),
            name: text(name?, "name").filter(|name| !name.trim().is_empty()),
            can_be_knocked: matches!(rule.as_deref(), Some("knock" | "knock_restricted")),
        })
    }

    /// Whether a homeserver of ours lets us make guests. Makes none.
    ///
    /// # Errors
    ///
    /// [`NotKnown::NotTold`]: it is none of ours.
    pub async fn guest_standing(&self, server: &ServerName) -> Result<GuestStanding, NotKnown> {
        let homeserver = self.ours(server)?;
        if !homeserver.registration.guests {
            return Ok(GuestStanding::NotReserved);
        }
        Ok(standing(homeserver).await)
    }

    /// Makes a user with a device. `user` is one of our homeservers' and has a name of a guest that nobody has had before.
    ///
    /// # Errors
    ///
    /// See [`GuestError`]; after most of them the user may be there.
    pub async fn make_guest(&self, user: &UserId, display_name: &str) -> Result<GuestSession, GuestError> {
        let homeserver = self.ours(user.server_name())?;
        if !homeserver.registration.guests {
            return Err(GuestError::NotReserved);
        }
        let body = json!({
            "type": "m.login.application_service",
            "username": localpart(user),
            "initial_device_display_name": DEVICE_NAME,
        });
        let register = "/_matrix/client/v3/register";
        let client = &homeserver.client;
        let answer = client
            .ask_as(None, Method::POST, register, Some(&body), ACCOUNT_TIMEOUT)
            .await?;
        let form = || GuestError::Api(ApiError::Form);
        let made: Registered = serde_json::from_slice(&answer).map_err(|_| form())?;
        let (Some(device_id), Some(access_token)) = (made.device_id, made.access_token) else {
            return Err(GuestError::NoAccounts);
        };
        if made.user_id != user.as_str() {
            return Err(form());
        }
        let path = format!("/_matrix/client/v3/profile/{}/displayname", part(user.as_str()));
        let name = json!({"displayname": display_name});
        client
            .ask_as(Some(user), Method::PUT, &path, Some(&name), ASK_TIMEOUT)
            .await?;
        Ok(GuestSession {
            homeserver: address(homeserver).await,
            device_id,
            access_token: Secret::new(access_token),
        })
    }

    /// Deactivates a guest and has everything erased that the homeserver erases. Done as well when there is none.
    ///
    /// # Errors
    ///
    /// See [`GuestError`]; to be tried again.
    pub async fn end_guest(&self, user: &UserId) -> Result<(), GuestError> {
        let client = &self.ours(user.server_name())?.client;
        let path = "/_matrix/client/v3/account/deactivate";
        let body = json!({"erase": true});
        let ended = client
            .ask_as(Some(user), Method::POST, path, Some(&body), ACCOUNT_TIMEOUT)
            .await;
        match ended {
            Ok(_) => Ok(()),
            // There is no such user, or we may not act as them. Who was never made has no profile.
            Err(error) if error.is(403) => {
                let path = format!("/_matrix/client/v3/profile/{}", part(user.as_str()));
                let profile = client.ask_as(None, Method::GET, &path, None, ASK_TIMEOUT).await;
                match profile {
                    Err(missing) if missing.is(404) => Ok(()),
                    _ => Err(error.into()),
                }
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The rooms that a guest is in.
    ///
    /// # Errors
    ///
    /// See [`GuestError`].
    pub async fn guest_rooms(&self, user: &UserId) -> Result<Vec<RoomId>, GuestError> {
        let path = "/_matrix/client/v3/joined_rooms";
        let answer: JoinedRooms = self.ask_as_guest(user, path).await?;
        let rooms = answer.joined_rooms.iter().map(|room| room.parse());
        rooms
            .collect::<Result<_, _>>()
            .map_err(|_| GuestError::Api(ApiError::Form))
    }

    /// Who is beside a guest in a room that the guest is in, or is invited there, or knocks.
    ///
    /// # Errors
    ///
    /// See [`GuestError`].
    pub async fn beside_guest(&self, user: &UserId, room: &RoomId) -> Result<Vec<UserId>, GuestError> {
        let path = format!("/_matrix/client/v3/rooms/{}/members", part(room.as_str()));
        let answer: Members = self.ask_as_guest(user, &path).await?;
        let there = answer.chunk.into_iter().filter(|member| {
            let membership = Membership::read(&member.content);
            !matches!(membership, Membership::Leave | Membership::Ban) && member.state_key != user.as_str()
        });
        let others = there.map(|member| member.state_key.parse());
        others
            .collect::<Result<_, _>>()
            .map_err(|_| GuestError::Api(ApiError::Form))
    }

    async fn ask_as_guest<T: DeserializeOwned>(&self, user: &UserId, path: &str) -> Result<T, GuestError> {
        let client = &self.ours(user.server_name())?.client;
        let answer = client
            .ask_as(Some(user), Method::GET, path, None, ASK_TIMEOUT)
            .await?;
        serde_json::from_slice(&answer).map_err(|_| GuestError::Api(ApiError::Form))
    }

    /// Has a guest decline an invitation, or leave a room.
    ///
    /// # Errors
    ///
    /// See [`GuestError`].
    pub async fn take_guest_out(&self, user: &UserId, room: &RoomId) -> Result<(), GuestError> {
        let client = &self.ours(user.server_name())?.client;
        let path = format!("/_matrix/client/v3/rooms/{}/leave", part(room.as_str()));
        client
            .ask_as(Some(user), Method::POST, &path, Some(&json!({})), ASK_TIMEOUT)
            .await?;
        Ok(())
    }
}

/// Asks for a user whose name is not in the namespace: a homeserver that would make one says that the name is not ours.
async fn standing(homeserver: &Homeserver) -> GuestStanding {
    let register = "/_matrix/client/v3/register";
    let body = json!({"type": "m.login.application_service", "username": "not.a.name.of.hanse"});
    let asked = homeserver
        .client
        .ask_as(None, Method::POST, register, Some(&body), ASK_TIMEOUT)
        .await;
    match asked.map_err(GuestError::from) {
        Err(GuestError::NotReserved) => GuestStanding::Offered,
        Err(GuestError::NoAccounts) => GuestStanding::NoAccounts,
        Err(GuestError::Api(error)) => GuestStanding::Silent(error),
        Ok(_) | Err(GuestError::NotTold(_)) => GuestStanding::Silent(ApiError::Form),
    }
}

/// Where people reach the homeserver, as it says itself to clients; otherwise its name, below which clients look.
async fn address(homeserver: &Homeserver) -> String {
    let named = homeserver
        .client
        .ask_as(None, Method::GET, "/.well-known/matrix/client", None, ASK_TIMEOUT)
        .await;
    let url = named.ok().and_then(|text| {
        let known: Value = serde_json::from_slice(&text).ok()?;
        let url = known.get("m.homeserver")?.get("base_url")?.as_str()?;
        crate::registration::base_url(url)
    });
    url.unwrap_or_else(|| format!("https://{}", homeserver.server_name()))
}

fn localpart(user: &UserId) -> &str {
    let whole = user.as_str();
    whole
        .strip_prefix('@')
        .and_then(|rest| rest.split_once(':'))
        .map_or(whole, |(localpart, _)| localpart)
}
