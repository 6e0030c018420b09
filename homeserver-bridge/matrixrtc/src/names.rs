//! Names on the SFU. Clients compute them too and show only participants whose identity is the one they expect, so
//! they must agree to the letter (MSC4195, and the forms that are deployed).
//!
//! A hash here is unpadded standard base64 of SHA-256 over the compact JSON array of the parts. The JSON is that of
//! browsers: only quotation marks, backslashes and controls are escaped.

use crate::UserId;
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::prelude::BASE64_STANDARD_NO_PAD;

/// The slot of a room's one call, which every request of the first generation means.
pub const ROOM_CALL_SLOT: &str = "m.call#ROOM";

/// The SFU room for a slot of a Matrix room.
pub fn sfu_room(room_id: &str, slot_id: &str) -> String {
    hash(&[room_id, slot_id])
}

/// The identity of a member that announced itself by a state event (`/sfu/get`): in clear, because its peers expect it
/// so. `None` where the name would be that of another user: `@a:s` with a device `8448:D` reads like the device `D` of
/// `@a:s:8448`. No homeserver gives such names to devices.
pub fn plain_identity(user: &UserId, device_id: &str) -> Option<String> {
    let reads_as_port = device_id.split_once(':').is_some_and(|(port, _)| {
        (1..=5).contains(&port.len()) && port.bytes().all(|digit| digit.is_ascii_digit())
    });
    (!reads_as_port).then(|| format!("{user}:{device_id}"))
}

/// The identity of a member as `/get_token` names it: the SFU learns no Matrix id from it.
pub fn hashed_identity(user: &UserId, device_id: &str, member_id: &str) -> String {
    hash(&[user.as_str(), device_id, member_id])
}

/// The identity of a member where the homeserver says who asks (MSC4195, September 2026): no device is in it.
pub fn member_identity(user: &UserId, member_id: &str) -> String {
    hash(&[user.as_str(), member_id])
}

fn hash(parts: &[&str]) -> String {
    let json = serde_json::Value::from(parts).to_string();
    BASE64_STANDARD_NO_PAD.encode(digest(&SHA256, json.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(text: &str) -> UserId {
        text.parse().unwrap()
    }

    #[test]
    fn rooms_have_the_names_that_clients_compute() {
        for (room, slot, name) in [
            (
                "!roomid:example.com",
                "slot1234",
                "O8437W3+jmzMVjoIP3tNwbm+XxHQk2iKpOA7aqw3qSc",
            ),
            (
                "!room:example.com",
                ROOM_CALL_SLOT,
                "krj2dgxw2K6EOm9he4GfQJ6JsSVWfJ8a7BkyjZcSmxs",
            ),
        ] {
            assert_eq!(sfu_room(room, slot), name);
        }
    }

    #[test]
    fn identities_are_the_ones_that_clients_compute() {
        assert_eq!(
            hashed_identity(&user("@alice:example.com"), "DEVICE123", "memberABC"),
            "J+T45tGruxc+HrUOqJJlyQSV33m728Cme4+vt8/SWrU"
        );
        assert_eq!(
            member_identity(&user("@alice:example.com"), "memberABC"),
            "M3VnsLXrkbxIDINXO64u8PZzFyD9ZYFiQULR2dshWYs"
        );
        assert_eq!(
            plain_identity(&user("@alice:example.com"), "DEVICE123").as_deref(),
            Some("@alice:example.com:DEVICE123")
        );
    }

    #[test]
    fn the_formula_holds_for_any_number_of_parts() {
        assert_eq!(
            hash(&["!roomid:example.com", "slot123", "random123"]),
            "IMeDd+K3MIqJTI20EXBIrepKkhhORvf3q8fx3rlrhTk"
        );
    }

    #[test]
    fn parts_do_not_run_into_each_other() {
        let alice = user("@alice:example.com");
        assert_ne!(
            hashed_identity(&alice, "DEV", "ICE"),
            hashed_identity(&alice, "DEVI", "CE")
        );
        assert_ne!(sfu_room("!a\",\"b", "c"), sfu_room("!a", "b\",\"c"));
    }

    #[test]
    fn nobody_takes_the_plain_identity_of_a_user_on_another_port() {
        let there = plain_identity(&user("@a:example.com:8448"), "DEV").unwrap();
        assert_eq!(there, "@a:example.com:8448:DEV");
        assert_eq!(plain_identity(&user("@a:example.com"), "8448:DEV"), None);
        for harmless in ["", "8448", "DEV:8448", "123456:DEV", ":DEV"] {
            assert!(
                plain_identity(&user("@a:example.com"), harmless).is_some(),
                "{harmless}"
            );
        }
    }
}
