//! Datagrams in: told apart by their first byte (RFC 7983), opened, and kept in their track's ring.

use super::{Shard, ShardEvent, release};
use crate::command::{ConnectionEnd, MediaEvent};
use crate::ice::Check;
use crate::ids::Layer;
use crate::rtp::{RtpHeader, is_rtcp};
use crate::secure::SecureEvent;
use crate::sequence::SequenceExtender;
use crate::srtp::SrtpSession;
use crate::track::Incoming;
use std::net::SocketAddr;
use std::time::Instant;

use crate::connection::{Admitted, STREAMS_MAX, Stream};

/// Duration of an audio packet, in ms; every client of the protocol sends 20.
const AUDIO_PACKET_MS: u32 = 20;

impl Shard {
    /// Takes a datagram; it is opened in place. Garbage is dropped and counted.
    pub fn handle_datagram(&mut self, now: Instant, source: SocketAddr, datagram: &mut [u8]) {
        self.counters.datagrams_in += 1;
        self.handle_own_datagram(now, source, datagram);
    }

    pub(super) fn handle_own_datagram(&mut self, now: Instant, source: SocketAddr, datagram: &mut [u8]) {
        let taken = match datagram.first() {
            Some(0..=3) => self.handle_check(now, source, datagram),
            Some(20..=63) => self.handle_secure(now, source, datagram),
            Some(128..=191) if is_rtcp(datagram) => self.handle_control(now, source, datagram),
            Some(128..=191) => self.handle_media_packet(now, source, datagram),
            _ => None,
        };
        if taken.is_none() {
            self.counters.datagrams_dropped += 1;
        }
    }

    fn sender(&mut self, source: SocketAddr, datagram: &[u8]) -> Option<usize> {
        let key = self.addresses.get(&source).copied();
        if key.is_none() {
            self.hand_over(source, None, datagram);
        }
        key
    }

    /// A STUN connectivity check (RFC 8445, section 7.3).
    fn handle_check(&mut self, now: Instant, source: SocketAddr, datagram: &[u8]) -> Option<()> {
        let mut check = Check::parse(datagram)?;
        let Some(&key) = self.ufrags.get(check.local_ufrag()) else {
            return self
                .hand_over(source, Some(check.local_ufrag()), datagram)
                .then_some(());
        };
        let connection = self.connections.get_mut(key)?;
        let admitted = connection.admits(&mut check)?;
        if connection.checked.is_none() {
            let mut secure = self.secure.accept(now, connection.fingerprint);
            if connection.opens_channels {
                secure.open_channels(now);
            }
            connection.secure = Some(secure);
            self.events.push_back(ShardEvent::Claimed(connection.id));
        }
        connection.checked = Some(now);
        if let Admitted::Restarted { over } = admitted {
            self.ufrags.remove(&over);
            self.events.push_back(ShardEvent::Restarted {
                connection: connection.id,
                ufrag: connection.local.ufrag.clone(),
            });
        }
        if !connection.addresses.contains(&source) {
            if connection.addresses.is_full() {
                // The oldest, but never the one that is in use.
                let in_use = connection.addresses.first() == connection.wire.address.as_ref();
                let oldest = connection.addresses.remove(usize::from(in_use));
                release(&mut self.addresses, oldest, key);
            }
            connection.addresses.push(source);
        }
        // The latest check decides whose address it is: a peer may come again from where it was.
        self.addresses.insert(source, key);
        if connection.wire.address.is_none() || check.nominates() {
            connection.set_address(now, source);
        }
        let answer = check.answer(&connection.local, source)?;
        self.arena.push_datagram(source, &answer);
        Some(())
    }

    fn handle_secure(&mut self, now: Instant, source: SocketAddr, datagram: &[u8]) -> Option<()> {
        let key = self.sender(source, datagram)?;
        self.connections
            .get_mut(key)?
            .secure
            .as_mut()?
            .handle_datagram(now, datagram);
        self.drain_secure(now, key);
        Some(())
    }

    /// Takes what DTLS has to say and to send.
    pub(super) fn drain_secure(&mut self, now: Instant, key: usize) {
        let Some(connection) = self.connections.get_mut(key) else {
            return;
        };
        let Some(secure) = &mut connection.secure else {
            return;
        };
        while let Some(datagram) = secure.poll_transmit(now) {
            if let Some(address) = connection.wire.address {
                self.arena.push_datagram(address, &datagram);
            }
        }
        while let Some(event) = self
            .connections
            .get_mut(key)
            .and_then(|it| it.secure.as_mut()?.poll_event())
        {
            match event {
                SecureEvent::Keys(keys) => {
                    let Some(connection) = self.connections.get_mut(key) else {
                        return;
                    };
                    let Ok(session) = SrtpSession::new(&keys) else {
                        return self.forget(key, Some(ConnectionEnd::DtlsFailed));
                    };
                    connection.wire.session = Some(session);
                    let connected = MediaEvent::Connected {
                        connection: connection.id,
                    };
                    let sends: Vec<_> = connection
                        .sends
                        .iter()
                        .map(|(_, down_track)| *down_track)
                        .collect();
                    self.event(connected);
                    for down_track in sends {
                        if let Some(&(track, _)) = self.down_track_keys.get(&down_track) {
                            self.seek_key_frames(now, track);
                        }
                    }
                }
                SecureEvent::ChannelOpen(channel) => {
                    if let Some(connection) = self.connections.get(key).map(|it| it.id) {
                        self.event(MediaEvent::DataChannelOpen { connection, channel });
                    }
                }
                SecureEvent::Stalled => {
                    if let Some(connection) = self.connections.get(key).map(|it| it.id) {
                        self.event(MediaEvent::DataStalled { connection });
                    }
                }
                SecureEvent::Failed => return self.forget(key, Some(ConnectionEnd::DtlsFailed)),
                SecureEvent::Closed => return self.forget(key, Some(ConnectionEnd::ClosedByPeer)),
            }
        }
        self.listen(key);
    }

