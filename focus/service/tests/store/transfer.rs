//! A store is copied whole or not at all, between both kinds of databases and into a file.

use crate::databases::Fresh;
use crate::guests::{link, visit};
use crate::{NOW_MS, admitted, job, on_both, sorted};
use hanse_focus::LeaveChange;
use hanse_focus::guests::GuestLink;
use hanse_focus::store::transfer::{
    Target, copied_columns, examine, fill, hold, is_empty, snapshot, transfer,
};
use hanse_focus::store::{DatabaseError, Store};
use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};
use std::time::Duration;

on_both! {
    every_table_and_column_is_copied,
    everything_arrives_in_sqlite_and_the_source_is_as_it_was,
    everything_arrives_in_postgres_and_the_source_is_as_it_was,
    a_database_with_rows_is_not_mixed_with_others,
    a_snapshot_is_whole_and_only_its_owner_reads_it,
    what_is_no_store_is_not_copied,
}

/// More rows than one statement takes.
const SEATS: usize = 1203;

/// Something in every table, with everything that a text may have in it.
async fn filled(fresh: &Fresh) -> Store {
    let store = fresh.open().await;
    for n in 0..SEATS {
        store
            .admit(&admitted("!a:org-a.example", &format!("@user{n}:org-a.example")))
            .await
            .unwrap();
    }
    let mut odd = job("room 'x'; --\n\u{1f600}", "ä\\%");
    odd.other_identity = Some("another".to_owned());
    store
        .write_leaves(&[LeaveChange::Take(odd), LeaveChange::Take(job("room", "alice"))])
        .await
        .unwrap();
    store
        .block(&"bad.example".parse().unwrap(), NOW_MS)
        .await
        .unwrap();
    let link = GuestLink {
        passcode_hash: Some("passcode".to_owned()),
        ..link("1")
    };
    store.add_guest_link(&link, NOW_MS).await.unwrap();
    store.begin_visit(&visit("grace", "1"), NOW_MS).await.unwrap();
    store
}

async fn said(store: &Store) -> String {
    let mut seats = store.seats().await.unwrap();
    seats.sort_by(|one, other| one.seat.cmp(&other.seat));
    let jobs = sorted(store.claim(NOW_MS, Duration::from_secs(30)).await.unwrap());
    let seats: Vec<String> = seats.iter().map(|seat| seat.user.to_string()).collect();
    let jobs: Vec<_> = jobs
        .iter()
        .map(|job| {
            (
                &job.seat.room,
                &job.seat.identity,
                &job.other_identity,
                job.delay_id.expose(),
                job.restarted_at_ms,
            )
        })
        .collect();
    let blocked = store.blocked().await.unwrap();
    let hashes = |link: GuestLink| (link.secret_hash, link.spoken_hash, link.passcode_hash);
    let found = store.guest_link_by_secret("secret of 1").await.unwrap();
    let visits = store.visits().await.unwrap();
    let guests: Vec<_> = visits.iter().map(|visit| visit.user.to_string()).collect();
    format!(
        "{seats:?} {jobs:?} {blocked:?} {:?} {guests:?}",
        found.map(hashes)
    )
}

async fn every_table_and_column_is_copied(fresh: Fresh) {
    fresh.open().await.close().await;
    let sql = if fresh.is_sqlite() {
        "SELECT m.name || '.' || c.name FROM sqlite_schema m, pragma_table_info(m.name) c WHERE m.type = 'table'"
    } else {
        "SELECT table_name || '.' || column_name FROM information_schema.columns WHERE table_schema = 'public'"
    };
    let there: BTreeSet<String> = fresh.raw().await.texts(sql).await.into_iter().collect();
    let there: BTreeSet<String> = there
        .into_iter()
        .filter(|column| !column.starts_with("hanse_migrations.") && !column.starts_with("sqlite_"))
        .collect();
    let copied: BTreeSet<String> = copied_columns()
        .into_iter()
        .flat_map(|(table, columns)| columns.into_iter().map(move |column| format!("{table}.{column}")))
        .collect();
    assert_eq!(copied, there);
}

async fn everything_arrives_in_sqlite_and_the_source_is_as_it_was(source: Fresh) {
    arrives(source, Fresh::sqlite()).await;
}

async fn everything_arrives_in_postgres_and_the_source_is_as_it_was(source: Fresh) {
    arrives(source, Fresh::postgres().await).await;
}

async fn arrives(source: Fresh, target: Fresh) {
    let store = filled(&source).await;
    if source.is_sqlite() {
        let error = transfer(source.url(), target.url(), Target::Empty, NOW_MS).await;
        assert!(
            matches!(error, Err(DatabaseError::InUse(_))),
            "it runs: {error:?}"
        );
    }
    store.close().await;
    let moved = transfer(source.url(), target.url(), Target::Empty, NOW_MS)
        .await
        .unwrap();
    let rows: Vec<usize> = moved.iter().map(|table| table.rows).collect();
    assert_eq!(rows, [2, 0, SEATS, 1, 1, 1]);
    let (before, after) = (source.open().await, target.open().await);
    assert_eq!(said(&before).await, said(&after).await);
    before.close().await;
    after.close().await;

    // A process whose lease has not ended uses it.
    let again = transfer(target.url(), Fresh::sqlite().url(), Target::Empty, NOW_MS).await;
    if target.is_sqlite() {
        assert!(again.is_ok(), "{again:?}");
    } else {
        assert!(matches!(again, Err(DatabaseError::InUse(_))), "{again:?}");
        let later = NOW_MS + 31_000;
        assert!(
            transfer(target.url(), Fresh::sqlite().url(), Target::Empty, later)
                .await
                .is_ok()
        );
    }
}

