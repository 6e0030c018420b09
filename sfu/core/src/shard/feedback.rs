//! What peers report by RTCP: clocks, loss, wishes.

use super::{NeighbourMessage, Shard};
use crate::connection::FEEDBACK_SSRC;
use crate::estimate::feedback::TransportFeedback;
use crate::round_trip;
use crate::rtcp::{self, Feedback, ReportBlock, SenderReport};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Streams of which one compound packet may ask for key frames; the wish for further ones will be repeated.
const STREAMS_ASKED_MAX: usize = 32;

impl Shard {
    pub(super) fn handle_control(&mut self, now: Instant, source: SocketAddr, datagram: &[u8]) -> Option<()> {
        let Some(&key) = self.addresses.get(&source) else {
            return self.hand_over(source, None, datagram).then_some(());
        };
        let compound = self
            .connections
            .get_mut(key)?
            .wire
            .session
            .as_mut()?
            .open_control(datagram)
            .ok()?;
        if let Some(connection) = self.connections.get_mut(key) {
            connection.on_heard(now, source);
            connection.loss.controls = connection.loss.controls.saturating_add(1);
        }
        let mut facts = std::mem::take(&mut self.facts);
        rtcp::parse(&compound, &mut |fact| facts.push(fact));
        let mut key_frames = arrayvec::ArrayVec::<u32, STREAMS_ASKED_MAX>::new();
        for fact in facts.drain(..) {
            match fact {
                Feedback::SenderReport(report) => self.on_sender_report(now, key, report),
                Feedback::Report(block) => self.on_report(now, key, block),
                Feedback::Nack { media_ssrc, pair } => {
                    let down_track = self.connections.get(key).and_then(|it| it.down_track(media_ssrc));
                    for number in down_track.iter().flat_map(|_| pair.numbers()) {
                        self.counters.nacks_in += 1;
                        down_track
                            .into_iter()
                            .for_each(|down_track| self.repair(now, key, down_track, number));
                    }
                }
                Feedback::Pli { media_ssrc } | Feedback::Fir { media_ssrc } => {
                    let by_fir = matches!(fact, Feedback::Fir { .. });
                    self.counters.firs_in += u64::from(by_fir);
                    self.counters.plis_in += u64::from(!by_fir);
                    if !key_frames.contains(&media_ssrc) {
                        key_frames.try_push(media_ssrc).ok();
                    }
                }
                Feedback::Remb { bitrate_bps } => {
                    if let Some(connection) = self.connections.get_mut(key) {
                        connection.on_receiver_estimate(now, bitrate_bps);
                    }
                    self.share_downlink(now, key);
                }
                Feedback::ReferenceEcho { ssrc, time, delay } => {
                    let since_start = now.saturating_duration_since(self.started);
                    let measured = round_trip::by_echo(since_start, time, delay);
                    self.on_round_trip(key, measured.filter(|_| ssrc == FEEDBACK_SSRC));
                }
                Feedback::TransportWide { at, len } => {
                    let body = compound.get(at..at + len).unwrap_or_default();
                    self.on_transport_feedback(now, key, body);
                }
                Feedback::Bye { .. } => {} // the negotiation says when a track ends
            }
        }
        self.facts = facts;
        for ssrc in key_frames {
            self.on_key_frame_wanted(now, key, ssrc);
        }
        Some(())
    }

    /// What the peer tells of the packets that we have numbered. The downlink is shared anew when its limit has moved.
    fn on_transport_feedback(&mut self, now: Instant, key: usize, body: &[u8]) {
        let Some(connection) = self.connections.get_mut(key) else {
            return;
        };
        let (Some(estimator), Some(feedback)) = (&mut connection.estimator, TransportFeedback::parse(body))
        else {
            return;
        };
        #[cfg(feature = "debug-tap")]
        estimator.record_feedback(now, body);
        estimator.on_feedback(now, &feedback, &mut self.arrived);
        connection.set_pace(now);
        self.probe(now, key);
        self.share_moved_downlink(now, key);
    }

    fn on_sender_report(&mut self, now: Instant, key: usize, report: SenderReport) {
        let Some((track, layer)) = self.incoming_layer(key, report.ssrc) else {
            return;
        };
        let Some(track) = self.tracks.get_mut(track) else {
            return;
        };
        let Some(state) = track.layers.get_mut(usize::from(layer.0)) else {
            return;
        };
        state.on_sender_report(now, report.ntp, report.rtp);
        for to in &track.mirrors {
            let SenderReport { ntp, rtp, .. } = report;
            self.neighbours.push_back((
                *to,
                NeighbourMessage::SenderReport {
                    track: track.id,
                    layer,
                    ntp,
                    rtp,
                },
            ));
        }
    }

    fn on_report(&mut self, now: Instant, key: usize, block: ReportBlock) {
        let Some(connection) = self.connections.get_mut(key) else {
            return;
        };
        let Some(down_track) = connection.down_track(block.ssrc) else {
            return;
        };
        let (sum, count) = connection.loss.reported;
        connection.loss.reported = (
            sum.saturating_add(u32::from(block.fraction_lost)),
            count.saturating_add(1),
        );
        let Some(&(track, place)) = self.down_track_keys.get(&down_track) else {
            return;
        };
        let down_tracks = self.tracks.get_mut(track).map(|track| &mut track.down_tracks);
        if let Some(down_track) = down_tracks.and_then(|down_tracks| down_tracks.get_mut(place)) {
            let measured = down_track.on_receiver_report(now, &block);
            self.on_round_trip(key, measured);
        }
    }

    fn on_round_trip(&mut self, key: usize, measured: Option<Duration>) {
        if let (Some(connection), Some(measured)) = (self.connections.get_mut(key), measured) {
            connection.round_trip.measure(measured);
            connection.loss.round_trip = connection.loss.round_trip.max(Some(measured));
        }
    }

    fn on_key_frame_wanted(&mut self, now: Instant, key: usize, ssrc: u32) {
        let Some(down_track) = self.connections.get(key).and_then(|it| it.down_track(ssrc)) else {
            return;
        };
        let Some(&(track, place)) = self.down_track_keys.get(&down_track) else {
            return;
        };
        if let Some(track) = self.tracks.get_mut(track) {
            track.want_key_frame(now, place);
        }
        self.ask_for_key_frames(now, track);
    }
}
