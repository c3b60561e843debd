//! An open connection: one thread that receives, sends and watches the clock, and sleeps while
//! there is nothing to do. It never waits for the one while it could do the other: a peer that
//! sends without reading is received from while our own frame is only partly out.

use super::end::{self, End};
use super::events::{Printer, Trouble};
use super::input::{Input, Item, Utf8};
use crate::arguments::ConnectOptions;
use crate::echo::{Echo, Step};
use crate::exit::Exit;
use crate::output;
use crate::signals;
use crate::wire::{Alone, Wake};
use std::io::{self, Write};
use std::time::{Duration, Instant};
use ws_socket::{CloseCode, Opcode, ReceiveError, Received, SendError, parse_close};

/// The longest piece of a message.
const PIECE: usize = 64 * 1024;
/// How many pieces are received before something is sent.
const PIECES_AT_ONCE: usize = 64;
/// How long the peer may take for its Close where a signal asked for the end.
const LEAVE: Duration = Duration::from_secs(2);
/// A message's memory is kept for the next one up to here.
const KEPT: usize = 1 << 20;

/// What goes in and out.
enum Traffic {
    /// Standard input goes out, what comes is printed.
    Lines {
        input: Input,
        opcode: Opcode,
        /// Lines begun.
        count: u64,
        /// Some of the last line has gone out, its end has not.
        in_line: bool,
        utf8: Utf8,
        buffer: Vec<u8>,
        /// The message that is coming in.
        message: Vec<u8>,
    },
    /// What comes goes back.
    Echo {
        echo: Echo<Vec<u8>>,
        /// Of the message that is coming in.
        length: u64,
        messages: u64,
        bytes: u64,
    },
}

/// A frame on its way out.
pub(super) struct Frame {
    bytes: Vec<u8>,
    /// How much of it is out.
    at: usize,
    opcode: Opcode,
    /// Its message ends with it.
    fin: bool,
}

impl Frame {
    fn new(opcode: Opcode, bytes: Vec<u8>) -> Self {
        Self {
            bytes,
            at: 0,
            opcode,
            fin: true,
        }
    }
}

/// `--ping`.
struct Pings {
    every: Duration,
    next: Instant,
    count: u64,
    /// When the last went out, until it is answered.
    sent: Option<Instant>,
    /// Since when the peer owes a sign of life.
    asked: Option<Instant>,
}

/// A connection and what has become of it.
pub(super) struct Session<'a, A, W> {
    pub(super) wire: A,
    pub(super) options: &'a ConnectOptions,
    pub(super) printer: Printer<W>,
    traffic: Traffic,
    sending: Option<Frame>,
    /// The wire takes frames.
    sendable: bool,
    /// The payload of a control frame that is coming in.
    control: Vec<u8>,
    pings: Option<Pings>,
    /// Our Close is on its way, and until when the peer's is waited for.
    pub(super) closing: Option<Instant>,
    /// A signal has asked for the end, which has to be over by then.
    pub(super) leave_by: Option<Instant>,
    /// Standard output had no room for more.
    paused: bool,
    /// What went wrong at this end.
    pub(super) failed: bool,
}

impl<'a, A: Alone, W: Write> Session<'a, A, W> {
    /// `wake` is to end the wire's waits.
    pub(super) fn new(
        wire: A,
        wake: Wake,
        options: &'a ConnectOptions,
        printer: Printer<W>,
    ) -> Self {
        let traffic = if options.echo {
            Traffic::Echo {
                echo: Echo::new(vec![0; PIECE]),
                length: 0,
                messages: 0,
                bytes: 0,
            }
        } else {
            Traffic::Lines {
                input: Input::start(wake),
                opcode: if options.binary {
                    Opcode::Binary
                } else {
                    Opcode::Text
                },
                count: 0,
                in_line: false,
                utf8: Utf8::default(),
                buffer: vec![0; PIECE],
                message: Vec::new(),
            }
        };
        Self {
            wire,
            options,
            printer,
            traffic,
            sending: None,
            sendable: true,
            control: Vec::new(),
            pings: options.ping.map(|every| Pings {
                every,
                next: Instant::now() + every,
                count: 0,
                sent: None,
                asked: None,
            }),
            closing: None,
            leave_by: None,
            paused: false,
            failed: false,
        }
    }

