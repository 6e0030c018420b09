use super::*;
use proptest::prelude::*;

const SECOND: Duration = Duration::from_secs(1);

fn webhook(room: &str, event: &str) -> Webhook {
    let is_ending = event.starts_with("left");
    Webhook {
        number: 0,
        created_unix_s: 0,
        room: room.into(),
        event: event.into(),
        importance: if is_ending {
            Importance::Ending
        } else {
            Importance::Ordinary
        },
        body: Bytes::copy_from_slice(event.as_bytes()),
    }
}

fn queue(destinations: usize) -> Queue {
    Queue::new(destinations, [7; 32])
}

/// What is to be sent now.
fn sent(queue: &mut Queue, now: Instant) -> Vec<Delivery> {
    std::iter::from_fn(|| queue.poll_delivery(now)).collect()
}

/// Destination and event of each, sorted.
fn names(deliveries: &[Delivery]) -> Vec<String> {
    let name = |delivery: &Delivery| format!("{} {}", delivery.destination, delivery.webhook.event);
    let mut names: Vec<String> = deliveries.iter().map(name).collect();
    names.sort();
    names
}

#[test]
fn what_happens_in_a_room_is_sent_one_after_the_other_and_other_rooms_do_not_wait() {
    let now = Instant::now();
    let mut queue = queue(1);
    for (room, event) in [("one", "joined a"), ("one", "left a"), ("two", "joined b")] {
        assert!(queue.push(now, &webhook(room, event)).is_empty());
    }
    let first = sent(&mut queue, now);
    assert_eq!(names(&first), ["0 joined a", "0 joined b"]);
    assert!(!queue.is_quiet(now));
    assert_eq!(queue.poll_timeout(), None, "nothing before an outcome");
    let verdict = queue.handle_outcome(now, &first[0], Outcome::Taken);
    assert_eq!(verdict, Verdict::Done(Outcome::Taken));
    let second = sent(&mut queue, now);
    assert_eq!(names(&second), ["0 left a"]);
    queue.handle_outcome(now, &second[0], Outcome::Taken);
    queue.handle_outcome(now, &first[1], Outcome::Refused);
    assert!(queue.is_quiet(now));
    assert_eq!(queue.pending(), 0);
    assert!(queue.destinations[0].lanes.is_empty());
}

#[test]
fn a_destination_that_does_not_answer_holds_up_no_other() {
    let now = Instant::now();
    let mut queue = queue(2);
    for event in ["joined a", "track", "left a"] {
        queue.push(now, &webhook("one", event));
    }
    let mut arrived = Vec::new();
    loop {
        let deliveries = sent(&mut queue, now);
        if deliveries.is_empty() {
            break;
        }
        // The first one never answers.
        for delivery in deliveries.into_iter().filter(|one| one.destination == 1) {
            queue.handle_outcome(now, &delivery, Outcome::Taken);
            arrived.push(delivery.webhook.event.to_string());
        }
    }
    assert_eq!(arrived, ["joined a", "track", "left a"]);
    assert_eq!(queue.pending(), 3);
}

#[test]
fn retries_are_spaced_by_a_time_that_doubles_with_jitter_and_end_after_minutes() {
    let began = Instant::now();
    let mut queue = queue(1);
    queue.push(began, &webhook("one", "joined a"));
    queue.push(began, &webhook("one", "left a"));
    let mut now = began;
    let mut spaces = Vec::new();
    loop {
        let tried = sent(&mut queue, now);
        assert_eq!(names(&tried), ["0 joined a"], "the same until it is over");
        // Each try takes a second.
        now += SECOND;
        match queue.handle_outcome(now, &tried[0], Outcome::Failed) {
            Verdict::Again(after) => {
                assert_eq!(queue.poll_timeout(), Some(now + after));
                assert!(sent(&mut queue, now + after / 2).is_empty(), "too early");
                spaces.push(after);
                now += after;
            }
            Verdict::GivenUp => break,
            done @ Verdict::Done(_) => panic!("{done:?}"),
        }
    }
    let mut longest = FIRST_RETRY;
    for space in &spaces {
        assert!(
            (longest / 2..=longest).contains(space),
            "{space:?} of {longest:?}"
        );
        longest = (longest * 2).min(RETRY_MAX);
    }
    assert!(
        spaces
            .iter()
            .any(|space| *space != spaces[0] && space.subsec_nanos() != 0),
        "jitter"
    );
    let tried_for = now - began;
    assert!(
        (GIVE_UP_AFTER..GIVE_UP_AFTER + RETRY_MAX + 2 * SECOND).contains(&tried_for),
        "{tried_for:?}"
    );

    // What waited behind it is as old, but was never tried.
    let due = queue.poll_timeout().unwrap();
    assert!(due > now, "not at once: nobody answers there");
    let last = sent(&mut queue, due);
    assert_eq!(names(&last), ["0 left a"]);
    assert_eq!(
        queue.handle_outcome(due, &last[0], Outcome::Taken),
        Verdict::Done(Outcome::Taken)
    );
    assert_eq!(queue.pending(), 0);
}

