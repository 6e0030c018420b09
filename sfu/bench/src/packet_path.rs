//! The packet path in memory, without sockets: one publisher, N subscribers, 1,100-byte packets of a VP8 track in frames
//! of [`FRAME`] packets. The publisher's sealing is not counted; opening, rewriting and sealing for each subscriber is.

use anyhow::{Context, ensure};
use aws_lc_rs::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use hanse_sfu_core::command::{
    Codec, ExtensionIds, Fingerprint, IceCredentials, LayerSource, Layering, MediaCommand, Peer, ReceivePlan,
    ReceiveSection, SendPlan, Want,
};
use hanse_sfu_core::ids::{ConnectionId, DownTrackId, Layer, Mid, ShardId, TrackId};
use hanse_sfu_core::rtp::{HeaderTemplate, Stamp};
use hanse_sfu_core::shard::{Shard, ShardCommand, ShardConfig};
use hanse_sfu_core::simulation::{HANDSHAKE, ReadyKeys, check, peer_session};
use hanse_sfu_core::srtp::{SrtpSession, TAG};
use rustix::time::{ClockId, clock_gettime};
use serde::Serialize;
use std::hint::black_box;
use std::net::SocketAddr;
use std::process::Command;
use std::time::{Duration, Instant};

/// Payload bytes of one packet, VP8 descriptor included.
const PAYLOAD: usize = 1100;

/// Packets that arrive together: a frame of a 1 Mbit/s camera.
const FRAME: usize = 4;

/// Timed repetitions; the best counts, because a shared machine only ever adds time.
const REPETITIONS: usize = 7;

/// The choice of subscribers.
const SUBSCRIBERS: [usize; 4] = [1, 10, 50, 1000];

const EXTENSIONS: ExtensionIds = ExtensionIds {
    mid: Some(1),
    rid: None,
    repaired_rid: None,
    audio_level: None,
    transport_cc: Some(5),
    abs_send_time: Some(6),
    dependency_descriptor: None,
};

/// Options of `packet-path`.
#[derive(clap::Args)]
pub struct Arguments {
    /// Print a JSON list instead of a table
    #[arg(long)]
    json: bool,
    /// Only forward this many frames to this many subscribers (for counting instructions)
    #[arg(long, num_args = 2, value_names = ["SUBSCRIBERS", "FRAMES"], hide = true)]
    only_forward: Option<Vec<usize>>,
}

/// One line of the result.
#[derive(Serialize)]
struct Figures {
    subscribers: usize,
    ns_per_packet: f64,
    seal_ns: f64,
    ratio: f64,
    /// The part of `ns_per_packet` that takes a packet in, shared by its subscribers.
    ingress_ns: f64,
    allocations_per_packet: f64,
    /// `null` when valgrind is not there.
    instructions_per_packet: Option<f64>,
}

/// Runs the measurement.
pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    if let Some([subscribers, frames]) = arguments.only_forward.as_deref() {
        let mut bench = Bench::new(*subscribers)?;
        (0..*frames).try_for_each(|_| bench.forward_frame().map(drop))?;
        return Ok(());
    }
    let mut lines = Vec::new();
    for subscribers in SUBSCRIBERS {
        eprintln!("measuring {subscribers} subscribers …");
        lines.push(measure(subscribers)?);
    }
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&lines)?);
        return Ok(());
    }
    println!(
        "subscribers  ns/packet  seal ns  ratio  of it ingress  allocations/packet  instructions/packet"
    );
    for line in &lines {
        println!(
            "{:>11}  {:>9.0}  {:>7.0}  {:>5.2}  {:>13.0}  {:>18.2}  {:>19}",
            line.subscribers,
            line.ns_per_packet,
            line.seal_ns,
            line.ratio,
            line.ingress_ns,
            line.allocations_per_packet,
            line.instructions_per_packet
                .map_or("valgrind missing".into(), |count| format!("{count:.0}")),
        );
    }
    if let [_, ten, _, thousand] = &lines[..] {
        println!(
            "egress at 1,000 subscribers: {:.2} x that at 10",
            (thousand.ns_per_packet - thousand.ingress_ns) / (ten.ns_per_packet - ten.ingress_ns)
        );
    }
    Ok(())
}

fn measure(subscribers: usize) -> anyhow::Result<Figures> {
    let frames = (40_000 / (subscribers * FRAME)).max(20);
    let mut bench = Bench::new(subscribers)?;
    for _ in 0..200 {
        bench.forward_frame()?; // warm up: rings, histories, arena
    }
    let (mut best, mut ingress, mut seal) = (f64::MAX, f64::MAX, f64::MAX);
    for _ in 0..REPETITIONS {
        let (mut total, mut taken) = (Duration::ZERO, Duration::ZERO);
        for _ in 0..frames {
            let (frame, ingress) = bench.forward_frame()?;
            total += frame;
            taken += ingress;
        }
        let packets = (frames * FRAME * subscribers) as f64;
        best = best.min(total.as_nanos() as f64 / packets);
        ingress = ingress.min(taken.as_nanos() as f64 / packets);
        seal = seal.min(seal_floor()?);
    }
    let mut outcome = Ok(());
    let allocations = allocation_counter::measure(|| {
        for _ in 0..frames {
            if let Err(error) = bench.forward_frame() {
                outcome = Err(error);
            }
        }
    });
    outcome?;
    Ok(Figures {
        subscribers,
        ns_per_packet: best,
        seal_ns: seal,
        ratio: best / seal,
        ingress_ns: ingress,
        allocations_per_packet: allocations.count_total as f64 / (frames * FRAME * subscribers) as f64,
        instructions_per_packet: instructions(subscribers)?,
    })
}

