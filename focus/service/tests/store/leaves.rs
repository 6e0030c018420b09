//! Delayed leaves: what is written is read again, and each job has one process.

use crate::databases::Fresh;
use crate::{HOUR_MS, NOW_MS, job, on_both, seat, sorted};
use hanse_focus::delayed_leave::{CLAIM_INTERVAL, LeaveJob, LeaveState};
use hanse_focus::store::{ProcessId, Store};
use hanse_focus::{Clock, LeaveChange, LeaveStore, Now};
use hanse_runtime::{Secret, clock};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

on_both! {
    a_restart_finds_every_field_as_it_was,
    a_new_job_replaces_that_of_its_seat_and_no_other,
    a_process_changes_and_forgets_its_own_jobs_only,
    changes_that_belong_together_are_all_written_or_none,
    who_hears_of_a_seat_gets_its_job,
    the_living_keep_their_jobs_and_the_dead_lose_them,
    who_stops_in_order_leaves_its_jobs_at_once,
    of_many_that_claim_at_once_each_job_goes_to_one,
    ten_thousand_jobs_are_back_within_two_seconds,
    the_port_of_the_delayed_leaves_does_the_same,
}

const LEASE: Duration = Duration::from_secs(15);
const LEASE_MS: u64 = 15_000;

/// Jobs of the test that times a restart.
const MANY: usize = 10_000;

/// Two processes on the same database, both alive.
async fn two_processes(fresh: &Fresh) -> (Store, Store) {
    let one = fresh.open().await;
    let other = one.acting_as(ProcessId::new("other").unwrap());
    for process in [&one, &other] {
        assert_eq!(process.claim(NOW_MS, LEASE).await, Ok(vec![]));
    }
    (one, other)
}

async fn take_new(store: &Store, job: &LeaveJob) {
    let taken = store.write_leaves(&[LeaveChange::Take(job.clone())]).await;
    assert_eq!(taken, Ok(vec![]));
}

/// What another process finds when the one of this store is gone: all that is stored.
async fn inherit(store: &Store) -> Vec<LeaveJob> {
    let heir = store.acting_as(ProcessId::new("heir").unwrap());
    sorted(heir.claim(NOW_MS + 1000 * HOUR_MS, LEASE).await.unwrap())
}

async fn a_restart_finds_every_field_as_it_was(fresh: Fresh) {
    let store = fresh.open().await;
    let jobs = vec![
        LeaveJob {
            other_identity: Some("@älice's \"phone\":org-a.example:D; DROP TABLE seats".to_owned()),
            server: "[2001:db8::1]:8448".parse().unwrap(),
            delay_id: Secret::new("$1 ? \u{1F980} %s".to_owned()),
            delay_ms: 18_000,
            restarted_at_ms: NOW_MS + 7,
            state: LeaveState::Connected,
            ..job("room a", "identity/+=")
        },
        job("room a", "somebody else"),
        LeaveJob {
            state: LeaveState::Disconnected,
            ..job("room b", "identity/+=")
        },
    ];
    for job in &jobs {
        take_new(&store, job).await;
    }
    store.close().await;
    let next_run = fresh.open().await;
    assert_ne!(next_run.process(), store.process());
    // SQLite has one process at a time, so the last one is dead. PostgreSQL may have others: a lease must end first, and
    // who never claimed has none.
    let found = next_run.claim(NOW_MS, LEASE).await.unwrap();
    assert_eq!(sorted(found), jobs);
    assert_eq!(next_run.claim(NOW_MS + 1, LEASE).await, Ok(vec![]));
}

async fn a_new_job_replaces_that_of_its_seat_and_no_other(fresh: Fresh) {
    let (one, other) = two_processes(&fresh).await;
    let (old, beside) = (job("room", "alice"), job("room", "bob"));
    take_new(&one, &old).await;
    take_new(&one, &beside).await;
    let new = LeaveJob {
        delay_id: Secret::new("a new one".to_owned()),
        ..old.clone()
    };
    take_new(&other, &new).await;

    // Who had the old one learns it at the next word about it, which changes nothing.
    let late = one
        .write_leaves(&[
            LeaveChange::Update(old.clone()),
            LeaveChange::Update(beside.clone()),
        ])
        .await;
    assert_eq!(late, Ok(vec![old.seat.clone()]));
    let late = one.write_leaves(&[LeaveChange::Forget(old.seat.clone())]).await;
    assert_eq!(late, Ok(vec![]));
    assert_eq!(inherit(&one).await, [new, beside]);
}

