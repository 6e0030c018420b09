//! Sockets on loopback: what goes in comes out, whole and from the right address.

use super::*;
use hanse_sfu_core::shard::Train;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::Duration;

fn ready(waiter: &Waiter) {
    assert!(
        waiter.wait(Some(Duration::from_secs(5))).unwrap().sockets[0],
        "nothing arrived"
    );
}

fn peer(address: &str) -> UdpSocket {
    let socket = UdpSocket::bind(address).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    socket
}

fn receive(peer: &UdpSocket) -> (Vec<u8>, SocketAddr) {
    let mut buffer = [0; 2048];
    let (len, from) = peer.recv_from(&mut buffer).unwrap();
    (buffer[..len].to_vec(), from)
}

#[test]
fn a_batch_is_received_with_its_senders_and_an_oversized_datagram_is_dropped() {
    for local in ["127.0.0.1:0", "[::1]:0"] {
        let socket = MediaSocket::bind(local.parse().unwrap()).unwrap();
        let waiter = Waiter::new(std::slice::from_ref(&socket)).unwrap();
        let peer = peer(local);
        peer.send_to(&[7; SLOT_SIZE + 1], socket.local()).unwrap();
        peer.send_to(b"one", socket.local()).unwrap();
        peer.send_to(b"two", socket.local()).unwrap();
        ready(&waiter);
        let mut slab = Slab::new();
        assert_eq!(slab.receive(&socket).unwrap(), 3);
        let mut seen = Vec::new();
        slab.drain(|source, _, datagram| seen.push((source, datagram.to_vec())));
        let from = peer.local_addr().unwrap();
        assert_eq!(seen, [(from, b"one".to_vec()), (from, b"two".to_vec())]);
        assert_eq!(slab.oversized(), 1);
        assert_eq!(slab.receive(&socket).unwrap(), 0);
    }
}

#[test]
fn a_train_arrives_as_its_datagrams_and_a_neighbour_gets_only_its_own() {
    let socket = MediaSocket::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let (alice, bob) = (peer("127.0.0.1:0"), peer("127.0.0.1:0"));
    let mut arena = vec![1; 100];
    arena.extend([2; 100]);
    arena.extend([3; 40]);
    arena.extend([9; 60]);
    let trains = [
        Train {
            destination: alice.local_addr().unwrap(),
            start: 0,
            len: 240,
            segment: 100,
        },
        Train {
            destination: bob.local_addr().unwrap(),
            start: 240,
            len: 60,
            segment: 60,
        },
    ];
    let mut sender = Sender::new();
    sender.send(&socket, &arena, trains.iter(), |_| None);
    for expected in [vec![1; 100], vec![2; 100], vec![3; 40]] {
        assert_eq!(receive(&alice), (expected, socket.local()));
    }
    assert_eq!(receive(&bob), (vec![9; 60], socket.local()));
    bob.set_nonblocking(true).unwrap();
    assert!(bob.recv_from(&mut [0; 10]).is_err());
    assert_eq!(
        sender.counters(),
        SendCounters {
            sent: 4,
            dropped_full: 0,
            failed: 0
        }
    );
}

#[test]
fn a_train_that_the_kernel_refuses_goes_out_as_single_datagrams_and_soon_none_is_tried() {
    let socket = MediaSocket::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    // Without UDP checksums the kernel refuses every train (EINVAL), and sends single datagrams as before.
    let on: libc::c_int = 1;
    // SAFETY: the option's value is one `c_int`, and its size goes with it.
    let result = unsafe {
        libc::setsockopt(
            socket.raw(),
            libc::SOL_SOCKET,
            libc::SO_NO_CHECK,
            (&raw const on).cast(),
            4,
        )
    };
    assert_eq!(result, 0);
    let alice = peer("127.0.0.1:0");
    let arena = vec![5; 300];
    let train = [Train {
        destination: alice.local_addr().unwrap(),
        start: 0,
        len: 300,
        segment: 100,
    }];
    let mut sender = Sender::new();
    for round in 1..=20 {
        sender.send(&socket, &arena, train.iter(), |_| None);
        for _ in 0..3 {
            assert_eq!(receive(&alice).0, vec![5; 100]);
        }
        assert_eq!(
            sender.counters(),
            SendCounters {
                sent: round * 3,
                dropped_full: 0,
                failed: 0
            }
        );
    }
    assert!(!sender.sends_trains());
}

