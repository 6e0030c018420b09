//! The side that asks: subcommands that speak to the running server.

use super::streams::Streams;
use super::{
    ANSWER_BYTES_MAX, Blocked, BlockedHomeservers, Draining, Health, Reply, Request, Unblocked, table,
};
use crate::settings::operator_socket;
use anyhow::{Context, Result};
use clap::{Args, Subcommand};
use hanse_focus::calls::{CallWithPeople, Calls, Removed};
use hanse_focus::{ServerName, UserId};
use hanse_runtime::clock;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

/// How long the server may say nothing. It waits for its SFU and its database for less.
const SILENCE_MAX: Duration = Duration::from_secs(30);

/// How often `hanse drain --wait` asks.
const WAIT_INTERVAL: Duration = Duration::from_secs(1);

/// The exit code when no server answers; 1: it answers and refuses, 2: the command line is wrong.
const NO_SERVER: u8 = 3;

/// What the running server is asked.
#[derive(Subcommand)]
pub enum OperatorCommand {
    /// List the calls that are going on, with the Matrix room and how many people of which homeserver.
    Calls(Place),
    /// Show who is in a call, and what they may do.
    Call {
        /// The call, by its id in `hanse calls` or any beginning of it that no other call has.
        id: String,
        #[command(flatten)]
        place: Place,
    },
    /// Show which layers people in a call get of each other's videos, and why not more.
    Streams {
        /// The call, by its id in `hanse calls` or any beginning of it that no other call has.
        id: String,
        /// Only those that this Matrix user receives, as @bob:org-b.example.
        #[arg(long, value_name = "USER")]
        user: Option<UserId>,
        #[command(flatten)]
        place: Place,
    },
    /// End somebody's place in calls on this server. They may come again; to keep them out, remove them from the room.
    Remove {
        /// The Matrix id, as @bob:org-b.example.
        user: UserId,
        /// Only in this call, by its id or a beginning of it.
        #[arg(long, value_name = "ID")]
        call: Option<String>,
        #[command(flatten)]
        place: Place,
    },
    /// Let nobody of a homeserver into calls on this server, and end the places that its people have.
    Block {
        /// The homeserver, as in its users' ids behind the colon.
        server: ServerName,
        #[command(flatten)]
        place: Place,
    },
    /// Take a homeserver off the list of blocked ones.
    Unblock {
        /// The homeserver, as in its users' ids behind the colon.
        server: ServerName,
        #[command(flatten)]
        place: Place,
    },
    /// List the homeservers that are blocked.
    Blocked(Place),
    /// Let no new calls begin on this server. Those that go on are not touched, and people may still join them.
    Drain {
        /// Return only when nobody is in a call any more.
        #[arg(long)]
        wait: bool,
        #[command(flatten)]
        place: Place,
    },
    /// Let new calls begin again after `hanse drain`.
    Undrain(Place),
}

/// Which server is asked, and how it is said.
#[derive(Args)]
pub struct Place {
    /// The configuration file of the running server; it says where the socket is.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The socket of the running server; without it, what the configuration says.
    #[arg(long, value_name = "PATH")]
    socket: Option<PathBuf>,
    /// Print JSON, for programs.
    #[arg(long)]
    json: bool,
}