async fn a_process_changes_and_forgets_its_own_jobs_only(fresh: Fresh) {
    let (one, other) = two_processes(&fresh).await;
    let (mine, theirs) = (job("room", "mine"), job("room", "theirs"));
    take_new(&one, &mine).await;
    take_new(&other, &theirs).await;
    let mine_later = LeaveJob {
        restarted_at_ms: NOW_MS + 5,
        state: LeaveState::Connected,
        ..mine
    };
    let theirs_later = LeaveJob {
        restarted_at_ms: NOW_MS + 6,
        ..theirs.clone()
    };
    let lost = one
        .write_leaves(&[
            LeaveChange::Update(mine_later.clone()),
            LeaveChange::Update(theirs_later),
            LeaveChange::Forget(theirs.seat.clone()),
        ])
        .await;
    assert_eq!(lost, Ok(vec![theirs.seat.clone()]));
    let lost = one
        .write_leaves(&[LeaveChange::Update(job("room", "never stored"))])
        .await;
    assert_eq!(lost, Ok(vec![seat("room", "never stored")]));
    assert_eq!(inherit(&one).await, [mine_later, theirs]);

    let heir = one.acting_as(ProcessId::new("heir").unwrap());
    let done = heir
        .write_leaves(&[LeaveChange::Forget(seat("room", "mine"))])
        .await;
    assert_eq!(done, Ok(vec![]));
    assert_eq!(fresh.raw().await.count("delayed_leaves").await, 1);
}

async fn changes_that_belong_together_are_all_written_or_none(fresh: Fresh) {
    let store = fresh.open().await;
    take_new(&store, &job("room", "there before")).await;
    fresh
        .raw()
        .await
        .run("CREATE UNIQUE INDEX in_the_way ON delayed_leaves (delay_id)")
        .await;
    let twin = LeaveJob {
        seat: seat("room", "twin"),
        ..job("room", "new")
    };
    let refused = store
        .write_leaves(&[
            LeaveChange::Forget(seat("room", "there before")),
            LeaveChange::Take(job("room", "new")),
            LeaveChange::Take(twin),
        ])
        .await;
    let error = refused.unwrap_err().to_string();
    assert!(error.starts_with("the database refuses: "), "{error}");
    assert!(!error.contains("delay of"), "{error}");
    assert_eq!(inherit(&store).await, [job("room", "there before")]);
}

async fn who_hears_of_a_seat_gets_its_job(fresh: Fresh) {
    let (one, other) = two_processes(&fresh).await;
    let by_two_names = LeaveJob {
        other_identity: Some("plain".to_owned()),
        ..job("room", "hashed")
    };
    take_new(&one, &by_two_names).await;
    take_new(&one, &job("room", "bystander")).await;
    take_new(&one, &job("another room", "plain")).await;

    assert_eq!(other.take(&seat("room", "nobody")).await, Ok(None));
    assert_eq!(other.take(&seat("nowhere", "plain")).await, Ok(None));
    assert_eq!(
        other.take(&seat("room", "plain")).await,
        Ok(Some(by_two_names.clone()))
    );
    let lost = one
        .write_leaves(&[
            LeaveChange::Update(by_two_names.clone()),
            LeaveChange::Update(job("room", "bystander")),
            LeaveChange::Update(job("another room", "plain")),
        ])
        .await;
    assert_eq!(lost, Ok(vec![by_two_names.seat]));

    // A seat's own job comes before one that only mentions it, and that one stays where it is.
    take_new(&one, &job("room", "plain")).await;
    let taken = other.take(&seat("room", "plain")).await.unwrap().unwrap();
    assert_eq!(taken.seat, seat("room", "plain"));
}

async fn the_living_keep_their_jobs_and_the_dead_lose_them(fresh: Fresh) {
    let (one, other) = two_processes(&fresh).await;
    take_new(&one, &job("room", "of one")).await;
    take_new(&other, &job("room", "of other")).await;

    let before_it_ends = NOW_MS + LEASE_MS - 1;
    assert_eq!(one.claim(before_it_ends, LEASE).await, Ok(vec![]));
    // `other` has not been heard of since.
    let after_it_ended = NOW_MS + LEASE_MS;
    assert_eq!(
        one.claim(after_it_ended, LEASE).await,
        Ok(vec![job("room", "of other")])
    );
    // It only slept, and learns what it has lost; it takes nothing from one that lives.
    let lost = other
        .write_leaves(&[LeaveChange::Update(job("room", "of other"))])
        .await;
    assert_eq!(lost, Ok(vec![seat("room", "of other")]));
    assert_eq!(other.claim(after_it_ended, LEASE).await, Ok(vec![]));
}

async fn who_stops_in_order_leaves_its_jobs_at_once(fresh: Fresh) {
    let (one, other) = two_processes(&fresh).await;
    take_new(&one, &job("room", "of one")).await;
    assert_eq!(other.claim(NOW_MS, LEASE).await, Ok(vec![]));
    one.release().await.unwrap();
    assert_eq!(other.claim(NOW_MS, LEASE).await, Ok(vec![job("room", "of one")]));
}