    /// To the end of the connection.
    pub(super) fn run(mut self, subprotocol: Option<usize>) -> Exit {
        let end = match self.opened(subprotocol) {
            Err(end) => end,
            Ok(()) => loop {
                match self.turn() {
                    Ok(true) => {}
                    Ok(false) => self.wait(),
                    Err(end) => break end,
                }
            },
        };
        end::finish(self, end)
    }

    fn opened(&mut self, subprotocol: Option<usize>) -> Result<(), End> {
        let chosen = subprotocol.and_then(|index| self.options.subprotocols.get(index));
        let chosen = chosen.map(String::as_str);
        Ok(self.printer.open(&self.options.url, chosen)?)
    }

    /// Does what can be done at once. False where that was nothing.
    fn turn(&mut self) -> Result<bool, End> {
        self.printer.check()?;
        if signals::came() && self.leave_by.is_none() {
            log::debug!("a signal asks for the end");
            self.leave_by = Some(Instant::now() + LEAVE.min(self.options.timeout));
        }
        let mut moved = false;
        for _ in 0..PIECES_AT_ONCE {
            // What is not received the peer keeps: it is asked to wait, as whoever reads asks us.
            self.paused = !output::has_room();
            if self.paused || !self.receive()? {
                break;
            }
            moved = true;
        }
        if let Some(pings) = self.pings.as_mut().filter(|_| moved || self.paused) {
            // Whatever came is a sign of life. While nothing is received, none can come.
            pings.asked = None;
        }
        moved |= self.send()?;
        self.is_peer_there()?;
        if self.paused && self.closing.is_some() {
            // The peer's Close is after what has no room here: that is not the peer's time.
            self.closing = Some(Instant::now() + self.options.timeout);
        }
        let ends = self.closing.into_iter().chain(self.leave_by).min();
        if ends.is_some_and(|until| Instant::now() >= until) {
            return Err(End::Timeout);
        }
        Ok(moved)
    }

    /// With `--ping` a peer that is silent for the timeout after a Ping is given up.
    fn is_peer_there(&mut self) -> Result<(), End> {
        if !self.listens() {
            return Ok(());
        }
        let (now, free) = (Instant::now(), self.may_begin_frame());
        if let Some(pings) = self.pings.as_mut().filter(|pings| now >= pings.next)
            && !free
        {
            // A frame that the peer does not take is in the way.
            pings.asked.get_or_insert(now);
        }
        match self.gives_up().is_some_and(|at| now >= at) {
            true => Err(ReceiveError::<io::Error>::NoPong.into()),
            false => Ok(()),
        }
    }

    /// Would a sign of life be heard, and is there no other limit on the wait for it?
    const fn listens(&self) -> bool {
        self.closing.is_none() && self.sendable && !self.paused
    }

    /// When the peer is given up.
    fn gives_up(&self) -> Option<Instant> {
        let asked = self.pings.as_ref().filter(|_| self.listens())?.asked?;
        Some(asked + self.options.timeout)
    }

    /// Sleeps until a socket is ready, a line was read, or the next thing is due.
    fn wait(&mut self) {
        let pings = self.pings.as_ref();
        // One that cannot go out now goes out when the wire is free again; from when it is due on the
        // peer owes a sign of life.
        let ping =
            pings.filter(|pings| self.may_begin_frame() || self.listens() && pings.asked.is_none());
        let ping = ping.map(|pings| pings.next);
        let next = ping.into_iter().chain(self.leave_by).chain(self.gives_up());
        let closing = self.closing.filter(|_| !self.paused);
        let next = next.chain(closing).min();
        let left = next.map(|next| next.saturating_duration_since(Instant::now()));
        if self.paused {
            self.wire.pause(left);
        } else {
            self.wire.wait(left);
        }
    }