    /// A media packet. `None` if it goes nowhere.
    fn handle_media_packet(&mut self, now: Instant, source: SocketAddr, datagram: &mut [u8]) -> Option<()> {
        let Some(&key) = self.addresses.get(&source) else {
            return self.hand_over(source, None, datagram).then_some(());
        };
        let connection = self.connections.get_mut(key)?;
        let session = connection.wire.session.as_ref()?;
        let header = RtpHeader::parse(datagram)?;
        let known = connection
            .streams
            .iter()
            .position(|stream| stream.ssrc == header.ssrc);
        let stream = known.and_then(|at| connection.streams.get(at));
        let extensions = header.extensions(datagram, &connection.extensions);
        // Believe nothing before it is known whose stream this is.
        let (origin, mut index) = match stream {
            Some(stream) => (stream.source, stream.index),
            None => (connection.resolve(&header, &extensions)?, SequenceExtender::new()),
        };
        if !origin.fits(&header) {
            return None;
        }
        let (transport_cc, audio_level) = (extensions.transport_cc, extensions.audio_level);
        let (dependency_at, dependency_len) = extensions.dependency_descriptor.unwrap_or_default();
        let number = index.extend(header.sequence);
        let len = open(session, datagram, &header, number)?;
        // Authentic from here on. Firefox probes with repeated numbers: they count for congestion, and go nowhere.
        if let Some(number) = transport_cc {
            connection.twcc.record(now, number);
        }
        let at = match known {
            Some(at) => at,
            None if connection.streams.len() < STREAMS_MAX => {
                let replay = Default::default();
                connection.streams.push(Stream {
                    ssrc: header.ssrc,
                    source: origin,
                    index,
                    replay,
                });
                connection.streams.len() - 1
            }
            None => return None,
        };
        let stream = connection.streams.get_mut(at)?;
        stream.index = index;
        if !stream.replay.accept(number) {
            self.counters.packets_replayed += 1;
            return Some(());
        }
        connection.on_heard(now, source);
        let bytes = datagram.len() as u64;
        if origin.rtx {
            self.counters.repairs_in += 1;
            self.counters.repair_bytes_in += bytes;
        } else {
            self.counters.packets_in += 1;
            self.counters.bytes_in += bytes;
        }
        let payload = without_padding(datagram.get(header.len..len)?, header.padding)?;
        let incoming = Incoming {
            layer: origin.layer,
            sequence: header.sequence,
            timestamp: header.timestamp,
            marker: header.marker,
            repaired: origin.rtx,
            dependency: datagram.get(dependency_at..dependency_at + dependency_len)?,
            payload,
        };
        let incoming = if origin.rtx {
            original(incoming)
        } else {
            Some(incoming)
        };
        if let Some(incoming) = incoming {
            self.keep(
                now,
                origin.track,
                (!origin.rtx).then_some(header.ssrc),
                audio_level,
                incoming,
            );
        }
        Some(())
    }

    fn keep(
        &mut self,
        now: Instant,
        key: usize,
        ssrc: Option<u32>,
        audio_level: Option<u8>,
        incoming: Incoming<'_>,
    ) {
        let Some(track) = self.tracks.get_mut(key) else {
            return;
        };
        if let Some(level) = audio_level {
            track.loudness.on_level(now, level, AUDIO_PACKET_MS);
        }
        if let (Some(ssrc), Some(layer)) = (ssrc, track.layers.get_mut(usize::from(incoming.layer.0))) {
            layer.ssrc = Some(ssrc);
        }
        let Some(facts) = track.take(now, incoming) else {
            return;
        };
        if !track.flowing {
            track.flowing = true;
            let flowing = MediaEvent::TrackFlowing { track: track.id };
            self.event(flowing);
        }
        self.copy_to_mirrors(key, facts, incoming.payload, incoming.dependency);
        self.copy_released(key);
        self.queue(key);
    }

    /// Notes that a track has packets to forward.
    pub(super) fn queue(&mut self, key: usize) {
        if let Some(track) = self.tracks.get_mut(key)
            && !track.queued
            && !track.fresh.is_empty()
        {
            track.queued = true;
            self.pending.push_back(key);
        }
    }

    /// The publisher's layer behind one of its SSRCs.
    pub(super) fn incoming_layer(&self, key: usize, ssrc: u32) -> Option<(usize, Layer)> {
        let stream = self
            .connections
            .get(key)?
            .streams
            .iter()
            .find(|stream| stream.ssrc == ssrc)?;
        (!stream.source.rtx).then_some((stream.source.track, stream.source.layer))
    }
}

#[inline]
fn open(session: &SrtpSession, datagram: &mut [u8], header: &RtpHeader, number: u64) -> Option<usize> {
    let index = number.checked_sub(SequenceExtender::FIRST_TURN)?;
    session.open(datagram, header.len, header.ssrc, index).ok()
}

fn without_padding(payload: &[u8], padded: bool) -> Option<&[u8]> {
    if !padded {
        return Some(payload);
    }
    let padding = usize::from(*payload.last()?);
    payload.get(..payload.len().checked_sub(padding)?)
}

/// The packet inside a retransmission (RFC 4588, section 4); `None` for padding that only probes the link.
fn original(mut incoming: Incoming<'_>) -> Option<Incoming<'_>> {
    let (number, payload) = incoming.payload.split_first_chunk()?;
    incoming.sequence = u16::from_be_bytes(*number);
    incoming.payload = payload;
    Some(incoming)
}