async fn of_many_that_claim_at_once_each_job_goes_to_one(fresh: Fresh) {
    let dead = fresh.open().await;
    let jobs: Vec<_> = (0..1000).map(|n| job("room", &format!("{n:04}"))).collect();
    let taken: Vec<_> = jobs.iter().cloned().map(LeaveChange::Take).collect();
    dead.write_leaves(&taken).await.unwrap();

    let mut claims = tokio::task::JoinSet::new();
    for n in 0..8 {
        // On PostgreSQL each with connections of its own, as real processes have.
        let claimer = if fresh.is_sqlite() {
            dead.acting_as(ProcessId::new(&format!("claimer-{n}")).unwrap())
        } else {
            fresh.open().await
        };
        claims.spawn(async move { claimer.claim(NOW_MS, LEASE).await.unwrap() });
    }
    let handed_out = claims.join_all().await.concat();
    assert_eq!(handed_out.len(), jobs.len());
    assert_eq!(sorted(handed_out), jobs);
}

/// PostgreSQL lets two claims run side by side; SQLite never does.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_claim_that_had_to_wait_for_another_takes_nothing_from_it() {
    let fresh = Fresh::postgres().await;
    let dead = fresh.open().await;
    let jobs = [job("room", "1"), job("room", "2")];
    dead.write_leaves(&jobs.clone().map(LeaveChange::Take))
        .await
        .unwrap();
    let claimers = [fresh.open().await, fresh.open().await];

    let mut raw = fresh.raw().await;
    raw.run("BEGIN").await;
    raw.run("SELECT 1 FROM delayed_leaves FOR UPDATE").await;
    let claims = claimers.map(|claimer| tokio::spawn(async move { claimer.claim(NOW_MS, LEASE).await }));
    let mut observer = fresh.raw().await;
    let waiting = "pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    while observer.count(waiting).await < 2 {
        assert!(!claims.iter().any(|claim| claim.is_finished()));
    }
    raw.run("COMMIT").await;

    let mut handed_out = Vec::new();
    for claim in claims {
        handed_out.extend(claim.await.unwrap().unwrap());
    }
    assert_eq!(sorted(handed_out), jobs);
}

async fn ten_thousand_jobs_are_back_within_two_seconds(fresh: Fresh) {
    let store = fresh.open().await;
    let jobs: Vec<_> = (0..MANY)
        .map(|n| job(&format!("room {}", n % 500), &format!("identity {n:05}")))
        .collect();
    let began = clock::now();
    for some in jobs.chunks(500) {
        let taken: Vec<_> = some.iter().cloned().map(LeaveChange::Take).collect();
        store.write_leaves(&taken).await.unwrap();
    }
    let written = clock::now() - began;
    store.close().await;

    let began = clock::now();
    let next_run = fresh.open().await;
    let found = next_run.claim(NOW_MS, LEASE).await.unwrap();
    let reloaded = clock::now() - began;
    println!("{fresh}: {MANY} jobs written in {written:?}, opened and claimed in {reloaded:?}");
    assert_eq!(sorted(found), sorted(jobs));
    assert!(reloaded < Duration::from_secs(2), "{reloaded:?}");
}

async fn the_port_of_the_delayed_leaves_does_the_same(fresh: Fresh) {
    let unix_s = Arc::new(AtomicU64::new(NOW_MS / 1000));
    let clock_of = |unix_s: &Arc<AtomicU64>| -> Clock {
        let (unix_s, instant) = (unix_s.clone(), clock::now());
        Arc::new(move || Now {
            instant,
            unix_s: unix_s.load(Ordering::Relaxed),
        })
    };
    let store = fresh.open().await;
    let one = store.leaves(clock_of(&unix_s));
    let other = store
        .acting_as(ProcessId::new("other").unwrap())
        .leaves(clock_of(&unix_s));
    assert_eq!(one.claim().await, Ok(vec![]));
    let take = [LeaveChange::Take(job("room", "alice"))];
    assert_eq!(one.write(&take).await, Ok(vec![]));
    assert_eq!(other.claim().await, Ok(vec![]));

    // Two claims may fail; a third one that does not come is a dead process.
    unix_s.fetch_add(CLAIM_INTERVAL.as_secs() * 2 + 1, Ordering::Relaxed);
    assert_eq!(other.claim().await, Ok(vec![]));
    unix_s.fetch_add(CLAIM_INTERVAL.as_secs(), Ordering::Relaxed);
    assert_eq!(other.claim().await, Ok(vec![job("room", "alice")]));
    assert_eq!(
        one.take(&seat("room", "alice")).await,
        Ok(Some(job("room", "alice")))
    );

    store.close().await;
    let error = one.claim().await.unwrap_err().to_string();
    assert!(error.contains("the database cannot be reached"), "{error}");
}
