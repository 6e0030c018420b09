//! What administrators see of a running server, and what they do to it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)] // A test may panic.

mod organisation;

use organisation::{Folder, KITCHEN, Organisation, Said, hanse, run};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

const METRICS: &str = "[metrics]\nbind_address = \"127.0.0.1\"\nport = 0";

fn users(call: &Value) -> Vec<&str> {
    let people = call["people"].as_array().unwrap();
    people
        .iter()
        .map(|person| person["user_id"].as_str().unwrap())
        .collect()
}

#[test]
fn an_administrator_sees_who_is_in_which_call_and_the_log_names_nobody() {
    let mut org = Organisation::start("calls", "");
    assert_eq!(org.ask(&["calls"]).out, "No call is going on.\n");
    let id = org.with_alice_and_bob();
    let (ours, theirs) = (org.homeservers.ours.clone(), org.homeservers.theirs.clone());
    assert_eq!(org.token("carol", &theirs), 200);

    let calls = org.ask(&["calls", "--json"]).json();
    let call = &calls["calls"][0];
    assert_eq!((&call["id"], &call["room_id"]), (&json!(id), &json!(KITCHEN)));
    assert_eq!(call["people"], 2, "Carol has not come yet");
    assert_eq!(call["homeservers"], json!({ours.clone(): 1, theirs.clone(): 1}));
    let table = org.ask(&["calls"]).out;
    assert!(
        table.starts_with("CALL ") && table.contains(KITCHEN) && table.contains(&id[..8]),
        "{table}"
    );

    let call = org.call(&id[..6]);
    let (alice, bob, carol) = (
        format!("@alice:{ours}"),
        format!("@bob:{theirs}"),
        format!("@carol:{theirs}"),
    );
    // Connected ones first.
    let mut connected = users(&call)[..2].to_vec();
    connected.sort_unstable();
    assert_eq!(
        (connected, users(&call)[2]),
        (vec![alice.as_str(), bob.as_str()], carol.as_str())
    );
    for person in call["people"].as_array().unwrap() {
        let is_ours = person["user_id"] == json!(alice);
        let may = if is_ours {
            json!(["camera", "microphone", "screen"])
        } else {
            json!([])
        };
        assert_eq!(
            (&person["may_publish"], &person["role"]),
            (&may, &json!("participant"))
        );
        assert_eq!(person["is_connected"], json!(person["user_id"] != json!(carol)));
    }
    let table = org.ask(&["call", &id]).out;
    assert!(
        table.contains("2 people connected") && table.contains("expected"),
        "{table}"
    );

    let streams = org.ask(&["streams", &id[..6]]);
    assert_eq!(streams.out, "Nobody there receives a video.\n", "{}", streams.err);
    let bobs = org.ask(&["streams", &id, "--user", &bob, "--json"]).json();
    assert_eq!(bobs, json!({"streams": [], "left_off": 0}));
    let nobodys = org.ask(&["streams", &id, "--user", "@mallory:evil.example"]);
    assert_eq!(nobodys.code, 1);
    assert!(
        nobodys.err.contains("they are not in this call"),
        "{}",
        nobodys.err
    );
    let none = org.ask(&["call", "nothing"]);
    assert_eq!(none.code, 1);
    assert!(none.err.contains("there is no such call here"), "{}", none.err);

    org.stop();
    while !org.log.last().unwrap().ends_with("stopped") {
        org.line("");
    }
    let log = org.log.join("\n");
    assert_eq!(log.matches("route=\"/get_token\" status=200").count(), 3, "{log}");
    for clear in ["alice", "bob", "carol", "kitchen", &id, &ours, &theirs] {
        assert!(!log.contains(clear), "{clear} in {log}");
    }
}

#[test]
fn who_is_removed_is_out_and_the_others_stay() {
    let org = Organisation::start("remove", "");
    let id = org.with_alice_and_bob();
    let bob = format!("@bob:{}", org.homeservers.theirs);
    let elsewhere = org.ask(&["remove", &bob, "--call", "elsewhere"]);
    assert_eq!(elsewhere.code, 1);
    assert_eq!(users(&org.call(&id)).len(), 2);

    let removed = org.ask(&["remove", &bob, "--call", &id[..8]]);
    assert_eq!(
        (removed.code, removed.out.as_str()),
        (0, "Removed: 1 place in 1 call ended.\n")
    );
    assert_eq!(
        users(&org.call(&id)),
        [format!("@alice:{}", org.homeservers.ours)]
    );
    let again = org.ask(&["remove", &bob]);
    assert_eq!(again.code, 1);
    assert!(
        again.err.contains("they are in no such call here"),
        "{}",
        again.err
    );
    // A place that ended is no ban.
    assert_eq!(org.token("bob", &org.homeservers.theirs), 200);
}