/// CPU time of this thread: a neighbour's load does not count.
fn cpu() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec.unsigned_abs() as u32)
}

/// The bare seal of one packet by the same library, in place.
fn seal_floor() -> anyhow::Result<f64> {
    let key = UnboundKey::new(&AES_128_GCM, &[7; 16])
        .ok()
        .context("the library refused a key")?;
    let key = LessSafeKey::new(key);
    let mut payload = vec![1; PAYLOAD];
    let rounds = 20_000_u32;
    let start = cpu();
    for round in 0..rounds {
        let mut nonce = [0; 12];
        nonce[..4].copy_from_slice(&round.to_be_bytes());
        let aad = Aad::from([0; 28]);
        let tag = key.seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), aad, &mut payload);
        let tag = tag.ok().context("the library refused to seal")?;
        black_box(tag.as_ref());
    }
    Ok((cpu() - start).as_nanos() as f64 / f64::from(rounds))
}

/// Instructions per forwarded packet, by callgrind: the difference of a long and a short run, so that warming up falls
/// out. Wider vector units than valgrind knows are not used there.
fn instructions(subscribers: usize) -> anyhow::Result<Option<f64>> {
    let count = |frames: usize| -> anyhow::Result<Option<f64>> {
        let run = Command::new("valgrind")
            .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
            .arg("--toggle-collect=*Bench*forward_prepared*")
            .arg(std::env::current_exe()?)
            .args([
                "packet-path",
                "--only-forward",
                &subscribers.to_string(),
                &frames.to_string(),
            ])
            .output();
        let Ok(run) = run else { return Ok(None) };
        let text = String::from_utf8_lossy(&run.stderr).into_owned();
        ensure!(run.status.success(), "valgrind failed: {text}");
        let collected = text
            .lines()
            .find_map(|line| line.split_once("Collected :"))
            .context("no count")?;
        Ok(Some(collected.1.trim().parse()?))
    };
    let (short, long) = (150, 150 + (2_000 / (subscribers * FRAME)).max(2));
    let packets = ((long - short) * FRAME * subscribers) as f64;
    Ok(count(long)?
        .zip(count(short)?)
        .map(|(long, short)| (long - short) / packets))
}

struct Bench {
    shard: Shard,
    now: Instant,
    publisher: SrtpSession,
    template: HeaderTemplate,
    sequence: u64,
    frame: u32,
    subscribers: usize,
    packets: Vec<Vec<u8>>,
}

fn address(number: usize) -> SocketAddr {
    SocketAddr::from(([10, 0, (number >> 8) as u8, number as u8], 5000))
}

fn fingerprint(number: usize) -> Fingerprint {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&(number as u64).to_be_bytes());
    Fingerprint(bytes)
}

impl Bench {
    fn new(subscribers: usize) -> anyhow::Result<Self> {
        let now = Instant::now();
        let config = ShardConfig {
            id: ShardId(0),
            seed: [1; 32],
        };
        let mut shard = Shard::new(now, config, Box::new(ReadyKeys));
        for number in 0..=subscribers {
            connect(&mut shard, now, number);
        }
        let mid = Mid::from("0").ok().context("mid")?;
        let layers = vec![LayerSource {
            layer: Layer(0),
            rid: None,
            ssrc: Some(77),
            rtx_ssrc: None,
        }];
        let section = ReceiveSection {
            mid,
            track: TrackId(1),
            codec: Codec::Vp8,
            payload_type: 96,
            rtx_payload_type: Some(97),
            primary_payload_type: None,
            layering: Layering::PerStream,
            layers,
        };
        let plan = ReceivePlan {
            extensions: EXTENSIONS,
            sections: vec![section],
        };
        let plan = MediaCommand::SetReceivePlan {
            connection: ConnectionId(0),
            plan,
        };
        shard.handle_command(now, ShardCommand::Media(plan));
        for number in 1..=subscribers {
            let plan = SendPlan {
                codec: Codec::Vp8,
                ssrc: 1000 + number as u32,
                rtx_ssrc: Some(100_000 + number as u32),
                payload_type: 96,
                rtx_payload_type: Some(97),
                primary_payload_type: None,
                mid,
                extensions: EXTENSIONS,
                cname: "PA_bench".into(),
                may_pause: false,
            };
            let subscribe = MediaCommand::Subscribe {
                connection: ConnectionId(number as u64),
                track: TrackId(1),
                down_track: DownTrackId(number as u64),
                plan,
                want: Want {
                    enabled: true,
                    layer_max: Layer(2),
                    temporal_max: u8::MAX,
                },
            };
            shard.handle_command(now, ShardCommand::Media(subscribe));
        }
        while shard.poll_event().is_some() {}
        while shard.poll_batch(now).is_some() {}
        Ok(Bench {
            shard,
            now,
            publisher: peer_session(fingerprint(0))?,
            template: HeaderTemplate::new(77, 96, &EXTENSIONS, Some(&mid)),
            sequence: 0,
            frame: 0,
            subscribers,
            packets: vec![Vec::new(); FRAME],
        })
    }

