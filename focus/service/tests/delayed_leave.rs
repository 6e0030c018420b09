//! Delayed leaves in virtual time: people come, go, are lost and come back, as the SFU tells it or not.
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

#[test]
fn while_somebody_sits_there_the_leave_is_put_off_and_when_it_is_lost_the_leave_is_sent_at_once() {
    let mut bench = Bench::new();
    bench.delegate(delegation(ALICE, "first", HOUR));
    assert_eq!(bench.done(), [Did::LookUp], "it may be there already");
    bench.looked_up(LookUpAnswer::Absent);
    bench.joined(ALICE, "PA_1");
    assert_eq!(bench.done(), [Did::Restart("first".into())]);
    bench.restarted(Ok(()));
    bench.pass(10 * HOUR, &Ok(()), &CONNECTED());
    let times: Vec<u64> = bench.did.iter().map(|(at, _)| *at).collect();
    assert!((12..=14).contains(&times.len()), "{times:?}");
    let mut before = 0;
    for at in times {
        let part = (at - before) * 100 / HOUR;
        assert!((75..=80).contains(&part), "{part} %");
        before = at;
    }
    let restarts = bench.done();
    assert!(
        restarts.iter().all(|did| *did == Did::Restart("first".into())),
        "{restarts:?}"
    );

    bench.left(ALICE, "PA_1", "CONNECTION_TIMEOUT");
    assert_eq!(bench.done(), [Did::Send("first".into())]);
    bench.sent(Ok(()));
    assert_eq!(bench.done(), [Did::End(End::Sent)]);
    assert!(bench.stored.is_empty() && bench.machine.is_empty());
}

#[test]
fn a_device_that_is_lost_or_removed_is_sent_away_and_its_neighbour_stays() {
    for reason in [
        "CONNECTION_TIMEOUT",
        "PARTICIPANT_REMOVED",
        "ROOM_DELETED",
        "NEW_REASON",
        "",
    ] {
        let mut bench = Bench::with_alice_connected();
        bench.delegate(delegation(BOB, "bobs", HOUR));
        bench.looked_up(LookUpAnswer::Connected { sid: "PA_2".into() });
        bench.restarted(Ok(()));
        bench.done();
        bench.left(ALICE, "PA_1", reason);
        assert_eq!(bench.done(), [Did::Send("first".into())], "{reason}");
        assert_eq!(bench.state(BOB), LeaveState::Connected);
        bench.sent(Err(DelayedEventError::Unknown));
        assert_eq!(
            bench.done(),
            [Did::End(End::Sent)],
            "404: the homeserver has sent it before"
        );
        assert_eq!(bench.machine.len(), 1);
    }
}

#[test]
fn who_is_there_already_is_found_by_looking() {
    let mut bench = Bench::new();
    bench.delegate(delegation(ALICE, "first", HOUR));
    bench.looked_up(CONNECTED());
    assert_eq!(bench.done(), [Did::LookUp, Did::Restart("first".into())]);
    assert_eq!(bench.state(ALICE), LeaveState::Connected);
}

#[test]
fn who_never_comes_is_gone_after_the_wait_and_not_before() {
    let mut bench = Bench::new();
    bench.delegate(delegation(ALICE, "first", HOUR));
    bench.pass(CONNECT_WAIT_MS - 1, &Ok(()), &LookUpAnswer::Absent);
    assert_eq!(bench.state(ALICE), LeaveState::WaitingForConnect);
    let looked = bench.done();
    assert!(
        (4..=20).contains(&looked.len()) && looked.iter().all(|did| *did == Did::LookUp),
        "{looked:?}"
    );
    bench.pass(1, &Ok(()), &LookUpAnswer::Absent);
    assert_eq!(
        bench.done(),
        [Did::LookUp, Did::Send("first".into()), Did::End(End::Sent)]
    );
}

