//! One connection: its echo, its end, and what is due when.

use super::demo::{Demo, Live};
use super::events::{Event, Printer, type_of};
use crate::echo::{Echo, Step};
use crate::wire::Line;
use std::collections::VecDeque;
use std::fmt::Debug;
use std::io::Write;
use std::time::{Duration, Instant};
use ws_socket::{
    CloseCode, Opcode, ProtocolError, ReceiveError, Received, SendError, parse_close, write_close,
};

/// How long a peer may take to answer a Close, or to take one.
const CLOSING: Duration = Duration::from_secs(2);
/// The longest piece of a message.
const PIECE: usize = 16 * 1024;
/// How many buffers are kept for connections that have something to do.
const SPARE: usize = 16;
/// What one connection may do before the others have their turn: steps, and bytes it is sent.
const STEPS: usize = 16;
const BYTES: u64 = 4 * PIECE as u64;

/// What the connections of a server have in common.
pub(super) struct Shared<'a, W: Write> {
    pub(super) printer: &'a mut Printer<W>,
    pub(super) demo: &'a mut Demo,
    pub(super) idle_timeout: Option<Duration>,
    /// When this turn began.
    pub(super) now: Instant,
}

/// What a turn came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// There is more to do at once.
    More,
    /// The system says when there is.
    Wait,
    /// The connection is over and its slot is free.
    Over,
}

/// An open connection.
pub(super) struct Connection {
    id: u64,
    traffic: Traffic,
    phase: Phase,
    /// Frames of our own on their way out.
    sending: VecDeque<Frame>,
    /// Of the message that is coming in.
    length: u64,
    /// What has come in this turn.
    came: u64,
    /// The payload of a Close that is coming in.
    close: Vec<u8>,
    /// When something last came, or went where the peer has to read for that.
    alive: Instant,
    /// It was asked since.
    pinged: bool,
}

/// What a connection is for.
enum Traffic {
    /// What comes goes back.
    Echo(Echo<Vec<u8>>),
    /// The demo's readings.
    Live(Box<Live>),
}

#[derive(Debug)]
enum Phase {
    /// Messages come and go.
    Open,
    /// A Close is to go out as soon as no frame is open.
    Leaving {
        code: CloseCode,
        reason: &'static str,
        until: Instant,
    },
    /// Our Close is out; what comes is dropped until the peer's.
    Closing { until: Instant },
    /// Nothing more comes; the last Close may still have to go out.
    Ending { end: End, until: Instant },
}

/// How a connection ended.
#[derive(Debug)]
enum End {
    /// The peer's Close came.
    Closed { code: CloseCode, reason: String },
    /// It broke the protocol, and gets a Close that says so.
    Protocol(ProtocolError),
    /// TCP ended.
    Lost(String),
    /// It did not answer in time.
    Late(&'static str),
}

#[derive(Debug)]
struct Frame {
    opcode: Opcode,
    bytes: Vec<u8>,
    at: usize,
}

impl Connection {
    /// A connection whose messages come back.
    pub(super) const fn echo(id: u64, now: Instant) -> Self {
        Self {
            id,
            traffic: Traffic::Echo(Echo::new(Vec::new())),
            phase: Phase::Open,
            sending: VecDeque::new(),
            length: 0,
            came: 0,
            close: Vec::new(),
            alive: now,
            pinged: false,
        }
    }

    /// A connection that gets the demo's readings.
    pub(super) fn live(id: u64, demo: &mut Demo, now: Instant) -> Self {
        let (live, hello) = Live::new(demo, now);
        let mut connection = Self::echo(id, now);
        connection.traffic = Traffic::Live(Box::new(live));
        connection.sending.push_back(Frame::new(hello));
        connection
    }

    /// Has it closed by this end, as soon as it can be.
    pub(super) fn leave(&mut self, code: CloseCode, reason: &'static str, now: Instant) {
        if matches!(self.phase, Phase::Open) {
            let until = now + CLOSING;
            self.phase = Phase::Leaving {
                code,
                reason,
                until,
            };
        }
    }

    /// Does what can be done at once, but not for ever. The buffer for pieces comes from `spare`
    /// and goes back there, unless it holds one that could not go back yet.
    pub(super) fn turn<W: Write>(
        &mut self,
        wire: &mut impl Line,
        shared: &mut Shared<'_, W>,
        spare: &mut Vec<Vec<u8>>,
    ) -> Turn {
        if let Traffic::Echo(echo) = &mut self.traffic
            && !echo.holds_piece()
        {
            echo.swap_buffer(spare.pop().unwrap_or_else(|| vec![0; PIECE]));
        }
        let mut turn = Turn::More;
        self.came = 0;
        for _ in 0..STEPS {
            turn = self.step(wire, shared);
            if turn != Turn::More || self.came >= BYTES {
                break;
            }
        }
        if let Traffic::Echo(echo) = &mut self.traffic
            && (turn == Turn::Over || !echo.holds_piece())
        {
            spare.push(echo.swap_buffer(Vec::new()));
            spare.truncate(SPARE);
        }
        turn
    }