#[test]
fn a_datagram_that_cannot_be_sent_is_counted_and_the_next_one_leaves() {
    let socket = MediaSocket::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let alice = peer("127.0.0.1:0");
    let destination = alice.local_addr().unwrap();
    let foreign: SocketAddr = "192.0.2.255:9".parse().unwrap();
    let trains = [
        Train {
            destination: foreign,
            start: 0,
            len: 3,
            segment: 3,
        },
        Train {
            destination,
            start: 3,
            len: 3,
            segment: 3,
        },
    ];
    let mut sender = Sender::new();
    sender.send(&socket, b"badyes", trains.iter(), |to| {
        (*to == foreign).then(|| foreign.ip())
    });
    assert_eq!(receive(&alice).0, b"yes");
    assert_eq!(
        sender.counters(),
        SendCounters {
            sent: 1,
            dropped_full: 0,
            failed: 1
        }
    );
}

#[test]
fn more_messages_than_one_call_takes_all_arrive_in_order() {
    let socket = MediaSocket::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let alice = peer("127.0.0.1:0");
    let arena: Vec<u8> = (0..200).collect();
    let destination = alice.local_addr().unwrap();
    let trains: Vec<Train> = (0..100)
        .map(|n| Train {
            destination,
            start: n * 2,
            len: 2,
            segment: 2,
        })
        .collect();
    let mut sender = Sender::new();
    sender.send(&socket, &arena, trains.iter(), |_| None);
    for n in 0..100 {
        assert_eq!(receive(&alice).0, [n * 2, n * 2 + 1]);
    }
    // A train of more segments than the kernel takes at once is cut.
    let long = [Train {
        destination,
        start: 0,
        len: 200,
        segment: 1,
    }];
    sender.send(&socket, &arena, long.iter(), |_| None);
    for n in 0..200 {
        assert_eq!(receive(&alice).0, [n]);
    }
}

#[test]
fn an_answer_leaves_from_the_address_that_was_asked() {
    let socket = MediaSocket::bind("0.0.0.0:0".parse().unwrap()).unwrap();
    let waiter = Waiter::new(std::slice::from_ref(&socket)).unwrap();
    let alice = peer("127.0.0.1:0");
    let port = socket.local().port();
    alice.send_to(b"ask", ("127.0.0.7", port)).unwrap();
    ready(&waiter);
    let mut slab = Slab::new();
    slab.receive(&socket).unwrap();
    let mut asked = None;
    slab.drain(|_, local, _| asked = local);
    assert_eq!(asked, Some("127.0.0.7".parse::<IpAddr>().unwrap()));
    let train = [Train {
        destination: alice.local_addr().unwrap(),
        start: 0,
        len: 6,
        segment: 3,
    }];
    Sender::new().send(&socket, b"yes no", train.iter(), |_| asked);
    assert_eq!(
        receive(&alice),
        (b"yes".to_vec(), SocketAddr::from(([127, 0, 0, 7], port)))
    );
    assert_eq!(receive(&alice).0, b" no");
}

#[test]
fn two_shards_share_one_port_and_another_server_hears_that_it_is_taken() {
    let first = MediaSocket::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let second = MediaSocket::bind(first.local()).unwrap();
    assert_eq!(first.local(), second.local());
    assert!(
        MediaSocket::probe(first.local()).is_err(),
        "a port in use counts as free"
    );
    let (receive_buffer, send_buffer) = first.buffers();
    assert!(receive_buffer > 0 && send_buffer > 0);
}
