//! How a store is opened, and when it is not.

use crate::databases::{Fresh, Raw};
use crate::{admitted, on_both};
use hanse_focus::store::{DatabaseError, Store};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

on_both! {
    tables_of_a_newer_release_are_refused_and_left_alone,
    tables_that_another_build_made_are_refused,
    a_closed_store_says_so,
}

async fn tables_of_a_newer_release_are_refused_and_left_alone(fresh: Fresh) {
    let store = fresh.open().await;
    store
        .admit(&admitted("!a:org-a.example", "@alice:org-a.example"))
        .await
        .unwrap();
    store.close().await;
    let mut raw = fresh.raw().await;
    raw.run(
        "INSERT INTO hanse_migrations (version, description, success, checksum, execution_time)
         SELECT 99, 'from the future', success, checksum, 0 FROM hanse_migrations WHERE version = 1",
    )
    .await;

    let error = fresh.try_open().await.unwrap_err();
    assert_eq!(error, DatabaseError::Newer { found: 99, known: 2 });
    let text = error.to_string();
    assert!(
        text.contains("schema version 99") && text.contains("Run that release or a later one"),
        "{text}"
    );
    assert_eq!(raw.count("seats").await, 1);

    raw.run("DELETE FROM hanse_migrations WHERE version = 99").await;
    assert_eq!(fresh.open().await.seats().await.unwrap().len(), 1);
}

async fn tables_that_another_build_made_are_refused(fresh: Fresh) {
    fresh.open().await.close().await;
    let mut raw = fresh.raw().await;
    let other = if fresh.is_sqlite() { "x'00'" } else { "'\\x00'" };
    raw.run(&format!("UPDATE hanse_migrations SET checksum = {other}"))
        .await;
    let error = fresh.try_open().await.unwrap_err();
    assert!(matches!(error, DatabaseError::Schema(_)), "{error}");
}

async fn a_closed_store_says_so(fresh: Fresh) {
    let store = fresh.open().await;
    store.close().await;
    for outcome in [
        store.seats().await.map(|_| ()),
        store.block(&"bad.example".parse().unwrap(), 0).await.map(|_| ()),
    ] {
        let error = outcome.unwrap_err();
        assert!(matches!(error, DatabaseError::Unreachable(_)), "{error}");
    }
}

#[tokio::test]
async fn an_sqlite_file_has_one_process_and_no_other_reader() {
    let fresh = Fresh::sqlite();
    let first = fresh.open().await;
    let seat = admitted("!a:org-a.example", "@alice:org-a.example");
    first.admit(&seat).await.unwrap();
    let error = fresh.try_open().await.unwrap_err();
    assert!(matches!(error, DatabaseError::InUse(_)), "{error}");
    assert!(error.to_string().contains("PostgreSQL"), "{error}");
    assert_eq!(first.seats().await, Ok(vec![seat.clone()]));

    for entry in std::fs::read_dir(fresh.file().parent().unwrap()).unwrap() {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{}", entry.path().display());
    }
    first.close().await;
    assert_eq!(fresh.open().await.seats().await, Ok(vec![seat]));
}

#[tokio::test]
async fn what_is_deleted_from_an_sqlite_file_is_gone_from_the_disk() {
    let fresh = Fresh::sqlite();
    let store = fresh.open().await;
    let seat = admitted("!a:org-a.example", "@conspicuous:org-a.example");
    let on_disk = || {
        let files = std::fs::read_dir(fresh.file().parent().unwrap()).unwrap();
        files
            .map(|file| std::fs::read(file.unwrap().path()).unwrap())
            .any(|bytes| bytes.windows(11).any(|window| window == b"conspicuous"))
    };
    store.admit(&seat).await.unwrap();
    assert!(on_disk());
    store.end_seat(&seat.seat).await.unwrap();
    store.sweep(0).await.unwrap();
    assert!(!on_disk());
}

#[tokio::test]
async fn a_store_in_memory_is_a_store() {
    let store = Store::open("sqlite::memory:").await.unwrap();
    let other = Store::open("sqlite::memory:").await.unwrap();
    let seat = admitted("!a:org-a.example", "@alice:org-a.example");
    store.admit(&seat).await.unwrap();
    assert_eq!(store.seats().await, Ok(vec![seat]));
    assert_eq!(other.seats().await, Ok(vec![]));
}

