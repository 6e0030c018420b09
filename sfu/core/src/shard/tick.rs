//! What is due: feedback to publishers, reports to everyone, peers that have gone.

use super::{Shard, ShardEvent, TICK};
use crate::command::{Codec, ConnectionEnd, MediaEvent};
use crate::connection::FEEDBACK_SSRC;
use crate::downlink::{Budget, Claim, share};
use crate::ids::{ConnectionId, Layer, TrackId};
use crate::nack::{MISSING_MAX, RTT_DEFAULT};
use crate::round_trip;
use crate::rtcp::{self, ReportBlock, SenderReport};
use crate::track::Origin;
use arrayvec::ArrayVec;
use std::time::{Duration, Instant};

/// Between two receiver reports to a publisher.
const RECEIVER_REPORTS: Duration = Duration::from_secs(1);

/// Between two sender reports to a subscriber. The first of a down track goes out at once: without it a player cannot bring
/// sound and picture together.
const SENDER_REPORTS: Duration = Duration::from_secs(3);

/// How often to look for it, while there is none of the publisher's to make it of.
const FIRST_SENDER_REPORTS: Duration = Duration::from_millis(200);

/// A downlink is shared anew at once when its limit has moved by one part in so many.
const MOVED_SHARE: u64 = 32;

/// A publisher's sender report older than this says nothing about now.
const SENDER_REPORT_AGE_MAX: Duration = Duration::from_secs(30);