#[test]
fn while_an_sfu_gives_no_answer_nobody_is_gone_until_the_delay_is_over() {
    for (delay, end) in [(20 * 60 * SECOND, 20 * 60 * SECOND), (3 * HOUR, HOUR)] {
        let mut bench = Bench::new();
        bench.delegate(delegation(ALICE, "first", delay));
        bench.pass(end - 1, &Ok(()), &LookUpAnswer::Unknown);
        assert_eq!(bench.state(ALICE), LeaveState::WaitingForConnect);
        assert!(bench.done().iter().all(|did| *did == Did::LookUp));
        bench.pass(1, &Ok(()), &LookUpAnswer::Unknown);
        let done = bench.done();
        assert!(
            done.ends_with(&[Did::Send("first".into()), Did::End(End::Sent)]),
            "{done:?}"
        );
    }
}

#[test]
fn who_is_still_connecting_is_waited_for_and_found() {
    let mut bench = Bench::new();
    bench.delegate(delegation(ALICE, "first", HOUR));
    bench.pass(3 * CONNECT_WAIT_MS, &Ok(()), &LookUpAnswer::Connecting);
    assert_eq!(bench.state(ALICE), LeaveState::WaitingForConnect);
    bench.pass(60 * SECOND, &Ok(()), &CONNECTED());
    assert_eq!(bench.state(ALICE), LeaveState::Connected);
}

#[test]
fn a_failed_attempt_to_connect_ends_in_a_leave_unless_the_next_one_succeeds() {
    for comes in [true, false] {
        let mut bench = Bench::new();
        bench.delegate(delegation(ALICE, "first", HOUR));
        bench.looked_up(LookUpAnswer::Connecting);
        bench.done();
        for attempt in ["PA_0", "PA_1"] {
            bench.pass(ABORT_WAIT_MS - 1, &Ok(()), &LookUpAnswer::Absent);
            bench.did.clear();
            bench.aborted(ALICE, attempt);
        }
        bench.pass(ABORT_WAIT_MS - 1, &Ok(()), &LookUpAnswer::Absent);
        assert_eq!(bench.done(), [], "time for another attempt");
        if comes {
            bench.joined(ALICE, "PA_2");
            bench.pass(10 * SECOND, &Ok(()), &CONNECTED());
            assert_eq!(bench.done(), [Did::Restart("first".into())]);
        } else {
            bench.pass(1, &Ok(()), &LookUpAnswer::Absent);
            assert_eq!(
                bench.done(),
                [Did::LookUp, Did::Send("first".into()), Did::End(End::Sent)]
            );
        }
    }
}

#[test]
fn an_aborted_attempt_of_another_session_does_not_move_who_is_connected() {
    let mut bench = Bench::with_alice_connected();
    bench.aborted(ALICE, "PA_0");
    bench.pass(ABORT_WAIT_MS, &Ok(()), &CONNECTED());
    assert_eq!(bench.done(), [Did::LookUp]);
    assert_eq!(bench.state(ALICE), LeaveState::Connected);
    bench.aborted(ALICE, "PA_1");
    assert_eq!(bench.done(), [Did::Send("first".into())]);
}

#[test]
fn a_session_that_is_taken_over_ends_nobody() {
    let mut bench = Bench::with_alice_connected();
    bench.left(ALICE, "PA_1", "DUPLICATE_IDENTITY");
    assert_eq!(bench.state(ALICE), LeaveState::WaitingForConnect);
    bench.pass(RETURN_WAIT_MS - 1, &Ok(()), &LookUpAnswer::Absent);
    bench.joined(ALICE, "PA_2");
    assert_eq!(bench.done(), [Did::Restart("first".into())]);
    bench.restarted(Ok(()));
    bench.left(ALICE, "PA_1", "CONNECTION_TIMEOUT");
    assert_eq!(
        bench.done(),
        [],
        "the old session, told of late, is not the one that sits there"
    );
    bench.left(ALICE, "PA_2", "CONNECTION_TIMEOUT");
    assert_eq!(bench.done(), [Did::Send("first".into())]);
}

