//! What attacks on a server are made of.

use super::peer;
use super::random::Random;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How long a connection of an attack may take to be made.
pub(super) const WITHIN: Duration = Duration::from_secs(1);
/// Between two connections of an attack that are made again.
const AGAIN: Duration = Duration::from_millis(5);

/// Where an attack is played.
pub(super) struct Field {
    pub(super) port: u16,
    pub(super) seed: u64,
    over: AtomicBool,
    blows: AtomicU64,
}

impl Field {
    pub(super) const fn new(port: u16, seed: u64) -> Self {
        Self {
            port,
            seed,
            over: AtomicBool::new(false),
            blows: AtomicU64::new(0),
        }
    }

    pub(super) fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    pub(super) const fn over(&self) -> &AtomicBool {
        &self.over
    }

    /// Something was done to the server.
    pub(super) fn blow(&self) {
        self.blows.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn blows(&self) -> u64 {
        self.blows.load(Ordering::Relaxed)
    }

    /// Waits until something was done.
    pub(super) fn begun(&self, within: Duration) {
        let until = Instant::now() + within;
        while self.blows() == 0 && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Random numbers of one of the attackers.
    pub(super) const fn random(&self, user: u64) -> Random {
        Random::new(self.seed, user)
    }

    /// Waits while the attack goes on.
    pub(super) fn hold(&self) {
        while !self.is_over() {
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Connects, to a WebSocket or not.
    fn connect(&self, upgraded: bool) -> Option<TcpStream> {
        let stream = if upgraded {
            peer::open(self.port, WITHIN)
        } else {
            peer::dial(self.port, WITHIN)
        };
        stream.ok()
    }

    /// So many connections, held.
    pub(super) fn many(&self, count: usize, upgraded: bool, first: &[u8]) -> Vec<TcpStream> {
        let mut held = Vec::new();
        while held.len() < count && !self.is_over() {
            if let Some(mut stream) = self.connect(upgraded)
                && stream.write_all(first).is_ok()
            {
                held.push(stream);
            }
        }
        held
    }
}

/// A peer that says one thing and then another without end.
pub(super) struct Flood {
    /// How many there are of it.
    pub(super) count: usize,
    /// It begins as a WebSocket.
    pub(super) upgraded: bool,
    pub(super) first: Vec<u8>,
    /// What comes after, again and again.
    pub(super) block: Vec<u8>,
    /// It reads what it gets.
    pub(super) reads: bool,
}

/// One of a flood.
struct Peer {
    stream: TcpStream,
    /// How much of `first` and of the block is out.
    first: usize,
    at: usize,
    /// There is more to read, as far as is known.
    open: bool,
}

impl Flood {
    /// Plays it, from one thread however many they are. Who is cut off comes again.
    pub(super) fn play(&self, field: &Field) {
        let mut peers: Vec<Option<Peer>> = (0..self.count).map(|_| None).collect();
        let mut sink = vec![0; 64 * 1024];
        while !field.is_over() {
            let mut moved = false;
            let mut dialled = false;
            for place in &mut peers {
                if field.is_over() {
                    break;
                }
                match place {
                    Some(peer) => match self.step(peer, &mut sink) {
                        Some(true) => {
                            field.blow();
                            moved = true;
                        }
                        Some(false) => {}
                        None => *place = None,
                    },
                    None if dialled && field.blows() > 0 => {}
                    None => {
                        *place = self.dial(field);
                        dialled = true;
                    }
                }
            }
            if dialled {
                std::thread::sleep(AGAIN);
            } else if !moved {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
    }

    fn dial(&self, field: &Field) -> Option<Peer> {
        let stream = field.connect(self.upgraded)?;
        stream.set_nonblocking(true).ok()?;
        Some(Peer {
            stream,
            first: 0,
            at: 0,
            open: true,
        })
    }

    /// Writes and reads what can be at once: has something gone out? `None` where it was cut off.
    fn step(&self, peer: &mut Peer, sink: &mut [u8]) -> Option<bool> {
        if self.reads && peer.open {
            match peer.stream.read(sink) {
                // That the server has no more to say is no reason to stop.
                Ok(0) => peer.open = false,
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(_) => return None,
            }
        }
        let opening = peer.first < self.first.len();
        let rest = if opening {
            self.first.get(peer.first..)
        } else {
            self.block.get(peer.at..)
        };
        match peer.stream.write(rest.unwrap_or_default()) {
            Ok(0) => Some(false),
            Ok(count) if opening => {
                peer.first += count;
                Some(true)
            }
            Ok(count) => {
                peer.at = (peer.at + count) % self.block.len().max(1);
                Some(true)
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => Some(false),
            Err(_) => None,
        }
    }
}
