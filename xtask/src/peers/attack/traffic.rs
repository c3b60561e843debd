//! Random messages over a connection whose other end sends everything back: sizes, fragments, Pings
//! between them, and at the end a Close, a reset or nothing. What comes back is compared by hash.

use super::peer::{self, BINARY, CLOSE, CONTINUATION, FIN, PING, PONG, TEXT};
use super::random::Random;
use sha1::{Digest, Sha1};
use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::ops::AddAssign;
use std::time::{Duration, Instant};

/// The longest message.
const LONGEST: usize = 300_000;
/// Fragments of a message, at most.
const FRAGMENTS: usize = 9;
/// Messages of a connection, at most.
const MESSAGES: usize = 30;
/// Between two messages, at most.
const BETWEEN_MS: u64 = 6;

/// What was done.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Counts {
    pub(super) connections: u64,
    pub(super) messages: u64,
    pub(super) bytes: u64,
    pub(super) fragments: u64,
    pub(super) pings: u64,
    pub(super) pongs: u64,
    pub(super) closes: u64,
    pub(super) resets: u64,
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.connections += other.connections;
        self.messages += other.messages;
        self.bytes += other.bytes;
        self.fragments += other.fragments;
        self.pings += other.pings;
        self.pongs += other.pongs;
        self.closes += other.closes;
        self.resets += other.resets;
    }
}

/// A message, as it goes out.
struct Message {
    opcode: u8,
    hash: [u8; 20],
    bytes: Vec<u8>,
    pings: Vec<Vec<u8>>,
    length: usize,
    fragments: usize,
}

impl Message {
    fn new(random: &mut Random, masked: bool) -> Self {
        let length = match random.below(8) {
            0 => 0,
            1 | 2 => random.below(126),
            3..=5 => random.below(5_000),
            6 => 65_500 + random.below(100),
            _ => random.below(LONGEST),
        };
        let mut payload = random.bytes(length);
        let opcode = if random.one_in(2) { TEXT } else { BINARY };
        if opcode == TEXT {
            payload.iter_mut().for_each(|byte| *byte &= 0x7f);
        }
        let fragments = 1 + random.below(FRAGMENTS) * random.below(2);
        let (mut bytes, mut pings) = (Vec::new(), Vec::new());
        let mut rest = payload.as_slice();
        for number in 1..=fragments {
            if random.one_in(4) {
                let length = random.below(126);
                let ping = random.bytes(length);
                bytes.extend(peer::frame(FIN | PING, &ping, masked));
                pings.push(ping);
            }
            let last = number == fragments;
            let most = rest.len() + 1;
            let cut = if last { rest.len() } else { random.below(most) };
            let (part, behind) = rest.split_at_checked(cut).unwrap_or_default();
            let opcode = if number == 1 { opcode } else { CONTINUATION };
            let fin = if last { FIN } else { 0 };
            bytes.extend(peer::frame(fin | opcode, part, masked));
            rest = behind;
        }
        Self {
            opcode,
            hash: Sha1::digest(&payload).into(),
            bytes,
            pings,
            length,
            fragments,
        }
    }
}

/// A connection in the midst of it.
pub(super) struct Traffic<'a> {
    stream: TcpStream,
    masked: bool,
    /// How long a message may take.
    within: Duration,
    /// Somebody wants it to end: then its failures are none.
    over: &'a dyn Fn() -> bool,
    inbox: Vec<u8>,
    outbox: Vec<u8>,
    /// Of what has not been answered.
    pings: VecDeque<Vec<u8>>,
    hash: Sha1,
    opcode: Option<u8>,
    pub(super) counts: Counts,
}

/// What has come.
enum Came {
    Message(u8, [u8; 20]),
    Close(Vec<u8>),
}

