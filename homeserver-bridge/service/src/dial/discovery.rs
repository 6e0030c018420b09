//! From a server name to a host that may be dialled. Matrix server-server API, "Resolving server names"; the numbers in the
//! comments are its steps.

use super::address::PermittedAddress;
use super::client_api::ClientApi;
use super::delegation::{Delegated, lifetime};
use super::exchange::{Destination, Question};
use super::limits::{ADDRESSES_MAX, REDIRECTS_MAX, SERVICES_MAX, WELL_KNOWN_BYTES_MAX};
use super::resolver::{LookupFailed, Service};
use super::{DialError, Dialler};
use futures_util::future::{join, join_all};
use hanse_matrixrtc::{Host, ServerName};
use hanse_runtime::Redacted;
use http::header::LOCATION;
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use std::net::SocketAddr;
use tokio::time::timeout;
use tokio_rustls::rustls::pki_types;
use tracing::debug;

/// The federation port of a server that says nothing else.
const FEDERATION_PORT: u16 = 8448;

/// The port of `https`.
const HTTPS_PORT: u16 = 443;

/// Whom a server delegates its federation API to.
const SERVER_WELL_KNOWN: &str = "/.well-known/matrix/server";

/// Where a server's client-server API is.
const CLIENT_WELL_KNOWN: &str = "/.well-known/matrix/client";

/// The body of the first.
#[derive(Deserialize)]
struct ServerWellKnown {
    #[serde(rename = "m.server")]
    server: String,
}

/// The body of the second, as far as it matters.
#[derive(Deserialize)]
struct ClientWellKnown {
    #[serde(rename = "m.homeserver")]
    homeserver: ClientWellKnownHomeserver,
}

#[derive(Deserialize)]
struct ClientWellKnownHomeserver {
    base_url: String,
}

impl Dialler {
    /// The host that serves the federation API of a name.
    pub(super) async fn discover(&self, name: &ServerName) -> Result<Destination, DialError> {
        let Host::Name(host) = name.host() else {
            return self.at(name, FEDERATION_PORT).await; // 1
        };
        if name.port().is_some() {
            return self.at(name, FEDERATION_PORT).await; // 2
        }
        let delegated = self
            .delegations
            .of(
                &host,
                self.well_known(name, SERVER_WELL_KNOWN, |body| {
                    let found: ServerWellKnown = serde_json::from_slice(body).ok()?;
                    found.server.parse().ok()
                }),
            )
            .await?;
        let name = delegated.as_ref().unwrap_or(name);
        match name.host() {
            // 3.3 to 3.5 for a delegated name, 4 to 6 without delegation
            Host::Name(host) if name.port().is_none() => self.by_services(name, &host).await,
            _ => self.at(name, FEDERATION_PORT).await, // 3.1, 3.2
        }
    }

    /// Where the client-server API of a name is, as its well-known says. Unlike for federation there is no other way to know
    /// (client-server API, "Server discovery"), so without one there is none.
    pub(super) async fn discover_client_api(&self, name: &ServerName) -> Result<ClientApi, DialError> {
        // The well-known is at the host, whatever port the name has.
        let host = match name.host() {
            Host::Name(host) => host,
            Host::Address(_) => return Err(DialError::WellKnown),
        };
        let at: ServerName = host.parse().map_err(|_| DialError::WellKnown)?;
        let found = self.client_apis.of(
            &host,
            self.well_known(&at, CLIENT_WELL_KNOWN, |body| {
                let found: ClientWellKnown = serde_json::from_slice(body).ok()?;
                ClientApi::read(&found.homeserver.base_url)
            }),
        );
        found.await?.ok_or(DialError::WellKnown)
    }

    /// The host of a client-server API.
    pub(super) async fn client_api_host(&self, api: &ClientApi) -> Result<Destination, DialError> {
        self.at(&api.host, HTTPS_PORT).await
    }

    /// The host at the name itself, at the port that it names or else `port`.
    async fn at(&self, name: &ServerName, port: u16) -> Result<Destination, DialError> {
        let port = name.port().unwrap_or(port);
        let addresses = match name.host() {
            Host::Address(address) => vec![SocketAddr::new(address, port)],
            Host::Name(host) => self.addresses(&host, port).await,
        };
        self.destination(name, addresses)
    }

    /// The hosts that the name's SRV records list, or the one at the federation port. A look-up that fails counts as one that
    /// finds nothing: some name servers do not know SRV, and the certificate has the last word anyway.
    async fn by_services(&self, name: &ServerName, host: &str) -> Result<Destination, DialError> {
        let [current, deprecated] =
            ["_matrix-fed._tcp", "_matrix._tcp"].map(|service| format!("{service}.{host}"));
        let (current, deprecated) = join(self.services(&current), self.services(&deprecated)).await;
        let services = if current.is_empty() { deprecated } else { current };
        if services.is_empty() {
            return self.at(name, FEDERATION_PORT).await;
        }
        let addresses = services
            .iter()
            .filter(|service| service.target != ".")
            .map(|service| self.addresses(&service.target, service.port));
        let addresses = join_all(addresses).await.concat();
        self.destination(name, addresses)
    }