    /// Receives one piece; by `--echo` also sends it back. False where nothing came.
    fn receive(&mut self) -> Result<bool, End> {
        let Self {
            wire,
            traffic,
            control,
            printer,
            pings,
            ..
        } = self;
        let complete = |piece: &Received| piece.is_complete();
        match traffic {
            // A Ping of ours that is partly out goes first.
            Traffic::Echo { .. } if self.sending.is_some() => Ok(false),
            Traffic::Echo {
                echo,
                length,
                messages,
                bytes,
            } => {
                match echo.step(wire)? {
                    Step::Idle => return Ok(false),
                    Step::Sent => {}
                    Step::Received(piece, payload) if piece.opcode().is_control() => {
                        take_control(&piece, payload, control, pings, printer)?;
                    }
                    Step::Received(piece, payload) => {
                        *length += payload.len() as u64;
                        if complete(&piece) {
                            printer.echo(piece.opcode(), *length)?;
                            *messages += 1;
                            *bytes += std::mem::take(length);
                        }
                    }
                }
                Ok(true)
            }
            Traffic::Lines {
                buffer, message, ..
            } => {
                let piece = match wire.recv_msg(buffer) {
                    Err(ReceiveError::Timeout) => return Ok(false),
                    result => result?,
                };
                let payload = buffer.get(..piece.length).unwrap_or_default();
                if piece.opcode().is_control() {
                    take_control(&piece, payload, control, pings, printer)?;
                    return Ok(true);
                }
                if complete(&piece) && message.is_empty() {
                    printer.message(piece.opcode(), payload)?;
                    return Ok(true);
                }
                message.extend_from_slice(payload);
                if complete(&piece) {
                    printer.message(piece.opcode(), message)?;
                    message.clear();
                    message.shrink_to(KEPT);
                }
                Ok(true)
            }
        }
    }

    /// Sends what it can of one frame. False where nothing went out.
    fn send(&mut self) -> Result<bool, End> {
        if self.sending.is_none() {
            self.sending = self.next_frame()?;
        }
        let Some(frame) = &mut self.sending else {
            return Ok(false);
        };
        let rest = frame.bytes.get_mut(frame.at..).unwrap_or_default();
        match self.wire.send_msg(rest, frame.opcode, frame.fin) {
            Ok(count) => {
                frame.at += count;
                if let Some(pings) = &mut self.pings
                    && Instant::now() >= pings.next
                {
                    // Who takes the frame that a Ping waits for is there.
                    pings.asked = None;
                }
                if frame.at >= frame.bytes.len() {
                    self.sending = None;
                }
                Ok(true)
            }
            Err(SendError::Timeout) => Ok(false),
            // What to make of that, receiving tells: there may be something left to receive.
            Err(error @ (SendError::NotConnected | SendError::Stack(_))) => {
                log::debug!("sending: {error}");
                self.sendable = false;
                self.sending = None;
                Ok(true)
            }
            Err(error) => Err(End::Internal(error.to_string())),
        }
    }

    /// May a frame be begun, as far as this end goes?
    fn may_begin_frame(&self) -> bool {
        let echoing = matches!(&self.traffic, Traffic::Echo { echo, .. } if echo.is_sending());
        self.sendable && self.closing.is_none() && self.sending.is_none() && !echoing
    }