#[test]
fn a_destination_that_is_back_gets_all_that_waited_without_further_delay() {
    let now = Instant::now();
    let mut queue = queue(1);
    for event in ["joined a", "track", "left a"] {
        queue.push(now, &webhook("one", event));
    }
    let tried = sent(&mut queue, now);
    queue.handle_outcome(now, &tried[0], Outcome::Failed);
    let due = queue.poll_timeout().unwrap();
    let mut arrived = Vec::new();
    while let Some(delivery) = queue.poll_delivery(due) {
        queue.handle_outcome(due, &delivery, Outcome::Taken);
        arrived.push(delivery.webhook.event.to_string());
    }
    assert_eq!(arrived, ["joined a", "track", "left a"]);
}

#[test]
fn a_destination_gets_only_so_many_requests_at_a_time_and_the_rest_in_their_turn() {
    let now = Instant::now();
    let mut queue = queue(1);
    for room in 0..=IN_FLIGHT_MAX {
        queue.push(now, &webhook(&format!("room {room}"), "track"));
    }
    let first = sent(&mut queue, now);
    assert_eq!(first.len(), IN_FLIGHT_MAX);
    assert_eq!(queue.poll_timeout(), None);
    queue.handle_outcome(now, &first[3], Outcome::Failed);
    let next = sent(&mut queue, now);
    assert_eq!(&*next[0].webhook.room, format!("room {IN_FLIGHT_MAX}"));
}

#[test]
fn a_flood_of_the_rest_costs_no_departure() {
    let now = Instant::now();
    let mut queue = queue(2);
    // The second destination takes everything, so only the first one fills up.
    let push = |queue: &mut Queue, event: &str| {
        let full = queue.push(now, &webhook("one", event));
        while let Some(delivery) = queue.poll_delivery(now) {
            if delivery.destination == 1 {
                queue.handle_outcome(now, &delivery, Outcome::Taken);
            }
        }
        full
    };
    for _ in 0..ORDINARY_MAX {
        assert!(push(&mut queue, "track").is_empty());
    }
    assert_eq!(push(&mut queue, "track"), [0]);
    for _ in 0..ENDINGS_MAX {
        assert!(push(&mut queue, "left a").is_empty());
    }
    assert_eq!(push(&mut queue, "left a"), [0]);
    assert_eq!(queue.pending(), ORDINARY_MAX + ENDINGS_MAX);
}

proptest! {
    /// Whatever fails in between: nothing is lost, nothing comes twice, and each room's order is kept.
    #[test]
    fn everything_arrives_once_and_in_order(
        events in prop::collection::vec(0..3_u8, 1..40),
        // So few that nothing is given up, even when all meet the same webhook.
        fails in prop::collection::btree_set(0..120_u32, 0..14),
    ) {
        let mut now = Instant::now();
        let mut queue = queue(2);
        let rooms = ["one", "two", "three"];
        let mut expected: HashMap<(usize, String), Vec<Bytes>> = HashMap::new();
        let mut arrived = expected.clone();
        for (number, room) in events.iter().enumerate() {
            let mut webhook = webhook(rooms[usize::from(*room)], "left");
            webhook.body = Bytes::from(number.to_string());
            prop_assert!(queue.push(now, &webhook).is_empty());
            for place in 0..2 {
                expected.entry((place, webhook.room.to_string())).or_default().push(webhook.body.clone());
            }
        }
        let mut tries = 0..;
        while queue.pending() > 0 {
            // The last that was sent answers first.
            for delivery in sent(&mut queue, now).iter().rev() {
                if tries.next().is_some_and(|number| fails.contains(&number)) {
                    queue.handle_outcome(now, delivery, Outcome::Failed);
                } else {
                    queue.handle_outcome(now, delivery, Outcome::Taken);
                    let key = (delivery.destination, delivery.webhook.room.to_string());
                    arrived.entry(key).or_default().push(delivery.webhook.body.clone());
                }
            }
            now = queue.poll_timeout().unwrap_or(now);
        }
        prop_assert_eq!(arrived, expected);
    }
}