#[test]
fn people_of_a_blocked_homeserver_leave_at_once_and_stay_out_until_it_is_unblocked() {
    let mut org = Organisation::start("block", "");
    let id = org.with_alice_and_bob();
    let (ours, theirs) = (org.homeservers.ours.clone(), org.homeservers.theirs.clone());
    let began = Instant::now();
    let blocked = org.ask(&["block", &theirs, "--json"]).json();
    assert_eq!(
        blocked,
        json!({"homeserver": theirs, "was_blocked": false, "seats": 1})
    );
    org.line("a seat ends: This organisation's rules admit nobody of your homeserver");
    assert!(
        began.elapsed() < Duration::from_secs(5),
        "not only when the list is read again"
    );
    assert_eq!(users(&org.call(&id)), [format!("@alice:{ours}")]);
    assert_eq!((org.token("bob", &theirs), org.token("alice", &ours)), (403, 200));

    // It is written down.
    let org = org.crash_and_start();
    assert_eq!((org.token("bob", &theirs), org.token("alice", &ours)), (403, 200));
    let listed = org.ask(&["blocked", "--json"]).json();
    assert_eq!(listed["homeservers"][0]["homeserver"], json!(theirs));
    assert!(org.ask(&["blocked"]).out.starts_with("HOMESERVER"));

    let unblocked = org.ask(&["unblock", &theirs]);
    assert_eq!(unblocked.out, format!("{theirs} is not blocked any more.\n"));
    assert_eq!((org.token("bob", &theirs), org.token("alice", &ours)), (200, 200));
    assert_eq!(org.ask(&["blocked"]).out, "No homeserver is blocked.\n");
}

#[test]
fn rules_that_are_read_again_leave_blocked_homeservers_blocked() {
    let mut org = Organisation::start("reload", "");
    let theirs = org.homeservers.theirs.clone();
    assert_eq!(org.ask(&["block", &theirs]).code, 0);
    org.reload();
    org.line("are read again");
    assert_eq!(
        (
            org.token("bob", &theirs),
            org.token("alice", &org.homeservers.ours)
        ),
        (403, 200)
    );
}

#[test]
fn a_server_that_drains_begins_no_call_and_says_when_to_ask_again() {
    let org = Organisation::start("drain", METRICS);
    let ours = org.homeservers.ours.clone();
    assert_eq!(
        org.ask(&["drain"]).out,
        "No new calls begin, and nobody is in one.\n"
    );
    // Nobody is there to be waited for.
    assert_eq!(org.ask(&["drain", "--wait"]).code, 0);
    assert!(org.scrape().lines().any(|line| line == "hanse_sfu_draining 1"));
    let (head, body) = org.ask_token("alice", &ours);
    assert!(head.starts_with("HTTP/1.1 503"), "{head}");
    assert!(
        head.to_ascii_lowercase().contains("\r\nretry-after: 30"),
        "{head}"
    );
    assert!(
        body.contains("begins no new calls") && body.contains("\"retry_after_ms\":30000"),
        "{body}"
    );
    assert_eq!(
        org.ask(&["undrain", "--json"]).json(),
        json!({"is_draining": false, "calls": 0, "people": 0})
    );
    assert!(org.scrape().lines().any(|line| line == "hanse_sfu_draining 0"));
    assert_eq!(org.token("alice", &ours), 200);
}

#[test]
fn without_a_server_every_question_ends_with_a_sentence_and_a_code_of_its_own() {
    let folder = Folder::new("nobody");
    let socket = folder.path("hanse.sock");
    for question in [
        &["calls"][..],
        &["call", "5z8A"],
        &["remove", "@bob:org-b.example"],
        &["block", "org-b.example"],
        &["unblock", "org-b.example"],
        &["blocked"],
        &["drain"],
        &["drain", "--wait"],
        &["undrain"],
    ] {
        let said: Said = hanse(&[question, &["--socket", &socket]].concat())
            .output()
            .unwrap()
            .into();
        assert_eq!((said.code, said.out.as_str()), (3, ""), "{question:?}");
        assert!(
            said.err.contains(&format!("no server answers at {socket}")),
            "{}",
            said.err
        );
    }
    let wrong: Said = hanse(&["remove", "bob", "--socket", &socket])
        .output()
        .unwrap()
        .into();
    assert_eq!(wrong.code, 2);
    assert!(
        wrong.err.contains("a user id is written @name:server"),
        "{}",
        wrong.err
    );
}