    /// What goes out next, if there is something.
    fn next_frame(&mut self) -> Result<Option<Frame>, End> {
        if !self.may_begin_frame() {
            return Ok(None);
        }
        let now = Instant::now();
        if let Some(until) = self.leave_by {
            return Ok(Some(self.close(CloseCode::GOING_AWAY, until)));
        }
        if let Some(pings) = self.pings.as_mut().filter(|pings| now >= pings.next) {
            pings.count += 1;
            pings.sent = Some(now);
            pings.asked.get_or_insert(now);
            // One that was missed is not made up for.
            pings.next = now + pings.every;
            log::debug!("ping {}", pings.count);
            let payload = pings.count.to_be_bytes().to_vec();
            return Ok(Some(Frame::new(Opcode::Ping, payload)));
        }
        let Traffic::Lines {
            input,
            opcode,
            count,
            in_line,
            utf8,
            ..
        } = &mut self.traffic
        else {
            return Ok(None);
        };
        let trouble = match input.next() {
            None => return Ok(None),
            Some(Item::Piece { mut bytes, last }) => {
                *count += u64::from(!*in_line);
                if *opcode == Opcode::Text && last {
                    bytes.pop_if(|last| *last == b'\r');
                }
                if *opcode == Opcode::Binary || utf8.takes(&bytes, last) {
                    let continued = std::mem::replace(in_line, !last);
                    let opcode = if continued {
                        Opcode::Continuation
                    } else {
                        *opcode
                    };
                    return Ok(Some(Frame {
                        fin: last,
                        ..Frame::new(opcode, bytes)
                    }));
                }
                let detail = format!("line {count} of standard input is not UTF-8; try --binary");
                Some(Trouble::new("input", detail))
            }
            Some(Item::End) => None,
            Some(Item::Failed(error)) => {
                let detail = format!("standard input cannot be read: {error}");
                Some(Trouble::new("input", detail))
            }
        };
        if let Some(trouble) = trouble {
            self.failed = true;
            self.printer.trouble(&trouble)?;
        }
        let until = now + self.options.timeout;
        Ok(Some(self.close(CloseCode::NORMAL, until)))
    }

    /// Our Close, which the peer has to answer by then.
    fn close(&mut self, code: CloseCode, until: Instant) -> Frame {
        log::debug!("closing with {code}");
        self.closing = Some(until);
        Frame::new(Opcode::Close, code.0.to_be_bytes().to_vec())
    }

    /// Sends the rest of a frame that is partly out, so that a Close can follow. Waits for it.
    pub(super) fn finish_frame(&mut self, left: Duration) {
        let Some(mut frame) = self.sending.take() else {
            return;
        };
        if self.wire.frame_open() {
            let rest = frame.bytes.get_mut(frame.at..).unwrap_or_default();
            let result = self.wire.send_within(rest, frame.opcode, frame.fin, left);
            log::debug!("the rest of the frame that was open: {result:?}");
        }
    }

    /// Is there input that did not go out? Whoever ended the connection should know.
    pub(super) fn has_input_left(&mut self) -> bool {
        let Traffic::Lines { input, in_line, .. } = &mut self.traffic else {
            return false;
        };
        if *in_line {
            return true;
        }
        let unsent = self.sending.as_ref();
        let unsent = unsent.is_some_and(|frame| !frame.opcode.is_control());
        unsent || self.closing.is_none() && matches!(input.next(), Some(Item::Piece { .. }))
    }

    /// What `--echo` has come to.
    pub(super) fn echoed(&self) -> Option<(u64, u64)> {
        match self.traffic {
            Traffic::Echo {
                messages, bytes, ..
            } => Some((messages, bytes)),
            Traffic::Lines { .. } => None,
        }
    }
}

/// Takes a piece of a control frame.
fn take_control<W: Write>(
    piece: &Received,
    payload: &[u8],
    control: &mut Vec<u8>,
    pings: &mut Option<Pings>,
    printer: &mut Printer<W>,
) -> Result<(), End> {
    control.extend_from_slice(payload);
    if !piece.is_complete() {
        return Ok(());
    }
    let payload = std::mem::take(control);
    match piece.opcode() {
        Opcode::Ping => printer.ping(&payload)?,
        Opcode::Pong => {
            let last = pings
                .as_mut()
                .filter(|pings| payload == pings.count.to_be_bytes());
            let sent = last.and_then(|pings| pings.sent.take());
            let rtt_ms = sent.map(|sent| sent.elapsed().as_secs_f64() * 1e3);
            printer.pong(&payload, rtt_ms)?;
        }
        _ => {
            // The core has checked it, so that it parses.
            let (code, reason) = parse_close(&payload).map_err(End::Protocol)?;
            return Err(End::Closed {
                code,
                reason: reason.to_owned(),
            });
        }
    }
    Ok(())
}