impl<'a> Traffic<'a> {
    /// Over a WebSocket; `masked` where this end is the client.
    pub(super) fn new(
        stream: TcpStream,
        masked: bool,
        within: Duration,
        over: &'a dyn Fn() -> bool,
    ) -> Self {
        Self {
            stream,
            masked,
            within,
            over,
            inbox: Vec::new(),
            outbox: Vec::new(),
            pings: VecDeque::new(),
            hash: Sha1::new(),
            opcode: None,
            counts: Counts::default(),
        }
    }

    /// To the end of the connection: what was done, or what is wrong.
    pub(super) fn run(mut self, random: &mut Random) -> Result<Counts, String> {
        self.counts.connections = 1;
        self.stream
            .set_nonblocking(true)
            .map_err(|error| error.to_string())?;
        for _ in 0..=random.below(MESSAGES) {
            if (self.over)() {
                return Ok(self.counts);
            }
            let message = Message::new(random, self.masked);
            let reset_at = random
                .one_in(40)
                .then(|| random.below(message.bytes.len().max(1)));
            self.counts.pings += message.pings.len() as u64;
            self.counts.fragments += message.fragments as u64;
            self.pings.extend(message.pings);
            self.outbox = message.bytes;
            if let Some(at) = reset_at {
                // Amid a message, of which some may have come back.
                let part = self.outbox.get(..at).unwrap_or_default();
                let _ = self.stream.write(part);
                std::thread::sleep(Duration::from_millis(random.next() % 2));
                peer::reset(self.stream);
                self.counts.resets += 1;
                return Ok(self.counts);
            }
            match self.until()? {
                Some(Came::Message(opcode, hash)) => {
                    if opcode != message.opcode || hash != message.hash {
                        return Err(format!(
                            "a message of {} bytes came back as another",
                            message.length
                        ));
                    }
                }
                Some(Came::Close(why)) => return Err(format!("closed with {why:?}")),
                None => return Ok(self.counts),
            }
            self.counts.messages += 1;
            self.counts.bytes += message.length as u64;
            std::thread::sleep(Duration::from_millis(random.next() % BETWEEN_MS));
        }
        self.end(random)
    }

    fn end(mut self, random: &mut Random) -> Result<Counts, String> {
        if random.one_in(3) {
            if random.one_in(2) {
                peer::reset(self.stream);
                self.counts.resets += 1;
            }
            // Or a FIN without a Close.
            return Ok(self.counts);
        }
        self.outbox = peer::frame(FIN | CLOSE, &[3, 0xe8], self.masked);
        match self.until()? {
            Some(Came::Close(code)) if code == [3, 0xe8] => self.counts.closes += 1,
            Some(Came::Close(code)) => return Err(format!("Close (1000) answered with {code:?}")),
            Some(Came::Message(..)) => return Err("a message too many".to_owned()),
            None => {}
        }
        Ok(self.counts)
    }

    /// Writes and reads until a message or a Close has come; `None` where it is over.
    fn until(&mut self) -> Result<Option<Came>, String> {
        let until = Instant::now() + self.within;
        let mut buffer = vec![0; 64 * 1024];
        loop {
            while let Some(header) = peer::parse(&self.inbox) {
                if let Some(came) = self.frame(header)? {
                    return Ok(Some(came));
                }
                let end = header.size.saturating_add(header.length);
                if self.inbox.len() < end {
                    break;
                }
                self.inbox.drain(..end);
            }
            let moved = self.pump(&mut buffer);
            if (self.over)() {
                return Ok(None);
            }
            if !moved? {
                if Instant::now() > until {
                    let seconds = self.within.as_secs();
                    return Err(format!("a message did not come back in {seconds} s"));
                }
                std::thread::sleep(Duration::from_micros(200));
            }
        }
    }

