//! Delayed leaves in virtual time: homeservers that are away or in a hurry, leaves that are replaced, crashes, limits.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)] // A test may panic.

mod delayed_leave_bench;

use delayed_leave_bench::*;
use hanse_focus::DelayedEventError;
use hanse_focus::delayed_leave::*;
use hanse_runtime::Secret;
use std::time::Duration;

#[test]
fn a_homeserver_that_is_away_is_asked_less_and_less_often_until_the_delay_is_over() {
    let mut bench = Bench::with_alice_connected();
    bench.pass(HOUR, &Err(unreachable()), &CONNECTED());
    let times: Vec<u64> = bench.did.iter().map(|(at, _)| *at).collect();
    let first = times[0] * 100 / HOUR;
    assert!((75..=80).contains(&first), "{first} %");
    assert!((15..=60).contains(&times.len()), "{times:?}");
    assert!(
        times.windows(2).all(|two| two[1] - two[0] <= 60 * SECOND),
        "{times:?}"
    );
    assert_eq!(
        bench.did.last(),
        Some(&(HOUR, Did::End(End::Aborted))),
        "then the homeserver has sent it"
    );
    assert!(bench.stored.is_empty());
}

#[test]
fn a_homeserver_that_comes_back_in_time_has_the_delay_started_anew() {
    let mut bench = Bench::with_alice_connected();
    bench.pass(HOUR - 60 * SECOND, &Err(unreachable()), &CONNECTED());
    bench.pass(60 * SECOND, &Ok(()), &CONNECTED());
    bench.done();
    bench.pass(HOUR / 2, &Ok(()), &CONNECTED());
    assert_eq!(bench.done(), []);
    assert_eq!(bench.state(ALICE), LeaveState::Connected);
}

#[test]
fn a_homeserver_that_says_when_is_not_asked_before() {
    let wait = 100 * SECOND;
    let slow = || Err(DelayedEventError::TooOften(Duration::from_millis(wait)));
    let mut bench = Bench::new();
    bench.delegate(delegation(ALICE, "first", HOUR));
    bench.joined(ALICE, "PA_1");
    bench.restarted(slow());
    bench.done();
    bench.pass(wait - 1, &Ok(()), &CONNECTED());
    assert_eq!(bench.done(), []);
    bench.pass(1, &Ok(()), &CONNECTED());
    assert_eq!(bench.done(), [Did::Restart("first".into())]);

    bench.left(ALICE, "PA_1", "CONNECTION_TIMEOUT");
    bench.sent(slow());
    bench.done();
    bench.pass(wait - 1, &Ok(()), &LookUpAnswer::Absent);
    assert_eq!(bench.done(), []);
    bench.pass(1, &Ok(()), &LookUpAnswer::Absent);
    assert_eq!(bench.done(), [Did::Send("first".into()), Did::End(End::Sent)]);
}

#[test]
fn a_homeserver_that_asks_for_more_time_than_there_is_ends_the_job_in_time() {
    let mut bench = Bench::new();
    bench.delegate(delegation(ALICE, "first", HOUR));
    bench.joined(ALICE, "PA_1");
    bench.restarted(Err(DelayedEventError::TooOften(Duration::MAX)));
    bench.pass(HOUR, &Ok(()), &CONNECTED());
    assert_eq!(bench.did.last(), Some(&(HOUR, Did::End(End::Aborted))));
}

#[test]
fn a_leave_that_the_homeserver_does_not_know_is_let_go_and_another_may_take_its_place() {
    let mut bench = Bench::with_alice_connected();
    bench.pass(HOUR, &Err(DelayedEventError::Unknown), &CONNECTED());
    assert_eq!(
        bench.done(),
        [Did::Restart("first".into()), Did::End(End::Aborted)]
    );
    bench.delegate(delegation(ALICE, "second", HOUR));
    bench.looked_up(CONNECTED());
    assert_eq!(bench.done(), [Did::LookUp, Did::Restart("second".into())]);
}

