//! A relay between client and broker that sees every frame: it injects Pings and checks the
//! Pongs, checks that each message is one MQTT packet, and can cut the line.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What the relay does and has seen.
#[derive(Default)]
pub struct Seen {
    /// Ping the client whenever the last Ping was answered.
    pub ping: AtomicBool,
    pub pings: AtomicUsize,
    pub pongs: AtomicUsize,
    /// Binary messages of the client, and how many of their frames there were.
    pub messages: AtomicUsize,
    pub frames: AtomicUsize,
    pub longest: AtomicUsize,
    wrong: Mutex<Vec<String>>,
    awaited: Mutex<VecDeque<Vec<u8>>>,
    lines: Mutex<Vec<TcpStream>>,
}

pub struct Relay {
    pub address: SocketAddr,
    pub seen: Arc<Seen>,
}

impl Relay {
    pub fn start(broker: SocketAddr) -> Result<Self, String> {
        let listener = TcpListener::bind("127.0.0.1:0").map_err(|error| error.to_string())?;
        let address = listener.local_addr().map_err(|error| error.to_string())?;
        let seen = Arc::new(Seen::default());
        let shared = Arc::clone(&seen);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                // Without a broker the client is hung up on.
                if let Ok(server) = TcpStream::connect(broker) {
                    relay(&client, &server, &shared);
                }
            }
        });
        Ok(Self { address, seen })
    }

    /// Hangs up on both sides of all connections.
    pub fn cut(&self) {
        for line in self.seen.lines.lock().unwrap().drain(..) {
            let _ = line.shutdown(Shutdown::Both);
        }
    }

    /// What was wrong with what the client sent.
    pub fn verdict(&self) -> Result<(), String> {
        let wrong = self.seen.wrong.lock().unwrap();
        wrong.first().map_or(Ok(()), |wrong| Err(wrong.clone()))
    }
}

fn relay(client: &TcpStream, server: &TcpStream, seen: &Arc<Seen>) {
    let _ = client.set_nodelay(true);
    let _ = server.set_nodelay(true);
    // Another connection has its own Pings.
    seen.awaited.lock().unwrap().clear();
    let mut lines = seen.lines.lock().unwrap();
    let (Ok(up_from), Ok(up_to)) = (client.try_clone(), server.try_clone()) else {
        return;
    };
    let (Ok(down_from), Ok(down_to)) = (server.try_clone(), client.try_clone()) else {
        return;
    };
    lines.extend(
        [client.try_clone(), server.try_clone()]
            .into_iter()
            .flatten(),
    );
    let (up, down) = (Arc::clone(seen), Arc::clone(seen));
    std::thread::spawn(move || {
        let end = upwards(&up_from, &up_to, &up);
        hang_up(&up_from, &up_to, end, &up);
    });
    std::thread::spawn(move || {
        let _ = downwards(&down_from, &down_to, &down);
        hang_up(&down_from, &down_to, Ok(()), &down);
    });
}

fn hang_up(one: &TcpStream, other: &TcpStream, end: Result<(), String>, seen: &Seen) {
    if let Err(wrong) = end {
        seen.wrong.lock().unwrap().push(wrong);
    }
    for line in [one, other] {
        let _ = line.shutdown(Shutdown::Both);
    }
}

/// The head of a request or an answer, passed on.
fn head(mut from: &TcpStream, mut to: &TcpStream) -> Option<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        from.read_exact(&mut byte).ok()?;
        head.extend_from_slice(&byte);
    }
    to.write_all(&head).ok()
}

/// The length that follows in a header of two bytes, and those bytes.
fn length(mut from: &TcpStream, second: u8) -> Option<(usize, Vec<u8>)> {
    let more = match second & 0x7F {
        126 => 2,
        127 => 8,
        short => return Some((short.into(), Vec::new())),
    };
    let mut bytes = vec![0; more];
    from.read_exact(&mut bytes).ok()?;
    let length = bytes
        .iter()
        .fold(0, |sum, byte| sum << 8 | usize::from(*byte));
    Some((length, bytes))
}

