//! One question to one host: connect, TLS, one request, one answer, close. Nothing here looks a name up.

use super::address::PermittedAddress;
use super::gate::{Gate, HostPass};
use super::limits::{HEAD_BYTES_MAX, NEXT_ADDRESS_DELAY, Timeouts};
use super::{Certificate, DialError};
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use http::{Request, Response, header};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use std::pin::pin;
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types;
use tokio_rustls::rustls::{self, CertificateError};

/// A host, with everything looked up and checked.
pub(super) struct Destination {
    /// In the order in which they are tried; at least one.
    pub(super) addresses: Vec<PermittedAddress>,
    /// The name, or address, that its certificate must be for.
    pub(super) certificate_name: pki_types::ServerName<'static>,
    /// The `Host` header.
    pub(super) host_header: String,
}

/// What to ask.
#[derive(Clone, Copy)]
pub(super) enum Question<'a> {
    /// `GET` this path and query.
    Get(&'a str),
    /// `POST` an empty object to this path.
    Post(&'a str),
}

impl Question<'_> {
    fn request(self, host: &str) -> Result<Request<Full<Bytes>>, DialError> {
        let (request, body) = match self {
            Question::Get(path_and_query) => (Request::get(path_and_query), Bytes::new()),
            Question::Post(path) => {
                let request = Request::post(path).header(header::CONTENT_TYPE, "application/json");
                (request, Bytes::from_static(b"{}"))
            }
        };
        request
            .header(header::HOST, host)
            .header(header::ACCEPT, "application/json")
            .header(header::USER_AGENT, "Hanse")
            .header(header::CONNECTION, "close")
            .body(Full::new(body))
            .map_err(|_| DialError::Request)
    }
}

/// Asks, and reads at most `body_bytes_max` of the answer. Its time limit is the caller's; dropped, it closes the connection.
pub(super) async fn ask(
    destination: &Destination,
    question: Question<'_>,
    body_bytes_max: usize,
    tls: &TlsConnector,
    gate: &Gate,
    timeouts: &Timeouts,
) -> Result<Response<Bytes>, DialError> {
    let request = question.request(&destination.host_header)?;
    let (stream, _pass) = connect(&destination.addresses, gate, timeouts).await?;
    let stream = tls
        .connect(destination.certificate_name.clone(), stream)
        .await
        .map_err(|error| tls_error(&error))?;
    let (mut sender, connection) = http1::Builder::new()
        .max_buf_size(HEAD_BYTES_MAX)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(|_| DialError::Http)?;
    let mut answer = pin!(async {
        let (head, body) = sender
            .send_request(request)
            .await
            .map_err(|_| DialError::Http)?
            .into_parts();
        match Limited::new(body, body_bytes_max).collect().await {
            Ok(body) => Ok(Response::from_parts(head, body.to_bytes())),
            Err(error) if error.is::<LengthLimitError>() => Err(DialError::TooLong),
            Err(_) => Err(DialError::Http),
        }
    });
    // The connection is driven here rather than by a task, so that nothing of it outlives the question.
    tokio::select! {
        biased;
        answer = &mut answer => answer,
        _closed = connection => answer.await,
    }
}

/// The first connection that stands. The next address is tried as soon as one has failed, and does not wait long for one
/// that says nothing (RFC 8305, section 5).
async fn connect<'a>(
    addresses: &[PermittedAddress],
    gate: &'a Gate,
    timeouts: &Timeouts,
) -> Result<(TcpStream, HostPass<'a>), DialError> {
    let attempt = async |address: &PermittedAddress| {
        let address = address.socket_address();
        let pass = gate.enter(address.ip()).await?;
        match timeout(timeouts.connect, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => Ok((stream, pass)),
            Ok(Err(error)) => Err(DialError::Unreachable(error.kind())),
            Err(_) => Err(DialError::TimedOut),
        }
    };
    let mut waiting = addresses.iter().peekable();
    let mut attempts = FuturesUnordered::new();
    let mut outcome = Err(DialError::NoAddress);
    loop {
        attempts.extend(waiting.next().map(attempt));
        tokio::select! {
            done = attempts.next() => match done {
                Some(Ok(connected)) => return Ok(connected),
                Some(Err(error)) => outcome = Err(error),
                None => return outcome,
            },
            () = sleep(NEXT_ADDRESS_DELAY), if waiting.peek().is_some() => {}
        }
    }
}

/// The words of the TLS library name the server, so only the kind goes on.
fn tls_error(error: &std::io::Error) -> DialError {
    let cause = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<rustls::Error>());
    let Some(rustls::Error::InvalidCertificate(problem)) = cause else {
        return DialError::Tls;
    };
    DialError::Certificate(match problem {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => Certificate::Expired,
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            Certificate::OtherName
        }
        CertificateError::UnknownIssuer => Certificate::UnknownIssuer,
        _ => Certificate::Invalid,
    })
}