/// Asks, and prints what comes back.
///
/// # Errors
///
/// A sentence: a configuration that cannot be read, or an answer that makes no sense.
pub fn run(command: OperatorCommand) -> Result<ExitCode> {
    let waits = matches!(command, OperatorCommand::Drain { wait: true, .. });
    let (request, place, show): (Request, Place, fn(Value) -> Result<String>) = match command {
        OperatorCommand::Calls(place) => (Request::Calls {}, place, |answer| {
            Ok(table::calls(&read::<Calls>(answer)?, clock::unix_ms()))
        }),
        OperatorCommand::Call { id, place } => (Request::Call { id }, place, |answer| {
            Ok(table::call(&read::<CallWithPeople>(answer)?, clock::unix_ms()))
        }),
        OperatorCommand::Streams { id, user, place } => {
            let user_id = user.map(|user| user.to_string());
            (Request::Streams { id, user_id }, place, |answer| {
                Ok(table::streams(&read::<Streams>(answer)?))
            })
        }
        OperatorCommand::Remove { user, call, place } => {
            let user_id = user.to_string();
            (Request::Remove { user_id, call }, place, |answer| {
                Ok(table::removed(read::<Removed>(answer)?))
            })
        }
        OperatorCommand::Block { server, place } => {
            let homeserver = server.to_string();
            (Request::Block { homeserver }, place, |answer| {
                Ok(table::blocked(&read::<Blocked>(answer)?))
            })
        }
        OperatorCommand::Unblock { server, place } => {
            let homeserver = server.to_string();
            (Request::Unblock { homeserver }, place, |answer| {
                Ok(table::unblocked(&read::<Unblocked>(answer)?))
            })
        }
        OperatorCommand::Blocked(place) => (Request::Blocked {}, place, |answer| {
            Ok(table::all_blocked(
                &read::<BlockedHomeservers>(answer)?,
                clock::unix_ms(),
            ))
        }),
        OperatorCommand::Drain { place, .. } => (Request::Drain {}, place, |answer| {
            Ok(table::draining(&read::<Draining>(answer)?))
        }),
        OperatorCommand::Undrain(place) => (Request::Undrain {}, place, |answer| {
            Ok(table::draining(&read::<Draining>(answer)?))
        }),
    };
    let path = match place.socket {
        Some(path) => path,
        None => operator_socket(place.config.as_deref())?,
    };
    while waits && is_anybody_there(&path) {
        std::thread::sleep(WAIT_INTERVAL);
    }
    let stream = match UnixStream::connect(&path) {
        Ok(stream) => stream,
        Err(error) => {
            eprintln!("hanse: {}", no_server(&path, &error));
            return Ok(ExitCode::from(NO_SERVER));
        }
    };
    let reply = match ask(stream, &request) {
        Ok(reply) => reply,
        Err(error) => {
            eprintln!(
                "hanse: the server at {} did not answer: {error:#}",
                path.display()
            );
            return Ok(ExitCode::from(NO_SERVER));
        }
    };
    match reply {
        Reply::Answer(answer) => {
            let text = if place.json {
                format!("{answer:#}\n")
            } else {
                show(answer)?
            };
            // Whoever reads may have read enough.
            let _ = std::io::stdout().write_all(text.as_bytes());
            Ok(ExitCode::SUCCESS)
        }
        Reply::Refused(sentence) => {
            eprintln!("hanse: {}", table::printable(&sentence));
            Ok(ExitCode::FAILURE)
        }
    }
}

/// Drains, and says whether somebody is still in a call. A server that does not answer has nobody.
fn is_anybody_there(path: &Path) -> bool {
    let asked = UnixStream::connect(path)
        .map_err(anyhow::Error::from)
        .and_then(|stream| ask(stream, &Request::Drain {}));
    match asked {
        Ok(Reply::Answer(answer)) => read::<Draining>(answer).is_ok_and(|draining| draining.people > 0),
        Ok(Reply::Refused(_)) | Err(_) => false,
    }
}

/// Why the running server does not say how it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotAsked {
    /// Nobody listens there.
    Away,
    /// Only root and the server's own user may ask.
    NotAllowed,
    /// Somebody listens, and does not answer, or otherwise.
    Mute,
}

/// Asks the running server how it is, for at most so long.
///
/// # Errors
///
/// See [`NotAsked`].
pub fn ask_health(path: &Path, patience: Duration) -> Result<Health, NotAsked> {
    let stream = UnixStream::connect(path).map_err(|error| match error.kind() {
        ErrorKind::PermissionDenied => NotAsked::NotAllowed,
        _ => NotAsked::Away,
    })?;
    match ask_within(stream, &Request::Health {}, patience) {
        Ok(Reply::Answer(answer)) => serde_json::from_value(answer).map_err(|_| NotAsked::Mute),
        _ => Err(NotAsked::Mute),
    }
}

fn ask(stream: UnixStream, request: &Request) -> Result<Reply> {
    ask_within(stream, request, SILENCE_MAX)
}

fn ask_within(mut stream: UnixStream, request: &Request, patience: Duration) -> Result<Reply> {
    stream.set_read_timeout(Some(patience))?;
    stream.set_write_timeout(Some(patience))?;
    let mut line = serde_json::to_vec(request)?;
    line.push(b'\n');
    stream.write_all(&line)?;
    let mut answer = Vec::new();
    stream.take(ANSWER_BYTES_MAX).read_to_end(&mut answer)?;
    serde_json::from_slice(&answer).context("its answer is incomplete")
}

fn read<T: DeserializeOwned>(answer: Value) -> Result<T> {
    serde_json::from_value(answer).context("the server answers in another way; is it of the same version?")
}

fn no_server(path: &Path, error: &std::io::Error) -> String {
    let name = path.display();
    match error.kind() {
        ErrorKind::NotFound | ErrorKind::ConnectionRefused => format!(
            "no server answers at {name}: it does not run, or has its socket elsewhere. Name its configuration with \
             --config, or its socket with --socket"
        ),
        ErrorKind::PermissionDenied => {
            format!("you may not open {name}: only root and the user that the server runs as may")
        }
        _ => format!("the server cannot be asked at {name}: {error}"),
    }
}