/// From the client: every frame is looked at. `Err` is what was wrong with one.
fn upwards(mut from: &TcpStream, mut to: &TcpStream, seen: &Seen) -> Result<(), String> {
    if head(from, to).is_none() {
        return Ok(());
    }
    let mut message = Vec::new();
    loop {
        let mut first = [0; 2];
        if from.read_exact(&mut first).is_err() {
            return Ok(());
        }
        let Some((length, more)) = length(from, first[1]) else {
            return Ok(());
        };
        let (mut key, mut payload) = ([0; 4], vec![0; length]);
        if from.read_exact(&mut key).is_err() || from.read_exact(&mut payload).is_err() {
            return Ok(());
        }
        let frame = [&first[..], &more, &key, &payload].concat();
        for (byte, key) in payload.iter_mut().zip(key.iter().cycle()) {
            *byte ^= key;
        }
        match (first[0] & 0x0F, first[1] & 0x80) {
            (_, 0) => return Err("a frame without a mask".to_owned()),
            (0xA, _) => {
                let awaited = seen.awaited.lock().unwrap().pop_front();
                if awaited.as_ref() != Some(&payload) {
                    return Err(format!("a Pong with {payload:?}, not {awaited:?}"));
                }
                seen.pongs.fetch_add(1, SeqCst);
                // The broker sent no Ping.
                continue;
            }
            (2, _) | (0, _) => {
                seen.frames.fetch_add(1, SeqCst);
                seen.longest.fetch_max(payload.len(), SeqCst);
                message.extend_from_slice(&payload);
                if first[0] & 0x80 != 0 {
                    seen.messages.fetch_add(1, SeqCst);
                    one_packet(&message)?;
                    message.clear();
                }
            }
            (8, _) => {}
            (opcode, _) => return Err(format!("a frame with opcode {opcode}")),
        }
        if to.write_all(&frame).is_err() {
            return Ok(());
        }
    }
}

/// Is this exactly one MQTT packet?
fn one_packet(message: &[u8]) -> Result<(), String> {
    let mut length = 0;
    for (place, byte) in message.iter().skip(1).take(4).enumerate() {
        length |= usize::from(byte & 0x7F) << (7 * place);
        if byte & 0x80 == 0 {
            if message.len() == 2 + place + length {
                return Ok(());
            }
            break;
        }
    }
    let start = message.get(..8).unwrap_or(message);
    Err(format!(
        "a message of {} bytes is not one packet: {start:02x?}",
        message.len()
    ))
}

/// To the client: with Pings between the frames.
fn downwards(mut from: &TcpStream, mut to: &TcpStream, seen: &Seen) -> Option<()> {
    head(from, to)?;
    let mut first = [0; 2];
    loop {
        from.set_read_timeout(Some(Duration::from_millis(5))).ok()?;
        match from.read(&mut first[..1]) {
            Ok(0) => return None,
            Ok(_) => {}
            Err(error) if is_timeout(&error) => {
                ping(to, seen)?;
                continue;
            }
            Err(_) => return None,
        }
        from.set_read_timeout(None).ok()?;
        from.read_exact(&mut first[1..]).ok()?;
        let (length, more) = length(from, first[1])?;
        let mut payload = vec![0; length];
        from.read_exact(&mut payload).ok()?;
        to.write_all(&[&first[..], &more, &payload].concat()).ok()?;
        ping(to, seen)?;
    }
}

fn is_timeout(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{TimedOut, WouldBlock};
    matches!(error.kind(), WouldBlock | TimedOut)
}

fn ping(mut to: &TcpStream, seen: &Seen) -> Option<()> {
    let mut awaited = seen.awaited.lock().unwrap();
    if !seen.ping.load(SeqCst) || !awaited.is_empty() {
        return Some(());
    }
    let number = seen.pings.fetch_add(1, SeqCst);
    // 0 to 125 bytes, in any order.
    let length = (number * 37 % 126) as u8;
    let payload: Vec<u8> = (0..length).map(|place| place ^ number as u8).collect();
    awaited.push_back(payload.clone());
    to.write_all(&[&[0x89, length], &payload[..]].concat()).ok()
}
