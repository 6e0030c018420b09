//! The system's resolver, with the names that RFC 6761 lets it answer itself, so that no name server is needed.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod common;

use common::World;
use hanse_bridge::dial::resolver::{LookupFailed, Resolve, SystemResolver};

#[tokio::test]
async fn names_with_a_meaning_of_their_own_are_answered_without_a_name_server_and_not_logged() {
    let world = World::new();
    let resolver = SystemResolver::new().unwrap();
    let local = resolver.addresses("alice.localhost", 8448).await.unwrap();
    assert!(local.contains(&"127.0.0.1:8448".parse().unwrap()), "{local:?}");
    assert_eq!(resolver.addresses("alice.invalid", 8448).await, Ok(Vec::new()));
    assert_eq!(
        resolver.services("_matrix-fed._tcp.alice.localhost").await,
        Ok(Vec::new())
    );
    assert_eq!(
        resolver.addresses(&"alice".repeat(13), 8448).await,
        Err(LookupFailed)
    );
    drop(world);
}
