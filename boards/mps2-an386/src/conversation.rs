//! The conversation with `host/conversation.py`: what is said, in which order, and whether what
//! comes is right. How to send and receive is the firmware's part.

use ws_socket::{CloseCode, Flags, Opcode, Received};

/// For all calls, in milliseconds.
pub const TIMEOUT: i32 = 10_000;

/// Where a request is refused, with this status.
pub const REFUSED: (&str, u16) = ("/refuse", 403);
/// Where the conversation is.
pub const CONVERSATION: &str = "/conversation";
/// Where it has a longer end.
pub const KEPT_ALIVE: &str = "/kept-alive";
/// Where a server upgrades and is dead from then on.
pub const SILENT: &str = "/silent";
/// How it is closed.
pub const CLOSE: (CloseCode, &str) = (CloseCode(4000), "done");

/// A step of the conversation.
#[derive(Debug, Clone, Copy)]
pub enum Step {
    /// A frame to send.
    Send {
        /// What it is.
        opcode: Opcode,
        /// What is in it.
        payload: Payload,
        /// Is it the last of its message?
        fin: bool,
    },
    /// A message that has to come.
    Expect(Expected),
    /// Something to say to who watches.
    Reached(&'static str),
}

/// What is in a frame or message.
#[derive(Debug, Clone, Copy)]
pub enum Payload {
    /// These bytes.
    Bytes(&'static [u8]),
    /// 256 KiB that no buffer here can hold: bytes of which each tells where it stands.
    Long,
    /// The same, all bits inverted.
    LongInverted,
}

const LONG: usize = 256 * 1024;
const TEXT: &[u8] = "grüße from a microcontroller".as_bytes();
/// Goes in three frames, cut here: a character may be cut in two, only the message has to be UTF-8.
const FRAGMENTED: &[u8] = "Stücke, drei".as_bytes();
const CUTS: [usize; 2] = [3, 8];
const BINARY: &[u8] = &{
    let mut bytes = [0; 1000];
    let mut at = 0;
    while at < bytes.len() {
        bytes[at] = pattern(at);
        at += 1;
    }
    bytes
};
const PING: &[u8] = b"are you there?";

/// What is said on [`CONVERSATION`] and [`KEPT_ALIVE`].
pub const SCRIPT: &[Step] = &[
    Step::Reached("connected"),
    send(Opcode::Text, Payload::Bytes(TEXT), true),
    expect(Opcode::Text, Payload::Bytes(TEXT), 1),
    send(Opcode::Binary, Payload::Bytes(BINARY), true),
    expect(Opcode::Binary, Payload::Bytes(BINARY), 1),
    Step::Reached("text and binary came back"),
    fragment(Opcode::Text, 0, CUTS[0]),
    fragment(Opcode::Continuation, CUTS[0], CUTS[1]),
    fragment(Opcode::Continuation, CUTS[1], FRAGMENTED.len()),
    expect(Opcode::Text, Payload::Bytes(FRAGMENTED), 3),
    Step::Reached("fragments came back"),
    send(Opcode::Binary, Payload::Long, true),
    expect(Opcode::Binary, Payload::LongInverted, 1),
    Step::Reached("256 KiB went and came through 256 bytes"),
    // Ours, whose Pong comes here; then the server's, which the library answers.
    send(Opcode::Ping, Payload::Bytes(PING), true),
    expect(Opcode::Pong, Payload::Bytes(PING), 1),
    expect(Opcode::Text, Payload::Bytes(b"your Pong came"), 1),
    Step::Reached("pinged and was pinged"),
];

/// What is said on [`KEPT_ALIVE`] behind that: the server is silent until keepalive asks.
pub const AFTER_SILENCE: &[Step] = &[
    expect(Opcode::Text, Payload::Bytes(b"you asked"), 1),
    Step::Reached("silence was asked about"),
];

const fn send(opcode: Opcode, payload: Payload, fin: bool) -> Step {
    Step::Send {
        opcode,
        payload,
        fin,
    }
}

const fn fragment(opcode: Opcode, from: usize, to: usize) -> Step {
    let (bytes, _) = FRAGMENTED.split_at(to);
    send(
        opcode,
        Payload::Bytes(bytes.split_at(from).1),
        to == FRAGMENTED.len(),
    )
}

const fn expect(opcode: Opcode, payload: Payload, frames: usize) -> Step {
    Step::Expect(Expected {
        opcode,
        payload,
        frames,
        came: 0,
    })
}

const fn pattern(at: usize) -> u8 {
    (at ^ at >> 8 ^ at >> 16) as u8
}

impl Payload {
    /// Its length in bytes.
    pub const fn length(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.len(),
            Self::Long | Self::LongInverted => LONG,
        }
    }

    fn byte(&self, at: usize) -> Option<u8> {
        match self {
            Self::Bytes(bytes) => bytes.get(at).copied(),
            Self::Long => (at < LONG).then(|| pattern(at)),
            Self::LongInverted => (at < LONG).then(|| !pattern(at)),
        }
    }

    /// What comes at `at`, as much as `buffer` takes.
    pub fn part<'b>(&self, at: usize, buffer: &'b mut [u8]) -> &'b [u8] {
        let mut length = 0;
        for (place, (at, byte)) in (at..).zip(buffer.iter_mut()).enumerate() {
            let Some(value) = self.byte(at) else { break };
            *byte = value;
            length = place + 1;
        }
        &buffer[..length]
    }
}

/// A message that has to come, and what came of it.
#[derive(Debug, Clone, Copy)]
pub struct Expected {
    opcode: Opcode,
    payload: Payload,
    frames: usize,
    came: usize,
}

impl Expected {
    /// Takes a piece of it; true if that was the last.
    ///
    /// # Panics
    /// If it is not what was expected.
    pub fn piece(&mut self, piece: &Received, bytes: &[u8]) -> bool {
        assert_eq!(piece.opcode(), self.opcode);
        for (at, byte) in (self.came..).zip(bytes) {
            assert_eq!(Some(*byte), self.payload.byte(at), "byte {at}");
        }
        self.came += bytes.len();
        let left = self.payload.length() - self.came;
        if self.frames == 1 {
            assert!(piece.flags.contains(Flags::FINAL));
            // Of the last frame of several, too.
            assert_eq!(piece.remaining, left);
        }
        if piece.remaining == 0 {
            assert!(self.frames > 0, "more frames than expected");
            self.frames -= 1;
        }
        if piece.is_complete() {
            assert_eq!((left, self.frames), (0, 0), "bytes and frames missing");
        }
        piece.is_complete()
    }
}
