//! A bot on Matrix that schedules meetings across organisations.
//!
//! In: what people write to it, how they react, what programs ask, and the time. Out: rooms that belong to nobody's device, invitations
//! across homeservers, calendar files, reminders, and at the end rooms that are closed and deleted.
//!
//! It is in no room of a meeting and holds no key of a call. It never reads what is said in a meeting: the room belongs to Hanse's user,
//! who has no device.
//!
//! Where to look next: [`speech`] for what people can say, [`desk`] for what is decided, [`work`] for what is done, [`rooms`] for what a
//! meeting's room is, [`calendar`] for what calendars are given, [`bot`] for how it lives on Matrix.

// The futures of the Matrix SDK are deep.
#![recursion_limit = "256"]

pub mod bot;
pub mod calendar;
pub mod config;
pub mod desk;
pub mod meeting;
pub mod repeat;
pub mod rooms;
pub mod serve;
pub mod speech;
pub mod store;
mod trust;
pub mod work;
