//! The two who call each other. Without any other word these are two users in the namespace that the registration reserves for Hanse,
//! `@hanse_doctor_a:…` and `@hanse_doctor_b:…`, made and signed in with Hanse's own token: no right is needed that Hanse does not have, and
//! nobody has to be asked. Their devices are gone when the doctor is. For other homeservers an account is given by file.

use super::ask::{Answer, Asked, Client, Question, part, words};
use super::sentence::Words;
use super::transports;
use anyhow::{Context, Result, bail};
use hanse_focus::UserId;
use hanse_runtime::Secret;
use http::Method;
use serde_json::{Value, json};
use std::path::Path;

/// How others see the devices.
const DEVICE_NAME: &str = "hanse doctor";

/// Where the doctor remembers its rooms, in its first user's account: `{"rooms": {"home": "!…"}}`.
const MEMORY: &str = "org.hanse.doctor";

/// A device that is signed in.
pub struct Device {
    /// Where its homeserver's client-server API is; no slash at its end.
    pub homeserver_url: String,
    /// Whose it is.
    pub user: String,
    /// Which one.
    pub device_id: String,
    /// What proves it.
    pub access_token: Secret<String>,
}

/// An account of an administrator's, given by file.
pub struct Account {
    /// The Matrix id.
    pub user: UserId,
    password: Secret<String>,
    /// Where its homeserver's client-server API is; `None`: its well-known says.
    pub homeserver_url: Option<String>,
}

impl Account {
    /// Reads it: the Matrix id in the first line, the password in the second, and, if its well-known does not say it, the
    /// homeserver's URL in the third.
    ///
    /// # Errors
    ///
    /// A sentence that shows nothing of the file.
    pub fn read(file: &Path) -> Result<Self> {
        let name = file.display();
        let text = std::fs::read_to_string(file).with_context(|| format!("{name} cannot be read"))?;
        let mut lines = text.lines().map(str::trim);
        let (Some(Ok(user)), Some(password)) = (
            lines.next().map(str::parse),
            lines.next().filter(|line| !line.is_empty()),
        ) else {
            bail!(
                "{name}: a Matrix id as @doctor:other.example is expected in the first line, and its password in the second"
            )
        };
        let homeserver_url = lines.next().filter(|line| !line.is_empty());
        Ok(Account {
            user,
            password: Secret::new(password.to_owned()),
            homeserver_url: homeserver_url.map(|url| url.trim_end_matches('/').to_owned()),
        })
    }
}

/// What a homeserver did not do, and what it answered.
#[derive(Clone)]
pub struct Refused {
    /// What was asked of it.
    pub what: Words,
    /// What came back.
    pub answer: Words,
}

fn refused(en: &str, de: &str, asked: &Asked) -> Refused {
    let mut answer = words(asked);
    let error = asked.as_ref().map(Answer::error).unwrap_or_default();
    if !error.is_empty() {
        answer = Words {
            en: format!("{}: {error}", answer.en),
            de: format!("{}: {error}", answer.de),
        };
    }
    Refused {
        what: Words {
            en: en.to_owned(),
            de: de.to_owned(),
        },
        answer,
    }
}

fn done(en: &str, de: &str, asked: Asked) -> Result<Value, Refused> {
    match &asked {
        Ok(answer) if answer.status == 200 => Ok(answer.json()),
        _ => Err(refused(en, de, &asked)),
    }
}

/// Makes one of Hanse's own users, if it is not there yet, and signs it in.
pub async fn own(
    client: &Client,
    url: &str,
    as_token: &str,
    localpart: &str,
    server: &str,
) -> Result<Device, Refused> {
    let register = format!("{url}/_matrix/client/v3/register");
    let body = json!({"type": "m.login.application_service", "username": localpart, "inhibit_login": true});
    let made = client
        .ask(Question {
            token: Some(as_token),
            body: Some(body),
            ..Question::new(Method::POST, &register)
        })
        .await;
    let is_there = matches!(&made, Ok(answer) if answer.status == 200 || answer.errcode() == "M_USER_IN_USE");
    if !is_there {
        return Err(refused(
            "make a user for the call",
            "einen Benutzer für das Gespräch anlegen",
            &made,
        ));
    }
    let identifier = json!({"type": "m.id.user", "user": format!("@{localpart}:{server}")});
    let body = json!({"type": "m.login.application_service", "identifier": identifier});
    login(client, url, body, Some(as_token)).await
}

/// Signs an account in with its password.
pub async fn given(client: &Client, url: &str, account: &Account) -> Result<Device, Refused> {
    let identifier = json!({"type": "m.id.user", "user": account.user.as_str()});
    let body =
        json!({"type": "m.login.password", "identifier": identifier, "password": account.password.expose()});
    login(client, url, body, None).await
}