    /// Builds and seals the publisher's next frame; the first is a key frame.
    fn prepare(&mut self) -> anyhow::Result<()> {
        self.now += Duration::from_millis(33);
        for (place, packet) in self.packets.iter_mut().enumerate() {
            packet.resize(64 + PAYLOAD + TAG, 0);
            let marker = place + 1 == FRAME;
            let timestamp = self.frame.wrapping_mul(3000);
            let stamp = Stamp {
                transport_number: self.sequence as u16,
                ..Stamp::default()
            };
            let header = self
                .template
                .write(packet, marker, self.sequence as u16, timestamp, stamp)
                .context("header")?;
            // RFC 7741: X and S, then I, L and T; a 15-bit picture id, TL0PICIDX, TID.
            let picture = (self.frame as u16 & 0x7fff | 0x8000).to_be_bytes();
            let start = if place == 0 { 0x90 } else { 0x80 };
            // The last byte is the payload's first: its P bit is clear in a key frame.
            let delta = u8::from(self.frame != 0);
            let descriptor = [start, 0xe0, picture[0], picture[1], self.frame as u8, 0x20, delta];
            let body = packet.get_mut(header..header + PAYLOAD).context("room")?;
            body.fill(0x55);
            *body.first_chunk_mut().context("room")? = descriptor;
            packet.truncate(header + PAYLOAD + TAG);
            self.publisher.seal(packet, header, 77, self.sequence)?;
            self.sequence += 1;
        }
        self.frame += 1;
        Ok(())
    }

    /// One frame in, its copies out. Returns the CPU time of both, and of the first part alone.
    fn forward_frame(&mut self) -> anyhow::Result<(Duration, Duration)> {
        self.prepare()?;
        let (sent, total, ingress) = self.forward_prepared();
        ensure!(
            sent == self.subscribers * FRAME,
            "{sent} datagrams instead of one for each subscriber"
        );
        Ok((total, ingress))
    }

    // By this name callgrind finds the part that counts.
    #[inline(never)]
    fn forward_prepared(&mut self) -> (usize, Duration, Duration) {
        let start = cpu();
        for packet in &mut self.packets {
            self.shard.handle_datagram(self.now, address(0), packet);
        }
        let ingress = cpu() - start;
        let sent = drain(&mut self.shard, self.now);
        (sent, cpu() - start, ingress)
    }
}

fn drain(shard: &mut Shard, now: Instant) -> usize {
    let mut sent = 0;
    while let Some(batch) = shard.poll_batch(now) {
        sent += batch
            .trains
            .iter()
            .map(|train| train.len.div_ceil(train.segment))
            .sum::<usize>();
        black_box(batch.bytes);
    }
    sent
}

fn connect(shard: &mut Shard, now: Instant, number: usize) {
    let local = IceCredentials {
        ufrag: format!("sfu{number}"),
        password: "a-password-of-the-sfu-0".into(),
    };
    let remote = IceCredentials {
        ufrag: format!("peer{number}"),
        password: "not-needed-by-a-lite-side".into(),
    };
    let mut request = check(&format!("sfu{number}:peer{number}"), &local.password, true);
    let open = MediaCommand::OpenConnection {
        connection: ConnectionId(number as u64),
        peer: Peer::Client,
        local,
        remote,
        fingerprint: fingerprint(number),
    };
    shard.handle_command(now, ShardCommand::Media(open));
    shard.handle_datagram(now, address(number), &mut request);
    shard.handle_datagram(now, address(number), &mut HANDSHAKE.to_vec());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warm_packet_path_allocates_nothing() {
        for subscribers in [1, 50] {
            let mut bench = Bench::new(subscribers).unwrap();
            for _ in 0..200 {
                bench.forward_frame().unwrap();
            }
            let counted = allocation_counter::measure(|| {
                for _ in 0..100 {
                    bench.forward_frame().unwrap();
                }
            });
            assert_eq!(counted.count_total, 0, "{subscribers} subscribers");
            let something = allocation_counter::measure(|| drop(black_box(vec![1])));
            assert_eq!(something.count_total, 1, "the counter counts");
        }
    }
}
