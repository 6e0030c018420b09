//! What is acknowledged survives SIGKILL: another process writes and says what it was told is stored, until it is killed.

use crate::databases::Fresh;
use crate::{NOW_MS, job, on_both, seat};
use hanse_focus::LeaveChange;
use hanse_focus::store::Store;
use std::collections::HashSet;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::time::Duration;

on_both! {
    a_killed_process_loses_nothing_that_was_acknowledged,
}

/// Tells the test below which database to write to.
const URL: &str = "HANSE_TEST_WRITE_UNTIL_KILLED";

/// Writers in the process that is killed.
const WRITERS: usize = 16;

/// Acknowledgements that are waited for before the kill, in each round.
const ROUNDS: [usize; 4] = [1, 50, 500, 2000];

fn room(round: &str, writer: usize) -> String {
    format!("{round} {writer}")
}

/// Not a test, but the process that is killed: it is started by the test below, and writes without end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "started by the tests of this file"]
async fn write_until_killed() {
    let (url, round) = (std::env::var(URL).unwrap(), std::env::var("ROUND").unwrap());
    let store = Store::open(&url).await.unwrap();
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..WRITERS {
        let (store, room) = (store.clone(), room(&round, writer));
        writers.spawn(async move {
            for n in 0.. {
                let job = job(&room, &n.to_string());
                let take = [LeaveChange::Take(job.clone())];
                store.write_leaves(&take).await.unwrap();
                say(&format!("stored\t{room}\t{n}"));
                if n % 3 == 0 {
                    let forget = [LeaveChange::Forget(job.seat)];
                    store.write_leaves(&forget).await.unwrap();
                    say(&format!("forgotten\t{room}\t{n}"));
                }
            }
        });
    }
    writers.join_all().await;
}

/// One whole line at once, past the test harness, which would keep it.
fn say(line: &str) {
    let mut stdout = std::io::stdout().lock();
    let _ = stdout.write_all(format!("{line}\n").as_bytes());
    let _ = stdout.flush();
}

/// What the process said before it was killed: stored, and forgotten afterwards.
fn kill_a_writer(url: &str, round: &str, acknowledged: usize) -> (HashSet<String>, HashSet<String>) {
    let mut process = Command::new(std::env::current_exe().unwrap())
        .args([
            "durability::write_until_killed",
            "--exact",
            "--ignored",
            "--nocapture",
        ])
        .env(URL, url)
        .env("ROUND", round)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
    let (mut stored, mut forgotten) = (HashSet::new(), HashSet::new());
    let mut note = |line: String| {
        match line.split_once('\t') {
            Some(("stored", key)) => stored.insert(key.to_owned()),
            Some(("forgotten", key)) => forgotten.insert(key.to_owned()),
            _ => return 0,
        };
        1
    };
    let mut heard = 0;
    while heard < acknowledged {
        heard += note(
            lines
                .next()
                .expect("the writer goes on until it is killed")
                .unwrap(),
        );
    }
    process.kill().unwrap();
    process.wait().unwrap();
    // What it had said before is in the pipe, with half a line at its end at most, which `say` does not leave.
    for line in lines {
        note(line.unwrap());
    }
    (stored, forgotten)
}

async fn a_killed_process_loses_nothing_that_was_acknowledged(fresh: Fresh) {
    let (mut acknowledged, mut gone) = (HashSet::new(), HashSet::new());
    for count in ROUNDS {
        let (url, round) = (fresh.url().to_owned(), count.to_string());
        let (stored, forgotten) = tokio::task::spawn_blocking(move || kill_a_writer(&url, &round, count))
            .await
            .unwrap();
        acknowledged.extend(stored);
        gone.extend(forgotten);

        // The next process opens it at once, and has what the others were promised.
        let store = fresh.open().await;
        let found = store.claim(NOW_MS, Duration::from_secs(15)).await.unwrap();
        for job in &found {
            assert_eq!(
                job,
                &crate::job(&job.seat.room, &job.seat.identity),
                "whole or not at all"
            );
        }
        store.release().await.unwrap();
        let found: HashSet<_> = found
            .iter()
            .map(|job| format!("{}\t{}", job.seat.room, job.seat.identity))
            .collect();
        for key in acknowledged.difference(&found) {
            let (room, n) = key.split_once('\t').unwrap();
            let may_be_forgotten = n.parse::<u64>().unwrap() % 3 == 0;
            assert!(may_be_forgotten, "{} is lost", seat(room, n).identity);
        }
        let back = gone.intersection(&found).count();
        assert_eq!(back, 0, "forgotten jobs are back");
        store.close().await;
    }
    println!(
        "{fresh}: killed {} times, {} stored and {} forgotten, all as acknowledged",
        ROUNDS.len(),
        acknowledged.len(),
        gone.len()
    );
}