    async fn services(&self, name: &str) -> Vec<Service> {
        let found = timeout(self.timeouts.lookup, self.resolver.services(name)).await;
        let mut services = found.unwrap_or(Err(LookupFailed)).unwrap_or_default();
        services.sort_by_key(|service| (service.priority, std::cmp::Reverse(service.weight)));
        services.truncate(SERVICES_MAX);
        services
    }

    async fn addresses(&self, name: &str, port: u16) -> Vec<SocketAddr> {
        let found = timeout(self.timeouts.lookup, self.resolver.addresses(name, port)).await;
        found.unwrap_or(Err(LookupFailed)).unwrap_or_default()
    }

    /// The check that nothing gets around: what is refused here is not dialled.
    fn destination(&self, name: &ServerName, addresses: Vec<SocketAddr>) -> Result<Destination, DialError> {
        if addresses.is_empty() {
            return Err(DialError::NoAddress);
        }
        let permitted: Vec<PermittedAddress> = addresses
            .into_iter()
            .filter_map(|address| self.allowed_networks.permit(address))
            .take(ADDRESSES_MAX)
            .collect();
        if permitted.is_empty() {
            debug!(server = %Redacted(name.as_str()), "refused: it has no public address");
            return Err(DialError::NotPublic);
        }
        Ok(Destination {
            addresses: permitted,
            certificate_name: certificate_name(&name.host())?,
            host_header: name.as_str().to_owned(),
        })
    }

    /// Asks the name for a well-known (3). Every error means that there is none (4).
    async fn well_known<T>(
        &self,
        name: &ServerName,
        path: &str,
        read: impl Fn(&[u8]) -> Option<T>,
    ) -> Result<Delegated<T>, DialError> {
        let found = timeout(self.timeouts.well_known, self.fetch_well_known(name, path, read))
            .await
            .unwrap_or(Err(DialError::TimedOut));
        match &found {
            Ok(_) => debug!(server = %Redacted(name.as_str()), path, "its well-known delegates"),
            Err(error) => debug!(server = %Redacted(name.as_str()), path, %error, "no well-known"),
        }
        found
    }

    async fn fetch_well_known<T>(
        &self,
        name: &ServerName,
        path: &str,
        read: impl Fn(&[u8]) -> Option<T>,
    ) -> Result<Delegated<T>, DialError> {
        let mut place = (name.clone(), path.to_owned());
        for _ in 0..=REDIRECTS_MAX {
            let destination = self.at(&place.0, HTTPS_PORT).await?;
            let answer = self
                .exchange(&destination, Question::Get(&place.1), WELL_KNOWN_BYTES_MAX)
                .await?;
            if answer.status().is_redirection() {
                place = redirected(&place.0, answer.headers()).ok_or(DialError::WellKnown)?;
                continue;
            }
            if answer.status() != StatusCode::OK {
                return Err(DialError::WellKnown);
            }
            return Ok(Delegated {
                to: read(answer.body()).ok_or(DialError::WellKnown)?,
                lifetime: lifetime(answer.headers()),
            });
        }
        Err(DialError::WellKnown)
    }
}

/// Where a redirect points: another `https` place, or another path of the same host. Nothing else is followed.
fn redirected(from: &ServerName, headers: &HeaderMap) -> Option<(ServerName, String)> {
    let location = headers.get(LOCATION)?.to_str().ok()?;
    let location = location.split('#').next()?;
    let (authority, path) = match location.get(..8) {
        Some(scheme) if scheme.eq_ignore_ascii_case("https://") => {
            let rest = location.get(8..)?;
            let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
            (authority.parse::<ServerName>().ok()?, path)
        }
        // `//host/path` is another host in the scheme of this one.
        _ if location.starts_with('/') && !location.starts_with("//") => (from.clone(), location),
        _ => return None,
    };
    let path = if path.starts_with('/') {
        path.to_owned()
    } else {
        format!("/{path}")
    };
    Some((authority, path))
}

fn certificate_name(host: &Host) -> Result<pki_types::ServerName<'static>, DialError> {
    match host {
        Host::Address(address) => Ok(pki_types::ServerName::from(*address)),
        Host::Name(name) => pki_types::ServerName::try_from(name.clone()).map_err(|_| DialError::NoAddress),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn a_redirect_leads_to_https_or_to_another_path_and_nowhere_else() {
        let from = "org-a.example:444".parse::<ServerName>().unwrap();
        let follow = |location: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(LOCATION, HeaderValue::from_str(location).unwrap());
            redirected(&from, &headers).map(|(name, path)| format!("{}{path}", name.as_str()))
        };
        for (location, place) in [
            (
                "https://www.org-a.example/w?a=b#c",
                Some("www.org-a.example/w?a=b"),
            ),
            ("HTTPS://www.org-a.example", Some("www.org-a.example/")),
            ("https://www.org-a.example?a", Some("www.org-a.example/?a")),
            ("https://127.0.0.1:1/", Some("127.0.0.1:1/")),
            ("/other", Some("org-a.example:444/other")),
            ("http://www.org-a.example/", None),
            ("//www.org-a.example/", None),
            ("https://user@www.org-a.example/", None),
            ("https://user:password@www.org-a.example/", None),
            ("https://0x7f.1/", None),
            ("https:///w", None),
            ("file:///etc/passwd", None),
            ("other", None),
            ("", None),
        ] {
            assert_eq!(follow(location).as_deref(), place, "{location}");
        }
        assert!(redirected(&from, &HeaderMap::new()).is_none());
    }
}
