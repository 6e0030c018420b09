//! The vocabulary of calls on Matrix (MatrixRTC, MSC4143, and its LiveKit transport, MSC4195).
//!
//! In: texts and JSON that strangers wrote. Out: checked ids ([`ServerName`], [`UserId`], [`RoomId`]), the bodies that a
//! client and a focus exchange ([`SfuGet`], [`GetToken`], [`Granted`]), the names that all sides derive from them alike
//! ([`names`]), and what holds in a room as its state says ([`RoomFacts`]: who is in it, who may what, its rules for calls).
//!
//! It never opens a socket, reads a clock, holds a key of a call, or names a type of another Matrix library. What
//! identifies a person, a room or a server does not show in any `Debug` form.
//!
//! Where to look next: [`names`] for what clients and focus must agree on to the letter, [`call_policy`] for the rules that a
//! room may write down, [`room_facts`] for how the state of a room is put together.

mod body;
pub mod call_member;
pub mod call_policy;
mod event;
mod guest;
mod id;
pub mod names;
pub mod power;
pub mod room_facts;
mod server_name;

pub use body::{BodyError, GetToken, Granted, Member, OpenIdToken, SfuGet, SignedAsk, read};
pub use call_member::{CallMember, CallMemberKey, CallMembership};
pub use call_policy::{Access, CallPolicy, HomeserverRule, Without};
pub use event::{EVENT_NAME_BYTES_MAX, Event};
pub use guest::{GUEST_PREFIX, is_guest};
pub use id::{IdError, RoomId, RoomIdError, UserId};
pub use power::{Creation, LEVEL_MAX, Power, PowerLevels};
pub use room_facts::{Membership, NoFacts, RoomFacts, TooLarge};
pub use server_name::{Host, SERVER_NAME_BYTES_MAX, ServerName, ServerNameError};
