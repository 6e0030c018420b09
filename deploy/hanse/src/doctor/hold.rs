//! A WebSocket that stays open: does a proxy between cut what goes on for longer than a question and its answer?

use super::certificate::Place;
use super::sentence::{Check, Said, Sentence, green, grey, red};
use futures_util::{SinkExt, StreamExt};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{Instant, interval, sleep_until, timeout};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

/// How long opening may take.
const OPEN_TIMEOUT: Duration = Duration::from_secs(5);

/// What the SFU tells clients about how often they ping.
const PING_INTERVAL: Duration = Duration::from_secs(5);

/// As a client says it; any time will do.
const PING: &str = r#"{"ping":"1"}"#;

/// So that the room is gone at once.
const LEAVE: &str = r#"{"leave":{"reason":"CLIENT_INITIATED"}}"#;

static GOOD: Sentence = green(
    "hold-good",
    "a WebSocket stays open for {0} s",
    "ein WebSocket bleibt {0} s lang offen",
);
static CUT: Sentence = red(
    "hold-cut",
    "something before the SFU at {0} cuts a WebSocket after {1} s: raise its time limits for `/rtc` (nginx: `proxy_read_timeout 1h` and \
     `proxy_send_timeout 1h`; HAProxy: `timeout tunnel 1h`; Traefik: `respondingTimeouts.readTimeout = 0` of the entry point)",
    "etwas vor dem SFU bei {0} trennt einen WebSocket nach {1} s: erhöhen Sie dort die Zeitgrenzen für `/rtc` (nginx: `proxy_read_timeout 1h` \
     und `proxy_send_timeout 1h`; HAProxy: `timeout tunnel 1h`; Traefik: `respondingTimeouts.readTimeout = 0` des Entrypoints)",
    "People's calls stutter each time, or end. The doctor pings every 5 s as clients do, so a limit for silence that is longer than that does not cut.",
);
static CLOSED: Sentence = red(
    "hold-closed",
    "the SFU at {0} itself closes a WebSocket after {1} s: look into its log",
    "der SFU bei {0} schließt selbst einen WebSocket nach {1} s: sehen Sie in sein Log",
    "A server that is stopped or restarted does so.",
);
static NOT_OPENED: Sentence = red(
    "hold-not-opened",
    "the SFU at {0} takes the key, and yet no WebSocket opens: have the proxy pass answers with status 101 on, and what follows them",
    "der SFU bei {0} nimmt den Schlüssel, und doch öffnet sich kein WebSocket: lassen Sie den Proxy Antworten mit Status 101 weitergeben und \
     alles, was ihnen folgt",
    "",
);
static NOT_WANTED: Sentence = grey(
    "hold-not-wanted",
    "not waited for: `--hold 40` keeps a WebSocket open for 40 s and sees whether a proxy cuts it",
    "nicht abgewartet: `--hold 40` hält einen WebSocket 40 s lang offen und sieht, ob ein Proxy ihn trennt",
);

/// See the module's page.
pub static CHECK: Check = Check {
    id: "hold",
    en: "long WebSocket",
    de: "langer WebSocket",
    about: "With `--hold SECONDS` opens a WebSocket through the proxy, in a room of the doctor's own, pings every 5 s as clients do, and waits whether it is \
            cut before the time is over.",
    sentences: &[&GOOD, &CUT, &CLOSED, &NOT_OPENED, &NOT_WANTED],
};

/// What became of it, and after how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Held {
    /// It stayed open for the whole time.
    Whole(Duration),
    /// It ended without a word.
    Cut(Duration),
    /// The SFU said that it ends.
    Closed(Duration),
    /// There was none.
    NotOpened,
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// Opens one, and keeps it open for so long.
pub async fn hold(tls: &Arc<ClientConfig>, sfu_url: &str, token: &str, whole: Duration) -> Held {
    match timeout(OPEN_TIMEOUT, open(tls, sfu_url, token)).await {
        Ok(Some(socket)) => wait(socket, whole).await,
        _ => Held::NotOpened,
    }
}

async fn open(
    tls: &Arc<ClientConfig>,
    sfu_url: &str,
    token: &str,
) -> Option<WebSocketStream<Box<dyn Stream>>> {
    let place = Place::of(sfu_url)?;
    let tcp = TcpStream::connect((place.bare(), place.port)).await.ok()?;
    let stream: Box<dyn Stream> = if place.is_tls {
        let name = ServerName::try_from(place.bare().to_owned()).ok()?;
        Box::new(
            TlsConnector::from(Arc::clone(tls))
                .connect(name, tcp)
                .await
                .ok()?,
        )
    } else {
        Box::new(tcp)
    };
    let url = format!("{sfu_url}/rtc?access_token={token}&auto_subscribe=0&protocol=16&sdk=js");
    let (socket, _) = tokio_tungstenite::client_async(url, stream).await.ok()?;
    Some(socket)
}

async fn wait(mut socket: WebSocketStream<Box<dyn Stream>>, whole: Duration) -> Held {
    let began = Instant::now();
    let mut pings = interval(PING_INTERVAL);
    loop {
        tokio::select! {
            message = socket.next() => match message {
                Some(Ok(Message::Close(_))) => return Held::Closed(began.elapsed()),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Held::Cut(began.elapsed()),
            },
            _ = pings.tick() => if socket.send(Message::text(PING)).await.is_err() {
                return Held::Cut(began.elapsed());
            },
            () = sleep_until(began + whole) => break,
        }
    }
    // Who does not hear that we leave finds out.
    let _left = socket.send(Message::text(LEAVE)).await;
    let _closed = socket.close(None).await;
    Held::Whole(whole)
}

/// That the administrator does not wait.
pub fn not_wanted() -> Said {
    NOT_WANTED.plain()
}

/// What to say of it.
pub fn judge(held: Held, sfu_url: &str) -> Said {
    match held {
        Held::Whole(time) => GOOD.with([time.as_secs().into()]),
        Held::Cut(after) => CUT.with([sfu_url.into(), after.as_secs().into()]),
        Held::Closed(after) => CLOSED.with([sfu_url.into(), after.as_secs().into()]),
        Held::NotOpened => NOT_OPENED.with([sfu_url.into()]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_that_cuts_is_told_from_a_server_that_closes() {
        let after = Duration::from_millis(30_400);
        for (held, id) in [
            (Held::Whole(after), "hold-good"),
            (Held::Cut(after), "hold-cut"),
            (Held::Closed(after), "hold-closed"),
        ] {
            let said = judge(held, "wss://a.example");
            assert_eq!(said.sentence.id, id);
            assert!(said.en().contains("30 s"), "{}", said.en());
        }
        assert_eq!(
            judge(Held::NotOpened, "wss://a.example").sentence.id,
            "hold-not-opened"
        );
    }
}
