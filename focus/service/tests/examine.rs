//! Whoever tries the way to the SFU gets a room alone, and nothing of any call.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)] // A test may panic.

mod common;

use common::{Bench, openid};
use serde_json::json;

#[tokio::test]
async fn people_of_ours_try_the_way_in_a_room_that_nobody_else_has_and_nobody_sees_them() {
    let bench = Bench::new();
    bench.knows("@alice:org-a.example", "alices-token");
    bench.knows("@carol:org-a.example", "carols-token");
    let mut rooms = Vec::new();
    for token in ["alices-token", "carols-token"] {
        let body = json!({"openid_token": openid("org-a.example", token)});
        let reply = bench.post_json("/examine", &body).await;
        reply.assert_readable_by_pages();
        let video = &reply.claims()["video"];
        assert_eq!(
            ["roomJoin", "hidden", "canPublish", "canSubscribe"].map(|right| video[right].as_bool()),
            [true, true, false, false].map(Some)
        );
        assert!(video.get("roomAdmin").is_none());
        // Neither who it is nor by what they proved it.
        let said = reply.claims().to_string();
        assert!(!said.contains("alice") && !said.contains("carol"), "{said}");
        rooms.push(video["room"].as_str().unwrap().to_owned());
    }
    assert_ne!(rooms[0], rooms[1]);
    assert!(rooms.iter().all(|room| room.starts_with("hanse-examine-")));
    assert!(bench.rooms_made().is_empty());
}

#[tokio::test]
async fn others_and_whoever_proves_nothing_try_nothing() {
    let bench = Bench::new();
    bench.knows("@bob:org-b.example", "bobs-token");
    let abroad = json!({"openid_token": openid("org-b.example", "bobs-token")});
    bench
        .post_json("/examine", &abroad)
        .await
        .assert_refused(403, "M_FORBIDDEN");
    let forged = json!({"openid_token": openid("org-a.example", "made-up")});
    bench
        .post_json("/examine", &forged)
        .await
        .assert_refused(401, "M_UNAUTHORIZED");
    bench
        .post_json("/examine", &json!({}))
        .await
        .assert_refused(400, "M_BAD_JSON");
}
