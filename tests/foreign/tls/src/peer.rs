//! A server of rustls, without I/O: bytes in, bytes out. The WebSocket above it is made by hand.

use std::cell::RefCell;
use std::io::{Read, Write};
use std::rc::Rc;
use std::sync::Arc;

use rustls::{ServerConfig, ServerConnection};

use crate::frames::{Found, frame, frames, head, switching};

/// The server's TLS.
pub struct Peer {
    tls: ServerConnection,
    /// What went wrong with it.
    pub failed: Option<rustls::Error>,
    /// The client said that it is through.
    pub client_closed: bool,
}

impl Peer {
    /// A server with a certificate.
    pub fn new(config: ServerConfig) -> Self {
        let mut tls = ServerConnection::new(Arc::new(config)).unwrap();
        tls.set_buffer_limit(None);
        Self {
            tls,
            failed: None,
            client_closed: false,
        }
    }

    /// Takes what the client sent: what was in it. The answer is in [`out`](Self::out).
    pub fn take(&mut self, mut bytes: &[u8]) -> Vec<u8> {
        let mut plain = Vec::new();
        while !bytes.is_empty() && self.failed.is_none() {
            self.tls.read_tls(&mut bytes).unwrap();
            match self.tls.process_new_packets() {
                Ok(state) => {
                    self.client_closed |= state.peer_has_closed();
                    let before = plain.len();
                    plain.resize(before + state.plaintext_bytes_to_read(), 0);
                    self.tls.reader().read_exact(&mut plain[before..]).unwrap();
                }
                Err(error) => self.failed = Some(error),
            }
        }
        plain
    }

    /// What goes to the client now.
    pub fn out(&mut self) -> Vec<u8> {
        let mut out = Vec::new();
        while self.tls.wants_write() {
            self.tls.write_tls(&mut out).unwrap();
        }
        out
    }

    /// Has it keys to speak with?
    pub fn is_open(&self) -> bool {
        !self.tls.is_handshaking()
    }

    /// Says something: one record, or one for each 16 KiB.
    pub fn say(&mut self, plain: &[u8]) -> Vec<u8> {
        for part in plain.chunks(16_384) {
            self.tls.writer().write_all(part).unwrap();
        }
        self.out()
    }

    /// Says that it is through.
    pub fn close_notify(&mut self) -> Vec<u8> {
        self.tls.send_close_notify();
        self.out()
    }

    /// Goes on with other keys (RFC 8446 section 4.6.3).
    pub fn update_keys(&mut self) -> Vec<u8> {
        self.tls.refresh_traffic_keys().unwrap();
        self.out()
    }

    /// The name the client asked for.
    pub fn sni(&self) -> Option<&str> {
        self.tls.server_name()
    }
}

/// What a server says to a message.
pub type Answers = Box<dyn FnMut(&[u8]) -> Vec<Vec<u8>> + Send>;

/// A WebSocket server that sends back each frame of data, in a record of its own.
pub struct Echo {
    /// Its TLS.
    pub peer: Peer,
    /// What it says behind the 101, in the same record.
    pub behind: Vec<u8>,
    /// Says nothing but the 101.
    pub silent: bool,
    /// What comes back for a binary message instead of an echo, a message each.
    pub answers: Option<Answers>,
    /// The client's request.
    pub request: String,
    /// The frames that came.
    pub found: Vec<Found>,
    /// All bytes that came of WebSocket and HTTP.
    pub heard: usize,
    plain: Vec<u8>,
}

impl Echo {
    /// A server with a certificate.
    pub fn new(config: ServerConfig) -> Self {
        Self {
            peer: Peer::new(config),
            behind: Vec::new(),
            silent: false,
            answers: None,
            request: String::new(),
            found: Vec::new(),
            heard: 0,
            plain: Vec::new(),
        }
    }

    /// One that several hold.
    pub fn shared(config: ServerConfig) -> Rc<RefCell<Self>> {
        Rc::new(RefCell::new(Self::new(config)))
    }

    /// Takes what the client sent: what goes back.
    pub fn take(&mut self, bytes: &[u8]) -> Vec<u8> {
        let plain = self.peer.take(bytes);
        self.heard += plain.len();
        self.plain.extend(plain);
        let mut out = self.peer.out();
        if self.request.is_empty() {
            let Some((request, rest)) = head(&self.plain) else {
                return out;
            };
            self.request = request.to_owned();
            self.plain = rest.to_vec();
            let protocol = if self.request.contains("Protocol: mqtt") {
                "Sec-WebSocket-Protocol: mqtt\r\n"
            } else {
                ""
            };
            let answer = switching(&self.request, protocol);
            out.extend(self.peer.say(&[answer.as_bytes(), &self.behind].concat()));
        }
        let (found, rest) = frames(&self.plain);
        self.plain = rest.to_vec();
        for found in found {
            if !self.silent {
                out.extend(self.answer(&found));
            }
            self.found.push(found);
        }
        out
    }

    fn answer(&mut self, found: &Found) -> Vec<u8> {
        if let (2, Some(answers)) = (found.opcode, &mut self.answers) {
            let messages = answers(&found.payload);
            let frames = messages.iter().map(|one| frame(true, 2, false, one));
            return frames.flat_map(|one| self.peer.say(&one)).collect();
        }
        match found.opcode {
            0..=2 => {
                let back = frame(found.fin, found.opcode, false, &found.payload);
                self.peer.say(&back)
            }
            8 => {
                let mut out = self.peer.say(&frame(true, 8, false, &found.payload));
                out.extend(self.peer.close_notify());
                out
            }
            9 => self.peer.say(&frame(true, 10, false, &found.payload)),
            _ => Vec::new(),
        }
    }
}
