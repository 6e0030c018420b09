//! The side that answers: one request at a time, in the order in which they come, so that two administrators cannot
//! overtake each other. Whoever is next waits.

use super::{
    Blocked, BlockedHomeservers, BlockedSince, Draining, Health, REQUEST_BYTES_MAX, Reply, Request,
    Unblocked, streams,
};
use anyhow::{Context, Result, bail};
use hanse_focus::store::Store;
use hanse_focus::{Focus, ServerName, UserId};
use hanse_runtime::{Redacted, clock};
use hanse_sfu::SfuHandle;
use serde::Serialize;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixSocket, UnixStream};
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

/// How long a request may take to arrive. Others wait meanwhile.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(2);

/// How long an answer may take to be fetched. Others wait meanwhile.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// Connections that the system holds back for us. One more is refused.
const BACKLOG: u32 = 16;

/// How often the list of blocked homeservers is read: another process on the same database may have changed it.
const BLOCKED_INTERVAL: Duration = Duration::from_secs(10);

/// After a failed `accept` (no descriptors left), so that the loop does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A socket for administrators that listens. Its file goes with it.
pub struct OperatorSocket {
    listener: UnixListener,
    path: PathBuf,
}

impl OperatorSocket {
    /// Listens at a path. What an earlier process has left there is replaced.
    ///
    /// # Errors
    ///
    /// A sentence: somebody answers there, something else is there, or it cannot be made.
    pub async fn open(path: &Path) -> Result<Self> {
        let name = path.display();
        let cannot = || format!("the socket {name} cannot be made");
        match fs::symlink_metadata(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error).with_context(cannot),
            Ok(there) if !there.file_type().is_socket() => {
                bail!("{name} is there and is no socket; name another path, or take it away")
            }
            Ok(_) => match UnixStream::connect(path).await {
                // Nobody listens any more.
                Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
                    fs::remove_file(path).with_context(cannot)?;
                }
                Err(error) if error.kind() == ErrorKind::PermissionDenied => {
                    return Err(error).with_context(cannot);
                }
                // Also one that has no time at the moment.
                _ => bail!(
                    "another hanse answers administrators at {name}: stop that one, or give this one a path of its own"
                ),
            },
        }
        let listen = || {
            let socket = UnixSocket::new_stream()?;
            socket.bind(path)?;
            // Until it listens nobody can connect, so nobody else ever could.
            fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
            socket.listen(BACKLOG)
        };
        let listener = listen().with_context(cannot)?;
        Ok(OperatorSocket {
            listener,
            path: path.to_owned(),
        })
    }
}

impl Drop for OperatorSocket {
    fn drop(&mut self) {
        // It may have been taken away already.
        let _ = fs::remove_file(&self.path);
    }
}

/// Does what administrators ask for.
pub struct Operator {
    /// Whose calls.
    pub focus: Arc<Focus>,
    /// Who knows which homeservers are blocked.
    pub store: Store,
    /// The SFU, if its calls are in this process.
    pub sfu: Option<SfuHandle>,
    /// Where the server's data is.
    pub data_folder: PathBuf,
}

