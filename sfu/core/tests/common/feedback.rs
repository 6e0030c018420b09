//! A device's RTCP: what it asks for and reports, and how it answers the SFU's. Built and read by a library that is not
//! ours.

use super::client::Client;
use super::wire::{note_feedback, read_compound};
use hanse_sfu_core::ids::TrackId;
use rtc_rtcp::extended_report::{
    DLRRReport, DLRRReportBlock, ExtendedReport, ReceiverReferenceTimeReportBlock,
};
use rtc_rtcp::packet::Packet;
use rtc_rtcp::payload_feedbacks::picture_loss_indication::PictureLossIndication;
use rtc_rtcp::payload_feedbacks::receiver_estimated_maximum_bitrate::ReceiverEstimatedMaximumBitrate;
use rtc_rtcp::receiver_report::ReceiverReport;
use rtc_rtcp::reception_report::ReceptionReport;
use rtc_rtcp::sender_report::SenderReport;
use rtc_rtcp::transport_feedbacks::transport_layer_cc::TransportLayerCc;
use rtc_rtcp::transport_feedbacks::transport_layer_nack::{
    TransportLayerNack, nack_pairs_from_sequence_numbers,
};
use std::collections::BTreeMap;
use std::time::Instant;

/// The wall clock at the world's beginning, in NTP's seconds since 1900.
pub const NTP_START_SECS: u64 = 3_900_000_000;

impl Client {
    pub fn send_control(&mut self, packets: &[Box<dyn Packet>]) {
        let compound = rtc_rtcp::packet::marshal(packets).unwrap();
        let sealed = self.seal_control(&compound);
        self.outbox.push(sealed);
    }

    /// Seals any bytes as a compound packet and hands the datagram to the caller.
    pub fn seal_control(&mut self, compound: &[u8]) -> Vec<u8> {
        self.session.seal_control(compound).unwrap().to_vec()
    }

    pub fn ask_for_key_frame(&mut self, track: TrackId) {
        let media_ssrc = self.sink(track).plan.ssrc;
        self.send_control(&[Box::new(PictureLossIndication {
            sender_ssrc: 1,
            media_ssrc,
        })]);
    }

    /// Asks the SFU for packets of a track again, whether they are missing or not.
    pub fn ask_again(&mut self, track: TrackId, numbers: &[u16]) {
        let media_ssrc = self.sink(track).plan.ssrc;
        let nacks = nack_pairs_from_sequence_numbers(numbers);
        self.send_control(&[Box::new(TransportLayerNack {
            sender_ssrc: 1,
            media_ssrc,
            nacks,
        })]);
    }

    /// Says what the downlink is believed to carry.
    pub(super) fn estimate(&mut self) {
        let Some(bps) = self.remb_bps else { return };
        let ssrcs = self.sinks.iter().map(|sink| sink.plan.ssrc).collect();
        let (sender_ssrc, bitrate) = (1, bps as f32);
        self.send_control(&[Box::new(ReceiverEstimatedMaximumBitrate {
            sender_ssrc,
            bitrate,
            ssrcs,
        })]);
    }

    pub(super) fn ask(&mut self, now: Instant) {
        let mut packets: Vec<Box<dyn Packet>> = Vec::new();
        for sink in &mut self.sinks {
            let (sender_ssrc, media_ssrc) = (1, sink.plan.ssrc);
            let numbers = sink.poll(now);
            if !numbers.is_empty() {
                let nacks = nack_pairs_from_sequence_numbers(&numbers);
                packets.push(Box::new(TransportLayerNack {
                    sender_ssrc,
                    media_ssrc,
                    nacks,
                }));
            }
            if sink.poll_key_frame(now) {
                packets.push(Box::new(PictureLossIndication {
                    sender_ssrc,
                    media_ssrc,
                }));
            }
        }
        if !packets.is_empty() {
            self.send_control(&packets);
        }
    }