    /// Takes a frame that is there as a whole.
    fn frame(&mut self, header: peer::Header) -> Result<Option<Came>, String> {
        let end = header.size.saturating_add(header.length);
        let Some(payload) = self.inbox.get_mut(header.size..end) else {
            return Ok(None);
        };
        if header.mask.is_some() == self.masked {
            return Err("a frame masked as it must not be".to_owned());
        }
        let mask = header.mask.unwrap_or_default();
        let mask = mask.iter().cycle();
        payload.iter_mut().zip(mask).for_each(|(a, b)| *a ^= b);
        let payload = payload.to_vec();
        let (fin, opcode) = (header.first & FIN != 0, header.first & !FIN);
        match opcode {
            PONG => {
                let place = self.pings.iter().position(|ping| *ping == payload);
                let place = place.ok_or("a Pong that nothing was asked for")?;
                // One may stand for those before it.
                self.pings.drain(..=place);
                self.counts.pongs += 1;
                Ok(None)
            }
            PING => {
                let pong = peer::frame(FIN | PONG, &payload, self.masked);
                // In front of what has not begun; amid a frame nothing may stand.
                self.outbox.extend(pong);
                Ok(None)
            }
            CLOSE => Ok(Some(Came::Close(payload))),
            TEXT | BINARY | CONTINUATION => {
                if (opcode == CONTINUATION) != self.opcode.is_some() {
                    return Err("fragments in disorder".to_owned());
                }
                let first = *self.opcode.get_or_insert(opcode);
                self.hash.update(&payload);
                if !fin {
                    return Ok(None);
                }
                self.opcode = None;
                self.inbox.drain(..end);
                let hash = self.hash.finalize_reset().into();
                Ok(Some(Came::Message(first, hash)))
            }
            _ => Err(format!("a frame of opcode {opcode}")),
        }
    }

    /// Writes and reads what can be at once: did anything move?
    fn pump(&mut self, buffer: &mut [u8]) -> Result<bool, String> {
        let mut moved = false;
        if !self.outbox.is_empty() {
            match self.stream.write(&self.outbox) {
                Ok(count) => {
                    self.outbox.drain(..count);
                    moved = true;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(format!("writing: {error}")),
            }
        }
        match self.stream.read(buffer) {
            Ok(0) => Err("the connection ended".to_owned()),
            Ok(count) => {
                let came = buffer.get(..count).unwrap_or_default();
                self.inbox.extend_from_slice(came);
                Ok(true)
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(moved),
            Err(error) => Err(format!("reading: {error}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{Ipv4Addr, TcpListener};

    /// Sends bytes back: by a change, others.
    fn echoed(change: fn(&mut Vec<u8>)) -> Result<Counts, String> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let echo = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut inbox = Vec::new();
            let mut buffer = vec![0; 1 << 16];
            while let Ok(count @ 1..) = stream.read(&mut buffer) {
                inbox.extend_from_slice(&buffer[..count]);
                while let Some(header) = peer::parse(&inbox) {
                    let end = header.size + header.length;
                    if inbox.len() < end {
                        break;
                    }
                    let mut payload = inbox[header.size..end].to_vec();
                    let first = match header.first {
                        first if first == FIN | PING => FIN | PONG,
                        first => first,
                    };
                    inbox.drain(..end);
                    change(&mut payload);
                    let frame = peer::frame(first, &payload, true);
                    if stream.write_all(&frame).is_err() {
                        return;
                    }
                }
            }
        });
        let stream = peer::dial(port, Duration::from_secs(5)).unwrap();
        let over = || false;
        let traffic = Traffic::new(stream, false, Duration::from_secs(5), &over);
        let result = traffic.run(&mut Random::new(3, 1));
        echo.join().unwrap();
        result
    }

    #[test]
    fn an_echo_is_taken_and_a_byte_that_differs_is_not() {
        let counts = echoed(|_| {}).unwrap();
        assert!(counts.messages > 0);
        let spoiled = echoed(|payload| {
            if payload.len() > 200 {
                payload[100] ^= 1;
            }
        });
        assert!(spoiled.unwrap_err().contains("as another"));
    }
}
