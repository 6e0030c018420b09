//! `--with other.example`: the checks that concern another organisation, in their order. A stranger sees the first ones; the last one
//! needs an account there.

use super::accounts::{self, Device, Refused};
use super::call::{self, Outcome, Scratch};
use super::certificate::{self, Place};
use super::chain::Chain;
use super::sentence::Check;
use super::{name, routes, with_call, with_outside, with_place, with_token};
use anyhow::Result;
use hanse_bridge::ServerName;
use std::time::Instant;

/// What is below the place, in its order.
static BELOW: [&Check; 5] = [
    &with_outside::NAME,
    &with_outside::CERTIFICATE,
    &with_outside::ROUTES,
    &with_token::CHECK,
    &with_call::CHECK,
];

/// To whom, and with what.
struct Way<'a> {
    other: &'a ServerName,
    service_url: &'a str,
    /// The account there.
    there: Option<&'a Result<Device, Refused>>,
    /// `None`: no call is wanted.
    scratch: Option<&'a Scratch>,
    hindrance: Option<&'static Check>,
}

impl Chain<'_> {
    /// Walks to another organisation. `hindrance`: what is broken here and stands in the way of whoever is to go there.
    ///
    /// # Errors
    ///
    /// A sentence: this machine has no room for a few files.
    pub(super) async fn with(
        &self,
        other: &ServerName,
        scratch: Option<&Scratch>,
        hindrance: Option<&'static Check>,
    ) -> Result<()> {
        let began = Instant::now();
        let proof = self.bridge.prove(other.as_str(), "doctor").await;
        let said = with_place::judge_federation(&proof, other);
        if !self.book.note(&with_place::FEDERATION, &said, began) {
            self.book.waits(&[&with_place::PLACE], &with_place::FEDERATION);
            self.book.waits(&BELOW, &with_place::FEDERATION);
            return Ok(());
        }
        let began = Instant::now();
        let well_known = with_place::probe(&self.client, other).await;
        let account = self
            .account
            .as_ref()
            .filter(|account| account.user.server_name() == other);
        let there = match account {
            Some(account) => {
                let named = account.homeserver_url.clone();
                let url = named.or_else(|| with_place::homeserver_url(&well_known));
                let url = url.unwrap_or_else(|| format!("https://{other}"));
                Some(accounts::given(&self.client, &url, account).await)
            }
            None => None,
        };
        let own = match &there {
            Some(Ok(device)) => Some(device.transports(&self.client).await),
            _ => None,
        };
        let (said, service_url) = with_place::judge(other, &well_known, own.as_ref());
        self.book.note(&with_place::PLACE, &said, began);
        let walked = match &service_url {
            Some(url) => {
                self.with_focus(&Way {
                    other,
                    service_url: url,
                    there: there.as_ref(),
                    scratch,
                    hindrance,
                })
                .await
            }
            None => {
                self.book.waits(&BELOW, &with_place::PLACE);
                Ok(())
            }
        };
        if let Some(Ok(device)) = there {
            device.sign_out(&self.client).await;
        }
        walked
    }

    async fn with_focus(&self, way: &Way<'_>) -> Result<()> {
        let Way {
            other,
            service_url,
            there,
            scratch,
            hindrance,
        } = *way;
        if let Err(number) = self.with_outside(service_url).await {
            if let Some((broken, waiting)) = BELOW.get(number..).and_then(<[_]>::split_first) {
                self.book.waits(waiting, broken);
            }
            return Ok(());
        }
        if let Some(check) = hindrance {
            self.book.waits(&[&with_token::CHECK, &with_call::CHECK], check);
            return Ok(());
        }
        let began = Instant::now();
        let home = self.registration.server_name();
        let device = self.own(super::chain::USERS[1]).await;
        let asked = match &device {
            Ok(device) => with_token::probe(&self.client, service_url, device, home).await,
            Err(refused) => Err(refused.clone()),
        };
        let is_admitted = self
            .book
            .note(&with_token::CHECK, &with_token::judge(other, home, &asked), began);
        let Ok(device) = device else {
            self.book.waits(&[&with_call::CHECK], &with_token::CHECK);
            return Ok(());
        };
        let began = Instant::now();
        match (is_admitted, scratch) {
            (false, _) => self.book.waits(&[&with_call::CHECK], &with_token::CHECK),
            (true, None) => {
                self.book.note(&with_call::CHECK, &call::not_wanted(), began);
            }
            (true, Some(scratch)) => {
                let outcome = match there {
                    None => None,
                    Some(Err(refused)) => Some(Outcome::NoUsers(refused.clone())),
                    Some(Ok(guest)) => {
                        let (name, devices) = (format!("with {other}"), [&device, guest]);
                        Some(self.hold(scratch, &name, devices, None, ["any", "any"]).await?)
                    }
                };
                let said = match outcome {
                    None => with_call::no_account(other),
                    Some(outcome) => with_call::judge(other, &outcome),
                };
                self.book.note(&with_call::CHECK, &said, began);
            }
        }
        device.sign_out(&self.client).await;
        Ok(())
    }

    /// What strangers see of that focus; else the number of what is broken, in [`BELOW`].
    async fn with_outside(&self, service_url: &str) -> Result<(), usize> {
        let began = Instant::now();
        let place = Place::of(service_url).ok_or(0_usize)?;
        let looked_up = name::look_up(&place.host).await;
        let said = with_outside::judge_name(&name::judge(&[looked_up]));
        if !self.book.note(&with_outside::NAME, &said, began) {
            return Err(0);
        }
        let began = Instant::now();
        let found = certificate::look_at(&place, &self.tls, super::chain::unix_s()).await;
        let said = with_outside::judge_certificate(&certificate::judge(&[(place, found)]));
        if !self.book.note(&with_outside::CERTIFICATE, &said, began) {
            return Err(1);
        }
        let began = Instant::now();
        let facts = routes::probe_for_strangers(&self.client, service_url).await;
        let said = with_outside::judge_routes(&routes::judge(&facts));
        if !self.book.note(&with_outside::ROUTES, &said, began) {
            return Err(2);
        }
        Ok(())
    }
}