#[test]
fn a_client_that_ends_its_session_and_begins_anew_stays_in_the_call() {
    for pause in [1, ANEW_WAIT_MS - 1] {
        let mut bench = Bench::with_alice_connected();
        for (session, next) in [("PA_1", "PA_2"), ("PA_2", "PA_3")] {
            bench.left(ALICE, session, "CLIENT_INITIATED");
            assert_eq!(bench.state(ALICE), LeaveState::WaitingForConnect);
            bench.pass(pause, &Ok(()), &LookUpAnswer::Absent);
            assert_eq!(bench.done(), []);
            bench.joined(ALICE, next);
            assert_eq!(bench.done(), [Did::Restart("first".into())]);
            bench.restarted(Ok(()));
            bench.pass(HOUR / 2, &Ok(()), &LookUpAnswer::Absent);
            assert_eq!(bench.done(), [], "the grace is over, and was for before");
        }
    }
}

#[test]
fn a_client_that_ends_its_session_and_does_not_begin_anew_is_gone_after_the_grace() {
    let mut bench = Bench::with_alice_connected();
    bench.delegate(delegation(BOB, "bobs", HOUR));
    bench.looked_up(LookUpAnswer::Connected { sid: "PA_2".into() });
    bench.restarted(Ok(()));
    bench.done();
    bench.left(ALICE, "PA_1", "CLIENT_INITIATED");
    bench.pass(ANEW_WAIT_MS - 1, &Ok(()), &LookUpAnswer::Absent);
    assert_eq!(bench.done(), []);
    bench.pass(1, &Ok(()), &LookUpAnswer::Absent);
    assert_eq!(
        bench.done(),
        [Did::LookUp, Did::Send("first".into()), Did::End(End::Sent)]
    );
    assert_eq!(bench.state(BOB), LeaveState::Connected);
}

#[test]
fn a_client_that_is_still_connecting_anew_when_the_grace_is_over_stays() {
    let mut bench = Bench::with_alice_connected();
    bench.left(ALICE, "PA_1", "CLIENT_INITIATED");
    bench.pass(ANEW_WAIT_MS + 20 * SECOND, &Ok(()), &LookUpAnswer::Connecting);
    assert_eq!(bench.state(ALICE), LeaveState::WaitingForConnect);
    bench.joined(ALICE, "PA_2");
    bench.pass(SECOND, &Ok(()), &CONNECTED());
    let done = bench.done();
    assert!(
        done.iter()
            .filter(|did| **did != Did::LookUp)
            .eq([&Did::Restart("first".into())]),
        "{done:?}"
    );
}

#[test]
fn who_is_not_seen_and_nobody_says_why_is_looked_for_once_more() {
    for there in [true, false] {
        let mut bench = Bench::with_alice_connected();
        bench.missing(ALICE, "PA_1");
        // The same look again, and one of before that comes late, change nothing.
        bench.missing(ALICE, "PA_1");
        bench.pass(MISSING_WAIT_MS - 1, &Ok(()), &LookUpAnswer::Absent);
        assert_eq!(bench.done(), []);
        let seen = if there { CONNECTED() } else { LookUpAnswer::Absent };
        bench.pass(1, &Ok(()), &seen);
        let expected = if there {
            vec![Did::LookUp, Did::Restart("first".into())]
        } else {
            vec![Did::LookUp, Did::Send("first".into()), Did::End(End::Sent)]
        };
        assert_eq!(bench.done(), expected);
    }
}

#[test]
fn a_look_that_misses_a_client_which_begins_anew_does_not_cut_its_grace_short() {
    let mut bench = Bench::with_alice_connected();
    bench.left(ALICE, "PA_1", "CLIENT_INITIATED");
    bench.pass(SECOND, &Ok(()), &LookUpAnswer::Absent);
    bench.missing(ALICE, "PA_1");
    bench.pass(ANEW_WAIT_MS - SECOND - 1, &Ok(()), &LookUpAnswer::Absent);
    assert_eq!(bench.done(), []);
    bench.joined(ALICE, "PA_2");
    assert_eq!(bench.done(), [Did::Restart("first".into())]);
}

