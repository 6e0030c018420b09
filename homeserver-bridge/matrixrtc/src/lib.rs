//! The vocabulary of calls on Matrix (MatrixRTC, MSC4143, and its LiveKit transport, MSC4195).
//!
//! In: texts and JSON that strangers wrote. Out: checked ids ([`ServerName`], [`UserId`]), the bodies that a client and
//! a focus exchange ([`SfuGet`], [`GetToken`], [`Granted`]), and the names that all sides derive from them alike
//! ([`names`]).
//!
//! It never opens a socket, reads a clock, holds a key of a call, or names a type of another Matrix library. What
//! identifies a person, a room or a server does not show in any `Debug` form.
//!
//! Where to look next: [`names`] for what clients and focus must agree on to the letter.

mod body;
mod id;
pub mod names;
mod server_name;

pub use body::{BodyError, GetToken, Granted, Member, OpenIdToken, SfuGet, read};
pub use id::{IdError, UserId};
pub use server_name::{ServerName, ServerNameError};