#[test]
fn an_answer_that_is_on_its_way_when_the_delay_ends_still_counts() {
    let mut bench = Bench::new();
    bench.delegate(delegation(ALICE, "first", 10 * SECOND));
    bench.joined(ALICE, "PA_1");
    bench.now += 11 * SECOND;
    bench.machine.handle_timeout(bench.now);
    bench.drain();
    bench.done();
    let late = bench.restarts.pop().unwrap();
    bench.give(Input::Restarted(late, Err(unreachable())));
    assert_eq!(bench.done(), [Did::End(End::Aborted)]);
}

#[test]
fn telling_a_homeserver_of_a_leave_goes_on_until_it_has_sent_it_by_itself() {
    let mut bench = Bench::with_alice_connected();
    bench.now += 30 * 60 * SECOND;
    bench.left(ALICE, "PA_1", "CONNECTION_TIMEOUT");
    bench.pass(30 * 60 * SECOND, &Err(unreachable()), &LookUpAnswer::Absent);
    let (sends, end) = bench.did.split_at(bench.did.len() - 1);
    assert!(
        sends.len() > 30 && sends.iter().all(|(_, did)| *did == Did::Send("first".into())),
        "{sends:?}"
    );
    assert!(
        sends[1].0 - sends[0].0 <= 2 * SECOND,
        "the second attempt is early"
    );
    assert_eq!(end, [(HOUR, Did::End(End::GaveUp))]);
}

#[test]
fn who_comes_back_before_the_homeserver_was_told_stays() {
    let mut bench = Bench::with_alice_connected();
    bench.left(ALICE, "PA_1", "CONNECTION_TIMEOUT");
    bench.sent(Err(unreachable()));
    bench.joined(ALICE, "PA_2");
    assert_eq!(
        bench.done(),
        [Did::Send("first".into()), Did::Restart("first".into())]
    );
    bench.restarted(Ok(()));
    bench.pass(HOUR / 2, &Ok(()), &CONNECTED());
    assert_eq!(bench.done(), []);
}

#[test]
fn who_comes_back_while_the_homeserver_is_being_told_stays_only_if_that_fails() {
    for sent in [true, false] {
        let mut bench = Bench::with_alice_connected();
        bench.left(ALICE, "PA_1", "CONNECTION_TIMEOUT");
        bench.joined(ALICE, "PA_2");
        bench.done();
        bench.sent(if sent { Ok(()) } else { Err(unreachable()) });
        let expected = if sent {
            Did::End(End::Sent)
        } else {
            Did::Restart("first".into())
        };
        assert_eq!(bench.done(), [expected]);
    }
    let mut bench = Bench::with_alice_connected();
    bench.left(ALICE, "PA_1", "CONNECTION_TIMEOUT");
    bench.joined(ALICE, "PA_2");
    bench.left(ALICE, "PA_2", "CONNECTION_TIMEOUT");
    bench.sent(Err(unreachable()));
    bench.done();
    bench.pass(5 * SECOND, &Ok(()), &LookUpAnswer::Absent);
    assert_eq!(
        bench.done(),
        [Did::Send("first".into()), Did::End(End::Sent)],
        "and went again"
    );
}

#[test]
fn a_new_leave_takes_the_place_of_the_old_one_and_the_seat_stays() {
    let mut bench = Bench::with_alice_connected();
    bench.delegate(delegation(ALICE, "second", HOUR));
    assert_eq!(
        bench.done(),
        [
            Did::Cancel("first".into()),
            Did::End(End::Replaced),
            Did::Restart("second".into())
        ],
        "the old one would end the session later"
    );
    assert_eq!(bench.state(ALICE), LeaveState::Connected);
    assert_eq!(bench.stored[&seat(ALICE)].delay_id, Secret::new("second".into()));
    bench.restarted(Ok(()));
    bench.left(ALICE, "PA_1", "CONNECTION_TIMEOUT");
    assert_eq!(bench.done(), [Did::Send("second".into())]);
}

#[test]
fn an_answer_about_a_replaced_leave_changes_nothing() {
    let mut bench = Bench::new();
    bench.delegate(delegation(ALICE, "first", HOUR));
    bench.joined(ALICE, "PA_1");
    let old = bench.restarts.pop().unwrap();
    bench.delegate(delegation(ALICE, "second", HOUR));
    bench.done();
    bench.give(Input::Restarted(old, Err(DelayedEventError::Unknown)));
    assert_eq!(bench.done(), []);
    assert_eq!(bench.machine.len(), 1);
}

