//! Silent addresses are listeners of this host whose queue is full: the system drops what comes.
// clippy.toml lifts these only inside of test functions, not in what they share.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use super::*;
use crate::asynch::Dialing;
use crate::os::OsStack;
use embedded_nal::{TcpClientStack, TcpFullStack};
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use ws_socket::stack::{StdSocket, StdStack};

/// What a busy machine may take longer.
const SLACK: Duration = Duration::from_millis(1_500);
const SOON: Duration = Duration::from_secs(60);

/// An address that answers nobody as long as this lives.
struct Silent {
    at: SocketAddr,
    _kept: (StdStack, StdSocket, Vec<StdSocket>),
}

impl Silent {
    fn new() -> Self {
        let mut stack = StdStack::new()
            .with_bind_addr(Ipv4Addr::LOCALHOST.into())
            .with_backlog(0);
        let mut listener = stack.socket().unwrap();
        stack.bind(&mut listener, 0).unwrap();
        stack.listen(&mut listener).unwrap();
        let at = listener.local_addr().unwrap();
        let mut queued = Vec::new();
        loop {
            let mut socket = stack.socket().unwrap();
            let mut through = stack.connect(&mut socket, at).is_ok();
            for _ in 0..20 {
                if through {
                    break;
                }
                std::thread::sleep(Duration::from_millis(5));
                through = stack.connect(&mut socket, at).is_ok();
            }
            queued.push(socket);
            if !through {
                break;
            }
            assert!(queued.len() < 100, "the queue never fills");
        }
        let _kept = (stack, listener, queued);
        Self { at, _kept }
    }
}

/// An address that nobody listens at.
fn refusing() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.local_addr().unwrap()
}

/// What a race comes to by a driver, and how long it took.
type Ran = (Result<SocketAddr, Failed>, Duration);

/// The race by both drivers.
fn by_both(addresses: &[SocketAddr], within: Duration) -> [Ran; 2] {
    let mut stack = OsStack::new(StdStack::new()).unwrap();
    let began = Instant::now();
    let blocking = race(&mut stack, addresses, began + within);
    let blocking = blocking.map(|socket| socket.remote_addr().unwrap());
    let blocking = (blocking, began.elapsed());
    let began = Instant::now();
    let asynch = race(&mut Dialing::new(), addresses, began + within);
    let asynch = asynch.map(|stream| stream.tcp().peer_addr().unwrap());
    [blocking, (asynch, began.elapsed())]
}

#[test]
fn silent_addresses_hold_up_the_next_by_250_ms_each() {
    let silent = [Silent::new(), Silent::new(), Silent::new()];
    let server = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let there = server.local_addr().unwrap();
    for count in 0..=silent.len() {
        let mut addresses: Vec<_> = silent.iter().take(count).map(|it| it.at).collect();
        addresses.push(there);
        for (reached, took) in by_both(&addresses, SOON) {
            assert_eq!(reached.unwrap(), there);
            let least = HEAD_START * u32::try_from(count).unwrap();
            assert!(took >= least, "{count}: {took:?}");
            assert!(took < least + SLACK, "{count}: {took:?}");
        }
    }
}

#[test]
fn a_refusal_has_the_next_dialed_at_once() {
    let server = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let there = server.local_addr().unwrap();
    let mut addresses: Vec<_> = std::iter::repeat_with(refusing).take(8).collect();
    addresses.push(there);
    for (reached, took) in by_both(&addresses, SOON) {
        assert_eq!(reached.unwrap(), there);
        assert!(took < SLACK, "{took:?}");
    }
}

#[test]
fn a_short_timeout_still_tries_all() {
    let silent = [Silent::new(), Silent::new(), Silent::new()];
    let server = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let there = server.local_addr().unwrap();
    let mut addresses = silent.each_ref().map(|it| it.at).to_vec();
    addresses.push(there);
    for (reached, took) in by_both(&addresses, Duration::from_millis(400)) {
        assert_eq!(reached.unwrap(), there);
        assert!(took < Duration::from_millis(400) + SLACK, "{took:?}");
    }
}

