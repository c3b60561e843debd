//! The job of a close: the closing handshake (RFC 6455 sections 5.5.1, 7.1).

use super::listening::{Heard, Listening};
use super::step::{Job, Step, Told, Wire};
use super::{Endpoint, Face, Lent};
use crate::close::CloseCode;
use crate::opcode::Opcode;

/// The closing handshake: a Close of ours goes out, what data still comes is dropped until the peer's
/// Close, and a client waits for the server to close TCP, which is the server's to do first (section
/// 7.1.1). A second job goes on where one that was dropped has stopped.
#[derive(Debug)]
pub struct Close {
    code: CloseCode,
    until_eof: bool,
    state: State,
    listening: Listening,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Our Close is not due yet.
    Beginning,
    /// Frames are read and dropped until the peer's Close.
    Draining,
    /// Nothing more comes; ours has to go out, whatever the stream holds back.
    Answering,
    /// The same, and the wire is full. One that is gone may say so to a read alone.
    Full,
    /// Bytes are read and dropped until the end of the stream.
    Ending,
    Over,
}

impl Close {
    /// A close with `code`: see [`Endpoint::close`]. Without `until_eof` a client does not wait for the
    /// end of the stream.
    pub const fn new(code: CloseCode, until_eof: bool) -> Self {
        Self {
            code,
            until_eof,
            state: State::Beginning,
            listening: Listening::new(Face::Nobody),
        }
    }

    /// Our Close could not go out for want of a mask key: a later close tries again.
    pub fn lacks_key(&self) -> bool {
        self.listening.wire == Wire::NoKey
    }

    /// What is next once no more frames come?
    fn after_draining(&self, endpoint: &Endpoint) -> State {
        let over = endpoint.has_failed() || endpoint.is_gone();
        let answers = endpoint.peer_close().is_some() || over;
        if answers && self.listening.wire != Wire::Failed {
            State::Answering
        } else {
            State::Over
        }
    }

    /// And once all of ours is out?
    fn after_answering(&self, endpoint: &Endpoint) -> State {
        let waits = self.until_eof && endpoint.connection.tx.masks();
        if waits && endpoint.close_sent() && endpoint.peer_close().is_some() {
            State::Ending
        } else {
            State::Over
        }
    }
}

impl Job for Close {
    fn step(&mut self, endpoint: &mut Endpoint, lent: &mut Lent<'_>, told: Told) -> Step {
        self.listening.hear(endpoint, lent, told);
        if told == Told::NoKey {
            self.state = State::Over;
        }
        loop {
            match self.state {
                State::Over => return Step::Done,
                // There can be no Close in the middle of a frame.
                State::Beginning if has_frame_open(endpoint) => self.state = State::Over,
                // A Pong comes first, if the wire takes it: nothing is sent after a Close.
                State::Beginning
                    if self.listening.wire == Wire::Open && endpoint.control_ready() =>
                {
                    return endpoint.control_step(lent.reserve);
                }
                State::Beginning => {
                    endpoint.close(self.code);
                    self.state = State::Draining;
                }
                State::Draining => match self.listening.next(endpoint, lent, 1) {
                    Heard::Step(step) => return step,
                    Heard::Ready | Heard::Ended => self.state = self.after_draining(endpoint),
                },
                State::Answering if self.listening.wire != Wire::Open => {
                    self.state = State::Full;
                    if !endpoint.is_eof() {
                        return endpoint.in_turn(Step::ReadNow);
                    }
                }
                State::Answering if endpoint.control_ready() => {
                    return endpoint.control_step(lent.reserve);
                }
                State::Answering => {
                    self.state = self.after_answering(endpoint);
                    return Step::FlushLast;
                }
                State::Full => {
                    self.state = if told == Told::ReadFailed || self.listening.wire == Wire::Failed
                    {
                        State::Over
                    } else {
                        State::Answering
                    };
                    if self.state == State::Answering && !matches!(told, Told::Read(1..)) {
                        self.listening.wait();
                        return Step::Blocked;
                    }
                }
                State::Ending if endpoint.is_eof() => self.state = State::Over,
                State::Ending if told == Told::ReadBlocked => return Step::Blocked,
                State::Ending => return endpoint.in_turn(Step::Read),
            }
        }
    }
}

/// Is a frame of the user's open? A Close of the user's own is as good as ours.
fn has_frame_open(endpoint: &Endpoint) -> bool {
    endpoint.frame_open() && endpoint.connection.tx.opcode() != Some(Opcode::Close)
}

/// Has the [`Close`] that is to follow say why: makes one with a code and a reason due. Where one is due
/// already, or a frame of the user's is open, nothing happens. A Pong goes out before; where it is half
/// out and the wire takes no more, there is no reason.
#[derive(Debug)]
pub struct Reason<'r> {
    code: CloseCode,
    reason: &'r str,
}

impl<'r> Reason<'r> {
    /// A code, and a reason of which the first 123 bytes are sent.
    pub const fn new(code: CloseCode, reason: &'r str) -> Self {
        Self { code, reason }
    }
}

impl Job for Reason<'_> {
    fn step(&mut self, endpoint: &mut Endpoint, lent: &mut Lent<'_>, told: Told) -> Step {
        endpoint.take_in(lent, told);
        let writes = matches!(told, Told::Resumed | Told::Written(_));
        if writes && !endpoint.closing() && endpoint.control_ready() {
            return endpoint.control_step(lent.reserve);
        }
        if !has_frame_open(endpoint) {
            endpoint.close_saying(self.code, self.reason, lent.reserve);
        }
        Step::Done
    }
}