    fn step<W: Write>(&mut self, wire: &mut impl Line, shared: &mut Shared<'_, W>) -> Turn {
        if let Phase::Ending { until, .. } = self.phase {
            return self.end(wire, shared, until);
        }
        if let Phase::Leaving {
            code,
            reason,
            until,
        } = self.phase
            && self.may_begin_frame()
        {
            let mut payload = [0; 125];
            let payload = write_close(code, reason, &mut payload).unwrap_or_default();
            let frame = Frame::new((Opcode::Close, payload.to_vec()));
            self.sending.push_back(frame);
            self.phase = Phase::Closing { until };
        }
        if !self.sending.is_empty() {
            let turn = self.send(wire);
            // A peer that does not read may have to be read from first.
            if turn == Turn::More || !matches!(self.phase, Phase::Closing { .. }) {
                return turn;
            }
        }
        match self.receive(wire, shared) {
            Ok(turn) => turn,
            Err(error) => {
                self.ended(end_of(error), shared.now);
                Turn::More
            }
        }
    }

    /// May a frame be begun, as far as this end goes?
    fn may_begin_frame(&self) -> bool {
        let echoing = matches!(&self.traffic, Traffic::Echo(echo) if echo.is_sending());
        !echoing && self.sending.is_empty()
    }

    /// Receives a piece, or has one go back.
    fn receive<W: Write, L: Line>(
        &mut self,
        wire: &mut L,
        shared: &mut Shared<'_, W>,
    ) -> Result<Turn, ReceiveError<L::Error>> {
        let open = matches!(self.phase, Phase::Open);
        let mut small = [0; 512];
        let (piece, payload, answer) = match &mut self.traffic {
            Traffic::Echo(echo) => match echo.step(wire)? {
                Step::Idle => return Ok(idle(wire)),
                Step::Sent => {
                    self.alive = shared.now;
                    return Ok(Turn::More);
                }
                Step::Received(piece, payload) => (piece, payload, None),
            },
            Traffic::Live(live) => {
                let piece = match wire.recv_msg(&mut small) {
                    Err(ReceiveError::Timeout) => return Ok(idle(wire)),
                    piece => piece?,
                };
                let payload = small.get(..piece.length).unwrap_or_default();
                let answer = live.take(&piece, payload, shared.demo, shared.now);
                (piece, payload, answer)
            }
        };
        self.alive = shared.now;
        self.pinged = false;
        if piece.opcode() == Opcode::Close {
            self.close.extend_from_slice(payload);
        }
        self.sending.extend(answer.filter(|_| open).map(Frame::new));
        self.received(&piece, shared);
        Ok(Turn::More)
    }

    fn received<W: Write>(&mut self, piece: &Received, shared: &mut Shared<'_, W>) {
        let complete = piece.is_complete();
        self.came += piece.length as u64;
        match piece.opcode() {
            Opcode::Close if complete => {
                // The core has checked it, so that it parses.
                let end = match parse_close(&self.close) {
                    Ok((code, reason)) => End::Closed {
                        code,
                        reason: reason.to_owned(),
                    },
                    Err(error) => End::Protocol(error),
                };
                self.ended(end, shared.now);
            }
            opcode @ (Opcode::Text | Opcode::Binary) => {
                self.length += piece.length as u64;
                if complete {
                    shared.printer.event(&Event::Message {
                        id: self.id,
                        r#type: type_of(opcode),
                        length: self.length,
                    });
                    self.length = 0;
                }
                if matches!(self.phase, Phase::Closing { .. })
                    && let Traffic::Echo(echo) = &mut self.traffic
                {
                    echo.drop_piece();
                }
            }
            _ => {}
        }
    }

    fn ended(&mut self, end: End, now: Instant) {
        let until = match self.phase {
            Phase::Open => now + CLOSING,
            // All of the end has no more time than that.
            Phase::Leaving { until, .. }
            | Phase::Closing { until }
            | Phase::Ending { until, .. } => until,
        };
        self.phase = Phase::Ending { end, until };
    }

    /// Sends what it can of the first frame that is on its way.
    fn send(&mut self, wire: &mut impl Line) -> Turn {
        let Some(frame) = self.sending.front_mut() else {
            return Turn::More;
        };
        let rest = frame.bytes.get_mut(frame.at..).unwrap_or_default();
        match wire.send_msg(rest, frame.opcode, true) {
            Ok(count) => {
                frame.at += count;
                if frame.at >= frame.bytes.len() {
                    self.sending.pop_front();
                }
            }
            // A Ping can be done without: there is something to read already.
            Err(SendError::Timeout) if frame.opcode == Opcode::Ping && !wire.frame_open() => {
                self.sending.pop_front();
            }
            Err(SendError::Timeout) => return Turn::Wait,
            // What to make of that, receiving tells.
            Err(error) => {
                log::debug!("{}: sending: {error}", self.id);
                self.sending.clear();
            }
        }
        Turn::More
    }