#[test]
fn only_the_owner_may_open_the_socket_and_it_goes_with_its_server() {
    let mut org = Organisation::start("mode", "");
    let mode = std::fs::metadata(org.socket()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    org.stop();
    assert!(!org.socket().exists());
}

#[test]
fn a_socket_of_the_dead_is_replaced_and_that_of_the_living_is_not() {
    let org = Organisation::start("stale", "");
    // Killed, it leaves its socket behind.
    let org = org.crash_and_start();
    assert_eq!(org.ask(&["calls"]).code, 0);

    let other = Folder::new("stale-other");
    let config = other.0.join("hanse.toml");
    let text = std::fs::read_to_string(org.folder.path("hanse.toml")).unwrap();
    let text = text.replace(&org.folder.path("hanse.db"), &other.path("hanse.db"));
    let socket = org.socket();
    std::fs::write(
        &config,
        format!("{text}[operate]\nsocket = \"{}\"\n", socket.display()),
    )
    .unwrap();
    let (mut server, mut log) = run(&config);
    assert!(!server.wait().unwrap().success());
    let mut said = String::new();
    log.read_to_string(&mut said).unwrap();
    assert!(said.contains("another hanse answers administrators at"), "{said}");
    assert_eq!(org.ask(&["calls"]).code, 0, "the first one still answers");

    let file = other.path("notes");
    std::fs::write(&file, "mine").unwrap();
    std::fs::write(&config, format!("{text}[operate]\nsocket = \"{file}\"\n")).unwrap();
    let (mut server, _log) = run(&config);
    assert!(!server.wait().unwrap().success());
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "mine");
}

#[test]
fn what_is_no_request_is_refused_and_the_next_is_answered() {
    let org = Organisation::start("garbage", "");
    let ask = |bytes: &[u8], is_all: bool| {
        let mut stream = UnixStream::connect(org.socket()).unwrap();
        // It may refuse before it has read everything.
        let _ = stream.write_all(bytes);
        if is_all {
            stream.shutdown(std::net::Shutdown::Write).unwrap();
        }
        let mut answer = Vec::new();
        // Bytes that nobody reads any more make the end of the connection an error.
        let _ = stream.read_to_end(&mut answer);
        serde_json::from_slice::<Value>(&answer).map_or(String::new(), |answer| {
            answer["refused"].as_str().unwrap_or_default().to_owned()
        })
    };
    assert!(ask(b"calls\n", false).contains("does not know such a request"));
    assert!(ask(b"{\"command\":\"calls\"}", true).contains("one line of JSON"));
    assert!(ask(&vec![b'x'; 4096], false).contains("at most 4096 bytes"));
    assert!(ask(b"", false).contains("did not come in time"));
    assert!(
        ask(b"{\"command\":\"block\",\"homeserver\":\"no server\"}\n", false)
            .contains("no name of a homeserver")
    );
    assert_eq!(org.ask(&["calls"]).code, 0);
    assert_eq!(org.ask(&["blocked"]).out, "No homeserver is blocked.\n");
}

#[test]
fn metrics_count_what_happens_and_name_nobody() {
    let org = Organisation::start("metrics", METRICS);
    let id = org.with_alice_and_bob();
    assert_eq!(org.post("/get_token", "", &json!({"room_id": "x"})).0, 400);
    let bob = format!("@bob:{}", org.homeservers.theirs);
    assert_eq!(org.ask(&["remove", &bob]).code, 0);
    let text = org.scrape();
    for line in [
        "hanse_focus_requests_total{route=\"/get_token\",outcome=\"ok\"} 2",
        "hanse_focus_requests_total{route=\"/get_token\",outcome=\"bad_field\"} 1",
        "hanse_focus_requests_total{route=\"/sfu_webhook\",outcome=\"ok\"} 2",
        "hanse_focus_request_duration_seconds_count{route=\"/get_token\"} 3",
        "hanse_focus_calls 1",
        "hanse_focus_seats{state=\"connected\"} 1",
        "hanse_focus_seats{state=\"expected\"} 0",
        "hanse_focus_seats_ended_total{reason=\"removed_by_operator\"} 1",
        "hanse_focus_delayed_leaves{state=\"connected\"} 0",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is not in {text}");
    }
    for clear in [
        "alice",
        "bob",
        "kitchen",
        &id,
        &org.homeservers.ours,
        &org.homeservers.theirs,
    ] {
        assert!(!text.contains(clear), "{clear} in {text}");
    }
}

#[test]
fn without_an_address_no_metrics_are_served() {
    let org = Organisation::start("unmeasured", "");
    assert_eq!(org.metrics, None);
}