#[test]
fn the_same_leave_handed_over_again_is_neither_cancelled_nor_lost() {
    let mut bench = Bench::with_alice_connected();
    for _ in 0..3 {
        bench.delegate(delegation(ALICE, "first", HOUR));
        bench.restarted(Ok(()));
    }
    assert!(!bench.done().contains(&Did::Cancel("first".into())));
    assert_eq!(
        (bench.machine.len(), bench.state(ALICE)),
        (1, LeaveState::Connected)
    );
}

#[test]
fn a_leave_that_is_being_sent_is_not_cancelled_by_the_next() {
    let mut bench = Bench::with_alice_connected();
    bench.left(ALICE, "PA_1", "CONNECTION_TIMEOUT");
    bench.delegate(delegation(ALICE, "second", HOUR));
    assert!(!bench.done().contains(&Did::Cancel("first".into())));
    assert_eq!(bench.state(ALICE), LeaveState::WaitingForConnect);
}

#[test]
fn a_leave_may_be_for_either_of_two_identities() {
    for identity in [ALICE, ALICE_PLAIN] {
        let mut bench = Bench::new();
        let mut both = delegation(ALICE, "first", HOUR);
        both.other_identity = Some(ALICE_PLAIN.into());
        bench.delegate(both.clone());
        bench.looked_up(LookUpAnswer::Absent);
        bench.joined(identity, "PA_1");
        bench.restarted(Ok(()));
        assert_eq!(bench.state(ALICE), LeaveState::Connected);
        bench.done();
        // A new leave for the form that is there takes the place of the one for both.
        bench.delegate(delegation(identity, "second", HOUR));
        assert_eq!(bench.machine.len(), 1);
        assert_eq!(bench.state(identity), LeaveState::Connected);
        bench.delegate(both);
        assert_eq!(
            (bench.machine.len(), bench.stored.len()),
            (1, 1),
            "and the other way round"
        );
        bench.done();
        bench.left(identity, "PA_1", "CONNECTION_TIMEOUT");
        assert_eq!(bench.done(), [Did::Send("first".into())]);
    }
}

#[test]
fn both_identities_are_asked_for() {
    let mut bench = Bench::new();
    let mut both = delegation(ALICE, "first", HOUR);
    both.other_identity = Some(ALICE_PLAIN.into());
    bench.machine.delegate(both, bench.now).unwrap();
    let asked = std::iter::from_fn(|| bench.machine.poll_output()).find_map(|output| match output {
        Output::LookUp { seats, .. } => Some(seats),
        _ => None,
    });
    assert!(asked == Some(vec![seat(ALICE), seat(ALICE_PLAIN)]));
}

#[test]
fn after_a_crash_who_is_still_there_stays_and_who_is_not_gets_time_to_come_back() {
    let mut bench = Bench::with_alice_connected();
    bench.delegate(delegation(BOB, "bobs", HOUR));
    bench.joined(BOB, "PA_2");
    bench.restarted(Ok(()));
    bench.now += 5 * 60 * SECOND;
    bench.crash();
    bench.pass(RETURN_WAIT_MS / 2, &Ok(()), &LookUpAnswer::Absent);
    bench.joined(BOB, "PA_9");
    bench.pass(RETURN_WAIT_MS / 2, &Ok(()), &LookUpAnswer::Absent);
    let done = bench.done();
    assert!(
        done.contains(&Did::Send("first".into())) && done.contains(&Did::Restart("bobs".into())),
        "{done:?}"
    );
    assert!(!done.contains(&Did::Send("bobs".into())), "{done:?}");
    assert_eq!(bench.state(BOB), LeaveState::Connected);
    assert_eq!(bench.machine.len(), 1);
}

#[test]
fn after_a_crash_a_leave_that_was_to_be_sent_is_sent_unless_its_owner_is_back() {
    for back in [true, false] {
        let mut bench = Bench::with_alice_connected();
        bench.left(ALICE, "PA_1", "CONNECTION_TIMEOUT");
        bench.crash();
        let seen = if back { CONNECTED() } else { LookUpAnswer::Absent };
        bench.pass(SECOND, &Ok(()), &seen);
        let expected = if back {
            vec![Did::LookUp, Did::Restart("first".into())]
        } else {
            vec![Did::LookUp, Did::Send("first".into()), Did::End(End::Sent)]
        };
        assert_eq!(bench.done(), expected);
    }
}