    pub(super) fn report(&mut self, now: Instant) {
        let now_us = self.us(now);
        // NTP has its seconds in the upper half and fractions of 2⁻³² s in the lower.
        let ntp = (NTP_START_SECS << 32) + ((u128::from(now_us) << 32) / 1_000_000) as u64;
        let mut packets: Vec<Box<dyn Packet>> = Vec::new();
        for source in self
            .sources
            .iter()
            .filter(|source| source.reports && !source.muted)
        {
            for (at, stream) in source
                .streams
                .iter()
                .enumerate()
                .filter(|(_, stream)| !stream.paused)
            {
                packets.push(Box::new(SenderReport {
                    ssrc: stream.ssrc,
                    ntp_time: ntp,
                    rtp_time: source.timestamp(at, now_us),
                    packet_count: stream.packets,
                    octet_count: stream.octets,
                    ..SenderReport::default()
                }));
            }
        }
        let mut reports = Vec::new();
        for sink in &mut self.sinks {
            let Some((fraction_lost, total_lost, last_sequence_number)) = sink.reception() else {
                continue;
            };
            let (last_sender_report, delay) = sink.report.map_or((0, 0), |(middle, at)| {
                (middle, ((now - at).as_secs_f64() * 65_536.0) as u32)
            });
            reports.push(ReceptionReport {
                ssrc: sink.plan.ssrc,
                fraction_lost,
                total_lost,
                last_sequence_number,
                jitter: 0,
                last_sender_report,
                delay,
            });
        }
        packets.push(Box::new(ReceiverReport {
            ssrc: 1,
            reports,
            ..ReceiverReport::default()
        }));
        if let Some((last_rr, at)) = self.reference.filter(|_| self.echoes) {
            let dlrr = ((now - at).as_secs_f64() * 65_536.0) as u32;
            let own = DLRRReport {
                ssrc: 1,
                last_rr,
                dlrr,
            };
            // What somebody else's reference time came back as is none of the SFU's business.
            let others = DLRRReport {
                ssrc: 2,
                dlrr: 0,
                ..own.clone()
            };
            packets.push(Box::new(ExtendedReport {
                sender_ssrc: 1,
                reports: vec![Box::new(DLRRReportBlock {
                    reports: vec![others, own],
                })],
            }));
        }
        self.send_control(&packets);
    }

    pub(super) fn handle_control(&mut self, now: Instant, datagram: &[u8]) {
        let Ok(compound) = self.session.open_control(datagram) else {
            return; // the network made two of one
        };
        self.received += 1;
        let now_us = self.us(now);
        for packet in read_compound(&compound) {
            let packet = packet.as_any();
            if let Some(nack) = packet.downcast_ref::<TransportLayerNack>() {
                let numbers: Vec<u16> = nack.nacks.iter().flat_map(|pair| pair.packet_list()).collect();
                for number in &numbers {
                    self.asks.entry((nack.media_ssrc, *number)).or_default().push(now);
                }
                self.repeat(nack.media_ssrc, &numbers);
            } else if let Some(pli) = packet.downcast_ref::<PictureLossIndication>() {
                for stream in self.sources.iter_mut().flat_map(|source| &mut source.streams) {
                    if stream.ssrc == pli.media_ssrc {
                        stream.key_wanted = true;
                        stream.asked_us.push(now_us);
                    }
                }
            } else if let Some(feedback) = packet.downcast_ref::<TransportLayerCc>() {
                let mut news = BTreeMap::new();
                note_feedback(feedback, &mut news);
                for (number, arrived) in news {
                    *self.told.entry(number).or_default() |= arrived;
                    if arrived {
                        self.told_at.entry(number).or_insert(now);
                    }
                }
            } else if let Some(report) = packet.downcast_ref::<ReceiverReport>() {
                for block in &report.reports {
                    for stream in self.sources.iter_mut().flat_map(|source| &mut source.streams) {
                        stream.known |= stream.ssrc == block.ssrc;
                    }
                }
            } else if let Some(report) = packet.downcast_ref::<SenderReport>() {
                for sink in self.sinks.iter_mut().filter(|sink| sink.plan.ssrc == report.ssrc) {
                    sink.report = Some(((report.ntp_time >> 16) as u32, now));
                    sink.clock = Some((report.ntp_time, report.rtp_time));
                }
            } else if let Some(extended) = packet.downcast_ref::<ExtendedReport>() {
                for block in &extended.reports {
                    let block = block.as_any().downcast_ref::<ReceiverReferenceTimeReportBlock>();
                    let time = block.expect("a reference time").ntp_timestamp;
                    self.reference = Some(((time >> 16) as u32, now));
                }
            } else {
                panic!("{}: RTCP that no device expects", self.name);
            }
        }
    }

    fn repeat(&mut self, ssrc: u32, numbers: &[u16]) {
        let ids = self.extensions;
        let mut again = Vec::new();
        for source in &mut self.sources {
            let at = source.streams.iter().position(|stream| stream.ssrc == ssrc);
            let Some(at) = at.filter(|_| self.repeats) else {
                continue;
            };
            again.extend(
                numbers
                    .iter()
                    .filter_map(|number| source.repeat(at, *number, &ids)),
            );
        }
        self.asked_again += numbers.len() as u64;
        for packet in again {
            self.send(packet);
        }
    }
}