#[tokio::test]
async fn a_place_that_cannot_be_is_refused_with_a_sentence_without_secrets() {
    for (url, words) in [
        (
            "mysql://hanse@localhost/hanse",
            "begins with sqlite: or postgres:",
        ),
        ("hanse.db", "begins with sqlite: or postgres:"),
        ("sqlite:/no/such/folder/hanse.db", "cannot be opened for writing"),
        ("sqlite:hanse.db?mode=surprise", "unknown value"),
        ("postgres://hanse:hunter2@[bad/hanse", "postgres://USER:PASSWORD"),
        (
            "postgres://hanse:hunter2@localhost/hanse?sslmode=hunter2",
            "postgres://USER:PASSWORD",
        ),
        ("postgres://hanse:hunter2@127.0.0.1:1/hanse", "cannot be reached"),
    ] {
        let error = Store::open(url).await.unwrap_err().to_string();
        assert!(error.contains(words), "{url}: {error}");
        assert!(!error.contains("hunter2"), "{error}");
    }
}

#[tokio::test]
async fn a_store_whose_connections_break_goes_on_with_new_ones() {
    let fresh = Fresh::postgres().await;
    let store = fresh.open().await;
    let seat = admitted("!a:org-a.example", "@alice:org-a.example");
    store.admit(&seat).await.unwrap();
    let Raw::Postgres(mut raw) = fresh.raw().await else {
        panic!("not PostgreSQL");
    };
    let ended: Vec<bool> = sqlx::query_scalar(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
         WHERE datname = current_database() AND pid <> pg_backend_pid()",
    )
    .fetch_all(&mut raw)
    .await
    .unwrap();
    assert!(!ended.is_empty() && ended.iter().all(|ended| *ended));
    assert_eq!(store.end_seat(&seat.seat).await, Ok(true));
    assert_eq!(store.seats().await, Ok(vec![]));
}

#[tokio::test]
async fn a_server_that_hangs_hangs_nobody_and_forgets_what_it_did_not_answer() {
    let fresh = Fresh::postgres().await;
    let store = fresh.open().await;
    let (alice, bob) = (
        admitted("!a:org-a.example", "@alice:org-a.example"),
        admitted("!a:org-a.example", "@bob:org-b.example"),
    );
    let mut raw = fresh.raw().await;
    raw.run("BEGIN").await;
    raw.run("LOCK TABLE seats IN ACCESS EXCLUSIVE MODE").await;
    // Whatever waits for the server only now sees time fly.
    tokio::time::pause();
    let error = store.admit(&alice).await.unwrap_err();
    assert!(matches!(error, DatabaseError::Unreachable(_)), "{error}");
    tokio::time::resume();
    raw.run("COMMIT").await;
    store.admit(&bob).await.unwrap();
    assert_eq!(store.seats().await, Ok(vec![bob]));
}

/// Tells the test below which database to make.
const OPENED: &str = "HANSE_TEST_OPENED";

/// Not a test, but the process that is killed.
#[tokio::test]
#[ignore = "started by the test below"]
async fn open_until_killed() {
    Store::open(&std::env::var(OPENED).unwrap()).await.unwrap();
}

#[tokio::test]
async fn whoever_is_killed_while_tables_are_made_leaves_what_the_next_one_opens() {
    let start = |fresh: &Fresh| {
        Command::new(std::env::current_exe().unwrap())
            .args(["opening::open_until_killed", "--exact", "--ignored"])
            .env(OPENED, fresh.url())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .unwrap()
    };
    // How often one can look from the moment at which the file is there to the end, if nobody disturbs; then at each tenth of it.
    let undisturbed = Fresh::sqlite();
    let mut process = start(&undisturbed);
    while !undisturbed.file().exists() {
        assert_eq!(process.try_wait().unwrap(), None, "it ended without a database");
    }
    let mut looks = 0;
    while process.try_wait().unwrap().is_none() {
        looks += 1;
    }
    assert!(process.wait().unwrap().success());
    let mut killed = 0;
    for tenth in 0..10 {
        let fresh = Fresh::sqlite();
        let mut process = start(&fresh);
        while !fresh.file().exists() && process.try_wait().unwrap().is_none() {}
        let mut left = looks * tenth / 10;
        while left > 0 && process.try_wait().unwrap().is_none() {
            left -= 1;
        }
        process.kill().unwrap();
        killed += u32::from(process.wait().unwrap().code().is_none());
        let store = fresh.open().await;
        let seat = admitted("!a:org-a.example", "@alice:org-a.example");
        store.admit(&seat).await.unwrap();
        assert_eq!(store.seats().await.unwrap().len(), 1, "tenth {tenth}");
        store.close().await;
        assert_eq!(
            fresh.open().await.seats().await.unwrap().len(),
            1,
            "tenth {tenth}"
        );
    }
    assert!(killed > 2, "only {killed} were killed in time");
}