#[test]
fn after_a_long_absence_what_homeservers_have_sent_by_themselves_is_forgotten() {
    let mut bench = Bench::with_alice_connected();
    bench.now += HOUR;
    bench.crash();
    assert_eq!(bench.done(), [Did::End(End::Aborted)]);
    assert!(bench.stored.is_empty());
}

#[test]
fn what_another_process_holds_by_now_is_let_go_without_a_trace() {
    let mut bench = Bench::with_alice_connected();
    bench.give(Input::Lost(vec![seat(ALICE), seat(BOB)]));
    assert_eq!(bench.done(), [Did::End(End::Lost)]);
    assert_eq!(bench.stored.len(), 1, "it is the other's");
    bench.pass(2 * HOUR, &Ok(()), &LookUpAnswer::Absent);
    assert_eq!(bench.done(), []);
}

#[test]
fn once_it_stops_nobody_is_sent_away_and_no_leave_is_taken() {
    let mut bench = Bench::with_alice_connected();
    bench.give(Input::Shutdown);
    bench.left(ALICE, "PA_1", "SERVER_SHUTDOWN");
    bench.left(ALICE, "PA_1", "CONNECTION_TIMEOUT");
    bench.pass(2 * HOUR, &Ok(()), &LookUpAnswer::Absent);
    assert_eq!(bench.done(), []);
    assert_eq!(bench.state(ALICE), LeaveState::Connected);
    let refused = bench.machine.delegate(delegation(BOB, "bobs", HOUR), bench.now);
    assert_eq!(refused, Err(LeaveRefusal::Stopping));
}

#[test]
fn a_full_machine_takes_no_more_but_still_replaces() {
    let mut bench = Bench::new();
    for number in 0..JOBS_MAX {
        bench.delegate(delegation(&number.to_string(), "leave", HOUR));
    }
    let one_more = bench
        .machine
        .delegate(delegation(ALICE, "first", HOUR), bench.now);
    assert_eq!(one_more, Err(LeaveRefusal::Full));
    assert!(!bench.machine.knows(&seat(ALICE)));
    bench.delegate(delegation("7", "another", HOUR));
    assert_eq!(bench.machine.len(), JOBS_MAX);
}

#[test]
fn an_absurd_delay_is_bounded() {
    let mut bench = Bench::new();
    bench.delegate(delegation(ALICE, "first", u64::MAX));
    bench.joined(ALICE, "PA_1");
    bench.restarted(Ok(()));
    bench.done();
    bench.pass(DELAY_MS_MAX, &Ok(()), &CONNECTED());
    assert_eq!(bench.done(), [Did::Restart("first".into())]);
    let absurd = LeaveJob {
        seat: seat(BOB),
        delay_ms: u64::MAX,
        restarted_at_ms: u64::MAX,
        ..bench.stored[&seat(ALICE)].clone()
    };
    bench.stored.insert(seat(BOB), absurd.clone());
    bench.give(Input::Recovered(vec![absurd]));
    bench.pass(4 * HOUR, &Err(unreachable()), &CONNECTED());
    bench.pass(48 * HOUR, &Ok(()), &LookUpAnswer::Unknown);
}

#[test]
fn no_form_for_developers_names_anybody() {
    let mut bench = Bench::new();
    let mut both = delegation(ALICE, "first", HOUR);
    both.other_identity = Some(ALICE_PLAIN.into());
    let left = SeatEvent::RoomFinished {
        room: "kitchen".into(),
    };
    let mut shown = format!("{both:?} {left:?}");
    bench.machine.delegate(both, bench.now).unwrap();
    while let Some(output) = bench.machine.poll_output() {
        shown += &format!("{output:?}");
    }
    assert!(shown.contains("Take") && shown.contains("LookUp"), "{shown}");
    for clear in [ALICE, ALICE_PLAIN, "first", "kitchen"] {
        assert!(!shown.contains(clear), "{shown}");
    }
}