#[test]
fn when_the_sfu_stops_people_get_time_to_come_back_and_who_does_not_is_gone() {
    let mut bench = Bench::with_alice_connected();
    bench.left(ALICE, "PA_1", "SERVER_SHUTDOWN");
    bench.pass(RETURN_WAIT_MS - 1, &Ok(()), &LookUpAnswer::Absent);
    assert_eq!(bench.done(), []);
    bench.pass(1, &Ok(()), &LookUpAnswer::Absent);
    assert_eq!(
        bench.done(),
        [Did::LookUp, Did::Send("first".into()), Did::End(End::Sent)]
    );
}

#[test]
fn a_departure_of_before_that_is_told_of_late_is_checked_by_looking() {
    for (there, reason) in [
        (true, "CONNECTION_TIMEOUT"),
        (false, "CONNECTION_TIMEOUT"),
        (true, "CLIENT_INITIATED"),
        (false, "CLIENT_INITIATED"),
    ] {
        let mut bench = Bench::new();
        bench.delegate(delegation(ALICE, "first", HOUR));
        bench.looked_up(LookUpAnswer::Absent);
        bench.done();
        bench.left(ALICE, "PA_0", reason);
        assert_eq!(bench.done(), [Did::LookUp]);
        bench.looked_up(if there { CONNECTED() } else { LookUpAnswer::Absent });
        if !there && reason == "CLIENT_INITIATED" {
            assert_eq!(bench.done(), [], "it may begin anew");
            bench.pass(ANEW_WAIT_MS - 1, &Ok(()), &LookUpAnswer::Absent);
            bench.did.retain(|(_, did)| *did != Did::LookUp);
            assert_eq!(bench.done(), []);
            bench.pass(1, &Ok(()), &LookUpAnswer::Absent);
            bench.did.retain(|(_, did)| *did == Did::Send("first".into()));
        }
        let expected = if there {
            Did::Restart("first".into())
        } else {
            Did::Send("first".into())
        };
        assert_eq!(bench.done(), [expected]);
    }
}

#[test]
fn a_room_that_closes_is_looked_at_and_other_rooms_are_not() {
    let mut bench = Bench::with_alice_connected();
    let mut elsewhere = delegation(BOB, "bobs", HOUR);
    elsewhere.seat.room = "room2".into();
    bench.delegate(elsewhere);
    bench.looked_up(LookUpAnswer::Connected { sid: "PA_2".into() });
    bench.restarted(Ok(()));
    bench.done();
    bench.give(Input::Seat(SeatEvent::RoomFinished { room: "room".into() }));
    assert_eq!(bench.done(), [Did::LookUp]);
    bench.looked_up(LookUpAnswer::Absent);
    assert_eq!(bench.done(), [Did::Send("first".into())]);
}

#[test]
fn after_lost_events_everybody_is_looked_at_and_an_absence_counts_when_it_is_seen_twice() {
    let mut bench = Bench::with_alice_connected();
    bench.give(Input::Seat(SeatEvent::Missed));
    bench.pass(SECOND, &Ok(()), &LookUpAnswer::Absent);
    assert_eq!(bench.done(), [Did::LookUp]);
    bench.pass(ABSENCE_WAIT_MS, &Ok(()), &LookUpAnswer::Absent);
    assert_eq!(
        bench.done(),
        [Did::LookUp, Did::Send("first".into()), Did::End(End::Sent)]
    );
}

#[test]
fn seats_are_looked_at_now_and_then_in_case_that_an_event_was_lost() {
    let minute = 60 * SECOND;
    let mut bench = Bench::with_glances(minute);
    bench.delegate(delegation(ALICE, "first", 24 * HOUR));
    bench.joined(ALICE, "PA_1");
    bench.pass(HOUR, &Ok(()), &CONNECTED());
    let looked = bench.done().iter().filter(|did| **did == Did::LookUp).count();
    assert!((60..=121).contains(&looked), "{looked}");
    bench.pass(HOUR, &Ok(()), &LookUpAnswer::Unknown);
    assert_eq!(
        bench.state(ALICE),
        LeaveState::Connected,
        "no answer is no absence"
    );
    bench.done();
    bench.pass(minute + ABSENCE_WAIT_MS, &Ok(()), &LookUpAnswer::Absent);
    assert_eq!(bench.done().last(), Some(&Did::End(End::Sent)));
}