async fn a_database_with_rows_is_not_mixed_with_others(target: Fresh) {
    let source = Fresh::sqlite();
    filled(&source).await.close().await;
    let own = admitted("!own:org-a.example", "@own:org-a.example");
    let store = target.open().await;
    store.admit(&own).await.unwrap();
    store.close().await;
    assert!(!is_empty(target.url()).await.unwrap());
    let refused = transfer(source.url(), target.url(), Target::Empty, NOW_MS).await;
    assert_eq!(refused, Err(DatabaseError::NotEmpty("seats")));
    let store = target.open().await;
    assert_eq!(store.seats().await, Ok(vec![own]));
    assert_eq!(store.blocked().await.unwrap().len(), 0, "nothing of the others");
    store.close().await;

    fill(target.url(), &source.file()).await.unwrap();
    assert_eq!(target.open().await.seats().await.unwrap().len(), SEATS);
}

async fn a_snapshot_is_whole_and_only_its_owner_reads_it(fresh: Fresh) {
    let store = filled(&fresh).await;
    let folder = Fresh::sqlite();
    let file = folder.file();
    // While it is in use.
    let rows = snapshot(fresh.url(), &file).await.unwrap();
    assert_eq!(
        std::fs::metadata(&file).unwrap().permissions().mode() & 0o777,
        0o600
    );
    assert_eq!(
        rows.iter().map(|table| table.rows).collect::<Vec<_>>(),
        [2, 0, SEATS, 1, 1, 1]
    );
    assert_eq!(examine(&file).await.unwrap(), rows);
    assert_eq!(
        folder.open().await.seats().await.unwrap().len(),
        store.seats().await.unwrap().len()
    );
    assert!(snapshot(fresh.url(), &file).await.is_err(), "it is there already");
}

async fn what_is_no_store_is_not_copied(fresh: Fresh) {
    let mut raw = fresh.raw_new().await;
    raw.run("CREATE TABLE other (id BIGINT)").await;
    drop(raw);
    let refused = transfer(fresh.url(), Fresh::sqlite().url(), Target::Empty, NOW_MS).await;
    assert!(matches!(refused, Err(DatabaseError::Schema(_))), "{refused:?}");
    let missing = transfer("sqlite:/does/not/exist.db", fresh.url(), Target::Empty, NOW_MS).await;
    assert!(matches!(missing, Err(DatabaseError::Missing(_))), "{missing:?}");
}

#[tokio::test]
async fn a_damaged_file_is_found_out() {
    let fresh = Fresh::sqlite();
    filled(&fresh).await.close().await;
    let mut bytes = std::fs::read(fresh.file()).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle..middle + 4096].fill(0xaa);
    std::fs::write(fresh.file(), bytes).unwrap();
    assert!(examine(&fresh.file()).await.is_err());
}

#[tokio::test]
async fn who_is_held_is_used_by_nobody_else() {
    let fresh = Fresh::sqlite();
    let held = hold(fresh.url()).unwrap();
    assert!(matches!(fresh.try_open().await, Err(DatabaseError::InUse(_))));
    drop(held);
    assert!(fresh.try_open().await.is_ok());
}

/// Tell the test below what to copy where.
const FROM: &str = "HANSE_TEST_TRANSFER_FROM";
const TO: &str = "HANSE_TEST_TRANSFER_TO";

/// Not a test, but the process that is killed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "started by the test below"]
async fn transfer_until_killed() {
    let (from, to) = (std::env::var(FROM).unwrap(), std::env::var(TO).unwrap());
    transfer(&from, &to, Target::Empty, NOW_MS).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_is_killed_in_the_middle_leaves_the_source_whole_and_the_target_empty() {
    let (source, target) = (Fresh::sqlite(), Fresh::postgres().await);
    filled(&source).await.close().await;
    let before = std::fs::read(source.file()).unwrap();
    target.open().await.close().await;
    let mut raw = target.raw().await;
    // It hangs at the last of the tables, when the others are written.
    raw.run("CREATE FUNCTION hang() RETURNS trigger AS 'BEGIN PERFORM pg_sleep(3600); RETURN NEW; END' LANGUAGE plpgsql")
        .await;
    raw.run("CREATE TRIGGER hang BEFORE INSERT ON blocked_homeservers FOR EACH ROW EXECUTE FUNCTION hang()")
        .await;
    let mut process = Command::new(std::env::current_exe().unwrap())
        .args(["transfer::transfer_until_killed", "--exact", "--ignored"])
        .env(FROM, source.url())
        .env(TO, target.url())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let sleeping = "SELECT pid::text FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = current_database()";
    let comes_to_it = async {
        while raw.texts(sleeping).await.is_empty() {
            assert_eq!(
                process.try_wait().unwrap(),
                None,
                "it ended before it came to the last table"
            );
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), comes_to_it)
        .await
        .expect("it does not come to the last table");
    process.kill().unwrap();
    process.wait().unwrap();
    let ends = "SELECT pg_terminate_backend(pid)::text FROM pg_stat_activity
                WHERE wait_event = 'PgSleep' AND datname = current_database()";
    raw.texts(ends).await;
    raw.run("DROP TRIGGER hang ON blocked_homeservers").await;
    for (table, _) in copied_columns() {
        assert_eq!(raw.count(table).await, 0, "{table}");
    }
    assert!(
        std::fs::read(source.file()).unwrap() == before,
        "the source is touched"
    );
    // And it can be done again.
    let moved = transfer(source.url(), target.url(), Target::Empty, NOW_MS)
        .await
        .unwrap();
    assert_eq!(moved[2].rows, SEATS);
}