impl Shard {
    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.go_on_probing(now);
        let Some(due) = self.next_tick.filter(|due| now >= *due) else {
            return;
        };
        self.next_tick = Some((due + TICK).max(now + TICK / 2));
        let mut keys = std::mem::take(&mut self.keys);
        keys.extend(self.tracks.iter().map(|(key, _)| key));
        for key in keys.drain(..) {
            self.tick_track(now, key);
        }
        keys.extend(self.connections.iter().map(|(key, _)| key));
        for key in keys.drain(..) {
            self.tick_connection(now, key);
        }
        self.keys = keys;
    }

    fn tick_track(&mut self, now: Instant, key: usize) {
        let Some(track) = self.tracks.get_mut(key) else {
            return;
        };
        track.review(now);
        track.tick_rates(now);
        if let Some(level) = track.loudness.poll_window(now) {
            let level = MediaEvent::AudioLevel {
                track: track.id,
                level,
            };
            self.event(level);
        }
        self.ask_for_packets(now, key);
        self.seek_key_frames(now, key);
    }

    /// NACKs for what is missing of a track (RFC 4585, section 6.2.1).
    fn ask_for_packets(&mut self, now: Instant, key: usize) {
        let Some(track) = self.tracks.get_mut(key) else {
            return;
        };
        let Origin::Connection(publisher) = track.origin else {
            return;
        };
        // It carries copies of what may be lost, and nobody has agreed to send more.
        if track.codec == Codec::Red {
            return;
        }
        let Some(connection) = self
            .connections
            .get_mut(publisher)
            .filter(|it| it.wire.is_ready())
        else {
            return;
        };
        // Some peers that only send echo nothing; what they were asked for says it nearly as well.
        let answers = track.layers.iter_mut();
        for answered in answers.filter_map(|layer| layer.nack.take_answered()) {
            connection.answers.measure(answered);
        }
        let measured = connection.round_trip.smoothed().or(connection.answers.smoothed());
        let round_trip = measured.unwrap_or(RTT_DEFAULT);
        for layer in &mut track.layers {
            let Some(ssrc) = layer.ssrc else { continue };
            let mut numbers = ArrayVec::<u16, MISSING_MAX>::new();
            layer.nack.poll_nacks(now, round_trip, &mut numbers);
            if !numbers.is_empty() {
                self.counters.nacks_out += numbers.len() as u64;
                rtcp::nack(FEEDBACK_SSRC, ssrc, &numbers, &mut connection.wire.control);
            }
            if layer.nack.key_frame_needed() && track.codec.is_video() {
                layer.seeker.want();
            }
        }
    }

    fn tick_connection(&mut self, now: Instant, key: usize) {
        let Some(connection) = self.connections.get_mut(key) else {
            return;
        };
        let Some(checked) = connection.checked else { return };
        if now.saturating_duration_since(checked) > crate::ICE_TIMEOUT {
            return self.forget(key, Some(ConnectionEnd::IceTimeout));
        }
        if let Some(secure) = &mut connection.secure
            && secure.poll_timeout().is_some_and(|due| now >= due)
        {
            secure.handle_timeout(now);
            self.drain_secure(now, key);
        }
        let Some(connection) = self.connections.get_mut(key).filter(|it| it.wire.is_ready()) else {
            return;
        };
        connection.sent.tick(now);
        connection.downlink.tick(now);
        connection.set_pace(now);
        if let Some(estimator) = &mut connection.estimator {
            estimator.handle_timeout(now, connection.probes_on.is_some());
            if estimator.poll_timeout().is_some_and(|due| now >= due) {
                self.probe(now, key);
            }
        }
        let Some(connection) = self.connections.get_mut(key) else {
            return;
        };
        if let Some(stream) = connection.streams.first() {
            let media_ssrc = stream.ssrc;
            while connection
                .twcc
                .poll_feedback(now, FEEDBACK_SSRC, media_ssrc, &mut connection.wire.control)
            {
                connection.wire.flush_full(&mut self.arena);
            }
        }
        let is_share_due = connection.is_share_due;
        if now >= connection.due.receiver_reports {
            connection.due.receiver_reports = now + RECEIVER_REPORTS;
            self.report_reception(now, key);
            self.share_downlink(now, key);
            self.sample_sending(key);
        } else if is_share_due {
            self.share_downlink(now, key);
        }
        self.report_sending(now, key);
        self.report_quality(now, key);
        if let Some(connection) = self.connections.get_mut(key) {
            connection.wire.flush(&mut self.arena);
        }
    }

    /// Receiver reports about everything that a publisher sends.
    fn report_reception(&mut self, now: Instant, key: usize) {
        let Some(connection) = self.connections.get_mut(key) else {
            return;
        };
        let mut blocks = ArrayVec::<ReportBlock, 31>::new();
        for section in &connection.sections {
            let Some(track) = self.tracks.get_mut(section.track) else {
                continue;
            };
            let clock_rate_hz = track.codec.clock_rate_hz();
            track.window.sample(track.reach.count());
            for layer in &mut track.layers {
                let Some(ssrc) = layer.ssrc else { continue };
                let stats = layer.nack.report();
                let window = &mut track.window;
                let (expected, received, jitter) = window.count(&mut layer.counted, &stats, clock_rate_hz);
                connection.loss.expected += expected;
                connection.loss.received += received;
                connection.loss.jitter = connection.loss.jitter.max(jitter);
                let (lsr, dlsr) = layer.report.map_or((0, 0), |(ntp, _, at)| {
                    let age = now.saturating_duration_since(at).as_secs_f64() * 65_536.0;
                    ((ntp >> 16) as u32, age as u32)
                });
                let block = ReportBlock {
                    ssrc,
                    fraction_lost: stats.fraction_lost,
                    cumulative_lost: stats.cumulative_lost,
                    highest: stats.extended_highest,
                    jitter: stats.jitter,
                    lsr,
                    dlsr,
                };
                if blocks.try_push(block).is_err() {
                    rtcp::receiver_report(FEEDBACK_SSRC, &blocks, &mut connection.wire.control);
                    connection.wire.flush_full(&mut self.arena);
                    blocks.clear();
                    blocks.push(block);
                }
            }
        }
        if !blocks.is_empty() {
            rtcp::receiver_report(FEEDBACK_SSRC, &blocks, &mut connection.wire.control);
            // Who only sends reports nothing from which a round trip would follow.
            let time = round_trip::reference(now.saturating_duration_since(self.started));
            rtcp::reference_time(FEEDBACK_SSRC, time, &mut connection.wire.control);
        }
    }

    /// Sender reports about everything that a subscriber gets: the publisher's wall clock with the down track's
    /// timestamps, so that sound and picture stay together.
    fn report_sending(&mut self, now: Instant, key: usize) {
        let Some(connection) = self.connections.get_mut(key) else {
            return;
        };
        let is_usual = now >= connection.due.sender_reports;
        if !is_usual && connection.due.first_reports.is_none_or(|due| now < due) {
            return;
        }
        let mut is_missing = false;
        for (ssrc, down_track) in &connection.sends {
            let Some(&(track, place)) = self.down_track_keys.get(down_track) else {
                continue;
            };
            let Some(track) = self.tracks.get_mut(track) else {
                continue;
            };
            let clock_rate_hz = f64::from(track.codec.clock_rate_hz());
            let Some(down_track) = track.down_tracks.get_mut(place) else {
                continue;
            };
            let (Some(layer), Some(offset)) = (down_track.stream(), down_track.timestamp_offset()) else {
                continue;
            };
            if !is_usual && !down_track.is_report_due() {
                continue;
            }
            let report = track
                .layers
                .get(usize::from(layer.0))
                .and_then(|layer| layer.report);
            let Some((ntp, rtp, at)) = report else {
                is_missing |= down_track.is_report_due();
                continue;
            };
            let age = now.saturating_duration_since(at);
            if age > SENDER_REPORT_AGE_MAX {
                is_missing |= down_track.is_report_due();
                continue;
            }
            // As of now: of two reports with one time a player believes the first, and the clock may have moved.
            let ntp = ntp.wrapping_add(round_trip::ntp(age));
            let ticks = (age.as_secs_f64() * clock_rate_hz) as u64;
            let report = SenderReport {
                ssrc: *ssrc,
                ntp,
                rtp: rtp.wrapping_add(ticks).wrapping_add(offset) as u32,
                packets: down_track.packets,
                octets: down_track.octets,
            };
            rtcp::sender_report(report, &mut connection.wire.control);
            rtcp::sdes_cname(
                *ssrc,
                &down_track.plan.cname,
                Some(&down_track.plan.mid),
                &mut connection.wire.control,
            );
            down_track.on_report_sent(now, ntp);
            connection.wire.flush_full(&mut self.arena);
        }
        if is_usual {
            connection.due.sender_reports = now + SENDER_REPORTS;
        }
        connection.due.first_reports = is_missing.then_some(now + FIRST_SENDER_REPORTS);
    }

    /// Like [`Shard::share_downlink`], if the limit has moved by enough to matter.
    pub(super) fn share_moved_downlink(&mut self, now: Instant, key: usize) {
        let has_moved = self.connections.get(key).is_some_and(|connection| {
            match (connection.limit_bps(now), connection.shared_bps) {
                (Some(limit), Some(shared)) => limit.abs_diff(shared) > shared / MOVED_SHARE,
                (limit, shared) => limit != shared,
            }
        });
        if has_moved {
            self.share_downlink(now, key);
        }
    }

    /// Shares a downlink anew because something else is wanted of it: at once, so that nothing goes out first which does
    /// not fit; where much goes out with the next tick, so that many changes together cost one look.
    pub(super) fn share_changed_downlink(&mut self, now: Instant, key: usize) {
        let Some(connection) = self.connections.get_mut(key) else {
            return;
        };
        if connection.sends.len() > CLAIMS_MAX {
            connection.is_share_due = true;
        } else {
            self.share_downlink(now, key);
        }
    }

    /// Shares what a subscriber's downlink carries among its video.
    pub(super) fn share_downlink(&mut self, now: Instant, key: usize) {
        let Some(connection) = self.connections.get_mut(key) else {
            return;
        };
        let subscriber = connection.id;
        let limit = connection.limit_bps(now);
        connection.shared_bps = limit;
        connection.is_share_due = false;
        let mut wanted_bps = 0;
        let mut claims = ArrayVec::<(usize, usize), CLAIMS_MAX>::new();
        let mut wishes = ArrayVec::<Claim, CLAIMS_MAX>::new();
        let mut fixed = 0;
        for (_, down_track) in &connection.sends {
            let Some(&(track_key, place)) = self.down_track_keys.get(down_track) else {
                continue;
            };
            let Some(track) = self.tracks.get_mut(track_key) else {
                continue;
            };
            let (layers_bps, temporal_bps) = (track.layers_bps(), track.temporal_bps());
            let is_video = track.codec.is_video();
            let Some(down_track) = track.down_tracks.get_mut(place) else {
                continue;
            };
            if (limit.is_none() || !is_video) && down_track.set_budget(Budget::Unlimited) {
                self.events.push_back(stream_state(subscriber, track.id, false));
            }
            let Some(wanted) = down_track.wanted() else {
                continue;
            };
            let largest = layers_bps.iter().take(usize::from(wanted.0) + 1).max();
            wanted_bps += largest.copied().unwrap_or(0);
            if !is_video {
                fixed += layers_bps[0];
            } else if claims.is_full() {
                // Nobody watches as many tiles large.
                fixed += layers_bps[0];
                if limit.is_some() && down_track.set_budget(Budget::UpTo(Layer(0))) {
                    self.events.push_back(stream_state(subscriber, track.id, false));
                }
            } else {
                claims.push((track_key, place));
                wishes.push(Claim {
                    layers_bps,
                    temporal_bps,
                    wanted,
                    wanted_temporal: down_track.wanted_temporal(),
                    had_temporal: down_track.temporal_max(),
                    had: down_track.target().filter(|_| down_track.has_started()),
                    may_pause: down_track.plan.may_pause,
                    precedence: track.precedence,
                    granted: Budget::Unlimited,
                });
            }
        }
        if let Some(estimator) = self.connections.get_mut(key).and_then(|it| it.estimator.as_mut()) {
            estimator.set_wanted(wanted_bps);
        }
        if let Some(connection) = self.connections.get_mut(key) {
            connection.shared_videos = wishes.len() as u16;
        }
        if let Some(limit) = limit {
            share(limit.saturating_sub(fixed), &mut wishes);
        }
        let granted_bps: u64 = wishes.iter().map(Claim::granted_bps).sum();
        let fits = limit.is_none_or(|limit| fixed + granted_bps <= limit);
        for ((track_key, place), claim) in claims.into_iter().zip(wishes) {
            let Some(track) = self.tracks.get_mut(track_key) else {
                continue;
            };
            let Some(down_track) = track.down_tracks.get_mut(place) else {
                continue;
            };
            if fits {
                down_track.on_room();
            }
            if limit.is_none() {
                continue;
            }
            let before = down_track.target();
            if down_track.set_budget(claim.granted) {
                let is_paused = claim.granted == Budget::Paused;
                self.events
                    .push_back(stream_state(subscriber, track.id, is_paused));
            }
            if down_track.target() != before {
                self.seek_key_frames(now, track_key);
            }
        }
    }
}

/// Video streams of one subscriber that share a limited downlink. Further ones are sent in their smallest layer.
const CLAIMS_MAX: usize = 128;

fn stream_state(connection: ConnectionId, track: TrackId, is_paused: bool) -> ShardEvent {
    ShardEvent::Media(MediaEvent::StreamState {
        connection,
        track,
        is_paused,
    })
}