#[test]
fn where_none_takes_it_all_are_told_within_the_one_timeout() {
    let within = Duration::from_millis(700);
    let silent = [Silent::new(), Silent::new()];
    let [first, second] = silent.each_ref().map(|it| it.at);
    let refusing = refusing();
    for (reached, took) in by_both(&[first, refusing, second], within) {
        let failed = reached.unwrap_err();
        assert!(took >= within && took < within + SLACK, "{took:?}");
        let kind = |at| {
            let mut of = failed.iter().filter(|(to, _)| *to == at);
            let (_, error) = of.next().unwrap();
            error.as_ref().map(|error| match error {
                StdError::Io(error) => error.kind(),
                other => panic!("{other}"),
            })
        };
        assert_eq!(kind(first), None);
        assert_eq!(kind(refusing), Some(io::ErrorKind::ConnectionRefused));
        assert_eq!(kind(second), None);
        assert_eq!(failed.len(), 3);
    }
    for (reached, took) in by_both(&[refusing, refusing], SOON) {
        assert_eq!(reached.unwrap_err().len(), 1, "the same address twice");
        assert!(took < SLACK, "{took:?}");
    }
}

/// A dialer by a script: how an address answers, and after how long.
#[derive(Default)]
struct Scripted {
    answers: Vec<(SocketAddr, Option<Duration>, bool)>,
    begun: Vec<SocketAddr>,
    open: usize,
}

impl Dialer for Scripted {
    type Attempt = (SocketAddr, Instant);
    type Socket = SocketAddr;

    fn begin(&mut self, to: SocketAddr) -> Result<Self::Attempt, StdError> {
        self.begun.push(to);
        self.open += 1;
        Ok((to, Instant::now()))
    }

    fn step(&mut self, attempt: Self::Attempt) -> Step<Self::Attempt, SocketAddr> {
        let answer = self.answers.iter().find(|(to, ..)| *to == attempt.0);
        match answer {
            Some((to, Some(after), good)) if attempt.1.elapsed() >= *after => {
                self.open -= 1;
                if *good {
                    Step::Through(*to)
                } else {
                    Step::Failed(StdError::WrongState)
                }
            }
            _ => Step::Pending(attempt),
        }
    }

    fn close(&mut self, _: Self::Attempt) {
        self.open -= 1;
    }

    fn wait(&mut self, at_most: Duration) {
        std::thread::sleep(at_most.min(Duration::from_millis(1)));
    }
}

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

#[test]
fn the_first_that_connects_wins_and_the_others_are_closed() {
    let [slow, fast, unused] = ["192.0.2.1:1", "[2001:db8::1]:1", "192.0.2.2:1"].map(address);
    let mut dialer = Scripted {
        answers: vec![
            (slow, Some(Duration::from_secs(9)), true),
            (fast, Some(Duration::from_millis(5)), true),
        ],
        ..Scripted::default()
    };
    let reached = race(&mut dialer, &[slow, unused, fast], Instant::now() + SOON);
    assert_eq!(reached.unwrap(), fast);
    assert_eq!(dialer.begun, [slow, fast]);
    assert_eq!(dialer.open, 0);
    // Nor does one stay open after a timeout.
    let mut dialer = Scripted::default();
    let deadline = Instant::now() + Duration::from_millis(30);
    let reached = race(&mut dialer, &[slow, unused, fast], deadline);
    assert_eq!(reached.unwrap_err().len(), 3);
    assert_eq!((dialer.begun.len(), dialer.open), (3, 0));
}

#[test]
fn a_slow_first_address_wins_where_the_next_fails() {
    let [slow, bad] = ["192.0.2.1:1", "[2001:db8::1]:1"].map(address);
    let mut dialer = Scripted {
        answers: vec![
            (slow, Some(Duration::from_millis(400)), true),
            (bad, Some(Duration::ZERO), false),
        ],
        ..Scripted::default()
    };
    let reached = race(&mut dialer, &[slow, bad], Instant::now() + SOON);
    assert_eq!(reached.unwrap(), slow);
    assert_eq!((dialer.begun, dialer.open), (vec![slow, bad], 0));
}

#[test]
fn families_take_turns() {
    let v4: Vec<_> = (1..5)
        .map(|n| address(&format!("192.0.2.{n}:80")))
        .collect();
    let v6: Vec<_> = (1..3)
        .map(|n| address(&format!("[2001:db8::{n}]:80")))
        .collect();
    assert_eq!(
        interleaved(&[v6.clone(), v4.clone()].concat()),
        [v6[0], v4[0], v6[1], v4[1], v4[2], v4[3]]
    );
    assert_eq!(
        interleaved(&[v4[0], v4[1], v4[0], v6[0], v6[0]]),
        [v4[0], v6[0], v4[1]]
    );
    assert_eq!(interleaved(&[]), []);
}
