//! LiveKit's signalling socket: protobuf in WebSocket messages.

use anyhow::{Context, Result, bail};
use futures_util::{SinkExt, StreamExt};
use livekit_protocol::signal_request::Message as Ask;
use livekit_protocol::signal_response::Message as Answer;
use livekit_protocol::{SignalRequest, SignalResponse};
use prost::Message as _;
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{Connector, MaybeTlsStream, WebSocketStream, connect_async_tls_with_config};

/// As a client of LiveKit says what it understands. Version 16 is what livekit-client says.
const WHAT_WE_ARE: &str = "adaptive_stream=0&protocol=16&sdk=rust&version=0.7.0";

/// Bytes of a message. With a longer one the connection ends: an offer with hundreds of tracks is some hundreds of kilobytes.
const MESSAGE_BYTES_MAX: usize = 8 * 1024 * 1024;

/// The open socket.
pub struct Socket(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Socket {
    /// Opens it at the URL that a focus has named. `receives`: whether what others publish is to come.
    ///
    /// # Errors
    /// With the server's own words when it refuses.
    pub async fn open(
        url: &str,
        jwt: &str,
        receives: bool,
        tls: Arc<rustls::ClientConfig>,
    ) -> Result<Socket> {
        let address = format!(
            "{}/rtc?access_token={jwt}&auto_subscribe={}&{WHAT_WE_ARE}",
            url.trim_end_matches('/'),
            u8::from(receives)
        );
        let connector = Some(Connector::Rustls(tls));
        let limits = WebSocketConfig::default()
            .max_message_size(Some(MESSAGE_BYTES_MAX))
            .max_frame_size(Some(MESSAGE_BYTES_MAX));
        match connect_async_tls_with_config(address, Some(limits), true, connector).await {
            Ok((socket, _)) => Ok(Socket(socket)),
            Err(Error::Http(answer)) => {
                let words = answer
                    .body()
                    .as_deref()
                    .map(String::from_utf8_lossy)
                    .unwrap_or_default();
                bail!(
                    "the SFU refuses with status {}: {words}",
                    answer.status().as_u16()
                )
            }
            // The address holds a token.
            Err(error) => bail!("the SFU's WebSocket cannot be opened: {error}"),
        }
    }

    /// Sends a request.
    pub async fn send(&mut self, ask: Ask) -> Result<()> {
        let request = SignalRequest { message: Some(ask) };
        let message = Message::binary(request.encode_to_vec());
        self.0
            .send(message)
            .await
            .context("the SFU's WebSocket has closed")
    }

    /// The next message that means something. `None`: the server has closed the socket.
    pub async fn next(&mut self) -> Result<Option<Answer>> {
        while let Some(message) = self.0.next().await {
            if let Message::Binary(bytes) = message.context("the SFU's WebSocket has broken")? {
                let response = SignalResponse::decode(bytes).context("a message of the SFU is none")?;
                if response.message.is_some() {
                    return Ok(response.message);
                }
            }
        }
        Ok(None)
    }
}
