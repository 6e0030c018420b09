//! What the bot sends.

use super::Bot;
use super::hear::is_between_two;
use hanse_matrixrtc::{RoomId, UserId};
use matrix_sdk::attachment::AttachmentConfig;
use matrix_sdk::ruma::events::Mentions;
use matrix_sdk::ruma::events::reaction::ReactionEventContent;
use matrix_sdk::ruma::events::relation::Annotation;
use matrix_sdk::ruma::events::room::member::MembershipState;
use matrix_sdk::ruma::events::room::message::RoomMessageEventContent;
use matrix_sdk::{Room, RoomState, ruma};

/// Why something was not sent.
#[derive(Debug, thiserror::Error)]
pub enum SayError {
    /// The bot is not in that room any more.
    #[error("the bot is not in the room")]
    NoRoom,
    /// The homeserver's words.
    #[error("the message cannot be sent: {0}")]
    Matrix(#[from] Box<matrix_sdk::Error>),
}

impl From<matrix_sdk::Error> for SayError {
    fn from(error: matrix_sdk::Error) -> Self {
        SayError::Matrix(Box::new(error))
    }
}

impl Bot {
    /// Answers in a room, and puts these reactions below; says which message it became. A notice, so that no other bot answers.
    ///
    /// # Errors
    /// When the room is gone, or the homeserver refuses.
    pub async fn answer(&self, room: &RoomId, text: &str, reactions: &[&str]) -> Result<String, SayError> {
        let room = self.room(room)?;
        let content = RoomMessageEventContent::notice_html(plain(text), html(text));
        send(&room, content, reactions).await
    }

    /// Tells somebody something that they have not asked for: it notifies. In the direct message with them, which is made where there is
    /// none. `calendar`: a file to send along.
    ///
    /// # Errors
    /// When the homeserver refuses.
    pub async fn tell(
        &self,
        user: &UserId,
        text: &str,
        reactions: &[&str],
        calendar: Option<&str>,
    ) -> Result<String, SayError> {
        let room = self.direct_message(user).await?;
        let content = RoomMessageEventContent::text_html(plain(text), html(text));
        if let Some(calendar) = calendar {
            let config = AttachmentConfig::new();
            room.send_attachment("meeting.ics", &CALENDAR, calendar.as_bytes().to_vec(), config)
                .await?;
        }
        send(&room, content, reactions).await
    }

    /// Says something to everybody in a room.
    ///
    /// # Errors
    /// When the room is gone, or the homeserver refuses.
    pub async fn announce(&self, room: &RoomId, text: &str) -> Result<String, SayError> {
        let room = self.room(room)?;
        let content = RoomMessageEventContent::text_html(plain(text), html(text))
            .add_mentions(Mentions::with_room_mention());
        send(&room, content, &[]).await
    }

    fn room(&self, room: &RoomId) -> Result<Room, SayError> {
        let id = ruma::RoomId::parse(room.as_str()).map_err(|_| SayError::NoRoom)?;
        let room = self
            .client
            .get_room(&id)
            .filter(|room| room.state() == RoomState::Joined);
        room.ok_or(SayError::NoRoom)
    }

    async fn direct_message(&self, user: &UserId) -> Result<Room, SayError> {
        let user = ruma::UserId::parse(user.as_str()).map_err(|_| SayError::NoRoom)?;
        for room in self.client.get_dm_rooms(&user) {
            let member = room.get_member(&user).await?;
            let is_there = member.is_some_and(|member| {
                matches!(
                    member.membership(),
                    MembershipState::Join | MembershipState::Invite
                )
            });
            if is_there && is_between_two(&room).await {
                return Ok(room);
            }
        }
        Ok(self.client.create_dm(&user).await?)
    }
}

/// The type of a calendar file.
static CALENDAR: std::sync::LazyLock<mime::Mime> =
    std::sync::LazyLock::new(|| "text/calendar".parse().unwrap_or(mime::TEXT_PLAIN));

async fn send(room: &Room, content: RoomMessageEventContent, reactions: &[&str]) -> Result<String, SayError> {
    let sent = room.send(content).await?;
    let event = sent.response.event_id;
    for key in reactions {
        room.send(ReactionEventContent::new(Annotation::new(
            event.clone(),
            (*key).to_owned(),
        )))
        .await?;
    }
    Ok(event.to_string())
}

/// The text without marks.
fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => plain.extend(letters.next()),
            '*' if letters.next_if_eq(&'*').is_some() => {}
            '`' => {}
            letter => plain.push(letter),
        }
    }
    plain
}

/// The text with `**strong**`, `` `code` `` and line breaks, and nothing else of HTML: what people wrote stays as they wrote it.
fn html(text: &str) -> String {
    let mut html = String::with_capacity(text.len() * 2);
    let (mut is_strong, mut is_code) = (false, false);
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => letters
                .next()
                .into_iter()
                .for_each(|letter| push(&mut html, letter)),
            '*' if !is_code && letters.next_if_eq(&'*').is_some() => {
                html.push_str(if is_strong { "</strong>" } else { "<strong>" });
                is_strong = !is_strong;
            }
            '`' => {
                html.push_str(if is_code { "</code>" } else { "<code>" });
                is_code = !is_code;
            }
            letter => push(&mut html, letter),
        }
    }
    if is_code {
        html.push_str("</code>");
    }
    if is_strong {
        html.push_str("</strong>");
    }
    html
}

fn push(html: &mut String, letter: char) {
    match letter {
        '&' => html.push_str("&amp;"),
        '<' => html.push_str("&lt;"),
        '>' => html.push_str("&gt;"),
        '"' => html.push_str("&quot;"),
        '\n' => html.push_str("<br>"),
        letter => html.push(letter),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_wrote_becomes_no_markup() {
        let said = html("**\\<b\\>Bud\\*\\*get**\n& \"more\" `list`");
        assert_eq!(
            said,
            "<strong>&lt;b&gt;Bud**get</strong><br>&amp; &quot;more&quot; <code>list</code>"
        );
        assert_eq!(html("**open"), "<strong>open</strong>");
        assert_eq!(plain("**Bud\\*get** `list`"), "Bud*get list");
    }
}