impl Operator {
    /// Answers until it is dropped.
    pub async fn serve(self, socket: OperatorSocket) {
        let mut round = interval(BLOCKED_INTERVAL);
        round.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                connection = socket.listener.accept() => match connection {
                    Ok((stream, _)) => self.answer(stream).await,
                    Err(error) => {
                        tracing::warn!(%error, "an administrator's connection could not be accepted");
                        sleep(ACCEPT_PAUSE).await;
                    }
                },
                _ = round.tick() => {
                    if let Err(refused) = self.enforce_blocked().await {
                        tracing::warn!("which homeservers are blocked is not known anew: {refused}");
                    }
                }
            }
        }
    }

    async fn answer(&self, mut stream: UnixStream) {
        let reply = match timeout(REQUEST_TIMEOUT, request(&mut stream)).await {
            Ok(Ok(request)) => self
                .carry_out(request)
                .await
                .map_or_else(Reply::Refused, Reply::Answer),
            Ok(Err(refused)) => Reply::Refused(refused.to_owned()),
            Err(_) => Reply::Refused("the request did not come in time".to_owned()),
        };
        // Texts, numbers and lists of them, which JSON can always say.
        let mut line = serde_json::to_vec(&reply).unwrap_or_default();
        line.push(b'\n');
        if !matches!(timeout(ANSWER_TIMEOUT, stream.write_all(&line)).await, Ok(Ok(()))) {
            tracing::debug!("an administrator did not fetch the answer");
        }
    }

    async fn carry_out(&self, request: Request) -> Result<serde_json::Value, String> {
        match request {
            Request::Calls {} => json(&self.focus.calls()),
            Request::Call { id } => json(&self.focus.call(&id).map_err(sentence)?),
            Request::Streams { id, user_id } => {
                let call = self.focus.call(&id).map_err(sentence)?;
                let sfu = self
                    .sfu
                    .as_ref()
                    .ok_or("the SFU of this focus is another process, and only knows itself")?;
                json(&streams::ask(sfu, &call, user_id.as_deref()).await?)
            }
            Request::Remove { user_id, call } => {
                let user: UserId = user_id
                    .parse()
                    .map_err(|error| format!("this is no user id: {error}"))?;
                let removed = self
                    .focus
                    .remove(&user, call.as_deref())
                    .await
                    .map_err(sentence)?;
                tracing::info!(
                    user = %Redacted(user.as_str()),
                    seats = removed.seats,
                    "an administrator has removed somebody from calls"
                );
                json(&removed)
            }
            Request::Block { homeserver } => {
                let server = server_name(&homeserver)?;
                let is_new = self
                    .store
                    .block(&server, clock::unix_ms())
                    .await
                    .map_err(sentence)?;
                let seats = self.focus.seats_of_homeserver(&server);
                self.enforce_blocked().await?;
                tracing::info!(
                    homeserver = %Redacted(server.as_str()),
                    seats,
                    "an administrator has blocked a homeserver"
                );
                json(&Blocked {
                    homeserver: server.to_string(),
                    was_blocked: !is_new,
                    seats,
                })
            }
            Request::Unblock { homeserver } => {
                let server = server_name(&homeserver)?;
                let was_blocked = self.store.unblock(&server).await.map_err(sentence)?;
                self.enforce_blocked().await?;
                tracing::info!(
                    homeserver = %Redacted(server.as_str()),
                    "an administrator has unblocked a homeserver"
                );
                json(&Unblocked {
                    was_blocked,
                    is_denied: self.focus.policy().rules.denied.contains(&server),
                    homeserver: server.to_string(),
                })
            }
            Request::Health {} => json(&Health::now(&self.data_folder)),
            Request::Blocked {} => {
                let blocked = self.store.blocked().await.map_err(sentence)?;
                let homeservers = blocked.into_iter().map(|blocked| BlockedSince {
                    homeserver: blocked.server.to_string(),
                    blocked_unix_ms: blocked.blocked_at_ms,
                });
                json(&BlockedHomeservers {
                    homeservers: homeservers.collect(),
                })
            }
            Request::Drain {} => self.drain(true).await,
            Request::Undrain {} => self.drain(false).await,
        }
    }

    async fn drain(&self, is_draining: bool) -> Result<serde_json::Value, String> {
        let sfu = self.sfu.as_ref().ok_or(
            "the SFU of this focus is another process: drain that one, and no calls begin here either",
        )?;
        if *sfu.draining().borrow() != is_draining {
            let what = if is_draining {
                "begin no more"
            } else {
                "begin again"
            };
            tracing::info!("an administrator has said that new calls {what}");
        }
        sfu.drain(is_draining).await;
        json(&Draining {
            is_draining,
            calls: self.focus.calls().calls.len(),
            people: sfu.people().await,
        })
    }

    /// Puts into force what the store says.
    async fn enforce_blocked(&self) -> Result<(), String> {
        let blocked = self.store.blocked().await.map_err(sentence)?;
        self.focus
            .set_blocked(blocked.into_iter().map(|blocked| blocked.server).collect());
        Ok(())
    }
}

/// Reads one line.
async fn request(stream: &mut UnixStream) -> Result<Request, &'static str> {
    let mut line = Vec::new();
    let mut bounded = BufReader::new(stream.take(REQUEST_BYTES_MAX));
    bounded
        .read_until(b'\n', &mut line)
        .await
        .map_err(|_| "the request broke off")?;
    if line.pop() != Some(b'\n') {
        return Err("a request is one line of JSON of at most 4096 bytes");
    }
    serde_json::from_slice(&line).map_err(
        |_| "this server does not know such a request; is \"hanse\" of the same version as the server?",
    )
}

fn server_name(text: &str) -> Result<ServerName, String> {
    text.parse()
        .map_err(|error| format!("this is no name of a homeserver: {error}"))
}

fn sentence(error: impl std::fmt::Display) -> String {
    error.to_string()
}

fn json(answer: &impl Serialize) -> Result<serde_json::Value, String> {
    serde_json::to_value(answer).map_err(sentence)
}