    /// Frees the slot once the last Close is out.
    fn end<W: Write>(
        &mut self,
        wire: &mut impl Line,
        shared: &mut Shared<'_, W>,
        until: Instant,
    ) -> Turn {
        let Phase::Ending { end, .. } = &self.phase else {
            return Turn::More;
        };
        let closes = matches!(end, End::Closed { .. } | End::Protocol(_));
        if closes && shared.now < until && !wire.flush() {
            return Turn::Wait;
        }
        let clean = closes && wire.disconnect();
        if !closes {
            wire.abort();
        }
        self.say(end, clean, shared.printer);
        Turn::Over
    }

    fn say<W: Write>(&self, end: &End, clean: bool, printer: &mut Printer<W>) {
        let id = self.id;
        let trouble = match end {
            End::Closed { .. } if clean => None,
            End::Closed { .. } => Some(("lost", "it closed and did not take our answer".into())),
            End::Protocol(error) => {
                let kind = match error {
                    ProtocolError::MessageTooBig => "too-big",
                    _ => "protocol",
                };
                let code = error.close_code();
                Some((kind, format!("{error}; closed with {code}")))
            }
            End::Lost(error) => Some(("lost", format!("{error}, without a Close"))),
            End::Late(what) => Some(("timeout", (*what).to_owned())),
        };
        if let Some((kind, detail)) = trouble {
            let id = Some(id);
            printer.event(&Event::Error { id, kind, detail });
        }
        let (code, reason) = match end {
            End::Closed { code, reason } => (code.0, reason.as_str()),
            _ => (CloseCode::ABNORMAL.0, ""),
        };
        printer.event(&Event::Close {
            id,
            code,
            reason,
            clean,
        });
    }

    /// Does what is due now. A turn is to follow.
    pub(super) fn on_time<W: Write>(&mut self, shared: &mut Shared<'_, W>) {
        let now = shared.now;
        match self.phase {
            Phase::Open => {
                let free = self.may_begin_frame();
                if let Traffic::Live(live) = &mut self.traffic {
                    let due = live.on_time(shared.demo, free, now);
                    self.sending.extend(due.into_iter().map(Frame::new));
                }
                let Some(idle) = shared.idle_timeout else {
                    return;
                };
                if now >= self.alive + idle {
                    self.leave(CloseCode::INTERNAL_ERROR, "no answer to a Ping", now);
                } else if now >= self.alive + idle / 2 && !self.pinged {
                    self.pinged = true;
                    // Where a frame is on its way the peer has something to do.
                    if self.may_begin_frame() {
                        let frame = Frame::new((Opcode::Ping, Vec::new()));
                        self.sending.push_back(frame);
                    }
                }
            }
            Phase::Leaving { until, .. } if now >= until => {
                self.ended(End::Late("it does not take what is sent to it"), now);
            }
            Phase::Closing { until } if now >= until => {
                self.ended(End::Late("it did not answer our Close"), now);
            }
            _ => {}
        }
    }

    /// When something is due next.
    pub(super) fn due(&self, idle_timeout: Option<Duration>, demo: &Demo) -> Option<Instant> {
        match self.phase {
            Phase::Open => {
                let left = |idle: Duration| if self.pinged { idle } else { idle / 2 };
                let idle = idle_timeout.map(|idle| self.alive + left(idle));
                let live = match &self.traffic {
                    Traffic::Live(live) => Some(live.due(demo)),
                    Traffic::Echo(_) => None,
                };
                idle.into_iter().chain(live).min()
            }
            Phase::Leaving { until, .. }
            | Phase::Closing { until }
            | Phase::Ending { until, .. } => Some(until),
        }
    }
}

/// Nothing came: the system says when something has, if it was asked for that.
fn idle(wire: &mut impl Line) -> Turn {
    if wire.is_blocked() {
        Turn::Wait
    } else {
        Turn::More
    }
}

impl Frame {
    fn new((opcode, bytes): (Opcode, Vec<u8>)) -> Self {
        Self {
            opcode,
            bytes,
            at: 0,
        }
    }
}

fn end_of<E: Debug>(error: ReceiveError<E>) -> End {
    match error {
        ReceiveError::Protocol(error) => End::Protocol(error),
        ReceiveError::Closed(code) => End::Closed {
            code,
            reason: String::new(),
        },
        error => End::Lost(error.to_string()),
    }
}
