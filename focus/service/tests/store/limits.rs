//! Limits, values that cannot be stored, and many writers at once.

use crate::databases::Fresh;
use crate::{admitted, job, on_both, seat};
use hanse_focus::LeaveChange;
use hanse_focus::delayed_leave::LeaveJob;
use hanse_focus::store::{BLOCKED_MAX, DatabaseError, TEXT_BYTES_MAX};
use hanse_runtime::{Secret, clock};
use tokio::task::JoinSet;

on_both! {
    a_full_table_takes_no_more_until_there_is_room,
    a_text_that_one_database_could_not_hold_is_refused_by_both,
    one_writer_that_is_refused_spoils_it_for_no_other,
    many_writers_share_the_flushes_and_all_are_heard,
}

async fn a_full_table_takes_no_more_until_there_is_room(fresh: Fresh) {
    let store = fresh.open().await;
    let fill = format!(
        "INSERT INTO blocked_homeservers (server, blocked_at_ms)
         WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < {BLOCKED_MAX})
         SELECT n || '.example', 0 FROM n"
    );
    fresh.raw().await.run(&fill).await;
    let one_more = "one-more.example".parse().unwrap();
    let refused = store.block(&one_more, 0).await.unwrap_err();
    assert_eq!(refused, DatabaseError::Full("blocked homeservers"));
    assert_eq!(
        refused.to_string(),
        "the store has no room for more blocked homeservers"
    );
    // What is full keeps nobody from anything else.
    store
        .admit(&admitted("!a:org-a.example", "@alice:org-a.example"))
        .await
        .unwrap();

    assert_eq!(store.unblock(&"1.example".parse().unwrap()).await, Ok(true));
    assert_eq!(store.block(&one_more, 0).await, Ok(true));
    let refused = store.block(&"two-more.example".parse().unwrap(), 0).await;
    assert_eq!(refused, Err(DatabaseError::Full("blocked homeservers")));
}

async fn a_text_that_one_database_could_not_hold_is_refused_by_both(fresh: Fresh) {
    let store = fresh.open().await;
    let longest = "x".repeat(TEXT_BYTES_MAX);
    let fits = [LeaveChange::Take(LeaveJob {
        delay_id: Secret::new(longest.clone()),
        ..job(&longest, &longest)
    })];
    assert_eq!(store.write_leaves(&fits).await, Ok(vec![]));
    for text in ["a\0b".to_owned(), format!("{longest}x")] {
        let refused = store
            .write_leaves(&[
                LeaveChange::Take(job("room", "good")),
                LeaveChange::Take(job("room", &text)),
            ])
            .await;
        assert_eq!(refused, Err(DatabaseError::Unfit("the identity")));
        let refused = store.end_seat(&seat(&text, "identity")).await;
        assert_eq!(refused, Err(DatabaseError::Unfit("the SFU room")));
    }
    assert_eq!(fresh.raw().await.count("delayed_leaves").await, 1);
}

async fn one_writer_that_is_refused_spoils_it_for_no_other(fresh: Fresh) {
    let store = fresh.open().await;
    fresh
        .raw()
        .await
        .run("CREATE UNIQUE INDEX in_the_way ON seats (room_id)")
        .await;
    let mut writers = JoinSet::new();
    for n in 0..200 {
        let store = store.clone();
        // Two of them want the same room, which the index does not let them.
        let room = if n == 199 { 0 } else { n };
        let seat = admitted(&format!("!{room}"), &format!("@{n}:org-a.example"));
        writers.spawn(async move { store.admit(&seat).await });
    }
    let outcomes = writers.join_all().await;
    let refused: Vec<_> = outcomes.iter().filter(|outcome| outcome.is_err()).collect();
    assert_eq!(refused.len(), 1, "{refused:?}");
    assert_eq!(store.seats().await.unwrap().len(), 199);
}

async fn many_writers_share_the_flushes_and_all_are_heard(fresh: Fresh) {
    const WRITERS: usize = 5000;
    let store = fresh.open().await;
    let began = clock::now();
    let mut writers = JoinSet::new();
    for n in 0..WRITERS {
        let store = store.clone();
        let seat = admitted("!a:org-a.example", &format!("@{n}:org-a.example"));
        writers.spawn(async move { store.admit(&seat).await.unwrap() });
    }
    writers.join_all().await;
    println!(
        "{fresh}: {WRITERS} seats, each waited for, in {:?}",
        clock::now() - began
    );
    assert_eq!(store.seats().await.unwrap().len(), WRITERS);
}