async fn login(client: &Client, url: &str, mut body: Value, token: Option<&str>) -> Result<Device, Refused> {
    if let Some(body) = body.as_object_mut() {
        body.insert("initial_device_display_name".to_owned(), DEVICE_NAME.into());
    }
    let login = format!("{url}/_matrix/client/v3/login");
    let asked = client
        .ask(Question {
            token,
            body: Some(body),
            ..Question::new(Method::POST, &login)
        })
        .await;
    let refuse = |asked: &Asked| {
        refused(
            "sign a user in for the call",
            "einen Benutzer für das Gespräch anmelden",
            asked,
        )
    };
    let json = match &asked {
        Ok(answer) if answer.status == 200 => answer.json(),
        _ => return Err(refuse(&asked)),
    };
    let text = |key| json.get(key).and_then(Value::as_str).map(str::to_owned);
    match (text("user_id"), text("device_id"), text("access_token")) {
        (Some(user), Some(device_id), Some(access_token)) => Ok(Device {
            homeserver_url: url.to_owned(),
            user,
            device_id,
            access_token: Secret::new(access_token),
        }),
        _ => Err(refuse(&asked)),
    }
}

impl Device {
    /// As a participant reads it.
    pub fn session_file(&self) -> String {
        json!({"user_id": self.user, "device_id": self.device_id, "access_token": self.access_token.expose()})
            .to_string()
    }

    async fn ask(&self, client: &Client, method: Method, path: &str, body: Option<Value>) -> Asked {
        let url = format!("{}/_matrix/client/v3/{path}", self.homeserver_url);
        client
            .ask(Question {
                token: Some(self.access_token.expose()),
                body,
                ..Question::new(method, &url)
            })
            .await
    }

    /// What proves to others whose it is (OpenID), as they are given it.
    ///
    /// # Errors
    ///
    /// What the homeserver answered.
    pub async fn proof(&self, client: &Client) -> Result<Value, Refused> {
        let path = format!("user/{}/openid/request_token", part(&self.user));
        done(
            "prove who its users are",
            "beweisen, wer seine Benutzer sind",
            self.ask(client, Method::POST, &path, Some(json!({}))).await,
        )
    }

    /// Where its homeserver tells it that calls are.
    pub async fn transports(&self, client: &Client) -> Asked {
        transports::probe(client, &self.homeserver_url, self.access_token.expose())
            .await
            .1
    }

    /// Signs it out. Its participant has done so already if all went well.
    pub async fn sign_out(&self, client: &Client) {
        let _gone = self.ask(client, Method::POST, "logout", Some(json!({}))).await;
    }

    /// The doctor's room for calls with this other one, under `name` in its memory: made once, then used again, so that an examination
    /// every hour leaves nothing behind.
    ///
    /// # Errors
    ///
    /// What the homeserver answered.
    pub async fn room(&self, client: &Client, name: &str, other: &str) -> Result<String, Refused> {
        let memory = format!("user/{}/account_data/{MEMORY}", part(&self.user));
        let known = self.ask(client, Method::GET, &memory, None).await;
        let mut rooms = match &known {
            Ok(answer) if answer.status == 200 => {
                answer.json().get("rooms").and_then(Value::as_object).cloned()
            }
            _ => None,
        }
        .unwrap_or_default();
        if let Some(room) = rooms.get(name).and_then(Value::as_str)
            && self.is_usable(client, room, other).await
        {
            return Ok(room.to_owned());
        }
        let body = json!({
            "name": "hanse doctor",
            "preset": "private_chat",
            "invite": [other],
            "initial_state": [{"type": "m.room.encryption", "state_key": "", "content": {"algorithm": "m.megolm.v1.aes-sha2"}}],
            // Memberships of calls are state that everybody writes.
            "power_level_content_override": {"events": {"org.matrix.msc3401.call.member": 0}},
        });
        let made = self.ask(client, Method::POST, "createRoom", Some(body)).await;
        let made = done(
            "make a room for the call",
            "einen Raum für das Gespräch anlegen",
            made,
        )?;
        let room = made
            .get("room_id")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned();
        rooms.insert(name.to_owned(), room.clone().into());
        // Without it the next examination makes another room; this one goes on.
        let _kept = self
            .ask(client, Method::PUT, &memory, Some(json!({"rooms": rooms})))
            .await;
        Ok(room)
    }

    /// Whether both are in the room, or the other one may come in now.
    async fn is_usable(&self, client: &Client, room: &str, other: &str) -> bool {
        let path = format!("rooms/{}/state/m.room.member/{}", part(room), part(other));
        let Ok(answer) = self.ask(client, Method::GET, &path, None).await else {
            return false;
        };
        match answer.json().get("membership").and_then(Value::as_str) {
            Some("join" | "invite") => answer.status == 200,
            _ if matches!(answer.status, 200 | 404) => {
                let path = format!("rooms/{}/invite", part(room));
                let asked = self
                    .ask(client, Method::POST, &path, Some(json!({"user_id": other})))
                    .await;
                matches!(asked, Ok(answer) if answer.status == 200)
            }
            _ => false,
        }
    }
}
