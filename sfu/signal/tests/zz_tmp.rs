#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "tests may panic")]
mod common;
use common::*;
use livekit_protocol::*;
use livekit_protocol::signal_request::Message as Ask;
#[test]
fn tmp() {
    let Ok(path) = std::env::var("OFFERS") else { return };
    let text = std::fs::read_to_string(path).unwrap();
    let offers: Vec<String> = text.split("\n=====\n").filter(|o| !o.trim().is_empty()).map(|o| {
        o.lines().map(|l| if l.starts_with("a=ice-ufrag") {"a=ice-ufrag:abcd".to_string()} else if l.starts_with("a=ice-pwd") {"a=ice-pwd:0123456789012345678901".into()} else if l.starts_with("a=fingerprint") { format!("a=fingerprint:sha-256 {}", ["AB";32].join(":"))} else {l.trim_end().to_string()}).collect::<Vec<_>>().join("\r\n")+"\r\n"
    }).collect();
    let mut town = Town::default();
    town.join("alice");
    let cam = town.publish("alice", TrackSource::Camera);
    town.publish("alice", TrackSource::Microphone);
    let mut bob = Browser::new("bob");
    bob.is_obedient = false; bob.offers_at_join = false;
    let mut c = bob.join_request(); c.publisher_offer=None;
    // a raw session, messages read by hand
    let attempt = hanse_sfu_signal::JoinAttempt{claims: claims("bob"), request: Some(c), publish: None, user_agent: None};
    let s = town.signalling.handle_join(town.now, attempt).unwrap();
    let mut answers = vec![];
    for (i, o) in offers.iter().enumerate() {
        if i == 1 { let sid = cam.clone(); let b = town.browser("alice"); b.remove_sender(&sid); let d = b.next_description(); let alice = town.session("alice"); town.signalling.handle_request(town.now, alice, SignalRequest{message: Some(Ask::Offer(d))}); }
        if i == 2 { let alice = town.session("alice"); let b = town.browser("alice"); b.add_sender(TrackType::Video, "scr"); let d = b.next_description();
            town.signalling.handle_request(town.now, alice, SignalRequest{message: Some(Ask::AddTrack(add_track("scr", TrackSource::ScreenShare)))});
            town.signalling.handle_request(town.now, alice, SignalRequest{message: Some(Ask::Offer(d))}); }
        if i == 3 { for (cid, src) in [("x1", TrackSource::Microphone), ("x2", TrackSource::Camera)] { town.signalling.handle_request(town.now, s, SignalRequest{message: Some(Ask::AddTrack(add_track(cid, src)))}); } }
        town.signalling.handle_request(town.now, s, SignalRequest{message: Some(Ask::Offer(SessionDescription{r#type:"offer".into(), sdp:o.clone(), id: i as u32+1, ..Default::default()}))});
        while let Some(out) = town.signalling.poll_output() {
            if let hanse_sfu_signal::Output::Send{session, message} = out { if session==s { match message.message.unwrap() { signal_response::Message::Answer(a) => answers.push(a.sdp), m => eprintln!("MSG {:.150}", format!("{m:?}")) } } }
        }
    }
    std::fs::write(std::env::var("ANSWERS").unwrap(), answers.join("\n=====\n")).unwrap();
}
